"""A network between two programs that misbehaves on request: a TCP relay on loopback, one thread.

    with relay_to(broker.host, broker.port) as network:
        connect(network.host, network.port)
        network.black_hole()      # swallows everything, closes nothing: a dead mobile link
        network.heal()

| mode            | new connections        | connections that are open                                   |
| --------------- | ---------------------- | ----------------------------------------------------------- |
| heal()          | carried                | carried on; those that lost bytes stay silent for ever      |
| stall()         | accepted, then silent  | nothing moves and nothing is lost: goes on after heal()     |
| black_hole()    | accepted, then silent  | read and thrown away, in both directions                    |
| refuse()        | refused                | carried on; reset() ends them                               |
| slow(bytes_s)   | carried so fast        | carried so fast, each direction by itself                   |
| cut_after(n)    | reset after n bytes up | likewise; n counts from the call, once for all connections  |

`reset()` is an event, not a mode: every open connection ends with RST, now.
"""

import selectors
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from threading import Event, Lock, Thread
from typing import Final, Self

HOST: Final = "127.0.0.1"
BUFFER_LIMIT: Final = 64 * 1024
"""Bytes on their way in one direction of one connection, at most."""
CONNECTIONS_LIMIT: Final = 256
TICK_S: Final = 0.01
CONNECT_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 30.0


class Mode(Enum):
    CARRY = "carry"
    STALL = "stall"
    BLACK_HOLE = "black hole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How the network behaves now."""

    mode: Mode = Mode.CARRY
    bytes_per_s: int | None = None
    """None: as fast as it can."""


@dataclass(kw_only=True, eq=False)
class _Way:
    """One direction of one connection."""

    source: socket.socket
    sink: socket.socket
    up: bool
    waiting: bytearray = field(default_factory=bytearray)
    ended: bool = False
    """The source has said that nothing follows."""
    passed_on: bool = False
    """And the sink was told."""
    allowance: float = 0.0


@dataclass(kw_only=True, eq=False)
class _Connection:
    ways: tuple[_Way, _Way]
    lost: bool = False
    """Bytes of it were thrown away: it can never be carried again."""


