"""Enrolment, the box's half: make keys, write a request, take in the answer. Nothing here needs a network.

    request.cbor   the box's public key and a TLS signing request, signed by the box's own key
    answer.cbor    the TLS certificate, its authority, where the broker is, the receiver's public key; signed by it

Neither is secret; what makes them trustworthy is that two people compare the fingerprints that both sides print.
The directory keeps signing.key (if lost: the box must be enrolled anew under another id; if stolen: the thief can
sign as this box), tls.key, request.cbor, and after the answer ca.pem, tls.pem and receiver.pub.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_agent import __version__
from edge_agent.clock import SystemClock
from evidence import cbor, cose
from evidence.bodies import TEXT_LIMIT
from evidence.errors import EvidenceError, KeyFileError, MalformedError
from evidence.exits import Exit
from evidence.files import PRIVATE, write_new, write_whole
from evidence.keys import PublicKey, SigningKey
from evidence.statement import check_box

VERSION: Final = 1
REQUEST_AAD: Final = b"qianliyan enrolment 1"
ANSWER_AAD: Final = b"qianliyan enrolment answer 1"
PAPER_LIMIT: Final = 16 * 1024
"""Bytes of a request or an answer, at most; ordinary ones have 700 and 1,600."""
SIGNER: Final = "/run/qianliyan/sign.sock"
"""Where qianliyan-sign.socket listens."""
HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")

DIRECTORY: Final = Path("/etc/qianliyan/keys")
"""From where the systemd units hand the keys over as credentials."""


class EnrolError(Exception):
    """The box cannot be enrolled like this: one sentence, what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What this box asked for."""

    box: str
    enterprise: str
    site: str
    key: PublicKey
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A receiver's answer to this box, checked against the box's own keys."""

    box: str
    receiver: str
    receiver_key: PublicKey
    broker_host: str
    broker_port: int
    ca_pem: bytes
    certificate_pem: bytes
    begins_at_ms: int
    """When the certificate begins; a box whose clock shows less cannot connect until it is set."""
    expires_at_ms: int


def make_request(directory: Path, *, box: str, enterprise: str, site: str, at_ms: int) -> Request:
    """Make the keys that are missing, and write and return the signed request.

    Repeated, it signs with the same keys. Raises EnrolError when the directory belongs to another box, and
    EvidenceError for a key file or a name that cannot be.
    """
    check_box(box)
    for text in (enterprise, site):
        if not 0 < len(text.encode()) <= TEXT_LIMIT or not text.isprintable():
            raise EnrolError(f"enterprise and site are texts of 1 to {TEXT_LIMIT} bytes, not {text!r:.60}")
    _refuse_another_box(directory, box=box, enterprise=enterprise, site=site)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = _signing_key(directory / "signing.key")
    csr = _signing_request(_tls_key(directory / "tls.key"), box)
    # Power fails after a key and before the request: the next call goes on with that key.
    payload = {
        0: VERSION,
        1: box,
        2: enterprise,
        3: site,
        4: key.public.to_cose_key(),
        5: csr,
        6: f"qianliyan {__version__}",
        7: at_ms,
    }
    encoded = cose.sign1(key, cbor.encode(payload), aad=REQUEST_AAD)
    write_whole(directory / "request.cbor", encoded)
    return Request(box=box, enterprise=enterprise, site=site, key=key.public, encoded=encoded)


def open_answer(encoded: bytes, directory: Path, *, at_ms: int) -> Answer:
    """The answer in these bytes, for the box whose request lies in `directory`.

    Checked: the receiver's signature, and its key against the one known from before; box id and key; that the
    certificate is for this box's id and TLS key, by the authority beside it, for clients, and not over. Raises
    EnrolError or EvidenceError.
    """
    request = _own_request(directory)
    answer = _parse_answer(encoded, request)
    _refuse_another_receiver(directory, answer)
    _check_certificate(answer, box=request.box, tls=_tls_key(directory / "tls.key").public_key(), at_ms=at_ms)
    return answer


def accept(encoded: bytes, directory: Path, *, at_ms: int) -> Answer:
    """Check the answer (see open_answer) and write what it brought. May be repeated, also to renew the certificate."""
    answer = open_answer(encoded, directory, at_ms=at_ms)
    write_whole(directory / "ca.pem", answer.ca_pem)
    write_whole(directory / "tls.pem", answer.certificate_pem)
    # Last: where it lies, the box is enrolled. Power fails before: accept the same answer again.
    write_whole(directory / "receiver.pub", answer.receiver_key.to_cose_key())
    return answer


