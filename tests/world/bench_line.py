"""The line that docs/install-a-box.md brings up: two Modbus meters and a sealed DL/T 645 meter on one pair of wires.

with bench_line() as line:
    line.device              # what the page calls /dev/ttyUSB0
    line.load("works")       # what the machine behind unit 1 does: off, idles, works
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from edge_agent.config.points import Function
from edge_agent.config.profiles import known_profiles, load_profile
from tests.world.dlt645_meter import Line645, Meter645
from tests.world.meter_memory import Load, Phase, memory_of, words_of
from tests.world.mixed_line import MixedLine
from tests.world.rs485 import Rs485

AMPS: Final = {"off": 0.0, "idles": 0.9, "works": 11.8}
METER: Final = "202401150007"


class BenchLine:
    def __init__(self, line: MixedLine, wire: Rs485) -> None:
        self.device = line.device
        self._wire = wire
        self.load("works")
        self._wire[3].registers.update(_words("chint_dtsu666", Function.HOLDING_REGISTERS, amps=3.2))

    def load(self, what: str) -> None:
        self._wire[1].registers.update(_words("eastron_sdm630", Function.INPUT_REGISTERS, amps=AMPS[what]))


@contextmanager
def bench_line() -> Iterator[BenchLine]:
    with (
        Rs485(units=(1, 3), baud=57600) as wire,
        Line645(meters=[Meter645(METER)], baud=57600) as meters,
        MixedLine({wire.device: 9600, meters.device: 2400}) as line,
    ):
        yield BenchLine(line, wire)


def _words(profile: str, function: Function, *, amps: float) -> dict[int, int]:
    phases = tuple(Phase(volts=volts, amps=amps, power_factor=0.86) for volts in (229.6, 231.0, 230.2))
    memory = memory_of(load_profile(known_profiles(None)[profile]), Load(phases=phases, energy_wh=1_234_560.0))
    return words_of(memory, function)


def main() -> None:
    """For practice: the line until its input ends; `off`, `idles` or `works` on a line of its own loads the machine."""
    with bench_line() as line:
        print(
            f"{line.device} is the line. Unit 1 works: type off, idles or works to change that; Ctrl-C ends.",
            flush=True,
        )
        with suppress(KeyboardInterrupt):
            for typed in sys.stdin:
                what = typed.strip()
                if what in AMPS:
                    line.load(what)
                print(f"unit 1: {what}" if what in AMPS else f"one of {', '.join(AMPS)}", flush=True)


if __name__ == "__main__":
    main()
