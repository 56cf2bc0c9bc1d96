"""Renders a clip of cartons going through a warehouse gate, and writes the exact truth beside it.

    python models/synth/gate_clip.py OUT.mp4 [--seconds 20] [--fps 15] [--size 640x360] [--seed 1] [--in 6] [--out 2]

On the belt (left) cartons come in from a truck: single ones, two side by side, one that stands on the line because the
belt stops. On the roller table (right) one is pushed in and comes back out, others are pushed out. A worker walks past
the end of the gate. The same seed gives the same clip. `truth.json` has the rule of counting, the gate, the events.
"""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from scene import BELT_X, BELT_Z, TABLE_X, Camera, Carton, Scenery, carton, draw_carton, draw_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RULE = (
    "An item is counted when the centre of its bounding box crosses the gate segment; t is when the centre was on the "
    "line for the last time before it stood a quarter of its extent beyond it. dir=in along in_normal, out against it."
)
GATE_Y = 4.35
BELT_MPS, HALT_S, GAP_M = 0.95, 2.2, 1.25
DOOR_Y, END_Y = 8.3, 1.2
FIRST_S = 0.8
"""Nothing moves through the picture before: a camera knows its scene before goods come."""


class NoRoomError(ValueError):
    """So many cartons do not fit into so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to render."""

    seconds: float = 20.0
    fps: float = 15.0
    width: int = 640
    height: int = 360
    seed: int = 1
    goods_in: int = 6
    goods_out: int = 2


@dataclass(frozen=True, slots=True)
class Goods:
    """A carton and where it stands at each time (x, y, turn), or None while it is not there."""

    box: Carton
    where: Callable[[float], tuple[float, float, float] | None]


def render(path: Path, wish: Wish) -> dict[str, Any]:
    """Write the clip; return its truth (and write that as `truth.json` beside a clip of that name)."""
    truth, play = plan(wish)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), wish.fps, (wish.width, wish.height))
    if not writer.isOpened():
        raise SystemExit(f"{path} cannot be written as a video")
    for picture in play:
        writer.write(picture)
    writer.release()
    return truth | {"clip": path.name}


def plan(wish: Wish) -> tuple[dict[str, Any], Any]:
    """The truth, and the pictures one after the other."""
    rng = np.random.default_rng(wish.seed)
    camera = Camera(wish.width, wish.height)
    belt, table, belt_m = _schedule(wish, rng, camera)
    goods = belt + table
    ends = camera.project([(BELT_X[0] - 0.1, GATE_Y, BELT_Z + 0.15), (TABLE_X[1] + 0.1, GATE_Y, BELT_Z + 0.15)])
    line = [[round(float(x)), round(float(ends[0][1]))] for x, _ in ends]
    events = sorted(
        (event for one in goods for event in _events(one, camera, line, wish.seconds)), key=lambda event: event["t"]
    )
    ways = [event["dir"] for event in events]
    if (ways.count("in"), ways.count("out")) != (wish.goods_in, wish.goods_out):
        raise NoRoomError(f"{ways.count('in')} in and {ways.count('out')} out fit into {wish.seconds} s; ask for fewer")
    truth = {
        "version": 1,
        "rule": RULE,
        "provenance": f"rendered by models/synth/gate_clip.py, seed {wish.seed}",
        "width": wish.width,
        "height": wish.height,
        "fps": wish.fps,
        "frames": int(wish.seconds * wish.fps),
        "item": "carton",
        "camera": "fixed",
        "t_tol": 0.6,
        "in": wish.goods_in,
        "out": wish.goods_out,
        "gates": [
            {
                "id": "gate",
                "line": line,
                "in_normal": [0.0, 1.0],
                "in": wish.goods_in,
                "out": wish.goods_out,
                "events": events,
            }
        ],
    }
    return truth, _pictures(wish, rng, camera, goods, belt_m)


# ---- who goes where, and when ----


