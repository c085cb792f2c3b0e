"""What the runner does when simulators and policies fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support import alive, children
from wambench.errors import PolicyContractError, RunDirectoryError, WambenchError
from wambench.evaluate import Execution, Request, Silent, resume_run, start_run
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory
from wambench.runner.scheduler import Limits


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that tells the faulty plug-in what to do."""
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv("FAULTS", str(folder))
    return folder


def evaluate(
    out: Path,
    *,
    policy: str = "example_go_to_target",
    workers: int = 2,
    limits: Limits | None = None,
    trials: int = 3,
    arguments: dict[str, Any] | None = None,
) -> RunDirectory:
    """One run on the faulty suite: 3 tasks."""
    request = Request(policy, "faulty_reach", out, trials=trials, policy_arguments=arguments or {})
    return start_run(request, Execution(workers=workers, limits=limits or Limits()))


def contents(run: RunDirectory) -> list[dict[str, Any]]:
    """All that must not depend on how the run went."""
    return [record.comparable() for record in run.records().values()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What an undisturbed run gives."""
    return contents(evaluate(tmp_path_factory.mktemp("run") / "run", workers=1))


@pytest.mark.parametrize("fault", ["raise", "segfault", "kill"])
def test_an_episode_whose_simulator_fails_once_is_run_again_with_the_same_result(
    tmp_path: Path, faults: Path, undisturbed: list[dict[str, Any]], fault: str
) -> None:
    (faults / f"{fault}-1-1").write_text("1")
    run = evaluate(tmp_path / "run")
    assert contents(run) == undisturbed
    assert run.records()["faulty_reach/1/1"].execution.attempts == 2


def test_a_hanging_worker_is_replaced_and_its_episode_run_again(
    tmp_path: Path, faults: Path, undisturbed: list[dict[str, Any]]
) -> None:
    (faults / "hang-0-2").write_text("1")
    run = evaluate(tmp_path / "run", limits=Limits(silence_s=3))
    assert contents(run) == undisturbed
    assert run.records()["faulty_reach/0/2"].execution.attempts == 2


def test_an_episode_that_always_hangs_is_recorded_as_error_that_says_where(
    tmp_path: Path, faults: Path
) -> None:
    (faults / "hang-0-2").write_text("9")
    run = evaluate(tmp_path / "run", limits=Limits(silence_s=3, retries=0))
    record = run.records()["faulty_reach/0/2"]
    assert record.outcome == "env_error"
    assert "the worker hung: no sign of life for 3 s" in record.error
    said = re.search(
        r" in (\w+) \(__init__\.py, line \d+\); stacks in (.*worker-\d\.log)", record.error
    )
    assert said is not None, record.error
    assert f" in {said[1]}" in Path(said[2]).read_text()


def test_an_episode_that_keeps_failing_is_recorded_as_error_and_run_again_on_resume(
    tmp_path: Path, faults: Path, undisturbed: list[dict[str, Any]]
) -> None:
    (faults / "segfault-2-0").write_text("3")
    run = evaluate(tmp_path / "run", limits=Limits(retries=2))
    record = run.records()["faulty_reach/2/0"]
    assert record.outcome == "env_error"
    assert "SIGSEGV" in record.error
    assert record.execution.attempts == 3
    resumed = resume_run(tmp_path / "run", {}, Execution(workers=1))
    assert contents(resumed) == undisturbed


def test_an_infeasible_episode_is_recorded_at_once(tmp_path: Path, faults: Path) -> None:
    (faults / "infeasible-0-0").write_text("9")
    record = evaluate(tmp_path / "run").records()["faulty_reach/0/0"]
    assert (record.outcome, record.execution.attempts) == ("infeasible", 1)


@pytest.mark.parametrize("policy", ["faulty", "faulty_privileged"])
@pytest.mark.parametrize("fault", ["nan", "act"])
def test_only_the_episode_whose_policy_fails_is_a_policy_error(
    tmp_path: Path, faults: Path, policy: str, fault: str
) -> None:
    (faults / f"{fault}-1-2").write_text("9")
    run = evaluate(tmp_path / "run", policy=policy, limits=Limits(retries=1))
    outcomes = {key: record.outcome for key, record in run.records().items()}
    assert outcomes.pop("faulty_reach/1/2") == "policy_error"
    assert set(outcomes.values()) == {"success"}
    error = run.records()["faulty_reach/1/2"].error
    assert ("nan" in error) if fault == "nan" else ("CUDA out of memory" in error)


@pytest.mark.parametrize("policy", ["faulty", "faulty_privileged"])
def test_a_wrong_action_width_stops_the_run_at_once(tmp_path: Path, policy: str) -> None:
    with pytest.raises(WambenchError, match=r"\(\d, 4, 4\), expected .* \(\d, 4, 2\)"):
        evaluate(tmp_path / "run", policy=policy, arguments={"always": "width"})
    assert RunDirectory(tmp_path / "run").records() == {}


def test_a_run_in_which_everything_fails_gives_up_early(tmp_path: Path) -> None:
    with pytest.raises(WambenchError, match="The first 5 episodes all ended in policy_error"):
        evaluate(tmp_path / "run", policy="faulty", arguments={"always": "nan"}, trials=5)
    assert len(RunDirectory(tmp_path / "run").records()) == 5


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_records_do_not_depend_on_the_number_of_workers(
    tmp_path: Path, undisturbed: list[dict[str, Any]], workers: int
) -> None:
    assert contents(evaluate(tmp_path / "run", workers=workers)) == undisturbed


@pytest.mark.parametrize("workers", [1, 4])
def test_policy_noise_depends_on_episode_and_step_only(tmp_path: Path, workers: int) -> None:
    noisy = {"noise": 0.5}
    first = contents(evaluate(tmp_path / "a", workers=workers, arguments=noisy))
    second = contents(evaluate(tmp_path / "b", workers=2, arguments=noisy))
    assert first == second
    assert len({record["actions"] for record in first}) == len(first)


def test_ctrl_c_leaves_a_run_that_can_be_resumed(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "wambench.cli.main", "eval", "--policy", "faulty"]
    command += ["--suite", "faulty_reach", "--trials", "3", "--policy-arg", "delay=0.1"]
    process = subprocess.Popen(
        [*command, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        file = out / "episodes.jsonl"
        if file.exists() and file.read_bytes().count(b"\n") >= 2:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert f"wambench eval --resume {out}" in output
    assert "Traceback" not in output
    before = len(RunDirectory(out).records())
    assert 2 <= before < 9
    resumed = resume_run(out, {}, Execution(workers=2))
    assert contents(resumed) == undisturbed
    lines = (out / "episodes.jsonl").read_text().splitlines()
    assert len(lines) == 9, "an episode that was counted must not be run again"


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_scheduler_leaves_no_worker_behind_not_even_one_that_hangs(
    tmp_path: Path, faults: Path, ending: signal.Signals
) -> None:
    fault = faults / "hang-0-0"
    fault.write_text("1")
    command = [sys.executable, "-m", "wambench.cli.main", "eval", "--policy", "faulty"]
    command += ["--suite", "faulty_reach", "--policy-arg", "delay=0.2", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and fault.read_text() != "0":
        time.sleep(0.02)
    assert fault.read_text() == "0", "one worker hangs now, the other is at work"
    workers = children(process.pid)
    assert len(workers) == 2
    process.send_signal(ending)
    assert process.wait(timeout=60) == (130 if ending == signal.SIGTERM else -signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(alive(pid) for pid in workers):
        time.sleep(0.1)
    assert not any(alive(pid) for pid in workers)


def test_an_incomplete_last_line_is_cut_off_and_its_episode_run_again(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    run = evaluate(tmp_path / "run")
    file = run.path / "episodes.jsonl"
    file.write_bytes(file.read_bytes()[:-25])
    assert len(run.records()) == 8
    assert contents(resume_run(run.path, {}, Execution(workers=1))) == undisturbed
    for line in file.read_text().splitlines():
        json.loads(line)


def test_the_contract_error_of_a_privileged_policy_keeps_its_remedy() -> None:
    from wambench.runner.worker import describe_failure

    message = describe_failure(PolicyContractError("Wrong width.", "Mend it."))
    assert (message["kind"], message["problem"], message["remedy"]) == (
        "fatal",
        "Wrong width.",
        "Mend it.",
    )


@pytest.mark.parametrize("fault", ["nan", "act"])
def test_a_policy_error_does_not_change_the_episodes_it_was_batched_with(
    tmp_path: Path, faults: Path, fault: str
) -> None:
    noisy = {"noise": 0.5, "delay": 0.02}
    alone = contents(evaluate(tmp_path / "alone", policy="faulty", workers=1, arguments=noisy))
    (faults / f"{fault}-1-2").write_text("99")
    run = evaluate(tmp_path / "together", policy="faulty", workers=4, arguments=noisy)
    together = contents(run)
    assert [r["outcome"] for r in together if r["key"] == "faulty_reach/1/2"] == ["policy_error"]
    others = [record for record in together if record["key"] != "faulty_reach/1/2"]
    assert others == [record for record in alone if record["key"] != "faulty_reach/1/2"]
    attempts = {key: record.execution.attempts for key, record in run.records().items()}
    assert attempts.pop("faulty_reach/1/2") == 3
    assert set(attempts.values()) == {1}, "nobody else is charged an attempt"


def test_a_busy_and_an_idle_worker_that_die_together_are_both_replaced(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    """Six workers for the last of nine episodes: some are idle when all are killed at once."""

    class KillAll(Silent):
        killed = 0

        def record(self, record: EpisodeRecord) -> None:
            if self.killed < 2:
                self.killed += 1
                for pid in children(os.getpid()):
                    os.kill(pid, signal.SIGKILL)

    request = Request("faulty", "faulty_reach", tmp_path / "run", trials=3)
    killer = KillAll()
    limits = Limits(retries=5)
    run = start_run(request, Execution(workers=6, limits=limits, progress=killer))
    assert killer.killed == 2
    assert contents(run) == undisturbed


def test_infeasible_episodes_do_not_stop_a_run_nor_its_resumption(
    tmp_path: Path, faults: Path
) -> None:
    for task, init_state in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)):
        (faults / f"infeasible-{task}-{init_state}").write_text("99")
    run = evaluate(tmp_path / "run")
    outcomes = [record.outcome for record in run.records().values()]
    assert outcomes == ["infeasible"] * 6 + ["success"] * 3
    resumed = resume_run(run.path, {}, Execution(workers=2))
    assert [record.outcome for record in resumed.records().values()] == outcomes


def test_a_worker_with_another_simulator_than_the_first_stops_the_run(
    tmp_path: Path, faults: Path
) -> None:
    run = evaluate(tmp_path / "run")
    run.add_provenance(suite={"numpy": "1.0"})
    (run.path / "episodes.jsonl").write_bytes(b"")
    with pytest.raises(RunDirectoryError, match=r"another simulator: numpy was 1\.0, is"):
        resume_run(run.path, {}, Execution(workers=1))


def test_a_worker_never_imports_from_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: list[dict[str, Any]]
) -> None:
    for name in ("msgpack", "wambench_faulty", "libero"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported the wrong file')")
    monkeypatch.chdir(tmp_path)
    assert contents(evaluate(tmp_path / "run")) == undisturbed


def test_a_run_is_filmed_on_resume_as_it_was_started(tmp_path: Path, faults: Path) -> None:
    (faults / "raise-0-0").write_text("1")
    request = Request("example_go_to_target", "faulty_reach", tmp_path / "run", trials=1)
    limits = Limits(retries=0)
    run = start_run(request, Execution(workers=1, video="all", limits=limits))
    assert len(list((run.path / "videos").iterdir())) == 2
    resume_run(run.path, {}, Execution(workers=1))
    assert len(list((run.path / "videos").iterdir())) == 3


LISTENER = """
from wambench.protocol import Needs
from wambench_example.policy import GoToTarget

class Listener(GoToTarget):
    def measure(self, last):
        return {"renamed": float(last.instruction == "find the red one")}

class Privileged(Listener):
    needs = Needs(cameras=("top",), image_size=(32, 32), privileged=True)
"""


@pytest.mark.parametrize("policy", ["Listener", "Privileged"])
def test_a_policy_is_told_what_the_simulator_says_where_that_is_not_in_the_manifest(
    tmp_path: Path, faults: Path, policy: str
) -> None:
    (faults / "rename-1-0").write_text("1")
    (tmp_path / "listener.py").write_text(LISTENER)
    run = evaluate(tmp_path / "run", policy=f"{tmp_path / 'listener.py'}:{policy}", trials=1)
    told = {key: record.metrics["renamed"] for key, record in run.records().items()}
    assert told == {"faulty_reach/0/0": 0.0, "faulty_reach/1/0": 1.0, "faulty_reach/2/0": 0.0}
    assert run.records()["faulty_reach/1/0"].instruction == "reach target 1"
