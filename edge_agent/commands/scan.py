"""`edge-agent scan`: finds who answers on serial ports, serial servers and Modbus TCP hosts. It only reads.

    edge-agent scan                                   every serial port, the likeliest settings
    edge-agent scan /dev/ttyUSB0 --quick              in a quarter of a minute
    edge-agent scan /dev/ttyUSB0 --baud 2400 --parity E --protocol dlt645-2007
    edge-agent scan 192.168.1.40 192.168.1.50:4001    a Modbus TCP host, and a serial server
    edge-agent scan /dev/ttyUSB0 --write              what answered goes into the box's file

Progress goes to stderr; Ctrl-C ends the scan, and what was found until then is told. A port that another program has
locked is left alone: stop the agent first (sudo systemctl stop qianliyan-poll).
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from edge_agent.clock import Clock, SystemClock
from edge_agent.commands import scan_arguments as take
from edge_agent.commands.check import DEFAULT_CONFIG
from edge_agent.config.load import Config, load
from edge_agent.config.schema import ConfigurationError
from edge_agent.config.sections import Bus
from edge_agent.config.write import BoxFile
from edge_agent.drivers import driver_of
from edge_agent.drivers.serial_line import found_ports
from edge_agent.installing.identifying.plausible import ranked, tied
from edge_agent.installing.identifying.trying import as_machine, profiles_for, tried
from edge_agent.installing.ports import lasting_name
from edge_agent.installing.scanning.hints import hints_of
from edge_agent.installing.scanning.likely import KINDS
from edge_agent.installing.scanning.probing import Device, Prober
from edge_agent.installing.scanning.ready import Known, Ready, called, distinct, ready_for, streams_of
from edge_agent.installing.scanning.scan_told import Result, as_json, as_text, minutes
from edge_agent.installing.scanning.sweep import Pass, Place, Questions, Sweep
from edge_agent.installing.screen import Screen
from evidence.bodies import Failure
from evidence.exits import Exit

PLACES_LIMIT: Final = 64
MODBUS_WAIT_S: Final = 0.1
DLT_WAIT_S: Final = 0.6
"""A meter may take half a second to begin (DL/T 645-2007, 5.3.3)."""
TCP_WAIT_S: Final = 1.0
"""A gateway waits for whom it asks itself."""
SPOKEN_EVERY_S: Final = 10
"""How often progress is told where there is no terminal to show it on."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `scan`; its `run` takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "scan",
        help="find who answers on serial ports, serial servers and hosts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "places",
        nargs="*",
        type=take.place,
        metavar="PORT",
        help="/dev/ttyUSB0, a host that speaks Modbus TCP, or host:port; default every serial port of this box",
    )
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quick", action="store_true", help="the six likeliest settings and the units 1 to 8")
    how_much.add_argument("--full", action="store_true", help="every setting, every unit, every meter: minutes a port")
    parser.add_argument("--baud", type=take.bauds, metavar="RATES", help="only these, such as 9600,2400")
    parser.add_argument("--parity", type=take.parities, metavar="PARITIES", help="only these, of N, E and O")
    parser.add_argument(
        "--protocol",
        type=take.kinds,
        metavar="PROTOCOLS",
        help="only these, of " + ", ".join(kind.value for kind in KINDS),
    )
    parser.add_argument("--units", type=take.units, metavar="UNITS", help="only these Modbus units, such as 1-16,247")
    parser.add_argument(
        "--address",
        type=take.address,
        action="append",
        default=[],
        dest="addresses",
        metavar="DIGITS",
        help="a DL/T address off a plate, asked beside the wildcard; may be repeated",
    )
    parser.add_argument(
        "--wait-s",
        type=take.wait_s,
        metavar="SECONDS",
        help="how long an answer may take to begin, instead of the usual",
    )
    parser.add_argument("--no-identify", action="store_true", help="do not look which profile fits what answered")
    parser.add_argument("--write", action="store_true", help="put what answered into the box's file")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"the box's file, default {DEFAULT_CONFIG}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, out: TextIO | None = None) -> Exit:
    """`edge-agent scan`: WRONG_OUT_THERE when nobody answered, HARDWARE when no place could be opened."""
    out = out or sys.stdout
    screen = Screen(sys.stderr)
    config = _config(arguments)
    if isinstance(config, ConfigurationError):
        sys.stderr.write(f"{config}\n")
        return Exit.CONFIGURATION
    named = {os.path.realpath(place.device) if place.device else str(place): place for place in arguments.places}
    places = tuple(named.values()) or _all_ports(screen)
    if not places:
        sys.stderr.write("There is no serial port on this box: plug the adapter in, or name a host to scan.\n")
        return Exit.HARDWARE
    scan = _Scan(places[:PLACES_LIMIT], arguments, config, screen)
    scan.sweep()
    result = scan.result()
    out.write(as_json(result) if arguments.json else as_text(result))
    out.flush()
    if arguments.write and result.ready.sections:
        return _write(arguments.config, result.ready, screen)
    return result.exit_code


