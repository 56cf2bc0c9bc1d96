"""The store on SQLite: for one machine, which carries thousands of boxes (bench/receiver.py).

If the file is lost, boxes that keep their receipted pages cannot know it: restore a backup, or what was receipted is
gone here (banks hold copies). Whoever can write the file can hide pages from the feed and the page, and cannot make
any: signatures and chains are checked by the bank.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cloud_sync.accept import Accepted, Refused, Room, accept, link_of, sentence
from cloud_sync.derive import Facts, facts_of, watches_levels
from cloud_sync.packing import Packer, unpack
from cloud_sync.sqlite_derived import StreamFacts, clear, find_forks, note_fork, write_facts
from cloud_sync.sqlite_open import Connections
from cloud_sync.sqlite_reads import SqliteReads
from cloud_sync.store import (
    QUARANTINE_BODY_LIMIT,
    QUARANTINE_PER_BOX,
    Bank,
    Grant,
    Quarantined,
    Rebuilt,
    StoreError,
    Verdict,
)
from evidence.bodies import Crossings, Events, Gap, Picture, Readings, Stock
from evidence.chain import Held, Outcome, Segment, Segments
from evidence.errors import RefusedError
from evidence.keys import PublicKey
from evidence.roster import Enrolled
from evidence.statement import ClockQuality, Statement, open_statement

STREAMS_CACHED: Final = 50_000
"""Streams whose segments are kept in memory, at most: some 400 bytes each."""
REBUILD_CHUNK: Final = 1000
"""Statements derived from at a time while rebuilding."""


@dataclass(slots=True)
class _Place:
    """Where a stream stands, in memory: what the database said, and what this transaction adds."""

    id: int
    segments: Segments
    tip: int
    """The highest n held; -1 when nothing is."""
    tip_sha256: bytes
    """Of a statement with that n."""
    count: int
    """Segments."""
    simulated: bool
    gate: bool
    sensor: bool
    facts: StreamFacts = field(default_factory=StreamFacts)
    gone: set[Segment] = field(default_factory=set)
    new: set[Segment] = field(default_factory=set)

    def join(self, statement: Statement) -> None:
        """Put an accepted statement into its segments."""
        gone, new = self.segments.add(link_of(statement))
        for segment in gone:
            if segment in self.new:
                self.new.remove(segment)
            else:
                self.gone.add(segment)
        self.new.add(new)
        self.count += 1 - len(gone)
        if statement.n > self.tip:
            self.tip, self.tip_sha256 = statement.n, statement.sha256


class SqliteStore(SqliteReads):
    """A Store in one SQLite file."""

    def __init__(self, path: Path) -> None:
        super().__init__(Connections(path))
        self._packer = Packer()
        self._places: dict[tuple[str, str], _Place] = {}
        self._version = -1

    def enrol(self, enrolled: Enrolled) -> bool:
        """See Store."""
        with self._connections.writing() as db:
            done = db.execute(
                "INSERT OR IGNORE INTO enrolled VALUES (?, ?, ?, ?, ?)",
                (enrolled.box, enrolled.enterprise, enrolled.site, enrolled.key.to_cose_key(), enrolled.since_ms),
            )
            return done.rowcount > 0

    def take(
        self, statements: Sequence[Statement], refused: Sequence[Quarantined] = (), *, received_ms: int
    ) -> tuple[Verdict, ...]:
        """See Store."""
        try:
            with self._connections.writing() as db:
                self._forget_if_changed(db)
                touched: dict[int, _Place] = {}
                verdicts = tuple(self._take_one(db, s, touched, received_ms) for s in statements)
                for place in touched.values():
                    _flush(db, place)
                for verdict, statement in zip(verdicts, statements, strict=True):
                    if isinstance(verdict, Refused):
                        _quarantine(db, _refused_by_accept(verdict, statement, received_ms))
                for piece in refused:
                    _quarantine(db, piece)
                # Power fails here: nothing of this batch is held, nothing was acknowledged, and the boxes send again.
        except BaseException:
            self._places.clear()  # memory is ahead of the database now: read again
            raise
        # Power fails here: all of it is held, unacknowledged; the boxes send again and it is Repeated.
        return verdicts

    def add_bank(self, bank: Bank) -> None:
        """See Store."""
        with self._connections.writing() as db:
            db.execute(
                "INSERT INTO bank VALUES (?, ?, ?) ON CONFLICT (bank) DO UPDATE SET key = excluded.key",
                (bank.bank, bank.key.to_cose_key(), bank.added_ms),
            )

    def grant(self, *, bank: str, box: str, pattern: str, from_ms: int, at_ms: int) -> Grant:
        """See Store."""
        with self._connections.writing() as db:
            row = db.execute(
                "SELECT id, granted_ms FROM feed_grant"
                " WHERE bank = ? AND box = ? AND pattern = ? AND from_ms = ? AND revoked_ms IS NULL",
                (bank, box, pattern, from_ms),
            ).fetchone()
            if row is None:
                done = db.execute(
                    "INSERT INTO feed_grant (bank, box, pattern, from_ms, granted_ms) VALUES (?, ?, ?, ?, ?)",
                    (bank, box, pattern, from_ms, at_ms),
                )
                row = (done.lastrowid, at_ms)
            return Grant(id=row[0], bank=bank, box=box, pattern=pattern, from_ms=from_ms, granted_ms=row[1])

    def revoke(self, *, bank: str, box: str, pattern: str, at_ms: int) -> int:
        """See Store."""
        with self._connections.writing() as db:
            done = db.execute(
                "UPDATE feed_grant SET revoked_ms = ?"
                " WHERE bank = ? AND box = ? AND pattern = ? AND revoked_ms IS NULL",
                (at_ms, bank, box, pattern),
            )
            return done.rowcount

    def rebuild(self, stream: int) -> Rebuilt:
        """See Store. Other streams go on being written before and after, not during."""
        try:
            with self._connections.writing() as db:
                return _rebuild(db, stream)
                # Power fails in here: the transaction is undone, and the rows are as before.
        finally:
            self._places.clear()

    def _take_one(
        self, db: sqlite3.Connection, statement: Statement, touched: dict[int, _Place], received_ms: int
    ) -> Verdict:
        place = self._place(db, statement.box, statement.stream)
        if statement.n == place.tip + 1 and statement.prev == place.tip_sha256:
            verdict: Verdict = Accepted(statement=statement, outcome=Outcome.NEXT)  # what accept() says, without asking
        else:
            room = Room(segments=place.count, streams=_streams_of(db, statement.box) if place.tip < 0 else 0)
            verdict = accept(statement, _held(db, place.id, statement.n), room)
        if not isinstance(verdict, Accepted):
            return verdict
        seq = _insert(db, place.id, statement, self._packer.pack(statement.encoded), received_ms)
        if verdict.outcome is Outcome.FORK:
            note_fork(db, place.id, statement.n)
        place.facts.add(seq, statement.n, _facts(statement, place, received_ms))
        place.join(statement)
        if statement.moment.clock is ClockQuality.SIMULATED and not place.simulated:
            db.execute("UPDATE stream SET simulated = 1 WHERE id = ?", (place.id,))
            place.simulated = True
        touched[place.id] = place
        return verdict

    def _place(self, db: sqlite3.Connection, box: str, stream: str) -> _Place:
        place = self._places.get((box, stream))
        if place is None:
            if len(self._places) >= STREAMS_CACHED:
                del self._places[next(iter(self._places))]
            place = self._places[box, stream] = _read_place(db, box, stream)
        return place

    def _forget_if_changed(self, db: sqlite3.Connection) -> None:
        """What another process committed is not in memory (sqlite.org/pragma.html#pragma_data_version)."""
        version = db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._places.clear()
            self._version = version


def _facts(statement: Statement, place: _Place, received_ms: int) -> Facts:
    return facts_of(statement.body, received_ms=received_ms, is_sensor=place.sensor)


def _insert(db: sqlite3.Connection, stream: int, statement: Statement, packed: bytes, received_ms: int) -> int:
    row = db.execute(
        "INSERT INTO statement (stream, n, sha256, prev, kind, from_ms, to_ms, at_ms, received_ms, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (stream, *_columns(statement), received_ms, packed),
    ).lastrowid
    return int(row or 0)


def _columns(statement: Statement) -> tuple[int, bytes, bytes, int, int | None, int | None, int]:
    """What of a statement stands beside its bytes: n, sha256, prev, kind, from_ms, to_ms, at_ms."""
    body = statement.body
    window = (body.from_ms, body.to_ms) if isinstance(body, _WINDOWS) else (None, None)
    return (statement.n, statement.sha256, statement.prev, int(body.kind), *window, statement.moment.at_ms)


_WINDOWS: Final = (Readings, Crossings, Stock, Events, Picture, Gap)
"""Bodies that speak of a time."""


def _flush(db: sqlite3.Connection, place: _Place) -> None:
    """Write what a transaction added to one stream: segments and derived rows."""
    db.executemany(
        "DELETE FROM segment WHERE stream = ? AND sha256 = ?", [(place.id, segment.sha256) for segment in place.gone]
    )
    db.executemany(
        "INSERT INTO segment VALUES (?, ?, ?, ?, ?)",
        [(place.id, s.first, s.last, s.prev, s.sha256) for s in place.new],
    )
    write_facts(db, place.id, place.facts, twice_contests=place.gate)
    place.gone, place.new, place.facts = set(), set(), StreamFacts()


def _read_place(db: sqlite3.Connection, box: str, stream: str) -> _Place:
    row = db.execute("SELECT id, simulated FROM stream WHERE box = ? AND stream = ?", (box, stream)).fetchone()
    if row is None:
        made = db.execute("INSERT INTO stream (box, stream) VALUES (?, ?)", (box, stream)).lastrowid
        return _fresh(int(made or 0), stream)
    rows = db.execute("SELECT first, last, prev, sha256 FROM segment WHERE stream = ?", (row[0],))
    segments = [Segment(*segment) for segment in rows]
    place = _fresh(row[0], stream, simulated=bool(row[1]))
    if segments:
        tip = max(segments, key=lambda s: s.last)
        place.segments, place.count = Segments.of(segments), len(segments)
        place.tip, place.tip_sha256 = tip.last, tip.sha256
    return place


def _fresh(stream: int, name: str, *, simulated: bool = False) -> _Place:
    """The place of a stream of which nothing is held. Statement 0 names no hash, and the tip has none yet."""
    return _Place(
        id=stream,
        segments=Segments(),
        tip=-1,
        tip_sha256=_NO_TIP,
        count=0,
        simulated=simulated,
        gate=name.startswith("gate/"),
        sensor=watches_levels(name),
    )


_NO_TIP: Final = b"nothing is held"
"""No statement's prev, so that a stream's first statement is looked at by accept()."""


def _held(db: sqlite3.Connection, stream: int, n: int) -> Held:
    at, before, after = set(), set(), set()
    rows = db.execute(
        "SELECT n, sha256, prev FROM statement WHERE stream = ? AND n BETWEEN ? AND ?", (stream, n - 1, n + 1)
    )
    for m, digest, prev in rows:
        if m == n:
            at.add(digest)
        elif m < n:
            before.add(digest)
        else:
            after.add(prev)
    return Held(at=frozenset(at), before=frozenset(before), after=frozenset(after))


def _streams_of(db: sqlite3.Connection, box: str) -> int:
    return int(db.execute("SELECT count(*) FROM stream WHERE box = ?", (box,)).fetchone()[0])


def _refused_by_accept(verdict: Refused, statement: Statement, at_ms: int) -> Quarantined:
    return Quarantined(
        box=statement.box,
        sha256=statement.sha256,
        reason=verdict.reason,
        for_good=verdict.for_good,
        body=statement.encoded,
        length=len(statement.encoded),
        first_ms=at_ms,
        last_ms=at_ms,
    )


def _quarantine(db: sqlite3.Connection, piece: Quarantined) -> None:
    """Keep a refused piece once, count its returns, and let a box's oldest go beyond the limit."""
    db.execute(
        "INSERT INTO quarantine (box, sha256, reason, for_good, first_ms, last_ms, times, length, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (box, sha256) DO UPDATE SET"
        " reason = excluded.reason, for_good = excluded.for_good, last_ms = excluded.last_ms,"
        " times = times + excluded.times",
        (
            piece.box,
            piece.sha256,
            sentence(piece.reason),
            int(piece.for_good),
            piece.first_ms,
            piece.last_ms,
            piece.times,
            piece.length,
            piece.body[:QUARANTINE_BODY_LIMIT],
        ),
    )
    db.execute(
        "DELETE FROM quarantine WHERE box = ?1 AND id NOT IN"
        " (SELECT id FROM quarantine WHERE box = ?1 ORDER BY last_ms DESC, id DESC LIMIT ?2)",
        (piece.box, QUARANTINE_PER_BOX),
    )


def _rebuild(db: sqlite3.Connection, stream: int) -> Rebuilt:
    clear(db, stream)
    box, name = db.execute("SELECT box, stream FROM stream WHERE id = ?", (stream,)).fetchone()
    place, keys = _fresh(stream, name), _keys_of(db, box)
    broken: list[tuple[int, str]] = []
    count = last = 0
    while rows := db.execute(_CHUNK, (stream, last, REBUILD_CHUNK)).fetchall():
        for seq, received_ms, body, *columns in rows:
            try:
                statement = open_statement(unpack(body), keys.get)
            except (RefusedError, StoreError) as cause:
                broken.append((seq, str(cause)))
                continue
            if (statement.box, statement.stream) != (box, name) or tuple(columns) != _columns(statement):
                broken.append((seq, "the row does not say what its bytes say"))
                continue
            place.facts.add(seq, statement.n, _facts(statement, place, received_ms))
            place.join(statement)
        _flush(db, place)
        count, last = count + len(rows), rows[-1][0]
    find_forks(db, stream)
    return Rebuilt(statements=count, broken=tuple(broken))


_CHUNK: Final = (
    "SELECT seq, received_ms, body, n, sha256, prev, kind, from_ms, to_ms, at_ms"
    " FROM statement WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?"
)


def _keys_of(db: sqlite3.Connection, box: str) -> dict[bytes, PublicKey]:
    rows = db.execute("SELECT key FROM enrolled WHERE box = ?", (box,))
    return {key.kid: key for key in (PublicKey.from_cose_key(encoded) for (encoded,) in rows)}
