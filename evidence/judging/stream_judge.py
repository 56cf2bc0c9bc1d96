"""Everything that is judged of one stream, answer by answer: run state, limits, counters, signature, witness.

Pure. The box judges with this, and a bank judges again with the very same code. What it has to remember from one answer
to the next is a `Standing`: integers, kept with the readings, so that a power cut changes nothing of what is said.

After a gap (`Standing.anew`) the run state is judged anew, and what was raised stays raised until an answer clears it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from evidence.bodies import MS_LIMIT, Event, EventKind, Phase
from evidence.judging.energy import CounterPoint, Moved, counter_points
from evidence.judging.judge import Change, Fusion, Judged, Read, Rule, expire, judge, rule_from_settings
from evidence.judging.limits import UNRAISED, Limit, LimitState, Side, latched, limits_from_settings
from evidence.judging.signature import Signature, SignatureState, watch
from evidence.judging.standing import BEGINNING, CounterState, Standing
from evidence.judging.witness import Witness
from evidence.judging.witness_watch import WitnessWatch

RUN_STATE: Final = "run_state"
"""What a DISAGREEMENT is about."""
COUNTER_EVERY_MS: Final = 60_000
"""A counter that says nonsense again and again is told of once in each UTC minute; what it said is among the facts."""


class Measure(NamedTuple):
    """A point's name, and what its integers mean."""

    name: str
    unit: str
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a stream is judged by, from its signed settings."""

    run_state: Rule | None = None
    limits: tuple[Limit, ...] = ()
    counters: tuple[CounterPoint, ...] = ()
    signature: Signature | None = None
    witness: Witness | None = None

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Rules":
        """Raises MalformedError for a rule, limit or signature that is none."""
        return cls(
            run_state=rule_from_settings(settings),
            limits=limits_from_settings(settings),
            counters=counter_points(settings),
            signature=Signature.from_settings(settings),
            witness=Witness.from_settings(settings),
        )

    @property
    def has_fusion(self) -> bool:
        """Whether two signals are judged, which can disagree."""
        return isinstance(self.run_state, Fusion)

    @property
    def points(self) -> frozenset[str]:
        """Every point that is looked at."""
        names = [read.point for read in self.run_state.reads] if self.run_state else []
        names += [limit.point for limit in self.limits] + [counter.name for counter in self.counters]
        names += [*self.witness.counts, *self.witness.clock] if self.witness else []
        return frozenset([*names, self.signature.point] if self.signature else names)


@dataclass(slots=True)
class StreamJudge:
    """Judges one stream's answers in the order of time."""

    rules: Rules
    points: Sequence[Measure]
    """What an answer's values are, in their order."""
    carried: Standing = BEGINNING
    judged: Judged = field(init=False)
    rule: Rule | None = field(init=False)
    """The run state's, when the points that it reads are measured."""
    _reads: tuple[tuple[int, Read], ...] = field(init=False, default=())
    _limits: list[tuple[Limit, int]] = field(init=False)
    _states: list[LimitState] = field(init=False)
    _counters: list[tuple[CounterPoint, int]] = field(init=False)
    _lasts: list[CounterState | None] = field(init=False)
    _apart: LimitState = field(init=False)
    _signature: SignatureState = field(init=False)
    _power: int | None = field(init=False, default=None)
    _stranger: int = field(init=False)
    _watch: WitnessWatch | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        places = {point.name: place for place, point in enumerate(self.points)}
        rules, carried = self.rules, self.carried
        rule = rules.run_state
        self.rule = rule if rule and all(read.point in places for read in rule.reads) else None
        if self.rule is not None:
            self._reads = tuple((places[read.point], read) for read in self.rule.reads)
        states = dict(carried.limits)
        self._limits = [(limit, places[limit.point]) for limit in rules.limits if limit.point in places]
        self._states = [states.get(limit.name, UNRAISED) for limit, _ in self._limits]
        lasts = dict(carried.counters)
        self._counters = [(counter, places[counter.name]) for counter in rules.counters if counter.name in places]
        self._lasts = [lasts.get(counter.name) for counter, _ in self._counters]
        self.judged, self._apart, self._signature = carried.judged, carried.apart, carried.signature
        if rules.signature is not None and self.rule is not None:
            self._power = places.get(rules.signature.point)
        self._stranger = carried.stranger
        if rules.witness is not None:
            self._watch = WitnessWatch(rules.witness, carried.witness, self.points)

    def take(self, at_ms: int, values: Sequence[int | None]) -> tuple[list[Change], list[Event]]:
        """Take in the answer that arrived `at_ms`: changes of the run state, and what a person should know."""
        changes: list[Change] = []
        events: list[Event] = []
        if self.rule is not None:
            read = self._read(values)
            self.judged, changes = judge(self.judged, at_ms, read, self.rule)
            if isinstance(self.rule, Fusion) and any(value is not None for value in read):
                self._look_apart(self.rule, at_ms, events)
        if self._limits:
            self._look_at_limits(at_ms, values, events)
        if self._counters:
            self._look_at_counters(at_ms, values, events)
        if self._power is not None and values[self._power] is not None:
            self._look_at_signature(at_ms, values[self._power], events)
        if self._watch is not None:
            events += self._watch.take(at_ms, values)
        return changes, events

    def heed(self, reported: Sequence[Event]) -> list[Event]:
        """What of a device's report is news: who it is is told when that changed, also over a restart."""
        news: list[Event] = []
        for event in reported:
            if event.event is EventKind.IDENTITY and event.phase is not Phase.NOTED:
                stranger = int(event.phase is Phase.RAISED)
                if stranger == self._stranger:
                    continue
                self._stranger = stranger
            news.append(event)
        return news

    def expire(self, at_ms: int) -> list[Change]:
        """Let time pass until `at_ms`."""
        if self.rule is None:
            return []
        self.judged, changes = expire(self.judged, at_ms, self.rule)
        return changes

    @property
    def standing(self) -> Standing:
        """Where judging stands."""
        return Standing(
            judged=self.judged,
            apart=self._apart,
            limits=tuple((limit.name, state) for (limit, _), state in zip(self._limits, self._states, strict=True)),
            counters=tuple(
                (counter.name, last)
                for (counter, _), last in zip(self._counters, self._lasts, strict=True)
                if last is not None
            ),
            signature=self._signature,
            witness=self.carried.witness if self._watch is None else self._watch.state,
            stranger=self._stranger,
        )

    def _read(self, values: Sequence[int | None]) -> list[int | None]:
        read: list[int | None] = []
        for place, how in self._reads:
            value, point = values[place], self.points[place]
            read.append(None if value is None else how.scaled(value, point.unit, point.decimals))
        return read

    def _look_apart(self, by: Fusion, at_ms: int, events: list[Event]) -> None:
        apart = by.apart(self.judged)
        turns = None if apart is None else apart is not bool(self._apart.raised)
        delay_ms = 0 if self._apart.raised else by.disagreement_ms
        self._apart, phase = latched(
            self._apart, at_ms, turns=turns, delay_ms=delay_ms, hold_ms=max(by.first.hold_ms, by.second.hold_ms)
        )
        if apart is None and not self._apart.raised:
            self._apart = UNRAISED  # while one is unknown they are not apart, and do not begin to be
        if phase is not None:
            one, other = self.judged.parts
            says = f"{by.first.point} says {one.state.name}, {by.second.point} says {other.state.name}"
            events.append(_event(at_ms, EventKind.DISAGREEMENT, phase, RUN_STATE, says=says))

    def _look_at_limits(self, at_ms: int, values: Sequence[int | None], events: list[Event]) -> None:
        for i, (limit, place) in enumerate(self._limits):
            value, point = values[place], self.points[place]
            milli = None if value is None else limit.read.scaled(value, point.unit, point.decimals)
            self._states[i], phase = limit.judge(self._states[i], at_ms, milli)
            if phase is not None:
                passed = limit.raise_milli if phase is Phase.RAISED else limit.clear_milli
                unit = "W" if point.unit == "kW" else point.unit
                says = f"{_figure(milli or 0)} {unit}, {_beyond(limit, phase)} {_figure(passed)} {unit}"
                reference = _counts(passed, point)
                events.append(
                    _event(at_ms, EventKind.LIMIT, phase, limit.name, value=value, reference=reference, says=says)
                )

    def _look_at_counters(self, at_ms: int, values: Sequence[int | None], events: list[Event]) -> None:
        for i, (counter, place) in enumerate(self._counters):
            value, last = values[place], self._lasts[i]
            if value is None:
                continue
            told_ms = -1 if last is None else last.told_ms
            if last is not None and at_ms >= last.at_ms:
                did = counter.judge(last.value, last.at_ms, value, at_ms)
                is_told = told_ms // COUNTER_EVERY_MS == at_ms // COUNTER_EVERY_MS
                if did in (Moved.RESET, Moved.REJECTED) and not is_told:
                    told_ms = at_ms
                    events.append(
                        _event(
                            at_ms,
                            EventKind.COUNTER,
                            Phase.NOTED,
                            counter.name,
                            value=value,
                            reference=last.value,
                            says=did.value,
                        )
                    )
            self._lasts[i] = CounterState(value, at_ms, told_ms)

    def _look_at_signature(self, at_ms: int, value: int | None, events: list[Event]) -> None:
        by, place = self.rules.signature, self._power
        if by is None or place is None:
            return
        point = self.points[place]
        power_mw = None if value is None else by.read.scaled(value, point.unit, point.decimals)
        self._signature, changes = watch(self._signature, at_ms, power_mw, self.judged, by)
        for change in changes:
            says = f"{change.what} {_figure(change.value_mw)} W, {_figure(change.usual_mw)} W when commissioned"
            counts = (_counts(change.value_mw, point), _counts(change.usual_mw, point))
            subject = by.point if change.what == "running power" else f"{by.point} {change.what}"
            events.append(
                _event(
                    at_ms, EventKind.SIGNATURE, change.phase, subject, value=counts[0], reference=counts[1], says=says
                )
            )


