import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.clock import SystemClock
from edge_agent.codecs.gb26875 import Frame
from edge_agent.commands.check import check
from edge_agent.config.load import Config, Keep, Machine, load
from edge_agent.config.profiles import Component, PointKind, Profile, Protocol
from edge_agent.config.sections import Bus, BusKind, TcpPort
from edge_agent.config.settings import settings_of
from edge_agent.drivers import driver_of, fire, fire_line
from edge_agent.drivers.driver import Exchange
from edge_agent.drivers.fire import EVENTS_AT_ONCE, FireAsker, asker_of, line_of
from edge_agent.drivers.fire_events import SUBJECTS_LIMIT
from edge_agent.drivers.fire_line import CHINA, CONNECTIONS_LIMIT, INBOX_LIMIT, FireLine
from edge_agent.polling.poll import poll_bus
from evidence.bodies import FRAMES_LIMIT, Event, EventKind, Events, Failure, Phase
from evidence.exits import Exit
from tests.world.broker import free_port
from tests.world.fire_transmitter import (
    ADDRESS,
    CENTRE,
    CONFIRM,
    DENY,
    FAULT,
    FIRE,
    NOISE,
    NORMAL,
    PATIENCE_S,
    Answered,
    FireTransmitter,
    analogue,
    analogue_of,
    component,
    component_state,
    frame,
    objects,
    spoilt,
    stamp,
    state_of,
    system_state,
    transmitter_operation,
    transmitter_state,
)

if TYPE_CHECKING:
    from edge_agent.reading import Reading

OTHER = "00000000A002"


def bus_on(port: int, *, idle_ms: int = 600_000) -> Bus:
    where = TcpPort(host="127.0.0.1", port=port)
    return Bus(name="fire", kind=BusKind.GB26875_3, port=where, timeout_ms=idle_ms, period_ms=1000)


def gauge(name: str, address: str, kind: int, *, scale: Fraction, decimals: int = 1) -> Component:
    return Component(
        name=name,
        unit="kPa",
        decimals=decimals,
        kind=PointKind.GAUGE,
        component_address=address,
        analogue=kind,
        scale=scale,
    )


def state(name: str, *, address: str | None = None, system: tuple[int, int] | None = None) -> Component:
    type_, number = system or (None, None)
    return Component(
        name=name,
        unit="1",
        decimals=0,
        kind=PointKind.STATE,
        system_type=type_,
        system_address=number,
        component_address=address,
    )


POINTS = (
    gauge("hydrant", "00020001", 5, scale=Fraction(1, 10)),
    gauge("coarse", "00020002", 4, scale=Fraction(100)),
    state("smoke", address="00010001"),
    state("panel", system=(1, 1)),
    state("transmitter"),
)
STATES = POINTS[2:]


def machine_of(
    bus: Bus, *, points: tuple[Component, ...] = POINTS, address: str = ADDRESS, silent_after_ms: int = 60_000
) -> Machine:
    profile = Profile(
        id="test", protocol=Protocol.GB26875_3, vendor="test", model="test", points=points, sha256=bytes(32)
    )
    return Machine(
        name="hall",
        title="hall",
        stream="fire/hall",
        bus=bus,
        unit=address,
        profile=profile,
        points=points,
        period_ms=1000,
        keep=Keep.MINUTE,
        run_state=None,
        silent_after_ms=silent_after_ms,
    )


def now_in_china() -> datetime:
    return datetime.now(UTC).astimezone(CHINA).replace(tzinfo=None)


class Site:
    """A listening line with one configured transmitter's asker, and a hand on it."""

    def __init__(self, line: FireLine, asker: FireAsker) -> None:
        self.line, self.asker = line, asker
        self.now_ms = 1_000

    def ask(self, *, after_ms: int = 1_000) -> Exchange:
        self.now_ms += after_ms
        return self.asker.ask(self.now_ms)

    def ask_until_heard(self, frames: int = 1, *, within_s: float = PATIENCE_S) -> list[Exchange]:
        """Ask until so many frames were handed over."""
        exchanges: list[Exchange] = []
        until_s = time.monotonic() + within_s
        while sum(len(exchange.frames) for exchange in exchanges) < frames:
            assert time.monotonic() < until_s, "nothing came"
            exchanges.append(self.ask())
            time.sleep(0.005)
        return [exchange for exchange in exchanges if exchange.frames]

    def transmitter(self, *, address: str = ADDRESS, at: datetime | None = None) -> FireTransmitter:
        return FireTransmitter(port=self.line.port, address=address, at=at or now_in_china())


