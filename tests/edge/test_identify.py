import argparse
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge_agent.commands.identify import add_parser
from edge_agent.config.load import Config, load
from edge_agent.config.profiles import Function, known_profiles, load_profile
from edge_agent.keeping.database import Database
from evidence.exits import Exit
from tests.world.dlt645_meter import Line645, Meter645
from tests.world.dlt698_meter import Meter698
from tests.world.meter_memory import Load, Phase, memory_of, words_of
from tests.world.plant import Plant
from tests.world.rs485 import Noise, Rs485

LOAD = Load(phases=(Phase(volts=229.6, amps=11.8, power_factor=0.86),) * 3, energy_wh=123_456_780.0)
BOX = """\
# the box of hall 2
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "credential:signing.key"   # never in here
spool = "./spool.db"

[[bus]]
name = "hall"
kind = "modbus-rtu"
device = "{rtu}"
baud = 9600
timeout_s = 0.4

[[bus]]
name = "meters"
kind = "dlt645-2007"
device = "{dlt}"
timeout_s = 0.4

[[machine]]
name = "loom-1"     # by the door
title = "1 号织机"
bus = "hall"
unit = 1
profile = "schneider_iem3000"   # a guess
"""


class World:
    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.wire = stack.enter_context(Rs485(units=(1, 2, 3), baud=115200, turnaround_s=0.001))
        self.meters = stack.enter_context(Line645(meters=[Meter645("202401150007")], baud=115200, turnaround_s=0.001))
        self.file = folder / "box.toml"
        self.file.write_text(BOX.format(rtu=self.wire.device, dlt=self.meters.device), encoding="utf-8")
        for unit, profile, function in (
            (1, "eastron_sdm630", Function.INPUT_REGISTERS),
            (2, "chint_dtsu666", Function.HOLDING_REGISTERS),
        ):
            self.wire[unit].registers.update(words(profile, function))

    def config(self) -> Config:
        return load(self.file, credentials=self.file.parent)

    def identified(self, *arguments: str) -> tuple[Exit, str]:
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        given = ["identify", *arguments, "--config", str(self.file), "--apart-s", "0"]
        parsed = parser.parse_args(given)
        out = io.StringIO()
        return parsed.run(parsed, out), out.getvalue()

    def told(self, *arguments: str) -> dict[str, Any]:
        code, said = self.identified(*arguments, "--json")
        whole: dict[str, Any] = json.loads(said)
        assert whole["exit_code"] == code
        return whole


def words(profile: str, function: Function) -> dict[int, int]:
    return words_of(memory_of(load_profile(known_profiles(None)[profile]), LOAD), function)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, tmp_path)


def test_the_ranking_is_told_with_its_reasons_and_what_the_best_one_reads(world: World) -> None:
    code, said = world.identified("--bus", "hall", "--unit", "2")
    assert code is Exit.OK, said
    assert "1. chint_dtsu666   Chint DTSU666, 24 of 24 points read" in said
    assert "+4  frequency 50 Hz" in said
    assert "+6  3 voltages: 229.6, 229.6, 229.6 V" in said
    assert "active_power                     6989.9 W" in said
    assert "do not fit: " in said


def test_a_three_phase_meter_and_its_small_sister_are_told_as_tied(world: World) -> None:
    told = world.told("loom-1")
    assert told["profile"] == "eastron_sdm630"
    assert [each["profile"] for each in told["ranking"] if each["tied"]][:2] == ["eastron_sdm630", "eastron_sdm72"]
    _, said = world.identified("loom-1")
    assert "tied with eastron_sdm630: reads a part of the same places; look at the plate" in said


def test_writing_changes_a_profile_that_does_not_fit_and_nothing_else(world: World) -> None:
    before = world.file.read_text(encoding="utf-8")
    code, _ = world.identified("loom-1", "--write")
    assert code is Exit.OK
    after = world.file.read_text(encoding="utf-8")
    assert after == before.replace('"schneider_iem3000"', '"eastron_sdm630"')
    world.identified("loom-1", "--write", "--profile", "eastron_sdm72")
    assert world.config().machines[0].profile.id == "eastron_sdm72"
    world.identified("loom-1", "--write")
    assert world.config().machines[0].profile.id == "eastron_sdm72", "one that fits stays as it was chosen"


def test_a_device_that_is_no_machine_yet_becomes_one(world: World) -> None:
    code, _ = world.identified("--bus", "hall", "--unit", "2", "--write")
    assert code is Exit.OK
    new = world.config().machines[1]
    assert (new.name, new.bus.name, new.unit, new.profile.id) == ("dtsu666-2", "hall", 2, "chint_dtsu666")


