"""Raw frames for a person: the bytes as they were on the wire, and what a protocol's codec says they mean. Pure."""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

from edge_agent.codecs.errors import FrameError
from edge_agent.config.sections import BusKind
from edge_agent.reading import Frame

DESCRIBERS: Final = {
    BusKind.MODBUS_RTU: ("edge_agent.codecs.modbus_rtu", "describe"),
    BusKind.DLT645_2007: ("edge_agent.codecs.dlt645", "describe_2007"),
    BusKind.DLT645_1997: ("edge_agent.codecs.dlt645", "describe_1997"),
    BusKind.DLT698_45: ("edge_agent.codecs.dlt698", "describe"),
    BusKind.GB26875_3: ("edge_agent.codecs.gb26875", "describe"),
}
"""What has frames of bytes; elsewhere (HTTP, inputs, recordings) they are text."""
MBAP_BYTES: Final = 6
"""Before the unit id of Modbus TCP: transaction, protocol, length."""
BYTES_A_LINE: Final = 24
SAID_CHARS: Final = 160
"""Of what a frame means on one line."""
UNSAID: Final = re.compile(r"(u?int|float)\d+.*|data|function|bcd.*|bits")
"""Of a Modbus answer on one line: ways to read its registers, of which the profile knows the right one."""

Described = dict[str, Any]


def lines_of(kind: BusKind, frames: tuple[Frame, ...]) -> Iterator[str]:
    """Each question and its answer in hexadecimal, each with what it says."""
    for request, answer in frames:
        for mark, octets in ((">", request), ("<", answer)):
            if octets:
                yield from _lines(kind, mark, octets)
            elif mark == "<":
                yield f"  {mark} nothing came"


def described(kind: BusKind, octets: bytes) -> Described:
    """What a frame means, or `error` and `message`; empty where this kind of bus has no codec of its own."""
    describe = _describer(kind)
    if describe is None or not octets:
        return {}
    try:
        return describe(octets)
    except FrameError as wrong:
        return {"error": wrong.fault.value, "message": str(wrong)}


def _lines(kind: BusKind, mark: str, octets: bytes) -> Iterator[str]:
    if kind not in DESCRIBERS and kind is not BusKind.MODBUS_TCP:
        yield f"  {mark} {''.join(c if c.isprintable() else ' ' for c in octets.decode('utf-8', 'replace'))}"
        return
    for start in range(0, len(octets), BYTES_A_LINE):
        yield f"  {mark if not start else ' '} {octets[start : start + BYTES_A_LINE].hex(' ').upper()}"
    told = described(kind, octets)
    if kind in {BusKind.MODBUS_RTU, BusKind.MODBUS_TCP}:
        told = {name: value for name, value in told.items() if not UNSAID.fullmatch(name)}
    said = "  ".join(_flat(told))
    if said:
        yield f"    {said if len(said) <= SAID_CHARS else said[: SAID_CHARS - 1] + '…'}"


def _describer(kind: BusKind) -> Callable[[bytes], Described] | None:
    if kind is BusKind.MODBUS_TCP:
        return _modbus_tcp
    if kind not in DESCRIBERS:
        return None
    module, function = DESCRIBERS[kind]
    describe: Callable[[bytes], Described] = getattr(import_module(module), function)
    return describe


def _modbus_tcp(octets: bytes) -> Described:
    """As the same frame would be on a serial line."""
    from edge_agent.codecs.modbus_rtu import crc16, describe

    inner = octets[MBAP_BYTES:]
    told = describe(inner + crc16(inner))
    return {"transaction": int.from_bytes(octets[:2], "big")} | {k: v for k, v in told.items() if k != "crc"}


def _flat(told: Described, prefix: str = "") -> Iterator[str]:
    for name, value in told.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(member, dict) for member in value):
            for member in value:
                yield from _flat({name: member}, prefix)
        elif value is not None and value != "":
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{prefix}{name} {shown}"
