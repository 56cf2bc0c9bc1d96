import argparse
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_agent.codecs.marks import pieces_of
from edge_agent.commands import decode
from evidence.exits import Exit
from tests.world.rs485 import crc16

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
FAMILIES = {
    "modbus-rtu": "modbus_rtu",
    "dlt645-2007": "dlt645_2007",
    "dlt645-1997": "dlt645_1997",
    "dlt698.45": "dlt698_45",
    "gb26875.3": "gb26875_3",
}
EASTRON = "01 04 04 43 66 33 34 1b 38"


def framed(text: str) -> str:
    octets = bytes.fromhex(text)
    return (octets + crc16(octets)).hex()


def decoded(*arguments: str, lines: list[str] | None = None) -> tuple[Exit, str]:
    parser = argparse.ArgumentParser()
    decode.add_parser(parser.add_subparsers())
    out = io.StringIO()
    return decode.run(parser.parse_args(["decode", *arguments]), out, lines), out.getvalue()


def told(*arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(decoded("--protocol", "modbus-rtu", "--json", *arguments)[1])
    return told


def vectors(family: str) -> list[dict[str, Any]]:
    file = VECTORS / f"{FAMILIES[family]}.json"
    if not file.exists():
        pytest.skip("no ../shared/vectors beside this clone")
    cases: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.parametrize("protocol", FAMILIES)
def test_every_published_frame_says_what_its_source_says(protocol: str) -> None:
    cases = vectors(protocol)
    command = [sys.executable, "-m", "edge_agent", "decode", "--protocol", protocol, "--json", "-"]
    lines = "".join(case["hex"] + "\n" for case in cases)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=False)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(cases), done.stderr
    wrong = {}
    for case, one in zip(cases, said, strict=True):
        expected = dict(case["expect"]) if "expect" in case else {"error": case["expect_error"]}
        expected |= {key: case[key] for key in ("kind", "unit") if key in case}
        different = {key: (value, one.get(key)) for key, value in expected.items() if one.get(key) != value}
        if different:
            wrong[case["id"]] = different
    assert not wrong
    assert done.returncode == (1 if any("expect_error" in case for case in cases) else 0)


def test_a_frame_may_be_written_in_many_ways() -> None:
    ways = [
        [EASTRON],
        EASTRON.upper().split(),
        ["01:04:04:43:66:33:34:1b:38"],
        ["0x010404436633341b38"],
        ["0x01, 0x04, 0x04, 0x43, 0x66, 0x33, 0x34, 0x1B, 0x38"],
        ["0104-0443-6633-341b-38"],
    ]
    assert [told(*way)["float32_be"] for way in ways] == [[230.2]] * len(ways)


def test_an_invalid_frame_is_an_error_by_its_kind_and_the_exit_code_says_so() -> None:
    code, out = decoded("--protocol", "modbus-rtu", "--json", EASTRON[:-2])
    assert code is Exit.WRONG_OUT_THERE
    assert json.loads(out)["error"] == "short"
    code, out = decoded("--protocol", "modbus-rtu", EASTRON.replace("38", "39"))
    assert code is Exit.WRONG_OUT_THERE
    assert "error" in out
    assert "crc" in out


