"""The local copy of a feed on a disk: a directory that is gone on with from pull to pull.

- evidence.bundle  everything that was taken, append-only. If lost: pull again. If altered: `evidence verify` finds it.
- refused.bundle   statements that the receiver sent and that were refused, kept as they came.
- state.json       cursor, the lengths of the two files, and what is held, replaced in one step. If lost: pull again
                   into a new directory. If altered: statements are missing or come twice; `evidence verify` finds it.

One turn, in this order; a crash anywhere costs at most the page that was on its way:
1. what the page brought is appended to the two files and synced   crash: state.json names the old lengths, and the
                                                                    next start cuts the files back to them
2. state.json is replaced, synced                                  crash before: as above; after: the page counts
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from evidence.arrivals import Arrivals, Place
from evidence.bundle import Entry, entry, header, index_bundle
from evidence.errors import CopyError
from evidence.files import write_whole
from evidence.keys import PublicKey
from evidence.source import ASIDE_FILE, COPY_FILE, STATE_FILE
from evidence.statement import peek_place
from evidence.trust import Keyring, Trust

STATE_VERSION: Final = 1
STATE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of state.json, at most."""

Step = Callable[[str], None]
"""Called after each durable step, with its name: where a test pulls the plug."""


class Copy:
    """The directory, open for going on: one at a time."""

    def __init__(
        self, directory: Path, state: dict[str, Any], *, bundle: BinaryIO, aside: BinaryIO, step: Step
    ) -> None:
        self._directory, self._state, self._step = directory, state, step
        self._bundle, self._aside = bundle, aside
        self.arrivals = Arrivals(keyring=Keyring(trust=Trust()))
        self.arrivals.from_lists(state["segments"])

    @classmethod
    @contextmanager
    def open(cls, directory: Path, *, receiver: str, key: PublicKey, step: Step) -> Iterator[Self]:
        """The copy in `directory`, begun when there is none. Raises CopyError."""
        with ExitStack() as stack:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_lock(directory))
                state = _read_state(directory, receiver, key.fingerprint)
                bundle = stack.enter_context(_cut(directory / COPY_FILE, state["length"]))
                aside = stack.enter_context(_cut(directory / ASIDE_FILE, state["aside_length"]))
            except OSError as cause:
                raise CopyError(f"cannot keep a copy in {directory}: {cause}") from cause
            copy = cls(directory, state, bundle=bundle, aside=aside, step=step)
            if state["length"] == 0:
                copy.begin(key)
            yield copy

    @property
    def cursor(self) -> str:
        """Where the next page begins."""
        cursor: str = self._state["cursor"]
        return cursor

    @property
    def held(self) -> int:
        """Statements in the copy."""
        held: int = self._state["held"]
        return held

    def begin(self, key: PublicKey) -> None:
        """The first entries: the header, and the receiver's key for whoever gets the bundle."""
        self._write(self._bundle, header() + entry(Entry.KEY, key.to_cose_key()))
        self._write(self._aside, header())
        self._commit()

    def append(self, entries: Iterable[tuple[Entry, bytes]], *, aside: Iterable[bytes], cursor: str) -> None:
        """One page, durably: files first, then the state that names their lengths."""
        found = list(entries)
        if refused := b"".join(entry(Entry.STATEMENT, content) for content in aside):
            self._write(self._aside, refused)
            self._step("aside written")
        if taken := b"".join(entry(kind, content) for kind, content in found):
            self._write(self._bundle, taken)
            self._step("page written")
        self._state["cursor"] = cursor
        self._state["held"] += sum(kind is Entry.STATEMENT for kind, _ in found)
        self._commit()

    def keep_once(self, kind: Entry, content: bytes, *, name: str, meaning: bytes) -> None:
        """Keep a roster or a receipt, unless the one kept last under this name means the same."""
        digest = sha256(meaning).hexdigest()
        if self._state["kept"].get(name) == digest:
            return
        self._write(self._bundle, entry(kind, content))
        self._step(f"{kind.name.lower()} written")
        self._state["kept"][name] = digest
        self._commit()

    def entries(self) -> Iterable[tuple[Entry, bytes]]:
        """What the copy holds."""
        for _, kind, content in index_bundle(self._directory / COPY_FILE, length=self._state["length"]):
            yield kind, content

    def hashes_at(self, places: set[Place]) -> dict[Place, set[bytes]]:
        """Hashes of the statements held at these places: one look through the whole file, for the rare fork."""
        found: dict[Place, set[bytes]] = {}
        for kind, content in self.entries():
            if kind is Entry.STATEMENT and (place := peek_place(content)) in places and place is not None:
                found.setdefault(place, set()).add(sha256(content).digest())
        return found

    def _write(self, file: BinaryIO, content: bytes) -> None:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError as cause:
            raise CopyError(f"cannot write to {self._directory}: {cause.strerror}") from cause

    def _commit(self) -> None:
        self._state["length"] = self._bundle.tell()
        self._state["aside_length"] = self._aside.tell()
        self._state["segments"] = self.arrivals.to_lists()
        try:
            write_whole(self._directory / STATE_FILE, json.dumps(self._state, indent=1).encode())
        except OSError as cause:
            raise CopyError(f"cannot write to {self._directory}: {cause.strerror}") from cause
        self._step("state replaced")


