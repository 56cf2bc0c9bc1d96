import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from threading import Event as Stop

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs.recording import Form, Recorded, TimeKey, heading
from edge_agent.codecs.recording import line_of as written
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.settings import settings_of
from edge_agent.drivers.driver import Exchange
from edge_agent.drivers.replay import BROKEN_LIMIT, Player, asker_of, line_of
from edge_agent.polling.poll import Poller
from edge_agent.reading import Reading
from evidence.bodies import FRAME_LIMIT, Failure
from tests.world.sleeper import SleeperClock

BOX = """
[box]
id = "box-1"
enterprise = "Tyres"
site = "hall 2"
signing_key = "./signing.key"

[[bus]]
name = "desk"
kind = "replay"
file = "./{file}"
{loop}

[[machine]]
name = "press"
title = "Press"
bus = "desk"
profile = "eastron_sdm72"
points = ["active_power", "energy_import"]
"""
POINTS = ("active_power", "energy_import")
ROWS: list[tuple[int, str | None, str | None, Failure | None]] = [
    (0, "1500.5", "12345", None),
    (1003, "1600", "12346", None),
    (1998, None, None, Failure.SILENT),
    (3001, "1700", None, Failure.GARBLED),
    (5002, "1800", "12349", None),
]


def recorded(rows: list[tuple[int, str | None, str | None, Failure | None]]) -> list[Recorded]:
    return [
        Recorded(
            at_ms=at_ms,
            values={
                name: None if text is None else Decimal(text)
                for name, text in zip(POINTS, (power, energy), strict=True)
            },
            failure=failure,
        )
        for at_ms, power, energy, failure in rows
    ]


def recording(folder: Path, name: str = "press.jsonl", *, key: TimeKey = TimeKey.OFFSET, since_ms: int = 0) -> None:
    form = Form.CSV if name.endswith("csv") else Form.JSON_LINES
    rows = [(at_ms + since_ms, *rest) for at_ms, *rest in ROWS]
    text = heading(form, POINTS, key) + b"".join(written(each, form, POINTS, key) for each in recorded(rows))  # type: ignore[arg-type]
    (folder / name).write_bytes(text)


def config_of(folder: Path, *, file: str = "press.jsonl", loop: bool = False) -> Config:
    text = BOX.format(file=file, loop="loop = true" if loop else "")
    (folder / "box.toml").write_text(text, encoding="utf-8")
    return load(folder / "box.toml")


def asked(config: Config, times_ms: Iterator[int] | range) -> list[Exchange]:
    (machine,) = config.machines
    line = line_of(config.buses[0])
    asker = asker_of(machine, line)
    exchanges = [asker.ask(now_ms) for now_ms in times_ms if line.open() is None]
    line.close()
    return exchanges


@pytest.mark.parametrize("name", ["press.jsonl", "press.csv"])
@pytest.mark.parametrize(
    ("key", "since_ms"), [(TimeKey.OFFSET, 0), (TimeKey.OFFSET, 777), (TimeKey.AT, 1_700_000_000_123)]
)
def test_each_reading_comes_in_its_slot_and_a_hole_stays_a_hole(
    tmp_path: Path, name: str, key: TimeKey, since_ms: int
) -> None:
    recording(tmp_path, name, key=key, since_ms=since_ms)
    exchanges = asked(config_of(tmp_path, file=name), range(60_000, 68_000, 1000))
    assert [(exchange.values, exchange.failure, exchange.heard) for exchange in exchanges] == [
        ((15005, 12_345), None, True),
        ((16000, 12_346), None, True),
        ((None, None), Failure.SILENT, True),
        ((17000, None), Failure.GARBLED, True),
        ((None, None), Failure.NO_VALUE, True),
        ((18000, 12_349), None, True),
        ((None, None), Failure.SILENT, False),
        ((None, None), Failure.SILENT, False),
    ]
    (frame,) = exchanges[0].frames
    assert frame[0] == f"replay {name}".encode()
    assert b"1500.5" in frame[1]


def test_a_loop_begins_again_after_its_last_step(tmp_path: Path) -> None:
    recording(tmp_path)
    exchanges = asked(config_of(tmp_path, loop=True), range(0, 22_000, 1000))
    powers = [exchange.values[0] for exchange in exchanges]
    once = [15005, 16000, None, 17000, None, 18000, None]
    assert powers == [*once, *once, *once, 15005]


def test_one_reading_in_a_loop_comes_every_period(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_bytes(b'{"offset_ms": 5, "values": {"active_power": 7, "energy_import": 1}}\n')
    exchanges = asked(config_of(tmp_path, file="one.jsonl", loop=True), range(300, 5_300, 1000))
    assert [exchange.values for exchange in exchanges] == [(70, 1)] * 5


def test_a_week_that_went_by_costs_no_more_than_a_round(tmp_path: Path) -> None:
    recording(tmp_path)
    exchanges = asked(config_of(tmp_path, loop=True), iter((0, 7_004 * 86_400, 7_004 * 86_400 + 1000)))
    assert exchanges[0].values[0] == 15005
    assert exchanges[1].values[0] is not None or exchanges[2].values[0] is not None


def test_lines_that_mean_nothing_are_garbled_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "press.jsonl").write_bytes(
        b'{"offset_ms": 0, "values": {"active_power": 1, "energy_import": 1}}\n'
        b"\xff\xfe\n" + b"x" * 200_000 + b"\n"
        b'{"offset_ms": 2000, "values": {"active_power": 2, "energy_import": 1}}\n'
    )
    exchanges = asked(config_of(tmp_path), range(0, 4000, 1000))
    assert [(exchange.values[0], exchange.failure) for exchange in exchanges] == [
        (10, None),
        (None, Failure.GARBLED),
        (20, None),
        (None, Failure.SILENT),
    ]


