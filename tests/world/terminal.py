"""A person's terminal: a program on a pseudo-terminal of its own, what it shows, and what is typed to it.

    with Terminal("calibrate", "loom-1", rows=24) as terminal:
        terminal.until("press Enter")
        terminal.type("\\n")
        assert terminal.ended() == 0

Understands as much of ECMA-48 as the programs here use: home, clear to the end of line and screen, the other screen.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 60.0
_CODE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b")


class Terminal:
    """`edge-agent` with these arguments."""

    def __init__(self, *arguments: str, rows: int = 40, columns: int = 100, cwd: Path | None = None) -> None:
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

        def own() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", *arguments],
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=own,  # noqa: PLW1509  Ctrl-C reaches only who has a terminal of his own
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm-256color"},
        )
        os.close(far)
        self.said = ""
        """Every character that came, with its codes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._near)

    def type(self, text: str) -> None:
        """Ctrl-C is "\\x03"."""
        os.write(self._near, text.encode())

    def until(self, text: str, *, times: int = 1, wait_s: float = PATIENCE_S) -> None:
        """Wait until this text has come so often."""
        give_up_s = time.monotonic() + wait_s
        while self.said.count(text) < times:
            assert time.monotonic() < give_up_s, self.said[-2000:]
            assert self._hear(0.2) or self._process.poll() is None or self.said.count(text) >= times, self.said[-2000:]

    def shows(self, pattern: str) -> None:
        """Wait until the screen as a whole shows this; it is drawn in pieces, and drawn anew."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.screen()):
            assert time.monotonic() < give_up_s, self.screen()
            self._hear(0.2)

    def ended(self, *, wait_s: float = PATIENCE_S) -> int:
        """Its exit code, once it has ended."""
        give_up_s = time.monotonic() + wait_s
        while self._process.poll() is None:
            assert time.monotonic() < give_up_s, self.said
            self._hear(0.1)
        while self._hear(0):
            pass
        return self._process.returncode

    def screen(self) -> str:
        """What the other screen, or else the own one, shows now."""
        rows, at = [""], 0
        column = 0
        for part, parameters, letter in _parts(self.said):
            if letter == "h" and parameters == "?1049":
                rows, at, column = [""], 0, 0
            elif letter == "H":
                at = column = 0
            elif letter == "K":
                rows[at] = rows[at][:column]
            elif letter == "J":
                rows[at] = rows[at][:column]
                del rows[at + 1 :]
            for char in part:
                if char == "\r":
                    column = 0
                elif char == "\n":
                    at += 1
                    rows += [""] * (at + 1 - len(rows))
                else:
                    rows[at] = rows[at][:column].ljust(column) + char + rows[at][column + 1 :]
                    column += 1
        return "\n".join(rows)

    def _hear(self, wait_s: float) -> bool:
        if not select.select([self._near], [], [], wait_s)[0]:
            return False
        try:
            heard = os.read(self._near, 65536)
        except OSError:  # the far end is closed: the program has ended
            return False
        self.said += heard.decode("utf-8", "replace")
        return bool(heard)


def _parts(said: str) -> list[tuple[str, str, str]]:
    """(text, parameters of the code before it, its letter)."""
    parts, start = [], 0
    parameters = letter = ""
    for code in _CODE.finditer(said):
        parts.append((said[start : code.start()], parameters, letter))
        parameters, letter, start = code[1] or "", code[2] or "", code.end()
    return [*parts, (said[start:], parameters, letter)]
