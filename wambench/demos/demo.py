"""What every reader of demonstrations offers, whatever the format on disk.

A `Source` is one dataset on disk. Its rows are aligned: observation, state and action of row t
belong together as a policy meets them, the observation before the action. Pixels are wambench's
(row 0 at the top, as `wambench eval` shows them to policies), whatever the file's orientation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wambench.errors import DataError
from wambench.protocol import Episode, Task

UNKNOWN = "unknown"
"""Suite or backend of a dataset that does not say."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What a skill clip was cut from; see `wambench.skills`.

    Attributes:
        demo: Name of the demonstration.
        episode: Key of its episode; None where unknown.
        instruction: Its instruction; the clip's is a prompt.
        order: Number of the clip within the demonstration, from 0.
        of: How many clips that has.
        start: Row of the demonstration at which the clip begins.
        end: Its last row.
    """

    demo: str
    episode: str | None
    instruction: str
    order: int
    of: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DemoInfo:
    """One demonstration, without its data.

    Attributes:
        name: Where it is, for people: `task_demo.hdf5:demo_3`.
        length: Rows T.
        suite: Name of the suite, or `unknown`.
        backend: `official`, `embedded` or `unknown`.
        task: Index of the task, -1 where unknown.
        task_name: Name of the task.
        instruction: The sentence given to the policy.
        embodiment: Robot and end-effector.
        control_hz: Control frequency in Hz.
        action_names: One name per action dimension; empty where unknown.
        cameras: Camera to (height, width).
        success: Whether it ended in success; None where the dataset does not say.
        noise: Noise on the executed actions; see `wambench.demos.recording`.
        episode: The line of the manifest it was recorded from; None for other people's data.
        final_state: Digest of the state after the last action; empty where unknown.
        about: How it was made: policy, seed and so on; empty where unknown.
        provenance: What decided physics and pixels; empty where unknown.
        state_names: One name per dimension of the proprioception; empty where unknown.
        action_low: (A,) lower bounds of actions; empty where unknown.
        action_high: (A,) upper bounds of actions; empty where unknown.
        skills: (first row, name) of every skill that the policy said it was at; empty where it
            said nothing, or nobody asked.
        prologue: Rows before the demonstration begins: what was done in them is not to be imitated.
        cut: What it was cut from, where it is a skill clip.
    """

    name: str
    length: int
    suite: str
    backend: str
    task: int
    task_name: str
    instruction: str
    embodiment: str
    control_hz: float
    action_names: tuple[str, ...]
    cameras: Mapping[str, tuple[int, int]]
    success: bool | None
    noise: float = 0.0
    episode: Episode | None = None
    final_state: str = ""
    about: Mapping[str, Any] | None = None
    provenance: Mapping[str, str] | None = None
    state_names: tuple[str, ...] = ()
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    skills: tuple[tuple[int, str], ...] = ()
    prologue: int = 0
    cut: Cut | None = None

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes it this demonstration, its backend and its pictures' sizes included."""
        pictures = sorted((camera, list(size)) for camera, size in self.cameras.items())
        if self.cut is not None:
            place = (self.cut.demo, self.cut.start, self.cut.end)
            return (self.suite, self.backend, self.name, self.length, self.noise, place, pictures)
        if self.episode is None:
            return (self.suite, self.backend, self.name, self.length, pictures)
        key, seed = self.episode.key, self.episode.seed
        return (self.suite, self.backend, key, seed, self.noise, self.final_state, pictures)


class Source(Protocol):
    """One dataset on disk."""

    path: Path

    @property
    def demos(self) -> Sequence[DemoInfo]:
        """The demonstrations, in the order of their indices."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of the dataset should know."""
        ...

    def actions(self, demo: int, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """(stop - start, A) actions as recorded: the labels, where noise was added."""
        ...

    def executed_actions(self, demo: int, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """(stop - start, A) actions as executed; the same as `actions` where there is no noise."""
        ...

    def agent_pos(self, demo: int, row: int) -> NDArray[np.float32]:
        """(S,) proprioception before action `row`."""
        ...

    def states(self, demo: int, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, S) proprioception before each action, read at once."""
        ...

    def pixels(self, demo: int, camera: str, row: int) -> NDArray[np.uint8]:
        """(H, W, 3) picture before action `row`."""
        ...


def is_of(episode: Episode, task: Task) -> bool:
    """Whether an episode is of a task as it is now; those of `collect --max-steps` are shorter."""
    return episode.task_name == task.name and episode.max_steps <= task.max_steps


def dataset_identity(demos: Sequence[DemoInfo]) -> str:
    """SHA-256 over the identities of all demonstrations, as 64 hexadecimal digits."""
    lines = sorted(json.dumps(demo.identity) for demo in demos)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def one_backend(demos: Sequence[DemoInfo]) -> str:
    """The backend of all demonstrations.

    Raises:
        DataError: There are several: their pictures differ, so they are different datasets.
    """
    by_backend = {demo.backend: demo.name for demo in demos}
    if len(by_backend) > 1:
        found = ", ".join(f"{backend} ({name})" for backend, name in sorted(by_backend.items()))
        raise DataError(
            f"Demonstrations of different backends are never mixed, and these are of: {found}.",
            "Read them as separate datasets.",
        )
    return next(iter(by_backend), UNKNOWN)