@pytest.mark.parametrize("text", ["01 04 0", "01 04 zz", "١٢"])
def test_what_is_no_hexadecimal_is_the_users_own_mistake(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = decoded("--protocol", "modbus-rtu", text)
    assert (code, out) == (Exit.USAGE, "")
    assert "hexadecimal" in capsys.readouterr().err


def test_a_line_without_end_is_the_users_own_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = decoded("--protocol", "modbus-rtu", "-", lines=["00" * 20_000])
    assert code is Exit.USAGE
    assert "20000" in capsys.readouterr().err


def test_lines_are_decoded_one_by_one_and_the_worst_is_the_exit_code() -> None:
    code, out = decoded("--protocol", "modbus-rtu", "--json", "-", lines=[EASTRON + "\n", "\n", "01\n", EASTRON])
    assert code is Exit.WRONG_OUT_THERE
    assert [json.loads(line).get("error") for line in out.splitlines()] == [None, "short", None]


def test_a_profile_names_the_values() -> None:
    one = told("--profile", "eastron_sdm120", "--register", "0x46", framed("01 04 04 42 48 00 00"))
    assert (one["profile"], one["register"], one["frequency_Hz"]) == ("eastron_sdm120", 70, 50.0)


def test_a_profile_without_a_register_is_read_from_its_first() -> None:
    one = told("--profile", "pzem_004t_v3", framed("01 04 0a 08fc 0fa0 0000 2328 0000"))
    assert (one["voltage_V"], one["current_A"], one["power_W"]) == (230.0, 4.0, 900.0)
    assert "energy_Wh" not in one


def test_the_only_profile_that_explains_an_answer_is_believed_and_named() -> None:
    plausible = "01 04 14 08fc 0fa0 0000 2328 0000 0001 0000 01f4 0064 0000"
    assert told(framed(plausible))["profile"] == "pzem_004t_v3"
    assert "profile" not in told(framed(plausible.replace("01f4", "02d0")))  # 72 Hz
    assert "profile" not in told(EASTRON)  # many meters begin with a voltage


def test_a_profile_that_is_not_there_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = decoded("--protocol", "modbus-rtu", "--profile", "eastron_sdm12", EASTRON)
    assert code is Exit.USAGE
    assert "eastron_sdm120" in capsys.readouterr().err


def test_a_profile_of_ones_own_is_given_by_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = Path(decode.__file__).parents[1] / "profiles" / "eastron_sdm120.toml"
    own = tmp_path / "own.toml"
    own.write_text(ours.read_text(encoding="utf-8").replace('id = "eastron_sdm120"', 'id = "own"'), encoding="utf-8")
    assert told("--profile", str(own), EASTRON)["voltage_V"] == 230.2
    own.write_text("id = 1", encoding="utf-8")
    assert decoded("--protocol", "modbus-rtu", "--profile", str(own), EASTRON)[0] is Exit.USAGE
    assert "profile.id" in capsys.readouterr().err


def test_profiles_are_for_modbus_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert decoded("--protocol", "dlt645-2007", "--register", "1", "68")[0] is Exit.USAGE
    assert "modbus-rtu" in capsys.readouterr().err


def test_for_people_every_byte_is_named() -> None:
    code, out = decoded("--protocol", "modbus-rtu", "00", EASTRON)
    assert code is Exit.OK
    rows = [line.split() for line in out.splitlines()]
    assert rows[1] == ["0", "00", "noise"]
    assert rows[5] == ["4", "43", "66", "33", "34", "values"]
    assert ["float32_be", "230.2"] in rows


FRAMES = {
    "modbus-rtu": [
        "00" + EASTRON.replace(" ", "") + "00",
        "010400000002 71cb",
        "018404 42c3",
        framed("01 06 0001 0002"),
    ],
    "dlt645-2007": ["fefe 68 112233445566 68 11 04 33333333 00 16"],
    "dlt645-1997": ["68 112233445566 68 01 02 3333 00 16"],
    "dlt698.45": ["68 1700 43 05 000000000005 00 1234 0501004000020000 5678 16"],
    "gb26875.3": ["4040 0100 0101 000000000000 000000000000 000000000000 0200 02 1801 00 2323"],
}


@pytest.mark.parametrize("protocol", FRAMES)
def test_the_pieces_of_a_frame_are_the_frame(protocol: str) -> None:
    for text in FRAMES[protocol]:
        octets = bytes.fromhex(text)
        pieces = pieces_of(protocol, octets)
        assert len(pieces) > 3
        for end in range(len(octets)):
            assert b"".join(part for _, part in pieces_of(protocol, octets[:end])) == octets[:end]
