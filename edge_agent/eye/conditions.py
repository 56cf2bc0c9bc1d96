"""What state a camera is in: it sees the scene, or why it does not.

Pure: the same looks at the same times give the same states. The rule:

1. A state must show for as long as `Rule` says before it is told; so must `clear` before it is told again.
2. Of several, the one that explains the others is told: what is dark cannot be judged further, a film that stands or
   repeats says nothing of the scene it shows, a camera that was moved sees other edges, a blurred one fewer.
3. The scene is *gone* where its edges are not found. Gone nearly everywhere: `covered`, or `moved` if what is seen now
   is as sharp as the scene was. Gone in most places and smooth there: `covered`. A good part gone for long: `occluded`.
4. `frozen` and `looped` are told by what lives: a camera's noise, and motion that never was the same.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Condition(StrEnum):
    """A camera's state, by the word that is told."""

    CLEAR = "clear"
    COVERED = "covered"
    MOVED = "moved"
    DEFOCUSED = "defocused"
    DARK = "dark"
    FROZEN = "frozen"
    LOOPED = "looped"
    OCCLUDED = "occluded"


BLINDING: Final = frozenset(Condition) - {Condition.CLEAR, Condition.OCCLUDED}
"""In these nothing can be counted."""

LOOKS_KEPT: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a picture measures; shares are 0 to 1."""

    at_ms: int
    """Steady."""
    brightest: float
    """Grey, 0 to 255: of the brightest hundredth."""
    contrast: float
    """Grey: the standard deviation of the picture."""
    known: bool = False
    """The scene is known, and has enough edges to be missed; without, nothing below is judged."""
    gone: float = 0.0
    """Share of the scene's telling blocks that are not found."""
    smooth: float = 0.0
    """Share of the gone blocks with nothing sharp in them now."""
    detail: float = 1.0
    """How sharp the blocks are against the scene's, the light's strength taken out; 1 as ever."""
    alike: float = 1.0
    """Correlation of the coarse picture with the scene's: blurring leaves it."""
    depth: float = 1.0
    """Contrast for its brightness, against the scene's: what scatters light before the lens takes it away."""
    sharp: float = 1.0
    """Fine detail of the whole picture against the scene's."""
    light: float = 1.0
    """How bright the picture is against the scene."""
    displaced: float | None = None
    """How far the scene lies beside its place, in shares of the longer side; None when not found or not sought."""
    sways: bool = False
    """The camera is held by hand or hangs loose: its scene is beside its place all the time."""
    still_ms: int = 0
    """Since when nothing lives in the picture, and the camera is one in which something always does."""
    looped_ms: int = 0
    """For how long the pictures have repeated earlier ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a look shows which state, and for how long it must; one set for all cameras."""

    dark_level: float = 24.0
    """The brightest hundredth of a dark picture is darker."""
    blank_contrast: float = 4.0
    """A picture of nothing has less."""
    gone: float = 0.75
    """With this share of it gone, so is the scene."""
    mostly: float = 0.5
    """With this share gone, and nothing sharp there, the lens is covered."""
    smooth: float = 0.6
    """Of the gone blocks, so many must be smooth for that."""
    veiled: float = 0.4
    """With less of the scene's depth the lens is covered, by what lets a little through."""
    occluded: float = 0.4
    """With this share gone for `occluded_ms`, something stands before the scene."""
    blurred: float = 0.55
    """Less detail is out of focus."""
    softened: float = 0.7
    """Less detail is not learned as the scene's."""
    alike: float = 0.8
    """What is only blurred is still so alike, coarsely."""
    sharp: float = 0.55
    """Another scene has so much of the old one's detail; a cover before the lens has less."""
    blurred_much: float = 0.3
    """Likewise, where something large is before the scene."""
    soft: float = 0.65
    """Likewise, by `sharp`, where the scene lies beside its place and its detail cannot be compared."""
    beside: float = 0.006
    """Farther than this it does."""
    displaced: float = 0.018
    """Farther than this the scene is not in its place."""
    partly: float = 0.2
    """With more of it gone, while the rest is in its place, something slides before the lens."""
    slid_ms: int = 1_000
    after_ms: int = 600
    cover_ms: int = 800
    mostly_ms: int = 1_200
    moved_ms: int = 1_000
    blurred_ms: int = 1_000
    occluded_ms: int = 5_000
    still_ms: int = 1_300
    looped_ms: int = 1_000

    def dwell_ms(self, condition: Condition, look: Look) -> int:
        """How long it must show before it is told; `frozen` and `looped` were measured over time already."""
        match condition:
            case Condition.COVERED:
                return self.cover_ms if look.gone > self.gone or not look.known else self.mostly_ms
            case Condition.MOVED:
                return self.moved_ms
            case Condition.DEFOCUSED:
                return self.blurred_ms
            case Condition.OCCLUDED:
                return self.occluded_ms
            case Condition.FROZEN | Condition.LOOPED:
                return 0
            case _:
                return self.after_ms


