import ast
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.codecs.dlt645_frame import ANY_ADDRESS, Asking, Edition
from edge_agent.config.load import Keep, Machine, Parity
from edge_agent.config.points import Item, PointKind
from edge_agent.config.profiles import Profile, Protocol, known_profiles, load_profile
from edge_agent.config.schema import ConfigurationError
from edge_agent.config.sections import Bus, BusKind, SerialPort, TcpPort
from edge_agent.drivers import dlt645, dlt645_fetch, driver_of
from edge_agent.drivers.dlt645_fetch import FRAMES_LIMIT, Answer, NoAnswer, fetch, fetch_address
from edge_agent.drivers.driver import Asker, Exchange
from edge_agent.drivers.serial_line import SerialLine
from evidence.bodies import Failure
from tests.world.dlt645_frames import bcd
from tests.world.dlt645_meter import Fault645, Line645, Meter645

METER, OLDER = "000000000001", "000000000097"
BAUD = 9600
PATIENT_MS, BRIEF_MS = 2_000, 400
"""The shorter one where it is waited for to its end."""


def bus_to(line: Line645, kind: BusKind, *, tcp: bool = False, timeout_ms: int = PATIENT_MS, baud: int = BAUD) -> Bus:
    port: SerialPort | TcpPort = SerialPort(device=line.device, baud=baud, parity=Parity.EVEN, stopbits=1)
    if tcp:
        port = TcpPort(host="127.0.0.1", port=line.port, baud=baud)
    return Bus(name="line", kind=kind, port=port, timeout_ms=timeout_ms, period_ms=1000)


def point(name: str, di: str, *, unit: str = "V", decimals: int = 1, element: int | None = None) -> Item:
    return Item(name=name, item=di, element=element, unit=unit, decimals=decimals, kind=PointKind.GAUGE)


VOLTAGE = point("voltage", "02010100")
POWER = point("active_power", "02030000", unit="W")
ENERGY = point("energy_import", "00010000", unit="Wh", decimals=0)


def machine(bus: Bus, *points: Item, address: str = METER) -> Machine:
    protocol = Protocol(bus.kind.value)
    profile = Profile(id="test", protocol=protocol, vendor="test", model="test", points=points, sha256=bytes(32))
    return of_profile(bus, profile, address=address)


def of_profile(bus: Bus, profile: Profile, *, address: str = METER) -> Machine:
    return Machine(
        name="meter",
        title="meter",
        stream="machine/meter",
        bus=bus,
        unit=address,
        profile=profile,
        points=profile.points,
        period_ms=bus.period_ms,
        keep=Keep.MINUTE,
        run_state=None,
    )


@contextmanager
def opened(bus: Bus) -> Iterator[SerialLine]:
    line = dlt645.line_of(bus)
    assert line.open() is None
    try:
        yield line
    finally:
        line.close()


def ask(asker: Asker, now_ms: int = 0) -> Exchange:
    return asker.ask(now_ms)


# Whole profiles, on both kinds of line


SAID = {
    "energy_import": 1_234_560,
    "energy_import_t1": 100_000,
    "energy_import_t4": 300_000,
    "energy_export": 7_010,
    "clock_date": 1_795_363_200,
    "clock_time": 12 * 3600 + 34 * 60 + 56,
    "meter_number": 112233445566,
    "power_off_count": 42,
    "last_power_off": 1_772_323_200,
    "last_cover_open": 1_736_906_400,
    "clock_set_count": 5,
    "current_loss_count_l3": 2,
    "trip_count": 4,
    "programming_count": 3,
    "power_factor": 999,
}
SAID_BY = {
    "dlt645_2007_single_phase": {"voltage": 2301, "current": 5123, "active_power": 34_567, "frequency": 4998},
    "dlt645_2007_three_phase": {
        "voltage_l2": 2298,
        "current_l2": -4987,
        "active_power": 11_647,
        "active_power_l2": -11_460,
        "reactive_power": -120,
        "power_factor_l2": -999,
        "reactive_energy_import": -12_340,
    },
    "dlt645_1997_single_phase": {"voltage": 230, "current": 512, "active_power": 34_567},
    "dlt645_1997_three_phase": {"voltage_l3": 231, "current_l2": 498, "active_power_l3": 11_318, "reactive_power": 120},
}


