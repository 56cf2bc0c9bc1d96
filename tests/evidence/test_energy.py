"""Energy from counters, against a naive sum and the rules of DESIGN.md section 5."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.bodies import Aggregate, Column, Configuration, Keep, Readings
from evidence.judging.energy import CounterPoint, Energy, Moved, counter_points
from evidence.judging.recompute import Recount
from tests.world.notebook import START_MS

CONFIG = bytes(32)


def energy(
    values: list[int | None],
    *,
    powers: list[int | None] | None = None,
    settings: dict[str, object] | None = None,
    period_ms: int = 1000,
    decimals: int = 0,
    unit: str = "Wh",
    windows: int = 1,
) -> Energy:
    """The energy of one counter read every period, its rows spread over so many windows."""
    recount = Recount()
    recount.configure(Configuration(settings=settings or {}), CONFIG)
    size = -(-len(values) // windows)
    for n, start in enumerate(range(0, len(values), size)):
        part = slice(start, start + size)
        times = [START_MS + i * period_ms for i in range(len(values))][part]
        columns = [
            Column(point="energy_import", aggregate=Aggregate.SAMPLE, unit=unit, decimals=decimals, values=values[part])
        ]
        if powers is not None:
            power = Column(point="active_power", aggregate=Aggregate.SAMPLE, unit="W", decimals=0, values=powers[part])
            columns.append(power)
        body = Readings(
            from_ms=times[0],
            to_ms=times[-1] + period_ms,
            period_ms=period_ms,
            keep=Keep.EVERY,
            times_ms=times,
            columns=columns,
        )
        recount.readings(n, body, config=CONFIG, follows=True)
    (result,) = recount.result().energy
    return result


counts = st.lists(st.one_of(st.none(), st.integers(0, 10_000)), min_size=1, max_size=40)


@given(counts, st.integers(1, 5))
def test_without_a_modulus_every_rise_is_added_and_every_fall_is_a_reset(
    values: list[int | None], windows: int
) -> None:
    good = [v for v in values if v is not None]
    steps = [b - a for a, b in pairwise(good)]
    found = energy(values, windows=windows)
    assert found.used == sum(1000 * step for step in steps if step > 0)
    assert (found.resets, found.rollovers) == (sum(step < 0 for step in steps), 0)


@given(st.integers(0, 50), st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_a_counter_that_rolls_over_loses_nothing(start: int, rises: list[int]) -> None:
    values, now = [], 9_950 + start
    for rise in rises:
        now += rise
        values.append(now % 10_000)
    found = energy([*values], settings={"modulus": 10_000})
    assert found.used == 1000 * sum(rises[1:])
    assert found.resets == 0


def test_a_fall_from_below_99_percent_is_a_reset_even_with_a_modulus() -> None:
    found = energy([9_900, 5, 10], settings={"modulus": 10_000})
    assert (found.resets, found.rollovers, found.used) == (1, 0, 5000)
    found = energy([9_901, 99, 100], settings={"modulus": 10_000})
    assert (found.resets, found.rollovers, found.used) == (0, 1, 199_000)
    found = energy([9_901, 100, 101], settings={"modulus": 10_000})
    assert (found.resets, found.rollovers, found.used) == (1, 0, 1000)


def test_a_modulus_may_stand_with_its_point() -> None:
    settings: dict[str, object] = {"points": [{"name": "energy_import", "modulus": 100}], "modulus": 7}
    assert energy([100 - 1, 0], settings=settings).rollovers == 0
    assert energy([100, 0], settings=settings).rollovers == 1


def test_a_rise_above_rated_power_is_rejected_named_and_counted() -> None:
    found = energy([0, 10, 1_000_000, 1_000_010], settings={"rated_w": 36_000})
    assert found.rejected == 1
    assert found.rejections == ((START_MS + 2000, 999_990_000),)
    assert found.used == 20_000


def test_one_count_more_than_rated_power_gives_is_no_impossible_rise() -> None:
    assert energy([0, 1], settings={"rated_w": 100}).rejected == 0
    assert energy([0, 2], settings={"rated_w": 100}).rejected == 1


@given(st.lists(st.integers(0, 3_600_000), min_size=2, max_size=40))
def test_what_the_counter_says_lies_beside_the_integral_of_the_power(powers: list[int]) -> None:
    """Trapezoids, exactly: the counter is made from them."""
    wh = [0]
    for a, b in pairwise(powers):
        wh.append(wh[-1] + (a + b) * 1000 // 2)
    found = energy([w * 1000 // 3_600_000 for w in wh], powers=[*powers], decimals=3)
    assert found.compared == found.used
    assert found.difference <= len(powers) + 1


def test_time_without_power_is_not_compared() -> None:
    found = energy([0, 10, 20, 30], powers=[36_000, 36_000, None, 36_000])
    assert (found.used, found.compared, found.integral) == (30_000, 10_000, 10_000)


def test_kilowatt_hours_with_decimals_are_the_same_energy() -> None:
    assert energy([100, 200], unit="kWh", decimals=2).used == energy([1000, 2000]).used == 1_000_000


@given(st.lists(st.one_of(st.none(), st.integers(0, 999)), min_size=1, max_size=40), st.integers(1, 40_000))
def test_whatever_a_counter_says_no_more_is_added_than_rated_power_makes(
    values: list[int | None], rated_w: int
) -> None:
    found = energy(values, settings={"rated_w": rated_w, "modulus": 1000})
    good = [i for i, v in enumerate(values) if v is not None]
    steps = max(0, len(good) - 1)
    assert 0 <= found.used <= steps * 1000 + rated_w * 1000 * (good[-1] - good[0] if good else 0) // 3600


@given(counts, st.sampled_from([None, 1000, 10_000]), st.sampled_from([None, 100, 36_000]))
def test_the_box_tells_of_what_a_bank_counts(
    values: list[int | None], modulus: int | None, rated_w: int | None
) -> None:
    """An event for each reset and each rejected rise that the recount finds, however the two are implemented."""
    settings: dict[str, object] = {
        key: value for key, value in (("modulus", modulus), ("rated_w", rated_w)) if value is not None
    }
    found = energy(values, settings=settings)
    point = CounterPoint("energy_import", 1, 0, modulus, rated_w)
    good = [(i * 1000, v) for i, v in enumerate(values) if v is not None]
    did = [point.judge(a, a_ms, b, b_ms) for (a_ms, a), (b_ms, b) in pairwise(good)]
    assert (did.count(Moved.RESET), did.count(Moved.REJECTED)) == (found.resets, found.rejected)


def test_a_counter_that_does_not_fit_its_power_is_flagged() -> None:
    """Another meter's counter, or a transformer ratio that one of the two leaves out."""
    powers: list[int | None] = [36_000_000] * 20
    fits = energy([10_000 * i for i in range(20)], powers=powers)
    assert (fits.differs, fits.difference) == (False, 0)
    assert energy([11_000 * i for i in range(20)], powers=powers).differs
    assert energy([9_000 * i for i in range(20)], powers=powers).differs
    assert not energy([10_300 * i for i in range(20)], powers=powers).differs


def test_two_counts_of_a_coarse_counter_are_no_difference() -> None:
    assert not energy([0, 1, 1, 2], powers=[0, 0, 0, 0], unit="kWh").differs
    assert energy([0, 1, 2, 3], powers=[0, 0, 0, 0], unit="kWh").differs


@pytest.mark.parametrize("points", [7, [7], [{"name": 7, "unit": "Wh", "decimals": 0}], [{"unit": "Wh"}]])
def test_points_that_are_none_have_no_counters(points: object) -> None:
    assert counter_points({"points": points, "counter_events": 1}) == ()


def test_counters_are_found_by_their_unit() -> None:
    points = [
        {"name": "power", "unit": "W", "decimals": 1},
        {"name": "energy", "unit": "kWh", "decimals": 2, "modulus": 1_000_000},
    ]
    settings = {"points": points, "rated_w": 5000, "counter_events": 1}
    assert counter_points(settings) == (CounterPoint("energy", 1000, 2, 1_000_000, 5000),)
    assert counter_points(settings | {"counter_events": 0}) == ()
