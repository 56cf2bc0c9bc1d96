import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs import dlt698, dlt698_apdu
from edge_agent.codecs.dlt698 import EVERYONE, AddressKind, SegmentKind, Server, describe, frames_in, read_frame
from edge_agent.codecs.dlt698 import request_frame as request
from edge_agent.codecs.dlt698_apdu import Block, Get, GetNext, GetNormal, GetNormalList, encode, read_response
from edge_agent.codecs.dlt698_data import DEPTH_LIMIT, ELEMENTS_LIMIT, Reader, plain, read_data
from edge_agent.codecs.dlt698_items import item_of
from edge_agent.codecs.errors import FrameError, FrameFault
from tests.world import dlt698_meter as world
from tests.world.dlt698_meter import framed, x25

VECTORS = Path(__file__).parents[2].parent / "shared/vectors/dlt698_45.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_bytes())["cases"] if VECTORS.exists() else []


def told(apdu: str, **how: Any) -> dict[str, Any]:  # noqa: ANN401  passed on to `framed`
    return describe(framed(bytes.fromhex(apdu), **how))


def fault_of(raw: bytes) -> FrameFault:
    with pytest.raises(FrameError) as wrong:
        describe(raw)
    return wrong.value.fault


@pytest.mark.skipif(not CASES, reason="../shared/vectors is not here")
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_published_frames_mean_what_their_sources_say(case: dict[str, Any]) -> None:
    raw = bytes.fromhex(case["hex"])
    if "expect_error" in case:
        assert fault_of(raw).value == case["expect_error"]
        return
    fields = describe(raw)
    assert {name: fields.get(name) for name in case["expect"]} == case["expect"]


def test_the_check_is_the_catalogue_s_crc_16_x_25() -> None:
    assert dlt698._check(b"123456789") == (0x906E).to_bytes(2, "little")
    assert x25(b"123456789") == (0x906E).to_bytes(2, "little")


def test_a_reading_request_is_built_as_another_builder_builds_it() -> None:
    server = Server(digits="370819123900")
    built = request(GetNormal(oad=0x20000200), server=server, client=0x0B, piid=0x30)
    expected = framed(bytes.fromhex("0501302000020000"), address="370819123900", client=0x0B, control=0x43)
    assert built == expected
    everyone = request(GetNormal(oad=0x40010200), server=EVERYONE, client=0x10, piid=1)
    assert everyone == framed(
        bytes.fromhex("0501014001020000"), address="AAAAAAAAAAAA", flags=0x45, client=0x10, control=0x43
    )


def test_a_list_and_the_next_block_are_asked_as_the_standard_writes_them() -> None:
    assert encode(GetNormalList(oads=(0x00100200, 0x200F0200)), 2).hex() == "050202020010020020" + "0f020000"
    assert encode(GetNext(block=3), 2).hex() == "050502000300"


def test_only_reading_requests_can_be_built() -> None:
    with pytest.raises(AssertionError):
        encode("060128410302000A", 1)  # type: ignore[arg-type]
    makers = [
        name
        for module in (dlt698, dlt698_apdu)
        for name, thing in vars(module).items()
        if callable(thing)
        and getattr(thing, "__module__", "") == module.__name__
        and getattr(thing, "__annotations__", {}).get("return") in (bytes, "bytes")
    ]
    assert sorted(makers) == ["_check", "_unwoken", "encode", "request_frame"]


@given(
    wanted=st.one_of(
        st.builds(GetNormal, oad=st.integers(0, 0xFFFFFFFF)),
        st.builds(GetNormalList, oads=st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=64).map(tuple)),
        st.builds(GetNext, block=st.integers(0, 0xFFFF)),
    ),
    piid=st.integers(0, 0x3F),
    server=st.builds(
        Server,
        digits=st.text("0123456789", min_size=2, max_size=30).filter(lambda digits: len(digits) % 2 == 0),
        kind=st.sampled_from(AddressKind),
        logical=st.integers(0, 255),
    ),
)
def test_whatever_is_asked_it_is_a_get_and_comes_back_as_it_was(wanted: Get, piid: int, server: Server) -> None:
    built = request(wanted, server=server, client=0x10, piid=piid)
    frame = read_frame(built)
    assert frame.server == server
    assert frame.control == 0x43
    assert frame.apdu == encode(wanted, piid)
    assert frame.apdu[0] == 5
    fields = describe(built)
    assert fields["service"] == "GET-Request"
    assert fields["piid"] == piid
    assert "apdu_error" not in fields


