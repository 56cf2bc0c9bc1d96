"""The pictures of one camera on this box's own disk: `<from>-<to>-<what>-<sha256>.webp`, oldest first by name.

If lost: the hash of each stays in the chain, and nobody can count again from it. If altered: the hash no longer fits,
and `edge-agent pictures` says so. Who can read the folder sees what the camera's gate saw.

The order of writes: the file, then its folder, are on the disk before the statement that names the hash is signed. So
a hash in the chain without a file was deleted by retention, by hand, or with the disk; never by a power cut.
"""

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from evidence.bodies import PictureKind

FOLDER: Final = "pictures"
"""Beside the spool."""
_NAME: Final = re.compile(r"(\d{13})-(\d{13})-([a-z]+)-([0-9a-f]{64})\.(webp|png)")
_WHAT: Final = {kind.name.lower(): kind for kind in PictureKind}
MEDIA_TYPES: Final = {"webp": "image/webp", "png": "image/png"}
FILES_LIMIT: Final = 100_000
"""Files of a folder that are looked at."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A picture on the disk, as its name says."""

    file: Path
    from_ms: int
    to_ms: int
    what: PictureKind
    sha256: bytes
    length: int

    @property
    def media_type(self) -> str:
        """By the name's ending."""
        return MEDIA_TYPES[self.file.suffix[1:]]

    @property
    def stream(self) -> str:
        """The stream it belongs to."""
        kind, _, name = self.file.parent.name.partition("-")
        return f"{kind}/{name}"

    def read(self) -> bytes | None:
        """Its bytes; None when they are not what was hashed. Raises OSError."""
        octets = self.file.read_bytes()
        return octets if sha256(octets).digest() == self.sha256 else None


def folder_of(spool: Path, stream: str) -> Path:
    """Where a stream's pictures lie."""
    return spool.parent / FOLDER / stream.replace("/", "-", 1)


def streams_with_pictures(spool: Path) -> Iterator[Path]:
    """The folders that there are."""
    above = spool.parent / FOLDER
    if above.is_dir():
        yield from sorted(path for path in above.iterdir() if path.is_dir())


def pictures_in(folder: Path) -> list[Kept]:
    """Oldest first; what is no picture is left out."""
    if not folder.is_dir():
        return []
    names = [_NAME.fullmatch(file.name) for file in sorted(folder.iterdir())[:FILES_LIMIT]]
    return [
        Kept(
            file=folder / name[0],
            from_ms=int(name[1]),
            to_ms=int(name[2]),
            what=_WHAT[name[3]],
            sha256=bytes.fromhex(name[4]),
            length=(folder / name[0]).stat().st_size,
        )
        for name in names
        if name and name[3] in _WHAT
    ]


def keep_picture(
    folder: Path, octets: bytes, *, from_ms: int, to_ms: int, what: PictureKind, suffix: str = "webp"
) -> Kept:
    """Put a picture on the disk for good; the same one twice is one. Raises OSError."""
    digest = sha256(octets).digest()
    file = folder / f"{from_ms:013d}-{to_ms:013d}-{what.name.lower()}-{digest.hex()}.{suffix}"
    make_folder(folder)
    half = folder / f"{what.name.lower()}.half"
    with half.open("wb") as out:
        out.write(octets)
        out.flush()
        os.fsync(out.fileno())
    half.replace(file)
    sync_folder(folder)
    # power fails here: the picture is there, and nothing names it yet; the next start makes the same one again
    return Kept(file=file, from_ms=from_ms, to_ms=to_ms, what=what, sha256=digest, length=len(octets))


def make_folder(folder: Path) -> None:
    """Make it, where it is not there: nobody else on the box may look into it."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """What was renamed, made or deleted in it stays so."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def forget_old(folder: Path, *, now_ms: int, keep_days: int, at_most_bytes: int) -> int:
    """Delete pictures that are older, and then the oldest while they take more; how many went. Raises OSError."""
    pictures = pictures_in(folder)
    size, gone = sum(picture.length for picture in pictures), 0
    for picture in pictures[:-1]:  # the newest stays: it may not be signed yet
        age_ms = now_ms - picture.to_ms
        if age_ms <= keep_days * 86_400_000 and size <= at_most_bytes:
            break
        picture.file.unlink(missing_ok=True)
        size, gone = size - picture.length, gone + 1
        log.info("a picture was deleted as configured stream=%s sha256=%s", picture.stream, picture.sha256.hex())
    return gone
