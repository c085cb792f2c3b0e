"""The props library: geometry of its shapes and meshes, pictures, and what MuJoCo makes of them."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from wambench_envs.props import library as lib
from wambench_envs.props import mjcf, paint
from wambench_envs.props.meshes import box_group, label_box, lathe, merged, polygons, prism, tube
from wambench_envs.props.shapes import (
    Box,
    Capsule,
    Cylinder,
    Ellipsoid,
    Joint,
    Link,
    Material,
    Pose,
    Region,
    Role,
    place,
    with_total_mass,
)

GREY = Material("grey", (0.5, 0.5, 0.5, 1.0))
CAN = [(0.0, 0.0), (0.03, 0.0), (0.03, 0.08), (0.0, 0.08)]

MESHES = {
    "lathe": lathe(CAN, GREY, segments=16),
    "oval lathe": lathe(CAN, GREY, segments=16, squash=0.6),
    "shell": lathe(lib.shell_profile([(0.02, 0.0), (0.05, 0.05)], 0.003), GREY, segments=16),
    "box group": box_group([((0, 0, 0), (0.1, 0.2, 0.3)), ((1, 0, 0), (0.1, 0.1, 0.1))], GREY),
    "label box": label_box((0.04, 0.02, 0.01), GREY, front_v=0.75),
    "tube": tube([(0, 0, 0), (0.02, 0, 0.03), (0, 0, 0.06)], 0.004, GREY),
    "prism": prism([(-0.1, 0.0), (0.1, 0.0), (0.0, 0.2)], 0.05, GREY),
    "open box": lib.open_box_drawn((0.1, 0.08, 0.05), 0.01, 0.01, GREY, taper=0.9)[0],
    "carton": lib.carton(0.03, 0.03, 0.1, 0.13, 0.14, GREY, GREY)[0],
}  # fmt: skip


def _volume(mesh):
    """Signed volume enclosed by a mesh, cubic metres."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def _compile(*links, textures=None):
    mujoco = pytest.importorskip("mujoco")
    assets = mjcf.AssetWriter(textures or {})
    root = ET.Element("mujoco")
    ET.SubElement(root, "compiler", inertiagrouprange="0 0", angle="radian")
    root.append(assets.element)
    world = ET.SubElement(root, "worldbody")
    for link in links:
        world.append(mjcf.link_element(link, assets, {"default": {"friction": "0.9 0.1 0.1"}}))
    return mujoco.MjModel.from_xml_string(mjcf.to_text(root))


# ---- meshes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MESHES)
def test_faces_turn_the_way_their_normals_point(name):
    mesh = MESHES[name]
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    assert (np.linalg.norm(flat, axis=1) > 1e-10).all(), "a face without area"
    smooth = mesh.normals[mesh.faces].sum(axis=1)
    assert (np.einsum("ij,ij->i", flat, smooth) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-9)


@pytest.mark.parametrize("name", MESHES)
def test_a_closed_mesh_encloses_a_positive_volume(name):
    assert _volume(MESHES[name]) > 0.0


def test_a_turned_can_has_the_volume_of_its_polygon():
    area = 16 / 2 * 0.03**2 * math.sin(2 * math.pi / 16)
    assert _volume(MESHES["lathe"]) == pytest.approx(area * 0.08)
    assert _volume(MESHES["oval lathe"]) == pytest.approx(0.6 * area * 0.08)


def test_a_shell_holds_only_the_material_of_its_wall():
    full = lathe([(0.0, 0.0), (0.02, 0.0), (0.05, 0.05), (0.0, 0.05)], GREY, segments=16)
    assert 0.05 < _volume(MESHES["shell"]) / _volume(full) < 0.3


def test_merging_keeps_every_face_and_moves_it_by_its_pose():
    moved = prism([(-0.1, 0.0), (0.1, 0.0), (0.0, 0.2)], 0.05, GREY, pose=Pose((1.0, 0.0, 0.0)))
    both = merged([MESHES["prism"], moved])
    assert len(both.faces) == 2 * len(MESHES["prism"].faces)
    assert both.vertices[:, 0].max() == pytest.approx(1.1)
    assert _volume(both) == pytest.approx(2 * _volume(MESHES["prism"]))