@pytest.mark.parametrize(
    ("digits", "logical"), [("", 0), ("123", 0), ("12" * 17, 0), ("12" * 16, 2), ("1G", 0), ("12", 256)]
)
def test_an_address_that_no_meter_can_have_cannot_be_built(digits: str, logical: int) -> None:
    with pytest.raises(ValueError, match="address"):
        Server(digits=digits, logical=logical)


def test_too_many_objects_and_service_numbers_beyond_six_bits_cannot_be_asked() -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        GetNormalList(oads=())
    with pytest.raises(ValueError, match="1 to 64"):
        GetNormalList(oads=(0,) * 65)
    with pytest.raises(ValueError, match="0 to 63"):
        encode(GetNormal(oad=0), 64)
    with pytest.raises(ValueError, match="0 to 255"):
        request(GetNormal(oad=0), server=EVERYONE, client=256, piid=0)


# answers


def test_an_energy_says_its_unit_and_all_its_tariffs() -> None:
    fields = told(
        "850105 00100200 01 0105 0600000001 0600000002 0600000003 0600000004 0600000005 0000".replace(" ", "")
    )
    assert fields["service"] == "GET-Response"
    assert fields["direction"] == "from_server"
    assert fields["oad"] == "00100200"
    assert fields["value"] == [1, 2, 3, 4, 5]
    assert (fields["item"], fields["unit"], fields["decimals"]) == ("active_energy", "kWh", 2)


