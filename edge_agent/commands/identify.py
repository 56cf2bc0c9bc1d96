"""`edge-agent identify`: which profile fits a device, and which device it is. It only reads.

    edge-agent identify loom-1                               a machine of the box's file
    edge-agent identify --bus hall --unit 3                  any unit of a bus of the box's file
    edge-agent identify --bus meters --address 202401150007
    edge-agent identify --device /dev/ttyUSB0 --protocol modbus-rtu --baud 9600 --unit 3
    edge-agent identify --device 192.168.1.40 --protocol modbus-tcp --unit 1

Every profile of the bus's protocol is tried, and ranked by how plausible what it reads is: voltages, frequency, power
against current, energies that rise. With --write the profile goes into the box's file, and so do the meter number and
the asset number where the device says them: from then on another device at that address is a signed event, not data.
Stop the agent before: a serial line has one master.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, TextIO, TypeVar

from edge_agent.clock import Clock, SystemClock
from edge_agent.commands import scan_arguments as take
from edge_agent.commands.processes import DEFAULT_CONFIG
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.profiles import Parity
from edge_agent.config.schema import closest
from edge_agent.config.sections import BUS_KEYS, Bus, BusKind, SerialPort
from edge_agent.installing.bench import STOP_THE_AGENT, agent_polls
from edge_agent.installing.identifying.identify_told import Found, as_json, as_text, called
from edge_agent.installing.identifying.numbers import numbers_of
from edge_agent.installing.identifying.pinning import UndecidedError, write
from edge_agent.installing.identifying.plausible import ranked
from edge_agent.installing.identifying.trying import profiles_for, tried
from edge_agent.installing.ports import why_not
from edge_agent.installing.scanning.hints import DEAD_LINE
from edge_agent.installing.scanning.likely import KINDS, Settings
from edge_agent.installing.scanning.probing import Device
from edge_agent.installing.scanning.sweep import Place
from edge_agent.installing.screen import Screen
from evidence.bodies import Failure
from evidence.exits import Exit

APART_S: Final = 5.0
"""Between two readings: long enough for a counter of a machine that works to move."""


_Part = TypeVar("_Part")


class _UnusableError(Exception):
    """It cannot be done; the message says what to do."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The device to be asked."""

    bus: Bus
    unit: int | str
    device: Device
    """The same as a scan would have found it."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `identify`; its `run` takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "identify",
        help="find out which profile fits a device, and pin which device it is",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("machine", nargs="?", metavar="MACHINE", help="a machine of the box's file")
    parser.add_argument("--bus", metavar="NAME", help="a bus of the box's file")
    parser.add_argument("--device", type=take.place, metavar="PORT", help="a port, host or host:port, without the file")
    parser.add_argument("--protocol", type=take.kind, metavar="PROTOCOL", help="with --device: what it speaks")
    parser.add_argument("--baud", type=take.baud, metavar="RATE", help="with --device: default as the protocol's own")
    parser.add_argument("--parity", type=take.parity, metavar="PARITY", help="with --device: N, E or O")
    parser.add_argument("--unit", type=take.unit, metavar="N", help="the Modbus unit")
    parser.add_argument("--address", type=take.address, metavar="DIGITS", help="the DL/T address")
    parser.add_argument("--profile", metavar="ID", help="with --write: this one, whatever the ranking")
    parser.add_argument(
        "--apart-s", type=take.apart_s, default=APART_S, metavar="SECONDS", help="between two readings; default 5"
    )
    parser.add_argument("--write", action="store_true", help="put profile and numbers into the box's file")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"default {DEFAULT_CONFIG}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, out: TextIO | None = None, clock: Clock | None = None) -> Exit:
    """`edge-agent identify`: OK when a profile fits, and with --write when it was written."""
    out = out or sys.stdout
    screen = Screen(sys.stderr)
    try:
        config = _config(arguments)
        target = _target(arguments, config)
        found = _identified(target, config, arguments, clock or SystemClock(), screen)
        out.write(as_json(found) if arguments.json else as_text(found))
        out.flush()
        if not arguments.write:
            return found.exit_code
        assert config is not None  # noqa: S101  # --write has loaded it
        written = write(arguments.config, config, found, target.device, wanted=arguments.profile)
    except ConfigurationError as wrong:
        screen.say(str(wrong) + ("\nNothing was written." if arguments.write else ""))
        return Exit.CONFIGURATION
    except _UnusableError as wrong:
        screen.say(str(wrong))
        return wrong.code
    except UndecidedError as wrong:
        screen.say(str(wrong))
        return Exit.WRONG_OUT_THERE
    except OSError as wrong:
        screen.say(f"{arguments.config} cannot be written ({wrong.strerror}); use sudo. Nothing was written.")
        return Exit.CONFIGURATION
    finally:
        screen.close()
    screen.say(f"{arguments.config}: {written}")
    return Exit.OK


def _config(arguments: argparse.Namespace) -> Config | None:
    """The box's file; a port that is given whole needs none."""
    if arguments.device is not None and not arguments.write and not arguments.config.exists():
        return None
    config = load(arguments.config, credentials=arguments.config.absolute().parent)
    if agent_polls(config):
        raise _UnusableError(STOP_THE_AGENT, Exit.WRONG_OUT_THERE)
    return config


