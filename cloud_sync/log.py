"""The receiver's log: one fixed phrase, then key=value, to standard error; journald adds the time.

INFO: something changed. WARNING: the first failure of a kind, then DEBUG until it heals, then INFO once. ERROR: a
person must act, and the line says how. Keys, tokens and payloads never appear.
"""

import logging
import sys
from threading import Lock
from typing import Final

TROUBLES_LIMIT: Final = 10_000
"""Kinds of failure remembered as standing, at most; when there are more, some are warned of again."""

_LOG: Final = logging.getLogger("cloud_sync")


def begin(*, debug: bool = False) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    _LOG.handlers = [handler]
    _LOG.propagate = False
    _LOG.setLevel(logging.DEBUG if debug else logging.INFO)


def info(phrase: str, **facts: object) -> None:
    """Something changed."""
    _LOG.info(_line(phrase, facts))


def debug(phrase: str, **facts: object) -> None:
    """For who looks closely."""
    _LOG.debug(_line(phrase, facts))


def error(phrase: str, **facts: object) -> None:
    """A person must act; `do` among the facts says how."""
    _LOG.error(_line(phrase, facts))


class Troubles:
    """What is failing now: said once when it begins, and once when it is over."""

    def __init__(self) -> None:
        self._standing: set[str] = set()
        self._lock = Lock()

    def begin(self, kind: str, phrase: str, *, person: bool = False, **facts: object) -> None:
        """It fails: WARNING (ERROR when a person must act) the first time, DEBUG until `over`."""
        with self._lock:
            first = kind not in self._standing
            if len(self._standing) >= TROUBLES_LIMIT:
                self._standing.clear()
            self._standing.add(kind)
        if not first:
            _LOG.debug(_line(phrase, facts))
        elif person:
            _LOG.error(_line(phrase, facts))
        else:
            _LOG.warning(_line(phrase, facts))

    def over(self, kind: str, phrase: str, **facts: object) -> None:
        """It works: INFO if it had been failing."""
        with self._lock:
            was = kind in self._standing
            self._standing.discard(kind)
        if was:
            _LOG.info(_line(phrase, facts))


def _line(phrase: str, facts: dict[str, object]) -> str:
    return " ".join([phrase, *(f"{name}={_shown(value)}" for name, value in facts.items())])


def _shown(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text and '"' not in text else repr(text)
