"""A detector's maps become boxes: one a thing, whatever eight bits do to the map."""

import numpy as np
import pytest

from edge_agent.eye.peaks import NOTHING, Found, merged, overlaps, peaks

STEP = 0.05
"""Logit: one step of eight bits."""


def hill(rows: int, columns: int, *centres: tuple[float, float], spread: float = 2.0) -> np.ndarray:
    """A map with a hill of logits at each centre (row, column)."""
    down, across = np.mgrid[:rows, :columns]
    top = np.full((rows, columns), -6.0)
    for row, column in centres:
        top = np.maximum(top, 4 - ((down - row) ** 2 + (across - column) ** 2) / spread)
    return top[:, :, None].clip(-6, 6).astype(np.float32)


def sizes(rows: int, columns: int, cells: float) -> np.ndarray:
    return np.full((rows, columns, 2), np.log(cells), dtype=np.float32)


def in_eight_bits(logits: np.ndarray) -> np.ndarray:
    return np.round(logits / STEP).astype(np.int8).astype(np.float32) * np.float32(STEP)


def test_each_hill_is_one_box_of_its_size() -> None:
    found = peaks(hill(32, 40, (8, 10), (20, 30)), sizes(32, 40, 5), stride=4, least=0.5)
    assert len(found) == 2
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert sorted(map(tuple, centres.tolist())) == [(42.0, 34.0), (122.0, 82.0)]
    assert found.sides == pytest.approx([20.0, 20.0])


@pytest.mark.parametrize("width", [2, 3, 4, 5, 7])
def test_a_plateau_of_equal_values_is_one_box_and_not_one_for_each_cell(width: int) -> None:
    logits = np.full((32, 32, 1), -6.0, dtype=np.float32)
    logits[10 : 10 + width, 12 : 12 + width] = 3.0
    assert len(peaks(logits, sizes(32, 32, 5), stride=4, least=0.5)) == 1


def test_eight_bits_find_what_floats_find() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        centres = [
            (6 + 9 * row + rng.uniform(-1, 1), 6 + 9 * column + rng.uniform(-1, 1))
            for row in range(3)
            for column in range(4)
        ]
        logits = hill(36, 48, *centres, spread=12.0)
        in_float = peaks(logits, sizes(36, 48, 6), stride=4, least=0.3)
        eight = peaks(in_eight_bits(logits), sizes(36, 48, 6), stride=4, least=0.3)
        assert len(in_float) == len(eight) == len(centres)


def test_a_flat_map_says_nothing_and_a_hot_one_not_without_bound() -> None:
    assert len(peaks(np.full((32, 32, 7), -6.0), sizes(32, 32, 5), stride=4, least=0.3)) == 0
    assert len(peaks(np.full((96, 96, 7), 6.0), sizes(96, 96, 5), stride=4, least=0.3)) <= 7
    noise = np.random.default_rng(1).uniform(0, 6, (96, 96, 7))
    assert len(peaks(noise, sizes(96, 96, 5), stride=4, least=0.3)) <= 400


def test_the_same_thing_seen_twice_is_told_once_by_its_better_name() -> None:
    one = Found(np.array([[0.0, 0, 20, 20]]), np.array([0.6]), np.array([0]))
    other = Found(np.array([[1.0, 1, 21, 21], [40, 40, 60, 60]]), np.array([0.9, 0.5]), np.array([3, 0]))
    both = merged([one, other])
    assert both.kinds.tolist() == [3, 0]
    assert both.scores.tolist() == [0.9, 0.5]
    assert len(merged([])) == len(merged([NOTHING])) == 0


def test_neighbours_that_touch_stay_two() -> None:
    found = Found(np.array([[0.0, 0, 20, 20], [20, 0, 40, 20]]), np.array([0.9, 0.9]), np.array([0, 0]))
    assert len(merged([found])) == 2
    assert overlaps(found.boxes[0], found.boxes).tolist() == pytest.approx([1.0, 0.0])
