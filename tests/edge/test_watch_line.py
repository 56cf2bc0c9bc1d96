"""`edge-agent watch-line`: what a device says now, on every kind of line; its frames, failures, a recording of it."""

import argparse
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.codecs.recording import Form, read
from edge_agent.commands.watch_line import add_parser
from edge_agent.keeping.spool import Spool
from evidence.exits import Exit
from tests.world.dlt645_frames import bcd
from tests.world.dlt645_meter import Line645, Meter645
from tests.world.dlt698_meter import Meter698
from tests.world.plant import Fault, Plant, float32
from tests.world.rs485 import Noise, Rs485
from tests.world.terminal import Terminal

BOX = """
[box]
id = "box-1"
enterprise = "Suzhou Tyre"
site = "hall 2"
signing_key = "./signing.key"
spool = "./spool.db"
"""
MACHINE = """
[[machine]]
name = "{name}"
title = "1 号剑杆织机"
bus = "hall"
{place}
profile = "{profile}"
points = [{points}]
"""


def machine(name: str, place: str, profile: str = "eastron_sdm72", points: str = '"active_power"') -> str:
    return MACHINE.format(name=name, place=place, profile=profile, points=points)


def bus(kind: str, where: str) -> str:
    return f'\n[[bus]]\nname = "hall"\nkind = "{kind}"\nperiod_s = 0.1\n{where}\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "box.toml"
    file.write_text(BOX + text, encoding="utf-8")
    return file


def run(file: Path, name: str, *flags: str) -> tuple[Exit, str]:
    out = io.StringIO()
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["watch-line", name, "--config", str(file), *flags])
    return arguments.run(arguments, out), out.getvalue()


