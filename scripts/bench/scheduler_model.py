"""A discrete-event model of `wambench.runner.scheduler`, for numbers of workers nobody has at hand.

What it models, as the scheduler does it:

    - A worker simulates a chunk and renders one observation, then waits for its answer. There is no
      lock step.
    - The scheduler is one process and the policy is called in it. In a turn it hears all messages
      that have arrived, looks at every worker, gives the policy the waiting observations of the
      workers with the lowest numbers, at most `batch` of them, and only then hands out answers and
      new episodes. A message that arrives during a turn waits for the next.
    - A worker keeps to its task while it has episodes and otherwise takes the one that the fewest
      attend to; a task that is new to it costs building.
    - With `cores`, processes that have something to do share them equally.

What it leaves out: errors and retries, the video, and the difference between the first observation
of an episode (a reset) and the others: an episode's recorded time is spread over its observations
evenly.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpisodeCost:
    """What an episode takes.

    Attributes:
        task: Index of its task.
        calls: How often the policy is asked.
        seconds: Simulation and rendering, s.
        building: Making the environment, where the worker does not have it, s.
    """

    task: int
    calls: int
    seconds: float
    building: float


@dataclass(frozen=True, slots=True)
class SchedulerCost:
    """What the scheduler's own work takes.

    Attributes:
        observation: Receiving an observation with its pixels and sending its answer, s.
        worker: Looking at one worker in a turn, s.
        round_trip: What an answer takes to reach a worker and its observation to come back, beyond
            the scheduler's work, s.
    """

    observation: float
    worker: float
    round_trip: float


@dataclass(frozen=True, slots=True)
class Inference:
    """Seconds of the policy for a batch, by linear interpolation; the last slope goes on.

    Attributes:
        points: (batch, seconds), by batch, at least one.
    """

    points: tuple[tuple[int, float], ...]

    def seconds(self, batch: int) -> float:
        """Seconds for a batch of that size."""
        sizes = [size for size, _ in self.points]
        if len(sizes) == 1 or batch <= sizes[0]:
            size, seconds = self.points[0]
            return seconds * batch / size if len(sizes) == 1 else seconds
        right = min(bisect_left(sizes, batch), len(sizes) - 1)
        (size_a, seconds_a), (size_b, seconds_b) = self.points[right - 1], self.points[right]
        return seconds_a + (seconds_b - seconds_a) * (batch - size_a) / (size_b - size_a)

    def best_rate(self, batch: int) -> float:
        """Most observations per second with batches up to that size."""
        return max(size / self.seconds(size) for size in range(1, batch + 1))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulation found.

    Attributes:
        ended: Time at which each episode ended, in that order, s.
        policy: Share of the scheduler's time that went to the policy.
        scheduler: Share in which it was at work, its policy included.
        batch: Mean number of observations in a call.
    """

    ended: tuple[float, ...]
    policy: float
    scheduler: float
    batch: float

    @property
    def rate(self) -> float:
        """Episodes per second while it is in full swing: between a quarter and three of them."""
        first, last = len(self.ended) // 4, 3 * len(self.ended) // 4
        return (last - first) / (self.ended[last] - self.ended[first])


class TaskQueue:
    """Episodes still to be run, handed out by the rule of the scheduler's queue."""

    def __init__(self, episodes: Iterable[EpisodeCost]) -> None:
        self._tasks: dict[int, deque[EpisodeCost]] = {}
        for episode in episodes:
            self._tasks.setdefault(episode.task, deque()).append(episode)
        self.attended: Counter[int] = Counter()

    def take(self, held: int | None) -> EpisodeCost | None:
        """Next episode for a worker: of the task it holds, else of the least attended one."""
        if not self._tasks:
            return None
        if held in self._tasks:
            task = held
        else:
            tasks = self._tasks
            task = min(tasks, key=lambda t: (self.attended[t], -len(tasks[t]), t))
        episode = self._tasks[task].popleft()
        if not self._tasks[task]:
            del self._tasks[task]
        return episode


@dataclass(slots=True)
class _Worker:
    """A worker: the episode it is on, and how many observations of it are still to come."""

    held: int | None = None
    episode: EpisodeCost | None = None
    left: int = 0


def simulate(
    episodes: Sequence[EpisodeCost],
    workers: int,
    inference: Inference,
    cost: SchedulerCost,
    *,
    batch: int = 64,
    cores: int | None = None,
) -> Outcome:
    """Runs episodes on one replica: a scheduler, its policy and its workers.

    Args:
        episodes: What to run.
        workers: How many workers.
        inference: What the policy takes.
        cost: What the scheduler takes.
        batch: Most observations given to the policy at once.
        cores: Cores that all processes share; None where each has its own.
    """
    crew = [_Worker() for _ in range(workers)]
    queue = TaskQueue(episodes)
    # Work is done in virtual time, which goes slower than time while processes share cores: all of
    # them are slowed alike, so what ends next in virtual time ends next in time.
    events: list[tuple[float, int, int]] = []
    turn_id = workers  # events of workers carry their number
    now = time = 0.0
    order = active = 0
    arrived: list[int] = []
    waiting: list[int] = []  # a heap: the lowest numbers are answered first
    idle = list(range(workers))
    answered: list[int] = []
    busy = False
    ended: list[float] = []
    policy_s = scheduler_s = 0.0
    calls = observations = 0

    def work(number: int, seconds: float) -> None:
        nonlocal order, active
        order += 1
        active += 1
        heapq.heappush(events, (now + seconds, order, number))

    def chunk(number: int) -> None:
        episode = crew[number].episode
        assert episode is not None
        work(number, cost.round_trip + episode.seconds / (episode.calls + 1))

    def assign() -> None:
        free, idle[:] = idle[:], []
        for number in free:
            worker = crew[number]
            episode = queue.take(worker.held)
            if episode is None:
                continue
            building = episode.building if worker.held != episode.task else 0.0
            worker.held, worker.episode, worker.left = episode.task, episode, episode.calls
            queue.attended[episode.task] += 1
            work(number, building + cost.round_trip + episode.seconds / (episode.calls + 1))

    def turn() -> None:
        """Hears what has arrived and works on it; a turn without anything is none."""
        nonlocal busy, policy_s, scheduler_s, calls, observations
        if not arrived and not waiting:
            return
        seconds = len(arrived) * cost.observation + workers * cost.worker
        for number in arrived:
            worker = crew[number]
            if worker.episode is None:
                idle.append(number)
            else:
                heapq.heappush(waiting, number)
        arrived.clear()
        answered[:] = [heapq.heappop(waiting) for _ in range(min(batch, len(waiting)))]
        if answered:
            spent = inference.seconds(len(answered))
            seconds += spent
            policy_s += spent
            calls += 1
            observations += len(answered)
        scheduler_s += seconds
        busy = True
        work(turn_id, seconds)

    assign()
    while events:
        virtual, _, number = heapq.heappop(events)
        slowdown = 1.0 if cores is None else max(active / cores, 1.0)
        time += (virtual - now) * slowdown
        now = virtual
        active -= 1
        if number == turn_id:
            busy = False
            for one in answered:
                chunk(one)
            answered.clear()
            assign()
        else:
            worker = crew[number]
            assert worker.episode is not None
            if worker.left:
                worker.left -= 1
            else:
                queue.attended[worker.episode.task] -= 1
                worker.episode = None
                ended.append(time)
            arrived.append(number)
        if not busy:
            turn()
    return Outcome(
        ended=tuple(ended),
        policy=policy_s / now if now else 0.0,
        scheduler=scheduler_s / now if now else 0.0,
        batch=observations / calls if calls else 0.0,
    )
