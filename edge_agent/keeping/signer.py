"""Signing into the spool: what every process of the box does the same way.

A stream begins with its settings; a new run says what lies between it and the run before.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.keeping.spool import Head, Spool
from edge_agent.signing.remote import RemotePen
from evidence.bodies import Body, Configuration, Gap, GapReason
from evidence.pen import Pen
from evidence.statement import Moment

CLEAN: Final = b"clean"
RUNNING: Final = b"running"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """How this process's last run ended, as its spool tells."""

    boot: bytes
    """The boot id it ran under; empty when there was none."""
    clean: bool
    """Whether it was told to stop, and had signed everything."""

    def gap_reason(self, boot: bytes) -> GapReason:
        """Why nothing was recorded since: told to stop, or another boot, means off; else its software was killed."""
        return GapReason.BOX_OFF if self.clean or self.boot != boot else GapReason.CRASH


class Signer:
    """A pen, a clock and a spool. All its methods but `ready` and `moment` belong inside `spool.writing()`."""

    def __init__(self, spool: Spool, pen: Pen, clock: Clock) -> None:
        self.spool = spool
        self.clock = clock
        self.public = pen.public
        self._pen = pen
        self._boot = clock.boot_id()

    @property
    def boot(self) -> bytes:
        """The boot id that statements carry."""
        return self._boot

    def ready(self) -> bool:
        """Whether something can be signed now. To find a lost signer again may take its while: outside `writing`."""
        return not isinstance(self._pen, RemotePen) or self._pen.mend()

    def moment(self) -> Moment:
        """Now, by the box's clocks."""
        quality, error_ms = self.clock.quality()
        return Moment(
            boot=self._boot,
            steady_ms=self.clock.steady_ms(),
            at_ms=self.clock.utc_ms(),
            clock=quality,
            clock_error_ms=error_ms,
        )

    def append(self, stream: str, body: Body) -> Head:
        """Sign `body` as the stream's next statement; the stream's new head."""
        return self.spool.append(self._pen, stream, body, self.moment())

    def begin_run(self, process: str) -> LastRun:
        """Note that this process runs now; how its last run ended."""
        last = LastRun(boot=self.spool.kept(f"boot {process}") or b"", clean=self.spool.kept(f"end {process}") == CLEAN)
        self.spool.keep(f"boot {process}", self._boot)
        self.spool.keep(f"end {process}", RUNNING)
        return last

    def end_run(self, process: str) -> None:
        """Note that this process stopped as it was told to."""
        self.spool.keep(f"end {process}", CLEAN)

    def begin_stream(self, stream: str, settings: dict[str, Any], last: LastRun, *, now_ms: int) -> int:
        """Sign what a new run of a stream begins with: the gap since the last, and the settings where they are new.

        Returns when its first window opens.
        """
        head = self.spool.head(stream)
        if head.until_ms is not None:
            self.append(stream, self._gap_since(head.until_ms, now_ms, last))
        self.declare(stream, settings)
        return opening(head.until_ms, now_ms)

    def declare(self, stream: str, settings: dict[str, Any]) -> None:
        """Sign how a stream is measured from here on, where that is new."""
        configuration = Configuration(settings=settings)
        if self.spool.head(stream).config != sha256(configuration.encoded).digest():
            self.append(stream, configuration)

    def _gap_since(self, until_ms: int, now_ms: int, last: LastRun) -> Gap:
        if until_ms > now_ms:  # the clock is behind what it said before: how long it was, nobody can say
            return Gap(from_ms=now_ms, to_ms=now_ms, reason=GapReason.CLOCK, lost=None)
        lost = 0 if last.clean else None
        return Gap(from_ms=until_ms, to_ms=now_ms, reason=last.gap_reason(self._boot), lost=lost)


def opening(until_ms: int | None, now_ms: int) -> int:
    """When a window that begins anew opens: never where the one before ended, or judging would seem to go on."""
    return now_ms + 1 if until_ms == now_ms else now_ms
