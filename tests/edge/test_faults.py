"""The fault table: what can go wrong on a line, against real servers and real lines, and what must hold after each row.

1. Nobody else on the line loses a reading.
2. A machine's value is its own or none: every unit answers with its own number.
3. Every slot is accounted for: read, or the reason is there.
4. When the fault is over the machine is read again, after a rest at most.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from edge_agent.clock import SystemClock
from edge_agent.drivers.modbus import line_of
from edge_agent.polling.breaker import LONGEST_BACKOFF_MS
from edge_agent.polling.lines import Lines
from edge_agent.polling.poll import Poller
from edge_agent.reading import Reading
from evidence.bodies import Failure
from tests.world.buses import config_of, machine, point, rtu, rtu_over_tcp, tcp
from tests.world.plant import Fault, Plant
from tests.world.rs485 import Noise, Rs485
from tests.world.serial_server import Manner, SerialServer
from tests.world.sleeper import SleeperClock

OWN_NUMBER = 7
"""The register in which every unit has its own."""
POINTS = (point("number", OWN_NUMBER), point("other", OWN_NUMBER + 3))
UNITS = (1, 2, 3)
SICK = 2
"""The unit that a row's fault befalls, where it befalls one."""
BEFORE_S, DURING_S = 3, 12
REST_S = 10
"""After 12 s of failures a unit rests no longer."""
PATIENT_MS, BRIEF_MS = 3_000, 300
"""Nobody here needs so long, however busy this machine is; the shorter one where it is waited for to its end."""


@dataclass
class Floor:
    """A workshop with three kinds of lines, three units on each, and what was read of them."""

    plant: Plant
    wire: Rs485
    far: Rs485
    server: SerialServer
    clock: SleeperClock = field(default_factory=SleeperClock)
    readings: dict[str, list[Reading]] = field(default_factory=lambda: defaultdict(list))


@contextmanager
def floor() -> Iterator[Floor]:
    with (
        Plant(machines=len(UNITS)) as plant,
        Rs485(units=UNITS, baud=115200, turnaround_s=0.001) as wire,
        Rs485(units=UNITS, baud=115200, turnaround_s=0.001) as far,
        SerialServer(far.device) as server,
    ):
        for unit in UNITS:
            plant[unit - 1].registers[OWN_NUMBER] = 100 + unit
            wire[unit].registers[OWN_NUMBER] = 200 + unit
            far[unit].registers[OWN_NUMBER] = 300 + unit
        yield Floor(plant, wire, far, server)


NUMBERS = {"tcp": 100, "rtu": 200, "rtu-over-tcp": 300}


@contextmanager
def polled(here: Floor, kind: str, timeout_ms: int) -> Iterator[Callable[[int], None]]:
    """A function that polls the lines of this kind until that second of the sleeper's time."""
    buses = {
        "tcp": [tcp(here.plant[unit - 1].port, name=f"tcp-{unit}", timeout_ms=timeout_ms) for unit in UNITS],
        "rtu": [rtu(here.wire.device, baud=115200, timeout_ms=timeout_ms)] * len(UNITS),
        "rtu-over-tcp": [rtu_over_tcp(here.server.port, baud=115200, timeout_ms=timeout_ms)] * len(UNITS),
    }
    machines = [machine(bus, unit=unit, points=POINTS) for unit, bus in zip(UNITS, buses[kind], strict=True)]

    def deliver(reading: Reading) -> None:
        here.readings[reading.stream].append(reading)

    with ExitStack() as stack:
        pollers = []
        for bus in dict.fromkeys(buses[kind]):
            line = line_of(bus)
            stack.callback(line.close)
            own = [each for each in machines if each.bus == bus]
            pollers.append(Poller(bus, own, line=line, clock=here.clock, deliver=deliver, chance=Random(1)))

        def until(second: int) -> None:
            while (next_ms := min(poller.next_ms() for poller in pollers)) < 1000 * second:
                here.clock.wait_until(next_ms, threading.Event())
                for poller in pollers:
                    while poller.next_ms() <= here.clock.now_ms:
                        poller.step()
            here.clock.wait_until(1000 * second, threading.Event())

        yield until


