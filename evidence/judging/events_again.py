"""Judging events again: whether the limits, disagreements, signatures, counters and witnesses a box told of follow.

Pure. A box signs a window's readings first and the events in it right after. Where every sample is kept they are
judged again exactly, by the box's own code. Where minutes are kept, a limit's event must be possible in its minute, and
one that the minutes leave no way around must have been told; the rest is open.

After missing statements, and after minutes, nobody knows where the box stood:
- a limit is known again when it would be raised, or would not, whatever it was before;
- a counter from the minute after its first answer on (a counter is told of once in each UTC minute);
- a meter's own count after its first answer, its clock after the first that shows it off, or well within;
- a disagreement and a signature when the settings change.

What a device reported by itself is nobody's judgement, and is only counted.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, NamedTuple

from evidence.bodies import Aggregate, Event, EventKind, Events, Keep, Phase, Readings
from evidence.events_told import OfKind, Raised, Tally
from evidence.judging.columns import column_of, scaled
from evidence.judging.limit_minutes import LimitMinutes
from evidence.judging.limits import UNRAISED, Limit, LimitState
from evidence.judging.standing import BEGINNING, Standing
from evidence.judging.stream_judge import COUNTER_EVERY_MS, Measure, Rules, StreamJudge
from evidence.judging.witness import CLOCK
from evidence.judging.witness_again import WitnessMinutes, first_ms_of, sure_from

NAMED_LIMIT: Final = 50
"""Events that do not follow and are named one by one, at most; all are counted."""
NEWEST_LIMIT: Final = 50
"""Events that are named as they were told, at most."""
EXPECTED_LIMIT: Final = 8192
"""Events that are looked for in one window; a box seals a window long before."""
JUDGED: Final = (
    *(EventKind.LIMIT, EventKind.DISAGREEMENT, EventKind.SIGNATURE),
    *(EventKind.COUNTER, EventKind.WITNESS),
)
"""What the box judged itself, and a clock of which the settings say so; everything else a device reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsJudged:
    """What judging a stream's events again said."""

    told: int
    """Events in all."""
    reported: int
    """Of them, what devices reported by themselves."""
    agreed: int
    still_open: int
    """Judged by the box, and not to be judged again."""
    unfounded: int
    """Told, and ruled out by the facts."""
    missing: int
    """Not told, though the facts leave no way around."""
    named: tuple[tuple[int, str], ...]
    """(n, what) of the first that do not follow."""
    kinds: tuple[OfKind, ...]
    raised: tuple[Raised, ...]
    """What is raised at the end."""
    newest: tuple[tuple[int, Event], ...]
    """(n, the event) of the last that were told, in the order of their statements."""


class _Found(Enum):
    AGREED = 0
    OPEN = 1
    UNFOUNDED = 2


class _Key(NamedTuple):
    """What makes two events the same."""

    at_ms: int
    event: EventKind
    phase: Phase
    subject: str

    @classmethod
    def of(cls, event: Event) -> "_Key":
        return cls(event.at_ms, event.event, event.phase, event.subject)

    def __str__(self) -> str:
        return f"{self.event.name} {self.phase.name} {self.subject} at {self.at_ms} (UTC ms)"


@dataclass(slots=True)
class _Minutes:
    """A window of minutes, whose events are to come."""

    limits: dict[str, LimitMinutes]
    witness: WitnessMinutes

    def check(self, key: _Key) -> _Found:
        if key.event is EventKind.WITNESS:
            return _Found.AGREED if self.witness.take(key.subject, key.at_ms) else _Found.OPEN
        minutes = self.limits.get(key.subject) if key.event is EventKind.LIMIT else None
        if minutes is None:
            return _Found.OPEN
        return _Found.AGREED if minutes.allows(key.at_ms, key.phase) else _Found.UNFOUNDED


@dataclass(slots=True)
class _Exact:
    """A window of samples, judged again, whose events are to come."""

    expected: set[_Key]
    open_kinds: frozenset[EventKind]
    open_limits: frozenset[str]
    open_until_ms: dict[str, int]
    """Counters, a meter's counts, its clock."""

    def is_open(self, key: _Key) -> bool:
        match key.event:
            case EventKind.LIMIT:
                return key.subject in self.open_limits
            case EventKind.COUNTER | EventKind.WITNESS | EventKind.CLOCK:
                return key.at_ms < self.open_until_ms.get(key.subject, 0)
            case kind:
                return kind in self.open_kinds

    def lacking(self) -> Iterable[_Key]:
        return (key for key in sorted(self.expected) if not self.is_open(key))

    def check(self, key: _Key) -> _Found:
        if self.is_open(key):
            return _Found.OPEN
        if key not in self.expected:
            return _Found.UNFOUNDED
        self.expected.discard(key)
        return _Found.AGREED