@pytest.mark.parametrize(
    ("data", "value", "kind"),
    [
        ("00", None, "null"),
        ("0301", True, "bool"),
        ("040ABF40", "1011111101", "bit_string"),
        ("05FFFFFFFE", -2, "double_long"),
        ("06FFFFFFFE", 0xFFFFFFFE, "double_long_unsigned"),
        ("0906112233445566", "112233445566", "octet_string"),
        ("0A03414243", "ABC", "visible_string"),
        ("0C06E794B5E883BD", "电能", "utf8_string"),
        ("0FFF", -1, "integer"),
        ("10FFFF", -1, "long"),
        ("11FF", 255, "unsigned"),
        ("120898", 2200, "long_unsigned"),
        ("14FFFFFFFFFFFFFFFF", -1, "long64"),
        ("15FFFFFFFFFFFFFFFF", 0xFFFFFFFFFFFFFFFF, "long64_unsigned"),
        ("1603", 3, "enum"),
        ("173FC00000", 1.5, "float32"),
        ("177FC00000", None, "float32"),
        ("183FF8000000000000", 1.5, "float64"),
        ("1907E80402030C22380064", "2024-04-02T12:34:56.100", "date_time"),
        ("1A07E8040202", "2024-04-02", "date"),
        ("1B0C2238", "12:34:56", "time"),
        ("1C07E80402" + "0C2238", "2024-04-02T12:34:56", "date_time_s"),
        ("1CFFFFFFFFFFFFFF", None, "date_time_s"),
        ("1C07E70229000000", None, "date_time_s"),
        ("1AFFFF040202", None, "date"),
        ("1BFF2238", None, "time"),
        ("502000", "2000", "oi"),
        ("5120000200", "20000200", "oad"),
        ("5250020200" + "0200100200" + "20000200", {"oad": "50020200", "parts": ["00100200", "20000200"]}, "road"),
        ("5360148200", "60148200", "omd"),
        ("5401000F", {"unit": "minute", "count": 15}, "ti"),
        ("55070500000000" + "0001", "05000000000001", "tsa"),
        ("5604AABBCCDD", "AABBCCDD", "mac"),
        ("5702ABCD", "ABCD", "rn"),
        ("580011011105", {"bounds": 0, "from": 1, "to": 5}, "region"),
        ("59FE21", {"scaler": -2, "unit": 0x21}, "scaler_unit"),
        ("5A00", {"selector": 0}, "rsd"),
        ("5A01" + "40000200" + "1101", {"selector": 1, "oad": "40000200", "equals": 1}, "rsd"),
        (
            "5A02" + "40000200" + "1101" + "1102" + "5401000F",
            {
                "selector": 2,
                "oad": "40000200",
                "from": 1,
                "to": 2,
                "every": {"unit": "minute", "count": 15},
            },
            "rsd",
        ),
        (
            "5A0301" + "40000200" + "1101" + "1102" + "00",
            {"selector": 3, "ranges": [{"oad": "40000200", "from": 1, "to": 2, "every": None}]},
            "rsd",
        ),
        ("5A0407E80402000000" + "01", {"selector": 4, "at": "2024-04-02T00:00:00", "meters": "all"}, "rsd"),
        (
            "5A0607E80402000000" + "07E80403000000" + "01000F" + "00",
            {
                "selector": 6,
                "from": "2024-04-02T00:00:00",
                "to": "2024-04-03T00:00:00",
                "every": {"unit": "minute", "count": 15},
                "meters": "none",
            },
            "rsd",
        ),
        ("5A0903", {"selector": 9, "last": 3}, "rsd"),
        ("5A0A0301", {"selector": 10, "last": 3, "meters": "all"}, "rsd"),
        ("5B0020000200", {"column": "20000200"}, "csd"),
        ("5B01500202000120000200", {"column": {"oad": "50020200", "parts": ["20000200"]}}, "csd"),
        ("5C02020102", {"meters": {"types": [1, 2]}}, "ms"),
        ("5C03010705000000000001", {"meters": {"addresses": ["05000000000001"]}}, "ms"),
        ("5C04010001", {"meters": {"numbers": [1]}}, "ms"),
        ("5C050102" + "11011103", {"meters": {"type_regions": [{"bounds": 2, "from": 1, "to": 3}]}}, "ms"),
        ("5D0000000102AABB", {"sid": "00000001", "added": "AABB"}, "sid"),
        ("5E0000000102AABB02CCDD", {"sid": "00000001", "added": "AABB", "mac": "CCDD"}, "sid_mac"),
        ("5F0602080100", {"baud": 6, "parity": 2, "data_bits": 8, "stop_bits": 1, "flow": 0}, "comdcb"),
        ("600100200F0200", {"columns": ["200F0200"]}, "rcsd"),
        ("0202110109020A0B", [1, "0a0b"], "structure"),
        ("0182000211011102", [1, 2], "array"),
    ],
)
def test_a_value_of_each_type_is_read(data: str, value: object, kind: str) -> None:
    fields = told(f"850100F000020001{data}0000")
    assert "apdu_error" not in fields
    assert (fields["value"], fields["type"]) == (value, kind)
    reader = Reader(bytes.fromhex(data))
    assert plain(read_data(reader)) == value
    assert reader.left == 0


def test_a_refused_object_is_told_with_its_reason() -> None:
    fields = told("850130200002000006" + "0000")
    assert (fields["oad"], fields["dar"], fields["dar_name"]) == ("20000200", 6, "object_absent")
    assert "value" not in fields


def test_a_list_tells_each_object_for_itself() -> None:
    fields = told("85020502" + "200F0200" + "01121386" + "20000200" + "0003" + "0000")
    assert fields["results"] == [
        {"oad": "200F0200", "value": 4998, "type": "long_unsigned", "item": "frequency", "unit": "Hz", "decimals": 2},
        {"oad": "20000200", "dar": 3, "dar_name": "denied"},
    ]


