"""Sending statements up, and deleting against receipts alone.

What was sealed since the connection began goes first (live); what was left over goes in between, oldest first, at a
bounded rate (backlog). Nothing is remembered of what was sent: after every reconnection the receiver is asked what it
holds (an empty batch), and only what no receipt covers is sent.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from edge_agent.mqtt import Broker, Connection, UplinkError, connect
from edge_agent.spool import Spool, SpoolError, Unsent
from evidence.chain import Segment
from evidence.errors import RefusedError
from evidence.keys import PublicKey
from evidence.receipt import open_receipt
from evidence.statement import BATCH_LIMIT

BATCH_STATEMENTS: Final = 200
"""Statements in one batch, at most."""
OUTSTANDING_LIMIT: Final = 800
"""Statements sent and not yet receipted, at most."""
RECEIPT_WAIT_S: Final = 30.0
"""A receipt that takes longer means that the link swallows what is sent: connect anew."""
PUMP_S: Final = 0.1
FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 30.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sending:
    """What is to be sent over one connection; pure but for the spool that it asks."""

    boundary: int
    """Statements up to this id were sealed before the connection: they are backlog."""
    live_after: int = field(init=False)
    backlog_after: int = 0
    credit: float = 0.0
    """Backlog statements that may be sent now."""
    outstanding: dict[int, float] = field(default_factory=dict)
    """Statement id to when it was sent, in seconds of the caller's clock."""
    places: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Outstanding statement id to its (stream, n)."""
    covered: dict[str, list[Segment]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.live_after = self.boundary

    def next_batch(self, spool: Spool, *, room: int) -> list[Unsent]:
        """The statements to send now: live ones, else backlog within the credit. At most `room` bytes together."""
        allowed = min(BATCH_STATEMENTS, OUTSTANDING_LIMIT - len(self.outstanding))
        if allowed <= 0:
            return []
        live = spool.unsent(after=self.live_after, up_to=spool.newest_id(), at_most=allowed)
        if live:
            batch = self._fit(live, room)
            self.live_after = batch[-1].id if batch else self.live_after
            return [s for s in batch if not self._is_covered(s.stream, s.n)]
        allowed = min(allowed, int(self.credit))
        if allowed <= 0 or self.backlog_after >= self.boundary:
            return []
        backlog = spool.unsent(after=self.backlog_after, up_to=self.boundary, at_most=allowed)
        batch = self._fit(backlog, room)
        self.backlog_after = batch[-1].id if batch else self.boundary
        missing = [s for s in batch if not self._is_covered(s.stream, s.n)]
        self.credit -= len(missing)
        return missing

    def sent(self, batch: list[Unsent], now_s: float) -> None:
        """Note what went out."""
        for statement in batch:
            self.outstanding[statement.id] = now_s
            self.places[statement.id] = (statement.stream, statement.n)

    def receipted(self, covered: dict[str, list[Segment]], *, all_settled: bool) -> None:
        """Note what a receipt covers; `all_settled`: some were refused for good, so none is waited for any longer."""
        self.covered |= covered
        done = [id_ for id_, place in self.places.items() if all_settled or self._is_covered(*place)]
        for id_ in done:
            del self.outstanding[id_], self.places[id_]

    def waiting_since_s(self) -> float | None:
        """When the oldest statement without a receipt was sent."""
        return min(self.outstanding.values(), default=None)

    def _is_covered(self, stream: str, n: int) -> bool:
        return any(segment.first <= n <= segment.last for segment in self.covered.get(stream, ()))

    def _fit(self, statements: list[Unsent], room: int) -> list[Unsent]:
        size = 0
        for i, statement in enumerate(statements):
            size += len(statement.encoded)
            if size > room and i:
                return statements[:i]
        return statements


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
    ) -> None:
        """`now_s` is a steady clock in seconds, `utc_ms` the wall clock."""
        self._spool, self._broker, self._box, self._receiver = spool, broker, box, receiver
        self._backlog_per_s = backlog_per_s
        self._now_s, self._utc_ms = now_s, utc_ms
        self._trouble: str | None = None

    def run(self, stop: Event) -> None:
        """Send until `stop` is set. Whatever goes wrong with the link is waited out and tried again."""
        backoff_s = FIRST_BACKOFF_S
        while not stop.is_set():
            began_s = self._now_s()
            try:
                connection = connect(self._broker, self._box, now_s=self._now_s)
                try:
                    self._use(connection, stop)
                finally:
                    connection.close()
            except (UplinkError, SpoolError) as trouble:
                self._note(str(trouble))
            if self._now_s() - began_s > LONGEST_BACKOFF_S:
                backoff_s = FIRST_BACKOFF_S
            stop.wait(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    def send_all(self, *, within_s: float) -> int:
        """Send until every statement is receipted or the time is over; how many are left. Raises UplinkError."""
        deadline_s = self._now_s() + within_s
        connection = connect(self._broker, self._box, now_s=self._now_s)
        try:
            self._use(connection, Event(), until=lambda: self._spool.count_unsent() == 0 or self._now_s() > deadline_s)
        finally:
            connection.close()
        return self._spool.count_unsent()

    def _use(self, connection: Connection, stop: Event, until: Callable[[], bool] = lambda: False) -> None:
        sending = Sending(boundary=self._spool.newest_id())
        room = min(BATCH_LIMIT, connection.packet_limit or BATCH_LIMIT)
        connection.send(b"")  # asks for a receipt of everything
        asked_s = before_s = self._now_s()
        answered = False
        batch: list[Unsent] = []
        while not stop.is_set() and not until():
            messages, refusals = connection.pump(0.0 if batch else PUMP_S)
            batch = []
            for message in messages:
                answered = self._take(message, sending) or answered
            if refusals:
                raise UplinkError(f"the broker did not pass a batch on: {refusals[0]}")
            now_s = self._now_s()
            sending.credit = min(BATCH_STATEMENTS, sending.credit + (now_s - before_s) * self._backlog_per_s)
            before_s = now_s
            waiting_s = asked_s if not answered else sending.waiting_since_s()
            if waiting_s is not None and now_s - waiting_s > RECEIPT_WAIT_S:
                raise UplinkError(
                    f"no receipt for {RECEIPT_WAIT_S:.0f} s: the link or the receiver swallows what is sent"
                )
            if not answered:
                continue
            if batch := sending.next_batch(self._spool, room=room):
                connection.send(b"".join(statement.encoded for statement in batch))
                sending.sent(batch, now_s)

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
        sending.receipted(taken.covered, all_settled=bool(taken.refused))
        for stream in taken.forked:
            log.error(
                "FORK: the receiver holds another history of this stream; this spool was restored from a copy, or the"
                " box was cloned. Both histories are kept as proof; call the operator. stream=%s",
                stream,
            )
        for reason in taken.refused:
            log.error("the receiver refuses a statement for good, it was put aside: %s", reason)
        if self._trouble is not None:
            log.info("the uplink works again")
            self._trouble = None
        return True

    def _note(self, trouble: str) -> None:
        """WARNING the first time, DEBUG until it heals."""
        log.log(logging.DEBUG if trouble == self._trouble else logging.WARNING, "uplink: %s", trouble)
        self._trouble = trouble
