"""The models that the box carries: listed with their hash, and a model that is not listed is refused."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_agent.eye.counting import Frame
from edge_agent.eye.litert import FOLDERS, Model, ModelError, gate_detector, listed, stock_finder

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
GATE_BYTES, STOCK_BYTES = 600_000, 5_000_000


@pytest.mark.parametrize(("name", "most"), [("gate", GATE_BYTES), ("stock", STOCK_BYTES)])
def test_a_model_is_the_one_that_is_listed_and_small_enough(name: str, most: int) -> None:
    entry = listed(name)
    assert entry.path.parent in FOLDERS
    content = entry.path.read_bytes()
    assert hashlib.sha256(content).digest() == entry.sha256
    assert len(content) <= most
    assert entry.classes == ("carton", "tyre", "sack", "drum", "roll", "person", "forklift")


def test_every_listed_model_says_where_it_comes_from() -> None:
    for name, entry in json.loads((MODELS / "manifest.json").read_text())["models"].items():
        assert entry["trained"], name
        assert entry["version"], name
        assert hashlib.sha256((MODELS / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


def test_a_changed_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    shutil.copy(MODELS / "manifest.json", tmp_path)
    (tmp_path / "stock.tflite").write_bytes((MODELS / "stock.tflite").read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"is not the model that its manifest lists.*Install the package again"):
        stock_finder(folder=tmp_path)


def test_a_model_that_is_not_listed_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.json"):
        listed("stock", tmp_path)
    shutil.copy(MODELS / "manifest.json", tmp_path)
    with pytest.raises(ModelError, match="'face'"):
        listed("face", tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        Model(listed("stock", tmp_path))


@pytest.mark.parametrize("shade", [0, 114, 255])
def test_pictures_of_nothing_hold_nothing(shade: int) -> None:
    picture = np.full((480, 640, 3), shade, dtype=np.uint8)
    assert stock_finder().find(picture, side=60) == ()
    assert gate_detector().detect(Frame(picture=picture, at_ms=0, steady_ms=0)) == ()


def test_the_same_picture_gives_the_same_finds() -> None:
    picture = np.random.default_rng(5).integers(0, 255, (384, 384, 3), dtype=np.uint8)
    one, again = Model(listed("stock")), Model(listed("stock"))
    first, second = one.find(picture, least=0.05), again.find(picture, least=0.05)
    assert np.array_equal(first.boxes, second.boxes)
    assert np.array_equal(first.scores, second.scores)
    assert np.array_equal(one.find(picture, least=0.05).boxes, first.boxes)


def test_a_detector_says_its_name_version_and_hash() -> None:
    detector, finder = gate_detector(), stock_finder()
    assert detector.name == f"gate {listed('gate').version}"
    assert detector.sha256 == listed("gate").sha256
    assert finder.name == f"stock {listed('stock').version}"
    assert finder.sha256 == listed("stock").sha256
