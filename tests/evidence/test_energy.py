"""Energy from counters, against a naive sum and the rules of DESIGN.md section 5."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evidence.bodies import Aggregate, Column, Configuration, Keep, Readings
from evidence.energy import Energy
from evidence.recompute import Recount
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
