import inspect
import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs import gb26875, gb26875_names, gb26875_units
from edge_agent.codecs.errors import FrameError, FrameFault
from edge_agent.codecs.gb26875 import Frame, Splitter, confirmation, denial, describe
from edge_agent.codecs.gb26875_units import read_unit
from tests.world.fire_transmitter import (
    ADDRESS,
    CENTRE,
    CONFIRM,
    DENY,
    FAULT,
    FIRE,
    NOISE,
    WHEN,
    analogue,
    component,
    component_state,
    frame,
    objects,
    spoilt,
    stamp,
    state_of,
    system_state,
    taken_apart,
    transmitter_operation,
    transmitter_state,
)

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "gb26875_3.json"
NOW = datetime(2026, 3, 4, 5, 6, 9)  # noqa: DTZ001  # as frames carry it

SMOKE = bytes.fromhex(
    "40400100010120 3A091A090C 790300000000 385B01000000 3000 02"
    "0201 010128 0A000200 0200" + "20" * 30 + "00 023A091A090C 46 2323"
)
"""A maker's published example: smoke detector 10 of zone 2 on fire; its normal bit is clear."""


def cases() -> list[Any]:
    if not VECTORS.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"{VECTORS} is not here"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(VECTORS.read_text())["cases"]]


@pytest.mark.parametrize("case", cases())
def test_published_frames_say_what_their_source_says(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    if "expect_error" in case:
        with pytest.raises(FrameError) as wrong:
            describe(octets)
        assert wrong.value.fault.value == case["expect_error"]
    else:
        told = describe(octets)
        assert {key: told.get(key) for key in case["expect"]} == case["expect"]


def test_a_published_alarm_is_read_and_answered_as_published() -> None:
    told = describe(SMOKE)
    assert (told["source"], told["destination"], told["timestamp"]) == (
        "000000000379",
        "000000015B38",
        "2012-09-26T09:58:32",
    )
    assert told["component_name_zh"] == "感烟火灾探测器"
    assert told["states"] == ["fire"]
    answered_at = datetime(2012, 9, 26, 9, 58, 35)  # noqa: DTZ001
    assert confirmation(SMOKE, at=answered_at) == bytes.fromhex(
        "40400100010123 3A091A090C 385B01000000 790300000000 0000 03 AB 2323"
    )
    assert denial(SMOKE, at=answered_at) == bytes.fromhex(
        "40400100010123 3A091A090C 385B01000000 790300000000 0000 06 AE 2323"
    )


def test_several_objects_of_one_frame_are_all_told() -> None:
    unit = objects(
        2,
        state_of(component("00010002"), FIRE, text="7楼02室会议室烟感"),
        state_of(component("00030004", type_=23), FAULT, text="楼梯间手报"),
    )
    told = describe(frame(unit))
    assert told["objects"] == 2
    assert told["component"].items() <= told["items"][0].items()
    assert "items" not in describe(SMOKE)
    assert [(item["component_address"], item["states"], item["description"]) for item in told["items"]] == [
        ("00010002", ["fire"], "7楼02室会议室烟感"),
        ("00030004", ["fault"], "楼梯间手报"),
    ]


@pytest.mark.parametrize(
    ("kind", "raw", "name", "value", "unit"),
    [
        (1, 12, "count", 12, "1"),
        (2, 251, "height", 2.51, "m"),
        (3, -155, "temperature", -15.5, "degC"),
        (4, 4, "pressure", 0.4, "MPa"),
        (5, 1234, "pressure", 123.4, "kPa"),
        (6, 205, "gas_concentration", 20.5, "%LEL"),
        (7, 90, "time", 90, "s"),
        (8, 2203, "voltage", 220.3, "V"),
        (9, 55, "current", 5.5, "A"),
        (10, 101, "flow", 10.1, "L/s"),
        (11, 305, "air_flow", 30.5, "m3/min"),
        (12, 7, "air_speed", 7, "m/s"),
    ],
)
def test_each_kind_of_analogue_value_has_its_unit_and_step(
    kind: int, raw: int, name: str, value: float, unit: str
) -> None:
    told = describe(analogue(kind, raw))
    assert (told["analog"], told["raw"], told["value"], told["unit"]) == (name, raw, value, unit)
    assert told["in_range"]


def test_an_analogue_value_beyond_its_range_is_marked_and_a_makers_own_kind_stays_raw() -> None:
    assert not describe(analogue(5, -32768))["in_range"]
    told = describe(analogue(200, 77))
    assert told["raw"] == 77
    assert "value" not in told


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (system_state(0b11_1111_1111_1111), {"type": 1, "system_address": 1}),
        (transmitter_state(8), {"type": 21, "flag": 8, "states": ["mains fault"]}),
        (transmitter_operation(0x60, operator=7), {"flag": 96, "operator": 7, "operations": ["duty answer", "test"]}),
        (objects(4, bytes((1, 2, 0x21, 9)) + stamp(WHEN)), {"operation_flag": 33, "operations": ["reset", "confirm"]}),
        (objects(5, bytes((1, 2, 3, 4))), {"version": "3.4", "system_type": 1}),
        (objects(6, bytes((1, 2, 4)) + "消防".encode("gb18030")), {"description": "消防"}),
        (
            objects(7, component() + "一".encode("gb18030").ljust(31, b"\0")),
            {"description": "一", "component_type": 42},
        ),
        (objects(8, bytes((1, 2)) + stamp(WHEN)), {"time": "2026-03-04T05:06:07"}),
        (objects(25, bytes((1, 1))), {"version": "1.1", "type_name": "transmitter software version"}),
        (objects(26, b"\x02ab"), {"description": "ab"}),
        (objects(28, stamp(WHEN)), {"time": "2026-03-04T05:06:07"}),
        (objects(61, bytes((1, 2))), {"type_name": "read system state", "system_address": 2}),
        (objects(63, bytes((1, 2, 4, 3, 2, 1))), {"type_name": "read analogue value", "component_address": "01020304"}),
        (objects(64, bytes((1, 2, 5)) + stamp(WHEN)), {"count": 5, "time": "2026-03-04T05:06:07"}),
        (objects(81, b"\0"), {"type_name": "read transmitter state"}),
        (objects(84, b"\x05" + stamp(WHEN)), {"count": 5}),
        (objects(89, b"\0"), {"type_name": "initialise transmitter"}),
        (objects(90, stamp(WHEN)), {"type_name": "set transmitter clock", "time": "2026-03-04T05:06:07"}),
        (objects(91, b"\x0a"), {"type_name_zh": "查岗命令", "count": 10}),
        (objects(200, b"own"), {"type": 200, "objects": 1, "rest": b"own".hex()}),
    ],
)
def test_each_type_of_data_unit_is_read(unit: bytes, expected: dict[str, Any]) -> None:
    for told in (describe(unit), describe(frame(unit))):
        assert {key: told[key] for key in expected} == expected


