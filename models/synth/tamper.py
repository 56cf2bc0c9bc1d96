"""Makes a clip in which somebody tampers with the camera, or in which nothing but life happens, and the truth of it.

    python models/synth/tamper.py CLIP OUT.mp4 --what frozen [--at 4.0] [--seed 1] [--codec mp4v|MJPG|FFV1]
    python models/synth/tamper.py --list

What a variant is called says what is done; `VARIANTS` has the state a camera is in from then on, `clear` for what must
not alarm. `t_start` is when it begins, `t_full` when it is complete. The same seed gives the same pictures. A moved
camera looks through a window of `WINDOW` of the clip's pictures, so that what comes into view is real.
"""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import argparse
import json
import math
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Picture: TypeAlias = NDArray[np.uint8]

WINDOW = 0.86
"""Share of the picture's width and height that the camera sees where it will be moved."""
AFTER_S = 4.0
"""A frozen film goes on for so long, at least."""
LOOPS = 2.6
"""So often a loop is played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to tamper: the state it brings, how long it takes to be complete, how long it stays (None: for good)."""

    state: str
    full_s: float = 0.0
    change: Callable[[_Stage], Picture] | None = None
    moves: bool = False
    loop_s: float | None = None
    frozen: bool = False
    clock: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was done to a clip, when it began and when it was complete, in seconds; `clear` has neither."""

    what: str
    state: str
    t_start: float | None
    t_full: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """What a change works on: the picture, how far the change has come (0 to 1), seconds since it began, and chance."""

    picture: Picture
    done: float
    since_s: float
    rng: np.random.Generator
    """Anew for each picture, from the seed alone: it draws the same for each."""


def vary(pictures: Iterable[Picture], what: str, *, fps: float, at_s: float, seed: int = 1) -> Iterator[Picture]:
    """The variant's pictures, at the same rate."""
    variant = VARIANTS[what]
    kept: deque[Picture] = deque(maxlen=max(1, round(fps * (variant.loop_s or 0))))
    number = first = round(at_s * fps)
    for index, original in enumerate(pictures):
        picture = _clocked(original, index) if variant.clock and not variant.frozen else original
        number = index
        if index >= first and (variant.loop_s or variant.frozen):
            break
        kept.append(picture)
        since_s = index / fps - at_s
        done = 1.0 if variant.full_s == 0 else min(1.0, max(0.0, since_s / variant.full_s))
        if variant.moves:
            done = done if since_s >= 0 else 0.0
        elif since_s < 0:
            yield _clocked(picture, index) if variant.clock and variant.frozen else picture
            continue
        if variant.change is None:
            yield picture
            continue
        yield variant.change(_Stage(picture=picture, done=done, since_s=since_s, rng=np.random.default_rng(seed)))
    if variant.loop_s:
        for index in range(math.ceil(LOOPS * len(kept))):
            yield kept[index % len(kept)]
    elif variant.frozen:
        for index in range(math.ceil(AFTER_S * fps)):
            yield _clocked(kept[-1], number + index) if variant.clock else kept[-1]


def truth_of(what: str, *, at_s: float) -> Truth:
    """What `vary` does, and when."""
    variant = VARIANTS[what]
    if variant.state == "clear":
        return Truth(what=what, state="clear", t_start=None, t_full=None)
    return Truth(what=what, state=variant.state, t_start=at_s, t_full=round(at_s + variant.full_s, 3))


def pictures_of(path: Path) -> tuple[Iterator[Picture], float, float]:
    """A film's pictures, its rate, and how many seconds it has."""
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise SystemExit(f"{path} is not a film that can be read")
    fps = float(capture.get(cv2.CAP_PROP_FPS)) or 25.0
    seconds = float(capture.get(cv2.CAP_PROP_FRAME_COUNT)) / fps

    def read() -> Iterator[Picture]:
        while True:
            ok, picture = capture.read()
            if not ok:
                return
            yield np.asarray(picture, dtype=np.uint8)

    return read(), fps, seconds


