"""Pictures become crossings: detector, tracker and gate in a row.

Pure over its inputs: the same pictures, detector and gate give the same crossings. What a blind camera cannot see is
told as `SightChange`, never as nothing having moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

from edge_agent.eye.gate import Crossing, Gate
from edge_agent.eye.track import Box, Tracker
from evidence.bodies import Sight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

Picture: TypeAlias = "NDArray[np.uint8]"
"""Rows x columns x 3: blue, green, red."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture, and when it was taken, by both clocks."""

    picture: Picture
    at_ms: int
    steady_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No picture will come any more, and why, in one sentence. `ended`: a recording was read to its end."""

    why: str
    at_ms: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SightChange:
    """From this time on the camera sees, or does not; `why` is one of a few fixed words."""

    at_ms: int
    sight: Sight
    why: str


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


class SightTest(Protocol):
    """Judges whether a picture shows the scene."""

    def judge(self, frame: Frame) -> tuple[Sight, str]:
        """Sight and why; pictures come in order of time."""


class Counter:
    """One camera's counting. Feed it what the source gives; it returns what happened."""

    def __init__(self, detector: Detector, gate: Gate, *, sight: SightTest | None = None) -> None:
        self.gate = gate
        self._detector = detector
        self._sight_test = sight
        self._tracker = Tracker()
        self._sight: Sight | None = None
        self.frames = 0

    @property
    def sight(self) -> Sight | None:
        """Whether the camera sees; None before the first picture."""
        return self._sight

    def see(self, what: Frame | Lost) -> tuple[Crossing | SightChange, ...]:
        """Take the next picture, or the loss of them. Sight is told first, at the first picture and at each change."""
        match what:
            case Frame():
                self.frames += 1
                sight, why = self._sight_test.judge(what) if self._sight_test else (Sight.CLEAR, "seen")
                told = self._change(sight, why, at_ms=what.at_ms)
                return told + (self._count(what) if sight is Sight.CLEAR else ())
            case Lost():
                return () if what.ended else self._change(Sight.BLIND, "source lost", at_ms=what.at_ms)
            case _:
                assert_never(what)

    def _count(self, frame: Frame) -> tuple[Crossing, ...]:
        tracks = self._tracker.update(self._detector.detect(frame), at_ms=frame.steady_ms)
        ahead_ms = frame.at_ms - frame.steady_ms
        return tuple(
            Crossing(
                at_ms=crossing.at_ms + ahead_ms,
                direction=crossing.direction,
                kind=crossing.kind,
                confidence_permille=crossing.confidence_permille,
                track=crossing.track,
            )
            for crossing in self.gate.observe(tracks, at_ms=frame.steady_ms)
        )

    def _change(self, sight: Sight, why: str, *, at_ms: int) -> tuple[SightChange, ...]:
        if sight is self._sight:
            return ()
        if sight is Sight.BLIND:  # what moved meanwhile is not known: nothing may be carried across
            self._tracker.forget_all()
            self.gate.forget_all()
        self._sight = sight
        return (SightChange(at_ms=at_ms, sight=sight, why=why),)


def count(
    frames: Iterable[Frame | Lost], detector: Detector, gate: Gate, *, sight: SightTest | None = None
) -> Iterator[Crossing | SightChange]:
    """Everything that happens in these pictures, in order."""
    counter = Counter(detector, gate, sight=sight)
    for frame in frames:
        yield from counter.see(frame)
