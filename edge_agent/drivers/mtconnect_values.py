"""From an MTConnect agent's observations to a machine's values. Pure.

A point's data item is found in the answer to `current`, where every data item of the device stands. Its id counts
before its name, and a type or a name must fit one data item only.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Final

from edge_agent.codecs.mtconnect import CONDITIONS, Category, Observation, same_type
from edge_agent.config.points import DataItem

VALUE_LIMIT: Final = 1 << 53
"""As for Modbus: beyond it no reader of a statement need hold an integer exactly."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,2})?")


def found_in(point: DataItem, observations: Iterable[Observation]) -> str | None:
    """The id of the point's data item; None when there is none, or more than one that would fit."""
    near = [one for one in observations if one.category is point.category and _fits(point, one)]
    exact = {one.data_item for one in near if one.data_item == point.data_item}
    ids = exact or {one.data_item for one in near}
    return ids.pop() if len(ids) == 1 else None


def value_of(point: DataItem, observations: Sequence[Observation]) -> int | None:
    """The value that the newest observations of its data item mean; several stand together only for a condition."""
    if not observations:
        return None
    if point.category is Category.CONDITION:
        return max((CONDITIONS[one.tag] for one in observations if one.tag in CONDITIONS), default=None)
    newest = max(observations, key=lambda one: one.sequence)
    if point.states:
        return dict(point.states).get(newest.text)
    if not newest.is_available or not newest.text.isascii() or not _NUMBER.fullmatch(newest.text):
        return None
    value = round(Fraction(newest.text) * point.scale * 10**point.decimals)
    return value if -VALUE_LIMIT < value < VALUE_LIMIT else None


def active(before: Sequence[Observation], seen: Sequence[Observation]) -> tuple[Observation, ...]:
    """What a condition's state is after further observations of it, in their order (Part 3, "Condition").

    A Warning or a Fault stands until a Normal with its code comes, or one without a code, which ends them all.
    """
    standing = {one.code: one for one in before}
    for one in seen:
        if not one.code and one.tag in {"Normal", "Unavailable"}:
            standing = {}
        standing = {code: other for code, other in standing.items() if other.tag in {"Warning", "Fault"}}
        standing.pop(one.code, None)
        if one.tag in {"Warning", "Fault"} or not standing:
            standing[one.code] = one
    return tuple(standing.values())


def passed(
    point: DataItem, before: Sequence[Observation], seen: Sequence[Observation]
) -> Iterator[tuple[Observation, int | None, int | None]]:
    """(observation, its value, the value before) of each state that came after `before` and is over by now."""
    last = value_of(point, before)
    came: tuple[Observation, int | None, int | None] | None = None
    for one in seen:
        value = value_of(point, (one,))
        if value == last:
            continue
        if came is not None:
            yield came
        came, last = (one, value, last), value


def _fits(point: DataItem, one: Observation) -> bool:
    if point.data_item is not None:
        return point.data_item in {one.data_item, one.name} and point.sub_type in {None, one.sub_type}
    kind = point.type or ""
    is_type = one.type == kind if one.category is Category.CONDITION else same_type(one.tag, kind)
    return is_type and point.sub_type in {None, one.sub_type}
