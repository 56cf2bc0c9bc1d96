"""A camera's keeper: every crossing is signed once, a blind time is never clear, and no time is claimed unseen."""

from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from edge_agent.eye.counting import SightChange
from edge_agent.eye.gate import Crossing as Seen
from edge_agent.keeping.gate_keeper import EVENTS_FULL, GateKeeper
from edge_agent.keeping.spool import Spool, SpoolError
from evidence.bodies import Crossings, Direction, Gap, GapReason, Sight
from evidence.judging.recompute import Recount
from tests.world.box import BOX, BoxUnderTest, Statements
from tests.world.clock import TestClock
from tests.world.disk import no_tmpfs_disk, tmpfs_disk
from tests.world.killing import Tell, killed_at

DOCK = "gate/dock"
SETTINGS = {"title": "Dock", "source": "rtsp://camera/1", "gate_px": [0, 1, 2, 3]}
TWO_HOURS_MS = 7_200_000


class Dock:
    """A gate keeper and its world."""

    def __init__(self, box: BoxUnderTest) -> None:
        self.box = box
        self.track = 0

    def start(self) -> None:
        self.keeper = GateKeeper(
            self.box.open(),
            stream=DOCK,
            settings=SETTINGS,
            seal_every_ms=60_000,
            detector="test 1",
            detector_sha256=b"",
        )
        self.keeper.start()

    def die(self) -> None:
        self.box.die()

    def see(self, sight: Sight) -> None:
        self.take([SightChange(at_ms=self.box.clock.utc_ms(), sight=sight, why="a test")])

    def cross(self, direction: Direction = Direction.IN) -> int:
        self.track += 1
        self.take([self.crossing(direction)])
        return self.track

    def crossing(self, direction: Direction = Direction.IN) -> Seen:
        return Seen(
            at_ms=self.box.clock.utc_ms(),
            direction=direction,
            kind="goods",
            confidence_permille=900,
            track=self.track,
        )

    def take(self, events: list[Seen | SightChange]) -> None:
        self.keeper.take(events, seen=1)
        self.keeper.step()

    def watch(self, seconds: int) -> None:
        """Pictures without anything in them."""
        for _ in range(seconds):
            self.box.clock.sleep(1000)
            self.take([])

    def windows(self) -> list[Crossings]:
        return [body for body in self.box.statements().bodies(DOCK) if isinstance(body, Crossings)]

    def gaps(self) -> list[Gap]:
        return self.box.statements().gaps(DOCK)


@pytest.fixture
def dock(tmp_path: Path) -> Iterator[Dock]:
    made = Dock(BoxUnderTest(directory=tmp_path, settings={}))
    made.start()
    yield made
    if made.box.spool is not None:
        made.die()


def tracks(windows: list[Crossings]) -> list[int]:
    return [crossing.track for window in windows for crossing in window.crossings]


def sight_ms(windows: list[Crossings]) -> dict[Sight, int]:
    found = {Sight.BLIND: 0, Sight.CLEAR: 0}
    for window in windows:
        for (at_ms, sight), (end_ms, _) in pairwise([*window.sight, (window.to_ms, Sight.BLIND)]):
            found[sight] += end_ms - at_ms
    return found


def agree(statements: Statements) -> None:
    """A bank that counts again finds the totals that are signed."""
    recount = Recount()
    for n, body in enumerate(statements.bodies(DOCK)):
        if isinstance(body, Crossings):
            recount.crossings(n, body, follows=True)
    counted = recount.result().counted
    assert counted is not None
    assert counted.mismatches == 0


def test_a_crossing_is_signed_within_seconds_and_the_totals_go_on(dock: Dock) -> None:
    dock.see(Sight.CLEAR)
    dock.watch(3)
    dock.cross()
    dock.watch(6)
    assert tracks(dock.windows()) == [1]
    dock.cross(Direction.OUT)
    dock.cross()
    dock.watch(6)
    assert tracks(dock.windows()) == [1, 2, 3]
    assert (dock.windows()[-1].total_in, dock.windows()[-1].total_out) == (2, 1)
    agree(dock.box.statements())


