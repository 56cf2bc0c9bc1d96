"""Listening for fire alarm transmitters (GB/T 26875.3-2011): they come over TCP, and a thread of its own answers them.

1. A frame whose sum is right and whose source is configured goes into that transmitter's inbox. It is confirmed when
   it was taken from there, or after CONFIRM_WITHIN_S: what is confirmed is on its way to the spool, and is lost only as
   a reading is, when the box loses power before the next commit. What is not confirmed the transmitter sends again.
   With the inbox full a frame is denied.
2. A frame with a wrong sum is denied. Anything else that is no frame is counted and not answered.
3. An answer's stamp is the box's time; while the box's own clock is not set, it is the transmitter's own.
4. Every list is bounded: connections (the quietest makes room), frames that wait, answers that are not read, noise.

Nothing proves who a transmitter is: its network is to carry nothing else.
"""

import logging
import selectors
import socket
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from threading import Event, Lock, Thread
from typing import Final, NamedTuple

from edge_agent.clock import SystemClock, stopwatch_s
from edge_agent.codecs.errors import FrameFault
from edge_agent.codecs.gb26875 import Command, Frame, Part, Splitter, confirmation, denial, source_of
from edge_agent.config.sections import Bus, TcpPort
from evidence.bodies import Failure
from evidence.statement import ClockQuality

CONNECTIONS_LIMIT: Final = 64
INBOX_LIMIT: Final = 1024
"""Frames of one transmitter that wait to be handed over."""
NOISE_LIMIT: Final = 64 * 1024
"""Bytes of a connection since its last frame that were none; then it is closed."""
UNREAD_LIMIT: Final = 4096
"""Bytes of answers that a transmitter does not take, beside what the kernel holds; then its connection is closed."""
HALF_FRAME_S: Final = 5.0
"""The rest of a frame is waited for so long."""
CONFIRM_WITHIN_S: Final = 3.0
"""A transmitter waits up to 10 s for its answer (6.5), and makers take less."""
STRANGERS_LIMIT: Final = 64
"""Transmitters that are not configured and have been told of in the log."""
CHINA: Final = timezone(timedelta(hours=8))
"""The clocks of transmitters; their frames name no zone."""

_CHUNK: Final = 4096
_LOOK_EVERY_S: Final = 1.0
_CONFIRM_EVERY_S: Final = 0.05

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Arrived:
    """A frame, and when it came (UTC)."""

    at_ms: int
    right: datetime | None
    """The same as transmitters' clocks show it; None while the box's own clock is not set."""
    octets: bytes
    frame: Frame
    taken: bool = False


class _Unconfirmed(NamedTuple):
    arrived: Arrived
    since_s: float


class Inbox:
    """What one transmitter sent and nobody took yet; filled by the listener, emptied by the transmitter's asker."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[Arrived] = deque()
        self._broken = self._refused = 0

    def put(self, arrived: Arrived) -> bool:
        """Whether there was room."""
        with self._lock:
            has_room = len(self._waiting) < INBOX_LIMIT
            if has_room:
                self._waiting.append(arrived)
            else:
                self._refused += 1
            return has_room

    def note_broken(self) -> None:
        """Count something that was to be a frame."""
        with self._lock:
            self._broken += 1

    def take(self) -> Arrived | None:
        """The oldest frame, which the taker now answers for."""
        with self._lock:
            if not self._waiting:
                return None
            arrived = self._waiting.popleft()
            arrived.taken = True
            return arrived

    def take_broken(self) -> int:
        """How many broken frames came since this was asked last."""
        with self._lock:
            broken, self._broken = self._broken, 0
            return broken

    def take_refused(self) -> int:
        """How many frames found it full since this was asked last."""
        with self._lock:
            refused, self._refused = self._refused, 0
            return refused


class FireLine:
    """One port that transmitters come to."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._inboxes: dict[str, Inbox] = {}
        self._listener: _Listener | None = None

    def inbox(self, address: str) -> Inbox:
        """Where the frames of this transmitter go from now on."""
        return self._inboxes.setdefault(address, Inbox())

    def open(self) -> Failure | None:
        """Listen unless it does. Raises what ended the listening thread, if anything did."""
        if self._listener is None:
            try:
                self._listener = _Listener(self._bus, self._inboxes)
            except OSError as wrong:
                _log.warning("cannot listen bus=%s at=%s why=%s", self._bus.name, self._bus.port, wrong)
                return Failure.LINE_DOWN
            self._listener.start()
        if self._listener.failed is not None:
            raise self._listener.failed
        return None

    def close(self) -> None:
        """Stop listening and hang up; what waits in inboxes stays there."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    @property
    def port(self) -> int:
        """Where it listens, while it is open."""
        assert self._listener is not None  # noqa: S101  # a promise of the caller
        return self._listener.port


class _Connection:
    def __init__(self, near: socket.socket, now_s: float) -> None:
        self.near, self.heard_s = near, now_s
        self.splitter = Splitter()
        self.noise = 0
        """The splitter's noise when the last frame came."""
        self.unconfirmed: deque[_Unconfirmed] = deque()
        self.unread = bytearray()
        """Answers that the kernel did not take yet."""
        self.source: str | None = None


