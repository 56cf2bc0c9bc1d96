"""A source of crossings: a detector finds things in each picture, a tracker follows them, a gate counts them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from edge_agent.eye.gate import Crossing, Gate, GateLine
from edge_agent.eye.track import Box, Tracker

if TYPE_CHECKING:
    from edge_agent.eye.counting import Frame


class Detector(Protocol):
    """Finds the things in a picture."""

    @property
    def name(self) -> str:
        """What stands in a statement as the detector: name and version."""

    @property
    def sha256(self) -> bytes:
        """Hash of the model file; empty where there is none."""

    def detect(self, frame: Frame) -> tuple[Box, ...]:
        """The things in this picture, in its pixels; pictures come in order of time."""


class Tracked:
    """Detector, tracker and gate in a row: `edge_agent.eye.counting.Source`."""

    def __init__(self, detector: Detector, line: GateLine, *, kind: str | None = None) -> None:
        """`kind`: what everything is taken for, where the detector finds things without knowing what they are."""
        self._detector, self._kind = detector, kind
        self._tracker = Tracker()
        self._gate = Gate(line)

    @property
    def name(self) -> str:
        """The detector's."""
        return self._detector.name

    @property
    def sha256(self) -> bytes:
        """The detector's."""
        return self._detector.sha256

    def see(self, frame: Frame) -> tuple[Crossing, ...]:
        """What crossed, told once the thing is well beyond the line."""
        tracks = self._tracker.update(self._detector.detect(frame), at_ms=frame.steady_ms)
        crossed = self._gate.observe(tracks, at_ms=frame.steady_ms)
        return crossed if self._kind is None else tuple(replace(one, kind=self._kind) for one in crossed)

    def finish(self) -> tuple[Crossing, ...]:
        """Nothing: what has crossed was told."""
        return ()

    def forget_all(self) -> None:
        """Every track and every side."""
        self._tracker.forget_all()
        self._gate.forget_all()