@dataclass(frozen=True)
class Row:
    """One fault: how it begins, whom it befalls, why these readings are then missing, and how it ends."""

    what: str
    line: str
    begins: Callable[[Floor], None]
    why: set[Failure]
    ends: Callable[[Floor], None]
    whole_line: bool = False

    @property
    def timeout_ms(self) -> int:
        return BRIEF_MS if self.why & {Failure.SILENT, Failure.GARBLED} else PATIENT_MS


def plant_does(fault: Fault) -> Callable[[Floor], None]:
    def begin(here: Floor) -> None:
        here.plant[SICK - 1].fault = fault

    return begin


def unit_does(noise: Noise, *, far: bool = False) -> Callable[[Floor], None]:
    def begin(here: Floor) -> None:
        (here.far if far else here.wire)[SICK].fault = noise

    return begin


def server_does(manner: Manner) -> Callable[[Floor], None]:
    def begin(here: Floor) -> None:
        here.server.fault = manner

    return begin


TCP_ROWS = (
    (Fault.HANG, {Failure.SILENT}),
    (Fault.CLOSE, {Failure.LINE_DOWN}),
    (Fault.WRONG_UNIT, {Failure.GARBLED}),
    (Fault.WRONG_FUNCTION, {Failure.GARBLED}),
    (Fault.WRONG_LENGTH, {Failure.GARBLED}),
    (Fault.STALE, {Failure.GARBLED}),
    (Fault.GARBAGE, {Failure.GARBLED}),
    (Fault.TRUNCATED, {Failure.GARBLED}),
    (Fault.BUSY, {Failure.BUSY}),
    (Fault.EXCEPTION, {Failure.REFUSED}),
    (Fault.TWICE, set[Failure]()),
    (Fault.DRIPPING, set[Failure]()),
)
UNIT_ROWS = (
    (Noise.DEAD, {Failure.SILENT}),
    (Noise.BAD_CRC, {Failure.GARBLED}),
    (Noise.WRONG_UNIT, {Failure.GARBLED}),
    (Noise.WRONG_LENGTH, {Failure.GARBLED}),
    (Noise.SHORT, {Failure.GARBLED}),
    (Noise.CHATTER, {Failure.GARBLED}),
    (Noise.TRUNCATED, {Failure.GARBLED}),
    (Noise.BUSY, {Failure.BUSY}),
    (Noise.WRAPPED, set[Failure]()),
    (Noise.STAMMERS, set[Failure]()),
    (Noise.TWICE, set[Failure]()),
)
SERVER_ROWS = (
    (Manner.MUTE, {Failure.SILENT}),
    (Manner.RESETS, {Failure.LINE_DOWN}),
    (Manner.DRIPS, set[Failure]()),
    (Manner.DOUBLES, set[Failure]()),
)
TABLE = [
    *(
        Row(f"a TCP machine: {fault.value}", "tcp", plant_does(fault), why, plant_does(Fault.NONE))
        for fault, why in TCP_ROWS
    ),
    *(
        Row(f"an RTU unit: {noise.value}", "rtu", unit_does(noise), why, unit_does(Noise.NONE))
        for noise, why in UNIT_ROWS
    ),
    *(
        Row(
            f"an RTU unit behind a server: {noise.value}",
            "rtu-over-tcp",
            unit_does(noise, far=True),
            why,
            unit_does(Noise.NONE, far=True),
        )
        for noise, why in UNIT_ROWS
    ),
    *(
        Row(
            f"a serial server: {manner.value}",
            "rtu-over-tcp",
            server_does(manner),
            why,
            server_does(Manner.CLEAR),
            whole_line=True,
        )
        for manner, why in SERVER_ROWS
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.what)
def test_a_fault_harms_nobody_else_is_named_and_passes(row: Row) -> None:
    with floor() as here, polled(here, row.line, row.timeout_ms) as until:
        until(BEFORE_S)
        row.begins(here)
        until(BEFORE_S + DURING_S)
        row.ends(here)
        until(end_s := BEFORE_S + DURING_S + REST_S)
    assert len(here.readings) == len(UNITS)
    for name, heard in here.readings.items():
        unit = int(name.removeprefix("machine/unit-"))
        assert {reading.values[0] for reading in heard} <= {NUMBERS[row.line] + unit, None}
        assert sum(reading.cycles for reading in heard) == end_s
        assert all((reading.failure is None) is (None not in reading.values) for reading in heard)
        missing = Counter(reading.failure for reading in heard if reading.failure is not None)
        if row.whole_line or unit == SICK:
            assert missing.keys() <= row.why | ({Failure.RESTED} if row.why else set())
            assert bool(row.why) is (missing.total() >= DURING_S)
            assert heard[-1].failure is None
        else:
            assert not missing, name


def test_a_line_that_is_unplugged_for_an_hour_is_knocked_at_rarely_and_read_within_half_a_minute(
    tmp_path: Path,
) -> None:
    """The adapter comes back under another name; its link by id leads there."""
    link = tmp_path / "usb-1a86_USB_Serial-if00-port0"
    clock, readings = SleeperClock(), list[Reading]()
    with Rs485(units=(1,), baud=115200) as before, Rs485(units=(1,), baud=115200) as after:
        before[1].registers[OWN_NUMBER], after[1].registers[OWN_NUMBER] = 1, 2
        link.symlink_to(before.device)
        bus = rtu(str(link), baud=115200)
        line = line_of(bus)
        of_it = [machine(bus, unit=1, points=POINTS)]
        poller = Poller(bus, of_it, line=line, clock=clock, deliver=readings.append, chance=Random(1))
        step_until(poller, clock, 10)
        before.unplug()
        link.unlink()
        step_until(poller, clock, 3_610)
        replaced = tmp_path / "new"
        replaced.symlink_to(after.device)
        replaced.rename(link)
        step_until(poller, clock, 3_660)
        line.close()
    why = Counter(reading.failure for reading in readings)
    assert readings[9].failure is None
    assert sum(reading.cycles for reading in readings) == 3_660
    assert 3_600 <= why[Failure.LINE_DOWN] <= 3_600 + LONGEST_BACKOFF_MS // 1000
    assert [reading.values[0] for reading in readings if reading.failure is None][-20:] == [2] * 20


def test_of_a_hundred_machines_on_ten_lines_only_those_of_the_dead_line_are_missed(tmp_path: Path) -> None:
    """The others are held against a machine that is polled by itself: this computer may have been busy meanwhile."""
    readings: dict[str, list[Reading]] = defaultdict(list)
    alone: list[Reading] = []

    def deliver(reading: Reading) -> None:
        readings[reading.stream].append(reading)

    def never() -> None:
        raise AssertionError("no bus may fail here")

    with (
        Plant(machines=11) as plant,
        closing(Lines(clock := SystemClock(), deliver, on_failure=never)) as lines,
        closing(Lines(clock, alone.append, on_failure=never)) as beside,
    ):
        dead = 3
        plant[dead].fault = Fault.HANG
        buses = [tcp(plant[at].port, name=f"line-{at}", timeout_ms=200 if at == dead else 900) for at in range(11)]
        machines = [machine(bus, unit=10 * at + of) for at, bus in enumerate(buses[:10]) for of in range(10)]
        lines.start(config_of(tmp_path, machines))
        beside.start(config_of(tmp_path, [machine(buses[10])]))
        clock.wait_until(clock.steady_ms() + 4_000, threading.Event())
    assert len(readings) == 100
    for stream, heard in readings.items():
        on_the_dead_line = 30 <= int(stream.removeprefix("machine/unit-")) < 40
        assert answered(heard) == 0 if on_the_dead_line else answered(heard) >= answered(alone) - 1, stream


def answered(heard: list[Reading]) -> int:
    return sum(reading.failure is None for reading in heard)


def step_until(poller: Poller, clock: SleeperClock, second: int) -> None:
    while poller.next_ms() < 1000 * second:
        clock.wait_until(poller.next_ms(), threading.Event())
        poller.step()
    clock.wait_until(1000 * second, threading.Event())