class _Listener:
    """The listening thread, from `start` to `stop`."""

    def __init__(self, bus: Bus, inboxes: dict[str, Inbox]) -> None:
        assert isinstance(bus.port, TcpPort)  # noqa: S101  # by BUS_KEYS
        self._bus, self._inboxes = bus, inboxes
        self._clock = SystemClock()
        self._connections: set[_Connection] = set()
        self._strangers: set[str] = set()
        self._stop = Event()
        self.failed: Exception | None = None
        found = socket.getaddrinfo(bus.port.host, bus.port.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self._door = socket.create_server(found[0][4][:2], family=found[0][0], backlog=CONNECTIONS_LIMIT)
        self._door.setblocking(False)
        self.port: int = self._door.getsockname()[1]
        self._bell, self._button = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = Thread(target=self._run, name=f"{bus.name}-listener")

    def start(self) -> None:
        """Once."""
        self._thread.start()

    def stop(self) -> None:
        """Once; returns when the thread has ended and every descriptor is closed."""
        self._stop.set()
        self._button.send(b"\0")
        self._thread.join()
        for connection in tuple(self._connections):
            self._hang_up(connection)
        for each in (self._selector, self._door, self._bell, self._button):
            each.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
        except Exception as wrong:  # noqa: BLE001  # the top of a thread: the next `open` raises it
            self.failed = wrong

    def _turn(self) -> None:
        is_busy = any(connection.unconfirmed for connection in self._connections)
        for key, events in self._selector.select(_CONFIRM_EVERY_S if is_busy else _LOOK_EVERY_S):
            if key.fileobj is self._door:
                self._admit()
            elif isinstance(key.data, _Connection) and key.data in self._connections:
                if events & selectors.EVENT_WRITE:
                    self._send(key.data)
                if events & selectors.EVENT_READ:
                    self._receive(key.data)
        now_s = stopwatch_s()
        for connection in tuple(self._connections):
            self._confirm(connection, now_s)
            quiet_s = now_s - connection.heard_s
            if quiet_s > HALF_FRAME_S and connection.splitter.waiting:
                self._take(connection, connection.splitter.give_up())
            if quiet_s * 1000 > self._bus.timeout_ms:
                self._hang_up(connection, why="quiet")

    def _admit(self) -> None:
        try:
            near, _ = self._door.accept()
        except OSError as wrong:  # it went away again, or this process has no more descriptors
            _log.debug("nobody at the door bus=%s why=%s", self._bus.name, wrong)
            self._stop.wait(0.05)
            return
        near.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_LIMIT)
        while len(self._connections) >= CONNECTIONS_LIMIT:
            self._hang_up(min(self._connections, key=lambda each: each.heard_s), why="room for another")
        connection = _Connection(near, stopwatch_s())
        self._connections.add(connection)
        self._selector.register(near, selectors.EVENT_READ, connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            octets = connection.near.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as wrong:
            self._hang_up(connection, why=str(wrong))
            return
        if octets:
            connection.heard_s = stopwatch_s()
            self._take(connection, connection.splitter.feed(octets))
            if connection.splitter.noise - connection.noise > NOISE_LIMIT:
                self._hang_up(connection, why="noise")
        else:
            if connection.splitter.waiting:
                self._take(connection, connection.splitter.give_up())
            self._hang_up(connection)

    def _take(self, connection: _Connection, parts: list[Part]) -> None:
        for part in parts:
            if part.frame is not None:
                connection.noise = connection.splitter.noise
            answer = self._answered(connection, part)
            if answer:
                connection.unread += answer
        if connection.unread:
            self._send(connection)

    def _answered(self, connection: _Connection, part: Part) -> bytes:
        """What goes back at once for this part: nothing, or a denial."""
        if part.frame is None:
            source = source_of(part.octets) if part.fault is FrameFault.CHECKSUM else connection.source
            inbox = self._inboxes.get(source or "")
            if inbox is None:
                return b""
            inbox.note_broken()
            is_whole = part.fault is FrameFault.CHECKSUM
            return denial(part.octets, at=self._stamp()) if is_whole else b""
        frame = part.frame
        connection.source = frame.source
        inbox = self._inboxes.get(frame.source)
        if inbox is None:
            self._tell_of(frame.source)
            return b""
        arrived = Arrived(self._clock.utc_ms(), self._stamp(), part.octets, frame)
        has_room = inbox.put(arrived)
        if frame.command != Command.SEND:
            return b""
        if has_room:
            connection.unconfirmed.append(_Unconfirmed(arrived, stopwatch_s()))
            return b""
        return denial(part.octets, at=self._stamp())

    def _confirm(self, connection: _Connection, now_s: float) -> None:
        """Confirm, in their order, the frames that were taken or have waited long enough."""
        before = len(connection.unread)
        while connection.unconfirmed:
            arrived, since_s = connection.unconfirmed[0]
            if not arrived.taken and now_s - since_s < CONFIRM_WITHIN_S:
                break
            connection.unread += confirmation(arrived.octets, at=self._stamp())
            connection.unconfirmed.popleft()
        if len(connection.unread) > before:
            self._send(connection)

    def _stamp(self) -> datetime | None:
        """The box's time as frames carry it; None while its clock is not set."""
        if self._clock.quality()[0] is ClockQuality.UNSET:
            return None
        return datetime.fromtimestamp(self._clock.utc_ms() / 1000, CHINA).replace(tzinfo=None)

    def _tell_of(self, source: str) -> None:
        if source not in self._strangers and len(self._strangers) < STRANGERS_LIMIT:
            self._strangers.add(source)
            _log.warning("a transmitter that no machine names bus=%s address=%s", self._bus.name, source)

    def _send(self, connection: _Connection) -> None:
        try:
            sent = connection.near.send(connection.unread)
        except BlockingIOError:
            sent = 0
        except OSError as wrong:
            self._hang_up(connection, why=str(wrong))
            return
        del connection.unread[:sent]
        if len(connection.unread) > UNREAD_LIMIT:
            self._hang_up(connection, why="it reads no answers")
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unread else 0)
        self._selector.modify(connection.near, wanted, connection)

    def _hang_up(self, connection: _Connection, *, why: str = "it hung up") -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            self._selector.unregister(connection.near)
            connection.near.close()
            _log.debug("connection closed bus=%s address=%s why=%s", self._bus.name, connection.source, why)
