"""The pages for people: enterprises, their machines as bars, one machine, one gate, one zone.

Thin: sheets decide, templates place.

`pages(view, now_ms=...)` makes the router. It shows whatever the view answers: who may see what is decided before it.
Every page is complete without a script; with one it fetches itself again while it shows the present.
Let the application add GZipMiddleware: a page shrinks to a fifth.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cloud_sync.page_view import (
    Clear,
    Crossing,
    Enterprise,
    GateView,
    Happened,
    PageView,
    Problem,
    Record,
    Sensed,
    Subject,
    Trouble,
    Watched,
    ZoneView,
)
from cloud_sync.reports import Span, State, latest
from cloud_sync.sheets.asked import Asked, Reach
from cloud_sync.sheets.events import LISTED_EVENTS, alarmed
from cloud_sync.sheets.gate import gate_sheet
from cloud_sync.sheets.machine import machine_sheet
from cloud_sync.sheets.machines import ORDER, machines_sheet
from cloud_sync.sheets.sensor import NOTES, WIDTH, SensorRow, sensor_row, sensor_sheet
from cloud_sync.sheets.zone import zone_row, zone_sheet
from cloud_sync.words import CHINA, Language, Voice, language_of

__all__ = [
    "Clear",
    "Crossing",
    "Enterprise",
    "GateView",
    "PageView",
    "Problem",
    "Record",
    "Subject",
    "Trouble",
    "Watched",
    "pages",
]

REFRESH_S: Final = {Reach.DAY: 10, Reach.WEEK: 60, Reach.MONTH: 60}
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, HX-Request",
}
PICTURE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=86400, immutable",
}
"""A picture's address names its hash, so it never changes; only whoever sees the page may keep it."""
HTML: Final = "text/html; charset=utf-8"
NOW_NEEDS_MS: Final = 60 * 60_000
"""How far back the first page looks to say what a machine does now."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_HERE: Final = Path(__file__).parent
_FILES: Final = {path.name: path.read_bytes() for path in sorted((_HERE / "static").iterdir())}
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def pages(view: PageView, *, now_ms: Callable[[], int], zone: tzinfo = CHINA) -> APIRouter:
    """The router of all pages; days are those of `zone`."""
    site = _Site(view=view, now_ms=now_ms, zone=zone)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", site.enterprises, response_class=Response)
    router.add_api_route("/e/{enterprise}", site.machines, response_class=Response)
    router.add_api_route("/e/{enterprise}/m/{key}", site.machine, response_class=Response)
    router.add_api_route("/e/{enterprise}/fire/{key}", site.fire, response_class=Response)
    router.add_api_route("/e/{enterprise}/meter/{key}", site.meter, response_class=Response)
    router.add_api_route("/e/{enterprise}/g/{key}", site.gate, response_class=Response)
    router.add_api_route("/e/{enterprise}/g/{key}/picture/{digest}", site.gate_picture, response_class=Response)
    router.add_api_route("/e/{enterprise}/z/{key}", site.zone, response_class=Response)
    router.add_api_route("/e/{enterprise}/z/{key}/picture/{digest}", site.zone_picture, response_class=Response)
    router.add_api_route("/static/{name}", static_file, response_class=Response)
    return router


def static_file(name: str) -> Response:
    """One of the files that lie in static/, as they were when the program started."""
    kind = _TYPES.get(Path(name).suffix)
    if kind is None or name not in _FILES:
        return Response(status_code=404, headers=HEADERS)
    lasting = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_FILES[name], media_type=kind, headers=lasting)


def read_question(request: Request, now_ms: int, zone: tzinfo) -> Asked | None:
    """What the address asks for; None when it makes no sense."""
    asked = request.query_params
    voice = Voice(language=_language(request), zone=zone)
    today = voice.date_of(now_ms)
    try:
        reach = Reach(asked.get("span", Reach.DAY))
        named = date.fromisoformat(asked["day"]) if asked.get("day") else None
    except ValueError:
        return None
    if named and (not FIRST_YEAR <= named.year < LAST_YEAR or named > today):
        return None
    return Asked(reach=reach, named=named, now_ms=now_ms, voice=voice, explicit="lang" in asked)


class _Site:
    """Asks the view, has a sheet made, places it."""

    def __init__(self, *, view: PageView, now_ms: Callable[[], int], zone: tzinfo) -> None:
        self._view, self._now_ms, self._zone = view, now_ms, zone
        self._templates = _templates()

    def enterprises(self, request: Request) -> Response:
        """Every enterprise, with what its machines do now."""
        asked = read_question(request, self._now_ms(), self._zone)
        if asked is None:
            return self._refuse(request, "bad_request", 400)
        cards = [(one, *self._now(asked, one)) for one in self._view.enterprises()]
        return self._show(
            request,
            asked,
            "enterprises.html",
            title=asked.voice("name"),
            cards=cards,
            simulated=any(simulated for *_, simulated in cards),
        )

    def machines(self, request: Request, enterprise: str) -> Response:
        """All machines, sensors, gates and zones of an enterprise."""
        known = self._known(request, enterprise)
        if isinstance(known, Response):
            return known
        asked, one = known
        watched = self._view.watched(enterprise)
        eventful = self._view.eventful(enterprise, asked.from_ms, asked.to_ms)
        machines = [each for each in watched if each.subject is Subject.MACHINE]
        gates = [
            gate_sheet(asked, each, self._seen(asked, enterprise, each.key), _counted(eventful, each), None)
            for each in watched
            if each.subject is Subject.GATE
        ]
        zones = [
            zone_row(asked, each, self._stood(asked, enterprise, each.key), eventful.get((each.subject, each.key), 0))
            for each in watched
            if each.subject is Subject.ZONE
        ]
        return self._show(
            request,
            asked,
            "machines.html",
            title=one.title,
            enterprise=one,
            sheet=machines_sheet(asked, machines, self._spans(asked, enterprise), eventful),
            sensors=self._sensors(asked, enterprise, watched, eventful),
            sensors_say=asked.voice(NOTES[asked.reach]),
            gates=gates,
            zones=zones,
            alarmed=alarmed(asked.voice, watched if asked.live else ()),
            simulated=any(each.simulated for each in watched),
        )

    def machine(self, request: Request, enterprise: str, key: str) -> Response:
        """One machine in full."""
        found = self._found(request, enterprise, key, Subject.MACHINE)
        if isinstance(found, Response):
            return found
        asked, one, watched = found
        spans = self._spans(asked, enterprise).get(key, ())
        happened = self._view.happened(enterprise, watched, asked.from_ms, asked.to_ms, LISTED_EVENTS)
        record = self._view.record(enterprise, key, Subject.MACHINE)
        return self._show(
            request,
            asked,
            "machine.html",
            title=watched.title,
            enterprise=one,
            sheet=machine_sheet(asked, watched, spans, happened, record),
            simulated=watched.simulated,
        )

    def fire(self, request: Request, enterprise: str, key: str) -> Response:
        """One fire sensor in full."""
        return self._sensor(request, enterprise, key, Subject.FIRE)

    def meter(self, request: Request, enterprise: str, key: str) -> Response:
        """One meter in full."""
        return self._sensor(request, enterprise, key, Subject.METER)

    def gate(self, request: Request, enterprise: str, key: str) -> Response:
        """One gate in full."""
        found = self._found(request, enterprise, key, Subject.GATE)
        if isinstance(found, Response):
            return found
        asked, one, watched = found
        seen = self._seen(asked, enterprise, key)
        happened = self._view.happened(enterprise, watched, asked.from_ms, asked.to_ms, LISTED_EVENTS)
        record = self._view.record(enterprise, key, Subject.GATE)
        return self._show(
            request,
            asked,
            "gate.html",
            title=watched.title,
            enterprise=one,
            sheet=gate_sheet(asked, watched, seen, happened, record, path=request.url.path),
            simulated=watched.simulated,
        )

    def zone(self, request: Request, enterprise: str, key: str) -> Response:
        """One zone in full."""
        found = self._found(request, enterprise, key, Subject.ZONE)
        if isinstance(found, Response):
            return found
        asked, one, watched = found
        seen = self._stood(asked, enterprise, key)
        happened = self._view.happened(enterprise, watched, asked.from_ms, asked.to_ms, LISTED_EVENTS)
        record = self._view.record(enterprise, key, Subject.ZONE)
        return self._show(
            request,
            asked,
            "zone.html",
            title=watched.title,
            enterprise=one,
            sheet=zone_sheet(asked, watched, seen, happened, record, path=request.url.path),
            simulated=watched.simulated,
        )

    def gate_picture(self, request: Request, enterprise: str, key: str, digest: str) -> Response:
        """A gate's picture."""
        return self._picture(request, enterprise, key, Subject.GATE, digest)

    def zone_picture(self, request: Request, enterprise: str, key: str, digest: str) -> Response:
        """A zone's picture."""
        return self._picture(request, enterprise, key, Subject.ZONE, digest)

    def _picture(self, request: Request, enterprise: str, key: str, subject: Subject, digest: str) -> Response:
        """A picture that left the box: the signed bytes, and nothing that a browser could take for a page."""
        image = None
        if _DIGEST.fullmatch(digest) and any(each.name == enterprise for each in self._view.enterprises()):
            image = self._view.image(enterprise, key, subject, bytes.fromhex(digest))
        if image is None:
            return self._refuse(request, "not_found", 404)
        return Response(image.data, media_type=image.media_type, headers=PICTURE_HEADERS)

    def _sensor(self, request: Request, enterprise: str, key: str, subject: Subject) -> Response:
        found = self._found(request, enterprise, key, subject)
        if isinstance(found, Response):
            return found
        asked, one, watched = found
        happened = self._view.happened(enterprise, watched, asked.from_ms, asked.to_ms, LISTED_EVENTS)
        sensed = self._sensed(asked, enterprise, [watched]).get((subject, key), Sensed())
        record = self._view.record(enterprise, key, subject)
        return self._show(
            request,
            asked,
            "sensor.html",
            title=watched.title,
            enterprise=one,
            sheet=sensor_sheet(asked, watched, sensed, happened, record),
            simulated=watched.simulated,
        )

    def _now(self, asked: Asked, one: Enterprise) -> tuple[list[tuple[State, int]], str, bool]:
        """How many machines are in which state now, what is raised, and whether any clock is simulated."""
        watched = self._view.watched(one.name)
        from_ms = asked.now_ms - NOW_NEEDS_MS
        spans = self._view.spans(one.name, from_ms, asked.now_ms)
        states = [
            latest(spans.get(each.key, ()), from_ms, asked.now_ms).state
            for each in watched
            if each.subject is Subject.MACHINE
        ]
        counts = [(state, states.count(state)) for state in ORDER if state in states]
        return counts, alarmed(asked.voice, watched), any(each.simulated for each in watched)

    def _sensors(
        self,
        asked: Asked,
        enterprise: str,
        watched: Sequence[Watched],
        eventful: Mapping[tuple[Subject, str], int],
    ) -> Sequence[tuple[str, Sequence[SensorRow]]]:
        """The fire sensors and the meters of an enterprise, each under a word."""
        sensors = [each for each in watched if each.subject in (Subject.FIRE, Subject.METER)]
        sensed = self._sensed(asked, enterprise, sensors) if sensors else {}
        rows = [
            sensor_row(asked, each, sensed.get(place, Sensed()), eventful.get(place, 0))
            for each in sensors
            for place in [(each.subject, each.key)]
        ]
        groups = [
            (word, [row for row in rows if row.path == subject.value])
            for word, subject in (("fire", Subject.FIRE), ("meters", Subject.METER))
        ]
        return [(asked.voice(word), found) for word, found in groups if found]

    def _sensed(
        self, asked: Asked, enterprise: str, sensors: Sequence[Watched]
    ) -> Mapping[tuple[Subject, str], Sensed]:
        to_ms = min(asked.to_ms, asked.now_ms)
        return self._view.sensed(enterprise, sensors, asked.from_ms, to_ms, WIDTH[asked.reach])

    def _spans(self, asked: Asked, enterprise: str) -> Mapping[str, Sequence[Span]]:
        return self._view.spans(enterprise, asked.since_ms, min(asked.to_ms, asked.now_ms))

    def _seen(self, asked: Asked, enterprise: str, key: str) -> GateView:
        return self._view.gate(enterprise, key, asked.from_ms, min(asked.to_ms, asked.now_ms))

    def _stood(self, asked: Asked, enterprise: str, key: str) -> ZoneView:
        return self._view.zone(enterprise, key, asked.from_ms, min(asked.to_ms, asked.now_ms))

    def _known(self, request: Request, enterprise: str) -> tuple[Asked, Enterprise] | Response:
        asked = read_question(request, self._now_ms(), self._zone)
        one = next((each for each in self._view.enterprises() if each.name == enterprise), None)
        if one is None:
            return self._refuse(request, "not_found", 404)
        return self._refuse(request, "bad_request", 400) if asked is None else (asked, one)

    def _found(
        self, request: Request, enterprise: str, key: str, subject: Subject
    ) -> tuple[Asked, Enterprise, Watched] | Response:
        known = self._known(request, enterprise)
        if isinstance(known, Response):
            return known
        for each in self._view.watched(enterprise):
            if each.subject is subject and each.key == key:
                return *known, each
        return self._refuse(request, "not_found", 404)

    def _show(self, request: Request, asked: Asked, content: str, **values: object) -> Response:
        """The whole page, or what lives of it when a page asks for it again."""
        again = "hx-request" in request.headers
        body = self._templates.get_template("live.html" if again else "page.html").render(
            asked=asked,
            say=asked.voice,
            content=content,
            refresh_s=REFRESH_S[asked.reach] if asked.live else None,
            address=asked.href(request.url.path),
            **values,
        )
        return Response(body, media_type=HTML, headers=HEADERS)

    def _refuse(self, request: Request, word: str, status: int) -> Response:
        voice = Voice(language=_language(request), zone=self._zone)
        body = self._templates.get_template("refused.html").render(say=voice, word=word)
        return Response(body, status, media_type=HTML, headers=HEADERS)


def _counted(eventful: Mapping[tuple[Subject, str], int], watched: Watched) -> Happened:
    """How many events there were, and none of them."""
    return Happened(count=eventful.get((watched.subject, watched.key), 0))


def _language(request: Request) -> Language:
    return language_of(request.query_params.get("lang"), request.headers.get("accept-language"))


def _templates() -> Environment:
    """The templates, which escape everything, with the addresses of the files they need."""
    found = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    versions = {
        f"{Path(name).stem.split('-')[0]}{Path(name).suffix}": f"/static/{name}?{sha256(body).hexdigest()[:8]}"
        for name, body in _FILES.items()
    }
    found.globals.update(static=versions, State=State, Reach=Reach, Language=Language)
    return found
