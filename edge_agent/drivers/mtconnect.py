"""The driver of MTConnect agents: what the newest observations of a machine's data items say. It can only read.

1. With `ask = "current"` each asking is one GET of the newest observations.
2. With `ask = "sample"` it is a GET of all observations since the last one, so that a state that came and went in
   between is known: it is an event. After anything that breaks that row, `current` begins a new one.
3. An agent that began anew (another instanceId), and observations that its buffer had lost before they were fetched,
   are events: what happened then is not known.
4. An answer that was written long before (a proxy's, a frozen agent's) is no answer.

The raw frames are the header of the last answer and the newest observation of each data item, as the agent wrote them.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, cast

from edge_agent.codecs.errors import FrameError
from edge_agent.codecs.mtconnect import (
    COUNT_LIMIT,
    OUT_OF_RANGE,
    Category,
    Header,
    Observation,
    Refused,
    Streams,
    current,
    parse,
    sample,
)
from edge_agent.config.points import DataItem, PointKind
from edge_agent.config.sections import AgentPort, Bus, Identity, Machine
from edge_agent.drivers import driver
from edge_agent.drivers.driver import Asker, Exchange
from edge_agent.drivers.identity import Said, Who, identified, number_of
from edge_agent.drivers.mtconnect_line import AgentLine
from edge_agent.drivers.mtconnect_values import VALUE_LIMIT, active, found_in, passed, value_of
from edge_agent.reading import NOW_MS, Frame
from evidence.bodies import FRAME_LIMIT, TEXT_LIMIT, Event, EventKind, Failure, Phase

PAGES_LIMIT: Final = 4
"""Answers to `sample` in one asking; an agent that is still ahead then is asked for `current`."""
EVENTS_A_MINUTE: Final = 32
"""More are only counted, and told as one at the next minute."""
MINUTE_MS: Final = 60_000
FRAMES_LIMIT: Final = 8
"""Of one asking."""
FROZEN_MS: Final = 10_000
"""An agent that has written the same instant into its answers for so long did not write them."""
SMALL_BUFFER: Final = 100
"""Of an agent that does not say how large it is: what `sample` gives by itself (Part 1)."""
AGENT: Final = "agent"
"""The subject of events that are about the agent."""
OK: Final = 200
UNAVAILABLE: Final = 503

_log = logging.getLogger(__name__)


def line_of(bus: Bus) -> AgentLine:
    """See Driver."""
    return AgentLine(cast("AgentPort", bus.port), bus.timeout_ms)


def asker_of(machine: Machine, line: driver.Line) -> Asker:
    """See Driver."""
    return identified(machine, MtconnectAsker(machine, cast("AgentLine", line)), who_of(machine, line))


def who_of(machine: Machine, line: driver.Line) -> Who:
    """See IdentifyingDriver. A device's number is its uuid."""
    agent = cast("AgentLine", line)
    return partial(_who, agent, current(_device_of(machine, agent)))


def _who(line: AgentLine, target: str) -> Said:
    try:
        streams, frame = _answered(line, target)
    except _NoAnswerError as wrong:
        return Said(Identity(), wrong.failure, (wrong.frame,), wrong.heard)
    devices = {one.device for one in streams.observations}
    number = number_of(devices.pop()) if len(devices) == 1 else None
    return Said(Identity(meter_number=number), None if number else Failure.NO_VALUE, (frame,), heard=True)


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    del machine
    return 0.0


class _NoAnswerError(Exception):
    """An asking ended without an answer; caught where the exchange is made."""

    def __init__(self, failure: Failure, frame: Frame, code: str = "", *, heard: bool = False) -> None:
        super().__init__(failure.name)
        self.failure, self.frame, self.code, self.heard = failure, frame, code, heard


def _device_of(machine: Machine, line: AgentLine) -> str:
    return f"{line.port.path}/{machine.unit}".strip("/")


