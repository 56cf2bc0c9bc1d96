import re
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import pytest

from edge_agent.config import profiles
from edge_agent.config.plc import PLCS
from edge_agent.config.profiles import (
    OURS,
    UNITS,
    Function,
    Parity,
    PointKind,
    PointType,
    Protocol,
    Register,
    WordOrder,
    known_profiles,
    load_profile,
    registers_of,
)
from edge_agent.config.schema import REQUIRED, ConfigurationError
from edge_agent.drivers.modbus_plan import plan_of

TEXT = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
assert EXAMPLE
GOOD = EXAMPLE[1]
EIGHT = (
    "acrel_adw300",
    "acrel_ard2f",
    "chint_dtsu666",
    "eastron_sdm120",
    "eastron_sdm630",
    "eastron_sdm72",
    "pzem_004t_v3",
    "schneider_iem3000",
)


PLC = TEXT.split("## PLC registers")[1].split("```toml\n")[1].split("```")[0]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "my_meter.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_eight_devices_are_there() -> None:
    assert set(EIGHT) <= set(known_profiles(None))


@pytest.mark.parametrize("name", [*EIGHT, "chint_ddsu666"])
def test_a_profile_is_sound_and_names_its_sources(name: str) -> None:
    profile = load_profile(OURS / f"{name}.toml")
    assert profile.sha256 == sha256((OURS / f"{name}.toml").read_bytes()).digest()
    assert profile.serial
    assert plan_of(registers_of(profile.points), profile.limits).holes == frozenset()
    for point in registers_of(profile.points):
        assert (point.kind is PointKind.COUNTER) is (point.unit in {"Wh", "varh", "h"} or "energy" in point.name)
        exact = point.scale * 10**point.decimals
        assert point.type.is_float or exact.denominator == 1, f"{point.name} loses resolution"


@pytest.mark.parametrize(
    ("name", "point", "address", "kind", "scale", "unit"),
    [
        ("eastron_sdm120", "energy_total", 0x156, PointType.FLOAT32, 1000, "Wh"),
        ("eastron_sdm630", "active_power", 52, PointType.FLOAT32, 1, "W"),
        ("eastron_sdm72", "active_power", 52, PointType.FLOAT32, 1, "W"),
        ("chint_dtsu666", "voltage_l1", 0x2006, PointType.FLOAT32, Fraction(1, 10), "V"),
        ("chint_dtsu666", "power_factor", 0x202A, PointType.FLOAT32, Fraction(1, 1000), "1"),
        ("schneider_iem3000", "active_power", 3059, PointType.FLOAT32, 1000, "W"),
        ("schneider_iem3000", "energy_import", 3203, PointType.INT64, 1, "Wh"),
        ("acrel_adw300", "energy_import", 62, PointType.INT32, 10, "Wh"),
        ("pzem_004t_v3", "current", 1, PointType.UINT32, Fraction(1, 1000), "A"),
        ("acrel_ard2f", "active_power", 9, PointType.INT32, 1, "raw"),
        ("chint_ddsu666", "active_power", 0x2004, PointType.FLOAT32, 1000, "W"),
        ("chint_ddsu666", "energy_import", 0x4000, PointType.FLOAT32, 1000, "Wh"),
    ],
)
def test_what_is_known_of_a_device_is_in_its_profile(  # noqa: PLR0917  # a row of the table
    name: str, point: str, address: int, kind: PointType, scale: Fraction, unit: str
) -> None:
    (found,) = [each for each in registers_of(load_profile(OURS / f"{name}.toml").points) if each.name == point]
    assert (found.address, found.type, found.scale, found.unit) == (address, kind, scale, unit)


def test_the_documented_example_is_a_profile(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, GOOD))
    power, energy = registers_of(profile.points)
    assert (power.function, power.word_order, power.end) == (Function.INPUT_REGISTERS, WordOrder.HIGH_FIRST, 0x36)
    assert (energy.scale, energy.unit, energy.kind) == (Fraction(1000), "Wh", PointKind.COUNTER)
    assert profile.limits.even_start
    assert profile.serial
    assert profile.serial.parity is Parity.NONE


