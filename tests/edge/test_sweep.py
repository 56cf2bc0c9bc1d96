from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.profiles import BAUDS, Parity
from edge_agent.config.sections import BusKind
from edge_agent.installing.scanning.likely import DLT_KINDS, LIKELY, SERIAL_KINDS, TCP_UNITS, Mode, Settings
from edge_agent.installing.scanning.sweep import ANYBODY, Came, Options, Pass, Place, Questions, Sweep, parts_of

Kind = TypeVar("Kind")
NORTH, SOUTH = Place(device="/dev/ttyUSB0"), Place(device="/dev/ttyUSB1")
QUESTIONS = Questions(modbus_s=0.1, dlt_s=0.6, tcp_s=1.0)
USUAL = Settings(baud=9600, parity=Parity.NONE)


@dataclass(frozen=True, kw_only=True)
class Device:
    """Somebody on a line; `address` is in full."""

    place: Place
    kind: BusKind
    address: int | str
    settings: Settings | None = None


def hears(device: Device, what: Pass) -> list[int | str]:
    """The questions of a pass that a device answers."""
    if (device.place, device.kind, device.settings) != (what.place, what.kind, what.settings):
        return []
    return [asked for asked in what.addresses if _fits(asked, device.address)]


def _fits(asked: int | str, address: int | str) -> bool:
    if isinstance(asked, int) or isinstance(address, int):
        return asked == address
    return all(digit in ("A", of) for digit, of in zip(asked, address, strict=True))


def came(devices: list[Device], what: Pass) -> Came:
    """One alone is heard; two at once are not."""
    answers: dict[int | str, list[int | str]] = {}
    for device in devices:
        for asked in hears(device, what):
            answers.setdefault(asked, []).append(device.address)
    alone = frozenset(who[0] for who in answers.values() if len(who) == 1)
    crowded = tuple(str(asked) for asked, who in answers.items() if len(who) > 1)
    return Came(found=alone, crowded=crowded)


def swept(devices: list[Device], places: list[Place], options: Options | None = None) -> tuple[list[Pass], set[Device]]:
    sweep = Sweep(places, options or Options())
    passes, found = [], set()
    while what := sweep.next():
        passes.append(what)
        told = came(devices, what)
        found |= {each for each in devices if hears(each, what) and each.address in told.found}
        sweep.took(what, told)
    return passes, found


def time_s(passes: list[Pass]) -> float:
    return sum(QUESTIONS(each.kind, each.settings) * len(each.addresses) for each in passes)


def test_the_likeliest_settings_of_every_port_come_before_all_others() -> None:
    passes, _ = swept([], [NORTH, SOUTH])
    assert [(each.place, str(each.settings), each.kind) for each in passes[:4]] == [
        (NORTH, "9600 8N1", BusKind.MODBUS_RTU),
        (NORTH, "9600 8N1", BusKind.DLT645_2007),
        (SOUTH, "9600 8N1", BusKind.MODBUS_RTU),
        (SOUTH, "9600 8N1", BusKind.DLT645_2007),
    ]
    order = [str(each.settings) for each, after in pairwise(passes) if each.settings != after.settings]
    assert order[: len(LIKELY) - 1] == [str(settings) for settings, _ in LIKELY[:-1]]


def test_a_quick_sweep_of_a_dead_port_takes_well_under_a_minute_and_a_usual_one_a_few() -> None:
    for mode, most_s in ((Mode.QUICK, 20), (Mode.USUAL, 300), (Mode.FULL, 1200)):
        passes, _ = swept([], [NORTH], Options(mode=mode))
        assert time_s(passes) < most_s


def test_what_it_says_it_takes_is_what_it_takes_when_nobody_answers() -> None:
    for mode in Mode:
        sweep = Sweep([NORTH, SOUTH], Options(mode=mode))
        said_s = sum(sweep.most_s(QUESTIONS))
        passes, _ = swept([], [NORTH, SOUTH], Options(mode=mode))
        assert said_s == pytest.approx(time_s(passes))


def test_where_somebody_answered_all_units_are_asked_at_once_with_the_same_settings() -> None:
    at = Settings(baud=9600, parity=Parity.NONE)
    devices = [Device(place=NORTH, kind=BusKind.MODBUS_RTU, address=unit, settings=at) for unit in (3, 201)]
    passes, found = swept(devices, [NORTH, SOUTH])
    assert found == set(devices)
    assert passes[1].addresses == tuple(range(17, 248))
    assert passes[1].settings == at
    on_south = [each for each in passes if each.place == SOUTH and len(each.addresses) > 200]
    assert len(on_south) == 5
    assert not [each for each in passes[2:] if each.place == NORTH and len(each.addresses) > 200]


def test_a_device_that_does_not_look_at_the_parity_is_not_looked_for_twice() -> None:
    both = [
        Device(place=NORTH, kind=BusKind.MODBUS_RTU, address=3, settings=Settings(baud=9600, parity=parity))
        for parity in (Parity.NONE, Parity.EVEN)
    ]
    passes, _ = swept(both, [NORTH])
    assert sum(len(each.addresses) > 200 for each in passes) == 1


