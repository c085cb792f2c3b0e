"""The official backend of robocasa24 as far as it goes without robocasa.

Below the two functions `upstream.load` and `upstream.build` there is a stand-in here: a world with
one joint. `test_robocasa_upstream.py` has the real code.
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
from wambench.errors import PolicyContractError, RuntimeUnavailable, UsageError
from wambench.manifest import build_manifest
from wambench.protocol import Needs
from wambench_envs.robocasa.official import env as official_env
from wambench_envs.robocasa.official import installation, upstream
from wambench_envs.robocasa.official.env import OfficialRoboCasaEnv, portable
from wambench_envs.robocasa.official.installation import Installation
from wambench_envs.robocasa.official.releases import V0_2, Release
from wambench_envs.robocasa.official.suite import OfficialRoboCasaSuite
from wambench_envs.robocasa.protocol import SETTLE_STEPS, scenes_of
from wambench_envs.robocasa.suite import (
    RoboCasaSuite,
    robocasa24,
    suite_spec,
    tasks,
)
from wambench_envs.robocasa.tasks import EVALUATION_SCENES, RULES
from wambench_policies.expert.policy import Expert

ASSETS = Path("robocasa/models/assets")


# ---- a checkout and its assets -------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The least that is a checkout of v0.2, and an empty cache."""
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "cache"))
    for cached in (installation.code_hash, installation.assets_hash):
        cached.cache_clear()
    root = tmp_path / "checkout"
    write(root / "robocasa/__init__.py", '__version__ = "0.2.0"\n')
    write(root / "robocasa/macros_private.py", "DATASET_BASE_PATH = 1\n")
    classes = "".join(f"class {rule.name}(Kitchen):\n    pass\n" for rule in RULES)
    write(root / "robocasa/environments/kitchen/single_stage/kitchen_all.py", classes)
    inside = root / ASSETS
    write(inside / "arenas/empty_kitchen_arena.xml", "<mujoco/>")
    write(inside / "scenes/kitchen_styles/coastal.yaml", "sink: white_sink\nwall: tiles # plain\n")
    write(inside / "scenes/kitchen_styles/playground.yaml", "sink: gold_sink\n")
    registry = "white_sink:\n  xml: fixtures/sinks/white\ngold_sink:\n  xml: fixtures/sinks/gold\n"
    write(inside / "fixtures/fixture_registry/sink.yaml", registry)
    walls = "tiles:\n  texture: textures/tiles.png\nplain:\n  texture: textures/plain.png\n"
    write(inside / "fixtures/fixture_registry/wall.yaml", walls)
    write(inside / "fixtures/sinks/white/model.xml", '<mesh file="visuals/basin.obj"/>')
    return root


@pytest.fixture
def packs(source: Path, tmp_path: Path) -> Path:
    """All that this checkout would download, elsewhere."""
    folder = tmp_path / "packs"
    write(folder / "textures/tiles.png")
    write(folder / "textures/ceramic.png")
    write(folder / "fixtures/sinks/white/visuals/basin.obj")
    apple = folder / "objects/objaverse/apple/apple_0"
    write(apple / "model.xml", '<mesh file="visual/apple.obj"/> <!-- file="gone.obj" -->')
    write(apple / "visual/apple.obj")
    return folder


def test_a_complete_checkout_with_its_packs_lacks_nothing(source: Path, packs: Path) -> None:
    installation.check_source(V0_2, source)
    assert installation.missing_assets(Installation(V0_2, source, packs)) == []


@pytest.mark.parametrize(
    "name",
    [
        "textures/tiles.png",
        "textures/ceramic.png",
        "fixtures/sinks/white/visuals/basin.obj",
        "objects/objaverse/apple/apple_0/visual/apple.obj",
    ],
)
def test_files_that_are_gone_empty_or_git_lfs_pointers_are_named(
    source: Path, packs: Path, name: str
) -> None:
    for text in ("", "version https://git-lfs.github.com/spec/v1\n", None):
        (packs / name).unlink() if text is None else (packs / name).write_text(text)
        assert installation.missing_assets(Installation(V0_2, source, packs)) == [name]


