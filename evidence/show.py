"""One statement, receipt or roster for a person to read: aligned text, or JSON. Pure."""

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from evidence.bodies import (
    Boot,
    ClockStep,
    Commissioning,
    Configuration,
    Crossings,
    Direction,
    Events,
    Gap,
    Heartbeat,
    Readings,
    Shutdown,
)
from evidence.errors import MalformedError
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
        "body": to_json(statement.body),
    }


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
        yield way, f"{clock_time(crossing.at_ms)}  {crossing.label}  {sure}  track {crossing.track}"
    for at_ms, sight in body.sight:
        yield "sight", f"{clock_time(at_ms)}  {sight.name}"
    yield "frames", f"{body.frames_seen} seen, {body.frames_dropped} dropped"
    yield "detector", f"{body.detector} {short(body.detector_sha256)}"


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
