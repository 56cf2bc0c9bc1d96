"""Who else has a serial port, and what it is called for good. Looks, and changes nothing.

A port counts as held when another program has locked it: by flock(2), as this program and pyserial do, by TIOCEXCL
(ioctl_tty(2)), or by a lock file of UUCP's kind (FHS 3.0, 5.9), as minicom does. That a program merely has it open is
told, not minded: it may be `cat`, and it may be stealing our answers.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

TIOCGEXCL: Final = 0x80045440
"""Whether the terminal is in exclusive mode: asm-generic/ioctls.h."""
BY_ID: Final = Path("/dev/serial/by-id")
"""udev's names, which stay when adapters are swapped."""
LOCKS: Final = Path("/var/lock")
PROCESSES_LIMIT: Final = 20_000
"""Processes that are looked at."""

_WHY: Final = {
    errno.ENOENT: "there is no such port; is the adapter plugged in? `edge-agent scan` without a port lists them",
    errno.EACCES: "this user may not open it; use sudo, or add the user to the group dialout",
    errno.EPERM: "this user may not open it; use sudo, or add the user to the group dialout",
    errno.ENODEV: "there is nothing behind it; plug the adapter in again",
    errno.ENXIO: "there is nothing behind it; plug the adapter in again",
    errno.EIO: "there is nothing behind it",
    errno.EBUSY: "another program holds it",
}


def why_not(device: str) -> str | None:
    """Why the port cannot be had, with what to do; None when it can."""
    try:
        end = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as wrong:
        why = _WHY.get(wrong.errno or 0, f"it cannot be opened ({wrong.strerror})")
        return f"{why}{_by(device)}" if wrong.errno == errno.EBUSY else why
    try:
        if not os.isatty(end):
            return "it is no serial port"
        if _is_locked(end) or _has_lock_file(device):
            return f"another program holds it{_by(device)}; stop that first"
        return None
    finally:
        os.close(end)


def others_with(device: str) -> tuple[str, ...]:
    """Other programs that have the port open, as far as this user may see them."""
    wanted = os.path.realpath(device)
    found = (_program(folder) for folder in _processes() if _has_open(folder, wanted))
    return tuple(sorted(name for name in found if name))


def lasting_name(device: str, folder: Path = BY_ID) -> str:
    """The port's name that stays when adapters are swapped; its own where there is none."""
    wanted = os.path.realpath(device)
    with suppress(OSError):
        for link in sorted(folder.iterdir()):
            if os.path.realpath(link) == wanted:
                return str(link)
    return device


def _is_locked(end: int) -> bool:
    try:
        fcntl.flock(end, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    with suppress(OSError):
        return bool(int.from_bytes(fcntl.ioctl(end, TIOCGEXCL, bytes(4)), "little"))
    return False


def _has_lock_file(device: str) -> bool:
    """A lock file counts while its process lives."""
    try:
        text = (LOCKS / f"LCK..{Path(os.path.realpath(device)).name}").read_text(encoding="ascii")
        process = int(text.split()[0])
    except (OSError, ValueError, IndexError):
        return False
    return process != os.getpid() and Path(f"/proc/{process}").exists()


def _by(device: str) -> str:
    others = others_with(device)
    return f": {', '.join(others)}" if others else ""


def _processes() -> Iterator[Path]:
    for seen, folder in enumerate(Path("/proc").glob("[0-9]*")):
        if seen >= PROCESSES_LIMIT:
            return
        if folder.name != str(os.getpid()):
            yield folder


def _has_open(process: Path, wanted: str) -> bool:
    with suppress(OSError):  # it ended, or is another user's
        return any(str(link.readlink()) == wanted for link in (process / "fd").iterdir())
    return False


def _program(process: Path) -> str:
    with suppress(OSError):
        command = (process / "cmdline").read_bytes().split(b"\0")
        words = [Path(os.fsdecode(word)).name for word in command[:2] if word] or ["?"]
        runs_script = words[0].startswith("python") and not words[-1].startswith("-")
        name = words[-1] if runs_script else words[0]
        return f"{name} (process {process.name})"
    return ""
