"""Statements by stick.

`edge-agent export` writes a bundle, `cloud-sync import` takes it in, `edge-agent receipt` brings the answer back.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.commands.processes import DEFAULT_CONFIG
from edge_agent.config.load import ConfigurationError, load
from edge_agent.keeping.spool import ReceiptTaken, Spool, SpoolError
from evidence.bundle import Entry, read_bundle, write_bundle
from evidence.errors import EvidenceError, RefusedError
from evidence.exits import Exit
from evidence.keys import PublicKey
from evidence.receipt import open_receipt


def export(spool: Spool, file: Path, *, unsent_only: bool) -> int:
    """Write statements into a new bundle, whole or not at all; how many. Raises OSError."""

    def entries() -> Iterator[tuple[Entry, bytes]]:
        for statement in spool.statements(unsent_only=unsent_only):
            yield Entry.STATEMENT, statement

    half = file.with_name(file.name + ".half")
    try:
        with half.open("wb") as out:
            count = write_bundle(out, entries())
            out.flush()
            os.fsync(out.fileno())
        half.replace(file)
    finally:
        half.unlink(missing_ok=True)
    return count


def take_receipts(spool: Spool, file: Path, *, box: str, receiver: PublicKey, at_ms: int) -> list[ReceiptTaken]:
    """Take in this box's receipts from a bundle. Raises RefusedError when one is not the receiver's."""
    taken = []
    for kind, content in read_bundle(file):
        if kind is Entry.RECEIPT:
            receipt = open_receipt(content, lambda kid: receiver if kid == receiver.kid else None)
            if receipt.box == box:
                taken.append(spool.take_receipt(receipt, at_ms=at_ms))
    return taken


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`edge-agent export` and `edge-agent receipt`."""
    exporting = subparsers.add_parser(
        "export",
        help="write statements to a file, for a box without a network",
        description="Write the statements that no receipt covers into an evidence bundle. Nothing is deleted:"
        " `cloud-sync import FILE --receipt-out R` and `edge-agent receipt R` close the circle.",
    )
    exporting.add_argument("-o", "--output", type=Path, required=True, help="the bundle to write")
    exporting.add_argument("--all", action="store_true", help="receipted statements too, as far as they are still here")
    exporting.set_defaults(run=_export)
    receiving = subparsers.add_parser(
        "receipt",
        help="take in a receipt that was brought back on a stick",
        description="Take in the receipts of a bundle that `cloud-sync import --receipt-out` wrote.",
    )
    receiving.add_argument("file", type=Path)
    receiving.set_defaults(run=_receipt)
    for parser in (exporting, receiving):
        parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _export(args: argparse.Namespace) -> Exit:
    try:
        config = load(args.config)
        with closing(Spool(config.box.spool, box=config.box.id, read_only=True)) as spool:
            count = export(spool, args.output, unsent_only=not args.all)
    except ConfigurationError as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except (SpoolError, OSError) as wrong:
        return _fail(str(wrong), Exit.HARDWARE)
    size = args.output.stat().st_size
    if args.json:
        _print(json.dumps({"file": str(args.output), "statements": count, "bytes": size}))
    else:
        _print(f"{args.output}: {count} statements, {size} bytes")
        _print(f"next: carry it to the receiver and run: cloud-sync import {args.output.name} --receipt-out RECEIPT")
    return Exit.OK


def _receipt(args: argparse.Namespace) -> Exit:
    try:
        config = load(args.config)
        if config.uplink is None:
            return _fail(f"{args.config} has no [uplink] with the receiver_key to check a receipt", Exit.CONFIGURATION)
        receiver = PublicKey.load(config.uplink.receiver_key)
        now_ms = SystemClock().utc_ms()
        with closing(Spool(config.box.spool, box=config.box.id)) as spool:
            taken = take_receipts(spool, args.file, box=config.box.id, receiver=receiver, at_ms=now_ms)
            unsent = spool.count_unsent()
    except ConfigurationError as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except RefusedError as wrong:
        return _fail(f"{args.file}: {wrong}", Exit.EVIDENCE_BROKEN)
    except (SpoolError, EvidenceError, OSError) as wrong:
        return _fail(str(wrong), Exit.HARDWARE)
    forked = sorted({stream for t in taken for stream in t.forked})
    answer = {"receipts": len(taken), "unsent": unsent, "forked": forked}
    if args.json:
        _print(json.dumps(answer))
    else:
        _print(f"{len(taken)} receipts taken in; {answer['unsent']} statements have none yet")
    if forked:
        return _fail(f"the receiver holds another history of {', '.join(forked)}", Exit.EVIDENCE_BROKEN)
    return Exit.OK if taken else _fail(f"{args.file} holds no receipt for {config.box.id}", Exit.WRONG_OUT_THERE)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _fail(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent: {why}\n")
    return code
