"""Asking a DL/T 698.45 meter for all its points. It can only read: `dlt698_apdu` has no request but GET.

1. An object that several points share is asked for once, up to OBJECTS_LIMIT objects in one request.
2. An answer counts only when it comes from this meter's address to ours, is a GET response with our service number, and
   names the objects we asked for in our order. Anything else is passed over until the time is over.
3. A meter that refuses a list, cuts its answer into link segments, or never yet answered a list, is asked for one
   object at a time; after an hour it is asked for lists again.
4. An answer too long for one frame comes in blocks; the next one is asked for until the last, at most BLOCKS_LIMIT.
5. After a question without an answer nothing more is asked. An object the meter does not have is named once, and asked
   for again after an hour.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from edge_agent.codecs.dlt698 import SegmentKind, Server, frames_in, read_frame, request_frame
from edge_agent.codecs.dlt698_apdu import (
    OTHER,
    PIID_LIMIT,
    Get,
    GetNext,
    GetNormal,
    GetNormalList,
    GetResponse,
    Result,
    read_response,
)
from edge_agent.codecs.dlt698_values import value_of
from edge_agent.codecs.errors import FrameError
from edge_agent.config.profiles import Item
from edge_agent.config.sections import Bus, Machine
from edge_agent.drivers import driver
from edge_agent.drivers.driver import Exchange
from edge_agent.drivers.serial_line import SerialLine
from edge_agent.reading import Frame
from evidence.bodies import Failure

CLIENT: Final = 0x10
"""This box's address on the line."""
WAKING: Final = b"\xfe" * 4
"""Sent before a request (DL/T 698.45, annex on the physical layer)."""
OBJECTS_LIMIT: Final = 8
"""Of one request: the longest answer stays below 512 bytes, which every meter can send in one frame."""
BLOCKS_LIMIT: Final = 32
"""Of one answer."""
OBJECT_BYTES: Final = 48
"""An object's value with its OAD, as a rule at most: a total and eight tariffs."""
USUAL_OBJECT_BYTES: Final = 24
"""The same for what is asked often: three or four phases."""
FRAME_BYTES: Final = 32
"""A frame without its objects, at most."""
TURNAROUND_S: Final = 0.05
"""How long a meter takes to begin, as a rule."""
ANEW_MS: Final = 3_600_000
"""After so long a refused object, or a list, is asked for again."""
BUSY_DARS: Final = frozenset({2, 33})
"""Temporarily failed; timed out."""


def line_of(bus: Bus) -> SerialLine:
    """See Driver."""
    return SerialLine(bus.port, bus.timeout_ms)


