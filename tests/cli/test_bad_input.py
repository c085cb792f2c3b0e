"""Bad input gives one line that says what to do, and loses nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from support import Run

EVAL = ("eval", "--policy", "example_go_to_target", "--suite", "example_reach", "--trials", "2")


def one_line(process: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The error line of a command that must have failed with exactly one."""
    assert process.returncode == code, process.stdout + process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    lines = [line for line in process.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, process.stderr
    return lines[0]


def scripted(
    script: str, arguments: Sequence[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Runs a Python script that ends in the command line, with arguments, in a folder."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "exampel_go_to_target"), "Did you mean example_go_to_target"),
        (("--suite", "example_rich"), "Did you mean example_reach"),
        (("--tasks", "7"), "it has 0 to 2"),
        (("--tasks", "one"), "Example: 0,3,5-7"),
        (("--trials", "0"), "at least 1"),
        (("--seed", "-1"), "negative"),
        (("--workers", "0"), "at least 1"),
        (("--policy-arg", "chunks=3"), "Did you mean chunk"),
        (("--policy-arg", "chunk"), "is not NAME=VALUE"),
        (("--policy-arg", "chunk=abc"), "must be an integer"),
        (("--policy-arg", "noise=Infinity"), "not a finite number"),
        (("--policy-arg", "noise=99999999999999999999"), "not a finite number"),
        (("--policy", "missing.py:Policy"), "no policy file"),
        (("--policy", "faulty", "--policy-arg", "always=camera"), "Its cameras are: top"),
        (("--policy", "faulty", "--policy-arg", "always=width"), "expected (batch, horizon"),
        (("--policy", "faulty", "--checkpoint", "missing.safetensors"), "No such file"),
    ],
)
def test_a_request_that_cannot_work_is_refused(
    wambench: Run, arguments: tuple[str, ...], said: str
) -> None:
    assert said in one_line(wambench(*EVAL, "--out", "run", *arguments))


def test_a_checkpoint_given_twice_is_refused_by_collect_as_well(wambench: Run) -> None:
    twice = ("--checkpoint", "a", "--policy-arg", "checkpoint=b")
    for command in (EVAL, ("collect", *EVAL[1:5])):
        assert "given twice" in one_line(wambench(*command, "--out", "run", *twice))


def test_a_corrupt_checkpoint_is_refused_before_anything_is_written(
    wambench: Run, tmp_path: Path
) -> None:
    (tmp_path / "bad.safetensors").write_text("garbage")
    policy = ("--policy", "faulty", "--checkpoint", "bad.safetensors")
    line = one_line(wambench(*EVAL, *policy, "--out", "run"))
    assert "header too large" in line
    assert not (tmp_path / "run").exists()


def test_a_policy_that_answers_nan_is_reported_once_and_the_run_is_resumable(
    wambench: Run,
) -> None:
    nan = ("--policy", "faulty", "--policy-arg", "always=nan", "--retries", "0")
    line = one_line(wambench(*EVAL, *nan, "--out", "run"))
    assert "policy_error" in line
    assert "nan in dimension 0" in line


def test_errors_that_remain_make_the_exit_code_3(wambench: Run, tmp_path: Path) -> None:
    (tmp_path / "nan-1-0").write_text("9")
    process = wambench(
        *EVAL,
        "--policy",
        "faulty",
        "--suite",
        "faulty_reach",
        "--out",
        "run",
        FAULTS=str(tmp_path),
    )
    assert process.returncode == 3
    assert "1 policy_error" in process.stdout
    assert "--resume run" in process.stdout
    (tmp_path / "nan-1-0").unlink()
    assert wambench("eval", "--resume", "run").returncode == 0


def test_a_second_run_in_the_same_folder_is_refused(wambench: Run, tmp_path: Path) -> None:
    assert wambench(*EVAL, "--out", "run").returncode == 0
    before = (tmp_path / "run" / "episodes.jsonl").read_bytes()
    assert "--resume run" in one_line(wambench(*EVAL, "--out", "run"))
    assert (tmp_path / "run" / "episodes.jsonl").read_bytes() == before


def test_resuming_with_other_options_is_refused(wambench: Run) -> None:
    assert wambench(*EVAL, "--out", "run").returncode == 0
    line = one_line(wambench(*EVAL, "--seed", "1", "--resume", "run"))
    assert "seed is 0 in the run but 1 was given" in line


def test_resuming_a_complete_run_runs_nothing(wambench: Run, tmp_path: Path) -> None:
    assert wambench(*EVAL, "--out", "run").returncode == 0
    before = (tmp_path / "run" / "episodes.jsonl").read_bytes()
    assert wambench(*EVAL, "--resume", "run").returncode == 0
    assert (tmp_path / "run" / "episodes.jsonl").read_bytes() == before


def test_two_processes_cannot_write_to_one_run(wambench: Run, tmp_path: Path) -> None:
    slow = ("--policy", "faulty", "--policy-arg", "delay=0.5")
    first = subprocess.Popen(
        [sys.executable, "-m", "wambench.cli.main", *EVAL, *slow, "--out", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        log = tmp_path / "run" / "logs" / "worker-0.log"
        while not log.exists():
            assert first.poll() is None
        assert "Another wambench is writing" in one_line(wambench("eval", "--resume", "run"))
    finally:
        first.terminate()
        first.wait()


def test_an_output_that_cannot_be_written_is_refused(wambench: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Cannot write to" in one_line(wambench(*EVAL, "--out", "file/run"))


def test_a_full_disk_stops_the_run_and_keeps_what_was_recorded(
    wambench: Run, tmp_path: Path
) -> None:
    """The limit on file sizes stands in for a full disk: writes fail part of the way."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY));"
        "sys.argv[0] = 'wambench'; from wambench.cli.main import main; main()"
    )
    many = ("eval", *EVAL[1:5], "--trials", "20", "--workers", "1", "--out", "run")
    process = scripted(script, many, tmp_path)
    assert "--resume run" in one_line(process)
    lines = (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()
    assert 1 <= len(lines) < 60
    for line in lines:
        json.loads(line)
    assert wambench("eval", "--resume", "run").returncode == 0


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", "{}", "cannot be read"),
        ("run.json", None, "no run.json"),
        ("manifest.jsonl", "", "does not match the hash"),
        ("episodes.jsonl", '{"key": 1}\n', "Line 1 of"),
    ],
)
def test_a_damaged_run_directory_is_reported(
    wambench: Run, tmp_path: Path, file: str, content: str | None, said: str
) -> None:
    assert wambench(*EVAL, "--out", "run").returncode == 0
    target = tmp_path / "run" / file
    target.unlink() if content is None else target.write_text(content)
    assert said in one_line(wambench("report", "run"))


def test_a_policy_file_can_be_evaluated_without_a_package(wambench: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "from wambench.protocol import Policy\n"
        "class Mine(Policy):\n"
        "    def __init__(self, spec):\n"
        "        self.width = spec.action_dim\n"
        "    def act(self, batch):\n"
        "        return np.ones((len(batch), 1, self.width))\n"
    )
    process = wambench(*EVAL, "--policy", "mine.py:Mine", "--out", "run")
    assert process.returncode == 0, process.stderr
    assert "0/6" in process.stdout
    assert "Did you mean Mine" in one_line(
        wambench(*EVAL, "--policy", "mine.py:Mien", "--out", "other")
    )


def test_a_command_refused_before_any_episode_can_be_corrected_and_repeated(
    wambench: Run, tmp_path: Path
) -> None:
    wrong = ("--policy", "faulty", "--policy-arg", "always=width", "--out", "run")
    one_line(wambench(*EVAL, *wrong))
    assert wambench(*EVAL, "--out", "run").returncode == 0
    one_line(wambench(*EVAL, "--workers", "0", "--out", "other"))
    assert not (tmp_path / "other").exists()


def test_square_brackets_in_messages_and_paths_are_text(wambench: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from wambench.protocol import Policy\n"
        "class Mine(Policy):\n"
        "    def __init__(self, spec): pass\n"
        "    def act(self, batch): raise KeyError('missing weight [/decoder/w]')\n"
    )
    mine = ("--policy", "mine.py:Mine", "--tasks", "0", "--retries", "0", "--out", "odd[x]")
    process = wambench(*EVAL, *mine)
    assert process.returncode == 3, process.stderr
    assert "[/decoder/w]" in process.stdout
    assert "odd[x]/report.html" in process.stdout.replace("\n", "")


@pytest.mark.parametrize("hook", ["check", "start", "finish"])
def test_a_policy_that_raises_in_any_hook_is_one_line(
    wambench: Run, tmp_path: Path, hook: str
) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "from wambench.protocol import Policy\n"
        "class Mine(Policy):\n"
        "    def __init__(self, spec): pass\n"
        "    def act(self, batch): return np.zeros((len(batch), 1, 2))\n"
        f"    def {hook}(self, episodes): raise RuntimeError('no memory')\n"
    )
    assert "no memory" in one_line(wambench(*EVAL, "--policy", "mine.py:Mine", "--out", "run"))


@pytest.mark.parametrize("damage", ["episodes.jsonl", "logs"])
def test_a_run_that_lost_a_part_is_mended_or_reported(
    wambench: Run, tmp_path: Path, damage: str
) -> None:
    assert wambench(*EVAL, "--out", "run").returncode == 0
    part = tmp_path / "run" / damage
    if part.is_dir():
        shutil.rmtree(part)
        (tmp_path / "run" / "episodes.jsonl").write_bytes(b"")
        assert wambench("eval", "--resume", "run").returncode == 0
    else:
        part.unlink()
        assert "cannot be read" in one_line(wambench("report", "run"))


def test_a_learned_policy_without_its_packages_says_which_extra_brings_them(tmp_path: Path) -> None:
    without_torch = (
        "import sys; sys.modules['torch'] = None; from wambench.cli.main import main; main()"
    )
    learned = ("eval", "--policy", "flow_bc", "--suite", "libero_goal", "--out", "run")
    process = scripted(without_torch, learned, tmp_path)
    assert "pip install 'wambench[policies]'" in one_line(process)
    assert not (tmp_path / "run").exists()