@dataclass(slots=True)
class _Known:
    """What is known of where the box's own judging stands."""

    lost: bool = False
    """Not everything is: statements were missing, or minutes were kept."""
    standing: Standing = BEGINNING
    limits: dict[str, tuple[LimitState, LimitState]] = field(default_factory=dict)
    """Once lost: where a limit stands if it was not raised then, and if it was."""
    open_until_ms: dict[str, int] = field(default_factory=dict)
    """Once lost: from when on a counter's events, a meter's counts and its clock can be judged again."""
    open_kinds: frozenset[EventKind] = field(init=False)

    def __post_init__(self) -> None:
        self.open_kinds = frozenset((EventKind.DISAGREEMENT, EventKind.SIGNATURE) if self.lost else ())

    def anew(self, *, same: bool) -> None:
        """Judging begins anew in the next window, under the same settings or others."""
        self.standing = self.standing.anew(same=same)
        self.limits = {name: (one.anew(), other.anew()) for name, (one, other) in self.limits.items()}
        if not same:
            self.open_kinds = frozenset()

    def judge(self, window: Readings, rules: Rules) -> _Exact:
        """Judge a window's samples again, as far as it is known where that begins."""
        unsure = [limit for limit in rules.limits if self.lost and not self._is_known(limit)]
        watched = self._rules(rules, unsure)
        points = [
            Measure(column.point, column.unit, column.decimals)
            for column in window.columns
            if column.aggregate is Aggregate.SAMPLE and column.point in watched.points
        ]
        if self.lost:
            self._hear(rules, window)
        judge, keys = StreamJudge(rules=watched, points=points, carried=self.standing), set[_Key]()
        values = (column_of(window, point.name, Aggregate.SAMPLE) for point in points)
        rows = zip(*(column.values for column in values if column is not None), strict=True)
        for at_ms, row in zip(window.times_ms, rows, strict=False):
            events = judge.take(at_ms, row)[1]
            if len(keys) < EXPECTED_LIMIT:  # no box has more in one window
                keys.update(map(_Key.of, events))
        judge.expire(window.to_ms)
        settled = tuple((limit.name, state) for limit in unsure if (state := self._settle(limit, window)) is not None)
        self.standing = replace(judge.standing, limits=(*judge.standing.limits, *settled))
        open_limits = frozenset(limit.name for limit in unsure)
        return _Exact(
            expected=keys, open_kinds=self.open_kinds, open_limits=open_limits, open_until_ms=self.open_until_ms
        )

    def _hear(self, rules: Rules, window: Readings) -> None:
        """What answered for the first time since it was lost: a counter is known from the next minute on."""
        for name in [counter.name for counter in rules.counters]:
            if name not in self.open_until_ms and (first_ms := first_ms_of(window, name)) is not None:
                self.open_until_ms[name] = (first_ms // COUNTER_EVERY_MS + 1) * COUNTER_EVERY_MS
        for name, sure_ms in sure_from(rules.witness, window) if rules.witness else ():
            self.open_until_ms.setdefault(name, sure_ms)

    def _rules(self, rules: Rules, unsure: list[Limit]) -> Rules:
        """Without what would be judged from nowhere, and without a run state that no event depends on."""
        is_open = EventKind.SIGNATURE in self.open_kinds
        signature = None if is_open else rules.signature
        rule = None if is_open or not (rules.has_fusion or signature) else rules.run_state
        limits = tuple(limit for limit in rules.limits if limit not in unsure)
        return replace(rules, run_state=rule, limits=limits, signature=signature)

    def _is_known(self, limit: Limit) -> bool:
        return any(name == limit.name for name, _ in self.standing.limits)

    def _settle(self, limit: Limit, window: Readings) -> LimitState | None:
        """Where the limit stands at the window's end, once that no longer depends on what it was before."""
        states = self.limits.get(limit.name, (UNRAISED, LimitState(raised=1)))
        column = column_of(window, limit.point, Aggregate.SAMPLE)
        if column is not None:
            for at_ms, value in zip(window.times_ms, scaled(column, limit.read), strict=True):
                states = limit.judge(states[0], at_ms, value)[0], limit.judge(states[1], at_ms, value)[0]
        self.limits[limit.name] = states
        return states[0] if states[0] == states[1] else None


@dataclass(slots=True)
class RejudgeEvents:
    """One stream's events, statement after statement."""

    rules: Rules = field(default_factory=Rules)
    _known: _Known = field(default_factory=_Known)
    _reached_ms: int | None = None
    _config: bytes = b""
    _same: bool = True
    """Whether the settings are those of the window before."""
    _n: int = 0
    _window: _Exact | _Minutes | None = None
    _beyond: dict[str, int | None] = field(default_factory=dict)
    """Since when all minutes lay beyond a limit."""
    _counts: dict[str, int] = field(default_factory=dict)
    """A meter's counts as they were read last, where that is known."""
    _tally: Tally = field(default_factory=Tally)
    _told: int = 0
    _reported: int = 0
    _found: dict[_Found, int] = field(default_factory=lambda: dict.fromkeys(_Found, 0))
    _missing: int = 0
    _named: list[tuple[int, str]] = field(default_factory=list)
    _newest: deque[tuple[int, Event]] = field(default_factory=lambda: deque(maxlen=NEWEST_LIMIT))

    def configure(self, rules: Rules) -> None:
        """Other settings are in force."""
        if (rules.witness and rules.witness.who) != (self.rules.witness and self.rules.witness.who):
            self._counts.clear()
        self.rules, self._same = rules, False

    def readings(self, n: int, window: Readings, ends: list[int], *, config: bytes, follows: bool, ruled: bool) -> None:
        """The next window; `ruled` says that `rules` are those that it was judged by."""
        if follows:
            self._close()
        self._window = None
        same = self._same and config == self._config
        if not follows or not ruled:
            self._lose()
        elif not (same and window.from_ms == self._reached_ms):
            self._known.anew(same=same)
            self._beyond.clear()
        self._reached_ms, self._config, self._n, self._same = window.to_ms, config, n, True
        if not ruled:
            return
        if window.keep is Keep.EVERY:
            self._beyond.clear()
            self._window = self._known.judge(window, self.rules)
            self._counts = dict(self._known.standing.witness.counts)
        else:
            self._known = _Known(lost=True)
            minutes = (LimitMinutes.of(limit, window, ends) for limit in self.rules.limits)
            counts = self.rules.witness.counts if self.rules.witness else ()
            witness = WitnessMinutes.of(counts, window, ends, self._counts)
            self._window = _Minutes({of.by.name: of for of in minutes if of is not None}, witness)
            self._counts = witness.last

    def events(self, n: int, body: Events, *, follows: bool) -> None:
        """Events that were told of what has been read so far."""
        if not follows:
            self._window = None
            self._lose()
        for event in body.events:
            self._told += 1
            self._newest.append((n, event))
            self._tally.take(n, event)
            key = _Key.of(event)
            if not self._is_judged(key):
                self._reported += 1
                continue
            found = _Found.OPEN if self._window is None else self._window.check(key)
            self._found[found] += 1
            if found is _Found.UNFOUNDED:
                self._name(n, f"the event {key} does not follow from the facts")

    def result(self) -> EventsJudged | None:
        """What was found so far; None without any event. What the last window lacks may still come."""
        if not self._told and not self._missing:
            return None
        return EventsJudged(
            told=self._told,
            reported=self._reported,
            agreed=self._found[_Found.AGREED],
            still_open=self._found[_Found.OPEN],
            unfounded=self._found[_Found.UNFOUNDED],
            missing=self._missing,
            named=tuple(self._named),
            kinds=self._tally.kinds,
            raised=self._tally.raised,
            newest=tuple(self._newest),
        )

    def _is_judged(self, key: _Key) -> bool:
        has_clock = self.rules.witness is not None and bool(self.rules.witness.clock)
        return key.event in JUDGED or (key.event is EventKind.CLOCK and key.subject == CLOCK and has_clock)

    def _lose(self) -> None:
        self._known = _Known(lost=True)
        self._beyond.clear()
        self._counts = {}

    def _close(self) -> None:
        """All events of the window have come: what is lacking was not told."""
        match self._window:
            case _Exact() as exact:
                self._lack(map(str, exact.lacking()))
            case _Minutes(limits=limits, witness=witness):
                self._lack(f"WITNESS NOTED {point} from {from_ms} on" for point, from_ms, _ in witness.untold)
                for name, minutes in limits.items():
                    self._beyond[name], is_due = minutes.due(self._beyond.get(name))
                    if is_due and not (self._tally.is_raised(EventKind.LIMIT, name) or self._tally.is_full):
                        self._lack([f"LIMIT RAISED {name}"])

    def _lack(self, events: Iterable[str]) -> None:
        for event in events:
            self._missing += 1
            self._name(self._n, f"the event {event} follows from the facts, and was not told")

    def _name(self, n: int, what: str) -> None:
        if len(self._named) < NAMED_LIMIT:
            self._named.append((n, what))
