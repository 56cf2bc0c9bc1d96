"""How good a detector is: tables of figures, each printed with what it was measured on.

    models/evaluate.py stock --stills ../shared/stills                 the exported model, as the box runs it
    models/evaluate.py stock --stills ../shared/stills --weights RUN/best.pt      weights, in float
    models/evaluate.py stock --rendered FOLDER                          AP50 of each class on rendered pictures

`--held-out GROUP` marks groups that the training did not see: their figures are the honest ones. Labels of the stills
are incomplete, so a find that no label confirms may be right; zones were counted by eye.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import data
import numpy as np

from edge_agent.eye.finding import StockFinder, inside
from edge_agent.eye.litert import Model, ModelError, listed
from edge_agent.eye.peaks import overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.eye.finding import Finds
    from edge_agent.eye.track import Box

SAME = 0.5
"""Intersection over union at which a find is the labelled item."""

LEAST = 0.05
"""Finds are gathered down to this score for AP."""


@dataclass(slots=True)
class Tally:
    """Scores of finds, whether each is right, and how many there were to find."""

    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    wanted: int = 0

    def add(self, other: Tally) -> None:
        """Take another's in."""
        self.scores += other.scores
        self.right += other.right
        self.wanted += other.wanted

    def average_precision(self) -> float:
        """Area under the curve of precision over recall, each precision the best at that recall or more."""
        if not self.wanted or not self.scores:
            return 0.0
        right = np.array(self.right, dtype=float)[np.argsort(-np.array(self.scores), kind="stable")]
        hits = np.cumsum(right)
        precision = hits / np.arange(1, len(right) + 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        return float((best * right).sum() / self.wanted)

    def at(self, least: float) -> tuple[float, float]:
        """Precision and recall of the finds of at least this score."""
        hits = [good for score, good in zip(self.scores, self.right, strict=True) if score >= least]
        return sum(hits) / max(1, len(hits)), sum(hits) / max(1, self.wanted)


def compared(found: Sequence[Box], truth: data.Floats) -> Tally:
    """Each find, best first, takes the labelled item it overlaps most, once."""
    free = np.ones(len(truth), dtype=bool)
    tally = Tally(wanted=len(truth))
    for box in sorted(found, key=lambda one: -one.score):
        share = overlaps(np.array([box.x0, box.y0, box.x1, box.y1]), truth) * free if len(truth) else np.zeros(0)
        index = int(share.argmax()) if len(share) else -1
        good = index >= 0 and float(share[index]) > SAME
        if good:
            free[index] = False
        tally.scores.append(box.score)
        tally.right.append(good)
    return tally


def stills(
    model: Finds, folder: Path, *, least: float, held_out: Sequence[str], side: bool = False, every: int = 1
) -> dict[str, float]:
    """Print AP50 a group and the zones; return the figures by name."""
    listed_stills = json.loads((folder / "stills.json").read_text(encoding="utf-8"))["images"][::every]
    groups: dict[str, Tally] = defaultdict(Tally)
    spent, zones = [], []
    finder = StockFinder(model, least=LEAST)
    for one in listed_stills:
        picture = np.asarray(cv2.imread(str(folder / one["image"])), dtype=np.uint8)
        truth = np.array([box["xyxy"] for box in one["boxes"]], dtype=np.float32).reshape(-1, 4)
        exemplar = _median_side(truth) if side else None
        began = time.perf_counter()
        found = [box for box in finder.find(picture, side=exemplar) if box.kind == "carton"]
        spent.append(time.perf_counter() - began)
        groups[one["group"]].add(compared(found, truth))
        for zone in one.get("zones", []):
            polygon = [(float(x), float(y)) for x, y in zone["polygon"]]
            within = np.array([inside(((b[0] + b[2]) / 2, (b[1] + b[3]) / 2), polygon) for b in truth], dtype=bool)
            exemplar = _median_side(truth[within])
            counts = [
                sum(box.kind == "carton" for box in StockFinder(model, least=least).find(picture, zone=polygon, side=s))
                for s in (None, exemplar)
            ]
            zones.append((one["group"], one["image"], zone["count"], *counts))
    print(f"stills: {len(listed_stills)} pictures of {folder}, {statistics.median(spent) * 1000:.0f} ms a picture")
    print(f"{'group':12} {'items':>6} {'AP50':>6} {'prec.':>6} {'recall':>6}   at score {least}")
    figures, everything, honest = {}, Tally(), Tally()
    for group in sorted(groups, key=lambda one: -groups[one].wanted):
        _row(group + (" *" if group in held_out else ""), groups[group], least)
        everything.add(groups[group])
        if group in held_out:
            honest.add(groups[group])
    _row("all", everything, least)
    figures["ap50"] = everything.average_precision()
    if honest.wanted:
        _row("held out *", honest, least)
        figures["ap50_held_out"] = honest.average_precision()
    print(f"{'zone of':40} {'truth':>5} {'found':>5} {'with exemplar':>13}")
    for group, name, truth_count, alone, told in zones:
        print(f"{Path(name).stem[:38] + (' *' if group in held_out else ''):40} {truth_count:5} {alone:5} {told:13}")
    for column, name in ((3, "alone"), (4, "exemplar")):
        for label, rows in (("all", zones), ("held out", [one for one in zones if one[0] in held_out])):
            if rows:
                exact = sum(int(one[column]) == int(one[2]) for one in rows)
                wrong = sum(abs(int(one[column]) - int(one[2])) for one in rows) / sum(int(one[2]) for one in rows)
                print(f"zones, {label}, scale {name}: {exact} of {len(rows)} exact, {wrong:.1%} items wrong")
                figures[f"zones_{label}_{name}"] = exact / len(rows)
    return figures


def rendered(model: Finds, examples: Sequence[data.Example], *, least: float) -> dict[str, float]:
    """Print AP50 of each class on pictures whose every item is known; return them by class."""
    finder = StockFinder(model, least=LEAST)
    tallies: dict[str, Tally] = defaultdict(Tally)
    for example in examples:
        sure = ~example.unsure
        found = finder.find(example.picture, side=_median_side(example.boxes[sure]))
        for number, kind in enumerate(model.classes):
            truth = example.boxes[sure & (example.kinds == number)]
            free = example.boxes[~sure]
            told = [box for box in found if box.kind == kind and not _excused(box, free)]
            tallies[kind].add(compared(told, truth))
    print(f"rendered: {len(examples)} pictures")
    for kind, tally in tallies.items():
        _row(kind, tally, least)
    return {kind: tally.average_precision() for kind, tally in tallies.items()}


def _excused(box: Box, unsure: data.Floats) -> bool:
    """Whether an item too hidden to be asked for lies there."""
    return bool(len(unsure) and overlaps(np.array([box.x0, box.y0, box.x1, box.y1]), unsure).max() > 0.3)  # noqa: PLR2004


def _median_side(boxes: data.Floats) -> float | None:
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return float(np.median(np.sqrt(areas))) if len(areas) else None


def _row(name: str, tally: Tally, least: float) -> None:
    precision, recall = tally.at(least)
    print(f"{name:12} {tally.wanted:6} {tally.average_precision():6.3f} {precision:6.3f} {recall:6.3f}")


def _model(args: argparse.Namespace) -> tuple[Finds, float]:
    entry = None
    try:
        entry = listed(args.size, args.models)
    except ModelError:
        if not args.weights:
            raise
    if not args.weights:
        if entry is None:
            raise ModelError("no model")
        return Model(entry), entry.least_score
    import floating

    return floating.FloatModel(args.size, args.weights), args.least or 0.35


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 for a mistake in the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=("gate", "stock", "tiny"))
    parser.add_argument("--models", type=Path, help="folder with manifest.json (default: as the box finds it)")
    parser.add_argument("--weights", type=Path, help="evaluate these weights in float, not the exported model")
    parser.add_argument("--stills", type=Path, help="folder with stills.json")
    parser.add_argument("--exemplar", action="store_true", help="tell each still the median side of its labels")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at every Nth still only")
    parser.add_argument("--rendered", type=Path, help="folder of rendered pictures")
    parser.add_argument("--most", type=int, default=200, help="rendered pictures looked at (default 200)")
    parser.add_argument("--held-out", action="append", default=[], metavar="GROUP")
    parser.add_argument("--least", type=float, help="score of a find that counts (default: the manifest's)")
    args = parser.parse_args(arguments)
    try:
        model, least = _model(args)
        least = args.least or least
        print(f"{model.name}, {model.sha256.hex()[:16]}")
        if args.stills:
            stills(model, args.stills, least=least, held_out=args.held_out, side=args.exemplar, every=args.every)
        if args.rendered:
            rendered(model, data.read_rendered(args.rendered)[-args.most :], least=least)
    except (OSError, KeyError, ValueError, RuntimeError, ModelError) as error:
        parser.error(f"{error}. See --help for what each argument must be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
