"""`edge-agent judge`: what was read, judged again by any rule, and laid beside what was signed."""

import json
from argparse import ArgumentParser
from contextlib import chdir
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.commands import judge
from evidence.bodies import Configuration, Keep, Readings
from evidence.exits import Exit
from evidence.judging.judge import UNJUDGED, Change, Rule, RunState, expire, spans_of
from evidence.judging.judge import judge as judged_one
from evidence.judging.judged_by import ByRule
from evidence.judging.stream_judge import Rules
from tests.edge.test_judged_again import CUTS, POINTS, windows_of
from tests.evidence.rules import RULES, TICKS, Tick, answers_for
from tests.world.notebook import Notebook, write

NONE: dict[str, Any] = {}


def by(rule: Rule, bodies: list[Readings]) -> ByRule:
    found = ByRule(Rules(run_state=rule))
    found.configure({"points": POINTS, "period_ms": 1000})
    for body in bodies:
        found.readings(body)
    return found


@given(TICKS, RULES, CUTS)
def test_the_signed_rule_gives_what_was_signed(ticks: list[Tick], rule: Rule, cuts: set[int]) -> None:
    found = by(rule, windows_of(ticks, rule, cuts, [Keep.EVERY])).result()
    assert (found.differs_ms, found.exactly_ms, found.differences) == ({}, 0, ())
    assert found.running_low_ms == found.running_up_ms


@given(TICKS, RULES, RULES, CUTS)
def test_another_rule_gives_what_a_box_would_have_signed_by_it(
    ticks: list[Tick], signed: Rule, other: Rule, cuts: set[int]
) -> None:
    bodies = windows_of(ticks, signed, cuts, [Keep.EVERY])
    found = by(other, bodies).result()
    now, changes = UNJUDGED, list[Change]()
    for at_ms, values in answers_for(other, ticks, bodies[0].from_ms):
        now, changed = judged_one(now, at_ms, values, other)
        changes += changed
    now, gone = expire(now, bodies[-1].to_ms, other)
    assert list(found.spans) == spans_of(RunState.UNKNOWN, [*changes, *gone], bodies[0].from_ms, bodies[-1].to_ms)
    hours = found.recomputed.hours
    assert hours is not None
    assert hours.running_ms == found.running_low_ms == found.running_up_ms
    assert hours.unknown_ms == hours.window_ms - hours.observed_ms
    assert sum(found.differs_ms.values()) == sum(d.to_ms - d.from_ms for d in found.differences)


@given(TICKS, RULES, CUTS, st.lists(st.sampled_from(Keep), min_size=1, max_size=3))
def test_whatever_is_kept_it_is_judged_within_its_windows(
    ticks: list[Tick], rule: Rule, cuts: set[int], keeps: list[Keep]
) -> None:
    bodies = windows_of(ticks, rule, cuts, keeps)
    found = by(rule, bodies).result()
    length = bodies[-1].to_ms - bodies[0].from_ms
    assert sum(end - start for start, end, _ in found.spans) == length
    assert 0 <= found.running_low_ms <= found.running_up_ms <= length


# The command.


def told(*words: str | Path) -> tuple[Exit, str]:
    parser = ArgumentParser()
    judge.add_parser(parser.add_subparsers())
    out = StringIO()
    code = judge.run(parser.parse_args(["judge", *map(str, words)]), out)
    return code, out.getvalue()


def as_json(*words: str | Path) -> dict[str, Any]:
    code, text = told(*words, "--json")
    assert code is Exit.OK
    (stream,) = json.loads(text)["streams"]
    found: dict[str, Any] = stream
    return found


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    notebook = Notebook()
    notebook.chain("box")
    for _ in range(3):
        notebook.readings("machine/lathe", [5_000_000] * 200 + [500_000] * 60 + [0] * 40)
    return write(tmp_path / "lathe.bundle", notebook.entries())


