"""What a machine is judged by, as a box's file says it: every strategy, limits, the signature, and every mistake."""

import re
from pathlib import Path

import pytest

from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.settings import settings_of
from evidence import cbor
from evidence.judging.judge import Fusion, IntervalMax, PlcState, Pulses, RunState, Signal, Threshold, Wins
from evidence.judging.limits import USUAL, Limit, Side
from evidence.judging.signature import Signature
from evidence.judging.stream_judge import Measure, Rules, StreamJudge

DOCS = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
HEAD = """
[box]
id = "box-7"
enterprise = "Suzhou Tyre"
site = "hall 2"
signing_key = "./signing.pem"
profiles = "./profiles"

[[bus]]
name = "hall"
kind = "modbus-tcp"
host = "192.168.1.40"

[[machine]]
name = "press"
title = "Press"
bus = "hall"
profile = "press"
"""
PROFILE = """
id = "press"
vendor = "Vendor"
model = "Model"
function = 3
source = ["the tests"]
"""
POINTS = {
    "active_power": ("W", 1, "gauge", "int32"),
    "status": ("raw", 0, "state", "bitfield"),
    "cycles": ("1", 0, "counter", "uint16"),
    "stroke": ("m", 3, "gauge", "int16"),
    "pressure": ("kPa", 1, "gauge", "int16"),
    "residual": ("mA", 0, "gauge", "uint16"),
    "energy_import": ("Wh", 2, "counter", "uint32"),
    "feeder": ("kW", 2, "gauge", "int16"),
}
OWN = {"cycles": "modulus = 65536", "energy_import": "modulus = 100000000"}


def loaded(tmp_path: Path, text: str) -> Config:
    (tmp_path / "profiles").mkdir(exist_ok=True)
    points = "".join(
        f'[[point]]\nname = "{name}"\naddress = {2 * i}\ntype = "{type_}"\nunit = "{unit}"\ndecimals = {decimals}\n'
        f'kind = "{kind}"\n{OWN.get(name, "")}\n'
        for i, (name, (unit, decimals, kind, type_)) in enumerate(POINTS.items())
    )
    (tmp_path / "profiles" / "press.toml").write_text(PROFILE + points, encoding="utf-8")
    file = tmp_path / "box.toml"
    file.write_text(HEAD + text, encoding="utf-8")
    return load(file)


def rules(tmp_path: Path, text: str) -> Rules:
    """What a bank reads from the settings that the box signs."""
    machine = loaded(tmp_path, text).machines[0]
    encoded = cbor.encode(settings_of(machine))
    read = Rules.from_settings(cbor.decode(encoded, at_most=len(encoded)))
    assert (read.run_state, read.limits, read.signature) == (machine.run_state, machine.limits, machine.signature)
    return read


def complaints(tmp_path: Path, text: str) -> dict[str, tuple[str, str]]:
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, text)
    return {c.key.removeprefix("machine[press]."): (c.found, c.wanted) for c in wrong.value.complaints}


def test_without_tables_nothing_is_judged_but_counters(tmp_path: Path) -> None:
    read = rules(tmp_path, "rated_w = 30000\n")
    assert (read.run_state, read.limits, read.signature) == (None, (), None)
    assert [(c.name, c.wh, c.decimals, c.modulus, c.rated_w) for c in read.counters] == [
        ("energy_import", 1, 2, 100_000_000, 30_000)
    ]


def test_bursts(tmp_path: Path) -> None:
    text = '[machine.run_state]\nstrategy = "interval_max"\nrunning_above_w = 3000\nidle_above_w = 300\ninterval_s = 20'
    assert rules(tmp_path, text).run_state == IntervalMax(
        running_above_mw=3_000_000, idle_above_mw=300_000, interval_ms=20_000, hold_ms=2_000
    )


def test_the_documented_plc(tmp_path: Path) -> None:
    text = next(part for part in re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL) if '"plc_state"' in part)
    assert rules(tmp_path, text).run_state == PlcState(
        point="status",
        states=((1, 1, RunState.RUNNING), (3, 2, RunState.IDLE), (3, 0, RunState.STOPPED)),
        dwell_ms=0,
        hold_ms=2_000,
    )


def test_a_plc_by_whole_values(tmp_path: Path) -> None:
    text = '[machine.run_state]\nstrategy = "plc_state"\npoint = "status"\nrunning = [2, 3]\nstopped = [0]\ndwell_s = 5'
    rule = rules(tmp_path, text).run_state
    assert isinstance(rule, PlcState)
    assert [rule.level(value, RunState.UNKNOWN).name for value in range(4)] == [
        "STOPPED",
        "UNKNOWN",
        "RUNNING",
        "RUNNING",
    ]


