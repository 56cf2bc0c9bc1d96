"""Commands that look after the store: `import`, `rebuild`, `status`, `quarantine`. They may run beside `serve`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from cloud_sync.accept import Accepted, Refused, Repeated
from cloud_sync.clock import SystemClock, utc_ms
from cloud_sync.errors import CloudSyncError
from cloud_sync.intake import Keys, quarantined
from cloud_sync.receipts import Receipts
from cloud_sync.store import Quarantined, Store, Stream
from cloud_sync.view import holes
from evidence.bodies import Heartbeat, Kind
from evidence.bundle import Entry, entry, header, read_bundle
from evidence.errors import MalformedError, RefusedError
from evidence.exits import Exit
from evidence.files import write_whole
from evidence.keys import SigningKey
from evidence.statement import Statement, open_statement, peek_box

IMPORT_CHUNK: Final = 500
"""Statements of an import that are stored in one step."""
UNKNOWN_BOX: Final = "unknown"
"""Where pieces of an import are quarantined that do not even say whose they are."""

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name


class NotFoundError(CloudSyncError):
    """What the command line names is not there."""


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import did."""

    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    boxes: set[str] = field(default_factory=set)
    broken: str | None = None
    """Where the file itself is damaged; what stands before was taken."""


def import_bundle(store: Store, file: Path) -> Imported:
    """Take in every statement of a bundle, as if it had come by the broker. Raises StoreError or OSError."""
    done = Imported()
    keys = Keys(store, SystemClock())
    statements = _statements(file, done)
    while chunk := list(islice(statements, IMPORT_CHUNK)):
        _import_chunk(store, keys, chunk, done)
        # Power fails here: the same command goes on; what was taken is Repeated.
    return done


def receipts_bundle(store: Store, key: SigningKey, *, receiver: str, boxes: Iterable[str]) -> bytes:
    """A bundle with full receipts for these boxes, for `edge-agent receipt`."""
    receipts = Receipts(store, key, receiver=receiver)
    entries = [
        entry(Entry.RECEIPT, receipt)
        for box in sorted(boxes)
        for receipt in receipts.of(box, at_ms=utc_ms(), streams=None, refusals=True)
    ]
    return header() + b"".join(entries)


def status_of(store: Store) -> dict[str, Any]:
    """Boxes, streams, marks, holes, forks, alarms, quarantine, last received: plain values."""
    announced = {box: _announced(store, box) for box in {enrolled.box for enrolled in store.roster()}}
    boxes: dict[str, Any] = {
        enrolled.box: {"enterprise": enrolled.enterprise, "site": enrolled.site, "received_ms": None, "streams": []}
        for enrolled in store.roster()
    }
    for stream in store.streams():
        box = boxes.setdefault(stream.box, {"enterprise": None, "site": None, "received_ms": None, "streams": []})
        box["streams"].append(_stream_status(stream, announced.get(stream.box, {}).get(stream.stream)))
        box["received_ms"] = max(box["received_ms"] or 0, stream.received_ms)
    pieces = store.quarantine()
    return {
        "boxes": boxes,
        "statements": store.last_commit(),
        "quarantine": len(pieces),
        "refused_for_good": sum(piece.for_good for piece in pieces),
    }


def add_parsers(
    subparsers: Subparsers, *, command: Callable[..., argparse.ArgumentParser], open_store: Callable[..., Any]
) -> None:
    """`import`, `rebuild`, `status`, `quarantine`. `open_store(args)` is a context of (config, store)."""
    importing = command(subparsers, "import", "take in statements that came by stick", _import)
    importing.add_argument("file", type=Path, help="a bundle of `edge-agent export`")
    importing.add_argument("--receipt-out", type=Path, metavar="FILE", help="receipts for the boxes, to carry back")
    rebuilding = command(subparsers, "rebuild", "verify all statements again and derive all else anew", _rebuild)
    rebuilding.add_argument("--box", help="only this box's streams")
    command(subparsers, "status", "boxes, streams, what is missing, what was refused", _status)
    looking = command(subparsers, "quarantine", "what was refused, and why", _quarantine)
    looking.add_argument("--box", help="only this box's")
    looking.add_argument("--show", type=int, metavar="ID", help="all about one piece")
    looking.add_argument("-o", "--output", type=Path, metavar="FILE", help="with --show: write its bytes there")
    for parser in (importing, rebuilding, *(subparsers.choices[name] for name in ("status", "quarantine"))):
        parser.set_defaults(open_store=open_store)


