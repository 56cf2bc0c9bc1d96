"""Lifelike zones, their pictures and what happens to their cameras, for a store in memory that answers the page."""

import random
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from cloud_sync.page_view import GateView, Happening, Image, Subject, Watched, ZoneView
from cloud_sync.reports import HOUR_MS
from cloud_sync.stock import Stand, joined
from cloud_sync.store import PictureRow, Pictures
from evidence.bodies import Acceptance, Event, EventKind, Look, Phase, PictureKind, Stock, Verdict
from tests.world.eyes import slit_scan

if TYPE_CHECKING:
    from tests.world.view import MemoryView

MINUTE_MS = 60_000
DAY_MS = 24 * HOUR_MS
DETECTOR = ("stock-2", sha256(b"stock-2").digest())
COUNTED, OCCLUDED, DISAGREED, BLIND = Verdict.COUNTED, Verdict.OCCLUDED, Verdict.DISAGREED, Verdict.BLIND


def add_zones(view: "MemoryView", *, now_ms: int, midnight_ms: int) -> None:
    """Three zones: one in its working day, one whose camera was covered, one that was never counted."""
    last_ms = now_ms - 97_000
    put_zone(
        view,
        "hall-a",
        "A 区 轮胎",
        stands=joined(working_days(midnight_ms, last_ms)),
        declared=(6, 4),
        certificate=certificate(midnight_ms - 3 * DAY_MS),
    )
    covered_ms = midnight_ms + 11 * HOUR_MS
    before = Stand(midnight_ms - 6 * DAY_MS, covered_ms, COUNTED, 212, 0)
    put_zone(
        view,
        "hall-b",
        "B 区 纸箱",
        stands=[before, Stand(covered_ms, last_ms, BLIND, 212, 0)],
        certificate=certificate(midnight_ms - 40 * DAY_MS, passed=False),
        happened=[camera("covered", Phase.RAISED, covered_ms)],
    )
    put_zone(
        view,
        "yard",
        "露天堆场",
        stands=[Stand(midnight_ms + 9 * HOUR_MS, last_ms, DISAGREED, None, 0)],
        certificate=None,
    )
    _pictures(view, midnight_ms)


def put_zone(
    view: "MemoryView",
    key: str,
    title: str,
    *,
    stands: Sequence[Stand],
    declared: tuple[int, int] | None = None,
    certificate: Acceptance | None = None,
    happened: list[Happening] | None = None,
    enterprise: str = "hengyuan",
    pictures: Pictures | None = None,
) -> None:
    """Add a zone with everything that is asked about it."""
    from tests.world.view import put

    happened = happened or []
    raised = tuple(one for one in happened if one.event.phase is Phase.RAISED)
    watched = Watched(
        key=key,
        subject=Subject.ZONE,
        title=title,
        box="sz-0018",
        stream=f"zone/{key}",
        first_ms=stands[0].from_ms if stands else None,
        received_ms=stands[-1].to_ms if stands else None,
        simulated=view.simulated,
        alarms=raised,
        alarmed=len(raised),
    )
    put(view, watched, [], simulated=view.simulated, enterprise=enterprise)
    del view.states[enterprise, key]
    view.told[enterprise, key, Subject.ZONE] = happened
    none = Pictures(newest=(), count=0, here=0)
    view.zones[enterprise, key] = ZoneView(
        stands=stands, last=last_of(stands, declared), certificate=certificate, pictures=pictures or none
    )


def last_of(stands: Sequence[Stand], declared: tuple[int, int] | None) -> Stock | None:
    """What a box would have signed last."""
    if not stands:
        return None
    last = stands[-1]
    verdict = last.verdict or BLIND
    counted = [stand for stand in stands if stand.verdict is COUNTED]
    return Stock(
        from_ms=last.from_ms,
        to_ms=last.to_ms,
        looks=[Look(at_ms=last.from_ms, verdict=verdict, count=last.items, uncertain=last.uncertain)],
        counted_at_ms=counted[-1].to_ms if counted else None,
        frames_seen=300,
        frames_dropped=0,
        detector=DETECTOR[0],
        detector_sha256=DETECTOR[1],
        items=[],
        declared=declared,
    )