def test_a_bundle_by_its_own_rule_is_the_same(bundle: Path) -> None:
    code, text = told(bundle)
    assert code is Exit.OK
    assert "signed" in text
    assert "the same" in text
    found = as_json(bundle)
    assert (found["stream"], found["differs_ms"]) == ("machine/lathe", [])
    assert found["hours"]["running_ms"] == 610_000


def test_a_lower_threshold_turns_idle_into_running_and_says_so(bundle: Path) -> None:
    found = as_json(bundle, "--running-above-w", "400", "--idle-above-w", "100", "--hold-s", "15")
    assert found["differs_ms"] == [{"signed": "IDLE", "now": "RUNNING", "ms": 180_000}]
    assert len(found["differences"]) == 3
    assert found["energy"][0]["point"] == "energy_import"
    code, text = told(bundle, "--running-above-w", "400", "--idle-above-w", "100")
    assert code is Exit.OK, "another rule may say another thing"
    assert "IDLE was signed, RUNNING by this rule: 0.05 h" in text


def test_a_lie_in_the_signed_states_is_found_by_the_signed_rule(tmp_path: Path) -> None:
    notebook = Notebook()
    notebook.chain("box")
    notebook.readings("machine/lathe", [0] * 300)
    chain = notebook.chains["machine/lathe"]
    notebook.readings("machine/lathe", [0] * 300, spans=[(chain.at_ms, RunState.RUNNING)])
    code, text = told(write(tmp_path / "lie.bundle", notebook.entries()))
    assert code is Exit.WRONG_OUT_THERE
    assert "RUNNING was signed, STOPPED by this rule: 0.08 h" in text


def test_minutes_are_an_estimate_and_no_contradiction(tmp_path: Path) -> None:
    notebook = Notebook()
    notebook.chain("box")
    for _ in range(3):
        notebook.minutes("machine/lathe", [[5_000_000] * 60, [5_000_000, 0] * 30, [0] * 60])
    code, text = told(write(tmp_path / "minutes.bundle", notebook.entries()))
    assert code is Exit.OK
    assert "by the minutes" in text
    found = as_json(tmp_path / "minutes.bundle")
    assert found["running_low_ms"] < found["running_up_ms"]
    assert found["minutes_ms"] == 9 * 60_000


CSV = "offset_ms,active_power,strokes,failure\n" + "".join(
    f"{i * 1000},{5000.5 if i % 5 == 0 and i <= 400 else 120},{min(i, 400) // 5},\n" for i in range(600)
)
RULE = """
[run_state]
strategy = "pulses"
point = "strokes"
longest_cycle_s = 12
quiet = "idle"

[[limit]]
point = "active_power"
above = 5000
delay_s = 0
"""


@pytest.fixture
def press(tmp_path: Path) -> Path:
    (tmp_path / "press.csv").write_text(CSV)
    return tmp_path / "press.csv"


def test_a_recording_by_its_greatest_power(press: Path) -> None:
    found = as_json(press, "--running-above-w", "3000", "--idle-above-w", "50", "--interval-s", "10")
    assert found["spans"] == [[0, 410_000, "RUNNING"], [410_000, 599_001, "IDLE"]]
    code, text = told(press, "--running-above-w", "3000", "--idle-above-w", "50", "--interval-s", "10")
    assert code is Exit.OK
    assert "+6 min 50 s" in text
    assert "signed" not in text


def test_a_recording_by_a_rule_in_a_file(press: Path, tmp_path: Path) -> None:
    (tmp_path / "rule.toml").write_text(RULE)
    found = as_json(press, "--rule", tmp_path / "rule.toml")
    assert found["cycles"] == [{"point": "strokes", "count": 80, "merged": 0, "mean_cycle_ms": 5000}]
    assert [span[2] for span in found["spans"]] == ["UNKNOWN", "RUNNING", "IDLE"]
    events = found["events"]
    assert len(events) == 2 * 81
    assert events[0]["says"] == "5000.5 W, not below 5000 W"


