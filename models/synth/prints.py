"""Printed faces: cartons with tape, labels, logos and handling marks; sacks, drums, posters. 256 x 256 RGBA.

Words are made up from letters; whatever looks like writing means nothing.
"""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from textures import COMMON, PX, common, noise, stains

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Picture = NDArray[np.uint8]
    Ink = tuple[float, float, float]

_COMMON = common()
KRAFT = (
    (0.66, 0.52, 0.36),
    (0.72, 0.58, 0.42),
    (0.58, 0.45, 0.32),
    (0.62, 0.55, 0.42),
    (0.50, 0.39, 0.28),
    (0.74, 0.64, 0.5),
)
"""Browns of board, red-green-blue as seen."""
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Printing:
    """What all cartons of one product share."""

    board: Ink
    ink: Ink
    logo: str
    code: str
    font: int
    tape: Ink
    taped: bool
    style: int
    """0 plain, 1 line print, 2 large logo, 3 coloured box, 4 big white label."""
    seed: int


def word(rng: np.random.Generator, low: int = 3, high: int = 9) -> str:
    """Letters."""
    return "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUVWXZ"), int(rng.integers(low, high))))


def printing(rng: np.random.Generator) -> Printing:
    """A product's carton."""
    kind = rng.random()
    base = np.array(KRAFT[int(rng.integers(len(KRAFT)))]) * rng.uniform(0.8, 1.12)
    if kind < 0.18:
        base = np.full(3, rng.uniform(0.75, 0.95)) * rng.uniform(0.96, 1.0, 3)
    elif kind < 0.3:
        base = rng.uniform(0.08, 0.85, 3)
    elif kind < 0.36:
        base = np.array((0.55, 0.54, 0.5)) * rng.uniform(0.8, 1.2)
    ink = np.full(3, rng.uniform(0.05, 0.2)) if rng.random() < 0.6 else rng.uniform(0.0, 0.75, 3)
    if base.mean() < 0.35:
        ink = rng.uniform(0.6, 1.0, 3)
    tape = np.array((0.72, 0.6, 0.42)) if rng.random() < 0.6 else rng.uniform(0.35, 0.95, 3)
    return Printing(
        board=_ink(base),
        ink=_ink(ink),
        logo=word(rng),
        code=f"{word(rng, 2, 4)}-{rng.integers(100, 99999)}",
        font=int(rng.choice(FONTS)),
        tape=_ink(tape),
        taped=bool(rng.random() < 0.75),
        style=int(rng.choice(5, p=(0.2, 0.35, 0.2, 0.12, 0.13))),
        seed=int(rng.integers(1 << 30)),
    )


def carton_faces(rng: np.random.Generator, print_: Printing, shape: tuple[float, float, float]) -> list[Picture]:
    """Top, long side, short side of a carton of `shape` (metres), with this one's own scuffs and stickers."""
    width, depth, height = shape
    return [
        _face(rng, print_, (width, depth), kind=0),
        _face(rng, print_, (width, height), kind=1),
        _face(rng, print_, (depth, height), kind=2),
    ]


