"""The keeper: whatever ends it, and wherever, what it had kept is signed once, and nothing else is claimed."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edge_agent.keeping.arrivals import QUEUE_LIMIT
from edge_agent.keeping.spool import Spool, SpoolError
from evidence.bodies import Boot, ClockStep, Configuration, Failure, Gap, GapReason, Heartbeat, Keep, Readings, Shutdown
from evidence.chain import Segment
from evidence.receipt import Receipt, StreamReceipt
from tests.world.box import BOX, BoxUnderTest, Statements, machine_settings
from tests.world.clock import TestClock
from tests.world.disk import FullDisk, LoopDisk, loop_disk, no_loop_disk, no_tmpfs_disk, tmpfs_disk
from tests.world.killing import Death, Tell, killed_at

TWO_HOURS_MS = 7_200_000
PRESS = "machine/press"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxUnderTest]:
    made = BoxUnderTest(directory=tmp_path)
    yield made
    if made.spool is not None:
        made.die()


def energies(statements: Statements, stream: str = PRESS) -> list[int]:
    """The counter in every answered sample: each reading has its own."""
    return [
        value
        for window in statements.windows(stream)
        for column in window.columns
        if column.point == "energy"
        for value in column.values
        if value is not None
    ]


def holes(statements: Statements, stream: str = PRESS) -> list[tuple[int, int]]:
    """Where one window does not adjoin the next."""
    return [
        (before.to_ms, after.from_ms)
        for before, after in pairwise(statements.windows(stream))
        if before.to_ms != after.from_ms
    ]


# An honest day.


def test_a_day_is_one_notebook_without_holes(box: BoxUnderTest) -> None:
    keeper = box.start()
    times = box.run(600)
    keeper.finish("stopped as told")
    found = box.statements()
    assert found.times() == times
    assert holes(found) == []
    assert found.gaps() == []
    assert found.judged_again().disagreements == ()
    assert isinstance(found.bodies("box")[-1], Shutdown)


def test_a_week_with_three_machines_passes_in_no_time(tmp_path: Path) -> None:
    week = BoxUnderTest(
        directory=tmp_path,
        settings={f"machine/m{i}": machine_settings(keep=Keep.MINUTE, period_ms=3_600_000) for i in range(3)},
        other={"seal_every_ms": 3_600_000, "heartbeat_every_ms": 3_600_000},
    )
    keeper = week.start()
    for hour in range(7 * 24):
        week.clock.sleep(3_600_000)
        for i in range(3):
            week.read(f"m{i}", 1500 if 6 <= hour % 24 < 22 else 0)
        keeper.step()
    keeper.finish("stopped as told")
    found = week.statements()
    week.die()
    for i in range(3):
        assert sum(len(window.times_ms) for window in found.windows(f"machine/m{i}")) == 7 * 24
        assert holes(found, f"machine/m{i}") == []
        assert found.judged_again(f"machine/m{i}").disagreements == ()
    assert len([b for b in found.bodies("box") if isinstance(b, Heartbeat)]) >= 7 * 24


def test_a_heartbeat_names_the_head_of_every_stream(box: BoxUnderTest) -> None:
    box.start()
    box.run(130)
    found = box.statements()
    beats = [body for body in found.bodies("box") if isinstance(body, Heartbeat)]
    assert len(beats) == 2
    for beat in beats:
        for stream, n, digest in beat.heads:
            assert found.by_stream[stream][n].sha256 == digest


def test_a_silent_machine_is_a_statement_too(box: BoxUnderTest) -> None:
    keeper = box.start()
    box.run(100, None)
    keeper.finish("stopped as told")
    windows = box.statements().windows()
    assert sum(len(window.times_ms) for window in windows) == 100
    assert {why for window in windows for _, why, _ in window.failures} == {Failure.SILENT}
    assert all(state == 0 for window in windows for _, state in window.spans)


def test_a_stream_of_which_nothing_at_all_is_heard_says_unknown(box: BoxUnderTest) -> None:
    keeper = box.start()
    for _ in range(200):
        box.clock.sleep(1000)
        keeper.step()
    windows = box.statements().windows()
    assert windows
    assert windows[-1].to_ms <= box.clock.utc_ms() - 30_000
    assert all(window.times_ms == [] for window in windows)


def test_a_change_of_state_is_sealed_at_once_but_not_more_than_twice_a_minute(box: BoxUnderTest) -> None:
    box.box = type(box.box)(**{f: getattr(box.box, f) for f in box.box.__slots__} | {"seal_every_ms": 3_600_000})
    keeper = box.start()
    box.run(70, 1500)
    before = len(box.statements().windows())
    box.run(6, 0)
    assert len(box.statements().windows()) == before + 1
    for _ in range(20):
        box.run(6, 1500)
        box.run(6, 0)
    assert len(box.statements().windows()) <= before + 1 + 9
    keeper.finish("stopped as told")
    assert box.statements().judged_again().disagreements == ()


def test_missed_cycles_are_counted_and_make_no_rows(box: BoxUnderTest) -> None:
    keeper = box.start()
    box.clock.sleep(1000)
    box.read("press", None, failure=Failure.MISSED, cycles=7)
    box.read("press", 1500)
    keeper.finish("stopped as told")
    (window,) = box.statements().windows()
    assert (window.missed, len(window.times_ms)) == (7, 1)


# Starting again.


def test_after_a_clean_stop_the_gap_says_off_and_nothing_lost(box: BoxUnderTest) -> None:
    box.start().finish("stopped as told")
    box.die()
    box.clock.sleep(60_000)
    box.start()
    (gap,) = box.statements().gaps()
    assert (gap.reason, gap.lost, gap.to_ms) == (GapReason.BOX_OFF, 0, box.clock.utc_ms())


def test_after_a_kill_the_gap_says_crash_and_that_nobody_knows_what_was_lost(box: BoxUnderTest) -> None:
    box.start()
    times = box.run(30)
    box.die()
    box.clock.sleep(60_000)
    box.start()
    found = box.statements()
    (gap,) = found.gaps()
    assert (gap.reason, gap.lost, gap.from_ms) == (GapReason.CRASH, None, times[-1] + 1)
    boots = [body for body in found.bodies("box") if isinstance(body, Boot)]
    assert (boots[0].last_alive_ms, boots[0].last_boot) == (None, b"")
    assert (boots[1].last_alive_ms, boots[1].last_boot) == (times[-1], box.clock.boot_id())


def test_after_another_boot_the_gap_says_off(box: BoxUnderTest) -> None:
    box.start()
    box.run(30)
    box.die()
    box.clock.boot(off_ms=3_600_000)
    box.start()
    (gap,) = box.statements().gaps()
    assert (gap.reason, gap.lost) == (GapReason.BOX_OFF, None)
    assert gap.to_ms - gap.from_ms > 3_500_000


def test_a_box_that_boots_with_a_clock_behind_says_that_nobody_knows_how_long_it_was_off(box: BoxUnderTest) -> None:
    box.start()
    box.run(30)
    box.die()
    box.clock.boot()
    box.clock.set(-TWO_HOURS_MS)
    keeper = box.start()
    box.run(5)
    box.clock.set(TWO_HOURS_MS + 600_000)  # the network sets it
    box.run(5)
    keeper.finish("stopped as told")
    found = box.statements()
    first, second = found.gaps()
    assert (first.from_ms, first.to_ms, first.reason) == (first.to_ms, first.from_ms, GapReason.CLOCK)
    assert second.reason is GapReason.CLOCK
    assert sum(w.to_ms - w.from_ms for w in found.windows()) < 45_000
    assert found.judged_again().disagreements == ()


def test_what_was_left_is_sealed_by_the_settings_it_was_measured_with(box: BoxUnderTest) -> None:
    box.start()
    box.run(10, 400)
    box.die()
    box.settings = {PRESS: machine_settings() | {"running_above_mw": 300_000}}
    keeper = box.start()
    box.run(10, 400)
    keeper.finish("stopped as told")
    found = box.statements()
    assert [window.spans[-1][1].name for window in found.windows()] == ["IDLE", "RUNNING"]
    assert found.judged_again().disagreements == ()


def test_a_machine_that_left_the_configuration_is_sealed_and_may_come_back(box: BoxUnderTest) -> None:
    box.settings = {PRESS: machine_settings(), "machine/saw": machine_settings("saw")}
    box.start()
    box.run(10)
    box.die()
    saw = box.settings.pop("machine/saw")
    box.clock.sleep(5_000)
    box.start()
    box.run(10)
    assert len(box.statements().times("machine/saw")) == 10
    box.die()
    box.settings["machine/saw"] = saw
    keeper = box.start()
    box.run(10)
    keeper.finish("stopped as told")
    found = box.statements()
    assert len(found.times("machine/saw")) == 20
    assert found.judged_again("machine/saw").disagreements == ()
    assert len(found.gaps("machine/saw")) == 1


def test_a_changed_configuration_changes_its_stream_and_no_other(box: BoxUnderTest) -> None:
    box.settings = {PRESS: machine_settings(), "machine/saw": machine_settings("saw")}
    keeper = box.start()
    box.run(10)
    before = dict(box.settings)
    box.settings = {PRESS: machine_settings() | {"running_above_mw": 2_000_000}, "machine/saw": before["machine/saw"]}
    keeper.change(box.box, box.settings, {"enterprise": "Suzhou Tyre"})
    keeper.change(box.box, box.settings, {"enterprise": "Suzhou Tyre"})  # the same once more says nothing
    box.run(10)
    keeper.finish("stopped as told")
    found = box.statements()
    assert [len(found.times(stream)) for stream in before] == [20, 20]
    assert holes(found) == holes(found, "machine/saw") == []
    assert found.gaps() == []
    assert [state.name for window in found.windows() for _, state in window.spans][-1] == "IDLE"
    assert [sum(isinstance(body, Configuration) for body in found.bodies(stream)) for stream in before] == [2, 1]
    for stream in before:
        assert found.judged_again(stream).disagreements == ()


def test_a_machine_may_come_and_go_while_the_box_runs(box: BoxUnderTest) -> None:
    keeper = box.start()
    box.run(10)
    for settings in (
        {PRESS: machine_settings(), "machine/saw": machine_settings("saw")},
        {},
        {PRESS: machine_settings()},
    ):
        box.settings = settings
        keeper.change(box.box, settings, {"enterprise": "Suzhou Tyre"})
        box.run(10)
    box.die()  # nothing that was kept is lost, whatever was changed
    box.clock.sleep(2_000)
    box.start()
    found = box.statements()
    assert (len(found.times()), len(found.times("machine/saw"))) == (30, 10)
    assert [gap.reason.name for gap in found.gaps()] == ["BOX_OFF", "CRASH"]


def test_a_restart_in_the_very_instant_of_the_last_reading_does_not_seem_to_go_on(box: BoxUnderTest) -> None:
    box.start()
    box.run(10)
    box.die()
    box.clock.sleep(1)
    keeper = box.start()
    box.run(1, 900)
    keeper.finish("stopped as told")
    assert box.statements().judged_again().disagreements == ()


def test_a_second_poll_on_one_spool_is_refused(box: BoxUnderTest) -> None:
    box.start()
    second = BoxUnderTest(directory=box.directory, key=box.key)
    with pytest.raises(SpoolError, match="another `edge-agent poll`"):
        second.start()
    second.die()


# The wall clock is set.


@pytest.mark.parametrize("by_ms", [TWO_HOURS_MS, -TWO_HOURS_MS, 1_500, -1_500])
def test_a_clock_that_is_set_closes_the_windows_in_the_old_time(box: BoxUnderTest, by_ms: int) -> None:
    keeper = box.start()
    before = box.run(30)
    box.clock.set(by_ms)
    after = box.run(30)
    keeper.finish("stopped as told")
    found = box.statements()
    assert found.times() == before + after
    (step,) = [body for body in found.bodies("box") if isinstance(body, ClockStep)]
    assert step.after_ms - step.before_ms == by_ms
    old = [w for w in found.windows() if w.times_ms and w.times_ms[0] in before]
    assert old[-1].to_ms == before[-1] + 1
    new = next(w for w in found.windows() if w.times_ms and w.times_ms[0] in after)
    assert new.from_ms == after[0]
    assert [gap.reason for gap in found.gaps()] == ([GapReason.CLOCK] if by_ms > 0 else [])
    assert sum(w.to_ms - w.from_ms for w in found.windows()) <= 60_000
    assert found.judged_again().disagreements == ()


def test_a_slewed_clock_is_no_step(box: BoxUnderTest) -> None:
    keeper = box.start()
    for _ in range(100):
        box.clock.set(90)
        box.run(1)
    keeper.finish("stopped as told")
    assert not any(isinstance(body, ClockStep) for body in box.statements().bodies("box"))


def test_a_clock_that_is_set_with_nobody_to_read_is_signed_too(tmp_path: Path) -> None:
    idle = BoxUnderTest(directory=tmp_path, settings={})
    keeper = idle.start()
    keeper.step()
    idle.clock.set(TWO_HOURS_MS)
    keeper.step()
    assert any(isinstance(body, ClockStep) for body in idle.statements().bodies("box"))
    idle.die()


def test_readings_of_before_and_after_the_step_may_arrive_mixed(box: BoxUnderTest) -> None:
    keeper = box.start()
    before = box.run(10)
    box.clock.sleep(1000)
    late = box.read("press", 1500)
    keeper._arrivals._waiting.clear()
    box.clock.set(TWO_HOURS_MS)
    box.clock.sleep(10)
    fresh = box.read("press", 1500)
    box.clock.sleep(10)
    keeper.deliver(late)  # another bus's thread was slower
    keeper.step()
    keeper.finish("stopped as told")
    assert box.statements().times() == [*before, fresh.at_ms, fresh.at_ms + 1]


def test_a_clock_set_forth_and_back_between_two_looks_moves_no_reading(box: BoxUnderTest) -> None:
    keeper = box.start()
    box.run(5)
    box.clock.set(TWO_HOURS_MS)
    box.clock.sleep(1000)
    odd = box.read("press", 1500)
    box.clock.set(-TWO_HOURS_MS)
    box.run(5)
    keeper.finish("stopped as told")
    found = box.statements()
    assert odd.at_ms - TWO_HOURS_MS in found.times()
    assert max(found.times()) <= box.clock.utc_ms()
    assert found.judged_again().disagreements == ()


def test_simulated_time_is_never_a_step(box: BoxUnderTest) -> None:
    from evidence.statement import ClockQuality

    box.clock.clock = ClockQuality.SIMULATED
    keeper = box.start()
    box.run(5)
    box.clock.at_ms += 50_000  # the two clocks of a catch-up clock are not read in one instant
    box.run(5)
    keeper.finish("stopped as told")
    assert not any(isinstance(body, ClockStep) for body in box.statements().bodies("box"))


# Killed at every statement.


@dataclass(frozen=True, kw_only=True)
class Fate:
    """One box's life up to a kill, and what came after it."""

    death: Death
    readable: list[bytes]
    """Every statement that anybody could read when it was dead."""
    found: Statements
    kept: set[int]
    """Counters of readings that a returned step had kept."""
    delivered: set[int]


