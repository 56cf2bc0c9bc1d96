"""`edge-agent sign`: the process that holds the box's key, and signs the box's statements for the others.

On a box systemd starts it, and hands it the socket that `signer` in the configuration names; where none is named, poll
and watch each start one of their own.
"""

import argparse
import ctypes
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Final

from edge_agent.config.box import load_box
from edge_agent.config.schema import ConfigurationError
from edge_agent.signing.desk import Desk
from edge_agent.signing.serve import serve
from evidence.errors import KeyFileError
from evidence.exits import Exit
from evidence.keys import SigningKey

DEFAULT_CONFIG: Final = Path("/etc/qianliyan/box.toml")
FIRST_FD: Final = 3
"""Of the sockets that systemd hands over (sd_listen_fds(3))."""
_PR_SET_DUMPABLE: Final = 4
"""linux/prctl.h."""

log = logging.getLogger(__name__)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`edge-agent sign`."""
    parser = subparsers.add_parser(
        "sign",
        help="hold the box's key and sign for poll and watch",
        description="Hold the box's key and sign its statements, nothing else. Started by systemd, `poll` or `watch`.",
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s; [box] is read of it")
    parser.add_argument("--box", help="the box's id; default: that of the configuration")
    parser.add_argument("--key", type=Path, help="the key file; default: that of the configuration")
    parser.add_argument(
        "--streams", nargs="*", default=(), metavar="STREAM", help="sign these only: names, or `kind/*`; default: all"
    )
    parser.add_argument("--fd", type=int, help="an inherited SOCK_SEQPACKET socket; default: those of systemd")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Exit:
    """Sign until the last connection is closed; for ever on a listening socket."""
    _keep_memory_private()
    try:
        sockets = _inherited(args.fd)
    except OSError as wrong:
        log.error("no socket to sign on: %s; `edge-agent poll` and systemd hand one over", wrong)  # noqa: TRY400
        return Exit.USAGE
    if args.fd is not None:
        # The terminal and systemd tell a whole group to stop: a child signs on until its parent has sealed and gone.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    serve(sockets, lambda: _desk(args))
    return Exit.OK


def _desk(args: argparse.Namespace) -> Desk:
    """Read anew for each who connects until it can be: a key that is put right needs nobody to start anything."""
    box, key = args.box, args.key
    if box is None or key is None:
        try:
            config = load_box(args.config)
        except ConfigurationError as wrong:
            raise KeyFileError(str(wrong)) from wrong
        box, key = box or config.id, key or config.signing_key
    if key is None:
        raise KeyFileError(f"{args.config} names no box.signing_key, and there is no --key")
    return Desk(box=box, pen=SigningKey.load(key), streams=tuple(args.streams))


def _inherited(number: int | None) -> list[socket.socket]:
    """The sockets that were handed over. Raises OSError."""
    if number is None:
        is_ours = os.environ.get("LISTEN_PID") == str(os.getpid())
        count = int(os.environ.get("LISTEN_FDS", "0")) if is_ours else 0
        if not count:
            raise OSError("neither --fd nor $LISTEN_FDS")
        numbers = range(FIRST_FD, FIRST_FD + count)
    else:
        numbers = range(number, number + 1)
    sockets = [socket.socket(fileno=number) for number in numbers]
    if any(each.family != socket.AF_UNIX or each.type != socket.SOCK_SEQPACKET for each in sockets):
        raise OSError("not a local socket of the kind SOCK_SEQPACKET")
    return sockets


def _keep_memory_private() -> None:
    """No core file, and no other process of this user may look into this one (prctl(2), PR_SET_DUMPABLE)."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
