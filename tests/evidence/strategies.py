"""Hypothesis strategies for everything that can be signed."""

from collections.abc import Callable
from enum import IntEnum
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from evidence.bodies import (
    MS_LIMIT,
    SIDE_LIMIT,
    Acceptance,
    Aggregate,
    Body,
    Boot,
    ClockStep,
    Column,
    Commissioning,
    Configuration,
    Crossing,
    Crossings,
    Direction,
    Event,
    EventKind,
    Events,
    Failure,
    Gap,
    GapReason,
    Heartbeat,
    Item,
    Keep,
    Look,
    Mark,
    Phase,
    Picture,
    PictureKind,
    Readings,
    Shutdown,
    Sight,
    Stock,
    Verdict,
)
from evidence.chain import Segment
from evidence.judging.judge import RunState
from evidence.keys import Algorithm, SigningKey
from evidence.receipt import Receipt, Refusal, StreamReceipt
from evidence.roster import Enrolled, Roster
from evidence.statement import ClockQuality, Moment

KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in Algorithm}
"""One of each kind, made once: making them is what takes time."""

keys = st.sampled_from(sorted(KEYS)).map(KEYS.__getitem__)
ms = st.integers(0, (1 << 53) - 1)
small = st.integers(0, 1 << 20)
hashes = st.binary(min_size=32, max_size=32)
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True)
streams = st.one_of(
    st.just("box"), st.builds("{}/{}".format, st.sampled_from(["machine", "meter", "zone", "gate", "fire"]), names)
)
texts = st.text(max_size=40).filter(lambda text: text.isprintable() and len(text.encode()) <= 200)
values = st.one_of(st.none(), st.integers(-(1 << 63), (1 << 64) - 1))

settings_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.integers(-(1 << 64), (1 << 64) - 1), st.text(max_size=20), st.binary(max_size=20), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
settings_maps = st.dictionaries(st.text(max_size=30), settings_values, max_size=6)

windows = st.tuples(st.integers(0, 1 << 50), st.integers(0, 1 << 30)).map(lambda w: (w[0], w[0] + w[1]))


@st.composite
def marks(draw: st.DrawFn, window: tuple[int, int], states: type[IntEnum], *, least: int) -> list[tuple[int, Any]]:
    """Spans that begin with the window and rise."""
    from_ms, to_ms = window
    offsets = draw(st.sets(st.integers(1, max(1, to_ms - from_ms - 1)), max_size=5 if to_ms - from_ms > 1 else 0))
    starts = [from_ms, *(from_ms + offset for offset in sorted(offsets))]
    if least == 0 and draw(st.booleans()):
        return []
    return [(at_ms, draw(st.sampled_from(list(states)))) for at_ms in starts]


@st.composite
def readings(draw: st.DrawFn) -> Readings:
    from_ms, to_ms = draw(windows)
    length = to_ms - from_ms
    offsets = sorted(draw(st.sets(st.integers(0, length - 1), max_size=6))) if length else []
    rows = len(offsets)
    keep = draw(st.sampled_from(Keep))
    kinds = [Aggregate.SAMPLE] if keep is Keep.EVERY else [a for a in Aggregate if a is not Aggregate.SAMPLE]
    column = st.builds(
        Column,
        point=texts,
        aggregate=st.sampled_from(kinds),
        unit=texts,
        decimals=st.integers(0, 9),
        values=st.lists(values, min_size=rows, max_size=rows),
    )
    asked = [draw(small) for _ in range(rows)] if keep is Keep.MINUTE else []
    return Readings(
        from_ms=from_ms,
        to_ms=to_ms,
        period_ms=draw(st.integers(1, 1 << 40)),
        keep=keep,
        times_ms=[from_ms + offset for offset in offsets],
        columns=draw(st.lists(column, max_size=4)),
        asked=asked,
        answered=[draw(st.integers(0, times)) for times in asked],
        failures=draw(
            st.lists(st.tuples(st.integers(0, rows - 1), st.sampled_from(Failure), st.integers(1, 1 << 30)), max_size=4)
        )
        if rows
        else [],
        spans=draw(marks((from_ms, to_ms), RunState, least=0)),
        frames=draw(
            st.lists(
                st.tuples(
                    st.integers(from_ms, max(from_ms, to_ms - 1)), st.binary(max_size=30), st.binary(max_size=30)
                ),
                max_size=2,
            )
        ),
        missed=draw(ms),
    )