class Relay:
    """See the module. Its methods may be called from any thread and take effect before they return."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._weather = Weather()
        self._cut_after: int | None = None
        self._connections: list[_Connection] = []
        self._lock = Lock()
        self._stop = Event()
        self._refusing = False
        self._listener = _bound(0)
        self.host = HOST
        self.port: int = self._listener.getsockname()[1]
        self._listener.listen()
        self.accepted = 0
        self.carried_up = 0
        """Bytes delivered to the target so far."""
        self.carried_down = 0
        self._thread = Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S)
        assert not self._thread.is_alive(), "the relay does not stop"
        self.reset()
        self._listener.close()

    @property
    def open_connections(self) -> int:
        with self._lock:
            return len(self._connections)

    def heal(self) -> None:
        with self._lock:
            self._weather, self._cut_after = Weather(), None
            if self._refusing:
                self._listener.listen()
                self._refusing = False

    def stall(self) -> None:
        with self._lock:
            self._weather = Weather(mode=Mode.STALL)

    def black_hole(self) -> None:
        with self._lock:
            self._weather = Weather(mode=Mode.BLACK_HOLE)

    def slow(self, bytes_per_s: int) -> None:
        with self._lock:
            self._weather = Weather(bytes_per_s=bytes_per_s)

    def cut_after(self, count: int) -> None:
        """Reset the connection that has carried the last of the next `count` bytes up, in the midst of a message."""
        with self._lock:
            self._cut_after = self.carried_up + count

    def refuse(self) -> None:
        """A bound socket that does not listen keeps the port and refuses (RFC 9293 section 3.5.2)."""
        with self._lock:
            if not self._refusing:
                self._listener.close()
                self._listener = _bound(self.port)
                self._refusing = True

    def reset(self) -> int:
        """End every open connection with RST; how many."""
        with self._lock:
            ended = len(self._connections)
            for connection in self._connections:
                _reset(connection)
            self._connections.clear()
            return ended

    def _run(self) -> None:
        before = time.monotonic()
        while not self._stop.is_set():
            self._wait()
            with self._lock:
                now = time.monotonic()
                if not self._refusing:
                    self._accept()
                for connection in self._connections.copy():
                    self._serve(connection, now - before)
                before = now

    def _wait(self) -> None:
        """Until something came, or a tick. A socket that another thread closes leaves the selector by itself."""
        with selectors.DefaultSelector() as selector:
            with self._lock:
                calm = self._weather == Weather() and not any(c.lost for c in self._connections)
                if calm and not self._refusing:
                    selector.register(self._listener, selectors.EVENT_READ)
                for way in (way for c in self._connections if calm for way in c.ways):
                    if not way.ended and len(way.waiting) < BUFFER_LIMIT:
                        selector.register(way.source, selectors.EVENT_READ)
            if calm:
                selector.select(TICK_S)
            else:
                self._stop.wait(TICK_S)

    def _accept(self) -> None:
        while len(self._connections) < CONNECTIONS_LIMIT:
            try:
                near, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self.accepted += 1
            try:
                far = socket.create_connection(self._target, timeout=CONNECT_TIMEOUT_S)
            except OSError:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                near.close()
                continue
            for end in (near, far):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ways = (_Way(source=near, sink=far, up=True), _Way(source=far, sink=near, up=False))
            self._connections.append(_Connection(ways=ways))

    def _serve(self, connection: _Connection, elapsed_s: float) -> None:
        if self._weather.mode is Mode.STALL:
            return
        try:
            if connection.lost or self._weather.mode is Mode.BLACK_HOLE:
                for way in connection.ways:
                    connection.lost |= _swallow(way)
                if not all(way.ended for way in connection.ways):
                    return
                raise ConnectionResetError  # both ends have given up
            for way in connection.ways:
                self._carry(way, elapsed_s)
        except OSError:
            _reset(connection)
            self._connections.remove(connection)
        else:
            if all(way.passed_on for way in connection.ways):
                for way in connection.ways:
                    way.source.close()
                self._connections.remove(connection)

    def _carry(self, way: _Way, elapsed_s: float) -> None:
        _fill(way)
        limit = len(way.waiting)
        if self._weather.bytes_per_s is not None:
            way.allowance = min(way.allowance + elapsed_s * self._weather.bytes_per_s, self._weather.bytes_per_s)
            limit = min(limit, int(way.allowance))
        if way.up and self._cut_after is not None:
            limit = min(limit, self._cut_after - self.carried_up)
        if limit > 0:
            try:
                sent = way.sink.send(way.waiting[:limit])
            except BlockingIOError:
                sent = 0
            del way.waiting[:sent]
            way.allowance -= sent if self._weather.bytes_per_s is not None else 0
            if way.up:
                self.carried_up += sent
            else:
                self.carried_down += sent
        if way.up and self._cut_after is not None and self.carried_up >= self._cut_after:
            self._cut_after = None
            raise ConnectionResetError
        if way.ended and not way.waiting and not way.passed_on:
            way.sink.shutdown(socket.SHUT_WR)
            way.passed_on = True


@contextmanager
def relay_to(host: str, port: int) -> Iterator[Relay]:
    """A relay to this address, carrying; its own address is `.host` and `.port`."""
    with Relay(host, port) as relay:
        yield relay


_ABORT: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: close sends RST."""


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    made.setblocking(False)
    return made


def _fill(way: _Way) -> None:
    while not way.ended and len(way.waiting) < BUFFER_LIMIT:
        try:
            came = way.source.recv(BUFFER_LIMIT - len(way.waiting))
        except BlockingIOError:
            return
        way.waiting += came
        way.ended = not came


def _swallow(way: _Way) -> bool:
    """Throw away what has come; whether there was something. An end is not passed on either."""
    had = bool(way.waiting)
    way.waiting.clear()
    while not way.ended:
        try:
            came = way.source.recv(BUFFER_LIMIT)
        except (BlockingIOError, ConnectionResetError):
            break
        had = True
        way.ended = not came
    return had


def _reset(connection: _Connection) -> None:
    for way in connection.ways:
        way.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        way.source.close()
