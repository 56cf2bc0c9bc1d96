"""Which reads fetch a machine's points, planned once and mended when the device refuses an address. Pure.

1. Points of one function whose addresses lie close are read together: gaps up to the profile's `gap` are read along.
2. A read keeps the profile's limits: its number of registers, and an even start where the device wants one.
3. Two points may share registers, as the bits of a status word do.
4. When the device says "illegal data address" (exception 2), the read is parted at its widest gap, of several at the
   one nearest the middle; a single point that is still refused is a hole, remembered and not asked again. The last
   read left is never given up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from edge_agent.config.points import BITS_LIMIT, Function, Limits, Register


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One read: `count` addresses from `address` on."""

    function: Function
    address: int
    count: int
    points: tuple[int, ...]
    """Which of the plan's points it fetches, by their place, in the order of their addresses."""

    @property
    def answer_bytes(self) -> int:
        """How many bytes of values the answer must have."""
        return -(-self.count // 8) if self.function.is_bits else 2 * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The reads of one machine."""

    points: tuple[Register, ...]
    limits: Limits
    blocks: tuple[Block, ...]
    holes: frozenset[int] = frozenset()
    """Points that the device refused, by their place."""


def plan_of(points: Sequence[Register], limits: Limits) -> Plan:
    """The fewest reads that the rules above allow, in the order of function and address."""
    points = tuple(points)
    blocks: list[Block] = []
    for place in sorted(range(len(points)), key=lambda place: _position(points[place])):
        merged = _block(points, (*blocks[-1].points, place), limits) if blocks else None
        if merged and _belongs(points[place], blocks[-1], merged, points, limits):
            blocks[-1] = merged
        else:
            blocks.append(_block(points, (place,), limits))
    return Plan(points=points, limits=limits, blocks=tuple(blocks))


def without(plan: Plan, refused: Block) -> Plan:
    """The plan after the device refused an address of `refused`; the same plan when nothing can be parted any more."""
    at = plan.blocks.index(refused)
    before, after = plan.blocks[:at], plan.blocks[at + 1 :]
    if len(refused.points) > 1:
        parts = (_block(plan.points, part, plan.limits) for part in _parted(plan.points, refused.points))
        return replace(plan, blocks=(*before, *parts, *after))
    if not before and not after:
        return plan
    return replace(plan, blocks=before + after, holes=plan.holes | set(refused.points))


def _position(point: Register) -> tuple[int, int, int]:
    return point.function, point.address, point.end


def _block(points: Sequence[Register], places: Iterable[int], limits: Limits) -> Block:
    places = tuple(places)
    start = min(points[place].address for place in places)
    end = max(points[place].end for place in places)
    function = points[places[0]].function
    if limits.even_start and not function.is_bits:
        start, end = start - start % 2, end + end % 2
    return Block(function=function, address=start, count=end - start, points=places)


def _belongs(point: Register, block: Block, merged: Block, points: Sequence[Register], limits: Limits) -> bool:
    if point.function is not block.function:
        return False
    bits = point.function.is_bits
    end = max(points[place].end for place in block.points)
    most = min(BITS_LIMIT, 16 * limits.registers) if bits else limits.registers
    gap = 16 * limits.gap if bits else limits.gap
    return point.address - end <= gap and merged.count <= most


def _parted(points: Sequence[Register], places: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    gaps = [points[right].address - points[left].end for left, right in pairwise(places)]
    widest = [at for at, gap in enumerate(gaps, start=1) if gap == max(gaps)]
    cut = min(widest, key=lambda at: abs(2 * at - len(places)))
    return places[:cut], places[cut:]