@pytest.mark.parametrize("tcp", [False, True], ids=["serial", "server"])
@pytest.mark.parametrize("name", [name for name in sorted(known_profiles(None)) if name.startswith("dlt645_")])
def test_a_meter_says_everything_that_its_profile_asks(name: str, *, tcp: bool) -> None:
    profile = load_profile(known_profiles(None)[name])
    edition, kind = (1997, BusKind.DLT645_1997) if "1997" in name else (2007, BusKind.DLT645_2007)
    with Line645(meters=[Meter645(edition=edition)], baud=115200, turnaround_s=0.001) as wire:
        bus = bus_to(wire, kind, tcp=tcp, baud=115200)
        with opened(bus) as line:
            asker = dlt645.asker_of(of_profile(bus, profile), line)
            exchange = ask(asker)
    found = dict(zip([each.name for each in profile.points], exchange.values, strict=True))
    assert (exchange.failure, exchange.heard, exchange.holes) == (None, True, ())
    expected = {key: value for key, value in SAID.items() if key in found} | SAID_BY.get(name, {})
    assert {key: found[key] for key in expected} == expected
    assert None not in found.values()
    assert all(request and answer for request, answer in exchange.frames)


def test_the_driver_is_found_by_the_bus() -> None:
    with Line645() as wire:
        for kind in (BusKind.DLT645_2007, BusKind.DLT645_1997):
            assert driver_of(bus_to(wire, kind)) is dlt645


# Whatever a meter does wrong


FAULTS: list[tuple[Fault645, Failure | None, int | None]] = [
    (Fault645.NONE, None, 2301),
    (Fault645.WRAPPED, None, 2301),
    (Fault645.DOUBLED_START, None, 2301),
    (Fault645.DOUBLED, None, 2301),
    (Fault645.NOISY, None, 2301),
    (Fault645.GLITCH, None, 2301),
    (Fault645.DRIPPING, None, 2301),
    (Fault645.STALE, None, 2301),
    (Fault645.DEAD, Failure.SILENT, None),
    (Fault645.REQUEST_BACK, Failure.SILENT, None),
    (Fault645.BAD_CHECKSUM, Failure.GARBLED, None),
    (Fault645.WRONG_ADDRESS, Failure.GARBLED, None),
    (Fault645.WRONG_DI, Failure.GARBLED, None),
    (Fault645.WRONG_FUNCTION, Failure.GARBLED, None),
    (Fault645.TRUNCATED, Failure.GARBLED, None),
    (Fault645.CHATTER, Failure.GARBLED, None),
    (Fault645.NOT_BCD, Failure.GARBLED, None),
    (Fault645.TOO_LONG, Failure.GARBLED, None),
    (Fault645.REFUSES, Failure.REFUSED, None),
    (Fault645.ALL_FF, Failure.NO_VALUE, None),
    (Fault645.MORE_FOR_EVER, Failure.GARBLED, None),
]


@pytest.mark.parametrize(("fault", "failure", "value"), FAULTS)
@pytest.mark.parametrize("tcp", [False, True], ids=["serial", "server"])
def test_whatever_a_meter_does_wrong_it_is_named_and_the_next_answer_is_right(
    fault: Fault645, failure: Failure | None, value: int | None, *, tcp: bool
) -> None:
    timeout_ms = BRIEF_MS if failure in {Failure.SILENT, Failure.GARBLED} else PATIENT_MS
    with Line645() as wire:
        bus = bus_to(wire, BusKind.DLT645_2007, tcp=tcp, timeout_ms=timeout_ms)
        with opened(bus) as line:
            asker = dlt645.asker_of(machine(bus, VOLTAGE), line)
            wire[METER].fault = fault
            began = time.monotonic()
            exchange = ask(asker)
            assert (exchange.failure, exchange.values) == (failure, (value,))
            assert exchange.frames[0][0][-2:] != b""
            assert time.monotonic() - began < 20
            wire[METER].fault = Fault645.NONE
            assert line.open() is None
            for _ in range(2):
                assert ask(asker).values == (2301,)


@pytest.mark.parametrize("echoes", [False, True])
def test_an_adapter_that_hears_itself_does_no_harm(*, echoes: bool) -> None:
    with Line645(echoes=echoes) as wire:
        bus = bus_to(wire, BusKind.DLT645_2007)
        with opened(bus) as line:
            assert ask(dlt645.asker_of(machine(bus, VOLTAGE), line)).values == (2301,)


def test_a_late_answer_is_not_taken_for_the_next_meters() -> None:
    meters = [Meter645(METER), Meter645("000000000002")]
    with Line645(meters=meters, baud=115200) as wire:
        bus = bus_to(wire, BusKind.DLT645_2007, baud=115200)
        wire[METER].fault = Fault645.LATE
        wire["000000000002"].items["02010100"] = bcd("111.1", 2)
        with opened(bus) as line:
            late = dlt645.asker_of(machine(bus, VOLTAGE), line)
            other = dlt645.asker_of(machine(bus, VOLTAGE, address="000000000002"), line)
            assert ask(late).failure is Failure.SILENT
            assert ask(other).values == (1111,)