def test_a_meter_is_found_by_its_address_and_pinned_by_its_numbers(world: World) -> None:
    told = world.told("--bus", "meters", "--address", "202401150007", "--write")
    assert (told["profile"], told["meter_number"]) == ("dlt645_2007_three_phase", "112233445566")
    machine = world.config().machines[1]
    assert machine.unit == "202401150007"
    assert machine.identity is not None
    assert machine.identity.meter_number == "112233445566"
    assert machine.identity.asset_number == told["asset_number"]


def test_a_port_is_asked_without_any_file(world: World) -> None:
    given = ("--device", world.wire.device, "--protocol", "modbus-rtu", "--baud", "19200", "--unit", "2")
    world.file.unlink()
    assert world.told(*given)["profile"] == "chint_dtsu666"
    with Plant() as plant:
        plant[0].registers.update(words("eastron_sdm630", Function.INPUT_REGISTERS))
        host = ("--device", f"127.0.0.1:{plant[0].port}", "--protocol", "modbus-tcp", "--unit", "1")
        assert world.told(*host)["profile"] == "eastron_sdm630"
    with Meter698(address="000000000005") as meter:
        line = ("--device", meter.device, "--protocol", "dlt698.45", "--address", "5")
        told = world.told(*line)
    assert told["profile"] == "dlt698_three_phase"
    assert told["meter_number"] == "112233445566"


def test_a_device_that_fits_nothing_says_so_and_is_not_written(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.wire[3].fault = Noise.BUSY
    before = world.file.read_bytes()
    code, said = world.identified("--bus", "hall", "--unit", "3", "--write")
    assert code is Exit.WRONG_OUT_THERE
    assert "No known profile fits: docs/profiles.md says how to write one." in said
    assert "No profile fits; with --profile one is written all the same" in capsys.readouterr().err
    assert world.file.read_bytes() == before


def test_where_there_is_little_to_go_by_a_person_decides(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.wire[3].registers.update(dict.fromkeys(range(0x10000), 0xFFFF))
    code, said = world.identified("--bus", "hall", "--unit", "3", "--write")
    assert code is Exit.WRONG_OUT_THERE
    assert "1. acrel_ard2f" in said
    assert "little to go by" in said
    assert "acrel_ard2f: look at the plate, and name it with --profile" in capsys.readouterr().err
    code, _ = world.identified("--bus", "hall", "--unit", "3", "--write", "--profile", "acrel_ard2f")
    assert code is Exit.OK
    assert world.config().machines[1].profile.id == "acrel_ard2f"


def test_a_silent_device_and_a_missing_port_are_told_apart(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.wire[1].fault = Noise.DEAD
    code, _ = world.identified("loom-1")
    assert code is Exit.WRONG_OUT_THERE
    assert "it does not answer. Is the device powered" in capsys.readouterr().err
    code, _ = world.identified("--device", "/dev/ttyNOTHERE", "--protocol", "modbus-rtu", "--unit", "1")
    assert code is Exit.HARDWARE
    assert "/dev/ttyNOTHERE cannot be asked: there is no such port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name one of: a machine, --bus with --unit"),
        (("loom-1", "--bus", "hall"), "Name one of"),
        (("loom-7",), 'There is no machine loom-7 (closest: "loom-1") in the box\'s file'),
        (("--bus", "hall"), "On modbus-rtu a device is named with --unit"),
        (("--bus", "meters", "--unit", "1"), "On dlt645-2007 a device is named with --address"),
        (("--device", "/dev/ttyUSB0"), "Say with --protocol what /dev/ttyUSB0 speaks"),
        (("--device", "/dev/ttyUSB0", "--protocol", "modbus-tcp", "--unit", "1"), "cannot speak modbus-tcp"),
        (("loom-1", "--write", "--profile", "eastron_sdm360"), "There is no profile eastron_sdm360 for modbus-rtu"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_what_cannot_be_done_is_told_with_what_can(
    world: World, arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = world.file.read_bytes()
    code, _ = world.identified(*arguments)
    assert code in {Exit.USAGE, Exit.WRONG_OUT_THERE}
    assert says in capsys.readouterr().err
    assert world.file.read_bytes() == before


def test_nothing_is_asked_while_the_agent_asks(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    spool = Database(world.file.parent / "spool.db")
    spool.claim("poll")
    code, _ = world.identified("loom-1")
    spool.close()
    assert code is Exit.WRONG_OUT_THERE
    assert "stop it first (sudo systemctl stop qianliyan-poll)" in capsys.readouterr().err
    assert world.wire[1].asked == 0
