"""From drawn light to a camera's picture: lens, exposure, colour, infrared, blur, noise, dust, coding; ids go along."""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from draw import Drawn
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Where it stands, what it looks at, how wide, in metres and degrees; `bend` is the lens's barrel distortion."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    field: float = 60.0
    width: int = 416
    height: int = 416
    roll: float = 0.0
    bend: float = 0.0

    def view(self) -> Array:
        """From the world into the camera's frame."""
        eye = np.asarray(self.eye, float)
        back = eye - np.asarray(self.target, float)
        back /= np.linalg.norm(back)
        right = np.cross((0.0, 1e-4, 1.0), back)
        right /= np.linalg.norm(right)
        up = np.cross(back, right)
        c, s = math.cos(math.radians(self.roll)), math.sin(math.radians(self.roll))
        made = np.eye(4)
        made[:3, :3] = np.stack([c * right + s * up, c * up - s * right, back])
        made[:3, 3] = -made[:3, :3] @ eye
        return made

    def projection(self) -> Array:
        """As of OpenGL; a bent lens sees a little more than the field."""
        near, far = 0.08, 60.0
        wide = math.tan(math.radians(self.field) / 2) * (1 + max(0.0, self.bend) * 1.0)
        high = wide * self.height / self.width
        made = np.zeros((4, 4))
        made[0, 0], made[1, 1] = 1 / wide, 1 / high
        made[2, 2], made[2, 3], made[3, 2] = (far + near) / (near - far), 2 * far * near / (near - far), -1
        return made

    def project(self, points: Sequence[Sequence[float]] | Array) -> Array:
        """N x 3 metres to N x 2 pixels of the finished picture."""
        at = np.asarray(points, float)
        seen = np.concatenate([at, np.ones((len(at), 1))], 1) @ (self.projection() @ self.view()).T
        flat = seen[:, :2] / np.maximum(seen[:, 3:], 1e-3)
        pixels = np.stack([(flat[:, 0] + 1) / 2 * self.width, (1 - flat[:, 1]) / 2 * self.height], 1)
        return self.bent(pixels)

    def bent(self, pixels: Array) -> Array:
        """Where the lens puts pixels that a lens without distortion would put there."""
        if not self.bend:
            return pixels
        centre = np.array((self.width, self.height)) / 2
        span = float(np.hypot(*centre))
        off = (pixels - centre) / span
        out = off.copy()
        for _ in range(6):
            out = off / _stretch(self.bend, (out**2).sum(1, keepdims=True))
        return np.asarray(out * span + centre)

    def bent_box(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box round what the lens makes of a box's border."""
        if not self.bend:
            return box
        x0, y0, x1, y1 = box
        xs, ys = np.linspace(x0, x1, 5), np.linspace(y0, y1, 5)
        at = self.bent(np.array([(x, y) for x in xs for y in ys]))
        (a, b), (c, d) = at.min(0), at.max(0)
        return float(a), float(b), float(c), float(d)


def _stretch(bend: float, r2: Array) -> Array:
    return np.asarray((1 + bend * r2) / (1 + bend))


@lru_cache(maxsize=8)
def _maps(width: int, height: int, bend: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64) + 0.5
    centre, span = (width / 2, height / 2), math.hypot(width / 2, height / 2)
    u, v = (x - centre[0]) / span, (y - centre[1]) / span
    factor = _stretch(bend, u * u + v * v)
    return (u * factor * span + centre[0] - 0.5).astype(np.float32), (v * factor * span + centre[1] - 0.5).astype(
        np.float32
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """What the camera's electronics make of light."""

    exposure: float = 1.0
    auto: float = 0.6
    """Share of the automatic exposure in it (to a mean of 0.45)."""
    warm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    saturation: float = 1.0
    infrared: bool = False
    vignette: float = 0.1
    blur: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.012
    quality: int = 90
    """Of the JPEG coding that it went through; 100: none."""
    crush: float = 1.0
    """The picture was this much smaller once (a digital zoom or a low bit rate)."""
    haze: float = 0.0
    dust: int = 0
    sharpen: float = 0.0
    contact: float = 0.7
    """Darkening where things touch."""
    seed: int = 0


def any_sensor(rng: np.random.Generator) -> Sensor:
    """Good and bad cameras, day and night."""
    night = rng.random() < 0.1
    bad = rng.random() < 0.3
    return Sensor(
        exposure=float(np.exp(rng.normal(0.3, 0.35))),
        auto=float(rng.uniform(0.6, 1.0)),
        warm=tuple(np.clip(rng.normal(1.0, 0.05, 3), 0.8, 1.2)),
        contrast=float(rng.uniform(0.9, 1.4)),
        saturation=float(rng.uniform(0.0, 0.2) if rng.random() < 0.06 else rng.uniform(0.6, 1.4)),
        infrared=bool(night),
        vignette=float(rng.uniform(0.0, 0.35)),
        blur=float(abs(rng.normal(0, 0.9)) if bad else abs(rng.normal(0, 0.35))),
        motion=tuple(rng.normal(0, 2.5, 2)) if rng.random() < 0.12 else (0.0, 0.0),
        noise=float(rng.uniform(0.01, 0.04) if bad or night else rng.uniform(0.001, 0.015)),
        quality=int(rng.integers(18, 60) if bad else rng.integers(60, 98)),
        crush=float(rng.uniform(1.2, 2.4) if rng.random() < 0.2 else 1.0),
        haze=float(rng.uniform(0.0, 0.15) if rng.random() < 0.2 else 0.0),
        dust=int(rng.integers(1, 6)) if rng.random() < 0.1 else 0,
        sharpen=float(rng.uniform(0, 1.2) if rng.random() < 0.4 else 0.0),
        contact=float(rng.uniform(0.4, 1.0)),
        seed=int(rng.integers(1 << 30)),
    )


def picture(
    drawn: Drawn, camera: Camera, sensor: Sensor, *, gain: float | None = None, frame: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The picture (blue-green-red) and its ids, through the same lens; `gain` as of `gain_for`, noise by `frame`."""
    light = drawn.colour * contact(drawn.depth, sensor.contact)[..., None]
    ids = drawn.ids
    if camera.bend:
        maps = _maps(camera.width, camera.height, camera.bend)
        light = np.asarray(cv2.remap(light, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
        near = [
            np.clip(np.rint(m), 0, n - 1).astype(np.int32)
            for m, n in zip(maps, (camera.width, camera.height), strict=True)
        ]
        ids = ids[near[1], near[0]]
    return expose(light, sensor, gain=gain, frame=frame), np.ascontiguousarray(ids)


def contact(depth: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """Darker in corners and where things touch, 0..1: pixels farther away than the mean of two opposite neighbours.

    On a plane one over depth is even, so planes stay bright; what is much nearer or farther does not count.
    """
    near = 1 / np.where(depth > 0, depth, 60.0).astype(np.float32)
    height, width = near.shape
    dark = np.zeros_like(near)
    for reach in (2, 7):
        wide = cv2.copyMakeBorder(near, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
        limit = near * (0.05 + 0.02 * reach)
        for dx, dy in ((1, 0), (0, 1), (0.7, 0.7), (0.7, -0.7)):
            x, y = round(dx * reach), round(dy * reach)
            one = wide[reach + y : reach + y + height, reach + x : reach + x + width] - near
            two = wide[reach - y : reach - y + height, reach - x : reach - x + width] - near
            hollow = np.clip(one, -limit, limit) + np.clip(two, -limit, limit)
            dark += np.clip(hollow, 0, limit) / limit
    shade = 1 - strength * np.clip(dark / 8, 0, 1)
    return np.asarray(cv2.GaussianBlur(shade, (0, 0), 0.9), np.float32)


def gain_for(light: NDArray[np.float32], sensor: Sensor) -> float:
    """What the automatic exposure makes of this light."""
    mean = float(light[::8, ::8].mean()) + 1e-4
    return sensor.exposure * float((0.21 / mean) ** sensor.auto * (0.21 / 0.25) ** (1 - sensor.auto))


def expose(  # noqa: C901, PLR0912  a step after a step
    light: NDArray[np.float32], sensor: Sensor, *, gain: float | None = None, frame: int = 0
) -> NDArray[np.uint8]:
    """Linear light to a coded picture."""
    rng = np.random.default_rng(sensor.seed)
    height, width = light.shape[:2]
    grains = np.random.default_rng((sensor.seed, frame))
    shot = light * np.float32(gain_for(light, sensor) if gain is None else gain)
    if sensor.infrared:
        grey = shot @ np.array((0.2, 0.35, 0.6), np.float32)
        shot = np.repeat(grey[..., None], 3, 2)
    else:
        shot = shot * np.array(sensor.warm, np.float32)
    if sensor.haze:
        shot = shot * (1 - sensor.haze) + sensor.haze * 0.5
    if sensor.vignette or sensor.infrared:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        fall = sensor.vignette + (0.35 if sensor.infrared else 0.0)
        shot = shot * (1 - fall * np.clip((x * x + y * y) / 1.6, 0, 1.2))[..., None]
    if any(sensor.motion):
        shot = np.asarray(cv2.filter2D(shot, -1, _streak(*sensor.motion)), np.float32)
    if sensor.blur > 0.25:
        shot = np.asarray(cv2.GaussianBlur(shot, (0, 0), sensor.blur), np.float32)
    for _ in range(sensor.dust):
        mark = np.zeros((height, width), np.float32)
        cv2.circle(
            mark,
            (int(rng.integers(width)), int(rng.integers(height))),
            int(rng.integers(3, max(4, width // 16))),
            1.0,
            -1,
        )
        soft = np.asarray(cv2.GaussianBlur(mark, (0, 0), float(rng.uniform(2, 8))), np.float32)[..., None]
        shot = shot * (1 - 0.35 * soft) + np.float32(0.08 * rng.uniform(0, 1)) * soft
    shot = shot / (1 + 0.25 * shot) * 1.18  # a soft shoulder
    tone = np.sqrt(np.clip(shot, 0, 1.0))  # about sRGB
    if sensor.contrast != 1:
        tone = 0.45 + (tone - 0.45) * sensor.contrast
    if sensor.saturation != 1 and not sensor.infrared:
        grey = tone @ np.array((0.114, 0.587, 0.299), np.float32)
        tone = grey[..., None] + (tone - grey[..., None]) * sensor.saturation
    if sensor.noise:
        grain = grains.standard_normal((height, width, 1 if sensor.infrared else 3), dtype=np.float32)
        if sensor.noise > 0.02:
            grain = cv2.GaussianBlur(grain, (0, 0), 0.6).reshape(grain.shape) * 1.6
        tone = tone + grain * np.float32(sensor.noise) * (1.25 - tone)
    made = np.clip(tone * 255, 0, 255).astype(np.uint8)
    if sensor.sharpen:
        soft = cv2.GaussianBlur(made, (0, 0), 1.2)
        made = cv2.addWeighted(made, 1 + sensor.sharpen, soft, -sensor.sharpen, 0)
    if sensor.crush > 1:
        small = cv2.resize(
            made, (round(width / sensor.crush), round(height / sensor.crush)), interpolation=cv2.INTER_AREA
        )
        made = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if sensor.quality < 100:
        _, coded = cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])
        made = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return np.asarray(made, np.uint8)


def _streak(dx: float, dy: float) -> NDArray[np.float32]:
    """A line of length (dx, dy) pixels as a kernel."""
    reach = max(1, math.ceil(max(abs(dx), abs(dy)) / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for t in np.linspace(-0.5, 0.5, 4 * reach + 3):
        kernel[round(reach + t * dy), round(reach + t * dx)] += 1
    return np.asarray(kernel / kernel.sum(), np.float32)
