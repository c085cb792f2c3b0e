"""Buttons, knobs, faucet and spout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wambench_policies.expert.geometry import Array, Pose, rotation_matrix
from wambench_policies.expert.kitchen.reaching import approach
from wambench_policies.expert.kitchen.skills import Skill, fingers, follow, grasp, move, tilt_for
from wambench_policies.expert.kitchen.view import CLOSE, OPEN, FixtureLike, Kitchen

TIP = 0.010
"""Distance of the fingertips beyond the grip site, m."""
DOWN = 1.45
"""Tilt of a hand that works from above, rad; a little less than straight down, so that the palm
stays clear of the front."""
LEVEL = 0.6
"""Greatest tilt of a hand that presses a button, rad: cabinets hang above the coffee machine."""
TURNED = 0.75
"""Angle to which knobs are turned on, rad."""
LYING, RAISED = 0.95, 0.75
"""Angle from which a knob's ridge is first pushed down at its lower end, and to which, rad: a push
from the side would meet it lengthwise, and hardly turns it."""
HEIGHT = 0.012
"""Height of the fingertips above a knob's axis, m."""


def press(kitchen: Kitchen, fixture: FixtureLike, site: str, geom: str) -> Skill:
    """Pushes a button on the front of a fixture with closed fingers and draws back."""
    button = kitchen.world.site(site)
    tilt = min(LEVEL, tilt_for(float(button[2])))
    rotation = kitchen.facing(fixture, tilt)
    into = kitchen.axes(fixture)[:, 1]
    at = button - TIP * rotation[:, 2]
    before = Pose(at - 0.07 * into, rotation)
    hands = before, Pose(at - 0.01 * into, rotation)
    away = not (yield from approach(kitchen, hands, CLOSE))
    touched = yield from move(
        kitchen,
        Pose(at + 0.03 * into, rotation),
        CLOSE,
        speed=0.5,
        until=lambda: kitchen.world.gripper_touches(geom),
        helped=away,
    )
    back = Pose(at - 0.20 * into, rotation)
    yield from move(kitchen, back, CLOSE, distance=0.03, angle=0.5, helped=away)
    return touched


def turn_on(kitchen: Kitchen, fixture: FixtureLike, knob: str) -> Skill:
    """Sweeps a knob's ridge aside with closed fingers from above."""
    hand = _over(kitchen, fixture, knob)
    yield from _beside(kitchen, hand, 0.05, knob)

    def turned() -> float:
        return abs(kitchen.world.joint(knob))

    done = yield from _sweep(kitchen, hand(-0.03, HEIGHT), turned, TURNED)
    yield from move(kitchen, kitchen.grip().shifted(_up(0.10)), CLOSE, distance=0.03)
    return done


def turn_off(kitchen: Kitchen, fixture: FixtureLike, knob: str) -> Skill:
    """Pushes the upper end of a knob's ridge upright with closed fingers from above."""
    hand = _over(kitchen, fixture, knob)
    side = _leaning(kitchen, fixture, knob)

    def upright() -> float:
        return -abs(kitchen.world.joint(knob))

    if upright() < -LYING:
        yield from _beside(kitchen, hand, -0.019 * side, knob, over=True)
        yield from _sweep(kitchen, hand(-0.019 * side, -0.03), upright, -RAISED)
        up = kitchen.grip().shifted(_up(0.10))
        yield from move(kitchen, up, CLOSE, distance=0.03)
    yield from _beside(kitchen, hand, 0.055 * side, knob)
    done = yield from _sweep(kitchen, hand(0.008 * side, HEIGHT), upright, -0.15)
    yield from move(kitchen, kitchen.grip().shifted(_up(0.10)), CLOSE, distance=0.03)
    return done


def _beside(
    kitchen: Kitchen,
    hand: Callable[[float, float], Pose],
    right: float,
    knob: str,
    over: bool = False,
) -> Skill:
    """Brings the closed fingers beside a knob's ridge, or only above it."""
    hands = hand(right, 0.10), hand(right, 0.04 if over else HEIGHT)
    away = not (yield from approach(kitchen, hands, CLOSE, pushed=knob))
    return (yield from move(kitchen, hands[1], CLOSE, distance=0.008, helped=away))


def _sweep(kitchen: Kitchen, goal: Pose, progress: Callable[[], float], to: float) -> Skill:
    """Pushes towards a place until something has progressed far enough."""
    return (
        yield from follow(
            kitchen, lambda: goal, progress, lambda: progress() >= to, helped=False, patience=40
        )
    )


