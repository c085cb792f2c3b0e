"""The embedded LIBERO pack: its files, its interface, and how its scenes settle."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np
import pytest

from wambench_envs.libero import init_states, tasks, upstream
from wambench_envs.libero.assets import PACK_ROOT
from wambench_envs.libero.assets.build import differences, main
from wambench_envs.libero.assets.catalog import ITEMS

needs_libero = pytest.mark.skipif(
    upstream.runtimes.version_problems(upstream.RUNTIME) != [],
    reason="LIBERO is not installed at its pinned versions",
)

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_long")
NO_OP = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0])
SETTLE_STEPS, WATCH_STEPS = 10, 20
MAX_TILT = 20.0  # degrees, of the axis that is vertical in the initial state
MAX_DRIFT = 0.02  # metres, during the steps that follow the settling

MASSES = {  # kg, of upstream's models (free objects and the stove's and microwave's own parts)
    "alphabet_soup": 0.02585, "bbq_sauce": 0.01218, "butter": 0.00525, "milk": 0.03167,
    "chocolate_pudding": 0.01019, "cookies": 0.00964, "cream_cheese": 0.00619,
    "ketchup": 0.02322, "new_salad_dressing": 0.02178, "orange_juice": 0.03167,
    "salad_dressing": 0.02178, "tomato_sauce": 0.02663, "akita_black_bowl": 0.00559,
    "basket": 0.13611, "chefmate_8_frypan": 0.05025, "glazed_rim_porcelain_ramekin": 0.00966,
    "plate": 0.01152, "white_bowl": 0.00209, "black_book": 0.04255, "desk_caddy": 0.27796,
    "moka_pot": 0.06824, "porcelain_mug": 0.01646, "red_coffee_mug": 0.02935,
    "white_yellow_mug": 0.03091, "wine_bottle": 0.01539, "wine_rack": 0.15275,
    "wooden_tray": 0.05715, "wooden_two_layer_shelf": 0.20633, "yellow_book": 0.02812,
    "flat_stove": 4.4801, "microwave": 3.26, "white_cabinet": 9.17624,
    "wooden_cabinet": 9.17624,
}  # fmt: skip

REGIONS = {
    "flat_stove": {"cook_region", "burner"},
    "microwave": {"top_side", "heating_region"},
    "white_cabinet": {"top_side", "top_region", "middle_region", "bottom_region"},
    "wooden_cabinet": {"top_side", "top_region", "middle_region", "bottom_region"},
    "basket": {"contain_region"},
    "wooden_tray": {"contain_region"},
    "wine_rack": {"top_region"},
    "wooden_two_layer_shelf": {"top_side", "top_region", "bottom_region"},
    "desk_caddy": {
        "right_contain_region", "left_contain_region", "back_contain_region",
        "front_contain_region",
    },
}  # fmt: skip

SIZES = {  # metres: upstream's contact bounds of things a gripper closes on or drops into
    "milk": (0.053, 0.1312, 0.0526),
    "ketchup": (0.0563, 0.1456, 0.0367),
    "bbq_sauce": (0.0470, 0.0292, 0.1071),
    "akita_black_bowl": (0.1072, 0.1070, 0.0505),
    "plate": (0.1376, 0.1375, 0.0189),
    "basket": (0.1695, 0.1573, 0.1415),
    "moka_pot": (0.0814, 0.1475, 0.1518),
    "porcelain_mug": (0.1247, 0.0963, 0.1061),
    "chefmate_8_frypan": (0.3561, 0.2043, 0.0579),
    "wine_bottle": (0.0426, 0.0442, 0.1569),
}


def _xml_files():
    return sorted(PACK_ROOT.rglob("*.xml"))


def _model(item):
    """Compiles one object as LIBERO does: its assets and its body alone."""
    mujoco = pytest.importorskip("mujoco")
    path = PACK_ROOT / item.path
    root = ET.parse(path).getroot()
    scene = ET.Element("mujoco")
    ET.SubElement(scene, "compiler", angle="radian", inertiagrouprange="0 0")
    assets = root.find("asset")
    if assets is not None:
        for element in assets:
            if element.get("file"):
                element.set("file", str((path.parent / element.get("file")).resolve()))
        scene.append(assets)
    scene.append(root.find("worldbody"))
    return mujoco.MjModel.from_xml_string(ET.tostring(scene, encoding="unicode"))


# ---- files -------------------------------------------------------------------------------------


def test_a_rebuild_equals_the_committed_pack_byte_for_byte(capsys):
    assert differences() == []
    assert main(["--check"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_a_pack_that_differs_is_named_file_by_file(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 0
    (tmp_path / "textures" / "wicker.png").write_bytes(b"")
    (tmp_path / "stray.txt").write_text("x")
    (tmp_path / ITEMS[0].path).unlink()
    assert main(["--check", "--root", str(tmp_path)]) == 1
    complaints = capsys.readouterr().err
    assert "differs: textures/wicker.png" in complaints
    assert "not in the catalogue: stray.txt" in complaints
    assert f"missing: {ITEMS[0].path}" in complaints


def test_the_pack_is_small():
    size = sum(path.stat().st_size for path in PACK_ROOT.rglob("*") if path.is_file())
    assert size < 1.5e6


def test_every_texture_that_a_file_names_exists():
    for path in _xml_files():
        for texture in ET.parse(path).getroot().iter("texture"):
            assert (path.parent / texture.get("file")).is_file(), (path.name, texture.attrib)


@needs_libero
def test_every_floor_and_wall_style_that_upstream_knows_has_a_picture():
    styles = upstream.load_by_path("envs/arenas/style.py")
    for mapping in styles.STYLE_MAPPING.values():
        for file in mapping.values():
            assert (PACK_ROOT / "textures" / file).is_file(), file


def test_nothing_costs_a_second_rendering_pass():
    for path in _xml_files():
        root = ET.parse(path).getroot()
        assert all("reflectance" not in m.attrib for m in root.iter("material")), path.name
        assert all(light.get("castshadow") == "false" for light in root.iter("light")), path.name


# ---- interface ---------------------------------------------------------------------------------


def test_every_geom_is_either_drawn_or_touched():
    for path in _xml_files():
        for geom in ET.parse(path).getroot().iter("geom"):
            assert geom.get("group") in {"0", "1"}, (path.name, geom.attrib)
            if geom.get("group") == "1" and geom.get("name") != "floor":
                assert (geom.get("contype"), geom.get("conaffinity")) == ("0", "0")
                assert geom.get("mass") == "0"


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_an_object_has_the_bodies_and_sites_that_upstream_reads(item):
    root = ET.parse(PACK_ROOT / item.path).getroot()
    outer = root.find("worldbody/body")
    assert outer.find("body[@name='object']") is not None
    offsets = {s.get("name"): s.get("pos") for s in outer.findall("site")}
    assert offsets == {
        "bottom_site": f"0 0 {item.bottom:g}",
        "top_site": f"0 0 {item.top:g}",
        "horizontal_radius_site": f"{item.radius:g} {item.radius:g} 0",
    }
    regions = list(outer.find("body").iter("site"))
    assert {s.get("name") for s in regions} == REGIONS.get(item.name, set())
    assert all(s.get("pos") and s.get("quat") and s.get("size") for s in regions)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_an_object_weighs_what_upstreams_does(item):
    model = _model(item)
    assert model.body_mass.sum() == pytest.approx(MASSES[item.name], rel=1e-3)


@pytest.mark.parametrize("name", SIZES)
def test_an_object_is_as_large_as_upstreams(name):
    item = next(item for item in ITEMS if item.name == name)
    model = _model(item)
    mujoco = pytest.importorskip("mujoco")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    corners = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1)
    points = []
    for geom in np.flatnonzero(model.geom_group == 0):
        turn = data.geom_xmat[geom].reshape(3, 3)
        points.append(
            data.geom_xpos[geom][:, None] + turn @ (corners * model.geom_size[geom][:, None])
        )
    points = np.concatenate(points, axis=1)
    np.testing.assert_allclose(np.ptp(points, axis=1), SIZES[name], atol=0.004)


def test_drawers_door_and_knob_move_as_upstreams_do():
    wanted = {
        "wooden_cabinet": {
            f"{level}_level": ((0.0, 1.0, 0.0), (-0.16, 0.01), 50.0)
            for level in ("top", "middle", "bottom")
        },
        "microwave": {"microjoint": ((0.0, 0.0, 1.0), (-2.094, 0.0), 0.5)},
        "flat_stove": {"button": ((0.0, 0.0, 1.0), (-0.005, 2.1), 1.0)},
    }
    kinds = {"wooden_cabinet": 2, "microwave": 3, "flat_stove": 3}  # mjtJoint: slide, hinge
    for item in ITEMS:
        if item.name not in wanted:
            continue
        model = _model(item)
        assert model.njnt == len(wanted[item.name])
        for name, (axis, limits, damping) in wanted[item.name].items():
            joint = model.joint(name)
            assert joint.type[0] == kinds[item.name]
            assert tuple(joint.axis) == axis
            assert tuple(joint.range) == limits
            assert model.dof_damping[joint.dofadr[0]] == damping


# ---- settling ----------------------------------------------------------------------------------


@dataclass
class Settling:
    """What happened to one object in one initial state."""

    where: str
    category: str
    tilt: float  # degrees at the end of the no-ops that settle
    tilt_after: float  # degrees at the end of the watched steps
    drift: float  # metres moved during the watched steps
    shift: float  # metres moved sideways while settling
    height: float  # metres of the origin above table or floor, at the end
    lowest: float  # metres of the lowest contact point above table or floor, at the end


SUPPORT = {
    "kitchen_table": 0.90, "table": 0.90, "floor": 0.0,
    "living_room_table": 0.4368, "study_table": 0.8851,
}  # fmt: skip
"""Height in metres of the surface of each kind of room, by the name BDDL files give it."""


RESTING = {
    "akita_black_bowl": -0.0016, "alphabet_soup": 0.0384, "basket": -0.0046,
    "bbq_sauce": 0.0546, "black_book": -0.0021, "butter": 0.0087,
    "chefmate_8_frypan": -0.0008, "chocolate_pudding": 0.0131, "cookies": 0.0094,
    "cream_cheese": 0.0089, "glazed_rim_porcelain_ramekin": -0.0007, "ketchup": 0.0724,
    "milk": 0.0697, "moka_pot": 0.0661, "new_salad_dressing": 0.0227, "orange_juice": 0.0697,
    "plate": 0.0025, "porcelain_mug": -0.0024, "red_coffee_mug": 0.0018,
    "salad_dressing": 0.0727, "tomato_sauce": 0.0384, "white_bowl": -0.0006,
    "white_yellow_mug": 0.0001, "wine_bottle": -0.0011, "wooden_tray": 0.0010,
    "yellow_book": -0.0020,
}  # fmt: skip
"""Height in metres of the origin over table or floor where upstream's own models come to rest
(measured after 30 no-ops; those only libero_90 has: from the bounds of their contact boxes)."""


def _up_axis(quaternion):
    """The direction of the body frame that points up in the world."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])


