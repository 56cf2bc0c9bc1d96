"""One MQTT 5 connection to the broker, over mTLS: the one door to paho.

Single-threaded: nothing happens outside `pump`. A connection that fails is thrown away whole and a new one is made, so
no half-sent state outlives it; what was not receipted is sent again by sync.py. A PUBACK is only looked at for
refusals: it says nothing about what the receiver holds.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from evidence.receipt import RECEIPT_LIMIT

CONNECT_WAIT_S: Final = 10.0
"""How long TCP, TLS and CONNACK may take together."""
PACKET_OVERHEAD: Final = 1024
"""Bytes of a publish besides its payload, generously."""


class UplinkError(Exception):
    """The broker cannot be reached, or refuses this box; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and what this box shows it."""

    host: str
    port: int
    ca: Path
    cert: Path
    key: Path
    keepalive_s: int


@dataclass(slots=True)
class _Arrived:
    """What the broker said since anybody looked; its methods are paho's callbacks."""

    down: str
    """The topic of this box's receipts."""
    accepted: bool | None = None
    packet_limit: int | None = None
    messages: list[bytes] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    lost: str | None = None

    def on_connect(
        self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.accepted = not reason.is_failure
        self.packet_limit = getattr(properties, "MaximumPacketSize", None)
        if reason.is_failure:
            self.lost = str(reason)
        else:
            client.subscribe(self.down, qos=1)

    def on_subscribe(
        self, _client: paho.Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self.lost = f"the subscription to {self.down} is refused: {reasons[0]}"

    def on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if len(message.payload) <= RECEIPT_LIMIT:
            self.messages.append(bytes(message.payload))

    def on_publish(
        self, _client: paho.Client, _data: object, _mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.value != 0:  # 16, "No matching subscribers", is no failure to MQTT, but it is to a box
            self.refusals.append(str(reason))

    def on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self.lost = str(reason)

    def take(self) -> tuple[list[bytes], list[str]]:
        messages, refusals = self.messages, self.refusals
        self.messages, self.refusals = [], []
        return messages, refusals


class Connection:
    """A live connection; make one with `connect`."""

    def __init__(self, client: paho.Client, arrived: _Arrived, up: str) -> None:
        self._client, self._arrived, self._up = client, arrived, up

    @property
    def packet_limit(self) -> int | None:
        """Bytes of payload that the broker takes in one message; None when it did not say."""
        limit = self._arrived.packet_limit
        return None if limit is None else limit - PACKET_OVERHEAD

    def send(self, batch: bytes) -> None:
        """Hand a batch to the network; it leaves in `pump`."""
        self._client.publish(self._up, batch, qos=1)

    def pump(self, wait_s: float) -> tuple[list[bytes], list[str]]:
        """Let the network work for up to `wait_s`: (receipts that arrived, reasons of refused publishes).

        Raises UplinkError when the connection is lost.
        """
        try:
            code = self._client.loop(timeout=wait_s)
        except (OSError, ValueError) as cause:  # a socket that paho itself had just closed
            raise UplinkError(f"the connection broke: {cause}") from cause
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or self._arrived.lost is not None:
            raise UplinkError(self._arrived.lost or paho.error_string(code))
        return self._arrived.take()

    def close(self) -> None:
        """Say goodbye, if anybody listens, and drop the socket."""
        _drop(self._client)


def connect(broker: Broker, box: str, *, now_s: Callable[[], float]) -> Connection:
    """A connection that is subscribed to this box's receipts. Raises UplinkError within about CONNECT_WAIT_S."""
    arrived = _Arrived(down=f"qianliyan/1/down/{box}")
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=box, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect_timeout = CONNECT_WAIT_S / 2
    client.on_connect = arrived.on_connect
    client.on_subscribe = arrived.on_subscribe
    client.on_message = arrived.on_message
    client.on_publish = arrived.on_publish
    client.on_disconnect = arrived.on_disconnect
    where = f"the broker {broker.host}:{broker.port}"
    try:
        client.tls_set_context(_tls(broker))
        client.connect(
            broker.host, broker.port, keepalive=broker.keepalive_s, clean_start=True, properties=_receive_limit()
        )
        deadline_s = now_s() + CONNECT_WAIT_S
        while arrived.accepted is None and arrived.lost is None and now_s() < deadline_s:
            client.loop(timeout=0.2)
    except (OSError, ValueError) as cause:
        _drop(client)
        raise UplinkError(f"cannot reach {where}: {cause}") from cause
    if not arrived.accepted:
        _drop(client)
        raise UplinkError(f"{where} does not take this box: {arrived.lost or 'no answer'}")
    return Connection(client, arrived, f"qianliyan/1/up/{box}")


def _tls(broker: Broker) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(broker.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(broker.cert), str(broker.key))
    return context


def _receive_limit() -> Properties:
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = RECEIPT_LIMIT + PACKET_OVERHEAD
    return properties  # type: ignore[no-any-return]


def _drop(client: paho.Client) -> None:
    client.on_disconnect = None
    with suppress(OSError, ValueError):
        client.disconnect()
        client.loop(timeout=0.01)
    client._reset_sockets()  # noqa: SLF001 - paho has no public way to close what a failed connection left open
