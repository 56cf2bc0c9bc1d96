"""What an eye writes into a notebook: looks at a zone, pictures, certificates."""

import random
import struct
import zlib
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from evidence.bodies import Acceptance, Direction, Event, EventKind, Events, Look, Mark, Phase, Picture, Stock, Verdict
from evidence.bodies.picture import PictureKind
from tests.world.notebook import Notebook

COUNTED, OCCLUDED, DISAGREED, BLIND = Verdict.COUNTED, Verdict.OCCLUDED, Verdict.DISAGREED, Verdict.BLIND
ZONE_SETTINGS: dict[str, Any] = {"title": "Yard"}
MINUTE_MS = 60_000


def looks(
    notebook: Notebook,
    stream: str,
    *said: tuple[Verdict, int | None] | tuple[Verdict, int | None, int],
    each_ms: int = MINUTE_MS,
    **changed: Any,  # noqa: ANN401
) -> bytes:
    """One window of a zone: one look after the other, each as long; `changed` overrides the body's fields."""
    chain = notebook.chain(stream, ZONE_SETTINGS)
    from_ms = chain.at_ms
    chain.at_ms = to_ms = from_ms + each_ms * len(said)
    told = [
        Look(at_ms=from_ms + each_ms * i, verdict=one[0], count=one[1], uncertain=one[2] if len(one) == 3 else 0)
        for i, one in enumerate(said)
    ]
    counted = [look.at_ms for look in told if look.verdict is COUNTED]
    fields: dict[str, Any] = {
        "from_ms": from_ms,
        "to_ms": to_ms,
        "looks": told,
        "counted_at_ms": counted[-1] if counted else None,
        "frames_seen": 60 * len(said),
        "frames_dropped": 0,
        "detector": "stock-1",
        "detector_sha256": bytes(32),
        "items": [],
    }
    notebook.now_ms = max(notebook.now_ms, to_ms)
    return notebook.add(stream, Stock(**(fields | changed)))


def picture(
    notebook: Notebook,
    stream: str,
    data: bytes,
    *,
    leaves: bool,
    what: PictureKind = PictureKind.SLIT,
    hour_ms: int = 3_600_000,
    marks: Sequence[Mark] = (),
    size: tuple[int, int] = (24, 16),
) -> bytes:
    """A picture of the hour before now."""
    notebook.chain(stream, {"title": "Gate"})
    body = Picture(
        from_ms=notebook.now_ms - hour_ms,
        to_ms=notebook.now_ms,
        what=what,
        media_type="image/png",
        width=size[0],
        height=size[1],
        sha256=sha256(data).digest(),
        length=len(data),
        data=data if leaves else b"",
        marks=list(marks),
    )
    return notebook.add(stream, body)


def certificate(notebook: Notebook, stream: str, **changed: Any) -> bytes:  # noqa: ANN401
    """Twenty frames that a person counted too."""
    fields: dict[str, Any] = {
        "at_ms": notebook.now_ms,
        "frames": 20,
        "by_person": 960,
        "by_machine": 951,
        "exact": 17,
        "error_permille": 14,
        "limit_permille": 50,
        "passed": True,
        "detector": "stock-1",
        "detector_sha256": bytes(32),
        "pictures_sha256": bytes(32),
    }
    return notebook.add(stream, Acceptance(**(fields | changed)))


def condition(notebook: Notebook, stream: str, subject: str, phase: Phase) -> bytes:
    """A camera is covered, moved, dark …, or no longer."""
    event = Event(at_ms=notebook.now_ms, event=EventKind.CAMERA, phase=phase, subject=subject, says=f"it is {subject}")
    return notebook.add(stream, Events(events=[event]))


def png(width: int = 24, height: int = 16, *, least: int = 0) -> bytes:
    """A grey picture, made with nothing but zlib; another one for another `least`."""
    return _png(width, height, [bytes((least + x * 7 + y * 13) % 256 for x in range(width)) for y in range(height)])


def slit_scan(width: int = 720, height: int = 96, *, seed: int = 0) -> bytes:
    """An hour at a gate as a box would draw it: a grey ground, a figure for each passage."""
    chance = random.Random(seed)
    rows = [bytearray([205 + (y * 3 + x) % 7 for x in range(width)]) for y in range(height)]
    for _ in range(3 + seed % 5):
        left, wide, top = chance.randrange(width - 30), chance.randrange(8, 26), chance.randrange(10, 50)
        for y in range(top, height - 6):
            rows[y][left : left + wide] = bytes([60 + (y + seed * 17) % 90] * wide)
        rows[4][left : left + wide] = bytes(wide)
    return _png(width, height, rows)


def mark(at_ms: int, x: int, direction: Direction) -> Mark:
    """A crossing marked in a picture."""
    return Mark(at_ms, x, 8, direction)


def _png(width: int, height: int, rows: Sequence[bytes | bytearray]) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
