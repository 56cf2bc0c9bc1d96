import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.load import Machine, Parity
from edge_agent.config.profiles import OURS, Profile, load_profile
from edge_agent.config.sections import Bus, BusKind, Identity, SerialPort
from edge_agent.drivers import driver_of, identifying_driver_of
from edge_agent.drivers.driver import Asker, Exchange, Line
from edge_agent.drivers.identity import (
    AGAIN_MS,
    SUBJECT,
    UNHEARD_MS,
    UNSAID_TIMES,
    Said,
    identified,
    number_of,
    same,
)
from edge_agent.polling.poll import Poller
from edge_agent.reading import NOW_MS, Reading
from evidence.bodies import EventKind, Events, Failure, Phase
from tests.world.buses import machine, point, tcp
from tests.world.dlt645_meter import Fault645, Line645, Meter645
from tests.world.dlt698_meter import Fault698, Meter698, octets
from tests.world.plant import Fault, Plant
from tests.world.sleeper import SleeperClock

METER, OTHER = "112233445566", "998877665544"
PINNED = Identity(meter_number=METER)
SECOND_MS = 1_000


# The state machine, alone


@dataclass(slots=True)
class Device:
    """Says a number, or refuses to, or nothing; its one value is 7."""

    number: str | None = METER
    asset: str | None = None
    silent: bool = False
    asked_who: int = 0
    asked: int = 0
    now_ms: int = 10_000
    exchanges: list[Exchange] = field(default_factory=list)

    def who(self) -> Said:
        self.asked_who += 1
        if self.silent:
            return Said(Identity(), Failure.SILENT, ((b"who", b""),), heard=False)
        identity = Identity(meter_number=self.number, asset_number=self.asset)
        failure = None if self.number else Failure.REFUSED
        return Said(identity, failure, ((b"who", str(self.number).encode()),), heard=True)

    def ask(self, now_ms: int) -> Exchange:
        del now_ms
        self.asked += 1
        if self.silent:
            return Exchange((None,), Failure.SILENT, ((b"value", b""),), heard=False)
        return Exchange((7,), None, ((b"value", b"7"),), heard=True)


@dataclass(slots=True)
class Desk:
    device: Device
    asker: Asker
    now_ms: int = 10_000

    def ask(self, *, after_ms: int = SECOND_MS) -> Exchange:
        self.now_ms += after_ms
        return self.asker.ask(self.now_ms)


def desk(pinned: Identity = PINNED) -> Desk:
    device = Device()
    here = replace(machine(tcp(502), points=(point("p", 0),)), identity=pinned)
    return Desk(device, identified(here, device, device.who))


def told(exchange: Exchange) -> list[tuple[EventKind, Phase, str, int | None, int | None]]:
    return [(e.event, e.phase, e.subject, e.value, e.reference) for e in exchange.events]


RAISED = [(EventKind.IDENTITY, Phase.RAISED, SUBJECT, int(OTHER), int(METER))]
CLEARED = [(EventKind.IDENTITY, Phase.CLEARED, SUBJECT, int(METER), int(METER))]


def test_without_a_pinned_number_nobody_is_asked_who_he_is() -> None:
    device = Device()
    assert identified(machine(tcp(502), points=(point("p", 0),)), device, device.who) is device


def test_the_right_device_is_asked_at_first_every_hour_and_after_a_minute_unheard() -> None:
    at = desk()
    assert told(at.ask()) == CLEARED  # nobody knows what was raised before: the keeper does
    assert [at.ask().values for _ in range(3599)] == 3599 * [(7,)]
    assert at.device.asked_who == 1
    assert at.ask().frames == ((b"who", METER.encode()), (b"value", b"7"))
    assert at.device.asked_who == 2
    at.ask(after_ms=UNHEARD_MS - 1)
    assert at.device.asked_who == 2
    at.ask(after_ms=UNHEARD_MS)
    assert at.device.asked_who == 3
    assert AGAIN_MS == 3_600_000


def test_a_stranger_is_one_event_and_never_data_until_the_right_one_is_back() -> None:
    at = desk()
    at.ask()
    at.device.silent = True  # the wires are moved
    assert at.ask().failure is Failure.SILENT
    at.device.silent, at.device.number = False, OTHER
    asked = at.device.asked
    first = at.ask()
    assert (first.values, first.failure, first.heard) == ((None,), Failure.STRANGER, True)
    assert told(first) == RAISED
    assert METER in first.events[0].says
    assert OTHER in first.events[0].says
    assert first.frames == ((b"who", OTHER.encode()),)
    assert {(at.ask().failure, at.ask().events) for _ in range(5)} == {(Failure.STRANGER, ())}
    assert at.device.asked == asked
    at.device.silent = True
    assert at.ask().failure is Failure.SILENT
    at.device.silent = False
    assert at.ask().events == ()
    at.device.number = METER
    back = at.ask()
    assert (back.values, back.failure) == ((7,), None)
    assert told(back) == CLEARED


