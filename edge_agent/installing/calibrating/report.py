"""What calibration tells a person, or a program. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from edge_agent.installing.calibrating.advice import Refusal
from edge_agent.installing.calibrating.drawing import draw
from edge_agent.installing.calibrating.levels import LEAST_SEPARATION, Level
from edge_agent.installing.calibrating.proposal import STATES, Proposal
from edge_agent.installing.wording import duration, figure, name_of, percent, watts
from evidence.judging.judge import IntervalMax
from evidence.judging.signature import BLOCKS_NEEDED, Signature

_SIGNATURE_H: Final = BLOCKS_NEEDED // 2
"""A block of a signature is half an hour, as a rule."""


def as_text(found: Proposal | Refusal, *, title: str, about: str, colours: bool) -> str:
    """Some lines, with the histogram."""
    rows = [f"{title}: {about}", "", draw(found, colours=colours)] if found.powers_mw else [f"{title}: {about}", ""]
    rows += _proposed(found) if isinstance(found, Proposal) else _refused(found)
    return "\n".join(rows) + "\n"


def signature_as_text(found: Signature | None, *, has_one: bool) -> str:
    """One line, or two."""
    if found is None:
        return "" if has_one else f"  no signature of its running yet: learn from {_SIGNATURE_H} h of running or more\n"
    inrush = "" if found.inrush_mw is None else f", it starts with {watts(found.inrush_mw)}"
    return f"  its running draws {watts(found.running_mw)} ± {watts(found.spread_mw)}{inrush}\n"


def as_json(found: Proposal | Refusal) -> dict[str, Any]:
    """Powers in watts."""
    if isinstance(found, Refusal):
        return {
            "proposed": None,
            "why": found.why,
            "next_step": found.next_step,
            "levels": [_level(level) for level in found.levels],
        }
    return {
        "proposed": found.rule.settings(),
        "separation": found.figure / 1000,
        "separation_needed": LEAST_SEPARATION / 1000,
        "levels": {name_of(state): _level(level) for state, level in found.levels.items()},
        "separations": {name_of(state): each.figure / 1000 for state, each in found.separations.items()},
        "shares": {name_of(state): share / 1000 for state, share in found.shares.items()},
        "changes": found.changes,
        "notes": list(found.notes),
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "median_w": level.median_mw / 1000,
        "low_w": level.low_mw / 1000,
        "high_w": level.high_mw / 1000,
        "readings": level.readings,
    }


def _proposed(found: Proposal) -> Iterator[str]:
    what = "found again" if found.is_told else "of the time"
    for state in STATES:
        level, share = found.levels.get(state), found.shares.get(state)
        if level is None:
            yield f"  {name_of(state):<9}not seen"
            continue
        span = f"{watts(level.low_mw)} to {watts(level.high_mw)}"
        told = "" if share is None else f"{percent(share):>6} {what}"
        yield f"  {name_of(state):<9}{watts(level.median_mw):>8}   {span:<24}{told}".rstrip()
    yield ""
    yield f"  separation {figure(found.figure)}; {figure(LEAST_SEPARATION)} is needed"
    rule = found.rule
    if isinstance(rule, IntervalMax):
        yield f"  judged by the greatest power of {duration(rule.interval_ms)} (interval_max)"
    else:
        yield f"  hysteresis {watts(rule.hysteresis_mw)}, dwell {duration(rule.dwell_ms)} (power_threshold)"
    yield from (f"  note: {note}" for note in found.notes)


def _refused(found: Refusal) -> Iterator[str]:
    yield f"REFUSED: {found.why}"
    yield f"next: {found.next_step}"