def shows(look: Look, rule: Rule, *, slid: bool = False) -> Condition:
    """What this one look shows; `slid`: the scene went in parts, and what was left of it stood in its place."""
    if look.brightest < rule.dark_level:
        return Condition.DARK
    if look.still_ms >= rule.still_ms:
        return Condition.FROZEN
    if look.looped_ms >= rule.looped_ms:
        return Condition.LOOPED
    if look.contrast < rule.blank_contrast:
        return Condition.COVERED
    return _of_the_scene(look, rule, slid=slid) if look.known else Condition.CLEAR


def _of_the_scene(look: Look, rule: Rule, *, slid: bool) -> Condition:
    if look.displaced is not None and look.displaced > rule.displaced and not look.sways:
        return Condition.MOVED
    beside = look.sways or (look.displaced is not None and look.displaced > rule.beside)
    if look.depth < rule.veiled:
        return Condition.COVERED
    if look.gone < rule.occluded or look.alike > rule.alike:
        limit = rule.blurred if look.alike > rule.alike else rule.blurred_much
        if look.sharp / min(1.0, max(0.3, look.light)) < rule.soft if beside else look.detail < limit:
            return Condition.DEFOCUSED
    if look.gone > rule.gone:
        return Condition.MOVED if look.sharp > rule.sharp and not slid else Condition.COVERED
    if look.gone > rule.mostly and look.smooth > rule.smooth:
        return Condition.COVERED
    return Condition.OCCLUDED if look.gone > rule.occluded else Condition.CLEAR


class Conditions:
    """Follows one camera's looks, in order of time, and tells the state that lasts."""

    def __init__(self, rule: Rule | None = None) -> None:
        self._rule = rule or Rule()
        self._shown: deque[tuple[int, Condition]] = deque(maxlen=LOOKS_KEPT)
        self._since_ms: int | None = None
        """Since when the same is shown."""
        self._blind_ms: int | None = None
        """Since when something blinding is shown, though perhaps not the same."""
        self._slid_ms: int | None = None
        """When the scene last was gone in parts, and in its place elsewhere."""
        self.state = Condition.CLEAR

    def judge(self, look: Look) -> Condition:
        """The state after this look. The first look is believed at once: a camera dark from the start never saw."""
        slid = self._slid_ms is not None and look.at_ms - self._slid_ms <= self._rule.slid_ms
        shown = shows(look, self._rule, slid=slid)
        if self._slides(look) or (slid and look.gone > self._rule.gone):
            self._slid_ms = look.at_ms
        first = not self._shown
        if first or shown is not self._shown[-1][1]:
            self._since_ms = look.at_ms
        if shown not in BLINDING:
            self._blind_ms = None
        elif self._blind_ms is None:
            self._blind_ms = look.at_ms
        self._shown.append((look.at_ms, shown))
        if first or look.at_ms - (self._since_ms or 0) >= self._rule.dwell_ms(shown, look):
            self.state = shown
        elif (
            self.state not in BLINDING
            and self._blind_ms is not None
            and (look.at_ms - self._blind_ms >= self._rule.mostly_ms)
        ):
            self.state = self._commonest(self._blind_ms)
        return self.state

    def _slides(self, look: Look) -> bool:
        in_place = look.displaced is not None and look.displaced < self._rule.beside
        return in_place and self._rule.partly < look.gone <= self._rule.gone

    def _commonest(self, from_ms: int) -> Condition:
        counted = Counter(shown for at_ms, shown in self._shown if at_ms >= from_ms)
        return counted.most_common(1)[0][0]
