"""What the SQLite store answers of alarms, events and levels; each function reads one stream."""

import sqlite3
from typing import Final

from cloud_sync.levels import Measure, Width
from cloud_sync.store import Measured, Slot, Told
from evidence.bodies import Event, EventKind, Phase


def read_alarms(db: sqlite3.Connection, stream: int, at_most: int) -> tuple[Event, ...]:
    """See Store.alarms."""
    rows = db.execute(
        "SELECT since_ms, kind, 1, subject, value, reference, says FROM alarm WHERE stream = ?"
        " ORDER BY since_ms DESC, kind, subject LIMIT ?",
        (stream, at_most),
    )
    return tuple(_event(row) for row in rows)


def read_events(db: sqlite3.Connection, stream: int, from_ms: int, to_ms: int, at_most: int) -> Told:
    """See Store.events."""
    rows = db.execute(
        "SELECT at_ms, kind, phase, subject, value, reference, says FROM event"
        " WHERE stream = ? AND at_ms >= ? AND at_ms < ?"
        " ORDER BY at_ms DESC, n DESC, place DESC, seq DESC LIMIT ?",
        (stream, from_ms, to_ms, at_most),
    )
    newest = tuple(_event(row) for row in rows)
    if len(newest) < at_most:
        return Told(newest=newest, count=len(newest))
    return Told(newest=newest, count=count_events(db, stream, from_ms, to_ms))


def count_events(db: sqlite3.Connection, stream: int, from_ms: int, to_ms: int) -> int:
    """See Store.event_counts."""
    row = db.execute(
        "SELECT count(*) FROM event WHERE stream = ? AND at_ms >= ? AND at_ms < ?", (stream, from_ms, to_ms)
    ).fetchone()
    return int(row[0])


def read_levels(db: sqlite3.Connection, stream: int, from_ms: int, to_ms: int, width: Width) -> dict[Measure, Measured]:
    """See Store.levels."""
    found: dict[Measure, Measured] = {}
    measures = db.execute(
        "SELECT id, point, unit, decimals FROM measure WHERE stream = ? ORDER BY point, unit, decimals LIMIT ?",
        (stream, MEASURES_READ),
    ).fetchall()
    for measure, point, unit, decimals in measures:
        last = db.execute(
            "SELECT last_ms, last FROM level WHERE measure = ? AND width_ms = ? AND from_ms < ?"
            " ORDER BY from_ms DESC LIMIT 1",
            (measure, int(Width.QUARTER), to_ms),
        ).fetchone()
        if last is not None:
            slots = [Slot(*slot) for slot in db.execute(_SLOTS, (measure, int(width), from_ms, to_ms))]
            found[point, unit, decimals] = Measured(slots=slots, last_ms=last[0], last=last[1])
    return found


MEASURES_READ: Final = 1024
"""Of one stream, at most: twice what one statement can hold."""

_SLOTS: Final = (
    "SELECT from_ms, least, most FROM level WHERE measure = ? AND width_ms = ? AND from_ms >= ? AND from_ms < ?"
    " ORDER BY from_ms"
)


def _event(row: tuple[int, int, int, str, int | None, int | None, str]) -> Event:
    at_ms, kind, phase, subject, value, reference, says = row
    return Event(
        at_ms=at_ms,
        event=EventKind(kind),
        phase=Phase(phase),
        subject=subject,
        value=value,
        reference=reference,
        says=says,
    )
