"""The keys of [machine.run_state], [[machine.limit]] and [machine.signature] (docs/configuration.md)."""

import re
from dataclasses import dataclass
from typing import Final

from edge_agent.config import profiles
from edge_agent.config.schema import (
    Choice,
    Key,
    ListOf,
    Near,
    Text,
    Thousandths,
    UnfitError,
    Whole,
    shown,
)
from evidence.judging.judge import SINGLES, Fusion, RunState, Signal, Wins
from evidence.judging.limits import USUAL
from evidence.judging.strategies.plc_state import WHOLE

_VALUES_LIMIT: Final = 32
"""Values of one state of a PLC."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A register's value, or one under a mask, as (mask, value)."""

    wanted: str = 'a whole number such as 3, or value and mask such as "0x02/0x06"'

    def take(self, found: object, near: Near) -> tuple[int, int]:
        """See schema.Kind."""
        del near
        if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= WHOLE:
            return WHOLE, found
        fits = _PATTERN.fullmatch(found) if isinstance(found, str) else None
        value, mask = (int(part, 0) for part in fits.groups()) if fits else (0, 0)
        if not 0 < mask <= WHOLE or value & ~mask:
            raise UnfitError(shown(found))
        return mask, value


_NUMBER: Final = r"(0x[0-9A-Fa-f]{1,16}|0|[1-9][0-9]{0,19})"
_PATTERN: Final = re.compile(f"{_NUMBER}/{_NUMBER}")

_WATTS: Final = Thousandths("0.001", "1000000000", "watts")
_MORE_WATTS: Final = Thousandths("0", "1000000000", "watts")
_DAY: Final = Thousandths("0.05", "86400", "seconds")
_HOUR: Final = Thousandths("0", "3600", "seconds")
_HOLD: Final = Key(name="hold_s", kind=_DAY, default=None, inside="hold_ms")
_POWER: Final = (
    Key(name="point", kind=profiles.NAME, default="active_power"),
    Key(name="running_above_w", kind=_WATTS, inside="running_above_mw"),
    Key(name="idle_above_w", kind=_WATTS, inside="idle_above_mw"),
)
_POINT: Final = Key(name="point", kind=profiles.NAME)
_PATTERNS: Final = ListOf(_Pattern(), 1, _VALUES_LIMIT)
_CYCLE: Final = Thousandths("0", "86400", "seconds")
_FIGURE: Final = Thousandths("-1000000000", "1000000000", "the point's unit")
SIGNALS: Final = {
    Signal.COUNTER: (),
    Signal.BIT: (Key(name="mask", kind=Whole(1, WHOLE), default=1),),
    Signal.PEAKS: (
        Key(name="low", kind=_FIGURE, inside="low_milli"),
        Key(name="high", kind=_FIGURE, inside="high_milli"),
        Key(
            name="hysteresis",
            kind=Thousandths("0", "1000000000", "the point's unit"),
            default=0,
            inside="hysteresis_milli",
        ),
    ),
}
STRATEGY: Final = Key(
    name="strategy",
    kind=Choice({kind.strategy: kind.strategy for kind in (*SINGLES, Fusion)}),
    default="power_threshold",
)
SIGNAL: Final = Key(name="signal", kind=profiles.choice_of(Signal), default="counter")
_PULSES: Final = (
    _POINT,
    SIGNAL,
    Key(name="longest_cycle_s", kind=_DAY, inside="longest_cycle_ms"),
    Key(name="shortest_cycle_s", kind=_CYCLE, default=0, inside="shortest_cycle_ms"),
    Key(name="quiet", kind=Choice({"stopped": RunState.STOPPED, "idle": RunState.IDLE}), default="stopped"),
    _HOLD,
)
RUN_STATE: Final = {
    "power_threshold": (
        *_POWER,
        Key(name="hysteresis_w", kind=_MORE_WATTS, default=0, inside="hysteresis_mw"),
        Key(name="dwell_s", kind=_HOUR, default=10, inside="dwell_ms"),
        _HOLD,
    ),
    "interval_max": (*_POWER, Key(name="interval_s", kind=_DAY, inside="interval_ms"), _HOLD),
    "plc_state": (
        _POINT,
        Key(name="running", kind=_PATTERNS, default=None),
        Key(name="idle", kind=_PATTERNS, default=None),
        Key(name="stopped", kind=_PATTERNS, default=None),
        Key(name="dwell_s", kind=_HOUR, default=0, inside="dwell_ms"),
        _HOLD,
    ),
    "pulses": _PULSES,
    "fusion": (
        Key(name="wins", kind=profiles.choice_of(Wins), default="lower"),
        Key(name="disagreement_s", kind=_CYCLE, default=60, inside="disagreement_ms"),
    ),
}
"""The keys of [machine.run_state], by strategy."""
LIMIT: Final = (
    _POINT,
    Key(name="name", kind=Text("a name of at most 40", re.compile(r"[a-z][a-z0-9_ -]{0,39}")), default=None),
    Key(name="usual", kind=Choice({kind: kind for kind in USUAL}), default=None),
    Key(name="below", kind=_FIGURE, default=None),
    Key(name="above", kind=_FIGURE, default=None),
    Key(name="clear", kind=_FIGURE, default=None),
    Key(name="delay_s", kind=_CYCLE, default=10, inside="delay_ms"),
    _HOLD,
)
SIGNATURE: Final = (
    Key(name="point", kind=profiles.NAME, default="active_power"),
    Key(name="running_w", kind=_WATTS, inside="running_mw"),
    Key(name="spread_w", kind=_MORE_WATTS, inside="spread_mw"),
    Key(name="idle_w", kind=_MORE_WATTS, default=None, inside="idle_mw"),
    Key(name="wh_per_hour", kind=Whole(0, 1_000_000_000, "watt hours"), default=None),
    Key(name="block_s", kind=Thousandths("60", "86400", "seconds"), default=1800, inside="block_ms"),
    Key(name="inrush_s", kind=_HOUR, default=10, inside="inrush_ms"),
    Key(name="inrush_w", kind=_WATTS, default=None, inside="inrush_mw"),
    Key(name="inrush_spread_w", kind=_MORE_WATTS, default=None, inside="inrush_spread_mw"),
    _HOLD,
)
JUDGED_BY: Final = ("run_state", "limit", "signature")
"""The tables that are read here."""
