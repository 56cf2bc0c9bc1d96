"""What signs, and what a public key is called: all that a program needs to know of keys that only has things signed.

Nothing here needs `cryptography`: a box that reads machines asks another process for its signatures. Who signs himself,
or checks a signature, takes evidence/keys.py.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import sha256
from typing import Final, Protocol

from evidence import cbor
from evidence.errors import MalformedError

COSE_KEY_LIMIT: Final = 256
"""Bytes of an encoded public key, at most; an Ed25519 one has 42, a P-256 one 80."""
KID_LENGTH: Final = 8
COORDINATE_BYTES: Final = 32
"""Bytes of a coordinate, on either curve."""


class Algorithm(IntEnum):
    """COSE algorithm numbers (RFC 9864), fully specified: the number fixes curve and hash."""

    ED25519 = -19
    ESP256 = -9


@dataclass(frozen=True, kw_only=True)
class CoseKey:
    """A public key by its coordinates and its names; whether they are a point of the curve is not looked at."""

    algorithm: Algorithm
    raw: bytes
    """Ed25519: 32 bytes; P-256: x and y, 32 bytes each."""

    @classmethod
    def from_cose_key(cls, encoded: bytes) -> "CoseKey":
        """The key in a COSE_Key map (RFC 9052 section 7, RFC 9053 section 7); raises MalformedError."""
        match cbor.decode(encoded, at_most=COSE_KEY_LIMIT):
            case {1: 1, 3: Algorithm.ED25519, -1: 6, -2: bytes(x), **rest} if not rest and len(x) == COORDINATE_BYTES:
                return CoseKey(algorithm=Algorithm.ED25519, raw=x)
            case {1: 2, 3: Algorithm.ESP256, -1: 1, -2: bytes(x), -3: bytes(y), **rest} if (
                not rest and len(x) == len(y) == COORDINATE_BYTES
            ):
                return CoseKey(algorithm=Algorithm.ESP256, raw=x + y)
        raise MalformedError("no COSE_Key of the Ed25519 or P-256 kind")

    def to_cose_key(self) -> bytes:
        """The deterministic COSE_Key map with its algorithm."""
        return cbor.encode(self._parameters() | {3: int(self.algorithm)})

    @cached_property
    def thumbprint(self) -> bytes:
        """SHA-256 over the key's required parameters (RFC 9679)."""
        return sha256(cbor.encode(self._parameters())).digest()

    @cached_property
    def kid(self) -> bytes:
        """The key's name inside a signature: the first 8 bytes of its thumbprint. A hint, never a proof."""
        return self.thumbprint[:KID_LENGTH]

    @cached_property
    def fingerprint(self) -> str:
        """128 bits of the thumbprint for two people to compare: eight groups of four hexadecimal digits."""
        digits = self.thumbprint.hex()[:32]
        return "-".join(digits[i : i + 4] for i in range(0, 32, 4))

    def _parameters(self) -> dict[int, int | bytes]:
        if self.algorithm is Algorithm.ED25519:
            return {1: 1, -1: 6, -2: self.raw}
        return {1: 2, -1: 1, -2: self.raw[:COORDINATE_BYTES], -3: self.raw[COORDINATE_BYTES:]}


class Pen(Protocol):
    """Whatever signs under one key, wherever that key lies."""

    @property
    def public(self) -> CoseKey:
        """The key that checks what it signs."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes (see SigningKey.sign). What else may happen is the pen's own to say."""
        ...
