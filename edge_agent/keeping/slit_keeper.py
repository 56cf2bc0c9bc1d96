"""Keeping a gate's slit-scans: one picture an hour, on the box's disk, its hash in the chain.

    stretch appended to the buffer, synced   power fails here: the next start makes the picture of what was kept
    picture written, synced, renamed         power fails here: the next start makes and names the same one again
    PICTURE signed, in one commit with the
      buffer's name                          power fails here: the next start sees that it is signed, and deletes it
    buffer deleted

The picture is drawn by a thread of its own, so that counting never waits for it. A picture ends with the hour, with its
process and when the clock is set; time that no picture covers was not kept, and a gap is drawn where the camera gave
no pictures.
"""

import logging
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from edge_agent.eye.counting import Frame
from edge_agent.eye.gate import Crossing, GateLine
from edge_agent.eye.opencv.slit_eye import SlitEye
from edge_agent.eye.opencv.slit_hour import Hour, hour_of, stretch_of
from edge_agent.eye.slit import Raw
from edge_agent.keeping.pictures import Kept, folder_of, forget_old, keep_picture
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import SpoolDamagedError, SpoolError
from edge_agent.keeping.strips import SUFFIX, Closed, Noted, Stretch, StripsFile, left_over, read_strips
from evidence.bodies import Picture, PictureKind
from evidence.judging.gates import is_contested

COLUMNS_PER_S: Final = 12
LATE_MS: Final = 30_000
"""A crossing may be told so long after it was; a picture is drawn only then."""
JOBS_LIMIT: Final = 16
"""Stretches that wait to be drawn; more are dropped: the disk stands."""
RETRY_MS: Final = 60_000
"""Between two attempts to finish a picture, when the disk is full or nothing can be signed."""
FINISH_WAIT_S: Final = 15.0
"""How long the last picture may take when the process is told to stop; if longer, the next start makes it."""
STRAY_MS: Final = 60_000
"""A time further from the clock is a film's own, and the clock's is taken."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlitRule:
    """How often, what becomes of the pictures, and how long they stay."""

    every_ms: int
    send: bool
    keep_days: int
    at_most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A picture that is on the disk and not signed yet."""

    buffer: Path
    hour: Hour
    kept: Kept


