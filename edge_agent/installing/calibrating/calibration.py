"""Calibrating one machine: where its readings come from, what is proposed from them, and how it runs.

1. A walk is told: somebody says what the machine does, at a terminal, or by seconds that follow each other.
2. What is learned is not: from the device, from what the box has kept, or from a file.
3. The signature of its running (evidence/judging/signature.py) is learned with it, where there are hours enough.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from edge_agent.clock import Clock
from edge_agent.config.load import Config
from edge_agent.config.points import Point
from edge_agent.config.schema import closest
from edge_agent.config.sections import Machine
from edge_agent.installing.bench import Bench, Told
from edge_agent.installing.calibrating.advice import Asked, Refusal
from edge_agent.installing.calibrating.history import History, from_file, from_spool
from edge_agent.installing.calibrating.proposal import Proposal, from_walk, learn
from edge_agent.installing.calibrating.rhythm import Sample
from edge_agent.installing.calibrating.running_signature import signature_of
from edge_agent.installing.calibrating.walk import Walked, Walker, parted
from edge_agent.installing.recorder import Recorder
from edge_agent.installing.screen import Screen
from edge_agent.installing.wording import duration, name_of
from evidence.judging.judge import Fusion, IntervalMax, RunState, Threshold
from evidence.judging.signature import Signature

SUZHOU: Final = timezone(timedelta(hours=8))
HOUR_MS: Final = 3_600_000

_Read = TypeVar("_Read")


class UnusableError(Exception):
    """The user's own mistake; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asked for."""

    seconds: Mapping[RunState, float]
    """Of a walk; empty when it is none."""
    point: str | None = None
    hours: float | None = None
    """To learn from; None: a walk, or a whole file."""
    file: Path | None = None
    record: Path | None = None
    is_live: bool = False
    signature_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What came of it."""

    found: Proposal | Refusal | None
    """None where only the signature was wanted."""
    signature: Signature | None
    about: str
    """From what, in words."""


def calibrate(config: Config, machine: Machine, wanted: Wanted, screen: Screen, clock: Clock) -> Calibration:
    """Read, and propose. Raises UnusableError, NoHistoryError, NoReadingError, RecorderError, OSError."""
    job = _Job(config, machine, power_point(machine, wanted.point), wanted, screen, clock)
    rule = power_rule(machine)
    hold_ms = 2 * machine.period_ms if rule is None else rule.hold_ms
    asked = Asked(point=job.point.name, period_ms=machine.period_ms, hold_ms=hold_ms)
    day = datetime.fromtimestamp(clock.utc_ms() / 1000, SUZHOU).date().isoformat()
    if wanted.seconds:
        walked = job.walked()
        told = ", ".join(f"{name_of(state)} {duration(_length_ms(samples))}" for state, samples in walked.items())
        return Calibration(found=from_walk(walked, asked), signature=None, about=f"walked on {day}, {told}")
    history = job.history()
    found = None if wanted.signature_only else learn(history.samples, asked)
    by = rule if found is None else found.rule if isinstance(found, Proposal) else None
    signature = None
    if by is not None:
        signature = signature_of(history.samples, history.means, by, point=job.point.name, hold_ms=hold_ms)
    about = f"{len(history.means)} readings in {duration(history.lasted_ms)}, until {day}"
    return Calibration(found=found, signature=signature, about=about)


def power_rule(machine: Machine) -> Threshold | IntervalMax | None:
    """The rule in force that judges by power, be it one of two; None when there is none."""
    rule = machine.run_state
    both = (rule.first, rule.second) if isinstance(rule, Fusion) else (rule,)
    return next((each for each in both if isinstance(each, Threshold | IntervalMax)), None)


def power_point(machine: Machine, wanted: str | None) -> Point:
    """The point to judge by: the wanted one, or the one in force, or `active_power`. Raises UnusableError."""
    rule = power_rule(machine)
    name = wanted or (rule.point if rule else "active_power")
    powers = {point.name: point for point in (*machine.points, *machine.profile.points) if point.unit in {"W", "kW"}}
    if name not in powers:
        has = ", ".join(powers) or "none, so it cannot be judged by power"
        raise UnusableError(f"{machine.name} has no power {name}{closest(name, powers)}; powers it has: {has}.")
    return powers[name]


class _Job(NamedTuple):
    config: Config
    machine: Machine
    point: Point
    wanted: Wanted
    screen: Screen
    clock: Clock

    def walked(self) -> Walked:
        """A walk, in front of the machine or in a file."""
        seconds, file = self.wanted.seconds, self.wanted.file
        if file is None:
            return self._ask(lambda walker: walker.walk(seconds))
        return parted(from_file(file, self.config, self.machine, self.point).samples, seconds)

    def history(self) -> History:
        """Hours, from wherever they are wanted."""
        wanted, point = self.wanted, self.point
        if wanted.file is not None:
            return from_file(wanted.file, self.config, self.machine, point, hours=wanted.hours)
        hours = wanted.hours or 0.0
        if not wanted.is_live:
            since_ms = self.clock.utc_ms() - round(hours * HOUR_MS)
            return from_spool(self.config, self.machine, point, since_ms=since_ms)
        samples = self._ask(lambda walker: walker.live(hours))
        return History(box=self.config.box.id, stream=self.machine.stream, point=point, samples=samples, means=samples)

    def _ask(self, read: Callable[[Walker], _Read]) -> _Read:
        """Ask the device itself for its power, and keep what it answers where that is wanted."""
        only = replace(self.machine, points=(self.point,))
        with ExitStack() as stack:
            recorder = None
            if self.wanted.record is not None:
                about = f"{only.stream}, {only.profile.id}, read by edge-agent calibrate"
                recorder = stack.enter_context(Recorder(self.wanted.record, only.points, about=about))

            def keep(told: Told) -> None:
                if recorder is not None:
                    recorder.keep(told.reading)

            bench = stack.enter_context(Bench(only.bus, (only,), self.clock))
            return read(Walker(bench, self.point, self.screen, keep))


def _length_ms(samples: Sequence[Sample]) -> int:
    return samples[-1].at_ms - samples[0].at_ms if samples else 0
