"""What a bank reads of events: how many of each kind, the first with their times, what is open at the end."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evidence.bodies import Aggregate, Column, Event, EventKind, Events, Keep, Phase, Readings
from evidence.events_told import FIRST_LIMIT, Tally
from evidence.findings import Findings, StreamFindings, Verdict
from evidence.judging.limits import Limit, Side
from evidence.source import Memory
from evidence.tell import findings_json, findings_text
from evidence.trust import Trust
from evidence.verify import verify
from tests.world.notebook import START_MS, Notebook

HYDRANT = "fire/hydrant"
LIMIT = Limit(
    name="pressure",
    point="pressure",
    side=Side.BELOW,
    raise_milli=100_000,
    clear_milli=105_000,
    delay_ms=0,
    hold_ms=3000,
)
SETTINGS: dict[str, Any] = {
    "title": "Hydrant",
    "period_ms": 1000,
    "points": [{"name": "pressure", "unit": "kPa", "decimals": 0, "kind": "gauge"}],
    "limits": [LIMIT.settings()],
}


def event(phase: Phase, at_ms: int, value: int = 86) -> Event:
    """As the box says it."""
    is_raised = phase is Phase.RAISED
    return Event(
        at_ms=at_ms,
        event=EventKind.LIMIT,
        phase=phase,
        subject="pressure",
        value=value,
        reference=100 if is_raised else 105,
        says=f"{value} kPa, {'below 100' if is_raised else 'again not below 105'} kPa",
    )


def window(notebook: Notebook, *pressures: int) -> int:
    """Every sample kept, one a second; when the last one came."""
    chain = notebook.chain(HYDRANT, SETTINGS)
    from_ms = notebook.now_ms
    notebook.now_ms = to_ms = from_ms + 1000 * len(pressures)
    column = Column("pressure", Aggregate.SAMPLE, "kPa", 0, list(pressures))
    times = [from_ms + 1000 * i for i in range(len(pressures))]
    body = Readings(from_ms=from_ms, to_ms=to_ms, period_ms=1000, keep=Keep.EVERY, times_ms=times, columns=[column])
    notebook.add(HYDRANT, body)
    assert chain.n
    return times[-1]


def tell(notebook: Notebook, *events: Event) -> None:
    notebook.add(HYDRANT, Events(events=list(events)))


def findings_of(notebook: Notebook) -> tuple[Findings, StreamFindings]:
    trust = Trust(fingerprints=frozenset([notebook.receiver.public.fingerprint]))
    found = verify(Memory(held=notebook.entries()), trust)
    return found, next(stream for stream in found.streams if stream.stream == HYDRANT)


def a_burst(*, tells: bool = True, recovers: bool = True) -> Notebook:
    """Pressure falls below its limit, and comes back."""
    notebook = Notebook()
    notebook.chain("box")
    window(notebook, 120, 121, 122)
    fell_ms = window(notebook, 121, 86)
    if tells:
        tell(notebook, event(Phase.RAISED, fell_ms))
    window(notebook, 84, 85)
    if recovers:
        rose_ms = window(notebook, 85, 126)
        if tells:
            tell(notebook, event(Phase.CLEARED, rose_ms, 126))
        window(notebook, 125)
    return notebook


def test_events_are_counted_by_kind_and_the_first_are_named_with_their_times() -> None:
    found, stream = findings_of(a_burst())
    assert found.verdict is Verdict.COMPLETE
    judged = stream.recomputed.events
    assert judged is not None
    (kind,) = judged.kinds
    assert (kind.event, kind.count, kind.raised, kind.cleared, kind.noted) == (EventKind.LIMIT, 2, 1, 1, 0)
    assert judged.raised == ()
    text = findings_text(found)
    said = [" ".join(line.split()) for line in text.splitlines()]
    assert "events 2, 2 follow from the facts" in said
    assert "LIMIT 2: 1 raised, 1 cleared" in said
    assert "told n=3 2026-03-01 08:00:04 (00:00:04Z) LIMIT RAISED pressure: 86 kPa, below 100 kPa" in said


def test_what_is_open_at_the_end_is_listed_with_since_when() -> None:
    found, stream = findings_of(a_burst(recovers=False))
    judged = stream.recomputed.events
    assert judged is not None
    (raised,) = judged.raised
    assert (raised.subject, raised.n, raised.since_ms, raised.last.value) == ("pressure", 3, START_MS + 4000, 86)
    assert "LIMIT pressure since 2026-03-01 08:00:04 (00:00:04Z), and not cleared: 86 kPa" in findings_text(found)
    told = next(each for each in findings_json(found)["streams"] if each["stream"] == HYDRANT)["recomputed"]["events"]
    assert told["kinds"][0] | {"first": []} == {
        "event": "limit",
        "count": 1,
        "noted": 0,
        "raised": 1,
        "cleared": 0,
        "first": [],
    }
    assert told["kinds"][0]["first"][0][1]["at_ms"] == START_MS + 4000
    assert (told["raised"][0]["since_ms"], told["raised"][0]["last"]["says"]) == (
        START_MS + 4000,
        "86 kPa, below 100 kPa",
    )


def test_a_box_that_does_not_raise_what_its_readings_demand_is_contradicted() -> None:
    found, stream = findings_of(a_burst(tells=False))
    assert found.verdict is Verdict.BROKEN
    assert stream.contradicted == 2
    assert "the event LIMIT RAISED pressure" in stream.contradictions[0].what
    assert "was not told" in stream.contradictions[0].what


def test_a_box_that_raises_what_its_readings_do_not_show_is_contradicted() -> None:
    notebook = a_burst()
    tell(notebook, event(Phase.RAISED, notebook.now_ms - 1000))
    found, stream = findings_of(notebook)
    assert found.verdict is Verdict.BROKEN
    assert "does not follow from the facts" in stream.contradictions[0].what


def test_an_events_page_taken_out_is_a_hole_and_no_lie_of_the_box() -> None:
    notebook = a_burst()
    gone = next(page for page in notebook.pages if isinstance(notebook.open(page).body, Events))
    receipt = notebook.receipt()  # without it nobody says that the page exists
    held = [(kind, content) for kind, content in notebook.entries() if content not in (gone, receipt)]
    found = verify(Memory(held=held), Trust(fingerprints=frozenset([notebook.receiver.public.fingerprint])))
    stream = next(stream for stream in found.streams if stream.stream == HYDRANT)
    assert found.verdict is Verdict.INCOMPLETE
    assert (stream.missing, stream.contradicted) == (1, 0)


@given(
    st.lists(st.tuples(st.sampled_from(EventKind), st.sampled_from(Phase), st.sampled_from("abc")), max_size=40),
)
def test_a_tally_is_what_a_child_would_count(told: list[tuple[EventKind, Phase, str]]) -> None:
    tally = Tally()
    events = [
        (n, replace(event(phase, START_MS + n), event=kind, subject=subject))
        for n, (kind, phase, subject) in enumerate(told)
    ]
    for n, one in events:
        tally.take(n, one)
    assert [kind.event for kind in tally.kinds] == sorted({one.event for _, one in events})
    for kind in tally.kinds:
        of = [(n, one) for n, one in events if one.event is kind.event]
        assert list(kind.first) == of[:FIRST_LIMIT]
        assert (kind.count, kind.raised) == (len(of), sum(one.phase is Phase.RAISED for _, one in of))
    for about in {(one.event, one.subject) for _, one in events}:
        own = [(n, one) for n, one in events if (one.event, one.subject) == about and one.phase is not Phase.NOTED]
        cleared = max((n for n, one in own if one.phase is Phase.CLEARED), default=-1)
        after = [n for n, _ in own if n > cleared]
        named = [each.n for each in tally.raised if (each.event, each.subject) == about]
        assert named == after[:1]
        assert tally.is_raised(*about) is bool(after)
