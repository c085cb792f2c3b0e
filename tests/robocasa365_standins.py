"""Stand-ins for RoboCasa v1.0.1's assets: boxes with the joints, sites and regions of the real.

Unlike v0.2, the repository has hardly any models of fixtures: everything that a floor plan can call
for is made here, as one box with small handles on the joints that upstream's code asks for by name.
Floor plans, cabinets, the drawing of episodes and success rules are upstream's; nothing looks or
collides as upstream's does. `python tests/robocasa365_standins.py SOURCE TARGET` makes them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from robocasa_standins import BOX, INSTANCES, categories, picture, write
from wambench_envs.asset_files import references


@dataclass(frozen=True)
class Kind:
    """A kind of fixture.

    Attributes:
        size: Width, depth and height, m.
        hinges: Joints to their ranges, rad.
        slides: Joints to their ranges, m.
        sites: Names to the joint whose part they are on; an empty one for the body itself.
        regions: Names, each a fraction of the inside: centre and half size along each axis.
        geoms: Names of small boxes at the front, for example of buttons.
    """

    size: tuple[float, float, float] = (0.1, 0.1, 0.15)
    hinges: dict[str, tuple[float, float]] = field(default_factory=dict)
    slides: dict[str, tuple[float, float]] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    regions: dict[str, tuple[float, ...]] = field(default_factory=dict)
    geoms: tuple[str, ...] = ()


WHOLE = (0.0, 0.0, 0.0, 0.8, 0.8, 0.8)
BURNERS = ("front_left", "front_right", "rear_left", "rear_right")
_KNOBS = Kind(
    (0.76, 0.6, 0.12),
    hinges={f"knob_{place}_joint": (-3.1, 3.1) for place in BURNERS},
    sites={f"burner_on_{place}": "" for place in BURNERS},
)
_DOOR = (0.0, 1.57)
_KNOB = (0.0, 3.0)

KINDS: dict[str, Kind] = {
    "sinks": Kind(
        (0.8, 0.53, 0.3),
        hinges={
            "handle_joint": (0.0, 0.6),
            "spout_joint": (-1.57, 1.57),
            "handle_temp_joint": (-0.79, 0.79),
        },
        sites={"water": "spout_joint"},
        regions={"basin": (0.0, -0.1, -0.5, 0.6, 0.5, 0.3)},
    ),
    "stoves": _KNOBS,
    "stovetops": _KNOBS,
    "microwaves": Kind(
        (0.6, 0.4, 0.35),
        hinges={"microjoint": (-1.57, 0.0)},
        regions={"int": WHOLE},
        geoms=("start_button", "stop_button", "tray"),
    ),
    "ovens": Kind(
        (0.76, 0.6, 0.6),
        hinges={"door_joint": _DOOR, "knob_time_joint": _KNOB, "knob_temp_joint": _KNOB},
        slides={"rack0_joint": (0.0, 0.3), "rack1_joint": (0.0, 0.3)},
        regions={"rack0": (0, 0, -0.4, 0.8, 0.8, 0.2), "rack1": (0, 0, 0.4, 0.8, 0.8, 0.2)},
    ),
    "toaster_ovens": Kind(
        (0.45, 0.35, 0.3),
        hinges={
            "door_joint": _DOOR,
            **{f"knob_{what}_joint": _KNOB for what in ("doneness", "function", "temp", "time")},
        },
        slides={"rack0_joint": (0.0, 0.2), "tray0_joint": (0.0, 0.2)},
        regions={"rack0": (0, 0, 0.3, 0.8, 0.8, 0.3), "tray0": (0, 0, -0.5, 0.8, 0.8, 0.2)},
    ),
    "fridges": Kind(
        (0.9, 0.7, 1.75),
        hinges={"fridge_door_joint": _DOOR, "freezer_door_joint": _DOOR},
        slides={"fridge_drawer0_joint": (0.0, 0.3), "freezer_drawer0_joint": (0.0, 0.3)},
        regions={
            "fridge0": (0, 0, 0.1, 0.8, 0.8, 0.15),
            "fridge1": (0, 0, 0.5, 0.8, 0.8, 0.15),
            "fridge_drawer0": (0, 0, -0.2, 0.8, 0.8, 0.1),
            "freezer0": (0, 0, -0.5, 0.8, 0.8, 0.14),
            "freezer1": (0, 0, -0.8, 0.8, 0.8, 0.14),
        },
    ),
    "dishwashers": Kind(
        (0.6, 0.6, 0.8),
        hinges={"door_joint": _DOOR},
        slides={"rack1_joint": (0.0, 0.4)},
        regions={"rack0": (0, 0, -0.4, 0.8, 0.8, 0.2), "rack1": (0, 0, 0.4, 0.8, 0.8, 0.2)},
    ),
    "toasters": Kind(
        (0.3, 0.2, 0.2),
        hinges={"knob_doneness_joint": _KNOB},
        slides={"lever_joint": (-0.1, 0.0), "button_cancel_joint": (0.0, 0.01)},
        regions={"slotL": (-0.4, 0, 0.2, 0.3, 0.8, 0.7), "slotR": (0.4, 0, 0.2, 0.3, 0.8, 0.7)},
        geoms=("slotL_floor", "slotR_floor"),
    ),
    "coffee_machines": Kind(
        (0.25, 0.3, 0.35),
        sites={"receptacle_place_site": "", "coffee_liquid": ""},
        geoms=("start_button",),
    ),
    "blenders": Kind((0.18, 0.18, 0.3), regions={"int": WHOLE}, geoms=("power_button_main",)),
    "stand_mixers": Kind(
        (0.25, 0.35, 0.35),
        hinges={"head_joint": (0.0, 0.8), "knob_speed_joint": _KNOB},
        slides={"button_head_lock_joint": (0.0, 0.01), "bowl_joint": (0.0, 0.1)},
        regions={"bowl": (0, -0.3, -0.3, 0.6, 0.5, 0.4)},
    ),
    "electric_kettles": Kind(
        (0.2, 0.15, 0.25),
        hinges={"lid_joint": _DOOR, "switch_joint": (0.0, 0.4)},
        slides={"button_lid_joint": (0.0, 0.01)},
        regions={"int": WHOLE},
    ),
    "hoods": Kind((0.76, 0.4, 0.4)),
    "windows": Kind((0.8, 0.05, 0.8)),
    "handles": Kind((0.03, 0.03, 0.15)),
    "cabinet_panels": Kind((0.4, 0.02, 0.5)),
    "dish_rack": Kind((0.35, 0.3, 0.1), regions={"int_0": WHOLE}),
    "stool": Kind((0.4, 0.4, 0.7)),
}
"""By the folder that a model's own is in."""
OTHER = Kind(sites={"liquid": ""})
"""What has no folder there; some of it is drawn as an object as well, glasses for example."""

