"""The eye on real films that OpenCV decodes, on cameras that hang and go away, on pictures that show nothing."""

from __future__ import annotations

import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_agent.clock import SystemClock
from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.opencv import sources
from edge_agent.eye.opencv.foreground import Foreground
from edge_agent.eye.opencv.sight import SceneTest
from edge_agent.eye.opencv.sources import open_source
from evidence.bodies import Sight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_agent.eye.counting import Picture

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"
FPS, WIDTH, HEIGHT = 15, 320, 180


def scene(seed: int = 3) -> Picture:
    """A room: large and small things of all greys, with edges everywhere."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for _ in range(80):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        colour = tuple(rng.integers(40, 220, 3).tolist())
        cv2.rectangle(picture, (x, y), (x + int(rng.integers(8, 50)), y + int(rng.integers(8, 40))), colour, -1)
    return picture


def noisy(picture: Picture, seed: int) -> Picture:
    grain = np.random.default_rng(seed).normal(0, 3, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def frames(pictures: list[Picture]) -> Iterator[Frame]:
    for number, picture in enumerate(pictures):
        at_ms = number * 1000 // FPS
        yield Frame(picture=picture, at_ms=at_ms, steady_ms=at_ms)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "room.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    for number in range(30):
        writer.write(noisy(scene(), number))
    writer.release()
    return path


# ---- sources ----


def test_a_file_gives_every_picture_with_its_time(clip: Path) -> None:
    source = open_source(str(clip))
    assert not isinstance(source, Lost)
    with source:
        assert (source.width, source.height, source.fps, source.dropped) == (WIDTH, HEIGHT, FPS, 0)
        *got, last = source.frames()
        assert isinstance(source.read(), Lost), "and stays at its end"
    times = [frame.at_ms for frame in got]
    assert times == [round(number * 1000 / FPS) for number in range(30)]
    assert isinstance(last, Lost)
    assert last.ended


@pytest.mark.parametrize("what", ["text", "empty", "half", "folder", "absent"])
def test_what_is_no_film_is_a_clear_word_and_no_exception(what: str, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    match what:
        case "text":
            path.write_text("this is no film\n" * 100)
        case "empty":
            path.touch()
        case "half":  # the index of an mp4 stands at its end
            path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
        case "folder":
            path.mkdir()
    got = open_source(str(path))
    assert isinstance(got, Lost)
    assert str(path) in got.why
    assert not got.ended


def test_a_film_played_like_a_camera_takes_its_time_and_drops_what_nobody_fetched(clip: Path) -> None:
    clock = SystemClock()
    source = open_source(str(clip), clock=clock, pace=True)
    assert not isinstance(source, Lost)
    begun_ms = clock.steady_ms()
    with source:
        first = source.read()
        threading.Event().wait(0.7)
        second = source.read()
        *_, last = source.frames()
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert second.steady_ms - first.steady_ms > 400, "the newest, not the next"
    assert source.dropped >= 5
    assert clock.steady_ms() - begun_ms >= 1900
    assert isinstance(last, Lost)
    assert last.ended


def test_a_camera_that_goes_away_is_lost_and_stays_lost(clip: Path) -> None:
    handler: Callable[..., SimpleHTTPRequestHandler] = partial(_Quiet, directory=str(clip.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            source = open_source(f"http://127.0.0.1:{server.server_port}/{clip.name}", clock=SystemClock())
            assert not isinstance(source, Lost)
            with source:
                *_, last = source.frames()
                assert isinstance(last, Lost)
                assert not last.ended
                assert isinstance(source.read(wait_ms=10), Lost)
        finally:
            server.shutdown()
            thread.join()


def test_a_camera_that_is_not_there_is_lost_and_its_password_is_not_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    got = open_source(f"rtsp://admin:secret@127.0.0.1:{port}/live", clock=SystemClock())
    assert isinstance(got, Lost)
    assert "secret" not in got.why
    assert f"127.0.0.1:{port}" in got.why


def test_a_camera_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "OPEN_TIMEOUT_MS", 700)
    clock = SystemClock()
    with socket.create_server(("127.0.0.1", 0)) as server:
        begun_ms = clock.steady_ms()
        got = open_source(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live", clock=clock)
    assert isinstance(got, Lost)
    assert clock.steady_ms() - begun_ms < 25_000, "before the usual wait is over"


def test_a_device_that_is_not_there_is_lost() -> None:
    assert isinstance(open_source("/dev/video77", clock=SystemClock()), Lost)


def test_a_live_source_without_a_clock_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="clock"):
        open_source("rtsp://127.0.0.1/live")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


# ---- foreground ----


def boxes_of(pictures: list[Picture]) -> list[int]:
    detector = Foreground()
    return [len(detector.detect(frame)) for frame in frames(pictures)]


def test_a_still_scene_has_nothing_in_it() -> None:
    assert sum(boxes_of([noisy(scene(), number) for number in range(40)])) == 0


def moving(number: int, *, gain: float = 1.0) -> Picture:
    picture = scene().copy()
    if number >= 10:
        x = (number - 10) * 6
        cv2.rectangle(picture, (x, 70), (x + 50, 115), (30, 90, 250), -1)
    return noisy(np.clip(picture * gain, 0, 255).astype(np.uint8), number)


def test_a_thing_that_comes_in_is_one_box_around_it() -> None:
    detector = Foreground()
    for number, frame in enumerate(frames([moving(number) for number in range(40)])):
        boxes = detector.detect(frame)
        if number >= 12:
            (box,) = boxes
            x = (number - 10) * 6
            assert abs(box.x0 - x) <= 6
            assert abs(box.x1 - (x + 50)) <= 6
            assert 0.8 < box.score <= 1


def test_a_jump_of_the_exposure_is_no_crowd() -> None:
    counts = boxes_of([noisy(scene(), number) for number in range(20)] + [moving(20, gain=0.4) for _ in range(20)])
    assert max(counts) <= 3


def test_a_thing_that_stands_for_four_seconds_is_still_there() -> None:
    standing = scene().copy()
    cv2.rectangle(standing, (100, 70), (150, 115), (30, 90, 250), -1)
    counts = boxes_of([noisy(scene(), n) for n in range(15)] + [noisy(standing, n) for n in range(60)])
    assert counts[16:] == [1] * 59


def test_the_same_pictures_give_the_same_boxes() -> None:
    def once() -> list[object]:
        detector = Foreground()
        return [detector.detect(frame) for frame in frames([moving(number) for number in range(30)])]

    assert once() == once()


# ---- sight ----


def sight_of(pictures: list[Picture]) -> list[tuple[Sight, str]]:
    test = SceneTest()
    return [test.judge(frame) for frame in frames(pictures)]


BUBBLES = scene(99)
"""As textured as the scene, and another one."""


@pytest.mark.parametrize(
    ("name", "picture", "why"),
    [
        ("lights off", np.full((HEIGHT, WIDTH, 3), 6, np.uint8), "dark"),
        ("paper", np.full((HEIGHT, WIDTH, 3), 190, np.uint8), "covered"),
        ("hand", cv2.GaussianBlur(scene(5), (0, 0), 25), "covered"),
        ("another scene, as sharp as the old one", BUBBLES, "moved"),
    ],
)
def test_a_picture_that_does_not_show_the_scene_is_blind(name: str, picture: Picture, why: str) -> None:
    seen = sight_of(
        [noisy(scene(), n) for n in range(60)]
        + [noisy(picture, n + 60) if name != "paper" else picture for n in range(30)]
        + [noisy(scene(), n) for n in range(90, 120)]
    )
    assert seen[59] == (Sight.CLEAR, "clear")
    assert seen[60 + FPS] == (Sight.BLIND, why)
    assert seen[-1] == (Sight.CLEAR, "clear")


def test_a_camera_that_is_dark_from_the_first_picture_is_never_clear() -> None:
    assert {sight for sight, _ in sight_of([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 20)} == {Sight.BLIND}


def test_the_same_picture_for_two_seconds_is_frozen_where_noise_was_and_a_new_one_heals_it() -> None:
    living = [noisy(scene(), n) for n in range(4 * FPS)]
    seen = sight_of(living + [living[-1]] * (2 * FPS) + [noisy(scene(), n) for n in range(90, 90 + 2 * FPS)])
    assert seen[5 * FPS] == (Sight.CLEAR, "clear"), "a camera may stutter"
    assert seen[6 * FPS - 1] == (Sight.BLIND, "frozen")
    assert seen[-1] == (Sight.CLEAR, "clear")


def test_a_camera_that_never_lived_is_frozen_only_after_half_a_minute() -> None:
    still = noisy(scene(), 1)
    seen = sight_of([still] * (32 * FPS) + [noisy(scene(), n) for n in range(90, 90 + 2 * FPS)])
    assert seen[29 * FPS] == (Sight.CLEAR, "clear")
    assert seen[32 * FPS - 1] == (Sight.BLIND, "frozen")
    assert seen[-1] == (Sight.CLEAR, "clear")


@pytest.mark.parametrize("gain", [0.45, 0.7, 1.4])
def test_another_light_is_the_same_scene(gain: float) -> None:
    lit = np.clip(scene() * gain, 0, 255).astype(np.uint8)
    seen = sight_of([noisy(scene(), n) for n in range(60)] + [noisy(lit, n) for n in range(60, 100)])
    assert {sight for sight, _ in seen} == {Sight.CLEAR}


def test_a_forklift_before_half_of_the_picture_is_no_cover() -> None:
    with_forklift = scene().copy()
    with_forklift[:, : WIDTH // 2] = scene(7)[:, : WIDTH // 2]
    seen = sight_of([noisy(scene(), n) for n in range(60)] + [noisy(with_forklift, n) for n in range(60, 120)])
    assert {sight for sight, _ in seen} == {Sight.CLEAR}


def test_a_sheet_that_slides_over_a_real_lens_is_blind_and_real_goods_are_not() -> None:
    if not CLIPS.exists():
        pytest.skip(f"the clips are not at {CLIPS}")
    covered = _changes(CLIPS / "vas_occlusion.mp4")
    assert [why for _, why in covered] == ["clear", "covered"]
    assert 3.0 <= covered[1][0] <= 4.3
    for name in ("delta_belt", "intel_car", "mjz_parcels", "nanizdo_bag"):
        assert _changes(CLIPS / f"{name}.mp4") == [(0.0, "clear")]


def _changes(path: Path) -> list[tuple[float, str]]:
    test, changes = SceneTest(), list[tuple[float, str]]()
    source = open_source(str(path))
    assert not isinstance(source, Lost)
    with source:
        for frame in source.frames():
            if isinstance(frame, Frame):
                _, why = test.judge(frame)
                if not changes or changes[-1][1] != why:
                    changes.append((frame.at_ms / 1000, why))
    return changes
