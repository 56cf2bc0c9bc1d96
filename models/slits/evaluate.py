"""How well slit-scans are read: crossings of a fixed set of simulated scenes, found and missed, by kind of scene."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from slits.lessons import is_crowd
from slits.simulate import SCENES, simulate

from edge_agent.eye.slit_passes import passes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slits.simulate import SlitSample
    from slits.textures import Bytes, Floats, Textures

    from edge_agent.eye.slit_passes import Pass

FIRST_SEED = 800_000_000
"""Scans that no training saw."""

EACH = 30
"""Scans of each kind of scene."""

NEAR_COLUMNS, NEAR_SAMPLES = (6.0, 0.6), (6.0, 0.7)
"""A pass is the true one within so many columns and samples, or this share of its extents if that is more."""

EVEN = 0.5
CROWDS = "crowds"


class SlitMaps(Protocol):
    """`edge_agent.eye.litert.Model`, or weights in float."""

    def maps(self, picture: Bytes) -> tuple[Floats, Floats]:
        """Logits and sizes of samples x columns x 13."""


@dataclass(slots=True)
class Score:
    """Crossings that were to be found and were told, and those that are both, in place and way."""

    scans: int = 0
    true: int = 0
    told: int = 0
    right: int = 0
    persons: int = 0
    """Of those right: people, ..."""
    persons_told: int = 0
    """... who are told as such, ..."""
    goods_told: int = 0
    """... and goods that are told as goods."""

    def add(self, truth: Sequence[Pass], told: Sequence[Pass]) -> None:
        """One scan; each true pass takes the nearest told one, once."""
        left = list(told)
        for wanted in truth:
            near = [(distance, index) for index, one in enumerate(left) if (distance := apart(wanted, one)) < 1]
            if near:
                taken = left.pop(min(near)[1])
                self.right += 1
                self.persons += wanted.person > EVEN
                self.persons_told += min(wanted.person, taken.person) > EVEN
                self.goods_told += max(wanted.person, taken.person) <= EVEN
        self.scans, self.true, self.told = self.scans + 1, self.true + len(truth), self.told + len(told)

    @property
    def precision(self) -> float:
        """Of what was told, the share that is true; 1 where nothing was told."""
        return self.right / self.told if self.told else 1.0

    @property
    def recall(self) -> float:
        """Of what is true, the share that was told; 1 where nothing is."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Of precision and recall; 1 where nothing is true and nothing was told."""
        return 2 * self.right / (self.true + self.told) if self.true + self.told else 1.0


def apart(wanted: Pass, one: Pass) -> float:
    """Below 1 the second is the first; infinite where it goes the other way."""
    if (wanted.inward > EVEN) != (one.inward > EVEN):
        return float("inf")
    columns = max(NEAR_COLUMNS[0], NEAR_COLUMNS[1] * wanted.columns)
    samples = max(NEAR_SAMPLES[0], NEAR_SAMPLES[1] * wanted.samples)
    return max(abs(wanted.column - one.column) / columns, abs(wanted.along - one.along) / samples)


def scores(model: SlitMaps, samples: Iterable[SlitSample], *, least: float) -> dict[str, Score]:
    """By kind of scene; crowds of specks, which no training asks for, stand apart."""
    found: dict[str, Score] = defaultdict(Score)
    for sample in samples:
        logits, sizes = model.maps(sample.scan())
        name = CROWDS if is_crowd(sample.passes) else sample.scene
        found[name].add(sample.passes, passes(logits, sizes, least=least))
    return dict(found)


def validation(real: Textures | None, *, each: int = EACH) -> Iterable[SlitSample]:
    """So many of each kind, always the same."""
    for kind, scene in enumerate(SCENES):
        for number in range(each):
            yield simulate(FIRST_SEED + kind * 1_000 + number, real, scene=scene)


def table(found: dict[str, Score], *, least: float) -> Score:
    """Print it; return all scenes together, without crowds."""
    together = Score()
    print(f"{'scene':12} {'scans':>5} {'true':>5} {'told':>5} {'prec.':>6} {'recall':>6} {'F1':>6}   at score {least}")
    for scene, one in found.items():
        _row(scene, one)
        for name in Score.__slots__ if scene != CROWDS else ():
            setattr(together, name, getattr(together, name) + getattr(one, name))
    _row("together", together)
    goods = together.right - together.persons
    print(f"of those right: {together.persons_told} of {together.persons} people are told as people, ", end="")
    print(f"{together.goods_told} of {goods} goods as goods")
    return together


def _row(name: str, one: Score) -> None:
    print(f"{name:12} {one.scans:5} {one.true:5} {one.told:5} {one.precision:6.3f} {one.recall:6.3f} {one.f1:6.3f}")
