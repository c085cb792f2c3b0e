"""Neutral vocabulary of the props library: shapes, links, joints, regions.

A :class:`Prop` is a tree of :class:`Link` objects, each holding :class:`Shape` objects that are
either seen (``Role.VISUAL``) or touched (``Role.COLLISION``), never both. Nothing here knows a
simulator; :mod:`wambench_envs.props.mjcf` is one consumer of the description.

Units are metres, kilograms and radians. Quaternions are ``(w, x, y, z)``. A pose maps the
shape's (or link's) own frame into that of its parent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Rgba = tuple[float, float, float, float]

IDENTITY: Quat = (1.0, 0.0, 0.0, 0.0)


class Role(Enum):
    """Whether a shape is drawn or takes part in contacts (and carries mass)."""

    VISUAL = "visual"
    COLLISION = "collision"


@dataclass(frozen=True)
class Pose:
    """Rigid transform from a child frame to its parent frame.

    Attributes:
        pos: Origin of the child in the parent, metres.
        quat: Orientation of the child in the parent, ``(w, x, y, z)``.
    """

    pos: Vec3 = (0.0, 0.0, 0.0)
    quat: Quat = IDENTITY

    def matrix(self) -> np.ndarray:
        """Returns the ``(3, 3)`` rotation matrix of :attr:`quat`."""
        w, x, y, z = np.asarray(self.quat, dtype=float) / np.linalg.norm(self.quat)
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )

    def __matmul__(self, other: Pose) -> Pose:
        """Composes two poses: ``(a @ b)`` applies ``b`` first."""
        pos = self.matrix() @ np.asarray(other.pos, dtype=float) + np.asarray(self.pos)
        aw, ax, ay, az = self.quat
        bw, bx, by, bz = other.quat
        quat = (
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        )
        return Pose((float(pos[0]), float(pos[1]), float(pos[2])), quat)

    @staticmethod
    def rotated(axis: str, angle: float, pos: Vec3 = (0.0, 0.0, 0.0)) -> Pose:
        """Builds a pose turned by ``angle`` radians about the axis ``"x"``, ``"y"`` or ``"z"``."""
        half = math.sin(angle / 2)
        vec = {"x": (half, 0.0, 0.0), "y": (0.0, half, 0.0), "z": (0.0, 0.0, half)}[axis]
        return Pose(pos, (math.cos(angle / 2), *vec))


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        name: Unique within a prop.
        rgba: Base colour; multiplies the texture where there is one.
        texture: Key of an image in the prop's texture table, or ``None``.
        projection: ``"uv"`` (mesh coordinates or planar) or ``"cube"`` (one square per face).
        repeat: Texture repeats along u and v.
        uniform: Repeats count per metre instead of per shape.
        specular: Strength of highlights, 0..1.
        shininess: Tightness of highlights, 0..1.
        emission: Self-illumination, 0..1.
    """

    name: str
    rgba: Rgba = (1.0, 1.0, 1.0, 1.0)
    texture: str | None = None
    projection: str = "uv"
    repeat: tuple[float, float] = (1.0, 1.0)
    uniform: bool = False
    specular: float = 0.2
    shininess: float = 0.2
    emission: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Common part of all shapes.

    Attributes:
        role: Drawn or touched.
        pose: Pose of the shape in its link.
        material: Look of a drawn shape; ignored for collision shapes.
        name: Optional name a suite needs to find the shape again.
        mass: Mass in kg of a collision shape, or ``None`` to derive it from the volume.
        surface: Key of a contact profile that the emitter knows (friction, stiffness).
    """

    role: Role = Role.VISUAL
    pose: Pose = field(default_factory=Pose)
    material: Material | None = None
    name: str | None = None
    mass: float | None = None
    surface: str = "default"

    def volume(self) -> float:
        """Returns the volume in cubic metres (zero for meshes, which never carry mass here)."""
        raise NotImplementedError

    def placed(self, pose: Pose) -> Shape:
        """Returns the shape moved by ``pose`` (applied after its own pose)."""
        return replace(self, pose=pose @ self.pose)


@dataclass(frozen=True, kw_only=True)
class Box(Shape):
    """A cuboid; ``half`` are its half extents along its own axes."""

    half: Vec3

    def volume(self) -> float:
        """Returns the volume in cubic metres."""
        return 8.0 * self.half[0] * self.half[1] * self.half[2]


@dataclass(frozen=True, kw_only=True)
class Cylinder(Shape):
    """A solid cylinder along its own z axis."""

    radius: float
    half_length: float

    def volume(self) -> float:
        """Returns the volume in cubic metres."""
        return 2.0 * math.pi * self.radius**2 * self.half_length


@dataclass(frozen=True, kw_only=True)
class Capsule(Shape):
    """A cylinder along its own z axis with half-ball ends (``half_length`` excludes them)."""

    radius: float
    half_length: float

    def volume(self) -> float:
        """Returns the volume in cubic metres."""
        return math.pi * self.radius**2 * (2.0 * self.half_length + 4.0 / 3.0 * self.radius)


@dataclass(frozen=True, kw_only=True)
class Ellipsoid(Shape):
    """An ellipsoid with half axes ``half``; equal half axes make a ball."""

    half: Vec3

    def volume(self) -> float:
        """Returns the volume in cubic metres."""
        return 4.0 / 3.0 * math.pi * self.half[0] * self.half[1] * self.half[2]


@dataclass(frozen=True, kw_only=True)
class Plane(Shape):
    """A ground plane facing its own +z, drawn up to ``half`` in x and y."""

    half: tuple[float, float]

    def volume(self) -> float:
        """Returns zero: a plane has no volume."""
        return 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh(Shape):
    """A triangle mesh with one normal and one texture coordinate per vertex.

    Attributes:
        vertices: ``(N, 3)`` metres, in the shape's frame.
        faces: ``(M, 3)`` vertex indices, counter-clockwise seen from outside.
        normals: ``(N, 3)`` unit vectors.
        uv: ``(N, 2)`` texture coordinates with v = 0 at the bottom of the image, or ``None``.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    uv: np.ndarray | None = None

    def volume(self) -> float:
        """Returns zero: meshes are only drawn."""
        return 0.0


