"""What the hand can do. Skills know poses and objects, never tasks.

Every skill is a generator: it yields one (7,) action per control step and returns whether it
achieved what it is named after. `yield from` chains them, so that a task reads as a sequence of
skills, and a whole episode is one suspended generator.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from wambench_policies.expert.geometry import Array, Pose, angle_between
from wambench_policies.expert.motion import Follower, Path, servo, straight_path
from wambench_policies.expert.planning import Planner
from wambench_policies.expert.scene import Scene

Skill = Generator[Array, None, bool]
Fingers = Callable[[], float]
"""Gripper command of the next control step: -1 opens, 0 holds, 1 closes."""

OPEN, HOLD, CLOSE = -1.0, 0.0, 1.0
GAP_PER_STEP = 0.01
"""Change in m of the commanded finger distance per step; robosuite's Panda moves its command by a
quarter of the way from middle to stop per control step (0.01 per 2 ms substep)."""
STALL_STEPS = 12
"""Steps without getting 1 mm nearer after which a motion is given up."""


def fingers(command: float) -> Fingers:
    """The same gripper command at every step."""
    return lambda: command


def opened_to(scene: Scene, gap: float) -> Fingers:
    """Commands that open the hand all the way, close it to a finger distance and hold it there.

    The command is integrated and the fingers lag behind it, so the steps are counted from the stop
    instead of watching the fingers.

    Args:
        scene: The scene.
        gap: Distance in m between the fingers.
    """

    def commands() -> Generator[float, None, None]:
        while scene.finger_gap() < 0.075:
            yield OPEN
        for _ in range(round((0.08 - gap) / GAP_PER_STEP)):
            yield CLOSE
        while True:
            yield HOLD

    sequence = commands()
    return lambda: next(sequence)


def _near(current: Pose, goal: Pose, distance: float, angle: float) -> bool:
    """Whether a pose is as near as asked for, sideways three times nearer than along the approach.

    What follows most motions is one along the approach direction; being off sideways is what makes
    that one fail.
    """
    offset = goal.rotation.T @ (current.position - goal.position)
    return (
        float(np.hypot(offset[0], offset[1])) < max(distance / 3.0, 0.003)
        and abs(float(offset[2])) < distance
        and angle_between(current.rotation, goal.rotation) < angle
    )


def follow(
    scene: Scene,
    path: Path,
    gripper: Fingers,
    distance: float,
    angle: float,
    speed: float = 1.0,
    until: Callable[[], bool] | None = None,
) -> Skill:
    """Moves the hand along a path.

    Args:
        scene: The scene.
        path: The path.
        gripper: What the fingers do on the way.
        distance: How near in m the end has to be.
        angle: How near in rad.
        speed: Upper bound of the action, at most 1.
        until: Ends the motion early, as achieved, when it returns True.

    Returns:
        Whether the end was reached (or `until` was met) before the motion stalled.
    """
    follower = Follower(path)
    best, idle = np.inf, 0
    while True:
        current = scene.grip()
        goal = follower.goal(current)
        if _near(current, path.end, distance, angle) or (until is not None and until()):
            return True
        left = len(path.poses) - follower.index
        rest = float(np.linalg.norm(path.end.position - current.position))
        remaining = 0.01 * left + rest + 0.1 * angle_between(path.end.rotation, current.rotation)
        best, idle = (remaining, 0) if remaining < best - 1e-3 else (best, idle + 1)
        if idle > STALL_STEPS:
            return False
        yield servo(current, goal, gripper(), speed)


def transit(scene: Scene, path: Path, gripper: Fingers) -> Skill:
    """Travels along a path, ending loosely: the next skill takes over while still moving."""
    return (yield from follow(scene, path, gripper, distance=0.025, angle=0.1))


def travel(scene: Scene, goal: Pose, gripper: Fingers, held: str | None = None) -> Skill:
    """Travels to a pose over everything in between; through joint space where it gets stuck.

    Args:
        scene: The scene.
        goal: World pose of the grip site at the end.
        gripper: What the fingers do on the way.
        held: Object in the hand, if any.
    """
    for detour in (False, True):
        path = Planner(scene).transit(goal, held, detour)
        if (yield from transit(scene, path, gripper)):
            return True
    return False


def reach(scene: Scene, goal: Pose, gripper: Fingers) -> Skill:
    """Moves straight to a pose and ends there precisely."""
    path = straight_path([scene.grip(), goal])
    return (yield from follow(scene, path, gripper, distance=0.004, angle=0.05))


def grasp(scene: Scene, at: Pose) -> Skill:
    """Closes the fingers until their distance has stopped changing.

    Args:
        scene: The scene.
        at: World pose of the grip site to keep meanwhile.

    Returns:
        Whether they came to rest; on what, shows when it is lifted.
    """
    gap, still = scene.finger_gap(), 0
    for step in range(25):
        yield servo(scene.grip(), at, CLOSE)
        before, gap = gap, scene.finger_gap()
        still = still + 1 if abs(before - gap) < 5e-4 else 0
        if step >= 3 and still >= 2:
            return True
    return False


def release(scene: Scene, at: Pose) -> Skill:
    """Opens the fingers far enough to let go.

    Args:
        scene: The scene.
        at: World pose of the grip site to keep meanwhile.
    """
    start = scene.finger_gap()
    for _ in range(10):
        yield servo(scene.grip(), at, OPEN)
        if scene.finger_gap() > min(start + 0.03, 0.07):
            break
    return True


def lift(scene: Scene, name: str, height: float) -> Skill:
    """Raises the hand and looks whether the object came along.

    Args:
        scene: The scene.
        name: The object.
        height: How far in m.

    Returns:
        Whether the object rose with the hand; a bowl held by its rim tilts and so rises less.
    """
    start = scene.grip()
    object_height = float(scene.pose(name).position[2])
    goal = start.shifted(np.array([0.0, 0.0, height]))
    path = straight_path([start, goal])
    yield from follow(scene, path, fingers(CLOSE), distance=0.015, angle=0.3)
    risen = float(scene.grip().position[2] - start.position[2])
    return float(scene.pose(name).position[2]) - object_height > 0.3 * risen


def retreat(scene: Scene, distance: float) -> Skill:
    """Draws the open hand back against its approach direction by a distance in m."""
    here = scene.grip()
    path = straight_path([here, here.back(distance)])
    return (yield from follow(scene, path, fingers(OPEN), distance=0.02, angle=0.5))


def insert(scene: Scene, name: str, entry: Pose, goal: Pose) -> Skill:
    """Brings a held object into a berth along a straight line, then lets go of it.

    What it has slipped in the hand is made good at the entry and once more on the way in.

    Args:
        scene: The scene.
        name: The object.
        entry: World pose of the object where the straight way begins.
        goal: World pose of the object in its berth.

    Returns:
        Whether it got there before it met resistance.
    """
    for pose, distance in ((entry, 0.006), (goal, 0.005)):
        in_hand = scene.grip().inverse() @ scene.pose(name)
        path = straight_path([scene.grip(), pose @ in_hand.inverse()])
        arrived = yield from follow(scene, path, fingers(CLOSE), distance, 0.06, speed=0.6)
    yield from release(scene, scene.grip())
    return arrived


def place(scene: Scene, name: str, down: Pose, xy: Array) -> Skill:
    """Lowers a held object until it rests on something, then lets go of it.

    Args:
        scene: The scene.
        name: The object.
        down: World pose of the grip site at which the object should just stand.
        xy: (2,) world coordinates in m at which the object's origin should come to rest; `down` is
            shifted for what the object has slipped in the hand.

    Returns:
        True: where nothing is met, the object is let go at `down`.
    """
    in_hand = scene.grip().inverse() @ scene.pose(name)
    before = scene.touching(name)  # something may have been lifted along with it
    down = down.shifted(np.append(xy - (down @ in_hand).position[:2], 0.0))
    path = straight_path([scene.grip(), down])
    yield from follow(
        scene,
        path,
        fingers(CLOSE),
        0.004,
        0.1,
        speed=0.7,
        until=lambda: not scene.touching(name) <= before,
    )
    return (yield from release(scene, scene.grip()))
