"""robocasa's own environment as a wambench environment.

An episode is a new upstream environment with the episode's seed, `reset()`, the protocol's settle
steps, then control steps until `_check_success()` is true after one of them, or the horizon. What
the protocol of a release adds is a subclass: `RoboCasa24Env` here, `v1/env.py` for v1.0.

Non-obvious behaviours
    - The instruction depends on what upstream draws and is known only once an episode has begun:
      manifests have the task's general words, policies and records what upstream says.
    - Upstream's `ep_meta` does not decide an episode: poses, the robot's side of a drawer and some
      counters are drawn beside it. `set_ep_meta` therefore goes back to the recorded seed and
      refuses if what comes out is not what was recorded, to the digest of the start.
    - Upstream looks at the world after 24 of the 25 physics steps: pictures and most poses are
      2 ms older than joint angles, and water or flames one control step older. So they are here.
    - Actions are clipped by upstream's controllers. They are passed as copies, since robosuite may
      write into them.
    - Buttons and doors have states in Python objects besides the physics: there is no going back
      to an earlier state.
"""

from __future__ import annotations

import gc
import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from wambench.env import BenchmarkEnv
from wambench.errors import RuntimeUnavailable, UsageError
from wambench.protocol import Needs, SuiteSpec, Task
from wambench_envs.camera import Camera
from wambench_envs.robocasa.official import upstream
from wambench_envs.robocasa.official.releases import V0_2, Release
from wambench_envs.robocasa.protocol import SETTLE_STEPS, STATE_KEYS, scenes_of

Array = NDArray[np.float64]

_OBJECTS = "robocasa/models/assets/objects/"
"""What paths of models begin with in descriptions, on any machine; upstream looks after the last
`/objects/` only."""


