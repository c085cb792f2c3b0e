"""Fixtures and furniture of the pack: cabinets, stove, microwave, racks, shelves, books.

Frames, bounds, joints and regions are upstream's (metres, z up); shapes are this library's own.
"""

from __future__ import annotations

import math

from wambench_envs.libero.assets import materials as m
from wambench_envs.libero.assets.groceries import body
from wambench_envs.props import library as lib
from wambench_envs.props.shapes import (
    Box,
    Capsule,
    Inertial,
    Joint,
    Link,
    Material,
    Pose,
    Quat,
    Region,
    Role,
    Shape,
    Vec3,
    place,
    with_total_mass,
)

Y_TURN: Quat = (0.70711, 0.0, 0.70711, 0.0)
"""Quarter turn about y in upstream's five digits; region sizes are given in the turned frame."""

MOVING_PART = Inertial(3.0, (1.0, 1.0, 1.0))
"""Upstream's explicit inertia of drawers and of the stove's knob, kg and kg m^2."""


# --- cabinets --------------------------------------------------------------------------------


def _drawer(level: str, z: float, handle_z: float, front: Material, metal: Material) -> Link:
    """Makes a drawer that slides out along -y.

    Args:
        level: ``top``, ``middle`` or ``bottom``.
        z: Height of the middle of the drawer, metres.
        handle_z: Height of its handle.
        front: Material of front and box.
        metal: Material of the handle.
    """
    touched = [
        lib.solid((0.0033, -0.0752, z - 0.0005), (0.1093, 0.0027, 0.0343)),
        lib.solid((0.0033, -0.0684, z), (0.1068, 0.0036, 0.0321)),
        lib.solid((0.0033, 0.0908, z), (0.1068, 0.0036, 0.0321)),
        lib.solid((-0.1019, 0.0110, z - 0.0001), (0.0026, 0.0815, 0.0315)),
        lib.solid((0.1089, 0.0110, z - 0.0001), (0.0026, 0.0815, 0.0313)),
        lib.solid((0.0035, 0.0105, z - 0.0284), (0.1070, 0.0809, 0.0040)),
        lib.solid((-0.0028, -0.1016, handle_z), (0.0444, 0.0077, 0.0082)),
        lib.solid((0.0292, -0.0835, handle_z), (0.0051, 0.0106, 0.0055)),
        lib.solid((-0.0356, -0.0835, handle_z), (0.0051, 0.0106, 0.0055)),
    ]
    box = lib.box_group(
        [
            ((0.0033, -0.0752, z - 0.0005), (0.1093, 0.0030, 0.0343)),
            ((0.0033, -0.0690, z), (0.1068, 0.0036, 0.0318)),
            ((0.0033, 0.0908, z), (0.1068, 0.0036, 0.0318)),
            ((-0.1019, 0.0110, z), (0.0026, 0.0800, 0.0315)),
            ((0.1089, 0.0110, z), (0.0026, 0.0800, 0.0315)),
            ((0.0035, 0.0110, z - 0.0284), (0.1060, 0.0800, 0.0036)),
        ],
        front,
        tile=0.2,
    )
    pull = lib.bar_handle((-0.0028, -0.1016, handle_z), 0.0880, 0.0235, metal, radius=0.0072)
    region = Region(
        f"{level}_region",
        "box",
        (0.02993, 0.07561, 0.10224),
        Pose(
            (0.00328, 0.01128, {"top": 0.18563, "middle": 0.11690, "bottom": 0.04701}[level]),
            Y_TURN,
        ),
    )
    joint = Joint(f"{level}_level", "slide", (0.0, 1.0, 0.0), (-0.16, 0.01), 50.0)
    return Link(
        f"cabinet_{level}", (*touched, box, pull), (region,), joint=joint, inertial=MOVING_PART
    )