def test_records_and_blocks_are_told() -> None:
    record = told("850305" + "50020200" + "02" + "0040000200" + "00200F0200" + "01" + "01" + "1101" + "121386" + "0000")
    assert record["columns"] == ["40000200", "200F0200"]
    assert record["rows"] == [[1, 4998]]
    assert told("850305" + "50020200" + "00" + "0006" + "0000")["dar"] == 6
    records = told("85040501" + "50020200" + "00" + "0006" + "0000")["records"]
    assert records == [{"oad": "50020200", "columns": [], "dar": 6, "dar_name": "object_absent"}]
    block = told("850505" + "00" + "0001" + "01" + "01" + "200F0200" + "01121386" + "0000")
    assert (block["block"], block["last"], len(block["results"])) == (1, False, 1)
    assert told("850505" + "01" + "0001" + "00" + "0E" + "0000")["dar_name"] == "block_number_wrong"
    assert told("850505" + "01" + "0001" + "02" + "00" + "0000")["records"] == []


def test_a_report_sent_along_and_a_time_tag_are_passed_over() -> None:
    answer = "850105" + "200F0200" + "01121386"
    for trailer in ("", "00", "0000", "0001" + "07E80402000000" + "01000F", "0101012014020001040100" + "00"):
        fields = told(answer + trailer)
        assert fields["value"] == 4998
        assert "apdu_error" not in fields
        assert read_response(bytes.fromhex(answer + trailer)).results[0].oad == 0x200F0200
    assert "apdu_error" in told(answer + "000000")


def test_services_that_write_are_told_by_name_when_heard() -> None:
    assert told("060128" + "41030200" + "0A03414243" + "00")["service"] == "SET-Request"
    acted = told("870112" + "60148200" + "0000" + "0000")
    assert (acted["service"], acted["omd"], acted["dar"]) == ("ACTION-Response", "60148200", 0)
    assert told("02000010FFFF")["service"] == "CONNECT-Request"
    assert told("10000812")["service"] == "SECURITY-Request"
    assert told("8801050120" + "0F0200" + "01121386" + "0000")["results"][0]["value"] == 4998
    assert told("EE050100")["error_type"] == 1


def test_requests_of_other_kinds_are_told_too() -> None:
    record = told("050305" + "50040200" + "0901" + "01" + "0000100200" + "00", control=0x43)
    assert (record["oad"], record["rows"], record["columns"]) == (
        "50040200",
        {"selector": 9, "last": 1},
        ["00100200"],
    )
    records = told("05040501" + "50040200" + "00" + "00" + "00", control=0x43)["records"]
    assert records == [{"oad": "50040200", "rows": {"selector": 0}, "columns": []}]
    assert told("050605" + "40000200" + "00", control=0x43)["choice"] == "md5"


def test_a_value_that_ends_too_soon_leaves_the_rest_of_the_frame_told() -> None:
    fields = told("8501050010020001" + "06" + "0000")
    assert fields["oad"] == "00100200"
    assert fields["apdu_error"].startswith("length")


def test_an_unknown_service_is_no_frame_of_this_protocol() -> None:
    assert fault_of(framed(b"\x55\x01\x00")) is FrameFault.CONTROL


# links


def test_a_segment_tells_its_place_and_its_part() -> None:
    first = told("0000" + "850105", control=0xE3)
    assert (first["segment"], first["service"]) == ({"kind": "first", "number": 0}, "GET-Response")
    middle = told("05C0" + "1234", control=0xE3)
    assert (middle["segment"], middle["apdu"]) == ({"kind": "middle", "number": 5}, "1234")
    assert read_frame(framed(bytes.fromhex("0580"), control=0x63)).segment is not None
    confirm = read_frame(framed(bytes.fromhex("0580"), control=0x63)).segment
    assert confirm is not None
    assert confirm.kind is SegmentKind.CONFIRM
    assert fault_of(framed(b"\0", control=0xE3)) is FrameFault.LENGTH


def test_a_scrambled_frame_reads_like_a_plain_one() -> None:
    plainly = bytes.fromhex("850105200F0200011213860000")
    scrambled = bytes((octet + 0x33) & 0xFF for octet in plainly)
    fields = describe(framed(scrambled, control=0xCB))
    assert (fields["apdu"], fields["value"], fields["scrambled"]) == (plainly.hex(), 4998, True)


