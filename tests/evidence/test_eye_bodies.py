"""What an eye can say: stock, pictures, certificates and doubts; and what it cannot, however well it is signed."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.bodies import (
    MARKS_LIMIT,
    PICTURE_LIMIT,
    Acceptance,
    Body,
    Crossing,
    Crossings,
    Direction,
    Item,
    Kind,
    Look,
    Mark,
    Picture,
    PictureKind,
    Sight,
    Stock,
    Verdict,
    body_from_value,
)
from evidence.errors import MalformedError, RefusedError
from evidence.keys import Algorithm
from evidence.statement import STATEMENT_LIMIT, ClockQuality, Moment, open_statement, seal
from tests.evidence import strategies as some

AT = 1_772_323_200_000
KEY = some.KEYS[Algorithm.ED25519]
MOMENT = Moment(boot=bytes(16), steady_ms=1, at_ms=AT, clock=ClockQuality.NTP, clock_error_ms=3)
WEBP = b"RIFF\x10\0\0\0WEBPVP8 " + bytes(8)


def page(body: Body, stream: str) -> bytes:
    return seal(KEY, box="b", stream=stream, n=1, prev=bytes(32), moment=MOMENT, config=bytes(32), body=body)


STOCK = Stock(
    from_ms=AT,
    to_ms=AT + 60_000,
    looks=[
        Look(at_ms=AT, verdict=Verdict.COUNTED, count=48, uncertain=2),
        Look(at_ms=AT + 9000, verdict=Verdict.OCCLUDED, count=48),
    ],
    counted_at_ms=AT + 8000,
    frames_seen=60,
    frames_dropped=0,
    detector="carton-1",
    items=[Item(1, 2, 3, 4, 900, "carton")],
    declared=(6, 4),
)
PICTURE = Picture(
    from_ms=AT,
    to_ms=AT + 3_600_000,
    what=PictureKind.SLIT,
    media_type="image/webp",
    width=720,
    height=120,
    sha256=sha256(WEBP).digest(),
    length=len(WEBP),
    data=WEBP,
    marks=[Mark(AT + 1, 3, 4, Direction.IN)],
)
ACCEPTANCE = Acceptance(
    at_ms=AT,
    frames=20,
    by_person=960,
    by_machine=951,
    exact=17,
    error_permille=14,
    limit_permille=50,
    passed=True,
    detector="carton-1",
    pictures_sha256=bytes(32),
)
CROSSINGS = Crossings(
    from_ms=AT,
    to_ms=AT + 60_000,
    crossings=[Crossing(at_ms=AT, direction=Direction.IN, label="load", confidence_permille=300, track=1)],
    total_in=1,
    total_out=0,
    sight=[(AT, Sight.CLEAR)],
    frames_seen=900,
    frames_dropped=0,
    detector="carton-1",
    other_sources=[("foreground", b"")],
)
ZONE_PAGE, GATE_PAGE = page(STOCK, "zone/yard"), page(PICTURE, "gate/door")


@given(st.sampled_from((ZONE_PAGE, GATE_PAGE)), st.data())
def test_a_page_of_an_eye_with_any_bit_flipped_is_refused(honest: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(honest) * 8 - 1))
    spoilt = bytearray(honest)
    spoilt[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RefusedError):
        open_statement(bytes(spoilt), some.known(KEY))


NOISE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.integers(-(1 << 64), (1 << 64) - 1), st.text(max_size=8), st.binary(max_size=40), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.integers(0, 11), inner, max_size=12)),
    max_leaves=40,
)


@given(st.sampled_from((Kind.STOCK, Kind.PICTURE, Kind.ACCEPTANCE, Kind.CROSSINGS)), NOISE)
def test_signed_noise_is_no_body_of_an_eye(kind: Kind, noise: object) -> None:
    with pytest.raises(MalformedError):
        body_from_value(int(kind), noise)


@pytest.mark.parametrize(
    ("body", "stream"),
    [
        (STOCK, "gate/door"),
        (STOCK, "box"),
        (PICTURE, "machine/lathe"),
        (PICTURE, "box"),
        (ACCEPTANCE, "box"),
        (ACCEPTANCE, "fire/hall"),
    ],
)
def test_what_an_eye_says_stands_nowhere_but_in_its_own_stream(body: Body, stream: str) -> None:
    with pytest.raises(MalformedError, match="in the stream"):
        page(body, stream)


@pytest.mark.parametrize(("body", "stream"), [(PICTURE, "zone/yard"), (ACCEPTANCE, "gate/door"), (STOCK, "zone/yard")])
def test_gates_and_zones_have_pictures_and_certificates(body: Body, stream: str) -> None:
    assert open_statement(page(body, stream), some.known(KEY)).body == body


def looks(*said: tuple[int, int, int | None, int]) -> list[list[Any]]:
    return [list(look) for look in said]


@pytest.mark.parametrize(
    ("what", "key", "value"),
    [
        ("no look", 2, []),
        ("a look that comes late", 2, looks((1, 1, 48, 0))),
        ("two looks at one instant", 2, looks((0, 1, 48, 0), (0, 2, 48, 0))),
        ("a look behind the window", 2, looks((0, 1, 48, 0), (60_000, 2, 48, 0))),
        ("a count that nobody counted", 2, looks((0, 1, 48, 0), (9, 2, 47, 0))),
        ("a blind zero", 2, looks((0, 1, 48, 0), (9, 0, 0, 0))),
        ("counted and no count", 2, looks((0, 1, None, 0))),
        ("a count that is gone", 2, looks((0, 1, 48, 0), (9, 2, None, 0))),
        ("fewer than none", 2, looks((0, 1, -1, 0))),
        ("an unknown verdict", 2, looks((0, 4, 48, 0))),
        ("a count where none was made", 3, None),
        ("counted before it was counted", 2, looks((0, 1, 48, 0), (9000, 1, 47, 0))),
        ("an item without width", 8, [[5, 2, 5, 4, 900, "carton"]]),
        ("an item outside any picture", 8, [[0, 0, 65_536, 4, 900, "carton"]]),
        ("an item surer than sure", 8, [[0, 0, 1, 1, 1001, "carton"]]),
        ("a list of items without end", 8, [[0, 0, 1, 1, 1, "a"]] * 2049),
        ("nothing declared deep", 9, [0, 4]),
        ("three things declared", 9, [1, 4, 1]),
        ("a detector of half a hash", 7, bytes(16)),
    ],
)
def test_stock_that_cannot_be_is_refused(what: str, key: int, value: object) -> None:
    with pytest.raises(MalformedError):
        assert Stock.from_value({**STOCK.to_value(), key: value}), what


def test_a_zone_that_was_never_counted_has_no_count_and_no_zero() -> None:
    blind = replace(STOCK, looks=[Look(at_ms=AT, verdict=Verdict.BLIND, count=None)], counted_at_ms=None, items=[])
    assert Stock.from_value(blind.to_value()) == blind
    with pytest.raises(MalformedError, match="never counted"):
        Stock.from_value({**blind.to_value(), 2: looks((0, 0, 0, 0))})


def test_a_zone_goes_on_from_the_count_of_an_earlier_window() -> None:
    for verdict in (Verdict.BLIND, Verdict.COUNTED):
        later = replace(STOCK, looks=[Look(at_ms=AT, verdict=verdict, count=48)], counted_at_ms=AT - 86_400_000)
        assert Stock.from_value(later.to_value()) == later


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("another length", {7: len(WEBP) + 1}),
        ("another hash", {6: bytes(32)}),
        ("another type", {3: "image/png"}),
        ("a page that is no picture", {3: "text/html"}),
        ("no width", {4: 0}),
        ("no bytes", {7: 0}),
        ("a mark beside it", {9: [[0, 720, 0, 0]]}),
        ("a mark below it", {9: [[0, 0, 120, 0]]}),
        ("a mark later than it", {9: [[3_600_000, 0, 0, 0]]}),
        ("a mark of no direction that is", {9: [[0, 0, 0, 2]]}),
        ("marks without end", {9: [[0, 0, 0, None]] * (MARKS_LIMIT + 1)}),
        ("more bytes than a statement may have", {8: WEBP + bytes(PICTURE_LIMIT), 7: len(WEBP) + PICTURE_LIMIT}),
        ("an unknown kind", {2: 0}),
        ("a time without end", {1: AT + (1 << 32)}),
    ],
)
def test_a_picture_that_cannot_be_is_refused(what: str, changed: dict[int, Any]) -> None:
    with pytest.raises(MalformedError):
        assert Picture.from_value({**PICTURE.to_value(), **changed}), what


def test_a_picture_that_stays_on_the_box_is_its_hash_alone() -> None:
    stays = replace(PICTURE, data=b"", length=5_000_000)
    assert Picture.from_value(stays.to_value()) == stays


def test_the_largest_picture_with_all_its_marks_fits_into_a_statement() -> None:
    data = WEBP + bytes(PICTURE_LIMIT - len(WEBP))
    largest = replace(
        PICTURE,
        to_ms=AT + (1 << 32) - 1,
        width=65_535,
        height=65_535,
        data=data,
        length=len(data),
        sha256=sha256(data).digest(),
        marks=[Mark(AT + (1 << 32) - 2, 65_534, 65_534, Direction.OUT)] * MARKS_LIMIT,
    )
    moment = Moment(
        boot=bytes(16), steady_ms=(1 << 53) - 1, at_ms=(1 << 53) - 1, clock=ClockQuality.NTP, clock_error_ms=1 << 52
    )
    whole = seal(
        KEY,
        box="b" * 40,
        stream="zone/" + "z" * 40,
        n=(1 << 53) - 1,
        prev=bytes(32),
        moment=moment,
        config=bytes(32),
        body=largest,
    )
    assert PICTURE_LIMIT < len(whole) <= STATEMENT_LIMIT
    assert open_statement(whole, some.known(KEY)).body == largest


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("passed above its limit", {6: 13}),
        ("sums further apart than its error", {5: 9}),
        ("sums apart where all frames are exact", {4: 20}),
        ("more exact frames than frames", {4: 21}),
        ("no frame", {1: 0, 4: 0}),
        ("a person who counted nothing", {2: 0}),
        ("passed by half", {7: 2}),
        ("passed as a word", {7: True}),
        ("no hash of its pictures", {10: b""}),
    ],
)
def test_a_certificate_that_cannot_be_is_refused(what: str, changed: dict[int, Any]) -> None:
    with pytest.raises(MalformedError):
        assert Acceptance.from_value({**ACCEPTANCE.to_value(), **changed}), what


def test_a_certificate_may_fail_below_its_limit() -> None:
    """Too few frames, or another machine than the one that counts now: it is the box's word that says no."""
    failed = replace(ACCEPTANCE, passed=False)
    assert Acceptance.from_value(failed.to_value()) == failed