def working_days(midnight_ms: int, last_ms: int) -> Iterator[Stand]:
    """Goods come and go from eight to six; people stand before them; a lorry at noon; a dark hour at night."""
    chance = random.Random(7)
    items = 148
    for day_ms in range(midnight_ms - 29 * DAY_MS, midnight_ms + 1, DAY_MS):
        at_ms = day_ms
        busy = day_ms + 8 * HOUR_MS
        moves: list[tuple[int, Verdict]] = [(day_ms + 150 * MINUTE_MS, DISAGREED), (day_ms + 190 * MINUTE_MS, COUNTED)]
        while busy < day_ms + 18 * HOUR_MS:
            moves.append((busy, chance.choice([OCCLUDED, OCCLUDED, DISAGREED])))
            moves.append((busy + chance.randrange(2, 9) * MINUTE_MS, COUNTED))
            busy += chance.randrange(15, 75) * MINUTE_MS
        noon = day_ms + 12 * HOUR_MS
        moves = [move for move in moves if not noon <= move[0] < noon + 50 * MINUTE_MS]
        moves += [(noon, BLIND), (noon + 50 * MINUTE_MS, COUNTED)]
        verdict, unsure = COUNTED, 0
        for next_ms, next_verdict in [*sorted(moves), (day_ms + DAY_MS, COUNTED)]:
            if at_ms < min(next_ms, last_ms):
                yield Stand(at_ms, min(next_ms, last_ms), verdict, items, unsure)
            if next_verdict is COUNTED and next_ms < day_ms + DAY_MS:
                items = max(20, items + chance.choice([-9, -6, -4, 0, 3, 5, 8]))
                unsure = chance.choice([0, 0, 1, 2])
            at_ms, verdict = next_ms, next_verdict


def certificate(at_ms: int, *, passed: bool = True) -> Acceptance:
    """Twenty frames that a person counted too."""
    return Acceptance(
        at_ms=at_ms,
        frames=20,
        by_person=2960,
        by_machine=2951 if passed else 2600,
        exact=16 if passed else 3,
        error_permille=14 if passed else 122,
        limit_permille=50,
        passed=passed,
        detector=DETECTOR[0],
        detector_sha256=DETECTOR[1],
        pictures_sha256=bytes(32),
    )


def camera(subject: str, phase: Phase, at_ms: int) -> Happening:
    """A camera cannot see as it should, or can again."""
    says = "94 % of the picture is one colour" if phase is Phase.RAISED else ""
    return Happening(event=Event(at_ms=at_ms, event=EventKind.CAMERA, phase=phase, subject=subject, says=says))


def pictures_of(view: "MemoryView", hours: range, *, here: range, midnight_ms: int) -> Pictures:
    """A picture an hour, of which some left the box."""
    rows = []
    for hour in hours:
        data = slit_scan(seed=hour)
        digest = sha256(data).digest()
        from_ms = midnight_ms + hour * HOUR_MS
        if hour in here:
            view.images[digest] = Image(media_type="image/png", data=data)
        rows.append(
            PictureRow(
                from_ms=from_ms,
                to_ms=from_ms + HOUR_MS,
                what=PictureKind.SLIT,
                media_type="image/png",
                width=720,
                height=96,
                length=len(data),
                sha256=digest,
                marks=3 + hour % 5,
                is_here=hour in here,
            )
        )
    newest = tuple(reversed(rows))
    return Pictures(newest=newest, count=len(newest), here=sum(row.is_here for row in newest))


def _pictures(view: "MemoryView", midnight_ms: int) -> None:
    gate = view.gates["hengyuan", "dock-01"]
    view.gates["hengyuan", "dock-01"] = GateView(
        crossings=gate.crossings,
        clear=gate.clear,
        pictures=pictures_of(view, range(15), here=range(9, 12), midnight_ms=midnight_ms),
        certificate=certificate(midnight_ms - 3 * DAY_MS),
    )
