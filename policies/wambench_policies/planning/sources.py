"""Where candidate action sequences come from.

    dataset:PATH     sequences that demonstrations hold ("training-set candidates" of the paper)
    vla:CHECKPOINT   samples of a VLA at the present observation

Both draw from the observation's own generator, so that an episode's candidates do not depend on
what else is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wambench.demos.dataset import open_source
from wambench.demos.demo import dataset_identity
from wambench.errors import UsageError
from wambench.protocol import Needs, Observation, SuiteSpec

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """Action sequences that may be executed.

    Attributes:
        actions: (K, P, A) in the suite's units, within its bounds.
        origins: (K,) where each comes from, for the log.
    """

    actions: Array
    origins: tuple[str, ...]


class Source(Protocol):
    """Proposes candidates.

    Attributes:
        identity: What decides its candidates beside the observation.
        longest: Most actions that a candidate can have; None for no bound.
    """

    identity: str
    longest: int | None

    def needs(self) -> Needs:
        """What it has to see."""
        ...

    def propose(self, seen: Observation, count: int, length: int) -> Candidates:
        """`count` candidates of `length` actions."""
        ...


class DatasetSource:
    """Action sequences of demonstrations, drawn evenly over all moments with enough after them.

    Where a demonstration is shorter than a sequence, the whole of it counts once and is prolonged
    by its last action. A prologue, which is not to be imitated, is no part of it.

    Args:
        path: See `wambench.demos.dataset.open_source`.
        spec: The suite; the demonstrations must be of its robot and frequency.

    Raises:
        WambenchError: They cannot be read, or are of another robot.
    """

    longest: int | None = None

    def __init__(self, path: str, spec: SuiteSpec) -> None:
        source = open_source(path)
        for demo in source.demos:
            names = tuple(demo.action_names)
            if demo.embodiment != spec.embodiment or (names and names != spec.action_names):
                raise UsageError(
                    f"{demo.name} in {path} has actions of a {demo.embodiment}, and {spec.name} "
                    f"those of a {spec.embodiment}.",
                    "Give demonstrations of the suite's robot.",
                )
            if abs(demo.control_hz - spec.control_hz) > 1e-6:
                raise UsageError(
                    f"{demo.name} in {path} runs at {demo.control_hz:g} Hz, {spec.name} at "
                    f"{spec.control_hz:g} Hz.",
                    "Give demonstrations of the suite's frequency.",
                )
        self._actions = [
            np.asarray(source.actions(k, demo.prologue, demo.length), np.float32)
            for k, demo in enumerate(source.demos)
        ]
        self._names = [demo.name for demo in source.demos]
        self._begins = [demo.prologue for demo in source.demos]
        self._low = np.asarray(spec.action_low, np.float32)
        self._high = np.asarray(spec.action_high, np.float32)
        self.identity = f"dataset {dataset_identity(source.demos)}"

    def needs(self) -> Needs:
        """Nothing."""
        return Needs()

    def propose(self, seen: Observation, count: int, length: int) -> Candidates:
        """Sequences of different moments, as long as there are enough of them."""
        starts = np.array([max(len(a) - length, 0) + 1 for a in self._actions])
        ends = np.cumsum(starts)
        total = int(ends[-1])
        rows = seen.rng.choice(total, count, replace=count > total)
        demos = np.searchsorted(ends, rows, side="right")
        sequences, origins = [], []
        for demo, row in zip(demos, rows - (ends - starts)[demos], strict=True):
            part = self._actions[demo][row : row + length]
            missing = length - len(part)
            sequences.append(np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]))
            origins.append(f"{self._names[demo]}[{self._begins[demo] + row}]")
        return Candidates(np.clip(np.stack(sequences), self._low, self._high), tuple(origins))


class PolicySource:
    """Samples of a policy that has `samples(seen, count)`, such as the VLA.

    Args:
        policy: The policy.
        name: What it is called in the log.
        spec: The suite.
        checkpoint: Its digest.
    """

    def __init__(self, policy: Any, name: str, spec: SuiteSpec, checkpoint: str) -> None:
        self._policy = policy
        self._name = name
        self._low = np.asarray(spec.action_low, np.float32)
        self._high = np.asarray(spec.action_high, np.float32)
        self.identity = f"samples of {name} {checkpoint}"
        self.longest: int | None = policy.horizon

    def needs(self) -> Needs:
        """What the policy has to see."""
        found: Needs = self._policy.needs
        return found

    def propose(self, seen: Observation, count: int, length: int) -> Candidates:
        """Independent samples."""
        drawn = np.asarray(self._policy.samples(seen, count), np.float32)[:, :length]
        origins = tuple(f"{self._name} sample {k}" for k in range(count))
        return Candidates(np.clip(drawn, self._low, self._high), origins)


def refined(
    elite: Array, count: int, rng: np.random.Generator, bounds: tuple[Array, Array], every: int
) -> Array:
    """Candidates of the next round of the cross-entropy method.

    A normal distribution is fitted to the best candidates, for each action and dimension; its draws
    vary smoothly, noise being drawn every few actions and interpolated between.

    Args:
        elite: (E, P, A) the best candidates.
        count: How many to draw.
        rng: Source of noise.
        bounds: (A,) lowest and highest actions.
        every: Actions between independent noise.

    Returns:
        (count, P, A).
    """
    _, length, width = elite.shape
    knots = np.arange(0, length + every, every)
    noise = rng.standard_normal((count, len(knots), width), np.float32)
    at = np.arange(length)
    left = at // every
    share = ((at - knots[left]) / every).astype(np.float32)[:, None]
    weight = np.sqrt((1 - share) ** 2 + share**2)  # keeps the variance between the knots
    smooth = ((1 - share) * noise[:, left] + share * noise[:, left + 1]) / weight
    drawn = elite.mean(axis=0) + elite.std(axis=0) * smooth
    return np.clip(drawn, *bounds).astype(np.float32)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Candidates of several rounds as one."""
    actions = np.concatenate([part.actions for part in parts])
    return Candidates(actions, tuple(origin for part in parts for origin in part.origins))