def write(path: Path, pictures: Iterable[Picture], *, fps: float, codec: str = "mp4v") -> None:
    """Write a film; mp4v loses much, MJPG a little, FFV1 (in .mkv) nothing."""
    writer = None
    for picture in pictures:
        if writer is None:
            size = (picture.shape[1], picture.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, size)
            if not writer.isOpened():
                raise SystemExit(f"{path} cannot be written with {codec}")
        writer.write(picture)
    if writer is not None:
        writer.release()


# ---- covers ----


def _slide(stage: _Stage, cover: NDArray[np.float32], *, share: float = 1.0) -> Picture:
    """The cover comes in from the right until it hides that share, with a soft edge: it is near the lens."""
    height, width = stage.picture.shape[:2]
    edge = width * (1 - share * stage.done * 1.06)
    alpha = np.clip((np.arange(width, dtype=np.float32) - edge) / (0.04 * width) + 0.5, 0, 1)[None, :, None]
    mixed = stage.picture * (1 - alpha) + cover[:height, :width] * alpha
    return _bytes(mixed + _grain(stage) * alpha)


def _grain(stage: _Stage) -> NDArray[np.float32]:
    """The sensor's own noise, new in each picture."""
    rng = np.random.default_rng(round(stage.since_s * 1000) + 7)
    return np.asarray(rng.normal(0, 1.5, stage.picture.shape), dtype=np.float32)


