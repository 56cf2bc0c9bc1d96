"""A Modbus line on which an exchange takes what it takes on a wire, on the test's own clock: eight hours in seconds.

    with Rs485(units=(1, 2), baud=115200) as wire:
        line = TimedLine(line=line_of(rtu(wire.device)), clock=clock, baud=9600, turnaround_ms=20, timeout_ms=400)

What is said is really asked and answered; how long that takes here, on a machine that has much else to do, is no part
of the time that the test sees.
"""

from dataclasses import dataclass

from edge_agent.drivers.modbus import SHORTEST_ADU, Answer, Line, NoAnswer, Question
from evidence.bodies import Failure
from tests.world.pty_line import BITS_PER_BYTE
from tests.world.sleeper import SleeperClock

QUIET_BYTES = 3.5
"""Between two frames (MODBUS over Serial Line V1.02, 2.5.1.1)."""


@dataclass(kw_only=True)
class TimedLine:
    """Satisfies edge_agent.drivers.driver.Line."""

    line: Line
    clock: SleeperClock
    baud: int
    turnaround_ms: int
    timeout_ms: int

    def open(self) -> Failure | None:
        return self.line.open()

    def close(self) -> None:
        self.line.close()

    def ask(self, what: Question) -> Answer | NoAnswer:
        said = self.line.ask(what)
        octets = QUIET_BYTES + len(what.adu) + SHORTEST_ADU + what.answer_bytes
        waited_ms = self.turnaround_ms if isinstance(said, Answer) else self.timeout_ms
        self.clock.now_ms += waited_ms + round(octets * BITS_PER_BYTE * 1000 / self.baud)
        return said
