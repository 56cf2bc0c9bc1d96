"""What is stored: cartons, tyres, sacks, drums, rolls and bobbins; alone, on pallets, in stacks, wrapped in film."""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import prints
from draw import Look, Mesh, World
from meshes import bobbin, box, cylinder, drum, moved, place, rolled, sack, tyre, weld
from textures import COMMON, any_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

CLASSES = ("carton", "tyre", "sack", "drum", "roll", "person", "forklift")
GOODS = CLASSES[:5]
PALLET_M = (1.2, 1.0, 0.145)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Goods that are alike: class, size (metres: across, deep, high as it lies), and how each looks."""

    kind: str
    size: tuple[float, float, float]
    variants: tuple[tuple[Mesh, Look], ...]
    spin: bool = False
    """Round: lies on its side (rolls in racks, tyres upright) turned about this axis."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """A world being filled, with the class of each id."""

    rng: np.random.Generator
    world: World = field(default_factory=World)
    classes: dict[int, str] = field(default_factory=dict)

    def name(self, kind: str) -> int:
        """A new id."""
        self.classes[len(self.classes) + 1] = kind
        return len(self.classes)

    @property
    def full(self) -> bool:
        """No more ids can be measured in one picture."""
        return len(self.classes) >= 900


def product(stage: Stage, kind: str, *, size: tuple[float, float, float] | None = None) -> Product:
    """A random product of a class."""
    return {"carton": _carton, "tyre": _tyre, "sack": _sack, "drum": _drum, "roll": _roll}[kind](stage, size)


def any_kind(rng: np.random.Generator) -> str:
    """A class of goods: cartons most often."""
    return str(rng.choice(GOODS, p=(0.52, 0.13, 0.13, 0.1, 0.12)))


def _carton(stage: Stage, size: tuple[float, float, float] | None) -> Product:
    rng = stage.rng
    if size is None:
        big = rng.random()
        if big < 0.15:
            size = (float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.7, 1.9)))
        elif big < 0.25:
            size = tuple(rng.uniform(0.12, 0.26, 3).tolist())
        else:
            size = (float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.22, 0.45)), float(rng.uniform(0.15, 0.45)))
    print_ = prints.printing(rng)
    variants = []
    for k in range(2):
        faces = prints.carton_faces(rng, print_, size)
        base = min([stage.world.layer(face) for face in faces])
        look = Look(layer=base, gloss=float(rng.uniform(0.02, 0.3) if print_.style == 3 else rng.uniform(0.0, 0.08)))
        bulge = float(rng.choice((0.0, 0.012, 0.03))) if rng.random() < 0.6 else 0.0
        thin = 0.008 / max(size) + 0.006
        variants.append((box(int(rng.integers(6)) + k, bulge, round(thin, 3)), look))
    return Product(kind="carton", size=size, variants=tuple(variants))


def _tyre(stage: Stage, size: tuple[float, float, float] | None) -> Product:
    rng = stage.rng
    truck = rng.random() < 0.3
    across = size[0] if size else float(rng.uniform(0.9, 1.15) if truck else rng.uniform(0.55, 0.78))
    width, rim = float(rng.choice((0.52, 0.62, 0.72))), float(rng.choice((0.5, 0.58, 0.66, 0.74)))
    tone = float(rng.uniform(0.14, 0.38))
    shade = (tone, tone * float(rng.uniform(0.97, 1.02)), tone * float(rng.uniform(0.97, 1.06)))
    kind = int(rng.integers(4))
    mesh = tyre(width, rim, kind)
    look = Look(layer=COMMON["tread"][kind], tint=shade, gloss=float(rng.uniform(0.05, 0.35)), bump=0.006)
    return Product(kind="tyre", size=(across, across, across * width / 2), variants=((mesh, look),), spin=True)


def _sack(stage: Stage, size: tuple[float, float, float] | None) -> Product:
    rng = stage.rng
    size = size or (float(rng.uniform(0.55, 0.85)), float(rng.uniform(0.38, 0.52)), float(rng.uniform(0.12, 0.22)))
    layer = stage.world.layer(prints.sack_face(rng))
    look = Look(layer=layer, gloss=float(rng.uniform(0.02, 0.25)), bump=0.006)
    return Product(kind="sack", size=size, variants=tuple((sack(int(k)), look) for k in rng.integers(0, 10, 5)))


def _drum(stage: Stage, size: tuple[float, float, float] | None) -> Product:
    rng = stage.rng
    small = rng.random() < 0.3
    size = size or ((0.3, 0.3, 0.4) if small else (0.585, 0.585, float(rng.uniform(0.85, 0.93))))
    base = min([stage.world.layer(face) for face in prints.drum_faces(rng)])
    mesh = drum(int(rng.integers(1, 4)), 0.0 if rng.random() < 0.65 else 0.06)
    look = Look(layer=base, gloss=float(rng.uniform(0.15, 0.7)), bump=0.002)
    return Product(kind="drum", size=size, variants=((mesh, look),))


def _roll(stage: Stage, size: tuple[float, float, float] | None) -> Product:
    rng = stage.rng
    kind = rng.random()
    tone = tuple(float(v) for v in np.clip(rng.uniform(0.35, 1.0) + rng.normal(0, 0.16, 3), 0.08, 1.0))
    if kind < 0.35:  # cloth or carpet, long
        across = float(rng.uniform(0.12, 0.35))
        size = size or (across, across, float(rng.uniform(0.9, 1.8)))
        which = int(rng.integers(4))
        return Product(
            kind="roll",
            size=size,
            variants=((rolled(), Look(layer=COMMON["wrap"][which], tint=_tone(tone), bump=0.004)),),
            spin=True,
        )
    if kind < 0.65:  # paper, film, foil: thick
        across = float(rng.uniform(0.5, 1.2))
        size = size or (across, across, across * float(rng.uniform(0.4, 1.3)))
        which = int(rng.integers(4))
        light = tuple(min(1.0, 0.5 + 0.6 * v) for v in tone)
        look = Look(layer=COMMON["wrap"][which], tint=_tone(light), gloss=float(rng.uniform(0, 0.5)), bump=0.003)
        return Product(kind="roll", size=size, variants=((rolled(), look),), spin=True)
    across = float(rng.uniform(0.12, 0.4))
    size = size or (across, across, across * float(rng.uniform(0.7, 1.4)))
    which = int(rng.integers(3))
    look = Look(layer=COMMON["winding"][which], tint=_tone(tone), bump=0.002, gloss=0.1)
    return Product(kind="roll", size=size, variants=((bobbin(int(rng.integers(3))), look),), spin=kind < 0.85)


def _tone(values: tuple[float, ...]) -> tuple[float, float, float]:
    r, g, b = values
    return r, g, b


def put(
    stage: Stage,
    what: Product,
    at: tuple[float, float, float],
    *,
    turn: float = 0.0,
    lying: bool = False,
    name: int | None = None,
    stand: float = 0.0,
) -> int:
    """One item with its lowest point at `at`; `lying`: round things on their side, axis along y before turning.

    `stand` turns a sack upright (radians). Returns its id.
    """
    rng = stage.rng
    mesh, look = what.variants[int(rng.integers(len(what.variants)))]
    name = stage.name(what.kind) if name is None else name
    x, y, z = at
    wide, _, high = what.size
    bright = float(rng.uniform(0.9, 1.06))
    look = _with_tint(look, bright)
    if what.kind == "tyre":
        size: tuple[float, float, float] | float = (wide, wide, wide)
    else:
        size = what.size
    if lying:
        matrix = place((x, y, z + wide / 2), size, turn=turn, tilt=math.pi / 2)
    elif stand:
        matrix = place(
            (x, y, z + 0.5 * (wide * abs(math.sin(stand)) + high * abs(math.cos(stand)))), size, turn=turn, roll=stand
        )
    else:
        extra = float(rng.uniform(0, 6.28)) if what.spin or what.kind in {"drum", "tyre"} else 0.0
        half = rng.choice((0.0, math.pi)) if what.kind in {"carton", "sack"} else 0.0
        matrix = place((x, y, z + high / 2), size, turn=turn + extra + float(half))
    stage.world.add(mesh, matrix, look, name)
    return name


def _with_tint(look: Look, bright: float) -> Look:
    r, g, b = look.tint
    return Look(
        layer=look.layer,
        tint=(r * bright, g * bright, b * bright),
        gloss=look.gloss,
        bump=look.bump,
        retro=look.retro,
        uv=look.uv,
    )


def pallet_mesh() -> Mesh:
    """Boards, blocks: unit pallet of 1.2 x 1.0 x 0.145 m about its bottom's middle."""
    return _pallet


