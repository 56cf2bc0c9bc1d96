"""DL/T 645 frames, editions 1997 and 2007, as values. Pure; it can only build requests that read.

A frame is  68 A0..A5 68 C L DATA CS 16  (DL/T 645-2007, 5.2): A0..A5 the address, low byte first; C the control code;
L the number of bytes of DATA, each sent with 0x33 added; CS the sum of everything from the first 68, modulo 256.
Waking bytes FE may come before it. Real lines add 00 before and after, and some adapters double the first 68.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from edge_agent.codecs.errors import FrameError, FrameFault

START: Final = 0x68
END: Final = 0x16
WAKE: Final = 0xFE
"""Sent up to four times before a frame so that the other side's receiver wakes up (5.2.1)."""
OFFSET: Final = 0x33
"""Added to every byte of data on the wire (5.2.5)."""
SHORTEST: Final = 12
"""Bytes of a frame without data."""
WAKES: Final = 4
INPUT_LIMIT: Final = 4096
"""Bytes that are looked at for one frame."""
ANY_ADDRESS: Final = "AAAAAAAAAAAA"
"""The address that every meter takes for its own; with several on a line they all answer at once."""

_ADDRESS: Final = re.compile(r"[0-9A-F]{12}")
_DI: Final = re.compile(r"[0-9A-F]+")
_ANSWER: Final = 0x80
_ERROR: Final = 0x40
_MORE: Final = 0x20
_FUNCTION: Final = 0x1F
_NOISE: Final = bytes((0x00, WAKE, 0xFF))


class Edition(Enum):
    """Which of the two standards a meter keeps."""

    E2007 = 2007
    E1997 = 1997

    @property
    def di_bytes(self) -> int:
        """Bytes of a data identifier (DI)."""
        return 4 if self is Edition.E2007 else 2

    @property
    def functions(self) -> dict[int, str]:
        """What the low five bits of a control code mean (2007: 5.2.3 and 7; 1997: 5.2.3 and 7)."""
        return _FUNCTIONS[self]


_FUNCTIONS: Final = {
    Edition.E2007: {
        0x03: "authenticate",
        0x08: "broadcast_time",
        0x11: "read",
        0x12: "read_more",
        0x13: "read_address",
        0x14: "write",
        0x15: "write_address",
        0x16: "freeze",
        0x17: "change_baud",
        0x18: "change_password",
        0x19: "clear_demand",
        0x1A: "clear_meter",
        0x1B: "clear_events",
        0x1C: "switch",
        0x1D: "set_output",
    },
    Edition.E1997: {
        0x01: "read",
        0x02: "read_more",
        0x03: "read_again",
        0x04: "write",
        0x08: "broadcast_time",
        0x0A: "write_address",
        0x0C: "change_baud",
        0x0F: "change_password",
        0x10: "clear_demand",
    },
}


class Asking(IntEnum):
    """Every control code that this program can send. They all read; the others have no name that a builder takes."""

    READ_1997 = 0x01
    READ_MORE_1997 = 0x02
    READ = 0x11
    READ_MORE = 0x12
    READ_ADDRESS = 0x13


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One sound frame. Whether its control code and data mean anything is another question."""

    address: str
    """12 hexadecimal digits, high byte first as on the meter's plate. The standard has decimal digits and AA."""
    control: int
    data: bytes
    """With the 0x33 taken off, low byte first as sent."""
    wakes: int = 0
    """How many FE came right before it."""

    @property
    def is_answer(self) -> bool:
        """From the meter (D7)."""
        return bool(self.control & _ANSWER)

    @property
    def is_error(self) -> bool:
        """The meter refuses (D6)."""
        return self.is_answer and bool(self.control & _ERROR)

    @property
    def has_more(self) -> bool:
        """The meter has more data of the same DI, for a read_more (D5)."""
        return bool(self.control & _MORE)

    @property
    def function(self) -> int:
        """D4 to D0."""
        return self.control & _FUNCTION


def read(edition: Edition, address: str, di: str) -> bytes:
    """The request for one data identifier (2007: 7.1.2; 1997: 7.1.1). FrameError for what is no address or no DI."""
    control = Asking.READ if edition is Edition.E2007 else Asking.READ_1997
    return _request(control, address, _di(edition, di))


def read_more(edition: Edition, address: str, di: str, sequence: int) -> bytes:
    """The request for what follows (2007: 7.1.3, numbered 1 to 255; 1997: 7.1.2, without a number)."""
    if not 1 <= sequence <= 0xFF:  # noqa: PLR2004
        raise FrameError(FrameFault.LIMIT, f"Frame {sequence} of an answer: they are numbered from 1 to 255.")
    if edition is Edition.E1997:
        return _request(Asking.READ_MORE_1997, address, _di(edition, di))
    return _request(Asking.READ_MORE, address, _di(edition, di) + bytes((sequence,)))


