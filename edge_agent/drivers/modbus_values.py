"""From the bytes of an answer to integers with decimals. Pure, and quick: everything that can be known before is.

value = round(raw * scale * 10**decimals), to the nearest. None where the device says "no value": a sentinel of the
profile, NaN, an infinity, half bytes beyond 9 where decimal digits stand, or a number that no statement could carry.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from operator import itemgetter
from struct import Struct
from typing import Any, Final, Protocol

from edge_agent.config.points import ByteOrder, Register, WordOrder
from edge_agent.drivers.modbus_plan import Block, Plan

VALUE_LIMIT: Final = 1 << 53
"""A value's integer stays below it on both sides, so that every reader of a statement holds it exactly."""

_WORD: Final = 2


class Decoder(Protocol):
    """Decodes the answers to one block."""

    def __call__(self, values: bytes, /) -> Sequence[int | None]:
        """One integer or None a point, in the block's order; `values` has exactly the block's `answer_bytes`."""
        ...


def decoder_of(plan: Plan, block: Block) -> Decoder:
    """The decoder of one of the plan's blocks; the same object for the same points, of however many machines."""
    return _decoder(tuple(plan.points[place] for place in block.points), block)


@lru_cache(maxsize=256)
def _decoder(points: tuple[Register, ...], block: Block) -> Decoder:
    if block.function.is_bits:
        return _Bits(tuple(point.address - block.address for point in points))
    if all(left.end <= right.address for left, right in pairwise(points)):
        return _Registers(points, block)
    return _Overlapping(tuple(_alone(point, block) for point in points))


def _alone(point: Register, block: Block) -> "tuple[slice, _Registers]":
    start = _WORD * (point.address - block.address)
    own = Block(function=block.function, address=point.address, count=point.type.registers, points=(0,))
    return slice(start, start + _WORD * point.type.registers), _Registers([point], own)


@dataclass(frozen=True, slots=True)
class _Bits:
    """Coils and inputs: the first is the lowest bit of the first byte (MODBUS Application Protocol V1.1b3, 6.1)."""

    offsets: tuple[int, ...]

    def __call__(self, values: bytes, /) -> Sequence[int | None]:
        bits = int.from_bytes(values, "little")
        return [bits >> offset & 1 for offset in self.offsets]


@dataclass(frozen=True, slots=True)
class _Overlapping:
    """Points that share registers, such as the bits of a status word, are decoded one by one."""

    alone: "tuple[tuple[slice, _Registers], ...]"

    def __call__(self, values: bytes, /) -> Sequence[int | None]:
        return [value for part, decode in self.alone for value in decode(values[part])]


class _Registers:
    """One `struct` for the whole block; points in another order have their bytes put in order before."""

    __slots__ = ("_exact", "_factors", "_points", "_reorder", "_sentinels", "_unpack", "_wide")

    def __init__(self, points: Sequence[Register], block: Block) -> None:
        self._points = points
        self._unpack = Struct(_layout(points, block)).unpack
        self._reorder = _reordering(points, block)
        self._factors = [_factor(point) for point in points]
        self._sentinels = frozenset[float]().union(*(point.sentinels for point in points))
        self._exact = any(_needs_exact(point) for point in points)
        self._wide = any(_can_exceed(point) for point in points)

    def __call__(self, values: bytes, /) -> Sequence[int | None]:
        if self._reorder is not None:
            values = bytes(self._reorder(values))
        raw = self._unpack(values)
        if self._exact or (self._sentinels and not self._sentinels.isdisjoint(raw)):
            return self._one_by_one(raw)
        try:
            found = [round(number * factor) for number, factor in zip(raw, self._factors, strict=True)]
        except (ValueError, OverflowError):  # NaN; infinity
            return self._one_by_one(raw)
        if self._wide and (max(found) >= VALUE_LIMIT or min(found) <= -VALUE_LIMIT):
            return self._one_by_one(raw)
        return found

    def _one_by_one(self, raw: tuple[Any, ...]) -> list[int | None]:
        return [value_of(point, number) for point, number in zip(self._points, raw, strict=True)]


def value_of(point: Register, raw: float) -> int | None:
    """One raw number as the point's integer, exactly; None when it is none."""
    if raw in point.sentinels or not isfinite(raw):
        return None
    if point.bits is not None:
        lowest, highest = point.bits
        raw = int(raw) >> lowest & (2 << highest - lowest) - 1
    if point.type.is_bcd:
        digits = f"{int(raw):x}"
        if not digits.isdecimal():
            return None
        raw = int(digits)
    value = round(Fraction(raw) * point.scale * 10**point.decimals)
    return value if -VALUE_LIMIT < value < VALUE_LIMIT else None


def _layout(points: Sequence[Register], block: Block) -> str:
    """The block for `struct`: big-endian, unwanted registers as padding."""
    layout, at = ">", block.address
    for point in points:
        layout += f"{_WORD * (point.address - at)}x{point.type.format}"
        at = point.end
    return layout + f"{_WORD * (block.address + block.count - at)}x"


def _reordering(points: Sequence[Register], block: Block) -> Callable[[bytes], tuple[int, ...]] | None:
    """Picks the answer's bytes so that every point has its high word and byte first; None when it does already."""
    order = list(range(block.answer_bytes))
    for point in points:
        start = _WORD * (point.address - block.address)
        words = [order[at : at + _WORD] for at in range(start, start + _WORD * point.type.registers, _WORD)]
        if point.word_order is WordOrder.LOW_FIRST:
            words.reverse()
        if point.byte_order is ByteOrder.LOW_FIRST:
            words = [word[::-1] for word in words]
        order[start : start + _WORD * len(words)] = [octet for word in words for octet in word]
    return None if order == sorted(order) else itemgetter(*order)


def _factor(point: Register) -> float:
    """Whole factors stay integers, so that integers stay exact."""
    factor = point.scale * 10**point.decimals
    return factor.numerator if factor.denominator == 1 else float(factor)


def _largest(point: Register) -> int:
    return 1 << 16 * point.type.registers


def _can_exceed(point: Register) -> bool:
    return point.type.is_float or abs(_factor(point)) * _largest(point) >= VALUE_LIMIT


def _needs_exact(point: Register) -> bool:
    """Whether a float product could be off, as of wide integers with a broken factor, or more than a product is due."""
    if point.type.is_bcd or point.bits is not None:
        return True
    return not point.type.is_float and isinstance(_factor(point), float) and _largest(point) > VALUE_LIMIT
