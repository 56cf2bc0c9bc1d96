"""What truly crossed a gate: from the track of each item's box, frame by frame. The rule of the ground truth's file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

RULE = (
    "An item is counted when the centre of its bounding box crosses the gate segment. dir=in when it moves along "
    "in_normal, out when against it. t in seconds, centre on the line, tolerance t_tol. Items already past the line at "
    "t=0 or not yet over it at the end are not counted."
)
BEYOND = 0.12
"""A crossing holds once the centre is this share of its box's extent beyond the line; t is when it was on the line."""
NEAR_S = 1.0
BEYOND_PX = 1.5
"""And at least so far: what stands on the line does not cross it by the lens's rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A segment in pixels, and the unit vector that is inward."""

    line: tuple[tuple[float, float], tuple[float, float]]
    in_normal: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An item in one frame: its whole box (hidden parts too) and the seen share of it."""

    t: float
    box: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """One crossing; `visible` is the most that was seen of the item within NEAR_S of it."""

    t: float
    inward: bool
    item: str
    id: int
    visible: float


def gate_across(one: Sequence[float], two: Sequence[float], towards: Sequence[float]) -> Gate:
    """The gate from `one` to `two` (pixels), inward on the side of the vector `towards`."""
    x0, y0, x1, y1 = (round(float(v)) for v in (*one, *two))
    length = max(1e-6, math.hypot(x1 - x0, y1 - y0))
    normal = (-(y1 - y0) / length, (x1 - x0) / length)
    if normal[0] * towards[0] + normal[1] * towards[1] < 0:
        normal = (-normal[0], -normal[1])
    return Gate(line=((x0, y0), (x1, y1)), in_normal=(round(normal[0], 4) + 0.0, round(normal[1], 4) + 0.0))


def crossings(track: Sequence[Seen], gate: Gate, *, item: str, id_: int) -> list[Crossed]:
    """Every crossing of one item's track, in time; coming back counts again."""
    found: list[Crossed] = []
    clear = [(s.t, s.visible) for s in track]
    side = 0  # -1 outside, 1 inside, 0 not known yet
    last: tuple[float, float] | None = None  # when the centre was last on the line, and where along it (0..1)
    before: tuple[float, float, float] | None = None
    for seen in track:
        off, along = _where(seen.box, gate)
        if before is not None and before[1] * off <= 0 and before[1] != off:
            share = before[1] / (before[1] - off)
            last = (before[0] + share * (seen.t - before[0]), before[2] + share * (along - before[2]))
        before = (seen.t, off, along)
        if abs(off) < _beyond(seen.box, gate):
            continue
        now = 1 if off > 0 else -1
        if side and now != side and last is not None and 0 <= last[1] <= 1:
            best = max(v for t, v in clear if abs(t - last[0]) <= NEAR_S or t == seen.t)
            found.append(Crossed(t=last[0], inward=now > 0, item=item, id=id_, visible=best))
        side = now
    return found


def _where(box: tuple[float, float, float, float], gate: Gate) -> tuple[float, float]:
    """Signed pixels of a box's centre from the gate (inside positive), and its place along the gate (0..1)."""
    (x0, y0), (x1, y1) = gate.line
    x, y = (box[0] + box[2]) / 2 - x0, (box[1] + box[3]) / 2 - y0
    length2 = (x1 - x0) ** 2 + (y1 - y0) ** 2
    return x * gate.in_normal[0] + y * gate.in_normal[1], (x * (x1 - x0) + y * (y1 - y0)) / length2


def _beyond(box: tuple[float, float, float, float], gate: Gate) -> float:
    nx, ny = gate.in_normal
    return max(BEYOND_PX, BEYOND * (abs(nx) * (box[2] - box[0]) + abs(ny) * (box[3] - box[1])))


def as_json(gate: Gate, goods: Sequence[Crossed], others: Sequence[Crossed], loads: dict[int, int]) -> dict[str, Any]:
    """A gate as in the ground truth's file; `others` are people and forklifts; `load` groups what moves together."""

    def event(crossed: Crossed) -> dict[str, Any]:
        made: dict[str, Any] = {
            "t": round(crossed.t, 3),
            "dir": "in" if crossed.inward else "out",
            "item": crossed.item,
            "id": crossed.id,
            "visible": round(crossed.visible, 2),
        }
        return made | ({"load": loads[crossed.id]} if crossed.id in loads else {})

    return {
        "id": "gate",
        "line": [list(gate.line[0]), list(gate.line[1])],
        "in_normal": list(gate.in_normal),
        "in": sum(c.inward for c in goods),
        "out": sum(not c.inward for c in goods),
        "events": [event(c) for c in sorted(goods, key=lambda c: c.t)],
        "others": [event(c) for c in sorted(others, key=lambda c: c.t)],
    }
