"""What one asking of one machine gave: values, or why not. Drivers make readings; judging and keeping consume them."""

from dataclasses import dataclass
from typing import Final

from evidence.bodies import Event, Failure

NOW_MS: Final = 0
"""As an event's `at_ms`: the instant of the reading that brings it."""

Frame = tuple[bytes, bytes]
"""(request, answer) as they were on the wire, with their header and check: the raw evidence of one block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One asking of one stream.

    `values` has one place a point, in the order of the machine's `points`: an integer with that point's decimals,
    or None. `failure` is None when every point has its value; otherwise it says why the (first) missing one is
    missing. So a reading was answered, at least in part, when any value is not None. When nothing was asked
    (RESTED, MISSED) every value is None.
    """

    stream: str
    at_ms: int
    """UTC when the last answer arrived, or when asking failed."""
    steady_ms: int
    """The steady clock at that instant."""
    values: tuple[int | None, ...]
    failure: Failure | None = None
    frames: tuple[Frame, ...] = ()
    """One a block that was asked, in the plan's order; the answer is empty when none came."""
    events: tuple[Event, ...] = ()
    """What the device reported by itself."""
    cycles: int = 1
    """How many cycles of the stream's period this stands for: 1, or for MISSED how many were not asked."""