def _answered(line: AgentLine, target: str) -> tuple[Streams, Frame]:
    """The agent's observations, and the question with the answer's beginning. Raises _NoAnswerError."""
    question = f"GET {target}".encode()[:FRAME_LIMIT]
    reply = line.get(target)
    if reply.failure is not None:
        raise _NoAnswerError(reply.failure, (question, b""))
    frame = (question, reply.body[:FRAME_LIMIT])
    try:
        document = parse(reply.body)
    except FrameError as wrong:
        if reply.status != OK:
            failure = Failure.BUSY if reply.status == UNAVAILABLE else Failure.REFUSED
            raise _NoAnswerError(failure, frame, heard=True) from wrong
        _log.debug("no answer of an agent line=%s why=%s", line.port, wrong)
        line.close()
        raise _NoAnswerError(Failure.GARBLED, frame) from wrong
    if isinstance(document, Refused):
        code, text = document.errors[0]
        _log.debug("refused by the agent line=%s code=%s text=%s", line.port, code, text)
        raise _NoAnswerError(Failure.REFUSED, frame, code, heard=True)
    if reply.status != OK:
        raise _NoAnswerError(Failure.REFUSED, frame, heard=True)
    return document, frame


class MtconnectAsker:
    """How one machine's agent is asked. Losing it costs the states since the last asking."""

    def __init__(self, machine: Machine, line: AgentLine) -> None:
        self._line = line
        self._points = tuple(point for point in machine.points if isinstance(point, DataItem))
        self._device = _device_of(machine, line)
        self._header: Header | None = None
        """Of the last good answer."""
        self._written_ms = 0
        """When this instant of writing was first seen, on the steady clock."""
        self._ids: tuple[str | None, ...] = (None,) * len(self._points)
        self._newest: dict[str, tuple[Observation, ...]] = {}
        self._next: int | None = None
        """Where `sample` goes on: everything before was taken in. None where `current` has to begin."""
        self._target = ""
        self._header_raw = b""
        self._refused: set[str] = set()
        """Points whose data item the agent does not have, as was told."""
        self._events: list[Event] = []
        self._minute_ms, self._room, self._untold = 0, EVENTS_A_MINUTE, 0

    def ask(self, now_ms: int) -> Exchange:
        """Once. REFUSED where the agent does not have a data item, or the device; NO_VALUE where it is UNAVAILABLE."""
        try:
            if self._next is None or not self._follow(self._next, now_ms):
                self._begin(now_ms)
        except _NoAnswerError as wrong:
            nothing = (None,) * len(self._points)
            return Exchange(nothing, wrong.failure, (wrong.frame,), heard=wrong.heard, events=self._told(now_ms))
        values = tuple(self._value(at) for at in range(len(self._points)))
        missing = {point.name for point, known in zip(self._points, self._ids, strict=True) if known is None}
        failure = Failure.REFUSED if missing else Failure.NO_VALUE if None in values else None
        holes = tuple(sorted(missing - self._refused))
        self._refused |= missing
        return Exchange(values, failure, tuple(self._frames()), heard=True, holes=holes, events=self._told(now_ms))

    def _begin(self, now_ms: int) -> None:
        """Take everything from `current`."""
        streams = self._get(current(self._device), now_ms)
        self._ids = tuple(found_in(point, streams.observations) for point in self._points)
        wanted = set(self._ids)
        newest: dict[str, tuple[Observation, ...]] = {}
        for one in streams.observations:
            if one.data_item in wanted:
                newest[one.data_item] = (*newest.get(one.data_item, ()), one)
        self._newest = newest
        if self._next is not None and streams.header.next_sequence > self._next:
            says = "so many observations were not fetched; a state may have come and gone unseen"
            self._tell(EventKind.LOSS, AGENT, streams.header.next_sequence - self._next, None, says)
        self._next = streams.header.next_sequence if self._line.port.sampled else None

    def _follow(self, start: int, now_ms: int) -> bool:
        """Go on with `sample`; whether that reached the newest observation. Without it nothing is taken in."""
        seen: list[Observation] = []
        for _ in range(PAGES_LIMIT):
            buffer = self._header.buffer_size if self._header else 0
            count = min(COUNT_LIMIT, max(1, (buffer or SMALL_BUFFER) - 1))
            try:
                streams = self._get(sample(self._device, start=start, count=count), now_ms)
            except _NoAnswerError as wrong:
                if wrong.code != OUT_OF_RANGE:
                    raise
                return False
            if self._next is None:
                return False
            seen += streams.observations
            start = streams.header.next_sequence
            if start > streams.header.last_sequence:
                self._take(seen)
                self._next = start
                return True
        return False

    def _take(self, seen: Sequence[Observation]) -> None:
        """Take in what was observed since the last asking."""
        of: dict[str, list[Observation]] = {}
        for one in sorted(seen, key=lambda one: one.sequence):
            of.setdefault(one.data_item, []).append(one)
        after = dict(self._newest)
        for point, known in zip(self._points, self._ids, strict=True):
            if known is None or known not in of:
                continue
            before = self._newest.get(known, ())
            if point.category is Category.CONDITION:
                after[known] = active(before, of[known])
                continue
            after[known] = (of[known][-1],)
            if point.kind is PointKind.STATE:
                for one, value, last in passed(point, before, of[known]):
                    says = f"{one.text} from {one.timestamp or 'an unknown time'} by the agent's clock"
                    self._tell(EventKind.STATE, point.name, value, last, says)
        self._newest = after

    def _get(self, target: str, now_ms: int) -> Streams:
        """The agent's answer. Raises _NoAnswerError."""
        streams, frame = _answered(self._line, target)
        if self._is_frozen(streams.header, now_ms):
            raise _NoAnswerError(Failure.GARBLED, frame)
        self._accept(streams, target)
        return streams

    def _is_frozen(self, header: Header, now_ms: int) -> bool:
        if self._header is None or header.created != self._header.created:
            self._written_ms = now_ms
        return bool(header.created) and now_ms - self._written_ms >= FROZEN_MS

    def _accept(self, streams: Streams, target: str) -> None:
        before, header = self._header, streams.header
        if before is not None and before.instance_id != header.instance_id:
            self._next = None
            says = "the agent began anew; what it observed until then and was not fetched is lost"
            self._tell(EventKind.LOSS, AGENT, header.instance_id, before.instance_id, says)
        self._header, self._header_raw, self._target = header, streams.header_raw, target

    def _value(self, at: int) -> int | None:
        known = self._ids[at]
        return None if known is None else value_of(self._points[at], self._newest.get(known, ()))

    def _tell(self, kind: EventKind, subject: str, value: int | None, reference: int | None, says: str) -> None:
        value, reference = (each if each is not None and each < VALUE_LIMIT else None for each in (value, reference))
        self._events.append(
            Event(
                at_ms=NOW_MS,
                event=kind,
                phase=Phase.NOTED,
                subject=subject,
                value=value,
                reference=reference,
                says=_cut(says),
            )
        )

    def _told(self, now_ms: int) -> tuple[Event, ...]:
        """As many of this asking's events as a minute may have."""
        events, self._events = self._events, []
        if now_ms - self._minute_ms >= MINUTE_MS:
            self._minute_ms, self._room, untold, self._untold = now_ms, EVENTS_A_MINUTE, self._untold, 0
            if untold:
                self._tell(EventKind.LOSS, AGENT, untold, None, "so many further events of a minute are not told")
        told = [*self._events, *events[: self._room]]
        self._untold += max(0, len(events) - self._room)
        self._room = max(0, self._room - len(events))
        self._events = []
        return tuple(told)

    def _frames(self) -> Iterator[Frame]:
        question = f"GET {self._target}".encode()[:FRAME_LIMIT]
        told = [one.raw for known in self._ids if known is not None for one in self._newest.get(known, ())]
        frames = 0
        piece = self._header_raw[:FRAME_LIMIT]
        for raw in told:
            if len(piece) + len(raw) > FRAME_LIMIT:
                yield question, piece
                frames += 1
                piece = b""
                if frames == FRAMES_LIMIT:
                    return
            piece += raw[:FRAME_LIMIT]
        yield question, piece


def _cut(text: str) -> str:
    """So that it may stand in a statement."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable.encode()[:TEXT_LIMIT].decode(errors="ignore")
