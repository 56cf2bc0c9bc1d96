"""DL/T 645 meters, both editions, on a serial line or behind a serial server.

1. After a DI that got no answer the others are not asked; after one that was refused they are.
2. A block that is refused is asked for one by one instead, at once and for a minute, then for longer, at last for an
   hour.
3. Any other DI that is refused while others are answered is left out for as long: on a slow line every question in
   vain costs the others. A meter that refuses everything is starting up, and refuses nothing in particular.
4. The values of an answer are those of the whole answer, or none.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from edge_agent.codecs.dlt645 import single_of
from edge_agent.codecs.dlt645_frame import SHORTEST, WAKES, Edition
from edge_agent.codecs.dlt645_values import Decoder, decoder_of, item_for
from edge_agent.codecs.errors import FrameError
from edge_agent.config.profiles import Item
from edge_agent.config.sections import Bus, BusKind, Machine
from edge_agent.drivers import driver
from edge_agent.drivers.dlt645_fetch import DATA_BYTES, Answer, fetch
from edge_agent.drivers.dlt645_who import who
from edge_agent.drivers.driver import Asker, Exchange
from edge_agent.drivers.identity import Who, identified, wanted_of
from edge_agent.drivers.serial_line import SerialLine
from evidence.bodies import Failure

if TYPE_CHECKING:
    from edge_agent.reading import Frame as Exchanged

FIRST_ANEW_MS: Final = 60_000
LONGEST_ANEW_MS: Final = 3_600_000
"""How long a refused DI is left out; doubles in between."""
TURNAROUND_S: Final = 0.05
"""How long a meter takes to begin, as a rule; the standards allow 0.5 s (2007: 5.3.3)."""
LIKELY_RECORDS: Final = 5
"""Of a block: the total and four tariffs, or a sum and three phases."""


def line_of(bus: Bus) -> SerialLine:
    """See Driver."""
    return SerialLine(bus.wire, bus.timeout_ms)


def asker_of(machine: Machine, line: driver.Line) -> Asker:
    """See Driver."""
    return identified(machine, Dlt645Asker(machine, cast("SerialLine", line)), who_of(machine, line))


def who_of(machine: Machine, line: driver.Line) -> Who:
    """See IdentifyingDriver."""
    edition, address = edition_of(machine.bus), str(machine.unit)
    return partial(who, cast("SerialLine", line), edition, address, wanted_of(machine.identity))


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    edition = edition_of(machine.bus)
    frame = WAKES + SHORTEST + edition.di_bytes
    questions = _questions(edition, dict(enumerate(_items(machine))))
    return sum((2 * frame + what.data_bytes) * machine.bus.wire.byte_s + TURNAROUND_S for what in questions)


def edition_of(bus: Bus) -> Edition:
    """Which standard the bus's meters keep."""
    return Edition.E1997 if bus.kind is BusKind.DLT645_1997 else Edition.E2007


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One DI, and the points that its answer has."""

    di: str
    places: tuple[int, ...]
    """Of the points among the machine's."""
    decode: Decoder
    data_bytes: int
    """How long an answer is expected, with the DI."""
    singles: "tuple[_Question, ...]" = ()
    """What can be asked in its stead, of a block whose elements have DIs of their own."""


class _Rest(NamedTuple):
    """Of a DI that was refused."""

    until_ms: int
    next_ms: int
    """How long the next rest will be."""