def uplink_toml(answer: Answer, directory: Path) -> str:
    """The two tables of box.toml that follow from the answer; credentials where the units hand them over."""
    where = "credential:" if directory == DIRECTORY else f"{directory.absolute()}/"
    signs = f'signer = "{SIGNER}"' if directory == DIRECTORY else f'signing_key = "{where}signing.key"'
    return (
        f'[box]\nid = "{answer.box}"\n{signs}\n\n'
        f'[uplink]\nhost = "{answer.broker_host}"\nport = {answer.broker_port}\n'
        f'ca = "{where}ca.pem"\ncert = "{where}tls.pem"\nkey = "{where}tls.key"\n'
        f'receiver_key = "{where}receiver.pub"\n'
    )


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`edge-agent enrol request` and `edge-agent enrol accept`."""
    enrol = subparsers.add_parser(
        "enrol",
        help="make this box's keys and exchange papers with the receiver",
        description="First `request`, then `cloud-sync enrol` at the receiver, then `accept`. Carry the two files by "
        "e-mail or stick: neither is secret.",
    )
    steps = enrol.add_subparsers(title="steps", metavar="STEP", required=True)
    request = steps.add_parser(
        "request",
        help="make keys and write a request",
        description="Make the box's keys, unless they exist, and write a request for the receiver.",
    )
    request.add_argument("--box", required=True, help="this box's id: small letters, digits, hyphens")
    request.add_argument("--enterprise", required=True, help="whose machines it watches")
    request.add_argument("--site", required=True, help="where they stand")
    request.add_argument("-o", "--output", type=Path, required=True, help="the file to write")
    request.set_defaults(run=_run_request)
    accepting = steps.add_parser(
        "accept",
        help="take in the receiver's answer",
        description="Check the receiver's answer and keep what it brought.",
    )
    accepting.add_argument("file", type=Path, help="what `cloud-sync enrol` wrote")
    accepting.add_argument("--fingerprint", help="the receiver's, if you were told it: it must match")
    accepting.set_defaults(run=_run_accept)
    for parser in (request, accepting):
        parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where keys lie; default: %(default)s")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _run_request(args: argparse.Namespace) -> Exit:
    try:
        request = make_request(
            args.directory, box=args.box, enterprise=args.enterprise, site=args.site, at_ms=SystemClock().utc_ms()
        )
        write_whole(args.output, request.encoded)
    except (EnrolError, EvidenceError) as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except OSError as wrong:
        return _fail(str(wrong), Exit.HARDWARE)
    if args.json:
        _print(json.dumps({"box": request.box, "fingerprint": request.key.fingerprint, "request": str(args.output)}))
    else:
        _print(f"box          {request.box}\nfingerprint  {request.key.fingerprint}")
        _print(f"next: at the receiver, run: cloud-sync enrol {args.output.name} -o answer.cbor")
        _print("      and compare the fingerprint it shows with this one, by telephone or on paper")
    return Exit.OK


def _run_accept(args: argparse.Namespace) -> Exit:
    try:
        encoded = _read(args.file)
        at_ms = SystemClock().utc_ms()
        answer = open_answer(encoded, args.directory, at_ms=at_ms)
        if args.fingerprint is not None and not _same_fingerprint(args.fingerprint, answer.receiver_key):
            return _fail(f"the answer is signed by {answer.receiver_key.fingerprint}", Exit.EVIDENCE_BROKEN)
        accept(encoded, args.directory, at_ms=at_ms)
    except (EnrolError, KeyFileError) as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except EvidenceError as wrong:
        return _fail(str(wrong), Exit.EVIDENCE_BROKEN)
    except OSError as wrong:
        return _fail(str(wrong), Exit.HARDWARE)
    if args.json:
        _print(json.dumps(_told(answer, args.directory)))
        return Exit.OK
    _print(f"box          {answer.box}\nreceiver     {answer.receiver}\nfingerprint  {answer.receiver_key.fingerprint}")
    _print(f"certificate  until {datetime.fromtimestamp(answer.expires_at_ms / 1000, UTC):%Y-%m-%d}")
    if at_ms < answer.begins_at_ms:
        _print("warning: this box's clock is slow; it can connect once the clock is set")
    _print(f"next: put this into box.toml, then run: edge-agent check\n\n{uplink_toml(answer, args.directory)}")
    return Exit.OK


def _told(answer: Answer, directory: Path) -> dict[str, object]:
    files = {"ca": "ca.pem", "cert": "tls.pem", "key": "tls.key", "receiver_key": "receiver.pub"}
    return {
        "box": answer.box,
        "receiver": answer.receiver,
        "receiver_fingerprint": answer.receiver_key.fingerprint,
        "expires_at_ms": answer.expires_at_ms,
        "signing_key": str(directory / "signing.key"),
        "uplink": {"host": answer.broker_host, "port": answer.broker_port}
        | {key: str(directory / file) for key, file in files.items()},
    }


def _refuse_another_box(directory: Path, *, box: str, enterprise: str, site: str) -> None:
    if not (directory / "request.cbor").exists():
        return
    before = _own_request(directory)
    if (before.box, before.enterprise, before.site) != (box, enterprise, site):
        raise EnrolError(
            f"the keys in {directory} belong to box {before.box} of {before.enterprise}, {before.site}: "
            "give the same names, or another --directory"
        )


def _own_request(directory: Path) -> Request:
    """What this box asked for, checked with its own key."""
    encoded = _read(directory / "request.cbor")
    own = SigningKey.load(directory / "signing.key").public
    payload, key = cose.open1(
        encoded, aad=REQUEST_AAD, key_of=lambda kid: own if kid == own.kid else None, at_most=PAPER_LIMIT
    )
    value = cbor.decode(payload, at_most=PAPER_LIMIT)
    return Request(box=check_box(value[1]), enterprise=value[2], site=value[3], key=key, encoded=encoded)


def _parse_answer(encoded: bytes, request: Request) -> Answer:
    claimed = _answer_map(cose.peek1(encoded, at_most=PAPER_LIMIT))
    receiver_key = PublicKey.from_cose_key(claimed[4])
    payload, _ = cose.open1(
        encoded,
        aad=ANSWER_AAD,
        key_of=lambda kid: receiver_key if kid == receiver_key.kid else None,
        at_most=PAPER_LIMIT,
    )
    value = _answer_map(payload)
    if value[1] != request.box:
        raise EnrolError(f"the answer is for box {value[1]}, this one is {request.box}")
    if value[2] != request.key.to_cose_key():
        raise EnrolError("the answer is for another key than this box's: make a new request and have that answered")
    try:
        ca, certificate = (x509.load_der_x509_certificate(value[key]) for key in (5, 6))
    except ValueError as cause:
        raise MalformedError(f"the answer holds no certificate: {cause}") from cause
    return Answer(
        box=request.box,
        receiver=check_box(value[3]),
        receiver_key=receiver_key,
        broker_host=value[7],
        broker_port=value[8],
        ca_pem=ca.public_bytes(serialization.Encoding.PEM),
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        begins_at_ms=int(certificate.not_valid_before_utc.timestamp() * 1000),
        expires_at_ms=int(certificate.not_valid_after_utc.timestamp() * 1000),
    )


def _answer_map(payload: bytes) -> dict[int, Any]:
    value = cbor.decode(payload, at_most=PAPER_LIMIT)
    match value:
        case {
            0: 1,
            1: str(),
            2: bytes(),
            3: str(),
            4: bytes(),
            5: bytes(),
            6: bytes(),
            7: str(host),
            8: int(port),
            9: int(),
        } if len(value) == _ANSWER_KEYS and HOST.fullmatch(host) and 0 < port < 1 << 16:
            return dict(value)
    raise MalformedError("no enrolment answer: not a map with the keys 0 to 9")


_ANSWER_KEYS: Final = 10


def _refuse_another_receiver(directory: Path, answer: Answer) -> None:
    known = directory / "receiver.pub"
    if known.exists() and PublicKey.load(known) != answer.receiver_key:
        raise EnrolError(
            f"this box belongs to the receiver with fingerprint {PublicKey.load(known).fingerprint}, the answer is "
            f"from {answer.receiver_key.fingerprint}: to move the box on purpose, delete {known} first"
        )


def _check_certificate(answer: Answer, *, box: str, tls: ec.EllipticCurvePublicKey, at_ms: int) -> None:
    ca = x509.load_pem_x509_certificate(answer.ca_pem)
    certificate = x509.load_pem_x509_certificate(answer.certificate_pem)
    try:
        certificate.verify_directly_issued_by(ca)
        own_key = certificate.public_key() == tls
        is_ca = ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound) as cause:
        raise EnrolError(f"the answer's certificate is not by the authority beside it: {cause}") from cause
    if not is_ca:
        raise EnrolError("the answer's authority is none: it may not issue certificates")
    if not own_key:
        raise EnrolError("the answer's certificate is for another TLS key: make a new request and have that answered")
    if [attribute.value for attribute in certificate.subject] != [box] or not _is_common_name(certificate.subject):
        raise EnrolError(f"the answer's certificate is not for {box}")
    if list(uses) != [ExtendedKeyUsageOID.CLIENT_AUTH]:
        raise EnrolError("the answer's certificate is not one for clients")
    if at_ms >= answer.expires_at_ms:
        raise EnrolError("the answer's certificate has expired: have the request answered again")


def _is_common_name(name: x509.Name) -> bool:
    return all(attribute.oid == NameOID.COMMON_NAME for attribute in name)


def _signing_key(path: Path) -> SigningKey:
    if not path.exists():
        SigningKey.generate().save(path)
    return SigningKey.load(path)


def _tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The TLS key at `path`, made if there is none, never replaced."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_new(path, made, mode=PRIVATE)
    if path.stat().st_mode & 0o077:
        raise EnrolError(f"the key file {path} is open to others: run chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as cause:
        raise EnrolError(f"{path} holds no private key: delete it and make a new request") from cause
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise EnrolError(f"{path} holds no P-256 key: delete it and make a new request")
    return key


def _signing_request(key: ec.EllipticCurvePrivateKey, box: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, box)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def _read(path: Path) -> bytes:
    """A request or an answer, bounded."""
    try:
        with path.open("rb") as file:
            return file.read(PAPER_LIMIT + 1)
    except FileNotFoundError as cause:
        raise EnrolError(f"there is no {path}: run `edge-agent enrol request` first, or look for the file") from cause


def _same_fingerprint(told: str, key: PublicKey) -> bool:
    return re.sub(r"[\s:-]", "", told).lower() == key.fingerprint.replace("-", "")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _fail(sentence: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent enrol: {sentence}\n")
    return code
