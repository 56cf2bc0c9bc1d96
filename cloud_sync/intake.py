"""From batches to stored statements and receipts, in the order that loses nothing.

For each group of batches that waits: verify every statement, store all in one transaction, then acknowledge the
messages, then publish receipts. What is acknowledged is on the disk; a crash anywhere before makes the broker or the
box send again, and what was stored is then Repeated.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from queue import Empty, Full, Queue
from threading import Event
from typing import Final, Protocol

from cloud_sync import log
from cloud_sync.accept import Accepted, Refused, Repeated, check
from cloud_sync.clock import Clock
from cloud_sync.receipts import Receipts
from cloud_sync.store import QUARANTINE_BODY_LIMIT, Quarantined, Store, StoreError, Verdict
from evidence.cbor import item_end
from evidence.chain import Outcome
from evidence.errors import MalformedError
from evidence.keys import PublicKey
from evidence.statement import Statement

WAITING_LIMIT: Final = 64
"""Batches that wait, at most: 48 MB. When so many do, the broker waits with the next one."""
OFFER_S: Final = 10.0
"""How long the broker is kept waiting before the connection is given up: less than a keepalive."""
COMMIT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of batches in one commit, about; what waits is taken together, so a busy receiver commits in larger groups."""
REFUSED_PER_BATCH: Final = 16
"""Statements of one batch that are refused one by one; after that the rest of it is put aside in one piece."""
RETRY_S: Final = (0.5, 1, 2, 5, 10, 30)
"""Waits between attempts when the store cannot be written."""
ROSTER_AGE_S: Final = 0.2
"""How old the roster in memory may be before a stranger makes it be read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One message from a box, not looked at. An empty payload asks for a receipt of everything."""

    box: str
    payload: bytes
    token: object = None
    """What the messenger needs to acknowledge it."""


class Messenger(Protocol):
    """Who brings batches and takes receipts away."""

    def acknowledge(self, batch: Batch) -> None:
        """The batch need not be sent again."""
        ...

    def publish(self, box: str, receipt: bytes) -> None:
        """Send a receipt, if the box can be reached; it may be lost."""
        ...


