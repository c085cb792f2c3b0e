"""Berths (slots, slopes, shelves), handles, shared targets and pushing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("libero", reason="LIBERO is not installed in this environment")

import mujoco

from wambench.env import BenchmarkEnv
from wambench.protocol import Policy, Suite
from wambench_policies.expert import Expert
from wambench_policies.expert.berths import BERTHS, GAP, berth_spec, find_berths
from wambench_policies.expert.collision import CollisionTest
from wambench_policies.expert.geometry import Pose, about_z
from wambench_policies.expert.grasps import GRASPS, MAX_OPENING, grasps
from wambench_policies.expert.placement import find_spots
from wambench_policies.expert.plan import PickAndPlace, Push, plan_for
from wambench_policies.expert.planning import Planner
from wambench_policies.expert.scene import Scene

Started = Callable[[str, int], BenchmarkEnv]
Suites = Callable[[str], Suite]
Rollout = Callable[[Policy, BenchmarkEnv, int], tuple[bool, np.ndarray]]

BOOK, BACK = "black_book_1", "desk_caddy_1_back_contain_region"
BOTTLE, RACK = "wine_bottle_1", "wine_rack_1_top_region"


@pytest.fixture(scope="module")
def desk(started: Started) -> BenchmarkEnv:
    return started("libero_long", 5)


@pytest.fixture(scope="module")
def table(started: Started) -> BenchmarkEnv:
    return started("libero_goal", 9)


def test_a_region_is_a_berth_whatever_the_number_of_its_owner() -> None:
    assert berth_spec(BACK) is BERTHS["desk_caddy/back_contain_region"]
    assert berth_spec("desk_caddy_2_back_contain_region") is berth_spec(BACK)
    assert berth_spec("basket_1_contain_region") is None
    assert berth_spec("main_table_stove_front_region") is None


@pytest.mark.parametrize("compartment", ["back", "front", "left", "right"])
def test_a_book_is_aimed_into_a_compartment_upright_and_without_touching_its_walls(
    desk: BenchmarkEnv, compartment: str
) -> None:
    scene = Scene(desk)
    region = f"desk_caddy_1_{compartment}_contain_region"
    centre = scene.region_pose(region).position
    half = np.abs(scene.region_pose(region).rotation @ scene.region_size(region))
    found = find_berths(scene, BOOK, region)
    assert found
    for berth in found:
        assert (np.abs(berth.goal.position - centre) < half).all(), "what `In` asks for"
        assert berth.goal.rotation[2, 2] > 0.999
        np.testing.assert_allclose(berth.entry.position[:2], berth.goal.position[:2])
        for share in np.linspace(0.0, 1.0, 12):
            way = Pose(
                berth.entry.position + share * (berth.goal.position - berth.entry.position),
                berth.goal.rotation,
            )
            assert not CollisionTest(scene).overlaps(BOOK, way)


def test_an_object_through_a_thin_wall_overlaps_with_it(desk: BenchmarkEnv) -> None:
    scene = Scene(desk)
    berth = find_berths(scene, BOOK, "desk_caddy_1_front_contain_region")[0]
    crosswise = Pose(berth.goal.position, berth.goal.rotation @ about_z(np.pi / 2.0))
    assert not CollisionTest(scene).overlaps(BOOK, berth.goal)
    assert CollisionTest(scene).overlaps(BOOK, crosswise)


def test_a_bottle_is_aimed_along_the_slope_of_the_rack_with_its_foot_below(
    table: BenchmarkEnv,
) -> None:
    scene = Scene(table)
    region, size = scene.region_pose(RACK), scene.region_size(RACK)
    found = find_berths(scene, BOTTLE, RACK)
    assert found
    for berth in found:
        np.testing.assert_allclose(berth.goal.rotation[:, 2], region.rotation[:, 2], atol=1e-6)
        assert berth.goal.rotation[2, 2] > 0.3, "the neck is above the foot"
        local = region.rotation @ (berth.goal.position - region.position)
        assert abs(local[0]) < size[0], "what `On` asks for"
        assert abs(local[1]) < size[1] + GAP, "what `On` asks for, once it is let go"
        assert size[2] - 0.005 < local[2] < size[2] + 0.1, "what `On` asks for"


def test_a_grasp_for_a_berth_reaches_both_ends_of_the_way(table: BenchmarkEnv) -> None:
    scene = Scene(table)
    planner = Planner(scene)
    berths = find_berths(scene, BOTTLE, RACK)
    (pick, *_) = planner.pick_plans(BOTTLE, GRASPS["wine_bottle"], berths)
    in_hand = pick.grasp.pose.inverse() @ scene.pose(BOTTLE)
    put = next(planner.put_plans(BOTTLE, in_hand, berths, pick.q))
    assert put.berth is not None
    for grip, held in ((put.above, put.berth.entry), (put.down, put.berth.goal)):
        np.testing.assert_allclose((grip @ in_hand).position, held.position, atol=1e-9)
        np.testing.assert_allclose((grip @ in_hand).rotation, held.rotation, atol=1e-9)


@pytest.mark.parametrize("task", [19, 18])
def test_a_handle_is_held_across_and_away_from_the_body(started: Started, task: int) -> None:
    env = started("libero_90", task)
    scene = Scene(env)
    (name,) = {step.object for step in plan_for(env.task) if isinstance(step, PickAndPlace)}
    pose = scene.pose(name)
    found = grasps(GRASPS[env.categories[name]], scene.shape(name), pose)
    assert found
    for grasp in found:
        assert grasp.width < grasp.opening <= MAX_OPENING
        assert grasp.pose.rotation[2, 2] < -0.999


def test_objects_that_share_a_target_get_places_of_their_own(
    suite: Suites, started: Started
) -> None:
    plan = plan_for(suite("libero_goal").tasks()[1])
    assert [step.share for step in plan if isinstance(step, PickAndPlace)] == [(0, 1)]
    env = started("libero_long", 8)
    scene, burner = Scene(env), "flat_stove_1_cook_region"
    first, second = (find_spots(scene, f"moka_pot_{k + 1}", "on", burner, (k, 2)) for k in (0, 1))
    for one in first:
        for other in second:
            assert np.linalg.norm(one.xy - other.xy) > 0.085, "the pots are 8 cm wide"


def test_the_way_down_starts_above_what_could_be_knocked_over(started: Started) -> None:
    env = started("libero_long", 8)
    scene, pot = Scene(env), "moka_pot_2"
    (spot, *_) = find_spots(scene, pot, "on", "flat_stove_1_cook_region", (1, 2))
    (pick, *_) = Planner(scene).pick_plans(pot, GRASPS["moka_pot"], spot)
    in_hand = pick.grasp.pose.inverse() @ scene.pose(pot)
    alone = next(Planner(scene).put_plans(pot, in_hand, spot, pick.q))
    other = scene.body("moka_pot_1")
    address = int(scene.model.jnt_qposadr[scene.model.body_jntadr[other]])
    before = env.mj_data.qpos.copy()
    env.mj_data.qpos[address : address + 3] = [
        *(spot.xy + np.array([0.0, -0.1])),
        spot.floor + 0.07,
    ]
    mujoco.mj_forward(env.mj_model, env.mj_data)
    beside = next(Planner(scene).put_plans(pot, in_hand, spot, pick.q))
    env.mj_data.qpos[:] = before
    mujoco.mj_forward(env.mj_model, env.mj_data)
    bottom = (beside.above @ in_hand).position[2] + scene.shape(pot).points[:, 2].min()
    assert alone.above.position[2] - alone.down.position[2] < 0.07
    assert bottom > spot.floor + 0.14, "the other pot is 15 cm high"


def test_a_plate_is_pushed_and_a_bowl_is_carried(suite: Suites) -> None:
    (push,) = plan_for(suite("libero_goal").tasks()[5])
    assert push == Push("plate_1", "main_table_stove_front_region")
    (carry,) = plan_for(suite("libero_goal").tasks()[8])
    assert isinstance(carry, PickAndPlace)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        pytest.param("libero_goal", 5, id="pushes a plate"),
        pytest.param("libero_goal", 9, id="lays a bottle on a slope"),
        pytest.param("libero_long", 5, id="inserts a book"),
        pytest.param("libero_90", 89, id="pushes a book under a shelf"),
        pytest.param("libero_90", 19, id="holds a pot by its handle"),
    ],
)
def test_the_expert_masters_a_skill(
    started: Started, rollout: Rollout, name: str, task: int
) -> None:
    env = started(name, task)
    solved, actions = rollout(Expert(env.suite_spec), env, 3)
    assert solved
    assert len(actions) < 150, "without falling back on a second attempt"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task"),
    [("libero_goal", 5), ("libero_goal", 9), ("libero_long", 5)]
    + [("libero_90", task) for task in (18, 19, 27, 41, 73, 74, 75, 77, 86, 87, 88, 89)]
    + [("libero_long", 8)],
)
def test_the_expert_masters_a_skill_from_several_states(
    started: Started, rollout: Rollout, name: str, task: int
) -> None:
    env = started(name, task)
    expert = Expert(env.suite_spec)
    solved = [rollout(expert, env, init_state)[0] for init_state in range(0, 50, 10)]
    assert np.mean(solved) >= 0.8
