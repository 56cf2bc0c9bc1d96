"""Asking the devices of one bus for a person who looks on, through the drivers of the agent, while that is stopped.

A serial line has one master, a small gateway takes one connection: two askers would garble each other's answers, and
the agent's readings are evidence. So the bench asks nothing while the agent does (`agent_polls`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from edge_agent.clock import Clock
from edge_agent.config.load import Config
from edge_agent.config.points import Point
from edge_agent.config.sections import Bus, Machine
from edge_agent.drivers import driver_of
from edge_agent.drivers.driver import Exchange
from edge_agent.keeping.database import is_claimed
from edge_agent.reading import Reading
from evidence.bodies import Failure
from evidence.judging.judge import Read

LONGEST_PERIOD_MS: Final = 1000
"""A person who looks on is shown something new so often, where the line can."""
PARTINGS_LIMIT: Final = 10
"""How often a machine that refuses addresses is asked again at once, to find which ones."""
STOP_THE_AGENT: Final = (
    "the agent is asking this box's devices, and only one can: stop it first (sudo systemctl stop qianliyan-poll),"
    " and start it again afterwards"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one asking gave, and how long it took."""

    machine: Machine
    reading: Reading
    took_ms: int


def agent_polls(config: Config) -> bool:
    """Whether this box's `poll` runs."""
    return is_claimed(config.box.spool, "poll")


class Bench:
    """One bus and some of its machines."""

    def __init__(self, bus: Bus, machines: Sequence[Machine], clock: Clock) -> None:
        """They are asked every period of theirs, but at least every second where the line can carry it."""
        driver = driver_of(bus)
        line_ms = sum(int(1000 * driver.line_time_s(machine)) for machine in machines)
        self.period_ms = max(min(LONGEST_PERIOD_MS, *(machine.period_ms for machine in machines)), line_ms)
        self.machines = tuple(replace(machine, period_ms=self.period_ms) for machine in machines)
        self._clock = clock
        self._line = driver.line_of(bus)
        self._askers = {machine.name: driver.asker_of(machine, self._line) for machine in self.machines}
        self._next_ms = clock.steady_ms()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    @property
    def now_ms(self) -> int:
        """The steady clock."""
        return self._clock.steady_ms()

    def round(self) -> list[Told]:
        """Ask every machine once."""
        now_ms = self._clock.steady_ms()
        self._next_ms = max(self._next_ms + self.period_ms, now_ms)
        return [self._ask(machine) for machine in self.machines]

    def left_s(self) -> float:
        """How long until the next round is due."""
        return max(0.0, (self._next_ms - self._clock.steady_ms()) / 1000)

    def _ask(self, machine: Machine) -> Told:
        began_ms = self._clock.steady_ms()
        failure = self._line.open()
        if failure is None:
            exchange = self._asked(machine)
        else:
            exchange = Exchange((None,) * len(machine.points), failure, (), heard=False)
        now_ms = self._clock.steady_ms()
        reading = Reading(
            stream=machine.stream,
            at_ms=self._clock.utc_ms(),
            steady_ms=now_ms,
            values=exchange.values,
            failure=exchange.failure,
            frames=exchange.frames,
            events=exchange.events,
        )
        return Told(machine=machine, reading=reading, took_ms=now_ms - began_ms)

    def _asked(self, machine: Machine) -> Exchange:
        for _ in range(PARTINGS_LIMIT):
            exchange = self._askers[machine.name].ask(self._clock.steady_ms())
            if not exchange.again:
                break
        return exchange


def power_mw(told: Told, point: Point) -> int | None:
    """The value of a machine's power point in milliwatts."""
    value = told.reading.values[told.machine.points.index(point)]
    return None if value is None else Read(point.name, milli=True).scaled(value, point.unit, point.decimals)


def why(failure: Failure) -> str:
    """A failure in a few words."""
    return _WHY[failure]


_WHY: Final = {
    Failure.SILENT: "no byte came back",
    Failure.LINE_DOWN: "the line cannot be opened",
    Failure.GARBLED: "what came back is no answer",
    Failure.REFUSED: "the device refuses",
    Failure.BUSY: "the device is busy",
    Failure.NO_VALUE: "the device has no value",
    Failure.RESTED: "not asked",
    Failure.MISSED: "not asked",
    Failure.STRANGER: "another device answers than the one that was commissioned",
}
