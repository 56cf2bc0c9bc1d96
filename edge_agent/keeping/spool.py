"""The spool: what the box has seen and signed, on its own disk, until the receiver has said that it holds it.

poll, watch and sync share it. What is in a committed transaction survives a power cut (database.py).
If lost: what was not receipted is gone, and the next start signs that it cannot know what came before. If an old
copy is put back: statements already sent are signed anew with other content, and the two are the proof of a fork. If
altered: the chain breaks, and every verifier sees where.

    journal    readings not yet sealed, one row a commit
    statement  signed pages; deleted only when receipted, and then only for room
    stream     each chain's head, and where its open window begins
    held       what the receiver holds of each chain, by its receipts
    aside      what the receiver refused for good, with its reason
    kept       a few facts about the box itself
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from edge_agent.keeping.database import Database, SpoolDamagedError, SpoolError, SpoolFullError, put_aside
from evidence import cbor
from evidence.bodies import Body, Configuration
from evidence.chain import Segment
from evidence.judging.standing import BEGINNING, Standing
from evidence.pen import Pen
from evidence.receipt import Receipt
from evidence.statement import Moment, seal

__all__ = [
    "Aside",
    "Head",
    "ReceiptTaken",
    "Spool",
    "SpoolDamagedError",
    "SpoolError",
    "SpoolFullError",
    "Unsent",
    "put_aside",
]

SCHEMA_VERSION: Final = 1
CARRY_LIMIT: Final = 64 * 1024
"""Bytes of where a stream's judging stands."""
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
CREATE INDEX statement_sha256 ON statement (sha256);
CREATE TABLE held (
    stream INTEGER NOT NULL REFERENCES stream (id),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (stream, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE aside (
    stream INTEGER NOT NULL REFERENCES stream (id),
    n INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    keeper TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    rows BLOB NOT NULL
) STRICT;
CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID
"""


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
    carry: Standing
    """Where judging stood then."""
    journal_after: int
    """Journal rows up to this id are sealed in, as far as they are this stream's."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A statement that the receiver will never take."""

    stream: str
    n: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptTaken:
    """What a receipt changed."""

    forked: list[str]
    """Streams of which another history was seen for the first time."""
    refused: list[Aside]
    """Statements newly put aside."""


class Spool(Database):
    """One process's handle on the spool; one thread at a time."""

    def __init__(self, path: Path, *, box: str, read_only: bool = False) -> None:
        """Open or create it. Raises SpoolError when it cannot be, or belongs to another box."""
        super().__init__(path, read_only=read_only)
        self._box = box
        try:
            if not read_only:
                self._create()
            self._check_owner()
        except SpoolError:
            self.close()
            raise

    def head(self, stream: str) -> Head:
        """The stream's head; a stream never heard of begins at 0. Only inside `writing`: nobody else can move it."""
        rows = self._ask(_HEADS + " WHERE name = ?", (stream,))
        if rows:
            return _head(rows[0])
        self._do("INSERT INTO stream (name) VALUES (?)", (stream,))
        return self.head(stream)

    def heads(self) -> list[Head]:
        """All streams' heads, by name."""
        return [_head(row) for row in self._ask(_HEADS + " ORDER BY name")]

    def append(self, pen: Pen, stream: str, body: Body, moment: Moment) -> Head:
        """Sign `body` as the stream's next statement and keep it; the new head. Only inside `writing`."""
        head = self.head(stream)
        config = sha256(body.encoded).digest() if isinstance(body, Configuration) else head.config
        encoded = seal(
            pen,
            box=self._box,
            stream=stream,
            n=head.next_n,
            prev=head.sha256,
            moment=moment,
            config=config,
            body=body,
        )
        digest = sha256(encoded).digest()
        self._do(
            "INSERT INTO statement (stream, n, sha256, encoded) VALUES (?, ?, ?, ?)",
            (head.id, head.next_n, digest, encoded),
        )
        self._do(
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

    def set_measured(self, stream: str, *, until_ms: int, carry: Standing, journal_after: int) -> None:
        """Remember up to when the stream is signed, and where judging stood. Only inside `writing`."""
        self._do(
            "UPDATE stream SET until_ms = ?, carry = ?, journal_after = ? WHERE name = ?",
            (until_ms, _encode_carry(carry), journal_after, stream),
        )

    def write_journal(self, keeper: str, at_ms: int, rows: list[tuple[int, bytes]]) -> int:
        """Keep unsealed rows, each with its stream's id; the journal row's id. Only inside `writing`."""
        blob = cbor.encode([[stream, row] for stream, row in rows])
        cursor = self._do("INSERT INTO journal (keeper, at_ms, rows) VALUES (?, ?, ?)", (keeper, at_ms, blob))
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
        return cursor.lastrowid

    def read_journal(self, keeper: str, after: int = 0) -> Iterator[tuple[int, int, list[tuple[int, bytes]]]]:
        """(id, at_ms, [(stream id, row), …]) of each commit of this keeper, oldest first."""
        query = "SELECT id, at_ms, rows FROM journal WHERE keeper = ? AND id > ? ORDER BY id"
        for id_, at_ms, blob in self._rows(query, (keeper, after)):
            yield id_, at_ms, [(stream, row) for stream, row in cbor.decode(blob, at_most=len(blob))]

    def clear_journal(self, keeper: str, up_to: int) -> None:
        """Forget rows that are sealed in every stream. Only inside `writing`."""
        self._do("DELETE FROM journal WHERE keeper = ? AND id <= ?", (keeper, up_to))

    def last_alive_ms(self) -> int | None:
        """UTC of the last thing that was kept; None in a new spool.

        By the order of keeping, not the latest time: the clock may have been set back.
        """
        journalled = self._ask("SELECT at_ms FROM journal ORDER BY id DESC LIMIT 1")
        if journalled:
            return int(journalled[0][0])
        alive = self.kept("alive_ms") or self._ask("SELECT max(until_ms) FROM stream")[0][0]
        return None if alive is None else int(alive)

    def kept(self, name: str) -> bytes | None:
        """A fact about the box that was kept under this name."""
        rows = self._ask("SELECT value FROM kept WHERE name = ?", (name,))
        return bytes(rows[0][0]) if rows else None

    def keep(self, name: str, value: bytes) -> None:
        """Keep a fact about the box. Only inside `writing`."""
        self._do("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, value))

    # What sync asks for.

    def newest_id(self) -> int:
        """The id of the last statement sealed; 0 when there is none."""
        return int(self._ask("SELECT coalesce(max(id), 0) FROM statement")[0][0])

    def first_unsent_id(self) -> int:
        """No statement with a lower id is unsent; finds it without reading what was receipted long ago."""
        first = self._ask(_FIRST_UNSENT)[0][0]
        return self.newest_id() + 1 if first is None else int(first)

    def unsent(self, *, after: int, up_to: int, at_most: int) -> list[Unsent]:
        """Statements that no receipt covers, by id, after < id <= up_to; at most so many."""
        query = f"SELECT s.id, name, n, s.sha256, encoded FROM {_OF} WHERE s.id > ? AND s.id <= ? AND {_UNSENT}"  # noqa: S608
        query += " ORDER BY s.id LIMIT ?"
        rows = self._ask(query, (after, up_to, at_most))
        return [Unsent(id=i, stream=name, n=n, sha256=sha, encoded=encoded) for i, name, n, sha, encoded in rows]

    def count_unsent(self) -> int:
        """How many statements no receipt covers; those that were refused for good are not counted."""
        return sum(self.unsent_by_stream().values())

    def unsent_by_stream(self) -> dict[str, int]:
        """The same, by stream."""
        query = (
            "SELECT name, next_n - (SELECT coalesce(sum(last - first + 1), 0) FROM held WHERE held.stream = t.id)"
            " - (SELECT count(*) FROM aside WHERE aside.stream = t.id) FROM stream t"
        )
        return dict(self._ask(query))

    def statements(self, *, unsent_only: bool) -> Iterator[bytes]:
        """Statements verbatim, in the order of sealing: all that are still here, or those no receipt covers."""
        query = f"SELECT encoded FROM statement s WHERE {_UNSENT if unsent_only else '1'} ORDER BY s.id"  # noqa: S608
        for (encoded,) in self._rows(query):
            yield encoded

    def hash_at(self, stream: str, n: int) -> bytes | None:
        """The hash of the stream's statement n; None when it is not here (not yet, or no more)."""
        query = f"SELECT s.sha256 FROM {_OF} WHERE name = ? AND n = ?"  # noqa: S608 - a constant
        rows = self._ask(query, (stream, n))
        return bytes(rows[0][0]) if rows else None

    def held(self, stream: str) -> list[tuple[int, int]]:
        """What the receiver holds of this box's chain: (first n, last n), rising, apart."""
        query = "SELECT first, last FROM held JOIN stream t ON t.id = held.stream WHERE name = ? ORDER BY first"
        return self._ask(query, (stream,))

    def take_receipt(self, receipt: Receipt, *, at_ms: int) -> ReceiptTaken:
        """Mark what a verified receipt for this box covers, and put aside what it refuses.

        1. A segment covers this box's statements only when its last hash is this box's own statement: the chain then
           vouches for every one before it.
        2. A segment that ends in another statement than this box's of that n, or beyond this box's last, is another
           history: a fork. It covers nothing, is told once, and nothing is deleted or changed for it.
        3. What was covered stays covered: an old receipt, played again, changes nothing.
        """
        forked: list[str] = []
        with self.writing():
            for heard in receipt.streams:
                head = self.head(heard.stream)
                self._hold(head, [s for s in heard.segments if self.hash_at(heard.stream, s.last) == s.sha256])
                if not head.forked and any(self._is_foreign(s, head) for s in heard.segments):
                    forked.append(heard.stream)
                    self._do("UPDATE stream SET forked = 1 WHERE id = ?", (head.id,))
            refused = [aside for r in receipt.refusals for aside in self._put_aside(r.sha256, r.reason, at_ms)]
            self.keep("receipt_ms", str(at_ms).encode())
            # power fails here: the receipt is forgotten; the receiver will say it again
        return ReceiptTaken(forked=forked, refused=refused)

    def asides(self) -> list[Aside]:
        """The statements that the receiver refused for good, oldest first."""
        query = "SELECT name, n, reason FROM aside JOIN stream t ON t.id = aside.stream ORDER BY at_ms, name, n"
        return [Aside(stream=stream, n=n, reason=reason) for stream, n, reason in self._ask(query)]

    def forget_receipted(self, *, at_most: int) -> int:
        """Delete the oldest receipted statements, at most so many; how many went. Heads are never forgotten."""
        with self.writing():
            cursor = self._do(
                "DELETE FROM statement WHERE id IN (SELECT s.id FROM held CROSS JOIN statement s"
                " ON s.stream = held.stream AND s.n BETWEEN first AND last ORDER BY s.id LIMIT ?)",
                (at_most,),
            )
        return cursor.rowcount

    def _is_foreign(self, segment: Segment, head: Head) -> bool:
        """Whether it runs ahead of this box's chain, or ends in another statement than this box's of that n."""
        own = self.hash_at(head.stream, segment.last)
        return segment.last >= head.next_n or (own is not None and own != segment.sha256)

    def _hold(self, head: Head, own: list[Segment]) -> None:
        known = self.held(head.stream)
        ranges = _joined([*known, *((segment.first, segment.last) for segment in own)])
        if ranges != known:
            rows = [(head.id, *each) for each in ranges]
            self._do("DELETE FROM held WHERE stream = ?", (head.id,))
            self._do_each("INSERT INTO held VALUES (?, ?, ?)", rows)
            self._do_each("DELETE FROM aside WHERE stream = ? AND n BETWEEN ? AND ?", rows)

    def _put_aside(self, digest: bytes, reason: str, at_ms: int) -> list[Aside]:
        """The statement with this hash, if it is here, unsent and not aside yet."""
        query = f"SELECT t.id, name, n FROM {_OF} WHERE s.sha256 = ? AND {_UNSENT}"  # noqa: S608 - constants
        found = self._ask(query, (digest,))
        self._do_each("INSERT INTO aside VALUES (?, ?, ?, ?)", [(i, n, reason, at_ms) for i, _, n in found])
        return [Aside(stream=name, n=n, reason=reason) for _, name, n in found]

    def _create(self) -> None:
        version = int(self._ask("PRAGMA user_version")[0][0])
        if version == SCHEMA_VERSION:
            return
        if version:
            raise SpoolError(f"the spool {self._path} has format {version}; this program knows {SCHEMA_VERSION}")
        with self.writing():
            if self._ask("PRAGMA user_version")[0][0] == 0:  # the other process did not
                for command in _SCHEMA.split(";"):
                    self._do(command)
                self.keep("box", self._box.encode())
                self._do(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check_owner(self) -> None:
        owner = self.kept("box")
        if owner != self._box.encode():
            name = owner.decode() if owner else "nobody"
            raise SpoolError(f"the spool {self._path} is {name}'s, not {self._box}'s: set [box] spool to another file")


_OF: Final = "statement s JOIN stream t ON t.id = s.stream"
_UNSENT: Final = (
    "NOT EXISTS (SELECT 1 FROM held WHERE held.stream = s.stream AND s.n BETWEEN first AND last)"
    " AND NOT EXISTS (SELECT 1 FROM aside WHERE aside.stream = s.stream AND aside.n = s.n)"
)
_FIRST_UNSENT: Final = (
    "SELECT min(s.id) FROM stream t CROSS JOIN statement s ON s.stream = t.id AND s.n ="
    " coalesce((SELECT last + 1 FROM held WHERE held.stream = t.id AND first = 0), 0)"
)
_HEADS: Final = "SELECT id, name, next_n, head, config, until_ms, carry, journal_after, forked FROM stream"


def _head(row: tuple[int, str, int, bytes, bytes, int | None, bytes, int, int]) -> Head:
    id_, name, next_n, head, config, until_ms, carry, journal_after, forked = row
    return Head(
        id=id_,
        stream=name,
        next_n=next_n,
        sha256=head,
        config=config,
        until_ms=until_ms,
        carry=_decode_carry(carry),
        journal_after=journal_after,
        forked=bool(forked),
    )


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few ranges as they fit in, rising."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _encode_carry(carry: Standing) -> bytes:
    return cbor.encode(carry.to_value())


def _decode_carry(encoded: bytes) -> Standing:
    return Standing.from_value(cbor.decode(encoded, at_most=CARRY_LIMIT)) if encoded else BEGINNING
