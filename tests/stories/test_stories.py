"""Everything that may happen to a box, its link, its broker and its receiver, through real processes.

A row of the table is a fault; after every row the same holds (`judge`):
1. Every statement that the box sealed is held by the receiver, once, byte for byte, in whole chains.
2. No reading is in two statements, and of those that the machines answered no more are missing than one commit interval
   for each time that the box was cut off in the middle, or than what a signed GAP counts.
3. Nothing is painted that does not rest on a good reading within its hold.
4. A bank that judges again agrees.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from cloud_sync.derive import Paint
from evidence.bodies import ClockStep, Configuration, Failure, GapReason, Readings
from evidence.exits import Exit
from tests.world.box import Statements
from tests.world.broker import missing_broker
from tests.world.disk import LoopDisk, loop_disk, no_loop_disk, no_tmpfs_disk, tmpfs_disk
from tests.world.workshop import COMMIT_S, HOLD_S, MACHINES, PERIOD_S, Workshop, workshop

pytestmark = [
    pytest.mark.story,
    pytest.mark.timeout(480),
    pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker())),
]

LONG = bool(os.environ.get("STORIES_LONG"))
"""Set by scripts/test-long: the same faults, as long as they last out there."""
PER_CUT = round(COMMIT_S / PERIOD_S) + 4
"""Readings of one machine that one cut may cost: a commit interval, what is on the wire, and a slow disk."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a fault may cost."""

    cuts: int = 0
    """How often the box's own process was cut off in the middle."""
    forgets: bool = False
    """Whether the box may have deleted what was receipted."""
    reasons: frozenset[GapReason] = frozenset()
    """Of the GAPs that must be signed."""


Fault = Callable[[Workshop], Expected]


def an_honest_day(shop: Workshop) -> Expected:
    shop.run(4)
    return Expected()


def the_receiver_is_killed_in_the_midst_of_batches(shop: Workshop) -> Expected:
    shop.sync.stop()
    shop.run(3)
    shop.sync.start()
    for wait_s in (0.6, 0.3):
        shop.run(wait_s)
        shop.receiver.kill9()
        shop.run(0.5)
        shop.receiver.start()
    return Expected()


def the_broker_is_killed_and_forgets_everything(shop: Workshop) -> Expected:
    for _ in range(2):
        shop.run(1)
        shop.broker.kill9()
        shop.run(1)
        shop.broker.start()
    return Expected()


def the_box_is_killed_again_and_again(shop: Workshop) -> Expected:
    cuts = 8 if LONG else 3
    for cut in range(cuts):
        shop.run(0.1 + 0.37 * (cut % 4))
        shop.poll.kill9()
        shop.poll.start()
        shop.until_it_polls()
    return Expected(cuts=cuts, reasons=frozenset({GapReason.CRASH}))


def the_uplink_is_killed_again_and_again(shop: Workshop) -> Expected:
    for cut in range(4):
        shop.run(0.2 + 0.3 * cut)
        shop.sync.kill9()
        shop.sync.start()
    return Expected()


def the_signer_is_killed_again_and_again(shop: Workshop) -> Expected:
    """And frozen once. It is seen by nothing in what the receiver holds."""
    for moment in range(8 if LONG else 4):
        shop.run(0.3 + 0.23 * moment)
        shop.signer.send_signal(signal.SIGSTOP if moment == 1 else signal.SIGKILL)
        shop.until(lambda: shop.poll.log.count("the signer is back") > moment)  # noqa: B023 - waited for at once
    shop.run(1)
    return Expected()


def the_link_swallows_everything_and_closes_nothing(shop: Workshop) -> Expected:
    shop.run(1)
    shop.network.black_hole()
    shop.run(60 if LONG else 11)
    shop.network.heal()
    return Expected()


def the_configuration_is_changed_while_it_polls(shop: Workshop) -> Expected:
    """Four times, once to something wrong: the first machine's rule, and a machine that goes and comes back."""
    file = shop.directory / "box.toml"
    good = file.read_text(encoding="utf-8")
    raised = good.replace("running_above_w = 1000", "running_above_w = 1001", 1)
    without_saw = raised[: raised.index('[[bus]]\nname = "bus-saw"')]
    assert len({good, raised, without_saw}) == 3
    for text in (raised, raised.replace("seal_every_s", "seal_evry_s"), without_saw, raised):
        shop.run(1.5)
        file.write_text(text, encoding="utf-8")
        shop.poll.reload()
        if "seal_evry_s" in text:
            shop.until(lambda: "seal_evry_s" in shop.poll.log)
    shop.until_it_polls()
    shop.run(1.5)
    for machine in MACHINES:
        statements = Statements.of_encoded(shop.sealed(), shop.key)
        declared = [body for body in statements.bodies(f"machine/{machine}") if isinstance(body, Configuration)]
        assert len(declared) == (2 if machine == "press" else 1)
    assert "box.seal_evry_s is no known key" in shop.poll.log
    return Expected()


