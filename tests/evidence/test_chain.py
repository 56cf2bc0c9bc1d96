"""Segments against a naive model, in any order of arrival, forks and holes and all."""

from collections.abc import Iterable
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from evidence.chain import Held, Link, Outcome, Segment, Segments, place


def link(n: int, prev: bytes, salt: bytes = b"") -> Link:
    return Link(n=n, prev=prev, sha256=sha256(b"%d|" % n + prev + salt).digest())


def chain(length: int, *, prev: bytes = b"", first: int = 0, salt: bytes = b"") -> list[Link]:
    links: list[Link] = []
    for n in range(first, first + length):
        prev = links[-1].sha256 if links else prev
        links.append(link(n, prev, salt))
    return links


@st.composite
def notebooks(draw: st.DrawFn) -> list[Link]:
    """A trunk, branches off any place of it or of each other, some pages torn out, in any order."""
    links = chain(draw(st.integers(1, 12)))
    for i in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from(links))
        salt = b"branch %d" % i
        links += chain(draw(st.integers(1, 6)), prev=at.prev, first=at.n, salt=salt)
    kept = [one for one in links if draw(st.integers(0, 3))]
    return draw(st.permutations(kept))


def held_next_to(one: Link, held: Iterable[Link]) -> Held:
    held = list(held)
    return Held(
        at=frozenset(h.sha256 for h in held if h.n == one.n),
        before=frozenset(h.sha256 for h in held if h.n == one.n - 1),
        after=frozenset(h.prev for h in held if h.n == one.n + 1),
    )


def is_forked(links: Iterable[Link]) -> bool:
    """Naively: two with one n, or one that names another hash than any of those before it."""
    at: dict[int, list[Link]] = {}
    for one in links:
        at.setdefault(one.n, []).append(one)
    return any(len(same) > 1 for same in at.values()) or any(
        one.n - 1 in at and one.prev not in {h.sha256 for h in at[one.n - 1]} for same in at.values() for one in same
    )


def pages_of(segment: Segment, links: list[Link]) -> list[Link]:
    """The statements of a segment, walked back from its end."""
    by_hash = {one.sha256: one for one in links}
    pages = [by_hash[segment.sha256]]
    while pages[-1].n > segment.first:
        pages.append(by_hash[pages[-1].prev])
    return pages[::-1]


@given(notebooks())
def test_every_held_statement_lies_in_exactly_one_segment_and_each_segment_is_linked(links: list[Link]) -> None:
    segments = Segments()
    for one in links:
        segments.add(one)
    pages = [page for segment in segments.sorted() for page in pages_of(segment, links)]
    assert sorted(p.sha256 for p in pages) == sorted(one.sha256 for one in links)
    for segment in segments.sorted():
        first = pages_of(segment, links)[0]
        assert (first.n, first.prev) == (segment.first, segment.prev)


@given(notebooks())
def test_no_two_segments_could_be_one(links: list[Link]) -> None:
    segments = Segments()
    for one in links:
        segments.add(one)
    held = segments.sorted()
    assert not [(a, b) for a in held for b in held if b.first == a.last + 1 and b.prev == a.sha256]


@given(notebooks())
def test_holes_and_mark_are_those_of_the_naive_model(links: list[Link]) -> None:
    segments = Segments()
    for one in links:
        segments.add(one)
    here = {one.n for one in links}
    missing = [n for n in range(max(here, default=-1) + 1) if n not in here]
    assert [n for first, last in segments.holes for n in range(first, last + 1)] == missing
    assert all(b[0] > a[1] + 1 for a, b in zip(segments.holes, segments.holes[1:], strict=False))
    reach = max((s.last for s in segments.sorted() if s.first == 0), default=None)
    assert segments.mark == reach
    if segments.mark is not None:
        assert set(range(segments.mark + 1)) <= here
    if not is_forked(links):
        contiguous = next((n for n in range(len(links) + 1) if n not in here), 0) - 1
        assert segments.mark == (contiguous if contiguous >= 0 else None)


@given(notebooks())
def test_a_fork_is_seen_in_the_segments_exactly_when_there_is_one(links: list[Link]) -> None:
    segments = Segments()
    for one in links:
        segments.add(one)
    assert bool(segments.forks) == is_forked(links)


@given(notebooks())
def test_one_of_the_placings_says_fork_exactly_when_there_is_one(links: list[Link]) -> None:
    outcomes = [place(one, held_next_to(one, links[:i])) for i, one in enumerate(links)]
    assert (Outcome.FORK in outcomes) == is_forked(links)
    assert Outcome.SEEN not in outcomes


@given(notebooks(), st.randoms())
def test_without_a_fork_the_order_of_arrival_makes_no_difference(links: list[Link], chance: object) -> None:
    one, other = Segments(), Segments()
    for page in links:
        one.add(page)
    shuffled = list(links)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    for page in shuffled:
        other.add(page)
    assert one.holes == other.holes
    assert bool(one.forks) == bool(other.forks)
    if not one.forks:
        assert one.sorted() == other.sorted()


@given(notebooks())
def test_segments_kept_and_taken_up_again_go_on_the_same(links: list[Link]) -> None:
    whole, kept = Segments(), Segments()
    for page in links:
        kept = Segments.of(kept.sorted())
        whole.add(page)
        kept.add(page)
        assert {(s.first, s.last) for s in kept.sorted()} == {(s.first, s.last) for s in whole.sorted()} or whole.forks


@given(notebooks())
def test_what_add_says_is_gone_and_new_turns_the_old_segments_into_the_new(links: list[Link]) -> None:
    segments = Segments()
    mirror: set[Segment] = set()
    for page in links:
        gone, new = segments.add(page)
        assert set(gone) <= mirror
        mirror = (mirror - set(gone)) | {new}
        assert mirror == set(segments.sorted())


def test_the_same_bytes_again_are_seen() -> None:
    one = link(3, bytes(32))
    assert place(one, held_next_to(one, [one])) is Outcome.SEEN


def test_the_first_page_is_next_and_a_later_one_alone_is_a_gap() -> None:
    assert place(link(0, b""), Held()) is Outcome.NEXT
    assert place(link(7, bytes(32)), Held()) is Outcome.GAP


def test_a_page_that_fills_a_hole_wrongly_is_a_fork() -> None:
    pages = chain(3)
    stranger = link(1, pages[0].sha256, b"stranger")
    assert place(stranger, held_next_to(stranger, [pages[0], pages[2]])) is Outcome.FORK


def test_a_second_history_whose_first_page_is_withheld_is_a_fork_all_the_same() -> None:
    trunk = chain(5)
    other = chain(3, prev=trunk[4].prev, first=4, salt=b"other")
    segments = Segments()
    for page in [*trunk, *other[1:]]:
        segments.add(page)
    assert segments.holes == []
    assert segments.forks == [5]
