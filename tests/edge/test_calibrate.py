"""`edge-agent calibrate`: guided at a terminal, by seconds, from recordings, bundles and what the box has kept."""

import argparse
import io
import json
import re
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from demo.curves import loom
from edge_agent.codecs.recording import Form, Recorded, TimeKey, heading, line_of
from edge_agent.commands.calibrate import add_parser
from edge_agent.commands.export import export
from edge_agent.config.load import load
from edge_agent.config.settings import settings_of
from edge_agent.installing.calibrating.rhythm import Sample
from edge_agent.keeping.spool import Spool
from evidence.bodies import Keep
from evidence.exits import Exit
from evidence.judging.judge import IntervalMax, Threshold
from tests.world.box import BoxUnderTest, machine_settings
from tests.world.clock import TestClock
from tests.world.loads import MIDNIGHT_S, press, readings, stays
from tests.world.plant import Fault, Plant, float32
from tests.world.rs485 import Rs485
from tests.world.terminal import Terminal

BOX = """\
# the box of hall 1
[box]
id = "box-1"
enterprise = "Suzhou Tyre"
site = "hall 2"
signing_key = "./signing.pem"
spool = "./spool.db"

[[bus]]
name = "hall"
{bus}
timeout_s = 0.5
period_s = 0.1          # ten times a second

[[machine]]
name = "press"
title = "1 号压机"
bus = "hall"
unit = 1
profile = "eastron_sdm72"
points = ["active_power", "energy_import"]
"""
NOBODY = 'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = 9'
RULE = """
# set by hand
[machine.run_state]
running_above_w = 1500  # a guess
idle_above_w = 100
hold_s = 3
"""
NEXT = """
[[machine]]
name = "other"
title = "Other"
bus = "hall"
unit = 2
profile = "eastron_sdm72"
"""


def written(folder: Path, bus: str = NOBODY, rest: str = "") -> Path:
    file = folder / "box.toml"
    file.write_text(BOX.format(bus=bus) + rest, encoding="utf-8")
    return file


def run(file: Path, *flags: str, clock: TestClock | None = None) -> tuple[Exit, str]:
    out = io.StringIO()
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["calibrate", "press", "--config", str(file), *flags])
    return arguments.run(arguments, out, io.StringIO(), clock), out.getvalue()


def recording(file: Path, samples: Sequence[Sample]) -> Path:
    first_ms = samples[0].at_ms
    form = Form(file.suffix)
    rows = [
        Recorded(at_ms=at_ms - first_ms, values={"active_power": Decimal(power_mw).scaleb(-3)})
        for at_ms, power_mw in samples
    ]
    body = b"".join(line_of(row, form, ["active_power"], TimeKey.OFFSET) for row in rows)
    file.write_bytes(heading(form, ["active_power"], TimeKey.OFFSET) + body)
    return file


WALK = stays([(12, 60), (380, 60), (3150, 120)], noise=0.03, seed=1)
WALKED = ("--off", "60", "--idle", "60", "--running", "120")


