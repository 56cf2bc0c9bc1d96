"""Disks that lose power and disks that fill up, real ones, small.

    if (reason := no_loop_disk()) is not None:
        pytest.skip(reason)
    with loop_disk(tmp_path, size_mb=32) as disk:
        write_and_fsync(disk.path / "spool.db")
        after = disk.cut()                 # the same disk as if its power had gone in this moment, mounted elsewhere
        disk.fill(leave_bytes=4096)

A cut is the image file as it is, so what was written and never synced is gone, as far as the kernel had not written it
by itself. Milder than a real disk in one thing: what ext4 has handed over counts as written, also without a flush.
The copy is taken again until two readings agree, so it is the disk of one moment and not of several.
Loop devices and mounts need root; `tmpfs_disk` needs it too, but no loop device, and can only be full.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

CHUNK: Final = 1 << 20
CUT_TRIES: Final = 1000
TOOL_TIMEOUT_S: Final = 60.0
SMALLEST_MB: Final = 8
"""With its journal; less is no ext4 that a power cut could be tried on."""


class StillWritingError(Exception):
    """The disk was written to so fast that no single moment of it could be copied."""


@dataclass(kw_only=True)
class FullDisk:
    """A small file system, mounted at `path`."""

    path: Path

    @property
    def free_bytes(self) -> int:
        """What a program may still write."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Fill it up except for about `leave_bytes`, to the block. `free()` undoes it."""
        with (self.path / FILLER).open("ab") as filler:
            while (surplus := self.free_bytes - leave_bytes) > 0:
                try:
                    os.posix_fallocate(filler.fileno(), os.fstat(filler.fileno()).st_size, surplus)
                except OSError:  # metadata takes room too: what a file can take is somewhat less than what is free
                    if not _append(filler.fileno(), min(surplus, CHUNK)):
                        return

    def free(self) -> None:
        (self.path / FILLER).unlink(missing_ok=True)


@dataclass(kw_only=True)
class LoopDisk(FullDisk):
    """An ext4 in a file; its power can be cut."""

    image: Path
    _stack: ExitStack = field(repr=False)
    _cuts: int = 0

    def cut(self) -> Path:
        """A copy of the disk as it is now, mounted, its journal replayed. The disk itself goes on."""
        self._cuts += 1
        copy = self.image.with_name(f"{self.image.name}.cut{self._cuts}")
        _copy_one_moment(self.image, copy)
        return self._stack.enter_context(_mounted("-o", "loop", copy, at=copy.with_suffix(f".at{self._cuts}")))


@contextmanager
def loop_disk(directory: Path, *, size_mb: int = 32) -> Iterator[LoopDisk]:
    """An empty ext4 disk of this size; everything is unmounted when the block ends."""
    assert size_mb >= SMALLEST_MB
    with ExitStack() as stack:
        image = directory / "disk.img"
        with image.open("wb") as file:
            file.truncate(size_mb * CHUNK)
        _tool("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,nodiscard", str(image))
        path = stack.enter_context(_mounted("-o", "loop", image, at=directory / "disk"))
        yield LoopDisk(path=path, image=image, _stack=stack)


@contextmanager
def tmpfs_disk(directory: Path, *, size_mb: int = 8) -> Iterator[FullDisk]:
    """A disk in memory: it can be full, but not lose power."""
    with _mounted("-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", at=directory / "tmpfs") as path:
        yield FullDisk(path=path)


@lru_cache(maxsize=1)
def no_loop_disk() -> str | None:
    """Why this machine has no loop disks; None when one could be made."""
    return _tried(lambda directory: loop_disk(directory, size_mb=SMALLEST_MB))


@lru_cache(maxsize=1)
def no_tmpfs_disk() -> str | None:
    """Why this machine has no tmpfs disks; None when one could be made."""
    return _tried(lambda directory: tmpfs_disk(directory, size_mb=1))


FILLER: Final = "filler"
_PATH: Final = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _tried(disk) -> str | None:  # type: ignore[no-untyped-def] # noqa: ANN001
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        with TemporaryDirectory() as directory, disk(Path(directory)):
            return None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as cause:
        said = getattr(cause, "stderr", None) or str(cause)
        return f"no disk can be mounted here: {str(said).strip():.200}"


@contextmanager
def _mounted(*what: str | Path, at: Path) -> Iterator[Path]:
    at.mkdir()
    _tool("mount", *map(str, what), str(at))
    try:
        yield at
    finally:
        # Lazily: a program of the test may still hold a file, and the next test must not suffer for it.
        _tool("umount", "-l", str(at))


def _copy_one_moment(image: Path, copy: Path) -> None:
    for _ in range(CUT_TRIES):
        shutil.copyfile(image, copy)
        if _same(image, copy):
            return
    raise StillWritingError(f"{image} changed during each of {CUT_TRIES} copies: stop the writer first")


def _same(one: Path, two: Path) -> bool:
    with one.open("rb") as first, two.open("rb") as second:
        while chunk := first.read(CHUNK):
            if chunk != second.read(CHUNK):
                return False
    return True


def _append(descriptor: int, surplus: int) -> bool:
    """Write some bytes; whether any fitted."""
    for count in (surplus, 4096, 1):
        try:
            os.write(descriptor, bytes(count))
        except OSError:
            continue
        return True
    return False


def _tool(*command: str) -> None:
    env = os.environ | {"PATH": _PATH, "LC_ALL": "C"}
    found = shutil.which(command[0], path=_PATH) or command[0]
    subprocess.run((found, *command[1:]), check=True, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, env=env)
