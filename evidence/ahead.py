"""Signatures checked ahead of the verifier, in processes of their own: half of the work is arithmetic on a curve.

A helper reads the same entries in the same order, opens each with the keys of its box, and answers with the SHA-256 of
those that are well signed. The verifier hashes what it reads itself, so a file that changes in between gains nothing.
"""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from evidence import cose
from evidence.errors import RefusedError
from evidence.keys import PublicKey
from evidence.source import Files
from evidence.statement import AAD, STATEMENT_LIMIT

CHUNK: Final = 256
"""Statements that a helper takes at a time."""
WORTH_IT: Final = 2000
"""From so many statements on, starting helpers costs less than they save."""
PROCESSES_LIMIT: Final = 8

Job = tuple[str, tuple[tuple[int, int], ...]]
"""(box, (place, length) of its statements)."""


@dataclass(slots=True)
class Ahead:
    """What the helpers found, asked for in the order of the jobs."""

    _answers: Iterator[bytes]
    _sizes: Iterator[int]
    _good: set[bytes] = field(default_factory=set)
    _left: int = 0

    def is_good(self, digest: bytes) -> bool:
        """Whether the next statement, which has this hash, was found well signed."""
        if not self._left:
            self._left = next(self._sizes, 0)
            found = next(self._answers, b"")
            self._good = {found[i : i + 32] for i in range(0, len(found), 32)}
        self._left -= 1
        return digest in self._good


def can_help(source: object, statements: int, processes: int) -> bool:
    """Whether helpers can be had and are worth it."""
    if processes < 2 or statements < WORTH_IT or not isinstance(source, Files):  # noqa: PLR2004 - one is no help
        return False
    import multiprocessing

    return "fork" in multiprocessing.get_all_start_methods()


@contextmanager
def checking_ahead(
    source: Files, jobs: Sequence[Job], keys: Mapping[str, Mapping[bytes, PublicKey]], *, processes: int
) -> Iterator[Ahead]:
    """Helpers at work; they are gone when the block ends, however it ends."""
    import multiprocessing

    _shared.files, _shared.keys = Files(files=source.files), keys
    context = multiprocessing.get_context("fork")
    with context.Pool(min(processes, PROCESSES_LIMIT) - 1, initializer=_ignore_interrupts) as pool:
        yield Ahead(pool.imap(_check, jobs), (len(places) for _, places in jobs))


@dataclass(slots=True)
class _Shared:
    """What the helpers inherit when they are forked; each opens the files anew."""

    files: Files = field(default_factory=lambda: Files(files=[]))
    keys: Mapping[str, Mapping[bytes, PublicKey]] = field(default_factory=dict)


_shared: Final = _Shared()


def _ignore_interrupts() -> None:
    """Ctrl-C is for the command itself, which then ends its helpers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check(job: Job) -> bytes:
    box, places = job
    keys = _shared.keys.get(box, {})
    good = []
    for place, length in places:
        content = _shared.files.content(place, length)
        try:
            cose.open1(content, aad=AAD, key_of=keys.get, at_most=STATEMENT_LIMIT)
        except RefusedError:
            continue  # the verifier opens it again, and says why not
        good.append(sha256(content).digest())
    return b"".join(good)