def test_a_walk_at_a_terminal_ends_with_a_file_that_the_agent_understands(tmp_path: Path) -> None:
    with Rs485(units=(1,), baud=57600) as line:
        file = written(tmp_path, f'kind = "modbus-rtu"\ndevice = "{line.device}"\nbaud = 19200', RULE + NEXT)
        before = file.read_text(encoding="utf-8")
        line[1].registers.update(float32(52, 12.0))
        seconds = ("--off", "1.6", "--idle", "1.6", "--running", "2")
        picture = tmp_path / "press.svg"
        with Terminal("calibrate", "press", "--config", str(file), *seconds, "--picture", str(picture)) as terminal:
            terminal.until("Switch it OFF as after work (停工).")
            terminal.until("12 W")
            terminal.type("\n")
            terminal.until("s left")
            terminal.until("Let it IDLE: switched on, and not working (空转).")
            line[1].registers.update(float32(52, 380.0))
            terminal.until("380 W")
            terminal.type("\n")
            terminal.until("Let it WORK as it does every day (开工).")
            line[1].registers.update(float32(52, 3150.0))
            terminal.until("3.15 kW")
            terminal.type("\n")
            terminal.until("Write this into")
            assert file.read_text(encoding="utf-8") == before
            terminal.type("y\n")
            assert terminal.ended() == 0
            shown = terminal.screen()
    assert "separation" in shown
    assert "-running_above_w = 1500  # a guess" in shown
    assert "+running_above_w = 1100  # a guess" in shown
    after = file.read_text(encoding="utf-8")
    assert after.startswith(before[: before.index("running_above_w")])  # comments and the rest stay
    assert after.endswith(NEXT)
    rule = load(file).machines[0].run_state
    assert isinstance(rule, Threshold)
    assert 12_000 < rule.idle_above_mw < 380_000 < rule.running_above_mw < 3_150_000
    assert (rule.hold_ms, rule.dwell_ms) == (3_000, 10_000)
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_an_installer_may_leave_idling_out_say_no_and_go(tmp_path: Path) -> None:
    with Rs485(units=(1,), baud=57600) as line:
        file = written(tmp_path, f'kind = "modbus-rtu"\ndevice = "{line.device}"\nbaud = 19200')
        before = file.read_bytes()
        seconds = ("--off", "1.6", "--idle", "1.6", "--running", "2")
        with Terminal("calibrate", "press", "--config", str(file), *seconds) as terminal:
            terminal.until("Enter when it is off")
            terminal.type("\n")
            terminal.until("type skip if it never does")
            terminal.type("skip\n")
            terminal.until("Let it WORK")
            line[1].registers.update(float32(52, 3150.0))
            terminal.until("3.15 kW")
            terminal.type("\n")
            terminal.until("[y/N]")
            terminal.type("\n")
            assert terminal.ended() == 0
            assert "it was never idle" in terminal.said
            assert "nothing was written" in terminal.said
        with Terminal("calibrate", "press", "--config", str(file), *seconds) as terminal:
            terminal.until("Enter when it is off")
            terminal.type("\x03")
            assert terminal.ended() == 130
            assert "Traceback" not in terminal.said
    assert file.read_bytes() == before


def test_without_a_terminal_states_follow_each_other_and_the_walk_is_recorded(tmp_path: Path) -> None:
    with Plant() as plant:
        file = written(tmp_path, f'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {plant[0].port}')
        plant[0].registers.update(float32(52, 3150.0))
        kept = tmp_path / "walk.jsonl"
        code, said = run(file, "--off", "1.6", "--idle", "0", "--running", "1.6", "--record", str(kept))
    assert code is Exit.WRONG_OUT_THERE
    assert "REFUSED: running draws no more than off: 3.15 kW, 3.15 kW" in said
    assert "next: walk it again" in said
    assert len(kept.read_text(encoding="utf-8").splitlines()) >= 10


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_recording_of_a_walk_is_as_good_as_the_walk(tmp_path: Path, suffix: str) -> None:
    file = written(tmp_path)
    walk = recording(tmp_path / f"walk{suffix}", WALK)
    code, said = run(file, "--from", str(walk), *WALKED, "--json", "--write")
    told = json.loads(said)
    assert code is Exit.OK
    assert (told["exit_code"], told["written"], told["machine"]) == (0, True, "press")
    assert set(told["levels"]) == {"off", "idle", "running"}
    assert told["separation"] > told["separation_needed"] == 2
    assert told["shares"] == {"off": 1, "idle": 1, "running": 1}
    assert "+running_above_w = 1100\n" in told["diff"]
    in_force = settings_of(load(file).machines[0])
    assert {key: in_force[key] for key in told["proposed"]} == told["proposed"] | {"hold_ms": 200}
    code, said = run(file, "--from", str(walk), *WALKED, "--write")
    assert code is Exit.OK
    assert "says so already" in said


def test_another_rule_is_another_settings_hash(tmp_path: Path) -> None:
    file = written(tmp_path, rest=RULE)
    before = settings_of(load(file).machines[0])
    run(file, "--from", str(recording(tmp_path / "walk.csv", WALK)), *WALKED, "--write")
    assert settings_of(load(file).machines[0]) != before


