"""Devices of two protocols on one pair of wires: configured, looked at, and polled by turns, each at its own rate."""

import argparse
import io
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_agent.clock import SystemClock
from edge_agent.commands.check import add_parser
from edge_agent.config.load import ConfigurationError, load
from edge_agent.polling.lines import Lines
from evidence.bodies import Failure
from evidence.exits import Exit
from tests.world.dlt645_meter import Line645, Meter645
from tests.world.mixed_line import MixedLine
from tests.world.rs485 import Rs485

if TYPE_CHECKING:
    from edge_agent.reading import Reading

PATIENCE_MS = 60_000
BOX = """
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "./signing.key"
spool = "./spool.db"
"""
BUS = """
[[bus]]
name = "{name}"
kind = "{kind}"
device = "{device}"
baud = {baud}
timeout_s = 0.5
period_s = {period_s}
"""
MACHINE = """
[[machine]]
name = "{name}"
title = "{name}"
bus = "{bus}"
{place}
profile = "{profile}"
points = ["{point}"]
"""


@contextmanager
def mixed() -> Iterator[tuple[MixedLine, str]]:
    """A line, and a configuration for it."""
    with (
        Rs485(units=(3,), baud=57600) as modbus,
        Line645(meters=[Meter645("202401150007")], baud=57600) as meters,
        MixedLine({modbus.device: 9600, meters.device: 2400}) as line,
    ):
        text = (
            BOX
            + BUS.format(name="hall", kind="modbus-rtu", device=line.device, baud=9600, period_s=0.2)
            + BUS.format(name="meters", kind="dlt645-2007", device=line.device, baud=2400, period_s=0.6)
            + MACHINE.format(name="loom", bus="hall", place="unit = 3", profile="eastron_sdm72", point="active_power")
            + MACHINE.format(
                name="main",
                bus="meters",
                place='address = "202401150007"',
                profile="dlt645_2007_single_phase",
                point="voltage",
            )
        )
        yield line, text


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "signing.key").touch()
    file = tmp_path / "box.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_two_protocols_on_one_pair_of_wires_are_polled_by_turns(tmp_path: Path) -> None:
    readings: list[Reading] = []
    clock = SystemClock()
    give_up_ms = clock.steady_ms() + PATIENCE_MS
    with mixed() as (_, text), closing(Lines(clock, readings.append, on_failure=lambda: None)) as lines:
        config = load(written(tmp_path, text))
        lines.start(config)
        while not Counter(main=2, loom=5) <= answered(readings):
            assert clock.steady_ms() < give_up_ms
            clock.wait_until(clock.steady_ms() + 20, threading.Event())
        assert sum(thread.name == config.buses[0].place for thread in threading.enumerate()) == 1
    assert {reading.failure for reading in readings} <= {None, Failure.MISSED}
    assert {reading.values for reading in readings if reading.stream == "machine/main"} >= {(2301,)}


def answered(readings: "list[Reading]") -> Counter[str]:
    return Counter(reading.stream.removeprefix("machine/") for reading in readings if reading.failure is None)


def test_check_asks_both_protocols_and_adds_up_what_they_want_of_the_line(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    out = io.StringIO()
    with mixed() as (_, text):
        arguments = parser.parse_args(["check", "--config", str(written(tmp_path, text))])
        code = arguments.run(arguments, out)
    said = out.getvalue()
    assert "hall and meters: its machines want" in said
    assert "ok    machine/loom: answers" in said
    assert "ok    machine/main: answers" in said
    assert code is Exit.OK, said


def test_two_sections_of_one_kind_for_one_line_are_refused(tmp_path: Path) -> None:
    text = BOX + "".join(
        BUS.format(name=name, kind="modbus-rtu", device="/dev/ttyUSB0", baud=9600, period_s=1) for name in "ab"
    )
    with pytest.raises(ConfigurationError, match="/dev/ttyUSB0, modbus-rtu, 2 times"):
        load(written(tmp_path, text))
