"""Classes of the geoms of a LIBERO scene, for label pictures.

A class is a category, so that two instances of one look alike to whoever learns from labels, and
what moves by itself within an object is a class of its own:

    akita_black_bowl    wooden_cabinet/cabinet_top    robot    gripper/leftfinger    scene/table
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco

ROBOT, GRIPPER = "robot0_", "gripper0_"
"""Prefixes that robosuite gives to the bodies of the first robot and its gripper."""


def geom_classes(
    model: Any, object_bodies: Mapping[str, str], categories: Mapping[str, str]
) -> list[str]:
    """The class of every geom.

    Args:
        model: The MuJoCo model.
        object_bodies: Instance to the name of its root body.
        categories: Instance to category.
    """
    instances = {body: instance for instance, body in object_bodies.items()}

    def name_of(body: int) -> str:
        return mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_BODY, body) or ""

    def class_of(body: int) -> str:
        part, ancestor = name_of(body), body
        while ancestor > 0 and name_of(ancestor) not in instances:
            ancestor = int(model.body_parentid[ancestor])
        if ancestor > 0:
            instance = instances[name_of(ancestor)]
            category = categories[instance]
            moves = any(model.body_jntnum[b] for b in _between(model, body, ancestor))
            return f"{category}/{part.removeprefix(f'{instance}_')}" if moves else category
        if part.startswith(ROBOT):
            return "robot"
        if part.startswith(GRIPPER):
            return f"gripper/{part.removeprefix(GRIPPER)}"
        return f"scene/{part or 'world'}"

    of_body = [class_of(body) for body in range(model.nbody)]
    return [of_body[body] for body in model.geom_bodyid]


def _between(model: Any, body: int, ancestor: int) -> list[int]:
    """A body and those above it, up to but without an ancestor."""
    found = []
    while body != ancestor:
        found.append(body)
        body = int(model.body_parentid[body])
    return found
