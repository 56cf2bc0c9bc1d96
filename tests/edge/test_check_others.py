"""`edge-agent check` of what is neither Modbus nor a meter's own protocol."""

import argparse
import io
from pathlib import Path

import pytest

from edge_agent.commands.check import add_parser
from evidence.exits import Exit
from tests.world.mtconnect_agent import Agent, Fault

BOX = """
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "./signing.key"
spool = "./spool.db"

[[bus]]
name = "bus"
{bus}

[[machine]]
name = "press"
title = "Press"
bus = "bus"
{machine}
"""


def checked(tmp_path: Path, bus: str, machine: str) -> tuple[Exit, str]:
    (tmp_path / "signing.key").touch()
    (tmp_path / "box.toml").write_text(BOX.format(bus=bus, machine=machine), encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["check", "--config", str(tmp_path / "box.toml")])
    out = io.StringIO()
    return arguments.run(arguments, out), out.getvalue()


MILL = 'profile = "mtconnect_cnc"\npoints = ["execution", "parts"]'


@pytest.mark.parametrize("ask", ["current", "sample"])
def test_an_agent_that_answers_is_told_with_its_values(tmp_path: Path, ask: str) -> None:
    with Agent() as agent:
        agent.say("exec", "ACTIVE")
        agent.say("parts", "41")
        bus = f'kind = "mtconnect"\nurl = "http://127.0.0.1:{agent.port}/Mill-1"\nask = "{ask}"'
        code, said = checked(tmp_path, bus, MILL)
        assert code is Exit.OK, said
        assert "ok    machine/press: answers" in said
        assert "execution                             1 1" in said
        assert agent.ledger == ["GET /Mill-1/current HTTP/1.1"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault.NONE, "NO_VALUE: the agent says UNAVAILABLE, or a word that the profile does not have, for execution"),
        (Fault.HANG, "SILENT: the agent took the question and said nothing"),
        (Fault.HTML, "GARBLED: what came back is no answer of an MTConnect agent"),
        (Fault.BUSY, "BUSY: "),
    ],
)
def test_an_agent_that_does_not_answer_is_told_what_to_look_at(tmp_path: Path, fault: Fault, says: str) -> None:
    with Agent(fault=fault) as agent:
        bus = f'kind = "mtconnect"\nurl = "http://127.0.0.1:{agent.port}"\ntimeout_s = 0.6'
        code, said = checked(tmp_path, bus, 'device = "Mill-1"\n' + MILL)
    assert code is Exit.WRONG_OUT_THERE
    assert f"WRONG machine/press: {says}" in said


def test_a_device_that_the_agent_does_not_have_is_told(tmp_path: Path) -> None:
    with Agent() as agent:
        bus = f'kind = "mtconnect"\nurl = "http://127.0.0.1:{agent.port}"'
        code, said = checked(tmp_path, bus, 'device = "Mill-2"\n' + MILL)
    assert code is Exit.WRONG_OUT_THERE
    assert (
        "REFUSED: the agent does not have the device, or not just one of execution, parts; look at its /probe" in said
    )


def test_a_chip_that_is_not_there_is_hardware(tmp_path: Path) -> None:
    bus = 'kind = "digital"\nchip = "/dev/gpiochip999"'
    code, said = checked(tmp_path, bus, 'profile = "run_contact"\nfirst_line = 17')
    assert code is Exit.HARDWARE
    assert "bus: digital, /dev/gpiochip999\n" in said
    assert "lines from 17, run_contact" in said
    assert "LINE_DOWN: /dev/gpiochip999 cannot be opened; is it there (`gpiodetect`)" in said


def test_a_recording_plays_and_is_called_no_measurement(tmp_path: Path) -> None:
    bus = 'kind = "replay"\nfile = "./press.jsonl"'
    machine = 'profile = "eastron_sdm72"\npoints = ["active_power"]'
    code, said = checked(tmp_path, bus, machine)
    assert code is Exit.WRONG_OUT_THERE
    assert "press.jsonl cannot be read" in said
    (tmp_path / "press.jsonl").write_text('{"offset_ms": 0, "values": {"active_power": 1500.5}}\n')
    code, said = checked(tmp_path, bus, machine)
    assert code is Exit.OK
    assert "ok    machine/press: plays; this is no measurement" in said
    assert "active_power                     1500.5 W" in said
    for text, says in (("", "SILENT"), ("noise\n", "GARBLED"), ('{"offset_ms": 0}\n', "NO_VALUE")):
        (tmp_path / "press.jsonl").write_text(text)
        code, said = checked(tmp_path, bus, machine)
        assert code is Exit.WRONG_OUT_THERE
        assert f"WRONG machine/press: {says}: " in said
