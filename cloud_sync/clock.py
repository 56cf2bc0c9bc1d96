"""The receiver's clocks; the only module of it that calls `time`."""

import time
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """Everything a loop may know about time."""

    def utc_ms(self) -> int:
        """UTC now, milliseconds since 1970; may step."""
        ...

    def steady_s(self) -> float:
        """Seconds from an arbitrary zero; never steps, never goes back."""
        ...

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait so long, or until `stop` is set; whether `stop` is set."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def utc_ms(self) -> int:
        """CLOCK_REALTIME."""
        return utc_ms()

    def steady_s(self) -> float:
        """CLOCK_MONOTONIC."""
        return time.monotonic()

    def wait(self, seconds: float, stop: Event) -> bool:
        """See Clock."""
        return stop.wait(seconds)


def utc_ms() -> int:
    """UTC now, for a command that asks once."""
    return time.time_ns() // 1_000_000