def _cloudy(shape: tuple[int, ...], rng: np.random.Generator, *, cell: int, spread: float) -> NDArray[np.float32]:
    """Smooth noise of cells of so many pixels, grey, around 0."""
    height, width = shape[:2]
    small = rng.normal(0, spread, (max(2, height // cell), max(2, width // cell))).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)[..., None]


def _hand(stage: _Stage) -> Picture:
    colour = np.array([60, 80, 130], np.float32)
    return _slide(stage, colour + _cloudy(stage.picture.shape, stage.rng, cell=90, spread=14))


def _tape(stage: _Stage) -> Picture:
    colour = np.array([105, 110, 112], np.float32)
    return _slide(stage, colour + _cloudy(stage.picture.shape, stage.rng, cell=200, spread=5))


def _cardboard(stage: _Stage) -> Picture:
    colour = np.array([90, 130, 165], np.float32)
    cover = colour + _cloudy(stage.picture.shape, stage.rng, cell=60, spread=8)
    return _slide(stage, cover + _cloudy(stage.picture.shape, stage.rng, cell=4, spread=4))


def _bubble(stage: _Stage) -> Picture:
    """Bright and textured: rings of light, and a little of the scene's colours through it."""
    height, width = stage.picture.shape[:2]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    pitch = width / 7
    row = np.floor(ys / pitch)
    dx = (xs + (row % 2) * pitch / 2) % pitch - pitch / 2
    distance = np.hypot(dx, ys % pitch - pitch / 2) / pitch
    rings = 32 * np.exp(-(((distance - 0.38) / 0.06) ** 2)) - 20 * np.exp(-(((distance - 0.28) / 0.05) ** 2))
    scene = cv2.GaussianBlur(stage.picture, (0, 0), width / 18).astype(np.float32)
    return _slide(stage, 0.25 * scene + 150 + rings[..., None].astype(np.float32))


def _most(stage: _Stage) -> Picture:
    """Two thirds of the lens behind a board."""
    colour = np.array([70, 75, 80], np.float32)
    cover = colour + _cloudy(stage.picture.shape, stage.rng, cell=120, spread=10)
    return _slide(stage, np.asarray(cover, np.float32), share=0.68)


def _spray(stage: _Stage) -> Picture:
    """Drops of paint that run together; between them the scene shows through a film."""
    height, width = stage.picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for _ in range(round(260 * stage.done)):
        x, y, r = stage.rng.uniform(0, width), stage.rng.uniform(0, height), stage.rng.uniform(0.02, 0.06) * width
        cv2.circle(mask, (round(x), round(y)), round(r), float(stage.rng.uniform(0.6, 0.95)), -1)
    mask = np.maximum(cv2.GaussianBlur(mask, (0, 0), 0.012 * width), 0.35 * stage.done)[..., None]
    return _bytes(stage.picture * (1 - mask) + np.array([40, 42, 150], np.float32) * mask)


def _film(stage: _Stage) -> Picture:
    """A thin coat: a quarter of the scene's light comes through, scattered."""
    alpha = 0.75 * stage.done
    soft = cv2.GaussianBlur(stage.picture, (0, 0), 0.3 + 0.004 * stage.picture.shape[1] * stage.done)
    return _bytes(soft * (1 - alpha) + 170.0 * alpha)


# ---- what is wrong with the camera itself ----


def _blur(share: float) -> Callable[[_Stage], Picture]:
    def change(stage: _Stage) -> Picture:
        sigma = share * stage.picture.shape[1] * stage.done
        return stage.picture if sigma < 0.2 else _bytes(cv2.GaussianBlur(stage.picture, (0, 0), sigma) + _grain(stage))

    return change


def _dark(stage: _Stage) -> Picture:
    gain = 1 - 0.96 * stage.done
    return _bytes(stage.picture * gain + _grain(stage))


def _view(
    right: float = 0.0, down: float = 0.0, *, zoom: float = 1.0, roll: float = 0.0
) -> Callable[[_Stage], Picture]:
    """The window moves by shares of its longer side, zooms, and turns by degrees."""

    def change(stage: _Stage) -> Picture:
        height, width = stage.picture.shape[:2]
        size = (round(width * WINDOW), round(height * WINDOW))
        scale = 1 / (1 + (zoom - 1) * stage.done)
        angle = math.radians(roll * stage.done)
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        x, y = round((width - size[0]) / 2), round((height - size[1]) / 2)
        middle_x = x + size[0] / 2 + right * stage.done * max(size)
        middle_y = y + size[1] / 2 + down * stage.done * max(size)
        matrix = np.array(
            [
                [cos, -sin, middle_x - cos * size[0] / 2 + sin * size[1] / 2],
                [sin, cos, middle_y - sin * size[0] / 2 - cos * size[1] / 2],
            ]
        )
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(stage.picture, matrix, size, flags=how, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(seen, dtype=np.uint8)

    return change


# ---- life ----


def _exposure(gain: float) -> Callable[[_Stage], Picture]:
    return lambda stage: _bytes(stage.picture * np.float32(gain))


def _white_balance(stage: _Stage) -> Picture:
    warm = 0.18 * math.sin(1.3 * stage.since_s)
    return _bytes(stage.picture * np.array([1 - warm, 1.0, 1 + warm], np.float32))


def _insect(stage: _Stage) -> Picture:
    """A dark blurred thing that walks over the lens, and stops on it."""
    height, width = stage.picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    x = width * min(0.6, 0.1 + 0.2 * stage.since_s)
    cv2.ellipse(mask, (round(x), round(0.4 * height)), (width // 11, height // 9), 20, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.015 * width)[..., None]
    return _bytes(stage.picture * (1 - soft) + 25 * soft)


def _passer(stage: _Stage) -> Picture:
    """Somebody goes close by: for a moment half of the picture is his coat."""
    height, width = stage.picture.shape[:2]
    middle = width * (stage.since_s - 0.3)
    alpha = np.clip((0.28 * width - np.abs(np.arange(width) - middle)) / (0.02 * width), 0, 1).astype(np.float32)
    coat = np.array([70, 50, 45], np.float32) + _cloudy(stage.picture.shape, stage.rng, cell=40, spread=12)
    return _bytes(stage.picture * (1 - alpha[None, :, None]) + coat[:height] * alpha[None, :, None])


def _wave(stage: _Stage) -> Picture:
    """A hand before the whole lens, for 0.4 s."""
    return _hand(stage) if stage.since_s < 0.4 else stage.picture


def _mist(stage: _Stage) -> Picture:
    """A cleaner's spray: haze that is gone after 0.7 s."""
    alpha = 0.7 * max(0.0, 1 - stage.since_s / 0.7)
    return _bytes(stage.picture * (1 - alpha) + 200 * alpha)


def _lamp(stage: _Stage) -> Picture:
    """One of two lamps goes out: one side becomes darker than the other."""
    width = stage.picture.shape[1]
    gain = np.linspace(0.75, 0.4, width, dtype=np.float32)[None, :, None]
    return _bytes(stage.picture * gain)


def _flicker(stage: _Stage) -> Picture:
    return _bytes(stage.picture * np.float32(1 + 0.06 * math.sin(40 * stage.since_s)))


def _clocked(picture: Picture, number: int) -> Picture:
    """The camera's own overlay: a running clock in the corner."""
    shown = picture.copy()
    text = f"2026-11-24 08:00:{number // 15 % 60:02d}.{number % 15:02d}"
    scale = picture.shape[1] / 1100
    cv2.putText(shown, text, (6, round(30 * scale) + 4), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1)
    return shown


def _bytes(values: object) -> Picture:
    return np.asarray(np.clip(np.asarray(values), 0, 255), dtype=np.uint8)


VARIANTS: dict[str, Variant] = {
    "frozen": Variant(state="frozen", frozen=True),
    "frozen under a clock": Variant(state="frozen", frozen=True, clock=True),
    "looped 2 s": Variant(state="looped", loop_s=2.0),
    "looped 4 s": Variant(state="looped", loop_s=4.0),
    "blurred": Variant(state="defocused", full_s=0.6, change=_blur(0.012)),
    "blurred a little": Variant(state="defocused", full_s=0.6, change=_blur(0.006)),
    "shifted right": Variant(state="moved", full_s=0.4, change=_view(0.03), moves=True),
    "shifted down": Variant(state="moved", full_s=0.4, change=_view(0.0, 0.04), moves=True),
    "knocked": Variant(state="moved", full_s=0.3, change=_view(-0.06, 0.05, roll=4), moves=True),
    "turned": Variant(state="moved", full_s=0.8, change=_view(0.45, 0.05), moves=True),
    "zoomed": Variant(state="moved", full_s=0.8, change=_view(zoom=1.2), moves=True),
    "rolled": Variant(state="moved", full_s=0.6, change=_view(roll=8), moves=True),
    "hand": Variant(state="covered", full_s=0.5, change=_hand),
    "tape": Variant(state="covered", full_s=0.8, change=_tape),
    "cardboard": Variant(state="covered", full_s=0.8, change=_cardboard),
    "bubble wrap": Variant(state="covered", full_s=1.5, change=_bubble),
    "board over most": Variant(state="covered", full_s=0.8, change=_most),
    "sprayed": Variant(state="covered", full_s=1.2, change=_spray),
    "filmed over": Variant(state="covered", full_s=1.0, change=_film),
    "darkened": Variant(state="dark", full_s=0.3, change=_dark),
    "as it was": Variant(state="clear"),
    "under a clock": Variant(state="clear", clock=True),
    "exposure falls": Variant(state="clear", change=_exposure(0.5)),
    "exposure rises": Variant(state="clear", change=_exposure(1.6)),
    "white balance": Variant(state="clear", change=_white_balance),
    "insect": Variant(state="clear", change=_insect),
    "passer": Variant(state="clear", change=_passer),
    "hand waved": Variant(state="clear", change=_wave),
    "mist": Variant(state="clear", change=_mist),
    "lamp out": Variant(state="clear", change=_lamp),
    "flicker": Variant(state="clear", change=_flicker),
}


def main() -> None:
    """Make one variant of one clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--what", choices=VARIANTS, default="frozen")
    parser.add_argument("--at", type=float, help="seconds; otherwise 45 %% of the clip")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--codec", default="mp4v")
    parser.add_argument("--list", action="store_true")
    wish = parser.parse_args()
    if wish.list or wish.clip is None or wish.out is None:
        print("\n".join(f"{name:22} {variant.state}" for name, variant in VARIANTS.items()))
        return
    pictures, fps, seconds = pictures_of(wish.clip)
    at_s = round((0.45 * seconds if wish.at is None else wish.at) * fps) / fps
    write(wish.out, vary(pictures, wish.what, fps=fps, at_s=at_s, seed=wish.seed), fps=fps, codec=wish.codec)
    truth = asdict(truth_of(wish.what, at_s=at_s)) | {"clip": wish.out.name, "of": wish.clip.name}
    wish.out.with_suffix(".json").write_text(json.dumps(truth, indent=1) + "\n")
    print(json.dumps(truth))


if __name__ == "__main__":
    main()
