"""`cloud-sync init`: everything a new receiver needs, in one directory.

    receiver.toml            the configuration
    keys/signing.key, .pub   what signs receipts and rosters, and its public half
    broker/                  certificate authority, broker's files (broker.py)
    receiver.db              the store, made at the first start, unless --store names another place

May be repeated: what exists stays.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from cloud_sync.broker import PORT, Broker, write
from cloud_sync.clock import utc_ms
from cloud_sync.config import load
from evidence.exits import EXIT_CODES_HELP, Exit
from evidence.files import PUBLIC, write_new
from evidence.keys import SigningKey
from evidence.statement import check_box

RECEIVER: Final = "main"
"""The name in the certificate that the receiver connects with."""

_TEMPLATE: Final = """\
# A receiver's configuration: docs/configuration-receiver.md says what each key means and may hold.

[receiver]
id = "{id}"
signing_key = "./keys/signing.key"
store = "{store}"

[broker]
host = "{host}"
port = {port}
ca = "./broker/ca/ca.pem"
cert = "./broker/receiver.{receiver}.pem"
key = "./broker/receiver.{receiver}.key"

[http]
host = "127.0.0.1"
port = {http_port}
pages = "here"
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", *, http_port: int) -> None:
    """`cloud-sync init`."""
    parser = subparsers.add_parser(
        "init",
        help="make a new receiver's keys, certificate authority and configuration",
        description="Make everything that a new receiver and its broker need, in one directory. What exists stays.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--id", required=True, help="the receiver's id: small letters, digits, hyphens")
    parser.add_argument(
        "--host", action="append", required=True, help="a name or address boxes reach the broker by; may be repeated"
    )
    parser.add_argument("--port", type=int, default=PORT, help="the broker's; default: %(default)s")
    parser.add_argument("--bind", help="the broker listens at this address only; default: all")
    parser.add_argument("--http-port", type=int, default=http_port, help="of the feed; default: %(default)s")
    parser.add_argument("--store", default="./receiver.db", help="path of the database; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> Exit:
    directory: Path = args.directory.absolute()
    check_box(args.id)
    for part in (directory, directory / "keys"):
        part.mkdir(parents=True, exist_ok=True)
    key = _key(directory / "keys" / "signing.key")
    # Power fails here: the same command goes on from the key that exists.
    hosts = tuple(args.host)
    write(
        Broker(directory=directory / "broker", hosts=hosts, port=args.port, bind=args.bind, receivers=(RECEIVER,)),
        at_ms=utc_ms(),
    )
    file = directory / "receiver.toml"
    fresh = not file.exists()
    if fresh:
        text = _TEMPLATE.format(
            id=args.id, store=args.store, host=hosts[0], port=args.port, receiver=RECEIVER, http_port=args.http_port
        )
        write_new(file, text.encode(), mode=PUBLIC)
    config = load(file)
    if args.json:
        told = {"config": str(file), "receiver": config.receiver.id, "fingerprint": key.public.fingerprint}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write(f"{'wrote' if fresh else 'kept'} {file}\n")
        sys.stdout.write(f"receiver     {config.receiver.id}\nfingerprint  {key.public.fingerprint}\n")
        sys.stdout.write(f"next: mosquitto -c {directory / 'broker' / 'mosquitto.conf'}\n")
        sys.stdout.write(f"      cloud-sync serve --config {file}\n")
    return Exit.OK


def _key(file: Path) -> SigningKey:
    """The key there, or a new one; its public half beside it."""
    if not file.exists():
        SigningKey.generate().save(file)
    key = SigningKey.load(file)
    public = file.with_name(file.name + ".pub")
    if not public.exists():
        write_new(public, key.public.to_cose_key(), mode=PUBLIC)
    return key
