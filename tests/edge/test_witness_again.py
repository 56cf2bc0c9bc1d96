"""What a box tells of a sealed meter, and a bank that judges every word of it again."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.keeping.window import Measured, Window
from edge_agent.reading import Reading
from evidence.bodies import Body, Event, EventKind, Events, Failure, Keep, Phase, Readings
from evidence.judging.events_again import EventsJudged
from tests.edge.test_events_again import empty_window, judged_again, told
from tests.edge.test_judged_again import FROM_MS as BEGINS_MS

PERIOD_MS = 600_000
FROM_MS = 1_772_323_200_000
SETTINGS: dict[str, Any] = {
    "period_ms": PERIOD_MS,
    "keep": 0,
    "points": [
        {"name": "cover_open_count", "unit": "1", "decimals": 0, "kind": "counter", "witness": 1},
        {"name": "clock", "unit": "s", "decimals": 0, "kind": "gauge", "clock": 1},
    ],
    "identity": {"meter_number": "202401150007"},
    "clock_off_ms": 300_000,
}
Tick = tuple[int, tuple[int | None, ...]]
COUNTS = st.one_of(st.none(), st.integers(0, 2))
OFFS = st.one_of(st.none(), st.sampled_from([0, 270, 285, 301, -400]))
TICKS = st.lists(st.tuples(st.integers(1, 5).map(lambda n: n * 30_000), COUNTS, OFFS), min_size=1, max_size=24)
CUTS = st.sets(st.integers(0, 23))


def ticks_of(drawn: list[tuple[int, int | None, int | None]]) -> list[Tick]:
    """A clock's offset becomes what it shows."""
    at_ms, ticks = BEGINS_MS, list[Tick]()
    for after_ms, count, off_s in drawn:
        at_ms += after_ms
        ticks.append((after_ms, (count, None if off_s is None else at_ms // 1000 + off_s)))
    return ticks


def events_in(bodies: list[Body]) -> list[Event]:
    return [event for body in bodies if isinstance(body, Events) for event in body.events]


def figures(found: EventsJudged | None) -> tuple[int, int, int, int]:
    return (0, 0, 0, 0) if found is None else (found.agreed, found.unfounded, found.missing, found.still_open)


@given(TICKS, CUTS, CUTS)
def test_of_every_sample_every_word_is_agreed_with(
    drawn: list[tuple[int, int | None, int | None]], seals: set[int], crashes: set[int]
) -> None:
    bodies = told(ticks_of(drawn), SETTINGS, seals=seals, crashes=crashes, keeps=[Keep.EVERY])
    assert figures(judged_again([*bodies, *empty_window(bodies)])) == (len(events_in(bodies)), 0, 0, 0)


@given(TICKS, CUTS, st.data())
def test_of_every_sample_what_was_not_told_is_missed_and_what_was_made_up_is_found(
    drawn: list[tuple[int, int | None, int | None]], seals: set[int], data: st.DataObject
) -> None:
    bodies = told(ticks_of(drawn), SETTINGS, seals=seals, crashes=set(), keeps=[Keep.EVERY])
    places = [i for i, body in enumerate(bodies) if isinstance(body, Events)]
    if not places:
        return
    at = data.draw(st.sampled_from(places))
    told_of = bodies[at]
    assert isinstance(told_of, Events)
    hidden = [*bodies[:at], *([Events(events=told_of.events[1:])] if told_of.events[1:] else []), *bodies[at + 1 :]]
    found = judged_again([*hidden, *empty_window(bodies)])
    assert found
    assert (found.unfounded, found.missing) == (0, 1)
    first = told_of.events[0]
    moved = Events(events=[replace(first, at_ms=first.at_ms - 1), *told_of.events])
    found = judged_again([*bodies[:at], moved, *bodies[at + 1 :], *empty_window(bodies)])
    assert found
    assert (found.unfounded, found.missing) == (1, 0)


@given(TICKS, CUTS, st.sets(st.integers(1, 30), max_size=4))
def test_with_statements_missing_nothing_true_is_held_against_the_box(
    drawn: list[tuple[int, int | None, int | None]], seals: set[int], missing: set[int]
) -> None:
    bodies = told(ticks_of(drawn), SETTINGS, seals=seals, crashes=set(), keeps=[Keep.EVERY])
    found = judged_again([*bodies, *empty_window(bodies)], missing=frozenset(missing))
    assert found is None or (found.unfounded, found.missing) == (0, 0)


@given(TICKS, CUTS, st.lists(st.sampled_from(Keep), min_size=1, max_size=3))
def test_where_minutes_are_kept_nothing_true_is_held_against_the_box(
    drawn: list[tuple[int, int | None, int | None]], seals: set[int], keeps: list[Keep]
) -> None:
    bodies = told(ticks_of(drawn), SETTINGS, seals=seals, crashes=set(), keeps=keeps)
    found = judged_again([*bodies, *empty_window(bodies)])
    assert found is None or (found.unfounded, found.missing) == (0, 0)


def test_of_minutes_a_change_that_was_not_told_is_missed() -> None:
    ticks: list[Tick] = [(60_000, (count, None)) for count in (3, 3, 4, 4)]
    for keeps in ([Keep.MINUTE], [Keep.EVERY, Keep.MINUTE]):
        bodies = told(ticks, SETTINGS, seals={1, 2}, crashes=set(), keeps=keeps)
        assert figures(judged_again([*bodies, *empty_window(bodies)])) == (1, 0, 0, 0)
        silent = [body for body in bodies if not isinstance(body, Events)]
        found = judged_again([*silent, *empty_window(bodies)])
        assert found
        assert figures(found) == (0, 0, 1, 0)
        assert "WITNESS NOTED cover_open_count" in found.named[0][1]


def test_a_strangers_answers_are_in_no_window_and_who_he_is_is_told_once() -> None:
    measured = Measured.from_settings("meter/yard", SETTINGS)
    raised = Event(at_ms=0, event=EventKind.IDENTITY, phase=Phase.RAISED, subject="identity", says="another meter")
    cleared = replace(raised, phase=Phase.CLEARED)
    window = Window(measured=measured, from_ms=FROM_MS)
    journal = list[bytes]()
    readings = [((3, None), None, cleared), ((None, None), Failure.STRANGER, raised), ((4, None), None, cleared)]
    for i, (values, failure, event) in enumerate(readings, 1):
        at_ms = FROM_MS + i * 1000
        for _ in range(2):
            reading = Reading(
                stream="meter/yard",
                at_ms=at_ms,
                steady_ms=at_ms,
                values=values,
                failure=failure or Failure.NO_VALUE,
                events=(event,),
            )
            journal += window.add(reading, at_ms)[0]
            at_ms += 500
    again = Window(measured=measured, from_ms=FROM_MS)
    for row in journal:
        again.replay(row)
    for each in (window, again):
        (news,) = each.news()
        assert [(e.at_ms - FROM_MS, e.event, e.phase) for e in news.events] == [
            (2000, EventKind.IDENTITY, Phase.RAISED),
            (3000, EventKind.IDENTITY, Phase.CLEARED),
            (3000, EventKind.WITNESS, Phase.NOTED),
        ]
        assert isinstance(each.seal(each.end_ms)[0], Readings)
        assert each.judge.standing.stranger == 0