@contextmanager
def site(
    *, points: tuple[Component, ...] = POINTS, silent_after_ms: int = 60_000, idle_ms: int = 600_000
) -> Iterator[Site]:
    bus = bus_on(0, idle_ms=idle_ms)
    line = line_of(bus)
    asker = asker_of(machine_of(bus, points=points, silent_after_ms=silent_after_ms), line)
    assert line.open() is None
    try:
        yield Site(line, asker)
    finally:
        line.close()


def told(exchange: Exchange) -> list[tuple[EventKind, Phase, str]]:
    assert Events.from_value(Events(events=list(exchange.events)).to_value()).events == list(exchange.events)
    return [(event.event, event.phase, event.subject) for event in exchange.events]


# On the line


def test_an_alarm_is_an_event_and_a_state_and_is_confirmed() -> None:
    with site() as here, here.transmitter() as transmitter:
        octets = transmitter.frame(component_state(FIRE, address="00010001", text="1号仓库烟感"))
        transmitter.write(octets)
        (exchange,) = here.ask_until_heard()
        assert exchange.values == (None, None, FIRE, None, None)
        assert (exchange.failure, exchange.heard, exchange.frames) == (Failure.NO_VALUE, True, ((b"", octets),))
        assert told(exchange) == [(EventKind.COMPONENT, Phase.RAISED, "smoke fire")]
        event = exchange.events[0]
        assert (event.value, event.reference) == (FIRE, 0)
        assert "火警, 点型光电感烟火灾探测器, 1号仓库烟感" in event.says
        assert abs(event.at_ms - time.time() * 1000) < 30_000
        (answer,) = transmitter.answers()
        second, minute, hour, day, month, year = answer.stamp
        answered_at = datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001  # China's
        assert abs(answered_at - now_in_china()) < timedelta(seconds=30)
        assert answer == Answered(1, (1, 1), answer.stamp, CENTRE, ADDRESS, CONFIRM, b"")


def test_a_frame_is_confirmed_only_when_it_was_taken_or_has_waited_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fire_line, "CONFIRM_WITHIN_S", 0.4)
    with site() as here, here.transmitter() as transmitter:
        started_s = time.monotonic()
        transmitter.send(component_state(FIRE))
        assert [answer.command for answer in transmitter.answers()] == [CONFIRM]
        assert time.monotonic() - started_s >= 0.4
        monkeypatch.setattr(fire_line, "CONFIRM_WITHIN_S", 2 * PATIENCE_S)
        transmitter.send(component_state(FIRE))
        here.ask_until_heard(2)
        assert [answer.serial for answer in transmitter.answers()] == [2]


def test_a_value_is_handed_over_once_and_a_state_holds() -> None:
    with site() as here, here.transmitter() as transmitter:
        transmitter.send(analogue(5, 1234, address="00020001", at=transmitter.at))
        transmitter.send(analogue(4, 4, address="00020002", at=transmitter.at))
        for unit in (component_state(NORMAL, address="00010001"), system_state(NORMAL), transmitter_state(NORMAL)):
            transmitter.send(unit)
        exchanges = here.ask_until_heard(5)
        assert [values[0] for values, *_ in exchanges if values[0] is not None] == [1234]
        assert [values[1] for values, *_ in exchanges if values[1] is not None] == [4000]
        assert here.ask()[:2] == ((None, None, NORMAL, NORMAL, NORMAL), Failure.NO_VALUE)


def test_when_every_point_has_its_value_nothing_failed() -> None:
    with site(points=STATES) as here, here.transmitter() as transmitter:
        for unit in (component_state(NORMAL, address="00010001"), system_state(NORMAL), transmitter_state(NORMAL)):
            transmitter.send(unit)
        here.ask_until_heard(3)
        assert here.ask()[:2] == ((NORMAL, NORMAL, NORMAL), None)