def _face(rng: np.random.Generator, p: Printing, metres: tuple[float, float], *, kind: int) -> Picture:
    same = np.random.default_rng(p.seed + kind)
    grain = _COMMON[COMMON["board"][int(rng.integers(4))]]
    if rng.random() < 0.5:
        grain = np.ascontiguousarray(grain[::-1])
    sheet = np.ascontiguousarray(grain[..., :3].astype(np.float32)) * np.array(p.board, np.float32)
    y = np.linspace(0, 1, PX, dtype=np.float32)
    sheet *= (1.03 - 0.08 * y * rng.uniform(0, 1))[:, None, None]
    paper = np.clip(sheet, 0, 255).astype(np.uint8)
    if p.style == 3:
        _blocks(paper, same)
    if kind == 0:
        if p.taped or same.random() < 0.5:
            _seam(paper, same, p)
    else:
        _side(paper, same, p, kind)
        if p.taped and (kind == 2 or same.random() < 0.25):
            drop = int(PX * min(0.4, 0.07 / metres[1]))
            half = int(PX * min(0.3, 0.03 / metres[0]))
            _mix(paper, (PX // 2 - half, 0, PX // 2 + half, drop), p.tape, 0.65)
    if p.style == 4 or rng.random() < 0.3:
        _label(paper, rng if p.style != 4 else same, metres)
    if rng.random() < 0.12:
        cv2.putText(
            paper,
            str(rng.integers(10, 99999)),
            (int(rng.integers(10, 140)), int(rng.integers(60, 230))),
            5,
            float(rng.uniform(0.8, 2.2)),
            (25, 25, 40),
            2,
            cv2.LINE_AA,
        )  # by hand
    if rng.random() < 0.1:
        cv2.ellipse(
            paper, (int(rng.integers(60, 196)), int(rng.integers(60, 130))), (22, 10), 0, 0, 360, (18, 14, 12), -1
        )
    wear = stains(rng, int(rng.integers(1, 9)), dark=float(rng.uniform(0.05, 0.3)))
    tone = paper.astype(np.float32) * wear[..., None] * _edges(rng, metres)[..., None]
    layer = np.empty((PX, PX, 4), np.uint8)
    layer[..., :3] = np.clip(tone, 0, 255)
    layer[..., 3] = grain[..., 3]
    return layer


def _edges(rng: np.random.Generator, metres: tuple[float, float]) -> Array:
    """Darker towards the edges, as where boxes touch; worn light at some."""
    out = np.ones((PX, PX), np.float32)
    away_x = np.minimum(np.arange(PX), PX - 1 - np.arange(PX)) / PX * metres[0]
    away_y = np.minimum(np.arange(PX), PX - 1 - np.arange(PX)) / PX * metres[1]
    depth, reach = rng.uniform(0.05, 0.35), rng.uniform(0.006, 0.02)
    for away, axis in ((away_x, 0), (away_y, 1)):
        dark = 1 - depth * np.exp(-away / reach)
        out *= dark[None, :] if axis == 0 else dark[:, None]
    return out.astype(np.float32)


def _seam(paper: Picture, rng: np.random.Generator, p: Printing) -> None:
    at = PX // 2
    cv2.line(paper, (0, at), (PX, at), _byte(tuple(0.5 * c for c in p.board)), 2)
    if p.taped:
        half = int(rng.integers(10, 26))
        _mix(paper, (0, at - half, PX, at + half), p.tape, float(rng.uniform(0.3, 0.9)))
        if rng.random() < 0.5:
            cv2.line(paper, (0, at), (PX, at), _byte(tuple(0.75 * c for c in p.tape)), 1)
    if rng.random() < 0.25:
        cv2.putText(paper, p.logo, (20, 90), p.font, 1.4, _byte(p.ink), 2, cv2.LINE_AA)


def _side(paper: Picture, rng: np.random.Generator, p: Printing, kind: int) -> None:
    ink = _byte(p.ink)
    if p.style == 0:
        return
    size = float(rng.uniform(0.6, 1.2)) if p.style == 1 else float(rng.uniform(1.2, 2.6))
    room = max(2, int(11 / size))
    at = (int(rng.integers(10, 70)), int(rng.integers(50, 150)))
    cv2.putText(paper, p.logo[:room], at, p.font, size, ink, int(rng.integers(1, 4)) + int(size > 1.5), cv2.LINE_AA)
    for line in range(int(rng.integers(0, 6))):
        text = word(rng, 4, 14) if rng.random() < 0.7 else p.code
        cv2.putText(paper, text, (at[0], at[1] + 26 + 13 * line), 0, 0.38, ink, 1, cv2.LINE_AA)
    if rng.random() < 0.55:
        _marks(paper, rng, ink, (int(rng.integers(120, 170)), int(rng.integers(160, 205))))
    if rng.random() < 0.35:
        y = int(rng.integers(20, 235))
        cv2.rectangle(paper, (0, y), (PX, y + int(rng.integers(2, 16))), ink, -1)
    if rng.random() < 0.3:
        cv2.rectangle(paper, (12, 12), (244, 244), ink, int(rng.integers(1, 3)))
    if rng.random() < 0.4 and kind == 1:
        _bars(paper, rng, (int(rng.integers(10, 150)), int(rng.integers(180, 215))), (70, 28))


def _marks(paper: Picture, rng: np.random.Generator, ink: tuple[int, int, int], at: tuple[int, int]) -> None:
    """This side up, fragile, keep dry: signs in a row."""
    x, y = at
    for kind in rng.permutation(4)[: int(rng.integers(1, 4))]:
        cv2.rectangle(paper, (x, y), (x + 26, y + 34), ink, 1)
        middle = (x + 13, y + 17)
        if kind == 0:
            cv2.arrowedLine(paper, (x + 8, y + 28), (x + 8, y + 5), ink, 2, tipLength=0.4)
            cv2.arrowedLine(paper, (x + 18, y + 28), (x + 18, y + 5), ink, 2, tipLength=0.4)
        elif kind == 1:
            cv2.ellipse(paper, (x + 13, y + 10), (7, 8), 0, 0, 180, ink, -1)
            cv2.line(paper, (x + 13, y + 14), (x + 13, y + 28), ink, 2)
        elif kind == 2:
            cv2.ellipse(paper, (x + 13, y + 14), (9, 8), 0, 180, 360, ink, -1)
            cv2.line(paper, (x + 13, y + 14), (x + 13, y + 27), ink, 1)
        else:
            cv2.circle(paper, middle, 9, ink, 2)
        x += 30


def _bars(paper: Picture, rng: np.random.Generator, at: tuple[int, int], size: tuple[int, int]) -> None:
    x, y = at
    cv2.rectangle(paper, (x - 4, y - 4), (x + size[0] + 4, y + size[1] + 4), (245, 245, 245), -1)
    widths = rng.integers(1, 4, 60)
    for k, wide in enumerate(widths):
        if x >= at[0] + size[0]:
            break
        if k % 2 == 0:
            cv2.rectangle(paper, (x, y), (x + int(wide) - 1, y + size[1]), (15, 15, 15), -1)
        x += int(wide)


def _label(paper: Picture, rng: np.random.Generator, metres: tuple[float, float]) -> None:
    """A sticker of 6 to 22 cm."""
    wide = int(np.clip(rng.uniform(0.07, 0.22) / metres[0] * PX, 16, 190))
    high = int(np.clip(rng.uniform(0.05, 0.18) / metres[1] * PX, 14, 190))
    x, y = int(rng.integers(2, max(3, PX - wide))), int(rng.integers(2, max(3, PX - high)))
    tone = (243, 243, 240) if rng.random() < 0.8 else tuple(int(v) for v in rng.integers(60, 255, 3))
    cv2.rectangle(paper, (x, y), (x + wide, y + high), tone, -1)
    if rng.random() < 0.5:
        cv2.rectangle(paper, (x, y), (x + wide, y + high), tuple(int(v * 0.5) for v in tone), 1)
    for row in range(y + 9, y + high - 4, 9):
        if rng.random() < 0.75:
            cv2.putText(paper, word(rng, 3, max(4, wide // 8)), (x + 3, row), 0, 0.28, (25, 25, 25), 1, cv2.LINE_AA)
    if rng.random() < 0.6 and wide > 44 and high > 36:
        _bars(paper, rng, (x + 6, y + high - 22), (wide - 14, 14))


def _blocks(paper: Picture, rng: np.random.Generator) -> None:
    """Shop packaging: fields of colour, a shape or two."""
    for _ in range(int(rng.integers(1, 5))):
        tone = tuple(int(v) for v in rng.integers(10, 250, 3))
        x, y = (int(v) for v in rng.integers(-40, 220, 2))
        if rng.random() < 0.6:
            cv2.rectangle(paper, (x, y), (x + int(rng.integers(40, 300)), y + int(rng.integers(20, 200))), tone, -1)
        else:
            cv2.circle(paper, (x + 40, y + 40), int(rng.integers(15, 90)), tone, -1)


def _mix(paper: Picture, box: tuple[int, int, int, int], tone: Ink, share: float) -> None:
    x0, y0, x1, y1 = box
    part = paper[y0:y1, x0:x1].astype(np.float32)
    paper[y0:y1, x0:x1] = np.clip(part * (1 - share) + np.array(tone) * 255 * share, 0, 255)


def sack_face(rng: np.random.Generator) -> Picture:
    """Weave with a print, seen from above."""
    grain = _COMMON[COMMON["weave"][int(rng.integers(3))]].copy()
    tint = np.array((1.0, 0.98, 0.92)) if rng.random() < 0.55 else np.array((0.8, 0.66, 0.46)) * rng.uniform(0.8, 1.2)
    if rng.random() < 0.15:
        tint = rng.uniform(0.2, 1.0, 3)
    paper = np.clip(grain[..., :3] * tint * rng.uniform(0.9, 1.2), 0, 255).astype(np.uint8)
    ink = tuple(int(v) for v in rng.integers(0, 170, 3))
    if rng.random() < 0.75:
        shape = rng.random()
        if shape < 0.4:
            cv2.ellipse(
                paper,
                (128, 128),
                (int(rng.integers(40, 90)), int(rng.integers(30, 70))),
                0,
                0,
                360,
                ink,
                int(rng.choice((-1, 3, 6))),
            )
        elif shape < 0.7:
            cv2.rectangle(paper, (30, 60), (226, 196), ink, int(rng.choice((-1, 3, 6))))
        tone = (240, 240, 240) if rng.random() < 0.4 else ink
        cv2.putText(
            paper,
            word(rng, 3, 7),
            (50, 140),
            int(rng.choice(FONTS)),
            float(rng.uniform(0.9, 2.0)),
            tone,
            3,
            cv2.LINE_AA,
        )
        for row in range(int(rng.integers(0, 4))):
            cv2.putText(paper, word(rng, 4, 12), (60, 165 + 14 * row), 0, 0.4, ink, 1, cv2.LINE_AA)
    if rng.random() < 0.4:
        at = int(rng.integers(10, 60))
        cv2.rectangle(paper, (0, at), (PX, at + int(rng.integers(4, 20))), ink, -1)
    tone_ = paper.astype(np.float32) * stains(rng, 8, dark=0.25)[..., None]
    grain[..., :3] = np.clip(tone_ * (1 + 0.05 * noise(rng, (4, 4)))[..., None], 0, 255)
    return grain


def drum_faces(rng: np.random.Generator) -> list[Picture]:
    """Side (u round it) and lid."""
    steel = rng.random() < 0.6
    paints = (
        (0.1, 0.22, 0.55),
        (0.1, 0.1, 0.12),
        (0.7, 0.12, 0.1),
        (0.15, 0.4, 0.25),
        (0.75, 0.75, 0.75),
        (0.05, 0.3, 0.75),
    )
    tone = np.array(paints[int(rng.integers(len(paints)))]) * rng.uniform(0.7, 1.2)
    base = _COMMON[COMMON["paint"][int(rng.integers(3))]]
    faces = []
    for side in (True, False):
        paper = np.clip(base[..., :3] * tone, 0, 255).astype(np.uint8)
        if side:
            if steel and rng.random() < 0.5:
                band = _byte(tuple(rng.uniform(0.2, 1, 3)))
                cv2.rectangle(paper, (0, 88), (PX, 168), band, -1)
            for x in (20, 148):
                if rng.random() < 0.8:
                    cv2.rectangle(paper, (x, 100), (x + 56, 160), (235, 235, 230), -1)
                    for row in range(110, 158, 9):
                        cv2.putText(paper, word(rng, 3, 8), (x + 3, row), 0, 0.28, (20, 20, 20), 1)
                    if rng.random() < 0.5:
                        cv2.fillConvexPoly(
                            paper, np.array(((x + 28, 60), (x + 46, 78), (x + 28, 96), (x + 10, 78))), (220, 90, 20)
                        )
        worn = paper.astype(np.float32) * stains(rng, 14, dark=0.35)[..., None]
        if steel and rng.random() < 0.5:
            rust = np.clip(noise(rng, (3, 6), 5) - 1.1, 0, 1)[..., None]
            worn = worn * (1 - rust) + rust * np.array((110, 60, 30))
        layer = base.copy()
        layer[..., :3] = np.clip(worn, 0, 255)
        faces.append(layer)
    return faces


def poster(rng: np.random.Generator) -> Picture:
    """A sign, a screen, a notice: what hangs on walls and is no carton."""
    paper = np.full((PX, PX, 3), rng.integers(120, 255), np.uint8)
    paper[:] = tuple(int(v) for v in rng.integers(20, 255, 3))
    _blocks(paper, rng)
    for row in range(int(rng.integers(1, 7))):
        cv2.putText(
            paper,
            word(rng, 3, 10),
            (14, 40 + 34 * row),
            int(rng.choice(FONTS)),
            float(rng.uniform(0.6, 1.4)),
            tuple(int(v) for v in rng.integers(0, 255, 3)),
            2,
            cv2.LINE_AA,
        )
    layer = np.full((PX, PX, 4), 128, np.uint8)
    layer[..., :3] = paper
    return layer


def _ink(values: Array) -> Ink:
    r, g, b = (float(v) for v in np.clip(values, 0.02, 1.0))
    return r, g, b


def _byte(tone: tuple[float, ...]) -> tuple[int, int, int]:
    r, g, b = (round(float(c) * 255) for c in tone)
    return min(255, r), min(255, g), min(255, b)
