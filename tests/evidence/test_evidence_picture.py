"""`evidence picture`: a bank takes an hour's picture out of a bundle and counts it by eye."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from evidence.bodies import Direction
from tests.evidence.test_evidence_cli import ask
from tests.world.eyes import mark, picture, png
from tests.world.notebook import Notebook, write

DOOR, YARD = "gate/door", "zone/yard"
LEFT, STAYED, YARDS = png(), png(least=1), png(least=2)


@pytest.fixture(scope="module")
def notebook() -> Notebook:
    notebook = Notebook()
    notebook.crossings(DOOR, [], length_ms=3_600_000)
    marks = [mark(notebook.now_ms - 10, 4, Direction.IN), mark(notebook.now_ms - 5, 9, Direction.OUT)]
    picture(notebook, DOOR, LEFT, leaves=True, marks=marks)
    picture(notebook, DOOR, STAYED, leaves=False)
    for data in (png(least=3), YARDS):
        picture(notebook, YARD, data, leaves=True)
    return notebook


@pytest.fixture
def bundle(notebook: Notebook, tmp_path: Path) -> Path:
    return write(tmp_path / "b.bundle", notebook.entries())


def test_every_picture_is_listed_with_where_it_is(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "picture", bundle)
    assert (code, len(out.splitlines())) == (0, 4)
    assert [line.split()[-2] for line in out.splitlines()] == ["here", "box", "here", "here"]
    code, out, _ = ask(capsys, "picture", bundle, "--stream", DOOR, "--json")
    told = json.loads(out)
    assert [(one["n"], one["what"], one["data"]) for one in told] == [(2, "slit", True), (3, "slit", False)]
    assert [one["direction"] for one in told[0]["marks"]] == ["in", "out"]


def test_a_picture_comes_out_as_it_went_in(
    bundle: Path, tmp_path: Path, notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    digest, at = sha256(LEFT).hexdigest(), tmp_path / "hour.png"
    trust = ("--fingerprint", notebook.receiver.public.fingerprint)
    code, out, _ = ask(capsys, "picture", bundle, digest[:8], "--out", at, *trust)
    assert (code, at.read_bytes()) == (0, LEFT)
    assert "2 marks (1 in, 1 out); statement n=2, key vouched for by a roster that you trust" in out
    assert digest in out


def test_a_picture_is_found_by_its_statements_number(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = tmp_path / "hour.png"
    code, out, _ = ask(capsys, "picture", bundle, 2, "--stream", DOOR, "--out", at, "--json")
    assert (code, json.loads(out)["file"], at.read_bytes()) == (0, str(at), LEFT)


def test_a_file_that_somebody_brought_is_looked_up(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brought = tmp_path / "brought.png"
    brought.write_bytes(STAYED)
    code, out, _ = ask(capsys, "picture", bundle, "--is", brought)
    assert (code, "statement n=3" in out) == (0, True)
    brought.write_bytes(STAYED + b"!")
    code, _, err = ask(capsys, "picture", bundle, "--is", brought)
    assert (code, "none of the pictures that were signed here" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((sha256(STAYED).hexdigest(), "--out", "x.png"), "stayed on the box; ask the enterprise for its file"),
        (("0" * 64,), "no picture here is"),
        (("7",), "no picture here is 7"),
        (("2",), "2 pictures are 2; name the stream"),
        (("zzzz",), "neither an n nor"),
        (("--out", "x.png"), "which picture?"),
    ],
)
def test_a_mistake_is_one_sentence(
    bundle: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = ask(capsys, "picture", bundle, *arguments)
    assert (code, out) == (1, "")
    assert said in err


def test_a_picture_never_overwrites_a_file(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = tmp_path / "mine.png"
    at.write_bytes(b"mine")
    code, _, err = ask(capsys, "picture", bundle, sha256(LEFT).hexdigest(), "--out", at)
    assert (code, "exists already" in err, at.read_bytes()) == (1, True, b"mine")


def test_a_picture_that_stayed_first_and_left_later_is_one_picture_with_its_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook, at = Notebook(), tmp_path / "hour.png"
    for leaves in (False, True, False):
        picture(notebook, DOOR, LEFT, leaves=leaves)
    code, _, _ = ask(
        capsys,
        "picture",
        write(tmp_path / "b", notebook.entries()),
        sha256(LEFT).hexdigest(),
        "--out",
        at,
    )
    assert (code, at.read_bytes()) == (0, LEFT)
