"""Which mistakes a policy makes: the changes that make its error against demonstrations collapse.

Changes are tried one by one; the best that counts is kept and the others are tried on top of it, so
that several mistakes at once are found as well. Where no change counts alone, each of what is seen
is tried with each of what is answered: pictures upside down do not show in a policy whose actions
are in other units. What counts is strict, because dozens are tried: see `Trial.counts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wambench.diagnose.errors import Yardstick, correlation
from wambench.diagnose.mistakes import (
    Mistake,
    mistakes_of_answers,
    mistakes_of_observations,
)
from wambench.diagnose.moments import Change, Moments, ask
from wambench.protocol import Observation, Policy, SuiteSpec

FOLLOWS = 0.7
"""A policy whose relative error is below this follows the demonstrations."""

GAIN = 0.25
DEVIATIONS = 4.0
USEFUL = 0.9
MOST_MISTAKES = 4


@dataclass(frozen=True, slots=True)
class Trial:
    """A change that was tried.

    Attributes:
        mistake: What it mends.
        before: Relative error of the dimensions it concerns, without.
        after: And with.
        total: Relative error of all dimensions with it.
        deviations: The mean improvement over its standard error between places.
    """

    mistake: Mistake
    before: float
    after: float
    total: float
    deviations: float

    @property
    def counts(self) -> bool:
        """Whether it is no accident: a quarter less error, four standard errors, and use in it."""
        gained = self.after <= (1 - GAIN) * self.before
        return gained and self.deviations >= DEVIATIONS and self.after <= USEFUL


@dataclass(frozen=True, slots=True)
class Reliance:
    """How much worse the policy gets without something that it sees.

    Attributes:
        what: What was taken away.
        before: Relative error with it.
        after: And without.
    """

    what: str
    before: float
    after: float

    @property
    def used(self) -> bool:
        """Whether it makes a difference."""
        return self.after > 1.1 * self.before


@dataclass(slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        names: The moving action dimensions.
        still: Those that demonstrations do not move.
        errors: (D,) relative error of each moving one, as the policy is.
        correlations: (D,) Pearson's of answers and demonstrations, as it is.
        total: Relative error over all of them, as it is.
        mended: Relative error with all changes that count.
        found: The changes that count, one on top of the other.
        trials: All changes tried on the policy as it is, best first.
        reliance: What it looks at, with the changes that count.
        places: How many places of how many demonstrations.
    """

    names: list[str]
    still: list[str]
    errors: NDArray[np.float64]
    correlations: list[float]
    total: float
    mended: float
    places: tuple[int, int]
    found: list[Trial] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    reliance: list[Reliance] = field(default_factory=list)


def diagnose(
    policy: Policy,
    spec: SuiteSpec,
    moments: Moments,
    note: Callable[[str], None] = lambda line: None,
) -> Diagnosis:
    """Compares a policy with demonstrations, and tries the usual mistakes.

    Args:
        policy: Built for `spec`; sees nothing but observations.
        spec: The suite.
        moments: Where to ask it, with at most `policy.execute` actions each.
        note: Told what takes a while.

    Raises:
        PolicyContractError: Its answers do not fit its contract.
    """
    patient = _Patient(policy, spec, moments)
    raw = patient.answers([])
    first = patient.errors(raw, [])
    moving = patient.yardstick.moving
    steps = moments.actions.shape[1]
    result = Diagnosis(
        names=[spec.action_names[place] for place in moving],
        still=[n for i, n in enumerate(spec.action_names) if i not in moving],
        errors=first.mean(axis=0),
        correlations=[
            correlation(raw[:, :steps, place], moments.actions[..., place]) for place in moving
        ],
        total=patient.total(first),
        mended=patient.total(first),
        places=(len(moments.seen), moments.demos),
    )
    observations = mistakes_of_observations(spec, policy.needs)
    kept: list[Mistake] = []
    while len(kept) < MOST_MISTAKES:
        groups = {mistake.group for mistake in kept}
        before = patient.errors(raw, kept)
        trials: list[Trial] = []
        pairs: list[tuple[Trial, Trial]] = []
        for mistake in observations:
            if mistake.group in groups:
                continue
            note(f"If {mistake.name} ...")
            seen = patient.changed([*kept, mistake])
            if seen is None:
                continue
            answers = ask(policy, seen)
            alone = patient.trial(mistake, before, patient.errors(answers, kept))
            trials.append(alone)
            for other in patient.of_answers(answers, kept, groups):
                both = patient.errors(answers, [*kept, other])
                if patient.trial(replace(mistake, places=None), before, both).counts:
                    pairs.append((alone, patient.trial(other, before, both)))
        for mistake in patient.of_answers(raw, kept, groups):
            after = patient.errors(raw, [*kept, mistake])
            trials.append(patient.trial(mistake, before, after))
        trials.sort(key=lambda trial: trial.total)
        if not kept:
            result.trials = trials
        counting = [trial for trial in trials if trial.counts]
        best = counting[:1]
        if not best and pairs:
            best = [*min(pairs, key=lambda pair: pair[1].total)]
        if not best:
            break
        kept += [trial.mistake for trial in best]
        result.found += best
        result.mended = best[-1].total
        raw = patient.answers(kept)
    before = patient.errors(raw, kept)
    for what, change in _deprivations(spec, policy, moments):
        note(f"Without its {what} ...")
        answers = ask(policy, [change(seen) for seen in patient.changed(kept) or moments.seen])
        after = patient.errors(answers, kept)
        result.reliance.append(Reliance(what, patient.total(before), patient.total(after)))
    return result