_MODEL = """<mujoco model="standin">
  <asset>
    <texture type="2d" name="tex" file="visuals/standin.png"/>
    <material name="mat" texture="tex"/>
    <mesh name="shape" file="visuals/standin.obj" scale="{x} {y} {z}"/>
  </asset>
  <worldbody>
    <body>
      <body name="object">
        <geom type="mesh" mesh="shape" material="mat" group="1" contype="0" conaffinity="0"
          density="100"/>
        <geom name="{solid}" type="box" size="{x} {y} {z}" group="0" rgba="0.5 0 0 0.5"
          density="100"/>
        {inside}
      </body>
      <site name="bottom_site" pos="0 0 -{z}" size="0.005" rgba="0 0 0 0"/>
      <site name="top_site" pos="0 0 {z}" size="0.005" rgba="0 0 0 0"/>
      <site name="horizontal_radius_site" pos="{x} {y} 0" size="0.005" rgba="0 0 0 0"/>
      <site name="anchor_site" pos="0 0 {z}" size="0.005" rgba="0 0 0 0"/>
    </body>
  </worldbody>
</mujoco>
"""

_FLAT = ("plate", "bowl", "pan", "pot", "tray", "cutting_board", "saucepan", "rack", "basket")


def make(source: Path, target: Path) -> Path:
    """Fills `target` with stand-ins for what the checkout `source` would download; returns it."""
    assets = source / "robocasa" / "models" / "assets"
    written = _texts([*assets.rglob("*.yaml"), *(source / "robocasa").rglob("*.py")])
    for name in sorted(set(re.findall(r"\b(?:generative_)?textures/[\w./-]+\.png", written))):
        picture(target / name)
    for model in sorted((assets / "fixtures").rglob("*.xml")):
        for name in references(assets, model.relative_to(assets).as_posix()):
            picture(target / name) if name.endswith(".png") else write(target / name, BOX)
    named = re.findall(r"\b(?:fixtures|objects)/[\w./-]+", written)
    for folder in sorted({name.removesuffix("/model.xml") for name in named}):
        if folder.count("/") >= 2 and "." not in folder and not (assets / folder).is_dir():
            _model(target / folder, KINDS.get(folder.split("/")[-2], OTHER))
    for category, folder in categories(source, "objaverse", "lightwheel", "aigen").items():
        flat = any(word in category for word in _FLAT)
        size = (0.18, 0.18, 0.03) if flat else (0.05, 0.05, 0.06)
        for number in range(INSTANCES):
            grown = tuple(round(side * (1 + 0.05 * number), 4) for side in size)
            place = target / "objects" / folder / f"{category}_standin_{number}"
            inside = Kind(grown, sites={"liquid": ""}, regions={"int": WHOLE})
            _model(place, inside, ("model", "model_upright"))
            _model(place / "auxiliary", Kind(grown))
    return target


