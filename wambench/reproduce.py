"""Carries out the steps of a recipe, each once, and goes on where it was stopped.

A step is a `wambench` process of its own; those that do not need each other may run at the same
time. When it has ended well a note in `steps/` says by which command; a later call leaves out what
is noted, and refuses to mix in what another command made.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Protocol

from wambench import registry
from wambench.errors import RunDirectoryError, UsageError, WambenchError
from wambench.evaluate import default_workers
from wambench.recipe import Plan, Recipe, Step
from wambench.runner.children import die_with_parent
from wambench.runner.engine import last_line

NOTES = "steps"
LOGS = "logs"
_INTERRUPTED = 130
_POLL_S = 0.1
_SHOW_EACH_S = 1.0
_LINE_BYTES = 4096
_RUN_EPISODES = ("eval", "collect")


class Listener(Protocol):
    """Who hears how far a reproduction is."""

    def tell(self, line: str) -> None:
        """A step begins, or has ended."""

    def show(self, says: Mapping[str, str]) -> None:
        """By name, the last lines of the steps that are being carried out; once a second."""


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


def carry_out(
    plan: Plan,
    out: Path,
    listener: Listener,
    *,
    jobs: int = 1,
    workers: int | None = None,
) -> None:
    """Carries out what is missing.

    Args:
        plan: The plan.
        out: Folder of the reproduction.
        listener: Told how far it is.
        jobs: Steps at the same time, at most. They share the cores, and where
            `CUDA_VISIBLE_DEVICES` names several devices, each has one of them.
        workers: Worker processes of whatever runs episodes; None for one per core.

    Raises:
        RunDirectoryError: Another process is at work in the folder.
        WambenchError: A step failed; what it said is in its log. Those beside it ended first.
        KeyboardInterrupt: A step was interrupted.
    """
    for folder in (NOTES, LOGS):
        (out / folder).mkdir(parents=True, exist_ok=True)
    with _alone(out):
        _carry_out(plan, out, listener, jobs, workers)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps a second reproduction from making, or making anew, what one is making."""
    with (out / NOTES / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunDirectoryError(
                f"Another wambench reproduce is at work in {out}.",
                "Wait for it, or stop it: then the same command goes on.",
            ) from None
        yield


def _carry_out(plan: Plan, out: Path, listener: Listener, jobs: int, workers: int | None) -> None:
    tell = listener.tell
    missing = [step for step in plan.steps if not is_done(step, out)]
    tell(f"{len(missing)} of {len(plan.steps)} steps to do, in {out}")
    if workers is None and jobs > 1:
        workers = _share_of_cores(jobs)
    waiting = list(missing)
    running: list[_Running] = []
    failures: list[WambenchError] = []
    try:
        while running or (waiting and not failures):
            begun = [one.step for one in running]
            for step in [] if failures else ready(waiting, begun, jobs):
                waiting.remove(step)
                number = len(missing) - len(waiting)
                tell(f"{number}/{len(missing)} {command_line(step)}")
                slot = min(set(range(jobs)) - {one.slot for one in running})
                running.append(_Running(step, slot, out, _arguments(step, out, workers), jobs))
            for one in _ended(running, listener):
                running.remove(one)
                try:
                    one.conclude()
                except WambenchError as failure:
                    failures.append(failure)
                    beside = "; waiting for what runs beside it" if running else ""
                    tell(f"    {one.step.name} failed{beside}")
                else:
                    tell(f"    {one.seconds:.0f} s, {one.step.name}")
    except KeyboardInterrupt:
        _stop(running)
        raise
    if failures:
        raise failures[0]


def ready(waiting: Sequence[Step], running: Sequence[Step], jobs: int) -> list[Step]:
    """Steps that may begin now: as many as there is room for, the first ones first.

    A step waits for each one before it whose folder it names, and for each that names its own
    folder, as the pattern of a reader does that is not to find what was made later.

    Args:
        waiting: Steps that have not begun, in the order of the plan.
        running: Those that have, and have not ended.
        jobs: How many may run.
    """
    before = list(running)
    free = []
    for step in waiting:
        if not any(_names(step, one.makes) or _names(one, step.makes) for one in before):
            free.append(step)
        before.append(step)
    return free[: jobs - len(running)]


def _names(step: Step, folder: str) -> bool:
    """Whether a step's arguments have a folder, one in or around it, or a pattern that finds it."""
    around = PurePath(folder).parents
    return any(
        path in around or any(fnmatchcase(folder, str(part)) for part in (path, *path.parents))
        for path in _paths(step)
    )


@functools.cache
def _paths(step: Step) -> tuple[PurePath, ...]:
    """Whatever might be a path in a step's arguments."""
    words = (word for argument in step.arguments for word in re.split("[=:,]", argument))
    return tuple(PurePath(word) for word in words if word not in ("", "."))


def _note(step: Step, out: Path) -> Path:
    return out / NOTES / f"{step.name}.json"


class _Running:
    """A step that is being carried out.

    Args:
        step: The step.
        slot: Its place among those at the same time, from 0.
        out: Folder of the reproduction.
        arguments: What follows `wambench`.
        jobs: How many steps may run at the same time.
    """

    def __init__(
        self, step: Step, slot: int, out: Path, arguments: Sequence[str], jobs: int
    ) -> None:
        self.step, self.slot = step, slot
        self._out = out
        self._log = out / LOGS / f"{step.name}.log"
        self._began = time.monotonic()
        with open(self._log, "ab") as file:
            self._known = file.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wambench.cli.main", *arguments],
                cwd=out,
                env=_environment(step, slot, jobs),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C would reach it as a second one
                preexec_fn=die_with_parent,
            )

    @property
    def has_ended(self) -> bool:
        """Whether its process has."""
        return self._process.poll() is not None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def says(self) -> str:
        """The last line of its log; empty where it has said nothing since it began."""
        with open(self._log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._known, size - _LINE_BYTES))
            lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def conclude(self) -> None:
        """Notes that it has ended well.

        Raises:
            WambenchError: It has not.
            KeyboardInterrupt: It was interrupted.
        """
        code = self._process.wait()
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        if code != 0:
            said = last_line([self._log.read_text(encoding="utf-8", errors="replace")])
            raise WambenchError(
                f"Step {self.step.name} failed (exit code {code}){said}",
                f"All that it said is in {self._log}. The same command goes on after it was "
                "mended.",
            )
        said = json.dumps({"command": command_line(self.step), "seconds": round(self.seconds, 1)})
        note = _note(self.step, self._out)
        partial = note.with_suffix(".partial")
        partial.write_text(said + "\n", encoding="utf-8")
        partial.replace(note)

    def terminate(self) -> None:
        """Asks it to save what it has and to end."""
        self._process.terminate()


