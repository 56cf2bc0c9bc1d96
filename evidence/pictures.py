"""Pictures out of a bundle, for a person who wants to count an hour by eye.

Found by their hash, by n, or by a file that somebody handed over.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from evidence.bodies import Kind, Picture
from evidence.errors import EvidenceError
from evidence.files import PUBLIC, write_new
from evidence.say import aligned, count, lasting, short, to_json, when
from evidence.shelf import Shelf
from evidence.statement import Statement

LEAST_DIGITS: Final = 8
"""Hexadecimal digits of a hash that find a picture, at least; fewer digits are an n."""
_READ_AT_ONCE: Final = 1 << 20


class PictureError(EvidenceError):
    """There is no such picture here, or its bytes stayed on the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A statement of a picture, and who vouches for its key."""

    statement: Statement
    voucher: str

    @property
    def picture(self) -> Picture:
        """The body."""
        assert isinstance(self.statement.body, Picture)  # noqa: S101 - `pictures` yields nothing else
        return self.statement.body

    def as_json(self) -> dict[str, Any]:
        """For a program; without the bytes."""
        s, told = self.statement, to_json(self.picture)
        told["data"] = bool(self.picture.data)
        return {"box": s.box, "stream": s.stream, "n": s.n, "vouched_by": self.voucher, **told}

    def as_row(self) -> tuple[str, ...]:
        """One line of a list."""
        s, p = self.statement, self.picture
        here = "here" if p.data else "on the box"
        size = f"{p.width} x {p.height}, {p.length:,} bytes"
        lasts = lasting(p.to_ms - p.from_ms)
        marked = count(len(p.marks), "mark")
        return (s.box, s.stream, f"n={s.n}", p.what.name, when(p.from_ms), lasts, size, marked, here, short(p.sha256))

    def as_text(self) -> str:
        """What it is and how to recount it."""
        s, p = self.statement, self.picture
        span = f"{when(p.from_ms)} to {when(p.to_ms)}"
        ways = [mark.direction.name.lower() for mark in p.marks if mark.direction is not None]
        marks = f"{count(len(p.marks), 'mark')} ({ways.count('in')} in, {ways.count('out')} out)"
        return (
            f"{p.what.name} of {s.box} {s.stream}, {span}\n"
            f"{marks}; statement n={s.n}, key vouched for by {self.voucher}\nsha256 {p.sha256.hex()}"
        )


def pictures(shelf: Shelf, *, stream: str | None = None) -> Iterator[Shown]:
    """Every well-signed statement of a picture."""
    for document in shelf.documents(stream=stream, n=None, what=None):
        statement = document.content
        if isinstance(statement, Statement) and statement.body.kind is Kind.PICTURE:
            yield Shown(statement=statement, voucher=document.voucher)


def find(shelf: Shelf, which: str, *, stream: str | None = None) -> Shown:
    """The one picture with this n or whose hash begins so, with its bytes where any statement holds them.

    Raises PictureError where there is none, or more than one.
    """
    found: dict[bytes, Shown] = {}
    fits = _fits(which)
    for shown in pictures(shelf, stream=stream):
        if fits(shown) and not (shown.picture.sha256 in found and found[shown.picture.sha256].picture.data):
            found[shown.picture.sha256] = shown
    if not found:
        raise PictureError(f"no picture here is {which}; `evidence picture FILE` without a name lists them all")
    if len(found) > 1:
        raise PictureError(f"{len(found)} pictures are {which}; name the stream with --stream, or more of the hash")
    return next(iter(found.values()))


def find_file(shelf: Shelf, path: Path, *, stream: str | None = None) -> Shown:
    """The picture whose bytes are this file's, whoever brought it. Raises PictureError where none is."""
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_AT_ONCE):
            digest.update(part)
    try:
        return find(shelf, digest.hexdigest(), stream=stream)
    except PictureError as wrong:
        raise PictureError(
            f"{path} is none of the pictures that were signed here: its SHA-256 is {digest.hexdigest()}"
        ) from wrong


def save(shown: Shown, path: Path) -> None:
    """Write the picture's bytes to a new file. Raises PictureError where they stayed on the box, or a file is there."""
    picture = shown.picture
    if not picture.data:
        raise PictureError(
            f"the picture {picture.sha256.hex()} stayed on the box; ask the enterprise for its file, then compare it: "
            "evidence picture BUNDLE --is FILE"
        )
    try:
        write_new(path, picture.data, mode=PUBLIC)
    except FileExistsError as cause:
        raise PictureError(f"{path} exists already; choose another name or move it away") from cause


def listed(shown: list[Shown]) -> str:
    """A list of pictures, one a line."""
    return aligned([one.as_row() for one in shown]) if shown else "no picture is in it"


def _fits(which: str) -> Callable[[Shown], bool]:
    digits = which.lower()
    if re.fullmatch(rf"[0-9a-f]{{{LEAST_DIGITS},64}}", digits):
        return lambda shown: shown.picture.sha256.hex().startswith(digits)
    if re.fullmatch(rf"\d{{1,{LEAST_DIGITS - 1}}}", digits):
        return lambda shown: shown.statement.n == int(digits)
    raise PictureError(f"{which!r} is neither an n nor the first {LEAST_DIGITS} digits of a hash, or more")
