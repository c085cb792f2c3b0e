"""`wambench train` as a user types it, with a trainer that is named by its file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")

from support import Run
from training_support import write_demos
from wambench.cli.main import main

TOY = f"{Path(__file__).parent.parent / 'toy_trainer.py'}:ToyTrainer"
BASE = ("train", TOY, "--stage", "policy", "--preset", "tiny", "--device", "cpu")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Like `wambench`, in this process: importing torch takes longer than these trainings."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["wambench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        code = ended.value.code
        return subprocess.CompletedProcess(arguments, code or 0, shown.out, shown.err)

    return run


def one_line(process: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that refused, which is one line and no traceback."""
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr.strip()


def test_data_may_be_several_folders_as_a_shell_gives_them(here: Run, tmp_path: Path) -> None:
    write_demos(tmp_path / "data" / "a", tasks=1)
    write_demos(tmp_path / "data" / "b", tasks=1, suite="libero_long", seed=1)
    first = here(*BASE, "--data", "data/a", "data/b", "--out", "o1", "--steps", "3")
    assert first.returncode == 0, first.stderr
    assert "All 3 steps are done: o1" in first.stdout
    second = here(*BASE, "--out", "o2", "--steps=3", "--data", "data/*")
    assert second.returncode == 0, second.stderr
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("o1", "o2")]
    assert weights[0] == weights[1]
    assert "| b | libero_long |" in (tmp_path / "o1" / "README.md").read_text()


def test_an_input_of_a_stage_is_an_option(here: Run, tmp_path: Path) -> None:
    write_demos(tmp_path / "d")
    here(*BASE, "--data", "d", "--out", "teacher", "--steps", "2")
    pupil = ("train", TOY, "--stage", "pupil", "--preset", "tiny", "--steps", "2", "--data", "d")
    assert "needs --teacher: another toy" in one_line(here(*pupil, "--out", "a"))
    for form in (("--teacher", "teacher"), ("--teacher=teacher",), ("--input", "teacher=teacher")):
        done = here(*pupil, *form, "--out", f"out{len(list(tmp_path.iterdir()))}")
        assert done.returncode == 0, done.stderr
    wrong = one_line(here(*pupil, "--teacher", "d", "--out", "b"))
    assert "d is no checkpoint" in wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stage", "polcy"), "has no stage 'polcy'. Did you mean policy?"),
        (("--preset", "tni"), "has no preset 'tni'. Did you mean tiny?"),
        (("--techer", "x"), "no option --techer, and stage policy"),
        (("--techer", "x"), "Did you mean --teacher?"),
        (("--batchsize", "4"), "Did you mean --batch-size?"),
        (("--resum",), "There is no option --resum"),
        (("--set", "model.width=13"), "Thirteen brings bad luck."),
        (("--set", "width=4"), "Did you mean model.width"),
        (("--set", "width"), "--set 'width' is not KEY=VALUE"),
        (("--train-init", "a-b"), "data.train_init: 'a-b' is not a list of numbers"),
        (("--data", "nothing/*"), "--data nothing/* matches nothing"),
        (("--data", "missing"), "missing"),
        (("--set", "data.tasks=9"), "no demonstrations of task 9"),
    ],
)
def test_a_wrong_request_is_one_line(
    here: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write_demos(tmp_path / "d")
    assert message in one_line(here(*BASE, "--data", "d", "--out", "o", *arguments))
    assert not (tmp_path / "o").exists()


def test_an_unknown_method_names_the_near_ones(here: Run) -> None:
    process = here(
        "train", "lawan", "--stage", "lawm", "--preset", "tiny", "--data", "d", "--out", "o"
    )
    assert "no trainer named 'lawan'" in one_line(process)


def start(tmp_path: Path, out: str, *more: str) -> subprocess.Popen[str]:
    command = (*BASE, "--data", "d", "--out", out, "--steps", "60", *more)
    return subprocess.Popen(
        [sys.executable, "-m", "wambench.cli.main", *command],
        cwd=tmp_path,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_for_a_row(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() or path.stat().st_size == 0:
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_sigterm_saves_and_the_rest_equals_an_uninterrupted_training(
    wambench: Run, tmp_path: Path
) -> None:
    write_demos(tmp_path / "d")
    slow = ("--set", "training.log_every=1", "--set", "model.width=4096", "--batch-size", "64")
    whole = wambench(*BASE, "--data", "d", "--out", "whole", "--steps", "60", *slow)
    assert whole.returncode == 0, whole.stderr
    process = start(tmp_path, "parts", *slow)
    wait_for_a_row(tmp_path / "parts" / "log" / "train.csv", process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "The same command with --resume goes on." in output
    rows = (tmp_path / "parts" / "log" / "train.csv").read_text().count("\n") - 1
    assert 1 <= rows < 60
    command = (*BASE, "--data", "d", "--out", "parts", "--steps", "60", *slow, "--resume")
    assert wambench(*command).returncode == 0
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert one == two


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_checkpoint(wambench: Run, tmp_path: Path) -> None:
    """Killed by the system at step 12, after the checkpoint of step 7; nothing was tidied up."""
    write_demos(tmp_path / "d")
    command = (*BASE, "--data", "d", "--steps", "20", "--set", "training.log_every=1")
    assert wambench(*command, "--out", "whole").returncode == 0
    dying = wambench(*command, "--out", "parts", "--set", "model.crash=12")
    assert dying.returncode == 9
    record = tmp_path / "parts" / "training" / "run.json"
    record.write_text(record.read_text().replace('"crash": 12', '"crash": -1'))
    resumed = wambench(*command, "--out", "parts", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    logs = []
    for name in ("whole", "parts"):
        rows = (tmp_path / name / "log" / "train.csv").read_text().splitlines()
        logs.append([[v for i, v in enumerate(row.split(",")) if i != 1] for row in rows])
    assert logs[0] == logs[1]
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert one == two


@pytest.mark.slow
def test_two_processes_share_every_batch(tmp_path: Path) -> None:
    """As several accelerators would; the order of windows is the same as with one process."""
    write_demos(tmp_path / "d")
    settings = ("--set", "model.dropout=0", "--set", "training.log_every=1", "--steps", "5")
    command = (*BASE, "--data", "d", "--out", "two", *settings)
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    process = subprocess.run(
        [sys.executable, *launch, "-m", "wambench.cli.main", *command],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("All 5 steps are done") == 1
    halves = (*BASE, "--data", "d", "--out", "one", *settings, "--set", "training.accumulation=2")
    one = subprocess.run(
        [sys.executable, "-m", "wambench.cli.main", *halves], cwd=tmp_path, capture_output=True
    )
    assert one.returncode == 0
    curves = [
        [
            float(row.split(",")[2])
            for row in (tmp_path / name / "log" / "train.csv").read_text().splitlines()[1:]
        ]
        for name in ("one", "two")
    ]
    # The noise differs (it follows from the process); everything else is the same arithmetic.
    assert curves[0] == pytest.approx(curves[1], rel=0.05)


def test_importing_the_command_line_loads_no_torch() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import wambench.cli.main, wambench.trainer;"
        "import toy_trainer; print('torch' in sys.modules)"
    )
    folder = str(Path(TOY.rpartition(":")[0]).parent)
    found = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
