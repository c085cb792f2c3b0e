"""The only module that imports robocasa and its robosuite, and the traps it steps around.

`load()` imports the user's checkout once per process. `build()` makes one of its environments and
resets it, as a fresh upstream environment with that seed would be. Both releases are built by the
same calls.

Non-obvious behaviours
    - v0.2's robosuite draws the noise of the robot's first posture from numpy's global generator,
      whatever seed it is given. It is seeded here with the episode's seed and left as it was.
    - v0.2's constructor draws a whole episode, `reset()` draws another: the seed's episode is the
      second one. v1.0's constructor draws nothing. Nothing is saved by reusing an environment,
      since a reset builds everything anew.
    - v1.0's Gymnasium wrapper resets once when it is made, and seeds by putting a generator into
      the environment that it keeps: its `reset(seed=s)` is the episode that `build` gives for seed
      s. It takes pictures at every step, and its default split does not exist.
    - robosuite's own off-screen renderer leaks about 50 MB at every reset. It is never made:
      pictures are drawn by `wambench_envs.camera` from the same model.
    - Importing robosuite sets `MUJOCO_GL` to `egl` unless it is `osmesa` or `glx`. It is put back.
    - Upstream takes its parts of an action in another order unless a controller configuration is
      given, and so it is given.
    - robosuite's master calls itself 1.5.2, like the release that v1.0 does not run with: what v1.0
      needs of it is looked for (`lacking`), and its code is hashed.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import random
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from wambench import runtimes
from wambench.errors import RuntimeUnavailable
from wambench_envs import checkouts, gl
from wambench_envs.robocasa.official.installation import require
from wambench_envs.robocasa.official.releases import Release
from wambench_envs.upstreams import one_line, silence

ROBOT = "PandaOmron"
ORDERING = ["right", "right_gripper", "base", "torso"]
"""Parts of an action, as `Kitchen` orders them for this robot; the mode of the base follows."""


@cache
def load(release: Release, view: Path | None = None) -> ModuleType:
    """Imports robocasa and returns it.

    Args:
        release: Which one.
        view: Folder that the package is in; None for the installed one.

    Raises:
        RuntimeUnavailable: It is not set up, not at its pinned versions, or cannot be imported.
    """
    folder = view if view is not None else require(release).view
    if problems := runtimes.version_problems(release.runtime):
        raise RuntimeUnavailable(
            f"RoboCasa's results depend on exact versions: {', '.join(problems)}.",
            f"{release.setup[:-1]}, or set {runtimes.ALLOW_UNPINNED}=1 to accept other physics.",
        )
    backend = gl.choose_backend()
    sys.path.insert(0, str(folder))
    try:
        with silence():
            robocasa = importlib.import_module("robocasa")
    except Exception as error:  # asserts of versions, and whatever a broken installation gives
        raise RuntimeUnavailable(
            f"robocasa cannot be imported: {one_line(error)}.", release.setup
        ) from error
    finally:
        sys.path.remove(str(folder))
        if backend != "default":
            os.environ["MUJOCO_GL"] = backend
    if Path(str(robocasa.__file__)).parent != folder / "robocasa":
        raise RuntimeUnavailable(
            f"Another robocasa comes first: {robocasa.__file__}.",
            "Remove it from PYTHONPATH and from the runtime.",
        )
    return robocasa


# ---- what upstream has ---------------------------------------------------------------------------


def _module(name: str) -> Any:
    """A module of upstream's, after `load`."""
    return importlib.import_module(name)


def tasks() -> set[str]:
    """Names of all its environments."""
    return set(_module("robosuite.environments.base").REGISTERED_ENVS)


def horizons(release: Release) -> dict[str, int]:
    """Task to control steps, of the tasks that it has data for."""
    known = _module("robocasa.utils.dataset_registry")
    return {
        str(name): int(entry["horizon"])
        for registry in release.registries
        for name, entry in getattr(known, registry).items()
    }


def scene_ids() -> tuple[set[int], set[int]]:
    """Numbers of floor plans and of styles."""
    registry = _module("robocasa.models.scenes.scene_registry")
    return (
        {int(kind) for kind in registry.LayoutType if kind >= 0},
        {int(kind) for kind in registry.StyleType if kind >= 0},
    )


