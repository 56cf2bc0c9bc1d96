"""What several sources tell of one gate: the first counts, the others bear witness, and nothing is merged silently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.eye.agreement import DOUBT_MS, HELD, HOLD_MS, SAME_MS, SURE, Agreement, Doubt
from edge_agent.eye.gate import Crossing
from evidence.bodies import Direction


def crossing(at_ms: int, direction: Direction = Direction.IN, *, sure: int = 800) -> Crossing:
    return Crossing(at_ms=at_ms, direction=direction, kind="goods", confidence_permille=sure, track=at_ms)


def test_a_source_without_witnesses_is_told_at_once_and_as_it_is() -> None:
    for sure in (800, SURE - 1):
        agreement = Agreement(1)
        agreement.hear(0, crossing(1000, sure=sure))
        (told,) = agreement.tell(1000)
        assert isinstance(told, Crossing)
        assert (told.confidence_permille, told.sources) == (sure, 1)


def test_a_crossing_that_a_witness_saw_is_surer_whichever_came_first() -> None:
    for first in (0, 1):
        agreement = Agreement(2)
        agreement.hear(first, crossing(1000))
        agreement.hear(1 - first, crossing(1000 + SAME_MS))
        (told,) = agreement.tell(1000 + SAME_MS + HOLD_MS)
        assert isinstance(told, Crossing)
        assert told.sources == 0b11
        assert told.confidence_permille > 800
        assert told.at_ms == (1000 if first else 1000 + SAME_MS), "the witness follows the centre"


def test_a_crossing_that_no_witness_saw_is_counted_with_less_confidence() -> None:
    agreement = Agreement(2)
    agreement.hear(0, crossing(1000))
    assert agreement.tell(1000 + HOLD_MS - 1) == ()
    (told,) = agreement.tell(1000 + HOLD_MS)
    assert isinstance(told, Crossing)
    assert (told.sources, told.confidence_permille) == (1, 400)


def test_what_the_first_source_is_not_sure_of_counts_only_with_a_witness() -> None:
    for saw in (False, True):
        agreement = Agreement(2)
        agreement.hear(0, crossing(1000, sure=SURE - 1))
        if saw:
            agreement.hear(1, crossing(1000))
        (told,) = agreement.tell(0, everything=True)
        assert isinstance(told, Crossing if saw else Doubt)


def test_what_a_witness_alone_saw_is_a_doubt_and_no_crossing() -> None:
    agreement = Agreement(3)
    agreement.hear(2, crossing(1000))
    assert agreement.tell(1000 + DOUBT_MS - 1) == ()
    (told,) = agreement.tell(1000 + DOUBT_MS)
    assert isinstance(told, Doubt)
    assert told.source == 2


def test_the_other_direction_is_another_crossing() -> None:
    agreement = Agreement(2)
    agreement.hear(0, crossing(1000))
    agreement.hear(1, crossing(1000, Direction.OUT))
    told = agreement.tell(0, everything=True)
    assert [type(one) for one in told] == [Crossing, Doubt]


def test_two_that_cross_together_find_each_their_own_witness() -> None:
    agreement = Agreement(2)
    for source in (0, 1):
        agreement.hear(source, crossing(1000))
        agreement.hear(source, crossing(1100))
    told = agreement.tell(0, everything=True)
    assert [one.sources for one in told if isinstance(one, Crossing)] == [0b11, 0b11]


def test_a_gate_without_a_source_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="one source at least"):
        Agreement(0)


HEARD = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60_000), st.sampled_from(list(Direction))), max_size=60
).map(lambda heard: sorted(heard, key=lambda one: one[1]))


@given(heard=HEARD)
def test_every_crossing_of_the_first_source_is_told_once_and_every_other_is_witness_or_doubt(
    heard: list[tuple[int, int, Direction]],
) -> None:
    agreement = Agreement(3)
    told: list[Crossing | Doubt] = []
    for source, at_ms, direction in heard:
        agreement.hear(source, crossing(at_ms, direction))
        told += agreement.tell(at_ms)
    told += agreement.tell(0, everything=True)
    counted = [one for one in told if isinstance(one, Crossing)]
    doubts = [one for one in told if isinstance(one, Doubt)]
    assert sorted(one.track for one in counted) == [at_ms for source, at_ms, _ in heard if source == 0]
    assert all(abs(one.at_ms - one.track) <= (SAME_MS if one.sources > 1 else 0) for one in counted)
    witnessed = sum((one.sources >> 1).bit_count() for one in counted)
    assert witnessed + len(doubts) == sum(source > 0 for source, _, _ in heard)
    assert all(0 <= one.confidence_permille <= 1000 for one in counted)


def test_no_more_is_held_than_there_is_room_for() -> None:
    agreement = Agreement(2)
    told = 0
    for number in range(3 * HELD):
        agreement.hear(0, crossing(number * SAME_MS * 2))
        agreement.hear(1, crossing(number, Direction.OUT))
        told += len(agreement.tell(0))
    assert told >= 2 * 2 * HELD - 2
    assert len(agreement.tell(0, everything=True)) <= 2 * HELD