def test_a_value_that_its_kind_cannot_have_is_none() -> None:
    with site() as here, here.transmitter() as transmitter:
        transmitter.send(analogue(5, -1, address="00020001", at=transmitter.at))
        (exchange,) = here.ask_until_heard()
        assert exchange.values[0] is None


def test_a_value_measured_long_before_it_was_sent_is_told_with_its_own_time() -> None:
    with site() as here, here.transmitter() as transmitter:
        then = transmitter.at - timedelta(hours=3)
        transmitter.send(analogue(5, 700, address="00020001", at=then))
        (exchange,) = here.ask_until_heard()
        assert exchange.values[0] is None
        assert told(exchange) == [(EventKind.COMPONENT, Phase.NOTED, "hydrant")]
        assert exchange.events[0].value == 700
        assert f"measured {then:%Y-%m-%d %H:%M:%S}" in exchange.events[0].says


@pytest.mark.parametrize("how", ["together", "drip", "halves", "behind noise", "behind half a frame"])
def test_a_frame_arrives_however_the_stream_is_cut(how: str) -> None:
    with site() as here, here.transmitter() as transmitter:
        first = transmitter.frame(component_state(FIRE, address="00010001"))
        second = transmitter.frame(analogue(5, 900, address="00020001", at=transmitter.at))
        match how:
            case "together":
                transmitter.write(first + second)
            case "drip":
                transmitter.drip(first + second)
            case "halves":
                for part in (first[:30], first[30:] + second[:5], second[5:]):
                    transmitter.write(part)
                    time.sleep(0.02)
            case "behind noise":
                transmitter.write(NOISE + first + NOISE + second)
            case _:
                transmitter.write(first[:40])
                time.sleep(0.02)
                transmitter.write(first + second)
        exchanges = here.ask_until_heard(2)
        assert [event.subject for exchange in exchanges for event in exchange.events] == ["smoke fire"]
        assert [answer.serial for answer in transmitter.answers(2)] == [1, 2]


def test_a_frame_with_a_wrong_sum_is_denied_and_counts_as_garbled() -> None:
    with site() as here, here.transmitter() as transmitter:
        transmitter.write(spoilt(transmitter.frame(component_state(FIRE, address="00010001"))))
        assert [(answer.command, answer.serial) for answer in transmitter.answers()] == [(DENY, 1)]
        exchange = here.ask()
        assert (exchange.failure, exchange.frames, exchange.events) == (Failure.GARBLED, (), ())
        transmitter.send(component_state(FIRE, address="00010001"))
        assert told(here.ask_until_heard()[0]) == [(EventKind.COMPONENT, Phase.RAISED, "smoke fire")]


def test_half_a_frame_is_given_up_and_counts_as_garbled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fire_line, "HALF_FRAME_S", 0.05)
    monkeypatch.setattr(fire_line, "_LOOK_EVERY_S", 0.02)
    with site() as here, here.transmitter() as transmitter:
        transmitter.send()
        here.ask_until_heard()
        transmitter.write(transmitter.frame(component_state(FIRE))[:40])
        until_s = time.monotonic() + PATIENCE_S
        while here.ask().failure is not Failure.GARBLED:
            assert time.monotonic() < until_s
            time.sleep(0.01)


def test_a_unit_that_cannot_be_read_is_garbled_and_what_is_whole_in_it_is_told() -> None:
    with site() as here, here.transmitter() as transmitter:
        transmitter.send(bytes((2, 2)) + component_state(FIRE, address="00010001")[2:])
        (exchange,) = here.ask_until_heard()
        assert told(exchange) == [(EventKind.COMPONENT, Phase.RAISED, "smoke fire")]
        assert exchange.failure is Failure.GARBLED
        transmitter.send(b"\x02")
        assert here.ask_until_heard()[0].failure is Failure.GARBLED


def test_a_heartbeat_is_life_and_its_absence_is_silence() -> None:
    with site(points=STATES, silent_after_ms=10_000) as here, here.transmitter() as transmitter:
        for unit in (component_state(FIRE, address="00010001"), system_state(FIRE), transmitter_state(NORMAL), b""):
            transmitter.send(unit)
        here.ask_until_heard(4)
        assert here.ask(after_ms=9_000).values == (FIRE, FIRE, NORMAL)
        silent = here.ask(after_ms=1_000)
        assert silent[:2] == ((None, None, None), Failure.SILENT)
        assert silent.heard, "or the breaker would rest it, and the next alarm would wait"
        transmitter.send()
        assert here.ask_until_heard()[0][:2] == ((FIRE, FIRE, NORMAL), None)


