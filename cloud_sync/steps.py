"""A zone's count drawn as inline SVG: a step line over an area that begins at nought.

Where nothing was counted it is an outlined hatch, as in bars.py, and never a line on the ground: blind is not empty.
Where something stood before the goods, or the frames did not agree, the last count is dashed across the hatch.
Figures never come from here.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from cloud_sync.bars import EXACT_LIMIT, SLOTS, Frame
from cloud_sync.stock import Stand
from evidence.bodies import Verdict

HEIGHT: Final = 48
"""Units of height; the page stretches the width."""
MARGIN: Final = 5
"""Units above the highest count."""
LEAST_HEIGHT: Final = 3
"""Units of the line."""
_REMEMBERED: Final = (Verdict.OCCLUDED, Verdict.DISAGREED)


class _Step(NamedTuple):
    """Some units of the width, and what is said of them."""

    left: int
    right: int
    verdict: Verdict | None
    least: int
    most: int
    known: bool
    """Whether there is a count, be it of before."""


def steps(stands: Sequence[Stand], hidden: Iterable[tuple[int, int]], frame: Frame) -> Markup:
    """The stands of a window, in time order and inside the frame; `hidden` are the times of which nobody spoke."""
    found = _coarse(stands, frame) if len(stands) > EXACT_LIMIT else list(_exact(stands, frame))
    top = max((step.most for step in found if step.known), default=0) or 1

    def y(items: int) -> int:
        return HEIGHT - round(items * (HEIGHT - MARGIN) / top)

    area = line = dash = cross = ""
    dark = [(frame.x(from_ms), frame.x(to_ms)) for from_ms, to_ms in hidden]
    for step in found:
        width = step.right - step.left
        if step.verdict is Verdict.COUNTED:
            upper, lower = _thick(y(step.most), y(step.least))
            area += f"M{step.left} {HEIGHT}V{lower}h{width}V{HEIGHT}z" if lower < HEIGHT else ""
            line += f"M{step.left} {upper}h{width}V{lower}h-{width}z"
        elif step.verdict is None:
            cross += _box(step.left, width)
        else:
            dark.append((step.left, step.right))
            if step.verdict in _REMEMBERED and step.known:
                dash += f"M{step.left} {min(HEIGHT - 1, y((step.least + step.most) // 2))}h{width}"
    hatch = "".join(_box(left, max(1, right - left)) for left, right in _joined(dark))
    drawn = [("u", hatch), ("c", cross), ("area", area), ("l", line), ("last", dash)]
    fill = {"u": ' fill="url(#hatch)"', "c": ' fill="url(#cross)"'}
    paths = "".join(f'<path class="{name}"{fill.get(name, "")} d="{path}"/>' for name, path in drawn if path)
    box = f'viewBox="0 0 {frame.width} {HEIGHT}" preserveAspectRatio="none"'
    return Markup(f'<svg {box}>{paths}<use href="#grid"/></svg>')  # noqa: S704  only numbers


def _exact(stands: Iterable[Stand], frame: Frame) -> Iterable[_Step]:
    """Each stand, at least a unit wide."""
    for stand in stands:
        left = frame.x(max(stand.from_ms, frame.from_ms))
        right = max(left + 1, frame.x(min(stand.to_ms, frame.to_ms)))
        items = stand.items or 0
        known = stand.items is not None
        yield _Step(left, right, stand.verdict, max(0, items - stand.uncertain), items + stand.uncertain, known)


def _coarse(stands: Sequence[Stand], frame: Frame) -> list[_Step]:
    """At most SLOTS steps, a count from its least to its most.

    Error diffusion, as in bars.py: what a verdict is owed from earlier slots counts in the next one that it appears in,
    so that the shares stay true.
    """
    slot_ms = -(-(frame.to_ms - frame.from_ms) // SLOTS)
    slots: dict[int, list[Stand]] = {}
    for stand in stands:
        first, last = (stand.from_ms - frame.from_ms) // slot_ms, (stand.to_ms - 1 - frame.from_ms) // slot_ms
        for slot in range(max(0, first), min(SLOTS - 1, last) + 1):
            slots.setdefault(slot, []).append(stand)
    found: list[_Step] = []
    owed: dict[Verdict | None, int] = dict.fromkeys((None, *Verdict), 0)
    for slot, inside in sorted(slots.items()):
        from_ms = frame.from_ms + slot * slot_ms
        to_ms = min(from_ms + slot_ms, frame.to_ms)
        for stand in inside:
            owed[stand.verdict] += min(stand.to_ms, to_ms) - max(stand.from_ms, from_ms)
        verdict = max({stand.verdict for stand in inside}, key=lambda verdict: owed[verdict])
        owed[verdict] -= to_ms - from_ms
        alike = list(_exact((stand for stand in inside if stand.verdict is verdict), frame))
        right = frame.x(min(to_ms, max(stand.to_ms for stand in inside)))
        step = _Step(
            frame.x(max(from_ms, min(stand.from_ms for stand in inside))),
            right,
            verdict,
            min(step.least for step in alike),
            max(step.most for step in alike),
            any(step.known for step in alike),
        )
        if found and found[-1].right == step.left and found[-1][2:] == step[2:]:
            step = step._replace(left=found.pop().left)
        found.append(step)
    return found


def _joined(boxes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for left, right in sorted(boxes):
        if found and left <= found[-1][1]:
            found[-1] = (found[-1][0], max(right, found[-1][1]))
        else:
            found.append((left, right))
    return found


def _thick(upper: int, lower: int) -> tuple[int, int]:
    """A line of at least LEAST_HEIGHT, inside the drawing."""
    lower = min(HEIGHT, max(lower, upper + LEAST_HEIGHT))
    return min(upper, lower - LEAST_HEIGHT), lower


def _box(left: int, width: int) -> str:
    return f"M{left} 0h{width}v{HEIGHT}h-{width}z"
