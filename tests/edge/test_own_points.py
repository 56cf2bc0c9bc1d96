"""Points that a machine has of its own in box.toml: a PLC needs no profile."""

from pathlib import Path

import pytest

from edge_agent.clock import SystemClock
from edge_agent.commands.check import check
from edge_agent.config.load import OWN, Config, ConfigurationError, load
from edge_agent.config.points import Function, PointType, WordOrder, registers_of
from edge_agent.config.settings import settings_of
from evidence.exits import Exit
from evidence.keys import SigningKey
from tests.world.plant import Plant

HEAD = """
[box]
id = "box-1"
enterprise = "enterprise"
site = "site"
signing_key = "./signing.pem"
spool = "./spool.db"

[[bus]]
name = "hall"
kind = "modbus-tcp"
host = "127.0.0.1"
port = 502
"""
MACHINE = """
[[machine]]
name = "press-4"
title = "Press 4"
bus = "hall"
plc = "delta_dvp"

[[machine.point]]
name = "running"
register = "M0"
type = "bitfield"
unit = "1"
decimals = 0
kind = "state"

[[machine.point]]
name = "strokes"
register = "D100"
type = "uint32"
unit = "1"
decimals = 0
kind = "counter"
"""


def loaded(folder: Path, was: str = "", becomes: str = "", *, port: int = 502) -> Config:
    assert was in MACHINE
    file = folder / "box.toml"
    text = HEAD.replace("502", str(port)) + MACHINE.replace(was, becomes)
    file.write_text(text, encoding="utf-8")
    return load(file)


def complaint(folder: Path, was: str, becomes: str) -> str:
    with pytest.raises(ConfigurationError) as wrong:
        loaded(folder, was, becomes)
    return str(wrong.value)


def test_a_plc_is_read_by_the_names_of_its_registers_without_a_profile(tmp_path: Path) -> None:
    (machine,) = loaded(tmp_path).machines
    running, strokes = registers_of(machine.points)
    assert (running.function, running.address, running.type) == (Function.COILS, 0x0800, PointType.BITFIELD)
    assert (strokes.function, strokes.address, strokes.word_order) == (3, 0x1064, WordOrder.LOW_FIRST)
    settings = settings_of(machine)
    assert (settings["profile"], len(settings["profile_sha256"])) == (OWN, 32)
    assert [(point["address"], point["register"]) for point in settings["points"]] == [(0x0800, "M0"), (0x1064, "D100")]


def test_the_points_of_ones_own_stand_beside_the_profiles(tmp_path: Path) -> None:
    (machine,) = loaded(tmp_path, "plc =", 'profile = "pzem_004t_v3"\nplc =').machines
    assert [point.name for point in machine.points][-3:] == ["alarm", "running", "strokes"]
    assert machine.profile.id == "pzem_004t_v3"
    (machine,) = loaded(tmp_path, "plc =", 'profile = "pzem_004t_v3"\npoints = ["strokes", "voltage"]\nplc =').machines
    assert [point.name for point in machine.points] == ["strokes", "voltage"]


def test_other_own_points_are_other_evidence(tmp_path: Path) -> None:
    one = settings_of(loaded(tmp_path).machines[0])["profile_sha256"]
    assert settings_of(loaded(tmp_path).machines[0])["profile_sha256"] == one
    assert settings_of(loaded(tmp_path, "D100", "D102").machines[0])["profile_sha256"] != one


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('"D100"', '"D10000"', "machine[press-4].point[strokes].register"),
        ('plc = "delta_dvp"\n', "", "without `plc`"),
        ("delta_dvp", "delta_dvq", "machine[press-4].plc"),
        ('name = "strokes"', 'name = "running"', "machine[press-4].point[running].name"),
        ('"uint32"', '"uint33"', "machine[press-4].point[strokes].type"),
        ("plc =", 'profile = "eastron_sdm121"\nplc =', "machine[press-4].profile"),
        ("plc =", 'profile = "acrel_ard2f"\nplc =', "a name of the profile acrel_ard2f"),
    ],
)
def test_a_mistake_in_a_point_of_ones_own_is_told_where_it_stands(
    tmp_path: Path, was: str, becomes: str, says: str
) -> None:
    if "acrel" in becomes:
        was, becomes = MACHINE, MACHINE.replace(was, becomes).replace('"strokes"', '"switch_io"')
    assert says in complaint(tmp_path, was, becomes)


def test_a_machine_with_nothing_to_ask_is_a_mistake(tmp_path: Path) -> None:
    nothing = MACHINE.split("[[machine.point]]", maxsplit=1)[0]
    assert "[[machine.point]]" in complaint(tmp_path, MACHINE, nothing)


def test_check_says_which_families_nobody_has_proved(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "signing.pem")
    with Plant() as plant:
        for family, unproven in (("delta_dvp", False), ("xinje_xd", True)):
            config = loaded(tmp_path, "delta_dvp", family, port=plant[0].port)
            said = [finding.says for finding in check(config, SystemClock()) if finding.about == "machine/press-4"]
            assert any("own screen" in says for says in said) is unproven, family
            assert said[-1] == "answers"


def test_an_unproven_family_is_no_reason_to_fail(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "signing.pem")
    with Plant() as plant:
        found = check(loaded(tmp_path, "delta_dvp", "xinje_xd", port=plant[0].port), SystemClock())
    assert {finding.exit_code for finding in found if finding.about == "machine/press-4"} == {Exit.OK}
