"""Subgoals: what a demonstration of the same episode looks like every p control steps.

The expert solves the episode in a second environment, from the same seed and initial state. What
is kept is its states, under `demonstrations/` in the cache folder; pictures are drawn from them in
the cameras and at the size of the policy, and so are the same as if it had stood there itself.

A demonstration is found again by suite, backend, episode, the environment's versions and sources,
its first state to the bit, and the expert's sources. So it is the same whoever made it first, with
any number of workers, and none is left from before the environment or the expert changed.

Non-obvious behaviours
    - An episode that the expert does not solve has no subgoals and is `infeasible` for policies
      that want them.
    - The demonstration is no part of the episode: neither physics nor random numbers of the episode
      know of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench import registry
from wambench.cache import cache_dir
from wambench.env import BenchmarkEnv
from wambench.errors import InfeasibleEpisode, PolicyContractError, UsageError
from wambench.protocol import (
    Episode,
    Needs,
    Observation,
    Policy,
    Subgoals,
    Suite,
    SuiteSpec,
    Task,
    episode_rng,
)

EXPERT = "expert"
"""The policy that demonstrates."""

MOST_BYTES = 48_000_000
"""Pictures of one episode that fit into one message to the policy."""


@dataclass(frozen=True)
class Demonstration:
    """States of a solved episode.

    Attributes:
        snapshots: (T + 1, N) what `BenchmarkEnv.restore` takes, before the first and after every
            action.
        agent_pos: (T + 1, S) proprioception there.
        actions: (T, A) what was executed.
    """

    snapshots: NDArray[np.float64]
    agent_pos: NDArray[np.float32]
    actions: NDArray[np.float64]


class Demonstrator:
    """Makes the subgoals of episodes.

    Args:
        suite: The suite.
        needs: The policy's; its cameras, image size and p.
        provenance: What `Suite.provenance` says of this installation.
        alive: Called now and then.

    Raises:
        UsageError: p is no number of steps.
    """

    def __init__(
        self,
        suite: Suite,
        needs: Needs,
        provenance: Mapping[str, str],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        if needs.subgoals < 1:
            raise UsageError(f"Subgoals every {needs.subgoals} steps.", "Ask for 1 or more.")
        self._suite = suite
        self._needs = Needs(needs.cameras, needs.image_size)
        self._every = needs.subgoals
        self._provenance = dict(provenance)
        self._alive = alive
        self._expert = build_expert(suite.spec)
        self._env: BenchmarkEnv | None = None

    def subgoals(self, episode: Episode) -> Subgoals:
        """The subgoals of an episode.

        Raises:
            InfeasibleEpisode: The expert does not solve it.
            PolicyContractError: The expert has no plan for the task.
        """
        env = self._env_for(episode)
        env.reset(seed=episode.seed, options={"init_state": episode.init_state})
        demonstration = self._demonstration(env, episode)
        length = len(demonstration.actions)
        steps = (*range(self._every, length, self._every), length)
        height, width = self._needs.image_size
        if len(steps) * len(self._needs.cameras) * height * width * 3 > MOST_BYTES:
            raise UsageError(
                f"{len(steps)} subgoals of {height} x {width} pixels are more than "
                f"{MOST_BYTES // 10**6} MB.",
                "Ask for smaller pictures or for fewer subgoals.",
            )
        pictures: dict[str, list[NDArray[np.uint8]]] = {c: [] for c in self._needs.cameras}
        for step in steps:
            env.restore(demonstration.snapshots[step])
            for camera, shown in pictures.items():
                shown.append(env.render_camera(camera, height, width))
            self._alive()
        pixels = {camera: np.stack(shown) for camera, shown in pictures.items()}
        agent_pos = demonstration.agent_pos[list(steps)]
        digest = hashlib.sha256(json.dumps([self._every, steps]).encode())
        for camera, shown_all in pixels.items():
            digest.update(camera.encode() + shown_all.tobytes())
        digest.update(agent_pos.tobytes())
        return Subgoals(self._every, steps, pixels, agent_pos, digest.hexdigest())

    def close(self) -> None:
        """Closes the second environment."""
        if self._env is not None:
            self._env.close()
            self._env = None

    # ---- inside ------------------------------------------------------------------------------

    def _env_for(self, episode: Episode) -> BenchmarkEnv:
        if self._env is None or self._env.task.index != episode.task:
            self.close()
            task = registry.pick_task(self._suite, episode.task)
            self._expert.check([task])
            self._env = self._suite.make_env(task, Needs(image_size=self._needs.image_size))
        return self._env

    def _demonstration(self, env: BenchmarkEnv, episode: Episode) -> Demonstration:
        """From the cache, or made and kept there."""
        facts = {
            "suite": episode.suite,
            "backend": episode.backend,
            "task": episode.task_name,
            "seed": episode.seed,
            "init_state": episode.init_state,
            "max_steps": episode.max_steps,
            "environment": self._provenance,
            "start": hashlib.sha256(env.physics_state().tobytes()).hexdigest(),
            "expert": expert_identity(),
        }
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        file = cache_dir() / "demonstrations" / episode.suite / f"{key[:32]}.npz"
        found = _read(file)
        if found is None:
            found = self._demonstrate(env, episode)
            _write(file, found, facts)
        return found

    def _demonstrate(self, env: BenchmarkEnv, episode: Episode) -> Demonstration:
        """Lets the expert solve the episode that `env` has just been reset to."""
        snapshots, positions = [env.snapshot()], [env.agent_pos()]
        actions: list[NDArray[np.float64]] = []
        success = ended = False
        self._expert.start([episode])
        try:
            while not ended:
                step = len(actions)
                seen = Observation(
                    episode, step, {}, positions[-1], episode_rng(episode.seed, step), env
                )
                for action in self._expert.act([seen])[0, : self._expert.execute]:
                    _, _, success, truncated, _ = env.advance(action[None])
                    actions.append(np.asarray(action, np.float64))
                    snapshots.append(env.snapshot())
                    positions.append(env.agent_pos())
                    ended = success or truncated
                    if ended:
                        break
                self._alive()
        finally:
            self._expert.finish([episode])
        if not success:
            raise InfeasibleEpisode(
                f"{episode.key} has no subgoals: the expert that demonstrates did not solve it."
            )
        return Demonstration(
            np.stack(snapshots), np.stack(positions).astype(np.float32), np.stack(actions)
        )


def build_expert(spec: SuiteSpec) -> Policy:
    """The policy that demonstrates.

    Raises:
        UsageError: It is not installed.
        PolicyContractError: It does not know the suite, or does not act on the simulator's state.
    """
    expert = registry.build_policy(registry.find_policy(EXPERT), spec, {})
    if not expert.needs.privileged or expert.needs.cameras:
        raise PolicyContractError(
            f"The policy {EXPERT} looks at pictures, so it demonstrates nothing.",
            "Subgoals come from a policy that is privileged and needs no camera.",
        )
    return expert


def check_subgoals(spec: SuiteSpec, tasks: Sequence[Task]) -> None:
    """Refuses, before a run starts, tasks of which there are no demonstrations.

    Raises:
        WambenchError: With the reason.
    """
    build_expert(spec).check(tasks)


def needed_targets(needs: Needs) -> tuple[str, ...]:
    """Targets that a worker must be able to import in order to give a policy what it needs."""
    return (registry.find_policy(EXPERT).target,) if needs.subgoals else ()


@cache
def expert_identity() -> str:
    """Where the expert comes from, and a SHA-256 over the sources of its package."""
    target = registry.find_policy(EXPERT).target
    module = target.partition(":")[0]
    spec = util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UsageError(f"The policy {EXPERT} ({target}) cannot be found.", "Reinstall it.")
    folder = Path(spec.origin).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return f"{target} {digest.hexdigest()}"


_ARRAYS = ("snapshots", "agent_pos", "actions")


def _read(file: Path) -> Demonstration | None:
    """What is kept there; None where there is nothing whole."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in _ARRAYS}
            if str(kept["sha256"]) == _digest(arrays):
                return Demonstration(**arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # never made, or damaged: it is made again, and will be the same
    return None


def _write(file: Path, made: Demonstration, facts: Mapping[str, Any]) -> None:
    """Keeps it; a file appears under its name only when it is whole."""
    arrays = {name: getattr(made, name) for name in _ARRAYS}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.stem}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as stream:
            np.savez_compressed(
                stream,
                allow_pickle=False,
                **arrays,
                sha256=_digest(arrays),
                facts=json.dumps(facts),
            )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in _ARRAYS:
        digest.update(f"{name} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()