def test_without_any_download_the_set_up_says_what_is_missing_and_how_to_get_it(
    source: Path,
) -> None:
    with pytest.raises(UsageError) as refused:
        installation.install(V0_2, source, None)
    assert "objects/objaverse" in refused.value.problem
    assert "textures/tiles.png" in refused.value.problem
    assert "download_kitchen_assets.py" in refused.value.remedy
    assert installation.installed(V0_2) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [('__version__ = "1.0.1"\n', "is robocasa 1.0.1. robocasa24 is v0.2"), (None, "no checkout")],
)
def test_another_version_is_refused_with_the_commit_to_check_out(
    source: Path, text: str | None, problem: str
) -> None:
    init = source / "robocasa/__init__.py"
    init.unlink() if text is None else init.write_text(text)
    with pytest.raises(UsageError, match=problem) as refused:
        installation.install(V0_2, source, None)
    assert V0_2.commit in refused.value.remedy


def test_a_checkout_without_a_task_is_refused(source: Path) -> None:
    kitchens = source / "robocasa/environments/kitchen/single_stage/kitchen_all.py"
    kitchens.write_text(kitchens.read_text().replace("class OpenDrawer(", "class Drawer("))
    with pytest.raises(UsageError, match="no task OpenDrawer"):
        installation.check_source(V0_2, source)


def test_the_view_joins_code_and_packs_and_keeps_upstreams_writes_from_the_users_folders(
    source: Path, packs: Path
) -> None:
    write(packs / "objects/objaverse/apple/apple_0/1790000000_123_42.xml")  # upstream was killed
    found = Installation(V0_2, source, packs)
    installation._make_view(found)
    installation._make_view(found)
    view = found.view / ASSETS
    assert not (found.view / "robocasa/macros_private.py").exists()
    for name in ("fixtures/sinks/white/model.xml", "fixtures/sinks/white/visuals/basin.obj"):
        assert (view / name).is_file()
    apple = view / "objects/objaverse/apple/apple_0"
    assert sorted(path.name for path in apple.iterdir()) == ["model.xml", "visual"]
    (apple / "1790000001_5_42.xml").write_text("written by upstream")
    assert not (packs / "objects/objaverse/apple/apple_0/1790000001_5_42.xml").exists()
    assert [path.name for path in found.view.parent.iterdir()] == [found.view.name]


def test_hashes_change_with_code_models_and_sizes_but_not_with_private_settings(
    source: Path, packs: Path
) -> None:
    def hashes() -> tuple[str, str]:
        for cached in (installation.code_hash, installation.assets_hash):
            cached.cache_clear()
        return (
            installation.code_hash(source),
            installation.assets_hash(Installation(V0_2, source, packs)),
        )

    code, assets = hashes()
    write(source / "robocasa/macros_private.py", "DATASET_BASE_PATH = 2\n")
    assert hashes() == (code, assets)
    write(source / "robocasa/__init__.py", '__version__ = "0.2.0"\n# mine\n')
    assert hashes()[0] != code
    write(packs / "textures/tiles.png", "larger")
    larger = hashes()[1]
    write(packs / "objects/objaverse/apple/apple_0/model.xml", "<mesh file='other'/>")
    assert len({assets, larger, hashes()[1]}) == 3


# ---- suite and protocol --------------------------------------------------------------------------


def test_the_backend_is_refused_until_it_is_set_up_and_auto_takes_the_other(source: Path) -> None:
    assert robocasa24("auto").spec.backend == "embedded"
    with pytest.raises(RuntimeUnavailable, match=r"not set up.*--source PATH"):
        robocasa24("official")
    with pytest.raises(UsageError, match="Unknown backend"):
        robocasa24("other")  # type: ignore[arg-type]


