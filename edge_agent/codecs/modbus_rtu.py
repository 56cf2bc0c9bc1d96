"""Modbus RTU frames: found in what a serial line said, taken apart, described (MODBUS over Serial Line V1.02, 2.5).

Rules:
1. Functions 1 to 4 are decoded. Of every other function only its name is told: none is built anywhere in this program,
   and this file builds no frame at all.
2. The CRC decides. A frame may stand in noise: bytes of 00 around it, a byte doubled before it, the whole frame twice.
   The first place where length and CRC agree is the frame.
3. A frame does not say whether it asks or answers: its length does. Where both fit, it is a question if its count is
   one that may be asked.
"""

import struct
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, assert_never

from edge_agent.codecs.errors import FrameError, FrameFault
from edge_agent.codecs.modbus_bcd import describe_bcd

HEARD_LIMIT: Final = 1024
"""Bytes in which a frame is looked for."""
ADU_LIMIT: Final = 256
"""Bytes of one frame (2.5.1)."""
REQUEST_BYTES: Final = 8
EXCEPTION_BYTES: Final = 5
SHORTEST_BYTES: Final = 4
"""Unit, function, CRC."""

FUNCTIONS: Final = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write single coil",
    6: "write single register",
    7: "read exception status",
    8: "diagnostics",
    11: "get communication event counter",
    12: "get communication event log",
    15: "write multiple coils",
    16: "write multiple registers",
    17: "report server id",
    20: "read file record",
    21: "write file record",
    22: "mask write register",
    23: "read and write multiple registers",
    24: "read FIFO queue",
    43: "encapsulated interface",
}
"""MODBUS Application Protocol V1.1b3, 6."""
EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""The same, 7; 7 is of the older Modicon manual."""

_BITS: Final = (1, 2)
_READS: Final = (1, 2, 3, 4)
_MOST_ASKED: Final = {1: 2000, 2: 2000, 3: 125, 4: 125}
_ERROR: Final = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A question of function 1 to 4."""

    unit: int
    function: int
    register: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer of function 1 to 4."""

    unit: int
    function: int
    values: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An exception."""

    unit: int
    function: int
    """Without the bit that makes it an exception."""
    exception: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A frame of another function: question or answer, its body not looked into."""

    unit: int
    function: int
    body: bytes


Adu = Request | Response | Refusal | Other


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a frame stands in what was heard."""

    adu: Adu
    frame: bytes
    at: int


def crc16(octets: bytes) -> bytes:
    """The CRC of a frame without it, as it follows on the wire, low byte first (6.2.2)."""
    crc = 0xFFFF
    for octet in octets:
        crc = crc >> 8 ^ _CRC[(crc ^ octet) & 0xFF]
    return crc.to_bytes(2, "little")


def is_sound(frame: bytes) -> bool:
    """Whether the last two bytes are the CRC of the others."""
    return len(frame) >= SHORTEST_BYTES and crc16(frame[:-2]) == frame[-2:]


def parse(frame: bytes) -> Adu:
    """A frame without anything around it. Raises FrameError: short, crc, length, control, limit."""
    if len(frame) > ADU_LIMIT:
        raise FrameError(FrameFault.LIMIT, f"{len(frame)} bytes; a frame has at most {ADU_LIMIT}")
    if len(frame) in _lengths(frame) and is_sound(frame):
        return _taken(frame)
    raise _fault(frame)


def find(heard: bytes) -> Found:
    """The first sound frame in what was heard. Raises FrameError as `parse`, about all that was heard."""
    if len(heard) > HEARD_LIMIT:
        raise FrameError(FrameFault.LIMIT, f"{len(heard)} bytes; at most {HEARD_LIMIT} are searched")
    if len(heard) in _lengths(heard) and is_sound(heard):
        return Found(adu=_taken(heard), frame=heard, at=0)
    for at in range(len(heard) - SHORTEST_BYTES + 1):
        rest = heard[at:]
        if rest[1] not in _READS and rest[1] - _ERROR not in _READS:
            continue  # of another function no length is known: it counts only when it stands alone
        for length in _lengths(rest):
            if length <= len(rest) and is_sound(rest[:length]):
                return Found(adu=_taken(rest[:length]), frame=rest[:length], at=at)
    bare = heard.strip(b"\0")
    if bare != heard and len(bare) in _lengths(bare) and is_sound(bare):
        return Found(adu=_taken(bare), frame=bare, at=heard.index(bare))
    raise _fault(heard)


def describe(frame: bytes) -> dict[str, Any]:
    """What a frame says, in plain names and numbers; noise around it is told apart. Raises FrameError."""
    found = find(frame)
    told = describe_adu(found.adu)
    before, after = frame[: found.at], frame[found.at + len(found.frame) :]
    if before or after:
        told |= {"frame": found.frame.hex(), "noise_before": before.hex(), "noise_after": after.hex()}
    if after and after.startswith(found.frame):
        told["repeated"] = True
    return told


