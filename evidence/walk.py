"""One stream, walked from its first statement to its last: links, holes, forks, clocks, claims, and what it adds up to.

Pure. Statements come in by rising n, all of one n together; nothing of them is kept but their hashes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from evidence.bodies import (
    Acceptance,
    Boot,
    ClockStep,
    Commissioning,
    Configuration,
    Crossings,
    Events,
    Gap,
    Heartbeat,
    Picture,
    Readings,
    Shutdown,
    Stock,
)
from evidence.claims import Claim, Claims, begins_like
from evidence.findings import Clock, Contradiction, Fork, Hole, StreamFindings
from evidence.judging.recompute import NAMED_LIMIT, Recomputed, Recount
from evidence.statement import ClockQuality, Moment, Statement

JUMP_MS: Final = 60_000
"""Wall and steady clock may drift apart by so much between two statements of one boot before it is called a jump."""
AHEAD_MS: Final = 60_000
"""A window may end so much after it was signed, and a steady clock go back so much: several processes sign."""
_FINGERPRINTS_LIMIT: Final = 16


@dataclass(slots=True)
class Walk:
    """Where the walk along one stream stands."""

    box: str
    stream: str
    claims: Claims
    recount: Recount = field(default_factory=Recount)
    statements: int = 0
    repeated: int = 0
    title: str = ""
    _first_n: int = 0
    _last_n: int = -1
    _here: list[bytes] = field(default_factory=list)
    """Hashes of the statements with n == _last_n."""
    _main: bytes = b""
    """Hash of the last statement of the history that is added up."""
    _fingerprints: list[str] = field(default_factory=list)
    _holes: list[Hole] = field(default_factory=list)
    _missing: int = 0
    _withheld: int = 0
    _forks: list[Fork] = field(default_factory=list)
    _forked: int = 0
    _contradictions: list[Contradiction] = field(default_factory=list)
    _contradicted: int = 0
    _config: bytes = b""
    _declared: bytes | None = b""
    """The last CONFIGURATION's hash; None after missing statements, until the next one."""
    _configurations: list[tuple[int, int, bytes]] = field(default_factory=list)
    _configured: int = 0
    _replayed: bool = False
    _boots: int = 0
    _unclean_boots: int = 0
    _shut_down: bool = False
    _heartbeats: int = 0
    _first_at_ms: int = 0
    _moment: Moment | None = None
    _latest_ms: int = 0
    _qualities: Counter[ClockQuality] = field(default_factory=Counter)
    _worst_error_ms: int | None = None
    _jumps: int = 0
    _jumps_named: list[tuple[int, int]] = field(default_factory=list)
    _steps_said: int = 0

    def take(self, n: int, group: Sequence[Statement]) -> None:
        """All different statements with this n that are here; n rises from call to call."""
        if self.statements == 0:
            self._first_n, self._first_at_ms = n, group[0].moment.at_ms
        self._check_claims_below(n)
        if n > self._last_n + 1:
            self._hole(self._last_n + 1, n - 1, claimed_by="the statements after it")
            self._here = []
        self._link(n, group)
        self._check_claims_at(n, group)
        chosen = self._choose(group)
        follows = n == 0 or (chosen.prev == self._main and bool(self._here))
        self.statements += len(group)
        self._last_n, self._main = n, chosen.sha256
        self._here = [statement.sha256 for statement in group]
        for statement in group:
            self._sign_in(statement)
        self._look_at_clock(chosen, follows=follows)
        self._read(chosen, follows=follows)

    def finish(self) -> StreamFindings:
        """Nothing more comes; what was found."""
        highest = self.claims.highest()
        if highest is not None and highest.n > self._last_n:
            self._hole(self._last_n + 1, highest.n, claimed_by=f"a {highest.said_by}")
        recomputed = self.recount.result()
        self._contradict_with(recomputed)
        return StreamFindings(
            box=self.box,
            stream=self.stream,
            title=self.title,
            statements=self.statements,
            first_n=self._first_n,
            last_n=self._last_n,
            first_at_ms=self._first_at_ms,
            last_at_ms=self._moment.at_ms if self._moment else 0,
            signed_by=tuple(self._fingerprints),
            repeated=self.repeated,
            holes=tuple(self._holes),
            missing=self._missing,
            withheld=self._withheld,
            forks=tuple(self._forks),
            forked=self._forked,
            contradictions=tuple(self._contradictions),
            contradicted=self._contradicted,
            configurations=tuple(self._configurations),
            configured=self._configured,
            replayed=self._replayed,
            boots=self._boots,
            unclean_boots=self._unclean_boots,
            heartbeats=self._heartbeats,
            clock=Clock(
                statements=dict(sorted(self._qualities.items())),
                worst_error_ms=self._worst_error_ms,
                jumps=self._jumps,
                jumps_named=tuple(self._jumps_named),
                steps_said=self._steps_said,
            ),
            recomputed=recomputed,
            heads_checked=len(self.claims),
        )

    # Places in the chain.

    def _link(self, n: int, group: Sequence[Statement]) -> None:
        """Find the forks that begin here; two histories that merely go on are none."""
        by_prev: dict[bytes, Statement] = {}
        for statement in group:
            sibling = by_prev.setdefault(statement.prev, statement)
            if sibling is not statement:
                self._fork(n, sibling.sha256, statement.sha256, "two statements")
        known = list(self._here) or list(by_prev)[:1]
        for prev in by_prev:
            if prev not in known:
                self._fork(n - 1, known[0], prev, f"statement {n}")

    def _choose(self, group: Sequence[Statement]) -> Statement:
        """The statement that is added up: the one that goes on the history so far, else the one with the least hash."""
        if len(group) == 1:
            return group[0]
        return min(group, key=lambda s: (s.prev != self._main, s.sha256))

    def _check_claims_below(self, n: int) -> None:
        """Claims about statements that are not here; the holes are told elsewhere, two hashes for one n are a fork."""
        said: dict[int, Claim] = {}
        for claim in self.claims.up_to(n - 1):
            other = said.setdefault(claim.n, claim)
            if other.sha256 != claim.sha256:
                self._fork(claim.n, other.sha256, claim.sha256, f"a {claim.said_by}")

    def _check_claims_at(self, n: int, group: Sequence[Statement]) -> None:
        for claim in self.claims.up_to(n):
            if not any(begins_like(statement.sha256, claim) for statement in group):
                self._fork(n, group[0].sha256, claim.sha256, f"a {claim.said_by}")
            elif claim.by_receiver and group[0].moment.clock is ClockQuality.NTP:
                ahead_ms = group[0].moment.at_ms - claim.at_ms
                if ahead_ms > AHEAD_MS:
                    self._contradict(n, f"dated {ahead_ms // 1000} s after the receiver signed that it held it")

    def _hole(self, first: int, last: int, *, claimed_by: str) -> None:
        withheld = self.claims.held_of(first, last)
        self._missing += last - first + 1
        self._withheld += withheld
        self._declared = None
        if len(self._holes) < NAMED_LIMIT:
            self._holes.append(Hole(first=first, last=last, claimed_by=claimed_by, withheld=withheld > 0))

    def _fork(self, n: int, one: bytes, other: bytes, said_by: str) -> None:
        self._forked += 1
        if len(self._forks) < NAMED_LIMIT:
            self._forks.append(Fork(n=n, one=one, other=other, said_by=said_by))

    def _contradict(self, n: int, what: str) -> None:
        self._contradicted += 1
        if len(self._contradictions) < NAMED_LIMIT:
            self._contradictions.append(Contradiction(n=n, what=what))

    def _contradict_with(self, recomputed: Recomputed) -> None:
        """What does not follow from the facts."""
        if recomputed.overlap_ms:
            self._contradict(recomputed.overlapped_n, "windows of one chain speak of the same time")
        if recomputed.rejudged is not None:
            for n, (from_ms, to_ms) in recomputed.rejudged.disagreements:
                self._contradict(n, f"the signed state is not what the facts give, {from_ms} to {to_ms} (UTC ms)")
        if recomputed.events is not None:
            for n, what in recomputed.events.named:
                self._contradict(n, what)
        if recomputed.counted is not None:
            for n, due_in, said_in, due_out, said_out in recomputed.counted.named:
                self._contradict(n, f"totals {said_in} in, {said_out} out where {due_in} and {due_out} follow")
        if recomputed.stocked is not None:
            for n, what in recomputed.stocked.named:
                self._contradict(n, what)

    # Clocks.

    def _look_at_clock(self, statement: Statement, *, follows: bool) -> None:
        now, before = statement.moment, self._moment
        self._moment = now
        self._qualities[now.clock] += 1
        if now.clock_error_ms is not None and now.clock_error_ms > (self._worst_error_ms or -1):
            self._worst_error_ms = now.clock_error_ms
        if before is None or not follows or before.boot != now.boot:
            return
        moved_ms = (now.at_ms - before.at_ms) - (now.steady_ms - before.steady_ms)
        if abs(moved_ms) > JUMP_MS:
            self._jumps += 1
            if len(self._jumps_named) < NAMED_LIMIT:
                self._jumps_named.append((statement.n, moved_ms))
        if now.steady_ms < before.steady_ms - AHEAD_MS:
            self._contradict(statement.n, "the steady clock went back inside one boot")

    # Contents.

    def _sign_in(self, statement: Statement) -> None:
        fingerprint = statement.key.fingerprint
        if fingerprint not in self._fingerprints and len(self._fingerprints) < _FINGERPRINTS_LIMIT:
            self._fingerprints.append(fingerprint)

    def _read(self, statement: Statement, *, follows: bool) -> None:
        n, body = statement.n, statement.body
        if isinstance(body, Configuration):
            self._configure(statement, body, follows=follows)
        elif self._declared is not None and statement.config != self._declared:
            self._contradict(n, "it names a configuration that is not the one in force")
        self._config = statement.config
        match body:
            case Readings():
                self._check_window(statement, body.to_ms)
                self.recount.readings(n, body, config=statement.config, follows=follows)
            case Crossings():
                self._check_window(statement, body.to_ms)
                self.recount.crossings(n, body, follows=follows)
            case Stock():
                self._check_window(statement, body.to_ms)
                self.recount.stock(n, body, follows=follows)
            case Events():
                self._check_window(statement, body.to_ms)
                self.recount.events(n, body, follows=follows)
            case Picture():
                self._check_window(statement, body.to_ms)
                self.recount.picture(n, body, follows=follows)
            case Acceptance():
                self._check_window(statement, body.at_ms)
                self.recount.certificate(n, body, follows=follows)
            case Gap():
                self.recount.gap(n, body, follows=follows)
            case _:
                self._read_life(statement)
        self._latest_ms = max(self._latest_ms, statement.moment.at_ms)

    def _read_life(self, statement: Statement) -> None:
        """What a box says of itself."""
        match statement.body:
            case Boot():
                self._unclean_boots += self._boots > 0 and not self._shut_down
                self._boots += 1
                self._shut_down = False
            case Shutdown():
                self._shut_down = True
            case Heartbeat():
                self._heartbeats += 1
            case ClockStep():
                self._steps_said += 1
            case Commissioning(public_key=public_key) if public_key != statement.key.to_cose_key():
                self._contradict(statement.n, "it commissions another key than the one that signed it")
            case _:
                pass

    def _check_window(self, statement: Statement, to_ms: int) -> None:
        """Nothing is known of the future; what was signed before a clock was set back may reach beyond it."""
        if to_ms > max(statement.moment.at_ms, self._latest_ms) + AHEAD_MS:
            self._contradict(statement.n, "its window ends after it was signed")

    def _configure(self, statement: Statement, body: Configuration, *, follows: bool) -> None:
        title = body.settings.get("title")
        if isinstance(title, str):
            self.title = title
        match body.settings.get("bus"):
            case {"kind": "replay"}:
                self._replayed = True
        if statement.config != self._config or not self._configured:
            self._configured += 1
            if len(self._configurations) < NAMED_LIMIT:
                self._configurations.append((statement.n, statement.moment.at_ms, statement.config))
        self._declared = statement.config
        wrong = self.recount.configure(body, statement.config, follows=follows)
        if wrong is not None:
            self._contradict(statement.n, f"its rule is none: {wrong}")
