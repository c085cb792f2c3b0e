"""Jointed parts of fixtures: how they move, where their handles are, how to hold or push them.

A drawer, a door and a knob are one thing here: a link on one joint. Everything is read from the
model: the joint gives the motion, the solid geoms of the link give handle and faces. Nothing
depends on what a geom is called or which asset pack it comes from.

Non-obvious behaviours
    - A part opens towards the side of its joint's range that is farther from zero: LIBERO's drawers
      and doors have q = 0 shut and negative values open, its knob has positive values on.
    - A drawer counts as closed only past zero (its stop is at +0.01 m): it has to be pushed home.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from wambench_policies.expert.geometry import Array, Pose, gripper_rotation, rotation_matrix
from wambench_policies.expert.grasps import TIP_REACH, Grasp, TopDown, grasps
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.shapes import Part, Shape, body_shape, is_solid, subtree

DRIVEN = {
    ("slide", "open"): -0.14,
    ("slide", "close"): 0.0,
    ("door", "open"): -1.3,
    ("door", "close"): -0.005,
    ("knob", "turnon"): 0.5,
    ("knob", "turnoff"): 0.0,
}
"""Joint value (m or rad) past which a goal predicate holds, by kind of part and predicate: the
`object_properties` of LIBERO's `articulated_objects.py`."""
MARGIN = {"slide": 0.012, "door": 0.1, "knob": 0.1}
"""How far (m or rad) past that value the expert aims, as far as the joint's range allows."""
KNOB_DEPTH = 0.018
"""How far in m below the top of a knob's fin the grip site goes."""
INNER_DEPTH = 0.022
"""How far in m below a drawer's edge its front is pushed on from inside."""
FIST = np.array(
    [[x, y, z] for x in (-0.025, 0.025) for y in (-0.0105, 0.0105) for z in (-0.04, TIP_REACH)]
)
"""Corners in m, in the frame of the grip site, of the closed fingers; robosuite's
`panda_gripper.xml`."""


@dataclass(frozen=True, slots=True)
class Articulation:
    """A link of a fixture that moves on one joint.

    Attributes:
        joint: Id of the joint.
        body: Id of the link.
        qpos: Address of the joint value.
        kind: `slide`, `door` (a hinge beside the link) or `knob` (a hinge through it).
        geoms: Solid geoms of the link.
        lower: Lower limit in m or rad.
        upper: Upper limit in m or rad.
    """

    joint: int
    body: int
    qpos: int
    kind: str
    geoms: frozenset[int]
    lower: float
    upper: float

    def value(self, scene: Scene) -> float:
        """Present joint value in m or rad."""
        return float(scene.live.qpos[self.qpos])

    def pose(self, scene: Scene) -> Pose:
        """World pose of the link."""
        return Pose(
            scene.live.xpos[self.body].copy(), scene.live.xmat[self.body].reshape(3, 3).copy()
        )

    def shape(self, scene: Scene) -> Shape:
        """Solid parts of the link in world coordinates."""
        return body_shape(scene.model, scene.live, self.body, self.geoms).moved(self.pose(scene))

    def motion(self, scene: Scene, change: float) -> Pose:
        """The world transform that a change of the joint value in m or rad gives the link."""
        axis = scene.live.xaxis[self.joint].copy()
        if self.kind == "slide":
            return Pose(change * axis, np.eye(3))
        anchor, turn = scene.live.xanchor[self.joint].copy(), rotation_matrix(change * axis)
        return Pose(anchor - turn @ anchor, turn)

    def goal(self, predicate: str) -> float:
        """Joint value to aim at so that a predicate holds with some margin."""
        threshold, stop = DRIVEN[self.kind, predicate], self.stop(predicate)
        # A stop is never quite reached; where it is near, half way to it has to do.
        past = min(MARGIN[self.kind], 0.6 * abs(stop - threshold))
        return threshold + past * self.sense(predicate)

    def stop(self, predicate: str) -> float:
        """Joint value at the end of its range on the side of a predicate."""
        return self.upper if self.sense(predicate) > 0.0 else self.lower

    def holds(self, scene: Scene, predicate: str) -> bool:
        """Whether a predicate holds."""
        ahead = self.value(scene) - DRIVEN[self.kind, predicate]
        return ahead * self.sense(predicate) > 0.0

    def sense(self, predicate: str) -> float:
        """Whether a predicate wants the joint value to rise (1) or to fall (-1)."""
        opens = predicate in ("open", "turnon")
        return float(np.sign(self.lower + self.upper)) * (1.0 if opens else -1.0)