def with_doubts(change: Callable[[dict[int, Any]], None]) -> dict[int, Any]:
    value = CROSSINGS.to_value()
    change(value)
    return value


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("sources without doubts", lambda value: value.pop(11)),
        ("doubts without sources", lambda value: value.pop(10)),
        ("sources and doubts that say nothing", lambda value: value.update({10: []})),
        ("a source that is not named", lambda value: value.update({11: [[4, 0]]})),
        ("fewer doubts than crossings", lambda value: value.update({11: []})),
        ("more doubts than crossings", lambda value: value.update({11: [[1, 0]] * 2})),
        ("fewer than no uncertain items", lambda value: value.update({11: [[1, -1]]})),
        ("too many sources", lambda value: value.update({10: [["a", b""]] * 16})),
        ("a source of half a hash", lambda value: value.update({10: [["a", bytes(16)]]})),
    ],
)
def test_doubts_that_cannot_be_are_refused(what: str, change: Callable[[dict[int, Any]], None]) -> None:
    with pytest.raises(MalformedError):
        assert Crossings.from_value(with_doubts(change)), what


def test_crossings_without_sources_are_written_as_they_always_were() -> None:
    plain = replace(CROSSINGS, other_sources=[])
    assert list(plain.to_value()) == list(range(10))
    assert Crossings.from_value(plain.to_value()) == plain
