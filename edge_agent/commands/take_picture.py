"""A picture of a zone that may leave the box: goods, and nothing else that is sharp. Kept here, its hash signed."""

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from edge_agent.clock import SystemClock
from edge_agent.commands.processes import signer_of
from edge_agent.config.load import Config, ZoneCamera
from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.items import BLOCKERS, GOODS, Finder
from edge_agent.keeping.pictures import folder_of, forget_old, keep_picture
from evidence.bodies import PICTURE_LIMIT, Picture, PictureKind

if TYPE_CHECKING:
    from edge_agent.eye.counting import Picture as Pixels
    from edge_agent.eye.track import Box

KEEP_DAYS: Final = 30
AT_MOST_BYTES: Final = 256_000_000
SURE_GOODS: Final = 0.4
"""Score; with less a find is no goods, and stays coarse. Of a person every find counts."""
LARGEST: Final = 0.12
"""Share of the picture; what is larger is no single item, and more than an item could be in it."""
QUALITIES: Final = (85, 70, 50, 30)
FIRST_FRAMES: Final = 3
"""A camera's first pictures may be dark, or torn."""


class NoPictureError(Exception):
    """There is nothing that could be kept, and why."""


def take(config: Config, name: str, *, finder: Finder) -> dict[str, Any]:
    """Look at a zone once; keep its goods as a CROP, and sign its hash. Raises NoPictureError, SpoolError, OSError."""
    zone = next((zone for zone in config.zones if zone.name == name), None)
    if zone is None:
        known = ", ".join(zone.name for zone in config.zones) or "none"
        raise NoPictureError(f"there is no zone {name} in {config.file}; it has: {known}")
    seen = _look(zone)
    crop = goods_of(seen, zone, finder)
    if crop is None:
        raise NoPictureError(f"no goods are seen in {name}: nothing of this picture may leave")
    octets = _file(crop)
    with signer_of(config, clock=SystemClock(), camera=name) as signer:
        if signer.spool.settings(zone.stream) is None:
            raise NoPictureError(f"{zone.stream} has no chain in this spool: start `edge-agent watch {name}` first")
        now_ms = signer.clock.utc_ms()
        folder = folder_of(config.box.spool, zone.stream)
        kept = keep_picture(folder, octets, from_ms=now_ms, to_ms=now_ms + 1, what=PictureKind.CROP)
        body = Picture(
            from_ms=now_ms,
            to_ms=now_ms + 1,
            what=PictureKind.CROP,
            media_type=kept.media_type,
            width=crop.shape[1],
            height=crop.shape[0],
            sha256=kept.sha256,
            length=kept.length,
            marks=[],
        )
        with signer.spool.writing():
            n = signer.append(zone.stream, body).next_n - 1
        forget_old(folder, now_ms=now_ms, keep_days=KEEP_DAYS, at_most_bytes=AT_MOST_BYTES)
    return {"sha256": sha256(octets).hexdigest(), "stream": zone.stream, "n": n, "file": str(kept.file)}


def goods_of(picture: "Pixels", zone: ZoneCamera, finder: Finder) -> "Pixels | None":
    """The part of the picture that holds the zone's goods, everything else in it coarse; None where there are none."""
    from edge_agent.eye.opencv.blur import cropped_to_goods

    side = None
    if zone.exemplar_px is not None:
        x0, y0, x1, y1 = zone.exemplar_px
        side = abs((x1 - x0) * (y1 - y0)) ** 0.5
    height, width = picture.shape[:2]
    found = finder.find(picture, zone=zone.zone.surroundings(width, height), side=side)
    largest = LARGEST * width * height
    goods = [box for box in found if box.kind in GOODS and box.score >= SURE_GOODS and box.area <= largest]
    people: list[Box] = [box for box in (*found, *finder.find(picture)) if box.kind in BLOCKERS]
    return cropped_to_goods(picture, goods=goods, people=people)


def _look(zone: ZoneCamera) -> "Pixels":
    from edge_agent.eye.opencv.sources import open_source

    source = open_source(zone.source, clock=SystemClock())
    if isinstance(source, Lost):
        raise NoPictureError(source.why)
    picture = None
    with source:
        for number, frame in enumerate(source.frames(), 1):
            picture = frame.picture if isinstance(frame, Frame) else picture
            if number >= FIRST_FRAMES:
                break
    if picture is None:
        raise NoPictureError(f"the camera of {zone.name} gave no picture")
    return picture


def _file(crop: "Pixels") -> bytes:
    from edge_agent.eye.opencv.slit_drawing import webp

    for quality in QUALITIES:
        if len(octets := webp(crop, quality=quality)) <= PICTURE_LIMIT:
            return octets
    raise NoPictureError(f"the picture does not fit in {PICTURE_LIMIT} bytes")
