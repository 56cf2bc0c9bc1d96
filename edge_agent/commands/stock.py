"""`edge-agent stock`: what stands in a picture, for trying a camera's place and zone before it is installed."""

import argparse
import json
import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_agent.eye.items import GOODS, Counted, Finder, count_boxes
from edge_agent.eye.stock import agreed
from edge_agent.eye.track import Box
from edge_agent.eye.zone import Zone
from evidence.exits import Exit

if TYPE_CHECKING:
    from edge_agent.eye.counting import Picture

APART_MS: Final = 1_000
PICTURES_LIMIT: Final = 15
"""So many pictures of a film are counted, this far apart."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `stock` to the command line."""
    parser = subparsers.add_parser(
        "stock",
        help="count what stands in a picture",
        description="Count the visible front items in a zone of a picture, or of a film (the median over its first "
        f"{PICTURES_LIMIT} seconds), and say how many of them may be wrong.",
    )
    parser.add_argument("picture", type=Path, metavar="IMAGE", help="a picture, or a video file")
    parser.add_argument(
        "--zone", type=numbers, metavar="X0,Y0,X1,Y1,X2,Y2,…", help="corners in pixels; default: the whole picture"
    )
    parser.add_argument(
        "--exemplar", type=numbers, metavar="X0,Y0,X1,Y1", help="a box around one typical item; default: found"
    )
    parser.add_argument(
        "--items", choices=("goods", *GOODS), default="goods", help="what to count; default: %(default)s, all of them"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between, as argparse takes them."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers with commas between") from None


def run(args: argparse.Namespace) -> Exit:
    """Count and print."""
    logging.getLogger("edge_agent.eye").setLevel(logging.WARNING)  # which model was loaded is told in the answer
    from edge_agent.eye.counting import Lost
    from edge_agent.eye.litert import ModelError, stock_finder
    from edge_agent.eye.opencv.stills import pictures_of

    try:
        zone = None if args.zone is None else Zone.of(args.zone)
        side = None if args.exemplar is None else exemplar_side(args.exemplar)
    except ValueError as wrong:
        return _refuse(str(wrong), Exit.USAGE)
    pictures = pictures_of(args.picture, apart_ms=APART_MS, at_most=PICTURES_LIMIT)
    if isinstance(pictures, Lost):
        return _refuse(pictures.why, Exit.USAGE)
    try:
        finder = stock_finder()
    except ModelError as wrong:
        return _refuse(str(wrong), Exit.HARDWARE)
    kinds = GOODS if args.items == "goods" else (args.items,)
    looked = [look_at(finder, picture, zone, side=side, kinds=kinds) for picture in pictures]
    best = agreed([one for one in looked if not one.blockers])
    verdict = "counted" if best else "occluded" if any(one.blockers for one in looked) else "disagreed"
    best = best or sorted(looked, key=lambda one: one.count)[len(looked) // 2]
    told = as_value(best) | {
        "verdict": verdict,
        "pictures": len(pictures),
        "detector": finder.name,
        "detector_sha256": finder.sha256.hex(),
    }
    sys.stdout.write(json.dumps(told) + "\n" if args.json else _as_text(told))
    return Exit.OK


def exemplar_side(exemplar: tuple[float, ...]) -> float:
    """The side of a typical item: the root of its area, pixels. ValueError where the box is none."""
    if len(exemplar) != 4:  # noqa: PLR2004  two corners
        raise ValueError(f"an exemplar is a box x0,y0,x1,y1; these are {len(exemplar)} numbers")
    x0, y0, x1, y1 = exemplar
    return math.sqrt(Box(x0=min(x0, x1), y0=min(y0, y1), x1=max(x0, x1), y1=max(y0, y1)).area)


def look_at(
    finder: Finder, picture: "Picture", zone: Zone | None, *, side: float | None, kinds: tuple[str, ...] = GOODS
) -> Counted:
    """What stands in the zone of one picture; None: in all of it."""
    height, width = picture.shape[:2]
    around = None if zone is None else zone.surroundings(width, height)
    boxes = finder.find(picture, zone=around, side=side)
    return count_boxes(boxes, zone or Zone.whole(width, height), kinds=kinds)


def as_value(counted: Counted) -> dict[str, Any]:
    """For programs."""
    boxes = [[*(round(v, 1) for v in (b.x0, b.y0, b.x1, b.y1)), round(b.score, 3), b.kind] for b in counted.items]
    return {"count": counted.count, "uncertain": counted.uncertain, "boxes": boxes}


def _as_text(told: dict[str, Any]) -> str:
    kinds = sorted({box[5] for box in told["boxes"]})
    by_kind = ", ".join(f"{kind} {sum(box[5] == kind for box in told['boxes'])}" for kind in kinds)
    rows = [f"{told['count']} visible front items, give or take {told['uncertain']}", f"  {by_kind}" if by_kind else ""]
    rows += [f"  {told['verdict']}, {told['pictures']} picture(s), {told['detector']}"]
    return "\n".join(row for row in rows if row) + "\n"


def _refuse(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent stock: {why}\n")
    return code
