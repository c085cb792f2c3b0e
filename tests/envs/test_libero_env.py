"""The LIBERO suites: tables, initial states, assets, errors, looks, what experts are offered."""

from __future__ import annotations

import functools
import http.server
import os
import pickle
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wambench import labels
from wambench.errors import RuntimeUnavailable, UsageError
from wambench.protocol import Needs, Suite
from wambench_envs import gl
from wambench_envs.libero import init_states, official, tasks, upstream
from wambench_envs.libero.assets import PACK_ROOT
from wambench_envs.libero.classes import geom_classes
from wambench_envs.libero.suite import LiberoSuite, libero_goal, libero_long, libero_object

needs_libero = pytest.mark.skipif(
    upstream.runtimes.version_problems(upstream.RUNTIME) != [],
    reason="LIBERO is not installed at its pinned versions",
)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty wambench cache."""
    monkeypatch.setenv("WAMBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def goal_env():
    suite = libero_goal("embedded")
    env = suite.make_env(suite.tasks()[7], Needs(("agentview",), (64, 96)))
    yield env
    env.close()


# ---- tables ------------------------------------------------------------------------------------


def test_the_table_has_130_tasks_in_five_suites():
    counts = {suite: len(tasks.load_tasks(suite)) for suite in tasks.FOLDERS}
    assert counts == {
        "libero_spatial": 10,
        "libero_object": 10,
        "libero_goal": 10,
        "libero_long": 10,
        "libero_90": 90,
    }


@needs_libero
def test_the_table_is_what_the_installed_package_says():
    assert tasks.read_upstream() == tasks._table()


@needs_libero
def test_goals_are_parsed_as_upstream_parses_them():
    upstream.load()
    from libero.libero.envs.bddl_utils import robosuite_parse_problem

    for suite in tasks.FOLDERS:
        for task in tasks.load_tasks(suite):
            file = tasks.bddl_file(upstream.package_dir(), task)
            goal = robosuite_parse_problem(str(file))["goal_state"]
            assert task.goal == tuple(tuple(atom) for atom in goal)


def test_an_instruction_has_no_scene_prefix():
    first = tasks.find_task("libero_90", 0)
    assert first.name.startswith("KITCHEN_SCENE10_close_the_top_drawer")
    assert first.instruction.startswith("close the top drawer of the cabinet")
    assert tasks.instruction_from_name("LIVING_ROOM_SCENE2_put_it_down") == "put it down"


def test_libero_10_is_another_name_of_libero_long():
    assert tasks.load_tasks("libero_10") == tasks.load_tasks("libero_long")
    assert libero_long("embedded").spec.name == "libero_long"


def test_an_unknown_task_or_suite_says_which_there_are():
    with pytest.raises(UsageError, match="0 to 9"):
        tasks.find_task("libero_goal", 10)
    with pytest.raises(UsageError, match="libero_spatial"):
        tasks.load_tasks("libero_gaol")


def test_listing_tasks_imports_no_simulator():
    code = (
        "import sys; from wambench_envs.libero.suite import libero_90;"
        "assert len(libero_90('embedded').tasks()) == 90;"
        "assert not {'mujoco', 'robosuite', 'libero', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- initial states ----------------------------------------------------------------------------


def archive(path: Path, payload: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", payload)
    return path


@needs_libero
def test_every_task_has_fifty_finite_initial_states():
    for suite in tasks.FOLDERS:
        for task in tasks.load_tasks(suite):
            states = init_states.load_init_states(
                tasks.init_state_file(upstream.package_dir(), task)
            )
            assert states.shape[0] == task.init_states == 50
            assert states.flags.writeable


class Malicious:
    def __reduce__(self):
        return (os.system, ("touch pwned",))


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = archive(tmp_path / "evil.pruned_init", pickle.dumps(Malicious()))
    with pytest.raises(RuntimeUnavailable, match=r"system.*wambench setup libero"):
        init_states.load_init_states(file)
    assert not (tmp_path / "pwned").exists()


def test_an_array_of_python_objects_is_refused(tmp_path):
    payload = pickle.dumps(np.array([[Malicious()]], dtype=object), protocol=2)
    with pytest.raises(RuntimeUnavailable):
        init_states.load_init_states(archive(tmp_path / "objects.pruned_init", payload))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_corrupt_file_of_initial_states_is_one_line(tmp_path, content):
    file = tmp_path / "broken.pruned_init"
    file.write_bytes(content)
    with pytest.raises(RuntimeUnavailable, match=r"broken\.pruned_init are corrupt") as caught:
        init_states.load_init_states(file)
    assert "\n" not in str(caught.value)


def test_a_truncated_pickle_is_one_line(tmp_path):
    payload = pickle.dumps(np.zeros((2, 3)), protocol=2)[:-20]
    with pytest.raises(RuntimeUnavailable, match=r"corrupt|refused"):
        init_states.load_init_states(archive(tmp_path / "cut.pruned_init", payload))


def test_plain_arrays_of_any_pickle_protocol_are_read(tmp_path):
    states = np.arange(6.0).reshape(2, 3)
    for protocol in (2, 3, 4):
        file = archive(tmp_path / f"{protocol}.pruned_init", pickle.dumps(states, protocol))
        np.testing.assert_array_equal(init_states.load_init_states(file), states)


# ---- backends and official assets --------------------------------------------------------------


def test_auto_takes_embedded_assets_where_official_ones_are_absent(cache):
    suite = libero_object("auto")
    assert suite.spec.backend == "embedded"
    assert isinstance(suite, Suite)


def test_asking_for_absent_official_assets_names_the_remedy(cache):
    with pytest.raises(RuntimeUnavailable, match="wambench setup libero --assets PATH"):
        libero_object("official")


@pytest.fixture
def source(tmp_path) -> Path:
    """A complete asset folder: the embedded models with the textures upstream's code asks for."""
    folder = tmp_path / "source"
    shutil.copytree(PACK_ROOT, folder)
    for name in official.STYLED_TEXTURES:
        (folder / "textures").mkdir(exist_ok=True)
        (folder / "textures" / name).write_bytes(b"texture")
    return folder


