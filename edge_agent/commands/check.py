"""`edge-agent check`: shows what the configuration means, and asks every device once.

It changes nothing: it reads files, opens the lines that `edge-agent run` would open, and asks as that would ask. Stop
the agent before: a serial line has one master, and a small gateway takes one connection.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from edge_agent.clock import Clock, clock_of
from edge_agent.commands.check_advice import advice, answers, called, is_hardware
from edge_agent.commands.check_zones import look_once
from edge_agent.config.load import Bus, Config, ConfigurationError, Machine, load
from edge_agent.config.plc import PLCS
from edge_agent.config.points import Register
from edge_agent.config.sections import BusKind, SerialPort
from edge_agent.config.settings import settings_of
from edge_agent.drivers import driver_of
from edge_agent.drivers.driver import Asker, Exchange
from edge_agent.signing.remote import PenError, RemotePen, Served, socket_of
from evidence.bodies import Failure
from evidence.errors import KeyFileError
from evidence.exits import Exit
from evidence.judging.rule_words import limit_in_words, rule_in_words, signature_in_words
from evidence.statement import ClockQuality

DEFAULT_CONFIG: Final = Path("/etc/qianliyan/box.toml")
PLAUSIBLE_SINCE_MS: Final = 1_735_689_600_000
"""2025: before it, nobody has set this clock."""
FULL_SHARE: Final = 0.9
"""Above it there is no room for a probe."""
PARTINGS_LIMIT: Final = 10
"""How often a machine that refuses addresses is asked again, to find which ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    about: str
    """A stream, a file's key, or `clock`."""
    exit_code: Exit
    """OK, or what this alone would end the program with."""
    says: str
    """One sentence; what to do where something is wrong."""
    values: tuple[tuple[str, str, str], ...] = ()
    """(point, number, unit) of what a device answered."""


def check(config: Config, clock: Clock) -> list[Finding]:
    """Look at the files and the clock, and ask every machine once, bus after bus, and every zone's camera."""
    found = [_clock(clock), *_files(config), *_signers(config, clock)]
    found += _room(config)
    for bus in config.buses:
        machines = config.machines_on(bus)
        found += [finding for machine in machines for finding in _unproven(machine)]
        found += [_listens(bus)] if bus.kind is BusKind.GB26875_3 else _ask_bus(bus, machines, clock)
    for zone, (code, says, values) in look_once(config.zones, clock):
        found.append(Finding(about=zone.stream, exit_code=code, says=says, values=values))
    return found


def share_of_line(bus: Bus, machines: Iterable[Machine]) -> float:
    """How much of a serial line's time its machines want; more than 1 cannot be had."""
    driver = driver_of(bus)
    return sum(driver.line_time_s(machine) / (machine.period_ms / 1000) for machine in machines)


def verdict(found: Iterable[Finding]) -> Exit:
    """The exit code of all findings together: the configuration's first, then the hardware's."""
    codes = {finding.exit_code for finding in found}
    order = (Exit.CONFIGURATION, Exit.HARDWARE, Exit.WRONG_OUT_THERE)
    return next((code for code in order if code in codes), Exit.OK)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `check`; its `run` takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "check", help="show what the configuration means and ask every device once", description=__doc__
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"default {DEFAULT_CONFIG}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, out: TextIO | None = None) -> Exit:
    """`edge-agent check`: print what was found; the exit code of the worst."""
    out = out or sys.stdout
    try:
        config = load(arguments.config)
    except ConfigurationError as wrong:
        out.write(_wrong_as_json(wrong) if arguments.json else f"{wrong}\n")
        return Exit.CONFIGURATION
    found = check(config, clock_of(config.clock))
    out.write(as_json(config, found) if arguments.json else as_text(config, found))
    return verdict(found)


