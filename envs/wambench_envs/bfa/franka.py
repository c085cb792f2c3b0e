"""A Franka Emika Panda arm, authored from published figures.

Kinematics: the Denavit-Hartenberg parameters of Franka's control manual ("Robot and interface
specifications": d1 = 0.333, d3 = 0.316, a4 = 0.0825, a5 = -0.0825, d5 = 0.384, a7 = 0.088,
flange 0.107 m), joint limits, velocity and torque limits from the same page. Masses, centres of
mass and inertias are the identified parameters of Gaz et al., "Dynamic Identification of the Franka
Emika Panda Robot With Retrieval of Feasible Parameters" (RA-L 2019), to three digits and with the
products of inertia left out. The shapes are the capsules of the manufacturer's self-collision model
(`franka_description`), rounded.

Non-obvious behaviours
    - Gravity is compensated, as the real robot's controller does: an arm with no command does not
      sag, and position errors are those of contact and motion only.
    - Only the wrist (links 5 to 7) takes part in contacts; the upper arm cannot reach the counter
      in the poses that the action bounds allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench_envs.props.mjspec import SpecWriter
from wambench_envs.props.shapes import Capsule, Cylinder, Material, Pose, Role, Shape

WHITE = Material("arm-white", (0.90, 0.91, 0.93, 1.0), specular=0.3, shininess=0.4)
GREY = Material("arm-grey", (0.30, 0.31, 0.33, 1.0), specular=0.2, shininess=0.3)

LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
"""Joint limits in rad."""

MAX_SPEED = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
"""Joint speed limits in rad/s."""

MAX_TORQUE = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
"""Joint torque limits in N m."""

STIFFNESS = (4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0)
"""Position gains in N m/rad; a tenth of them is the damping in N m s/rad. Stiff enough that a
commanded pose is met to a millimetre with an object in the hand."""

ARMATURE, DAMPING = 0.1, 1.0
"""Reflected rotor inertia (kg m^2) and joint damping (N m s/rad)."""


@dataclass(frozen=True, slots=True)
class _Link:
    """One moving link: pose in its parent at q = 0, mass properties, drawn capsules.

    Attributes:
        pos: Origin in the parent, m.
        quat: Orientation in the parent, wxyz.
        mass: kg.
        com: Centre of mass, m.
        inertia: Diagonal inertia about it, kg m^2.
        capsules: (radius, half length, position, colour) along z.
        touches: Whether the capsules take part in contacts.
    """

    pos: tuple[float, float, float]
    quat: tuple[float, float, float, float]
    mass: float
    com: tuple[float, float, float]
    inertia: tuple[float, float, float]
    capsules: tuple[tuple[float, float, tuple[float, float, float], Material], ...]
    touches: bool = False


_UP, _DOWN = (1.0, 1.0, 0.0, 0.0), (1.0, -1.0, 0.0, 0.0)
"""Quarter turns about x, not normalised."""

_LINKS = (
    _Link((0, 0, 0.333), (1, 0, 0, 0), 4.971, (0.0039, 0.0021, -0.0476), (0.703, 0.707, 0.0091),
          ((0.062, 0.1, (0, 0, -0.16), WHITE),)),
    _Link((0, 0, 0), _DOWN, 0.647, (-0.0031, -0.0287, 0.0035), (0.0080, 0.0281, 0.0260),
          ((0.064, 0.055, (0, 0, 0), WHITE),)),
    _Link((0, -0.316, 0), _UP, 3.229, (0.0275, 0.0393, -0.0665), (0.0372, 0.0362, 0.0108),
          ((0.060, 0.075, (0, 0, -0.145), WHITE),)),
    _Link((0.0825, 0, 0), _UP, 3.588, (-0.0532, 0.1044, 0.0275), (0.0259, 0.0196, 0.0283),
          ((0.060, 0.055, (0, 0, 0), GREY),)),
    _Link((-0.0825, 0.384, 0), _DOWN, 1.226, (-0.0120, 0.0411, -0.0384), (0.0355, 0.0295, 0.0086),
          ((0.058, 0.06, (0, 0, -0.25), WHITE), (0.035, 0.09, (0, 0.065, -0.12), WHITE)), True),
    _Link((0, 0, 0), _UP, 1.667, (0.0601, -0.0141, -0.0105), (0.0020, 0.0044, 0.0054),
          ((0.048, 0.05, (0, 0, -0.02), WHITE),), True),
    _Link((0.088, 0, 0), _UP, 0.736, (0.0105, -0.0043, 0.0616), (0.0125, 0.0100, 0.0048),
          ((0.046, 0.05, (0, 0, 0.015), WHITE), (0.046, 0.008, (0, 0, 0.088), GREY)), True),
)  # fmt: skip

FLANGE = 0.107
"""Height of the flange in the frame of link 7, m."""


def joint_names(prefix: str) -> tuple[str, ...]:
    """Names of the seven joints of an arm."""
    return tuple(f"{prefix}arm{k}" for k in range(1, 8))


def add_arm(
    writer: SpecWriter, base: Any, prefix: str, frozen_at: NDArray[np.float64] | None
) -> Any:
    """Adds an arm to the body `base` and returns link 7.

    Args:
        writer: Adds shapes to the specification.
        base: The body that carries the arm; its frame is that of link 0.
        prefix: Put before all names.
        frozen_at: (7,) joint angles to weld the arm at; None for a moving arm with actuators.
    """
    foot = (
        Capsule(radius=0.07, half_length=0.05, pose=_along_x((-0.05, 0, 0.05)), material=WHITE),
        Cylinder(radius=0.08, half_length=0.06, pose=Pose((0, 0, 0.06)), material=WHITE),
    )
    writer.add(base, foot)
    body = base
    for k, link in enumerate(_LINKS):
        quat = np.asarray(link.quat, float) / np.linalg.norm(link.quat)
        if frozen_at is not None:
            turn = np.array([np.cos(frozen_at[k] / 2), 0.0, 0.0, np.sin(frozen_at[k] / 2)])
            fixed = np.empty(4)
            mujoco.mju_mulQuat(fixed, quat, turn)
            quat = fixed
        body = body.add_body(name=f"{prefix}link{k + 1}", pos=link.pos, quat=quat, gravcomp=1.0)
        body.mass, body.ipos, body.inertia = link.mass, link.com, link.inertia
        body.explicitinertial = True
        if frozen_at is None:
            _add_drive(writer.spec, body, joint_names(prefix)[k], k)
        for radius, half, pos, colour in link.capsules:
            shapes: list[Shape] = [
                Capsule(radius=radius, half_length=half, pose=Pose(pos), material=colour)
            ]
            if link.touches and frozen_at is None:
                shapes.append(
                    Capsule(
                        role=Role.COLLISION,
                        radius=radius,
                        half_length=half,
                        pose=Pose(pos),
                        mass=0.0,
                        surface="arm",
                    )
                )
            writer.add(body, shapes)
    return body


def _along_x(pos: tuple[float, float, float]) -> Pose:
    return Pose.rotated("y", np.pi / 2, pos)


def _add_drive(spec: mujoco.MjSpec, body: Any, name: str, k: int) -> None:
    """A hinge about z and its position servo."""
    limits = (LOWER[k], UPPER[k])
    body.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=(0, 0, 1),
        range=limits,
        limited=True,
        armature=ARMATURE,
        damping=DAMPING,
    )
    add_position_servo(spec, name, limits, STIFFNESS[k], 0.1 * STIFFNESS[k], MAX_TORQUE[k])


def add_position_servo(
    spec: mujoco.MjSpec,
    joint: str,
    limits: tuple[float, float],
    stiffness: float,
    damping: float,
    torque: float,
) -> None:
    """A servo with torque = stiffness (target - q) - damping dq/dt, cut off at `torque` (N m)."""
    servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.gaintype, servo.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    gain, bias = np.zeros(10), np.zeros(10)
    gain[0], bias[1], bias[2] = stiffness, -stiffness, -damping
    servo.gainprm, servo.biasprm = gain, bias
    servo.ctrllimited, servo.ctrlrange = True, limits
    servo.forcelimited, servo.forcerange = True, (-torque, torque)
