"""The suites of RoboCasa v1.0.1 (RoboCasa365), on the user's own checkout and assets.

`robocasa365` has the 50 tasks of the benchmark; its success rate is the leaderboard's overall one,
(18 a + 16 c + 16 u) / 50. `_atomic_seen`, `_composite_seen` and `_composite_unseen` are its three
groups, whose rates are reported beside it. They are in kitchens and with objects of upstream's
split `pretrain`, as the multi-task leaderboard is; `robocasa365_target` and its groups are in the
ten target kitchens with objects that no pretraining data has, where foundation models are compared.
`robocasa365_all` has all 317 tasks that upstream has data and horizons for, in `pretrain`.

A group is a suite of its own since its rate is a published number; so is a split, since rates of
the two are not comparable.

Non-obvious behaviours
    - The episode of a task and trial is the same in every suite of a split: `robocasa365` and its
      three groups can be evaluated in one run or in three.
    - Upstream draws its scenarios anew in each evaluation and publishes no seeds: seeds are
      wambench's own, and 50 trials of a task are as good as any other 50.
    - There is no embedded backend: kitchens made here have robocasa24's fixtures only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

from wambench import manifest
from wambench.env import BenchmarkEnv
from wambench.errors import UsageError
from wambench.protocol import Check, Needs, SuiteSpec, Task
from wambench.runtimes import Runtime
from wambench_envs.robocasa.official import installation
from wambench_envs.robocasa.official.releases import V1_0
from wambench_envs.robocasa.suite import suite_spec
from wambench_envs.robocasa.v1.tasks import GROUPS, Group, Rule, Split, benchmark, registry

BackendChoice = Literal["auto", "official", "embedded"]

NAME = V1_0.suite

TRIED_TASK, TRIED_SEED = "PickPlaceCounterToCabinet", 0
"""What `wambench doctor` begins."""


class RoboCasa365Suite:
    """One of the suites.

    Args:
        name: Its name.
        rules: Its tasks.
        split: Of kitchens and objects.
    """

    def __init__(self, name: str, rules: Sequence[Rule], split: Split) -> None:
        self.spec: SuiteSpec = replace(suite_spec("official"), name=name)
        self._split = split
        self._tasks = tuple(
            Task(name, index, rule.name, rule.words, rule.horizon)
            for index, rule in enumerate(rules)
        )

    @property
    def runtime(self) -> Runtime:
        """Where workers run.

        Raises:
            RuntimeUnavailable: It is not set up.
        """
        return installation.require(V1_0).release.runtime

    def tasks(self) -> Sequence[Task]:
        """All tasks, group by group, in upstream's order."""
        return self._tasks

    def episode_seed(self, run_seed: int, task: Task, trial: int) -> int:
        """Seed of an episode, which depends on the task's name and not on the suite."""
        return manifest.episode_seed(run_seed, NAME, _numbers()[task.name], trial)

    def make_env(self, task: Task, needs: Needs) -> BenchmarkEnv:
        """The environment of one task."""
        from wambench_envs.robocasa.v1.env import RoboCasa365Env

        if task not in self._tasks:
            raise UsageError(f"{task.name} is not a task of {self.spec.name}.", "See tasks().")
        return RoboCasa365Env(self.spec, task, needs, self._split)

    def install_official(
        self, source: Path, assets: Path | None, progress: Callable[[str], None]
    ) -> Path:
        """Sets all of the suites up; returns the checkout."""
        return installation.install(V1_0, source, assets, progress).source

    def provenance(self) -> Mapping[str, str]:
        """Versions, renderer and hashes of code and assets, which decide states and pixels."""
        from wambench_envs.robocasa.official.doctor import provenance

        return provenance(V1_0)

    def doctor(self) -> Iterator[Check]:
        """Checks the installation."""
        from wambench_envs.robocasa.official.doctor import checks

        task = next((task for task in self._tasks if task.name == TRIED_TASK), self._tasks[0])
        return checks(V1_0, lambda: self.make_env(task, Needs()), TRIED_SEED, -1)


@cache
def _numbers() -> dict[str, int]:
    return {rule.name: number for number, rule in enumerate(registry())}


def build(
    name: str, backend: BackendChoice, rules: Sequence[Rule], split: Split = "pretrain"
) -> RoboCasa365Suite:
    """One of the suites.

    Raises:
        UsageError: Another backend is asked for.
        RuntimeUnavailable: The official backend is asked for by name and not set up.
    """
    if backend not in ("auto", "official", "embedded"):
        raise UsageError(f"Unknown backend {backend}.", "Choose auto or official.")
    if backend == "embedded":
        raise UsageError(
            f"{name} has no embedded backend: its tasks need fixtures and objects of RoboCasa "
            "v1.0.1 that the kitchens made here do not have.",
            f"{V1_0.setup} The suite robocasa24, the 24 tasks of v0.2, has an embedded backend.",
        )
    if backend == "official":
        installation.require(V1_0)
    return RoboCasa365Suite(name, rules, split)


def robocasa365(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """The benchmark's 50 tasks in the kitchens of pretraining."""
    return build(NAME, backend, benchmark(*GROUPS))


def robocasa365_atomic_seen(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """Its 18 atomic tasks."""
    return _group("atomic_seen", backend)


def robocasa365_composite_seen(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """Its 16 composite tasks that are in the pretraining data."""
    return _group("composite_seen", backend)


def robocasa365_composite_unseen(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """Its 16 composite tasks that are not."""
    return _group("composite_unseen", backend)


def robocasa365_target(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """The benchmark's 50 tasks in the target kitchens, with target objects."""
    return build(f"{NAME}_target", backend, benchmark(*GROUPS), "target")


def robocasa365_target_atomic_seen(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """The 18 atomic tasks there."""
    return _group("atomic_seen", backend, "target")


def robocasa365_target_composite_seen(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """The 16 composite tasks there that are in the pretraining data."""
    return _group("composite_seen", backend, "target")


def robocasa365_target_composite_unseen(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """The 16 composite tasks there that are not."""
    return _group("composite_unseen", backend, "target")


def robocasa365_all(backend: BackendChoice = "auto") -> RoboCasa365Suite:
    """All 317 tasks with data and horizons, in the kitchens of pretraining."""
    return build(f"{NAME}_all", backend, registry())


def _group(group: Group, backend: BackendChoice, split: Split = "pretrain") -> RoboCasa365Suite:
    prefix = NAME if split == "pretrain" else f"{NAME}_target"
    return build(f"{prefix}_{group}", backend, benchmark(group), split)
