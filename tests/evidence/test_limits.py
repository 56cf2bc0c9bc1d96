"""Limits: raised after a delay, cleared after one, and never by silence."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.bodies import Phase
from evidence.errors import MalformedError
from evidence.judging.limits import LIMITS_LIMIT, UNRAISED, USUAL, Limit, LimitState, Side, limits_from_settings

HYDRANT = Limit(
    name="pressure",
    point="pressure",
    side=Side.BELOW,
    raise_milli=100_000,
    clear_milli=105_000,
    delay_ms=10_000,
    hold_ms=15_000,
)
LEAK = Limit(
    name="leak", point="residual", side=Side.ABOVE, raise_milli=300_000, clear_milli=270_000, delay_ms=0, hold_ms=15_000
)

LIMITS = st.builds(
    lambda side, figures, delay, hold: Limit(
        name="it",
        point="it",
        side=side,
        raise_milli=min(figures) if side is Side.BELOW else max(figures),
        clear_milli=max(figures) if side is Side.BELOW else min(figures),
        delay_ms=delay,
        hold_ms=hold,
        why="a rule book",
    ),
    st.sampled_from(Side),
    st.tuples(st.integers(-50, 50), st.integers(-50, 50)),
    st.sampled_from([0, 1000, 10_000]),
    st.sampled_from([1500, 20_000]),
)
ANSWERS = st.lists(
    st.tuples(st.sampled_from([500, 1000, 1000, 20_000]), st.one_of(st.none(), st.integers(-60, 60))), max_size=40
)


def told(by: Limit, answers: Sequence[tuple[int, int | None]], state: LimitState = UNRAISED) -> list[tuple[int, Phase]]:
    """(UTC ms, phase) of each event; answers are (ms since the one before, thousandths)."""
    at_ms, events = 1_000_000, []
    for after_ms, value in answers:
        at_ms += after_ms
        state, phase = by.judge(state, at_ms, value)
        if phase is not None:
            events.append((at_ms - 1_000_000, phase))
    return events


def each_s(*values: float | None) -> list[tuple[int, int | None]]:
    return [(1000, None if v is None else round(v * 1000)) for v in values]


@given(LIMITS, ANSWERS)
def test_it_is_raised_and_cleared_in_turns(by: Limit, answers: list[tuple[int, int | None]]) -> None:
    phases = [phase for _, phase in told(by, answers)]
    assert phases == [Phase.RAISED, Phase.CLEARED] * (len(phases) // 2) + [Phase.RAISED] * (len(phases) % 2)


@given(LIMITS, ANSWERS)
def test_each_turn_has_dwelt_on_every_good_answer(by: Limit, answers: list[tuple[int, int | None]]) -> None:
    times = [sum(after for after, _ in answers[: i + 1]) for i in range(len(answers))]
    good = [(at_ms, value) for at_ms, (_, value) in zip(times, answers, strict=True) if value is not None]
    for turned_ms, phase in told(by, answers):
        run = [turned_ms]
        for at_ms, value in reversed([one for one in good if one[0] < turned_ms]):
            if not turns(by, phase, value):
                break
            run.append(at_ms)
        assert turned_ms - run[-1] >= by.delay_ms


def turns(by: Limit, phase: Phase, value: int) -> bool:
    if by.side is Side.BELOW:
        return value < by.raise_milli if phase is Phase.RAISED else value >= by.clear_milli
    return value >= by.raise_milli if phase is Phase.RAISED else value < by.clear_milli


@given(LIMITS, ANSWERS, st.lists(st.sampled_from([1000, 100_000]), max_size=5))
def test_silence_changes_nothing(by: Limit, answers: list[tuple[int, int | None]], silence: list[int]) -> None:
    quiet: list[tuple[int, int | None]] = [(ms, None) for ms in silence]
    assert told(by, [*answers, *quiet]) == told(by, answers)


@given(LIMITS, st.integers(0, 1))
def test_a_value_between_the_two_figures_changes_nothing(by: Limit, raised: int) -> None:
    low, high = sorted((by.raise_milli, by.clear_milli))
    if low < high:
        assert told(by, [(1000, low), (100_000, high - 1)], LimitState(raised)) == []


def test_a_hydrant_is_raised_after_the_delay_and_cleared_above_the_band() -> None:
    values = each_s(120, *[99.9] * 12, *[104.9] * 12, *[105] * 12)
    assert told(HYDRANT, values) == [(12_000, Phase.RAISED), (36_000, Phase.CLEARED)]


def test_one_good_answer_inside_the_delay_begins_it_anew() -> None:
    assert told(HYDRANT, each_s(*[99] * 10, 101, *[99] * 10)) == []


def test_a_raised_limit_stays_raised_through_any_silence_and_a_gap() -> None:
    state = UNRAISED
    for at_s in range(12):
        state, _ = HYDRANT.judge(state, at_s * 1000, 50_000)
    for at_s in range(12, 4000):
        state, phase = HYDRANT.judge(state, at_s * 1000, None)
        assert phase is None
    assert state.raised
    assert not state.is_known(4_000_000)
    assert state.anew().raised
    assert not state.anew().is_known(0)


def test_a_sensor_that_answers_now_and_then_is_raised_all_the_same() -> None:
    """A fire transmitter sends a value every half minute, or when it changes."""
    assert told(HYDRANT, [*each_s(99), (30_000, 99_000), (30_000, None), (30_000, 120_000), (30_000, 120_000)]) == [
        (31_000, Phase.RAISED),
        (121_000, Phase.CLEARED),
    ]


def test_above_begins_at_the_figure_itself_and_below_just_under_it() -> None:
    assert told(LEAK, each_s(299.999)) == []
    assert told(LEAK, each_s(300)) == [(1000, Phase.RAISED)]
    assert told(LEAK, each_s(300, 270, 269.999)) == [(1000, Phase.RAISED), (3000, Phase.CLEARED)]
    assert told(HYDRANT, each_s(*[100] * 20)) == []


@given(st.lists(LIMITS, max_size=1))
def test_settings_say_limits_completely(limits: list[Limit]) -> None:
    settings = {"limits": [limit.settings() for limit in limits]}
    encoded = cbor.encode(settings)
    assert limits_from_settings(cbor.decode(encoded, at_most=len(encoded))) == tuple(limits)


@pytest.mark.parametrize(
    "limits",
    [
        7,
        [7],
        [HYDRANT.settings()] * 2,
        [HYDRANT.settings() | {"name": str(i)} for i in range(LIMITS_LIMIT + 1)],
        [HYDRANT.settings() | {"clear_milli": 99_999}],
        [LEAK.settings() | {"clear_milli": 300_001}],
        [HYDRANT.settings() | {"delay_ms": -1}],
        [HYDRANT.settings() | {"hold_ms": 0}],
        [HYDRANT.settings() | {"side": "left"}],
        [HYDRANT.settings() | {"more": 1}],
        [HYDRANT.settings() | {"raise_milli": -(1 << 63)}],
        [{key: value for key, value in HYDRANT.settings().items() if key != "why"}],
    ],
)
def test_what_is_no_limit_is_refused(limits: object) -> None:
    with pytest.raises(MalformedError):
        limits_from_settings({"limits": limits})


@pytest.mark.parametrize("kind", USUAL)
def test_every_usual_limit_is_one(kind: str) -> None:
    usual = USUAL[kind]
    by = Limit(
        name="it",
        point="it",
        side=usual.side,
        raise_milli=usual.raise_milli,
        clear_milli=usual.clear_milli,
        delay_ms=0,
        hold_ms=1,
        why=usual.why,
    )
    assert by.raise_milli != by.clear_milli


def test_the_usual_pressures_are_those_of_gb_50974() -> None:
    below = {kind: usual.raise_milli // 1000 for kind, usual in USUAL.items() if usual.unit == "kPa"}
    assert below == {
        "hydrant-high-rise-class-1": 100,
        "hydrant-above-100-m": 150,
        "hydrant-public": 70,
        "hydrant-high-rise-residential": 70,
        "hydrant-industrial": 100,
        "hydrant-industrial-small": 70,
        "sprinkler": 100,
    }
