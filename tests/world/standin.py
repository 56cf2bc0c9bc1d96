"""A receiver that remembers everything in memory and misbehaves on request, over a real broker, in a thread.

with StandIn(broker, keys={key.public.kid: key.public}) as receiver:
    receiver.mute = True                  # takes everything in, and says nothing
    receiver.refuse = lambda s: s.n == 3  # for good
    receiver.arrived                      # (seconds, statement) in order of arrival, repeats included
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self

from cloud_sync.ca import Role
from evidence.cbor import split_sequence
from evidence.chain import Link, Segments
from evidence.keys import PublicKey, SigningKey
from evidence.receipt import Receipt, Refusal, StreamReceipt, seal_receipt
from evidence.statement import Statement, open_statement
from tests.world.broker import RunningBroker
from tests.world.talker import NotConnectedError, Talker

TURN_S = 0.02


@dataclass(kw_only=True)
class StandIn:
    """See the module."""

    broker: RunningBroker
    keys: Mapping[bytes, PublicKey]
    box: str = "box-1"
    key: SigningKey = field(default_factory=SigningKey.generate)
    mute: bool = False
    loses: Callable[[Statement], bool] = lambda _: False
    refuse: Callable[[Statement], bool] = lambda _: False
    arrived: list[tuple[float, Statement]] = field(default_factory=list)
    batches: list[list[Statement]] = field(default_factory=list)
    asked: int = 0
    """Empty batches: how often a receipt of everything was asked for."""
    held: dict[str, dict[bytes, Statement]] = field(default_factory=dict)
    said: list[bytes] = field(default_factory=list)
    _segments: dict[str, Segments] = field(default_factory=dict)
    _refused: list[Refusal] = field(default_factory=list)
    _stop: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        self._stop.clear()
        self._ready = Event()
        self._thread = Thread(target=self._run, name="stand-in", daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    @property
    def count(self) -> int:
        """Different statements held."""
        return sum(len(of) for of in self.held.values())

    def receipt(self) -> bytes:
        """Of everything."""
        streams = tuple(
            StreamReceipt(stream=stream, segments=tuple(segments.sorted()[:64]))
            for stream, segments in self._segments.items()
        )
        receipt = Receipt(
            receiver="stand-in",
            box=self.box,
            at_ms=time.time_ns() // 1_000_000,
            streams=streams,
            refusals=tuple(self._refused[-64:]),
        )
        return seal_receipt(self.key, receipt)

    def _run(self) -> None:
        with (
            suppress(NotConnectedError),
            Talker(self.broker, self.broker.client("main", role=Role.RECEIVER), client_id="stand-in") as talker,
        ):
            talker.subscribe("qianliyan/1/up/+")
            self._ready.set()
            while not self._stop.is_set():
                talker.hear_for(TURN_S)  # when the broker goes, so does this receiver, until it is started again
                messages, talker.heard = talker.heard, []
                for message in messages:
                    self._take(message.payload)
                if messages and not self.mute:
                    said = self.receipt()
                    self.said.append(said)
                    talker.publish(f"qianliyan/1/down/{self.box}", said)

    def _take(self, payload: bytes) -> None:
        batch = [open_statement(encoded, self.keys.get) for encoded in split_sequence(payload)]
        self.asked += not batch
        self.batches.append(batch)
        for statement in batch:
            self.arrived.append((time.monotonic(), statement))
            held = self.held.setdefault(statement.stream, {})
            if statement.sha256 in held or self.loses(statement):
                continue
            if self.refuse(statement):
                self._refused.append(Refusal(sha256=statement.sha256, reason="the stand-in does not like it"))
                continue
            held[statement.sha256] = statement
            segments = self._segments.setdefault(statement.stream, Segments())
            segments.add(Link(n=statement.n, prev=statement.prev, sha256=statement.sha256))
