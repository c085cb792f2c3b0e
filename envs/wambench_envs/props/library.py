"""Recipes: household things built from shapes, sized by their callers.

Drawn and touched parts are separate recipes, because a suite usually dictates the touched part.
All recipes stand on the plane z = 0 of their own frame unless they say otherwise; callers move
them with :func:`~wambench_envs.props.shapes.place`. Lengths are metres.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from wambench_envs.props.meshes import box_group, label_box, lathe, merged, polygons, prism, tube
from wambench_envs.props.shapes import (
    Box,
    Material,
    Mesh,
    Pose,
    Role,
    Shape,
    Vec3,
)

Profile = Sequence[tuple[float, float]]

FOOT = 1e-4
"""Metres by which one box of a round solid stands deeper than the others."""


# --- touched parts ---------------------------------------------------------------------------


def solid(center: Vec3, half: Vec3, *, surface: str = "default", name: str | None = None) -> Box:
    """Makes one axis-aligned collision box."""
    return Box(role=Role.COLLISION, pose=Pose(center), half=half, surface=surface, name=name)


def tilted(center: Vec3, half: Vec3, axis: str, angle: float, *, surface: str = "default") -> Box:
    """Makes one collision box turned by ``angle`` radians about an axis of the link."""
    return Box(
        role=Role.COLLISION, pose=Pose.rotated(axis, angle, center), half=half, surface=surface
    )


def wall_ring(
    count: int,
    low: tuple[float, float],
    high: tuple[float, float],
    thickness: float,
    *,
    center: tuple[float, float] = (0.0, 0.0),
    phase: float = 0.0,
    surface: str = "default",
) -> tuple[Box, ...]:
    """Makes the wall of a bowl, mug or pan from flat boxes around the z axis.

    Args:
        count: Number of boxes; 8 to 12 let things rest inside without rattling.
        low: Radius and height of the wall's mid surface at its lower edge.
        high: The same at its upper edge.
        thickness: Thickness of the wall, which is also what a gripper closes on.
        center: Position of the axis in x and y.
        phase: Direction of the first box, radians from x.
        surface: Contact profile.
    """
    (r0, z0), (r1, z1) = low, high
    lean = math.atan2(r1 - r0, z1 - z0)
    # Neighbours meet at the wider edge; further down they overlap a little.
    width = max(r0, r1) * math.tan(math.pi / count)
    boxes = []
    for k in range(count):
        angle = phase + 2.0 * math.pi * k / count
        turn = Pose.rotated("z", angle, (center[0], center[1], 0.0))
        leaning = Pose.rotated("y", lean, ((r0 + r1) / 2, 0.0, (z0 + z1) / 2))
        half = (thickness / 2, width, math.hypot(r1 - r0, z1 - z0) / 2)
        boxes.append(Box(role=Role.COLLISION, pose=turn @ leaning, half=half, surface=surface))
    return tuple(boxes)


def solid_round(
    radius: float,
    low: float,
    high: float,
    *,
    sides: int = 8,
    center: tuple[float, float] = (0.0, 0.0),
    phase: float = 0.0,
    surface: str = "default",
) -> tuple[Box, ...]:
    """Makes a solid upright prism of an even number of ``sides`` from boxes across its middle.

    Boxes instead of a cylinder: box contacts are what the simulators resolve most steadily. All
    but one stop ``FOOT`` short of the bottom, so that the prism stands on 4 contacts instead of 4
    per box, which the simulators would solve at every substep; the others catch it when it leans by
    a fraction of a degree.

    Args:
        radius: Distance from the axis to each side.
        low: Height of the bottom.
        high: Height of the top.
        sides: Even number of sides.
        center: Position of the axis in x and y.
        phase: Direction of the first side, radians from x.
        surface: Contact profile.
    """
    boxes = []
    for k in range(sides // 2):
        bottom = low + (FOOT if k else 0.0)
        middle = (*center, (bottom + high) / 2)
        boxes.append(
            Box(
                role=Role.COLLISION,
                pose=Pose.rotated("z", phase + 2.0 * math.pi * k / sides, middle),
                half=(radius, radius * math.tan(math.pi / sides), (high - bottom) / 2),
                surface=surface,
            )
        )
    return tuple(boxes)


def open_box(
    half: Vec3, wall: float, floor: float, *, center: Vec3 = (0.0, 0.0, 0.0)
) -> tuple[Box, ...]:
    """Makes an open-topped tray or drawer of a floor and four walls.

    Args:
        half: Outer half extents.
        wall: Thickness of the walls.
        floor: Thickness of the floor.
        center: Centre of the outer box.
    """
    x, y, z = half
    cx, cy, cz = center
    return (
        solid((cx, cy, cz - z + floor / 2), (x, y, floor / 2)),
        solid((cx - x + wall / 2, cy, cz), (wall / 2, y, z)),
        solid((cx + x - wall / 2, cy, cz), (wall / 2, y, z)),
        solid((cx, cy - y + wall / 2, cz), (x, wall / 2, z)),
        solid((cx, cy + y - wall / 2, cz), (x, wall / 2, z)),
    )


# --- drawn parts -----------------------------------------------------------------------------


def block(center: Vec3, half: Vec3, material: Material, *, name: str | None = None) -> Box:
    """Makes one axis-aligned drawn box."""
    return Box(pose=Pose(center), half=half, material=material, name=name)


def shell_profile(outer: Profile, thickness: float) -> list[tuple[float, float]]:
    """Turns the outside profile of a vessel (foot to rim) into a closed-bottom shell profile."""
    foot = outer[0][1]
    inner = [(max(r - thickness, 0.0), max(z, foot + thickness)) for r, z in outer[::-1]]
    inner = [p for k, p in enumerate(inner) if k == 0 or p != inner[k - 1]]
    return [(0.0, foot), *outer, *inner, (0.0, foot + thickness)]


def can(
    radius: float, height: float, label: Material, metal: Material, *, rim: float = 0.06
) -> tuple[Shape, ...]:
    """Makes a tin can: a label around the body, rims and recessed lid of metal.

    Args:
        radius: Radius of the body.
        height: Total height.
        label: Material of the body (its texture wraps around once).
        metal: Material of lid and rims.
        rim: Share of the height taken by each rim.
    """
    edge = rim * height
    body = [(radius, edge), (radius, height - edge)]
    inside = 0.9 * radius
    lid = [
        (radius, height - edge), (1.03 * radius, height - 0.6 * edge), (radius, height),
        (inside, height), (inside, height - 0.8 * edge), (0.0, height - 0.8 * edge),
    ]  # fmt: skip
    foot = [(0.0, 0.0), (radius, 0.0), (1.03 * radius, 0.4 * edge), (radius, edge)]
    return (lathe(body, label), merged([lathe(foot, metal), lathe(lid, metal)]))


def bottle(
    profile: Profile,
    cap: Profile,
    body: Material,
    cap_material: Material,
    *,
    label: Material | None = None,
    label_span: tuple[float, float] = (0.0, 0.0),
    squash: float = 1.0,
    segments: int = 12,
) -> tuple[Shape, ...]:
    """Makes a bottle with a cap and, if given, a label band laid just over the glass.

    Args:
        profile: Outside of the bottle from foot to neck.
        cap: Outside of the cap.
        body: Material of the bottle.
        cap_material: Material of the cap.
        label: Material of the label, whose texture wraps around once.
        label_span: Heights of the label's lower and upper edge.
        squash: Factor on y for flat bottles.
        segments: Segments around.
    """
    shapes: list[Shape] = [
        lathe([(0.0, profile[0][1]), *profile], body, segments=segments, squash=squash),
        lathe([*cap, (0.0, cap[-1][1])], cap_material, segments=segments),
    ]
    if label is not None:
        low, high = label_span
        band = [(radius_at(profile, low), low)]
        band += [(r, z) for r, z in profile if low < z < high]
        band.append((radius_at(profile, high), high))
        band = [(r + 0.0006, z) for r, z in band]
        shapes.append(lathe(band, label, segments=segments, squash=squash))
    return tuple(shapes)


def radius_at(profile: Profile, height: float) -> float:
    """Interpolates a profile's radius at a height."""
    for (r0, z0), (r1, z1) in itertools.pairwise(profile):
        if z0 <= height <= z1 and z1 > z0:
            return r0 + (r1 - r0) * (height - z0) / (z1 - z0)
    raise ValueError(f"height {height} is outside the profile {list(profile)}")