def _lowest_point(scene, name):
    """Height in metres of the lowest corner of an object's contact boxes."""
    root = scene.model.body(scene.object_bodies[name]).id
    geoms = (scene.model.body_rootid[scene.model.geom_bodyid] == root) & (
        scene.model.geom_group == 0
    )
    rows = scene.data.geom_xmat[geoms][:, 6:9]  # the world's z in each box's frame
    reach = np.abs(rows * scene.model.geom_size[geoms]).sum(axis=1)
    return float((scene.data.geom_xpos[geoms][:, 2] - reach).min())


def _settle(suite, index, chosen):
    """Settles some initial states of one task; returns a row per object and state."""
    from wambench_envs.libero.scene import Scene
    from wambench_envs.libero.stepper import Stepper

    task = tasks.find_task(suite, index)
    scene = Scene(task, PACK_ROOT)
    stepper = Stepper(scene)
    states = init_states.load_init_states(tasks.init_state_file(upstream.package_dir(), task))
    assert states.shape == (50, 1 + scene.model.nq + scene.model.nv)
    joints = {scene.model.joint(j).name: scene.model.joint(j) for j in range(scene.model.njnt)}
    address = {
        name: joints[f"{name}_joint0"].qposadr[0]
        for name in scene.object_bodies
        if f"{name}_joint0" in joints
    }
    (support,) = {SUPPORT[c] for c in scene.categories.values() if c in SUPPORT}
    rows = []
    for k in chosen:
        scene.reset(0)
        scene.set_state(states[k])
        stepper.begin()
        poses = []
        for steps in (0, SETTLE_STEPS, WATCH_STEPS):
            for _ in range(steps):
                stepper.step(NO_OP)
            poses.append({n: scene.data.qpos[a : a + 7].copy() for n, a in address.items()})
            assert not scene.success(), f"{suite} {index} state {k} is solved without a policy"
        for name in address:
            start, settled, end = (pose[name] for pose in poses)
            cosines = [_up_axis(pose[3:]) @ _up_axis(start[3:]) for pose in (settled, end)]
            tilts = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
            rows.append(
                Settling(
                    where=f"{suite} {index} state {k} {name}",
                    category=scene.categories[name],
                    tilt=float(tilts[0]),
                    tilt_after=float(tilts[1]),
                    drift=float(np.linalg.norm(end[:3] - settled[:3])),
                    shift=float(np.linalg.norm(settled[:2] - start[:2])),
                    height=float(end[2]) - support,
                    lowest=_lowest_point(scene, name) - support,
                )
            )
    return rows


