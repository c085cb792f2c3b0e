"""From a goal to a plan: a short list of steps, and a reason where there is none.

Needs no simulator, so that a task without a plan is refused before a run starts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from wambench.protocol import Task
from wambench_policies.expert.berths import berth_spec
from wambench_policies.expert.grasps import GRASPS, category_of

Predicate = tuple[str, ...]

OPEN_CONTAINERS = ("basket", "wooden_tray")
"""Categories whose `contain_region` is open at the top."""
FLAT_REGIONS = ("cook_region", "top_side")
"""Regions of fixtures that something can be set down on from above."""
SURFACES = ("akita_black_bowl", "white_bowl", "plate")
"""Categories that something can be set down on (or in) from above."""
PUSHED = ("plate",)
"""Categories that are moved over a table without being picked up."""
TABLES = ("floor", "main_table", "kitchen_table", "living_room_table", "study_table")
"""Workspaces of LIBERO's scenes; their regions are named after them."""
CABINETS = ("white_cabinet", "wooden_cabinet")
"""Categories with drawers, each of which carries a region of its own."""
DRAWERS = ("top_region", "middle_region", "bottom_region")
"""Regions inside the drawers of a cabinet."""
SWITCHED = ("flat_stove",)
"""Categories that can be turned on and off."""
DOORS = ("microwave",)
"""Categories with one door, behind which their `heating_region` is."""
MUGS = ("porcelain_mug", "red_coffee_mug", "white_yellow_mug")
"""Categories with an upright handle at the side."""


@dataclass(frozen=True, slots=True)
class PickAndPlace:
    """Pick an object up and put it where a predicate wants it.

    Attributes:
        object: Instance to pick up.
        relation: `on` or `in`.
        target: Instance or region it has to end up on or in.
        share: Which part of the target this object gets, and in how many it is divided, where
            several objects have to stand side by side on it.
    """

    object: str
    relation: str
    target: str
    share: tuple[int, int] = (0, 1)


@dataclass(frozen=True, slots=True)
class Operate:
    """Move the jointed part of a fixture until a predicate holds; nothing to do where it does.

    Attributes:
        target: Region of a drawer, or fixture with a single joint.
        predicate: `open`, `close`, `turnon` or `turnoff`.
        room_for: Object that will be put in; a drawer is opened further where it does not fit.
    """

    target: str
    predicate: str
    room_for: str | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """Move an object along what it stands on, into a region.

    Attributes:
        object: Instance to move.
        target: Region it has to end up in.
    """

    object: str
    target: str


@dataclass(frozen=True, slots=True)
class PutIn:
    """Take an object by its handle and put it into a compartment that is open to one side.

    Attributes:
        object: Instance to pick up.
        target: Region inside the compartment.
    """

    object: str
    target: str


Step = PickAndPlace | Push | PutIn | Operate
Plan = tuple[Step, ...]


class NoPlan(Exception):
    """There is no plan for a goal; the message says what is missing."""


def plan_for(task: Task) -> Plan:
    """The plan that makes all goal predicates of a task true.

    Raises:
        NoPlan: With what is missing.
    """
    if not task.goal:
        raise NoPlan("the task has no symbolic goal")
    steps = _divided([_step(predicate) for predicate in task.goal])
    placed = [step for step in steps if isinstance(step, PickAndPlace | Push | PutIn)]
    operated = [step for step in steps if isinstance(step, Operate)]
    filled = {container_of(step.target) for step in placed} - {None}
    shut = [step for step in operated if step.predicate == "close"]
    # What stands open is in the way of other parts, so it is shut first, unless it has to be
    # filled; what has to be filled is opened, whether or not the goal says so.
    order: list[Step] = [step for step in shut if step.target not in filled]
    order += [step for step in operated if step.predicate != "close"]
    for step in placed:
        opened = container_of(step.target)
        if opened is not None:
            order.append(Operate(opened, "open", room_for=step.object))
        order.append(step)
    return (*order, *(step for step in shut if step.target in filled))


def describe(step: Step) -> str:
    """A step in words, different for every step of a plan."""
    match step:
        case PickAndPlace():
            return f"put {step.object} {step.relation} {step.target}"
        case PutIn():
            return f"put {step.object} in {step.target}"
        case Push():
            return f"push {step.object} to {step.target}"
        case Operate():
            return f"{step.predicate} {step.target}"


def container_of(target: str) -> str | None:
    """What has to be open for something to be put into a region, or None."""
    owner, region = _owner_and_region(target)
    if owner in CABINETS and region in DRAWERS:
        return target
    if owner in DOORS and region == "heating_region":
        return target.removesuffix("_heating_region")
    return None


def _divided(steps: Iterable[Step]) -> list[Step]:
    """The steps, with targets that several objects are set down on divided among them."""
    steps = list(steps)
    shared = [s for s in steps if isinstance(s, PickAndPlace) and s.relation == "on"]
    wanted = Counter(step.target for step in shared)
    given: Counter[str] = Counter()
    divided: list[Step] = []
    for step in steps:
        if isinstance(step, PickAndPlace) and step in shared and wanted[step.target] > 1:
            step = replace(step, share=(given[step.target], wanted[step.target]))
            given[step.target] += 1
        divided.append(step)
    return divided


def _step(predicate: Predicate) -> Step:
    relation, *arguments = predicate
    if relation in ("open", "close", "turnon", "turnoff"):
        (target,) = arguments
        if not _can_be(relation, target):
            raise NoPlan(f"no skill for {relation}({target})")
        return Operate(target, relation)
    if relation not in ("on", "in"):
        raise NoPlan(f"no skill for {relation}({', '.join(arguments)})")
    name, target = arguments
    if category_of(name) in PUSHED and relation == "on" and target.startswith(TABLES):
        return Push(name, target)
    if category_of(name) not in GRASPS:
        raise NoPlan(f"no grasp for {category_of(name)}")
    opened = container_of(target)
    if opened is not None and opened != target:
        if category_of(name) not in MUGS:
            raise NoPlan(f"no handle on {category_of(name)} to put it in {target} by")
        return PutIn(name, target)
    if not (_reachable_from_above(target) or opened or berth_spec(target)):
        raise NoPlan(f"no way to put anything {relation} {target}")
    return PickAndPlace(name, relation, target)


def _reachable_from_above(target: str) -> bool:
    """Whether a target is one that a straight way down leads to."""
    if category_of(target) in SURFACES:
        return True
    if target.startswith(TABLES):
        return True
    owner, region = _owner_and_region(target)
    return (region == "contain_region" and owner in OPEN_CONTAINERS) or region in FLAT_REGIONS


def _can_be(relation: str, target: str) -> bool:
    """Whether a target is something that can be opened and closed, or turned on and off."""
    if relation in ("turnon", "turnoff"):
        return category_of(target) in SWITCHED
    return category_of(target) in DOORS or container_of(target) == target


def _owner_and_region(target: str) -> tuple[str, str]:
    """Category of the owner and bare name of a region, for example of `basket_1_contain_region`."""
    owner, _, region = re.sub(r"_\d+_", "/", target, count=1).partition("/")
    return owner, region
