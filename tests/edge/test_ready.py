import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.load import Config, load
from edge_agent.config.profiles import Parity, known_profiles, load_profile
from edge_agent.config.sections import BusKind
from edge_agent.config.write import lines_of
from edge_agent.installing.scanning.likely import DLT_KINDS, Settings
from edge_agent.installing.scanning.probing import Device
from edge_agent.installing.scanning.ready import Known, Ready, distinct, ready_for
from edge_agent.installing.scanning.sweep import Place

USB0, USB1 = Place(device="/dev/ttyUSB0"), Place(device="/dev/ttyUSB1")
HOST = Place(host="192.168.1.40", port=502)
N96 = Settings(baud=9600, parity=Parity.NONE)
E24 = Settings(baud=2400, parity=Parity.EVEN)
MODBUS, NEW, OBJECTS = BusKind.MODBUS_RTU, BusKind.DLT645_2007, BusKind.DLT698_45
PROFILES = {
    name: load_profile(known_profiles(None)[name])
    for name in ("eastron_sdm630", "dlt645_2007_single_phase", "dlt698_single_phase", "dlt645_1997_single_phase")
}
FITTING = {
    MODBUS: PROFILES["eastron_sdm630"],
    BusKind.MODBUS_TCP: PROFILES["eastron_sdm630"],
    NEW: PROFILES["dlt645_2007_single_phase"],
    OBJECTS: PROFILES["dlt698_single_phase"],
    BusKind.DLT645_1997: PROFILES["dlt645_1997_single_phase"],
}
BOX = '[box]\nid = "b"\nenterprise = "e"\nsite = "s"\nsigning_key = "./k"\n\n'


def known(place: Place, kind: BusKind, address: int | str, settings: Settings | None = N96) -> Known:
    device = Device(place=place, kind=kind, address=address, settings=settings)
    return Known(device=device, profile=FITTING[kind])


def text_of(ready: Ready) -> str:
    return BOX + "\n".join(lines_of(section.kind, section.values) for section in ready.sections)


def loaded(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "box.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_a_mixed_line_becomes_a_bus_a_protocol_and_a_machine_a_device(tmp_path: Path) -> None:
    found = [known(USB0, MODBUS, 3), known(USB0, NEW, "202401150007", E24), known(HOST, BusKind.MODBUS_TCP, 1, None)]
    config = loaded(tmp_path, text_of(ready_for(found)))
    assert [(bus.name, str(bus.port)) for bus in config.buses] == [
        ("line-1-modbus", "/dev/ttyUSB0 at 9600 baud, 8N1"),
        ("line-1-dlt645", "/dev/ttyUSB0 at 2400 baud, 8E1"),
        ("host-1", "192.168.1.40:502"),
    ]
    assert [(machine.name, machine.bus.name, machine.unit) for machine in config.machines] == [
        ("sdm630-3", "line-1-modbus", 3),
        ("meter-0007", "line-1-dlt645", "202401150007"),
        ("sdm630-1", "host-1", 1),
    ]


def test_what_the_box_has_is_not_added_again_and_its_bus_is_used(tmp_path: Path) -> None:
    there = loaded(tmp_path, text_of(ready_for([known(USB0, MODBUS, 3)])).replace("line-1", "hall"))
    again = ready_for([known(USB0, MODBUS, 3), known(USB0, MODBUS, 4)], buses=there.buses, machines=there.machines)
    assert [dict(section.values) for section in again.sections] == [
        {"name": "sdm630-4", "title": "Eastron SDM630 v1/v2, unit 4", "bus": "hall", "unit": 4}
        | {"profile": "eastron_sdm630"}
    ]
    assert again.notes == ("unit 3 on /dev/ttyUSB0 at 9600 8N1, modbus-rtu is there already: machine/sdm630-3",)


def test_a_port_is_named_by_what_stays_and_known_by_either_name(tmp_path: Path) -> None:
    def lasting(device: str) -> str:
        return device.replace("/dev/ttyUSB0", "/dev/serial/by-id/usb-FTDI-port0")

    first = ready_for([known(USB0, MODBUS, 3)], lasting=lasting)
    assert first.sections[0].values["device"] == "/dev/serial/by-id/usb-FTDI-port0"
    there = loaded(tmp_path, text_of(first))
    assert not ready_for([known(USB0, MODBUS, 3)], buses=there.buses, machines=there.machines, lasting=lasting).sections


def test_a_device_at_another_rate_than_its_line_is_told_not_written() -> None:
    slow = Settings(baud=4800, parity=Parity.NONE)
    ready = ready_for([known(USB0, MODBUS, 9, slow), known(USB0, MODBUS, 3), known(USB0, MODBUS, 4)])
    assert [section.values.get("unit") for section in ready.sections] == [None, 3, 4]
    said = "unit 9 on /dev/ttyUSB0 at 4800 8N1, modbus-rtu: its bus runs at 9600 baud; set the device to that"
    assert ready.notes == (f"{said}, then scan again",)


def test_a_device_without_a_profile_is_told_where_to_write_one() -> None:
    device = Device(place=USB0, kind=MODBUS, address=5, settings=N96)
    ready = ready_for([Known(device=device, profile=None)])
    assert [section.kind for section in ready.sections] == ["bus"]
    assert "fits no known profile: docs/profiles.md" in ready.notes[0]


def test_the_period_leaves_the_line_room() -> None:
    ready = ready_for([known(USB0, NEW, "202401150007", E24)], line_time_s=lambda _: 2.9)
    assert ready.sections[0].values["period_s"] == 5


def test_one_device_that_answers_in_two_ways_is_one() -> None:
    even = Settings(baud=9600, parity=Parity.EVEN)
    twice = [known(USB0, MODBUS, 3), known(USB0, MODBUS, 3, even), known(USB0, NEW, "202401150007", E24)]
    twice += [known(USB0, OBJECTS, "202401150007", even), known(USB1, MODBUS, 3)]
    kept = distinct([each.device for each in twice])
    assert [(device.place, device.kind) for device in kept] == [(USB0, MODBUS), (USB0, NEW), (USB1, MODBUS)]


serial_settings = st.builds(Settings, baud=st.sampled_from([2400, 9600]), parity=st.sampled_from(list(Parity)))
anybody = st.one_of(
    st.builds(known, st.sampled_from([USB0, USB1]), st.just(MODBUS), st.integers(1, 247), serial_settings),
    st.builds(
        known,
        st.sampled_from([USB0, USB1]),
        st.sampled_from(DLT_KINDS),
        st.text("07", min_size=12, max_size=12),
        serial_settings,
    ),
    st.builds(known, st.just(HOST), st.just(BusKind.MODBUS_TCP), st.integers(0, 255), st.none()),
)


@given(st.lists(anybody, max_size=12))
def test_whatever_was_found_the_lines_are_a_configuration(
    tmp_path_factory: pytest.TempPathFactory, found: list[Known]
) -> None:
    devices = distinct([each.device for each in found])
    found = [Known(device=device, profile=FITTING[device.kind]) for device in devices]
    ready = ready_for(found)
    text = text_of(ready)
    config = loaded(tmp_path_factory.mktemp("box"), text)
    assert len(config.machines) + len(ready.notes) == len(found)
    assert len(tomllib.loads(text).get("machine", [])) == len(config.machines)
