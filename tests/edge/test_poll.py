import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.clock import Clock, SystemClock
from edge_agent.config.load import Machine
from edge_agent.config.profiles import Limits, PointType
from edge_agent.drivers.modbus import line_of
from edge_agent.drivers.modbus_asking import FIRST_ANEW_MS
from edge_agent.polling.breaker import (
    LONGEST_BACKOFF_MS,
    LONGEST_REST_ALONE_MS,
    LONGEST_REST_MS,
    REST_STEP_MS,
    Backoff,
    Breaker,
    Verdict,
)
from edge_agent.polling.lines import Lines
from edge_agent.polling.poll import Poller
from edge_agent.reading import Reading
from evidence.bodies import Failure
from tests.world.buses import config_of, machine, point, rtu, rtu_over_tcp, tcp
from tests.world.plant import Fault, Plant, float32
from tests.world.rs485 import Noise, Rs485
from tests.world.serial_server import SerialServer
from tests.world.sleeper import SleeperClock
from tests.world.timed_line import TimedLine

PATIENCE_S = 30


@contextmanager
def poller_of(machines: Sequence[Machine], clock: Clock, readings: list[Reading]) -> Iterator[Poller]:
    bus = machines[0].bus
    line = line_of(bus)
    try:
        yield Poller(bus, machines, line=line, clock=clock, deliver=readings.append, chance=Random(1))
    finally:
        line.close()


def run(poller: Poller, clock: SleeperClock, *, until_ms: int) -> None:
    """Polls in the sleeper's time."""
    while (next_ms := poller.next_ms()) < until_ms:
        clock.wait_until(next_ms, threading.Event())
        poller.step()
    clock.wait_until(until_ms, threading.Event())


# Breaker and backoff, pure


def test_one_lost_answer_costs_no_rest() -> None:
    breaker = Breaker(units=1, apart_ms=0)
    breaker.failed(1, 0)
    assert breaker.verdict(1, 0) is Verdict.ASK


@given(failures=st.integers(2, 400), units=st.integers(1, 3))
def test_every_further_failure_adds_2_s_of_rest_up_to_5_min_or_30_s_where_nobody_lives(
    failures: int, units: int
) -> None:
    breaker = Breaker(units=units, apart_ms=0)
    for _ in range(failures):
        breaker.failed(7, 1_000_000)
    rest_ms = min(REST_STEP_MS * (failures - 1), LONGEST_REST_MS if units > 1 else LONGEST_REST_ALONE_MS)
    assert breaker.verdict(7, 1_000_000 + rest_ms - 1) is Verdict.REST
    assert breaker.verdict(7, 1_000_000 + rest_ms) is Verdict.PROBE
    breaker.heard(7)
    assert breaker.verdict(7, 1_000_000) is Verdict.ASK


def test_many_dead_units_are_probed_one_at_a_time() -> None:
    breaker = Breaker(units=4, apart_ms=1_000)
    for unit in (1, 2, 3):
        for _ in range(2):
            breaker.failed(unit, 0)
    assert [breaker.verdict(unit, 2_000) for unit in (1, 2, 3)] == [Verdict.PROBE] * 3
    breaker.failed(1, 2_000)
    assert [breaker.verdict(unit, 2_999) for unit in (1, 2, 3)] == [Verdict.REST] * 3
    assert [breaker.verdict(unit, 3_000) for unit in (1, 2, 3)] == [Verdict.REST, Verdict.PROBE, Verdict.PROBE]


def test_when_one_unit_wakes_the_others_are_probed_too() -> None:
    breaker = Breaker(units=3, apart_ms=1_000)
    for unit in (1, 2):
        for _ in range(50):
            breaker.failed(unit, 0)
    assert breaker.verdict(2, 30_000) is Verdict.REST
    breaker.heard(1)
    assert breaker.verdict(2, 30_000) is Verdict.PROBE


@given(tries=st.integers(1, 100), seed=st.integers())
def test_a_dead_line_is_tried_ever_more_rarely_but_never_given_up(tries: int, seed: int) -> None:
    backoff, now_ms = Backoff(chance=Random(seed)), 0
    for _ in range(tries):
        assert backoff.may_try(now_ms)
        backoff.failed(now_ms)
        assert not backoff.may_try(now_ms)
        now_ms += LONGEST_BACKOFF_MS
    backoff.heard()
    assert backoff.may_try(0)


# The grid


