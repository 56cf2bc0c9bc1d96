"""Writing the derived rows of one stream into SQLite; what they are is decided in derive.py.

Everything here runs inside the caller's transaction: a statement and what follows from it are kept together or not
at all.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloud_sync.derive import (
    HOUR_MS,
    SUMMED,
    Facts,
    Span,
    Sums,
    added_and_gone,
    days_of,
    fork_begins,
    paint,
    sums_of,
)
from cloud_sync.levels import Levels, join
from cloud_sync.sqlite_events import clear_levels, write_events, write_levels
from cloud_sync.sqlite_eyes import write_certificate, write_crossings, write_picture, write_stock
from cloud_sync.stock import Stand
from evidence.bodies import Acceptance, Crossing, Event, Gap, Picture

DERIVED: Final = (
    *("run", "hour", "day", "crossing", "stock", "picture", "certificate"),
    *("event", "alarm", "gap", "fork", "segment"),
)
"""With the stream in each row; measure and level are beside them."""

APART_MS: Final = HOUR_MS
"""New spans further apart than this are painted one group at a time, so that what lies between is not read."""


@dataclass(slots=True)
class StreamFacts:
    """What the new statements of one stream, in one transaction, add to its derived rows."""

    spans: list[Span] = field(default_factory=list)
    crossings: list[tuple[int, Sequence[str], Sequence[Crossing]]] = field(default_factory=list)
    """(seq, sources, crossings)."""
    stands: list[tuple[int, Sequence[Stand]]] = field(default_factory=list)
    """(seq, stands)."""
    pictures: list[tuple[int, Picture]] = field(default_factory=list)
    """(seq, picture)."""
    certificates: list[tuple[int, int, Acceptance]] = field(default_factory=list)
    """(seq, n, certificate)."""
    gaps: list[tuple[int, int, Gap]] = field(default_factory=list)
    """(seq, n, gap)."""
    events: list[tuple[int, int, Sequence[Event]]] = field(default_factory=list)
    """(seq, n, events)."""
    levels: Levels = field(default_factory=dict)

    def add(self, seq: int, n: int, facts: Facts) -> None:
        """What statement n, stored as seq, says."""
        self.spans += facts.spans
        if facts.crossings:
            self.crossings.append((seq, facts.sources, facts.crossings))
        if facts.stands:
            self.stands.append((seq, facts.stands))
        if facts.picture is not None:
            self.pictures.append((seq, facts.picture))
        if facts.certificate is not None:
            self.certificates.append((seq, n, facts.certificate))
        if facts.gap is not None:
            self.gaps.append((seq, n, facts.gap))
        if facts.events:
            self.events.append((seq, n, facts.events))
        for place, level in facts.levels.items():
            join(self.levels, place, level)


def write_facts(db: sqlite3.Connection, stream: int, facts: StreamFacts, *, twice_contests: bool) -> None:
    """Add them to the derived rows."""
    sums: Sums = {}
    for group in _groups(facts.spans):
        _paint(db, stream, group, sums, twice_contests=twice_contests)
    for seq, sources, crossings in facts.crossings:
        write_crossings(db, stream, seq, sources, crossings)
        _add(sums, sums_of((), (), crossings))
    for seq, stands in facts.stands:
        write_stock(db, stream, seq, stands)
    for seq, picture in facts.pictures:
        write_picture(db, stream, seq, picture)
    for seq, n, certificate in facts.certificates:
        write_certificate(db, stream, seq, n, certificate)
    for seq, n, gap in facts.gaps:
        db.execute(
            "INSERT INTO gap VALUES (?, ?, ?, ?, ?, ?, ?)",
            (stream, gap.from_ms, gap.to_ms, seq, n, int(gap.reason), gap.lost),
        )
    if facts.events:
        write_events(db, stream, facts.events)
    if facts.levels:
        write_levels(db, stream, facts.levels)
    if sums:
        db.executemany(_ADD_TO_HOUR, [(stream, from_ms, *row) for from_ms, row in sums.items()])
        db.executemany(_ADD_TO_DAY, [(stream, from_ms, *row) for from_ms, row in days_of(sums).items()])


def note_fork(db: sqlite3.Connection, stream: int, n: int) -> None:
    """After a fork came to light at statement n: set right where a second history begins, at n and beside it."""

    def known(m: int) -> int:
        row = db.execute(
            "SELECT count(*) FROM (SELECT sha256 FROM statement WHERE stream = ?1 AND n = ?2"
            " UNION SELECT prev FROM statement WHERE stream = ?1 AND n = ?2 + 1)",
            (stream, m),
        ).fetchone()
        return int(row[0])

    for m in range(max(0, n - 1), n + 2):
        if fork_begins(m, known):
            db.execute("INSERT OR IGNORE INTO fork VALUES (?, ?)", (stream, m))
        else:
            db.execute("DELETE FROM fork WHERE stream = ? AND n = ?", (stream, m))


def find_forks(db: sqlite3.Connection, stream: int) -> None:
    """Write all forks of a stream that has no fork rows."""
    doubled = {
        int(n)
        for (n,) in db.execute(
            "SELECT n FROM (SELECT n, sha256 FROM statement WHERE stream = ?1"
            " UNION SELECT n - 1, prev FROM statement WHERE stream = ?1 AND n > 0) GROUP BY n HAVING count(*) > 1",
            (stream,),
        )
    }
    db.executemany("INSERT INTO fork VALUES (?, ?)", [(stream, n) for n in sorted(doubled) if n - 1 not in doubled])


def clear(db: sqlite3.Connection, stream: int) -> None:
    """Delete all derived rows of a stream."""
    clear_levels(db, stream)
    for table in DERIVED:
        db.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))  # noqa: S608 - one of DERIVED


def _paint(db: sqlite3.Connection, stream: int, new: list[Span], sums: Sums, *, twice_contests: bool) -> None:
    from_ms, to_ms = new[0][0], max(span[1] for span in new)
    held: list[Span] = db.execute(_HELD, (stream, to_ms, from_ms)).fetchall()
    added, gone = added_and_gone(held, paint(held, new, twice_contests=twice_contests))
    beginnings = {span[0] for span in added}
    for span in gone:
        if span[0] not in beginnings:
            db.execute("DELETE FROM run WHERE stream = ? AND from_ms = ?", (stream, span[0]))
    for span in added:
        db.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)", (stream, *span))
    _add(sums, sums_of(added, gone, ()))


def _groups(spans: Iterable[Span]) -> Iterable[list[Span]]:
    """The spans in time order, cut where there is nothing for APART_MS."""
    group: list[Span] = []
    reached_ms = 0
    for span in sorted(spans):
        if group and span[0] > reached_ms + APART_MS:
            yield group
            group = []
        group.append(span)
        reached_ms = max(reached_ms, span[1]) if len(group) > 1 else span[1]
    if group:
        yield group


def _add(sums: Sums, more: Sums) -> None:
    for from_ms, row in more.items():
        if (there := sums.get(from_ms)) is None:
            sums[from_ms] = row
        else:
            sums[from_ms] = [a + b for a, b in zip(there, row, strict=True)]


# The rows that touch the window: those that begin in it or at its end, and the last that begins before it.
_HELD: Final = (
    "SELECT from_ms, to_ms, state FROM run WHERE stream = ?1 AND from_ms <= ?2 AND from_ms >="
    " coalesce((SELECT max(from_ms) FROM run WHERE stream = ?1 AND from_ms < ?3), 0) ORDER BY from_ms"
)


def _adding(table: str) -> str:
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMMED)
    holes = ", ".join("?" * (2 + len(SUMMED)))
    return f"INSERT INTO {table} VALUES ({holes}) ON CONFLICT DO UPDATE SET {sums}"  # noqa: S608 - our own names


_ADD_TO_HOUR: Final = _adding("hour")
_ADD_TO_DAY: Final = _adding("day")
