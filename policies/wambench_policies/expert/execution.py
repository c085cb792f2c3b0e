"""Runs a plan in a scene: one generator of actions per episode."""

from __future__ import annotations

import logging
from collections.abc import Generator

import numpy as np

from wambench_policies.expert.geometry import Array
from wambench_policies.expert.grasps import GRASPS
from wambench_policies.expert.placement import find_spot
from wambench_policies.expert.plan import PickAndPlace, Plan
from wambench_policies.expert.planning import Planner
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.skills import (
    CLOSE,
    OPEN,
    Skill,
    fingers,
    grasp,
    lift,
    opened_to,
    place,
    reach,
    transit,
)

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often one step is tried before it is given up."""
LIFT = 0.05
"""Height in m of the test lift."""
RETRY_SHIFT = 3
"""How many candidates further down the list each retry starts: neighbours fail alike."""


def execute(scene: Scene, plan: Plan) -> Generator[Array, None, None]:
    """Actions of a whole episode; holds still when the plan is done or has been given up."""
    for round_ in range(3):
        for step in plan:
            done = yield from pick_and_place(scene, step)
            log.debug("round %d %s: %s", round_, step, "done" if done else "given up")
    while True:
        yield np.zeros(7)


def pick_and_place(scene: Scene, step: PickAndPlace) -> Skill:
    """Picks an object up and puts it down, trying again with another grasp when it slips."""
    spec = GRASPS[scene.env.categories[step.object]]
    for attempt in range(ATTEMPTS):
        planner = Planner(scene)
        spot = find_spot(scene, step.object, step.relation, step.target)
        plans = planner.pick_plans(step.object, spec, spot)
        if not plans:
            log.debug("no grasp of %s that can also be put down", step.object)
            plans = planner.pick_plans(step.object, spec, None)
        if not plans:
            log.debug("no grasp of %s", step.object)
            yield np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0, OPEN])
            continue
        pick = plans[min(attempt * RETRY_SHIFT, len(plans) - 1)]
        shape = opened_to(scene, pick.grasp.opening)
        yield from transit(scene, planner.transit(pick.above), shape)
        arrived = yield from reach(scene, pick.grasp.pose, shape)
        if not arrived:
            log.debug("attempt %d: approach of %s stalled", attempt, step.object)
        yield from grasp(scene, scene.grip())
        lifted = yield from lift(scene, step.object, LIFT)
        if lifted and (yield from _carry_and_place(scene, step)):
            return True
        log.debug("attempt %d: %s", attempt, "not placed" if lifted else "lift failed")
        yield from _let_go(scene)
    return False


def _carry_and_place(scene: Scene, step: PickAndPlace) -> Skill:
    planner = Planner(scene)
    in_hand = scene.grip().inverse() @ scene.pose(step.object)
    spot = find_spot(scene, step.object, step.relation, step.target)
    options = planner.place_plans(step.object, in_hand, spot, planner.q_now)
    put = next(options, None)
    if put is None:
        log.debug("no way to put %s down", step.object)
        return False
    yield from transit(scene, planner.transit(put.above, step.object, in_hand), fingers(CLOSE))
    slipped = (scene.grip().inverse() @ scene.pose(step.object)).position - in_hand.position
    if float(np.linalg.norm(slipped)) > 0.05:
        log.debug("%s was lost on the way", step.object)
        return False
    return (yield from place(scene, step.object, put.down, spot.xy))


def _let_go(scene: Scene) -> Skill:
    """Opens the hand and rises a little, before another attempt."""
    for _ in range(6):
        yield np.array([0.0, 0.0, 0.6, 0.0, 0.0, 0.0, OPEN])
    return True
