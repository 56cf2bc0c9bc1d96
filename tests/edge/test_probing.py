import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.profiles import Parity
from edge_agent.config.sections import BusKind
from edge_agent.installing.scanning.hints import Sound, hints_of, sound_of
from edge_agent.installing.scanning.likely import DLT_KINDS, Mode, Settings
from edge_agent.installing.scanning.probing import Device, Prober, _is_crowd, _who_answered
from edge_agent.installing.scanning.sweep import ANYBODY, Options, Pass, Place, Questions, Sweep
from tests.world.dlt645_frames import sealed
from tests.world.dlt645_meter import Fault645, Line645, Meter645
from tests.world.dlt698_meter import Fault698, Meter698, framed
from tests.world.mixed_line import MixedLine
from tests.world.plant import Fault, Plant
from tests.world.rs485 import Noise, Rs485
from tests.world.serial_server import SerialServer

QUICK = Questions(modbus_s=0.3, dlt_s=0.4, tcp_s=0.5)
N96 = Settings(baud=9600, parity=Parity.NONE)
E24 = Settings(baud=2400, parity=Parity.EVEN)
MODBUS, NEW, OLD, OBJECTS = BusKind.MODBUS_RTU, BusKind.DLT645_2007, BusKind.DLT645_1997, BusKind.DLT698_45


def prober(mode: Mode = Mode.USUAL, questions: Questions = QUICK) -> Prober:
    return Prober(questions, mode, lambda _what, _done: None)


def scan(place: Place, options: Options) -> tuple[Prober, list[Device]]:
    asking, sweep = prober(options.mode), Sweep([place], options)
    while what := sweep.next():
        sweep.took(what, asking.make(what))
    return asking, asking.devices


def asked(place: Place, kind: BusKind, *addresses: int | str, settings: Settings | None = N96) -> Pass:
    return Pass(place=place, settings=settings, kind=kind, addresses=addresses)


@pytest.fixture
def world() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_mixed_line_is_found_whole_and_each_device_with_its_own_settings(world: ExitStack) -> None:
    wire = world.enter_context(Rs485(units=(1, 3), baud=57600))
    meters = world.enter_context(Line645(meters=[Meter645("202401150007")], baud=57600))
    old = world.enter_context(Line645(meters=[Meter645("000000000042", edition=1997)], baud=57600))
    objects = world.enter_context(Meter698(address="000000000005"))
    line = world.enter_context(
        MixedLine({wire.device: 9600, meters.device: 2400, old.device: 1200, objects.device: 9600})
    )
    place = Place(device=line.device)
    _, devices = scan(place, Options(mode=Mode.QUICK, units=(1, 2, 3)))
    assert {(device.kind, device.address, device.settings and device.settings.baud) for device in devices} == {
        (MODBUS, 1, 9600),
        (MODBUS, 3, 9600),
        (NEW, "202401150007", 2400),
        (OLD, "000000000042", 1200),
        (OBJECTS, "000000000005", 9600),
    }
    for each in (meters, old):
        assert {control for control, _ in each.meters[0].asked} <= {0x01, 0x11, 0x13}, "reads, and the address"
    assert {apdu[:2] for apdu in objects.ledger} == {b"\x05\x01"}, "GET of one object"


def test_meters_that_answer_a_wildcard_at_once_are_parted_by_their_low_digits(world: ExitStack) -> None:
    numbers = ("202401150007", "202401150107", "202401150008")
    lines = [world.enter_context(Line645(meters=[Meter645(number)], baud=57600)) for number in numbers]
    line = world.enter_context(MixedLine({each.device: 2400 for each in lines}, overlap_s=0.5))
    place = Place(device=line.device)
    asking = prober(questions=Questions(modbus_s=0.3, dlt_s=1.2, tcp_s=0.5))
    assert asking.make(asked(place, NEW, ANYBODY, settings=E24)).crowded == (ANYBODY,)
    came = asking.make(asked(place, NEW, "AAAAAAAAAA07", "AAAAAAAAAA08", "AAAAAAAAAA09", settings=E24))
    assert came.crowded == ("AAAAAAAAAA07",)
    assert came.found == {"202401150008"}
    came = asking.make(asked(place, NEW, "AAAAAAAA0007", "AAAAAAAA0107", settings=E24))
    assert came.found == {"202401150007", "202401150107"}
    assert not came.crowded
    assert "several meters answered at once" in hints_of(asking.tallies[place])[0]


