"""A clock that sleeps a week in no time: it shows what it is told, and waiting moves it on."""

from threading import Event

from evidence.statement import ClockQuality

BEGAN_MS = 1_700_000_000_000


class SleeperClock:
    """Satisfies edge_agent.clock.Clock."""

    def __init__(self, steady_ms: int = 0, utc_ms: int = BEGAN_MS) -> None:
        self.now_ms, self.apart_ms = steady_ms, utc_ms - steady_ms

    def utc_ms(self) -> int:
        return self.now_ms + self.apart_ms

    def steady_ms(self) -> int:
        return self.now_ms

    def wait_until(self, steady_ms: int, stop: Event) -> bool:
        self.now_ms = max(self.now_ms, steady_ms)
        return stop.is_set()

    def boot_id(self) -> bytes:
        return b"sleeper's boot 1"

    def quality(self) -> tuple[ClockQuality, int | None]:
        return ClockQuality.NTP, 5
