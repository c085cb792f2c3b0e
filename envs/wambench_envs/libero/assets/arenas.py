"""The five rooms: floor, walls, lights, cameras, tables and background furniture.

Names, positions and sizes of what upstream reads or touches (``floor``, ``table`` and its geoms,
``living_room_table``, ``study_table``, cameras, lights, wall geoms) are upstream's; the rest is
scenery. LIBERO merges only ``worldbody`` and ``asset`` into its model, sets camera poses itself,
and rewrites the file names of the textures ``texplane`` and ``tex-wall``.

Background furniture stands behind the robot where ``agentview`` sees it, as one or two meshes per
material, so that it costs a handful of draw calls.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from wambench_envs.libero.assets import materials as m
from wambench_envs.props import library as lib
from wambench_envs.props.mjcf import AssetWriter, link_element, shape_element, to_text
from wambench_envs.props.shapes import (
    Box,
    Link,
    Material,
    Plane,
    Pose,
    Region,
    Role,
    Shape,
    Vec3,
)

FLOOR_MATERIAL = Material(
    "floorplane", texture="texplane", repeat=(3.0, 3.0), uniform=True, specular=0.0, shininess=0.0
)
"""Repeats per metre as upstream; three repeats make tiles of 8 to 16 cm."""

WALL_MATERIAL = Material(
    "walls_mat", texture="tex-wall", repeat=(3.0, 3.0), uniform=True, specular=0.1, shininess=0.1
)

TABLE_TOP = Material(
    "table_texture", texture="table_top", projection="cube", specular=0.2, shininess=0.0
)
TABLE_LEGS = m.paint("table_legs", 0.55, 0.44, 0.33)

WALL_PANELS: dict[str, tuple[tuple[str, Vec3, tuple[float, ...], Vec3], ...]] = {
    "plain": (
        ("wall_leftcorner_visual", (-1.25, 2.25, 1.5),
         (0.6532815, 0.6532815, 0.2705981, 0.2705981), (1.06, 1.5, 0.01)),
        ("wall_rightcorner_visual", (-1.25, -2.25, 1.5),
         (0.6532815, 0.6532815, -0.2705981, -0.2705981), (1.06, 1.5, 0.01)),
        ("wall_left_visual", (1.25, 3.0, 1.5), (0.7071, 0.7071, 0.0, 0.0), (1.75, 1.5, 0.01)),
        ("wall_right_visual", (1.25, -3.0, 1.5), (0.7071, -0.7071, 0.0, 0.0), (1.75, 1.5, 0.01)),
        ("wall_rear_visual", (-2.0, 0.0, 1.5), (0.5, 0.5, 0.5, 0.5), (1.5, 1.5, 0.01)),
        ("wall_front_visual", (3.0, 0.0, 1.5), (0.5, 0.5, -0.5, -0.5), (3.0, 1.5, 0.01)),
    ),
    "kitchen": (
        ("wall_left_visual", (0.5, 3.0, 1.5), (0.7071, 0.7071, 0.0, 0.0), (2.5, 1.5, 0.01)),
        ("wall_right_visual", (0.5, -3.0, 1.5), (0.7071, -0.7071, 0.0, 0.0), (2.5, 1.5, 0.01)),
        ("wall_rear_visual", (-2.0, 0.0, 1.5), (0.5, 0.5, 0.5, 0.5), (3.0, 1.5, 0.01)),
        ("wall_front_visual", (3.0, 0.0, 1.5), (0.5, 0.5, -0.5, -0.5), (3.0, 1.5, 0.01)),
    ),
}  # fmt: skip
"""Wall boxes by layout: name, position, quaternion, half extents."""

CAMERAS = {
    "frontview": ("1.0 0 1.45", "0.56 0.43 0.43 0.56"),
    "birdview": ("-0.2 0 3.0", "0.7071 0 0 0.7071"),
    "agentview": ("0.5 0 1.35", "0.653 0.271 0.271 0.653"),
    "sideview": (
        "-0.05651774593317116 1.2761224129427358 1.4879572214102434",
        "0.009905065491771751 0.006877963156909582 0.5912228352893879 0.806418094001364",
    ),
}
"""Camera name -> position and quaternion; upstream's code replaces them per problem class."""


@dataclass(frozen=True)
class Arena:
    """One room.

    Attributes:
        path: File in the pack.
        links: Bodies of the room (tables; the floor where upstream gives it a body).
        scenery: Drawn shapes fixed to the world.
        floor_in_body: Whether the plane ``floor`` sits in a body ``floor`` instead of the world.
        walls: Layout of the walls, a key of :data:`WALL_PANELS`.
        floor_file: Floor picture before upstream's style replaces it.
        wall_file: Wall picture before upstream's style replaces it.
        extra_light: Whether the room has upstream's third, directional light.
    """

    path: str
    links: tuple[Link, ...]
    scenery: tuple[Shape, ...]
    floor_in_body: bool
    walls: str
    floor_file: str
    wall_file: str
    extra_light: bool = False