def test_meshes_of_different_materials_are_not_merged():
    other = lathe(CAN, Material("red"), segments=8)
    with pytest.raises(ValueError, match="one and the same material"):
        merged([MESHES["lathe"], other])


# ---- poses, masses, walls ----------------------------------------------------------------------


def test_poses_compose_as_their_matrices_do():
    first = Pose.rotated("x", 0.7, (0.1, 0.2, 0.3))
    second = Pose.rotated("z", -1.1, (-0.4, 0.0, 0.5))
    both = first @ second
    np.testing.assert_allclose(both.matrix(), first.matrix() @ second.matrix(), atol=1e-12)
    np.testing.assert_allclose(both.pos, first.matrix() @ second.pos + np.array(first.pos))


def test_a_total_mass_is_shared_by_volume_among_touched_shapes_only():
    shapes = with_total_mass(
        [lib.solid((0, 0, 0), (0.1, 0.1, 0.1)), lib.solid((0, 0, 1), (0.1, 0.1, 0.3)),
         lib.block((0, 0, 0), (1, 1, 1), GREY)], 2.0,
    )  # fmt: skip
    assert [s.mass for s in shapes] == [pytest.approx(0.5), pytest.approx(1.5), None]


def test_a_mass_without_touched_shapes_is_an_error():
    with pytest.raises(ValueError, match="needs collision shapes"):
        with_total_mass([lib.block((0, 0, 0), (1, 1, 1), GREY)], 1.0)


def test_a_wall_ring_leaves_the_inside_free_and_spans_its_heights():
    walls = lib.wall_ring(12, (0.04, 0.0), (0.05, 0.06), 0.004, center=(0.1, 0.0))
    assert len(walls) == 12
    lean = math.atan2(0.01, 0.06)
    for wall in walls:
        turn = wall.pose.matrix()
        corners = (
            np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1) * np.array(wall.half)[:, None]
        )
        points = turn @ corners + np.array(wall.pose.pos)[:, None]
        distance = np.hypot(points[0] - 0.1, points[1])
        assert distance.min() > 0.04 - 0.002 / math.cos(lean) - 1e-9
        assert points[2].min() == pytest.approx(-0.002 * math.sin(lean))
        assert points[2].max() == pytest.approx(0.06 + 0.002 * math.sin(lean))
    centers = np.mean([w.pose.pos for w in walls], axis=0)
    np.testing.assert_allclose(centers, (0.1, 0.0, 0.03), atol=1e-12)


def test_neighbouring_wall_boxes_meet_at_the_rim():
    wall = lib.wall_ring(10, (0.03, 0.0), (0.05, 0.06), 0.004)[0]
    assert wall.half[1] == pytest.approx(0.05 * math.tan(math.pi / 10))


def test_a_solid_round_fills_a_regular_polygon():
    boxes = lib.solid_round(0.03, 0.01, 0.05, sides=8)
    assert len(boxes) == 4
    for angle in np.linspace(0, 2 * math.pi, 64, endpoint=False):
        point = 0.0299 * np.array([math.cos(angle), math.sin(angle), 0.0]) + (0, 0, 0.03)
        inside = [(np.abs(b.pose.matrix().T @ (point - b.pose.pos)) <= b.half).all() for b in boxes]
        assert any(inside)


# ---- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("colours", [2, 16, 200, 4096])
def test_a_png_says_what_was_painted(colours):
    image_module = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
    picture = palette[rng.integers(0, colours, (37, 51))]
    decoded = image_module.open(io.BytesIO(paint.encode_png(picture))).convert("RGB")
    np.testing.assert_array_equal(np.asarray(decoded), picture)


def test_surfaces_are_painted_the_same_every_time():
    first = paint.wood(32, (200, 150, 100), (90, 60, 40), seed=3, planks=4)
    again = paint.wood(32, (200, 150, 100), (90, 60, 40), seed=3, planks=4)
    other = paint.wood(32, (200, 150, 100), (90, 60, 40), seed=4, planks=4)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_letters_are_centred_and_legible():
    image = paint.canvas(40, 12, (0, 0, 0))
    paint.text(image, 20, 2, "HI", (255, 255, 255))
    rows = ["".join(".#"[int(v > 0)] for v in row) for row in image[2:9, 15:26, 0]]
    assert rows[0] == "#...#..###."[: len(rows[0])]
    assert rows[3] == "#####...#.."[: len(rows[3])]


