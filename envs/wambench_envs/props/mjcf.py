"""Writes props as MJCF: assets and a body tree.

Non-obvious behaviours:
    * MuJoCo draws a reflective material in a second pass over the scene; reflectance is therefore
      never written (0 is the default) and highlights come from ``specular`` alone.
    * Visual meshes are declared ``inertia="shell"``: the compiler otherwise insists on a positive
      enclosed volume, which open surfaces (a mug's inside) do not have.
    * A 2d texture on a box geom is stretched over x and y only; use ``projection="cube"``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping

import numpy as np

from wambench_envs.props.shapes import (
    Box,
    Capsule,
    Cylinder,
    Ellipsoid,
    Link,
    Material,
    Mesh,
    Plane,
    Pose,
    Role,
    Shape,
)

Surfaces = Mapping[str, Mapping[str, str]]
"""Contact profiles by name: MJCF attributes of collision geoms."""

VISUAL_GROUP = "1"
COLLISION_GROUP = "0"


def number(value: float, digits: int = 6) -> str:
    """Formats a number shortly and without negative zero."""
    value = round(float(value), digits)
    return f"{value + 0.0:.10g}"


def numbers(values: Iterable[float], digits: int = 6) -> str:
    """Formats a vector."""
    return " ".join(number(v, digits) for v in values)


def pose_attributes(pose: Pose, *, digits: int = 6) -> dict[str, str]:
    """Returns ``pos`` and ``quat``, leaving out what is the identity."""
    out = {}
    if any(abs(v) > 1e-9 for v in pose.pos):
        out["pos"] = numbers(pose.pos, digits)
    if any(abs(v) > 1e-9 for v in pose.quat[1:]):
        out["quat"] = numbers(pose.quat, 7)
    return out


class AssetWriter:
    """Collects textures, materials and meshes of one MJCF file, each once.

    Attributes:
        element: The ``<asset>`` element.
        texture_files: File names (relative to the XML) by texture key.
    """

    def __init__(self, texture_files: Mapping[str, str]) -> None:
        self.element = ET.Element("asset")
        self.texture_files = texture_files
        self._textures: set[tuple[str, str]] = set()
        self._materials: dict[str, Material] = {}
        self._meshes: dict[tuple[str, ...], str] = {}

    def material(self, material: Material) -> str:
        """Declares a material (and its texture) and returns its name."""
        known = self._materials.get(material.name)
        if known is not None:
            if known != material:
                raise ValueError(f"two different materials are called {material.name!r}")
            return material.name
        self._materials[material.name] = material
        attributes = {"name": material.name}
        if material.texture is not None:
            attributes["texture"] = self._texture(material.texture, material.projection)
            attributes["texrepeat"] = numbers(material.repeat)
            attributes["texuniform"] = "true" if material.uniform else "false"
        if material.rgba != (1.0, 1.0, 1.0, 1.0):
            attributes["rgba"] = numbers(material.rgba, 3)
        attributes["specular"] = number(material.specular, 3)
        attributes["shininess"] = number(material.shininess, 3)
        if material.emission:
            attributes["emission"] = number(material.emission, 3)
        ET.SubElement(self.element, "material", attributes)
        return material.name

    def mesh(self, mesh: Mesh) -> str:
        """Declares an inline mesh, unless an equal one is there already, and returns its name."""
        attributes = {
            "inertia": "shell",
            "vertex": numbers(mesh.vertices.ravel(), 5),
            "normal": numbers(mesh.normals.ravel(), 2),
        }
        if mesh.uv is not None and mesh.material is not None and mesh.material.texture:
            # MuJoCo's v runs downwards from the top row of the image.
            flipped = np.column_stack([mesh.uv[:, 0], 1.0 - mesh.uv[:, 1]])
            attributes["texcoord"] = numbers(flipped.ravel(), 3)
        attributes["face"] = " ".join(str(int(i)) for i in mesh.faces.ravel())
        content = tuple(attributes.values())
        if content not in self._meshes:
            self._meshes[content] = f"mesh{len(self._meshes)}"
            ET.SubElement(self.element, "mesh", {"name": self._meshes[content], **attributes})
        return self._meshes[content]

    def _texture(self, key: str, projection: str) -> str:
        name = f"tex-{key}" if projection == "uv" else f"tex-{key}-{projection}"
        if (key, projection) not in self._textures:
            self._textures.add((key, projection))
            kind = "2d" if projection == "uv" else "cube"
            attributes = {"name": name, "type": kind, "file": self.texture_files[key]}
            ET.SubElement(self.element, "texture", attributes)
        return name


def shape_element(shape: Shape, assets: AssetWriter, surfaces: Surfaces) -> ET.Element:
    """Builds one ``<geom>``.

    Args:
        shape: The shape.
        assets: Receives the material and mesh.
        surfaces: Contact profiles; a collision shape's ``surface`` must be among them.
    """
    attributes: dict[str, str] = {}
    if shape.name is not None:
        attributes["name"] = shape.name
    match shape:
        case Box():
            attributes |= {"type": "box", "size": numbers(shape.half)}
        case Cylinder():
            attributes |= {"type": "cylinder", "size": numbers((shape.radius, shape.half_length))}
        case Capsule():
            attributes |= {"type": "capsule", "size": numbers((shape.radius, shape.half_length))}
        case Ellipsoid():
            attributes |= {"type": "ellipsoid", "size": numbers(shape.half)}
        case Plane():
            attributes |= {"type": "plane", "size": numbers((*shape.half, 0.125))}
        case Mesh():
            attributes |= {"type": "mesh", "mesh": assets.mesh(shape)}
        case _:
            raise TypeError(f"cannot write {type(shape).__name__} as MJCF")
    attributes |= pose_attributes(shape.pose)
    if shape.role is Role.VISUAL:
        # Massless even where a model's inertiagrouprange would include the visual group.
        attributes |= {"group": VISUAL_GROUP, "contype": "0", "conaffinity": "0", "mass": "0"}
        if shape.material is not None:
            attributes["material"] = assets.material(shape.material)
    else:
        attributes["group"] = COLLISION_GROUP
        attributes |= surfaces[shape.surface]
        if shape.mass is not None:
            attributes["mass"] = number(shape.mass, 9)
    return ET.Element("geom", attributes)


def link_element(link: Link, assets: AssetWriter, surfaces: Surfaces) -> ET.Element:
    """Builds the ``<body>`` of a link and all links below it."""
    body = ET.Element("body", {"name": link.name, **pose_attributes(link.pose)})
    if link.inertial is not None:
        attributes = {"pos": numbers(link.inertial.pos), "mass": number(link.inertial.mass)}
        attributes["diaginertia"] = numbers(link.inertial.diagonal)
        ET.SubElement(body, "inertial", attributes)
    if link.joint is not None:
        joint = link.joint
        attributes = {"name": joint.name, "type": joint.kind, "axis": numbers(joint.axis)}
        attributes |= {"limited": "true", "range": numbers(joint.limits)}
        attributes["damping"] = number(joint.damping)
        ET.SubElement(body, "joint", attributes)
    for region in link.regions:
        attributes = {"name": region.name, "type": region.shape, "size": numbers(region.size)}
        # Always both parts of the pose: readers of regions (LIBERO's) take them as given.
        attributes |= {"pos": numbers(region.pose.pos), "quat": numbers(region.pose.quat, 7)}
        attributes["rgba"] = numbers(region.rgba, 3)
        ET.SubElement(body, "site", attributes)
    for shape in link.shapes:
        body.append(shape_element(shape, assets, surfaces))
    for child in link.children:
        body.append(link_element(child, assets, surfaces))
    return body


def to_text(root: ET.Element) -> str:
    """Serialises an element with two-space indentation and a final newline."""
    ET.indent(root, "  ")
    return ET.tostring(root, encoding="unicode") + "\n"
