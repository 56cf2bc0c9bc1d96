"""GB/T 26875.3-2011: frames of fire alarm transmitters (用户信息传输装置), their answers, a stream's parts.

    @@ serial(2) version(2) sent at(6) source(6) destination(6) length(2) command(1) data unit(0..1024) sum(1) ##

Everything is low byte first; addresses are shown high byte first (6.6). The sum is that of every byte between the start
and itself, modulo 256. Times are the transmitter's own, China Standard Time, without a zone. What a data unit says is
`gb26875_units`.

Two answers can be built, and nothing else: `confirmation` and `denial`, both without a data unit. There is no request,
and none of the control commands (initialise, set the clock, duty check).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final, NamedTuple, Self

from edge_agent.codecs import gb26875_units as units
from edge_agent.codecs.errors import FrameError, FrameFault
from edge_agent.codecs.gb26875_names import COMMANDS

START: Final = b"@@"
END: Final = b"##"
UNIT_LIMIT: Final = 1024
"""Bytes of a data unit (6.6.1)."""
HEAD: Final = 27
"""Bytes before the data unit."""
SHORTEST: Final = HEAD + 3
LONGEST: Final = SHORTEST + UNIT_LIMIT


class Command(IntEnum):
    """What a frame is for (6.6.2, table 2); 128 to 255 are a maker's own."""

    CONTROL = 1
    SEND = 2
    CONFIRM = 3
    REQUEST = 4
    ANSWER = 5
    DENY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame whose sum is right."""

    serial: int
    version_main: int
    """1 by the standard; transmitters that send 16 exist."""
    version_user: int
    sent_at: datetime | None
    """By the sender's clock; None when that is no time."""
    source: str
    """12 hexadecimal digits, high byte first."""
    destination: str
    command: int
    unit: bytes

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """The one frame that `octets` are; FrameError SHORT, START, LENGTH, END or CHECKSUM, in this order."""
        fault = _fault_of(octets)
        if fault is not None:
            raise FrameError(fault, _WHY[fault])
        return cls(
            serial=int.from_bytes(octets[2:4], "little"),
            version_main=octets[4],
            version_user=octets[5],
            sent_at=units.time_of(octets[6:12]),
            source=source_of(octets),
            destination=octets[23:17:-1].hex().upper(),
            command=octets[26],
            unit=octets[HEAD:-3],
        )


def source_of(octets: bytes) -> str:
    """The source address in a frame's head, whatever its sum."""
    return octets[17:11:-1].hex().upper()


def confirmation(octets: bytes, *, at: datetime | None) -> bytes:
    """The answer (command 3) that lets the sender of the frame `octets` forget it.

    It carries the frame's serial and versions, its addresses changed over, no data unit, and `at` as the time of
    sending: the box's clock in China Standard Time, or None for the sender's own stamp while the box's clock is not
    set. Every frame of the protocol has that stamp, and transmitters set their own clock by it if they like; the box
    has no command that sets one. `octets` need to be a frame but for their sum.
    """
    return _answer(octets, _Answer.CONFIRM, at)


def denial(octets: bytes, *, at: datetime | None) -> bytes:
    """The answer (command 6) that asks the sender of the frame `octets` to send it again; else as `confirmation`."""
    return _answer(octets, _Answer.DENY, at)


def describe(octets: bytes) -> dict[str, Any]:
    """What a frame says, for people and scripts; what does not begin with @@ is read as a data unit alone.

    Beside the frame's fields stand those of its first object, under the names they have in a data unit alone, and of
    several each in `items`. That object's fields stand once more by themselves, without what they mean. A data unit
    that cannot be read leaves the frame's fields, and `unit_fault` says why.
    Raises FrameError for a frame that is none, and for a lone data unit that cannot be read.
    """
    if not octets.startswith(START):
        return units.describe(octets)
    frame = Frame.from_bytes(octets)
    told: dict[str, Any] = {
        "serial": frame.serial,
        "version_main": frame.version_main,
        "version_user": frame.version_user,
        "source": frame.source,
        "destination": frame.destination,
        "length": len(frame.unit),
        "command": frame.command,
        "timestamp": None if frame.sent_at is None else frame.sent_at.isoformat(),
    }
    if frame.command in COMMANDS:
        told |= {"command_name": COMMANDS[frame.command].en, "command_name_zh": COMMANDS[frame.command].zh}
    if not frame.unit:
        return told
    try:
        unit = units.describe(frame.unit)
    except FrameError as wrong:
        return told | {"unit": frame.unit.hex(), "unit_fault": f"{wrong.fault.value}: {wrong}"}
    nested = units.NESTED.get(unit["type"])
    first = {key: value for key, value in unit.items() if key not in units.OF_THE_UNIT and units.is_written(key)}
    return told | unit | ({nested: first} if nested and first else {})