def cabinet(wood: Material, metal: Material) -> Link:
    """Makes the cabinet with three drawers whose fronts face -y."""
    touched = [
        lib.solid((0.0021, 0.1094, 0.1138), (0.1191, 0.0023, 0.1053)),
        lib.solid((0.0040, 0.0164, 0.0069), (0.1229, 0.0898, 0.0023)),
        lib.solid((-0.1122, 0.0162, 0.1143), (0.0052, 0.0954, 0.1058)),
        lib.solid((0.1190, 0.0162, 0.1143), (0.0052, 0.0954, 0.1058)),
        lib.solid((0.0038, 0.0187, 0.1494), (0.1118, 0.0896, 0.0011)),
        lib.solid((0.0041, 0.0187, 0.0093), (0.1118, 0.0896, 0.0011)),
        lib.solid((0.0039, 0.0187, 0.0793), (0.1118, 0.0896, 0.0011)),
        lib.solid((0.0039, 0.0158, 0.2216), (0.1273, 0.0941, 0.0014)),
    ]
    case = lib.box_group(
        [
            ((0.0021, 0.1094, 0.1120), (0.1180, 0.0022, 0.1080)),
            ((0.0040, 0.0175, 0.0055), (0.1230, 0.0930, 0.0050)),
            ((-0.1122, 0.0170, 0.1143), (0.0052, 0.0940, 0.1058)),
            ((0.1190, 0.0170, 0.1143), (0.0052, 0.0940, 0.1058)),
            ((0.0038, 0.0187, 0.1494), (0.1110, 0.0890, 0.0009)),
            ((0.0039, 0.0187, 0.0793), (0.1110, 0.0890, 0.0009)),
            ((0.0039, 0.0158, 0.2207), (0.1285, 0.0955, 0.0024)),
        ],
        wood,
        tile=0.25,
    )
    top = Region("top_side", "box", (0.12534, 0.09438, 0.00147), Pose((0.00354, 0.01567, 0.22152)))
    base = Link(
        "base",
        with_total_mass((*touched, case), 0.17624),
        (top,),
        children=(
            _drawer("top", 0.1836, 0.1839, wood, metal),
            _drawer("middle", 0.1139, 0.1104, wood, metal),
            _drawer("bottom", 0.0453, 0.0411, wood, metal),
        ),
    )
    return Link("object", children=(base,))


# --- appliances ------------------------------------------------------------------------------


def flat_stove() -> Link:
    """Makes the one-plate cooker with the turning knob beside it."""
    touched = [
        Box(role=Role.COLLISION, half=(0.095, 0.095, 0.020), surface="soft", name="base"),
        # Upstream's is a sheet of 1 mm with the same top; what falls on it can end up below it.
        Box(
            role=Role.COLLISION,
            half=(0.095, 0.095, 0.005),
            pose=Pose((0.0, 0.0, 0.0205)),
            surface="soft",
            name="collision_burner",
        ),
    ]
    enamel = m.paint("stove_enamel", 0.95, 0.95, 0.94, gloss=0.5, glow=0.2)
    hob = [
        lib.block((0.0, 0.0, 0.0), (0.095, 0.095, 0.020), enamel, name="base_vis"),
        lib.block(
            (0.0, 0.0, 0.0205),
            (0.0900, 0.0900, 0.0010),
            m.paint("stove_top", 0.86, 0.86, 0.86, glow=0.2),
        ),
    ]
    rings = m.print_("burner", gloss=0.3)
    size = 0.0640
    top = [
        (size * math.cos(a), size * math.sin(a), 0.0250)
        for a in (2.0 * math.pi * k / 20 for k in range(20))
    ]
    face = lib.polygons(
        [(top, [(0.5 + x / size / 2, 0.5 + y / size / 2) for x, y, _ in top])], rings
    )
    side = lib.lathe([(0.0660, 0.0210), (0.0640, 0.0250)], m.DARK_METAL, segments=20)
    plate = Link("burner_plate", (face, side))
    burner = Link(
        "burner",
        with_total_mass((*touched, *hob), 1.4801),
        (
            Region("cook_region", "box", (0.075, 0.075, 0.0025), rgba=(0.8, 0.8, 0.0, 0.0)),
            Region(
                "burner",
                "cylinder",
                (0.0625, 0.0005),
                Pose((0.0, 0.0, 0.022)),
                (0.9, 0.05, 0.05, 1.0),
            ),
        ),
        pose=Pose((0.15, 0.0, 0.0)),
        children=(plate,),
    )
    knob = Link(
        "button",
        (
            *lib.solid_round(0.0460, 0.0004, 0.0128, center=(0.0014, 0.0045)),
            lib.solid((0.0014, 0.0174, 0.0257), (0.0122, 0.0346, 0.0243)),
            lib.solid((0.0012, -0.0205, 0.0244), (0.0122, 0.0078, 0.0205)),
            lib.solid((0.0011, -0.0345, 0.0190), (0.0122, 0.0062, 0.0175)),
            *place(
                [
                    lib.lathe(
                        [(0.0480, 0.0), (0.0470, 0.0110), (0.0440, 0.0134), (0.0, 0.0134)],
                        m.DARK_METAL,
                    ),
                ],
                Pose((0.0014, 0.0045, 0.0)),
            ),
            lib.prism(
                [
                    (-0.0405, 0.010),
                    (0.0520, 0.010),
                    (0.0520, 0.044),
                    (0.046, 0.050),
                    (-0.018, 0.050),
                    (-0.0405, 0.036),
                ],
                0.0122,
                m.BLACK_PLASTIC,
                pose=Pose((0.0014, 0.0, 0.0), (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))),
            ),
            lib.block(
                (0.0014, 0.0400, 0.0504), (0.0025, 0.0100, 0.0006), m.paint("mark", 0.9, 0.9, 0.9)
            ),
        ),
        pose=Pose((0.0, 0.0, 0.0), (0.7071068, 0.0, 0.0, 0.7071068)),
        joint=Joint("button", "hinge", (0.0, 0.0, 1.0), (-0.005, 2.1), 1.0),
        inertial=MOVING_PART,
    )
    base = Link("base", children=(burner, knob))
    return Link("object", children=(base,))