def describe_adu(adu: Adu) -> dict[str, Any]:
    """The same of a frame that was taken apart."""
    kinds = {Request: "request", Response: "response", Refusal: "exception", Other: "other"}
    told: dict[str, Any] = {
        "kind": kinds[type(adu)],
        "unit": adu.unit,
        "function": adu.function,
        "function_name": FUNCTIONS.get(adu.function, "vendor's own"),
    }
    match adu:
        case Request():
            return told | {"register": adu.register, "count": adu.count}
        case Refusal():
            return told | {"exception": adu.exception, "exception_name": EXCEPTIONS.get(adu.exception, "unknown")}
        case Other():
            return told | {"body": adu.body.hex()}
        case Response():
            told |= {"byte_count": len(adu.values), "data": adu.values.hex()}
            return told | (_bits(adu.values) if adu.function in _BITS else _registers(adu.values))
        case never:
            assert_never(never)


def _lengths(octets: bytes) -> tuple[int, ...]:
    """How long a frame that begins so may be, the likelier first."""
    if len(octets) < SHORTEST_BYTES:
        return ()
    function = octets[1]
    if function in _READS:
        answer = EXCEPTION_BYTES + octets[2] if 0 < octets[2] <= ADU_LIMIT - EXCEPTION_BYTES else 0
        return (answer, REQUEST_BYTES) if answer else (REQUEST_BYTES,)
    if function - _ERROR in range(1, _ERROR):
        return (EXCEPTION_BYTES,)
    return (min(len(octets), ADU_LIMIT),) if function not in {0, _ERROR} else ()


def _taken(frame: bytes) -> Adu:
    """A frame of one of its `_lengths`."""
    unit, function, body = frame[0], frame[1], frame[2:-2]
    if function > _ERROR:
        return Refusal(unit=unit, function=function - _ERROR, exception=body[0])
    if function not in _READS:
        return Other(unit=unit, function=function, body=body)
    if len(frame) == REQUEST_BYTES and (len(frame) != EXCEPTION_BYTES + body[0] or _may_be_asked(frame)):
        register, count = struct.unpack(">HH", body)
        return Request(unit=unit, function=function, register=register, count=count)
    return Response(unit=unit, function=function, values=body[1:])


def _may_be_asked(frame: bytes) -> bool:
    return 1 <= int.from_bytes(frame[4:6], "big") <= _MOST_ASKED[frame[1]]


def _fault(octets: bytes) -> FrameError:
    """Why there is no frame."""
    if len(octets) < SHORTEST_BYTES:
        return FrameError(FrameFault.SHORT, f"{len(octets)} bytes; the shortest frame has {SHORTEST_BYTES}")
    function = octets[1]
    lengths = _lengths(octets)
    if function in {0, _ERROR}:
        return FrameError(FrameFault.CONTROL, f"{function} is no function code")
    if is_sound(octets):
        return FrameError(FrameFault.LENGTH, f"{len(octets)} bytes with a good CRC, where {lengths[0]} are said")
    wanted = REQUEST_BYTES if function in _READS and _looks_asking(octets) else lengths[0]
    if len(octets) < wanted:
        return FrameError(FrameFault.SHORT, f"{len(octets)} bytes of {wanted}")
    meant = octets[:wanted]
    return FrameError(FrameFault.CRC, f"the CRC is {meant[-2:].hex()}, where {crc16(meant[:-2]).hex()} is right")


def _looks_asking(octets: bytes) -> bool:
    """Whether a broken frame of a reading function was a question rather than an answer."""
    said, registers = octets[2], octets[1] not in _BITS
    if said == 0 or said > ADU_LIMIT - EXCEPTION_BYTES:
        return True
    if len(octets) == REQUEST_BYTES and _may_be_asked(octets):
        return EXCEPTION_BYTES + said != REQUEST_BYTES
    return registers and said % 2 == 1 and len(octets) < REQUEST_BYTES


def _bits(values: bytes) -> dict[str, Any]:
    """The first is the lowest bit of the first byte; the last byte is filled up with zeros."""
    number = int.from_bytes(values, "little")
    return {"bits": [number >> at & 1 for at in range(8 * len(values))]}


_WIDE: Final = {4: {"uint32": "I", "int32": "i", "float32": "f"}, 8: {"uint64": "Q", "int64": "q", "float64": "d"}}


def _registers(values: bytes) -> dict[str, Any]:
    """Every meaning that so many registers may have: `_be` high word first, `_low_first` low word first."""
    if len(values) % 2:
        return {"byte_count_odd": len(values), **describe_bcd(values)}
    told: dict[str, Any] = {
        "uint16": list(struct.unpack(f">{len(values) // 2}H", values)),
        "int16": list(struct.unpack(f">{len(values) // 2}h", values)),
    }
    for size, names in _WIDE.items():
        if len(values) % size:
            continue
        for order, octets in (("be", values), ("low_first", _low_first(values, size))):
            for name, letter in names.items():
                numbers = struct.unpack(f">{len(values) // size}{letter}", octets)
                told[f"{name}_{order}"] = [_rounded(number, size) for number in numbers]
    return told


def _low_first(values: bytes, size: int) -> bytes:
    """The same values with the words of each in the opposite order."""
    words = [values[at : at + 2] for at in range(0, len(values), 2)]
    each = size // 2
    return b"".join(b"".join(reversed(words[at : at + each])) for at in range(0, len(words), each))


def _rounded(number: float, size: int) -> float | None:
    """A float to the digits that it holds: 7 of a float32, 15 of a float64; None for NaN and infinity."""
    if isinstance(number, int):
        return number
    return float(f"{number:.{7 if size == 4 else 15}g}") if isfinite(number) else None  # noqa: PLR2004


def _table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        crc = octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC: Final = _table()