def _schedule(
    wish: Wish, rng: np.random.Generator, camera: Camera
) -> tuple[list[Goods], list[Goods], Callable[[float], float]]:
    """Cartons of the belt, of the table, and how far the belt has moved."""
    returns = wish.goods_in > 0 and wish.goods_out > 0
    on_belt = wish.goods_in - returns
    pair = on_belt >= 3
    slots = on_belt - pair
    boxes = [carton(rng) for _ in range(on_belt)]
    lanes, order = [], list(range(slots))
    pair_slot = int(rng.integers(1, slots)) if pair else -1
    halted = order[-1] if slots > 1 and pair_slot != slots - 1 else 0
    room = (wish.seconds - FIRST_S - HALT_S) * BELT_MPS - (DOOR_Y - GATE_Y) - 1.0
    spare = room - GAP_M * max(0, slots - 1)
    if on_belt and spare < 0:
        raise NoRoomError(f"{on_belt} cartons on the belt need {wish.seconds - spare / BELT_MPS:.0f} s")
    gaps = rng.dirichlet(np.ones(slots + 1)) * spare if slots else np.zeros(1)
    starts = [DOOR_Y + FIRST_S * BELT_MPS + float(gaps[: slot + 1].sum()) + GAP_M * slot for slot in order]
    for slot in order:
        middle = sum(BELT_X) / 2
        if slot == pair_slot:
            lanes += [(slot, middle - 0.34, -0.04), (slot, middle + 0.34, float(rng.uniform(-0.08, 0.08)))]
        else:
            lanes.append((slot, middle + float(rng.uniform(-0.3, 0.3)), 0.0))
    halt_at = None
    for (slot, x, _), box in zip(lanes, boxes, strict=True):
        if slot == halted and slot != pair_slot:
            halt_at = (starts[slot] - _on_line(box, x, camera) - float(rng.uniform(0.02, 0.05))) / BELT_MPS

    def belt_m(t: float) -> float:
        if halt_at is None or t <= halt_at:
            return BELT_MPS * t
        tremble = 0.008 * math.sin(23 * t) if t < halt_at + HALT_S else 0.0
        return BELT_MPS * (halt_at + max(0.0, t - halt_at - HALT_S)) + tremble

    belt = [
        _riding(box, x, starts[slot] + shift, float(rng.normal(0, 0.06)), belt_m)
        for (slot, x, shift), box in zip(lanes, boxes, strict=True)
    ]
    return belt, _table(wish, rng, returns=returns), belt_m


def _riding(box: Carton, x: float, start_y: float, turn: float, belt_m: Callable[[float], float]) -> Goods:
    def where(t: float) -> tuple[float, float, float] | None:
        y = start_y - belt_m(t)
        return (x, y, turn) if END_Y < y < DOOR_Y else None

    return Goods(box, where)


def _table(wish: Wish, rng: np.random.Generator, *, returns: bool) -> list[Goods]:
    """First the one that comes back, then those that are pushed out."""
    goods, t = [], FIRST_S + float(rng.uniform(0.2, 1.0))
    middle = sum(TABLE_X) / 2
    if returns:
        box, turn_y = carton(rng), GATE_Y - float(rng.uniform(0.9, 1.2))
        there, back = (DOOR_Y - turn_y) / 1.15, (DOOR_Y - turn_y) / 1.0
        stay = float(rng.uniform(0.5, 1.1))
        goods.append(
            _pushed(
                box,
                middle,
                [(t, DOOR_Y), (t + there, turn_y), (t + there + stay, turn_y), (t + there + stay + back, DOOR_Y)],
                rng,
            )
        )
        t += there + stay + back + 0.3
    plain = wish.goods_out - returns
    need = (DOOR_Y - END_Y) / 1.35
    for _ in range(plain):
        goods.append(
            _pushed(carton(rng), middle + float(rng.uniform(-0.12, 0.12)), [(t, END_Y), (t + need, DOOR_Y)], rng)
        )
        t += 2.4 + float(rng.uniform(0.0, 0.4))
    return goods


def _pushed(box: Carton, x: float, stations: list[tuple[float, float]], rng: np.random.Generator) -> Goods:
    """Moves from station to station (time, y), gently starting and ending."""
    turn = float(rng.normal(0, 0.05))

    def where(t: float) -> tuple[float, float, float] | None:
        for (t0, y0), (t1, y1) in pairwise(stations):
            if t0 <= t < t1:
                share = (t - t0) / (t1 - t0)
                share = 0.75 * share + 0.25 * (3 * share**2 - 2 * share**3)
                return x + 0.01 * math.sin(3 * t), y0 + share * (y1 - y0), turn + 0.02 * math.sin(2 * t)
        return None

    return Goods(box, where)


# ---- truth ----


def _centre(box: Carton, place: tuple[float, float, float], camera: Camera) -> tuple[float, float, float, float]:
    """Centre and extent of its bounding box in the picture, what is outside cut off."""
    flat = camera.project(box.corners(*place))
    low, high = flat.min(0), flat.max(0)
    low, high = np.maximum(low, 0), np.minimum(high, (camera.width, camera.height))
    return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(high[0] - low[0]), float(high[1] - low[1])


def _on_line(box: Carton, x: float, camera: Camera) -> float:
    """The y (metres) at which the centre of its bounding box is on the gate."""
    gate = float(camera.project([(0, GATE_Y, BELT_Z + 0.15)])[0][1])
    near, far = 2.0, 7.0
    for _ in range(30):
        middle = (near + far) / 2
        near, far = (near, middle) if _centre(box, (x, middle, 0.0), camera)[1] < gate else (middle, far)
    return (near + far) / 2


