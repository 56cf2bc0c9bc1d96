"""The pages for people: enterprises, their machines as bars, one machine, one gate. Thin: sheets decide, templates place.

`pages(view, now_ms=...)` makes the router. It shows whatever the view answers: who may see what is decided before it.
Every page is complete without a script; with one it fetches itself again while it shows the present.
Let the application add GZipMiddleware: a page shrinks to a fifth.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cloud_sync.page_view import (
    Blind,
    Crossing,
    Enterprise,
    GateView,
    PageView,
    Problem,
    Record,
    Subject,
    Trouble,
    Watched,
)
from cloud_sync.reports import DAY_MS, State, latest
from cloud_sync.sheets.asked import Asked, Reach
from cloud_sync.sheets.gate import gate_sheet
from cloud_sync.sheets.machine import machine_sheet
from cloud_sync.sheets.machines import ORDER, machines_sheet
from cloud_sync.words import CHINA, Language, Voice, language_of

__all__ = [
    "Blind",
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
_HERE: Final = Path(__file__).parent
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def pages(view: PageView, *, now_ms: Callable[[], int], zone: tzinfo = CHINA) -> APIRouter:
    """The router of all pages; days are those of `zone`."""
    router = APIRouter(include_in_schema=False)
    files = {path.name: path.read_bytes() for path in sorted((_HERE / "static").iterdir())}
    sheets = _templates(files)

    def asked(request: Request) -> Asked | None:
        return read_question(request, now_ms(), zone)

    def show(request: Request, question: Asked, template: str, **values: object) -> Response:
        live = "hx-request" in request.headers
        body = sheets.get_template("live.html" if live else "page.html").render(
            asked=question,
            say=question.voice,
            content=template,
            refresh_s=REFRESH_S[question.reach] if question.live else None,
            address=question.href(request.url.path),
            **values,
        )
        return Response(body, media_type="text/html; charset=utf-8", headers=HEADERS)

    def refuse(request: Request, word: str, status: int) -> Response:
        voice = Voice(language=_language(request), zone=zone)
        body = sheets.get_template("refused.html").render(say=voice, word=word)
        return Response(body, status, media_type="text/html; charset=utf-8", headers=HEADERS)

    def known(enterprise: str) -> Enterprise | None:
        return next((one for one in view.enterprises() if one.name == enterprise), None)

    @router.get("/")
    def enterprises(request: Request) -> Response:
        question = asked(request)
        if question is None:
            return refuse(request, "bad_request", 400)
        cards = []
        for one in view.enterprises():
            watched = view.watched(one.name)
            spans = view.spans(one.name, question.now_ms - DAY_MS, question.now_ms)
            machines = [each for each in watched if each.subject is Subject.MACHINE]
            states = [
                latest(spans.get(each.key, ()), question.now_ms - DAY_MS, question.now_ms).state
                for each in machines
            ]
            cards.append((one, watched, [(state, states.count(state)) for state in ORDER if state in states]))
        return show(
            request,
            question,
            "enterprises.html",
            title=question.voice("name"),
            cards=cards,
            simulated=any(each.simulated for _, watched, _ in cards for each in watched),
        )

    @router.get("/e/{enterprise}")
    def machines(request: Request, enterprise: str) -> Response:
        question, one = asked(request), known(enterprise)
        if question is None or one is None:
            return refuse(request, *_WHY[one is None])
        watched = view.watched(enterprise)
        shown = [each for each in watched if each.subject is Subject.MACHINE]
        gates = [
            gate_sheet(question, gate, view.gate(enterprise, gate.key, *question.edges_ms[-2:]), None)
            for gate in watched
            if gate.subject is Subject.GATE
        ]
        spans = view.spans(enterprise, question.since_ms, min(question.to_ms, question.now_ms))
        return show(
            request,
            question,
            "machines.html",
            title=one.title,
            enterprise=one,
            sheet=machines_sheet(question, shown, spans),
            gates=gates,
            simulated=any(each.simulated for each in watched),
        )

    @router.get("/e/{enterprise}/m/{key}")
    def machine(request: Request, enterprise: str, key: str) -> Response:
        question, one = asked(request), known(enterprise)
        found = one and _find(view, enterprise, key, Subject.MACHINE)
        if question is None or one is None or found is None:
            return refuse(request, *_WHY[not found])
        spans = view.spans(enterprise, question.since_ms, min(question.to_ms, question.now_ms)).get(key, ())
        record = view.record(enterprise, key, Subject.MACHINE)
        return show(
            request,
            question,
            "machine.html",
            title=found.title,
            enterprise=one,
            sheet=machine_sheet(question, found, spans, record),
            simulated=found.simulated,
        )

    @router.get("/e/{enterprise}/g/{key}")
    def gate(request: Request, enterprise: str, key: str) -> Response:
        question, one = asked(request), known(enterprise)
        found = one and _find(view, enterprise, key, Subject.GATE)
        if question is None or one is None or found is None:
            return refuse(request, *_WHY[not found])
        question = replace(question, reach=Reach.DAY)
        seen = view.gate(enterprise, key, *question.edges_ms[-2:])
        record = view.record(enterprise, key, Subject.GATE)
        return show(
            request,
            question,
            "gate.html",
            title=found.title,
            enterprise=one,
            sheet=gate_sheet(question, found, seen, record),
            simulated=found.simulated,
        )

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        kind = _TYPES.get(Path(name).suffix)
        if kind is None or name not in files:
            return Response(status_code=404, headers=HEADERS)
        lasting = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(files[name], media_type=kind, headers=lasting)

    return router


def read_question(request: Request, now_ms: int, zone: tzinfo) -> Asked | None:
    """What the address asks for; None when it makes no sense."""
    asked = request.query_params
    voice = Voice(language=_language(request), zone=zone)
    today = voice.date_of(now_ms)
    try:
        reach = Reach(asked.get("span", Reach.DAY))
        day = date.fromisoformat(asked["day"]) if asked.get("day") else today
    except ValueError:
        return None
    if not FIRST_YEAR <= day.year < LAST_YEAR or day > today:
        return None
    return Asked(reach=reach, day=day, now_ms=now_ms, voice=voice, explicit="lang" in asked)


_WHY: Final = {True: ("not_found", 404), False: ("bad_request", 400)}


def _language(request: Request) -> Language:
    return language_of(request.query_params.get("lang"), request.headers.get("accept-language"))


def _find(view: PageView, enterprise: str, key: str, subject: Subject) -> Watched | None:
    return next(
        (each for each in view.watched(enterprise) if each.subject is subject and each.key == key), None
    )


def _templates(files: dict[str, bytes]) -> Environment:
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
        for name, body in files.items()
    }
    found.globals.update(static=versions, State=State, Reach=Reach, ORDER=ORDER, Language=Language)
    return found
