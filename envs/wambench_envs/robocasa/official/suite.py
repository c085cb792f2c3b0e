"""The official backend of `robocasa24`: the user's robocasa v0.2 and its assets.

Non-obvious behaviours
    - Seeds are those of the published evaluations, the same for all tasks: `--seed 195`, 196 and
      197 are Cosmos Policy's three runs, with its episodes.
    - What is told in an episode only upstream knows; see `env.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from wambench.env import BenchmarkEnv
from wambench.errors import UsageError
from wambench.protocol import Check, Needs, SuiteSpec, Task
from wambench_envs.robocasa.official import installation
from wambench_envs.robocasa.official.releases import V0_2
from wambench_envs.robocasa.protocol import PUBLISHED_SEEDS, published_seed

TRIED_TASK, TRIED_TRIAL = "PnPCounterToCab", 1
"""What `wambench doctor` begins."""


class OfficialRoboCasaSuite:
    """The suite.

    Args:
        spec: What it looks like to a policy.
        tasks: The 24 tasks.

    Raises:
        RuntimeUnavailable: It is not set up.
    """

    def __init__(self, spec: SuiteSpec, tasks: Sequence[Task]) -> None:
        installation.require(V0_2)
        self.spec = spec
        self.runtime = V0_2.runtime
        self._tasks = tasks

    def tasks(self) -> Sequence[Task]:
        """All tasks, in the order of RoboCasa's table."""
        return self._tasks

    def episode_seed(self, run_seed: int, task: Task, trial: int) -> int:
        """Seed of an episode of the published protocol."""
        return published_seed(run_seed, trial)

    def make_env(self, task: Task, needs: Needs) -> BenchmarkEnv:
        """The environment of one task."""
        from wambench_envs.robocasa.official.env import RoboCasa24Env

        if task not in self._tasks:
            raise UsageError(f"{task.name} is not a task of {self.spec.name}.", "See tasks().")
        return RoboCasa24Env(self.spec, task, needs)

    def install_official(
        self, source: Path, assets: Path | None, progress: Callable[[str], None]
    ) -> Path:
        """Sets the backend up anew; returns the checkout."""
        return installation.install(V0_2, source, assets, progress).source

    def provenance(self) -> Mapping[str, str]:
        """Versions, renderer and hashes of code and assets, which decide states and pixels."""
        from wambench_envs.robocasa.official.doctor import provenance

        return provenance(V0_2)

    def doctor(self) -> Iterator[Check]:
        """Checks the installation."""
        from wambench_envs.robocasa.official.doctor import checks

        task = next(task for task in self._tasks if task.name == TRIED_TASK)
        seed = published_seed(PUBLISHED_SEEDS[0], TRIED_TRIAL)
        return checks(V0_2, lambda: self.make_env(task, Needs()), seed, TRIED_TRIAL)