def test_an_adapter_that_is_pulled_out_is_a_line_that_is_down() -> None:
    for tcp in (False, True):
        with Line645() as wire:
            bus = bus_to(wire, BusKind.DLT645_2007, tcp=tcp)
            with opened(bus) as line:
                wire.unplug()
                exchange = ask(dlt645.asker_of(machine(bus, VOLTAGE, POWER), line))
                assert (exchange.failure, exchange.heard, len(exchange.frames)) == (Failure.LINE_DOWN, False, 1)
                assert line.open() is Failure.LINE_DOWN


def test_a_serial_server_that_stays_silent_is_connected_to_anew() -> None:
    with Line645() as wire:
        wire[METER].fault = Fault645.DEAD
        bus = bus_to(wire, BusKind.DLT645_2007, tcp=True, timeout_ms=250)
        with opened(bus) as line:
            for _ in range(4):
                assert line.open() is None
                ask(dlt645.asker_of(machine(bus, VOLTAGE), line))
            assert wire.connections == 2


# What is asked, and what is not asked again


def test_after_a_silence_the_other_items_are_not_asked() -> None:
    with Line645() as wire:
        bus = bus_to(wire, BusKind.DLT645_2007)
        wire[METER].fault = Fault645.DEAD
        with opened(bus) as line:
            exchange = ask(dlt645.asker_of(machine(bus, VOLTAGE, POWER, ENERGY), line))
            assert (exchange.failure, len(exchange.frames)) == (Failure.SILENT, 1)
            assert len(wire[METER].asked) == 1


def test_points_of_one_block_are_fetched_in_one_question() -> None:
    points = [point(f"voltage_l{phase}", "0201FF00", element=phase) for phase in (3, 1, 2)]
    with Line645() as wire:
        bus = bus_to(wire, BusKind.DLT645_2007)
        with opened(bus) as line:
            exchange = ask(dlt645.asker_of(machine(bus, points[0], POWER, *points[1:]), line))
            assert exchange.values == (2305, 34567, 2301, 2298)
            assert len(wire[METER].asked) == 2


def test_a_block_that_is_refused_is_asked_for_one_by_one_and_tried_again_ever_more_rarely() -> None:
    points = [point(f"voltage_l{phase}", "0201FF00", element=phase) for phase in (1, 2, 3)]
    with Line645(baud=115200, turnaround_s=0.0) as wire:
        meter = wire[METER]
        del meter.items["0201FF00"]
        bus = bus_to(wire, BusKind.DLT645_2007, baud=115200)
        with opened(bus) as line:
            asker = dlt645.asker_of(machine(bus, *points, POWER), line)
            first = ask(asker, 0)
            assert (first.failure, first.values, first.holes) == (None, (2301, 2298, 2305, 34567), ())
            assert len(first.frames) == 5
            second = ask(asker, 1000)
            assert (second, len(second.frames)) == (ask(asker, 59_000), 4)
            asked = []
            for at in range(0, 3000, 60):
                before = len(meter.asked)
                ask(asker, 60_000 + at * 1000)
                asked += [at] if meter.asked[before] == (0x11, bytes.fromhex("00FF0102")) else []
            assert asked[:3] == [0, 120, 360]
            assert asked[3:] == [840, 1800]
            meter.items["0201FF00"] = bcd("1.0", 2) * 3
            assert ask(asker, 10**9).values == (10, 10, 10, 34567)
            assert len(ask(asker, 10**9).frames) == 2


def test_an_item_that_a_meter_does_not_have_is_named_once_and_rests() -> None:
    with Line645(baud=115200, turnaround_s=0.0) as wire:
        meter = wire[METER]
        del meter.items["02030000"]
        bus = bus_to(wire, BusKind.DLT645_2007, baud=115200)
        with opened(bus) as line:
            asker = dlt645.asker_of(machine(bus, VOLTAGE, POWER, ENERGY), line)
            first = ask(asker, 0)
            assert (first.failure, first.values) == (Failure.REFUSED, (2301, None, 1234560))
            assert (first.holes, first.heard) == (("active_power",), True)
            rested = ask(asker, 59_000)
            assert (rested.failure, rested.values, rested.holes) == (Failure.REFUSED, (2301, None, 1234560), ())
            assert len(rested.frames) == 2
            again = ask(asker, 60_000)
            assert (len(again.frames), again.holes) == (3, ())
            assert len(ask(asker, 179_000).frames) == 2
            meter.items["02030000"] = bcd("1.0000", 3)
            assert ask(asker, 180_000).failure is None


