"""Carries out the steps of a recipe, each once, and goes on where it was stopped.

A step is a `wambench` process of its own. When it has ended well a note in `steps/` says by which
command; a later call leaves out what is noted, and refuses to mix in what another command made.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wambench import registry
from wambench.errors import RunDirectoryError, UsageError, WambenchError
from wambench.recipe import Plan, Recipe, Step
from wambench.runner.children import die_with_parent
from wambench.runner.engine import last_line

NOTES = "steps"
LOGS = "logs"
_INTERRUPTED = 130


def chosen_budget(recipe: Recipe, preset: str, changes: Mapping[str, str]) -> dict[str, int]:
    """A preset's budget with the user's numbers in it.

    Raises:
        UsageError: There is no such preset or number, or a value is no positive integer.
    """
    if preset not in recipe.presets:
        raise UsageError(f"There is no preset {preset!r}.", f"Use {', '.join(recipe.presets)}.")
    budget = dict(recipe.presets[preset])
    for name, text in changes.items():
        if name not in budget:
            raise UsageError(f"The budget has no {name!r}.", f"It has {', '.join(sorted(budget))}.")
        if not text.isdecimal() or int(text) < 1:
            raise UsageError(f"--set {name}={text} is no positive number.", "Example: trials=5.")
        budget[name] = int(text)
    return budget


def command_line(step: Step) -> str:
    """The step as it can be typed in the folder of the reproduction."""
    return shlex.join(["wambench", *step.arguments])


def is_done(step: Step, out: Path) -> bool:
    """Whether the step has been carried out.

    Raises:
        RunDirectoryError: It has been, by another command.
    """
    note = _note(step, out)
    if not note.is_file():
        return False
    command = json.loads(note.read_text(encoding="utf-8"))["command"]
    if command != command_line(step):
        raise RunDirectoryError(
            f"{out / step.makes} was made by another command: {command}.",
            f"Give the options of then, or another --out, or remove {note} and that folder.",
        )
    return True


def carry_out(plan: Plan, out: Path, workers: int | None, tell: Callable[[str], None]) -> None:
    """Carries out what is missing.

    Args:
        plan: The plan.
        out: Folder of the reproduction.
        workers: Worker processes of whatever runs episodes; None for one per core.
        tell: Told which step begins and how long it took.

    Raises:
        WambenchError: A step failed; what it said is in its log.
        KeyboardInterrupt: A step was interrupted.
    """
    for folder in (NOTES, LOGS):
        (out / folder).mkdir(parents=True, exist_ok=True)
    missing = [step for step in plan.steps if not is_done(step, out)]
    tell(f"{len(missing)} of {len(plan.steps)} steps to do, in {out}")
    for number, step in enumerate(missing, 1):
        tell(f"{number}/{len(missing)} {command_line(step)}")
        started = time.monotonic()
        _run(step, out, workers)
        seconds = round(time.monotonic() - started, 1)
        said = {"command": command_line(step), "seconds": seconds}
        note = _note(step, out)
        partial = note.with_suffix(".partial")
        partial.write_text(json.dumps(said) + "\n", encoding="utf-8")
        partial.replace(note)
        tell(f"    {seconds:.0f} s")


def _note(step: Step, out: Path) -> Path:
    return out / NOTES / f"{step.name}.json"


def _run(step: Step, out: Path, workers: int | None) -> None:
    log = out / LOGS / f"{step.name}.log"
    command = [sys.executable, "-m", "wambench.cli.main", *_arguments(step, out, workers)]
    with open(log, "ab") as file:
        process = subprocess.Popen(
            command,
            cwd=out,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal's Ctrl-C would reach it once more, as a second one
            preexec_fn=die_with_parent,
        )
    code = None
    interrupted = False
    while code is None:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            process.terminate()  # it saves what it has, for which it is waited
    if interrupted or code == _INTERRUPTED:
        raise KeyboardInterrupt
    if code != 0:
        said = last_line([log.read_text(encoding="utf-8", errors="replace")])
        raise WambenchError(
            f"Step {step.name} failed (exit code {code}){said}",
            f"All that it said is in {log}. The same command goes on after it was mended.",
        )


def _arguments(step: Step, out: Path, workers: int | None) -> Sequence[str]:
    """The step's arguments, with what lets it go on where it was stopped."""
    kind, *_ = step.arguments
    arguments = list(step.arguments)
    if (out / step.makes).exists():
        if kind == "eval":
            arguments = ["eval", "--resume", step.makes]
        elif kind == "train":
            arguments.append("--resume")
        elif kind != "collect":  # which goes on by itself; the others are short and begin anew
            shutil.rmtree(out / step.makes)
    if workers is not None and _takes_workers(step, out):
        arguments += ["--workers", str(workers)]
    return arguments


def _takes_workers(step: Step, out: Path) -> bool:
    """Whether it runs episodes: collections, evaluations and trainings in the environment."""
    kind, name, *rest = step.arguments
    if kind != "train":
        return kind in ("eval", "collect")
    # One that is named by its file is so from the folder in which the step runs.
    installed = name in registry.trainer_names()
    trainer = registry.load_trainer(registry.find_trainer(name if installed else str(out / name)))
    return any(
        given.name == "workers"
        for stage in trainer.stages
        if stage.name in rest
        for given in stage.inputs
    )
