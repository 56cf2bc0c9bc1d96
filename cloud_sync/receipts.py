"""Receipts: what the database says is held, signed. Made after the commit, from the database, never from memory.

If a receipt is lost, nothing is: the box asks again. If one could be forged, a box would delete pages that nobody
holds, which is why it checks the receiver's signature.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from cloud_sync.store import Store
from evidence.keys import SigningKey
from evidence.receipt import RECEIPT_LIMIT, Receipt, Refusal, StreamReceipt, seal_receipt

_SEGMENT_BYTES: Final = 9 + 9 + 34 + 34 + 1
_STREAM_BYTES: Final = 64
_REFUSAL_BYTES: Final = 34 + 204
_ROOM_BYTES: Final = RECEIPT_LIMIT - 64 * _REFUSAL_BYTES - 1024
"""For streams; the rest is for refusals, the head and the signature."""


class Receipts:
    """The receiver's signature under what it holds."""

    def __init__(self, store: Store, key: SigningKey, *, receiver: str) -> None:
        self._store, self._key, self._receiver = store, key, receiver

    def of(self, box: str, *, at_ms: int, streams: Collection[str] | None, refusals: bool) -> list[bytes]:
        """Receipts for these streams of a box (all: None); more than one where one would be too large.

        A box of which nothing is held gets one that says so.
        """
        held = self._store.held(box, streams)
        refused = self._store.refusals(box) if refusals else ()
        parts = list(_parts(held)) or [()]
        return [self._seal(box, at_ms, part, () if i else refused) for i, part in enumerate(parts)]

    def _seal(self, box: str, at_ms: int, streams: tuple[StreamReceipt, ...], refusals: tuple[Refusal, ...]) -> bytes:
        receipt = Receipt(receiver=self._receiver, box=box, at_ms=at_ms, streams=streams, refusals=refusals)
        return seal_receipt(self._key, receipt)


def _parts(held: Iterable[StreamReceipt]) -> Iterator[tuple[StreamReceipt, ...]]:
    """The streams, in groups that fit into one receipt each."""
    part: list[StreamReceipt] = []
    size = 0
    for stream in held:
        more = _STREAM_BYTES + len(stream.segments) * _SEGMENT_BYTES
        if part and size + more > _ROOM_BYTES:
            yield tuple(part)
            part, size = [], 0
        part.append(stream)
        size += more
    if part:
        yield tuple(part)