def test_a_machine_is_asked_once_a_slot_on_a_fixed_grid() -> None:
    clock, readings = SleeperClock(12_345), list[Reading]()
    with Plant() as plant:
        plant[0].counts_reads = True
        with poller_of([machine(tcp(plant[0].port))], clock, readings) as poller:
            run(poller, clock, until_ms=20_000)
    assert [reading.steady_ms for reading in readings] == [12_345, *range(13_000, 20_000, 1_000)]
    assert [reading.values[0] for reading in readings] == list(range(1, 9))
    assert all(reading.failure is None and len(reading.frames) == 1 for reading in readings)


def test_slots_that_passed_unasked_are_counted_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, readings = SleeperClock(), list[Reading]()
    with Plant() as plant, poller_of([machine(tcp(plant[0].port))], clock, readings) as poller:
        run(poller, clock, until_ms=1_500)
        clock.now_ms = 7_400  # slots 2 to 6 pass, slot 7 is served late
        with caplog.at_level(logging.DEBUG):
            run(poller, clock, until_ms=9_000)
            clock.now_ms = 20_000
            run(poller, clock, until_ms=21_000)
    assert [(reading.steady_ms, reading.failure, reading.cycles) for reading in readings[2:6]] == [
        (7_400, Failure.MISSED, 5),
        (7_400, None, 1),
        (8_000, None, 1),
        (20_000, Failure.MISSED, 11),
    ]
    asked = sum(reading.cycles for reading in readings)
    assert asked == 21
    levels = [record.levelname for record in caplog.records if "cycle too short" in record.message]
    assert levels == ["WARNING", "DEBUG"]


@given(
    periods=st.lists(st.sampled_from([200, 500, 1000, 3000]), min_size=1, max_size=4),
    holdups=st.lists(st.integers(0, 1500), min_size=10, max_size=40),
)
def test_every_slot_of_every_machine_is_either_asked_or_missed(periods: list[int], holdups: list[int]) -> None:
    clock, readings = SleeperClock(), list[Reading]()
    bus = tcp(1)
    machines = [machine(bus, unit=unit, period_ms=period_ms) for unit, period_ms in enumerate(periods, 1)]
    with poller_of(machines, clock, readings) as poller:  # nobody listens: what is counted is the schedule
        for holdup_ms in holdups:
            clock.wait_until(poller.next_ms(), threading.Event())
            poller.step()
            clock.now_ms += holdup_ms
        while poller.next_ms() <= clock.now_ms:
            poller.step()
    for each in machines:
        mine = [reading for reading in readings if reading.stream == each.stream]
        assert sum(reading.cycles for reading in mine) == clock.now_ms // each.period_ms + 1


# What devices do


def test_what_was_not_answered_is_said_so_and_why() -> None:
    clock, readings = SleeperClock(), list[Reading]()
    points = (point("a", 0), point("b", 50), point("c", 100, sentinels=frozenset({9})))
    with Plant() as plant:
        plant[0].registers.update({0: 1, 50: 2, 100: 9})
        with poller_of([machine(tcp(plant[0].port, timeout_ms=400), points=points)], clock, readings) as poller:
            poller.step()
            plant[0].registers[100] = 3
            poller.step()
            plant[0].fault = Fault.BUSY
            poller.step()
            plant[0].fault = Fault.HANG
            poller.step()
    seen = [(reading.values, reading.failure, len(reading.frames)) for reading in readings]
    assert seen == [
        ((1, 2, None), Failure.NO_VALUE, 3),
        ((1, 2, 3), None, 3),
        ((None, None, None), Failure.BUSY, 3),
        ((None, None, None), Failure.SILENT, 1),
    ]


def test_a_refused_address_is_found_left_out_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    clock, readings = SleeperClock(), list[Reading]()
    points = tuple(point(f"p{at}", at) for at in range(8))
    with Plant() as plant:
        plant[0].registers.update({at: 100 + at for at in range(8)})
        plant[0].absent = {5}
        with poller_of([machine(tcp(plant[0].port), points=points)], clock, readings) as poller:
            run(poller, clock, until_ms=10_000)
            assert [value is None for value in readings[-1].values] == [at == 5 for at in range(8)]
            assert readings[-1].failure is Failure.REFUSED
            plant[0].absent = set()
            run(poller, clock, until_ms=11_000)
            assert readings[-1].values[5] is None
            clock.now_ms += FIRST_ANEW_MS
            poller.step()
    assert readings[-1].values == tuple(range(100, 108))
    warned = [record.message for record in caplog.records if "refused" in record.message]
    assert warned == ["point refused by the device; leave it out stream=machine/unit-1 point=p5"]


