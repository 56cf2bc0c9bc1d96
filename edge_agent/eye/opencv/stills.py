"""Single pictures from files, and a few out of a film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2

from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.opencv.pictures import as_bytes
from edge_agent.eye.opencv.sources import MAX_SIDE, open_source

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.eye.counting import Picture

FILE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a picture's file."""
STILLS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})
"""Endings of single pictures; everything else is taken for a film."""


def still(path: Path) -> Picture | Lost:
    """The picture in this file; Lost, with the reason, where it cannot be read."""
    if not path.is_file():
        return Lost(why=f"there is no file {path}")
    if path.stat().st_size > FILE_LIMIT:
        return Lost(why=f"{path} is larger than {FILE_LIMIT} bytes")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        return Lost(why=f"{path} is not a picture that can be read")
    if max(picture.shape[:2]) > MAX_SIDE:
        return Lost(why=f"{path} has {picture.shape[1]}x{picture.shape[0]}; up to {MAX_SIDE} a side can be read")
    return as_bytes(picture)


def pictures_of(path: Path, *, apart_ms: int, at_most: int) -> list[Picture] | Lost:
    """The picture in a file, or of a film one every `apart_ms` from its beginning."""
    if path.suffix.lower() in STILLS:
        picture = still(path)
        return picture if isinstance(picture, Lost) else [picture]
    source = open_source(str(path))
    if isinstance(source, Lost):
        return source
    taken: list[Picture] = []
    with source:
        next_ms = 0
        for what in source.frames():
            if isinstance(what, Frame) and what.at_ms >= next_ms:
                taken.append(what.picture)
                next_ms = what.at_ms + apart_ms
            if len(taken) == at_most:
                break
    return taken or Lost(why=f"{path} has no picture that can be read")
