"""The command `evidence`: a bank verifies, reads and fetches evidence, alone.

Every command prints its answer on stdout and its progress and complaints on stderr.
"""

import argparse
import gc
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from evidence import __version__
from evidence.errors import CopyError, EvidenceError, KeyFileError, StrangerError
from evidence.exits import EXIT_CODES_HELP, Exit
from evidence.files import PUBLIC, write_new
from evidence.findings import Verdict
from evidence.keys import Algorithm, PublicKey, SigningKey
from evidence.source import open_source
from evidence.tell import findings_json, findings_text, pulled_json, pulled_text
from evidence.trust import Trust
from evidence.verify import verify

_INTERRUPTED: Final = 130
"""What a shell expects of a command that Ctrl-C ended (128 + SIGINT)."""
_PROGRESS_EVERY: Final = 500

_EXIT_OF: Final = {
    Verdict.COMPLETE: Exit.OK,
    Verdict.UNVOUCHED: Exit.WRONG_OUT_THERE,
    Verdict.INCOMPLETE: Exit.WRONG_OUT_THERE,
    Verdict.BROKEN: Exit.EVIDENCE_BROKEN,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Never a traceback for what a user, a file or a network did."""
    try:
        chosen = _parser().parse_args(arguments)
        code: Exit = chosen.run(chosen)
        sys.stdout.flush()
    except EvidenceError as wrong:
        print(f"evidence: {wrong}", file=sys.stderr)
        return next(code for error, code in _CODES if isinstance(wrong, error))
    except BrokenPipeError:
        # The reader of our output left; nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.WRONG_OUT_THERE
    except OSError as wrong:
        print(f"evidence: {wrong}", file=sys.stderr)
        return Exit.WRONG_OUT_THERE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    return code


_CODES: Final = (
    (KeyFileError, Exit.CONFIGURATION),
    (CopyError, Exit.CONFIGURATION),
    (StrangerError, Exit.EVIDENCE_BROKEN),
    (EvidenceError, Exit.WRONG_OUT_THERE),
)


# verify


def _verify(chosen: argparse.Namespace) -> Exit:
    gc.set_threshold(100_000)  # what is decoded holds no cycles, and is gone with its last reference
    shows = sys.stderr.isatty() and not chosen.json
    with open_source(chosen.path) as source:
        findings = verify(
            source,
            _trust(chosen),
            only=chosen.stream,
            progress=_progress if shows else None,
            processes=chosen.processes,
        )
    if shows:
        print("\r\033[K", end="", file=sys.stderr)
    if chosen.stream and not any(stream.stream == chosen.stream for stream in findings.streams):
        print(f"evidence: no verified statement of {chosen.stream} is in {chosen.path}", file=sys.stderr)
        return Exit.EVIDENCE_BROKEN if findings.verdict is Verdict.BROKEN else Exit.WRONG_OUT_THERE
    print(json.dumps(findings_json(findings), indent=1) if chosen.json else findings_text(findings))
    return _EXIT_OF[findings.verdict]


def _progress(done: int, total: int) -> None:
    if done % _PROGRESS_EVERY == 0:
        print(f"\rverified {done:,} of {total:,} statements", end="", file=sys.stderr, flush=True)


def _trust(chosen: argparse.Namespace) -> Trust:
    return Trust(keys=tuple(map(PublicKey.load, chosen.trust)), fingerprints=frozenset(chosen.fingerprint))


# show


def _show(chosen: argparse.Namespace) -> Exit:
    from evidence.shelf import Shelf

    shelf = Shelf(chosen.path, _trust(chosen))
    code = Exit.OK
    for document in shelf.documents(stream=chosen.stream, n=chosen.n, what=chosen.what):
        if document.refused is not None:
            code = Exit.EVIDENCE_BROKEN
            print(f"evidence: {document.refused}", file=sys.stderr)
        else:
            print(json.dumps(document.as_json(), ensure_ascii=False) if chosen.json else document.as_text())
    return code


# picture


def _picture(chosen: argparse.Namespace) -> Exit:
    from evidence import pictures
    from evidence.shelf import Shelf

    shelf, stream = Shelf(chosen.path, _trust(chosen)), chosen.stream
    if chosen.file is None and chosen.which is None:
        if chosen.output is not None:
            raise pictures.PictureError("which picture? name its n or its hash before --out")
        found = list(pictures.pictures(shelf, stream=stream))
        print(json.dumps([one.as_json() for one in found]) if chosen.json else pictures.listed(found))
        return Exit.OK
    if chosen.file is not None:
        shown = pictures.find_file(shelf, chosen.file, stream=stream)
    else:
        shown = pictures.find(shelf, chosen.which, stream=stream)
    if chosen.output is not None:
        pictures.save(shown, chosen.output)
    written = {} if chosen.output is None else {"file": str(chosen.output)}
    print(json.dumps(shown.as_json() | written) if chosen.json else shown.as_text())
    return Exit.OK


# pull


def _pull(chosen: argparse.Namespace) -> Exit:
    import random
    import secrets

    from evidence.feed import Feed, World  # TLS and all that: not for those who only verify
    from evidence.pull import pull

    shows = sys.stderr.isatty() and not chosen.json
    world = World(now_s=lambda: int(time.time()), sleep_s=_sleep, chance=random.random, token_id=secrets.token_hex)
    key = SigningKey.load(chosen.key)
    roster_key = PublicKey.load(chosen.roster_key) if chosen.roster_key else None
    pulled = pull(
        Feed(chosen.url, bank=chosen.bank, key=key, world=world, ca=chosen.ca),
        chosen.output,
        fingerprint=chosen.receiver_fingerprint,
        roster_key=roster_key,
        progress=_pull_progress if shows else None,
    )
    if shows:
        print("\r\033[K", end="", file=sys.stderr)
    print(json.dumps(pulled_json(pulled)) if chosen.json else pulled_text(pulled, chosen.output))
    return Exit.EVIDENCE_BROKEN if pulled.is_broken else Exit.OK


def _sleep(wait_s: float) -> None:
    print(f"the receiver does not answer; asking again in {wait_s:.0f} s", file=sys.stderr)
    time.sleep(wait_s)


def _pull_progress(new: int) -> None:
    print(f"\r{new:,} statements pulled", end="", file=sys.stderr, flush=True)


# keygen, fingerprint


def _keygen(chosen: argparse.Namespace) -> Exit:
    public_path = chosen.output.with_name(chosen.output.name + ".pub")
    if public_path.exists():
        raise KeyFileError(f"{public_path} exists already; choose another name or move it away")
    key = SigningKey.generate(_ALGORITHMS[chosen.algorithm])
    key.save(chosen.output)
    try:
        write_new(public_path, key.public.to_cose_key(), mode=PUBLIC)
    except OSError as cause:
        raise KeyFileError(f"cannot write {public_path}: {cause.strerror}") from cause
    _print_key(key.public, chosen, {"key": str(chosen.output), "public_key": str(public_path)})
    return Exit.OK


def _fingerprint(chosen: argparse.Namespace) -> Exit:
    try:
        begins_like_pem = chosen.path.read_bytes()[:11] == b"-----BEGIN "
    except OSError as cause:
        raise KeyFileError(f"cannot read {chosen.path}: {cause.strerror}") from cause
    key = SigningKey.load(chosen.path).public if begins_like_pem else PublicKey.load(chosen.path)
    _print_key(key, chosen, {"file": str(chosen.path)})
    return Exit.OK


def _print_key(key: PublicKey, chosen: argparse.Namespace, files: dict[str, Any]) -> None:
    if chosen.json:
        about = {"fingerprint": key.fingerprint, "kid": key.kid.hex(), "algorithm": key.algorithm.name.lower()}
        print(json.dumps(files | about))
    else:
        print(key.fingerprint)


_ALGORITHMS: Final = {"ed25519": Algorithm.ED25519, "p256": Algorithm.ESP256}


# The command line.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evidence",
        description="Check alone, on your own computer, what machines and warehouses did.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"evidence {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_verify(commands)
    _add_show(commands)
    _add_picture(commands)
    _add_pull(commands)
    _add_keygen(commands)
    _add_fingerprint(commands)
    return parser


def _command(commands: Any, name: str, help_text: str, description: str, run: Any) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse names no type
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=description,
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    return command


def _add_trust(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a public key you trust, as a COSE_Key file: the receiver's, or a box's own (may be repeated)",
    )
    command.add_argument(
        "--fingerprint",
        type=fingerprint,
        action="append",
        default=[],
        metavar="F",
        help="the fingerprint of such a key, compared by telephone or on paper; the key itself may be in the bundle",
    )


def _add_verify(commands: Any) -> None:  # noqa: ANN401
    command = _command(
        commands,
        "verify",
        "say who signed, what is missing, and what it all adds up to",
        """Verify a bundle file, or the directory that `evidence pull` keeps: every signature, every chain, every
total; hours, energy and counts are worked out again. The last line is the verdict: COMPLETE, UNVOUCHED (consistent,
but nobody you trust says whose keys these are; exit code 1), INCOMPLETE (something that exists is not here; exit code
1) or BROKEN (exit code 5).""",
        _verify,
    )
    command.add_argument("path", type=Path, metavar="FILE|DIR", help="a bundle, or a pulled copy")
    _add_trust(command)
    command.add_argument("--stream", metavar="S", help="only this stream (and the box's own), such as machine/lathe-1")
    command.add_argument(
        "--processes",
        type=int,
        default=min(4, os.cpu_count() or 1),
        metavar="N",
        help="how many processors a large bundle may use; default: all, at most 4",
    )


def _add_show(commands: Any) -> None:  # noqa: ANN401
    command = _command(
        commands,
        "show",
        "read statements, receipts and rosters",
        """List what a bundle, a pulled copy or a single document holds, one line each; with --n, or where there is only
one document, print it whole. Only what is well signed is shown; the rest is named on stderr (exit code 5).""",
        _show,
    )
    command.add_argument("path", type=Path, metavar="FILE|DIR", help="a bundle, a pulled copy, or one signed document")
    _add_trust(command)
    command.add_argument("--stream", metavar="S", help="only this stream")
    command.add_argument("--n", type=int, metavar="N", help="only statement N of each stream, printed whole")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--receipts", dest="what", action="store_const", const="receipts", help="receipts, printed whole")
    what.add_argument("--rosters", dest="what", action="store_const", const="rosters", help="rosters, printed whole")


def _add_picture(commands: Any) -> None:  # noqa: ANN401
    command = _command(
        commands,
        "picture",
        "take a picture out, to count an hour by eye",
        """List the pictures that a bundle or a pulled copy holds; with N or SHA256, tell of that one, and write it to a
file with --out. A picture that stayed on the box is here by its hash alone: with --is FILE, a file that somebody handed
over is looked up by its hash. Exit code 1: no such picture, or not its bytes.""",
        _picture,
    )
    command.add_argument("path", type=Path, metavar="FILE|DIR", help="a bundle, a pulled copy, or one signed document")
    command.add_argument(
        "which", nargs="?", metavar="N|SHA256", help="its statement's n, or at least 8 digits of its hash"
    )
    _add_trust(command)
    command.add_argument("--stream", metavar="S", help="only this stream, such as gate/door")
    command.add_argument("--is", dest="file", type=Path, metavar="FILE", help="the picture that this file is")
    command.add_argument("-o", "--out", dest="output", type=Path, metavar="FILE", help="never overwritten")


def _add_pull(commands: Any) -> None:  # noqa: ANN401
    command = _command(
        commands,
        "pull",
        "keep a copy of what a receiver holds for you",
        """Bring the copy in DIR up to date: every statement is verified as it arrives and kept byte for byte. It may be
stopped at any time and run again. Exit code 1: the receiver cannot be reached; 5: it is another one, or something came
that honest equipment does not send. Afterwards: evidence verify DIR --fingerprint F.""",
        _pull,
    )
    command.add_argument("--url", required=True, metavar="URL", help="of the receiver, such as https://feed.example")
    command.add_argument("--bank", required=True, metavar="ID", help="your name at the receiver")
    command.add_argument("--key", type=Path, required=True, metavar="FILE", help="your private key (evidence keygen)")
    command.add_argument(
        "--receiver-fingerprint",
        type=fingerprint,
        required=True,
        metavar="F",
        help="the receiver's, compared by telephone or on paper",
    )
    command.add_argument(
        "--roster-key", type=Path, metavar="FILE", help="the key that signs rosters, where it is not the receiver's"
    )
    command.add_argument("--ca", type=Path, metavar="FILE", help="a CA certificate for https, if not a public one")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the copy; begun if missing")


def _add_keygen(commands: Any) -> None:  # noqa: ANN401
    command = _command(
        commands,
        "keygen",
        "make a key",
        "Write a new private key to FILE (mode 0600) and its public key to FILE.pub (COSE_Key); print the fingerprint.",
        _keygen,
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="never overwritten")
    command.add_argument("--algorithm", choices=tuple(_ALGORITHMS), default="ed25519", help="default: ed25519")


def _add_fingerprint(commands: Any) -> None:  # noqa: ANN401
    command = _command(
        commands,
        "fingerprint",
        "print a key's fingerprint",
        "Print the fingerprint of a public key (COSE_Key) or of a private key file (PEM), for comparing by telephone.",
        _fingerprint,
    )
    command.add_argument("path", type=Path, metavar="FILE")


def fingerprint(text: str) -> str:
    """A fingerprint as a person may type it: upper case, without dashes, with spaces."""
    digits = re.sub(r"[\s:-]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        raise argparse.ArgumentTypeError("a fingerprint is 32 hexadecimal digits, in eight groups of four")
    return "-".join(digits[i : i + 4] for i in range(0, 32, 4))


if __name__ == "__main__":
    sys.exit(main())
