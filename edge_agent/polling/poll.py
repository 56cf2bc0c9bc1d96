"""Asking every machine of every bus, each on its own fixed grid of the steady clock; one thread a line.

1. A machine's slot k begins when the steady clock shows k * period. It is asked once a slot, as soon as the bus is
   free; a slot in which it was not asked is missed, counted, and reported before the next reading. Nothing is asked
   twice to make up for it. All buses wake together: with warm caches 100 machines cost a third of what they cost one
   by one (bench/poll_line.py).
2. On one bus one question is in flight. The machine that is due longest goes first; a probe of a machine that has
   fallen silent yields to everybody who is due.
3. A machine whose period is long is asked again before its next slot when an answer was not whole: after a minute,
   then ever more rarely, at last every hour. A daily reading is not lost to one moment's noise.
4. A reading is stamped when the last answer has arrived. What was not asked is reported as such: RESTED, MISSED, or
   LINE_DOWN.
"""

import logging
from collections.abc import Callable, Sequence
from random import Random
from threading import Event
from typing import Final

from edge_agent.clock import Clock
from edge_agent.config.sections import Bus, Machine
from edge_agent.drivers import driver_of
from edge_agent.drivers.driver import Asker, Exchange, Line
from edge_agent.drivers.identity import IdentifiedAsker
from edge_agent.polling.breaker import Backoff, Breaker, Verdict
from edge_agent.reading import Reading
from evidence.bodies import Failure

FIRST_RETRY_MS: Final = 60_000
LONGEST_RETRY_MS: Final = 3_600_000
WHOLE: Final = frozenset({None, Failure.REFUSED, Failure.NO_VALUE})
"""What a device itself has or does not have: asking again would tell no more."""
SILENCES: Final = frozenset({Failure.SILENT, Failure.LINE_DOWN})

_CHANCE: Final = Random()  # noqa: S311  # spreads reconnections, guards nothing
_log = logging.getLogger(__name__)

Deliver = Callable[[Reading], None]
"""Takes a reading; called from the buses' threads, so it must be quick and safe to call from several."""


def poll_bus(bus: Bus, machines: Sequence[Machine], clock: Clock, deliver: Deliver, stop: Event) -> None:
    """Poll one bus until `stop` is set; returns with the line closed."""
    poll_line([(bus, machines)], clock, deliver, stop)


def poll_line(buses: Sequence[tuple[Bus, Sequence[Machine]]], clock: Clock, deliver: Deliver, stop: Event) -> None:
    """Poll the buses of one line, which speak by turns, until `stop` is set; returns with the line closed.

    Whoever is due longest goes first. The port is set anew when another bus's turn comes, for its rate may differ.
    """
    lines = [driver_of(bus).line_of(bus) for bus, _ in buses]
    pollers = [
        Poller(bus, machines, line=line, clock=clock, deliver=deliver, chance=_CHANCE)
        for (bus, machines), line in zip(buses, lines, strict=True)
    ]
    turns = range(len(pollers))
    has_it = 0
    try:
        while not clock.wait_until(min([poller.next_ms() for poller in pollers]), stop):
            turn = min(turns, key=lambda at: pollers[at].next_ms())
            if turn != has_it:
                lines[has_it].close()
                has_it = turn
            pollers[turn].step()
    finally:
        lines[has_it].close()


