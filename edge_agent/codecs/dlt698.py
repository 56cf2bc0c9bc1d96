"""DL/T 698.45 frames: 68, length, control, addresses, header check, APDU, frame check, 16 (DL/T 698.45, 7).

Both checks are CRC-16/X-25, low byte first. The length counts all bytes but the first and the last. There is no way to
build a frame but `request_frame`, and it takes reading requests alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from edge_agent.codecs.dlt698_apdu import Get, encode
from edge_agent.codecs.dlt698_data import Plain
from edge_agent.codecs.dlt698_tell import describe_apdu
from edge_agent.codecs.errors import FrameError, FrameFault

START: Final = 0x68
END: Final = 0x16
WAKE: Final = 0xFE
"""Sent before a frame to wake the receiver; no part of it."""
WAKES_LIMIT: Final = 8
"""Wake bytes taken before a frame; the standard sends four."""
FRAME_LIMIT: Final = 2048
"""Bytes of the longest frame taken; the standard's own limit for a meter is far below."""
SCRAMBLE: Final = 0x33
"""Added to each byte of the user data when the scrambling bit is set."""
CLIENT_LIMIT: Final = 0xFF

_READING: Final = 0x43
"""Control of every frame sent here: from the client, which begins, whole, not scrambled, user data."""
_LENGTH_MASK: Final = 0x3FFF
_KILOBYTES: Final = 0x4000
_ADDRESS_AT: Final = 4
_FUNCTIONS: Final = {1: "link", 3: "user_data"}


class AddressKind(IntEnum):
    """Whom a server address names."""

    SINGLE = 0
    WILDCARD = 1
    """Half bytes A fit any digit; all A: whoever is on the line."""
    GROUP = 2
    BROADCAST = 3


class SegmentKind(Enum):
    """Where a part stands in a segmented frame (bits 15 and 14 of the segment field)."""

    FIRST = 0
    LAST = 1
    CONFIRM = 2
    MIDDLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A meter's address: digits as on its plate, 2 to 32 of them and even in number; A in a wildcard, F as filler."""

    digits: str
    kind: AddressKind = AddressKind.SINGLE
    logical: int = 0
    """0 and 1 take a bit of the address; 2 to 255 a byte before it."""

    def __post_init__(self) -> None:
        size = len(self.digits) // 2 + (self.logical > 1)
        if len(self.digits) % 2 or not 1 <= size <= 16 or not self.digits or set(self.digits) - set("0123456789ABCDEF"):  # noqa: PLR2004
            raise ValueError(f"address '{self.digits}': an even number of digits, 2 to 32")
        if not 0 <= self.logical <= 0xFF:  # noqa: PLR2004  one byte
            raise ValueError(f"logical address {self.logical}: 0 to 255")

    def to_bytes(self) -> bytes:
        """Flags, extended logical address where there is one, digits with the last ones first."""
        extended = bytes((self.logical,)) if self.logical > 1 else b""
        address = extended + bytes.fromhex(self.digits)[::-1]
        logical = 2 if extended else self.logical
        return bytes((self.kind << 6 | logical << 4 | len(address) - 1,)) + address