def test_one_who_does_not_say_his_number_is_a_stranger_at_the_third_time() -> None:
    at = desk()
    at.device.number = None
    found = [at.ask() for _ in range(UNSAID_TIMES + 1)]
    assert [each.failure for each in found] == [Failure.REFUSED, Failure.REFUSED, Failure.STRANGER, Failure.STRANGER]
    assert [len(each.events) for each in found] == [0, 0, 1, 0]
    assert METER in found[2].events[0].says
    assert (found[2].events[0].value, found[2].events[0].reference) == (None, int(METER))
    assert not at.device.asked


def test_one_who_is_starting_up_is_none() -> None:
    at = desk()
    at.ask()
    at.device.silent = True
    at.ask()
    at.device.silent, at.device.number = False, None
    assert (at.ask().failure, at.ask().events) == (Failure.REFUSED, ())
    at.device.number = METER
    back = at.ask()
    assert (back.values, back.events) == ((7,), ())


def test_the_owners_number_counts_as_well() -> None:
    at = desk(Identity(meter_number=METER, asset_number="31000ZJ"))
    at.device.asset = "31000ZX"
    (event,) = at.ask().events
    assert "资产号 asset number 31000ZX (应为 commissioned 31000ZJ)" in event.says
    at.device.asset = "31000zj"
    assert at.ask().values == (7,)


@given(st.lists(st.sampled_from(["right", "other", "nameless", "silent", "minute", "hour"]), max_size=60))
def test_values_come_from_the_right_one_alone_and_events_take_turns(steps: list[str]) -> None:
    at = desk()
    raised: bool | None = None
    for step in steps:
        wait_ms = {"minute": UNHEARD_MS, "hour": AGAIN_MS}.get(step, SECOND_MS)
        if wait_ms == SECOND_MS:
            at.device.silent, at.device.number = step == "silent", {"right": METER, "other": OTHER}.get(step)
        exchange = at.ask(after_ms=wait_ms)
        right = at.device.number == METER and not at.device.silent
        if not right and exchange.values == (7,):
            assert step in {"other", "nameless"}  # exchanged within a second without a silence: found within the hour
        if right:
            assert exchange.values == (7,)
        for event in exchange.events:
            assert event.at_ms == NOW_MS
            assert event.phase is (Phase.CLEARED if right else Phase.RAISED)
            assert raised is not (event.phase is Phase.RAISED)
            raised = event.phase is Phase.RAISED
            assert Events.from_value(Events(events=[replace(event, at_ms=5)]).to_value()).events[0].says == event.says


def test_numbers_are_the_same_however_they_are_written() -> None:
    assert same("000012345678", "12345678")
    assert same("ab12", "AB12")
    assert not same("12", "13")
    assert not same("0a1", "a1")
    assert number_of("  123 4\0\xff") == "1234"
    assert number_of("000000000000") is None
    assert number_of(None) is None
    assert len(number_of("9" * 99) or "") == 64


# Real askers, simulated devices


def serial(device: str, kind: BusKind) -> Bus:
    port = SerialPort(device=device, baud=9600, parity=Parity.EVEN, stopbits=1)
    return Bus(name="line", kind=kind, port=port, timeout_ms=400, period_ms=SECOND_MS)


def of(bus: Bus, profile: Profile, unit: int | str, identity: Identity | None) -> Machine:
    return replace(
        machine(tcp(502), points=()), bus=bus, unit=unit, profile=profile, points=profile.points[:2], identity=identity
    )


@contextmanager
def opened(here: Machine) -> Iterator[tuple[Asker, Line]]:
    line = driver_of(here.bus).line_of(here.bus)
    assert line.open() is None
    try:
        yield driver_of(here.bus).asker_of(here, line), line
    finally:
        line.close()


def asked_who(here: Machine, line: Line) -> Said:
    driver = identifying_driver_of(here.bus)
    assert driver
    return driver.who_of(replace(here, identity=None), line)()


@pytest.mark.parametrize(
    ("kind", "dis"),
    [(BusKind.DLT645_2007, ("04000402", "04000403")), (BusKind.DLT645_1997, ("C032", "C034"))],
)
def test_a_dlt645_meter_that_is_exchanged_is_a_stranger(kind: BusKind, dis: tuple[str, str]) -> None:
    meter = Meter645("000000000001", edition=2007 if kind is BusKind.DLT645_2007 else 1997)
    profile = load_profile(OURS / f"{kind.value.replace('-', '_')}_meter.toml")
    with Line645(meters=[meter]) as line645:
        here = of(serial(line645.device, kind), profile, "000000000001", PINNED)
        with opened(here) as (asker, line):
            assert asker.ask(0).values == (1_234_560, 100_000)
            meter.fault = Fault645.DEAD
            assert asker.ask(1000).failure is Failure.SILENT
            meter.fault, meter.items[dis[0]] = Fault645.NONE, bytes.fromhex(OTHER)[::-1]
            meter.asked.clear()
            stranger = asker.ask(2000)
            assert (stranger.values, stranger.failure, told(stranger)) == ((None, None), Failure.STRANGER, RAISED)
            assert len(meter.asked) == 1
            del meter.items[dis[0]]
            assert asker.ask(3000).failure is Failure.STRANGER
            meter.items[dis[0]] = bytes.fromhex(METER)[::-1]
            assert told(asker.ask(4000)) == CLEARED
            meter.items[dis[1]] = b"\x21\x43" + bytes(4) if kind is BusKind.DLT645_1997 else b"JZ-1".ljust(32, b"\0")
            said = asked_who(here, line)
            assert said.identity.meter_number == METER
            assert said.identity.asset_number == ("000000004321" if kind is BusKind.DLT645_1997 else "1-ZJ")
            meter.items[dis[0]] = b"\x0a" * 6
            assert asked_who(here, line).failure is Failure.NO_VALUE


