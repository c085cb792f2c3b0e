"""The suites of RoboCasa v1.0.1 as far as they go without robocasa.

Below `upstream.load` and `upstream.build` there is the stand-in of `robocasa_fakes.py`.
`test_robocasa365_upstream.py` has the real code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robocasa_fakes import Kitchen, write
from wambench.errors import RuntimeUnavailable, UsageError
from wambench.manifest import build_manifest
from wambench.protocol import Needs
from wambench_envs.robocasa.official import installation, probe, upstream
from wambench_envs.robocasa.official.installation import Installation
from wambench_envs.robocasa.official.releases import V0_2, V1_0, Release
from wambench_envs.robocasa.v1 import suite as suites
from wambench_envs.robocasa.v1.env import RoboCasa365Env
from wambench_envs.robocasa.v1.suite import robocasa365
from wambench_envs.robocasa.v1.tasks import GROUPS, benchmark, registry, scenes_of

ASSETS = Path("robocasa/models/assets")

EVERY = [name for name in vars(suites) if name.startswith("robocasa365")]


# ---- tasks and suites ----------------------------------------------------------------------------


def test_the_benchmark_has_18_16_and_16_of_the_317_tasks_of_the_registry() -> None:
    assert len({rule.name for rule in registry()}) == 317
    assert [len(benchmark(group)) for group in GROUPS] == [18, 16, 16]
    overall = robocasa365().tasks()
    assert [task.name for task in overall] == [rule.name for rule in benchmark(*GROUPS)]
    limits = {task.name: task.max_steps for task in overall}
    assert (limits["NavigateKitchen"], limits["CoffeeSetupMug"]) == (450, 600)
    assert min(limits.values()) >= 300


def test_before_an_episode_a_task_is_called_by_its_name_in_words() -> None:
    words = {task.name: task.instruction for task in suites.robocasa365_all().tasks()}
    assert words["PickPlaceCounterToCabinet"] == "pick place counter to cabinet"


@pytest.mark.parametrize("name", EVERY)
def test_every_suite_calls_itself_what_it_is_found_by(name: str) -> None:
    suite = getattr(suites, name)()
    assert suite.spec.name == name
    assert {task.suite for task in suite.tasks()} == {name}
    assert suite.spec.action_dim == 12


def test_an_episode_of_a_task_is_the_same_in_its_group_and_in_all_fifty() -> None:
    whole = build_manifest(robocasa365(), run_seed=3, trials=2).episodes
    seeds = {(episode.task_name, episode.trial): episode.seed for episode in whole}
    assert len(set(seeds.values())) == len(seeds) == 100
    for group in GROUPS:
        part = build_manifest(getattr(suites, f"robocasa365_{group}")(), run_seed=3, trials=2)
        assert all(seeds[e.task_name, e.trial] == e.seed for e in part.episodes)
        assert {episode.init_state for episode in part.episodes} == {-1}


def test_the_splits_share_no_kitchen_and_keep_upstreams_order() -> None:
    pretrain, target = scenes_of("pretrain"), scenes_of("target")
    assert (len(pretrain), len(target)) == (2500, 10)
    assert pretrain[:2] == [(11, 11), (11, 12)]
    assert pretrain[-1] == (60, 60)
    assert not set(pretrain) & set(target)


# ---- set-up --------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The least that is a checkout of v1.0.1, and an empty cache."""
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "cache"))
    for cached in (installation.code_hash, installation.assets_hash):
        cached.cache_clear()
    root = tmp_path / "checkout"
    write(root / "robocasa/__init__.py", '__version__ = "1.0.1"\n')
    half = len(registry()) // 2
    for folder, rules in (("atomic", registry()[:half]), ("composite/tea", registry()[half:])):
        classes = "".join(f"class {rule.name}(Kitchen):\n    pass\n" for rule in rules)
        write(root / f"robocasa/environments/kitchen/{folder}/tasks.py", classes)
    panels = 'PANELS = {\n    "Panel1": "fixtures/panels/Panel1/model.xml",\n'
    panels += '    "Panel2": "fixtures/panels/Panel2/model.xml",\n}\n'
    write(root / "robocasa/models/fixtures/cabinets.py", panels)
    inside = root / ASSETS
    write(
        inside / "scenes/kitchen_styles/train/style011.yaml",
        "sink: Sink1\njar: Jar1\ncabinet:\n  default: [gray, Panel1]\nwall: tiles",
    )
    registered = inside / "fixtures/fixture_registry"
    sinks = "".join(f"Sink{k}:\n  xml: fixtures/sinks/Sink{k}\n" for k in (1, 2))
    write(registered / "sink.yaml", sinks)
    write(registered / "jar.yaml", "Jar1:\n  xml: objects/lightwheel/jar/Jar1\n")
    write(registered / "wall.yaml", "tiles:\n  texture: generative_textures/wall/tex1.png\n")
    return root