def the_machines_fall_silent_and_come_back(shop: Workshop) -> Expected:
    from tests.world.plant import Fault as PlantFault

    for fault in (PlantFault.HANG, PlantFault.GARBAGE, PlantFault.CLOSE):
        shop.plant[0].fault = fault
        shop.run(1.5)
        shop.plant[0].fault = PlantFault.NONE
        shop.run(1)
    return Expected()


def the_box_is_stopped_and_started_as_told(shop: Workshop) -> Expected:
    shop.run(1)
    assert shop.poll.stop() == Exit.OK
    shop.run(1)
    shop.poll.start()
    shop.until_it_polls()
    return Expected(reasons=frozenset({GapReason.BOX_OFF}))


ROWS: tuple[Fault, ...] = (
    an_honest_day,
    the_configuration_is_changed_while_it_polls,
    the_receiver_is_killed_in_the_midst_of_batches,
    the_broker_is_killed_and_forgets_everything,
    the_box_is_killed_again_and_again,
    the_uplink_is_killed_again_and_again,
    the_signer_is_killed_again_and_again,
    the_link_swallows_everything_and_closes_nothing,
    the_machines_fall_silent_and_come_back,
    the_box_is_stopped_and_started_as_told,
)


@pytest.mark.parametrize("fault", ROWS, ids=lambda fault: fault.__name__)
def test_nothing_is_lost_doubled_or_made_up(tmp_path: Path, fault: Fault) -> None:
    with workshop(tmp_path) as shop:
        begin(shop)
        expected = fault(shop)
        shop.finish()
        judge(shop, expected)


@pytest.mark.skipif(no_loop_disk() is not None, reason=str(no_loop_disk()))
def test_a_power_cut_costs_one_commit_interval(tmp_path: Path) -> None:
    with loop_disk(tmp_path, size_mb=32) as disk, workshop(tmp_path, disk=disk.path) as shop:
        begin(shop)
        for _ in range(3 if LONG else 2):
            shop.run(1.3)
            pull_the_plug(shop, disk)
        shop.finish()
        judge(shop, Expected(cuts=3 if LONG else 2))


def pull_the_plug(shop: Workshop, disk: LoopDisk) -> None:
    """Both processes stop in one instant, and what the disk had not been told is gone."""
    shop.sync.freeze()
    shop.poll.freeze()
    at = disk.cut() / "box"
    shop.sync.kill9()
    shop.poll.kill9()
    disk.path = at.parent  # the next cut is one of this disk
    disk.image = disk.path.with_suffix(disk.path.suffix.replace("at", "cut"))
    shop.at(at)
    shop.sync.start()
    shop.poll.start()
    shop.until_it_polls()


@pytest.mark.skipif(no_tmpfs_disk() is not None, reason=str(no_tmpfs_disk()))
def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    with tmpfs_disk(tmp_path, size_mb=16) as disk, workshop(tmp_path, disk=disk.path) as shop:
        begin(shop)
        shop.run(1)
        give_up = time.monotonic() + (20 if LONG else 5)
        while time.monotonic() < give_up:
            disk.fill()
            shop.run(0.2)
        assert shop.poll.is_alive
        disk.free()
        shop.until(lambda: "keeping goes on" in shop.poll.log)
        shop.finish()
        assert "they wait in memory" in shop.poll.log
        assert "keeping goes on" in shop.poll.log
        judge(shop, Expected(forgets=True))


@pytest.mark.parametrize("by_ms", [7_200_000, -7_200_000])
def test_a_wall_clock_that_is_set_is_signed_and_no_time_is_made_up(tmp_path: Path, by_ms: int) -> None:
    with workshop(tmp_path) as shop:
        shop.poll.skew = shop.skew
        begin(shop)
        began = time.monotonic()
        shop.run(1.5)
        shop.skew.write_text(str(by_ms))
        shop.run(2)
        shop.finish()
        took_ms = (time.monotonic() - began + 5) * 1000
        found = judge(shop, Expected(reasons=frozenset({GapReason.CLOCK} if by_ms > 0 else ())))
        steps = [body for body in found.bodies("box") if isinstance(body, ClockStep)]
        assert [abs(step.after_ms - step.before_ms - by_ms) < 1_500 for step in steps] == [True]
        assert sum(window.to_ms - window.from_ms for window in found.windows()) < took_ms
        painted = sum(to_ms - from_ms for from_ms, to_ms, _ in spans_of(shop)["machine/press"])
        assert painted < took_ms