def test_installed_official_assets_are_found_by_auto(cache, source):
    installed = libero_object("embedded").install_assets(source)
    assert installed == cache / "assets" / "libero"
    assert official.official_assets_dir() == installed
    assert libero_object("auto").spec.backend == "official"
    assert official.assets_hash(installed) == official.assets_hash(source)


def test_an_incomplete_asset_folder_is_rejected_with_what_it_lacks(cache, source):
    (source / "articulated_objects" / "flat_stove.xml").unlink()
    (source / "articulated_objects" / "microwave.xml").write_text("version https://git-lfs.x")
    with pytest.raises(UsageError, match=r"flat_stove\.xml, .*microwave\.xml"):
        official.install_assets(source)
    assert official.official_assets_dir() is None


def test_assets_are_fetched_from_a_hub_that_has_them(cache, source, tmp_path, monkeypatch):
    root = tmp_path / "hub"
    shutil.copytree(source, root / "datasets" / official.HUB_DATASET / "resolve" / "main")
    handler = functools.partial(QuietHandler, directory=root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        installed = official.install_assets()
        server.shutdown()
    assert official.assets_hash(installed) == official.assets_hash(source)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def test_a_hub_out_of_reach_is_one_line_and_leaves_nothing_behind(cache, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RuntimeUnavailable, match="Check the network") as caught:
        official.install_assets()
    assert "\n" not in str(caught.value)
    assert not list((cache / "assets").iterdir())


def test_an_asset_folder_with_a_link_out_of_it_is_rejected(cache, source):
    (source / "textures" / "secret.png").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match=r"secret\.png is a link out"):
        official.install_assets(source)
    assert not list((cache / "assets").iterdir())


def test_the_embedded_pack_is_complete_by_the_same_measure():
    missing = [name for name in official.missing_files(PACK_ROOT) if not name.startswith("tex")]
    assert missing == []
    assert len(official.required_models()) == 38


# ---- errors ------------------------------------------------------------------------------------


