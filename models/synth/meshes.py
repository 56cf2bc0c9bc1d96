"""Shapes of unit size: box, cylinder, turned profiles (tyre, drum, roll), sack, sheet; outside is counter-clockwise."""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from draw import Mesh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


def place(
    at: Sequence[float], size: Sequence[float] | float = 1.0, *, turn: float = 0.0, tilt: float = 0.0, roll: float = 0.0
) -> Array:
    """Scaled by `size`, then rolled about y, tilted about x, turned about z (radians), then moved to `at` (metres)."""
    made = np.eye(4)
    cz, sz, cx, sx = math.cos(turn), math.sin(turn), math.cos(tilt), math.sin(tilt)
    cy, sy = math.cos(roll), math.sin(roll)
    about_z = np.array(((cz, -sz, 0), (sz, cz, 0), (0, 0, 1)))
    about_x = np.array(((1, 0, 0), (0, cx, -sx), (0, sx, cx)))
    about_y = np.array(((cy, 0, sy), (0, 1, 0), (-sy, 0, cy)))
    made[:3, :3] = about_z @ about_x @ about_y * np.broadcast_to(np.asarray(size, float), 3)
    made[:3, 3] = at
    return made


def weld(parts: Sequence[Mesh]) -> Mesh:
    """Several as one."""
    triangles, start = [], 0
    for part in parts:
        triangles.append(part.triangles + start)
        start += len(part.vertices)
    return Mesh(
        vertices=np.concatenate([p.vertices for p in parts]).astype(np.float32),
        triangles=np.concatenate(triangles).astype(np.int32),
    )


def rise(points: Array) -> Array:
    """The step from row to row, as numpy's gradient along the first axis, in a tenth of its time."""
    made = np.empty_like(points)
    made[1:-1] = (points[2:] - points[:-2]) / 2
    made[0], made[-1] = points[1] - points[0], points[-1] - points[-2]
    return made


def cross(one: Array, two: Array) -> Array:
    """Of the last axis, likewise."""
    a, b, c = one[..., 0], one[..., 1], one[..., 2]
    d, e, f = two[..., 0], two[..., 1], two[..., 2]
    made = np.empty(np.broadcast_shapes(one.shape, two.shape))
    made[..., 0], made[..., 1], made[..., 2] = b * f - c * e, c * d - a * f, a * e - b * d
    return made


def grid(
    points: Array,
    *,
    uv: tuple[float, float, float, float] = (0, 0, 1, 1),
    part: float = 0,
    colour: tuple[float, float, float] = (1, 1, 1),
    around: bool = False,
) -> Mesh:
    """A skin over rows x columns points; outside is where columns x rows (right hand) points; `around` closes it."""
    rows, columns = points.shape[:2]
    along: Array
    if around:
        ahead = np.roll(points[:, :-1], -1, 1) - np.roll(points[:, :-1], 1, 1)
        along = np.concatenate([ahead, ahead[:, :1]], 1)
    else:
        along = rise(points.transpose(1, 0, 2)).transpose(1, 0, 2)
    normal = cross(along, rise(points))
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    middle = points.reshape(-1, 3).mean(0)
    normal = np.where(length > 1e-9, normal / np.maximum(length, 1e-9), points - middle)
    vertices = np.empty((rows, columns, 12), np.float32)
    vertices[..., :3] = points
    vertices[..., 3:6] = normal
    vertices[..., 6] = np.linspace(uv[0], uv[2], columns)[None, :]
    vertices[..., 7] = np.linspace(uv[1], uv[3], rows)[:, None]
    vertices[..., 8] = part
    vertices[..., 9:] = colour
    return Mesh(vertices=vertices.reshape(-1, 12), triangles=_faces(rows, columns))


