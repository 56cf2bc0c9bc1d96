"""What a bank sees, and that no statement is skipped whenever a grant comes or goes: pure, and over a real store."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.feed import OtherHistoryError, next_page
from cloud_sync.grants import Cursor, backfill, check_pattern, covers, shown_by
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Bank, Grant, Shown, Store
from evidence.errors import MalformedError
from evidence.keys import SigningKey
from tests.cloud.boxes import NOON_MS, WINDOW_MS, FakeBox

LATER_MS = NOON_MS * 2


def grant(pattern: str, *, number: int = 1, box: str = "box-1", from_ms: int = 0) -> Grant:
    return Grant(id=number, bank="bank-1", box=box, pattern=pattern, from_ms=from_ms, granted_ms=1)


@pytest.mark.parametrize(
    ("pattern", "stream", "is_covered"),
    [
        ("*", "box", True),
        ("machine/*", "machine/loom-1", True),
        ("machine/*", "meter/main", False),
        ("machine/loom-1", "machine/loom-1", True),
        ("machine/loom-1", "machine/loom-10", False),
        ("box", "machine/loom-1", False),
    ],
)
def test_a_pattern_covers_exactly_what_it_says(pattern: str, stream: str, is_covered: bool) -> None:  # noqa: FBT001
    assert covers(grant(pattern), "box-1", stream) is is_covered
    assert not covers(grant(pattern), "box-2", stream)


@pytest.mark.parametrize(
    "wrong", ["", "**", "machine", "machine/", "machine/*x", "Machine/*", "box/*", "machine/lo*", "%"]
)
def test_a_pattern_that_covers_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(MalformedError, match="is neither a stream"):
        check_pattern(wrong)


def test_two_grants_of_one_stream_show_from_the_earlier_on() -> None:
    given_ = [grant("machine/*", from_ms=100), grant("machine/a", number=2, from_ms=50)]
    assert shown_by(given_, [(7, "box-1", "machine/a"), (8, "box-1", "machine/b"), (9, "box-1", "box")]) == {
        7: Shown(from_ms=50),
        8: Shown(from_ms=100),
    }


def test_a_backfill_is_what_the_new_grants_add() -> None:
    streams = [(7, "box-1", "machine/a"), (8, "box-1", "gate/a"), (9, "box-1", "machine/b")]
    given_ = [
        grant("machine/*", from_ms=100),
        grant("machine/a", number=2, from_ms=50),
        grant("gate/*", number=3),
        grant("machine/b", number=4, from_ms=200),
        grant("*", number=5),
    ]
    assert backfill(given_, Cursor(grants=1, filling=4), streams) == {
        7: Shown(from_ms=50, until_ms=100, settings=False),
        8: Shown(from_ms=0),
    }


@given(
    st.integers(1, 1 << 40),
    st.binary(min_size=8, max_size=8),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
)
def test_a_cursor_comes_back_as_it_went(after: int, name: bytes, grants: int, filled: int, filling: int) -> None:
    cursor = Cursor(after=after, name=name, grants=grants, filled=filled, filling=filling or None)
    assert Cursor.from_text(cursor.to_text()) == cursor


@given(st.text(max_size=200))
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    try:
        cursor = Cursor.from_text(text)
    except MalformedError:
        return
    assert cursor.to_text() == text.rstrip("=")


class Pulling:
    """A bank that pulls from a store page by page."""

    def __init__(self, store: Store) -> None:
        self.store, self.cursor = store, Cursor()
        self.copy: list[bytes] = []

    def pull(self, *, at_most: int = 3, pages: int = 1000) -> int:
        """Until there is no more; how many pages that took."""
        for page in range(1, pages + 1):
            commits, self.cursor, more = next_page(self.store, "bank-1", self.cursor, at_most=at_most)
            self.cursor = Cursor.from_text(self.cursor.to_text())
            self.copy += [commit.encoded for commit in commits]
            if not more:
                return page
        return pages


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = fresh(tmp_path, "a")
    yield store
    store.close()


def fresh(path: Path, name: str) -> SqliteStore:
    store = SqliteStore(path / f"{name}.sqlite")
    store.add_bank(Bank(bank="bank-1", key=SigningKey.generate().public, added_ms=1))
    return store


def give(store: Store, pattern: str, *, from_ms: int = 0, box: str = "box-1") -> None:
    store.grant(bank="bank-1", box=box, pattern=pattern, from_ms=from_ms, at_ms=1)


def take(store: Store, box: FakeBox, *sealed: bytes) -> list[bytes]:
    store.take(box.open(*sealed), received_ms=LATER_MS)
    return list(sealed)


def test_pages_follow_each_other_without_loss_or_repetition(store: Store) -> None:
    box, bank = FakeBox(), Pulling(store)
    give(store, "machine/*")
    mine = take(store, box, *box.windows(10))
    take(store, box, *box.windows(2, "gate/x"), box.commissioning())
    mine += take(store, box, *box.windows(3, "machine/loom-2"))
    assert bank.pull() == 5
    assert bank.copy == mine
    assert bank.pull() == 1
    mine += take(store, box, *box.windows(1))
    bank.pull()
    assert bank.copy == mine


def test_a_bank_without_grants_sees_nothing_and_what_is_granted_later_from_the_beginning(store: Store) -> None:
    box, bank = FakeBox(), Pulling(store)
    mine = take(store, box, *box.windows(7))
    bank.pull()
    assert bank.copy == []
    give(store, "machine/loom-1")
    bank.pull()
    assert bank.copy == mine


def test_a_grant_in_the_middle_sends_the_older_statements_of_the_new_stream_only(store: Store) -> None:
    box, bank = FakeBox(), Pulling(store)
    give(store, "machine/loom-1")
    first = take(store, box, *box.windows(5))
    second = take(store, box, *box.windows(5, "machine/loom-2"))
    bank.pull()
    give(store, "machine/loom-2")
    third = take(store, box, *box.windows(2))
    bank.pull()
    assert bank.copy == [*first, *second, *third]


def test_a_grant_from_an_earlier_day_sends_only_what_lies_before(store: Store) -> None:
    box, bank = FakeBox(), Pulling(store)
    give(store, "machine/*", from_ms=NOON_MS + 4 * WINDOW_MS)
    settings_, *windows = take(store, box, box.settings("machine/loom-1"), *box.windows(8))
    bank.pull()
    assert bank.copy == [settings_, *windows[2:]]
    give(store, "machine/loom-1", from_ms=NOON_MS + 3 * WINDOW_MS)
    bank.pull()
    assert bank.copy == [settings_, *windows[2:], windows[1]]


def test_a_withdrawn_grant_shows_no_more_and_given_again_fills_what_was_missed(store: Store) -> None:
    box, bank = FakeBox(), Pulling(store)
    give(store, "machine/*")
    first = take(store, box, *box.windows(2))
    bank.pull()
    store.revoke(bank="bank-1", box="box-1", pattern="machine/*", at_ms=2)
    second = take(store, box, *box.windows(2))
    bank.pull()
    assert bank.copy == first
    give(store, "machine/*")
    bank.pull()
    assert set(bank.copy) == {*first, *second}


def test_a_cursor_of_another_history_is_told_so(store: Store, tmp_path: Path) -> None:
    box, bank = FakeBox(), Pulling(store)
    give(store, "*")
    take(store, box, *box.windows(3))
    bank.pull()
    other = fresh(tmp_path, "restored")
    try:
        for _ in range(2):  # when it holds less, and when it holds more again
            with pytest.raises(OtherHistoryError, match="pull again from the beginning"):
                next_page(other, "bank-1", bank.cursor, at_most=9)
            stranger = FakeBox()
            take(other, stranger, *stranger.windows(5))
    finally:
        other.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32))
def test_whatever_is_granted_when_nothing_granted_is_missed_and_nothing_else_shown(tmp_path: Path, seed: int) -> None:
    dice = Random(seed)
    store = fresh(tmp_path, f"{seed}")
    box, bank = FakeBox(), Pulling(store)
    streams = ["machine/a", "machine/b", "gate/a"]
    held: dict[bytes, str] = {}
    given_: set[str] = set()
    try:
        for _ in range(dice.randint(3, 12)):
            match dice.randrange(4):
                case 0:
                    stream = dice.choice(streams)
                    for sealed in take(store, box, *box.windows(dice.randint(1, 5), stream)):
                        held[sealed] = stream
                case 1:
                    pattern = dice.choice([*streams, "machine/*", "*"])
                    give(store, pattern)
                    given_.add(pattern)
                case 2:
                    bank.pull(at_most=dice.randint(1, 4), pages=dice.randint(1, 3))
                case _:
                    bank.pull(at_most=2)
        bank.pull()
        wanted = {s for s, stream in held.items() if given_ & {stream, "*", stream.partition("/")[0] + "/*"}}
        assert set(bank.copy) == wanted
        assert len(bank.copy) == len(wanted)
    finally:
        store.close()
