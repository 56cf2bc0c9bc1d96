"""Signers that die, freeze or stay away at a chosen moment: forked, real processes with the real loop.

way = Signers(key, box="box-1", moment=3, end=signal.SIGKILL)      # the third question is its last
pen = RemotePen(way, clock)
"""

import os
import signal
import socket
from dataclasses import dataclass, field

from edge_agent.signing.desk import Desk
from edge_agent.signing.packets import Refused
from edge_agent.signing.serve import serve
from evidence.keys import SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mortal(Desk):
    moment: int
    end: signal.Signals
    answers_first: bool
    asked: list[None] = field(default_factory=list)

    def sign(self, message: bytes) -> bytes | Refused:
        self.asked.append(None)
        ends = len(self.asked) == self.moment
        if ends and not self.answers_first:
            os.kill(os.getpid(), self.end)
        signed = Desk.sign(self, message)
        if ends and self.answers_first:
            os.kill(os.getpid(), self.end)
        return signed


@dataclass(kw_only=True)
class Signers:
    """A Way (edge_agent/signing/remote.py). The first signer ends at its `moment`-th question; the next live on."""

    key: SigningKey
    box: str = "box-1"
    streams: tuple[str, ...] = ()
    moment: int = 0
    end: signal.Signals = signal.SIGKILL
    answers_first: bool = False
    """Whether it has made the signature by then; nobody gets it."""
    is_away: bool = False
    started: int = 0
    pid: int | None = None

    def open(self) -> socket.socket:
        self.close()
        if self.is_away:
            raise ConnectionRefusedError("nobody is there")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours.close()
                moment = 0 if self.started else self.moment
                desk = _Mortal(
                    box=self.box,
                    pen=self.key,
                    streams=self.streams,
                    moment=moment,
                    end=self.end,
                    answers_first=self.answers_first,
                )
                serve([theirs], lambda: desk)
            finally:
                os._exit(0)
        self.started += 1
        theirs.close()
        return ours

    def kill(self) -> None:
        """Now, without a word."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        pid, self.pid = self.pid, None
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
