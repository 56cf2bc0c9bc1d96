"""The picture of a warehouse gate: a camera above, a belt and a roller table out of a docked truck, cartons, a worker.

Metres: x to the right, y away from the camera, z up. Everything random comes from the generator passed in, so a seed
gives the same pictures. Pictures are blue, green, red.
"""

# ruff: noqa: PLR2004, PLR0917  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

CAMERA_Z, PITCH, FIELD = 4.3, math.radians(42), math.radians(62)
BELT_Z = 0.55
WALL_Y = 7.2
DOOR = (-1.75, 1.6)
BELT_X, TABLE_X = (-1.45, -0.05), (0.2, 1.2)
NEAR_Y, FAR_Y = 1.6, 9.5
TEXEL = 180
"""Texture pixels a metre."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Looks down at the gate from the inner side."""

    width: int
    height: int

    @property
    def focal(self) -> float:
        """Pixels."""
        return self.width / 2 / math.tan(FIELD / 2)

    def project(self, points: Array | list[tuple[float, float, float]]) -> Array:
        """N x 3 metres to N x 2 pixels."""
        x, y, z = np.asarray(points, dtype=np.float32).T
        down, ahead = CAMERA_Z - z, y
        depth = np.maximum(0.05, ahead * math.cos(PITCH) + down * math.sin(PITCH))
        low = down * math.cos(PITCH) - ahead * math.sin(PITCH)
        return np.stack(
            [self.width / 2 + self.focal * x / depth, self.height / 2 + self.focal * low / depth], axis=1
        ).astype(np.float32)

    def scale(self, x: float, y: float, z: float) -> float:
        """Pixels a metre at that place."""
        depth = y * math.cos(PITCH) + (CAMERA_Z - z) * math.sin(PITCH)
        return self.focal / max(0.05, math.hypot(depth, 0.2 * x))


@dataclass(frozen=True, slots=True)
class Carton:
    """A cardboard box: size in metres (across, along, high) and the pictures on its faces."""

    size: tuple[float, float, float]
    top: Array
    front: Array
    side: Array

    def corners(self, x: float, y: float, turn: float = 0.0) -> Array:
        """Its 8 corners when its middle stands at (x, y) on the belt: 4 below, 4 above."""
        across, along, high = self.size
        flat = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float32) * (across / 2, along / 2)
        rotation = np.array([(math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))])
        flat = flat @ rotation.T + (x, y)
        return np.array([(*p, BELT_Z) for p in flat] + [(*p, BELT_Z + high) for p in flat], dtype=np.float32)


