"""One statement, receipt or roster for a person to read: aligned text, or JSON. Pure."""

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from evidence.bodies import (
    Acceptance,
    Body,
    Boot,
    ClockStep,
    Commissioning,
    Configuration,
    Crossings,
    Direction,
    Events,
    Gap,
    Heartbeat,
    Look,
    Picture,
    Readings,
    Shutdown,
    Stock,
    Verdict,
)
from evidence.errors import MalformedError
from evidence.judging.gates import seen_by
from evidence.judging.judge import RunState
from evidence.keys import PublicKey
from evidence.receipt import Receipt
from evidence.roster import Roster
from evidence.say import aligned, clock_time, lasting, short, to_json, value, when
from evidence.statement import Statement

STATE_WORDS = {
    RunState.RUNNING: "RUNNING 开工",
    RunState.IDLE: "IDLE 空转",
    RunState.STOPPED: "STOPPED 停工",
    RunState.UNKNOWN: "UNKNOWN 无数据",
}

VERDICT_WORDS = {
    Verdict.COUNTED: "COUNTED 已清点",
    Verdict.OCCLUDED: "OCCLUDED 被遮挡",
    Verdict.DISAGREED: "DISAGREED 画面不一致",
    Verdict.BLIND: "BLIND 看不见",
}

Line = tuple[str, str]
"""(name, what it is)."""


def statement_text(statement: Statement) -> str:
    """A whole statement, as aligned text."""
    moment = statement.moment
    error = "" if moment.clock_error_ms is None else f", error at most {moment.clock_error_ms} ms"
    lines = [
        ("statement", f"{statement.box} {statement.stream} n={statement.n}"),
        ("kind", statement.body.kind.name),
        ("signed", f"{when(moment.at_ms)}, clock {moment.clock.name}{error}"),
        ("steady", f"{lasting(moment.steady_ms)} since boot {short(moment.boot)}"),
        ("by", f"{statement.key.algorithm.name} {statement.key.fingerprint}"),
        ("sha256", statement.sha256.hex()),
        ("prev", statement.prev.hex() or "-"),
        ("config", statement.config.hex() or "-"),
        *body_lines(statement.body),
    ]
    text = aligned(lines)
    table = _table(statement.body) if isinstance(statement.body, Readings) else ""
    return f"{text}\n\n{table}" if table else text


def statement_json(statement: Statement) -> dict[str, Any]:
    """A whole statement, for a program: integers as signed, bytes in hexadecimal."""
    return {
        "type": "statement",
        "box": statement.box,
        "stream": statement.stream,
        "n": statement.n,
        "prev": statement.prev.hex(),
        "sha256": statement.sha256.hex(),
        "config": statement.config.hex(),
        "kind": to_json(statement.body.kind),
        "moment": to_json(statement.moment),
        "signed_by": statement.key.fingerprint,
        "body": body_json(statement.body),
    }


def body_json(body: Body) -> Any:  # noqa: ANN401 - JSON has many types
    """What a body says, for a program; crossings say their sources only where they are said."""
    told = to_json(body)
    if isinstance(body, Crossings) and not body.says_sources:
        del told["other_sources"]
        for crossing in told["crossings"]:
            del crossing["sources"], crossing["uncertain"]
    return told


def receipt_text(receipt: Receipt) -> str:
    """A whole receipt, as aligned text."""
    lines = [
        ("receipt", f"{receipt.receiver} for {receipt.box}"),
        ("signed", when(receipt.at_ms)),
        *(
            (held.stream if i == 0 else "", f"holds {g.first} to {g.last}, ends in {short(g.sha256)}")
            for held in receipt.streams
            for i, g in enumerate(held.segments)
        ),
        *(("refused", f"{short(refusal.sha256)}: {refusal.reason}") for refusal in receipt.refusals),
    ]
    return aligned(lines)