def test_wake_bytes_before_a_frame_are_no_part_of_it() -> None:
    fields = describe(b"\xfe" * 4 + framed(bytes.fromhex("850105200F0200011213860000")))
    assert (fields["preamble"], fields["length"]) == (4, 28)


def test_extended_logical_addresses_are_read() -> None:
    frame = framed(bytes.fromhex("0501054001020000"), address="00000000000507", flags=0x26, control=0x43)
    server = read_frame(frame).server
    assert (server.digits, server.logical) == ("000000000005", 7)
    assert server.to_bytes() == frame[4:12]
    only_logical = framed(b"\x05\x01", address="07", flags=0x20)
    assert fault_of(only_logical) is FrameFault.ADDRESS


def test_a_frame_without_user_data_is_told_as_far_as_it_goes() -> None:
    fields = describe(framed(b"", control=0x01))
    assert (fields["apdu"], fields["function"]) == ("", "link")
    assert "service" not in fields


GOOD = framed(bytes.fromhex("850105200F0200011213860000"))


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", FrameFault.SHORT),
        (GOOD[:4], FrameFault.SHORT),
        (GOOD[:9], FrameFault.SHORT),
        (GOOD[:-1], FrameFault.SHORT),
        (b"\x67" + GOOD[1:], FrameFault.START),
        (b"\xfe" * 9 + GOOD, FrameFault.START),
        (GOOD + b"\x16", FrameFault.LENGTH),
        (GOOD[:-1] + b"\x17", FrameFault.END),
        (GOOD[:-3] + bytes((GOOD[-3] ^ 1,)) + GOOD[-2:], FrameFault.CHECKSUM),
        (GOOD[:14] + bytes((GOOD[14] ^ 1,)) + GOOD[15:], FrameFault.CHECKSUM),
        (GOOD[:1] + bytes((GOOD[1] ^ 1,)) + GOOD[2:], FrameFault.CHECKSUM),
    ],
)
def test_each_way_a_frame_can_be_wrong_has_its_name(raw: bytes, fault: FrameFault) -> None:
    assert fault_of(raw) is fault


def resized(length: int) -> bytes:
    """GOOD with another length field and checks that fit."""
    head = length.to_bytes(2, "little") + GOOD[3:12]
    body = head + x25(head) + GOOD[14:-3]
    return b"\x68" + body + x25(body) + b"\x16"


def test_lengths_that_cannot_be_are_named() -> None:
    assert fault_of(resized(0x4000 | 2)) is FrameFault.LIMIT
    assert fault_of(resized(0x3000)) is FrameFault.LIMIT
    assert fault_of(resized(8)) is FrameFault.LENGTH
    assert fault_of(resized(200)) is FrameFault.SHORT


def test_a_frame_is_found_in_noise_and_never_a_part_of_one() -> None:
    other = framed(b"\x85\x01")
    assert list(frames_in(b"\x00\x68\x68\x11" + GOOD + b"\x68\x00" + other)) == [GOOD, other]
    assert list(frames_in(resized(200) + GOOD)) == [GOOD]
    assert list(frames_in(GOOD[:-1])) == []
    assert list(frames_in(b"\x68" * 3000)) == []


# limits


def test_nesting_and_counts_are_bounded() -> None:
    deep = b"\x02\x01" * (DEPTH_LIMIT + 1) + b"\0"
    with pytest.raises(FrameError) as wrong:
        read_data(Reader(deep))
    assert wrong.value.fault is FrameFault.LIMIT
    assert plain(read_data(Reader(b"\x02\x01" * DEPTH_LIMIT + b"\0"))) is not None
    many = b"\x01\x82" + (ELEMENTS_LIMIT + 1).to_bytes(2, "big") + bytes(ELEMENTS_LIMIT + 1)
    with pytest.raises(FrameError) as wrong:
        read_data(Reader(many))
    assert wrong.value.fault is FrameFault.LIMIT
    with pytest.raises(FrameError) as wrong:
        read_data(Reader(b"\x01\x84\x00\x00\x00\x01\x00"))
    assert wrong.value.fault is FrameFault.LIMIT
    with pytest.raises(FrameError) as wrong:
        read_data(Reader(b"\x07"))
    assert wrong.value.fault is FrameFault.VALUE


