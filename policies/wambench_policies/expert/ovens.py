"""Putting a thing with a handle into a compartment that is open to one side only.

The hand takes the handle level, as a person does, and stays outside: an oven is too low for a hand
above what it holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import mujoco
import numpy as np

from wambench_policies.expert.articulation import Handle, articulation, bar_grasps
from wambench_policies.expert.collision import CollisionTest
from wambench_policies.expert.geometry import Array, Pose, about_z, angle_between
from wambench_policies.expert.grasps import Grasp
from wambench_policies.expert.ik import solve_ik
from wambench_policies.expert.motion import Path, straight_path
from wambench_policies.expert.operating import way_to
from wambench_policies.expert.planning import (
    HELD_OPENING,
    RADIANS_PER_STEP,
    SWING,
    Planner,
    discomfort,
)
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.skills import (
    CLOSE,
    OPEN,
    Skill,
    fingers,
    follow,
    grasp,
    lift,
    opened_to,
    reach,
    release,
    retreat,
    transit,
    travel,
)

log = logging.getLogger(__name__)

LIFT = 0.05
"""Height in m of the test lift."""
GAP = 0.006
"""Height in m above the floor of the compartment at which the object is let go."""
PROUD = 0.005
"""How far in m what is put in may stick out of the region."""
RUN_UP = 0.05
"""Distance in m before the opening at which the straight way in starts."""
OFF_HANDLE = 0.045
"""Distance in m along the fingers in which they come clear of a handle."""
BACK_OFF = 0.12
"""Distance in m by which the hand draws back afterwards."""
DOOR_MARGIN = 0.1
"""Angle in rad by which the door may stand further shut than it does without being touched."""
TURNS = (0.0, 0.4, -0.4, 0.8, -0.8, 1.2, -1.2)
"""Turns in rad about the vertical that are tried, so that the arm keeps clear of the door."""
LIMIT_MARGIN = 0.08
"""Distance in rad that every joint keeps from its limits, where a wrist cannot turn along."""
CHOICES = 3
"""How many feasible grasps are compared before the cheapest is taken; bounds planning time."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """How to take an object and bring it in.

    Attributes:
        grasp: How it is held.
        above: World pose of the grip site before the approach.
        path: Way from the present pose to `above`.
        entry: World pose of the object before the opening.
        goal: World pose of the object inside.
        cost: In control steps; lower is better.
    """

    grasp: Grasp
    above: Pose
    path: Path
    entry: Pose
    goal: Pose
    cost: float


def put_in_oven(scene: Scene, name: str, target: str, skip: int = 0) -> Skill:
    """Takes an object by its handle and puts it into a compartment that is open to one side.

    Args:
        scene: The scene.
        name: The object.
        target: Region inside the compartment.
        skip: How many of the cheapest ways to leave out, because they have failed.

    Returns:
        Whether it was brought all the way in.
    """
    found: list[Insertion] = []
    for insertion in _insertions(scene, name, target):
        found.append(insertion)
        if len(found) >= CHOICES + skip:
            break
    if not found:
        log.debug("no way to put %s into %s", name, target)
        return False
    found.sort(key=lambda insertion: insertion.cost)
    chosen = found[skip % len(found)]
    shape = opened_to(scene, chosen.grasp.opening)
    yield from transit(scene, chosen.path, shape)
    yield from reach(scene, chosen.grasp.pose, shape)
    yield from grasp(scene, scene.grip())
    if not (yield from lift(scene, name, LIFT)):
        yield from release(scene, scene.grip())
        yield from retreat(scene, BACK_OFF)
        return False
    in_hand = scene.grip().inverse() @ scene.pose(name)
    yield from travel(scene, chosen.entry @ in_hand.inverse(), fingers(CLOSE), name)
    for pose in (chosen.entry, chosen.goal):
        in_hand = scene.grip().inverse() @ scene.pose(name)
        path = straight_path([scene.grip(), pose @ in_hand.inverse()])
        inside = yield from follow(scene, path, fingers(CLOSE), 0.008, 0.1, speed=0.7)
    yield from release(scene, scene.grip())
    # Off the handle along the fingers, then straight out: the way back must not meet the door.
    yield from retreat(scene, OFF_HANDLE)
    here = scene.grip()
    out = straight_path([here, here.shifted(BACK_OFF * opening_of(scene, target))])
    yield from follow(scene, out, fingers(OPEN), distance=0.02, angle=0.5)
    return inside


def object_handle(scene: Scene, name: str) -> Handle:
    """The handle of a standing object: what is farthest to one side."""
    shape = scene.shape(name).moved(scene.pose(name))
    low, high = shape.points.min(axis=0), shape.points.max(axis=0)
    body = np.median([0.5 * (p.points.min(axis=0) + p.points.max(axis=0)) for p in shape.parts], 0)

    def distance(points: Array) -> float:
        return float(np.linalg.norm((points - body)[:, :2], axis=1).max())

    bar = max(shape.parts, key=lambda part: distance(part.points)).points
    middle = 0.5 * (bar.min(axis=0) + bar.max(axis=0))
    outward = (middle - body) * np.array([1.0, 1.0, 0.0])
    outward = outward / float(np.linalg.norm(outward))
    up = np.array([0.0, 0.0, 1.0])
    middle[2] = np.clip(middle[2], low[2], high[2])
    across = np.cross(outward, up)
    return Handle(middle, outward, up, float(np.ptp(bar @ across)), float(np.ptp(bar @ outward)))


def opening_of(scene: Scene, target: str) -> Array:
    """(3,) horizontal direction in which a region is not shut in by its owner's fixed walls."""
    rotation = scene.region_pose(target).rotation
    axes = [sign * rotation[:, k] for k in range(3) for sign in (1.0, -1.0)]
    level = [axis for axis in axes if abs(axis[2]) < 0.5]
    return max(level, key=lambda axis: _free_way(scene, target, axis))


