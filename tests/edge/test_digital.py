import ast
import inspect
import logging
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from threading import Event as Stop
from typing import Protocol

import gpiod
import pytest
from gpiod.line import Direction, Edge
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.load import Bus, ConfigurationError, Keep, Machine, load
from edge_agent.config.points import Bias, Input, Point, PointKind
from edge_agent.config.points import Protocol as Spoken
from edge_agent.config.profiles import OURS, Profile, load_profile
from edge_agent.config.sections import BusKind, ChipPort
from edge_agent.config.settings import settings_of
from edge_agent.drivers import digital, driver_of
from edge_agent.drivers.digital import AGAIN_MS, EDGES_KEPT, DigitalAsker, DigitalLine, asker_of, line_of
from edge_agent.drivers.driver import Exchange
from edge_agent.polling.poll import Poller
from edge_agent.reading import Reading
from evidence.bodies import FRAME_LIMIT, EventKind, Failure, Phase
from evidence.judging.judge import UNJUDGED, PlcState, Pulses, RunState
from tests.world.chip import FakeChip
from tests.world.gpio_sim import GpioSim, missing
from tests.world.sleeper import SleeperClock

S0, RUN = 0, 1
NAMES = {S0: "S0-1", RUN: "", 2: "", 3: ""}


def level(name: str = "running", line: int | str = RUN, *, active_low: bool = True, debounce_ms: int = 0) -> Input:
    return Input(
        name=name,
        unit="1",
        decimals=0,
        kind=PointKind.STATE,
        line=line,
        active_low=active_low,
        bias=Bias.PULL_UP,
        debounce_ms=debounce_ms,
    )


def pulses(
    name: str = "energy",
    line: int | str = S0,
    *,
    pulse: Fraction = Fraction(1),
    decimals: int = 0,
    debounce_ms: int = 0,
) -> Input:
    return Input(
        name=name,
        unit="Wh",
        decimals=decimals,
        kind=PointKind.COUNTER,
        line=line,
        active_low=True,
        bias=Bias.PULL_UP,
        debounce_ms=debounce_ms,
        pulse=pulse,
    )


def bus_of(path: str) -> Bus:
    return Bus(name="inputs", kind=BusKind.DIGITAL, port=ChipPort(chip=path), timeout_ms=0, period_ms=1000)


def machine_of(*points: Point, path: str = "/dev/gpiochip9", first_line: int = 0) -> Machine:
    profile = Profile(id="test", protocol=Spoken.DIGITAL, vendor="test", model="test", points=points, sha256=bytes(32))
    return Machine(
        name="press",
        title="press",
        stream="machine/press",
        bus=bus_of(path),
        unit=first_line,
        profile=profile,
        points=points,
        period_ms=1000,
        keep=Keep.EVERY,
        run_state=None,
    )


class Asked:
    """The inputs of one machine, on a fake chip."""

    def __init__(self, *points: Point, chip: FakeChip | None = None, first_line: int = 0) -> None:
        self.chip = chip or FakeChip(lines=dict(NAMES))
        machine = machine_of(*points, first_line=first_line)
        self.line = line_of(machine.bus, open_chip=self.chip.opened)
        self.asker = asker_of(machine, self.line)

    def ask(self, now_ms: int = 0) -> Exchange:
        assert self.line.open() is None
        return self.asker.ask(now_ms)


# What holds on any chip: the stand-in, and the kernel's simulator


class Contact(Protocol):
    def set(self, level: int) -> None: ...


class Wired(Protocol):
    def __getitem__(self, offset: int) -> Contact: ...


Chips = tuple[Wired, DigitalLine, str]


@pytest.fixture(params=["stand-in", "gpio-sim"])
def chip(request: pytest.FixtureRequest) -> Iterator[Chips]:
    if request.param == "stand-in":
        fake = FakeChip(lines=dict(NAMES))
        line = line_of(bus_of("/dev/gpiochip9"), open_chip=fake.opened)
        yield fake, line, "/dev/gpiochip9"
        line.close()
        assert not fake.live
        return
    if why := missing():
        pytest.skip(why)
    with GpioSim(lines=NAMES) as sim:
        line = line_of(bus_of(sim.path))
        yield sim, line, sim.path
        line.close()