def carton(
    half_x: float,
    half_y: float,
    shoulder: float,
    ridge: float,
    fin: float,
    print_: Material,
    paper: Material,
) -> tuple[Shape, ...]:
    """Makes a gable-top drink carton whose ridge runs along x.

    Args:
        half_x: Half width.
        half_y: Half depth.
        shoulder: Height where the gable starts.
        ridge: Height where the gable ends.
        fin: Height of the top of the sealed fin.
        print_: Printed cardboard; texture rows up to the shoulder go on the sides, the rest on the
            gable.
        paper: Material of the fin.
    """
    x, y = half_x, half_y
    split = shoulder / ridge
    low = [(0.0, 0.0), (1.0, 0.0), (1.0, split), (0.0, split)]
    high = [(0.0, split), (1.0, split), (1.0, 1.0), (0.0, 1.0)]
    peak = [(0.0, split), (1.0, split), (0.5, 1.0)]
    s, r = shoulder, ridge
    body = polygons(
        [
            ([(-x, -y, 0), (x, -y, 0), (x, -y, s), (-x, -y, s)], low),
            ([(x, y, 0), (-x, y, 0), (-x, y, s), (x, y, s)], low),
            ([(x, -y, 0), (x, y, 0), (x, y, s), (x, -y, s)], low),
            ([(-x, y, 0), (-x, -y, 0), (-x, -y, s), (-x, y, s)], low),
            ([(-x, -y, s), (x, -y, s), (x, 0, r), (-x, 0, r)], high),
            ([(x, y, s), (-x, y, s), (-x, 0, r), (x, 0, r)], high),
            ([(x, -y, s), (x, y, s), (x, 0, r)], peak),
            ([(-x, y, s), (-x, -y, s), (-x, 0, r)], peak),
        ],
        print_,
    )
    top = block((0.0, 0.0, (r + fin) / 2), (x, 0.0016, (fin - r) / 2), paper)
    return (body, top)


