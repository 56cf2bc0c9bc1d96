"""What a page of the feed brings: which statements are taken into the copy, and what is put aside. Pure.

1. A statement that is not well signed by a key that the roster gives its box is put aside, with the reason.
2. One whose very bytes are in the copy is dropped: it says nothing new.
3. Every other one is taken, forks too: the two statements are the proof.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from evidence.chain import Link, Segment, Segments
from evidence.errors import RefusedError
from evidence.statement import open_statement, peek_box
from evidence.trust import Keyring

Stream = tuple[str, str]
"""(box, stream)."""
Place = tuple[str, str, int]
"""(box, stream, n)."""
HashesAt = Callable[[set[Place]], dict[Place, set[bytes]]]
"""What is held at these places: asked only where a place is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """One page, sorted."""

    taken: tuple[bytes, ...]
    aside: tuple[tuple[bytes, str], ...]
    """(statement, why)."""
    repeated: int


@dataclass(slots=True)
class Arrivals:
    """Which segments of which streams are held."""

    keyring: Keyring
    segments: dict[Stream, Segments] = field(default_factory=dict)

    def sort(self, page: Iterable[bytes], hashes_at: HashesAt) -> Sorted:
        """Sort a page and note what was taken."""
        opened: list[tuple[bytes, Stream, Link]] = []
        aside: list[tuple[bytes, str]] = []
        for encoded in page:
            try:
                opened.append(self._open(encoded))
            except RefusedError as wrong:
                aside.append((encoded, str(wrong)))
        known = self._known(opened, hashes_at)
        taken, repeated = [], 0
        for encoded, stream, link in opened:
            hashes = known.setdefault((*stream, link.n), set())
            if link.sha256 in hashes:
                repeated += 1
                continue
            hashes.add(link.sha256)
            self.segments.setdefault(stream, Segments()).add(link)
            taken.append(encoded)
        return Sorted(taken=tuple(taken), aside=tuple(aside), repeated=repeated)

    def _open(self, encoded: bytes) -> tuple[bytes, Stream, Link]:
        statement = open_statement(encoded, self.keyring.keys_of(peek_box(encoded)).get)
        link = Link(n=statement.n, prev=statement.prev, sha256=sha256(encoded).digest())
        return encoded, (statement.box, statement.stream), link

    def _known(self, opened: list[tuple[bytes, Stream, Link]], hashes_at: HashesAt) -> dict[Place, set[bytes]]:
        """What is held where these want to go. The copy itself is asked only about places inside a held segment."""
        wanted = {(*stream, link.n) for _, stream, link in opened if self._is_held(stream, link.n)}
        return hashes_at(wanted) if wanted else {}

    def _is_held(self, stream: Stream, n: int) -> bool:
        held = self.segments.get(stream)
        return held is not None and any(s.first <= n <= s.last for s in held.sorted())

    @property
    def holes(self) -> list[tuple[Stream, tuple[int, int]]]:
        """Ranges of n of which nothing is held, below the highest that is."""
        return [(stream, hole) for stream, held in sorted(self.segments.items()) for hole in held.holes]

    @property
    def forks(self) -> list[tuple[Stream, int]]:
        """Where a second history of a stream begins."""
        return [(stream, n) for stream, held in sorted(self.segments.items()) for n in held.forks]

    def to_lists(self) -> dict[str, list[list[int | str]]]:
        """For the state file."""
        return {
            " ".join(stream): [[s.first, s.last, s.prev.hex(), s.sha256.hex()] for s in held.sorted()]
            for stream, held in sorted(self.segments.items())
        }

    def from_lists(self, lists: dict[str, list[list[int | str]]]) -> None:
        """Opposite of `to_lists`. Raises ValueError, TypeError or AttributeError when they are none."""
        for name, segments in lists.items():
            box, stream = name.split(" ")
            self.segments[box, stream] = Segments.of(
                Segment(int(first), int(last), bytes.fromhex(str(prev)), bytes.fromhex(str(end)))
                for first, last, prev, end in segments
            )