def test_an_answer_is_read_whole_or_not_at_all() -> None:
    assert read_response(bytes.fromhex("850505" + "01" + "0002" + "00" + "0E" + "0000")).dar == 14
    block = read_response(bytes.fromhex("850505" + "01" + "0002" + "01" + "00" + "0000"))
    assert (block.block, block.results) == (Block(number=2, last=True), ())
    assert read_response(bytes.fromhex("EE050200")).dar == 255
    for wrong in ("", "86", "860105200F02000000", "850105200F0200", "850205FF", "850905", "850105200F02000205"):
        with pytest.raises(FrameError):
            read_response(bytes.fromhex(wrong))


def test_items_have_the_standard_s_units() -> None:
    def shown(oad: str) -> tuple[str, str, int] | None:
        item = item_of(oad)
        return None if item is None else (item.name, item.unit, item.decimals)

    assert shown("00100201") == ("active_energy", "kWh", 2)
    assert shown("00120400") == ("active_energy", "kWh", 4)
    assert shown("00140200") is None
    assert shown("00100300") is None
    assert shown("20000202") == ("voltage", "V", 1)
    assert shown("301B0700") == ("cover_open_count", "", 0)
    assert shown("301B0200") is None
    assert shown("F0010200") is None


def test_an_item_is_worth_something_only_in_units_that_fit() -> None:
    energy, factor = item_of("00100200"), item_of("200A0200")
    assert energy is not None
    assert factor is not None
    assert (energy.worth_in("Wh"), energy.worth_in("raw"), energy.worth_in("W")) == (
        Fraction(10),
        Fraction(1, 100),
        None,
    )
    assert factor.worth_in("1") == Fraction(1, 1000)


# noise

APDUS = st.one_of(
    st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: b"\x85\x01\x00\x20\x00\x02\x00\x01" + tail)
)


@given(st.binary(max_size=300))
def test_noise_raises_nothing_but_a_frame_error(noise: bytes) -> None:
    assert b"".join(frames_in(noise)) in noise
    for reads in (describe, read_response):
        try:
            reads(noise)
        except FrameError:
            continue


@given(apdu=APDUS, control=st.integers(0, 255), flags=st.integers(0, 255))
def test_signed_noise_raises_nothing_but_a_frame_error_and_is_json(apdu: bytes, control: int, flags: int) -> None:
    size = (flags & 0x0F) + 1
    raw = framed(apdu, address="0A" * size, flags=flags, control=control)
    try:
        fields = describe(raw)
    except FrameError:
        return
    json.dumps(fields, allow_nan=False)


@given(at=st.integers(0, len(GOOD) * 8 - 1))
def test_no_flipped_bit_goes_unseen(at: int) -> None:
    raw = bytearray(GOOD)
    raw[at // 8] ^= 1 << at % 8
    with pytest.raises(FrameError):
        describe(bytes(raw))


@given(
    st.recursive(
        st.one_of(
            st.integers(0, 0xFFFFFFFF).map(lambda value: (world.u32(value), value)),
            st.integers(-0x8000, 0x7FFF).map(lambda value: (world.i16(value), value)),
            st.integers(0, 0xFFFFFFFFFFFFFFFF).map(lambda value: (world.u64(value), value)),
            st.binary(max_size=20).map(lambda value: (world.octets(value.hex()), value.hex())),
            st.just((world.NULL, None)),
        ),
        lambda inner: st.lists(inner, max_size=4).map(
            lambda pairs: (world.structure(*(pair[0] for pair in pairs)), [pair[1] for pair in pairs])
        ),
        max_leaves=12,
    ).filter(lambda pair: pair[0].count(b"\x02") < DEPTH_LIMIT)
)
def test_what_a_meter_puts_together_is_taken_apart_again(pair: tuple[bytes, object]) -> None:
    raw, value = pair
    assert plain(read_data(Reader(raw))) == value
