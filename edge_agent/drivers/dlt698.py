"""Asking a DL/T 698.45 meter for all its points. It can only read: `dlt698_apdu` has no request but GET.

1. An object that several points share is asked for once, up to OBJECTS_LIMIT objects in one request.
2. A meter that refuses a list, cuts its answer into link segments, or never yet answered a list, is asked for one
   object at a time; after an hour it is asked for lists again.
3. After a question without an answer nothing more is asked. An object the meter does not have is named once, and asked
   for again after an hour; when it refuses all of them it is asked for all of them.
"""

from functools import partial
from typing import Final, cast

from edge_agent.codecs.dlt698 import Server
from edge_agent.codecs.dlt698_apdu import OTHER, Result
from edge_agent.codecs.dlt698_values import value_of
from edge_agent.config.points import Item
from edge_agent.config.sections import Bus, Machine
from edge_agent.drivers import driver
from edge_agent.drivers.dlt698_line import FRAME_BYTES, WAKING, Talk, service_numbers, who
from edge_agent.drivers.driver import Asker, Exchange
from edge_agent.drivers.identity import Who, identified, wanted_of
from edge_agent.drivers.serial_line import SerialLine
from evidence.bodies import Failure

OBJECTS_LIMIT: Final = 8
"""Of one request: the longest answer stays below 512 bytes, which every meter can send in one frame."""
USUAL_OBJECT_BYTES: Final = 24
"""An object's value with its OAD where it is asked often: three phases, or a total and three phases."""
TURNAROUND_S: Final = 0.05
"""How long a meter takes to begin, as a rule."""
ANEW_MS: Final = 3_600_000
"""After so long a refused object, or a list, is asked for again."""
BUSY_DARS: Final = frozenset({2, 33})
"""Temporarily failed; timed out."""


def line_of(bus: Bus) -> SerialLine:
    """See Driver."""
    return SerialLine(bus.wire, bus.timeout_ms)


def asker_of(machine: Machine, line: driver.Line) -> Asker:
    """See Driver."""
    return identified(machine, Dlt698Asker(machine, cast("SerialLine", line)), who_of(machine, line))


def who_of(machine: Machine, line: driver.Line) -> Who:
    """See IdentifyingDriver."""
    server, wanted = Server(digits=str(machine.unit)), wanted_of(machine.identity)
    return partial(who, cast("SerialLine", line), server, wanted)


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    objects = len({point.item for point in machine.points if isinstance(point, Item)})
    requests = -(-objects // OBJECTS_LIMIT)
    octets = requests * (len(WAKING) + 2 * FRAME_BYTES) + objects * (4 + USUAL_OBJECT_BYTES)
    return octets * machine.bus.wire.byte_s + requests * TURNAROUND_S


class Dlt698Asker:
    """How one meter is asked. It remembers what the meter refused; losing that costs a few questions."""

    def __init__(self, machine: Machine, line: SerialLine) -> None:
        self._line = line
        self._server = Server(digits=str(machine.unit))
        points = [point for point in machine.points if isinstance(point, Item)]
        self._wanted = [(point.name, int(point.item, 16), value_of(point)) for point in points]
        self._objects = tuple(dict.fromkeys(oad for _, oad, _ in self._wanted))
        self._piids = service_numbers()
        self._lists_work = False
        self._one_by_one_until_ms = 0
        self._refused_until_ms: dict[int, int] = {}
        self._told: set[int] = set()

    def ask(self, now_ms: int) -> Exchange:
        """Ask once. The failure is the first missing value's: refused, busy, without a value, or the line's."""
        talk = Talk(line=self._line, server=self._server, piids=self._piids)
        objects = self._due(now_ms)
        by_list = now_ms >= self._one_by_one_until_ms
        rest = self._ask_lists(objects, talk, now_ms) if by_list else objects
        for oad in rest:
            if talk.failure is None and not talk.get((oad,)) and talk.failure is None:
                talk.results[oad] = Result(oad=oad, dar=OTHER)
        again = self._try_the_other_way(talk, now_ms, by_list=by_list)
        holes = self._learn(talk, now_ms)
        values, failure = self._values(talk)
        return Exchange(values, failure, tuple(talk.frames), talk.address is not None, holes, again=again)

    def _due(self, now_ms: int) -> tuple[int, ...]:
        """The objects to ask for: all that were not lately refused; all when all were, for it may be starting up."""
        self._refused_until_ms = {oad: until for oad, until in self._refused_until_ms.items() if until > now_ms}
        due = tuple(oad for oad in self._objects if oad not in self._refused_until_ms)
        if not due:
            self._refused_until_ms = {}
        return due or self._objects

    def _ask_lists(self, objects: tuple[int, ...], talk: Talk, now_ms: int) -> tuple[int, ...]:
        """Ask for many at a time; what is left to be asked for one by one, since the meter refused to do so."""
        for at in range(0, len(objects), OBJECTS_LIMIT):
            if talk.get(objects[at : at + OBJECTS_LIMIT]):
                self._lists_work = self._lists_work or len(objects) > 1
            elif talk.failure is None:
                self._one_by_one_until_ms = now_ms + ANEW_MS
                return objects[at:]
            else:
                break
        return ()

    def _try_the_other_way(self, talk: Talk, now_ms: int, *, by_list: bool) -> bool:
        """Where lists never worked and this asking failed: next time one by one, and from that back; whether so."""
        if talk.failure in {None, Failure.LINE_DOWN} or self._lists_work or len(self._objects) == 1:
            return False
        if by_list:
            self._one_by_one_until_ms = now_ms + ANEW_MS
        elif talk.address is None:
            self._one_by_one_until_ms = 0
        return by_list

    def _learn(self, talk: Talk, now_ms: int) -> tuple[str, ...]:
        """Note what is refused; the names of points that are so for the first time."""
        refused = {oad for oad, result in talk.results.items() if result.dar is not None} - _busy(talk)
        self._refused_until_ms |= dict.fromkeys(refused, now_ms + ANEW_MS)
        new = refused - self._told
        self._told |= new
        return tuple(name for name, oad, _ in self._wanted if oad in new)

    def _values(self, talk: Talk) -> tuple[tuple[int | None, ...], Failure | None]:
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


def _busy(talk: Talk) -> set[int]:
    return {oad for oad, result in talk.results.items() if result.dar in BUSY_DARS}
