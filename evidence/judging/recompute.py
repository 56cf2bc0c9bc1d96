"""What a stream's facts add up to: hours, energy and counts, worked out again from its signed statements.

Pure. A stream's bodies go in, in the order of its chain; totals come out (DESIGN.md section 5). Nothing of a body is
kept, so a year needs no more memory than a minute, beyond one row a day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from evidence.bodies import Acceptance, Configuration, Crossings, Events, Gap, Picture, Readings, Stock
from evidence.errors import MalformedError
from evidence.judging.columns import row_ends
from evidence.judging.cycles import CycleCounter, Cycles, pulses_of
from evidence.judging.energy import Counter, Energy, counters_of, power_of
from evidence.judging.events_again import EventsJudged, RejudgeEvents
from evidence.judging.gates import Counted, Gate
from evidence.judging.hours import HoursBetween
from evidence.judging.judge import Fusion, IntervalMax, Pulses, Rule, RunState, Threshold
from evidence.judging.minutes import minutes_by_mean
from evidence.judging.rejudge import Rejudge
from evidence.judging.stream_judge import Rules
from evidence.judging.verdict import Interval
from evidence.judging.zones import Stocked, Zone
from evidence.pictures_told import Album, Certified, PicturesTold

DAY_MS: Final = 86_400_000
SHANGHAI_MS: Final = 8 * 3_600_000
"""Asia/Shanghai is UTC + 8 h the whole year round (since 1991)."""
USUAL_POWER: Final = "active_power"
"""The point that an energy counter is laid beside, unless the rule judges by another."""
NAMED_LIMIT: Final = 50
"""Contradictions, mismatches and the like that are named one by one, at most; all are counted."""
COUNTERS_LIMIT: Final = 64
"""Energy counters of one stream that are followed, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """What judging everything again said, in milliseconds."""

    agree_ms: int
    disagree_ms: int
    open_ms: int
    """Not judged again: no rule known, no such point, not settled after missing statements, or not told by minutes."""
    disagreements: tuple[tuple[int, Interval], ...]
    """(n, where) of the first of them."""
    mean_running_ms: int | None
    """Running time estimated from the minutes' means; None where no minutes are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """Everything that one stream's facts add up to."""

    hours: HoursBetween | None
    """None for a stream in which nothing is judged."""
    days: tuple[tuple[int, HoursBetween], ...]
    """(Shanghai midnight in UTC ms, that day's part of `hours`), rising."""
    rejudged: Rejudged | None
    energy: tuple[Energy, ...]
    cycles: tuple[Cycles, ...]
    events: EventsJudged | None
    """None where no event was told, and none was lacking."""
    counted: Counted | None
    """None where no gate is."""
    stocked: Stocked | None
    """None where no zone is."""
    pictures: PicturesTold | None
    certificates: Certified | None
    """None where there is none."""
    windows: int
    rows: int
    asked: int
    answered: int
    overlap_ms: int
    """Time that two windows of one history both speak of; counted once."""
    overlapped_n: int
    """The first statement that does so."""
    unobserved_ms: int
    """Time between windows that adjoin in the chain, of which no statement speaks."""
    gaps: int
    gap_ms: int
    """GAP statements, and the time they admit."""
    gaps_named: tuple[tuple[int, Gap], ...]
    """(n, the gap) of the first of them."""


