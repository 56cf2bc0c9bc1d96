"""A sealed meter as a second witness, through a whole poll: it is opened, and it is exchanged.

One meter at one address is asked every second for the machine's stream, and for its own. Its cover is opened; then,
while the box is off, a magnet is held against it; then its wires are moved to another meter, and back again.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from edge_agent.keeping.spool import Spool, SpoolError
from evidence.bodies import Configuration, Event, EventKind, Failure, Phase, Readings
from evidence.exits import Exit
from evidence.keys import SigningKey
from tests.world.box import BOX, Statements, recounted, write_config
from tests.world.dlt645_frames import bcd
from tests.world.dlt645_meter import Fault645, Line645, Meter645
from tests.world.workshop import Process, process_of

pytestmark = [pytest.mark.story, pytest.mark.timeout(480)]

ADDRESS, NUMBER, OTHER_NUMBER = "202401150007", "202401150007", "998877665544"
MACHINE, METER = "machine/workshop", "meter/yard"
PATIENCE_S: Final = 60.0
BUS = """
[[bus]]
name = "yard"
kind = "dlt645-2007"
device = "{device}"
baud = 9600
timeout_s = 0.5
[[machine]]
name = "workshop"
title = "车间总表"
bus = "yard"
address = "{address}"
profile = "dlt645_2007_single_phase"
points = ["active_power", "energy_import"]
keep = "every"
meter_number = "{number}"
[[machine]]
name = "yard"
title = "总表见证"
stream_kind = "meter"
bus = "yard"
address = "{address}"
profile = "dlt645_2007_meter"
points = ["energy_import", "cover_open_count", "magnetic_interference_count", "clock_date", "clock_time"]
period_s = 2
keep = "every"
meter_number = "{number}"
"""


class Yard:
    """The line, the meter on it, and the box that reads it."""

    def __init__(self, directory: Path, line: Line645, meter: Meter645) -> None:
        self.line, self.meter = line, meter
        self.key = SigningKey.generate()
        self.file = write_config(directory)
        self.key.save(directory / "signing.pem")
        text = self.file.read_text(encoding="utf-8") + "seal_every_s = 1\ncommit_every_s = 0.2\n"
        text += BUS.format(device=line.device, address=ADDRESS, number=NUMBER)
        self.file.write_text(text, encoding="utf-8")
        self.poll: Process = process_of(directory, "poll", log=directory / "poll.log")

    def statements(self) -> Statements:
        spool = self.file.parent / "spool.db"
        with closing(Spool(spool, box=BOX, read_only=True)) as opened:
            return Statements.of_encoded(opened.statements(unsent_only=False), self.key)

    def until(self, done: Callable[[Statements], bool], what: str) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                if done(self.statements()):
                    return
            except SpoolError:
                pass  # not there yet
            assert time.monotonic() < give_up, f"{what}: {self.poll.log}"
            time.sleep(0.1)

    def until_told(self, stream: str, kind: EventKind, phase: Phase) -> None:
        """Both of the event itself, and of a reading after it."""
        self.until(lambda found: bool(told(found, stream, kind, phase)), f"{stream} {kind.name} {phase.name}")

    def until_read(self) -> None:
        """Each stream has a good answer later than now."""
        now_ms = time.time() * 1000

        def is_read(found: Statements) -> bool:
            return all(
                any(window.to_ms > now_ms and not window.failures for window in found.windows(stream))
                for stream in (MACHINE, METER)
            )

        self.until(is_read, "no answer")

    def until_failed(self, *why: Failure) -> None:
        """Each stream was asked later than now, and such was what came."""
        now_ms = time.time() * 1000

        def has_failed(window: Readings) -> bool:
            return window.to_ms > now_ms and any(failure in why for _, failure, _ in window.failures)

        self.until(
            lambda found: all(any(map(has_failed, found.windows(stream))) for stream in (MACHINE, METER)), f"{why}"
        )


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    meter = Meter645(ADDRESS)
    meter.items |= {"04000402": bytes.fromhex(NUMBER)[::-1], "00010000": bcd("1234.56", 4)}
    set_clock(meter, 0)
    with Line645(meters=[meter], baud=9600) as line:
        here = Yard(tmp_path, line, meter)
        here.poll.start()
        try:
            yield here
        finally:
            here.poll.kill9()


def set_clock(meter: Meter645, off_s: int) -> None:
    """It stands still from now on, as far as this test lasts."""
    shown = time.gmtime(time.time() + 8 * 3600 + off_s)
    meter.items["04000101"] = bytes.fromhex(time.strftime("0%w%d%m%y", shown))
    meter.items["04000102"] = bytes.fromhex(time.strftime("%S%M%H", shown))


def told(found: Statements, stream: str, kind: EventKind, phase: Phase) -> list[Event]:
    return [event for event in found.events(stream) if (event.event, event.phase) == (kind, phase)]


def test_a_meter_that_is_opened_and_exchanged_says_so_itself(yard: Yard) -> None:
    yard.until_read()
    yard.meter.items["03300D00"] = bcd(2, 3)
    yard.until_told(METER, EventKind.WITNESS, Phase.NOTED)

    yard.poll.kill9()
    yard.meter.items["03350000"] = bcd(1, 3)
    yard.poll.start()
    yard.until(lambda found: len(told(found, METER, EventKind.WITNESS, Phase.NOTED)) == 2, "the magnet")

    stranger = Meter645(ADDRESS)
    stranger.items |= {"04000402": bytes.fromhex(OTHER_NUMBER)[::-1], "03300D00": bcd(77, 3)}
    stranger.items |= {"00010000": bcd("7777.77", 4), "0001FF00": bcd("7777.77", 4) * 5, "02030000": bcd("7.7777", 3)}
    yard.meter.fault = Fault645.DEAD
    yard.until_failed(Failure.SILENT, Failure.RESTED)
    yard.line.meters[:] = [stranger]
    for stream in (MACHINE, METER):
        yard.until_told(stream, EventKind.IDENTITY, Phase.RAISED)
    yard.until_failed(Failure.STRANGER)

    yard.meter.fault = Fault645.NONE
    yard.line.meters[:] = [yard.meter]
    set_clock(yard.meter, -3600)
    for stream in (MACHINE, METER):
        yard.until_told(stream, EventKind.IDENTITY, Phase.CLEARED)
    yard.until_told(METER, EventKind.CLOCK, Phase.RAISED)
    yard.until_read()
    assert yard.poll.stop() == Exit.OK

    found = yard.statements()
    assert [(e.event.name, e.phase.name, e.subject, e.value, e.reference) for e in found.events(METER)] == [
        ("WITNESS", "NOTED", "cover_open_count", 2, 1),
        ("WITNESS", "NOTED", "magnetic_interference_count", 1, 0),
        ("IDENTITY", "RAISED", "identity", int(OTHER_NUMBER), int(NUMBER)),
        ("IDENTITY", "CLEARED", "identity", int(NUMBER), int(NUMBER)),
        ("CLOCK", "RAISED", "clock", found.events(METER)[-1].value, 300),
    ]
    assert found.events(METER)[0].says == "开表盖 the meter's cover was opened: 1 → 2"
    assert -3700 < (found.events(METER)[-1].value or 0) < -3500
    assert [(e.event.name, e.phase.name) for e in found.events(MACHINE)] == [
        ("IDENTITY", "RAISED"),
        ("IDENTITY", "CLEARED"),
    ]
    for stream in (MACHINE, METER):
        no_word_of_the_stranger(found, stream)
        judged = recounted(found.bodies(stream)).events
        assert judged
        assert (judged.unfounded, judged.missing, judged.still_open) == (0, 0, 0)
    each_reading_is_a_window(found.windows(METER))
    verified(yard)


def no_word_of_the_stranger(found: Statements, stream: str) -> None:
    """From the event on until the right one was back there is no value; his number is among the frames."""
    raised, cleared = (
        told(found, stream, EventKind.IDENTITY, phase)[0].at_ms for phase in (Phase.RAISED, Phase.CLEARED)
    )
    strangers = 0
    for window in found.windows(stream):
        why = {row: failure for row, failure, _ in window.failures}
        for row, at_ms in enumerate(window.times_ms):
            values = [column.values[row] for column in window.columns]
            assert not {77, 7_777_770, 77_777} & set(values)
            assert (why.get(row) is Failure.STRANGER) is (raised <= at_ms < cleared)
            if why.get(row) is Failure.STRANGER:
                assert set(values) == {None}
                strangers += 1
        if window.times_ms and raised <= window.from_ms and window.to_ms <= cleared:
            assert len(window.frames) == 1
            assert bytes(0x33 + octet for octet in bytes.fromhex(OTHER_NUMBER)[::-1]) in window.frames[0][2]
    assert strangers >= 1


def each_reading_is_a_window(windows: list[Readings]) -> None:
    """A period that is longer than the sealing interval: sealed when it was read, whole days in between."""
    assert all(len(window.times_ms) <= 1 for window in windows)
    assert sum(len(window.times_ms) for window in windows) >= 4


def verified(yard: Yard) -> None:
    """What a bank says of the file on a stick."""
    bundle, config = yard.file.parent / "stick.qly", yard.file
    settings = [body for body in yard.statements().bodies(METER) if isinstance(body, Configuration)]
    assert settings[0].settings["identity"] == {"meter_number": NUMBER}
    export = [sys.executable, "-m", "edge_agent", "export", "--all", "-o", str(bundle), "--config", str(config)]
    subprocess.run(export, check=True, capture_output=True, timeout=60)
    trusted = yard.file.parent / "box.pub"
    trusted.write_bytes(yard.key.public.to_cose_key())
    command = [sys.executable, "-m", "evidence.cli", "verify", str(bundle), "--trust", str(trusted), "--json"]
    said = subprocess.run(command, check=False, capture_output=True, timeout=60, text=True)
    assert said.returncode == Exit.OK, said.stdout + said.stderr
    streams = {stream["stream"]: stream for stream in json.loads(said.stdout)["streams"]}
    assert set(streams) == {"box", MACHINE, METER}
