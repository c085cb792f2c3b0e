"""Records demonstrations inside a worker: simulate first, render afterwards.

While an episode runs, the recorder keeps numbers only: the state that a picture is drawn from, the
physics state, low-dimensional signals and actions of every control step, some kilobytes each. Only
when the episode has ended and is to be kept are its pictures rendered, from the recorded states,
and written with everything else as one HDF5 file that appears under its name when it is whole.
Rendering nothing while acting is what makes collection fast; a test shows that the pictures equal
those a policy would have seen, byte for byte.

Row t of a demonstration is what was known *before* action t: the observation, the physics state,
then the action taken there. Upstream's `scripts/create_dataset.py` stores the observation *after*
action t beside action t (and drops the first five steps); OpenVLA's regenerated files, which most
policies were trained on, have it before, as here. `wambench.demos.hdf5` tells the two apart.

Noise (DART). `noise` perturbs what is executed, not what is recorded as the label: `actions` holds
what the policy wanted in the state it had got into, `executed_actions` what was done. The standard
deviation is a fraction of half the action range, so that 0.1 is 0.1 where actions are in [-1, 1].
Gripper dimensions are left alone. The draw at step t comes from (episode seed, "DART", t) alone.

Prologue. Rows at which the policy says that it is at `PROLOGUE` are recorded like all others, so
that the episode can be repeated, and counted: the demonstration begins after them. They are not
perturbed, for they are there to get where a policy gets to by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import InfeasibleEpisode, PolicyContractError
from wambench.protocol import PROLOGUE, Episode, Needs, SuiteSpec

if TYPE_CHECKING:
    from wambench.env import BenchmarkEnv

DART = int.from_bytes(b"DART", "big")
"""Domain tag: keeps the noise independent of what `Observation.rng` gives the policy."""

_UNPERTURBED = ("gripper", "finger", "mode")
"""Words in an action's name that mark a command which noise would turn into another one."""


@dataclass(frozen=True, slots=True)
class RecordingRequest:
    """What a worker records, and where.

    Attributes:
        folder: Where the episodes' files go.
        cameras: Cameras to render, by the suite's names.
        image_size: (height, width) in pixels.
        success_only: Whether failures are dropped.
        noise: Standard deviation of the noise as a fraction of half the action range; 0 for none.
        about: Facts about the collection that every file repeats (policy, seed, starts).
    """

    folder: str
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    success_only: bool
    noise: float
    about: Mapping[str, Any] = field(default_factory=dict)

    def keeps(self, success: bool) -> bool:
        """Whether an episode with that outcome becomes a demonstration."""
        return success or not self.success_only

    def message(self) -> dict[str, Any]:
        """The request as plain types."""
        return asdict(self) | {"cameras": list(self.cameras), "image_size": list(self.image_size)}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> RecordingRequest:
        """Inverse of `message`."""
        values = dict(message)
        height, width = values.pop("image_size")
        return cls(cameras=tuple(values.pop("cameras")), image_size=(height, width), **values)


def episode_file(episode: Episode) -> str:
    """File name of an episode's demonstration; the same for every attempt."""
    return f"task{episode.task:02d}-trial{episode.trial:04d}.hdf5"


def perturbed_dimensions(spec: SuiteSpec) -> NDArray[np.bool_]:
    """(A,) which action dimensions noise is added to."""
    return np.array(
        [not any(word in name.lower() for word in _UNPERTURBED) for name in spec.action_names]
    )


def perturb(
    actions: NDArray[np.float64], spec: SuiteSpec, noise: float, seed: int, step: int
) -> NDArray[np.float64]:
    """Actions with noise, within the bounds; see the module docstring.

    Args:
        actions: (K, A) actions of steps `step`, `step + 1`, ...
        spec: The suite.
        noise: Standard deviation as a fraction of half the action range.
        seed: `Episode.seed`.
        step: Control steps executed so far.
    """
    low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
    where = perturbed_dimensions(spec)
    executed = actions.copy()
    for row, action in enumerate(executed):
        generator = np.random.default_rng(np.random.SeedSequence([seed, DART, step + row]))
        draw = generator.normal(size=len(action)) * noise * (high - low) / 2
        action[where] = np.clip(action + draw, low, high)[where]
    return executed


def skill_starts(doing: Sequence[str]) -> list[tuple[int, str]]:
    """(first row, name) of every spell of one skill; rows without a name belong to the last one."""
    starts: list[tuple[int, str]] = []
    for row, name in enumerate(doing):
        if name and (not starts or name != starts[-1][1]):
            starts.append((row, name))
    return starts


