"""The rows of a leaderboard, and under which heading each stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from wambench.errors import RunDirectoryError, UsageError
from wambench.protocol import Backend
from wambench.report.cost import seconds_per_chunk, seconds_per_episode
from wambench.report.summary import ERROR_OUTCOMES, Summary, summarise_run
from wambench.results.run import RunDirectory

HASH_DIGITS = 12
"""How much of a hash is shown: enough to tell runs apart, short enough for a column."""

BACKENDS: tuple[Backend, ...] = ("official", "embedded")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured run.

    Attributes:
        suite: Name of the suite.
        backend: Its backend; with the suite, the heading the row belongs under.
        policy: Name of the policy.
        arguments: Its arguments.
        seed: Seed of the run.
        trials_per_task: Episodes per task that were asked for.
        summary: Successes, interval, steps, errors and seconds over all its episodes.
        tasks: The same per task.
        over_tasks: See `wambench.report.summary.RunSummary`.
        seconds_per_chunk: See `wambench.report.cost.seconds_per_chunk`.
        privileged: Whether the policy looked at the simulator's state.
        unpinned: Whether simulator versions other than the pinned ones were used.
        manifest: First digits of the manifest's hash.
        wambench: Version that ran it.
        simulator: Versions and asset hashes that the suite recorded.
        run: The run directory, as it was named.
        stopped_early: Whether it ended because its comparison was decided; it has no rate then.
        order: Position among the runs as they were given.
    """

    suite: str
    backend: Backend
    policy: str
    arguments: Mapping[str, Any]
    seed: int
    trials_per_task: int
    summary: Summary
    tasks: Mapping[int, Summary]
    over_tasks: tuple[float, float] | None
    seconds_per_chunk: float | None
    privileged: bool
    unpinned: bool
    manifest: str
    wambench: str
    simulator: str
    run: Path
    stopped_early: bool
    order: int

    @property
    def policy_arguments(self) -> str:
        """The arguments as `name=value, name=value`."""
        return ", ".join(f"{name}={value}" for name, value in sorted(self.arguments.items()))

    @property
    def seconds_per_episode(self) -> float | None:
        """Mean wall seconds per counted episode, without filming."""
        return seconds_per_episode(self.summary)

    @property
    def marks(self) -> list[str]:
        """What sets the row apart from a plain, complete result."""
        marks = []
        if self.privileged:
            marks.append("privileged state")
        if infeasible := self.summary.errors.get("infeasible"):
            marks.append(f"{infeasible} infeasible seed{'s' * (infeasible > 1)} left out")
        if self.summary.missing:
            how = "stopped early" if self.stopped_early else "incomplete"
            marks.append(f"{how}: {self.summary.trials} of {self.summary.planned}")
        if self.unpinned:
            marks.append("unpinned versions")
        return marks

    def cells(self) -> dict[str, Any]:
        """The row of the CSV: column to value."""
        summary = self.summary
        low, high = summary.interval
        tasks_low, tasks_high = self.over_tasks or (None, None)
        return {
            "suite": self.suite,
            "backend": self.backend,
            "policy": self.policy,
            "policy_arguments": self.policy_arguments,
            "seed": self.seed,
            "trials": summary.trials,
            "planned": summary.planned,
            "successes": summary.successes,
            "success_rate": summary.rate,
            "ci_low": low,
            "ci_high": high,
            "over_tasks_low": tasks_low,
            "over_tasks_high": tasks_high,
            "mean_steps": summary.mean_steps,
            **{outcome: summary.errors.get(outcome, 0) for outcome in ERROR_OUTCOMES},
            "not_run": summary.unfinished,
            "privileged": self.privileged,
            "unpinned": self.unpinned,
            "complete": summary.complete,
            "stopped_early": self.stopped_early,
            "manifest": self.manifest,
            "wambench": self.wambench,
            "simulator": self.simulator,
            "mean_seconds_per_episode": self.seconds_per_episode,
            "policy_seconds_per_chunk": self.seconds_per_chunk,
            "run": self.run.as_posix(),
        }


def collect(runs: Sequence[RunDirectory]) -> list[Row]:
    """One row per run, by suite, then backend (official first), then falling rate.

    Raises:
        UsageError: No run is given, or one is given twice.
        RunDirectoryError: A run cannot be read, or its episodes are not of the suite and backend
            that its `run.json` names.
    """
    if not runs:
        raise UsageError("A leaderboard needs at least one run.", "Name run directories.")
    seen: set[Path] = set()
    for run in runs:
        folder = run.path.resolve()
        if folder in seen:
            raise UsageError(
                f"The run {run.path} is given twice.", "Name every run directory once."
            )
        seen.add(folder)
    return sorted((_row(run, order) for order, run in enumerate(runs)), key=_rank)


