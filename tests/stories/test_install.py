"""A stranger with docs/install-a-box.md, a box, and a line of mixed meters: what the page says is what happens.

The page's console blocks are run in its order: a line that begins with `$ ` is given to the shell, and each line below
it must come in that order; `…` stands for anything. /dev/ttyUSB0 is a pseudo-terminal here.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config.load import load
from evidence.exits import Exit
from evidence.judging.judge import Threshold
from tests.world.bench_line import BenchLine, bench_line
from tests.world.box import write_config
from tests.world.terminal import Terminal

pytestmark = [pytest.mark.story, pytest.mark.timeout(480)]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "install-a-box.md"
PORT, FILE = "/dev/ttyUSB0", "/etc/qianliyan/box.toml"
PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of the page, and what the page says that it prints."""

    command: tuple[str, ...]
    prints: tuple[str, ...]


def steps(page: str) -> Iterator[Step]:
    for block in re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *prints = part.splitlines()
            program, *arguments = shlex.split(command)
            assert program == "edge-agent"
            yield Step(command=tuple(arguments), prints=tuple(line for line in prints if line != "…"))


def assert_prints(said: str, wanted: tuple[str, ...]) -> None:
    rest = said
    for line in wanted:
        pattern = ".*?".join(map(re.escape, line.split("…")))
        found = re.search(pattern, rest)
        assert found, f"the page promises {line!r}; what came then was\n{rest}"
        rest = rest[found.end() :]


class Stranger:
    """Does what the page says, with his own port and file."""

    def __init__(self, line: BenchLine, file: Path) -> None:
        self._line, self._file = line, file

    def own(self, step: Step) -> list[str]:
        given = [self._line.device if word == PORT else word for word in step.command]
        return [*given, "--config", str(self._file)]

    def does(self, step: Step) -> str:
        command = [sys.executable, "-m", "edge_agent", *self.own(step)]
        ended = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
        )
        said = ended.stdout.replace(self._line.device, PORT).replace(str(self._file), FILE)
        assert ended.returncode == Exit.OK, said
        return said

    def walks(self, step: Step) -> str:
        """At the machine, with a terminal."""
        seconds = ("--off", "8", "--idle", "8", "--running", "8")
        with Terminal(*self.own(step), *seconds) as terminal:
            for number, load in enumerate(("off", "idles", "works"), 1):
                terminal.until(f"{number}/3")
                self._line.load(load)
                terminal.until({"off": " 0 W", "idles": "535 W", "works": "7.01 kW"}[load])
                terminal.type("\n")
            terminal.until("[y/N]")
            terminal.type("y\n")
            assert terminal.ended() == Exit.OK
            return terminal.said.replace(str(self._file), FILE)

    def names(self) -> None:
        """With an editor, as the page says."""
        text = self._file.read_text(encoding="utf-8").replace('"sdm630-1"', '"loom-1"')
        self._file.write_text(text.replace("Eastron SDM630 v1/v2, unit 1", "1 号剑杆织机"), encoding="utf-8")

    def polls(self, streams: set[str]) -> dict[str, Any]:
        """What the box says of each stream, once it has read all of these."""
        command = [sys.executable, "-m", "edge_agent", "poll", "--config", str(self._file)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as poll:
            give_up_s = time.monotonic() + PATIENCE_S
            while not streams <= {name for name, told in self.status().items() if told["last_good_ms"]}:
                assert time.monotonic() < give_up_s, self.status()
            read = self.status()
            poll.terminate()
            assert poll.wait(PATIENCE_S) == Exit.OK
        return read

    def status(self) -> dict[str, Any]:
        asked = [sys.executable, "-m", "edge_agent", "status", "--json", "--config", str(self._file)]
        ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        told = json.loads(ended.stdout or '{"streams": []}')  # nothing before there is a spool
        return {stream["stream"]: stream for stream in told["streams"]}


def test_a_stranger_brings_up_a_line_of_mixed_meters_from_the_page_alone(tmp_path: Path) -> None:
    file = write_config(tmp_path, key=True)
    scan, identify, pin, check, calibrate = steps(PAGE.read_text(encoding="utf-8"))
    with bench_line() as line:
        stranger = Stranger(line, file)
        assert_prints(stranger.does(scan), scan.prints)
        stranger.names()
        for step in (identify, pin, check):
            assert_prints(stranger.does(step), step.prints)
        assert_prints(stranger.walks(calibrate), calibrate.prints)
        config = load(file)
        read = stranger.polls({machine.stream for machine in config.machines})
    assert [
        (machine.name, machine.bus.kind.value, machine.unit, machine.profile.id) for machine in config.machines
    ] == [
        ("loom-1", "modbus-rtu", 1, "eastron_sdm630"),
        ("dtsu666-3", "modbus-rtu", 3, "chint_dtsu666"),
        ("meter-0007", "dlt645-2007", "202401150007", "dlt645_2007_three_phase"),
    ]
    rule = config.machines[0].run_state
    assert isinstance(rule, Threshold)
    assert 20_000 < rule.idle_above_mw < 535_000 < rule.running_above_mw < 7_010_000
    assert config.machines[2].identity is not None
    assert config.machines[2].identity.meter_number == "112233445566"
    for machine in config.machines:
        assert read[machine.stream]["last_good_ms"] is not None, read
        assert read[machine.stream]["last_failure"] is None, read
