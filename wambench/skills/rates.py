"""Synchronisation rates: how often prompts and cycles have the same number."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wambench.demos.demo import Source
from wambench.skills.decompose import Decomposition
from wambench.stats.intervals import stratified_wilson_interval, wilson_interval

TaskKey = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class SyncRate:
    """How many demonstrations of a task, or of all, are synchronised.

    Attributes:
        suite: Name of the suite; of all, where there are several, joined.
        task: Index of the task; -1 for all, or where unknown.
        name: An instruction of the task; empty for all.
        demos: How many there are.
        synchronised: How many of them are.
        interval: Bounds of the rate at 95 %.
        why_not: What the others show, with how many do.
    """

    suite: str
    task: int
    name: str
    demos: int
    synchronised: int
    interval: tuple[float, float]
    why_not: tuple[tuple[str, int], ...]

    @property
    def rate(self) -> float:
        """Between 0 and 1."""
        return self.synchronised / self.demos

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        return {
            "suite": self.suite,
            "task": self.task,
            "name": self.name,
            "demos": self.demos,
            "synchronised": self.synchronised,
            "rate": self.rate,
            "interval": list(self.interval),
            "why_not": dict(self.why_not),
        }


def task_key(source: Source, demo: int) -> TaskKey:
    """What demonstrations are counted by; a task may have several instructions."""
    info = source.demos[demo]
    return (info.suite, info.task, info.task_name)


def sync_rates(
    source: Source, found: Sequence[Decomposition]
) -> tuple[tuple[SyncRate, ...], SyncRate]:
    """Per task, and of all with the tasks taken as given."""
    by_task: dict[TaskKey, list[Decomposition]] = defaultdict(list)
    for each in found:
        by_task[task_key(source, each.demo)].append(each)
    rates = tuple(
        SyncRate(
            suite=suite,
            task=task,
            name=source.demos[group[0].demo].instruction,
            demos=len(group),
            synchronised=sum(each.synchronised for each in group),
            interval=wilson_interval(sum(each.synchronised for each in group), len(group)),
            why_not=_why_not(group),
        )
        for (suite, task, _), group in sorted(by_task.items())
    )
    counts = [rate.synchronised for rate in rates]
    overall = SyncRate(
        suite=", ".join(sorted({rate.suite for rate in rates})),
        task=-1,
        name="",
        demos=len(found),
        synchronised=sum(counts),
        interval=stratified_wilson_interval(counts, [rate.demos for rate in rates]),
        why_not=_why_not(found),
    )
    return rates, overall


def _why_not(group: Sequence[Decomposition]) -> tuple[tuple[str, int], ...]:
    # A refused answer says something else every time.
    reasons = Counter(
        each.detail if each.reason == "count" else "answer refused"
        for each in group
        if not each.synchronised
    )
    return tuple(reasons.most_common())