def test_what_is_no_recording_is_over_at_once(tmp_path: Path) -> None:
    (tmp_path / "press.jsonl").write_bytes(b"noise\n" * (BROKEN_LIMIT * 3))
    (exchange,) = asked(config_of(tmp_path), range(0, 1000, 1000))
    assert (exchange.failure, exchange.heard) == (Failure.GARBLED, False)
    (tmp_path / "press.jsonl").write_bytes(b"")
    assert asked(config_of(tmp_path, loop=True), range(0, 1000, 1000))[0].failure is Failure.SILENT


def test_a_file_that_is_not_there_is_a_line_that_is_down_until_it_is(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    line = line_of(config.buses[0])
    assert line.open() is Failure.LINE_DOWN
    asker = asker_of(config.machines[0], line)
    assert asker.ask(0).failure is Failure.LINE_DOWN
    recording(tmp_path)
    assert line.open() is None
    assert asker.ask(1000).values == (15005, 12_345)
    assert line_of(config_of(tmp_path, file="press.txt").buses[0]).open() is Failure.LINE_DOWN


def test_a_point_that_was_not_recorded_has_no_value_and_a_long_line_is_cut_as_evidence(tmp_path: Path) -> None:
    many = ", ".join(f'"p{at}": 1' for at in range(300))
    (tmp_path / "press.jsonl").write_text(f'{{"offset_ms": 0, "values": {{"active_power": 1, {many}}}}}\n')
    (exchange,) = asked(config_of(tmp_path), range(0, 1000, 1000))
    assert (exchange.values, exchange.failure) == ((10, None), Failure.NO_VALUE)
    assert len(exchange.frames[0][1]) == FRAME_LIMIT


def test_the_poller_plays_at_the_pace_of_the_boxs_clock(tmp_path: Path) -> None:
    recording(tmp_path)
    config = config_of(tmp_path)
    clock, readings = SleeperClock(12_345), list[Reading]()
    line = line_of(config.buses[0])
    poller = Poller(config.buses[0], config.machines, line=line, clock=clock, deliver=readings.append, chance=Random(1))
    while poller.next_ms() < 19_000:
        clock.wait_until(poller.next_ms(), Stop())
        poller.step()
    assert [(reading.steady_ms, reading.values[0], reading.failure) for reading in readings][:6] == [
        (12_345, 15005, None),
        (13_000, 16000, None),
        (14_000, None, Failure.SILENT),
        (15_000, 17000, Failure.GARBLED),
        (16_000, None, Failure.NO_VALUE),
        (17_000, 18000, None),
    ]


# A replay cannot be taken for a measurement


def test_the_signed_settings_say_that_it_is_a_replay_of_which_file_and_whether_in_a_loop(tmp_path: Path) -> None:
    for loop in (False, True):
        settings = settings_of(config_of(tmp_path, loop=loop).machines[0])
        assert settings["bus"] == {
            "kind": "replay",
            "file": "press.jsonl",
            "loop": int(loop),
            "name": "desk",
            "timeout_ms": 0,
        }


@pytest.mark.parametrize(
    ("was", "becomes", "key"),
    [
        ('file = "./press.jsonl"', "", "file"),
        ('file = "./press.jsonl"', 'file = "press"', "file"),
        ("loop = true", "loop = 1", "loop"),
        ("loop = true", 'host = "10.0.0.1"', "host"),
    ],
)
def test_a_mistake_in_a_replay_is_told(tmp_path: Path, was: str, becomes: str, key: str) -> None:
    text = BOX.format(file="press.jsonl", loop="loop = true")
    assert was in text
    (tmp_path / "box.toml").write_text(text.replace(was, becomes), encoding="utf-8")
    with pytest.raises(ConfigurationError) as wrong:
        load(tmp_path / "box.toml")
    assert f"bus[desk].{key}" in [complaint.key for complaint in wrong.value.complaints]


# Any recording, any pace


@given(
    steps_ms=st.lists(st.integers(1, 5_000), min_size=1, max_size=30),
    period_ms=st.sampled_from([200, 1000, 7000]),
    loops=st.booleans(),
)
def test_every_reading_is_given_once_and_in_order_unless_another_of_its_slot_follows(
    steps_ms: list[int],
    period_ms: int,
    loops: bool,  # noqa: FBT001  # hypothesis gives it
) -> None:
    offsets = [sum(steps_ms[:at]) for at in range(len(steps_ms) + 1)]
    lines = [json.dumps({"offset_ms": at_ms}).encode() for at_ms in offsets]
    player = Player(lambda: iter(lines), Form.JSON_LINES, loops=loops, step_ms=period_ms)
    given_at: list[tuple[int, int]] = []
    for slot_ms in range(0, 3 * offsets[-1] + period_ms, period_ms):
        played = player.until(slot_ms + period_ms // 2 if slot_ms else 0)
        assert played.is_over <= (not loops)
        if played.reading is not None:
            given_at.append((slot_ms, played.reading.at_ms))
    round_ms = offsets[-1] + steps_ms[-1]
    for slot_ms, at_ms in given_at:
        late_ms = (slot_ms - at_ms) % round_ms
        assert min(late_ms, round_ms - late_ms) <= period_ms
    if not loops:
        assert [at_ms for _, at_ms in given_at] == sorted({at_ms for _, at_ms in given_at})
        assert given_at[-1][1] == offsets[-1]