def _import(args: argparse.Namespace) -> Exit:
    with args.open_store(args) as (config, store):
        done = import_bundle(store, args.file)
        if args.receipt_out is not None:
            key = SigningKey.load(config.receiver.signing_key)
            bundle = receipts_bundle(store, key, receiver=config.receiver.id, boxes=done.boxes)
            write_whole(args.receipt_out, bundle)
    told: dict[str, Any] = {
        "accepted": done.accepted,
        "repeated": done.repeated,
        "refused": done.refused,
        "boxes": sorted(done.boxes),
        "reasons": done.reasons,
        "broken": done.broken,
        "receipt": str(args.receipt_out) if args.receipt_out else None,
    }
    lines = [f"{done.accepted} accepted, {done.repeated} held before, {done.refused} refused"]
    lines += [f"  {times} x {reason}" for reason, times in done.reasons.items()]
    if args.receipt_out is not None:
        lines.append(f"next: carry it back and run: edge-agent receipt {args.receipt_out.name}")
    _tell(args, told, lines)
    if done.broken is not None:
        sys.stderr.write(f"cloud-sync import: {done.broken}; what stands before was taken\n")
    return Exit.EVIDENCE_BROKEN if done.broken or done.refused else Exit.OK


def _rebuild(args: argparse.Namespace) -> Exit:
    shows = sys.stderr.isatty() and not args.json
    statements, broken = 0, []
    with args.open_store(args) as (_, store):
        streams = store.streams(args.box)
        if not streams and args.box:
            raise NotFoundError(f"no statement of box {args.box} is held")
        for i, stream in enumerate(streams, start=1):
            done = store.rebuild(stream.id)
            statements += done.statements
            broken += [(stream, seq, why) for seq, why in done.broken]
            if shows:
                sys.stderr.write(f"\r\033[K{i} of {len(streams)} streams, {statements} statements")
    if shows:
        sys.stderr.write("\r\033[K")
    told = {
        "streams": len(streams),
        "statements": statements,
        "broken": [{"box": s.box, "stream": s.stream, "seq": seq, "why": why} for s, seq, why in broken],
    }
    lines = [f"{len(streams)} streams, {statements} statements verified and derived from again"]
    _tell(args, told, lines + [f"BROKEN  {s.box} {s.stream} commit {seq}: {why}" for s, seq, why in broken])
    return Exit.EVIDENCE_BROKEN if broken else Exit.OK


def _status(args: argparse.Namespace) -> Exit:
    with args.open_store(args) as (_, store):
        told = status_of(store)
    forked = any(stream["forks"] for box in told["boxes"].values() for stream in box["streams"])
    _tell(args, told, list(_status_lines(told)))
    return Exit.EVIDENCE_BROKEN if forked else Exit.OK


def _status_lines(told: dict[str, Any]) -> Iterator[str]:
    now_ms = utc_ms()
    for name, box in told["boxes"].items():
        when = f"received {_ago(now_ms - box['received_ms'])} ago" if box["received_ms"] else "nothing received yet"
        yield f"{name}  {box['enterprise'] or 'not in the roster'}  {when}"
        for stream in box["streams"]:
            held = "nothing from 0 on" if stream["mark"] is None else f"0 to {stream['mark']}"
            notes = [
                *([f"missing {', '.join(f'{a} to {b}' for a, b in stream['holes'])}"] if stream["holes"] else []),
                *([f"FORK at {', '.join(map(str, stream['forks']))}"] if stream["forks"] else []),
                *([f"{stream['gaps']} signed gaps"] if stream["gaps"] else []),
                *([f"{stream['alarms']} raised and not cleared"] if stream["alarms"] else []),
                *([f"{stream['unsent']} not sent yet"] if stream["unsent"] else []),
                *(["simulated clock"] if stream["simulated"] else []),
            ]
            yield "  " + "  ".join([f"{stream['stream']:<24}", held, *notes])
    yield f"{told['statements']} statements, {told['quarantine']} pieces in quarantine"


