"""Opening the receiver's SQLite file: WAL, synchronous=FULL, one writing connection, a few reading ones.

What a returned `writing()` committed is on the disk: SQLite has synced the write-ahead log (sqlite.org/wal.html,
synchronous=FULL). Other processes (the command line beside the daemon) may write too: BEGIN IMMEDIATE takes turns.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Full, LifoQueue
from threading import Lock
from typing import Final

from cloud_sync.store import StoreError

FORMAT: Final = 3
"""PRAGMA user_version: what schema.sql this file was made with."""
OLDEST_FORMAT: Final = 1
"""A file from there on gets the tables and columns that it lacks: all derived, and empty until `cloud-sync rebuild`."""
APPLICATION: Final = 0x514C5931
"""PRAGMA application_id, "QLY1": so that nobody opens another program's file by mistake."""
BUSY_MS: Final = 30_000
"""How long a writer waits for another process's transaction."""
READERS: Final = 4
"""Reading connections kept open; more are opened when needed and closed again."""
CACHE_KIB: Final = 64 * 1024
_SCHEMA: Final = Path(__file__).with_name("schema.sql")


_CROSSING_OF_3: Final = (
    "ALTER TABLE crossing ADD COLUMN seen TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE crossing ADD COLUMN looked INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE crossing ADD COLUMN uncertain INTEGER NOT NULL DEFAULT 0",
)
_LACKING: Final = {1: _CROSSING_OF_3, 2: _CROSSING_OF_3}
"""By the format of a file: what no CREATE TABLE IF NOT EXISTS gives it."""


class Connections:
    """The connections to one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._readers: LifoQueue[sqlite3.Connection] = LifoQueue(READERS)
        self._writer = _connect(path, cache_kib=CACHE_KIB)
        try:
            _prepare(self._writer, path)
        except BaseException:
            self._writer.close()
            raise

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The one writer, inside a transaction that commits at the end or leaves nothing. Raises StoreError."""
        with self._lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as cause:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if isinstance(cause, sqlite3.Error):
                    raise _store_error(self.path, cause) from cause
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the database throughout. Raises StoreError."""
        try:
            db = self._readers.get_nowait()
        except Empty:
            db = _connect(self.path, cache_kib=CACHE_KIB // 8)
        try:
            db.execute("BEGIN")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as cause:
            db.close()
            raise _store_error(self.path, cause) from cause
        except BaseException:
            db.close()
            raise
        try:
            self._readers.put_nowait(db)
        except Full:
            db.close()

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            self._writer.close()
        while not self._readers.empty():
            self._readers.get().close()


def _connect(path: Path, *, cache_kib: int) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        db.execute(f"PRAGMA cache_size = -{cache_kib}")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = OFF")  # every reference is made by the code that reads the id
    except sqlite3.Error as cause:
        raise _store_error(path, cause) from cause
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables that a new or older file lacks; refuse a file that is not ours."""
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")  # two processes may open a new file at once
        application = db.execute("PRAGMA application_id").fetchone()[0]
        made_with = db.execute("PRAGMA user_version").fetchone()[0]
        empty = not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if empty or (application == APPLICATION and OLDEST_FORMAT <= made_with < FORMAT):
            for command in () if empty else _LACKING[made_with]:
                db.execute(command)
            for command in _SCHEMA.read_text(encoding="utf-8").split(";\n"):
                db.execute(command)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
            application, made_with = APPLICATION, FORMAT
        db.execute("COMMIT")
    except sqlite3.Error as cause:
        raise _store_error(path, cause) from cause
    if application != APPLICATION:
        raise StoreError(f"{path} is a database of another program: name another file as store in the configuration")
    if made_with != FORMAT:
        raise StoreError(f"{path} has format {made_with}, and this program knows format {FORMAT}")


def _store_error(path: Path, cause: sqlite3.Error) -> StoreError:
    match getattr(cause, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StoreError(f"the disk of {path} is full: make room; nothing was receipted that is not kept")
        case sqlite3.SQLITE_BUSY:
            return StoreError(f"{path} is locked by another process for more than {BUSY_MS // 1000} s")
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"cannot open {path}: does its directory exist, and may this user write there?")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreError(f"{path} is damaged ({cause}): restore it from a backup; boxes send again what they kept")
    return StoreError(f"{path}: {cause}")
