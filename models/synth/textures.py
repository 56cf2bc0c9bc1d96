"""Surfaces made of noise: concrete, walls, wood, steel, rubber, cloth, yarn, film; 256 x 256 RGBA, alpha is height.

The common layers are the same in every process: `COMMON` says which name has which layers.
"""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Picture = NDArray[np.uint8]

PX = 256


def noise(rng: np.random.Generator, cells: tuple[float, float], octaves: int = 4, *, fade: float = 0.55) -> Array:
    """Smooth noise of mean 0 and deviation 1, that repeats at its borders nearly; `cells` down and across."""
    total = np.zeros((PX, PX), np.float32)
    weight = 1.0
    for octave in range(octaves):
        down, across = (max(1, min(PX, round(c * 2**octave))) for c in cells)
        grid = np.pad(rng.standard_normal((down, across), dtype=np.float32), 2, mode="wrap")
        high, wide = round(PX * (down + 4) / down), round(PX * (across + 4) / across)
        big = cv2.resize(grid, (wide, high), interpolation=cv2.INTER_CUBIC)
        top, left = (high - PX) // 2, (wide - PX) // 2
        total += weight * big[top : top + PX, left : left + PX]
        weight *= fade
    return np.asarray((total - total.mean()) / max(1e-6, float(total.std())))


def pack(shade: Array, height: Array | None = None) -> Picture:
    """A layer of brightness (h x w, or h x w x 3, 0..1) and height (0..1)."""
    layer = np.empty((PX, PX, 4), np.uint8)
    tone = shade if shade.ndim == 3 else shade[..., None]
    layer[..., :3] = np.clip(tone * 255, 0, 255)
    layer[..., 3] = 128 if height is None else np.clip(height * 255, 0, 255)
    return layer


def stains(rng: np.random.Generator, count: int, *, dark: float) -> Array:
    """A factor: blotches, and `count` scuffs and streaks."""
    blot = np.clip(
        noise(rng, (float(rng.uniform(1.5, 6)), float(rng.uniform(1.5, 6))), 4) - rng.uniform(0.7, 1.6), 0, 1.5
    )
    sheet = 1 - 0.6 * dark * blot
    sharp, soft = np.zeros((PX, PX), np.float32), np.zeros((PX, PX), np.float32)
    for k in range(count):
        at = (int(rng.integers(PX)), int(rng.integers(PX)))
        to = (at[0] + int(rng.normal(0, 40)), at[1] + int(rng.normal(0, 40)))
        cv2.line(sharp if k % 2 else soft, at, to, float(rng.uniform(-0.3, 1.0)), int(rng.integers(1, 4)), cv2.LINE_AA)
    sheet -= 0.8 * dark * cv2.GaussianBlur(sharp, (0, 0), 0.8)
    sheet -= 1.2 * dark * cv2.GaussianBlur(soft, (0, 0), float(rng.uniform(1.5, 4)))
    return np.asarray(np.clip(sheet, 0.2, 1.3))


def _ramp() -> tuple[Array, Array]:
    y, x = np.mgrid[0:PX, 0:PX].astype(np.float32) / PX
    return y, x


def _concrete(rng: np.random.Generator) -> Picture:
    shade = 0.68 + 0.035 * noise(rng, (3, 3), 6, fade=0.7) + 0.02 * noise(rng, (90, 90), 1)
    return pack(shade * stains(rng, 14, dark=0.25), 0.5 + 0.1 * noise(rng, (20, 20)))


def _tiles(rng: np.random.Generator) -> Picture:
    y, x = _ramp()
    many = int(rng.integers(2, 5))
    edge = np.minimum.reduce([(y * many) % 1, 1 - (y * many) % 1, (x * many) % 1, 1 - (x * many) % 1])
    joint = np.where(edge < 0.02, 0.45, 1.0)
    motif = np.sin(x * many * 2 * np.pi) * np.sin(y * many * 2 * np.pi) * rng.uniform(0, 0.25)
    shade = (0.8 + motif + 0.03 * noise(rng, (4, 4))) * joint
    return pack(shade * stains(rng, 6, dark=0.12), np.where(edge < 0.02, 0.2, 0.6))