def _report(title, rows):
    """One line of figures."""
    tilts = [max(r.tilt, r.tilt_after) for r in rows]
    standing = [r for r in rows if _stands_on_the_surface(r)]
    errors = [abs(r.height - RESTING[r.category]) for r in standing]
    return (
        f"{title}: {len(rows)} objects; tilt above 20 deg {sum(t > MAX_TILT for t in tilts)}, "
        f"above 5 deg {sum(t > 5 for t in tilts)}, largest {max(tilts):.1f} deg; moved on by more "
        f"than 2 cm {sum(r.drift > MAX_DRIFT for r in rows)}, at most "
        f"{1e3 * max(r.drift for r in rows):.1f} mm; sideways while settling more than 2 cm "
        f"{sum(r.shift > MAX_DRIFT for r in rows)}, at most {1e3 * max(r.shift for r in rows):.0f} "
        f"mm; deepest {-1e3 * min(r.lowest for r in rows):.1f} mm; resting height off by at most "
        f"{1e3 * max(errors):.1f} mm"
    )


def _stands_on_the_surface(row):
    return abs(row.lowest) < 0.002 and max(row.tilt, row.tilt_after) < 2.0


def _check(rows):
    assert [r for r in rows if max(r.tilt, r.tilt_after) > MAX_TILT] == []
    assert [r for r in rows if r.drift > MAX_DRIFT] == []
    assert [r for r in rows if r.lowest < -0.003] == []
    standing = [r for r in rows if _stands_on_the_surface(r)]
    assert [r for r in standing if abs(r.height - RESTING[r.category]) > 0.002] == []


@needs_libero
@pytest.mark.parametrize(
    ("suite", "index"),
    [
        ("libero_spatial", 0), ("libero_spatial", 5), ("libero_object", 3), ("libero_goal", 0),
        ("libero_long", 0), ("libero_long", 4), ("libero_long", 5), ("libero_long", 8),
    ],
)  # fmt: skip
def test_initial_states_settle_where_they_should(suite, index):
    _check(_settle(suite, index, range(2)))


@pytest.mark.slow
@needs_libero
@pytest.mark.parametrize("suite", SUITES)
def test_ten_of_the_initial_states_of_every_task_settle(suite, capsys):
    """Every fifth, another fifth in each task: all fifty take minutes."""
    rows = [row for index in range(10) for row in _settle(suite, index, range(index % 5, 50, 5))]
    with capsys.disabled():
        print("\n" + _report(suite, rows))
    _check(rows)


@pytest.mark.slow
@needs_libero
def test_every_task_of_libero_90_loads_and_settles(capsys):
    rows = [row for index in range(90) for row in _settle("libero_90", index, range(2))]
    with capsys.disabled():
        print("\n" + _report("libero_90", rows))
    _check(rows)
