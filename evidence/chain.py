"""Chains: how the statements of one stream hang together, whatever order they arrive in.

A segment is a maximal run of held statements in which each names the hash of the one before. A whole notebook is
one segment from 0; a hole leaves two segments; two statements with one n (a cloned or restored box) leave two that
overlap: a fork.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Outcome(Enum):
    """What a statement is to the statements of its stream that are held already."""

    NEXT = "next"
    """It continues what is held."""
    SEEN = "seen"
    """These very bytes are held."""
    GAP = "gap"
    """Good, but what comes before it is not held yet."""
    FORK = "fork"
    """Another statement with its n, or another history before it, was signed too. Both are kept: the proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What of a statement makes its place in the chain."""

    n: int
    prev: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held next to a statement's place."""

    at: frozenset[bytes] = frozenset()
    """Hashes of the statements with its n."""
    before: frozenset[bytes] = frozenset()
    """Hashes of those with n - 1."""
    after: frozenset[bytes] = frozenset()
    """What those with n + 1 name as the hash of theirs before."""


def place(link: Link, held: Held) -> Outcome:
    """The rules, in order: the same bytes; another with this n; another history before or after; a hole; next."""
    if link.sha256 in held.at:
        return Outcome.SEEN
    if held.at:
        return Outcome.FORK
    if held.before and link.prev not in held.before:
        return Outcome.FORK
    if held.after and link.sha256 not in held.after:
        return Outcome.FORK
    if link.n == 0 or held.before:
        return Outcome.NEXT
    return Outcome.GAP


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """Held statements `first` to `last`, each the next one's `prev`; named by what it hangs on and what it ends in."""

    first: int
    last: int
    prev: bytes
    """What statement `first` names as the hash before it; empty when first is 0."""
    sha256: bytes
    """Hash of statement `last`."""


SEGMENTS_LIMIT: Final = 64
"""Segments of one stream that a receipt names, at most: the one from 0 and the newest."""


@dataclass(slots=True)
class Segments:
    """The segments of one stream, in memory: two dictionaries, so that every statement costs two look-ups."""

    _by_prev: dict[tuple[int, bytes], list[Segment]] = field(default_factory=dict)
    """(first, prev) to the segments that begin there; two that hang on one statement are a fork."""
    _by_end: dict[tuple[int, bytes], Segment] = field(default_factory=dict)
    """(last + 1, hash of last) to its segment."""

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> "Segments":
        """Segments that were known before."""
        made = cls()
        for segment in segments:
            made._insert(segment)
        return made

    def add(self, link: Link) -> tuple[list[Segment], Segment]:
        """Join a statement that is not held yet to its segments: (segments that are gone, the one that is new)."""
        gone: list[Segment] = []
        first, prev, last, end = link.n, link.prev, link.n, link.sha256
        if (before := self._by_end.get((link.n, link.prev))) is not None:
            gone.append(before)
            first, prev = before.first, before.prev
        followers = self._by_prev.get((link.n + 1, link.sha256))
        if followers:
            gone.append(followers[0])
            last, end = followers[0].last, followers[0].sha256
        for segment in gone:
            self._remove(segment)
        new = Segment(first, last, prev, end)
        self._insert(new)
        return gone, new

    def sorted(self) -> list[Segment]:
        """All segments: the longest from 0 first, then by where they begin."""
        return sorted(self._by_end.values(), key=lambda s: (s.first, -s.last, s.sha256))

    @property
    def mark(self) -> int | None:
        """Every statement from 0 up to this n is held; None when 0 is not."""
        marks = [s.last for s in self._by_end.values() if s.first == 0]
        return max(marks) if marks else None

    @property
    def holes(self) -> list[tuple[int, int]]:
        """The ranges of n (both ends included) below the highest held one of which nothing is held."""
        holes, reached = [], -1
        for segment in sorted(self._by_end.values()):
            if segment.first > reached + 1:
                holes.append((reached + 1, segment.first - 1))
            reached = max(reached, segment.last)
        return holes

    @property
    def forks(self) -> list[int]:
        """Each n at which a second history begins, as far as it is held, rising.

        A segment that overlaps another, or follows it without naming its hash: had they been one history, they would
        be one segment.
        """
        forks, reached = [], -1
        for segment in sorted(self._by_end.values()):
            if reached >= 0 and segment.first <= reached + 1:
                forks.append(segment.first)
            reached = max(reached, segment.last)
        return forks

    def _insert(self, segment: Segment) -> None:
        self._by_prev.setdefault((segment.first, segment.prev), []).append(segment)
        self._by_end[segment.last + 1, segment.sha256] = segment

    def _remove(self, segment: Segment) -> None:
        beginnings = self._by_prev[segment.first, segment.prev]
        beginnings.remove(segment)
        if not beginnings:
            del self._by_prev[segment.first, segment.prev]
        del self._by_end[segment.last + 1, segment.sha256]