def test_a_transmitter_that_never_came_is_silent_after_its_time() -> None:
    with site(silent_after_ms=10_000) as here:
        assert here.ask().failure is Failure.NO_VALUE
        assert here.ask(after_ms=9_999).failure is Failure.NO_VALUE
        assert here.ask(after_ms=1).failure is Failure.SILENT


def test_a_stranger_is_neither_confirmed_nor_believed_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), site() as here:
        with here.transmitter(address=OTHER) as stranger, here.transmitter() as transmitter:
            for _ in range(3):
                stranger.send(component_state(FIRE))
            stranger.write(spoilt(stranger.frame()))
            transmitter.send()
            here.ask_until_heard()
            with pytest.raises(TimeoutError):
                stranger.answers(within_s=0.1)
        assert here.ask().frames == ()
    assert [record.getMessage() for record in caplog.records] == [
        f"a transmitter that no machine names bus=fire address={OTHER}"
    ]


def test_two_transmitters_on_one_line_do_not_mix() -> None:
    with site(points=STATES) as here:
        other = Site(here.line, asker_of(machine_of(bus_on(0), points=STATES, address=OTHER), here.line))
        with here.transmitter() as one, other.transmitter(address=OTHER) as two:
            one.send(component_state(FIRE, address="00010001"))
            two.send(component_state(FAULT, address="00010001"))
            assert here.ask_until_heard()[0].events[0].subject == "smoke fire"
            assert other.ask_until_heard()[0].events[0].subject == "smoke fault"


def test_one_connection_may_carry_several_transmitters() -> None:
    with site(points=STATES) as here:
        other = Site(here.line, asker_of(machine_of(bus_on(0), points=STATES, address=OTHER), here.line))
        with here.transmitter() as gateway:
            at = now_in_china()
            gateway.write(frame(serial=7, at=at) + frame(serial=8, source=OTHER, at=at))
            here.ask_until_heard()
            other.ask_until_heard()
            assert [answer.destination for answer in gateway.answers(2)] == [ADDRESS, OTHER]


def test_a_transmitter_that_never_reads_its_answers_is_heard_and_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fire_line, "UNREAD_LIMIT", 0)
    with site() as here, here.transmitter() as deaf:
        deaf._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        heard = 0
        with suppress(ConnectionError, TimeoutError):
            for _ in range(2000):
                deaf.write(b"".join(deaf.frame() for _ in range(50)))
                while frames := here.ask().frames:
                    heard += len(frames)
        assert 0 < heard < 100_000  # how much fits is for the kernel's buffers to say
        with here.transmitter() as again:
            again.send()
            here.ask_until_heard()
            assert again.answers()


def test_a_full_inbox_denies_so_that_the_transmitter_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fire_line, "INBOX_LIMIT", 3)
    monkeypatch.setattr(fire_line, "CONFIRM_WITHIN_S", 0.05)
    with site() as here, here.transmitter() as transmitter:
        for _ in range(5):
            transmitter.send()
        answers = transmitter.answers(5)
        assert {answer.serial: answer.command for answer in answers} == dict.fromkeys(
            (1, 2, 3), CONFIRM
        ) | dict.fromkeys((4, 5), DENY)
        exchanges = here.ask_until_heard(3)
        assert sum(len(exchange.frames) for exchange in exchanges) == 3
        lost = [event for exchange in exchanges for event in exchange.events if event.event is EventKind.LOSS]
        assert [(event.subject, event.value) for event in lost] == [("transmitter", 2)]
    assert INBOX_LIMIT == 1024