def test_bursts_are_written_as_an_interval_and_what_no_longer_belongs_goes(tmp_path: Path) -> None:
    file = written(tmp_path, rest=RULE.replace("hold_s = 3", "dwell_s = 20\nhysteresis_w = 5"))
    samples = readings(press, from_s=MIDNIGHT_S + 20 * 3600, hours=0.5)
    samples += readings(press, from_s=MIDNIGHT_S + 86_400 + 11 * 3600, hours=2)
    code, said = run(file, "--from", str(recording(tmp_path / "day.csv", samples)), "--learn", "24", "--write")
    assert code is Exit.OK, said
    rule = load(file).machines[0].run_state
    assert isinstance(rule, IntervalMax)
    assert rule.interval_ms == 20_000
    assert "-dwell_s = 20" in said
    assert "judged by the greatest power of 20 s" in said


def test_of_two_fused_signals_the_one_by_power_is_calibrated(tmp_path: Path) -> None:
    fusion = """
[machine.run_state]
strategy = "fusion"
wins = "lower"

[machine.run_state.first]
strategy = "pulses"
point = "energy_import"
longest_cycle_s = 60

[machine.run_state.second]
running_above_w = 1500
idle_above_w = 100
"""
    file = written(tmp_path, rest=fusion)
    code, said = run(file, "--from", str(recording(tmp_path / "walk.csv", WALK)), *WALKED, "--write")
    assert code is Exit.OK, said
    settings = settings_of(load(file).machines[0])
    assert settings["strategy"] == "fusion"
    assert settings["first"]["strategy"] == "pulses"
    assert settings["second"]["running_above_mw"] == 1_100_000


def kept_by_box(folder: Path, keep: Keep, *, hours: float, every_s: int) -> BoxUnderTest:
    """A box that has polled a loom for some hours, and goes on."""
    settings = {"machine/press": machine_settings(keep=keep, judged=False, period_ms=1000 * every_s)}
    clock = TestClock(at_ms=1000 * (MIDNIGHT_S + 5 * 3600))
    box = BoxUnderTest(directory=folder, settings=settings, clock=clock, other={"seal_every_ms": 900_000})
    box.start()
    for _ in range(int(hours * 3600 / every_s)):
        clock.sleep(1000 * every_s)
        box.read("press", loom(clock.at_ms / 1000))
        box.keeper.step()
    return box


@pytest.mark.parametrize(("keep", "every_s"), [(Keep.EVERY, 20), (Keep.MINUTE, 15)])
def test_what_the_box_has_kept_is_learned_from_while_it_polls(tmp_path: Path, keep: Keep, every_s: int) -> None:
    box = kept_by_box(tmp_path, keep, hours=2.2, every_s=every_s)
    file = written(tmp_path)
    code, said = run(file, "--learn", "24", clock=box.clock)
    assert code is Exit.OK, said
    assert "off" in said
    assert re.search(r"idle from [78][0-9] W   running from 1\.[012] kW", said), said
    code, said = run(file, "--learn", "0.2", clock=box.clock)  # the loom did nothing but work in these minutes
    assert code is Exit.WRONG_OUT_THERE
    assert "REFUSED" in said
    assert box.spool is not None
    bundle = tmp_path / "box.qly"
    with closing(Spool(box.box.spool, box="box-1", read_only=True)) as spool:
        export(spool, bundle, unsent_only=False)
    code, said = run(file, "--from", str(bundle))
    assert code is Exit.OK, said
    assert "running from 1.1 kW" in said
    file.write_text(file.read_text(encoding="utf-8").replace('"box-1"', '"box-2"'), encoding="utf-8")
    assert run(file, "--from", str(bundle))[0] is Exit.WRONG_OUT_THERE  # it is another box's
    box.die()


