"""The scripted expert in RoboCasa's kitchens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wambench import registry
from wambench.errors import PolicyContractError
from wambench.protocol import Needs
from wambench_policies.expert import Expert
from wambench_policies.expert.geometry import Pose, angle_between
from wambench_policies.expert.kitchen.carrying import rise
from wambench_policies.expert.kitchen.nudging import nudge
from wambench_policies.expert.kitchen.places import on_counter
from wambench_policies.expert.kitchen.reaching import Held, Reach
from wambench_policies.expert.kitchen.scripts import SCRIPTS, execute
from wambench_policies.expert.kitchen.skills import Skill, tilt_for, torso_for
from wambench_policies.expert.kitchen.view import Kitchen
from wambench_policies.expert.policy import MobileManipulator

QUICK = ("CoffeePressButton", "TurnOnStove", "PnPCounterToSink")
"""One short task of each family that the default run looks at."""


def begun(name: str, init_state: int) -> Any:
    """An environment at the start of an episode."""
    suite = registry.load_suite("robocasa24", "embedded")
    (task,) = (task for task in suite.tasks() if task.name == name)
    env = suite.make_env(task, Needs())
    env.reset(seed=100 + init_state, options={"init_state": init_state})
    return env


def solves(name: str, init_state: int) -> bool:
    """Whether the expert solves an episode."""
    env = begun(name, init_state)
    actions = MobileManipulator().begin(env)
    solved = any(env.control_step(next(actions)) for _ in range(env.task.max_steps))
    env.close()
    return solved


@pytest.mark.parametrize("name", QUICK)
def test_solves_one_task_of_each_family(name: str) -> None:
    assert solves(name, 0)


@pytest.fixture(scope="module")
def kitchen() -> Iterator[Kitchen]:
    env = begun("PnPCounterToSink", 0)
    yield Kitchen(env.world)
    env.close()


def over_counter(kitchen: Kitchen, height: float) -> Pose:
    """A hand that points down, above a free place of the counter."""
    spot = next(on_counter(kitchen, "obj", kitchen.world.fixture("sink")))
    rotation = kitchen.facing(kitchen.world.fixture("sink"), 1.45)
    return Pose(spot + np.array([0.0, 0.0, height]), rotation)


def test_a_way_to_a_free_place_puts_the_hand_in_reach_with_the_base_off_the_counter(
    kitchen: Kitchen,
) -> None:
    hand = over_counter(kitchen, 0.10)
    way = Reach(kitchen).find([[hand]])
    assert way is not None
    apart = hand.position[:2] - way.base[:2]
    assert 0.3 < float(np.linalg.norm(apart)) < 0.9
    counter = kitchen.world.fixture("counter")
    front = float(counter.from_world(np.append(way.base[:2], 0.0))[1]) + 0.5 * counter.size[1]
    assert front < -0.15


def test_the_base_stays_for_a_hand_that_is_in_reach_and_goes_no_farther_than_it_must(
    kitchen: Kitchen,
) -> None:
    here, mount = kitchen.base(), kitchen.mount()
    near = Pose(mount.apply(np.array([[0.5, 0.1, 0.5]]))[0], kitchen.grip().rotation)
    way = Reach(kitchen).find([[near]])
    assert way is not None
    assert np.array_equal(way.base, here)
    assert way.entry == "straight"
    back = Pose(mount.apply(np.array([[0.1, 0.0, 0.35]]))[0], kitchen.grip().rotation)
    way = Reach(kitchen).find([[back]])
    assert way is not None
    assert 0.1 < float(np.linalg.norm((way.base - here)[:2])) < 0.4
    assert way.entry != "straight"


@pytest.mark.parametrize("name", ["OpenDrawer", "TurnSinkSpout"])
def test_nothing_is_driven_for_what_is_in_reach(name: str) -> None:
    env = begun(name, 0)
    actions = MobileManipulator().begin(env)
    for _ in range(env.task.max_steps):
        action = next(actions)
        assert not action[7:10].any()
        if env.control_step(action):
            break
    else:
        pytest.fail("it was not solved")
    env.close()


def test_there_is_no_way_into_the_counter_and_the_next_candidate_is_taken(
    kitchen: Kitchen,
) -> None:
    inside, above = over_counter(kitchen, -0.05), over_counter(kitchen, 0.10)
    reach = Reach(kitchen)
    assert reach.find([[inside]], tries=40) is None
    way = reach.find([[inside], [above]])
    assert way is not None
    assert way.hands == (above,)


def test_looking_for_a_way_leaves_the_simulation_alone(kitchen: Kitchen) -> None:
    before = kitchen.live.qpos.copy()
    Reach(kitchen).find([[over_counter(kitchen, 0.10)]])
    assert np.array_equal(kitchen.live.qpos, before)


def test_places_on_the_counter_are_clear_of_the_sink_and_of_other_things(kitchen: Kitchen) -> None:
    counter, sink = kitchen.world.fixture("counter"), kitchen.world.fixture("sink")
    radius = kitchen.world.object_radius("obj")
    spots = list(on_counter(kitchen, "obj", sink))
    assert spots
    for spot in spots:
        u, v, _ = counter.from_world(spot)
        for a, b, c, d in counter.holes:
            assert not (a - radius < u < b + radius and c - radius < v < d + radius)
        for other in set(kitchen.world.object_names()) - {"obj"}:
            middle = kitchen.world.object_pose(other)[0]
            apart = float(np.linalg.norm((middle - spot)[:2]))
            assert apart > radius + kitchen.world.object_radius(other) or middle[2] < spot[2] - 0.1


def test_the_hand_alone_is_refused_in_the_counter_and_above_it_has_room(kitchen: Kitchen) -> None:
    reach = Reach(kitchen)
    inside, above = over_counter(kitchen, -0.05), over_counter(kitchen, 0.10)
    assert not reach.has_room([above, inside])
    assert reach.has_room([above])


def test_under_a_roof_things_are_lifted_less_or_not_at_all() -> None:
    env = begun("PnPMicrowaveToCounter", 0)
    kitchen = Kitchen(env.world)
    microwave = kitchen.world.fixture("microwave")
    thing = Pose(*kitchen.world.object_pose("obj"))
    hand = Pose(thing.position + np.array([0.0, 0.0, 0.02]), kitchen.facing(microwave, 0.6))
    out = hand.shifted(-0.36 * kitchen.axes(microwave)[:, 1])
    reach, held = Reach(kitchen), Held("obj", hand.inverse() @ thing)
    most = [rise(reach, [out, hand, hand], held, lift) for lift in (0.01, 0.05, 0.30)]
    assert most[0] == 0.01  # all of it
    assert most[1] in (0.05, 0.03, 0.015)
    assert most[2] is None or most[2] < 0.1  # the microwave is 0.2 m high inside
    env.close()


def test_no_posture_of_the_arm_is_taken_for_out_of_its_reach(kitchen: Kitchen) -> None:
    reach = Reach(kitchen)
    base, torso = kitchen.base(), kitchen.torso()
    reach.stand(base, torso)
    rng = np.random.default_rng(0)
    for _ in range(200):
        hand = reach.arm.forward(rng.uniform(reach.arm.lower, reach.arm.upper))
        assert reach.is_long_enough([hand], base, torso)
    far = kitchen.grip().shifted(np.array([0.0, 0.0, 1.0]))
    assert not reach.is_long_enough([far], base, torso)


def test_an_attempt_that_does_nothing_is_not_made_again(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def idle(kitchen: Kitchen) -> Skill:
        begun.append(kitchen)
        yield from ()
        return False

    monkeypatch.setitem(SCRIPTS, "OpenDrawer", idle)
    action = next(execute(kitchen, "OpenDrawer"))
    assert len(begun) == 1
    assert np.allclose(action[:6], 0.0, atol=1e-6)


@pytest.mark.slow
def test_a_nudge_makes_a_thing_in_the_microwave_lie_otherwise() -> None:
    env = begun("PnPMicrowaveToCounter", 5)
    kitchen = Kitchen(env.world)
    before = Pose(*kitchen.world.object_pose("obj"))
    for action in nudge(kitchen, Reach(kitchen), "obj", kitchen.world.fixture("microwave")):
        env.control_step(action)
    after = Pose(*kitchen.world.object_pose("obj"))
    assert angle_between(before.rotation, after.rotation) > 0.3
    assert float(np.linalg.norm(before.position - after.position)) < 0.15
    env.close()


def test_every_task_has_a_script_and_another_one_is_refused() -> None:
    suite = registry.load_suite("robocasa24", "embedded")
    expert = Expert(suite.spec)
    expert.check(suite.tasks())
    with pytest.raises(PolicyContractError, match="WashDishes"):
        expert.check([replace(suite.tasks()[0], name="WashDishes")])


def test_a_lower_hand_points_further_down_until_the_torso_can_help() -> None:
    tilts = [tilt_for(z) for z in (0.8, 1.0, 1.2, 1.4, 1.6)]
    assert tilts == sorted(tilts, reverse=True)
    assert tilts[0] > 1.4
    assert torso_for(0.9, 1.5) == 0.0
    assert 0.0 < torso_for(1.6, 0.3) < 0.33
