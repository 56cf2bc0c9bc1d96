"""How a machine draws its power: what is learned, when a change is told, and how often that is a false alarm."""

import random
from collections.abc import Callable, Iterator
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.bodies import Phase
from evidence.errors import MalformedError
from evidence.judging.judge import UNJUDGED, Judged, RunState, Threshold, judge
from evidence.judging.signature import (
    ALARM,
    BLOCKS_NEEDED,
    CUT,
    SLACK,
    UNSIGNED,
    Change,
    Drift,
    Signature,
    SignatureState,
    drifted,
    learn,
    watch,
)

RULE = Threshold(running_above_mw=3_000_000, idle_above_mw=300_000, hysteresis_mw=0, dwell_ms=5000, hold_ms=30_000)
PERIOD_MS = 10_000
USUAL_MW, SPREAD_MW = 5_000_000, 250_000
Answer = tuple[int, int | None, Judged]


def days(
    rng: random.Random, *, runs: int, usual_mw: int = USUAL_MW, inrush_mw: int = 20_000_000, from_ms: int = 0
) -> Iterator[Answer]:
    """Runs of two hours and rests of one; every half hour another load."""
    judged, at_ms = UNJUDGED, from_ms
    for _ in range(runs):
        powers = [400_000] * 360 + [int(inrush_mw * rng.uniform(0.95, 1.05))]
        for _ in range(4):
            load = int(rng.gauss(usual_mw, SPREAD_MW))
            powers += [int(rng.gauss(load, 100_000)) for _ in range(180)]
        for power_mw in powers:
            at_ms += PERIOD_MS
            judged, _ = judge(judged, at_ms, (power_mw,), RULE)
            yield at_ms, power_mw, judged


def watched(answers: Iterator[Answer], by: Signature) -> list[tuple[Phase, str]]:
    state, told = UNSIGNED, []
    for at_ms, power_mw, judged in answers:
        state, changes = watch(state, at_ms, power_mw, judged, by)
        told += [(change.phase, change.what) for change in changes]
    return told


def learned() -> Signature:
    found = learn(days(random.Random(1), runs=20), point="active_power", hold_ms=30_000, inrush_ms=20_000)
    assert found is not None
    return found


SIGNATURE = learned()


def test_a_signature_says_what_the_machine_did() -> None:
    assert abs(SIGNATURE.running_mw - USUAL_MW) < 2 * SPREAD_MW // 3
    assert SPREAD_MW // 3 < SIGNATURE.spread_mw < 3 * SPREAD_MW
    assert SIGNATURE.idle_mw == 400_000
    assert SIGNATURE.inrush_mw is not None
    assert abs(SIGNATURE.inrush_mw - 20_000_000) < 1_000_000
    assert abs(SIGNATURE.wh_per_hour - 5000) < 200


