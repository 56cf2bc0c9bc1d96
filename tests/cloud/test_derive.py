"""Painting, sums and forks, without a database."""

from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.derive import (
    DAY_MS,
    FUTURE_MS,
    HOUR_MS,
    SUMMED,
    WINDOW_LIMIT_MS,
    Facts,
    Paint,
    Span,
    added_and_gone,
    day_of,
    days_of,
    facts_of,
    fork_begins,
    paint,
    sums_of,
)
from evidence.bodies import Direction, Sight
from tests.cloud.boxes import IDLE, NOON_MS, RUNNING, STOPPED, UNKNOWN, WINDOW_MS, FakeBox

S, I, R, C = Paint.STOPPED, Paint.IDLE, Paint.RUNNING, Paint.CONTESTED  # noqa: E741 - the states' initials


def facts(sealed: bytes, box: FakeBox, received_ms: int = NOON_MS + DAY_MS) -> Facts:
    (statement,) = box.open(sealed)
    return facts_of(statement.body, received_ms=received_ms)


def test_adjoining_equal_spans_become_one() -> None:
    assert paint([(0, 10, R)], [(10, 20, R)], twice_contests=False) == [(0, 20, R)]


def test_statements_that_agree_stay_and_that_differ_are_contested() -> None:
    assert paint([(0, 10, R)], [(5, 15, R)], twice_contests=False) == [(0, 15, R)]
    assert paint([(0, 10, R)], [(5, 15, S)], twice_contests=False) == [(0, 5, R), (5, 10, C), (10, 15, S)]


def test_contested_time_stays_contested() -> None:
    assert paint([(0, 10, C)], [(0, 10, R)], twice_contests=False) == [(0, 10, C)]


def test_a_gates_time_covered_twice_is_contested_even_when_both_could_see() -> None:
    clear = Paint.CLEAR
    assert paint([(0, 10, clear)], [(5, 15, clear)], twice_contests=True) == [
        (0, 5, clear),
        (5, 10, C),
        (10, 15, clear),
    ]
    assert paint([(0, 10, clear)], [(10, 20, clear)], twice_contests=True) == [(0, 20, clear)]


def test_unknown_is_never_painted() -> None:
    box = FakeBox()
    sealed = box.readings(spans=((0, RUNNING), (100, UNKNOWN), (200, IDLE)))
    assert facts(sealed, box).spans == [(NOON_MS, NOON_MS + 100, R), (NOON_MS + 200, NOON_MS + WINDOW_MS, I)]


def test_a_machine_cannot_have_run_in_the_future() -> None:
    box = FakeBox()
    sealed = box.readings(spans=((0, RUNNING), (200_000, STOPPED)))
    assert facts(sealed, box, received_ms=NOON_MS).spans == [(NOON_MS, NOON_MS + FUTURE_MS, R)]
    assert facts(sealed, box, received_ms=NOON_MS - DAY_MS).spans == []


def test_a_window_of_a_year_paints_nothing() -> None:
    box = FakeBox()
    assert facts(box.readings(length_ms=WINDOW_LIMIT_MS), box, received_ms=NOON_MS * 2).spans
    assert not facts(box.readings(length_ms=WINDOW_LIMIT_MS + 1), box, received_ms=NOON_MS * 2).spans


def test_a_blind_camera_is_painted_blind_and_its_crossings_count() -> None:
    box = FakeBox()
    sealed = box.crossings(ways=(Direction.IN, Direction.OUT), sight=((0, Sight.CLEAR), (100_000, Sight.BLIND)))
    found = facts(sealed, box)
    assert found.spans == [
        (NOON_MS, NOON_MS + 100_000, Paint.CLEAR),
        (NOON_MS + 100_000, NOON_MS + WINDOW_MS, Paint.BLIND),
    ]
    assert [c.direction for c in found.crossings] == [Direction.IN, Direction.OUT]


def test_the_day_is_that_of_shanghai() -> None:
    assert day_of(NOON_MS) == NOON_MS - 12 * HOUR_MS
    assert day_of(NOON_MS + 12 * HOUR_MS - 1) == NOON_MS - 12 * HOUR_MS
    assert day_of(NOON_MS + 12 * HOUR_MS) == NOON_MS + 12 * HOUR_MS


def test_sums_are_split_at_hours_and_days() -> None:
    midnight_ms = NOON_MS + 12 * HOUR_MS
    hours = sums_of([(midnight_ms - HOUR_MS // 2, midnight_ms + 2 * HOUR_MS, R)], (), ())
    running = {start: dict(zip(SUMMED, row, strict=True))["running_ms"] for start, row in hours.items()}
    assert running == {
        midnight_ms - HOUR_MS: HOUR_MS // 2,
        midnight_ms: HOUR_MS,
        midnight_ms + HOUR_MS: HOUR_MS,
    }
    assert {start: row[0] for start, row in days_of(hours).items()} == {
        midnight_ms - DAY_MS: HOUR_MS // 2,
        midnight_ms: 2 * HOUR_MS,
    }


def test_a_fork_begins_where_two_are_known_and_one_before() -> None:
    known = {3: 1, 4: 2, 5: 2}
    assert [n for n in range(3, 6) if fork_begins(n, lambda m: known.get(m, 0))] == [4]


def spans_of_one() -> st.SearchStrategy[list[Span]]:
    """What one statement paints: up to four pieces of a window."""

    def made(start: int, pieces: list[tuple[int, int]]) -> list[Span]:
        spans, at = [], start
        for length, state in pieces:
            if state:
                spans.append((at, at + length, state))
            at += length
        return paint([], spans, twice_contests=False)

    pieces = st.lists(st.tuples(st.integers(1, 5), st.sampled_from([0, S, I, R])), min_size=1, max_size=4)
    return st.builds(made, st.integers(0, 30), pieces)


@settings(max_examples=150, deadline=None)
@given(st.lists(spans_of_one(), max_size=6), st.booleans(), st.randoms(use_true_random=False))
def test_painting_in_any_order_gives_the_same(statements: list[list[Span]], twice: bool, dice: Random) -> None:  # noqa: FBT001 - hypothesis draws it
    def painted(order: list[list[Span]]) -> list[Span]:
        held: list[Span] = []
        for spans in order:
            held = paint(held, spans, twice_contests=twice)
        return held

    once = painted(statements)
    shuffled = list(statements)
    dice.shuffle(shuffled)
    assert painted(shuffled) == once
    assert paint([], [s for spans in statements for s in spans], twice_contests=twice) == once
    assert all(a[1] < b[0] or (a[1] == b[0] and a[2] != b[2]) for a, b in pairwise(once))
    assert {at for a, b, _ in once for at in range(a, b)} == {
        at for spans in statements for a, b, _ in spans for at in range(a, b)
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(spans_of_one(), max_size=5))
def test_sums_by_difference_are_the_sums_of_what_stands(statements: list[list[Span]]) -> None:
    held: list[Span] = []
    total = [0] * len(SUMMED)
    for spans in statements:
        after = paint(held, spans, twice_contests=False)
        for row in sums_of(*added_and_gone(held, after), ()).values():
            total = [a + b for a, b in zip(total, row, strict=True)]
        held = after
    standing = sums_of(held, (), ()).values()
    assert total == [sum(column) for column in zip(*standing, strict=True)] or not standing