def test_a_meter_that_refuses_everything_goes_on_being_asked_for_everything() -> None:
    with Line645(baud=115200) as wire:
        wire[METER].fault = Fault645.REFUSES
        bus = bus_to(wire, BusKind.DLT645_2007, baud=115200)
        with opened(bus) as line:
            asker = dlt645.asker_of(machine(bus, VOLTAGE, POWER), line)
            for at in range(3):
                exchange = ask(asker, at)
                assert (exchange.failure, exchange.holes, len(exchange.frames)) == (Failure.REFUSED, (), 2)
            wire[METER].fault = Fault645.NONE
            assert ask(asker, 4).failure is None


def test_an_item_that_only_its_maker_knows_is_read_by_its_profiles_word() -> None:
    own = replace(point("flow", "E1002233", unit="m3", decimals=3), digits="XXXXX.XXX", signed=True)
    with Line645() as wire:
        wire[METER].items["E1002233"] = bcd("-12.345", 4)
        bus = bus_to(wire, BusKind.DLT645_2007)
        with opened(bus) as line:
            assert ask(dlt645.asker_of(machine(bus, own), line)).values == (-12345,)


# Answers in several frames


TARIFFS = [point(f"energy_t{at}", "0001FF00", unit="Wh", decimals=0, element=at) for at in range(1, 6)]
OLD_TARIFFS = [replace(each, item="901F") for each in TARIFFS]
FIVE = (1_234_560, 100_000, 434_560, 400_000, 300_000)