def _table() -> Link:
    """Makes the table whose size and position upstream's arena class sets.

    It also sets position and size of the legs. They are meshes already as large as it makes them
    (radius 2.5 cm, from the floor to the underside of the board at 0.875 m), since a mesh ignores
    the size and a cylinder primitive costs a thousand triangles.
    """
    leg = lib.lathe([(0.025, -0.4375), (0.025, 0.4375)], TABLE_LEGS, segments=8)
    legs = tuple(replace(leg, name=f"table_leg{k}_visual") for k in (1, 2, 3, 4))
    half = (0.4, 0.4, 0.4)
    return Link(
        "table",
        (
            Box(role=Role.COLLISION, name="table_collision", half=half, surface="table"),
            Box(name="table_visual", half=half, material=TABLE_TOP),
            *legs,
        ),
        (Region("table_top", "sphere", (0.001, 0.001, 0.001), Pose((0.0, 0.0, 0.4)),
                (0.0, 0.0, 0.0, 0.0)),),
        pose=Pose((0.0, 0.0, 0.4)),
    )  # fmt: skip


def _living_room_table() -> Link:
    """Makes the low rounded table (top at z = 0.4368 m)."""
    top, half_thick = 0.42492, 0.01184
    plates = [
        ((-0.2500, 0.0524), (0.4443, 0.6717)),
        ((-0.2500, 0.7994), (0.4168, 0.1013)),
        ((-0.2500, -0.7201), (0.4168, 0.1013)),
        ((0.2612, 0.0524), (0.0775, 0.6717)),
        ((-0.7466, 0.0524), (0.0775, 0.6717)),
    ]
    touched = [
        lib.solid((x, y, top), (hx, hy, half_thick), surface="room_table")
        for (x, y), (hx, hy) in plates
    ]
    touched.append(lib.solid((-0.25, 0.25, 0.2041), (0.4116, 0.4352, 0.2088), surface="room_table"))
    wood = m.print_("walnut", gloss=0.2)
    cx, cy, rx, ry = -0.2427, 0.0400, 0.590, 0.865
    corner = 0.20
    outline = []
    for sx, sy, start in ((1, 1, 0.0), (-1, 1, 90.0), (-1, -1, 180.0), (1, -1, 270.0)):
        for k in range(5):
            angle = math.radians(start + 22.5 * k)
            outline.append(
                (cx + sx * (rx - corner) + corner * math.cos(angle),
                 cy + sy * (ry - corner) + corner * math.sin(angle))
            )  # fmt: skip
    z1, z0 = top + half_thick, top - half_thick
    faces = [([(x, y, z1) for x, y in outline], [(x / 0.6, y / 1.2) for x, y in outline])]
    for k, (x, y) in enumerate(outline):
        nx, ny = outline[(k + 1) % len(outline)]
        faces.append(
            ([(x, y, z0), (nx, ny, z0), (nx, ny, z1), (x, y, z1)],
             [(0, 0), (0.1, 0), (0.1, 0.05), (0, 0.05)])
        )  # fmt: skip
    base = lib.box_group([((-0.25, 0.06, 0.2041), (0.40, 0.43, 0.2080))], wood, tile=0.5)
    drawn = lib.merged([lib.polygons(faces, wood), base])
    return Link("living_room_table", children=(Link("living_room_table_col", (*touched, drawn)),))


def _study_table() -> Link:
    """Makes the desk (top at z = 0.8851 m)."""
    parts = [
        ((0.0, 0.0, 0.84929), (0.68946, 1.39273, 0.03584)),
        ((-0.50048, -0.69064, 0.39431), (0.02002, 0.05031, 0.39407)),
        ((0.49617, -0.69064, 0.39431), (0.02002, 0.05031, 0.39407)),
        ((0.49617, 0.70968, 0.39431), (0.02002, 0.05032, 0.39407)),
        ((-0.50048, 0.71473, 0.39431), (0.02002, 0.05031, 0.39407)),
        ((-0.00488, 0.71473, 0.02528), (0.51265, 0.05031, 0.02150)),
        ((-0.00488, -0.69765, 0.02528), (0.51265, 0.05032, 0.02150)),
    ]
    desk = lib.box_group([parts[0]], m.print_("table_top"), tile=0.9)
    feet = lib.box_group(parts[1:], m.DARK_METAL)
    return Link(
        "study_table", (*(lib.solid(c, h, surface="room_table") for c, h in parts), desk, feet)
    )


