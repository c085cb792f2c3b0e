"""A low-poly look for the robot, for embedded scenes.

Of the 212,000 faces of an official LIBERO scene 182,000 are robosuite's Panda and its pedestal, and
a software renderer spends its time on them. `low_poly` rewrites a compiled scene's XML so that
each link is drawn by its own collision mesh (at most 300 faces) or by a primitive, and turns
multi-sampling off. Geoms keep their names, groups and order and collide as before, bodies keep
their inertia, so states are equal to the last bit.

Non-obvious behaviours
    - Robosuite's collision mesh of link 1 is a copy of the visual one (12,516 faces) and link 7 has
      none; these two are drawn by primitives.
    - Visual geoms that are not needed cannot be removed, for robosuite looks them up by name. They
      become tiny transparent boxes, which MuJoCo does not draw.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

WHITE = "0.90 0.91 0.92 1"
GRAPHITE = "0.22 0.23 0.25 1"
STEEL = "0.55 0.57 0.60 1"

Shape = Mapping[str, str]


def _mesh(name: str, rgba: str) -> Shape:
    return {"type": "mesh", "mesh": name, "rgba": rgba}


def _round(kind: str, radius: float, start: str, end: str, rgba: str) -> Shape:
    return {"type": kind, "size": f"{radius}", "fromto": f"{start} {end}", "rgba": rgba}


# Link dimensions are the Panda's: shoulder at 0.333 m above the base, flange 0.107 m past joint 7.
SHAPES: Mapping[str, tuple[Shape, ...]] = {
    "robot0_link0": (_mesh("robot0_link0", WHITE),),
    "robot0_link1": (_round("capsule", 0.062, "0 0 -0.19", "0 -0.03 0", WHITE),),
    "robot0_link2": (_mesh("robot0_link2", WHITE),),
    "robot0_link3": (_mesh("robot0_link3", WHITE),),
    "robot0_link4": (_mesh("robot0_link4", WHITE),),
    "robot0_link5": (_mesh("robot0_link5", WHITE),),
    "robot0_link6": (_mesh("robot0_link6", WHITE),),
    "robot0_link7": (
        _round("cylinder", 0.045, "0 0 0.02", "0 0 0.095", WHITE),
        _round("cylinder", 0.040, "0 0 0.095", "0 0 0.107", GRAPHITE),
    ),
    "gripper0_right_gripper": (_mesh("gripper0_hand", WHITE),),
    "gripper0_leftfinger": (_mesh("gripper0_finger", STEEL),),
    "gripper0_rightfinger": (_mesh("gripper0_finger", STEEL),),
    "mount0_pedestal": (_round("cylinder", 0.18, "-0.02 0 -0.60", "-0.02 0 0.02", GRAPHITE),),
}
"""Body to the shapes that show it, in the frame of the geom they replace."""

_HIDDEN: Shape = {"type": "box", "size": "1e-4 1e-4 1e-4", "rgba": "0 0 0 0"}
_LOOK = ("type", "mesh", "material", "rgba", "size", "fromto")


def low_poly(xml: str) -> str:
    """The scene with a cheap robot and without multi-sampling; the physics is unchanged.

    Args:
        xml: A compiled robosuite scene with a Panda.
    """
    root = ET.fromstring(xml)
    for body in root.iter("body"):
        shapes = SHAPES.get(body.get("name", ""))
        if shapes is not None:
            _redraw(body, shapes)
    _drop_unused_meshes(root)
    visual = root.find("visual")
    if visual is None:
        visual = ET.SubElement(root, "visual")
    quality = visual.find("quality")
    if quality is None:
        quality = ET.SubElement(visual, "quality")
    quality.set("offsamples", "0")
    return ET.tostring(root, encoding="unicode")


def _redraw(body: ET.Element, shapes: tuple[Shape, ...]) -> None:
    visuals = [geom for geom in body.findall("geom") if _is_visual(geom)]
    for number, geom in enumerate(visuals):
        shape = shapes[number] if number < len(shapes) else _HIDDEN
        for attribute in _LOOK:
            geom.attrib.pop(attribute, None)
        if "fromto" in shape:
            for attribute in ("pos", "quat", "euler"):
                geom.attrib.pop(attribute, None)
        geom.attrib.update(shape)


def _is_visual(geom: ET.Element) -> bool:
    return geom.get("group") == "1"


def _used_meshes(root: ET.Element) -> Iterator[str]:
    for geom in root.iter("geom"):
        if geom.get("mesh"):
            yield geom.get("mesh", "")


def _drop_unused_meshes(root: ET.Element) -> None:
    """Saves reading and compiling the detailed meshes."""
    used = set(_used_meshes(root))
    for asset in root.iter("asset"):
        for mesh in asset.findall("mesh"):
            if mesh.get("name") not in used:
                asset.remove(mesh)
