"""What went through a gate, counted again from its signed crossings. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from evidence.bodies import Crossing, Crossings, Direction, Sight
from evidence.judging.detectors import Detector, Detectors

NAMED_LIMIT: Final = 50
"""Mismatches that are named one by one, at most; all are counted."""
LABELS_LIMIT: Final = 32
"""Labels and sources that are told apart, at most."""
CONTESTED_BELOW_PERMILLE: Final = 500
"""A crossing with less confidence is contested (存疑)."""


def is_contested(confidence_permille: int, uncertain: int) -> bool:
    """Whether a crossing is doubtful: little confidence, or more items in the load than were seen."""
    return confidence_permille < CONTESTED_BELOW_PERMILLE or uncertain > 0


def seen_by(body: Crossings, crossing: Crossing) -> list[str]:
    """The names of what saw a crossing; none where nobody noted it."""
    names = [body.detector, *(name for name, _ in body.other_sources)]
    return [name for bit, name in enumerate(names) if crossing.sources >> bit & 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What went through a gate, counted again from the signed crossings."""

    came_in: int
    went_out: int
    mismatches: int
    """Statements whose signed totals do not follow from the totals before and their own crossings."""
    named: tuple[tuple[int, int, int, int, int], ...]
    """(n, total_in expected, signed, total_out expected, signed) of the first of them."""
    total_in: int
    total_out: int
    """The last signed totals."""
    clear_ms: int
    blind_ms: int
    frames_seen: int
    frames_dropped: int
    contested: int
    """Crossings with little confidence, or with more items in the load than were seen."""
    uncertain: int
    """Items that may have been in loads beyond those counted."""
    labels: dict[str, int]
    """Crossings by what they were taken for."""
    sources: dict[str, int]
    """Crossings by who saw them, where that was noted."""
    by_one: int
    """Crossings that one source saw and another one did not."""
    detectors: tuple[Detector, ...]
    """What counted, in the order in which it began to."""


@dataclass(slots=True)
class Gate:
    """One gate's totals and sight, added up window by window."""

    came_in: int = 0
    went_out: int = 0
    mismatches: int = 0
    named: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    totals: tuple[int, int] | None = (0, 0)
    """The totals that the next statement goes on from; None after missing statements."""
    signed: tuple[int, int] = (0, 0)
    sight_ms: list[int] = field(default_factory=lambda: [0, 0])
    frames_seen: int = 0
    frames_dropped: int = 0
    contested: int = 0
    uncertain: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    by_one: int = 0
    detectors: Detectors = field(default_factory=Detectors)

    def take(self, n: int, body: Crossings, *, follows: bool) -> None:
        """The next window; `follows` says that nothing is missing since the one before."""
        outs = sum(c.direction is Direction.OUT for c in body.crossings)
        ins = len(body.crossings) - outs
        self.came_in += ins
        self.went_out += outs
        self.signed = (body.total_in, body.total_out)
        if follows and self.totals is not None:
            due_in, due_out = self.totals[0] + ins, self.totals[1] + outs
            if self.signed != (due_in, due_out):
                self._mismatch(n, body, due_in, due_out)
        elif ins > body.total_in or outs > body.total_out:
            self._mismatch(n, body, ins, outs)
        self.totals = self.signed
        for i, (at_ms, sight) in enumerate(body.sight):
            end_ms = body.sight[i + 1][0] if i + 1 < len(body.sight) else body.to_ms
            self.sight_ms[sight] += end_ms - at_ms
        self.frames_seen += body.frames_seen
        self.frames_dropped += body.frames_dropped
        self.detectors.take(body.detector, body.detector_sha256)
        for crossing in body.crossings:
            self._look_at(body, crossing)

    def result(self) -> Counted:
        """What has been added up so far."""
        return Counted(
            came_in=self.came_in,
            went_out=self.went_out,
            mismatches=self.mismatches,
            named=tuple(self.named),
            total_in=self.signed[0],
            total_out=self.signed[1],
            clear_ms=self.sight_ms[Sight.CLEAR],
            blind_ms=self.sight_ms[Sight.BLIND],
            frames_seen=self.frames_seen,
            frames_dropped=self.frames_dropped,
            contested=self.contested,
            uncertain=self.uncertain,
            labels=dict(self.labels.most_common()),
            sources=dict(self.sources.most_common()),
            by_one=self.by_one,
            detectors=self.detectors.result(),
        )

    def _look_at(self, body: Crossings, crossing: Crossing) -> None:
        self.contested += is_contested(crossing.confidence_permille, crossing.uncertain)
        self.uncertain += crossing.uncertain
        _count(self.labels, crossing.label)
        seeing = seen_by(body, crossing)
        self.by_one += len(seeing) == 1 and bool(body.other_sources)
        for name in seeing:
            _count(self.sources, name)

    def _mismatch(self, n: int, body: Crossings, due_in: int, due_out: int) -> None:
        self.mismatches += 1
        if len(self.named) < NAMED_LIMIT:
            self.named.append((n, due_in, body.total_in, due_out, body.total_out))


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < LABELS_LIMIT else "others"] += 1
