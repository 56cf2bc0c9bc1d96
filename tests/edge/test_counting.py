"""Counting from film to totals: rendered gates exactly, a blind camera never as zero, the command as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_agent.eye.counting import Counter, Frame, Lost, SightChange, count
from edge_agent.eye.gate import Crossing, GateLine
from edge_agent.eye.opencv.foreground import Foreground
from edge_agent.eye.opencv.sight import SceneTest
from edge_agent.eye.opencv.sources import open_source
from edge_agent.eye.track import Box
from edge_agent.eye.tracked import Tracked
from evidence.bodies import Sight

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "synth"))

from gate_clip import NoRoomError, Wish, plan, render  # noqa: E402  a script beside the model, not a package

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLIPS = ROOT.parent / "shared" / "clips"


Film = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    path = tmp_path_factory.mktemp("film") / "gate.mp4"
    return path, render(path, Wish(seed=1))


def line_of(truth: dict[str, Any]) -> GateLine:
    (gate,) = truth["gates"]
    (x0, y0), (x1, y1) = gate["line"]
    in_x, in_y = gate["in_normal"]
    return GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=in_x, in_y=in_y)


def pictures(path: Path) -> Iterator[Frame | Lost]:
    source = open_source(str(path))
    assert not isinstance(source, Lost), source.why
    with source:
        yield from source.frames()


def counter_of(line: GateLine) -> Counter:
    return Counter([Tracked(Foreground(), line)], sight=SceneTest())


def crossings_of(path: Path, line: GateLine) -> list[tuple[float, str]]:
    found = count(pictures(path), counter_of(line))
    return sorted((one.at_ms / 1000, one.direction.name.lower()) for one in found if isinstance(one, Crossing))


# ---- rendered film, real decoder ----


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_count_of_a_rendered_gate_equals_its_truth(seed: int, film: Film, tmp_path: Path) -> None:
    path, truth = film
    if seed != 1:
        path = tmp_path / "gate.mp4"
        truth = render(path, Wish(seed=seed))
    counter = counter_of(line_of(truth))
    events = truth["gates"][0]["events"]
    found = [one for one in count(pictures(path), counter) if isinstance(one, Crossing)]
    got = [(one.at_ms / 1000, one.direction.name.lower()) for one in found]
    for direction in ("in", "out"):
        expected = [event["t"] for event in events if event["dir"] == direction]
        assert [t for t, way in got if way == direction] == pytest.approx(expected, abs=0.6)
    assert (counter.total_in, counter.total_out, counter.net) == (truth["in"], truth["out"], truth["in"] - truth["out"])


def test_the_gate_turned_round_counts_the_same_the_other_way(film: Film) -> None:
    path, truth = film
    line = line_of(truth)
    turned = GateLine(x0=line.x1, y0=line.y1, x1=line.x0, y1=line.y0, in_x=-line.in_x, in_y=-line.in_y)
    swap = {"in": "out", "out": "in"}
    assert [(t, swap[way]) for t, way in crossings_of(path, turned)] == crossings_of(path, line_of(truth))


def test_a_film_is_counted_the_same_twice(film: Film) -> None:
    path, truth = film
    one, other = (list(count(pictures(path), Counter([Tracked(Foreground(), line_of(truth))]))) for _ in range(2))
    assert one == other


def test_the_renderer_keeps_its_word(tmp_path: Path) -> None:
    for wish in (Wish(seed=4, seconds=30, goods_in=9, goods_out=3), Wish(seed=5, goods_in=0, goods_out=1)):
        truth, play = plan(wish)
        ways = [event["dir"] for event in truth["gates"][0]["events"]]
        assert (ways.count("in"), ways.count("out")) == (wish.goods_in, wish.goods_out)
        first = next(play)
        assert first.shape == (wish.height, wish.width, 3)
        assert np.array_equal(first, next(plan(wish)[1])), "the same seed gives the same picture"
    with pytest.raises(NoRoomError):
        render(tmp_path / "full.mp4", Wish(seconds=8, goods_in=20))


# ---- blindness ----


def covered(path: Path, *, from_s: float, to_s: float) -> Iterator[Frame | Lost]:
    """The film with a hand over the lens for a while."""
    hand = np.random.default_rng(1)
    for what in pictures(path):
        if isinstance(what, Frame) and from_s <= what.at_ms / 1000 < to_s:
            skin = np.full(what.picture.shape, (40, 60, 110), np.uint8) + hand.integers(
                0, 6, what.picture.shape, np.uint8
            )
            yield Frame(picture=skin, at_ms=what.at_ms, steady_ms=what.steady_ms)
        else:
            yield what


def test_a_covered_camera_is_blind_and_not_zero(film: Film) -> None:
    path, truth = film
    events = list(count(covered(path, from_s=3, to_s=10), counter_of(line_of(truth))))
    sights = [event for event in events if isinstance(event, SightChange)]
    assert [event.sight for event in sights] == [Sight.CLEAR, Sight.BLIND, Sight.CLEAR]
    assert [event.at_ms / 1000 for event in sights] == pytest.approx([0, 3, 10], abs=1.2)
    seen = [event["t"] for event in truth["gates"][0]["events"] if event["t"] > 13]
    assert len([event for event in events if isinstance(event, Crossing) and event.at_ms > 13_000]) == len(seen)
    assert not [event for event in events if isinstance(event, Crossing) and 4_000 < event.at_ms < 10_000]


def test_a_lost_source_is_blind_and_the_end_of_a_recording_is_not() -> None:
    counter = counter_of(GateLine(x0=0, y0=0, x1=9, y1=0, in_x=0, in_y=1))
    assert counter.sight is None
    (change,) = counter.see(Lost(why="unplugged", at_ms=7))
    assert change == SightChange(at_ms=7, sight=Sight.BLIND, why="source lost")
    assert counter.see(Lost(why="unplugged", at_ms=9)) == (), "told once"
    assert counter.see(Lost(why="the end", ended=True)) == ()


# ---- the seam for another detector ----


class Script:
    """A detector that finds what it was told to, in pictures without anything."""

    name = "script"
    sha256 = b"x" * 32

    def __init__(self, boxes: Sequence[tuple[Box, ...]]) -> None:
        self.boxes = iter(boxes)

    def detect(self, frame: Frame) -> tuple[Box, ...]:
        del frame
        return next(self.boxes)


def blanks(times: list[int]) -> list[Frame | Lost]:
    return [Frame(picture=np.zeros((4, 4, 3), np.uint8), at_ms=t + 1_000_000, steady_ms=t) for t in times]


def test_any_detector_can_be_put_in_and_its_kinds_and_scores_come_out() -> None:
    boxes = [(Box(x0=0, y0=8 * n, x1=20, y1=8 * n + 20, score=0.8, kind="carton"),) for n in range(20)]
    line = GateLine(x0=0, y0=80, x1=40, y1=80, in_x=0, in_y=1)
    events = list(count(blanks([66 * n for n in range(20)]), Counter([Tracked(Script(boxes), line)])))
    assert events[0] == SightChange(at_ms=1_000_000, sight=Sight.CLEAR, why="seen")
    (crossing,) = events[1:]
    assert isinstance(crossing, Crossing)
    assert (crossing.kind, crossing.confidence_permille) == ("carton", 800)
    assert crossing.at_ms == pytest.approx(1_000_000 + 66 * 70 / 8, abs=2)


def test_a_wall_clock_that_steps_moves_no_crossing_of_the_tracks() -> None:
    boxes = [(Box(x0=0, y0=8 * n, x1=20, y1=8 * n + 20),) for n in range(20)]
    frames = blanks([66 * n for n in range(20)])
    stepped: list[Frame | Lost] = [
        Frame(picture=one.picture, at_ms=one.at_ms - 3_600_000 * (n > 5), steady_ms=one.steady_ms)
        for n, one in enumerate(frames)
        if isinstance(one, Frame)
    ]
    line = GateLine(x0=0, y0=80, x1=40, y1=80, in_x=0, in_y=1)
    assert (
        len([one for one in count(stepped, Counter([Tracked(Script(boxes), line)])) if isinstance(one, Crossing)]) == 1
    )


def test_after_blindness_nothing_is_carried_across() -> None:
    detector = Script([(Box(x0=0, y0=8 * n, x1=20, y1=8 * n + 20),) for n in range(20)])
    line = GateLine(x0=0, y0=80, x1=40, y1=80, in_x=0, in_y=1)
    frames = blanks([66 * n for n in range(20)])
    frames.insert(4, Lost(why="unplugged"))
    events = list(count(frames, Counter([Tracked(detector, line)])))
    sights = [event.sight for event in events if isinstance(event, SightChange)]
    assert sights == [Sight.CLEAR, Sight.BLIND, Sight.CLEAR]
    assert [event.track for event in events if isinstance(event, Crossing)] == [2], (
        "nobody knows it to be the same thing"
    )


# ---- the command ----


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", "count", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_command_prints_one_object_a_crossing_and_the_totals(film: Film) -> None:
    path, truth = film
    line = line_of(truth)
    gate = f"{line.x0},{line.y0},{line.x1},{line.y1}"
    ran = command(str(path), "--gate", gate, "--in", "0,1", "--json")
    *crossings, total = [json.loads(text) for text in ran.stdout.splitlines()]
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(set(one) == {"t", "dir", "class", "confidence", "source"} for one in crossings)
    assert all(0 < one["confidence"] <= 1 for one in crossings)
    assert (total["in"], total["out"], total["blind_seconds"]) == (truth["in"], truth["out"], 0)
    assert all(one["t"] <= other["t"] + 1 for one, other in pairwise(crossings))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no-film.mp4", "--gate", "0,5,9,5", "--in", "0,-1"], "there is no file"),
        (["pyproject.toml", "--gate", "0,5,9,5", "--in", "-1,1"], "is not a video that can be read"),
        (["pyproject.toml", "--gate", "0,5,9,5", "--in", "1,0"], "across the gate"),
        (["pyproject.toml", "--gate", "0,5,9", "--in", "1,0"], "is not 4 numbers"),
    ],
)
def test_the_command_says_what_is_wrong_with_what_was_typed(words: list[str], says: str) -> None:
    ran = command(*words)
    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_command_tells_of_a_covered_lens(tmp_path: Path, film: Film) -> None:
    path, truth = film
    dark = tmp_path / "dark.mp4"
    writer = cv2.VideoWriter(str(dark), cv2.VideoWriter.fourcc(*"mp4v"), 15, (truth["width"], truth["height"]))
    for number, frame in enumerate(one for one in pictures(path) if isinstance(one, Frame)):
        if number < 60:
            writer.write(frame.picture // (20 if number >= 30 else 1))
    writer.release()
    ran = command(str(dark), "--gate", "10,90,300,90", "--in", "0,1")
    assert "sight blind  why dark" in ran.stdout
    assert "blind_seconds 1." in ran.stdout


# ---- real film ----


@pytest.mark.parametrize("name", ["intel_car", "intel_bolt", "nivedha_belt", "mjz_parcels", "nanizdo_bag"])
def test_real_film_that_foreground_can_count_stays_counted(name: str) -> None:
    truths = CLIPS / "ground_truth.json"
    if not truths.exists():
        pytest.skip(f"the clips are not at {CLIPS}")
    flows = [one for one in json.loads(truths.read_text())["clips"] if one["clip"] == f"{name}.mp4"]
    got = crossings_of(CLIPS / f"{name}.mp4", line_of(flows[0]))
    for direction in ("in", "out"):
        expected = [event["t"] for event in flows[0]["gates"][0]["events"] if event["dir"] == direction]
        assert [t for t, way in got if way == direction] == pytest.approx(sorted(expected), abs=0.6)
