"""What goes between a process that has something signed and the one that holds the key: packets on a local socket.

SOCK_SEQPACKET: whole packets, in order. The signer speaks first, then every question has one answer:

    signer    HELLO and its public key (a COSE_Key), or NO and why it cannot sign
    asker     MORE and a piece of the message, again and again; LAST and the last piece
    signer    SIGNATURE and 64 bytes, or NO and why this is not signed

Whatever else comes ends the connection.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from evidence.cose import SIGNATURE_LENGTH
from evidence.errors import MalformedError
from evidence.pen import CoseKey
from evidence.statement import STATEMENT_LIMIT

HELLO: Final = b"H"
MORE: Final = b"M"
LAST: Final = b"L"
SIGNATURE: Final = b"S"
NO: Final = b"N"

PIECE_BYTES: Final = 16 * 1024
"""Of a message in one packet: small enough for the kernel to find room for it always."""
PACKET_LIMIT: Final = 1 + PIECE_BYTES
MESSAGE_LIMIT: Final = STATEMENT_LIMIT + 1024
"""Bytes of a message, at most: a statement and what is signed besides."""
REASON_LIMIT: Final = 400
"""UTF-8 bytes of a reason."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is signed, and why."""

    why: str


def questions(message: bytes) -> Iterator[bytes]:
    """The packets that ask for a signature."""
    last = max(0, len(message) - 1) // PIECE_BYTES * PIECE_BYTES
    for begin in range(0, last, PIECE_BYTES):
        yield MORE + message[begin : begin + PIECE_BYTES]
    yield LAST + message[last:]


def hello(key: CoseKey) -> bytes:
    """The packet that says who signs here."""
    return HELLO + key.to_cose_key()


def answer(signed: bytes | Refused) -> bytes:
    """The packet with a signature, or with why there is none."""
    if isinstance(signed, Refused):
        return NO + signed.why.encode()[:REASON_LIMIT]
    return SIGNATURE + signed


def open_hello(packet: bytes) -> CoseKey | Refused:
    """Who signs there. Raises MalformedError."""
    if packet[:1] == HELLO:
        return CoseKey.from_cose_key(packet[1:])
    return _refusal(packet)


def open_answer(packet: bytes) -> bytes | Refused:
    """The signature. Raises MalformedError."""
    if packet[:1] == SIGNATURE and len(packet) == 1 + SIGNATURE_LENGTH:
        return packet[1:]
    return _refusal(packet)


def _refusal(packet: bytes) -> Refused:
    if not packet:
        raise MalformedError("it ended")
    if packet[:1] != NO:
        raise MalformedError(f"a packet of {len(packet)} bytes that is no answer of a signer")
    return Refused(packet[1:].decode(errors="replace"))
