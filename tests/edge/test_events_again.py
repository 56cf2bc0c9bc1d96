"""What a box tells of limits, disagreements, signatures and counters, and a bank that judges every word of it again."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.keeping.window import EVENTS_TOGETHER, Measured, Window
from edge_agent.reading import Reading
from evidence import cbor
from evidence.bodies import Body, Configuration, Event, EventKind, Events, Failure, Keep, Phase, Readings
from evidence.judging.events_again import EventsJudged
from evidence.judging.judge import Fusion, PlcState, RunState, Threshold, Wins
from evidence.judging.limits import Limit, Side
from evidence.judging.recompute import Recount
from evidence.judging.standing import BEGINNING, Standing
from tests.edge.test_judged_again import CUTS, FROM_MS, POINTS, STREAM
from tests.evidence.rules import FUSIONS, TICKS, Tick

LIMITS = st.lists(
    st.builds(
        lambda side, low, more, delay, hold: Limit(
            name="pressure",
            point="pressure",
            side=side,
            raise_milli=low if side is Side.BELOW else low + more,
            clear_milli=low + more if side is Side.BELOW else low,
            delay_ms=delay,
            hold_ms=hold,
        ),
        st.sampled_from(Side),
        st.integers(0, 1500),
        st.integers(0, 500),
        st.sampled_from([0, 1000, 5000, 90_000]),
        st.sampled_from([1500, 5000, 30_000]),
    ),
    max_size=1,
)
ENERGY: dict[str, Any] = {"name": "cycles", "unit": "Wh", "decimals": 0, "kind": "counter", "modulus": 1 << 16}
SIGNATURE: dict[str, Any] = {
    "point": "active_power",
    "running_mw": 500,
    "spread_mw": 10,
    "idle_mw": None,
    "wh_per_hour": 0,
    "block_ms": 3000,
    "inrush_ms": 0,
    "inrush_mw": None,
    "inrush_spread_mw": None,
    "hold_ms": 30_000,
}


def settings_of(limits: list[Limit], rule: Fusion | Threshold | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "period_ms": 1000,
        "keep": 0,
        "points": [POINTS[0], POINTS[1], ENERGY, POINTS[3]],
        "counter_events": 1,
        "rated_w": 5000,
        "limits": [limit.settings() for limit in limits],
        **({} if rule is None else rule.settings()),
        **more,
    }


def told(
    ticks: list[Tick], settings: dict[str, Any], *, seals: set[int], crashes: set[int], keeps: list[Keep]
) -> list[Body]:
    """What a box says that seals after some readings, and dies after some and goes on from its journal."""
    measured = Measured.from_settings(STREAM, settings)
    at_ms, bodies, carried, journal = FROM_MS, list[Body]([Configuration(settings=settings)]), BEGINNING, list[bytes]()
    window, from_ms, windows = Window(measured=measured, from_ms=at_ms), at_ms, 0
    for i, (after_ms, values) in enumerate(ticks):
        at_ms += after_ms
        failure = Failure.SILENT if None in values else None
        reading = Reading(stream=STREAM, at_ms=at_ms, steady_ms=at_ms, values=values, failure=failure)
        journal += window.add(reading, at_ms)[0]
        if i in crashes:
            window = Window(measured=measured, from_ms=from_ms, carried=carried)
            for row in journal:
                window.replay(row)
        if i in seals or i == len(ticks) - 1:
            body, standing = window.seal(window.end_ms, keep=keeps[windows % len(keeps)])
            bodies += [body, *window.news()]
            carried, windows, from_ms = through_bytes(standing), windows + 1, body.to_ms
            window = Window(measured=measured, from_ms=from_ms, carried=carried)
            journal.clear()
    return bodies


def through_bytes(standing: Standing) -> Standing:
    read = Standing.from_value(cbor.decode(cbor.encode(standing.to_value()), at_most=1 << 16))
    assert read == standing
    return read


def judged_again(bodies: list[Body], *, missing: frozenset[int] = frozenset()) -> EventsJudged | None:
    """What a bank finds in this chain, of which some statements are missing."""
    recount, config = Recount(), b""
    for n, body in enumerate(bodies):
        if isinstance(body, Configuration):
            config = sha256(body.encoded).digest()
        if n in missing:
            continue
        follows = n == 0 or n - 1 not in missing
        match body:
            case Configuration():
                recount.configure(body, config, follows=follows)
            case Readings():
                recount.readings(n, body, config=config, follows=follows)
            case Events():
                recount.events(n, body, follows=follows)
    return recount.result().events


SETTINGS = st.builds(
    lambda limits, rule, more: settings_of(limits, rule, **more),
    LIMITS,
    st.one_of(st.none(), FUSIONS),
    st.sampled_from([{}, {"signature": SIGNATURE}]),
)


@given(TICKS, SETTINGS, CUTS, CUTS)
def test_of_every_sample_every_event_is_agreed_with_and_none_is_lacking(
    ticks: list[Tick], settings: dict[str, Any], seals: set[int], crashes: set[int]
) -> None:
    bodies = told(ticks, settings, seals=seals, crashes=crashes, keeps=[Keep.EVERY])
    found = judged_again([*bodies, *empty_window(bodies)])
    events = [event for body in bodies if isinstance(body, Events) for event in body.events]
    if found is None:
        assert not events
    else:
        assert (found.agreed, found.unfounded, found.missing, found.still_open) == (len(events), 0, 0, 0)


def empty_window(bodies: list[Body]) -> list[Body]:
    """The window that comes next, so that what the last one lacks is known to be lacking."""
    last = next(body for body in reversed(bodies) if isinstance(body, Readings))
    return [replace(last, from_ms=last.to_ms, to_ms=last.to_ms + 1, times_ms=[], columns=[], failures=[], spans=[])]


@given(TICKS, SETTINGS, CUTS, CUTS)
def test_cut_and_crashed_anywhere_a_box_tells_the_same(
    ticks: list[Tick], settings: dict[str, Any], seals: set[int], crashes: set[int]
) -> None:
    def events(seals: set[int], crashes: set[int]) -> list[Event]:
        bodies = told(ticks, settings, seals=seals, crashes=crashes, keeps=[Keep.EVERY])
        return [event for body in bodies if isinstance(body, Events) for event in body.events]

    assert events(seals, crashes) == events(set(), set())


@given(TICKS, SETTINGS, CUTS, st.lists(st.sampled_from(Keep), min_size=1, max_size=3), st.data())
def test_an_honest_box_is_never_contradicted_whatever_is_kept_and_whatever_is_missing(
    ticks: list[Tick], settings: dict[str, Any], seals: set[int], keeps: list[Keep], data: st.DataObject
) -> None:
    bodies = told(ticks, settings, seals=seals, crashes=set(), keeps=keeps)
    missing = data.draw(st.frozensets(st.integers(1, len(bodies) - 1), max_size=2))
    found = judged_again([*bodies, *empty_window(bodies)], missing=missing)
    assert found is None or (found.unfounded, found.missing) == (0, 0)


@given(TICKS, LIMITS, CUTS, st.data())
def test_an_event_left_out_or_altered_is_found(
    ticks: list[Tick], limits: list[Limit], seals: set[int], data: st.DataObject
) -> None:
    bodies = told(ticks, settings_of(limits, None), seals=seals, crashes=set(), keeps=[Keep.EVERY])
    places = [i for i, body in enumerate(bodies) if isinstance(body, Events)]
    if not places:
        return
    i = data.draw(st.sampled_from(places))
    body = bodies[i]
    assert isinstance(body, Events)
    j = data.draw(st.integers(0, len(body.events) - 1))
    lies: list[list[Event]] = [[], [replace(body.events[j], phase=Phase((body.events[j].phase + 1) % 3))]]
    lie = data.draw(st.sampled_from(lies))
    events = [*body.events[:j], *lie, *body.events[j + 1 :]]
    lying = [*bodies[:i], *([Events(events=events)] if events else []), *bodies[i + 1 :], *empty_window(bodies)]
    found = judged_again(lying)
    assert found is not None
    assert found.missing == 1
    assert found.unfounded == len(lie)


HYDRANT = Limit(
    name="pressure",
    point="pressure",
    side=Side.BELOW,
    raise_milli=100,
    clear_milli=105,
    delay_ms=10_000,
    hold_ms=3000,
)


def minutes(pressures: list[int]) -> list[Body]:
    """One answer a second, kept by minute, sealed every five minutes."""
    ticks: list[Tick] = [(1000, (0, 0, 7, pressure)) for pressure in pressures]
    seals = set(range(299, len(ticks), 300))
    return told(ticks, settings_of([HYDRANT], None), seals=seals, crashes=set(), keeps=[Keep.MINUTE])


def test_minutes_say_when_a_limit_must_have_been_told() -> None:
    honest = minutes([200] * 300 + [50] * 600 + [200] * 600)
    found = judged_again(honest)
    assert found is not None
    assert (found.agreed, found.unfounded, found.missing, found.raised) == (2, 0, 0, ())
    assert [(honest[n], event) for n, event in found.newest] == [
        (body, event) for body in honest if isinstance(body, Events) for event in body.events
    ]
    silent: list[Body] = [body for body in honest if not isinstance(body, Events)]
    found = judged_again(silent)
    assert found is not None
    assert found.missing == 2


def test_minutes_say_where_a_limit_cannot_have_been_passed() -> None:
    fine = minutes([200] * 900)
    alarm = Event(at_ms=FROM_MS + 400_000, event=EventKind.LIMIT, phase=Phase.RAISED, subject="pressure", says="")
    found = judged_again([*fine[:3], Events(events=[alarm]), *fine[3:]])
    assert found is not None
    assert found.unfounded == 1
    assert [(each.event, each.subject, each.since_ms) for each in found.raised] == [
        (EventKind.LIMIT, "pressure", alarm.at_ms)
    ]


def test_a_disagreement_is_told_when_it_has_lasted_and_when_it_is_over() -> None:
    power = Threshold(running_above_mw=100, idle_above_mw=10, hysteresis_mw=0, dwell_ms=0, hold_ms=3000)
    says = PlcState(
        point="status", states=((1, 1, RunState.RUNNING), (1, 0, RunState.STOPPED)), dwell_ms=0, hold_ms=3000
    )
    rule = Fusion(first=power, second=says, wins=Wins.FIRST, disagreement_ms=5000)
    ticks: list[Tick] = [(1000, (500, bit, 7, 0)) for bit in [1] * 5 + [0] * 10 + [1] * 5]
    bodies = told(ticks, settings_of([], rule), seals=set(), crashes=set(), keeps=[Keep.EVERY])
    events = [event for body in bodies if isinstance(body, Events) for event in body.events]
    assert [(e.at_ms - FROM_MS, e.event, e.phase, e.subject, e.says) for e in events] == [
        (
            11_000,
            EventKind.DISAGREEMENT,
            Phase.RAISED,
            "run_state",
            "active_power says RUNNING, status says STOPPED",
        ),
        (
            16_000,
            EventKind.DISAGREEMENT,
            Phase.CLEARED,
            "run_state",
            "active_power says RUNNING, status says RUNNING",
        ),
    ]


def test_a_counter_that_fell_is_told_with_what_it_said_before_and_not_again_for_a_minute() -> None:
    values = [500, 501, 3, 400, 2, 3]
    ticks: list[Tick] = [(1000, (0, 0, value, 0)) for value in values]
    bodies = told(ticks, settings_of([], None), seals=set(), crashes=set(), keeps=[Keep.EVERY])
    events = [event for body in bodies if isinstance(body, Events) for event in body.events]
    assert [(e.event, e.subject, e.value, e.reference, e.says) for e in events] == [
        (EventKind.COUNTER, "cycles", 3, 501, "fell, or was replaced")
    ]


def test_another_machine_on_the_same_clamp_is_told() -> None:
    power = Threshold(running_above_mw=100, idle_above_mw=10, hysteresis_mw=0, dwell_ms=0, hold_ms=3000)
    ticks: list[Tick] = [(1000, (power_mw, 0, 7, 0)) for power_mw in [500] * 100 + [800] * 100]
    bodies = told(
        ticks, settings_of([], power, signature=SIGNATURE), seals={50, 150}, crashes=set(), keeps=[Keep.EVERY]
    )
    events = [event for body in bodies if isinstance(body, Events) for event in body.events]
    assert [(e.event, e.phase, e.subject, e.value, e.reference) for e in events] == [
        (EventKind.SIGNATURE, Phase.RAISED, "active_power", 800, 500)
    ]
    assert "when commissioned" in events[0].says


@pytest.mark.parametrize("count", [1, EVENTS_TOGETHER, EVENTS_TOGETHER + 1])
def test_what_a_device_reports_survives_a_crash_and_is_told_in_order(count: int) -> None:
    measured = Measured.from_settings(STREAM, settings_of([], None))
    reported = tuple(
        Event(
            at_ms=FROM_MS + 7 * (count - i),
            event=EventKind.COMPONENT,
            phase=Phase.RAISED,
            subject="x" * 200,
            value=-(1 << 52),
            reference=1 << 52,
            says="说" * 66,
        )
        for i in range(count)
    )
    window = Window(measured=measured, from_ms=FROM_MS)
    reading = Reading(stream=STREAM, at_ms=FROM_MS, steady_ms=0, values=(None,) * 4, events=reported)
    rows, _ = window.add(reading, FROM_MS)
    again = Window(measured=measured, from_ms=FROM_MS)
    for row in rows:
        again.replay(row)
    events = [event for body in again.news() for event in body.events]
    assert events == sorted(reported, key=lambda event: event.at_ms)
    assert again.has_news
    for body in again.news():
        assert Events.from_value(cbor.decode(cbor.encode(body.to_value()), at_most=200_000)) == body