class Poller:
    """The schedule of one bus; each `step` serves one machine that is due."""

    def __init__(
        self,
        bus: Bus,
        machines: Sequence[Machine],
        *,
        line: Line,
        clock: Clock,
        deliver: Deliver,
        chance: Random,
    ) -> None:
        self._line, self._clock, self._deliver = line, clock, deliver
        self._breaker = Breaker(units=len({machine.unit for machine in machines}), apart_ms=bus.period_ms)
        self._backoff = Backoff(chance=chance)
        self._turns = [
            _Turn(machine, driver_of(bus).asker_of(machine, line), clock.steady_ms()) for machine in machines
        ]

    def next_ms(self) -> int:
        """When the next machine is due, on the steady clock."""
        return min([turn.due_ms for turn in self._turns])

    def step(self) -> None:
        """Serve the machine whose turn it is, and deliver what came of it."""
        now_ms = self._clock.steady_ms()
        turn = self._choose(now_ms)
        missed = turn.begin(now_ms)
        if missed:
            self._deliver(self._reading(turn, turn.unasked(Failure.MISSED), cycles=missed))
        reading = self._serve(turn, now_ms)
        turn.retry(reading.failure, self._clock.steady_ms())
        self._deliver(reading)

    def _choose(self, now_ms: int) -> "_Turn":
        if len(self._turns) == 1:
            return self._turns[0]
        due = [turn for turn in self._turns if turn.due_ms <= now_ms] or self._turns
        return min(due, key=lambda turn: turn.due_ms + self._yields_ms(turn, now_ms))

    def _yields_ms(self, turn: "_Turn", now_ms: int) -> int:
        probes = self._breaker.verdict(turn.machine.unit, now_ms) is Verdict.PROBE
        return turn.machine.period_ms if probes else 0

    def _serve(self, turn: "_Turn", now_ms: int) -> Reading:
        unit = turn.machine.unit
        if self._breaker.verdict(unit, now_ms) is Verdict.REST:
            return self._reading(turn, turn.unasked(Failure.RESTED))
        if not self._open(now_ms):
            turn.note(Failure.LINE_DOWN)
            return self._reading(turn, turn.unasked(Failure.LINE_DOWN))
        exchange = turn.asker.ask(now_ms)
        turn.note(exchange.failure, exchange.holes)
        if not exchange.heard or exchange.failure in SILENCES:
            self._doubt(unit)
        if exchange.heard:
            self._breaker.heard(unit)
            self._backoff.heard()
        elif exchange.failure is Failure.LINE_DOWN:
            self._backoff.failed(self._clock.steady_ms())
        else:
            self._breaker.failed(unit, self._clock.steady_ms())
        return self._reading(turn, exchange)

    def _open(self, now_ms: int) -> bool:
        if not self._backoff.may_try(now_ms):
            return False
        if self._line.open() is None:
            return True
        self._backoff.failed(self._clock.steady_ms())
        for turn in self._turns:
            self._doubt(turn.machine.unit)
        return False

    def _doubt(self, unit: int | str) -> None:
        """Who answers there after a silence may be another; each of the device's streams asks."""
        for turn in self._turns:
            if turn.machine.unit == unit and isinstance(turn.asker, IdentifiedAsker):
                turn.asker.doubt()

    def _reading(self, turn: "_Turn", exchange: Exchange, *, cycles: int = 1) -> Reading:
        return Reading(
            stream=turn.machine.stream,
            at_ms=self._clock.utc_ms(),
            steady_ms=self._clock.steady_ms(),
            values=exchange.values,
            failure=exchange.failure,
            frames=exchange.frames,
            events=exchange.events,
            cycles=cycles,
        )


class _Turn:
    """One machine's place in the schedule."""

    def __init__(self, machine: Machine, asker: Asker, now_ms: int) -> None:
        self.machine = machine
        self.asker = asker
        self._slot = now_ms // machine.period_ms - 1
        self.due_ms = now_ms  # at once, then on the grid
        self._retry_ms = FIRST_RETRY_MS
        self._noted: Failure | None = None
        self._too_short = False

    def unasked(self, why: Failure) -> Exchange:
        """What stands for an asking that did not take place."""
        return Exchange((None,) * len(self.machine.points), why, (), heard=False)

    def begin(self, now_ms: int) -> int:
        """Take the slot of this instant, maybe once more; how many slots before it passed without being taken."""
        period_ms = self.machine.period_ms
        slot = max(now_ms // period_ms, self._slot)
        missed = max(0, slot - self._slot - 1)
        self._slot, self.due_ms = slot, (slot + 1) * period_ms
        if missed:
            level = logging.DEBUG if self._too_short else logging.WARNING
            self._too_short = True
            stream = self.machine.stream
            _log.log(level, "cycle too short stream=%s period_ms=%d missed=%d", stream, period_ms, missed)
        return missed

    def retry(self, failure: Failure | None, now_ms: int) -> None:
        """Be due again before the next slot, where that is far and the answer was not whole."""
        if failure in WHOLE:
            self._retry_ms = FIRST_RETRY_MS
        elif now_ms + self._retry_ms < self.due_ms:
            self.due_ms = now_ms + self._retry_ms
            self._retry_ms = min(2 * self._retry_ms, LONGEST_RETRY_MS)

    def note(self, failure: Failure | None, holes: tuple[str, ...] = ()) -> None:
        """Log that it fell silent or answers again, not that it still does; and points that it refuses."""
        stream = self.machine.stream
        for point in holes:
            _log.warning("point refused by the device; leave it out stream=%s point=%s", stream, point)
        if failure is self._noted:
            return
        if self.machine.silent_after_ms is not None and {failure, self._noted} <= {None, Failure.NO_VALUE}:
            self._noted = failure  # it reports when it likes: no value now and then is its way
            return
        if failure is None:
            _log.info("answers again stream=%s", stream)
        else:
            level = logging.DEBUG if self._noted else logging.WARNING
            _log.log(level, "no full answer stream=%s bus=%s why=%s", stream, self.machine.bus.name, failure.name)
        self._noted = failure