def test_a_line_of_two_protocols_at_two_rates_is_found_whole() -> None:
    meters = Settings(baud=2400, parity=Parity.EVEN)
    devices = [
        Device(place=NORTH, kind=BusKind.MODBUS_RTU, address=1, settings=USUAL),
        Device(place=NORTH, kind=BusKind.DLT645_2007, address="202401150007", settings=meters),
        Device(place=NORTH, kind=BusKind.DLT645_2007, address="202401150107", settings=meters),
        Device(place=NORTH, kind=BusKind.DLT645_2007, address="202401150008", settings=meters),
    ]
    passes, found = swept(devices, [NORTH])
    assert found == set(devices)
    assert [each.addresses[8] for each in passes if len(each.addresses) == 100] == ["AAAAAAAAAA08", "AAAAAAAA0807"]


def test_parts_of_a_wildcard_are_all_and_only_its_own() -> None:
    assert parts_of(ANYBODY, BusKind.DLT698_45) == tuple(f"AAAAAAAAAAA{digit}" for digit in range(10))
    assert parts_of("AAAAAAAAAA07", BusKind.DLT645_2007)[42] == "AAAAAAAA4207"
    assert parts_of("202401150007", BusKind.DLT645_2007) == ()


HOST = Place(host="10.0.0.7", port=502)


def test_a_host_that_answers_for_any_unit_is_asked_five_times_and_a_gateway_for_all() -> None:
    any_unit = [Device(place=HOST, kind=BusKind.MODBUS_TCP, address=unit) for unit in range(256)]
    passes, _ = swept(any_unit, [HOST])
    assert [each.addresses for each in passes] == [TCP_UNITS]
    passes, found = swept(any_unit[5:8], [HOST])
    assert not found, "a gateway that keeps silent for whom it does not have looks like nobody"
    sweep = Sweep([HOST], Options())
    first = sweep.next()
    assert first
    sweep.took(first, Came(gateway=True))
    following = sweep.next()
    assert following
    assert set(following.addresses) == set(range(4, 247))


def test_behind_a_port_that_is_not_modbus_tcps_a_serial_line_is_looked_for_too() -> None:
    server = Place(host="10.0.0.7", port=4001)
    passes, _ = swept([], [server])
    assert [each.kind for each in passes] == [BusKind.MODBUS_TCP, *SERIAL_KINDS, BusKind.MODBUS_RTU]
    passes, _ = swept([Device(place=server, kind=BusKind.MODBUS_TCP, address=1)], [server])
    assert {each.kind for each in passes} == {BusKind.MODBUS_TCP}


def test_a_place_that_cannot_be_opened_is_not_asked_again() -> None:
    sweep = Sweep([NORTH, SOUTH], Options())
    first = sweep.next()
    assert first
    sweep.took(first, Came(absent=True))
    places = set()
    while what := sweep.next():
        places.add(what.place)
        sweep.took(what, Came())
    assert places == {SOUTH}
    assert not sweep.silent_places() or sweep.silent_places() == (SOUTH,)


def test_settings_that_are_named_are_asked_however_unlikely_and_no_others() -> None:
    options = Options(bauds=(57600,), parities=(Parity.ODD,), kinds=(BusKind.MODBUS_RTU,), units=(7,))
    passes, _ = swept([], [NORTH], options)
    assert [(str(each.settings), each.addresses) for each in passes] == [("57600 8O1", (7,))]


def test_an_address_off_the_plate_is_asked_beside_the_wildcard() -> None:
    options = Options(kinds=(BusKind.DLT645_2007,), bauds=(2400,), parities=(Parity.EVEN,), addresses=("202401150007",))
    (only,), _ = swept([], [NORTH], options)
    assert only.addresses == (ANYBODY, "202401150007")


def some(of: tuple[Kind, ...]) -> st.SearchStrategy[set[Kind]]:
    return st.sets(st.sampled_from(of), min_size=1)


all_settings = st.builds(Settings, baud=st.sampled_from(BAUDS), parity=st.sampled_from(list(Parity)))
digits = st.text("01", min_size=12, max_size=12)
anybody = st.one_of(
    st.builds(
        Device,
        place=st.sampled_from([NORTH, SOUTH]),
        kind=st.just(BusKind.MODBUS_RTU),
        address=st.integers(1, 247),
        settings=all_settings,
    ),
    st.builds(
        Device,
        place=st.sampled_from([NORTH, SOUTH]),
        kind=st.sampled_from(DLT_KINDS),
        address=digits,
        settings=all_settings,
    ),
)
lines = st.lists(anybody, max_size=5, unique_by=lambda each: (each.place, each.kind, each.address))


@settings(max_examples=40, deadline=None)
@given(lines)
def test_a_full_sweep_finds_everybody_and_asks_nothing_twice(devices: list[Device]) -> None:
    passes, found = swept(devices, [NORTH, SOUTH], Options(mode=Mode.FULL))
    assert found == set(devices)
    asked = [(each.place, each.settings, each.kind, address) for each in passes for address in each.addresses]
    assert len(asked) == len(set(asked))


@settings(max_examples=40, deadline=None)
@given(
    lines, st.sampled_from(Mode), st.sets(st.sampled_from(BAUDS), min_size=1), st.sets(st.sampled_from(SERIAL_KINDS))
)
def test_what_is_left_out_is_never_asked(
    devices: list[Device], mode: Mode, bauds: set[int], kinds: set[BusKind]
) -> None:
    options = Options(mode=mode, bauds=tuple(bauds), kinds=tuple(kinds), units=(1, 2))
    for each in swept(devices, [NORTH], options)[0]:
        assert each.settings
        assert each.settings.baud in bauds
        assert each.kind in kinds
        assert each.kind is not BusKind.MODBUS_RTU or set(each.addresses) <= {1, 2}
