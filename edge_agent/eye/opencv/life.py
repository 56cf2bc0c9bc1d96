"""Whether a film lives: a frozen one has no noise, a looped one repeats even its noise.

A camera's sensor makes noise in every picture; a codec removes some of it, never the same everywhere. So in a living
film hardly a block of the picture stays the same to a hundredth of a grey from one look to the next four; in one that
stands, all do, but where an overlay still runs. Of a camera in whose pictures little lives when all is well (a drawing,
a codec that smooths everything) nothing is said before it has stood for much longer than ever before.

A loop is found where something moves: the same motion was there before, at the same distance in time, look after look,
to the last pixel or to what a codec changes; and where nothing moves the noise is that of the same moment too, and not
that of the moments beside it. That last is what a machine with a strict beat does not do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_agent.eye.opencv.scene import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.eye.counting import Picture

    Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillness:
    """When a film stands; one set for all cameras."""

    against: int = 4
    """Each look is compared with so many before it: a codec's groups of pictures come back."""
    alive: float = 0.02
    """Grey: a block whose mean difference is larger lives."""
    quiet: float = 0.05
    """If no larger share of the blocks lives, the film stands; an overlay is smaller."""
    lively: float = 0.3
    """In a camera's pictures so much lives on the mean, or it is one in which little does."""
    learning: int = 4
    patience: int = 4
    """A film has stood when it stood this many times longer than it ever did and lived on."""
    little_ms: int = 6_000
    """Where little lives, it must have stood at least so long."""
    longest_ms: int = 30_000
    """A living camera does not stand for so long."""


class Stands:
    """Since when nothing lives."""

    def __init__(self, how: Stillness | None = None) -> None:
        self._how = how or Stillness()
        self._before: deque[Picture] = deque(maxlen=self._how.against)
        self._lively, self._looks = 0.0, 0
        self._since_ms: int | None = None
        self._lived_through_ms = 0

    def look(self, green: Picture, at_ms: int, *, base_ms: int) -> int:
        """For how long it stands, in ms of a camera in which much lives (`base_ms` is when that one is frozen)."""
        how = self._how
        alive = 1.0
        for old in reversed(self._before):
            if alive > how.quiet:
                alive = min(alive, self._alive(green, old))
        self._before.append(green)
        if alive > how.quiet:
            if self._since_ms is not None:
                self._lived_through_ms = max(self._lived_through_ms, at_ms - self._since_ms)
            self._since_ms = None
            self._looks += 1
            self._lively += max(1 / self._looks, 0.01) * (alive - self._lively)
            return 0
        self._since_ms = at_ms if self._since_ms is None else self._since_ms
        stood_ms = at_ms - self._since_ms
        least_ms = base_ms if self._lively >= how.lively else how.little_ms
        wanted_ms = min(how.longest_ms, max(least_ms, how.patience * self._lived_through_ms))
        if self._looks < how.learning:
            wanted_ms = how.longest_ms
        return stood_ms * base_ms // wanted_ms

    def _alive(self, green: Picture, old: Picture) -> float:
        difference = cv2.absdiff(green, old)
        return float(np.mean(blocks(np.asarray(difference, np.float32)) > self._how.alive))


