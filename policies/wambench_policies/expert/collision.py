"""Would the arm, the open hand and what it holds touch anything at a given posture?"""

from __future__ import annotations

import mujoco
import numpy as np

from wambench_policies.expert.geometry import Array, Pose
from wambench_policies.expert.scene import Scene

PENETRATION = 1.0e-3
"""Overlap in m from which a contact counts; contacts are reported from a small margin outside."""


class CollisionTest:
    """Tests postures in the scratch data of a scene, everything else standing as it is now.

    Args:
        scene: The scene; its present state is what is tested against.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.qpos = np.array(scene.live.qpos)

    def hits(
        self,
        q: Array,
        opening: float,
        held: str | None = None,
        in_hand: Pose | None = None,
        ignore: frozenset[int] = frozenset(),
    ) -> list[tuple[int, int]]:
        """Pairs of geoms that would overlap, one of the robot (or held object), one of the world.

        Args:
            q: (N,) arm joint angles in rad.
            opening: Distance in m between the fingers.
            held: Object that moves with the hand, if any; the hand may touch it.
            in_hand: Pose of that object in the frame of the grip site.
            ignore: Geoms that may be touched.
        """
        scene, data = self.scene, self.scene.scratch
        data.qpos[:] = self.qpos
        data.qpos[scene.finger_qpos] = 0.5 * opening * scene.finger_signs
        grip = scene.arm.forward(q)
        own = scene.robot_geoms
        if held is not None and in_hand is not None:
            self._carry(held, grip @ in_hand)
            mujoco.mj_kinematics(scene.model, data)
            own = own | scene.geoms(held)
        mujoco.mj_collision(scene.model, data)
        pairs = []
        for (first, second), distance in zip(data.contact.geom, data.contact.dist, strict=True):
            a, b = int(first), int(second)
            if distance > -PENETRATION or (a in own) == (b in own):
                continue
            if a not in ignore and b not in ignore:
                pairs.append((a, b))
        return pairs

    def overlaps(self, name: str, pose: Pose, ignore: frozenset[int] = frozenset()) -> bool:
        """Whether an object at a world pose, without the robot, would overlap with anything.

        Args:
            name: A free object.
            pose: Where to try it.
            ignore: Geoms that may be touched.
        """
        scene, data = self.scene, self.scene.scratch
        data.qpos[:] = self.qpos
        self._carry(name, pose)
        mujoco.mj_kinematics(scene.model, data)
        bound = scene.model.geom_rbound
        others = scene.obstacle_geoms[bound[scene.obstacle_geoms] > 0.0]  # planes have none
        for own in scene.geoms(name):
            gap = np.linalg.norm(data.geom_xpos[others] - data.geom_xpos[own], axis=1)
            for other in others[gap < bound[others] + bound[own]]:
                if int(other) in scene.geoms(name) or int(other) in ignore:
                    continue
                # The collision test proper reports nothing where one box passes right through a
                # thin one; the distance is negative there, too.
                if mujoco.mj_geomDistance(scene.model, data, own, other, 0.1, None) < -PENETRATION:
                    return True
        return False

    def _carry(self, held: str, pose: Pose) -> None:
        """Puts a free object at a world pose in the scratch data."""
        model = self.scene.model
        address = int(model.jnt_qposadr[model.body_jntadr[self.scene.body(held)]])
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, pose.rotation.flatten())
        self.scene.scratch.qpos[address : address + 3] = pose.position
        self.scene.scratch.qpos[address + 3 : address + 7] = quaternion
