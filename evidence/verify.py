"""The verifier: a bundle and the keys a reader trusts go in, findings come out.

Pure: nothing is fetched, cached or written. The rules:
1. Only statements whose signature, form and speaker are right are looked at; all others are counted with the reason.
2. Each stream is walked by n, whatever order its statements lie in.
3. What a heartbeat or a receipt names must be here, with the hash that it names.
4. Hours, energy and counts are worked out again from the facts.

Two passes over the source: the first reads heads only and notes where each statement lies (20 bytes a statement), the
second reads one stream after the other. So memory does not grow with what the statements hold.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Final

from evidence.ahead import CHUNK, can_help, checking_ahead
from evidence.bodies import Heartbeat
from evidence.bundle import Entry
from evidence.claims import Claims
from evidence.cose import peek_kid
from evidence.errors import RefusedError
from evidence.findings import Findings, Signer, StreamFindings
from evidence.receipt import RECEIPT_LIMIT, open_receipt
from evidence.source import Files, Source
from evidence.statement import Statement, open_statement, peek_place
from evidence.trust import Keyring, Trust
from evidence.walk import Walk

REASONS_LIMIT: Final = 50
"""Different reasons for refusing that are told apart, at most."""

Progress = Callable[[int, int], None]
"""(statements verified, of so many)."""


def verify(
    source: Source,
    trust: Trust | None = None,
    *,
    only: str | None = None,
    progress: Progress | None = None,
    processes: int = 1,
) -> Findings:
    """Everything that can be found out about what lies in `source`.

    `only` looks at one stream (and the box's own). With several `processes`, signatures of a large bundle on a disk are
    checked ahead, and the findings are the same.
    """
    index = _Index(Keyring(trust=trust or Trust()))
    for place, kind, content in source.entries():
        index.add(place, kind, content)
    index.learn_keys(source)
    plan = [(box, stream) for box in index.boxes() for stream in index.streams_of(box, only=only)]
    with _ahead(source, index, plan, processes) as ahead:
        walked = (_walk(source, index, box, stream, ahead, progress) for box, stream in plan)
        streams = [findings for findings in walked if findings is not None]
    return index.findings(source, streams)


@contextmanager
def _ahead(
    source: Source, index: "_Index", plan: list[tuple[str, str]], processes: int
) -> Iterator[Callable[[bytes], bool]]:
    """A question to the helpers: is the next statement, with this hash, well signed? Without helpers: not known."""
    if not isinstance(source, Files) or not can_help(source, index.total, processes):
        yield lambda _: False
        return
    jobs = [(box, chunk) for box, stream in plan for chunk in index.leaves[box, stream].chunks(CHUNK)]
    keys = {box: index.keyring.keys_of(box) for box in index.boxes()}
    with checking_ahead(source, jobs, keys, processes=processes) as ahead:
        yield ahead.is_good


@dataclass(slots=True)
class _Leaves:
    """Where one stream's statements lie: n, place and length of each."""

    ns: "array[int]" = field(default_factory=lambda: array("Q"))
    places: "array[int]" = field(default_factory=lambda: array("Q"))
    lengths: "array[int]" = field(default_factory=lambda: array("L"))

    def order(self) -> Sequence[int]:
        """Positions by rising n."""
        order = range(len(self.ns))
        rising = all(map(int.__le__, self.ns, self.ns[1:]))
        return order if rising else sorted(order, key=self.ns.__getitem__)

    def by_n(self) -> Iterator[tuple[int, Iterator[int]]]:
        """(n, positions of the statements with this n), rising."""
        return groupby(self.order(), key=self.ns.__getitem__)

    def chunks(self, size: int) -> Iterator[tuple[tuple[int, int], ...]]:
        """(place, length) of the statements, in the same order, so many at a time."""
        order = self.order()
        for start in range(0, len(order), size):
            yield tuple((self.places[i], self.lengths[i]) for i in order[start : start + size])


@dataclass(slots=True)
class _Index:
    """What the first pass notes."""

    keyring: Keyring
    leaves: dict[tuple[str, str], _Leaves] = field(default_factory=dict)
    rosters: list[tuple[int, int]] = field(default_factory=list)
    receipts: list[tuple[int, int]] = field(default_factory=list)
    claims: dict[tuple[str, str], Claims] = field(default_factory=dict)
    signers: dict[tuple[str, str], Signer] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    total: int = 0
    verified: int = 0

    def add(self, place: int, kind: Entry, content: bytes) -> None:
        match kind:
            case Entry.STATEMENT:
                self.total += 1
                self._add_statement(place, content)
            case Entry.RECEIPT:
                self.receipts.append((place, len(content)))
            case Entry.ROSTER:
                self.rosters.append((place, len(content)))
            case Entry.KEY:
                try:
                    self.keyring.bring(content)
                except RefusedError as wrong:
                    self.refuse(wrong)
            case Entry.HEADER:
                pass  # two bundles, one behind the other

    def _add_statement(self, place: int, content: bytes) -> None:
        place_in_chain = peek_place(content)
        if place_in_chain is None:
            self.refused["it does not begin like a statement of version 1"] += 1
            return
        box, stream, n = place_in_chain
        leaves = self.leaves.get((box, stream))
        if leaves is None:
            leaves = self.leaves[box, stream] = _Leaves()
        leaves.ns.append(n)
        leaves.places.append(place)
        leaves.lengths.append(len(content))

    def boxes(self) -> list[str]:
        return sorted({box for box, _ in self.leaves})

    def streams_of(self, box: str, *, only: str | None) -> list[str]:
        """A box's streams, its own first: its heartbeats say what the others must hold."""
        names = {stream for of, stream in self.leaves if of == box and only in (None, stream, "box")}
        names |= {stream for of, stream in self.leaves if (of, stream) == (box, "box")}
        return sorted(names, key=lambda stream: (stream != "box", stream))

    def learn_keys(self, source: Source) -> None:
        """Rosters, then first pages, then receipts: each needs the keys of those before."""
        for place, length in self.rosters:
            try:
                self.keyring.add_roster(source.content(place, length))
            except RefusedError as wrong:
                self.refuse(wrong)
        self.keyring.add_trusted_keys(self.boxes())
        for (box, stream), leaves in self.leaves.items():
            if stream == "box" and 0 in leaves.ns:
                first = leaves.ns.index(0)
                try:
                    self.keyring.add_first_page(box, source.content(leaves.places[first], leaves.lengths[first]))
                except RefusedError:
                    continue  # it is refused again, and counted, when its stream is walked
        for place, length in self.receipts:
            try:
                self._add_receipt(source.content(place, length))
            except RefusedError as wrong:
                self.refuse(wrong)

    def _add_receipt(self, encoded: bytes) -> None:
        key = self.keyring.receiver_key(peek_kid(encoded, at_most=RECEIPT_LIMIT))
        if key is None:
            self.keyring.receipts_unchecked += 1
            return
        receipt = open_receipt(encoded, lambda _: key)
        self.keyring.receipts += 1
        for held in receipt.streams:
            claims = self.claims_of(receipt.box, held.stream)
            for segment in held.segments:
                claims.add(segment.last, segment.sha256, receipt.at_ms, by_receiver=True)
                claims.hold(segment.first, segment.last)

    def claims_of(self, box: str, stream: str) -> Claims:
        claims = self.claims.get((box, stream))
        if claims is None:
            claims = self.claims[box, stream] = Claims()
        return claims

    def note(self, statements: Iterable[Statement]) -> None:
        """Count good statements, who signed them, and the heads that a heartbeat names."""
        for statement in statements:
            box, key = statement.box, statement.key
            self.verified += 1
            if (box, key.fingerprint) not in self.signers:
                self.signers[box, key.fingerprint] = self.keyring.signer(box, key)
            if statement.stream == "box" and isinstance(statement.body, Heartbeat):
                for stream, n, digest in statement.body.heads:
                    if stream != "box":  # its own head is the prev of this very statement
                        self.claims_of(box, stream).add(n, digest, statement.moment.at_ms, by_receiver=False)

    def refuse(self, wrong: RefusedError) -> None:
        reason = str(wrong)
        self.refused[reason if reason in self.refused or len(self.refused) < REASONS_LIMIT else "other reasons"] += 1

    def findings(self, source: Source, streams: list[StreamFindings]) -> Findings:
        return Findings(
            trusted=self.keyring.trust.named,
            signers=tuple(signer for _, signer in sorted(self.signers.items())),
            streams=tuple(streams),
            absent=tuple(
                (box, stream, highest.n)
                for (box, stream), claims in sorted(self.claims.items())
                if (box, stream) not in self.leaves and (highest := claims.highest()) is not None
            ),
            rosters=self.keyring.rosters,
            rosters_unchecked=self.keyring.unchecked,
            receipts=self.keyring.receipts,
            receipts_unchecked=self.keyring.receipts_unchecked,
            statements=self.verified,
            refused=tuple(self.refused.most_common()),
            set_aside=source.set_aside,
            damaged=tuple(source.damaged),
        )


def _walk(  # noqa: PLR0917 - what verify() holds, handed on
    source: Source,
    index: _Index,
    box: str,
    stream: str,
    is_good: Callable[[bytes], bool],
    progress: Progress | None,
) -> StreamFindings | None:
    """One stream, statement by statement; None where none is good."""
    leaves, keys = index.leaves[box, stream], index.keyring.keys_of(box)
    walk = Walk(box, stream, index.claims_of(box, stream))
    for n, positions in leaves.by_n():
        group: dict[bytes, Statement] = {}
        for i in positions:
            content = source.content(leaves.places[i], leaves.lengths[i])
            digest = sha256(content).digest()
            is_checked = is_good(digest)
            if digest in group:
                walk.repeated += 1
                continue
            try:
                statement = open_statement(content, keys.get, is_checked=is_checked)
            except RefusedError as wrong:
                index.refuse(wrong)
                continue
            assert (statement.box, statement.stream, statement.n) == (box, stream, n)  # noqa: S101 - peek_place
            group[digest] = statement
        if group:
            index.note(group.values())
            walk.take(n, list(group.values()))
            if progress is not None:
                progress(index.verified, index.total)
    return walk.finish() if walk.statements else None
