"""The one door to OpenCV: pictures come in from files, cameras and the network; foreground is found in them.

A source that cannot be opened or goes away is a `Lost`, not an exception; trying again, and how soon, is the caller's
choice. A live source is read by a thread that keeps only its newest picture, so a slow reader gets fewer pictures,
never older ones, and `dropped` says how many it missed. Nothing is kept: a picture that was read is gone.
"""

from __future__ import annotations

import os
import re
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong is said by Lost, once, in our words
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.track import Box
from evidence.bodies import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from numpy.typing import NDArray

    from edge_agent.eye.counting import Picture

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
        return Frame(picture=_bytes(picture), at_ms=at_ms, steady_ms=at_ms)

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
            self._show(Frame(picture=_bytes(picture), at_ms=self._clock.utc_ms(), steady_ms=self._clock.steady_ms()))
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


# ---- foreground ----

FOREGROUND = 255
"""MOG2's mark; a shadow is 127."""

WORK_PIXELS = 320 * 180
"""Pictures are made this small before anything is searched in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How foreground is found; one set for all cameras."""

    warm_up_ms: int = 400
    memory_ms: int = 20_000
    """What stands still for about this long becomes background."""
    hold_ms: int = 5_000
    """What stands still is no background for so long, however fast the memory."""
    longest_step_ms: int = 200
    """After a longer pause, as after blindness, no more is learned from one picture: what stands in it may be goods."""
    threshold: float = 16.0
    """Squared distance from the background, in variances of the pixel."""
    neighbours: int = 5
    """Of the 9 pixels around one, so many must be foreground; fewer are noise."""
    closing: int = 5
    """Gaps in a thing narrower than this many pixels of the small picture are filled."""
    waist: float = 0.5
    """Where a blob is thinner than this share of its thickest place, it is cut."""
    solid: float = 0.7
    """A blob whose thickest place is thinner than this share of its shorter side is an outline, and is not cut."""
    core: float = 0.3
    """A piece with less than this share of what is thick is no thing of its own."""
    min_side: float = 0.05
    """Share of the picture's shorter side; smaller things are noise."""
    sudden: float = 0.6
    """If this share of the picture is new at once, the light changed, or the lens is covered; no goods are so large."""
    relearn_ms: int = 1_000
    """After so long of that it is a new light; a cover is called blindness before."""


