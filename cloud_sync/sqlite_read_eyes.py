"""What the SQLite store answers of zones, pictures and certificates; each function reads one stream."""

import sqlite3
from typing import Final

from cloud_sync.derive import WINDOW_LIMIT_MS
from cloud_sync.packing import unpack
from cloud_sync.sqlite_eyes import SEPARATOR
from cloud_sync.stock import STANDS_LIMIT, Stand
from cloud_sync.store import CrossingRow, PictureRow, Pictures
from evidence.bodies import Acceptance, Direction, PictureKind, Verdict


def read_crossings(db: sqlite3.Connection, stream: int, from_ms: int, to_ms: int) -> tuple[CrossingRow, ...]:
    """See Store.crossings."""
    rows = db.execute(
        "SELECT at_ms, direction, label, confidence_permille, seen, looked, uncertain FROM crossing"
        " WHERE stream = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, seq, place",
        (stream, from_ms, to_ms),
    )
    return tuple(
        CrossingRow(
            at_ms=at_ms,
            direction=Direction(way),
            label=label,
            confidence_permille=confidence,
            sources=tuple(seen.split(SEPARATOR)) if looked else (),
            looked=looked,
            uncertain=uncertain,
        )
        for at_ms, way, label, confidence, seen, looked, uncertain in rows
    )


def read_stock(db: sqlite3.Connection, stream: int, from_ms: int, to_ms: int) -> list[Stand]:
    """See Store.stock. No window is longer than WINDOW_LIMIT_MS, so none that begins earlier reaches in."""
    rows = db.execute(_STANDS, (stream, from_ms - WINDOW_LIMIT_MS, to_ms, from_ms, STANDS_LIMIT))
    return [Stand(start, end, Verdict(verdict), items, unsure) for start, end, verdict, items, unsure in rows]


_STANDS: Final = (
    "SELECT from_ms, to_ms, verdict, count, uncertain FROM stock"
    " WHERE stream = ? AND from_ms >= ? AND from_ms < ? AND to_ms > ? ORDER BY from_ms DESC, seq DESC LIMIT ?"
)


def read_last_stock(db: sqlite3.Connection, stream: int, before_ms: int) -> bytes | None:
    """See Store.last_stock."""
    return _statement(
        db,
        "SELECT seq FROM stock WHERE stream = ? AND from_ms < ? ORDER BY from_ms DESC, seq DESC LIMIT 1",
        (stream, before_ms),
    )


def read_pictures(db: sqlite3.Connection, stream: int, from_ms: int, to_ms: int, at_most: int) -> Pictures:
    """See Store.pictures. Of a picture that was told twice, the statement that has its bytes."""
    rows = db.execute(_PICTURES, (stream, from_ms, to_ms, at_most))
    newest = tuple(
        PictureRow(
            from_ms=start_ms,
            to_ms=end_ms,
            what=PictureKind(what),
            media_type=media_type,
            width=width,
            height=height,
            length=length,
            sha256=digest,
            marks=marks,
            is_here=bool(here),
        )
        for start_ms, end_ms, what, media_type, width, height, length, digest, marks, here in rows
    )
    count, here = db.execute(_COUNTED, (stream, from_ms, to_ms)).fetchone()
    return Pictures(newest=newest, count=count, here=here)


_PICTURES: Final = (
    "SELECT from_ms, to_ms, what, media_type, width, height, length, sha256, marks, max(here) FROM picture"
    " WHERE stream = ? AND to_ms >= ? AND to_ms < ? GROUP BY sha256, from_ms ORDER BY from_ms DESC, sha256 LIMIT ?"
)
_COUNTED: Final = (
    "SELECT count(*), coalesce(sum(here), 0) FROM (SELECT max(here) AS here FROM picture"
    " WHERE stream = ? AND to_ms >= ? AND to_ms < ? GROUP BY sha256, from_ms)"
)


def read_picture(db: sqlite3.Connection, stream: int, digest: bytes) -> bytes | None:
    """See Store.picture."""
    return _statement(
        db, "SELECT seq FROM picture WHERE stream = ? AND sha256 = ? AND here ORDER BY seq LIMIT 1", (stream, digest)
    )


def read_certificate(db: sqlite3.Connection, stream: int, before_ms: int) -> Acceptance | None:
    """See Store.certificate."""
    row = db.execute(
        "SELECT at_ms, frames, by_person, by_machine, exact, error_permille, limit_permille, passed, detector,"
        " detector_sha256, pictures_sha256 FROM certificate WHERE stream = ? AND at_ms < ?"
        " ORDER BY at_ms DESC, n DESC, seq DESC LIMIT 1",
        (stream, before_ms),
    ).fetchone()
    if row is None:
        return None
    at_ms, frames, by_person, by_machine, exact, error, limit, passed, detector, digest, pictures = row
    return Acceptance(
        at_ms=at_ms,
        frames=frames,
        by_person=by_person,
        by_machine=by_machine,
        exact=exact,
        error_permille=error,
        limit_permille=limit,
        passed=bool(passed),
        detector=detector,
        detector_sha256=digest,
        pictures_sha256=pictures,
    )


def _statement(db: sqlite3.Connection, question: str, which: tuple[object, ...]) -> bytes | None:
    row = db.execute(question, which).fetchone()
    found = row and db.execute("SELECT body FROM statement WHERE seq = ?", row).fetchone()
    return unpack(found[0]) if found else None