def _target(arguments: argparse.Namespace, config: Config | None) -> Target:
    given = [name for name in ("machine", "bus", "device") if getattr(arguments, name) is not None]
    if len(given) != 1:
        raise _UnusableError("Name one of: a machine, --bus with --unit or --address, --device with --protocol.")
    if arguments.device is not None:
        return _of_port(arguments)
    assert config is not None  # noqa: S101  # or _config had raised
    if arguments.machine is not None:
        machine = _named(arguments.machine, {each.name: each for each in config.machines}, "machine")
        return _of_bus(machine.bus, machine.unit)
    bus = _named(arguments.bus, {each.name: each for each in config.buses}, "bus")
    return _of_bus(bus, _unit(arguments, bus.kind))


def _named(name: str, known: Mapping[str, _Part], what: str) -> _Part:
    if name not in known:
        there = ", ".join(known) or "none"
        raise _UnusableError(f"There is no {what} {name}{closest(name, known)} in the box's file; there are: {there}.")
    return known[name]


def _unit(arguments: argparse.Namespace, kind: BusKind) -> int | str:
    is_modbus = kind in (BusKind.MODBUS_RTU, BusKind.MODBUS_TCP)
    unit: int | str | None = arguments.unit if is_modbus else arguments.address
    if unit is None:
        raise _UnusableError(f"On {kind.value} a device is named with {'--unit' if is_modbus else '--address'}.")
    return unit


def _of_bus(bus: Bus, unit: int | str) -> Target:
    if bus.kind not in KINDS:
        raise _UnusableError(f"{bus.name} is {bus.kind.value}; devices are identified on {', '.join(_WORDS)}.")
    settings = None
    if isinstance(bus.wire, SerialPort):
        settings = Settings(baud=bus.wire.baud, parity=bus.wire.parity)
        place = Place(device=bus.wire.device)
    else:
        place = Place(host=bus.wire.host, port=bus.wire.port)
    return Target(bus=bus, unit=unit, device=Device(place=place, settings=settings, kind=bus.kind, address=unit))


def _of_port(arguments: argparse.Namespace) -> Target:
    place: Place = arguments.device
    kind: BusKind | None = arguments.protocol
    if kind is None:
        raise _UnusableError(
            f"Say with --protocol what {place} speaks: {', '.join(_WORDS)}. `edge-agent scan` finds it."
        )
    if (kind is BusKind.MODBUS_TCP) is (place.device is not None):
        raise _UnusableError(f"{place} cannot speak {kind.value}; a serial line is another's, a host Modbus TCP's.")
    usual = {key.name: key.default for key in BUS_KEYS[kind]}
    settings = None
    if place.device is not None:
        baud, parity = arguments.baud or usual["baud"], arguments.parity or Parity(usual["parity"])
        settings = Settings(baud=int(str(baud)), parity=parity)
    timeout_ms = int(Decimal(str(usual["timeout_s"])) * 1000)
    bus = Bus(name="device", kind=kind, port=place.opened_with(settings), timeout_ms=timeout_ms, period_ms=1000)
    unit = _unit(arguments, kind)
    return Target(bus=bus, unit=unit, device=Device(place=place, settings=settings, kind=kind, address=unit))


def _identified(
    target: Target, config: Config | None, arguments: argparse.Namespace, clock: Clock, screen: Screen
) -> Found:
    bus = target.bus
    if isinstance(bus.port, SerialPort) and (why := why_not(bus.port.device)) is not None:
        raise _UnusableError(f"{bus.port.device} cannot be asked: {why}.", Exit.HARDWARE)
    assert bus.kind.protocol is not None  # noqa: S101  # KINDS have one
    profiles = profiles_for(bus.kind.protocol, config.box.profiles if config else None)
    where = called(bus, target.unit)
    trials = tried(
        bus,
        target.unit,
        profiles,
        clock,
        apart_s=arguments.apart_s,
        tell=lambda name: screen.refresh(f"{where}: as {name}?"),
    )
    screen.close()
    if isinstance(trials, Failure):
        raise _UnusableError(f"{where}: {_WHY.get(trials, trials.name)}", Exit.WRONG_OUT_THERE)
    ranks = ranked(trials)
    identity = numbers_of(bus, target.unit, ranks[0].profile)
    return Found(bus=bus, unit=target.unit, ranks=ranks, identity=identity, apart_s=arguments.apart_s)


_WORDS: Final = tuple(kind.value for kind in KINDS)
_WHY: Final = {
    Failure.LINE_DOWN: "the line cannot be opened; check the port, the address, the cable",
    Failure.SILENT: f"it does not answer. {DEAD_LINE}",
    Failure.GARBLED: "what comes back is no answer; check baud rate and parity, A and B, two devices alike",
}