def test_a_dlt698_meter_that_is_exchanged_is_a_stranger() -> None:
    with Meter698(address="000000000005") as meter:
        profile = load_profile(OURS / "dlt698_meter.toml")
        here = of(serial(meter.device, BusKind.DLT698_45), profile, "000000000005", PINNED)
        with opened(here) as (asker, line):
            assert asker.ask(0).values == (1_234_560, 10_000)
            meter.fault = Fault698.DEAD
            assert asker.ask(1000).failure is Failure.SILENT
            meter.fault, meter.objects[0x40020200] = Fault698.NONE, octets(OTHER)
            stranger = asker.ask(2000)
            assert (stranger.values, stranger.failure, told(stranger)) == ((None, None), Failure.STRANGER, RAISED)
            assert len(stranger.frames) == 1
            meter.objects[0x40020200] = octets(METER)
            assert told(asker.ask(3000)) == CLEARED
            assert asked_who(here, line).identity == Identity(meter_number=METER, asset_number="SGCM001" + "0" * 25)


def test_a_modbus_device_that_is_exchanged_is_a_stranger() -> None:
    numbers = tuple(replace(point(f"number_{at}", at), identity=True) for at in (100, 110))
    profile = replace(machine(tcp(502), points=(point("p", 0), point("q", 1))).profile, identity=numbers)
    with Plant() as plant:
        device = plant[0]
        device.registers |= {0: 5, 1: 6, 100: 1923, 110: 7}
        here = of(replace(tcp(device.port), timeout_ms=500), profile, 1, Identity(meter_number="1923-7"))
        with opened(here) as (asker, line):
            assert asker.ask(0).values == (5, 6)
            device.fault = Fault.HANG
            assert asker.ask(1000).failure is Failure.SILENT
            device.fault, device.registers[110] = Fault.NONE, 8
            stranger = asker.ask(2000)
            assert (stranger.values, stranger.failure) == ((None, None), Failure.STRANGER)
            assert "1923-8 (应为 commissioned 1923-7)" in stranger.events[0].says
            device.absent = {110}
            assert asker.ask(3000).failure is Failure.STRANGER
            device.absent, device.registers[110] = set(), 7
            assert asker.ask(4000).values == (5, 6)
            assert asked_who(here, line).identity == Identity(meter_number="1923-7")
            device.absent = {100}
            assert (asked_who(here, line).failure, asked_who(here, line).heard) == (Failure.REFUSED, True)


def test_a_silence_in_one_stream_is_one_of_the_device() -> None:
    numbers = (replace(point("number", 100), identity=True),)
    profile = replace(machine(tcp(502), points=(point("p", 0), point("q", 1))).profile, identity=numbers)
    clock, readings = SleeperClock(), list[Reading]()
    with Plant() as plant:
        device = plant[0]
        device.registers |= {100: 7}
        bus = replace(tcp(device.port), timeout_ms=500)
        here = replace(of(bus, profile, 1, Identity(meter_number="7")), stream="machine/a")
        slow = replace(here, stream="meter/a", period_ms=30_000)
        line = driver_of(bus).line_of(bus)
        poller = Poller(bus, [here, slow], line=line, clock=clock, deliver=readings.append, chance=Random(1))
        while (next_ms := poller.next_ms()) < 32_000:
            clock.wait_until(next_ms, threading.Event())
            device.fault = Fault.CLOSE if 10_000 <= clock.now_ms < 11_000 else Fault.NONE
            device.registers[100] = 7 if clock.now_ms < 10_000 else 8
            poller.step()
        line.close()
    by_stream = {stream: [each for each in readings if each.stream == stream] for stream in ("machine/a", "meter/a")}
    assert [each.failure for each in by_stream["meter/a"]] == [None, Failure.STRANGER]
    assert by_stream["machine/a"][-1].failure is Failure.STRANGER


def test_kinds_without_numbers_have_no_question_for_them() -> None:
    assert identifying_driver_of(replace(tcp(502), kind=BusKind.DIGITAL)) is None
