"""What a machine is judged by: [machine.run_state], [[machine.limit]] and [machine.signature], checked completely."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from edge_agent.config.judging_keys import LIMIT, RUN_STATE, SIGNAL, SIGNALS, SIGNATURE, STRATEGY
from edge_agent.config.points import Point, PointKind
from edge_agent.config.schema import Key, Reader, closest, shown
from evidence.judging.judge import (
    SINGLES,
    Fusion,
    IntervalMax,
    PlcState,
    Pulses,
    Rule,
    RunState,
    Signal,
    Single,
    Threshold,
)
from evidence.judging.limits import LIMITS_LIMIT, USUAL, Limit, Side
from evidence.judging.signature import Signature

_POWER_UNITS: Final = ("W", "kW")
_HOLD_PERIODS: Final = 2
_LIMIT_HOLD_PERIODS: Final = 3
"""An answer speaks for so many periods, unless the file says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What one machine is judged by."""

    run_state: Rule | None
    limits: tuple[Limit, ...]
    signature: Signature | None


def read_judging(
    reader: Reader, table: Mapping[str, Any], where: str, *, points: Sequence[Point], period_ms: int
) -> Judging:
    """The tables in a machine's table; complaints go to the reader, and what drew one is left out."""
    return _JudgingReader(reader, points, period_ms).read(table, where)


