"""Every way in which a statement can be somebody else's, damaged, twice, early or a fork."""

import pytest

from cloud_sync.accept import (
    FORK_LIMIT,
    SEGMENTS_HELD_LIMIT,
    Accepted,
    Refused,
    Repeated,
    Room,
    accept,
    check,
    sentence,
)
from evidence.chain import Held, Outcome
from evidence.keys import PublicKey
from evidence.receipt import REASON_LIMIT, STREAMS_LIMIT
from evidence.statement import Statement
from tests.cloud.boxes import FakeBox


def keys(*boxes: FakeBox) -> dict[bytes, PublicKey]:
    return {box.key.public.kid: box.key.public for box in boxes}


def test_a_boxs_own_statement_is_verified() -> None:
    box = FakeBox()
    found = check(box.readings(), box="box-1", keys=keys(box))
    assert isinstance(found, Statement)


def test_a_strangers_statement_is_refused_but_not_for_good() -> None:
    box, stranger = FakeBox(), FakeBox()
    found = check(stranger.readings(), box="box-1", keys=keys(box))
    assert found == Refused(reason="signed by a key that is not enrolled for box-1", for_good=False)


def test_a_statement_on_another_boxs_topic_is_refused() -> None:
    box = FakeBox()
    found = check(box.readings(), box="box-2", keys=keys(box))
    assert found == Refused(reason="it says it is from box-1, and came from box-2", for_good=True)


@pytest.mark.parametrize("at", [1, 40, 200, -1])
def test_a_flipped_bit_is_refused_for_good_or_as_a_strangers(at: int) -> None:
    box = FakeBox()
    damaged = bytearray(box.readings())
    damaged[at] ^= 1
    assert isinstance(check(bytes(damaged), box="box-1", keys=keys(box)), Refused)


@pytest.mark.parametrize("noise", [b"", b"\xd2", b"\xd2\x84", b"hello", b"\xff" * 100, b"\x00"])
def test_noise_is_refused_for_good(noise: bytes) -> None:
    found = check(noise, box="box-1", keys={})
    assert isinstance(found, Refused)
    assert found.for_good


def opened(sealed: bytes, box: FakeBox) -> Statement:
    return box.open(sealed)[0]


def test_the_same_bytes_are_repeated() -> None:
    box = FakeBox()
    statement = opened(box.readings(), box)
    assert isinstance(accept(statement, Held(at=frozenset({statement.sha256}))), Repeated)


def test_next_gap_and_fork_are_accepted() -> None:
    box = FakeBox()
    first, second = box.open(*box.windows(2))
    for held, outcome in [
        (Held(before=frozenset({first.sha256})), Outcome.NEXT),
        (Held(), Outcome.GAP),
        (Held(at=frozenset({b"x" * 32})), Outcome.FORK),
        (Held(before=frozenset({b"x" * 32})), Outcome.FORK),
        (Held(after=frozenset({b"x" * 32})), Outcome.FORK),
    ]:
        assert accept(second, held) == Accepted(statement=second, outcome=outcome)


def test_limits_refuse_and_only_the_mendable_one_not_for_good() -> None:
    box = FakeBox()
    statement = opened(box.windows(2)[1], box)
    many = Held(at=frozenset(bytes([i]) * 32 for i in range(FORK_LIMIT)))
    assert accept(statement, many) == Refused(reason="16 other statements with this n are held", for_good=True)
    found = accept(statement, Held(), Room(streams=STREAMS_LIMIT + 1))
    assert isinstance(found, Refused)
    assert found.for_good
    found = accept(statement, Held(), Room(segments=SEGMENTS_HELD_LIMIT))
    assert isinstance(found, Refused)
    assert not found.for_good


def test_a_reason_is_one_printable_line_within_its_limit() -> None:
    assert sentence("a\nb\x00c") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert len(sentence("断" * 200).encode()) <= REASON_LIMIT
