"""COSE_Sign1 (RFC 9052 section 4.2), the one shape of it that evidence uses.

Tagged (18), protected header {1: algorithm, 4: kid} and nothing else, no unprotected header, payload inside. What
kind of document is signed stands in the external additional data (RFC 9052 section 4.4), so a receipt can never pass
for a statement.
"""

from typing import TYPE_CHECKING, Final

from evidence import cbor
from evidence.errors import MalformedError, SignatureError
from evidence.pen import KID_LENGTH, Algorithm, CoseKey, Pen

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.keys import PublicKey

SIGNATURE_LENGTH: Final = 64
_TAG_SIGN1: Final = 0xD2
"""The head of tag 18."""


def sign1(pen: Pen, payload: bytes, *, aad: bytes) -> bytes:
    """`payload`, signed by `pen` as a document of the kind that `aad` names."""
    protected = _protected(pen.public)
    signature = pen.sign(signed_bytes(protected, aad, payload))
    return bytes((_TAG_SIGN1,)) + cbor.encode([protected, {}, payload, signature])


def sign1_length(payload: int) -> int:
    """Bytes of a document whose payload has so many."""
    return _UNPROTECTED + 1 + len(_bstr_head(payload)) + payload + _SIGNATURE_LENGTH


def open1(
    document: bytes,
    *,
    aad: bytes,
    key_of: "Callable[[bytes], PublicKey | None]",
    at_most: int,
    is_checked: bool = False,
) -> "tuple[bytes, PublicKey]":
    """The payload of a signed document, and the key that signed it.

    `key_of` gives the key for a kid, or None. `is_checked` says that the caller has seen this very function return for
    these very bytes and this key. Raises MalformedError for any other shape, SignatureError when no known key signed
    exactly these bytes.
    """
    protected, payload, signature = _parts(document, at_most=at_most)
    key = key_of(_kid(protected))
    if key is None:
        raise SignatureError(f"signed by an unknown key (kid {_kid(protected).hex()})")
    if protected != _protected(key):
        raise MalformedError("the protected header is not {1: algorithm, 4: kid} of the key")
    if not is_checked:
        key.verify(signature, signed_bytes(protected, aad, payload))
    return payload, key


def peek1(document: bytes, *, at_most: int) -> bytes:
    """The payload, NOT verified: for finding out whose key to ask for, never for use."""
    return _parts(document, at_most=at_most)[1]


def peek_kid(document: bytes, *, at_most: int) -> bytes:
    """The kid in the protected header, NOT verified: only to find the key that can verify the document."""
    return _kid(_parts(document, at_most=at_most)[0])


def signed_bytes(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    """The Sig_structure that is signed (RFC 9052 section 4.4)."""
    return b"\x84\x6aSignature1" + _bstr(protected) + _bstr(aad) + _bstr(payload)


def payload_to_sign(message: bytes, *, key: CoseKey, aad: bytes) -> bytes:
    """The payload in a Sig_structure of this very key and this kind of document; MalformedError for anything else."""
    before = b"\x84\x6aSignature1" + _bstr(_protected(key)) + _bstr(aad)
    item = message[len(before) :]
    head = _head_length(item)
    if not message.startswith(before) or item[:head] != _bstr_head(len(item) - head):
        raise MalformedError("no Sig_structure of this key for a document of this kind")
    return item[head:]


def _parts(document: bytes, *, at_most: int) -> tuple[bytes, bytes, bytes]:
    """Protected header, payload and signature of the one allowed shape; only the payload's length is open in it."""
    if len(document) > at_most:
        raise MalformedError(f"{len(document)} bytes where at most {at_most} are allowed")
    protected, payload = document[3:_UNPROTECTED], document[_UNPROTECTED + 1 : -_SIGNATURE_LENGTH]
    head = _head_length(payload)
    if (
        document[:3] != _BEGIN
        or document[_UNPROTECTED : _UNPROTECTED + 1] != b"\xa0"
        or document[-_SIGNATURE_LENGTH:-SIGNATURE_LENGTH] != b"\x58\x40"
        or payload[:head] != _bstr_head(len(payload) - head)
    ):
        raise MalformedError("no COSE_Sign1 with tag 18: not [13 protected bytes, {}, payload, 64 bytes of signature]")
    return protected, payload[head:], document[-SIGNATURE_LENGTH:]


_BEGIN: Final = bytes((_TAG_SIGN1, 0x84, 0x4D))
"""Tag 18, an array of four, a byte string of 13."""
_UNPROTECTED: Final = len(_BEGIN) + 13
_SIGNATURE_LENGTH: Final = 2 + SIGNATURE_LENGTH
"""With its head."""


def _head_length(item: bytes) -> int:
    """Bytes of a byte string's head, going by its first byte."""
    return {b"\x58": 2, b"\x59": 3, b"\x5a": 5}.get(item[:1], 1)


def _protected(key: CoseKey) -> bytes:
    algorithm = b"\x32" if key.algorithm is Algorithm.ED25519 else b"\x28"  # -19, -9
    return b"\xa2\x01" + algorithm + b"\x04" + _bstr(key.kid)


def _kid(protected: bytes) -> bytes:
    """The last 8 bytes, where the one allowed header has its kid; open1 compares the whole header later."""
    if len(protected) < KID_LENGTH:
        raise MalformedError("the protected header is not {1: algorithm, 4: kid}")
    return protected[-KID_LENGTH:]


def _bstr(content: bytes) -> bytes:
    return _bstr_head(len(content)) + content


def _bstr_head(size: int) -> bytes:
    if size < 24:  # noqa: PLR2004 - RFC 8949 section 3: the argument in the head itself
        return bytes((0x40 | max(size, 0),))
    width = 1 if size < 1 << 8 else 2 if size < 1 << 16 else 4
    return bytes((0x58 + width.bit_length() - 1,)) + size.to_bytes(width, "big")
