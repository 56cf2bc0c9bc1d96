"""The spool: what the box has seen and signed, on its own disk, until the receiver has said that it holds it.

SQLite, WAL, synchronous=FULL; poll, watch and sync share it. What is in a committed transaction survives a power cut.
If lost: what was not receipted is gone, and the next start signs that it cannot know what came before. If an old
copy is put back: statements already sent are signed anew with other content, and the two are the proof of a fork. If
altered: the chain breaks, and every verifier sees where.

    journal    readings not yet sealed, one row a commit
    statement  signed pages; deleted only when receipted, and then only for room
    stream     each chain's head, and where its open window begins
    aside      what the receiver refused for good, with its reason
    kept       a few facts about the box itself
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from evidence import cbor
from evidence.bodies import Body, Configuration
from evidence.chain import Segment
from evidence.judge import UNJUDGED, Judged, RunState
from evidence.keys import SigningKey
from evidence.receipt import Receipt
from evidence.statement import Moment, seal

BUSY_WAIT_S: Final = 10.0
"""How long one process waits for another's transaction."""
SCHEMA_VERSION: Final = 1
RESERVE_BYTES: Final = 2 * 1024 * 1024
"""Set aside as a file, and freed when the disk is full, so that the box can clear up and sign that it was full."""
CHECKPOINT_PAGES: Final = 256
"""The write-ahead log is folded back about every megabyte."""

_SCHEMA: Final = """
CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    next_n INTEGER NOT NULL DEFAULT 0,
    head BLOB NOT NULL DEFAULT x'',
    config BLOB NOT NULL DEFAULT x'',
    until_ms INTEGER,
    carry BLOB NOT NULL DEFAULT x'',
    journal_after INTEGER NOT NULL DEFAULT 0,
    receipted_below INTEGER NOT NULL DEFAULT 0,
    forked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE statement (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL REFERENCES stream (id),
    n INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    encoded BLOB NOT NULL,
    UNIQUE (stream, n)
) STRICT;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    keeper TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    rows BLOB NOT NULL
) STRICT;
CREATE TABLE aside (
    sha256 BLOB PRIMARY KEY,
    stream TEXT NOT NULL,
    n INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""


class SpoolError(Exception):
    """The spool cannot be used; the message says what to do."""


class SpoolFullError(SpoolError):
    """There is no room on the disk: nothing of this transaction was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of one stream's chain, and where its measuring stands."""

    id: int
    stream: str
    next_n: int
    sha256: bytes
    """Of statement next_n - 1; empty when there is none."""
    config: bytes
    """Hash of the settings in force; empty before the first."""
    until_ms: int | None
    """UTC ms up to which something is signed; None when nothing was measured yet."""
    carry: Judged
    """Where judging stood then."""
    journal_after: int
    """Journal rows up to this id are sealed in, as far as they are this stream's."""
    receipted_below: int
    """The receiver holds every statement with a lower n."""
    forked: bool
    """The receiver holds another history of this stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A statement that no receipt covers yet."""

    id: int
    """Rises with every sealing, over all streams."""
    stream: str
    n: int
    sha256: bytes
    encoded: bytes


