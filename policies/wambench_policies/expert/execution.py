"""Runs a plan in a scene: one generator of actions per episode."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

import numpy as np

from wambench_policies.expert.articulation import articulation
from wambench_policies.expert.berths import berth_spec, find_berths
from wambench_policies.expert.drawers import drawer_spots
from wambench_policies.expert.escape import come_out
from wambench_policies.expert.geometry import Array
from wambench_policies.expert.grasps import GRASPS
from wambench_policies.expert.operating import operate
from wambench_policies.expert.ovens import put_in_oven
from wambench_policies.expert.placement import Spot, find_spots, is_there
from wambench_policies.expert.plan import (
    Operate,
    PickAndPlace,
    Plan,
    Push,
    PutIn,
    Step,
    container_of,
    describe,
)
from wambench_policies.expert.planning import PickPlan, Place, Planner
from wambench_policies.expert.pushing import push
from wambench_policies.expert.scene import Scene
from wambench_policies.expert.skills import (
    CLOSE,
    OPEN,
    Skill,
    fingers,
    grasp,
    insert,
    lift,
    opened_to,
    place,
    reach,
    retreat,
    travel,
)

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often one step is tried before it is given up."""
LIFT = 0.05
"""Height in m of the test lift."""
REPAIRS = 6
"""How many steps of a finished plan are done again because their effect did not last."""
RETREAT = 0.07
"""Distance in m by which the hand draws back from what it has put down."""
LOST = 0.05
"""Distance in m that an object may move in the hand before it counts as dropped."""
RETRY_SHIFT = 3
"""How many candidates further down the list each retry starts: neighbours fail alike."""


def execute(
    scene: Scene, plan: Plan, say: Callable[[str], None] = lambda _: None
) -> Generator[Array, None, None]:
    """Actions of a whole episode; holds still when the plan is done or has been given up.

    Args:
        scene: The scene.
        plan: What to do.
        say: Told every step before its first action; a step that has nothing to do has none.
    """
    for step in plan:
        say(describe(step))
        yield from perform(scene, step)
    repairs = 0
    while True:
        for step in plan:
            if repairs < REPAIRS and not looks_done(scene, step):
                repairs += 1
                log.debug("repair %d: %s", repairs, step)
                say(describe(step))
                yield from perform(scene, step)
        yield np.zeros(7)


def perform(scene: Scene, step: Step) -> Skill:
    """Carries one step of a plan out."""
    match step:
        case PickAndPlace():
            return (yield from pick_and_place(scene, step))
        case PutIn():
            return (yield from put_in(scene, step))
        case Operate():
            return (yield from operate(scene, step.target, step.predicate, step.room_for))
        case Push():
            return (yield from push(scene, step.object, step.target))


def looks_done(scene: Scene, step: Step) -> bool:
    """Whether the effect of a step is there, as far as the expert can tell."""
    match step:
        case PickAndPlace():
            return is_there(scene, step.object, step.relation, step.target)
        case PutIn():
            return is_there(scene, step.object, "in", step.target)
        case Operate():
            return articulation(scene, step.target).holds(scene, step.predicate)
        case Push():
            return is_there(scene, step.object, "on", step.target)


def pick_and_place(scene: Scene, step: PickAndPlace) -> Skill:
    """Picks an object up and puts it down, trying again with another grasp when it slips."""
    for attempt in range(ATTEMPTS):
        planner = Planner(scene)
        plans = _pick_plans(scene, planner, step, 1 + attempt * RETRY_SHIFT)
        if not plans:
            log.debug("attempt %d: no grasp of %s", attempt, step.object)
            yield from _let_go(scene)
            if attempt > 0:
                return False  # nothing moved in between, so that nothing else will be found
            continue
        pick = plans[min(attempt * RETRY_SHIFT, len(plans) - 1)]
        shape = opened_to(scene, pick.grasp.opening)
        if pick.via is not None:
            yield from travel(scene, pick.via, shape)
            yield from reach(scene, pick.via, shape)
        yield from travel(scene, pick.above, shape)
        if not (yield from reach(scene, pick.grasp.pose, shape)):
            log.debug("attempt %d: approach of %s stalled", attempt, step.object)
        yield from grasp(scene, scene.grip())
        lifted = yield from lift(scene, step.object, LIFT)
        if lifted and (yield from _carry_and_place(scene, step)):
            return True
        log.debug("attempt %d: %s", attempt, "not placed" if lifted else "lift failed")
        yield from _let_go(scene)
    return False


def put_in(scene: Scene, step: PutIn) -> Skill:
    """Puts an object into a compartment, trying again with another grasp."""
    for attempt in range(ATTEMPTS):
        if is_there(scene, step.object, "in", step.target):
            return True
        yield from put_in_oven(scene, step.object, step.target, skip=attempt)
    return is_there(scene, step.object, "in", step.target)


def _pick_plans(scene: Scene, planner: Planner, step: PickAndPlace, wanted: int) -> list[PickPlan]:
    """Grasps that allow the object to be put down, or any grasp where none does."""
    spec = GRASPS[scene.env.categories[step.object]]
    for somewhere in _places(scene, step):
        if plans := planner.pick_plans(step.object, spec, somewhere, wanted):
            return plans
    log.debug("no grasp of %s that allows to put it down", step.object)
    return planner.pick_plans(step.object, spec, None, wanted)


def _places(scene: Scene, step: PickAndPlace) -> list[Place]:
    """Where a step may put its object, the preferred place first."""
    if berth_spec(step.target) is not None:
        return [find_berths(scene, step.object, step.target)]
    if container_of(step.target) == step.target:
        return [*drawer_spots(scene, step.object, step.target)]
    return [*find_spots(scene, step.object, step.relation, step.target, step.share)]


def _carry_and_place(scene: Scene, step: PickAndPlace) -> Skill:
    """Takes a held object to its target and puts it down."""
    yield from come_out(scene, step.object)
    planner = Planner(scene)
    in_hand = scene.grip().inverse() @ scene.pose(step.object)
    for somewhere in _places(scene, step):
        put = next(planner.put_plans(step.object, in_hand, somewhere, planner.q_now), None)
        if put is not None:
            break
    else:
        log.debug("no way to put %s down", step.object)
        return False
    yield from travel(scene, put.above, fingers(CLOSE), step.object)
    slipped = (scene.grip().inverse() @ scene.pose(step.object)).position - in_hand.position
    if float(np.linalg.norm(slipped)) > LOST:
        log.debug("%s was lost on the way", step.object)
        return False
    if put.berth is not None:
        yield from insert(scene, step.object, put.berth.entry, put.berth.goal)
    elif isinstance(somewhere, Spot):
        yield from place(scene, step.object, put.down, somewhere.xy)
    yield from retreat(scene, RETREAT)
    return True


def _let_go(scene: Scene) -> Skill:
    """Opens the hand and rises a little, before another attempt."""
    for _ in range(8):
        yield np.array([0.0, 0.0, 0.6, 0.0, 0.0, 0.0, OPEN])
    return True
