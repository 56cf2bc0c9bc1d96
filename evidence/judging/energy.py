"""Energy from a meter's counter: rollovers, resets, rises that no machine could make, and the check against power.

Pure. DESIGN.md section 5: a fall from above 99 % to below 1 % of the modulus is a rollover; any other fall is a reset
and adds nothing; a rise above rated power x time is rejected and counted; what the counter says is laid beside the
integral of the power. Whole thousandths of a watt hour throughout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

from evidence.bodies import Aggregate, Column, Keep, Readings
from evidence.judging.columns import column_of, milliwatts

_HOUR_MS: Final = 3_600_000
_NAMED_REJECTIONS: Final = 20
"""Rejected rises that are named one by one, at most; all are counted."""
_DIFFERS_PERCENT: Final = 5
"""A counter and the integral of its power that lie further apart than this, and than two counts, do not fit."""
IN_WH: Final = {"Wh": 1, "kWh": 1000, "MWh": 1_000_000}
_IN_W: Final = {"W": 1, "kW": 1000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What one counter says was used, in thousandths of a watt hour (Wh/1000)."""

    point: str
    used: int
    """The sum of all rises that were not rejected, rollovers made good."""
    rollovers: int
    resets: int
    rejected: int
    """Rises above rated power x time; nothing was added for them."""
    rejections: tuple[tuple[int, int], ...]
    """(UTC ms, the rise) of the first of them."""
    compared: int
    """The part of `used` between neighbouring rows that have a power as well …"""
    integral: int
    """… and the integral of that power over the same time."""
    count: int = 1
    """What one count of the counter is worth."""

    @property
    def difference(self) -> int:
        """|dE - integral of P dt| where both are known."""
        return abs(self.compared - self.integral)

    @property
    def differs(self) -> bool:
        """Whether the two do not fit: another meter's counter, a wrong transformer ratio, a value played again."""
        allowed = max(self.compared, self.integral) * _DIFFERS_PERCENT // 100
        return self.difference > max(allowed, 2 * self.count)


class Moved(Enum):
    """What a counter did between two answers."""

    ROSE = "rose"
    ROLLED_OVER = "rolled over"
    RESET = "fell, or was replaced"
    REJECTED = "rose by more than can be"


def moved(last: int, now: int, *, modulus: int | None) -> tuple[Moved, int]:
    """What it did, and by how much it rose; whether that can be is the caller's to ask."""
    if now >= last:
        return Moved.ROSE, now - last
    if modulus is None or not (last * 100 > modulus * 99 and now * 100 < modulus):
        return Moved.RESET, 0
    return Moved.ROLLED_OVER, now - last + modulus


class CounterPoint(NamedTuple):
    """One energy counter of a stream, as its settings describe it; its values are the column's integers."""

    name: str
    wh: int
    """Watt hours in its unit."""
    decimals: int
    modulus: int | None
    rated_w: int | None

    def judge(self, last: int, last_ms: int, now: int, now_ms: int) -> Moved:
        """What it did between two answers, `now_ms` being the later."""
        did, rise = moved(last, now, modulus=self.modulus)
        if did is Moved.RESET or self.rated_w is None:
            return did
        most = self.rated_w * (now_ms - last_ms) * 10**self.decimals
        return Moved.REJECTED if (rise - 1) * self.wh * _HOUR_MS > most else did


def counter_points(settings: Mapping[str, Any]) -> tuple[CounterPoint, ...]:
    """The energy counters of which a box tells events, by the stream's signed settings."""
    if settings.get("counter_events") != 1:
        return ()  # a box of an earlier version tells of none
    found = []
    points = settings.get("points")
    for point in points if isinstance(points, list) else ():
        match point:
            case {"name": str(name), "unit": "Wh" | "kWh" | "MWh" as unit, "decimals": int(decimals)}:
                rated_w, modulus = rated_and_modulus(settings, point)
                found.append(CounterPoint(name, IN_WH[unit], decimals, modulus, rated_w))
    return tuple(found)