def test_a_time_that_is_none_is_no_reason_to_lose_an_alarm() -> None:
    octets = bytearray(frame(component_state(FIRE)))
    octets[6:12] = octets[-9:-3] = bytes(6)
    octets[-3] = sum(octets[2:-3]) % 256
    told = describe(bytes(octets))
    assert (told["timestamp"], told["time"], told["states"]) == (None, None, ["fire"])


def test_objects_without_their_times_are_known_by_the_length() -> None:
    which = component() + FIRE.to_bytes(2, "little") + bytes(31)
    unit = read_unit(objects(2, which, which))
    assert [told.state for told in unit.told] == [FIRE, FIRE]
    assert [told.at for told in unit.told] == [None, None]


def test_objects_that_are_announced_and_not_there_leave_those_that_are() -> None:
    short = bytes((2, 3)) + component_state(FIRE)[2:]
    unit = read_unit(short)
    assert (unit.announced, len(unit.told)) == (3, 1)
    with pytest.raises(FrameError, match="3 objects announced, 1 there"):
        describe(short)
    assert describe(frame(short))["unit_fault"].startswith("short")


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (SMOKE[:-1], FrameFault.SHORT),
        (SMOKE[:20], FrameFault.SHORT),
        (SMOKE + b"#", FrameFault.LENGTH),
        (SMOKE[:24] + b"\xff\xff" + SMOKE[26:], FrameFault.LENGTH),
        (SMOKE[:-1] + b"!", FrameFault.END),
        (spoilt(SMOKE), FrameFault.CHECKSUM),
        (b"\x02", FrameFault.SHORT),
        (b"", FrameFault.SHORT),
    ],
)
def test_a_broken_frame_is_refused_with_its_reason(octets: bytes, fault: FrameFault) -> None:
    with pytest.raises(FrameError) as wrong:
        describe(octets)
    assert wrong.value.fault is fault


