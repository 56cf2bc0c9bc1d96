"""Levels of power: found where they are, apart only where they are apart."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.installing.calibrating.levels import LEAST_SEPARATION, between, divide, level_of, octaves, separation


def spread(chance: Random, *, middle_w: float, noise: float, readings: int) -> list[int]:
    return [round(1000 * middle_w * chance.gauss(1, noise)) for _ in range(readings)]


@given(
    seed=st.integers(0, 1 << 32),
    top_w=st.floats(500, 500_000),
    ratios=st.lists(st.floats(2.2, 30), min_size=0, max_size=3),
    noise=st.floats(0, 0.07),
    counts=st.lists(st.integers(60, 2000), min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_levels_that_are_there_are_found_whatever_their_shares(
    seed: int, top_w: float, ratios: list[float], noise: float, counts: list[int]
) -> None:
    chance = Random(seed)
    middles = [top_w]
    for ratio in ratios:
        if middles[-1] / ratio > max(20.0, top_w / 400):
            middles.append(middles[-1] / ratio)
    middles.reverse()
    powers = [
        power
        for middle_w, readings in zip(middles, counts, strict=False)
        for power in spread(chance, middle_w=middle_w, noise=noise, readings=readings)
    ]
    chance.shuffle(powers)
    found = [level_of(part) for part in divide(powers)]
    assert [level.readings for level in found] == counts[: len(middles)]
    for level, middle_w in zip(found, middles, strict=True):
        assert abs(level.median_mw / 1000 - middle_w) < middle_w * (0.01 + noise)


HEAPS: dict[str, Callable[[Random], float]] = {
    "normal": lambda chance: chance.gauss(3, 1),
    "uniform": lambda chance: chance.uniform(0, 6),
    "exponential": lambda chance: chance.expovariate(1),
    "lognormal": lambda chance: chance.lognormvariate(0, 1.5),
    "pareto": lambda chance: chance.paretovariate(1.2),
    "triangle": lambda chance: chance.triangular(0, 6),
    "constant": lambda _: 1.0,
}


@given(
    seed=st.integers(0, 1 << 32),
    kind=st.sampled_from(sorted(HEAPS)),
    readings=st.integers(1, 3000),
    scale_w=st.floats(0.1, 100_000),
)
@settings(max_examples=150, deadline=None)
def test_one_heap_of_readings_is_one_level(seed: int, kind: str, readings: int, scale_w: float) -> None:
    chance = Random(seed)
    assert len(divide([round(1000 * scale_w * HEAPS[kind](chance)) for _ in range(readings)])) == 1


def test_without_readings_there_is_no_level() -> None:
    assert divide([]) == []


def test_the_sign_of_power_does_not_count() -> None:
    chance = Random(1)
    powers = spread(chance, middle_w=15, noise=0.1, readings=100) + spread(
        chance, middle_w=3000, noise=0.1, readings=90
    )
    assert divide([-power for power in powers]) == divide(powers)
    assert [len(part) for part in divide(powers)] == [100, 90]


def test_what_a_meter_reads_of_a_machine_that_is_off_is_one_level() -> None:
    powers = [0] * 500 + [900] * 500 + [4_000] * 500
    assert len(divide(powers)) == 1
    assert [len(part) for part in divide(powers + [2_000_000] * 100)] == [1500, 100]


def test_a_start_seen_on_the_way_is_no_level_and_hides_none() -> None:
    chance = Random(2)
    ramps = [round(1000 * power) for power in range(20, 3000, 60)]
    powers = spread(chance, middle_w=15, noise=0.1, readings=2000) + ramps
    powers += spread(chance, middle_w=3000, noise=0.03, readings=3000)
    assert len(divide(powers)) == 2


def test_a_spike_is_no_level() -> None:
    chance = Random(3)
    powers = spread(chance, middle_w=1000, noise=0.02, readings=5000) + [9_000_000] * 12
    assert len(divide(powers)) == 1


@pytest.mark.parametrize("ratio", [1.05, 1.15, 1.25])
def test_levels_that_overlap_are_not_apart(ratio: float) -> None:
    chance = Random(4)
    low = spread(chance, middle_w=1000, noise=0.1, readings=1000)
    high = spread(chance, middle_w=1000 * ratio, noise=0.1, readings=1000)
    assert separation(low, high).figure < LEAST_SEPARATION
    assert not separation(low, high).is_apart(least_gap=0)
    assert len(divide(low + high)) == 1


def test_a_gap_that_is_often_crossed_slowly_is_no_gap() -> None:
    chance = Random(5)
    low = spread(chance, middle_w=300, noise=0.05, readings=300)
    between_them = [round(1000 * chance.uniform(350, 2600)) for _ in range(300)]
    high = spread(chance, middle_w=3000, noise=0.05, readings=300)
    assert len(divide(low + between_them + high)) == 1


@given(low=st.integers(1, 1 << 40), high=st.integers(1, 1 << 40))
def test_between_two_powers_is_between_them(low: int, high: int) -> None:
    low, high = sorted((low, high))
    assert low <= between(low, high) <= high
    assert octaves(low) <= octaves(between(low, high)) <= octaves(high)


@given(powers=st.lists(st.integers(-(1 << 50), 1 << 50), max_size=300))
@settings(max_examples=100, deadline=None)
def test_every_reading_is_in_one_level_and_levels_rise(powers: list[int]) -> None:
    parts = divide(powers)
    assert sum(map(len, parts)) == len(powers)
    assert all(part == sorted(part) for part in parts)
    assert all(low[-1] <= high[0] for low, high in pairwise(parts))
