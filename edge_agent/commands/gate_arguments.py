"""How a gate, and an item, are given on the command line."""

import argparse
import re
from collections.abc import Callable

from edge_agent.eye.gate import GateLine


def add_gate(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--gate X0,Y0,X1,Y1 --in NX,NY`, as `args.gate` and `args.inward`."""
    allow_negative_numbers(parser)
    parser.add_argument(
        "--gate", type=numbers(4), required=required, metavar="X0,Y0,X1,Y1", help="the line's ends, in pixels"
    )
    parser.add_argument(
        "--in", type=numbers(2), required=required, metavar="NX,NY", dest="inward", help="a vector that points inside"
    )


def line_of(args: argparse.Namespace) -> GateLine:
    """The gate that was given. Raises ValueError."""
    (x0, y0, x1, y1), (in_x, in_y) = args.gate, args.inward
    return GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=in_x, in_y=in_y)


def allow_negative_numbers(parser: argparse.ArgumentParser) -> None:
    """Argparse takes -1,0 for an option; only a lone number with a minus is a value to it."""
    parser._negative_number_matcher = re.compile(r"^-[\d.]")  # noqa: SLF001 - it has no other way


def numbers(how_many: int) -> Callable[[str], tuple[float, ...]]:
    """So many numbers with commas between; argparse complains of everything else."""

    def read(text: str) -> tuple[float, ...]:
        try:
            found = tuple(float(part) for part in text.split(","))
        except ValueError:
            found = ()
        if len(found) != how_many:
            raise argparse.ArgumentTypeError(f"{text!r} is not {how_many} numbers with commas between")
        return found

    return read
