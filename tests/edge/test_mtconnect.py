import ast
import inspect
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs.mtconnect import Category, Observation
from edge_agent.config.load import Bus, ConfigurationError, Keep, Machine, load
from edge_agent.config.points import DataItem, Point, PointKind
from edge_agent.config.profiles import OURS, load_profile
from edge_agent.config.sections import AgentPort, BusKind, Identity
from edge_agent.config.settings import settings_of
from edge_agent.drivers import driver_of, mtconnect, mtconnect_line, mtconnect_values
from edge_agent.drivers.driver import Exchange
from edge_agent.drivers.identity import AGAIN_MS
from edge_agent.drivers.mtconnect import (
    EVENTS_A_MINUTE,
    FRAMES_LIMIT,
    FROZEN_MS,
    MINUTE_MS,
    PAGES_LIMIT,
    asker_of,
    line_of,
)
from edge_agent.drivers.mtconnect_line import AgentLine
from edge_agent.drivers.mtconnect_values import active, passed, value_of
from edge_agent.polling.poll import Poller
from edge_agent.reading import Reading
from evidence.bodies import FRAME_LIMIT, EventKind, Events, Failure, Phase
from evidence.judging.judge import UNJUDGED, PlcState
from tests.world.mtconnect_agent import MILL, Agent, Fault
from tests.world.mtconnect_agent import DataItem as Offered
from tests.world.sleeper import SleeperClock

CNC = load_profile(OURS / "mtconnect_cnc.toml")
EXECUTION, PARTS, SYSTEM = (
    next(point for point in CNC.points if point.name == name) for name in ("execution", "parts", "system")
)


def item(name: str, data_item: str, *, scale: Fraction = Fraction(1), decimals: int = 0, unit: str = "1") -> DataItem:
    return DataItem(
        name=name,
        unit=unit,
        decimals=decimals,
        kind=PointKind.GAUGE,
        category=Category.SAMPLE,
        data_item=data_item,
        scale=scale,
    )


def bus_of(agent: Agent, *, sampled: bool = False, path: str = "Mill-1", timeout_ms: int = 1000) -> Bus:
    port = AgentPort(host="127.0.0.1", port=agent.port, path=path, sampled=sampled)
    return Bus(name="mill", kind=BusKind.MTCONNECT, port=port, timeout_ms=timeout_ms, period_ms=1000)


def machine_of(bus: Bus, points: Sequence[Point] = CNC.points, *, device: str = "") -> Machine:
    return Machine(
        name="mill",
        title="mill",
        stream="machine/mill",
        bus=bus,
        unit=device,
        profile=replace(CNC, points=tuple(points)),
        points=tuple(points),
        period_ms=1000,
        keep=Keep.EVERY,
        run_state=None,
    )


class Asked:
    """A machine on an agent; each asking is a second after the last."""

    def __init__(
        self, agent: Agent, *points: Point, sampled: bool = False, device: str = "", path: str = "Mill-1"
    ) -> None:
        bus = bus_of(agent, sampled=sampled, path=path)
        machine = machine_of(bus, points or CNC.points, device=device)
        self.names = [point.name for point in machine.points]
        self.line = line_of(bus)
        self.asker = asker_of(machine, self.line)
        self.now_ms = 0

    def ask(self, *, after_ms: int = 1000) -> Exchange:
        self.now_ms += after_ms
        if self.line.open() is not None:
            return Exchange((None,) * len(self.names), Failure.LINE_DOWN, (), heard=False)
        return self.asker.ask(self.now_ms)

    def values(self) -> dict[str, int | None]:
        return dict(zip(self.names, self.ask().values, strict=True))


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as here:
        yield here


