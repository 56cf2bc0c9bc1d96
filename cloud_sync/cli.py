"""`cloud-sync`: the operator's one command. Every command prints its answer on stdout and complaints on stderr."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from cloud_sync import __version__, broker, care, enrol, init
from cloud_sync.ca import Authority
from cloud_sync.clock import utc_ms
from cloud_sync.config import DEFAULT_CONFIG, HTTP_PORT, Config, ConfigurationError, load
from cloud_sync.derive import SHANGHAI_MS
from cloud_sync.enrol import Desk
from cloud_sync.errors import AuthorityError, CloudSyncError
from cloud_sync.grants import check_pattern
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Bank, Grant, Store, StoreError
from evidence.bundle import Entry, write_bundle
from evidence.errors import EvidenceError, KeyFileError, MalformedError
from evidence.exits import EXIT_CODES_HELP, Exit
from evidence.keys import PublicKey, SigningKey
from evidence.roster import Roster, seal_roster
from evidence.statement import check_box

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name

_INTERRUPTED: Final = 130
"""What a shell expects of a command that Ctrl-C ended (128 + SIGINT)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Never a traceback for what a user, a file or a network did."""
    try:
        args = _parser().parse_args(arguments)
        code: Exit = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output left; nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.WRONG_OUT_THERE
    except (CloudSyncError, EvidenceError) as wrong:
        return _complain(wrong, next(code for kind, code in _CODES if isinstance(wrong, kind)))
    except OSError as wrong:
        return _complain(f"{wrong.filename or ''}: {wrong.strerror or wrong}".lstrip(": "), Exit.HARDWARE)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


_CODES: Final[tuple[tuple[type[Exception], Exit], ...]] = (
    (ConfigurationError, Exit.CONFIGURATION),
    (KeyFileError, Exit.CONFIGURATION),
    (AuthorityError, Exit.CONFIGURATION),
    (StoreError, Exit.HARDWARE),
    (MalformedError, Exit.USAGE),
    (care.NotFoundError, Exit.USAGE),
    (Exception, Exit.WRONG_OUT_THERE),
)


def _complain(wrong: object, code: Exit) -> Exit:
    sys.stderr.write(f"cloud-sync: {wrong}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloud-sync",
        description="Receive what boxes signed, keep it, and show it to whom it was granted.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cloud-sync {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    init.add_parser(commands, http_port=HTTP_PORT)
    serving = _command(commands, "serve", "receive, store, receipt, and serve the feed and the pages", _serve)
    serving.add_argument("--verbose", action="store_true", help="log what is repeated, too")
    broker.add_parser(commands)
    _add_config(enrol.add_parser(commands, open_desk=_open_desk))
    enrol.add_revoke_parser(commands)
    _add_roster(commands)
    _add_banks(commands)
    care.add_parsers(commands, command=_command, open_store=_open_store)
    return parser


def _command(
    commands: Subparsers, name: str, help_text: str, run: Callable[[argparse.Namespace], Exit]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    _add_config(command)
    return command


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")


@contextmanager
def _open_store(args: argparse.Namespace) -> Iterator[tuple[Config, Store]]:
    config = load(args.config)
    store = SqliteStore(config.receiver.store)
    try:
        yield config, store
    finally:
        store.close()


@contextmanager
def _open_desk(args: argparse.Namespace) -> Iterator[Desk]:
    with _open_store(args) as (config, store):
        if config.broker is None:
            raise ConfigurationError(f"{config.file} has no [broker], so a box cannot be told where to send to")
        yield Desk(
            receiver=config.receiver.id,
            key=SigningKey.load(config.receiver.signing_key),
            authority=Authority.open(config.broker.ca.parent),
            roster=store,
            broker_host=config.broker.host,
            broker_port=config.broker.port,
        )


def _serve(args: argparse.Namespace) -> Exit:
    from cloud_sync.serve import serve

    return serve(load(args.config), debug=args.verbose)


# The roster.


def _add_roster(commands: Subparsers) -> None:
    command = _command(commands, "roster", "which key speaks for which box", _roster)
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it signed, as a bundle")


def _roster(args: argparse.Namespace) -> Exit:
    with _open_store(args) as (config, store):
        boxes = store.roster()
        if args.output is not None:
            key = SigningKey.load(config.receiver.signing_key)
            sealed = seal_roster(key, Roster(receiver=config.receiver.id, at_ms=utc_ms(), boxes=boxes))
            with args.output.open("wb") as file:
                write_bundle(file, [(Entry.KEY, key.public.to_cose_key()), (Entry.ROSTER, sealed)])
    told = [
        {
            "box": one.box,
            "enterprise": one.enterprise,
            "site": one.site,
            "fingerprint": one.key.fingerprint,
            "since_ms": one.since_ms,
        }
        for one in boxes
    ]
    lines = [f"{one['box']}  {one['fingerprint']}  {one['enterprise']}, {one['site']}" for one in told]
    return _tell(args, told, lines or ["no box is enrolled yet: cloud-sync enrol REQUEST -o ANSWER"])


# Banks and what they may see.


def _add_banks(commands: Subparsers) -> None:
    bank = commands.add_parser("bank", help="who may pull the feed", epilog=EXIT_CODES_HELP)
    actions = bank.add_subparsers(title="actions", metavar="ACTION", required=True)
    adding = _command(actions, "add", "let a bank in, or give it a new key", _bank_add)
    adding.add_argument("bank", help="its id: small letters, digits, hyphens")
    adding.add_argument("key", type=Path, help="its public key, as `evidence keygen` writes it (FILE.pub)")
    _command(actions, "list", "every bank and what it may see", _bank_list)
    granting = _command(commands, "grant", "show streams of a box to a bank", _grant)
    granting.add_argument("--from", dest="since", metavar="YYYY-MM-DD", help="nothing that ended before this day")
    withdrawing = _command(commands, "withdraw", "end a grant; what was pulled stays with the bank", _withdraw)
    for command in (granting, withdrawing):
        command.add_argument("bank")
        command.add_argument("box")
        command.add_argument("streams", help="a stream (machine/loom-1), machine/* and the like, or * for all")


def _bank_add(args: argparse.Namespace) -> Exit:
    check_box(args.bank)
    key = PublicKey.load(args.key)
    with _open_store(args) as (_, store):
        same = next((bank.bank for bank in store.banks() if bank.key == key and bank.bank != args.bank), None)
        if same is not None:
            raise MalformedError(f"this is the key of {same}: every bank makes its own")
        store.add_bank(Bank(bank=args.bank, key=key, added_ms=utc_ms()))
    told = {"bank": args.bank, "fingerprint": key.fingerprint, "kid": key.kid.hex()}
    next_step = f"next: compare the fingerprint, then: cloud-sync grant {args.bank} BOX 'machine/*'"
    return _tell(args, told, [f"{args.bank}  {key.fingerprint}", next_step])


def _bank_list(args: argparse.Namespace) -> Exit:
    with _open_store(args) as (_, store):
        banks, grants = store.banks(), store.grants()
    told = [
        {
            "bank": bank.bank,
            "fingerprint": bank.key.fingerprint,
            "kid": bank.key.kid.hex(),
            "grants": [_grant_told(grant) for grant in grants if grant.bank == bank.bank],
        }
        for bank in banks
    ]
    lines = []
    for bank in banks:
        lines.append(f"{bank.bank}  {bank.key.fingerprint}")
        lines += [f"  {_grant_line(grant)}" for grant in grants if grant.bank == bank.bank]
    return _tell(args, told, lines or ["no bank yet: cloud-sync bank add ID KEYFILE"])


def _grant(args: argparse.Namespace) -> Exit:
    pattern, from_ms = check_pattern(args.streams), _midnight_ms(args.since)
    with _open_store(args) as (_, store):
        if not any(bank.bank == args.bank for bank in store.banks()):
            raise care.NotFoundError(f"no bank {args.bank}: cloud-sync bank add {args.bank} KEYFILE")
        if not any(enrolled.box == args.box for enrolled in store.roster()):
            raise care.NotFoundError(f"no box {args.box} is in the roster: cloud-sync roster lists them")
        grant = store.grant(bank=args.bank, box=args.box, pattern=pattern, from_ms=from_ms, at_ms=utc_ms())
    return _tell(args, _grant_told(grant), [f"{grant.bank} may see {_grant_line(grant)}"])


def _withdraw(args: argparse.Namespace) -> Exit:
    with _open_store(args) as (_, store):
        ended = store.revoke(bank=args.bank, box=args.box, pattern=args.streams, at_ms=utc_ms())
    if not ended:
        raise care.NotFoundError(f"{args.bank} has no grant of exactly {args.box} {args.streams}: cloud-sync bank list")
    return _tell(args, {"ended": ended}, [f"{args.bank} sees no more of {args.box} {args.streams}"])


def _grant_told(grant: Grant) -> dict[str, object]:
    return {
        "bank": grant.bank,
        "box": grant.box,
        "streams": grant.pattern,
        "from_ms": grant.from_ms,
        "granted_ms": grant.granted_ms,
    }


def _grant_line(grant: Grant) -> str:
    since = datetime.fromtimestamp((grant.from_ms + SHANGHAI_MS) / 1000, UTC).date()
    return f"{grant.box} {grant.pattern}" + (f" from {since} on" if grant.from_ms else "")


def _midnight_ms(day: str | None) -> int:
    """UTC ms of midnight in Shanghai."""
    if day is None:
        return 0
    try:
        midnight = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as cause:
        raise MalformedError(f"{day!r:.30} is no day: --from takes one like 2026-02-01") from cause
    return max(0, int(midnight.timestamp() * 1000) - SHANGHAI_MS)


def _tell(args: argparse.Namespace, told: object, lines: Sequence[str]) -> Exit:
    sys.stdout.write((json.dumps(told, ensure_ascii=False) if args.json else "\n".join(lines)) + "\n")
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