def _cut(path: Path, length: int) -> BinaryIO:
    """The file, open behind its first `length` bytes; what a crash left behind them is cut off."""
    file = path.open("r+b" if path.exists() else "w+b")
    size = file.seek(0, os.SEEK_END)
    if size < length:
        file.close()
        raise CopyError(f"{path} has {size} bytes where {STATE_FILE} names {length}: pull into a new directory")
    file.truncate(length)
    file.seek(length)
    return file


def _read_state(directory: Path, receiver: str, fingerprint: str) -> dict[str, Any]:
    path = directory / STATE_FILE
    if not path.exists():
        if (directory / COPY_FILE).exists() and (directory / COPY_FILE).stat().st_size > _BEGUN_LIMIT:
            raise CopyError(f"{directory} holds {COPY_FILE} but no {STATE_FILE}: pull into a new directory")
        return {
            "version": STATE_VERSION,
            "receiver": receiver,
            "fingerprint": fingerprint,
            "cursor": "",
            "length": 0,
            "aside_length": 0,
            "held": 0,
            "kept": {},
            "segments": {},
        }
    state = _checked_state(path)
    if state["fingerprint"] != fingerprint:
        raise CopyError(f"{directory} is a copy of the receiver with {state['fingerprint']}; use another directory")
    return state


_BEGUN_LIMIT: Final = 512
"""Bytes of a bundle that was only begun when its pull was killed: header and key."""


def _checked_state(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > STATE_LIMIT:
            raise CopyError(f"{path} is too long")
        state: dict[str, Any] = json.loads(path.read_bytes())
        texts = (state["receiver"], state["fingerprint"], state["cursor"])
        numbers = (state["length"], state["aside_length"], state["held"])
        fits = (
            state["version"] == STATE_VERSION
            and all(type(text) is str for text in texts)
            and all(type(number) is int and number >= 0 for number in numbers)
            and type(state["kept"]) is dict
        )
        Arrivals(keyring=Keyring(trust=Trust())).from_lists(state["segments"])
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        raise CopyError(f"{path} is damaged: pull into a new directory") from cause
    if not fits:
        raise CopyError(f"{path} is damaged or of another version: pull into a new directory")
    return state


def _lock(directory: Path) -> AbstractContextManager[object]:
    """Keep a second pull out of the directory for as long as this one lives, even if it is killed."""
    try:
        import fcntl
    except ImportError:  # Windows has no flock; the bank there starts one pull at a time
        return nullcontext()
    file = (directory / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        file.close()
        raise CopyError(f"another pull is at work in {directory}") from cause
    return file
