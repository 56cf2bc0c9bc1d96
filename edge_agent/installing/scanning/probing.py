"""Asks the questions of a sweep and says who answered. Every question is a driver's own, so it can only read.

A Modbus unit is asked for holding register 0, in a full sweep also for input register 0: an exception is an answer, for
somebody made it. A DL/T meter is asked for its address or its energy. A wildcard is listened to until its time is over,
for several may answer one after the other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from edge_agent.codecs import dlt645_frame
from edge_agent.codecs.dlt645_frame import ANY_ADDRESS, Edition
from edge_agent.codecs.dlt698 import AddressKind, Server, read_frame, request_frame
from edge_agent.codecs.dlt698 import frames_in as frames_698
from edge_agent.codecs.dlt698_apdu import GetNormal
from edge_agent.config.profiles import Function
from edge_agent.config.sections import Bus, BusKind, SerialPort
from edge_agent.drivers import modbus
from edge_agent.drivers.dlt698_line import ADDRESS_OAD, CLIENT, WAKING
from edge_agent.drivers.modbus_plan import Block
from edge_agent.drivers.serial_line import SerialLine
from edge_agent.installing.ports import others_with, why_not
from edge_agent.installing.scanning.hints import Sound, Tally, sound_of
from edge_agent.installing.scanning.likely import Mode, Settings
from edge_agent.installing.scanning.sweep import Came, Pass, Place, Questions
from evidence.bodies import Failure

LISTEN_S: Final = 0.3
"""A port is listened to for so long before the first question: another master speaks several times a second."""
BEHIND: Final = (10, 11)
"""Exceptions of a gateway that found nobody behind it (MODBUS Application Protocol V1.1b3, 7)."""
ENERGY: Final = {Edition.E2007: "00010000", Edition.E1997: "9010"}
"""Forward active energy, which every meter has."""
FRAME_BYTES: Final = 64
"""Room for an answer of any DL/T kind."""
LEFT_OVER: Final = 6
"""So many bytes beside a sound frame are another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Somebody who answered."""

    place: Place
    settings: Settings | None
    kind: BusKind
    address: int | str
    says: str = "answers"


class Prober:
    """Makes the passes; used by one thread."""

    def __init__(self, questions: Questions, mode: Mode, tell: Callable[[Pass, int], None]) -> None:
        """`tell` is called before every question, with the number of those of its pass that were asked."""
        self._questions, self._tell = questions, tell
        self._functions = (Function.HOLDING_REGISTERS, *([Function.INPUT_REGISTERS] if mode is Mode.FULL else []))
        self.tallies: dict[Place, Tally] = {}
        self.devices: list[Device] = []

    def make(self, what: Pass) -> Came:
        """Ask all of a pass's questions."""
        tally = self._tally(what)
        if tally.closed is not None:
            return Came(absent=True)
        before = len(self.devices)
        ask = self._units if what.kind in (BusKind.MODBUS_RTU, BusKind.MODBUS_TCP) else self._meters
        came = ask(what, tally)
        tally.answered += len(self.devices) - before
        return came

    def _tally(self, what: Pass) -> Tally:
        """The place's own; at its first pass it is looked at before anything is asked."""
        place = what.place
        if place not in self.tallies:
            closed = why_not(place.device) if place.device is not None else None
            self.tallies[place] = Tally(name=str(place), is_serial=place.device is not None, closed=closed)
            if closed is None and place.device is not None:
                self.tallies[place].also_open = others_with(place.device)
                self._listen(what, self.tallies[place])
        return self.tallies[place]

    def _listen(self, what: Pass, tally: Tally) -> None:
        line = self._line(what)
        if line.open() is None:
            tally.unasked_bytes = len(line.listen(LISTEN_S))
            line.close()

    def _line(self, what: Pass) -> SerialLine:
        return SerialLine(what.port, self._questions.wait_ms(what.kind))

    def _units(self, what: Pass, tally: Tally) -> Came:
        line = modbus.line_of(_bus(what, self._questions))
        found: set[int | str] = set()
        try:
            for unit in self._each(what):
                if line.open() is not None:
                    tally.closed = tally.closed or _closed(what)
                    break
                if self._unit(what, tally, line, int(unit)):
                    found.add(unit)
        finally:
            line.close()
        return Came(found=frozenset(found), absent=tally.closed is not None, gateway=tally.gateway)

    def _unit(self, what: Pass, tally: Tally, line: modbus.Line, unit: int) -> bool:
        """Whether somebody answers as this unit."""
        for function in self._functions:
            block = Block(function=function, address=0, count=1, points=(0,))
            answer = line.ask(modbus.question(_bus(what, self._questions), unit, block))
            tally.asked += 1
            if isinstance(answer, modbus.Answer):
                self._found(what, unit)
                return True
            if answer.exception in BEHIND:
                tally.gateway = True
                return False
            if answer.exception is not None:
                self._found(what, unit, f"answers; refuses register 0 (exception {answer.exception})")
                return True
            if answer.failure is Failure.GARBLED:
                _hear(tally, what, unit, answer.frame[1])
                return False
            if answer.failure is Failure.LINE_DOWN:
                return False
        return False

    def _meters(self, what: Pass, tally: Tally) -> Came:
        line = self._line(what)
        found: set[int | str] = set()
        crowded: list[str] = []
        try:
            for address in map(str, self._each(what)):
                if line.open() is not None:
                    tally.closed = tally.closed or _closed(what)
                    break
                heard, answered = self._ask(what, tally, line, address)
                for who in answered:
                    if who not in found:
                        self._found(what, who)
                found.update(answered)
                if _is_crowd(what.kind, address, heard):
                    crowded.append(address)
                    tally.crowded.append(f"{what.kind.value} {address}")
                elif not answered and not _frames(what.kind, heard):
                    _hear(tally, what, address, heard)
        finally:
            line.close()
        return Came(found=frozenset(found), crowded=tuple(crowded), absent=tally.closed is not None)

    def _ask(self, what: Pass, tally: Tally, line: SerialLine, address: str) -> tuple[bytes, list[str]]:
        """(what was heard, who answered); a wildcard is listened to all the time, a full address until it answered."""

        def whole(heard: bytes) -> bytes | None:
            return heard if "A" not in address and _who_answered(what.kind, heard, address) else None

        heard = b""
        for question in _questions_to(what.kind, address):
            tally.asked += 1
            heard = line.ask(question, whole, answer_bytes=FRAME_BYTES).heard
            if heard:
                break
        return heard, _who_answered(what.kind, heard, address)

    def _each(self, what: Pass) -> Iterator[int | str]:
        for done, address in enumerate(what.addresses):
            self._tell(what, done)
            yield address

    def _found(self, what: Pass, address: int | str, says: str = "answers") -> None:
        device = Device(place=what.place, settings=what.settings, kind=what.kind, address=address, says=says)
        self.devices.append(device)


