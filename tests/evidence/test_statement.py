"""What is sealed opens to the same; what was touched, or is well signed nonsense, does not open at all."""

import math
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import cbor, cose
from evidence.bodies import Acceptance, Body, Commissioning, Configuration, Kind, Picture, Stock
from evidence.errors import MalformedError, RefusedError, SignatureError
from evidence.keys import Algorithm, SigningKey
from evidence.statement import AAD, STATEMENT_LIMIT, ClockQuality, Moment, open_statement, peek_box, peek_place, seal
from tests.evidence import strategies as some
from tests.world.notebook import Notebook, payload_of

MOMENT = Moment(boot=bytes(16), steady_ms=1, at_ms=2, clock=ClockQuality.NTP, clock_error_ms=3)
KEY = some.KEYS[Algorithm.ED25519]


def config_for(body: Body) -> bytes:
    if isinstance(body, Configuration):
        return sha256(body.encoded).digest()
    return b"" if isinstance(body, Commissioning) else bytes(32)


def stream_for(body: Body) -> str:
    return "zone/yard" if isinstance(body, Stock | Picture | Acceptance) else "box"


def sign(payload: bytes, key: SigningKey = KEY, aad: bytes = AAD) -> bytes:
    return cose.sign1(key, payload, aad=aad)


def honest() -> dict[int, Any]:
    """A payload with everything in it, to be spoilt."""
    notebook = Notebook(key=KEY)
    page = notebook.minutes("machine/lathe", [[5_000_000] * 60, [None] * 60, [0] * 60])
    return payload_of(page)


HONEST = honest()
PAGE = sign(cbor.encode(HONEST))


@given(some.keys, some.names, some.ms, some.hashes, some.moments, some.bodies, st.data())
def test_every_body_comes_back_as_it_was_sealed(  # noqa: PLR0917 - hypothesis gives them by place
    key: SigningKey, box: str, n: int, prev: bytes, moment: Moment, body: Body, data: st.DataObject
) -> None:
    prev, stream = prev if n else b"", data.draw(some.streams_for(body))
    page = seal(key, box=box, stream=stream, n=n, prev=prev, moment=moment, config=config_for(body), body=body)
    statement = open_statement(page, some.known(key))
    assert statement.body == body
    assert (statement.box, statement.stream, statement.n, statement.prev) == (box, stream, n, prev)
    assert (statement.moment, statement.key, statement.encoded) == (moment, key.public, page)
    assert statement.sha256 == sha256(page).digest()
    assert peek_place(page) == (box, stream, n)
    assert peek_box(page) == box


@given(some.keys, some.bodies)
def test_the_same_page_is_sealed_to_the_same_payload_whatever_order_its_settings_came_in(
    key: SigningKey, body: Body
) -> None:
    if isinstance(body, Configuration):
        turned = Configuration(settings=dict(reversed(list(body.settings.items()))))
        assert turned.encoded == body.encoded
    page = seal(key, box="b", stream=stream_for(body), n=0, prev=b"", moment=MOMENT, config=config_for(body), body=body)
    assert payload_of(page)[12] == cbor.decode(cbor.encode(body.to_value()), at_most=1 << 20)


@given(st.integers(0, len(PAGE) * 8 - 1))
def test_a_page_with_any_bit_flipped_is_refused(bit: int) -> None:
    spoilt = bytearray(PAGE)
    spoilt[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RefusedError):
        open_statement(bytes(spoilt), some.known(KEY))


@given(st.integers(0, len(PAGE) - 1))
def test_a_page_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(RefusedError):
        open_statement(PAGE[:length], some.known(KEY))


@given(st.binary(min_size=1, max_size=40))
def test_a_page_with_anything_behind_it_is_refused(more: bytes) -> None:
    with pytest.raises(RefusedError):
        open_statement(PAGE + more, some.known(KEY))


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(RefusedError):
        open_statement(noise, some.known(KEY))


@given(st.binary(max_size=300))
def test_signed_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(RefusedError):
        open_statement(sign(noise), some.known(KEY))


