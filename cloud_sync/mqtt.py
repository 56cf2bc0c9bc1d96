"""The wire to the broker: MQTT 5 over mutual TLS. The one door to `paho.mqtt`.

Messages are acknowledged by hand, after the intake's commit (paho's `manual_ack`); a session that outlives the
connection makes the broker bring again what was not. Nothing here is durable, and nothing needs to be: a broker that
forgets everything costs time, because boxes keep what has no receipt.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud_sync import log
from cloud_sync.broker import DOWN, INFLIGHT_MESSAGES, KEEPALIVE_S, UP
from cloud_sync.clock import Clock
from cloud_sync.intake import Batch
from evidence.bodies import NAME
from evidence.statement import BATCH_LIMIT

RECEIVE_MAXIMUM: Final = INFLIGHT_MESSAGES
"""Batches that the broker may have sent and not got acknowledged (MQTT 5 section 3.1.2.11.3).

Mosquitto 2.0.11 sends more: every acknowledgement lets it send two. So the bound that holds is the intake's, which lets
the connection wait: paho's thread reads no further meanwhile.
"""
SESSION_S: Final = 3600
"""How long the broker keeps what was not acknowledged while the receiver is away."""
RECEIPT_LIFETIME_S: Final = 300
"""A receipt that was not delivered by then is of no use: a box that connects asks for a new one."""
RECEIPTS_QUEUED: Final = 1000
"""Receipts on their way to the broker, at most; more are dropped, and their boxes ask again."""
WAIT_S: Final = (0.2, 5.0)
"""First and longest wait before connecting again; it doubles in between, and half of it is chance."""
GOODBYE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and what proves who we are."""

    host: str
    port: int
    ca: Path
    cert: Path
    key: Path
    keepalive_s: int = KEEPALIVE_S
    client_id: str = "receiver"
    """Not empty, and otherwise of no weight: the broker takes the certificate's common name (cloud_sync/broker.py)."""
    share: str = ""
    """The group of several receivers that divide the boxes' messages among them; empty: this one gets all."""


@dataclass(frozen=True, slots=True)
class _Token:
    """Which message of which connection; acknowledging one of an earlier connection would name another's message."""

    connection: int
    mid: int
    qos: int


class Wire:
    """The connection to the broker, kept up for as long as it runs. A Messenger."""

    def __init__(self, broker: Broker, clock: Clock, *, dice: Random | None = None) -> None:
        self._broker, self._clock, self._dice = broker, clock, dice or Random()  # noqa: S311 - jitter
        self._offer: Callable[[Batch], bool] = _refuse
        self._stop = Event()
        self._connection = 0
        self._let_in = Event()
        self._subscribed = Event()
        self._troubles = log.Troubles()
        self._client = self._made()
        self._thread = Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether batches can come now."""
        return self._subscribed.is_set()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until batches can come; whether they can."""
        return self._subscribed.wait(timeout_s)

    def start(self, offer: Callable[[Batch], bool]) -> None:
        """Begin to connect, and hand every batch to `offer`. Raises OSError when the certificate files are unusable."""
        self._client.tls_set_context(_context(self._broker))
        self._offer = offer
        self._thread.start()

    def refuse_more(self) -> None:
        """Take no further batch: unacknowledged, it comes again to whoever connects next."""
        self._offer = _refuse

    def stop(self) -> None:
        """Send what is on its way, say goodbye, and end."""
        self._stop.set()
        self._client.disconnect()
        self._thread.join(GOODBYE_S)

    def acknowledge(self, batch: Batch) -> None:
        """See Messenger. Of an earlier connection nothing can be acknowledged: the broker brings it again."""
        token = batch.token
        if isinstance(token, _Token) and token.connection == self._connection:
            self._client.ack(token.mid, token.qos)

    def publish(self, box: str, receipt: bytes) -> None:
        """See Messenger."""
        if not self._let_in.is_set():  # not: subscribed, for what a session kept is delivered before the SUBACK
            return
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types there
        properties.MessageExpiryInterval = RECEIPT_LIFETIME_S
        self._client.publish(f"{DOWN}/{box}", receipt, qos=1, properties=properties)

    def _made(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_queued_messages_set(RECEIPTS_QUEUED)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _run(self) -> None:
        """Connect, serve until the connection ends, wait, again."""
        where = f"{self._broker.host}:{self._broker.port}"
        failures = 0
        while not self._stop.is_set():
            try:
                self._connect()
                self._serve()
                cause = "the connection ended"
            except (OSError, ValueError) as error:
                cause = str(error)
            if self._subscribed.is_set():
                failures = 0
            self._subscribed.clear()
            self._let_in.clear()
            if self._stop.is_set():
                return
            self._troubles.begin("broker", "no connection to the broker", broker=where, cause=cause)
            longest_s = min(WAIT_S[1], WAIT_S[0] * 2 ** min(failures, 16))
            failures += 1
            self._clock.wait(longest_s * (0.5 + self._dice.random() / 2), self._stop)

    def _connect(self) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._connection += 1
        self._client.connect(
            self._broker.host,
            self._broker.port,
            keepalive=self._broker.keepalive_s,
            clean_start=False,
            properties=properties,
        )

    def _serve(self) -> None:
        """Let paho's own thread use the connection until it ends.

        Not loop_forever here: without a thread that paho knows of, `ack` and `publish` would write to the socket from
        the intake's thread, in the middle of what the loop is writing.
        """
        self._client.loop_start()
        thread = self._client._thread  # noqa: SLF001 - paho has no other word for "has ended"
        if thread is not None:
            thread.join()

    # Called by paho in its thread.

    def _on_connect(self, client: paho.Client, _: object, __: object, reason: ReasonCode, ___: object) -> None:
        if reason.is_failure:
            self._troubles.begin("connack", "the broker does not let the receiver in", person=True, cause=reason)
            client.disconnect()
            return
        self._troubles.over("connack", "the broker lets the receiver in")
        self._let_in.set()
        share = f"$share/{self._broker.share}/" if self._broker.share else ""
        client.subscribe(f"{share}{UP}/+", qos=1)

    def _on_subscribe(self, client: paho.Client, _: object, __: int, reasons: list[ReasonCode], ___: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._troubles.begin("suback", "the broker refuses the subscription", person=True, cause=reasons[0])
            client.disconnect()
            return
        self._troubles.over("suback", "the broker accepts the subscription")
        self._troubles.over("broker", "connected to the broker again")
        if not self._subscribed.is_set():
            log.info("receiving", broker=f"{self._broker.host}:{self._broker.port}", connection=self._connection)
        self._subscribed.set()

    def _on_message(self, client: paho.Client, _: object, message: Any) -> None:  # noqa: ANN401 - paho's own
        box = str(message.topic).removeprefix(UP + "/")
        token = _Token(self._connection, message.mid, message.qos)
        if not NAME.fullmatch(box) or len(message.payload) > BATCH_LIMIT:
            self._troubles.begin(f"topic {box:.60}", "message dropped", topic=message.topic, bytes=len(message.payload))
            client.ack(message.mid, message.qos)
            return
        offer = self._offer
        if not offer(Batch(box=box, payload=bytes(message.payload), token=token)):
            if offer is _refuse:
                return
            # Unacknowledged, it comes again with the next connection.
            self._troubles.begin("full", "batches come faster than they are stored", do="see what the store says")
            client.disconnect()
            return
        self._troubles.over("full", "batches are stored again")


def _refuse(_: Batch) -> bool:
    return False


def _context(broker: Broker) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(broker.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(broker.cert, broker.key)
    return context