@cache
def _faces(rows: int, columns: int) -> NDArray[np.int32]:
    at = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = (v.ravel() for v in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def _noise(rng: np.random.Generator, at: Array, scale: float) -> Array:
    """Smooth noise at points: a sum of waves."""
    total = np.zeros(at.shape[:-1])
    for _ in range(6):
        wave = rng.normal(0, scale, 3)
        total += np.sin(at @ wave + rng.uniform(0, 6.28))
    return total / 6


@cache
def box(seed: int = 0, bulge: float = 0.0, bevel: float = 0.02) -> Mesh:
    """A unit box about its centre, edges rounded; parts: 0 top and bottom, 1 front and back, 2 left and right.

    Texture: v runs down, u to the right as seen from outside.
    """
    rng = np.random.default_rng(seed)
    steps = (
        np.array((-0.5, -0.5 + bevel, -0.2, 0.2, 0.5 - bevel, 0.5))
        if bulge
        else np.array((-0.5, -0.5 + bevel, 0.5 - bevel, 0.5))
    )
    u, v = np.meshgrid(steps, -steps)
    inner = np.clip(np.stack([u, v], 2), -0.5 + bevel, 0.5 - bevel)
    made = []
    frames = (  # part, right, up, out
        (0, (1, 0, 0), (0, 1, 0), (0, 0, 1)),
        (0, (-1, 0, 0), (0, 1, 0), (0, 0, -1)),
        (1, (1, 0, 0), (0, 0, 1), (0, -1, 0)),
        (1, (-1, 0, 0), (0, 0, 1), (0, 1, 0)),
        (2, (0, -1, 0), (0, 0, 1), (-1, 0, 0)),
        (2, (0, 1, 0), (0, 0, 1), (1, 0, 0)),
    )
    for part, right, up, out in frames:
        r, w, o = (np.array(a, float) for a in (right, up, out))
        core = inner[..., :1] * r + inner[..., 1:] * w + (0.5 - bevel) * o
        at = u[..., None] * r + v[..., None] * w + 0.5 * o
        away = at - core
        normal = away / np.maximum(np.linalg.norm(away, axis=2, keepdims=True), 1e-9)
        points = core + bevel * normal
        if bulge:
            dome = (1 - (2 * u) ** 2) * (1 - (2 * v) ** 2)
            points = points + o * (bulge * rng.uniform(-0.6, 1.0) * dome)[..., None]
            points = points + 0.35 * bulge * np.stack([_noise(rng, points, 3.0) for _ in range(3)], 2)
        vertices = np.empty((*u.shape, 12), np.float32)
        vertices[..., :3], vertices[..., 3:6] = points, normal
        vertices[..., 6], vertices[..., 7] = u + 0.5, 0.5 - v
        vertices[..., 8], vertices[..., 9:] = part, 1.0
        made.append(Mesh(vertices=vertices.reshape(-1, 12), triangles=_faces(*u.shape)[:, ::-1].copy()))
    return weld(made)


@cache
def sheet(cuts: int = 1) -> Mesh:
    """A unit square in the plane z = 0 about its centre, seen from above; v runs down (towards -y)."""
    steps = np.linspace(-0.5, 0.5, cuts + 1)
    x, y = np.meshgrid(steps, -steps)
    points = np.stack([x, y, np.zeros_like(x)], 2)
    made = grid(points)
    vertices = made.vertices.copy()
    vertices[:, 3:6] = (0, 0, 1)
    return Mesh(vertices=vertices, triangles=made.triangles[:, ::-1].copy())


def turned(
    profile: Sequence[tuple[float, float]],
    *,
    segments: int = 24,
    part: float = 0,
    wraps: float = 1.0,
    uneven: float = 0.0,
    seed: int = 0,
) -> Mesh:
    """A profile of (radius, z) from top to bottom turned about z; u goes round `wraps` times, v along the profile."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    radius, z = np.asarray(profile, float).T
    points = np.empty((len(z), segments + 1, 3))
    points[..., 0] = radius[:, None] * np.cos(angle)
    points[..., 1] = radius[:, None] * np.sin(angle)
    points[..., 2] = z[:, None]
    if uneven:
        points[:, :-1] *= 1 + uneven * _noise(rng, points[:, :-1], 3.0)[..., None]
        points[:, -1] = points[:, 0]
    made = grid(points, uv=(0, 0, wraps, 1), part=part, around=True)
    vertices = made.vertices.copy()
    vertices[:, 3:6] *= -1
    return Mesh(vertices=vertices, triangles=made.triangles[:, ::-1].copy())


@cache
def disc(*, up: bool = True, segments: int = 24, part: float = 0) -> Mesh:
    """A unit disc (radius 0.5) at z = 0; texture laid flat."""
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    vertices = np.zeros((segments + 1, 12), np.float32)
    vertices[1:, 0], vertices[1:, 1] = 0.5 * np.cos(angle), 0.5 * np.sin(angle)
    vertices[:, 5] = 1 if up else -1
    vertices[:, 6], vertices[:, 7] = vertices[:, 0] + 0.5, 0.5 - vertices[:, 1]
    vertices[:, 8], vertices[:, 9:] = part, 1
    ring = np.arange(segments, dtype=np.int32)
    triangles = np.stack([np.zeros(segments, np.int32), ring + 1, (ring + 1) % segments + 1], 1)
    return Mesh(vertices=vertices, triangles=triangles if up else triangles[:, ::-1].copy())


def moved(mesh: Mesh, matrix: Array, *, part: float | None = None) -> Mesh:
    """The mesh somewhere else."""
    vertices = mesh.vertices.copy()
    vertices[:, :3] = vertices[:, :3] @ matrix[:3, :3].T + matrix[:3, 3]
    normal = vertices[:, 3:6] @ np.linalg.inv(matrix[:3, :3])
    vertices[:, 3:6] = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    if part is not None:
        vertices[:, 8] = part
    return Mesh(vertices=vertices.astype(np.float32), triangles=mesh.triangles)


@cache
def cylinder(segments: int = 16) -> Mesh:
    """Radius 0.5, z from -0.5 to 0.5; part 0 the side, part 1 both ends."""
    return weld(
        [
            turned([(0.5, 0.5), (0.5, -0.5)], segments=segments),
            moved(disc(segments=segments), place((0, 0, 0.5)), part=1),
            moved(disc(up=False, segments=segments), place((0, 0, -0.5)), part=1),
        ]
    )


@cache
def rolled() -> Mesh:
    """A roll, z from -0.5 to 0.5; part 0 the side, part 4 its ends."""
    return weld(
        [
            turned([(0.49, 0.5), (0.5, 0.49), (0.5, -0.49), (0.49, -0.5)], uneven=0.008),
            moved(disc(), place((0, 0, 0.5), (0.98, 0.98, 1)), part=4),
            moved(disc(up=False), place((0, 0, -0.5), (0.98, 0.98, 1)), part=4),
        ]
    )


@cache
def tyre(width: float = 0.62, rim: float = 0.6, seed: int = 0) -> Mesh:
    """Lies flat: outer radius 0.5, z from -width / 4 to width / 4; parts 0 tread, 4 the rest."""
    half, inner = width / 4, 0.5 * rim
    shoulder = 0.5 - 0.12 * half / 0.15 * 0.35
    tread = [(shoulder + 0.012, half * 0.93), (0.49, half * 0.8), (0.5, half * 0.4), (0.5, -half * 0.4)]
    tread += [(0.49, -half * 0.8), (shoulder + 0.012, -half * 0.93)]
    wall = [(inner, half * 0.72), (inner + 0.015, half * 0.9), (0.5 * (inner + shoulder), half * 1.06)]
    wall += [(shoulder, half), (shoulder + 0.012, half * 0.93)]
    inside = [(shoulder - 0.03, 0.0), (shoulder - 0.05, half * 0.7), (inner, half * 0.72)]
    low = [(r, -z) for r, z in reversed(wall)]
    bottom = [(r, -z) for r, z in reversed(inside)]
    return weld(
        [
            turned(tread, segments=28, wraps=7, uneven=0.006, seed=seed),
            turned(wall, segments=28, wraps=2, part=4, uneven=0.006, seed=seed),
            turned(low, segments=28, wraps=2, part=4, uneven=0.006, seed=seed),
            turned(inside, segments=20, wraps=3, part=4),
            turned(bottom, segments=20, wraps=3, part=4),
        ]
    )


@cache
def drum(ribs: int = 2, neck: float = 0.0) -> Mesh:
    """Radius 0.5, z from -0.5 to 0.5: a steel drum's hoops, or a plastic one's shoulder (`neck`); part 1 the lid."""
    profile: list[tuple[float, float]] = []
    if neck:
        profile += [(0.5 - neck, 0.5), (0.5 - neck * 0.9, 0.46), (0.49, 0.40), (0.5, 0.36)]
    else:
        profile += [(0.47, 0.48), (0.5, 0.5), (0.5, 0.485), (0.485, 0.475)]
    for k in range(ribs):
        z = 0.5 - (k + 1) / (ribs + 1)
        profile += [(0.485, z + 0.03), (0.5, z + 0.012), (0.5, z - 0.012), (0.485, z - 0.03)]
    profile += [(0.485, -0.475), (0.5, -0.485), (0.5, -0.5)]
    top = 0.48 if not neck else 0.5
    return weld(
        [
            turned(profile, segments=26),
            moved(disc(segments=26), place((0, 0, top), (0.97 - 2 * neck, 0.97 - 2 * neck, 1)), part=1),
            moved(disc(up=False, segments=26), place((0, 0, -0.5)), part=1),
            moved(cylinder(8), place((0.28 * (1 - 2 * neck), 0.1, top), (0.12, 0.12, 0.03)), part=1),
            moved(cylinder(8), place((-0.3 * (1 - 2 * neck), -0.1, top), (0.07, 0.07, 0.03)), part=1),
        ]
    )


@cache
def bobbin(kind: int = 0) -> Mesh:
    """Radius 0.5, z from -0.5 to 0.5: flanged spool, cone, or cheese of yarn; part 0 winding, 1 ends and core."""
    if kind == 0:
        yarn = turned([(0.4, 0.44), (0.42, 0.2), (0.42, -0.2), (0.4, -0.44)], segments=24, wraps=2)
        flange = [
            turned([(0.1, z + 0.04), (0.5, z + 0.04), (0.5, z - 0.02), (0.1, z - 0.02)], part=3) for z in (0.46, -0.48)
        ]
        return weld([yarn, *flange, moved(cylinder(12), place((0, 0, 0), (0.2, 0.2, 1.02)), part=3)])
    top = 0.3 if kind == 1 else 0.46
    yarn = turned([(0.14, 0.42), (top - 0.03, 0.44), (top, 0.38), (0.5, -0.4), (0.46, -0.45), (0.14, -0.45)], wraps=2)
    return weld([yarn, moved(cylinder(12), place((0, 0, 0), (0.26, 0.26, 1.0)), part=3)])


@cache
def sack(seed: int = 0) -> Mesh:
    """A filled sack that lies: unit box about its centre, bulging, seams at both ends; texture laid from above."""
    rng = np.random.default_rng(1000 + seed)
    rows, columns = 15, 20
    v = np.linspace(-1, 1, rows)
    angle = np.linspace(0, 2 * np.pi, columns + 1)
    full = 1 - np.abs(v) ** rng.uniform(4, 9)
    thick = np.maximum(full, 0) ** 0.55
    width = 0.5 * (0.9 + 0.1 * thick) * (1 + 0.03 * rng.normal(size=rows))
    height = 0.5 * np.maximum(0.06, thick) * (1 + 0.06 * np.sin(v * 3 + rng.uniform(0, 6)))
    power = rng.uniform(0.55, 0.8)
    c, s = np.cos(angle), np.sin(angle)
    points = np.empty((rows, columns + 1, 3))
    points[..., 0] = (v * 0.5)[:, None]
    points[..., 1] = width[:, None] * np.sign(c) * np.abs(c) ** power
    points[..., 2] = height[:, None] * np.sign(s) * np.abs(s) ** (power + 0.25)
    lumps = 0.035 * _noise(rng, points[:, :-1], 7.0) + 0.02 * _noise(rng, points[:, :-1], 16.0)
    points[:, :-1, 2] += lumps * thick[:, None]
    points[:, :-1, 1] += 0.6 * lumps
    points[:, -1] = points[:, 0]
    points[..., 0] *= 1 - 0.05 * np.abs(np.sign(s) * np.abs(s))[None, :] * np.abs(v[:, None])
    made = grid(points, around=True)
    vertices = made.vertices.copy()
    vertices[:, 6] = vertices[:, 0] + 0.5
    vertices[:, 7] = 0.5 - vertices[:, 1] + 0.35 * np.abs(vertices[:, 2] - 0.5)
    return _facing(Mesh(vertices=vertices, triangles=made.triangles))


@cache
def ball(rows: int = 9, columns: int = 14) -> Mesh:
    """A sphere of radius 0.5."""
    down = np.linspace(0, np.pi, rows)
    return turned([(0.5 * math.sin(a), 0.5 * math.cos(a)) for a in down], segments=columns)


def _facing(mesh: Mesh) -> Mesh:
    """Triangles and normals turned outward, as seen from the mesh's middle (for star-shaped ones)."""
    vertices, triangles = mesh.vertices.copy(), mesh.triangles.copy()
    middle = vertices[:, :3].mean(0)
    outward = vertices[:, :3] - middle
    wrong = (vertices[:, 3:6] * outward).sum(1) < 0
    if wrong.mean() > 0.5:
        vertices[:, 3:6] *= -1
    a, b, c = (vertices[triangles[:, k], :3] for k in range(3))
    inward = (np.cross(b - a, c - a) * ((a + b + c) / 3 - middle)).sum(1) < 0
    if inward.mean() > 0.5:
        triangles = triangles[:, ::-1].copy()
    return Mesh(vertices=vertices, triangles=triangles)