def test_a_wrong_version_is_an_error_with_a_way_out(monkeypatch):
    versions = upstream.PINS | {"mujoco": "3.9.0"}
    monkeypatch.setattr(upstream.runtimes, "installed_versions", lambda runtime: versions)
    monkeypatch.delenv(upstream.runtimes.ALLOW_UNPINNED, raising=False)
    with pytest.raises(RuntimeUnavailable, match=r"3\.9\.0.*3\.3\.2.*wambench setup libero"):
        upstream.check_versions()
    monkeypatch.setenv(upstream.runtimes.ALLOW_UNPINNED, "1")
    upstream.check_versions()


def test_a_missing_package_is_an_error_even_when_versions_may_differ(monkeypatch):
    versions = upstream.PINS | {"robosuite": None}
    monkeypatch.setattr(upstream.runtimes, "installed_versions", lambda runtime: versions)
    monkeypatch.setenv(upstream.runtimes.ALLOW_UNPINNED, "1")
    with pytest.raises(RuntimeUnavailable, match="robosuite"):
        upstream.check_versions()


def test_an_unknown_camera_or_backend_says_which_there_are():
    suite = libero_goal("embedded")
    with pytest.raises(UsageError, match="agentview, robot0_eye_in_hand"):
        suite.make_env(suite.tasks()[0], Needs(("agent_view",)))
    with pytest.raises(UsageError, match="auto, official or embedded"):
        LiberoSuite("libero_goal", "offical")


@needs_libero
@pytest.mark.parametrize("damage", ["corrupt", "missing"])
def test_a_broken_model_file_is_one_line_that_names_it(tmp_path, damage):
    from wambench_envs.libero.env import LiberoEnv

    assets = tmp_path / "assets"
    shutil.copytree(PACK_ROOT, assets)
    stove = assets / "articulated_objects" / "flat_stove.xml"
    stove.write_text("<mujoco><worldbody>") if damage == "corrupt" else stove.unlink()
    suite = libero_goal("embedded")
    with pytest.raises(RuntimeUnavailable, match="wambench setup libero") as caught:
        LiberoEnv(suite.spec, suite.tasks()[7], Needs(), assets)
    assert "\n" not in str(caught.value)
    if damage == "missing":
        assert "flat_stove.xml" in str(caught.value)


def test_asking_for_images_without_opengl_names_the_remedy(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with pytest.raises(RuntimeUnavailable, match="libosmesa6"):
        gl.make_context(8, 8)


@needs_libero
def test_upstream_is_loaded_without_questions_files_torch_or_noise(tmp_path):
    code = (
        "import sys; from wambench_envs.libero import upstream; upstream.load();"
        "assert not {'torch', 'libero.libero.benchmark'} & set(sys.modules)"
    )
    environment = os.environ | {"HOME": str(tmp_path)}
    environment.pop("LIBERO_CONFIG_PATH", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / ".libero").exists()


@needs_libero
def test_a_renderer_is_found_when_none_is_named():
    code = (
        "from wambench.protocol import Needs\n"
        "import mujoco\n"  # before us, so that MuJoCo settles on GLFW
        "from wambench_envs.libero.suite import libero_object\n"
        "suite = libero_object('embedded')\n"
        "env = suite.make_env(suite.tasks()[0], Needs(('agentview',), (32, 32)))\n"
        "image = env.reset(seed=0)[0]['pixels']['agentview']\n"
        "assert image.std() > 10\n"
    )
    graphics = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "DISPLAY")
    environment = {k: v for k, v in os.environ.items() if k not in graphics}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- the environment ---------------------------------------------------------------------------


@needs_libero
def test_numpys_global_generator_is_left_alone(goal_env):
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.get_state()[1].copy()  # noqa: NPY002
    goal_env.reset(seed=8)
    np.testing.assert_array_equal(np.random.get_state()[1], expected)  # noqa: NPY002