@dataclass(frozen=True)
class Region:
    """A named volume without contacts that success rules refer to.

    Attributes:
        name: Name within the prop.
        shape: ``"box"``, ``"cylinder"`` or ``"sphere"``.
        size: Half extents (box), radius and half height (cylinder) or radius (sphere).
        pose: Pose in the link.
        rgba: Colour; alpha 0 keeps it invisible.
    """

    name: str
    shape: str
    size: tuple[float, ...]
    pose: Pose = field(default_factory=Pose)
    rgba: Rgba = (0.8, 0.8, 0.8, 0.0)


@dataclass(frozen=True)
class Joint:
    """One degree of freedom between a link and its parent.

    Attributes:
        name: Name within the prop.
        kind: ``"slide"`` or ``"hinge"``.
        axis: Unit axis in the link frame; it passes through the link origin.
        limits: Lower and upper limit, metres or radians.
        damping: N s/m or N m s/rad.
    """

    name: str
    kind: str
    axis: Vec3
    limits: tuple[float, float]
    damping: float


@dataclass(frozen=True)
class Inertial:
    """Mass properties that replace those of the collision shapes.

    Attributes:
        mass: Kilograms.
        diagonal: Principal moments about ``pos``, kg m^2.
        pos: Centre of mass in the link frame, metres.
    """

    mass: float
    diagonal: Vec3
    pos: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Link:
    """A rigid body: its shapes, regions, and the bodies attached to it.

    Attributes:
        name: Name within the prop.
        shapes: What is drawn and touched.
        regions: Named volumes.
        pose: Pose in the parent link.
        joint: Freedom relative to the parent; ``None`` means welded to it.
        inertial: Explicit mass properties, if the shapes shall not decide them.
        children: Links further out.
    """

    name: str
    shapes: tuple[Shape, ...] = ()
    regions: tuple[Region, ...] = ()
    pose: Pose = field(default_factory=Pose)
    joint: Joint | None = None
    inertial: Inertial | None = None
    children: tuple[Link, ...] = ()

    def walk(self) -> Iterator[Link]:
        """Yields this link and all links below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def place(shapes: Iterable[Shape], pose: Pose) -> tuple[Shape, ...]:
    """Moves a group of shapes by one pose."""
    return tuple(shape.placed(pose) for shape in shapes)


def with_total_mass(shapes: Iterable[Shape], total: float) -> tuple[Shape, ...]:
    """Shares ``total`` kilograms among the collision shapes in proportion to their volume."""
    shapes = tuple(shapes)
    volume = sum(s.volume() for s in shapes if s.role is Role.COLLISION)
    if volume <= 0.0:
        raise ValueError(f"a mass of {total} kg needs collision shapes with volume; got none")
    return tuple(
        replace(s, mass=total * s.volume() / volume) if s.role is Role.COLLISION else s
        for s in shapes
    )
