"""Normalisation of actions and proprioception, and what a checkpoint knows about its robot.

Actions become numbers in [-1, 1] per embodiment (LaWAM's released configuration for LIBERO:
position and rotation by their least and greatest value, the gripper discrete; quaternions as they
are). Proprioception becomes zero mean and unit variance. All of it is numpy: windows are normalised
while they are read, and a policy undoes it on the chunk that it returns.

Non-obvious behaviours
    - `restore(normalise(a))` is `a` clipped to the range that was seen; a gripper command becomes
      one of the values that were seen.
    - LIBERO's own demonstrations have the gripper commands -1 (open) and 1 (close), and wambench's
      expert has 0 (as it is) as well. Taken for binary, a hold would become an opening.
    - A dimension that never changed is 0 when normalised and its constant when restored.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import SuiteSpec
from wambench_policies.nn.config import Config

FORMAT = 1
FILE = "normalisation.json"

Kind = Literal["range", "levels", "raw"]
"""`range`: least and greatest value to -1 and 1; `levels`: one of few values; `raw`: as it is."""

_MOST_LEVELS = 3
"""Open, as it is, closed. A gripper command with more values than this is a continuous one."""

_CONSTANT = 1e-6
"""A dimension whose range, or deviation, is less than this (in its own unit) counts as constant."""

Floats = NDArray[np.floating[Any]]


def kind_of(name: str) -> Kind:
    """How an action dimension is normalised, by its name (released configuration of LaWAM)."""
    if "gripper" in name:
        return "levels"
    if "quat" in name:
        return "raw"
    return "range"


class ActionNormaliser(Config):
    """Actions in the suite's units to [-1, 1] and back.

    Attributes:
        names: One per dimension.
        kinds: How each is treated.
        low: (A,) value that becomes -1.
        high: (A,) value that becomes 1.
        levels: (A,) the values that a dimension of kind `levels` has, ascending; empty for others.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    levels: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _widths(self) -> ActionNormaliser:
        lists = (self.names, self.kinds, self.low, self.high, self.levels)
        if len({len(values) for values in lists}) > 1:
            raise ValueError("names, kinds, low, high and levels have different lengths")
        if any(high < low for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("a high is below its low")
        if any(
            (kind == "levels") != bool(levels)
            for kind, levels in zip(self.kinds, self.levels, strict=True)
        ):
            raise ValueError("levels belong to dimensions of that kind, and to all of them")
        return self

    @classmethod
    def fit(
        cls,
        actions: Floats,
        names: Sequence[str],
        *,
        quantile: float = 0.0,
        bounds: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> ActionNormaliser:
        """The normaliser of a set of actions.

        Args:
            actions: (N, A), N at least 1.
            names: One per dimension.
            quantile: Fraction of values left out at either end; 0 for least and greatest value.
            bounds: (A,) lowest and highest action, which a gripper's -1 and 1 stand for whichever
                of its values occur; None where they are not known.
        """
        kinds = [kind_of(name) for name in names]
        low = np.quantile(actions, quantile, axis=0)
        high = np.quantile(actions, 1 - quantile, axis=0)
        levels: list[tuple[float, ...]] = [() for _ in names]
        for index, kind in enumerate(kinds):
            if kind != "levels":
                continue
            found = np.unique(np.round(actions[:, index].astype(np.float64), 3))
            ends = (found[0], found[-1])
            if bounds is not None:
                ends = (bounds[0][index], bounds[1][index])
            low[index], high[index] = min(ends[0], found[0]), max(ends[1], found[-1])
            if len(found) > _MOST_LEVELS:
                kinds[index] = "range"
            else:
                levels[index] = tuple(found.tolist())
        return cls(
            names=tuple(names),
            kinds=tuple(kinds),
            low=tuple(low.astype(float).tolist()),
            high=tuple(high.astype(float).tolist()),
            levels=tuple(levels),
        )

    def normalise(self, actions: Floats) -> NDArray[np.float32]:
        """(..., A) actions in [-1, 1]; those of kind `levels` are put on the nearest level."""
        low, high, span = self._bounds()
        values = self._on_levels(np.array(actions, np.float64))
        scaled = np.clip(2 * (values - low) / span - 1, -1, 1)
        scaled = np.where(high - low < _CONSTANT, 0, scaled)
        return np.where(self._is("raw"), actions, scaled).astype(np.float32)

    def restore(self, normalised: Floats) -> NDArray[np.float32]:
        """(..., A) actions in the suite's units; what lies outside [-1, 1] is clipped first."""
        low, high, _ = self._bounds()
        values = np.asarray(normalised, np.float64)
        restored = low + (np.clip(values, -1, 1) + 1) / 2 * (high - low)
        restored = np.where(high - low < _CONSTANT, low, restored)
        restored = self._on_levels(restored)
        return np.where(self._is("raw"), values, restored).astype(np.float32)

    def _on_levels(self, values: Floats) -> Floats:
        for index, levels in enumerate(self.levels):
            if levels:
                known = np.asarray(levels)
                nearest = np.abs(values[..., index, None] - known).argmin(-1)
                values[..., index] = known[nearest]
        return values

    def _bounds(self) -> tuple[Floats, Floats, Floats]:
        low, high = np.asarray(self.low), np.asarray(self.high)
        return low, high, np.maximum(high - low, _CONSTANT)

    def _is(self, kind: Kind) -> NDArray[np.bool_]:
        return np.asarray([mine == kind for mine in self.kinds])


class StateNormaliser(Config):
    """Proprioception to zero mean and unit variance, and back.

    Attributes:
        names: One per dimension; empty where the data does not say.
        mean: (S,) mean.
        std: (S,) standard deviation; 1 where the dimension never changed.
        hidden: Numbers of the dimensions that are 0 whatever they are: of no use, or worse, such as
            where in the world the robot stands.
        quaternions: First dimension of each quaternion, and the one on whose side it is put; see
            `aligned`.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    hidden: tuple[int, ...] = ()
    quaternions: tuple[tuple[int, tuple[float, float, float, float]], ...] = ()

    @classmethod
    def fit(cls, states: Floats, names: Sequence[str], hide: Sequence[str] = ()) -> StateNormaliser:
        """The normaliser of (N, S) states, N at least 1.

        Args:
            states: As above.
            names: One per dimension, or none.
            hide: Names to hide, or patterns such as `base_*`.
        """
        quaternions = tuple(
            (first, _middle(states[:, first : first + 4]))
            for first in range(len(names) - 3)
            if _is_quaternion(names[first : first + 4])
        )
        states = aligned(states, quaternions)
        std = states.std(axis=0, dtype=np.float64)
        return cls(
            names=tuple(names),
            mean=tuple(states.mean(axis=0, dtype=np.float64).tolist()),
            std=tuple(np.where(std < _CONSTANT, 1.0, std).tolist()),
            quaternions=quaternions,
            hidden=hidden_dimensions(names, hide),
        )

    def normalise(self, states: Floats) -> NDArray[np.float32]:
        """(..., S) standardised."""
        states = aligned(states, self.quaternions)
        standard = (states - np.asarray(self.mean)) / np.asarray(self.std)
        standard[..., list(self.hidden)] = 0.0
        return standard.astype(np.float32)

    def restore(self, normalised: Floats) -> NDArray[np.float32]:
        """Inverse of `normalise`, but for quaternions' signs; hidden dimensions are their mean."""
        return (normalised * np.asarray(self.std) + np.asarray(self.mean)).astype(np.float32)


def hidden_dimensions(names: Sequence[str], patterns: Sequence[str]) -> tuple[int, ...]:
    """Numbers of the names that are one of the patterns or fit it, such as `base_*`."""
    return tuple(
        number
        for number, name in enumerate(names)
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )


def aligned(
    states: Floats, quaternions: Sequence[tuple[int, tuple[float, float, float, float]]]
) -> Floats:
    """(..., S) states with each quaternion q as q or -q, whichever is nearer to a given one.

    Both are the same rotation. Simulators give the one whose w is not negative, and for a hand that
    points down w is about 0: from step to step all four numbers change their signs, and a network
    cannot tell how the hand is turned.
    """
    states = np.array(states)
    for first, middle in quaternions:
        part = states[..., first : first + 4]
        part[(part @ np.asarray(middle)) < 0] *= -1
    return states


def _middle(quaternions: Floats) -> tuple[float, float, float, float]:
    """The (4,) mean of (N, 4) rotations, whatever their signs, with its largest number positive."""
    _, vectors = np.linalg.eigh(quaternions.T.astype(np.float64) @ quaternions)
    middle = vectors[:, -1]
    x, y, z, w = (middle * np.sign(middle[np.abs(middle).argmax()])).tolist()
    return x, y, z, w


def _is_quaternion(names: Sequence[str]) -> bool:
    """Whether these are `..._quat_x`, `_y`, `_z` and `_w` of one rotation."""
    stem = names[0].removesuffix("x")
    return stem.endswith("quat_") and list(names) == [stem + axis for axis in "xyzw"]


class Embodiment(Config):
    """What a model was trained on, for one embodiment.

    Attributes:
        id: Its number in batches, from 1; 0 is left to videos without actions.
        action: Its actions.
        state: Its proprioception.
        control_hz: Control frequencies that were trained, ascending.
    """

    id: int
    action: ActionNormaliser
    state: StateNormaliser
    control_hz: tuple[float, ...]


class Normalisation(Config):
    """`normalisation.json`: how a model's numbers relate to its robots'.

    Attributes:
        embodiments: By name, for example `panda`.
        cameras: Cameras in the order of the batch; the first is the primary one.
        recorded_size: (height, width) in which the demonstrations' pictures were recorded.
        image_size: (height, width) that the model is given.
        backends: Backends whose pictures were trained on.
    """

    embodiments: dict[str, Embodiment]
    cameras: tuple[str, ...]
    recorded_size: tuple[int, int]
    image_size: tuple[int, int]
    backends: tuple[str, ...]
    format: Literal[1] = FORMAT

    def for_suite(self, spec: SuiteSpec) -> Embodiment:
        """The embodiment of a suite.

        Raises:
            PolicyContractError: The suite has another embodiment, other actions, other
                proprioception, lacks a camera, or runs at a frequency that was not trained.
        """
        if spec.embodiment not in self.embodiments:
            near = difflib.get_close_matches(spec.embodiment, self.embodiments)
            raise PolicyContractError(
                f"The checkpoint was trained on {_listed(self.embodiments)}, and {spec.name} has "
                f"the embodiment {spec.embodiment}.",
                f"Did you mean a suite of {near[0]}?" if near else "Choose another checkpoint.",
            )
        known = self.embodiments[spec.embodiment]
        for what, trained, given in (
            ("actions", known.action.names, spec.action_names),
            ("proprioception", known.state.names, spec.state_names),
        ):
            if trained and tuple(given) != trained:
                raise PolicyContractError(
                    f"The checkpoint was trained on the {what} ({_listed(trained)}), and "
                    f"{spec.name} has ({_listed(given)}).",
                    "Choose a suite with the same ones, or train on its demonstrations.",
                )
        if not any(abs(spec.control_hz - hz) < 1e-6 for hz in known.control_hz):
            trained_hz = _listed(f"{hz:g}" for hz in known.control_hz)
            raise PolicyContractError(
                f"The checkpoint was trained at {trained_hz} Hz, and {spec.name} runs at "
                f"{spec.control_hz:g} Hz.",
                "Train on demonstrations of that control frequency.",
            )
        lacking = [camera for camera in self.cameras if camera not in spec.cameras]
        if lacking:
            raise PolicyContractError(
                f"The checkpoint looks through {_listed(self.cameras)}, and {spec.name} has no "
                f"camera {_listed(lacking)}.",
                f"It has: {_listed(spec.cameras)}.",
            )
        return known

    def save(self, path: Path) -> None:
        """Writes the file."""
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file.

        Raises:
            UsageError: It holds something else.
        """
        try:
            values: Mapping[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise UsageError(f"{path} is not JSON: {error}.", "Copy or train it again.") from error
        return cls.from_json(values)


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"
