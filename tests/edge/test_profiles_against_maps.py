"""Our profiles against the register maps that they were written from, where those lie beside this clone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pytest

from edge_agent.config.profiles import OURS, Register, load_profile

MAPS = Path(__file__).parents[3] / "shared" / "profiles" / "modbus_profiles.yaml"
OUR_UNITS = {"kWh": "Wh", "kvarh": "varh", "": "1", "A*": "raw", "W*": "raw", "kWh*": "raw"}
"""Energies are kept in Wh; `*` is a factor that the source does not know."""
NAMES = (
    "eastron_sdm120",
    "eastron_sdm630",
    "eastron_sdm72",
    "chint_dtsu666",
    "schneider_iem3000",
    "acrel_adw300",
    "pzem_004t_v3",
    "acrel_ard2f",
)


@dataclass(slots=True)
class Map:
    about: dict[str, str] = field(default_factory=dict)
    registers: list[dict[str, str]] = field(default_factory=list)


def maps() -> dict[str, Map]:
    """The file is written regularly: `key: value` lines, `- id:` begins a map, `- name:` a register."""
    if not MAPS.exists():
        pytest.skip("no ../shared/profiles beside this clone")
    found: dict[str, Map] = {}
    for indent, dash, key, value in _lines(MAPS.read_text(encoding="utf-8")):
        if dash and key == "id":
            here = found[value] = Map()
        elif dash and key == "name":
            here.registers.append({"name": value})
        elif found and indent == 4:
            if here.registers and key in {"address", "count", "type", "scale", "unit"}:
                here.registers[-1][key] = value
            else:
                here.about[key] = value
        elif found and indent == 2:
            here.about[key] = value
    return found


def _lines(text: str) -> Iterator[tuple[int, bool, str, str]]:
    for line in text.splitlines():
        if match := re.fullmatch(r"( *)(- )?([a-z_]+): ?(.*)", line):
            spaces, dash, key, value = match.groups()
            yield len(spaces), bool(dash), key, value.strip("'")


@pytest.mark.parametrize("name", NAMES)
def test_every_register_of_the_map_is_in_the_profile_as_it_stands_there(name: str) -> None:
    map_ = maps()[name]
    profile = load_profile(OURS / f"{name}.toml")
    points = {point.name: point for point in profile.points if isinstance(point, Register)}
    assert [row["name"] for row in map_.registers]
    assert points.keys() >= {row["name"] for row in map_.registers}
    for row in map_.registers:
        point, kilo = points[row["name"]], 1000 if row["unit"] in {"kWh", "kvarh"} else 1
        assert (point.address, point.type.value, point.type.registers) == (
            int(row["address"]),
            row["type"],
            int(row["count"]),
        )
        assert point.function == int(map_.about["function_code"])
        assert point.scale == Fraction(row["scale"]) * kilo, row
        assert point.unit == OUR_UNITS.get(row["unit"], row["unit"]), row
        if point.type.registers > 1:
            assert point.word_order.value == map_.about["word_order"], row


def test_the_maps_are_those_that_we_have_profiles_for() -> None:
    assert set(maps()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_factory_settings_of_the_port_are_the_maps(name: str) -> None:
    about, serial = maps()[name].about, load_profile(OURS / f"{name}.toml").serial
    assert serial
    said = (serial.baud, serial.parity.value, serial.stopbits)
    assert said == (int(about["baud"]), about["parity"], int(about["stopbits"]))
