"""Readings as rows of bytes: how they lie in the spool's journal, and, held small, in an open window. Pure.

What a device reported by itself lies in rows of its own behind the reading that brought it.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from edge_agent.reading import Reading
from evidence import cbor
from evidence.bodies import Event, EventKind, Failure, Phase

PACKED_ROWS: Final = 64
"""So many rows are deflated together; a hundred machines' windows of five minutes then take 1 MB, not 4."""
_LEVEL: Final = 1
_ROW_LIMIT: Final = 16 * 1024
_LENGTH_BYTES: Final = 2
EVENTS_A_ROW: Final = 24
"""So many events fit into one row, however much they say."""

Row = tuple[int, list[int | None], Failure | None, int]
"""(at_ms, values, failure, cycles)."""


def encode_row(at_ms: int, reading: Reading) -> bytes:
    """A reading as it lies in the spool until its window is sealed."""
    return cbor.encode([at_ms, list(reading.values), int(reading.failure or 0), reading.cycles])


def decode_row(row: bytes) -> Row:
    """The opposite of encode_row. Raises MalformedError when the spool is damaged."""
    at_ms, values, failure, cycles = cbor.decode(row, at_most=_ROW_LIMIT)
    return at_ms, values, Failure(failure) if failure else None, cycles


def encode_events(events: Iterable[Event]) -> list[bytes]:
    """What a device reported, as rows."""
    told = [[e.at_ms, int(e.event), int(e.phase), e.subject, e.value, e.reference, e.says] for e in events]
    return [cbor.encode(told[at : at + EVENTS_A_ROW]) for at in range(0, len(told), EVENTS_A_ROW)]


def decode_events(row: bytes) -> list[Event] | None:
    """The opposite of encode_events; None when the row is a reading. Raises MalformedError when it is damaged."""
    told = cbor.decode(row, at_most=_ROW_LIMIT)
    if not isinstance(told[0], list):
        return None
    return [
        Event(
            at_ms=at_ms,
            event=EventKind(event),
            phase=Phase(phase),
            subject=subject,
            value=value,
            reference=reference,
            says=says,
        )
        for at_ms, event, phase, subject, value, reference, says in told
    ]


class Rows:
    """Encoded rows in the order in which they came."""

    __slots__ = ("_last", "_packed", "count", "size")

    def __init__(self) -> None:
        self._last: list[bytes] = []
        self._packed: list[bytes] = []
        self.count = 0
        self.size = 0
        """Bytes of all rows as they were given."""

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        for packed in self._packed:
            octets, at = zlib.decompress(packed), 0
            while at < len(octets):
                begin = at + _LENGTH_BYTES
                at = begin + int.from_bytes(octets[at:begin], "big")
                yield octets[begin:at]
        yield from self._last

    def append(self, row: bytes) -> None:
        """Take in one more; it has at most 65,535 bytes."""
        self._last.append(row)
        self.count += 1
        self.size += len(row)
        if len(self._last) == PACKED_ROWS:
            together = b"".join(len(each).to_bytes(_LENGTH_BYTES, "big") + each for each in self._last)
            self._packed.append(zlib.compress(together, _LEVEL))
            self._last.clear()