class Part(NamedTuple):
    """Something of a stream that began like a frame: the frame, or why it is none."""

    octets: bytes
    frame: Frame | None
    fault: FrameFault | None


class Splitter:
    """Finds the frames in a stream of bytes cut anywhere, and finds the next one after noise.

    It keeps at most the bytes of one frame. A start mark that leads to no frame costs one byte: what stands behind it
    is looked at again. A frame whose length was damaged would make it wait for bytes that never come, so a whole frame
    behind a doubtful start is believed when its sum and its end are right.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self.noise = 0
        """Bytes so far that were part of no frame."""

    @property
    def waiting(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return len(self._held) > 1

    def feed(self, octets: bytes) -> list[Part]:
        """The parts that `octets` complete, in their order."""
        self._held += octets
        parts: list[Part] = []
        while self._find_start() and (size := _size_of(self._held)) is not None:
            if len(self._held) >= size:
                parts.append(self._take(size))
            elif (behind := self._whole_behind()) is not None:
                parts.append(Part(bytes(self._held[:behind]), None, FrameFault.SHORT))
                self._drop(behind)
            else:
                break
        return parts

    def give_up(self) -> list[Part]:
        """The rest never came: the parts without the frame that has begun."""
        if not self.waiting:
            return []
        broken = Part(bytes(self._held[:LONGEST]), None, FrameFault.SHORT)
        self._drop(1)
        return [broken, *self.feed(b"")]

    def _find_start(self) -> bool:
        """Whether what is held now begins with a start mark whose length is possible, or may come to."""
        while True:
            at = self._held.find(START)
            if at < 0:
                self._drop(len(self._held) - self._held.endswith(START[:1]))
                return False
            self._drop(at)
            size = _size_of(self._held)
            if size is None or size <= LONGEST:
                return True
            self._drop(1)

    def _take(self, size: int) -> Part:
        octets = bytes(self._held[:size])
        try:
            frame = Frame.from_bytes(octets)
        except FrameError as wrong:
            self._drop(1)
            return Part(octets, None, wrong.fault)
        del self._held[:size]
        return Part(octets, frame, None)

    def _whole_behind(self) -> int | None:
        """Where, behind the doubtful start, a whole frame stands; looked for when what is held ends as a frame does."""
        at = 0 if self._held.endswith(END) else -1
        while at >= 0 and (at := self._held.find(START, at + 1)) >= 0:
            behind = bytes(self._held[at:])
            if _fault_of(behind[: _size_of(behind)]) is None:
                return at
        return None

    def _drop(self, count: int) -> None:
        self.noise += count
        del self._held[:count]


class _Answer(IntEnum):
    """The only commands that this program can send."""

    CONFIRM = Command.CONFIRM
    DENY = Command.DENY


_WHY: Final = {
    FrameFault.SHORT: "the frame ends before its length says",
    FrameFault.START: "a frame begins with 4040",
    FrameFault.LENGTH: "the length field and the frame do not fit",
    FrameFault.END: "a frame ends with 2323",
    FrameFault.CHECKSUM: "the sum of the bytes is another",
}


def _fault_of(octets: bytes) -> FrameFault | None:
    if not octets.startswith(START):
        return FrameFault.START if len(octets) >= len(START) else FrameFault.SHORT
    size = _size_of(octets)
    if size is None:
        return FrameFault.SHORT
    if size > LONGEST or len(octets) > size:
        return FrameFault.LENGTH
    if len(octets) < size:
        return FrameFault.SHORT
    if not octets.endswith(END):
        return FrameFault.END
    return None if _sum(octets[2:-3]) == octets[-3] else FrameFault.CHECKSUM


def _size_of(octets: bytes | bytearray) -> int | None:
    """How long the frame says it is; None while that is not known."""
    return SHORTEST + int.from_bytes(octets[24:26], "little") if len(octets) >= HEAD - 1 else None


def _answer(octets: bytes, answer: _Answer, at: datetime | None) -> bytes:
    stamp, source, destination = octets[6:12], octets[12:18], octets[18:24]
    if at is not None:
        stamp = bytes((at.second, at.minute, at.hour, at.day, at.month, at.year % 100))
    head = octets[2:6] + stamp + destination + source + bytes((0, 0, answer))
    return START + head + bytes((_sum(head),)) + END


def _sum(octets: bytes) -> int:
    return sum(octets) & 0xFF
