"""Counts zones and whole pictures of ../shared/stills, and says how far off they are.

    .venv/bin/python bench/stock.py [--stills ../shared/stills] [--whole] [--every N]

The first table: the zones that a person verified. With --whole, the second: all pictures as one zone each, by group,
against the labelled boxes, which are incomplete: a count above the label is not always wrong.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edge_agent.commands.stock import look_at  # noqa: E402  the tree is no package
from edge_agent.eye.counting import Lost  # noqa: E402
from edge_agent.eye.items import Finder  # noqa: E402
from edge_agent.eye.litert import ModelError, stock_finder  # noqa: E402
from edge_agent.eye.opencv.stills import still  # noqa: E402
from edge_agent.eye.zone import Zone  # noqa: E402


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One count beside the truth."""

    group: str
    what: str
    truth: int
    count: int
    uncertain: int

    @property
    def apart(self) -> int:
        """Items."""
        return abs(self.count - self.truth)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stills", type=Path, default=ROOT.parent / "shared" / "stills")
    parser.add_argument("--whole", action="store_true", help="also count all pictures as a whole")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of these, every N-th")
    args = parser.parse_args()
    listing = args.stills / "stills.json"
    if not listing.exists():
        sys.stderr.write(f"bench/stock.py: there is no {listing}\n")
        return 2
    try:
        finder = stock_finder()
    except ModelError as wrong:
        sys.stderr.write(f"bench/stock.py: {wrong}\n")
        return 4
    images = json.loads(listing.read_text(encoding="utf-8"))["images"]
    sys.stdout.write(f"{finder.name} {finder.sha256.hex()[:16]}\n\n")
    _zones(list(zones(args.stills, images, finder)))
    if args.whole:
        _groups(list(whole(args.stills, images[:: args.every], finder)))
    return 0


def zones(stills: Path, images: Iterable[dict[str, Any]], finder: Finder) -> Iterable[Row]:
    """Each verified zone."""
    for image in images:
        for zone in image.get("zones", ()):
            corners = Zone(corners=tuple((x, y) for x, y in zone["polygon"]))
            yield _row(stills, image, corners, zone["count"], finder)


def whole(stills: Path, images: Iterable[dict[str, Any]], finder: Finder) -> Iterable[Row]:
    """Each picture as one zone."""
    for image in images:
        yield _row(stills, image, None, len(image["boxes"]), finder)


def _row(stills: Path, image: dict[str, Any], zone: Zone | None, truth: int, finder: Finder) -> Row:
    picture = still(stills / image["image"])
    if isinstance(picture, Lost):
        raise SystemExit(picture.why)
    counted = look_at(finder, picture, zone, side=None)
    what = Path(image["image"]).stem
    return Row(group=image["group"], what=what, truth=truth, count=counted.count, uncertain=counted.uncertain)


def _zones(rows: list[Row]) -> None:
    sys.stdout.write(f"{'zone of':<36}{'truth':>6}{'count':>6}{'±':>4}\n")
    for row in rows:
        sys.stdout.write(f"{row.what:<36}{row.truth:>6}{row.count:>6}{row.uncertain:>4}{_mark(row)}\n")
    _sum(rows)


def _mark(row: Row) -> str:
    return "" if not row.apart else f"  {row.count - row.truth:+d}" + ("" if row.apart <= row.uncertain else " !")


def _groups(rows: list[Row]) -> None:
    by_group: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_group[row.group].append(row)
    sys.stdout.write(f"\n{'group':<12}{'pictures':>9}{'labels':>8}{'error':>8}{'bias':>8}{'within ±':>10}\n")
    for group, some in sorted(by_group.items(), key=lambda one: -len(one[1])):
        sys.stdout.write(f"{group:<12}{len(some):>9}{_figures(some)}\n")
    sys.stdout.write(f"{'all':<12}{len(rows):>9}{_figures(rows)}\n")


def _figures(rows: list[Row]) -> str:
    truth = sum(row.truth for row in rows) or 1
    bias = sum(row.count - row.truth for row in rows)
    held = sum(row.apart <= row.uncertain for row in rows)
    return f"{truth:>8}{sum(row.apart for row in rows) / truth:>8.0%}{bias / truth:>+8.0%}{held / len(rows):>10.0%}"


def _sum(rows: list[Row]) -> None:
    exact, truth = sum(not row.apart for row in rows), sum(row.truth for row in rows)
    wrong, held = sum(row.apart for row in rows), sum(row.apart <= row.uncertain for row in rows)
    sys.stdout.write(
        f"{exact} of {len(rows)} exact, {wrong} of {truth} items wrong ({wrong / truth:.0%}), {held} within ±\n"
    )


if __name__ == "__main__":
    sys.exit(main())
