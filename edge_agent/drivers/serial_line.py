"""The one door to serial lines: a port of this box, or a transparent serial server behind TCP. Bytes out, bytes in.

Rules:
1. One question is in flight. It is asked once: no retries, another cycle will come.
2. The protocol says what in the noise is the answer; everything else is passed over until the time is over.
3. Late bytes are thrown away before the next question; the line must have been quiet for 3.5 characters, as
   "MODBUS over Serial Line" V1.02 wants it (2.5.1.1) and no other protocol minds.
4. A line that breaks is closed, and says LINE_DOWN; it may be opened again. Its name is looked up anew each time: an
   adapter that was pulled out may come back as another device.

Nothing here knows what is sent: each protocol's codec can build nothing but questions. Times here are real ones.
"""

import errno
import os
import select
import socket
import termios
from collections.abc import Callable, Iterable
from typing import Final, Generic, NamedTuple, Protocol, TypeVar, cast

import serial

from edge_agent.clock import stopwatch_s
from edge_agent.config.sections import SerialPort, TcpPort
from evidence.bodies import Failure

ANSWER_LIMIT: Final = 1024
"""Bytes taken in while waiting for one answer; more is noise."""
PURGE_LIMIT_S: Final = 0.2
"""How long a chattering line is waited for before it is asked all the same."""
SILENCES_LIMIT: Final = 3
"""After so many silences on end a TCP connection is made anew: its other end may be long gone."""
PORTS_LIMIT: Final = 64
GLITCH_BYTES: Final = 4
"""So few bytes are no frame of any protocol here, but a glitch before one."""
QUIET_CHARACTERS: Final = 3.5
SHORTEST_QUIET_S: Final = 0.00175
"""Faster than 19200 baud the silence gets no shorter (the same, 2.5.1.1)."""

USB: Final = "usb:"
"""Begins a port's name by its adapter: usb:VID:PID or usb:VID:PID:SERIAL, in hexadecimal but for the serial number."""

Found = TypeVar("Found")


class Said(NamedTuple, Generic[Found]):
    """What a line said to one question."""

    answer: Found | None
    heard: bytes
    """All that came until then, without the echo of the question; at most ANSWER_LIMIT bytes."""
    failure: Failure | None
    """Why there is no answer: SILENT, GARBLED or LINE_DOWN."""


