"""A small store in memory that answers the page: a lifelike day of an enterprise, and days before it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256

from cloud_sync.levels import Width
from cloud_sync.page_view import (
    Clear,
    Crossing,
    Enterprise,
    GateView,
    Happened,
    Happening,
    Image,
    Problem,
    Record,
    Sensed,
    Subject,
    Trouble,
    Watched,
    ZoneView,
)
from cloud_sync.reports import HOUR_MS, Span, State
from cloud_sync.store import Pictures
from cloud_sync.words import Language, Voice
from evidence.bodies import Direction, GapReason
from evidence.judging.judge import Threshold
from evidence.statement import ClockQuality
from tests.world.sensors import SensorLife, add_sensors, machine_alarms, machine_events
from tests.world.zones import add_zones

MINUTE_MS = 60_000
CHINA = Voice(language=Language.EN)
TODAY = date(2026, 11, 23)
NOW_MS = CHINA.midnight(TODAY) + 15 * HOUR_MS + 42 * MINUTE_MS
REST_DAY = date(2026, 11, 21).weekday()
"""Not the day before TODAY, so that the last 24 hours have an evening."""
THRESHOLD = Threshold(
    running_above_mw=1_200_000,
    idle_above_mw=300_000,
    hysteresis_mw=100_000,
    dwell_ms=30_000,
    hold_ms=30_000,
)


@dataclass
class MemoryView:
    """Whatever was put into it."""

    known: list[Enterprise] = field(default_factory=list)
    streams: dict[str, list[Watched]] = field(default_factory=dict)
    states: dict[tuple[str, str], list[Span]] = field(default_factory=dict)
    gates: dict[tuple[str, str], GateView] = field(default_factory=dict)
    records: dict[tuple[str, str, Subject], Record] = field(default_factory=dict)
    sensors: dict[tuple[str, str, Subject], SensorLife] = field(default_factory=dict)
    told: dict[tuple[str, str, Subject], list[Happening]] = field(default_factory=dict)
    zones: dict[tuple[str, str], ZoneView] = field(default_factory=dict)
    images: dict[bytes, Image] = field(default_factory=dict)
    simulated: bool = False

    def enterprises(self) -> Sequence[Enterprise]:
        return self.known

    def watched(self, enterprise: str) -> Sequence[Watched]:
        return self.streams.get(enterprise, [])

    def spans(self, enterprise: str, from_ms: int, to_ms: int) -> Mapping[str, Sequence[Span]]:
        return {
            key: [span for span in spans if span.to_ms > from_ms and span.from_ms < to_ms]
            for (owner, key), spans in self.states.items()
            if owner == enterprise
        }

    def gate(self, enterprise: str, key: str, from_ms: int, to_ms: int) -> GateView:
        found = self.gates[enterprise, key]
        return GateView(
            crossings=[c for c in found.crossings if from_ms <= c.at_ms < to_ms],
            clear=[c for c in found.clear if c.to_ms > from_ms and c.from_ms < to_ms],
            pictures=_inside(found.pictures, from_ms, to_ms),
            certificate=found.certificate,
        )

    def zone(self, enterprise: str, key: str, from_ms: int, to_ms: int) -> ZoneView:
        found = self.zones[enterprise, key]
        return replace(
            found,
            stands=[stand for stand in found.stands if stand.to_ms > from_ms and stand.from_ms < to_ms],
            pictures=_inside(found.pictures, from_ms, to_ms),
        )

    def image(self, enterprise: str, key: str, subject: Subject, digest: bytes) -> Image | None:
        known = (enterprise, key) in (self.gates if subject is Subject.GATE else self.zones)
        return self.images.get(digest) if known else None

    def sensed(
        self, enterprise: str, watched: Sequence[Watched], from_ms: int, to_ms: int, width: Width
    ) -> Mapping[tuple[Subject, str], Sensed]:
        return {
            (each.subject, each.key): self.sensors[enterprise, each.key, each.subject].over(from_ms, to_ms, width)
            for each in watched
        }

    def eventful(self, enterprise: str, from_ms: int, to_ms: int) -> Mapping[tuple[Subject, str], int]:
        counts = {
            (subject, key): sum(from_ms <= each.event.at_ms < to_ms for each in told)
            for (owner, key, subject), told in self.told.items()
            if owner == enterprise
        }
        return {place: count for place, count in counts.items() if count}

    def happened(self, enterprise: str, watched: Watched, from_ms: int, to_ms: int, at_most: int) -> Happened:
        told = self.told.get((enterprise, watched.key, watched.subject), [])
        inside = [each for each in told if from_ms <= each.event.at_ms < to_ms]
        newest = sorted(inside, key=lambda each: -each.event.at_ms)[:at_most]
        return Happened(newest=newest, count=len(inside))

    def record(self, enterprise: str, key: str, subject: Subject) -> Record | None:
        return self.records.get((enterprise, key, subject))


def _inside(pictures: Pictures, from_ms: int, to_ms: int) -> Pictures:
    newest = tuple(one for one in pictures.newest if from_ms <= one.to_ms < to_ms)
    return Pictures(newest=newest, count=len(newest), here=sum(one.is_here for one in newest))


def lifelike(*, days: int = 31, simulated: bool = True, now_ms: int = NOW_MS) -> MemoryView:
    """A textile and plastics works with nine machines, a gate and three zones, seen in the afternoon."""
    view = MemoryView(known=[Enterprise(name="hengyuan", title="苏州恒远纺织")], simulated=simulated)
    view.streams["hengyuan"] = []
    shapes = {
        "loom-01": ("1 号喷水织机", two_shift),
        "loom-02": ("2 号喷水织机", two_shift),
        "loom-03": ("3 号喷水织机", two_shift),
        "texturing-01": ("1 号加弹机", around_the_clock),
        "texturing-02": ("2 号加弹机", around_the_clock),
        "moulding-01": ("1 号注塑机", moulding),
        "compressor-01": ("空压机", idling),
        "dyeing-01": ("染缸", two_shift),
        "warping-01": ("整经机", two_shift),
    }
    alarms = machine_alarms(CHINA.midnight(TODAY))
    for number, (key, (title, shape)) in enumerate(shapes.items()):
        spans = days_of(shape, days=days, seed=number, now_ms=now_ms)
        first_ms = spans[0].from_ms
        gaps = forks = 0
        problems: list[Problem] = []
        if key == "loom-03":  # went silent this morning
            spans = cut(spans, CHINA.midnight(TODAY) + 10 * HOUR_MS + 40 * MINUTE_MS, now_ms)
        if key == "warping-01":  # installed today
            first_ms = CHINA.midnight(TODAY) + 9 * HOUR_MS + 5 * MINUTE_MS
            spans = cut(spans, 0, first_ms)
        if key == "texturing-02":  # the box was off for a while
            off = CHINA.midnight(TODAY) + 3 * HOUR_MS
            spans = cut(spans, off, off + 50 * MINUTE_MS)
            gaps = 1
            problems.append(
                Problem(
                    trouble=Trouble.GAP,
                    first_n=8640,
                    last_n=8640,
                    from_ms=off,
                    to_ms=off + 50 * MINUTE_MS,
                    reason=GapReason.BOX_OFF,
                )
            )
        if key == "dyeing-01":  # a cloned card: two statements about one time
            start = CHINA.midnight(TODAY) + 11 * HOUR_MS
            spans = [
                *cut(spans, start, start + HOUR_MS),
                Span(from_ms=start, to_ms=start + HOUR_MS, state=State.CONTESTED),
            ]
            forks = 1
            problems.append(
                Problem(
                    trouble=Trouble.FORK,
                    first_n=8736,
                    last_n=8739,
                    from_ms=start,
                    to_ms=start + HOUR_MS,
                )
            )
        put(
            view,
            Watched(
                key=key,
                subject=Subject.MACHINE,
                title=title,
                box="sz-0017",
                stream=f"machine/{key}",
                first_ms=first_ms,
                received_ms=now_ms - 4000,
                gaps=gaps,
                forks=forks,
                simulated=simulated,
                alarms=tuple(alarms.get(key, ())),
                alarmed=len(alarms.get(key, ())),
            ),
            spans,
            problems,
            simulated=simulated,
        )
    for key, happened in machine_events(CHINA.midnight(TODAY)).items():
        view.told["hengyuan", key, Subject.MACHINE] = happened
    add_sensors(view, now_ms=now_ms, midnight_ms=CHINA.midnight(TODAY), simulated=simulated)
    _gate(view, simulated=simulated, now_ms=now_ms)
    add_zones(view, now_ms=now_ms, midnight_ms=CHINA.midnight(TODAY))
    return view


def put(
    view: MemoryView,
    machine: Watched,
    spans: list[Span],
    problems: Sequence[Problem] = (),
    *,
    simulated: bool = False,
    enterprise: str = "hengyuan",
) -> None:
    """Add a machine with everything that is asked about it."""
    view.streams.setdefault(enterprise, []).append(machine)
    view.states[enterprise, machine.key] = spans
    view.records[enterprise, machine.key, machine.subject] = Record(
        first_n=0,
        first_ms=machine.first_ms or 0,
        last_n=8928,
        last_ms=NOW_MS - 5000,
        held=8929,
        clock=ClockQuality.SIMULATED if simulated else ClockQuality.NTP,
        clock_error_ms=None if simulated else 12,
        threshold=THRESHOLD if machine.subject is Subject.MACHINE else None,
        settings_sha256=sha256(machine.key.encode()).digest(),
        problems=problems,
    )


def days_of(shape: object, *, days: int, seed: int, now_ms: int) -> list[Span]:
    """That many days of a machine's life up to the last statement before now."""
    chance = random.Random(seed)
    marks: list[tuple[int, State]] = []
    for back in reversed(range(days)):
        day = TODAY - timedelta(days=back)
        start = CHINA.midnight(day)
        assert callable(shape)
        marks += [(start + int(minute * MINUTE_MS), state) for minute, state in shape(chance, day.weekday())]
    end_ms = now_ms - 97_000
    marks = [mark for mark in sorted(marks) if mark[0] < end_ms]
    ends = [at for at, _ in marks[1:]] + [end_ms]
    return [Span(from_ms=at, to_ms=end, state=state) for (at, state), end in zip(marks, ends, strict=True) if end > at]


