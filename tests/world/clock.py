"""A clock that sleeps a week in no time, is set, drifts in quality, and boots anew."""

from hashlib import sha256
from threading import Event

from evidence.statement import ClockQuality


class TestClock:
    """UTC and steady time move only when told to, or when somebody waits."""

    __test__ = False

    def __init__(self, at_ms: int = 1_800_000_000_000, *, steady_ms: int = 50_000) -> None:
        self.at_ms, self.steady = at_ms, steady_ms
        self.boots = 1
        self.clock = ClockQuality.NTP

    def utc_ms(self) -> int:
        return self.at_ms

    def steady_ms(self) -> int:
        return self.steady

    def wait_until(self, steady_ms: int, stop: Event) -> bool:
        if not stop.is_set():
            self.sleep(max(0, steady_ms - self.steady))
        return stop.is_set()

    def boot_id(self) -> bytes:
        return sha256(b"boot %d" % self.boots).digest()[:16]

    def quality(self) -> tuple[ClockQuality, int | None]:
        return self.clock, 5 if self.clock is ClockQuality.NTP else None

    def sleep(self, ms: int) -> None:
        """Time passes."""
        self.at_ms += ms
        self.steady += ms

    def set(self, by_ms: int) -> None:
        """The wall clock is set; the steady one knows nothing of it."""
        self.at_ms += by_ms

    def boot(self, *, off_ms: int = 0) -> None:
        """The power was off so long, and comes back."""
        self.at_ms += off_ms
        self.steady = 3_000
        self.boots += 1