def microwave() -> Link:
    """Makes the microwave oven; its door hinges on the left and opens towards -y."""

    def wall(center: Vec3, half: Vec3, mass: float = 0.5) -> Box:
        pose = Pose(center)
        return Box(role=Role.COLLISION, pose=pose, half=half, mass=mass, surface="microwave")

    def grip(pose: Pose, half_length: float) -> Capsule:
        return Capsule(
            role=Role.COLLISION,
            pose=pose,
            radius=0.010,
            half_length=half_length,
            mass=0.020,
            surface="microwave",
        )

    walls = [
        wall((-0.158, 0.0115, 0.0935), (0.0145, 0.09955, 0.0935)),
        wall((0.118, 0.0115, 0.0935), (0.0545, 0.09955, 0.0935)),
        wall((-0.0405, 0.0955, 0.0935), (0.1035, 0.015, 0.0935)),
        wall((-0.04, -0.0035, 0.1775), (0.1035, 0.0845, 0.0095)),
        wall((-0.04, -0.004, 0.012), (0.1035, 0.084, 0.012)),
        wall((0.13, -0.0985, 0.0935), (0.0425, 0.012, 0.0935)),
    ]
    black = m.paint("microwave_black", 0.15, 0.15, 0.16, gloss=0.4)
    lining = m.paint("microwave_lining", 0.55, 0.56, 0.57)
    case = lib.box_group([(w.pose.pos, w.half) for w in walls], black)
    cavity = [
        lib.block((-0.0405, 0.0800, 0.0960), (0.1030, 0.0006, 0.0720), lining),
        lib.block((-0.0405, -0.0040, 0.0245), (0.1030, 0.0840, 0.0006), lining),
        lib.disc(
            (-0.0405, -0.0040, 0.0262), 0.0680, 0.0012, m.paint("turntable", 0.75, 0.80, 0.82)
        ),
    ]
    panel = [
        lib.polygons(
            [(
                [(0.094, -0.1112, 0.018), (0.166, -0.1112, 0.018), (0.166, -0.1112, 0.170),
                 (0.094, -0.1112, 0.170)],
                [(0, 0), (1, 0), (1, 1), (0, 1)],
            )],
            m.print_("keypad", gloss=0.4),
        ),
    ]  # fmt: skip
    turn = Pose.rotated("x", math.pi / 2)
    upright = Pose((0.2375, -0.054, 0.0))
    ends = [Pose((0.2375, -0.0375, z), turn.quat) for z in (0.065, -0.065)]
    # A tube instead of drawn capsules: a renderer spends a thousand triangles on each of those.
    grip_path = [(-0.022, 0.069), (-0.048, 0.066), (-0.056, 0.055), (-0.056, -0.055),
                 (-0.048, -0.066), (-0.022, -0.069)]  # fmt: skip
    door_drawn: list[Shape] = [
        lib.box_group(
            [
                ((0.0255, -0.013, 0.0), (0.0255, 0.012, 0.0925)),
                ((0.2280, -0.013, 0.0), (0.0310, 0.012, 0.0925)),
                ((0.1240, -0.013, 0.0755), (0.0730, 0.012, 0.0170)),
                ((0.1240, -0.013, -0.0755), (0.0730, 0.012, 0.0170)),
            ],
            black,
        ),
        lib.polygons(
            [
                (
                    [(0.051, -0.022, -0.0585), (0.197, -0.022, -0.0585), (0.197, -0.022, 0.0585),
                     (0.051, -0.022, 0.0585)],
                    [(0, 0), (4, 0), (4, 3), (0, 3)],
                ),
                (
                    [(0.197, -0.004, -0.0585), (0.051, -0.004, -0.0585), (0.051, -0.004, 0.0585),
                     (0.197, -0.004, 0.0585)],
                    [(0, 0), (4, 0), (4, 3), (0, 3)],
                ),
            ],
            m.print_("oven_window", gloss=0.5),
        ),
        lib.tube(
            [(0.2375, y, z) for y, z in grip_path],
            0.010,
            m.STEEL,
            sides=8,
        ),
    ]  # fmt: skip
    door = Link(
        "microdoorroot",
        (
            grip(upright, 0.065),
            *(grip(p, 0.015) for p in ends),
            wall((0.1295, -0.013, 0.0), (0.1295, 0.012, 0.0925), 0.20),
            *door_drawn,
        ),
        pose=Pose((-0.1725, -0.088, 0.096)),
        joint=Joint("microjoint", "hinge", (0.0, 0.0, 1.0), (-2.094, 0.0), 0.5),
    )
    regions = (
        Region(
            "top_side", "box", (0.12, 0.0835, 0.005), Pose((0.0, 0.01, 0.20)), (1.0, 0.0, 0.0, 0.0)
        ),
        Region(
            "heating_region",
            "box",
            (0.12, 0.0835, 0.08),
            Pose((0.0, 0.01, 0.096)),
            (1.0, 0.0, 0.0, 0.0),
        ),
    )
    return Link("object", (*walls, case, *cavity, *panel), regions, children=(door,))