def two_shift(chance: random.Random, weekday: int) -> list[tuple[float, State]]:
    """Six to ten in the evening, with a meal and a few broken threads; Saturdays off."""
    if weekday == REST_DAY:
        return [(0, State.STOPPED)]
    start = 360 + chance.gauss(4, 4)
    found = [(0, State.STOPPED), (start - 6, State.IDLE), (start, State.RUNNING)]
    for _ in range(chance.randrange(1, 4)):
        at = chance.uniform(start + 30, 1250)
        found += [(at, State.STOPPED), (at + chance.uniform(2, 14), State.RUNNING)]
    found += [(690, State.IDLE), (722, State.RUNNING), (1080, State.STOPPED), (1108, State.RUNNING)]
    return [*sorted(found), (1325 + chance.gauss(0, 5), State.STOPPED)]


def around_the_clock(chance: random.Random, _weekday: int) -> list[tuple[float, State]]:
    """Day and night, with a bobbin change now and then."""
    at = chance.uniform(100, 1300)
    return [(0, State.RUNNING), (at, State.STOPPED), (at + chance.uniform(1.5, 20), State.RUNNING)]


def moulding(_chance: random.Random, weekday: int) -> list[tuple[float, State]]:
    """Cycles of three minutes from eight to six: more changes than a bar can show."""
    found: list[tuple[float, State]] = [(0, State.STOPPED)]
    if weekday == REST_DAY:
        return found
    at = 480.0
    while at < 1080:
        found += [(at, State.RUNNING), (at + 2.2, State.IDLE)]
        at += 3.0
    return [*found, (1080, State.STOPPED)]


