"""The one TOML file of a box, checked completely: after `load`, every name resolves and every number is in range."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from edge_agent.clock import CatchUp
from edge_agent.config.box import Box, opened, read_box
from edge_agent.config.judging import read_judging
from edge_agent.config.judging_keys import JUDGED_BY
from edge_agent.config.points import POINTS_LIMIT, ByteOrder, Input, Limits, Point, Protocol
from edge_agent.config.profiles import Parity, Profile, known_profiles, load_profile, read_points, told_apart
from edge_agent.config.schema import Complaint, ConfigurationError, Reader, closest, shown
from edge_agent.config.sections import (
    ADDRESSES,
    BUS_KEYS,
    BUS_KIND,
    BUSES_LIMIT,
    CAMERA,
    CAMERAS_LIMIT,
    CLOCK_KEYS,
    CLOCK_KIND,
    MACHINE,
    MACHINE_ALSO,
    MACHINES_LIMIT,
    UPLINK,
    Bus,
    BusKind,
    Camera,
    ChipPort,
    Identity,
    Machine,
    Pace,
    Port,
    RecordingPort,
    SerialPort,
    TcpPort,
    Uplink,
    agent_port,
    lined,
)
from edge_agent.config.zones import ZONES_LIMIT, ZoneCamera, read_zones
from evidence.bodies import Keep

__all__ = [
    "Box",
    "Bus",
    "Camera",
    "Complaint",
    "Config",
    "ConfigurationError",
    "Keep",
    "Machine",
    "Pace",
    "Parity",
    "Uplink",
    "ZoneCamera",
    "load",
]


MINUTE_MS: Final = 60_000
OWN: Final = "box.toml"
"""In place of a profile's id where a machine has points of its own and no profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    file: Path
    box: Box
    uplink: Uplink | None
    """None: statements leave by `edge-agent export` only."""
    buses: tuple[Bus, ...]
    machines: tuple[Machine, ...]
    cameras: tuple[Camera, ...]
    clock: CatchUp | None
    """None: the machine's own clock."""
    zones: tuple[ZoneCamera, ...] = ()

    @property
    def watched(self) -> "tuple[Camera | ZoneCamera, ...]":
        """What has a `watch` of its own."""
        return (*self.cameras, *self.zones)

    def machines_on(self, bus: Bus) -> tuple[Machine, ...]:
        """In the file's order."""
        return tuple(machine for machine in self.machines if machine.bus.name == bus.name)


def load(file: Path, *, credentials: Path | None = None) -> Config:
    """The file's configuration; ConfigurationError with every complaint when something is wrong with it.

    `credentials` is where `credential:<name>` leads, by default systemd's $CREDENTIALS_DIRECTORY. That the files it
    refers to exist is for `edge-agent check` to see.
    """
    reader, root = opened(file, credentials=credentials)
    config = _Builder(reader, root).config()
    reader.finish()
    assert config is not None  # noqa: S101  # or finish() would have raised
    return config