def _build_pallet() -> Mesh:
    wide, deep, high = PALLET_M
    parts = [moved(box(), place((0, (k - 2.5) * deep / 6, high - 0.011), (wide, 0.11, 0.022))) for k in range(6)]
    for k in (-1, 0, 1):
        parts += [moved(box(), place((k * 0.53, 0, high - 0.033), (0.1, deep, 0.022)))]
        parts += [moved(box(), place((k * 0.53, j * 0.44, 0.06), (0.12, 0.12, 0.09))) for j in (-1, 0, 1)]
        parts += [moved(box(), place((k * 0.53, 0, 0.009), (0.1, deep, 0.018)))]
    return weld(parts)


_pallet = _build_pallet()


def put_pallet(stage: Stage, at: tuple[float, float, float], *, turn: float = 0.0, scale: float = 1.0) -> float:
    """A pallet (nobody's id); returns the height of its deck."""
    rng = stage.rng
    tones = ((0.92, 0.78, 0.58), (0.75, 0.6, 0.42), (0.6, 0.5, 0.4), (0.15, 0.3, 0.6), (0.25, 0.25, 0.27))
    tone = tones[int(rng.choice(5, p=(0.4, 0.25, 0.15, 0.15, 0.05)))]
    look = Look(layer=any_of(rng, "planks"), tint=tone, uv=(1.0, 1.0, float(rng.random()), float(rng.random())))
    stage.world.add(_pallet, place(at, (scale, scale, 1.0), turn=turn), look)
    return at[2] + PALLET_M[2]


