"""Drawers: too low for a level hand, they are hooked and pushed from above."""

from __future__ import annotations

import numpy as np

from wambench_policies.expert.geometry import Pose
from wambench_policies.expert.kitchen.reaching import approach
from wambench_policies.expert.kitchen.skills import Skill, follow, move
from wambench_policies.expert.kitchen.view import CLOSE, FixtureLike, Kitchen

HOOK = 1.2
"""Tilt of the hand that works on a drawer's bar, rad."""
TIP = 0.010
"""Distance of the fingertips beyond the grip site, m."""
TRAVEL = 0.55
"""Share of a drawer's depth that counts as full travel (RoboCasa)."""


def open_drawer(kitchen: Kitchen, fixture: FixtureLike) -> Skill:
    """Hooks the closed fingers behind the drawer's bar from above and pulls."""
    joint = f"{fixture.name}_slide"
    out = 0.99 * TRAVEL * fixture.size[1]
    rotation = kitchen.facing(fixture, HOOK)
    into = kitchen.axes(fixture)[:, 1]

    def hand(ahead: float, above: float) -> Pose:
        tip = kitchen.world.site(f"{fixture.name}_handle") + ahead * into
        return Pose(tip + np.array([0.0, 0.0, above]) - TIP * rotation[:, 2], rotation)

    high, hook = hand(-0.03, 0.14), hand(0.018, -0.012)
    pulled = hook.shifted(-out * into)
    box = f"{fixture.name}_box"
    away = not (yield from approach(kitchen, (high, hook, pulled), CLOSE, pushed=box))
    yield from move(kitchen, hand(0.014, 0.035), CLOSE, distance=0.006, speed=0.7, helped=away)
    yield from move(kitchen, hand(0.018, -0.012), CLOSE, distance=0.006, speed=0.5, helped=away)

    def travel() -> float:
        return -kitchen.world.joint(joint)

    opened = yield from follow(
        kitchen, lambda: hand(-0.06, -0.014), travel, lambda: travel() > out, helped=away
    )
    yield from move(kitchen, hand(0.012, 0.10), CLOSE, distance=0.03, helped=away)
    return opened


def close_drawer(kitchen: Kitchen, fixture: FixtureLike) -> Skill:
    """Pushes the drawer's bar with the closed hand."""
    joint = f"{fixture.name}_slide"
    into = kitchen.axes(fixture)[:, 1]
    rotation = kitchen.facing(fixture, HOOK)

    def hand(ahead: float, above: float = 0.0) -> Pose:
        tip = kitchen.world.site(f"{fixture.name}_handle") + ahead * into
        return Pose(tip + np.array([0.0, 0.0, above - 0.02]) - TIP * rotation[:, 2], rotation)

    def travel() -> float:
        return kitchen.world.joint(joint)

    hands = hand(-0.10), hand(-travel())
    away = not (yield from approach(kitchen, hands, CLOSE, pushed=f"{fixture.name}_box"))
    shut = yield from follow(
        kitchen, lambda: hand(0.06), travel, lambda: travel() > -0.004, helped=away
    )
    yield from move(kitchen, hand(-0.12), CLOSE, distance=0.03, helped=away)
    return shut
