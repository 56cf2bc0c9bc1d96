"""What the SQLite store answers: receipts, the feed, the page. It writes nothing.

Each answer is of one moment: the receipts after a commit name at least what that commit wrote.
"""

import heapq
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from cloud_sync.derive import SUMMED, Span
from cloud_sync.levels import Measure, Width
from cloud_sync.packing import unpack
from cloud_sync.sqlite_open import Connections
from cloud_sync.sqlite_read_events import count_events, read_alarms, read_events, read_levels
from cloud_sync.sqlite_read_eyes import (
    read_certificate,
    read_crossings,
    read_last_stock,
    read_picture,
    read_pictures,
    read_stock,
)
from cloud_sync.stock import Stand, joined
from cloud_sync.store import (
    Bank,
    Commit,
    CrossingRow,
    GapRow,
    Grant,
    Measured,
    Pictures,
    Quarantined,
    Shown,
    Stream,
    Told,
)
from evidence.bodies import Acceptance, Event, GapReason, Kind
from evidence.chain import SEGMENTS_LIMIT, Segment
from evidence.keys import PublicKey
from evidence.receipt import REFUSALS_LIMIT, Refusal, StreamReceipt
from evidence.roster import Enrolled


class SqliteReads:
    """The reading half of a Store."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def roster(self) -> tuple[Enrolled, ...]:
        """See Store."""
        with self._connections.reading() as db:
            rows = db.execute("SELECT box, enterprise, site, key, since_ms FROM enrolled ORDER BY box, since_ms, key")
            return tuple(
                Enrolled(box=box, enterprise=firm, site=site, key=PublicKey.from_cose_key(key), since_ms=since_ms)
                for box, firm, site, key, since_ms in rows
            )

    def held(self, box: str, streams: Collection[str] | None = None) -> tuple[StreamReceipt, ...]:
        """See Store."""
        with self._connections.reading() as db:
            known = dict(db.execute("SELECT stream, id FROM stream WHERE box = ? ORDER BY stream", (box,)).fetchall())
            return tuple(
                StreamReceipt(stream=name, segments=segments)
                for name, stream in known.items()
                if (streams is None or name in streams) and (segments := _named_segments(db, stream))
            )

    def refusals(self, box: str) -> tuple[Refusal, ...]:
        """See Store."""
        with self._connections.reading() as db:
            rows = db.execute(
                "SELECT sha256, reason FROM quarantine WHERE box = ? AND for_good"
                " ORDER BY last_ms DESC, id DESC LIMIT ?",
                (box, REFUSALS_LIMIT),
            )
            return tuple(Refusal(sha256=digest, reason=reason) for digest, reason in rows)

    def banks(self) -> tuple[Bank, ...]:
        """See Store."""
        with self._connections.reading() as db:
            rows = db.execute("SELECT bank, key, added_ms FROM bank ORDER BY bank")
            return tuple(Bank(bank=b, key=PublicKey.from_cose_key(key), added_ms=ms) for b, key, ms in rows)

    def grants(self, bank: str | None = None) -> tuple[Grant, ...]:
        """See Store."""
        with self._connections.reading() as db:
            rows = db.execute(
                "SELECT id, bank, box, pattern, from_ms, granted_ms FROM feed_grant"
                " WHERE revoked_ms IS NULL AND (?1 IS NULL OR bank = ?1) ORDER BY id",
                (bank,),
            )
            names = ("id", "bank", "box", "pattern", "from_ms", "granted_ms")
            return tuple(Grant(**dict(zip(names, row, strict=True))) for row in rows)

    def commits(
        self, shown: Mapping[int, Shown], *, after: int, up_to: int, at_most: int, at_most_bytes: int
    ) -> tuple[Commit, ...]:
        """See Store. Streams are merged lazily, so a page costs what it holds, not what is granted."""
        with self._connections.reading() as db:
            merged = heapq.merge(*(_seqs(db, stream, how, after, up_to) for stream, how in shown.items()))
            commits: list[Commit] = []
            size = 0
            for seq in merged:
                encoded = unpack(db.execute("SELECT body FROM statement WHERE seq = ?", (seq,)).fetchone()[0])
                size += len(encoded)
                if commits and size > at_most_bytes:
                    break
                commits.append(Commit(seq=seq, encoded=encoded))
                if len(commits) == at_most:
                    break
            return tuple(commits)

    def last_commit(self) -> int:
        """See Store."""
        with self._connections.reading() as db:
            return int(db.execute("SELECT coalesce(max(seq), 0) FROM statement").fetchone()[0])

    def hash_of_commit(self, seq: int) -> bytes | None:
        """See Store."""
        with self._connections.reading() as db:
            row = db.execute("SELECT sha256 FROM statement WHERE seq = ?", (seq,)).fetchone()
            return bytes(row[0]) if row else None

    def names(self) -> tuple[tuple[int, str, str], ...]:
        """See Store."""
        with self._connections.reading() as db:
            return tuple(db.execute("SELECT id, box, stream FROM stream ORDER BY id"))

    def streams(self, box: str | None = None) -> tuple[Stream, ...]:
        """See Store."""
        with self._connections.reading() as db:
            rows = db.execute(_STREAMS, (box,)).fetchall()
            return tuple(_stream(db, row) for row in rows)

    def newest(self, stream: int, kind: Kind | None = None) -> bytes | None:
        """See Store."""
        of_kind = "" if kind is None else f"AND kind = {int(kind)} AND kind >= 16"
        with self._connections.reading() as db:
            row = db.execute(
                f"SELECT body FROM statement WHERE stream = ? {of_kind} ORDER BY n DESC, seq DESC LIMIT 1",  # noqa: S608 - an enum's number
                (stream,),
            ).fetchone()
            return unpack(row[0]) if row else None

    def spans(self, streams: Collection[int], from_ms: int, to_ms: int) -> Mapping[int, Sequence[Span]]:
        """See Store."""
        with self._connections.reading() as db:
            return {stream: db.execute(_SPANS, (stream, to_ms, from_ms)).fetchall() for stream in streams}

    def hours(self, stream: int, from_ms: int, to_ms: int) -> Mapping[int, Mapping[str, int]]:
        """See Store."""
        return self._summed("hour", stream, from_ms, to_ms)

    def days(self, stream: int, from_ms: int, to_ms: int) -> Mapping[int, Mapping[str, int]]:
        """See Store."""
        return self._summed("day", stream, from_ms, to_ms)

    def crossings(self, stream: int, from_ms: int, to_ms: int) -> tuple[CrossingRow, ...]:
        """See Store."""
        with self._connections.reading() as db:
            return read_crossings(db, stream, from_ms, to_ms)

    def stock(self, stream: int, from_ms: int, to_ms: int) -> tuple[Stand, ...]:
        """See Store."""
        with self._connections.reading() as db:
            return joined(read_stock(db, stream, from_ms, to_ms))

    def last_stock(self, stream: int, before_ms: int) -> bytes | None:
        """See Store."""
        with self._connections.reading() as db:
            return read_last_stock(db, stream, before_ms)

    def pictures(self, stream: int, from_ms: int, to_ms: int, at_most: int) -> Pictures:
        """See Store."""
        with self._connections.reading() as db:
            return read_pictures(db, stream, from_ms, to_ms, at_most)

    def picture(self, stream: int, digest: bytes) -> bytes | None:
        """See Store."""
        with self._connections.reading() as db:
            return read_picture(db, stream, digest)

    def certificate(self, stream: int, before_ms: int) -> Acceptance | None:
        """See Store."""
        with self._connections.reading() as db:
            return read_certificate(db, stream, before_ms)

    def gaps(self, stream: int, at_most: int = 1000) -> tuple[GapRow, ...]:
        """See Store."""
        with self._connections.reading() as db:
            rows = db.execute(
                "SELECT n, from_ms, to_ms, reason, lost FROM gap WHERE stream = ? ORDER BY from_ms DESC LIMIT ?",
                (stream, at_most),
            ).fetchall()
            return tuple(
                GapRow(n=n, from_ms=from_ms, to_ms=to_ms, reason=GapReason(reason), lost=lost)
                for n, from_ms, to_ms, reason, lost in reversed(rows)
            )

    def alarms(self, streams: Collection[int], at_most: int) -> Mapping[int, tuple[Event, ...]]:
        """See Store."""
        with self._connections.reading() as db:
            return {stream: read_alarms(db, stream, at_most) for stream in streams}

    def event_counts(self, streams: Collection[int], from_ms: int, to_ms: int) -> Mapping[int, int]:
        """See Store."""
        with self._connections.reading() as db:
            return {stream: count_events(db, stream, from_ms, to_ms) for stream in streams}

    def events(self, stream: int, from_ms: int, to_ms: int, at_most: int) -> Told:
        """See Store."""
        with self._connections.reading() as db:
            return read_events(db, stream, from_ms, to_ms, at_most)

    def levels(
        self, streams: Collection[int], from_ms: int, to_ms: int, width: Width
    ) -> Mapping[int, Mapping[Measure, Measured]]:
        """See Store."""
        with self._connections.reading() as db:
            return {stream: read_levels(db, stream, from_ms, to_ms, width) for stream in streams}

    def quarantine(self, box: str | None = None) -> tuple[Quarantined, ...]:
        """See Store."""
        names = ("id", "box", "sha256", "reason", "for_good", "first_ms", "last_ms", "times", "length", "body")
        with self._connections.reading() as db:
            rows = db.execute(
                f"SELECT {', '.join(names)} FROM quarantine WHERE ?1 IS NULL OR box = ?1 ORDER BY id",  # noqa: S608 - our own names
                (box,),
            )
            return tuple(
                Quarantined(**(dict(zip(names, row, strict=True)) | {"for_good": bool(row[4])})) for row in rows
            )

    def close(self) -> None:
        """See Store."""
        self._connections.close()

    def _summed(self, table: str, stream: int, from_ms: int, to_ms: int) -> dict[int, dict[str, int]]:
        with self._connections.reading() as db:
            rows = db.execute(
                f"SELECT from_ms, {', '.join(SUMMED)} FROM {table}"  # noqa: S608 - our own names
                " WHERE stream = ? AND from_ms >= ? AND from_ms < ? ORDER BY from_ms",
                (stream, from_ms, to_ms),
            )
            return {start_ms: dict(zip(SUMMED, sums, strict=True)) for start_ms, *sums in rows}


_STREAMS: Final = """
SELECT id, box, stream, simulated,
    (SELECT at_ms FROM statement WHERE stream = s.id ORDER BY n LIMIT 1),
    (SELECT received_ms FROM statement WHERE stream = s.id ORDER BY seq DESC LIMIT 1),
    (SELECT count(*) FROM gap WHERE stream = s.id),
    (SELECT count(*) FROM alarm WHERE stream = s.id)
