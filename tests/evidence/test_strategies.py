"""What every way of judging promises, and what each one means."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.errors import MalformedError
from evidence.judging.judge import (
    UNJUDGED,
    Answer,
    Change,
    Fusion,
    IntervalMax,
    Judged,
    PlcState,
    Pulses,
    Rule,
    RunState,
    Signal,
    Span,
    Threshold,
    Wins,
    expire,
    judge,
    rule_from_settings,
    spans_of,
)
from evidence.judging.settle import settle
from tests.evidence.rules import RULES, TICKS, Tick, answers_for

STOPPED, IDLE, RUNNING, UNKNOWN = RunState.STOPPED, RunState.IDLE, RunState.RUNNING, RunState.UNKNOWN


def spans(answers: Sequence[Answer], by: Rule, cuts: list[int], *, carried: bool = False) -> list[Span]:
    """Judged in windows that end at the cuts, as a box does; `carried`: what is carried goes through bytes."""
    now, found, from_ms = UNJUDGED, list[Span](), 0
    for to_ms in cuts:
        first, changes = now.state, list[Change]()
        for at_ms, values in answers:
            if from_ms <= at_ms < to_ms:
                now, changed = judge(now, at_ms, values, by)
                changes += changed
        now, gone = expire(now, to_ms, by)
        if carried:
            now = Judged.from_value(cbor.decode(cbor.encode(now.to_value()), at_most=1 << 16))
        found += spans_of(first, [*changes, *gone], from_ms, to_ms)
        from_ms = to_ms
    return joined(found)


def joined(found: list[Span]) -> list[Span]:
    out: list[Span] = []
    for start, end, state in found:
        if out and out[-1][2] is state:
            out[-1] = (out[-1][0], end, state)
        else:
            out.append((start, end, state))
    return out


def end_of(answers: Sequence[Answer]) -> int:
    return answers[-1][0] + 40_000


# Every rule.


@given(TICKS, RULES, st.data())
def test_cut_anywhere_and_carried_through_bytes_it_says_the_same(
    ticks: list[Tick], by: Rule, data: st.DataObject
) -> None:
    answers = answers_for(by, ticks)
    end_ms = end_of(answers)
    cuts = sorted(data.draw(st.sets(st.integers(1, end_ms - 1), max_size=8)))
    whole = spans(answers, by, [end_ms])
    assert spans(answers, by, [*cuts, end_ms], carried=True) == whole
    assert (whole[0][0], whole[-1][1]) == (0, end_ms)
    assert all(a[1] == b[0] and a[2] is not b[2] for a, b in pairwise(whole))


@given(TICKS, RULES)
def test_a_known_state_rests_on_an_answer_within_its_hold(ticks: list[Tick], by: Rule) -> None:
    answers = answers_for(by, ticks)
    longest = max(rule.hold_ms for rule in ((by.first, by.second) if isinstance(by, Fusion) else (by,)))
    good = [at_ms for at_ms, values in answers if any(v is not None for v in values)]
    for start, end, state in spans(answers, by, [end_of(answers)]):
        if state is not UNKNOWN:
            heard = [at_ms for at_ms in good if start - longest < at_ms < end]
            assert heard
            assert heard[0] <= start
            assert all(b - a <= longest for a, b in pairwise([*heard, end]))


@given(RULES)
def test_settings_say_a_rule_completely(by: Rule) -> None:
    encoded = cbor.encode(by.settings())
    assert rule_from_settings(cbor.decode(encoded, at_most=len(encoded))) == by


@given(RULES, st.data())
def test_settings_that_lack_something_are_no_rule(by: Rule, data: st.DataObject) -> None:
    settings = by.settings()
    del settings[data.draw(st.sampled_from(sorted(settings)))]
    assert rule_from_settings(settings) is None


@given(TICKS, TICKS, RULES)
def test_where_judging_settles_it_stands_where_the_box_stands(before: list[Tick], after: list[Tick], by: Rule) -> None:
    """Whatever the box saw before, from there on both say the same."""
    earlier = answers_for(by, before)
    from_ms = earlier[-1][0] + 1
    later = answers_for(by, after, from_ms)
    now = UNJUDGED
    for at_ms, values in earlier:
        now, _ = judge(now, at_ms, values, by)
    end_ms = end_of(later)
    found = settle(by, later, from_ms, end_ms)
    if found is None:
        return
    settled_ms, ours, taken = found
    first: RunState | None = None
    theirs: list[Change] = []
    for i, (at_ms, values) in enumerate(later):
        if i == taken:
            now, _ = expire(now, min(settled_ms, at_ms), by)
            first = now.state
        now, changed = judge(now, at_ms, values, by)
        theirs += changed if i >= taken else []
    first = now.state if first is None else first
    now, gone = expire(now, end_ms, by)
    mine, again = list[Change](), ours
    for at_ms, values in later[taken:]:
        again, changed = judge(again, at_ms, values, by)
        mine += changed
    again, mine_gone = expire(again, end_ms, by)
    assert spans_of(ours.state, [*mine, *mine_gone], settled_ms, end_ms) == spans_of(
        first, [*theirs, *gone], settled_ms, end_ms
    )


@given(st.recursive(st.one_of(st.integers(), st.text(), st.none()), lambda inner: st.lists(inner, max_size=6)))
def test_what_is_no_judging_is_refused(value: object) -> None:
    try:
        judged = Judged.from_value(value)
    except MalformedError:
        return
    assert Judged.from_value(judged.to_value()) == judged


# Bursts.

PRESS = IntervalMax(running_above_mw=100, idle_above_mw=10, interval_ms=10_000, hold_ms=2000)


def states(values: Sequence[int | None], by: Rule, *, step_ms: int = 1000) -> list[tuple[int, RunState]]:
    """(second, state) of each change."""
    answers = [(i * step_ms, (value,)) for i, value in enumerate(values)]
    found = spans(answers, by, [len(values) * step_ms])
    return [(start // 1000, state) for start, _, state in found]


def test_between_two_bursts_a_press_works_as_well() -> None:
    assert states(([500] + [20] * 8) * 6, PRESS) == [(0, RUNNING)]


def test_a_run_ends_an_interval_after_its_last_burst() -> None:
    assert states([500, 500] + [20] * 30, PRESS) == [(0, RUNNING), (11, IDLE)]
    assert states([500, 20] + [0] * 30, PRESS) == [(0, RUNNING), (10, IDLE), (11, STOPPED)]


def test_without_a_burst_nothing_is_said_before_an_interval_was_seen() -> None:
    assert states([20] * 20, PRESS) == [(0, UNKNOWN), (10, IDLE)]
    assert states([0] * 20, PRESS) == [(0, UNKNOWN), (10, STOPPED)]


# A PLC's word.

PLC = PlcState(
    point="status", states=((0b11, 0b11, RUNNING), (0b1, 0b1, IDLE), (0xF, 0, STOPPED)), dwell_ms=0, hold_ms=2000
)


def test_the_first_entry_that_fits_counts_and_what_is_not_listed_is_unknown() -> None:
    assert states([0b11, 0b01, 0b111, 0, 0x10, 0b10], PLC) == [
        (0, RUNNING),
        (1, IDLE),
        (2, RUNNING),
        (3, STOPPED),
        (5, UNKNOWN),
    ]


def test_a_value_that_is_not_listed_must_dwell_like_any_other() -> None:
    slow = PlcState(point="status", states=PLC.states, dwell_ms=3000, hold_ms=2000)
    assert states([3, 3, 2, 2, 3, 2, 2, 2, 2, 3], slow) == [(0, RUNNING), (8, UNKNOWN), (9, RUNNING)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"states": [[1, 2, 3]]},
        {"states": [[0, 0, 3]]},
        {"states": [[1, 1, 0]]},
        {"states": [[1, 1, 9]]},
        {"states": [[1, 1]]},
        {"states": []},
        {"states": [[1, 1, 3]] * 65},
        {"hold_ms": 0},
        {"dwell_ms": -1},
    ],
)
def test_a_map_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        rule_from_settings(PLC.settings() | wrong)


# Cycles.

COUNTED = Pulses(point="cycles", signal=Signal.COUNTER, longest_cycle_ms=5000, hold_ms=2000, modulus=1000)
BIT = Pulses(point="status", signal=Signal.BIT, longest_cycle_ms=5000, hold_ms=2000, mask=0b10, quiet=IDLE)
HEIGHT = Pulses(
    point="pressure",
    signal=Signal.PEAKS,
    longest_cycle_ms=5000,
    hold_ms=2000,
    low_milli=500,
    high_milli=800,
    hysteresis_milli=50,
)


def test_a_machine_runs_while_its_cycles_come() -> None:
    assert states([7, 7, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9], COUNTED) == [(0, UNKNOWN), (2, RUNNING), (11, STOPPED)]


def test_a_rollover_is_a_cycle_and_a_reset_is_none() -> None:
    assert states([999, 999, 3, 3], COUNTED) == [(0, UNKNOWN), (2, RUNNING)]
    assert states([500, 500, 3, 3], COUNTED) == [(0, UNKNOWN)]


def test_a_bit_that_comes_on_is_a_cycle_and_one_that_stays_on_is_none() -> None:
    assert states([2, 2, 0, 1, 3, 3, 3, 3, 3, 3, 3, 3], BIT) == [(0, UNKNOWN), (4, RUNNING), (10, IDLE)]


def test_a_peak_in_the_band_is_a_cycle_once_it_is_over() -> None:
    assert states([0, 600, 470, 520, 0, 0], HEIGHT) == [(0, UNKNOWN), (4, RUNNING)]


def test_a_peak_beyond_the_band_is_none_and_neither_is_one_below() -> None:
    assert states([0, 600, 900, 600, 0, 499, 0], HEIGHT) == [(0, UNKNOWN), (6, STOPPED)]


def test_what_happened_in_a_silence_is_no_cycle_of_the_instant_at_which_it_ends() -> None:
    assert states([7, 7, None, None, None, 50, 50, 50], COUNTED) == [(0, UNKNOWN)]


# Two signals.

POWER = Threshold(running_above_mw=100, idle_above_mw=10, hysteresis_mw=0, dwell_ms=0, hold_ms=2000)


def fused(wins: Wins) -> list[RunState]:
    by = Fusion(first=POWER, second=PLC, wins=wins, disagreement_ms=3000)
    pairs: list[tuple[int | None, int | None]] = [(500, 3), (50, 3), (500, 0), (0, None), (None, 1), (None, None)]
    answers = [(i * 10_000, pair) for i, pair in enumerate(pairs)]
    found = spans(answers, by, [60_000])
    return [next(state for start, end, state in found if start <= at_ms < end) for at_ms, _ in answers]


def test_where_two_signals_differ_the_rule_says_which_counts() -> None:
    assert fused(Wins.FIRST) == [RUNNING, IDLE, RUNNING, STOPPED, IDLE, UNKNOWN]
    assert fused(Wins.SECOND) == [RUNNING, RUNNING, STOPPED, STOPPED, IDLE, UNKNOWN]
    assert fused(Wins.LOWER) == [RUNNING, IDLE, STOPPED, STOPPED, IDLE, UNKNOWN]
    assert fused(Wins.HIGHER) == [RUNNING, RUNNING, RUNNING, STOPPED, IDLE, UNKNOWN]
    assert fused(Wins.NEITHER) == [RUNNING, UNKNOWN, UNKNOWN, STOPPED, IDLE, UNKNOWN]


def test_they_are_apart_when_only_one_says_that_it_runs() -> None:
    by = Fusion(first=POWER, second=PLC, wins=Wins.FIRST, disagreement_ms=3000)

    def apart(*values: int | None) -> bool | None:
        return by.apart(judge(UNJUDGED, 0, values, by)[0])

    assert apart(50, 3) is True
    assert apart(500, 1) is True
    assert apart(500, 3) is False
    assert apart(50, 0) is False
    assert apart(50, None) is None


def test_a_fusion_of_fusions_is_no_rule() -> None:
    by = Fusion(first=POWER, second=PLC, wins=Wins.FIRST, disagreement_ms=0)
    assert rule_from_settings(by.settings() | {"first": by.settings()}) is None


@pytest.mark.parametrize(
    "settings",
    [
        PRESS.settings() | {"interval_ms": 0},
        PRESS.settings() | {"interval_ms": 1 << 63},
        PRESS.settings() | {"idle_above_mw": 101},
        COUNTED.settings() | {"longest_cycle_ms": 1 << 63},
        COUNTED.settings() | {"shortest_cycle_ms": 5000},
        COUNTED.settings() | {"modulus": -1},
        BIT.settings() | {"mask": 0},
        HEIGHT.settings() | {"high_milli": 499},
        {**Fusion(first=POWER, second=PLC, wins=Wins.FIRST, disagreement_ms=0).settings(), "disagreement_ms": -1},
    ],
)
def test_figures_that_make_no_rule_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        rule_from_settings(settings)