# --- racks, shelves, trays -------------------------------------------------------------------


def wine_rack() -> Link:
    """Makes the rack of two sloped, fluted boards on a post; bottles lie on the upper one."""
    slope = math.radians(31.28)
    across = math.radians(-60.7)
    boards = [(-0.0061, 0.2512), (-0.0427, 0.1273)]
    stops = [(-0.0748, 0.2207), (-0.1091, 0.0974)]
    touched = [
        *(lib.tilted((0.0, y, z), (0.1344, 0.0789, 0.0045), "x", slope) for y, z in boards),
        *(lib.tilted((0.0, y, z), (0.1322, 0.0087, 0.0011), "x", across) for y, z in stops),
        lib.solid((0.0, 0.0, 0.0066), (0.0665, 0.0930, 0.0045)),
        lib.tilted((0.0, 0.0694, 0.0101), (0.0900, 0.0600, 0.0045), "x", math.radians(-7.5)),
        lib.tilted((0.0, -0.0643, 0.0126), (0.0900, 0.0600, 0.0045), "x", math.radians(8.0)),
        lib.solid((0.0, 0.0, 0.0205), (0.0905, 0.0141, 0.0045)),
        lib.tilted((0.0, 0.0089, 0.1703), (0.0076, 0.0090, 0.1617), "x", math.radians(-15.8)),
    ]
    pine, mahogany = m.print_("light_wood"), m.print_("mahogany", gloss=0.4)
    drawn: list[Shape] = []
    for y, z in boards:
        slats = [
            ((-0.1344 + 0.0192 * (2 * k + 1) * 0.5, 0.0, 0.0), (0.0088, 0.0789, 0.0045))
            for k in range(14)
        ]
        slats.append(((0.0, 0.0, -0.0015), (0.1344, 0.0785, 0.0022)))
        board = lib.box_group(slats, pine, tile=0.2)
        drawn += place([board], Pose.rotated("x", slope, (0.0, y, z)))
    drawn += [
        Box(
            pose=Pose.rotated("x", across, (0.0, y, z)),
            half=(0.1322, 0.0087, 0.0014),
            material=mahogany,
        )
        for y, z in stops
    ]
    drawn += [
        Box(pose=s.pose, half=s.half, material=mahogany) for s in touched[4:] if isinstance(s, Box)
    ]
    region = Region(
        "top_region",
        "box",
        (0.10087, 0.02200, 0.00251),
        Pose((0.0, -0.08003, 0.21745), (0.8549119, -0.5187733, 0.0, 0.0)),
    )
    return Link("object", body([*touched, *drawn], 0.15275).shapes, (region,))


