"""Whatever rule a box judges by, a bank that judges again agrees with it, and finds what was altered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.keeping.window import Measured, Window
from edge_agent.reading import Reading
from evidence.bodies import Failure, Keep, Readings
from evidence.judging.columns import row_ends
from evidence.judging.judge import IntervalMax, PlcState, Pulses, Rule, RunState, Signal
from evidence.judging.rejudge import Rejudge
from evidence.judging.standing import BEGINNING
from tests.evidence.rules import RULES, TICKS, Tick

FROM_MS = 1_800_000_000_000
STREAM = "machine/press"
POINTS: list[dict[str, Any]] = [
    {"name": "active_power", "unit": "W", "decimals": 3, "kind": "gauge"},
    {"name": "status", "unit": "raw", "decimals": 0, "kind": "state"},
    {"name": "cycles", "unit": "1", "decimals": 0, "kind": "counter"},
    {"name": "pressure", "unit": "kPa", "decimals": 3, "kind": "gauge"},
]
CUTS = st.sets(st.integers(0, 120), max_size=6)


def windows_of(ticks: list[Tick], by: Rule, seal_after: set[int], keeps: list[Keep]) -> list[Readings]:
    """What a box that judges by this rule signs of these answers."""
    settings = {"period_ms": 1000, "keep": 0, "points": POINTS, **by.settings()}
    measured = Measured.from_settings(STREAM, settings)
    at_ms, bodies, carried = FROM_MS, list[Readings](), BEGINNING
    window = Window(measured=measured, from_ms=at_ms)
    for i, (after_ms, values) in enumerate(ticks):
        at_ms += after_ms
        failure = Failure.SILENT if None in values else None
        window.add(Reading(stream=STREAM, at_ms=at_ms, steady_ms=at_ms, values=values, failure=failure), at_ms)
        if i in seal_after or i == len(ticks) - 1:
            body, carried = window.seal(window.end_ms, keep=keeps[len(bodies) % len(keeps)])
            bodies.append(body)
            window = Window(measured=measured, from_ms=body.to_ms, carried=carried)
    return bodies


def judged(bodies: list[Readings], by: Rule, *, missing: frozenset[int] = frozenset()) -> tuple[int, int, int]:
    """(agree, disagree, open) ms over all that are not missing."""
    rejudge, sums = Rejudge(), [0, 0, 0]
    for i, body in enumerate(bodies):
        if i not in missing:
            verdict = rejudge.take(body, row_ends(body), by, config=b"", follows=i - 1 not in missing)
            for which, ms in enumerate((verdict.agree_ms, verdict.disagree_ms, verdict.open_ms)):
                sums[which] += ms
            assert verdict.agree_ms + verdict.disagree_ms + verdict.open_ms == body.to_ms - body.from_ms
            assert min(verdict.agree_ms, verdict.open_ms) >= 0
    return sums[0], sums[1], sums[2]


def length(bodies: list[Readings]) -> int:
    return sum(body.to_ms - body.from_ms for body in bodies)


@given(TICKS, RULES, CUTS)
def test_of_every_sample_it_is_agreed_to_the_millisecond(ticks: list[Tick], by: Rule, cuts: set[int]) -> None:
    bodies = windows_of(ticks, by, cuts, [Keep.EVERY])
    assert judged(bodies, by) == (length(bodies), 0, 0)


@given(TICKS, RULES, CUTS, st.data())
def test_of_every_sample_any_altered_span_is_found(
    ticks: list[Tick], by: Rule, cuts: set[int], data: st.DataObject
) -> None:
    bodies = windows_of(ticks, by, cuts, [Keep.EVERY])
    i = data.draw(st.integers(0, len(bodies) - 1))
    j = data.draw(st.integers(0, len(bodies[i].spans) - 1))
    spans = bodies[i].spans
    at_ms, state = spans[j]
    end_ms = spans[j + 1][0] if j + 1 < len(spans) else bodies[i].to_ms
    lie = data.draw(st.sampled_from([other for other in RunState if other is not state]))
    bodies[i] = replace(bodies[i], spans=[*spans[:j], (at_ms, lie), *spans[j + 1 :]])
    assert judged(bodies, by) == (length(bodies) - (end_ms - at_ms), end_ms - at_ms, 0)


@given(TICKS, RULES, CUTS, st.lists(st.sampled_from(Keep), min_size=1, max_size=3), st.data())
def test_an_honest_box_is_never_contradicted_whatever_is_kept_and_whatever_is_missing(
    ticks: list[Tick], by: Rule, cuts: set[int], keeps: list[Keep], data: st.DataObject
) -> None:
    bodies = windows_of(ticks, by, cuts, keeps)
    missing = data.draw(st.frozensets(st.integers(0, len(bodies) - 1), max_size=2))
    assert judged(bodies, by, missing=missing)[1] == 0


# What minutes rule out.


def minutes(
    by: Rule, values: Sequence[tuple[int | None, ...]], spans: list[tuple[int, RunState]]
) -> tuple[int, int, int]:
    """(agree, disagree, open) seconds, when these (second, state) are signed for one answer a second."""
    (body,) = windows_of([(1000, each) for each in values], by, set(), [Keep.MINUTE])
    lie = replace(body, spans=[(body.from_ms + 1000 * at_s, state) for at_s, state in spans])
    agree, disagree, still_open = judged([lie], by)
    return agree // 1000, disagree // 1000, still_open // 1000


PRESS = IntervalMax(running_above_mw=100, idle_above_mw=10, interval_ms=10_000, hold_ms=2000)
PLC = PlcState(point="status", states=((1, 1, RunState.RUNNING), (1, 0, RunState.STOPPED)), dwell_ms=0, hold_ms=2000)
CYCLES = Pulses(point="cycles", signal=Signal.COUNTER, longest_cycle_ms=10_000, hold_ms=2000)


def test_running_without_a_burst_in_any_minute_is_ruled_out() -> None:
    quiet = [(50, 0, 0, 0)] * 600
    assert minutes(PRESS, quiet, [(0, RunState.UNKNOWN), (10, RunState.IDLE)])[1] == 0
    assert minutes(PRESS, quiet, [(0, RunState.RUNNING)])[1] == 600
    assert minutes(PRESS, [(500, 0, 0, 0), *quiet], [(0, RunState.RUNNING)])[1] > 500


def test_idle_where_every_minute_had_a_burst_is_ruled_out() -> None:
    bursts = [(500, 0, 0, 0), *[(50, 0, 0, 0)] * 4] * 120
    assert minutes(PRESS, bursts, [(0, RunState.UNKNOWN), (1, RunState.RUNNING)])[1] == 0
    assert minutes(PRESS, bursts, [(0, RunState.IDLE)])[1] == 600


def test_running_where_the_registers_last_word_is_stopped_is_ruled_out() -> None:
    stopped = [(0, 0, 0, 0)] * 600
    assert minutes(PLC, stopped, [(0, RunState.UNKNOWN), (1, RunState.STOPPED)])[1] == 0
    assert minutes(PLC, stopped, [(0, RunState.RUNNING)])[1] == 600


def test_running_while_the_counter_stands_still_is_ruled_out() -> None:
    still = [(0, 0, 7, 0)] * 600
    assert minutes(CYCLES, still, [(0, RunState.UNKNOWN), (11, RunState.STOPPED)])[1] == 0
    assert minutes(CYCLES, still, [(0, RunState.RUNNING)])[1] > 400


def test_what_minutes_cannot_tell_is_open() -> None:
    """A bit's pulses are not in its last value."""
    by = Pulses(point="status", signal=Signal.BIT, longest_cycle_ms=10_000, hold_ms=2000)
    assert minutes(by, [(0, i % 2, 0, 0) for i in range(600)], [(0, RunState.UNKNOWN), (1, RunState.RUNNING)]) == (
        1,
        0,
        599,
    )


def test_a_known_state_in_a_silence_is_ruled_out_by_every_rule() -> None:
    silent: list[tuple[int | None, ...]] = [(0, 0, 0, 0)] * 60 + [(None,) * 4] * 240
    for by in (PRESS, PLC, CYCLES):
        assert minutes(by, silent, [(0, RunState.UNKNOWN), (1, RunState.STOPPED)])[1] >= 170