def _texts(paths: Iterable[Path]) -> str:
    return "\n".join(re.sub(r"#.*", "", path.read_text(encoding="utf-8")) for path in sorted(paths))


def _model(place: Path, kind: Kind, names: tuple[str, ...] = ("model",)) -> None:
    x, y, z = (side / 2 for side in kind.size)
    boxes = {"main": (0.0, 0.0, 0.0, 1.0, 1.0, 1.0), "bbox": (0.0, 0.0, 0.0, 1.0, 1.0, 1.0)}
    inside = [
        f'<geom name="reg_{name}" type="box" group="1" contype="0" conaffinity="0" mass="0" '
        f'rgba="0 1 0 0" pos="{a * x} {b * y} {c * z}" size="{d * x} {e * y} {f * z}"/>'
        for name, (a, b, c, d, e, f) in (boxes | kind.regions).items()
    ]
    sites = {
        name: f'<site name="{name}" pos="0 {-y / 2} 0" size="0.02 0.05" type="cylinder" '
        'rgba="0 0 1 0"/>'
        for name in kind.sites
    }
    inside += [sites[name] for name, joint in kind.sites.items() if not joint]
    front = 'type="box" size="0.01 0.01 0.01" group="0" density="100" contype="0" conaffinity="0"'
    inside += [
        f'<geom name="{name}" pos="{0.03 * k} {-y} 0" {front}/>'
        for k, name in enumerate(kind.geoms)
    ]
    for type_, joints in (("hinge", kind.hinges), ("slide", kind.slides)):
        inside += [
            f'<body name="{name[: -len("_joint")]}" pos="{0.03 * k - x} {-y - 0.02} {0.03 * k}">'
            f'<joint name="{name}" type="{type_}" axis="0 0 1" range="{low} {high}" '
            f'limited="true" damping="2"/><geom {front}/>'
            + "".join(sites[site] for site, joint in kind.sites.items() if joint == name)
            + "</body>"
            for k, (name, (low, high)) in enumerate(joints.items())
        ]
    text = _MODEL.format(x=x, y=y, z=z, solid="solid", inside="\n        ".join(inside))
    for name in names:
        write(place / f"{name}.xml", text)
    picture(place / "visuals" / "standin.png")
    write(place / "visuals" / "standin.obj", BOX)


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), Path(sys.argv[2])))
