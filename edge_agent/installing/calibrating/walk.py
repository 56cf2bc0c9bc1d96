"""Walking a machine through what it can do: the installer is told what to do, and watches the power while he does it.

At a terminal each state begins when Enter is pressed and lasts its seconds. Where nobody can be asked the states follow
each other at once, and of each the first tenth, at most SETTLE_MS, is left out: the machine is being switched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from edge_agent.config.points import Point
from edge_agent.installing.bench import Bench, Told, power_mw, why
from edge_agent.installing.calibrating.drawing import sparkline
from edge_agent.installing.calibrating.levels import level_of
from edge_agent.installing.calibrating.proposal import STATES
from edge_agent.installing.calibrating.rhythm import Sample
from edge_agent.installing.screen import Screen
from edge_agent.installing.wording import CHINESE, duration, name_of, percent, watts
from evidence.bodies import Failure
from evidence.judging.judge import RunState

SETTLE_MS: Final = 10_000
SAMPLES_LIMIT: Final = 1_000_000
"""Readings of one calibration: eleven days at one a second."""
MANY: Final = 20
"""More lost askings than one in so many are told."""
SHOWN: Final = 24
"""Readings of the little curve."""
SKIP: Final = "skip"

Walked = dict[RunState, list[Sample]]
Seconds = Mapping[RunState, float]
"""How long each state of a walk lasts; one that is left out, or lasts 0 s, is not walked."""

_ASKED_FOR: Final = {
    RunState.STOPPED: "Switch it OFF as after work",
    RunState.IDLE: "Let it IDLE: switched on, and not working",
    RunState.RUNNING: "Let it WORK as it does every day",
}
_THEN: Final = {
    RunState.STOPPED: "Enter when it is off",
    RunState.IDLE: "Enter when it idles, or type skip if it never does",
    RunState.RUNNING: "Enter when it works",
}


class NoReadingError(Exception):
    """The device gave nothing to go by; the message says why and what to do."""


class Walker:
    """One machine on the bench, and a person in front of it."""

    def __init__(self, bench: Bench, point: Point, screen: Screen, keep: Callable[[Told], None]) -> None:
        """The bench has this one machine; `keep` gets every asking."""
        self._bench, self._point, self._screen, self._keep = bench, point, screen, keep

    def walk(self, seconds: Seconds) -> Walked:
        """The readings of each state. KeyboardInterrupt when the installer ends it."""
        states = [state for state in STATES if seconds.get(state)]
        walked: Walked = {}
        for number, state in enumerate(states, 1):
            length_ms = round(1000 * seconds[state])
            if self._screen.has_person:
                self._screen.say(f"{number}/{len(states)}  {_ASKED_FOR[state]} ({CHINESE[state]}).")
                if not self._wait_for_enter(state):
                    continue
            else:
                self._screen.say(f"{number}/{len(states)}  {name_of(state)}, {duration(length_ms)}")
            walked[state] = self._measure(state, length_ms)
        return walked

    def live(self, hours: float) -> list[Sample]:
        """Readings of so many hours, or fewer when the installer ends it with Ctrl-C or Enter."""
        samples: list[Sample] = []
        length_ms = round(hours * 3_600_000)
        begun_ms = self._bench.now_ms
        try:
            while len(samples) < SAMPLES_LIMIT and self._bench.now_ms - begun_ms < length_ms:
                told = self._ask(samples)
                lasted = duration(told.reading.steady_ms - begun_ms)
                self._screen.refresh(f"{lasted} of {duration(length_ms)}  {self._shown(told, samples)}")
                if self._screen.typed(self._bench.left_s()) is not None:
                    break
        except KeyboardInterrupt:
            self._screen.say("ended; what was read so far is used")
        return samples

    def _wait_for_enter(self, state: RunState) -> bool:
        """Show the power until Enter is pressed; False when this state is to be left out."""
        seen: list[Sample] = []
        while True:
            told = self._ask(seen)
            self._screen.refresh(f"     {self._shown(told, seen)}   {_THEN[state]}")
            typed = self._screen.typed(self._bench.left_s())
            if typed is not None:
                return not (typed.lower() == SKIP and state is RunState.IDLE)
            del seen[:-SHOWN]

    def _measure(self, state: RunState, length_ms: int) -> list[Sample]:
        samples: list[Sample] = []
        asked, begun_ms, failure = 0, self._bench.now_ms, Failure.SILENT
        while (left_ms := begun_ms + length_ms - self._bench.now_ms) > 0 and len(samples) < SAMPLES_LIMIT:
            told = self._ask(samples)
            asked += 1
            failure = told.reading.failure or failure
            self._screen.refresh(
                f"     {name_of(state)}  {-(-left_ms // 1000):>4} s left   {self._shown(told, samples)}"
            )
            self._screen.wait(min(self._bench.left_s(), left_ms / 1000))
        if not samples:
            raise NoReadingError(
                f"{name_of(state)}: not one value in {asked} askings: {failure.name}, {why(failure)};"
                " `edge-agent check` says what to look at"
            )
        missing = asked - len(samples)
        if not self._screen.has_person:
            samples = settled(samples, length_ms)
        lost = f", {percent(1000 * missing // asked)} of the askings gave none" if missing * MANY > asked else ""
        self._screen.say(f"     {_summary(state, samples)}{lost}")
        return samples

    def _ask(self, samples: list[Sample]) -> Told:
        told = self._bench.round()[0]
        self._keep(told)
        power = power_mw(told, self._point)
        if power is not None:
            samples.append(Sample(told.reading.steady_ms, power))
        return told

    def _shown(self, told: Told, samples: Sequence[Sample]) -> str:
        power = power_mw(told, self._point)
        if power is None:
            failure = told.reading.failure
            return f"{'no value':>9}  {'' if failure is None else why(failure)}"
        return f"{watts(power):>9}  {sparkline(sample.power_mw for sample in samples[-SHOWN:])}"


def parted(samples: Sequence[Sample], seconds: Seconds) -> Walked:
    """A recording as a walk: its states follow each other from its beginning."""
    walked: Walked = {}
    from_ms = samples[0].at_ms if samples else 0
    for state in STATES:
        if seconds.get(state):
            to_ms = from_ms + round(1000 * seconds[state])
            stretch = [sample for sample in samples if from_ms <= sample.at_ms < to_ms]
            walked[state] = settled(stretch, to_ms - from_ms)
            from_ms = to_ms
    return walked


def settled(samples: Iterable[Sample], length_ms: int) -> list[Sample]:
    """Without the beginning, in which the machine was being switched."""
    samples = list(samples)
    if not samples:
        return samples
    after_ms = samples[0].at_ms + min(SETTLE_MS, length_ms // 10)
    return [sample for sample in samples if sample.at_ms >= after_ms]


def _summary(state: RunState, samples: Sequence[Sample]) -> str:
    level = level_of((sample.power_mw for sample in samples), faint=0)
    span = f"{watts(level.least_mw)} to {watts(level.greatest_mw)}"
    return f"{name_of(state)}: {watts(level.median_mw)} ({span}), {len(samples)} readings"
