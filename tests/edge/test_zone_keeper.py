"""A zone's keeper: each change is signed at once, a blind zone is never empty, and a kill costs at most one look."""

from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from edge_agent.eye.stock import Looked, Standing
from edge_agent.eye.track import Box
from edge_agent.keeping.spool import Spool, SpoolError
from edge_agent.keeping.zone_keeper import ZoneKeeper
from evidence.bodies import Configuration, Gap, GapReason, Look, Stock, Verdict
from evidence.judging.recompute import Recount
from tests.world.box import BOX, BoxUnderTest
from tests.world.clock import TestClock
from tests.world.disk import no_tmpfs_disk, tmpfs_disk
from tests.world.killing import Tell, killed_at

YARD = "zone/yard"
SETTINGS = {"title": "Yard", "polygon_px": [0, 0, 9, 0, 9, 9], "absolute": 0}
TWO_HOURS_MS = 7_200_000


class Yard:
    """A zone's keeper and its world."""

    def __init__(self, box: BoxUnderTest) -> None:
        self.box = box
        self.standing = Standing()

    def start(self) -> None:
        self.keeper = ZoneKeeper(
            self.box.open(),
            stream=YARD,
            settings=SETTINGS,
            seal_every_ms=300_000,
            detector="test 1",
            detector_sha256=bytes(32),
            declared=(6, 4),
        )
        self.keeper.start()
        self.standing = self.keeper.standing()

    def count(self, count: int) -> None:
        now_ms = self.box.clock.utc_ms()
        items = tuple(Box(x0=9 * n, y0=0, x1=9 * n + 8, y1=8, score=0.9, kind="carton") for n in range(count))
        self.look(Standing(verdict=Verdict.COUNTED, count=count, uncertain=1, counted_at_ms=now_ms, items=items))

    def only(self, verdict: Verdict) -> None:
        """A look that counted nothing."""
        last = self.standing
        self.look(Standing(verdict=verdict, count=last.count, counted_at_ms=last.counted_at_ms, items=last.items))

    def look(self, standing: Standing) -> None:
        self.standing = standing
        self.keeper.take([Looked(at_ms=self.box.clock.utc_ms(), standing=standing)], seen=5)
        self.keeper.step()

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.box.clock.sleep(1000)
            self.keeper.take([])
            self.keeper.step()

    def windows(self) -> list[Stock]:
        return [body for body in self.box.statements().bodies(YARD) if isinstance(body, Stock)]

    def gaps(self) -> list[Gap]:
        return self.box.statements().gaps(YARD)

    def counts(self) -> list[int]:
        """What was really counted, each once."""
        looks = [look for window in self.windows() for look in window.looks if look.verdict is Verdict.COUNTED]
        counts = [look.count or 0 for look in looks]
        return counts[:1] + [count for before, count in pairwise(counts) if count != before]

    def agree(self) -> None:
        """A bank that reads the chain finds no contradiction in it."""
        recount = Recount()
        for n, body in enumerate(self.box.statements().bodies(YARD)):
            if isinstance(body, Stock):
                Stock.from_value(body.to_value())
                recount.stock(n, body, follows=True)
            elif isinstance(body, Gap):
                recount.gap(n, body)
        stocked = recount.result().stocked
        assert stocked is not None
        assert stocked.named == ()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(BoxUnderTest(directory=tmp_path, settings={}))
    made.start()
    yield made
    if made.box.spool is not None:
        made.box.die()


def test_a_change_is_signed_within_seconds_with_its_items(yard: Yard) -> None:
    yard.count(3)
    yard.wait(7)
    yard.count(2)
    yard.wait(6)
    assert yard.counts() == [3, 2]
    last = yard.windows()[-1]
    assert (len(last.items), last.declared, last.looks[-1].uncertain) == (2, (6, 4), 1)
    yard.agree()


def test_a_quiet_hour_is_a_window_every_five_minutes_that_says_when_it_was_counted(yard: Yard) -> None:
    for _ in range(30):
        yard.count(12)
        yard.wait(60)
    windows = yard.windows()
    assert 6 <= len(windows) <= 8
    assert all(before.to_ms == after.from_ms for before, after in pairwise(windows))
    assert all(len(window.looks) == 1 for window in windows[1:])
    assert windows[-1].to_ms - (windows[-1].counted_at_ms or 0) <= 61_000
    assert sum(window.frames_seen for window in windows) >= 5 * 25
    yard.agree()


@pytest.mark.parametrize("verdict", [Verdict.BLIND, Verdict.OCCLUDED, Verdict.DISAGREED])
def test_where_nothing_is_counted_the_last_count_stands_with_its_age(yard: Yard, verdict: Verdict) -> None:
    yard.wait(1)
    yard.count(12)
    counted_at_ms = yard.standing.counted_at_ms
    yard.wait(10)
    yard.only(verdict)
    yard.wait(900)
    last = yard.windows()[-1]
    assert (last.looks[-1].verdict, last.looks[-1].count, last.counted_at_ms) == (verdict, 12, counted_at_ms)
    assert len(last.items) == 12
    yard.agree()


