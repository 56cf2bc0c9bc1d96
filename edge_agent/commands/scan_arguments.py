"""What the command line of `scan` and `identify` may say, and what it says wrong."""

import argparse
import re
from collections.abc import Callable
from typing import Any, TypeVar

from edge_agent.config.profiles import BAUDS, Parity
from edge_agent.config.sections import BusKind
from edge_agent.installing.scanning.likely import KINDS, MODBUS_TCP_PORT, Mode
from edge_agent.installing.scanning.sweep import Options, Place

ADDRESSES_LIMIT = 64


def options_of(arguments: argparse.Namespace) -> Options:
    """What the command line leaves to be asked."""
    return Options(
        mode=Mode.QUICK if arguments.quick else Mode.FULL if arguments.full else Mode.USUAL,
        bauds=arguments.baud,
        parities=arguments.parity,
        kinds=arguments.protocol or KINDS,
        units=arguments.units,
        addresses=tuple(arguments.addresses[:ADDRESSES_LIMIT]),
    )


def place(text: str) -> Place:
    """A serial port, a Modbus TCP host, or host:port. Raises ArgumentTypeError."""
    if text.startswith("/"):
        return Place(device=text)
    host, _, port = text.rpartition(":")
    if not host:
        host, port = text, str(MODBUS_TCP_PORT)
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,200}", host) or not port.isdecimal() or not 1 <= int(port) <= 0xFFFF:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f'"{text}" is neither a device such as /dev/ttyUSB0 nor a host or host:port')
    return Place(host=host, port=int(port))


def bauds(text: str) -> tuple[int, ...]:
    """Rates. Raises ArgumentTypeError."""
    known = {str(baud): baud for baud in BAUDS}
    return _listed(text, known.__getitem__, "rates of " + ", ".join(known))


def parities(text: str) -> tuple[Parity, ...]:
    """Parities. Raises ArgumentTypeError."""
    return _listed(text.upper(), Parity, "N, E or O")


def kinds(text: str) -> tuple[BusKind, ...]:
    """Protocols. Raises ArgumentTypeError."""
    known = {kind.value: kind for kind in KINDS}
    return _listed(text, known.__getitem__, "protocols of " + ", ".join(known))


def baud(text: str) -> int:
    """One rate. Raises ArgumentTypeError."""
    return _one(bauds(text), text)


def parity(text: str) -> Parity:
    """One parity. Raises ArgumentTypeError."""
    return _one(parities(text), text)


def kind(text: str) -> BusKind:
    """One protocol. Raises ArgumentTypeError."""
    return _one(kinds(text), text)


def unit(text: str) -> int:
    """One Modbus unit. Raises ArgumentTypeError."""
    return _one(units(text), text)


def units(text: str) -> tuple[int, ...]:
    """Modbus units, in ranges. Raises ArgumentTypeError."""
    ranges = _listed(text, _range, "units such as 1-16,247")
    return tuple(sorted({unit for each in ranges for unit in each}))


def address(text: str) -> str:
    """A DL/T address in full. Raises ArgumentTypeError."""
    digits = text.replace(" ", "")
    if not re.fullmatch(r"[0-9]{1,12}", digits):
        raise argparse.ArgumentTypeError(f'"{text}" is no address of up to 12 digits')
    return digits.rjust(12, "0")


def wait_s(text: str) -> float:
    """How long to wait. Raises ArgumentTypeError."""
    return _seconds(text, low=0.01, high=10)


def apart_s(text: str) -> float:
    """Between two readings; 0 for one alone. Raises ArgumentTypeError."""
    return _seconds(text, low=0, high=3600)


def _listed(text: str, take: Callable[[str], Any], wanted: str) -> tuple[Any, ...]:
    try:
        return tuple(take(part.strip()) for part in text.split(","))
    except (ValueError, KeyError) as wrong:
        raise argparse.ArgumentTypeError(f'"{text}" where {wanted} are wanted') from wrong


def _range(text: str) -> range:
    low, _, high = text.partition("-")
    units = range(int(low), int(high or low) + 1)
    if not units or not 0 <= units[0] <= units[-1] <= 255:  # noqa: PLR2004
        raise ValueError(text)
    return units


_One = TypeVar("_One")


def _one(several: tuple[_One, ...], text: str) -> _One:
    if len(several) != 1:
        raise argparse.ArgumentTypeError(f'"{text}" where one is wanted')
    return several[0]


def _seconds(text: str, *, low: float, high: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not low <= seconds <= high:
        raise argparse.ArgumentTypeError(f'"{text}" where seconds from {low:g} to {high:g} are wanted')
    return seconds
