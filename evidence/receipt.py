"""Receipts: the receiver's signed word for what it holds after its commit, and the only thing the box deletes against.

Per stream: the segments it holds (the one from 0 first: its end is the contiguous mark; what lies between segments is
missing) and the statements it refused for good.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from evidence import cbor, cose
from evidence.bodies import MS_LIMIT, check_stream
from evidence.chain import SEGMENTS_LIMIT, Segment
from evidence.errors import MalformedError
from evidence.pen import Pen
from evidence.statement import HASH_LENGTH, check_box

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.keys import PublicKey

VERSION: Final = 1
AAD: Final = b"qianliyan receipt 1"
RECEIPT_LIMIT: Final = 256 * 1024
"""Bytes of one receipt, at most."""
STREAMS_LIMIT: Final = 1024
REFUSALS_LIMIT: Final = 64
"""Refused statements of one stream that a receipt names, at most: the newest."""
REASON_LIMIT: Final = 200
"""UTF-8 bytes of a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A statement that the receiver will never take, and why: the box puts it aside and sends it no more."""

    sha256: bytes
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReceipt:
    """What is held of one stream."""

    stream: str
    segments: tuple[Segment, ...]
    """The longest from 0 first, when 0 is held; then the newest."""

    @property
    def mark(self) -> int | None:
        """Every statement from 0 up to this n is held; None when 0 is not."""
        return self.segments[0].last if self.segments and self.segments[0].first == 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One signed receipt, checked."""

    receiver: str
    box: str
    at_ms: int
    """UTC ms by the receiver's clock: what is named was held no later than this."""
    streams: tuple[StreamReceipt, ...]
    refusals: tuple[Refusal, ...] = ()


def seal_receipt(pen: Pen, receipt: Receipt) -> bytes:
    """The receipt's bytes, signed by the receiver."""
    payload = {
        0: VERSION,
        1: receipt.receiver,
        2: receipt.box,
        3: receipt.at_ms,
        4: [
            [s.stream, [[g.first, g.last, g.prev, g.sha256] for g in s.segments[:SEGMENTS_LIMIT]]]
            for s in receipt.streams
        ],
        5: [[r.sha256, r.reason] for r in receipt.refusals[:REFUSALS_LIMIT]],
    }
    return cose.sign1(pen, cbor.encode(payload), aad=AAD)


def open_receipt(encoded: bytes, key_of: "Callable[[bytes], PublicKey | None]") -> Receipt:
    """The receipt in these bytes. Raises MalformedError or SignatureError; nothing may be deleted then."""
    payload, _ = cose.open1(encoded, aad=AAD, key_of=key_of, at_most=RECEIPT_LIMIT)
    value = cbor.decode(payload, at_most=RECEIPT_LIMIT)
    match value:
        case {0: 1, 1: receiver, 2: box, 3: int(at_ms), 4: list(streams), 5: list(refusals)} if len(value) == 6:  # noqa: PLR2004 - the keys 0 to 5
            if len(streams) > STREAMS_LIMIT or len(refusals) > REFUSALS_LIMIT or not 0 <= at_ms < MS_LIMIT:
                raise MalformedError("a receipt beyond its limits")
            return Receipt(
                receiver=check_box(receiver),
                box=check_box(box),
                at_ms=at_ms,
                streams=tuple(map(_stream, streams)),
                refusals=tuple(map(_refusal, refusals)),
            )
    raise MalformedError("no receipt: not a map with the keys 0 to 5")


def _stream(value: Any) -> StreamReceipt:  # noqa: ANN401 - from outside
    match value:
        case [stream, list(segments)] if len(segments) <= SEGMENTS_LIMIT:
            return StreamReceipt(stream=check_stream(stream), segments=tuple(map(_segment, segments)))
    raise MalformedError("no stream of a receipt")


def _segment(value: Any) -> Segment:  # noqa: ANN401 - from outside
    match value:
        case [int(first), int(last), bytes(prev), bytes(sha256)] if (
            0 <= first <= last < MS_LIMIT and len(prev) == (HASH_LENGTH if first else 0) and len(sha256) == HASH_LENGTH
        ):
            return Segment(first, last, prev, sha256)
    raise MalformedError("no segment of a receipt")


def _refusal(value: Any) -> Refusal:  # noqa: ANN401 - from outside
    match value:
        case [bytes(sha256), str(reason)] if len(sha256) == HASH_LENGTH and len(reason.encode()) <= REASON_LIMIT:
            return Refusal(sha256=sha256, reason=reason)
    raise MalformedError("no refusal of a receipt")
