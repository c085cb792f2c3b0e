"""The simulator itself as the world model: the upper bound of planning with imagination.

Candidates are executed in copies of the episode's environment, from its present state to the bit,
with the rules that would stop the episode itself, and what would be seen is drawn and encoded like
any observation. So what is imagined is what comes to pass.

The copies are made through the registry, like the environment they are copies of; the state is the
`physics_state` of `Observation.env`, which only a privileged policy has.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from wambench import registry
from wambench.env import BenchmarkEnv
from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import Needs, Observation
from wambench_policies.planning.features import Features
from wambench_policies.planning.judges import Judgement, Moment
from wambench_policies.planning.objectives import Objective


class OracleJudge:
    """See the module docstring.

    Args:
        features: The feature space.
        objective: What scores.
        camera: Through which the planner looks.
        image_size: (height, width) of pictures.
        copies: How many candidates are simulated at the same time, in threads: MuJoCo computes
            without holding Python up.

    Raises:
        UsageError: `copies` is no number of copies.
    """

    chunk = 1
    privileged = True

    def __init__(
        self,
        features: Features,
        objective: Objective,
        camera: str,
        image_size: tuple[int, int],
        copies: int = 1,
    ) -> None:
        if copies < 1:
            raise UsageError(f"{copies} copies of the simulator.", "Use 1 or more.")
        self._features = features
        self._objective = objective
        self._camera = camera
        self._needs = Needs((camera,), image_size)
        # Always in threads of its own: an OpenGL context belongs to the thread that made it.
        self._threads = ThreadPoolExecutor(copies)
        self._own = threading.local()

    def judge(
        self, moments: Sequence[Moment], actions: Sequence[NDArray[np.float32]]
    ) -> list[Judgement]:
        """See `Judge`; a call is one simulated candidate."""
        return [self._judge(m, a) for m, a in zip(moments, actions, strict=True)]

    def _judge(self, moment: Moment, actions: NDArray[np.float32]) -> Judgement:
        env = moment.seen.env
        if env is None:
            raise PolicyContractError(
                "The oracle was given no simulator (Observation.env is None).",
                "Run it as a privileged policy, inside the simulator's process.",
            )
        state, steps = env.physics_state(), env.steps_done

        def simulate(sequence: NDArray[np.float32]) -> NDArray[np.uint8]:
            copy = self._copy(env, moment.seen)
            copy.go_back(state, steps)
            obs, *_ = copy.advance(sequence)
            shown: NDArray[np.uint8] = obs["pixels"][self._camera]
            return shown

        pictures = []
        for picture in self._threads.map(simulate, actions):
            pictures.append(picture)
            moment.seen.alive()
        tokens = self._features(np.stack(pictures))
        with torch.no_grad():
            # One by one, so that scores are to the bit what the same pictures measure later.
            scores = torch.stack([self._objective(each, moment.goal) for each in tokens])
        return Judgement(scores, tokens, len(actions))

    def _copy(self, env: BenchmarkEnv, seen: Observation) -> BenchmarkEnv:
        """This thread's copy, in the present episode."""
        own, episode = self._own, seen.episode
        copy: BenchmarkEnv | None = getattr(own, "env", None)
        if copy is None or copy.task != env.task:
            if copy is not None:
                copy.close()
            suite = registry.load_suite(env.suite_spec.name, env.suite_spec.backend)
            copy = own.env = suite.make_env(env.task, self._needs)
            own.episode = None
        if own.episode != episode:
            copy.reset(seed=episode.seed, options={"init_state": episode.init_state})
            own.episode = episode
        return copy
