"""`wambench reproduce` makes what is missing, once, and prints the table with intervals."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from support import Run, alive
from wambench import registry
from wambench.cli.main import app
from wambench.evaluate import default_workers
from wambench.recipe import Plan, Reading, Recipe, Step
from wambench.recipe import step as make_step
from wambench.report.reproduction import estimates
from wambench.reproduce import ready

TOY = """
from wambench.recipe import Cell, Plan, step

ROWS = {"finds": "example_go_to_target", "holds": "hold"}

class Toy:
    about = "finding a target, beside holding still"
    presets = {"tiny": {"trials": 4}}

    def plan(self, preset, budget, seeds):
        steps, cells = [], []
        for seed in seeds:
            for row, policy in ROWS.items():
                run = f"runs/{row}-{seed}"
                steps.append(step(
                    f"{row}-{seed}", run,
                    f"eval --policy {policy} --suite example_reach --trials {budget['trials']}"
                ))
                cells.append(Cell(row, "example_reach", seed, run))
        published = {("finds", "example_reach", "success"): 0.75}
        return Plan(
            tuple(steps), tuple(cells), contrasts=(("finds", "holds"),), published=published
        )
"""

ONLINE = """
from wambench.recipe import Cell, Plan, step
from wambench.trainer import Stage, TrainInput, TrainResult

class Trainer:
    stages = (
        Stage("online", "", ("tiny",), (TrainInput("workers", ""),), online=True),
        Stage("offline", "", ("tiny",)),
    )

    def train(self, request):
        request.out.mkdir()
        (request.out / "inputs.txt").write_text(str(dict(request.inputs)))
        return TrainResult(1, 1, "finished", {})

class Recipe:
    about, presets = "a training in the environment, and one that is not", {"tiny": {}}

    def plan(self, preset, budget, seeds):
        train = "train online.py:Trainer --preset tiny --stage"
        steps = (
            step("online", "online", f"{train} online"),
            step("offline", "offline", f"{train} offline --data d"),
            step("eval", "run", "eval --policy hold --suite example_reach --trials 1"),
        )
        return Plan(steps, (Cell("hold", "example_reach", 0, "run"),))
"""

SLOW = """
import os, signal, time
from wambench.recipe import Cell, Plan, step
from wambench.trainer import Stage, TrainResult

class Trainer:
    stages = (Stage("long", "", ("tiny",)),)

    def train(self, request):
        asked = []
        signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
        request.out.mkdir()
        (request.out / "pid.partial").write_text(str(os.getpid()))
        (request.out / "pid.partial").rename(request.out / "pid")
        while not asked:
            time.sleep(0.05)
        time.sleep(1)  # as long as a checkpoint may take
        (request.out / "saved").touch()
        return TrainResult(1, 2, "interrupted", {})

class Recipe:
    about, presets = "trainings that take long", {"tiny": {}}

    def plan(self, preset, budget, seeds):
        command = "train slow.py:Trainer --preset tiny --stage long --data d"
        trains = tuple(step(f"long-{seed}", f"long-{seed}", command) for seed in seeds)
        return Plan(trains, (Cell("hold", "example_reach", 0, "run"),))
"""

TOGETHER = """
import os, time
from wambench.errors import TrainingError
from wambench.recipe import Plan, step
from wambench.trainer import Stage, TrainResult

NAMES = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")

class Trainer:
    stages = tuple(Stage(name, "", ("tiny",)) for name in ("left", "right", "both", "fails"))

    def train(self, request):
        request.out.mkdir(parents=True)
        (request.out / "env").write_text(" ".join(os.environ.get(name, "-") for name in NAMES))
        other = request.out.parent / {"left": "right", "right": "left"}.get(request.stage, "left")
        print(f"{request.stage} waits", flush=True)
        deadline = time.monotonic() + 60
        while not (other / "env").exists():
            if time.monotonic() > deadline:
                raise TrainingError("It was left alone.", "Try --jobs 2.")
            time.sleep(0.05)
        if request.stage == "fails":
            raise TrainingError("It fails.", "Never mind.")
        print(f"{request.stage} goes on", flush=True)
        time.sleep(2)
        return TrainResult(1, 1, "finished", {})

class Recipe:
    presets = {"tiny": {}}

    def __init__(self, second="right"):
        self.about, self.second = "trainings that wait for each other", second

    def plan(self, preset, budget, seeds):
        train = "train together.py:Trainer --preset tiny --data d --stage"
        return Plan((
            step("left", "ckpt/left", f"{train} left"),
            step("right", "ckpt/right", f"{train} {self.second}"),
            step("both", "ckpt/both", f"{train} both --init ckpt/right"),
        ), ())