class Keys:
    """Which keys may speak for which box, as the store's roster says."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._of: dict[str, dict[bytes, PublicKey]] = {}
        self._read_s = -ROSTER_AGE_S

    def of(self, box: str) -> Mapping[bytes, PublicKey]:
        """By kid."""
        return self._of.get(box, {})

    def refresh(self) -> bool:
        """Read the roster again unless that was just done; whether it was read."""
        now_s = self._clock.steady_s()
        if now_s - self._read_s < ROSTER_AGE_S:
            return False
        self._read_s = now_s
        found: dict[str, dict[bytes, PublicKey]] = {}
        for enrolled in self._store.roster():
            found.setdefault(enrolled.box, {})[enrolled.key.kid] = enrolled.key
        self._of = found
        return True

    def check(self, encoded: bytes, *, box: str) -> Statement | Refused:
        """`accept.check`, with the roster read again before a stranger is refused."""
        found = check(encoded, box=box, keys=self.of(box))
        if isinstance(found, Refused) and not found.for_good and self.refresh():
            return check(encoded, box=box, keys=self.of(box))
        return found


@dataclass(slots=True, kw_only=True)
class Opened:
    """What was in one or more batches."""

    statements: list[Statement] = field(default_factory=list)
    refused: list[Quarantined] = field(default_factory=list)


def open_batch(payload: bytes, *, box: str, keys: Keys, at_ms: int) -> Opened:
    """Every statement in a batch, verified, and what is none; never raises whatever the bytes are.

    What stands before garbage is kept, the garbage and what follows it is refused in one piece.
    """
    opened = Opened()
    start = 0
    while start < len(payload):
        try:
            end = item_end(payload, start)
        except MalformedError as cause:
            opened.refused.append(quarantined(box, payload[start:], Refused(reason=str(cause), for_good=True), at_ms))
            break
        found = keys.check(payload[start:end], box=box)
        if isinstance(found, Statement):
            opened.statements.append(found)
        elif len(opened.refused) < REFUSED_PER_BATCH:
            opened.refused.append(quarantined(box, payload[start:end], found, at_ms))
        else:
            rest = Refused(reason=f"after {REFUSED_PER_BATCH} refused ones in a batch: {found.reason}", for_good=False)
            opened.refused.append(quarantined(box, payload[start:], rest, at_ms))
            break
        start = end
    return opened


def quarantined(box: str, body: bytes, refused: Refused, at_ms: int) -> Quarantined:
    """These bytes, to be put aside."""
    return Quarantined(
        box=box,
        sha256=sha256(body).digest(),
        reason=refused.reason,
        for_good=refused.for_good,
        body=body[:QUARANTINE_BODY_LIMIT],
        length=len(body),
        first_ms=at_ms,
        last_ms=at_ms,
    )


@dataclass(slots=True)
class Counts:
    """What the intake has done since it started; for /healthz and the bench."""

    batches: int = 0
    commits: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    last_commit_ms: int | None = None
    store_works: bool = True


@dataclass(slots=True)
class _Touched:
    """What of a box must be receipted."""

    streams: set[str] = field(default_factory=set)
    everything: bool = False
    refusals: bool = False


class Intake:
    """The one thread that stores."""

    def __init__(
        self, store: Store, receipts: Receipts, messenger: Messenger, clock: Clock, *, patience_s: float = OFFER_S
    ) -> None:
        self._store, self._receipts, self._messenger, self._clock = store, receipts, messenger, clock
        self._patience_s = patience_s
        self._waiting: Queue[Batch] = Queue(WAITING_LIMIT)
        self._keys = Keys(store, clock)
        self._troubles = log.Troubles()
        self.counts = Counts()

    def offer(self, batch: Batch) -> bool:
        """Let it wait for the next commit; False when there was no room for OFFER_S: it must not be acknowledged."""
        try:
            self._waiting.put(batch, timeout=self._patience_s)
        except Full:
            return False
        return True

    @property
    def waiting(self) -> int:
        """Batches that wait."""
        return self._waiting.qsize()

    def run(self, stop: Event) -> None:
        """Store what comes until `stop` is set and nothing waits any more."""
        while True:
            batches = self._gather(wait_s=0.2)
            if batches:
                self._take_safely(batches, stop)
            elif stop.is_set():
                return

    def take(self, batches: Sequence[Batch], stop: Event) -> None:
        """Store these batches, acknowledge them, receipt them. Returns without either when `stop` comes first."""
        at_ms = self._clock.utc_ms()
        opened = Opened()
        touched: dict[str, _Touched] = {}
        for batch in batches:
            of_box = touched.setdefault(batch.box, _Touched())
            of_box.everything |= not batch.payload
            found = open_batch(batch.payload, box=batch.box, keys=self._keys, at_ms=at_ms)
            opened.statements += found.statements
            opened.refused += found.refused
            of_box.refusals |= bool(found.refused)
        # Power fails here: nothing is held or acknowledged; the broker or the boxes send again.
        verdicts = self._stored(opened, at_ms, stop)
        if verdicts is None:
            return
        # Power fails here: all is held; unacknowledged, it comes again and is Repeated.
        for batch in batches:
            self._messenger.acknowledge(batch)
        # Power fails here: the boxes have no receipt, keep everything, and ask when they connect again.
        self._count(len(batches), opened, verdicts, at_ms)
        for verdict, statement in zip(verdicts, opened.statements, strict=True):
            if isinstance(verdict, Refused):
                touched[statement.box].refusals = True
            else:
                touched[statement.box].streams.add(statement.stream)
        for box, what in touched.items():
            self._receipt(box, what)

    def _take_safely(self, batches: Sequence[Batch], stop: Event) -> None:
        """`take`, where a batch that this program fails on harms no other: it is put aside unopened."""
        try:
            self.take(batches, stop)
        except Exception as cause:  # noqa: BLE001 - the top of the loop: a fault of ours must not end the receiver
            if len(batches) > 1:
                for batch in batches:
                    self._take_safely([batch], stop)
                return
            box, payload, at_ms = batches[0].box, batches[0].payload, self._clock.utc_ms()
            self._troubles.begin("fault", "a batch was put aside", person=True, box=box, cause=repr(cause), do="report")
            refused = Refused(reason=f"this receiver failed on it: {cause!r}", for_good=False)
            whole = Opened(refused=[quarantined(box, payload, refused, at_ms)])
            if self._stored(whole, at_ms, stop) is not None:
                self._messenger.acknowledge(batches[0])

    def _gather(self, *, wait_s: float) -> list[Batch]:
        """What waits, up to COMMIT_BYTES; when nothing does, what comes first within so long."""
        try:
            batches = [self._waiting.get(timeout=wait_s)]
        except Empty:
            return []
        size = len(batches[0].payload)
        while size < COMMIT_BYTES:
            try:
                batches.append(self._waiting.get_nowait())
            except Empty:
                break
            size += len(batches[-1].payload)
        return batches

    def _stored(self, opened: Opened, at_ms: int, stop: Event) -> tuple[Verdict, ...] | None:
        """The verdicts, once they are on the disk, however long that takes; None when told to stop meanwhile."""
        for wait_s in _waits():
            try:
                verdicts: tuple[Verdict, ...] = ()
                if opened.statements or opened.refused:
                    verdicts = self._store.take(opened.statements, opened.refused, received_ms=at_ms)
            except StoreError as cause:
                self.counts.store_works = False
                self._troubles.begin("store", "statements cannot be stored", person=True, cause=cause, do="see cause")
                if self._clock.wait(wait_s, stop):
                    return None
            else:
                self.counts.store_works = True
                self._troubles.over("store", "statements are stored again")
                return verdicts
        return None

    def _receipt(self, box: str, what: _Touched) -> None:
        streams = None if what.everything else what.streams
        if streams == set() and not what.refusals:
            return
        refusals = what.refusals or what.everything
        try:
            receipts = self._receipts.of(box, at_ms=self._clock.utc_ms(), streams=streams, refusals=refusals)
        except StoreError as cause:
            self._troubles.begin("receipt", "no receipt sent", box=box, cause=cause)
            return
        for receipt in receipts:
            self._messenger.publish(box, receipt)

    def _count(self, batches: int, opened: Opened, verdicts: Sequence[Verdict], at_ms: int) -> None:
        counts = self.counts
        counts.batches += batches
        if opened.statements or opened.refused:
            counts.commits += 1
            counts.last_commit_ms = at_ms
        for verdict, statement in zip(verdicts, opened.statements, strict=True):
            match verdict:
                case Accepted(outcome=outcome):
                    counts.accepted += 1
                    if outcome is Outcome.FORK:
                        where = f"{statement.box} {statement.stream}"
                        self._troubles.begin(f"fork {where}", "two statements with one n", where=where, n=statement.n)
                case Repeated():
                    counts.repeated += 1
                case Refused(reason=reason):
                    counts.refused += 1
                    self._troubles.begin(f"refused {statement.box}", "refused", box=statement.box, reason=reason)
        for piece in opened.refused:
            counts.refused += 1
            self._troubles.begin(f"refused {piece.box}", "refused", box=piece.box, reason=piece.reason)


def _waits() -> Iterator[float]:
    yield from RETRY_S
    while True:
        yield RETRY_S[-1]
