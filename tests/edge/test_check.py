import argparse
import io
import json
from pathlib import Path

from edge_agent.commands.check import add_parser
from evidence.exits import Exit
from tests.world.plant import Fault, Plant, float32
from tests.world.rs485 import Noise, Rs485

BOX = """
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "./signing.key"
spool = "./spool.db"
"""
MACHINE = """
[[machine]]
name = "press-{unit}"
title = "Press {unit}"
bus = "{bus}"
unit = {unit}
profile = "eastron_sdm72"
"""


def tcp_bus(port: int, name: str = "gateway") -> str:
    return f'[[bus]]\nname = "{name}"\nkind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\ntimeout_s = 0.4\n'


def run(tmp_path: Path, text: str, *flags: str) -> tuple[Exit, str]:
    (tmp_path / "signing.key").touch()
    (tmp_path / "box.toml").write_text(text, encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["check", "--config", str(tmp_path / "box.toml"), *flags])
    out = io.StringIO()
    return arguments.run(arguments, out), out.getvalue()


def test_check_prints_what_every_device_says(tmp_path: Path) -> None:
    with Plant() as plant:
        plant[0].registers.update(float32(52, 1500.5) | float32(72, 12.345) | float32(342, 13.0))
        text = BOX + tcp_bus(plant[0].port) + MACHINE.format(unit=1, bus="gateway")
        code, said = run(tmp_path, text)
        assert code is Exit.OK, said
        assert "active_power                     1500.5 W" in said
        assert "energy_import                     12345 Wh" in said
        code, said = run(tmp_path, text, "--json")
    found = json.loads(said)
    assert (code, found["exit_code"], found["box"]) == (0, 0, "box-1")
    assert found["settings"]["machine/press-1"]["profile"] == "eastron_sdm72"
    (press,) = [finding for finding in found["findings"] if finding["about"] == "machine/press-1"]
    assert press["values"][0] == ["active_power", "1500.5", "W"]


def test_check_asks_each_device_only_as_often_as_it_must(tmp_path: Path) -> None:
    with Plant() as plant:
        run(tmp_path, BOX + tcp_bus(plant[0].port) + MACHINE.format(unit=1, bus="gateway"))
        assert len(plant[0].ledger) == 3
        assert {request[7] for request in plant[0].ledger} == {4}


def test_a_device_that_is_silent_or_refuses_makes_the_check_fail_and_says_what_to_do(tmp_path: Path) -> None:
    with Plant(machines=3) as plant:
        plant[0].fault = Fault.HANG
        plant[1].absent = {342, 343}
        plant[2].fault = Fault.CLOSE
        text = BOX + "".join(
            tcp_bus(plant[at].port, f"bus-{at}") + MACHINE.format(unit=at + 1, bus=f"bus-{at}") for at in range(3)
        )
        code, said = run(tmp_path, text)
    assert code is Exit.WRONG_OUT_THERE
    assert "WRONG machine/press-1: SILENT: no byte came back; check the wiring" in said
    assert "WRONG machine/press-2: REFUSED: the device does not give energy_total; check the profile" in said
    assert "WRONG machine/press-3: LINE_DOWN: 127.0.0.1" in said
    assert "3 wrong" in said


def test_a_serial_line_is_asked_and_a_missing_adapter_is_hardware(tmp_path: Path) -> None:
    bus = '[[bus]]\nname = "line"\nkind = "modbus-rtu"\ndevice = "{device}"\nbaud = 19200\ntimeout_s = 0.4\n'
    machines = MACHINE.format(unit=1, bus="line") + MACHINE.format(unit=2, bus="line")
    with Rs485(units=(1, 2), baud=57600) as wire:
        wire[2].fault = Noise.DEAD
        text = BOX + bus.format(device=wire.device) + machines
        code, said = run(tmp_path, text)
        assert code is Exit.WRONG_OUT_THERE
        assert "ok    machine/press-1: answers" in said
        assert "(it leaves the factory at 9600 baud, 8N1)" in said
    code, said = run(tmp_path, BOX + bus.format(device="/dev/ttyNOTHERE") + machines)
    assert code is Exit.HARDWARE
    assert "is the adapter plugged in" in said


def test_a_wrong_file_is_told_in_full_also_as_json(tmp_path: Path) -> None:
    code, said = run(tmp_path, BOX + "spol = 1\nkep = 2\n")
    assert code is Exit.CONFIGURATION
    assert len(said.splitlines()) == 2
    code, said = run(tmp_path, BOX + "spol = 1\nkep = 2\n", "--json")
    assert code is Exit.CONFIGURATION
    assert [complaint["wanted"] for complaint in json.loads(said)["complaints"]] == ['"spool"', '"keep"']


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    text = BOX.replace("signing.key", "other.key") + (
        '[uplink]\nhost = "h"\nca = "./ca"\ncert = "./cert"\nkey = "./key"\nreceiver_key = "./receiver"\n'
        '[[camera]]\nname = "dock"\ntitle = "Dock"\nsource = "film.mp4"\ngate = [0, 0, 9, 9]\nin_normal = [1, 0]\n'
    )
    code, said = run(tmp_path, text)
    assert code is Exit.CONFIGURATION
    wrong = [line.split()[1] for line in said.splitlines() if line.startswith("WRONG")]
    assert wrong == [
        *("box.signing_key:", "uplink.ca:", "uplink.cert:", "uplink.key:", "uplink.receiver_key:"),
        "gate/dock:",
    ]


def test_a_line_that_is_asked_for_more_than_it_carries_is_told(tmp_path: Path) -> None:
    bus = '[[bus]]\nname = "line"\nkind = "modbus-rtu"\ndevice = "/dev/ttyNOTHERE"\nbaud = 9600\n'
    many = "".join(MACHINE.format(unit=unit, bus="line") for unit in range(1, 15))
    code, said = run(tmp_path, BOX + bus + many)
    assert code is Exit.CONFIGURATION
    assert "WRONG line: its machines want 140% of the line's time; name fewer points" in said
