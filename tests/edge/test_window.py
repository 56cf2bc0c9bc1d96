"""A window: however readings are chopped into statements, and wherever a crash falls, the same is said."""

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.keeping.rows import PACKED_ROWS, Rows, decode_row, encode_row
from edge_agent.keeping.window import MINUTE_MS, Measured, Window
from edge_agent.reading import Reading
from evidence.bodies import Aggregate, Configuration, Failure, Keep, Readings
from evidence.judging.judge import Judged, RunState
from evidence.judging.standing import BEGINNING, Standing
from evidence.keys import SigningKey
from evidence.statement import STATEMENT_LIMIT, ClockQuality, Moment, seal
from tests.world.box import FRAME, judged_again, machine_settings

FROM_MS = 1_800_000_000_000
STREAM = "machine/press"
WIDEST = (1 << 53) - 1


@dataclass(frozen=True)
class Asked:
    after_ms: int
    watts: int | None
    failure: Failure | None
    cycles: int = 1


ASKED = st.one_of(
    st.builds(
        Asked,
        st.integers(0, 4000),
        st.sampled_from([0, 60, 99, 100, 101, 400, 949, 951, 999, 1000, 1500, -1500]),
        st.none(),
    ),
    st.builds(Asked, st.integers(0, 9000), st.none(), st.sampled_from([Failure.SILENT, Failure.RESTED])),
    st.builds(Asked, st.integers(0, 9000), st.none(), st.just(Failure.MISSED), st.integers(1, 9)),
)
SERIES = st.lists(ASKED, min_size=1, max_size=60)
CUTS = st.sets(st.integers(0, 60))


def readings_of(series: list[Asked]) -> list[Reading]:
    at_ms, readings = FROM_MS, []
    for count, asked in enumerate(series):
        at_ms += asked.after_ms
        values = (None, None) if asked.watts is None else (asked.watts * 10, count)
        frames = () if asked.watts is None else (FRAME,)
        readings.append(
            Reading(
                stream=STREAM,
                at_ms=at_ms,
                steady_ms=at_ms - FROM_MS,
                values=values,
                failure=asked.failure,
                frames=frames,
                cycles=asked.cycles,
            )
        )
    return readings


def chopped(
    readings: list[Reading], *, seal_after: set[int], crash_after: set[int], keep: Keep = Keep.EVERY
) -> list[Readings]:
    """The statements of this series: sealed after some readings; after some the process died and replayed its rows."""
    measured = Measured.from_settings(STREAM, machine_settings(keep=keep))
    from_ms, carried, journal, bodies = FROM_MS, BEGINNING, list[bytes](), list[Readings]()
    window = Window(measured=measured, from_ms=from_ms)
    for i, reading in enumerate(readings):
        journal += window.add(reading, reading.at_ms)[0]
        if i in crash_after:
            window = Window(measured=measured, from_ms=from_ms, carried=carried)
            for row in journal:
                window.replay(row)
        if i in seal_after or i == len(readings) - 1:
            from_ms = window.end_ms
            body, carried = window.seal(from_ms)
            bodies.append(body)
            journal.clear()
            window = Window(measured=measured, from_ms=from_ms, carried=carried)
    return bodies


def spans_of(bodies: list[Readings]) -> list[tuple[int, RunState]]:
    spans: list[tuple[int, RunState]] = []
    for body in bodies:
        for at_ms, state in body.spans:
            if not spans or spans[-1][1] is not state:
                spans.append((at_ms, state))
    return spans


def rows_of(bodies: list[Readings]) -> list[tuple[Any, ...]]:
    rows = []
    for body in bodies:
        why = {row: (failure, times) for row, failure, times in body.failures}
        for i, at_ms in enumerate(body.times_ms):
            rows.append((at_ms, *(column.values[i] for column in body.columns), why.get(i)))
    return rows


def verified(bodies: list[Readings], *, key: SigningKey = SigningKey.generate()) -> None:  # noqa: B008
    """Every body may stand in a statement."""
    for body in bodies:
        sealed(body, key)


def sealed(body: Readings, key: SigningKey) -> bytes:
    moment = Moment(boot=bytes(16), steady_ms=0, at_ms=body.to_ms, clock=ClockQuality.NTP, clock_error_ms=None)
    return seal(key, box="box-1", stream=STREAM, n=1, prev=bytes(32), moment=moment, config=bytes(32), body=body)