def roster_text(roster: Roster) -> str:
    """A whole roster, as aligned text."""
    rows = [("box", "enterprise", "site", "key", "since")]
    rows += [(e.box, e.enterprise, e.site, e.key.fingerprint, when(e.since_ms)) for e in roster.boxes]
    return f"roster of {roster.receiver}, signed {when(roster.at_ms)}\n{aligned(rows)}"


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """A whole receipt, for a program."""
    return {"type": "receipt", **to_json(receipt)}


def roster_json(roster: Roster) -> dict[str, Any]:
    """A whole roster, for a program."""
    boxes = [to_json(e) | {"key": e.key.to_cose_key().hex(), "fingerprint": e.key.fingerprint} for e in roster.boxes]
    return {"type": "roster", "receiver": roster.receiver, "at_ms": roster.at_ms, "boxes": boxes}


@singledispatch
def body_lines(body: object) -> Iterable[Line]:
    """What a body says, line by line."""
    raise TypeError(type(body))


@body_lines.register
def _(body: Readings) -> Iterable[Line]:
    yield "window", _window(body.from_ms, body.to_ms)
    yield "period", f"{lasting(body.period_ms)}, kept {body.keep.name}, {body.missed} cycles missed"
    ends = [start for start, _ in body.spans[1:]] + [body.to_ms]
    for i, ((start, state), end) in enumerate(zip(body.spans, ends, strict=True)):
        yield "judged" if i == 0 else "", f"{clock_time(start)}  {STATE_WORDS[state]}  {lasting(end - start)}"
    if body.asked:
        yield "asked", f"{sum(body.asked)}, answered {sum(body.answered)}"
    for i, (row, why, times) in enumerate(body.failures):
        yield "failures" if i == 0 else "", f"{clock_time(body.times_ms[row])}  {why.name} x {times}"
    for at_ms, request, answer in body.frames:
        yield "frame", f"{clock_time(at_ms)}  {request.hex()} -> {answer.hex() or '-'}"


@body_lines.register
def _(body: Crossings) -> Iterable[Line]:
    yield "window", _window(body.from_ms, body.to_ms)
    yield "totals", f"{body.total_in} in, {body.total_out} out since commissioning"
    for crossing in body.crossings:
        way = "in" if crossing.direction is Direction.IN else "out"
        sure = f"{crossing.confidence_permille / 10:.1f} %"
        seen = f"  seen by {', '.join(seen_by(body, crossing))}" if crossing.sources else ""
        more = f"  {crossing.uncertain} more uncertain" if crossing.uncertain else ""
        yield way, f"{clock_time(crossing.at_ms)}  {crossing.label}  {sure}  track {crossing.track}{seen}{more}"
    for at_ms, sight in body.sight:
        yield "sight", f"{clock_time(at_ms)}  {sight.name}"
    yield "frames", f"{body.frames_seen} seen, {body.frames_dropped} dropped"
    yield "detector", f"{body.detector} {short(body.detector_sha256)}"
    yield from (("beside it", f"{name} {short(digest)}") for name, digest in body.other_sources)


@body_lines.register
def _(body: Stock) -> Iterable[Line]:
    yield "window", _window(body.from_ms, body.to_ms)
    for look in body.looks:
        yield "look", f"{clock_time(look.at_ms)}  {VERDICT_WORDS[look.verdict]}  {count_text(look)}"
    counted = "never" if body.counted_at_ms is None else when(body.counted_at_ms)
    yield "last counted", counted
    yield "frames", f"{body.frames_seen} seen, {body.frames_dropped} dropped"
    yield "detector", f"{body.detector} {short(body.detector_sha256)}"
    for item in body.items:
        place = f"{item.x0},{item.y0} to {item.x1},{item.y1}"
        yield "item", f"{place}  {item.label}  {item.score_permille / 10:.1f} %"
    if body.declared is not None:
        yield "declared", f"{body.declared[0]} deep, {body.declared[1]} rows: the installer's word, not counted"


def count_text(look: Look) -> str:
    """48 ±2 visible front items; of a look that did not count, what was counted last."""
    if look.count is None:
        return "never counted"
    sure = f" ±{look.uncertain}" if look.uncertain else ""
    return f"{'' if look.verdict is Verdict.COUNTED else 'last '}{look.count}{sure} visible front items"