def test_auto_takes_it_once_it_is_set_up_and_says_so_when_it_has_gone(
    source: Path, packs: Path
) -> None:
    found = Installation(V0_2, source, packs)
    installation._make_view(found)
    installation._remember(found)
    official, embedded = robocasa24("auto"), RoboCasaSuite()
    assert isinstance(official, OfficialRoboCasaSuite)
    assert official.spec.backend == "official"
    assert official.tasks() == embedded.tasks()
    for field in ("action_names", "action_low", "action_high", "state_names", "hold_action"):
        assert getattr(official.spec, field) == getattr(embedded.spec, field)
    assert official.spec.cameras[:3] == embedded.spec.cameras[:3]
    packs.rename(packs.with_name("elsewhere"))
    with pytest.raises(RuntimeUnavailable, match="no longer there"):
        robocasa24("official")
    assert robocasa24("auto").spec.backend == "embedded"


@pytest.fixture
def suite(source: Path, packs: Path) -> OfficialRoboCasaSuite:
    """The suite on that installation."""
    found = Installation(V0_2, source, packs)
    installation._make_view(found)
    installation._remember(found)
    return OfficialRoboCasaSuite(suite_spec("official"), tasks())


def test_episodes_have_the_seeds_scenes_and_horizons_of_the_published_runs(
    suite: OfficialRoboCasaSuite,
) -> None:
    manifest = build_manifest(suite, run_seed=195, trials=50, tasks=[0, 12])
    drawer = [episode for episode in manifest.episodes if episode.task == 12]
    assert [e.seed for e in drawer] == [195 * trial * 256 for trial in range(50)]
    assert [e.seed for e in drawer] == [e.seed for e in manifest.episodes if e.task == 0]
    scenes = [scenes_of(e.init_state) for e in drawer]
    assert scenes == [([pair], "B") for pair in EVALUATION_SCENES for _ in range(10)]
    assert {e.max_steps for e in drawer} == {500}
    with pytest.raises(UsageError, match=r"the same episode\. Pass --seed .* 195, 196, 197"):
        build_manifest(suite, run_seed=0, trials=1)


def test_demonstrations_begin_in_other_kitchens_with_other_objects() -> None:
    scenes, split = scenes_of(-1)
    assert split == "A"
    assert len(scenes) == 115
    assert not set(scenes) & set(EVALUATION_SCENES)
    with pytest.raises(UsageError, match="no initial state 50"):
        scenes_of(50)


# ---- the adapter, over a stand-in for upstream's environment -------------------------------------


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Kitchen]:
    """Every stand-in that was built."""
    kitchens: list[Kitchen] = []

    def build(
        release: Release, task: str, seed: int, scenes: Sequence[tuple[int, int]], split: str
    ) -> tuple[Kitchen, dict[str, Any]]:
        kitchens.append(Kitchen(seed, scenes[0], split))
        return kitchens[-1], kitchens[-1].observed()

    monkeypatch.setattr(upstream, "load", lambda release: None)
    monkeypatch.setattr(upstream, "build", build)
    return kitchens


@pytest.fixture
def env(suite: OfficialRoboCasaSuite, built: list[Kitchen]) -> Iterator[OfficialRoboCasaEnv]:
    """A drawer of the stand-in."""
    made = suite.make_env(suite.tasks()[12], Needs(("robot0_agentview_left",), (48, 48)))
    assert isinstance(made, OfficialRoboCasaEnv)
    yield made
    made.close()


def push(speed: float) -> Any:
    """An action that moves the joint, m/s."""
    return np.array([speed, *[0.0] * 11])


def test_an_episode_settles_uncounted_and_ends_at_the_step_that_upstream_calls_solved(
    env: OfficialRoboCasaEnv, built: list[Kitchen]
) -> None:
    _, info = env.reset(seed=5, options={"init_state": 0})
    assert built[-1].steps == SETTLE_STEPS
    assert info["instruction"] == "slide 5 to the right" != env.task.instruction
    actions = np.tile(push(1.0), (20, 1))
    before = actions.copy()
    obs, reward, solved, truncated, info = env.advance(actions)
    assert (reward, solved, truncated) == (1.0, True, False)
    assert info["steps"] == built[-1].steps - SETTLE_STEPS < 20
    assert np.array_equal(actions, before), "upstream writes into its copies only"
    assert obs["agent_pos"].shape == (23,)
    assert obs["agent_pos"][0] == np.float32(built[-1].data.qpos[0])


