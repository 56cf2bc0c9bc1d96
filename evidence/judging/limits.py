"""Limits on a value (a hydrant's pressure, a residual current): raised, cleared, and never cleared by silence. Pure.

1. A limit is raised by the answer at which every good answer for `delay_ms` lay beyond `raise_milli`: below it, or from
   it up, as `side` says.
2. It is cleared by the answer at which every good answer for `delay_ms` lay on the safe side of `clear_milli`. Between
   the two nothing changes (hysteresis).
3. Silence changes nothing: it neither raises nor clears, and a sensor that answers every half minute is raised all the
   same. Where nothing was answered for `hold_ms`, whether the value is beyond the limit is unknown (`is_known`).

Thresholds are thousandths of the point's own unit; of a point in kW they are of a watt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from evidence.bodies import Phase
from evidence.errors import MalformedError
from evidence.judging.judge import Read
from evidence.judging.strategies.judged import DAY_MS

LIMITS_LIMIT: Final = 64
"""Limits of one stream, at most."""
_MILLI_LIMIT: Final = 1 << 62


class Side(Enum):
    """Where it is dangerous."""

    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit on one point."""

    name: str
    """What its events are about; usually the point's name."""
    point: str
    side: Side
    raise_milli: int
    clear_milli: int
    delay_ms: int
    hold_ms: int
    why: str = ""
    """Where the figure comes from, for a person."""

    def __post_init__(self) -> None:
        below = self.side is Side.BELOW
        if not (self.raise_milli <= self.clear_milli if below else self.clear_milli <= self.raise_milli):
            raise MalformedError(f"the limit {self.name} clears on its dangerous side")
        if not 0 <= self.delay_ms <= DAY_MS or self.hold_ms <= 0:
            raise MalformedError("a limit's delay must be 0 to a day, and its hold above 0")
        if max(abs(self.raise_milli), abs(self.clear_milli)) > _MILLI_LIMIT:
            raise MalformedError("a limit beyond anything that is measured")

    @property
    def read(self) -> Read:
        """The value, in thousandths."""
        return Read(self.point, milli=True)

    def settings(self) -> dict[str, Any]:
        """As it stands in a stream's signed settings."""
        return {
            "name": self.name,
            "point": self.point,
            "side": self.side.value,
            "raise_milli": self.raise_milli,
            "clear_milli": self.clear_milli,
            "delay_ms": self.delay_ms,
            "hold_ms": self.hold_ms,
            "why": self.why,
        }

    def judge(self, before: "LimitState", at_ms: int, value_milli: int | None) -> tuple["LimitState", Phase | None]:
        """Take in the answer that arrived `at_ms`; RAISED or CLEARED when it changed that."""
        if value_milli is None:
            turns = None
        elif before.raised:
            turns = value_milli >= self.clear_milli if self.side is Side.BELOW else value_milli < self.clear_milli
        else:
            turns = value_milli < self.raise_milli if self.side is Side.BELOW else value_milli >= self.raise_milli
        return latched(before, at_ms, turns=turns, delay_ms=self.delay_ms, hold_ms=self.hold_ms, patient=True)


class LimitState(NamedTuple):
    """Where one limit stands: three integers."""

    raised: int = 0
    since_ms: int = -1
    """Since then every good answer lay where the limit would turn; -1: the last one did not."""
    good_until_ms: int = 0
    """Beyond it nothing is known of the value."""

    def is_known(self, at_ms: int) -> bool:
        """Whether an answer still speaks for the value."""
        return at_ms < self.good_until_ms

    def anew(self) -> "LimitState":
        """After a gap: what was raised stays raised, and nothing else is known."""
        return LimitState(self.raised)


UNRAISED: Final = LimitState()


def latched(
    before: LimitState, at_ms: int, *, turns: bool | None, delay_ms: int, hold_ms: int, patient: bool = False
) -> tuple[LimitState, Phase | None]:
    """Something that is raised or cleared when every answer for `delay_ms` said so; None: no answer.

    Unless it is `patient`, the delay begins anew when answers lie `hold_ms` apart.
    """
    if turns is None:
        return before, None
    good_until_ms = at_ms + hold_ms
    if not turns:
        return LimitState(before.raised, -1, good_until_ms), None
    goes_on = before.since_ms >= 0 and (patient or before.is_known(at_ms))
    since_ms = before.since_ms if goes_on else at_ms
    if at_ms - since_ms < delay_ms:
        return LimitState(before.raised, since_ms, good_until_ms), None
    phase = Phase.CLEARED if before.raised else Phase.RAISED
    return LimitState(1 - before.raised, -1, good_until_ms), phase


def limits_from_settings(settings: Mapping[str, object]) -> tuple[Limit, ...]:
    """The limits in a stream's signed settings. Raises MalformedError for what is none."""
    entries = settings.get("limits", [])
    if not isinstance(entries, list) or len(entries) > LIMITS_LIMIT:
        raise MalformedError(f"limits are no array of at most {LIMITS_LIMIT}")
    limits = tuple(map(_limit, entries))
    if len({limit.name for limit in limits}) < len(limits):
        raise MalformedError("two limits have one name")
    return limits


def _limit(entry: object) -> Limit:
    if isinstance(entry, dict) and set(entry) == _KEYS:
        match entry:
            case {
                "name": str(name),
                "point": str(point),
                "side": "below" | "above" as side,
                "raise_milli": int(raised),
                "clear_milli": int(clear),
                "delay_ms": int(delay),
                "hold_ms": int(hold),
                "why": str(why),
            }:
                return Limit(
                    name=name,
                    point=point,
                    side=Side(side),
                    raise_milli=raised,
                    clear_milli=clear,
                    delay_ms=delay,
                    hold_ms=hold,
                    why=why,
                )
    raise MalformedError("an entry of limits is none")


_KEYS: Final = {"name", "point", "side", "raise_milli", "clear_milli", "delay_ms", "hold_ms", "why"}


class Usual(NamedTuple):
    """A limit that a rule book gives for a kind of site; a site's own papers may give another."""

    side: Side
    unit: str
    raise_milli: int
    clear_milli: int
    why: str


def _pressure(kpa: int, why: str) -> Usual:
    return Usual(Side.BELOW, "kPa", kpa * 1000, (kpa + 5) * 1000, why)


USUAL: Final = {
    "hydrant-high-rise-class-1": _pressure(100, "static hydrant pressure, class-1 high-rise public, GB 50974"),
    "hydrant-above-100-m": _pressure(150, "static hydrant pressure, class-1 public above 100 m, GB 50974"),
    "hydrant-public": _pressure(70, "static hydrant pressure, other public, GB 50974"),
    "hydrant-high-rise-residential": _pressure(70, "static hydrant pressure, high-rise residential, GB 50974"),
    "hydrant-industrial": _pressure(100, "static hydrant pressure, industrial, GB 50974"),
    "hydrant-industrial-small": _pressure(70, "static hydrant pressure, industrial below 20,000 m3, GB 50974"),
    "sprinkler": _pressure(100, "static sprinkler pressure, GB 50974"),
    "residual-current": Usual(Side.ABOVE, "mA", 300_000, 270_000, "residual current, 300 to 500 mA, GB 50116"),
    "cable-temperature": Usual(Side.ABOVE, "degC", 70_000, 65_000, "conductor of a PVC-insulated cable, GB/T 12706.1"),
}
"""What is usual, by the kind of site."""
