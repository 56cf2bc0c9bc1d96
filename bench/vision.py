"""How well gates are counted: every event of real and rendered clips, matched in direction and time.

    python bench/vision.py [--sources slit foreground] [--clips NAME...] [--folder FOLDER...] [--seeds N] [--json]

One set of parameters for all; a clip gives its gate, inward vector and kind of items, nothing else. `--folder`: clips
with their truth beside them, as models/synth/clips.py writes them. Events outside `count_window` are not looked at.
Without `--sources` the counter is the box's own: the slit-scan counts and the foreground bears witness.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "models" / "synth")]

from edge_agent.eye.counting import Counter, Lost, SightChange, Source, count  # noqa: E402
from edge_agent.eye.gate import Crossing, GateLine, Items  # noqa: E402
from edge_agent.eye.gate_counter import gate_counter  # noqa: E402
from edge_agent.eye.litert import Model, listed  # noqa: E402
from edge_agent.eye.opencv.foreground import Foreground  # noqa: E402
from edge_agent.eye.opencv.sight import SceneTest  # noqa: E402
from edge_agent.eye.opencv.sources import open_source  # noqa: E402
from edge_agent.eye.slit_counter import SlitCounter  # noqa: E402
from edge_agent.eye.tracked import Tracked  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

CLIPS = ROOT.parent / "shared" / "clips"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One clip: matched, missed and false events as (seconds, direction), blind times, milliseconds a frame."""

    clip: str
    matched: list[tuple[float, str]]
    missed: list[tuple[float, str]]
    false: list[tuple[float, str]]
    blind: list[float]
    ms: float


def match(
    truth: list[tuple[float, str]], got: list[tuple[float, str]], tolerance_s: float
) -> tuple[list[tuple[float, str]], list[tuple[float, str]], list[tuple[float, str]]]:
    """Pair each true event with at most one counted one, the nearest in time first."""
    pairs = sorted(
        (abs(one[0] - other[0]), i, j)
        for i, one in enumerate(truth)
        for j, other in enumerate(got)
        if one[1] == other[1] and abs(one[0] - other[0]) <= tolerance_s
    )
    left, right = set(range(len(truth))), set(range(len(got)))
    for _, i, j in pairs:
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
    return (
        [event for i, event in enumerate(truth) if i not in left],
        [truth[i] for i in sorted(left)],
        [got[j] for j in sorted(right)],
    )


def counter_of(flow: dict[str, Any], sources: list[str]) -> Counter:
    """The box's own counter of this gate, or one of these sources alone, the first counting."""
    (x0, y0), (x1, y1) = flow["gates"][0]["line"]
    in_x, in_y = flow["gates"][0]["in_normal"]
    line = GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=in_x, in_y=in_y)
    items = Items.VEHICLE if flow["item"] == "vehicle" else Items.PERSON if flow["item"] == "person" else Items.GOODS
    if not sources:
        return gate_counter(line, items=items, sight=SceneTest())
    build: dict[str, Callable[[], Source]] = {
        "slit": lambda: SlitCounter(line, Model(listed("slit")), items=items),
        "foreground": lambda: Tracked(Foreground(), line, kind=items.value),
    }
    return Counter([build[name]() for name in sources], sight=SceneTest(), items=items)


def run(path: Path, flow: dict[str, Any], sources: list[str]) -> Result:
    """Count one clip and compare it with its truth."""
    source = open_source(str(path))
    if isinstance(source, Lost):
        raise SystemExit(source.why)
    counter = counter_of(flow, sources)
    begun = time.perf_counter()
    with source:
        events = list(count(source.frames(), counter))
    ms = (time.perf_counter() - begun) * 1000 / max(1, counter.frames)
    first, last = flow.get("count_window") or (0, float("inf"))
    got = [
        (event.at_ms / 1000, event.direction.name.lower())
        for event in events
        if isinstance(event, Crossing) and counter.counts(event) and first <= event.at_ms / 1000 <= last
    ]
    truth = [(event["t"], event["dir"]) for event in flow["gates"][0]["events"]]
    matched, missed, false = match(truth, got, flow.get("t_tol", 0.6))
    blind = [event.at_ms / 1000 for event in events if isinstance(event, SightChange) and not event.sight]
    return Result(clip=path.name, matched=matched, missed=missed, false=false, blind=blind, ms=ms)


