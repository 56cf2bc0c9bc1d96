"""Writing the events and levels of one stream into SQLite, inside the caller's transaction; derive.py has the rules."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from cloud_sync.levels import Levels, Measure
from evidence.bodies import Event, EventKind, Phase


def write_events(db: sqlite3.Connection, stream: int, told: Sequence[tuple[int, int, Sequence[Event]]]) -> None:
    """Add events, (seq, n, events) of each statement, and set right what is raised because of them."""
    db.executemany(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (stream, e.at_ms, n, place, seq, int(e.event), int(e.phase), e.subject, e.value, e.reference, e.says)
            for seq, n, events in told
            for place, e in enumerate(events)
        ),
    )
    changed = {(e.event, e.subject) for _, _, events in told for e in events if e.phase is not Phase.NOTED}
    for kind, subject in sorted(changed):
        _set_right(db, stream, kind, subject)


def write_levels(db: sqlite3.Connection, stream: int, levels: Levels) -> None:
    """Join levels to what is held."""
    ids = _measure_ids(db, stream, {measure for measure, _, _ in levels})
    rows = [(ids[measure], int(width), from_ms, *level) for (measure, width, from_ms), level in levels.items()]
    db.executemany(_JOIN_LEVEL, rows)


def clear_levels(db: sqlite3.Connection, stream: int) -> None:
    """Delete all of a stream's."""
    db.execute("DELETE FROM level WHERE measure IN (SELECT id FROM measure WHERE stream = ?)", (stream,))
    db.execute("DELETE FROM measure WHERE stream = ?", (stream,))


def _set_right(db: sqlite3.Connection, stream: int, kind: EventKind, subject: str) -> None:
    """Whether this subject is raised follows from its events alone, in whatever order they came."""
    db.execute("DELETE FROM alarm WHERE stream = ? AND kind = ? AND subject = ?", (stream, int(kind), subject))
    which = (stream, int(kind), subject)
    cleared = db.execute(f"SELECT n, place {_OF_SUBJECT} AND phase = 2 {_LAST}", which).fetchone() or (-1, -1)
    raised, where = f"{_OF_SUBJECT} AND phase = 1 AND (n, place) >= (?4, ?5)", (*which, *cleared)
    first = db.execute(f"SELECT at_ms {raised} ORDER BY n, place, at_ms LIMIT 1", where).fetchone()
    if first is not None:
        last = db.execute(f"SELECT value, reference, says {raised} {_LAST}", where).fetchone()
        db.execute("INSERT INTO alarm VALUES (?, ?, ?, ?, ?, ?, ?)", (*which, *first, *last))


# Of two statements with one n that say different things, the greater: it must not matter which came first.
_OF_SUBJECT: Final = "FROM event WHERE stream = ?1 AND kind = ?2 AND subject = ?3"
_LAST: Final = "ORDER BY n DESC, place DESC, at_ms DESC, value DESC, reference DESC, says DESC LIMIT 1"

_JOIN_LEVEL: Final = (
    "INSERT INTO level VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " least = min(least, excluded.least), most = max(most, excluded.most),"
    " last = CASE WHEN (excluded.last_ms, excluded.last) > (last_ms, last) THEN excluded.last ELSE last END,"
    " last_ms = max(last_ms, excluded.last_ms)"
)


def _measure_ids(db: sqlite3.Connection, stream: int, measures: Iterable[Measure]) -> dict[Measure, int]:
    rows = db.execute("SELECT point, unit, decimals, id FROM measure WHERE stream = ?", (stream,))
    ids: dict[Measure, int] = {(point, unit, decimals): id_ for point, unit, decimals, id_ in rows}
    for measure in measures:
        if measure not in ids:
            made = db.execute(
                "INSERT INTO measure (stream, point, unit, decimals) VALUES (?, ?, ?, ?)", (stream, *measure)
            )
            ids[measure] = int(made.lastrowid or 0)
    return ids
