"""What the verifier found: frozen figures and lists, and the one verdict they lead to.

Every list is bounded (NAMED_LIMIT) and stands beside a count that is not.
"""

from dataclasses import dataclass
from enum import IntEnum

from evidence.judging.recompute import Recomputed
from evidence.statement import ClockQuality


class Verdict(IntEnum):
    """The answer in one word; the worst that applies."""

    COMPLETE = 0
    """Vouched for, nothing missing, nothing that contradicts itself."""
    UNVOUCHED = 1
    """Consistent, but nobody the reader trusts says whose key it is."""
    INCOMPLETE = 2
    """Something is known to exist that is not here; it may still arrive."""
    BROKEN = 3
    """A signature, a chain, a total or a judgement that honest equipment cannot produce."""


class Voucher(IntEnum):
    """Who says that a key speaks for a box."""

    TRUSTED_ROSTER = 0
    """A roster signed by a key that the reader trusts."""
    TRUSTED_KEY = 1
    """The reader trusts the box's own key."""
    BUNDLE_ROSTER = 2
    """A roster whose signer only the bundle itself brings along."""
    ITSELF = 3
    """The box's own first page, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key that speaks for a box, and who says so."""

    box: str
    fingerprint: str
    algorithm: str
    voucher: Voucher
    roster_receiver: str | None = None
    roster_fingerprint: str | None = None
    roster_at_ms: int | None = None
    enterprise: str | None = None
    site: str | None = None
    since_ms: int | None = None

    @property
    def is_vouched(self) -> bool:
        """Whether somebody the reader trusts stands behind the key."""
        return self.voucher in (Voucher.TRUSTED_ROSTER, Voucher.TRUSTED_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Two different statements were signed for one place of a chain: n, and the hash of each."""

    n: int
    one: bytes
    other: bytes
    said_by: str
    """Where the second hash stands: in a statement, a heartbeat or a receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Statements `first` to `last` are not here."""

    first: int
    last: int
    claimed_by: str = ""
    """Who says that they exist: the statements after them, a heartbeat, a receipt."""
    withheld: bool = False
    """The receiver signed that it holds them, so they were left out of what lies here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A well-signed statement says something that cannot be."""

    n: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How good the box's clock was, by statements of the stream."""

    statements: dict[ClockQuality, int]
    worst_error_ms: int | None
    jumps: int
    """Times at which wall clock and steady clock drifted apart by more than a minute inside one boot."""
    jumps_named: tuple[tuple[int, int], ...]
    """(n, by how many ms the wall clock moved)."""
    steps_said: int
    """CLOCK_STEP statements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFindings:
    """One stream of one box."""

    box: str
    stream: str
    title: str
    statements: int
    first_n: int
    last_n: int
    first_at_ms: int
    last_at_ms: int
    signed_by: tuple[str, ...]
    """Fingerprints."""
    repeated: int
    """Statements that are here twice, byte for byte: harmless."""
    holes: tuple[Hole, ...]
    missing: int
    """Statements in all holes."""
    withheld: int
    """Those of them that the receiver signed it holds."""
    forks: tuple[Fork, ...]
    forked: int
    contradictions: tuple[Contradiction, ...]
    contradicted: int
    configurations: tuple[tuple[int, int, bytes], ...]
    """(n, at_ms, hash) of each change of the settings."""
    configured: int
    replayed: bool
    """Whether settings of it say that a recording was played: no measurement."""
    boots: int
    unclean_boots: int
    """BOOT statements with no SHUTDOWN before them: killed, or the power went."""
    heartbeats: int
    clock: Clock
    recomputed: Recomputed
    heads_checked: int
    """Heads of this stream that the box's heartbeats and the receiver's receipts name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that verifying one bundle or copy found."""

    trusted: tuple[str, ...]
    """Fingerprints that the reader said to trust; empty when none were given."""
    signers: tuple[Signer, ...]
    streams: tuple[StreamFindings, ...]
    absent: tuple[tuple[str, str, int], ...]
    """(box, stream, highest n named) of streams that the box's heartbeats name and of which nothing is here."""
    rosters: int
    rosters_unchecked: int
    """Rosters and receipts whose signer's key is not here or not trusted: not used."""
    receipts: int
    receipts_unchecked: int
    statements: int
    refused: tuple[tuple[str, int], ...]
    """(reason, how many)."""
    set_aside: int
    """Statements that `evidence pull` refused when they arrived and kept aside."""
    damaged: tuple[str, ...]
    """Files that are cut off or no bundles, and where."""

    @property
    def refused_count(self) -> int:
        """All refused entries together."""
        return sum(count for _, count in self.refused)

    @property
    def missing(self) -> int:
        """Statements known to exist that are not here."""
        return sum(s.missing for s in self.streams)

    @property
    def verdict(self) -> Verdict:
        """The worst that applies."""
        broken = any(s.forked or s.contradicted or s.withheld for s in self.streams)
        if broken or self.refused_count or self.set_aside:
            return Verdict.BROKEN
        if self.missing or self.damaged or not self.streams:
            return Verdict.INCOMPLETE
        if not self.is_vouched:
            return Verdict.UNVOUCHED
        return Verdict.COMPLETE

    @property
    def is_vouched(self) -> bool:
        """Whether every stream's box is vouched for by somebody the reader trusts."""
        vouched = {signer.box for signer in self.signers if signer.is_vouched}
        return bool(self.streams) and all(stream.box in vouched for stream in self.streams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What one pull brought, and how the copy stands after it."""

    receiver: str
    fingerprint: str
    new: int
    repeated: int
    aside: tuple[tuple[str, int], ...]
    """(reason, how many)."""
    held: int
    """Statements in the copy."""
    streams: int
    holes: tuple[tuple[str, str, int, int], ...]
    """(box, stream, first, last)."""
    forks: tuple[tuple[str, str, int], ...]
    """(box, stream, n)."""
    receipts_refused: tuple[str, ...]

    @property
    def is_broken(self) -> bool:
        """Whether something came that honest equipment does not produce."""
        return bool(self.aside or self.forks or self.receipts_refused)