def _row(run: RunDirectory, order: int) -> Row:
    info, config = run.info, run.info.config
    for episode in run.manifest.episodes:
        if (episode.suite, episode.backend) != (config.suite, config.backend):
            raise RunDirectoryError(
                f"run.json in {run.path} names {config.suite} ({config.backend}) but its episodes "
                f"are of {episode.suite} ({episode.backend}).",
                "It was edited or damaged.",
            )
    provenance = info.provenance
    summary = summarise_run(run)
    return Row(
        suite=config.suite,
        backend=config.backend,
        policy=config.policy,
        arguments=config.policy_arguments,
        seed=config.seed,
        trials_per_task=config.trials,
        summary=summary.suite,
        tasks=summary.tasks,
        over_tasks=summary.over_tasks,
        seconds_per_chunk=seconds_per_chunk(list(run.records().values())),
        privileged=info.privileged,
        # What the first worker found; a run that never had one has only what was allowed.
        unpinned=bool(provenance.get("unpinned", config.allow_unpinned)),
        manifest=info.manifest[:HASH_DIGITS],
        wambench=str(provenance.get("wambench", "")),
        simulator=", ".join(
            f"{name} {_shorten_hash(str(value))}"
            for name, value in sorted((provenance.get("suite") or {}).items())
        ),
        run=run.path,
        stopped_early=summary.stopped_early,
        order=order,
    )


def _shorten_hash(value: str) -> str:
    is_hash = len(value) >= 32 and all(digit in "0123456789abcdef" for digit in value)
    return value[:HASH_DIGITS] if is_hash else value


def _rank(row: Row) -> tuple[Any, ...]:
    """Sorts rows; what follows the rate only makes ties repeatable."""
    rate = -1.0 if row.summary.rate is None else row.summary.rate
    tie = (row.policy, row.policy_arguments, row.seed, row.run.as_posix())
    return (row.suite, BACKENDS.index(row.backend), -rate, *tie)


@dataclass(frozen=True, slots=True)
class Panel:
    """What stands under one heading: measured runs of one suite on one backend.

    Attributes:
        suite: Name of the suite.
        backend: The backend.
        rows: Its runs, best first.
    """

    suite: str
    backend: Backend
    rows: list[Row]

    @property
    def title(self) -> str:
        """The heading."""
        return f"{self.suite} · backend {self.backend}"

    @property
    def short_title(self) -> str:
        """The heading where there is little room."""
        return f"{self.suite} · {self.backend}"

    @property
    def several_manifests(self) -> bool:
        """Whether the rows ran different episodes."""
        return len({row.manifest for row in self.rows}) > 1


def panels_of(rows: Sequence[Row]) -> list[Panel]:
    """One panel per (suite, backend), in the order of `collect`."""
    groups = groupby(rows, key=lambda row: (row.suite, row.backend))
    return [Panel(suite, backend, list(group)) for (suite, backend), group in groups]


@dataclass(frozen=True, slots=True)
class Method:
    """What was evaluated: rows with the same method on several suites are one line of a table.

    Attributes:
        policy: Name of the policy.
        arguments: Its arguments as text.
        seed: Seed of the run.
        trials_per_task: Episodes per task.
        repeat: 0, or a running number where the same was run several times on one suite.
    """

    policy: str
    arguments: str
    seed: int
    trials_per_task: int
    repeat: int = 0


def methods_of(rows: Sequence[Row]) -> dict[Method, dict[tuple[str, Backend], Row]]:
    """Every method and its row on each (suite, backend), in the order in which they appear."""
    methods: dict[Method, dict[tuple[str, Backend], Row]] = {}
    for row in rows:
        panel = (row.suite, row.backend)
        repeat = 0
        while panel in methods.setdefault(method := _method(row, repeat), {}):
            repeat += 1
        methods[method][panel] = row
    return methods


def _method(row: Row, repeat: int) -> Method:
    return Method(row.policy, row.policy_arguments, row.seed, row.trials_per_task, repeat)


def details_of_methods(methods: Iterable[Method]) -> dict[Method, str]:
    """What tells each method from others of the same policy; empty where the name is enough."""
    methods = list(methods)
    details = {}
    for method in methods:
        namesakes = [other for other in methods if other.policy == method.policy]
        parts = []
        if len({other.arguments for other in namesakes}) > 1:
            parts.append(method.arguments or "no arguments")
        if len({other.seed for other in namesakes}) > 1:
            parts.append(f"seed {method.seed}")
        if len({other.trials_per_task for other in namesakes}) > 1:
            parts.append(f"{method.trials_per_task} trials per task")
        if method.repeat:
            parts.append(f"run {method.repeat + 1}")
        details[method] = ", ".join(parts)
    return details
