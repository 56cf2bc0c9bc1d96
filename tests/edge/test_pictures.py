"""Pictures stay on the box; when one leaves it, the chain says so first."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.cli import main
from edge_agent.commands.take_picture import NoPictureError, take
from edge_agent.config.load import Config, load
from edge_agent.eye.counting import Picture as Pixels
from edge_agent.eye.track import Box
from edge_agent.keeping.pictures import folder_of, keep_picture
from evidence.bodies import Direction, Event, EventKind, Events, Mark, Picture, PictureKind
from evidence.exits import Exit
from evidence.keys import SigningKey
from tests.world.box import BoxUnderTest, write_config

DOCK = "gate/dock"
AT_MS = 1_800_000_000_000
LEAVES = ("--to", "Bank of Suzhou", "--why", "a recount was asked for")


class Kept:
    """A box with one signed picture."""

    def __init__(self, directory: Path) -> None:
        self.config = write_config(directory)
        key = SigningKey.generate()
        key.save(directory / "signing.pem")
        self.box = BoxUnderTest(directory=directory, settings={}, key=key)
        drawn = np.random.default_rng(1).integers(0, 255, (40, 60, 3), np.uint8)
        self.octets = cv2.imencode(".webp", drawn)[1].tobytes()
        folder = folder_of(self.box.box.spool, DOCK)
        self.kept = keep_picture(folder, self.octets, from_ms=AT_MS, to_ms=AT_MS + 10, what=PictureKind.SLIT)
        self.marks = [Mark(AT_MS + 3, 7, 5, Direction.OUT)]
        signer = self.box.open()
        with signer.spool.writing():
            signer.declare(DOCK, {"title": "Dock"})
            body = Picture(
                from_ms=AT_MS,
                to_ms=AT_MS + 10,
                what=PictureKind.SLIT,
                media_type="image/webp",
                width=60,
                height=40,
                sha256=self.kept.sha256,
                length=len(self.octets),
                marks=self.marks,
            )
            signer.append(DOCK, body)
        self.box.die()

    def run(self, *words: str | Path) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["pictures", "--config", str(self.config), *map(str, words)])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    def left(self) -> list[Event]:
        return [event for event in self.box.statements().events(DOCK) if event.event is EventKind.DISCLOSURE]

    def bodies(self) -> list[Any]:
        return self.box.statements().bodies(DOCK)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_pictures_are_listed_and_nothing_is_signed_by_it(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(kept.bodies())
    assert kept.run("--json") == Exit.OK
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["stream"], told["what"], told["whole"]) == (DOCK, "slit", True)
    assert told["sha256"] == kept.kept.sha256.hex()
    assert kept.run() == Exit.OK
    assert kept.kept.sha256.hex()[:16] in capsys.readouterr().out
    assert len(kept.bodies()) == before


def test_an_altered_picture_is_told(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept.kept.file.write_bytes(kept.octets + b"x")
    assert kept.run() == Exit.EVIDENCE_BROKEN
    assert "ALTERED" in capsys.readouterr().out
    assert kept.run("--send", kept.kept.sha256.hex()[:12], *LEAVES) == Exit.EVIDENCE_BROKEN
    assert kept.left() == []


def test_a_copy_leaves_with_its_reason_in_the_chain(kept: Kept, tmp_path: Path) -> None:
    out = tmp_path / "copy.webp"
    assert kept.run("--export", kept.kept.sha256.hex()[:8], out, *LEAVES) == Exit.OK
    assert out.read_bytes() == kept.octets
    (event,) = kept.left()
    assert event.subject == kept.kept.sha256.hex()
    assert event.says == "exported to Bank of Suzhou: a recount was asked for"
    assert kept.run("--export", kept.kept.sha256.hex()[:8], out, *LEAVES) == Exit.USAGE, "never over another file"
    assert len(kept.left()) == 1


def test_a_picture_that_is_sent_is_in_the_chain_with_its_marks_and_its_reason(kept: Kept) -> None:
    assert kept.run("--send", kept.kept.sha256.hex(), *LEAVES) == Exit.OK
    *_, picture, events = kept.bodies()
    assert isinstance(picture, Picture)
    assert (picture.data, picture.marks) == (kept.octets, kept.marks)
    assert isinstance(events, Events)
    assert "sent to Bank of Suzhou" in kept.left()[0].says


@pytest.mark.parametrize(
    "words",
    [
        ("--send", "0123456789"),
        ("--send", "{sha}"),
        ("--send", "{sha}", "--to", "the bank"),
        ("--send", "{short}", *LEAVES),
        ("--send", "{sha}", "--to", "x" * 300, "--why", "y"),
        ("--send", "{sha}", "--to", "the bank\nand others", "--why", "y"),
    ],
)
def test_without_whom_and_why_nothing_leaves(kept: Kept, words: tuple[str, ...]) -> None:
    sha = kept.kept.sha256.hex()
    assert kept.run(*(word.format(sha=sha, short=sha[:7]) for word in words)) == Exit.USAGE
    assert kept.left() == []


class Seer:
    """Finds what a test says stands in the picture."""

    name, sha256 = "seer 1", bytes(32)

    def __init__(self, *boxes: Box) -> None:
        self._boxes = boxes

    def find(
        self, picture: Pixels, *, zone: Sequence[tuple[float, float]] | None = None, side: float | None = None
    ) -> tuple[Box, ...]:
        del picture, zone, side
        return self._boxes


def a_box(where: tuple[int, int, int, int], kind: str, score: float = 0.9) -> Box:
    x0, y0, x1, y1 = where
    return Box(x0=x0, y0=y0, x1=x1, y1=y1, kind=kind, score=score)


@pytest.fixture
def yard(tmp_path: Path) -> Config:
    """A box that watches a zone; its film is noise, so every sharp pixel is told from a coarse one."""
    key = SigningKey.generate()
    file = write_config(tmp_path)
    key.save(tmp_path / "signing.pem")
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    writer = cv2.VideoWriter(str(tmp_path / "film.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 15, (320, 240))
    for _ in range(5):
        writer.write(noise)
    writer.release()
    zone = f'\n[[zone]]\nname = "yard"\ntitle = "Yard"\nsource = "{tmp_path}/film.mp4"\n'
    file.write_text(file.read_text() + zone + "polygon = [0, 0, 320, 0, 320, 240, 0, 240]\n")
    config = load(file)
    box = BoxUnderTest(directory=tmp_path, settings={}, key=key)
    signer = box.open()
    with signer.spool.writing():
        signer.declare("zone/yard", {"title": "Yard"})
    box.die()
    return config


def test_a_zone_is_taken_with_its_goods_sharp_and_its_people_not(yard: Config) -> None:
    told = take(yard, "yard", finder=Seer(a_box((40, 40, 130, 140), "carton"), a_box((60, 60, 84, 128), "person")))
    picture = cv2.imread(told["file"])
    assert picture is not None
    assert picture.shape == (100, 90, 3)
    detail = np.abs(np.diff(picture.astype(np.int16), axis=1)).mean(axis=2)
    assert detail[2:8, 5:60].mean() > 15
    assert np.median(detail[30:85, 22:42]) < 6, "cells"
    assert Path(told["file"]).parent.name == "zone-yard"


def test_without_goods_nothing_is_taken(yard: Config) -> None:
    for seen in (
        [],
        [a_box((40, 40, 200, 200), "person")],
        [a_box((40, 40, 130, 140), "carton", 0.1)],
        [a_box((0, 0, 300, 200), "carton")],
    ):
        with pytest.raises(NoPictureError, match="no goods"):
            take(yard, "yard", finder=Seer(*seen))
    with pytest.raises(NoPictureError, match="it has: yard"):
        take(yard, "yadr", finder=Seer())
