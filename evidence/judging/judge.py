"""Judging whether a machine runs: the box judges with this, and a bank judges again with the very same code.

Pure. A rule is one of five strategies, each in its own file under strategies/ with its rules at the top.
Judging goes from answer to answer; what it has to remember is a `Judged`. Two functions are all there is:

    judge    an answer arrived: where judging stands now, and what changed
    expire   time went by: what no answer speaks for any more became UNKNOWN

To judge in pieces is to judge in one: `expire` at any instants between answers changes nothing of the spans.
"""

from collections.abc import Mapping

from evidence.judging.strategies.fusion import SINGLES, Fusion, Single, Wins, single_from_settings
from evidence.judging.strategies.interval_max import IntervalMax
from evidence.judging.strategies.judged import (
    UNJUDGED,
    Answer,
    Change,
    Judged,
    Read,
    RunState,
    Span,
    Values,
    milli,
    spans_of,
)
from evidence.judging.strategies.plc_state import PlcState
from evidence.judging.strategies.pulses import Pulses, Signal
from evidence.judging.strategies.threshold import Threshold

__all__ = [
    "SINGLES",
    "UNJUDGED",
    "Answer",
    "Change",
    "Fusion",
    "IntervalMax",
    "Judged",
    "PlcState",
    "Pulses",
    "Read",
    "Rule",
    "RunState",
    "Signal",
    "Single",
    "Span",
    "Threshold",
    "Values",
    "Wins",
    "expire",
    "judge",
    "milli",
    "rule_from_settings",
    "spans_of",
]

Rule = Threshold | IntervalMax | PlcState | Pulses | Fusion
"""Every way to judge; which one, and its figures, stand in a stream's signed settings (docs/wire-format.md)."""


def rule_from_settings(settings: Mapping[str, object]) -> Rule | None:
    """The rule in a stream's signed settings; None when it is judged by nothing that is known here.

    Raises MalformedError for a rule with figures that make none.
    """
    return Fusion.from_settings(settings) or single_from_settings(settings)


def judge(before: Judged, at_ms: int, values: Values, by: Rule) -> tuple[Judged, list[Change]]:
    """Take in the answer that arrived `at_ms` (None: asked and failed); what changed, in time order.

    `values` are in the order of the rule's `reads`, each scaled as that says.
    """
    return by.judge(before, at_ms, values)


def expire(before: Judged, at_ms: int, by: Rule) -> tuple[Judged, list[Change]]:
    """Let time pass until `at_ms`: a state that no answer speaks for any more becomes UNKNOWN when its hold ends."""
    return by.expire(before, at_ms)
