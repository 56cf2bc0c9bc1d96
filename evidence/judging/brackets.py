"""What minutes rule out of any rule: for each instant the states that the facts leave possible. Pure.

A minute tells the least, the greatest and the last value (of a counter or a state the last one only), not when. So for
each rule two kinds of bounds are drawn, wide enough that no honest box ever lies outside:

- `Ruled`: from … to, these states are impossible (nothing was answered for longer than an answer speaks; no burst, no
  cycle was near enough for RUNNING);
- `Somewhere`: at some instant from … to, the state is one of these (a burst was in this minute; the register's last
  value says RUNNING).

What no bound speaks of is open: the box's word alone. A fusion's bounds are those of its two, put together.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import or_

from evidence.bodies import Readings
from evidence.judging.bounds import ALL, Bound, Bounds, Bracket, States, bounds_of, rows_of, states
from evidence.judging.judge import Change, Fusion, Rule, RunState, Wins
from evidence.judging.verdict import Interval, Verdict, length_of, merged


@dataclass(slots=True)
class Brackets:
    """One stream's minutes, window after window."""

    by: Rule
    _brackets: tuple[Bracket, ...]

    @classmethod
    def of(cls, by: Rule, window: Readings, *, fresh: bool) -> "Brackets":
        """They begin with this window; `fresh` says that judging began anew there."""
        singles = (by.first, by.second) if isinstance(by, Fusion) else (by,)
        return cls(by, tuple(bounds_of(single, window.from_ms, fresh=fresh) for single in singles))

    def take(self, window: Readings, ends: list[int], spans: list[Change], before: RunState | None) -> Verdict:
        """What the next window's minutes say of its spans."""
        del before
        from_ms, to_ms = window.from_ms, window.to_ms
        rows = [rows_of(window, ends, read) for read in self.by.reads]
        if all(of is None for of in rows) and not window.spans:
            return Verdict(open_ms=to_ms - from_ms)
        bounds = [bracket.take(of or (), from_ms, to_ms) for bracket, of in zip(self._brackets, rows, strict=True)]
        both = _fused(bounds[0], bounds[1], self.by.wins, from_ms, to_ms) if isinstance(self.by, Fusion) else bounds[0]
        return _verdict(both, spans, from_ms, to_ms)


def _verdict(bounds: Bounds, spans: list[Change], from_ms: int, to_ms: int) -> Verdict:
    said = [Bound(start, end, states(state)) for (start, state), end in _with_ends(spans, to_ms)]
    wrong: list[Interval] = []
    checked: list[Interval] = []
    for start, end, impossible, is_said in _overlaid(bounds.ruled, said, from_ms, to_ms):
        if impossible:
            checked.append((start, end))
        if impossible & is_said:
            wrong.append((start, end))
    for start, end, wanted in bounds.somewhere:
        if from_ms <= start and end <= to_ms:
            checked.append((start, end))
            if not any(span.states & wanted for span in _during(said, start, end)):
                wrong.append((start, end))
    disagree, spoken = merged(wrong), merged(checked)
    agree_ms = length_of(spoken) - length_of(disagree)
    return Verdict(agree_ms=agree_ms, disagree=tuple(disagree), open_ms=to_ms - from_ms - length_of(spoken))


def _fused(one: Bounds, other: Bounds, wins: Wins, from_ms: int, to_ms: int) -> Bounds:
    """The bounds of the two together: what no pair of possible states gives is impossible."""
    pieces = list(_overlaid(one.ruled, other.ruled, from_ms, to_ms))
    ruled = [
        Bound(start, end, ALL & ~_image(wins, ALL & ~first, ALL & ~second)) for start, end, first, second in pieces
    ]
    somewhere = []
    for which, bounds in enumerate((one, other)):
        beside = [Bound(start, end, ALL & ~ruled_out[1 - which]) for start, end, *ruled_out in pieces]
        for start, end, wanted in bounds.somewhere:
            others = reduce(or_, (piece.states for piece in _during(beside, start, end)), 0)
            pair = (others, wanted) if which else (wanted, others)
            somewhere.append(Bound(start, end, _image(wins, *pair)))
    return Bounds([b for b in ruled if b.states], [b for b in somewhere if b.states != ALL])


def _during(pieces: Sequence[Bound], from_ms: int, to_ms: int) -> Iterator[Bound]:
    """Those of adjoining pieces that reach into from … to."""
    for i in range(max(0, bisect_right(pieces, from_ms, key=lambda piece: piece.from_ms) - 1), len(pieces)):
        if pieces[i].from_ms >= to_ms:
            return
        yield pieces[i]


def _image(wins: Wins, first: States, second: States) -> States:
    found = 0
    for one, other in product(RunState, RunState):
        if first >> one & 1 and second >> other & 1:
            found |= 1 << wins.of(one, other)
    return found


def _overlaid(
    ones: Iterable[Bound], others: Iterable[Bound], from_ms: int, to_ms: int
) -> Iterator[tuple[int, int, States, States]]:
    """From … to in pieces, each with the union of what either says of it."""
    steps: list[tuple[int, int, int, int]] = []
    for which, bounds in enumerate((ones, others)):
        for start, end, these in bounds:
            if max(start, from_ms) < min(end, to_ms):
                steps.append((max(start, from_ms), 1, which, these))
                steps.append((min(end, to_ms), -1, which, these))
    steps.sort()
    depth = [[0] * len(RunState), [0] * len(RunState)]
    at_ms = from_ms
    for next_ms, step, which, these in [*steps, (to_ms, 0, 0, 0)]:
        if next_ms > at_ms:
            yield at_ms, next_ms, _set(depth[0]), _set(depth[1])
            at_ms = next_ms
        for state in RunState:
            depth[which][state] += step * (these >> state & 1)


def _set(depth: Sequence[int]) -> States:
    return sum(1 << state for state, times in enumerate(depth) if times)


def _with_ends(spans: list[Change], to_ms: int) -> Iterator[tuple[Change, int]]:
    return zip(spans, [*(start for start, _ in spans[1:]), to_ms], strict=True)
