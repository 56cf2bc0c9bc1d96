import ast
import contextlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs import dlt645, dlt645_1997, dlt645_2007, dlt645_frame, dlt645_items
from edge_agent.codecs.dlt645 import describe, describe_1997, describe_2007, item_of
from edge_agent.codecs.dlt645_frame import (
    INPUT_LIMIT,
    Asking,
    Edition,
    Frame,
    frames_in,
    parse,
    read,
    read_address,
    read_more,
)
from edge_agent.codecs.errors import FrameError, FrameFault
from tests.world.dlt645_frames import bcd, di, sealed

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
METER = "201000000012"


def vectors(family: str) -> list[Any]:
    file = VECTORS / f"{family}.json"
    if not file.exists():
        return [pytest.param({}, marks=pytest.mark.skip(f"no {file}: published frames lie beside the project"))]
    cases: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=case["id"]) for case in cases]


@pytest.mark.parametrize("case", vectors("dlt645_2007"))
def test_published_frames_of_2007_say_what_their_sources_say(case: dict[str, Any]) -> None:
    check(case, Edition.E2007)


@pytest.mark.parametrize("case", vectors("dlt645_1997"))
def test_published_frames_of_1997_say_what_their_sources_say(case: dict[str, Any]) -> None:
    check(case, Edition.E1997)


def check(case: dict[str, Any], edition: Edition) -> None:
    octets = bytes.fromhex(case["hex"])
    if "expect_error" in case:
        with pytest.raises(FrameError) as wrong:
            describe(octets, edition)
        assert wrong.value.fault.value == case["expect_error"]
        return
    said = describe(octets, edition)
    assert {key: said.get(key) for key in case["expect"]} == case["expect"]
    assert json.loads(json.dumps(said)) == said


# What the standards say


def answer(name: str, data: bytes) -> dict[str, Any]:
    """What the one who reads `name` is told."""
    edition, control = (Edition.E2007, 0x91) if len(name) == 8 else (Edition.E1997, 0x81)
    return describe(sealed(METER, control, di(name) + data), edition)


ENERGY = [bcd(value, 4) for value in ("1234.56", "0.00", "1000.00", "200.06", "34.50")]