def test_a_quiet_hour_is_signed_as_clear_and_windows_adjoin(dock: Dock) -> None:
    dock.see(Sight.CLEAR)
    dock.watch(3600)
    windows = dock.windows()
    assert all(before.to_ms == after.from_ms for before, after in pairwise(windows))
    assert sight_ms(windows)[Sight.BLIND] == 0
    assert 60 <= len(windows) <= 62
    assert sum(window.frames_seen for window in windows) >= 3500


def test_a_blind_camera_is_blind_in_the_chain(dock: Dock) -> None:
    dock.watch(10)
    dock.see(Sight.CLEAR)
    dock.watch(10)
    dock.see(Sight.BLIND)
    dock.watch(100)
    assert sight_ms(dock.windows())[Sight.CLEAR] == 10_000


def test_after_a_kill_only_what_was_seen_is_clear(dock: Dock) -> None:
    dock.see(Sight.CLEAR)
    dock.watch(20)
    dock.cross()
    dock.die()
    dock.box.clock.sleep(300_000)
    dock.start()
    windows = dock.windows()
    assert tracks(windows) == [1]
    assert sight_ms(windows)[Sight.CLEAR] <= 20_001
    (gap,) = dock.gaps()
    assert gap.reason is GapReason.CRASH
    assert gap.to_ms - gap.from_ms >= 299_000


def test_a_blind_time_before_a_kill_is_not_taken_for_clear_afterwards(dock: Dock) -> None:
    dock.see(Sight.CLEAR)
    dock.watch(5)
    dock.see(Sight.BLIND)
    dock.watch(70)  # sealed meanwhile: the open window began blind
    dock.die()
    dock.box.clock.sleep(10_000)
    dock.start()
    assert sight_ms(dock.windows())[Sight.CLEAR] <= 5_001


def test_a_kill_costs_no_more_sight_than_the_time_between_two_marks(dock: Dock) -> None:
    dock.see(Sight.CLEAR)
    dock.watch(33)
    dock.die()
    dock.start()
    windows = dock.windows()
    assert 33_000 - 5_000 <= sight_ms(windows)[Sight.CLEAR] <= 33_000
    assert sum(window.frames_seen for window in windows) >= 28


@pytest.mark.parametrize("by_ms", [TWO_HOURS_MS, -TWO_HOURS_MS])
def test_a_clock_that_is_set_claims_no_sight_that_there_was_not(dock: Dock, by_ms: int) -> None:
    dock.see(Sight.CLEAR)
    dock.watch(20)
    dock.box.clock.set(by_ms)
    dock.cross()
    dock.watch(20)
    dock.keeper.seal(clean=True)
    windows = dock.windows()
    assert sight_ms(windows)[Sight.CLEAR] <= 40_010
    (crossing,) = [crossing for window in windows for crossing in window.crossings]
    assert abs(crossing.at_ms - dock.box.clock.utc_ms()) <= 20_000, "in the new time"
    assert [gap.reason for gap in dock.gaps()] == ([GapReason.CLOCK] if by_ms > 0 else [])
    agree(dock.box.statements())


@pytest.mark.skipif(no_tmpfs_disk() is not None, reason=str(no_tmpfs_disk()))
@pytest.mark.parametrize("by_ms", [TWO_HOURS_MS, -TWO_HOURS_MS])
def test_a_clock_that_is_set_while_the_disk_is_full_costs_no_crossing(tmp_path: Path, by_ms: int) -> None:
    with tmpfs_disk(tmp_path, size_mb=8) as disk:
        dock = Dock(BoxUnderTest(directory=disk.path, settings={}))
        dock.start()
        dock.see(Sight.CLEAR)
        dock.watch(20)
        disk.fill()
        dock.box.clock.set(by_ms)
        for _ in range(20):
            dock.box.clock.sleep(1_000)
            dock.track += 1
            with suppress(SpoolError):
                dock.take([dock.crossing()])
            disk.fill()
        disk.free()
        dock.watch(20)
        dock.keeper.seal(clean=True)
        windows = dock.windows()
        agree(dock.box.statements())
        dock.die()
    assert tracks(windows) == list(range(1, 21))
    assert sight_ms(windows)[Sight.CLEAR] <= 60_010
    times = [crossing.at_ms for window in windows for crossing in window.crossings]
    assert max(times) - min(times) <= 20_000, "all in the old time: nothing had said that there is a new one"