@st.composite
def crossings(draw: st.DrawFn) -> Crossings:
    from_ms, to_ms = draw(windows)
    others = draw(st.lists(st.tuples(texts, st.one_of(st.just(b""), hashes)), max_size=15))
    crossing = st.builds(
        Crossing,
        at_ms=st.integers(from_ms, max(from_ms, to_ms - 1)),
        direction=st.sampled_from(Direction),
        label=texts,
        confidence_permille=st.integers(0, 1000),
        track=ms,
        sources=st.integers(0, (1 << (1 + len(others))) - 1),
        uncertain=st.one_of(st.just(0), ms),
    )
    return Crossings(
        from_ms=from_ms,
        to_ms=to_ms,
        crossings=draw(st.lists(crossing, max_size=5)),
        total_in=draw(ms),
        total_out=draw(ms),
        sight=draw(marks((from_ms, to_ms), Sight, least=1)),
        frames_seen=draw(ms),
        frames_dropped=draw(ms),
        detector=draw(texts),
        detector_sha256=draw(st.one_of(st.just(b""), hashes)),
        other_sources=others,
    )


@st.composite
def stocks(draw: st.DrawFn) -> Stock:
    from_ms, to_ms = draw(windows)
    count: int | None = None
    looks: list[Look] = []
    for at_ms, verdict in draw(marks((from_ms, to_ms), Verdict, least=1)):
        if verdict is Verdict.COUNTED or (not looks and draw(st.booleans())):
            count = draw(ms)
        looks.append(Look(at_ms=at_ms, verdict=verdict, count=count, uncertain=draw(small)))
    counted = [look.at_ms for look in looks if look.verdict is Verdict.COUNTED]
    least = max(counted, default=0)
    return Stock(
        from_ms=from_ms,
        to_ms=to_ms,
        looks=looks,
        counted_at_ms=None if count is None else draw(st.integers(least, MS_LIMIT - 1)),
        frames_seen=draw(ms),
        frames_dropped=draw(ms),
        detector=draw(texts),
        detector_sha256=draw(st.one_of(st.just(b""), hashes)),
        items=draw(st.lists(items(), max_size=4)),
        declared=draw(st.one_of(st.none(), st.tuples(st.integers(1, 9999), st.integers(1, 9999)))),
    )


@st.composite
def items(draw: st.DrawFn) -> Item:
    x0, y0 = draw(st.integers(0, SIDE_LIMIT - 2)), draw(st.integers(0, SIDE_LIMIT - 2))
    x1, y1 = draw(st.integers(x0 + 1, SIDE_LIMIT - 1)), draw(st.integers(y0 + 1, SIDE_LIMIT - 1))
    return Item(x0, y0, x1, y1, draw(st.integers(0, 1000)), draw(texts))


FIRST_BYTES = {
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/png": b"\x89PNG\r\n\x1a\n",
}


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    from_ms, to_ms = draw(windows)
    width, height = draw(st.integers(1, SIDE_LIMIT - 1)), draw(st.integers(1, SIDE_LIMIT - 1))
    media_type = draw(st.sampled_from(sorted(FIRST_BYTES)))
    data = FIRST_BYTES[media_type] + draw(st.binary(max_size=60)) if draw(st.booleans()) else b""
    mark = st.builds(
        Mark,
        st.integers(from_ms, max(from_ms, to_ms - 1)),
        st.integers(0, width - 1),
        st.integers(0, height - 1),
        st.one_of(st.none(), st.sampled_from(Direction)),
    )
    return Picture(
        from_ms=from_ms,
        to_ms=to_ms,
        what=draw(st.sampled_from(PictureKind)),
        media_type=media_type,
        width=width,
        height=height,
        sha256=sha256(data).digest() if data else draw(hashes),
        length=len(data) or draw(st.integers(1, MS_LIMIT - 1)),
        data=data,
        marks=draw(st.lists(mark, max_size=5)),
    )


