"""The five LIBERO suites as wambench suites.

Non-obvious behaviours
    - `libero_10` and `libero_long` are the same suite; records say `libero_long`.
    - `hold_action` has gripper 0, which keeps the fingers as they are. Upstream's no-op has -1 and
      opens them; the settle steps after a reset use that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from wambench import labels
from wambench.env import BenchmarkEnv
from wambench.errors import RuntimeUnavailable, UsageError
from wambench.protocol import Backend, Check, Needs, SuiteSpec, Task
from wambench_envs.libero import upstream
from wambench_envs.libero.assets import PACK_ROOT
from wambench_envs.libero.official import REMEDY, install_assets, official_assets_dir
from wambench_envs.libero.tasks import canonical_suite, load_tasks

BackendChoice = Literal["auto", "official", "embedded"]

CAMERAS = ("agentview", "robot0_eye_in_hand", "frontview", "birdview", "sideview")
"""The two cameras that policies see, then those that show the scene to people."""

ACTION_NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
STATE_NAMES = (
    "eef_x",
    "eef_y",
    "eef_z",
    "eef_axis_angle_x",
    "eef_axis_angle_y",
    "eef_axis_angle_z",
    "finger_left",
    "finger_right",
)


class LiberoSuite:
    """A LIBERO suite on one backend.

    Args:
        name: One of the five suites, or an alias.
        backend: `auto` takes official assets where they are installed.

    Raises:
        UsageError: Unknown suite or backend.
        RuntimeUnavailable: Official assets are asked for and not installed.
    """

    def __init__(self, name: str, backend: BackendChoice = "auto") -> None:
        self._name = canonical_suite(name)
        chosen = _resolve(backend)
        self.spec = SuiteSpec(
            name=self._name,
            backend=chosen,
            embodiment="panda",
            action_names=ACTION_NAMES,
            action_low=(-1.0,) * 7,
            action_high=(1.0,) * 7,
            state_names=STATE_NAMES,
            cameras=CAMERAS,
            control_hz=20.0,
            hold_action=(0.0,) * 7,
            label_cameras=tuple(f"{camera}{labels.SUFFIX}" for camera in CAMERAS),
        )
        self.runtime = upstream.RUNTIME

    def tasks(self) -> Sequence[Task]:
        """All tasks, in upstream's order."""
        return load_tasks(self._name)

    def make_env(self, task: Task, needs: Needs) -> BenchmarkEnv:
        """Builds the environment of one task."""
        upstream.prepare()
        from wambench_envs.libero.env import LiberoEnv
        from wambench_envs.libero.robot import low_poly

        if task not in self.tasks():
            raise UsageError(f"{task.name} is not a task of {self._name}.", "See suite.tasks().")
        processor = low_poly if self.spec.backend == "embedded" else None
        return LiberoEnv(self.spec, task, needs, assets_dir(self.spec.backend), processor)

    def provenance(self) -> Mapping[str, str]:
        """Versions, renderer and asset hash, which decide states and pixels."""
        from wambench_envs.libero.doctor import provenance

        return provenance(self.spec.backend)

    def install_assets(self, source: Path | None) -> Path:
        """Installs the official assets from a folder, or from the Hugging Face hub when None."""
        return install_assets(source)

    def doctor(self) -> Iterator[Check]:
        """Checks the installation."""
        from wambench_envs.libero.doctor import checks

        return checks(self.spec.backend)


def assets_dir(backend: Backend) -> Path:
    """The asset folder of a backend.

    Raises:
        RuntimeUnavailable: It is not installed.
    """
    if backend == "embedded":
        return PACK_ROOT
    folder = official_assets_dir()
    if folder is None:
        raise RuntimeUnavailable("LIBERO's official assets are not installed.", REMEDY)
    return folder


def _resolve(backend: str) -> Backend:
    if backend == "auto":
        return "embedded" if official_assets_dir() is None else "official"
    if backend == "embedded":
        return "embedded"
    if backend == "official":
        assets_dir("official")
        return "official"
    raise UsageError(f"Unknown backend {backend}.", "Choose auto, official or embedded.")


def libero_spatial(backend: BackendChoice = "auto") -> LiberoSuite:
    """Ten tasks that differ in where the bowl is."""
    return LiberoSuite("libero_spatial", backend)


def libero_object(backend: BackendChoice = "auto") -> LiberoSuite:
    """Ten tasks that differ in which object goes into the basket."""
    return LiberoSuite("libero_object", backend)


def libero_goal(backend: BackendChoice = "auto") -> LiberoSuite:
    """Ten tasks that differ in what is to be done in the same scene."""
    return LiberoSuite("libero_goal", backend)


def libero_long(backend: BackendChoice = "auto") -> LiberoSuite:
    """Ten tasks of two steps each; upstream's libero_10."""
    return LiberoSuite("libero_long", backend)


def libero_90(backend: BackendChoice = "auto") -> LiberoSuite:
    """Ninety tasks, the pretraining part of LIBERO-100."""
    return LiberoSuite("libero_90", backend)
