"""Readings on their way from the buses' threads to the keeper's: bounded, and what does not fit is counted."""

from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import Final

from edge_agent.keeping.wall import Step, is_after
from edge_agent.reading import Reading

QUEUE_LIMIT: Final = 10_000
"""Readings that wait for the keeper, at most; beyond it the oldest are counted as lost."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Readings that were taken and could not be kept."""

    from_ms: int
    to_ms: int
    count: int

    def __add__(self, other: "Lost") -> "Lost":
        return Lost(min(self.from_ms, other.from_ms), max(self.to_ms, other.to_ms), self.count + other.count)


class Arrivals:
    """A queue with many writers and one reader."""

    def __init__(self) -> None:
        self._waiting: deque[Reading] = deque()
        self._lost: dict[str, Lost] = {}
        self._lock = Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, reading: Reading) -> None:
        """Take a reading over; any thread may call."""
        with self._lock:
            if len(self._waiting) >= QUEUE_LIMIT:
                oldest = self._waiting.popleft()
                lost = Lost(oldest.at_ms, oldest.at_ms + 1, 1)
                known = self._lost.get(oldest.stream)
                self._lost[oldest.stream] = lost if known is None else known + lost
            self._waiting.append(reading)
            if len(self._waiting) == 1:
                self._lock.notify()

    def wait(self, at_most_s: float) -> bool:
        """Wait for a reading; whether there is one."""
        with self._lock:
            return self._lock.wait_for(lambda: bool(self._waiting), at_most_s)

    def take(self, step: Step | None) -> Reading | None:
        """The oldest reading; None when there is none, or when it was stamped after the clock's step."""
        with self._lock:
            if not self._waiting:
                return None
            if step is not None and is_after(step, self._waiting[0].at_ms, self._waiting[0].steady_ms):
                return None
            return self._waiting.popleft()

    def take_lost(self) -> dict[str, Lost]:
        """By stream, what did not fit since this was last asked."""
        with self._lock:
            lost, self._lost = self._lost, {}
            return lost

    def first_after(self, step: Step) -> int:
        """When, in the new time, the first waiting reading was stamped after the step; the step's own time at most."""
        with self._lock:
            stamps = [r.at_ms for r in self._waiting if is_after(step, r.at_ms, r.steady_ms)]
        return min([step.after_ms, *stamps])
