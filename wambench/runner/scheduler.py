"""Hands episodes to workers, batches what they ask, and turns what they report into records.

There is no lock step: a worker that finishes takes the next episode at once, and the policy is
given whatever observations are waiting whenever it is free. None of this can be seen in the
results: an episode's seed, its policy randomness and its simulator state depend on the episode
alone.
"""

from __future__ import annotations

import contextlib
import selectors
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError, PolicyError, WambenchError
from wambench.manifest import by_task
from wambench.protocol import Episode, Observation, Outcome, Policy, Subgoals, episode_rng
from wambench.results.record import EpisodeRecord, Execution, Seconds
from wambench.runner.conclusion import keep_decisions, measured
from wambench.runner.ending import Ending
from wambench.runner.pool import WorkerPool, WorkerProcess
from wambench.runner.transport import Disconnected
from wambench.runner.worker import checked_chunks

_START_TRIES = 3
"""How often each worker is started, without any of them succeeding, before a run gives up."""

_GIVE_UP_AFTER = 5
"""Errors in a row, with no episode counted yet, after which a run stops: it is set up wrongly."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep a run going, or end it.

    Attributes:
        retries: How often an episode that ended in an error is run again.
        silence_s: A worker that says nothing for so long is taken to hang and is replaced.
        batch: Most observations given to the policy at once.
    """

    retries: int = 2
    silence_s: float = 300.0
    batch: int = 64


@dataclass(slots=True)
class _Attempt:
    """Book-keeping of the episode a worker is on.

    Attributes:
        episode: As the manifest has it.
        told: The same with the instruction that the simulator gives.
    """

    episode: Episode
    told: Episode
    started_at: float
    policy_seconds: float = 0.0
    policy_calls: int = 0
    subgoals: Subgoals | None = None


class _Queue:
    """Episodes still to be run, in waves; within a wave by task, in whatever order suits."""

    def __init__(self, waves: Iterable[Iterable[Episode]] = ()) -> None:
        self._waves = deque({t: deque(e) for t, e in by_task(wave).items()} for wave in waves)

    def __len__(self) -> int:
        return sum(len(episodes) for wave in self._waves for episodes in wave.values())

    def take(self, held: int | None, busy: Iterable[int | None]) -> Episode | None:
        """Next episode for a worker: of the task it holds, else of the least attended task."""
        while self._waves and not self._waves[0]:
            self._waves.popleft()
        if not self._waves:
            return None
        tasks = self._waves[0]
        if held in tasks:
            task = held
        else:
            attended = list(busy)
            task = min(tasks, key=lambda t: (attended.count(t), -len(tasks[t]), t))
        episodes = tasks[task]
        episode = episodes.popleft()
        if not episodes:
            del tasks[task]
        return episode

    def put_back(self, episode: Episode) -> None:
        """An episode that has to be run again; it goes to the front."""
        if not self._waves:
            self._waves.append({})
        self._waves[0].setdefault(episode.task, deque()).appendleft(episode)

    def clear(self) -> None:
        """Nothing more is to be run."""
        self._waves.clear()


