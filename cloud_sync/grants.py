"""What a bank may pull, and where it stands in it: pure.

A cursor says: all that these grants showed up to this commit was sent. So when a bank is granted more, the cursor
is not simply moved on, which would skip the older statements of what is newly granted: those are sent first (the
backfill), and then the feed goes on where it was. The rules:
1. The feed is in commit order, and a cursor stands behind one commit, which it names by its hash.
2. Grants are numbered. A cursor says up to which number they have been served.
3. A grant with a higher number, that stands, starts a backfill: of every stream, what the higher ones show and the
   served ones that still stand do not, from the beginning up to the cursor.
4. When the backfill is done the cursor takes the higher number. A grant that comes meanwhile waits for the next one.
5. A revoked grant counts no more, neither as served nor as shown; given again it has a new number, and is backfilled.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloud_sync.store import Grant, Shown
from evidence import cbor
from evidence.bodies import MS_LIMIT, STREAM
from evidence.errors import MalformedError

CURSOR_LIMIT: Final = 128
"""Characters of a cursor, at most."""
NAME_LENGTH: Final = 8
"""Bytes of a commit's hash in a cursor."""

_PATTERNS: Final = ("*", "machine/*", "meter/*", "zone/*", "gate/*", "fire/*")
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a bank stands. Nothing in it is secret, and one that is made up shows nothing more than its grants do."""

    after: int = 0
    """Everything up to this commit was sent."""
    name: bytes = b""
    """Of that commit; empty for 0."""
    grants: int = 0
    """… as far as grants up to this number show it."""
    filled: int = 0
    """In a backfill: everything up to this commit was sent …"""
    filling: int | None = None
    """… of what grants up to this number show beyond those served; None: no backfill."""

    def to_text(self) -> str:
        """Opaque to whoever gets it."""
        parts = [_VERSION, self.after, self.name, self.grants, self.filled, self.filling]
        return urlsafe_b64encode(cbor.encode(parts)).rstrip(b"=").decode()

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """The cursor in this text; raises MalformedError."""
        if len(text) > CURSOR_LIMIT or not text.isascii():
            raise MalformedError("no cursor of this receiver")
        try:
            encoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError as cause:
            raise MalformedError("no cursor of this receiver") from cause
        match cbor.decode(encoded, at_most=CURSOR_LIMIT):
            case [1, int(after), bytes(name), int(grants), int(filled), int() | None as filling]:
                numbers = (after, grants, filled, filling or 0)
                if all(0 <= number < MS_LIMIT for number in numbers) and len(name) == (NAME_LENGTH if after else 0):
                    return cls(after=after, name=name, grants=grants, filled=filled, filling=filling)
        raise MalformedError("no cursor of this receiver")


def check_pattern(pattern: str) -> str:
    """The pattern, if it is one; raises MalformedError that says what it may be."""
    if pattern in _PATTERNS or STREAM.fullmatch(pattern):
        return pattern
    raise MalformedError(f"{pattern!r:.60} is neither a stream (machine/loom-1) nor one of {', '.join(_PATTERNS)}")


def covers(grant: Grant, box: str, stream: str) -> bool:
    """Whether the grant shows this stream."""
    if grant.box != box:
        return False
    pattern = grant.pattern
    return pattern in ("*", stream) or (pattern.endswith("/*") and stream.startswith(pattern[:-1]))


def newest(grants: Iterable[Grant]) -> int:
    """The highest number."""
    return max((grant.id for grant in grants), default=0)


def shown_by(grants: Iterable[Grant], streams: Iterable[tuple[int, str, str]]) -> dict[int, Shown]:
    """What these grants show of these streams (id, box, name)."""
    given = tuple(grants)
    return {
        stream: Shown(from_ms=from_ms)
        for stream, box, name in streams
        if (from_ms := _shown_from(given, box, name)) is not None
    }


def backfill(grants: Iterable[Grant], cursor: Cursor, streams: Iterable[tuple[int, str, str]]) -> dict[int, Shown]:
    """What a cursor in a backfill has yet to send of these streams, beyond what its grants showed (rule 3)."""
    given = tuple(grants)
    served = tuple(grant for grant in given if grant.id <= cursor.grants)
    more = tuple(grant for grant in given if cursor.grants < grant.id <= (cursor.filling or 0))
    shown: dict[int, Shown] = {}
    for stream, box, name in streams:
        before_ms, now_ms = _shown_from(served, box, name), _shown_from(more, box, name)
        if now_ms is None:
            continue
        if before_ms is None:
            shown[stream] = Shown(from_ms=now_ms)
        elif now_ms < before_ms:
            shown[stream] = Shown(from_ms=now_ms, until_ms=before_ms, settings=False)
    return shown


def _shown_from(grants: Iterable[Grant], box: str, stream: str) -> int | None:
    return min((grant.from_ms for grant in grants if covers(grant, box, stream)), default=None)