SAYINGS = [
    ("00000000", bcd("-7502.64", 4), "active_energy", "kWh", "-7502.64"),
    ("00010000", bcd("987654.32", 4), "active_energy", "kWh", "987654.32"),
    ("00010300", bcd("7.00", 4), "active_energy", "kWh", "7.00"),
    ("00010001", bcd("12.00", 4), "active_energy", "kWh", "12.00"),
    ("00020000", bcd("0.01", 4), "active_energy", "kWh", "0.01"),
    ("00030000", bcd("-0.50", 4), "reactive_energy", "kvarh", "-0.50"),
    ("00080000", bcd("3.00", 4), "reactive_energy", "kvarh", "3.00"),
    ("00090000", bcd("5.00", 4), "apparent_energy", "kVAh", "5.00"),
    ("00150000", bcd("9.00", 4), "active_energy", "kWh", "9.00"),
    ("00810000", bcd("1.00", 4), "active_energy", "kWh", "1.00"),
    ("00900200", bcd("99.50", 4), "remaining_amount", "yuan", "99.50"),
    ("02010200", bcd("229.9", 2), "voltage", "V", "229.9"),
    ("02020100", bcd("-4.999", 3), "current", "A", "-4.999"),
    ("02030000", bcd("-79.9999", 3), "active_power", "kW", "-79.9999"),
    ("02030000", b"\x00\x00\x80", "active_power", "kW", "0.0000"),
    ("02040100", bcd("0.1234", 3), "reactive_power", "kvar", "0.1234"),
    ("02050300", bcd("1.0000", 3), "apparent_power", "kVA", "1.0000"),
    ("02060000", bcd("-0.987", 2), "power_factor", "", "-0.987"),
    ("02070100", bcd("120.0", 2), "phase_angle", "deg", "120.0"),
    ("02080100", bcd("1.25", 2), "voltage_distortion", "%", "1.25"),
    ("020A0103", bcd("0.75", 2), "voltage_harmonic", "%", "0.75"),
    ("02800001", bcd("0.010", 3), "neutral_current", "A", "0.010"),
    ("02800002", bcd("49.98", 2), "frequency", "Hz", "49.98"),
    ("02800007", bcd("-10.5", 2), "meter_temperature", "degC", "-10.5"),
    ("02800008", bcd("3.65", 2), "clock_battery_voltage", "V", "3.65"),
    ("0280000A", bcd(1234, 4), "battery_work_time", "min", 1234),
    ("03110000", bcd(17, 3), "power_off_count", "", 17),
    ("03300000", bcd(3, 3), "programming_count", "", 3),
    ("03300100", bcd(1, 3), "meter_clear_count", "", 1),
    ("03300300", bcd(2, 3), "event_clear_count", "", 2),
    ("03300400", bcd(40, 3), "clock_set_count", "", 40),
    ("03300D00", bcd(5, 3), "cover_open_count", "", 5),
    ("03300E00", bcd(6, 3), "terminal_cover_open_count", "", 6),
    ("03350000", bcd(7, 3), "magnetic_interference_count", "", 7),
    ("1D000001", bcd(8, 3), "trip_count", "", 8),
    ("1E000001", bcd(9, 3), "close_count", "", 9),
    ("04000102", bytes.fromhex("593023"), "time", None, "23:30:59"),
    ("0400010C", bytes.fromhex("595923 05 311227"), "date_time", None, "2027-12-31T23:59:59"),
    ("04000401", bytes.fromhex("120000001020"), "comm_address", None, METER),
    ("04000402", bytes.fromhex("010000000000"), "meter_number", None, "000000000001"),
    ("04000403", b"31000000ZJ".ljust(32, b"\0"), "asset_code", None, "JZ00000013"),
    ("0400040B", b"1 MSTD".ljust(10), "meter_model", None, "DTSM 1"),
    ("04000409", bcd(1600, 3), "meter_constant_active", "imp/kWh", 1600),
    ("04000306", bcd(40, 3), "current_transformer_ratio", "", 40),
    ("04000501", b"\x34\x12", "status_word_1", None, "1234"),
    ("9110", bcd("8.01", 4), "reactive_energy", "kvarh", "8.01"),
    ("9412", bcd("8.02", 4), "active_energy", "kWh", "8.02"),
    ("9820", bcd("8.03", 4), "active_energy", "kWh", "8.03"),
    ("9160", bcd("8.04", 4), "reactive_energy", "kvarh", "8.04"),
    ("A010", bcd("1.2345", 3), "max_active_demand", "kW", "1.2345"),
    ("B010", bytes.fromhex("30 12 31 10"), "max_active_demand_time", None, "10-31T12:30"),
    ("B611", bcd(231, 2), "voltage", "V", "231"),
    ("B622", bcd("12.34", 2), "current", "A", "12.34"),
    ("B630", bcd("1.2345", 3), "active_power", "kW", "1.2345"),
    ("B640", bcd("3.21", 2), "reactive_power", "kvar", "3.21"),
    ("B650", bcd("0.950", 2), "power_factor", "", "0.950"),
    ("B212", bcd(12, 2), "programming_count", "", 12),
    ("B310", bcd(13, 2), "phase_loss_count", "", 13),
    ("C032", bytes.fromhex("120000001020"), "meter_number", None, METER),
    ("C119", bcd("12.5", 4), "active_energy_at_start", "kWh", "12.5"),
]


@pytest.mark.parametrize(("name", "data", "item", "unit", "value"), SAYINGS)
def test_an_item_has_its_name_its_unit_and_its_exact_value(
    name: str, data: bytes, item: str, unit: str | None, value: str | int | None
) -> None:
    said = answer(name, data)
    assert (said["di"], said["item"], said.get("unit")) == (name, item, unit)
    assert said["value"] == value


