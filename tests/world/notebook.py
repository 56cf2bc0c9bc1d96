"""A box with nothing but a key: it seals statements of any kind into chains, honestly or not, as the test asks.

notebook = Notebook()                         # press-1, Ed25519, commissioned and configured
    notebook.readings("machine/lathe", [5000] * 300)   # milliwatts, one a second
    notebook.heartbeat()
    write(path, notebook.entries())
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from evidence import cbor
from evidence.bodies import (
    Aggregate,
    Body,
    Column,
    Commissioning,
    Configuration,
    Crossing,
    Crossings,
    Failure,
    Heartbeat,
    Keep,
    Readings,
    Sight,
)
from evidence.bundle import Entry, write_bundle
from evidence.chain import Link, Segments
from evidence.judging.judge import UNJUDGED, Change, Judged, RunState, Threshold, expire, judge, spans_of
from evidence.keys import SigningKey
from evidence.receipt import Receipt, StreamReceipt, seal_receipt
from evidence.roster import Enrolled, Roster, seal_roster
from evidence.statement import ClockQuality, Moment, Statement, open_statement, seal

START_MS = 1_772_323_200_000
"""2026-03-01 00:00 UTC."""

RULE = Threshold(
    running_above_mw=3_000_000, idle_above_mw=300_000, hysteresis_mw=100_000, dwell_ms=10_000, hold_ms=15_000
)

SETTINGS: dict[str, Any] = {
    "title": "Lathe 1",
    "strategy": "power_threshold",
    "point": "active_power",
    "running_above_mw": RULE.running_above_mw,
    "idle_above_mw": RULE.idle_above_mw,
    "hysteresis_mw": RULE.hysteresis_mw,
    "dwell_ms": RULE.dwell_ms,
    "hold_ms": RULE.hold_ms,
    "period_ms": 1000,
}


def settings_for(by: Threshold, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Signed settings that judge by this rule."""
    names = ("point", "running_above_mw", "idle_above_mw", "hysteresis_mw", "dwell_ms", "hold_ms")
    return {"title": "Lathe 1", "strategy": "power_threshold", **{n: getattr(by, n) for n in names}, **more}


@dataclass(slots=True)
class Chain:
    """One stream's head, and where its next window begins."""

    n: int = 0
    prev: bytes = b""
    config: bytes = b""
    settings: dict[str, Any] = field(default_factory=dict)
    at_ms: int = START_MS
    judged: Judged = UNJUDGED
    totals: tuple[int, int] = (0, 0)
    wh: int = 0


