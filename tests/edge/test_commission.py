"""What an installer is told of his camera's place, and what is written of it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.cli import main
from edge_agent.config.load import load
from edge_agent.config.sections import Way
from edge_agent.eye.gate import GateLine
from edge_agent.installing.commission import Findings, Look, Passed, findings_of
from evidence.exits import Exit
from tests.world.box import write_config

LINE = GateLine(x0=160, y0=0, x1=160, y1=180, in_x=1, in_y=0)
SIZE = (320, 180)
FPS = 15


def film(path: Path, *, passes: int = 4, speed: float = 220) -> Path:
    """Items of 50 x 36 pixels go over a textured floor, one after the other, at one speed."""
    rng = np.random.default_rng(1)
    floor = np.repeat(cv2.GaussianBlur(rng.integers(60, 140, (180, 320), np.uint8), (0, 0), 2)[..., None], 3, axis=2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    every = 440 / speed
    for number in range(round((1 + passes * every) * FPS)):
        picture = floor.copy()
        x = round(-50 + speed * ((number / FPS - 1) % every)) if number >= FPS else -60
        picture[70:106, max(0, x) : max(0, x + 50)] = (40, 150, 220)
        writer.write(picture)
    writer.release()
    return path


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["commission", *map(str, words)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def findings(
    passes: int = 5,
    *,
    spread: float = 0.0,
    fps: float = 15,
    brightness: float = 120,
    change: float = 1,
    on_line: int = 0,
    size: float = 40,
    exemplar: tuple[float, float, float, float] | None = None,
) -> Findings:
    seen = [
        Passed(at_ms=5_000 * n, width=size + n, height=30, speed_px_per_s=100 * (1 + spread * (n % 3)))
        for n in range(passes)
    ]
    looks = [
        Look(at_ms=round(1000 * n / fps), brightness=brightness, change=change, on_line=on_line)
        for n in range(round(60 * fps))
    ]
    return findings_of(seen, looks, LINE, size=SIZE, exemplar=exemplar)


def test_a_belt_is_known_by_its_one_speed() -> None:
    found = findings()
    assert (found.item_px, found.way, found.warnings) == ((42, 30), "belt", ())
    assert found.speed_px_per_s == 100
    assert found.frames_per_s == pytest.approx(15, abs=0.1)
    assert findings(spread=1.0).way == "door"


def test_from_few_passes_nothing_is_proposed_but_what_was_shown_by_hand() -> None:
    found = findings(2)
    assert (found.item_px, found.speed_px_per_s, found.way) == (None, None, None)
    assert "things passed" in found.warnings[0]
    shown = findings(0, exemplar=(10, 20, 60, 50))
    assert (shown.item_px, shown.warnings) == ((50, 30), ())


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (findings(fps=8), "pictures a second"),
        (findings(brightness=12), "dark"),
        (findings(change=9), "trembles"),
        (findings(on_line=1), "without a pass"),
        (findings(size=6), "nearer"),
        (findings(spread=9.0), "between two pictures"),
    ],
)
def test_what_speaks_against_the_place_is_said(found: Findings, word: str) -> None:
    assert any(word in warning for warning in found.warnings)


def test_a_gate_outside_the_picture_is_said() -> None:
    looks = [Look(at_ms=n * 60, brightness=100, change=1, on_line=0) for n in range(10)]
    wide = GateLine(x0=0, y0=100, x1=640, y1=100, in_x=0, in_y=1)
    assert "out of the picture" in findings_of([], looks, wide, size=SIZE).warnings[0]


def test_a_film_is_watched_and_its_gate_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, drawn = film(tmp_path / "film.mp4"), tmp_path / "gate.png"
    code = run(clip, "--gate", "160,0,160,180", "--in", "1,0", "-o", drawn, "--json")
    told = json.loads(capsys.readouterr().out)
    assert code == (Exit.WRONG_OUT_THERE if told["warnings"] else Exit.OK)
    assert told["passes"] == 4
    width, height = told["proposed"]["item_px"]
    assert 40 <= width <= 62
    assert 30 <= height <= 46
    assert told["proposed"]["speed_px_per_s"] == pytest.approx(220, rel=0.2)
    assert told["proposed"]["way"] == "belt"
    assert told["proposed"]["frames_per_s"] == pytest.approx(FPS, abs=0.3)
    picture = cv2.imread(str(drawn))
    assert picture is not None
    assert picture.shape == (180, 320, 3)
    assert not told["written"]


def test_what_was_found_is_written_into_the_file_and_nothing_else_is_changed(tmp_path: Path) -> None:
    clip = film(tmp_path / "film.mp4", passes=3)
    config = write_config(tmp_path, key=True)
    camera = f'\n[[camera]]  # the dock\nname = "dock"\ntitle = "Dock"\nsource = "{clip}"\n'
    camera += "gate = [160, 0, 160, 180]\nin_normal = [1, 0]\n"
    config.write_text(config.read_text() + camera)
    before = config.read_text()
    run("dock", "--config", config, "--seconds", "1")
    assert config.read_text() == before
    run("dock", "--config", config, "--write", "--exemplar", "10,20,60,50")
    (dock,) = load(config).cameras
    assert (dock.item_px, dock.way) == ((50, 30), Way.BELT)
    assert dock.frames_per_s_milli == pytest.approx(15_000, abs=300)
    assert config.read_text().startswith(before.rstrip("\n"))


@pytest.mark.parametrize(
    "words", [("nobody",), ("film.mp4", "--gate", "0,0,9,9"), ("film.mp4", "--gate", "0,0,9,9", "--in", "1,1")]
)
def test_mistakes_are_told_in_a_sentence(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, key=True)
    assert run(*words, "--config", config) in (Exit.USAGE, Exit.HARDWARE)
    assert "edge-agent commission: " in capsys.readouterr().err