@dataclass(slots=True)
class Recount:
    """One stream, added up statement by statement in the order of its chain."""

    _rejudge: Rejudge = field(default_factory=Rejudge)
    _events: RejudgeEvents = field(default_factory=RejudgeEvents)
    _rule: Rule | None = None
    _ruled: bool = False
    """Whether the settings in force make sense."""
    _pulses: tuple[Pulses, ...] = ()
    _power: str = USUAL_POWER
    _interrupted: bool = False
    """Statements are missing since the last window …"""
    _between: bool = False
    """… and before one that says nothing of how judging goes on."""
    _settings: dict[str, Any] = field(default_factory=dict)
    _config: bytes = b""
    _from_ms: int | None = None
    _to_ms: int = 0
    _states: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    _days: dict[int, list[int]] = field(default_factory=dict)
    _judged: bool = False
    _agree_ms: int = 0
    _open_ms: int = 0
    _disagree_ms: int = 0
    _disagreements: list[tuple[int, Interval]] = field(default_factory=list)
    _mean_running_ms: int | None = None
    _counters: dict[str, Counter] = field(default_factory=dict)
    _cycles: dict[str, CycleCounter] = field(default_factory=dict)
    _gate: Gate | None = None
    _zone: Zone = field(default_factory=Zone)
    _album: Album = field(default_factory=Album)
    _whole: bool = True
    """Nothing is missing since the stream's first statement."""
    _unbacked: bytes | None = None
    """The settings whose claim of absolute counts was found without a certificate."""
    _windows: int = 0
    _rows: int = 0
    _asked: int = 0
    _answered: int = 0
    _overlap_ms: int = 0
    _overlapped_n: int = 0
    _unobserved_ms: int = 0
    _gaps: int = 0
    _gap_ms: int = 0
    _gaps_named: list[tuple[int, Gap]] = field(default_factory=list)

    def configure(self, body: Configuration, config: bytes, *, follows: bool = True) -> str | None:
        """A new rule is in force; says what is wrong with it, if it is none."""
        self._settings, self._config = body.settings, config
        self._broken_off(follows=follows)
        for counter in self._counters.values():
            counter.configure(self._settings, _point_settings(self._settings, counter.point))
        try:
            rules, wrong = Rules.from_settings(body.settings), None
        except MalformedError as malformed:
            rules, wrong = Rules(), str(malformed)
        self._rule, self._ruled = rules.run_state, wrong is None
        self._pulses, self._power = tuple(pulses_of(rules.run_state)), _power_point(rules.run_state)
        self._events.configure(rules)
        return wrong

    def readings(self, n: int, body: Readings, *, config: bytes, follows: bool) -> None:
        """The next window of a machine or meter; `follows` says that statement n - 1 is here."""
        self._open(n, body.from_ms, body.to_ms, follows=follows)
        rows = len(body.times_ms)
        self._rows += rows
        self._asked += sum(body.asked) if body.asked else rows
        self._answered += sum(body.answered) if body.answered else rows - len({row for row, _, _ in body.failures})
        ruled = self._ruled and config == self._config
        rule = self._rule if ruled else None
        ends = row_ends(body)
        if rule is not None or body.spans:
            self._judge(n, body, ends, rule, config=config, follows=follows and not self._between)
        follows = follows and not self._interrupted
        self._events.readings(n, body, ends, config=config, follows=follows, ruled=ruled)
        self._interrupted = self._between = False
        self._count_energy(body, ends)
        for by in self._pulses if ruled else ():
            self._count_cycles(body, ends, by)
        self._to_ms = max(self._to_ms, body.to_ms)

    def events(self, n: int, body: Events, *, follows: bool) -> None:
        """What was told of the window before, or of the device."""
        self._between |= not follows
        self._broken_off(follows=follows)
        self._events.events(n, body, follows=follows)

    def crossings(self, n: int, body: Crossings, *, follows: bool) -> None:
        """The next window of a gate."""
        follows = follows and not self._interrupted
        self._interrupted = False
        self._open(n, body.from_ms, body.to_ms, follows=follows)
        if self._gate is None:
            self._gate = Gate()
        self._gate.take(n, body, follows=follows)
        self._to_ms = max(self._to_ms, body.to_ms)

    def stock(self, n: int, body: Stock, *, follows: bool) -> None:
        """The next window of a zone."""
        self._broken_off(follows=follows)
        follows = follows and not self._interrupted
        self._interrupted = False
        if not follows:
            self._zone.break_off()
        self._open(n, body.from_ms, body.to_ms, follows=follows)
        self._zone.take(n, body, counted_to_ms=self._to_ms)
        if self._whole and self._claims_absolute() and not self._album.has_passed and self._unbacked != self._config:
            self._unbacked = self._config
            self._zone.contradict(n, "it claims absolute counts, and no certificate was ever passed")
        self._to_ms = max(self._to_ms, body.to_ms)

    def picture(self, n: int, body: Picture, *, follows: bool) -> None:
        """A picture of a gate or zone."""
        self._broken_off(follows=follows)
        self._album.picture(n, body)

    def certificate(self, n: int, body: Acceptance, *, follows: bool) -> None:
        """A certificate of a gate or zone."""
        self._broken_off(follows=follows)
        self._album.certificate(n, body)

    def gap(self, n: int, body: Gap, *, follows: bool = True) -> None:
        """The box says that something was not recorded."""
        self._broken_off(follows=follows)
        self._zone.break_off()
        self._gaps += 1
        self._gap_ms += body.to_ms - body.from_ms
        if len(self._gaps_named) < NAMED_LIMIT:
            self._gaps_named.append((n, body))

    def result(self) -> Recomputed:
        """What has been added up so far."""
        from_ms = self._from_ms or 0
        return Recomputed(
            hours=_hours(from_ms, self._to_ms, self._states) if self._judged else None,
            days=tuple(self._by_day(from_ms)) if self._judged else (),
            rejudged=Rejudged(
                agree_ms=self._agree_ms,
                disagree_ms=self._disagree_ms,
                open_ms=self._open_ms,
                disagreements=tuple(self._disagreements),
                mean_running_ms=self._mean_running_ms,
            )
            if self._judged
            else None,
            energy=tuple(counter.result() for counter in self._counters.values()),
            cycles=tuple(counter.result() for counter in self._cycles.values()),
            events=self._events.result(),
            counted=self._gate.result() if self._gate else None,
            stocked=self._zone.result(absolute=self._claims_absolute()),
            pictures=self._album.pictures(),
            certificates=self._album.certified(),
            windows=self._windows,
            rows=self._rows,
            asked=self._asked,
            answered=self._answered,
            overlap_ms=self._overlap_ms,
            overlapped_n=self._overlapped_n,
            unobserved_ms=self._unobserved_ms,
            gaps=self._gaps,
            gap_ms=self._gap_ms,
            gaps_named=tuple(self._gaps_named),
        )

    def _claims_absolute(self) -> bool | None:
        claim = self._settings.get("absolute")
        return claim == 1 if type(claim) is int else None

    def _broken_off(self, *, follows: bool) -> None:
        """Whether statements are missing before this one."""
        self._interrupted |= not follows
        self._whole &= follows

    def _open(self, n: int, from_ms: int, to_ms: int, *, follows: bool) -> None:
        self._windows += 1
        if self._from_ms is None:
            self._from_ms = self._to_ms = from_ms
        if follows:
            self._unobserved_ms += max(0, from_ms - self._to_ms)
            overlap_ms = max(0, min(self._to_ms, to_ms) - from_ms)
            if overlap_ms and not self._overlap_ms:
                self._overlapped_n = n
            self._overlap_ms += overlap_ms

    def _judge(
        self, n: int, body: Readings, ends: list[int], rule: Rule | None, *, config: bytes, follows: bool
    ) -> None:
        self._judged = True
        verdict = self._rejudge.take(body, ends, rule, config=config, follows=follows)
        self._agree_ms += verdict.agree_ms
        self._open_ms += verdict.open_ms
        self._disagree_ms += verdict.disagree_ms
        if verdict.disagree:
            room = NAMED_LIMIT - len(self._disagreements)
            self._disagreements.extend((n, interval) for interval in verdict.disagree[:room])
        if isinstance(rule, Threshold) and body.asked:
            self._mean_running_ms = (self._mean_running_ms or 0) + minutes_by_mean(body, rule)
        for i, (at_ms, state) in enumerate(body.spans):
            end_ms = body.spans[i + 1][0] if i + 1 < len(body.spans) else body.to_ms
            if state and end_ms > self._to_ms:
                self._add(max(at_ms, self._to_ms), end_ms, state)

    def _add(self, from_ms: int, to_ms: int, state: RunState) -> None:
        self._states[state] += to_ms - from_ms
        while from_ms < to_ms:
            day = (from_ms + SHANGHAI_MS) // DAY_MS
            end_ms = min(to_ms, (day + 1) * DAY_MS - SHANGHAI_MS)
            self._days.setdefault(day, [0, 0, 0, 0])[state] += end_ms - from_ms
            from_ms = end_ms

    def _by_day(self, from_ms: int) -> Iterable[tuple[int, HoursBetween]]:
        for day, states in sorted(self._days.items()):
            midnight_ms = day * DAY_MS - SHANGHAI_MS
            yield midnight_ms, _hours(max(from_ms, midnight_ms), min(self._to_ms, midnight_ms + DAY_MS), states)

    def _count_energy(self, body: Readings, ends: list[int]) -> None:
        columns = counters_of(body)
        for column in columns:
            counter = self._counters.get(column.point)
            if counter is None:
                if len(self._counters) >= COUNTERS_LIMIT:
                    return
                counter = self._counters[column.point] = Counter(point=column.point)
                counter.configure(self._settings, _point_settings(self._settings, column.point))
            # Only the first counter is laid beside the power: the others count a phase, or what was fed back.
            power = power_of(body, self._power) if column is columns[0] else None
            counter.take(body, ends, column, power)

    def _count_cycles(self, body: Readings, ends: list[int], by: Pulses) -> None:
        counter = self._cycles.setdefault(by.point, CycleCounter(by))
        counter.by = by
        counter.take(body, ends)


def _hours(from_ms: int, to_ms: int, states: list[int]) -> HoursBetween:
    """Time that no statement speaks of is unknown."""
    running_ms, idle_ms, stopped_ms = (states[state] for state in (RunState.RUNNING, RunState.IDLE, RunState.STOPPED))
    return HoursBetween(
        from_ms=from_ms,
        to_ms=to_ms,
        running_ms=running_ms,
        idle_ms=idle_ms,
        stopped_ms=stopped_ms,
        unknown_ms=to_ms - from_ms - running_ms - idle_ms - stopped_ms,
    )


def _power_point(rule: Rule | None) -> str:
    """The power that the rule judges by, or else the usual one."""
    rules = (rule.first, rule.second) if isinstance(rule, Fusion) else (rule,)
    by_power = (rule.point for rule in rules if isinstance(rule, Threshold | IntervalMax))
    return next(by_power, USUAL_POWER)


def _point_settings(settings: Mapping[str, Any], point: str) -> dict[str, object]:
    points = settings.get("points")
    if isinstance(points, list):
        for one in points:
            if isinstance(one, dict) and one.get("name") == point:
                return one
    return {}
