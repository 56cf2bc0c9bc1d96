"""Deterministic CBOR (RFC 8949 section 4.2.1), the strict subset that evidence is written in.

The one door to `cbor2`. Integers, byte strings, text, null, arrays and maps: no floats, no booleans, no tags, nothing
of indefinite length. Whatever decodes here encodes to the very same bytes, so a hash of the bytes is a hash
of the meaning.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn, TypeAlias

import cbor2

from evidence.errors import MalformedError

Value: TypeAlias = "int | bytes | str | list[Value] | dict[int, Value] | dict[str, Value] | None"

DEPTH_LIMIT: Final = 12
"""Arrays and maps inside one another, at most; a statement needs 7."""


def encode(value: Any) -> bytes:  # noqa: ANN401 - checked by what decodes it
    """The one encoding of `value`; maps are sorted by their encoded keys."""
    return cbor2.dumps(value, canonical=True)


def decode(encoded: bytes, *, at_most: int) -> Any:  # noqa: ANN401 - the caller checks the type it expects
    """The value that `encoded` is the one encoding of.

    `at_most` bounds the input in bytes, and so the memory used. Raises MalformedError for anything else: trailing
    bytes, duplicate or unsorted keys, integers longer than needed, floats, booleans, tags, nesting.
    """
    value = decode_exactly(encoded, at_most=at_most)
    check_types(value)
    return value


def decode_exactly(encoded: bytes, *, at_most: int) -> Any:  # noqa: ANN401 - the caller checks every type
    """Like `decode`, for a caller that checks every value's type and every map's keys and their order himself.

    There may be booleans and floats in it, and maps out of order, but no tags and no second way to write the same.
    """
    if len(encoded) > at_most:
        raise MalformedError(f"{len(encoded)} bytes where at most {at_most} are allowed")
    try:
        value = cbor2.loads(
            encoded,
            tag_hook=_refuse_tag,
            semantic_decoders=_NO_TAGS,
            max_depth=DEPTH_LIMIT,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        again = cbor2.dumps(value)
    except MalformedError:
        raise
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError) as cause:
        raise MalformedError(f"no well-formed CBOR: {cause}") from cause
    if again != encoded:  # dumps leaves the order of keys as it was
        raise MalformedError("not the deterministic encoding of its own content")
    return value


def check_types(value: object) -> None:
    """Raise MalformedError unless `value` is made of the subset's types alone and its maps are in order."""
    kind = type(value)
    if kind is list:
        assert isinstance(value, list)  # noqa: S101 - for the type checker
        inner: Iterable[object] = value
    elif kind is dict:
        assert isinstance(value, dict)  # noqa: S101 - for the type checker
        _refuse_disorder(list(value))
        inner = value.values()
    elif kind in _LEAVES:
        return
    else:
        raise MalformedError(f"{kind.__name__} where only integers, bytes, text, null, arrays and maps are allowed")
    if not _LEAVES.issuperset(map(type, inner)):
        for element in inner:
            if type(element) not in _LEAVES:
                check_types(element)


def split_sequence(encoded: bytes) -> Iterator[bytes]:
    """The items of a CBOR sequence (RFC 8742), verbatim, not decoded.

    Raises MalformedError at the first item that is cut off or of indefinite length; those before it were yielded.
    """
    start = 0
    while start < len(encoded):
        end = item_end(encoded, start)
        yield encoded[start:end]
        start = end


def item_end(encoded: bytes, start: int) -> int:
    """Where the item that begins at `start` ends; raises MalformedError when it is cut off."""
    at, pending = start, 1
    while pending:
        major, argument, at = _head(encoded, at)
        pending -= 1
        if major in (_BYTES, _TEXT):
            at += argument
        elif major == _ARRAY:
            pending += argument
        elif major == _MAP:
            pending += 2 * argument
        elif major == _TAG:
            pending += 1
    if at > len(encoded):
        raise MalformedError(f"the item at byte {start} is cut off")
    return at


_BYTES, _TEXT, _ARRAY, _MAP, _TAG = 2, 3, 4, 5, 6
_ONE_BYTE_ARGUMENT, _LONGEST_ARGUMENT = 24, 27


def _head(encoded: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument and the offset behind an item's head (RFC 8949 section 3)."""
    if at >= len(encoded):
        raise MalformedError("the sequence is cut off")
    first = encoded[at]
    major, short = first >> 5, first & 31
    at += 1
    if short < _ONE_BYTE_ARGUMENT:
        return major, short, at
    if short > _LONGEST_ARGUMENT:
        raise MalformedError(f"indefinite length or a reserved head at byte {at - 1}")
    width = 1 << (short - _ONE_BYTE_ARGUMENT)
    if at + width > len(encoded):
        raise MalformedError("the sequence is cut off")
    return major, int.from_bytes(encoded[at : at + width], "big"), at + width


def _refuse_tag(*_: object) -> NoReturn:
    raise MalformedError("a CBOR tag where none is allowed")


# Every tag that cbor2 would turn into something by itself; all others reach the tag hook.
_NO_TAGS: Final = dict.fromkeys(
    (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
    _refuse_tag,
)

_LEAVES: Final = frozenset((int, bytes, str, type(None)))
_INTEGER_KEYS: Final = range(-24, 24)
"""Integers whose encoding is one byte: for these, and for text, length-first and bytewise order of keys agree."""


def _refuse_disorder(keys: list[Any]) -> None:
    kinds = set(map(type, keys))
    if kinds == {int}:
        if keys == list(range(len(keys))):
            return
        if not all(key in _INTEGER_KEYS for key in keys):
            raise MalformedError("a map with an integer key outside -24 to 23")
    elif kinds not in ({str}, set()):
        raise MalformedError("a map whose keys are not all integers or all text")
    if keys != sorted(keys, key=cbor2.dumps):
        raise MalformedError("a map whose keys are not sorted")
