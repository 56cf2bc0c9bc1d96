"""A line on a pseudo-terminal: a box opens `device`, and a thread is whoever is on it.

What is also behind a transparent serial server (`LineAndServer`) has a `port` on loopback beside it, and one connection
at a time: a new one takes the place of the old.
"""

import os
import pty
import select
import socket
import threading
import tty
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

BITS_PER_BYTE: Final = 11
LOOK_EVERY_S: Final = 0.02
CHUNK_BYTES: Final = 4096
NEXT_QUESTION_S: Final = 10.0
"""How long a late answer is held back, at most."""


class PtyLine(ABC):
    """The line; ended by leaving the block, or by pulling the adapter."""

    def __init__(self, name: str) -> None:
        self._near, self._far = pty.openpty()
        for end in (self._near, self._far):
            tty.setraw(end)
        self.device = os.ttyname(self._far)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Pull the adapter: whoever has the device open gets an error."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            self._close()

    def _until_asked_again(self, end: int) -> None:
        """Whoever is late says what he had to say when the next question is already on the wire."""
        select.select([end], [], [], NEXT_QUESTION_S)

    def _close(self) -> None:
        os.close(self._near)
        os.close(self._far)

    @abstractmethod
    def _serve(self) -> None:
        """Hear and answer until `_stop` is set."""


class LineAndServer(PtyLine):
    """The same devices on the line and behind a serial server."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._client: socket.socket | None = None
        self.connections = 0

    def _close(self) -> None:
        """The network cable too."""
        super()._close()
        self._server.close()
        self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _heard(self) -> Iterator[tuple[int, bytes]]:
        """(where an answer goes, what came from there); nothing came when the line was quiet for LOOK_EVERY_S.

        Who connects is looked after first, and alone: the connection whose place he takes may be ready too.
        """
        while not self._stop.is_set():
            ends = [self._server.fileno(), self._near, *([self._client.fileno()] if self._client else [])]
            ready = select.select(ends, [], [], LOOK_EVERY_S)[0]
            if self._server.fileno() in ready:
                self._drop()
                self._client = self._server.accept()[0]
                self.connections += 1
                continue
            if not ready:
                yield self._near, b""
            for end in ready:
                if chunk := _read(end):
                    yield end, chunk
                else:
                    self._drop()


def _read(end: int) -> bytes:
    try:
        return os.read(end, CHUNK_BYTES)
    except OSError:  # whoever connected has hung up
        return b""