def _ended(running: Sequence[_Running], listener: Listener) -> list[_Running]:
    """Waits until at least one has ended."""
    while True:
        listener.show({one.step.name: one.says() for one in running})
        until = time.monotonic() + _SHOW_EACH_S
        while time.monotonic() < until:
            if ended := [one for one in running if one.has_ended]:
                return ended
            time.sleep(_POLL_S)


def _stop(running: Sequence[_Running]) -> None:
    """Has all save what they have, for which it is waited; a further interrupt is passed on."""
    while not all(one.has_ended for one in running):
        with contextlib.suppress(KeyboardInterrupt):
            for one in running:
                one.terminate()
            while not all(one.has_ended for one in running):
                time.sleep(_POLL_S)


def _environment(step: Step, slot: int, jobs: int) -> dict[str, str]:
    """Variables of a step's process: its share of the cores for torch, and a device of its own.

    Evaluations and collections divide cores themselves, between workers and a policy.
    """
    env = dict(os.environ)
    if jobs > 1 and step.arguments[0] not in _RUN_EPISODES:
        env.setdefault("OMP_NUM_THREADS", str(_share_of_cores(jobs)))
    devices = [device for device in env.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
    if jobs > 1 and devices:
        env["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    return env


def _share_of_cores(jobs: int) -> int:
    return max(1, default_workers() // jobs)


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
        return kind in _RUN_EPISODES
    # One that is named by its file is so from the folder in which the step runs.
    installed = name in registry.trainer_names()
    trainer = registry.load_trainer(registry.find_trainer(name if installed else str(out / name)))
    return any(
        given.name == "workers"
        for stage in trainer.stages
        if stage.name in rest
        for given in stage.inputs
    )