class _Scan:
    """One scan as it goes on."""

    def __init__(
        self, places: Sequence[Place], arguments: argparse.Namespace, config: Config | None, screen: Screen
    ) -> None:
        self._config, self._screen = config, screen
        self._clock: Clock = SystemClock()
        self._identifies = not arguments.no_identify
        options = take.options_of(arguments)
        wait_s = arguments.wait_s
        self._questions = Questions(
            modbus_s=wait_s or MODBUS_WAIT_S, dlt_s=wait_s or DLT_WAIT_S, tcp_s=wait_s or TCP_WAIT_S
        )
        self._sweep = Sweep(places, options)
        self._prober = Prober(self._questions, options.mode, self._tell)
        self._began_ms = self._spoken_ms = self._clock.steady_ms()
        self._left_s = 0.0
        self._interrupted = False
        self._told = 0
        self._places = places

    def sweep(self) -> None:
        """Ask everybody, until all is asked or somebody presses Ctrl-C."""
        at_most_s, lonely_s = self._sweep.most_s(self._questions)
        where = ", ".join(map(str, self._places))
        longer = f", {minutes(lonely_s)} more where nobody answers" if lonely_s else ""
        longer += ", then some seconds for each that answers" if self._identifies else ""
        self._screen.say(f"{where}: at most {minutes(at_most_s)}{longer}. Ctrl-C ends it and tells what was found.")
        try:
            while what := self._sweep.next():
                self._left_s = sum(self._sweep.most_s(self._questions))
                self._sweep.took(what, self._prober.make(what))
                self._tell_found()
        except KeyboardInterrupt:
            self._interrupted = True
            self._screen.say("ended by Ctrl-C")
        self._screen.close()

    def result(self) -> Result:
        """What was found, with profiles and lines for the box's file."""
        found = tuple(self._known(device) for device in self._distinct())
        tallies = [self._prober.tallies[place] for place in self._places if place in self._prober.tallies]
        return Result(
            found=found,
            hints=tuple(hint for tally in tallies for hint in hints_of(tally)),
            ready=ready_for(
                found,
                buses=self._config.buses if self._config else (),
                machines=self._config.machines if self._config else (),
                lasting=lasting_name,
                line_time_s=self._line_time_s,
            ),
            took_s=(self._clock.steady_ms() - self._began_ms) / 1000,
            interrupted=self._interrupted,
            all_closed=bool(tallies) and all(tally.closed is not None and not tally.asked for tally in tallies),
        )

    def _distinct(self) -> Iterator[Device]:
        for device in distinct(self._prober.devices):
            first = next(each for each in self._prober.devices if each.place == device.place)
            if not self._sweep.answers_for_any(device.place) or device is first:
                yield device

    def _known(self, device: Device) -> Known:
        """The device with the profile that fits; without one after Ctrl-C, and when the box has it already."""
        machines = self._config.machines if self._config else ()
        if not self._identifies or self._interrupted or streams_of(device, machines, lasting_name):
            return Known(device=device, profile=None, is_tried=False)
        bus = bus_of(device, self._questions.wait_ms(device.kind))
        folder = self._config.box.profiles if self._config else None
        profiles = profiles_for(bus.kind.protocol, folder) if bus.kind.protocol else ()
        self._screen.refresh(f"{called(device)}: which profile?")
        try:
            trials = tried(bus, device.address, profiles, self._clock, apart_s=0, tell=lambda _: None)
        except KeyboardInterrupt:
            self._interrupted = True
            return Known(device=device, profile=None, is_tried=False)
        finally:
            self._screen.close()
        best = () if isinstance(trials, Failure) else tied(ranked(trials))
        if not best:
            return Known(device=device, profile=None)
        others = tuple(each.profile.id for each in best[1:])
        return Known(device=device, profile=best[0].profile, tied=others, is_thin=best[0].is_thin)

    def _line_time_s(self, known: Known) -> float:
        bus = bus_of(known.device, self._questions.wait_ms(known.device.kind))
        assert known.profile is not None  # noqa: S101  # it asks only for those with one
        return driver_of(bus).line_time_s(as_machine(bus, known.device.address, known.profile))

    def _tell_found(self) -> None:
        found = distinct(self._prober.devices)
        for device in found[self._told :]:
            self._screen.say(f"found: {called(device)}, {device.says}")
        self._told = len(found)

    def _tell(self, what: Pass, done: int) -> None:
        """Show how far it is, before each question."""
        self._tell_found()
        left_s = self._left_s + self._questions(what.kind, what.settings) * (len(what.addresses) - done)
        settings = f" {what.settings}" if what.settings else ""
        address = what.addresses[done]
        said = f"{what.place}{settings} {what.kind.value} {address}: {minutes(left_s)} left at most"
        said += f", {self._told} found" if self._told else ""
        self._screen.refresh(said)
        now_ms = self._clock.steady_ms()
        if not self._screen.is_terminal and now_ms - self._spoken_ms >= 1000 * SPOKEN_EVERY_S:
            self._spoken_ms = now_ms
            self._screen.say(said)