FROM stream AS s WHERE ?1 IS NULL OR box = ?1 ORDER BY box, stream
"""

_SPANS: Final = (
    "SELECT from_ms, to_ms, state FROM run WHERE stream = ?1 AND from_ms < ?2 AND to_ms > ?3 AND from_ms >="
    " coalesce((SELECT max(from_ms) FROM run WHERE stream = ?1 AND from_ms <= ?3), 0) ORDER BY from_ms"
)

_NAMED: Final = "SELECT first, last, prev, sha256 FROM segment WHERE stream = ?"


def _named_segments(db: sqlite3.Connection, stream: int) -> tuple[Segment, ...]:
    """The longest from 0 first, then the newest, as many as a receipt holds."""
    segments = [Segment(*row) for row in db.execute(_NAMED, (stream,))]
    segments.sort(key=lambda s: (-s.last, s.first, s.sha256))
    root = next((s for s in segments if s.first == 0), None)
    rest = [s for s in segments if s is not root]
    return tuple(([root] if root else []) + rest)[:SEGMENTS_LIMIT]


def _stream(db: sqlite3.Connection, row: Sequence[object]) -> Stream:
    stream, box, name, simulated, first_ms, received_ms, gaps, alarms = row
    segments = [Segment(*found) for found in db.execute(_NAMED, (stream,))]
    forks = [n for (n,) in db.execute("SELECT n FROM fork WHERE stream = ? ORDER BY n", (stream,))]
    return Stream(
        id=int(str(stream)),
        box=str(box),
        stream=str(name),
        simulated=bool(simulated),
        segments=tuple(sorted(segments)),
        forks=tuple(forks),
        gaps=int(str(gaps)),
        alarms=int(str(alarms)),
        first_ms=int(str(first_ms or 0)),
        received_ms=int(str(received_ms or 0)),
    )


def _seqs(db: sqlite3.Connection, stream: int, how: Shown, after: int, up_to: int) -> Iterator[int]:
    """The seqs of one stream that are shown, rising, found one at a time."""
    rows = db.execute(_SHOWN, (stream, after, up_to, how.from_ms, how.until_ms, how.settings))
    return (int(seq) for (seq,) in rows)


_SHOWN: Final = """
SELECT seq FROM statement INDEXED BY statement_of_stream
WHERE stream = ?1 AND seq > ?2 AND seq <= ?3
    AND CASE WHEN kind IN (16, 17) THEN ?6
        ELSE coalesce(to_ms, at_ms) >= ?4 AND (?5 IS NULL OR coalesce(to_ms, at_ms) < ?5) END
ORDER BY seq
"""
