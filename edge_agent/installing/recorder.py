"""Writing what a device answers as a recording (codecs/recording.py), a line a reading, on the disk at once."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from edge_agent.codecs.errors import FrameError
from edge_agent.codecs.recording import Recorded, TimeKey, decimal_of, form_of, heading, line_of
from edge_agent.config.points import Point
from edge_agent.reading import Reading


class RecorderError(Exception):
    """The recording cannot be written; the message says why."""


class Recorder:
    """One recording of one machine; its times count from its first reading."""

    def __init__(self, file: Path, points: Sequence[Point], *, about: str) -> None:
        """An existing file is written over. Raises RecorderError."""
        self._points, self._names = tuple(points), [point.name for point in points]
        self._began_ms: int | None = None
        self._last_ms = -1
        try:
            self._form = form_of(file.name)
            self._out: BinaryIO = file.open("wb", buffering=0)
            self._out.write(heading(self._form, self._names, TimeKey.OFFSET, about=about))
        except FrameError as wrong:
            raise RecorderError(str(wrong)) from wrong
        except OSError as wrong:
            raise RecorderError(f"cannot write {file}: {wrong.strerror}") from wrong

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()

    def keep(self, reading: Reading) -> None:
        """Write one down. Raises OSError."""
        self._began_ms = reading.steady_ms if self._began_ms is None else self._began_ms
        self._last_ms = max(self._last_ms + 1, reading.steady_ms - self._began_ms)
        values = {
            point.name: decimal_of(value, point.decimals)
            for point, value in zip(self._points, reading.values, strict=True)
        }
        recorded = Recorded(at_ms=self._last_ms, values=values, failure=reading.failure)
        self._out.write(line_of(recorded, self._form, self._names, TimeKey.OFFSET))
