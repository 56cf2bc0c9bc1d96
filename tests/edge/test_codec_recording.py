from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs.errors import FrameError, FrameFault
from edge_agent.codecs.recording import (
    LINE_LIMIT,
    POINTS_LIMIT,
    Form,
    Reader,
    Recorded,
    TimeKey,
    decimal_of,
    form_of,
    heading,
    integer_of,
    line_of,
    read,
)
from evidence.bodies import Failure

POINTS = ("active_power", "energy_import")
JSON_LINES = """\
# watched on a Tuesday

{"offset_ms": 0, "values": {"active_power": 1500.5, "energy_import": 12345678}}
{"offset_ms": 1000, "values": {"active_power": null}, "failure": "SILENT"}
{"values": {}, "failure": null, "offset_ms": 2000}
"""
CSV = """\
\ufeffoffset_ms,active_power,energy_import,failure\r
0,1500.5,12345678,\r
1000,,,SILENT\r
"""


def lines(text: str) -> list[bytes]:
    return text.encode().splitlines(keepends=True)


def test_both_forms_say_time_values_and_why_there_are_none() -> None:
    first = Recorded(at_ms=0, values={"active_power": Decimal("1500.5"), "energy_import": Decimal(12345678)})
    written = list(read(lines(JSON_LINES), Form.JSON_LINES))
    assert written == [
        first,
        Recorded(at_ms=1000, values={"active_power": None}, failure=Failure.SILENT),
        Recorded(at_ms=2000, values={}),
    ]
    assert list(read(lines(CSV), Form.CSV)) == [
        first,
        Recorded(at_ms=1000, values=dict.fromkeys(POINTS), failure=Failure.SILENT),
    ]


def test_a_files_name_says_its_form() -> None:
    assert (form_of("a.jsonl"), form_of("x/B.CSV")) == (Form.JSON_LINES, Form.CSV)
    with pytest.raises(FrameError, match="does not end in"):
        form_of("a.json")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", FrameFault.START),
        ("[]", FrameFault.START),
        ("[" * 100_000, FrameFault.LIMIT),
        ("[" * 60_000, FrameFault.START),
        ('{"offset_ms": 1}x', FrameFault.START),
        ('{"values": {}}', FrameFault.VALUE),
        ('{"offset_ms": 1, "at_ms": 1}', FrameFault.VALUE),
        ('{"offset_ms": 1, "offset_ms": 2}', FrameFault.VALUE),
        ('{"offset_ms": 1.5}', FrameFault.VALUE),
        ('{"offset_ms": -1}', FrameFault.VALUE),
        ('{"offset_ms": "1"}', FrameFault.VALUE),
        ('{"offset_ms": true}', FrameFault.VALUE),
        ('{"offset_ms": 9007199254740992}', FrameFault.VALUE),
        ('{"offset_ms": 17011111111111111111110000001008}', FrameFault.VALUE),
        ('{"offset_ms": 0.00000000000000000000000000000000001}', FrameFault.VALUE),
        ('{"offset_ms": 1, "values": []}', FrameFault.VALUE),
        ('{"offset_ms": 1, "vals": {}}', FrameFault.VALUE),
        ('{"offset_ms": 1, "values": {"a": "1"}}', FrameFault.VALUE),
        ('{"offset_ms": 1, "values": {"a": NaN}}', FrameFault.VALUE),
        ('{"offset_ms": 1, "values": {"a": 1e400}}', FrameFault.VALUE),
        ('{"offset_ms": 1, "values": {"a": 1e99999999999999999999}}', FrameFault.VALUE),
        ('{"offset_ms": 1, "values": {"a": ' + "1" * 5000 + "}}", FrameFault.LIMIT),
        ('{"offset_ms": 1, "values": {' + ", ".join(f'"{at}": 1' for at in range(513)) + "}}", FrameFault.VALUE),
        ('{"offset_ms": 1, "failure": "DEAD"}', FrameFault.VALUE),
        ('{"offset_ms": 1, "failure": 1}', FrameFault.VALUE),
    ],
)
def test_a_line_that_means_nothing_is_told_with_its_number(line: str, fault: FrameFault) -> None:
    with pytest.raises(FrameError, match=r"^line 2: ") as wrong:
        list(read([b"\n", line.encode()], Form.JSON_LINES))
    assert wrong.value.fault is fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("time,a\n", FrameFault.START),
        ("offset_ms,a,a\n", FrameFault.START),
        ("offset_ms,,b\n", FrameFault.START),
        ('offset_ms,"a\n', FrameFault.START),
        ("offset_ms" + "".join(f",p{at}" for at in range(POINTS_LIMIT + 2)), FrameFault.LIMIT),
        ("offset_ms,a\n1\n", FrameFault.LENGTH),
        ("offset_ms,a\n1,2,3\n", FrameFault.LENGTH),
        ("offset_ms,a\n,2\n", FrameFault.VALUE),
        ("offset_ms,a\n1,x\n", FrameFault.VALUE),
        ("offset_ms,a\n1,nan\n", FrameFault.VALUE),
        ("offset_ms,a\n1,2\n1,2\n", FrameFault.VALUE),
        ("offset_ms,a,failure\n1,,WHY\n", FrameFault.VALUE),
    ],
)
def test_a_table_that_means_nothing_is_told(text: str, fault: FrameFault) -> None:
    with pytest.raises(FrameError) as wrong:
        list(read(lines(text), Form.CSV))
    assert wrong.value.fault is fault