def asked(chip: Chips, *points: Point) -> DigitalAsker:
    assert chip[1].open() is None
    return asker_of(machine_of(*points, path=chip[2]), chip[1])


def settled(contact: Contact, level: int) -> None:
    contact.set(level)
    time.sleep(0.001)


def test_a_level_is_what_the_contact_is_when_it_is_asked(chip: Chips) -> None:
    asker = asked(chip, level(), level("door", 2, active_low=False))
    assert asker.ask(0).values == (0, 1)
    settled(chip[0][RUN], 0)
    settled(chip[0][2], 0)
    exchange = asker.ask(1000)
    assert (exchange.values, exchange.failure, exchange.heard) == ((1, 0), None, True)
    assert exchange.frames == ((b"line 1", b"level=1"), (b"line 2", b"level=0"))


def test_every_pulse_between_two_askings_counts_once(chip: Chips) -> None:
    asker = asked(chip, pulses(line="S0-1"))
    assert asker.ask(0).values == (0,)
    for count in (1, 5, 0, 3):
        for _ in range(count):
            settled(chip[0][S0], 0)
            settled(chip[0][S0], 1)
        exchange = asker.ask(1000)
        (request, answer), *_ = exchange.frames
        assert request == b"line S0-1"
        assert answer.count(b",") == max(0, count - 1)
        assert not exchange.events
    assert exchange.values == (9,)
    assert answer.startswith(b"level=0 pulses=9 at=")


def test_pulses_beyond_what_the_kernel_keeps_are_counted_and_told(chip: Chips) -> None:
    asker = asked(chip, pulses())
    asker.ask(0)
    count = EDGES_KEPT + 200
    for _ in range(count):
        chip[0][S0].set(0)
        chip[0][S0].set(1)
    time.sleep(0.01)
    exchange = asker.ask(1000)
    assert exchange.values == (count,)
    (event,) = exchange.events
    assert (event.event, event.phase, event.subject) == (EventKind.LOSS, Phase.RAISED, "energy")
    assert event.value == 200
    assert len(exchange.frames[0][1]) <= FRAME_LIMIT
    settled(chip[0][S0], 0)
    exchange = asker.ask(2000)
    assert exchange.values == (count + 1,)
    assert [(event.phase, event.value) for event in exchange.events] == [(Phase.CLEARED, 200)]


def test_a_line_that_another_program_has_is_refused_and_harms_no_other(chip: Chips) -> None:
    other = asked(chip, level("taken", 2))
    assert other.ask(0).values == (0,)
    exchange = asked(chip, level(), level("same", 2), level("no_such", "nowhere"), level("beyond", 99)).ask(0)
    assert exchange.values == (0, None, None, None)
    assert (exchange.failure, exchange.heard) == (Failure.REFUSED, True)
    assert exchange.holes == ("same", "no_such", "beyond")


# What a chip does at its worst


def test_a_missing_chip_is_a_line_that_is_down_until_it_is_there() -> None:
    chip = FakeChip(lines=dict(NAMES), is_there=False)
    line = line_of(bus_of("/dev/gpiochip9"), open_chip=chip.opened)
    assert line.open() is Failure.LINE_DOWN
    chip.is_there = True
    assert line.open() is None
    line.close()


@pytest.mark.parametrize("path", ["/dev/gpiochip999", "/dev/null", "/tmp", "/etc/hostname"])  # noqa: S108  # asked, not used
def test_what_is_no_chip_is_a_line_that_is_down(path: str) -> None:
    line = driver_of(bus_of(path)).line_of(bus_of(path))
    assert line.open() is Failure.LINE_DOWN
    line.close()


def test_a_chip_that_is_pulled_out_is_a_line_that_is_down_and_the_gap_is_told_once() -> None:
    here = Asked(pulses(), level())
    here.ask()
    here.chip[S0].pulses(3)
    assert here.ask().values == (3, 0)
    here.chip.is_there = False
    exchange = here.ask()
    assert (exchange.values, exchange.failure, exchange.heard) == ((None, None), Failure.LINE_DOWN, False)
    assert here.line.open() is Failure.LINE_DOWN
    assert here.asker.ask(0).failure is Failure.LINE_DOWN
    here.chip.is_there = True
    here.chip[S0].pulses(100)
    exchange = here.ask()
    assert exchange.values == (3, 0)
    (event,) = exchange.events
    assert (event.event, event.phase, event.subject) == (EventKind.LOSS, Phase.NOTED, "energy")
    assert "not counted" in event.says
    here.chip[S0].pulses(1)
    exchange = here.ask()
    assert (exchange.values, exchange.events) == ((4, 0), ())


