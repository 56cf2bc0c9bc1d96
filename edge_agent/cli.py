"""`edge-agent`: the box's one command.

Each subcommand lives in the module named here, imported only when it is called, so that polling meters does not cost
the memory of OpenCV.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from edge_agent import __version__
from edge_agent.lean import do_without_openssl
from evidence.exits import EXIT_CODES_HELP, Exit

COMMANDS: Final = {
    "enrol": ("edge_agent.commands.enrol", "make this box's keys and exchange papers with the receiver"),
    "scan": ("edge_agent.commands.scan", "find who answers on serial ports, serial servers and hosts"),
    "identify": ("edge_agent.commands.identify", "find out which profile fits a device, and pin which one it is"),
    "check": ("edge_agent.commands.check", "print the configuration in force and ask every device once"),
    "run": ("edge_agent.commands.processes", "poll, watch and sync together, for a desk"),
    "poll": ("edge_agent.commands.processes", "ask the machines, keep and sign what they answer"),
    "watch": ("edge_agent.commands.processes", "count goods at one camera's gate, or in one zone"),
    "sign": ("edge_agent.commands.sign", "hold the box's key and sign for poll and watch"),
    "sync": ("edge_agent.commands.processes", "send statements to the receiver"),
    "status": ("edge_agent.commands.status", "what is read, what is unsent, clock and disk"),
    "export": ("edge_agent.commands.export", "write statements to a file, for a box without a network"),
    "receipt": ("edge_agent.commands.export", "take in a receipt that was brought back on a stick"),
    "calibrate": ("edge_agent.commands.calibrate", "find out from which power on a machine idles and works"),
    "watch-line": ("edge_agent.commands.watch_line", "show live values of one device, with raw frames on demand"),
    "decode": ("edge_agent.commands.decode", "say what one frame of a protocol means"),
    "judge": ("edge_agent.commands.judge", "judge what was read again, by any rule"),
    "count": ("edge_agent.commands.count", "count what crosses a gate in a film"),
    "camera-check": (
        "edge_agent.commands.camera_check",
        "say when a film's camera was tampered with",
    ),
    "stock": ("edge_agent.commands.stock", "count what stands in a picture"),
    "acceptance": ("edge_agent.commands.acceptance", "compare a zone's counts with a person's, and sign a certificate"),
    "commission": (
        "edge_agent.commands.commission",
        "watch a gate for some minutes, and propose what counting should know of it",
    ),
    "pictures": ("edge_agent.commands.pictures", "list the pictures this box keeps; let one leave it, signed"),
    "slit": ("edge_agent.commands.slit", "a film's gate over time as one picture, to count again by eye"),
}


WITHOUT_TLS: Final = ("poll", "watch", "sign")
"""They run for years, talk to no network beyond the box's own, and leave out what TLS would need."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code; a user's mistake never shows a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser(arguments).parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        code = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader of a pipe went away: nothing more to say to anybody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.OK
    sys.exit(int(code))


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-agent",
        description="Reads machines and gates, signs what they did, and sends it to the receiver.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edge-agent {__version__}")
    parser.add_argument("--verbose", action="store_true", help="say more on stderr")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = next((argument for argument in arguments if argument in COMMANDS), None)
    wanted = COMMANDS[chosen][0] if chosen else None
    if chosen in WITHOUT_TLS:
        do_without_openssl()
    for name, (module, help_) in COMMANDS.items():
        if module != wanted:
            subparsers.add_parser(name, help=help_)
        elif name == chosen:
            import_module(module).add_parser(subparsers)
    return parser
