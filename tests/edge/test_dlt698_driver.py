from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.codecs.dlt698 import EVERYONE, Server, describe
from edge_agent.config.load import Bus, Keep, Machine, Parity
from edge_agent.config.profiles import OURS, Item, PointKind, load_profile
from edge_agent.config.sections import BusKind, Identity, SerialPort, TcpPort
from edge_agent.drivers import driver_of
from edge_agent.drivers.dlt698 import ANEW_MS, OBJECTS_LIMIT, Dlt698Asker, asker_of, line_of, line_time_s
from edge_agent.drivers.dlt698_line import BLOCKS_LIMIT, who
from edge_agent.drivers.driver import Exchange
from edge_agent.drivers.serial_line import SerialLine
from evidence.bodies import Failure
from tests.world.dlt698_meter import Fault698, Meter698, array, count_of, u16

ADDRESS = "000000000005"
DECODED = {
    "voltage_l1": 2301,
    "voltage_l2": 2298,
    "voltage_l3": 2305,
    "current_l1": 5123,
    "current_l2": -4987,
    "current_l3": 5010,
    "active_power": 34567,
    "active_power_l1": 11789,
    "active_power_l2": -11460,
    "active_power_l3": 11318,
    "reactive_power": -120,
    "apparent_power": 34600,
    "power_factor": 999,
    "power_factor_l1": 998,
    "power_factor_l2": -999,
    "power_factor_l3": 1000,
    "frequency": 4998,
    "energy_import": 1_234_560,
    "energy_export": 70,
    "reactive_energy_import": 5000,
    "reactive_energy_export": 10,
}


@pytest.fixture
def meter() -> Iterator[Meter698]:
    with Meter698(address=ADDRESS) as here:
        yield here


def bus_to(meter: Meter698, *, by_tcp: bool = False, timeout_ms: int = 400) -> Bus:
    port = (
        TcpPort(host="127.0.0.1", port=meter.port, baud=115200)
        if by_tcp
        else SerialPort(device=meter.device, baud=115200, parity=Parity.EVEN, stopbits=1)
    )
    return Bus(name="line", kind=BusKind.DLT698_45, port=port, timeout_ms=timeout_ms, period_ms=1000)


def machine_on(bus: Bus, profile: str = "dlt698_three_phase", *, address: str = ADDRESS) -> Machine:
    known = load_profile(OURS / f"{profile}.toml")
    return Machine(
        name="press",
        title="press",
        stream="machine/press",
        bus=bus,
        unit=address,
        profile=known,
        points=known.points,
        period_ms=1000,
        keep=Keep.MINUTE,
        run_state=None,
    )


class Asked:
    """A meter's asker on its open line, and the values by name."""

    def __init__(self, meter: Meter698, machine: Machine) -> None:
        self.meter, self.machine = meter, machine
        self.line = line_of(machine.bus)
        self.asker = asker_of(machine, self.line)
        assert self.line.open() is None

    def ask(self, now_ms: int = 0) -> Exchange:
        self.meter.ledger.clear()
        return self.asker.ask(now_ms)

    def values(self, exchange: Exchange) -> dict[str, int | None]:
        return dict(zip((point.name for point in self.machine.points), exchange.values, strict=True))

    def choices(self) -> list[int]:
        """The kinds of GET that reached the meter."""
        return [apdu[1] for apdu in self.meter.ledger]


@pytest.fixture
def asked(meter: Meter698) -> Iterator[Asked]:
    here = Asked(meter, machine_on(bus_to(meter)))
    yield here
    here.line.close()