def read_address() -> bytes:
    """The 2007 question to a single meter on the line: what is your address? (7.4)."""
    return _request(Asking.READ_ADDRESS, ANY_ADDRESS, b"")


def parse(octets: bytes) -> Frame:
    """The one frame that `octets` are, be it after waking bytes or between 00s; FrameError says what is wrong."""
    if len(octets) > INPUT_LIMIT:
        raise FrameError(FrameFault.LIMIT, f"{len(octets)} bytes; one frame has at most 271.")
    begin = len(octets) - len(octets.lstrip(_NOISE))
    body = octets[begin:]
    wakes = begin - len(octets[:begin].rstrip(bytes((WAKE,))))
    try:
        return _framed(body, wakes)
    except FrameError:
        if body[:2] != bytes((START, START)) or body[8:9] != bytes((START,)):
            raise
        return _framed(body[1:], wakes)


def frames_in(heard: bytes) -> Iterator[tuple[Frame, bytes]]:
    """Every sound frame in what a line said, with its own bytes, whatever stands around it; in order."""
    at = heard.find(START)
    while at >= 0:
        end = at + _size(heard[at : at + 10])
        frame = None
        if end <= len(heard):
            wakes = at - len(heard[:at].rstrip(bytes((WAKE,))))
            frame = _sound(heard[at:end], wakes)
        if frame is not None:
            yield frame, heard[at:end]
        at = heard.find(START, at + 1 if frame is None else end)


def _request(control: Asking, address: str, data: bytes) -> bytes:
    """The only place where a frame is made."""
    if not _ADDRESS.fullmatch(address):
        raise FrameError(FrameFault.ADDRESS, f'"{address[:40]}" where twelve digits are wanted.')
    octets = bytes.fromhex(address)
    head = bytes((START, *octets[::-1], START, Asking(control), len(data)))
    body = head + bytes((octet + OFFSET) & 0xFF for octet in data)
    return bytes((WAKE,)) * WAKES + body + bytes((_sum(body), END))


def _di(edition: Edition, di: str) -> bytes:
    if not _DI.fullmatch(di) or len(di) != 2 * edition.di_bytes:
        raise FrameError(FrameFault.VALUE, f'"{di[:40]}" where {2 * edition.di_bytes} digits of a DI are wanted.')
    return bytes.fromhex(di)[::-1]


def _framed(octets: bytes, wakes: int) -> Frame:
    """The frame that begins with `octets`; nothing but noise may come after it."""
    if not octets:
        raise FrameError(FrameFault.SHORT, "No frame: nothing but waking bytes or noise.")
    if octets[0] != START or octets[7:8] not in (b"", bytes((START,))):
        raise FrameError(FrameFault.START, f"Begins {octets[:8].hex()}, not 68, six bytes, 68.")
    size = _size(octets[:10])
    if len(octets) < size:
        if octets[-1] == END and len(octets) >= SHORTEST and octets[-2] == _sum(octets[:-2]):
            raise FrameError(FrameFault.LENGTH, f"{len(octets)} bytes, but its length byte makes it {size}.")
        raise FrameError(FrameFault.SHORT, f"{len(octets)} bytes of {size}.")
    if octets[size - 1] != END:
        fault = FrameFault.LENGTH if octets[-1] == END and len(octets) > size else FrameFault.END
        raise FrameError(fault, f"Byte {size}, where its length byte puts the end, is {octets[size - 1]:02X}, not 16.")
    if octets[size:].strip(_NOISE):
        raise FrameError(FrameFault.LENGTH, f"{len(octets) - size} bytes after the frame.")
    frame = _sound(octets[:size], wakes)
    if frame is None:
        found, right = octets[size - 2], _sum(octets[: size - 2])
        raise FrameError(FrameFault.CHECKSUM, f"Checksum {found:02X}; the bytes add up to {right:02X}.")
    return frame


def _size(head: bytes) -> int:
    """Bytes of the whole frame, as far as its head tells."""
    return SHORTEST + (head[9] if len(head) > 9 else 0)  # noqa: PLR2004


def _sound(octets: bytes, wakes: int) -> Frame | None:
    """The frame, when both 68, end and checksum are right."""
    if octets[7] != START or octets[-1] != END or octets[-2] != _sum(octets[:-2]):
        return None
    return Frame(
        address=octets[6:0:-1].hex().upper(),
        control=octets[8],
        data=bytes((octet - OFFSET) & 0xFF for octet in octets[10:-2]),
        wakes=wakes,
    )


def _sum(octets: bytes) -> int:
    return sum(octets) & 0xFF