def day(box: BoxUnderTest, tell: Tell) -> None:
    """Start, commits, seals, a step of the clock, a receipt, a finish; short, with everything in it."""

    def told(what: str = "kept") -> None:
        tell({"at": box.clock.at_ms, "steady": box.clock.steady, what: box.energy})

    def run(seconds: int, watts: float) -> None:
        for _ in range(seconds):
            box.clock.sleep(1000)
            box.read("press", watts)
            box.read("saw", watts)
            told("delivered")
            if box.energy % 4 == 0:
                box.keeper.step()
                told()

    told()
    keeper = box.start()
    told()
    run(8, 1500)
    box.clock.set(TWO_HOURS_MS)
    run(4, 1500)
    assert box.spool is not None
    newest = box.spool.head(PRESS).next_n - 1
    digest = box.spool.hash_at(PRESS, newest)
    assert digest is not None
    held = StreamReceipt(stream=PRESS, segments=(Segment(0, newest, b"", digest),))
    box.spool.take_receipt(Receipt(receiver="main", box=BOX, at_ms=1, streams=(held,)), at_ms=box.clock.at_ms)
    box.clock.set(-TWO_HOURS_MS)
    run(8, 0)
    keeper.finish("stopped as told")
    told()


def a_box(directory: Path, **other: object) -> BoxUnderTest:
    return BoxUnderTest(
        directory=directory,
        settings={PRESS: machine_settings(), "machine/saw": machine_settings("saw")},
        other={"seal_every_ms": 6_000, "heartbeat_every_ms": 9_000} | other,
    )