@needs_libero
def test_the_seed_places_fixtures_and_the_index_places_objects(goal_env):
    def poses(seed, init_state):
        goal_env.reset(seed=seed, options={"init_state": init_state})
        body = goal_env.mj_model.body(goal_env.object_bodies["flat_stove_1"])
        return body.pos.copy(), goal_env.mj_data.qpos.copy()

    (stove, state), (same_stove, same_state) = poses(1, 3), poses(1, 3)
    other_stove, _ = poses(2, 3)
    _, other_state = poses(1, 4)
    np.testing.assert_array_equal(stove, same_stove)
    np.testing.assert_array_equal(state, same_state)
    assert np.abs(stove - other_stove).max() > 1e-4
    assert np.abs(state - other_state).max() > 1e-4


@needs_libero
def test_pictures_are_upright_and_mirrored_as_published_policies_see_them(goal_env):
    """World +z is up in the picture and world +y left, where a camera would see it right."""
    goal_env.reset(seed=0, options={"init_state": 0})
    bowl = goal_env.mj_model.body(goal_env.object_bodies["akita_black_bowl_1"])
    address = goal_env.mj_model.jnt_qposadr[bowl.jntadr[0]]

    def picture(position):
        moved = goal_env.snapshot()
        moved[address : address + 3] = position
        goal_env.restore(moved)
        return goal_env.render_camera("agentview", 64, 96).astype(int)

    without = picture([0, 0, -5])

    def centre(position):
        rows, columns = np.nonzero(np.abs(picture(position) - without).max(axis=2) > 40)
        return rows.mean(), columns.mean()

    middle, left, above = centre([0, 0, 1]), centre([0, 0.15, 1]), centre([0, 0, 1.15])
    assert left[1] < middle[1] - 5
    assert above[0] < middle[0] - 5


@needs_libero
def test_a_snapshot_shows_the_same_picture_again_with_its_glow(goal_env):
    goal_env.reset(seed=0, options={"init_state": 0})
    dark, _ = goal_env.snapshot(), goal_env.render()
    goal_env.mj_data.joint("flat_stove_1_button").qpos[0] = 0.8
    for _ in range(2):
        goal_env.control_step(np.zeros(7))
    glowing, picture = goal_env.snapshot(), goal_env.render()
    goal_env.restore(dark)
    assert np.abs(goal_env.render().astype(int) - picture).max() > 30
    goal_env.restore(glowing)
    np.testing.assert_array_equal(goal_env.render(), picture)
    goal_env.reset(seed=1)
    goal_env.reset(seed=0, options={"init_state": 0})
    goal_env.restore(glowing)
    np.testing.assert_array_equal(goal_env.render(), picture)


@needs_libero
def test_only_the_cameras_asked_for_are_rendered(goal_env, monkeypatch):
    rendered = []
    original = goal_env.render_camera
    monkeypatch.setattr(
        goal_env,
        "render_camera",
        lambda camera, *size: rendered.append(camera) or original(camera, *size),
    )
    goal_env.reset(seed=0)
    observation, *_ = goal_env.advance(np.zeros((5, 7)))
    assert rendered == ["agentview", "agentview"]
    assert observation["pixels"]["agentview"].shape == (64, 96, 3)
    assert observation["agent_pos"].dtype == np.float32


@needs_libero
@pytest.mark.parametrize("camera", LiberoSuite("libero_goal", "embedded").spec.cameras)
def test_every_offered_camera_sees_something(goal_env, camera):
    goal_env.reset(seed=0)
    assert goal_env.render_camera(camera, 48, 48).std() > 5


@needs_libero
def test_label_pictures_tell_where_an_object_is_and_how_far(goal_env):
    goal_env.reset(seed=0, options={"init_state": 0})
    data, model = goal_env.mj_data, goal_env.mj_model
    codes, depth = labels.unpack_labels(goal_env.render_camera("agentview_labels", 128, 128))
    camera = data.camera("agentview")
    bowl = data.body(goal_env.object_bodies["akita_black_bowl_1"]).xpos
    right, up, backwards = camera.xmat.reshape(3, 3).T @ (bowl - camera.xpos)
    scale = 64 / np.tan(np.radians(model.camera("agentview").fovy[0]) / 2) / -backwards
    # Pictures are mirrored, see camera.py.
    row, column = round(64 - up * scale), round(64 - right * scale)
    around = np.s_[row - 3 : row + 4, column - 3 : column + 4]
    assert (codes[around] == labels.label_code("akita_black_bowl")).mean() > 0.5
    assert np.median(depth[around]) == pytest.approx(-backwards, abs=0.06)


