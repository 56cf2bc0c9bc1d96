"""What the page shows, from the store. Implements PageView.

Titles come from signed settings, enterprises from the roster. A stream of a box that is not in the roster is not
shown. Whoever reaches the page sees every enterprise: cloud_sync/config.py says who that may be.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cloud_sync.derive import Paint
from cloud_sync.levels import Width
from cloud_sync.page_view import (
    Clear,
    Crossing,
    Enterprise,
    GateView,
    Happened,
    Image,
    Problem,
    Record,
    Sensed,
    Subject,
    Trouble,
    Watched,
    ZoneView,
)
from cloud_sync.reports import Span, State
from cloud_sync.sensor_view import happening, measuring
from cloud_sync.store import GapRow, Store, Stream
from evidence.bodies import NAME, Configuration, Kind, Picture, Stock
from evidence.chain import Segment
from evidence.errors import MalformedError, RefusedError
from evidence.judging.judge import Threshold
from evidence.keys import PublicKey
from evidence.roster import Enrolled
from evidence.statement import Statement, open_statement

_SUBJECT: Final = {subject.value: subject for subject in Subject}
ALARMS_NAMED: Final = 5
"""Alarms of one stream that the page names, at most."""
LISTED_PICTURES: Final = 24
"""Pictures of one stream that the page names, at most, the newest: a day's hours."""
OPENED_LIMIT: Final = 4096
"""Statements kept opened in memory, at most: the newest settings of each stream."""


