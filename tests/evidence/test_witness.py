"""What a sealed meter says of itself: its counts, and its clock."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.bodies import Event, EventKind, Phase
from evidence.errors import MalformedError
from evidence.judging.standing import BEGINNING, Standing
from evidence.judging.stream_judge import Measure, Rules, StreamJudge
from evidence.judging.witness import CHINA_S, CLOCK, MEANINGS, UNWITNESSED, Witness, WitnessState, in_words

MIDNIGHT_MS = 1_795_363_200_000
"""One in China, in UTC ms."""
NOON_MS = MIDNIGHT_MS + 12 * 3_600_000
DAY_S = 86_400


def point(name: str, unit: str = "1", **more: int) -> dict[str, Any]:
    return {"name": name, "unit": unit, "decimals": 0, "kind": "gauge" if unit == "s" else "counter", **more}


COVER, MAGNET = point("cover_open_count", witness=1), point("magnetic_interference_count", witness=1)
DATE, TIME = point("clock_date", "s", clock=1), point("clock_time", "s", clock=1)


def judge_of(
    *points: dict[str, Any], carried: Standing = BEGINNING, identity: dict[str, str] | None = None
) -> StreamJudge:
    settings: dict[str, Any] = {"points": list(points), "clock_off_ms": 300_000}
    settings |= {} if identity is None else {"identity": identity}
    measures = [Measure(p["name"], p["unit"], p["decimals"]) for p in points]
    return StreamJudge(rules=Rules.from_settings(settings), points=measures, carried=carried)


def told(judge: StreamJudge, at_ms: int, *values: int | None) -> list[Event]:
    return judge.take(at_ms, values)[1]


def in_short(events: list[Event]) -> list[tuple[Phase, str, int | None, int | None]]:
    return [(event.phase, event.subject, event.value, event.reference) for event in events]


def test_a_count_that_rises_is_noted_with_both_figures_and_its_meaning() -> None:
    judge = judge_of(COVER, MAGNET)
    assert told(judge, 1000, 3, 0) == []
    assert told(judge, 2000, 3, 0) == []
    (event,) = told(judge, 3000, 4, 0)
    assert (event.event, event.at_ms) == (EventKind.WITNESS, 3000)
    assert in_short([event]) == [(Phase.NOTED, "cover_open_count", 4, 3)]
    assert event.says == "开表盖 the meter's cover was opened: 3 → 4"


def test_a_count_that_falls_was_cleared_or_is_another_meters() -> None:
    judge = judge_of(COVER)
    told(judge, 1000, 3)
    (event,) = told(judge, 2000, 0)
    assert in_short([event]) == [(Phase.NOTED, "cover_open_count", 0, 3)]
    assert "计数减少" in event.says


def test_silence_between_two_answers_hides_nothing() -> None:
    judge = judge_of(COVER, MAGNET)
    told(judge, 1000, 3, 1)
    assert told(judge, 2000, None, None) == []
    assert in_short(told(judge, 3000, None, 2)) == [(Phase.NOTED, "magnetic_interference_count", 2, 1)]
    assert in_short(told(judge, 4000, 9, 2)) == [(Phase.NOTED, "cover_open_count", 9, 3)]


def test_counts_are_carried_over_a_restart_and_other_settings_of_the_same_meter() -> None:
    before = judge_of(COVER, identity={"meter_number": "1"})
    told(before, 1000, 3)
    carried = Standing.from_value(before.standing.to_value()).anew(same=False)
    after = judge_of(COVER, MAGNET, carried=carried, identity={"meter_number": "1"})
    assert in_short(told(after, 9000, 4, 7)) == [(Phase.NOTED, "cover_open_count", 4, 3)]


def test_counts_of_a_meter_that_was_pinned_anew_begin_anew() -> None:
    before = judge_of(COVER, identity={"meter_number": "1"})
    told(before, 1000, 3)
    after = judge_of(COVER, carried=before.standing, identity={"meter_number": "2"})
    assert told(after, 2000, 44) == []
    assert in_short(told(after, 3000, 45)) == [(Phase.NOTED, "cover_open_count", 45, 44)]


def test_counts_are_kept_while_the_settings_do_not_ask_for_them() -> None:
    before = judge_of(COVER)
    told(before, 1000, 3)
    between = judge_of(point("energy_import"), carried=before.standing)
    told(between, 2000, 5)
    assert len(told(judge_of(COVER, carried=between.standing), 3000, 4)) == 1


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=40), st.sets(st.integers(0, 39)))
def test_every_change_is_told_once_wherever_the_box_restarts(counts: list[int | None], restarts: set[int]) -> None:
    judge, events = judge_of(COVER), list[Event]()
    for i, count in enumerate(counts):
        if i in restarts:
            judge = judge_of(COVER, carried=Standing.from_value(judge.standing.to_value()).anew(same=True))
        events += told(judge, 1000 * i, count)
    heard = [count for count in counts if count is not None]
    changes = [(now, before) for before, now in pairwise(heard) if now != before]
    assert [(event.value, event.reference) for event in events] == changes


# The clock


def shown(at_ms: int, off_s: int = 0) -> tuple[int, int]:
    """What a meter says whose clock is so far off: the midnight of its date, and its time of day."""
    local_s = at_ms // 1000 + off_s + CHINA_S
    return local_s - local_s % DAY_S - CHINA_S, local_s % DAY_S


def test_a_clock_that_goes_off_is_raised_with_its_offset_and_cleared_when_it_is_set() -> None:
    judge = judge_of(DATE, TIME)
    assert told(judge, NOON_MS, *shown(NOON_MS, 290)) == []
    (event,) = told(judge, NOON_MS + 1000, *shown(NOON_MS + 1000, -301))
    assert (event.event, event.says) == (EventKind.CLOCK, "表钟 the meter's clock is 301 s behind the box's")
    assert in_short([event]) == [(Phase.RAISED, CLOCK, -301, 300)]
    assert told(judge, NOON_MS + 2000, *shown(NOON_MS + 2000, -280)) == []
    assert told(judge, NOON_MS + 3000, None, 5) == []
    assert in_short(told(judge, NOON_MS + 4000, *shown(NOON_MS + 4000, 20))) == [(Phase.CLEARED, CLOCK, 20, 300)]


def test_midnight_between_the_date_and_the_time_says_nothing() -> None:
    judge = judge_of(DATE, TIME)
    before, after = MIDNIGHT_MS - 1000, MIDNIGHT_MS + 1000
    assert told(judge, after, shown(before)[0], shown(after)[1]) == []
    assert told(judge, after, shown(after)[0], shown(before)[1]) == []
    assert len(told(judge, NOON_MS, *shown(NOON_MS, DAY_S))) == 1


def test_a_whole_day_off_is_raised_at_any_other_time() -> None:
    judge = judge_of(DATE, TIME)
    assert in_short(told(judge, NOON_MS, *shown(NOON_MS, -DAY_S))) == [(Phase.RAISED, CLOCK, -DAY_S, 300)]


def test_a_clock_in_one_value_is_off_at_midnight_too() -> None:
    judge = judge_of(point("clock", "s", clock=1))
    at_ms = MIDNIGHT_MS
    assert in_short(told(judge, at_ms, at_ms // 1000 - DAY_S)) == [(Phase.RAISED, CLOCK, -DAY_S, 300)]


def test_who_it_is_is_told_when_it_changes_and_not_again_after_a_restart() -> None:
    def identity(phase: Phase) -> Event:
        return Event(at_ms=5, event=EventKind.IDENTITY, phase=phase, subject="identity")

    raised, cleared, other = identity(Phase.RAISED), identity(Phase.CLEARED), replace_kind(identity(Phase.RAISED))
    judge = judge_of(COVER)
    assert judge.heed([cleared]) == []
    assert judge.heed([raised, raised]) == [raised]
    after = judge_of(COVER, carried=Standing.from_value(judge.standing.to_value()).anew(same=True))
    assert after.heed([raised, other, other]) == [other, other]
    assert after.heed([cleared]) == [cleared]


def replace_kind(event: Event) -> Event:
    return Event(at_ms=event.at_ms, event=EventKind.COMPONENT, phase=event.phase, subject="detector")


# Settings


def test_settings_without_such_points_are_no_witness() -> None:
    assert Witness.from_settings({"points": [point("energy_import")], "identity": {"meter_number": "1"}}) is None
    assert Witness.from_settings({}) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"points": [COVER], "identity": 7},
        {"points": [DATE]},
        {"points": [DATE], "clock_off_ms": -1},
        {"points": [DATE], "clock_off_ms": "300"},
    ],
)
def test_settings_that_are_none_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Witness.from_settings(settings)


@pytest.mark.parametrize("value", [[], ["", [[1, 2]], 0], ["", [["a"]], 0], [0, [], 0], ["", [], "0"]])
def test_a_standing_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        WitnessState.from_value(value)
    assert WitnessState.from_value(UNWITNESSED.to_value()) == UNWITNESSED


def test_every_count_of_our_profiles_has_its_meaning_and_the_page_has_them_all() -> None:
    folder = Path(__file__).parents[2]
    named = set[str]()
    for file in (folder / "edge_agent" / "profiles").glob("*_meter.toml"):
        for table in file.read_text(encoding="utf-8").split("[[point]]\n")[1:]:
            if "witness = true" in table:
                named.add(table.split('name = "')[1].split('"')[0])
    assert len(named) > 10
    assert {re.sub(r"_l[123]$", "", name) for name in named} == set(MEANINGS)
    page = (folder / "docs" / "witness-meter.md").read_text(encoding="utf-8")
    assert not [name for name in MEANINGS if f"`{name}`" not in page and f"`{name}_l1` …" not in page]
    assert in_words("power_reversal_count_l2", 1, 2).startswith("潮流反向 the power of a phase flowed backwards (L2)")
    assert in_words("my_count", 1, 2) == "my_count: 1 → 2"
    assert len(in_words("x" * 40, 9, 1).encode()) <= 200
