"""Rotations: logarithm and exponential undo each other, frames come out right-handed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from wambench_policies.expert.geometry import (
    Pose,
    about_z,
    angle_between,
    gripper_rotation,
    rotation_matrix,
    rotation_vector,
)

vectors = npst.arrays(np.float64, 3, elements=st.floats(-1.5, 1.5))


@given(vectors)
def test_the_logarithm_of_the_exponential_is_the_vector(vector: np.ndarray) -> None:
    np.testing.assert_allclose(rotation_vector(rotation_matrix(vector)), vector, atol=1e-7)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_a_turn_has_its_axis_up_to_sign(axis: np.ndarray) -> None:
    vector = rotation_vector(rotation_matrix(np.pi * axis))
    np.testing.assert_allclose(np.abs(vector), np.pi * axis, atol=1e-6)


@given(vectors, vectors)
def test_a_pose_and_its_inverse_cancel(position: np.ndarray, turn: np.ndarray) -> None:
    pose = Pose(position, rotation_matrix(turn))
    both = pose @ pose.inverse()
    np.testing.assert_allclose(both.position, np.zeros(3), atol=1e-9)
    np.testing.assert_allclose(both.rotation, np.eye(3), atol=1e-9)


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_the_angle_between_two_turns_about_one_axis_is_their_difference(a: float, b: float) -> None:
    difference = abs((a - b + np.pi) % (2.0 * np.pi) - np.pi)
    assert angle_between(about_z(a), about_z(b)) == pytest.approx(difference, abs=1e-5)


def test_a_gripper_frame_closes_along_x_approaches_along_z_and_is_right_handed() -> None:
    rotation = gripper_rotation(np.array([0.0, 2.0, 0.7]), np.array([0.0, 0.0, -3.0]))
    np.testing.assert_allclose(rotation[:, 0], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(rotation[:, 2], [0.0, 0.0, -1.0], atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
