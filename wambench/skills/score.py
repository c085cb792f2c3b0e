"""How well cuts agree with where an expert's skills really begin.

A boundary is the first row of a skill that is not the first one. Cuts and boundaries are paired in
time, each at most once, within a tolerance; from the pairs come precision, recall and F1, summed
over demonstrations, and the error in time. Segment IoU is, for every skill of the expert, the
overlap with the cycle that covers it best, in rows, averaged. Demonstrations of one skill have no
boundary: a cut there is wrong, and none is right, which only `counts` and IoU show.

Non-obvious behaviours
    - The expert's next step begins when its hand has drawn back, the gripper's when the fingers
      have let go: a correct cut is early by that retreat. `bias` shows it.
    - A plan may have steps that the instruction does not name, such as opening a drawer further.
      They are skills, and finding them is right, even though the demonstration is then discarded.
    - Intervals are percentile bootstraps: of a task its demonstrations are drawn again, of all
      tasks whole tasks. Fewer than five of either have none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from wambench.demos.demo import Source
from wambench.skills.decompose import Decomposition
from wambench.skills.labels import Labels, Starts
from wambench.skills.rates import TaskKey, task_key
from wambench.stats.intervals import stratified_wilson_interval, wilson_interval

RESAMPLES = 2_000
MIN_DRAWN = 5
"""Fewer demonstrations, or tasks, give no interval; as `wambench.stats.bootstrap.MIN_TASKS`."""

SEED = 0
Segment = tuple[int, int]
"""First row, and row after the last one."""


@dataclass(frozen=True, slots=True)
class DemoScore:
    """One demonstration.

    Attributes:
        demo: Its index.
        skills: Skills of the expert.
        cuts: Cycles of the gripper.
        hits: Per tolerance, boundaries that were met.
        errors_s: Seconds from each boundary that was met, at the largest tolerance, to its cut.
        overlaps: Of each skill with the cycle that covers it best.
    """

    demo: int
    skills: int
    cuts: int
    hits: tuple[int, ...]
    errors_s: tuple[float, ...]
    overlaps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: None where there is nothing to measure.
        low: Lower bound at 95 %; not a number where there is no interval.
        high: Upper bound.
    """

    value: float | None
    low: float = float("nan")
    high: float = float("nan")

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        if self.value is None:
            return {"value": None}
        if math.isnan(self.low):  # JSON has no such number
            return {"value": self.value}
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Score:
    """A task, or all of them.

    Attributes:
        suite: Name of the suite.
        task: Index of the task; -1 for all.
        name: An instruction of it; empty for all.
        demos: Labelled demonstrations.
        skills: Mean number of the expert's skills.
        counts: Share with as many cycles as skills.
        f1: Per tolerance.
        error_s: Mean absolute error of the boundaries that were met, in s.
        bias_s: Mean signed error; below 0 the cut is early.
        iou: Mean overlap of the skills.
    """

    suite: str
    task: int
    name: str
    demos: int
    skills: float
    counts: Estimate
    f1: tuple[Estimate, ...]
    error_s: Estimate
    bias_s: Estimate
    iou: Estimate

    def to_json(self, tolerances: Sequence[float]) -> dict[str, Any]:
        """As plain types."""
        return {
            "suite": self.suite,
            "task": self.task,
            "name": self.name,
            "demos": self.demos,
            "skills": self.skills,
            "counts": self.counts.to_json(),
            "f1": {f"{t:g}": f1.to_json() for t, f1 in zip(tolerances, self.f1, strict=True)},
            "error_s": self.error_s.to_json(),
            "bias_s": self.bias_s.to_json(),
            "iou": self.iou.to_json(),
        }


def matched(boundaries: Sequence[int], cuts: Sequence[int], within: float) -> list[tuple[int, int]]:
    """As many pairs as possible of a boundary and a cut at most `within` rows apart, in time.

    Taking the earliest of both that fit is the most there is, for points on a line.
    """
    pairs = []
    rest = sorted(cuts)
    for boundary in sorted(boundaries):
        while rest and rest[0] < boundary - within:
            rest.pop(0)
        if rest and rest[0] <= boundary + within:
            pairs.append((boundary, rest.pop(0)))
    return pairs


def segments(starts: Sequence[int], length: int) -> list[Segment]:
    """The segments between boundaries; the first begins at row 0."""
    edges = [0, *starts[1:], length]
    return list(pairwise(edges))


