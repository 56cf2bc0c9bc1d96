"""Pictures become crossings: every source watches each picture, and what they tell is held against each other.

Pure over its inputs: the same pictures and sources give the same crossings. What a blind camera cannot see is told as
`SightChange`, never as nothing having moved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

from edge_agent.eye.agreement import Agreement, Doubt
from edge_agent.eye.gate import Crossing, Items
from evidence.bodies import Direction, Sight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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


class Source(Protocol):
    """One way of seeing what goes through a gate; it remembers what it needs from picture to picture."""

    @property
    def name(self) -> str:
        """What stands in a statement as the detector: name and version."""

    @property
    def sha256(self) -> bytes:
        """Hash of the model file; empty where there is none."""

    def see(self, frame: Frame) -> tuple[Crossing, ...]:
        """What is now known to have crossed, `at_ms` by the steady clock; pictures come in order of time."""

    def finish(self) -> tuple[Crossing, ...]:
        """What is known when no picture follows."""

    def forget_all(self) -> None:
        """Carry nothing on: what moved since is not known."""


class SightTest(Protocol):
    """Judges whether a picture shows the scene."""

    def judge(self, frame: Frame) -> tuple[Sight, str]:
        """Sight and why; pictures come in order of time."""


class Counter:
    """One gate's counting. Feed it what the camera gives; it returns what happened.

    The first source counts, the others bear witness (`edge_agent.eye.agreement`). `items` are counted; other things
    that cross are told with their kind, and not counted.
    """

    def __init__(
        self, sources: Sequence[Source], *, sight: SightTest | None = None, items: Items | None = None
    ) -> None:
        self.sources = tuple(sources)
        self._agreement = Agreement(len(self.sources))
        self._sight_test = sight
        self._sight: Sight | None = None
        self._items = items
        self._steady_ms = self._ahead_ms = 0
        """Of the last picture; by how much its UTC is ahead of its steady clock."""
        self.frames = 0
        self.total_in = self.total_out = 0

    @property
    def sight(self) -> Sight | None:
        """Whether the camera sees; None before the first picture."""
        return self._sight

    @property
    def net(self) -> int:
        """What stayed inside: in minus out."""
        return self.total_in - self.total_out

    def counts(self, crossing: Crossing) -> bool:
        """Whether it is of a kind that is counted."""
        return self._items is None or self._items.counts(crossing.kind)

    def see(self, what: Frame | Lost) -> tuple[Crossing | Doubt | SightChange, ...]:
        """Take the next picture, or the loss of them. Sight is told first, at the first picture and at each change."""
        match what:
            case Frame():
                self.frames += 1
                self._steady_ms, self._ahead_ms = what.steady_ms, what.at_ms - what.steady_ms
                sight, why = self._sight_test.judge(what) if self._sight_test else (Sight.CLEAR, "seen")
                told = self._change(sight, why, at_ms=what.at_ms)
                if sight is not Sight.CLEAR:
                    return told
                for number, source in enumerate(self.sources):
                    for crossing in source.see(what):
                        self._agreement.hear(number, crossing)
                return told + self._tell()
            case Lost():
                told = self._finished()
                return told if what.ended else told + self._change(Sight.BLIND, "source lost", at_ms=what.at_ms)
            case _:
                assert_never(what)

    def _finished(self) -> tuple[Crossing | Doubt, ...]:
        for number, source in enumerate(self.sources):
            for crossing in source.finish():
                self._agreement.hear(number, crossing)
        return self._tell(everything=True)

    def _tell(self, *, everything: bool = False) -> tuple[Crossing | Doubt, ...]:
        told = tuple(self._in_utc(one) for one in self._agreement.tell(self._steady_ms, everything=everything))
        counted = [one for one in told if isinstance(one, Crossing) and self.counts(one)]
        self.total_in += sum(one.direction is Direction.IN for one in counted)
        self.total_out += sum(one.direction is Direction.OUT for one in counted)
        return told

    def _in_utc(self, one: Crossing | Doubt) -> Crossing | Doubt:
        crossing = one if isinstance(one, Crossing) else one.crossing
        crossing = replace(crossing, at_ms=crossing.at_ms + self._ahead_ms)
        return crossing if isinstance(one, Crossing) else replace(one, crossing=crossing)

    def _change(self, sight: Sight, why: str, *, at_ms: int) -> tuple[Crossing | Doubt | SightChange, ...]:
        if sight is self._sight:
            return ()
        told: tuple[Crossing | Doubt, ...] = ()
        if sight is Sight.BLIND and self._sight is not None:  # what moves from here on is not known
            told = self._finished()
            for source in self.sources:
                source.forget_all()
            self._agreement.forget_all()
        self._sight = sight
        return (*told, SightChange(at_ms=at_ms, sight=sight, why=why))


def count(frames: Iterable[Frame | Lost], counter: Counter) -> Iterator[Crossing | Doubt | SightChange]:
    """Everything that happens in these pictures, in order."""
    for frame in frames:
        yield from counter.see(frame)
