"""What the judge promises: spans that fill, windows that may be cut anywhere, and the four rules."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evidence.judging.judge import UNJUDGED, Change, Judged, RunState, Threshold, expire, judge, milli, spans_of

PERIOD_MS = 1000

thresholds = st.builds(
    lambda idle, more, hysteresis, dwell, hold: Threshold(
        running_above_mw=idle + more,
        idle_above_mw=idle,
        hysteresis_mw=hysteresis % idle,
        dwell_ms=dwell,
        hold_ms=hold,
    ),
    st.integers(1, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.sampled_from([0, 500, 1000, 3000, 10_000]),
    st.sampled_from([1, 900, 1500, 5000]),
)
powers = st.one_of(st.none(), st.integers(-2200, 2200))
series = st.lists(st.tuples(st.integers(1, 4000), powers), min_size=1, max_size=40).map(
    lambda steps: [(sum(dt for dt, _ in steps[: i + 1]), power) for i, (_, power) in enumerate(steps)]
)


def judged_in(
    series: Sequence[tuple[int, int | None]], by: Threshold, cuts: list[int]
) -> list[tuple[int, int, RunState]]:
    """Spans of the whole series, judged in windows that end at the cuts, as a box does."""
    now, spans, from_ms = UNJUDGED, [], 0
    for to_ms in cuts:
        first, changes = now.state, list[Change]()
        for at_ms, power in series:
            if from_ms <= at_ms < to_ms:
                now, changed = judge(now, at_ms, (power,), by)
                changes += changed
        now, expired = expire(now, to_ms, by)
        spans += spans_of(first, [*changes, *expired], from_ms, to_ms)
        from_ms = to_ms
    return joined(spans)


def joined(spans: list[tuple[int, int, RunState]]) -> list[tuple[int, int, RunState]]:
    out: list[tuple[int, int, RunState]] = []
    for start, end, state in spans:
        if out and out[-1][2] is state:
            out[-1] = (out[-1][0], end, state)
        else:
            out.append((start, end, state))
    return out


@given(series, thresholds)
def test_spans_fill_the_window_without_gap_or_overlap(series: list[tuple[int, int | None]], by: Threshold) -> None:
    end_ms = series[-1][0] + 10_000
    spans = judged_in(series, by, [end_ms])
    assert spans[0][0] == 0
    assert spans[-1][1] == end_ms
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(start < end for start, end, _ in spans)


@given(series, thresholds, st.data())
def test_cutting_the_series_into_windows_anywhere_gives_the_same_spans(
    series: list[tuple[int, int | None]], by: Threshold, data: st.DataObject
) -> None:
    end_ms = series[-1][0] + 10_000
    cuts = sorted(data.draw(st.sets(st.integers(1, end_ms - 1), max_size=8)))
    assert judged_in(series, by, [*cuts, end_ms]) == judged_in(series, by, [end_ms])


@given(series, thresholds)
def test_one_answer_speaks_for_hold_ms_and_not_a_millisecond_longer(
    series: list[tuple[int, int | None]], by: Threshold
) -> None:
    end_ms = series[-1][0] + 20_000
    good = [at_ms for at_ms, power in series if power is not None]
    covered = [(at_ms, at_ms + by.hold_ms) for at_ms in good]
    for start, end, state in judged_in(series, by, [end_ms]):
        inside = [(max(a, start), min(b, end)) for a, b in covered if max(a, start) < min(b, end)]
        union = joined([(a, b, RunState.IDLE) for a, b in merged(inside)])
        if state is RunState.UNKNOWN:
            assert not inside
        else:
            assert union[0][:2] == (start, end)


def merged(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


@given(series, thresholds)
def test_from_unknown_the_first_good_answer_decides_at_once(
    series: list[tuple[int, int | None]], by: Threshold
) -> None:
    at_ms, power = next(((at, p) for at, p in series if p is not None), (0, None))
    if power is None:
        return
    spans = judged_in(series, by, [series[-1][0] + 1])
    state = next(state for start, end, state in spans if start <= at_ms < end)
    assert state is by.level(power, RunState.UNKNOWN)


@given(series, thresholds)
def test_a_change_between_known_states_has_dwelt_on_every_good_answer(
    series: list[tuple[int, int | None]], by: Threshold
) -> None:
    spans = judged_in(series, by, [series[-1][0] + 1])
    for (_, _, old), (at_ms, _, new) in pairwise(spans):
        if RunState.UNKNOWN in (old, new):
            continue
        answers = [(t, p) for t, p in series if p is not None and t <= at_ms]
        assert answers[-1][0] == at_ms, "a change is made at an answer"
        if len(answers) > 1 and answers[-2][0] + by.hold_ms == at_ms:
            continue  # the hold ended at this very instant: the state was UNKNOWN, for no time at all
        run = []
        for t, power in reversed(answers):
            if by.level(power, old) is not new:
                break
            run.append(t)
        assert at_ms - run[-1] >= by.dwell_ms


@given(st.integers(-3000, 3000), thresholds)
def test_staying_is_never_harder_than_coming(power: int, by: Threshold) -> None:
    for before in RunState:
        assert by.level(power, before) >= by.level(power, RunState.UNKNOWN)
        assert by.level(power, before) is by.level(-power, before)


@given(st.integers(0, 3000), st.integers(0, 3000), thresholds)
def test_more_power_never_speaks_for_less(low: int, high: int, by: Threshold) -> None:
    low, high = sorted((low, high))
    for before in RunState:
        assert by.level(low, before) <= by.level(high, before)


def test_a_short_dip_and_a_short_burst_change_nothing() -> None:
    by = Threshold(running_above_mw=100, idle_above_mw=10, hysteresis_mw=5, dwell_ms=3000, hold_ms=2000)
    series = [(t * 1000, 0 if t in (5, 6) else 200) for t in range(20)]
    assert judged_in(series, by, [20_000]) == [(0, 20_000, RunState.RUNNING)]


def test_a_value_between_the_thresholds_keeps_what_was() -> None:
    by = Threshold(running_above_mw=100, idle_above_mw=10, hysteresis_mw=5, dwell_ms=0, hold_ms=2000)
    up = [(0, 100), (1000, 96), (2000, 94), (3000, 99)]
    assert [state for _, _, state in judged_in(up, by, [4000])] == [RunState.RUNNING, RunState.IDLE]


def test_expiring_twice_is_expiring_once() -> None:
    by = Threshold(running_above_mw=100, idle_above_mw=10, hysteresis_mw=5, dwell_ms=0, hold_ms=2000)
    now = Judged(state=RunState.RUNNING, wanted=RunState.RUNNING, wanted_since_ms=0, good_until_ms=10)
    after, changes = expire(now, 10, by)
    assert (after, changes) == (UNJUDGED, [(10, RunState.UNKNOWN)])
    assert expire(after, 20, by) == (UNJUDGED, [])


@given(st.integers(-(10**12), 10**12), st.integers(0, 9))
def test_milli_rounds_down_only_what_is_finer_than_a_thousandth(value: int, decimals: int) -> None:
    assert milli(value, decimals) == value * 1000 // 10**decimals
