"""A camera's conditions as signed events: raised when one begins, cleared when another state is told.

What is raised is kept with the statement that says so: a new run clears it when its camera is clear, and not before.
What cannot be signed now waits, and is tried again; of a state that came and went meanwhile nothing is left but the
blind time in the windows.
"""

import logging
from typing import Final

from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import SpoolDamagedError, SpoolError
from evidence.bodies import Event, EventKind, Events, Phase

CLEAR: Final = frozenset({"clear", "seen"})
"""What a camera that sees is called."""
SAYS: Final = {
    "covered": "something covers the camera",
    "moved": "the camera looks elsewhere than it did",
    "defocused": "the camera is out of focus",
    "dark": "it is too dark to see",
    "frozen": "the camera sends the same picture again and again",
    "looped": "the camera's pictures repeat",
    "occluded": "something stands before the scene",
    "slow": "pictures come more rarely than they did",
    "lost": "the camera gives no pictures",
}

log = logging.getLogger(__name__)


class CameraEvents:
    """The conditions of one stream's camera. One thread."""

    def __init__(self, signer: Signer, stream: str, *, kept_as: str = "camera") -> None:
        """Of those with the same `kept_as` one condition is raised at a time."""
        self._signer, self._stream, self._name = signer, stream, f"{kept_as} {stream}"
        self._raised = (signer.spool.kept(self._name) or b"").decode()
        self._wanted = self._raised

    @property
    def raised(self) -> str:
        """The condition that stands raised; empty when none does."""
        return self._raised

    def tell(self, condition: str, *, at_ms: int) -> None:
        """How the camera is, as often as it is known: signs what is new."""
        self._wanted = "" if condition in CLEAR else condition
        if self._wanted == self._raised or not self._signer.ready():
            return
        events = [self._event(Phase.CLEARED, self._raised, at_ms)] if self._raised else []
        events += [self._event(Phase.RAISED, self._wanted, at_ms)] if self._wanted else []
        try:
            with self._signer.spool.writing():
                self._signer.append(self._stream, Events(events=events))
                self._signer.spool.keep(self._name, self._wanted.encode())
        except SpoolDamagedError:
            raise
        except SpoolError as wrong:
            log.debug("a camera's state waits: %s", wrong)
            return
        log.info("camera stream=%s is=%s was=%s", self._stream, self._wanted or "clear", self._raised or "clear")
        self._raised = self._wanted

    def _event(self, phase: Phase, subject: str, at_ms: int) -> Event:
        says = SAYS.get(subject, subject)
        return Event(at_ms=at_ms, event=EventKind.CAMERA, phase=phase, subject=subject, says=says)
