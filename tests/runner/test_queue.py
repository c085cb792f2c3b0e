"""The order in which the scheduler begins episodes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wambench.protocol import Episode
from wambench.runner.scheduler import _Queue


def episode(task: int, trial: int) -> Episode:
    return Episode("suite", "embedded", task, f"task {task}", trial, 0, -1, "do it", 10)


waves = st.lists(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 5))), max_size=5).map(
    lambda sets: [
        [episode(task, 10 * wave + trial) for task, trial in sorted(chosen)]
        for wave, chosen in enumerate(sets)
    ]
)


@given(waves, st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=150, max_size=150))
def test_a_wave_is_begun_when_all_of_the_earlier_ones_have_been(
    given_waves: list[list[Episode]], held: list[int | None]
) -> None:
    queue = _Queue(given_waves)
    assert len(queue) == sum(map(len, given_waves))
    taken = []
    for task in held:
        if (episode := queue.take(task, [])) is not None:
            taken.append(episode.trial // 10)
    assert taken == sorted(taken)
    assert len(taken) == sum(map(len, given_waves))
    assert len(queue) == 0


def test_within_a_wave_a_worker_keeps_to_its_task() -> None:
    queue = _Queue([[episode(task, trial) for task in range(2) for trial in range(2)]])
    order = []
    held = None
    while (taken := queue.take(held, [])) is not None:
        held = taken.task
        order.append(taken.task)
    assert order in ([0, 0, 1, 1], [1, 1, 0, 0])


def test_an_episode_put_back_is_the_next_of_its_wave() -> None:
    queue = _Queue([[episode(0, 0)], [episode(1, 1)]])
    first = queue.take(None, [])
    assert first is not None
    queue.put_back(first)
    assert queue.take(None, []) == first
    queue.clear()
    assert queue.take(None, []) is None
