"""Where evidence lies: one bundle file, or the directory that `evidence pull` keeps.

Nothing here is believed or decoded; the verifier asks for entries once in the file's order and for single ones again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

from evidence.bundle import Entry, index_bundle
from evidence.errors import EvidenceError, MalformedError

COPY_FILE: Final = "evidence.bundle"
ASIDE_FILE: Final = "refused.bundle"
STATE_FILE: Final = "state.json"
_SHIFT: Final = 40
"""A place is file number << 40 | offset: files up to a terabyte."""


class SourceError(EvidenceError):
    """There is no evidence at this path."""


class Source(Protocol):
    """What the verifier reads from."""

    damaged: list[str]
    set_aside: int

    def entries(self) -> Iterator[tuple[int, Entry, bytes]]:
        """(place, kind, content), in order."""

    def content(self, place: int, length: int) -> bytes:
        """The content of the entry at a place that `entries` named."""


@dataclass(slots=True)
class Files:
    """Bundle files on a disk, read as one."""

    files: list[tuple[Path, int | None]]
    """(path, how many of its bytes count; None: all)."""
    aside: Path | None = None
    damaged: list[str] = field(default_factory=list)
    set_aside: int = 0
    _open_files: dict[int, BinaryIO] = field(default_factory=dict)

    def entries(self) -> Iterator[tuple[int, Entry, bytes]]:
        """All entries of all files; a file that is cut off ends there and is named in `damaged`."""
        self.damaged.clear()
        for number, (path, length) in enumerate(self.files):
            try:
                for offset, kind, content in index_bundle(path, length=length):
                    yield number << _SHIFT | offset, kind, content
            except MalformedError as wrong:
                self.damaged.append(f"{path.name}: {wrong}")
            except OSError as wrong:
                raise SourceError(f"cannot read {path}: {wrong.strerror}") from wrong
        self.set_aside = _count(self.aside) if self.aside else 0

    def content(self, place: int, length: int) -> bytes:
        """Read again what `entries` named; a file that shrank meanwhile gives less."""
        number = place >> _SHIFT
        file = self._open_files.get(number)
        if file is None:
            file = self._open_files[number] = self.files[number][0].open("rb")
        file.seek(place & ((1 << _SHIFT) - 1))
        return file.read(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open_files.values():
            file.close()
        self._open_files.clear()


@dataclass(slots=True)
class Memory:
    """Entries in memory: a small world's bundle."""

    held: list[tuple[Entry, bytes]]
    damaged: list[str] = field(default_factory=list)
    set_aside: int = 0

    def entries(self) -> Iterator[tuple[int, Entry, bytes]]:
        """All of them; a place is a position."""
        for place, (kind, content) in enumerate(self.held):
            yield place, kind, content

    def content(self, place: int, length: int) -> bytes:
        """The content at this position."""
        return self.held[place][1][:length]


def open_source(path: Path) -> Files:
    """The evidence at `path`. Raises SourceError when there is none."""
    if path.is_dir():
        found = sorted(p for p in path.glob("*.bundle") if p.name != ASIDE_FILE)
        if not found:
            raise SourceError(f"{path} holds no *.bundle file")
        aside = path / ASIDE_FILE
        return Files(
            files=[(p, _committed(path) if p.name == COPY_FILE else None) for p in found],
            aside=aside if aside.exists() else None,
        )
    if not path.exists():
        raise SourceError(f"there is no {path}")
    try:
        with path.open("rb"):
            pass
    except OSError as wrong:
        raise SourceError(f"cannot read {path}: {wrong.strerror}") from wrong
    return Files(files=[(path, None)])


def _committed(directory: Path) -> int | None:
    """How many bytes of a pulled copy count; what follows them is of a pull that was cut off."""
    try:
        length = json.loads((directory / STATE_FILE).read_bytes())["length"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return length if type(length) is int and length >= 0 else None


def _count(path: Path) -> int:
    try:
        return sum(kind is Entry.STATEMENT for _, kind, _ in index_bundle(path))
    except (MalformedError, OSError):
        return 1
