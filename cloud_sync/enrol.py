"""Enrolment, the receiver's half: look at a box's request, let a person compare the fingerprint, answer.

The request is signed by the key that it asks to be enrolled, so comparing that one fingerprint covers all of it:
the box's id, enterprise and site, and the TLS key that it will connect with. The answer is not secret.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from cloud_sync.broker import DIRECTORY
from cloud_sync.ca import Authority, Role
from cloud_sync.clock import utc_ms
from cloud_sync.errors import CloudSyncError, EnrolmentError
from evidence import cbor, cose
from evidence.bodies import MS_LIMIT, TEXT_LIMIT
from evidence.errors import EvidenceError, MalformedError
from evidence.exits import Exit
from evidence.files import write_whole
from evidence.keys import PublicKey, SigningKey
from evidence.roster import Enrolled
from evidence.statement import check_box

VERSION: Final = 1
REQUEST_AAD: Final = b"qianliyan enrolment 1"
ANSWER_AAD: Final = b"qianliyan enrolment answer 1"
PAPER_LIMIT: Final = 16 * 1024
"""Bytes of a request or an answer, at most; ordinary ones have 700 and 1,600."""


class Roster(Protocol):
    """What enrolment needs of the store."""

    def enrol(self, enrolled: Enrolled) -> bool:
        """Let this key speak for this box from now on; whether that is new."""
        ...

    def roster(self) -> tuple[Enrolled, ...]:
        """Every box with its keys."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that answers a request."""

    receiver: str
    """The receiver's id, as in its receipts."""
    key: SigningKey
    authority: Authority
    roster: Roster
    broker_host: str
    broker_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A box's request: well-formed, and signed by the key it wants enrolled. Whose box it is, a person must say."""

    box: str
    enterprise: str
    site: str
    key: PublicKey
    csr: bytes
    software: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that was granted."""

    enrolled: Enrolled
    new: bool
    """False when this box was enrolled with this key before."""
    expires_at_ms: int
    """When its TLS certificate ends; the same request answered again renews it."""
    encoded: bytes
    """The answer, to carry to the box."""


def open_request(encoded: bytes) -> Request:
    """The request in these bytes. Raises MalformedError or SignatureError."""
    claimed = PublicKey.from_cose_key(_request_map(cose.peek1(encoded, at_most=PAPER_LIMIT))[4])
    payload, key = cose.open1(
        encoded, aad=REQUEST_AAD, key_of=lambda kid: claimed if kid == claimed.kid else None, at_most=PAPER_LIMIT
    )
    value = _request_map(payload)
    return Request(
        box=check_box(value[1]),
        enterprise=value[2],
        site=value[3],
        key=key,
        csr=value[5],
        software=value[6],
        at_ms=value[7],
    )


def find(request: Request, roster: tuple[Enrolled, ...]) -> Enrolled | None:
    """The roster's entry for this request, None for a new box. Raises EnrolmentError for what contradicts it."""
    for enrolled in roster:
        if enrolled.box == request.box and enrolled.key != request.key:
            raise EnrolmentError(
                f"box {request.box} is enrolled with another key ({enrolled.key.fingerprint}): a box keeps its key, "
                "so give the new one another id"
            )
        if enrolled.key == request.key and enrolled.box != request.box:
            raise EnrolmentError(
                f"this key is enrolled for box {enrolled.box}: the card was copied, so let box {request.box} make its "
                "own key"
            )
    same = next((enrolled for enrolled in roster if enrolled.box == request.box), None)
    if same is not None and (same.enterprise, same.site) != (request.enterprise, request.site):
        raise EnrolmentError(
            f"box {request.box} is enrolled for {same.enterprise}, {same.site}: it cannot be moved to "
            f"{request.enterprise}, {request.site} under the same id"
        )
    return same


def answer(desk: Desk, request: Request, *, at_ms: int) -> Answered:
    """Enrol the box and write its answer. The same request answered again gives the same box and a valid certificate.

    Raises EnrolmentError, AuthorityError or the store's errors; then nothing was enrolled.
    """
    before = find(request, desk.roster.roster())
    issued = desk.authority.issue_client(request.csr, role=Role.BOX, name=request.box, at_ms=at_ms)
    # Power fails here: a certificate lies in ca/issued, for a box that is not enrolled; the next answer takes it.
    enrolled = before or Enrolled(
        box=request.box, enterprise=request.enterprise, site=request.site, key=request.key, since_ms=at_ms
    )
    new = desk.roster.enrol(enrolled)
    # Power fails here: the box is enrolled and has no answer; the same command gives it one.
    payload = {
        0: VERSION,
        1: request.box,
        2: request.key.to_cose_key(),
        3: desk.receiver,
        4: desk.key.public.to_cose_key(),
        5: desk.authority.der,
        6: issued.der,
        7: desk.broker_host,
        8: desk.broker_port,
        9: at_ms,
    }
    encoded = cose.sign1(desk.key, cbor.encode(payload), aad=ANSWER_AAD)
    return Answered(enrolled=enrolled, new=new, expires_at_ms=issued.expires_at_ms, encoded=encoded)