def test_the_quietest_connection_makes_room_for_another() -> None:
    with site() as here:
        quiet = FireTransmitter(port=here.line.port)
        with quiet:
            quiet.send()
            here.ask_until_heard()
            quiet.answers()
            others = [socket.create_connection(("127.0.0.1", here.line.port)) for _ in range(CONNECTIONS_LIMIT)]
            try:
                assert quiet.is_closed()
                with here.transmitter() as transmitter:
                    transmitter.send()
                    here.ask_until_heard()
                    assert transmitter.answers()
            finally:
                for each in others:
                    each.close()


def test_noise_without_end_and_a_quiet_connection_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fire_line, "_LOOK_EVERY_S", 0.02)
    with site(idle_ms=100) as here:
        with FireTransmitter(port=here.line.port) as noisy:
            with suppress(ConnectionError):
                for _ in range(1000):
                    noisy.write(bytes(4096))
            assert noisy.is_closed()
        with FireTransmitter(port=here.line.port) as quiet:
            assert quiet.is_closed()


def test_a_port_that_is_taken_is_a_line_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = line_of(bus_on(taken.getsockname()[1]))
        assert line.open() is Failure.LINE_DOWN
    assert line.open() is None
    line.close()
    line.close()


def test_closing_hangs_up_ends_the_thread_and_may_be_undone() -> None:
    with site() as here:
        with here.transmitter() as transmitter:
            transmitter.send()
            here.ask_until_heard()
            here.line.close()
            assert transmitter.is_closed()
        assert not any("listener" in thread.name for thread in threading.enumerate())
        assert here.line.open() is None
        with here.transmitter() as transmitter:
            transmitter.send()
            here.ask_until_heard()


def test_what_ends_the_listening_thread_is_raised_by_the_next_opening() -> None:
    with site() as here:
        broken = here.line._listener
        assert broken is not None
        broken._admit = None  # type: ignore[assignment,method-assign]
        socket.create_connection(("127.0.0.1", here.line.port)).close()
        broken._thread.join(PATIENCE_S)
        with pytest.raises(TypeError):
            here.line.open()


def test_the_driver_is_found_by_its_bus_and_costs_no_line_time() -> None:
    bus = bus_on(0)
    assert driver_of(bus) is fire
    assert fire.line_time_s(machine_of(bus)) == 0


# What frames mean


def events_of(*frames: bytes, points: tuple[Component, ...] = POINTS) -> list[Event]:
    """The events of whole frames, through an inbox and no socket."""
    asker, inbox = offline(points=points)
    return [event for octets in frames for event in put(asker, inbox, octets).events]


def offline(*, points: tuple[Component, ...] = POINTS) -> tuple[FireAsker, fire_line.Inbox]:
    inbox = fire_line.Inbox()
    return FireAsker(machine_of(bus_on(0), points=points), inbox), inbox


AT = datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001  # China's, as frames carry it
AT_MS = int(AT.replace(tzinfo=CHINA).timestamp() * 1000)


def put(asker: FireAsker, inbox: fire_line.Inbox, octets: bytes, *, right: datetime | None = AT) -> Exchange:
    frame_ = Frame.from_bytes(octets)
    inbox.put(fire_line.Arrived(AT_MS, right, octets, frame_))
    return asker.ask(1_000)


def test_an_alarm_is_raised_once_and_cleared_once() -> None:
    frames = [frame(component_state(bits, at=AT), serial=at) for at, bits in enumerate((2, 2, 3, 6, 1, 0, 0))]
    assert [(event.phase, event.subject) for event in events_of(*frames)] == [
        (Phase.RAISED, "1-1-00020001 fire"),
        (Phase.RAISED, "1-1-00020001 fault"),
        (Phase.CLEARED, "1-1-00020001 fire"),
        (Phase.CLEARED, "1-1-00020001 fault"),
    ]


def test_a_frame_that_was_sent_again_counts_once() -> None:
    octets = frame(transmitter_operation(1, at=AT), serial=5)
    assert len(events_of(octets, octets, octets)) == 1
    alarm, normal = frame(component_state(FIRE, at=AT), serial=6), frame(component_state(NORMAL, at=AT), serial=7)
    assert [event.phase for event in events_of(alarm, normal, alarm)] == [Phase.RAISED, Phase.CLEARED]


