"""Signing keys and the public keys that check them: the one door to `cryptography`.

Ed25519 (COSE alg -19, RFC 9864) everywhere; ES256 on P-256 (alg -9) for hardware that has nothing else. A key file is
PKCS #8 PEM, mode 0600.
If lost: the box or receiver can sign no more under this name. If stolen: the thief can sign as its owner from then
on; what was receipted before stays proved by the receipts.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from evidence.errors import KeyFileError, MalformedError, SignatureError
from evidence.pen import COORDINATE_BYTES, Algorithm, CoseKey

__all__ = ["Algorithm", "PublicKey", "SigningKey"]


@dataclass(frozen=True, kw_only=True)
class PublicKey(CoseKey):
    """A key that checks signatures. Two are equal when they check the same ones."""

    _key: Ed25519PublicKey | ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, algorithm: Algorithm, raw: bytes) -> "PublicKey":
        """The key with these coordinates. Raises MalformedError when they are no point of the curve."""
        try:
            if algorithm is Algorithm.ED25519:
                return cls(algorithm=algorithm, raw=raw, _key=Ed25519PublicKey.from_public_bytes(raw))
            if len(raw) != 2 * COORDINATE_BYTES:
                raise MalformedError("a P-256 key has two coordinates of 32 bytes")
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + raw)
            return cls(algorithm=algorithm, raw=raw, _key=point)
        except ValueError as cause:
            raise MalformedError(f"no {algorithm.name} public key: {cause}") from cause

    @classmethod
    def from_cose_key(cls, encoded: bytes) -> "PublicKey":
        """The key in a COSE_Key map (RFC 9052 section 7, RFC 9053 section 7); raises MalformedError."""
        named = CoseKey.from_cose_key(encoded)
        return cls.from_raw(named.algorithm, named.raw)

    @classmethod
    def load(cls, path: Path) -> "PublicKey":
        """The key in a file that holds its COSE_Key. Raises KeyFileError that says what to do."""
        try:
            return cls.from_cose_key(path.read_bytes())
        except OSError as cause:
            raise KeyFileError(f"cannot read the public key file {path}: {cause.strerror}") from cause
        except MalformedError as cause:
            raise KeyFileError(f"{path} is no public key file: {cause}") from cause

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return only when `signature` over `message` was made by this key; otherwise raise SignatureError.

        A P-256 signature must have s in the lower half of the group: its twin (n - s) would be a second valid
        signature, and two different statements where the box signed one.
        """
        try:
            if self.algorithm is Algorithm.ED25519:
                self._key.verify(signature, message)  # type: ignore[call-arg]  # isinstance() of theirs is slow
            else:
                self._key.verify(_der(signature), message, ec.ECDSA(hashes.SHA256()))  # type: ignore[call-arg]
        except InvalidSignature as cause:
            raise SignatureError("the signature does not fit") from cause


class SigningKey:
    """A private key in memory: a Pen that can save itself. It is never printed."""

    def __init__(self, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = _public_of(key)

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519) -> "SigningKey":
        """A fresh key from the operating system's randomness."""
        if algorithm is Algorithm.ED25519:
            return cls(Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """The key in a PKCS #8 PEM file. Raises KeyFileError that says what to do."""
        try:
            is_open = os.name == "posix" and path.stat().st_mode & (
                _LOOSE_CREDENTIAL if _is_credential(path) else _LOOSE
            )
            pem = path.read_bytes()
        except OSError as cause:
            raise KeyFileError(f"cannot read the key file {path}: {cause.strerror}") from cause
        if is_open:
            raise KeyFileError(f"the key file {path} is open to others: run chmod 600 {path}")
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as cause:
            raise KeyFileError(f"{path} holds no private key in PEM form") from cause
        if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
            raise KeyFileError(f"{path} holds neither an Ed25519 nor a P-256 key")
        if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(key.curve, ec.SECP256R1):
            raise KeyFileError(f"{path} holds a key on {key.curve.name}; P-256 is needed")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key to a new file, mode 0600; an existing file is never overwritten (KeyFileError)."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as cause:
            raise KeyFileError(f"cannot create the key file {path}: {cause.strerror}") from cause
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())

    def sign(self, message: bytes) -> bytes:
        """64 bytes: Ed25519, or r and s of ECDSA with s in the lower half of the group."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(COORDINATE_BYTES, "big") + min(s, _P256_ORDER - s).to_bytes(COORDINATE_BYTES, "big")


_LOOSE: Final = 0o077
_LOOSE_CREDENTIAL: Final = 0o037
"""systemd from version 254 on shows its credentials as readable by the group: an access list for the service."""


def _is_credential(path: Path) -> bool:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return directory is not None and path.absolute().is_relative_to(directory)


_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256's group (SEC 2 version 2.0, section 2.4.2)."""


def _public_of(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> PublicKey:
    if isinstance(key, Ed25519PrivateKey):
        return PublicKey.from_raw(Algorithm.ED25519, key.public_key().public_bytes_raw())
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return PublicKey.from_raw(Algorithm.ESP256, point[1:])


def _der(signature: bytes) -> bytes:
    """The DER form of r and s that `cryptography` takes."""
    if len(signature) != 2 * COORDINATE_BYTES:
        raise SignatureError("a P-256 signature has 64 bytes")
    r, s = (int.from_bytes(signature[i : i + COORDINATE_BYTES], "big") for i in (0, COORDINATE_BYTES))
    if not (0 < r < _P256_ORDER and 0 < s <= _P256_ORDER // 2):
        raise SignatureError("r or s is out of range")
    return encode_dss_signature(r, s)