def real(names: list[str], sources: list[str]) -> list[Result]:
    """The shared clips with a gate, those held in the hand too."""
    path = CLIPS / "ground_truth.json"
    if not path.exists():
        print(f"no clips: {path} is absent")
        return []
    flows = [clip for clip in json.loads(path.read_text())["clips"] if clip.get("gates")]
    chosen = [flow for flow in flows if not names or flow["clip"].split(".")[0] in names]
    return [run(CLIPS / flow["clip"], flow, sources) for flow in chosen]


def foldered(folder: Path, sources: list[str]) -> list[Result]:
    """Clips with their truth beside them."""
    truths = sorted(path for path in folder.glob("*.json") if path.with_suffix(".mp4").exists())
    return [run(path.with_suffix(".mp4"), json.loads(path.read_text()), sources) for path in truths]


def rendered(seeds: int, sources: list[str]) -> list[Result]:
    """Fresh clips from models/synth/gate_clip.py, one a seed."""
    from gate_clip import Wish, render

    results = []
    for seed in range(1, seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"rendered_{seed}.mp4"
            truth = render(path, Wish(seed=seed))
            results.append(run(path, {"item": "goods", **truth}, sources))
    return results


def table(title: str, results: list[Result]) -> None:
    """Print one line a clip, then what all of them give together."""
    print(f"\n{title}\n{'clip':22} {'hit':>4} {'miss':>4} {'false':>5} {'ms':>6}  missed; false; blind")
    for one in results:
        events = [" ".join(f"{t:.2f}{way}" for t, way in some) for some in (one.missed, one.false)]
        print(
            f"{one.clip:22} {len(one.matched):4} {len(one.missed):4} {len(one.false):5} {one.ms:6.2f}"
            f"  {events[0] or '-'}; {events[1] or '-'}; {one.blind or '-'}"
        )
    hit, miss, false = (sum(len(getattr(one, name)) for one in results) for name in ("matched", "missed", "false"))
    precision, recall = hit / max(1, hit + false), hit / max(1, hit + miss)
    f1 = 2 * hit / max(1, 2 * hit + miss + false)
    ms = sum(one.ms for one in results) / max(1, len(results))
    net = max((abs(_net(one.matched + one.missed) - _net(one.matched + one.false)) for one in results), default=0)
    print(
        f"together: hit {hit} miss {miss} false {false}  P {precision:.3f} R {recall:.3f} F1 {f1:.3f}  {ms:.2f} ms"
        f"  net off by {net} at most"
    )


def _net(events: list[tuple[float, str]]) -> int:
    return sum(1 if way == "in" else -1 for _, way in events)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="*", default=[], choices=["slit", "foreground"])
    parser.add_argument("--clips", nargs="*", default=[], help="only these real clips")
    parser.add_argument("--folder", nargs="*", default=[], type=Path, help="clips with their truth beside them")
    parser.add_argument("--seeds", type=int, default=3, help="clips drawn flat (default 3)")
    parser.add_argument("--json", action="store_true", help="one object a clip")
    wish = parser.parse_args()
    groups = [("real clips", real(wish.clips, wish.sources))]
    groups += [(f"clips of {folder}", foldered(folder, wish.sources)) for folder in wish.folder]
    groups += [("clips drawn flat", rendered(wish.seeds, wish.sources))] if wish.seeds else []
    if wish.json:
        print("\n".join(json.dumps(asdict(one)) for _, results in groups for one in results))
        return
    for title, results in groups:
        table(title, results)
    print(f"\npeak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB (with the renderer)")


if __name__ == "__main__":
    main()
