"""`edge-agent decode`: says what one frame means, byte for byte. It opens no line and asks nobody.

    edge-agent decode --protocol modbus-rtu 01 04 04 43 66 33 34 1b 38
    edge-agent decode --protocol modbus-rtu --profile eastron_sdm120 --register 0 010404436633341b38
    edge-agent decode --protocol dlt645-2007 --json - < frames.txt          # one frame a line

Spaces, colons, commas, `-` and `0x` between the digits are passed over. A frame that is not valid says which rule it
breaks, and the exit code is 1.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Final, TextIO

from edge_agent.codecs.errors import FrameError
from evidence.exits import Exit

PROTOCOLS: Final = {
    "modbus-rtu": ("edge_agent.codecs.modbus_rtu", "describe"),
    "dlt645-2007": ("edge_agent.codecs.dlt645", "describe_2007"),
    "dlt645-1997": ("edge_agent.codecs.dlt645", "describe_1997"),
    "dlt698.45": ("edge_agent.codecs.dlt698", "describe"),
    "gb26875.3": ("edge_agent.codecs.gb26875", "describe"),
}
"""Where each is described; imported only when it is asked for."""
LINE_LIMIT: Final = 20_000
"""Characters of one line of input."""
HEX_BYTES_A_LINE: Final = 16
_BETWEEN: Final = re.compile(r"0[xX]|[\s:,\-_]+")

Described = dict[str, Any]


class _UnusableError(Exception):
    """The user's own mistake; the message says what to do."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `decode`; its `run` takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "decode",
        help="say what one frame of a protocol means",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--protocol", choices=PROTOCOLS, required=True)
    parser.add_argument("hex", nargs="+", metavar="HEX", help="one frame in hexadecimal; `-` reads a frame a line")
    parser.add_argument("--profile", help="modbus-rtu: a profile's id, or its file, that names the registers")
    parser.add_argument("--register", type=_register, help="modbus-rtu: the first register that was asked for")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, out: TextIO | None = None, lines: Iterable[str] | None = None) -> Exit:
    """`edge-agent decode`: WRONG_OUT_THERE when any frame was not valid, USAGE when something was no frame at all."""
    out = out or sys.stdout
    code = Exit.OK
    try:
        describe = _describer(arguments)
        for text in _frames(arguments.hex, sys.stdin if lines is None else lines):
            octets = _octets(text)
            try:
                told = describe(octets)
            except FrameError as wrong:
                told, code = {"error": wrong.fault.value, "message": str(wrong)}, Exit.WRONG_OUT_THERE
            out.write(_as_json(told) if arguments.json else _as_text(arguments.protocol, octets, told))
            out.flush()
    except _UnusableError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return Exit.USAGE
    return code


def _describer(arguments: argparse.Namespace) -> Callable[[bytes], Described]:
    module, function = PROTOCOLS[arguments.protocol]
    describe: Callable[[bytes], Described] = getattr(import_module(module), function)
    if arguments.protocol == "modbus-rtu":
        named = import_module("edge_agent.commands.decode_named")
        try:
            return named.describer(arguments.profile, arguments.register)  # type: ignore[no-any-return]
        except named.NoProfileError as wrong:
            raise _UnusableError(str(wrong)) from wrong
    if arguments.profile is not None or arguments.register is not None:
        raise _UnusableError(f"--profile and --register are for modbus-rtu; leave them out with {arguments.protocol}.")
    return describe


def _frames(given: list[str], lines: Iterable[str]) -> Iterator[str]:
    """The arguments are one frame; of standard input every line that is not empty."""
    if given != ["-"]:
        yield " ".join(given)
        return
    for line in lines:
        if line.strip():
            yield line


def _octets(text: str) -> bytes:
    digits = _BETWEEN.sub("", text[: LINE_LIMIT + 1])
    if len(text) > LINE_LIMIT:
        raise _UnusableError(f"A line of more than {LINE_LIMIT} characters is no frame.")
    if strange := re.search(r"[^0-9A-Fa-f]", digits):
        raise _UnusableError(f'"{strange[0]}" is no hexadecimal digit; give the frame as in 01 04 00 00 00 02 71 CB.')
    if len(digits) % 2:
        raise _UnusableError(f"{len(digits)} hexadecimal digits are no whole number of bytes; one is missing.")
    return bytes.fromhex(digits)


def _register(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f'"{text}" is no register; give 0 to 65535, or 0x0000 to 0xFFFF')
    return number


def _as_json(told: Described) -> str:
    return json.dumps(told, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _as_text(protocol: str, octets: bytes, told: Described) -> str:
    """First the bytes with what each is, then what they say."""
    from edge_agent.codecs.marks import pieces_of  # only people need it

    rows = [protocol]
    at = 0
    for name, part in pieces_of(protocol, octets):
        for start in range(0, len(part), HEX_BYTES_A_LINE):
            shown = part[start : start + HEX_BYTES_A_LINE].hex(" ").upper()
            rows.append(f"{at + start:5}  {shown:47}  {name if start == 0 else ''}".rstrip())
        at += len(part)
    rows.append("")
    flat = list(_flat(told))
    width = max(len(name) for name, _ in flat)
    return "\n".join([*rows, *(f"{name:{width}}  {value}" for name, value in flat)]) + "\n\n"


def _flat(told: Described, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in told.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(member, dict) for member in value):
            for number, member in enumerate(value, 1):
                yield from _flat({str(number): member}, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, " ".join("none" if member is None else str(member) for member in value)
        else:
            yield prefix + name, "none" if value is None else str(value)
