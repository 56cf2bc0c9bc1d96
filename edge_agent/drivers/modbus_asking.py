"""Asking one machine for all its points, block after block.

1. After a block that got no answer the others are not asked; after one that was refused they are.
2. A block refused with "illegal data address" is parted for the next asking, until the refused points are known
   (plan.py). A point is given up when it was refused alone twice on end while the device answered for others.
3. A device that refuses everything refuses no point in particular: it is starting up, or its program is stopped. It is
   asked as it last answered, and not parted again for a while.
4. After a minute all is asked as in the beginning, for what was refused may be there by now; then ever more rarely,
   at last every hour.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from edge_agent.config.profiles import registers_of
from edge_agent.config.sections import Identity, Machine, SerialPort
from edge_agent.drivers import driver
from edge_agent.drivers.driver import Asker, Exchange
from edge_agent.drivers.identity import Said, Who, identified, number_of
from edge_agent.drivers.modbus import ILLEGAL_ADDRESS, Answer, Line, Question, line_of, question
from edge_agent.drivers.modbus_plan import Block, Plan, plan_of, without
from edge_agent.drivers.modbus_values import Decoder, decoder_of
from evidence.bodies import Failure

if TYPE_CHECKING:
    from edge_agent.reading import Frame

__all__ = ["ModbusAsker", "asker_of", "line_of", "line_time_s", "who_of"]

FIRST_ANEW_MS: Final = 60_000
LONGEST_ANEW_MS: Final = 3_600_000
"""From learning what a device refuses to asking for all of it again; doubles in between."""
PART_AGAIN_MS: Final = 60_000
"""A device that refused everything is not parted again for so long."""


_Step = tuple[Block, Question, Decoder]

RTU_BYTES: Final = 8 + 5 + 4
"""A request, an answer without its values, and 3.5 characters of silence, rounded up."""
TURNAROUND_S: Final = 0.010
"""How long a unit takes to begin, as a rule."""


def asker_of(machine: Machine, line: driver.Line) -> Asker:
    """See Driver."""
    return identified(machine, ModbusAsker(machine, cast("Line", line)), who_of(machine, line))


def who_of(machine: Machine, line: driver.Line) -> Who:
    """See IdentifyingDriver."""
    points, bus, unit = machine.profile.identity, machine.bus, cast("int", machine.unit)
    plan = plan_of(points, machine.profile.limits)
    steps = [(block, question(bus, unit, block), decoder_of(plan, block)) for block in plan.blocks]
    return partial(_who, cast("Line", line), steps, len(points))


def _who(line: Line, steps: Sequence[_Step], parts: int) -> Said:
    """The number is whole or not said; of several points it is theirs joined."""
    values: list[int | None] = [None] * parts
    frames: list[Frame] = []
    failure: Failure | None = None
    heard = False
    for block, what, decode in steps:
        answer = line.ask(what)
        frames.append(answer.frame)
        heard = heard or isinstance(answer, Answer) or answer.exception is not None
        if not isinstance(answer, Answer):
            failure = answer.failure
            break
        for place, value in zip(block.points, decode(answer.values), strict=True):
            values[place] = value
    whole = None if None in values else number_of("-".join(map(str, values)))
    return Said(Identity(meter_number=whole), failure or (None if whole else Failure.NO_VALUE), tuple(frames), heard)


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    if not isinstance(machine.bus.port, SerialPort):
        return 0.0
    blocks = plan_of(registers_of(machine.points), machine.profile.limits).blocks
    return sum((RTU_BYTES + block.answer_bytes) * machine.bus.port.byte_s + TURNAROUND_S for block in blocks)


class ModbusAsker:
    """How one machine is asked. It remembers what the device refused; losing that costs a few questions."""

    def __init__(self, machine: Machine, line: Line) -> None:
        self._machine, self._line = machine, line
        self._nothing: tuple[int | None, ...] = (None,) * len(machine.points)
        self._whole = self._sound = plan_of(registers_of(machine.points), machine.profile.limits)
        self._suspects: frozenset[Block] = frozenset()
        self._told: frozenset[int] = frozenset()
        self._patience_ms = FIRST_ANEW_MS
        self._anew_ms = self._part_again_ms = 0
        self._use(self._whole)

    @property
    def plan(self) -> Plan:
        """The reads as they are now."""
        return self._plan

    def ask(self, now_ms: int) -> Exchange:
        """Ask once. The failure is the first block's that failed, else NO_VALUE when the device itself has none."""
        if self._plan is not self._whole and now_ms >= max(self._anew_ms, self._part_again_ms):
            self._use(self._whole)
        values = list(self._nothing)
        frames: list[Frame] = []
        failure: Failure | None = Failure.REFUSED if self._plan.holes else None
        heard = False
        answered: list[Block] = []
        refused: list[Block] = []
        for block, what, decode in self._steps:
            answer = self._line.ask(what)
            frames.append(answer.frame)
            if isinstance(answer, Answer):
                heard = True
                answered.append(block)
                for place, value in zip(block.points, decode(answer.values), strict=True):
                    values[place] = value
                continue
            failure = failure or answer.failure
            if answer.exception is None:
                break
            heard = True
            if answer.exception == ILLEGAL_ADDRESS:
                refused.append(block)
        if failure is None and None in values:
            failure = Failure.NO_VALUE
        plan = self._plan
        holes = self._learn(answered, refused, now_ms)
        return Exchange(tuple(values), failure, tuple(frames), heard, holes, again=self._plan is not plan)

    def _learn(self, answered: list[Block], refused: list[Block], now_ms: int) -> tuple[str, ...]:
        """Mend the plan by what was answered and refused; the names of points given up for the first time."""
        if len(answered) == len(self._plan.blocks):
            self._sound, self._suspects = self._plan, frozenset()
            if self._plan is self._whole:
                self._patience_ms = FIRST_ANEW_MS
        if not refused or (not answered and now_ms < self._part_again_ms):
            return ()
        alone = frozenset(block for block in refused if len(block.points) == 1)
        if len(alone) == len(self._plan.blocks):
            self._part_again_ms = now_ms + PART_AGAIN_MS
            self._change(self._sound, now_ms)
            return ()
        plan = self._plan
        for block in refused:
            if block not in alone or (answered and block in self._suspects):
                plan = without(plan, block)
        if answered:
            self._suspects = alone
        if plan is not self._plan:
            self._change(plan, now_ms)
        new = plan.holes - self._told
        self._told |= new
        return tuple(self._machine.points[place].name for place in sorted(new))

    def _change(self, plan: Plan, now_ms: int) -> None:
        if self._plan is self._whole:
            self._anew_ms = now_ms + self._patience_ms
            self._patience_ms = min(2 * self._patience_ms, LONGEST_ANEW_MS)
        self._use(plan)

    def _use(self, plan: Plan) -> None:
        self._plan = plan
        bus, unit = self._machine.bus, cast("int", self._machine.unit)
        self._steps = [(block, question(bus, unit, block), decoder_of(plan, block)) for block in plan.blocks]