class Recorder:
    """Records one episode after another; see the module docstring.

    Args:
        request: What and where.
        spec: The suite.
        provenance: What the suite says decides its physics and pixels.
        alive: Called now and then while rendering, so that a watchdog stays quiet.
    """

    def __init__(
        self,
        request: RecordingRequest,
        spec: SuiteSpec,
        provenance: Mapping[str, str],
        alive: Callable[[], None],
    ) -> None:
        self._request = request
        self._spec = spec
        self._provenance = dict(provenance)
        self._alive = alive
        self._attributes: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def begin(self, env: BenchmarkEnv, episode: Episode) -> None:
        """An episode has been reset; forgets everything about earlier ones."""
        self._env, self._episode = env, episode
        self._actions: list[NDArray[np.float64]] = []
        self._executed: list[NDArray[np.float64]] = []
        self._doing: list[str] = []
        self._prologue = 0
        self._snapshots: list[NDArray[np.float64]] = []
        self._signals: dict[str, list[NDArray[Any]]] = {}
        # Now, before the policy acts: MuJoCo can only save the model that was compiled last.
        self._attributes = env.demonstration_attributes(
            Needs(self._request.cameras, self._request.image_size)
        )

    def executed(
        self, chunk: NDArray[np.float64], step: int, doing: str = ""
    ) -> NDArray[np.float64]:
        """What is to be executed for a chunk that the policy answered at `step`.

        Args:
            chunk: (K, A) actions.
            step: Control steps executed so far.
            doing: What the policy says they are part of.

        Raises:
            PolicyContractError: They are of a prologue, and something else was done before.
        """
        executed = chunk
        if doing == PROLOGUE:
            if self._prologue < len(self._doing):
                raise PolicyContractError(
                    f"The policy was at {self._doing[-1] or 'something'!r} and says that it is in "
                    f"the {PROLOGUE} again.",
                    "An episode begins with its prologue; see `wambench.protocol.Policy.doing`.",
                )
            self._prologue += len(chunk)
        elif self._request.noise:
            executed = perturb(chunk, self._spec, self._request.noise, self._episode.seed, step)
        self._actions += list(chunk)
        self._executed += list(executed)
        self._doing += [doing] * len(chunk)
        return executed

    def observe(self) -> None:
        """Keeps the current step's numbers; called after the reset and every control step."""
        env = self._env
        self._snapshots.append(env.snapshot())
        signals: dict[str, NDArray[Any]] = {
            "states": env.physics_state(),
            "obs/agent_pos": env.agent_pos(),
            **env.demonstration_signals(),
        }
        for name, value in signals.items():
            self._signals.setdefault(name, []).append(value)

    def save(self, success: bool, final_state: str) -> None:
        """Renders and writes the episode if it is kept.

        Args:
            success: How it ended.
            final_state: Digest of the state after the last action, for replays.

        Raises:
            InfeasibleEpisode: It ended in its prologue, so that there is nothing to imitate.
            RunDirectoryError: The file cannot be written.
        """
        spec, request, steps = self._spec, self._request, len(self._snapshots) - 1
        if self._prologue >= steps:
            ended = "in success" if success else "without success"
            raise InfeasibleEpisode(
                f"{self._episode.key} demonstrates nothing: it ended {ended} after {steps} steps, "
                "in its prologue."
            )
        if not request.keeps(success):
            return
        from wambench.demos.hdf5 import FileFacts, obs_names
        from wambench.demos.hdf5_writer import write_episode

        rewards = np.zeros(steps, np.uint8)
        rewards[-1] = success
        dones = np.zeros(steps, np.uint8)
        dones[-1] = 1
        arrays: dict[str, NDArray[Any]] = {
            "actions": np.stack(self._actions[:steps]),
            "rewards": rewards,
            "dones": dones,
            **{name: np.stack(values[:steps]) for name, values in self._signals.items()},
        }
        if request.noise:
            arrays["executed_actions"] = np.stack(self._executed[:steps])
        file_attributes, demo_attributes = self._attributes
        outcome: dict[str, Any] = {
            "episode": self._episode.to_json(),
            "success": success,
            "final_state": final_state,
        }
        begin = self._prologue
        if begin:
            outcome["prologue"] = begin
        if any(self._doing[begin:steps]):
            starts = skill_starts(self._doing[begin:steps])
            outcome["skills"] = [(begin + row, name) for row, name in starts]
        facts = FileFacts(
            suite=spec.name,
            backend=spec.backend,
            task=self._episode.task,
            task_name=self._episode.task_name,
            instruction=self._episode.instruction,
            embodiment=spec.embodiment,
            control_hz=spec.control_hz,
            action_names=spec.action_names,
            action_low=spec.action_low,
            action_high=spec.action_high,
            state_names=spec.state_names,
            cameras={name: camera for camera, name in obs_names(request.cameras).items()},
            noise=request.noise,
            about=dict(request.about),
            provenance=self._provenance,
        )
        write_episode(
            Path(request.folder) / episode_file(self._episode),
            facts,
            file_attributes,
            demo_attributes,
            outcome,
            arrays,
            {camera: self._pictures(camera, steps) for camera in request.cameras},
            (*request.image_size, 3),
        )

    def _pictures(self, camera: str, steps: int) -> Iterator[NDArray[np.uint8]]:
        """The pictures before each action, rendered now."""
        for snapshot in self._snapshots[:steps]:
            self._env.restore(snapshot)
            yield self._env.render_camera(camera, *self._request.image_size)
            self._alive()
