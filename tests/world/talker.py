"""A bare MQTT client, driven by the test itself and without threads: what the broker answers, word for word."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from tests.world.broker import ClientFiles, RunningBroker

TIMEOUT_S: Final = 30.0


Given: TypeAlias = Any
"""What paho hands to a callback; its types differ between MQTT 3 and 5."""


class NotConnectedError(Exception):
    """The broker did not let this client in, or has let go of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    topic: str
    payload: bytes


class Talker:
    """One connection of one client. A context manager: connected inside."""

    def __init__(
        self,
        broker: RunningBroker,
        files: ClientFiles,
        *,
        client_id: str = "test",
        ca: Path | None = None,
        certificate: bool = True,
        keepalive_s: int = 20,
        version: int = mqtt.MQTTv5,
        manual_ack: bool = False,
    ) -> None:
        self.heard: list[Heard] = []
        self.connack: Any = None
        self.goodbye: str | None = None
        self._answers: dict[int, list[str]] = {}
        self._broker, self._keepalive_s, self._version = broker, keepalive_s, version
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,  # type: ignore[arg-type] # the constants are plain integers
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )
        context = ssl.create_default_context(cafile=str(ca or files.ca))
        if certificate:
            context.load_cert_chain(files.cert, files.key)
        self._client.tls_set_context(context)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        """Raises NotConnectedError or ssl.SSLError when the broker does not let it in."""
        try:
            self._client.connect(self._broker.host, self._broker.port, keepalive=self._keepalive_s)
            self._until(lambda: self.connack is not None)
        except (ssl.SSLError, OSError) as cause:
            self._client._reset_sockets()  # paho has no public way to close what a failed connection left open
            raise NotConnectedError(str(cause)) from cause
        except NotConnectedError:
            self._client._reset_sockets()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop(0.01)
        self._client._reset_sockets()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> str:
        """The reason in words that the broker gives in its PUBACK."""
        sent = self._client.publish(topic, payload, qos=qos, retain=retain)
        self._until(lambda: sent.mid in self._answers)
        return self._answers.pop(sent.mid)[0]

    def subscribe(self, topic: str, *, qos: int = 1) -> str:
        """The reason in words that the broker gives in its SUBACK."""
        _, mid = self._client.subscribe(topic, qos=qos)
        assert mid is not None
        self._until(lambda: mid in self._answers)
        return self._answers.pop(mid)[0]

    def hear(self, count: int) -> list[Heard]:
        """Wait for the first `count` messages."""
        self._until(lambda: len(self.heard) >= count)
        return self.heard

    def hear_for(self, seconds: float) -> list[Heard]:
        """Everything heard until then."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._turn(left)
        return self.heard

    def until_goodbye(self) -> str:
        """Wait for the broker to end the connection; its reason."""
        try:
            self._until(lambda: False)
        except NotConnectedError:
            return self.goodbye or "no reason"
        raise AssertionError("unreachable")

    def _until(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + TIMEOUT_S
        while not done():
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the broker did not answer")
            self._turn(left)

    def _turn(self, left_s: float) -> None:
        if self._client.loop(min(left_s, 0.1)) != mqtt.MQTT_ERR_SUCCESS:
            raise NotConnectedError(self.goodbye or "the connection is gone")

    def _on_connect(self, _client: mqtt.Client, _: Given, _flags: Given, reason: Given, properties: Given) -> None:
        if reason.is_failure:
            self.goodbye = str(reason)
        else:
            self.connack = properties if isinstance(properties, Properties) else True

    def _on_disconnect(self, _client: mqtt.Client, _: Given, _flags: Given, reason: Given, _properties: Given) -> None:
        self.goodbye = self.goodbye or str(reason)

    def _on_publish(self, _client: mqtt.Client, _: Given, mid: int, reason: Given, _properties: Given) -> None:
        self._answers[mid] = [str(reason)]

    def _on_subscribe(self, _client: mqtt.Client, _: Given, mid: int, reasons: Given, _properties: Given) -> None:
        self._answers[mid] = [str(reason) for reason in reasons]

    def _on_message(self, _client: mqtt.Client, _: Given, message: mqtt.MQTTMessage) -> None:
        self.heard.append(Heard(topic=message.topic, payload=bytes(message.payload)))