def _kitchen() -> tuple[Shape, ...]:
    """Draws a counter with doors, a cooker with a pot, wall units and a fridge."""
    front = m.paint("kitchen_front", 0.80, 0.79, 0.75)
    edge = m.paint("kitchen_edge", 0.36, 0.35, 0.34)
    steel = m.STEEL
    fronts = [((-1.72, 0.35, 0.46), (0.26, 1.90, 0.42))]
    fronts += [((-1.80, -0.05 + 0.62 * k, 1.95), (0.18, 0.30, 0.32)) for k in (-1, 1, 2, 3)]
    worktop = [((-1.70, 0.35, 0.90), (0.30, 1.92, 0.02))]
    worktop += [((-1.459, -1.24 + 0.53 * k, 0.46), (0.004, 0.004, 0.40)) for k in range(7)]
    cooker = [
        ((-1.70, 0.00, 0.925), (0.24, 0.30, 0.008)),
        ((-1.452, 0.00, 0.50), (0.012, 0.28, 0.26)),
        ((-1.80, 0.00, 1.72), (0.18, 0.30, 0.06)),
        ((-1.75, -2.20, 0.95), (0.32, 0.42, 0.95)),
    ]
    handles = [
        ((-1.42, -2.52, 1.10), (0.012, 0.015, 0.35)),
        ((-1.43, 0.0, 0.70), (0.012, 0.22, 0.012)),
    ]
    pot = [(0.0, 0.0), (0.11, 0.0), (0.11, 0.13), (0.10, 0.13), (0.02, 0.16), (0.0, 0.16)]
    return (
        lib.box_group(fronts, front),
        lib.box_group([*worktop, *handles], edge),
        lib.box_group(cooker, steel),
        lib.lathe(
            pot, m.paint("pot", 0.62, 0.16, 0.12, gloss=0.4), pose=Pose((-1.68, -0.12, 0.933))
        ),
    )


def _living_room() -> tuple[Shape, ...]:
    """Draws a wall unit with a screen and a picture beside it."""
    unit = [
        ((-1.75, 0.0, 0.22), (0.22, 1.30, 0.20)),
        ((-1.80, 1.15, 0.95), (0.17, 0.02, 0.55)),
        ((-1.80, 0.75, 0.95), (0.17, 0.02, 0.55)),
        ((-1.80, 0.95, 0.95), (0.17, 0.20, 0.015)),
        ((-1.80, 0.95, 1.49), (0.17, 0.22, 0.015)),
    ]
    screen = [
        ((-1.88, -0.20, 0.92), (0.02, 0.62, 0.36)),
        ((-1.80, -0.20, 0.48), (0.10, 0.20, 0.06)),
    ]
    return (
        lib.box_group(unit, m.print_("crate_wood"), tile=0.6),
        lib.box_group(screen, m.BLACK_PLASTIC),
        _picture("painting", -1.97, -1.25, 1.55, 0.36, 0.28),
    )


def _study() -> tuple[Shape, ...]:
    """Draws a book shelf, a plant, a floor lamp and a picture."""
    case = [((-1.78, -1.0, 0.60), (0.16, 0.45, 0.60))]
    leaf = m.paint("leaf", 0.16, 0.40, 0.18)
    leaves = []
    for k in range(9):
        angle, lift = 2.4 * k, 0.62 + 0.055 * k
        tip = (0.30 * math.cos(angle) * (1.1 - 0.07 * k), 0.30 * math.sin(angle), lift + 0.22)
        side = (-0.07 * math.sin(angle), 0.07 * math.cos(angle), 0.0)
        mid = (tip[0] * 0.55, tip[1] * 0.55, lift + 0.20)
        a = (0.0, 0.0, 0.42)
        b = tuple(p + q for p, q in zip(mid, side, strict=True))
        c = tuple(p - q for p, q in zip(mid, side, strict=True))
        leaves += [([a, c, tip, b], [(0, 0)] * 4), ([a, b, tip, c], [(0, 0)] * 4)]
    pot = [(0.0, 0.0), (0.11, 0.0), (0.16, 0.38), (0.14, 0.38), (0.0, 0.34)]
    spines = [
        (-1.615, -1.40, 0.10),
        (-1.615, -0.60, 0.10),
        (-1.615, -0.60, 1.12),
        (-1.615, -1.40, 1.12),
    ]
    return (
        lib.box_group(case, m.print_("crate_wood"), tile=0.6),
        lib.polygons([(spines, [(0, 0), (2, 0), (2, 2), (0, 2)])], m.print_("books")),
        lib.polygons(leaves, leaf, pose=Pose((-1.75, 0.95, 0.0))),
        lib.lathe(pot, m.paint("clay", 0.66, 0.36, 0.24), pose=Pose((-1.75, 0.95, 0.0))),
        _picture("painting", -1.97, 0.10, 1.35, 0.40, 0.30),
    )


