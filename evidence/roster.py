"""The roster (名册): which key may speak for which box, signed by who enrolled them.

If lost: statements cannot be attributed to a box. If altered: a stranger's statements pass for a box's, which is why
a bank compares the fingerprint of the roster's signer once, by telephone or on paper.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from evidence import cbor, cose
from evidence.bodies import MS_LIMIT, TEXT_LIMIT
from evidence.errors import MalformedError
from evidence.keys import PublicKey, SigningKey
from evidence.statement import check_box

VERSION: Final = 1
AAD: Final = b"qianliyan roster 1"
ROSTER_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of one roster, at most: about 25,000 boxes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """One box, and the key it signs with since it was enrolled."""

    box: str
    enterprise: str
    site: str
    key: PublicKey
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """One signed roster, checked."""

    receiver: str
    at_ms: int
    boxes: tuple[Enrolled, ...]

    def key_of(self, kid: bytes) -> PublicKey | None:
        """The enrolled key with this kid."""
        return next((enrolled.key for enrolled in self.boxes if enrolled.key.kid == kid), None)

    def may_speak(self, box: str, key: PublicKey) -> bool:
        """Whether `key` is enrolled for `box`."""
        return any(enrolled.box == box and enrolled.key == key for enrolled in self.boxes)


def seal_roster(key: SigningKey, roster: Roster) -> bytes:
    """The roster's bytes, signed by the receiver."""
    boxes = [[e.box, e.enterprise, e.site, e.key.to_cose_key(), e.since_ms] for e in roster.boxes]
    payload = {0: VERSION, 1: roster.receiver, 2: roster.at_ms, 3: boxes}
    return cose.sign1(key, cbor.encode(payload), aad=AAD)


def open_roster(encoded: bytes, key_of: Callable[[bytes], PublicKey | None]) -> Roster:
    """The roster in these bytes. Raises MalformedError or SignatureError."""
    payload, _ = cose.open1(encoded, aad=AAD, key_of=key_of, at_most=ROSTER_LIMIT)
    value = cbor.decode(payload, at_most=ROSTER_LIMIT)
    match value:
        case {0: 1, 1: receiver, 2: int(at_ms), 3: list(boxes)} if len(value) == 4 and 0 <= at_ms < MS_LIMIT:  # noqa: PLR2004 - the keys 0 to 3
            return Roster(receiver=check_box(receiver), at_ms=at_ms, boxes=tuple(map(_enrolled, boxes)))
    raise MalformedError("no roster: not a map with the keys 0 to 3")


def _enrolled(value: Any) -> Enrolled:  # noqa: ANN401 - from outside
    match value:
        case [box, str(enterprise), str(site), bytes(key), int(since_ms)] if (
            0 <= since_ms < MS_LIMIT and max(len(enterprise.encode()), len(site.encode())) <= TEXT_LIMIT
        ):
            return Enrolled(
                box=check_box(box),
                enterprise=enterprise,
                site=site,
                key=PublicKey.from_cose_key(key),
                since_ms=since_ms,
            )
    raise MalformedError("no enrolled box of a roster")
