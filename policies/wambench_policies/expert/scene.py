"""What the expert knows of one episode: a read-only view of the simulator and a scratch copy.

The simulator's own `MjData` is never written. Everything that has to be tried (inverse kinematics,
collision tests) is tried in a second `MjData` of the same model.

Non-obvious behaviours
    - The environment may rebuild its model at a reset, so a scene belongs to one episode.
    - Poses and contacts in the simulator's data are those at the beginning of the last physics
      substep, 2 ms old; joint values are those at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import mujoco
import numpy as np

from wambench_policies.expert.geometry import Array, Pose
from wambench_policies.expert.ik import Arm
from wambench_policies.expert.shapes import Shape, body_shape, is_solid, subtree


class Region(Protocol):
    """A named region of the environment; only what the expert reads."""

    site: str
    parent: str | None
    joints: Sequence[str]


class Simulator(Protocol):
    """The documented attributes of the environment that the expert reads."""

    mj_model: mujoco.MjModel
    mj_data: mujoco.MjData
    object_bodies: Mapping[str, str]
    categories: Mapping[str, str]
    regions: Mapping[str, Region]
    robot_joints: Sequence[str]
    gripper_joints: Sequence[str]
    grip_site: str


class Scene:
    """One episode's simulator as the expert sees it.

    Args:
        env: The simulator.

    Attributes:
        model: The model.
        live: The simulator's data; read only.
        scratch: Data to try things in; overwritten by every planner.
        arm: Kinematics of the arm in `scratch`.
        rest: (N,) arm joints in rad at the start of the episode, which the controller's null space
            pulls towards.
        robot_geoms: Solid geoms that move with the arm.
        obstacle_geoms: (M,) all other solid geoms, without the fixed parts of the robot.
    """

    def __init__(self, env: Simulator) -> None:
        self.env = env
        self.model: mujoco.MjModel = env.mj_model
        self.live: mujoco.MjData = env.mj_data
        self.scratch = mujoco.MjData(self.model)
        self.arm = Arm(self.model, self.scratch, env.robot_joints, env.grip_site)
        fingers = [self.model.joint(name) for name in env.gripper_joints]
        self.finger_qpos = np.array([joint.qposadr[0] for joint in fingers])
        # One finger opens towards positive, the other towards negative joint values.
        self.finger_signs = np.array([np.sign(np.sum(joint.range)) for joint in fingers])
        moving = subtree(self.model, int(self.model.jnt_bodyid[self.arm.joints[0]]))
        solid = [geom for geom in range(self.model.ngeom) if is_solid(self.model, geom)]
        body = self.model.geom_bodyid
        self.robot_geoms = frozenset(geom for geom in solid if int(body[geom]) in moving)
        mount = int(self.model.body_rootid[self.model.jnt_bodyid[self.arm.joints[0]]])
        fixed_robot = subtree(self.model, mount)
        self.obstacle_geoms = np.array(
            [geom for geom in solid if int(body[geom]) not in fixed_robot], dtype=np.int64
        )
        self.rest = self.arm_q()
        self._geoms: dict[str, frozenset[int]] = {}

    # ---- the robot ---------------------------------------------------------------------------

    def arm_q(self) -> Array:
        """(N,) arm joint angles in rad."""
        return np.array(self.live.qpos[self.arm.qpos])

    def grip(self) -> Pose:
        """World pose of the grip site."""
        site = self.arm.site
        return Pose(
            self.live.site_xpos[site].copy(), self.live.site_xmat[site].reshape(3, 3).copy()
        )

    def finger_gap(self) -> float:
        """Distance between the fingers in m, 0 when closed."""
        return float(np.sum(np.abs(self.live.qpos[self.finger_qpos])))

    # ---- things ------------------------------------------------------------------------------

    def body(self, name: str) -> int:
        """Root body id of an object or fixture."""
        return int(self.model.body(self.env.object_bodies[name]).id)

    def pose(self, name: str) -> Pose:
        """World pose of an object or fixture."""
        body = self.body(name)
        return Pose(self.live.xpos[body].copy(), self.live.xmat[body].reshape(3, 3).copy())

    def shape(self, name: str) -> Shape:
        """Solid parts of an object or fixture in its own frame, at its present joint values."""
        return body_shape(self.model, self.live, self.body(name), self.geoms(name))

    def geoms(self, name: str) -> frozenset[int]:
        """Solid geoms of an object or fixture."""
        if name not in self._geoms:
            bodies = subtree(self.model, self.body(name))
            self._geoms[name] = frozenset(
                geom
                for geom in range(self.model.ngeom)
                if int(self.model.geom_bodyid[geom]) in bodies and is_solid(self.model, geom)
            )
        return self._geoms[name]

    def is_free(self, geom: int) -> bool:
        """Whether a geom belongs to something that can be knocked over."""
        root = int(self.model.body_rootid[self.model.geom_bodyid[geom]])
        joint = int(self.model.body_jntadr[root])
        return joint >= 0 and bool(self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE)

    def region_pose(self, name: str) -> Pose:
        """World pose of the site of a region."""
        site = int(self.model.site(self.env.regions[name].site).id)
        return Pose(
            self.live.site_xpos[site].copy(), self.live.site_xmat[site].reshape(3, 3).copy()
        )

    def region_size(self, name: str) -> Array:
        """(3,) half sizes of the site of a region along its own axes, in m."""
        return np.array(self.model.site(self.env.regions[name].site).size)

    def touching(self, name: str) -> frozenset[int]:
        """Bodies, other than the robot's and its own, that an object is in contact with."""
        own = self.geoms(name)
        partners = set()
        for first, second in self.live.contact.geom:
            for mine, other in ((int(first), int(second)), (int(second), int(first))):
                if mine in own and other not in own and other not in self.robot_geoms:
                    partners.add(int(self.model.geom_bodyid[other]))
        return frozenset(partners)

    # ---- scratch -----------------------------------------------------------------------------

    def sync(self) -> None:
        """Brings the scratch data to the present state of the simulator."""
        self.scratch.qpos[:] = self.live.qpos
        mujoco.mj_kinematics(self.model, self.scratch)

    def obstacle_boxes(self, ignore: frozenset[int] = frozenset()) -> tuple[Array, Array]:
        """Axis-aligned boxes around everything solid that is not the robot.

        Args:
            ignore: Geoms to leave out.

        Returns:
            (N, 3) lower and (N, 3) upper corners in world coordinates, in m.
        """
        geoms = np.array([g for g in self.obstacle_geoms if int(g) not in ignore], dtype=np.int64)
        geoms = geoms[self.model.geom_type[geoms] != mujoco.mjtGeom.mjGEOM_PLANE]
        rotation = self.live.geom_xmat[geoms].reshape(-1, 3, 3)
        box = self.model.geom_aabb[geoms]
        centre = self.live.geom_xpos[geoms] + np.einsum("nij,nj->ni", rotation, box[:, :3])
        half = np.einsum("nij,nj->ni", np.abs(rotation), box[:, 3:])
        return centre - half, centre + half

    def free_way(self, start: Array, direction: Array, geoms: frozenset[int]) -> float:
        """Distance in m from a (3,) point along a (3,) unit vector to the first of some geoms.

        Returns:
            The distance, or 10 where none is met within that.
        """
        hit = np.array([-1], dtype=np.int32)
        collision_group = np.array([1, 0, 0, 0, 0, 0], dtype=np.uint8)
        gone = 0.0
        while gone < 10.0:
            distance = mujoco.mj_ray(
                self.model,
                self.live,
                start + gone * direction,
                direction,
                collision_group,
                1,
                -1,
                hit,
            )
            if distance < 0:
                break
            gone += distance
            if int(hit[0]) in geoms:
                return gone
            gone += 1e-4
        return 10.0

    def drop_height(self, at: Array, start: float, ignore: frozenset[int]) -> float:
        """Height of what lies below a point, found by a ray.

        Args:
            at: (2,) world x and y in m.
            start: World z in m at which the ray starts.
            ignore: Geoms that the ray passes, besides those of the robot.

        Returns:
            World z in m of the first surface, or -inf where there is none.
        """
        z = start
        hit = np.array([-1], dtype=np.int32)
        down = np.array([0.0, 0.0, -1.0])
        collision_group = np.array([1, 0, 0, 0, 0, 0], dtype=np.uint8)
        for _ in range(64):
            origin = np.array([at[0], at[1], z])
            distance = mujoco.mj_ray(
                self.model, self.live, origin, down, collision_group, 1, -1, hit
            )
            if distance < 0:
                return -np.inf
            z -= distance
            if int(hit[0]) not in ignore and int(hit[0]) not in self.robot_geoms:
                return float(z)
            z -= 1e-4
        return float(z)
