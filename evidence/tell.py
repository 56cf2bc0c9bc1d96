"""Findings for a person to read, ending in one plain sentence; and for a program. Pure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evidence.bodies import Event
from evidence.events_told import OfKind
from evidence.findings import Findings, Pulled, Signer, StreamFindings, Verdict, Voucher
from evidence.judging.cycles import Cycles
from evidence.judging.energy import Energy
from evidence.judging.events_again import EventsJudged
from evidence.judging.hours import Hours, HoursBetween
from evidence.judging.recompute import Recomputed
from evidence.say import aligned, count, day, hours, kwh, lasting, short, to_json, when
from evidence.source import ASIDE_FILE
from evidence.statement import ClockQuality
from evidence.tell_eyes import eye_lines

NAMED_IN_TEXT = 5
"""Of each kind of trouble, the text names so many; --json has more."""
FIRST_IN_TEXT = 2
"""Likewise of each kind of event, the first that were told."""


def findings_text(findings: Findings) -> str:
    """The whole report; its last line is the verdict."""
    parts = ["\n".join(_signed_by(findings))]
    parts += [aligned(list(_stream(stream))) for stream in findings.streams]
    if rest := list(_beside(findings)):
        parts.append(aligned(rest))
    return "\n\n".join([*parts, sentence(findings)])


def sentence(findings: Findings) -> str:
    """The verdict: its word, and why, in one line."""
    streams = count(len(findings.streams), "stream")
    what = f"{streams}, {count(findings.statements, 'statement')}"
    match findings.verdict:
        case Verdict.COMPLETE:
            return f"COMPLETE: {what}, nothing missing, no fork, nothing that contradicts itself."
        case Verdict.UNVOUCHED:
            return (
                f"UNVOUCHED: {what}, consistent, but nobody you trust says whose keys these are: "
                "compare the fingerprint and run again with --fingerprint."
            )
        case Verdict.INCOMPLETE:
            return f"INCOMPLETE: {what}, but {', '.join(_lacking(findings))}."
        case Verdict.BROKEN:
            return f"BROKEN: {', '.join([*_troubles(findings), *_lacking(findings)])}; do not rely on this ({what})."


def findings_json(findings: Findings) -> dict[str, Any]:
    """Everything, for a program; durations in milliseconds, energy in thousandths of a watt hour."""
    encoded: dict[str, Any] = to_json(findings)
    for stream, told in zip(findings.streams, encoded["streams"], strict=True):
        if (worked_out := stream.recomputed.hours) is not None:
            told["recomputed"]["hours"] |= _hours_json(worked_out)
    vouched = {"vouched": findings.is_vouched, "missing": findings.missing, "refused_count": findings.refused_count}
    return {"verdict": findings.verdict.name, "sentence": sentence(findings), **vouched, **encoded}


def pulled_text(pulled: Pulled, directory: Path) -> str:
    """What a pull brought."""
    lines = [f"receiver {pulled.receiver} {pulled.fingerprint}"]
    lines += [f"REFUSED, kept in {ASIDE_FILE}: {times:,} x {reason}" for reason, times in pulled.aside]
    lines += [f"FORK: {box} {stream}, a second history begins at n={n}" for box, stream, n in pulled.forks]
    lines += [f"receipt refused: {reason}" for reason in pulled.receipts_refused]
    lines += [f"missing so far: {box} {stream} n={first} to {last}" for box, stream, first, last in pulled.holes]
    held = f"{count(pulled.held, 'statement')} of {count(pulled.streams, 'stream')} in {directory}"
    lines.append(f"{pulled.new:,} new, {held}")
    return "\n".join(lines)


def pulled_json(pulled: Pulled) -> dict[str, Any]:
    """The same for a program."""
    return {"broken": pulled.is_broken, **to_json(pulled)}


def _hours_json(worked_out: Hours) -> dict[str, Any]:
    return {
        "coverage_permille": worked_out.coverage_permille,
        "low_ms": worked_out.low_ms,
        "up_ms": worked_out.up_ms,
        "norm_ms": worked_out.norm_ms,
    }


def _lacking(findings: Findings) -> Iterator[str]:
    if not findings.streams:
        yield "there is no verified statement in it"
    if findings.missing:
        where = [s.stream for s in findings.streams if s.missing]
        yield f"{count(findings.missing, 'statement')} missing in {_some(where)}"
    if findings.damaged:
        yield f"{count(len(findings.damaged), 'file')} damaged"


def _troubles(findings: Findings) -> Iterator[str]:
    if findings.refused_count:
        yield f"{count(findings.refused_count, 'entry', 'entries')} refused ({findings.refused[0][0]})"
    if findings.set_aside:
        yield f"{count(findings.set_aside, 'statement')} set aside when pulled"
    for word, streams in (
        ("forked", [s.stream for s in findings.streams if s.forked]),
        ("contradicting itself", [s.stream for s in findings.streams if s.contradicted]),
        (
            "withheld in part though the receiver signed that it holds it",
            [s.stream for s in findings.streams if s.withheld],
        ),
    ):
        if streams:
            yield f"{_some(streams)} {word}"


def _some(streams: list[str]) -> str:
    shown = ", ".join(streams[:NAMED_IN_TEXT])
    return shown if len(streams) <= NAMED_IN_TEXT else f"{shown} and {len(streams) - NAMED_IN_TEXT} more"


def _signed_by(findings: Findings) -> Iterator[str]:
    for signer in findings.signers:
        yield f"box {signer.box} signed with {signer.algorithm} {signer.fingerprint}"
        yield f"  {_vouched_by(signer)}"
    if _is_simulated(findings):
        yield "WARNING: a SIMULATED clock signed this: a desk or a demonstration, not the world's time."
    if replayed := [stream.stream for stream in findings.streams if stream.replayed]:
        yield f"WARNING: no measurement but a recording that was played, by its own settings: {_some(replayed)}."
    if not findings.is_vouched and findings.streams:
        yield "WARNING: nobody you trust stands behind these keys. What follows shows that the evidence is consistent,"
        yield "not who made it. Ask the receiver for its fingerprint by telephone and give it with --fingerprint."


def _is_simulated(findings: Findings) -> bool:
    return any(ClockQuality.SIMULATED in stream.clock.statements for stream in findings.streams)


def _vouched_by(signer: Signer) -> str:
    whose = f"{signer.enterprise}, {signer.site}" if signer.enterprise else "nobody named"
    roster = f"by the roster of {signer.roster_receiver}, signed with {signer.roster_fingerprint}"
    match signer.voucher:
        case Voucher.TRUSTED_ROSTER:
            return f"of {whose}, {roster}, which you trust"
        case Voucher.TRUSTED_KEY:
            return f"of {whose}, a key you trust yourself"
        case Voucher.BUNDLE_ROSTER:
            return f"of {whose}, {roster}: A KEY THAT ONLY THIS BUNDLE BRINGS"
        case Voucher.ITSELF:
            return f"of {whose}, SO IT SAYS ITSELF: no roster is here"


def _stream(stream: StreamFindings) -> Iterator[tuple[str, str]]:
    title = f" ({stream.title})" if stream.title else ""
    yield f"{stream.stream}", f"{stream.box}{title}"
    yield "  from", when(stream.first_at_ms)
    yield "  to", when(stream.last_at_ms)
    held = f"{count(stream.statements, 'statement')}, n={stream.first_n} to {stream.last_n}"
    yield "  held", f"{held}, {'complete' if not stream.missing else f'{stream.missing:,} MISSING'}"
    for hole in stream.holes[:NAMED_IN_TEXT]:
        word = "WITHHELD: the receiver signed that it holds it" if hole.withheld else f"named by {hole.claimed_by}"
        yield "  hole", f"n={hole.first} to {hole.last}, {word}"
    for fork in stream.forks[:NAMED_IN_TEXT]:
        yield "  FORK", f"n={fork.n}: {short(fork.one)} and {short(fork.other)} ({fork.said_by})"
    for contradiction in stream.contradictions[:NAMED_IN_TEXT]:
        yield "  CONTRADICTION", f"n={contradiction.n}: {contradiction.what}"
    yield from _sums(stream.recomputed)
    yield "  clock", _clock(stream)
    if stream.configured > 1:
        changes = ", ".join(f"n={n} {when(at_ms)}" for n, at_ms, _ in stream.configurations[1 : NAMED_IN_TEXT + 1])
        yield "  settings", f"changed {count(stream.configured - 1, 'time')}: {changes}"
    if stream.boots:
        yield "  boots", f"{stream.boots}, {stream.unclean_boots} of them without a shutdown before"
    if stream.heartbeats:
        yield "  heartbeats", f"{stream.heartbeats:,}"
    if stream.heads_checked:
        yield "  named", f"by heartbeats and receipts {count(stream.heads_checked, 'time')}"


def _clock(stream: StreamFindings) -> str:
    total = max(1, sum(stream.clock.statements.values()))
    shares = ", ".join(f"{quality.name} {100 * n / total:.1f} %" for quality, n in stream.clock.statements.items())
    worst = stream.clock.worst_error_ms
    error = "" if worst is None else f", error at most {worst} ms"
    steps = f", {count(stream.clock.steps_said, 'step')} said" if stream.clock.steps_said else ""
    jumps = f", {count(stream.clock.jumps, 'jump')} seen" if stream.clock.jumps else ""
    return f"{shares}{error}{steps}{jumps}"


def _sums(sums: Recomputed) -> Iterator[tuple[str, str]]:
    for n, gap in sums.gaps_named[:NAMED_IN_TEXT]:
        yield "  gap", f"n={n}: {gap.reason.name}, {when(gap.from_ms)}, {lasting(gap.to_ms - gap.from_ms)}"
    if sums.gaps > NAMED_IN_TEXT:
        yield "  gaps", f"{sums.gaps} said by the box, {lasting(sums.gap_ms)} together"
    if sums.unobserved_ms:
        yield "  between", f"{lasting(sums.unobserved_ms)} lie between windows: nothing was recorded"
    if sums.asked:
        yield "  asked", f"{sums.asked:,}, answered {sums.answered:,} ({100 * sums.answered / sums.asked:.2f} %)"
    if sums.hours is not None:
        yield from _hours(sums.hours, sums)
    for energy in sums.energy:
        yield "  energy", _energy(energy)
    yield from (("  cycles", _cycles(cycles)) for cycles in sums.cycles)
    yield from _events(sums.events)
    yield from eye_lines(sums)


def _hours(worked_out: HoursBetween, sums: Recomputed) -> Iterator[tuple[str, str]]:
    yield "  window", f"{day(worked_out.from_ms)} to {day(worked_out.to_ms)}, {hours(worked_out.window_ms)}"
    yield "  running", f"{hours(worked_out.low_ms)}, at most {hours(worked_out.up_ms)}{_norm(worked_out)}"
    yield "  idle", hours(worked_out.idle_ms)
    yield "  stopped", hours(worked_out.stopped_ms)
    yield "  unknown", f"{hours(worked_out.unknown_ms)}, coverage {worked_out.coverage_permille / 10:.1f} %"
    if (again := sums.rejudged) is not None:
        open_ms = f", {hours(again.open_ms)} cannot be judged again" if again.open_ms else ""
        yield "  judged again", f"{hours(again.agree_ms)} agree, {hours(again.disagree_ms)} disagree{open_ms}"
        if again.mean_running_ms is not None:
            yield "  by means", f"{hours(again.mean_running_ms)} running, from the minutes' mean power alone"


def _norm(worked_out: Hours) -> str:
    return "" if worked_out.norm_ms is None else f", {hours(worked_out.norm_ms)} if the unknown time was like the rest"


def _energy(energy: Energy) -> str:
    events = [
        f"{count(number, word)}"
        for number, word in (
            (energy.rollovers, "rollover"),
            (energy.resets, "reset"),
            (energy.rejected, "impossible rise"),
        )
        if number
    ]
    beside = f"; {kwh(energy.compared)} of it beside {kwh(energy.integral)} by power" if energy.compared else ""
    if energy.differs:
        events.append("THE TWO DO NOT FIT")
    return f"{energy.point} {kwh(energy.used)}{beside}{''.join(f', {event}' for event in events)}"


def _cycles(cycles: Cycles) -> str:
    mean = "" if cycles.mean_cycle_ms is None else f", {cycles.mean_cycle_ms / 1000:.3f} s each in the mean"
    merged = f", {cycles.merged:,} more told twice" if cycles.merged else ""
    resets = f", {count(cycles.resets, 'reset')}" if cycles.resets else ""
    least = "" if cycles.is_whole else "at least "
    return f"{cycles.point} {least}{cycles.count:,}{mean}{merged}{resets}"


def _events(events: EventsJudged | None) -> Iterator[tuple[str, str]]:
    if events is None:
        return
    parts = [f"{events.told:,}"]
    for number, what in (
        (events.reported, "reported by devices"),
        (events.agreed, "follow from the facts"),
        (events.still_open, "cannot be judged again"),
        (events.unfounded, "DO NOT FOLLOW"),
        (events.missing, "more follow and WERE NOT TOLD"),
    ):
        if number:
            parts.append(f"{number:,} {what}")
    yield "  events", ", ".join(parts)
    for kind in events.kinds:
        yield "  " + kind.event.name, _of_kind(kind)
        yield from (("    told", _told(n, one)) for n, one in kind.first[:FIRST_IN_TEXT])
    named = {one for kind in events.kinds for one in kind.first[:FIRST_IN_TEXT]}
    newest = [one for one in events.newest[-NAMED_IN_TEXT:] if one not in named]
    yield from (("  newest", _told(n, one)) for n, one in newest)
    for raised in events.raised[:NAMED_IN_TEXT]:
        says = f": {raised.last.says}" if raised.last.says else ""
        yield "  RAISED", f"{raised.event.name} {raised.subject} since {when(raised.since_ms)}, and not cleared{says}"
    if len(events.raised) > NAMED_IN_TEXT:
        yield "  RAISED", f"{len(events.raised) - NAMED_IN_TEXT:,} more, and not cleared"


def _of_kind(kind: OfKind) -> str:
    phases = ((kind.raised, "raised"), (kind.cleared, "cleared"), (kind.noted, "noted"))
    return f"{kind.count:,}: " + ", ".join(f"{number:,} {phase}" for number, phase in phases if number)


def _told(n: int, one: Event) -> str:
    says = f": {one.says}" if one.says else ""
    return f"n={n} {when(one.at_ms)} {one.event.name} {one.phase.name} {one.subject}{says}"


def _beside(findings: Findings) -> Iterator[tuple[str, str]]:
    for reason, times in findings.refused[:NAMED_IN_TEXT]:
        yield "REFUSED", f"{times:,} x {reason}"
    for damage in findings.damaged:
        yield "DAMAGED", damage
    if findings.absent:
        named = _some([f"{box} {stream} (up to n={n})" for box, stream, n in findings.absent])
        yield "not here", f"{count(len(findings.absent), 'stream')} that the box names: {named}"
    unchecked = findings.rosters_unchecked + findings.receipts_unchecked
    if unchecked:
        yield "not used", f"{count(unchecked, 'roster or receipt', 'rosters and receipts')} by keys you did not name"
    yield "checked with", f"{count(findings.rosters, 'roster')}, {count(findings.receipts, 'receipt')}"
