"""Where there is room in an open drawer."""

from __future__ import annotations

import numpy as np

from wambench_policies.expert.articulation import articulation
from wambench_policies.expert.geometry import Array
from wambench_policies.expert.placement import Spot
from wambench_policies.expert.scene import Scene

CELL = 0.007
"""Distance in m between the rays that look for free floor."""
WALLS = 0.03
"""How far in m beyond a region its drawer's walls are at most."""
APART = 0.03
"""Distance in m between spots that count as different."""
MOST_SPOTS = 5
"""How many spots are offered."""


def drawer_spots(scene: Scene, held: str, target: str) -> list[Spot]:
    """Free places on the floor of an open drawer, the roomiest first.

    Each is offered twice: with the hand free to go as deep as it has to, and so that its palm stays
    above the drawer's sides.

    Args:
        scene: The scene.
        held: Object that will be put there.
        target: Region of the drawer.
    """
    points, clearance, floor = _free_floor(scene, held, target)
    part = articulation(scene, target)
    brim = float(part.shape(scene).points[:, 2].max())
    chosen: list[Array] = []
    for k in np.argsort(-clearance):
        if clearance[k] <= 0.0 or len(chosen) == MOST_SPOTS:
            break
        if all(float(np.linalg.norm(points[k] - other)) > APART for other in chosen):
            chosen.append(points[k])
    return [Spot(xy, floor, top, None) for xy in chosen for top in (floor, brim)]


def has_room(scene: Scene, held: str, target: str) -> bool:
    """Whether an object fits from straight above into an open drawer."""
    _, clearance, _ = _free_floor(scene, held, target)
    points = scene.shape(held).moved(scene.pose(held)).points[:, :2]
    radius = 0.5 * float(np.ptp(points, axis=0).max())
    return bool(clearance.max(initial=0.0) > radius)


def _free_floor(scene: Scene, held: str, target: str) -> tuple[Array, Array, float]:
    """(N, 2) world points inside a drawer, their distance in m to what is not open floor, and z."""
    pose = scene.region_pose(target)
    half = np.abs(pose.rotation @ scene.region_size(target))
    # The walls are outside the region and have to be seen too.
    axes = [
        np.arange(centre - reach, centre + reach, CELL)
        for centre, reach in zip(pose.position[:2], half[:2] + WALLS, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    ignore, start = scene.geoms(held), float(pose.position[2]) + 0.5
    heights = np.array([scene.drop_height(point, start, ignore) for point in points])
    bottom = float(pose.position[2] - half[2])
    inside = np.all(np.abs(points - pose.position[:2]) < half[:2], axis=1)
    floor = float(heights.min(where=inside & (heights > bottom - 0.02), initial=np.inf))
    free = np.abs(heights - floor) < 0.008
    away = np.linalg.norm(points[:, None] - points[None, ~free], axis=-1)
    nearest = away.min(axis=1, initial=np.inf) - 0.5 * CELL
    return points[inside], np.where(free, nearest, 0.0)[inside], floor