def articulation(scene: Scene, target: str) -> Articulation:
    """The jointed part that a goal predicate names.

    Args:
        scene: The scene.
        target: A region carried by a jointed link, or a fixture with a single joint.

    Raises:
        ValueError: The target has no joint, or several.
    """
    model = scene.model
    if target in scene.env.regions:
        joints = [model.joint(name).id for name in scene.env.regions[target].joints]
    else:
        bodies = subtree(model, scene.body(target))
        joints = [j for j in range(model.njnt) if int(model.jnt_bodyid[j]) in bodies]
    hinges = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
    joints = [j for j in joints if model.jnt_type[j] in hinges]
    if len(joints) != 1:
        raise ValueError(f"{target} has {len(joints)} joints; a part that can be moved has one.")
    joint = int(joints[0])
    body = int(model.jnt_bodyid[joint])
    below = subtree(model, body)
    geoms = frozenset(
        g for g in range(model.ngeom) if int(model.geom_bodyid[g]) in below and is_solid(model, g)
    )
    lower, upper = (float(limit) for limit in model.jnt_range[joint])
    kind = "slide"
    if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE:
        points = body_shape(model, scene.live, body, geoms).points
        axis = model.jnt_axis[joint]
        flat = points - model.jnt_pos[joint]
        flat = flat - np.outer(flat @ axis, axis)
        aside = float(np.linalg.norm(0.5 * (flat.min(axis=0) + flat.max(axis=0))))
        kind = "knob" if aside < 0.25 * float(np.ptp(flat, axis=0).max()) else "door"
    address = int(model.jnt_qposadr[joint])
    return Articulation(joint, body, address, kind, geoms, lower, upper)


def contents(scene: Scene, part: Articulation) -> list[str]:
    """Objects that rest in or on a part and so move with it."""
    moving = subtree(scene.model, part.body)
    free = mujoco.mjtJoint.mjJNT_FREE
    return [
        name
        for name in scene.env.object_bodies
        if scene.model.jnt_type[scene.model.body_jntadr[scene.body(name)]] == free
        and scene.model.body_jntnum[scene.body(name)]
        and scene.touching(name) & moving
    ]


@dataclass(frozen=True, slots=True)
class Handle:
    """What sticks out farthest on the side towards which a part opens.

    Attributes:
        centre: (3,) middle in world coordinates, in m.
        outward: (3,) unit direction in which it moves when the part opens.
        along: (3,) unit direction of its longest extent.
        width: Its extent in m across `along` and `outward`.
        depth: Its extent in m along `outward`.
    """

    centre: Array
    outward: Array
    along: Array
    width: float
    depth: float


def handle(scene: Scene, part: Articulation) -> Handle:
    """The handle of a drawer or door."""

    pieces = part.shape(scene).parts
    outward = _outward(scene, part, pieces)
    bar = max(pieces, key=lambda piece: float((piece.points @ outward).max())).points
    middle = 0.5 * (bar.min(axis=0) + bar.max(axis=0))
    along = np.linalg.svd(bar - bar.mean(axis=0), full_matrices=False)[2][0]
    along = along - outward * float(along @ outward)
    along = along / float(np.linalg.norm(along))
    across = np.cross(outward, along)
    return Handle(middle, outward, along, float(np.ptp(bar @ across)), float(np.ptp(bar @ outward)))


def _outward(scene: Scene, part: Articulation, pieces: tuple[Part, ...]) -> Array:
    """(3,) unit direction that the front of a drawer or door faces."""
    sign = float(np.sign(part.lower + part.upper))
    axis = scene.live.xaxis[part.joint].copy()
    if part.kind == "slide":
        return sign * axis
    # The leaf of a door is its largest piece; its normal is the direction in which that is thin.
    leaf = max(pieces, key=lambda piece: float(np.sort(_extents(piece.points))[1:].prod())).points
    normal = np.linalg.svd(leaf - leaf.mean(axis=0), full_matrices=False)[2][2]
    opening = sign * np.cross(axis, leaf.mean(axis=0) - scene.live.xanchor[part.joint])
    return normal * float(np.sign(normal @ opening))


def _extents(points: Array) -> Array:
    """(3,) lengths in m of (N, 3) points along their principal directions."""
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    return np.ptp(points @ axes.T, axis=0)


