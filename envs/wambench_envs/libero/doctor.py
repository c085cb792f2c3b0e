"""What a LIBERO installation consists of, and whether it works.

`provenance` is written into every run; `checks` is what `wambench doctor` prints.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from wambench import runtimes
from wambench.env import BenchmarkEnv
from wambench.errors import WambenchError
from wambench.protocol import Backend, Check
from wambench_envs import gl
from wambench_envs.libero import golden, official, upstream
from wambench_envs.libero.assets import PACK_ROOT
from wambench_envs.libero.suite import assets_dir

DECISIVE = ("mujoco", "robosuite", "hf-libero", "bddl", "numpy", "numba", "scipy")
"""Packages whose versions can change states, rewards or pixels."""

SLOW_PICTURE_MS = 50.0
"""Above this an evaluation spends most of its time on pictures."""


@cache
def _assets_hash(folder: Path) -> str:
    return official.assets_hash(folder)


def provenance(backend: Backend) -> dict[str, str]:
    """Versions, renderer and asset hash, which decide states and pixels.

    Raises:
        RuntimeUnavailable: LIBERO is not installed at its pinned versions.
    """
    upstream.prepare()
    return {
        "backend": backend,
        "assets_sha256": _assets_hash(assets_dir(backend)),
        "gl": gl.choose_backend(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    } | {name: metadata.version(name) for name in DECISIVE}


def checks(backend: Backend) -> Iterator[Check]:
    """Looks at versions, renderer, assets, a picture and a demonstration, in this order.

    A failed check does not keep later ones from running, unless they could not.
    """
    versions = runtimes.installed_versions(upstream.RUNTIME)
    for name, wanted in upstream.PINS.items():
        found = versions[name]
        yield Check(
            name, found == wanted, f"{found or 'missing'} (pinned {wanted})", upstream.SETUP
        )
    try:
        upstream.prepare()
    except WambenchError as error:
        yield Check("simulator", False, error.problem, error.remedy)
        return
    yield _assets(backend)
    try:
        env = golden.make_env()
        picture = golden.start(env)["pixels"][golden.CAMERA]
    except WambenchError as error:
        yield Check("scene", False, error.problem, error.remedy)
        return
    best = min(_picture_seconds(env) for _ in range(10)) * 1e3
    yield Check(
        "rendering",
        best < SLOW_PICTURE_MS,
        f"{best:.1f} ms for a {golden.SIZE} px view by {gl.choose_backend()}",
        "Set MUJOCO_GL=egl on a machine with a GPU driver.",
    )
    distance = golden.picture_distance(picture, golden.load_picture())
    yield Check(
        "picture",
        distance <= golden.MAX_DISTANCE,
        f"{distance:.2f} grey levels from the recorded one (at most {golden.MAX_DISTANCE})",
        "Pictures differ from those results were made with; compare MuJoCo and driver versions.",
    )
    success, steps = golden.replay(env)
    yield Check(
        "demonstration",
        success,
        f"{'solved' if success else 'not solved'} after {steps} recorded actions",
        "The physics differs from that results were made with; compare versions.",
    )
    env.close()


def _picture_seconds(env: BenchmarkEnv) -> float:
    started = time.perf_counter()
    env.render_camera(golden.CAMERA, golden.SIZE, golden.SIZE)
    return time.perf_counter() - started


def _assets(backend: Backend) -> Check:
    installed = official.official_assets_dir()
    if backend == "embedded":
        state = "installed" if installed else "not installed"
        digest = _assets_hash(PACK_ROOT)[:12]
        return Check("assets", True, f"embedded {digest}; official ones are {state}")
    folder = assets_dir(backend)
    missing = official.missing_files(folder)
    detail = f"official {_assets_hash(folder)[:12]} in {folder}"
    if missing:
        detail += f"; {len(missing)} files missing, for example {missing[0]}"
    return Check("assets", not missing, detail, official.REMEDY)