def load(
    stage: Stage, what: Product, at: tuple[float, float, float], room: tuple[float, float, float], *, turn: float = 0.0
) -> None:
    """Fills `room` (across, deep, high) over `at` with as many as fit, tidily or not, perhaps short at the top."""
    rng = stage.rng
    if what.kind == "sack":
        _sacks(stage, what, at, room, turn)
        return
    lying = what.spin and what.kind == "roll" and what.size[2] > 0.7 * what.size[0] and rng.random() < 0.7
    wide, deep, high = what.size
    if lying:
        wide, deep, high = what.size[0], what.size[2], what.size[0]
    if (
        what.kind == "carton"
        and room[0] // deep * (room[1] // wide) > room[0] // wide * (room[1] // deep)
        and rng.random() < 0.7
    ):
        turn_one, wide, deep = math.pi / 2, deep, wide
    else:
        turn_one = 0.0
    across, back, up = (max(1, int((r + 0.02) / s)) for r, s in zip(room, (wide, deep, high), strict=True))
    if what.kind == "drum":
        up = min(up, 2)
    loose = float(rng.choice((0.0, 0.004, 0.015)))
    gap = float(rng.choice((0.0, 0.003, 0.012, 0.03)))
    short = int(rng.integers(0, across * back + 1)) if rng.random() < 0.5 else 0
    ragged = rng.random() < 0.15
    step = (wide + gap, deep + gap)
    c, s = math.cos(turn), math.sin(turn)
    for level in range(up):
        here = [(i, j) for j in range(back) for i in range(across)]
        if level == up - 1 and up > 1:
            order = here[::-1] if rng.random() < 0.5 else here
            here = order[: max(1, len(order) - short)]
        shift = rng.normal(0, loose, 2) * (2 if level else 0)
        for i, j in here:
            if stage.full or (ragged and level and rng.random() < 0.12):
                continue
            x = (i - (across - 1) / 2) * step[0] + rng.normal(0, loose) + shift[0]
            y = (j - (back - 1) / 2) * step[1] + rng.normal(0, loose) + shift[1]
            put(
                stage,
                what,
                (at[0] + c * x - s * y, at[1] + s * x + c * y, at[2] + level * high),
                turn=turn + turn_one + rng.normal(0, loose * 1.5),
                lying=lying,
            )


def _sacks(
    stage: Stage, what: Product, at: tuple[float, float, float], room: tuple[float, float, float], turn: float
) -> None:
    """Layers crosswise, sagging over the edge."""
    rng = stage.rng
    long, wide, high = what.size
    high *= 0.82
    c, s = math.cos(turn), math.sin(turn)
    for level in range(max(1, int(room[2] / high))):
        crossed = level % 2 == 1
        a, b = (wide, long) if crossed else (long, wide)
        across, back = max(1, round(room[0] / a)), max(1, round(room[1] / b))
        for i in range(across):
            for j in range(back):
                if stage.full or (level and rng.random() < 0.04):
                    continue
                x = (i - (across - 1) / 2) * a * 0.97 + rng.normal(0, 0.015)
                y = (j - (back - 1) / 2) * b * 0.97 + rng.normal(0, 0.015)
                put(
                    stage,
                    what,
                    (at[0] + c * x - s * y, at[1] + s * x + c * y, at[2] + level * high),
                    turn=turn + (math.pi / 2 if crossed else 0) + rng.normal(0, 0.05),
                )


