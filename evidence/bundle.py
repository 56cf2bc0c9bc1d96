"""Evidence bundles (证据包): a file with everything needed to verify without us.

A CBOR sequence (RFC 8742) of [type, bytes] pairs, so that it can be appended to, cut anywhere and read again, and
carried on a stick.
What is inside is signed; the file itself is not.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from evidence import cbor
from evidence.errors import MalformedError

MAGIC: Final = b"qianliyan bundle 1"
ENTRY_LIMIT: Final = 4 * 1024 * 1024 + 64
"""Bytes of one entry, at most: a full roster."""
_READ_BYTES: Final = 1 << 20


class Entry(IntEnum):
    """What an entry's bytes are."""

    HEADER = 0
    STATEMENT = 1
    RECEIPT = 2
    ROSTER = 3
    KEY = 4
    """A COSE_Key that the bundle brings along: worth nothing until its fingerprint has been compared."""


def entry(kind: Entry, content: bytes) -> bytes:
    """One entry, ready to be appended."""
    return cbor.encode([int(kind), content])


def header() -> bytes:
    """The first entry of every bundle."""
    return entry(Entry.HEADER, MAGIC)


def write_bundle(file: BinaryIO, entries: Iterable[tuple[Entry, bytes]]) -> int:
    """Write a whole bundle; how many entries followed the header."""
    file.write(header())
    count = 0
    for kind, content in entries:
        file.write(entry(kind, content))
        count += 1
    return count


def read_bundle(path: Path) -> Iterator[tuple[Entry, bytes]]:
    """The entries behind the header, in the file's order, a megabyte at a time.

    Raises MalformedError when the file is no bundle or is cut off; what came before was yielded. OSError when it cannot
    be read.
    """
    for _, kind, content in index_bundle(path):
        yield kind, content


def index_bundle(path: Path, *, length: int | None = None) -> Iterator[tuple[int, Entry, bytes]]:
    """Like `read_bundle`, with the byte at which each entry's content begins; reads `length` bytes of the file only."""
    with path.open("rb") as file:
        items = _items(file, length)
        first = next(items, None)
        if first is None or first[1:] != (Entry.HEADER, MAGIC):
            raise MalformedError(f"{path} is no evidence bundle of version 1")
        yield from items


def read_entries(encoded: bytes) -> Iterator[tuple[Entry, bytes]]:
    """The entries in these bytes, without a header: a page of the feed. Raises MalformedError."""
    for _, kind, content in _items(BytesIO(encoded), None):
        yield kind, content


_KINDS: Final = {int(kind): kind for kind in Entry}
_HEAD_LENGTH: Final = 7
"""Bytes before an entry's content, at most: array, type, and the head of a byte string below 2**32."""


def _items(file: BinaryIO, length: int | None) -> Iterator[tuple[int, Entry, bytes]]:
    held, offset, left = b"", 0, length
    while True:
        chunk = file.read(_READ_BYTES if left is None else min(left, _READ_BYTES))
        left = None if left is None else left - len(chunk)
        held += chunk
        start = 0
        while (head := _head(held, start)) is not None and head[2] <= len(held):
            kind, begin, end = head
            yield offset + begin, kind, held[begin:end]
            start = end
        held, offset = held[start:], offset + start
        if not chunk:
            break
    if held:
        raise MalformedError("the bundle is cut off in its last entry")


def _head(held: bytes, start: int) -> tuple[Entry, int, int] | None:
    """What the entry at `start` is, where its content begins and ends; None when its head is not all held.

    Raises MalformedError when it is no entry, or not in its shortest form.
    """
    head = held[start : start + _HEAD_LENGTH]
    if len(head) < _HEAD_LENGTH - 4:
        return None
    width = _WIDTHS.get(head[2], 0)
    if head[0] != _PAIR or head[1] not in _KINDS or (not width and not _BYTES <= head[2] < _BYTES + _ONE_BYTE):
        raise MalformedError("an entry is not [type, bytes]")
    begin = start + 3 + width
    if begin > len(held):
        return None
    size = int.from_bytes(head[3 : 3 + width], "big") if width else head[2] - _BYTES
    if size > ENTRY_LIMIT or (width and size < _SHORTEST[width]):
        raise MalformedError(f"an entry of {size} bytes: more than {ENTRY_LIMIT}, or not in its shortest form")
    return _KINDS[head[1]], begin, begin + size


_PAIR: Final = 0x82
"""The head of an array of two."""
_BYTES: Final = 0x40
"""The head of an empty byte string."""
_ONE_BYTE: Final = 24
"""Lengths from here on follow the head (RFC 8949 section 3) …"""
_WIDTHS: Final = {0x58: 1, 0x59: 2, 0x5A: 4}
"""… in so many bytes …"""
_SHORTEST: Final = {1: _ONE_BYTE, 2: 1 << 8, 4: 1 << 16}
"""… and are at least so long, or a shorter form would do."""
