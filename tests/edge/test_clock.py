import time
from threading import Event, Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.clock import CatchUp, CatchUpClock, Clock, SystemClock, clock_of, stopwatch_s
from evidence.statement import ClockQuality
from tests.world.sleeper import SleeperClock


def test_the_system_clock_is_the_machines() -> None:
    clock: Clock = clock_of(None)
    assert int(time.time() * 1000) <= clock.utc_ms() <= time.time() * 1000
    assert int(_boottime_ms()) <= clock.steady_ms() <= _boottime_ms()
    assert len(clock.boot_id()) == 16
    assert clock.boot_id() == SystemClock().boot_id()
    quality, error_ms = clock.quality()
    assert (error_ms is not None) is (quality is ClockQuality.NTP)


def _boottime_ms() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


def test_a_wait_ends_at_its_time_and_not_before() -> None:
    clock = SystemClock()
    until_ms = clock.steady_ms() + 30
    assert clock.wait_until(until_ms, Event()) is False
    assert until_ms <= clock.steady_ms() < until_ms + 5_000


def test_a_wait_ends_at_once_when_stop_is_set() -> None:
    clock, stop = SystemClock(), Event()
    Timer(0.05, stop.set).start()
    began = time.monotonic()
    assert clock.wait_until(clock.steady_ms() + 60_000, stop) is True
    assert time.monotonic() - began < 30


def test_a_clock_catches_up_with_real_time_and_then_is_real() -> None:
    real, back_ms = SystemClock(), 800_000  # caught up in 2 s
    began_ms = real.utc_ms()
    clock = CatchUpClock(began_ms, back_ms=back_ms, rate=401)
    assert clock.quality() == (ClockQuality.SIMULATED, None)
    assert clock.utc_ms() < began_ms
    steady_ms = clock.steady_ms()
    assert not clock.wait_until(steady_ms + 20_050, Event())  # 50 ms of real time
    assert 20_050 <= clock.steady_ms() - steady_ms < back_ms
    before_ms, steady_ms, after_ms = clock.utc_ms(), clock.steady_ms(), clock.utc_ms()
    assert before_ms <= began_ms - back_ms + steady_ms <= after_ms
    clock.wait_until(back_ms + 2_000, Event())
    before_ms, shown_ms, after_ms = real.utc_ms(), clock.utc_ms(), real.utc_ms()
    assert before_ms <= shown_ms <= after_ms
    assert clock.quality() == real.quality()


def test_two_processes_with_the_same_numbers_agree() -> None:
    numbers = CatchUp(started_at_ms=SystemClock().utc_ms() - 100, back_ms=86_400_000, rate=60)
    one, other = clock_of(numbers), clock_of(numbers)
    assert one.boot_id() == other.boot_id() != SystemClock().boot_id()
    apart_ms = 60 * 5
    before_ms, shown_ms, after_ms = one.utc_ms(), other.utc_ms(), one.utc_ms()
    assert before_ms - apart_ms <= shown_ms <= after_ms + apart_ms
    before_ms, shown_ms, after_ms = one.steady_ms(), other.steady_ms(), one.steady_ms()
    assert before_ms - apart_ms <= shown_ms <= after_ms + apart_ms


def test_a_catch_up_clock_never_goes_back_where_it_meets_real_time() -> None:
    clock = CatchUpClock(SystemClock().utc_ms(), back_ms=2_000, rate=41)
    shown = []
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        shown.append((clock.steady_ms(), clock.utc_ms()))
    assert shown == sorted(shown)
    assert all(steady_ms >= 0 for steady_ms, _ in shown)


@pytest.mark.parametrize(("back_ms", "rate"), [(-1, 2), (1, 0)])
def test_a_clock_that_would_never_meet_real_time_cannot_be_made(back_ms: int, rate: int) -> None:
    with pytest.raises(ValueError, match="never slower"):
        CatchUp(started_at_ms=0, back_ms=back_ms, rate=rate)


@given(steady_ms=st.integers(0, 10**9), rate=st.integers(1, 10_000), back_ms=st.integers(0, 10**9))
def test_waiting_is_as_long_in_real_time_as_the_clock_needs(steady_ms: int, rate: int, back_ms: int) -> None:
    clock = CatchUpClock(SystemClock().utc_ms(), back_ms=back_ms, rate=rate)
    real_ms = clock._real_steady_ms(steady_ms)
    virtual_ms = min(
        real_ms + clock._offset_ms,
        clock._began_at_ms + max(0, real_ms + clock._offset_ms - clock._numbers.started_at_ms) * rate,
    )
    assert steady_ms <= virtual_ms - clock._began_at_ms < steady_ms + rate + 1


def test_the_stopwatch_runs_in_real_time() -> None:
    began = stopwatch_s()
    time.sleep(0.01)
    assert 0.01 <= stopwatch_s() - began < 30


def test_the_sleepers_clock_is_a_clock() -> None:
    clock: Clock = SleeperClock()
    assert not clock.wait_until(604_800_000, Event())
    assert clock.steady_ms() == 604_800_000