def _quarantine(args: argparse.Namespace) -> Exit:
    with args.open_store(args) as (_, store):
        pieces = store.quarantine(args.box)
    if args.show is not None:
        pieces = tuple(piece for piece in pieces if piece.id == args.show)
        if not pieces:
            raise NotFoundError(f"no piece {args.show} is in quarantine: cloud-sync quarantine lists them")
        if args.output is not None:
            write_whole(args.output, pieces[0].body)
    told = [_piece(piece, whole=args.show is not None) for piece in pieces]
    lines = [f"{p['id']}  {p['box']}  {p['length']} bytes  {p['times']} times  {p['reason']}" for p in told]
    _tell(args, told, lines if args.show is None else [json.dumps(told[0], indent=1)])
    return Exit.OK


def _statements(file: Path, done: Imported) -> Iterator[bytes]:
    try:
        for kind, content in read_bundle(file):
            if kind is Entry.STATEMENT:
                yield content
    except MalformedError as cause:
        done.broken = str(cause)


def _import_chunk(store: Store, keys: Keys, chunk: list[bytes], done: Imported) -> None:
    at_ms = utc_ms()
    statements: list[Statement] = []
    pieces: list[Quarantined] = []
    for encoded in chunk:
        try:
            box = peek_box(encoded)
        except MalformedError as cause:
            pieces.append(quarantined(UNKNOWN_BOX, encoded, Refused(reason=str(cause), for_good=True), at_ms))
            continue
        found = keys.check(encoded, box=box)
        if isinstance(found, Statement):
            statements.append(found)
        else:
            pieces.append(quarantined(box, encoded, found, at_ms))
    for verdict in store.take(statements, pieces, received_ms=at_ms):
        match verdict:
            case Accepted(statement=statement):
                done.accepted += 1
                done.boxes.add(statement.box)
            case Repeated(statement=statement):
                done.repeated += 1
                done.boxes.add(statement.box)
            case Refused(reason=reason):
                _count(done, reason)
    for piece in pieces:
        _count(done, piece.reason)


def _count(done: Imported, reason: str) -> None:
    done.refused += 1
    done.reasons[reason] = done.reasons.get(reason, 0) + 1


def _stream_status(stream: Stream, announced: int | None) -> dict[str, Any]:
    highest = max((segment.last for segment in stream.segments), default=-1)
    return {
        "stream": stream.stream,
        "mark": stream.mark,
        "held": stream.held,
        "holes": holes(stream.segments),
        "forks": list(stream.forks),
        "gaps": stream.gaps,
        "alarms": stream.alarms,
        "simulated": stream.simulated,
        "received_ms": stream.received_ms,
        "unsent": max(0, announced - highest) if announced is not None else None,
    }


def _announced(store: Store, box: str) -> dict[str, int]:
    """What the box's last heartbeat says its streams have reached."""
    stream = next((s for s in store.streams(box) if s.stream == "box"), None)
    encoded = None if stream is None else store.newest(stream.id, Kind.HEARTBEAT)
    if encoded is None:
        return {}
    keys = {enrolled.key.kid: enrolled.key for enrolled in store.roster() if enrolled.box == box}
    try:
        body = open_statement(encoded, keys.get).body
    except RefusedError:
        return {}
    return {name: n for name, n, _ in body.heads} if isinstance(body, Heartbeat) else {}


def _piece(piece: Quarantined, *, whole: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": piece.id,
        "box": piece.box,
        "reason": piece.reason,
        "for_good": piece.for_good,
        "sha256": piece.sha256.hex(),
        "length": piece.length,
        "times": piece.times,
        "first_ms": piece.first_ms,
        "last_ms": piece.last_ms,
    }
    if whole:
        told |= {"body": piece.body.hex(), "whole": sha256(piece.body).digest() == piece.sha256}
    return told


def _tell(args: argparse.Namespace, told: object, lines: Iterable[str]) -> None:
    text = json.dumps(told, ensure_ascii=False) if args.json else "\n".join(lines)
    if text:
        sys.stdout.write(text + "\n")


_MINUTE_MS: Final = 60_000


def _ago(ms: int) -> str:
    for unit_ms, name in ((86_400_000, "d"), (3_600_000, "h"), (_MINUTE_MS, "min")):
        if ms >= 2 * unit_ms:
            return f"{ms // unit_ms} {name}"
    return f"{max(0, ms) // 1000} s"
