"""Serial ports by what does not change when an adapter is plugged in again."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_agent.config.load import Parity
from edge_agent.config.schema import Near, UnfitError
from edge_agent.config.sections import BUS_KEYS, BusKind, SerialPort
from edge_agent.drivers.serial_line import SerialLine, device_of
from evidence.bodies import Failure
from tests.world.rs485 import Rs485


@dataclass
class Plugged:
    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None


CH340 = Plugged("/dev/ttyUSB0", 0x1A86, 0x7523)
FTDI = Plugged("/dev/ttyUSB1", 0x0403, 0x6001, "A9:1")
TWIN = Plugged("/dev/ttyUSB2", 0x0403, 0x6001, "B2")
BUILT_IN = Plugged("/dev/ttyS0")


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("/dev/ttyS0", "/dev/ttyS0"),
        ("usb:1a86:7523", "/dev/ttyUSB0"),
        ("usb:1A86:7523", "/dev/ttyUSB0"),
        ("usb:0403:6001:A9:1", "/dev/ttyUSB1"),
        ("usb:0403:6001:B2", "/dev/ttyUSB2"),
    ],
)
def test_an_adapter_is_found_wherever_it_is_plugged_in(name: str, device: str) -> None:
    assert device_of(name, lambda: [BUILT_IN, TWIN, CH340, FTDI]) == device


@pytest.mark.parametrize(("name", "says"), [("usb:0403:6001", "2 adapters"), ("usb:0403:6002", "0 adapters")])
def test_two_adapters_alike_or_none_are_no_port(name: str, says: str) -> None:
    with pytest.raises(OSError, match=says):
        device_of(name, lambda: [TWIN, CH340, FTDI])


def test_an_adapter_that_is_not_plugged_in_is_a_line_that_is_down() -> None:
    line = SerialLine(SerialPort(device="usb:fffe:fffe", baud=9600, parity=Parity.NONE, stopbits=1), 100)
    assert line.open() is Failure.LINE_DOWN


def test_a_link_is_followed_anew_each_time_the_line_is_opened(tmp_path: Path) -> None:
    link = tmp_path / "by-path"
    port = SerialPort(device=str(link), baud=9600, parity=Parity.NONE, stopbits=1)
    line = SerialLine(port, 100)
    assert line.open() is Failure.LINE_DOWN
    with Rs485(units=(1,)) as wire:
        link.symlink_to(wire.device)
        assert line.open() is None
        line.close()


@pytest.mark.parametrize("name", ["usb:1a86", "usb:1a86:75234", "usb:1g86:7523", "ttyUSB0", "usb:1a86:7523:"])
def test_a_name_that_is_none_is_a_mistake_in_the_file(name: str, tmp_path: Path) -> None:
    (device,) = [key.kind for key in BUS_KEYS[BusKind.MODBUS_RTU] if key.name == "device"]
    with pytest.raises(UnfitError):
        device.take(name, Near(folder=tmp_path, credentials=None))
    assert device.take("usb:1a86:7523:A 5".replace(" ", ""), Near(folder=tmp_path, credentials=None))