def wooden_tray() -> Link:
    """Makes the shallow crate with posts and two grab rails."""
    posts = [(-0.1321, 0.0681), (-0.1321, -0.0785), (0.1453, -0.0785), (0.1453, 0.0689)]
    parts = [
        ((0.0078, -0.0053, 0.0035), (0.1440, 0.0798, 0.0045)),
        ((-0.1392, -0.0055, 0.0299), (0.0023, 0.0778, 0.0246)),
        ((0.1532, -0.0055, 0.0299), (0.0023, 0.0778, 0.0246)),
        ((0.0078, -0.0845, 0.0332), (0.1440, 0.0031, 0.0294)),
        ((0.0078, 0.0758, 0.0312), (0.1440, 0.0031, 0.0284)),
        ((-0.1335, -0.0049, 0.0797), (0.0067, 0.0786, 0.0012)),
        ((0.1471, -0.0049, 0.0797), (0.0067, 0.0786, 0.0012)),
        *(((x, y, 0.0408), (0.0062, 0.0055, 0.0392)) for x, y in posts),
    ]
    slats = [((0.0078, -0.0845, z), (0.1440, 0.0034, 0.0120)) for z in (0.0165, 0.0475)]
    slats += [((0.0078, 0.0758, z), (0.1440, 0.0034, 0.0120)) for z in (0.0165, 0.0475)]
    slats += [
        ((x, -0.0055, z), (0.0026, 0.0778, 0.0115))
        for x in (-0.1392, 0.1532)
        for z in (0.016, 0.043)
    ]
    slats += [((0.0078, -0.0653 + 0.0300 * k, 0.0035), (0.1440, 0.0135, 0.0045)) for k in range(5)]
    slats += parts[5:]
    crate = lib.box_group(slats, m.print_("crate_wood"), tile=0.15)
    region = Region(
        "contain_region",
        "box",
        (0.04038, 0.07839, 0.13549),
        Pose((0.00863, -0.00471, 0.04255), Y_TURN),
        (1.0, 0.0, 0.0, 0.0),
    )
    touched = [lib.solid(c, h) for c, h in parts]
    return Link("object", body([*touched, crate], 0.05715).shapes, (region,))


def two_layer_shelf() -> Link:
    """Makes the low open shelf with one board inside."""
    parts = [
        ((-0.1538, 0.0162, 0.1046), (0.0071, 0.0954, 0.1044)),
        ((0.1631, 0.0162, 0.1046), (0.0071, 0.0954, 0.1044)),
        ((0.0029, 0.1094, 0.1046), (0.1633, 0.0023, 0.1044)),
        ((0.0052, 0.0187, 0.0700), (0.1533, 0.0896, 0.0011)),
        ((0.0050, 0.0164, 0.2082), (0.1758, 0.0953, 0.0025)),
    ]
    wood = lib.box_group(
        [
            *parts[:3],
            ((0.0052, 0.0187, 0.0695), (0.1533, 0.0896, 0.0030)),
            ((0.0050, 0.0162, 0.2065), (0.1775, 0.0975, 0.0042)),
        ],
        m.print_("dark_wood"),
    )
    grey = (0.8, 0.8, 0.8, 0.0)
    regions = (
        Region(
            "top_side", "box", (0.17557, 0.09438, 0.00147), Pose((0.00496, 0.01567, 0.20688)), grey
        ),
        Region(
            "top_region",
            "box",
            (0.06739, 0.08564, 0.15093),
            Pose((0.00538, 0.01687, 0.13672), (0.70711, 0.0, -0.70711, 0.0)),
            grey,
        ),
        Region(
            "bottom_region",
            "box",
            (0.03528, 0.08564, 0.15580),
            Pose((0.00555, 0.01687, 0.01407), Y_TURN),
            grey,
        ),
    )
    touched = [lib.solid(c, h) for c, h in parts]
    return Link("object", body([*touched, wood], 0.20633).shapes, regions)


