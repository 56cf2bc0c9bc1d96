"""The spool: what is committed stays, what is not receipted stays, and nothing else can be said of either."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.keeping.spool import _FIRST_UNSENT, ReceiptTaken, Spool, SpoolDamagedError, SpoolError, put_aside
from evidence.bodies import Configuration, Gap, GapReason
from evidence.chain import Segment
from evidence.keys import SigningKey
from evidence.receipt import Receipt, Refusal, StreamReceipt
from evidence.statement import ClockQuality, Moment
from tests.world.box import BOX, Statements, machine_settings

KEY = SigningKey.generate()
MOMENT = Moment(boot=bytes(16), steady_ms=1, at_ms=2, clock=ClockQuality.NTP, clock_error_ms=None)
PRESS, SAW = "machine/press", "machine/saw"


def page(number: int) -> Gap:
    return Gap(from_ms=number, to_ms=number, reason=GapReason.CRASH, lost=None)


def write(spool: Spool, stream: str, count: int) -> None:
    with spool.writing():
        if spool.head(stream).next_n == 0:
            spool.append(KEY, stream, Configuration(settings=machine_settings()), MOMENT)
            count -= 1
        for number in range(count):
            spool.append(KEY, stream, page(number), MOMENT)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as made:
        yield made


def hash_of(spool: Spool, stream: str, n: int) -> bytes:
    found = spool.hash_at(stream, n)
    assert found is not None
    return found


def receipt_of(*segments: Segment, stream: str = PRESS, refused: tuple[Refusal, ...] = ()) -> Receipt:
    held = (StreamReceipt(stream=stream, segments=segments),) if segments else ()
    return Receipt(receiver="main", box=BOX, at_ms=9, streams=held, refusals=refused)


def segment(spool: Spool, first: int, last: int, *, stream: str = PRESS, end: bytes | None = None) -> Segment:
    prev = hash_of(spool, stream, first - 1) if first else b""
    return Segment(first, last, prev, hash_of(spool, stream, last) if end is None else end)


# Keeping.


def test_a_chain_begins_at_0_and_verifies(spool: Spool, tmp_path: Path) -> None:
    write(spool, PRESS, 5)
    write(spool, SAW, 3)
    chains = Statements.of(tmp_path / "spool.db", KEY).by_stream
    assert {stream: len(chain) for stream, chain in chains.items()} == {PRESS: 5, SAW: 3}


def test_a_transaction_that_fails_leaves_nothing(spool: Spool) -> None:
    write(spool, PRESS, 2)
    before = spool.heads()
    with suppress(ZeroDivisionError), spool.writing():
        spool.append(KEY, PRESS, page(9), MOMENT)
        spool.write_journal("poll", 1, [(1, b"row")])
        spool.keep("fact", b"1")
        raise ZeroDivisionError
    assert spool.heads() == before
    assert list(spool.read_journal("poll")) == []
    assert spool.kept("fact") is None
    write(spool, PRESS, 1)
    assert spool.head(PRESS).next_n == 3


def test_two_processes_that_append_to_one_stream_never_use_a_number_twice(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    children = []
    for _ in range(4):  # they also race to create it
        child = os.fork()
        if child == 0:
            try:
                with closing(Spool(file, box=BOX)) as spool:
                    for _ in range(25):
                        write(spool, PRESS, 1)
            except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert len(Statements.of(file, KEY).by_stream[PRESS]) == 100


@pytest.mark.usefixtures("spool")
def test_a_spool_of_another_box_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"box-1's, not box-2's"):
        Spool(tmp_path / "spool.db", box="box-2")


def test_a_spool_of_a_later_format_is_refused(spool: Spool, tmp_path: Path) -> None:
    spool._db.execute("PRAGMA user_version = 9")
    with pytest.raises(SpoolError, match="format 9"):
        Spool(tmp_path / "spool.db", box=BOX)


def test_a_spool_that_cannot_be_opened_says_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="does its directory exist"):
        Spool(tmp_path / "nowhere" / "spool.db", box=BOX)


def test_only_one_program_may_keep_a_spool_for_a_process(spool: Spool, tmp_path: Path) -> None:
    spool.claim("poll")
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as second:
        with pytest.raises(SpoolError, match="another `edge-agent poll`"):
            second.claim("poll")
        second.claim("watch gate/dock")
    spool.close()
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as third:
        third.claim("poll")


def test_a_damaged_spool_is_told_apart_and_put_aside_whole(spool: Spool, tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    write(spool, PRESS, 50)
    spool.close()
    content = bytearray(file.read_bytes())
    content[:100] = b"\xff" * 100
    file.write_bytes(content)
    with pytest.raises(SpoolDamagedError):
        Spool(file, box=BOX)
    aside = put_aside(file, at_ms=7)
    assert aside.read_bytes() == content
    with closing(Spool(file, box=BOX)) as fresh:
        assert fresh.heads() == []


def test_damage_in_the_middle_is_told_apart_too(spool: Spool, tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    write(spool, PRESS, 300)
    spool.close()
    with file.open("r+b") as pages:
        for offset in range(4096 * 14, file.stat().st_size, 4096):
            pages.seek(offset)
            pages.write(b"\xee" * 4096)
    with closing(Spool(file, box=BOX)) as found, pytest.raises(SpoolDamagedError):
        list(found.statements(unsent_only=False))


def test_the_box_lived_when_something_was_last_kept_though_the_clock_was_set_back(spool: Spool) -> None:
    with spool.writing():
        spool.write_journal("poll", 9_000, [])
        spool.write_journal("poll", 2_000, [])
    assert spool.last_alive_ms() == 2_000


# Receipts.


def test_what_a_receipt_covers_is_sent_no_more(spool: Spool) -> None:
    write(spool, PRESS, 5)
    write(spool, SAW, 2)
    spool.take_receipt(receipt_of(segment(spool, 0, 2)), at_ms=1)
    left = spool.unsent(after=0, up_to=spool.newest_id(), at_most=99)
    assert [(u.stream, u.n) for u in left] == [(PRESS, 3), (PRESS, 4), (SAW, 0), (SAW, 1)]
    assert spool.count_unsent() == 4
    assert spool.first_unsent_id() == left[0].id
    assert list(spool.statements(unsent_only=True)) == [u.encoded for u in left]


def test_holes_are_filled_by_later_receipts(spool: Spool) -> None:
    write(spool, PRESS, 10)
    spool.take_receipt(receipt_of(segment(spool, 0, 2), segment(spool, 6, 9)), at_ms=1)
    assert spool.held(PRESS) == [(0, 2), (6, 9)]
    spool.take_receipt(receipt_of(segment(spool, 3, 5)), at_ms=1)
    assert spool.held(PRESS) == [(0, 9)]
    assert spool.count_unsent() == 0
    assert spool.first_unsent_id() == spool.newest_id() + 1


def test_an_old_receipt_played_again_changes_nothing(spool: Spool) -> None:
    write(spool, PRESS, 10)
    old = receipt_of(segment(spool, 0, 3))
    spool.take_receipt(receipt_of(segment(spool, 0, 9)), at_ms=1)
    assert spool.take_receipt(old, at_ms=2) == ReceiptTaken(forked=[], refused=[])
    assert spool.held(PRESS) == [(0, 9)]


def test_a_segment_that_ends_in_another_statement_covers_nothing_and_is_a_fork_told_once(spool: Spool) -> None:
    write(spool, PRESS, 5)
    foreign = receipt_of(segment(spool, 0, 3, end=bytes(32)))
    assert spool.take_receipt(foreign, at_ms=1).forked == [PRESS]
    assert spool.take_receipt(foreign, at_ms=2).forked == []
    assert spool.held(PRESS) == []
    assert spool.forget_receipted(at_most=99) == 0
    assert spool.head(PRESS).forked


def test_a_receiver_that_is_ahead_of_the_spool_shows_that_the_spool_is_an_old_copy(spool: Spool) -> None:
    write(spool, PRESS, 5)
    assert spool.take_receipt(receipt_of(Segment(0, 7, b"", bytes(32))), at_ms=1).forked == [PRESS]


def test_a_stream_that_this_box_never_had_is_a_fork_and_no_statement(spool: Spool) -> None:
    assert spool.take_receipt(receipt_of(Segment(0, 0, b"", bytes(32)), stream=SAW), at_ms=1).forked == [SAW]
    assert spool.count_unsent() == 0


def test_after_a_fork_this_boxs_own_branch_is_receipted_and_may_be_forgotten(spool: Spool) -> None:
    write(spool, PRESS, 8)
    other, branch = Segment(0, 10, b"", bytes(32)), segment(spool, 5, 7)
    assert spool.take_receipt(receipt_of(other, branch), at_ms=1).forked == [PRESS]
    assert spool.held(PRESS) == [(5, 7)]
    assert spool.forget_receipted(at_most=99) == 3
    assert spool.count_unsent() == 5, "what only the other history could vouch for stays"


def test_a_restored_spool_overwrites_and_deletes_nothing(tmp_path: Path) -> None:
    file, copy = tmp_path / "spool.db", tmp_path / "copy.db"
    with closing(Spool(file, box=BOX)) as spool:
        write(spool, PRESS, 5)
        spool._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(file, copy)
        write(spool, PRESS, 5)
        whole = receipt_of(segment(spool, 0, 9))
    shutil.copy(copy, file)
    with closing(Spool(file, box=BOX)) as spool:
        before = list(spool.statements(unsent_only=False))
        assert spool.take_receipt(whole, at_ms=1).forked == [PRESS]
        write(spool, PRESS, 2)
        assert spool.forget_receipted(at_most=99) == 0
        assert list(spool.statements(unsent_only=False))[:5] == before


def test_a_refused_statement_is_put_aside_and_those_behind_it_go_on(spool: Spool) -> None:
    write(spool, PRESS, 5)
    refusal = Refusal(sha256=hash_of(spool, PRESS, 2), reason="ill-typed")
    taken = spool.take_receipt(receipt_of(segment(spool, 0, 1), refused=(refusal,)), at_ms=1)
    assert [(a.stream, a.n, a.reason) for a in taken.refused] == [(PRESS, 2, "ill-typed")]
    assert spool.take_receipt(receipt_of(refused=(refusal,)), at_ms=2).refused == []
    assert [u.n for u in spool.unsent(after=0, up_to=99, at_most=9)] == [3, 4]
    spool.take_receipt(receipt_of(segment(spool, 0, 1), segment(spool, 3, 4)), at_ms=3)
    assert spool.count_unsent() == 0
    assert spool.forget_receipted(at_most=99) == 4
    assert [a.n for a in spool.asides()] == [2]
    assert len(list(spool.statements(unsent_only=False))) == 1, "what was refused is kept"


def test_a_refusal_that_the_receiver_takes_back_is_forgotten(spool: Spool) -> None:
    write(spool, PRESS, 3)
    spool.take_receipt(receipt_of(refused=(Refusal(sha256=hash_of(spool, PRESS, 1), reason="no"),)), at_ms=1)
    spool.take_receipt(receipt_of(segment(spool, 0, 2)), at_ms=2)
    assert spool.asides() == []
    assert spool.count_unsent() == 0


def test_a_refusal_of_something_else_is_nothing(spool: Spool) -> None:
    write(spool, PRESS, 3)
    assert spool.take_receipt(receipt_of(refused=(Refusal(sha256=bytes(32), reason="no"),)), at_ms=1).refused == []


def test_the_oldest_receipted_statements_are_forgotten_first_and_unsent_ones_never(spool: Spool) -> None:
    write(spool, PRESS, 4)
    write(spool, SAW, 4)
    spool.take_receipt(receipt_of(segment(spool, 0, 2)), at_ms=1)
    spool.take_receipt(receipt_of(segment(spool, 0, 1, stream=SAW), stream=SAW), at_ms=1)
    assert spool.forget_receipted(at_most=4) == 4
    assert [(s, spool.hash_at(s, n) is None) for s in (PRESS, SAW) for n in range(2)] == [
        (PRESS, True),
        (PRESS, True),
        (SAW, True),
        (SAW, False),
    ]
    assert spool.forget_receipted(at_most=99) == 1
    assert spool.forget_receipted(at_most=99) == 0
    write(spool, PRESS, 1)
    assert spool.head(PRESS).next_n == 5, "a head is never forgotten"


@pytest.fixture(scope="module")
def written() -> Iterator[tuple[Path, list[bytes]]]:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "written.db"
        with closing(Spool(file, box=BOX)) as spool:
            write(spool, PRESS, 12)
            hashes = [hash_of(spool, PRESS, n) for n in range(12)]
        yield file, hashes


ENDS = st.one_of(st.just("own"), st.just("foreign"), st.integers(0, 11))
CLAIMS = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15), ENDS), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CLAIMS, st.sets(st.integers(0, 11), max_size=2), st.booleans()), max_size=5))
def test_a_statement_is_deletable_only_when_a_segment_that_ends_in_this_boxs_own_covers_it(
    written: tuple[Path, list[bytes]], story: list[tuple[list[tuple[int, int, object]], set[int], bool]]
) -> None:
    file, hashes = written
    with TemporaryDirectory() as directory:
        copy = Path(directory) / "spool.db"
        shutil.copy(file, copy)
        with closing(Spool(copy, box=BOX)) as spool:
            spool._db.execute("PRAGMA synchronous = OFF")
            covered: set[int] = set()
            for claims, refused, forget in story:
                segments = []
                for one, other, end in claims:
                    first, last = sorted((one, other))
                    own = hashes[last] if last < 12 else sha256(b"none").digest()
                    digest = own if end == "own" else hashes[end] if isinstance(end, int) else bytes(32)
                    segments.append(Segment(first, last, bytes(32) if first else b"", digest))
                    if last < 12 and digest == hashes[last]:
                        covered |= set(range(first, last + 1))
                refusals = tuple(Refusal(sha256=hashes[n], reason="no") for n in refused)
                spool.take_receipt(replace(receipt_of(*segments), refusals=refusals), at_ms=1)
                if forget:
                    spool.forget_receipted(at_most=3)
                here = {n for n in range(12) if spool.hash_at(PRESS, n) is not None}
                assert set(range(12)) - here <= covered
                held = {n for first, last in spool.held(PRESS) for n in range(first, last + 1)}
                assert held <= covered
                aside = {a.n for a in spool.asides()}
                assert not aside & held
                left = spool.unsent(after=0, up_to=99, at_most=99)
                unsent = {u.n for u in left}
                assert unsent == set(range(12)) - held - aside
                assert spool.count_unsent() == len(unsent)
                assert all(
                    u >= spool.first_unsent_id() for u in [s.id for s in spool.unsent(after=0, up_to=99, at_most=9)]
                )
            assert spool.head(PRESS).next_n == 12


# Room.


def test_the_reserve_is_a_file_that_is_given_and_taken(spool: Spool, tmp_path: Path) -> None:
    assert spool.take_reserve()
    reserve = tmp_path / "spool.db.reserve"
    assert reserve.stat().st_size > 1_000_000
    spool.give_reserve()
    spool.give_reserve()
    assert not reserve.exists()


def test_synchronous_is_full_and_the_log_is_ahead(spool: Spool) -> None:
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_receipted_long_ago_is_not_read_again_to_find_what_is_unsent(spool: Spool) -> None:
    write(spool, PRESS, 50)
    spool.take_receipt(receipt_of(segment(spool, 0, 40)), at_ms=1)
    plan = spool._db.execute(f"EXPLAIN QUERY PLAN {_FIRST_UNSENT}").fetchall()
    assert any("SEARCH s USING COVERING INDEX" in row[3] for row in plan), plan


def test_a_reader_may_look_while_another_process_writes(spool: Spool, tmp_path: Path) -> None:
    write(spool, PRESS, 2)
    with closing(Spool(tmp_path / "spool.db", box=BOX, read_only=True)) as reader, spool.writing():
        spool.append(KEY, PRESS, page(1), MOMENT)
        assert len(list(reader.statements(unsent_only=False))) == 2
        with pytest.raises(SpoolError), reader.writing():
            reader.keep("x", b"")


def test_sqlite_is_new_enough_for_what_is_asked_of_it() -> None:
    assert sqlite3.sqlite_version_info >= (3, 37), "STRICT tables"
