"""What the mobile manipulator can do. Skills know poses, never tasks.

Every skill is a generator of (12,) actions that returns whether it achieved what it is named after.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

import numpy as np

from wambench_policies.expert.geometry import Array, Pose, angle_between
from wambench_policies.expert.kitchen.view import CLOSE, OPEN, Kitchen
from wambench_policies.expert.motion import interpolate, separation

log = logging.getLogger(__name__)

Skill = Generator[Array, None, bool]

WIDE, NARROW = (0.42, 0.75, 0.30), (0.47, 0.70, 0.16)
"""Where the hand has to be in the frame of the arm's foot: forward from, to, and to either side, m.
Outside, the base drives along. The narrow one is for hands that turn as they move."""
AHEAD = 0.60
"""The same for where the hand is to go next, m."""
COMFORT = ((0.3, 0.80), (0.6, 0.72), (0.9, 0.60), (1.2, 0.45), (1.571, 0.32))
"""Tilt of the hand (rad) and the height above the arm's foot (m) at which the wrist is farthest
from its limits and from stretching out in line with the forearm: there, joints 5 and 7 are
parallel, and the wrist flips."""
TORSO = (0.0, 0.33)
FOOT = 0.70
"""Height of the arm's foot with the torso down, m."""
STALL_STEPS = 14
DRIVEN, MOVED = 8e-3, 3e-3
"""What base and hand have to come nearer in that many steps, m: else something is in the way."""
STEP = 0.035
"""How far ahead of the hand its goal is on a straight line, m."""


def stance(kitchen: Kitchen, hand: Pose, ahead: float = AHEAD, aside: float = 0.0) -> Array:
    """(3,) base from which a hand pose is comfortable, facing as at the start.

    Args:
        kitchen: The kitchen.
        hand: World pose of the grip site.
        ahead: Distance of the hand in front of the arm's foot, m.
        aside: Of the hand to the left of it, m.
    """
    yaw = kitchen.start[2]
    forward = np.array([np.cos(yaw), np.sin(yaw)])
    left = np.array([-forward[1], forward[0]])
    return capped(kitchen, np.append(hand.position[:2] - ahead * forward - aside * left, yaw))


def capped(kitchen: Kitchen, base: Array, slack: float = 0.03) -> Array:
    """The base position, not nearer to the counter than the robot's place at the start is."""
    yaw = kitchen.start[2]
    forward = np.array([np.cos(yaw), np.sin(yaw)])
    limit = float(kitchen.nearest @ forward) + slack
    over = max(0.0, float(base[:2] @ forward) - limit)
    return np.append(base[:2] - over * forward, base[2])


def tilt_for(z: float) -> float:
    """How far down (rad) the hand has to point at least, to be held comfortably at height z (m)."""
    tilts, heights = np.array(COMFORT).T
    return float(np.interp(-(z - FOOT), -heights, tilts))


def torso_for(z: float, tilt: float) -> float:
    """Height of the torso (m) for a hand at height z (m) that points down by `tilt` (rad)."""
    tilts, heights = np.array(COMFORT).T
    return float(np.clip(z - FOOT - np.interp(tilt, tilts, heights), *TORSO))


def drive(
    kitchen: Kitchen, base: Array, torso: float | None = None, gripper: float = OPEN
) -> Skill:
    """Drives the base somewhere, and sets the torso, with the arm riding along."""
    best, idle = np.inf, 0
    while True:
        away = kitchen.away(base)
        up = 0.0 if torso is None else abs(torso - kitchen.torso())
        if away[0] < 0.012 and away[1] < 0.012 and away[2] < 0.02 and up < 0.02:
            return True
        left = float(away.sum() + up)
        best, idle = (left, 0) if left < best - DRIVEN else (best, idle + 1)
        if idle > STALL_STEPS:
            log.debug("drive stalled: base %s, torso %.3f away", away.round(3), up)
            return False
        yield kitchen.action(None, gripper, base, torso)


def beside(kitchen: Kitchen, hand: Pose, room: tuple[float, float, float] = WIDE) -> Array:
    """(3,) base nearest to where it stands from which a hand pose is in some room before it."""
    near, far, aside = room
    yaw = kitchen.base()[2]
    forward = np.array([np.cos(yaw), np.sin(yaw)])
    left = np.array([-forward[1], forward[0]])
    away = hand.position[:2] - kitchen.mount().position[:2]
    x, y = float(away @ forward), float(away @ left)
    dx, dy = x - np.clip(x, near, far), y - np.clip(y, -aside, aside)
    here = kitchen.base()
    if abs(dx) < 0.01 and abs(dy) < 0.01:
        return here
    return capped(kitchen, np.append(here[:2] + dx * forward + dy * left, kitchen.start[2]))


