import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs import modbus_rtu
from edge_agent.codecs.errors import FrameError, FrameFault
from edge_agent.codecs.modbus_rtu import HEARD_LIMIT, Other, Refusal, Request, Response, describe, find, parse
from tests.world.rs485 import crc16


def framed(text: str) -> bytes:
    octets = bytes.fromhex(text)
    return octets + crc16(octets)


def fault_of(octets: bytes) -> FrameFault:
    with pytest.raises(FrameError) as wrong:
        describe(octets)
    return wrong.value.fault


FRAMES = [
    ("01 03 00 6B 00 03", Request(unit=1, function=3, register=107, count=3)),
    ("11 01 00 13 00 25", Request(unit=17, function=1, register=19, count=37)),
    ("01 04 03 00 00 02", Request(unit=1, function=4, register=0x0300, count=2)),
    ("01 02 03 00 00 10", Request(unit=1, function=2, register=0x0300, count=16)),
    ("01 03 06 02 2B 00 00 00 64", Response(unit=1, function=3, values=bytes.fromhex("022B00000064"))),
    ("11 02 03 AC DB 35", Response(unit=17, function=2, values=bytes.fromhex("ACDB35"))),
    ("01 84 02", Refusal(unit=1, function=4, exception=2)),
    ("05 06 00 01 00 03", Other(unit=5, function=6, body=bytes.fromhex("00010003"))),
    ("01 42", Other(unit=1, function=0x42, body=b"")),
]


@pytest.mark.parametrize(("text", "adu"), FRAMES)
def test_frames_as_the_specification_prints_them_are_taken_apart(text: str, adu: modbus_rtu.Adu) -> None:
    assert parse(framed(text)) == adu


@pytest.mark.parametrize(("text", "adu"), [frame for frame in FRAMES if not isinstance(frame[1], Other)])
@pytest.mark.parametrize(("before", "after"), [("00", "00"), ("00 00 FF", ""), ("01", "01"), ("", "00 7F")])
def test_a_frame_is_found_in_what_a_line_adds_to_it(text: str, adu: modbus_rtu.Adu, before: str, after: str) -> None:
    frame = framed(text)
    found = find(bytes.fromhex(before) + frame + bytes.fromhex(after))
    assert (found.adu, found.frame, found.at) == (adu, frame, len(bytes.fromhex(before)))


def test_a_frame_of_another_function_is_found_between_zeros_only() -> None:
    frame = framed("05 06 00 01 00 03")
    assert describe(b"\0" + frame + b"\0")["function_name"] == "write single register"
    assert fault_of(b"\x37" + frame) is FrameFault.CRC


def test_a_doubled_frame_says_so() -> None:
    frame = framed("01 04 04 43 66 33 34")
    told = describe(frame + frame)
    assert told["repeated"] is True
    assert told["float32_be"] == [230.2]


