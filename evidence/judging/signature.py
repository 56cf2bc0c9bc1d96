"""How a machine draws its power: recorded when it is commissioned, and watched for a change ever after. Pure.

A clamp moved to another cable, a machine swapped for a fan: the state still says RUNNING, but the power is another.
The signature is what running looks like in blocks: the mean power of `block_ms` of running (the first `inrush_ms` of
each run left out), its median over the blocks and how far they spread; and what a start looks like: the greatest power
of its first `inrush_ms` beside that median.

Watching is a two-sided CUSUM (Page 1954) on each block's mean, and another on each start's peak:

1. How far the block lies from the signature, in thousandths of the spread (which counts as at least a hundredth of the
   median), cut at 4 spreads: one strange block alone says nothing.
2. Each side adds what lies beyond SLACK; beyond ALARM the change is raised.
3. It is cleared when CALM blocks in a row lie within 2 spreads.

Integers throughout, and a dozen and a half of them to remember. Measured on simulated blocks, and measured again by
tests/evidence/test_signature.py: with a signature learned from 48 blocks, independent blocks gave no false alarm in
200,000; blocks that resemble the one before (correlation 0.5, 0.7, 0.9) gave 2, 42 and 420 in as many, so a block
should be longer than a batch of work. A lasting change of 3 spreads is raised after 6 blocks (19 of 20 times within 9),
one of 5 spreads after 4.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, Final, NamedTuple

from evidence.bodies import Phase
from evidence.errors import MalformedError
from evidence.judging.judge import Judged, Read, RunState
from evidence.judging.strategies.judged import DAY_MS

SLACK: Final = 1_500
ALARM: Final = 8_000
CUT: Final = 4_000
"""Thousandths of a spread."""
CALM: Final = 4
CALM_WITHIN: Final = 2_000
BLOCKS_NEEDED: Final = 48
"""A signature is learned from so many blocks of running at least …"""
STARTS_NEEDED: Final = 3
"""… and its inrush from so many starts."""
BLOCKS_LIMIT: Final = 20_000
"""Blocks and starts that learning looks at, at most."""
POWER_LIMIT: Final = 1 << 36
"""mW (68 MW): no machine draws more, and a day of it still fits where judging is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How a machine runs; milliwatts and milliseconds."""

    point: str
    running_mw: int
    """The median of the blocks' mean power …"""
    spread_mw: int
    """… and 1.4826 times the median distance from it, which for normal blocks is a standard deviation."""
    idle_mw: int | None
    """The median power while idle; for a person."""
    wh_per_hour: int
    """Energy in an hour of running; for a person."""
    block_ms: int
    inrush_ms: int
    inrush_mw: int | None
    """The median of the starts' peaks; None when there were too few."""
    inrush_spread_mw: int | None
    hold_ms: int
    """An answer speaks for so long at most."""

    def __post_init__(self) -> None:
        if not 0 < self.running_mw < POWER_LIMIT or not 0 <= self.spread_mw < POWER_LIMIT:
            raise MalformedError("a signature's power must be above 0, and its spread at least 0")
        if not (0 < self.block_ms <= DAY_MS and 0 <= self.inrush_ms <= DAY_MS and 0 < self.hold_ms <= DAY_MS):
            raise MalformedError("a signature's block and hold must be above 0, its inrush at least 0, at most a day")
        if (self.inrush_mw is None) is not (self.inrush_spread_mw is None):
            raise MalformedError("an inrush and its spread go together")

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "Signature | None":
        """The signature in a stream's signed settings. Raises MalformedError when it is none."""
        found = settings.get("signature")
        if found is None:
            return None
        match found:
            case {
                "point": str(point),
                "running_mw": int(running),
                "spread_mw": int(spread),
                "idle_mw": int() | None as idle,
                "wh_per_hour": int(wh_per_hour),
                "block_ms": int(block),
                "inrush_ms": int(inrush_ms),
                "inrush_mw": int() | None as inrush,
                "inrush_spread_mw": int() | None as inrush_spread,
                "hold_ms": int(hold),
            }:
                return cls(
                    point=point,
                    running_mw=running,
                    spread_mw=spread,
                    idle_mw=idle,
                    wh_per_hour=wh_per_hour,
                    block_ms=block,
                    inrush_ms=inrush_ms,
                    inrush_mw=inrush,
                    inrush_spread_mw=inrush_spread,
                    hold_ms=hold,
                )
        raise MalformedError("the signature is none")

    def settings(self) -> dict[str, Any]:
        """The opposite of from_settings, without the key `signature`."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def read(self) -> Read:
        """The power, in milliwatts."""
        return Read(self.point, milli=True)


class Run(NamedTuple):
    """What is remembered of the run that goes on, and of the block it is in."""

    rested: int = 0
    """Whether the machine was seen at rest, so that the next run is seen to start."""
    began_ms: int = -1
    """When the run began; -1: there is none."""
    heard_ms: int = -1
    """The last answer, where it counts; else -1."""
    power_mw: int = 0
    """What it said."""
    peak_mw: int = 0
    """The greatest of the start; 0 when that is over, or was not seen."""
    ran_ms: int = 0
    """Running time in the block so far …"""
    energy: int = 0
    """… and its energy, in mW x ms."""


class Seen(NamedTuple):
    """What an answer completed."""

    block_mw: int | None = None
    """The mean power of a block."""
    start_mw: int | None = None
    """The peak of a start."""


_NOTHING: Final = Seen()


def follow(
    before: Run, at_ms: int, power_mw: int | None, judged: Judged, *, block_ms: int, inrush_ms: int, hold_ms: int
) -> tuple[Run, Seen]:
    """Take in an answer and where it led judging. Each answer's power counts until the next one.

    A run begins with the first answer that speaks for RUNNING, even if the state follows a dwell later; an answer that
    does not, inside a run, does not count.
    """
    works = judged.wanted is RunState.RUNNING
    if not works and judged.state is not RunState.RUNNING:
        rested = int(judged.state is not RunState.UNKNOWN)
        return Run(rested=rested, ran_ms=before.ran_ms, energy=before.energy), _NOTHING
    if power_mw is None:
        return before, _NOTHING
    power_mw = min(abs(power_mw), POWER_LIMIT)
    if before.began_ms < 0:
        peak_mw = power_mw if before.rested else 0
        return before._replace(began_ms=at_ms, heard_ms=at_ms, power_mw=power_mw, peak_mw=peak_mw), _NOTHING
    start_mw, peak_mw, ran_ms, energy, block_mw = None, before.peak_mw, before.ran_ms, before.energy, None
    if at_ms - before.began_ms < inrush_ms:
        peak_mw = max(peak_mw, power_mw) if peak_mw else 0
    else:
        start_mw, peak_mw = before.peak_mw or None, 0
        if before.heard_ms - before.began_ms >= inrush_ms:
            lasted_ms = min(at_ms - before.heard_ms, hold_ms)
            ran_ms, energy = ran_ms + lasted_ms, energy + before.power_mw * lasted_ms
            if ran_ms >= block_ms:
                block_mw, ran_ms, energy = energy // ran_ms, 0, 0
    heard_ms = at_ms if works else -1
    return Run(before.rested, before.began_ms, heard_ms, power_mw, peak_mw, ran_ms, energy), Seen(block_mw, start_mw)


class Drift(NamedTuple):
    """One CUSUM: four integers."""

    above: int = 0
    below: int = 0
    raised: int = 0
    calm: int = 0
    """So many in a row lay near since it was raised."""


def drifted(before: Drift, value_mw: int, *, usual_mw: int, spread_mw: int) -> tuple[Drift, Phase | None]:
    """Take in one block or start; RAISED or CLEARED when it changed that."""
    far = (value_mw - usual_mw) * 1000 // max(spread_mw, usual_mw // 100, 1)
    cut = max(-CUT, min(CUT, far))
    if before.raised:
        calm = before.calm + 1 if abs(cut) <= CALM_WITHIN else 0
        return (Drift(), Phase.CLEARED) if calm >= CALM else (Drift(raised=1, calm=calm), None)
    above, below = max(0, before.above + cut - SLACK), max(0, before.below - cut - SLACK)
    if max(above, below) > ALARM:
        return Drift(raised=1), Phase.RAISED
    return Drift(above, below), None


class SignatureState(NamedTuple):
    """Where watching a signature stands."""

    run: Run = Run()
    power: Drift = Drift()
    inrush: Drift = Drift()

    def anew(self) -> "SignatureState":
        """After a gap: the run is not known; what was gathered and raised stays."""
        return self._replace(run=Run(ran_ms=self.run.ran_ms, energy=self.run.energy))

    def to_value(self) -> list[list[int]]:
        """Integers."""
        return [list(self.run), list(self.power), list(self.inrush)]

    @classmethod
    def from_value(cls, value: object) -> "SignatureState":
        """The opposite. Raises MalformedError."""
        match value:
            case [list(run), list(power), list(inrush)]:
                lengths = len(run), len(power), len(inrush)
                fields = len(Run._fields), len(Drift._fields), len(Drift._fields)
                if lengths == fields and all(type(n) is int for n in (*run, *power, *inrush)):
                    return cls(Run(*run), Drift(*power), Drift(*inrush))
        raise MalformedError("where watching a signature stood cannot be read")


UNSIGNED: Final = SignatureState()


class Change(NamedTuple):
    """Something that is no longer as it was, or is again."""

    phase: Phase
    what: str
    """`running power` or `inrush`."""
    value_mw: int
    usual_mw: int


def watch(
    before: SignatureState, at_ms: int, power_mw: int | None, judged: Judged, by: Signature
) -> tuple[SignatureState, list[Change]]:
    """Take in an answer and where it led judging; what changed against the signature."""
    run, seen = follow(
        before.run, at_ms, power_mw, judged, block_ms=by.block_ms, inrush_ms=by.inrush_ms, hold_ms=by.hold_ms
    )
    if seen is _NOTHING:
        return SignatureState(run, before.power, before.inrush), []
    power, inrush, changes = before.power, before.inrush, []
    if seen.block_mw is not None:
        power, phase = drifted(power, seen.block_mw, usual_mw=by.running_mw, spread_mw=by.spread_mw)
        if phase is not None:
            changes.append(Change(phase, "running power", seen.block_mw, by.running_mw))
    if seen.start_mw is not None and by.inrush_mw is not None:
        inrush, phase = drifted(inrush, seen.start_mw, usual_mw=by.inrush_mw, spread_mw=by.inrush_spread_mw or 0)
        if phase is not None:
            changes.append(Change(phase, "inrush", seen.start_mw, by.inrush_mw))
    return SignatureState(run, power, inrush), changes


def learn(
    answers: Iterable[tuple[int, int | None, Judged]],
    *,
    point: str,
    hold_ms: int,
    block_ms: int = 1_800_000,
    inrush_ms: int = 10_000,
) -> Signature | None:
    """The signature of a machine's first days: (UTC ms, mW, where it led judging) in order of time.

    None when it ran for less than BLOCKS_NEEDED blocks.
    """
    run, blocks, starts, idle = Run(), list[int](), list[int](), list[int]()
    for at_ms, power_mw, judged in answers:
        run, seen = follow(run, at_ms, power_mw, judged, block_ms=block_ms, inrush_ms=inrush_ms, hold_ms=hold_ms)
        if seen.block_mw is not None and len(blocks) < BLOCKS_LIMIT:
            blocks.append(seen.block_mw)
        if seen.start_mw is not None and len(starts) < BLOCKS_LIMIT:
            starts.append(seen.start_mw)
        if judged.state is RunState.IDLE and power_mw is not None and len(idle) < BLOCKS_LIMIT:
            idle.append(abs(power_mw))
    if len(blocks) < BLOCKS_NEEDED:
        return None
    has_inrush = len(starts) >= STARTS_NEEDED
    return Signature(
        point=point,
        running_mw=median_low(blocks),
        spread_mw=_spread(blocks),
        idle_mw=median_low(idle) if idle else None,
        wh_per_hour=sum(blocks) // len(blocks) // 1000,
        block_ms=block_ms,
        inrush_ms=inrush_ms,
        inrush_mw=median_low(starts) if has_inrush else None,
        inrush_spread_mw=_spread(starts) if has_inrush else None,
        hold_ms=hold_ms,
    )


def _spread(values: Sequence[int]) -> int:
    middle = median_low(values)
    return median_low([abs(value - middle) for value in values]) * 14826 // 10000
