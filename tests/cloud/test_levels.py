"""Quarters of an hour of what was measured, and when a sensor was heard, without a database."""

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.levels import HEARD_PERIODS, Level, Levels, Width, heard_of, join, levels_of
from evidence.bodies import Aggregate, Column, Keep, Readings
from tests.cloud.boxes import NOON_MS, FakeBox

FAR_MS = NOON_MS * 2
PRESSURE = ("pressure", "kPa", 0)


def everywhere(level: Level) -> Levels:
    """The same in the quarter, the hour and the day that noon begins or lies in."""
    return {(PRESSURE, width, width.begin_ms(NOON_MS)): level for width in Width}


def sensed(*values: int | None, from_ms: int = NOON_MS, period_ms: int = 60_000) -> Readings:
    box = FakeBox()
    (statement,) = box.open(box.sensed(values, from_ms=from_ms, period_ms=period_ms))
    assert isinstance(statement.body, Readings)
    return statement.body


def minutes(*rows: tuple[int, int, int] | None) -> Readings:
    """Least, most and last of each minute; None: asked in vain."""
    columns = [
        Column("pressure", aggregate, "kPa", 0, [None if row is None else row[place] for row in rows])
        for place, aggregate in enumerate((Aggregate.MIN, Aggregate.MAX, Aggregate.LAST))
    ]
    columns.append(Column("pressure", Aggregate.MEAN, "kPa", 0, [-1] * len(rows)))
    return Readings(
        from_ms=NOON_MS,
        to_ms=NOON_MS + 60_000 * len(rows),
        period_ms=10_000,
        keep=Keep.MINUTE,
        times_ms=[NOON_MS + 60_000 * i for i in range(len(rows))],
        columns=columns,
        asked=[6] * len(rows),
        answered=[0 if row is None else 6 for row in rows],
    )


def test_minutes_give_their_least_most_and_last_and_no_mean() -> None:
    levels = levels_of(minutes((98, 120, 110), None, (90, 95, 94)), FAR_MS)
    assert levels == everywhere(Level(90, 120, NOON_MS + 120_000, 95))


def test_a_day_begins_at_midnight_in_shanghai() -> None:
    assert [NOON_MS - width.begin_ms(NOON_MS) for width in Width] == [0, 0, 12 * Width.HOUR]


def test_a_minute_is_heard_to_its_end_and_one_without_an_answer_is_not() -> None:
    window = minutes((98, 120, 110), None, (90, 95, 94), (90, 95, 94))
    assert heard_of(window, FAR_MS) == [(NOON_MS, NOON_MS + 60_000), (NOON_MS + 120_000, NOON_MS + 240_000)]


def test_nothing_of_the_future_is_believed() -> None:
    window = sensed(1, 2, 3)
    assert levels_of(window, NOON_MS + 60_000) == everywhere(Level(1, 1, NOON_MS, 1))
    assert heard_of(window, NOON_MS + 60_000) == [(NOON_MS, NOON_MS + 60_000)]
    assert heard_of(window, NOON_MS) == []


@given(st.lists(st.one_of(st.none(), st.integers(-99, 99)), min_size=1, max_size=40), st.sampled_from([1000, 400_000]))
def test_quarters_and_hearing_are_what_a_child_would_count(values: list[int | None], period_ms: int) -> None:
    window = sensed(*values, period_ms=period_ms)
    known = [(at, v) for at, v in zip(window.times_ms, values, strict=True) if v is not None]
    expected: Levels = {}
    for width, begin in {(width, width.begin_ms(at)) for width in Width for at, _ in known}:
        of = [(at, v) for at, v in known if begin <= at < begin + width]
        expected[PRESSURE, width, begin] = Level(min(v for _, v in of), max(v for _, v in of), *of[-1])
    assert levels_of(window, FAR_MS) == expected
    heard = heard_of(window, FAR_MS)
    for tick in range(window.times_ms[0], window.times_ms[-1] + 3 * period_ms, period_ms // 2):
        spoken = any(at <= tick < at + HEARD_PERIODS * period_ms for at, _ in known)
        assert spoken is any(start <= tick < end for start, end in heard)


LEVELS = st.builds(
    lambda least, more, last, last_ms: Level(least, least + more, last_ms, min(least + more, last)),
    st.integers(-9, 9),
    st.integers(0, 9),
    st.integers(-9, 18),
    st.integers(0, 5),
)


@given(st.lists(LEVELS, min_size=1, max_size=6), st.randoms())
def test_joining_forgets_the_order_and_how_often(some: list[Level], dice: object) -> None:
    def joined(levels: list[Level]) -> Levels:
        held: Levels = {}
        for level in levels:
            join(held, (PRESSURE, Width.HOUR, 0), level)
        return held

    shuffled = [*some, some[0]]
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert joined(shuffled) == joined(some)
