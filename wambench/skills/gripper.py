"""Cuts a demonstration where the gripper takes hold and lets go.

World2Act's rule: with the finger width w and its first value w_0, the hand is in contact where the
closure delta = w_0 - w reaches a threshold of 0.05 m, and one segment is one cycle of no contact,
then contact. What the sources leave open, or say differently, is a switch of `Rule`.

Non-obvious behaviours
    - The Panda's fingers open to 0.08 m, so a closure of 0.05 m is reached only on objects thinner
      than 0.03 m: bowls by their rim and handles, but no can or carton of libero_object.
    - The authors' figure draws its label "closing" where delta is *below* the threshold, as if
      delta were the width itself; that is the rule `width`. It takes a hand that was brought into
      shape for a wide object, without touching anything, for one in contact.
    - `command` looks at what the hand was told instead: it holds from a closing command that lasts
      until an opening one; a short one, then none, only brings the hand into shape. It does not
      depend on how wide things are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import DemoInfo, Source
from wambench.errors import DataError, UsageError

RuleName = Literal["closure", "width", "command"]

_FINGERS = (("finger_left", "finger_right"), ("gripper_qpos_0", "gripper_qpos_1"))
"""Names of the two finger joints in `state_names`: LIBERO's, and RoboCasa's."""

_UPSTREAM_STATE = 8
"""Width of the state of files without names: end effector (6), then the fingers (2)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When the hand is in contact, and which cycles count.

    Attributes:
        name: `closure`: first width minus width is at least `threshold_m` (the paper's words);
            `width`: the width is below `threshold_m` (the authors' figure); `command`: from a
            closing command until an opening one.
        threshold_m: In m; not used by `command`. The paper's.
        reference: What closure is measured from: the width of the `first` row (the paper's w_0), or
            the `widest` one, for recordings that begin with a hand that is half closed.
        contact_s: A contact that is shorter, in s, is none. No source gives a value; this one is
            longer than it takes to bring the hand into shape.
        release_s: A gap between contacts that is shorter, in s, is none.
    """

    name: RuleName = "closure"
    threshold_m: float = 0.05
    reference: Literal["first", "widest"] = "first"
    contact_s: float = 0.5
    release_s: float = 0.25

    def __post_init__(self) -> None:
        if self.name not in get_args(RuleName):
            raise UsageError(
                f"There is no rule {self.name!r}.", f"Known: {', '.join(get_args(RuleName))}."
            )
        if not self.threshold_m > 0 or self.contact_s < 0 or self.release_s < 0:
            raise UsageError(
                f"The threshold must be positive and durations not negative, and they are "
                f"{self.threshold_m:g} m, {self.contact_s:g} s and {self.release_s:g} s.",
                "Leave them out for the usual ones.",
            )


@dataclass(frozen=True, slots=True)
class Gripper:
    """The gripper during a demonstration.

    Attributes:
        width: (T,) distance between the fingers in m.
        command: (T,) what it was told: above 0 closes, below 0 opens, 0 keeps.
        hz: Rows per second.
    """

    width: NDArray[np.float64]
    command: NDArray[np.float64]
    hz: float


@dataclass(frozen=True, slots=True)
class Cycle:
    """No contact, then contact: rows `start` to `end`, both included, as in the authors' files.

    Attributes:
        start: First row.
        contact: First row in contact.
        release: First row after the contact; `end` + 1 where it lasts to the end.
        end: Last row.
    """

    start: int
    contact: int
    release: int
    end: int


def read_gripper(source: Source, demo: int) -> Gripper:
    """The gripper of a demonstration.

    Raises:
        DataError: The robot has no parallel gripper, or more than one, or the data does not say.
    """
    info = source.demos[demo]
    states = source.states(demo, 0, info.length)
    left, right = _finger_columns(info, states.shape[1])
    # The joints of a parallel gripper are mirrored: their distance is the sum of both openings.
    width = np.abs(states[:, left].astype(np.float64)) + np.abs(states[:, right])
    names = [name.lower() for name in info.action_names]
    if names.count("gripper") != 1:
        raise DataError(
            f"{info.name} has no action called gripper; its actions are: "
            f"{', '.join(info.action_names) or 'unnamed'}.",
            "Skills need an arm with one parallel gripper, as LIBERO and RoboCasa have.",
        )
    commands = source.executed_actions(demo, 0, info.length)[:, names.index("gripper")]
    return Gripper(width, np.asarray(commands, np.float64), info.control_hz)


def _finger_columns(info: DemoInfo, width: int) -> tuple[int, int]:
    names = info.state_names
    for left, right in _FINGERS:
        if left in names and right in names:
            return names.index(left), names.index(right)
    if not names and width == _UPSTREAM_STATE:
        return 6, 7
    raise DataError(
        f"{info.name} does not tell how far the fingers of a {info.embodiment} are apart: its "
        f"state is {', '.join(names) or f'{width} numbers without names'}.",
        "Skills need an arm with one parallel gripper, as LIBERO and RoboCasa have.",
    )


def in_contact(gripper: Gripper, rule: Rule) -> NDArray[np.bool_]:
    """(T,) whether the hand holds something, by the rule, before short spells are removed."""
    if rule.name == "command":
        held = np.zeros(len(gripper.command), np.bool_)
        opening = [*np.flatnonzero(gripper.command < 0).tolist(), len(held)]
        for start, stop in _spells(gripper.command > 0):
            if stop - start >= rule.contact_s * gripper.hz:
                held[start : next(row for row in opening if row >= stop)] = True
        return held
    if rule.name == "width":
        return np.asarray(gripper.width < rule.threshold_m)
    reference = gripper.width[0] if rule.reference == "first" else gripper.width.max()
    return np.asarray(reference - gripper.width >= rule.threshold_m)


def cycles(gripper: Gripper, rule: Rule) -> list[Cycle]:
    """The cycles of a demonstration, in time; none where the hand never is in contact.

    Together they cover every row: what comes after the last release belongs to the last cycle.
    """
    contact = in_contact(gripper, rule)
    spells = _spells(contact)
    merged: list[tuple[int, int]] = []
    for start, stop in spells:
        if merged and start - merged[-1][1] < rule.release_s * gripper.hz:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    kept = [(a, b) for a, b in merged if b - a >= rule.contact_s * gripper.hz]
    length = len(contact)
    found = []
    for index, (start, stop) in enumerate(kept):
        first = 0 if index == 0 else kept[index - 1][1]
        last = length - 1 if index == len(kept) - 1 else stop - 1
        found.append(Cycle(first, start, stop, last))
    return found


def _spells(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, stop) of every run of True."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, stops = (np.flatnonzero(edges == step).tolist() for step in (1, -1))
    return list(zip(starts, stops, strict=True))