def _events(one: Goods, camera: Camera, line: list[list[int]], seconds: float) -> list[dict[str, Any]]:
    """Crossings by the rule, from the true path at a hundredth of a second."""
    events, side, on_line = [], 0, 0.0
    before = None
    for step in range(int(seconds * 100)):
        t = step / 100
        place = one.where(t)
        if place is None:
            side, before = 0, None
            continue
        x, y, _, extent = _centre(one.box, place, camera)
        distance = y - line[0][1]
        if before is not None and before * distance <= 0:
            on_line = t
        before = distance
        if abs(distance) > 0.25 * extent:
            now = 1 if distance > 0 else -1
            if side == -now and line[0][0] <= x <= line[1][0]:
                events.append({"t": round(on_line, 2), "dir": "in" if now > 0 else "out", "item": "carton"})
            side = now
    return events


# ---- pictures ----


def _pictures(wish: Wish, rng: np.random.Generator, camera: Camera, goods: list[Goods], belt_m: Any) -> Any:  # noqa: ANN401
    scenery = Scenery(camera, rng)
    rows, columns = np.mgrid[-1 : 1 : wish.height * 1j, -1 : 1 : wish.width * 1j]
    vignette = (1 - 0.2 * (rows**2 + columns**2) / 2).astype(np.float32)[..., None]
    walk_at, phase = float(rng.uniform(2.0, wish.seconds * 0.4)), float(rng.uniform(0, 6))
    grain = rng.standard_normal((8, wish.height, wish.width, 1)).astype(np.float32)
    for number in range(int(wish.seconds * wish.fps)):
        t = number / wish.fps
        picture = scenery.picture(belt_m(t))
        drawn = [(place, one) for one in goods if (place := one.where(t)) is not None]
        for (x, y, turn), one in sorted(drawn, key=lambda pair: -pair[0][1]):
            draw_carton(picture, camera, one.box, x, y, turn)
        _worker(picture, camera, t - walk_at)
        flicker = 1 + 0.012 * math.sin(2 * math.pi * 1.7 * t + phase) + 0.02 * math.sin(0.35 * t + phase)
        picture *= vignette * np.float32(flicker)
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6), dtype=np.float32)
        shift = rng.integers(0, 60, 2)
        picture += 2.6 * np.roll(grain[rng.integers(8)], tuple(shift.tolist()), (0, 1)) * (0.7 + picture / 400)
        yield _stamped(np.clip(picture, 0, 255).astype(np.uint8), t, wish)


def _worker(picture: NDArray[np.float32], camera: Camera, t: float) -> None:
    """Walks up the left walkway from below the picture, past the end of the gate, and out of it on the left."""
    speed = 1.05
    y = 2.0 + speed * t
    if t < 0 or y > 7.5:
        return
    x = -2.55 - 0.9 * max(0.0, y - 5.2)
    heading = -0.75 if y > 5.2 else 0.0
    draw_worker(picture, camera, x, y, heading, 2 * math.pi * t * 0.85)


def _stamped(picture: NDArray[np.uint8], t: float, wish: Wish) -> NDArray[np.uint8]:
    """What a camera burns in: date, time, its name."""
    scale = wish.width / 640 * 0.45
    text = f"2026-03-02 08:{int(t // 60):02d}:{int(t % 60):02d}"
    low, right = wish.height - 10, wish.width - int(250 * scale)
    for string, (x, y) in ((text, (10, int(40 * scale))), ("CAM-02 GATE", (right, low))):
        for dx, dy, ink in ((1, 1, 20), (-1, 0, 20), (0, -1, 20), (0, 0, 245)):
            place = (x + dx, y + dy)
            cv2.putText(picture, string, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (ink, ink, ink), 1, cv2.LINE_AA)
    return picture


def main() -> None:
    """Render what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, metavar="OUT.mp4")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", default="640x360", metavar="WxH")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in", type=int, default=6, dest="goods_in", metavar="N")
    parser.add_argument("--out", type=int, default=2, dest="goods_out", metavar="N")
    asked = vars(parser.parse_args())
    clip, (width, height) = asked.pop("clip"), map(int, asked.pop("size").split("x"))
    try:
        truth = render(clip, Wish(width=width, height=height, **asked))
    except NoRoomError as error:
        parser.error(str(error))
    beside = clip.with_name("truth.json")
    beside.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    print(f"{clip}: {truth['in']} in, {truth['out']} out; truth in {beside}")


if __name__ == "__main__":
    main()
