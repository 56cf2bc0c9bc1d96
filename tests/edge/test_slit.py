"""A gate's line over time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.eye.gate import GateLine
from edge_agent.eye.opencv.slit import SlitSampler


def ramp(width: int = 160, height: int = 120) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Blue tells x, green y."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


@given(
    ends=st.tuples(*(st.floats(12, 100) for _ in range(4))).filter(lambda e: abs(e[0] - e[2]) + abs(e[1] - e[3]) > 8),
    length=st.integers(2, 200),
    offsets=st.lists(st.floats(-9, 9), min_size=1, max_size=5),
    inwards=st.sampled_from([1, -1]),
)
def test_a_sample_is_what_lies_at_its_place_on_the_line(
    ends: tuple[float, float, float, float], length: int, offsets: list[float], inwards: int
) -> None:
    x0, y0, x1, y1 = ends
    line = GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=inwards * (y0 - y1), in_y=inwards * (x1 - x0))
    seen = SlitSampler(line, length_px=length, offsets_px=offsets).sample(ramp())
    assert seen.shape == (len(offsets), length, 3)
    along = (np.arange(length) + 0.5) / length
    for row, offset in zip(seen, offsets, strict=True):
        x = x0 + along * (x1 - x0) + offset * line.normal[0]
        y = y0 + along * (y1 - y0) + offset * line.normal[1]
        assert np.abs(row[:, 0] - x).max() <= 1.1
        assert np.abs(row[:, 1] - y).max() <= 1.1


def test_a_positive_offset_lies_inside() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, 50:] = 255
    line = GateLine(x0=50, y0=10, x1=50, y1=90, in_x=1, in_y=0)
    outside, inside = SlitSampler(line, offsets_px=(-6, 6)).sample(picture)
    assert (outside == 0).all()
    assert (inside == 255).all()


def test_a_long_gate_in_few_samples_misses_no_thin_thing() -> None:
    picture = np.zeros((400, 40, 3), np.uint8)
    picture[201:203] = 255
    line = GateLine(x0=20, y0=0, x1=20, y1=399, in_x=1, in_y=0)
    assert SlitSampler(line, length_px=50).sample(picture).max() > 40


@pytest.mark.parametrize("wrong", [{"length_px": 1}, {"offsets_px": ()}, {"offsets_px": (float("nan"),)}])
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"line"):
        SlitSampler(GateLine(x0=0, y0=0, x1=0, y1=9, in_x=1, in_y=0), **wrong)  # type: ignore[arg-type]
