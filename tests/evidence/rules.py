"""Every kind of rule, and answers that make it think: hypothesis strategies that several tests share."""

from hypothesis import strategies as st

from evidence.judging.judge import (
    Answer,
    Fusion,
    IntervalMax,
    PlcState,
    Pulses,
    Rule,
    RunState,
    Signal,
    Threshold,
    Wins,
)

HOLDS = st.sampled_from([900, 1500, 5000, 30_000])
SPANS = st.sampled_from([1000, 3000, 10_000, 90_000])
KNOWN = st.sampled_from([RunState.STOPPED, RunState.IDLE, RunState.RUNNING])

THRESHOLDS = st.builds(
    lambda idle, more, hysteresis, dwell, hold: Threshold(
        running_above_mw=idle + more, idle_above_mw=idle, hysteresis_mw=hysteresis % idle, dwell_ms=dwell, hold_ms=hold
    ),
    st.integers(1, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.sampled_from([0, 500, 1000, 3000, 10_000]),
    HOLDS,
)
INTERVALS = st.builds(
    lambda idle, more, interval, hold: IntervalMax(
        running_above_mw=idle + more, idle_above_mw=idle, interval_ms=interval, hold_ms=hold
    ),
    st.integers(1, 1000),
    st.integers(0, 1000),
    SPANS,
    HOLDS,
)
PLC_STATES = st.builds(
    lambda states, dwell, hold: PlcState(
        point="status",
        states=tuple((mask, value & mask, state) for mask, value, state in states),
        dwell_ms=dwell,
        hold_ms=hold,
    ),
    st.lists(st.tuples(st.integers(1, 7), st.integers(0, 7), KNOWN), min_size=1, max_size=4),
    st.sampled_from([0, 0, 1000, 5000]),
    HOLDS,
)
COUNTERS = st.builds(
    lambda longest, shortest, quiet, hold, modulus: Pulses(
        point="cycles",
        signal=Signal.COUNTER,
        longest_cycle_ms=longest,
        shortest_cycle_ms=shortest % longest,
        quiet=quiet,
        hold_ms=hold,
        modulus=modulus,
    ),
    SPANS,
    st.integers(0, 5000),
    st.sampled_from([RunState.STOPPED, RunState.IDLE]),
    HOLDS,
    st.sampled_from([0, 1 << 16]),
)
BITS = st.builds(
    lambda longest, mask, hold: Pulses(
        point="status", signal=Signal.BIT, longest_cycle_ms=longest, mask=mask, hold_ms=hold
    ),
    SPANS,
    st.integers(1, 7),
    HOLDS,
)
PEAKS = st.builds(
    lambda longest, low, more, hysteresis, hold: Pulses(
        point="pressure",
        signal=Signal.PEAKS,
        longest_cycle_ms=longest,
        low_milli=low,
        high_milli=low + more,
        hysteresis_milli=hysteresis,
        hold_ms=hold,
    ),
    SPANS,
    st.integers(100, 1000),
    st.integers(0, 800),
    st.integers(0, 90),
    HOLDS,
)
SINGLES = st.one_of(THRESHOLDS, INTERVALS, PLC_STATES, COUNTERS, BITS, PEAKS)
FUSIONS = st.builds(
    lambda first, second, wins, disagreement: Fusion(
        first=first, second=second, wins=wins, disagreement_ms=disagreement
    ),
    SINGLES,
    SINGLES,
    st.sampled_from(Wins),
    SPANS,
)
RULES = st.one_of(SINGLES, FUSIONS)

POINTS = ("active_power", "status", "cycles", "pressure")
Tick = tuple[int, tuple[int | None, ...]]
"""(ms since the one before, the value of each point as a rule reads it)."""


def _ticks(steps: list[tuple[int, int | None, int | None, int | None, int | None]]) -> list[Tick]:
    counter, ticks = 40_000, list[Tick]()
    for after_ms, power, status, more, pressure in steps:
        if more is not None:
            counter = counter + more if more >= 0 else 0
        ticks.append((after_ms, (power, status, None if more is None else counter, pressure)))
    return ticks


TICKS = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 3000), st.sampled_from([1000, 1000, 1000, 7000, 40_000])),
        st.one_of(st.none(), st.integers(-2200, 2200)),
        st.one_of(st.none(), st.integers(0, 7)),
        st.one_of(st.none(), st.sampled_from([0, 0, 0, 1, 1, 2, 30_000, -1])),
        st.one_of(st.none(), st.integers(0, 2000)),
    ),
    min_size=1,
    max_size=30,
).flatmap(
    lambda steps: st.lists(st.integers(1, 8), min_size=len(steps), max_size=len(steps)).map(
        lambda times: _ticks([step for step, n in zip(steps, times, strict=True) for step in [step] * n])
    )
)
"""Many answers are like the one before, as a machine's are."""


def answers_for(by: Rule, ticks: list[Tick], from_ms: int = 0) -> list[Answer]:
    """What this rule reads of the ticks."""
    places = [POINTS.index(read.point) for read in by.reads]
    at_ms, answers = from_ms, list[Answer]()
    for after_ms, values in ticks:
        at_ms += after_ms
        answers.append((at_ms, tuple(values[place] for place in places)))
    return answers
