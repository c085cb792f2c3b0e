"""A run that ends when it is decided whether its policy is better than that of another run.

The decision depends on the records alone: on complete rounds of one trial of every task, in an
order that the manifest fixes, up to the first round that has an episode without a counted outcome.
Which episode ended first, how many workers there were and when the run was interrupted cannot be
seen in it. Episodes of later rounds that were under way are recorded and not used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from wambench.comparable import check_level, complete_records, difference_of_episodes
from wambench.errors import UsageError
from wambench.manifest import Manifest, rounds
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunConfig, RunDirectory, StoppingRule
from wambench.stats.paired import Pairs
from wambench.stats.sequential import Decision, decide

DEFAULT_CONFIDENCE = 0.95

Records = Mapping[str, EpisodeRecord]


def make_rule(against: RunDirectory, confidence: float, margin: float | None) -> StoppingRule:
    """The rule to be stored in a new run.

    Raises:
        UsageError: The level or the margin is out of range.
    """
    check_level(confidence)
    if margin is not None and not 0 < margin < 1:
        raise UsageError(
            f"--margin {margin:g} is not a difference of rates between 0 and 1.",
            "Use for example 0.05 for five percentage points.",
        )
    return StoppingRule(
        against=against.path.as_posix(),
        policy=against.info.config.policy,
        confidence=confidence,
        margin=margin,
        privileged=against.info.privileged,
        simulator=against.info.provenance.get("suite") or {},
    )


def baseline_run(path: Path, config: RunConfig, manifest: Manifest) -> RunDirectory:
    """The run to compare with.

    Args:
        path: Its directory.
        config: Configuration of the run that is about to start.
        manifest: Its episodes.

    Raises:
        UsageError: It has other episodes, or lacks some.
    """
    other = RunDirectory(path)
    if other.manifest.digest != manifest.digest:
        why = difference_of_episodes(other.info.config, config)
        raise UsageError(
            f"The run cannot be compared with {path}: {why}.",
            "Leave out --trials, --seed, --tasks and --backend: they are then taken from that run."
            if other.info.config.suite == config.suite
            else "Name a run on the same suite.",
        )
    complete_records(other)
    return other


def check_repeated(
    path: Path,
    against: Path | None,
    stop: bool | None,
    confidence: float | None,
    margin: float | None,
) -> None:
    """Refuses options given with --resume that would change the stopping rule of a run.

    A rule that is made or changed after outcomes were seen guarantees nothing. Where there is none,
    the other run must be one that this one can be compared with when it has ended.

    Raises:
        UsageError: They differ from the run's rule, or the runs cannot be compared.
    """
    run = RunDirectory(path)
    rule = run.info.stopping
    if rule is None:
        if stop is not None or margin is not None:
            raise UsageError(
                f"{path} was started without --stop-when-decided: a rule made after outcomes were "
                "seen guarantees nothing.",
                "Resume it without, and compare the finished runs with `wambench compare`.",
            )
        if against is not None:
            _check_comparable(run, RunDirectory(against))
        return
    for option, given, stored in (
        ("--level", confidence, rule.confidence),
        ("--margin", margin, rule.margin),
        (
            "--against",
            None if against is None else against.resolve(),
            Path(rule.against).resolve(),
        ),
    ):
        if given is not None and given != stored:
            raise UsageError(
                f"{option} {given} differs from the rule of {path}, which has {stored}: a rule "
                "changed after outcomes were seen guarantees nothing.",
                "Leave that option out.",
            )


def _check_comparable(run: RunDirectory, other: RunDirectory) -> None:
    """Refuses to go on with a run that cannot be compared with the other when it has ended."""
    if other.path.resolve() == run.path.resolve():
        raise UsageError(f"{run.path} cannot be compared with itself.", "Name another run.")
    if other.manifest.digest != run.manifest.digest:
        why = difference_of_episodes(other.info.config, run.info.config)
        raise UsageError(
            f"{run.path} cannot be compared with {other.path}: {why}.",
            "Name a run of the same episodes, or leave --against out.",
        )
    complete_records(other)


class Referee:
    """Applies the stopping rule of a run to its records.

    Args:
        run: A run that has a rule.
    """

    def __init__(self, run: RunDirectory) -> None:
        assert run.info.stopping is not None
        self._rule = run.info.stopping
        self._baseline = run.baseline()
        self._order = rounds(run.manifest)

    def decide(self, records: Records) -> Decision:
        """The decision at the first round that allows one, or where the records end."""
        return decide(
            self._complete_rounds(records),
            len(self._order),
            self._rule.confidence,
            self._rule.margin,
        )

    def _complete_rounds(self, records: Records) -> Iterator[Pairs]:
        """Pairs of each round, up to the first that lacks an outcome.

        Episodes that are infeasible are no pairs; a round goes on without them.
        """
        for episodes in self._order:
            outcomes = []
            for episode in episodes:
                a, b = self._baseline.get(episode.key), records.get(episode.key)
                if a is None or b is None:
                    return
                if "infeasible" in (a.outcome, b.outcome):
                    continue
                if not (a.counted and b.counted):
                    return
                outcomes.append((a.outcome == "success", b.outcome == "success"))
            yield Pairs.count(outcomes)


def decision_of(run: RunDirectory, records: Records) -> Decision | None:
    """What the run's stopping rule says about its records; None where it has no rule."""
    return None if run.info.stopping is None else Referee(run).decide(records)


def write_decision(run: RunDirectory, decision: Decision) -> Path:
    """Writes `decision.json` into the run directory and returns its path."""
    rule = run.info.stopping
    assert rule is not None
    text = json.dumps(
        {
            "a": {"run": rule.against, "policy": rule.policy},
            "b": {"run": run.path.as_posix(), "policy": run.info.config.policy},
            **decision.to_json(),
        },
        indent=2,
    )
    return run.write("decision.json", text + "\n")
