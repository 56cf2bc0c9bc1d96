"""A rendered day: the camera's states and the stock are told as the plan has them, and the pictures show them."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "synth"))

import stills  # noqa: E402  a script beside the model, not a package
import warehouse_day  # noqa: E402
from draw import NoGraphicsError  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def painter() -> None:
    """Mesa's software renderer, or a reason why not."""
    pytest.importorskip("moderngl", reason="moderngl is not installed (extras dev and train have it)")
    try:
        stills.painter()
    except NoGraphicsError as problem:
        pytest.skip(str(problem))


def test_a_day_s_truth_is_its_plan_and_its_pictures_show_it(tmp_path: Path) -> None:
    day = warehouse_day.plan(2, seconds=24, size=(192, 108))
    truth = warehouse_day.render(day, tmp_path / "day.mp4", fps=2)
    assert [c["state"] for c in truth["conditions"]] == [
        *("clear", "dark", "clear", "covered", "clear", "defocused", "clear", "moved", "clear")
    ]
    assert [c["t"] for c in truth["stock"]] == [0.0, 8.0, 9.6, 14.8, 22.0]
    before, *after = [c["all"] for c in truth["stock"]]
    assert after[0] > before
    assert after[0] > after[1] > after[2] > after[3]
    assert all(0 < c["count"] <= c["all"] for c in truth["stock"])
    assert {change["t"] for change in truth["changes"]} == {c["t"] for c in truth["stock"]} - {0.0}
    assert all(change["began"] < change["t"] < change["settled"] for change in truth["changes"])
    film = cv2.VideoCapture(str(tmp_path / "day.mp4"))
    assert int(film.get(cv2.CAP_PROP_FRAME_COUNT)) == truth["frames"] == 48
    pictures = [film.read()[1] for _ in range(48)]
    mean = [float(np.mean(p)) for p in pictures]
    assert mean[int(4.8 * 2)] < 20 < mean[int(6.5 * 2)]
    spread = [float(cv2.Laplacian(p, cv2.CV_32F).std()) for p in pictures]
    assert spread[int(16.5 * 2)] < 0.5 * spread[int(15.5 * 2)]