FOREIGN: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(True, False, None, 0.0, 1.0, -0.0, math.nan, math.inf),
        *(1 << 64, -(1 << 64) - 1, 1 << 53, -1, cbor2.undefined, cbor2.CBORSimpleValue(3)),
        *("", b"", [], {}, [[]], {1: 2, "a": 3}, {-1: 0}, {None: 1}),
        *("a" * 300, bytes(33), "\n", "\u00e9\x00"),
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """Every place in a payload."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            found += places(inner, (*path, i))
    return found


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:  # noqa: ANN401
    if not path:
        return by
    if isinstance(value, dict):
        return {k: replaced(v, path[1:], by) if k == path[0] else v for k, v in value.items()}
    return [replaced(v, path[1:], by) if i == path[0] else v for i, v in enumerate(value)]


@settings(max_examples=400)
@given(st.sampled_from(places(HONEST)), FOREIGN)
def test_signed_nonsense_in_any_place_is_refused_or_means_exactly_what_was_signed(
    path: tuple[Any, ...], foreign: object
) -> None:
    payload = cbor2.dumps(replaced(HONEST, path, foreign))
    try:
        statement = open_statement(sign(payload), some.known(KEY))
    except RefusedError:
        return
    assert not isinstance(foreign, float | bool)
    again = statement.body.to_value()
    assert cbor.encode(again) in payload


@given(some.bodies, st.data())
def test_signed_nonsense_in_any_kind_of_body_is_refused_or_means_exactly_what_was_signed(
    body: Body, data: st.DataObject
) -> None:
    page = seal(KEY, box="b", stream=stream_for(body), n=0, prev=b"", moment=MOMENT, config=config_for(body), body=body)
    honest = payload_of(page)
    spoilt = replaced(honest, data.draw(st.sampled_from(places(honest))), data.draw(FOREIGN))
    payload = cbor2.dumps(spoilt)
    try:
        statement = open_statement(sign(payload), some.known(KEY))
    except RefusedError:
        return
    assert cbor.encode(statement.body.to_value()) in payload


@pytest.mark.parametrize("key", [True, 1.0, -1, "1", 13, b"1"])
def test_a_key_of_another_type_is_refused_even_where_python_calls_it_equal(key: object) -> None:
    payload = {key if k == 1 else k: v for k, v in HONEST.items()}
    body = {key if k == 1 else k: v for k, v in HONEST[12].items()}
    for spoilt in (payload, HONEST | {12: body}):
        with pytest.raises(MalformedError):
            open_statement(sign(cbor2.dumps(spoilt)), some.known(KEY))


def raw(*items: bytes) -> bytes:
    return b"".join(items)


PAYLOAD = cbor.encode(HONEST)


@pytest.mark.parametrize(
    ("what", "payload"),
    [
        ("a duplicate key", raw(b"\xae", PAYLOAD[1:3], PAYLOAD[1:])),
        ("unsorted keys", cbor2.dumps(dict(reversed(HONEST.items())))),
        ("a number longer than needed", raw(b"\xad\x00\x18\x01", PAYLOAD[3:])),
        ("a map head longer than needed", raw(b"\xb8\x0d", PAYLOAD[1:])),
        ("a map of indefinite length", raw(b"\xbf", PAYLOAD[1:], b"\xff")),
        ("a text of indefinite length", PAYLOAD.replace(b"\x67press-1", b"\x7f\x67press-1\xff")),
        ("trailing bytes", PAYLOAD + b"\x00"),
        ("a second payload behind", PAYLOAD * 2),
        ("a tag before it", b"\xd9\xd9\xf7" + PAYLOAD),
        ("a bignum", PAYLOAD.replace(b"\x00\x01\x01\x67", b"\x00\xc2\x41\x01\x01\x67")),
        ("a negative bignum", raw(b"\xad\x00\xc3\x41\x01", PAYLOAD[3:])),
        ("a shared value", raw(b"\xd8\x1c", PAYLOAD)),
        ("a shared reference", raw(b"\xad\x00\xd8\x1d\x00", PAYLOAD[3:])),
        ("a string reference", raw(b"\xd9\x01\x00\xad\x00\xd8\x19\x00", PAYLOAD[3:])),
        ("a date", raw(b"\xad\x00\xc1\x00", PAYLOAD[3:])),
        ("a set", raw(b"\xad\x00\xd9\x01\x02\x80", PAYLOAD[3:])),
        ("deep nesting", b"\x81" * 5000 + b"\x00"),
        ("deep nesting inside", raw(PAYLOAD[:-1], b"\x81" * 3000, b"\x00")),
        ("a huge array", b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ("a huge byte string", b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff" + bytes(50)),
        ("a huge map", b"\xbb\x00\x00\x00\xff\xff\xff\xff\xff"),
        ("nothing", b""),
        ("a list", b"\x80"),
        ("another version", raw(b"\xad\x00\x02", PAYLOAD[3:])),
        ("text that is not UTF-8", PAYLOAD.replace(b"\x67press-1", b"\x67press-\xff")),
    ],
)
def test_well_signed_but_ill_formed(what: str, payload: bytes) -> None:
    assert payload != PAYLOAD, what
    with pytest.raises(MalformedError):
        open_statement(sign(payload), some.known(KEY))


def test_settings_out_of_order_or_of_other_types_are_refused() -> None:
    body = {0: {"b": 1, "a": 2}}
    good = Configuration(settings={"a": 2, "b": 1})
    head = HONEST | {3: 0, 4: b"", 10: sha256(good.encoded).digest(), 11: int(Kind.CONFIGURATION)}
    open_statement(sign(cbor2.dumps(head | {12: {0: {"a": 2, "b": 1}}})), some.known(KEY))
    for spoilt in (body, {0: {"a": 2, "b": 1.5}}, {0: {"a": True, "b": 1}}, {0: {"a": [{"z": 1, "y": 2}], "b": 1}}):
        with pytest.raises(MalformedError):
            open_statement(sign(cbor2.dumps(head | {12: spoilt})), some.known(KEY))


def test_a_page_longer_than_the_limit_is_neither_sealed_nor_opened() -> None:
    settings_map = {"a": ["x" * 1000] * 40}
    with pytest.raises(MalformedError):
        seal(
            KEY,
            box="b",
            stream="box",
            n=0,
            prev=b"",
            moment=MOMENT,
            config=b"",
            body=Configuration(settings=settings_map),
        )
    with pytest.raises(MalformedError):
        open_statement(sign(bytes(STATEMENT_LIMIT)), some.known(KEY))


def test_a_document_of_another_kind_does_not_pass_for_a_statement() -> None:
    for aad in (b"qianliyan receipt 1", b"qianliyan statement 2", b""):
        with pytest.raises(SignatureError):
            open_statement(sign(PAYLOAD, aad=aad), some.known(KEY))


def test_a_page_by_an_unknown_key_is_refused() -> None:
    with pytest.raises(SignatureError, match="unknown key"):
        open_statement(PAGE, lambda _: None)


def test_a_page_whose_kid_leads_to_another_key_is_refused() -> None:
    other = SigningKey.generate()
    with pytest.raises(RefusedError):
        open_statement(PAGE, lambda _: other.public)


@pytest.mark.parametrize(
    "protected",
    [b"", b"\xa0", b"\xa1\x01\x32", b"\xa2\x01\x26\x04\x48" + KEY.public.kid, b"\xa2\x01\x27\x04\x48" + KEY.public.kid],
)
def test_any_other_protected_header_is_refused_however_well_it_is_signed(protected: bytes) -> None:
    signature = KEY._key.sign(cose.signed_bytes(protected, AAD, PAYLOAD))  # type: ignore[call-arg]
    page = b"\xd2" + cbor.encode([protected, {}, PAYLOAD, signature])
    with pytest.raises(RefusedError):
        open_statement(page, some.known(KEY))


def test_an_unprotected_header_is_refused() -> None:
    _, protected, _, signature = PAGE[:3], PAGE[3:16], PAGE[16], PAGE[-64:]
    page = b"\xd2" + cbor.encode([protected, {1: -19}, PAYLOAD, signature])
    with pytest.raises(RefusedError):
        open_statement(page, some.known(KEY))
