import re
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import pytest

from edge_agent.config import profiles
from edge_agent.config.profiles import (
    OURS,
    UNITS,
    Function,
    Parity,
    PointKind,
    PointType,
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


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "my_meter.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_eight_devices_are_there() -> None:
    assert set(EIGHT) <= set(known_profiles(None))


@pytest.mark.parametrize("name", EIGHT)
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


def test_every_key_unit_and_device_is_documented() -> None:
    tables = {"### At the top": profiles.PROFILE, "### `[serial]`": profiles.SERIAL}
    tables |= {"### `[limits]`": profiles.LIMITS, "### `[[point]]`": profiles.REGISTER}
    tables |= {"### `[[point]]` of a fire alarm transmitter": profiles.COMPONENT}
    for heading, keys in tables.items():
        part = TEXT.split(f"{heading}\n")[1].split("\n#")[0]
        rows = {
            name: row
            for row in part.splitlines()
            for name in re.findall(r"`([a-z_]+)`", row.split("|")[1:2][0] if row.startswith("|") else "")
        }
        assert rows.keys() == {key.name for key in keys}
        for key in keys:
            assert ("required" in rows[key.name]) is (key.default is REQUIRED)
    (units,) = [row for row in TEXT.splitlines() if row.startswith("| `unit`")]
    assert all(re.search(rf"\b{unit}\b", units) for unit in UNITS)
    assert all(f"`{kind.value}`" in TEXT for kind in (*PointType, *PointKind))
    assert all(f"`{name}`" in TEXT for name in EIGHT)


FIRE = """\
id = "my_site"
vendor = "v"
model = "m"
protocol = "gb26875.3"
source = ["here"]

[[point]]
name = "pressure"
component_address = "00020001"
analogue = 4
unit = "kPa"
decimals = 0
kind = "gauge"

[[point]]
name = "own"
system_type = 128
component_type = 200
component_address = "0000000A"
analogue = 130
scale = 0.5
unit = "mA"
decimals = 1
kind = "gauge"

[[point]]
name = "panel"
system_type = 1
system_address = 1
unit = "1"
decimals = 0
kind = "state"
"""


def test_points_of_a_fire_alarm_transmitter_name_components_and_kinds(tmp_path: Path) -> None:
    file = tmp_path / "my_site.toml"
    file.write_text(FIRE, encoding="utf-8")
    pressure, own, panel = load_profile(file).points
    assert isinstance(pressure, profiles.Component)
    assert isinstance(own, profiles.Component)
    assert isinstance(panel, profiles.Component)
    assert (pressure.scale, own.scale, panel.scale) == (Fraction(100), Fraction(1, 2), None)
    assert (pressure.component_address, panel.system_address, panel.component_address) == ("00020001", 1, None)


@pytest.mark.parametrize(
    ("was", "becomes", "key"),
    [
        ('component_address = "00020001"\n', "", "point[pressure].component_address"),
        ('component_address = "00020001"', 'component_address = "0002000g"', "point[pressure].component_address"),
        ("analogue = 4\n", "", "point[pressure].analogue"),
        ('unit = "kPa"', 'unit = "V"', "point[pressure].scale"),
        ("scale = 0.5\n", "", "point[own].scale"),
        ('kind = "state"', 'kind = "state"\nanalogue = 5', "point[panel].kind"),
        ("system_type = 128", "system_type = 256", "point[own].system_type"),
    ],
)
def test_a_mistake_in_a_fire_profile_is_told(tmp_path: Path, was: str, becomes: str, key: str) -> None:
    assert was in FIRE
    file = tmp_path / "my_site.toml"
    file.write_text(FIRE.replace(was, becomes), encoding="utf-8")
    with pytest.raises(ConfigurationError) as wrong:
        load_profile(file)
    assert key in [complaint.key for complaint in wrong.value.complaints]
