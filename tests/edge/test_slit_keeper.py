"""Slit-scans on the box: one an hour, whole, signed once, whatever dies in between."""

from __future__ import annotations

import json
import os
import signal
from hashlib import sha256
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_agent.eye.counting import Frame
from edge_agent.eye.gate import Crossing, GateLine
from edge_agent.keeping.pictures import folder_of, forget_old, keep_picture, pictures_in
from edge_agent.keeping.slit_keeper import LATE_MS, SlitKeeper, SlitRule
from edge_agent.keeping.strips import Closed, Noted, Record, Stretch, StripsFile, read_strips
from evidence.bodies import PICTURE_LIMIT, Direction, Picture, PictureKind
from tests.world.box import BoxUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCK = "gate/dock"
LINE = GateLine(x0=80, y0=0, x1=80, y1=120, in_x=1, in_y=0)
HOUR_MS = 3_600_000
RULE = SlitRule(every_ms=HOUR_MS, send=False, keep_days=30, at_most_bytes=10**9)
FRAME_MS = 100


def crossing(at_ms: int) -> Crossing:
    return Crossing(at_ms=at_ms, direction=Direction.IN, kind="goods", confidence_permille=900, track=1)


class Gate:
    """A camera over a grey floor, and what the box keeps of its line."""

    def __init__(self, directory: Path, rule: SlitRule = RULE) -> None:
        self.box = BoxUnderTest(directory=directory, settings={})
        self.box.clock.at_ms = 1_800_000_000_000 // HOUR_MS * HOUR_MS
        self.rule = rule
        self.floor = np.full((120, 160, 3), 90, np.uint8)

    def start(self) -> None:
        signer = self.box.open()
        with signer.spool.writing():
            signer.declare(DOCK, {"title": "Dock"})
        self.keeper = SlitKeeper(signer, stream=DOCK, title="Dock", line=LINE, rule=self.rule)
        self.keeper.start()

    def die(self) -> None:
        """Killed: what the thread was given is done or not; here it is, so that the test is the same each time."""
        self.settle()
        self.box.die()

    def look(self, seconds: float, item_at: float | None = None) -> None:
        """Pictures; a white item goes in, on the line `item_at` seconds from now."""
        for number in range(round(seconds * 1000 / FRAME_MS)):
            self.box.clock.sleep(FRAME_MS)
            picture = self.floor.copy()
            if item_at is not None:
                x = round(80 + 60 * (number * FRAME_MS / 1000 - item_at))
                picture[40:80, max(0, x - 20) : max(0, x + 20)] = 250
            now_ms = self.box.clock.utc_ms()
            self.keeper.see(Frame(picture=picture, at_ms=now_ms, steady_ms=self.box.clock.steady_ms()))
            if item_at is not None and number == round((item_at + 0.8) * 1000 / FRAME_MS):
                self.keeper.mark([crossing(now_ms - 800)])
            self.keeper.step()

    def settle(self) -> None:
        """The thread has done what it was given."""
        for job in list(self.keeper._jobs):
            job.result(30)
        while self.keeper._drawing is not None:
            self.keeper._drawing.exception(30)
            self.keeper.step()

    def close(self) -> None:
        """The picture ends here."""
        assert self.keeper._open is not None
        self.keeper._hand(self.keeper._open, self.keeper._eye.end())
        self.keeper._close(self.box.clock.utc_ms())

    def later(self, ms: int = LATE_MS + 1000) -> None:
        self.box.clock.sleep(ms)
        self.keeper.step()
        self.settle()
        self.keeper.step()

    def signed(self) -> list[Picture]:
        return [body for body in self.box.statements().bodies(DOCK) if isinstance(body, Picture)]

    def on_disk(self) -> list[bytes]:
        return [kept.sha256 for kept in pictures_in(self.folder)]

    def buffers(self) -> list[Path]:
        return sorted(self.folder.glob("*.strips"))

    @property
    def folder(self) -> Path:
        return folder_of(self.box.box.spool, DOCK)

    def agree(self) -> None:
        """Every hash in the chain is a picture on the disk, whole, and each once."""
        signed = self.signed()
        assert [picture.sha256 for picture in signed] == self.on_disk()
        for picture, kept in zip(signed, pictures_in(self.folder), strict=True):
            octets = kept.read()
            assert octets is not None
            assert len(octets) == picture.length <= PICTURE_LIMIT
            drawn = cv2.imdecode(np.frombuffer(octets, np.uint8), cv2.IMREAD_COLOR)
            assert drawn is not None
            assert drawn.shape[:2] == (picture.height, picture.width)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path)
    made.start()
    yield made
    if made.box.spool is not None:
        made.box.die()