def told(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


@contextmanager
def rtu(_: Path) -> Iterator[str]:
    with Rs485(units=(1,), baud=57600) as line:
        line[1].registers.update(float32(52, 3150.5))
        yield bus("modbus-rtu", f'device = "{line.device}"\nbaud = 19200') + machine("loom", "unit = 1")


@contextmanager
def tcp(_: Path) -> Iterator[str]:
    with Plant() as plant:
        plant[0].registers.update(float32(52, 3150.5))
        yield bus("modbus-tcp", f'host = "127.0.0.1"\nport = {plant[0].port}') + machine("loom", "unit = 1")


@contextmanager
def dlt645(_: Path) -> Iterator[str]:
    meter = Meter645("202401150007")
    meter.items["0203FF00"] = bcd("3.1505", 3) + 3 * bcd("1.0500", 3)
    with Line645(meters=[meter], baud=57600) as line:
        where = bus("dlt645-2007", f'device = "{line.device}"\nbaud = 9600')
        yield where + machine("loom", 'address = "202401150007"', "dlt645_2007_three_phase")


@contextmanager
def dlt698(_: Path) -> Iterator[str]:
    with Meter698() as meter:
        where = bus("dlt698.45", f'device = "{meter.device}"')
        yield where + machine("loom", 'address = "000000000005"', "dlt698_three_phase")


@contextmanager
def replay(folder: Path) -> Iterator[str]:
    (folder / "desk.jsonl").write_text('{"offset_ms": 0, "values": {"active_power": 3150.5}}\n', encoding="utf-8")
    yield bus("replay", 'file = "./desk.jsonl"\nloop = true') + machine("loom", "")


LINES: list[tuple[Callable[[Path], Any], str, str]] = [
    (rtu, "3150.5", "response"),
    (tcp, "3150.5", "response"),
    (dlt645, "3150.5", "9"),
    (dlt698, "3456.7", "GET"),
    (replay, "3150.5", ""),
]


@pytest.mark.parametrize(("line", "power", "means"), LINES, ids=[row[0].__name__ for row in LINES])
def test_every_kind_of_line_is_watched_with_its_frames(
    tmp_path: Path, line: Callable[[Path], Any], power: str, means: str
) -> None:
    with line(tmp_path) as text:
        file = written(tmp_path, text)
        code, said = run(file, "loom", "--count", "2", "--json", "--frames")
        assert code is Exit.OK, said
        askings = told(said)
        assert [float(each["values"]["active_power"]) for each in askings] == [float(power)] * 2
        frame = askings[0]["frames"][0]
        assert frame["request"]
        assert means in json.dumps(frame["means"], ensure_ascii=False)
        assert "message" not in frame["means"]
        code, said = run(file, "hall", "--once", "--frames")
    assert code is Exit.OK
    assert "asked 1 times, always answered" in said
    assert "  > " in said
    assert "  < " in said


def test_where_there_is_no_terminal_there_is_a_line_an_asking(tmp_path: Path) -> None:
    with rtu(tmp_path) as text:
        code, said = run(written(tmp_path, text), "loom", "--count", "3")
    assert code is Exit.OK
    lines = said.splitlines()
    assert len(lines) == 3
    assert all(line.endswith("loom  active_power 3150.5 W") for line in lines)
    assert "\x1b" not in said


def test_failures_are_counted_with_their_reason_and_make_the_exit_code(tmp_path: Path) -> None:
    with Rs485(units=(1, 2), baud=57600) as line:
        line[2].fault = Noise.DEAD
        where = bus("modbus-rtu", f'device = "{line.device}"\nbaud = 19200\ntimeout_s = 0.4')
        file = written(tmp_path, where + machine("loom", "unit = 1") + machine("press", "unit = 2"))
        code, said = run(file, "hall", "--count", "2")
        assert code is Exit.WRONG_OUT_THERE
        assert said.count("press  SILENT: no byte came back") == 2
        assert said.count("loom  active_power 0.0 W") == 2
        code, said = run(file, "press", "--once")
        assert "asked 1 times, not in full 1 (SILENT 1; now: no byte came back)" in said
        assert "none" in said
    code, said = run(
        written(tmp_path, bus("modbus-rtu", 'device = "/dev/ttyNOTHERE"') + machine("loom", "")), "loom", "--once"
    )
    assert code is Exit.HARDWARE
    assert "the line cannot be opened" in said


def test_a_device_that_comes_back_is_answering_again(tmp_path: Path) -> None:
    with Plant() as plant:
        plant[0].fault = Fault.CLOSE
        where = bus("modbus-tcp", f'host = "127.0.0.1"\nport = {plant[0].port}')
        file = written(tmp_path, where + machine("loom", "unit = 1"))
        assert run(file, "loom", "--once")[0] is Exit.WRONG_OUT_THERE
        plant[0].fault = Fault.NONE
        assert run(file, "loom", "--once")[0] is Exit.OK


def test_what_is_recorded_can_be_played(tmp_path: Path) -> None:
    with rtu(tmp_path) as text:
        code, _ = run(written(tmp_path, text), "loom", "--count", "3", "--record", str(tmp_path / "desk.csv"))
    assert code is Exit.OK
    with (tmp_path / "desk.csv").open("rb") as lines:
        kept = list(read(lines, Form.CSV))
    assert [float(each.values["active_power"] or 0) for each in kept] == [3150.5] * 3
    assert kept[0].at_ms == 0
    file = written(tmp_path, bus("replay", 'file = "./desk.csv"') + machine("loom", ""))
    code, said = run(file, "loom", "--once", "--json")
    assert (code, float(told(said)[0]["values"]["active_power"])) == (Exit.OK, 3150.5)


def test_while_the_agent_polls_nobody_asks_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Plant() as plant, closing(Spool(tmp_path / "spool.db", box="box-1")) as spool:
        where = bus("modbus-tcp", f'host = "127.0.0.1"\nport = {plant[0].port}')
        file = written(tmp_path, where + machine("loom", "unit = 1"))
        spool.claim("poll")
        code, said = run(file, "loom", "--once")
        assert (code, said) == (Exit.WRONG_OUT_THERE, "")
        assert "sudo systemctl stop qianliyan-poll" in capsys.readouterr().err
        assert not plant[0].ledger


def test_mistakes_are_told_with_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = bus("modbus-tcp", 'host = "127.0.0.1"')
    file = written(tmp_path, where + machine("loom", "unit = 1") + machine("press", "unit = 2"))
    assert run(file, "lom", "--once")[0] is Exit.USAGE
    assert 'called lom (closest: "loom"); there are: loom, press, hall.' in capsys.readouterr().err
    assert run(file, "hall", "--record", str(tmp_path / "a.csv"))[0] is Exit.USAGE
    assert "name one of them" in capsys.readouterr().err
    assert run(file, "loom", "--record", str(tmp_path / "a.txt"))[0] is Exit.HARDWARE
    assert ".jsonl or .csv" in capsys.readouterr().err
    assert run(tmp_path / "none.toml", "loom")[0] is Exit.CONFIGURATION


def test_a_terminal_is_refreshed_in_place_shows_frames_on_demand_and_is_left_as_it_was(tmp_path: Path) -> None:
    with Rs485(units=(1,), baud=57600) as line:
        where = bus("modbus-rtu", f'device = "{line.device}"\nbaud = 19200')
        file = written(tmp_path, where + machine("loom", "unit = 1", points='"active_power", "energy_total"'))
        line[1].registers.update(float32(52, 12.5))
        with Terminal("watch-line", "loom", "--config", str(file), rows=20) as terminal:
            terminal.until("12.5  W")
            line[1].registers.update(float32(52, 3150.5))
            terminal.shows(r"active_power +3150.5  W +[0-9] s +12.5 +3150.5\n")
            assert terminal.screen().count("active_power") == 1
            terminal.type("f\n")
            terminal.until("function_name read input registers")
            terminal.shows("> 01 04")
            terminal.type("\x03")
            assert terminal.ended() == 0
            assert terminal.said.count("\x1b[?1049h") == terminal.said.count("\x1b[?1049l") == 1
            after = terminal.said.partition("\x1b[?1049l")[2]
            assert "3150.5" in after  # what was seen last stays on the terminal
        with Terminal("watch-line", "loom", "--config", str(file), rows=6) as terminal:
            terminal.until("more lines: a taller window shows them")
            terminal.type("q\n")
            assert terminal.ended() == 0