class SerialLine:
    """One line; used by one thread."""

    def __init__(
        self, port: SerialPort | TcpPort, timeout_ms: int, *, now_s: Callable[[], float] = stopwatch_s
    ) -> None:
        self._port, self._timeout_s, self._now_s = port, timeout_ms / 1000, now_s
        self.byte_s = port.byte_s
        """How long one byte takes on the wire."""
        self._quiet_s = max(QUIET_CHARACTERS * self.byte_s, SHORTEST_QUIET_S)
        self._end: serial.Serial | socket.socket | None = None
        self._poll = select.poll()
        self._last_byte_s = 0.0
        self._silences = 0

    def open(self) -> Failure | None:
        """Open it unless it is open; LINE_DOWN when that fails."""
        if self._end is not None:
            return None
        try:
            self._end = self._opened()
        except (OSError, ValueError, termios.error):  # the last two: a port that cannot be set like this
            return Failure.LINE_DOWN
        self._poll = select.poll()
        self._poll.register(self._end.fileno(), select.POLLIN)
        self._silences = 0
        return None

    def close(self) -> None:
        """Close it; it may be opened again."""
        end, self._end = self._end, None
        if end is not None:
            end.close()

    def ask(
        self,
        question: bytes,
        answer_in: Callable[[bytes], Found | None],
        *,
        answer_bytes: int,
        idle_s: float | None = None,
    ) -> Said[Found]:
        """Ask once, and wait until `answer_in` finds an answer in what was heard, or the time is over.

        The time is the bus's timeout beyond what question and answer, of at most `answer_bytes`, need on the wire.
        Where `idle_s` is given, a line that said more than a glitch and then nothing for so long has finished.
        """
        if self._end is None:
            return Said(None, b"", Failure.LINE_DOWN)
        try:
            self._hush()
            self._send(question)
            said = self._wait(question, answer_in, answer_bytes, idle_s)
        except OSError:  # SerialException is one
            self.close()
            return Said(None, b"", Failure.LINE_DOWN)
        self._silences = self._silences + 1 if said.failure is Failure.SILENT else 0
        if self._silences >= SILENCES_LIMIT and isinstance(self._port, TcpPort):
            self.close()
        return said

    def listen(self, wait_s: float) -> bytes:
        """What the line says by itself within that time; empty when it is not open."""
        heard, end_s = b"", self._now_s() + wait_s
        try:
            while (left_s := end_s - self._now_s()) > 0 and self._end and len(heard) < ANSWER_LIMIT:
                if self._poll.poll(left_s * 1000):
                    heard += self._receive()
        except OSError:
            self.close()
        return heard[:ANSWER_LIMIT]

    def _opened(self) -> "serial.Serial | socket.socket":
        match self._port:
            case TcpPort(host=host, port=port):
                end = socket.create_connection((host, port), timeout=max(self._timeout_s, 1.0))
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                end.setblocking(False)
                return end
            case SerialPort() as port:
                return serial.Serial(
                    device_of(port.device),
                    baudrate=port.baud,
                    parity=serial.PARITY_NONE if _is_pseudo(port.device) else port.parity.value,
                    stopbits=port.stopbits,
                    timeout=0,
                    write_timeout=self._timeout_s + ANSWER_LIMIT * self.byte_s,
                    exclusive=True,
                )

    def _send(self, question: bytes) -> None:
        if isinstance(self._end, socket.socket):
            self._end.sendall(question)
        elif self._end is not None:
            self._end.write(question)

    def _wait(
        self, question: bytes, answer_in: Callable[[bytes], Found | None], answer_bytes: int, idle_s: float | None
    ) -> Said[Found]:
        left_s = (len(question) + answer_bytes) * self.byte_s + self._timeout_s
        end_s = self._now_s() + left_s
        heard = b""
        while left_s > 0 and self._poll.poll(left_s * 1000):
            heard += self._receive()
            heard = heard.removeprefix(question)  # an adapter that hears itself
            answer = answer_in(heard) if heard else None
            if answer is not None:
                return Said(answer, heard, None)
            if len(heard) > ANSWER_LIMIT:
                break
            left_s = end_s - self._last_byte_s
            if idle_s is not None and len(heard) > GLITCH_BYTES:
                left_s = min(left_s, idle_s)
        return Said(None, heard[:ANSWER_LIMIT], Failure.GARBLED if heard else Failure.SILENT)

    def _receive(self) -> bytes:
        if self._end is None:
            raise OSError(errno.ENOTCONN, "closed")
        chunk = os.read(self._end.fileno(), ANSWER_LIMIT)
        self._last_byte_s = self._now_s()
        if not chunk:
            raise OSError(errno.ECONNRESET, "gone")
        return chunk

    def _hush(self) -> None:
        """Throw away what still comes, until the line was quiet for 3.5 characters."""
        give_up_s = self._now_s() + PURGE_LIMIT_S
        while (now_s := self._now_s()) < give_up_s:
            quiet_left_s = self._last_byte_s + self._quiet_s - now_s
            if not self._poll.poll(max(0.0, quiet_left_s * 1000)):
                return
            self._receive()


class FoundPort(NamedTuple):
    """A serial port that this box has now."""

    device: str
    what: str
    """What its adapter says that it is."""


def found_ports() -> tuple[FoundPort, ...]:
    """Every serial port, in the order of their names; at most PORTS_LIMIT."""
    from serial.tools import list_ports  # only a scan needs it

    found = sorted(list_ports.comports(), key=lambda port: port.device)
    return tuple(FoundPort(port.device, port.description or "") for port in found[:PORTS_LIMIT])


def _is_pseudo(device: str) -> bool:
    """Whether it is a pseudo-terminal, as `socat` makes them: no wire, no parity, and asking for one is an error."""
    return os.path.realpath(device).startswith("/dev/pts/")


class Adapter(Protocol):
    """A port, as pyserial lists it."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None


def device_of(name: str, adapters: Callable[[], Iterable[Adapter]] | None = None) -> str:
    """The path of a port: the name itself, or where the adapter that it tells is plugged in now.

    Raises OSError when no adapter is that, or several are.
    """
    if not name.startswith(USB):
        return name
    vid, pid, *number = name.removeprefix(USB).split(":", 2)
    fitting = [
        adapter.device
        for adapter in (adapters or _adapters)()
        if (adapter.vid, adapter.pid) == (int(vid, 16), int(pid, 16))
        and (not number or adapter.serial_number == number[0])
    ]
    if len(fitting) != 1:
        raise OSError(errno.ENODEV, f"{len(fitting)} adapters are {name}")
    return fitting[0]


def _adapters() -> Iterable[Adapter]:
    from serial.tools.list_ports import comports  # needed by few lines, and not for free

    return cast("Iterable[Adapter]", comports())
