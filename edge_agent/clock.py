"""The box's clocks; the only module that calls `time`.

UTC may step and may be wrong; the steady clock (CLOCK_BOOTTIME) never steps and goes on while the box sleeps, but
begins anew at each boot. A statement carries both, the boot's id, and how good UTC was. Nothing is kept here, so
nothing can be lost.
"""

import ctypes
import os
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Final, Protocol

from evidence.statement import ClockQuality

LONGEST_WAIT_S: Final = 3600.0
"""A wait is taken in pieces no longer than this: it counts CLOCK_MONOTONIC, which stands still in a suspend."""

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
ONCE_SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches it at the first synchronization since boot (systemd-timesyncd.service(8))."""
RTC_SET_THE_CLOCK: Final = Path("/sys/class/rtc/rtc0/hctosys")
"""Holds 1 when the kernel set the system clock from the battery-backed one at boot."""


class Clock(Protocol):
    """Everything a loop may know about time."""

    def utc_ms(self) -> int:
        """UTC now, milliseconds since 1970; may step."""
        ...

    def steady_ms(self) -> int:
        """Milliseconds since this boot; never steps, never goes back."""
        ...

    def wait_until(self, steady_ms: int, stop: Event) -> bool:
        """Wait until the steady clock shows `steady_ms` or `stop` is set; whether `stop` is set."""
        ...

    def boot_id(self) -> bytes:
        """16 bytes that name this boot: steady times compare only within one."""
        ...

    def quality(self) -> tuple[ClockQuality, int | None]:
        """How good UTC is now, and its error bound in ms where one is known."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        self._was_synchronized = False

    def utc_ms(self) -> int:
        """CLOCK_REALTIME."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        """CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wait_until(self, steady_ms: int, stop: Event) -> bool:
        """See Clock."""
        until_s = steady_ms / 1000
        while not stop.is_set():
            left_s = until_s - time.clock_gettime(time.CLOCK_BOOTTIME)
            if left_s <= 0:
                return False
            stop.wait(min(left_s, LONGEST_WAIT_S))
        return True

    def boot_id(self) -> bytes:
        """The kernel's random id of this boot (random(4))."""
        return bytes.fromhex(BOOT_ID.read_text(encoding="ascii").strip().replace("-", ""))

    def quality(self) -> tuple[ClockQuality, int | None]:
        """From the kernel's clock discipline (adjtimex(2), asked without changing anything)."""
        kernel = _ask_kernel()
        if kernel.disciplined:
            self._was_synchronized = True
            return ClockQuality.NTP, kernel.error_ms
        if self._was_synchronized or ONCE_SYNCHRONIZED.exists() or _reads_one(RTC_SET_THE_CLOCK):
            return ClockQuality.FREE, None
        return ClockQuality.UNSET, None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """The three numbers of a CatchUpClock."""

    started_at_ms: int
    """Real UTC at which it began to run."""
    back_ms: int
    rate: int

    def __post_init__(self) -> None:
        if self.back_ms < 0 or self.rate < 1:
            raise ValueError(f"a catch-up clock begins in the past and is never slower than time: {self}")


class CatchUpClock:
    """A clock for the desk: begins `back_ms` before `started_at_ms`, `rate` times as fast until it meets real time.

    v(t) = started_at - back + (t - started_at) * rate; from there on it is real time. Its steady clock is 0 where
    it began and runs alike. Two processes given the same three numbers agree, also on the boot id, which is not the
    machine's. While it is not real its quality is SIMULATED.
    """

    def __init__(self, started_at_ms: int, *, back_ms: int, rate: int) -> None:
        self._numbers = CatchUp(started_at_ms=started_at_ms, back_ms=back_ms, rate=rate)
        self._real = SystemClock()
        self._offset_ms = self._real.utc_ms() - self._real.steady_ms()

    def utc_ms(self) -> int:
        """Virtual UTC; after the meeting the machine's own."""
        virtual_ms, real_ms = self._both()
        return virtual_ms if virtual_ms < real_ms else self._real.utc_ms()

    def steady_ms(self) -> int:
        """Virtual milliseconds since the virtual beginning."""
        return self._both()[0] - self._began_at_ms

    def wait_until(self, steady_ms: int, stop: Event) -> bool:
        """Waits the real duration in which this clock gets there."""
        return self._real.wait_until(self._real_steady_ms(steady_ms), stop)

    def boot_id(self) -> bytes:
        """Differs from the machine's: these steady times are not the machine's."""
        return sha256(self._real.boot_id() + repr(self._numbers).encode()).digest()[:16]

    def quality(self) -> tuple[ClockQuality, int | None]:
        """SIMULATED until it has met real time."""
        virtual_ms, real_ms = self._both()
        return (ClockQuality.SIMULATED, None) if virtual_ms < real_ms else self._real.quality()

    @property
    def _began_at_ms(self) -> int:
        return self._numbers.started_at_ms - self._numbers.back_ms

    def _both(self) -> tuple[int, int]:
        """(virtual, real) UTC; the real one carried by the steady clock, so neither steps."""
        real_ms = self._offset_ms + self._real.steady_ms()
        fast_ms = max(0, real_ms - self._numbers.started_at_ms) * self._numbers.rate
        return min(real_ms, self._began_at_ms + fast_ms), real_ms

    def _real_steady_ms(self, virtual_steady_ms: int) -> int:
        virtual_ms = self._began_at_ms + virtual_steady_ms
        fast_ms = self._numbers.started_at_ms + -(-virtual_steady_ms // self._numbers.rate)
        return max(virtual_ms, fast_ms) - self._offset_ms


def clock_of(catch_up: CatchUp | None) -> Clock:
    """The clock that a configuration asks for; None is the machine's own."""
    if catch_up is None:
        return SystemClock()
    return CatchUpClock(catch_up.started_at_ms, back_ms=catch_up.back_ms, rate=catch_up.rate)


def stopwatch_s() -> float:
    """Seconds from an arbitrary zero, for how long a wire takes to answer: real time also under a CatchUpClock."""
    return time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    disciplined: bool
    error_ms: int | None


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2); the reserved tail is generous."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 48),
    )


_STA_UNSYNC: Final = 0x0040
_TIME_ERROR: Final = 5
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def _ask_kernel() -> _Kernel:
    """`modes` 0 only reads (adjtimex(2)); an error bound of the kernel is in microseconds."""
    timex = _Timex(modes=0)
    state: int = _LIBC.adjtimex(ctypes.byref(timex))
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "adjtimex")
    disciplined = state != _TIME_ERROR and not timex.status & _STA_UNSYNC
    return _Kernel(disciplined=disciplined, error_ms=-(-timex.maxerror // 1000) if disciplined else None)


def _reads_one(path: Path) -> bool:
    try:
        return path.read_text(encoding="ascii").strip() == "1"
    except (OSError, UnicodeDecodeError):
        return False