@dataclass(slots=True)
class _JudgingReader:
    reader: Reader
    points: Sequence[Point]
    period_ms: int

    def read(self, table: Mapping[str, Any], where: str) -> Judging:
        within = f"{where}." if where else ""
        rule = self.reader.table(table, "run_state")
        signature = self.reader.table(table, "signature")
        limits = self.reader.tables(table, "limit", at_most=LIMITS_LIMIT)
        return Judging(
            run_state=None if rule is None else self._rule(rule, f"{within}run_state"),
            limits=self._limits(limits, f"{within}limit"),
            signature=None if signature is None else self._signature(signature, f"{within}signature"),
        )

    # Run state.

    def _rule(self, table: Mapping[str, Any], where: str) -> Rule | None:
        strategy = table.get("strategy", STRATEGY.default)
        keys = RUN_STATE.get(strategy) if isinstance(strategy, str) else None
        if keys is None:  # what else may stand there depends on it
            self.reader.section({"strategy": strategy}, (STRATEGY,), where)
            return None
        if strategy == Fusion.strategy:
            return self._fusion(table, where)
        return self._single(table, where)

    def _single(self, table: Mapping[str, Any], where: str) -> Single | None:
        before = len(self.reader.complaints)
        strategy = table.get("strategy", STRATEGY.default)
        keys: tuple[Key, ...] = (STRATEGY, *RUN_STATE[strategy])
        if strategy == Pulses.strategy:
            keys = (*keys, *self._keys_of_signal(table))
        values = self.reader.section(table, keys, where)
        if values is None:
            return None
        del values["strategy"]
        values["hold_ms"] = self._hold(values["hold_ms"], where, _HOLD_PERIODS)
        rule = _MAKERS[strategy](self, values, where)
        return rule if len(self.reader.complaints) == before else None

    def _fusion(self, table: Mapping[str, Any], where: str) -> Fusion | None:
        values = self.reader.section(table, (STRATEGY, *RUN_STATE["fusion"]), where, also=("first", "second"))
        parts = []
        for name in ("first", "second"):
            part = self.reader.table(table, name)
            if part is None:
                if name not in table:
                    self.reader.complain(f"{where}.{name}", "missing", "a table with a strategy of its own")
                continue
            if part.get("strategy", STRATEGY.default) not in {kind.strategy for kind in SINGLES}:
                wanted = "one of " + ", ".join(shown(kind.strategy) for kind in SINGLES)
                self.reader.complain(f"{where}.{name}.strategy", shown(part.get("strategy")), wanted)
                continue
            parts.append(self._single(part, f"{where}.{name}"))
        one, other = parts if len(parts) == 2 else (None, None)  # noqa: PLR2004
        if values is None or one is None or other is None:
            return None
        return Fusion(first=one, second=other, wins=values["wins"], disagreement_ms=values["disagreement_ms"])

    def _keys_of_signal(self, table: Mapping[str, Any]) -> tuple[Key, ...]:
        signal = table.get("signal", SIGNAL.default)
        return SIGNALS[Signal(signal)] if signal in {each.value for each in Signal} else ()

    def _threshold(self, values: dict[str, Any], where: str) -> Single | None:
        self._power_levels(values, where)
        if values["hysteresis_mw"] >= values["idle_above_mw"]:
            self.reader.complain(f"{where}.hysteresis_w", _figure(values["hysteresis_mw"]), "less than idle_above_w")
            return None
        return self._made(Threshold, values)

    def _interval(self, values: dict[str, Any], where: str) -> Single | None:
        self._power_levels(values, where)
        if values["interval_ms"] < self.period_ms:
            found = f"{values['interval_ms']} ms"
            self.reader.complain(f"{where}.interval_s", found, f"at least the period of {self.period_ms} ms")
        return self._made(IntervalMax, values)

    def _plc(self, values: dict[str, Any], where: str) -> Single | None:
        self._whole_point(values["point"], where)
        states = [
            (mask, value, state)
            for name, state in (("running", RunState.RUNNING), ("idle", RunState.IDLE), ("stopped", RunState.STOPPED))
            for mask, value in values.pop(name) or ()
        ]
        if not states:
            self.reader.complain(f"{where}.running", "missing", "values of running, idle or stopped")
        return self._made(PlcState, values | {"states": tuple(states)})

    def _pulses(self, values: dict[str, Any], where: str) -> Single | None:
        point = (self._point if values["signal"] is Signal.PEAKS else self._whole_point)(values["point"], where)
        if values["shortest_cycle_ms"] >= values["longest_cycle_ms"]:
            found = _figure(values["shortest_cycle_ms"])
            self.reader.complain(f"{where}.shortest_cycle_s", found, "less than longest_cycle_s")
        if values["signal"] is Signal.PEAKS and values["low_milli"] > values["high_milli"]:
            self.reader.complain(f"{where}.high", _figure(values["high_milli"]), "at least low")
        if values["signal"] is Signal.COUNTER and point is not None:
            if point.kind is not PointKind.COUNTER:
                found = f"{shown(point.name)}, a {point.kind.value}"
                self.reader.complain(f"{where}.point", found, "a counter")
            values["modulus"] = point.modulus or 0
        return self._made(Pulses, values)

    def _made(self, kind: Callable[..., Single], values: dict[str, Any]) -> Single | None:
        """Complaints say everything that the rule itself would refuse."""
        return None if self.reader.complaints else kind(**values)

    def _power_levels(self, values: dict[str, Any], where: str) -> None:
        self._power_point(values["point"], where)
        if values["idle_above_mw"] > values["running_above_mw"]:
            self.reader.complain(f"{where}.idle_above_w", _figure(values["idle_above_mw"]), "at most running_above_w")

    # Limits.

    def _limits(self, tables: Iterable[dict[str, Any]], where: str) -> tuple[Limit, ...]:
        limits: list[Limit] = []
        for number, table in enumerate(tables, 1):
            name = table.get("name", table.get("point"))
            limit = self._limit(table, f"{where}[{name if isinstance(name, str) and name.isprintable() else number}]")
            if limit is not None:
                if any(other.name == limit.name for other in limits):
                    self.reader.complain(f"{where}[{limit.name}].name", "there twice", "a name of its own")
                limits.append(limit)
        return tuple(limits)

    def _limit(self, table: dict[str, Any], where: str) -> Limit | None:
        before = len(self.reader.complaints)
        values = self.reader.section(table, LIMIT, where)
        if values is None:
            return None
        point = self._point(values["point"], where)
        given = [key for key in ("usual", "below", "above") if values[key] is not None]
        if len(given) != 1:
            found = " and ".join(given) or "missing"
            self.reader.complain(f"{where}.below", found, "one of usual, below, above")
            return None
        why = ""
        if given == ["usual"]:
            usual = USUAL[values["usual"]]
            side, raised, clear, why = usual.side, usual.raise_milli, usual.clear_milli, usual.why
            if point is not None and point.unit != usual.unit:
                self.reader.complain(
                    f"{where}.point", f"{shown(point.name)} in {point.unit}", f"a point in {usual.unit}"
                )
        else:
            side, raised = Side(given[0]), values[given[0]]
            clear = raised + (1 if side is Side.BELOW else -1) * (abs(raised) // 20)
        clear = clear if values["clear"] is None else values["clear"]
        if (clear < raised) if side is Side.BELOW else (clear > raised):
            wanted = f"{'at least' if side is Side.BELOW else 'at most'} {_figure(raised)}"
            self.reader.complain(f"{where}.clear", _figure(clear), wanted)
        hold_ms = self._hold(values["hold_ms"], where, _LIMIT_HOLD_PERIODS)
        if len(self.reader.complaints) > before:
            return None
        in_milli = 1000 if point is not None and point.unit == "kW" else 1  # a power is read in thousandths of a watt
        return Limit(
            name=values["name"] or values["point"],
            point=values["point"],
            side=side,
            raise_milli=raised * in_milli,
            clear_milli=clear * in_milli,
            delay_ms=values["delay_ms"],
            hold_ms=hold_ms,
            why=why,
        )

    # Signature.

    def _signature(self, table: Mapping[str, Any], where: str) -> Signature | None:
        before = len(self.reader.complaints)
        values = self.reader.section(table, SIGNATURE, where)
        if values is None:
            return None
        self._power_point(values["point"], where)
        values["hold_ms"] = self._hold(values["hold_ms"], where, _HOLD_PERIODS)
        if values["wh_per_hour"] is None:
            values["wh_per_hour"] = values["running_mw"] // 1000
        if (values["inrush_mw"] is None) is not (values["inrush_spread_mw"] is None):
            lacking = "inrush_w" if values["inrush_mw"] is None else "inrush_spread_w"
            self.reader.complain(f"{where}.{lacking}", "missing", "inrush_w and inrush_spread_w, or neither")
        return Signature(**values) if len(self.reader.complaints) == before else None

    # Points and times.

    def _hold(self, hold_ms: int | None, where: str, periods: int) -> int:
        hold_ms = periods * self.period_ms if hold_ms is None else hold_ms
        if hold_ms <= self.period_ms:
            self.reader.complain(f"{where}.hold_s", f"{hold_ms} ms", f"more than the period of {self.period_ms} ms")
        return hold_ms

    def _point(self, name: str, where: str) -> Point | None:
        point = next((point for point in self.points if point.name == name), None)
        if point is None:
            found = shown(name) + closest(name, (point.name for point in self.points))
            self.reader.complain(f"{where}.point", found, "a point that is asked of this machine")
        return point

    def _power_point(self, name: str, where: str) -> None:
        point = self._point(name, where)
        if point is not None and point.unit not in _POWER_UNITS:
            self.reader.complain(f"{where}.point", f"{shown(name)} in {point.unit}", "a point in W or kW")

    def _whole_point(self, name: str, where: str) -> Point | None:
        point = self._point(name, where)
        if point is not None and point.decimals:
            self.reader.complain(f"{where}.point", f"{shown(name)} with {point.decimals} decimals", "a whole number")
        return point


_MAKERS: Final[dict[str, Callable[[_JudgingReader, dict[str, Any], str], Single | None]]] = {
    "power_threshold": _JudgingReader._threshold,  # noqa: SLF001 - its own file
    "interval_max": _JudgingReader._interval,  # noqa: SLF001
    "plc_state": _JudgingReader._plc,  # noqa: SLF001
    "pulses": _JudgingReader._pulses,  # noqa: SLF001
}


def _figure(milli: int) -> str:
    """As the file says it."""
    return f"{Decimal(milli) / 1000:f}"