def test_of_a_transmitter_whose_clock_and_serial_stand_still_no_alarm_is_taken_for_an_old_one() -> None:
    which = component() + FIRE.to_bytes(2, "little") + bytes(31)
    calm = component() + NORMAL.to_bytes(2, "little") + bytes(31)
    frames = [frame(objects(2, each + bytes(6)), at=AT) for each in (which, calm, which)]
    phases = [event.phase for event in events_of(*frames) if event.event is EventKind.COMPONENT]
    assert phases == [Phase.RAISED, Phase.CLEARED, Phase.RAISED]


@pytest.mark.parametrize(
    "reset", [objects(4, bytes((1, 1, 1, 9)) + stamp(AT)), system_state(NORMAL | 1 << 13, system=(1, 1), at=AT)]
)
def test_a_reset_clears_what_the_systems_components_had_raised(reset: bytes) -> None:
    asker, inbox = offline()
    put(asker, inbox, frame(component_state(FIRE, address="00010001", at=AT), serial=1))
    elsewhere = objects(2, state_of(component("00010001", system=(2, 1)), FIRE, at=AT))
    put(asker, inbox, frame(elsewhere, serial=2))
    exchange = put(asker, inbox, frame(reset, serial=3))
    cleared = [event for event in exchange.events if event.phase is Phase.CLEARED]
    assert [(event.subject, event.says) for event in cleared] == [("smoke fire", "火警, 复位 reset")]
    assert exchange.values[2] is None


def test_operations_and_tests_are_noted() -> None:
    raised = events_of(
        frame(transmitter_operation(1 << 5, operator=7, at=AT), serial=1),
        frame(transmitter_operation(1 << 6, at=AT), serial=2),
        frame(objects(4, bytes((1, 1, 1 << 4, 3)) + stamp(AT)), serial=3),
        frame(objects(4, bytes((1, 2, 0b110, 3)) + stamp(AT)), serial=4),
    )
    assert [(event.event, event.phase, event.subject, event.value) for event in raised] == [
        (EventKind.OPERATION, Phase.NOTED, "transmitter", 32),
        (EventKind.TEST, Phase.NOTED, "transmitter", 64),
        (EventKind.TEST, Phase.NOTED, "panel", 16),
        (EventKind.OPERATION, Phase.NOTED, "1-2", 6),
    ]
    assert raised[0].says == "查岗应答 duty answer, operator 7, 2026-03-04 05:06:07"
    assert raised[3].says.startswith("消音 silence, 手动报警 manual alarm, operator 3")


def test_the_transmitters_own_faults_are_raised() -> None:
    assert [event.subject for event in events_of(frame(transmitter_state(0b1001000, at=AT)))] == [
        "transmitter mains fault",
        "transmitter line fault",
    ]


def test_versions_and_texts_are_noted_when_they_change() -> None:
    first, second = objects(25, bytes((1, 1))), objects(25, bytes((1, 2)))
    raised = events_of(
        *(frame(unit, serial=at) for at, unit in enumerate((first, first, second, objects(26, b"\2ab"))))
    )
    assert [(event.phase, event.subject, event.says) for event in raised] == [
        (Phase.NOTED, "transmitter software", "1.1"),
        (Phase.NOTED, "transmitter software", "1.2"),
        (Phase.NOTED, "transmitter configuration", "ab"),
    ]


def test_a_components_name_is_remembered_from_its_configuration() -> None:
    called = objects(7, component() + "库房".encode("gb18030").ljust(31, b"\0"))
    (event,) = events_of(frame(called), frame(component_state(FIRE, at=AT), serial=1))
    assert "库房" in event.says


@pytest.mark.parametrize(("off_s", "is_off"), [(0, False), (60, False), (-60, False), (61, True), (-3600, True)])
def test_a_clock_more_than_a_minute_off_is_raised_and_cleared(off_s: int, is_off: bool) -> None:  # noqa: FBT001
    off, right = frame(at=AT + timedelta(seconds=off_s)), frame(at=AT, serial=1)
    raised = events_of(off, off, right)
    assert [(event.event, event.phase, event.subject, event.value) for event in raised] == (
        [
            (EventKind.CLOCK, Phase.RAISED, "transmitter clock", off_s),
            (EventKind.CLOCK, Phase.CLEARED, "transmitter clock", 0),
        ]
        if is_off
        else []
    )