def test_a_line_that_was_refused_is_requested_again_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    here = Asked(level())
    here.chip.taken = {RUN}
    with caplog.at_level(logging.WARNING):
        exchanges = [here.ask(now_ms) for now_ms in (0, 1000, AGAIN_MS)]
    assert [exchange.holes for exchange in exchanges] == [("running",), (), ()]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    here.chip.taken = set()
    assert here.ask(2 * AGAIN_MS - 1).failure is Failure.REFUSED
    assert here.ask(2 * AGAIN_MS).values == (0,)


def test_a_bouncing_contact_counts_once_when_the_kernel_debounces_it() -> None:
    here = Asked(pulses("plain"), pulses("debounced", 2, debounce_ms=10))
    here.ask()
    for line in (S0, 2):
        for _ in range(4):
            here.chip[line].bounces(3)
    plain, debounced = here.ask().values
    assert debounced == 4
    assert plain
    assert plain > 4


def test_a_loss_of_the_newest_edges_is_made_good_by_the_next_one() -> None:
    here = Asked(pulses())
    here.chip.loses_newest = True
    here.ask()
    here.chip[S0].pulses(EDGES_KEPT + 10)
    assert here.ask().values == (EDGES_KEPT,)
    here.chip[S0].pulses(1)
    assert here.ask().values == (EDGES_KEPT + 11,)


def test_a_losing_line_is_told_of_when_it_begins_and_when_it_ends() -> None:
    here = Asked(pulses())
    here.ask()
    told = []
    for count in (1, EDGES_KEPT + 5, EDGES_KEPT + 7, 0, 1, EDGES_KEPT + 1, 1):
        here.chip[S0].pulses(count)
        told.append([(event.phase, event.value) for event in here.ask().events])
    raised, cleared = Phase.RAISED, Phase.CLEARED
    assert told == [[], [(raised, 5)], [], [(cleared, 12)], [], [(raised, 1)], [(cleared, 1)]]


def test_numbers_of_edges_may_begin_anew() -> None:
    here = Asked(pulses())
    here.ask()
    (request,) = here.chip[S0].requests
    request._number = (1 << 32) - 3
    here.asker._inputs[0]._number = (1 << 32) - 3
    here.chip[S0].pulses(5)
    exchange = here.ask()
    assert (exchange.values, exchange.events) == ((5,), ())


# What pulses are worth


@pytest.mark.parametrize(
    ("pulse", "decimals", "count", "value"),
    [
        (Fraction(1), 0, 1234, 1234),  # 1000 imp/kWh
        (Fraction(1000, 800), 2, 5, 625),
        (Fraction(1000, 3), 0, 7, 2333),
        (Fraction(1, 100), 3, 10, 100),
    ],
)
def test_pulses_become_what_the_plate_says(pulse: Fraction, decimals: int, count: int, value: int) -> None:
    here = Asked(pulses(pulse=pulse, decimals=decimals))
    here.ask()
    here.chip[S0].pulses(count)
    assert here.ask().values == (value,)


@given(counts=st.lists(st.integers(0, 60), max_size=12), pulse=st.fractions(Fraction(1, 10**6), 10**3))
def test_nothing_is_lost_by_rounding_however_often_it_is_asked(counts: list[int], pulse: Fraction) -> None:
    here = Asked(pulses(pulse=pulse))
    last: int | None = 0
    for count in counts:
        here.ask()
        here.chip[S0].pulses(count)
        (value,) = here.ask().values
        assert value is not None
        assert last is not None
        assert value >= last
        last = value
    assert last == round(sum(counts) * pulse)


def test_a_count_that_no_statement_could_carry_is_none() -> None:
    here = Asked(pulses(pulse=Fraction(10**6), decimals=9))
    here.ask()
    here.chip[S0].pulses(10)
    exchange = here.ask()
    assert (exchange.values, exchange.failure) == ((None,), Failure.NO_VALUE)