@pytest.fixture
def packs(source: Path, tmp_path: Path) -> Path:
    """All that this checkout would download, elsewhere."""
    folder = tmp_path / "packs"
    write(folder / "textures/ceramic.png")
    write(folder / "generative_textures/wall/tex1.png")
    for model in ("fixtures/sinks/Sink1", "fixtures/panels/Panel1", "objects/lightwheel/jar/Jar1"):
        write(folder / model / "model.xml", '<mesh file="visuals/a.obj"/>')
        write(folder / model / "visuals/a.obj")
    for pack in ("objaverse", "aigen_objs"):
        write(folder / "objects" / pack / "apple/apple_0/model.xml", "<mujoco/>")
    return folder


@pytest.fixture
def installed(source: Path, packs: Path) -> Installation:
    """It, set up."""
    found = Installation(V1_0, source, packs)
    installation._make_view(found)
    installation._remember(found)
    return found


def test_a_complete_checkout_with_its_packs_lacks_nothing(source: Path, packs: Path) -> None:
    installation.check_source(V1_0, source)
    assert installation.missing_assets(Installation(V1_0, source, packs)) == []


@pytest.mark.parametrize(
    "name",
    [
        "fixtures/sinks/Sink1/model.xml",
        "fixtures/panels/Panel1/model.xml",
        "fixtures/sinks/Sink1/visuals/a.obj",
        "objects/lightwheel/jar/Jar1/visuals/a.obj",
        "generative_textures/wall/tex1.png",
    ],
)
def test_what_a_style_can_call_for_and_is_not_there_is_named(
    source: Path, packs: Path, name: str
) -> None:
    (packs / name).unlink()
    assert installation.missing_assets(Installation(V1_0, source, packs)) == [name]


def test_without_any_download_the_set_up_says_which_packs_are_missing(source: Path) -> None:
    with pytest.raises(UsageError) as refused:
        installation.install(V1_0, source, None)
    assert "lack 8 files" in refused.value.problem
    assert "scripts.download_kitchen_assets" in refused.value.remedy
    lacking = installation.missing_assets(Installation(V1_0, source, source / ASSETS))
    assert {name for name in V1_0.packs if name.startswith("objects/")} <= set(lacking)


@pytest.mark.parametrize(
    ("version", "release"), [("0.2.0", V1_0), ("1.0.0", V1_0), ("1.0.1", V0_2)]
)
def test_a_checkout_of_another_release_is_refused_with_the_commit_to_check_out(
    source: Path, version: str, release: Release
) -> None:
    write(source / "robocasa/__init__.py", f'__version__ = "{version}"\n')
    with pytest.raises(UsageError, match=rf"is robocasa {version}\. {release.suite}") as refused:
        installation.install(release, source, None)
    assert release.commit in refused.value.remedy


def test_the_two_releases_are_set_up_beside_each_other(installed: Installation) -> None:
    assert installation.installed(V1_0) == installed
    assert installation.installed(V0_2) is None
    assert V1_0.runtime.name != V0_2.runtime.name


def test_a_suite_can_be_listed_before_it_is_set_up_but_nothing_else(source: Path) -> None:
    suite = robocasa365("auto")
    assert (suite.spec.backend, len(suite.tasks())) == ("official", 50)
    for use in (lambda: suite.runtime, lambda: robocasa365("official")):
        with pytest.raises(RuntimeUnavailable, match=r"robocasa365 is not set up.*--source PATH"):
            use()


def test_the_embedded_backend_is_refused_with_what_there_is_instead() -> None:
    with pytest.raises(UsageError, match=r"robocasa365_target has no embedded backend") as refused:
        suites.robocasa365_target("embedded")
    assert "robocasa24" in refused.value.remedy


