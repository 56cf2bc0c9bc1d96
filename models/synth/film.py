"""A clip in the making: what stays, who moves and how, what the camera does; drawn frame by frame, with tracks."""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from draw import Mesh, World
from lens import gain_for, picture
from stills import items, painter
from truth import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from draw import Look
    from goods import Stage
    from lens import Camera, Sensor
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

HIDDEN_FRAMES = 2
"""A track goes on through so many drawn frames in which nothing of the item is in the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prop:
    """Something rigid: its meshes in its own frame, with their looks and ids."""

    parts: tuple[tuple[Mesh, Array, Look, int], ...]

    def put(self, world: World, frame: Array) -> None:
        """Into the world, its own frame at `frame`."""
        for mesh, local, look, name in self.parts:
            world.add(mesh, frame @ local, look, name)


def prop(stage: Stage, make: Callable[[], object]) -> Prop:
    """What `make` puts on the stage, taken off again to be moved about."""
    start = len(stage.world.solid)
    make()
    parts = tuple(stage.world.solid[start:])
    del stage.world.solid[start:]
    return Prop(parts=tuple((mesh, np.asarray(place, float), look, name) for mesh, place, look, name in parts))


Mover = "Callable[[World, float], None]"
"""Puts itself into the world as it is at a time in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsets:
    """What happens to the picture over time (seconds): exposure jumps, drift, shake, flicker."""

    jumps: tuple[tuple[float, float], ...] = ()
    """From this time on the light is times this much."""
    drift: float = 0.0
    shakes: tuple[tuple[float, float, float], ...] = ()
    """From, to, pixels."""
    flicker: float = 0.0
    shutter: float = 0.3
    """Share of the frame's time that the shutter is open."""

    def gain(self, t: float) -> float:
        """Factor on the light."""
        factor = 1 + self.drift * math.sin(t / 7)
        for at, times in self.jumps:
            if t >= at:
                factor *= times
        return factor * (1 + self.flicker * math.sin(t * 37.7))

    def shake(self, t: float) -> tuple[float, float]:
        """Pixels."""
        for start, end, reach in self.shakes:
            if start <= t < end:
                return reach * math.sin(t * 41), reach * math.sin(t * 53 + 1)
        return 0.0, 0.0


def any_upsets(rng: np.random.Generator, seconds: float) -> Upsets:
    """Mostly calm."""

    def when() -> float:
        return float(rng.uniform(0.1, 0.9) * seconds)

    jumps = [(when(), float(rng.choice((0.6, 0.75, 1.35, 1.7)))) for _ in range(int(rng.choice((0, 0, 1, 2))))]
    start = when()
    shaken = rng.random() < 0.2
    return Upsets(
        jumps=tuple(jumps),
        drift=float(rng.uniform(0, 0.12)) if rng.random() < 0.3 else 0.0,
        shakes=((start, start + float(rng.uniform(0.3, 1.5)), float(rng.uniform(1, 5))),) if shaken else (),
        flicker=0.03 if rng.random() < 0.15 else 0.0,
        shutter=float(rng.uniform(0.1, 0.6)),
    )


@dataclass(slots=True, kw_only=True)
class Film:
    """Everything that a clip needs; `movers` in drawing order."""

    stage: Stage
    camera: Camera
    sensor: Sensor
    upsets: Upsets = field(default_factory=Upsets)
    movers: list[Any] = field(default_factory=list)
    loads: dict[int, int] = field(default_factory=dict)
    """Id of an item to the number of the load that it belongs to."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One drawn picture of a film."""

    t: float
    picture: NDArray[np.uint8]
    seen: dict[int, Seen]
    ids: NDArray[np.int32]