# It cannot write


def test_lines_are_only_ever_requested_as_inputs() -> None:
    here = Asked(pulses(), level(), level("door", 2, active_low=False))
    here.ask()
    requested = dict(here.chip.requested)
    assert {settings.direction for settings in requested.values()} == {Direction.INPUT}
    assert (requested[S0].edge_detection, requested[RUN].edge_detection) == (Edge.RISING, Edge.NONE)
    assert (requested[S0].active_low, requested[2].active_low) == (True, False)


@given(
    kind=st.sampled_from([PointKind.STATE, PointKind.COUNTER]),
    bias=st.sampled_from(Bias),
    active_low=st.booleans(),
    debounce_ms=st.integers(0, 1000),
)
def test_no_point_can_ask_for_an_output(kind: PointKind, bias: Bias, active_low: bool, debounce_ms: int) -> None:  # noqa: FBT001  # hypothesis gives it
    point = Input(
        name="a", unit="1", decimals=0, kind=kind, line=1, bias=bias, active_low=active_low, debounce_ms=debounce_ms
    )
    settings = digital.settings_of(point)
    assert settings.direction is Direction.INPUT
    assert settings.drive is gpiod.LineSettings().drive
    assert settings.output_value is gpiod.LineSettings().output_value


def test_the_driver_names_nothing_that_could_drive_a_line() -> None:
    tree = ast.parse(inspect.getsource(digital))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not {name for name in named if "output" in name.lower() or name in {"Drive", "Value", "getattr"}}
    assert not {"set_value", "set_values", "reconfigure_lines"} & named
    assert {name for name in dir(digital.Request) if not name.startswith("_")} == {
        "get_value",
        "wait_edge_events",
        "read_edge_events",
        "release",
    }


# Polled, configured


def test_the_poller_asks_inputs_as_it_asks_meters() -> None:
    chip, clock, readings = FakeChip(lines=dict(NAMES)), SleeperClock(), list[Reading]()
    machine = machine_of(pulses(), level())
    line = line_of(machine.bus, open_chip=chip.opened)
    poller = Poller(machine.bus, [machine], line=line, clock=clock, deliver=readings.append, chance=Random(1))
    for _ in range(4):
        clock.wait_until(poller.next_ms(), Stop())
        poller.step()
        chip[S0].pulses(2)
    line.close()
    assert [reading.values for reading in readings] == [(0, 0), (2, 0), (4, 0), (6, 0)]
    assert not chip.live


BOX = """
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "./signing.key"
profiles = "./"

[[bus]]
name = "inputs"
kind = "digital"
chip = "/dev/gpiochip0"

[[machine]]
name = "meter-1"
title = "Meter 1"
stream_kind = "meter"
bus = "inputs"
first_line = 17
profile = "s0_meter_1000"

[[machine]]
name = "press-1"
title = "Press 1"
bus = "inputs"
first_line = 18
profile = "run_contact"
"""


def test_a_box_names_its_inputs_and_signs_how_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(BOX, encoding="utf-8")
    config = load(tmp_path / "box.toml")
    meter, press = config.machines
    assert (meter.unit, press.unit, config.buses[0].port) == (17, 18, ChipPort(chip="/dev/gpiochip0"))
    settings = settings_of(meter)
    assert settings["bus"] == {"chip": "/dev/gpiochip0", "kind": "digital", "name": "inputs", "timeout_ms": 0}
    assert settings["unit"] == 17
    assert settings["points"] == [
        {
            "name": "energy_import",
            "unit": "Wh",
            "decimals": 0,
            "kind": "counter",
            "line": 0,
            "active_low": 1,
            "bias": "pull_up",
            "debounce_ms": 10,
            "pulse": [1, 1],
        }
    ]
    chip = FakeChip(lines={17: "", 18: ""})
    line = line_of(config.buses[0], open_chip=chip.opened)
    assert line.open() is None
    askers = [asker_of(machine, line) for machine in config.machines]
    assert [asker.ask(0).values for asker in askers] == [(0,), (0,)]
    chip[17].pulses(12)
    chip[18].set(0)
    chip.rest(50)
    assert [asker.ask(0).values for asker in askers] == [(12,), (1,)]
    line.close()