def test_a_block_is_a_list_total_first_then_the_tariffs() -> None:
    said = answer("0001FF00", b"".join(ENERGY))
    assert said["values"] == ["1234.56", "0.00", "1000.00", "200.06", "34.50"]
    assert "value" not in said
    assert answer("0203FF00", bcd("1.0000", 3) * 4)["values"] == ["1.0000"] * 4
    assert answer("B61F", bcd(220, 2) * 3)["values"] == ["220"] * 3


def test_a_block_of_1997_may_end_with_its_separator() -> None:
    assert answer("901F", b"".join(ENERGY) + b"\xaa")["values"] == answer("901F", b"".join(ENERGY))["values"]


def test_every_item_of_2007_has_a_name_of_its_own() -> None:
    names = [f"00{di2:02X}{di1}{di0}" for di2 in range(256) for di1 in ("00", "3F", "FF") for di0 in ("00", "0C", "FF")]
    items = [item_of(Edition.E2007, name) for name in names]
    known = [item.name for item in items if item]
    assert len(known) == len(set(known)) == 9 * (11 + 7 + 3 * (10 + 7))


def test_all_ff_is_no_value() -> None:
    assert answer("02010100", b"\xff\xff")["value"] is None
    assert answer("04000101", b"\xff" * 4) == answer("04000101", b"\xff" * 4) | {"value": None}
    assert answer("0201FF00", bcd("220.0", 2) + b"\xff" * 4)["values"] == ["220.0", None, None]


@pytest.mark.parametrize("data", [b"\x0a\x22", b"\xa0\x22", b"\x00\x2f", b"\xff\x22"])
def test_a_half_byte_beyond_nine_is_refused(data: bytes) -> None:
    refused(sealed(METER, 0x91, di("02010100") + data), FrameFault.BCD)


def test_a_demand_says_when_it_was_reached() -> None:
    said = answer("01010000", bcd("0.5006", 3) + bytes.fromhex("30 12 01 10 26"))
    assert (said["item"], said["unit"], said["value"], said["at"]) == (
        "max_active_demand",
        "kW",
        "0.5006",
        "2026-10-01T12:30",
    )
    block = answer("0101FF00", 2 * (bcd("0.5006", 3) + bytes(5)))
    assert (block["values"], block["at"]) == (["0.5006"] * 2, [None] * 2)


def test_witnesses_say_when_and_by_whom() -> None:
    began, ended = bytes.fromhex("000010 010126"), bytes.fromhex("000511 010126")
    power_off = answer("03110001", began + ended)
    assert (power_off["value"], power_off["ended"]) == ("2026-01-01T10:00:00", "2026-01-01T11:05:00")
    assert answer("03110001", bytes(12))["value"] is None
    cover = answer("03300D01", began + ended + bytes(48))
    assert (cover["item"], cover["name"], cover["rest"]) == ("last_cover_open", "last_cover_open_1", "00" * 48)
    clock = answer("03300401", bytes.fromhex("01000000") + began + ended)
    assert (clock["operator"], clock["value"], clock["after"]) == (
        "00000001",
        "2026-01-01T10:00:00",
        "2026-01-01T11:05:00",
    )
    loss = answer("030B0000", (bcd(3, 3) + bcd(90, 3)) + bytes(12))
    assert (loss["item"], loss["values"], loss["minutes"]) == ("current_loss_count", [3, 0, 0], [90, 0, 0])
    unbalance = answer("030A0000", bcd(3, 3) + bcd(90, 3))
    assert (unbalance["value"], unbalance["minutes"]) == (3, 90)


def test_a_frozen_day_has_its_energies() -> None:
    said = answer("05060101", b"".join(ENERGY))
    assert (said["item"], said["name"]) == ("active_energy", "daily_frozen_forward_active_energy_1")
    assert said["values"][0] == "1234.56"
    assert answer("05060001", bytes.fromhex("00 00 01 10 26"))["value"] == "2026-10-01T00:00"


@pytest.mark.parametrize("found", ["00011326", "00320126", "00300226"])
def test_a_day_that_does_not_exist_is_refused(found: str) -> None:
    refused(sealed(METER, 0x91, di("04000101") + bytes.fromhex(found)), FrameFault.VALUE)
    refused(sealed(METER, 0x91, di("04000102") + bytes.fromhex("000024")), FrameFault.VALUE)