def test_a_machine_that_falls_silent_rests_and_is_heard_again(caplog: pytest.LogCaptureFixture) -> None:
    clock, readings = SleeperClock(), list[Reading]()
    caplog.set_level(logging.INFO)
    with (
        Plant() as plant,
        poller_of([machine(tcp(plant[0].port, timeout_ms=300))], clock, readings) as poller,
    ):
        run(poller, clock, until_ms=3_000)
        plant[0].fault = Fault.HANG
        run(poller, clock, until_ms=60_000)
        asked = len(plant[0].ledger)
        plant[0].fault = Fault.NONE
        run(poller, clock, until_ms=120_000)
    why = Counter(reading.failure for reading in readings[3:60])
    assert why[Failure.SILENT] == asked - 3 < 10
    assert why[Failure.RESTED] == 57 - why[Failure.SILENT]
    healed = next(reading.steady_ms for reading in readings[60:] if reading.failure is None)
    assert healed <= 60_000 + 30_000  # alone on its line, it never rests longer
    said = [record.message for record in caplog.records if record.name == "edge_agent.polling.poll"]
    assert said == [
        "no full answer stream=machine/unit-1 bus=hall why=SILENT",
        "answers again stream=machine/unit-1",
    ]


def test_a_gateway_that_comes_back_is_reopened() -> None:
    clock, readings = SleeperClock(), list[Reading]()
    with Plant() as plant, poller_of([machine(tcp(plant[0].port))], clock, readings) as poller:
        run(poller, clock, until_ms=2_000)
        plant[0].fault = Fault.CLOSE
        run(poller, clock, until_ms=100_000)
        knocks = plant[0].connections
        plant[0].fault = Fault.NONE
        run(poller, clock, until_ms=100_000 + LONGEST_BACKOFF_MS + 1_000)
    assert 4 < knocks < 14
    assert {reading.failure for reading in readings[2:100]} == {Failure.LINE_DOWN}
    assert readings[-1].failure is None


def test_several_units_behind_one_gateway_do_not_mix() -> None:
    clock, readings = SleeperClock(), list[Reading]()
    points = (point("power", 52, PointType.FLOAT32, decimals=1),)
    with Plant() as plant:
        plant[0].registers.update(float32(52, 1500.5))
        plant[0].units = {1, 3}
        bus = tcp(plant[0].port, timeout_ms=300)
        machines = [machine(bus, unit=unit, points=points, limits=Limits(even_start=True)) for unit in (1, 2, 3)]
        with poller_of(machines, clock, readings) as poller:
            run(poller, clock, until_ms=60_000)
    heard = Counter(reading.stream for reading in readings if reading.values == (15005,))
    assert heard == {"machine/unit-1": 60, "machine/unit-3": 60}
    dead = Counter(reading.failure for reading in readings if reading.stream == "machine/unit-2")
    assert dead[Failure.SILENT] + dead[Failure.RESTED] == 60
    assert dead[Failure.SILENT] < 12


@pytest.mark.parametrize("behind_a_server", [False, True])
def test_a_dead_unit_on_a_slow_serial_line_of_eight_does_not_starve_the_others(*, behind_a_server: bool) -> None:
    """9600 baud, 20 registers, 1 Hz: the others take 0.62 s of each second, and to ask the dead one takes 0.47 s."""
    clock, span_s = SleeperClock(), 40
    readings: dict[str, list[Reading]] = defaultdict(list)
    with Rs485(units=range(1, 9), baud=115200, turnaround_s=0) as wire, ExitStack() as stack:
        wire[5].fault = Noise.DEAD
        bus = rtu(wire.device, timeout_ms=300)
        if behind_a_server:
            bus = rtu_over_tcp(stack.enter_context(SerialServer(wire.device)).port, timeout_ms=300)
        line = TimedLine(line=line_of(bus), clock=clock, baud=9600, turnaround_ms=23, timeout_ms=400)
        stack.callback(line.close)

        def deliver(reading: Reading) -> None:
            readings[reading.stream].append(reading)

        machines = [machine(bus, unit=unit) for unit in range(1, 9)]
        poller = Poller(bus, machines, line=line, clock=clock, deliver=deliver, chance=Random(1))
        run(poller, clock, until_ms=1000 * span_s)
        asked_in_vain = wire[5].asked
    answered = {
        stream: sum(reading.failure is None for reading in heard)
        for stream, heard in readings.items()
        if stream != "machine/unit-5"
    }
    assert len(answered) == 7
    assert min(answered.values()) >= 0.95 * span_s, answered
    dead = Counter(reading.failure for reading in readings["machine/unit-5"])
    assert dead[Failure.SILENT] == asked_in_vain < 12
    assert dead[Failure.RESTED] > 30