# ---- what upstream is asked before it is believed ------------------------------------------------


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Upstream's registries, as they should be; to be changed by a test."""
    layouts = {layout for layout, _ in V1_0.scenes}
    known: dict[str, Any] = {
        "tasks": set(V1_0.horizons),
        "horizons": dict(V1_0.horizons),
        "scene_ids": (layouts, set(layouts)),
        "instances": {"apple": 1, "cup": 9},
        "lacking": [],
    }
    for name in ("tasks", "scene_ids"):
        monkeypatch.setattr(upstream, name, lambda name=name: known[name])
    for name in ("horizons", "instances", "lacking"):
        monkeypatch.setattr(upstream, name, lambda release, name=name: known[name])
    return known


def test_registries_as_published_are_no_problem(published: dict[str, Any]) -> None:
    assert probe.registry_problems(V1_0) == []
    assert probe.robosuite_problems(V1_0) == []


def test_tasks_horizons_kitchens_and_objects_that_differ_are_named(
    published: dict[str, Any],
) -> None:
    published["tasks"].remove("CloseFridge")
    published["horizons"]["OpenDrawer"] = 500
    published["scene_ids"][1].remove(60)
    published["instances"]["cup"] = 0
    problems = "; ".join(probe.registry_problems(V1_0))
    assert "there is no task CloseFridge" in problems
    assert "OpenDrawer has 500 steps instead of 750" in problems
    assert "there is no kitchen (11, 60)" in problems
    assert "for example cup" in problems


def test_the_release_of_robosuite_with_masters_number_is_told_apart(
    published: dict[str, Any],
) -> None:
    published["lacking"] = ["load_model_on_init"]
    (problem,) = probe.robosuite_problems(V1_0)
    assert "does not know load_model_on_init: it is another build" in problem


@pytest.mark.parametrize("master", [True, False])
def test_what_master_knows_is_found_in_signatures_and_by_asking_for_the_controller(
    monkeypatch: pytest.MonkeyPatch, master: bool
) -> None:
    def factory(name: str, params: dict[str, Any]) -> None:
        if name == "JOINT_VELOCITY_LEGACY" and master:
            raise TypeError("missing arguments")
        raise ValueError("Unknown controller name")

    if master:

        class World:
            def __init__(self, arena: Any, enable_multiccd: bool = False) -> None: ...

        class Environment:
            def __init__(self, seed: int = 0, load_model_on_init: bool = True) -> None: ...

    else:

        class World:  # type: ignore[no-redef]
            def __init__(self, arena: Any) -> None: ...

        class Environment:  # type: ignore[no-redef]
            def __init__(self, seed: int = 0) -> None: ...

    modules = {
        "robosuite.environments.base": SimpleNamespace(MujocoEnv=Environment),
        "robosuite.models.tasks": SimpleNamespace(ManipulationTask=World),
        "robosuite.controllers.parts.controller_factory": SimpleNamespace(
            mobile_base_controller_factory=factory
        ),
    }
    monkeypatch.setattr(upstream, "_module", modules.__getitem__)
    missing = ["load_model_on_init", "enable_multiccd", "JOINT_VELOCITY_LEGACY"]
    assert upstream.lacking(V1_0) == ([] if master else missing)
    assert upstream.lacking(V0_2) == []


def test_a_base_whose_commands_turn_the_wrong_way_and_another_order_are_problems() -> None:
    right = probe.RobotFacts(
        parts=probe.ACTION_PARTS, width=12, writes_into_actions=True, forward_error_deg=1.3
    )
    assert probe.robot_problems(right) == []
    wrong = right | {"forward_error_deg": 178.0, "parts": {"base": [0, 3]}}
    order, sign = probe.robot_problems(wrong)  # type: ignore[arg-type]
    assert "12 numbers, {'base': [0, 3]}" in order
    assert "drives 178 degrees off its heading" in sign