class _Builder:
    """Turns the parsed file into a Config, section by section; what cannot be used is None and complained of."""

    def __init__(self, reader: Reader, root: dict[str, Any]) -> None:
        self._reader, self._root = reader, root

    def config(self) -> Config | None:
        """None when there was a complaint."""
        reader = self._reader
        reader.unknown(self._root, ("box", "uplink", "bus", "machine", "camera", "zone", "clock"), "")
        box = read_box(reader, self._root)
        uplink = self._uplink()
        buses = self._buses()
        machines = self._machines(box, {bus.name: bus for bus in buses})
        cameras = self._cameras()
        zones = read_zones(reader, self._named("zone", ZONES_LIMIT))
        self._distinct("camera or zone", "name", [*(each.name for each in cameras), *(each.name for each in zones)])
        clock = self._clock()
        if box is None or reader.complaints:
            return None
        return Config(
            file=reader.file,
            box=box,
            uplink=uplink,
            buses=buses,
            machines=machines,
            cameras=cameras,
            clock=clock,
            zones=zones,
        )

    def _uplink(self) -> Uplink | None:
        table = self._reader.table(self._root, "uplink")
        values = None if table is None else self._reader.section(table, UPLINK, "uplink")
        return None if values is None else Uplink(**values)

    def _buses(self) -> tuple[Bus, ...]:
        buses = []
        for where, table in self._named("bus", BUSES_LIMIT):
            kind = table.get("kind")
            keys = BUS_KEYS[BusKind(kind)] if kind in [each.value for each in BusKind] else None
            if keys is None:  # what else may stand there depends on it
                self._reader.section({"kind": kind} if "kind" in table else {}, BUS_KIND, where)
                continue
            values = self._reader.section(table, keys, where)
            port = None if values is None else self._port(where, values)
            if values is not None and port is not None:
                named = {key: values[key] for key in ("name", "kind", "period_ms")}
                buses.append(Bus(**named, timeout_ms=values.get("timeout_ms", 0), port=port))
        self._distinct("bus", "name", (bus.name for bus in buses))
        places = (f"{bus.place}, {bus.kind.value}," if bus.kind.shares_line else bus.place for bus in buses)
        self._distinct("bus", "host and port, device, chip or file", places)
        return tuple(buses)

    def _port(self, where: str, values: dict[str, Any]) -> Port | None:
        match values["kind"]:
            case BusKind.DIGITAL:
                return ChipPort(chip=values["chip"])
            case BusKind.REPLAY:
                return RecordingPort(file=values["file"], loop=values["loop"])
            case BusKind.MTCONNECT:
                try:
                    return agent_port(values["url"], sampled=values["sampled"])
                except ValueError:
                    self._reader.complain(f"{where}.url", shown(values["url"]), "a port from 1 to 65535")
                    return None
        return self._wire(where, values)

    def _wire(self, where: str, values: dict[str, Any]) -> TcpPort | SerialPort | None:
        host, device = values["host"], values.get("device")
        if (host is None) == (device is None):
            found = "neither" if host is None else "both"
            self._reader.complain(f"{where}.device", found, "a device of this box, or host and port of a serial server")
        elif host is None:
            return SerialPort(**{key: values[key] for key in ("device", "baud", "parity", "stopbits")})
        elif values["port"] is None:
            self._reader.complain(f"{where}.port", "missing", "the port of the serial server")
        else:
            return TcpPort(host=host, port=values["port"], baud=values.get("baud"))
        return None

    def _machines(self, box: Box | None, buses: dict[str, Bus]) -> tuple[Machine, ...]:
        profiles = _Profiles(self._reader, box.profiles if box else None)
        keep = box.keep if box else Keep.MINUTE
        machines = []
        for where, table in self._named("machine", MACHINES_LIMIT):
            machine = self._machine(where, table, buses, profiles, keep)
            if machine is not None:
                machines.append(machine)
        self._distinct("machine", "name", (machine.name for machine in machines))
        self._distinct("machine", "bus and unit", (place for machine in machines for place in _places(machine)))
        return tuple(machines)

    def _machine(
        self, where: str, table: dict[str, Any], buses: dict[str, Bus], profiles: "_Profiles", keep: Keep
    ) -> Machine | None:
        reader = self._reader
        bus = self._bus_of(where, table, buses)
        protocol = (bus.kind.protocol if bus else None) or Protocol.MODBUS
        also = () if bus and bus.kind is BusKind.REPLAY else MACHINE_ALSO.get(protocol, ())
        keys = (*MACHINE, ADDRESSES[protocol], *also)
        values = reader.section(table, keys, where, also=(*JUDGED_BY, "point"))
        profile = None if values is None else self._profile(where, values, table, protocol, profiles)
        if values is None or bus is None or profile is None:
            return None
        if bus.kind is BusKind.MODBUS_RTU and not 1 <= values["unit"] <= 247:  # noqa: PLR2004
            reader.complain(f"{where}.unit", str(values["unit"]), "1 to 247 on a serial line")
        if bus.kind.protocol not in {None, profile.protocol}:
            found, wanted = f"{profile.id} for {profile.protocol.value}", f"a profile for {protocol.value}"
            reader.complain(f"{where}.profile", found, f"{wanted}, which the bus {bus.name} speaks")
        period_ms = values["period_ms"] or profile.period_ms or bus.period_ms
        points = self._points(where, values["points"], profile)
        judging = read_judging(reader, table, where, points=points, period_ms=period_ms)
        return Machine(
            name=values["name"],
            title=values["title"],
            stream=f"{values['stream_kind']}/{values['name']}",
            bus=bus,
            unit="" if values["unit"] is None else values["unit"],
            profile=profile,
            points=points,
            period_ms=period_ms,
            keep=_kept(keep, period_ms) if values["keep"] is None else values["keep"],
            run_state=judging.run_state,
            limits=judging.limits,
            signature=judging.signature,
            rated_w=values["rated_w"],
            silent_after_ms=values.get("silent_after_ms"),
            plc=values.get("plc"),
            identity=self._identity(where, values, profile),
            clock_off_ms=values["clock_off_ms"],
        )

    def _identity(self, where: str, values: dict[str, Any], profile: Profile) -> Identity | None:
        identity = Identity(meter_number=values.get("meter_number"), asset_number=values.get("asset_number"))
        if identity == Identity():
            return None
        if profile.protocol is Protocol.MODBUS and not profile.identity:
            found = f"no point of the profile {profile.id} is marked identity = true"
            self._reader.complain(f"{where}.meter_number", found, "a profile that knows where the device's number is")
        return identity

    def _profile(
        self, where: str, values: dict[str, Any], table: dict[str, Any], protocol: Protocol, profiles: "_Profiles"
    ) -> Profile | None:
        """The profile that is named, with the points that the machine has of its own; these alone make one as well."""
        reader, named = self._reader, values["profile"]
        tables = reader.tables(table, "point", at_most=POINTS_LIMIT)
        profile = None if named is None else profiles.get(where, named)
        if named is None and not tables:
            reader.complain(
                f"{where}.profile", "missing", "a profile, or [[machine.point]] tables of the machine's own"
            )
        if not tables or (named is not None and profile is None):
            return profile
        plc = values.get("plc") or (profile.plc if profile else None)
        head = {
            "protocol": protocol,
            "plc": plc,
            "function": None,
            "word_order": None,
            "byte_order": ByteOrder.HIGH_FIRST,
        }
        limits = profile.limits if profile else Limits()
        own = read_points(reader, tables, head, limits, within=f"{where}.")
        points, identity = told_apart(own)
        if profile is None:
            if own and not points:
                reader.complain(f"{where}.point", "only the device's number", "a point without `identity`")
            digest = sha256(json.dumps(tables, sort_keys=True, default=str).encode()).digest()
            what = "own points"
            return Profile(
                id=OWN, protocol=protocol, vendor=what, model=what, points=points, identity=identity, sha256=digest
            )
        for twice in sorted({point.name for point in own} & {point.name for point in profile.points}):
            reader.complain(f"{where}.point[{twice}].name", f"a name of the profile {profile.id}", "a name of its own")
        if len(own) + len(profile.points) > POINTS_LIMIT:
            reader.complain(f"{where}.point", f"{len(own)} beside the profile's", f"at most {POINTS_LIMIT} together")
        return replace(profile, points=profile.points + points, identity=profile.identity + identity)

    def _bus_of(self, where: str, table: dict[str, Any], buses: dict[str, Bus]) -> Bus | None:
        name = table.get("bus")
        if not isinstance(name, str):
            return None  # MACHINE complains of it
        if name not in buses and not any(complaint.key.startswith("bus") for complaint in self._reader.complaints):
            self._reader.complain(f"{where}.bus", shown(name) + closest(name, buses), "the name of a [[bus]]")
        return buses.get(name)

    def _points(self, where: str, names: tuple[str, ...] | None, profile: Profile) -> tuple[Point, ...]:
        if names is None:
            return profile.points
        known = {point.name: point for point in profile.points}
        for name in names:
            if name not in known:
                found = shown(name) + closest(name, known)
                self._reader.complain(f"{where}.points", found, f"points of the profile {profile.id}")
        return tuple(known[name] for name in names if name in known)

    def _cameras(self) -> tuple[Camera, ...]:
        cameras = []
        for where, table in self._named("camera", CAMERAS_LIMIT):
            values = self._reader.section(table, CAMERA, where)
            if values is None:
                continue
            x0, y0, x1, y1 = values["gate_px"]
            in_x, in_y = values["in_normal_milli"]
            if (x0, y0) == (x1, y1):
                self._reader.complain(f"{where}.gate", shown(list(values["gate_px"])), "a line with two ends")
            elif (x1 - x0) * in_y == (y1 - y0) * in_x:
                self._reader.complain(f"{where}.in_normal", "along the gate", "a direction across it")
            cameras.append(Camera(**values | {"stream": f"gate/{values['name']}"}))
        return tuple(cameras)

    def _clock(self) -> CatchUp | None:
        table = self._reader.table(self._root, "clock")
        if table is None:
            return None
        kind = table.get("kind", "system")
        keys = CLOCK_KEYS.get(kind) if isinstance(kind, str) else None
        if keys is None:
            self._reader.section({"kind": kind}, CLOCK_KIND, "clock")
            return None
        values = self._reader.section(table, keys, "clock")
        if values is None or kind == "system":
            return None
        del values["kind"]
        return CatchUp(**values)

    def _named(self, section: str, at_most: int) -> Iterable[tuple[str, dict[str, Any]]]:
        for number, table in enumerate(self._reader.tables(self._root, section, at_most=at_most), 1):
            name = table.get("name")
            yield f"{section}[{name if isinstance(name, str) and name.isprintable() else number}]", table

    def _distinct(self, section: str, what: str, values: Iterable[str]) -> None:
        for value, times in Counter(values).items():
            if times > 1:
                self._reader.complain(f"{section} {what}", f"{value} {times} times", "each one once")