FAULTS = [
    ("", FrameFault.SHORT),
    ("01 04 04", FrameFault.SHORT),
    ("01 04 04 43 66 33 34 1B", FrameFault.SHORT),
    ("01 04 00 00 00 02 71", FrameFault.SHORT),
    ("01 84 04 42", FrameFault.SHORT),
    ("01 04 04 43 66 33 34 1B 39", FrameFault.CRC),
    ("01 04 00 00 00 02 71 CC", FrameFault.CRC),
    ("01 04 0B F3 00 02 00 00", FrameFault.CRC),
    ("01 84 04 42 C4", FrameFault.CRC),
    ("01 06 00 01 00 03 00 00", FrameFault.CRC),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_broken_frame_is_named_by_what_is_broken(text: str, fault: FrameFault) -> None:
    assert fault_of(bytes.fromhex(text)) is fault


def test_a_sound_check_over_a_wrong_length_is_a_wrong_length() -> None:
    assert fault_of(framed("01 04 06 43 66 33 34")) is FrameFault.LENGTH
    assert fault_of(framed("01 83 02 00")) is FrameFault.LENGTH


def test_function_nought_and_endless_noise_are_refused() -> None:
    assert fault_of(framed("01 00 00")) is FrameFault.CONTROL
    assert fault_of(bytes(HEARD_LIMIT + 1)) is FrameFault.LIMIT
    with pytest.raises(FrameError, match="at most 256"):
        parse(bytes(257))


def test_registers_are_told_in_every_order() -> None:
    told = describe(framed("01 03 08" + struct.pack(">d", 1.5).hex()))
    assert told["float64_be"] == [1.5]
    assert told["uint16"] == [0x3FF8, 0, 0, 0]
    told = describe(framed("01 03 08 0000 0000 0000 3FF8"))
    assert told["float64_low_first"] == [1.5]
    assert describe(framed("01 03 04 0002 0001"))["uint32_low_first"] == [0x10002]
    assert describe(framed("01 03 02 FFFE"))["int16"] == [-2]


def test_a_float_that_is_no_number_is_none() -> None:
    assert describe(framed("01 03 08 7FC0 0000 7F80 0000"))["float32_be"] == [None, None]


def test_bits_begin_with_the_lowest_of_the_first_byte() -> None:
    assert describe(framed("01 01 01 05"))["bits"] == [1, 0, 1, 0, 0, 0, 0, 0]


def test_decimal_digits_low_byte_first_are_read_from_a_breaker_that_answers_89_bytes() -> None:
    values = bytearray(89)
    values[0:2] = bytes.fromhex("5622")
    values[18:21] = bytes.fromhex("345681")  # minus 1.5634 kW
    values[42:44] = bytes.fromhex("0010")
    values[50:54] = bytes.fromhex("78563412")
    values[73:75] = b"\xee\xee"
    values[83:89] = bytes.fromhex("593008040819")
    told = describe(framed("01 04 59" + values.hex()))
    assert told["nonstandard_bcd_le"] is True
    assert told["byte_count_odd"] == 89
    assert (told["voltage_a_V"], told["power_total_kW"], told["power_factor_total"]) == ("225.6", "-1.5634", "1.000")
    assert (told["energy_forward_kWh"], told["temperature_a_degC"]) == ("123456.78", None)
    assert told["clock"] == "2019-08-04T08:30:59"


def test_another_odd_answer_is_only_told_to_be_odd() -> None:
    told = describe(framed("01 04 05 01 02 03 04 05"))
    assert told["byte_count_odd"] == 5
    assert "nonstandard_bcd_le" not in told


def test_nothing_here_builds_a_frame() -> None:
    assert not [name for name in vars(modbus_rtu) if "build" in name or "write" in name or "to_bytes" in name]
    assert not any(hasattr(kind, "to_bytes") for kind in (Request, Response, Refusal, Other))


READS = st.one_of(
    st.builds(
        Request,
        unit=st.integers(0, 255),
        function=st.integers(1, 4),
        register=st.integers(0, 0xFFFF),
        count=st.integers(1, 125),
    ),
    st.builds(
        Response,
        unit=st.integers(0, 255),
        function=st.integers(1, 4),
        values=st.integers(2, 125).flatmap(lambda count: st.binary(min_size=2 * count, max_size=2 * count)),
    ),
    st.builds(Refusal, unit=st.integers(0, 255), function=st.integers(1, 127), exception=st.integers(0, 255)),
)


def octets_of(adu: Request | Response | Refusal) -> bytes:
    """Our own builder, for the tests alone."""
    match adu:
        case Request():
            frame = struct.pack(">BBHH", adu.unit, adu.function, adu.register, adu.count)
        case Response():
            frame = bytes((adu.unit, adu.function, len(adu.values))) + adu.values
        case Refusal():
            frame = bytes((adu.unit, adu.function | 0x80, adu.exception))
    return frame + crc16(frame)


@given(adu=READS)
def test_every_frame_that_reads_is_taken_apart_as_it_was_put_together(adu: Request | Response | Refusal) -> None:
    assert parse(octets_of(adu)) == adu
    describe(octets_of(adu))


@given(adu=READS, at=st.integers(0), bit=st.integers(0, 7))
def test_one_turned_bit_never_passes(adu: Request | Response | Refusal, at: int, bit: int) -> None:
    frame = bytearray(octets_of(adu))
    frame[at % len(frame)] ^= 1 << bit
    with pytest.raises(FrameError):
        parse(bytes(frame))


@given(octets=st.binary(max_size=300))
def test_noise_is_a_frame_error_and_nothing_else(octets: bytes) -> None:
    try:
        describe(octets)
    except FrameError:
        return


@given(body=st.binary(min_size=2, max_size=254))
def test_signed_noise_is_a_frame_or_a_frame_error(body: bytes) -> None:
    try:
        told = describe(body + crc16(body))
    except FrameError as wrong:
        fault: FrameFault | None = wrong.fault
    else:
        fault = None
        assert told["unit"] in body
    assert fault in {FrameFault.LENGTH, FrameFault.CONTROL, None}