def test_an_unknown_item_keeps_its_bytes() -> None:
    said = answer("0E112233", b"\x01\x0a")
    assert said["data"] == "010a"
    assert "value" not in said
    assert "item" not in said


@pytest.mark.parametrize(
    ("name", "size"), [("02010100", 3), ("02010100", 0), ("0201FF00", 3), ("00010000", 8), ("B611", 4), ("0001FF00", 0)]
)
def test_an_answer_with_too_few_or_too_many_bytes_is_refused(name: str, size: int) -> None:
    edition, control = (Edition.E2007, 0x91) if len(name) == 8 else (Edition.E1997, 0x81)
    refused(sealed(METER, control, di(name) + bytes(size)), FrameFault.LENGTH, edition)


def test_an_answer_in_several_frames_is_numbered() -> None:
    first = describe_2007(sealed(METER, 0xB1, di("0001FF00") + ENERGY[0] + ENERGY[1][:2]))
    assert (first["more_follows"], first["function"], first["data"]) == (True, "read", "563412000000")
    assert "values" not in first
    second = describe_2007(sealed(METER, 0xB2, di("0001FF00") + ENERGY[1] + ENERGY[2] + b"\x01"))
    assert (second["sequence"], second["values"]) == (1, ["0.00", "1000.00"])
    assert (second["function"], second["more_follows"]) == ("read_more", True)
    last = describe_2007(sealed(METER, 0x92, di("0001FF00") + ENERGY[3] + b"\x02"))
    assert (last["sequence"], last["more_follows"], last["values"]) == (2, False, ["200.06"])
    older = describe_1997(sealed(METER, 0xA1, di("901F") + ENERGY[0]))
    assert (older["more_follows"], older["values"]) == (True, ["1234.56"])
    assert describe_1997(sealed(METER, 0x82, di("901F") + ENERGY[0]))["function"] == "read_more"
    asked = describe_2007(read_more(Edition.E2007, METER, "0001FF00", 2))
    assert (asked["function"], asked["di"], asked["sequence"]) == ("read_more", "0001FF00", 2)


@pytest.mark.parametrize(
    ("edition", "error", "flags"),
    [
        (Edition.E2007, 0x01, ["other_error"]),
        (Edition.E2007, 0x02, ["no_requested_data"]),
        (Edition.E2007, 0x04, ["bad_password_or_unauthorised"]),
        (Edition.E2007, 0x08, ["baud_not_changeable"]),
        (Edition.E2007, 0x70, ["too_many_zones", "too_many_day_periods", "too_many_tariffs"]),
        (Edition.E2007, 0x00, []),
        (Edition.E1997, 0x03, ["illegal_data", "bad_data_identifier"]),
    ],
)
def test_a_refusal_names_its_reasons(edition: Edition, error: int, flags: list[str]) -> None:
    said = describe(sealed(METER, 0xD1 if edition is Edition.E2007 else 0xC1, bytes((error,))), edition)
    assert (said["error"], said["error_byte"], said["error_flags"]) == (True, f"{error:02X}", flags)


def test_overheard_requests_that_write_are_named_and_their_passwords_are_not_told() -> None:
    secret = b"\x02\x99\x88\x77"
    write = describe_2007(sealed(METER, 0x14, di("04000101") + secret + b"\x01\x00\x00\x00" + b"\x01\x11\x01\x16"))
    assert (write["function"], write["di"], write["data"]) == ("write", "04000101", "01110116")
    older = describe_1997(sealed(METER, 0x04, di("C010") + secret + b"\x01\x11\x01\x16"))
    assert (older["function"], older["di"], older["data"]) == ("write", "C010", "01110116")
    for control in (0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C):
        overheard = describe_2007(sealed(METER, control, secret * 3))
        assert secret.hex() not in json.dumps(overheard)
    clock = describe_2007(sealed("999999999999", 0x08, bytes.fromhex("000010010126")))
    assert (clock["function"], clock["value"]) == ("broadcast_time", "2026-01-01T10:00:00")
    assert describe_2007(sealed(METER, 0x94))["function"] == "write"
    set_address = describe_2007(sealed("AAAAAAAAAAAA", 0x15, bytes.fromhex("120000001020")))
    assert (set_address["function"], set_address["value_address"]) == ("write_address", METER)


