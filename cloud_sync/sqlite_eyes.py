"""Writing what cameras told into SQLite, inside the caller's transaction; derive.py and stock.py have the rules."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from cloud_sync.stock import Stand
from evidence.bodies import Acceptance, Crossing, Picture

SEPARATOR: Final = "\n"
"""Between the names of sources: no printable text holds it."""


def write_crossings(
    db: sqlite3.Connection, stream: int, seq: int, sources: Sequence[str], crossings: Sequence[Crossing]
) -> None:
    """Add the crossings of one statement; `sources` are all that looked, in the order of their bits."""
    db.executemany(
        "INSERT INTO crossing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                stream,
                c.at_ms,
                seq,
                place,
                int(c.direction),
                c.label,
                c.confidence_permille,
                SEPARATOR.join(name for bit, name in enumerate(sources) if c.sources >> bit & 1),
                len(sources) if c.sources else 0,
                c.uncertain,
            )
            for place, c in enumerate(crossings)
        ],
    )


def write_stock(db: sqlite3.Connection, stream: int, seq: int, stands: Sequence[Stand]) -> None:
    """Add the stands of one statement."""
    db.executemany(
        "INSERT INTO stock VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (stream, stand.from_ms, seq, stand.to_ms, int(stand.verdict or 0), stand.items, stand.uncertain)
            for stand in stands
        ],
    )


def write_picture(db: sqlite3.Connection, stream: int, seq: int, picture: Picture) -> None:
    """Add a picture; its bytes stay in the statement."""
    db.execute(
        "INSERT INTO picture VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stream,
            picture.from_ms,
            seq,
            picture.to_ms,
            int(picture.what),
            picture.media_type,
            picture.width,
            picture.height,
            picture.length,
            picture.sha256,
            len(picture.marks),
            int(bool(picture.data)),
        ),
    )


def write_certificate(db: sqlite3.Connection, stream: int, seq: int, n: int, said: Acceptance) -> None:
    """Add a certificate."""
    db.execute(
        "INSERT INTO certificate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stream,
            said.at_ms,
            seq,
            n,
            said.frames,
            said.by_person,
            said.by_machine,
            said.exact,
            said.error_permille,
            said.limit_permille,
            int(said.passed),
            said.detector,
            said.detector_sha256,
            said.pictures_sha256,
        ),
    )
