"""What can be learned of a gate by watching it for some minutes: what passes, how fast, on what, and how well seen.

Pure: the same passes and looks give the same findings. What too few passes show is not proposed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.eye.gate import GateLine

LEAST_PASSES: Final = 3
"""From fewer nothing is proposed."""
LEAST_FRAMES_PER_S: Final = 12.0
"""With fewer pictures, items that move further than their spacing between two are not told apart."""
STEADY_SPEED: Final = 0.3
"""What comes on a belt has one speed: its median distance from the median is less than this share of it."""
LEAST_ITEM_PX: Final = 16
NOISY: Final = 4.0
"""Grey: with more change from picture to picture where nothing is, weak contrast is lost."""
DARK: Final = 40.0
"""Grey: the median of a picture in which little is to be seen."""
FLICKER: Final = 0.2
"""Share of the pictures without a pass in which something seemed to stand on the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One thing went through the gate: its size when it did, and its speed across."""

    at_ms: int
    width: float
    height: float
    speed_px_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one picture was like."""

    at_ms: int
    brightness: float
    """Median grey."""
    change: float
    """Grey: median difference of the gate's line from the picture before."""
    on_line: int
    """How many things that are not background stood on the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is proposed, None where it cannot be, and what speaks against the place."""

    passes: int
    item_px: tuple[int, int] | None
    item_across_px: int | None
    """How long the item is in the direction of its way."""
    speed_px_per_s: int | None
    way: str | None
    frames_per_s: float
    dropped: int
    noise: float
    brightness: float
    false_share: float
    """Of the pictures without a pass, in how many something seemed to be on the line."""
    warnings: tuple[str, ...]


def findings_of(
    passes: Sequence[Passed],
    looks: Sequence[Look],
    line: GateLine,
    *,
    size: tuple[int, int],
    dropped: int = 0,
    exemplar: tuple[float, float, float, float] | None = None,
) -> Findings:
    """What these observations say; `size` is the picture's width and height, `exemplar` an item shown by hand."""
    if not looks:
        raise ValueError("not one picture was seen")
    seconds = (looks[-1].at_ms - looks[0].at_ms) / 1000
    frames_per_s = (len(looks) - 1) / seconds if seconds > 0 else 0.0
    item = _item(passes, exemplar)
    speeds = [abs(one.speed_px_per_s) for one in passes]
    enough = len(passes) >= LEAST_PASSES
    speed = round(median(speeds)) if enough else None
    busy = [one.at_ms for one in passes]
    quiet = [look for look in looks if all(abs(look.at_ms - at_ms) > _ROUND_A_PASS_MS for at_ms in busy)]
    found = Findings(
        passes=len(passes),
        item_px=item,
        item_across_px=None if item is None else round(_across(item, line)),
        speed_px_per_s=max(1, speed) if speed is not None else None,
        way=_way(speeds) if enough else None,
        frames_per_s=round(frames_per_s, 1),
        dropped=dropped,
        noise=round(median(look.change for look in looks), 1),
        brightness=round(median(look.brightness for look in looks)),
        false_share=round(sum(look.on_line > 0 for look in quiet) / len(quiet), 2) if quiet else 0.0,
        warnings=(),
    )
    return _warned(found, line, size)


_ROUND_A_PASS_MS: Final = 3_000


def _item(passes: Sequence[Passed], exemplar: tuple[float, float, float, float] | None) -> tuple[int, int] | None:
    if exemplar is not None:
        x0, y0, x1, y1 = exemplar
        return max(2, round(abs(x1 - x0))), max(2, round(abs(y1 - y0)))
    if len(passes) < LEAST_PASSES:
        return None
    return max(2, round(median(p.width for p in passes))), max(2, round(median(p.height for p in passes)))


def _across(item: tuple[int, int], line: GateLine) -> float:
    return abs(line.normal[0]) * item[0] + abs(line.normal[1]) * item[1]


def _way(speeds: Sequence[float]) -> str:
    usual = median(speeds)
    return "belt" if median(abs(speed - usual) for speed in speeds) < STEADY_SPEED * usual else "door"


def _warned(found: Findings, line: GateLine, size: tuple[int, int]) -> Findings:
    wrong = []
    width, height = size
    if not all(0 <= x <= width and 0 <= y <= height for x, y in ((line.x0, line.y0), (line.x1, line.y1))):
        wrong.append(f"the gate reaches out of the picture, which is {width}x{height}")
    if found.frames_per_s < LEAST_FRAMES_PER_S:
        wrong.append(f"{found.frames_per_s:g} pictures a second: at least {LEAST_FRAMES_PER_S:g} are needed")
    if found.passes < LEAST_PASSES and found.item_px is None:
        wrong.append(
            f"{found.passes} things passed, {LEAST_PASSES} are needed: watch longer, or show one by --exemplar"
        )
    if found.item_px is not None and min(found.item_px) < LEAST_ITEM_PX:
        wrong.append(f"an item is {found.item_px[0]}x{found.item_px[1]} pixels: bring the camera nearer")
    if found.item_across_px and found.speed_px_per_s and found.frames_per_s:
        a_picture = found.speed_px_per_s / found.frames_per_s
        if a_picture > found.item_across_px / 2:
            wrong.append(f"items move {a_picture:.0f} pixels between two pictures, more than half their length")
    if found.noise > NOISY:
        wrong.append(f"the picture trembles by {found.noise:g} grey from one to the next: more light is needed")
    if found.brightness < DARK:
        wrong.append(f"the picture is dark, {found.brightness:g} of 255 in the middle")
    if found.false_share > FLICKER:
        wrong.append(f"something seems to stand on the line in {found.false_share:.0%} of the pictures without a pass")
    return replace(found, warnings=tuple(wrong))
