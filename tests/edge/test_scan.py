import argparse
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge_agent.commands.scan import add_parser
from edge_agent.config.load import load
from edge_agent.config.profiles import Function, known_profiles, load_profile
from evidence.exits import Exit
from tests.world.dlt645_meter import Line645, Meter645
from tests.world.meter_memory import Load, Phase, memory_of, words_of
from tests.world.mixed_line import MixedLine
from tests.world.plant import Plant
from tests.world.rs485 import Rs485

ROOT = Path(__file__).parents[2]
LOAD = Load(phases=(Phase(volts=229.6, amps=11.8, power_factor=0.86),) * 3, energy_wh=123_456_780.0)
BOX = """\
# the box of hall 2
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "credential:signing.key"   # never in here
"""
FAST = ("--wait-s", "0.3")


def scanned(*arguments: str) -> tuple[Exit, str]:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["scan", "--config", "/nowhere/box.toml", *arguments])
    out = io.StringIO()
    return parsed.run(parsed, out), out.getvalue()


def as_json(*arguments: str) -> tuple[Exit, dict[str, Any]]:
    code, said = scanned(*arguments, "--json")
    return code, json.loads(said)


def sdm630() -> dict[int, int]:
    profile = load_profile(known_profiles(None)["eastron_sdm630"])
    return words_of(memory_of(profile, LOAD), Function.INPUT_REGISTERS)


@pytest.fixture
def line() -> Iterator[MixedLine]:
    with ExitStack() as stack:
        wire = stack.enter_context(Rs485(units=(3,), baud=57600))
        wire[3].registers.update(sdm630())
        meters = stack.enter_context(Line645(meters=[Meter645("202401150007")], baud=57600))
        yield stack.enter_context(MixedLine({wire.device: 9600, meters.device: 2400}))


NARROW = ("--baud", "9600,2400", "--protocol", "modbus-rtu,dlt645-2007", "--units", "3,4", "--parity", "N,E", *FAST)


def test_a_mixed_line_is_found_identified_and_written_into_the_box_s_file(line: MixedLine, tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    file.write_text(BOX, encoding="utf-8")
    code, said = scanned(line.device, *NARROW, "--wait-s", "0.8", "--config", str(file), "--write")
    assert code is Exit.OK, said
    assert f"unit 3 on {line.device} at 9600 8N1, modbus-rtu: answers = eastron_sdm630 (or eastron_sdm72)" in said
    assert f"meter 202401150007 on {line.device} at 2400 8E1, dlt645-2007: answers = dlt645_2007_three_phase" in said
    assert file.read_text(encoding="utf-8").startswith(BOX)
    config = load(file, credentials=tmp_path)
    assert [(machine.unit, machine.profile.id) for machine in config.machines] == [
        (3, "eastron_sdm630"),
        ("202401150007", "dlt645_2007_three_phase"),
    ]
    before = file.read_bytes()
    code, said = scanned(line.device, *NARROW, "--config", str(file), "--write")
    assert code is Exit.OK
    assert said.count("is there already") == 2
    assert file.read_bytes() == before


def test_programs_get_what_people_get(line: MixedLine) -> None:
    code, told = as_json(line.device, *NARROW, "--no-identify")
    assert code is Exit.OK
    assert told["devices"] == [
        {"port": line.device, "baud": 9600, "parity": "N", "protocol": "modbus-rtu", "unit": 3}
        | {"says": "answers", "profile": None, "tied": []},
        {"port": line.device, "baud": 2400, "parity": "E", "protocol": "dlt645-2007", "address": "202401150007"}
        | {"says": "answers", "profile": None, "tied": []},
    ]
    assert told["exit_code"] == 0
    assert not told["interrupted"]


def test_a_host_that_answers_for_any_unit_is_one_device() -> None:
    with Plant() as plant:
        plant[0].registers.update(
            words_of(memory_of(load_profile(known_profiles(None)["eastron_sdm630"]), LOAD), Function.INPUT_REGISTERS)
        )
        code, told = as_json(f"127.0.0.1:{plant[0].port}", "--protocol", "modbus-tcp", *FAST)
    assert code is Exit.OK
    assert [(device["unit"], device["profile"]) for device in told["devices"]] == [(1, "eastron_sdm630")]
    assert 'kind = "modbus-tcp"\nhost = "127.0.0.1"' in told["toml"]


def test_a_line_where_nobody_answers_gives_a_hint_and_a_port_that_is_not_there_too() -> None:
    near, far = pty.openpty()
    narrow = ("--baud", "9600", "--parity", "N", "--protocol", "modbus-rtu", "--units", "1-3", "--wait-s", "0.01")
    code, said = scanned(os.ttyname(far), *narrow)
    assert code is Exit.WRONG_OUT_THERE
    assert "not one byte came back to 3 questions. Is the device powered" in said
    code, said = scanned("/dev/ttyNOTHERE", *narrow)
    assert code is Exit.HARDWARE
    assert "there is no such port; is the adapter plugged in?" in said
    os.close(near)
    os.close(far)


def test_nothing_is_written_into_a_file_that_is_wrong(line: MixedLine, tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    file.write_text(BOX + "spol = 1\n", encoding="utf-8")
    code, _ = scanned(line.device, *NARROW, "--config", str(file), "--write")
    assert code is Exit.CONFIGURATION
    assert file.read_text(encoding="utf-8") == BOX + "spol = 1\n"
    assert line.asked == 0


@pytest.mark.parametrize(
    "arguments",
    [
        *[("x/y",), ("host:0",), ("--baud", "9601"), ("--parity", "M"), ("--protocol", "canbus"), ("--units", "9-3")],
        *[("--units", "256"), ("--address", "12ab"), ("--quick", "--full"), ("--wait-s", "99")],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        scanned(*arguments)
    assert ended.value.code == Exit.USAGE
    assert "error: argument" in capsys.readouterr().err


def test_ctrl_c_ends_it_and_tells_what_was_found(line: MixedLine) -> None:
    command = [sys.executable, "-m", "edge_agent", "scan", line.device, "--units", "1-247", *FAST, "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as scan:
        assert scan.stdout
        assert scan.stderr
        assert "Ctrl-C ends it" in scan.stderr.readline()
        assert "found: unit 3 on" in scan.stderr.readline()
        scan.send_signal(signal.SIGINT)
        told = json.loads(scan.stdout.read())
        assert scan.wait() == Exit.OK
        assert "Traceback" not in scan.stderr.read()
    assert told["interrupted"]
    assert [device["unit"] for device in told["devices"]] == [3]
