"""Whether a statement is taken: pure. `check` looks at the bytes alone, `accept` at what is held beside them.

The rules, in order:
1. The bytes are a whole, well-typed statement (evidence.statement); else refused for good.
2. The key that signed is enrolled for the box whose topic it came on. A key that is not enrolled is refused, but not
   for good: enrolment may follow, and the box must keep the page until then.
3. The signature fits; else refused for good.
4. The statement says it is from the very box whose topic it came on; else refused for good.
5. The very same bytes are held: repeated. Nothing changes, and the box gets its receipt again.
6. A box has at most STREAMS_LIMIT streams, a number at most FORK_LIMIT statements; else refused for good.
7. A stream has at most SEGMENTS_HELD_LIMIT segments; else refused until its holes are filled.
8. Everything else is accepted: in place, behind a hole, or as a fork, where both pages are kept as the proof.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from evidence.chain import Held, Link, Outcome, place
from evidence.errors import RefusedError
from evidence.keys import PublicKey
from evidence.receipt import REASON_LIMIT, STREAMS_LIMIT
from evidence.statement import Statement, open_statement

FORK_LIMIT: Final = 16
"""Statements with one n, at most: two prove the fork, and more prove nothing else."""
SEGMENTS_HELD_LIMIT: Final = 4096
"""Segments of one stream, at most; a box that sends every other page would cost a row and a look-up each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """To be stored, and derived from."""

    statement: Statement
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """Held already."""

    statement: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """To be quarantined, with the reason in one sentence of at most REASON_LIMIT bytes."""

    reason: str
    for_good: bool
    """The receipt names it, and the box puts it aside; otherwise the box keeps it and sends it again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a stream has of the things that have limits."""

    segments: int = 0
    streams: int = 0
    """Of the box, this one included."""


ROOMY: Final = Room()


def check(encoded: bytes, *, box: str, keys: Mapping[bytes, PublicKey]) -> Statement | Refused:
    """The statement, verified as `box`'s own by one of its enrolled `keys` (by kid); or why not (rules 1 to 4)."""
    strangers: list[bytes] = []

    def key_of(kid: bytes) -> PublicKey | None:
        if (key := keys.get(kid)) is None:
            strangers.append(kid)
        return key

    try:
        statement = open_statement(encoded, key_of)
    except RefusedError as cause:
        if strangers:
            return Refused(reason=f"signed by a key that is not enrolled for {box}", for_good=False)
        return Refused(reason=sentence(str(cause)), for_good=True)
    if statement.box != box:
        return Refused(reason=f"it says it is from {statement.box}, and came from {box}", for_good=True)
    return statement


def accept(statement: Statement, held: Held, room: Room = ROOMY) -> Accepted | Repeated | Refused:
    """What a verified statement is to what is held (rules 5 to 8)."""
    outcome = place(link_of(statement), held)
    if outcome is Outcome.SEEN:
        return Repeated(statement=statement)
    if room.streams > STREAMS_LIMIT:
        return Refused(reason=f"a box has at most {STREAMS_LIMIT} streams", for_good=True)
    if len(held.at) >= FORK_LIMIT:
        return Refused(reason=f"{FORK_LIMIT} other statements with this n are held", for_good=True)
    if outcome is not Outcome.NEXT and room.segments >= SEGMENTS_HELD_LIMIT:
        return Refused(reason=f"the stream is in {room.segments} pieces: send what is missing first", for_good=False)
    return Accepted(statement=statement, outcome=outcome)


def link_of(statement: Statement) -> Link:
    """Its place in the chain."""
    return Link(n=statement.n, prev=statement.prev, sha256=statement.sha256)


def sentence(text: str) -> str:
    """The text as one printable line of at most REASON_LIMIT bytes of UTF-8."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return printable.encode(errors="replace")[:REASON_LIMIT].decode(errors="ignore")
