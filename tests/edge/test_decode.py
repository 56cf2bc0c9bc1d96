import json
import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.profiles import (
    OURS,
    ByteOrder,
    Function,
    Limits,
    PointType,
    Register,
    WordOrder,
    load_profile,
    registers_of,
)
from edge_agent.drivers.modbus import Answer, _judged, find_rtu, question
from edge_agent.drivers.modbus_plan import plan_of
from edge_agent.drivers.modbus_values import VALUE_LIMIT, decoder_of, value_of
from tests.world.buses import point, rtu

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "modbus_rtu.json"

NUMBERS = {
    PointType.UINT16: st.integers(0, 0xFFFF),
    PointType.INT16: st.integers(-0x8000, 0x7FFF),
    PointType.UINT32: st.integers(0, 0xFFFFFFFF),
    PointType.INT32: st.integers(-0x80000000, 0x7FFFFFFF),
    PointType.UINT64: st.integers(0, (1 << 64) - 1),
    PointType.INT64: st.integers(-(1 << 63), (1 << 63) - 1),
    PointType.FLOAT32: st.floats(width=32),
    PointType.FLOAT64: st.floats(),
    PointType.BCD16: st.integers(0, 9999).map(lambda number: int(str(number), 16)),
    PointType.BCD32: st.integers(0, 99_999_999).map(lambda number: int(str(number), 16)),
    PointType.BITFIELD: st.integers(0, 0xFFFF),
}
SCALES = st.sampled_from(
    [Fraction(1), Fraction(1, 10), Fraction(1, 1000), Fraction(1000), Fraction(-1), Fraction(1, 3)]
)


def on_the_wire(at: Register, number: float) -> bytes:
    octets = struct.pack(f">{at.type.format}", number)
    words = [octets[start : start + 2] for start in range(0, len(octets), 2)]
    words = [word[::-1] if at.byte_order is ByteOrder.LOW_FIRST else word for word in words]
    return b"".join(reversed(words) if at.word_order is WordOrder.LOW_FIRST else words)


def meant(at: Register, number: float) -> float:
    """The number that a raw one stands for."""
    if at.bits is not None:
        kept = f"{int(number):016b}"[::-1][at.bits[0] : at.bits[1] + 1]
        return int(kept[::-1], 2)
    return int(f"{int(number):x}") if at.type.is_bcd else number


def decode(points: list[Register], values: bytes) -> list[int | None]:
    plan = plan_of(points, Limits())
    (block,) = plan.blocks
    return list(decoder_of(plan, block)(values))


@st.composite
def a_point_and_its_number(draw: st.DrawFn) -> tuple[Register, float]:
    kind = draw(st.sampled_from(PointType))
    bits = sorted(draw(st.lists(st.integers(0, 15), min_size=2, max_size=2)))
    at = point(
        "p",
        0,
        kind,
        word_order=draw(st.sampled_from(WordOrder)),
        byte_order=draw(st.sampled_from(ByteOrder)),
        bits=(bits[0], bits[1]) if kind is PointType.BITFIELD and draw(st.booleans()) else None,
        scale=draw(SCALES),
        decimals=draw(st.integers(0, 4)),
    )
    return at, draw(NUMBERS[kind])


@given(drawn=st.lists(a_point_and_its_number(), min_size=1, max_size=12), gaps=st.lists(st.integers(0, 3)))
def test_every_type_in_every_order_comes_out_as_it_went_in(
    drawn: list[tuple[Register, float]], gaps: list[int]
) -> None:
    points, octets, at, wanted = [], b"", 0, []
    for place, (drawn_point, number) in enumerate(drawn):
        gap = gaps[place] if place < len(gaps) and place else 0
        octets += b"\xaa\x55" * gap + on_the_wire(drawn_point, number)
        at += gap
        points.append(
            point(
                f"p{place}",
                at,
                drawn_point.type,
                word_order=drawn_point.word_order,
                byte_order=drawn_point.byte_order,
                bits=drawn_point.bits,
                scale=drawn_point.scale,
                decimals=drawn_point.decimals,
            )
        )
        at += drawn_point.type.registers
        wanted.append(value_of(points[-1], number))
    for found, exact in zip(decode(points, octets), wanted, strict=True):
        if exact is None or found is None:
            assert found == exact or abs(exact or found or 0) >= VALUE_LIMIT - 2
        else:
            assert abs(found - exact) <= max(1, abs(exact) * 2**-51)


