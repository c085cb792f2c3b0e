"""What is in a dataset of demonstrations: the numbers of `wambench data info`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import DemoInfo, Source, dataset_identity, one_backend


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """The demonstrations of one task.

    Attributes:
        suite: Name of the suite.
        task: Index of the task, -1 where unknown.
        instruction: What policies are told.
        demos: How many there are.
        successes: How many of them ended in success; None where the data does not say.
        frames: Rows of all of them.
        shortest: Rows of the shortest.
        longest: Rows of the longest.
        prologue: How many of the frames are of prologues, which are not to be imitated.
    """

    suite: str
    task: int
    instruction: str
    demos: int
    successes: int | None
    frames: int
    shortest: int
    longest: int
    prologue: int


@dataclass(frozen=True, slots=True)
class ActionStatistics:
    """Per action dimension, over all rows but those of prologues.

    Attributes:
        names: One per dimension.
        low: (A,) least value.
        mean: (A,) mean.
        std: (A,) standard deviation.
        high: (A,) greatest value.
        noise_std: (A,) standard deviation of executed minus labelled action; None without noise.
    """

    names: tuple[str, ...]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    high: NDArray[np.float64]
    noise_std: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class DataSummary:
    """A dataset in figures.

    Attributes:
        backend: Its backend.
        identity: SHA-256 of its demonstrations.
        tasks: One per task.
        cameras: Camera to (height, width), for those that all demonstrations have.
        embodiments: Robots.
        control_hz: Control frequencies.
        noise: Noise levels.
        actions: Statistics of the actions.
        trials: How many trials were `run`, and how many of them `succeeded`, for the demonstrations
            to be chosen from; None where the data does not say.
        about: Distinct facts about how it was made.
        provenance: Distinct facts about what decided physics and pixels.
        notes: What a reader should know.
    """

    backend: str
    identity: str
    tasks: tuple[TaskSummary, ...]
    cameras: dict[str, tuple[int, int]]
    embodiments: tuple[str, ...]
    control_hz: tuple[float, ...]
    noise: tuple[float, ...]
    actions: ActionStatistics
    trials: dict[str, int] | None
    about: dict[str, list[Any]]
    provenance: dict[str, list[Any]]
    notes: tuple[str, ...]


def summarise_data(source: Source) -> DataSummary:
    """Reads all actions, and no pictures, of a dataset.

    Raises:
        DataError: It mixes backends.
    """
    demos = source.demos
    grouped: dict[tuple[str, int, str], list[DemoInfo]] = {}
    for demo in demos:
        grouped.setdefault((demo.suite, demo.task, demo.instruction), []).append(demo)
    first = demos[0]
    return DataSummary(
        backend=one_backend(demos),
        identity=dataset_identity(demos),
        tasks=tuple(_task(*key, found) for key, found in sorted(grouped.items())),
        cameras={
            camera: size
            for camera, size in first.cameras.items()
            if all(demo.cameras.get(camera) == size for demo in demos)
        },
        embodiments=tuple(sorted({demo.embodiment for demo in demos})),
        control_hz=tuple(sorted({demo.control_hz for demo in demos})),
        noise=tuple(sorted({demo.noise for demo in demos})),
        actions=_statistics(source),
        trials=_trials(grouped.values()),
        about=_distinct([_without_trials(demo.about or {}) for demo in demos]),
        provenance=_distinct([demo.provenance or {} for demo in demos]),
        notes=tuple(source.notes),
    )


def _task(suite: str, task: int, instruction: str, demos: Sequence[DemoInfo]) -> TaskSummary:
    outcomes = Counter(demo.success for demo in demos)
    lengths = [demo.length for demo in demos]
    return TaskSummary(
        suite=suite,
        task=task,
        instruction=instruction,
        demos=len(demos),
        successes=None if outcomes[None] else outcomes[True],
        frames=sum(lengths),
        shortest=min(lengths),
        longest=max(lengths),
        prologue=sum(demo.prologue for demo in demos),
    )


def _trials(tasks: Iterable[Sequence[DemoInfo]]) -> dict[str, int] | None:
    """Trials of all tasks together; a task's demonstrations all say the same."""
    told = [(demos[0].about or {}).get("trials") for demos in tasks]
    found = [trials for trials in told if trials is not None]
    if not found or len(found) < len(told):
        return None
    return {name: sum(trials[name] for trials in found) for name in found[0]}


def _without_trials(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name != "trials"}


def _statistics(source: Source) -> ActionStatistics:
    demos = source.demos
    labels = [source.actions(i, demo.prologue, demo.length) for i, demo in enumerate(demos)]
    actions = np.concatenate(labels).astype(np.float64)
    noise = None
    if any(demo.noise for demo in demos):
        executed = [
            source.executed_actions(i, demo.prologue, demo.length) for i, demo in enumerate(demos)
        ]
        noise = (np.concatenate(executed) - actions).std(axis=0)
    width = actions.shape[1]
    names = demos[0].action_names
    return ActionStatistics(
        names=names if len(names) == width else tuple(str(i) for i in range(width)),
        low=actions.min(axis=0),
        mean=actions.mean(axis=0),
        std=actions.std(axis=0),
        high=actions.max(axis=0),
        noise_std=noise,
    )


def _distinct(facts: Sequence[Any]) -> dict[str, list[Any]]:
    """Each name with the different values it has, in the order of their first occurrence."""
    found: dict[str, list[Any]] = {}
    for each in facts:
        for name, value in each.items():
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    return found
