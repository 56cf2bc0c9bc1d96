"""Cycles counted from facts, against a naive count."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evidence.bodies import Aggregate, Column, Configuration, Keep, Readings
from evidence.judging.columns import row_ends
from evidence.judging.cycles import CycleCounter, Cycles
from evidence.judging.judge import Pulses, RunState, Signal
from evidence.judging.recompute import Recount
from tests.world.notebook import START_MS

COUNTER = Pulses(point="strokes", signal=Signal.COUNTER, longest_cycle_ms=10_000, hold_ms=3000)
BIT = Pulses(point="strokes", signal=Signal.BIT, longest_cycle_ms=10_000, hold_ms=3000)
PEAKS = Pulses(
    point="strokes",
    signal=Signal.PEAKS,
    longest_cycle_ms=10_000,
    hold_ms=3000,
    low_milli=500_000,
    high_milli=800_000,
    hysteresis_milli=50_000,
)


def cycles(
    values: Sequence[int | None],
    by: Pulses,
    *,
    windows: int = 1,
    step_ms: int = 1000,
    keep: Keep = Keep.EVERY,
    decimals: int = 0,
) -> Cycles:
    counter = CycleCounter(by)
    size = max(1, -(-len(values) // windows))
    for start in range(0, len(values), size):
        times = [START_MS + i * step_ms for i in range(len(values))][start : start + size]
        aggregate = Aggregate.SAMPLE if keep is Keep.EVERY else Aggregate.LAST
        column = Column(by.point, aggregate, "1", decimals, list(values[start : start + size]))
        body = Readings(
            from_ms=times[0],
            to_ms=times[-1] + step_ms,
            period_ms=step_ms,
            keep=keep,
            times_ms=times,
            columns=[column],
            asked=[1] * len(times) if keep is Keep.MINUTE else [],
            answered=[1] * len(times) if keep is Keep.MINUTE else [],
        )
        counter.take(body, row_ends(body))
    return counter.result()


COUNTS = st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=1, max_size=40)


@given(COUNTS, st.integers(1, 6))
def test_every_rise_of_a_counter_counts_and_every_fall_is_a_reset(values: list[int | None], windows: int) -> None:
    good = [value for value in values if value is not None]
    steps = [b - a for a, b in pairwise(good)]
    found = cycles(values, COUNTER, windows=windows)
    assert (found.count, found.resets) == (sum(s for s in steps if s > 0), sum(s < 0 for s in steps))
    assert (found.merged, found.is_whole) == (0, True)


@given(st.lists(st.one_of(st.none(), st.integers(0, 1)), min_size=1, max_size=60), st.integers(1, 6))
def test_every_rising_edge_of_a_bit_counts(values: list[int | None], windows: int) -> None:
    good = [value for value in values if value is not None]
    assert cycles(values, BIT, windows=windows).count == sum(a < b for a, b in pairwise(good))


@given(COUNTS, st.sampled_from([500, 1000, 2500, 7000]))
def test_no_more_cycles_are_counted_than_fit(values: list[int | None], shortest_ms: int) -> None:
    by = Pulses(
        point="strokes",
        signal=Signal.COUNTER,
        longest_cycle_ms=10_000,
        shortest_cycle_ms=shortest_ms,
        hold_ms=3000,
    )
    merged, plain = cycles(values, by), cycles(values, COUNTER)
    assert merged.count + merged.merged == plain.count
    assert merged.count <= len(values) * 1000 // shortest_ms + 1
    assert bool(merged.count) is bool(plain.count)


def test_doubled_pulses_are_one() -> None:
    """A contact that bounces: two counts a stroke, every four seconds."""
    values = [2 * (i // 4) for i in range(81)]
    by = Pulses(point="strokes", signal=Signal.COUNTER, longest_cycle_ms=10_000, shortest_cycle_ms=2500, hold_ms=3000)
    found = cycles(values, by)
    assert (found.count, found.merged, found.mean_cycle_ms) == (20, 20, 4000)


def test_the_mean_leaves_out_what_lies_between_two_runs() -> None:
    values = [0, 1, 1, 2, 2, 3, *[3] * 60, 4, 4, 5]
    found = cycles(values, COUNTER)
    assert (found.count, found.mean_cycle_ms) == (5, 2000)


def test_a_counter_that_begins_anew_loses_nothing() -> None:
    by = Pulses(point="strokes", signal=Signal.COUNTER, longest_cycle_ms=10_000, hold_ms=3000, modulus=1000)
    assert cycles([998, 999, 1, 2], by).count == 4


def test_peaks_in_the_band_are_counted() -> None:
    values = [0, 600, 0, 0, 900, 0, 500, 460, 510, 0, 700]
    assert cycles(values, PEAKS).count == 2


def test_minutes_tell_of_a_counters_cycles_and_of_no_others() -> None:
    counted = cycles([0, 12, 24, 24], COUNTER, step_ms=60_000, keep=Keep.MINUTE)
    assert (counted.count, counted.is_whole) == (24, True)
    assert counted.mean_cycle_ms == 5000
    bit = cycles([0, 1, 0, 1], BIT, step_ms=60_000, keep=Keep.MINUTE)
    assert (bit.count, bit.is_whole) == (0, False)


def test_a_bank_counts_the_cycles_of_the_signed_rule() -> None:
    recount, config = Recount(), bytes(32)
    recount.configure(Configuration(settings={**COUNTER.settings(), "quiet": int(RunState.IDLE)}), config)
    body = Readings(
        from_ms=START_MS,
        to_ms=START_MS + 3000,
        period_ms=1000,
        keep=Keep.EVERY,
        times_ms=[START_MS, START_MS + 1000, START_MS + 2000],
        columns=[Column("strokes", Aggregate.SAMPLE, "1", 0, [7, 8, 10])],
    )
    recount.readings(0, body, config=config, follows=True)
    (found,) = recount.result().cycles
    assert (found.point, found.count) == ("strokes", 3)