def test_a_zone_never_counted_has_no_count(yard: Yard) -> None:
    yard.only(Verdict.DISAGREED)
    yard.wait(310)
    assert yard.windows()[-1].looks == [
        Look(at_ms=yard.windows()[-1].from_ms, verdict=Verdict.DISAGREED, count=None, uncertain=0)
    ]
    assert yard.windows()[-1].counted_at_ms is None


def test_a_new_run_goes_on_from_the_last_count_and_calls_the_time_between_blind(yard: Yard) -> None:
    yard.count(12)
    yard.wait(8)
    yard.box.die()
    yard.box.clock.sleep(300_000)
    yard.start()
    assert (yard.standing.count, len(yard.standing.items), yard.standing.verdict) == (12, 12, Verdict.BLIND)
    yard.wait(310)
    last = yard.windows()[-1]
    assert (last.looks[0].verdict, last.looks[0].count) == (Verdict.BLIND, 12)
    (gap,) = yard.gaps()
    assert gap.reason is GapReason.CRASH
    yard.agree()


@pytest.mark.parametrize("by_ms", [TWO_HOURS_MS, -TWO_HOURS_MS])
def test_a_clock_that_is_set_changes_no_count(yard: Yard, by_ms: int) -> None:
    yard.count(12)
    yard.wait(20)
    yard.box.clock.set(by_ms)
    yard.count(11)
    yard.wait(20)
    yard.keeper.seal(clean=True)
    assert yard.counts() == [12, 11]
    yard.agree()


def test_two_looks_of_one_instant_are_both_said(yard: Yard) -> None:
    yard.count(12)
    yard.count(11)
    yard.only(Verdict.OCCLUDED)
    yard.wait(6)
    assert yard.counts() == [12, 11]
    yard.agree()


def test_other_settings_begin_a_window_of_their_own(yard: Yard) -> None:
    yard.count(12)
    yard.wait(2)
    yard.keeper.change(SETTINGS | {"absolute": 1})
    yard.keeper.change(SETTINGS | {"absolute": 1})
    yard.count(12)
    yard.wait(10)
    yard.keeper.seal()
    bodies = yard.box.statements().bodies(YARD)
    assert [body.settings["absolute"] for body in bodies if isinstance(body, Configuration)] == [0, 1]
    yard.agree()


@pytest.mark.skipif(no_tmpfs_disk() is not None, reason=str(no_tmpfs_disk()))
def test_a_full_disk_loses_no_count_that_fits_in_memory(tmp_path: Path) -> None:
    with tmpfs_disk(tmp_path, size_mb=8) as disk:
        yard = Yard(BoxUnderTest(directory=disk.path, settings={}))
        yard.start()
        yard.count(12)
        disk.fill()
        for count in range(11, 0, -1):
            yard.box.clock.sleep(60_000)
            with suppress(SpoolError):
                yard.count(count)
            disk.fill()
        disk.free()
        yard.wait(10)
        yard.keeper.seal(clean=True)
        assert yard.counts() == list(range(12, 0, -1))
        yard.agree()
        yard.box.die()


# Killed at every statement.


def yard_of(directory: Path) -> Yard:
    return Yard(BoxUnderTest(directory=directory, settings={}))


def morning(yard: Yard, tell: Tell) -> None:
    """Start, counts that fall, somebody in the way, a step of the clock, a blind time, the end."""

    def told(count: int, *, done: bool) -> None:
        tell({"count": count, "done": done, "at": yard.box.clock.at_ms, "steady": yard.box.clock.steady})

    told(0, done=True)
    yard.start()
    for step in range(10):
        yard.box.clock.sleep(7000)
        if step == 6:
            yard.box.clock.set(TWO_HOURS_MS)
        told(step + 1, done=False)
        yard.count(100 - step)
        told(step + 1, done=True)
        if step % 3 == 0:
            yard.only(Verdict.OCCLUDED)
        yard.wait(2)
    yard.only(Verdict.BLIND)
    yard.wait(61)
    yard.keeper.seal(clean=True)
    told(10, done=True)


def test_killed_before_any_statement_of_its_life_a_zone_loses_at_most_one_look() -> None:
    memory = Path("/dev/shm")  # noqa: S108 - a directory of one's own is made in it
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        directory = Path(name)
        (directory / "whole").mkdir()
        whole = killed_at(-1, lambda tell: morning(yard_of(directory / "whole"), tell))
        for k in sorted(Random(7).sample(range(whole.statements), min(25, whole.statements))):
            judge_kill(directory / str(k), k)


def judge_kill(directory: Path, k: int) -> None:
    directory.mkdir()
    yard = yard_of(directory)
    death = killed_at(k, lambda tell: morning(yard, tell))
    last = death.told[-1]
    kept = max(told["count"] for told in death.told if told["done"])
    delivered = max(told["count"] for told in death.told)
    yard.box.clock = TestClock(last["at"] + 3_000, steady_ms=last["steady"] + 3_000)
    yard.start()
    yard.keeper.seal(clean=True)
    with closing(Spool(yard.box.box.spool, box=BOX, read_only=True)) as spool:
        list(spool.statements(unsent_only=False))
    counts = yard.counts()
    assert counts == [100 - step for step in range(len(counts))], "a count is missing, or there twice"
    assert kept <= len(counts) <= delivered, "a look that was on the disk is lost"
    yard.agree()
    yard.box.die()