def _free_way(scene: Scene, target: str, direction: Array) -> float:
    """Distance in m from the middle of a region to a fixed wall of its owner; inf for none."""
    model, start = scene.model, scene.region_pose(target).position
    owner = scene.env.regions[target].parent
    assert owner is not None
    met = [
        mujoco.mju_rayGeom(
            scene.live.geom_xpos[geom],
            scene.live.geom_xmat[geom],
            model.geom_size[geom],
            start,
            direction,
            int(model.geom_type[geom]),
        )
        for geom in scene.geoms(owner)
        if not model.body_jntnum[model.geom_bodyid[geom]]
    ]
    return min((way for way in met if way >= 0.0), default=np.inf)


def _goals(scene: Scene, name: str, target: str) -> Iterator[tuple[Pose, Pose]]:
    """World poses of the object inside and before the opening, as little turned as possible."""
    outward = opening_of(scene, target)
    sideways = np.cross(outward, np.array([0.0, 0.0, 1.0]))
    region, present = scene.region_pose(target), scene.pose(name)
    half = np.abs(region.rotation @ scene.region_size(target))
    floor = scene.drop_height(region.position[:2], float(region.position[2]), scene.geoms(name))
    # The middle between the walls, as far as the object's origin may be there.
    middle = 0.5 * (_free_way(scene, target, sideways) - _free_way(scene, target, -sideways))
    widest = float(half @ np.abs(sideways)) - 0.02
    for yaw, aside in product(TURNS, (0.0, 0.02, -0.02)):
        rotation = about_z(yaw) @ present.rotation
        points = scene.shape(name).points @ rotation.T
        front = float(half @ np.abs(outward)) + PROUD
        depth = front - float((points @ outward).max())
        at = region.position + depth * outward
        at = at + float(np.clip(middle + aside, -widest, widest)) * sideways
        at[2] = floor - float(points[:, 2].min()) + GAP
        goal = Pose(at, rotation)
        run = RUN_UP + front - depth - float((points @ outward).min())
        yield goal, goal.shifted(run * outward)


def _insertions(scene: Scene, name: str, target: str) -> Iterator[Insertion]:
    """Feasible ways, roughly cheapest first."""
    planner, present = Planner(scene), scene.pose(name)
    owner = scene.env.regions[target].parent
    assert owner is not None
    goals = list(_goals(scene, name, target))
    candidates = bar_grasps(object_handle(scene, name))
    now = planner.grip_now.rotation

    # Besides as it stands, the door is tried a little further shut: it must not be brushed.
    door = articulation(scene, owner)
    nearer = CollisionTest(scene)
    nearer.qpos[door.qpos] += DOOR_MARGIN * door.sense("close")

    def test(pose: Pose, q: Array, opening: float, in_hand: Pose | None = None) -> Array | None:
        solution = solve_ik(scene.arm, pose, q, scene.rest)
        held = None if in_hand is None else name
        if not solution.reached or solution.margin < LIMIT_MARGIN:
            return None
        if planner.collisions.hits(solution.q, opening, held, in_hand):
            return None
        if held is not None and nearer.hits(solution.q, opening, held, in_hand):
            return None
        return solution.q

    for candidate in sorted(candidates, key=lambda c: angle_between(now, c.pose.rotation)):
        above = candidate.pose.back(candidate.retreat)
        high = test(above, planner.q_now, candidate.opening)
        low = None if high is None else test(candidate.pose, high, candidate.opening)
        if high is None or low is None:
            continue
        in_hand = candidate.pose.inverse() @ present
        for goal, entry in goals:
            before = test(entry @ in_hand.inverse(), low, HELD_OPENING, in_hand)
            if before is None:
                continue
            inside = test(goal @ in_hand.inverse(), before, HELD_OPENING, in_hand)
            if inside is None or float(np.max(np.abs(inside - before))) > SWING:
                continue
            path = way_to(planner, above, high, candidate.opening)
            if path is None:
                break
            cost = angle_between(now, candidate.pose.rotation) / RADIANS_PER_STEP
            for q in (high, low, before, inside):
                solution = solve_ik(scene.arm, scene.arm.forward(q), q, scene.rest, iterations=1)
                cost += discomfort(solution)
            yield Insertion(candidate, above, path, entry, goal, cost)
            break