def _event(
    at_ms: int,
    kind: EventKind,
    phase: Phase,
    subject: str,
    *,
    value: int | None = None,
    reference: int | None = None,
    says: str,
) -> Event:
    return Event(
        at_ms=at_ms,
        event=kind,
        phase=phase,
        subject=subject,
        value=_within(value),
        reference=_within(reference),
        says=says,
    )


def _within(value: int | None) -> int | None:
    """A value that an event can say; None beyond that."""
    return value if value is not None and abs(value) < MS_LIMIT else None


def _counts(milli: int, point: Measure) -> int:
    """Thousandths (of a power: of a watt) as their point counts them."""
    factor: int = 10**point.decimals
    return milli * factor // (1_000_000 if point.unit == "kW" else 1000)


def _beyond(limit: Limit, phase: Phase) -> str:
    """On which side of the figure the value is."""
    is_below = (limit.side is Side.BELOW) is (phase is Phase.RAISED)
    return ("again " if phase is Phase.CLEARED else "") + ("below" if is_below else "not below")


def _figure(milli: int) -> str:
    """Thousandths as a figure: 99.5."""
    whole, rest = divmod(abs(milli), 1000)
    return f"{'-' if milli < 0 else ''}{whole}" + (f".{rest:03d}".rstrip("0") if rest else "")