def noise(rng: np.random.Generator, height: int, width: int, octaves: tuple[int, ...]) -> Array:
    """Cloudy noise, about -1 to 1; an octave is the size of its clouds in pixels."""
    field = np.zeros((height, width), np.float32)
    for size in octaves:
        small = rng.standard_normal((max(2, height // size + 2), max(2, width // size + 2))).astype(np.float32)
        field += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) / len(octaves) ** 0.5
    return field * 0.6


def carton(rng: np.random.Generator) -> Carton:
    """A carton of its own size, colour, tape, labels and scuffs."""
    size = (rng.uniform(0.36, 0.58), rng.uniform(0.34, 0.52), rng.uniform(0.2, 0.4))
    kraft = np.array(
        [(96, 136, 176), (84, 122, 166), (110, 150, 186), (128, 164, 194), (70, 104, 142)][rng.integers(5)]
    )
    if rng.random() < 0.15:
        kraft = np.array((206, 214, 216))  # white cartons exist too
    kraft = kraft * rng.uniform(0.88, 1.08)
    tape = np.array([(150, 190, 214), (120, 160, 190), (206, 210, 212), (60, 100, 150)][rng.integers(4)], np.float32)
    across, along, high = (max(24, int(TEXEL * metres)) for metres in size)
    top, front, side = (_board(rng, h, w, kraft) for h, w in ((along, across), (high, across), (high, along)))
    _tape(rng, top, tape, vertical=bool(rng.random() < 0.5))
    middle, half = across // 2, int(0.027 * TEXEL)
    front[: high // 4, middle - half : middle + half] = tape * 0.95
    if rng.random() < 0.8:
        _label(rng, front)
    if rng.random() < 0.5:
        _label(rng, top)
    if rng.random() < 0.6:
        _print(rng, front, kraft)
    if rng.random() < 0.6:
        _print(rng, side, kraft)
    return Carton(size=size, top=top, front=front, side=side)


def _board(rng: np.random.Generator, height: int, width: int, colour: Array) -> Array:
    """Corrugated board: faint flutes, clouds, darker worn edges."""
    face = np.ones((height, width, 3), np.float32) * colour.astype(np.float32)
    face *= (1 + 0.035 * noise(rng, height, width, (40, 12, 3)))[..., None]
    face *= 1 + 0.012 * np.sin(np.arange(width, dtype=np.float32) * 1.1)[None, :, None]
    face[:2] *= 0.8
    face[-2:] *= 0.72
    face[:, :2] *= 0.8
    face[:, -2:] *= 0.8
    for _ in range(rng.integers(0, 4)):  # scuffs
        at = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        to = (at[0] + int(rng.normal(0, 14)), at[1] + int(rng.normal(0, 5)))
        cv2.line(face, at, to, tuple((colour * rng.uniform(0.75, 1.2)).tolist()), 1, cv2.LINE_AA)
    return face


def _tape(rng: np.random.Generator, face: Array, colour: Array, *, vertical: bool) -> None:
    height, width = face.shape[:2]
    half = int(0.027 * TEXEL)
    middle = (width if vertical else height) // 2 + int(rng.normal(0, 2))
    strip = face[:, middle - half : middle + half] if vertical else face[middle - half : middle + half]
    strip[:] = 0.25 * strip + 0.75 * colour
    seam = face[:, middle : middle + 1] if vertical else face[middle : middle + 1]
    seam *= 0.78


def _label(rng: np.random.Generator, face: Array) -> None:
    """A white shipping label: text lines, a bar code."""
    height, width = face.shape[:2]
    w, h = int(min(0.17 * TEXEL, width * 0.5)), int(min(0.11 * TEXEL, height * 0.6))
    x, y = rng.integers(3, max(4, width - w - 3)), rng.integers(3, max(4, height - h - 2))
    label = np.full((h, w, 3), 232, np.float32)
    for row in range(2, h // 2, 3):
        label[row : row + 1, 2 : int(w * rng.uniform(0.4, 0.9))] = 110
    bars = rng.random(w - 4) < 0.5
    label[h // 2 + 1 : h - 2, 2 : w - 2][:, bars] = 45
    face[y : y + h, x : x + w] = label[: face.shape[0] - y, : face.shape[1] - x]


def _print(rng: np.random.Generator, face: Array, kraft: Array) -> None:
    """Marks printed on board: arrows, a maker's bar."""
    height, width = face.shape[:2]
    ink = tuple((kraft * 0.45).tolist()) if rng.random() < 0.7 else (60.0, 60.0, 170.0)
    x, y, s = int(width * rng.uniform(0.1, 0.8)), int(height * 0.55), max(5, int(height * 0.22))
    for step in (0, s + 3):
        cv2.line(face, (x + step, y + s), (x + step, y - s // 2), ink, 2, cv2.LINE_AA)
        cv2.line(face, (x + step - 4, y), (x + step, y - s // 2), ink, 2, cv2.LINE_AA)
        cv2.line(face, (x + step + 4, y), (x + step, y - s // 2), ink, 2, cv2.LINE_AA)
    if rng.random() < 0.5:
        face[int(height * 0.82) : int(height * 0.9), int(width * 0.1) : int(width * 0.9)] *= 0.6


def light_at(y: float) -> float:
    """It is dark inside the truck, brightest just behind the door."""
    inside = 1 / (1 + math.exp((y - WALL_Y - 0.15) * 5))
    return 0.26 + inside * (0.72 + 0.1 * math.exp(-(((y - 6.0) / 1.5) ** 2)))


def paste(picture: Array, texture: Array, quad: Array, shade: float = 1.0) -> None:
    """Draw a texture into the four pixels corners (from its top left, clockwise)."""
    low = np.floor(quad.min(0)).astype(int) - 1
    high = np.ceil(quad.max(0)).astype(int) + 2
    x0, y0 = max(0, low[0]), max(0, low[1])
    x1, y1 = min(picture.shape[1], high[0]), min(picture.shape[0], high[1])
    edge_on = cv2.contourArea(quad.astype(np.float32)) < 1.0
    if edge_on or x0 >= x1 or y0 >= y1:
        return
    height, width = texture.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    place = (quad - (x0, y0)).astype(np.float32)
    warp = cv2.getPerspectiveTransform(corners, place)
    size = (x1 - x0, y1 - y0)
    drawn = cv2.warpPerspective(texture, warp, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    drawn = np.nan_to_num(drawn)  # a face seen nearly edge-on has its horizon inside
    alpha = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(alpha, np.round(place * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    share = alpha.astype(np.float32)[..., None] / 255
    region = picture[y0:y1, x0:x1]
    region += share * (drawn * shade - region)


def shade_polygon(picture: Array, polygon: Array, strength: float, softness: float) -> None:
    """Darken softly, as a shadow does."""
    pad = int(3 * softness) + 2
    x0, y0 = np.maximum(0, np.floor(polygon.min(0)).astype(int) - pad)
    x1, y1 = np.minimum(picture.shape[1::-1], np.ceil(polygon.max(0)).astype(int) + pad)
    if x0 >= x1 or y0 >= y1:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.float32)
    cv2.fillConvexPoly(mask, np.round(polygon - (x0, y0)).astype(np.int32), 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), softness)
    picture[y0:y1, x0:x1] *= (1 - strength * mask)[..., None]


def draw_carton(picture: Array, camera: Camera, box: Carton, x: float, y: float, turn: float) -> None:
    """The carton with its shadow, standing at (x, y)."""
    corners = box.corners(x, y, turn)
    base = corners[:4] + np.array((0.05, 0.03, 0.0))
    base[:, :2] = (base[:, :2] - (x, y)) * 1.1 + (x, y - 0.02)
    shade_polygon(picture, camera.project(base), 0.55, 0.03 * camera.scale(x, y, BELT_Z))
    flat, light = camera.project(corners), light_at(y)
    draw_faces(picture, box, flat, light, left=corners[[0, 3], 0].mean() > 0, right=corners[[1, 2], 0].mean() < 0)


def draw_faces(picture: Array, box: Carton, flat: Array, light: float, *, left: bool, right: bool) -> None:
    """The faces the camera sees; the light comes from above the door, so the near face lies in shade."""
    if left:
        paste(picture, _fading(box.side, 0.95, 0.6), flat[[7, 4, 0, 3]], 0.56 * light)
    if right:
        paste(picture, _fading(box.side, 0.95, 0.6), flat[[5, 6, 2, 1]], 0.68 * light)
    paste(picture, _fading(box.front, 1.0, 0.72), flat[[4, 5, 1, 0]], 0.7 * light)
    paste(picture, _fading(box.top, 1.12, 0.98), flat[[7, 6, 5, 4]], 1.08 * light)


def _fading(face: Array, above: float, below: float) -> Array:
    """The face lit unevenly from its upper to its lower edge."""
    return np.asarray(face * np.linspace(above, below, face.shape[0], dtype=np.float32)[:, None, None])


class Scenery:
    """All that does not move, drawn once, and the belt, drawn as far as it has moved."""

    def __init__(self, camera: Camera, rng: np.random.Generator) -> None:
        self.camera = camera
        self._rng = rng
        self._belt = self._belt_texture()
        self.still = self._draw()

    def picture(self, belt_m: float) -> Array:
        """A fresh picture without goods; the belt has moved so many metres."""
        picture = self.still.copy()
        length = self._belt.shape[0] // 2
        start = int(belt_m * TEXEL / 2) % length
        self._plane(picture, self._belt[length - start : 2 * length - start], BELT_X, (NEAR_Y, FAR_Y), BELT_Z)
        for x in BELT_X:
            self._rail(picture, x)
        return picture

    def _belt_texture(self) -> Array:
        """Dark rubber with scuffs and a seam; repeats after its length, and is stored twice in a row."""
        length, width = int((FAR_Y - NEAR_Y) * TEXEL / 2), int((BELT_X[1] - BELT_X[0]) * TEXEL / 2)
        rng = self._rng
        belt = np.ones((length, width, 3), np.float32) * np.array((62, 64, 62), np.float32)
        belt *= (1 + 0.1 * noise(rng, length, width, (60, 20, 5)) + 0.05 * noise(rng, length, width, (2,)))[..., None]
        for _ in range(70):
            at = (int(rng.uniform(0, width)), int(rng.uniform(0, length)))
            to = (at[0] + int(rng.normal(0, 5)), at[1] + int(rng.normal(0, 16)))
            cv2.line(belt, at, to, (tuple([float(rng.uniform(52, 82))] * 3)), 1, cv2.LINE_AA)
        belt[length // 3 : length // 3 + 2] *= 0.7
        return np.vstack([belt, belt])

    def _plane(
        self, picture: Array, texture: Array, xs: tuple[float, float], ys: tuple[float, float], z: float
    ) -> None:
        quad = [(xs[0], ys[1], z), (xs[1], ys[1], z), (xs[1], ys[0], z), (xs[0], ys[0], z)]
        paste(picture, texture * self._falloff(texture.shape[0], ys), self.camera.project(quad))

    @staticmethod
    def _falloff(rows: int, ys: tuple[float, float]) -> Array:
        return np.array([light_at(y) for y in np.linspace(ys[1], ys[0], rows)], np.float32)[:, None, None]

    def _rail(self, picture: Array, x: float) -> None:
        """A steel side rail along the belt or the table."""
        texture = np.ones((64, 6, 3), np.float32) * np.array((150, 152, 150), np.float32)
        texture[:, :2] *= 0.7
        self._plane(picture, texture, (x - 0.035, x + 0.035), (NEAR_Y, FAR_Y), BELT_Z + 0.06)

    def _draw(self) -> Array:
        camera, rng = self.camera, self._rng
        picture = np.zeros((camera.height, camera.width, 3), np.float32)
        self._floor(picture)
        self._wall(picture)
        for x0, x1 in (BELT_X, TABLE_X):  # the frames stand on the floor and shade it
            shade = camera.project(
                [(x0 - 0.1, FAR_Y, 0), (x1 + 0.35, FAR_Y, 0), (x1 + 0.4, NEAR_Y, 0), (x0, NEAR_Y, 0)]
            )
            shade_polygon(picture, shade, 0.5, 5)
            skirt = np.ones((16, 64, 3), np.float32) * np.array((92, 78, 60), np.float32)
            for x in (x0, x1):
                quad = [(x, FAR_Y, BELT_Z), (x, NEAR_Y, BELT_Z), (x, NEAR_Y, BELT_Z - 0.2), (x, FAR_Y, BELT_Z - 0.2)]
                paste(picture, skirt, camera.project(quad), 0.7)
        self._table(picture)
        self._pallets(picture, rng)
        for x in TABLE_X:
            self._rail(picture, x)
        return picture

    def _floor(self, picture: Array) -> None:
        rng, length, width = self._rng, 900, 900
        floor = np.ones((length, width, 3), np.float32) * np.array((128, 132, 134), np.float32)
        floor *= (1 + 0.07 * noise(rng, length, width, (220, 90, 30, 8)))[..., None]
        floor *= (1 + 0.03 * noise(rng, length, width, (2,)))[..., None]
        for x in (0.14, 0.86):  # yellow lines of the walkway
            column = int(width * (0.5 + (x - 0.5) * 0.62))
            floor[:, column - 5 : column + 5] = (70, 176, 208)
        for joint in range(150, length, 300):
            floor[joint : joint + 2] *= 0.8
        for _ in range(60):  # tyre marks
            at = (int(rng.uniform(0, width)), int(rng.uniform(0, length)))
            ink = tuple((floor[at[1], at[0]] * rng.uniform(0.9, 0.97)).tolist())
            cv2.line(floor, at, (at[0] + int(rng.normal(0, 20)), at[1] + int(rng.normal(0, 120))), ink, 4)
        floor = np.asarray(cv2.GaussianBlur(floor, (0, 0), 1.5), dtype=np.float32)
        for x, y in ((170, 560), (640, 470), (700, 760)):  # lamps high above
            lamp = np.zeros((length, width), np.float32)
            cv2.ellipse(lamp, (x, y), (150, 110), 0, 0, 360, 1.0, -1)
            floor *= (1 + 0.16 * cv2.GaussianBlur(lamp, (0, 0), 60))[..., None]
        self._plane(picture, floor, (-7.0, 7.0), (0.8, WALL_Y), 0.0)

    def _wall(self, picture: Array) -> None:
        """Corrugated sheet with a door in it, a truck docked behind."""
        camera, rng = self.camera, self._rng
        sheet = np.ones((160, 1400, 3), np.float32) * np.array((150, 146, 138), np.float32)
        sheet *= (1 + 0.08 * np.sin(np.arange(1400, dtype=np.float32) * 2 * math.pi / 20))[None, :, None]
        sheet *= (0.86 + 0.03 * noise(rng, 160, 1400, (60, 20)))[..., None]
        sheet[-22:] *= 0.75
        wall = [(-7.0, WALL_Y, 1.6), (7.0, WALL_Y, 1.6), (7.0, WALL_Y, 0.0), (-7.0, WALL_Y, 0.0)]
        paste(picture, sheet, camera.project(wall))
        left, right = DOOR
        hole = [(left, WALL_Y, 1.6), (right, WALL_Y, 1.6), (right, WALL_Y, 0.0), (left, WALL_Y, 0.0)]
        dark = np.ones((40, 40, 3), np.float32) * np.array((30, 29, 28), np.float32)
        paste(picture, dark, camera.project(hole))
        bed = np.ones((60, 60, 3), np.float32) * np.array((70, 78, 84), np.float32)
        bed[::8] *= 0.8
        self._plane(picture, bed, (left, right), (WALL_Y, FAR_Y), 0.35)
        stripes = np.ones((120, 16, 3), np.float32) * np.array((60, 178, 212), np.float32)
        for row in range(120):
            for column in range(16):
                if (row + column) // 12 % 2:
                    stripes[row, column] = (36, 36, 36)
        for x in (left - 0.14, right):
            post = [(x, WALL_Y, 1.6), (x + 0.14, WALL_Y, 1.6), (x + 0.14, WALL_Y, 0), (x, WALL_Y, 0)]
            paste(picture, stripes, camera.project(post), 0.95)
        sign = np.ones((40, 90, 3), np.uint8) * np.array((150, 92, 30), np.uint8)
        cv2.putText(sign, "GATE 2", (8, 27), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (240, 240, 240), 1, cv2.LINE_AA)
        place = [(1.95, WALL_Y, 0.98), (2.75, WALL_Y, 0.98), (2.75, WALL_Y, 0.62), (1.95, WALL_Y, 0.62)]
        paste(picture, sign.astype(np.float32), camera.project(place))

    def _table(self, picture: Array) -> None:
        """Free rollers: steel, a highlight on each."""
        length, width = int((FAR_Y - NEAR_Y) * TEXEL / 2), int((TABLE_X[1] - TABLE_X[0]) * TEXEL / 2)
        rows = np.arange(length, dtype=np.float32)
        phase = (rows * 2 / TEXEL / 0.085) % 1
        profile = np.where(phase < 0.7, 70 + 105 * np.sin(np.pi * np.minimum(1, phase / 0.7)) ** 2, 38)
        table = np.repeat(np.repeat(profile[:, None], width, 1)[..., None], 3, 2).astype(np.float32)
        table *= (1 + 0.05 * noise(self._rng, length, width, (30, 6)))[..., None]
        self._plane(picture, table, TABLE_X, (NEAR_Y, FAR_Y), BELT_Z)

    def _pallets(self, picture: Array, rng: np.random.Generator) -> None:
        """Goods that stay: stacked cartons right and left of the way."""
        for x, y in ((2.75, 6.3), (3.35, 6.3), (2.75, 5.7), (3.35, 5.7), (-3.5, 6.4), (-2.95, 6.4)):
            for level in range(int(rng.integers(1, 4))):
                box = carton(rng)
                box = Carton(size=(0.56, 0.54, 0.42), top=box.top, front=box.front, side=box.side)
                lift = 0.12 + 0.42 * level - BELT_Z
                corners = box.corners(x + rng.normal(0, 0.015), y) + np.array((0, 0, lift))
                flat, light = self.camera.project(corners.astype(np.float32)), light_at(y)
                if level == 0:
                    shade_polygon(picture, flat[:4] + np.array((3, 2)), 0.5, 5)
                draw_faces(picture, box, flat, 0.95 * light, left=x > 0, right=x < 0)


def draw_worker(picture: Array, camera: Camera, x: float, y: float, heading: float, stride: float) -> None:
    """A man in a vest and helmet at (x, y); heading 0 is away from the camera, `stride` his phase in radians."""
    ahead = np.array((math.sin(heading), math.cos(heading), 0.0))
    right = np.array((ahead[1], -ahead[0], 0.0))
    up, base = np.array((0.0, 0.0, 1.0)), np.array((x, y, 0.0))
    swing = math.sin(stride)
    bob = 0.03 * abs(math.cos(stride))

    def at(forward: float, sideways: float, high: float) -> Array:
        return np.asarray(base + ahead * forward + right * sideways + up * (high + bob))

    shadow = np.array([base + right * a + ahead * b for a, b in ((-0.3, -0.3), (0.45, -0.3), (0.45, 0.3), (-0.3, 0.3))])
    shade_polygon(picture, camera.project(shadow), 0.35, 6)
    scale, light = camera.scale(x, y, 1.0), light_at(y)
    trousers, skin, vest, helmet = (70, 52, 42), (120, 150, 198), (36, 118, 236), (60, 200, 238)
    parts: list[tuple[Array, Array, float, tuple[int, int, int]]] = []
    for sign in (-1, 1):
        hip, knee = at(0, 0.1 * sign, 0.9), at(0.2 * swing * sign + 0.05, 0.1 * sign, 0.48)
        foot = at(0.36 * swing * sign - 0.05, 0.1 * sign, 0.07 + 0.1 * max(0.0, -swing * sign))
        shoulder, elbow = at(0, 0.24 * sign, 1.4), at(-0.14 * swing * sign, 0.29 * sign, 1.14)
        hand = at(-0.22 * swing * sign + 0.1, 0.28 * sign, 0.93)
        toe = foot + ahead * 0.14
        parts += [(hip, knee, 0.17, trousers), (knee, foot, 0.14, trousers), (foot, toe, 0.11, (36, 36, 38))]
        parts += [(shoulder, elbow, 0.12, (96, 74, 60)), (elbow, hand, 0.1, (96, 74, 60)), (hand, hand, 0.1, skin)]
    parts.sort(key=lambda part: -float(part[0][1] + part[1][1]))
    torso = camera.project(
        [
            tuple(at(0, s, h))
            for s, h in ((-0.2, 0.86), (0.2, 0.86), (0.27, 1.22), (0.23, 1.47), (-0.23, 1.47), (-0.27, 1.22))
        ]
    )
    layer = np.clip(picture, 0, 255).astype(np.uint8)

    def limb(one: Array, other: Array, thick: float, colour: tuple[int, ...]) -> None:
        ends = np.round(camera.project([tuple(one), tuple(other)]) * 8).astype(np.int32)
        ink = tuple(int(c * light) for c in colour)
        cv2.line(layer, ends[0].tolist(), ends[1].tolist(), ink, max(1, round(thick * scale)), cv2.LINE_AA, 3)

    for part in parts[: len(parts) // 2]:
        limb(*part)
    ink = tuple(int(c * light) for c in vest)
    cv2.fillPoly(layer, [np.round(torso * 8).astype(np.int32)], ink, cv2.LINE_AA, 3)
    for high in (1.0, 1.18):
        limb(at(0, -0.22, high), at(0, 0.22, high), 0.05, (214, 226, 226))
    for sign in (-1, 1):
        limb(at(0, 0.13 * sign, 1.45), at(0, 0.13 * sign, 1.0), 0.04, (214, 226, 226))
    for part in parts[len(parts) // 2 :]:
        limb(*part)
    limb(at(0.02, 0, 1.5), at(0.04, 0, 1.62), 0.17, skin)
    limb(at(0.03, 0, 1.68), at(0.03, 0, 1.72), 0.25, helmet)
    limb(at(0.0, -0.03, 1.76), at(0.0, 0.02, 1.77), 0.12, (130, 222, 246))
    changed = np.any(layer != np.clip(picture, 0, 255).astype(np.uint8), axis=2)
    round_ = cv2.GaussianBlur(changed.astype(np.float32), (0, 0), max(1.0, 0.05 * scale))  # limbs darken to their edges
    soft = cv2.GaussianBlur(layer, (0, 0), 0.7).astype(np.float32) * (0.42 + 0.66 * round_)[..., None]
    picture[changed] = soft[changed]