class Failing(Recipe):
    def __init__(self):
        super().__init__("fails")
"""


@pytest.fixture
def toy(tmp_path: Path) -> str:
    """A recipe of two policies that need no training."""
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")
    return f"{tmp_path / 'toy.py'}:Toy"


def reproduced(toy: str, *more: str) -> list[str]:
    """Arguments of the command."""
    return ["reproduce", toy, "--out", "made", "--workers", "1", *more]


def test_a_table_has_intervals_published_numbers_and_a_verdict_and_is_made_once(
    tmp_path: Path, wambench: Run, toy: str
) -> None:
    first = wambench(*reproduced(toy, "--seeds", "2"))
    assert first.returncode == 0, first.stderr
    text = " ".join(re.sub(r"[│┃]", " ", first.stdout).split())
    assert "4 of 4 steps to do" in text
    assert re.search(r"finds 100\.0 \[8\d\.\d, 100\.0\] 75\.0", text), text
    assert re.search(r"finds against holds \+91\.7 \[.*\] 22, 0 0\.0010 better", text)
    assert "2 training seeds, 12 episodes each" in text
    rows = {row["method"]: row for row in csv.DictReader((tmp_path / "made/table.csv").open())}
    assert (float(rows["holds"]["mean"]), rows["holds"]["trials"]) == (pytest.approx(1 / 12), "24")
    runs = {file: file.stat().st_mtime_ns for file in tmp_path.glob("made/runs/*/episodes.jsonl")}
    second = wambench(*reproduced(toy, "--seeds", "2"))
    assert "0 of 4 steps to do" in second.stdout
    assert {file: file.stat().st_mtime_ns for file in runs} == runs


def test_what_another_command_made_is_not_mixed_in(tmp_path: Path, wambench: Run, toy: str) -> None:
    assert wambench(*reproduced(toy)).returncode == 0
    other = wambench(*reproduced(toy, "--set", "trials=3"))
    assert other.returncode == 2
    assert "was made by another command" in other.stderr


def test_a_step_that_was_stopped_is_gone_on_with_and_one_that_fails_says_why(
    tmp_path: Path, wambench: Run, toy: str
) -> None:
    assert wambench(*reproduced(toy)).returncode == 0
    (tmp_path / "made/steps/finds-0.json").unlink()
    episodes = tmp_path / "made/runs/finds-0/episodes.jsonl"
    lines = episodes.read_text().splitlines(keepends=True)
    episodes.write_text("".join(lines[:5]))
    again = wambench(*reproduced(toy))
    assert again.returncode == 0, again.stderr
    assert "1 of 2 steps to do" in again.stdout
    assert episodes.read_text().splitlines(keepends=True)[:5] == lines[:5]
    assert len(episodes.read_text().splitlines()) == len(lines)
    (tmp_path / "made/steps/holds-0.json").unlink()
    (tmp_path / "made/runs/holds-0/manifest.jsonl").write_text("{}\n")
    failed = wambench(*reproduced(toy))
    assert failed.returncode == 2
    assert "Step holds-0 failed" in failed.stderr
    assert "holds-0.log" in failed.stderr


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """`wambench reproduce` in the middle of two trainings, and the trainings' process ids."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made/slow.py").write_text(SLOW, encoding="utf-8")
    more = ("--seeds", "2", "--jobs", "2")
    command = [sys.executable, "-m", "wambench.cli.main"]
    command += reproduced("made/slow.py:Recipe", *more)
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        files = [tmp_path / f"made/long-{seed}/pid" for seed in range(2)]
        while not all(file.exists() for file in files):
            assert process.poll() is None
            time.sleep(0.05)
        try:
            yield process, [int(file.read_text()) for file in files]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_steps_may_save_what_they_have_when_the_reproduction_is_interrupted(
    tmp_path: Path, begun: tuple[subprocess.Popen[str], list[int]], number: int
) -> None:
    process, steps = begun
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted; the same command goes on." in said
    assert len([*tmp_path.glob("made/long-*/saved")]) == 2
    assert not any(map(alive, steps))


def test_a_second_reproduction_does_not_touch_what_the_first_one_is_making(
    tmp_path: Path, wambench: Run, begun: tuple[subprocess.Popen[str], list[int]]
) -> None:
    second = wambench(*reproduced("made/slow.py:Recipe", "--seeds", "2"))
    assert second.returncode == 2
    assert "Another wambench reproduce is at work in made." in second.stderr
    assert all(map(alive, begun[1]))


