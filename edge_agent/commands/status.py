"""`edge-agent status`: what an installer asks first, answered from the spool alone, while the box goes on working."""

import argparse
import json
import shutil
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_agent.clock import Clock, SystemClock
from edge_agent.commands.processes import DEFAULT_CONFIG
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.keeping.certificate import ABSOLUTE
from edge_agent.keeping.keeper import PROCESS
from edge_agent.keeping.rows import decode_events, decode_row
from edge_agent.keeping.signer import RUNNING
from edge_agent.keeping.spool import Head, Spool, SpoolError
from edge_agent.keeping.zone_keeper import last_said
from evidence.bodies import Failure
from evidence.exits import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """One stream, as the spool shows it."""

    stream: str
    statements: int
    unsent: int
    signed_until_ms: int | None
    last_asked_ms: int | None
    """Of what is not sealed yet; None when the open window is empty."""
    last_good_ms: int | None
    last_failure: str | None
    """Why the last asking gave nothing; None when it was answered."""
    forked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneStatus:
    """What is said of one zone."""

    stream: str
    verdict: str
    count: int | None
    uncertain: int
    counted_at_ms: int | None
    absolute: bool
    """Whether the count itself is claimed, by a certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole box."""

    box: str
    running: bool
    """Whether `poll` was started and not yet stopped as told; a killed one shows by `alive_ms`."""
    alive_ms: int | None
    """When anything was last kept."""
    now_ms: int
    clock: str
    clock_error_ms: int | None
    spool_bytes: int
    disk_free_bytes: int
    unsent: int
    refused: int
    """Statements that the receiver refused for good."""
    receipt_ms: int | None
    """When the last receipt was taken in."""
    streams: tuple[StreamStatus, ...]
    zones: tuple[ZoneStatus, ...] = ()


def status_of(config: Config, spool: Spool, clock: Clock) -> Status:
    """Everything at once; reads only. Raises SpoolError."""
    last = _last_rows(spool)
    unsent = spool.unsent_by_stream()
    quality, error_ms = clock.quality()
    receipt = spool.kept("receipt_ms")
    return Status(
        box=config.box.id,
        running=spool.kept(f"end {PROCESS}") == RUNNING,
        alive_ms=spool.last_alive_ms(),
        now_ms=clock.utc_ms(),
        clock=quality.name,
        clock_error_ms=error_ms,
        spool_bytes=spool.used_bytes(),
        disk_free_bytes=shutil.disk_usage(config.box.spool.parent).free,
        unsent=sum(unsent.values()),
        refused=len(spool.asides()),
        receipt_ms=int(receipt) if receipt else None,
        streams=tuple(_stream(head, last.get(head.id, _Last()), unsent[head.stream]) for head in spool.heads()),
        zones=tuple(_zone(zone.stream, spool) for zone in config.zones),
    )


def _zone(stream: str, spool: Spool) -> ZoneStatus:
    said = last_said(spool, stream)
    return ZoneStatus(
        stream=stream,
        verdict=said.verdict.name,
        count=said.count,
        uncertain=said.uncertain,
        counted_at_ms=said.counted_at_ms,
        absolute=bool((spool.settings(stream) or {}).get(ABSOLUTE)),
    )


@dataclass(slots=True)
class _Last:
    asked_ms: int | None = None
    good_ms: int | None = None
    failure: Failure | None = None


def _last_rows(spool: Spool) -> dict[int, _Last]:
    """Per stream id, what the journal's newest rows say; a stream whose window is empty has none."""
    last: dict[int, _Last] = {}
    for _, _, rows in spool.read_journal(PROCESS):
        for stream, row in rows:
            if decode_events(row) is not None:
                continue
            at_ms, values, failure, _ = decode_row(row)
            known = last.setdefault(stream, _Last())
            known.asked_ms, known.failure = at_ms, failure
            if any(value is not None for value in values):
                known.good_ms = at_ms
    return last