@given(drawn=a_point_and_its_number())
def test_a_value_is_the_number_times_its_scale_to_the_nearest(drawn: tuple[Register, float]) -> None:
    at, number = drawn
    value = value_of(at, number)
    if value is None:
        assert not math.isfinite(number) or abs(Fraction(number) * at.scale * 10**at.decimals) >= VALUE_LIMIT - 1
    else:
        assert abs(value - Fraction(meant(at, number)) * at.scale * 10**at.decimals) <= Fraction(1, 2)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 3.4e38, -3.4e38])
def test_a_float_that_is_no_measurement_is_no_value_and_spoils_no_neighbour(number: float) -> None:
    points = [point("bad", 0, PointType.FLOAT32), point("good", 2, PointType.FLOAT32, decimals=1)]
    assert decode(points, struct.pack(">ff", number, 230.2)) == [None, 2302]


def test_a_sentinel_is_no_value_only_for_the_point_that_has_it() -> None:
    points = [point("a", 0, sentinels=frozenset({0xFFFF})), point("b", 1)]
    assert decode(points, b"\xff\xff\xff\xff") == [None, 0xFFFF]


@pytest.mark.parametrize("digits", ["000A", "FFFF", "1F00"])
def test_half_bytes_beyond_9_are_no_value_where_decimal_digits_stand(digits: str) -> None:
    assert decode([point("a", 0, PointType.BCD16), point("b", 1)], bytes.fromhex(digits + "0007")) == [None, 7]


def test_the_bits_of_one_register_are_points_of_their_own() -> None:
    bits = [(0, 0), (1, 1), (4, 7), (15, 15)]
    points = [point(f"b{low}", 3, PointType.BITFIELD, bits=(low, high)) for low, high in bits]
    whole = point("whole", 3, PointType.BITFIELD, sentinels=frozenset({0xFFFF}))
    wide = point("wide", 2, PointType.UINT32)
    assert decode([wide, *points, whole], bytes.fromhex("0001 80A1")) == [0x180A1, 1, 0, 10, 1, 0x80A1]
    assert decode([*points, whole], b"\xff\xff") == [1, 1, 15, 1, None]


@pytest.mark.parametrize(
    ("word_order", "byte_order", "octets"),
    [
        (WordOrder.HIGH_FIRST, ByteOrder.HIGH_FIRST, "43 66 33 34"),
        (WordOrder.LOW_FIRST, ByteOrder.HIGH_FIRST, "33 34 43 66"),
        (WordOrder.HIGH_FIRST, ByteOrder.LOW_FIRST, "66 43 34 33"),
        (WordOrder.LOW_FIRST, ByteOrder.LOW_FIRST, "34 33 66 43"),
    ],
)
def test_a_float_comes_in_any_of_four_orders(word_order: WordOrder, byte_order: ByteOrder, octets: str) -> None:
    at = point("v", 0, PointType.FLOAT32, decimals=1, word_order=word_order, byte_order=byte_order)
    assert decode([at], bytes.fromhex(octets)) == [2302]


def test_wide_integers_with_a_broken_factor_stay_exact() -> None:
    number = (1 << 53) + 1
    at = point("energy", 0, PointType.UINT64, scale=Fraction(1, 1000))
    assert decode([at], struct.pack(">Q", number)) == [9007199254741]
    assert decode([point("energy", 0, PointType.UINT64)], struct.pack(">Q", number)) == [None]