class Dlt645Asker:
    """How one meter is asked. It remembers what the meter refused; losing that costs a few questions."""

    def __init__(self, machine: Machine, line: SerialLine) -> None:
        self._machine, self._line = machine, line
        self._edition, self._address = edition_of(machine.bus), str(machine.unit)
        self._questions = _questions(self._edition, dict(enumerate(_items(machine))))
        self._resting: dict[str, _Rest] = {}
        """By DI."""
        self._told: set[int] = set()

    def ask(self, now_ms: int) -> Exchange:
        """See Asker. The failure is the first DI's that failed, else NO_VALUE when the meter itself has none."""
        values: list[int | None] = [None] * len(self._machine.points)
        frames: list[Exchanged] = []
        failure: Failure | None = None
        answered: list[_Question] = []
        refused: list[_Question] = []
        waiting = deque(self._not_parted(now_ms))
        while waiting:
            what = waiting.popleft()
            if self._rests(what, now_ms):
                failure = failure or Failure.REFUSED
                continue
            found = fetch(self._line, self._edition, self._address, what.di, data_bytes=what.data_bytes)
            frames += found.frames
            if isinstance(found, Answer):
                answered.append(what)
                missing = _taken(what, found.data, values)
                failure = failure or missing
                continue
            if found.failure is Failure.REFUSED:
                refused.append(what)
                waiting.extendleft(reversed(what.singles))
            if found.failure is not Failure.REFUSED or not what.singles:
                failure = failure or found.failure
            if found.failure is not Failure.REFUSED:
                break
        holes = self._learn(answered, refused, now_ms)
        return Exchange(tuple(values), failure, tuple(frames), bool(answered or refused), holes)

    def _not_parted(self, now_ms: int) -> Iterator[_Question]:
        """The questions as they are asked now."""
        for what in self._questions:
            yield from what.singles if what.singles and self._rests(what, now_ms) else (what,)

    def _rests(self, what: _Question, now_ms: int) -> bool:
        return what.di in self._resting and now_ms < self._resting[what.di].until_ms

    def _learn(self, answered: list[_Question], refused: list[_Question], now_ms: int) -> tuple[str, ...]:
        """Remember what was refused; the names of points given up for the first time."""
        for what in answered:
            self._resting.pop(what.di, None)
        given_up: list[int] = []
        for what in refused:
            if not what.singles and not answered:
                continue
            wait_ms = self._resting[what.di].next_ms if what.di in self._resting else FIRST_ANEW_MS
            self._resting[what.di] = _Rest(now_ms + wait_ms, min(2 * wait_ms, LONGEST_ANEW_MS))
            given_up += () if what.singles else what.places
        new = [place for place in given_up if place not in self._told]
        self._told.update(new)
        return tuple(self._machine.points[place].name for place in new)


def _taken(what: _Question, data: bytes, values: list[int | None]) -> Failure | None:
    """Put an answer's values in their places; why one is missing."""
    try:
        found = what.decode(data)
    except FrameError:  # the frame is sound, what it carries is not: half bytes beyond 9, or another length
        return Failure.GARBLED
    for place, value in zip(what.places, found, strict=True):
        values[place] = value
    return Failure.NO_VALUE if None in found else None


def _items(machine: Machine) -> list[Item]:
    """The machine's points, for a DL/T 645 profile has nothing but items."""
    return [point for point in machine.points if isinstance(point, Item)]


def _questions(edition: Edition, points: dict[int, Item]) -> tuple[_Question, ...]:
    """One question a DI, in the order of its first point."""
    places: dict[str, list[int]] = {}
    for place, point in points.items():
        places.setdefault(point.item, []).append(place)
    return tuple(_question(edition, di, {place: points[place] for place in of_it}) for di, of_it in places.items())


def _question(edition: Edition, di: str, points: dict[int, Item]) -> _Question:
    of_it = list(points.values())
    item = item_for(edition, of_it[0])
    records = max(LIKELY_RECORDS, *(point.element or 1 for point in of_it)) if item.repeats else 1
    return _Question(
        di=di,
        places=tuple(points),
        decode=decoder_of(edition, of_it),
        data_bytes=edition.di_bytes + (DATA_BYTES if item.is_open else records * item.octets),
        singles=_singles(edition, points),
    )


def _singles(edition: Edition, points: dict[int, Item]) -> tuple[_Question, ...]:
    """The elements of a block one by one; none where any of them has no DI of its own."""
    found = {}
    for place, point in points.items():
        single = None if point.element is None else single_of(edition, point.item, point.element)
        if single is None or point.digits is not None:
            return ()
        found[place] = replace(point, item=single, element=None)
    return _questions(edition, found)