def test_the_time_counts_from_one_beginning_and_rises() -> None:
    reader = Reader(Form.JSON_LINES)
    assert reader.take(b'{"at_ms": 1700000000000}') == Recorded(at_ms=1_700_000_000_000, values={})
    assert reader.key is TimeKey.AT
    for line in (b'{"at_ms": 1700000000000}', b'{"offset_ms": 1700000000001}', b'{"at_ms": 1}'):
        with pytest.raises(FrameError):
            reader.take(line)
    assert reader.take(b'{"at_ms": 1700000000001}') is not None


def test_bytes_that_are_no_text_and_lines_without_end_are_refused() -> None:
    for line, fault in ((b"\xff", FrameFault.VALUE), (b" " * (LINE_LIMIT + 1), FrameFault.LIMIT)):
        with pytest.raises(FrameError) as wrong:
            Reader(Form.CSV).take(line)
        assert wrong.value.fault is fault


READINGS = st.lists(
    st.tuples(
        st.integers(1, 10**9),
        st.dictionaries(st.sampled_from(POINTS), st.none() | st.integers(-(10**15), 10**15)),
        st.none() | st.sampled_from(Failure),
    ),
    max_size=20,
)


@given(told=READINGS, form=st.sampled_from(Form), key=st.sampled_from(TimeKey), decimals=st.integers(0, 9))
def test_what_was_written_is_read_again_to_the_last_digit(
    told: list[tuple[int, dict[str, int | None], Failure | None]], form: Form, key: TimeKey, decimals: int
) -> None:
    at_ms, readings = 0, list[Recorded]()
    for step_ms, integers, failure in told:
        at_ms += step_ms
        values = {name: decimal_of(integers.get(name), decimals) for name in POINTS}
        readings.append(Recorded(at_ms=at_ms, values=values, failure=failure))
    text = heading(form, POINTS, key, about="some\nthing") + b"".join(
        line_of(each, form, POINTS, key) for each in readings
    )
    again = list(read(text.splitlines(keepends=True), form))
    assert again == readings
    for reading, (_, integers, _) in zip(again, told, strict=True):
        for name in POINTS:
            assert integer_of(reading.values[name], decimals, 1 << 60) == integers.get(name)


def test_a_value_beyond_what_a_statement_carries_is_none() -> None:
    assert integer_of(Decimal(10) ** 20, 3, 1 << 53) is None
    assert integer_of(Decimal("0.25"), 1, 1 << 53) == 2
    assert integer_of(None, 1, 1 << 53) is None


@given(
    number=st.from_regex(r"-?[0-9]{1,42}(\.[0-9]{1,42})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    decimals=st.integers(0, 9),
)
def test_any_number_is_a_value_none_or_refused(number: str, decimals: int) -> None:
    for line in (f'{{"offset_ms": {number}}}', f'{{"offset_ms": 1, "values": {{"a": {number}}}}}'):
        with suppress(FrameError):
            reading = Reader(Form.JSON_LINES).take(line.encode())
            assert reading is not None
            value = integer_of(reading.values.get("a"), decimals, 1 << 53)
            assert value is None or abs(value) < 1 << 53


@given(text=st.binary(max_size=400) | st.text(max_size=200).map(str.encode), form=st.sampled_from(Form))
def test_noise_is_refused_or_read_and_nothing_else_happens(text: bytes, form: Form) -> None:
    reader = Reader(form)
    for line in text.splitlines(keepends=True):
        with suppress(FrameError):
            reader.take(line)


@given(line=st.integers(2, 4), at=st.integers(0, 200), octet=st.integers(0, 255), form=st.sampled_from(Form))
def test_a_damaged_line_spoils_only_itself(line: int, at: int, octet: int, form: Form) -> None:
    good = lines(JSON_LINES if form is Form.JSON_LINES else CSV)
    which = line % len(good)
    damaged = bytearray(good[which])
    damaged[at % len(damaged)] = octet
    good[which] = bytes(damaged)
    reader = Reader(form)
    for each in good:
        with suppress(FrameError):
            reader.take(each)
