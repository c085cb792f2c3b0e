"""What an official installation consists of, and whether it works.

`provenance` is written into every run; `checks` is what `wambench doctor` prints.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from importlib import metadata

import numpy as np

from wambench import runtimes
from wambench.env import BenchmarkEnv
from wambench.errors import WambenchError
from wambench.protocol import Check
from wambench_envs import gl
from wambench_envs.asset_files import listed
from wambench_envs.robocasa.official import installation, probe, upstream
from wambench_envs.robocasa.official.releases import Release

DECISIVE = ("mujoco", "robosuite", "numpy", "numba", "scipy")
"""Packages whose versions can change states, rewards or pixels."""

SIZE = 128
SLOW_PICTURE_MS = 300.0
"""Above this an evaluation spends most of its time on pictures."""
STILL_MM = 5.0
"""How far things may move after they settled: upstream's objects are let go above counters."""


def provenance(release: Release) -> dict[str, str]:
    """Versions, renderer and hashes of code and assets, which decide states and pixels.

    Raises:
        RuntimeUnavailable: It is not set up, or not at its pinned versions.
    """
    found = installation.require(release)
    upstream.load(release)
    return {
        "backend": "official",
        "robocasa": release.version,
        "code_sha256": installation.code_hash(found.source),
        "assets_sha256": installation.assets_hash(found),
        "robosuite_sha256": upstream.robosuite_hash(),
        "gl": gl.choose_backend(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    } | {name: metadata.version(name) for name in DECISIVE}


def checks(
    release: Release, make_env: Callable[[], BenchmarkEnv], seed: int, init_state: int
) -> Iterator[Check]:
    """Looks at versions, code, assets, the robot, a scene, a picture and the physics.

    Args:
        release: Which robocasa.
        make_env: Makes the environment that is tried.
        seed: Of the episode that is tried in it.
        init_state: Its initial state.
    """
    versions = runtimes.installed_versions(release.runtime)
    for name, wanted in release.pins.items():
        found = versions[name]
        shown = f"{found or 'missing'} (pinned {wanted})"
        yield Check(name, found == wanted, shown, release.setup)
    where = installation.require(release)
    code = installation.code_hash(where.source)
    known = code == release.known_code
    yield Check(
        "code",
        known,
        f"{code[:12]} in {where.source}, {'' if known else 'not '}that of {release.commit}",
        f"`git checkout {release.commit}` there, for published numbers.",
    )
    lacking = installation.missing_assets(where)
    digest = installation.assets_hash(where)
    shown = f"lack {len(lacking)} files: {listed(lacking)}" if lacking else digest[:12]
    yield Check("assets", not lacking, f"{shown} in {where.assets}", release.setup)
    try:
        upstream.load(release)
    except WambenchError as error:
        yield Check("upstream", False, error.problem, error.remedy)
        return
    problems = probe.robosuite_problems(release)
    detail = "; ".join(problems) or f"{upstream.robosuite_hash()[:12]}, has all that is asked for"
    yield Check("robosuite's code", not problems, detail, release.setup)
    if problems:
        return
    problems = probe.registry_problems(release)
    count = len(release.horizons)
    detail = f"{count} tasks, their horizons, scenes and objects are as published"
    yield Check("registry", not problems, "; ".join(problems) or detail, release.setup)
    yield from _robot(release, probe.robot_facts(release))
    try:
        yield from _try(make_env(), seed, init_state)
    except WambenchError as error:
        yield Check("scene", False, error.problem, error.remedy)


def _robot(release: Release, facts: probe.RobotFacts) -> Iterator[Check]:
    parts = ", ".join(f"{name} {a} to {b - 1}" for name, (a, b) in facts["parts"].items())
    right = facts["width"] == 12 and facts["parts"] == probe.ACTION_PARTS
    yield Check("action", right, f"{facts['width']} numbers: {parts}, base mode 11")
    off = facts["forward_error_deg"]
    yield Check(
        "base",
        off <= probe.MOST_DEGREES_OFF,
        f"after a quarter turn, forward is {off:.1f} degrees off the heading",
        f"Another robosuite than that of {release.requirements.name} is installed. "
        + release.setup,
    )
    writes = "writes" if facts["writes_into_actions"] else "does not write"
    yield Check("copies", None, f"robosuite {writes} into actions; it is given copies")


def _try(env: BenchmarkEnv, seed: int, init_state: int) -> Iterator[Check]:
    """Begins an episode, holds still and takes a picture."""
    started = time.perf_counter()
    _, info = env.reset(seed=seed, options={"init_state": init_state})
    seconds = time.perf_counter() - started
    detail = f"{env.task.name}, seed {seed}: {info['instruction']!r}; {seconds:.0f} s"
    yield Check("scene", True, detail)
    hold = np.asarray(env.suite_spec.hold_action)
    taken = min(_seconds(lambda: env.step(hold)) for _ in range(10)) * 1e3
    yield Check("physics", None, f"{taken:.1f} ms for a control step")
    before = env.snapshot()  # v1.0's gripper opens first
    for _ in range(10):
        env.step(hold)
    moved = float(np.abs(env.snapshot() - before).max()) * 1e3
    yield Check(
        "stillness",
        moved < STILL_MM,
        f"nothing moves by more than {moved:.2f} mm or mrad in 10 control steps of holding still",
        "The physics differs from that results were made with; compare versions.",
    )
    camera = env.suite_spec.cameras[0]
    picture = env.render_camera(camera, SIZE, SIZE)
    taken = min(_seconds(lambda: env.render_camera(camera, SIZE, SIZE)) for _ in range(5)) * 1e3
    yield Check(
        "rendering",
        taken < SLOW_PICTURE_MS and float(picture.std()) > 1.0,
        f"{taken:.1f} ms for a {SIZE} px view by {gl.choose_backend()}",
        "Set MUJOCO_GL=egl on a machine with a GPU driver.",
    )
    env.close()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
