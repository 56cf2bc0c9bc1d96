"""What spans add up to."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.reports import (
    AWAITED_MS,
    HOUR_MS,
    Span,
    State,
    due_until,
    hours_between,
    hours_over,
    latest,
    mean_daily,
    timeline,
)
from evidence.judging.hours import Hours


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Spans as they come: overlapping, disagreeing, in any order."""
    found = []
    for _ in range(draw(st.integers(0, 12))):
        from_ms = draw(st.integers(0, 900))
        length = draw(st.integers(1, 400))
        found.append(Span(from_ms=from_ms, to_ms=from_ms + length, state=draw(st.sampled_from(State))))
    return found


def span(from_ms: int, to_ms: int, state: State) -> Span:
    return Span(from_ms=from_ms, to_ms=to_ms, state=state)


@given(spans(), st.integers(0, 500), st.integers(0, 1000))
def test_the_states_add_up_to_the_window(found: list[Span], from_ms: int, length: int) -> None:
    hours = hours_over(found, from_ms, from_ms + length)
    assert hours.running_ms + hours.idle_ms + hours.stopped_ms + hours.unknown_ms == length
    assert hours.window_ms == length


@given(spans(), st.integers(0, 500), st.integers(0, 1000))
def test_normalised_hours_lie_between_their_bounds(found: list[Span], from_ms: int, length: int) -> None:
    hours = hours_over(found, from_ms, from_ms + length)
    assert 0 <= hours.low_ms <= hours.up_ms <= length
    assert 0 <= hours.coverage_permille <= 1000
    if hours.norm_ms is None:
        assert hours.coverage_permille < 900 or not length
    else:
        assert hours.low_ms <= hours.norm_ms <= hours.up_ms


@given(spans(), st.integers(0, 500), st.integers(1, 1000))
def test_a_timeline_fills_its_window_and_no_neighbours_are_alike(found: list[Span], from_ms: int, length: int) -> None:
    filled = timeline(found, from_ms, from_ms + length)
    assert filled[0].from_ms == from_ms
    assert filled[-1].to_ms == from_ms + length
    for before, after in pairwise(filled):
        assert before.to_ms == after.from_ms
        assert before.state is not after.state


@given(spans(), st.permutations(range(12)))
def test_the_order_of_spans_changes_nothing(found: list[Span], order: list[int]) -> None:
    shuffled = [found[at] for at in order if at < len(found)]
    assert timeline(shuffled, 0, 1300) == timeline(found, 0, 1300)


@given(spans(), st.lists(st.integers(0, 1300), min_size=2, max_size=6))
def test_windows_side_by_side_add_up_to_the_whole(found: list[Span], edges: list[int]) -> None:
    edges = sorted(edges)
    parts = hours_between(found, edges)
    whole = hours_over(found, edges[0], edges[-1])
    assert len(parts) == len(edges) - 1
    assert sum(part.running_ms for part in parts) == whole.running_ms
    assert sum(part.unknown_ms for part in parts) == whole.unknown_ms
    assert [part.window_ms for part in parts] == [b - a for a, b in pairwise(edges)]


def test_what_nobody_speaks_for_is_unknown_and_never_stopped() -> None:
    hours = hours_over([span(0, 10, State.RUNNING)], 0, 100)
    assert (hours.running_ms, hours.stopped_ms, hours.unknown_ms) == (10, 0, 90)


def test_two_statements_that_disagree_are_contested_and_count_as_unknown() -> None:
    found = [span(0, 60, State.RUNNING), span(40, 100, State.STOPPED)]
    assert [one.state for one in timeline(found, 0, 100)] == [State.RUNNING, State.CONTESTED, State.STOPPED]
    assert hours_over(found, 0, 100).unknown_ms == 20


def test_a_statement_that_knows_outweighs_one_that_does_not() -> None:
    found = [span(0, 100, State.UNKNOWN), span(20, 50, State.RUNNING)]
    assert hours_over(found, 0, 100).running_ms == 30


@pytest.mark.parametrize(("missing", "normalised"), [(0, 50), (10, 55), (11, None)])
def test_hours_are_normalised_from_nine_tenths_coverage_on(missing: int, normalised: int | None) -> None:
    found = [span(0, 50, State.RUNNING), span(50, 100 - missing, State.STOPPED)]
    assert hours_over(found, 0, 100).norm_ms == normalised


def test_an_empty_window_has_no_coverage_and_no_hours() -> None:
    hours = hours_over([span(0, 50, State.RUNNING)], 20, 20)
    assert (hours.window_ms, hours.coverage_permille, hours.norm_ms) == (0, 0, None)


def test_a_mean_leaves_out_days_with_too_little_data_and_says_how_many() -> None:
    good = Hours(running_ms=20, idle_ms=0, stopped_ms=4, unknown_ms=0)
    other = Hours(running_ms=10, idle_ms=0, stopped_ms=14, unknown_ms=0)
    poor = Hours(running_ms=2, idle_ms=0, stopped_ms=0, unknown_ms=22)
    mean = mean_daily([good, other, poor])
    assert (mean.mean_ms, mean.used, mean.total) == (15, 2, 3)
    assert mean_daily([poor]).mean_ms is None


def test_what_is_on_its_way_is_not_yet_missing() -> None:
    found = [span(0, HOUR_MS, State.RUNNING)]
    assert due_until(found, HOUR_MS + AWAITED_MS) == HOUR_MS
    assert due_until(found, HOUR_MS + AWAITED_MS + 1) == HOUR_MS + AWAITED_MS + 1
    assert due_until(found, HOUR_MS // 2) == HOUR_MS // 2


def test_a_machine_that_went_silent_is_unknown_since_then_and_not_still_running() -> None:
    now = latest([span(0, HOUR_MS, State.RUNNING)], 0, 3 * HOUR_MS)
    assert (now.state, now.since_ms, now.reading_ms) == (State.UNKNOWN, HOUR_MS, HOUR_MS)


def test_the_latest_state_says_since_when_across_spans_of_one_kind() -> None:
    found = [span(0, 5, State.STOPPED), span(5, 10, State.RUNNING), span(10, 20, State.RUNNING)]
    now = latest(found, 0, 21)
    assert (now.state, now.since_ms, now.since_is_earlier) == (State.RUNNING, 5, False)
    assert latest(found, 6, 21).since_is_earlier


def test_a_machine_never_heard_of_has_no_reading() -> None:
    now = latest([], 0, 5 * HOUR_MS)
    assert (now.state, now.reading_ms) == (State.UNKNOWN, None)


def test_a_span_without_length_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="must end after it begins"):
        span(5, 5, State.RUNNING)
