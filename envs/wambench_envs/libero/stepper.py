"""One control step of LIBERO's robot: operational-space control at 20 Hz over 25 physics substeps.

Upstream's `env.step` evaluates MuJoCo's dynamics three times per substep and updates some sixty
observables, 6 to 16 ms a step. `Stepper` does the same arithmetic in the same order with robosuite's
own compiled functions, evaluates the dynamics once, and keeps only what an observation needs. States,
rewards and pictures are equal to upstream's to the last bit (`tests/envs/test_libero_parity.py`).

One substep is: `mj_step1` (kinematics, inertia, contacts) - arm torques - gripper command -
`mj_step2` (constraint solve, integration).

Non-obvious behaviours
    - The first action after a reset uses the end-effector pose, Jacobian and inertia of the *reset*,
      not of the initial state written after it: the controller refreshes itself only at the end of
      its previous run. The arm therefore moves 2 to 10 mm during the settle steps.
    - A rotation command of exactly zero keeps the previous orientation goal; any other value sets a
      new goal relative to the current orientation.
    - The gripper integrates the *sign* of its command, 0.01 per substep: an opening or closing takes
      about 12 control steps and 0 holds whatever opening there is.
    - Observations are sampled at substep 24 of 25, after integration: positions in space are those
      before that substep's integration, joint positions those after it.
    - Array memory order is part of the arithmetic: the Jacobian and inertia blocks are column-major,
      as fancy indexing makes them upstream, and another order gives other last bits.
    - `NUMBA_DISABLE_JIT=1` changes results by 1e-6.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench_envs.libero.scene import Scene

Array = NDArray[np.float64]

SUBSTEPS = 25
"""Physics substeps of 2 ms per control step of 50 ms (upstream: int(0.05 / 0.002))."""

SAMPLED_SUBSTEP = 23
"""Index of the substep after which upstream's observables sample (see the module docstring)."""

OUTPUT_SCALE = np.array([0.05, 0.05, 0.05, 0.5, 0.5, 0.5])
"""Goal offset of a full command, metres and radians (robosuite `osc_pose.json`)."""

KP = np.full(6, 150.0)
KD = 2 * np.sqrt(KP) * 1
"""Gains; damping ratio 1 (robosuite `osc_pose.json`)."""

GRIPPER_SPEED = 0.01
"""Change of the gripper command per substep (robosuite `PandaGripper.speed`)."""

_GRIPPER_DIRECTION = np.array([-1.0, 1.0])


