"""Where an object has to go so that `On` or `In` becomes true.

LIBERO's rules, with the source in `libero/libero/envs/predicates` and `object_states`:
`In(object, region)` wants the object's origin inside the region's box; `On(object, object)` wants
contact and the two origins within 3 cm of each other in the plane; `On(object, region)` wants the
object's origin inside the region's rectangle, and contact with the region's owner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wambench_policies.expert.geometry import Array
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.shapes import subtree

STACK_TOLERANCE = 0.03
"""Distance in m between origins within which one object is `On` another; LIBERO's `check_ontop`."""


USABLE = 0.6
"""Part of a region's half size that is aimed at besides its middle."""
APART = 0.68
"""The same for the outermost of several objects that share a region."""


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


def find_spots(
    scene: Scene, held: str, relation: str, target: str, share: tuple[int, int] = (0, 1)
) -> list[Spot]:
    """Places that satisfy a goal predicate, the middle of the target (or of its share) first.

    Args:
        scene: The scene.
        held: Object that will be put there.
        relation: `on` or `in`.
        target: Instance or region name.
        share: Which strip of a region to use, and in how many it is divided.
    """
    centre, axes, owner = _target(scene, target)
    offsets = [np.zeros(2)]
    if share[1] > 1:
        strip = APART * (2.0 * share[0] / (share[1] - 1) - 1.0)
        offsets = [np.array([along, strip]) for along in (0.0, -USABLE, USABLE)]
    elif target in scene.env.regions and relation == "on":
        offsets += [USABLE * np.array([x, y]) for x in (0, -1, 1) for y in (0, -1, 1) if x or y]
    return [_spot(scene, held, relation, centre + axes @ offset, owner) for offset in offsets]


def is_there(scene: Scene, name: str, relation: str, target: str) -> bool:
    """Whether an object already rests where a goal predicate wants it."""
    centre, axes, _ = _target(scene, target)
    offset = scene.pose(name).position - centre
    touching = scene.touching(name)
    if relation == "in":
        # LIBERO's `In` wants no contact, only the origin inside the box, which reaches 1 cm lower.
        half = np.abs(scene.region_pose(target).rotation @ scene.region_size(target))
        low = half + np.array([0.0, 0.0, 0.01])
        return bool(touching) and bool(np.all(-low < offset) and np.all(offset < half))
    if target in scene.env.object_bodies:
        near = float(np.linalg.norm(offset[:2])) < STACK_TOLERANCE and offset[2] >= 0.0
        return bool(near and touching & subtree(scene.model, scene.body(target)))
    return bool(touching) and bool(np.all(np.abs(np.linalg.solve(axes[:2], offset[:2])) < 1.0))


def region_centre(scene: Scene, target: str) -> Array:
    """(3,) world coordinates in m of the middle of a target."""
    return _target(scene, target)[0]


def _target(scene: Scene, target: str) -> tuple[Array, Array, str | None]:
    """Centre (3,), horizontal half axes (3, 2) in m and owner of a target."""
    if target in scene.env.object_bodies:
        return scene.pose(target).position, np.zeros((3, 2)), target
    pose, size = scene.region_pose(target), scene.region_size(target)
    # The two axes of the region's box that are most nearly horizontal.
    flat = np.sort(np.argsort(np.abs(pose.rotation[2]))[:2])
    return pose.position, (pose.rotation * size)[:, flat], scene.env.regions[target].parent


def _spot(scene: Scene, held: str, relation: str, centre: Array, owner: str | None) -> Spot:
    """The spot at a (3,) world point, its height found by probing with rays."""
    ignore = scene.geoms(held)
    low, high = _footprint(scene, held)
    probes = [np.zeros(2)]
    probes += [0.6 * np.array([x, y]) for x in (low[0], high[0]) for y in (low[1], high[1])]
    heights = [scene.drop_height(centre[:2] + p, centre[2] + 0.5, ignore) for p in probes]
    floor = max([h for h in heights if np.isfinite(h)], default=float(centre[2]))
    brim = floor
    if relation == "in" and owner is not None:
        floor = heights[0] if np.isfinite(heights[0]) else floor
        brim = float(scene.shape(owner).moved(scene.pose(owner)).points[:, 2].max())
    # A table is an owner in name only: nothing of it moves, and its body need not be known.
    return Spot(
        np.array(centre[:2]), floor, brim, owner if owner in scene.env.object_bodies else None
    )


def _footprint(scene: Scene, name: str) -> tuple[Array, Array]:
    """(2,) least and greatest offsets in m of the lowest 1 cm of an object from its origin."""
    pose = scene.pose(name)
    points = scene.shape(name).moved(pose).points
    foot = points[points[:, 2] < points[:, 2].min() + 0.01, :2] - pose.position[:2]
    return foot.min(axis=0), foot.max(axis=0)
