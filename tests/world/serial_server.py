"""A transparent serial server, as sold for a few euros: a TCP port before a serial line, and nothing between them.

with Rs485(units=(1, 2)) as wire, SerialServer(wire.device) as server:
    server.port                  # what the box connects to
    server.reset()               # it starts anew: its connection ends with a reset, at once
    server.fault = Manner.MUTE   # it takes everything and passes nothing on
"""

import os
import select
import socket
import struct
import threading
import tty
from enum import Enum
from types import TracebackType
from typing import Final, Self


class Manner(Enum):
    CLEAR = "passes everything on"
    MUTE = "accepts and never answers"
    RESETS = "ends the connection at every question"
    DRIPS = "passes an answer on byte by byte"
    DOUBLES = "passes every answer on twice"


RST: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for a reset instead of an orderly end."""


class SerialServer:
    """One line, one connection at a time; a new one takes the place of the old, as such servers do."""

    def __init__(self, device: str) -> None:
        self._line = os.open(device, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._line)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peer: socket.socket | None = None
        self._stop = threading.Event()
        self._reset = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="serial server")
        self.fault = Manner.CLEAR
        self.connections = 0
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._drop()
        self._listener.close()
        os.close(self._line)

    def reset(self) -> None:
        """Start anew; returns when the connection is gone."""
        self._reset.set()
        while self._reset.is_set() and self._thread.is_alive():
            self._stop.wait(0.005)

    def _serve(self) -> None:
        while not self._stop.is_set():
            ends: list[int | socket.socket] = [self._listener, self._line, *filter(None, [self._peer])]
            ready = select.select(ends, [], [], 0.02)[0]
            if self._reset.is_set():
                self._drop()
                self._reset.clear()
                continue
            if self._listener in ready:
                self._drop()
                self._peer, _ = self._listener.accept()
                self.connections += 1
            elif self._peer in ready:
                self._take()
            if self._line in ready:
                self._give(os.read(self._line, 512))

    def _take(self) -> None:
        assert self._peer
        try:
            asked = self._peer.recv(512)
        except ConnectionResetError:
            asked = b""
        if not asked or self.fault is Manner.RESETS:
            self._drop()
        elif self.fault is not Manner.MUTE:
            os.write(self._line, asked)

    def _give(self, heard: bytes) -> None:
        if self._peer is None:
            return
        pieces = [heard[at : at + 1] for at in range(len(heard))] if self.fault is Manner.DRIPS else [heard]
        if self.fault is Manner.DOUBLES:
            pieces *= 2
        try:
            for piece in pieces:
                self._peer.sendall(piece)
                if len(pieces) > 2:
                    self._stop.wait(0.001)
        except OSError:
            self._drop()

    def _drop(self) -> None:
        if self._peer is not None:
            self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            self._peer.close()
            self._peer = None
