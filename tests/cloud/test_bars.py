"""What is drawn: shapes a lender can trust."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.bars import (
    DAY_WIDTH,
    EXACT_LIMIT,
    LEAST_WIDTH,
    SLOTS,
    WEEK_WIDTH,
    Count,
    Frame,
    bar,
    bar_to_touch,
    coarser,
    columns,
    gate_columns,
    grid,
    pieces_of,
)
from cloud_sync.reports import DAY_MS, HOUR_MS, Span, State, timeline
from evidence.judging.hours import Hours

MINUTE_MS = 60_000
PHONE_WIDTH = 358
"""Pixels of a bar on a phone 390 pixels wide."""
DAY = Frame(from_ms=0, to_ms=DAY_MS)


def span(from_minute: float, to_minute: float, state: State) -> Span:
    return Span(from_ms=int(from_minute * MINUTE_MS), to_ms=int(to_minute * MINUTE_MS), state=state)


@st.composite
def days(draw: st.DrawFn) -> tuple[Span, ...]:
    """A day, or the part of it that is over, filled with spans of any length."""
    marks = draw(st.lists(st.integers(1, DAY_MS), min_size=1, max_size=200, unique=True).map(sorted))
    states = draw(st.lists(st.sampled_from(State), min_size=len(marks), max_size=len(marks)))
    edges = [0, *marks]
    found = [Span(from_ms=a, to_ms=b, state=s) for (a, b), s in zip(pairwise(edges), states, strict=True)]
    return timeline(found, 0, marks[-1])


@given(days())
def test_pieces_adjoin_and_are_together_as_wide_as_the_spans(filled: tuple[Span, ...]) -> None:
    pieces = pieces_of(filled, DAY)
    assert sum(piece.width for piece in pieces) == DAY.x(filled[-1].to_ms)
    for before, after in pairwise(pieces):
        assert before.x + before.width == after.x
        assert before.state is not after.state
    assert len(pieces) <= SLOTS


@given(days(), st.integers(1, 400))
def test_a_coarser_day_shows_in_each_slot_a_state_that_it_held(filled: tuple[Span, ...], slots: int) -> None:
    shown = coarser(filled, slots)
    assert (shown[0].from_ms, shown[-1].to_ms) == (filled[0].from_ms, filled[-1].to_ms)
    for one in shown:
        assert any(real.state is one.state and real.from_ms < one.to_ms and real.to_ms > one.from_ms for real in filled)


def test_a_machine_that_cycles_fast_keeps_its_proportions() -> None:
    filled = tuple(
        one
        for minute in range(0, 1440, 3)
        for one in (span(minute, minute + 2, State.RUNNING), span(minute + 2, minute + 3, State.IDLE))
    )
    assert len(filled) > EXACT_LIMIT
    widths = dict.fromkeys(State, 0)
    for piece in pieces_of(filled, DAY):
        widths[piece.state] += piece.width
    assert abs(widths[State.RUNNING] - DAY_WIDTH * 2 / 3) <= 4


@pytest.mark.parametrize("frame", [DAY, Frame(from_ms=0, to_ms=7 * DAY_MS, width=WEEK_WIDTH)])
def test_a_very_short_stop_can_be_seen_but_takes_no_more_than_a_pixel_and_a_half(frame: Frame) -> None:
    filled = (
        span(0, 700, State.RUNNING),
        span(700, 700.5, State.STOPPED),
        span(700.5, 1440, State.RUNNING),
    )
    stop = next(piece for piece in pieces_of(filled, frame) if piece.state is State.STOPPED)
    assert stop.width == LEAST_WIDTH
    assert 0.6 < stop.width * PHONE_WIDTH / frame.width < 1.5


def test_every_state_has_its_own_shape() -> None:
    filled = tuple(span(state * 100, state * 100 + 100, state) for state in State)
    drawn = bar(filled, DAY)
    assert re.findall(r'<path class="(\w)"', drawn) == ["u", "s", "i", "r", "c"]
    assert '<path class="r" d="M150 12h50"/>' in drawn
    assert '<path class="i" d="M100 15h50"/>' in drawn
    assert '<path class="s" d="M50 22h50"/>' in drawn
    assert '<path class="u" fill="url(#hatch)" d="M0 0h50v24h-50z"/>' in drawn
    assert '<path class="c" fill="url(#cross)" d="M200 0h50v24h-50z"/>' in drawn


def test_a_day_of_many_spans_is_one_path_a_state() -> None:
    filled = timeline([span(at, at + 20, State.RUNNING) for at in range(0, 1400, 60)], 0, DAY_MS)
    assert bar(filled, DAY).count("<path") == 2


def test_nothing_is_drawn_where_nothing_has_happened_yet() -> None:
    drawn = bar((span(0, 600, State.RUNNING),), DAY)
    assert 'd="M0 12h300"' in drawn
    assert 'class="u"' not in drawn
    assert bar((), DAY).count("<path") == 0


def test_a_span_says_what_it_is_and_says_it_escaped() -> None:
    drawn = bar_to_touch((span(845, 980, State.RUNNING),), DAY, lambda _: "<script> & loom")
    assert "<title>&lt;script&gt; &amp; loom</title>" in drawn


def test_a_column_is_as_high_as_its_hours_with_the_unknown_on_top() -> None:
    day = Hours(running_ms=12 * HOUR_MS, idle_ms=2 * HOUR_MS, stopped_ms=4 * HOUR_MS, unknown_ms=6 * HOUR_MS)
    drawn = columns([None, day])
    assert '<path class="w" d="M36 48v-24"/>' in drawn
    assert '<path class="j" d="M36 24v-4"/>' in drawn
    assert 'd="M26 0h20v12h-20z"' in drawn
    assert 'class="b"' not in drawn


def test_a_day_without_any_running_shows_a_base_and_a_day_without_data_only_hatch() -> None:
    still = Hours(running_ms=0, idle_ms=0, stopped_ms=DAY_MS, unknown_ms=0)
    blind = Hours(running_ms=0, idle_ms=0, stopped_ms=0, unknown_ms=DAY_MS)
    assert re.findall(r'class="(\w)"', columns([still])) == ["b"]
    assert re.findall(r'class="(\w)"', columns([blind])) == ["u"]


@given(st.lists(st.integers(0, DAY_MS), min_size=3, max_size=3).map(sorted))
def test_a_column_never_leaves_its_frame(cuts: list[int]) -> None:
    a, b, c = cuts
    day = Hours(running_ms=a, idle_ms=b - a, stopped_ms=c - b, unknown_ms=DAY_MS - c)
    for x, y, up in re.findall(r"M(\d+) (\d+)v-(\d+)", columns([day])):
        assert int(x) == 12
        assert int(up) <= int(y) <= 48


def hour(start: int, ins: int, outs: int) -> Count:
    return Count(from_ms=start * HOUR_MS, to_ms=(start + 1) * HOUR_MS, ins=ins, outs=outs)


def test_a_gate_draws_in_upwards_and_out_downwards_at_their_hour() -> None:
    drawn = gate_columns([hour(0, 4, 2), hour(1, 0, 0), hour(2, 1, 0)], (), DAY)
    assert '<path class="in" d="M5 24v-24h20V24zM65 24v-6h20V24z"/>' in drawn
    assert '<path class="out" d="M5 24v12h20V24z"/>' in drawn
    assert 'class="u"' not in drawn


def test_a_blind_time_of_a_gate_is_hatched_where_it_was_and_not_a_zero() -> None:
    sight = (span(0, 90, State.RUNNING), span(90, 120, State.UNKNOWN), span(120, 180, State.RUNNING))
    drawn = gate_columns([hour(0, 4, 2), hour(1, 0, 0)], sight, DAY)
    assert 'class="u" fill="url(#hatch)" d="M45 0h15v48h-15z"' in drawn


def test_a_gate_blind_ever_so_often_stays_a_small_drawing() -> None:
    sight = tuple(span(at, at + 1, State(3 * (at % 2))) for at in range(1440))
    assert gate_columns([hour(0, 1, 1)], sight, DAY).count("M") <= SLOTS + 3


def test_the_grid_marks_now_and_midnight_only_where_there_are_such() -> None:
    assert 'class="n" d="M360 0v48"' in grid(DAY, [0], now_ms=DAY_MS // 2)
    assert 'class="d" d="M360 0v48"' in grid(DAY, [0], midnight_ms=DAY_MS // 2)
    assert not re.search('class="[nd]"', grid(DAY, [0]))