def _stream(head: Head, last: _Last, unsent: int) -> StreamStatus:
    return StreamStatus(
        stream=head.stream,
        statements=head.next_n,
        unsent=unsent,
        signed_until_ms=head.until_ms,
        last_asked_ms=last.asked_ms,
        last_good_ms=last.good_ms,
        last_failure=last.failure.name if last.failure else None,
        forked=head.forked,
    )


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`edge-agent status`."""
    parser = subparsers.add_parser(
        "status",
        help="what is read, what is unsent, clock and disk",
        description="Show what this box reads, when each device last answered, what is unsent, clock and disk.",
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> Exit:
    try:
        config = load(args.config)
        with closing(Spool(config.box.spool, box=config.box.id, read_only=True)) as spool:
            status = status_of(config, spool, SystemClock())
    except ConfigurationError as wrong:
        sys.stderr.write(f"edge-agent status: {wrong}\n")
        return Exit.CONFIGURATION
    except SpoolError as wrong:
        sys.stderr.write(f"edge-agent status: {wrong}\nnext: has `edge-agent poll` been started once?\n")
        return Exit.HARDWARE
    if args.json:
        sys.stdout.write(json.dumps(asdict(status)) + "\n")
    else:
        sys.stdout.write(_render(status))
    wrong_out_there = any(s.forked for s in status.streams) or status.refused
    return Exit.WRONG_OUT_THERE if wrong_out_there else Exit.OK


def _render(status: Status) -> str:
    error = "error unknown" if status.clock_error_ms is None else f"within {status.clock_error_ms} ms"
    polling = "polling" if status.running else "not polling"
    lines = [
        f"box      {status.box}, {polling}, something was kept {_ago(status.alive_ms, status.now_ms)}",
        f"clock    {status.clock}, {error}",
        f"disk     {status.disk_free_bytes // 1_000_000} MB free, spool {status.spool_bytes // 1000} kB",
        f"unsent   {status.unsent} statements, last receipt {_ago(status.receipt_ms, status.now_ms)}",
    ]
    if status.refused:
        lines.append(f"refused  {status.refused} statements: call the receiver's operator")
    lines += ["", f"{'stream':<28}{'statements':>11}{'unsent':>8}  {'last good answer':<20}now"]
    for stream in status.streams:
        now = "FORKED" if stream.forked else stream.last_failure or _standing(stream, status.now_ms)
        lines.append(
            f"{stream.stream:<28}{stream.statements:>11}{stream.unsent:>8}"
            f"  {_ago(stream.last_good_ms, status.now_ms):<20}{now}"
        )
    if status.zones:
        lines += ["", f"{'zone':<28}{'items':>6} {'±':<4}{'counted':<16}now"]
        lines += [_zone_line(zone, status.now_ms) for zone in status.zones]
    return "\n".join(lines) + "\n"


def _zone_line(zone: ZoneStatus, now_ms: int) -> str:
    count = "-" if zone.count is None else str(zone.count)
    claim = "" if zone.absolute else ", not certified: changes only"
    counted = _ago(zone.counted_at_ms, now_ms)
    return f"{zone.stream:<28}{count:>6} {zone.uncertain:<4}{counted:<16}{zone.verdict}{claim}"


def _standing(stream: StreamStatus, now_ms: int) -> str:
    """Of a stream that did not fail; one that is read once a day is sealed at once, and its window is empty."""
    if stream.last_good_ms is not None:
        return "answers"
    return "-" if stream.signed_until_ms is None else f"sealed {_ago(stream.signed_until_ms, now_ms)}"


_MINUTE_S = 60
_HOUR_S = 3600


def _ago(at_ms: int | None, now_ms: int) -> str:
    if at_ms is None:
        return "-"
    seconds = max(0, now_ms - at_ms) // 1000
    if seconds < 2 * _MINUTE_S:
        return f"{seconds} s ago"
    if seconds < 2 * _HOUR_S:
        return f"{seconds // _MINUTE_S} min ago"
    return f"{seconds // _HOUR_S} h ago"
