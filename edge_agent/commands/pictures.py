"""`edge-agent pictures`: what pictures this box keeps; and letting one leave it, which is signed before it happens."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final

from edge_agent.clock import SystemClock
from edge_agent.commands.processes import DEFAULT_CONFIG, signer_of
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.keeping.pictures import Kept, pictures_in, streams_with_pictures
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import Spool, SpoolError
from evidence import cbor, cose
from evidence.bodies import PICTURE_LIMIT, TEXT_LIMIT, Event, EventKind, Events, Kind, Mark, Phase, Picture
from evidence.errors import EvidenceError
from evidence.exits import Exit
from evidence.say import aligned, when
from evidence.statement import STATEMENT_LIMIT, peek_place

LEAST_DIGITS: Final = 8
"""Hexadecimal digits that name a picture, at least."""


class PictureError(Exception):
    """What was asked cannot be done, and why; nothing was signed."""

    def __init__(self, why: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(why)
        self.code = code


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `pictures` to the command line."""
    parser = subparsers.add_parser(
        "pictures",
        help="list the pictures this box keeps; let one leave it, signed",
        description="List the pictures that this box keeps. Without --send or --export none leaves it; with them, that"
        " it does, why and to whom is signed into the chain first.",
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument("--stream", help="only of this one, as gate/dock")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--take", metavar="ZONE", help="look at a zone once, and keep its goods; everything else is too coarse to know"
    )
    which.add_argument("--send", metavar="HASH", help="put the picture itself into the chain: it goes to the receiver")
    which.add_argument("--export", nargs=2, metavar=("HASH", "OUT"), help="write a copy to a file")
    parser.add_argument("--to", help="whom it is for; required when one leaves the box")
    parser.add_argument("--why", help="for what; required when one leaves the box")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> Exit:
    try:
        config = load(args.config)
        if args.take is not None:
            return _take(config, args)
        kept = [picture for folder in streams_with_pictures(config.box.spool) for picture in pictures_in(folder)]
        kept = [picture for picture in kept if args.stream in (None, picture.stream)]
        if args.send is None and args.export is None:
            return _list(kept, as_json=args.json)
        answer = _let_go(config, kept, args)
    except PictureError as wrong:
        return _fail(str(wrong), wrong.code)
    except ConfigurationError as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except (SpoolError, EvidenceError, OSError) as wrong:
        return _fail(str(wrong), Exit.HARDWARE)
    if args.json:
        _print(json.dumps(answer))
    else:
        _print(f"{answer['sha256']} {answer['left']} for {args.to}: signed as {answer['stream']} n {answer['n']}")
    return Exit.OK


def _take(config: Config, args: argparse.Namespace) -> Exit:
    from edge_agent.commands.take_picture import NoPictureError, take
    from edge_agent.eye.litert import ModelError, stock_finder

    logging.getLogger("edge_agent").setLevel(logging.WARNING)
    try:
        told = take(config, args.take, finder=stock_finder())
    except (NoPictureError, ModelError) as wrong:
        raise PictureError(str(wrong), Exit.HARDWARE) from wrong
    if args.json:
        _print(json.dumps(told))
    else:
        _print(f"{told['file']}: signed as {told['stream']} n {told['n']}; it stays here")
        _print(f"next: look at it; edge-agent pictures --send {told['sha256'][:12]} --to WHOM --why REASON")
    return Exit.OK


def _list(kept: list[Kept], *, as_json: bool) -> Exit:
    """Every picture, its bytes checked against its hash."""
    whole = [picture.read() is not None for picture in kept]
    told = [
        {
            "stream": picture.stream,
            "what": picture.what.name.lower(),
            "from_ms": picture.from_ms,
            "to_ms": picture.to_ms,
            "sha256": picture.sha256.hex(),
            "bytes": picture.length,
            "whole": is_whole,
            "file": str(picture.file),
        }
        for picture, is_whole in zip(kept, whole, strict=True)
    ]
    if as_json:
        _print(json.dumps(told))
    elif not kept:
        _print("no pictures")
    else:
        rows = [
            (
                picture.stream,
                picture.what.name.lower(),
                when(picture.from_ms),
                f"{picture.length} bytes",
                picture.sha256.hex()[:16],
                "" if is_whole else "ALTERED: not what was signed",
            )
            for picture, is_whole in zip(kept, whole, strict=True)
        ]
        _print(aligned(rows))
    return Exit.OK if all(whole) else Exit.EVIDENCE_BROKEN


