"""From a goal to a plan: a short list of steps, and a reason where there is none.

Needs no simulator, so that a task without a plan is refused before a run starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wambench.protocol import Task
from wambench_policies.expert.grasps import GRASPS, category_of

Predicate = tuple[str, ...]

OPEN_CONTAINERS = ("basket", "wooden_tray")
"""Categories whose `contain_region` is open at the top."""
FLAT_REGIONS = ("cook_region", "top_side")
"""Regions of fixtures that something can be set down on from above."""
SURFACES = ("akita_black_bowl", "white_bowl", "plate")
"""Categories that something can be set down on (or in) from above."""
TABLES = ("floor", "main_table", "kitchen_table", "living_room_table", "study_table")
"""Workspaces of LIBERO's scenes; their regions are named after them."""


@dataclass(frozen=True, slots=True)
class PickAndPlace:
    """Pick an object up and put it where a predicate wants it.

    Attributes:
        object: Instance to pick up.
        relation: `on` or `in`.
        target: Instance or region it has to end up on or in.
    """

    object: str
    relation: str
    target: str


Step = PickAndPlace
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
    return tuple(_step(predicate) for predicate in task.goal)


def _step(predicate: Predicate) -> Step:
    relation, *arguments = predicate
    if relation not in ("on", "in"):
        raise NoPlan(f"no skill for {relation}({', '.join(arguments)})")
    name, target = arguments
    if category_of(name) not in GRASPS:
        raise NoPlan(f"no grasp for {category_of(name)}")
    if not _reachable_from_above(target):
        raise NoPlan(f"no way to put anything {relation} {target}")
    return PickAndPlace(name, relation, target)


def _reachable_from_above(target: str) -> bool:
    """Whether a target is one that a straight way down leads to."""
    if category_of(target) in SURFACES:
        return True
    if target.startswith(TABLES):
        return True
    owner, _, region = re.sub(r"_\d+_", "/", target, count=1).partition("/")
    return (region == "contain_region" and owner in OPEN_CONTAINERS) or region in FLAT_REGIONS