def add_parser(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    *,
    open_desk: Callable[[argparse.Namespace], AbstractContextManager[Desk]],
) -> argparse.ArgumentParser:
    """`cloud-sync enrol`. `open_desk` makes the desk from the arguments; the caller adds those it needs."""
    parser = subparsers.add_parser(
        "enrol",
        help="let a box in",
        description="Show who asks in a request of `edge-agent enrol request`, and answer it once a person has compared"
        " the fingerprint with the one the box printed. The same request may be answered again.",
    )
    parser.add_argument("file", type=Path, help="the box's request")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the answer to write")
    sure = parser.add_mutually_exclusive_group()
    sure.add_argument("--fingerprint", help="what the box printed: it must match, and nobody is asked")
    sure.add_argument("--yes", action="store_true", help="do not ask: somebody compared the fingerprint before")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=lambda args: _run(args, open_desk))
    return parser


def add_revoke_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`cloud-sync revoke`."""
    parser = subparsers.add_parser(
        "revoke",
        help="keep a box or a receiver from connecting",
        description="Revoke every TLS certificate of a box or receiver. What it signed stays; its key stays enrolled.",
    )
    parser.add_argument("name", help="the box's or receiver's id")
    parser.add_argument("--receiver", action="store_true", help="it is a receiver's")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="as in broker-config; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run_revoke)


def _run(args: argparse.Namespace, open_desk: Callable[[argparse.Namespace], AbstractContextManager[Desk]]) -> Exit:
    try:
        request = open_request(_read(args.file))
    except EvidenceError as wrong:
        return _fail("enrol", f"{args.file} is no request: {wrong}", Exit.EVIDENCE_BROKEN)
    except OSError as wrong:
        return _fail("enrol", f"cannot read {args.file}: {wrong.strerror}", Exit.USAGE)
    if (refusal := _unsure(args, request)) is not None:
        return refusal
    try:
        with open_desk(args) as desk:
            answered = answer(desk, request, at_ms=utc_ms())
        write_whole(args.output, answered.encoded)
    except (CloudSyncError, EvidenceError) as wrong:
        return _fail("enrol", str(wrong), Exit.CONFIGURATION)
    except OSError as wrong:
        return _fail("enrol", f"cannot write {args.output}: {wrong.strerror}", Exit.HARDWARE)
    enrolled = answered.enrolled
    if args.json:
        told = {
            "box": enrolled.box,
            "enterprise": enrolled.enterprise,
            "site": enrolled.site,
            "fingerprint": enrolled.key.fingerprint,
            "new": answered.new,
            "certificate_expires_at_ms": answered.expires_at_ms,
            "receiver_fingerprint": desk.key.public.fingerprint,
            "answer": str(args.output),
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"box {enrolled.box} is enrolled{'' if answered.new else ', as before'}\n")
        sys.stdout.write(f"this receiver's fingerprint  {desk.key.public.fingerprint}\n")
        sys.stdout.write(f"next: at the box, run: edge-agent enrol accept {args.output.name}\n")
    return Exit.OK


def _unsure(args: argparse.Namespace, request: Request) -> Exit | None:
    """Why not to go on; None when a person or a script vouches for the request."""
    if args.fingerprint is not None:
        if _same_fingerprint(args.fingerprint, request.key):
            return None
        return _fail("enrol", f"the request is signed by {request.key.fingerprint}: refused", Exit.EVIDENCE_BROKEN)
    if args.yes:
        return None
    sys.stderr.write(
        f"box          {request.box}\nenterprise   {request.enterprise}\nsite         {request.site}\n"
        f"software     {request.software}\nfingerprint  {request.key.fingerprint}\n"
        "Does the box show this very fingerprint? Type yes: "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() == "yes":
        return None
    return _fail("enrol", "not enrolled: nobody said yes (scripts give --fingerprint or --yes)", Exit.USAGE)


def _run_revoke(args: argparse.Namespace) -> Exit:
    role = Role.RECEIVER if args.receiver else Role.BOX
    try:
        fresh = Authority.open(args.directory / "ca").revoke(role=role, name=args.name, at_ms=utc_ms())
    except (CloudSyncError, OSError) as wrong:
        return _fail("revoke", str(wrong), Exit.CONFIGURATION)
    if args.json:
        sys.stdout.write(json.dumps({"name": args.name, "revoked": [f"{issued.serial:x}" for issued in fresh]}) + "\n")
    else:
        sys.stdout.write(f"revoked {len(fresh)} certificate(s) of {args.name}\n")
        sys.stdout.write(
            "next: systemctl restart mosquitto (a reload keeps it out too, but not if it is connected now)\n"
        )
    return Exit.OK


def _request_map(payload: bytes) -> dict[int, Any]:
    value = cbor.decode(payload, at_most=PAPER_LIMIT)
    match value:
        case {
            0: 1,
            1: str(),
            2: str(enterprise),
            3: str(site),
            4: bytes(),
            5: bytes(),
            6: str(software),
            7: int(at_ms),
        } if len(value) == _REQUEST_KEYS and 0 <= at_ms < MS_LIMIT:
            if all(_is_text(text) for text in (enterprise, site, software)):
                return dict(value)
    raise MalformedError("no enrolment request: not a map with the keys 0 to 7")


_REQUEST_KEYS: Final = 8


def _is_text(text: str) -> bool:
    """Printable, since a person is shown it before he decides."""
    return 0 < len(text.encode()) <= TEXT_LIMIT and text.isprintable()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(PAPER_LIMIT + 1)


def _same_fingerprint(told: str, key: PublicKey) -> bool:
    return re.sub(r"[\s:-]", "", told).lower() == key.fingerprint.replace("-", "")


def _fail(command: str, sentence: str, code: Exit) -> Exit:
    sys.stderr.write(f"cloud-sync {command}: {sentence}\n")
    return code
