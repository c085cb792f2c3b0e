"""Drawers, doors and knobs: plans that open, fill and close them, and skills that move them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("libero", reason="LIBERO is not installed in this environment")

from wambench.env import BenchmarkEnv
from wambench.protocol import Policy, Task
from wambench_policies.expert import Expert
from wambench_policies.expert.articulation import articulation, handle, holds_of
from wambench_policies.expert.collision import CollisionTest
from wambench_policies.expert.ik import solve_ik
from wambench_policies.expert.operating import choose_contact
from wambench_policies.expert.plan import NoPlan, Operate, PickAndPlace, PutIn, plan_for
from wambench_policies.expert.scene import Scene

Started = Callable[[str, int], BenchmarkEnv]
Rollout = Callable[[Policy, BenchmarkEnv, int], tuple[bool, np.ndarray]]

TOP, BOTTOM = "white_cabinet_1_top_region", "white_cabinet_1_bottom_region"
BOWL = "akita_black_bowl_1"


def task(*goal: tuple[str, ...]) -> Task:
    return Task("libero_long", 0, "task", "", 100, goal=goal)


# ---- plans, without a simulator ----------------------------------------------------------------


def test_a_drawer_is_opened_before_it_is_filled_and_closed_after() -> None:
    plan = plan_for(task(("close", BOTTOM), ("in", BOWL, BOTTOM)))
    assert plan == (
        Operate(BOTTOM, "open", room_for=BOWL),
        PickAndPlace(BOWL, "in", BOTTOM),
        Operate(BOTTOM, "close"),
    )


def test_what_stands_open_is_shut_before_something_else_is_opened() -> None:
    plan = plan_for(task(("open", TOP), ("close", BOTTOM)))
    assert plan == (Operate(BOTTOM, "close"), Operate(TOP, "open"))


def test_a_mug_goes_into_the_microwave_between_opening_and_closing_it() -> None:
    region = "microwave_1_heating_region"
    plan = plan_for(task(("in", "white_yellow_mug_1", region), ("close", "microwave_1")))
    assert plan == (
        Operate("microwave_1", "open", room_for="white_yellow_mug_1"),
        PutIn("white_yellow_mug_1", region),
        Operate("microwave_1", "close"),
    )
    with pytest.raises(NoPlan, match="no handle on butter"):
        plan_for(task(("in", "butter_1", region)))


def test_the_stove_is_turned_on_before_anything_stands_on_it() -> None:
    on_stove = ("on", BOWL, "flat_stove_1_cook_region")
    plan = plan_for(task(on_stove, ("turnon", "flat_stove_1")))
    assert plan == (Operate("flat_stove_1", "turnon"), PickAndPlace(BOWL, "on", on_stove[2]))


# ---- what the model says about a part -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "index", "target", "kind"),
    [
        ("libero_goal", 0, "wooden_cabinet_1_middle_region", "slide"),
        ("libero_goal", 7, "flat_stove_1", "knob"),
        ("libero_90", 35, "microwave_1", "door"),
    ],
)
def test_the_kind_of_a_part_follows_from_its_joint_and_shape(
    started: Started, name: str, index: int, target: str, kind: str
) -> None:
    scene = Scene(started(name, index))
    part = articulation(scene, target)
    assert part.kind == kind
    wanted = "turnon" if kind == "knob" else "open"
    assert not part.holds(scene, wanted)
    change = part.goal(wanted) - part.value(scene)
    assert part.lower < part.value(scene) + change < part.upper


@pytest.mark.parametrize(
    ("name", "index", "target"),
    [
        ("libero_goal", 0, "wooden_cabinet_1_middle_region"),
        ("libero_90", 35, "microwave_1"),
    ],
)
def test_the_handle_is_a_bar_in_front_of_the_part_that_the_hand_can_close_on(
    started: Started, name: str, index: int, target: str
) -> None:
    scene = Scene(started(name, index))
    part = articulation(scene, target)
    bar = handle(scene, part)
    points = part.shape(scene).points
    assert bar.centre @ bar.outward > np.median(points @ bar.outward)
    assert bar.width < 0.03
    moved = part.motion(scene, 0.1 * (part.lower + part.upper)).apply(bar.centre[None])[0]
    assert (moved - bar.centre) @ bar.outward > 0.0, "it moves outward when the part opens"


def test_a_joints_motion_is_what_the_simulator_does_with_it(started: Started) -> None:
    for name, index, target in (
        ("libero_goal", 0, "wooden_cabinet_1_top_region"),
        ("libero_90", 35, "microwave_1"),
        ("libero_goal", 7, "flat_stove_1"),
    ):
        scene = Scene(started(name, index))
        part = articulation(scene, target)
        scene.sync()
        change = 0.3 * (part.lower + part.upper)
        predicted = part.motion(scene, change) @ part.pose(scene)
        scene.scratch.qpos[part.qpos] += change
        scene.arm.forward(scene.rest)
        np.testing.assert_allclose(scene.scratch.xpos[part.body], predicted.position, atol=1e-4)
        there = scene.scratch.xmat[part.body].reshape(3, 3)
        np.testing.assert_allclose(there, predicted.rotation, atol=1e-4)


def test_a_region_without_a_joint_is_refused(started: Started) -> None:
    scene = Scene(started("libero_goal", 0))
    with pytest.raises(ValueError, match="wooden_cabinet_1 has 3 joints"):
        articulation(scene, "wooden_cabinet_1")


def test_a_chosen_contact_is_free_of_collisions_where_the_hand_starts_to_pull(
    started: Started,
) -> None:
    scene = Scene(started("libero_goal", 0))
    part = articulation(scene, "wooden_cabinet_1_middle_region")
    contact = choose_contact(scene, part, "open", part.goal("open"))
    assert contact is not None
    assert contact.held
    assert any(
        np.allclose(contact.grasp.pose.position, g.pose.position) for g in holds_of(scene, part)
    )
    q = solve_ik(scene.arm, contact.grasp.pose, scene.rest).q
    assert not CollisionTest(scene).hits(q, contact.grasp.opening)


# ---- rollouts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "index", "steps"),
    [
        ("libero_goal", 0, 120),  # pull a drawer open
        ("libero_goal", 7, 120),  # turn a knob on
        ("libero_90", 39, 200),  # and off
        ("libero_90", 0, 120),  # push a drawer shut
        ("libero_goal", 3, 260),  # open a drawer, and take a bowl from under it into it
        ("libero_long", 3, 260),  # make room in a drawer, fill it, push it shut
    ],
)
def test_the_expert_moves_a_fixture(
    started: Started, rollout: Rollout, name: str, index: int, steps: int
) -> None:
    env = started(name, index)
    solved, actions = rollout(Expert(env.suite_spec), env, 2)
    assert solved
    assert len(actions) < steps
    assert np.abs(actions).max() <= 1.0
