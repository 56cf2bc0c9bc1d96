"""The scene a camera was put up to see, kept over a restart, so that a cover is never learned as the scene.

A small grey picture (160 x 90, people averaged away) beside the chain, one for each quarter of the day; it never leaves
the box. It belongs to the camera's source and place: with another gate or zone the scene is learned anew, and so it is
when this is lost. Then what covers the lens at the start is taken for the scene, until it moves. Altered, it makes the
camera say `moved` or `covered`, not see what is not there.
"""

import logging
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import SpoolDamagedError, SpoolError
from evidence import cbor

QUARTERS: Final = 4
QUARTER_MS: Final = 6 * 3_600_000
FIRST_MS: Final = 60_000
EVERY_MS: Final = 3_600_000
"""Between two writings: 17 kB of flash each."""
PLACE: Final = ("source", "gate_px", "polygon_px")
"""The settings that make it another scene."""
_MARK_BYTES: Final = 16

log = logging.getLogger(__name__)


class CameraMemory:
    """What one stream's camera saw when it saw well. One thread."""

    def __init__(self, signer: Signer, stream: str, settings: dict[str, Any]) -> None:
        self._signer, self._stream = signer, stream
        place = {key: settings[key] for key in PLACE if key in settings}
        self._mark = sha256(cbor.encode(place)).digest()[:_MARK_BYTES]
        self._due_ms = signer.clock.steady_ms() + FIRST_MS

    def recall(self) -> list[bytes]:
        """The scenes of this place, the present quarter of the day's first."""
        now = self._quarter()
        kept = [self._signer.spool.kept(self._name((now + later) % QUARTERS)) for later in range(QUARTERS)]
        return [one[_MARK_BYTES:] for one in kept if one is not None and one[:_MARK_BYTES] == self._mark]

    def keep(self, pack: Callable[[], bytes | None]) -> None:
        """Keep the scene when it is time and it is seen; a full disk costs nothing but the memory."""
        now_ms = self._signer.clock.steady_ms()
        if now_ms < self._due_ms or (scene := pack()) is None:
            return
        self._due_ms = now_ms + EVERY_MS
        try:
            with self._signer.spool.writing():
                self._signer.spool.keep(self._name(self._quarter()), self._mark + scene)
        except SpoolDamagedError:
            raise
        except SpoolError as wrong:
            log.debug("the scene is not kept: %s", wrong)

    def _quarter(self) -> int:
        return self._signer.clock.utc_ms() // QUARTER_MS % QUARTERS

    def _name(self, quarter: int) -> str:
        return f"scene {self._stream} {quarter}"