def test_pulses_of_a_counter_know_where_it_begins_anew(tmp_path: Path) -> None:
    text = '[machine.run_state]\nstrategy = "pulses"\npoint = "cycles"\nlongest_cycle_s = 90\nquiet = "idle"'
    assert rules(tmp_path, text).run_state == Pulses(
        point="cycles",
        signal=Signal.COUNTER,
        longest_cycle_ms=90_000,
        quiet=RunState.IDLE,
        hold_ms=2_000,
        modulus=65_536,
    )


def test_pulses_of_a_bit_and_of_peaks(tmp_path: Path) -> None:
    text = '[machine.run_state]\nstrategy = "pulses"\nsignal = "bit"\npoint = "status"\nlongest_cycle_s = 9\nmask = 4'
    rule = rules(tmp_path, text).run_state
    assert isinstance(rule, Pulses)
    assert (rule.signal, rule.mask) == (Signal.BIT, 4)
    text = (
        '[machine.run_state]\nstrategy = "pulses"\nsignal = "peaks"\npoint = "stroke"\nlongest_cycle_s = 9\n'
        "low = 0.2\nhigh = 0.35\nhysteresis = 0.01"
    )
    rule = rules(tmp_path, text).run_state
    assert isinstance(rule, Pulses)
    assert (rule.low_milli, rule.high_milli, rule.hysteresis_milli) == (200, 350, 10)


def test_the_documented_fusion(tmp_path: Path) -> None:
    text = next(part for part in re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL) if '"fusion"' in part)
    rule = rules(tmp_path, text).run_state
    assert isinstance(rule, Fusion)
    assert isinstance(rule.first, Threshold)
    assert isinstance(rule.second, Pulses)
    assert (rule.wins, rule.disagreement_ms) == (Wins.LOWER, 60_000)


def test_limits_by_figure_and_by_what_is_usual(tmp_path: Path) -> None:
    text = """
[[machine.limit]]
point = "pressure"
usual = "hydrant-industrial"
[[machine.limit]]
point = "pressure"
name = "pressure high"
above = 800
clear = 780.5
delay_s = 0
[[machine.limit]]
point = "residual"
above = 500
"""
    low, high, leak = rules(tmp_path, text).limits
    assert low == Limit(
        name="pressure",
        point="pressure",
        side=Side.BELOW,
        raise_milli=100_000,
        clear_milli=105_000,
        delay_ms=10_000,
        hold_ms=3_000,
        why=USUAL["hydrant-industrial"].why,
    )
    assert (high.name, high.side, high.raise_milli, high.clear_milli, high.delay_ms) == (
        "pressure high",
        Side.ABOVE,
        800_000,
        780_500,
        0,
    )
    assert (leak.raise_milli, leak.clear_milli) == (500_000, 475_000)


def test_a_limit_on_a_point_in_kilowatts_is_one_in_kilowatts(tmp_path: Path) -> None:
    judged = rules(tmp_path, '[[machine.limit]]\npoint = "feeder"\nabove = 5\nclear = 4.5\ndelay_s = 0\n')
    judge = StreamJudge(rules=judged, points=[Measure("feeder", "kW", 2)])
    found = [judge.take(1000 * second, [value])[1] for second, value in enumerate((499, 500, 450, 449), 1)]
    said = [(event.value, event.reference, event.says) for events in found for event in events]
    assert said == [(500, 500, "5000 W, not below 5000 W"), (449, 450, "4490 W, again below 4500 W")]


def test_the_usual_limits_are_documented_as_they_are() -> None:
    rows = {row.split('"')[1]: row for row in DOCS.splitlines() if row.startswith('| "')}
    assert rows.keys() == USUAL.keys()
    for kind, usual in USUAL.items():
        figures = f"| {usual.unit} | {usual.side.value} {usual.raise_milli // 1000} | {usual.clear_milli // 1000} |"
        assert figures in rows[kind]


def test_a_signature(tmp_path: Path) -> None:
    text = "[machine.signature]\nrunning_w = 5000\nspread_w = 120.5\ninrush_w = 20000\ninrush_spread_w = 900"
    assert rules(tmp_path, text).signature == Signature(
        point="active_power",
        running_mw=5_000_000,
        spread_mw=120_500,
        idle_mw=None,
        wh_per_hour=5000,
        block_ms=1_800_000,
        inrush_ms=10_000,
        inrush_mw=20_000_000,
        inrush_spread_mw=900_000,
        hold_ms=2_000,
    )