@pytest.mark.parametrize(("edition", "control"), [(Edition.E2007, 0x81), (Edition.E1997, 0x91), (Edition.E2007, 0x1F)])
def test_a_control_code_that_an_edition_does_not_have_is_refused(edition: Edition, control: int) -> None:
    refused(sealed(METER, control, bytes(8)), FrameFault.CONTROL, edition)


# Frames on a real line

GOOD = sealed(METER, 0x91, di("02010100") + bcd("220.5", 2))


@pytest.mark.parametrize(
    ("octets", "wakes"),
    [
        (GOOD, 0),
        (b"\xfe" * 4 + GOOD, 4),
        (b"\xfe" * 11 + GOOD, 11),
        (b"\0" + GOOD + b"\0\0", 0),
        (b"\0\xfe\xfe" + GOOD + b"\0", 2),
        (b"\x68" + GOOD, 0),
        (b"\xfe\x68" + GOOD + b"\0", 1),
    ],
)
def test_waking_bytes_zeros_around_and_a_doubled_start_do_no_harm(octets: bytes, wakes: int) -> None:
    said = describe_2007(octets)
    assert (said["preamble"], said["address"]) == (wakes, METER)
    assert said["value"] == "220.5"
    assert [(frame.address, found) for frame, found in frames_in(b"\x12\x68" + octets + b"\x68\x01")] == [(METER, GOOD)]


def test_an_address_that_begins_with_a_start_byte_is_no_doubled_start() -> None:
    for address in ("000000000068", "000000006868", "680000000068", "686868686868"):
        octets = sealed(address, 0x91, di("02010100") + bcd("220.5", 2))
        assert describe_2007(octets)["address"] == address
        assert describe_2007(b"\x68" + octets)["address"] == address
        assert [frame.address for frame, _ in frames_in(octets)] == [address]


BROKEN = [
    (b"", FrameFault.SHORT),
    (b"\xfe\xfe\0", FrameFault.SHORT),
    (GOOD[:-1], FrameFault.SHORT),
    (GOOD[:9], FrameFault.SHORT),
    (GOOD[:3], FrameFault.SHORT),
    (b"\x01\x03\x02\x00\x01", FrameFault.START),
    (GOOD[:7] + b"\x00" + GOOD[8:], FrameFault.START),
    (GOOD[:-1] + b"\x17", FrameFault.END),
    (GOOD[:-2] + bytes((GOOD[-2] ^ 1,)) + GOOD[-1:], FrameFault.CHECKSUM),
    (GOOD[:9] + bytes((GOOD[9] - 1,)) + GOOD[10:], FrameFault.LENGTH),
    (GOOD + b"\x55", FrameFault.LENGTH),
    (b"\xfe" * (INPUT_LIMIT + 1), FrameFault.LIMIT),
]


@pytest.mark.parametrize(("octets", "fault"), BROKEN)
def test_a_broken_frame_is_refused_with_its_reason(octets: bytes, fault: FrameFault) -> None:
    refused(octets, fault)


def refused(octets: bytes, fault: FrameFault, edition: Edition = Edition.E2007) -> None:
    with pytest.raises(FrameError) as wrong:
        describe(octets, edition)
    assert wrong.value.fault is fault


# It can only read


ADDRESSES = st.one_of(st.just("AAAAAAAAAAAA"), st.text("0123456789", min_size=12, max_size=12))
HEX = "0123456789ABCDEF"


@given(address=ADDRESSES, edition=st.sampled_from(Edition), sequence=st.integers(1, 255), chance=st.data())
def test_every_request_reads_exactly_what_was_asked(
    address: str, edition: Edition, sequence: int, chance: st.DataObject
) -> None:
    size = 2 * edition.di_bytes
    name = chance.draw(st.text(HEX, min_size=size, max_size=size))
    new = edition is Edition.E2007
    number = bytes((sequence,)) if new else b""
    assert read(edition, address, name) == sealed(address, 0x11 if new else 0x01, di(name), wakes=4)
    assert read_more(edition, address, name, sequence) == sealed(
        address, 0x12 if new else 0x02, di(name) + number, wakes=4
    )
    assert read_address() == sealed("AAAAAAAAAAAA", 0x13, wakes=4)