def idling(chance: random.Random, _weekday: int) -> list[tuple[float, State]]:
    """Left on all day, with little to do."""
    found: list[tuple[float, State]] = [(0, State.STOPPED), (420, State.IDLE)]
    for _ in range(4):
        at = chance.uniform(440, 1020)
        found += [(at, State.RUNNING), (at + chance.uniform(6, 25), State.IDLE)]
    return [*sorted(found), (1150, State.STOPPED)]


def cut(spans: list[Span], from_ms: int, to_ms: int) -> list[Span]:
    """The spans without what lies between the two instants."""
    left = [
        Span(from_ms=span.from_ms, to_ms=min(span.to_ms, from_ms), state=span.state)
        for span in spans
        if span.from_ms < from_ms
    ]
    right = [
        Span(from_ms=max(span.from_ms, to_ms), to_ms=span.to_ms, state=span.state)
        for span in spans
        if span.to_ms > to_ms
    ]
    return left + right


def _gate(view: MemoryView, *, simulated: bool, now_ms: int) -> None:
    chance = random.Random(99)
    midnight = CHINA.midnight(TODAY)
    crossings = [
        Crossing(
            at_ms=midnight - back * 24 * HOUR_MS + int(chance.uniform(7, 19 if back else 15.4) * HOUR_MS),
            direction=chance.choice([Direction.IN, Direction.IN, Direction.OUT]),
            what="carton",
            confidence_permille=(sure := chance.randrange(780, 995)) - (500 if sure % 23 == 0 else 0),
            sources=("detector", "foreground")[: 1 if sure % 23 == 0 else 2],
            looked=2,
            uncertain=3 if sure % 61 == 0 else 0,
        )
        for back in range(30)
        for _ in range(chance.randrange(90, 180))
    ]
    clear = [
        Clear(from_ms=midnight - 30 * 24 * HOUR_MS, to_ms=midnight + 12 * HOUR_MS),
        Clear(from_ms=midnight + 12 * HOUR_MS + 38 * MINUTE_MS, to_ms=now_ms - 97_000),
    ]
    crossings = [c for c in crossings if c.at_ms < now_ms]
    seen = (c for c in crossings if any(at.from_ms <= c.at_ms < at.to_ms for at in clear))
    view.gates["hengyuan", "dock-01"] = GateView(crossings=sorted(seen, key=lambda c: c.at_ms), clear=clear)
    gate = Watched(
        key="dock-01",
        subject=Subject.GATE,
        title="成品库 1 号门",
        box="sz-0018",
        stream="gate/dock-01",
        first_ms=midnight - 30 * 24 * HOUR_MS,
        received_ms=now_ms - 9000,
        simulated=simulated,
    )
    put(view, gate, [], simulated=simulated)
    del view.states["hengyuan", "dock-01"]