CONFIG = """
[box]
id = "press-1"
enterprise = "Suzhou Tyre"
site = "hall 2"
signing_key = "./signing.pem"
[[bus]]
name = "hall"
kind = "modbus-tcp"
host = "192.168.1.40"
[[machine]]
name = "lathe"
title = "Lathe"
bus = "hall"
profile = "eastron_sdm120"
points = ["active_power"]
[machine.run_state]
running_above_w = 400
idle_above_w = 100
hold_s = 15
"""


def test_what_a_configuration_says_now(bundle: Path, press: Path, tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(CONFIG)
    found = as_json(bundle, "--config", tmp_path / "box.toml")
    assert found["differs_ms"] == [{"signed": "IDLE", "now": "RUNNING", "ms": 180_000}]
    assert as_json(press, "--config", tmp_path / "box.toml")["run_state"]["running_above_mw"] == 400_000


def test_a_long_list_is_cut_unless_all_is_wanted(press: Path, tmp_path: Path) -> None:
    (tmp_path / "rule.toml").write_text(RULE)
    assert "and 122 more; --all prints them" in told(press, "--rule", tmp_path / "rule.toml")[1]
    assert "more" not in told(press, "--rule", tmp_path / "rule.toml", "--all")[1]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["press.csv"], Exit.USAGE, "says nothing of rules"),
        (["lathe.bundle", "--stream", "machine/saw"], Exit.USAGE, "it has machine/lathe"),
        (["lathe.bundle", "--config", "box.toml", "--running-above-w", "3"], Exit.USAGE, "in one way"),
        (["lathe.bundle", "--running-above-w", "3"], Exit.CONFIGURATION, "run_state.idle_above_w is missing"),
        (
            ["lathe.bundle", "--running-above-w", "3", "--idle-above-w", "4"],
            Exit.CONFIGURATION,
            "at most running_above_w",
        ),
        (["lathe.bundle", "--rule", "nothing.toml"], Exit.WRONG_OUT_THERE, "cannot read"),
        (["lathe.bundle", "--rule", "press.csv"], Exit.CONFIGURATION, "not TOML"),
        (["nothing.bundle"], Exit.WRONG_OUT_THERE, "there is no nothing.bundle"),
        (["box.toml"], Exit.WRONG_OUT_THERE, "box.toml"),
        (["broken.csv", "--running-above-w", "3", "--idle-above-w", "3"], Exit.WRONG_OUT_THERE, "line 2"),
    ],
)
@pytest.mark.usefixtures("bundle", "press")
def test_a_users_mistake_is_told_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: Exit, says: str
) -> None:
    (tmp_path / "box.toml").write_text(CONFIG)
    (tmp_path / "broken.csv").write_text("offset_ms,active_power\nthree,4\n")
    with chdir(tmp_path):
        assert told(*words)[0] is code
    assert says in capsys.readouterr().err


def test_a_stream_of_which_settings_change_is_judged_by_each(tmp_path: Path) -> None:
    notebook = Notebook()
    notebook.chain("box")
    notebook.readings("machine/lathe", [500_000] * 300)
    settings = notebook.chains["machine/lathe"].settings
    notebook.configure("machine/lathe", settings | {"running_above_mw": 400_000})
    notebook.chains["machine/lathe"].judged = UNJUDGED
    notebook.readings("machine/lathe", [500_000] * 300)
    found = as_json(write(tmp_path / "two.bundle", notebook.entries()))
    assert [span[2] for span in found["spans"]] == ["IDLE", "RUNNING"]
    assert found["differs_ms"] == []


def test_settings_without_points_and_windows_without_rows_are_taken() -> None:
    found = ByRule(Rules())
    found.configure({})
    body = Readings(from_ms=1, to_ms=2, period_ms=1, keep=Keep.EVERY, times_ms=[], columns=[])
    found.readings(body)
    found.readings(replace(body, from_ms=2, to_ms=2))
    assert found.result().spans == ()
    assert Configuration(settings=NONE).settings == {}