def frames(film: Film, seconds: float, fps: float) -> Iterator[Frame]:
    """Draws the film: `seconds` times `fps` pictures."""
    gain: float | None = None
    before: dict[int, tuple[float, float]] = {}
    stay = list(film.stage.world.solid)
    for number in range(round(seconds * fps)):
        t = number / fps
        world = World(
            light=film.stage.world.light,
            solid=list(stay),
            film=list(film.stage.world.film),
            layers=film.stage.world.layers,
        )
        for mover in film.movers:
            mover(world, t)
        dx, dy = film.upsets.shake(t)
        camera = _shaken(film.camera, dx, dy)
        size = (camera.width, camera.height)
        drawn = painter().draw(world, camera.view(), camera.projection(), size, fine=False)
        wanted = gain_for(drawn.colour, film.sensor)
        gain = wanted if gain is None else gain + (wanted - gain) * min(1.0, 1.2 / fps)
        shown, ids = picture(drawn, camera, film.sensor, gain=gain * film.upsets.gain(t), frame=number)
        seen = {}
        listed = {i.id: i for i in items(drawn, ids, camera, film.stage.classes)}
        for name, whole in drawn.boxes.items():
            box = camera.bent_box(whole)
            if name in listed or _inside(box, size):
                seen[name] = Seen(t=t, box=box, visible=listed[name].visible if name in listed else 0.0)
        centres = {n: ((s.box[0] + s.box[2]) / 2, (s.box[1] + s.box[3]) / 2) for n, s in seen.items()}
        smeared = _smear(shown, seen, centres, before, film.upsets.shutter)
        before = centres
        yield Frame(t=t, picture=smeared, seen=seen, ids=ids)


def _inside(box: tuple[float, float, float, float], size: tuple[int, int]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return 0 <= x < size[0] and 0 <= y < size[1]


def _shaken(camera: Camera, dx: float, dy: float) -> Camera:
    """The camera turned by some pixels."""
    if not dx and not dy:
        return camera
    angle = math.radians(camera.field) / camera.width
    eye, target = np.asarray(camera.eye), np.asarray(camera.target)
    way = target - eye
    right = np.cross(way, (0.0, 1e-4, 1.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, way) / np.linalg.norm(way)
    x, y, z = (float(v) for v in target + np.linalg.norm(way) * angle * (dx * right + dy * up))
    return replace(camera, target=(x, y, z))


def _smear(
    shown: NDArray[np.uint8],
    seen: dict[int, Seen],
    now: dict[int, tuple[float, float]],
    before: dict[int, tuple[float, float]],
    shutter: float,
) -> NDArray[np.uint8]:
    """Blur along the way of what moves fast."""
    height, width = shown.shape[:2]
    for name, (x, y) in now.items():
        if name not in before or not seen[name].visible:
            continue
        dx, dy = (x - before[name][0]) * shutter, (y - before[name][1]) * shutter
        if math.hypot(dx, dy) < 2 or math.hypot(dx, dy) > 90:
            continue
        x0, y0, x1, y1 = seen[name].box
        pad = math.hypot(dx, dy) / 2
        left, top = max(0, int(x0 - pad)), max(0, int(y0 - pad))
        right, low = min(width, int(x1 + pad) + 1), min(height, int(y1 + pad) + 1)
        if right - left < 3 or low - top < 3:
            continue
        part = shown[top:low, left:right]
        kernel = _line(dx, dy)
        soft = np.ones(part.shape[:2], np.float32)
        edge = cv2.distanceTransform(np.pad(np.ones(part.shape[:2], np.uint8), 1), cv2.DIST_L1, 3)[1:-1, 1:-1]
        soft = np.clip(edge / max(3.0, pad), 0, 1)[..., None]
        part[:] = part * (1 - soft) + cv2.filter2D(part, -1, kernel, borderType=cv2.BORDER_REPLICATE) * soft
    return shown


def _line(dx: float, dy: float) -> NDArray[np.float32]:
    reach = max(1, math.ceil(max(abs(dx), abs(dy)) / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for share in np.linspace(-0.5, 0.5, 4 * reach + 3):
        kernel[round(reach + share * dy), round(reach + share * dx)] += 1
    return np.asarray(kernel / kernel.sum(), np.float32)
