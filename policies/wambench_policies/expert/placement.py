"""Where an object has to go so that `On` or `In` becomes true.

LIBERO's rules, with the source in `libero/libero/envs/predicates` and `object_states`:
`In(object, region)` wants the object's origin inside the region's box; `On(object, object)` wants
contact and the two origins within 3 cm of each other in the plane; `On(object, region)` wants the
object's origin inside the region's rectangle, and contact with the region's owner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wambench_policies.expert.geometry import Array, Pose
from wambench_policies.expert.scene import Scene


@dataclass(frozen=True, slots=True)
class Spot:
    """A place for an object.

    Attributes:
        xy: (2,) world coordinates in m at which the object's origin has to come to rest.
        floor: World z in m of what it will stand on.
        brim: World z in m of the highest point of what it goes into; equal to `floor` where it is
            set down on top of something.
        owner: Object or fixture that it is put on or in, or None for a bare table.
    """

    xy: Array
    floor: float
    brim: float
    owner: str | None


def find_spot(scene: Scene, held: str, relation: str, target: str) -> Spot:
    """The place that a goal predicate asks for.

    Args:
        scene: The scene.
        held: Object that will be put there.
        relation: `on` or `in`.
        target: Instance or region name.
    """
    if target in scene.env.object_bodies:
        centre, owner = scene.pose(target).position, target
    else:
        centre, owner = scene.region_pose(target).position, scene.env.regions[target].parent
    ignore = scene.geoms(held)
    low, high = _footprint(scene, held)
    probes = [
        np.zeros(2),
        *(0.6 * np.array([x, y]) for x in (low[0], high[0]) for y in (low[1], high[1])),
    ]
    heights = [scene.drop_height(centre[:2] + p, centre[2] + 0.5, ignore) for p in probes]
    floor = max([h for h in heights if np.isfinite(h)], default=float(centre[2]))
    brim = floor
    if owner is not None and relation == "in":
        floor = heights[0] if np.isfinite(heights[0]) else floor
        brim = float(scene.shape(owner).moved(scene.pose(owner)).points[:, 2].max())
    return Spot(np.array(centre[:2]), floor, brim, owner)


def _footprint(scene: Scene, name: str) -> tuple[Array, Array]:
    """(2,) least and greatest offsets in m of the lowest 1 cm of an object from its origin."""
    pose = scene.pose(name)
    points = scene.shape(name).moved(pose).points
    foot = points[points[:, 2] < points[:, 2].min() + 0.01, :2] - pose.position[:2]
    return foot.min(axis=0), foot.max(axis=0)


def object_pose_at(spot: Spot, present: Pose, lowest: float, drop: float) -> Pose:
    """Pose of the object's origin for letting go at a spot, keeping its orientation.

    Args:
        spot: The spot.
        present: Present world pose of the object.
        lowest: How far in m its lowest point is below its origin, in this orientation.
        drop: Height in m above the floor of the spot at which it is let go.
    """
    height = spot.floor + lowest + drop
    return Pose(np.array([spot.xy[0], spot.xy[1], height]), present.rotation)
