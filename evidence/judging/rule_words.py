"""A rule, a limit or a signature in one line, for a person. Pure."""

from evidence.judging.judge import Fusion, IntervalMax, PlcState, Pulses, Rule, Signal, Threshold
from evidence.judging.limits import Limit, Side
from evidence.judging.signature import Signature
from evidence.judging.strategies.plc_state import WHOLE
from evidence.say import lasting


def rule_in_words(by: Rule) -> str:
    """What it judges by, and its figures."""
    match by:
        case Threshold():
            return (
                f"{by.point}: running above {_whole(by.running_above_mw)} W, idle above {_whole(by.idle_above_mw)} W, "
                f"hysteresis {_whole(by.hysteresis_mw)} W, dwell {lasting(by.dwell_ms)}, hold {lasting(by.hold_ms)}"
            )
        case IntervalMax():
            return (
                f"{by.point}, the greatest of {lasting(by.interval_ms)}: "
                f"running above {_whole(by.running_above_mw)} W, idle above {_whole(by.idle_above_mw)} W, "
                f"hold {lasting(by.hold_ms)}"
            )
        case PlcState():
            states = ", ".join(f"{_pattern(mask, value)} {state.name}" for mask, value, state in by.states)
            return f"{by.point}: {states}, else UNKNOWN, dwell {lasting(by.dwell_ms)}, hold {lasting(by.hold_ms)}"
        case Pulses():
            band = f" from {_whole(by.low_milli)} to {_whole(by.high_milli)}" if by.signal is Signal.PEAKS else ""
            return (
                f"{by.signal.value} of {by.point}{band}: running while a cycle comes every "
                f"{lasting(by.longest_cycle_ms)}, else {by.quiet.name}, hold {lasting(by.hold_ms)}"
            )
        case Fusion():
            return (
                f"{rule_in_words(by.first)}; and {rule_in_words(by.second)}; "
                f"where they differ {by.wins.value} wins, told after {lasting(by.disagreement_ms)}"
            )


def limit_in_words(by: Limit) -> str:
    """Its figures, in the point's unit."""
    name = by.point if by.name == by.point else f"{by.name} ({by.point})"
    side = "below" if by.side is Side.BELOW else "from"
    why = f"; {by.why}" if by.why else ""
    return (
        f"{name}: raised {side} {_whole(by.raise_milli)}, cleared at {_whole(by.clear_milli)}, "
        f"after {lasting(by.delay_ms)}{why}"
    )


def signature_in_words(by: Signature) -> str:
    """What running and starting look like."""
    inrush = "" if by.inrush_mw is None else f", starts with {_whole(by.inrush_mw)} W"
    idle = "" if by.idle_mw is None else f", idles at {_whole(by.idle_mw)} W"
    spread = f"{_whole(by.running_mw)} W +- {_whole(by.spread_mw)} W"
    return f"{by.point}: runs at {spread} over {lasting(by.block_ms)}{idle}{inrush}"


def _whole(thousandths: int) -> str:
    return f"{thousandths / 1000:g}"


def _pattern(mask: int, value: int) -> str:
    return str(value) if mask == WHOLE else f"{value:#x}/{mask:#x}"
