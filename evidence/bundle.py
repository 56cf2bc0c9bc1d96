"""Evidence bundles (证据包): a file with everything needed to verify without us.

A CBOR sequence (RFC 8742) of [type, bytes] pairs, so that it can be appended to, cut anywhere and read again, and
carried on a stick.
What is inside is signed; the file itself is not.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
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
    with path.open("rb") as file:
        items = _items(file)
        if next(items, None) != (Entry.HEADER, MAGIC):
            raise MalformedError(f"{path} is no evidence bundle of version 1")
        yield from items


def _items(file: BinaryIO) -> Iterator[tuple[Entry, bytes]]:
    held = b""
    while chunk := file.read(_READ_BYTES):
        held += chunk
        start = 0
        while start < len(held):
            try:
                end = cbor.item_end(held, start)
            except MalformedError:
                if len(held) - start > ENTRY_LIMIT:
                    raise
                break  # the rest of the item is still in the file
            yield _entry(held[start:end])
            start = end
        held = held[start:]
    if held:
        raise MalformedError("the bundle is cut off in its last entry")


def _entry(item: bytes) -> tuple[Entry, bytes]:
    match cbor.decode(item, at_most=ENTRY_LIMIT):
        case [0 | 1 | 2 | 3 as kind, bytes(content)]:
            return Entry(kind), content
    raise MalformedError("an entry is not [type, bytes]")
