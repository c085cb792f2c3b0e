"""Low-poly triangle meshes: bodies of revolution, lofts, tubes, boxes and prisms.

All builders return a drawn :class:`~wambench_envs.props.shapes.Mesh` with outward normals.
Normals are smoothed over edges shallower than :data:`CREASE` and split over sharper ones, so that
twelve to sixteen segments look round while a can's lid keeps its edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wambench_envs.props.shapes import Material, Mesh, Pose

CREASE = math.radians(50.0)
"""Profile corners turning by more than this keep a sharp edge."""

SEGMENTS = 14
"""Default number of segments around an axis."""


def lathe(
    profile: Sequence[tuple[float, float]],
    material: Material,
    *,
    segments: int = SEGMENTS,
    squash: float = 1.0,
    band: tuple[float, float] | None = None,
    pose: Pose | None = None,
) -> Mesh:
    """Turns a profile about the z axis.

    Args:
        profile: Points ``(radius, height)`` in metres. Going up the outside, over a rim and down
            the inside gives outward normals everywhere.
        material: Look of the surface.
        segments: Number of segments around the axis.
        squash: Factor on y, for bottles with an oval cross-section.
        band: Heights in metres that map to v = 0 and v = 1 of the texture; the whole profile
            length is used if absent.
        pose: Pose of the result in its link.

    Returns:
        The mesh; u runs once around from the +y side, so that u = 0.5 faces -y; v runs along
        the profile.
    """
    points = np.asarray(profile, dtype=float)
    delta = np.diff(points, axis=0)
    length = np.linalg.norm(delta, axis=1)
    slope = np.stack([delta[:, 1], -delta[:, 0]], axis=1) / length[:, None]
    arc = np.concatenate([[0.0], np.cumsum(length)]) / length.sum()
    rows: list[tuple[int, np.ndarray]] = []
    strips: list[tuple[int, int]] = []
    for i in range(len(delta)):
        if i and math.acos(np.clip(slope[i - 1] @ slope[i], -1.0, 1.0)) <= CREASE:
            start = len(rows) - 1
            blend = slope[i - 1] + slope[i]
            rows[start] = (i, blend / np.linalg.norm(blend))
        else:
            start = len(rows)
            rows.append((i, slope[i]))
        rows.append((i + 1, slope[i]))
        strips.append((start, len(rows) - 1))

    turn = np.linspace(0.0, 2.0 * math.pi, segments + 1) + math.pi / 2
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    vertices, normals, uv = [], [], []
    for index, normal in rows:
        radius, height = points[index]
        vertices.append(
            np.column_stack(
                [
                    radius * circle[:, 0],
                    radius * squash * circle[:, 1],
                    np.full(segments + 1, height),
                ]
            )
        )
        bent = np.column_stack(
            [
                normal[0] * circle[:, 0],
                normal[0] * circle[:, 1] / squash,
                np.full(segments + 1, normal[1]),
            ]
        )
        normals.append(bent / np.linalg.norm(bent, axis=1, keepdims=True))
        v = arc[index] if band is None else (height - band[0]) / (band[1] - band[0])
        uv.append(np.column_stack([np.linspace(0.0, 1.0, segments + 1), np.full(segments + 1, v)]))
    faces = []
    for low, high in strips:
        for k in range(segments):
            a, b = low * (segments + 1) + k, low * (segments + 1) + k + 1
            c, d = high * (segments + 1) + k + 1, high * (segments + 1) + k
            if points[rows[low][0], 0] > 0.0:
                faces.append((a, b, c))
            if points[rows[high][0], 0] > 0.0:
                faces.append((a, c, d))
    return _mesh(vertices, normals, uv, faces, material, pose)


def polygons(
    faces: Sequence[tuple[Sequence[Sequence[float]], Sequence[Sequence[float]]]],
    material: Material,
    *,
    pose: Pose | None = None,
) -> Mesh:
    """Makes a flat-shaded mesh from convex polygons.

    Args:
        faces: Pairs of corner positions (counter-clockwise seen from outside) and their texture
            coordinates.
        material: Look of the surface.
        pose: Pose of the result in its link.
    """
    vertices, normals, uv, triangles = [], [], [], []
    count = 0
    for corners, coords in faces:
        corners = np.asarray(corners, dtype=float)
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= np.linalg.norm(normal)
        vertices.append(corners)
        normals.append(np.tile(normal, (len(corners), 1)))
        uv.append(np.asarray(coords, dtype=float))
        triangles += [(count, count + k, count + k + 1) for k in range(1, len(corners) - 1)]
        count += len(corners)
    return _mesh(vertices, normals, uv, triangles, material, pose)


def label_box(
    half: tuple[float, float, float],
    material: Material,
    *,
    front_v: float = 1.0,
    pose: Pose | None = None,
) -> Mesh:
    """Makes a box whose +z face shows the texture and whose sides show its bottom rows.

    Args:
        half: Half extents, metres.
        material: Look; the image's part above ``v = 1 - front_v`` is the label of +z and -z, the
            part below it (all of it where ``front_v`` is 1) wraps around the four sides.
        front_v: Share of the image height that is the label.
        pose: Pose of the result in its link.
    """
    x, y, z = half
    low = 1.0 - front_v
    label = [(0.0, low), (1.0, low), (1.0, 1.0), (0.0, 1.0)]
    top = low if low > 0.0 else 1.0

    def side(u0: float, u1: float) -> list[tuple[float, float]]:
        return [(u0, 0.0), (u1, 0.0), (u1, top), (u0, top)]

    return polygons(
        [
            ([(-x, -y, z), (x, -y, z), (x, y, z), (-x, y, z)], label),
            ([(-x, y, -z), (x, y, -z), (x, -y, -z), (-x, -y, -z)], label),
            ([(-x, -y, -z), (x, -y, -z), (x, -y, z), (-x, -y, z)], side(0.0, 1.0)),
            ([(x, y, -z), (-x, y, -z), (-x, y, z), (x, y, z)], side(0.0, 1.0)),
            ([(x, -y, -z), (x, y, -z), (x, y, z), (x, -y, z)], side(0.0, 0.5)),
            ([(-x, y, -z), (-x, -y, -z), (-x, -y, z), (-x, y, z)], side(0.5, 1.0)),
        ],
        material,
        pose=pose,
    )


def box_group(
    boxes: Sequence[tuple[Sequence[float], Sequence[float]]],
    material: Material,
    *,
    tile: float = 0.25,
    pose: Pose | None = None,
) -> Mesh:
    """Joins axis-aligned boxes into one mesh with evenly scaled texture on every face.

    Args:
        boxes: Pairs of centre and half extents, metres.
        material: Look of the surface.
        tile: Length in metres that one repeat of the texture covers. Its vertical direction runs
            along the longest edge of each box, as the grain of a board does.
        pose: Pose of the result in its link.
    """
    faces = []
    for center, half in boxes:
        c, h = np.asarray(center, dtype=float), np.asarray(half, dtype=float)
        grain = int(np.argmax(h))
        for axis in range(3):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            for sign in (-1.0, 1.0):
                corners = []
                for sa, sb in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                    corner = c.copy()
                    corner[axis] += sign * h[axis]
                    corner[a] += sa * h[a]
                    corner[b] += sb * h[b]
                    corners.append(corner)
                if sign < 0:
                    corners.reverse()
                up = grain if axis != grain else b
                across = a if up == b else b
                faces.append((corners, [(p[across] / tile, p[up] / tile) for p in corners]))
    return polygons(faces, material, pose=pose)


def tube(
    path: Sequence[Sequence[float]],
    radius: float,
    material: Material,
    *,
    sides: int = 6,
    width: float = 1.0,
    pose: Pose | None = None,
) -> Mesh:
    """Sweeps a round (or oval) section along a path, for handles and spouts.

    Args:
        path: Points ``(x, y, z)`` in metres.
        radius: Radius of the section in the plane of the path, metres.
        material: Look of the surface.
        sides: Number of sides of the section.
        width: Factor on the section across the plane of the path.
        pose: Pose of the result in its link.
    """
    points = np.asarray(path, dtype=float)
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    spread = np.linalg.svd(points - points.mean(axis=0))[2]
    across = spread[2] if len(points) > 2 else np.cross(tangent[0], (0.3, 0.5, 0.8))
    across = across * np.sign(across[np.argmax(np.abs(across))])
    angle = np.linspace(0.0, 2.0 * math.pi, sides + 1)
    vertices, normals, uv, faces = [], [], [], []
    for i, (point, along) in enumerate(zip(points, tangent, strict=True)):
        side = across - (across @ along) * along
        side /= np.linalg.norm(side)
        out = np.cross(side, along)
        ring = np.outer(np.cos(angle), out) + np.outer(np.sin(angle), side) * width
        vertices.append(point + radius * ring)
        normals.append(ring / np.linalg.norm(ring, axis=1, keepdims=True))
        v = i / (len(points) - 1)
        uv.append(np.column_stack([np.linspace(0.0, 1.0, sides + 1), np.full(sides + 1, v)]))
        if i:
            for k in range(sides):
                a, b = (i - 1) * (sides + 1) + k, (i - 1) * (sides + 1) + k + 1
                c, d = i * (sides + 1) + k + 1, i * (sides + 1) + k
                faces += [(a, b, c), (a, c, d)]
    for end, sign in ((0, -1.0), (len(points) - 1, 1.0)):
        first = sum(len(v) for v in vertices)
        vertices.append(vertices[end])
        normals.append(np.tile(sign * tangent[end], (sides + 1, 1)))
        uv.append(uv[end])
        fan = [(first, first + k, first + k + 1) for k in range(1, sides - 1)]
        faces += fan if sign > 0 else [(a, c, b) for a, b, c in fan]
    return _mesh(vertices, normals, uv, faces, material, pose)


def prism(
    outline: Sequence[tuple[float, float]],
    half_depth: float,
    material: Material,
    *,
    pose: Pose | None = None,
) -> Mesh:
    """Extrudes a convex counter-clockwise outline in x and z by ``half_depth`` to both y sides."""
    front = [(x, -half_depth, z) for x, z in outline]
    back = [(x, half_depth, z) for x, z in outline]
    x0, x1 = min(x for x, _ in outline), max(x for x, _ in outline)
    z0, z1 = min(z for _, z in outline), max(z for _, z in outline)
    flat = [((x - x0) / (x1 - x0), (z - z0) / (z1 - z0)) for x, z in outline]
    faces = [(front, flat), (back[::-1], flat[::-1])]
    for k in range(len(outline)):
        n = (k + 1) % len(outline)
        quad = [front[n], front[k], back[k], back[n]]
        faces.append((quad, [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]))
    return polygons(faces, material, pose=pose)


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Joins meshes of one material into one, so that they cost a single draw call."""
    vertices, normals, uv, faces = [], [], [], []
    count = 0
    for mesh in meshes:
        turn = mesh.pose.matrix()
        vertices.append(mesh.vertices @ turn.T + np.asarray(mesh.pose.pos))
        normals.append(mesh.normals @ turn.T)
        uv.append(np.zeros((len(mesh.vertices), 2)) if mesh.uv is None else mesh.uv)
        faces += [tuple(int(i) + count for i in face) for face in mesh.faces]
        count += len(mesh.vertices)
    material = meshes[0].material
    if material is None or any(mesh.material != material for mesh in meshes):
        raise ValueError("only meshes of one and the same material can be merged")
    return _mesh(vertices, normals, uv, faces, material, None)


def _mesh(vertices, normals, uv, faces, material: Material, pose: Pose | None) -> Mesh:
    """Stacks per-row arrays into a :class:`Mesh`."""
    return Mesh(
        vertices=np.concatenate(vertices),
        faces=np.asarray(faces, dtype=int),
        normals=np.concatenate(normals),
        uv=np.concatenate(uv),
        material=material,
        pose=pose or Pose(),
    )