def test_there_are_five_control_codes_to_send_and_they_read() -> None:
    assert {int(code) for code in Asking} == {0x01, 0x02, 0x11, 0x12, 0x13}


@pytest.mark.parametrize("control", [code for code in range(256) if code not in set(Asking)])
def test_no_request_can_be_built_with_a_control_code_that_does_anything_but_read(control: int) -> None:
    with pytest.raises(ValueError, match="Asking"):
        dlt645_frame._request(control, METER, b"")  # type: ignore[arg-type]


def test_frames_are_built_in_one_place_which_three_questions_use() -> None:
    using = set()
    for module in (dlt645, dlt645_frame, dlt645_items, dlt645_1997, dlt645_2007):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.FunctionDef):
                named = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
                using |= {node.name} if "_request" in named else set()
                assert "Asking" not in named or node.name in {"read", "read_more", "read_address", "_request"}
                assert "OFFSET" not in named or node.name in {"_request", "_sound"}
    assert using == {"read", "read_more", "read_address"}


@pytest.mark.parametrize(
    "address", ["", "12", "00000000000a", "00000000000G", "1234567890123", " 12345678901", "12345678901\n"]
)
def test_what_is_no_address_is_not_asked(address: str) -> None:
    with pytest.raises(FrameError) as wrong:
        read(Edition.E2007, address, "02010100")
    assert wrong.value.fault is FrameFault.ADDRESS


@pytest.mark.parametrize("name", ["", "0201", "0201010G", "020101000", "0201010a"])
def test_what_is_no_data_identifier_is_not_asked(name: str) -> None:
    with pytest.raises(FrameError):
        read(Edition.E2007, METER, name)
    with pytest.raises(FrameError):
        read_more(Edition.E2007, METER, "02010100", 256)


# Noise


@given(octets=st.binary(max_size=300), edition=st.sampled_from(Edition))
def test_noise_is_refused_and_nothing_else_happens(octets: bytes, edition: Edition) -> None:
    with contextlib.suppress(FrameError):
        describe(octets, edition)
    assert all(isinstance(frame, Frame) for frame, _ in frames_in(octets))


@given(
    control=st.integers(0, 255),
    name=st.sampled_from([saying[0] for saying in SAYINGS] + ["0001FF00", "901F", "03300D01", "030B0000", "05060101"]),
    data=st.binary(max_size=200),
    edition=st.sampled_from(Edition),
)
def test_signed_noise_is_described_or_refused(control: int, name: str, data: bytes, edition: Edition) -> None:
    octets = sealed(METER, control, di(name) + data)
    assert parse(octets) == Frame(address=METER, control=control, data=di(name) + data)
    try:
        said = describe(octets, edition)
    except FrameError:
        return
    assert json.loads(json.dumps(said)) == said


@given(at=st.integers(0, 8 * len(GOOD) - 1))
def test_one_flipped_bit_is_always_noticed(at: int) -> None:
    flipped = bytearray(GOOD)
    flipped[at // 8] ^= 1 << at % 8
    with pytest.raises(FrameError):
        parse(bytes(flipped))
    assert not list(frames_in(bytes(flipped)))


@given(value=st.integers(-799_999, 799_999))
def test_a_value_comes_back_exactly(value: int) -> None:
    written = f"{value / 10_000:.4f}"
    said = answer("02030000", bcd(written, 3))
    assert said["value"] == (written if value else "0.0000")


@given(noise=st.binary(max_size=60), tail=st.binary(max_size=60), wakes=st.integers(0, 6))
def test_a_sound_frame_is_found_in_any_noise(noise: bytes, tail: bytes, wakes: int) -> None:
    heard = noise + b"\xfe" * wakes + GOOD + tail
    assert GOOD in [octets for _, octets in frames_in(heard)]