def test_too_little_running_gives_no_signature() -> None:
    few = days(random.Random(1), runs=BLOCKS_NEEDED // 4 - 2)
    assert learn(few, point="active_power", hold_ms=30_000) is None


def test_the_same_machine_gives_no_alarm_and_another_one_does() -> None:
    assert watched(days(random.Random(2), runs=30), SIGNATURE) == []
    other = watched(days(random.Random(3), runs=6, usual_mw=3_600_000), SIGNATURE)
    assert (Phase.RAISED, "running power") in other


def test_a_start_without_its_inrush_is_told() -> None:
    """A fan or a heater in place of the motor."""
    other = watched(days(random.Random(3), runs=20, inrush_mw=5_200_000), SIGNATURE)
    assert other == [(Phase.RAISED, "inrush")]


def test_what_goes_back_to_the_old_way_is_cleared() -> None:
    def there_and_back() -> Iterator[Answer]:
        yield from days(random.Random(4), runs=4, usual_mw=8_000_000)
        yield from days(random.Random(5), runs=10, from_ms=4 * 10_810_000)

    told = [phase for phase, what in watched(there_and_back(), SIGNATURE) if what == "running power"]
    assert told == [Phase.RAISED, Phase.CLEARED]


# How often, on blocks alone.


def alarms(block_mw: Callable[[], int], blocks: int, usual_mw: int = USUAL_MW, spread_mw: int = SPREAD_MW) -> int:
    drift, raised = Drift(), 0
    for _ in range(blocks):
        drift, phase = drifted(drift, block_mw(), usual_mw=usual_mw, spread_mw=spread_mw)
        if phase is Phase.RAISED:
            raised, drift = raised + 1, Drift()
    return raised


def independent(rng: random.Random, shift: float = 0) -> Callable[[], int]:
    return lambda: int(rng.gauss(USUAL_MW + shift * SPREAD_MW, SPREAD_MW))


def alike(rng: random.Random, correlation: float) -> Callable[[], int]:
    last = [0.0]

    def block() -> int:
        last[0] = correlation * last[0] + rng.gauss(0, (1 - correlation**2) ** 0.5)
        return int(USUAL_MW + SPREAD_MW * last[0])

    return block


def test_independent_blocks_give_no_false_alarm_in_twenty_thousand() -> None:
    assert alarms(independent(random.Random(1)), 20_000) == 0


def test_blocks_that_resemble_the_one_before_give_few() -> None:
    assert alarms(alike(random.Random(2), 0.5), 20_000) <= 2
    assert alarms(alike(random.Random(2), 0.7), 20_000) <= 20


def test_a_signature_learned_from_as_few_blocks_as_may_be_gives_few() -> None:
    rng, told = random.Random(3), 0
    for _ in range(20):
        blocks = [independent(rng)() for _ in range(BLOCKS_NEEDED)]
        usual = median_low(blocks)
        spread = median_low([abs(block - usual) for block in blocks]) * 14826 // 10000
        told += alarms(independent(rng), 1000, usual, spread)
    assert told <= 2


@pytest.mark.parametrize(("shift", "median", "nineteen_of_twenty"), [(3, 6, 10), (5, 4, 4), (-3, 6, 10)])
def test_a_lasting_change_is_told_within_a_few_blocks(shift: float, median: int, nineteen_of_twenty: int) -> None:
    rng, took = random.Random(4), []
    for _ in range(200):
        block, drift, blocks, phase = independent(rng, shift), Drift(), 0, None
        while phase is None:
            drift, phase = drifted(drift, block(), usual_mw=USUAL_MW, spread_mw=SPREAD_MW)
            blocks += 1
        took.append(blocks)
    took.sort()
    assert took[100] <= median
    assert took[189] <= nineteen_of_twenty


@given(st.lists(st.integers(0, 1 << 36), max_size=ALARM // (CUT - SLACK)))
def test_a_few_strange_blocks_alone_say_nothing(blocks: list[int]) -> None:
    values = iter(blocks)
    assert alarms(lambda: next(values), len(blocks)) == 0


# Promises of the machinery.

ODD = st.lists(
    st.tuples(
        st.sampled_from([1, 1000, 30_000, 90_000_000]),
        st.one_of(st.none(), st.integers(-(1 << 63), 1 << 63), st.sampled_from([0, 400_000, 5_000_000])),
    ),
    max_size=40,
)


@given(ODD)
def test_whatever_is_answered_what_is_remembered_fits_where_it_is_kept(odd: list[tuple[int, int | None]]) -> None:
    state, judged, at_ms = UNSIGNED, UNJUDGED, 1_800_000_000_000
    for after_ms, power_mw in odd:
        at_ms += after_ms
        judged, _ = judge(judged, at_ms, (power_mw,), RULE)
        state, changes = watch(state, at_ms, power_mw, judged, SIGNATURE)
        assert all(isinstance(change, Change) for change in changes)
        encoded = cbor.encode(state.to_value())
        assert SignatureState.from_value(cbor.decode(encoded, at_most=len(encoded))) == state
        assert len(encoded) < 200


def test_settings_say_a_signature_completely() -> None:
    settings = {"signature": SIGNATURE.settings()}
    encoded = cbor.encode(settings)
    assert Signature.from_settings(cbor.decode(encoded, at_most=len(encoded))) == SIGNATURE
    assert Signature.from_settings({}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"running_mw": 0},
        {"spread_mw": -1},
        {"block_ms": 0},
        {"block_ms": 1 << 40},
        {"inrush_mw": None},
        {"hold_ms": 0},
        {"point": 7},
    ],
)
def test_what_is_no_signature_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        Signature.from_settings({"signature": SIGNATURE.settings() | wrong})


def test_running_time_that_nobody_answered_for_is_no_running_time() -> None:
    """An answer counts for its hold at most."""
    by = Signature.from_settings({"signature": SIGNATURE.settings() | {"block_ms": 60_000, "inrush_ms": 0}})
    assert by is not None
    runs = Judged(RunState.RUNNING, RunState.RUNNING, 0, 1 << 50)
    state, _ = watch(UNSIGNED, 0, USUAL_MW, runs, by)
    state, _ = watch(state, 50_000_000, USUAL_MW, runs, by)
    assert state.run.ran_ms == 30_000