class Foreground:
    """Finds whatever is not background. The camera must stand still.

    A mixture of Gaussians (MOG2), not KNN: with learning rate 0 it learns nothing, so a carton that stands on the line
    stays foreground, and it draws no random numbers, so the same pictures give the same boxes. KNN does neither.
    """

    name = "foreground-mog2/1"
    sha256 = b""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or Look()
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (self._look.closing, self._look.closing))
        self._begin()

    def _begin(self) -> None:
        """Learn the background anew."""
        self._model = cv2.createBackgroundSubtractorMOG2(
            history=500, varThreshold=self._look.threshold, detectShadows=True
        )
        self._begun_ms: int | None = None
        self._last_ms = self._sudden_ms = 0
        self._pictures = 0

    def detect(self, frame: Frame) -> tuple[Box, ...]:
        """Boxes of kind `goods`, score = how full the box is of foreground."""
        small, scale = shrunk(frame.picture, WORK_PIXELS)
        mask = self._mask(_bytes(cv2.blur(small, (3, 3))), frame.steady_ms)
        return () if mask is None else tuple(self._boxes(mask, scale))

    def _mask(self, small: Picture, steady_ms: int) -> Picture | None:
        """1 where something is, or None while the background is being learned."""
        if self._begun_ms is None:
            self._begun_ms = self._last_ms = steady_ms
            self._age_ms = np.zeros(small.shape[:2], np.float32)
            self._background = small
        passed_ms = min(steady_ms - self._last_ms, self._look.longest_step_ms)
        rate = max(1 / (self._pictures + 1), min(1.0, passed_ms / self._look.memory_ms))
        self._last_ms = steady_ms
        self._pictures += 1
        if steady_ms - self._begun_ms < self._look.warm_up_ms:
            self._model.apply(small, learningRate=rate)
            return None
        found = _bytes(self._model.apply(small, learningRate=0) == FOREGROUND)
        if np.count_nonzero(found) > self._look.sudden * found.size:
            self._sudden_ms += passed_ms
            if self._sudden_ms >= self._look.relearn_ms:
                self._begin()
            return None
        self._sudden_ms = 0
        dense = _bytes(cv2.blur(found * 9, (3, 3)) >= self._look.neighbours)  # unlike opening, keeps thin outlines
        mask = _bytes(cv2.morphologyEx(dense, cv2.MORPH_CLOSE, self._kernel))
        self._learn(small, mask, passed_ms, rate)
        return mask

    def _learn(self, small: Picture, mask: Picture, passed_ms: int, rate: float) -> None:
        """Learn the background where it is seen; where a thing stands, only after `hold_ms`."""
        self._age_ms = np.clip(
            self._age_ms + np.where(mask, passed_ms, -passed_ms), 0, self._look.hold_ms + 1000, dtype=np.float32
        )
        held = _bytes(cv2.dilate(mask, self._kernel)) & (self._age_ms < self._look.hold_ms)
        self._background = np.where(held[..., None], self._background, small)
        self._model.apply(self._background, learningRate=rate)

    def _boxes(self, mask: Picture, scale: float) -> Iterator[Box]:
        least = self._look.min_side * min(mask.shape)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        for number, (x, y, width, height, area) in enumerate(stats.tolist()):
            if number == 0 or min(width, height) < least or area < least * least:
                continue
            blob = _bytes(labels[y : y + height, x : x + width] == number)
            for left, top, right, bottom in self._parts(blob, least):
                yield Box(
                    x0=(x + left) * scale,
                    y0=(y + top) * scale,
                    x1=(x + right) * scale,
                    y1=(y + bottom) * scale,
                    score=float(np.mean(blob[top:bottom, left:right])),
                )

    def _parts(self, blob: Picture, least: float) -> list[tuple[int, int, int, int]]:
        """A blob with a waist is two things that touch: the box of each thick core, grown back to its rim."""
        height, width = blob.shape
        outline, _ = cv2.findContours(blob, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        filled = cv2.drawContours(np.zeros((height + 2, width + 2), np.uint8), outline, -1, 1, -1, offset=(1, 1))
        depth = cv2.distanceTransform(filled, cv2.DIST_L2, 3)[1:-1, 1:-1]
        thick = float(depth.max())
        if 2 * thick < self._look.solid * min(width, height):
            return [(0, 0, width, height)]
        rim = self._look.waist * thick
        _, _, stats, _ = cv2.connectedComponentsWithStats(_bytes(depth > rim))
        cores = [core for core in stats[1:].tolist() if core[4] >= self._look.core * stats[1:, 4].sum()]
        parts = [
            (max(0, int(x - rim)), max(0, int(y - rim)), min(width, int(x + w + rim)), min(height, int(y + h + rim)))
            for x, y, w, h, _ in cores
        ]
        whole = len(parts) <= 1 or any(min(right - left, low - top) < least for left, top, right, low in parts)
        return [(0, 0, width, height)] if whole else parts


def shrunk(picture: Picture, pixels: int) -> tuple[Picture, float]:
    """The picture with about so many pixels, and how many of the source's one of its pixels is wide."""
    height, width = picture.shape[:2]
    scale = max(1.0, (width * height / pixels) ** 0.5)
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return _bytes(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)), width / size[0]


def _bytes(picture: object) -> Picture:
    """The same picture, typed: OpenCV promises less than it gives."""
    return np.asarray(picture, dtype=np.uint8)


# ---- sight ----

SIGHT_PIXELS = 160 * 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Blindness:
    """When a picture does not show the scene; one set for all cameras."""

    every_ms: int = 200
    """How often it is asked; in between the last answer holds."""
    after_ms: int = 600
    """So long it must be bad, or good again, before sight changes."""
    dark_level: float = 24.0
    """Grey, 0 to 255: the brightest hundredth of a dark picture is darker."""
    blank_contrast: float = 4.0
    """Grey: the standard deviation of a picture of nothing is smaller."""
    memory_ms: int = 60_000
    """How slowly the remembered scene follows the light of the day."""
    textured: float = 6.0
    """Mean gradient, grey a pixel: a block of the remembered scene with less tells nothing."""
    alike: float = 0.4
    """Correlation of a block's gradients with the remembered ones; below, the block is gone."""
    kept: float = 0.2
    """Share of the remembered gradients found again; below, the block is gone: a cover that scatters light."""
    gone: float = 0.75
    """If this share of the telling blocks is gone, so is the scene."""
    steady: float = 0.7
    """Mean correlation of a block with itself over time; below, it is a moving belt and tells nothing."""
    learning: int = 10
    """Pictures after which the scene is known."""
    least_blocks: int = 16
    """With fewer telling blocks a cover cannot be told from goods."""
    frozen_ms: int = 30_000
    """A living camera does not send the same picture bit for bit for so long."""


