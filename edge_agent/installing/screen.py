"""What a person at a terminal sees and types: lines that stay, one line that is refreshed, whether Enter was pressed.

Where there is no terminal nothing is refreshed, nobody is asked, and only lines that stay are written.
"""

import os
import select
import shutil
from collections.abc import Sequence
from typing import Final, TextIO

_CLEAR: Final = "\r\x1b[K"
_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_OTHER_SCREEN: Final = "\x1b[?1049h\x1b[?25l"
_OWN_SCREEN: Final = "\x1b[?25h\x1b[?1049l"


class Screen:
    """One person's terminal, or a file."""

    def __init__(self, out: TextIO, keys: TextIO | None = None) -> None:
        """`keys` is where a person types; None where nobody does."""
        self._out = out
        self.is_terminal = out.isatty()
        self._keys = keys if keys is not None and self.is_terminal and keys.isatty() else None
        self._refreshed = False
        self._whole = False

    @property
    def has_person(self) -> bool:
        """Whether somebody can be asked."""
        return self._keys is not None

    @property
    def colours(self) -> bool:
        """Whether colours may be shown (no-color.org)."""
        return self.is_terminal and not os.environ.get("NO_COLOR")

    def say(self, text: str) -> None:
        """A line that stays."""
        self._wipe()
        self._out.write(f"{text}\n")
        self._out.flush()

    def refresh(self, text: str) -> None:
        """The line that is refreshed; nothing where there is no terminal."""
        if self.is_terminal:
            width = shutil.get_terminal_size().columns
            self._out.write(_CLEAR + _shortened(text, width - 1))
            self._out.flush()
            self._refreshed = True

    def page(self, lines: Sequence[str], *, rest: str) -> None:
        """The whole screen in place; of more lines than it has, the first ones, and `rest` with how many are not shown.

        Without a terminal: nothing.
        """
        if not self.is_terminal:
            return
        size = shutil.get_terminal_size()
        shown = list(lines)
        if len(shown) > size.lines - 1:
            hidden = len(shown) - (size.lines - 2)
            shown = [*shown[: size.lines - 2], rest.format(hidden)]
        if not self._whole:
            self._out.write(_OTHER_SCREEN)
            self._whole = True
        body = "".join(f"{_shortened(line, size.columns - 1)}{_CLEAR_LINE}\n" for line in shown)
        self._out.write(_HOME + body + _CLEAR_BELOW)
        self._out.flush()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._wipe()
        if self._whole:
            self._out.write(_OWN_SCREEN)
            self._whole = False
        self._out.flush()

    def wait(self, wait_s: float) -> None:
        """Let time pass; what is typed meanwhile means nothing."""
        if self._keys is None:
            select.select((), (), (), max(0.0, wait_s))
        else:
            self.typed(wait_s)

    def typed(self, within_s: float) -> str | None:
        """The line that was typed within that time; None when none was. Waits in any case when nobody can type."""
        if self._keys is None:
            select.select((), (), (), max(0.0, within_s))
            return None
        if not select.select((self._keys,), (), (), max(0.0, within_s))[0]:
            return None
        line = self._keys.readline()
        if not line:
            raise KeyboardInterrupt  # the terminal was closed, or Ctrl-D: nobody is there any more
        self._refreshed = False  # Enter went to the next line
        return line.strip()

    def _wipe(self) -> None:
        if self._refreshed:
            self._out.write(_CLEAR)
            self._refreshed = False


def _shortened(text: str, width: int) -> str:
    """So wide at most; Chinese characters and the like take two places."""
    room, end = width, 0
    for end, char in enumerate(text):
        room -= 2 if char >= "\u1100" and not "\u2000" <= char <= "\u2e7f" else 1
        if room < 0:
            return text[:end]
    return text