def test_a_stop_as_told_leaves_a_gap_that_says_off(dock: Dock) -> None:
    dock.see(Sight.CLEAR)
    dock.watch(3)
    dock.keeper.seal(clean=True)
    dock.die()
    dock.box.clock.sleep(5_000)
    dock.start()
    (gap,) = dock.gaps()
    assert (gap.reason, gap.lost) == (GapReason.BOX_OFF, 0)


@pytest.mark.skipif(no_tmpfs_disk() is not None, reason=str(no_tmpfs_disk()))
def test_a_full_disk_loses_no_crossing_that_fits_in_memory_and_counts_the_others(tmp_path: Path) -> None:
    with tmpfs_disk(tmp_path, size_mb=8) as disk:
        dock = Dock(BoxUnderTest(directory=disk.path, settings={}))
        dock.start()
        dock.see(Sight.CLEAR)
        dock.cross()
        disk.fill()
        first, lost = dock.track, 50
        for _ in range(EVENTS_FULL + lost):
            dock.box.clock.sleep(20)
            dock.track += 1
            with suppress(SpoolError):
                dock.take([dock.crossing()])
            disk.fill()
        disk.free()
        dock.watch(10)
        dock.keeper.seal(clean=True)
        windows, gaps = dock.windows(), dock.gaps()
        agree(dock.box.statements())
        dock.die()
    sealed = tracks(windows)
    assert len(sealed) == len(set(sealed))
    full = [gap for gap in gaps if gap.reason is GapReason.DISK_FULL]
    assert sum(gap.lost or 0 for gap in full) == EVENTS_FULL + lost + first - len(sealed)


# Killed at every statement.


def dock_of(directory: Path) -> Dock:
    return Dock(BoxUnderTest(directory=directory, settings={}))


def morning(dock: Dock, tell: Tell) -> None:
    """Start, clear, crossings, a step of the clock, a blind time, the end."""

    def told() -> None:
        tell({"kept": dock.track, "at": dock.box.clock.at_ms, "steady": dock.box.clock.steady})

    told()
    dock.start()
    dock.see(Sight.CLEAR)
    for step in range(12):
        dock.box.clock.sleep(1000)
        if step == 7:
            dock.box.clock.set(TWO_HOURS_MS)
        tell({"delivered": dock.track + 1, "at": dock.box.clock.at_ms, "steady": dock.box.clock.steady})
        dock.cross(Direction(step % 2))
        told()
    dock.see(Sight.BLIND)
    dock.watch(61)
    dock.keeper.seal(clean=True)
    told()


def test_killed_before_any_statement_of_its_life_a_gate_loses_no_crossing_and_counts_none_twice() -> None:
    memory = Path("/dev/shm")  # noqa: S108 - a directory of one's own is made in it
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        directory = Path(name)
        (directory / "whole").mkdir()
        whole = killed_at(-1, lambda tell: morning(dock_of(directory / "whole"), tell))
        dice = Random(7)
        for k in sorted(dice.sample(range(whole.statements), min(120, whole.statements))):
            judge_kill(directory / str(k), k)


def judge_kill(directory: Path, k: int) -> None:
    directory.mkdir()
    dock = dock_of(directory)
    death = killed_at(k, lambda tell: morning(dock, tell))
    last = death.told[-1]
    kept = max(told.get("kept", 0) for told in death.told)
    delivered = max([kept, *(told.get("delivered", 0) for told in death.told)])
    dock.box.clock = TestClock(last["at"] + 3_000, steady_ms=last["steady"] + 3_000)
    dock.start()
    dock.keeper.seal(clean=True)
    with closing(Spool(dock.box.box.spool, box=BOX, read_only=True)) as spool:
        list(spool.statements(unsent_only=False))
    windows = dock.windows()
    sealed = tracks(windows)
    assert sealed == sorted(set(sealed)), "a crossing is signed twice"
    assert kept <= len(sealed) <= delivered, "a crossing that was on the disk is lost"
    assert sight_ms(windows)[Sight.CLEAR] <= 13_000
    agree(dock.box.statements())
    dock.die()
