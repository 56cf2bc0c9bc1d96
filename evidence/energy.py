"""Energy from a meter's counter: rollovers, resets, rises that no machine could make, and the check against power.

Pure. DESIGN.md section 5: a fall from above 99 % to below 1 % of the modulus is a rollover; any other fall is a reset
and adds nothing; a rise above rated power x time is rejected and counted; what the counter says is laid beside the
integral of the power. Whole thousandths of a watt hour throughout.
"""

from dataclasses import dataclass, field
from typing import Final

from evidence.bodies import Aggregate, Column, Keep, Readings
from evidence.judge import milli
from evidence.rejudge import column_of, row_ends

_HOUR_MS: Final = 3_600_000
_NAMED_REJECTIONS: Final = 20
"""Rejected rises that are named one by one, at most; all are counted."""
_IN_WH: Final = {"Wh": 1, "kWh": 1000, "MWh": 1_000_000}
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

    @property
    def difference(self) -> int:
        """|dE - integral of P dt| where both are known."""
        return abs(self.compared - self.integral)


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

    def configure(self, settings: dict[str, object], point: dict[str, object]) -> None:
        """Take `rated_w` and `modulus` from the stream's signed settings (docs/wire-format.md, "Recomputing")."""
        rated_w = settings.get("rated_w")
        modulus = point.get("modulus", settings.get("modulus"))
        self._rated_mw = rated_w * 1000 if isinstance(rated_w, int) and rated_w > 0 else None
        self._modulus = modulus if isinstance(modulus, int) and modulus > 0 else None

    def take(self, window: Readings, column: Column, power: Column | None) -> None:
        """Read the window's rows on from where the window before it ended."""
        one = max(1, milli(1, column.decimals) * _IN_WH[column.unit])
        watts = _IN_W[power.unit] if power else 1
        powers = (
            [None] * len(column.values)
            if power is None
            else [None if v is None else milli(v, power.decimals) * watts for v in power.values]
        )
        sampled = window.keep is Keep.EVERY
        ends = window.times_ms if sampled else row_ends(window)
        for from_ms, to_ms, value, power_mw in zip(window.times_ms, ends, column.values, powers, strict=True):
            if value is not None:
                wh = milli(value, column.decimals) * _IN_WH[column.unit]
                self._read(_Row(from_ms=from_ms, to_ms=to_ms, wh=wh, power_mw=power_mw), one, window, sampled=sampled)

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
        )

    def _read(self, row: "_Row", one: int, window: Readings, *, sampled: bool) -> None:
        last, self._last = self._last, row
        if last is None or row.from_ms < last.from_ms:
            return
        rise = row.wh - last.wh
        if rise < 0:
            modulus = self._modulus * one if self._modulus else None
            if modulus is None or not (last.wh * 100 > modulus * 99 and row.wh * 100 < modulus):
                self.resets += 1
                return
            self.rollovers += 1
            rise += modulus
        if self._rated_mw is not None and (rise - one) * _HOUR_MS > self._rated_mw * (row.to_ms - last.from_ms):
            self.rejected += 1
            if len(self.rejections) < _NAMED_REJECTIONS:
                self.rejections.append((row.from_ms, rise))
            return
        self.used += rise
        self._compare(last, row, rise, window, sampled=sampled)

    def _compare(self, last: "_Row", row: "_Row", rise: int, window: Readings, *, sampled: bool) -> None:
        """Lay the rise beside the power over the same time, when nothing lies between the two rows."""
        if row.power_mw is None or row.from_ms - last.to_ms > 3 * window.period_ms:
            return
        if sampled:
            if last.power_mw is None:
                return
            self.integral_mw_ms += (abs(last.power_mw) + abs(row.power_mw)) * (row.from_ms - last.from_ms) // 2
        else:
            self.integral_mw_ms += abs(row.power_mw) * (row.to_ms - last.to_ms)
        self.compared += rise


def counters_of(window: Readings) -> list[Column]:
    """The window's energy counters: points in watt hours, as samples or as each minute's last value."""
    return [c for c in window.columns if c.unit in _IN_WH and c.aggregate in (Aggregate.SAMPLE, Aggregate.LAST)]


def power_of(window: Readings, point: str) -> Column | None:
    """The power that a counter is laid beside: samples, or each minute's mean."""
    wanted = Aggregate.SAMPLE if window.keep is Keep.EVERY else Aggregate.MEAN
    column = column_of(window, point, wanted)
    return column if column is not None and column.unit in _IN_W else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    from_ms: int
    to_ms: int
    """The value was read somewhere in from_ms … to_ms; both are the same instant for a sample."""
    wh: int
    power_mw: int | None