@pytest.mark.parametrize("by_tcp", [False, True], ids=["serial port", "serial server"])
def test_a_meter_is_read_by_lists(meter: Meter698, by_tcp: bool) -> None:  # noqa: FBT001
    here = Asked(meter, machine_on(bus_to(meter, by_tcp=by_tcp)))
    exchange = here.ask()
    here.line.close()
    assert (exchange.failure, exchange.heard, exchange.holes, exchange.again) == (None, True, (), False)
    assert here.values(exchange) == DECODED
    objects = len({point.item for point in here.machine.points if isinstance(point, Item)})
    assert here.choices() == [2] * -(-objects // OBJECTS_LIMIT)
    for request, answer in exchange.frames:
        assert describe(request)["service"] == "GET-Request"
        assert describe(answer)["service"] == "GET-Response"


def test_the_witness_profile_reads_counts_clock_and_number(meter: Meter698) -> None:
    here = Asked(meter, machine_on(bus_to(meter), "dlt698_meter"))
    exchange = here.ask()
    here.line.close()
    values = here.values(exchange)
    assert values["energy_import_t4"] == 1_174_560
    assert values["clock"] == 1_709_181_296  # 2024-02-29 12:34:56 in China
    assert values["meter_number"] == 112233445566
    assert (values["power_off_count"], values["cover_open_count"], values["magnetic_interference_count"]) == (42, 2, 0)
    assert (values["demand_clear_count"], exchange.failure) == (None, Failure.REFUSED)
    assert exchange.holes == ("demand_clear_count",)


ANSWERS_NOTHING = [
    (Fault698.DEAD, Failure.SILENT),
    (Fault698.BAD_FCS, Failure.GARBLED),
    (Fault698.BAD_HCS, Failure.GARBLED),
    (Fault698.WRONG_ADDRESS, Failure.GARBLED),
    (Fault698.WRONG_CLIENT, Failure.GARBLED),
    (Fault698.WRONG_PIID, Failure.GARBLED),
    (Fault698.WRONG_OAD, Failure.GARBLED),
    (Fault698.WRONG_SERVICE, Failure.GARBLED),
    (Fault698.FEWER, Failure.GARBLED),
    (Fault698.SWAPPED, Failure.GARBLED),
    (Fault698.TRUNCATED, Failure.GARBLED),
    (Fault698.CHATTER, Failure.GARBLED),
    (Fault698.REQUEST_BACK, Failure.SILENT),
]


@pytest.mark.parametrize(("fault", "failure"), ANSWERS_NOTHING, ids=[fault.value for fault, _ in ANSWERS_NOTHING])
def test_what_does_not_answer_the_question_is_no_value(asked: Asked, fault: Fault698, failure: Failure) -> None:
    assert asked.ask().failure is None
    asked.meter.fault = fault
    exchange = asked.ask()
    assert set(exchange.values) == {None}
    assert (exchange.failure, exchange.heard, exchange.holes) == (failure, False, ())
    assert len(exchange.frames) == 1  # nothing more is asked
    asked.meter.fault = Fault698.NONE
    assert asked.values(asked.ask()) == DECODED


@pytest.mark.parametrize("fault", [Fault698.NOISY, Fault698.STALE])
def test_the_right_answer_is_found_among_others(asked: Asked, fault: Fault698) -> None:
    asked.meter.fault = fault
    assert asked.values(asked.ask()) == DECODED


def test_an_adapter_that_hears_itself_is_no_obstacle() -> None:
    with Meter698(address=ADDRESS, echoes=True) as meter:
        here = Asked(meter, machine_on(bus_to(meter), "dlt698_single_phase"))
        assert here.values(here.ask())["voltage"] == 2301
        here.line.close()


def test_a_late_answer_is_not_taken_for_the_next_one(asked: Asked) -> None:
    asked.meter.fault = Fault698.LATE
    assert asked.ask().failure is Failure.SILENT
    asked.meter.fault = Fault698.NONE
    asked.meter.objects[0x200F0200] = u16(5002)
    later = asked.values(asked.ask())
    assert later["frequency"] in {5002, None}
    assert asked.values(asked.ask())["frequency"] == 5002


def test_an_object_that_is_refused_leaves_the_others_and_is_named_once(asked: Asked) -> None:
    asked.meter.refused[0x200F0200] = 6
    first = asked.ask()
    assert asked.values(first) == DECODED | {"frequency": None}
    assert (first.failure, first.holes) == (Failure.REFUSED, ("frequency",))
    second = asked.ask(1000)
    assert (second.failure, second.holes) == (Failure.REFUSED, ())
    assert all(bytes.fromhex("200F0200") not in apdu for apdu in asked.meter.ledger)
    asked.meter.refused.clear()
    assert asked.values(asked.ask(ANEW_MS)) == DECODED


def test_a_meter_that_is_busy_with_an_object_is_asked_again_at_once(asked: Asked) -> None:
    asked.meter.refused[0x200F0200] = 2
    assert (asked.ask().failure, asked.ask().failure) == (Failure.BUSY, Failure.BUSY)
    asked.meter.refused.clear()
    assert asked.values(asked.ask()) == DECODED


def test_a_meter_that_refuses_everything_goes_on_being_asked(asked: Asked) -> None:
    asked.meter.refused = dict.fromkeys(asked.meter.objects, 3)
    assert (asked.ask().failure, asked.ask().failure) == (Failure.REFUSED, Failure.REFUSED)
    asked.meter.refused = {}
    assert asked.values(asked.ask()) == DECODED


def test_a_value_that_the_meter_does_not_have_is_none(asked: Asked) -> None:
    asked.meter.objects[0x20000200] = array(u16(2301), u16(0xFFFF))
    exchange = asked.ask()
    values = asked.values(exchange)
    assert (values["voltage_l1"], values["voltage_l2"], values["voltage_l3"]) == (2301, None, None)
    assert exchange.failure is Failure.NO_VALUE


@pytest.mark.parametrize("how", ["refused", "segments", "unanswered"])
def test_a_meter_that_takes_no_lists_is_asked_one_by_one(asked: Asked, how: str) -> None:
    asked.meter.list_limit = 1 if how == "refused" else 64
    if how == "segments":
        asked.meter.list_fault = Fault698.SEGMENTED
    if how == "unanswered":
        asked.meter.list_fault = Fault698.DEAD
    exchange = asked.ask()
    if how == "unanswered":
        assert (exchange.failure, exchange.again) == (Failure.SILENT, True)
        exchange = asked.ask(1000)
    assert (asked.values(exchange), exchange.failure) == (DECODED, None)
    asked.ask(2000)
    assert set(asked.choices()) == {1}
    asked.meter.list_limit, asked.meter.list_fault = 64, None
    asked.ask(2 * ANEW_MS)
    assert set(asked.choices()) == {2}


def test_an_object_that_breaks_the_meter_s_service_is_refused_alone(asked: Asked) -> None:
    asked.meter.list_limit = 1
    asked.meter.errors.add(0x200A0200)
    exchange = asked.ask()
    values = asked.values(exchange)
    assert {name for name, value in values.items() if value is None} == {name for name in values if "factor" in name}
    assert exchange.failure is Failure.REFUSED


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_long_answer_is_fetched_block_by_block(asked: Asked, size: int) -> None:
    asked.meter.block_of = size
    exchange = asked.ask()
    assert (asked.values(exchange), exchange.failure) == (DECODED, None)
    assert 5 in asked.choices()


def test_blocks_without_an_end_are_given_up(asked: Asked) -> None:
    asked.meter.block_of, asked.meter.fault = 1, Fault698.BLOCKS_EMPTY
    exchange = asked.ask()
    assert len(asked.meter.ledger) == BLOCKS_LIMIT
    assert exchange.failure is Failure.GARBLED


@pytest.mark.parametrize("fault", [Fault698.BLOCK_TWICE, Fault698.BLOCKS_FOR_EVER])
def test_a_block_that_is_not_the_next_one_is_not_taken(asked: Asked, fault: Fault698) -> None:
    asked.meter.block_of, asked.meter.fault = 4, fault
    assert asked.ask().failure is Failure.GARBLED


def test_a_line_that_is_unplugged_is_down_and_not_an_exception(asked: Asked) -> None:
    asked.meter.unplug()
    exchange = asked.ask()
    assert (exchange.failure, set(exchange.values)) == (Failure.LINE_DOWN, {None})


def test_a_serial_server_that_resets_is_down_once(meter: Meter698) -> None:
    here = Asked(meter, machine_on(bus_to(meter, by_tcp=True)))
    assert here.ask().failure is None
    meter.hang_up()
    assert here.ask().failure is Failure.LINE_DOWN
    assert here.line.open() is None
    assert here.ask().failure is None
    here.line.close()


def test_two_meters_on_one_line_are_told_apart(meter: Meter698) -> None:
    meter.others = ("000000000006",)
    line = line_of(bus_to(meter))
    assert line.open() is None
    for address in (ADDRESS, "000000000006"):
        exchange = asker_of(machine_on(bus_to(meter), "dlt698_single_phase", address=address), line).ask(0)
        assert exchange.failure is None
        assert all(describe(answer)["server_address"] == address for _, answer in exchange.frames)
    line.close()


def test_service_numbers_go_round(asked: Asked) -> None:
    for _ in range(30):
        assert asked.ask().failure is None
    assert {apdu[2] for apdu in asked.meter.ledger} <= set(range(64))


def test_nothing_but_gets_reaches_the_meter(meter: Meter698) -> None:
    here, seen = Asked(meter, machine_on(bus_to(meter, timeout_ms=60))), []
    for fault in Fault698:
        meter.fault = fault
        here.ask()
        seen += meter.ledger
    here.line.close()
    assert {apdu[0] for apdu in seen} == {5}


def test_the_driver_is_found_by_its_bus_and_knows_the_line_s_time(meter: Meter698) -> None:
    slow = SerialPort(device="/dev/ttyS9", baud=9600, parity=Parity.EVEN, stopbits=1)
    bus = replace(bus_to(meter), port=slow)
    assert driver_of(bus).line_of is line_of
    assert 0.3 < line_time_s(machine_on(bus)) < 0.7
    assert isinstance(driver_of(bus).asker_of(machine_on(bus), line_of(bus)), Dlt698Asker)
    assert isinstance(line_of(bus), SerialLine)
    assert line_of(bus).open() is Failure.LINE_DOWN


def test_a_profile_of_one_s_own_may_name_any_object(meter: Meter698, tmp_path: Path) -> None:
    file = tmp_path / "my_meter.toml"
    file.write_text(
        'id = "my_meter"\nprotocol = "dlt698.45"\nvendor = "v"\nmodel = "m"\nsource = ["s"]\n'
        '[[point]]\nname = "trips"\noad = "301F0700"\nunit = "1"\ndecimals = 0\nkind = "counter"\n'
        '[[point]]\nname = "secret"\noad = "F1230200"\nelement = 2\nunit = "raw"\ndecimals = 1\nkind = "gauge"\n'
    )
    profile = load_profile(file)
    machine = replace(machine_on(bus_to(meter)), profile=profile, points=profile.points)
    meter.objects |= {0x301F0700: count_of(4), 0xF1230200: array(u16(1), u16(2))}
    here = Asked(meter, machine)
    assert here.ask().values == (4, 2)
    here.line.close()
    assert machine.points[0].kind is PointKind.COUNTER


BOTH = ("meter_number", "asset_number")


def test_a_meter_says_who_it_is_known_or_not(asked: Asked) -> None:
    known = Identity(meter_number="112233445566", asset_number="SGCM001" + "0" * 25)
    for server in (EVERYONE, Server(digits=ADDRESS)):
        said = who(asked.line, server, BOTH)
        assert (said.identity, said.failure, said.heard, len(said.frames)) == (known, None, True, 2)
    assert who(asked.line, EVERYONE, BOTH[1:]).identity == Identity(asset_number=known.asset_number)
    asked.meter.objects[0x40020200] = b"\x09\x00"
    said = who(asked.line, EVERYONE, BOTH)
    assert (said.identity, said.failure) == (Identity(asset_number=known.asset_number), Failure.NO_VALUE)
    del asked.meter.objects[0x41030200]
    said = who(asked.line, EVERYONE, BOTH[1:])
    assert (said.identity, said.failure, said.heard) == (Identity(), Failure.REFUSED, True)


def test_a_line_without_a_meter_says_nothing_about_it(asked: Asked) -> None:
    asked.meter.fault = Fault698.DEAD
    said = who(asked.line, EVERYONE, BOTH)
    assert (said.identity, said.failure, said.heard, len(said.frames)) == (Identity(), Failure.SILENT, False, 1)
    asked.meter.fault = Fault698.NONE
    assert who(asked.line, Server(digits="000000000009"), BOTH).failure is Failure.SILENT
    asked.line.close()
    assert who(asked.line, EVERYONE, BOTH).failure is Failure.LINE_DOWN


def test_a_meter_whose_blocks_make_no_sense_is_asked_one_by_one(asked: Asked) -> None:
    asked.meter.block_of, asked.meter.fault = 1, Fault698.BLOCK_TWICE
    first = asked.ask()
    assert (first.failure, first.again) == (Failure.GARBLED, True)
    assert asked.values(asked.ask(1000)) == DECODED