class StoreView:
    """A PageView over a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opened = lru_cache(OPENED_LIMIT)(self._open)

    def enterprises(self) -> Sequence[Enterprise]:
        """See PageView."""
        titles = {enrolled.enterprise for enrolled in self._store.roster()}
        return tuple(Enterprise(name=name_of(title), title=title) for title in sorted(titles))

    def watched(self, enterprise: str) -> Sequence[Watched]:
        """See PageView. In order of title, whatever it is."""
        found = [self._watched(subject, stream) for subject, stream in self._streams(enterprise)]
        return tuple(sorted(found, key=lambda watched: (watched.title, watched.key)))

    def spans(self, enterprise: str, from_ms: int, to_ms: int) -> Mapping[str, Sequence[Span]]:
        """See PageView. What is absent is unknown."""
        machines = {
            stream.id: _key(stream) for subject, stream in self._streams(enterprise) if subject is Subject.MACHINE
        }
        painted = self._store.spans(machines, from_ms, to_ms)
        return {
            key: tuple(Span(from_ms=start, to_ms=end, state=State(paint)) for start, end, paint in painted[stream])
            for stream, key in machines.items()
        }

    def gate(self, enterprise: str, key: str, from_ms: int, to_ms: int) -> GateView:
        """See PageView."""
        stream = self._find(enterprise, key, Subject.GATE)
        if stream is None:
            return GateView()
        crossings = self._store.crossings(stream.id, from_ms, to_ms)
        painted = self._store.spans([stream.id], from_ms, to_ms)[stream.id]
        return GateView(
            crossings=tuple(
                Crossing(
                    at_ms=crossing.at_ms,
                    direction=crossing.direction,
                    what=crossing.label,
                    confidence_permille=crossing.confidence_permille,
                    sources=crossing.sources,
                    looked=crossing.looked,
                    uncertain=crossing.uncertain,
                )
                for crossing in crossings
            ),
            clear=tuple(Clear(from_ms=start, to_ms=end) for start, end, paint in painted if paint == Paint.CLEAR),
            pictures=self._store.pictures(stream.id, from_ms, to_ms, LISTED_PICTURES),
            certificate=self._store.certificate(stream.id, to_ms),
        )

    def zone(self, enterprise: str, key: str, from_ms: int, to_ms: int) -> ZoneView:
        """See PageView."""
        stream = self._find(enterprise, key, Subject.ZONE)
        if stream is None:
            return ZoneView()
        encoded = self._store.last_stock(stream.id, to_ms)
        last = None if encoded is None else self._open(encoded, stream.box)
        claim = self._settings(stream).get("absolute")
        return ZoneView(
            stands=self._store.stock(stream.id, from_ms, to_ms),
            last=last.body if last is not None and isinstance(last.body, Stock) else None,
            pictures=self._store.pictures(stream.id, from_ms, to_ms, LISTED_PICTURES),
            certificate=self._store.certificate(stream.id, to_ms),
            absolute=claim == 1 if isinstance(claim, int) else None,
        )

    def image(self, enterprise: str, key: str, subject: Subject, digest: bytes) -> Image | None:
        """See PageView. The statement is verified again: nobody sees a picture that was not signed."""
        stream = self._find(enterprise, key, subject)
        encoded = None if stream is None else self._store.picture(stream.id, digest)
        statement = None if stream is None or encoded is None else self._open(encoded, stream.box)
        if statement is None or not isinstance(statement.body, Picture) or statement.body.sha256 != digest:
            return None
        return Image(media_type=statement.body.media_type, data=statement.body.data)

    def sensed(
        self, enterprise: str, watched: Sequence[Watched], from_ms: int, to_ms: int, width: Width
    ) -> Mapping[tuple[Subject, str], Sensed]:
        """See PageView."""
        wanted = {(each.subject, each.key) for each in watched}
        found = {
            (subject, _key(stream)): stream
            for subject, stream in self._streams(enterprise)
            if (subject, _key(stream)) in wanted
        }
        ids = [stream.id for stream in found.values()]
        levels = self._store.levels(ids, width.begin_ms(from_ms), to_ms, width)
        painted = self._store.spans(ids, from_ms, to_ms)
        return {
            place: Sensed(
                measured=measuring(levels[stream.id], self._settings(stream)),
                heard=[Span(from_ms=start, to_ms=end, state=State.RUNNING) for start, end, _ in painted[stream.id]],
            )
            for place, stream in found.items()
        }

    def eventful(self, enterprise: str, from_ms: int, to_ms: int) -> Mapping[tuple[Subject, str], int]:
        """See PageView."""
        found = {stream.id: (subject, _key(stream)) for subject, stream in self._streams(enterprise)}
        counts = self._store.event_counts(found, from_ms, to_ms)
        return {found[stream]: count for stream, count in counts.items() if count}

    def happened(self, enterprise: str, watched: Watched, from_ms: int, to_ms: int, at_most: int) -> Happened:
        """See PageView."""
        stream = self._find(enterprise, watched.key, watched.subject)
        if stream is None:
            return Happened()
        told, settings = self._store.events(stream.id, from_ms, to_ms, at_most), self._settings(stream)
        return Happened(newest=[happening(event, settings) for event in told.newest], count=told.count)

    def record(self, enterprise: str, key: str, subject: Subject) -> Record | None:
        """See PageView."""
        stream = self._find(enterprise, key, subject)
        last = None if stream is None else self._newest(stream, None)
        if stream is None or last is None:
            return None
        return Record(
            first_n=min(segment.first for segment in stream.segments),
            first_ms=stream.first_ms,
            last_n=last.n,
            last_ms=last.moment.at_ms,
            held=stream.held,
            clock=last.moment.clock,
            clock_error_ms=last.moment.clock_error_ms,
            threshold=_threshold(self._settings(stream)),
            settings_sha256=last.config,
            problems=self._problems(stream),
        )

    def _streams(self, enterprise: str) -> list[tuple[Subject, Stream]]:
        boxes = {enrolled.box for enrolled in self._store.roster() if name_of(enrolled.enterprise) == enterprise}
        return [
            (subject, stream)
            for box in sorted(boxes)
            for stream in self._store.streams(box)
            for subject in [_SUBJECT.get(stream.stream.partition("/")[0])]
            if subject is not None and stream.segments
        ]

    def _find(self, enterprise: str, key: str, subject: Subject) -> Stream | None:
        return next((s for of, s in self._streams(enterprise) if of is subject and _key(s) == key), None)

    def _watched(self, subject: Subject, stream: Stream) -> Watched:
        settings = self._settings(stream)
        title = settings.get("title")
        alarms = self._store.alarms([stream.id], ALARMS_NAMED)[stream.id] if stream.alarms else ()
        return Watched(
            key=_key(stream),
            subject=subject,
            title=title if isinstance(title, str) and title.strip() else stream.stream.partition("/")[2],
            box=stream.box,
            stream=stream.stream,
            first_ms=stream.first_ms,
            received_ms=stream.received_ms,
            gaps=stream.gaps + len(holes(stream.segments)),
            forks=len(stream.forks),
            simulated=stream.simulated,
            alarms=tuple(happening(event, settings) for event in alarms),
            alarmed=stream.alarms,
        )

    def _problems(self, stream: Stream) -> tuple[Problem, ...]:
        gaps = [
            Problem(
                trouble=Trouble.GAP,
                first_n=gap.n,
                last_n=gap.n,
                from_ms=gap.from_ms,
                to_ms=gap.to_ms,
                reason=gap.reason,
            )
            for gap in self._store.gaps(stream.id)
        ]
        missing = [
            Problem(trouble=Trouble.MISSING, first_n=first, last_n=last) for first, last in holes(stream.segments)
        ]
        forks = [Problem(trouble=Trouble.FORK, first_n=n, last_n=n) for n in stream.forks]
        return tuple(sorted([*gaps, *missing, *forks], key=lambda problem: problem.first_n or 0))

    def _settings(self, stream: Stream) -> Mapping[str, Any]:
        statement = self._newest(stream, Kind.CONFIGURATION)
        return statement.body.settings if statement and isinstance(statement.body, Configuration) else {}

    def _newest(self, stream: Stream, kind: Kind | None) -> Statement | None:
        encoded = self._store.newest(stream.id, kind)
        return None if encoded is None else self._opened(encoded, stream.box)

    def _open(self, encoded: bytes, box: str) -> Statement | None:
        keys = _keys(self._store.roster(), box)
        try:
            return open_statement(encoded, keys.get)
        except RefusedError:
            return None  # an altered row: `cloud-sync rebuild` names it


def name_of(title: str) -> str:
    """An enterprise's name in addresses: the title itself where it can stand there, else a hash of it."""
    return title if NAME.fullmatch(title) else "e-" + sha256(title.encode()).hexdigest()[:12]


def holes(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """The ranges of n, below the highest held, of which nothing is held."""
    found, reached = [], -1
    for segment in sorted(segments):
        if segment.first > reached + 1:
            found.append((reached + 1, segment.first - 1))
        reached = max(reached, segment.last)
    return found


def _problem(gap: GapRow) -> Problem:
    return Problem(
        trouble=Trouble.GAP,
        first_n=gap.n,
        last_n=gap.n,
        from_ms=gap.from_ms,
        to_ms=gap.to_ms,
        reason=gap.reason,
    )


def _key(stream: Stream) -> str:
    """With the box, so that a second box's loom-1 does not change the first one's address."""
    return f"{stream.box}.{stream.stream.partition('/')[2]}"


def _threshold(settings: Mapping[str, Any]) -> Threshold | None:
    try:
        return Threshold.from_settings(settings)
    except MalformedError:
        return None


def _keys(roster: Sequence[Enrolled], box: str) -> dict[bytes, PublicKey]:
    return {enrolled.key.kid: enrolled.key for enrolled in roster if enrolled.box == box}
