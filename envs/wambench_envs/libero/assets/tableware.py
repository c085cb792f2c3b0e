"""Bowls, plates, mugs, pots and other hollow things of the pack.

Frames and bounds are upstream's (metres, z up, foot near z = 0); the contact walls are rings of
flat boxes so that things stack and a gripper can close on a rim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wambench_envs.libero.assets import materials as m
from wambench_envs.libero.assets.groceries import body
from wambench_envs.props import library as lib
from wambench_envs.props.shapes import Link, Material, Pose, Region, Shape, place


def akita_black_bowl() -> Link:
    """Makes the black bowl (10.7 cm across, 5 cm high)."""
    touched = [
        *lib.solid_round(0.0235, 0.0016, 0.0067, surface="bowl"),
        *lib.wall_ring(12, (0.0233, 0.0036), (0.0440, 0.0152), 0.0014, surface="bowl"),
        *lib.wall_ring(12, (0.0423, 0.0152), (0.0519, 0.0519), 0.0026, surface="bowl"),
    ]
    black = m.paint("black_glaze", 0.07, 0.07, 0.08, gloss=0.7)
    rim = m.paint("black_glaze_rim", 0.30, 0.27, 0.25, gloss=0.5)
    outer = [(0.0235, 0.0016), (0.0262, 0.0040), (0.0428, 0.0146), (0.0490, 0.0300),
             (0.0530, 0.0490), (0.0532, 0.0525)]  # fmt: skip
    inner = m.paint("black_glaze_inside", 0.12, 0.115, 0.115, gloss=0.6)
    shell = lib.shell_profile(outer, 0.0026)
    lip = [(0.0531, 0.0490), (0.0534, 0.0528), (0.0506, 0.0528), (0.0502, 0.0490)]
    drawn: list[Shape] = [
        lib.lathe(shell[:7], black, segments=16),
        lib.lathe(shell[7:], inner, segments=16),
        lib.lathe(lip, rim, segments=16),
    ]
    return Link("object", body([*touched, *drawn], 0.00559).shapes, pose=Pose((0.0, -0.1, 0.0)))


def white_bowl() -> Link:
    """Makes the small white bowl."""
    touched = [
        lib.solid((0.0, 0.0, 0.0024), (0.0168, 0.0168, 0.0018), surface="light_bowl"),
        *lib.wall_ring(12, (0.0166, 0.0030), (0.0330, 0.0108), 0.0014, surface="light_bowl"),
        *lib.wall_ring(12, (0.0325, 0.0104), (0.0391, 0.0350), 0.0022, surface="light_bowl"),
    ]
    outer = [(0.0175, 0.0006), (0.0200, 0.0030), (0.0330, 0.0102), (0.0385, 0.0220),
             (0.0408, 0.0355)]  # fmt: skip
    return body([*touched, *lib.vessel(outer, 0.0024, m.WHITE_GLAZE)], 0.00209)


def ramekin() -> Link:
    """Makes the fluted porcelain ramekin."""
    touched = [
        *lib.solid_round(0.0350, 0.0009, 0.0073),
        *lib.wall_ring(12, (0.0379, 0.0009), (0.0386, 0.0427), 0.0052),
    ]
    flute = m.paint("porcelain", 0.86, 0.85, 0.82, gloss=0.4)
    rim = m.paint("porcelain_rim", 0.95, 0.95, 0.93, gloss=0.6)
    wall = [(0.0, 0.0009), (0.0395, 0.0009), (0.0405, 0.0040), (0.0412, 0.0345)]
    lip = [(0.0412, 0.0345), (0.0440, 0.0360), (0.0445, 0.0415), (0.0425, 0.0430),
           (0.0365, 0.0425), (0.0355, 0.0080), (0.0, 0.0075)]  # fmt: skip
    ribs = []
    for k in range(16):
        angle = 2.0 * math.pi * (k + 0.5) / 16
        foot = (0.0407 * math.cos(angle), 0.0407 * math.sin(angle), 0.003)
        top = (0.0416 * math.cos(angle), 0.0416 * math.sin(angle), 0.0345)
        ribs.append(lib.rod(foot, top, 0.0018, rim, sides=4))
    drawn: list[Shape] = [
        lib.lathe(wall, flute, segments=16),
        lib.merged([lib.lathe(lip, rim, segments=16), *ribs]),
    ]
    return body([*touched, *drawn], 0.00966)


def plate() -> Link:
    """Makes the flat dinner plate with a raised rim."""
    touched = [
        *lib.solid_round(0.0300, 0.0002, 0.0060, surface="plate"),
        *lib.wall_ring(12, (0.0306, -0.0001), (0.0660, 0.0142), 0.0050, surface="plate"),
    ]
    white = m.paint("plate_white", 0.92, 0.92, 0.90, gloss=0.4, glow=0.1)
    band = m.paint("plate_band", 0.62, 0.30, 0.28, gloss=0.4)
    outer = [(0.0300, -0.0022), (0.0330, -0.0022), (0.0670, 0.0125), (0.0690, 0.0150)]
    whole = lib.shell_profile(outer, 0.0040)
    line = [(0.0655, 0.01635), (0.0610, 0.01455)]
    drawn: list[Shape] = [
        lib.lathe(whole, white, segments=20),
        lib.lathe(line, band, segments=20),
    ]
    return body([*touched, *drawn], 0.01152)


def mug(
    *,
    axis: tuple[float, float],
    rings: Sequence[tuple[tuple[float, float], tuple[float, float], float]],
    floor: tuple[float, float, float],
    handle: tuple[float, float, float, float],
    handle_width: float,
    outer: Sequence[tuple[float, float]],
    glaze: Material,
    inside: Material | None,
    loop: Material,
    mass: float,
    bands: Sequence[tuple[float, float, Material]] = (),
) -> Link:
    """Makes a mug.

    Args:
        axis: Position of its axis in x and y.
        rings: Contact walls as (lower, upper) mid-surface (radius, height) and thickness.
        floor: Radius, bottom and top of the floor.
        handle: x of the wall at the handle (signed by its side of the axis), reach, and lower and
            upper height of the loop.
        handle_width: Width of the handle, which is also what a gripper closes on.
        outer: Outside profile.
        glaze: Material of the outside.
        inside: Material of the inside, if different.
        loop: Material of the handle.
        mass: Total mass, kg.
        bands: Stripes as lower height, upper height and material.
    """
    cx, cy = axis
    touched: list[Shape] = list(lib.solid_round(*floor, center=axis))
    for foot, rim, thickness in rings:
        touched += lib.wall_ring(10, foot, rim, thickness, center=axis)
    x, reach, low_z, high_z = handle
    side = math.copysign(1.0, x - cx)
    half_width, bar = handle_width / 2, 0.0040
    end = x + side * reach
    middle = (x + end) / 2
    touched += [
        lib.solid((end, cy, (low_z + high_z) / 2), (bar, half_width, (high_z - low_z) / 2 + bar)),
        lib.solid((middle, cy, low_z), (reach / 2, half_width, bar)),
        lib.solid((middle, cy, high_z), (reach / 2, half_width, bar)),
    ]
    drawn: list[Shape] = list(lib.vessel(outer, 0.0042, glaze, inside, center=axis))
    inset = 0.0025
    low, high = ((cx + side * (lib.radius_at(outer, z) - inset), z) for z in (low_z, high_z))
    handle_mesh = lib.handle_loop(low, high, end, loop, radius=bar, width=half_width / bar)
    drawn.append(handle_mesh.placed(Pose((0.0, cy, 0.0))))
    for low_b, high_b, material in bands:
        rows = [(r + 0.0005, z) for r, z in _between(outer, low_b, high_b)]
        drawn.append(lib.lathe(rows, material, segments=16, pose=Pose((cx, cy, 0.0))))
    return body([*touched, *drawn], mass)


def _between(
    outer: Sequence[tuple[float, float]], low: float, high: float
) -> list[tuple[float, float]]:
    """Cuts a profile to the heights between ``low`` and ``high``."""
    ends = [(lib.radius_at(outer, low), low), (lib.radius_at(outer, high), high)]
    return [ends[0], *[(r, z) for r, z in outer if low < z < high], ends[1]]


def porcelain_mug() -> Link:
    """Makes the white mug without decoration."""
    return mug(
        axis=(0.0148, -0.0012),
        rings=[
            ((0.0270, 0.0060), (0.0404, 0.0440), 0.0036),
            ((0.0412, 0.0432), (0.0428, 0.1084), 0.0048),
        ],
        floor=(0.0250, 0.0024, 0.0128),
        handle=(-0.0270, 0.0335, 0.0300, 0.0830),
        handle_width=0.0160,
        outer=[
            (0.0240, 0.0024),
            (0.0290, 0.0060),
            (0.0400, 0.0300),
            (0.0440, 0.0560),
            (0.0450, 0.0850),
            (0.0448, 0.1086),
        ],
        glaze=m.WHITE_GLAZE,
        inside=None,
        loop=m.WHITE_GLAZE,
        mass=0.01646,
    )


def red_coffee_mug() -> Link:
    """Makes the tall red mug."""
    red = m.paint("red_glaze", 0.72, 0.07, 0.06, gloss=0.5)
    return mug(
        axis=(-0.0176, -0.0033),
        rings=[((0.0225, -0.0014), (0.0375, 0.1305), 0.0070)],
        floor=(0.0240, 0.0028, 0.0078),
        handle=(0.0150, 0.0400, 0.0340, 0.1110),
        handle_width=0.0140,
        outer=[(0.0270, -0.0018), (0.0285, 0.0020), (0.0340, 0.0600), (0.0410, 0.1308)],
        glaze=red,
        inside=m.paint("red_glaze_inside", 0.90, 0.86, 0.82, gloss=0.4),
        loop=red,
        mass=0.02935,
    )


def white_yellow_mug() -> Link:
    """Makes the white mug with yellow lower half, inside and handle."""
    yellow = m.paint("yellow_glaze", 0.93, 0.72, 0.12, gloss=0.5)
    return mug(
        axis=(-0.0187, -0.0004),
        rings=[
            ((0.0290, 0.0), (0.0335, 0.0215), 0.0082),
            ((0.0375, 0.0158), (0.0460, 0.1030), 0.0082),
        ],
        floor=(0.0262, 0.0002, 0.0052),
        handle=(0.0230, 0.0410, 0.0265, 0.0795),
        handle_width=0.0176,
        outer=[
            (0.0300, 0.0),
            (0.0345, 0.0040),
            (0.0405, 0.0200),
            (0.0470, 0.0600),
            (0.0500, 0.1030),
        ],
        glaze=m.WHITE_GLAZE,
        inside=yellow,
        loop=yellow,
        mass=0.03091,
        bands=[(0.0010, 0.0440, yellow)],
    )


def frypan() -> Link:
    """Makes the black 8 inch frying pan with its handle along +x."""
    center = (0.0066, -0.0010)
    slope = math.radians(-7.3)
    touched = [
        *lib.solid_round(0.0760, 0.0010, 0.0120, center=center),
        *lib.wall_ring(12, (0.0790, 0.0040), (0.0975, 0.0415), 0.0064, center=center),
        lib.solid((0.1126, 0.0010, 0.0199), (0.0140, 0.0100, 0.0110)),
        lib.solid((0.1300, 0.0010, 0.0290), (0.0115, 0.0100, 0.0095)),
        lib.tilted((0.1926, 0.0, 0.0441), (0.0665, 0.0127, 0.0062), "y", slope),
    ]
    coat = m.paint("pan_coat", 0.10, 0.10, 0.11, gloss=0.5)
    inside = m.paint("pan_inside", 0.20, 0.20, 0.21, gloss=0.3)
    outer = [(0.0780, 0.0010), (0.0840, 0.0050), (0.1000, 0.0400), (0.1015, 0.0424)]
    path = [(0.095, 0.0, 0.020), (0.125, 0.0, 0.030), (0.150, 0.0, 0.0385), (0.200, 0.0, 0.0452),
            (0.256, 0.0, 0.0525)]  # fmt: skip
    drawn = [
        *lib.vessel(outer, 0.0040, coat, inside, segments=20, center=center),
        lib.tube(path, 0.0072, m.BLACK_PLASTIC, width=1.7),
    ]
    return body([*touched, *drawn], 0.05025)


def moka_pot() -> Link:
    """Makes the stovetop coffee maker: eight-sided, spout to -y, black handle to +y."""
    foot = -0.0661
    touched = [
        *lib.solid_round(0.0360, foot, 0.0670, phase=math.pi / 8),
        lib.solid((0.0, -0.0359, 0.0426), (0.0150, 0.0058, 0.0240)),
        lib.solid((0.0, -0.0491, 0.0462), (0.0080, 0.0072, 0.0137)),
        lib.solid((0.0, 0.0416, 0.0525), (0.0100, 0.0102, 0.0137)),
        lib.solid((0.0, 0.0583, 0.0603), (0.0066, 0.0110, 0.0068)),
        lib.tilted((0.0, 0.0755, 0.0545), (0.0066, 0.0141, 0.0070), "x", math.radians(-42)),
        lib.tilted((0.0, 0.0730, 0.0290), (0.0066, 0.0070, 0.0260), "x", math.radians(-27)),
        lib.tilted((0.0, 0.0576, 0.0030), (0.0066, 0.0070, 0.0100), "x", math.radians(-45)),
        lib.solid((0.0, 0.0, 0.0743), (0.0055, 0.0060, 0.0114)),
    ]
    pot, knob = m.ALUMINIUM, m.BLACK_PLASTIC
    turn = Pose.rotated("z", math.pi / 8)
    lower = [(0.0, foot), (0.0375, foot), (0.0375, -0.0590), (0.0345, -0.0080), (0.0, -0.0080)]
    waist = [(0.0310, -0.0080), (0.0310, -0.0010)]
    upper = [(0.0, -0.0010), (0.0300, -0.0010), (0.0375, 0.0560), (0.0385, 0.0620),
             (0.0150, 0.0700), (0.0, 0.0705)]  # fmt: skip
    flat = {"segments": 8, "pose": turn}
    spout = lib.polygons(
        [
            ([(-0.016, -0.031, 0.060), (0.0, -0.060, 0.062), (0.016, -0.031, 0.060)], [(0, 0)] * 3),
            ([(-0.016, -0.031, 0.060), (0.0, -0.031, 0.018), (0.0, -0.060, 0.062)], [(0, 0)] * 3),
            ([(0.016, -0.031, 0.060), (0.0, -0.060, 0.062), (0.0, -0.031, 0.018)], [(0, 0)] * 3),
        ],
        pot,
    )
    loop = [(0.0, 0.033, 0.0545), (0.0, 0.052, 0.0600), (0.0, 0.070, 0.0600), (0.0, 0.084, 0.0500),
            (0.0, 0.079, 0.0320), (0.0, 0.066, 0.0130), (0.0, 0.055, -0.0020)]  # fmt: skip
    drawn: list[Shape] = [
        lib.merged([lib.lathe(lower, pot, **flat), lib.lathe(waist, pot, **flat),
                    lib.lathe(upper, pot, **flat), spout]),
        lib.tube(loop, 0.0066, knob, width=1.0),
        lib.lathe(
            [(0.0045, 0.0), (0.0065, 0.012), (0.004, 0.016), (0.0, 0.016)], knob, segments=8,
            pose=Pose((0.0, 0.0, 0.0695)),
        ),
    ]  # fmt: skip
    return body([*touched, *drawn], 0.06824)


def wine_bottle() -> Link:
    """Makes the green wine bottle with label and cork."""
    touched = [
        *lib.solid_round(0.0208, 0.0011, 0.0640),
        *lib.solid_round(0.0150, 0.0640, 0.0760, sides=8),
        *lib.solid_round(0.0105, 0.0760, 0.0900, sides=8),
        *lib.solid_round(0.0070, 0.0900, 0.1580, sides=8),
    ]
    drawn = lib.bottle(
        [
            (0.0185, 0.0),
            (0.0212, 0.003),
            (0.0212, 0.068),
            (0.0180, 0.082),
            (0.0095, 0.102),
            (0.0078, 0.115),
            (0.0078, 0.148),
            (0.0086, 0.149),
            (0.0086, 0.153),
            (0.0074, 0.153),
        ],
        [(0.0062, 0.1525), (0.0066, 0.1575)],
        m.paint("green_glass", 0.03, 0.09, 0.05, gloss=0.8),
        m.paint("cork", 0.72, 0.52, 0.32, gloss=0.0),
        label=m.print_("wine_label"),
        label_span=(0.018, 0.060),
    )
    return body([*touched, *place(drawn, Pose((0.0, 0.0, 0.0011)))], 0.01539)


def basket() -> Link:
    """Makes the woven basket whose inside is the region ``contain_region``."""
    lean = math.radians(4.3)
    wall, half_wall, tall = 0.0067, 0.0724, 0.0637
    touched = [
        lib.solid((0.0025, 0.0, 0.0131), (0.0766, 0.0724, 0.0089)),
        lib.tilted((-0.0726, 0.0, 0.0766), (wall, half_wall, tall), "y", -lean),
        lib.tilted((0.0756, 0.0, 0.0766), (wall, half_wall, tall), "y", lean * 0.7),
        lib.tilted((0.0, -0.0686, 0.0818), (half_wall, wall, tall), "x", lean * 0.7),
        lib.tilted((0.0, 0.0691, 0.0818), (half_wall, wall, tall), "x", -lean * 0.7),
    ]
    weave = m.print_("wicker", repeat=(2.0, 2.0), gloss=0.0)
    cane = m.paint("cane", 0.47, 0.30, 0.15, gloss=0.1)
    drawn: list[Shape] = [
        *lib.open_box_drawn(
            (0.0835, 0.0790, 0.0690), 0.0110, 0.0120, weave, center=(0.001, 0.0, 0.0735), taper=0.90
        ),
        lib.box_group(
            [
                ((0.001, sy * 0.0745, 0.1440), (0.0850, 0.0065, 0.0050)) for sy in (-1.0, 1.0)
            ] + [
                ((0.001 + sx * 0.0790, 0.0, 0.1440), (0.0065, 0.0805, 0.0050)) for sx in (-1.0, 1.0)
            ],
            cane,
        ),
    ]  # fmt: skip
    link = body([*touched, *drawn], 0.13611)
    region = Region(
        "contain_region",
        "box",
        (0.06108, 0.06108, 0.06949),
        Pose((0.0, 0.0, 0.07185), (0.0, 0.0, 0.0, 1.0)),
        (0.8, 0.0, 0.0, 0.0),
    )
    return Link("object", link.shapes, (region,))