def test_an_hour_is_one_picture_with_its_marks_and_its_hash_in_the_chain(gate: Gate) -> None:
    gate.look(40, item_at=20)
    gate.look(20, item_at=5)
    gate.box.clock.sleep(HOUR_MS - 60_000)
    gate.look(1)
    gate.later()
    (picture,) = gate.signed()
    assert (picture.what, picture.media_type, picture.data) == (PictureKind.SLIT, "image/webp", b"")
    assert [mark.direction for mark in picture.marks] == [Direction.IN] * 2
    assert picture.from_ms // HOUR_MS == (picture.to_ms - 1) // HOUR_MS
    gate.agree()
    assert len(gate.buffers()) <= 1


def test_a_picture_that_is_sent_is_in_its_statement(tmp_path: Path) -> None:
    gate = Gate(tmp_path, SlitRule(every_ms=HOUR_MS, send=True, keep_days=30, at_most_bytes=10**9))
    gate.start()
    gate.look(10, item_at=5)
    gate.keeper.finish()
    (picture,) = gate.signed()
    assert sha256(picture.data).digest() == picture.sha256
    gate.agree()
    gate.box.die()


def test_pictures_of_two_hours_do_not_overlap_and_a_late_crossing_is_in_its_own(gate: Gate) -> None:
    gate.box.clock.sleep(HOUR_MS - 10_000)
    gate.look(10.5, item_at=9)  # counted when the next hour has begun
    gate.later()
    gate.look(5)
    gate.keeper.finish()
    first, second = gate.signed()
    assert first.to_ms <= second.from_ms
    assert (len(first.marks), len(second.marks)) == (1, 0)
    gate.agree()


def test_what_was_kept_before_a_kill_becomes_a_picture_and_the_rest_is_in_none(gate: Gate) -> None:
    gate.look(65, item_at=20)
    before_ms = gate.box.clock.utc_ms()
    gate.die()
    gate.box.clock.sleep(100_000)
    gate.start()
    gate.look(10)
    gate.later()
    (left,) = gate.signed()
    assert before_ms - 31_000 < left.to_ms <= before_ms, "a stretch of 30 s was in memory"
    assert len(left.marks) == 1
    gate.keeper.finish()
    left, new = gate.signed()
    assert new.from_ms >= before_ms + 100_000
    gate.agree()


def test_killed_between_the_picture_and_its_statement_it_is_signed_once(gate: Gate) -> None:
    gate.look(10, item_at=5)
    gate.close()
    gate.box.clock.sleep(LATE_MS + 1000)
    gate.keeper.step()
    assert gate.keeper._drawing is not None
    gate.keeper._drawing.result(30)
    assert len(gate.on_disk()) == 1
    assert gate.signed() == []
    gate.box.die()
    gate.start()
    gate.later()
    assert len(gate.signed()) == 1
    gate.agree()
    assert gate.buffers() == []


def test_killed_between_its_statement_and_the_deletion_of_the_buffer_it_is_not_signed_again(gate: Gate) -> None:
    gate.look(10, item_at=5)
    gate.settle()
    gate.close()
    gate.settle()
    (buffer,) = gate.buffers()
    octets = buffer.read_bytes()
    gate.keeper.finish()
    assert len(gate.signed()) == 1
    gate.box.die()
    buffer.write_bytes(octets)
    gate.start()
    gate.later()
    assert len(gate.signed()) == 1
    assert gate.buffers() == []


