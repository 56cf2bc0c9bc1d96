"""Keeping a local copy of the feed: `evidence pull`. What a crash leaves of the copy stands in local_copy.py."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evidence import cbor, cose
from evidence.bundle import Entry, read_entries
from evidence.errors import FeedError, MalformedError, RefusedError, StrangerError
from evidence.feed import About, Feed
from evidence.findings import Pulled
from evidence.keys import PublicKey
from evidence.local_copy import Copy, Step
from evidence.receipt import RECEIPT_LIMIT, open_receipt
from evidence.roster import open_roster
from evidence.statement import peek_place
from evidence.trust import Keyring, Trust

REASONS_NAMED: Final = 20


Progress = Callable[[int], None]
"""Statements taken so far."""


def pull(
    feed: Feed,
    directory: Path,
    *,
    fingerprint: str,
    roster_key: PublicKey | None = None,
    progress: Progress | None = None,
    step: Step = lambda _: None,
) -> Pulled:
    """Bring the copy in `directory` up to date.

    Raises FeedError when the receiver cannot be reached or does not answer as it should, StrangerError when it is
    another one, CopyError when the directory cannot be gone on with.
    """
    about = feed.about()
    if about.key.fingerprint != fingerprint:
        shown = about.key.fingerprint
        raise StrangerError(f"this receiver signs with {shown}, not with {fingerprint}: ask its operator why")
    with Copy.open(directory, receiver=about.receiver, key=about.key, step=step) as copy:
        turn = _Pull(feed=feed, copy=copy, about=about, roster_key=roster_key or about.key, progress=progress)
        return turn.run()


@dataclass(slots=True)
class _Pull:
    feed: Feed
    copy: "Copy"
    about: About
    roster_key: PublicKey
    progress: Progress | None
    new: int = 0
    repeated: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    receipts_refused: list[str] = field(default_factory=list)

    def run(self) -> Pulled:
        """Roster, pages until there are no more, receipts."""
        arrivals = self.copy.arrivals
        arrivals.keyring = Keyring(trust=Trust(keys=(self.roster_key,)))
        self._learn_kept_rosters(arrivals.keyring)
        if self.roster_key != self.about.key:
            key = self.roster_key.to_cose_key()
            self.copy.keep_once(Entry.KEY, key, name="roster key", meaning=key)
        self._fetch_roster()
        while self._take_page():
            if self.progress is not None:
                self.progress(self.new)
        self._fetch_receipts()
        return Pulled(
            receiver=self.about.receiver,
            fingerprint=self.about.key.fingerprint,
            new=self.new,
            repeated=self.repeated,
            aside=tuple(sorted(self.reasons.items())),
            held=self.copy.held,
            streams=len(arrivals.segments),
            holes=tuple((*stream, *hole) for stream, hole in arrivals.holes),
            forks=tuple((*stream, n) for stream, n in arrivals.forks),
            receipts_refused=tuple(self.receipts_refused),
        )

    def _take_page(self) -> bool:
        page = self.feed.page(self.copy.cursor)
        statements = [content for kind, content in _entries(page.encoded) if kind is Entry.STATEMENT]
        if page.more and not statements and page.cursor == self.copy.cursor:
            raise FeedError("the feed says that there is more, and does not move on")
        if not self._knows_all(statements):
            self._fetch_roster()  # a box was enrolled, or granted, since
        found = self.copy.arrivals.sort(statements, self.copy.hashes_at)
        self.new += len(found.taken)
        self.repeated += found.repeated
        for _, reason in found.aside:
            known = reason in self.reasons or len(self.reasons) < REASONS_NAMED
            self.reasons[reason if known else "other reasons"] = self.reasons.get(reason, 0) + 1
        if found.taken or found.aside or page.cursor != self.copy.cursor:
            self.copy.append(
                [(Entry.STATEMENT, encoded) for encoded in found.taken],
                aside=[encoded for encoded, _ in found.aside],
                cursor=page.cursor,
            )
        return page.more

    def _knows_all(self, statements: list[bytes]) -> bool:
        """Whether every box that a page names has a key."""
        boxes = {place[0] for place in map(peek_place, statements) if place is not None}
        return all(self.copy.arrivals.keyring.keys_of(box) for box in boxes)

    def _learn_kept_rosters(self, keyring: Keyring) -> None:
        """Rosters of earlier pulls: a box that left the roster since may still have statements on the way."""
        for kind, content in self.copy.entries():
            if kind is Entry.ROSTER:
                keyring.add_roster(content)

    def _fetch_roster(self) -> None:
        for kind, content in _entries(self.feed.roster()):
            if kind is Entry.ROSTER:
                try:
                    roster = open_roster(content, self._key_for(self.roster_key))
                except RefusedError as cause:
                    raise StrangerError(f"the receiver's roster is not to be believed: {cause}") from cause
                self.copy.arrivals.keyring.add_roster(content)
                boxes = [[e.box, e.key.to_cose_key(), e.since_ms] for e in roster.boxes]
                self.copy.keep_once(Entry.ROSTER, content, name="roster", meaning=cbor.encode(boxes))

    def _fetch_receipts(self) -> None:
        for kind, content in _entries(self.feed.receipts()):
            if kind is Entry.RECEIPT:
                try:
                    receipt = open_receipt(content, self._key_for(self.about.key))
                except RefusedError as wrong:
                    self.receipts_refused.append(str(wrong))
                    continue
                meaning = cbor.decode(cose.peek1(content, at_most=RECEIPT_LIMIT), at_most=RECEIPT_LIMIT)
                del meaning[_RECEIPT_AT]
                self.copy.keep_once(
                    Entry.RECEIPT,
                    content,
                    name=f"receipt {receipt.box}",
                    meaning=repr(sorted(meaning.items())).encode(),
                )

    @staticmethod
    def _key_for(key: PublicKey) -> Callable[[bytes], PublicKey | None]:
        return lambda kid: key if key.kid == kid else None


_RECEIPT_AT: Final = 3
"""The time in a receipt: all else alike, a later receipt says nothing new."""


def _entries(encoded: bytes) -> list[tuple[Entry, bytes]]:
    try:
        return list(read_entries(encoded))
    except MalformedError as cause:
        raise FeedError(f"the feed's answer is no sequence of entries: {cause}") from cause
