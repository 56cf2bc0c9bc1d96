"""The pen: what a stream begins with, and what a new run says of the time since the last."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.keeping.signer import LastRun, Signer, opening
from evidence.bodies import Configuration, Gap, GapReason
from evidence.judging.standing import BEGINNING
from evidence.statement import open_statement
from tests.world.box import BoxUnderTest, machine_settings

PRESS = "machine/press"
CLEAN = LastRun(boot=bytes(16), clean=True)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxUnderTest]:
    made = BoxUnderTest(directory=tmp_path)
    yield made
    made.die()


@pytest.fixture
def signer(box: BoxUnderTest) -> Signer:
    return box.open()


def last_of(box: BoxUnderTest, stream: str) -> object:
    assert box.spool is not None
    *_, encoded = box.spool.statements(unsent_only=False)
    statement = open_statement(encoded, {box.key.public.kid: box.key.public}.get)
    assert statement.stream == stream
    return statement.body


def test_settings_are_signed_once_and_again_only_when_they_change(box: BoxUnderTest, signer: Signer) -> None:
    with signer.spool.writing():
        for period_ms in (1000, 1000, 2000):
            signer.begin_stream(PRESS, machine_settings(period_ms=period_ms), CLEAN, now_ms=5)
    assert signer.spool.head(PRESS).next_n == 2
    body = last_of(box, PRESS)
    assert isinstance(body, Configuration)
    assert body.settings["period_ms"] == 2000
    assert signer.spool.settings(PRESS) == body.settings


@pytest.mark.parametrize(
    ("clean", "same_boot", "reason", "lost"),
    [
        (True, True, GapReason.BOX_OFF, 0),
        (True, False, GapReason.BOX_OFF, 0),
        (False, True, GapReason.CRASH, None),
        (False, False, GapReason.BOX_OFF, None),
    ],
)
def test_the_gap_since_the_last_run_says_why(
    box: BoxUnderTest, signer: Signer, *, clean: bool, same_boot: bool, reason: GapReason, lost: int | None
) -> None:
    settings = machine_settings()
    last = LastRun(boot=signer.boot if same_boot else bytes(16), clean=clean)
    with signer.spool.writing():
        signer.begin_stream(PRESS, settings, last, now_ms=5)
        signer.spool.set_measured(PRESS, until_ms=100, carry=BEGINNING, journal_after=0)
        assert signer.begin_stream(PRESS, settings, last, now_ms=900) == 900
    assert last_of(box, PRESS) == Gap(from_ms=100, to_ms=900, reason=reason, lost=lost)


def test_a_run_knows_how_the_last_one_ended(signer: Signer) -> None:
    with signer.spool.writing():
        assert signer.begin_run("poll") == LastRun(boot=b"", clean=False)
        assert signer.begin_run("poll") == LastRun(boot=signer.boot, clean=False)
        signer.end_run("poll")
        assert signer.begin_run("poll").clean
        assert not signer.begin_run("poll").clean
        assert signer.begin_run("watch gate/dock").boot == b""


def test_a_moment_carries_both_clocks_and_how_good_they_are(box: BoxUnderTest, signer: Signer) -> None:
    moment = signer.moment()
    assert (moment.at_ms, moment.steady_ms) == (box.clock.utc_ms(), box.clock.steady_ms())
    assert (moment.boot, moment.clock.name, moment.clock_error_ms) == (box.clock.boot_id(), "NTP", 5)


def test_a_window_that_begins_anew_never_adjoins_the_one_before() -> None:
    assert [opening(None, 7), opening(6, 7), opening(7, 7), opening(8, 7)] == [7, 7, 8, 7]
