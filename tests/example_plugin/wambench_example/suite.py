"""A suite without a simulator: a point in a square has to reach a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wambench.env import BenchmarkEnv
from wambench.protocol import Check, Needs, SuiteSpec, Task
from wambench.runtimes import Runtime

REACHED = 0.12
"""Distance to the target, in half side lengths of the square, that counts as success."""


class ReachEnv(BenchmarkEnv):
    """A point in [-1, 1]^2; an action moves it by a tenth of its value."""

    def reset_episode(self, seed: int, init_state: int) -> None:
        """The target comes from the initial state or, without one, the seed; the start from it."""
        source = [self.task.index, init_state] if init_state >= 0 else [seed, self.task.index]
        self._target = np.random.default_rng(source).uniform(-0.8, 0.8, 2)
        self._point = np.random.default_rng(seed).uniform(-0.9, 0.9, 2)

    def control_step(self, action: NDArray[np.float64]) -> bool:
        """Moves the point."""
        self._point = np.clip(self._point + 0.1 * np.clip(action, -1, 1), -1, 1)
        return bool(np.linalg.norm(self._point - self._target) < REACHED)

    def agent_pos(self) -> NDArray[np.float32]:
        """(2,) the point."""
        return self._point.astype(np.float32)

    def render_camera(self, camera: str, height: int, width: int) -> NDArray[np.uint8]:
        """The target in red, the point in green."""
        image = np.full((height, width, 3), 40, np.uint8)
        size = np.array([width, height])
        for place, channel in ((self._target, 0), (self._point, 1)):
            column, row = np.clip((place + 1) / 2 * size, 0, size - 1).astype(int)
            other = image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            other[..., channel] = 255
        return image

    def snapshot(self) -> NDArray[np.float64]:
        """(4,) point and target."""
        return np.concatenate([self._point, self._target])

    def restore(self, snapshot: NDArray[np.float64]) -> None:
        """Shows another state."""
        self._point, self._target = snapshot[:2].copy(), snapshot[2:].copy()


class ReachSuite:
    """Three tasks that differ in their targets."""

    env_class = ReachEnv

    def __init__(self, backend: str, name: str = "example_reach") -> None:
        self.spec = SuiteSpec(
            name=name,
            backend="official" if backend == "official" else "embedded",
            embodiment="point",
            action_names=("vx", "vy"),
            action_low=(-1.0, -1.0),
            action_high=(1.0, 1.0),
            state_names=("x", "y"),
            cameras=("top",),
            control_hz=10.0,
            hold_action=(0.0, 0.0),
        )
        self.runtime = Runtime("example", Path("requirements.txt"), {})

    def tasks(self) -> Sequence[Task]:
        """The tasks."""
        return [
            Task(self.spec.name, i, f"reach_{i}", f"reach target {i}", max_steps=40, init_states=5)
            for i in range(3)
        ]

    def make_env(self, task: Task, needs: Needs) -> BenchmarkEnv:
        """The environment of a task."""
        return self.env_class(self.spec, task, needs)

    def provenance(self) -> Mapping[str, str]:
        """Nothing but numpy decides the physics."""
        return {"numpy": np.__version__}

    def doctor(self) -> Iterator[Check]:
        """There is little that can be wrong."""
        yield Check("physics", True, "a point moves")


def example_reach(backend: str) -> ReachSuite:
    """Entry point."""
    return ReachSuite(backend)