def as_text(config: Config, found: Iterable[Finding]) -> str:
    """For people."""
    found = tuple(found)
    rows = [f"{config.file}: box {config.box.id} of {config.box.enterprise}, {config.box.site}", ""]
    for bus in config.buses:
        waits = f", timeout {bus.timeout_ms} ms" if bus.timeout_ms else ""
        rows.append(f"{bus.name}: {bus.kind.value}, {bus.port}{waits}")
        for machine in config.machines_on(bus):
            keep = machine.keep.name.lower()
            rows.append(
                f"  {machine.stream} ({machine.title}): {called(machine)}, {machine.profile.id}, "
                f"{len(machine.points)} points every {machine.period_ms} ms, keep {keep}"
            )
            if machine.run_state is not None:
                rows.append(f"    {rule_in_words(machine.run_state)}")
            rows += [f"    limit on {limit_in_words(limit)}" for limit in machine.limits]
            if machine.signature is not None:
                rows.append(f"    signature of {signature_in_words(machine.signature)}")
    rows += [f"{camera.stream} ({camera.title}): {settings_of(camera)['source']}" for camera in config.watched]
    rows.append("")
    for finding in found:
        rows.append(f"{'ok   ' if finding.exit_code == Exit.OK else 'WRONG'} {finding.about}: {finding.says}")
        rows += [f"        {name:24} {number:>14} {unit}" for name, number, unit in finding.values]
    wrong = sum(finding.exit_code != Exit.OK for finding in found)
    rows.append(f"{len(found)} things looked at, {wrong} wrong")
    return "\n".join(rows) + "\n"


def as_json(config: Config, found: Iterable[Finding]) -> str:
    """For programs: the settings as they are signed (bytes in hexadecimal), and the findings."""
    found = tuple(found)
    whole: dict[str, Any] = {
        "file": str(config.file),
        "box": config.box.id,
        "settings": {"box": settings_of(config.box)}
        | {machine.stream: settings_of(machine) for machine in config.machines}
        | {camera.stream: settings_of(camera) for camera in config.watched},
        "findings": [asdict(finding) for finding in found],
        "exit_code": verdict(found),
    }
    return json.dumps(whole, default=lambda value: value.hex(), ensure_ascii=False) + "\n"


def _wrong_as_json(wrong: ConfigurationError) -> str:
    complaints = [asdict(complaint) for complaint in wrong.complaints]
    whole = {"complaints": complaints, "exit_code": Exit.CONFIGURATION}
    return json.dumps(whole, default=str, ensure_ascii=False) + "\n"


def _clock(clock: Clock) -> Finding:
    quality, error_ms = clock.quality()
    bound = "" if error_ms is None else f", at most {error_ms} ms off"
    if quality is ClockQuality.NTP:
        return Finding(about="clock", exit_code=Exit.OK, says=f"disciplined by the network{bound}")
    if clock.utc_ms() < PLAUSIBLE_SINCE_MS:
        says = "years behind: connect a network once, or fit a battery-backed clock"
        return Finding(about="clock", exit_code=Exit.WRONG_OUT_THERE, says=says)
    says = f"{quality.name.lower()}, not disciplined by a network now; statements will say so"
    return Finding(about="clock", exit_code=Exit.OK, says=says)


def _files(config: Config) -> Iterable[Finding]:
    """Files that the configuration refers to; a finding for each that cannot be used."""
    needed = {} if config.box.signing_key is None else {"box.signing_key": config.box.signing_key}
    if config.uplink is not None:
        up = config.uplink
        needed |= {
            "uplink.ca": up.ca,
            "uplink.cert": up.cert,
            "uplink.key": up.key,
            "uplink.receiver_key": up.receiver_key,
        }
    for key, file in needed.items():
        if not os.access(file, os.R_OK):
            says = f"{file} cannot be read: `edge-agent enrol` makes it"
            yield Finding(about=key, exit_code=Exit.CONFIGURATION, says=says)
    if not os.access(config.box.spool.parent, os.W_OK):
        says = f"{config.box.spool.parent} is no folder that this user may write to"
        yield Finding(about="box.spool", exit_code=Exit.CONFIGURATION, says=says)
    for camera in config.watched:
        if "://" not in camera.source and not os.access(config.file.parent / camera.source, os.R_OK):
            says = f"{camera.source} cannot be read"
            yield Finding(about=camera.stream, exit_code=Exit.HARDWARE, says=says)


