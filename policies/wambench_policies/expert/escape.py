"""Getting a held object out from under something before it is raised."""

from __future__ import annotations

import numpy as np

from wambench_policies.expert.geometry import Array, Pose, about_z
from wambench_policies.expert.ik import solve_ik
from wambench_policies.expert.motion import straight_path
from wambench_policies.expert.planning import HELD_OPENING, Planner
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.skills import CLOSE, Skill, fingers, follow

RISE = (0.04, 0.08, 0.12, 0.16)
"""Heights in m above the present pose at which there must be nothing in the way."""
ASIDE = (0.04, 0.08, 0.12)
"""Distances in m that are tried sideways, nearest first."""


def come_out(scene: Scene, held: str) -> Skill:
    """Moves a held object sideways where something above it bars the way up.

    Args:
        scene: The scene.
        held: The object.

    Returns:
        Whether the way up is free now; where no way out is found, nothing is done.
    """
    planner = Planner(scene)
    in_hand = scene.grip().inverse() @ scene.pose(held)
    up = [np.array([0.0, 0.0, rise]) for rise in RISE]
    if _free(planner, held, in_hand, up):
        return True
    for distance in ASIDE:
        for angle in np.arange(8) * np.pi / 4.0:
            aside = distance * about_z(angle)[:, 0]
            if _free(planner, held, in_hand, [0.5 * aside, aside, *(aside + rise for rise in up)]):
                here = scene.grip()
                path = straight_path([here, here.shifted(aside)])
                return (yield from follow(scene, path, fingers(CLOSE), distance=0.015, angle=0.2))
    return False


def _free(planner: Planner, held: str, in_hand: Pose, offsets: list[Array]) -> bool:
    """Whether hand and object can be at all (3,) offsets in m from where they are now.

    What cannot be reached counts as free: the path planner knows other ways there.
    """
    scene, q = planner.scene, planner.q_now
    for offset in offsets:
        there = solve_ik(scene.arm, planner.grip_now.shifted(offset), q, scene.rest, iterations=20)
        if not there.reached:
            continue
        if planner.collisions.hits(there.q, HELD_OPENING, held, in_hand):
            return False
        q = there.q
    return True
