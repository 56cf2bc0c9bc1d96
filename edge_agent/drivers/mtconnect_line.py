"""Asking an MTConnect agent over HTTP/1.1: one GET, one answer, one time limit for all of it.

Rules:
1. Nothing but GET leaves. No redirection is followed, nothing is unpacked, no credentials are sent.
2. The time limit holds for the whole answer, so one that comes byte by byte holds nobody up. Its size is bounded.
3. A connection is kept for the next question. An agent may close it meanwhile; only then it is asked once more.
4. After anything that is not a whole answer the connection is closed: what still comes would belong to nobody.
"""

import socket
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final, NamedTuple

from edge_agent.clock import stopwatch_s
from edge_agent.codecs.mtconnect import DOCUMENT_LIMIT
from edge_agent.config.sections import AgentPort
from evidence.bodies import Failure

HEADERS: Final = {"Accept": "text/xml, application/xml", "Cache-Control": "no-cache", "User-Agent": "qianliyan"}
_CHUNK: Final = 65_536


class Reply(NamedTuple):
    """What a GET gave."""

    status: int
    body: bytes
    failure: Failure | None
    """SILENT, GARBLED or LINE_DOWN where there was no whole answer; then status is 0."""


class AgentLine:
    """One agent; used by one thread."""

    def __init__(self, port: AgentPort, timeout_ms: int, *, now_s: Callable[[], float] = stopwatch_s) -> None:
        self.port = port
        self._timeout_s, self._now_s = timeout_ms / 1000, now_s
        self._connection: HTTPConnection | None = None
        self._socket: _TimedSocket | None = None
        self._is_used = False
        """Whether the connection has carried an answer."""

    def open(self) -> Failure | None:
        """See Line."""
        if self._connection is not None and self._connection.sock is not None:
            return None
        self.close()
        try:
            plain = socket.create_connection((self.port.host, self.port.port), timeout=self._timeout_s)
        except OSError:
            return Failure.LINE_DOWN
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _TimedSocket(plain, self._now_s)
        self._connection = HTTPConnection(self.port.host, self.port.port)
        self._connection.auto_open = 0
        self._connection.sock = self._socket
        return None

    def close(self) -> None:
        """See Line."""
        if self._connection is not None:
            self._connection.close()
        if self._socket is not None:
            self._socket.close()
        self._connection = self._socket = None
        self._is_used = False

    def get(self, target: str) -> Reply:
        """Ask once. The target comes from codecs.mtconnect, which builds nothing but what reads."""
        may_be_stale = self._is_used
        if self.open() is not None:
            return Reply(0, b"", Failure.LINE_DOWN)
        reply = self._get(target)
        if reply.failure is Failure.LINE_DOWN and may_be_stale and self.open() is None:
            reply = self._get(target)
        return reply

    def _get(self, target: str) -> Reply:
        connection, line = self._connection, self._socket
        assert connection is not None  # noqa: S101  # open
        assert line is not None  # noqa: S101
        line.begin(self._timeout_s)
        try:
            connection.request("GET", target, headers=HEADERS)
            response = connection.getresponse()
            try:
                reply = Reply(response.status, _body(response), None)
            finally:
                response.close()
            self._is_used = True
        except TimeoutError:
            return self._failed(Failure.GARBLED if line.heard_bytes else Failure.SILENT)
        except ConnectionError:
            return self._failed(Failure.GARBLED if line.heard_bytes else Failure.LINE_DOWN)
        except OSError:
            return self._failed(Failure.LINE_DOWN)
        except (HTTPException, ValueError):
            return self._failed(Failure.GARBLED)
        return reply

    def _failed(self, why: Failure) -> Reply:
        self.close()
        return Reply(0, b"", why)


class _TimedSocket(socket.socket):
    """A connected socket whose whole conversation has one time limit."""

    def __init__(self, plain: socket.socket, now_s: Callable[[], float]) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self._now_s, self._end_s = now_s, 0.0
        self.heard_bytes = 0

    def begin(self, timeout_s: float) -> None:
        """The time runs from now."""
        self.heard_bytes, self._end_s = 0, self._now_s() + timeout_s
        self.settimeout(timeout_s)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:  # noqa: ANN401  # as socket.socket has it
        """As far as there is time left; TimeoutError when there is none."""
        left_s = self._end_s - self._now_s()
        if left_s <= 0:
            raise TimeoutError("an answer takes too long")
        self.settimeout(left_s)
        count = super().recv_into(buffer, nbytes, flags)
        self.heard_bytes += count
        return count


def _body(response: HTTPResponse) -> bytes:
    """All of it. HTTPException when it ends too early, is too long, or packed."""
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise HTTPException("packed, though nobody asked for it")
    chunks, size = [], 0
    while chunk := response.read(_CHUNK):
        size += len(chunk)
        if size > DOCUMENT_LIMIT:
            raise HTTPException(f"more than {DOCUMENT_LIMIT} bytes")
        chunks.append(chunk)
    if response.length:  # what Content-Length promised and did not come
        raise HTTPException(f"ends {response.length} bytes too early")
    return b"".join(chunks)
