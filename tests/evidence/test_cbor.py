"""One value, one encoding; and nothing but values."""

from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.errors import MalformedError
from tests.evidence import strategies as some

small_keys = st.integers(-24, 23)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=30), st.text(max_size=30), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(small_keys, inner, max_size=5),
        st.dictionaries(st.text(max_size=30), inner, max_size=5),
    ),
    max_leaves=30,
)


@given(values)
def test_what_is_encoded_decodes_to_the_same(value: object) -> None:
    assert cbor.decode(cbor.encode(value), at_most=1 << 20) == value


@given(st.binary(max_size=60))
def test_whatever_decodes_encodes_to_the_same_bytes(encoded: bytes) -> None:
    try:
        value = cbor.decode(encoded, at_most=60)
    except MalformedError:
        return
    assert cbor.encode(value) == encoded


@given(st.lists(values, max_size=5))
def test_a_sequence_is_cut_exactly_between_its_items(items: list[Any]) -> None:
    encoded = [cbor.encode(item) for item in items]
    assert list(cbor.split_sequence(b"".join(encoded))) == encoded


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_a_sequence_that_is_cut_off_says_so_and_keeps_what_came_before(items: list[Any], data: st.DataObject) -> None:
    encoded = [cbor.encode(item) for item in items]
    cut = data.draw(st.integers(1, len(encoded[-1])))
    found: list[bytes] = []
    if cut < len(encoded[-1]):
        with pytest.raises(MalformedError):
            found.extend(cbor.split_sequence(b"".join(encoded)[:-cut]))
    else:
        found.extend(cbor.split_sequence(b"".join(encoded)[:-cut]))
    assert found in ([], encoded[:-1])


@given(st.binary(max_size=40))
def test_splitting_noise_ends(noise: bytes) -> None:
    with suppress(MalformedError):
        assert b"".join(cbor.split_sequence(noise)) == noise


def test_maps_are_sorted_by_their_encoded_keys() -> None:
    assert cbor.encode({-1: 0, 3: 0, 1: 0}).hex() == "a30100030020" + "00"
    assert cbor.encode({"b": 0, "aa": 0, "a": 0}) == b"\xa3\x61a\x00\x61b\x00\x62aa\x00"
    for unsorted in ("a3200003000100", "a261620061610" + "0"):
        with pytest.raises(MalformedError):
            cbor.decode(bytes.fromhex(unsorted), at_most=100)


@pytest.mark.parametrize("value", [{24: 0, -1: 0}, {24: 0}, {-25: 0}, {1000: 0}])
def test_integer_keys_stay_where_both_ways_to_sort_agree(value: object) -> None:
    with pytest.raises(MalformedError):
        cbor.decode(cbor2.dumps(value, canonical=True), at_most=100)


def test_no_more_bytes_are_read_than_allowed() -> None:
    with pytest.raises(MalformedError, match="at most 3"):
        cbor.decode(b"\x83\x01\x02\x03", at_most=3)


def test_every_kind_of_number_that_is_no_integer_is_refused() -> None:
    for encoded in ("f4", "f5", "f7", "e0", "f820", "f90000", "fa00000000", "fb0000000000000000", "f97e00"):
        with pytest.raises(MalformedError):
            cbor.decode(bytes.fromhex(encoded), at_most=100)
        with pytest.raises(MalformedError):
            cbor.decode(b"\x81" + bytes.fromhex(encoded), at_most=100)


@given(some.settings_maps)
def test_settings_have_one_encoding_whatever_order_they_are_in(settings: dict[str, Any]) -> None:
    turned = dict(reversed(list(settings.items())))
    assert cbor.encode(turned) == cbor.encode(settings)