class Spool:
    """One process's handle on the spool; one thread at a time."""

    def __init__(self, path: Path, *, box: str, read_only: bool = False) -> None:
        """Open or create it. Raises SpoolError when it cannot be, or belongs to another box."""
        self._path = path
        self._box = box
        self._read_only = read_only
        try:
            self._db = _connect(path, read_only=read_only)
            if not read_only:
                self._create()
            self._check_owner()
        except sqlite3.DatabaseError as cause:
            raise SpoolError(_explain(path, cause)) from cause
        except OSError as cause:
            raise SpoolError(f"cannot use the spool {path}: {cause.strerror}") from cause

    def close(self) -> None:
        """Let go of the file; whatever was committed stays."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is on the disk when this returns, or none of it.

        BEGIN IMMEDIATE, so that reading a head and appending to it are one step among the box's processes.
        Raises SpoolFullError when the disk has no room.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.rollback()
                raise
            # power fails here: everything is as it was before BEGIN
            self._db.execute("COMMIT")
            # power fails here: everything is on the disk (WAL, synchronous=FULL)
        except sqlite3.DatabaseError as cause:
            if self._db.in_transaction:
                self._db.rollback()
            if _is_full(cause):
                raise SpoolFullError(_explain(self._path, cause)) from cause
            raise SpoolError(_explain(self._path, cause)) from cause

    def head(self, stream: str) -> Head:
        """The stream's head; a stream never heard of begins at 0. Inside `writing`, nobody else can move it."""
        row = self._db.execute(_HEADS + " WHERE name = ?", (stream,)).fetchone()
        if row is None:
            self._db.execute("INSERT INTO stream (name) VALUES (?)", (stream,))
            return self.head(stream)
        return _head(row)

    def heads(self) -> list[Head]:
        """All streams' heads, by name."""
        return [_head(row) for row in self._db.execute(_HEADS + " ORDER BY name")]

    def append(self, key: SigningKey, stream: str, body: Body, moment: Moment) -> Head:
        """Sign `body` as the stream's next statement and keep it; the new head. Only inside `writing`."""
        head = self.head(stream)
        config = sha256(body.encoded).digest() if isinstance(body, Configuration) else head.config
        encoded = seal(
            key,
            box=self._box,
            stream=stream,
            n=head.next_n,
            prev=head.sha256,
            moment=moment,
            config=config,
            body=body,
        )
        digest = sha256(encoded).digest()
        self._db.execute(
            "INSERT INTO statement (stream, n, sha256, encoded) VALUES (?, ?, ?, ?)",
            (head.id, head.next_n, digest, encoded),
        )
        self._db.execute(
            "UPDATE stream SET next_n = ?, head = ?, config = ? WHERE id = ?",
            (head.next_n + 1, digest, config, head.id),
        )
        if isinstance(body, Configuration):
            self.keep(f"settings {stream}", body.encoded)
        return self.head(stream)

    def settings(self, stream: str) -> dict[str, Any] | None:
        """The settings in force of a stream; None before its first configuration."""
        encoded = self.kept(f"settings {stream}")
        return None if encoded is None else cbor.decode(encoded, at_most=len(encoded))

    def set_measured(self, stream: str, *, until_ms: int, carry: Judged, journal_after: int) -> None:
        """Remember up to when the stream is signed, and where judging stood. Only inside `writing`."""
        self._db.execute(
            "UPDATE stream SET until_ms = ?, carry = ?, journal_after = ? WHERE name = ?",
            (until_ms, _encode_carry(carry), journal_after, stream),
        )

    def write_journal(self, keeper: str, at_ms: int, rows: list[tuple[int, bytes]]) -> int:
        """Keep unsealed rows, each with its stream's id; the journal row's id. Only inside `writing`."""
        blob = cbor.encode([[stream, row] for stream, row in rows])
        cursor = self._db.execute("INSERT INTO journal (keeper, at_ms, rows) VALUES (?, ?, ?)", (keeper, at_ms, blob))
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
        return cursor.lastrowid

    def read_journal(self, keeper: str, after: int = 0) -> Iterator[tuple[int, int, list[tuple[int, bytes]]]]:
        """(id, at_ms, [(stream id, row), …]) of each commit of this keeper, oldest first."""
        for id_, at_ms, blob in self._db.execute(
            "SELECT id, at_ms, rows FROM journal WHERE keeper = ? AND id > ? ORDER BY id", (keeper, after)
        ):
            yield id_, at_ms, [(stream, row) for stream, row in cbor.decode(blob, at_most=len(blob))]

    def clear_journal(self, keeper: str, up_to: int) -> None:
        """Forget rows that are sealed in every stream. Only inside `writing`."""
        self._db.execute("DELETE FROM journal WHERE keeper = ? AND id <= ?", (keeper, up_to))

    def last_alive_ms(self) -> int | None:
        """UTC of the last thing that was kept; None in a new spool."""
        found = [
            row[0]
            for row in self._db.execute("SELECT max(at_ms) FROM journal UNION ALL SELECT max(until_ms) FROM stream")
            if row[0] is not None
        ]
        alive = self.kept("alive_ms")
        if alive is not None:
            found.append(int(alive))
        return max(found) if found else None

    def kept(self, name: str) -> bytes | None:
        """A fact about the box that was kept under this name."""
        row = self._db.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, name: str, value: bytes) -> None:
        """Keep a fact about the box. Only inside `writing`."""
        self._db.execute(
            "INSERT INTO kept VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    # What sync asks for.

    def newest_id(self) -> int:
        """The id of the last statement sealed; 0 when there is none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM statement").fetchone()[0])

    def unsent(self, *, after: int, up_to: int, at_most: int) -> list[Unsent]:
        """Statements that no receipt covers, by id, after < id <= up_to; at most so many."""
        rows = self._db.execute(
            "SELECT s.id, name, n, s.sha256, encoded FROM statement s JOIN stream t ON t.id = s.stream"
            " WHERE s.id > ? AND s.id <= ? AND n >= receipted_below"
            " AND NOT EXISTS (SELECT 1 FROM aside WHERE aside.sha256 = s.sha256) ORDER BY s.id LIMIT ?",
            (after, up_to, at_most),
        )
        return [Unsent(id=i, stream=name, n=n, sha256=sha, encoded=encoded) for i, name, n, sha, encoded in rows]

    def count_unsent(self) -> int:
        """How many statements no receipt covers."""
        return int(self._db.execute("SELECT coalesce(sum(next_n - receipted_below), 0) FROM stream").fetchone()[0])

    def statements(self, *, unsent_only: bool) -> Iterator[bytes]:
        """Statements verbatim, in the order of sealing: all that are still here, or those no receipt covers."""
        below = "n >= receipted_below" if unsent_only else "1"
        query = f"SELECT encoded FROM statement s JOIN stream t ON t.id = s.stream WHERE {below} ORDER BY s.id"  # noqa: S608
        for (encoded,) in self._db.execute(query):
            yield encoded

    def hash_at(self, stream: str, n: int) -> bytes | None:
        """The hash of the stream's statement n; None when it is not here (not yet, or no more)."""
        row = self._db.execute(
            "SELECT s.sha256 FROM statement s JOIN stream t ON t.id = s.stream WHERE name = ? AND n = ?", (stream, n)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def take_receipt(self, receipt: Receipt, *, at_ms: int) -> "ReceiptTaken":
        """Mark what a verified receipt covers, and put aside what it refuses.

        A segment covers this box's statements only when its last hash is this box's own statement: the chain then
        vouches for every one before it. Anything else that overlaps is another history: a fork, and covers nothing.
        """
        forked: list[str] = []
        covered: dict[str, list[Segment]] = {}
        with self.writing():
            for held in receipt.streams:
                head = self.head(held.stream)
                own = [s for s in held.segments if self.hash_at(held.stream, s.last) == s.sha256]
                covered[held.stream] = own
                below = head.receipted_below
                for segment in sorted(own):
                    if segment.first <= below:
                        below = max(below, segment.last + 1)
                if below > head.receipted_below:
                    self._db.execute("UPDATE stream SET receipted_below = ? WHERE id = ?", (below, head.id))
                if not head.forked and any(self._is_foreign(s, head) for s in held.segments):
                    forked.append(held.stream)
                    self._db.execute("UPDATE stream SET forked = 1 WHERE id = ?", (head.id,))
            refused = [r for r in receipt.refusals if self._put_aside(r.sha256, r.reason, at_ms)]
            self.keep("receipt_ms", str(at_ms).encode())
            # power fails here: the receipt is forgotten; the receiver will say it again
        return ReceiptTaken(covered=covered, forked=forked, refused=[r.reason for r in refused])

    def asides(self) -> list[tuple[str, int, str]]:
        """(stream, n, reason) of statements that the receiver refused for good."""
        return list(self._db.execute("SELECT stream, n, reason FROM aside ORDER BY at_ms"))

    # Room.

    def used_bytes(self) -> int:
        """Bytes of the database that hold something."""
        pages, free, size = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def forget_receipted(self, *, at_most: int) -> int:
        """Delete the oldest receipted statements, at most so many; how many went. Heads are never forgotten."""
        with self.writing():
            cursor = self._db.execute(
                "DELETE FROM statement WHERE id IN (SELECT s.id FROM statement s JOIN stream t ON t.id = s.stream"
                " WHERE n < receipted_below ORDER BY s.id LIMIT ?)",
                (at_most,),
            )
        return cursor.rowcount

    def give_reserve(self) -> None:
        """Free the reserve on a full disk."""
        self._reserve.unlink(missing_ok=True)

    def take_reserve(self) -> None:
        """Set the reserve aside again; when there is no room for it, there is none."""
        if self._reserve.exists():
            return
        try:
            self._reserve.write_bytes(bytes(RESERVE_BYTES))
        except OSError:
            self._reserve.unlink(missing_ok=True)

    @property
    def _reserve(self) -> Path:
        return self._path.with_name(self._path.name + ".reserve")

    def _is_foreign(self, segment: Segment, head: Head) -> bool:
        """Whether it runs ahead of this box's chain, or ends in another statement than this box's of that n."""
        own = self.hash_at(head.stream, segment.last)
        return segment.last >= head.next_n or (own is not None and own != segment.sha256)

    def _put_aside(self, digest: bytes, reason: str, at_ms: int) -> bool:
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO aside SELECT s.sha256, name, n, ?, ?"
            " FROM statement s JOIN stream t ON t.id = s.stream WHERE s.sha256 = ?",
            (reason, at_ms, digest),
        )
        return cursor.rowcount > 0

    def _create(self) -> None:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version == SCHEMA_VERSION:
            return
        if version:
            raise SpoolError(f"the spool {self._path} has format {version}; this program knows {SCHEMA_VERSION}")
        with self.writing():
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:  # the other process did not
                for command in _SCHEMA.split(";"):
                    self._db.execute(command)
                self.keep("box", self._box.encode())
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check_owner(self) -> None:
        owner = self.kept("box")
        if owner != self._box.encode():
            name = owner.decode() if owner else "nobody"
            raise SpoolError(f"the spool {self._path} is {name}'s, not {self._box}'s: set [box] spool to another file")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptTaken:
    """What a receipt changed."""

    covered: dict[str, list[Segment]]
    """Per stream, the segments that end in this box's own statements."""
    forked: list[str]
    """Streams of which another history was seen for the first time."""
    refused: list[str]
    """Reasons of statements newly put aside."""


_HEADS: Final = (
    "SELECT id, name, next_n, head, config, until_ms, carry, journal_after, receipted_below, forked FROM stream"
)


def _head(row: tuple[int, str, int, bytes, bytes, int | None, bytes, int, int, int]) -> Head:
    id_, name, next_n, head, config, until_ms, carry, journal_after, receipted_below, forked = row
    return Head(
        id=id_,
        stream=name,
        next_n=next_n,
        sha256=head,
        config=config,
        until_ms=until_ms,
        carry=_decode_carry(carry),
        journal_after=journal_after,
        receipted_below=receipted_below,
        forked=bool(forked),
    )


def _encode_carry(carry: Judged) -> bytes:
    return cbor.encode([int(carry.state), int(carry.wanted), carry.wanted_since_ms, carry.good_until_ms])


def _decode_carry(encoded: bytes) -> Judged:
    if not encoded:
        return UNJUDGED
    state, wanted, since_ms, until_ms = cbor.decode(encoded, at_most=64)
    return Judged(state=RunState(state), wanted=RunState(wanted), wanted_since_ms=since_ms, good_until_ms=until_ms)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
    if not read_only:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        db.execute("PRAGMA foreign_keys = ON")
    return db


def _is_full(cause: sqlite3.DatabaseError) -> bool:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _explain(path: Path, cause: sqlite3.DatabaseError) -> str:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return f"the disk of the spool {path} is full or failing ({cause}): free some space or replace the card"
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return f"the spool {path} is damaged ({cause}): keep the file as evidence and start with a new one"
        case sqlite3.SQLITE_BUSY:
            return f"the spool {path} was held by another process for over {BUSY_WAIT_S:.0f} s"
        case sqlite3.SQLITE_CANTOPEN:
            return f"cannot open the spool {path}: does its directory exist, and may this user write there?"
    return f"cannot use the spool {path}: {cause}"


def open_spool(path: Path, *, box: str) -> closing[Spool]:
    """For `with`: the spool, closed at the end."""
    return closing(Spool(path, box=box))
