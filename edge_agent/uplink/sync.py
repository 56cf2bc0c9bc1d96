"""Sending statements up, and deleting against receipts alone.

What was sealed since the connection began goes first (live); what was left over goes in between, oldest first, at a
bounded rate (backlog). Nothing is remembered of what was sent: after every reconnection the receiver is asked what it
holds (an empty batch), and only what no receipt covers is sent.

How much may be on its way without a receipt begins small, doubles with every receipt, and shrinks when one fails to
come: a slow link is never given more than it can carry in the time that a receipt may take.
"""

import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from edge_agent.keeping.spool import ReceiptTaken, Spool, SpoolDamagedError, SpoolError, Unsent
from edge_agent.uplink.mqtt import Broker, Connection, UplinkError, connect
from evidence.errors import RefusedError
from evidence.keys import PublicKey
from evidence.receipt import Receipt, open_receipt
from evidence.statement import BATCH_LIMIT

BATCH_STATEMENTS: Final = 200
"""Statements in one batch, at most."""
OUTSTANDING_STATEMENTS: Final = 800
"""Statements sent and not yet receipted, at most."""
FIRST_WINDOW_BYTES: Final = 64 * 1024
"""Bytes of them, at the beginning …"""
SMALLEST_WINDOW_BYTES: Final = 16 * 1024
LARGEST_WINDOW_BYTES: Final = 4 * 1024 * 1024
"""… and at most; so much memory may the uplink take."""
RECEIPT_WAIT_S: Final = 30.0
"""A receipt that takes longer means that the link swallows what is sent: connect anew."""
PUMP_S: Final = 0.1
FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A statement on its way."""

    stream: str
    n: int
    size: int
    at_s: float


@dataclass(slots=True, kw_only=True)
class Sending:
    """What is to be sent over one connection; pure but for the spool that it asks."""

    boundary: int
    """Statements up to this id were sealed before the connection: they are backlog."""
    backlog_after: int
    """No statement up to this id is unsent."""
    room: int
    """Bytes that fit in one batch."""
    window_bytes: int = FIRST_WINDOW_BYTES
    credit: float = 0.0
    """Backlog statements that may be sent now."""
    outstanding: dict[int, _Sent] = field(default_factory=dict)
    """By statement id."""
    too_large: list[Unsent] = field(default_factory=list)
    """Passed over because the broker takes no message of that size; the caller tells and empties it."""
    live_after: int = field(init=False)

    def __post_init__(self) -> None:
        self.live_after = self.boundary

    def next_batch(self, spool: Spool) -> list[Unsent]:
        """The statements to send now: live ones, else backlog within the credit."""
        allowed = min(BATCH_STATEMENTS, OUTSTANDING_STATEMENTS - len(self.outstanding))
        if allowed <= 0:
            return []
        live = spool.unsent(after=self.live_after, up_to=spool.newest_id(), at_most=allowed)
        if live:
            batch, self.live_after = self._fitting(live, self.live_after)
            return batch
        allowed = min(allowed, int(self.credit))
        if allowed <= 0 or self.backlog_after >= self.boundary:
            return []
        backlog = spool.unsent(after=self.backlog_after, up_to=self.boundary, at_most=allowed)
        if not backlog:
            self.backlog_after = self.boundary
            return []
        batch, self.backlog_after = self._fitting(backlog, self.backlog_after)
        self.credit -= len(batch)
        return batch

    def sent(self, batch: Iterable[Unsent], now_s: float) -> None:
        """Note what went out."""
        for one in batch:
            self.outstanding[one.id] = _Sent(one.stream, one.n, len(one.encoded), now_s)

    def receipted(self, receipt: Receipt, taken: ReceiptTaken) -> None:
        """Note what a receipt settles: what need not be waited for any longer.

        That is what it refuses, and whatever lies in one of its segments, also in one of another history: the receipt
        cannot tell which of the two statements of a fork are held, so they are sent once a connection.
        """
        segments = {heard.stream: heard.segments for heard in receipt.streams}
        refused = {(aside.stream, aside.n) for aside in taken.refused}
        settled = [
            id_
            for id_, sent in self.outstanding.items()
            if (sent.stream, sent.n) in refused
            or any(s.first <= sent.n <= s.last for s in segments.get(sent.stream, ()))
        ]
        for id_ in settled:
            del self.outstanding[id_]
        if settled:
            self.window_bytes = min(2 * self.window_bytes, LARGEST_WINDOW_BYTES)

    def waiting_since_s(self) -> float | None:
        """When the oldest statement without a receipt was sent."""
        return min((sent.at_s for sent in self.outstanding.values()), default=None)

    def _fitting(self, statements: list[Unsent], reached: int) -> tuple[list[Unsent], int]:
        """The first of these that fit into a batch and the window, and up to which id all are dealt with.

        One alone may always go: it is larger than the window, not than the link.
        """
        left = min(self.room, self.window_bytes - sum(sent.size for sent in self.outstanding.values()))
        batch: list[Unsent] = []
        for one in statements:
            size = len(one.encoded)
            if size > self.room:
                self.too_large.append(one)
            elif size <= left or not (batch or self.outstanding):
                batch.append(one)
                left -= size
            else:
                break
            reached = one.id
        return batch, reached


class Sync:
    """The uplink's loop: one thread, one spool, one connection at a time."""

    def __init__(
        self,
        spool: Spool,
        broker: Broker,
        *,
        box: str,
        receiver: PublicKey,
        backlog_per_s: int,
        now_s: Callable[[], float],
        utc_ms: Callable[[], int],
        receipt_wait_s: float = RECEIPT_WAIT_S,
    ) -> None:
        """`now_s` is a steady clock in seconds, `utc_ms` the wall clock."""
        self._spool, self._broker, self._box, self._receiver = spool, broker, box, receiver
        self._backlog_per_s, self._receipt_wait_s = backlog_per_s, receipt_wait_s
        self._now_s, self._utc_ms = now_s, utc_ms
        self._window_bytes = FIRST_WINDOW_BYTES
        self._trouble: str | None = None

    def run(self, stop: Event) -> None:
        """Send until `stop` is set. Whatever goes wrong with the link is waited out and tried again."""
        backoff_s = FIRST_BACKOFF_S
        while not stop.is_set():
            began_s = self._now_s()
            try:
                self._connect_and_use(stop)
            except SpoolDamagedError:
                raise
            except (UplinkError, SpoolError) as trouble:
                self._note(str(trouble))
            if self._now_s() - began_s > LONGEST_BACKOFF_S:
                backoff_s = FIRST_BACKOFF_S
            stop.wait(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    def send_all(self, *, within_s: float) -> int:
        """Send until every statement is receipted or the time is over; how many are left. Raises UplinkError."""
        deadline_s = self._now_s() + within_s
        self._connect_and_use(Event(), until=lambda: self._spool.count_unsent() == 0 or self._now_s() > deadline_s)
        return self._spool.count_unsent()

    def _connect_and_use(self, stop: Event, until: Callable[[], bool] = lambda: False) -> None:
        connection = connect(self._broker, self._box, now_s=self._now_s)
        try:
            self._use(connection, stop, until)
        finally:
            connection.close()

    def _use(self, connection: Connection, stop: Event, until: Callable[[], bool]) -> None:
        sending = Sending(
            boundary=self._spool.newest_id(),
            backlog_after=self._spool.first_unsent_id() - 1,
            room=min(BATCH_LIMIT, connection.packet_limit or BATCH_LIMIT),
            window_bytes=self._window_bytes,
        )
        connection.send(b"")  # asks for a receipt of everything
        asked_s = before_s = self._now_s()
        answered = False
        batch: list[Unsent] = []
        while not stop.is_set() and not until():
            messages, refusals = connection.pump(0.0 if batch else PUMP_S)
            for message in messages:
                answered = self._take(message, sending) or answered
            if refusals:
                raise UplinkError(f"the broker did not pass a batch on: {refusals[0]}")
            now_s = self._now_s()
            sending.credit = min(BATCH_STATEMENTS, sending.credit + (now_s - before_s) * self._backlog_per_s)
            before_s = now_s
            self._look_for_silence(now_s, sending.waiting_since_s() if answered else asked_s)
            batch = sending.next_batch(self._spool) if answered else []
            if batch:
                connection.send(b"".join(statement.encoded for statement in batch))
                sending.sent(batch, now_s)
            self._tell_too_large(sending)

    def _look_for_silence(self, now_s: float, since_s: float | None) -> None:
        if since_s is not None and now_s - since_s > self._receipt_wait_s:
            self._window_bytes = max(self._window_bytes // 4, SMALLEST_WINDOW_BYTES)
            raise UplinkError(
                f"no receipt for {self._receipt_wait_s:.0f} s: the link or the receiver swallows what is sent"
            )

    def _take(self, message: bytes, sending: Sending) -> bool:
        """Take a receipt in; whether it was one. A wrong one changes nothing."""
        try:
            receipt = open_receipt(message, lambda kid: self._receiver if kid == self._receiver.kid else None)
        except RefusedError as wrong:
            log.error("a receipt that the receiver did not sign was ignored: %s", wrong)  # noqa: TRY400
            return False
        if receipt.box != self._box:
            log.error("a receipt for another box was ignored box=%s", receipt.box)
            return False
        taken = self._spool.take_receipt(receipt, at_ms=self._utc_ms())
        sending.receipted(receipt, taken)
        self._window_bytes = sending.window_bytes
        for stream in taken.forked:
            log.error(
                "FORK: the receiver holds another history of this stream; this spool was restored from a copy, or the"
                " box was cloned. Both histories are kept as proof; call the operator. stream=%s",
                stream,
            )
        for aside in taken.refused:
            log.error(
                "the receiver refuses a statement for good, it was put aside: %s stream=%s n=%d",
                aside.reason,
                aside.stream,
                aside.n,
            )
        if self._trouble is not None:
            log.info("the uplink works again")
            self._trouble = None
        return True

    def _tell_too_large(self, sending: Sending) -> None:
        for one in sending.too_large:
            log.error(
                "the broker takes messages of %d bytes, a statement has %d: raise its limit stream=%s n=%d",
                sending.room,
                len(one.encoded),
                one.stream,
                one.n,
            )
        sending.too_large.clear()

    def _note(self, trouble: str) -> None:
        """WARNING the first time, DEBUG until it heals."""
        log.log(logging.DEBUG if trouble == self._trouble else logging.WARNING, "uplink: %s", trouble)
        self._trouble = trouble
