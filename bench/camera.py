"""How well tampering is found: every variant of every clip, how long each took, and every false alarm.

    python bench/camera.py [--clips NAME...] [--what NAME...] [--codec none|mp4v|MJPG] [--half first|second] [--json]

The clips are those of ../shared, the variants those of models/synth/tamper.py. Seconds count from when the tampering
was complete. `none` hands the pictures over as they are, a codec writes and reads them again.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "models" / "synth")]

from tamper import VARIANTS, Truth, pictures_of, truth_of, vary, write  # noqa: E402

from edge_agent.eye.counting import Frame  # noqa: E402
from edge_agent.eye.opencv.sight import SceneTest  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tamper import Picture

CLIPS = ROOT.parent / "shared" / "clips"
WITHIN_S = 2.0
SHORTEST_S = 3.9
"""Clips that are shorter leave no time before and after."""
SHAKEN = {"ilham_hand3", "ilham_hand4"}
"""Held by hand: what moves them is life, so they are not moved for us."""
LONGEST_S = 8.0
"""More of a clip is not used for variants."""
KNOWN = {"vas_occlusion": ("covered", 2.25, 4.0), "ilham_hand4": ("moved", 12.8, 13.6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One variant of one clip. `found_s` is after it was complete; None when it was not found."""

    clip: str
    what: str
    state: str
    told: str | None
    found_s: float | None
    false: list[tuple[float, str]]
    ms: float


def spans(pictures: Iterable[Picture], fps: float) -> tuple[list[tuple[float, str]], float]:
    """Each state from when it is told, and milliseconds a picture."""
    test, told, spent, count = SceneTest(), list[tuple[float, str]](), 0.0, 0
    for index, picture in enumerate(pictures):
        at_ms = round(index * 1000 / fps)
        begun = time.process_time()
        _, state = test.judge(Frame(picture=picture, at_ms=at_ms, steady_ms=at_ms))
        spent += time.process_time() - begun
        count += 1
        if not told or told[-1][1] != state:
            told.append((at_ms / 1000, state))
    return told, 1000 * spent / max(1, count)


def judge(told: list[tuple[float, str]], truth: Truth) -> Result:
    """When the state was first told, what was told instead, and what was told before anything was done."""
    begun_s = math.inf if truth.t_start is None else truth.t_start
    bad = [(at_s, one) for at_s, one in told if one != "clear"]
    after = [(at_s, one) for at_s, one in bad if at_s >= begun_s]
    hit = next((at_s for at_s, one in after if one == truth.state), None)
    return Result(
        clip="",
        what=truth.what,
        state=truth.state,
        told=after[-1][1] if after else None,
        found_s=None if hit is None or truth.t_full is None else hit - truth.t_full,
        false=[(at_s, one) for at_s, one in bad if at_s < begun_s],
        ms=0.0,
    )


def run(path: Path, what: str, codec: str) -> Result | None:
    """None where the clip is of no use for that."""
    pictures, fps, seconds = pictures_of(path)
    name = path.stem
    end_s = min(LONGEST_S, KNOWN[name][1] if name in KNOWN else seconds, seconds)
    variant = VARIANTS[what]
    at_s = round(max(1.6, 0.45 * end_s) * fps) / fps
    longest = at_s + variant.full_s + (0 if variant.frozen or variant.loop_s else 2.2)
    if variant.state != "clear" and (longest > end_s or (variant.loop_s or 0) > at_s):
        return None
    if variant.moves and name in SHAKEN:
        return None
    changed = vary(_until(pictures, round(end_s * fps)), what, fps=fps, at_s=at_s)
    if codec == "none":
        told, ms = spans(changed, fps)
    else:
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / ("film.avi" if codec == "MJPG" else "film.mp4")
            write(film, changed, fps=fps, codec=codec)
            told, ms = spans(pictures_of(film)[0], fps)
    return replace(judge(told, truth_of(what, at_s=at_s)), clip=name, ms=ms)


def _until(pictures: Iterable[Picture], count: int) -> Iterable[Picture]:
    for index, picture in enumerate(pictures):
        if index >= count:
            return
        yield picture


def known(path: Path) -> Result:
    """The clip as it is, with the tampering that is in it."""
    pictures, fps, _ = pictures_of(path)
    told, ms = spans(pictures, fps)
    state, begun_s, full_s = KNOWN.get(path.stem, ("clear", None, None))
    truth = Truth(what="as filmed", state=state, t_start=begun_s, t_full=full_s)
    return replace(judge(told, truth), clip=path.stem, ms=ms)


def main() -> None:
    """Run what was asked for, and print a line for each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="*", default=[])
    parser.add_argument("--what", nargs="*", default=[])
    parser.add_argument("--codec", default="none")
    parser.add_argument("--half", choices=("first", "second"))
    parser.add_argument("--json", action="store_true")
    wish = parser.parse_args()
    paths = sorted(CLIPS.glob("*.mp4")) if CLIPS.exists() else []
    if wish.half:
        paths = paths[0 if wish.half == "first" else 1 :: 2]
    paths = [path for path in paths if not wish.clips or path.stem in wish.clips]
    if not wish.json:
        head()
    results = []
    for what in ([] if wish.what else ["as filmed"]) + (wish.what or list(VARIANTS)):
        some = [known(path) if what == "as filmed" else run(path, what, wish.codec) for path in paths]
        got = [one for one in some if one is not None]
        results += got
        for one in got if wish.json else ():
            print(json.dumps(asdict(one)), flush=True)
        if got and not wish.json:
            line(what, got)
    if not wish.json:
        together(results)


def head() -> None:
    """The table's first line."""
    print(f"{'variant':22} {'state':10} {'found':>7} {'in 2 s':>7} {'slowest':>8}  late, otherwise told; false alarms")


def line(what: str, some: list[Result]) -> None:
    """A line for one variant: found of all, the slowest, what was missed or told wrongly, and false alarms."""
    bad = [one for one in some if one.state != "clear"]
    found = [one.found_s for one in bad if one.found_s is not None]
    notes = [
        f"{one.clip} {one.told or '-'}" + (f" {one.found_s:.1f}" if one.found_s is not None else "")
        for one in bad
        if one.found_s is None or one.found_s > WITHIN_S
    ]
    notes += [
        f"FALSE {one.clip} " + " ".join(f"{state}@{at_s:.1f}" for at_s, state in one.false) for one in some if one.false
    ]
    slowest = f"{max(found):.1f}" if found else "-"
    in_time = sum(s <= WITHIN_S for s in found)
    share = f"{len(found)}/{len(bad)}" if bad else f"({len(some)})"
    state = bad[0].state if len(bad) == len(some) else "clear" if not bad else "as known"
    print(f"{what:22} {state:10} {share:>7} {in_time:7} {slowest:>8}  {'; '.join(notes) or '-'}", flush=True)


def together(results: list[Result]) -> None:
    """The sums."""
    bad = [one for one in results if one.state != "clear"]
    in_time = sum(one.found_s is not None and one.found_s <= WITHIN_S for one in bad)
    ms = sum(one.ms for one in results) / max(1, len(results))
    print(
        f"together: {in_time} of {len(bad)} within {WITHIN_S} s, {sum(one.found_s is not None for one in bad)} at all, "
        f"{sum(one.told is not None for one in bad)} by some name; "
        f"{sum(bool(one.false) for one in results)} false in {len(results)} films; {ms:.2f} ms a picture"
    )


if __name__ == "__main__":
    main()
