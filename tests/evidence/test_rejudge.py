"""Judging again: an honest box is never contradicted, and a lie of the right size always is."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from evidence.bodies import Configuration, Keep, Readings
from evidence.judging.columns import row_ends
from evidence.judging.judge import UNJUDGED, RunState, Threshold
from evidence.judging.recompute import Recomputed, Recount
from evidence.judging.rejudge import Rejudge
from tests.world.notebook import Chain, by_minute, settings_for, window

CONFIG = bytes(32)

rules = st.builds(
    lambda idle, more, hysteresis, dwell, hold: Threshold(
        running_above_mw=idle + more, idle_above_mw=idle, hysteresis_mw=hysteresis % idle, dwell_ms=dwell, hold_ms=hold
    ),
    st.integers(1000, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.sampled_from([0, 1000, 5000, 30_000, 90_000]),
    st.sampled_from([1500, 5000, 30_000, 200_000]),
)
powers = st.one_of(st.none(), st.integers(-220_000, 220_000))
stretches = st.lists(st.tuples(powers, st.integers(1, 25)), min_size=1, max_size=4).map(
    lambda parts: [power for power, times in parts for _ in range(times)]
)
sampled_windows = st.lists(stretches, min_size=1, max_size=4)


def chunks(samples: list[int | None], size: int) -> list[list[int | None]]:
    return [samples[i : i + size] for i in range(0, len(samples), size)]


minute_windows = st.lists(
    st.lists(st.tuples(powers, st.integers(1, 60)), min_size=1, max_size=3).map(
        lambda parts: chunks([power for power, times in parts for _ in range(times)], 12)
    ),
    min_size=1,
    max_size=3,
)


def take_all(windows: list[Readings], by: Threshold, *, missing: frozenset[int] = frozenset()) -> tuple[int, int, int]:
    """(agree, disagree, open) ms over all windows that are not missing."""
    rejudge = Rejudge()
    agree = disagree = still_open = 0
    for i, one in enumerate(windows):
        if i in missing:
            continue
        verdict = rejudge.take(one, row_ends(one), by, config=CONFIG, follows=i - 1 not in missing)
        agree, disagree = agree + verdict.agree_ms, disagree + verdict.disagree_ms
        still_open += verdict.open_ms
    return agree, disagree, still_open


def sampled(parts: Sequence[list[int | None]], by: Threshold) -> list[Readings]:
    chain = Chain(settings=settings_for(by))
    return [window(chain, part, period_ms=1000) for part in parts]


def minuted(parts: Sequence[Sequence[Sequence[int | None]]], by: Threshold) -> list[Readings]:
    chain = Chain(settings=settings_for(by))
    return [by_minute(chain, [list(minute) for minute in part], period_ms=5000) for part in parts]


@given(sampled_windows, rules)
def test_an_honest_box_that_keeps_every_sample_is_agreed_with_to_the_millisecond(
    parts: list[list[int | None]], by: Threshold
) -> None:
    windows = sampled(parts, by)
    length = sum(w.to_ms - w.from_ms for w in windows)
    assert take_all(windows, by) == (length, 0, 0)


@given(sampled_windows, rules, st.data())
def test_missing_statements_never_make_an_honest_box_a_liar(
    parts: list[list[int | None]], by: Threshold, data: st.DataObject
) -> None:
    windows = sampled(parts, by)
    missing = data.draw(st.frozensets(st.integers(0, len(windows) - 1)))
    length = sum(w.to_ms - w.from_ms for i, w in enumerate(windows) if i not in missing)
    agree, disagree, still_open = take_all(windows, by, missing=missing)
    assert disagree == 0
    assert agree + still_open == length


@given(sampled_windows, rules, st.data())
def test_any_span_moved_or_changed_is_found_to_the_millisecond(
    parts: list[list[int | None]], by: Threshold, data: st.DataObject
) -> None:
    windows = sampled(parts, by)
    i = data.draw(st.integers(0, len(windows) - 1))
    honest = windows[i]
    j = data.draw(st.integers(0, len(honest.spans) - 1))
    at_ms, state = honest.spans[j]
    lie = data.draw(st.sampled_from([other for other in RunState if other is not state]))
    end_ms = honest.spans[j + 1][0] if j + 1 < len(honest.spans) else honest.to_ms
    windows[i] = replace(honest, spans=[*honest.spans[:j], (at_ms, lie), *honest.spans[j + 1 :]])
    length = sum(w.to_ms - w.from_ms for w in windows)
    assert take_all(windows, by) == (length - (end_ms - at_ms), end_ms - at_ms, 0)


@given(minute_windows, rules)
def test_an_honest_box_that_keeps_minutes_is_never_contradicted(
    parts: list[list[list[int | None]]], by: Threshold
) -> None:
    windows = minuted(parts, by)
    length = sum(w.to_ms - w.from_ms for w in windows)
    assert take_all(windows, by) == (length, 0, 0)


@given(minute_windows, rules, st.data())
def test_nor_when_statements_are_missing(
    parts: list[list[list[int | None]]], by: Threshold, data: st.DataObject
) -> None:
    windows = minuted(parts, by)
    missing = data.draw(st.frozensets(st.integers(0, len(windows) - 1)))
    assert take_all(windows, by, missing=missing)[1] == 0


@given(st.data(), rules)
def test_nor_when_it_changes_between_the_two_ways_of_keeping(data: st.DataObject, by: Threshold) -> None:
    chain = Chain(settings=settings_for(by))
    windows = []
    for _ in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            windows.append(window(chain, data.draw(stretches), period_ms=1000))
            to_minute_ms = -chain.at_ms % 60_000
            if to_minute_ms:  # minutes begin on the minute here
                chain.at_ms += to_minute_ms
                chain.judged = UNJUDGED
        else:
            windows.append(by_minute(chain, data.draw(minute_windows)[0], period_ms=5000))
    assert take_all(windows, by)[1] == 0


RUNNING_MINUTE: list[list[int | None]] = [[5000] * 60]
RULE = Threshold(running_above_mw=3000, idle_above_mw=300, hysteresis_mw=100, dwell_ms=10_000, hold_ms=15_000)


IDLE_MINUTE: list[int | None] = [0] * 12


def contradicted(minutes: Sequence[Sequence[int | None]], spans: list[tuple[int, RunState]]) -> int:
    """ms that the facts rule out, when these (seconds, state) are signed for minutes of 5 s samples."""
    first, second = minuted([[IDLE_MINUTE] * 2, minutes], RULE)
    start = second.from_ms
    lie = replace(second, spans=[(start + offset * 1000, state) for offset, state in spans])
    return take_all([first, lie], RULE)[1]


def test_running_where_the_greatest_power_of_every_minute_is_idle_contradicts() -> None:
    minutes: list[list[int | None]] = [[500] * 12] * 5
    assert contradicted(minutes, [(0, RunState.RUNNING)]) >= 4 * 60_000
    assert contradicted(minutes, [(0, RunState.STOPPED), (10, RunState.RUNNING)]) >= 3 * 60_000
    assert contradicted(minutes, [(0, RunState.STOPPED), (10, RunState.IDLE)]) == 0


def test_stopped_while_the_power_is_high_contradicts() -> None:
    assert contradicted([[5000] * 12] * 5, [(0, RunState.STOPPED)]) >= 4 * 60_000


def test_a_known_state_without_any_answer_contradicts_after_the_hold() -> None:
    minutes: list[list[int | None]] = [[0] * 12, [None] * 12, [None] * 12, [0] * 12]
    assert contradicted(minutes, [(0, RunState.STOPPED)]) == 2 * 60_000 - RULE.hold_ms


def test_unknown_where_every_asking_was_answered_contradicts() -> None:
    assert contradicted([[0] * 12] * 3, [(0, RunState.UNKNOWN)]) == 3 * 60_000


def test_running_in_minutes_that_allow_it_is_believed() -> None:
    minutes = [[0] * 6 + [5000] * 6, [5000] * 12]
    assert contradicted(minutes, [(0, RunState.STOPPED), (40, RunState.RUNNING)]) == 0


def test_spans_left_out_where_they_are_configured_contradict() -> None:
    (honest,) = sampled(RUNNING_MINUTE, RULE)
    assert take_all([replace(honest, spans=[])], RULE) == (0, 60_000, 0)


def test_a_rule_that_nobody_knows_leaves_everything_open() -> None:
    (honest,) = sampled(RUNNING_MINUTE, RULE)
    verdict = Rejudge().take(honest, row_ends(honest), None, config=CONFIG, follows=True)
    assert (verdict.agree_ms, verdict.disagree_ms, verdict.open_ms) == (0, 0, 60_000)


# The whole recount against a naive one.


def recount(windows: list[Readings], by: Threshold) -> Recomputed:
    one = Recount()
    one.configure(Configuration(settings=settings_for(by)), CONFIG)
    for n, body in enumerate(windows):
        one.readings(n + 1, body, config=CONFIG, follows=True)
    return one.result()


@given(sampled_windows, rules)
def test_hours_are_those_of_a_naive_sum(parts: list[list[int | None]], by: Threshold) -> None:
    windows = sampled(parts, by)
    result = recount(windows, by)
    assert result.hours is not None
    naive = dict.fromkeys(RunState, 0)
    for body in windows:
        ends = [start for start, _ in body.spans[1:]] + [body.to_ms]
        for (start, state), end in zip(body.spans, ends, strict=True):
            naive[state] += end - start
    hours = result.hours
    assert (hours.running_ms, hours.idle_ms, hours.stopped_ms, hours.unknown_ms) == (
        naive[RunState.RUNNING],
        naive[RunState.IDLE],
        naive[RunState.STOPPED],
        naive[RunState.UNKNOWN],
    )
    assert hours.low_ms <= hours.up_ms <= hours.window_ms
    observed = hours.window_ms - naive[RunState.UNKNOWN]
    assert hours.coverage_permille == observed * 1000 // hours.window_ms
    assert (hours.norm_ms is None) == (hours.coverage_permille < 900)
    if hours.norm_ms is not None:
        assert hours.low_ms <= hours.norm_ms <= hours.up_ms
    assert sum(day.running_ms for _, day in result.days) == hours.running_ms
    assert sum(day.idle_ms for _, day in result.days) == hours.idle_ms


@given(sampled_windows, rules, st.integers(1, 500_000))
def test_time_that_two_windows_both_speak_of_is_counted_once(
    parts: list[list[int | None]], by: Threshold, back_ms: int
) -> None:
    assume(len(parts) > 1)
    windows = sampled(parts, by)
    last = windows[-1]
    back_ms = min(back_ms, windows[-2].to_ms - windows[-2].from_ms)
    moved = replace(
        last,
        from_ms=last.from_ms - back_ms,
        to_ms=last.to_ms - back_ms,
        times_ms=[t - back_ms for t in last.times_ms],
        spans=[(t - back_ms, state) for t, state in last.spans],
    )
    result = recount([*windows[:-1], moved], by)
    assert result.hours is not None
    assert result.overlap_ms == min(back_ms, moved.to_ms - moved.from_ms)
    assert result.overlapped_n == len(windows)
    assert result.hours.observed_ms <= result.hours.window_ms


def test_a_day_ends_at_midnight_in_shanghai() -> None:
    chain = Chain(settings=settings_for(RULE), at_ms=1_772_380_800_000 - 30_000)  # 30 s before 2026-03-02 00:00 +08:00
    result = recount([window(chain, RUNNING_MINUTE[0], period_ms=1000)], RULE)
    assert [(at, day.running_ms) for at, day in result.days] == [
        (1_772_294_400_000, 30_000),
        (1_772_380_800_000, 30_000),
    ]


def test_minutes_estimate_running_hours_from_their_means() -> None:
    minutes: list[Sequence[int | None]] = [[5000] * 12, [500] * 12, [5000] * 6 + [0] * 6, [None] * 12]
    (body,) = minuted([minutes], RULE)
    result = recount([body], RULE)
    assert body.keep is Keep.MINUTE
    assert result.rejudged is not None
    assert result.rejudged.mean_running_ms == 60_000
