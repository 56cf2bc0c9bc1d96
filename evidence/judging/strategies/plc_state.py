"""`plc_state`: what a PLC says of itself, by the bits or the value of one register. Pure.

1. The first entry of `states` whose value the register has under its mask says the level; none: UNKNOWN.
2. One good answer speaks for `hold_ms`; from UNKNOWN the first one decides at once; otherwise a new level, UNKNOWN
   too, must be seen on every good answer for `dwell_ms`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from evidence.errors import MalformedError
from evidence.judging.strategies.judged import Change, Judged, Read, RunState, Values, dwelt, expired

STATES_LIMIT: Final = 64
"""Entries of one map, at most."""
WHOLE: Final = (1 << 64) - 1
"""The mask that compares the whole register."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlcState:
    """The strategy `plc_state`."""

    strategy: ClassVar = "plc_state"

    point: str
    states: tuple[tuple[int, int, RunState], ...]
    """(mask, value, state), the first that fits counts."""
    dwell_ms: int
    hold_ms: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.states) <= STATES_LIMIT:
            raise MalformedError(f"states must have 1 to {STATES_LIMIT} entries")
        for mask, value, state in self.states:
            if not 0 < mask <= WHOLE or value & ~mask or value < 0:
                raise MalformedError("a state's value must lie in its mask, and a mask must have 1 to 64 bits")
            if state is RunState.UNKNOWN:
                raise MalformedError("what is not listed is UNKNOWN; it cannot be listed")
        if self.dwell_ms < 0 or self.hold_ms <= 0:
            raise MalformedError("dwell must be at least 0 and hold above 0")

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "PlcState | None":
        """The rule in a stream's signed settings; None when it is another."""
        match settings:
            case {
                "strategy": cls.strategy,
                "point": str(point),
                "states": [*states],
                "dwell_ms": int(dwell),
                "hold_ms": int(hold),
            }:
                return cls(point=point, states=tuple(map(_entry, states)), dwell_ms=dwell, hold_ms=hold)
        return None

    def settings(self) -> dict[str, Any]:
        """The opposite of from_settings."""
        return {
            "strategy": self.strategy,
            "point": self.point,
            "states": [[mask, value, int(state)] for mask, value, state in self.states],
            "dwell_ms": self.dwell_ms,
            "hold_ms": self.hold_ms,
        }

    @property
    def reads(self) -> tuple[Read, ...]:
        """The register."""
        return (Read(self.point, milli=False),)

    def level(self, register: int, before: RunState) -> RunState:
        """The state that the register speaks for; the same from everywhere."""
        del before
        return next((state for mask, value, state in self.states if register & mask == value), RunState.UNKNOWN)

    def plain_level(self, register: int) -> RunState | None:
        """The same: it never depends on where from."""
        return self.level(register, RunState.UNKNOWN)

    def judge(self, before: Judged, at_ms: int, values: Values) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        now, changes = expired(before, at_ms)
        register = values[0]
        if register is None:
            return now, changes
        level = self.level(register, now.state)
        return dwelt(now, changes, at_ms, level, dwell_ms=self.dwell_ms, hold_ms=self.hold_ms)

    def expire(self, before: Judged, at_ms: int) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        return expired(before, at_ms)


def _entry(entry: object) -> tuple[int, int, RunState]:
    match entry:
        case [int(mask), int(value), int(state)] if state in _STATES:
            return mask, value, _STATES[state]
    raise MalformedError("an entry of states is not [mask, value, state]")


_STATES: Final = {int(state): state for state in RunState}
