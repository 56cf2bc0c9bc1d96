"""Which models counted in a stream, in the order in which they began to. Pure."""

from dataclasses import dataclass, field
from typing import Final

DETECTORS_LIMIT: Final = 32
"""Detectors of one stream that are named, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A detector's name, and the hash of its model file (empty where it has none)."""

    name: str
    sha256: bytes


@dataclass(slots=True)
class Detectors:
    """The detectors of one stream."""

    now: Detector | None = None
    """The one of the last window."""
    _known: dict[Detector, None] = field(default_factory=dict)

    def take(self, name: str, sha256: bytes) -> None:
        """The next window was counted by this one."""
        if self.now is None or (self.now.name, self.now.sha256) != (name, sha256):
            self.now = Detector(name=name, sha256=sha256)
            if len(self._known) < DETECTORS_LIMIT:
                self._known[self.now] = None

    def result(self) -> tuple[Detector, ...]:
        """All that counted."""
        return tuple(self._known)
