"""Our own small certificate authority: it says who may speak on the wire, never what is true.

The one door to `cryptography.x509` of the receiver. EC P-256 throughout; a directory holds everything:

    ca.key          if lost: nobody new can be enrolled or revoked. If stolen: the thief can connect as any box and
                    send statements, which are refused for want of the box's signing key, or read every receipt.
    ca.pem, crl.pem public; the broker reads both. Without a crl.pem it refuses to start.
    issued/*.pem    every certificate ever issued, one a file. If lost: nothing can be revoked by name.

A common name tells the roles apart by construction: a box's is its id, a receiver's begins with `receiver.`, the
broker's is `mqtt.broker`, and a box id has no dot.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud_sync.errors import AuthorityError
from evidence.bodies import NAME
from evidence.files import PRIVATE, PUBLIC, write_new, write_whole

AUTHORITY_LIFETIME: Final = timedelta(days=3652)
CLIENT_LIFETIME: Final = timedelta(days=1826)
"""Five years: nobody is near a box to renew it, and a revocation works at once."""
SERVER_LIFETIME: Final = timedelta(days=730)
RENEW_BEFORE: Final = timedelta(days=90)
"""A certificate with less than this left is replaced by whoever asks for it again."""
CLOCK_SLACK: Final = timedelta(days=1)
"""Certificates begin this much in the past, for a box whose clock is slow."""

CSR_LIMIT: Final = 4096
"""Bytes of a signing request, at most; an ordinary one has 250."""
NAMES_LIMIT: Final = 16
"""Names and addresses of one broker, at most."""
HOST: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)

BROKER_NAME: Final = "mqtt.broker"
_RECEIVER_PREFIX: Final = "receiver."


class Role(Enum):
    """What a client's certificate lets it be; the broker's ACL tells them apart by common name."""

    BOX = ""
    RECEIVER = _RECEIVER_PREFIX

    def common_name(self, name: str) -> str:
        """The common name of the box or receiver called `name`. Raises AuthorityError for no name."""
        if not NAME.fullmatch(name):
            raise AuthorityError(f"{name!r:.60} is no name: small letters, digits and hyphens, 40 at most")
        return self.value + name


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One certificate, as it was handed out."""

    name: str
    """Its common name."""
    serial: int
    expires_at_ms: int
    pem: bytes

    @property
    def der(self) -> bytes:
        """The same certificate as DER."""
        return x509.load_pem_x509_certificate(self.pem).public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The authority in one directory, its key loaded."""

    directory: Path
    _key: ec.EllipticCurvePrivateKey
    _certificate: x509.Certificate

    @classmethod
    def create(cls, directory: Path, *, name: str, at_ms: int) -> Self:
        """A new authority. Raises AuthorityError where one exists: its key is never overwritten."""
        _make_directory(directory / "issued")
        create_key(directory / "ca.key")
        # Power fails here: open_or_create goes on with the key.
        _found(directory, name=name, at=_utc(at_ms))
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The authority kept there. Raises AuthorityError when there is none, or half of one."""
        key = _load_key(directory / "ca.key")
        certificate = x509.load_pem_x509_certificate(_read(directory / "ca.pem"))
        if certificate.public_key() != key.public_key():
            raise AuthorityError(f"{directory}: ca.pem does not belong to ca.key; restore both from one backup")
        return cls(directory=directory, _key=key, _certificate=certificate)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The same as DER."""
        return self._certificate.public_bytes(serialization.Encoding.DER)

    @property
    def certificate_file(self) -> Path:
        """Where brokers and clients find the authority's certificate."""
        return self.directory / "ca.pem"

    @property
    def crl_file(self) -> Path:
        """Where the broker finds what was revoked; it takes a restart of the broker to count."""
        return self.directory / "crl.pem"

    def issue_client(self, csr: bytes, *, role: Role, name: str, at_ms: int) -> Issued:
        """A certificate to connect as this box or receiver, for the key of the signing request (DER).

        Asked again for the same key, it gives the same one until RENEW_BEFORE. Raises AuthorityError for a request
        that is malformed, names somebody else, or whose key was revoked.
        """
        common_name = role.common_name(name)
        key = _key_of_request(csr, common_name)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._issue(key, common_name, [(usage, True)], lifetime=CLIENT_LIFETIME, at=_utc(at_ms))

    def issue_server(self, key_file: Path, *, hosts: Iterable[str], at_ms: int) -> Issued:
        """A certificate for the broker's key file, good for these DNS names and addresses; else as issue_client."""
        alternatives = x509.SubjectAlternativeName(_general_names(tuple(hosts)))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        key = _load_key(key_file).public_key()
        extensions: list[tuple[x509.ExtensionType, bool]] = [(usage, True), (alternatives, False)]
        return self._issue(key, BROKER_NAME, extensions, lifetime=SERVER_LIFETIME, at=_utc(at_ms))

    def issued(self, name: str) -> tuple[Issued, ...]:
        """Every certificate that was ever issued under this common name, the one that expires last first."""
        files = sorted((self.directory / "issued").glob(f"{name}.*.pem"))
        found = (_issued(x509.load_pem_x509_certificate(_read(file))) for file in files)
        return tuple(sorted((i for i in found if i.name == name), key=lambda i: -i.expires_at_ms))

    def revoked(self) -> frozenset[int]:
        """The serial numbers that the revocation list names."""
        return frozenset(entry.serial_number for entry in self._crl())

    def revoke(self, *, role: Role, name: str, at_ms: int) -> tuple[Issued, ...]:
        """Revoke every certificate of this box or receiver; those that were not revoked before.

        Raises AuthorityError when none was ever issued. Whoever is connected stays so until the broker restarts.
        """
        common_name = role.common_name(name)
        ever = self.issued(common_name)
        if not ever:
            raise AuthorityError(f"no certificate was ever issued for {common_name}: is the name right?")
        known = self.revoked()
        fresh = tuple(issued for issued in ever if issued.serial not in known)
        if fresh:
            self._write_crl((issued.serial for issued in fresh), at=_utc(at_ms))
        return fresh

    def _issue(
        self,
        key: ec.EllipticCurvePublicKey,
        common_name: str,
        extensions: list[tuple[x509.ExtensionType, bool]],
        *,
        lifetime: timedelta,
        at: datetime,
    ) -> Issued:
        if (again := self._standing(key, common_name, extensions, at=at)) is not None:
            return again
        if at >= self._certificate.not_valid_after_utc:
            raise AuthorityError(f"{self.certificate_file} has expired: create a new authority and enrol again")
        builder = (
            _builder(_name(common_name), self._certificate.subject, key, at=at)
            .not_valid_after(min(at + lifetime, self._certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        issued = _issued(builder.sign(self._key, hashes.SHA256()))
        # Kept before it is handed out: what nobody kept could not be revoked.
        write_new(self.directory / "issued" / f"{common_name}.{issued.serial:040x}.pem", issued.pem, mode=PUBLIC)
        return issued

    def _standing(
        self,
        key: ec.EllipticCurvePublicKey,
        common_name: str,
        extensions: list[tuple[x509.ExtensionType, bool]],
        *,
        at: datetime,
    ) -> Issued | None:
        """The certificate of this key that says the same and is not due for renewal."""
        revoked = self.revoked()
        for issued in self.issued(common_name):
            certificate = x509.load_pem_x509_certificate(issued.pem)
            if certificate.public_key() != key:
                continue
            if issued.serial in revoked:
                raise AuthorityError(f"this TLS key of {common_name} was revoked: it needs a new one")
            said = [certificate.extensions.get_extension_for_oid(e.oid).value for e, _ in extensions]
            fresh = certificate.not_valid_after_utc - at > RENEW_BEFORE
            if fresh and said == [e for e, _ in extensions]:
                return issued
        return None

    def _crl(self) -> x509.CertificateRevocationList:
        return x509.load_pem_x509_crl(_read(self.crl_file))

    def _write_crl(self, serials: Iterable[int], *, at: datetime) -> None:
        before = self._crl()
        number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        builder = _crl_builder(self._key, self._certificate, number=number + 1, at=at)
        for entry in before:
            builder = builder.add_revoked_certificate(entry)
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            builder = builder.add_revoked_certificate(entry)
        write_whole(self.crl_file, _crl_pem(builder, self._key))


def open_or_create(directory: Path, *, name: str, at_ms: int) -> Authority:
    """The authority kept there, or a new one; a creation that a power cut stopped is finished with its key."""
    if not (directory / "ca.key").exists():
        return Authority.create(directory, name=name, at_ms=at_ms)
    if not (directory / "ca.pem").exists() and not any((directory / "issued").glob("*.pem")):
        _found(directory, name=name, at=_utc(at_ms))
    return Authority.open(directory)


def create_key(path: Path) -> None:
    """A new EC P-256 key as PKCS #8 PEM, mode 0600. Raises AuthorityError rather than overwrite a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        write_new(path, pem, mode=PRIVATE)
    except FileExistsError as cause:
        raise AuthorityError(f"the key {path} exists and is never overwritten: move it away first") from cause
    except OSError as cause:
        raise AuthorityError(f"cannot create the key {path}: {cause.strerror}") from cause


def signing_request(key_file: Path, *, role: Role, name: str) -> bytes:
    """A certificate signing request (RFC 2986, DER) with this key, for a client on the authority's own machine."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(role.common_name(name)))
    return builder.sign(_load_key(key_file), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _key_of_request(csr: bytes, common_name: str) -> ec.EllipticCurvePublicKey:
    """The P-256 key that signed this request for this common name; raises AuthorityError."""
    if len(csr) > CSR_LIMIT:
        raise AuthorityError(f"the signing request has {len(csr)} bytes, at most {CSR_LIMIT} are allowed")
    try:
        request = x509.load_der_x509_csr(csr)
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, x509.InvalidVersion, InvalidSignature, UnsupportedAlgorithm) as cause:
        raise AuthorityError(f"no certificate signing request in DER form: {cause}") from cause
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AuthorityError("the signing request's key is not on P-256")
    if not signed:
        raise AuthorityError("the signing request is not signed by its own key")
    if request.subject != _name(common_name):
        raise AuthorityError(f"the signing request is for {request.subject.rfc4514_string()!r:.80}, not {common_name}")
    return key


def _found(directory: Path, *, name: str, at: datetime) -> None:
    """Write the first revocation list, and then the certificate, which makes the authority whole."""
    key = _load_key(directory / "ca.key")
    certificate = _self_signed(key, name=name, at=at)
    write_whole(directory / "crl.pem", _crl_pem(_crl_builder(key, certificate, number=1, at=at), key))
    write_whole(directory / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))


def _self_signed(key: ec.EllipticCurvePrivateKey, *, name: str, at: datetime) -> x509.Certificate:
    try:
        subject = _name(name)
    except ValueError as cause:
        raise AuthorityError(f"an authority's name has 1 to 64 characters: {cause}") from cause
    return (
        _builder(subject, subject, key.public_key(), at=at)
        .not_valid_after(at + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, at: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - CLOCK_SLACK)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _crl_builder(
    key: ec.EllipticCurvePrivateKey, own: x509.Certificate, *, number: int, at: datetime
) -> x509.CertificateRevocationListBuilder:
    """Good as long as the authority: a list that expires would lock every box out (OpenSSL X509_V_FLAG_CRL_CHECK)."""
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(own.subject)
        .last_update(at - CLOCK_SLACK)
        .next_update(own.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )


def _crl_pem(builder: x509.CertificateRevocationListBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _general_names(hosts: tuple[str, ...]) -> list[x509.GeneralName]:
    if not 0 < len(hosts) <= NAMES_LIMIT:
        raise AuthorityError(f"a broker has 1 to {NAMES_LIMIT} names, not {len(hosts)}")
    return [_general_name(host) for host in hosts]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        if not HOST.fullmatch(host):
            raise AuthorityError(f"{host!r:.80} is neither a host name nor an address") from None
        return x509.DNSName(host)


def _issued(certificate: x509.Certificate) -> Issued:
    (attribute,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Issued(
        name=str(attribute.value),
        serial=certificate.serial_number,
        expires_at_ms=int(certificate.not_valid_after_utc.timestamp() * 1000),
        pem=certificate.public_bytes(serialization.Encoding.PEM),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    pem = _read(path)
    if path.stat().st_mode & 0o077:
        raise AuthorityError(f"the key {path} is open to others: run chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as cause:
        raise AuthorityError(f"{path} holds no private key in PEM form") from cause
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AuthorityError(f"{path} holds no P-256 key")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise AuthorityError(f"cannot read {path}: {cause.strerror}") from cause


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise AuthorityError(f"cannot make the directory {directory}: {cause.strerror}") from cause


def _utc(at_ms: int) -> datetime:
    """X.509 times are whole seconds."""
    return datetime.fromtimestamp(at_ms // 1000, UTC)