class SlitKeeper:
    """One gate's slit-scans. All its methods belong to one thread, the one that signs."""

    def __init__(self, signer: Signer, *, stream: str, title: str, line: GateLine, rule: SlitRule) -> None:
        """Nothing is written before `start`."""
        self._signer, self._clock = signer, signer.clock
        self._stream, self._title, self._line, self._rule = stream, title, line, rule
        self._folder = folder_of(signer.spool.path, stream)
        self._eye = SlitEye(line, columns_per_s=COLUMNS_PER_S)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="slit")
        self._jobs: deque[Future[None]] = deque()
        self._open: StripsFile | None = None
        self._open_until_ms = 0
        self._closed: deque[tuple[int, int, StripsFile]] = deque()
        """(when it may be drawn by steady time, where its time ends, the file)"""
        self._drawing: Future[_Made | None] | None = None
        self._unsigned: _Made | None = None
        self._again_ms = 0
        self._in_trouble = False

    def start(self) -> None:
        """Find what the last run left; it is drawn and signed beside the counting."""
        signed = self._signer.spool.kept(self._kept_name)
        for path in left_over(self._folder):
            if signed == path.name.encode():
                path.unlink(missing_ok=True)  # killed between signing and deleting
            else:
                log.info("a slit-scan of the last run is finished stream=%s from=%s", self._stream, path.stem)
                self._closed.append((0, 0, StripsFile(path)))

    def see(self, frame: Frame) -> None:
        """Take in a picture."""
        at_ms = self._told_ms(frame.at_ms)
        if self._open is not None and (self._open.is_full or not self._begun_ms <= at_ms < self._open_until_ms):
            self._hand(self._open, self._eye.end(at_ms if at_ms >= self._open_until_ms else None))
            self._close(at_ms)
        if self._open is None:
            self._begin(at_ms)
        assert self._open is not None  # noqa: S101 - just begun
        self._hand(self._open, self._eye.see(frame if at_ms == frame.at_ms else replace(frame, at_ms=at_ms)))

    def mark(self, crossings: Iterable[Crossing]) -> None:
        """Take in what was counted."""
        for crossing in crossings:
            at_ms = self._told_ms(crossing.at_ms)
            file = next((file for _, until_ms, file in self._closed if at_ms < until_ms), self._open)
            if file is not None:
                is_sure = not is_contested(crossing.confidence_permille, crossing.uncertain)
                self._hand(file, Noted(at_ms=at_ms, direction=crossing.direction, is_sure=is_sure))

    def step(self) -> None:
        """Draw and sign what is due; never waits."""
        while self._jobs and self._jobs[0].done():
            self._jobs.popleft().result()
        now_ms = self._clock.steady_ms()
        if self._drawing is not None and self._drawing.done():
            self._take_drawn(self._drawing, now_ms)
        if now_ms < self._again_ms:
            return
        if self._unsigned is not None:
            if self._signer.ready():
                self._sign(self._unsigned, now_ms)
        elif self._drawing is None and self._closed and self._closed[0][0] <= now_ms:
            self._drawing = self._worker.submit(self._draw, self._closed[0][2].path)

    def finish(self) -> None:
        """Draw and sign what there is, within FINISH_WAIT_S; what is not done then, the next start does."""
        if self._open is not None:
            self._hand(self._open, self._eye.end())
            self._close(self._clock.utc_ms())
        self._closed = deque((0, until_ms, file) for _, until_ms, file in self._closed)
        self._again_ms = 0
        while (self._closed or self._unsigned) and self._again_ms == 0:
            self.step()
            if self._drawing is not None and wait([self._drawing], FINISH_WAIT_S).not_done:
                break
        self._worker.shutdown(wait=False)

    @property
    def _kept_name(self) -> str:
        return f"slit {self._stream}"

    def _told_ms(self, at_ms: int) -> int:
        now_ms = self._clock.utc_ms()
        return at_ms if abs(at_ms - now_ms) <= STRAY_MS else now_ms

    def _begin(self, at_ms: int) -> None:
        self._begun_ms = at_ms
        self._open_until_ms = (at_ms // self._rule.every_ms + 1) * self._rule.every_ms
        self._open = StripsFile(self._folder / f"{at_ms:013d}{SUFFIX}")

    def _close(self, at_ms: int) -> None:
        """End the picture; the next may begin at `at_ms`."""
        assert self._open is not None  # noqa: S101 - the callers asked
        until_ms = self._open_until_ms if at_ms < self._begun_ms else min(self._open_until_ms, at_ms)
        self._hand(self._open, Closed(until_ms=until_ms))
        self._closed.append((self._clock.steady_ms() + LATE_MS, until_ms, self._open))
        self._open = None

    def _hand(self, file: StripsFile, what: Raw | Noted | Closed | None) -> None:
        """Have it drawn, if it must be, and kept."""
        if what is None:
            return
        if len(self._jobs) >= JOBS_LIMIT:
            self._trouble("the disk does not keep up")
            return
        self._jobs.append(self._worker.submit(self._keep, file, what))

    def _keep(self, file: StripsFile, what: Raw | Noted | Closed) -> None:
        """In the thread: what cannot be kept is a gap in the picture."""
        kept = stretch_of(what) if isinstance(what, Raw) else what
        try:
            file.append(kept, sync=isinstance(kept, Stretch) and not kept.is_still)
        except OSError as wrong:
            self._trouble(str(wrong))
        else:
            self._trouble(None)

    def _draw(self, path: Path) -> _Made | None:
        """In the thread: the picture of what was kept, on the disk; None when there is none. Raises OSError."""
        try:
            title = f"{self._stream} {self._title}"
            hour = hour_of(read_strips(path), title=title, line=self._line)
        except FileNotFoundError:  # there was no room for any of it
            return None
        except ValueError as wrong:
            log.error("a slit-scan cannot be drawn, it stays in %s.bad: %s", path, wrong)  # noqa: TRY400 - whole
            path.replace(path.with_name(f"{path.name}.bad"))
            return None
        if hour is None:
            return None
        kept = keep_picture(
            self._folder, hour.file, from_ms=hour.from_ms, to_ms=hour.to_ms, what=PictureKind.SLIT, suffix="webp"
        )
        return _Made(buffer=path, hour=hour, kept=kept)

    def _take_drawn(self, drawing: "Future[_Made | None]", now_ms: int) -> None:
        self._drawing = None
        try:
            self._unsigned = drawing.result()
        except OSError as wrong:
            self._trouble(str(wrong))
            self._again_ms = now_ms + RETRY_MS
            return
        if self._unsigned is None:
            self._closed.popleft()[2].path.unlink(missing_ok=True)

    def _sign(self, made: _Made, now_ms: int) -> None:
        hour = made.hour
        body = Picture(
            from_ms=hour.from_ms,
            to_ms=hour.to_ms,
            what=PictureKind.SLIT,
            media_type=made.kept.media_type,
            width=hour.width,
            height=hour.height,
            sha256=made.kept.sha256,
            length=made.kept.length,
            data=hour.file if self._rule.send else b"",
            marks=hour.marks,
        )
        try:
            with self._signer.spool.writing():
                self._signer.append(self._stream, body)
                self._signer.spool.keep(self._kept_name, made.buffer.name.encode())
        except SpoolDamagedError:
            raise
        except SpoolError as wrong:
            self._trouble(str(wrong))
            self._again_ms = now_ms + RETRY_MS
            return
        # power fails here: the next start finds the buffer's name signed, and deletes it
        made.buffer.unlink(missing_ok=True)
        self._closed.popleft()
        self._unsigned = None
        log.info("slit-scan stream=%s marks=%d bytes=%d", self._stream, len(hour.marks), made.kept.length)
        self._jobs.append(self._worker.submit(self._forget, self._clock.utc_ms()))

    def _forget(self, now_ms: int) -> None:
        """In the thread."""
        rule = self._rule
        try:
            forget_old(self._folder, now_ms=now_ms, keep_days=rule.keep_days, at_most_bytes=rule.at_most_bytes)
        except OSError as wrong:
            self._trouble(str(wrong))

    def _trouble(self, wrong: str | None) -> None:
        """Log that pictures cannot be kept, once, and that they can again."""
        if wrong is not None and not self._in_trouble:
            log.warning("slit-scans are not kept stream=%s: %s", self._stream, wrong)
        elif wrong is None and self._in_trouble:
            log.info("slit-scans are kept again stream=%s", self._stream)
        self._in_trouble = wrong is not None
