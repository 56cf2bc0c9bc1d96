"""A meter that is read once a day: asked again when an answer was not whole, sealed when it was read."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from edge_agent.drivers.modbus import line_of
from edge_agent.keeping.keeper import CLEAR_JOURNAL_EVERY
from edge_agent.keeping.spool import Spool
from edge_agent.polling.poll import FIRST_RETRY_MS, LONGEST_RETRY_MS, Poller
from edge_agent.reading import Reading
from evidence.bodies import Failure
from tests.world.box import BOX, BoxUnderTest, machine_settings, recounted
from tests.world.buses import machine, tcp
from tests.world.plant import Fault, Plant
from tests.world.sleeper import SleeperClock

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
YARD, PRESS = "machine/yard", "machine/press"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxUnderTest]:
    made = BoxUnderTest(directory=tmp_path, settings={YARD: machine_settings("yard", period_ms=DAY_MS, judged=False)})
    made.start()
    yield made
    if made.spool is not None:
        made.die()


def days(box: BoxUnderTest, watts: list[float | None]) -> list[int]:
    """The keeper looks every 10 minutes, the meter answers once a day; the times of the readings."""
    times = []
    for each in watts:
        times.append(box.read("yard", each).at_ms)
        for _ in range(DAY_MS // 600_000):
            box.keeper.step()
            box.clock.sleep(600_000)
    return times


def test_each_reading_is_a_statement_at_once_and_between_two_there_is_none(box: BoxUnderTest) -> None:
    times = days(box, [100, 200, None, 300])
    windows = box.statements().windows(YARD)
    assert [window.times_ms for window in windows] == [[at_ms] for at_ms in times]
    assert all(one.to_ms == other.from_ms for one, other in pairwise(windows))
    assert [window.to_ms for window in windows] == [at_ms + 1 for at_ms in times]
    sealed = [statement.moment.at_ms for statement in box.statements().by_stream[YARD][1:]]
    assert sealed == times
    found = recounted(box.statements().bodies(YARD))
    assert (found.windows, found.rows, found.answered, found.unobserved_ms, found.gaps) == (4, 4, 3, 0, 0)


def test_of_a_meter_that_nobody_asks_it_is_said_once_a_day(box: BoxUnderTest) -> None:
    days(box, [100])
    for _ in range(5 * DAY_MS // 600_000):
        box.keeper.step()
        box.clock.sleep(600_000)
    empty = [window for window in box.statements().windows(YARD) if not window.times_ms]
    assert 4 <= len(empty) <= 5
    assert empty[-1].to_ms > box.clock.utc_ms() - 2 * DAY_MS


def test_the_journal_of_the_others_is_cleared_meanwhile(box: BoxUnderTest) -> None:
    box.die()
    box.settings[PRESS] = machine_settings()
    box.start()
    box.read("yard", 100)
    for _ in range(10 * CLEAR_JOURNAL_EVERY):
        box.read("press", 1500)
        box.keeper.step()
        box.clock.sleep(1000)
    with closing(Spool(box.box.spool, box=BOX, read_only=True)) as spool:
        commits = len(list(spool.read_journal("poll")))
    assert commits <= 2 * CLEAR_JOURNAL_EVERY + box.box.seal_every_ms // 1000


def test_killed_between_two_readings_nothing_is_sealed_twice_or_lost(box: BoxUnderTest) -> None:
    times = days(box, [100])
    box.die()
    box.clock.sleep(HOUR_MS)
    box.start()
    times += days(box, [150, 200])
    found = box.statements()
    assert found.times(YARD) == times
    assert len(found.gaps(YARD)) == 1


# Asking again


def polled(fault_until_ms: int, *, period_ms: int = DAY_MS, until_ms: int = 2 * DAY_MS) -> list[Reading]:
    clock, readings = SleeperClock(), list[Reading]()
    with Plant() as plant:
        here = replace(machine(tcp(plant[0].port)), period_ms=period_ms)
        line = line_of(here.bus)
        poller = Poller(here.bus, [here], line=line, clock=clock, deliver=readings.append, chance=Random(1))
        while (next_ms := poller.next_ms()) < until_ms:
            clock.wait_until(next_ms, threading.Event())
            plant[0].fault = Fault.CLOSE if clock.now_ms < fault_until_ms else Fault.NONE
            poller.step()
        line.close()
    return readings


def test_a_daily_reading_is_not_lost_to_a_moments_noise() -> None:
    readings = polled(1)
    assert [(reading.steady_ms, reading.failure) for reading in readings] == [
        (0, Failure.LINE_DOWN),
        (FIRST_RETRY_MS, None),
        (DAY_MS, None),
    ]
    assert all(reading.cycles == 1 for reading in readings)


def test_a_meter_that_is_gone_all_day_is_asked_every_hour_at_last() -> None:
    readings = polled(DAY_MS + HOUR_MS)
    apart = [after.steady_ms - before.steady_ms for before, after in pairwise(readings)]
    assert apart[:7] == [FIRST_RETRY_MS * 2**i for i in range(6)] + [LONGEST_RETRY_MS]
    assert max(apart) == LONGEST_RETRY_MS
    assert len(readings) < 35
    assert DAY_MS in [reading.steady_ms for reading in readings]
    assert Failure.MISSED not in [reading.failure for reading in readings]
    assert readings[-1].failure is None


def test_a_machine_that_is_asked_every_second_is_never_asked_in_between() -> None:
    readings = polled(DAY_MS, period_ms=60_000, until_ms=600_000)
    assert [reading.steady_ms % 60_000 for reading in readings] == [0] * len(readings)
