"""The rows of a leaderboard, and under which heading each stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from wambench.errors import RunDirectoryError, UsageError
from wambench.protocol import Backend
from wambench.report.published import PublishedRow
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
        policy_arguments: Its arguments as `name=value, name=value`.
        seed: Seed of the run.
        summary: Successes, interval, steps, errors and seconds over all its episodes.
        privileged: Whether the policy looked at the simulator's state.
        unpinned: Whether simulator versions other than the pinned ones were used.
        manifest: First digits of the manifest's hash.
        wambench: Version that ran it.
        simulator: Versions and asset hashes that the suite recorded.
        run: The run directory, as it was named.
        stopped_early: Whether it ended because its comparison was decided; it has no rate then.
    """

    suite: str
    backend: Backend
    policy: str
    policy_arguments: str
    seed: int
    summary: Summary
    privileged: bool
    unpinned: bool
    manifest: str
    wambench: str
    simulator: str
    run: Path
    stopped_early: bool = False

    @property
    def mean_seconds(self) -> float | None:
        """Mean wall seconds per recorded episode; None when there is none."""
        recorded = self.summary.planned - self.summary.unfinished
        return self.summary.seconds.total / recorded if recorded else None

    @property
    def marks(self) -> list[str]:
        """What sets the row apart from a plain, complete result."""
        marks = []
        if self.privileged:
            marks.append("privileged state")
        if not self.summary.complete:
            how = "stopped early" if self.stopped_early else "incomplete"
            marks.append(f"{how}: {self.summary.trials} of {self.summary.planned}")
        if self.unpinned:
            marks.append("unpinned versions")
        return marks

    def cells(self) -> dict[str, Any]:
        """The row of `leaderboard.csv`: column to value."""
        summary = self.summary
        low, high = summary.interval
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
            "mean_seconds_per_episode": self.mean_seconds,
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
    return sorted((_row(run) for run in runs), key=_rank)


def _row(run: RunDirectory) -> Row:
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
        policy_arguments=", ".join(f"{k}={v}" for k, v in sorted(config.policy_arguments.items())),
        seed=config.seed,
        summary=summary.suite,
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
    """What stands under one heading.

    Attributes:
        suite: Name of the suite.
        backend: The backend.
        rows: Its measured runs, best first.
        reported: Published rows shown in a part of their own; empty where they stand elsewhere.
    """

    suite: str
    backend: Backend
    rows: list[Row]
    reported: list[PublishedRow]

    @property
    def title(self) -> str:
        """The heading."""
        return f"{self.suite} · backend {self.backend}"

    @property
    def several_manifests(self) -> bool:
        """Whether the rows ran different episodes."""
        return len({row.manifest for row in self.rows}) > 1


def panels_of(rows: Sequence[Row], reported: Sequence[PublishedRow]) -> list[Panel]:
    """One panel per (suite, backend); published rows go to the official one where there is one."""
    panels: list[Panel] = []
    for (suite, backend), group in groupby(rows, key=lambda row: (row.suite, row.backend)):
        shown_already = any(panel.suite == suite for panel in panels)  # official comes first
        published = [] if shown_already else [row for row in reported if row.suite == suite]
        panels.append(Panel(suite, backend, list(group), published))
    return panels
