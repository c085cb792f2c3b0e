"""What `wambench status` says about runs that go on, have ended or were killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import Run
from wambench.evaluate import Execution, Request, start_run
from wambench.protocol import Episode
from wambench.report.live import describe_rate, going
from wambench.results.record import EpisodeRecord
from wambench.results.record import Execution as Recorded
from wambench.results.run import RunDirectory
from wambench.results.session import Session, duration, last_session, session, state_of


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of nine episodes, ended."""
    request = Request("example_go_to_target", "example_reach", tmp_path / "run", trials=3)
    return start_run(request, Execution(workers=1))


@contextmanager
def slow_run(out: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in another process that has some of its 300 episodes, and takes minutes."""
    command = [sys.executable, "-m", "wambench.cli.main", "eval", "--policy", "faulty"]
    command += ["--suite", "faulty_reach", "--trials", "100", "--policy-arg", "delay=0.3"]
    process = subprocess.Popen(
        [*command, "--workers", "1", "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    file = out / "episodes.jsonl"
    while time.monotonic() < deadline and not (file.exists() and file.stat().st_size):
        time.sleep(0.05)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def look(wambench: Run, *runs: Path) -> list[dict[str, Any]]:
    """What `status --json` prints."""
    done = wambench("status", *runs, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_runs_that_go_on_were_interrupted_killed_and_finished_are_told_apart(
    tmp_path: Path, run: RunDirectory, wambench: Run
) -> None:
    with slow_run(tmp_path / "on") as process:
        ended, on = look(wambench, run.path, tmp_path / "on")
        text = wambench("status", tmp_path / "on").stdout
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert (ended["state"], ended["counted"], ended["seconds_left"]) == ("finished", 9, None)
    assert ended["rate"] == ended["successes"] / 9
    assert on["state"] == "running"
    assert 0 < on["counted"] < 300
    assert on["rate"] is None
    assert on["rate_bounds"] == [
        on["successes"] / 300,
        (on["successes"] + 300 - on["counted"]) / 300,
    ]
    assert on["seconds_left"] == pytest.approx(on["to_come"] / on["episodes_per_minute"] * 60)
    assert on["to_come"] == 300 - on["counted"]
    assert "episodes/min, about" in text
    assert f"process {process.pid}" in text
    assert re.search(r"\d+/300 episodes: \d+ succeeded", log), "a log has the last state"
    (interrupted,) = look(wambench, tmp_path / "on")
    assert interrupted["state"] == "interrupted"
    with slow_run(tmp_path / "killed") as process:
        pass
    (killed,) = look(wambench, tmp_path / "killed")
    assert killed["state"] == "died"
    assert f"process {process.pid} was killed" in killed["detail"]
    text = wambench("status", tmp_path / "killed").stdout
    assert f"wambench eval --resume {tmp_path / 'killed'}" in text


def test_a_run_that_failed_says_with_what(tmp_path: Path, wambench: Run) -> None:
    done = wambench(
        *("eval", "--policy", "faulty", "--suite", "faulty_reach", "--policy-arg", "always=width"),
        *("--out", tmp_path / "run"),
    )
    assert done.returncode == 2
    (failed,) = look(wambench, tmp_path / "run")
    assert failed["state"] == "failed"
    assert "act() returned an array of shape" in failed["detail"]


def test_a_session_on_another_machine_is_judged_by_its_signs_of_life_and_says_so(
    run: RunDirectory,
) -> None:
    told = last_session(run)
    assert told is not None
    elsewhere = told.model_copy(update={"ended": "", "machine": "other", "host": "node7"})
    fresh = state_of(run, elsewhere.model_copy(update={"beat_at": time.time() - 15}))
    assert (fresh.name, "sign of life 15 s ago" in fresh.detail) == ("running", True)
    stale = state_of(run, elsewhere.model_copy(update={"beat_at": time.time() - 7200}))
    assert stale.name == "silent"
    assert "2 h 0 min ago" in stale.detail


def test_a_run_that_no_session_speaks_of_is_unknown(run: RunDirectory) -> None:
    (run.path / "session.json").unlink()
    assert state_of(run, last_session(run)).name == "unknown"


def test_looking_at_a_run_does_not_keep_others_from_writing_to_it(run: RunDirectory) -> None:
    with run.locked(), session(run, engine="local", replicas=1, workers=1) as told:
        assert state_of(run, told).name == "running"
    with run.locked():
        pass


def test_a_path_without_a_run_is_an_error(tmp_path: Path, wambench: Run) -> None:
    done = wambench("status", tmp_path)
    assert done.returncode == 2
    assert "holds no run" in done.stderr


def record(episode: Episode, outcome: str, ended_at: float) -> EpisodeRecord:
    """A record that ended at that time."""
    execution = Recorded(worker=0, attempts=1, started_at=ended_at - 1, ended_at=ended_at)
    return EpisodeRecord.of(episode, outcome=outcome, execution=execution)


def test_the_pace_is_that_of_the_session_and_recorded_errors_are_not_waited_for(
    run: RunDirectory,
) -> None:
    episodes = run.manifest.episodes
    found = [record(episode, "success", 50.0) for episode in episodes[:3]]  # an earlier session
    found.append(record(episodes[3], "failure", 110.0))
    found.append(record(episodes[4], "env_error", 130.0))
    told = Session(
        host="h", machine="m", pid=1, engine="local", replicas=1, workers=1,
        started_at=100.0, beat_at=100.0,
    )  # fmt: skip
    now = going(run, {r.key: r for r in found}, told, 160.0)
    assert now.per_minute == pytest.approx(2.0)
    assert now.to_come == 4
    assert now.seconds_left == pytest.approx(120.0)
    assert now.last_ended_at == 130.0
    assert now.summary.bounds == pytest.approx((3 / 9, 8 / 9))
    low, high = now.summary.interval
    assert low < 3 / 9
    assert high > 8 / 9
    assert describe_rate(now.summary).startswith("success rate will be 33.3 to 88.9 %, 95 % CI [")


def test_nothing_is_foretold_before_the_first_episode_has_ended(run: RunDirectory) -> None:
    now = going(run, {}, last_session(run), time.time())
    assert (now.per_minute, now.seconds_left) == (None, None)
    assert describe_rate(now.summary) == "no success rate yet"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(42, "42 s"), (59.6, "60 s"), (420, "7 min"), (3599, "1 h 0 min"), (11520, "3 h 12 min")],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_panel_of_a_terminal_shows_what_a_log_line_says(run: RunDirectory) -> None:
    from rich.console import Console

    from wambench.cli.live import line, panel

    now = going(run, run.records(), last_session(run), time.time())
    console = Console(width=100)
    with console.capture() as capture:
        console.print(panel(now))
    shown = capture.get()
    for part in ("9/9 episodes", "succeeded", "success rate", "episodes/min"):
        assert part in shown
        assert part in line(now)