class _Patient:
    """A policy at some moments."""

    def __init__(self, policy: Policy, spec: SuiteSpec, moments: Moments) -> None:
        self.policy, self.spec, self.moments = policy, spec, moments
        self.yardstick = Yardstick.of(moments.actions, spec.action_low, spec.action_high)

    def changed(self, mistakes: Sequence[Mistake]) -> list[Observation] | None:
        """The observations with changes; None where the last one changes nothing."""
        before = seen = list(self.moments.seen)
        for mistake in mistakes:
            if mistake.observation is not None:
                before, seen = seen, [mistake.observation(one) for one in seen]
        last = mistakes[-1].observation if mistakes else None
        if last is not None and all(_alike(a, b) for a, b in zip(before, seen, strict=True)):
            return None
        return seen

    def answers(self, mistakes: Sequence[Mistake]) -> NDArray[np.float64]:
        """(N, H, A) to observations with changes."""
        return ask(self.policy, self.changed(mistakes) or self.moments.seen)

    def read(self, raw: NDArray[np.float64], mistakes: Sequence[Mistake]) -> NDArray[np.float64]:
        """(N, H, A) answers with the changes of answers among some."""
        for mistake in mistakes:
            if mistake.answers is not None:
                raw = mistake.answers(raw, self.moments.actions)
        return raw

    def of_answers(
        self, raw: NDArray[np.float64], kept: Sequence[Mistake], groups: set[str]
    ) -> list[Mistake]:
        """Mistakes of answers that can still be, besides those that are kept."""
        offered = mistakes_of_answers(self.spec, self.read(raw, kept), self.moments.actions)
        return [mistake for mistake in offered if mistake.group not in groups]

    def errors(self, raw: NDArray[np.float64], mistakes: Sequence[Mistake]) -> NDArray[np.float64]:
        """(N, D) relative errors of answers with the changes of answers among some."""
        answers = self.read(raw, mistakes)
        # A change may leave a chunk one action shorter than what is executed of it.
        steps = min(answers.shape[1], self.moments.actions.shape[1])
        return self.yardstick.errors(answers[:, :steps], self.moments.actions[:, :steps])

    def total(self, errors: NDArray[np.float64]) -> float:
        """One number of (N, D) relative errors."""
        return float(self.yardstick.mean(errors).mean())

    def trial(
        self, mistake: Mistake, before: NDArray[np.float64], after: NDArray[np.float64]
    ) -> Trial:
        """What a change did, from (N, D) relative errors."""
        places = mistake.places
        columns = [
            column
            for column, place in enumerate(self.yardstick.moving)
            if places is None or place in places
        ]
        if not columns:
            return Trial(mistake, 0.0, 0.0, self.total(after), 0.0)
        a, b = (self.yardstick.mean(errors, columns) for errors in (before, after))
        spread = float((a - b).std(ddof=1)) / len(a) ** 0.5 if len(a) > 1 else np.inf
        return Trial(
            mistake,
            float(a.mean()),
            float(b.mean()),
            self.total(after),
            float((a - b).mean()) / max(spread, 1e-12),
        )


def _alike(a: Observation, b: Observation) -> bool:
    return np.array_equal(a.agent_pos, b.agent_pos) and all(
        np.array_equal(picture, b.pixels[camera]) for camera, picture in a.pixels.items()
    )


def _deprivations(spec: SuiteSpec, policy: Policy, moments: Moments) -> list[tuple[str, Change]]:
    """What can be taken away, and how: by that of another place, so that it stays plausible."""
    count = len(moments.seen)
    turned = {
        seen.episode.key: moments.seen[(i + count // 2) % count]
        for i, seen in enumerate(moments.seen)
    }
    found: list[tuple[str, Change]] = []

    if policy.needs.cameras:
        found.append(
            ("pictures", lambda seen: replace(seen, pixels=turned[seen.episode.key].pixels))
        )
    if spec.state_names:
        found.append(
            ("state", lambda seen: replace(seen, agent_pos=turned[seen.episode.key].agent_pos))
        )
    if len({seen.instruction for seen in moments.seen}) > 1:

        def misread(seen: Observation) -> Observation:
            other = next(o for o in moments.seen if o.instruction != seen.instruction)
            episode = replace(seen.episode, instruction=other.instruction)
            return replace(seen, episode=episode)

        found.append(("instruction", misread))
    return found
