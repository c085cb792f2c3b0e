"""The scripted expert as a wambench policy.

It looks at the simulator's state instead of at images, and acts only through the benchmark's
ordinary actions. It sets the upper line in plots, makes demonstrations, and shows that
an environment can be solved at all.

Non-obvious behaviours
    - It is privileged: it runs inside the simulator's process. It never writes the simulator's
      state; everything it tries, it tries in its own `MjData`.
    - Importing this module needs no simulator; the planner is imported at the first action.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wambench.env import BenchmarkEnv
from wambench.errors import PolicyContractError
from wambench.protocol import Observation, SuiteSpec, Task
from wambench_policies.expert.plan import NoPlan, plan_for
from wambench_policies.expert.scripted import Actions, Scripted

Say = Callable[[str], None]
"""Told what the expert is doing."""


def silent(_: str) -> None:
    """Nobody wants to know."""


class Skill(Protocol):
    """How the expert solves the tasks of one embodiment.

    Attributes:
        action_dim: Width of the actions it makes.
    """

    action_dim: int

    def missing(self, task: Task) -> str:
        """Why a task cannot be attempted; empty when it can."""
        ...

    def begin(self, env: BenchmarkEnv, say: Say = silent) -> Actions:
        """The actions of an episode that has just been reset; see `Scripted.begin`.

        Args:
            env: The environment.
            say: Told what is being done, before the first action of every step of a plan.
        """
        ...


class Gripper:
    """LIBERO's Panda: plans from goal predicates, 7-D end-effector actions at 20 Hz."""

    action_dim = 7

    def missing(self, task: Task) -> str:
        """Why there is no plan."""
        try:
            plan_for(task)
        except NoPlan as reason:
            return str(reason)
        return ""

    def begin(self, env: BenchmarkEnv, say: Say = silent) -> Actions:
        """Plans and carries the plan out."""
        from wambench_policies.expert.execution import execute
        from wambench_policies.expert.scene import Scene

        return execute(Scene(env), plan_for(env.task), say)


@dataclass(frozen=True, slots=True)
class AtTheCounter:
    """BFA's hands, and all others that work at its counter: one object, poses at 15 Hz."""

    action_dim: int

    def missing(self, task: Task) -> str:
        """Why the task is none of lifting an object and setting it down aside."""
        if len(task.goal) == 1 and task.goal[0][0] == "moved":
            return ""
        return f"its goal {task.goal} is not to move one object aside"

    def begin(self, env: BenchmarkEnv, say: Say = silent) -> Actions:
        """Picks up and sets down with the nearest limb, again and again until it is done."""
        from wambench_policies.expert.dexterous.execution import execute

        return execute(env, say)


class TwoArms:
    """RoboTwin's two arms: a plan per task, 14-D joint targets."""

    action_dim = 14

    def missing(self, task: Task) -> str:
        """Why there is no plan."""
        from wambench_policies.expert.bimanual.plans import PLANS

        return "" if task.name in PLANS else "nobody has written one"

    def begin(self, env: BenchmarkEnv, say: Say = silent) -> Actions:
        """Carries out the task's plan."""
        from wambench_policies.expert.bimanual.plans import execute

        return execute(env)


class UpstreamsTwoArms:
    """RoboTwin's own expert: what it commanded in the check of the seed, once more.

    The joints are those of upstream's demonstrations, every 15 physics steps. Replayed as actions
    they take longer than the expert took, and contacts may differ: not every episode is solved.
    """

    action_dim = 14

    def missing(self, task: Task) -> str:
        """Upstream has an expert for every task."""
        return ""

    def begin(self, env: BenchmarkEnv, say: Say = silent) -> Actions:
        """Its commands in turn, then the last one until the episode ends."""
        targets = env.expert_targets  # type: ignore[attr-defined]
        yield from targets
        while True:
            yield targets[-1]


class MobileManipulator:
    """RoboCasa's PandaOmron: scripts by task, 12-D actions at 20 Hz."""

    action_dim = 12

    def missing(self, task: Task) -> str:
        """Why there is no script."""
        from wambench_policies.expert.kitchen.scripts import missing

        return missing(task)

    def begin(self, env: BenchmarkEnv, say: Say = silent) -> Actions:
        """Runs the task's script until the episode ends."""
        from wambench_policies.expert.kitchen.scripts import execute
        from wambench_policies.expert.kitchen.view import Kitchen

        say(env.task.name)  # a script is one skill, however often it is begun
        return execute(Kitchen(env.world), env.task.name)  # type: ignore[attr-defined]


SKILLS: dict[str, Skill] = {
    "panda": Gripper(),
    "franka_allegro_right": AtTheCounter(25),
    "franka_allegro_left": AtTheCounter(25),
    "franka_allegro_both": AtTheCounter(50),
    "franka_gripper": AtTheCounter(10),
    "twin_gripper": AtTheCounter(20),
    "human_hands": AtTheCounter(138),
    "aloha_agilex": TwoArms(),
    "panda_omron": MobileManipulator(),
}
"""By the embodiment of a suite."""

OFFICIAL_SKILLS: dict[str, Skill] = {"aloha_agilex": UpstreamsTwoArms()}
"""Instead, where the official backend has other models than the embedded one's skills know."""


class Expert(Scripted):
    """Solves tasks with scripted skills from privileged state.

    Args:
        spec: The suite.

    Attributes:
        takes_over: Whether it can begin where another policy has got to. What upstream's expert
            commanded belongs to the episode's start.

    Raises:
        PolicyContractError: The suite's embodiment or its actions are unknown.
    """

    def __init__(self, spec: SuiteSpec) -> None:
        super().__init__(spec)
        skills = SKILLS | OFFICIAL_SKILLS if spec.backend == "official" else SKILLS
        skill = skills.get(spec.embodiment)
        if skill is None or skill.action_dim != spec.action_dim:
            known = ", ".join(f"{k.action_dim}-D of a {name}" for name, k in SKILLS.items())
            raise PolicyContractError(
                f"The expert makes actions {known}; {spec.name} has {spec.action_dim}-D ones of a "
                f"{spec.embodiment}.",
                "It knows the LIBERO, BFA and RoboCasa suites and RoboTwin's with joint targets.",
            )
        if isinstance(skill, MobileManipulator) and spec.backend == "official":
            raise PolicyContractError(
                "The expert's scripts know the parts of the embedded kitchens, not robocasa's.",
                "Run it with --backend embedded.",
            )
        self._skill = skill
        self.takes_over = not isinstance(skill, UpstreamsTwoArms)

    def check(self, tasks: Sequence[Task]) -> None:
        """Refuses tasks without a plan, naming what is missing."""
        reasons = [(task, self._skill.missing(task)) for task in tasks]
        missing = [f"{t.suite} {t.index} ({t.name}): {why}" for t, why in reasons if why]
        if missing:
            raise PolicyContractError(
                f"The expert has no plan for {len(missing)} of {len(tasks)} tasks: "
                + "; ".join(missing)
                + ".",
                "Leave these tasks out with --tasks.",
            )

    def begin(self, observation: Observation, env: BenchmarkEnv, say: Say) -> Actions:
        """What the skill plans, within the suite's bounds."""
        self.check([env.task])
        actions = self._skill.begin(env, say)
        if isinstance(self._skill, UpstreamsTwoArms):
            return actions  # of upstream's robot, whose limits are its own
        low, high = self.spec.action_low, self.spec.action_high
        return (np.clip(action, low, high) for action in actions)
