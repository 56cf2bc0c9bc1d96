"""Pictures from files, cameras and the network.

A source that cannot be opened or goes away is a `Lost`, not an exception; trying again, and how soon, is the caller's
choice. A live source is read by a thread that keeps only its newest picture, so a slow reader gets fewer pictures,
never older ones, and `dropped` says how many it missed. Nothing is kept: a picture that was read is gone.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import cv2

from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.opencv.pictures import as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

OPEN_TIMEOUT_MS = 8_000
"""A camera that has not answered by then is not there."""

READ_TIMEOUT_MS = 5_000
"""A camera that gave no picture for so long is lost."""

MAX_SIDE = 4096
"""Pixels; a larger picture is refused, since a box has no memory for it."""


class Times(Protocol):
    """The two clocks a live source stamps its pictures with."""

    def utc_ms(self) -> int:
        """UTC milliseconds since 1970."""

    def steady_ms(self) -> int:
        """Milliseconds that never go back."""

    def wait_until(self, steady_ms: int, stop: threading.Event) -> bool:
        """Wait until then, or until `stop` is set; whether it is."""


class FrameSource(Protocol):
    """Where pictures come from. Width and height in pixels, fps as the source declares it (0 if it does not)."""

    width: int
    height: int
    fps: float
    dropped: int

    def read(self, *, wait_ms: int = READ_TIMEOUT_MS) -> Frame | Lost | None:
        """The next picture; None when none came within `wait_ms`; Lost at the end, and again when asked again."""

    def close(self) -> None:
        """Let the device go; bounded, and may be repeated."""

    def frames(self) -> Iterator[Frame | Lost]:
        """Every picture until the source is lost, and then that."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_source(spec: str, *, clock: Times | None = None, pace: bool = False, loop: bool = False) -> FrameSource | Lost:
    """Open a video file, a V4L2 device (`/dev/video0`) or a URL (`rtsp://...`).

    A file gives every picture with the time in its container, from 0; with `pace` it plays like a camera, in real
    time by `clock`, and with `loop` for ever. A device or URL needs `clock`: its pictures bear their time of arrival.
    Returns Lost, with the reason, where that cannot be had.
    """
    live = spec.startswith("/dev/") or "://" in spec
    if (live or pace) and clock is None:
        raise ValueError("a live source needs a clock")
    if not live and not Path(spec).is_file():
        return Lost(why=f"there is no file {spec}")
    capture = _open(spec)
    if capture is None:
        what = "does not answer as a camera" if live else "is not a video that can be read"
        return Lost(why=f"{_shown(spec)} {what}", at_ms=clock.utc_ms() if clock else 0)
    width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        capture.release()
        return Lost(why=f"{_shown(spec)} has pictures of {width}x{height}; up to {MAX_SIDE} a side can be read")
    shape = _Shape(width=width, height=height, fps=capture.get(cv2.CAP_PROP_FPS))
    if clock is not None and (live or pace):
        return _Live(capture, shape, spec=spec, clock=clock, pace=pace and not live, loop=loop)
    return _Recording(capture, shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    width: int
    height: int
    fps: float


class _Source(ABC):
    """What all sources share."""

    def __init__(self, shape: _Shape) -> None:
        self.width, self.height, self.fps = shape.width, shape.height, shape.fps
        self.dropped = 0

    @abstractmethod
    def read(self, *, wait_ms: int = READ_TIMEOUT_MS) -> Frame | Lost | None: ...

    @abstractmethod
    def close(self) -> None: ...

    def frames(self) -> Iterator[Frame | Lost]:
        while True:
            got = self.read()
            if got is not None:
                yield got
            if isinstance(got, Lost):
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Recording(_Source):
    """A file, every picture of it, as fast as it is asked for."""

    def __init__(self, capture: cv2.VideoCapture, shape: _Shape) -> None:
        super().__init__(shape)
        self._capture = capture
        self._last_ms = -1

    def read(self, *, wait_ms: int = READ_TIMEOUT_MS) -> Frame | Lost | None:  # noqa: ARG002  a file never waits
        ok, picture = self._capture.read()
        if not ok:
            return Lost(why="the recording ends", at_ms=max(0, self._last_ms), ended=True)
        at_ms = max(self._last_ms + 1, round(self._capture.get(cv2.CAP_PROP_POS_MSEC)))
        self._last_ms = at_ms
        return Frame(picture=as_bytes(picture), at_ms=at_ms, steady_ms=at_ms)

    def close(self) -> None:
        self._capture.release()


class _Live(_Source):
    """A camera, or a file that plays like one: a thread reads all, and keeps the newest picture."""

    def __init__(
        self, capture: cv2.VideoCapture, shape: _Shape, *, spec: str, clock: Times, pace: bool, loop: bool
    ) -> None:
        super().__init__(shape)
        self._spec, self._clock, self._pace, self._loop = spec, clock, pace, loop
        self._news = threading.Condition()
        self._newest: Frame | None = None
        self._lost: Lost | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(capture,), name="eye", daemon=True)
        self._thread.start()

    def read(self, *, wait_ms: int = READ_TIMEOUT_MS) -> Frame | Lost | None:
        with self._news:
            self._news.wait_for(lambda: self._newest is not None or self._lost is not None, wait_ms / 1000)
            frame, self._newest = self._newest, None
            return frame or self._lost

    def close(self) -> None:
        self._closing.set()
        self._thread.join(READ_TIMEOUT_MS / 1000 + 1)

    def _run(self, capture: cv2.VideoCapture) -> None:
        begun_ms = self._clock.steady_ms()
        while not self._closing.is_set():
            ok, picture = capture.read()
            if not ok and self._loop and (again := _open(self._spec)) is not None:
                capture.release()
                capture, begun_ms = again, self._clock.steady_ms()
                continue
            if not ok:
                break
            if self._pace:
                self._clock.wait_until(begun_ms + round(capture.get(cv2.CAP_PROP_POS_MSEC)), self._closing)
            self._show(Frame(picture=as_bytes(picture), at_ms=self._clock.utc_ms(), steady_ms=self._clock.steady_ms()))
        capture.release()
        with self._news:
            why = "the recording ends" if self._pace else f"{_shown(self._spec)} gives no more pictures"
            self._lost = Lost(why=why, at_ms=self._clock.utc_ms(), ended=self._pace)
            self._news.notify_all()

    def _show(self, frame: Frame) -> None:
        with self._news:
            self.dropped += self._newest is not None
            self._newest = frame
            self._news.notify_all()


def _open(spec: str) -> cv2.VideoCapture | None:
    """One decoding thread: a box has one core a camera. V4L2 devices take the timeouts too."""
    cv2.setNumThreads(1)
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        READ_TIMEOUT_MS,
    ]
    if spec.startswith("/dev/"):
        capture = cv2.VideoCapture(spec, cv2.CAP_V4L2)
    else:
        capture = cv2.VideoCapture(spec, cv2.CAP_FFMPEG, [*timeouts, cv2.CAP_PROP_N_THREADS, 1])
    if capture.isOpened():
        return capture
    capture.release()
    return None


def _shown(spec: str) -> str:
    """The spec without a password in it."""
    return re.sub(r"//[^/@]*@", "//", spec)
