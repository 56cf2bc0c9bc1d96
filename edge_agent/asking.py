"""Asking one machine for all its points, block after block.

1. After a block that got no answer the others are not asked; after one that was refused they are.
2. A block refused with "illegal data address" is parted for the next asking, until the refused points are known
   (plan.py). What was refused is tried again after an hour: a device that was starting up may have refused what it has.
"""

from typing import Final, NamedTuple

from edge_agent.decode import decoder_of
from edge_agent.modbus import ILLEGAL_ADDRESS, Answer, Line, question
from edge_agent.plan import Block, Plan, plan_of, without
from edge_agent.reading import Frame
from edge_agent.sections import Machine
from evidence.bodies import Failure

HOLES_FORGOTTEN_MS: Final = 3_600_000


class Exchange(NamedTuple):
    """What asking one machine gave."""

    values: tuple[int | None, ...]
    failure: Failure | None
    frames: tuple[Frame, ...]
    heard: bool
    """Whether the device said anything that was meant for us, be it an exception."""
    holes: tuple[str, ...] = ()
    """Points that this asking showed to be refused."""


class Asker:
    """How one machine is asked. It remembers what the device refused; losing that costs a few questions."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._nothing: tuple[int | None, ...] = (None,) * len(machine.points)
        self._whole = plan_of(machine.points, machine.profile.limits)
        self._forget_holes_ms = 0
        self._use(self._whole)

    @property
    def plan(self) -> Plan:
        """The reads as they are now."""
        return self._plan

    def ask(self, line: Line, now_ms: int) -> Exchange:
        """Ask once. The failure is the first block's that failed, else NO_VALUE when the device itself has none."""
        if self._plan.holes and now_ms >= self._forget_holes_ms:
            self._use(self._whole)
        values = list(self._nothing)
        frames: list[Frame] = []
        failure: Failure | None = Failure.REFUSED if self._plan.holes else None
        heard = False
        refused: list[Block] = []
        for block, what, decode in self._steps:
            answer = line.ask(what)
            frames.append(answer.frame)
            if isinstance(answer, Answer):
                heard = True
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
        holes = self._part(refused, now_ms) if refused else ()
        return Exchange(tuple(values), failure, tuple(frames), heard, holes)

    def _part(self, refused: list[Block], now_ms: int) -> tuple[str, ...]:
        plan = self._plan
        for block in refused:
            plan = without(plan, block)
        new = plan.holes - self._plan.holes
        if new:
            self._forget_holes_ms = now_ms + HOLES_FORGOTTEN_MS
        if plan is not self._plan:
            self._use(plan)
        return tuple(self._machine.points[place].name for place in sorted(new))

    def _use(self, plan: Plan) -> None:
        self._plan = plan
        bus, unit = self._machine.bus, self._machine.unit
        self._steps = [(block, question(bus, unit, block), decoder_of(plan, block)) for block in plan.blocks]