def plc_profile(tmp_path: Path, was: str = "", becomes: str = "") -> tuple[Register, ...]:
    assert was in PLC
    file = tmp_path / "press_plc.toml"
    file.write_text(PLC.replace(was, becomes), encoding="utf-8")
    return registers_of(load_profile(file).points)


def test_the_documented_plc_registers_lie_where_the_family_has_them(tmp_path: Path) -> None:
    running, strokes = plc_profile(tmp_path)
    assert (running.function, running.address, running.called) == (Function.COILS, 0x0800, "M0")
    assert (strokes.function, strokes.address, strokes.end) == (Function.HOLDING_REGISTERS, 0x1064, 0x1066)
    assert strokes.word_order is WordOrder.LOW_FIRST
    assert plc_profile(tmp_path, "plc =", 'word_order = "high_first"\nplc =')[1].word_order is WordOrder.HIGH_FIRST


@pytest.mark.parametrize(
    ("was", "becomes", "key", "wanted"),
    [
        ('"D100"', '"D10000"', "point[strokes].register", "D4096 to D9999"),
        ('"M0"', '"Z0"', "point[running].register", "DVP"),
        ('"M0"', '"m0"', "point[running].register", "X17"),
        ('register = "M0"', 'register = "M0"\naddress = 1', "point[running].register", "one or the other"),
        ('register = "M0"', 'register = "M0"\nfunction = 1', "point[running].register", "one or the other"),
        ('plc = "delta_dvp"\n', "", "point[running].register", "delta_dvp"),
        ('"delta_dvp"', '"delta_dvb"', "profile.plc", "delta_dvp"),
        ('register = "M0"', "", "point[running].address", "protocol address"),
        ('register = "M0"', "address = 0", "point[running].function", "1 to 4"),
        ('"uint32"', '"uint32"\nbits = [1]', "point[strokes].bits", "bitfield"),
        ('"uint32"', '"bitfield"\nbits = [3, 1]', "point[strokes].bits", "lowest"),
        ('"uint32"', '"bitfield"\nbits = [16]', "point[strokes].bits", "15"),
        ('"bitfield"', '"bitfield"\nbits = [0]', "point[running].bits", "3 or 4"),
    ],
)
def test_a_mistake_in_a_plc_register_is_told(tmp_path: Path, was: str, becomes: str, key: str, wanted: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        plc_profile(tmp_path, was, becomes)
    (complaint,) = [complaint for complaint in wrong.value.complaints if complaint.key == key]
    assert wanted in complaint.wanted


def test_a_sentinel_is_a_bit_pattern_of_the_points_type(tmp_path: Path) -> None:
    text = GOOD.replace('"float32"', '"int16"').replace("0x7FC00000", "0x8000, 0x7FFF")
    assert registers_of(load_profile(written(tmp_path, text)).points)[1].sentinels == {-32768, 32767}


@pytest.mark.parametrize(
    ("was", "becomes", "key"),
    [
        ('id = "my_meter"', 'id = "your_meter"', "profile.id"),
        ("function = 4", "function = 6", "profile.function"),
        ("function = 4", "function = 16", "profile.function"),
        ('kind = "gauge"', 'kind = "gauge"\nfunction = 5', "point[active_power].function"),
        ("function = 4", "function = 2", "point[active_power].type"),
        ("registers = 80", "registers = 126", "limits.registers"),
        ("registers = 80", "registers = 1", "point[active_power].address"),
        ("address = 0x0034", "address = 0xFFFF", "point[active_power].address"),
        ("address = 0x0034", "adress = 0x34", "point[active_power].adress"),
        ('unit = "W"', 'unit = "watt"', "point[active_power].unit"),
        ("scale = 1000", "scale = 0", "point[energy_import].scale"),
        ("scale = 1000", "scale = nan", "point[energy_import].scale"),
        ('name = "energy_import"', 'name = "active_power"', "point[active_power].name"),
        ("0x7FC00000", "0x1FFFFFFFF", "point[energy_import].sentinels"),
        ("baud = 9600", "baud = 9601", "serial.baud"),
        ("[[point]]", "[[pointe]]", "profile.pointe"),
    ],
)
def test_a_mistake_in_a_profile_is_told(tmp_path: Path, was: str, becomes: str, key: str) -> None:
    assert was in GOOD
    with pytest.raises(ConfigurationError) as wrong:
        load_profile(written(tmp_path, GOOD.replace(was, becomes)))
    assert key in [complaint.key for complaint in wrong.value.complaints]


def test_an_installers_profile_comes_before_ours(tmp_path: Path) -> None:
    mine = tmp_path / "eastron_sdm630.toml"
    mine.write_text(GOOD.replace("my_meter", "eastron_sdm630"), encoding="utf-8")
    assert known_profiles(tmp_path)["eastron_sdm630"] == mine
    assert known_profiles(tmp_path)["eastron_sdm72"].parent == OURS


MODBUS = "### `[[point]]` of a Modbus device"
TABLES = {
    "### At the top": profiles.PROFILE,
    "### `[serial]`": profiles.SERIAL,
    "### `[limits]`": profiles.LIMITS,
    "### `[[point]]`": profiles.POINT,
    MODBUS: profiles.REGISTER[len(profiles.POINT) :],
    "### `[[point]]` of a DL/T 645 meter": profiles.ITEMS[Protocol.DLT645_2007][len(profiles.POINT) :],
    "### `[[point]]` of a DL/T 698.45 meter": profiles.ITEMS[Protocol.DLT698_45][len(profiles.POINT) :],
    "### `[[point]]` of a fire alarm transmitter": profiles.COMPONENT[len(profiles.POINT) :],
    "### `[[point]]` of digital inputs": profiles.INPUT[len(profiles.POINT) :],
    "### `[[point]]` of MTConnect": profiles.DATA_ITEM[len(profiles.POINT) :],
}


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_documented_and_nothing_else(heading: str) -> None:
    part = TEXT.split(f"{heading}\n")[1].split("\n#")[0]
    rows = {
        name: row
        for row in part.splitlines()
        for name in re.findall(r"`([a-z_]+)`", row.split("|")[1:2][0] if row.startswith("|") else "")
    }
    assert rows.keys() == {key.name for key in TABLES[heading]}
    for key in TABLES[heading]:
        assert ("required" in rows[key.name]) is (key.default is REQUIRED)


def test_every_protocol_has_the_table_of_its_points() -> None:
    assert {kind.value for kind in Protocol} == set(re.findall(r'"([a-z]+[0-9.-]*)"', _row("protocol"))) | {"modbus"}
    assert profiles.ITEMS[Protocol.DLT645_1997][0].name == profiles.ITEMS[Protocol.DLT645_2007][0].name


def test_every_type_unit_and_device_is_documented() -> None:
    assert all(re.search(rf"(?<![\w/]){re.escape(unit)}(?![\w/])", _row("unit")) for unit in UNITS)
    assert all(f"`{kind.value}`" in TEXT for kind in (*PointType, *PointKind))
    assert not [name for name in known_profiles(None) if f"`{name}`" not in TEXT]


def test_every_plc_family_is_documented_with_all_its_registers() -> None:
    for name, plc in PLCS.items():
        row = _row(name)
        assert ("| yes |" in row) is plc.checked
        for area in plc.areas:
            assert re.search(rf"\b{area.names[0]}[0-9.]+ to {area.names[0]}[0-9.]+", row)


def _row(first: str) -> str:
    (row,) = [row for row in TEXT.splitlines() if row.startswith(f"| `{first}`")]
    return row


@pytest.mark.parametrize("name", ["generic_hydrant_pressure", "generic_electrical_fire", "generic_fire_transmitter"])
def test_a_pattern_is_sound_documented_and_says_that_it_is_none(name: str) -> None:
    text = (OURS / f"{name}.toml").read_text(encoding="utf-8")
    assert load_profile(OURS / f"{name}.toml").vendor == "generic"
    assert "another id" in text
    assert f"| `{name}` |" in TEXT