def _planks(rng: np.random.Generator) -> Picture:
    """Grain along x; five boards."""
    shade = np.empty((PX, PX), np.float32)
    for board in range(5):
        rows = slice(board * PX // 5, (board + 1) * PX // 5)
        grain = 0.06 * noise(rng, (40, 2), 3) + 0.05 * noise(rng, (90, 3), 2)
        shade[rows] = (rng.uniform(0.62, 0.9) + grain)[rows]
        shade[rows.start] *= 0.4
        shade[rows.stop - 1] *= 0.5
    return pack(shade * stains(rng, 8, dark=0.3), shade)


def _plaster(rng: np.random.Generator) -> Picture:
    return pack((0.85 + 0.025 * noise(rng, (3, 3), 5)) * stains(rng, 8, dark=0.1), 0.5 + 0.1 * noise(rng, (30, 30)))


def _ribs(rng: np.random.Generator) -> Picture:
    """Corrugated sheet, ribs upright."""
    _, x = _ramp()
    wave = 0.5 + 0.5 * np.clip(2.2 * np.sin(x * 2 * np.pi * int(rng.integers(6, 13))), -1, 1)
    shade = (0.74 + 0.1 * wave + 0.02 * noise(rng, (2, 20))) * stains(rng, 8, dark=0.2)
    return pack(shade, wave)


def _bricks(rng: np.random.Generator) -> Picture:
    y, x = _ramp()
    row = np.floor(y * 10)
    across = x * 4 + 0.5 * (row % 2)
    edge = np.minimum((y * 10) % 1, 2.2 * (across % 1))
    tone = rng.uniform(0.64, 0.82, (11, 6)).astype(np.float32)[row.astype(int), np.floor(across).astype(int)]
    shade = np.where(edge < 0.1, 0.8, tone) + 0.04 * noise(rng, (40, 40))
    return pack(shade, np.where(edge < 0.1, 0.1, 0.8))


def _paint(rng: np.random.Generator) -> Picture:
    """Painted steel: even, with chips and dirt."""
    shade = (0.92 + 0.02 * noise(rng, (4, 4))) * stains(rng, 25, dark=0.22)
    return pack(shade, 0.5 + 0.05 * noise(rng, (8, 8)))


def _steel(rng: np.random.Generator) -> Picture:
    return pack(0.72 + 0.06 * noise(rng, (2, 120), 2) + 0.05 * noise(rng, (3, 3)), None)


def _holes(rng: np.random.Generator) -> Picture:
    """A rack's post: slots, twice down and once across."""
    picture = _paint(rng)
    for k in range(8):
        for side in (70, 186):
            cv2.rectangle(picture, (side - 12, k * 32 + 8), (side + 12, k * 32 + 20), (30, 30, 30, 20), -1)
    return picture


def _rubber(rng: np.random.Generator) -> Picture:
    return pack((0.75 + 0.1 * noise(rng, (3, 3), 5)) * stains(rng, 8, dark=-0.6), 0.5 + 0.1 * noise(rng, (40, 40)))


def _tread(rng: np.random.Generator) -> Picture:
    """Across is round the tyre, down is across its width: ribs, blocks, sipes."""
    y, x = _ramp()
    height = np.ones((PX, PX), np.float32)
    for k in range(int(rng.integers(2, 5))):
        at = (k + 1) / 5 + rng.uniform(-0.03, 0.03)
        bend = 0.03 * np.sin(x * 2 * np.pi * 8) * rng.uniform(0, 1)
        height[np.abs(y - at + bend) < 0.022] = 0
    slant = rng.uniform(-1.0, 1.0)
    many = int(rng.integers(6, 13))
    sipes = (x * many + slant * np.abs(y - 0.5) * many * 0.6) % 1
    height[sipes < rng.uniform(0.08, 0.22)] *= rng.uniform(0.0, 0.4)
    height = np.asarray(cv2.GaussianBlur(height, (0, 0), 1.0), np.float32)
    shade = (0.35 + 0.5 * height + 0.04 * noise(rng, (6, 6))) * stains(rng, 6, dark=-0.5)
    return pack(shade, height)


def _sidewall(rng: np.random.Generator) -> Picture:
    """Across is round the tyre (twice), down from tread to bead: rings and raised letters."""
    y, _ = _ramp()
    shade = 0.7 + 0.08 * np.sin(y * 2 * np.pi * 9) * (np.abs(y - 0.75) < 0.2) + 0.05 * noise(rng, (2, 5))
    shade[np.abs(y - 0.93) < 0.012] += 0.25
    shade[np.abs(y - 0.2) < 0.01] -= 0.25
    word = "".join(rng.choice(list("ABDEGHKLMNORSTX"), 6))
    paper = np.ascontiguousarray(shade * 255, np.float32)
    bright = float(rng.choice([255, 215, 120]))
    face = cv2.FONT_HERSHEY_DUPLEX
    paper = np.clip(paper, 0, 255).astype(np.uint8)  # putText wants 8-bit pictures
    cv2.putText(paper, word, (20, 130), face, 1.3, bright, 2, cv2.LINE_AA)
    cv2.putText(
        paper,
        f"{rng.integers(145, 315)}/{rng.integers(50, 80)} R{rng.integers(14, 23)}",
        (140, 105),
        face,
        0.5,
        bright,
        1,
    )
    mix = paper.astype(np.float32) / 255 * stains(rng, 5, dark=-0.5)
    return pack(mix, mix)


def _weave(rng: np.random.Generator) -> Picture:
    """Woven polypropylene or jute."""
    y, x = _ramp()
    many = int(rng.integers(20, 44))
    over = (np.floor(x * many) + np.floor(y * many)) % 2
    thread = np.where(over > 0, np.sin(np.pi * ((y * many) % 1)), np.sin(np.pi * ((x * many) % 1)))
    shade = 0.72 + 0.14 * thread + 0.05 * noise(rng, (4, 4))
    return pack(shade * stains(rng, 10, dark=0.15), 0.35 * thread + 0.5 + 0.1 * noise(rng, (5, 5)))


def _cloth(rng: np.random.Generator) -> Picture:
    folds = 0.6 * noise(rng, (6, 3), 3) + 0.4 * np.abs(noise(rng, (4, 5), 2))
    return pack(0.84 + 0.07 * folds + 0.03 * noise(rng, (80, 80), 1), 0.5 + 0.18 * folds)


def _denim(rng: np.random.Generator) -> Picture:
    picture = _cloth(rng).astype(np.float32)
    worn = np.clip(noise(rng, (3, 3)), 0, 2)[..., None]
    picture[..., :3] += 22 * worn
    return np.clip(picture, 0, 255).astype(np.uint8)


def _skin(rng: np.random.Generator) -> Picture:
    tone = 0.92 + 0.03 * noise(rng, (4, 4), 4)
    return pack(np.stack([tone, tone * (0.99 + 0.02 * noise(rng, (3, 3))), tone], 2), None)


def _checks(rng: np.random.Generator) -> Picture:
    y, x = _ramp()
    many = int(rng.integers(5, 12))
    plaid = 0.55 + 0.2 * ((x * many) % 1 < 0.3) + 0.2 * ((y * many) % 1 < 0.3)
    return pack(plaid * (0.95 + 0.06 * noise(rng, (6, 4))), 0.5 + 0.18 * noise(rng, (5, 3)))


def _belt(rng: np.random.Generator) -> Picture:
    """A rubber belt: fine pattern, scratches along y."""
    y, x = _ramp()
    dots = 0.5 + 0.5 * np.sin(x * 2 * np.pi * 40) * np.sin(y * 2 * np.pi * 40)
    shade = 0.62 + rng.uniform(0.0, 0.2) * dots + 0.04 * noise(rng, (2, 40)) + 0.03 * noise(rng, (4, 4))
    return pack(shade * stains(rng, 20, dark=-0.35), dots)


def _ends(rng: np.random.Generator) -> Picture:
    """The end of a roll: turns round a core with a hole."""
    y, x = _ramp()
    away = np.hypot(x - 0.5, y - 0.5) * 2
    turns = (
        0.8
        + 0.07 * np.sin(away * rng.uniform(120, 260))
        + 0.06 * np.sin(away * 31 + 4 * np.arctan2(y - 0.5, x - 0.5) / 6)
    )
    shade = turns + 0.03 * noise(rng, (5, 5))
    core = rng.uniform(0.12, 0.3)
    tone = np.stack([shade] * 3, 2)
    tone[away < core] = np.array((0.75, 0.62, 0.5)) * 0.9
    tone[away < core * 0.72] = 0.07
    return pack(tone, np.where(away < core * 0.72, 0.0, 0.6 + 0.2 * (turns - 0.8)))


def _wrap(rng: np.random.Generator) -> Picture:
    """The side of a roll (u round it, v along it): layers of cloth, paper or foil, a torn edge."""
    shade = 0.84 + 0.05 * noise(rng, (2, 8), 3) + 0.02 * noise(rng, (60, 4), 2)
    at = int(rng.integers(20, 230))
    shade[:, at : at + 2] *= 0.6
    shade[:, at + 2 : at + 9] *= 0.88
    return pack(shade * stains(rng, 8, dark=0.2), 0.5 + 0.1 * noise(rng, (3, 8)))


def _winding(rng: np.random.Generator) -> Picture:
    """Yarn on a bobbin, crossing."""
    y, x = _ramp()
    slope = rng.uniform(0.02, 0.3)
    lines = 0.5 + 0.25 * np.sin((y + slope * x) * 2 * np.pi * 55) + 0.25 * np.sin((y - slope * x) * 2 * np.pi * 55)
    return pack(0.72 + 0.16 * lines + 0.04 * noise(rng, (5, 3)), lines)


def _hazard(rng: np.random.Generator) -> Picture:
    y, x = _ramp()
    stripe = ((x + y) * 4 % 1 < 0.5).astype(np.float32)
    tone = stripe[..., None] * np.array((0.92, 0.72, 0.12), np.float32) + (1 - stripe[..., None]) * 0.1
    return pack(tone * stains(rng, 12, dark=0.3)[..., None], None)


def _vest(rng: np.random.Generator) -> Picture:
    """Plain above; two bright bands in the lower half (v down the body)."""
    y, x = _ramp()
    tone = np.stack([0.86 + 0.05 * noise(rng, (5, 3))] * 3, 2)
    band = (np.abs(y - 0.55) < 0.045) | (np.abs(y - 0.8) < 0.045) | ((y < 0.5) & (np.abs((x * 2 % 1) - 0.25) < 0.03))
    tone[band] = 1.0
    return pack(tone, np.where(band, 0.9, 0.5 + 0.15 * noise(rng, (5, 3))))


def _film(rng: np.random.Generator) -> Picture:
    """Stretch film: red is how much it hides, green how it glints; wrinkles run to a corner."""
    wrinkles = np.abs(noise(rng, (rng.uniform(2, 10), rng.uniform(2, 10)), 4))
    ridges = np.exp(-wrinkles * 7)
    slack = cv2.warpAffine(
        ridges,
        cv2.getRotationMatrix2D((128, 128), float(rng.uniform(-40, 40)), 1.5),
        (PX, PX),
        borderMode=cv2.BORDER_WRAP,
    )
    bands = np.clip(noise(rng, (rng.uniform(3, 7), 1), 2), 0, 3)
    hide = 0.10 + 0.30 * slack + 0.06 * bands
    tone = np.stack([np.zeros((PX, PX), np.float32), slack + 0.3 * bands, hide], 2)
    return pack(tone[..., ::-1], 0.5 + 0.4 * slack + 0.1 * bands)


def _asphalt(rng: np.random.Generator) -> Picture:
    return pack(0.5 + 0.08 * noise(rng, (70, 70), 2) + 0.05 * noise(rng, (3, 3)), 0.5 + 0.2 * noise(rng, (70, 70), 2))


def _board(rng: np.random.Generator) -> Picture:
    """Plain corrugated cardboard: fine ribs, fibres, scuffs."""
    _, x = _ramp()
    shade = 0.86 + 0.012 * np.sin(x * 2 * np.pi * 64) + 0.02 * noise(rng, (4, 4), 5) + 0.012 * noise(rng, (120, 120), 1)
    return pack(shade * stains(rng, 7, dark=0.1), 0.5 + 0.05 * noise(rng, (3, 3)))


MAKERS: dict[str, tuple[Callable[[np.random.Generator], Picture], int]] = {
    "concrete": (_concrete, 4),
    "asphalt": (_asphalt, 1),
    "tiles": (_tiles, 3),
    "planks": (_planks, 3),
    "plaster": (_plaster, 2),
    "ribs": (_ribs, 2),
    "bricks": (_bricks, 1),
    "paint": (_paint, 3),
    "steel": (_steel, 1),
    "holes": (_holes, 1),
    "rubber": (_rubber, 2),
    "tread": (_tread, 4),
    "sidewall": (_sidewall, 4),
    "weave": (_weave, 3),
    "cloth": (_cloth, 3),
    "denim": (_denim, 2),
    "skin": (_skin, 1),
    "checks": (_checks, 2),
    "belt": (_belt, 3),
    "wrap": (_wrap, 4),
    "ends": (_ends, 4),
    "winding": (_winding, 3),
    "core": (_paint, 3),
    "hazard": (_hazard, 1),
    "vest": (_vest, 1),
    "film": (_film, 5),
    "board": (_board, 4),
}


@cache
def common() -> list[Picture]:
    """The common layers, in the order of `COMMON`."""
    rng = np.random.default_rng(20_240_607)
    return [make(rng) for make, count in MAKERS.values() for _ in range(count)]


def _number() -> dict[str, range]:
    found, at = {}, 0
    for name, (_, count) in MAKERS.items():
        found[name] = range(at, at + count)
        at += count
    return found


COMMON: dict[str, range] = _number()
"""Layers by name."""


def any_of(rng: np.random.Generator, name: str) -> int:
    """A layer of that name."""
    layers = COMMON[name]
    return int(layers[int(rng.integers(len(layers)))])