# ---- MJCF --------------------------------------------------------------------------------------


def test_the_library_needs_no_simulator():
    code = (
        "import sys; from wambench_envs.props import library, mjcf, paint;"
        "assert not {'mujoco', 'sapien', 'robosuite'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mujoco_reads_back_what_was_described():
    base = Link(
        "base",
        (
            Box(role=Role.COLLISION, half=(0.1, 0.2, 0.3), mass=1.5, name="block"),
            lathe(CAN, GREY, pose=Pose((0.0, 0.0, 0.5))),
        ),
        (Region("inside", "box", (0.01, 0.02, 0.03), Pose.rotated("y", math.pi / 2)),),
        children=(
            Link(
                "drawer",
                (Box(role=Role.COLLISION, half=(0.1, 0.1, 0.1), mass=0.2),),
                pose=Pose((0.0, 0.0, 1.0)),
                joint=Joint("slide", "slide", (0.0, 1.0, 0.0), (-0.2, 0.01), 5.0),
            ),
        ),
    )
    model = _compile(base)
    assert model.body("base").mass[0] == pytest.approx(1.5)
    assert tuple(model.geom("block").size) == (0.1, 0.2, 0.3)
    assert tuple(model.joint("slide").range) == (-0.2, 0.01)
    np.testing.assert_allclose(model.site("inside").quat, (0.70710678, 0, 0.70710678, 0), atol=1e-6)
    drawn = model.geom_group == 1
    assert drawn.sum() == 1
    assert model.geom_contype[drawn][0] == 0


def test_every_primitive_can_be_written():
    shapes = (
        Box(role=Role.COLLISION, half=(0.1, 0.1, 0.1)),
        Cylinder(role=Role.COLLISION, radius=0.1, half_length=0.2),
        Capsule(role=Role.COLLISION, radius=0.1, half_length=0.2),
        Ellipsoid(role=Role.COLLISION, half=(0.1, 0.2, 0.3)),
    )
    model = _compile(Link("all", shapes))
    assert model.ngeom == 4
    volume = sum(s.volume() for s in shapes)
    assert model.body("all").mass[0] == pytest.approx(1000 * volume, rel=1e-6)


def test_equal_meshes_are_written_once():
    model = _compile(Link("two", (*place([MESHES["tube"]], Pose((0, 0, 1))), MESHES["tube"])))
    assert (model.nmesh, model.ngeom) == (1, 2)


def test_two_looks_under_one_name_are_an_error():
    red = Material("grey", (1.0, 0.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="two different materials"):
        _compile(
            Link("a", (lib.block((0, 0, 0), (1, 1, 1), GREY), lib.block((0, 0, 0), (1, 1, 1), red)))
        )


def test_a_textured_polygon_shows_its_picture_upright(tmp_path):
    mujoco = pytest.importorskip("mujoco")
    picture = paint.canvas(8, 8, (255, 0, 0))
    paint.rect(picture, 0, 4, 8, 8, (0, 0, 255))  # blue below red
    file = tmp_path / "flag.png"
    file.write_bytes(paint.encode_png(picture))
    look = Material("flag", texture="flag", specular=0.0, emission=1.0)
    corners = [(0, -1, -1), (0, 1, -1), (0, 1, 1), (0, -1, 1)]
    flag = polygons([(corners, [(0, 0), (1, 0), (1, 1), (0, 1)])], look)
    assets = mjcf.AssetWriter({"flag": str(file)})
    root = ET.Element("mujoco")
    root.append(assets.element)
    world = ET.SubElement(root, "worldbody")
    world.append(mjcf.link_element(Link("flag", (flag,)), assets, {}))
    model = mujoco.MjModel.from_xml_string(mjcf.to_text(root))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    camera.lookat, camera.distance, camera.azimuth, camera.elevation = np.zeros(3), 4.0, 180.0, 0.0
    with mujoco.Renderer(model, 32, 32) as renderer:
        renderer.update_scene(data, camera)
        image = renderer.render()
    assert image[12, 16, 0] > 150 > image[12, 16, 2]
    assert image[20, 16, 2] > 150 > image[20, 16, 0]