def test_hours_of_running_leave_a_signature_that_the_configuration_takes(tmp_path: Path) -> None:
    file = written(tmp_path)
    samples = readings(loom, hours=48, every_s=5)
    code, said = run(file, "--from", str(recording(tmp_path / "days.csv", samples)), "--write")
    assert code is Exit.OK, said
    machine = load(file).machines[0]
    assert machine.signature is not None
    assert 3_000_000 < machine.signature.running_mw < 3_300_000
    assert "its running draws 3.1" in said
    assert "signature" in settings_of(machine)
    rule = machine.run_state
    slower = [Sample(at_ms, power_mw * 9 // 10) for at_ms, power_mw in samples]
    flags = ("--from", str(recording(tmp_path / "later.csv", slower)), "--signature-only", "--write")
    code, said = run(file, *flags)
    assert code is Exit.OK, said
    machine = load(file).machines[0]
    assert machine.run_state == rule
    assert machine.signature is not None
    assert 2_700_000 < machine.signature.running_mw < 2_950_000


def test_learning_at_a_terminal_may_be_ended_early(tmp_path: Path) -> None:
    with Rs485(units=(1,), baud=57600) as line:
        file = written(tmp_path, f'kind = "modbus-rtu"\ndevice = "{line.device}"\nbaud = 19200')
        line[1].registers.update(float32(52, 3150.0))
        with Terminal("calibrate", "press", "--config", str(file), "--learn", "1", "--live") as terminal:
            terminal.until(" of 60 min    3.15 kW")
            terminal.type("\n")
            assert terminal.ended() == 1
            assert "readings are too few" in terminal.said


def test_what_does_not_separate_changes_nothing_and_says_why(tmp_path: Path) -> None:
    file = written(tmp_path, rest=RULE)
    before = file.read_bytes()
    noise = recording(tmp_path / "noise.csv", stays([(3000, 600)], noise=0.35, seed=3))
    picture = tmp_path / "noise.svg"
    code, said = run(file, "--from", str(noise), "--write", "--picture", str(picture))
    assert code is Exit.WRONG_OUT_THERE
    assert "REFUSED: its power lies anywhere between" in said
    assert "next: walk it through off, idle and running" in said
    assert file.read_bytes() == before
    assert "not proposed" in picture.read_text(encoding="utf-8")
    code, said = run(file, "--from", str(noise), "--json")
    told = json.loads(said)
    assert (code, told["proposed"], told["written"], told["exit_code"]) == (Exit.WRONG_OUT_THERE, None, False, 1)
    assert told["why"]
    assert told["next_step"]


def test_a_device_that_is_silent_ends_the_walk_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Plant() as plant:
        plant[0].fault = Fault.CLOSE
        file = written(tmp_path, f'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {plant[0].port}')
        code, _ = run(file, "--off", "1", "--running", "60")
    assert code is Exit.WRONG_OUT_THERE
    assert "off: not one value in" in (said := capsys.readouterr().err)
    assert "LINE_DOWN, the line cannot be opened; `edge-agent check`" in said


def test_while_the_agent_polls_nobody_asks_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Spool(tmp_path / "spool.db", box="box-1")) as spool:
        spool.claim("poll")
        assert run(written(tmp_path))[0] is Exit.WRONG_OUT_THERE
    assert "sudo systemctl stop qianliyan-poll" in capsys.readouterr().err


MISTAKES: list[tuple[str, Exit, str]] = [
    ("--learn 2 --off 3", Exit.USAGE, "are for a walk"),
    ("--live", Exit.USAGE, "--live goes with --learn"),
    ("--from a.csv --record b.csv", Exit.USAGE, "--record keeps what is read"),
    ("--running 0", Exit.USAGE, "needs --running above 0"),
    ("--off 0 --idle 0", Exit.USAGE, "and --off or --idle"),
    ("--signature-only", Exit.USAGE, "goes with --learn"),
    ("--signature-only --learn 2", Exit.USAGE, "is not judged by its power"),
    ("--point activ_power --learn 1", Exit.USAGE, 'closest: "active_power"'),
    ("--from {folder}/none.csv", Exit.WRONG_OUT_THERE, "cannot read"),
    ("--from {folder}/box.toml", Exit.WRONG_OUT_THERE, "it must be a recording"),
    ("--learn 2", Exit.WRONG_OUT_THERE, "has `edge-agent poll` been started once?"),
]


@pytest.mark.parametrize(("flags", "code", "says"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_with_what_to_do(
    tmp_path: Path, flags: str, code: Exit, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(written(tmp_path), *flags.format(folder=tmp_path).split())[0] is code
    assert says in capsys.readouterr().err


def test_a_machine_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["calibrate", "lom", "--config", str(written(tmp_path, rest=NEXT))])
    assert arguments.run(arguments, io.StringIO()) is Exit.USAGE
    assert "There is no machine lom" in (said := capsys.readouterr().err)
    assert "press, other" in said
