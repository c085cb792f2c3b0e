"""The scripted expert as a wambench policy.

It looks at the simulator's state instead of at images, and acts only through the benchmark's
ordinary 7-D actions at 20 Hz. It sets the upper line in plots, makes demonstrations, and shows that
an environment can be solved at all.

Non-obvious behaviours
    - It is privileged: it runs inside the simulator's process. It never writes the simulator's
      state; everything it tries, it tries in its own `MjData`.
    - Importing this module needs no simulator; the planner is imported at the first action.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError
from wambench.protocol import Episode, Needs, Observation, Policy, SuiteSpec, Task
from wambench_policies.expert.plan import NoPlan, plan_for

ACTION_DIM = 7
"""Translation, rotation vector, gripper: robosuite's OSC_POSE with one gripper command."""


class Expert(Policy):
    """Solves tasks with scripted skills from privileged state.

    Args:
        spec: The suite; only LIBERO's 7-D end-effector actions are understood.

    Raises:
        PolicyContractError: The suite has other actions.
    """

    needs = Needs(privileged=True)
    horizon = 1
    execute = 1

    def __init__(self, spec: SuiteSpec) -> None:
        if spec.action_dim != ACTION_DIM or spec.embodiment != "panda":
            raise PolicyContractError(
                f"The expert acts with 7-D end-effector actions of a Panda, {spec.name} has "
                f"{spec.action_dim} dimensions of a {spec.embodiment}.",
                "It knows the LIBERO suites.",
            )
        self.spec = spec
        self._episodes: dict[str, Generator[NDArray[np.float64], None, None]] = {}

    def check(self, tasks: Sequence[Task]) -> None:
        """Refuses tasks without a plan, naming what is missing."""
        missing = []
        for task in tasks:
            try:
                plan_for(task)
            except NoPlan as reason:
                missing.append(f"{task.suite} {task.index} ({task.name}): {reason}")
        if missing:
            raise PolicyContractError(
                f"The expert has no plan for {len(missing)} of {len(tasks)} tasks: "
                + "; ".join(missing)
                + ".",
                "Leave these tasks out with --tasks.",
            )

    def start(self, episodes: Sequence[Episode]) -> None:
        """Forgets earlier attempts at these episodes."""
        self.finish(episodes)

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, 1, 7) next action of each episode."""
        return np.stack([self._next(observation)[None] for observation in batch])

    def finish(self, episodes: Sequence[Episode]) -> None:
        """Drops the plans of these episodes."""
        for episode in episodes:
            self._episodes.pop(episode.key, None)

    def _next(self, observation: Observation) -> NDArray[np.float64]:
        key = observation.episode.key
        if key not in self._episodes:
            self._episodes[key] = self._begin(observation)
        return np.clip(next(self._episodes[key]), self.spec.action_low, self.spec.action_high)

    def _begin(self, observation: Observation) -> Generator[NDArray[np.float64], None, None]:
        from wambench_policies.expert.execution import execute
        from wambench_policies.expert.scene import Scene

        if observation.env is None:
            raise PolicyContractError(
                "The expert was given no simulator (Observation.env is None).",
                "Run it as a privileged policy, inside the simulator's process.",
            )
        task = observation.env.task
        self.check([task])
        return execute(Scene(observation.env), plan_for(task))