def desk_caddy() -> Link:
    """Makes the desk organiser: four compartments behind low and high walls."""

    def step(y: float, half_y: float) -> list[tuple[Vec3, Vec3]]:
        """Returns the stepped boxes under the sloping edge of a side wall."""
        return [
            ((0.0, y, 0.0452), (0.0706, half_y, 0.0333)),
            ((0.0330, y, 0.0952), (0.0376, half_y, 0.0167)),
            ((0.0530, y, 0.1310), (0.0176, half_y, 0.0191)),
        ]

    floor = ((0.0, 0.0, 0.0076), (0.0755, 0.2169, 0.0062))
    plain = [
        ((0.0, -0.0680, 0.0850), (0.0706, 0.0062, 0.0824)),
        ((0.0, -0.2094, 0.0850), (0.0706, 0.0062, 0.0824)),
        ((0.0668, 0.0, 0.0868), (0.0040, 0.2098, 0.0815)),
        ((-0.0016, 0.0, 0.0552), (0.0040, 0.0668, 0.0434)),
        ((-0.0669, 0.0, 0.0395), (0.0040, 0.2098, 0.0346)),
        ((-0.0669, -0.1398, 0.0877), (0.0040, 0.0766, 0.0796)),
    ]
    touched = [
        lib.solid(c, h) for c, h in [floor, *plain, *step(0.0706, 0.0036), *step(0.2086, 0.0036)]
    ]
    shell = m.paint("caddy", 0.32, 0.33, 0.36, gloss=0.3)
    drawn: list[Shape] = [lib.box_group([floor, *plain], shell)]
    outline = [(-0.0706, 0.012), (0.0706, 0.012), (0.0706, 0.168), (0.046, 0.168), (-0.0706, 0.080)]
    drawn += [lib.prism(outline, 0.0036, shell, pose=Pose((0.0, y, 0.0))) for y in (0.0706, 0.2086)]
    drawn = [
        lib.merged(drawn),
        lib.block((0.0, 0.0, 0.0028), (0.0765, 0.2185, 0.0018), m.paint("felt", 0.2, 0.2, 0.21)),
    ]
    grey, half_turn = (0.8, 0.8, 0.8, 0.0), (0.0, 0.0, 1.0, 0.0)
    regions = (
        Region(
            "right_contain_region",
            "box",
            (0.06196, 0.06216, 0.06046),
            Pose((0.00631, -0.14339, 0.06558), half_turn),
            grey,
        ),
        Region(
            "left_contain_region",
            "box",
            (0.06196, 0.06216, 0.06046),
            Pose((0.00631, 0.14551, 0.06558), half_turn),
            grey,
        ),
        Region(
            "back_contain_region",
            "box",
            (0.02775, 0.06216, 0.06046),
            Pose((0.03364, -0.00064, 0.08558), half_turn),
            grey,
        ),
        Region(
            "front_contain_region",
            "box",
            (0.02775, 0.03595, 0.06216),
            Pose((-0.03102, -0.00064, 0.04054), (0.0, 0.0, 0.70711, -0.70711)),
            grey,
        ),
    )
    return Link("object", body([*touched, *drawn], 0.27796).shapes, regions)


def book(cover: str, low: Vec3, high: Vec3, mass: float) -> Link:
    """Makes an upright book from its corners."""
    center = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
    half = tuple((b - a) / 2 for a, b in zip(low, high, strict=True))
    drawn = lib.book(low, high, m.print_(cover, faces=True), m.PAPER)
    return body([lib.solid(center, half), *drawn], mass)