RULE = "[machine.run_state]\n"
LIMIT = "[[machine.limit]]\n"
MISTAKES = [
    (RULE + 'strategy = "power"', "run_state.strategy", "power_threshold"),
    (RULE + "strategy = 7", "run_state.strategy", "one of"),
    (RULE + 'strategy = "interval_max"\nrunning_above_w = 3\nidle_above_w = 1', "run_state.interval_s", "seconds"),
    (
        RULE + 'strategy = "interval_max"\nrunning_above_w = 3\nidle_above_w = 1\ninterval_s = 0.5',
        "run_state.interval_s",
        "at least the period",
    ),
    (
        RULE + 'strategy = "interval_max"\nrunning_above_w = 3\nidle_above_w = 4\ninterval_s = 5',
        "run_state.idle_above_w",
        "at most running_above_w",
    ),
    (RULE + 'strategy = "plc_state"\npoint = "status"', "run_state.running", "values of running, idle or stopped"),
    (RULE + 'strategy = "plc_state"\npoint = "status"\nidle = ["3/1"]', "run_state.idle", "value and mask"),
    (RULE + 'strategy = "plc_state"\npoint = "status"\nidle = [-1]', "run_state.idle", "value and mask"),
    (RULE + 'strategy = "plc_state"\npoint = "active_power"\nidle = [1]', "run_state.point", "a whole number"),
    (RULE + 'strategy = "pulses"\npoint = "status"\nlongest_cycle_s = 9', "run_state.point", "a counter"),
    (RULE + 'strategy = "pulses"\npoint = "cycles"\nlongest_cycle_s = 9\nmask = 1', "run_state.mask", "one of"),
    (
        RULE + 'strategy = "pulses"\npoint = "cycles"\nlongest_cycle_s = 9\nshortest_cycle_s = 9',
        "run_state.shortest_cycle_s",
        "less than longest_cycle_s",
    ),
    (
        RULE + 'strategy = "pulses"\nsignal = "peaks"\npoint = "stroke"\nlongest_cycle_s = 9\nlow = 2\nhigh = 1',
        "run_state.high",
        "at least low",
    ),
    (RULE + 'strategy = "pulses"\nsignal = "noise"\npoint = "cycles"\nlongest_cycle_s = 9', "run_state.signal", "bit"),
    (RULE + 'strategy = "fusion"', "run_state.first", "a table with a strategy of its own"),
    (
        RULE + 'strategy = "fusion"\n[machine.run_state.first]\nstrategy = "fusion"\n[machine.run_state.second]',
        "run_state.first.strategy",
        "one of",
    ),
    (
        RULE + 'strategy = "fusion"\n[machine.run_state.first]\nrunning_above_w = 3\nidle_above_w = 1\n'
        '[machine.run_state.second]\nstrategy = "plc_state"\npoint = "stattus"\nidle = [1]',
        "run_state.second.point",
        "a point that is asked",
    ),
    (RULE + "running_above_w = 3\nidle_above_w = 1\nhold_s = 1", "run_state.hold_s", "more than the period"),
    (RULE + 'point = "stroke"\nrunning_above_w = 3\nidle_above_w = 1', "run_state.point", "a point in W or kW"),
    (LIMIT + 'point = "pressure"', "limit[pressure].below", "one of usual, below, above"),
    (LIMIT + 'point = "pressure"\nbelow = 1\nabove = 2', "limit[pressure].below", "one of usual, below, above"),
    (LIMIT + 'point = "residual"\nusual = "sprinkler"', "limit[residual].point", "a point in kPa"),
    (LIMIT + 'point = "pressure"\nbelow = 100\nclear = 99', "limit[pressure].clear", "at least 100"),
    (LIMIT + 'point = "pressure"\nabove = 100\nclear = 101', "limit[pressure].clear", "at most 100"),
    (LIMIT + 'point = "presure"\nbelow = 100', "limit[presure].point", "a point that is asked"),
    ((LIMIT + 'point = "pressure"\nbelow = 1\n') * 2, "limit[pressure].name", "a name of its own"),
    (LIMIT * 65, "limit", "at most 64"),
    ("[machine.signature]\nrunning_w = 5\nspread_w = 1\ninrush_w = 9", "signature.inrush_spread_w", "or neither"),
    ('[machine.signature]\npoint = "stroke"\nrunning_w = 5\nspread_w = 1', "signature.point", "a point in W or kW"),
]


@pytest.mark.parametrize(("text", "key", "wanted"), MISTAKES)
def test_a_mistake_is_told_with_its_key_and_what_is_wanted(tmp_path: Path, text: str, key: str, wanted: str) -> None:
    found = complaints(tmp_path, text)
    assert key in found
    assert wanted in found[key][1]


def test_a_gauge_has_no_modulus(tmp_path: Path) -> None:
    text = '[[machine.point]]\nname = "own"\naddress = 50\ntype = "uint16"\nfunction = 3\nunit = "W"\ndecimals = 0\n'
    assert complaints(tmp_path, text + 'kind = "gauge"\nmodulus = 100')["point[own].modulus"] == (
        "that of a gauge",
        "one of a counter",
    )