def test_a_unit_that_refuses_or_is_busy_is_somebody(world: ExitStack) -> None:
    wire = world.enter_context(Rs485(units=(1, 2), baud=57600))
    wire[2].fault = Noise.BUSY
    asking = prober()
    assert asking.make(asked(Place(device=wire.device), MODBUS, 1, 2, 9)).found == {1, 2}
    assert [device.says for device in asking.devices] == ["answers", "answers; refuses register 0 (exception 6)"]


def test_nothing_but_reads_of_one_register_reaches_a_unit(world: ExitStack) -> None:
    plant = world.enter_context(Plant())
    host = Place(host="127.0.0.1", port=plant[0].port)
    prober(Mode.FULL).make(asked(host, BusKind.MODBUS_TCP, 1, 255, settings=None))
    assert {request[7:] for request in plant[0].ledger} == {bytes((3, 0, 0, 0, 1))}


def test_a_line_behind_a_serial_server_is_found(world: ExitStack) -> None:
    wire = world.enter_context(Rs485(units=(4,), baud=57600))
    meters = world.enter_context(Line645(meters=[Meter645("202401150007")], baud=57600))
    server = world.enter_context(SerialServer(wire.device))
    for port, wanted in ((server.port, (MODBUS, 4)), (meters.port, (NEW, "202401150007"))):
        kinds = (BusKind.MODBUS_TCP, MODBUS, NEW)
        _, devices = scan(Place(host="127.0.0.1", port=port), Options(kinds=kinds, units=(4,), mode=Mode.QUICK))
        assert [(device.kind, device.address) for device in devices] == [wanted]


def test_a_gateway_says_that_nobody_is_behind_it_and_a_device_that_it_is_there(world: ExitStack) -> None:
    plant = world.enter_context(Plant(machines=2))
    plant[0].fault, plant[0].exception = Fault.EXCEPTION, 11
    plant[1].fault, plant[1].exception = Fault.EXCEPTION, 2
    asking = prober()
    behind, device = (Place(host="127.0.0.1", port=plant[at].port) for at in range(2))
    assert asking.make(asked(behind, BusKind.MODBUS_TCP, 1, 2, settings=None)).gateway
    assert "the gateway answers, but nobody behind it does" in hints_of(asking.tallies[behind])[0]
    assert asking.make(asked(device, BusKind.MODBUS_TCP, 1, settings=None)).found == {1}
    assert hints_of(asking.tallies[device]) == ()


def test_a_dead_line_a_noisy_one_and_one_with_another_master_are_told_apart(world: ExitStack) -> None:
    wire = world.enter_context(Rs485(units=(1,), baud=57600))
    line = world.enter_context(MixedLine({wire.device: 9600}))
    place = Place(device=line.device)
    dead = prober()
    dead.make(asked(place, MODBUS, 7, 8))
    assert "not one byte came back to 2 questions" in hints_of(dead.tallies[place])[0]
    assert "Also open in" not in hints_of(dead.tallies[place])[0]
    line.noise = b"\x8f\x11\xd1\x3c\x77\xf9\x2b"
    noisy = prober()
    noisy.make(asked(place, MODBUS, 7, 8))
    assert "14 bytes came back, and no frame among them (9600 8N1)" in hints_of(noisy.tallies[place])[0]
    line.noise, line.talks = b"", b"\x01\x04\x04\x43\x66\x33\x34\x1b\x38"
    spoilt = prober()
    spoilt.make(asked(place, MODBUS, 7))
    assert "Another master asks on this line" in hints_of(spoilt.tallies[place])[0]