@given(bits=st.lists(st.booleans(), min_size=1, max_size=200))
def test_coils_come_lowest_bit_first(bits: list[bool]) -> None:
    points = [point(f"c{at}", 30 + at, PointType.BITFIELD, function=Function.COILS) for at in range(len(bits))]
    octets = sum(bit << at for at, bit in enumerate(bits)).to_bytes(-(-len(bits) // 8), "little")
    assert decode(points, octets) == [int(bit) for bit in bits]


def vectors() -> list[dict[str, object]]:
    if not VECTORS.exists():
        return []
    cases: list[dict[str, object]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.skipif(not VECTORS.exists(), reason="the captured Modbus frames lie outside the project")
def test_a_captured_pzem_answer_decodes_to_what_its_display_showed() -> None:
    (case,) = [case for case in vectors() if case.get("profile") == "pzem_004t_v3"]
    profile = load_profile(OURS / "pzem_004t_v3.toml")
    plan = plan_of(registers_of(profile.points), profile.limits)
    (block,) = plan.blocks
    what = question(rtu("/dev/null"), 1, block)
    frame = find_rtu(bytes.fromhex(str(case["hex"])), what)
    answer = _judged(what, frame[0], frame[1:-2], (what.adu, frame))
    assert isinstance(answer, Answer)
    values = dict(zip((at.name for at in profile.points), decoder_of(plan, block)(answer.values), strict=True))
    assert values == {
        "voltage": 2257,
        "current": 108,
        "active_power": 244,
        "energy_import": 38,
        "frequency": 5000,
        "power_factor": 1000,
        "alarm": 0,
    }


@pytest.mark.skipif(not VECTORS.exists(), reason="the captured Modbus frames lie outside the project")
@pytest.mark.parametrize("case", vectors(), ids=lambda case: str(case["id"]))
def test_captured_frames_are_found_and_checked(case: dict[str, object]) -> None:
    raw = bytes.fromhex(str(case.get("wire", case["hex"])))
    expect: dict[str, Any] = case.get("expect") or {}  # type: ignore[assignment]
    if case.get("kind") == "request":
        plan = plan_of(
            [point("p", expect["register"], PointType.FLOAT32, function=Function(expect["function"]))], Limits()
        )
        assert question(rtu("/dev/null"), 1, plan.blocks[0]).adu == raw
        return
    floats = expect.get("float32_be", [230.2])
    function = Function(3 if raw[1] == 3 else 4)
    kinds = PointType.UINT16 if "uint16" in expect else PointType.FLOAT32
    count = len(expect.get("uint16", floats))
    points = [point(f"p{at}", at * kinds.registers, kinds, function=function, decimals=4) for at in range(count)]
    (block,) = (plan := plan_of(points, Limits())).blocks
    what = question(rtu("/dev/null"), 1, block)
    frame = find_rtu(raw, what)
    if "expect_error" in case or "nonstandard_bcd_le" in expect or case.get("profile") == "pzem_004t_v3":
        assert frame == b""
    elif case["kind"] == "exception":
        assert (frame[1] & 0x7F, frame[2]) == (expect["function"], expect["exception"])
    else:
        answer = _judged(what, frame[0], frame[1:-2], (what.adu, frame))
        assert isinstance(answer, Answer)
        found = [value / 10000 for value in decoder_of(plan, block)(answer.values) if value is not None]
        assert found == pytest.approx(expect.get("uint16", floats), abs=1e-3)


@pytest.mark.skipif(not VECTORS.exists(), reason="the captured Modbus frames lie outside the project")
def test_four_bytes_to_a_one_register_question_are_no_answer() -> None:
    (block,) = plan_of([point("p", 0)], Limits()).blocks
    odd = [case for case in vectors() if "byte count must be checked" in str(case.get("note"))]
    assert len(odd) == 5
    for case in odd:
        assert find_rtu(bytes.fromhex(str(case["hex"])), question(rtu("/dev/null"), 1, block)) == b""