def test_a_clock_that_shows_no_time_and_a_panels_clock_are_told() -> None:
    unset = bytearray(frame())
    unset[6:12] = bytes(6)
    unset[-3] = sum(unset[2:-3]) % 256
    panel = frame(objects(8, bytes((1, 1)) + stamp(AT + timedelta(hours=1))), at=AT)
    assert [(event.subject, event.value) for event in events_of(bytes(unset), panel)] == [
        ("transmitter clock", None),
        ("transmitter clock", 0),
        ("panel clock", 3600),
    ]


def test_while_the_boxs_own_clock_is_not_set_nobody_elses_is_called_wrong() -> None:
    asker, inbox = offline()
    assert put(asker, inbox, frame(at=AT - timedelta(days=9)), right=None).events == ()


def test_a_flood_of_components_is_handed_over_in_parts_and_nothing_is_lost() -> None:
    asker, inbox = offline()
    serial = 0
    for zone in range(20):
        each = [state_of(component(f"{zone:04X}{at:04X}"), 0x1FE, at=AT) for at in range(22)]
        octets = frame(objects(2, *each), serial=(serial := serial + 1), at=AT)
        inbox.put(fire_line.Arrived(AT_MS, AT, octets, Frame.from_bytes(octets)))
    exchanges = []
    while (exchange := asker.ask(1_000)).events:
        exchanges.append(exchange)
    assert max(len(exchange.events) for exchange in exchanges) <= EVENTS_AT_ONCE
    assert sum(len(exchange.events) for exchange in exchanges) == 20 * 22 * 8
    assert len(asker._known._states) <= SUBJECTS_LIMIT


def test_of_many_frames_the_one_with_the_alarm_is_kept_as_evidence() -> None:
    asker, inbox = offline()
    alarm = frame(component_state(FIRE, at=AT), serial=90, at=AT)
    for octets in (*(frame(serial=serial, at=AT) for serial in range(90)), alarm):
        inbox.put(fire_line.Arrived(AT_MS, AT, octets, Frame.from_bytes(octets)))
    frames = asker.ask(1_000).frames
    assert (frames[0], len(frames)) == ((b"", alarm), FRAMES_LIMIT)
    assert asker.ask(1_000).frames == ()


def test_the_component_told_of_longest_ago_is_forgotten() -> None:
    asker, inbox = offline()
    for at in range(SUBJECTS_LIMIT + 5):
        put(asker, inbox, frame(component_state(NORMAL, address=f"{at:08X}", at=AT), serial=at, at=AT))
    assert len(asker._known._states) == SUBJECTS_LIMIT


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((1, 2, 3, 4, 5, 6, 7, 8, 21, 24, 25, 26, 28)), st.binary(max_size=120)), max_size=8
    )
)
def test_whatever_a_transmitter_says_becomes_events_that_a_statement_takes(said: list[tuple[int, bytes]]) -> None:
    asker, inbox = offline()
    for serial, (type_, body) in enumerate(said):
        exchange = put(asker, inbox, frame(bytes((type_, 3)) + body, serial=serial, at=AT))
        assert len(exchange.values) == len(POINTS)
        if exchange.events:
            told(exchange)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 0x1FF), max_size=30))
def test_what_is_raised_and_not_cleared_is_what_the_last_state_says(states: list[int]) -> None:
    frames = [frame(component_state(bits, at=AT), serial=at, at=AT) for at, bits in enumerate(states)]
    raised: set[str] = set()
    for event in events_of(*frames):
        (raised.add if event.phase is Phase.RAISED else raised.remove)(event.subject)
    assert len(raised) == (states[-1] & ~NORMAL).bit_count() if states else not raised


def test_how_many_values_made_room_for_newer_ones_is_told() -> None:
    asker, inbox = offline()
    each = [analogue_of(component("00020001", type_=99), 5, raw, at=AT) for raw in (700, 20, 710)]
    exchange = put(asker, inbox, frame(objects(3, *each), at=AT))
    assert exchange.values[0] == 710
    assert [(event.event, event.subject, event.value) for event in exchange.events] == [(EventKind.LOSS, "hydrant", 2)]
    assert put(asker, inbox, frame(objects(3, each[0]), serial=1, at=AT)).events == ()


