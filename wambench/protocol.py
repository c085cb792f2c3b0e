"""The nouns of wambench: Task, Episode, Observation, Policy, Suite.

This module is the whole contract between the harness, the simulators and the policies. It imports
numpy and nothing else, so that a policy server, a simulator runtime or a plug-in can import it
beside anything.

A policy author implements `Policy` (subclass it, or match its attributes); a benchmark author
implements `Suite` and an environment derived from `wambench.env.BenchmarkEnv`. Both are found by
entry point (`wambench.policies`, `wambench.suites`); the ones shipped with wambench are found in
the same way and have no other path.

Non-obvious behaviours
    - A policy is asked for many episodes at once, in an order that depends on which simulator was
      ready first. It must answer each observation as it would have answered it alone. All
      randomness comes from `Observation.rng`, which depends on (episode seed, step) only.
    - Images nobody asked for are never rendered: a policy sees the cameras named in `Needs` and
      only the frame after the last executed action of its previous chunk.
    - Pixels are upright: row 0 is the top of the picture. LIBERO's own pipeline hands out images
      upside down and most published policies undo this with a 180-degree rotation; see
      `wambench_envs.libero` for the exact relation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wambench.env import BenchmarkEnv
    from wambench.runtimes import Runtime
    from wambench.runtimes.policy import PolicyRuntime

Backend = Literal["official", "embedded"]
Outcome = Literal["success", "failure", "env_error", "policy_error", "infeasible"]

COUNTED_OUTCOMES: tuple[Outcome, ...] = ("success", "failure")
"""Outcomes that enter a success rate; the others are counted beside it and run again."""

PROLOGUE = "prologue"
"""What a policy says that it is `doing` at the first steps, where nobody is to imitate it."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a suite.

    Attributes:
        suite: Name of the suite, for example `libero_goal`.
        index: Position in the suite, from 0.
        name: The upstream name.
        instruction: The sentence a language-conditioned policy is given.
        max_steps: Control steps after which an episode is a failure.
        init_states: How many fixed initial states upstream ships; 0 where the seed decides.
        goal: The success condition as predicates, for example `(("on", "bowl_1", "plate_1"),)`;
            empty where the suite has no symbolic goal.
    """

    suite: str
    index: int
    name: str
    instruction: str
    max_steps: int
    init_states: int = 0
    goal: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Episode:
    """One line of a manifest: everything that decides what will happen, and nothing else.

    Attributes:
        suite: Name of the suite.
        backend: `official` or `embedded`; part of the identity, so the two can never be mixed.
        task: Index of the task in the suite.
        task_name: Upstream name of the task.
        trial: Trial number within the task, from 0.
        seed: 32-bit seed derived from (run seed, suite, task, trial) alone.
        init_state: Index of the fixed initial state, or -1 where the seed decides.
        instruction: The sentence given to the policy.
        max_steps: Control steps after which the episode is a failure.
    """

    suite: str
    backend: Backend
    task: int
    task_name: str
    trial: int
    seed: int
    init_state: int
    instruction: str
    max_steps: int

    @property
    def key(self) -> str:
        """Identity within a run: `suite/task/trial`."""
        return f"{self.suite}/{self.task}/{self.trial}"

    def to_json(self) -> dict[str, Any]:
        """The episode as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Episode:
        """Inverse of `to_json`; unknown or missing keys are a `TypeError`."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class SuiteSpec:
    """What a policy may want to know about a suite before it is built.

    Attributes:
        name: Name of the suite.
        backend: The backend in use.
        embodiment: Robot and end-effector, for example `panda`.
        action_names: One name per action dimension; its length is the action width.
        action_low: (A,) lower bounds.
        action_high: (A,) upper bounds.
        state_names: One name per dimension of `agent_pos`.
        cameras: Names of the cameras that can be asked for.
        control_hz: Control frequency in Hz.
        hold_action: (A,) action that keeps the robot where it is.
        label_cameras: Names under which label pictures (`wambench.labels`) can be recorded.
    """

    name: str
    backend: Backend
    embodiment: str
    action_names: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    state_names: tuple[str, ...]
    cameras: tuple[str, ...]
    control_hz: float
    hold_action: tuple[float, ...]
    label_cameras: tuple[str, ...] = ()

    @property
    def action_dim(self) -> int:
        """Width A of an action."""
        return len(self.action_names)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a policy wants to see.

    Attributes:
        cameras: Cameras to render, by the suite's names; empty for a policy that looks at no image.
        image_size: (height, width) in pixels.
        privileged: Run the policy inside the simulator's process with `Observation.env` set. For
            scripted experts and oracles only; such results are marked in every table.
        subgoals: Control steps p between the pictures of a demonstration that it is shown as
            subgoals (`Observation.subgoals`); 0 for none. See `wambench.subgoals`.
    """

    cameras: tuple[str, ...] = ()
    image_size: tuple[int, int] = (256, 256)
    privileged: bool = False
    subgoals: int = 0


