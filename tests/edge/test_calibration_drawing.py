"""The histogram, in a terminal and as a picture: nothing runs over, thresholds stand where they belong."""

import re
from itertools import pairwise
from pathlib import Path
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.installing.calibrating.advice import Asked, Refusal
from edge_agent.installing.calibrating.drawing import WIDTH, draw, sparkline
from edge_agent.installing.calibrating.histogram import histogram_of
from edge_agent.installing.calibrating.picture import picture
from edge_agent.installing.calibrating.proposal import Proposal, from_walk, learn
from edge_agent.installing.wording import duration, watts
from evidence.judging.judge import RunState
from tests.world.browser import CHROMIUM, browser
from tests.world.loads import CURVES, readings, stays

ASKED = Asked(point="active_power", period_ms=1000, hold_ms=2000)
_OFF, _IDLE, _RUNNING = RunState.STOPPED, RunState.IDLE, RunState.RUNNING


def walked() -> Proposal | Refusal:
    walk = {_OFF: stays([(12, 20)], noise=0.05, seed=1), _RUNNING: stays([(3150, 60)], noise=0.03, seed=2)}
    return from_walk(walk, ASKED)


FOUND: dict[str, Proposal | Refusal] = {
    name: learn(readings(curve, every_s=10), ASKED) for name, curve in CURVES.items()
} | {
    "walked": walked(),
    "four": learn(stays([(15, 900), (400, 900), (1500, 900), (6000, 900)] * 2, noise=0.03, seed=1), ASKED),
    "noise": learn(stays([(3000, 3600)], noise=0.35, seed=1), ASKED),
    "off": learn(stays([(1, 300)], noise=0.1, seed=1), ASKED),
    "nothing": learn([], ASKED),
}
ABOUT = "17280 readings in 24 h, until 2026-11-23"


def wide(line: str) -> int:
    return sum(2 if east_asian_width(char) == "W" else 1 for char in line)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_drawing_fits_an_old_terminal_and_colours_change_nothing_but_colour(name: str) -> None:
    found = FOUND[name]
    plain = draw(found, colours=False)
    assert all(wide(line) <= WIDTH + 8 for line in plain.splitlines())
    assert re.sub(r"\x1b\[[0-9;]*m", "", draw(found, colours=True)) == plain
    if isinstance(found, Proposal):
        assert f"running from {watts(found.rule.running_above_mw)}" in plain
        assert "开工" in plain
    assert bool(plain) == bool(found.powers_mw)


@pytest.mark.parametrize("name", sorted(name for name, found in FOUND.items() if found.powers_mw))
def test_every_reading_is_in_a_bar_of_its_state(name: str) -> None:
    found = FOUND[name]
    histogram = histogram_of(found, columns=60)
    assert sum(bar.readings for bar in histogram.bars) == len(found.powers_mw)
    states = [bar.state for bar in histogram.bars if bar.readings]
    assert all(low <= high for low, high in pairwise(states))
    assert all(0 <= histogram.place(power_mw) <= 1 for power_mw in histogram.ticks())
    if isinstance(found, Proposal):
        assert set(states) == set(found.levels)
        assert 0 < histogram.place(found.rule.idle_above_mw) < histogram.place(found.rule.running_above_mw) < 1


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_picture_is_xml_whatever_the_machine_is_called(name: str) -> None:
    title = '1 号 <机> & "press"'
    root = ET.fromstring(picture(FOUND[name], title=title, about=ABOUT))  # noqa: S314  we wrote it
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == title
    assert ABOUT in texts


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_in_a_browser_no_text_leaves_the_picture_or_meets_another(tmp_path: Path) -> None:
    with browser() as tab:
        for name, found in FOUND.items():
            file = tmp_path / f"{name}.svg"
            file.write_text(picture(found, title="1 号剑杆织机 loom-1", about=ABOUT), encoding="utf-8")
            tab.show(file.as_uri())
            boxes = tab.ask(
                "(() => { const [, , w, h] = document.documentElement.getAttribute('viewBox').split(' ').map(Number);"
                " return [w, h, [...document.querySelectorAll('text')].map(t => { const b = t.getBBox();"
                " return [b.x, b.y, b.x + b.width, b.y + b.height, t.textContent]; })]; })()"
            )
            width, height, texts = boxes
            for left, top, right, bottom, said in texts:
                assert left >= 0, (name, said)
                assert right <= width, (name, said)
                assert 0 <= top < bottom <= height, (name, said)
            for at, one in enumerate(texts):
                for other in texts[at + 1 :]:
                    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] + 3 or other[3] <= one[1] + 3
                    assert apart, (name, one, other)


@given(st.lists(st.integers(-(1 << 50), 1 << 50), max_size=60))
@settings(max_examples=50)
def test_a_sparkline_is_short(values: list[int]) -> None:
    assert len(sparkline(values)) == min(24, len(values))


def test_powers_and_times_are_said_in_three_digits() -> None:
    assert [watts(power) for power in (0, 15_240, 999_400, 999_600, 3_154_000, 68_015_000, 2_000_000_000)] == [
        *("0 W", "15.2 W", "999 W", "1 kW", "3.15 kW", "68 kW", "2 MW"),
    ]
    assert [duration(ms) for ms in (1_500, 20_000, 119_400, 180_000, 93_600_000)] == [
        *("1.5 s", "20 s", "119 s", "3 min", "26 h"),
    ]
