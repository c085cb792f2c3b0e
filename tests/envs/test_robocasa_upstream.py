"""The official backends on robocasa's real code, with stand-ins for its assets.

Needs checkouts of robocasa: of v0.2, named by WAMBENCH_ROBOCASA_SOURCE, and of v1.0.1, named by
WAMBENCH_ROBOCASA365_SOURCE. The runtimes in the cache are used, and made where they are missing;
what is set up there is not touched.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import robocasa365_standins
import robocasa_standins
from wambench import runtimes
from wambench.cache import cache_dir
from wambench_envs.robocasa.official import installation
from wambench_envs.robocasa.official.releases import V0_2, V1_0, Release
from wambench_envs.robocasa.tasks import RULES
from wambench_envs.robocasa.v1.tasks import GROUPS, benchmark

VARIABLES = {V0_2: "WAMBENCH_ROBOCASA_SOURCE", V1_0: "WAMBENCH_ROBOCASA365_SOURCE"}
STANDINS = {V0_2: robocasa_standins.make, V1_0: robocasa365_standins.make}
HERE = Path(__file__).parent.parent

pytestmark = pytest.mark.slow

Check = Callable[..., Any]
"""Runs a function of `robocasa_upstream_checks.py` with arguments; returns what it found."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with the runtimes of the real one."""
    folder = tmp_path_factory.mktemp("robocasa")
    made_before = cache_dir() / "runtimes"
    made_before.mkdir(parents=True, exist_ok=True)
    (folder / "cache").mkdir()
    (folder / "cache" / "runtimes").symlink_to(made_before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def check24(cache: Path) -> Check:
    """Of v0.2."""
    return _installed(V0_2, cache)


@pytest.fixture(scope="module")
def check365(cache: Path) -> Check:
    """Of v1.0.1."""
    return _installed(V1_0, cache)


def _installed(release: Release, folder: Path) -> Check:
    if not (source := os.environ.get(VARIABLES[release])):
        pytest.skip(f"needs {VARIABLES[release]}, a checkout of robocasa {release.version}")
    packs = STANDINS[release](Path(source), folder / f"packs-{release.suite}")
    found = installation.install(release, Path(source), packs)
    python = runtimes.provision(release.runtime)
    links = folder / f"links-{release.suite}"
    links.mkdir()
    environment = os.environ | {"PYTHONPATH": runtimes.worker_path(links)}

    def run(*arguments: str) -> Any:
        script = str(HERE / "robocasa_upstream_checks.py")
        done = subprocess.run(
            [str(python), "-P", script, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    assert found.view.is_dir()
    return run


def _equal(found: dict[str, Any]) -> None:
    assert found["instruction"][0] == found["instruction"][1]
    assert found["states"] == 0.0
    assert found["qpos"] < 1e-15
    assert max(found["pixels"]) == 0
    assert found["contrast"] > 10.0
    assert found["success_agrees"]


# ---- v0.2 ----------------------------------------------------------------------------------------


def test_states_pictures_and_success_are_upstreams_to_the_bit(check24: Check) -> None:
    _equal(check24("parity", "robocasa24", "PnPCounterToCab"))


def test_all_24_tasks_begin_in_their_scene_and_are_told_in_the_words_of_the_table(
    check24: Check,
) -> None:
    found = check24("starts", "robocasa24", *(rule.name for rule in RULES))
    for rule in RULES:
        start = found[rule.name]
        words = re.sub(r"\{\w+\}", "@", rule.words)
        pattern = re.escape(words).replace("@", r"[\w ]+")
        assert re.fullmatch(pattern, start["instruction"]), start
        assert (start["scene"], start["split"]) == ([1, 1], "B")
        assert not start["has_path"]
        assert not start["solved"]


def test_an_episode_is_replayed_from_its_record_and_another_one_is_refused(check24: Check) -> None:
    found = check24("replay", "robocasa24", "TurnOnStove")
    assert (found["same"], found["other"]) == (True, False)
    assert "cannot be replayed: its start" in found["refused"]


# ---- v1.0.1 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suite", "task"),
    [("robocasa365", "PickPlaceCounterToCabinet"), ("robocasa365_target", "TurnOnSinkFaucet")],
)
def test_episodes_are_those_of_upstreams_gymnasium_environment(
    check365: Check, suite: str, task: str
) -> None:
    _equal(check365("parity", suite, task))


@pytest.mark.parametrize("suite", ["robocasa365", "robocasa365_target"])
def test_all_50_tasks_of_the_benchmark_begin_in_kitchens_of_their_split(
    check365: Check, suite: str
) -> None:
    found = check365("starts", suite, *(rule.name for rule in benchmark(*GROUPS)))
    for start in found.values():
        layout, style = start["scene"]
        if suite == "robocasa365":
            assert 11 <= min(layout, style) <= max(layout, style) <= 60
        else:
            assert layout == style <= 10
        assert re.fullmatch(r"[A-Z].+\w[.!]", start["instruction"]), start
        assert not start["has_path"]
        assert not start["solved"]


def test_an_episode_of_365_is_replayed_from_its_record_and_another_one_is_refused(
    check365: Check,
) -> None:
    found = check365("replay", "robocasa365", "TurnOffStove")
    assert (found["same"], found["other"]) == (True, False)
    assert "cannot be replayed: its start" in found["refused"]