class _Profiles:
    """Loads each profile once; what is wrong in its file becomes the reader's complaint."""

    def __init__(self, reader: Reader, folder: Path | None) -> None:
        self._reader, self._files = reader, known_profiles(folder)
        self._loaded: dict[str, Profile | None] = {}

    def get(self, where: str, name: str) -> Profile | None:
        """None when there is no such profile or it cannot be used."""
        if name not in self._files:
            found = shown(name) + closest(name, self._files)
            self._reader.complain(f"{where}.profile", found, "one of " + ", ".join(sorted(self._files)))
            return None
        if name not in self._loaded:
            self._loaded[name] = self._load(self._files[name])
        return self._loaded[name]

    def _load(self, file: Path) -> Profile | None:
        try:
            return load_profile(file)
        except ConfigurationError as wrong:
            self._reader.complaints.extend(wrong.complaints)
            return None


def _kept(keep: Keep, period_ms: int) -> Keep:
    """What the box keeps; of a machine that has no more than a sample a minute, that sample."""
    return Keep.EVERY if period_ms >= MINUTE_MS else keep


def _places(machine: Machine) -> Iterable[str]:
    """What two machines may not share."""
    if machine.bus.kind is BusKind.DIGITAL:  # the kernel gives a line to one asker
        return (
            f"{machine.bus.name}, line {lined(point, machine)}" for point in machine.points if isinstance(point, Input)
        )
    return (f"{machine.bus.name}, {machine.stream.partition('/')[0]}s, unit {machine.unit}",)
