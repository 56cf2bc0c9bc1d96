"""Documents one by one, for `evidence show`: verified first, each with who vouches for its key."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from evidence.bundle import Entry, header
from evidence.cose import peek1, peek_kid
from evidence.errors import RefusedError, SignatureError
from evidence.receipt import RECEIPT_LIMIT, Receipt, open_receipt
from evidence.roster import ROSTER_LIMIT, Roster
from evidence.say import short, when
from evidence.show import receipt_json, receipt_text, roster_json, roster_text, statement_json, statement_text
from evidence.source import Memory, Source, SourceError, open_source
from evidence.statement import Statement, open_statement, peek_box, peek_place
from evidence.trust import Keyring, Trust

_VOUCHERS: Final = (
    "a roster that you trust",
    "you",
    "A ROSTER WHOSE SIGNER ONLY THIS FILE BRINGS",
    "NOBODY BUT ITSELF",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document, or why it is not shown."""

    content: Statement | Receipt | Roster | None = None
    voucher: str = ""
    whole: bool = False
    refused: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        match self.content:
            case Statement():
                return statement_json(self.content) | {"vouched_by": self.voucher}
            case Receipt():
                return receipt_json(self.content)
            case Roster():
                return roster_json(self.content)
        return {"refused": self.refused}

    def as_text(self) -> str:
        """One line, or everything."""
        match self.content:
            case Statement() as s:
                if self.whole:
                    return f"{statement_text(s)}\nkey vouched for by {self.voucher}\n"
                at = when(s.moment.at_ms)
                return f"{s.box}  {s.stream}  {s.n:6}  {at}  {s.body.kind.name:13}  {short(s.sha256)}"
            case Receipt() as r:
                line = f"{r.box}  receipt of {r.receiver}  {when(r.at_ms)}  {len(r.streams)} streams"
                return receipt_text(r) + "\n" if self.whole else line
            case Roster() as r:
                line = f"roster of {r.receiver}  {when(r.at_ms)}  {len(r.boxes)} boxes"
                return roster_text(r) + "\n" if self.whole else line
        return f"refused: {self.refused}"


class Shelf:
    """A bundle, a pulled copy, or one bare document."""

    def __init__(self, path: Path, trust: Trust) -> None:
        """Raises SourceError when there is nothing to read."""
        self._source: Source = _source(path)
        self._keyring = Keyring(trust=trust)
        self._learn()

    def documents(self, *, stream: str | None, n: int | None, what: str | None) -> Iterator[Document]:
        """What was asked for, in the file's order."""
        wanted = {None: frozenset(Entry), "receipts": {Entry.RECEIPT}, "rosters": {Entry.ROSTER}}[what]
        whole = n is not None or what is not None or self._single
        for _, kind, content in self._source.entries():
            if kind in wanted and kind not in (Entry.HEADER, Entry.KEY):
                document = self._open(kind, content, whole=whole)
                if _is_wanted(document, stream, n):
                    yield document
        for damage in self._source.damaged:
            yield Document(refused=damage)

    def _learn(self) -> None:
        """Keys, then rosters, then first pages: each may lie anywhere, and needs those before."""
        boxes, documents = set(), 0
        for _, kind, content in self._source.entries():
            documents += kind is not Entry.KEY
            if kind is Entry.STATEMENT and (found := peek_place(content)) is not None:
                boxes.add(found[0])
            if kind is Entry.KEY:
                _try(self._keyring.bring, content)
        self._single = documents == 1
        for _, kind, content in self._source.entries():
            if kind is Entry.ROSTER:
                _try(self._keyring.add_roster, content)
        self._keyring.add_trusted_keys(boxes)
        for _, kind, content in self._source.entries():
            if kind is Entry.STATEMENT and (found := peek_place(content)) is not None and found[1:] == ("box", 0):
                _try(partial(self._keyring.add_first_page, found[0]), content)

    def _open(self, kind: Entry, content: bytes, *, whole: bool) -> Document:
        try:
            match kind:
                case Entry.STATEMENT:
                    box = peek_box(content)
                    statement = open_statement(content, self._keyring.keys_of(box).get)
                    voucher = _VOUCHERS[self._keyring.signer(box, statement.key).voucher]
                    return Document(content=statement, voucher=voucher, whole=whole)
                case Entry.RECEIPT:
                    key = self._keyring.receiver_key(peek_kid(content, at_most=RECEIPT_LIMIT))
                    return Document(content=open_receipt(content, lambda _: key), whole=whole)
                case _:
                    return Document(content=self._roster(content), whole=whole)
        except RefusedError as wrong:
            return Document(refused=f"{kind.name.lower()} not shown: {wrong}")

    def _roster(self, content: bytes) -> Roster:
        roster = self._keyring.add_roster(content)
        if roster is None:
            kid = peek_kid(content, at_most=ROSTER_LIMIT)
            raise SignatureError(f"signed by an unknown key (kid {kid.hex()}); give its file with --trust")
        return roster


def _is_wanted(document: Document, stream: str | None, n: int | None) -> bool:
    if document.refused is not None or (stream is None and n is None):
        return True
    statement = document.content
    return isinstance(statement, Statement) and stream in (None, statement.stream) and n in (None, statement.n)


def _try(learn: Callable[[bytes], object], content: bytes) -> None:
    """What is refused here is refused again, and named, when it is to be shown."""
    with suppress(RefusedError):
        learn(content)


def _source(path: Path) -> Source:
    """A bundle or directory; a bare document becomes a bundle of one, whatever of the three it is."""
    source = open_source(path)
    if path.is_dir():
        return source
    with path.open("rb") as file:
        begin = file.read(ROSTER_LIMIT + 1)
    if begin.startswith(header()) or len(begin) > ROSTER_LIMIT:
        return source
    try:
        kind = _KIND_OF_MAP[peek1(begin, at_most=ROSTER_LIMIT)[:1]]
    except (RefusedError, KeyError) as wrong:
        raise SourceError(f"{path} is neither an evidence bundle nor a signed document") from wrong
    return Memory(held=[(kind, begin)])


_KIND_OF_MAP: Final = {b"\xad": Entry.STATEMENT, b"\xa6": Entry.RECEIPT, b"\xa4": Entry.ROSTER}
"""A payload's first byte: a map of 13, 6 or 4 keys."""