def instances(release: Release) -> dict[str, int]:
    """Category to the number of its models in the packs that objects are drawn from."""
    known = _module("robocasa.models.objects.kitchen_object_utils").OBJ_CATEGORIES
    drawn = {
        str(name): [packs[pack] for pack in release.object_packs if pack in packs]
        for name, packs in known.items()
    }
    return {name: sum(len(p.mjcf_paths) for p in packs) for name, packs in drawn.items() if packs}


def lacking(release: Release) -> list[str]:
    """Arguments and controllers that robosuite does not have and this release needs."""
    environment = _module("robosuite.environments.base").MujocoEnv
    world = _module("robosuite.models.tasks").ManipulationTask
    known = {*inspect.signature(environment).parameters, *inspect.signature(world).parameters}
    missing = [name for name in release.robosuite_arguments if name not in known]
    if release.base_controller is not None and not _knows_controller(release.base_controller):
        missing.append(release.base_controller)
    return missing


def _knows_controller(name: str) -> bool:
    """Whether robosuite has such a controller of a mobile base: it is asked for one of nothing."""
    factory = _module("robosuite.controllers.parts.controller_factory")
    try:
        factory.mobile_base_controller_factory(name, {})
    except ValueError:  # its word for a name that it does not know
        return False
    except TypeError:  # it is known, and wants arguments
        pass
    return True


@cache
def robosuite_hash() -> str:
    """SHA-256 over robosuite's code: builds of it call themselves by the same number."""
    root = Path(str(_module("robosuite").__file__)).parent
    code = sorted(path for path in root.rglob("*.py") if path.name != "macros_private.py")
    return checkouts.contents_hash(root, code)


# ---- environments --------------------------------------------------------------------------------


def _controller(base: str | None = None) -> Any:
    configuration = _module("robosuite.controllers").load_composite_controller_config(
        controller=None, robot=ROBOT
    )
    specific = configuration.setdefault("composite_controller_specific_configs", {})
    specific["body_part_ordering"] = list(ORDERING)
    if base is not None:
        configuration["body_parts"]["base"]["type"] = base
    return configuration


def _no_cameras(base: str | None = None) -> dict[str, Any]:
    return {
        "robots": ROBOT,
        "controller_configs": _controller(base),
        "has_renderer": False,
        "has_offscreen_renderer": False,
        "use_camera_obs": False,
        "ignore_done": True,
        "renderer": "mujoco",
    }


def empty_world(release: Release) -> Any:
    """The robot at a table of robosuite's own, where robocasa's assets are not needed."""
    with silence(), seeded(0):
        return _module("robosuite").make("Lift", **_no_cameras(release.base_controller))


def build(
    release: Release, task: str, seed: int, scenes: Sequence[tuple[int, int]], split: str
) -> tuple[Any, dict[str, Any]]:
    """An environment at the start of an episode, settle steps not included.

    Args:
        release: Whose environment.
        task: Upstream's class.
        seed: Of everything that is drawn.
        scenes: (layout, style) pairs, of which the seed takes one.
        split: Of object instances: `A` or `B`, in v1.0 `pretrain` or `target`.

    Returns:
        The environment (a `robocasa` `Kitchen`) and its observations.

    Raises:
        RuntimeUnavailable: A file of the assets is missing or broken.
    """
    robosuite = _module("robosuite")
    try:
        with silence(), seeded(seed):
            env = robosuite.make(
                task,
                **_no_cameras(),
                use_object_obs=True,
                camera_depths=False,
                seed=seed,
                obj_instance_split=split,
                generative_textures=None,
                randomize_cameras=False,
                layout_and_style_ids=[list(scene) for scene in scenes],
                translucent_robot=False,
            )
            return env, env.reset()
    except (FileNotFoundError, ValueError) as error:
        text = one_line(error)
        signs = ("robabilities", "No such file", "Error opening file", "file not found", "load")
        if not isinstance(error, FileNotFoundError) and not any(sign in text for sign in signs):
            raise
        raise RuntimeUnavailable(
            f"{task} cannot be built from robocasa's assets: {text}.",
            f"Run `wambench doctor {release.suite}`; fetch what is missing and run the set-up "
            "again.",
        ) from error


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Global random generators start from `seed` inside, and are left as they were."""
    state, ours = np.random.get_state(), random.getstate()  # noqa: NPY002 - as upstream draws
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
        random.setstate(ours)
