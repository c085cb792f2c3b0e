"""Where an object goes when "set it down from above" is not enough: slots, slopes and shelves.

A placement of this kind is a *berth*: a full pose of the object and the straight way into it. What
kind a region is stands in one table, `BERTHS`; where exactly the berth lies is read from the sites
and collision geoms of the model at hand, so that the same table serves both asset sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from wambench_policies.expert.geometry import Array, Pose, about_z, rotation_matrix

if TYPE_CHECKING:  # the table is read before a run, where there is no simulator to import
    from wambench_policies.expert.scene import Scene
    from wambench_policies.expert.shapes import Shape

MARGIN = 0.01
"""How far in m inside a region's box an origin is aimed at; what is aimed at is not quite met."""
GAP = 0.004
"""Free space in m that is left to what an object will rest on when it is let go."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A compartment hardly wider than the object, entered upright from above.

    Attributes:
        clear: How far in m above the brim the way down starts.
    """

    clear: float = 0.015


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope on which the object lies lengthwise, its foot at the lower end.

    The region's z axis points up the slope, its horizontal axis runs across.

    Attributes:
        clear: How far in m off the slope the way down to it starts.
    """

    clear: float = 0.07


@dataclass(frozen=True, slots=True)
class Shelf:
    """A compartment open on one side, entered horizontally, foot first.

    Attributes:
        clear: How far in m before the opening the foot is when the way in starts.
    """

    clear: float = 0.04


BerthSpec = Slot | Slope | Shelf

BERTHS: dict[str, BerthSpec] = {
    "desk_caddy/back_contain_region": Slot(),
    "desk_caddy/front_contain_region": Slot(),
    "desk_caddy/left_contain_region": Slot(),
    "desk_caddy/right_contain_region": Slot(),
    "wine_rack/top_region": Slope(),
    "wooden_two_layer_shelf/top_region": Shelf(),
    "wooden_two_layer_shelf/bottom_region": Shelf(),
}
"""Kind of berth per region, named `<category of the owner>/<region>`."""


def berth_spec(target: str) -> BerthSpec | None:
    """The kind of berth a region is, or None where it is none."""
    return BERTHS.get(re.sub(r"_\d+_", "/", target, count=1))


@dataclass(frozen=True, slots=True)
class Berth:
    """One way to bring an object in.

    Attributes:
        goal: World pose of the object when it is let go.
        entry: World pose of the object where the straight way to the goal starts.
    """

    goal: Pose
    entry: Pose


def find_berths(scene: Scene, held: str, target: str) -> list[Berth]:
    """Berths for an object in a region, preferred ones first; the object alone fits into each.

    Args:
        scene: The scene.
        held: The object.
        target: The region.
    """
    from wambench_policies.expert.collision import CollisionTest

    test = CollisionTest(scene)
    spec = berth_spec(target)
    shape = scene.shape(held)
    match spec:
        case Slot():
            found = _slot(scene, spec, shape, held, target)
        case Slope():
            found = _slope(scene, spec, shape, held, target)
        case Shelf():
            found = _shelf(scene, spec, shape, target)
        case None:
            raise ValueError(f"{target} is no berth; BERTHS lists {', '.join(BERTHS)}")
    return [
        berth
        for berth in found
        if not test.overlaps(held, berth.goal) and not test.overlaps(held, berth.entry)
    ]


def _slot(scene: Scene, spec: Slot, shape: Shape, held: str, target: str) -> Iterator[Berth]:
    """The object upright, in line with the region, deepest first."""
    region, half = _box(scene, target)
    owner = scene.env.regions[target].parent
    assert owner is not None
    brim = float(scene.shape(owner).moved(scene.pose(owner)).points[:, 2].max())
    floor = scene.drop_height(region.position[:2], brim + 0.01, scene.geoms(held))
    bottom, top = region.position[2] - half[2], region.position[2] + half[2] - MARGIN
    heading = float(np.arctan2(region.rotation[1, 0], region.rotation[0, 0]))
    for deep, quarter in product((0.0, 0.02, 0.04, 0.06), range(4)):
        rotation = about_z(heading + quarter * np.pi / 2.0)
        points = shape.points @ rotation.T
        middle = 0.5 * (points[:, :2].min(axis=0) + points[:, :2].max(axis=0))
        inset = np.maximum(half[:2] - MARGIN, 0.0)
        xy = region.position[:2] + np.clip(-middle, -inset, inset)
        z = floor - float(points[:, 2].min()) + GAP + deep
        if not bottom < z < top:
            z = float(np.clip(z, bottom + 0.005, top))
        goal = Pose(np.array([*xy, z]), rotation)
        rise = max(0.0, brim + spec.clear - (z + float(points[:, 2].min())))
        yield Berth(goal, goal.shifted(np.array([0.0, 0.0, rise])))


def _slope(scene: Scene, spec: Slope, shape: Shape, held: str, target: str) -> Iterator[Berth]:
    """The object along the slope, at several places across and all ways round its own axis."""
    region, half = scene.region_pose(target), scene.region_size(target)
    across, _, uphill = region.rotation.T
    outward = np.cross(across, uphill)
    outward *= np.sign(outward[2])
    for share, up in product((0.5, -0.5, 0.7, -0.7), (0.03, 0.05)):
        foot = region.position + share * half[0] * across + up * uphill
        under = scene.drop_height(foot[:2], float(foot[2]) + 0.5, scene.geoms(held))
        # Where the slope is along its normal, from where it is straight below.
        depth = (float(foot[2]) - under) * float(outward[2])
        for turn in np.arange(12) * np.pi / 6.0:
            rotation = np.column_stack([across, np.cross(uphill, across), uphill])
            rotation = rotation @ about_z(turn)
            thickness = -float((shape.points @ rotation.T @ outward).min())
            goal = Pose(foot + (thickness + GAP - depth) * outward, rotation)
            yield Berth(goal, goal.shifted(spec.clear * outward))


def _shelf(scene: Scene, spec: Shelf, shape: Shape, target: str) -> Iterator[Berth]:
    """The object with its foot inside, all four ways round its own axis, deepest first.

    Its head is raised by the tilt, which keeps the hand behind it off the table.
    """
    region, half = _box(scene, target)
    owner = scene.env.regions[target].parent
    assert owner is not None
    outward = _opening(scene, region, half, scene.geoms(owner))
    sideways = np.array([-outward[1], outward[0], 0.0])
    width = float(np.abs(half) @ np.abs(outward))
    floor = scene.drop_height(region.position[:2], float(region.position[2]), frozenset())
    for depth, tilt, turn, aside in product(
        (width, 0.03), (0.25, 0.0, 0.45, 0.7), range(4), (0.0, -0.5, 0.5, 0.9, -0.9)
    ):
        upright = np.column_stack([sideways, np.cross(outward, sideways), outward])
        rotation = rotation_matrix(-tilt * sideways) @ upright @ about_z(turn * np.pi / 2.0)
        points = shape.points @ rotation.T
        foot = region.position + (width - depth) * outward
        foot = foot + aside * float(np.abs(half) @ np.abs(sideways)) * sideways
        foot[2] = floor - float(points[:, 2].min()) + GAP
        goal = Pose(foot, rotation)
        yield Berth(goal, goal.shifted((depth + spec.clear) * outward))


def _box(scene: Scene, target: str) -> tuple[Pose, Array]:
    """Pose of a region and its (3,) half sizes along the world's axes, in m."""
    pose = scene.region_pose(target)
    return pose, np.abs(pose.rotation @ scene.region_size(target))


def _opening(scene: Scene, region: Pose, half: Array, walls: frozenset[int]) -> Array:
    """(3,) horizontal direction in which a region is not closed by a wall of its owner."""
    best, farthest = np.array([1.0, 0.0, 0.0]), -1.0
    for quarter in range(4):
        direction = about_z(quarter * np.pi / 2.0)[:, 0]
        free = scene.free_way(region.position, direction, walls) - float(half @ np.abs(direction))
        if free > farthest:
            best, farthest = direction, free
    return best
