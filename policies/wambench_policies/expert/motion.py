"""Paths of the grip site and the actions that follow them.

A path is a dense list of poses. It comes either from straight lines between waypoints or from the
forward kinematics of a line in joint space; what follows it cannot tell the difference.

The 7-D action is that of robosuite's OSC_POSE controller with LIBERO's scaling: translation in
units of 0.05 m, rotation vector in units of 0.5 rad, both in the world frame and relative to the
*present* pose, then the gripper. At 20 Hz an action of 1 moves about 12.5 mm (0.1 rad) in steady
state, because the goal is renewed long before the critically damped controller (kp 150) gets there.

Non-obvious behaviours
    - A rotation of exactly zero leaves the controller's *previous* orientation goal in place; any
      other value makes the goal relative to the present orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wambench_policies.expert.geometry import (
    Array,
    Pose,
    angle_between,
    rotation_matrix,
    rotation_vector,
)
from wambench_policies.expert.ik import Arm

TRANSLATION_UNIT = 0.05
"""Metres per unit of action; LIBERO's OSC_POSE `output_max`."""
ROTATION_UNIT = 0.5
"""Radians per unit of action; LIBERO's OSC_POSE `output_max`."""
METRES_PER_RADIAN = 0.2
"""Weight of rotation in path length: travelling 12.5 mm takes about as long as turning 0.06 rad."""
SPACING = 0.01
"""Distance in m between the poses of a path."""
LOOKAHEAD = 5
"""How many poses ahead the follower aims: 0.05 m, which just saturates the action."""
GAIN = 1.6
"""Commanded over remaining offset; 1 is critically damped, 1.6 settles in two thirds the time."""


@dataclass(frozen=True, slots=True)
class Path:
    """A dense sequence of world poses of the grip site.

    Attributes:
        poses: At least one pose, the last being the goal.
    """

    poses: tuple[Pose, ...]

    @property
    def end(self) -> Pose:
        """The goal."""
        return self.poses[-1]


def separation(first: Pose, second: Pose) -> float:
    """Distance between two poses in m: translation or weighted rotation, whichever takes longer."""
    distance = float(np.linalg.norm(first.position - second.position))
    return max(distance, METRES_PER_RADIAN * angle_between(first.rotation, second.rotation))


def interpolate(first: Pose, second: Pose, share: float) -> Pose:
    """The pose a `share` (0 to 1) of the way from one to another along a straight line."""
    turn = rotation_vector(second.rotation @ first.rotation.T)
    return Pose(
        first.position + share * (second.position - first.position),
        rotation_matrix(share * turn) @ first.rotation,
    )


def straight_path(waypoints: Sequence[Pose]) -> Path:
    """Straight lines from waypoint to waypoint, sampled every `SPACING`."""
    poses = [waypoints[0]]
    for first, second in pairwise(waypoints):
        count = max(1, int(np.ceil(separation(first, second) / SPACING)))
        poses += [interpolate(first, second, (k + 1) / count) for k in range(count)]
    return Path(tuple(poses))


def joint_path(arm: Arm, waypoints: Sequence[Array]) -> Path:
    """Forward kinematics of straight lines in joint space.

    Use it where a straight line of the hand would run into joint limits.

    Args:
        arm: The arm; its scratch data is overwritten.
        waypoints: (N,) joint angles in rad each.
    """
    poses = [arm.forward(waypoints[0])]
    for first, second in pairwise(waypoints):
        count = max(1, int(np.ceil(np.max(np.abs(second - first)) / 0.03)))
        poses += [arm.forward(first + (second - first) * (k + 1) / count) for k in range(count)]
    return Path(tuple(poses))


def servo(current: Pose, goal: Pose, gripper: float, speed: float = 1.0) -> Array:
    """The action that moves from one pose towards another.

    Args:
        current: Present world pose of the grip site.
        goal: World pose to move to.
        gripper: -1 opens, 1 closes, 0 holds.
        speed: Upper bound of the action's translation and rotation, at most 1.

    Returns:
        (7,) action in [-1, 1]; clipping keeps the direction.
    """
    move = GAIN * (goal.position - current.position) / TRANSLATION_UNIT
    turn = GAIN * rotation_vector(goal.rotation @ current.rotation.T) / ROTATION_UNIT
    move /= max(1.0, float(np.max(np.abs(move))) / speed)
    turn /= max(1.0, float(np.max(np.abs(turn))) / speed)
    return np.concatenate([move, turn, [gripper]])


class Follower:
    """Follows a path by aiming a little ahead of the nearest pose, never going back.

    Args:
        path: The path.

    Attributes:
        index: Position on the path reached so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = 0

    def goal(self, current: Pose) -> Pose:
        """The pose to aim at from the present one."""
        poses = self.path.poses
        window = range(self.index, min(self.index + 2 * LOOKAHEAD, len(poses)))
        self.index = min(window, key=lambda i: separation(current, poses[i]))
        return poses[min(self.index + LOOKAHEAD, len(poses) - 1)]