@pytest.mark.parametrize("kind", [MODBUS, NEW, OLD, OBJECTS])
def test_answers_whose_check_is_wrong_are_no_devices_but_a_hint(world: ExitStack, kind: BusKind) -> None:
    device = ""
    who = kind.value
    address: int | str = 5 if kind is MODBUS else "202401150007"
    if kind is MODBUS:
        wire = world.enter_context(Rs485(units=(5,), baud=57600))
        wire[5].fault = Noise.BAD_CRC
        device, who = wire.device, "unit 5"
    elif kind is OBJECTS:
        meter = world.enter_context(Meter698(address="202401150007"))
        meter.fault = Fault698.BAD_FCS
        device = meter.device
    else:
        edition = 1997 if kind is OLD else 2007
        line = world.enter_context(Line645(meters=[Meter645("202401150007", edition=edition)], baud=57600))
        line["202401150007"].fault = Fault645.BAD_CHECKSUM
        device = line.device
    asking, place = prober(), Place(device=device)
    assert not asking.make(asked(place, kind, address)).found
    (hint,) = hints_of(asking.tallies[place])
    assert f"answers whose check is wrong from {who} at 9600 8N1" in hint


@pytest.mark.parametrize("kind", DLT_KINDS)
def test_an_answer_from_another_address_is_nobody_we_asked_for(world: ExitStack, kind: BusKind) -> None:
    line = world.enter_context(Line645(meters=[Meter645("202401150007", edition=1997 if kind is OLD else 2007)]))
    line["202401150007"].fault = Fault645.WRONG_ADDRESS
    assert not prober().make(asked(Place(device=line.device), kind, "202401150007")).found


frames = st.sampled_from(
    [
        sealed("202401150007", 0x91, b"\0" * 8, wakes=4),
        sealed("202401150007", 0x93, b"\x07\0\x15\x01\x24\x20"),
        sealed("AABBCCDDEEFF", 0x81, b"\0\0"),
        framed(b"\x85\x01\x01" + bytes(7)),
        framed(b"", client=3),
    ]
)


@given(st.lists(st.one_of(st.binary(max_size=40), frames), max_size=6).map(b"".join), st.sampled_from(DLT_KINDS))
def test_whatever_a_line_says_it_is_told_and_nobody_is_made_up(heard: bytes, kind: BusKind) -> None:
    for who in _who_answered(kind, heard, ANYBODY):
        assert len(who) == 12
        assert who.isdecimal()
        assert bytes.fromhex(who)[::-1] in heard
    _is_crowd(kind, ANYBODY, heard)
    assert sound_of(kind, ANYBODY, heard) in Sound
    assert sound_of(MODBUS, 7, heard) in Sound


def test_a_port_that_is_not_there_or_held_is_not_asked_and_says_why(world: ExitStack) -> None:
    wire = world.enter_context(Rs485(units=(1,), baud=57600))
    asking = prober()
    gone = Place(device="/dev/ttyNOTHERE")
    assert asking.make(asked(gone, MODBUS, 1)).absent
    assert hints_of(asking.tallies[gone])[0].startswith("/dev/ttyNOTHERE was not asked: there is no such port")
    other = world.enter_context(holding(wire.device))
    held = Place(device=wire.device)
    assert asking.make(asked(held, MODBUS, 1)).absent
    (hint,) = hints_of(asking.tallies[held])
    assert "another program holds it: python" in hint
    assert f"(process {other})" in hint
    assert wire[1].asked == 0


@contextmanager
def holding(device: str) -> Iterator[int]:
    """Another program with the port locked; its process."""
    code = "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, device], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout
        assert program.stdin
        program.stdout.readline()
        yield program.pid
        program.stdin.close()