@given(SERIES, CUTS, CUTS)
def test_chopped_anywhere_and_crashed_anywhere_it_says_what_one_long_window_says(
    series: list[Asked], seals: set[int], crashes: set[int]
) -> None:
    readings = readings_of(series)
    (long,) = chopped(readings, seal_after=set(), crash_after=set())
    bodies = chopped(readings, seal_after=seals, crash_after=crashes)
    verified(bodies)
    assert spans_of(bodies) == spans_of([long])
    assert rows_of(bodies) == rows_of([long])
    assert sum(body.missed for body in bodies) == long.missed
    assert all(before.to_ms == after.from_ms for before, after in pairwise(bodies))
    assert (bodies[0].from_ms, bodies[-1].to_ms) == (long.from_ms, long.to_ms)


@given(SERIES, CUTS, CUTS, st.sampled_from(Keep))
def test_a_bank_that_judges_again_agrees(series: list[Asked], seals: set[int], crashes: set[int], keep: Keep) -> None:
    bodies = chopped(readings_of(series), seal_after=seals, crash_after=crashes, keep=keep)
    rejudged = judged_again([Configuration(settings=machine_settings(keep=keep)), *bodies])
    assert (rejudged.disagreements, rejudged.open_ms) == ((), 0)


@given(SERIES, CUTS)
def test_every_reading_is_in_exactly_one_statement(series: list[Asked], seals: set[int]) -> None:
    readings = readings_of(series)
    bodies = chopped(readings, seal_after=seals, crash_after=set())
    asked = [reading for reading in readings if reading.failure is not Failure.MISSED]
    assert [row[1:3] for row in rows_of(bodies)] == [reading.values for reading in asked]
    assert sum(b.missed for b in bodies) == sum(r.cycles for r in readings if r.failure is Failure.MISSED)


@given(SERIES, CUTS)
def test_a_known_state_rests_on_an_answer_within_its_hold(series: list[Asked], seals: set[int]) -> None:
    readings = readings_of(series)
    bodies = chopped(readings, seal_after=seals, crash_after=set())
    good = [at_ms for at_ms, power, *_ in rows_of(bodies) if power is not None]
    spans = [*spans_of(bodies), (bodies[-1].to_ms, RunState.UNKNOWN)]
    for (start_ms, state), (end_ms, _) in pairwise(spans):
        if state is not RunState.UNKNOWN:
            assert any(start_ms - 5_000 < at_ms <= start_ms for at_ms in good)
            assert any(at_ms + 5_000 >= end_ms for at_ms in good if at_ms < end_ms)