def _over(kitchen: Kitchen, fixture: FixtureLike, knob: str) -> Callable[[float, float], Pose]:
    """Hands whose fingertips are so far (m) to the right of and above a knob's axis."""
    rotation = kitchen.facing(fixture, DOWN)
    frame = kitchen.axes(fixture)
    middle = kitchen.live.xpos[kitchen.model.body(knob).id] - 0.027 * frame[:, 1]

    def hand(right: float, above: float) -> Pose:
        tip = middle + right * frame[:, 0] + np.array([0.0, 0.0, above])
        return Pose(tip - TIP * rotation[:, 2], rotation)

    return hand


def _leaning(kitchen: Kitchen, fixture: FixtureLike, knob: str) -> float:
    """1 where the upper end of a knob's ridge leans to the right, else -1."""
    upper = kitchen.live.xmat[kitchen.model.body(knob).id].reshape(3, 3)[:, 2]
    return float(np.sign(upper @ kitchen.axes(fixture)[:, 0]))


def lift_lever(kitchen: Kitchen, fixture: FixtureLike) -> Skill:
    """Takes the faucet's lever from above and lifts it until the water runs."""
    rotation = kitchen.facing(fixture, DOWN)
    lever = kitchen.world.site("sink_lever")
    at = Pose(lever + _up(-0.004), rotation)
    yield from approach(kitchen, (at.shifted(_up(0.10)), at), OPEN, pushed="sink_handle")
    yield from move(kitchen, at, OPEN, distance=0.008, speed=0.6)
    yield from grasp(kitchen)

    def goal() -> Pose:
        # Farther ahead the fingers slip: the lever gives way slowly.
        return at.shifted(kitchen.world.site("sink_lever") - lever + _up(0.02))

    done = yield from _until(kitchen, goal, "sink_handle", 1.0, 0.47)
    yield from fingers(kitchen, OPEN, 8)
    yield from move(kitchen, kitchen.grip().shifted(_up(0.12)), OPEN, distance=0.03)
    return done


def push_lever(kitchen: Kitchen, fixture: FixtureLike) -> Skill:
    """Pushes the faucet's lever down from above."""
    rotation = kitchen.facing(fixture, DOWN)

    def at(depth: float) -> Pose:
        return Pose(kitchen.world.site("sink_lever") + _up(TIP + 0.012 - depth), rotation)

    hands = at(0.0).shifted(_up(0.10)), at(0.0), at(0.03)
    yield from approach(kitchen, hands, CLOSE, pushed="sink_handle")
    done = yield from _until(kitchen, lambda: at(0.05), "sink_handle", -1.0, 0.10)
    yield from move(kitchen, kitchen.grip().shifted(_up(0.12)), CLOSE, distance=0.03)
    return done


def turn_spout(kitchen: Kitchen, fixture: FixtureLike, side: str) -> Skill:
    """Pushes the spout to its left or right with the closed fingers."""
    # Straight ahead the spout points at the user; negative angles bring its end to the left.
    sign = -1.0 if side == "left" else 1.0
    frame = kitchen.axes(fixture)
    rotation = kitchen.facing(fixture, 1.2, closing="z")

    def at(lead: float) -> Pose:
        angle = kitchen.world.joint("sink_spout")
        foot = kitchen.live.xpos[kitchen.model.body("sink_spout").id]
        there = rotation_matrix(np.array([0.0, 0.0, angle])) @ frame
        return Pose(foot + there @ np.array([sign * (lead - 0.035), -0.165, 0.175]), rotation)

    begin = at(-0.05)
    above = begin.shifted(_up(0.10))
    yield from approach(kitchen, (above, begin), CLOSE, pushed="sink_spout")
    yield from move(kitchen, begin, CLOSE, distance=0.015)
    return (yield from _until(kitchen, lambda: at(0.07), "sink_spout", sign, 0.75 * sign))


def _until(kitchen: Kitchen, goal: Callable[[], Pose], joint: str, sign: float, to: float) -> Skill:
    """Moves the hand until a joint is past an angle."""

    def value() -> float:
        return sign * kitchen.world.joint(joint)

    return (yield from follow(kitchen, goal, value, lambda: value() >= sign * to, patience=40))


def _up(height: float) -> Array:
    return np.array([0.0, 0.0, height])