@pytest.fixture(params=[False, True], ids=["current", "sample"])
def sampled(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def asked(agent: Agent, sampled: bool) -> Iterator[Asked]:  # noqa: FBT001  # a fixture's name is what it is
    here = Asked(agent, sampled=sampled)
    yield here
    here.line.close()


def running(agent: Agent) -> None:
    for name, text in (("avail", "AVAILABLE"), ("exec", "ACTIVE"), ("mode", "AUTOMATIC"), ("estop", "ARMED")):
        agent.say(name, text)
    for name, text in (("parts", "7"), ("feed", "1234.56"), ("system", "Normal")):
        agent.say(name, text)


def told(exchange: Exchange) -> list[tuple[EventKind, str, int | None, int | None]]:
    if exchange.events:
        Events.from_value(Events(events=list(exchange.events)).to_value())
    assert all(event.phase is Phase.NOTED for event in exchange.events)
    return [(event.event, event.subject, event.value, event.reference) for event in exchange.events]


# Which device it is


def test_a_device_with_another_uuid_is_a_stranger_whose_readings_are_no_data(agent: Agent) -> None:
    running(agent)
    bus = bus_of(agent, path="")
    machine = replace(machine_of(bus, [EXECUTION]), identity=Identity(meter_number=agent.uuid))
    line = line_of(bus)
    asker = asker_of(machine, line)
    assert line.open() is None
    assert asker.ask(1_000).values == (1,)
    agent.uuid = "another"
    exchange = asker.ask(2 * AGAIN_MS)
    assert (exchange.values, exchange.failure) == ((None,), Failure.STRANGER)
    assert [(event.event, event.phase) for event in exchange.events] == [(EventKind.IDENTITY, Phase.RAISED)]
    who = mtconnect.who_of(machine, line)
    assert who().identity == Identity(meter_number="another")
    agent.fault = Fault.BUSY
    assert who().failure is Failure.BUSY
    line.close()


# What an agent says


def test_a_machine_tool_is_read_by_the_profile_that_we_have(agent: Agent, asked: Asked) -> None:
    running(agent)
    for _ in range(2):
        assert asked.values() == {
            "execution": 1,
            "availability": 1,
            "controller_mode": 1,
            "emergency_stop": 0,
            "parts": 7,
            "path_feedrate": 12346,
            "system": 0,
        }
    agent.say("exec", "FEED_HOLD")
    agent.say("parts", "8")
    exchange = asked.ask()
    assert (exchange.values[0], exchange.values[4], exchange.failure, exchange.heard) == (5, 8, None, True)
    assert not exchange.events
    assert agent.connections == 1


def test_unavailable_is_no_value_unless_the_profile_names_it(agent: Agent, asked: Asked) -> None:
    exchange = asked.ask()
    assert exchange.values == (None, 0, None, None, None, None, None)
    assert (exchange.failure, exchange.heard, exchange.holes) == (Failure.NO_VALUE, True, ())
    running(agent)
    agent.say("exec", "SOMETHING_NEW")
    agent.say("parts", "seven")
    exchange = asked.ask()
    assert (exchange.values[0], exchange.values[4], exchange.failure) == (None, None, Failure.NO_VALUE)


def test_the_worst_condition_that_stands_counts(agent: Agent, asked: Asked) -> None:
    running(agent)
    history = []
    for level, native in (
        *(("Warning", "W1"), ("Fault", "F1"), ("Fault", "F2"), ("Normal", "F1"), ("Normal", "F2"), ("Normal", "W1")),
        *(("Fault", "F3"), ("Warning", "F3"), ("Fault", "F4"), ("Normal", ""), ("Unavailable", "")),
    ):
        agent.say("system", level, native=native)
        history.append(asked.values()["system"])
    assert history == [1, 2, 2, 2, 1, 0, 2, 1, 2, 0, None]


def test_what_the_agent_does_not_have_or_has_twice_is_refused_and_named_once(agent: Agent, sampled: bool) -> None:  # noqa: FBT001
    agent.items = (*MILL, Offered("exec2", "Execution"))
    running(agent)
    agent.say("exec2", "READY")
    agent.say("load", "42.5")
    asked = Asked(agent, EXECUTION, item("load", "Sload", decimals=1), item("gone", "nothing"), sampled=sampled)
    exchange = asked.ask()
    assert (exchange.values, exchange.failure) == ((None, 425, None), Failure.REFUSED)
    assert exchange.holes == ("execution", "gone")
    assert asked.ask().holes == ()
    asked.line.close()


def test_a_data_item_counts_by_its_id_before_a_name() -> None:
    with Agent(items=(Offered("load", "Load", "SAMPLE", name="x"), Offered("x", "Load", "SAMPLE"))) as agent:
        agent.say("load", "1")
        agent.say("x", "2")
        asked = Asked(agent, item("a", "x"))
        assert asked.ask().values == (2,)
        asked.line.close()


def test_watt_seconds_become_watt_hours(agent: Agent) -> None:
    agent.say("energy", "4.5E6")
    asked = Asked(agent, item("energy", "energy", scale=Fraction(1, 3600), unit="Wh"))
    assert asked.ask().values == (1250,)
    asked.line.close()


@pytest.mark.parametrize(("device", "path"), [("Mill-1", ""), ("", "M8010N9172N:1.2"), ("", "")])
def test_a_device_is_named_by_the_machine_or_by_the_url(agent: Agent, device: str, path: str) -> None:
    running(agent)
    asked = Asked(agent, EXECUTION, device=device, path=path)
    assert asked.ask().values == (1,)
    asked.line.close()
    wrong = Asked(agent, EXECUTION, device="Mill-2", path="")
    exchange = wrong.ask()
    assert (exchange.values, exchange.failure, exchange.heard) == ((None,), Failure.REFUSED, True)
    assert b"NO_DEVICE" in exchange.frames[0][1]
    wrong.line.close()


def test_the_frames_are_the_header_and_each_observation_as_the_agent_wrote_them(agent: Agent, asked: Asked) -> None:
    running(agent)
    asked.ask()
    exchange = asked.ask()
    ((_, whole),) = exchange.frames
    assert whole.startswith(b"<Header ")
    assert whole.count(b"dataItemId=") == 7
    assert b">ACTIVE</Execution>" in whole
    many = [replace(item(f"p{at}", "feed"), name=f"p{at}") for at in range(128)]
    crowded = Asked(agent, *many)
    frames = crowded.ask().frames
    assert 1 < len(frames) <= FRAMES_LIMIT
    assert all(len(answer) <= FRAME_LIMIT for _, answer in frames)
    crowded.line.close()


# Between two askings


def test_a_state_that_came_and_went_is_an_event_when_all_is_sampled(agent: Agent, sampled: bool) -> None:  # noqa: FBT001
    running(agent)
    asked = Asked(agent, EXECUTION, PARTS, sampled=sampled)
    asked.ask()
    for text in ("ACTIVE", "INTERRUPTED", "INTERRUPTED", "READY", "ACTIVE", "ACTIVE"):
        agent.say("exec", text)
    for count in ("8", "9"):
        agent.say("parts", count)
    exchange = asked.ask()
    assert exchange.values == (1, 9)
    passed = [(EventKind.STATE, "execution", 3, 1), (EventKind.STATE, "execution", 2, 3)]
    assert told(exchange) == (passed if sampled else [])
    if sampled:
        assert exchange.events[0].says.startswith("INTERRUPTED from 20")
    assert not asked.ask().events
    asked.line.close()


def test_several_pages_are_followed_and_nothing_is_fetched_twice(agent: Agent) -> None:
    agent.buffer = 8  # a page has 7
    agent.restart()
    asked = Asked(agent, EXECUTION, sampled=True)
    asked.ask()
    agent.ledger.clear()
    for text in ("ACTIVE", "READY", "ACTIVE", "READY", "ACTIVE", "READY", "ACTIVE", "READY"):
        agent.say("exec", text)
    exchange = asked.ask()
    assert exchange.values == (2,)
    assert [event.value for event in exchange.events] == [1, 2, 1, 2, 1, 2, 1]
    assert agent.ledger == [
        "GET /Mill-1/sample?from=10&count=7 HTTP/1.1",
        "GET /Mill-1/sample?from=17&count=7 HTTP/1.1",
    ]
    asked.line.close()


def test_observations_that_the_buffer_lost_are_told(agent: Agent) -> None:
    running(agent)
    asked = Asked(agent, EXECUTION, sampled=True)
    asked.ask()
    for _ in range(agent.buffer + 10):
        agent.say("feed", "1")
    agent.say("exec", "READY")
    exchange = asked.ask()
    assert exchange.values == (2,)
    assert told(exchange) == [(EventKind.LOSS, "agent", agent.buffer + 11, None)]
    agent.say("exec", "STOPPED")
    exchange = asked.ask()
    assert (exchange.values, exchange.events) == ((4,), ())
    asked.line.close()


def test_an_agent_that_is_always_ahead_is_asked_for_the_newest_and_what_was_passed_over_is_told(agent: Agent) -> None:
    running(agent)
    asked = Asked(agent, EXECUTION, sampled=True)
    asked.ask()
    agent.page, agent.chatters = 3, 4
    exchange = asked.ask()
    assert exchange.values == (1,)
    assert told(exchange) == [(EventKind.LOSS, "agent", 4 * (PAGES_LIMIT + 1), None)]
    assert [line.split("?")[0] for line in agent.ledger[1:]] == ["GET /Mill-1/sample"] * PAGES_LIMIT + [
        "GET /Mill-1/current HTTP/1.1"
    ]
    asked.line.close()


def test_an_agent_that_began_anew_is_told_once(agent: Agent, asked: Asked) -> None:
    running(agent)
    before = agent.instance_id
    asked.ask()
    agent.restart()
    running(agent)
    agent.say("exec", "READY")
    exchange = asked.ask()
    assert exchange.values[0] == 2
    assert told(exchange) == [(EventKind.LOSS, "agent", before + 1, before)]
    assert not asked.ask().events


def test_an_agent_that_began_anew_beyond_our_place_is_told_as_well(agent: Agent) -> None:
    asked = Asked(agent, EXECUTION, sampled=True)
    asked.ask()
    agent.restart()
    running(agent)
    for _ in range(20):
        agent.say("exec", "READY")
    exchange = asked.ask()
    assert exchange.values == (2,)
    assert [kind for kind, *_ in told(exchange)] == [EventKind.LOSS]
    asked.line.close()


def test_an_agent_that_chatters_fills_no_statement_with_events(agent: Agent) -> None:
    agent.buffer = 10_000
    agent.restart()
    asked = Asked(agent, EXECUTION, sampled=True)
    asked.ask(after_ms=MINUTE_MS)
    counts = []
    for _ in range(3):
        for _ in range(20):
            agent.say("exec", "READY")
            agent.say("exec", "ACTIVE")
        counts.append(len(asked.ask().events))
    assert sum(counts) == EVENTS_A_MINUTE
    exchange = asked.ask(after_ms=MINUTE_MS)
    assert told(exchange) == [(EventKind.LOSS, "agent", 3 * 39 - EVENTS_A_MINUTE, None)]
    asked.line.close()


# Faults: (fault, failure, whether the agent was heard)


@pytest.mark.parametrize(
    ("fault", "failure", "heard"),
    [
        (Fault.HANG, Failure.SILENT, False),
        (Fault.CLOSE, Failure.LINE_DOWN, False),
        (Fault.CUT, Failure.GARBLED, False),
        (Fault.GARBAGE, Failure.GARBLED, False),
        (Fault.HTML, Failure.GARBLED, False),
        (Fault.BOMB, Failure.GARBLED, False),
        (Fault.ENDLESS, Failure.GARBLED, False),
        (Fault.DRIP, Failure.GARBLED, False),
        (Fault.DRIP_HEAD, Failure.GARBLED, False),
        (Fault.PACKED, Failure.GARBLED, False),
        (Fault.BUSY, Failure.BUSY, True),
        (Fault.BROKEN, Failure.REFUSED, True),
        (Fault.REDIRECT, Failure.REFUSED, True),
    ],
)
def test_a_fault_costs_its_own_askings_and_no_more(
    agent: Agent, asked: Asked, fault: Fault, failure: Failure, *, heard: bool
) -> None:
    running(agent)
    assert asked.ask().failure is None
    agent.fault = fault
    if fault in {Fault.HANG, Fault.DRIP, Fault.DRIP_HEAD}:
        asked.line._timeout_s = 0.5
    began_s = time.monotonic()
    for _ in range(2):
        exchange = asked.ask()
        assert (exchange.failure, exchange.heard) == (failure, heard)
        assert set(exchange.values) == {None}
        assert not exchange.events
        assert all(len(part) <= FRAME_LIMIT for frame in exchange.frames for part in frame)
    assert time.monotonic() - began_s < 20
    agent.fault = Fault.NONE
    agent.say("exec", "READY")
    exchange = asked.ask()
    assert (exchange.values[0], exchange.failure, exchange.events) == (2, None, ())
    assert {line.split(" ")[0] for line in agent.ledger} == {"GET"}


@pytest.mark.parametrize("fault", [Fault.CHUNKED, Fault.HANGS_UP_AFTERWARDS])
def test_other_ways_of_answering_are_as_good(agent: Agent, asked: Asked, fault: Fault) -> None:
    running(agent)
    agent.fault = fault
    for _ in range(3):
        assert asked.ask().failure is None


def test_a_connection_that_was_closed_meanwhile_costs_no_reading(agent: Agent, asked: Asked) -> None:
    running(agent)
    asked.ask()
    agent.hang_up()
    assert asked.ask().failure is None
    assert agent.connections == 2


def test_an_agent_that_is_not_there_is_a_line_that_is_down(agent: Agent) -> None:
    bus = bus_of(agent)
    here = replace(bus, port=AgentPort(host="127.0.0.1", port=1, path="", sampled=False))
    assert driver_of(here).line_of(here).open() is Failure.LINE_DOWN
    assert AgentLine(AgentPort(host="no.such.host.invalid", port=1, path="", sampled=False), 50).open() is (
        Failure.LINE_DOWN
    )


def test_an_old_agent_says_its_refusal_with_status_200(agent: Agent) -> None:
    agent.has_error_status = False
    asked = Asked(agent, EXECUTION, path="Mill-9")
    assert asked.ask().failure is Failure.REFUSED
    asked.line.close()


def test_an_answer_that_was_written_long_ago_is_none(agent: Agent, asked: Asked) -> None:
    running(agent)
    agent.fault = Fault.FROZEN
    failures = [asked.ask().failure for _ in range(FROZEN_MS // 1000 + 4)]
    agent.fault = Fault.NONE
    assert failures[-1] is Failure.GARBLED
    assert failures.index(Failure.GARBLED) in {FROZEN_MS // 1000, FROZEN_MS // 1000 + 1}
    assert asked.ask().failure is None


def test_a_resting_agent_and_a_rare_asking_are_not_taken_for_frozen(agent: Agent, asked: Asked) -> None:
    running(agent)
    for _ in range(3):
        time.sleep(0.002)
        assert asked.ask(after_ms=10 * FROZEN_MS).failure is None


# Values, pure


def seen(tag: str, code: str = "", sequence: int = 1, category: Category = Category.CONDITION) -> Observation:
    return Observation(
        category=category,
        tag=tag,
        data_item="a",
        name=None,
        type="SYSTEM",
        sub_type=None,
        sequence=sequence,
        timestamp="",
        code=code,
        text="",
        device="",
        raw=b"",
    )


@given(words=st.lists(st.sampled_from(["ACTIVE", "READY", "STOPPED"]), min_size=1, max_size=10))
def test_what_passed_and_what_is_are_all_the_changes_there_were(words: list[str]) -> None:
    assert isinstance(EXECUTION, DataItem)
    row = [
        seen("Execution", sequence=at, category=Category.EVENT)._replace(text=word) for at, word in enumerate(words, 1)
    ]
    values = [value_of(EXECUTION, (one,)) for one in row]
    changes = [after for before, after in pairwise(values) if after != before]
    over = [value for _, value, _ in passed(EXECUTION, row[:1], row[1:])]
    assert over == changes[:-1]


CODES = st.sampled_from(["", "1", "2"])
ENDS = {("Normal", ""), ("Unavailable", "")}
LEVELS = st.sampled_from(["Normal", "Warning", "Fault", "Unavailable"])


@given(history=st.lists(st.tuples(LEVELS, CODES), min_size=1, max_size=12), cut=st.integers(0, 12))
def test_a_condition_is_the_same_in_pieces_and_in_one(history: list[tuple[str, str]], cut: int) -> None:
    row = [seen(tag, code) for tag, code in history]
    at_once = active((), row)
    assert at_once
    assert active(active((), row[:cut]), row[cut:]) == at_once
    assert {one.code for one in at_once if one.tag in {"Warning", "Fault"}} == {
        code
        for at, (tag, code) in enumerate(history)
        if tag in {"Warning", "Fault"} and not any(later in ENDS or later[1] == code for later in history[at + 1 :])
    }


@given(text=st.text(max_size=30) | st.from_regex(r"[+-]?[0-9]{1,25}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_any_text_is_a_number_that_a_statement_carries_or_none(text: str) -> None:
    one = seen("Load", category=Category.SAMPLE)._replace(text=text)
    value = value_of(item("load", "a", decimals=9, scale=Fraction(10**6)), (one,))
    assert value is None or abs(value) < 1 << 53


# It cannot write


def test_nothing_but_get_can_leave() -> None:
    for module in (mtconnect, mtconnect_line, mtconnect_values):
        tree = ast.parse(inspect.getsource(module))
        sent = [
            node.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"request", "putrequest", "send", "sendall"}
            and isinstance(node.args[0], ast.Constant)
        ]
        assert set(sent) <= {"GET"}
        named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not named & {"putrequest", "send", "sendall", "urlopen", "set_tunnel"}


# Polled, configured


def test_the_poller_rests_a_hanging_agent_and_reads_it_when_it_is_back(agent: Agent) -> None:
    clock, readings = SleeperClock(), list[Reading]()
    running(agent)
    bus = bus_of(agent, timeout_ms=400)
    machine = machine_of(bus)
    line = line_of(bus)
    poller = Poller(bus, [machine], line=line, clock=clock, deliver=readings.append, chance=Random(1))

    def until(ms: int) -> None:
        while poller.next_ms() < ms:
            clock.wait_until(poller.next_ms(), threading.Event())
            poller.step()

    until(3_000)
    agent.fault = Fault.HANG
    until(8_000)
    agent.fault = Fault.NONE
    until(20_000)
    line.close()
    failures = [reading.failure for reading in readings]
    assert failures[:3] == [None] * 3
    assert failures[3:5] == [Failure.SILENT] * 2
    assert Failure.RESTED in failures
    assert failures[-1] is None


def test_a_machine_tool_is_judged_by_what_its_controller_says(agent: Agent, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    rule_text = next(part for part in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if '"execution"' in part)
    here = f"http://127.0.0.1:{agent.port}"
    machine = loaded(tmp_path, BOX.replace("http://192.168.1.60:5001/agents", here) + rule_text)
    rule, execution = machine.run_state, machine.points[0]
    assert isinstance(rule, PlcState)
    assert isinstance(execution, DataItem)
    assert {value for _, value, _ in rule.states} == {value for _, value in execution.states}
    line = line_of(machine.bus)
    asker = asker_of(machine, line)
    judged, states = UNJUDGED, []
    words = ("ACTIVE", "FEED_HOLD", "ACTIVE", "PROGRAM_COMPLETED", "READY", "UNAVAILABLE", "UNAVAILABLE")
    for at_ms, word in enumerate(words):
        agent.say("exec", word)
        assert line.open() is None
        value = asker.ask(1000 * at_ms).values[0]
        judged, _ = rule.judge(judged, 1000 * rule.hold_ms * (at_ms + 1), (value,))
        states.append(judged.state.name)
    line.close()
    assert states == ["RUNNING", "IDLE", "RUNNING", "IDLE", "STOPPED", "UNKNOWN", "UNKNOWN"]


BOX = """
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "./signing.key"

[[bus]]
name = "mill"
kind = "mtconnect"
url = "http://192.168.1.60:5001/agents"
ask = "sample"

[[machine]]
name = "mill-1"
title = "Mill 1"
bus = "mill"
device = "Mill-1"
profile = "mtconnect_cnc"
points = ["execution", "path_feedrate"]
"""


def loaded(folder: Path, text: str) -> Machine:
    (folder / "box.toml").write_text(text, encoding="utf-8")
    return load(folder / "box.toml").machines[0]


def test_a_box_names_its_agent_and_signs_what_words_count_as(tmp_path: Path) -> None:
    machine = loaded(tmp_path, BOX)
    assert machine.bus.port == AgentPort(host="192.168.1.60", port=5001, path="agents", sampled=True)
    settings = settings_of(machine)
    assert settings["bus"] == {
        "host": "192.168.1.60",
        "port": 5001,
        "path": "agents",
        "ask": "sample",
        "kind": "mtconnect",
        "name": "mill",
        "timeout_ms": 2000,
    }
    assert settings["unit"] == "Mill-1"
    execution, feed = settings["points"]
    assert (execution["type"], execution["category"], execution["states"]["FEED_HOLD"]) == ("EXECUTION", "EVENT", 5)
    assert (feed["sub_type"], feed["scale"]) == ("ACTUAL", [1, 1])


@pytest.mark.parametrize(
    ("url", "port", "path"),
    [
        ("http://mill", 5000, ""),
        ("http://mill:80/", 80, ""),
        ("http://[fe80::1]:5000/a/b/c/", 5000, "a/b/c"),
    ],
)
def test_an_address_may_name_port_and_path(tmp_path: Path, url: str, port: int, path: str) -> None:
    found = loaded(tmp_path, BOX.replace("http://192.168.1.60:5001/agents", url)).bus.port
    assert isinstance(found, AgentPort)
    assert (found.port, found.path) == (port, path)
    assert str(found).startswith(url.rstrip("/").replace("http://mill", "http://mill")[:11])


@pytest.mark.parametrize(
    ("was", "becomes", "key"),
    [
        ("http://192", "https://192", "bus[mill].url"),
        ("http://192", "http://user:secret@192", "bus[mill].url"),
        (":5001", ":99999", "bus[mill].url"),
        ("/agents", "/agents/current?path=//x", "bus[mill].url"),
        ('ask = "sample"', 'ask = "probe"', "bus[mill].ask"),
        ('device = "Mill-1"', "unit = 1", "machine[mill-1].unit"),
        ('device = "Mill-1"', 'device = "a/b"', "machine[mill-1].device"),
        ('"mtconnect_cnc"', '"eastron_sdm72"', "machine[mill-1].profile"),
    ],
)
def test_a_mistake_in_an_agents_bus_is_told(tmp_path: Path, was: str, becomes: str, key: str) -> None:
    assert was in BOX
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, BOX.replace(was, becomes))
    assert key in [complaint.key for complaint in wrong.value.complaints]


POINT = """\
name = "a"
category = "EVENT"
type = "EXECUTION"
states = { ACTIVE = 1 }
unit = "1"
decimals = 0
kind = "state"
"""


@pytest.mark.parametrize(
    ("was", "becomes", "key"),
    [
        ('type = "EXECUTION"\n', "", "data_item"),
        ('type = "EXECUTION"\n', 'type = "EXECUTION"\ndata_item = "x"\n', "data_item"),
        ('"EXECUTION"', '"Execution"', "type"),
        ('"EVENT"', '"SAMPLE"', "states"),
        ("ACTIVE = 1", 'ACTIVE = "1"', "states"),
        ("{ ACTIVE = 1 }", "{}", "states"),
        ("states = { ACTIVE = 1 }\n", "", "kind"),
        ('kind = "state"', 'kind = "gauge"', "kind"),
        ("decimals = 0", "decimals = 1", "decimals"),
        ('unit = "1"', 'unit = "1"\nscale = 2', "states"),
    ],
)
def test_a_mistake_in_an_agents_profile_is_told(tmp_path: Path, was: str, becomes: str, key: str) -> None:
    assert was in POINT
    head = 'id = "mine"\nvendor = "v"\nmodel = "m"\nprotocol = "mtconnect"\nsource = ["here"]\n[[point]]\n'
    (tmp_path / "mine.toml").write_text(head + POINT.replace(was, becomes), encoding="utf-8")
    with pytest.raises(ConfigurationError) as wrong:
        load_profile(tmp_path / "mine.toml")
    assert f"point[a].{key}" in [complaint.key for complaint in wrong.value.complaints]