def test_a_machine_runs_while_its_contact_is_closed_or_while_its_pulses_come(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    contact = next(part for part in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if 'point = "running"' in part)
    cycles = '[machine.run_state]\nstrategy = "pulses"\npoint = "energy_import"\nlongest_cycle_s = 30\n'
    text = BOX.replace('profile = "s0_meter_1000"\n', 'profile = "s0_meter_1000"\n' + cycles) + contact
    (tmp_path / "box.toml").write_text(text, encoding="utf-8")
    by_pulses, by_contact = (machine.run_state for machine in load(tmp_path / "box.toml").machines)
    assert isinstance(by_pulses, Pulses)
    assert isinstance(by_contact, PlcState)
    judged, states = UNJUDGED, []
    for at, pulses_so_far in enumerate([5, 6, 8, 0, 1, *([1] * 40)]):  # the program began anew in between
        judged, _ = by_pulses.judge(judged, 1_000 * at, (pulses_so_far,))
        states.append(judged.state)
    assert states[0] is RunState.UNKNOWN
    assert set(states[1:35]) == {RunState.RUNNING}
    assert states[-1] is RunState.STOPPED
    assert by_contact.level(1, RunState.UNKNOWN) is RunState.RUNNING
    assert by_contact.level(0, RunState.UNKNOWN) is RunState.STOPPED


def test_two_machines_cannot_have_one_line(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(BOX.replace("first_line = 18", "first_line = 17"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="inputs, line 17 2 times"):
        load(tmp_path / "box.toml")


POINT = 'name = "a"\nline = 3\nunit = "Wh"\ndecimals = 0\nkind = "counter"\n'


@pytest.mark.parametrize(
    ("point", "key"),
    [
        (POINT, "pulse"),
        (POINT + 'pulse = "1 m3/1000"\n', "pulse"),
        (POINT + 'pulse = "0 kWh/1000"\n', "pulse"),
        (POINT + 'pulse = "1 kWh/0"\n', "pulse"),
        (POINT + "pulse = 1000\n", "pulse"),
        (POINT.replace("counter", "gauge"), "kind"),
        (POINT.replace("counter", "state") + 'pulse = "1"\n', "pulse"),
        (POINT.replace("3", "-3") + 'pulse = "1"\n', "line"),
        (POINT.replace("3", '"two words"') + 'pulse = "1"\n', "line"),
        (POINT + 'pulse = "1"\nbias = "up"\n', "bias"),
        (POINT + 'pulse = "1"\ndebounce_ms = 2000\n', "debounce_ms"),
        (POINT + 'pulse = "1"\ndirection = "output"\n', "direction"),
    ],
)
def test_a_mistake_in_an_inputs_profile_is_told(tmp_path: Path, point: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        _profile(tmp_path, point)
    assert f"point[a].{key}" in [complaint.key for complaint in wrong.value.complaints]


@pytest.mark.parametrize(
    ("pulse", "unit", "worth"),
    [
        ("1 kWh/1000", "Wh", Fraction(1)),
        ("1 kWh/800", "Wh", Fraction(5, 4)),
        ("10 L", "m3", Fraction(1, 100)),
        ("0.5 t", "kg", Fraction(500)),
        ("2", "1", Fraction(2)),
        ("1/4", "1", Fraction(1, 4)),
    ],
)
def test_a_plate_is_read_exactly(tmp_path: Path, pulse: str, unit: str, worth: Fraction) -> None:
    point = _profile(tmp_path, POINT.replace("Wh", unit) + f'pulse = "{pulse}"\n')
    assert isinstance(point, Input)
    assert (point.pulse, point.debounce_ms, point.bias) == (worth, 10, Bias.AS_IS)


def _profile(folder: Path, point: str) -> Point:
    text = 'id = "mine"\nvendor = "v"\nmodel = "m"\nprotocol = "digital"\nsource = ["here"]\n[[point]]\n' + point
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return load_profile(folder / "mine.toml").points[0]


@pytest.mark.parametrize("name", ["run_contact", "s0_meter_1000"])
def test_our_profiles_of_inputs_are_sound(name: str) -> None:
    (point,) = load_profile(OURS / f"{name}.toml").points
    assert isinstance(point, Input)
    assert (point.active_low, point.bias, point.line) == (True, Bias.PULL_UP, 0)