def move(
    kitchen: Kitchen,
    goal: Pose,
    gripper: float,
    *,
    distance: float = 0.008,
    angle: float = 0.08,
    speed: float = 1.0,
    until: Callable[[], bool] | None = None,
    helped: bool = True,
) -> Skill:
    """Moves the hand along a straight line, the base helping where it gets too far.

    Args:
        kitchen: The kitchen.
        goal: World pose of the grip site.
        gripper: Command of the gripper meanwhile.
        distance: How near in m the end has to be.
        angle: How near in rad.
        speed: Upper bound of the arm's action.
        until: Ends the motion early, as achieved.
        helped: Whether the base may move.

    Returns:
        Whether the end was reached, or `until` met, before the motion stalled.
    """
    start = kitchen.grip()
    length = separation(start, goal)
    share, best, idle = 0.0, np.inf, 0
    while True:
        here = kitchen.grip()
        left = separation(here, goal)
        if until is not None and until():
            return True
        apart = float(np.linalg.norm(here.position - goal.position))
        if apart < distance and angle_between(here.rotation, goal.rotation) < angle:
            return True
        best, idle = (left, 0) if left < best - MOVED else (best, idle + 1)
        if idle > STALL_STEPS:
            log.debug(
                "move stalled: %s away, %.2f rad",
                (goal.position - here.position).round(3),
                angle_between(here.rotation, goal.rotation),
            )
            return False
        while share < 1.0 and separation(here, interpolate(start, goal, share)) < STEP:
            share = min(1.0, share + 0.2 * STEP / max(length, 1e-3))
        target = interpolate(start, goal, share)
        base = beside(kitchen, goal) if helped else None
        yield kitchen.action(target, gripper, base, speed=speed)


def follow(
    kitchen: Kitchen,
    goal: Callable[[], Pose],
    progress: Callable[[], float],
    done: Callable[[], bool],
    gripper: float = CLOSE,
    *,
    speed: float = 1.0,
    helped: bool = True,
    room: tuple[float, float, float] = WIDE,
    patience: int = 25,
) -> Skill:
    """Moves the hand towards a goal that moves, until something has happened.

    Args:
        kitchen: The kitchen.
        goal: World pose of the grip site to go for next.
        progress: Grows while it works.
        done: Whether it has happened.
        gripper: Command of the gripper meanwhile.
        speed: Upper bound of the arm's action.
        helped: Whether the base may move.
        room: Where the hand has to be for it not to move; see `WIDE`.
        patience: Control steps without progress after which it is given up.
    """
    best, idle = -np.inf, 0
    while not done():
        now = progress()
        best, idle = (now, 0) if now > best + 1e-3 else (best, idle + 1)
        if idle > patience:
            log.debug("follow stalled at %.3f", now)
            return False
        target = goal()
        base = beside(kitchen, target, room) if helped else None
        yield kitchen.action(target, gripper, base, speed=speed)
    return True


def grasp(kitchen: Kitchen) -> Skill:
    """Closes the fingers until they have come to rest; returns whether on something."""
    at = kitchen.grip()
    gap, still = kitchen.finger_gap(), 0
    for step in range(25):
        yield kitchen.action(at, CLOSE)
        before, gap = gap, kitchen.finger_gap()
        still = still + 1 if abs(before - gap) < 5e-4 else 0
        if step >= 4 and still >= 2:
            break
    return gap > 0.004


def fingers(kitchen: Kitchen, command: float, steps: int) -> Skill:
    """Opens or closes the fingers where the hand is."""
    at = kitchen.grip()
    for _ in range(steps):
        yield kitchen.action(at, command)
    return True


def retreat(kitchen: Kitchen, distance: float, gripper: float = OPEN) -> Skill:
    """Draws the hand back against its approach direction."""
    goal = kitchen.grip().back(distance)
    return (yield from move(kitchen, goal, gripper, distance=0.03, angle=0.5))


def tuck(kitchen: Kitchen, gripper: float) -> Skill:
    """Draws the hand in to where it was at the start."""
    goal = kitchen.tucked()
    return (yield from move(kitchen, goal, gripper, distance=0.06, angle=0.4, helped=False))


def drive_round(
    kitchen: Kitchen, base: Array, torso: float | None = None, gripper: float = OPEN
) -> Skill:
    """Drives back, along the counter, and forward again: round what stands out of it."""
    yaw = kitchen.start[2]
    forward = np.array([np.cos(yaw), np.sin(yaw)])
    left = np.array([-forward[1], forward[0]])
    here = kitchen.base()[:2]
    back = min(float(here @ forward), float(base[:2] @ forward))
    for along in (float(here @ left), float(base[:2] @ left)):
        goal = np.append(back * forward + along * left, yaw)
        if not (yield from drive(kitchen, goal, torso, gripper)):
            break
    return (yield from drive(kitchen, base, torso, gripper))