class Stepper:
    """Steps a scene.

    Args:
        scene: The scene.

    Attributes:
        frame_qpos: (nq,) configuration the observation of the last step shows.
        eef_pos: (3,) grip site in the world, metres.
        eef_quat: (4,) orientation of the hand body in the world, xyzw.
        fingers: (2,) finger joint positions, metres.
    """

    def __init__(self, scene: Scene) -> None:
        from robosuite.utils import control_utils

        self._set_goal_orientation = control_utils.set_goal_orientation
        self._orientation_error = control_utils.orientation_error
        self._opspace_matrices = control_utils.opspace_matrices
        self._nullspace_torques = control_utils.nullspace_torques
        self._scene = scene
        self._model, self._data = model, data = scene.model, scene.data
        robot = scene.robot
        self._site = mujoco.mj_name2id(
            model, mujoco.mjtObj.mjOBJ_SITE, robot.gripper.important_sites["grip_site"]
        )
        self._hand = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, robot.robot_model.eef_name)
        self._qpos = [int(index) for index in robot._ref_joint_pos_indexes]
        self._qvel = [int(index) for index in robot._ref_joint_vel_indexes]
        self._finger_qpos = [int(index) for index in robot._ref_gripper_joint_pos_indexes]
        self._arm = list(robot._ref_joint_actuator_indexes)
        self._gripper = list(robot._ref_joint_gripper_actuator_indexes)
        self._torque_low, self._torque_high = (np.array(limit) for limit in robot.torque_limits)
        limits = model.actuator_ctrlrange[self._gripper]
        self._gripper_bias = 0.5 * (limits[:, 1] + limits[:, 0])
        self._gripper_weight = 0.5 * (limits[:, 1] - limits[:, 0])
        self._jacp = np.zeros((3, model.nv))
        self._jacr = np.zeros((3, model.nv))
        self._inertia = np.zeros((model.nv, model.nv))
        self.frame_qpos: Array = data.qpos.copy()
        self.frame_alpha = self._alpha()
        self.eef_pos, self.eef_quat, self.fingers = np.zeros(3), np.zeros(4), np.zeros(2)

    def begin(self) -> None:
        """Takes over from a scene that was reset and then given its initial state."""
        controller: Any = self._scene.robot.controller
        self._initial_joint: Array = controller.initial_joint
        self._goal_ori: Array = controller.goal_ori
        self._goal_pos: Array = controller.goal_pos
        self._ee_pos: Array = controller.ee_pos
        self._ee_ori: Array = controller.ee_ori_mat
        self._ee_pos_vel: Array = controller.ee_pos_vel
        self._ee_ori_vel: Array = controller.ee_ori_vel
        self._joint_pos: Array = controller.joint_pos
        self._joint_vel: Array = controller.joint_vel
        self._j_pos: Array = controller.J_pos
        self._j_ori: Array = controller.J_ori
        self._j_full: Array = controller.J_full
        self._mass: Array = controller.mass_matrix
        self._stale = False  # the controller's own values stand until its first run is over
        self._command = np.zeros(1)

    def step(self, action: Array) -> None:
        """Executes one action.

        Args:
            action: (7,) commands in [-1, 1], clipped: position and rotation offset in the world
                frame, and the gripper (-1 opens, 1 closes, 0 holds).
        """
        model, data = self._model, self._data
        direction = _GRIPPER_DIRECTION * GRIPPER_SPEED * np.sign(action[6:])
        self.frame_alpha = self._alpha()
        for substep in range(SUBSTEPS):
            if substep == SAMPLED_SUBSTEP:
                self.frame_qpos = data.qpos.copy()
            mujoco.mj_step1(model, data)
            mujoco.mj_fwdActuation(model, data)
            mujoco.mj_fwdAcceleration(model, data)
            mujoco.mj_fwdConstraint(model, data)
            if self._stale:
                mujoco.mj_fwdConstraint(model, data)
                self._refresh()
            if substep == 0:
                self._set_goal(action[:6])
            data.ctrl[self._arm] = np.clip(self._torques(), self._torque_low, self._torque_high)
            self._stale = True
            self._command = np.clip(self._command + direction, -1.0, 1.0)
            data.ctrl[self._gripper] = self._gripper_bias + self._gripper_weight * self._command
            mujoco.mj_step2(model, data)
            if substep == SAMPLED_SUBSTEP:
                self.eef_pos = data.site_xpos[self._site].copy()
                self.eef_quat = data.xquat[self._hand][[1, 2, 3, 0]]
                self.fingers = data.qpos[self._finger_qpos]
        self._scene.update_glow()

    def _alpha(self) -> NDArray[np.float32]:
        return self._model.site_rgba[[site for site, _ in self._scene.stoves], 3]

    # ---- controller --------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Reads the arm's state, Jacobian and inertia."""
        model, data, qvel = self._model, self._data, self._qvel
        self._ee_pos = data.site_xpos[self._site].copy()
        self._ee_ori = data.site_xmat[self._site].reshape(3, 3).copy()
        mujoco.mj_jacSite(model, data, self._jacp, self._jacr, self._site)
        self._ee_pos_vel = np.dot(self._jacp, data.qvel)
        self._ee_ori_vel = np.dot(self._jacr, data.qvel)
        self._joint_pos = data.qpos[self._qpos]
        self._joint_vel = data.qvel[qvel]
        self._j_pos = self._jacp[:, qvel]
        self._j_ori = self._jacr[:, qvel]
        self._j_full = np.vstack([self._j_pos, self._j_ori])
        mujoco.mj_fullM(model, self._inertia, data.qM)
        self._mass = self._inertia[qvel, :][:, qvel]

    def _set_goal(self, command: Array) -> None:
        delta = np.clip(command, -1.0, 1.0) * OUTPUT_SCALE
        if any(not math.isclose(value, 0.0) for value in delta[3:]):
            self._goal_ori = self._set_goal_orientation(delta[3:], self._ee_ori)
        self._goal_pos = self._ee_pos + delta[:3]

    def _torques(self) -> Array:
        """Joint torques towards the goal: PD in task space, inertia-decoupled, plus null space."""
        force = (self._goal_pos - self._ee_pos) * KP[:3] + -self._ee_pos_vel * KD[:3]
        ori_error = self._orientation_error(self._goal_ori, self._ee_ori)
        torque = ori_error * KP[3:] + -self._ee_ori_vel * KD[3:]
        _, lambda_pos, lambda_ori, nullspace = self._opspace_matrices(
            self._mass, self._j_full, self._j_pos, self._j_ori
        )
        wrench = np.concatenate([np.dot(lambda_pos, force), np.dot(lambda_ori, torque)])
        gravity = self._data.qfrc_bias[self._qvel]
        torques = np.dot(self._j_full.T, wrench) + gravity
        torques += self._nullspace_torques(
            self._mass, nullspace, self._initial_joint, self._joint_pos, self._joint_vel
        )
        return torques
