"""A pen in another process: poll and watch sign by it, and the key is never in their memory.

Under systemd the signer is a service behind a socket; on a desk it is a child that ends with its parent. A signer that
dies, hangs or refuses costs nothing but time: `sign` raises a SpoolError, so the transaction it was part of leaves no
trace; what was read waits in the journal, and `mend` finds or starts the signer again.
"""

import logging
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Protocol

from edge_agent.clock import Clock
from edge_agent.config.box import Box
from edge_agent.keeping.database import SpoolError
from edge_agent.signing.packets import PACKET_LIMIT, Refused, open_answer, open_hello, questions
from evidence.errors import KeyFileError, MalformedError
from evidence.pen import CoseKey

ANSWER_WAIT_S: Final = 5.0
"""How long a signer may take over an answer; ordinary ones take a millisecond."""
HELLO_WAIT_S: Final = 20.0
"""How long it may take to start, on a slow board, and say who it is."""
MEND_EVERY_MS: Final = 5_000
"""Between two attempts to find the signer again, when the first brought little: the journal must have its turn."""
END_WAIT_S: Final = 2.0
"""How long a child may take to end once nobody is connected to it."""
POLLS: Final = ("box", "machine/*", "meter/*", "fire/*")
"""The streams that `poll` signs."""
WATCHES: Final = ("gate/{}", "zone/{}")
"""The streams that the `watch` of this name signs: one of them is in the configuration."""

log = logging.getLogger(__name__)


class PenError(SpoolError):
    """Nothing can be signed now, so nothing can be appended; the message says why."""


class Way(Protocol):
    """How the signer is reached."""

    def open(self) -> socket.socket:
        """A new connection; what was there before is over. Raises OSError."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class RemotePen:
    """A Pen for one thread."""

    def __init__(self, way: Way, clock: Clock) -> None:
        """Raises PenError when nobody is there, and KeyFileError when the signer is and has no key to sign with."""
        self._way, self._clock = way, clock
        self._socket: socket.socket | None = None
        self._again_ms = 0
        self._lost_ms = -MEND_EVERY_MS
        self._is_away = False
        try:
            self.public = self._connect()
        except BaseException:
            self.close()
            raise

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`. Raises PenError, at once when it is known that the signer is away."""
        if self._socket is None:
            raise PenError("the signer is away")
        try:
            for packet in questions(message):
                self._socket.send(packet)
            signed = open_answer(self._socket.recv(PACKET_LIMIT))
        except (OSError, MalformedError) as cause:
            raise self._lose(_said(cause, ANSWER_WAIT_S)) from cause
        if isinstance(signed, Refused):
            self._rest()
            raise self._lose(f"it refuses: {signed.why}")
        return signed

    def mend(self) -> bool:
        """Whether the signer is there; one that was lost is sought, at most every MEND_EVERY_MS. Outside `writing`."""
        if self._socket is not None:
            return True
        if self._clock.steady_ms() < self._again_ms:
            return False
        try:
            public = self._connect()
        except (PenError, KeyFileError) as still:
            log.debug("the signer is away still: %s", still)
            self._rest()
            return False
        if public != self.public:
            self._rest()
            self._lose("it has another key than before: start anew by it")
            return False
        log.info("the signer is back")
        self._is_away = False
        return True

    def close(self) -> None:
        """Let go of the signer; a child ends by it."""
        self._drop()
        self._way.close()

    def _connect(self) -> CoseKey:
        try:
            self._socket = self._way.open()
            self._socket.settimeout(HELLO_WAIT_S)
            said = open_hello(self._socket.recv(PACKET_LIMIT))
            self._socket.settimeout(ANSWER_WAIT_S)
        except (OSError, MalformedError) as cause:
            self._drop()
            raise PenError(f"there is no signer: {_said(cause, HELLO_WAIT_S)}") from cause
        if isinstance(said, Refused):
            self._drop()
            raise KeyFileError(said.why)
        return said

    def _lose(self, why: str) -> PenError:
        self._drop()
        now_ms = self._clock.steady_ms()
        if now_ms < self._lost_ms + MEND_EVERY_MS:  # it came back for little
            self._rest()
        self._lost_ms = now_ms
        log.log(logging.DEBUG if self._is_away else logging.ERROR, "the signer is away, statements wait: %s", why)
        self._is_away = True
        return PenError(f"the signer is away: {why}")

    def _rest(self) -> None:
        self._again_ms = self._clock.steady_ms() + MEND_EVERY_MS

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Served:
    """The signer behind a socket in the file system, as systemd's socket units make them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> socket.socket:
        """See Way."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(ANSWER_WAIT_S)
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """See Way: systemd looks after it."""


class Child:
    """A signer of this process's own, for a desk."""

    def __init__(self, box: str, key: Path, streams: tuple[str, ...]) -> None:
        asked = ["sign", "--box", box, "--key", str(key), "--streams", *streams]
        self._command = [sys.executable, "-m", "edge_agent", *asked]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the child that runs."""
        return None if self._process is None else self._process.pid

    def open(self) -> socket.socket:
        """See Way."""
        self._end(0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            try:
                self._process = subprocess.Popen(
                    [*self._command, "--fd", str(number)], pass_fds=[number], stdin=subprocess.DEVNULL
                )
            except OSError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        """See Way: its connection is closed, so it ends by itself."""
        self._end(END_WAIT_S)

    def _end(self, wait_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:  # frozen, maybe
            process.kill()
            process.wait()


def way_of(box: Box, *, camera: str | None = None) -> Way:
    """How `poll`, or `watch` of a camera, has its statements signed."""
    if box.signer is not None:
        return Served(socket_of(box.signer, camera=camera))
    assert box.signing_key is not None  # noqa: S101 - the configuration has one or the other
    return Child(box.id, box.signing_key, POLLS if camera is None else tuple(each.format(camera) for each in WATCHES))


def socket_of(signer: Path, *, camera: str | None) -> Path:
    """A camera's process has a socket of its own, beside that of `poll`: by it only its gate or zone is signed."""
    return signer if camera is None else signer.with_name(f"{signer.stem}-watch-{camera}{signer.suffix}")


def _said(cause: Exception, wait_s: float) -> str:
    if isinstance(cause, TimeoutError):
        return f"no answer within {wait_s:.0f} s"
    return str(cause)
