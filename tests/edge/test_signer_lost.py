"""The signer dies, freezes and stays away while the box keeps what it reads: nothing is lost, nothing is half."""

import logging
import signal
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import Spool
from edge_agent.signing import remote
from edge_agent.signing.remote import PenError, RemotePen
from evidence.bodies import GapReason, Shutdown
from tests.world.box import BOX, BoxUnderTest, machine_settings
from tests.world.signers import Signers


@dataclass(kw_only=True)
class RemoteBox(BoxUnderTest):
    """A box whose key is in another process."""

    way: Signers = field(init=False)
    pen: RemotePen | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        BoxUnderTest.__post_init__(self)
        self.way = Signers(key=self.key, box=BOX)

    def open(self) -> Signer:
        assert self.spool is None, "it runs already"
        self.pen = RemotePen(self.way, self.clock)
        self.spool = Spool(self.box.spool, box=BOX)
        return Signer(self.spool, self.pen, self.clock)

    def die(self) -> None:
        BoxUnderTest.die(self)
        assert self.pen is not None
        self.pen.close()


def whole_day(box: RemoteBox) -> list[int]:
    """Two machines, sealed three times; stopped as told. The times of the readings."""
    keeper = box.start()
    times = box.run(24)[::2]
    keeper.finish("test")
    box.die()
    return times


def box_of_two(directory: Path) -> RemoteBox:
    settings = {f"machine/{name}": machine_settings(name) for name in ("press", "saw")}
    return RemoteBox(directory=directory, settings=settings, other={"seal_every_ms": 8_000})


def test_the_box_does_the_same_with_its_key_in_another_process(tmp_path: Path) -> None:
    box = box_of_two(tmp_path)
    times = whole_day(box)
    assert box.way.started == 1
    found = box.statements()
    assert found.times() == found.times("machine/saw") == times
    assert isinstance(found.bodies("box")[-1], Shutdown)


@pytest.mark.parametrize("answers_first", [False, True])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_signer_that_ends_at_any_question_costs_no_reading(
    tmp_path: Path, *, end: signal.Signals, answers_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if end is signal.SIGSTOP:  # who is killed ends his connection
        monkeypatch.setattr(remote, "ANSWER_WAIT_S", 0.4)
    moment = starting = 0
    while True:
        moment += 1
        (tmp_path / str(moment)).mkdir()
        box = box_of_two(tmp_path / str(moment))
        box.way.moment, box.way.end, box.way.answers_first = moment, end, answers_first
        try:
            times = whole_day(box)
        except PenError:  # at the start, where systemd starts the process anew
            assert box.pen is not None
            box.pen.close()
            if box.spool is not None:
                BoxUnderTest.die(box)
            starting += 1
            times = whole_day(box)
        found = box.statements()
        for stream in box.settings:
            assert found.times(stream) == times, f"{stream}, question {moment}"
            assert found.gaps(stream) == []
            assert found.judged_again(stream).disagreements == ()
        assert isinstance(found.bodies("box")[-1], Shutdown), "it was stopped as told"
        if box.way.started == 1:
            break
    assert starting == 6, "commissioning, settings, boot, two machines' settings, heartbeat"
    assert moment > 15


def test_readings_reach_the_disk_while_nobody_signs(tmp_path: Path) -> None:
    box = box_of_two(tmp_path)
    box.start()
    before = box.run(12)[::2]
    box.way.is_away = True
    box.way.kill()
    away = box.run(50)[::2]
    box.die()  # the power fails, long after the signer
    assert len(box.statements().times()) <= 12
    box.way.is_away = False
    box.start()
    found = box.statements()
    assert found.times() == before + away
    box.die()


def test_a_signer_that_was_away_for_minutes_is_caught_up_with(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = box_of_two(tmp_path)
    keeper = box.start()
    caplog.set_level(logging.INFO)
    times = box.run(12)[::2]
    box.way.is_away = True
    box.way.kill()
    times += box.run(60)[::2]
    assert len(box.statements().times()) <= 12
    box.way.is_away = False
    times += box.run(10)[::2]
    assert len(box.statements().times()) >= 70
    keeper.finish("test")
    box.die()
    assert box.statements().times() == times
    said = [record.message for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
    assert len([message for message in said if "the signer is away" in message]) == 1
    assert len([record for record in caplog.records if "the signer is back" in record.message]) == 1


def after_a_long_outage(directory: Path) -> tuple[RemoteBox, list[int]]:
    """A machine of many points, for longer than its window holds."""
    box = RemoteBox(directory=directory, settings={"machine/press": machine_settings(points=100)})
    box.start()
    box.way.is_away = True
    box.way.kill()
    times = box.run(900)
    assert len(box.keeper._streams["machine/press"].window.rows) < 900, "memory is bounded"
    box.way.is_away = False
    return box, times


def test_after_an_outage_longer_than_windows_hold_a_new_start_finds_all_in_the_journal(tmp_path: Path) -> None:
    box, times = after_a_long_outage(tmp_path)
    box.die()
    box.start()
    box.die()
    assert box.statements().times() == times


def test_after_an_outage_longer_than_windows_hold_what_is_not_signed_is_counted(tmp_path: Path) -> None:
    box, times = after_a_long_outage(tmp_path)
    times += box.run(10)
    box.keeper.finish("test")
    box.die()
    found = box.statements()
    lost = sum(gap.lost or 0 for gap in found.gaps() if gap.reason is GapReason.DISK_FULL)
    assert lost > 0
    assert len(found.times()) + lost == len(times)


def test_nothing_of_a_refused_statement_is_kept_and_readings_wait_in_the_journal(tmp_path: Path) -> None:
    box = box_of_two(tmp_path)
    box.start()
    box.run(3)
    box.way.streams = ("box", "machine/press")
    box.way.kill()
    box.run(40)
    assert len(box.statements().times("machine/saw")) <= 3
    with closing(Spool(box.box.spool, box=BOX, read_only=True)) as spool:
        assert sum(len(rows) for _, _, rows in spool.read_journal("poll")) >= 40
    box.way.streams = ()
    box.way.kill()
    box.run(10)
    box.keeper.finish("test")
    box.die()
    assert len(box.statements().times("machine/saw")) == 53