def packet(half: Vec3, print_: Material, *, front: float) -> tuple[Shape, ...]:
    """Makes a flat printed box centred on the origin.

    Args:
        half: Half extents; the +z and -z faces are the fronts.
        print_: Printed cardboard.
        front: Share of the image that is the front; the rest wraps around the sides.
    """
    return (label_box(half, print_, front_v=front),)


def vessel(
    outer: Profile,
    thickness: float,
    outside: Material,
    inside: Material | None = None,
    *,
    segments: int = 16,
    center: tuple[float, float] = (0.0, 0.0),
) -> tuple[Shape, ...]:
    """Makes a bowl, cup, plate or pan from the outside profile of its wall.

    Args:
        outer: Outside from foot to rim.
        thickness: Wall thickness.
        outside: Material of the outside.
        inside: Material of rim and inside, where it differs.
        segments: Segments around.
        center: Position of the axis in x and y.
    """
    pose = Pose((*center, 0.0))
    whole = shell_profile(outer, thickness)
    if inside is None:
        return (lathe(whole, outside, segments=segments, pose=pose),)
    cut = len(outer) + 1
    return (
        lathe(whole[:cut], outside, segments=segments, pose=pose),
        lathe(whole[cut - 1 :], inside, segments=segments, pose=pose),
    )


def handle_loop(
    low: tuple[float, float],
    high: tuple[float, float],
    end: float,
    material: Material,
    *,
    radius: float = 0.005,
    width: float = 1.3,
    squareness: float = 0.55,
) -> Mesh:
    """Makes a mug's handle in the x-z plane.

    Args:
        low: x and z where the lower end meets the wall.
        high: x and z where the upper end meets the wall.
        end: x of the middle line of the handle where it is farthest out.
        material: Look.
        radius: Half thickness of the handle in its plane.
        width: Width across the plane relative to the thickness.
        squareness: Exponent below 1 gives a boxy loop, 1 a half ellipse.
    """
    path = []
    for k in range(11):
        angle = -math.pi / 2 + math.pi * k / 10
        out = max(math.cos(angle), 0.0) ** squareness
        share = 0.5 + 0.5 * math.copysign(abs(math.sin(angle)) ** squareness, math.sin(angle))
        wall = low[0] + (high[0] - low[0]) * share
        path.append((wall + (end - wall) * out, 0.0, low[1] + (high[1] - low[1]) * share))
    return tube(path, radius, material, width=width)


