"""What gates and zones have in common on a page: the certificate of their counts, and their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloud_sync.page_view import Watched
from cloud_sync.sheets.asked import Asked, days_said
from cloud_sync.store import PictureRow, Pictures
from evidence.bodies import Acceptance
from evidence.judging.detectors import Detector
from evidence.pictures_told import is_of

HASH_SHOWN: Final = 16
"""Hexadecimal digits of a hash that a page says; `evidence picture` finds a picture by 8."""
SHOWN_AT_ONCE: Final = 3
"""Pictures that a page shows before a reader asks for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateLine:
    """What a person found who counted the same."""

    says: str
    """The whole line, or that there is none."""
    good: bool
    """Whether it passed, and is of the detector that counts now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLine:
    """One picture: shown where it left the box, named where it stayed."""

    day: str
    """The day it ends on, where that is another than the one of the line above."""
    at: str
    what: str
    marks: str
    digest: str
    shown: str
    """The hash as the page says it."""
    address: str
    """Where its bytes are; empty where it stayed on the box."""
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureList:
    """The pictures of the time shown."""

    here: tuple[PictureLine, ...]
    stayed: tuple[PictureLine, ...]
    says: str
    left_out: int
    id: str
    """Another one when there is another picture: so what a reader opened stays open until then."""
    open: int = SHOWN_AT_ONCE


def certificate_line(asked: Asked, certificate: Acceptance | None, detector: Detector | None = None) -> CertificateLine:
    """The certificate in one line; `detector` is what counts now, where that is known."""
    voice = asked.voice
    if certificate is None:
        return CertificateLine(says=voice("certificate_none"), good=False)
    said = voice(
        "certificate_passed" if certificate.passed else "certificate_failed",
        at=voice.moment(certificate.at_ms)[:10],
        error=_percent(certificate.error_permille),
        limit=_percent(certificate.limit_permille),
        exact=certificate.exact,
        frames=certificate.frames,
    )
    other = detector is not None and not is_of(certificate, detector)
    return CertificateLine(
        says=f"{said} {voice('certificate_other')}" if other else said, good=certificate.passed and not other
    )


def picture_list(asked: Asked, path: str, stream: Watched, pictures: Pictures) -> PictureList:
    """The pictures of a stream whose page is at `path`, newest first."""
    newest = pictures.newest
    return PictureList(
        here=_lines(asked, path, [one for one in newest if one.is_here]),
        stayed=_lines(asked, path, [one for one in newest if not one.is_here]),
        says=asked.voice("pictures_are", n=pictures.count, here=pictures.here, stream=stream.stream),
        left_out=pictures.count - len(newest),
        id=f"pictures-{newest[0].sha256.hex()[:HASH_SHOWN]}-{pictures.here}" if newest else "pictures",
    )


def _lines(asked: Asked, path: str, pictures: Sequence[PictureRow]) -> tuple[PictureLine, ...]:
    voice = asked.voice
    days = days_said(asked, [one.from_ms for one in pictures])
    return tuple(
        PictureLine(
            day=day,
            at=voice.clock(one.from_ms) + (f"–{voice.clock(one.to_ms)}" if one.to_ms > one.from_ms else ""),
            what=voice(f"picture{one.what}"),
            marks=voice("picture_marks" if one.marks != 1 else "picture_mark", n=one.marks),
            digest=one.sha256.hex(),
            shown=one.sha256.hex()[:HASH_SHOWN] + "…",
            address=f"{path}/picture/{one.sha256.hex()}" if one.is_here else "",
            width=one.width,
            height=one.height,
        )
        for one, day in zip(pictures, days, strict=True)
    )


def _percent(permille: int) -> str:
    return f"{permille / 10:.1f} %"