@body_lines.register
def _(body: Picture) -> Iterable[Line]:
    yield "shows", f"{body.what.name}, {_window(body.from_ms, body.to_ms)}"
    yield "picture", f"{body.media_type}, {body.width} x {body.height}, {body.length:,} bytes"
    yield "sha256", body.sha256.hex()
    yield "bytes", "in this statement: it left the box" if body.data else "not here: it stayed on the box"
    for mark in body.marks:
        way = "" if mark.direction is None else f"  {mark.direction.name.lower()}"
        yield "mark", f"{clock_time(mark.at_ms)}  at {mark.x},{mark.y}{way}"


@body_lines.register
def _(body: Acceptance) -> Iterable[Line]:
    yield "tested", when(body.at_ms)
    yield "counted", f"{body.by_person} by a person, {body.by_machine} by the machine, in {body.frames} frames"
    yield "exact", f"{body.exact} of {body.frames} frames"
    yield "error", f"{body.error_permille / 10:.1f} %, at most {body.limit_permille / 10:.1f} % are allowed"
    yield "passed", "yes" if body.passed else "NO"
    yield "detector", f"{body.detector} {short(body.detector_sha256)}"
    yield "pictures", short(body.pictures_sha256)


@body_lines.register
def _(body: Events) -> Iterable[Line]:
    for event in body.events:
        numbers = "" if event.value is None else f"  {event.value}"
        numbers += "" if event.reference is None else f" against {event.reference}"
        about = f"{event.event.name} {event.phase.name}  {event.subject}{numbers}"
        yield clock_time(event.at_ms), f"{about}  {event.says}".rstrip()


@body_lines.register
def _(body: Gap) -> Iterable[Line]:
    yield "gap", _window(body.from_ms, body.to_ms)
    yield "reason", body.reason.name
    yield "lost", "nobody can know" if body.lost is None else f"{body.lost} readings"


@body_lines.register
def _(body: Configuration) -> Iterable[Line]:
    for name, setting in body.settings.items():
        yield name, str(to_json(setting))


@body_lines.register
def _(body: Commissioning) -> Iterable[Line]:
    yield "enterprise", body.enterprise
    yield "site", body.site
    yield "key", _fingerprint(body.public_key)
    yield "software", body.software


@body_lines.register
def _(body: Boot) -> Iterable[Line]:
    yield "software", body.software
    yield "last alive", "-" if body.last_alive_ms is None else when(body.last_alive_ms)
    yield "last boot", short(body.last_boot)


@body_lines.register
def _(body: Shutdown) -> Iterable[Line]:
    yield "reason", body.reason


@body_lines.register
def _(body: Heartbeat) -> Iterable[Line]:
    yield "up for", lasting(body.uptime_ms)
    yield "unsent", str(body.unsent)
    yield "disk free", f"{body.disk_free_bytes // 1_000_000:,} MB"
    for stream, n, digest in body.heads:
        yield "head", f"{stream} n={n} {short(digest)}"


@body_lines.register
def _(body: ClockStep) -> Iterable[Line]:
    yield "clock said", when(body.before_ms)
    yield "and then", when(body.after_ms)


def _window(from_ms: int, to_ms: int) -> str:
    return f"{when(from_ms)} to {when(to_ms)}, {lasting(to_ms - from_ms)}"


def _fingerprint(cose_key: bytes) -> str:
    try:
        return PublicKey.from_cose_key(cose_key).fingerprint
    except MalformedError as wrong:
        return f"no key: {wrong}"


def _table(body: Readings) -> str:
    """The rows, one a line, each value with its decimals."""
    if not body.times_ms:
        return ""
    head = ("time", *(f"{c.point} {c.aggregate.name.lower()} {c.unit}".replace(" sample", "") for c in body.columns))
    rows = [
        (clock_time(at_ms), *(value(c.values[i], c.decimals) for c in body.columns))
        for i, at_ms in enumerate(body.times_ms)
    ]
    return aligned([head, *rows])