EVERYONE: Final = Server(digits="AAAAAAAAAAAA", kind=AddressKind.WILDCARD)
"""Whichever meter is on the line; it answers with its own address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The segment field of a part of an APDU."""

    kind: SegmentKind
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame whose checks hold; its APDU unscrambled and without the segment field."""

    control: int
    server: Server
    client: int
    apdu: bytes
    segment: Segment | None = None

    @property
    def from_server(self) -> bool:
        """Whether a meter sent it."""
        return bool(self.control & 0x80)


def request_frame(request: Get, *, server: Server, client: int, piid: int) -> bytes:
    """The frame of a reading request, without wake bytes."""
    if not 0 <= client <= CLIENT_LIMIT:
        raise ValueError(f"client address {client}: 0 to {CLIENT_LIMIT}")
    apdu = encode(request, piid)
    address = server.to_bytes() + bytes((client,))
    length = 3 + len(address) + 2 + len(apdu) + 2
    head = length.to_bytes(2, "little") + bytes((_READING,)) + address
    body = head + _check(head) + apdu
    return bytes((START,)) + body + _check(body) + bytes((END,))


def read_frame(raw: bytes) -> Frame:
    """The one frame of `raw`, wake bytes before it allowed.

    FrameError: short, start, end, length, checksum, or limit for a frame longer than FRAME_LIMIT.
    """
    frame = _unwoken(raw)
    size = _size(frame)
    if len(frame) < size:
        raise FrameError(FrameFault.SHORT, f"{len(frame)} of {size} bytes")
    if len(frame) > size:
        raise FrameError(FrameFault.LENGTH, f"{len(frame)} bytes where its length field says {size}")
    if frame[-1] != END:
        raise FrameError(FrameFault.END, f"ends in {frame[-1]:02X}, not 16")
    if frame[-3:-1] != _check(frame[1:-3]):
        raise FrameError(FrameFault.CHECKSUM, "the frame check (FCS) does not fit its bytes")
    return _parts(frame)


def frames_in(heard: bytes) -> Iterator[bytes]:
    """Every whole frame in what a line said, one after the other; noise around them is passed over."""
    at = heard.find(START)
    while at >= 0:
        try:
            end = at + _size(heard[at : at + FRAME_LIMIT])
            read_frame(heard[at:end])
        except FrameError:
            end = at + 1
        else:
            yield heard[at:end]
        at = heard.find(START, end)


def describe(raw: bytes) -> dict[str, Plain]:
    """The frame told field by field. Raises FrameError where the frame itself is wrong."""
    frame = read_frame(raw)
    fields: dict[str, Plain] = {
        "preamble": len(raw) - len(_unwoken(raw)),
        "length": _length(_unwoken(raw)),
        "control": f"{frame.control:02X}",
        "direction": "from_server" if frame.from_server else "from_client",
        "function": _FUNCTIONS.get(frame.control & 7, str(frame.control & 7)),
        "started_by": "client" if frame.control & 0x40 else "server",
        "scrambled": bool(frame.control & 8),
        "address_type": int(frame.server.kind),
        "logical_address": frame.server.logical,
        "server_address": frame.server.digits,
        "client_address": frame.client,
        "apdu": frame.apdu.hex(),
    }
    if frame.segment is not None:
        fields["segment"] = {"kind": frame.segment.kind.name.lower(), "number": frame.segment.number}
        return fields if frame.segment.kind is not SegmentKind.FIRST else fields | describe_apdu(frame.apdu)
    return fields | describe_apdu(frame.apdu) if frame.apdu else fields


def _unwoken(raw: bytes) -> bytes:
    wakes = len(raw) - len(raw.lstrip(bytes((WAKE,))))
    return raw[min(wakes, WAKES_LIMIT) :]


def _length(frame: bytes) -> int:
    return int.from_bytes(frame[1:3], "little") & _LENGTH_MASK


def _size(frame: bytes) -> int:
    """Bytes of the frame that begins here, by its length field, once its header check holds."""
    if frame and frame[0] != START:
        raise FrameError(FrameFault.START, f"begins with {frame[0]:02X}, not 68")
    if len(frame) <= _ADDRESS_AT:
        raise FrameError(FrameFault.SHORT, f"{len(frame)} bytes")
    head = _head_size(frame)
    if len(frame) < head + 2:
        raise FrameError(FrameFault.SHORT, f"{len(frame)} bytes, {head + 2} in the header alone")
    if frame[head : head + 2] != _check(frame[1:head]):
        raise FrameError(FrameFault.CHECKSUM, "the header check (HCS) does not fit its bytes")
    size = _length(frame) + 2
    if int.from_bytes(frame[1:3], "little") & _KILOBYTES or size > FRAME_LIMIT:
        raise FrameError(FrameFault.LIMIT, f"longer than {FRAME_LIMIT} bytes")
    if size < head + 2 + 3:
        raise FrameError(FrameFault.LENGTH, f"its length field says {size} bytes, its header and checks are more")
    return size


def _head_size(frame: bytes) -> int:
    """Bytes before the header check: 68, length, control, address flags, server address, client address."""
    return _ADDRESS_AT + 1 + (frame[_ADDRESS_AT] & 0x0F) + 1 + 1


def _parts(frame: bytes) -> Frame:
    head = _head_size(frame)
    control = frame[3]
    user_data = frame[head + 2 : -3]
    if control & 0x08:
        user_data = bytes((byte - SCRAMBLE) & 0xFF for byte in user_data)
    segment = None
    if control & 0x20:
        if len(user_data) < 2:  # noqa: PLR2004  its field's size
            raise FrameError(FrameFault.LENGTH, "a segment without its field")
        field = int.from_bytes(user_data[:2], "little")
        segment = Segment(kind=SegmentKind(field >> 14), number=field & 0x0FFF)
        user_data = user_data[2:]
    return Frame(
        control=control,
        server=_server(frame[_ADDRESS_AT : head - 1]),
        client=frame[head - 1],
        apdu=user_data,
        segment=segment,
    )


def _server(address: bytes) -> Server:
    flags, extended = address[0], address[0] & 0x20
    digits = address[2:] if extended else address[1:]
    if not digits:
        raise FrameError(FrameFault.ADDRESS, "an extended logical address and no address")
    return Server(
        digits=digits[::-1].hex().upper(),
        kind=AddressKind(flags >> 6),
        logical=address[1] if extended else flags >> 4 & 1,
    )


def _check(covered: bytes) -> bytes:
    """CRC-16/X-25 of the covered bytes, low byte first."""
    crc = 0xFFFF
    for byte in covered:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x8408 if byte & 1 else 0)
    return byte


_CRC: Final = tuple(_crc_of(byte) for byte in range(256))