def overlap(skill: Segment, others: Sequence[Segment]) -> float:
    """The largest intersection over union of a segment with others; 0 where there are none."""
    best = 0.0
    for other in others:
        common = min(skill[1], other[1]) - max(skill[0], other[0])
        union = max(skill[1], other[1]) - min(skill[0], other[0])
        best = max(best, common / union)
    return best


def score_demo(
    found: Decomposition, starts: Starts, length: int, hz: float, tolerances: Sequence[float]
) -> DemoScore:
    """Compares one demonstration with its labels."""
    true = [row for row, _ in starts]
    cuts = [cycle.start for cycle in found.cycles]
    hits = tuple(len(matched(true[1:], cuts[1:], t * hz)) for t in tolerances)
    widest = matched(true[1:], cuts[1:], max(tolerances) * hz)
    pieces = [(cycle.start, cycle.end + 1) for cycle in found.cycles]
    return DemoScore(
        demo=found.demo,
        skills=len(true),
        cuts=len(cuts),
        hits=hits,
        errors_s=tuple((cut - boundary) / hz for boundary, cut in widest),
        overlaps=tuple(overlap(skill, pieces) for skill in segments(true, length)),
    )


def score_all(
    source: Source, found: Sequence[Decomposition], labels: Labels, tolerances: Sequence[float]
) -> tuple[tuple[Score, ...], Score]:
    """Per task, and of all; demonstrations without labels are left out.

    Args:
        source: The dataset.
        found: Its demonstrations' cycles.
        labels: Where the expert's skills begin.
        tolerances: In s.
    """
    by_task: dict[TaskKey, list[DemoScore]] = defaultdict(list)
    for each in found:
        if each.demo in labels:
            info = source.demos[each.demo]
            scored = score_demo(each, labels[each.demo], info.length, info.control_hz, tolerances)
            by_task[task_key(source, each.demo)].append(scored)
    groups = sorted(by_task.items())
    scores = tuple(
        _score([group], suite, task, source.demos[group[0].demo].instruction, len(tolerances))
        for (suite, task, _), group in groups
    )
    suites = ", ".join(sorted({suite for (suite, _, _), _ in groups}))
    return scores, _score([group for _, group in groups], suites, -1, "", len(tolerances))


def _score(
    groups: Sequence[Sequence[DemoScore]], suite: str, task: int, name: str, tolerances: int
) -> Score:
    demos = [demo for group in groups for demo in group]
    right = [sum(demo.cuts == demo.skills for demo in group) for group in groups]
    sizes = [len(group) for group in groups]
    bounds = (
        wilson_interval(right[0], sizes[0])
        if len(groups) == 1
        else stratified_wilson_interval(right, sizes)
    )
    return Score(
        suite=suite,
        task=task,
        name=name,
        demos=len(demos),
        skills=sum(demo.skills for demo in demos) / len(demos),
        counts=Estimate(sum(right) / sum(sizes), *bounds),
        # Summed over demonstrations, F1 is twice the hits over boundaries and cuts together.
        f1=tuple(
            _ratio(
                groups,
                lambda demo, t=t: 2 * demo.hits[t],  # type: ignore[misc]
                lambda demo: max(demo.skills - 1, 0) + max(demo.cuts - 1, 0),
            )
            for t in range(tolerances)
        ),
        error_s=_ratio(
            groups, lambda demo: float(np.abs(demo.errors_s).sum()), lambda d: len(d.errors_s)
        ),
        bias_s=_ratio(groups, lambda demo: sum(demo.errors_s), lambda demo: len(demo.errors_s)),
        iou=_ratio(groups, lambda demo: sum(demo.overlaps), lambda demo: len(demo.overlaps)),
    )


def _ratio(
    groups: Sequence[Sequence[DemoScore]],
    over: Callable[[DemoScore], float],
    under: Callable[[DemoScore], float],
) -> Estimate:
    """A ratio of sums over demonstrations, with an interval; see the module docstring."""
    units = [[demo] for demo in groups[0]] if len(groups) == 1 else groups
    counts = np.array(
        [(sum(map(over, unit)), sum(map(under, unit))) for unit in units if sum(map(under, unit))],
        float,
    )
    if not len(counts):
        return Estimate(None)
    total = counts.sum(axis=0)
    if len(counts) < MIN_DRAWN:
        return Estimate(float(total[0] / total[1]))
    drawn = np.random.default_rng(SEED).integers(0, len(counts), (RESAMPLES, len(counts)))
    drawn = counts[drawn].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return Estimate(float(total[0] / total[1]), float(low), float(high))