def _bus(what: Pass, questions: Questions) -> Bus:
    return Bus(name="scan", kind=what.kind, port=what.port, timeout_ms=questions.wait_ms(what.kind), period_ms=1000)


def _closed(what: Pass) -> str:
    if isinstance(what.port, SerialPort):
        return f"it cannot be set to {what.settings}, or was unplugged"
    return "nothing listens there; check the address, the port and the firewall"


def _questions_to(kind: BusKind, address: str) -> Iterator[bytes]:
    match kind:
        case BusKind.DLT645_2007 if address == ANY_ADDRESS:
            yield dlt645_frame.read_address()
            yield dlt645_frame.read(Edition.E2007, address, ENERGY[Edition.E2007])
        case BusKind.DLT645_2007:
            yield dlt645_frame.read(Edition.E2007, address, ENERGY[Edition.E2007])
        case BusKind.DLT645_1997:
            yield dlt645_frame.read(Edition.E1997, address, ENERGY[Edition.E1997])
        case _:
            which = AddressKind.WILDCARD if "A" in address else AddressKind.SINGLE
            server = Server(digits=address, kind=which)
            yield WAKING + request_frame(GetNormal(oad=ADDRESS_OAD), server=server, client=CLIENT, piid=1)


def _who_answered(kind: BusKind, heard: bytes, asked: str) -> list[str]:
    """The addresses of sound answers that fit what was asked, each once."""
    who = []
    for raw in _frames(kind, heard):
        if kind is BusKind.DLT698_45:
            frame = read_frame(raw)
            answers, address = frame.from_server and frame.client == CLIENT, frame.server.digits
        else:
            sound = dlt645_frame.parse(raw)
            answers, address = sound.is_answer and not sound.is_error, sound.address
        if answers and _fits(asked, address):
            who.append(address)
    return list(dict.fromkeys(who))


def _is_crowd(kind: BusKind, asked: str, heard: bytes) -> bool:
    """Whether a wildcard brought pieces of frames that are no frames."""
    left = heard
    for raw in _frames(kind, heard):
        left = left.replace(raw, b"", 1)
    bare = left.replace(bytes((dlt645_frame.WAKE,)), b"").strip(b"\0\xff")
    return "A" in asked and len(bare) >= LEFT_OVER and sound_of(kind, asked, left) is Sound.BROKEN


def _frames(kind: BusKind, heard: bytes) -> list[bytes]:
    if kind is BusKind.DLT698_45:
        return list(frames_698(heard))
    return [octets for _, octets in dlt645_frame.frames_in(heard)]


def _fits(asked: str, who: str) -> bool:
    return len(who) == len(asked) and who.isdecimal() and all(a in ("A", w) for a, w in zip(asked, who, strict=True))


def _hear(tally: Tally, what: Pass, address: int | str, heard: bytes) -> None:
    who = f"unit {address}" if isinstance(address, int) else what.kind.value
    settings = str(what.settings or "the settings behind it")
    tally.add(sound_of(what.kind, address, heard), octets=len(heard), settings=settings, who=who)
