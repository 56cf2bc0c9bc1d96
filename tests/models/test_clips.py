"""Rendered gate clips: their truth is what their tracks did, a seed is a clip, and the film runs as long as it says."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "synth"))

import clips  # noqa: E402  a script beside the model, not a package
import stills  # noqa: E402
from belts import Drive  # noqa: E402
from draw import NoGraphicsError  # noqa: E402
from truth import Gate, Seen, crossings, gate_across  # noqa: E402

GATE = Gate(line=((50, 0), (50, 100)), in_normal=(1.0, 0.0))


@pytest.fixture
def painter() -> None:
    """Mesa's software renderer, or a reason why not."""
    pytest.importorskip("moderngl", reason="moderngl is not installed (extras dev and train have it)")
    try:
        stills.painter()
    except NoGraphicsError as problem:
        pytest.skip(str(problem))


def along(*centres: tuple[float, float]) -> list[Seen]:
    return [Seen(t=float(k), box=(x - 5, y - 5, x + 5, y + 5), visible=1.0) for k, (x, y) in enumerate(centres)]


def ways(track: list[Seen]) -> list[tuple[float, bool]]:
    return [(c.t, c.inward) for c in crossings(track, GATE, item="carton", id_=1)]


def test_a_centre_that_crosses_the_segment_is_one_crossing_at_the_moment_on_the_line() -> None:
    assert ways(along((40, 50), (45, 50), (55, 50), (60, 50))) == [(1.5, True)]


def test_there_and_back_is_one_in_and_one_out() -> None:
    assert ways(along((40, 50), (60, 50), (60, 50), (40, 50))) == [(0.5, True), (2.5, False)]


def test_what_trembles_on_the_line_or_passes_beside_the_segment_does_not_cross() -> None:
    assert ways(along((40, 50), (49.5, 50), (50.5, 50), (49.5, 50), (40, 50))) == []
    assert ways(along((40, 150), (60, 150))) == []


def test_what_begins_inside_does_not_cross_by_standing_there() -> None:
    assert ways(along((60, 50), (70, 50))) == []


def test_a_gate_s_inward_side_is_the_one_asked_for() -> None:
    assert gate_across((50, 100), (50, 0), (3, 1)).in_normal == (1.0, 0.0)
    assert gate_across((50, 100), (50, 0), (-3, 1)).in_normal == (-1.0, 0.0)


def test_a_belt_has_run_as_far_as_its_speeds_say() -> None:
    drive = Drive(steps=((0, 1.0), (2, 0.0), (3, -0.5)))
    assert [drive.run(t) for t in (0, 1, 2.5, 4)] == [0, 1, 2, 1.5]


@pytest.mark.parametrize("kind", clips.KINDS)
@pytest.mark.usefixtures("painter")
def test_a_clip_s_truth_is_what_its_tracks_did(kind: str, tmp_path: Path) -> None:
    made = replace(clips.plan(kind, 3, seconds=5, size=(160, 120)), fps=3.0, repeat=1)
    entry = clips.render(made, tmp_path / "clip.mp4", with_tracks=True)
    gate = entry["gates"][0]
    tracks: dict[int, list[Seen]] = {}
    kinds: dict[int, str] = {}
    for number, now in enumerate(entry["tracks"]):
        for one in now:
            box = tuple(one["box"])
            kinds[one["id"]] = one["class"]
            tracks.setdefault(one["id"], []).append(Seen(t=number / 3, box=box, visible=one["visible"]))
    (x0, y0), (x1, y1) = gate["line"]
    line = Gate(line=((x0, y0), (x1, y1)), in_normal=tuple(gate["in_normal"]))
    goods, others = clips.crossed(tracks, line, kinds)
    assert sorted((e["id"], e["dir"]) for e in gate["events"]) == sorted((c.id, _dir(inward=c.inward)) for c in goods)
    assert sorted(e["id"] for e in gate["others"]) == sorted(c.id for c in others)
    assert entry["in"] == sum(e["dir"] == "in" for e in gate["events"])
    assert not {e["item"] for e in gate["events"]} & {"person", "forklift"}


def _dir(*, inward: bool) -> str:
    return "in" if inward else "out"


@pytest.mark.usefixtures("painter")
def test_the_command_writes_a_clip_of_its_length_and_the_same_one_for_the_same_seed(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "models" / "synth" / "clips.py")]
    for name in ("a.mp4", "b.mp4"):
        options = ["--kind", "hands", "--seed", "7", "--seconds", "0.6", "--size", "96x64", "--json"]
        done = subprocess.run([*command, str(tmp_path / name), *options], check=True, capture_output=True, text=True)
    entry = json.loads(done.stdout)
    film = cv2.VideoCapture(str(tmp_path / "b.mp4"))
    assert (
        int(film.get(cv2.CAP_PROP_FRAME_COUNT))
        == entry["frames"]
        == round(0.6 * entry["pictures_fps"]) * round(entry["fps"] / entry["pictures_fps"])
    )
    first = json.loads((tmp_path / "a.json").read_text())
    assert {**first, "clip": "b.mp4"} == entry
    assert (tmp_path / "a.mp4").stat().st_size == (tmp_path / "b.mp4").stat().st_size
