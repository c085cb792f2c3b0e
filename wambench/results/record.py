"""The record of one episode: one line of `episodes.jsonl`.

Everything outside `execution` is decided by the manifest, the policy and the simulator, and is the
same however the run was scheduled. `execution` says how this particular line came about: which
worker, how many attempts, how long.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic import BaseModel, ConfigDict

from wambench.protocol import COUNTED_OUTCOMES, Episode, Outcome


class Seconds(BaseModel):
    """Wall time of an episode by what it was spent on, in seconds.

    Attributes:
        building: Making the environment, zero when the worker already had it.
        simulation: Reset, settle steps and control steps.
        rendering: Images for the policy.
        policy: This episode's share of the batches it was part of.
        transport: Everything else between its assignment and its end: messages, and waiting for
            the policy to be free.
        video: Rendering and encoding the video afterwards.
    """

    model_config = ConfigDict(extra="forbid")

    building: float = 0.0
    simulation: float = 0.0
    rendering: float = 0.0
    policy: float = 0.0
    transport: float = 0.0
    video: float = 0.0

    @property
    def total(self) -> float:
        """Wall time of the episode, its video included."""
        return float(sum(self.model_dump().values()))


class Execution(BaseModel):
    """How a record came about; may differ between two runs of the same command.

    Attributes:
        worker: Number of the worker.
        attempts: How often the episode was started, errors included.
        started_at: Unix time of the last attempt, s.
        ended_at: Unix time, s.
        policy_calls: How often the policy was asked; 0 where it lives in the worker.
        video: File name within `videos/`.
        video_error: Why there is no video although one was asked for.
        decisions: File name within `decisions/`, where the policy said how it decided.
        seconds: Wall time by kind.
    """

    model_config = ConfigDict(extra="forbid")

    worker: int
    attempts: int
    started_at: float
    ended_at: float
    policy_calls: int = 0
    video: str | None = None
    video_error: str = ""
    decisions: str | None = None
    seconds: Seconds = Seconds()


class EpisodeRecord(BaseModel):
    """What happened in one episode.

    Attributes:
        key: `suite/task/trial`.
        outcome: See `wambench.protocol.Outcome`.
        steps: Control steps executed; 0 where the outcome is an error.
        final_state: Digest of the simulator's final state.
        actions: Digest of all executed actions.
        metrics: What the environment and the policy measured beside success, by name; empty where
            they say nothing and where the outcome is an error.
        meta: The suite's own description of the episode's start, from which it can be replayed;
            empty where it has none and where the outcome is an error. `subgoals` in it are the
            steps and the digest of what the policy was shown as such.
        error: One line that says what went wrong, for error outcomes.
        execution: Everything that may differ between identical runs.
    """

    model_config = ConfigDict(extra="forbid")

    key: str
    suite: str
    backend: str
    task: int
    task_name: str
    trial: int
    seed: int
    init_state: int
    instruction: str
    max_steps: int
    outcome: Outcome
    steps: int = 0
    final_state: str = ""
    actions: str = ""
    metrics: dict[str, float] = {}
    meta: dict[str, Any] = {}
    error: str = ""
    execution: Execution

    @property
    def counted(self) -> bool:
        """Whether the episode enters the success rate."""
        return self.outcome in COUNTED_OUTCOMES

    @classmethod
    def of(cls, episode: Episode, **rest: Any) -> EpisodeRecord:
        """A record of that episode with the remaining fields given."""
        return cls(key=episode.key, **episode.to_json(), **rest)

    def episode(self) -> Episode:
        """The line of the manifest that this is about."""
        return Episode.from_json(self.model_dump(include={f.name for f in fields(Episode)}))

    def comparable(self) -> dict[str, Any]:
        """The part that must be the same in every repetition of the run."""
        return self.model_dump(exclude={"execution"})
