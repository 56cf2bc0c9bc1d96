"""What `edge-agent judge` prints: hours, energy, cycles, events, spans, and what differs from what was signed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.commands.judge_source import Windows
from evidence.bodies import Event
from evidence.judging.judged_by import JudgedBy
from evidence.judging.rule_words import limit_in_words, rule_in_words, signature_in_words
from evidence.judging.stream_judge import Rules
from evidence.say import aligned, hours, kwh, lasting, when

SHOWN: Final = 40
"""Spans, events and differences that the text shows, unless all are wanted."""

Line = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One stream, judged."""

    windows: Windows
    rules: Rules
    settings: dict[str, Any]
    found: JudgedBy


def as_text(told: Told, *, every: bool) -> str:
    """For people."""
    lines = [*_head(told), *_sums(told), *_differs(told), *_events(told, every=every), *_spans(told, every=every)]
    return aligned(lines)


def as_json(told: Told) -> dict[str, Any]:
    """For programs; milliseconds, thousandths of a watt hour, UTC (or since the recording's beginning)."""
    found, sums = told.found, told.found.recomputed
    worked_out = sums.hours
    return {
        "box": told.windows.box,
        "stream": told.windows.stream,
        "title": told.settings.get("title", ""),
        "run_state": None if told.rules.run_state is None else told.rules.run_state.settings(),
        "limits": [limit.settings() for limit in told.rules.limits],
        "hours": None
        if worked_out is None
        else {
            "from_ms": worked_out.from_ms,
            "to_ms": worked_out.to_ms,
            "running_ms": worked_out.running_ms,
            "idle_ms": worked_out.idle_ms,
            "stopped_ms": worked_out.stopped_ms,
            "unknown_ms": worked_out.unknown_ms,
            "norm_ms": worked_out.norm_ms,
        },
        "running_low_ms": found.running_low_ms,
        "running_up_ms": found.running_up_ms,
        "minutes_ms": found.minutes_ms,
        "energy": [
            {"point": e.point, "used": e.used, "rollovers": e.rollovers, "resets": e.resets, "rejected": e.rejected}
            | {"compared": e.compared, "integral": e.integral, "differs": e.differs}
            for e in sums.energy
        ],
        "cycles": [
            {"point": c.point, "count": c.count, "merged": c.merged, "mean_cycle_ms": c.mean_cycle_ms}
            for c in sums.cycles
        ],
        "events": [_event_json(event) for event in found.events],
        "spans": [[from_ms, to_ms, state.name] for from_ms, to_ms, state in found.spans],
        "spans_left_out": found.left_out,
        "differs_ms": [
            {"signed": signed.name, "now": now.name, "ms": ms} for (signed, now), ms in found.differs_ms.items()
        ],
        "differences": [[d.from_ms, d.to_ms, d.signed.name, d.now.name] for d in found.differences],
    }


def _event_json(event: Event) -> dict[str, Any]:
    return {
        "at_ms": event.at_ms,
        "event": event.event.name,
        "phase": event.phase.name,
        "subject": event.subject,
        "value": event.value,
        "reference": event.reference,
        "says": event.says,
    }


def _head(told: Told) -> Iterator[Line]:
    title = told.settings.get("title")
    yield told.windows.stream, f"{told.windows.box} {title or ''}".strip()
    rule = told.rules.run_state
    yield "  judged by", "nothing: no run state" if rule is None else rule_in_words(rule)
    yield from (("  limit", limit_in_words(limit)) for limit in told.rules.limits)
    if told.rules.signature is not None:
        yield "  signature", signature_in_words(told.rules.signature)


def _sums(told: Told) -> Iterator[Line]:
    sums = told.found.recomputed
    if (worked_out := sums.hours) is not None:
        yield "  from", _at(told, worked_out.from_ms)
        yield "  to", _at(told, worked_out.to_ms)
        low_ms, up_ms = told.found.running_low_ms, told.found.running_up_ms
        between = f", between {hours(low_ms)} and {hours(up_ms)} by the minutes" if told.found.minutes_ms else ""
        yield "  running", f"{hours(worked_out.running_ms)}{between}"
        yield "  idle", hours(worked_out.idle_ms)
        yield "  stopped", hours(worked_out.stopped_ms)
        yield "  unknown", f"{hours(worked_out.unknown_ms)}, coverage {worked_out.coverage_permille / 10:.1f} %"
    for energy in sums.energy:
        fits = "" if not energy.differs else ", WHICH DOES NOT FIT ITS POWER"
        yield "  energy", f"{energy.point} {kwh(energy.used)}{fits}"
    for cycles in sums.cycles:
        mean = "" if cycles.mean_cycle_ms is None else f", {cycles.mean_cycle_ms / 1000:.3f} s each in the mean"
        yield "  cycles", f"{cycles.point} {cycles.count:,}{mean}"


def _differs(told: Told) -> Iterator[Line]:
    if not told.windows.is_signed or told.rules.run_state is None:
        return
    found = told.found
    total_ms = sum(found.differs_ms.values())
    if not total_ms:
        yield "  signed", "the same"
        return
    about = ", as far as minutes tell" if found.minutes_ms else ""
    yield "  signed", f"another state for {hours(total_ms)}{about}"
    for (signed, now), ms in sorted(found.differs_ms.items(), key=lambda pair: -pair[1]):
        yield "", f"{signed.name} was signed, {now.name} by this rule: {hours(ms)}"


def _events(told: Told, *, every: bool) -> Iterator[Line]:
    lines = (
        f"{_at(told, event.at_ms)}  {event.event.name} {event.phase.name} {event.subject}: {event.says}"
        for event in told.found.events
    )
    yield from _listed("  event", lines, len(told.found.events), every=every)


def _spans(told: Told, *, every: bool) -> Iterator[Line]:
    lines = (
        f"{_at(told, from_ms)}  {state.name:8} {lasting(to_ms - from_ms)}" for from_ms, to_ms, state in told.found.spans
    )
    yield from _listed("  span", lines, len(told.found.spans) + told.found.left_out, every=every)


def _listed(name: str, lines: Iterable[str], count: int, *, every: bool) -> Iterator[Line]:
    shown = 0
    for line in lines:
        if shown == SHOWN and not every:
            break
        shown += 1
        yield name if shown == 1 else "", line
    if shown < count:
        yield "", f"and {count - shown:,} more" + ("" if every else "; --all prints them")


def _at(told: Told, at_ms: int) -> str:
    return f"+{lasting(at_ms)}" if told.windows.counts_from_start else when(at_ms)
