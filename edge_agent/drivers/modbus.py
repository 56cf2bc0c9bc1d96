"""The one door to Modbus: asks a device for a block and says exactly what came back. It can only read.

Rules:
1. A question is built from `Function`, which knows the four reading functions, and leaves only when its code is one of
   them. There is no other way to the wire here, and no other file imports pymodbus.
2. One question is in flight. It is asked once: no retries, another cycle will come.
3. An answer counts only when transaction id, unit, function and number of bytes fit the question (on serial lines:
   unit, function, number of bytes and CRC, wherever in the noise it stands). Anything else is skipped until the time
   is over.
4. Exceptions 5 and 6 mean busy; every other exception means refused (MODBUS Application Protocol V1.1b3, 7).
5. Late bytes are thrown away before the next question.

RTU goes over `serial_line`, TCP over a socket of our own; pymodbus builds and opens frames. Its clients are not used:
`execute` costs twice the CPU (a new request and a new response object a read), loses the raw answer, and its RTU framer
gives up at the first byte that is not the answer's, such as the 00 with which some RS-485 drivers begin. Times here are
real ones.
"""

import errno
import logging
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from edge_agent.clock import stopwatch_s
from edge_agent.config.profiles import Function
from edge_agent.config.sections import Bus, BusKind, SerialPort, TcpPort
from edge_agent.drivers.modbus_plan import Block
from edge_agent.drivers.serial_line import ANSWER_LIMIT, SILENCES_LIMIT, SerialLine
from edge_agent.reading import Frame
from evidence.bodies import Failure

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # failures are values here; poll.py logs what changes

ILLEGAL_ADDRESS: Final = 2
"""The exception by which a device says that it has no such register."""
BUSY_CODES: Final = (5, 6)
IDLE_S: Final = 0.05
"""A serial line quiet for so long, or for 20 bytes, has said what it had to say."""
IDLE_BYTES: Final = 20
"""More than a serial chip holds back before it hands over what has come."""
SHORTEST_ADU: Final = 5
"""Bytes of the shortest RTU answer, an exception."""

_REQUESTS: Final[dict[Function, type[ModbusPDU]]] = {
    Function.COILS: ReadCoilsRequest,
    Function.DISCRETE_INPUTS: ReadDiscreteInputsRequest,
    Function.HOLDING_REGISTERS: ReadHoldingRegistersRequest,
    Function.INPUT_REGISTERS: ReadInputRegistersRequest,
}
_SOCKET: Final = FramerSocket(DecodePDU(is_server=False))
_RTU: Final = FramerRTU(DecodePDU(is_server=False))
_MBAP: Final = 7
"""Bytes before the function code on TCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The device's values, as bytes of exactly the length that was asked for."""

    values: bytes
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Why there are none; `exception` is the device's own code where it gave one."""

    failure: Failure
    exception: int | None = None
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One block of one unit, ready for the wire."""

    unit: int
    function: Function
    answer_bytes: int
    adu: bytes
    """The whole RTU frame; on TCP the transaction id at its beginning is filled in when it is asked."""


def question(bus: Bus, unit: int, block: Block) -> Question:
    """The question that fetches `block`. Raises ValueError for a function that does not read."""
    function = Function(block.function)
    pdu = _REQUESTS[function](dev_id=unit, address=block.address, count=block.count)
    framer = _SOCKET if bus.kind is BusKind.MODBUS_TCP else _RTU
    return Question(
        unit=unit,
        function=function,
        answer_bytes=block.answer_bytes,
        adu=framer.buildFrame(pdu),
    )


class Line(Protocol):
    """One TCP connection or serial port; used by one thread."""

    def open(self) -> Failure | None:
        """Open it unless it is open; LINE_DOWN when that fails."""
        ...

    def close(self) -> None:
        """Close it; it may be opened again."""
        ...

    def ask(self, what: Question) -> Answer | NoAnswer:
        """Ask once and wait for the answer, at most for the bus's timeout. LINE_DOWN when the line is not open."""
        ...


def line_of(bus: Bus, *, now_s: Callable[[], float] = stopwatch_s) -> Line:
    """The line of a bus, not yet open."""
    if bus.kind is BusKind.MODBUS_TCP and isinstance(bus.port, TcpPort):
        return TcpLine(bus.port, bus.timeout_ms, now_s=now_s)
    return RtuLine(bus.wire, bus.timeout_ms, now_s=now_s)


