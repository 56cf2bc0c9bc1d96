"""What the detector learns from: turned pictures are turned back, crops tell the truth about their boxes."""

import json
import math
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))

import data  # noqa: E402  a script, not a package

SIZE = 416


def scene(seed: int, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Bright boxes on a mottled ground."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 120, (SIZE // 8, SIZE // 8, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(ground, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    boxes = []
    for index in range(count):
        x, y = 90 + 80 * (index % 3), 110 + 100 * (index // 3)
        wide, high = rng.integers(40, 70, 2).tolist()
        boxes.append([x, y, x + wide, y + high])
        picture[y : y + high, x : x + wide] = rng.integers(150, 250, 3)
    return picture, np.array(boxes, dtype=np.float32)


def turned(picture: np.ndarray, boxes: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """As an exporter turns: black around it, upright boxes around the turned ones."""
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, 1)
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
    return cv2.warpAffine(picture, matrix, (SIZE, SIZE)), np.hstack([corners.min(1), corners.max(1)])


def example(seed: int = 1, kind: int = 0, *, complete: bool = True) -> data.Example:
    picture, boxes = scene(seed)
    return data.Example(
        picture=picture,
        boxes=boxes,
        kinds=np.full(len(boxes), kind),
        unsure=np.zeros(len(boxes), bool),
        group="made",
        complete=complete,
    )


@pytest.mark.parametrize("angle", [-28.0, -12.5, -4.0, 0.0, 6.0, 21.5])
def test_the_angle_by_which_a_picture_was_turned_is_found(angle: float) -> None:
    picture, boxes = scene(2)
    assert data.turned_by(turned(picture, boxes, -angle)[0]) == pytest.approx(angle, abs=1.01)


def test_a_turned_picture_is_turned_back_and_its_loose_boxes_become_tight(tmp_path: Path) -> None:
    picture, boxes = scene(3)
    loose_picture, loose = turned(picture, boxes, -20.0)
    cv2.imwrite(str(tmp_path / "a.png"), loose_picture)
    entry = {"image": "a.png", "source": "IMG_0001_mp4-3_jpg", "boxes": loose.tolist()}
    (tmp_path / "boxes.json").write_text(json.dumps({"images": [entry]}))
    (one,) = data.read_real(tmp_path)
    assert one.group == "IMG_0001"
    assert np.abs(one.boxes - boxes).max() < 6
    assert np.abs(loose - boxes).max() > 8


def test_groups_are_walks() -> None:
    assert data.group_of("IMG_0261_mp4-17_jpg") == data.group_of("IMG_0261_mp4-200_jpg") == "IMG_0261"
    assert data.group_of("im0-12-_jpg") == "im"


def test_a_crop_says_where_each_item_is() -> None:
    crops = data.Crops([example(seed) for seed in range(4)], [], share_rendered=0)
    for picture, centres, sizes, near, weight in islice(crops.draw(1), 30):
        assert picture.shape == (3, data.CROP, data.CROP)
        assert 0 <= picture.min() <= picture.max() <= 1
        assert centres.shape == (len(data.CLASSES), data.CROP // 4, data.CROP // 4)
        assert centres[1:].max() == 0
        assert weight.min() >= 0
        tops = np.argwhere(centres[0] > 0.99)
        for row, column in tops:
            assert near[0, row, column] == 1
            assert 0 < math.exp(sizes[0, row, column]) <= data.CROP / 4


def test_the_same_seed_gives_the_same_crops_and_another_seed_others() -> None:
    crops = data.Crops([example(1)], [example(2, kind=5)], share_rendered=0.5)
    first, again, other = (list(islice(crops.draw(seed), 5)) for seed in (7, 7, 8))
    assert all(
        np.array_equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert not np.array_equal(first[0][0], other[0][0])


def test_rendered_classes_come_in_their_own_map() -> None:
    crops = data.Crops([], [example(2, kind=5)], share_rendered=0.2)
    seen = np.max([centres.max(axis=(1, 2)) for _, centres, *_ in islice(crops.draw(3), 10)], axis=0)
    assert np.flatnonzero(seen > 0.99).tolist() == [5]


def test_where_labels_are_incomplete_a_find_beside_them_is_punished_less() -> None:
    full = data.targets(example(1), SIZE, SIZE)[3]
    part = data.targets(example(1, complete=False), SIZE, SIZE)[3]
    assert full.min() == 1
    assert part.min() == 0.5
    box = example(1).boxes[0] / 4
    assert part[0, int(box[1]) + 2, int(box[0]) + 2] == 1


def test_an_unsure_item_is_neither_asked_for_nor_punished() -> None:
    one = example(1)
    one.unsure[0] = True
    centres, _, _, weight = data.targets(one, SIZE, SIZE)
    x, y = ((one.boxes[0, :2] + one.boxes[0, 2:]) / 8).astype(int)
    assert weight[0, y, x] == 0
    assert centres[0, y, x] < 0.99
    assert int((centres[0] > 0.99).sum()) == len(one.boxes) - 1


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        data.Crops([], [], share_rendered=0)


def test_a_folder_without_labels_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"stills\.py"):
        data.read_rendered(tmp_path)
