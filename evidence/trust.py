"""Whose word counts: from the keys a reader trusts, over rosters, to the keys that may speak for a box.

Rules, in order:
1. A key that the reader trusts counts: a roster's signer speaks for every box in it, a box's own key for the box.
2. When the reader trusts nobody, a roster is read with the key that the bundle brings, and a box that is in no
   roster is read with the key of its own first page. Both prove consistency and nothing else.
3. When the reader trusts somebody, nothing else counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from evidence import cose
from evidence.bodies import Commissioning
from evidence.findings import Signer, Voucher
from evidence.keys import PublicKey
from evidence.roster import ROSTER_LIMIT, Roster, open_roster
from evidence.statement import Statement, open_statement, peek_commissioned_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the reader brings: keys, or fingerprints that he compared by telephone or on paper."""

    keys: tuple[PublicKey, ...] = ()
    fingerprints: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is trusted, so that only consistency can be checked."""
        return not self.keys and not self.fingerprints

    def includes(self, key: PublicKey) -> bool:
        """Whether the reader trusts this key."""
        return key in self.keys or key.fingerprint in self.fingerprints

    @property
    def named(self) -> tuple[str, ...]:
        """Every trusted fingerprint."""
        return tuple(sorted({key.fingerprint for key in self.keys} | self.fingerprints))


@dataclass(slots=True)
class Keyring:
    """Which keys may speak for which box, as rosters and first pages come in."""

    trust: Trust
    brought: list[PublicKey] = field(default_factory=list)
    """Keys that the bundle brings; believed only when the reader trusts their fingerprint, or trusts nobody."""
    rosters: int = 0
    unchecked: int = 0
    receipts: int = 0
    receipts_unchecked: int = 0
    _boxes: dict[str, dict[bytes, tuple[PublicKey, Signer]]] = field(default_factory=dict)

    def bring(self, cose_key: bytes) -> None:
        """A key entry of the bundle. Raises MalformedError when it is none."""
        key = PublicKey.from_cose_key(cose_key)
        if key not in self.brought:
            self.brought.append(key)

    def receiver_key(self, kid: bytes) -> PublicKey | None:
        """The receiver's key with this kid, if it counts."""
        candidates = [*self.trust.keys, *(k for k in self.brought if self.trust.is_empty or self.trust.includes(k))]
        return next((key for key in candidates if key.kid == kid), None)

    def add_roster(self, encoded: bytes) -> Roster | None:
        """Take in a roster; None when its signer's key is not here or does not count. Raises RefusedError."""
        signer = self.receiver_key(cose.peek_kid(encoded, at_most=ROSTER_LIMIT))
        if signer is None:
            self.unchecked += 1
            return None
        roster = open_roster(encoded, lambda _: signer)
        self.rosters += 1
        voucher = Voucher.TRUSTED_ROSTER if self.trust.includes(signer) else Voucher.BUNDLE_ROSTER
        for enrolled in roster.boxes:
            self._add(
                enrolled.key,
                Signer(
                    box=enrolled.box,
                    fingerprint=enrolled.key.fingerprint,
                    algorithm=enrolled.key.algorithm.name,
                    voucher=voucher,
                    roster_receiver=roster.receiver,
                    roster_fingerprint=signer.fingerprint,
                    roster_at_ms=roster.at_ms,
                    enterprise=enrolled.enterprise,
                    site=enrolled.site,
                    since_ms=enrolled.since_ms,
                ),
            )
        return roster

    def add_first_page(self, box: str, encoded: bytes) -> None:
        """Take in what claims to be a box's COMMISSIONING; it counts by the rules above. Raises RefusedError."""
        key = PublicKey.from_cose_key(peek_commissioned_key(encoded))
        page: Statement = open_statement(encoded, lambda _: key)
        if not isinstance(page.body, Commissioning) or page.box != box:
            return
        self._add_itself(box, key, enterprise=page.body.enterprise, site=page.body.site)

    def add_trusted_keys(self, boxes: Iterable[str]) -> None:
        """A box's own key, handed over by the reader, speaks for it even where no first page is here."""
        for box in boxes:
            for key in self.trust.keys:
                self._add_itself(box, key)

    def keys_of(self, box: str) -> dict[bytes, PublicKey]:
        """Kid to key, of the keys that may speak for `box`."""
        return {kid: key for kid, (key, _) in self._boxes.get(box, {}).items()}

    def signer(self, box: str, key: PublicKey) -> Signer:
        """Who says that `key` speaks for `box`."""
        return self._boxes[box][key.kid][1]

    def _add_itself(self, box: str, key: PublicKey, *, enterprise: str | None = None, site: str | None = None) -> None:
        voucher = Voucher.TRUSTED_KEY if self.trust.includes(key) else Voucher.ITSELF
        if voucher is Voucher.ITSELF and (not self.trust.is_empty or box in self._boxes):
            return
        signer = Signer(
            box=box,
            fingerprint=key.fingerprint,
            algorithm=key.algorithm.name,
            voucher=voucher,
            enterprise=enterprise,
            site=site,
        )
        self._add(key, signer)

    def _add(self, key: PublicKey, signer: Signer) -> None:
        keys = self._boxes.setdefault(signer.box, {})
        known = keys.get(key.kid)
        if known is None or (signer.voucher, -(signer.roster_at_ms or 0)) < (
            known[1].voucher,
            -(known[1].roster_at_ms or 0),
        ):
            keys[key.kid] = (key, signer)