MISSED_LIMIT: Final = 2
"""So many looks may disagree before a repetition has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeating:
    """When a film repeats itself; one set for all cameras."""

    kept: int = 6_000
    """Prints: 5 to 8 minutes, 16 MB."""
    rows: int = 36
    columns: int = 64
    between_ms: int = 29
    """Two prints are at least so far apart."""
    soonest_ms: int = 1_000
    """A loop is at least so long."""
    before_ms: int = 250
    """Motion is what differs from the picture so long ago."""
    moved: int = 10
    """Grey: a pixel that differs by more has moved."""
    least: int = 30
    """So many pixels of a print must move."""
    candidates: int = 6
    same: float = 0.13
    """Where something moves, the earlier picture differs by no more than this share of what the motion changed."""
    noise: float = 0.92
    """Where nothing moves, it differs by less than this share of what its neighbours in time do."""
    beside_ms: int = 150
    """Those are so far away in time."""
    drift_ms: int = 50
    """So far the distance in time may wander."""


class Repeats:
    """For how long the pictures have repeated earlier ones. Bounded: `Repeating.kept` prints."""

    def __init__(self, how: Repeating | None = None) -> None:
        self._how = how or Repeating()
        pixels = self._how.rows * self._how.columns
        self._prints = np.empty((self._how.kept, pixels), np.uint8)
        self._keys = np.empty((self._how.kept, 96), np.float32)
        self._times = np.full(self._how.kept, -1, np.int64)
        self._next = 0
        self._pick: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None
        self._lag_ms: float | None = None
        self._since_ms = self._last_ms = 0
        self._known: dict[int, int] = {}
        self._same_ms: int | None = None
        """When the newest print was seen before."""
        self._missed = 0
        self._ratio: float | None = None
        self._agreed: deque[float] = deque(maxlen=8)

    def keep(self, picture: Picture, at_ms: int) -> None:
        """Take every picture."""
        if self._next and at_ms - self._times[(self._next - 1) % self._how.kept] < self._how.between_ms:
            return
        if self._pick is None:
            height, width = picture.shape[:2]
            rows = ((np.arange(self._how.rows) + 0.5) * height / self._how.rows).astype(np.intp)
            columns = ((np.arange(self._how.columns) + 0.5) * width / self._how.columns).astype(np.intp)
            self._pick = (rows[:, None], columns[None, :])
        at = self._next % self._how.kept
        if self._next >= self._how.kept:
            self._known.pop(hash(self._prints[at].tobytes()), None)
        taken = picture[self._pick[0], self._pick[1], 1]
        self._prints[at] = taken.ravel()
        self._keys[at] = taken.reshape(6, self._how.rows // 6, 16, self._how.columns // 16).mean((1, 3)).ravel()
        self._times[at] = at_ms
        self._same_ms = self._known.get(hash(taken.tobytes()))
        self._known.setdefault(hash(taken.tobytes()), at_ms)
        self._next += 1

    def look(self) -> int:
        """For how many ms the film has repeated itself; the newest print is judged."""
        how, count = self._how, min(self._next, self._how.kept)
        if count <= 1:
            return 0
        newest = (self._next - 1) % how.kept
        times, now_ms = self._times[:count], int(self._times[newest])
        now = self._prints[newest].astype(np.int16)
        recent = self._nearest(times, now_ms - how.before_ms)
        change = np.abs(now - self._prints[recent])
        moves = change > how.moved
        if np.count_nonzero(moves) >= how.least:
            return self._follow(self._match(now, newest, moves, float(change[moves].mean())), now_ms)
        if (exact := self._exact(now, now_ms, moves, times)) is not None:
            return self._follow(exact, now_ms)
        if self._lag_ms is not None:  # nothing moves: the noise alone says whether it goes on
            self._note(self._noise(now, self._nearest(times, now_ms - self._lag_ms), ~moves, times))
        return self._repeated_ms()

    def _match(self, now: NDArray[np.int16], newest: int, moves: NDArray[np.bool_], motion: float) -> float | None:
        """How long ago the same picture was, to the noise; None if it never was."""
        how, count = self._how, min(self._next, self._how.kept)
        times, now_ms = self._times[:count], int(self._times[newest])
        old = np.nonzero(times <= now_ms - how.soonest_ms)[0]
        if not len(old):
            return None
        weight = moves.reshape(6, how.rows // 6, 16, how.columns // 16).mean((1, 3)).ravel().astype(np.float32)
        distance = ((self._keys[old] - self._keys[newest]) ** 2) @ weight
        best = old[np.argsort(distance)[: how.candidates]]
        apart = np.abs(self._prints[best] - now)[:, moves].mean(1)
        there = int(np.argmin(apart))
        if self._lag_ms is not None:  # a loop played three times is there twice: what was found goes on
            again = self._nearest(times, now_ms - self._lag_ms)
            differs = np.abs(self._prints[again] - now)[moves].mean()
            if differs <= how.same * motion and abs(now_ms - times[again] - self._lag_ms) <= how.drift_ms:
                best, apart, there = np.array([again]), np.array([differs]), 0
        if apart[there] > how.same * motion:
            return None
        self._ratio = self._noise(now, int(best[there]), ~moves, times)
        return float(now_ms - times[best[there]])

    def _exact(
        self, now: NDArray[np.int16], now_ms: int, moves: NDArray[np.bool_], times: NDArray[np.int64]
    ) -> float | None:
        """How long ago the very same print was, noise and all; None if never, or if there is no noise."""
        if self._same_ms is None or now_ms - self._same_ms < self._how.soonest_ms:
            return None
        self._ratio = self._noise(now, self._nearest(times, self._same_ms), ~moves, times)
        return float(now_ms - self._same_ms) if self._ratio == 0 else None

    def _noise(
        self, now: NDArray[np.int16], at: int, still: NDArray[np.bool_], times: NDArray[np.int64]
    ) -> float | None:
        """How much nearer the still pixels are to that picture than to those beside it; None without any noise."""
        if np.count_nonzero(still) < self._how.least:
            return 0.0  # everything moves, and as it did then
        beside = [self._nearest(times, times[at] + way * self._how.beside_ms) for way in (-1, 1)]
        for one in beside:  # where something moved just then, its neighbours differ by more than noise
            still = still & (np.abs(self._prints[at].astype(np.int16) - self._prints[one]) <= self._how.moved)
        if not still.any():
            return None
        here = float(np.abs(now - self._prints[at])[still].mean())
        there = min(float(np.abs(now - self._prints[one])[still].mean()) for one in beside)
        return None if there == 0 else here / there

    def _nearest(self, times: NDArray[np.int64], wanted_ms: float) -> int:
        return int(np.argmin(np.abs(times - wanted_ms)))

    def _follow(self, lag_ms: float | None, now_ms: int) -> int:
        """Count looks that agree on how long ago it was; three that do not end it."""
        if lag_ms is not None and self._lag_ms is not None and abs(lag_ms - self._lag_ms) <= self._how.drift_ms:
            self._missed = 0
            self._note(self._ratio)
            self._last_ms = now_ms
        elif lag_ms is not None and (self._lag_ms is None or self._missed >= 1):
            self._lag_ms, self._since_ms, self._last_ms, self._missed = lag_ms, now_ms, now_ms, 0
            self._agreed.clear()
            self._note(self._ratio)
        else:
            self._missed += 1
            if self._missed > MISSED_LIMIT:
                self._lag_ms = None
        return self._repeated_ms()

    def _note(self, ratio: float | None) -> None:
        """Keep how well the noise agreed; a mean that no longer does ends it."""
        if ratio is None:
            return
        self._agreed.append(ratio)
        if len(self._agreed) == self._agreed.maxlen and sum(self._agreed) > self._how.noise * len(self._agreed):
            self._lag_ms = None

    def _repeated_ms(self) -> int:
        """From the first look that agreed to the last in which something moved."""
        if self._lag_ms is None or not self._agreed or sum(self._agreed) > self._how.noise * len(self._agreed):
            return 0
        return self._last_ms - self._since_ms