def _signers(config: Config, clock: Clock) -> Iterable[Finding]:
    """Whether who has the key answers, where that is a process of its own: to `poll`, and to each camera's `watch`."""
    if config.box.signer is None:
        return
    for about, camera in (("box.signer", None), *((camera.stream, camera.name) for camera in config.watched)):
        place = socket_of(config.box.signer, camera=camera)
        try:
            with closing(RemotePen(Served(place), clock)) as pen:
                says = f"{place} signs, with the key {pen.public.fingerprint}"
                yield Finding(about=about, exit_code=Exit.OK, says=says)
        except KeyFileError as wrong:
            yield Finding(about=about, exit_code=Exit.CONFIGURATION, says=f"{place} does not sign: {wrong}")
        except PenError as wrong:
            unit = f"qianliyan-sign{'' if camera is None else f'@{camera}'}.socket"
            says = f"{place}: {wrong}; is {unit} started, and may this user connect to it?"
            yield Finding(about=about, exit_code=Exit.CONFIGURATION, says=says)


def _room(config: Config) -> Iterable[Finding]:
    """Of each serial line, and of all the buses on it together."""
    lines: dict[str, list[Bus]] = {}
    for bus in config.buses:
        if isinstance(bus.port, SerialPort):
            lines.setdefault(bus.place, []).append(bus)
    for buses in lines.values():
        share = sum(share_of_line(bus, config.machines_on(bus)) for bus in buses)
        name = " and ".join(bus.name for bus in buses)
        says = f"its machines want {share:.0%} of the line's time"
        if share <= FULL_SHARE:
            yield Finding(about=name, exit_code=Exit.OK, says=says)
            continue
        says += "; name fewer points, lengthen period_s, or raise the baud rate of line and meters"
        yield Finding(about=name, exit_code=Exit.CONFIGURATION, says=says)


def _unproven(machine: Machine) -> Iterable[Finding]:
    """Points that are named as a PLC family names them whose addresses nobody has checked."""
    named = any(isinstance(point, Register) and point.called for point in machine.points)
    families = {plc for plc in (machine.plc, machine.profile.plc) if plc is not None and named}
    for plc in sorted(families):
        if not PLCS[plc].checked:
            says = f"the addresses of {plc} come from one unproven source; compare the values with the PLC's own screen"
            yield Finding(about=machine.stream, exit_code=Exit.OK, says=says)


def _listens(bus: Bus) -> Finding:
    """Transmitters are not heard here: what they send is confirmed once, and belongs into the spool."""
    line = driver_of(bus).line_of(bus)
    failure = line.open()
    line.close()
    if failure is None:
        says = f"{bus.port} is free to listen on; transmitters are heard while the agent runs"
        return Finding(about=bus.name, exit_code=Exit.OK, says=says)
    says = f"cannot listen on {bus.port}: does the agent run, another program listen there, or is it no address here?"
    return Finding(about=bus.name, exit_code=Exit.WRONG_OUT_THERE, says=says)


def _ask_bus(bus: Bus, machines: Iterable[Machine], clock: Clock) -> Iterable[Finding]:
    driver = driver_of(bus)
    line = driver.line_of(bus)
    try:
        for machine in machines:
            if line.open() is None:
                yield _answered(machine, _ask(driver.asker_of(machine, line), clock))
            else:
                yield _answered(machine, Exchange((None,) * len(machine.points), Failure.LINE_DOWN, (), heard=False))
    finally:
        line.close()


def _ask(asker: Asker, clock: Clock) -> Exchange:
    """Once; and again where something was refused, until it is known what."""
    for _ in range(PARTINGS_LIMIT):
        exchange = asker.ask(clock.steady_ms())
        if not exchange.again:
            break
    return exchange


def _number(value: int, decimals: int) -> str:
    return f"{Decimal(value).scaleb(-decimals):f}"


def _answered(machine: Machine, exchange: Exchange) -> Finding:
    values = tuple(
        (point.name, "none" if value is None else _number(value, point.decimals), point.unit)
        for point, value in zip(machine.points, exchange.values, strict=True)
    )
    if exchange.failure is None:
        return Finding(about=machine.stream, exit_code=Exit.OK, says=answers(machine), values=values)
    return Finding(
        about=machine.stream,
        exit_code=Exit.HARDWARE if is_hardware(machine, exchange) else Exit.WRONG_OUT_THERE,
        says=f"{exchange.failure.name}: {advice(machine, exchange)}",
        values=values if exchange.heard else (),
    )
