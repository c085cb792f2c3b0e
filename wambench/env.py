"""The environment base class: chunks in, one observation out.

`BenchmarkEnv` turns six simulator hooks into a `gymnasium.Env` whose primitive is `advance`:
execute K actions open loop, stop at success or at the horizon, render once at the end. `step` is
`advance` of one action. What happens every control step (success check, contact flags) is done by
`control_step` and does not change with K.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from wambench.errors import PolicyContractError, PolicyError, UsageError
from wambench.protocol import Needs, SuiteSpec, Task

Obs = dict[str, Any]


class BenchmarkEnv(gymnasium.Env[Obs, NDArray[np.float64]]):
    """One task of a suite as a gymnasium environment.

    Observations are `{"pixels": {camera: (H, W, 3) uint8}, "agent_pos": (S,) float32}`; `info`
    carries `instruction`, `is_success`, `steps` (control steps executed by this call) and, after
    `reset`, `seed` and `init_state`.

    `reset(seed=s, options={"init_state": i})` selects the fixed initial state; -1 asks for one that
    the seed decides freely, and without the option one of the fixed ones is drawn. The same
    (seed, init_state) gives the same episode, whatever ran before in the same process.

    Args:
        spec: The suite.
        task: The task.
        needs: Cameras and image size; nothing else is rendered.

    Attributes:
        seconds: Wall time spent so far, by kind: `simulation`, `rendering`.
        on_control_step: Called after every control step, for recorders; None by default.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, spec: SuiteSpec, task: Task, needs: Needs) -> None:
        unknown = [camera for camera in needs.cameras if camera not in spec.cameras]
        if unknown:
            raise UsageError(
                f"{spec.name} has no camera {', '.join(unknown)}.",
                f"Its cameras are: {', '.join(spec.cameras)}.",
            )
        self.suite_spec = spec
        self.task = task
        self.needs = needs
        self.render_mode = "rgb_array"
        self.seconds = {"simulation": 0.0, "rendering": 0.0}
        self.on_control_step: Callable[[], None] | None = None
        self.steps_done = 0
        self._ended = True
        height, width = needs.image_size
        self.action_space = spaces.Box(
            np.asarray(spec.action_low, np.float64),
            np.asarray(spec.action_high, np.float64),
            dtype=np.float64,
        )
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Dict(
                    {
                        camera: spaces.Box(0, 255, (height, width, 3), np.uint8)
                        for camera in needs.cameras
                    }
                ),
                "agent_pos": spaces.Box(-np.inf, np.inf, (len(spec.state_names),), np.float32),
            }
        )

    # ---- hooks -------------------------------------------------------------------------------

    @abstractmethod
    def reset_episode(self, seed: int, init_state: int) -> None:
        """Puts the simulator at the start of an episode, settle steps included.

        Args:
            seed: Decides everything that `init_state` does not.
            init_state: Index of the fixed initial state; -1 where the seed decides it.
        """

    @abstractmethod
    def control_step(self, action: NDArray[np.float64]) -> bool:
        """Executes one action of shape (A,) and returns whether the task is now solved."""

    @abstractmethod
    def agent_pos(self) -> NDArray[np.float32]:
        """(S,) proprioception at the current state."""

    @abstractmethod
    def render_camera(self, camera: str, height: int, width: int) -> NDArray[np.uint8]:
        """(height, width, 3) upright image of the current state."""

    @abstractmethod
    def snapshot(self) -> NDArray[np.float64]:
        """(N,) everything needed to render the current state again."""

    @abstractmethod
    def restore(self, snapshot: NDArray[np.float64]) -> None:
        """Shows an earlier state of this episode; physics need not continue from it exactly."""

    def metrics(self) -> dict[str, float]:
        """Measures of the episode so far beside success, by name; all optional.

        Recorded at the end of each episode and averaged over episodes in tables. Every episode of a
        suite must report the same names.
        """
        return {}

    @property
    def instruction(self) -> str:
        """What the robot is told in the current episode."""
        return self.task.instruction

    def episode_meta(self) -> dict[str, Any]:
        """A description of the current episode's start, as plain JSON; optional, and recorded."""
        return {}

    # ---- what a demonstration holds beyond observations and actions; all optional -------------

    def physics_state(self) -> NDArray[np.float64]:
        """(N,) state of the physics; the snapshot where an environment has nothing fuller."""
        return self.snapshot()

    def restore_physics(self, state: NDArray[np.float64]) -> None:
        """Continues from a `physics_state` of this episode, to the bit; optional.

        Raises:
            UsageError: This environment cannot.
        """
        raise UsageError(
            f"{self.suite_spec.name} cannot go back to an earlier state of its physics.",
            "What needs that, such as imagination=oracle, runs on the BFA and RoboCasa suites.",
        )

    def demonstration_signals(self) -> dict[str, NDArray[Any]]:
        """Low-dimensional signals of the current step, by their path in a demonstration."""
        return {}

    def demonstration_attributes(self, recorded: Needs) -> tuple[dict[str, str], dict[str, str]]:
        """Attributes of the task's file and of this episode, by their upstream names.

        Args:
            recorded: Cameras and image size of the recording.
        """
        return {}, {}

    # ---- gymnasium ---------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Starts an episode; see the class docstring for seed and `options["init_state"]`."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**32))
        init_state = self._init_state(seed, options or {})
        started = time.perf_counter()
        self.reset_episode(seed, init_state)
        self.seconds["simulation"] += time.perf_counter() - started
        self.steps_done = 0
        self._ended = False
        info = self._info(success=False, steps=0) | {"seed": seed, "init_state": init_state}
        return self._observe(), info

    def step(self, action: NDArray[np.float64]) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """`advance` of one action."""
        return self.advance(np.asarray(action)[None])

    def advance(self, actions: ArrayLike) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Executes a chunk open loop; stops early at success or at the horizon; renders once.

        Args:
            actions: (K, A) actions, K at least 1.

        Returns:
            Observation after the last executed action, reward (1.0 at success, else 0.0),
            terminated (success), truncated (horizon), and info.

        Raises:
            PolicyContractError: The chunk has the wrong shape.
            PolicyError: The chunk holds NaN or infinity.
        """
        if self._ended:
            raise UsageError("The episode has ended or was never started.", "Call reset() first.")
        chunk = checked_chunk(actions, self.suite_spec.action_dim)
        success = False
        executed = 0
        started = time.perf_counter()
        for action in chunk:
            success = self.control_step(action)
            executed += 1
            if self.on_control_step is not None:
                self.on_control_step()
            if success or self.steps_done + executed >= self.task.max_steps:
                break
        self.seconds["simulation"] += time.perf_counter() - started
        self.steps_done += executed
        truncated = not success and self.steps_done >= self.task.max_steps
        self._ended = success or truncated
        return self._observe(), float(success), success, truncated, self._info(success, executed)

    def go_back(self, state: NDArray[np.float64], steps_done: int) -> None:
        """Continues the current episode from an earlier moment, its steps until then included.

        Args:
            state: A `physics_state` of this episode, of this or another environment of the task.
            steps_done: Control steps that had been executed then.

        Raises:
            UsageError: This environment cannot.
        """
        self.restore_physics(state)
        self.steps_done = steps_done
        self._ended = False

    def render(self) -> NDArray[np.uint8]:
        """(H, W, 3) image of the first camera asked for, or of the suite's first camera."""
        camera = (self.needs.cameras or self.suite_spec.cameras)[0]
        return self.render_camera(camera, *self.needs.image_size)

    # ---- shared ------------------------------------------------------------------------------

    def _init_state(self, seed: int, options: dict[str, Any]) -> int:
        unknown = set(options) - {"init_state"}
        if unknown:
            raise UsageError(
                f"Unknown reset option {', '.join(sorted(unknown))}.", "Known: init_state."
            )
        count = self.task.init_states
        if "init_state" not in options:
            return int(np.random.default_rng(seed).integers(count)) if count else -1
        index = int(options["init_state"])
        if index == -1:
            return -1
        if count and not 0 <= index < count:
            raise UsageError(
                f"{self.task.suite} task {self.task.index} has no initial state {index}.",
                f"It has 0 to {count - 1}.",
            )
        return index if count else -1

    def _observe(self) -> Obs:
        started = time.perf_counter()
        height, width = self.needs.image_size
        pixels = {
            camera: self.render_camera(camera, height, width) for camera in self.needs.cameras
        }
        self.seconds["rendering"] += time.perf_counter() - started
        return {"pixels": pixels, "agent_pos": self.agent_pos()}

    def _info(self, success: bool, steps: int) -> dict[str, Any]:
        return {"instruction": self.instruction, "is_success": success, "steps": steps}


def checked_chunk(actions: ArrayLike, action_dim: int) -> NDArray[np.float64]:
    """A chunk as a (K, A) float64 array, or the error that says what is wrong with it."""
    chunk = np.asarray(actions, dtype=np.float64)
    if chunk.ndim != 2 or chunk.shape[0] == 0 or chunk.shape[1] != action_dim:
        raise PolicyContractError(
            f"Expected actions of shape (K, {action_dim}), got {chunk.shape}.",
            "Check the action width of the policy against the suite.",
        )
    if not np.isfinite(chunk).all():
        row, column = np.argwhere(~np.isfinite(chunk))[0]
        raise PolicyError(
            f"Action {row} of the chunk is {chunk[row, column]} in dimension {column}.",
            "Check the policy's normalisation statistics and inputs.",
        )
    return chunk
