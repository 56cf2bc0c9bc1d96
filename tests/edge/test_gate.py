"""The gate counts what goes through, once, whatever the picture does to it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.eye.gate import MAX_REMEMBERED, Crossing, Gate, GateLine
from edge_agent.eye.track import Box, Track
from evidence.bodies import Direction

FRAME_MS = 66
SIZE = 40.0

angles = st.floats(0, 2 * math.pi)
sizes = st.floats(8, 200)
paths = st.lists(st.floats(-0.24, 0.24), min_size=3, max_size=60)


def line_at(angle: float, length: float = 4000) -> GateLine:
    """A gate through the origin whose inner side lies in that direction."""
    across = (math.cos(angle), math.sin(angle))
    return GateLine(
        x0=across[1] * length / 2,
        y0=-across[0] * length / 2,
        x1=-across[1] * length / 2,
        y1=across[0] * length / 2,
        in_x=across[0],
        in_y=across[1],
    )


def track(number: int, x: float, y: float, *, width: float = SIZE, height: float = SIZE) -> Track:
    box = Box(x0=x - width / 2, y0=y - height / 2, x1=x + width / 2, y1=y + height / 2)
    return Track(id=number, box=box, velocity=(0, 0), hits=9, score=0.9, seen_ms=0)


def walk(gate: Gate, distances: list[float], *, sideways: float = 0.0, number: int = 1) -> list[Crossing]:
    """A square thing at these signed distances from the gate, one a picture."""
    normal = gate.line.normal
    crossings: list[Crossing] = []
    for step, distance in enumerate(distances):
        x, y = normal[0] * distance - normal[1] * sideways, normal[1] * distance + normal[0] * sideways
        crossings += gate.observe([track(number, x, y)], at_ms=step * FRAME_MS)
    return crossings


def extent_of(gate: Gate) -> float:
    return gate.line.extent(track(1, 0, 0).box)


@given(angles, paths)
def test_a_thing_that_goes_across_counts_once_whatever_its_jitter(angle: float, jitter: list[float]) -> None:
    gate = Gate(line_at(angle))
    extent = extent_of(gate)
    way = [(step / (len(jitter) - 1) * 4 - 2) * extent for step in range(len(jitter))]
    walk(gate, [-2 * extent, *(at + one * extent for at, one in zip(way, jitter, strict=True)), 2 * extent])
    assert (gate.total_in, gate.total_out) == (1, 0)


@given(angles, st.integers(3, 40), st.integers(1, 6))
def test_there_and_back_nets_zero_and_every_way_is_counted(angle: float, steps: int, times: int) -> None:
    gate = Gate(line_at(angle))
    extent = extent_of(gate)
    there = [(step / (steps - 1) * 4 - 2) * extent for step in range(steps)]
    walk(gate, (there + there[::-1]) * times)
    assert (gate.net, gate.total_in, gate.total_out) == (0, times, times)


@given(angles, st.lists(st.floats(-0.24, 0.24), max_size=300))
def test_trembling_on_the_line_never_counts(angle: float, tremble: list[float]) -> None:
    gate = Gate(line_at(angle))
    assert walk(gate, [one * extent_of(gate) for one in tremble]) == []


@given(angles, st.data())
def test_a_drop_out_anywhere_on_the_way_loses_nothing(angle: float, data: st.DataObject) -> None:
    gate = Gate(line_at(angle))
    extent = extent_of(gate)
    way: list[float | None] = [(step / 29 * 4 - 2) * extent for step in range(30)]
    for gone in data.draw(st.sets(st.integers(1, 28), max_size=28)):
        way[gone] = None
    normal = gate.line.normal
    for step, distance in enumerate(way):
        seen = [] if distance is None else [track(1, normal[0] * distance, normal[1] * distance)]
        gate.observe(seen, at_ms=step * FRAME_MS)
    assert (gate.total_in, gate.total_out) == (1, 0)


@given(st.permutations(range(6)), st.lists(st.sampled_from([-1, 1]), min_size=6, max_size=6))
def test_the_order_of_simultaneous_tracks_does_not_matter(order: list[int], ways: list[int]) -> None:
    def counted(numbers: list[int]) -> list[tuple[Crossing, ...]]:
        gate = Gate(line_at(0))
        return [
            gate.observe(
                [track(number, ways[number] * (step * 9 - 80), 60 * number) for number in numbers],
                at_ms=step * FRAME_MS,
            )
            for step in range(20)
        ]

    assert counted(order) == counted(sorted(order))


@given(angles, st.floats(1.05, 3), st.sampled_from([-1, 1]))
def test_round_the_end_of_the_gate_is_not_through_it(angle: float, beside: float, end: int) -> None:
    gate = Gate(line_at(angle, length=200))
    extent = extent_of(gate)
    walk(gate, [step * extent / 5 for step in range(-10, 11)], sideways=end * beside * 100)
    assert (gate.total_in, gate.total_out) == (0, 0)
    walk(gate, [step * extent / 5 for step in range(10, -11, -1)], sideways=0)
    assert (gate.total_in, gate.total_out) == (0, 1), "round the end and back through it is out: that is what was seen"


@given(sizes, sizes)
def test_a_thing_born_on_the_far_side_of_the_line_is_not_counted(width: float, height: float) -> None:
    gate = Gate(line_at(0))
    for step in range(30):
        gate.observe([track(1, 0.1 * width + step * 5, 0, width=width, height=height)], at_ms=step * FRAME_MS)
    assert gate.total_in == 0


def test_a_thing_born_in_the_band_counts_when_it_has_travelled() -> None:
    gate = Gate(line_at(0))
    assert walk(gate, [-0.2 * SIZE, 0.0, 0.26 * SIZE]) == []
    assert len(walk(gate, [0.31 * SIZE])) == 1


def test_the_time_is_when_the_centre_was_on_the_line() -> None:
    gate = Gate(line_at(0))
    (crossing,) = walk(gate, [-100 + 3.0 * step for step in range(60)])
    assert crossing.at_ms == pytest.approx(100 / 3 * FRAME_MS, abs=1)
    assert crossing.direction is Direction.IN


def test_a_thing_that_stood_on_the_line_crossed_when_it_left() -> None:
    gate = Gate(line_at(0))
    stood = [1.0 + 2 * (step % 2) for step in range(45)]
    (crossing,) = walk(gate, [-60.0 + 3 * step for step in range(20)] + stood + [3.0 * step for step in range(20)])
    assert crossing.at_ms == pytest.approx(65 * FRAME_MS, abs=2 * FRAME_MS)


def test_the_inner_side_follows_the_vector_not_the_order_of_the_ends() -> None:
    for swap in (False, True):
        ends = {"x0": 0, "y0": 50, "x1": 100, "y1": 50}
        if swap:
            ends = {"x0": 100, "y0": 50, "x1": 0, "y1": 50}
        gate = Gate(GateLine(**ends, in_x=0.2, in_y=1))
        for step in range(30):
            gate.observe([track(1, 50, step * 4)], at_ms=step * FRAME_MS)
        assert (gate.total_in, gate.total_out) == (1, 0)


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ((5, 5, 5, 5, 0, 1), "two different ends"),
        ((0, 0, 100, 0, 1, 0), "across the gate"),
        ((0, 0, 100, 0, 0, 0), "across the gate"),
        ((0, 0, math.nan, 0, 0, 1), "finite"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(numbers: tuple[float, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        GateLine(x0=numbers[0], y0=numbers[1], x1=numbers[2], y1=numbers[3], in_x=numbers[4], in_y=numbers[5])


def test_the_sides_of_a_million_things_are_not_all_remembered() -> None:
    gate = Gate(line_at(0))
    for step in range(100):
        gate.observe([track(step * 64 + one, 50, 0) for one in range(64)], at_ms=step)
    assert len(gate._past) <= MAX_REMEMBERED
