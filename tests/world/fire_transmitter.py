"""A fire alarm transmitter (GB/T 26875.3-2011) on TCP that misbehaves on request, and frames of its own making.

    with FireTransmitter(port=port) as transmitter:
        transmitter.send(component_state(state=FIRE))        # one frame; its serial counts up
        transmitter.answers()                                # the frames that came back, whole
        transmitter.write(NOISE + transmitter.frame(b""))    # any bytes

No code is shared with what is tested: frames are built and taken apart here once more.
"""

import socket
import struct
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self

SEND, CONFIRM, REQUEST, DENY = 2, 3, 4, 6
NORMAL, FIRE, FAULT = 1, 2, 4
PATIENCE_S = 30
NOISE = b"\x00\xff@noise@\x40"
WHEN = datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001  # a transmitter's clock names no zone
ADDRESS = "00000000A001"
CENTRE = "000000000064"


def stamp(at: datetime) -> bytes:
    return bytes((at.second, at.minute, at.hour, at.day, at.month, at.year - 2000))


def frame(
    unit: bytes = b"",
    *,
    serial: int = 0,
    command: int = SEND,
    source: str = ADDRESS,
    at: datetime = WHEN,
    version: tuple[int, int] = (1, 1),
) -> bytes:
    """A whole frame around a data unit; without one it is a heartbeat."""
    ends = bytes.fromhex(source)[::-1] + bytes.fromhex(CENTRE)[::-1]
    head = struct.pack("<HBB", serial, *version) + stamp(at) + ends + struct.pack("<HB", len(unit), command)
    return b"@@" + head + unit + bytes((sum(head + unit) % 256,)) + b"##"


def objects(type_: int, *each: bytes) -> bytes:
    return bytes((type_, len(each))) + b"".join(each)


def component(address: str = "00020001", *, type_: int = 42, system: tuple[int, int] = (1, 1)) -> bytes:
    return bytes((*system, type_)) + bytes.fromhex(address)[::-1]


def state_of(which: bytes, state: int, *, text: str = "", at: datetime = WHEN) -> bytes:
    return which + struct.pack("<H", state) + text.encode("gb18030").ljust(31, b"\0") + stamp(at)


def component_state(state: int, *, address: str = "00020001", text: str = "", at: datetime = WHEN) -> bytes:
    return objects(2, state_of(component(address), state, text=text, at=at))


def analogue_of(which: bytes, kind: int, raw: int, *, at: datetime = WHEN) -> bytes:
    return which + struct.pack("<Bh", kind, raw) + stamp(at)


def analogue(kind: int, raw: int, *, address: str = "00020001", at: datetime = WHEN) -> bytes:
    return objects(3, analogue_of(component(address, type_=99, system=(11, 1)), kind, raw, at=at))


def system_state(state: int, *, system: tuple[int, int] = (1, 1), at: datetime = WHEN) -> bytes:
    return objects(1, bytes(system) + struct.pack("<H", state) + stamp(at))


def transmitter_state(state: int, *, at: datetime = WHEN) -> bytes:
    return objects(21, bytes((state,)) + stamp(at))


def transmitter_operation(bits: int, *, operator: int = 1, at: datetime = WHEN) -> bytes:
    return objects(24, bytes((bits, operator)) + stamp(at))


def spoilt(whole: bytes) -> bytes:
    """The frame with another sum."""
    return whole[:-3] + bytes((whole[-3] ^ 0xFF,)) + whole[-2:]


class Answered(NamedTuple):
    """An answer taken apart."""

    serial: int
    version: tuple[int, int]
    stamp: bytes
    source: str
    destination: str
    command: int
    unit: bytes


def taken_apart(whole: bytes) -> Answered:
    assert whole[:2] == b"@@"
    assert whole[-2:] == b"##"
    assert sum(whole[2:-3]) % 256 == whole[-3]
    assert len(whole) == 30 + struct.unpack("<H", whole[24:26])[0]
    return Answered(
        serial=struct.unpack("<H", whole[2:4])[0],
        version=(whole[4], whole[5]),
        stamp=whole[6:12],
        source=whole[12:18][::-1].hex().upper(),
        destination=whole[18:24][::-1].hex().upper(),
        command=whole[26],
        unit=whole[27:-3],
    )


class FireTransmitter:
    """One connection to whoever listens on the port."""

    def __init__(self, *, port: int, address: str = ADDRESS, at: datetime = WHEN) -> None:
        self._port, self._address, self.at = port, address, at
        self._serial = 0
        self._heard = b""

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def frame(self, unit: bytes = b"", *, command: int = SEND) -> bytes:
        """The next frame, by its serial."""
        self._serial = (self._serial + 1) % 0x10000
        return frame(unit, serial=self._serial, command=command, source=self._address, at=self.at)

    def send(self, unit: bytes = b"", *, command: int = SEND) -> int:
        """Send one frame; its serial."""
        self.write(self.frame(unit, command=command))
        return self._serial

    def drip(self, octets: bytes) -> None:
        """One byte a segment, as far as the kernel lets it."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(octets)):
            self._socket.sendall(octets[at : at + 1])

    def write(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def answers(self, count: int = 1, *, within_s: float = PATIENCE_S) -> list[Answered]:
        """The next `count` answers; they are all 30 bytes long."""
        self._socket.settimeout(within_s)
        while len(self._heard) < 30 * count:
            if not (octets := self._socket.recv(4096)):
                raise ConnectionError("the line closed")
            self._heard += octets
        whole, self._heard = self._heard[: 30 * count], self._heard[30 * count :]
        return [taken_apart(whole[at : at + 30]) for at in range(0, len(whole), 30)]

    def is_closed(self, *, within_s: float = PATIENCE_S) -> bool:
        """Whether the other end hangs up."""
        self._socket.settimeout(within_s)
        try:
            while self._socket.recv(4096):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True