def naive_minutes(readings: list[Reading]) -> list[dict[Any, Any]]:
    minutes: list[dict[Any, Any]] = []
    asked = [r for r in readings if r.failure is not Failure.MISSED]
    for _, group in groupby(asked, key=lambda r: r.at_ms // MINUTE_MS):
        members = list(group)
        powers = [r.values[0] for r in members if r.values[0] is not None]
        counts = [r.values[1] for r in members if r.values[1] is not None]
        minutes.append(
            {
                "from": members[0].at_ms,
                Aggregate.MEAN: None if not powers else round_half_up(sum(powers), len(powers)),
                Aggregate.MIN: min(powers, default=None),
                Aggregate.MAX: max(powers, default=None),
                Aggregate.LAST: powers[-1] if powers else None,
                "energy": counts[-1] if counts else None,
                "asked": sum(r.failure is not Failure.RESTED for r in members),
                "answered": len(powers),
            }
        )
    return minutes


def round_half_up(total: int, count: int) -> int:
    whole, rest = divmod(total, count)
    return whole + (2 * rest >= count)


@given(SERIES)
def test_a_minute_is_what_a_naive_model_makes_of_it(series: list[Asked]) -> None:
    readings = readings_of([Asked(a.after_ms + 1, a.watts, a.failure, a.cycles) for a in series])
    (body,) = chopped(readings, seal_after=set(), crash_after=set(), keep=Keep.MINUTE)
    verified([body])
    columns = {(c.point, c.aggregate): c.values for c in body.columns}
    found = [
        {
            "from": at_ms,
            **{
                a: columns["active_power", a][i] for a in (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.LAST)
            },
            "energy": columns["energy", Aggregate.LAST][i],
            "asked": body.asked[i],
            "answered": body.answered[i],
        }
        for i, at_ms in enumerate(body.times_ms)
    ]
    assert found == naive_minutes(readings)
    failures = sum(times for _, why, times in body.failures if why is not Failure.MISSED)
    assert failures == sum(r.failure is not None for r in readings if r.failure is not Failure.MISSED)


@pytest.mark.parametrize("points", [1, 2, 20, 128])
@pytest.mark.parametrize("keep", Keep)
@pytest.mark.parametrize("period_ms", [50, 1000, 61_000, 3_600_000])
def test_a_full_window_fits_into_a_statement_whatever_it_holds(points: int, keep: Keep, period_ms: int) -> None:
    measured = Measured.from_settings(STREAM, machine_settings(points=points, judged=False))
    window = Window(measured=measured, from_ms=FROM_MS)
    at_ms = FROM_MS
    while not window.is_full:
        at_ms += period_ms
        window.add(
            Reading(
                stream=STREAM,
                at_ms=at_ms,
                steady_ms=at_ms,
                values=(-WIDEST,) * points,
                failure=Failure.NO_VALUE,
                frames=((bytes(12), bytes(260)),) * 64,
            ),
            at_ms,
        )
    body, _ = window.seal(window.end_ms, keep=keep)
    assert len(sealed(body, SigningKey.generate())) < STATEMENT_LIMIT


def test_a_window_that_is_judged_and_chatters_fits_into_a_statement() -> None:
    settings = machine_settings() | {"dwell_ms": 0}
    window = Window(measured=Measured.from_settings(STREAM, settings), from_ms=FROM_MS)
    at_ms = FROM_MS
    while not window.is_full:
        at_ms += 50
        values = (0 if len(window.rows) % 2 else 20_000, 1)
        window.add(Reading(stream=STREAM, at_ms=at_ms, steady_ms=at_ms, values=values), at_ms)
    body, _ = window.seal(window.end_ms)
    assert len(sealed(body, SigningKey.generate())) < STATEMENT_LIMIT


def test_a_late_reading_counts_just_behind_the_last() -> None:
    window = Window(measured=Measured.from_settings(STREAM, machine_settings()), from_ms=FROM_MS)
    first, late = readings_of([Asked(100, 5, None), Asked(0, 6, None)])
    window.add(first, first.at_ms)
    window.add(late, FROM_MS - 5)
    body, _ = window.seal(window.end_ms)
    assert body.times_ms == [FROM_MS + 100, FROM_MS + 101]


def test_a_window_without_readings_says_that_nothing_is_known() -> None:
    judged = Judged(
        state=RunState.RUNNING, wanted=RunState.RUNNING, wanted_since_ms=FROM_MS, good_until_ms=FROM_MS + 5000
    )
    carried = Standing(judged=judged)
    window = Window(measured=Measured.from_settings(STREAM, machine_settings()), from_ms=FROM_MS, carried=carried)
    body, carry = window.seal(FROM_MS + 60_000)
    assert body.spans == [(FROM_MS, RunState.RUNNING), (FROM_MS + 5000, RunState.UNKNOWN)]
    assert carry == BEGINNING
    verified([body])


def test_power_in_kilowatts_is_judged_as_power() -> None:
    settings = machine_settings()
    settings["points"][0] |= {"unit": "kW", "decimals": 3}
    window = Window(measured=Measured.from_settings(STREAM, settings), from_ms=FROM_MS)
    window.add(Reading(stream=STREAM, at_ms=FROM_MS, steady_ms=0, values=(1500, 1)), FROM_MS)
    assert window.judge.judged.state is RunState.RUNNING


def test_the_last_raw_frame_is_kept_as_evidence() -> None:
    (body,) = chopped(
        readings_of([Asked(1, 5, None), Asked(1, 6, None), Asked(1, None, Failure.SILENT)]),
        seal_after=set(),
        crash_after=set(),
    )
    assert body.frames == [(FROM_MS + 2, *FRAME)]


@given(ASKED, st.integers(0, 1 << 50))
def test_a_row_comes_back_as_it_went(asked: Asked, at_ms: int) -> None:
    (reading,) = readings_of([asked])
    row = decode_row(encode_row(at_ms, reading))
    assert row == (at_ms, list(reading.values), reading.failure, reading.cycles)


@given(st.lists(st.binary(max_size=300), max_size=3 * PACKED_ROWS))
def test_rows_come_back_as_they_were_put_in(put: list[bytes]) -> None:
    rows = Rows()
    for row in put:
        rows.append(row)
    assert list(rows) == list(rows) == put
    assert (len(rows), rows.size) == (len(put), sum(map(len, put)))
