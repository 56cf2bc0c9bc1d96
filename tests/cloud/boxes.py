"""Boxes for the receiver's tests: real keys, real statements, no edge code."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from evidence.bodies import (
    Acceptance,
    Aggregate,
    Body,
    Column,
    Commissioning,
    Configuration,
    Crossing,
    Crossings,
    Direction,
    Event,
    EventKind,
    Events,
    Gap,
    GapReason,
    Heartbeat,
    Keep,
    Look,
    Mark,
    Phase,
    Picture,
    PictureKind,
    Readings,
    Sight,
    Stock,
    Verdict,
)
from evidence.judging.judge import RunState
from evidence.keys import SigningKey
from evidence.roster import Enrolled
from evidence.statement import ClockQuality, Moment, Statement, open_statement, seal

NOON_MS = 1_769_918_400_000
"""2026-02-01 12:00 in Shanghai; windows begin here unless told otherwise."""
WINDOW_MS = 300_000

STOPPED, IDLE, RUNNING, UNKNOWN = RunState.STOPPED, RunState.IDLE, RunState.RUNNING, RunState.UNKNOWN


@dataclass
class FakeBox:
    """A box that seals what it is told to; it remembers every stream's head."""

    box: str = "box-1"
    enterprise: str = "Yongxing Tyres"
    key: SigningKey = field(default_factory=SigningKey.generate)
    clock: ClockQuality = ClockQuality.NTP
    heads: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    config: dict[str, bytes] = field(default_factory=dict)

    @property
    def enrolled(self) -> Enrolled:
        return Enrolled(
            box=self.box, enterprise=self.enterprise, site="Hall 1", key=self.key.public, since_ms=NOON_MS - 86_400_000
        )

    def copy(self) -> "FakeBox":
        """A cloned card: same key, same heads, its own life from here on."""
        return FakeBox(
            box=self.box,
            enterprise=self.enterprise,
            key=self.key,
            clock=self.clock,
            heads=dict(self.heads),
            config=dict(self.config),
        )

    def seal(self, stream: str, body: Body, *, at_ms: int = NOON_MS) -> bytes:
        n, prev = self.heads.get(stream, (0, b""))
        if isinstance(body, Configuration):
            self.config[stream] = sha256(body.encoded).digest()
        sealed = seal(
            self.key,
            box=self.box,
            stream=stream,
            n=n,
            prev=prev,
            moment=Moment(boot=b"b" * 16, steady_ms=1000, at_ms=at_ms, clock=self.clock, clock_error_ms=5),
            config=self.config.get(stream, b"" if isinstance(body, Commissioning) else b"c" * 32),
            body=body,
        )
        self.heads[stream] = (n + 1, sha256(sealed).digest())
        return sealed

    def settings(self, stream: str, title: str = "Loom 1", **more: object) -> bytes:
        return self.seal(stream, Configuration(settings={"title": title, **more}))

    def commissioning(self) -> bytes:
        body = Commissioning(
            enterprise=self.enterprise, site="Hall 1", public_key=self.key.public.to_cose_key(), software="test"
        )
        return self.seal("box", body)

    def heartbeat(self) -> bytes:
        heads = [(stream, n - 1, head) for stream, (n, head) in self.heads.items() if n]
        return self.seal("box", Heartbeat(heads=heads, unsent=0, disk_free_bytes=1 << 30, uptime_ms=1))

    def readings(
        self,
        stream: str = "machine/loom-1",
        *,
        from_ms: int = NOON_MS,
        length_ms: int = WINDOW_MS,
        spans: Sequence[tuple[int, RunState]] = ((0, RUNNING),),
        rows: int = 3,
    ) -> bytes:
        """One window; `spans` are (offset in ms, state)."""
        step = max(1, length_ms // max(rows, 1))
        times = [from_ms + row * step for row in range(min(rows, length_ms))]
        power = Column(
            point="active_power",
            aggregate=Aggregate.SAMPLE,
            unit="W",
            decimals=0,
            values=[9000 + 7 * row % 100 for row in range(len(times))],
        )
        body = Readings(
            from_ms=from_ms,
            to_ms=from_ms + length_ms,
            period_ms=step,
            keep=Keep.EVERY,
            times_ms=times,
            columns=[power],
            spans=[(from_ms + offset, state) for offset, state in spans],
        )
        return self.seal(stream, body, at_ms=from_ms + length_ms)

    def sensed(
        self,
        values: Sequence[int | None],
        stream: str = "fire/hydrant",
        *,
        from_ms: int = NOON_MS,
        period_ms: int = 60_000,
        point: str = "pressure",
        unit: str = "kPa",
        decimals: int = 0,
    ) -> bytes:
        """A window of a sensor, a value a period, every sample kept."""
        times = [from_ms + row * period_ms for row in range(len(values))]
        column = Column(point=point, aggregate=Aggregate.SAMPLE, unit=unit, decimals=decimals, values=list(values))
        body = Readings(
            from_ms=from_ms,
            to_ms=times[-1] + 1,
            period_ms=period_ms,
            keep=Keep.EVERY,
            times_ms=times,
            columns=[column],
        )
        return self.seal(stream, body, at_ms=body.to_ms)

    def events(self, *events: Event, stream: str = "fire/hydrant") -> bytes:
        return self.seal(stream, Events(events=list(events)), at_ms=events[-1].at_ms)

    def windows(self, count: int, stream: str = "machine/loom-1", *, state: RunState = RUNNING) -> list[bytes]:
        """So many windows, one behind the other, from where this stream's head is."""
        start, _ = self.heads.get(stream, (0, b""))
        return [
            self.readings(stream, from_ms=NOON_MS + (start + i) * WINDOW_MS, spans=((0, state),)) for i in range(count)
        ]

    def crossings(
        self,
        stream: str = "gate/north",
        *,
        from_ms: int = NOON_MS,
        ways: Sequence[Direction] = (),
        sight: Sequence[tuple[int, Sight]] = ((0, Sight.CLEAR),),
        others: Sequence[str] = (),
        doubts: Sequence[tuple[int, int, int]] = (),
    ) -> bytes:
        """One window of a gate, its crossings a second apart; `doubts` are (confidence, sources, uncertain)."""
        said = [*doubts, *[(900, 1 if others else 0, 0)] * (len(ways) - len(doubts))]
        seen = [
            Crossing(
                at_ms=from_ms + i * 1000,
                direction=way,
                label="carton",
                confidence_permille=confidence,
                track=i,
                sources=sources,
                uncertain=uncertain,
            )
            for i, (way, (confidence, sources, uncertain)) in enumerate(zip(ways, said, strict=True))
        ]
        body = Crossings(
            from_ms=from_ms,
            to_ms=from_ms + WINDOW_MS,
            crossings=seen,
            total_in=sum(way is Direction.IN for way in ways),
            total_out=sum(way is Direction.OUT for way in ways),
            sight=[(from_ms + offset, how) for offset, how in sight],
            frames_seen=3000,
            frames_dropped=0,
            detector="test",
            other_sources=[(name, b"") for name in others],
        )
        return self.seal(stream, body, at_ms=from_ms + WINDOW_MS)

    def stock(
        self,
        looks: Sequence[tuple[int, Verdict, int | None] | tuple[int, Verdict, int | None, int]],
        stream: str = "zone/yard",
        *,
        from_ms: int = NOON_MS,
        length_ms: int = WINDOW_MS,
        counted_at_ms: int | None = None,
        declared: tuple[int, int] | None = None,
    ) -> bytes:
        """One window of a zone; looks are (offset in ms, verdict, count[, uncertain])."""
        told = [
            Look(at_ms=from_ms + look[0], verdict=look[1], count=look[2], uncertain=look[3] if len(look) > 3 else 0)
            for look in looks
        ]
        counted = [look.at_ms for look in told if look.verdict is Verdict.COUNTED]
        known = any(look.count is not None for look in told)
        last_ms = counted[-1] if counted else (counted_at_ms or from_ms - 1) if known else None
        body = Stock(
            from_ms=from_ms,
            to_ms=from_ms + length_ms,
            looks=told,
            counted_at_ms=last_ms,
            frames_seen=300,
            frames_dropped=0,
            detector="stock-1",
            detector_sha256=bytes(32),
            items=[],
            declared=declared,
        )
        return self.seal(stream, body, at_ms=from_ms + length_ms)

    def picture(
        self,
        data: bytes,
        stream: str = "zone/yard",
        *,
        from_ms: int = NOON_MS,
        length_ms: int = 3_600_000,
        leaves: bool = False,
        marks: Sequence[Mark] = (),
        size: tuple[int, int] = (24, 16),
    ) -> bytes:
        """A picture of an hour."""
        body = Picture(
            from_ms=from_ms,
            to_ms=from_ms + length_ms,
            what=PictureKind.SLIT,
            media_type="image/png",
            width=size[0],
            height=size[1],
            sha256=sha256(data).digest(),
            length=len(data),
            data=data if leaves else b"",
            marks=list(marks),
        )
        return self.seal(stream, body, at_ms=body.to_ms)

    def certificate(self, stream: str = "zone/yard", *, at_ms: int = NOON_MS, passed: bool = True) -> bytes:
        """A person counted, and the machine nearly the same."""
        body = Acceptance(
            at_ms=at_ms,
            frames=20,
            by_person=960,
            by_machine=951,
            exact=17,
            error_permille=14,
            limit_permille=50 if passed else 10,
            passed=passed,
            detector="stock-1",
            detector_sha256=bytes(32),
            pictures_sha256=bytes(32),
        )
        return self.seal(stream, body, at_ms=at_ms)

    def gap(self, stream: str = "machine/loom-1", *, from_ms: int = NOON_MS, lost: int | None = None) -> bytes:
        body = Gap(from_ms=from_ms, to_ms=from_ms + WINDOW_MS, reason=GapReason.DISK_FULL, lost=lost)
        return self.seal(stream, body, at_ms=from_ms + WINDOW_MS)

    def open(self, *sealed: bytes) -> list[Statement]:
        return [
            open_statement(encoded, lambda kid: self.key.public if kid == self.key.public.kid else None)
            for encoded in sealed
        ]


def limit(phase: Phase, at_ms: int = NOON_MS, subject: str = "pressure", value: int = 86) -> Event:
    """A limit of 100 kPa that was passed, or is kept again."""
    return Event(
        at_ms=at_ms,
        event=EventKind.LIMIT,
        phase=phase,
        subject=subject,
        value=value,
        reference=100,
        says=f"{value} kPa, {'below' if phase is Phase.RAISED else 'again not below'} 100 kPa",
    )