def holds_of(scene: Scene, part: Articulation) -> list[Grasp]:
    """Ways to take hold of a part so that it can be pulled or turned."""
    if part.kind == "knob":
        shape = body_shape(scene.model, scene.live, part.body, part.geoms)
        found = grasps(TopDown(depth=KNOB_DEPTH), shape, part.pose(scene))
        narrowest = min(grasp.width for grasp in found)
        return [grasp for grasp in found if grasp.width < narrowest + 0.004]
    return bar_grasps(handle(scene, part))


def bar_grasps(bar: Handle) -> list[Grasp]:
    """Grasps across a bar from all sides but behind, straight on and askew."""
    side = np.cross(bar.along, bar.outward)
    found = []
    for around in np.radians(np.arange(-90.0, 91.0, 15.0)):
        approach = -np.cos(around) * bar.outward + np.sin(around) * side
        closing = np.cross(bar.along, approach)
        for askew in np.radians((0.0, 20.0, -20.0, 40.0, -40.0)):
            tilted = np.cos(askew) * approach + np.sin(askew) * bar.along
            for sign in (1.0, -1.0):
                at = Pose(bar.centre, gripper_rotation(sign * closing, tilted))
                found.append(Grasp(at, bar.width, bar.width + 0.03, 0.05))
    return found


def pushes_on(scene: Scene, part: Articulation, predicate: str) -> list[Grasp]:
    """Ways to lean the closed fingers on a drawer or door so that it can be pushed.

    Args:
        scene: The scene.
        part: The part.
        predicate: `close` pushes on the handle, `open` on the inner face of a drawer's front.
    """
    bar = handle(scene, part)
    if predicate == "close":
        surfaces = [bar.centre + 0.5 * bar.depth * bar.outward]
        if part.kind == "door":
            surfaces += _leaf_points(scene, part, bar)
        return [fist for surface in surfaces for fist in _fists(surface, -bar.outward)]
    inner = _inner_face(scene, part, bar)
    return [] if inner is None else _fists(inner, bar.outward)


def _leaf_points(scene: Scene, part: Articulation, bar: Handle) -> list[Array]:
    """(3,) points on the outer face of a door's leaf, between its handle and its hinge."""
    anchor, axis = scene.live.xanchor[part.joint], scene.live.xaxis[part.joint]
    pieces = part.shape(scene).parts
    leaf = max(pieces, key=lambda piece: float(np.sort(_extents(piece.points))[1:].prod())).points
    face = float((leaf @ bar.outward).max())
    found = []
    for share in (0.8, 0.65):
        point = anchor + share * (bar.centre - anchor)
        for up in (0.25, 0.0):
            at = point + up * float(np.ptp(leaf @ axis)) * axis
            found.append(at + (face - float(at @ bar.outward)) * bar.outward)
    return found


def _inner_face(scene: Scene, part: Articulation, bar: Handle) -> Array | None:
    """(3,) point on the inside of a drawer's front, a little below its edge; None if not open."""
    points = part.shape(scene).points
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    behind = bar.centre + (middle - bar.centre) @ bar.outward * bar.outward
    behind[2] = float(points[:, 2].max()) - INNER_DEPTH
    distances = [
        mujoco.mju_rayGeom(
            scene.live.geom_xpos[geom],
            scene.live.geom_xmat[geom],
            scene.model.geom_size[geom],
            behind,
            bar.outward,
            int(scene.model.geom_type[geom]),
        )
        for geom in part.geoms
        if scene.model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_MESH
    ]
    met = [distance for distance in distances if distance > 0.0]
    return behind + min(met) * bar.outward if met else None


def _fists(surface: Array, push: Array) -> list[Grasp]:
    """Closed fingers just off a (3,) point of a surface, at all slants from level to upright."""
    down = np.array([0.0, 0.0, -1.0])
    found = []
    for slant in np.radians(np.arange(0.0, 91.0, 15.0)):
        approach = np.cos(slant) * push + np.sin(slant) * down
        for yaw in np.radians((0.0, 30.0, -30.0)):
            turn = rotation_matrix(yaw * down)
            for closing in (np.cross(push, down), -np.cross(push, down)):
                rotation = gripper_rotation(turn @ closing, turn @ approach)
                reach = float((FIST @ rotation.T @ push).max())
                at = Pose(surface - (reach + 0.002) * push, rotation)
                found.append(Grasp(at, 0.0, 0.0, 0.06))
    return found
