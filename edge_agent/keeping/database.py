"""One SQLite file that several processes share and that survives a power cut: the one door to `sqlite3`.

WAL, synchronous=FULL: when a transaction returns it is on the disk, and a crash anywhere before leaves the file as it
was. A full disk, a damaged file and a busy one are told apart.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

BUSY_WAIT_S: Final = 10.0
"""How long one process waits for another's transaction."""
RESERVE_BYTES: Final = 2 * 1024 * 1024
"""Set aside as a file, and freed when the disk is full, so that the box can clear up and sign that it was full."""
RESERVE_ROOM_BYTES: Final = 4 * RESERVE_BYTES
"""Free bytes at which it is set aside again: well above its size, or a full disk would be written to for ever."""
CHECKPOINT_PAGES: Final = 256
"""The write-ahead log is folded back about every megabyte."""
WAL_BYTES: Final = 4 * 1024 * 1024
"""What is left of a write-ahead log that a long reader made grow."""
CACHE_KIB: Final = 512
"""Of memory for pages; what is read again and again is small."""


class SpoolError(Exception):
    """The spool cannot be used; the message says what to do."""


class SpoolFullError(SpoolError):
    """There is no room on the disk: nothing of this transaction was kept."""


class SpoolDamagedError(SpoolError):
    """The file is not what this program wrote; `put_aside` makes way for a new one."""


def is_claimed(path: Path, process: str) -> bool:
    """Whether a program holds the claim on this file to be its `process` (Database.claim). Changes nothing."""
    try:
        claim = os.open(_claim_file(path, process), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(claim)
    return False


class Database:
    """One process's handle on the file; one thread at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create it, if need be in the room of the reserve. Raises SpoolError."""
        self._path = path
        self._claims: list[int] = []
        try:
            self._open(read_only=read_only)
        except SpoolFullError:
            if read_only or not self._beside(".reserve").exists():
                raise
            self.give_reserve()
            self._open(read_only=read_only)

    def _open(self, *, read_only: bool) -> None:
        path = self._path
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        try:
            self._db = sqlite3.connect(
                uri, uri=True, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.DatabaseError as cause:
            raise _error(path, cause) from cause
        try:
            self._do(f"PRAGMA cache_size = -{CACHE_KIB}")
            if not read_only:
                self._do("PRAGMA journal_mode = WAL")
                self._do("PRAGMA synchronous = FULL")
                self._do(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
                self._do(f"PRAGMA journal_size_limit = {WAL_BYTES}")
                self._do("PRAGMA foreign_keys = ON")
        except SpoolError:
            self._db.close()
            raise

    @property
    def path(self) -> Path:
        """Its file."""
        return self._path

    def close(self) -> None:
        """Let go of the file; whatever was committed stays."""
        self._db.close()
        while self._claims:
            os.close(self._claims.pop())

    def claim(self, process: str) -> None:
        """Be the one `process` of this file until `close`; SpoolError when another program is it already.

        Two keepers of one stream would seal the same readings twice. The kernel lets go when a process dies.
        """
        file = _claim_file(self._path, process)
        try:
            claim = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as cause:
            raise SpoolError(f"cannot use the spool {self._path}: {cause.strerror}") from cause
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            os.close(claim)
            raise SpoolError(f"another `edge-agent {process}` uses the spool {self._path}: stop that one") from cause
        self._claims.append(claim)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is on the disk when this returns, or none of it.

        BEGIN IMMEDIATE, so that reading a head and appending to it are one step among the box's processes.
        Raises SpoolFullError when the disk has no room.
        """
        self._do("BEGIN IMMEDIATE")
        try:
            yield
            # power fails here: everything is as it was before BEGIN
            self._do("COMMIT")
            # power fails here: everything is on the disk (WAL, synchronous=FULL)
        except BaseException:
            if self._db.in_transaction:  # a full disk may have ended it already
                self._db.rollback()
            raise

    # Room.

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (
            int(self._ask(f"PRAGMA {name}")[0][0]) for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def give_reserve(self) -> None:
        """Free the reserve on a full disk."""
        self._beside(".reserve").unlink(missing_ok=True)

    def take_reserve(self) -> bool:
        """Set the reserve aside, if the disk has room for it and more; whether it is there."""
        reserve = self._beside(".reserve")
        if reserve.exists():
            return True
        try:
            if shutil.disk_usage(self._path.parent).free < RESERVE_ROOM_BYTES:
                return False
            reserve.write_bytes(bytes(RESERVE_BYTES))
        except OSError:
            reserve.unlink(missing_ok=True)
            return False
        return True

    # For the class that knows what is in it.

    def _do(self, command: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(command, values)
        except sqlite3.DatabaseError as cause:
            raise _error(self._path, cause) from cause

    def _do_each(self, command: str, rows: Iterable[tuple[Any, ...]]) -> None:
        try:
            self._db.executemany(command, rows)
        except sqlite3.DatabaseError as cause:
            raise _error(self._path, cause) from cause

    def _ask(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        return list(self._rows(query, values))

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
        """Row after row, for what may be long."""
        try:
            yield from self._db.execute(query, values)
        except sqlite3.DatabaseError as cause:
            raise _error(self._path, cause) from cause

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)


def put_aside(path: Path, *, at_ms: int) -> Path:
    """Move a damaged file out of the way, whole, as evidence; where it lies now. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged-{at_ms}")
    for suffix in ("-wal", "-shm", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(aside.with_name(aside.name + suffix))
    return aside


def _claim_file(path: Path, process: str) -> Path:
    return path.with_name(f"{path.name}.{process.replace('/', '-').replace(' ', '-')}.lock")


def _error(path: Path, cause: sqlite3.DatabaseError) -> SpoolError:
    """What SQLite said, in words that help."""
    match getattr(cause, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return SpoolFullError(
                f"the disk of the spool {path} is full or failing ({cause}): free some space or replace the card"
            )
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return SpoolDamagedError(f"the spool {path} is damaged ({cause})")
        case sqlite3.SQLITE_BUSY:
            return SpoolError(f"the spool {path} was held by another process for over {BUSY_WAIT_S:.0f} s")
        case sqlite3.SQLITE_CANTOPEN:
            return SpoolError(f"cannot open the spool {path}: does its directory exist, and may this user write there?")
    return SpoolError(f"cannot use the spool {path}: {cause}")
