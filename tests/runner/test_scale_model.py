"""The discrete-event model of the scheduler does what the scheduler does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wambench.protocol import Episode
from wambench.runner.scheduler import _Queue


def script(name: str) -> ModuleType:
    """A script of scripts/bench as a module."""
    file = Path(__file__).parents[2] / "scripts" / "bench" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where `scale` finds it, and dataclasses look for it
    spec.loader.exec_module(module)
    return module


model = script("scheduler_model")
FREE = model.SchedulerCost(observation=0.0, worker=0.0, round_trip=0.0)


def episodes(count: int, tasks: int = 1, **cost: Any) -> list[Any]:
    """Episodes that all cost the same."""
    usual = {"calls": 4, "seconds": 5.0, "building": 0.0} | cost
    return [model.EpisodeCost(task=number % tasks, **usual) for number in range(count)]


def test_one_worker_alternates_between_simulation_and_policy() -> None:
    policy = model.Inference(((1, 0.5),))
    found = model.simulate(episodes(3), 1, policy, FREE)
    assert found.ended == pytest.approx((7.0, 14.0, 21.0))
    assert found.policy == pytest.approx(6 / 21)
    assert found.batch == 1.0


def test_everything_the_scheduler_does_is_paid_for() -> None:
    cost = model.SchedulerCost(observation=0.1, worker=0.01, round_trip=0.2)
    found = model.simulate(episodes(1), 1, model.Inference(((1, 0.5),)), cost)
    # Five pieces of simulation, four answers; the end is heard after it is counted.
    assert found.ended[0] == pytest.approx(5 * (1.0 + 0.2) + 4 * (0.5 + 0.1 + 0.01))


def test_workers_whose_policy_takes_no_time_do_not_disturb_each_other() -> None:
    free = model.Inference(((1, 1e-9),))
    assert model.simulate(episodes(8), 8, free, FREE).ended[-1] == pytest.approx(5.0)
    assert model.simulate(episodes(64), 8, free, FREE).rate == pytest.approx(8 / 5, rel=0.2)


def test_a_policy_that_batches_for_nothing_is_not_a_bottleneck_and_one_that_does_not_is() -> None:
    batching, serial = model.Inference(((1, 0.5), (64, 0.5))), model.Inference(((1, 0.5),))
    many = episodes(400)
    assert model.simulate(many, 50, serial, FREE).rate == pytest.approx(1 / (4 * 0.5), rel=0.05)
    assert model.simulate(many, 50, batching, FREE).rate > 5.0
    assert model.simulate(many, 50, batching, FREE, batch=1).rate == pytest.approx(0.5, rel=0.05)


def test_an_idle_worker_waits_for_the_policy_that_is_at_work() -> None:
    """The scheduler hands out episodes after it has answered; the model must not be faster."""
    two = [model.EpisodeCost(0, 1, 2.0, 0.0), model.EpisodeCost(0, 1, 2.4, 0.0)]
    two.append(model.EpisodeCost(0, 0, 1.0, 0.0))
    found = model.simulate(two, 2, model.Inference(((1, 3.0), (2, 3.0))), FREE)
    # Observations at 1.0 and 1.2: answers at 4.0 and, asked by then, at 7.0. The first ends at 5.0
    # while the second is being answered, so the last episode begins at 7.0.
    assert found.ended == pytest.approx((5.0, 8.0, 8.2))


def test_processes_share_cores_equally() -> None:
    free = model.Inference(((1, 1e-9),))
    assert model.simulate(episodes(8), 4, free, FREE, cores=2).ended[-1] == pytest.approx(20.0)
    assert model.simulate(episodes(8), 4, free, FREE, cores=4).ended[-1] == pytest.approx(10.0)


def test_building_is_paid_once_by_every_worker_and_task() -> None:
    free = model.Inference(((1, 1e-9),))
    found = model.simulate(episodes(6, tasks=2, building=3.0), 1, free, FREE)
    assert found.ended[-1] == pytest.approx(6 * 5.0 + 2 * 3.0)


def test_inference_is_interpolated_and_goes_on_with_its_last_slope() -> None:
    table = model.Inference(((1, 0.1), (5, 0.2), (9, 0.6)))
    sizes = (1, 3, 5, 7, 9, 13)
    assert [table.seconds(n) for n in sizes] == pytest.approx([0.1, 0.15, 0.2, 0.4, 0.6, 1.0])
    assert table.best_rate(9) == pytest.approx(5 / 0.2)
    assert model.Inference(((1, 0.1),)).seconds(4) == pytest.approx(0.4)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 5), st.randoms())
def test_episodes_are_handed_out_as_by_the_queue_of_the_scheduler(
    tasks: list[int], workers: int, choose: Any
) -> None:
    real = _Queue([[Episode("s", "embedded", t, "t", n, n, 0, "", 1) for n, t in enumerate(tasks)]])
    mine = model.TaskQueue([model.EpisodeCost(task, 1, 1.0, 0.0) for task in tasks])
    held: list[int | None] = [None] * workers
    busy: list[int | None] = [None] * workers
    for _ in tasks:
        worker = choose.randrange(workers)
        if busy[worker] is not None:
            mine.attended[busy[worker]] -= 1
            busy[worker] = None
        theirs = real.take(held[worker], [task for task in busy if task is not None])
        ours = mine.take(held[worker])
        assert theirs is not None
        assert ours is not None
        assert ours.task == theirs.task
        held[worker] = busy[worker] = ours.task
        mine.attended[ours.task] += 1


def test_records_become_costs_and_a_privileged_policy_is_refused(tmp_path: Path) -> None:
    from wambench.evaluate import Execution, Request, start_run

    scale = script("scale")
    run = start_run(
        Request("example_go_to_target", "example_reach", tmp_path / "run", trials=2),
        Execution(workers=1),
    )
    records = list(run.records().values())
    costs = scale.episode_costs(records)
    assert [c.calls for c in costs] == [r.execution.policy_calls for r in records]
    with pytest.raises(SystemExit, match="privileged"):
        scale.episode_costs([])
    assert scale.recorded_inference(records).seconds(2) > 0
    outcome = scale.predict(costs, 8, 2, model.Inference(((1, 0.01),)), FREE, 64)
    assert len(outcome.ended) == 40


@pytest.mark.parametrize("text", ["1", "0:1", "1:0.1,1:0.2", "1:-1", "a:b"])
def test_an_inference_table_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SystemExit, match="--inference"):
        script("scale").parse_inference(text)


def test_the_real_scheduler_can_be_measured() -> None:
    seconds, observations, turns = script("scale").scheduler_seconds(3, 5)
    assert seconds > 0
    assert observations == 15
    assert turns >= 5