def test_a_set_up_that_upstream_fails_is_not_remembered_and_says_what_to_do(
    source: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probed(found: dict[str, Any]) -> RuntimeUnavailable:
        monkeypatch.setattr(installation, "probe", lambda python, installed: found)
        with pytest.raises(RuntimeUnavailable) as refused:
            installation.install(V1_0, source, packs)
        return refused.value

    monkeypatch.setattr(installation.runtimes, "provision", lambda runtime, tell: Path("python"))
    build = probed({"problems": ["robosuite does not know enable_multiccd"]})
    assert "enable_multiccd" in build.problem
    assert "run the set-up again" in build.remedy
    assert "download_kitchen_assets" in probed({"problems": ["few"], "robot": {}}).remedy
    assert installation.installed(V1_0) is None
    monkeypatch.setattr(installation, "probe", lambda python, installed: {"problems": []})
    installation.install(V1_0, source, packs)
    assert installation.installed(V1_0) == Installation(V1_0, source, packs)


# ---- the adapter, over a stand-in for upstream's environment -------------------------------------


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Kitchen]:
    """Every stand-in that was built."""
    kitchens: list[Kitchen] = []

    def build(
        release: Release, task: str, seed: int, scenes: Sequence[tuple[int, int]], split: str
    ) -> tuple[Kitchen, dict[str, Any]]:
        assert release is V1_0
        scene = scenes[np.random.default_rng(seed).integers(len(scenes))]
        kitchens.append(Kitchen(seed, scene, split))
        return kitchens[-1], kitchens[-1].observed()

    monkeypatch.setattr(upstream, "load", lambda release: None)
    monkeypatch.setattr(upstream, "build", build)
    return kitchens


@pytest.fixture
def env(installed: Installation, built: list[Kitchen]) -> Iterator[RoboCasa365Env]:
    """A task of the stand-in, in the target kitchens."""
    suite = suites.robocasa365_target("official")
    made = suite.make_env(suite.tasks()[0], Needs(("robot0_agentview_left",), (48, 48)))
    assert isinstance(made, RoboCasa365Env)
    yield made
    made.close()


def test_an_episode_begins_at_once_in_a_kitchen_of_the_suites_split(
    env: RoboCasa365Env, built: list[Kitchen]
) -> None:
    obs, info = env.reset(seed=5)
    assert built[-1].steps == 0
    assert built[-1].split == env.episode_meta()["split"] == "target"
    assert env.episode_meta()["ep_meta"]["layout_id"] in range(1, 11)
    assert info["instruction"] == "slide 5 to the right"
    assert obs["agent_pos"].shape == (23,)
    assert obs["pixels"]["robot0_agentview_left"].std() > 1.0


def test_gripper_and_base_mode_are_switched_from_a_half_as_upstreams_wrapper_does(
    env: RoboCasa365Env, built: list[Kitchen]
) -> None:
    env.reset(seed=5)
    given = np.full(12, 0.25)
    for value, wanted in ((-1.0, -1.0), (0.0, -1.0), (0.49, -1.0), (0.5, 1.0), (1.0, 1.0)):
        given[[6, 11]] = value
        env.step(given)
        taken = built[-1].taken[-1]
        assert taken[[6, 11]].tolist() == [wanted, wanted]
        assert set(np.delete(taken, [6, 11])) == {0.25}
    assert given[0] == 0.25, "upstream writes into copies only"


def test_success_ends_an_episode_at_the_step_that_reaches_it(
    env: RoboCasa365Env, built: list[Kitchen]
) -> None:
    env.reset(seed=5)
    _, reward, solved, truncated, info = env.advance(np.tile(np.eye(12)[0], (16, 1)))
    assert (reward, solved, truncated) == (1.0, True, False)
    assert info["steps"] == built[-1].steps < 16


def test_a_recorded_episode_is_replayed_or_refused(
    env: RoboCasa365Env, built: list[Kitchen]
) -> None:
    first, _ = env.reset(seed=5)
    meta = json.loads(json.dumps(env.episode_meta()))
    env.set_ep_meta(meta)
    again, _ = env.reset(seed=99)
    assert np.array_equal(first["agent_pos"], again["agent_pos"])
    assert env.episode_meta() == meta
    env.set_ep_meta(meta | {"start": "other"})
    with pytest.raises(RuntimeUnavailable, match="its start differs") as refused:
        env.reset(seed=99)
    assert "wambench doctor robocasa365" in refused.value.remedy


def test_water_is_drawn_as_wide_as_it_was(env: RoboCasa365Env, built: list[Kitchen]) -> None:
    env.reset(seed=5)
    env.step(np.zeros(12))
    built[-1].model.site_rgba[0, 3] = 1.0
    env.step(np.zeros(12))
    built[-1].model.site_rgba[0, 3] = 1.0
    env.step(np.zeros(12))
    wide = env.render_camera("robot0_agentview_left", 48, 48).astype(int)
    built[-1].model.site_size[0, 0] = 0.02
    assert np.array_equal(env.render_camera("robot0_agentview_left", 48, 48), wide)
    assert built[-1].model.site_size[0, 0] == 0.02