@st.composite
def acceptances(draw: st.DrawFn) -> Acceptance:
    frames, by_person, by_machine = draw(st.integers(1, 1 << 20)), draw(st.integers(1, 1 << 20)), draw(small)
    apart = abs(by_person - by_machine)
    least = -(-1000 * apart // by_person)
    error, limit = draw(st.integers(least, least + 1000)), draw(small)
    return Acceptance(
        at_ms=draw(ms),
        frames=frames,
        by_person=by_person,
        by_machine=by_machine,
        exact=draw(st.integers(0, frames - 1 if apart else frames)),
        error_permille=error,
        limit_permille=limit,
        passed=error <= limit and draw(st.booleans()),
        detector=draw(texts),
        detector_sha256=draw(st.one_of(st.just(b""), hashes)),
        pictures_sha256=draw(hashes),
    )


numbers = st.one_of(st.none(), st.integers(-MS_LIMIT + 1, MS_LIMIT - 1))
happenings = st.builds(
    Event,
    at_ms=ms,
    event=st.sampled_from(EventKind),
    phase=st.sampled_from(Phase),
    subject=texts,
    value=numbers,
    reference=numbers,
    says=texts,
)
events = st.lists(happenings, min_size=1, max_size=5).map(
    lambda happened: Events(events=sorted(happened, key=lambda event: event.at_ms))
)
gaps = st.builds(
    lambda window, reason, lost: Gap(from_ms=window[0], to_ms=window[1], reason=reason, lost=lost),
    windows,
    st.sampled_from(GapReason),
    st.one_of(st.none(), ms),
)
configurations = st.builds(Configuration, settings=settings_maps)
commissionings = st.builds(
    Commissioning,
    enterprise=texts,
    site=texts,
    public_key=keys.map(lambda key: key.public.to_cose_key()),
    software=texts,
)
boots = st.builds(
    Boot,
    software=texts,
    last_alive_ms=st.one_of(st.none(), ms),
    last_boot=st.one_of(st.just(b""), st.binary(min_size=16, max_size=16)),
)
heartbeats = st.builds(
    Heartbeat,
    heads=st.lists(st.tuples(streams, ms, hashes), max_size=4),
    unsent=ms,
    disk_free_bytes=ms,
    uptime_ms=ms,
)
bodies: st.SearchStrategy[Body] = st.one_of(
    readings(),
    crossings(),
    events,
    stocks(),
    pictures(),
    acceptances(),
    gaps,
    configurations,
    commissionings,
    boots,
    st.builds(Shutdown, reason=texts),
    heartbeats,
    st.builds(ClockStep, before_ms=ms, after_ms=ms),
)


def streams_for(body: Body) -> st.SearchStrategy[str]:
    """Streams in which such a body may stand."""
    match body:
        case Stock():
            return streams.filter(lambda stream: stream.startswith("zone/"))
        case Picture() | Acceptance():
            return streams.filter(lambda stream: stream.startswith(("zone/", "gate/")))
    return streams


moments = st.builds(
    Moment,
    boot=st.binary(min_size=16, max_size=16),
    steady_ms=ms,
    at_ms=ms,
    clock=st.sampled_from(ClockQuality),
    clock_error_ms=st.one_of(st.none(), ms),
)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    first = draw(st.integers(0, 1 << 40))
    prev = draw(hashes) if first else b""
    return Segment(first, first + draw(small), prev, draw(hashes))


receipts = st.builds(
    Receipt,
    receiver=names,
    box=names,
    at_ms=ms,
    streams=st.lists(
        st.builds(StreamReceipt, stream=streams, segments=st.lists(segments(), max_size=4).map(tuple)), max_size=3
    ).map(tuple),
    refusals=st.lists(st.builds(Refusal, sha256=hashes, reason=texts), max_size=3).map(tuple),
)
rosters = st.builds(
    Roster,
    receiver=names,
    at_ms=ms,
    boxes=st.lists(
        st.builds(Enrolled, box=names, enterprise=texts, site=texts, key=keys.map(lambda key: key.public), since_ms=ms),
        max_size=3,
    ).map(tuple),
)


def known(key: SigningKey) -> Callable[[bytes], Any]:
    """A roster of one key."""
    return lambda kid: key.public if kid == key.public.kid else None
