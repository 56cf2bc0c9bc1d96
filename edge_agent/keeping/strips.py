"""The open slit-scan of a gate, on the disk: stretches of columns and counted crossings, appended as they come.

One file a picture, `<from>.strips`: records of length, CRC-32 and CBOR. A kill loses the stretch that is in memory (30
s at most), a power cut what was not synced. A record that was torn ends what can be read; so a picture shows a gap,
and never something else. If lost: that time has no picture. If altered: so is the picture; what is not signed yet can
be forged by who holds the box.

Flash: a stretch in which something moved is synced, about 4 to 12 kB with its file system's own; 2,880 of them in a day
of a belt that never stops are 35 MB. A still stretch is about 1 kB and waits for the next sync.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.keeping.pictures import make_folder
from evidence import cbor
from evidence.bodies import Direction
from evidence.errors import MalformedError

SUFFIX: Final = ".strips"
FILE_LIMIT: Final = 240 * 1024
"""Bytes; when its file is so long a picture is closed before its hour is over: a belt that never stops has three."""
RECORD_LIMIT: Final = 1024 * 1024
_HEAD: Final = struct.Struct(">II")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Columns without a break, as a picture's file."""

    from_ms: int
    columns_per_s: int
    columns: int
    along: int
    still: tuple[tuple[int, int], ...]
    file: bytes

    @property
    def is_still(self) -> bool:
        """Whether nothing on the line changed in it."""
        return self.still == ((0, self.columns),)

    @property
    def to_ms(self) -> int:
        """Just after its last column."""
        return self.from_ms + self.columns * 1000 // self.columns_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A crossing that was counted."""

    at_ms: int
    direction: Direction
    is_sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The picture ends here: the next begins at this time or later."""

    until_ms: int


Record = Stretch | Noted | Closed


class StripsFile:
    """Appends to one picture's file. One thread."""

    def __init__(self, path: Path) -> None:
        """Made at the first append."""
        self.path = path
        self._length = 0

    @property
    def is_full(self) -> bool:
        """Whether the picture must be closed."""
        return self._length >= FILE_LIMIT

    def append(self, what: Record, *, sync: bool) -> None:
        """Keep it. Raises OSError; then the file is as it was."""
        record = cbor.encode(_value(what))
        make_folder(self.path.parent)
        with self.path.open("ab") as out:
            try:
                out.write(_HEAD.pack(len(record), zlib.crc32(record)) + record)
                out.flush()
                if sync:
                    os.fsync(out.fileno())
            except OSError:
                os.ftruncate(out.fileno(), self._length)
                raise
            self._length = out.tell()
        # power fails here: what was synced is there


def left_over(folder: Path) -> list[Path]:
    """Files of pictures that were never finished, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def read_strips(path: Path) -> Iterator[Record]:
    """What can be read of it, in the order it was kept; ends where a record is torn. Raises OSError."""
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, check = _HEAD.unpack(head)
            if length > RECORD_LIMIT or len(record := file.read(length)) != length or zlib.crc32(record) != check:
                return
            try:
                yield _open(cbor.decode(record, at_most=RECORD_LIMIT))
            except (MalformedError, ValueError):
                return


def _value(what: Record) -> list[object]:
    match what:
        case Stretch():
            flat = [edge for pair in what.still for edge in pair]
            return [what.from_ms, what.columns_per_s, what.columns, what.along, flat, what.file]
        case Noted():
            return [what.at_ms, int(what.direction), int(what.is_sure)]
        case Closed():
            return [what.until_ms]


def _open(value: object) -> Record:
    match value:
        case [int(from_ms), int(columns_per_s), int(columns), int(along), list(flat), bytes(file)]:
            return Stretch(
                from_ms=from_ms,
                columns_per_s=columns_per_s,
                columns=columns,
                along=along,
                still=tuple(zip(flat[::2], flat[1::2], strict=True)),
                file=file,
            )
        case [int(at_ms), int(direction), int(is_sure)]:
            return Noted(at_ms=at_ms, direction=Direction(direction), is_sure=bool(is_sure))
        case [int(until_ms)]:
            return Closed(until_ms=until_ms)
    raise MalformedError("neither a stretch of columns nor a crossing")