def fate_of(directory: Path, k: int, k2: int) -> Fate:
    """Killed at statement k, and once more at k2 of the start after that."""
    box = a_box(directory)
    death = killed_at(k, lambda tell: day(box, tell))
    readable = readable_of(box)
    last = death.told[-1]
    box.clock = TestClock(last["at"] + 4_000, steady_ms=last["steady"] + 4_000)
    box.energy = 1000

    def start_again(_: Tell) -> None:
        box.start()
        box.die()

    killed_at(k2, start_again)
    assert readable_of(box)[: len(readable)] == readable
    keeper = box.start()
    box.run(3)
    keeper.finish("stopped as told")
    found = box.statements()
    box.die()
    return Fate(
        death=death,
        readable=readable,
        found=found,
        kept=set(range(1, max(told.get("kept", 0) for told in death.told) + 1)),
        delivered={n for told in death.told for n in range(told.get("delivered", 0) + 1)} - {0},
    )


def readable_of(box: BoxUnderTest) -> list[bytes]:
    if not box.box.spool.exists():
        return []
    try:
        with closing(Spool(box.box.spool, box=BOX, read_only=True)) as spool:
            return list(spool.statements(unsent_only=False))
    except SpoolError:  # killed while it was made: there is nothing to read yet
        return []


def judge_fate(fate: Fate) -> None:
    found = fate.found
    encoded = {(s.stream, s.n): s.encoded for chain in found.by_stream.values() for s in chain}
    for before in fate.readable:
        assert before in encoded.values(), "a statement that could be read is there no more"
    sealed = [n for stream in (PRESS, "machine/saw") for n in energies(found, stream) if n < 1000]
    assert len(sealed) == len(set(sealed)), "a reading is sealed twice"
    assert fate.kept <= set(sealed), "what a commit had kept is lost"
    assert set(sealed) <= fate.delivered
    assert len(fate.delivered) - len(sealed) <= 4, "more than one commit is lost"
    for stream in (PRESS, "machine/saw"):
        assert found.judged_again(stream).disagreements == ()
        assert all(w.to_ms - w.from_ms <= 15_000 for w in found.windows(stream)), "it claims time it did not measure"
        ended = GapReason.CRASH if fate.death.killed else GapReason.BOX_OFF
        for gap in found.gaps(stream):
            stepped = gap.to_ms - gap.from_ms >= TWO_HOURS_MS - 10_000
            behind = gap.from_ms == gap.to_ms  # it died with the clock set back and that not signed yet
            assert gap.reason in ({ended, GapReason.CRASH} | ({GapReason.CLOCK} if behind or stepped else set()))
        boots = [body for body in found.bodies("box") if isinstance(body, Boot)]
        assert len(found.gaps(stream)) >= len(boots) - 1, "a start without its gap"