def asker_of(machine: Machine, line: driver.Line) -> "Dlt698Asker":
    """See Driver."""
    return Dlt698Asker(machine, cast("SerialLine", line))


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    objects = len({point.item for point in machine.points if isinstance(point, Item)})
    requests = -(-objects // OBJECTS_LIMIT)
    octets = requests * (len(WAKING) + 2 * FRAME_BYTES) + objects * (4 + USUAL_OBJECT_BYTES)
    return octets * machine.bus.port.byte_s + requests * TURNAROUND_S


class _Answer(NamedTuple):
    """A frame that answers; `response` is None where it is but a segment of one."""

    raw: bytes
    response: GetResponse | None


@dataclass(slots=True)
class _Talk:
    """What has been said in one asking."""

    results: dict[int, Result] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    heard: bool = False
    failure: Failure | None = None
    """Of the question that got no answer, which is the last one."""


class Dlt698Asker:
    """How one meter is asked. It remembers what the meter refused; losing that costs a few questions."""

    def __init__(self, machine: Machine, line: SerialLine) -> None:
        self._line = line
        self._server = Server(digits=str(machine.unit))
        points = [point for point in machine.points if isinstance(point, Item)]
        self._wanted = [(point.name, int(point.item, 16), value_of(point)) for point in points]
        self._objects = tuple(dict.fromkeys(oad for _, oad, _ in self._wanted))
        self._piid = 0
        self._lists_work = False
        self._one_by_one_until_ms = 0
        self._refused_until_ms: dict[int, int] = {}
        self._told: set[int] = set()

    def ask(self, now_ms: int) -> Exchange:
        """Ask once. The failure is the first missing value's: refused, busy, without a value, or the line's."""
        talk = _Talk()
        objects = self._due(now_ms)
        by_list = now_ms >= self._one_by_one_until_ms
        rest = self._ask_lists(objects, talk, now_ms) if by_list else objects
        for oad in rest:
            if talk.failure is None and not self._get((oad,), talk) and talk.failure is None:
                talk.results[oad] = Result(oad=oad, dar=OTHER)
        again = False
        if talk.failure is not None and not talk.heard and not self._lists_work:
            self._one_by_one_until_ms = now_ms + ANEW_MS if by_list else 0  # the other way may be the one it knows
            again = by_list and len(objects) > 1
        holes = self._learn(talk, now_ms)
        values, failure = self._values(talk)
        return Exchange(values, failure, tuple(talk.frames), talk.heard, holes, again=again)

    def _due(self, now_ms: int) -> tuple[int, ...]:
        """The objects to ask for: all that were not lately refused; all when all were, for it may be starting up."""
        self._refused_until_ms = {oad: until for oad, until in self._refused_until_ms.items() if until > now_ms}
        due = tuple(oad for oad in self._objects if oad not in self._refused_until_ms)
        if not due:
            self._refused_until_ms = {}
        return due or self._objects

    def _ask_lists(self, objects: tuple[int, ...], talk: _Talk, now_ms: int) -> tuple[int, ...]:
        """Ask for many at a time; what is left to be asked for one by one, since the meter refused to do so."""
        for at in range(0, len(objects), OBJECTS_LIMIT):
            if self._get(objects[at : at + OBJECTS_LIMIT], talk):
                self._lists_work = self._lists_work or len(objects) > 1
            elif talk.failure is None:
                self._one_by_one_until_ms = now_ms + ANEW_MS
                return objects[at:]
            else:
                break
        return ()

    def _get(self, objects: tuple[int, ...], talk: _Talk) -> bool:
        """One request and, where its answer comes in blocks, those that fetch them; False where it was refused."""
        request: Get = GetNormal(oad=objects[0]) if len(objects) == 1 else GetNormalList(oads=objects)
        block: int | None = None
        for _ in range(BLOCKS_LIMIT):
            response = self._ask(request, objects, block, talk)
            if response is None or response.dar is not None:
                return False
            talk.results |= {result.oad: result for result in response.results}
            objects = objects[len(response.results) :]
            if response.block is None or response.block.last:
                return True
            block = response.block.number
            request = GetNext(block=block)
        talk.failure = Failure.GARBLED
        return False

    def _ask(self, request: Get, objects: tuple[int, ...], block: int | None, talk: _Talk) -> GetResponse | None:
        """None without an answer, and where it comes in segments, which would have to be confirmed."""
        self._piid = piid = (self._piid + 1) % (PIID_LIMIT + 1)
        question = request_frame(request, server=self._server, client=CLIENT, piid=piid)

        def answer_in(heard: bytes) -> _Answer | None:
            answers = (self._answer(raw, piid, objects, block) for raw in frames_in(heard))
            return next((answer for answer in answers if answer is not None), None)

        answer_bytes = FRAME_BYTES + OBJECT_BYTES * len(objects)
        said = self._line.ask(WAKING + question, answer_in, answer_bytes=answer_bytes)
        talk.frames.append((question, said.answer.raw if said.answer else said.heard))
        talk.failure = said.failure
        talk.heard = talk.heard or said.answer is not None
        return said.answer.response if said.answer else None

    def _answer(self, raw: bytes, piid: int, objects: tuple[int, ...], block: int | None) -> _Answer | None:
        """The frame as an answer to our question, or None when it is none."""
        frame = read_frame(raw)
        if not frame.from_server or frame.client != CLIENT or frame.server.digits != self._server.digits:
            return None
        if frame.segment is not None:
            ours = frame.segment.kind is SegmentKind.FIRST and frame.apdu[2:3] == bytes((piid,))
            return _Answer(raw, None) if ours else None
        try:
            response = read_response(frame.apdu)
        except FrameError:
            return None
        fits = response.piid == piid and _names(response, objects) and _follows(response, block)
        return _Answer(raw, response) if fits else None

    def _learn(self, talk: _Talk, now_ms: int) -> tuple[str, ...]:
        """Note what is refused; the names of points that are so for the first time."""
        refused = {oad for oad, result in talk.results.items() if result.dar is not None} - _busy(talk)
        self._refused_until_ms |= dict.fromkeys(refused, now_ms + ANEW_MS)
        new = refused - self._told
        self._told |= new
        return tuple(name for name, oad, _ in self._wanted if oad in new)

    def _values(self, talk: _Talk) -> tuple[tuple[int | None, ...], Failure | None]:
        """A value a point, and why the first missing one is missing."""
        values: list[int | None] = []
        first: Failure | None = None
        busy = _busy(talk)
        for _, oad, value in self._wanted:
            result = talk.results.get(oad)
            found = value(result.data) if result and result.data else None
            values.append(found)
            if found is not None or first is not None:
                continue
            if oad in busy:
                first = Failure.BUSY
            elif oad in self._refused_until_ms:
                first = Failure.REFUSED
            else:
                first = Failure.NO_VALUE if result else talk.failure or Failure.GARBLED
        return tuple(values), first


def _busy(talk: _Talk) -> set[int]:
    return {oad for oad, result in talk.results.items() if result.dar in BUSY_DARS}


def _names(response: GetResponse, objects: tuple[int, ...]) -> bool:
    """Whether it is about these objects in this order; a block, about the first of them; a refusal, about none."""
    named = tuple(result.oad for result in response.results)
    is_part = response.block is not None and not response.block.last
    return response.dar is not None or named == (objects[: len(named)] if is_part else objects)


def _follows(response: GetResponse, block: int | None) -> bool:
    """Whether it is the block after that one; without one, whatever comes first."""
    if block is None or response.block is None:
        return block is None or response.dar is not None
    return response.dar is not None or response.block.number == (block + 1) & 0xFFFF
