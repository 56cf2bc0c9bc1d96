"""Pictures stay on the box; when one leaves it, the chain says so first."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.cli import main
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