class SceneTest:
    """Whether a picture still shows the scene: not dark, not blank, not frozen, its edges where they were.

    The scene is remembered from the first good pictures and followed slowly, never while blind. So a camera that was
    turned stays blind until it is turned back or the process starts anew: its gate is not where it was.
    """

    GRID = (9, 16)

    def __init__(self, rule: Blindness | None = None) -> None:
        self._rule = rule or Blindness()
        self._scene: NDArray[np.float32] | None = None
        self._steadiness = np.zeros(self.GRID, np.float32)
        self._pictures = 0
        self._asked_ms: int | None = None
        self._last: Picture | None = None
        self._moved_ms = 0
        self._said = (Sight.CLEAR, "seen")
        self._turned_ms: int | None = None

    def judge(self, frame: Frame) -> tuple[Sight, str]:
        """BLIND with `dark`, `blank`, `frozen` or `covered`; CLEAR with `seen`. The first picture is judged at once."""
        now_ms = frame.steady_ms
        if self._asked_ms is not None and now_ms - self._asked_ms < self._rule.every_ms:
            return self._said
        first, passed_ms = self._asked_ms is None, now_ms - (self._asked_ms or now_ms)
        self._asked_ms = now_ms
        small, _ = shrunk(frame.picture, SIGHT_PIXELS)
        grey = _bytes(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        why = self._why_blind(grey, now_ms)
        if why is None:
            self._remember(grey, passed_ms)
        self._say(why, now_ms, at_once=first)
        return self._said

    def _why_blind(self, grey: Picture, now_ms: int) -> str | None:
        if self._last is None or not np.array_equal(grey, self._last):
            self._last, self._moved_ms = grey, now_ms
        if np.percentile(grey, 99) < self._rule.dark_level:
            return "dark"
        if grey.std() < self._rule.blank_contrast:
            return "blank"
        if now_ms - self._moved_ms >= self._rule.frozen_ms:
            return "frozen"
        return "covered" if self.share_gone(grey) > self._rule.gone else None

    def share_gone(self, grey: Picture) -> float:
        """Which share of the scene's telling blocks is not to be found in this picture; 0 where too few tell."""
        if self._scene is None or self._pictures < self._rule.learning:
            return 0.0
        both, old, new = self._compared(grey)
        telling = (old > self._rule.textured**2) & (self._steadiness > self._rule.steady)
        if np.count_nonzero(telling) < self._rule.least_blocks:
            return 0.0
        gone = (both < self._rule.alike * np.sqrt(old * new)) | (both < self._rule.kept * old)
        return float(np.mean(gone[telling]))

    def _compared(self, grey: Picture) -> tuple[NDArray[np.float32], ...]:
        """For each block: the product of the remembered and the present gradients, and the square of each."""
        now = _gradients(grey.astype(np.float32))
        then = now if self._scene is None else _gradients(self._scene)
        return tuple(self._blocks(one) for one in ((then * now).sum(0), (then**2).sum(0), (now**2).sum(0)))

    def _blocks(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(values, self.GRID[::-1], interpolation=cv2.INTER_AREA), dtype=np.float32)

    def _remember(self, grey: Picture, passed_ms: int) -> None:
        """Follow the light of the scene, and how steady each block is, slowly; at first, quickly."""
        if self.share_gone(grey) > self._rule.gone / 2:
            return  # a cover that slides in must not teach us itself
        self._pictures += 1
        rate = np.float32(max(1 / self._pictures, min(1.0, passed_ms / self._rule.memory_ms)))
        both, old, new = self._compared(grey)
        self._steadiness += rate * (both / np.sqrt(old * new + 1) - self._steadiness)
        now = grey.astype(np.float32)
        self._scene = now if self._scene is None else self._scene + rate * (now - self._scene)

    def _say(self, why: str | None, now_ms: int, *, at_once: bool) -> None:
        if (why is None) == (self._said[0] is Sight.CLEAR):
            self._turned_ms = None
            return
        if self._turned_ms is None:
            self._turned_ms = now_ms
        if at_once or now_ms - self._turned_ms >= self._rule.after_ms:
            self._said = (Sight.CLEAR, "seen") if why is None else (Sight.BLIND, why)
            self._turned_ms = None


def _gradients(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """2 x rows x columns, grey a pixel; smoothed, so that a shift of a pixel still correlates."""
    soft = cv2.GaussianBlur(grey, (0, 0), 1.2)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.25)
    return np.stack([across, down]).astype(np.float32)