def rated_and_modulus(settings: Mapping[str, Any], point: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """`rated_w` and a point's `modulus` (docs/wire-format.md, "Recomputing")."""
    rated_w, modulus = settings.get("rated_w"), point.get("modulus", settings.get("modulus"))
    return (
        rated_w if isinstance(rated_w, int) and rated_w > 0 else None,
        modulus if isinstance(modulus, int) and modulus > 0 else None,
    )


@dataclass(slots=True)
class Counter:
    """One point's counter, read row by row in time order."""

    point: str
    used: int = 0
    rollovers: int = 0
    resets: int = 0
    rejected: int = 0
    rejections: list[tuple[int, int]] = field(default_factory=list)
    compared: int = 0
    integral_mw_ms: int = 0
    _last: "_Row | None" = None
    _modulus: int | None = None
    _rated_mw: int | None = None
    _one: int = 1

    def configure(self, settings: dict[str, object], point: dict[str, object]) -> None:
        """Take `rated_w` and `modulus` from the stream's signed settings (docs/wire-format.md, "Recomputing")."""
        rated_w, self._modulus = rated_and_modulus(settings, point)
        self._rated_mw = None if rated_w is None else rated_w * 1000

    def take(self, window: Readings, ends: list[int], column: Column, power: Column | None) -> None:
        """Read the window's rows on from where the window before it ended; `ends` are its `row_ends`."""
        scale = IN_WH[column.unit]
        one = self._one = max(1, scale * 1000 // 10**column.decimals)
        powers = [None] * len(ends) if power is None else milliwatts(power)
        sampled = window.keep is Keep.EVERY
        for from_ms, to_ms, value, power_mw in zip(window.times_ms, ends, column.values, powers, strict=True):
            if value is not None:
                row = from_ms, to_ms, value * scale * 1000 // 10**column.decimals, power_mw
                self._read(row, one, window.period_ms, sampled=sampled)

    def result(self) -> Energy:
        """What was read so far."""
        return Energy(
            point=self.point,
            used=self.used,
            rollovers=self.rollovers,
            resets=self.resets,
            rejected=self.rejected,
            rejections=tuple(self.rejections),
            compared=self.compared,
            integral=self.integral_mw_ms // _HOUR_MS,
            count=self._one,
        )

    def _read(self, row: "_Row", one: int, period_ms: int, *, sampled: bool) -> None:
        last, self._last = self._last, row
        if last is None or row[0] < last[0]:
            return
        did, rise = moved(last[2], row[2], modulus=self._modulus * one if self._modulus else None)
        if did is Moved.RESET:
            self.resets += 1
            return
        self.rollovers += did is Moved.ROLLED_OVER
        if self._rated_mw is not None and (rise - one) * _HOUR_MS > self._rated_mw * (row[1] - last[0]):
            self.rejected += 1
            if len(self.rejections) < _NAMED_REJECTIONS:
                self.rejections.append((row[0], rise))
            return
        self.used += rise
        # Beside the power over the same time, when nothing lies between the two rows.
        if row[3] is None or row[0] - last[1] > 3 * period_ms or (sampled and last[3] is None):
            return
        self.compared += rise
        if sampled:
            self.integral_mw_ms += (abs(last[3] or 0) + abs(row[3])) * (row[0] - last[0]) // 2
        else:
            self.integral_mw_ms += abs(row[3]) * (row[1] - last[1])


def counters_of(window: Readings) -> list[Column]:
    """The window's energy counters: points in watt hours, as samples or as each minute's last value."""
    return [c for c in window.columns if c.unit in IN_WH and c.aggregate in (Aggregate.SAMPLE, Aggregate.LAST)]


def power_of(window: Readings, point: str) -> Column | None:
    """The power that a counter is laid beside: samples, or each minute's mean."""
    wanted = Aggregate.SAMPLE if window.keep is Keep.EVERY else Aggregate.MEAN
    column = column_of(window, point, wanted)
    return column if column is not None and column.unit in _IN_W else None


_Row = tuple[int, int, int, int | None]
"""(from_ms, to_ms, thousandths of a Wh, mW): read somewhere in from … to; both are one instant for a sample."""