def wrap(stage: Stage, at: tuple[float, float, float], size: tuple[float, float, float], *, turn: float = 0.0) -> None:
    """Stretch film round a load."""
    rng = stage.rng
    strong = float(rng.uniform(0.35, 1.9))
    uv = (float(rng.uniform(0.6, 2)), float(rng.uniform(0.6, 2)), float(rng.random()), float(rng.random()))
    look = Look(layer=any_of(rng, "film"), tint=(strong, 1, 1), gloss=float(rng.uniform(0.5, 1.0)), bump=0.01, uv=uv)
    wide, deep, high = size
    stage.world.cover(
        box(3, 0.012, 0.03),
        place((at[0], at[1], at[2] + high / 2), (wide + 0.02, deep + 0.02, high + 0.01), turn=turn),
        look,
    )


def tyre_stack(stage: Stage, what: Product, at: tuple[float, float, float], many: int) -> None:
    """Tyres lying one on another, not quite straight."""
    rng = stage.rng
    lean = rng.normal(0, 0.006, 2)
    for level in range(many):
        if stage.full:
            return
        x, y = at[0] + lean[0] * level + rng.normal(0, 0.012), at[1] + lean[1] * level + rng.normal(0, 0.012)
        put(stage, what, (x, y, at[2] + level * what.size[2] * 0.985))


def tyre_row(stage: Stage, what: Product, at: tuple[float, float, float], many: int, *, turn: float = 0.0) -> None:
    """Tyres standing side by side as in a rack; axis along the row's direction `turn` (0: along y)."""
    rng = stage.rng
    step = what.size[2] * 1.02
    for k in range(many):
        if stage.full:
            return
        off = (k - (many - 1) / 2) * step
        put(
            stage,
            what,
            (at[0] - math.sin(turn) * off, at[1] + math.cos(turn) * off, at[2]),
            turn=turn + rng.normal(0, 0.015),
            lying=True,
        )


def clutter(stage: Stage, at: tuple[float, float, float]) -> None:
    """Something that is nobody's: a crate, a bucket, a stool, a bin, a coil of cable."""
    rng = stage.rng
    tone = _tone(tuple(float(v) for v in rng.uniform(0.05, 0.9, 3)))
    look = Look(layer=any_of(rng, "paint"), tint=tone, gloss=float(rng.uniform(0, 0.5)))
    x, y, z = at
    kind = rng.integers(4)
    turn = float(rng.uniform(0, 3.14))
    if kind == 0:  # an open crate
        wide, deep, high = rng.uniform(0.3, 0.6, 3)
        for sx, sy, w, d in (
            (0, deep / 2, wide, 0.02),
            (0, -deep / 2, wide, 0.02),
            (wide / 2, 0, 0.02, deep),
            (-wide / 2, 0, 0.02, deep),
        ):
            c, s = math.cos(turn), math.sin(turn)
            stage.world.add(
                box(), place((x + c * sx - s * sy, y + s * sx + c * sy, z + high / 2), (w, d, high), turn=turn), look
            )
        stage.world.add(box(), place((x, y, z + 0.02), (wide, deep, 0.03), turn=turn), look)
    elif kind == 1:
        stage.world.add(cylinder(), place((x, y, z + 0.15), (0.28, 0.28, 0.3)), look)
    elif kind == 2:
        for k in range(4):
            leg = (x + 0.2 * (k % 2 - 0.5) * 2, y + 0.2 * (k // 2 - 0.5) * 2, z + 0.35)
            stage.world.add(box(), place(leg, (0.04, 0.04, 0.7)), look)
        stage.world.add(box(), place((x, y, z + 0.72), (0.5, 0.5, 0.04)), look)
    else:
        stage.world.add(cylinder(), place((x, y, z + 0.5), (0.08, 0.08, 1.0)), look)
        stage.world.add(cylinder(), place((x, y, z + 0.02), (0.35, 0.35, 0.04)), look)
