"""Rendered stills: a seed is a picture, boxes are what the ids say, every class occurs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "synth"))

import stills  # noqa: E402  a script beside the model, not a package
from draw import NoGraphicsError  # noqa: E402
from goods import CLASSES  # noqa: E402
from scenes import SCENES  # noqa: E402

SIZE = 160


@pytest.fixture(scope="module", autouse=True)
def painter() -> None:
    """Mesa's software renderer, or a reason why not."""
    pytest.importorskip("moderngl", reason="moderngl is not installed (extras dev and train have it)")
    try:
        stills.painter()
    except NoGraphicsError as problem:
        pytest.skip(str(problem))


def test_a_seed_is_a_picture_whatever_was_rendered_before() -> None:
    first = stills.still(5, size=SIZE)
    stills.still(6, size=SIZE)
    again = stills.still(5, size=SIZE)
    assert np.array_equal(first.picture, again.picture)
    assert first.items == again.items
    assert not np.array_equal(first.picture, stills.still(7, size=SIZE).picture)


def test_a_box_is_exactly_the_pixels_that_have_its_id() -> None:
    for seed in range(4):
        made = stills.still(seed, size=SIZE)
        for item in made.items:
            rows, columns = np.nonzero(made.ids == item.id)
            assert item.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert item.pixels == len(rows)
            assert 0 < item.visible <= 1
        listed = {item.id for item in made.items}
        for name, count in zip(*np.unique(made.ids, return_counts=True), strict=True):
            assert name == 0 or name in listed or count < stills.LEAST_PX


def test_a_whole_item_in_the_open_is_seen_wholly() -> None:
    found = [i for s in range(12) for i in stills.still(s, size=SIZE, scene="conveyor").items if i.pixels > 300]
    shares = [i.visible for i in found]
    assert max(shares) > 0.97
    for item in found:
        inside = min(item.whole) >= 0 and max(item.whole) <= SIZE
        if item.visible > 0.97 and inside:
            assert np.allclose(item.box, item.whole, atol=4)


def test_every_class_occurs_and_an_empty_scene_has_none() -> None:
    seen = {i.kind for s in range(3) for scene in SCENES for i in stills.still(s, size=96, scene=scene).items}
    assert seen == set(CLASSES)
    assert stills.still(1, size=96, scene="empty").items == ()


def test_the_command_writes_pictures_and_their_labels(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "models" / "synth" / "stills.py"), str(tmp_path)]
    done = subprocess.run(
        [*command, "--count", "2", "--size", "96", "--json"], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["images"] == 2
    labels = json.loads((tmp_path / "labels.json").read_text())["images"]
    assert [entry["image"] for entry in labels] == ["000001.jpg", "000002.jpg"]
    assert all((tmp_path / entry["image"]).stat().st_size > 500 for entry in labels)
    assert {"class", "box", "whole", "visible", "id"} == set(labels[0]["items"][0])
