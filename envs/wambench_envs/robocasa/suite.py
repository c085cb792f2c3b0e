"""The suite `robocasa24`: RoboCasa's 24 atomic tasks with the semantics of v0.2.

What GR00T, Cosmos Policy and others report: task names, instructions, robot, actions, cameras,
start distributions, predicates, horizons, the five evaluation scenes and ten trials in each. Two
backends: `official` drives the user's robocasa checkout (`official/`); `embedded` has kitchens
authored here, with about 24 object categories instead of 153, and results that are not comparable
to published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wambench import runtimes
from wambench.env import BenchmarkEnv
from wambench.errors import UsageError
from wambench.protocol import Backend, Check, Needs, SuiteSpec, Task
from wambench_envs.robocasa.official import installation
from wambench_envs.robocasa.official.releases import V0_2
from wambench_envs.robocasa.protocol import STATE_KEYS
from wambench_envs.robocasa.tasks import EVALUATION_SCENES, PER_SCENE, RULES, TRIALS

if TYPE_CHECKING:
    from wambench_envs.robocasa.official.suite import OfficialRoboCasaSuite

BackendChoice = Literal["auto", "official", "embedded"]

NAME = "robocasa24"

RUNTIME = runtimes.Runtime(
    "robocasa24", Path(__file__).with_name("requirements.txt"), {"mujoco": "3.3.2"}
)
"""The MuJoCo that LIBERO is pinned to: one interpreter runs both."""

ACTION_NAMES = (
    *(f"arm_{what}_{axis}" for what in ("position", "rotation") for axis in "xyz"),
    "gripper", "base_forward", "base_left", "base_yaw", "torso", "base_mode",
)  # fmt: skip

_AXES = {2: ("0", "1"), 3: ("x", "y", "z"), 4: ("x", "y", "z", "w")}
STATE_NAMES = tuple(f"{key}_{axis}" for key, width in STATE_KEYS for axis in _AXES[width])

CAMERAS = ("robot0_agentview_left", "robot0_agentview_right", "robot0_eye_in_hand")
"""What policies see."""

FOR_PEOPLE: dict[Backend, tuple[str, ...]] = {
    "embedded": ("overview",),
    "official": ("robot0_agentview_center", "robot0_frontview"),
}
"""One that looks into the whole kitchen; upstream has none, but two more on the robot."""

_BLANKS = {
    "obj": "object", "container": "dish", "obj_container": "dish", "preposition": "on",
    "fixture": "cabinet or microwave", "side": "left or right", "burner": "named",
}  # fmt: skip


def suite_spec(backend: Backend) -> SuiteSpec:
    """What the suite looks like to a policy; the backends differ in cameras for people."""
    width = len(ACTION_NAMES)
    return SuiteSpec(
        name=NAME,
        backend=backend,
        embodiment="panda_omron",
        action_names=ACTION_NAMES,
        action_low=(-1.0,) * width,
        action_high=(1.0,) * width,
        state_names=STATE_NAMES,
        cameras=(*CAMERAS, *FOR_PEOPLE[backend]),
        control_hz=20.0,
        hold_action=(0.0,) * width,
    )


class RoboCasaSuite:
    """The suite on the embedded backend."""

    def __init__(self) -> None:
        self.spec = suite_spec("embedded")
        self.runtime = RUNTIME

    def tasks(self) -> Sequence[Task]:
        """All tasks, in the order of RoboCasa's table."""
        return tasks()

    def initial_state(self, task: Task, trial: int) -> int:
        """Trials go round the five scenes, so that every multiple of five has them in equal parts.

        All 50 of them start from all 50 initial states, as trials do in the published order, where
        the first ten are all in the first scene.
        """
        in_scene, scene = divmod(trial % TRIALS, len(EVALUATION_SCENES))
        return scene * PER_SCENE + in_scene

    def instruction(self, task: Task, seed: int, init_state: int) -> str:
        """What the robot is told in an episode: it names objects and sides that the seed draws."""
        from wambench_envs.robocasa.episodes import instruction

        return instruction(task.name, seed, init_state)

    def make_env(self, task: Task, needs: Needs) -> BenchmarkEnv:
        """Builds the environment of one task."""
        from wambench_envs.robocasa.env import RoboCasaEnv

        if task not in self.tasks():
            raise UsageError(f"{task.name} is not a task of {NAME}.", "See tasks().")
        return RoboCasaEnv(self.spec, task, needs)

    def provenance(self) -> Mapping[str, str]:
        """Versions and renderer, which decide states and pixels."""
        from wambench_envs.installation import provenance, world_hash

        return provenance(RUNTIME, world_hash(Path(__file__).parent, ("panda.py",)))

    def install_official(
        self, source: Path, assets: Path | None, progress: Callable[[str], None]
    ) -> Path:
        """Sets up the official backend on a checkout; returns it."""
        return installation.install(V0_2, source, assets, progress).source

    def doctor(self) -> Iterator[Check]:
        """Checks the installation."""
        from wambench_envs.installation import checks

        yield from checks(self, CAMERAS[0])
        state = "set up" if installation.installed(V0_2) else f"not set up. {V0_2.setup}"
        yield Check("official backend", None, state)


@cache
def tasks() -> tuple[Task, ...]:
    """The 24 tasks; their instructions have words where an episode decides."""
    return tuple(
        Task(
            suite=NAME,
            index=index,
            name=rule.name,
            instruction=rule.words.format(**_BLANKS),
            max_steps=rule.horizon,
            init_states=TRIALS,
        )
        for index, rule in enumerate(RULES)
    )


def robocasa24(backend: BackendChoice = "auto") -> RoboCasaSuite | OfficialRoboCasaSuite:
    """The 24 tasks; `auto` takes the official backend where it is set up.

    Raises:
        UsageError: Unknown backend.
        RuntimeUnavailable: The official backend is asked for and not set up.
    """
    if backend not in ("auto", "official", "embedded"):
        raise UsageError(f"Unknown backend {backend}.", "Choose auto, official or embedded.")
    if backend == "embedded" or (backend == "auto" and installation.installed(V0_2) is None):
        return RoboCasaSuite()
    from wambench_envs.robocasa.official.suite import OfficialRoboCasaSuite

    return OfficialRoboCasaSuite(suite_spec("official"), tasks())