class OfficialRoboCasaEnv(BenchmarkEnv):
    """One task of the user's robocasa.

    Args:
        spec: The suite.
        task: The task.
        needs: Cameras and image size.

    Attributes:
        release: Which robocasa it is.
        settle_steps: Control steps with a zero action before the first observation.
        kitchen: Upstream's environment of the current episode. Privileged.
    """

    release: ClassVar[Release]
    settle_steps: ClassVar[int] = 0

    def __init__(self, spec: SuiteSpec, task: Task, needs: Needs) -> None:
        super().__init__(spec, task, needs)
        upstream.load(self.release)
        self._camera: Camera | None = None
        self.kitchen: Any = None
        self._observed: Mapping[str, Any] = {}
        self._shown: Array = np.zeros(0)
        self._meta: dict[str, Any] = {}
        self._given: dict[str, Any] | None = None

    # ---- what the protocol of a release says -----------------------------------------------------

    @abstractmethod
    def scenes(self, init_state: int) -> tuple[list[tuple[int, int]], str]:
        """(layout, style) pairs that an episode may be in, and its split of objects."""

    def command(self, action: Array) -> Array:
        """A copy of the (12,) action, as robosuite takes it."""
        return np.array(action, np.float64)

    # ---- privileged ------------------------------------------------------------------------------

    @property
    def mj_model(self) -> Any:
        """The MuJoCo model of the current episode."""
        return self.kitchen.sim.model._model

    @property
    def mj_data(self) -> Any:
        """Its state, live."""
        return self.kitchen.sim.data._data

    # ---- the description of an episode -----------------------------------------------------------

    def episode_meta(self) -> dict[str, Any]:
        """The current episode's description, from which it can be replayed; plain JSON.

        `ep_meta` is upstream's, beside what it needs to become this very episode again.
        """
        return dict(self._meta)

    def set_ep_meta(self, meta: Mapping[str, Any] | None) -> None:
        """Makes the following resets replay a recorded episode; None for the seed's own again.

        Raises:
            UsageError: It is no description, or one of another task.
        """
        if meta is None:
            self._given = None
            return
        wanted = {"task", "seed", "init_state", "start", "ep_meta"}
        if lacking := wanted - set(meta):
            raise UsageError(
                f"The description lacks {', '.join(sorted(lacking))}.",
                "Pass the `meta` of a record of the official backend.",
            )
        if meta["task"] != self.task.name:
            raise UsageError(
                f"The description is one of {meta['task']!r}, this is {self.task.name}.",
                "Pass an episode_meta() of the same task.",
            )
        self._given = dict(meta)

    @property
    def instruction(self) -> str:
        """What the robot is told in this episode, in upstream's words."""
        return str(self._meta.get("instruction", self.task.instruction))

    # ---- hooks -----------------------------------------------------------------------------------

    def reset_episode(self, seed: int, init_state: int) -> None:
        """Has upstream draw and build the episode; lets it settle."""
        if self._given is not None:
            seed, init_state = int(self._given["seed"]), int(self._given["init_state"])
        self._let_go()
        scenes, split = self.scenes(init_state)
        self.kitchen, self._observed = upstream.build(
            self.release, self.task.name, seed, scenes, split
        )
        start = self._digest()
        described = portable(self.kitchen.get_ep_meta())
        self._meta = {
            "task": self.task.name,
            "instruction": str(described["lang"]),
            "seed": seed,
            "init_state": init_state,
            "split": split,
            "start": start,
            "ep_meta": described,
        }
        self._check_replay()
        self._camera = Camera(self.mj_model)
        self._shown = np.concatenate([self.mj_data.qpos, self._glow()])
        for _ in range(self.settle_steps):
            self._step(np.zeros(self.suite_spec.action_dim))

    def control_step(self, action: Array) -> bool:
        """Upstream's step with one (12,) action, and whether upstream calls the task solved."""
        self._step(self.command(action))
        return bool(self.kitchen._check_success())

    def agent_pos(self) -> NDArray[np.float32]:
        """(23,) upstream's observables, see `STATE_KEYS`."""
        parts = [self._observed[f"robot0_{key}"] for key, _ in STATE_KEYS]
        return np.concatenate(parts).astype(np.float32)

    def render_camera(self, camera: str, height: int, width: int) -> NDArray[np.uint8]:
        """(height, width, 3) upright picture of the last step, or of a restored snapshot."""
        assert self._camera is not None
        nq, live = self.mj_model.nq, self._glow()
        self._set_glow(self._shown[nq:])
        try:
            return self._camera.render(self._shown[:nq], camera, height, width)
        finally:
            self._set_glow(live)

    def snapshot(self) -> Array:
        """(nq + 2 nsite,) configuration and look of sites that the current picture shows."""
        return self._shown.copy()

    def restore(self, snapshot: Array) -> None:
        """Makes later pictures show `snapshot`, until the next step; the physics is untouched."""
        self._shown = np.asarray(snapshot, np.float64)

    def physics_state(self) -> Array:
        """(1 + nq + nv,) time, positions and velocities: robosuite's flattened state."""
        data = self.mj_data
        return np.concatenate([[data.time], data.qpos, data.qvel])

    def demonstration_signals(self) -> dict[str, Array]:
        """Joints of the arm, by robosuite's names without prefix."""
        return {
            f"obs/{key}": np.array(self._observed[f"robot0_{key}"])
            for key in ("joint_pos", "joint_vel")
        }

    def demonstration_attributes(self, recorded: Needs) -> tuple[dict[str, str], dict[str, str]]:
        """Upstream's description of the episode, under its name for it."""
        return {}, {"ep_meta": json.dumps(self._meta["ep_meta"], sort_keys=True)}

    def close(self) -> None:
        """Frees the renderer and upstream's environment."""
        self._let_go()
        super().close()

    # ---- inside ----------------------------------------------------------------------------------

    def _step(self, action: Array) -> None:
        model, data = self.mj_model, self.mj_data
        glow = self._glow()  # upstream updates it after it took its pictures
        self._observed = self.kitchen.step(action)[0]
        seen = data.qpos.copy()
        mujoco.mj_integratePos(model, seen, data.qvel, -model.opt.timestep)
        self._shown = np.concatenate([seen, glow])

    def _glow(self) -> Array:
        """(2 nsite,) opacities and radii of sites: of water, coffee and flames."""
        return np.concatenate([self.mj_model.site_rgba[:, 3], self.mj_model.site_size[:, 0]])

    def _set_glow(self, glow: Array) -> None:
        self.mj_model.site_rgba[:, 3], self.mj_model.site_size[:, 0] = np.split(glow, 2)

    def _digest(self) -> str:
        """Of model and state before anything was done."""
        model = self.mj_model
        parts = (self.physics_state(), model.body_pos, model.body_quat, model.geom_size)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def _check_replay(self) -> None:
        """Refuses to pass another episode off as the recorded one."""
        given = self._given
        if given is None:
            return
        if given["ep_meta"] != self._meta["ep_meta"] or given["start"] != self._meta["start"]:
            what = (
                "upstream's description" if given["ep_meta"] != self._meta["ep_meta"] else "start"
            )
            raise RuntimeUnavailable(
                f"The recorded episode cannot be replayed: its {what} differs from what seed "
                f"{given['seed']} gives here.",
                "Use the code, assets and versions in the record's run; `wambench doctor "
                f"{self.release.suite}` shows those of this installation.",
            )

    def _let_go(self) -> None:
        """Frees the last episode: its environment holds hundreds of megabytes in cycles."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self.kitchen is not None:
            self.kitchen.close()
            self.kitchen = None
            gc.collect()


class RoboCasa24Env(OfficialRoboCasaEnv):
    """One of the 24 tasks of v0.2, in an episode of the published evaluation.

    Initial state k is in scene k // 10 of the published five, with objects of split B; -1 has split
    A in any other kitchen, as for demonstrations.
    """

    release = V0_2
    settle_steps = SETTLE_STEPS

    def scenes(self, init_state: int) -> tuple[list[tuple[int, int]], str]:
        """The published scene, or the other 115."""
        return scenes_of(init_state)


def portable(value: Any) -> Any:
    """Upstream's description as plain JSON, without this machine's paths.

    Paths of object models keep what follows `/objects/`, from which upstream finds them again.
    """
    if isinstance(value, Mapping):
        return {str(key): portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [portable(item) for item in value]
    if isinstance(value, np.ndarray):
        return portable(value.tolist())
    if isinstance(value, np.generic):
        return portable(value.item())
    if isinstance(value, str):
        _, inside, after = value.rpartition("/objects/")
        return _OBJECTS + after if inside and value.endswith(".xml") else value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    name = getattr(value, "name", None)  # a fixture
    if isinstance(name, str):
        return name
    raise TypeError(f"upstream describes the episode with a {type(value).__name__}")
