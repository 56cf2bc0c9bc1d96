from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs.dlt645 import item_of, single_of
from edge_agent.codecs.dlt645_frame import Edition
from edge_agent.codecs.dlt645_values import VALUE_LIMIT, decoder_of
from edge_agent.codecs.errors import FrameError
from edge_agent.config.points import Item, PointKind
from edge_agent.config.profiles import known_profiles, load_profile
from tests.world.dlt645_frames import bcd

NEW, OLD = Edition.E2007, Edition.E1997


def point(
    item: str,
    unit: str,
    decimals: int,
    element: int | None = None,
    *,
    digits: str | None = None,
    signed: bool = False,
    scale: int = 1,
) -> Item:
    return Item(
        name="p",
        item=item,
        unit=unit,
        decimals=decimals,
        kind=PointKind.GAUGE,
        element=element,
        digits=digits,
        signed=signed,
        scale=Fraction(scale),
    )


VALUES = [
    (point("00010000", "Wh", 0), bcd("123456.78", 4), 123_456_780),
    (point("00010000", "Wh", 1), bcd("0.01", 4), 100),
    (point("00010000", "raw", 2), bcd("0.01", 4), 1),
    (point("02030000", "W", 1), bcd("-1.2345", 3), -12345),
    (point("02030000", "kW", 4), bcd("-1.2345", 3), -12345),
    (point("02030000", "W", 0), bcd("1.2345", 3), 1234),
    (point("02020100", "mA", 0), bcd("1.234", 3), 1234),
    (point("02060000", "1", 3), bcd("-0.987", 2), -987),
    (point("0001FF00", "Wh", 0, 2), bcd("1.00", 4) + bcd("2.00", 4), 2000),
    (point("0001FF00", "Wh", 0, 3), bcd("1.00", 4) + bcd("2.00", 4), None),
    (point("02010100", "V", 1), b"\xff\xff", None),
    (point("0280000A", "s", 0), bcd(2, 4), 120),
    (point("030B0000", "1", 0, 3), (bcd(1, 3) + bcd(5, 3)) * 2 + bcd(7, 3) + bcd(9, 3), 7),
    (point("03110001", "s", 0), bytes(12), None),
    (point("03300401", "s", 0), bytes(4) + bytes.fromhex("000010010126") + bytes.fromhex("000011010126"), 1767232800),
    (point("04000101", "s", 0), bytes.fromhex("04010126"), 1767196800),
    (point("04000102", "s", 0), bytes.fromhex("010100"), 61),
    (point("0400010C", "s", 0), bytes.fromhex("01000004010126"), 1767196801),
    (point("04000402", "1", 0), bytes.fromhex("120000001020"), 201000000012),
    (point("04000501", "1", 0), b"\x34\x12", 0x1234),
    (point("E1000000", "m3", 2, digits="XXXX.XX", signed=True), bcd("-12.34", 3), -1234),
    (point("E1000000", "W", 0, digits="XXXX.XX", scale=1000), bcd("12.34", 3), 12340),
    (point("E1000000", "V", 0, 2, digits="XXX"), bcd(1, 2) + bcd(2, 2), 2),
    (point("00010000", "Wh", 0, scale=40), bcd("1.00", 4), 40_000),
]


@pytest.mark.parametrize(("at", "data", "value"), VALUES)
def test_a_point_has_its_integer(at: Item, data: bytes, value: int | None) -> None:
    assert decoder_of(NEW, [at])(data) == [value]


def test_a_number_larger_than_a_statement_carries_is_no_value() -> None:
    assert decoder_of(NEW, [point("04000402", "1", 9)])(bytes.fromhex("999999999999")) == [None]


@pytest.mark.parametrize(
    ("edition", "block", "element", "single"),
    [
        (NEW, "0201FF00", 1, "02010100"),
        (NEW, "0201FF00", 3, "02010300"),
        (NEW, "0201FF00", 4, None),
        (NEW, "0203FF00", 1, "02030000"),
        (NEW, "0203FF00", 4, "02030300"),
        (NEW, "0001FF00", 1, "00010000"),
        (NEW, "0001FF00", 5, "00010400"),
        (NEW, "0001FF0C", 2, "0001010C"),
        (NEW, "030B0000", 1, None),
        (NEW, "02010100", 1, None),
        (NEW, "0201FF00", 64, None),
        (OLD, "901F", 1, "9010"),
        (OLD, "901F", 15, "901E"),
        (OLD, "901F", 16, None),
        (OLD, "901F", 17, None),
        (OLD, "B61F", 1, "B611"),
        (OLD, "B63F", 1, "B630"),
        (OLD, "9010", 1, None),
    ],
)
def test_an_element_of_a_block_has_a_data_identifier_of_its_own(
    edition: Edition, block: str, element: int, single: str | None
) -> None:
    assert single_of(edition, block, element) == single


@pytest.mark.parametrize("name", [name for name in known_profiles(None) if name.startswith("dlt645_")])
def test_our_profiles_ask_for_what_they_say(name: str) -> None:
    profile = load_profile(known_profiles(None)[name])
    edition = OLD if "1997" in name else NEW
    assert profile.serial
    assert (profile.serial.baud, profile.serial.parity.value) == (1200 if edition is OLD else 2400, "E")
    for each in profile.points:
        assert isinstance(each, Item)
        item = item_of(edition, each.item)
        assert item is not None
        if each.name.endswith("_count"):
            assert each.name == item.kind, each.name


@given(
    name=st.sampled_from([name for name in known_profiles(None) if name.startswith("dlt645_")]),
    data=st.binary(max_size=210),
    chance=st.data(),
)
def test_signed_noise_is_a_value_no_value_or_refused(name: str, data: bytes, chance: st.DataObject) -> None:
    points = load_profile(known_profiles(None)[name]).points
    at = chance.draw(st.sampled_from([each for each in points if isinstance(each, Item)]))
    edition = OLD if "1997" in name else NEW
    item = item_of(edition, at.item)
    assert item
    fitting = (data * 30)[: item.octets * chance.draw(st.integers(1, 6))] if data else b""
    for octets in (data, fitting):
        try:
            found = decoder_of(edition, [at])(octets)
        except FrameError:
            continue
        assert all(value is None or -VALUE_LIMIT < value < VALUE_LIMIT for value in found)