def test_every_episode_is_a_new_environment_and_the_last_one_is_let_go(
    env: OfficialRoboCasaEnv, built: list[Kitchen]
) -> None:
    for seed in (3, 3, 4):
        env.reset(seed=seed, options={"init_state": 12})
    assert [kitchen.closed for kitchen in built] == [True, True, False]
    starts = [kitchen.data.qpos[0] for kitchen in built]
    assert starts[0] == starts[1] != starts[2]
    assert env.episode_meta()["ep_meta"]["layout_id"] == EVALUATION_SCENES[1][0]


def test_pictures_are_upright_and_show_what_upstreams_own_would(
    env: OfficialRoboCasaEnv, built: list[Kitchen]
) -> None:
    env.reset(seed=5, options={"init_state": 0})
    obs, *_ = env.advance(np.tile(push(1.0), (20, 1)))
    picture = obs["pixels"]["robot0_agentview_left"].astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 1] > 60)
    assert len(red) > 20
    assert not (picture[..., 2] - picture[..., 0] > 60).any(), "water is one step late upstream"
    seen = env.snapshot()
    moved = built[-1].data.qpos[0] - seen[0]
    assert moved == pytest.approx(1.0 * 0.002), "the last physics step is not drawn yet"
    env._step(push(0.0))
    later = env.render_camera("robot0_agentview_left", 48, 48).astype(int)
    assert (later[..., 2] - later[..., 0] > 60).any()
    env.restore(seen)
    again = env.render_camera("robot0_agentview_left", 48, 48)
    assert np.array_equal(again, obs["pixels"]["robot0_agentview_left"])


def test_a_recorded_episode_is_replayed_or_refused(
    env: OfficialRoboCasaEnv, built: list[Kitchen]
) -> None:
    first, _ = env.reset(seed=5, options={"init_state": 11})
    meta = json.loads(json.dumps(env.episode_meta()))
    env.set_ep_meta(meta)
    again, _ = env.reset(seed=99, options={"init_state": 0})
    assert np.array_equal(first["agent_pos"], again["agent_pos"])
    assert env.episode_meta() == meta
    for wrong in (meta | {"start": "other"}, meta | {"ep_meta": {"lang": "other"}}):
        env.set_ep_meta(wrong)
        with pytest.raises(RuntimeUnavailable, match="cannot be replayed: its"):
            env.reset(seed=99)
    env.set_ep_meta(None)
    assert env.reset(seed=6, options={"init_state": 0})[1]["instruction"].startswith("slide 6")
    with pytest.raises(UsageError, match="lacks ep_meta, init_state"):
        env.set_ep_meta({"task": "OpenDrawer"})
    with pytest.raises(UsageError, match="this is OpenDrawer"):
        env.set_ep_meta(meta | {"task": "CloseDrawer"})


def test_descriptions_are_plain_json_without_paths_of_a_machine() -> None:
    described = portable(
        {
            "size": (np.float64(0.5), None),
            "on": np.array([1, 2]),
            "fixture": SimpleNamespace(name="sink_main"),
            "info": {"mjcf_path": "/home/me/robocasa/models/assets/objects/objaverse/x/model.xml"},
        }
    )
    assert described == {
        "size": [0.5, None],
        "on": [1, 2],
        "fixture": "sink_main",
        "info": {"mjcf_path": "robocasa/models/assets/objects/objaverse/x/model.xml"},
    }
    with pytest.raises(TypeError, match="complex"):
        official_env.portable(1j)


def test_the_expert_is_refused_in_kitchens_that_it_does_not_know() -> None:
    with pytest.raises(PolicyContractError, match="--backend embedded"):
        Expert(suite_spec("official"))
