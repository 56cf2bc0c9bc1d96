"""Statements by stick: all of them, verbatim, and only the receiver's own receipt closes the circle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.cli import main
from evidence.bundle import Entry, entry, header, read_bundle
from evidence.chain import Segment
from evidence.exits import Exit
from evidence.keys import SigningKey
from evidence.receipt import Receipt, StreamReceipt, seal_receipt
from tests.world.box import BOX, BoxUnderTest, Statements, write_config

RECEIVER = SigningKey.generate()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxUnderTest]:
    made = BoxUnderTest(directory=tmp_path)
    made.start()
    made.run(130)
    yield made
    if made.spool is not None:
        made.die()


@pytest.fixture
def config(box: BoxUnderTest) -> Path:
    return write_config(box.directory, receiver=RECEIVER)


def run(*argv: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in argv])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def receipt_file(box: BoxUnderTest, *, key: SigningKey = RECEIVER, of: str = BOX, file: str = "receipt") -> Path:
    assert box.spool is not None
    streams = tuple(
        StreamReceipt(stream=h.stream, segments=(Segment(0, h.next_n - 1, b"", h.sha256),)) for h in box.spool.heads()
    )
    sealed = seal_receipt(key, Receipt(receiver="r", box=of, at_ms=1, streams=streams))
    path = box.directory / file
    path.write_bytes(header() + entry(Entry.RECEIPT, sealed))
    return path


def test_an_export_holds_every_statement_verbatim_while_the_box_works(box: BoxUnderTest, config: Path) -> None:
    bundle = box.directory / "out.bundle"
    assert run("export", "-o", bundle, "--config", config) == Exit.OK
    statements = [content for kind, content in read_bundle(bundle) if kind is Entry.STATEMENT]
    assert Statements.of_encoded(statements, box.key).by_stream == box.statements().by_stream
    assert not (box.directory / "out.bundle.half").exists()


def test_a_receipt_that_is_brought_back_ends_the_resending(
    box: BoxUnderTest, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("receipt", receipt_file(box), "--config", config) == Exit.OK
    assert "0 statements have none yet" in capsys.readouterr().out
    bundle = box.directory / "out.bundle"
    assert run("export", "-o", bundle, "--config", config) == Exit.OK
    assert list(read_bundle(bundle)) == []
    assert run("export", "-o", bundle, "--all", "--config", config) == Exit.OK
    assert len(list(read_bundle(bundle))) > 5


def test_a_forged_receipt_changes_nothing(box: BoxUnderTest, config: Path) -> None:
    assert box.spool is not None
    before = box.spool.count_unsent()
    assert run("receipt", receipt_file(box, key=SigningKey.generate()), "--config", config) == Exit.EVIDENCE_BROKEN
    assert box.spool.count_unsent() == before


def test_a_receipt_for_another_box_changes_nothing(box: BoxUnderTest, config: Path) -> None:
    assert box.spool is not None
    before = box.spool.count_unsent()
    assert run("receipt", receipt_file(box, of="box-2"), "--config", config) == Exit.WRONG_OUT_THERE
    assert box.spool.count_unsent() == before


def test_a_receipt_of_another_history_is_told_as_broken_evidence(
    box: BoxUnderTest, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streams = (StreamReceipt(stream="box", segments=(Segment(0, 999, b"", bytes(32)),)),)
    sealed = seal_receipt(RECEIVER, Receipt(receiver="r", box=BOX, at_ms=1, streams=streams))
    path = box.directory / "receipt"
    path.write_bytes(header() + entry(Entry.RECEIPT, sealed))
    assert run("receipt", path, "--config", config) == Exit.EVIDENCE_BROKEN
    assert "another history of box" in capsys.readouterr().err


def test_a_file_that_is_no_bundle_is_refused(box: BoxUnderTest, config: Path) -> None:
    path = box.directory / "junk"
    path.write_bytes(b"junk")
    assert run("receipt", path, "--config", config) == Exit.EVIDENCE_BROKEN


def test_an_export_that_cannot_be_written_leaves_no_half_file(box: BoxUnderTest, config: Path) -> None:
    assert run("export", "-o", box.directory / "nowhere" / "out", "--config", config) == Exit.HARDWARE


def test_an_export_of_a_box_that_never_ran_makes_no_spool(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run("export", "-o", empty / "out", "--config", write_config(empty)) == Exit.HARDWARE
    assert not (empty / "spool.db").exists()