class TcpLine:
    """Modbus TCP (MODBUS Messaging on TCP/IP Implementation Guide V1.0b)."""

    def __init__(self, port: TcpPort, timeout_ms: int, *, now_s: Callable[[], float]) -> None:
        self._port, self._timeout_s, self._now_s = port, timeout_ms / 1000, now_s
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._transaction = 0
        self._silences = 0

    def open(self) -> Failure | None:
        """See Line."""
        if self._socket is not None:
            return None
        try:
            line = socket.create_connection((self._port.host, self._port.port), self._timeout_s)
        except OSError:
            return Failure.LINE_DOWN
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setblocking(False)
        self._socket = line
        self._poll = select.poll()
        self._poll.register(line, select.POLLIN)
        self._silences = 0
        return None

    def close(self) -> None:
        """See Line."""
        line, self._socket = self._socket, None
        if line is not None:
            line.close()

    def ask(self, what: Question) -> Answer | NoAnswer:
        """See Line."""
        self._transaction = self._transaction % 0xFFFF + 1
        request = self._transaction.to_bytes(2, "big") + what.adu[2:]
        try:
            if self._silences:
                self._purge()
            self._send(request)
            answer = self._wait(what, request)
        except (OSError, ModbusException):
            self.close()
            return NoAnswer(failure=Failure.LINE_DOWN, frame=(request, b""))
        self._heard(answer)
        return answer

    def _send(self, request: bytes) -> None:
        Function(request[_MBAP])
        self._connected().sendall(request)

    def _wait(self, what: Question, request: bytes) -> Answer | NoAnswer:
        end_s = self._now_s() + self._timeout_s
        heard = late = b""
        left_s = self._timeout_s
        while left_s > 0 and self._poll.poll(left_s * 1000):
            heard += self._receive()
            used, unit, transaction, pdu = _SOCKET.decode(heard)
            while used and transaction != self._transaction:  # the answer to an earlier question
                late, heard = heard[:used], heard[used:]
                used, unit, transaction, pdu = _SOCKET.decode(heard)
            if used:
                return _judged(what, unit, pdu, (request, heard[:used]))
            if len(heard) > ANSWER_LIMIT:
                break
            left_s = end_s - self._now_s()
        noise = (heard or late)[:ANSWER_LIMIT]
        return NoAnswer(failure=Failure.GARBLED if noise else Failure.SILENT, frame=(request, noise))

    def _receive(self) -> bytes:
        chunk = self._connected().recv(4096)
        if not chunk:
            raise ConnectionResetError(errno.ECONNRESET, "closed by the other end")
        return chunk

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise OSError(errno.ENOTCONN, "closed")
        return self._socket

    def _purge(self) -> None:
        while self._poll.poll(0):
            self._receive()

    def _heard(self, answer: Answer | NoAnswer) -> None:
        """A connection whose bytes no longer make frames, or that has been silent for long, is closed."""
        failure = None if isinstance(answer, Answer) else answer.failure
        self._silences = self._silences + 1 if failure is Failure.SILENT else 0
        if failure is Failure.GARBLED or self._silences >= SILENCES_LIMIT:
            self.close()


class RtuLine:
    """Modbus RTU (MODBUS over Serial Line V1.02), on a port of this box or behind a transparent serial server."""

    def __init__(self, port: SerialPort | TcpPort, timeout_ms: int, *, now_s: Callable[[], float]) -> None:
        self._line = SerialLine(port, timeout_ms, now_s=now_s)
        on_tcp = isinstance(port, TcpPort)
        self._idle_s = None if on_tcp else max(IDLE_S, IDLE_BYTES * port.byte_s)

    def open(self) -> Failure | None:
        """See Line."""
        return self._line.open()

    def close(self) -> None:
        """See Line."""
        self._line.close()

    def ask(self, what: Question) -> Answer | NoAnswer:
        """See Line. The timeout runs beyond what request and answer need on the wire."""
        Function(what.adu[1])
        said = self._line.ask(
            what.adu,
            lambda heard: find_rtu(heard, what) or None,
            answer_bytes=SHORTEST_ADU + what.answer_bytes,
            idle_s=self._idle_s,
        )
        if said.answer is None:
            return NoAnswer(failure=said.failure or Failure.GARBLED, frame=(what.adu, said.heard))
        return _judged(what, said.answer[0], said.answer[1:-2], (what.adu, said.answer))


def find_rtu(heard: bytes, what: Question) -> bytes:
    """The answer's frame in what a serial line said, its CRC good; empty when it is not (yet) there."""
    for head, length in (
        (bytes((what.unit, what.function, what.answer_bytes)), SHORTEST_ADU + what.answer_bytes),
        (bytes((what.unit, what.function | 0x80)), SHORTEST_ADU),
    ):
        at = heard.find(head)
        while at >= 0 and at + length <= len(heard):
            frame = heard[at : at + length]
            if FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")):
                return frame
            at = heard.find(head, at + 1)
    return b""


def _judged(what: Question, unit: int, pdu: bytes, frame: Frame) -> Answer | NoAnswer:
    """Whether a complete frame answers the question."""
    if unit == what.unit and len(pdu) > 1:
        if pdu[0] == what.function and pdu[1] == what.answer_bytes == len(pdu) - 2:
            return Answer(values=pdu[2:], frame=frame)
        if pdu[0] == what.function | 0x80:
            failure = Failure.BUSY if pdu[1] in BUSY_CODES else Failure.REFUSED
            return NoAnswer(failure=failure, exception=pdu[1], frame=frame)
    return NoAnswer(failure=Failure.GARBLED, frame=frame)