def bar_handle(
    center: Vec3, length: float, standoff: float, material: Material, *, radius: float = 0.006
) -> Mesh:
    """Makes a drawer pull of one mesh: a bar along x on two posts reaching back in +y.

    Args:
        center: Centre of the bar.
        length: Length of the bar.
        standoff: Distance from the bar's axis back to the drawer front.
        material: Look.
        radius: Radius of the bar.
    """
    x, y, z = center
    bar = rod((x - length / 2, y, z), (x + length / 2, y, z), radius, material)
    posts = box_group(
        [
            (
                (x + side * 0.36 * length, y + standoff / 2, z),
                (0.7 * radius, standoff / 2, 0.7 * radius),
            )
            for side in (-1.0, 1.0)
        ],
        material,
    )
    return merged([bar, posts])


def open_box_drawn(
    half: Vec3,
    wall: float,
    floor: float,
    material: Material,
    *,
    center: Vec3 = (0.0, 0.0, 0.0),
    taper: float = 1.0,
) -> tuple[Shape, ...]:
    """Makes an open-topped box of one mesh; ``taper`` scales its foot in x and y.

    Args:
        half: Outer half extents at the top.
        wall: Wall thickness.
        floor: Floor thickness.
        material: Look; the texture covers each wall once.
        center: Centre of the outer box.
        taper: Size of the foot relative to the top.
    """
    unit = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    x, y, z = half

    def ring(scale: float, inset: float, height: float) -> list[tuple[float, float, float]]:
        rx, ry = x * scale - inset, y * scale - inset
        return [(-rx, -ry, height), (rx, -ry, height), (rx, ry, height), (-rx, ry, height)]

    foot, rim = ring(taper, 0.0, -z), ring(1.0, 0.0, z)
    lip, base = ring(1.0, wall, z), ring(taper, wall, -z + floor)
    faces = [(base, unit), (foot[::-1], unit)]
    for k in range(4):
        n = (k + 1) % 4
        faces.append(([foot[k], foot[n], rim[n], rim[k]], unit))
        faces.append(([lip[k], lip[n], base[n], base[k]], [(0, 1), (1, 1), (1, 0), (0, 0)]))
        faces.append(([rim[k], rim[n], lip[n], lip[k]], [(0, 0), (1, 0), (1, 0.06), (0, 0.06)]))
    return (polygons(faces, material, pose=Pose(center)),)


def book(
    low: Vec3, high: Vec3, cover: Material, pages: Material, *, board: float = 0.0025
) -> tuple[Shape, ...]:
    """Makes an upright book whose thickness is along x and whose spine faces -y.

    Args:
        low: Smallest corner.
        high: Largest corner.
        cover: Material of the two boards and the spine.
        pages: Material of the page block.
        board: Thickness of the boards.
    """
    (x0, y0, z0), (x1, y1, z1) = low, high
    cy, cz = (y0 + y1) / 2, (z0 + z1) / 2
    hy, hz = (y1 - y0) / 2, (z1 - z0) / 2
    return (
        block((x0 + board / 2, cy, cz), (board / 2, hy, hz), cover),
        block((x1 - board / 2, cy, cz), (board / 2, hy, hz), cover),
        block(((x0 + x1) / 2, y0 + board / 2, cz), ((x1 - x0) / 2, board / 2, hz), cover),
        block(
            ((x0 + x1) / 2, cy - 0.001, cz),
            ((x1 - x0) / 2 - board, hy - 0.002, hz - 0.003),
            pages,
        ),
    )


def disc(
    center: Vec3, radius: float, half_height: float, material: Material, *, segments: int = 16
) -> Mesh:
    """Makes a flat upright cylinder as a low-poly mesh (cheaper than a cylinder primitive)."""
    z = half_height
    profile = [(0.0, -z), (radius, -z), (radius, z), (0.0, z)]
    return lathe(profile, material, segments=segments, pose=Pose(center))


def rod(start: Vec3, end: Vec3, radius: float, material: Material, *, sides: int = 8) -> Mesh:
    """Makes a straight round bar between two points."""
    return tube([start, end], radius, material, sides=sides)


__all__ = [
    "bar_handle",
    "block",
    "book",
    "bottle",
    "box_group",
    "can",
    "carton",
    "disc",
    "handle_loop",
    "lathe",
    "merged",
    "open_box",
    "open_box_drawn",
    "packet",
    "polygons",
    "prism",
    "radius_at",
    "rod",
    "shell_profile",
    "solid",
    "solid_round",
    "tilted",
    "tube",
    "vessel",
    "wall_ring",
]