@dataclass(slots=True)
class Notebook:
    """A box's streams, as a test writes them."""

    box: str = "press-1"
    key: SigningKey = field(default_factory=SigningKey.generate)
    receiver: SigningKey = field(default_factory=SigningKey.generate)
    boot: bytes = bytes(range(16))
    clock: ClockQuality = ClockQuality.NTP
    pages: list[bytes] = field(default_factory=list)
    chains: dict[str, Chain] = field(default_factory=dict)
    now_ms: int = START_MS

    def chain(self, stream: str, settings: dict[str, Any] | None = None) -> Chain:
        """The stream's chain, begun with its configuration (the box's with its commissioning)."""
        if stream not in self.chains:
            self.chains[stream] = Chain(at_ms=self.now_ms)
            if stream == "box":
                body = Commissioning(
                    enterprise="Suzhou Tyres",
                    site="Hall 3",
                    public_key=self.key.public.to_cose_key(),
                    software="qianliyan 0.1.0",
                )
                self.add(stream, body)
                settings = {"software": "qianliyan 0.1.0", "enterprise": "Suzhou Tyres", "site": "Hall 3"}
            self.configure(stream, SETTINGS if settings is None else settings)
        return self.chains[stream]

    def configure(self, stream: str, settings: dict[str, Any]) -> bytes:
        chain = self.chains[stream]
        body = Configuration(settings=settings)
        chain.settings, chain.config = settings, sha256(body.encoded).digest()
        return self.add(stream, body)

    def add(self, stream: str, body: Body, **changed: Any) -> bytes:  # noqa: ANN401
        """Seal the next page; `changed` overrides what `seal` is given."""
        chain = self.chains[stream] if stream in self.chains else self.chain(stream)
        moment = Moment(
            boot=self.boot,
            steady_ms=self.now_ms - START_MS + 1000,
            at_ms=self.now_ms,
            clock=self.clock,
            clock_error_ms=20,
        )
        given: dict[str, Any] = {
            "box": self.box,
            "stream": stream,
            "n": chain.n,
            "prev": chain.prev,
            "moment": moment,
            "config": chain.config,
            "body": body,
        } | changed
        page = seal(changed.pop("key", self.key), **{k: v for k, v in given.items() if k != "key"})
        chain.n, chain.prev = given["n"] + 1, sha256(page).digest()
        self.pages.append(page)
        return page

    def readings(self, stream: str, powers_mw: Iterable[int | None], *, period_ms: int = 1000, **changed: Any) -> bytes:  # noqa: ANN401
        """One window, every sample kept, judged as a box judges; `changed` overrides the body's fields."""
        chain = self.chain(stream)
        body = window(chain, list(powers_mw), period_ms=period_ms)
        self.now_ms = max(self.now_ms, body.to_ms)
        return self.add(stream, replace(body, **changed) if changed else body)

    def minutes(
        self,
        stream: str,
        minutes: list[list[int | None]],
        *,
        period_ms: int = 1000,
        more: Sequence[Column] = (),
        **changed: Any,  # noqa: ANN401
    ) -> bytes:
        """One window of minutes, each given by its samples' milliwatts; `more` columns follow."""
        chain = self.chain(stream)
        body = by_minute(chain, minutes, period_ms=period_ms)
        body.columns.extend(more)
        self.now_ms = max(self.now_ms, body.to_ms)
        return self.add(stream, replace(body, **changed) if changed else body)

    def crossings(self, stream: str, crossings: list[Crossing], *, length_ms: int = 300_000, **changed: Any) -> bytes:  # noqa: ANN401
        """One window of a gate; totals follow."""
        chain = self.chain(stream, {"title": "Gate"})
        from_ms, chain.at_ms = chain.at_ms, chain.at_ms + length_ms
        ins = sum(c.direction == 0 for c in crossings)
        chain.totals = (chain.totals[0] + ins, chain.totals[1] + len(crossings) - ins)
        body = Crossings(
            from_ms=from_ms,
            to_ms=chain.at_ms,
            crossings=crossings,
            total_in=chain.totals[0],
            total_out=chain.totals[1],
            sight=[(from_ms, Sight.CLEAR)],
            frames_seen=4500,
            frames_dropped=0,
            detector="carton-1",
            detector_sha256=bytes(32),
        )
        self.now_ms = max(self.now_ms, body.to_ms)
        return self.add(stream, replace(body, **changed) if changed else body)

    def heartbeat(self, **changed: Any) -> bytes:  # noqa: ANN401
        self.chain("box")
        heads = [(stream, c.n - 1, c.prev) for stream, c in sorted(self.chains.items())]
        body = Heartbeat(heads=heads, unsent=0, disk_free_bytes=1 << 30, uptime_ms=self.now_ms - START_MS)
        return self.add("box", replace(body, **changed) if changed else body)

    def roster(self, *, signer: SigningKey | None = None, key: SigningKey | None = None) -> bytes:
        enrolled = Enrolled(
            box=self.box, enterprise="Suzhou Tyres", site="Hall 3", key=(key or self.key).public, since_ms=START_MS
        )
        return seal_roster(signer or self.receiver, Roster(receiver="main", at_ms=START_MS + 1, boxes=(enrolled,)))

    def receipt(self, *, at_ms: int | None = None) -> bytes:
        """What a receiver that holds every page would sign."""
        segments: dict[str, Segments] = {}
        for page in self.pages:
            statement = self.open(page)
            link = Link(n=statement.n, prev=statement.prev, sha256=statement.sha256)
            segments.setdefault(statement.stream, Segments()).add(link)
        streams = tuple(
            StreamReceipt(stream=stream, segments=tuple(held.sorted())) for stream, held in sorted(segments.items())
        )
        receipt = Receipt(receiver="main", box=self.box, at_ms=at_ms or self.now_ms + 1000, streams=streams)
        return seal_receipt(self.receiver, receipt)

    def open(self, page: bytes) -> Statement:
        return open_statement(page, lambda _: self.key.public)

    def entries(self) -> list[tuple[Entry, bytes]]:
        """An honest bundle of everything."""
        return [
            (Entry.KEY, self.receiver.public.to_cose_key()),
            (Entry.ROSTER, self.roster()),
            *((Entry.STATEMENT, page) for page in self.pages),
            (Entry.RECEIPT, self.receipt()),
        ]


