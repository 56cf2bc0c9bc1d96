"""What a sealed meter says of itself: counts of what was done to it, and the time that its clock shows. Pure.

1. A count that differs from the one before is a WITNESS, noted with both: a rise says that it happened, a fall that the
   count was cleared, or that it is another meter's. The counts last read are kept as long as the same device is
   pinned (`identity` of the settings); of another one they begin anew.
2. The clock is off when it differs from the box's by more than `clock_off_ms`: CLOCK is raised with the offset in
   seconds (the meter's less the box's), and cleared when it is within nine tenths of that again.
3. A date and a time of day that were read one after the other may lie on two sides of midnight: an offset that a day
   more or less would make right, within MIDNIGHT_S of midnight, says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from evidence.bodies import TEXT_LIMIT, Phase
from evidence.errors import MalformedError

CLOCK: Final = "clock"
"""What a CLOCK is about."""
MIDNIGHT_S: Final = 300
CHINA_S: Final = 8 * 3600
"""Where such meters hang: UTC+8."""
_DAY_S: Final = 86_400
_MS_LIMIT: Final = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What of a stream's points tells of the meter itself."""

    who: str = ""
    """The pinned numbers of the device."""
    counts: tuple[str, ...] = ()
    """Points."""
    clock: tuple[str, ...] = ()
    """Points that make the clock together."""
    clock_off_ms: int = 0

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Witness | None":
        """None when it has no such points. Raises MalformedError for what is none."""
        points = [point for point in settings.get("points", ()) if isinstance(point, dict)]
        counts = tuple(point["name"] for point in points if point.get("witness") == 1)
        clock = tuple(point["name"] for point in points if point.get("clock") == 1)
        if not counts and not clock:
            return None
        identity, off_ms = settings.get("identity", {}), settings.get("clock_off_ms", 0)
        if not isinstance(identity, dict) or type(off_ms) is not int or not 0 <= off_ms < _MS_LIMIT:
            raise MalformedError("identity or clock_off_ms is none")
        if clock and not off_ms:
            raise MalformedError("a clock without the offset from which on it is off")
        who = " ".join(f"{name} {identity[name]}" for name in sorted(identity, key=str))
        return cls(who=who, counts=counts, clock=clock, clock_off_ms=off_ms)

    def offset_s(self, at_ms: int, seconds: Sequence[int | None]) -> int | None:
        """The meter's clock less the box's; None when it shows no time, or may have been read across midnight."""
        shown = [value for value in seconds if value is not None]
        if len(shown) < len(self.clock):
            return None
        off_s = sum(shown) - at_ms // 1000
        past_midnight_s = (sum(shown) + CHINA_S) % _DAY_S
        is_near = min(past_midnight_s, _DAY_S - past_midnight_s) <= MIDNIGHT_S
        could_be_right = any(abs(off_s + day) * 1000 <= self.clock_off_ms for day in (_DAY_S, -_DAY_S))
        return None if len(self.clock) > 1 and is_near and could_be_right else off_s

    def turned(self, *, is_off: bool, off_s: int) -> Phase | None:
        """RAISED or CLEARED when the offset changes whether the clock is off."""
        off_ms = abs(off_s) * 1000
        if is_off:
            return Phase.CLEARED if 10 * off_ms <= 9 * self.clock_off_ms else None
        return Phase.RAISED if off_ms > self.clock_off_ms else None


def whole_s(value: int | None, decimals: int) -> int | None:
    """A clock's value in whole seconds."""
    return None if value is None else value // int(10**decimals)


class WitnessState(NamedTuple):
    """Where all that stands."""

    who: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    """By their points: what was read last."""
    clock_off: int = 0

    def to_value(self) -> list[Any]:
        """Integers, texts and lists of them."""
        return [self.who, [list(count) for count in self.counts], self.clock_off]

    @classmethod
    def from_value(cls, value: object) -> "WitnessState":
        """The opposite. Raises MalformedError."""
        match value:
            case [str(who), [*counts], int(clock_off)]:
                return cls(who, tuple(map(_count, counts)), clock_off)
        raise MalformedError("what the meter said last cannot be read")


UNWITNESSED: Final = WitnessState()


def _count(value: object) -> tuple[str, int]:
    match value:
        case [str(name), int(count)]:
            return name, count
    raise MalformedError("what a meter's count was cannot be read")


MEANINGS: Final = {
    "power_off_count": "停电 the supply was cut",
    "cover_open_count": "开表盖 the meter's cover was opened",
    "terminal_cover_open_count": "开端钮盖 the terminal cover was opened",
    "magnetic_interference_count": "恒定磁场干扰 a magnet was held against it",
    "programming_count": "编程 it was programmed",
    "meter_clear_count": "电表清零 its energies were set to zero",
    "demand_clear_count": "需量清零 its demand was cleared",
    "event_clear_count": "事件清零 its records were cleared",
    "clock_set_count": "校时 its clock was set",
    "all_phase_voltage_loss_count": "全失压 all voltages were gone while current flowed",
    "current_loss_count": "失流 the current of a phase was gone",
    "power_reversal_count": "潮流反向 the power of a phase flowed backwards",
    "phase_loss_count": "断相 a phase was gone",
    "trip_count": "拉闸 its switch cut the supply",
}
"""What a rise of a count says, by its point; of a phase's, the point without `_l1` to `_l3`."""


def in_words(point: str, before: int, now: int) -> str:
    """What a change of a count says, for a person."""
    name, _, phase = point.rpartition("_l")
    known = MEANINGS.get(name) if phase in {"1", "2", "3"} else MEANINGS.get(point)
    what = (known or point) + (f" (L{phase})" if known and phase in {"1", "2", "3"} else "")
    if now > before:
        return _cut(f"{what}: {before} → {now}")
    return _cut(f"计数减少 the count fell, was cleared or is another meter's: {before} → {now}; {what}")


def clock_in_words(off_s: int) -> str:
    """What an offset says, for a person."""
    return f"表钟 the meter's clock is {abs(off_s)} s {'ahead of' if off_s > 0 else 'behind'} the box's"


def _cut(text: str) -> str:
    return text.encode()[:TEXT_LIMIT].decode(errors="ignore")
