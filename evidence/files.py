"""Writing a file so that a power cut leaves the old one or the new one, never half of one."""

import os
import tempfile
from pathlib import Path
from typing import Final

PUBLIC: Final = 0o644
PRIVATE: Final = 0o600


def write_whole(path: Path, content: bytes, *, mode: int = PUBLIC) -> None:
    """Put `content` at `path` in one step, durably; what stood there before is replaced. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            Path(name).chmod(mode)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)  # power fails before this: the old file stands, and a stray dot file
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_new(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Put `content` at `path`, durably and whole, only if nothing stands there; else raises FileExistsError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            Path(name).chmod(mode)
            file.flush()
            os.fsync(descriptor)
        path.hardlink_to(name)  # a link refuses to replace, where a rename would not
    finally:
        Path(name).unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names that were written in `directory` survive a power cut (fsync(2)); Windows has no such call."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