def _picture(key: str, x: float, y: float, z: float, half_y: float, half_z: float) -> Shape:
    """Hangs a picture on the rear wall, facing +x."""
    corners = [
        (x, y - half_y, z - half_z), (x, y + half_y, z - half_z),
        (x, y + half_y, z + half_z), (x, y - half_y, z + half_z),
    ]  # fmt: skip
    return lib.polygons([(corners, [(0, 0), (1, 0), (1, 1), (0, 1)])], m.print_(key))


def _arena(
    name: str, links: tuple[Link, ...], scenery: tuple[Shape, ...], **kwargs: object
) -> Arena:
    options = {
        "floor_in_body": False, "walls": "plain", "floor_file": "light-gray-floor-tile.png",
        "wall_file": "light-gray-plaster.png",
    } | kwargs  # fmt: skip
    return Arena(f"scenes/libero_{name}_base_style.xml", links, scenery, **options)


ARENAS: tuple[Callable[[], Arena], ...] = (
    lambda: _arena("tabletop", (_table(),), ()),
    lambda: _arena("floor", (), (), floor_in_body=True),
    lambda: _arena(
        "kitchen_tabletop", (_table(),), _kitchen(), walls="kitchen", extra_light=True,
        floor_file="gray_ceramic_tile.png", wall_file="yellow_linen_wall_texture.png",
    ),
    lambda: _arena(
        "living_room_tabletop", (_living_room_table(),), _living_room(), floor_in_body=True,
        floor_file="seamless_wood_planks_floor.png",
    ),
    lambda: _arena("study", (_study_table(),), _study()),
)  # fmt: skip


def arena_text(
    arena: Arena, texture_files: Mapping[str, str], surfaces: Mapping[str, Mapping[str, str]]
) -> str:
    """Writes a room as MJCF text.

    Args:
        arena: The room.
        texture_files: Texture key -> file relative to the XML.
        surfaces: Contact profiles by name.
    """
    files = {
        **texture_files,
        "texplane": f"../textures/{arena.floor_file}",
        "tex-wall": f"../textures/{arena.wall_file}",
    }
    assets = AssetWriter(files)
    world = ET.Element("worldbody")
    floor = shape_element(
        Plane(name="floor", half=(3.0, 3.0), material=FLOOR_MATERIAL), assets, surfaces
    )
    for attribute in ("contype", "conaffinity", "mass"):  # the one drawn shape that is touched
        del floor.attrib[attribute]
    floor.set("pos", "0 0 0")
    floor.set("condim", "3")
    if arena.floor_in_body:
        ET.SubElement(world, "body", {"name": "floor", "pos": "0 0 0"}).append(floor)
    else:
        world.append(floor)
    for link in arena.links:
        world.append(link_element(link, assets, surfaces))
    for shape in arena.scenery:
        world.append(shape_element(shape, assets, surfaces))
    for name, pos, quat, half in WALL_PANELS[arena.walls]:
        panel = Box(name=name, pose=Pose(pos, quat), half=half, material=WALL_MATERIAL)
        world.append(shape_element(panel, assets, surfaces))
    if arena.extra_light:
        attributes = {"name": "light_kitchen", "diffuse": ".8 .8 .8", "dir": "0 0 -1"}
        attributes |= {"directional": "true", "pos": "-1.75 0 1.6", "specular": "0.3 0.3 0.3"}
        ET.SubElement(world, "light", attributes | {"castshadow": "false"})
    for name, pos in (("light1", "1 1 4"), ("light2", "-3 -3 4")):
        attributes = {"name": name, "diffuse": ".8 .8 .8", "dir": "0 -.15 -1"}
        attributes |= {"directional": "false", "pos": pos, "specular": "0.3 0.3 0.3"}
        ET.SubElement(world, "light", attributes | {"castshadow": "false"})
    for name, (pos, quat) in CAMERAS.items():
        ET.SubElement(world, "camera", {"mode": "fixed", "name": name, "pos": pos, "quat": quat})
    root = ET.Element("mujoco", {"model": arena.path.split("/")[-1].removesuffix(".xml")})
    for texture in assets.element.iter("texture"):  # the two names that upstream looks up
        texture.set("name", texture.get("name", "").replace("tex-texplane", "texplane").replace(
            "tex-tex-wall", "tex-wall"))  # fmt: skip
    for material in assets.element.iter("material"):
        if material.get("texture"):
            material.set("texture", material.get("texture", "").replace(
                "tex-texplane", "texplane").replace("tex-tex-wall", "tex-wall"))  # fmt: skip
    root.append(assets.element)
    root.append(world)
    return to_text(root)
