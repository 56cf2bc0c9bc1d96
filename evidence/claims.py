"""What others say that a stream holds: the box's heartbeats, and the receiver's receipts.

A head in a heartbeat or a receipt is a promise that statement n exists and has this hash. Forty bytes a head, so a
year of heartbeats fits.
"""

from array import array
from dataclasses import dataclass, field
from typing import Final

_HASH: Final = 16
"""Bytes kept of each hash: enough that nobody finds a second statement for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody said that statement `n` has a hash that begins like this."""

    n: int
    sha256: bytes
    at_ms: int
    by_receiver: bool

    @property
    def said_by(self) -> str:
        """For a person."""
        return "receipt" if self.by_receiver else "heartbeat"


@dataclass(slots=True)
class Claims:
    """All claims about one stream, read in rising n."""

    _ns: "array[int]" = field(default_factory=lambda: array("Q"))
    _whens: "array[int]" = field(default_factory=lambda: array("Q"))
    _hashes: bytearray = field(default_factory=bytearray)
    _held: list[tuple[int, int]] = field(default_factory=list)
    _order: list[int] | None = None
    _next: int = 0

    def add(self, n: int, sha256: bytes, at_ms: int, *, by_receiver: bool) -> None:
        """One more claim; the same one again costs nothing when it follows directly."""
        if self._ns and self._ns[-1] == n and self._hashes[-_HASH:] == sha256[:_HASH] and not by_receiver:
            return
        self._ns.append(n)
        self._whens.append(at_ms << 1 | by_receiver)
        self._hashes += sha256[:_HASH]

    def hold(self, first: int, last: int) -> None:
        """The receiver signed that it holds all of this range."""
        if self._held and self._held[-1][0] <= first <= self._held[-1][1] + 1:
            first, last = self._held[-1][0], max(last, self._held.pop()[1])
        self._held.append((first, last))

    def __len__(self) -> int:
        return len(self._ns)

    def up_to(self, n: int) -> list[Claim]:
        """The claims about `n` and below that were not asked for yet."""
        if self._order is None:
            self._order = sorted(range(len(self._ns)), key=self._ns.__getitem__)
        claims = []
        while self._next < len(self._order) and self._ns[self._order[self._next]] <= n:
            claims.append(self._claim(self._order[self._next]))
            self._next += 1
        return claims

    def highest(self) -> Claim | None:
        """The claim about the highest n; of equal ones the receiver's."""
        if not self._ns:
            return None
        return self._claim(max(range(len(self._ns)), key=lambda i: (self._ns[i], self._whens[i] & 1)))

    def held_of(self, first: int, last: int) -> int:
        """How many of the statements first … last the receiver signed that it holds."""
        held, reached = 0, first
        for start, end in sorted(self._held):
            start = max(start, reached)  # noqa: PLW2901 - what was counted is not counted twice
            if start <= min(end, last):
                held += min(end, last) - start + 1
                reached = min(end, last) + 1
        return held

    def _claim(self, i: int) -> Claim:
        return Claim(
            n=self._ns[i],
            sha256=bytes(self._hashes[i * _HASH : (i + 1) * _HASH]),
            at_ms=self._whens[i] >> 1,
            by_receiver=bool(self._whens[i] & 1),
        )


def begins_like(sha256: bytes, claim: Claim) -> bool:
    """Whether the claim is about a statement with this hash."""
    return sha256[:_HASH] == claim.sha256
