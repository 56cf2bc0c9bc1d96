"""`edge-agent status`: what it tells is what the spool holds, while the box goes on working."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.cli import main
from edge_agent.commands.status import _render, status_of
from edge_agent.config.load import load
from edge_agent.keeping.keeper import CLEAR_JOURNAL_EVERY
from edge_agent.keeping.spool import Spool
from evidence.bodies import Event, EventKind, Failure, Phase
from evidence.chain import Segment
from evidence.exits import Exit
from evidence.receipt import Receipt, Refusal, StreamReceipt
from tests.world.box import BOX, BoxUnderTest, machine_settings, write_config


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxUnderTest]:
    made = BoxUnderTest(directory=tmp_path)
    made.start()
    yield made
    if made.spool is not None:
        made.die()


@pytest.fixture
def config(box: BoxUnderTest) -> Path:
    return write_config(box.directory)


def told(config: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["status", "--config", str(config), *options])
    code = ended.value.code
    assert isinstance(code, int)
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_it_tells_what_answers_what_is_unsent_and_when_it_lived(
    box: BoxUnderTest, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = box.run(5)
    code, out = told(config, capsys, "--json")
    status = json.loads(out)
    assert code == Exit.OK
    assert (status["box"], status["running"], status["alive_ms"]) == (BOX, True, times[-1])
    streams = {stream["stream"]: stream for stream in status["streams"]}
    press = streams["machine/press"]
    assert (press["last_asked_ms"], press["last_good_ms"], press["last_failure"]) == (times[-1], times[-1], None)
    assert status["unsent"] == sum(stream["unsent"] for stream in streams.values()) > 0


def test_a_silent_machine_says_why_and_since_when(box: BoxUnderTest, config: Path) -> None:
    good = box.run(5)
    box.clock.sleep(1000)
    box.read("press", None, failure=Failure.LINE_DOWN)
    box.keeper.step()
    with closing(Spool(box.box.spool, box=BOX, read_only=True)) as spool:
        status = status_of(load(config), spool, box.clock)
    (press,) = [stream for stream in status.streams if stream.stream == "machine/press"]
    assert (press.last_good_ms, press.last_failure) == (good[-1], "LINE_DOWN")


def test_people_get_a_table(box: BoxUnderTest, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box.run(5)
    code, out = told(config, capsys)
    assert code == Exit.OK
    assert "box-1, polling" in out
    assert "machine/press" in out
    assert "answers" in out


def test_after_a_clean_stop_it_says_not_polling(
    box: BoxUnderTest, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.run(5)
    box.keeper.finish("stopped as told")
    box.die()
    assert "not polling" in told(config, capsys)[1]


def test_a_fork_and_a_refusal_are_told_and_make_the_exit_code(
    box: BoxUnderTest, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.run(5)
    assert box.spool is not None
    digest = box.spool.hash_at("box", 1)
    assert digest is not None
    other = StreamReceipt(stream="machine/press", segments=(Segment(0, 99, b"", bytes(32)),))
    refusal = Refusal(sha256=digest, reason="ill-typed")
    receipt = Receipt(receiver="r", box=BOX, at_ms=1, streams=(other,), refusals=(refusal,))
    box.spool.take_receipt(receipt, at_ms=box.clock.utc_ms())
    code, out = told(config, capsys)
    assert code == Exit.WRONG_OUT_THERE
    assert "FORKED" in out
    assert "refused  1" in out


def test_without_a_spool_it_says_what_to_do_and_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = told(write_config(tmp_path), capsys)
    assert code == Exit.HARDWARE
    assert "edge-agent poll" in out
    assert not (tmp_path / "spool.db").exists()


def test_a_wrong_file_is_a_configuration_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = told(tmp_path / "none.toml", capsys)
    assert code == Exit.CONFIGURATION
    assert "none.toml" in out


def test_events_that_wait_in_the_journal_are_no_readings(box: BoxUnderTest, config: Path) -> None:
    box.run(3)
    event = Event(at_ms=box.clock.utc_ms(), event=EventKind.COMPONENT, phase=Phase.NOTED, subject="detector")
    box.clock.sleep(1000)
    last = box.read("press", 1500, events=(event,))
    box.keeper.step()
    with closing(Spool(box.box.spool, box=BOX, read_only=True)) as spool:
        (press,) = [each for each in status_of(load(config), spool, box.clock).streams if each.stream != "box"]
    assert press.last_good_ms == last.at_ms


def test_a_meter_that_was_read_and_sealed_says_when(box: BoxUnderTest, config: Path) -> None:
    box.die()
    box.settings["machine/press"]["period_ms"] = 86_400_000
    box.settings["machine/loom"] = machine_settings("loom")
    box.start()
    box.read("press", 1500)
    for _ in range(CLEAR_JOURNAL_EVERY + 1):
        box.read("loom", 1500)
        box.keeper.step()
        box.clock.sleep(1000)
    box.clock.sleep(3 * 3_600_000)
    with closing(Spool(box.box.spool, box=BOX, read_only=True)) as spool:
        status = status_of(load(config), spool, box.clock)
    assert "sealed 3 h ago" in _render(status)
