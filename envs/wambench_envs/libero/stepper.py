"""One control step of LIBERO's robot: operational-space control at 20 Hz over 25 physics substeps.

Upstream's `env.step` runs MuJoCo's whole pipeline three times per substep, looks everything up by
name and updates some sixty observables: 6 to 16 ms a step. `Stepper` does the same arithmetic in
the same order with robosuite's own compiled functions, finds contacts once, and keeps only what an
observation needs. States, rewards and pictures are equal to upstream's to the last bit
(`tests/envs/test_libero_parity.py`).

One substep is: `mj_step1` (kinematics, inertia, contacts), constraint solves under the previous
command, arm torques and gripper command, `mj_step2` (constraint solve and integration).

Non-obvious behaviours
    - The first action after a reset uses the end-effector pose, Jacobian and inertia of the
      *reset*, not of the initial state written after it: the controller reads the arm anew only
      after its previous run. The arm therefore moves 2 to 10 mm during the settle steps.
    - A rotation command of exactly zero keeps the previous orientation goal; any other value sets
      a new goal relative to the current orientation.
    - The gripper integrates the *sign* of its command, 0.01 per substep: an opening or closing
      takes about 12 control steps and 0 holds whatever opening there is.
    - Observations are sampled at substep 24 of 25, after integration: positions in space are those
      before that substep's integration, joint positions those after it.
    - Upstream's two extra evaluations leave one trace: up to MuJoCo 3.3.2 each of them updates the
      solver's warm start. The two solves under the previous command are there for that alone;
      without them states drift from upstream's by 1e-14 per step.
    - Array memory order is part of the arithmetic: the Jacobian and inertia blocks are
      column-major, as fancy indexing makes them upstream; another order gives other last bits.
    - `NUMBA_DISABLE_JIT=1` changes results by 1e-6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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

KP = 150.0
KD = 2.0 * math.sqrt(KP)
"""Gains of position and rotation alike; damping ratio 1 (robosuite `osc_pose.json`)."""

GRIPPER_SPEED = 0.01
"""Change of the gripper command per substep (robosuite `PandaGripper.speed`)."""

_ARM_DOF = 7


class Stepper:
    """Steps a scene.

    Args:
        scene: The scene.

    Attributes:
        frame_qpos: (nq,) configuration the observation of the last step shows.
        frame_alpha: (stoves,) burner opacities it shows.
        eef_pos: (3,) grip site in the world, metres.
        eef_quat: (4,) orientation of the hand body in the world, xyzw.
        fingers: (2,) finger joint positions, metres.
        joints: (7,) arm joint positions, rad.
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
        hand = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, robot.robot_model.eef_name)
        # MuJoCo's arrays keep their address for life, so views of them are made once.
        self._qpos, self._qvel = data.qpos, data.qvel
        self._site_pos = data.site_xpos[self._site]
        self._site_mat = data.site_xmat[self._site].reshape(3, 3)
        self._hand_quat = data.xquat[hand]
        arm = _slice(robot._ref_joint_pos_indexes)
        self._dofs = _slice(robot._ref_joint_vel_indexes)
        self._arm_qpos, self._arm_qvel = data.qpos[arm], data.qvel[self._dofs]
        self._arm_bias = data.qfrc_bias[self._dofs]
        self._finger_qpos = data.qpos[_slice(robot._ref_gripper_joint_pos_indexes)]
        self._arm_ctrl = data.ctrl[_slice(robot._ref_joint_actuator_indexes)]
        gripper = _slice(robot._ref_joint_gripper_actuator_indexes)
        self._gripper_ctrl = data.ctrl[gripper]
        self._torque_low, self._torque_high = (np.array(limit) for limit in robot.torque_limits)
        limits = model.actuator_ctrlrange[gripper]
        self._gripper_bias = 0.5 * (limits[:, 1] + limits[:, 0])
        self._gripper_weight = 0.5 * (limits[:, 1] - limits[:, 0])
        self._all_jac = np.zeros((6, model.nv))
        self._all_jacp, self._all_jacr = self._all_jac[:3], self._all_jac[3:]
        self._all_inertia = np.zeros((model.nv, model.nv))
        self._j_pos, self._j_ori = (np.zeros((3, _ARM_DOF), order="F") for _ in range(2))
        self._j_full = np.zeros((6, _ARM_DOF), order="F")
        self._inertia = np.zeros((_ARM_DOF, _ARM_DOF), order="F")
        self._error, self._velocity, self._wrench = np.zeros(6), np.zeros(6), np.zeros(6)
        self.frame_qpos: Array = data.qpos.copy()
        self.frame_alpha = self._alpha()
        self.eef_pos, self.eef_quat, self.fingers = np.zeros(3), np.zeros(4), np.zeros(2)
        self.joints = np.zeros(_ARM_DOF)

    def begin(self) -> None:
        """Takes over from a scene that was reset and then given its initial state."""
        controller: Any = self._scene.robot.controller
        self._initial_joint: Array = controller.initial_joint
        self._goal_ori: Array = controller.goal_ori
        self._goal_pos: Array = controller.goal_pos
        self._ee_pos: Array = controller.ee_pos
        self._ee_ori: Array = controller.ee_ori_mat
        self._joint_pos: Array = controller.joint_pos
        self._joint_vel: Array = controller.joint_vel
        self._velocity[:3] = controller.ee_pos_vel
        self._velocity[3:] = controller.ee_ori_vel
        self._j_pos[:] = controller.J_pos
        self._j_ori[:] = controller.J_ori
        self._j_full[:] = controller.J_full
        self._inertia[:] = controller.mass_matrix
        self._fresh = True  # the values above stand until the controller's first run is over
        self._command = [0.0, 0.0]

    def step(self, action: Array) -> None:
        """Executes one action.

        Args:
            action: (7,) commands in [-1, 1], clipped: position and rotation offset in the world
                frame, and the gripper (-1 opens, 1 closes, 0 holds).
        """
        model, data = self._model, self._data
        gripper = self._gripper_commands(float(np.sign(action[6])))
        self.frame_alpha = self._alpha()
        for substep in range(SUBSTEPS):
            if substep == SAMPLED_SUBSTEP:
                self.frame_qpos = self._qpos.copy()
            mujoco.mj_step1(model, data)
            mujoco.mj_fwdActuation(model, data)
            mujoco.mj_fwdAcceleration(model, data)
            mujoco.mj_fwdConstraint(model, data)
            if self._fresh:
                self._fresh = False
            else:
                mujoco.mj_fwdConstraint(model, data)
                self._read_arm()
            if substep == 0:
                self._set_goal(action[:6])
            torques = np.maximum(self._torques(), self._torque_low)
            np.minimum(torques, self._torque_high, out=self._arm_ctrl)
            self._gripper_ctrl[:] = gripper[substep]
            mujoco.mj_step2(model, data)
            if substep == SAMPLED_SUBSTEP:
                self.eef_pos = self._site_pos.copy()
                self.eef_quat = self._hand_quat[[1, 2, 3, 0]]
                self.fingers = self._finger_qpos.copy()
                self.joints = self._arm_qpos.copy()
        self._scene.update_glow()

    def _gripper_commands(self, direction: float) -> Array:
        """(25, 2) finger targets of the substeps of one control step."""
        first, second = self._command
        commands = []
        for _ in range(SUBSTEPS):
            first = min(max(first - GRIPPER_SPEED * direction, -1.0), 1.0)
            second = min(max(second + GRIPPER_SPEED * direction, -1.0), 1.0)
            commands.append((first, second))
        self._command = [first, second]
        return self._gripper_bias + self._gripper_weight * np.array(commands)

    def _alpha(self) -> NDArray[np.float32]:
        return self._model.site_rgba[[site for site, _ in self._scene.stoves], 3]

    # ---- controller --------------------------------------------------------------------------

    def _read_arm(self) -> None:
        """Reads the arm's state, Jacobian and inertia."""
        model, data, dofs = self._model, self._data, self._dofs
        self._ee_pos, self._ee_ori = self._site_pos, self._site_mat
        self._joint_pos, self._joint_vel = self._arm_qpos, self._arm_qvel
        mujoco.mj_jacSite(model, data, self._all_jacp, self._all_jacr, self._site)
        np.dot(self._all_jacp, self._qvel, out=self._velocity[:3])
        np.dot(self._all_jacr, self._qvel, out=self._velocity[3:])
        self._j_full[:] = self._all_jac[:, dofs]
        self._j_pos[:] = self._j_full[:3]
        self._j_ori[:] = self._j_full[3:]
        mujoco.mj_fullM(model, self._all_inertia, data.qM)
        self._inertia[:] = self._all_inertia[dofs, dofs]

    def _set_goal(self, command: Array) -> None:
        delta = np.clip(command, -1.0, 1.0) * OUTPUT_SCALE
        if delta[3:].any():
            self._goal_ori = self._set_goal_orientation(delta[3:], self._ee_ori)
        self._goal_pos = self._ee_pos + delta[:3]

    def _torques(self) -> Array:
        """(7,) joint torques: PD in task space, decoupled by inertia, plus a null-space posture."""
        error, wrench = self._error, self._wrench
        np.subtract(self._goal_pos, self._ee_pos, out=error[:3])
        error[3:] = self._orientation_error(self._goal_ori, self._ee_ori)
        desired = error * KP - self._velocity * KD
        _, lambda_pos, lambda_ori, nullspace = self._opspace_matrices(
            self._inertia, self._j_full, self._j_pos, self._j_ori
        )
        wrench[:3] = np.dot(lambda_pos, desired[:3])
        wrench[3:] = np.dot(lambda_ori, desired[3:])
        torques = np.dot(self._j_full.T, wrench) + self._arm_bias
        torques += self._nullspace_torques(
            self._inertia, nullspace, self._initial_joint, self._joint_pos, self._joint_vel
        )
        return torques


def _slice(indices: Sequence[int]) -> slice:
    """Consecutive indices as a slice, whose views cost nothing."""
    first, last = int(indices[0]), int(indices[-1])
    assert [int(index) for index in indices] == list(range(first, last + 1))
    return slice(first, last + 1)