@pytest.mark.parametrize("cut", [1, 5, 9, 400, 5_000])
def test_a_buffer_that_was_torn_gives_what_is_whole(tmp_path: Path, cut: int) -> None:
    file = StripsFile(tmp_path / "x.strips")
    records: list[Record] = [
        Noted(at_ms=1, direction=Direction.OUT, is_sure=False),
        Stretch(from_ms=5, columns_per_s=12, columns=9, along=4, still=((0, 3), (5, 9)), file=bytes(4_000)),
        Noted(at_ms=7, direction=Direction.IN, is_sure=True),
        Closed(until_ms=900),
    ]
    for record in records:
        file.append(record, sync=True)
    assert list(read_strips(file.path)) == records
    octets = file.path.read_bytes()
    file.path.write_bytes(octets[: -min(cut, len(octets))])
    whole = list(read_strips(file.path))
    assert whole == records[: len(whole)]
    assert len(whole) < len(records)
    spoilt = bytearray(octets)
    spoilt[min(cut, len(octets)) - 1] ^= 1
    file.path.write_bytes(spoilt)
    assert list(read_strips(file.path)) == records[: len(list(read_strips(file.path)))] != records


def test_a_camera_that_was_away_is_a_gap_in_the_picture(gate: Gate) -> None:
    gate.look(5)
    gate.box.clock.sleep(60_000)
    gate.look(5, item_at=2)
    gate.keeper.finish()
    (picture,) = gate.signed()
    assert 69_000 <= picture.to_ms - picture.from_ms <= 71_000
    assert len(picture.marks) == 1


def test_a_clock_that_is_set_back_ends_the_picture(gate: Gate) -> None:
    gate.look(20)
    gate.box.clock.set(-3_000_000)
    gate.look(20)
    gate.keeper.finish()
    assert len(gate.signed()) == 2
    assert all(picture.to_ms - picture.from_ms < 25_000 for picture in gate.signed())


def test_a_full_disk_costs_pictures_and_nothing_else(gate: Gate) -> None:
    gate.folder.mkdir(parents=True)
    gate.folder.chmod(0o500)
    if os.access(gate.folder, os.W_OK):  # root may write anyway: a file stands in the folder's place
        gate.folder.rmdir()
        gate.folder.write_text("no folder")
    gate.look(70, item_at=30)
    gate.settle()
    assert gate.signed() == []
    if gate.folder.is_file():
        gate.folder.unlink()
    else:
        gate.folder.chmod(0o700)
    gate.look(70, item_at=30)
    gate.keeper.finish()
    gate.agree()
    assert len(gate.signed()) == 1


def test_old_pictures_are_deleted_by_age_and_by_room_and_the_newest_never(tmp_path: Path) -> None:
    day_ms = 86_400_000
    for day in range(1, 11):
        keep_picture(
            tmp_path / "gate-dock",
            bytes([day]) * 1000,
            from_ms=day * day_ms,
            to_ms=day * day_ms + 1,
            what=PictureKind.SLIT,
        )
    folder = tmp_path / "gate-dock"
    assert forget_old(folder, now_ms=10 * day_ms, keep_days=5, at_most_bytes=10**9) == 4
    assert forget_old(folder, now_ms=10 * day_ms, keep_days=5, at_most_bytes=3_000) == 3
    assert forget_old(folder, now_ms=100 * day_ms, keep_days=1, at_most_bytes=1) == 2
    (last,) = pictures_in(folder)
    assert last.from_ms == 10 * day_ms
    assert last.read() == bytes([10]) * 1000
    last.file.write_bytes(b"something else")
    assert last.read() is None


def test_a_still_hour_costs_little_flash(gate: Gate) -> None:
    gate.look(600)
    gate.settle()
    (buffer,) = gate.buffers()
    assert buffer.stat().st_size * 144 < 2_000_000, "bytes a day"


def test_kill_9_in_the_middle_of_an_hour_keeps_what_was_sampled_before(tmp_path: Path) -> None:
    """A real process that is really killed, while its thread writes."""
    key = Gate(tmp_path).box.key
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hear)
        try:
            gate = Gate(tmp_path)
            gate.box.key = key
            gate.start()
            while True:
                gate.look(31, item_at=10)
                gate.settle()
                os.write(say, json.dumps(gate.box.clock.utc_ms()).encode() + b"\n")
        finally:
            os._exit(1)
    os.close(say)
    with os.fdopen(hear, "rb") as lines:
        told_ms = [json.loads(lines.readline()) for _ in range(3)]
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    gate = Gate(tmp_path)
    gate.box.key = key
    gate.box.clock.at_ms = told_ms[-1] + 200_000
    gate.start()
    gate.later()
    (picture,) = gate.signed()
    assert picture.to_ms >= told_ms[-1] - 32_000
    assert len(picture.marks) >= 1
    gate.agree()
    gate.keeper.finish()
    gate.box.die()
