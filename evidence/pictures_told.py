"""What a stream's pictures and certificates come to. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from evidence.bodies import Acceptance, Picture, PictureKind
from evidence.judging.detectors import Detector

NEWEST_LIMIT: Final = 50
"""Pictures and certificates that are named, at most: the newest."""
HASHES_LIMIT: Final = 65_536
"""Pictures of one stream that are told apart by their hashes, at most; a year of hours has 8,760."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePicture:
    """A picture without its bytes."""

    n: int
    from_ms: int
    to_ms: int
    what: PictureKind
    media_type: str
    width: int
    height: int
    length: int
    sha256: bytes
    marks: int
    is_here: bool
    """Whether its bytes are in the statement: it left the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesTold:
    """All pictures of one stream."""

    count: int
    """Different pictures,"""
    here: int
    """and those of them whose bytes are in the chain: they left the box."""
    here_bytes: int
    kinds: dict[PictureKind, int]
    """Statements of each kind of picture."""
    newest: tuple[OnePicture, ...]
    """The last of them, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """All certificates of one stream."""

    count: int
    passed: int
    last_n: int
    last: Acceptance
    newest: tuple[tuple[int, Acceptance], ...]
    """(n, the certificate) of the last of them, oldest first."""


@dataclass(slots=True)
class Album:
    """One stream's pictures and certificates, in the order of its chain."""

    _stayed: set[bytes] = field(default_factory=set)
    _here: dict[bytes, int] = field(default_factory=dict)
    _beyond: int = 0
    _kinds: Counter[PictureKind] = field(default_factory=Counter)
    _newest: list[OnePicture] = field(default_factory=list)
    _certificates: int = 0
    _passed: int = 0
    _tested: list[tuple[int, Acceptance]] = field(default_factory=list)

    def picture(self, n: int, body: Picture) -> None:
        """The next picture; that its bytes have its hash was checked when the statement was read."""
        self._kinds[body.what] += 1
        if len(self._stayed) + len(self._here) >= HASHES_LIMIT:
            self._beyond += 1
        elif body.data:
            self._here[body.sha256] = body.length
        elif body.sha256 not in self._here:
            self._stayed.add(body.sha256)
        self._stayed -= self._here.keys() & {body.sha256}
        one = OnePicture(
            n=n,
            from_ms=body.from_ms,
            to_ms=body.to_ms,
            what=body.what,
            media_type=body.media_type,
            width=body.width,
            height=body.height,
            length=body.length,
            sha256=body.sha256,
            marks=len(body.marks),
            is_here=bool(body.data),
        )
        self._newest = [*self._newest[-NEWEST_LIMIT + 1 :], one]

    def certificate(self, n: int, body: Acceptance) -> None:
        """The next certificate."""
        self._certificates += 1
        self._passed += body.passed
        self._tested = [*self._tested[-NEWEST_LIMIT + 1 :], (n, body)]

    @property
    def has_passed(self) -> bool:
        """Whether any certificate was passed so far."""
        return self._passed > 0

    def pictures(self) -> PicturesTold | None:
        """What the pictures come to; None where there is none."""
        if not self._newest:
            return None
        return PicturesTold(
            count=len(self._stayed) + len(self._here) + self._beyond,
            here=len(self._here),
            here_bytes=sum(self._here.values()),
            kinds=dict(sorted(self._kinds.items())),
            newest=tuple(self._newest),
        )

    def certified(self) -> Certified | None:
        """What the certificates come to; None where there is none."""
        if not self._tested:
            return None
        last_n, last = self._tested[-1]
        return Certified(
            count=self._certificates, passed=self._passed, last_n=last_n, last=last, newest=tuple(self._tested)
        )


def is_of(certificate: Acceptance, detector: Detector) -> bool:
    """Whether the certificate is of the very detector: the same model file, or the same name where there is none."""
    if certificate.detector_sha256 or detector.sha256:
        return certificate.detector_sha256 == detector.sha256
    return certificate.detector == detector.name
