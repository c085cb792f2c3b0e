"""Rigid transforms of 3-space: the few formulas that the expert needs.

All rotations are (3, 3) matrices, all rotation vectors are axis times angle in rad, both acting on
column vectors. Frames are named at the point of use; `Pose` itself does not know its frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rotation_vector(rotation: Array) -> Array:
    """Logarithm of a rotation.

    Args:
        rotation: (3, 3).

    Returns:
        (3,) axis times angle in rad, angle in [0, pi].
    """
    skew = 0.5 * np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    sine = float(np.linalg.norm(skew))
    cosine = 0.5 * (float(np.trace(rotation)) - 1.0)
    angle = float(np.arctan2(sine, cosine))
    if sine > 1e-6:
        return skew * (angle / sine)
    if cosine > 0.0:
        return skew
    # Half a turn: the skew part vanishes, the axis is the eigenvector of eigenvalue one.
    outer = 0.5 * (rotation + np.eye(3))
    axis = outer[:, int(np.argmax(np.diag(outer)))]
    return axis * (np.pi / float(np.linalg.norm(axis)))


def rotation_matrix(vector: Array) -> Array:
    """Exponential of a rotation vector (Rodrigues' formula).

    Args:
        vector: (3,) axis times angle in rad.

    Returns:
        (3, 3) rotation.
    """
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def about_z(angle: float) -> Array:
    """(3, 3) rotation about z by `angle` rad."""
    return rotation_matrix(np.array([0.0, 0.0, angle]))


def angle_between(first: Array, second: Array) -> float:
    """Angle in rad of the rotation that takes one (3, 3) rotation to another."""
    cosine = 0.5 * (float(np.vdot(first, second)) - 1.0)
    return math.acos(min(1.0, max(-1.0, cosine)))


def gripper_rotation(closing: Array, approach: Array) -> Array:
    """Orientation of the grip site from the two directions that matter to a grasp.

    Args:
        closing: (3,) direction along which the fingers close, of any length; its part along
            `approach` is dropped.
        approach: (3,) direction in which the fingers point, of any length.

    Returns:
        (3, 3) rotation with columns closing (x), their product (y) and approach (z), the axes of
        robosuite's Panda `grip_site`.
    """
    z = approach / np.linalg.norm(approach)
    x = closing - z * float(closing @ z)
    x = x / np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z])


@dataclass(frozen=True, slots=True)
class Pose:
    """A rigid transform; `a @ b` applies b first.

    Attributes:
        position: (3,) in m.
        rotation: (3, 3).
    """

    position: Array
    rotation: Array

    def __matmul__(self, other: Pose) -> Pose:
        return Pose(self.position + self.rotation @ other.position, self.rotation @ other.rotation)

    def inverse(self) -> Pose:
        """The transform that undoes this one."""
        return Pose(-self.rotation.T @ self.position, self.rotation.T)

    def apply(self, points: Array) -> Array:
        """(N, 3) points moved by this transform."""
        return points @ self.rotation.T + self.position

    def shifted(self, offset: Array) -> Pose:
        """The pose moved by (3,) `offset`, given in the parent frame in m."""
        return Pose(self.position + offset, self.rotation)

    def back(self, distance: float) -> Pose:
        """The pose drawn back by `distance` m against its own z axis, the approach direction."""
        return self.shifted(-distance * self.rotation[:, 2])
