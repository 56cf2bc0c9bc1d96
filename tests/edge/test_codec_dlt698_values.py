from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs.dlt698_data import Reader, read_data
from edge_agent.codecs.dlt698_values import VALUE_LIMIT, value_of
from edge_agent.codecs.errors import FrameError
from edge_agent.config.profiles import OURS, Item, PointKind, Protocol, known_profiles, load_profile
from edge_agent.config.schema import ConfigurationError
from tests.world import dlt698_meter as world


def point(oad: str, *, element: int | None = None, unit: str = "1", decimals: int = 0, scale: int = 1) -> Item:
    gauge = PointKind.GAUGE
    return Item(
        name="point", item=oad, element=element, unit=unit, decimals=decimals, kind=gauge, scale=Fraction(scale)
    )


def value(said: bytes, where: Item) -> int | None:
    return value_of(where)(read_data(Reader(said)))


TARIFFS = world.array(world.u32(123456), world.u32(1), world.u32(0xFFFFFFFF))


@pytest.mark.parametrize(
    ("said", "where", "expected"),
    [
        (TARIFFS, point("00100200", element=1, unit="Wh"), 1_234_560),
        (TARIFFS, point("00100200", element=2, unit="Wh", decimals=1), 100),
        (TARIFFS, point("00100200", element=3, unit="Wh"), None),
        (TARIFFS, point("00100200", element=4, unit="Wh"), None),
        (TARIFFS, point("00100200", unit="Wh"), None),
        (world.u64(123456789), point("00100401", unit="Wh", decimals=1), 123456789),
        (world.u32(123456), point("00100201", unit="Wh"), 1_234_560),
        (world.array(world.u16(2301)), point("20000200", element=1, unit="V", decimals=1), 2301),
        (world.array(world.u16(0xFFFF)), point("20000200", element=1, unit="V", decimals=1), None),
        (world.i32(-4987), point("20010201", unit="A", decimals=3), -4987),
        (world.i32(-4987), point("20010201", unit="mA"), -4987),
        (world.i32(-4987), point("20010201", unit="A", decimals=2, scale=40), -19948),
        (world.i32(-34567), point("20040201", unit="W"), -3457),
        (world.i32(34567), point("20040201", unit="kW", decimals=3), 3457),
        (world.i32(0x7FFFFFFF), point("20040201", unit="W"), None),
        (world.i16(-999), point("200A0201", decimals=3), -999),
        (world.u16(4998), point("200F0200", unit="Hz", decimals=2), 4998),
        (world.NULL, point("200F0200", unit="Hz", decimals=2), None),
        (world.octets("000000000005"), point("40010200"), 5),
        (world.octets("0000000000A5"), point("40010200"), None),
        (world.octets("99" * 9), point("40010200"), None),
        (world.visible("123"), point("41030200"), 123),
        (world.visible("SGCM"), point("41030200"), None),
        (world.date_time_s(2024, 2, 29, 8, 0, 0), point("40000200", unit="s"), 1_709_164_800),
        (b"\x1c" + b"\xff" * 7, point("40000200", unit="s"), None),
        (world.count_of(42, 60), point("30110700"), 42),
        (world.count_of(42, 60), point("30110700", element=1), 42),
        (world.count_of(42, 60), point("30110700", element=2), None),
        (world.structure(world.NULL, world.structure(world.u32(2), world.u32(3))), point("30110701"), 2),
        (world.array(), point("30110700"), None),
        (world.u32(5), point("30110700"), None),
        (world.array(world.NULL), point("30110700"), None),
        (
            world.array(*[world.structure(world.u8(at), world.structure(world.u32(at))) for at in (1, 2)]),
            point("30110700"),
            3,
        ),
        (world.u16(77), point("F1230200", unit="raw", decimals=2), 77),
        (bytes.fromhex("173FC00000"), point("F1230200", unit="raw"), 2),
        (bytes.fromhex("177FC00000"), point("F1230200", unit="raw"), None),
    ],
)
def test_what_a_meter_says_becomes_the_point_s_integer(said: bytes, where: Item, expected: int | None) -> None:
    assert value(said, where) == expected


@pytest.mark.parametrize(("oad", "unit"), [("20000200", "A"), ("00100200", "W"), ("40000200", "h")])
def test_a_unit_that_does_not_fit_the_object_is_refused(oad: str, unit: str) -> None:
    with pytest.raises(ValueError, match=f"not in {unit}"):
        value_of(point(oad, unit=unit))


def test_a_profile_whose_unit_does_not_fit_is_complained_of(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    head = 'id = "mine"\nprotocol = "dlt698.45"\nvendor = "v"\nmodel = "m"\nsource = ["s"]\n[[point]]\nname = "u"\n'
    file.write_text(head + 'oad = "20000201"\nunit = "A"\ndecimals = 1\nkind = "gauge"\n')
    with pytest.raises(ConfigurationError, match="20000201 is voltage in V, not in A"):
        load_profile(file)


def test_every_point_of_our_profiles_fits_its_object() -> None:
    ours = [load_profile(file) for file in known_profiles(None).values() if file.parent == OURS]
    points = [each for profile in ours if profile.protocol is Protocol.DLT698_45 for each in profile.points]
    assert len(points) > 40
    for each in points:
        assert isinstance(each, Item)
        value_of(each)


OADS = ("00100200", "30110700", "40000200", "F0000200")


@given(
    said=st.binary(max_size=60),
    element=st.none() | st.integers(1, 64),
    oad=st.sampled_from(OADS),
)
def test_whatever_a_meter_says_is_a_value_or_none(said: bytes, element: int | None, oad: str) -> None:
    where = point(oad, element=element, unit="raw")
    try:
        data = read_data(Reader(said))
    except FrameError:
        return
    found = value_of(where)(data)
    assert found is None or -VALUE_LIMIT < found < VALUE_LIMIT
