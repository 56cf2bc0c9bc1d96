"""What is proposed for a machine, learned or walked, and what is refused with what advice."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.installing.calibrating.advice import Asked, Refusal
from edge_agent.installing.calibrating.levels import LEAST_SEPARATION
from edge_agent.installing.calibrating.proposal import Proposal, from_walk, learn
from edge_agent.installing.calibrating.rhythm import Sample, greatest, longest_pause_ms, pauses_ms, visits_ms
from edge_agent.installing.calibrating.thresholds import rounded, settings_in_file
from evidence.judging.judge import IntervalMax, RunState, Threshold
from tests.world.loads import CURVES, MIDNIGHT_S, by_minutes, press, readings, stays

ASKED = Asked(point="active_power", period_ms=1000, hold_ms=2000)
OFF, IDLE, RUNNING = RunState.STOPPED, RunState.IDLE, RunState.RUNNING


def accepted(found: Proposal | Refusal) -> Proposal:
    assert isinstance(found, Proposal), found
    return found


def refused(found: Proposal | Refusal) -> Refusal:
    assert isinstance(found, Refusal), found
    return found


DAYS = [  # machine, off, idle and running in watts, running and idle thresholds must lie between
    ("loom", 20, (340, 420), 2970),
    ("texturing", None, (1900, 2300), 67_100),
    ("idling", 15, (840, 960), 4550),
    ("compressor", None, (7100, 7900), 21_600),
    ("knitting", 10, (290, 330), 2580),
]


@pytest.mark.parametrize("kept", ["every", "minute"])
@pytest.mark.parametrize(("machine", "off_w", "idle_w", "running_w"), DAYS)
def test_a_days_readings_give_thresholds_between_the_machines_levels(
    machine: str, off_w: int | None, idle_w: tuple[int, int], running_w: int, kept: str
) -> None:
    samples = readings(CURVES[machine], every_s=1 if kept == "minute" else 10)
    found = accepted(learn(by_minutes(samples) if kept == "minute" else samples, ASKED))
    assert isinstance(found.rule, Threshold)
    assert 1000 * idle_w[1] < found.rule.running_above_mw < 1000 * running_w
    assert 1000 * (off_w or 0) < found.rule.idle_above_mw < 1000 * idle_w[0]
    assert found.rule.running_above_mw - found.rule.hysteresis_mw > 1000 * idle_w[1]
    assert found.rule.idle_above_mw - found.rule.hysteresis_mw > 1000 * (off_w or 0)
    assert found.figure >= LEAST_SEPARATION
    assert (OFF in found.levels) is (off_w is not None)
    assert sum(found.shares.values()) >= 998


@pytest.mark.parametrize("machine", ["moulding", "press"])
def test_a_load_in_bursts_is_judged_by_the_greatest_of_an_interval(machine: str) -> None:
    samples = readings(CURVES[machine], from_s=MIDNIGHT_S + 9 * 3600, hours=4)
    samples += readings(CURVES[machine], from_s=MIDNIGHT_S + 20 * 3600, hours=1)
    found = accepted(learn(samples, ASKED))
    assert isinstance(found.rule, IntervalMax)
    assert 0 < found.rule.interval_ms <= 120_000
    assert set(found.levels) == {OFF, IDLE, RUNNING}
    by_hour = {RUNNING: 600, IDLE: 200, OFF: 200}
    assert all(abs(found.shares[state] - share) < 40 for state, share in by_hour.items()), found.shares
    assert any("bursts" in note for note in found.notes)


def test_a_machine_that_is_asked_too_rarely_for_its_bursts_is_told_so() -> None:
    samples = readings(press, from_s=MIDNIGHT_S + 9 * 3600, hours=4) + readings(
        press, hours=1, from_s=MIDNIGHT_S + 86_400
    )
    found = accepted(learn(samples, replace(ASKED, period_ms=30_000, hold_ms=60_000)))
    assert any("shorter period_s" in note for note in found.notes)


REFUSALS = [
    ("only off", [(0.8, 3600)], 0.5, "never switched on"),
    ("always the same", [(3000, 3600)], 0.03, "there is one level only"),
    ("noise", [(3000, 3600)], 0.35, "no two levels are apart (separation"),
    ("overlapping", [(2000, 1800), (3000, 1800)], 0.2, "no two levels are apart (separation"),
    ("four levels", [(15, 900), (400, 900), (1500, 900), (6000, 900)] * 2, 0.03, "there are 4 levels, 15 W, 4"),
    ("a few readings", [(15, 10), (3000, 10)], 0.01, "20 readings are too few"),
]


@pytest.mark.parametrize(("levels_w", "noise", "why"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_what_does_not_separate_is_refused_with_the_reason_and_a_next_step(
    levels_w: list[tuple[float, int]], noise: float, why: str
) -> None:
    found = refused(learn(stays(levels_w, noise=noise, seed=1), ASKED))
    assert why in found.why
    assert found.next_step


def test_chance_bursts_are_refused() -> None:
    chance = Random(3)
    bursts = [chance.random() < 0.003 for _ in range(7200)]
    powers = [8_000_000 if any(bursts[at - 5 : at]) else 1_000_000 for at in range(5, 7200)]
    samples = [Sample(1000 * at, power) for at, power in enumerate(powers)]
    assert "no rhythm" in refused(learn(samples, ASKED)).why


@given(
    off_w=st.floats(0, 30),
    idle_w=st.floats(100, 2000),
    ratio=st.floats(2, 20),
    noise=st.floats(0, 0.06),
    seed=st.integers(0, 1 << 32),
)
@settings(max_examples=40, deadline=None)
def test_thresholds_fall_between_the_levels_of_any_machine(
    off_w: float, idle_w: float, ratio: float, noise: float, seed: int
) -> None:
    samples = stays([(off_w, 600), (idle_w, 300), (idle_w * ratio, 900), (idle_w, 120)], noise=noise, seed=seed)
    found = accepted(learn(samples, ASKED))
    rule = found.rule
    assert isinstance(rule, Threshold)
    assert off_w < (rule.idle_above_mw - rule.hysteresis_mw) / 1000 < rule.idle_above_mw / 1000 < idle_w
    assert idle_w < (rule.running_above_mw - rule.hysteresis_mw) / 1000 < rule.running_above_mw / 1000 < idle_w * ratio
    assert abs(found.shares[RUNNING] - 469) < 30


@given(
    idle=st.integers(1, 60),
    rest=st.integers(40, 1000),
    idle_w=st.floats(100, 700),
    noise=st.floats(0, 0.06),
    seed=st.integers(0, 1 << 32),
)
@settings(max_examples=60, deadline=None)
def test_idling_that_was_hardly_seen_is_never_taken_for_work(
    idle: int, rest: int, idle_w: float, noise: float, seed: int
) -> None:
    samples = stays([(12, rest), (3150, rest // 2), (idle_w, idle), (3150, rest // 2)], noise=noise, seed=seed)
    found = learn(samples, ASKED)
    if isinstance(found, Proposal):
        assert found.rule.running_above_mw > 1000 * idle_w


@given(ratio=st.floats(1, 1.3), noise=st.floats(0.12, 0.3), seed=st.integers(0, 1 << 32))
@settings(max_examples=15, deadline=None)
def test_levels_that_overlap_are_refused(ratio: float, noise: float, seed: int) -> None:
    refused(learn(stays([(1000, 600), (1000 * ratio, 600)] * 2, noise=noise, seed=seed), ASKED))


POWERS = st.integers(-(1 << 50), 1 << 50) | st.sampled_from([0, 1, 4_999, 5_000, 300_000, 310_000, 3_000_000])


@st.composite
def any_samples(draw: st.DrawFn, *, least: int = 0) -> list[Sample]:
    steps = draw(st.lists(st.tuples(st.integers(1, 400_000), POWERS), min_size=least, max_size=120))
    at_ms, samples = 0, []
    for step, power in steps:
        at_ms += step
        samples.append(Sample(at_ms, power))
    return samples


@given(samples=any_samples(), period=st.sampled_from([50, 1000, 30_000]))
@settings(max_examples=100, deadline=None)
def test_any_readings_give_a_rule_that_holds_or_a_reason(samples: list[Sample], period: int) -> None:
    found = learn(samples, Asked(point="p", period_ms=period, hold_ms=2 * period))
    if isinstance(found, Proposal):
        assert found.figure >= LEAST_SEPARATION
        assert settings_in_file(found.rule)
    else:
        assert found.why
        assert found.next_step


@given(off=any_samples(least=1), idle=any_samples(least=1), running=any_samples(least=1))
@settings(max_examples=100, deadline=None)
def test_any_walk_gives_a_rule_that_holds_or_a_reason(
    off: list[Sample], idle: list[Sample], running: list[Sample]
) -> None:
    found = from_walk({OFF: off, IDLE: idle, RUNNING: running}, ASKED)
    if isinstance(found, Proposal):
        assert min(found.shares.values()) >= 950
    else:
        assert found.next_step


def walk_of(*states: tuple[RunState, float, int], noise: float = 0.03) -> dict[RunState, list[Sample]]:
    return {state: stays([(power_w, seconds)], noise=noise, seed=int(state)) for state, power_w, seconds in states}


def test_a_walk_is_found_again() -> None:
    found = accepted(from_walk(walk_of((OFF, 12, 20), (IDLE, 380, 20), (RUNNING, 3150, 40)), ASKED))
    assert isinstance(found.rule, Threshold)
    assert found.is_told
    assert found.shares == {OFF: 1000, IDLE: 1000, RUNNING: 1000}
    assert 12_000 < found.rule.idle_above_mw < 380_000 < found.rule.running_above_mw < 3_150_000


def test_a_walk_tells_apart_what_learning_cannot() -> None:
    walk = walk_of((OFF, 900, 60), (IDLE, 1150, 60), (RUNNING, 1500, 60), noise=0.02)
    everything = sorted(sample for samples in walk.values() for sample in samples)
    refused(learn(everything, ASKED))
    assert accepted(from_walk(walk, ASKED)).rule.running_above_mw in range(1_180_000, 1_450_000)


def test_a_walk_without_idling_calls_idle_what_lies_well_below_running() -> None:
    found = accepted(from_walk(walk_of((OFF, 8, 20), (RUNNING, 3000, 40)), ASKED))
    assert found.rule.running_above_mw >= 1_350_000
    assert 9_000 < found.rule.idle_above_mw < 100_000
    assert any("never idle" in note for note in found.notes)


def test_a_walk_with_bursts_wants_to_see_at_least_two_of_them() -> None:
    at_work = readings(press, from_s=MIDNIGHT_S + 9 * 3600, hours=0.05)
    idling = readings(press, from_s=MIDNIGHT_S + 12 * 3600, hours=0.02)
    off = readings(press, hours=0.01)
    found = accepted(from_walk({OFF: off, IDLE: idling, RUNNING: at_work}, ASKED))
    assert isinstance(found.rule, IntervalMax)
    assert found.rule.interval_ms == 20_000
    short = refused(from_walk({OFF: off, IDLE: idling, RUNNING: at_work[:12]}, ASKED))
    assert "for longer: --running" in short.next_step


WRONG_WALKS = [
    ("never switched on", walk_of((OFF, 2, 30), (RUNNING, 2, 30)), "draws no more than", "clamp"),
    (
        "exchanged",
        walk_of((OFF, 9, 30), (IDLE, 3000, 30), (RUNNING, 400, 30)),
        "running draws no more than idle",
        "--ru",
    ),
    ("idle is off", walk_of((OFF, 9, 30), (IDLE, 9.1, 30), (RUNNING, 400, 30)), "idle", "--idle 0"),
    ("too near", walk_of((OFF, 9, 30), (IDLE, 1000, 30), (RUNNING, 1100, 30), noise=0.06), "too near", "--running 300"),
    ("too short", walk_of((OFF, 9, 30), (RUNNING, 3000, 3)), "3 good readings of running are too few", "watch-line"),
]


@pytest.mark.parametrize(
    ("walk", "why", "next_step"), [row[1:] for row in WRONG_WALKS], ids=[row[0] for row in WRONG_WALKS]
)
def test_a_walk_that_cannot_be_right_is_refused_with_what_to_do(
    walk: dict[RunState, list[Sample]], why: str, next_step: str
) -> None:
    found = refused(from_walk(walk, ASKED))
    assert why in found.why
    assert next_step in found.next_step


def test_a_walk_whose_running_stops_half_way_is_not_believed() -> None:
    walk = walk_of((OFF, 9, 30), (IDLE, 300, 30))
    walk[RUNNING] = stays([(3000, 40), (300, 20)], noise=0.01, seed=9)
    refused(from_walk(walk, ASKED))


@given(powers=st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=80), interval_s=st.integers(1, 30))
def test_the_greatest_of_an_interval_is_what_a_slow_reader_would_say(powers: list[int], interval_s: int) -> None:
    samples = [Sample(1000 * at, power) for at, power in enumerate(powers)]
    wanted = [
        Sample(1000 * at, max(map(abs, powers[at - interval_s + 1 : at + 1]))) for at in range(interval_s, len(powers))
    ]
    assert greatest(samples, 1000 * interval_s) == wanted


def test_visits_and_pauses_are_measured_between_readings() -> None:
    powers = [0, 9, 9, 0, 0, 0, 9, 0, 9]
    samples = [Sample(1000 * at, power) for at, power in enumerate(powers)]
    assert visits_ms(samples, 5) == [2000, 1000, 0]
    assert pauses_ms(samples, 5) == [3000, 1000]
    assert longest_pause_ms(samples, 5) == 3000
    assert longest_pause_ms(samples, 50) == 8000


@given(low=st.integers(5_000, 10**9), ratio=st.floats(1.15, 1000), share=st.floats(0.3, 0.7))
def test_a_rounded_threshold_stays_in_its_gap(low: int, ratio: float, share: float) -> None:
    high = round(low * ratio)
    assert low < rounded(round(low * ratio**share), low, high) < high


def test_a_proposal_is_written_as_the_file_says_it() -> None:
    rule = Threshold(running_above_mw=1_100_500, idle_above_mw=82_000, hysteresis_mw=16_000, dwell_ms=10_000, hold_ms=2)
    assert {key: str(value) for key, value in settings_in_file(rule).items() if value is not None} == {
        "strategy": "power_threshold",
        "point": "active_power",
        "running_above_w": "1100.5",
        "idle_above_w": "82",
        "hysteresis_w": "16",
        "dwell_s": "10",
    }
