"""What everything that looks at a picture needs: a smaller one, and one that is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from edge_agent.eye.counting import Picture


def shrunk(picture: Picture, pixels: int) -> tuple[Picture, float]:
    """The picture with about so many pixels, and how many of the source's one of its pixels is wide."""
    height, width = picture.shape[:2]
    scale = max(1.0, (width * height / pixels) ** 0.5)
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return as_bytes(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)), width / size[0]


def as_bytes(picture: object) -> Picture:
    """The same picture, typed: OpenCV promises less than it gives."""
    return np.asarray(picture, dtype=np.uint8)


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture with this width and height, averaged where it shrinks."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    shrinks = size[0] < picture.shape[1]
    return as_bytes(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
