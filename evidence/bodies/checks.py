"""What every body is checked with: each takes a decoded value and returns it typed, or raises MalformedError."""

import re
from enum import IntEnum
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from typing import Any, Final, TypeVar

from evidence.errors import MalformedError

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""Boxes, machines, gates."""

STREAM: Final = re.compile(r"box|(?:machine|meter|zone|gate|fire)/[a-z0-9][a-z0-9-]{0,39}")

ROWS_LIMIT: Final = 4096
"""Rows of one READINGS statement; the box seals before it is reached."""
COLUMNS_LIMIT: Final = 512
SPANS_LIMIT: Final = 4096
FRAMES_LIMIT: Final = 64
FRAME_LIMIT: Final = 1024
"""Bytes of one raw request or answer."""
CROSSINGS_LIMIT: Final = 4096
TEXT_LIMIT: Final = 200
"""UTF-8 bytes of a text."""
HEADS_LIMIT: Final = 1024
SETTINGS_LIMIT: Final = 32 * 1024
"""Bytes of encoded settings."""
MS_LIMIT: Final = 1 << 53
SOURCES_LIMIT: Final = 15
"""What else may look at a gate, beside its detector."""
LOOKS_LIMIT: Final = 4096
"""Looks at a zone in one STOCK statement."""
ITEMS_LIMIT: Final = 2048
"""Items of one count that are named with their places."""
DECLARED_LIMIT: Final = 10_000
"""Items behind or above one another that an installer may declare, and one more."""
SIDE_LIMIT: Final = 65_536
"""Pixels of a picture's side, and one more."""
PICTURE_LIMIT: Final = 192 * 1024
"""Bytes of a picture that a statement holds: with all its marks it stays below STATEMENT_LIMIT."""
PICTURE_MS_LIMIT: Final = 1 << 32
"""Milliseconds that one picture shows."""
MARKS_LIMIT: Final = 4096
"""Marks in one picture."""


def check_stream(stream: object) -> str:
    """The stream's name, if it is one; raises MalformedError."""
    if type(stream) is not str or not STREAM.fullmatch(stream):
        raise MalformedError(f"no stream: {stream!r:.80}")
    return stream


def keys(value: dict[Any, Any], count: int) -> None:
    """The map has exactly the keys 0 … count - 1, as integers."""
    if list(value) != list(range(count)) or set(map(type, value)) != {int}:  # True and 1.0 equal 1
        raise MalformedError(f"the keys are not exactly 0 to {count - 1}")


def between(value: object, least: int, limit: int, what: str) -> int:
    """An integer from `least` to below `limit`."""
    if type(value) is not int or not least <= value < limit:
        raise MalformedError(f"{what} is no integer from {least} to below {limit}: {value!r:.80}")
    return value


def window(from_ms: object, to_ms: object) -> tuple[int, int]:
    """(from_ms, to_ms), the end not before the start."""
    start = between(from_ms, 0, MS_LIMIT, "from_ms")
    return start, between(to_ms, start, MS_LIMIT, "to_ms")


def array(value: object, at_most: int, what: str) -> list[Any]:
    """An array of at most so many."""
    if type(value) is not list or len(value) > at_most:
        raise MalformedError(f"{what} is no array of at most {at_most}")
    return value


def parts(value: object, count: int, what: str) -> list[Any]:
    """An array of exactly so many."""
    if type(value) is not list or len(value) != count:
        raise MalformedError(f"{what} is no array of {count}")
    return value


def unsigneds(value: object, at_most: int, what: str, *, exactly: int | None = None) -> list[int]:
    """An array of unsigned integers."""
    numbers = array(value, at_most, what)
    if exactly is not None and len(numbers) != exactly:
        raise MalformedError(f"{what} does not have one entry a row")
    if numbers and (set(map(type, numbers)) != {int} or min(numbers) < 0 or max(numbers) >= MS_LIMIT):
        raise MalformedError(f"{what} holds something else than unsigned integers")
    return numbers


def text(value: object, what: str) -> str:
    """A short printable text."""
    if type(value) is not str or len(value) > TEXT_LIMIT or not _is_short_text(value):
        raise MalformedError(f"{what} is no printable text of at most {TEXT_LIMIT} bytes")
    return value


@lru_cache(maxsize=4096)
def _is_short_text(value: str) -> bool:
    """Whether the text may stand in a body; the names of points and units come again and again."""
    return len(value.encode()) <= TEXT_LIMIT and value.isprintable()


def octets(value: object, at_most: int, what: str) -> bytes:
    """A byte string of at most so many bytes."""
    if type(value) is not bytes or len(value) > at_most:
        raise MalformedError(f"{what} is no byte string of at most {at_most}")
    return value


def hash_of(value: object, what: str) -> bytes:
    """A SHA-256."""
    if type(value) is not bytes or len(value) != 32:  # noqa: PLR2004 - SHA-256
        raise MalformedError(f"{what} is no SHA-256")
    return value


def hash_or_empty(value: object, what: str) -> bytes:
    """A SHA-256, or no bytes."""
    return b"" if value == b"" else hash_of(value, what)


_Member = TypeVar("_Member", bound=IntEnum)


def member(members: type[_Member], value: object) -> _Member:
    """The member of a closed set that has this number."""
    by_number: dict[int, _Member] = _members(members)
    if type(value) is not int or value not in by_number:
        raise MalformedError(f"no {members.__name__}: {value!r:.80}")
    return by_number[value]


@cache
def _members(members: type[_Member]) -> dict[int, _Member]:
    """Four times faster than asking the enum itself, which a column does twice."""
    return {int(member): member for member in members}


def steps(times_ms: list[int], from_ms: int) -> list[int]:
    """Rising instants as differences, the first from `from_ms`."""
    return [after - before for before, after in pairwise([from_ms, *times_ms])]


def sums(steps: list[int], from_ms: int) -> list[int]:
    """The opposite of `steps`; no two at one instant but the first may be at `from_ms`."""
    if 0 in steps[1:]:
        raise MalformedError("two rows at one instant")
    return list(accumulate(steps, initial=from_ms))[1:]


_State = TypeVar("_State", bound=IntEnum)


def spans(value: object, from_ms: int, to_ms: int, members: type[_State]) -> list[tuple[int, _State]]:
    """[[offset, state], …] as (UTC ms, state), the first at `from_ms`, rising."""
    spans: list[tuple[int, _State]] = []
    for span in array(value, SPANS_LIMIT, "spans"):
        offset_ms, state = parts(span, 2, "span")
        at_ms = from_ms + between(offset_ms, 0, max(1, to_ms - from_ms), "span offset")
        if at_ms <= spans[-1][0] if spans else at_ms != from_ms:
            raise MalformedError("spans do not begin at the window's start and rise")
        spans.append((at_ms, member(members, state)))
    return spans
