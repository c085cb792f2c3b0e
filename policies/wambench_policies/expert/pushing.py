"""Moving flat dishes over what they stand on, pushed from behind by the two open fingertips.

Two points of contact on a round edge are a cradle: the dish comes back into it by itself, so the
hand only has to move as the dish should. (A rim as flat as a plate's cannot be pinched, and
fingertips inside it climb out.)
"""

from __future__ import annotations

import logging
from itertools import product

import numpy as np

from wambench_policies.expert.geometry import Array, Pose, about_z, gripper_rotation
from wambench_policies.expert.grasps import MAX_OPENING, TIP_REACH
from wambench_policies.expert.motion import servo
from wambench_policies.expert.placement import region_centre
from wambench_policies.expert.planning import Planner
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.skills import OPEN, Skill, fingers, reach, retreat, travel

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often the hand is put behind the dish again when it was lost."""
TILTS = (0.0, 0.25, 0.5, 0.75)
"""Angles in rad by which the hand leans over the dish, where it has no room behind it."""
ASIDE = (0.0, 0.15, -0.15, 0.3, -0.3)
"""Angles in rad between the way to the goal and the axis of the cradle; it holds up to 0.6."""
STAND_OFF = 0.018
"""Distance in m between the fingertips and the edge of the dish before they move up to it."""
TIP_HEIGHT = 0.004
"""Height in m of the fingertips above what the dish stands on."""
ABOVE = 0.08
"""Height in m from which the hand goes down behind the dish."""
NEAR = 0.008
"""Distance in m from the middle of the target at which the dish is there."""
LOST = 0.05
"""Distance in m by which the dish may be off the middle of the cradle before it counts as lost."""
MOST_STEPS = 120
"""Control steps of one push."""


def push(scene: Scene, name: str, target: str) -> Skill:
    """Moves a round dish along its support until its origin is in the middle of a region.

    Args:
        scene: The scene.
        name: The dish.
        target: A region of the support.

    Returns:
        Whether it got there.
    """
    goal = region_centre(scene, target)[:2]
    for attempt in range(ATTEMPTS):
        planner = Planner(scene)
        behind = _behind(scene, planner, name, goal)
        if behind is None:
            log.debug("attempt %d: no room behind %s", attempt, name)
            return False
        above = behind.shifted(np.array([0.0, 0.0, ABOVE]))
        yield from travel(scene, above, fingers(OPEN))
        yield from reach(scene, behind, fingers(OPEN))
        pushed = yield from drive(scene, name, goal)
        yield from retreat(scene, ABOVE)
        if pushed:
            return True
        log.debug("attempt %d: %s was lost on the way", attempt, name)
    return False


def drive(scene: Scene, name: str, goal: Array) -> Skill:
    """Moves the hand so that the dish in front of its open fingers goes to a place.

    Args:
        scene: The scene.
        name: The dish.
        goal: (2,) world x and y in m for its origin.

    Returns:
        Whether it got there; not, when it left the cradle or time ran out.
    """
    start = scene.grip()
    across = start.rotation[:2, 0]
    apart = float(np.linalg.norm(start.position[:2] - scene.pose(name).position[:2]))
    for _ in range(MOST_STEPS):
        here, at = scene.grip(), scene.pose(name).position[:2]
        left = goal - at
        lateral = float((at - here.position[:2]) @ across)
        if float(np.linalg.norm(left)) < NEAR:
            return True
        ahead = float(np.linalg.norm(here.position[:2] - at)) - apart
        if abs(lateral) > LOST or abs(ahead) > LOST:
            return False
        # Following the dish sideways keeps it in the middle of the cradle.
        aim = here.position[:2] + left + lateral * across
        # The edge of a dish slopes outwards: without a counter-force the tips ride up on it.
        low = start.position[2] - 2.0 * max(0.0, here.position[2] - start.position[2])
        goal_pose = Pose(np.append(aim, low), start.rotation)
        yield servo(here, goal_pose, OPEN, speed=0.8)
    return False


def _behind(scene: Scene, planner: Planner, name: str, goal: Array) -> Pose | None:
    """The grip pose behind a dish, seen from its goal, that takes the least turn."""
    pose = scene.pose(name)
    points = scene.shape(name).moved(pose).points
    straight = goal - pose.position[:2]
    radius = float(np.linalg.norm(points[:, :2] - pose.position[:2], axis=1).max())
    half = 0.5 * MAX_OPENING
    chord = float(np.sqrt(max(0.0, radius**2 - half**2)))
    low = float(points[:, 2].min()) + TIP_HEIGHT
    best, least = None, np.inf
    for aside, tilt, sign in product(ASIDE, TILTS, (1.0, -1.0)):
        ahead = about_z(aside) @ np.append(straight / max(1e-6, np.linalg.norm(straight)), 0.0)
        side = np.array([-ahead[1], ahead[0], 0.0])
        # Leaning over the dish, the fingers point back.
        approach = -np.sin(tilt) * ahead - np.array([0.0, 0.0, np.cos(tilt)])
        tip = np.append((pose.position - (chord + STAND_OFF) * ahead)[:2], low)
        at = Pose(tip - TIP_REACH * approach, gripper_rotation(sign * side, approach))
        cost = planner.reach_cost(at, MAX_OPENING)
        if cost is None or cost + 60.0 * tilt + 20.0 * abs(aside) >= least:
            continue
        if planner.reach_cost(at.shifted(np.array([0.0, 0.0, ABOVE])), MAX_OPENING) is not None:
            best, least = at, cost + 60.0 * tilt + 20.0 * abs(aside)
    return best
