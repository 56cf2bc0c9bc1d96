"""What a zone's looks come to over time: pure functions.

1. Each look holds from its instant to the next one's, or to the end of its window.
2. Where two statements speak of one time and differ, it is contested: no count is picked.
3. A time of which no statement speaks is unknown, and has no count at all.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from evidence.bodies import Stock, Verdict


class Stand(NamedTuple):
    """What was said of a zone for some time. `verdict` is None where statements contradict one another."""

    from_ms: int
    to_ms: int
    verdict: Verdict | None
    items: int | None
    """Visible front items; None where nothing was ever counted, or where it is contested."""
    uncertain: int


STANDS_LIMIT: Final = 100_000
"""Stands read at a time, at most, the newest: a zone that is sealed every 30 s fills a month with 86,400."""


def stands_of(body: Stock, limit_ms: int) -> list[Stand]:
    """The looks of a statement as stands, cut where the receiver does not believe in time any more."""
    end_ms = min(body.to_ms, limit_ms)
    ends = [look.at_ms for look in body.looks[1:]] + [body.to_ms]
    return [
        Stand(look.at_ms, min(until_ms, end_ms), look.verdict, look.count, look.uncertain)
        for look, until_ms in zip(body.looks, ends, strict=True)
        if look.at_ms < min(until_ms, end_ms)
    ]


def joined(stands: Iterable[Stand]) -> tuple[Stand, ...]:
    """The same time with each instant once, rising, and equal neighbours as one."""
    found: list[Stand] = []
    waiting = sorted(stands, key=lambda stand: (stand.from_ms, stand.to_ms))
    if all(a.to_ms <= b.from_ms for a, b in pairwise(waiting)):
        pieces: Iterable[Stand] = waiting
    else:
        pieces = _swept(waiting)
    for piece in pieces:
        before = found[-1] if found else None
        if before is not None and before.to_ms == piece.from_ms and before[2:] == piece[2:]:
            found[-1] = before._replace(to_ms=piece.to_ms)
        else:
            found.append(piece)
    return tuple(found)


def _swept(stands: Sequence[Stand]) -> Iterable[Stand]:
    """The general case: every piece between two edges, and what is said of it."""
    edges = sorted({edge for stand in stands for edge in stand[:2]})
    open_: list[Stand] = []
    coming = iter(stands)
    following = next(coming, None)
    for from_ms, to_ms in pairwise(edges):
        while following is not None and following.from_ms <= from_ms:
            open_.append(following)
            following = next(coming, None)
        open_ = [stand for stand in open_ if stand.to_ms > from_ms]
        said = {stand[2:] for stand in open_}
        if len(said) == 1:
            yield Stand(from_ms, to_ms, *said.pop())
        elif said:
            yield Stand(from_ms, to_ms, None, None, 0)
