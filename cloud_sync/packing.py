"""Statements made smaller for the store: the one door to `zstandard`.

Level 3 costs about 10 us a statement and saves a fifth of its bytes; much of the rest is signature and hash, which
nothing makes smaller.
"""

from typing import Final

from zstandard import FRAME_HEADER, ZstdCompressor, ZstdDecompressor, ZstdError

from cloud_sync.store import StoreError
from evidence.statement import STATEMENT_LIMIT

LEVEL: Final = 3


class Packer:
    """For one thread at a time."""

    def __init__(self) -> None:
        self._compressor = ZstdCompressor(level=LEVEL)

    def pack(self, encoded: bytes) -> bytes:
        """As a zstd frame (RFC 8878) where that is shorter: its first byte, 28, is never that of a statement, d2."""
        packed: bytes = self._compressor.compress(encoded)
        return packed if len(packed) < len(encoded) else encoded


def unpack(body: bytes) -> bytes:
    """What `pack` was given. Raises StoreError when the frame is damaged."""
    if not body.startswith(FRAME_HEADER):
        return body
    try:
        unpacked: bytes = ZstdDecompressor().decompress(body, max_output_size=STATEMENT_LIMIT)
    except ZstdError as cause:
        raise StoreError(f"a stored statement is damaged: {cause}") from cause
    return unpacked