def window(chain: Chain, powers_mw: list[int | None], *, period_ms: int) -> Readings:
    """A window as a box makes it: it ends just after its last reading."""
    from_ms = chain.at_ms
    times = [from_ms + i * period_ms for i in range(len(powers_mw))]
    to_ms = times[-1] + period_ms
    rule = Threshold.from_settings(chain.settings)
    spans: list[Change] = []
    if rule is not None:
        spans, chain.judged = box_spans(chain.judged, list(zip(times, powers_mw, strict=True)), rule, from_ms, to_ms)
    chain.at_ms = to_ms
    energy = []
    for power in powers_mw:
        chain.wh += abs(power or 0) * period_ms // 3_600_000
        energy.append(None if power is None else chain.wh // 1000)
    return Readings(
        from_ms=from_ms,
        to_ms=to_ms,
        period_ms=period_ms,
        keep=Keep.EVERY,
        times_ms=times,
        columns=[
            Column(point="active_power", aggregate=Aggregate.SAMPLE, unit="W", decimals=3, values=powers_mw),
            Column(point="energy_import", aggregate=Aggregate.SAMPLE, unit="Wh", decimals=0, values=energy),
        ],
        failures=[(i, Failure.SILENT, 1) for i, power in enumerate(powers_mw) if power is None],
        spans=spans,
        frames=[(from_ms, b"\x01\x03", b"\x01\x83\x02")],
    )


def by_minute(chain: Chain, minutes: list[list[int | None]], *, period_ms: int) -> Readings:
    """A window of whole minutes as a box makes it."""
    from_ms = chain.at_ms
    times = [from_ms + 60_000 * i for i in range(len(minutes))]
    to_ms = from_ms + 60_000 * len(minutes)
    samples = [(times[i] + j * period_ms, power) for i, minute in enumerate(minutes) for j, power in enumerate(minute)]
    rule = Threshold.from_settings(chain.settings)
    spans: list[Change] = []
    if rule is not None:
        spans, chain.judged = box_spans(chain.judged, samples, rule, from_ms, to_ms)
    chain.at_ms = to_ms
    good = [[power for power in minute if power is not None] for minute in minutes]
    energy = []
    for minute in good:
        chain.wh += sum(minute) // len(minute) // 60 if minute else 0
        energy.append(chain.wh // 1000 if minute else None)

    def column(aggregate: Aggregate, values: list[int | None]) -> Column:
        return Column(point="active_power", aggregate=aggregate, unit="W", decimals=3, values=values)

    return Readings(
        from_ms=from_ms,
        to_ms=to_ms,
        period_ms=period_ms,
        keep=Keep.MINUTE,
        times_ms=times,
        columns=[
            column(Aggregate.MEAN, [sum(m) // len(m) if m else None for m in good]),
            column(Aggregate.MIN, [min(m, default=None) for m in good]),
            column(Aggregate.MAX, [max(m, default=None) for m in good]),
            column(Aggregate.LAST, [m[-1] if m else None for m in good]),
            Column(point="energy_import", aggregate=Aggregate.LAST, unit="Wh", decimals=0, values=energy),
        ],
        asked=[len(m) for m in minutes],
        answered=[len(m) for m in good],
        failures=[
            (i, Failure.SILENT, len(minute) - len(m))
            for i, (minute, m) in enumerate(zip(minutes, good, strict=True))
            if len(m) < len(minute)
        ],
        spans=spans,
        frames=[(from_ms, b"\x01\x03", b"\x01\x83\x02")],
    )


def box_spans(
    judged: Judged, samples: list[tuple[int, int | None]], by: Threshold, from_ms: int, to_ms: int
) -> tuple[list[Change], Judged]:
    """Judge as a box does: (signed spans, where judging stands)."""
    first, changes = judged.state, []
    for at_ms, power in samples:
        judged, changed = judge(judged, at_ms, (power,), by)
        changes += changed
    judged, expired = expire(judged, to_ms, by)
    spans = spans_of(first, [*changes, *expired], from_ms, to_ms)
    return [(start, RunState(state)) for start, _, state in spans], judged


def write(path: Path, entries: Iterable[tuple[Entry, bytes]]) -> Path:
    """A bundle file."""
    file = BytesIO()
    write_bundle(file, entries)
    path.write_bytes(file.getvalue())
    return path


def payload_of(page: bytes) -> dict[int, Any]:
    """A page's payload, to be altered."""
    _, _, payload, _ = cbor.decode(page[1:], at_most=len(page))
    decoded: dict[int, Any] = cbor.decode(payload, at_most=len(payload))
    return decoded