@pytest.mark.parametrize("frame_data", [1, 3, 4, 7, 19, 20, 200])
@pytest.mark.parametrize("edition", [2007, 1997])
def test_an_answer_in_several_frames_is_put_together_wherever_it_was_cut(edition: int, frame_data: int) -> None:
    kind = BusKind.DLT645_1997 if edition == 1997 else BusKind.DLT645_2007
    frame_data = max(frame_data, 2)  # 21 bytes in at most 16 frames
    with Line645(meters=[Meter645(edition=edition, frame_data=frame_data)], baud=115200, turnaround_s=0.0) as wire:
        bus = bus_to(wire, kind, baud=115200)
        with opened(bus) as line:
            exchange = ask(dlt645.asker_of(machine(bus, *(OLD_TARIFFS if edition == 1997 else TARIFFS)), line))
            length = 21 if edition == 1997 else 20
            assert (exchange.values, exchange.failure) == (FIVE, None)
            assert len(exchange.frames) == -(-length // frame_data)


LATER_FAULTS = [
    (Fault645.SILENT_LATER, Failure.SILENT),
    (Fault645.WRONG_SEQUENCE, Failure.GARBLED),
    (Fault645.MORE_FOR_EVER, Failure.GARBLED),
]


@pytest.mark.parametrize(("fault", "failure"), LATER_FAULTS)
def test_half_an_answer_is_no_answer(fault: Fault645, failure: Failure) -> None:
    with Line645(meters=[Meter645(frame_data=8)], baud=115200, turnaround_s=0.0) as wire:
        wire[METER].fault = fault
        bus = bus_to(wire, BusKind.DLT645_2007, baud=115200, timeout_ms=BRIEF_MS)
        with opened(bus) as line:
            exchange = ask(dlt645.asker_of(machine(bus, *TARIFFS), line))
            assert (exchange.values, exchange.failure) == ((None,) * 5, failure)
            assert 1 < len(exchange.frames) <= FRAMES_LIMIT


def test_a_block_whose_later_frames_are_refused_is_asked_for_one_by_one() -> None:
    with Line645(meters=[Meter645(frame_data=8)], baud=115200, turnaround_s=0.0) as wire:
        wire[METER].fault = Fault645.REFUSES_LATER
        wire[METER].items |= {f"00010{tariff}00": bcd(f"{tariff}.00", 4) for tariff in range(1, 5)}
        bus = bus_to(wire, BusKind.DLT645_2007, baud=115200)
        with opened(bus) as line:
            exchange = ask(dlt645.asker_of(machine(bus, *TARIFFS), line))
            assert (exchange.values, exchange.failure) == ((1_234_560, 1000, 2000, 3000, 4000), None)


# Scanning


def test_a_meter_tells_its_address_to_a_scan() -> None:
    with Line645(meters=[Meter645("201708176934")]) as wire, opened(bus_to(wire, BusKind.DLT645_2007)) as line:
        assert fetch_address(line) == "201708176934"
        found = fetch(line, Edition.E2007, ANY_ADDRESS, "00010000")
        assert isinstance(found, Answer)
        assert (found.address, found.data) == ("201708176934", bcd("1234.56", 4))
        wire.meters[0].fault = Fault645.DEAD
        assert fetch_address(line) is None


def test_an_older_meter_is_found_by_asking_any_for_its_energy() -> None:
    with Line645(meters=[Meter645(OLDER, edition=1997)]) as wire, opened(bus_to(wire, BusKind.DLT645_1997)) as line:
        assert fetch_address(line) is None
        found = fetch(line, Edition.E1997, ANY_ADDRESS, "9010")
        assert isinstance(found, Answer)
        assert found.address == OLDER
        refused = fetch(line, Edition.E1997, ANY_ADDRESS, "C0FF")
        assert isinstance(refused, NoAnswer)
        assert (refused.failure, refused.error) == (Failure.REFUSED, 2)


# It can only read


def test_nothing_but_questions_reaches_a_meter_whatever_it_does() -> None:
    asked: set[int] = set()
    for edition, kind in ((2007, BusKind.DLT645_2007), (1997, BusKind.DLT645_1997)):
        profile = load_profile(known_profiles(None)[f"dlt645_{edition}_meter"])
        with Line645(meters=[Meter645(edition=edition)], baud=115200, turnaround_s=0.0) as wire:
            bus = bus_to(wire, kind, baud=115200, timeout_ms=20)
            with opened(bus) as line:
                asker = dlt645.asker_of(of_profile(bus, profile), line)
                for at, fault in enumerate(Fault645):
                    wire[METER].fault = fault
                    ask(asker, at * 3_600_000)
                fetch_address(line)
        asked |= {control for control, _ in wire[METER].asked}
    assert asked <= {int(code) for code in Asking}


def test_a_forged_question_does_not_leave_the_box() -> None:
    with Line645() as wire, opened(bus_to(wire, BusKind.DLT645_2007)) as line:
        for control in (0x14, 0x16, 0x1A, 0x1C, 0x04):
            forged = bytes.fromhex("fefefefe68aaaaaaaaaaaa68") + bytes((control, 0, 0, 0x16))
            with pytest.raises(ValueError, match="Asking"):
                dlt645_fetch._ask(line, forged, lambda _: True, 0)
        time.sleep(0.05)
        assert wire[METER].asked == []


def test_one_place_in_the_driver_sends() -> None:
    sending = set()
    for module in (dlt645, dlt645_fetch):
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                calls: list[Any] = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
                sending |= {node.name for call in calls if isinstance(call, ast.Attribute) and call.attr == "ask"}
    assert sending == {"_ask"}


# Profiles


@pytest.mark.parametrize(
    ("di", "unit", "element", "says"),
    [
        ("0E000000", "V", None, "not known here"),
        ("02010100", "A", None, "in V, and the point in A"),
        ("0201FF00", "V", None, "a block"),
        ("02010100", "V", 2, "one value"),
        ("04000403", "1", None, "text"),
    ],
)
def test_a_point_that_cannot_be_had_is_refused_with_its_profile(
    tmp_path: Path, di: str, unit: str, element: int | None, says: str
) -> None:
    file = tmp_path / "mine.toml"
    element_line = "" if element is None else f"element = {element}\n"
    file.write_text(
        'id = "mine"\nprotocol = "dlt645-2007"\nvendor = "v"\nmodel = "m"\nsource = ["s"]\n[[point]]\nname = "p"\n'
        f'di = "{di}"\n{element_line}unit = "{unit}"\ndecimals = 1\nkind = "gauge"\n'
    )
    with pytest.raises(ConfigurationError) as wrong:
        load_profile(file)
    assert wrong.value.key == "point[p].di"
    assert (
        says in wrong.value.found or says.replace("is in V, not in A", "in V, and the point in A") in wrong.value.found
    )


def test_how_long_a_meter_takes_the_line_is_told_before_it_is_asked() -> None:
    with Line645() as wire:
        profile = load_profile(known_profiles(None)["dlt645_2007_three_phase"])
        slow = of_profile(bus_to(wire, BusKind.DLT645_2007, baud=2400), profile)
        assert 2 < dlt645.line_time_s(slow) < 5
        assert dlt645.line_time_s(of_profile(bus_to(wire, BusKind.DLT645_2007, baud=9600), profile)) < 2
