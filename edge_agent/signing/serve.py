"""The process that holds the box's key: whoever is connected may have statements signed (desk.py), nothing else.

It keeps nothing: killed at any instant, it has either answered or not. If the key file is lost: nothing is signed any
more. Who can connect can have statements of his own making signed while he can, but he never gets the key.
"""

import logging
import selectors
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from edge_agent.signing.desk import Desk
from edge_agent.signing.packets import LAST, MESSAGE_LIMIT, MORE, PACKET_LIMIT, Refused, answer, hello
from evidence.errors import EvidenceError

CLIENTS_LIMIT: Final = 16
"""Connections at one time; who comes then is sent away."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Client:
    """Someone connected, and what he has said of a message so far."""

    socket: socket.socket
    message: bytearray = field(default_factory=bytearray)
    is_refused: bool = False


def serve(sockets: Iterable[socket.socket], desk_of: Callable[[], Desk]) -> None:
    """Answer on these sockets, listening ones or connections, until there is none left.

    `desk_of` gives the key, or raises EvidenceError: then who connects is told why, and it is tried again with the
    next.
    """
    with selectors.DefaultSelector() as watched:
        server = _Server(watched, desk_of)
        for each in sockets:
            if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                each.setblocking(False)
                watched.register(each, selectors.EVENT_READ, None)
            else:
                server.welcome(each)
        while watched.get_map():
            for key, _ in watched.select():
                if key.data is None:
                    server.accept(key.fileobj)  # type: ignore[arg-type]  # a socket, as registered
                else:
                    server.hear(key.data)


class _Server:
    def __init__(self, watched: selectors.BaseSelector, desk_of: Callable[[], Desk]) -> None:
        self._watched, self._desk_of = watched, desk_of
        self._desk: Desk | None = None
        self._clients = 0

    def accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError as gone:  # he went away again, or there are too many files: the next look will tell
            log.debug("nobody came after all: %s", gone)
        else:
            self.welcome(connection)

    def welcome(self, connection: socket.socket) -> None:
        """Say who signs here, or why nobody does."""
        connection.setblocking(False)
        client = _Client(connection)
        if self._clients >= CLIENTS_LIMIT:  # without a word: this is no fault of the key's
            log.debug("%d programs are connected already", self._clients)
            connection.close()
            return
        try:
            self._desk = self._desk or self._desk_of()
        except EvidenceError as wrong:
            log.error("nothing can be signed: %s", wrong)  # noqa: TRY400 - the message is whole
            self._say(client, answer(Refused(str(wrong))))
            connection.close()
            return
        if not self._say(client, hello(self._desk.pen.public)):
            connection.close()
            return
        self._watched.register(connection, selectors.EVENT_READ, client)
        self._clients += 1

    def hear(self, client: _Client) -> None:
        """Take in one packet; answer when it is the last of a message."""
        try:
            packet, _, flags, _ = client.socket.recvmsg(PACKET_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            packet, flags = b"", 0
        is_wrong = packet[:1] not in (MORE, LAST) or bool(flags & socket.MSG_TRUNC)
        if is_wrong or len(client.message) + len(packet) > MESSAGE_LIMIT + 1:
            if packet:
                self._note(client, "what was said is no question, or too long")
            self._end(client)
            return
        client.message += packet[1:]
        if packet[:1] == MORE:
            return
        assert self._desk is not None  # noqa: S101 - or nobody were welcome
        message = bytes(client.message)
        client.message.clear()
        signed = self._desk.sign(message)
        if isinstance(signed, Refused):
            self._note(client, signed.why)
        else:
            client.is_refused = False
        if not self._say(client, answer(signed)):
            self._end(client)

    def _say(self, client: _Client, packet: bytes) -> bool:
        """Whether it went; who does not listen is not waited for."""
        try:
            client.socket.send(packet)
        except OSError:
            return False
        return True

    def _note(self, client: _Client, why: str) -> None:
        """Log a refusal, once until something is signed again."""
        log.log(logging.DEBUG if client.is_refused else logging.WARNING, "not signed: %s", why)
        client.is_refused = True

    def _end(self, client: _Client) -> None:
        self._watched.unregister(client.socket)
        client.socket.close()
        self._clients -= 1