def bus_of(device: Device, timeout_ms: int) -> Bus:
    """A bus to ask the device on."""
    port = device.place.opened_with(device.settings)
    return Bus(name="device", kind=device.kind, port=port, timeout_ms=timeout_ms, period_ms=1000)


def _config(arguments: argparse.Namespace) -> Config | ConfigurationError | None:
    """The box's file, where there is one; a scan needs none, but to write into."""
    if not arguments.write and not arguments.config.exists():
        return None
    try:
        return load(arguments.config, credentials=arguments.config.absolute().parent)
    except ConfigurationError as wrong:
        return wrong


def _all_ports(screen: Screen) -> tuple[Place, ...]:
    found = found_ports()
    for port in found:
        screen.say(f"{port.device}: {port.what}")
    return tuple(Place(device=port.device) for port in found)


def _write(file: Path, ready: Ready, screen: Screen) -> Exit:
    try:
        box = BoxFile(file)
        for section in ready.sections:
            box.add(section.kind, section.values)
        box.save()
    except ConfigurationError as wrong:
        screen.say(f"{wrong}\nNothing was written.")
        return Exit.CONFIGURATION
    except OSError as wrong:
        screen.say(f"{file} cannot be written ({wrong.strerror}); use sudo. Nothing was written.")
        return Exit.CONFIGURATION
    added = sum(section.kind == "machine" for section in ready.sections)
    screen.say(
        f"{file}: {added} machines added. Give them their names and titles now: a stream never changes its name."
    )
    return Exit.OK