def _let_go(config: Config, kept: list[Kept], args: argparse.Namespace) -> dict[str, Any]:
    """Sign that it leaves, then let it."""
    if not args.to or not args.why:
        raise PictureError("a picture leaves the box only with --to WHOM and --why REASON; both are signed")
    picture = _named(kept, args.send or args.export[0])
    octets = picture.read()
    if octets is None:
        raise PictureError(f"{picture.file} is not what was signed", Exit.EVIDENCE_BROKEN)
    verb = "sent" if args.send else "exported"
    says = f"{verb} to {args.to}: {args.why}"
    if len(says.encode()) > TEXT_LIMIT or not says.isprintable():
        raise PictureError(f"--to and --why are one line of at most {TEXT_LIMIT} bytes together")
    if args.send and len(octets) > PICTURE_LIMIT:
        raise PictureError(f"a picture of {len(octets)} bytes does not fit in a statement: use --export")
    out = None if args.send else Path(args.export[1])
    if out is not None and out.exists():
        raise PictureError(f"{out} exists already")
    camera = picture.stream.partition("/")[2]
    logging.getLogger("edge_agent.keeping").setLevel(logging.WARNING)
    with signer_of(config, clock=SystemClock(), camera=camera) as signer:
        n = _sign(signer, picture, says, octets if args.send else None)
    # power fails here: it is signed that the picture left, and it did not: the safe side
    if out is not None:
        with out.open("xb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
    return {"sha256": picture.sha256.hex(), "left": verb, "stream": picture.stream, "n": n, "says": says}


def _named(kept: list[Kept], digits: str) -> Kept:
    wanted = digits.lower()
    found = [picture for picture in kept if len(wanted) >= LEAST_DIGITS and picture.sha256.hex().startswith(wanted)]
    if len(found) != 1:
        many = "more than one picture" if found else "no picture"
        raise PictureError(f"{many} here has a hash that begins with {digits!r}: `edge-agent pictures` lists them")
    return found[0]


def _sign(signer: Signer, picture: Kept, says: str, octets: bytes | None) -> int:
    """The disclosure's n in the stream; with `octets`, the picture itself stands before it."""
    event = Event(
        at_ms=signer.clock.utc_ms(),
        event=EventKind.DISCLOSURE,
        phase=Phase.NOTED,
        subject=picture.sha256.hex(),
        says=says,
    )
    with signer.spool.writing():
        if signer.spool.head(picture.stream).next_n == 0:
            raise PictureError(f"{picture.stream} has no chain in this spool: start `edge-agent watch` first")
        if octets is not None:
            signer.append(picture.stream, _with_bytes(signer.spool, picture, octets))
        return signer.append(picture.stream, Events(events=[event])).next_n - 1


def _with_bytes(spool: Spool, picture: Kept, octets: bytes) -> Picture:
    """The picture as it was signed, with its bytes; its marks as far as that statement is still here."""
    before = _signed(spool, picture)
    if before is None:
        height, width = _size(octets)
        marks: list[Mark] = []
    else:
        height, width, marks = before.height, before.width, before.marks
    return Picture(
        from_ms=picture.from_ms,
        to_ms=picture.to_ms,
        what=picture.what,
        media_type=picture.media_type,
        width=width,
        height=height,
        sha256=picture.sha256,
        length=len(octets),
        data=octets,
        marks=marks,
    )


def _signed(spool: Spool, picture: Kept) -> Picture | None:
    found = None
    for encoded in spool.statements(unsent_only=False):
        place = peek_place(encoded)
        if place is None or place[1] != picture.stream:
            continue
        payload = cbor.decode(cose.peek1(encoded, at_most=STATEMENT_LIMIT), at_most=STATEMENT_LIMIT)
        if payload[11] == Kind.PICTURE and payload[12][6] == picture.sha256:
            found = Picture.from_value(payload[12])
    return found


def _size(octets: bytes) -> tuple[int, int]:
    from edge_agent.eye.opencv.slit_drawing import opened

    found = opened(octets)
    if found is None:
        raise PictureError("the file is no picture", Exit.EVIDENCE_BROKEN)
    return found.shape[0], found.shape[1]


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _fail(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent pictures: {why}\n")
    return code
