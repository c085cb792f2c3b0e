"""Per-task and per-suite figures of a run, computed from its records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from wambench.results.record import EpisodeRecord, Seconds
from wambench.results.run import RunDirectory
from wambench.stats.intervals import wilson_interval

ERROR_OUTCOMES = ("env_error", "policy_error", "infeasible")


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures over a group of episodes.

    Attributes:
        label: What the group is.
        successes: Episodes that succeeded.
        trials: Episodes that count: successes and failures.
        planned: Episodes in the manifest.
        errors: Outcome to number, for the outcomes that do not count.
        mean_steps: Mean control steps of the successes; None when there are none.
        seconds: Wall time by kind, summed over the episodes that count.
    """

    label: str
    successes: int
    trials: int
    planned: int
    errors: dict[str, int]
    mean_steps: float | None
    seconds: Seconds

    @property
    def rate(self) -> float | None:
        """Success rate; None when nothing counts."""
        return self.successes / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson 95% interval of the success rate."""
        return wilson_interval(self.successes, self.trials)

    @property
    def complete(self) -> bool:
        """Whether every planned episode counts."""
        return self.trials == self.planned

    @property
    def unfinished(self) -> int:
        """Planned episodes that have no record at all."""
        return self.planned - self.trials - sum(self.errors.values())


def summarise(label: str, planned: int, records: Sequence[EpisodeRecord]) -> Summary:
    """Figures over some records.

    Args:
        label: Name of the group.
        planned: How many episodes of the manifest belong to it.
        records: Those that have been run.
    """
    successes = [record for record in records if record.outcome == "success"]
    errors = {
        outcome: count
        for outcome in ERROR_OUTCOMES
        if (count := sum(record.outcome == outcome for record in records))
    }
    return Summary(
        label=label,
        successes=len(successes),
        trials=sum(record.counted for record in records),
        planned=planned,
        errors=errors,
        mean_steps=fmean(record.steps for record in successes) if successes else None,
        seconds=_total(record.execution.seconds for record in records if record.counted),
    )


def _total(parts: Iterable[Seconds]) -> Seconds:
    sums = dict.fromkeys(Seconds.model_fields, 0.0)
    for part in parts:
        for name, value in part.model_dump().items():
            sums[name] += value
    return Seconds(**sums)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Figures of a run: the whole, and each task in manifest order.

    Attributes:
        suite: Over all episodes.
        tasks: Task index to its figures.
    """

    suite: Summary
    tasks: dict[int, Summary]


def summarise_run(run: RunDirectory) -> RunSummary:
    """Reads a run directory and computes its figures."""
    records = run.records()
    episodes = run.manifest.episodes
    labels = {episode.task: episode.instruction for episode in episodes}
    tasks = {}
    for task, label in labels.items():
        keys = [episode.key for episode in episodes if episode.task == task]
        tasks[task] = summarise(label, len(keys), [records[key] for key in keys if key in records])
    name = f"{run.info.config.suite} ({run.info.config.backend})"
    return RunSummary(summarise(name, len(episodes), list(records.values())), tasks)
