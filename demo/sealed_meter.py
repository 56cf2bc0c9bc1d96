"""A sealed national meter that behaves (DL/T 645-2007): bytes of a question in, bytes of its answer out.

Frames are made by arithmetic of its own, apart from the box's, so that neither hides the other's mistake.
"""

from collections.abc import Callable
from typing import Final

from demo.curves import Meter

ADDRESS: Final = "202401150007"
"""On its plate; its own number, too."""
RATIO: Final = 40
"""Of its transformers: it sees one fortieth."""
STOOD_AT_WH: Final = 5_213_400
"""What its register showed when the demonstration began."""
HEARD_LIMIT: Final = 64
"""Bytes of one question; more is noise."""

_HEAD, _TAIL = 10, 2
"""Bytes of a frame before and after its data (5.2)."""
_READ, _ANSWER, _ERROR = 0x11, 0x80, 0xC0
_NO_SUCH_DATA: Final = 0x02
_COUNTS: Final = {"03110000": 42, "03300000": 3, "03300100": 0, "03300400": 5, "03300E00": 2, "03350000": 0}
"""Power cuts, programmings, clearings, settings of the clock, openings of the terminals, magnets: before today."""
_OPENED_BEFORE: Final = 1
"""When it was sealed."""


class SealedMeter:
    """One meter on a pair of wires of its own."""

    def __init__(self, meter: Meter, *, now_ms: Callable[[], int], opened_at_ms: int) -> None:
        """`opened_at_ms`: when somebody opens its cover."""
        self._meter, self._now_ms, self._opened_at_ms = meter, now_ms, opened_at_ms
        self._heard = b""

    def hear(self, octets: bytes) -> bytes:
        """Take in what comes over the wires; what it says then, empty when it is not asked or not yet."""
        self._heard = (self._heard + octets)[-HEARD_LIMIT:]
        frame = self._heard[max(self._heard.find(b"\x68"), 0) :]
        if len(frame) < _HEAD + _TAIL or len(frame) < _HEAD + frame[9] + _TAIL:
            return b""
        self._heard = b""
        frame = frame[: _HEAD + frame[9] + _TAIL]
        is_sound = frame[7] == 0x68 and frame[-1] == 0x16 and frame[-2] == sum(frame[:-2]) % 256
        if not is_sound or frame[1:7] != _address() or frame[8] != _READ:
            return b""
        di = bytes((octet - 0x33) % 256 for octet in frame[_HEAD:-_TAIL])
        value = self._value(di[::-1].hex().upper())
        if value is None:
            return _sealed(_READ | _ERROR, bytes((_NO_SUCH_DATA,)))
        return _sealed(_READ | _ANSWER, di + value)

    def _value(self, di: str) -> bytes | None:
        """The data of an item; None where it has none."""
        now_ms = self._now_ms()
        watts, watt_hours = self._meter.read(now_ms / 1000)
        match di:
            case "02030000":
                return _digits(watts / RATIO / 1000 * 10_000, 3)
            case "00010000":
                return _digits((watt_hours / RATIO + STOOD_AT_WH) / 10, 4)
            case "04000402":
                return _address()
            case "03300D00":
                return _digits(_OPENED_BEFORE + (now_ms >= self._opened_at_ms), 3)
            case _:
                return _digits(_COUNTS[di], 3) if di in _COUNTS else None


def _sealed(control: int, data: bytes) -> bytes:
    body = b"\x68" + _address() + b"\x68" + bytes((control, len(data)))
    body += bytes((octet + 0x33) % 256 for octet in data)
    return b"\xfe" * 4 + body + bytes((sum(body) % 256, 0x16))


def _address() -> bytes:
    return bytes.fromhex(ADDRESS)[::-1]


def _digits(value: float, octets: int) -> bytes:
    """Decimal digits, two a byte, low byte first."""
    return bytes.fromhex(f"{int(value):0{2 * octets}d}")[::-1]