@needs_libero
def test_label_pictures_tell_a_drawer_from_its_cabinet_and_know_no_two_names_by_one_code(goal_env):
    goal_env.reset(seed=0)
    names = set(geom_classes(goal_env.mj_model, goal_env.object_bodies, goal_env.categories))
    assert {"wooden_cabinet", "robot", "gripper/leftfinger", "plate"} <= names
    assert len([name for name in names if name.startswith("wooden_cabinet/")]) == 3
    assert len({labels.label_code(name) for name in names}) == len(names)


@needs_libero
def test_drawing_labels_does_not_change_the_pictures_after_it(goal_env):
    goal_env.reset(seed=0, options={"init_state": 0})
    before = goal_env.render_camera("agentview", 48, 48)
    goal_env.render_camera("agentview_labels", 48, 48)
    np.testing.assert_array_equal(goal_env.render_camera("agentview", 48, 48), before)


def test_no_policy_is_shown_label_pictures():
    suite = libero_goal("embedded")
    assert "agentview_labels" in suite.spec.label_cameras
    with pytest.raises(UsageError, match="no camera agentview_labels"):
        suite.make_env(suite.tasks()[0], Needs(("agentview_labels",), (64, 64)))


@needs_libero
def test_the_stove_is_solved_by_its_knob_and_only_past_half_a_radian(goal_env):
    goal_env.reset(seed=0, options={"init_state": 0})
    for angle, solved in ((0.3, False), (0.7, True)):
        goal_env.mj_data.joint("flat_stove_1_button").qpos[0] = angle
        assert goal_env.control_step(np.zeros(7)) is solved


@needs_libero
def test_an_expert_finds_every_name_it_is_offered(goal_env):
    env = goal_env
    for body in env.object_bodies.values():
        assert env.mj_model.body(body).id > 0
    for region in env.regions.values():
        assert env.mj_model.site(region.site).id >= 0
        assert region.parent is None or region.parent in env.object_bodies
        for joint in region.joints:
            env.mj_model.joint(joint)
    drawer = env.regions["wooden_cabinet_1_top_region"]
    assert drawer.joints == ("wooden_cabinet_1_top_level",)
    assert drawer.parent == "wooden_cabinet_1"
    assert env.categories["flat_stove_1"] == "flat_stove"
    assert len(env.robot_joints) == 7
    assert len(env.gripper_joints) == 2
    np.testing.assert_allclose(env.mj_data.site(env.grip_site).xpos, env.agent_pos()[:3], atol=1e-3)


@needs_libero
def test_doctor_finds_this_installation_in_order():
    findings = {check.name: check for check in libero_goal("embedded").doctor()}
    assert {"mujoco", "assets", "rendering", "picture", "demonstration"} <= set(findings)
    for name in ("mujoco", "assets", "picture", "demonstration"):
        assert findings[name].ok, findings[name]


@needs_libero
def test_provenance_names_what_decides_states_and_pixels():
    facts = libero_goal("embedded").provenance()
    assert facts["mujoco"] == "3.3.2"
    assert facts["backend"] == "embedded"
    assert len(facts["assets_sha256"]) == 64
    assert facts["gl"] in ("egl", "osmesa")


@needs_libero
@pytest.mark.slow
@pytest.mark.parametrize("suite", tasks.FOLDERS)
def test_every_task_starts_unsolved_on_embedded_assets(suite):
    libero = LiberoSuite(suite, "embedded")
    for task in libero.tasks():
        env = libero.make_env(task, Needs())
        env.reset(seed=0, options={"init_state": 0})
        assert not env.scene.success(), task.name
        assert np.isfinite(env.mj_data.qpos).all()
        env.close()