def test_no_step_outlives_a_reproduction_that_is_killed(
    begun: tuple[subprocess.Popen[str], list[int]],
) -> None:
    process, steps = begun
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(map(alive, steps)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a reproduction with `TOGETHER` in it; four devices can be seen."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    made = tmp_path / "made"
    made.mkdir()
    (made / "together.py").write_text(TOGETHER, encoding="utf-8")
    return made


def test_steps_that_do_not_need_each_other_share_the_machine(
    tmp_path: Path, wambench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the first two waits for the other to begin; the third is for what one has made."""
    made = together(tmp_path, monkeypatch)
    done = wambench(*reproduced("made/together.py:Recipe", "--jobs", "2"))
    assert done.returncode == 0, done.stderr
    ended = [(made / f"steps/{name}.json").stat().st_mtime for name in ("left", "right")]
    env = [(made / f"ckpt/{name}/env") for name in ("left", "right", "both")]
    assert env[2].stat().st_mtime > ended[1]
    cores = max(1, default_workers() // 2)
    told = [file.read_text().split() for file in env]
    assert told[:2] == [[str(cores), "4"], [str(cores), "5"]]
    assert told[2][1] in ("4", "5")


def test_a_terminal_shows_what_every_step_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together(tmp_path, monkeypatch)
    monkeypatch.setenv("TERM", "xterm")
    shown, terminal = os.openpty()
    command = [sys.executable, "-m", "wambench.cli.main"]
    command += reproduced("made/together.py:Recipe", "--jobs", "2")
    with subprocess.Popen(command, cwd=tmp_path, stdout=terminal) as process:
        os.close(terminal)
        text = b""
        with contextlib.suppress(OSError):  # as the end of a terminal is told
            while more := os.read(shown, 4096):
                text += more
    os.close(shown)
    assert process.returncode == 0
    for line in ("left   left goes on", "right  right goes on", "both  both goes on"):
        assert line in text.decode()


def test_what_runs_beside_a_step_that_fails_ends_and_nothing_new_begins(
    tmp_path: Path, wambench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = together(tmp_path, monkeypatch)
    failed = wambench(*reproduced("made/together.py:Failing", "--jobs", "2"))
    assert failed.returncode == 2
    assert "right failed; waiting for what runs beside it" in failed.stdout
    assert "Step right failed (exit code 2)" in failed.stderr
    assert [file.name for file in (made / "steps").glob("*.json")] == ["left.json"]
    assert not (made / "ckpt/both").exists()


def test_trainings_in_the_environment_get_the_number_of_workers_as_well(
    tmp_path: Path, wambench: Run
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "online.py").write_text(ONLINE, encoding="utf-8")
    done = wambench(*reproduced("made/online.py:Recipe"))
    assert done.returncode == 0, done.stderr
    assert (made / "online/inputs.txt").read_text() == "{'workers': '1'}"
    assert (made / "offline/inputs.txt").read_text() == "{}"


def test_a_wrong_number_or_preset_says_which_there_are(wambench: Run, toy: str) -> None:
    assert "It has trials" in wambench(*reproduced(toy, "--set", "trails=3")).stderr
    assert "no positive number" in wambench(*reproduced(toy, "--set", "trials=-3")).stderr
    assert "Use tiny" in wambench(*reproduced(toy, "--preset", "paper")).stderr


def test_what_a_diagnostic_measured_stands_in_the_table_as_runs_do(tmp_path: Path) -> None:
    for seed, psnr in enumerate((20.0, 22.0)):
        lines = f"pictures,psnr,fvd\nimagined,{psnr},\nother,1,1\n"
        (tmp_path / f"{seed}.csv").write_text(lines, encoding="utf-8")
    readings = tuple(Reading("LAC-WM", "bfa", seed, f"{seed}.csv") for seed in range(2))
    plan = Plan(
        (), (), ("psnr", "fvd"), published={("LAC-WM", "bfa", "fvd"): 23.2}, readings=readings
    )
    psnr_entry, fvd = estimates(plan, tmp_path)
    assert psnr_entry.mean == 21.0
    assert psnr_entry.interval is not None
    assert (fvd.mean, fvd.interval, fvd.published, fvd.seeds, fvd.trials) == (
        None,
        None,
        23.2,
        2,
        0,
    )


# ---- the recipes that are shipped ------------------------------------------------------------


def shipped() -> list[str]:
    """Names of the recipes of this package."""
    names = registry.recipe_names()
    return [name for name in names if "wambench_policies" in registry.find_recipe(name).target]


def plan_of(recipe: Recipe) -> Plan:
    """Its plan with three seeds."""
    (preset, budget) = next(iter(recipe.presets.items()))
    return recipe.plan(preset, budget, range(3))


@pytest.mark.parametrize("name", shipped())
def test_a_recipe_s_commands_are_commands_that_there_are(name: str) -> None:
    group = typer.main.get_command(app)
    for step in plan_of(registry.load_recipe(registry.find_recipe(name))).steps:
        command, arguments = group, list(step.arguments)
        while hasattr(command, "commands"):
            context = typer.Context(command)
            _, command, arguments = command.resolve_command(context, arguments)
        command.make_context(step.name, arguments)  # refuses options that it does not know
        if step.arguments[0] == "train":
            check_training(step)


def check_training(step: Step) -> None:
    """Its method has the stage, with that preset and those inputs."""
    given = dict(zip(step.arguments, step.arguments[1:], strict=False))
    stages = registry.load_trainer(registry.find_trainer(step.arguments[1])).stages
    stage = next(stage for stage in stages if stage.name == given["--stage"])
    assert given["--preset"] in stage.presets
    usual = "stage preset out data set input steps batch-size seed train-init init device"
    inputs = {word[2:] for word in step.arguments if word.startswith("--")} - set(usual.split())
    assert inputs <= {taken.name for taken in stage.inputs}, step
    assert {taken.name for taken in stage.inputs if taken.required} <= inputs, step


@pytest.mark.parametrize("name", shipped())
def test_a_recipe_makes_every_folder_once_before_it_is_used(name: str) -> None:
    plan = plan_of(registry.load_recipe(registry.find_recipe(name)))
    made: list[str] = []
    before: list[Step] = []
    for step in plan.steps:
        out = step.arguments.index("--out")
        for word in (*step.arguments[:out], *step.arguments[out + 2 :]):
            path = word.rpartition("=")[2].rpartition(":")[2]
            if re.match(r"(ckpt|data|labelled|runs|look)/", path):
                pattern = re.compile(path.replace("/*/", "/[^/]+/").replace("*", "[^/]*"))
                makers = [one for one in before if pattern.match(f"{one.makes}/demos")]
                assert makers, (step, path)
                for maker in makers:  # and does not begin before it has ended, with --jobs
                    assert ready([maker, step], [], 2) == [maker]
                    assert ready([step], [maker], 2) == []
        before.append(step)
        assert step.arguments[out + 1] == step.makes
        made.append(step.makes)
    assert len(set(made)) == len(made)
    assert len({step.name for step in plan.steps}) == len(made)
    assert {cell.run for cell in plan.cells} <= set(made)
    assert {str(Path(one.table).parent) for one in plan.readings} <= set(made)
    rows = {cell.row for cell in (*plan.cells, *plan.readings)}
    assert {row for pair in plan.contrasts for row in pair} <= rows
    assert {key[0] for key in plan.published} & rows or not plan.published


def test_what_one_step_makes_is_waited_for_and_the_rest_is_not() -> None:
    plan = plan_of(registry.load_recipe(registry.find_recipe("lac_wm.table2")))
    began: list[set[str]] = []
    waiting = list(plan.steps)
    while waiting:
        free = ready(waiting, [], 99)
        began.append({step.name for step in free})
        waiting = [step for step in waiting if step not in free]
    collected = {f"collect-{name}" for name in ("expert", "mixed", "hands", "twin", "gripper")}
    assert began[:2] == [collected, {"encoder"}]
    kinds = ("vla", "pretrain-latent", "pretrain-explicit", "eac_wm_s")
    assert began[2] == {f"{kind}-{seed}" for kind in kinds for seed in range(3)}
    assert len(began) == 5
    one, *others = plan.steps
    assert ready(others, [one], 2) == [plan.steps[1]]
    assert ready(others, [one], 1) == []


@pytest.mark.parametrize(
    "path", ["data/a", "source=dataset:data/a", "data/a/demos.hdf5", "data/*", "*/a/demos", "data"]
)
def test_a_step_needs_what_its_arguments_name_in_any_way(path: str) -> None:
    maker = make_step("collect-a", "data/a", "collect --suite a")
    user = make_step("train", "ckpt/a", "train act --data", path)
    assert ready([maker, user], [], 2) == [maker]
    assert ready([user, maker], [], 2) == [user]  # nor finds it what was made later


def test_names_that_begin_alike_are_not_the_same() -> None:
    maker = make_step("one", "ckpt/vla-1", "train vla")
    other = make_step("ten", "runs/vla-1", "eval --checkpoint ckpt/vla-10 --suite ckpt")
    assert ready([maker, other], [], 2) == [maker]  # "ckpt" might be a folder that it reads
    other = make_step("ten", "runs/vla-1", "eval --checkpoint ckpt/vla-10 --suite bfa_seen")
    assert ready([maker, other], [], 2) == [maker, other]