class Scheduler:
    """Runs episodes to their end.

    Args:
        pool: The workers.
        policy: The policy; for a privileged one only its shape is used here, the workers have
            their own copies.
        action_dim: Width of the suite's actions.
        limits: Retries, watchdog, batch size.
        on_record: Called with every record, in the order in which episodes end.
        on_provenance: Called with what every new worker says about its suite.
        log: File that takes the tracebacks of exceptions raised by the policy.
    """

    def __init__(
        self,
        pool: WorkerPool,
        policy: Policy,
        action_dim: int,
        limits: Limits,
        on_record: Callable[[EpisodeRecord], None],
        on_provenance: Callable[[dict[str, str]], None],
        log: Path,
    ) -> None:
        self._log = log
        self._pool = pool
        self._policy = policy
        self._action_dim = action_dim
        self._limits = limits
        self._on_record = on_record
        self._on_provenance = on_provenance
        self._selector = selectors.DefaultSelector()
        self._queue = _Queue()
        self._attempts: dict[str, int] = {}
        self._current: dict[WorkerProcess, _Attempt] = {}
        self._waiting: dict[WorkerProcess, Observation] = {}
        self._remaining = 0
        self._start_failures = 0
        self._errors_in_a_row = 0
        self._any_counted = False
        self._alone: set[str] = set()
        self._enough: Callable[[], bool] = lambda: False

    def run(
        self,
        waves: Iterable[Iterable[Episode]],
        *,
        any_counted: bool = False,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Runs the episodes; returns when each has a record, or when that is enough.

        Args:
            waves: What to run. No episode is begun before all of earlier waves have been; within
                a wave, those of a task in this order.
            any_counted: Whether earlier episodes of the run counted, which shows that its set-up
                is right.
            enough: Asked after every record; once true, nothing more is begun, and what is under
                way is run to its end and recorded.

        Raises:
            WambenchError: The run cannot go on: workers cannot start, the policy's output does
                not fit the suite, every episode ends in an error, or the disk is full.
        """
        self._any_counted = any_counted
        self._queue = _Queue(waves)
        self._remaining = len(self._queue)
        self._enough = enough
        for worker in self._pool.workers:
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        self._assign_idle()  # a pool that an earlier scheduler has used is ready at once
        while self._remaining:
            self._listen()
            self._replace_silent()
            if self._waiting:
                self._answer()
            self._assign_idle()

    # ---- hearing from workers ----------------------------------------------------------------

    def _listen(self) -> None:
        """Handles all messages that have arrived; waits for one when the policy has no work."""
        timeout = 0.0 if self._waiting else 1.0
        for key, _ in self._selector.select(timeout):
            worker: WorkerProcess = key.data
            try:
                message = worker.channel.receive()
            except Disconnected:
                self._lost(worker, f"the worker {worker.how_it_ended()}")
                continue
            worker.heard_at = time.monotonic()
            self._handle(worker, message)

    def _handle(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ready":
                worker.ready = True
                self._start_failures = 0
                self._on_provenance(message["provenance"])
            case "observation":
                attempt = self._current[worker]
                if instruction := message.get("instruction"):
                    attempt.told = replace(attempt.episode, instruction=instruction)
                if shown := message.get("subgoals"):
                    attempt.subgoals = Subgoals(**shown | {"steps": tuple(shown["steps"])})
                self._waiting[worker] = self._seen(worker, message["step"], message["agent_pos"])
            case "ended":
                self._ended(worker, Ending.of(message))
            case "failed":
                self._failed(worker, message)
            case "progress":
                pass
            case other:
                raise AssertionError(f"unknown message {other!r} from a worker")

    def _seen(self, worker: WorkerProcess, step: int, agent_pos: NDArray[Any]) -> Observation:
        """What a worker shows now."""
        attempt = self._current[worker]
        return Observation(
            attempt.told,
            step,
            worker.pixels.read(),
            agent_pos,
            episode_rng(attempt.episode.seed, step),
            subgoals=attempt.subgoals,
        )

    def _replace_silent(self) -> None:
        """The watchdog: replaces workers that owe a message and have not sent any for long."""
        now = time.monotonic()
        for worker in list(self._pool.workers):
            owes = (worker in self._current or not worker.ready) and worker not in self._waiting
            if owes and now - worker.heard_at > self._limits.silence_s:
                doing = "simulating" if worker.ready else "starting"
                self._lost(
                    worker,
                    f"the worker hung: no sign of life for {self._limits.silence_s:g} s "
                    f"while {doing}{worker.where_it_hangs()}",
                )

    # ---- ends of episodes --------------------------------------------------------------------

    def _ended(self, worker: WorkerProcess, ending: Ending) -> None:
        attempt = self._current[worker]
        metrics, decisions = ending.metrics, ending.decisions
        if not self._policy.needs.privileged:
            started = time.perf_counter()
            last = self._seen(worker, ending.steps, ending.agent_pos)
            try:
                metrics = measured(self._policy, last, metrics)
                decisions = keep_decisions(self._policy, last, self._pool.decisions)
            except PolicyContractError:
                raise
            except Exception as error:
                raise self._blamed("measure", error, PolicyContractError) from error
            attempt.policy_seconds += time.perf_counter() - started
        self._record(
            worker,
            "success" if ending.success else "failure",
            steps=ending.steps,
            final_state=ending.final_state,
            actions=ending.actions,
            metrics=metrics,
            decisions=decisions,
            meta=ending.meta,
            seconds=self._split(attempt, ending.seconds),
            video=ending.video,
            video_error=ending.video_error or "",
        )

    def _failed(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        if message["kind"] == "fatal":
            raise WambenchError(
                message["problem"], message["remedy"] or f"The worker's output is in {worker.log}."
            )
        error = f"{message['problem']} {message['remedy']}".strip()
        kind: Outcome = message["kind"]
        self._error(worker, kind, error)
        if kind == "env_error":
            # Whatever state the simulator is in now, no other episode shall see it.
            self._restart(worker)

    def _lost(self, worker: WorkerProcess, reason: str) -> None:
        """A worker died or hangs: its episode is an `env_error`, and it is replaced."""
        if not worker.ready:
            self._start_failures += 1
            if self._start_failures >= _START_TRIES * len(self._pool.workers):
                raise WambenchError(
                    f"Workers do not start: {reason}.", f"Its output is in {worker.log}."
                )
        if worker in self._current:
            self._error(worker, "env_error", reason)
        self._restart(worker)

    def _error(self, worker: WorkerProcess, outcome: Outcome, error: str) -> None:
        """An episode ended in an error: run it again, or record it when that is used up."""
        attempt = self._current[worker]
        episode = attempt.episode
        if outcome != "infeasible" and self._attempts[episode.key] <= self._limits.retries:
            self._forget(worker)
            self._queue.put_back(episode)
            return
        self._record(worker, outcome, error=error, seconds=self._split(attempt, {}))
        if self._errors_in_a_row >= _GIVE_UP_AFTER and not self._any_counted:
            raise WambenchError(
                f"The first {self._errors_in_a_row} episodes all ended in {outcome}: {error}",
                "The rest was not run; mend this and use --resume.",
            )

    def _record(
        self,
        worker: WorkerProcess,
        outcome: Outcome,
        *,
        seconds: Seconds,
        video: str | None = None,
        video_error: str = "",
        decisions: str | None = None,
        **fields: Any,
    ) -> None:
        attempt = self._current[worker]
        record = EpisodeRecord.of(
            attempt.episode,
            outcome=outcome,
            execution=Execution(
                worker=worker.number,
                attempts=self._attempts[attempt.episode.key],
                started_at=attempt.started_at,
                ended_at=time.time(),
                policy_calls=attempt.policy_calls,
                video=video,
                video_error=video_error,
                decisions=decisions,
                seconds=seconds,
            ),
            **fields,
        )
        self._forget(worker)
        self._remaining -= 1
        self._any_counted |= record.counted
        if record.counted:
            self._errors_in_a_row = 0
        elif outcome != "infeasible":  # a property of the seed, not a sign of a wrong set-up
            self._errors_in_a_row += 1
        self._on_record(record)
        if self._enough():
            # That includes what was put back: it is no longer under way.
            self._queue.clear()
            self._remaining = len(self._current)

    @staticmethod
    def _split(attempt: _Attempt, told: Mapping[str, float]) -> Seconds:
        """Wall time by kind; what neither side claims is transport."""
        known = dict(told)
        known["policy"] = known.get("policy", 0.0) + attempt.policy_seconds
        wall = time.time() - attempt.started_at
        return Seconds(**known, transport=max(wall - sum(known.values()), 0.0))

    def _forget(self, worker: WorkerProcess) -> None:
        """The worker is no longer on an episode."""
        attempt = self._current.pop(worker)
        self._waiting.pop(worker, None)
        if not self._policy.needs.privileged:
            self._told("finish", self._policy.finish, attempt.episode)

    def _told(self, name: str, hook: Callable[[list[Episode]], None], episode: Episode) -> None:
        """Tells the policy that an episode begins or has ended."""
        try:
            hook([episode])
        except Exception as error:
            raise self._blamed(name, error, PolicyContractError) from error

    # ---- giving work -------------------------------------------------------------------------

    def _assign_idle(self) -> None:
        """Gives every idle worker an episode, as long as there are any."""
        for worker in self._pool.workers:
            if worker.ready and worker not in self._current:
                self._assign(worker)

    def _assign(self, worker: WorkerProcess) -> None:
        """Gives an idle worker its next episode, if there is one."""
        episode = self._queue.take(worker.task, (w.task for w in self._current))
        if episode is None:
            return
        try:
            worker.channel.send({"type": "episode", "episode": episode.to_json()})
        except Disconnected:
            # Its end is about to be heard; the episode has not been started.
            self._queue.put_back(episode)
            worker.ready = False
            return
        worker.task = episode.task
        worker.heard_at = time.monotonic()
        self._attempts[episode.key] = self._attempts.get(episode.key, 0) + 1
        self._current[worker] = _Attempt(episode, episode, time.time())
        if not self._policy.needs.privileged:
            self._told("start", self._policy.start, episode)

    def _restart(self, worker: WorkerProcess) -> None:
        self._selector.unregister(worker.channel)
        if not self._remaining:
            return
        fresh = self._pool.replace(worker)
        self._selector.register(fresh.channel, selectors.EVENT_READ, fresh)

    # ---- the policy --------------------------------------------------------------------------

    def _answer(self) -> None:
        """Gives the policy what is waiting, and its answers to the workers."""
        workers = self._next_batch()
        batch = [self._waiting.pop(worker) for worker in workers]
        started = time.perf_counter()
        try:
            answers: list[NDArray[np.float64] | PolicyError] = self._act(batch)
        except PolicyContractError:
            raise
        except PolicyError as error:
            if len(batch) > 1:
                self._separate(workers)
                return
            answers = [error]
        share = (time.perf_counter() - started) / len(batch)
        for worker, answer in zip(workers, answers, strict=True):
            self._current[worker].policy_seconds += share
            self._current[worker].policy_calls += 1
            worker.heard_at = time.monotonic()
            # A worker that is no longer there is noticed by `_listen`.
            with contextlib.suppress(Disconnected):
                if isinstance(answer, PolicyError):
                    self._error(worker, "policy_error", str(answer))
                    worker.channel.send({"type": "abandon"})
                else:
                    worker.channel.send({"type": "actions", "actions": answer})

    def _next_batch(self) -> list[WorkerProcess]:
        """The workers to be answered now: one that must be asked alone, else all that wait."""
        waiting = sorted(self._waiting, key=lambda w: w.number)
        for worker in waiting:
            if self._current[worker].episode.key in self._alone:
                return [worker]
        return waiting[: self._limits.batch]

    def _separate(self, workers: list[WorkerProcess]) -> None:
        """A batch raised: nobody knows for which episode, nor what the policy did before that.

        All of them are begun again, at no charge, and asked alone from now on: those that are
        not to blame get the result that they would have got in any other company.
        """
        for worker in workers:
            episode = self._current[worker].episode
            self._alone.add(episode.key)
            self._attempts[episode.key] -= 1
            self._forget(worker)
            self._queue.put_back(episode)
            with contextlib.suppress(Disconnected):
                worker.channel.send({"type": "abandon"})

    def _act(self, batch: list[Observation]) -> list[NDArray[np.float64] | PolicyError]:
        try:
            actions = np.asarray(self._policy.act(batch))
        except WambenchError:
            raise
        except Exception as error:
            raise self._blamed("act", error, PolicyError) from error
        return checked_chunks(actions, len(batch), self._policy, self._action_dim)

    def _blamed(self, name: str, error: Exception, kind: type[PolicyError]) -> PolicyError:
        """What the policy raised as one line; its traceback goes to the log."""
        with open(self._log, "a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
        text = " ".join(str(error).split())
        return kind(f"{name}() raised {type(error).__name__}: {text}.", f"See {self._log}.")