@dataclass(frozen=True, slots=True)
class Subgoals:
    """What a demonstration of the same episode looks like every p control steps, and at its end.

    Attributes:
        every: p.
        steps: (G,) control steps of the demonstration at which it looks so, ascending; the last is
            its end, the goal.
        pixels: Camera name to (G, H, W, 3) uint8, as the policy's own pictures.
        agent_pos: (G, S) float32 proprioception.
        digest: SHA-256 over all of these.
    """

    every: int
    steps: tuple[int, ...]
    pixels: dict[str, NDArray[np.uint8]]
    agent_pos: NDArray[np.float32]
    digest: str

    def pursued(self, step: int) -> int:
        """Index of the subgoal to be reached p steps after `step` executed ones.

        Each is pursued for p steps; the last one from then on.
        """
        return min(step // self.every, len(self.steps) - 1)


@dataclass(slots=True)
class Observation:
    """What a policy sees when it is asked for the next chunk of one episode.

    Attributes:
        episode: The episode this belongs to.
        step: Control steps executed so far.
        pixels: Camera name to (H, W, 3) uint8, row 0 at the top.
        agent_pos: (S,) float32 proprioception, named by `SuiteSpec.state_names`.
        rng: Generator that depends on (episode seed, step) only.
        env: The simulator itself, for privileged policies; None for all others.
        subgoals: Where `Needs.subgoals` asks for them.
        alive: To be called now and then by a privileged policy that thinks for minutes: a worker
            from which nothing is heard is taken to hang.
    """

    episode: Episode
    step: int
    pixels: dict[str, NDArray[np.uint8]]
    agent_pos: NDArray[np.float32]
    rng: np.random.Generator
    env: BenchmarkEnv | None = None
    subgoals: Subgoals | None = None
    alive: Callable[[], None] = lambda: None

    @property
    def instruction(self) -> str:
        """The sentence that says what to do."""
        return self.episode.instruction


def episode_rng(seed: int, step: int) -> np.random.Generator:
    """The generator handed to a policy at one step of one episode.

    Args:
        seed: `Episode.seed`.
        step: Control steps executed so far.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, step]))


class Policy:
    """Base class of policies; a class that has the same members need not derive from it.

    A policy is built once per run as `MyPolicy(spec, **policy_args)`, where `spec` is the
    `SuiteSpec` and the arguments come from `--policy-arg name=value` and `--checkpoint`.

    Attributes:
        needs: What it wants to see.
        horizon: Length H of the chunk that `act` returns.
        execute: How many actions of a chunk are executed before it is asked again, at most H.
        shipped: File or folder of the checkpoint that it takes without `--checkpoint`, so that a
            run can record it; None where it takes none.
        runtime: What it needs that cannot be installed beside wambench; `wambench setup` makes it
            under the policy's name. None for nothing; may be left out.
        provenance: What decides its answers beside its arguments, such as the commit of a download;
            stored with a run, which is not resumed with another. May be left out.
        at_once: Most episodes that may be under way together, for a policy that cannot keep them
            apart; None for any number. May be left out.
    """

    needs: Needs = Needs()
    horizon: int = 1
    execute: int = 1
    shipped: ClassVar[Path | None] = None
    runtime: ClassVar[PolicyRuntime | None] = None
    provenance: Mapping[str, str] = {}
    at_once: int | None = None

    def check(self, tasks: Sequence[Task]) -> None:
        """Refuses, before the run starts, tasks that the policy cannot attempt.

        Raises:
            PolicyContractError: With the reason and the tasks it concerns.
        """

    def start(self, episodes: Sequence[Episode]) -> None:
        """New episodes begin; forget whatever was kept for earlier attempts at them."""

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """The next chunk for each observation.

        Args:
            batch: B observations of B different episodes.

        Returns:
            (B, H, A) actions in the suite's units.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement act().")

    def measure(self, last: Observation) -> Mapping[str, float]:
        """What the policy measured in an episode that has just ended, by name; may be left out.

        Recorded beside the environment's metrics, and averaged in tables as they are. It must not
        depend on what else ran; what does, such as milliseconds, belongs into `decisions`.

        Args:
            last: What is seen after the last action.
        """
        return {}

    def decisions(self, episode: Episode) -> Mapping[str, NDArray[Any]]:
        """How the policy came to its actions in an episode that has just ended; may be left out.

        Arrays of numbers or of text by name, written to `decisions/` in the run directory.
        """
        return {}

    def doing(self, episode: Episode) -> str:
        """The skill that the last answered actions of an episode belong to, for recordings.

        A scripted policy knows which step of its plan it is at; `wambench collect` keeps that
        beside the actions of privileged policies, and `wambench skills score` measures against it.

        Returns:
            A name for people, different for every step of a plan; empty where there is none. May
            be left out by policies that do not say. `PROLOGUE` is reserved: an episode may begin
            with steps that bring about a state, and the demonstration begins after them.
        """
        return ""

    def finish(self, episodes: Sequence[Episode]) -> None:
        """Episodes have ended; drop what was kept for them."""


def stack_pixels(batch: Sequence[Observation], camera: str) -> NDArray[np.uint8]:
    """(B, H, W, 3) images of one camera of a batch."""
    return np.stack([observation.pixels[camera] for observation in batch])


def stack_states(batch: Sequence[Observation]) -> NDArray[np.float32]:
    """(B, S) proprioception of a batch."""
    return np.stack([observation.agent_pos for observation in batch])


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `wambench doctor`.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it should be; None for a fact that is neither good nor bad.
        detail: What was found.
        remedy: What to do when it is not ok.
    """

    name: str
    ok: bool | None
    detail: str
    remedy: str = field(default="")


@runtime_checkable
class Suite(Protocol):
    """A benchmark suite on one backend.

    Built by its entry point as `factory(backend)`, where backend is `auto`, `official` or
    `embedded`; the factory resolves `auto`. Everything but `make_env`, `provenance` and `doctor`
    must work without the simulator installed.

    A suite whose instructions differ between episodes of a task also has `instruction(task, seed,
    init_state) -> str`, and its environments say the same in `info["instruction"]`. Where only the
    simulator knows, it has no such method: the manifest holds the task's general words, policies
    are told what the environment says, and `episode_meta` keeps it.

    Optional as well: `episode_seed(run_seed, task, trial) -> int`, where a published protocol says
    which seeds; `initial_state(task, trial) -> int`, where the first trials would otherwise be of
    one kind; and `install_official(source, assets, progress) -> Path`, which `wambench setup
    --source` calls, where upstream is no package but a folder that the user has.
    """

    spec: SuiteSpec
    runtime: Runtime

    def tasks(self) -> Sequence[Task]:
        """All tasks, in upstream's order."""
        ...

    def make_env(self, task: Task, needs: Needs) -> BenchmarkEnv:
        """Builds the environment of one task; called in the suite's runtime."""
        ...

    def provenance(self) -> Mapping[str, str]:
        """Versions and asset hashes that decide the physics; called in the suite's runtime."""
        ...

    def doctor(self) -> Iterator[Check]:
        """Checks the installation; called in the suite's runtime."""
        ...