def test_a_spool_restored_from_an_old_copy_is_a_proven_fork_and_nothing_is_overwritten(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        begin(shop)
        shop.run(1.5)
        with closing(sqlite3.connect(shop.spool_file)) as live, closing(sqlite3.connect(tmp_path / "old")) as copy:
            live.backup(copy)
        shop.run(2.5)
        shop.poll.kill9()
        shop.sync.kill9()
        before = set(shop.held())
        for suffix in ("", "-wal", "-shm"):
            shop.spool_file.with_name(f"spool.db{suffix}").unlink(missing_ok=True)
        shutil.copy(tmp_path / "old", shop.spool_file)
        old = set(shop.sealed())
        shop.poll.start()
        shop.until_it_polls()
        shop.sync.start()
        shop.until(lambda: "FORK" in shop.sync.log)
        shop.run(2)
        assert shop.poll.stop() == Exit.OK
        shop.until(lambda: set(shop.sealed()) <= set(shop.held()))
        chains = Statements.of_encoded(shop.sealed(), shop.key).by_stream
        shop.until(lambda: shop.sync.log.count("FORK:") >= len(chains))
        shop.run(1)
        assert shop.sync.stop() == Exit.OK
        held = shop.held()
        assert before <= set(held), "what was held is held"
        assert old <= set(shop.sealed()), "what was in the copy is there still"
        assert len(held) == len(set(held))
        with shop.store() as store:
            forks = {stream.stream: stream.forks for stream in store.streams()}
        assert all(forks[stream] for stream in chains), "two statements of one n, side by side: the proof"
        assert shop.sync.log.count("FORK:") == len(chains), "told once a stream"
        status = subprocess.run(
            [sys.executable, "-m", "edge_agent", "status", "--config", str(shop.directory / "box.toml")],
            check=False,
            capture_output=True,
            text=True,
        )
        assert status.returncode == Exit.WRONG_OUT_THERE
        assert "FORKED" in status.stdout


# What holds after every row.


def begin(shop: Workshop) -> None:
    shop.poll.start()
    shop.sync.start()
    shop.until_it_polls()


def judge(shop: Workshop, expected: Expected) -> Statements:
    sealed, held = shop.sealed(), shop.held()
    assert len(held) == len(set(held))
    if expected.forgets:
        assert set(sealed) <= set(held)
    else:
        assert sorted(sealed) == sorted(held), "what is sealed and what is held differ"
    found = Statements.of_encoded(held, shop.key)
    painted = spans_of(shop)
    reasons = set()
    for number, name in enumerate(MACHINES):
        stream = f"machine/{name}"
        windows, gaps = found.windows(stream), found.gaps(stream)
        reasons |= {gap.reason for gap in gaps}
        counted = sum(gap.lost or 0 for gap in gaps)
        judge_readings(reads_of(windows), shop.plant[number].answered, counted + PER_CUT * (expected.cuts + 1))
        assert all(a.to_ms <= b.from_ms for a, b in pairwise(windows)) or GapReason.CLOCK in reasons or by_step(found)
        assert found.judged_again(stream).disagreements == ()
        judge_paint(painted[stream], windows)
    assert expected.reasons <= reasons
    return found


def by_step(found: Statements) -> bool:
    return any(isinstance(body, ClockStep) for body in found.bodies("box"))


def reads_of(windows: list[Readings]) -> list[int]:
    """The number that each answer carried."""
    columns = [column for window in windows for column in window.columns if column.point == "reads"]
    return [value for column in columns for value in column.values if value is not None]


def judge_readings(sealed: list[int], answered: int, may_miss: int) -> None:
    assert len(sealed) == len(set(sealed)), "a reading is sealed twice"
    assert sealed == sorted(sealed)
    assert set(sealed) <= set(range(1, answered + 1)), "a reading that no machine gave"
    assert answered - len(sealed) <= may_miss, "more is lost than one commit interval a cut"


def spans_of(shop: Workshop) -> dict[str, list[tuple[int, int, int]]]:
    """Everything that is painted, by stream."""
    with shop.store() as store:
        names = {stream.id: stream.stream for stream in store.streams()}
        found = store.spans(list(names), 0, 1 << 52)
        return {name: list(found.get(id_, ())) for id_, name in names.items()}


def judge_paint(painted: list[tuple[int, int, int]], windows: list[Readings]) -> None:
    """Every painted millisecond lies within the hold of a good reading, and in a window."""
    good: list[tuple[int, int]] = []
    for window in windows:
        bad = {row for row, why, _ in window.failures if why is not Failure.NO_VALUE}
        good += [(at_ms, at_ms + HOLD_S * 1000) for row, at_ms in enumerate(window.times_ms) if row not in bad]
    grounds = merged(good)
    spoken = merged([(window.from_ms, window.to_ms) for window in windows])
    for from_ms, to_ms, paint in painted:
        assert paint in (Paint.RUNNING, Paint.CONTESTED)
        assert any(start <= from_ms and to_ms <= end for start, end in grounds), "painted without a reading"
        assert any(start <= from_ms and to_ms <= end for start, end in spoken), "painted where no window speaks"


def merged(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
