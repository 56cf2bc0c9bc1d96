"""The store on SQLite: the contract, and what only a file can do wrong."""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from cloud_sync.packing import Packer
from cloud_sync.sqlite_open import FORMAT
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Store, StoreError
from evidence.bodies import Direction, Phase, Verdict
from tests.cloud.boxes import FakeBox, limit
from tests.cloud.store_contract import LATER_MS, StoreContract, derived, stream_id, take


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def opened(self) -> Iterator[list[Store]]:
        stores: list[Store] = []
        yield stores
        for store in stores:
            store.close()

    @pytest.fixture
    def fresh(self, opened: list[Store], tmp_path: Path) -> Callable[[], Store]:
        numbers = count()

        def make() -> Store:
            opened.append(SqliteStore(tmp_path / f"{next(numbers)}.sqlite"))
            return opened[-1]

        return make

    @pytest.fixture
    def second(self, opened: list[Store], tmp_path: Path) -> Callable[[], Store]:
        def make() -> Store:
            opened.append(SqliteStore(tmp_path / "0.sqlite"))
            return opened[-1]

        return make

    @pytest.fixture
    def reopen(self, opened: list[Store], second: Callable[[], Store]) -> Callable[[], Store]:
        def again() -> Store:
            opened[-1].close()
            return second()

        return again


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "receiver.sqlite")
    yield store
    store.close()


def test_a_full_disk_stores_nothing_by_halves_and_goes_on_when_there_is_room(store: SqliteStore) -> None:
    box = FakeBox()
    take(store, box, *box.windows(1))
    with store._connections.writing() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    store._connections._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    before = derived(store), store.last_commit()
    sealed = box.windows(100)
    with pytest.raises(StoreError, match="is full: make room"):
        take(store, box, *sealed)
    assert (derived(store), store.last_commit()) == before
    store._connections._writer.execute("PRAGMA max_page_count = 1000000")
    take(store, box, *sealed)
    assert store.held("box-1")[0].mark == 100


def test_a_failure_in_the_middle_of_a_batch_leaves_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    box = FakeBox()
    sealed = box.windows(3)
    with monkeypatch.context() as patch:
        patch.setattr("cloud_sync.sqlite_store.write_facts", None)
        with pytest.raises(TypeError):
            take(store, box, *sealed)
    assert store.streams() == ()
    take(store, box, *sealed)
    assert store.held("box-1")[0].mark == 2


def test_every_commit_is_synced_to_the_disk(store: SqliteStore) -> None:
    writer = store._connections._writer
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_reader_sees_the_state_before_while_a_writer_works(store: SqliteStore) -> None:
    box = FakeBox()
    take(store, box, *box.windows(1))
    with store._connections.writing() as db:
        db.execute("DELETE FROM statement")
        assert store.last_commit() == 1
        db.execute("ROLLBACK")
        db.execute("BEGIN")


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore(path)


def test_a_text_file_and_a_missing_directory_are_refused_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 1000)
    with pytest.raises(StoreError, match="is damaged"):
        SqliteStore(tmp_path / "text")
    with pytest.raises(StoreError, match="cannot open"):
        SqliteStore(tmp_path / "nowhere" / "receiver.sqlite")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "a").close()
    with sqlite3.connect(tmp_path / "a") as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    db.close()
    with pytest.raises(StoreError, match=f"has format {FORMAT + 1}"):
        SqliteStore(tmp_path / "a")


@pytest.mark.parametrize(("made_with", "lacks"), [(1, ("event", "alarm", "level", "measure")), (2, ())])
def test_a_file_of_a_format_before_gets_what_it_lacks_and_a_rebuild_fills_it(
    tmp_path: Path, made_with: int, lacks: tuple[str, ...]
) -> None:
    box = FakeBox()
    store = SqliteStore(tmp_path / "a")
    store.enrol(box.enrolled)
    take(store, box, box.sensed([120, 86]), box.events(limit(Phase.RAISED)), box.crossings(ways=[Direction.IN]))
    take(store, box, box.stock([(0, Verdict.COUNTED, 48)]), box.picture(b"1"), box.certificate())
    expected = derived(store)
    streams = [stream.id for stream in store.streams()]
    store.close()
    with sqlite3.connect(tmp_path / "a") as db:
        for table in ("stock", "picture", "certificate", *lacks):
            db.execute(f"DROP TABLE {table}")
        for column in ("seen", "looked", "uncertain"):
            db.execute(f"ALTER TABLE crossing DROP COLUMN {column}")
        db.execute(f"PRAGMA user_version = {made_with}")
    db.close()
    store = SqliteStore(tmp_path / "a")
    assert derived(store) != expected
    for stream in streams:
        store.rebuild(stream)
    assert derived(store) == expected
    store.close()


def test_a_rebuild_reports_a_row_that_was_altered_and_derives_from_the_rest(store: SqliteStore) -> None:
    box = FakeBox()
    store.enrol(box.enrolled)
    take(store, box, *box.windows(4))
    with store._connections.writing() as db:
        db.execute("UPDATE statement SET to_ms = to_ms + 1 WHERE seq = 2")
        db.execute("UPDATE statement SET body = CAST(substr(body, 1, 40) || x'00' AS BLOB) WHERE seq = 3")
    done = store.rebuild(stream_id(store))
    assert [seq for seq, _ in done.broken] == [2, 3]
    assert [(s.first, s.last) for s in store.streams()[0].segments] == [(0, 0), (3, 3)]


def test_stored_statements_are_compressed_only_where_that_shrinks_them(store: SqliteStore) -> None:
    box = FakeBox()
    long = box.readings(rows=200)
    take(store, box, long, at_ms=LATER_MS)
    with store._connections.reading() as db:
        (body,) = db.execute("SELECT body FROM statement").fetchone()
    assert len(body) < len(long)
    noise = Random(1).randbytes(1000)
    assert Packer().pack(noise) == noise