@pytest.fixture
def fast_directory() -> Iterator[Path]:
    """A kill leaves the page cache alone, so memory is as good as a disk for it."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of one's own is made in it
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory)


@pytest.mark.skipif(sys.platform != "linux", reason="fork and kill")
@pytest.mark.parametrize("part", range(4))
def test_killed_before_any_statement_of_its_life_the_box_recovers(fast_directory: Path, part: int) -> None:
    whole = killed_at(-1, lambda tell: day(a_box(made(fast_directory / "whole")), tell))
    assert not whole.killed
    assert whole.statements > 200
    for k in range(part, whole.statements + 1, 4):
        judge_fate(fate_of(made(fast_directory / str(k)), k, k2=(7 * k) % 40))
        shutil.rmtree(fast_directory / str(k))


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


# Power cuts and full disks.


@pytest.mark.skipif(no_loop_disk() is not None, reason=str(no_loop_disk()))
def test_a_power_cut_costs_what_was_not_committed_and_nothing_else(tmp_path: Path) -> None:
    with loop_disk(tmp_path, size_mb=24) as disk:
        box = BoxUnderTest(directory=disk.path, other={"seal_every_ms": 7_000})
        keeper = box.start()
        for cut in range(6):
            kept = box.run(5 + cut)
            box.clock.sleep(1000)
            lost = box.read("press", 1500)  # delivered, and no commit came
            image = disk.cut()
            found = recovered(image, box)
            sealed = [at_ms for window in found.windows() for at_ms in window.times_ms]
            assert kept[-1] in sealed
            assert lost.at_ms not in sealed
            assert found.judged_again().disagreements == ()
            assert [gap.reason for gap in found.gaps()] == [GapReason.BOX_OFF]
            keeper.step()
        box.die()


def recovered(image: Path, box: BoxUnderTest) -> Statements:
    """What the box signs when it comes back with the disk as it was in that moment."""
    clock = TestClock(box.clock.at_ms)
    clock.boots = 7
    clock.sleep(60_000)
    again = BoxUnderTest(directory=image, key=box.key, clock=clock, other={"seal_every_ms": 7_000})
    again.start().finish("stopped as told")
    found = again.statements()
    again.die()
    return found


@pytest.fixture(params=["ext4", "tmpfs"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FullDisk | LoopDisk]:
    missing, disk = (no_loop_disk(), loop_disk) if request.param == "ext4" else (no_tmpfs_disk(), tmpfs_disk)
    if missing is not None:
        pytest.skip(missing)
    with disk(tmp_path, size_mb=24) as made_disk:
        yield made_disk


def test_a_full_disk_stops_nothing_and_what_it_cost_is_signed(small_disk: FullDisk) -> None:
    box = BoxUnderTest(directory=small_disk.path, settings={PRESS: machine_settings(points=100)})
    keeper = box.start()
    before = box.run(20)
    during = []
    for _ in range(30):
        small_disk.fill()  # the reserve is somebody else's as soon as it is given
        during += box.run(100)
    assert len(keeper._pending) < 2000, "memory is bounded"
    assert keeper._streams[PRESS].window.rows.size < 200_000
    small_disk.free()
    after = box.run(20)
    keeper.finish("stopped as told")
    found = box.statements()
    box.die()
    sealed = found.times()
    assert len(set(during)) == 3000
    assert set(before) | set(after) <= set(sealed)
    assert len(sealed) == len(set(sealed))
    full = [gap for gap in found.gaps() if gap.reason is GapReason.DISK_FULL]
    assert full, "the loss is signed"
    assert sum(gap.lost or 0 for gap in full) == len(set(during)) - len(set(during) & set(sealed))
    assert found.judged_again().disagreements == ()


def test_a_full_disk_from_the_start_does_not_keep_the_box_from_starting(small_disk: FullDisk) -> None:
    box = BoxUnderTest(directory=small_disk.path)
    box.start()
    box.run(20)
    box.die()
    small_disk.fill()
    keeper = box.start()
    times = box.run(20)
    keeper.finish("stopped as told")
    found = box.statements()
    box.die()
    assert set(times) <= set(found.times()), "the reserve carries it"


def test_the_reserve_is_not_written_again_and_again_to_a_full_disk(small_disk: FullDisk) -> None:
    box = BoxUnderTest(directory=small_disk.path)
    keeper = box.start()
    reserve = small_disk.path / "spool.db.reserve"
    small_disk.fill()
    while reserve.exists():
        box.run(20)
        small_disk.fill()
    box.run(20)
    assert not reserve.exists()
    small_disk.free()
    box.run(2)
    assert reserve.exists()
    keeper.finish("stopped as told")
    box.die()


def receipt_everything(box: BoxUnderTest) -> None:
    assert box.spool is not None
    streams = []
    for head in box.spool.heads():
        segment = Segment(0, head.next_n - 1, b"", head.sha256)
        streams.append(StreamReceipt(stream=head.stream, segments=(segment,)))
    receipt = Receipt(receiver="main", box=BOX, at_ms=1, streams=tuple(streams))
    box.spool.take_receipt(receipt, at_ms=1)


def small_quota(directory: Path) -> BoxUnderTest:
    return BoxUnderTest(
        directory=directory,
        settings={PRESS: machine_settings(points=60)},
        other={"disk_quota_bytes": 1_000_000, "seal_every_ms": 20_000, "keep": Keep.EVERY},
    )


def test_in_a_tight_quota_receipted_statements_go_and_unsent_ones_stay(fast_directory: Path) -> None:
    box = small_quota(fast_directory)
    keeper = box.start()
    box.run(1500)
    receipt_everything(box)
    receipted = {h.stream: h.next_n for h in keeper._spool.heads()}
    box.run(4000)
    assert keeper._spool.used_bytes() < 1_050_000
    here = [n for n in range(keeper._spool.head(PRESS).next_n) if keeper._spool.hash_at(PRESS, n) is not None]
    assert 0 < here[0] <= receipted[PRESS], "the oldest receipted ones are gone, and no unsent one"
    assert keeper._spool.count_unsent() == sum(h.next_n for h in keeper._spool.heads()) - sum(receipted.values())
    box.die()


def test_a_quota_full_of_unsent_statements_thins_says_so_then_stops_and_goes_on(fast_directory: Path) -> None:
    box = small_quota(fast_directory)
    keeper = box.start()
    times = box.run(12_000)
    assert keeper._spool.used_bytes() < 1_100_000, "the quota holds"
    found = box.statements()
    assert [gap.reason for gap in found.gaps()][:1] == [GapReason.THINNED]
    assert {w.keep for w in found.windows()} == {Keep.EVERY, Keep.MINUTE}
    receipt_everything(box)
    after = box.run(2_000)
    keeper.finish("stopped as told")
    with closing(Spool(box.box.spool, box=BOX, read_only=True)) as spool:
        bodies = [open_body(encoded, box) for encoded in spool.statements(unsent_only=True)]
    box.die()
    lost = sum(body.lost or 0 for body in bodies if isinstance(body, Gap) and body.reason is GapReason.DISK_FULL)
    later = [body for body in bodies if isinstance(body, Readings)]
    assert lost > 0
    assert later[-1].keep is Keep.EVERY, "with room again, samples are kept again"
    assert later[-1].times_ms[-1] == after[-1]
    assert len(times) > lost


def open_body(encoded: bytes, box: BoxUnderTest) -> object:
    from evidence.statement import open_statement

    return open_statement(encoded, {box.key.public.kid: box.key.public}.get).body


def test_a_queue_that_overflows_is_counted_and_signed(box: BoxUnderTest) -> None:
    keeper = box.start()
    for _ in range(QUEUE_LIMIT + 25):
        box.clock.sleep(10)
        box.read("press", 1500)
    assert len(keeper._arrivals) == QUEUE_LIMIT
    keeper.step()
    keeper.finish("stopped as told")
    found = box.statements()
    assert sum(gap.lost or 0 for gap in found.gaps() if gap.reason is GapReason.DISK_FULL) == 25
    assert len(energies(found)) == QUEUE_LIMIT
    assert found.judged_again().disagreements == ()


def test_an_old_copy_of_the_spool_is_told_by_what_the_receiver_holds(box: BoxUnderTest, tmp_path: Path) -> None:
    box.start()
    box.run(50)
    box.die()
    shutil.copy(box.box.spool, tmp_path / "copy.db")
    box.start()
    box.run(200)
    assert box.spool is not None
    heads = {h.stream: h for h in box.spool.heads()}
    sent = list(box.spool.statements(unsent_only=False))
    box.die()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"spool.db{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.db", box.box.spool)
    keeper = box.start()
    segments = tuple(
        StreamReceipt(stream=s, segments=(Segment(0, h.next_n - 1, b"", h.sha256),)) for s, h in heads.items()
    )
    taken = box.spool.take_receipt(Receipt(receiver="main", box=BOX, at_ms=1, streams=segments), at_ms=1)
    assert sorted(taken.forked) == sorted(heads)
    box.run(100)
    keeper.finish("stopped as told")
    again = box.statements()  # a whole chain, and another history than the one that was sent
    forked = [s for s in again.by_stream[PRESS] if s.encoded not in sent]
    assert {s.n for s in forked} & set(range(heads[PRESS].next_n))
    assert box.spool.forget_receipted(at_most=999) == 0