def test_several_values_of_one_frame_reach_their_points() -> None:
    asker, inbox = offline()
    unit = objects(
        3,
        analogue_of(component("00020001", type_=99), 5, 1500, at=AT),
        analogue_of(component("00020002", type_=99), 4, 15, at=AT),
        analogue_of(component("00020001", type_=99), 3, 215, at=AT),
    )
    assert put(asker, inbox, frame(unit, at=AT)).values[:2] == (1500, 15000)


# With the rest of the box

BOX = """
[box]
id = "box-7"
enterprise = "enterprise"
site = "site"
signing_key = "./signing.key"
profiles = "./profiles"

[[bus]]
name = "fire"
kind = "gb26875.3"
host = "127.0.0.1"
port = {port}
period_s = 0.05

[[machine]]
name = "hall"
title = "1号楼"
stream_kind = "fire"
bus = "fire"
address = "00000000A001"
profile = "our_site"
silent_after_s = 90
"""
SITE = """
id = "our_site"
vendor = "v"
model = "m"
protocol = "gb26875.3"
source = ["the planner's list"]

[[point]]
name = "hydrant_pressure"
component_address = "00020001"
analogue = 5
unit = "kPa"
decimals = 1
kind = "gauge"

[[point]]
name = "smoke"
component_type = 42
component_address = "00010001"
unit = "1"
decimals = 0
kind = "state"
"""


def configured(tmp_path: Path) -> Config:
    port = free_port()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "our_site.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "box.toml").write_text(BOX.format(port=port), encoding="utf-8")
    return load(tmp_path / "box.toml")


def test_a_file_tells_a_box_to_listen_and_its_readings_have_values_states_and_events(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(tmp_path)
    (bus,), (machine,) = config.buses, config.machines
    assert isinstance(bus.port, TcpPort)
    assert (machine.stream, machine.unit, machine.silent_after_ms) == ("fire/hall", ADDRESS, 90_000)
    signed = settings_of(machine)
    assert (signed["unit"], signed["silent_after_ms"], signed["bus"]["kind"]) == (ADDRESS, 90_000, "gb26875.3")
    assert signed["points"][0] == {
        "name": "hydrant_pressure",
        "unit": "kPa",
        "decimals": 1,
        "kind": "gauge",
        "component_address": "00020001",
        "analogue": 5,
        "scale": [1, 10],
    }
    readings: list[Reading] = []
    caplog.set_level(logging.INFO)
    stop = threading.Event()
    polling = threading.Thread(target=poll_bus, args=(bus, (machine,), SystemClock(), readings.append, stop))
    polling.start()
    try:
        until_s = time.monotonic() + PATIENCE_S
        while not readings:
            assert time.monotonic() < until_s
            time.sleep(0.01)
        with FireTransmitter(port=bus.port.port, at=now_in_china()) as transmitter:
            transmitter.send(component_state(FIRE, address="00010001", text="1号仓库"))
            transmitter.send(analogue(5, 1234, address="00020001", at=transmitter.at))
            assert [answer.command for answer in transmitter.answers(2)] == [CONFIRM, CONFIRM]
    finally:
        stop.set()
        polling.join()
    assert [reading.values[0] for reading in readings if reading.values[0] is not None] == [1234]
    assert readings[-1].values[1] == FIRE
    assert [event.subject for reading in readings for event in reading.events] == ["smoke fire"]
    assert all(reading.failure in {None, Failure.NO_VALUE} for reading in readings)
    assert not caplog.records, "a value that comes now and then is no news"


def test_checking_a_box_hears_no_transmitter_for_what_it_confirmed_would_be_lost(tmp_path: Path) -> None:
    config = configured(tmp_path)
    (bus,) = config.buses
    assert isinstance(bus.port, TcpPort)
    (found,) = [finding for finding in check(config, SystemClock()) if finding.about == "fire"]
    assert (found.exit_code, "free to listen on" in found.says) == (Exit.OK, True)
    with socket.create_server(("127.0.0.1", bus.port.port)):
        (found,) = [finding for finding in check(config, SystemClock()) if finding.about == "fire"]
    assert (found.exit_code, "cannot listen" in found.says) == (Exit.WRONG_OUT_THERE, True)