SENT = [frame(component_state(FIRE), serial=1), frame(serial=2), frame(analogue(5, 1000), serial=3)]


def frames_of(chunks: list[bytes]) -> list[int]:
    splitter = Splitter()
    return [part.frame.serial for chunk in chunks for part in splitter.feed(chunk) if part.frame is not None]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.booleans())
def test_frames_are_found_however_the_stream_is_cut(sizes: list[int], noisy: bool) -> None:  # noqa: FBT001  # hypothesis
    stream = (NOISE if noisy else b"").join([b"", *SENT, b""])
    chunks, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        chunks.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert frames_of(chunks) == [1, 2, 3]


@pytest.mark.parametrize("cut", range(1, len(SENT[0])))
def test_after_half_a_frame_the_next_whole_one_is_found_at_once(cut: int) -> None:
    assert frames_of([SENT[0][:cut], SENT[1], SENT[2]]) == [2, 3]
    assert frames_of([SENT[0][:cut] + SENT[1] + SENT[2]]) == [2, 3]


def test_a_frame_with_a_wrong_sum_costs_only_itself() -> None:
    splitter = Splitter()
    parts = splitter.feed(spoilt(SENT[0]) + SENT[1])
    assert [part.fault for part in parts] == [FrameFault.CHECKSUM, None]
    assert parts[0].octets == spoilt(SENT[0])
    assert not splitter.waiting


def test_what_never_comes_can_be_given_up() -> None:
    splitter = Splitter()
    assert splitter.feed(b"noise" + SENT[0][:50]) == []
    assert splitter.waiting
    assert [part.fault for part in splitter.give_up()] == [FrameFault.SHORT]
    assert splitter.noise == 5 + 50
    assert splitter.give_up() == []


@given(st.lists(st.binary(max_size=3000), max_size=6))
def test_noise_of_any_kind_never_makes_the_splitter_hold_more_than_a_frame(chunks: list[bytes]) -> None:
    splitter = Splitter()
    for chunk in chunks:
        splitter.feed(chunk)
        assert len(splitter._held) <= gb26875.LONGEST
    splitter.feed(bytes(gb26875.LONGEST))
    assert [part.frame is not None for part in splitter.feed(SENT[0])][-1]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_frame_error(octets: bytes) -> None:
    for each in (octets, b"@@" + octets, frame(octets)):
        with suppress(FrameError):
            json.dumps(describe(each))


@given(st.data())
def test_one_flipped_bit_is_never_believed(data: st.DataObject) -> None:
    octets = bytearray(SENT[0])
    at = data.draw(st.integers(0, len(octets) * 8 - 1))
    octets[at // 8] ^= 1 << at % 8
    with pytest.raises(FrameError):
        Frame.from_bytes(bytes(octets))


@given(
    serial=st.integers(0, 0xFFFF),
    command=st.integers(0, 255),
    unit=st.binary(max_size=1024),
    version=st.tuples(st.integers(0, 255), st.integers(0, 255)),
)
def test_what_was_sent_is_read_and_an_answer_to_it_confirms_or_denies_and_asks_for_nothing(
    serial: int, command: int, unit: bytes, version: tuple[int, int]
) -> None:
    octets = frame(unit, serial=serial, command=command, version=version)
    read = Frame.from_bytes(octets)
    assert (read.serial, read.command, read.unit, read.sent_at) == (serial, command, unit, WHEN)
    for answer, meant in ((confirmation(octets, at=NOW), CONFIRM), (denial(octets, at=NOW), DENY)):
        apart = taken_apart(answer)
        assert apart == (serial, version, stamp(NOW), CENTRE, ADDRESS, meant, b"")


def test_nothing_can_be_built_but_a_confirmation_and_a_denial() -> None:
    """No function makes bytes from a command, a type or a data unit; so none can initialise or set a clock."""
    for module in (gb26875, gb26875_units, gb26875_names):
        makers = {
            name: set(inspect.signature(what).parameters)
            for name, what in vars(module).items()
            if inspect.isfunction(what) and inspect.signature(what).return_annotation is bytes
        }
        expected = {"confirmation": {"octets", "at"}, "denial": {"octets", "at"}, "_answer": {"octets", "answer", "at"}}
        assert makers == (expected if module is gb26875 else {})
    assert {int(answer) for answer in gb26875._Answer} == {CONFIRM, DENY}
    assert not any(hasattr(what, "to_bytes") for what in (Frame, gb26875_units.Told, gb26875_units.Unit))
