"""Groceries of the pack: cans, bottles, cartons and packets.

Frames are upstream's: most of these models lie along +y (their initial states turn +y upwards),
bbq sauce and the flat packets stand along +z. Dimensions are those of upstream's contact boxes
(bounds in metres, measured); masses are upstream's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from wambench_envs.libero.assets import materials as m
from wambench_envs.props import library as lib
from wambench_envs.props.shapes import Link, Material, Pose, Shape, Vec3, place, with_total_mass

UP_IS_Y = Pose.rotated("x", -math.pi / 2)
"""Turns a recipe that stands along +z into a model that stands along +y (its -y side to +z)."""


def body(shapes: Iterable[Shape], mass: float) -> Link:
    """Wraps shapes as the ``object`` body with a total mass in kg."""
    return Link("object", with_total_mass(shapes, mass))


def _standing_y(
    shapes: Iterable[Shape], foot: float, x: float = 0.0, z: float = 0.0
) -> list[Shape]:
    """Places a z-up recipe along +y with its foot at y = ``foot`` and its axis at (x, z)."""
    return list(place(shapes, Pose((x, foot, z)) @ UP_IS_Y))


def can(label: str, foot: float, top: float, radius: float, z: float, mass: float) -> Link:
    """Makes an upright can along y."""
    height = top - foot
    touched = lib.solid_round(radius, 0.0, height)
    picture = m.print_(label, repeat=(2.0, 1.0))
    drawn = lib.can(radius + 0.0015, height + 0.0005, picture, m.TIN)
    return body(_standing_y([*touched, *drawn], foot, z=z), mass)


def carton(label: str, x: float, fin: tuple[float, float, float], mass: float) -> Link:
    """Makes a gable-top carton along y (milk, orange juice).

    Args:
        label: Texture key.
        x: Offset of the body in x.
        fin: Colour of the sealed fin.
        mass: Total mass, kg.
    """
    touched = [
        lib.solid((x, -0.015, 0.0), (0.0262, 0.0548, 0.0263)),
        lib.tilted((0.0, 0.0478, 0.0135), (0.0263, 0.0022, 0.0138), "x", math.radians(44)),
        lib.tilted((0.0, 0.0478, -0.0135), (0.0263, 0.0022, 0.0138), "x", math.radians(-44)),
        lib.solid((0.0, 0.0585, 0.0), (0.0265, 0.0029, 0.0035)),
    ]
    drawn = lib.carton(
        0.0268, 0.0268, 0.1096, 0.1283, 0.1365, m.print_(label), m.paint("fin", *fin)
    )
    return body([*touched, *_standing_y(drawn, -0.0698)], mass)


def ketchup() -> Link:
    """Makes the squeezable ketchup bottle with a light cap."""
    touched = [
        lib.solid((0.0004, -0.0394, 0.0008), (0.0281, 0.0331, 0.0170)),
        lib.solid((0.0004, 0.0037, 0.0008), (0.0239, 0.0113, 0.0183)),
        lib.solid((0.0004, 0.0251, 0.0008), (0.0187, 0.0113, 0.0183)),
        *_standing_y(lib.solid_round(0.0166, 0.1085, 0.1456), -0.0725, z=0.0007),
    ]
    drawn = lib.bottle(
        [(0.024, 0.0), (0.0285, 0.006), (0.0292, 0.03), (0.0285, 0.060), (0.0245, 0.080),
         (0.0185, 0.100), (0.0160, 0.1090)],
        [(0.0170, 0.1085), (0.0170, 0.138), (0.0145, 0.1460)],
        m.paint("ketchup_bottle", 0.78, 0.16, 0.06, gloss=0.5),
        m.paint("ketchup_cap", 0.90, 0.89, 0.85),
        label=m.print_("ketchup"),
        label_span=(0.014, 0.070),
        squash=0.64,
    )  # fmt: skip
    return body([*touched, *_standing_y(drawn, -0.0725, z=0.0008)], 0.02322)


def _dressing_shapes(y: float) -> list[Shape]:
    """Returns the salad dressing bottle, moved by ``y`` along its axis."""
    rows = [  # centre y, half extents
        (-0.0695, (0.0173, 0.0033, 0.0173)),
        (-0.0572, (0.0222, 0.0056, 0.0173)),
        (-0.0314, (0.0264, 0.0210, 0.0173)),
        (-0.0043, (0.0229, 0.0056, 0.0173)),
        (0.0072, (0.0171, 0.0056, 0.0173)),
        (0.0084, (0.0129, 0.0274, 0.0149)),
    ]
    touched: list[Shape] = [lib.solid((-0.001, y + c, 0.0002), half) for c, half in rows]
    touched += _standing_y(lib.solid_round(0.0167, 0.1084, 0.1456), y - 0.0728, z=0.0003)
    drawn = lib.bottle(
        [(0.0175, 0.0), (0.0225, 0.007), (0.0268, 0.024), (0.0268, 0.050), (0.0235, 0.068),
         (0.0172, 0.088), (0.0135, 0.1090)],
        [(0.0172, 0.1084), (0.0172, 0.142), (0.0160, 0.1460)],
        m.paint("dressing_bottle", 0.90, 0.91, 0.86, gloss=0.5),
        m.paint("dressing_cap", 0.05, 0.36, 0.16),
        label=m.print_("salad_dressing"),
        label_span=(0.014, 0.064),
        squash=0.70,
    )  # fmt: skip
    return touched + _standing_y(drawn, y - 0.0728, x=-0.001)


def salad_dressing() -> Link:
    """Makes the salad dressing bottle with its green cap."""
    return body(_dressing_shapes(0.0), 0.02178)


def new_salad_dressing() -> Link:
    """Makes the second model of that bottle, whose shapes sit in a child 5 cm up its axis."""
    shapes = with_total_mass(_dressing_shapes(0.0), 0.02178)
    # The child's name is spelled as upstream spells it.
    child = Link("sald_dressing_body", shapes, pose=Pose((0.0, 0.05, 0.0)))
    return Link("object", children=(child,))


def bbq_sauce() -> Link:
    """Makes the flat barbecue sauce bottle, standing along z."""
    touched = [
        lib.solid((0.0, 0.0, -0.0278), (0.0235, 0.0145, 0.0268)),
        lib.solid((0.0, 0.0, 0.0123), (0.0181, 0.0143, 0.0146)),
        lib.solid((0.0, 0.0, 0.0391), (0.0143, 0.0146, 0.0134)),
    ]
    drawn = lib.bottle(
        [(0.020, 0.0), (0.0238, 0.006), (0.0242, 0.040), (0.0225, 0.056), (0.0165, 0.074),
         (0.0135, 0.082)],
        [(0.0148, 0.0815), (0.0148, 0.103), (0.0125, 0.1075)],
        m.paint("bbq_bottle", 0.36, 0.10, 0.04, gloss=0.5),
        m.paint("bbq_cap", 0.62, 0.12, 0.06),
        label=m.print_("bbq_sauce"),
        label_span=(0.008, 0.052),
        squash=0.64,
    )  # fmt: skip
    return body([*touched, *place(drawn, Pose((0.0, 0.0, -0.0546)))], 0.01218)


def packet(label: str, low: Vec3, high: Vec3, mass: float) -> Link:
    """Makes a flat printed packet given its corners; its fronts face +z and -z."""
    center = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
    half = tuple((b - a) / 2 for a, b in zip(low, high, strict=True))
    shell = tuple(h + 0.0003 for h in half)
    front = 48 / 64 if half[0] > half[1] else 80 / 96  # rows of the front in the picture
    picture: Material = m.print_(label)
    drawn = place(lib.packet(shell, picture, front=front), Pose(center))
    return body([lib.solid(center, half), *drawn], mass)