def test_one_bus_that_fails_stops_the_others_and_is_heard_of(tmp_path: Path) -> None:
    with Plant(machines=2) as plant:
        config = config_of(tmp_path, [machine(tcp(plant[at].port, name=f"bus-{at}"), unit=at + 1) for at in range(2)])

        def deliver(reading: Reading) -> None:
            raise OSError(28, "no space left", reading.stream)

        failed = threading.Event()
        lines = Lines(SystemClock(), deliver, on_failure=failed.set)
        lines.start(config)
        assert failed.wait(PATIENCE_S)
        with pytest.raises(OSError, match="no space left"):
            lines.close()


def test_buses_are_polled_side_by_side_until_they_are_stopped(tmp_path: Path) -> None:
    readings: list[Reading] = []

    def answered() -> Counter[str]:
        return Counter(reading.stream for reading in readings if reading.failure is None)

    with closing(Lines(SystemClock(), readings.append, on_failure=never)) as lines, Plant(machines=3) as plant:
        plant[1].fault = Fault.HANG  # and holds up nobody else
        buses = [tcp(plant[at].port, name=f"bus-{at}", period_ms=100, timeout_ms=4_000) for at in range(3)]
        lines.start(config_of(tmp_path, [machine(bus, unit=at) for at, bus in enumerate(buses)]))
        until(lambda: all(answered()[f"machine/unit-{at}"] >= 8 for at in (0, 2)))
        assert "machine/unit-1" not in {reading.stream for reading in readings}, "it is still waited for"
    assert answered().keys() == {"machine/unit-0", "machine/unit-2"}


def never() -> None:
    raise AssertionError("no bus may fail here")


def until(done: Callable[[], bool]) -> None:
    clock = SystemClock()
    give_up_ms = clock.steady_ms() + 1000 * PATIENCE_S
    while not done():
        assert clock.steady_ms() < give_up_ms
        clock.wait_until(clock.steady_ms() + 10, threading.Event())


def test_a_changed_bus_is_polled_anew_and_the_others_go_on(tmp_path: Path) -> None:
    """That nobody stood still is held against a bus that nothing was done to at all."""
    readings: list[Reading] = []
    untouched: list[Reading] = []

    def came(*units: int, after: int = 0, times: int = 3) -> Callable[[], bool]:
        def found() -> bool:
            streams = Counter(reading.stream for reading in readings[after:] if reading.failure is None)
            return all(streams[f"machine/unit-{at}"] >= times for at in units)

        return found

    with (
        Plant(machines=4) as plant,
        closing(Lines(SystemClock(), untouched.append, on_failure=never)) as beside,
        closing(Lines(SystemClock(), readings.append, on_failure=never)) as lines,
    ):
        buses = [tcp(plant[at].port, name=f"bus-{at}", period_ms=50) for at in range(4)]
        machines = [machine(bus, unit=at) for at, bus in enumerate(buses)]
        beside.start(config_of(tmp_path, machines[3:]))
        lines.start(config_of(tmp_path, machines[:2]))
        until(came(0, 1))
        other = config_of(tmp_path, [machines[0], machine(buses[1], unit=1, period_ms=100), machines[2]])
        lines.stop_changed(other)
        marked = len(readings)
        until(came(0, after=marked))
        assert {reading.stream for reading in readings[marked:]} == {"machine/unit-0"}
        lines.start(other)
        lines.start(other)  # changes nothing
        until(came(0, 1, 2, after=len(readings)))
        connections = [plant[at].connections for at in range(3)]
    assert connections == [1, 2, 1]
    assert {reading.stream for reading in readings} == {f"machine/unit-{at}" for at in range(3)}
    kept = [reading for reading in readings if reading.stream == "machine/unit-0"]
    assert longest_gap_ms(kept) < 150 + longest_gap_ms(untouched)


def longest_gap_ms(readings: list[Reading]) -> int:
    at_ms = [reading.steady_ms for reading in readings if reading.failure is None]
    return max(after - before for before, after in pairwise(at_ms))
