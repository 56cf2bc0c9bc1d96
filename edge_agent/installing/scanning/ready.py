"""From devices that were found to lines for the box's file: buses, machines, and what a person has to decide. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from edge_agent.config.profiles import Profile
from edge_agent.config.sections import Bus, BusKind, Machine, SerialPort, TcpPort
from edge_agent.config.write import Value, Values
from edge_agent.installing.scanning.likely import DLT_KINDS
from edge_agent.installing.scanning.probing import Device
from edge_agent.installing.scanning.sweep import Place

NAME_LIMIT: Final = 40
PERIODS_S: Final = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 300, 600)
ROOM: Final = 0.7
"""The share of a line's time that its machines may want; where several protocols share it, each a part of that."""
ANY_VENDOR: Final = "any"
_SHORT: Final = {
    BusKind.MODBUS_RTU: "modbus",
    BusKind.MODBUS_TCP: "modbus",
    BusKind.DLT645_2007: "dlt645",
    BusKind.DLT645_1997: "dlt645-1997",
    BusKind.DLT698_45: "dlt698",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A device, and the most plausible profile, where one fits."""

    device: Device
    profile: Profile | None
    is_tried: bool = True
    """Whether its profile was looked for."""
    tied: tuple[str, ...] = ()
    """Other profiles that it cannot be told from."""
    is_thin: bool = False
    """Whether there was little to go by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section for the box's file."""

    kind: str
    """`bus` or `machine`."""
    values: Values
    note: str = ""
    """What to decide before believing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What to put into the box's file, and what cannot be put there."""

    sections: tuple[Section, ...]
    notes: tuple[str, ...]


def distinct(devices: Iterable[Device]) -> tuple[Device, ...]:
    """Each device once: one that does not look at the parity answers to several, a meter may speak two protocols."""
    kept: dict[tuple[object, ...], Device] = {}
    for device in devices:
        baud = device.settings.baud if device.settings else None
        kept.setdefault((device.place, baud, device.kind, device.address), device)
    first: dict[tuple[Place, int | str], BusKind] = {}
    for device in kept.values():
        if device.kind in DLT_KINDS:
            first.setdefault((device.place, device.address), device.kind)
    return tuple(
        device for device in kept.values() if first.get((device.place, device.address), device.kind) is device.kind
    )


def ready_for(
    found: Sequence[Known],
    *,
    buses: Sequence[Bus] = (),
    machines: Sequence[Machine] = (),
    lasting: Callable[[str], str] = str,
    line_time_s: Callable[[Known], float] = lambda _: 0.0,
) -> Ready:
    """Sections for what the box does not have yet; `buses` and `machines` are what it has.

    `lasting` gives a port's name that stays; `line_time_s` how long asking a device takes its line.
    """
    sections: list[Section] = []
    notes: list[str] = []
    names = {bus.name for bus in buses} | {machine.name for machine in machines}
    for place, kind in dict.fromkeys((known.device.place, known.device.kind) for known in found):
        on_place = [known for known in found if known.device.place == place]
        here = [known for known in on_place if known.device.kind is kind]
        bus = next((bus for bus in buses if bus.kind is kind and _is_at(bus, place, lasting)), None)
        baud = _baud_of(bus, here)
        notes += [_other_rate(known.device, baud) for known in here if _baud(known.device) != baud]
        here = [known for known in here if _baud(known.device) == baud]
        if bus is None:
            kinds = len({known.device.kind for known in on_place})
            name = _unused(_bus_name(found, place, kind, several=kinds > 1), names)
            period_s = _period_s(kinds * sum(line_time_s(known) for known in here if known.profile))
            sections.append(Section(kind="bus", values=_bus_values(name, here[0].device, period_s, lasting)))
        for known in here:
            there = streams_of(known.device, machines, lasting)
            if there:
                notes.append(f"{called(known.device)} is there already: {', '.join(there)}")
            elif known.profile is None:
                why = "fits no known profile: docs/profiles.md says how to write one" if known.is_tried else _UNTRIED
                notes.append(f"{called(known.device)} {why}")
            else:
                sections.append(_machine(bus.name if bus else name, known, known.profile, names))
    return Ready(sections=tuple(sections), notes=tuple(notes))


def streams_of(device: Device, machines: Iterable[Machine], lasting: Callable[[str], str]) -> tuple[str, ...]:
    """The streams of the machines that the device is already."""
    same = (each for each in machines if each.unit == device.address and each.bus.kind is device.kind)
    return tuple(each.stream for each in same if _is_at(each.bus, device.place, lasting))


def called(device: Device) -> str:
    """A device as a person would name it."""
    word = "unit" if isinstance(device.address, int) else "meter"
    settings = f" at {device.settings}" if device.settings else ""
    return f"{word} {device.address} on {device.place}{settings}, {device.kind.value}"


def _machine(bus: str, known: Known, profile: Profile, names: set[str]) -> Section:
    device = known.device
    is_unit = isinstance(device.address, int)
    tail = str(device.address) if is_unit else str(device.address)[-_DIGITS_SHOWN:]
    name = _unused(_name(f"{profile.id.rpartition('_')[2] if is_unit else 'meter'}-{tail}"), names)
    model = profile.model if profile.vendor == ANY_VENDOR else f"{profile.vendor} {profile.model}"
    title = f"{model}, {'unit' if is_unit else 'no.'} {device.address}"
    values: dict[str, Value] = {"name": name, "title": title, "bus": bus}
    values |= {"unit" if is_unit else "address": device.address, "profile": profile.id}
    note = f"or {' or '.join(known.tied)}: look at the plate" if known.tied else ""
    note = note or ("a guess: look at the plate" if known.is_thin else "")
    return Section(kind="machine", values=values, note=note)


def _bus_values(name: str, device: Device, period_s: int, lasting: Callable[[str], str]) -> dict[str, Value]:
    values: dict[str, Value] = {"name": name, "kind": device.kind.value}
    if device.place.device is not None and device.settings is not None:
        values["device"] = lasting(device.place.device)
        values |= {"baud": device.settings.baud, "parity": device.settings.parity.value}
    else:
        values |= {"host": str(device.place.host), "port": device.place.port or 0}
    return values | ({"period_s": period_s} if period_s > 1 else {})


def _bus_name(found: Sequence[Known], place: Place, kind: BusKind, *, several: bool) -> str:
    alike = [other for other in dict.fromkeys(known.device.place for known in found) if _word(other) == _word(place)]
    base = f"{_word(place)}-{alike.index(place) + 1}"
    return f"{base}-{_SHORT[kind]}" if several else base


def _word(place: Place) -> str:
    return "line" if place.device is not None else "host"


def _is_at(bus: Bus, place: Place, lasting: Callable[[str], str]) -> bool:
    if isinstance(bus.port, SerialPort) and place.device is not None:
        return lasting(bus.port.device) == lasting(place.device)
    return isinstance(bus.port, TcpPort) and (bus.port.host, bus.port.port) == (place.host, place.port)


def _baud(device: Device) -> int | None:
    return device.settings.baud if device.settings else None


def _baud_of(bus: Bus | None, here: Sequence[Known]) -> int | None:
    """The one rate of a bus: as it is set, or as most of its devices have it."""
    if bus is not None and isinstance(bus.port, SerialPort):
        return bus.port.baud
    bauds = [_baud(known.device) for known in here]
    return max(bauds, key=lambda baud: (bauds.count(baud), -bauds.index(baud)))


def _other_rate(device: Device, baud: int | None) -> str:
    return f"{called(device)}: its bus runs at {baud} baud; set the device to that, then scan again"


def _period_s(asking_s: float) -> int:
    return next((period for period in PERIODS_S if asking_s <= ROOM * period), PERIODS_S[-1])


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:NAME_LIMIT]


def _unused(name: str, names: set[str]) -> str:
    """The name, or with the first number that makes it new; it is taken from now on."""
    tries = (name if at == 1 else f"{name[: NAME_LIMIT - _TAIL]}-{at}" for at in count(1))
    found = next(each for each in tries if each not in names)
    names.add(found)
    return found


_UNTRIED: Final = "was not asked for its profile: `edge-agent identify` finds it"
_TAIL: Final = 5
_DIGITS_SHOWN: Final = 4
