"""What stood in a zone, told again from its signed looks. Pure.

A time that is blind, hidden or doubtful goes on with the count before it, and is added up as what it is: never as a
zero, and never as counted.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from evidence.bodies import Look, Stock, Verdict
from evidence.judging.detectors import Detector, Detectors

NAMED_LIMIT: Final = 50
"""Contradictions that are named one by one, at most; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocked:
    """What stood in a zone, by its signed looks."""

    last: Look
    """How it was in the end: the last look."""
    counted_at_ms: int | None
    """When that count was really made; None: never."""
    least: Look | None
    most: Look | None
    """The least and the greatest count that was really made; None where there was none."""
    counts: int
    """Looks that counted something else than the look before."""
    counted_ms: int
    occluded_ms: int
    disagreed_ms: int
    blind_ms: int
    """Time of each verdict; of what two windows speak of, once."""
    frames_seen: int
    frames_dropped: int
    items: int
    """Items of the last count whose places are signed."""
    declared: tuple[int, int] | None
    """(depth, rows) as the installer declared them last; nobody measured them."""
    absolute: bool | None
    """Whether the settings claim the count itself, and not only how it changed; None where they do not say."""
    detectors: tuple[Detector, ...]
    contradicted: int
    named: tuple[tuple[int, str], ...]
    """(n, what) of the first windows that do not go on from the one before."""


@dataclass(slots=True)
class Zone:
    """One zone, window by window."""

    _last: Look | None = None
    _counted_at_ms: int | None = None
    _goes_on: bool = False
    """Whether the next window must go on from `_last`: nothing is missing since, and the box admits no gap."""
    _least: Look | None = None
    _most: Look | None = None
    _counts: int = 0
    _verdict_ms: list[int] = field(default_factory=lambda: [0] * len(Verdict))
    _frames_seen: int = 0
    _frames_dropped: int = 0
    _items: int = 0
    _declared: tuple[int, int] | None = None
    _detectors: Detectors = field(default_factory=Detectors)
    _contradicted: int = 0
    _named: list[tuple[int, str]] = field(default_factory=list)

    def break_off(self) -> None:
        """Statements are missing here, or the box says that something was not recorded."""
        self._goes_on = False

    def take(self, n: int, body: Stock, *, counted_to_ms: int) -> None:
        """The next window; what lies before `counted_to_ms` was spoken of already."""
        if self._goes_on and self._last is not None:
            self._check(n, body, self._last)
        before = self._last
        ends = [later.at_ms for _, later in pairwise(body.looks)] + [body.to_ms]
        for look, end_ms in zip(body.looks, ends, strict=True):
            self._verdict_ms[look.verdict] += max(0, end_ms - max(look.at_ms, counted_to_ms))
            if look.verdict is Verdict.COUNTED:
                self._counts += before is None or before.count != look.count
                self._least = look if self._least is None or _of(look) < _of(self._least) else self._least
                self._most = look if self._most is None or _of(look) > _of(self._most) else self._most
            before = look
        self._last, self._counted_at_ms, self._goes_on = body.looks[-1], body.counted_at_ms, True
        self._frames_seen += body.frames_seen
        self._frames_dropped += body.frames_dropped
        self._items, self._declared = len(body.items), body.declared
        self._detectors.take(body.detector, body.detector_sha256)

    def contradict(self, n: int, what: str) -> None:
        """Statement n says what cannot be."""
        self._contradicted += 1
        if len(self._named) < NAMED_LIMIT:
            self._named.append((n, what))

    def result(self, *, absolute: bool | None) -> Stocked | None:
        """What has been added up so far; None before the first window. `absolute` is what the settings claim."""
        if self._last is None:
            return None
        return Stocked(
            last=self._last,
            counted_at_ms=self._counted_at_ms,
            least=self._least,
            most=self._most,
            counts=self._counts,
            counted_ms=self._verdict_ms[Verdict.COUNTED],
            occluded_ms=self._verdict_ms[Verdict.OCCLUDED],
            disagreed_ms=self._verdict_ms[Verdict.DISAGREED],
            blind_ms=self._verdict_ms[Verdict.BLIND],
            frames_seen=self._frames_seen,
            frames_dropped=self._frames_dropped,
            items=self._items,
            declared=self._declared,
            absolute=absolute,
            detectors=self._detectors.result(),
            contradicted=self._contradicted,
            named=tuple(self._named),
        )

    def _check(self, n: int, body: Stock, last: Look) -> None:
        """A count changes by counting alone, and the time of the last count with it."""
        first = body.looks[0]
        counted = any(look.verdict is Verdict.COUNTED for look in body.looks)
        counted_now = first.verdict is Verdict.COUNTED and (body.counted_at_ms or 0) >= body.from_ms
        if first.count != last.count and not counted_now:
            what = f"{first.verdict.name} with the count {_said(first)} where {_said(last)} was counted last"
        elif not counted and body.counted_at_ms != self._counted_at_ms:
            what = "another time of the last count, and nothing was counted"
        else:
            return
        self.contradict(n, what)


def _of(look: Look) -> int:
    return look.count or 0  # a look that is COUNTED has a count


def _said(look: Look) -> str:
    return "none" if look.count is None else str(look.count)
