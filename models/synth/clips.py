"""Renders a clip of a gate in three dimensions, and writes beside it what truly crossed.

    python models/synth/clips.py OUT.mp4 --kind belt|door|hands|mixed --seed 1 [--seconds 12] [--tracks] [--json]

OUT.json is an entry as in the ground truth's file of real clips (`gates`: line, in_normal, events), with the events
of people and forklifts apart (`others`), and with `--tracks` the box, id and class of everything in each drawn frame.
The same seed gives the same clip. Some clips have fewer pictures a second than frames: each is shown more than once.
"""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import belts
import doors
import truth
from draw import NoGraphicsError
from film import Frame, frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from film import Film
    from truth import Crossed, Gate, Seen

KINDS = ("belt", "door", "hands", "mixed")
SIZES = ((640, 360), (640, 360), (640, 480), (480, 270), (480, 360), (360, 480))
RATES = ((25.0, 1), (15.0, 1), (12.5, 1), (25.0, 3), (25.0, 4), (30.0, 2))
"""Frames a second of the file, and how often each picture is shown."""
T_TOL_S = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be rendered: a film, its gate, its rate."""

    kind: str
    seed: int
    film: Film
    gate: Gate
    fps: float
    repeat: int
    seconds: float


def plan(kind: str, seed: int, *, seconds: float = 12.0, size: tuple[int, int] | None = None) -> Plan:
    """The clip that a kind and a seed name; nothing is drawn yet."""
    rng = np.random.default_rng((seed, 4242, KINDS.index(kind)))
    size = size or SIZES[int(rng.integers(len(SIZES)))]
    fps, repeat = RATES[int(rng.integers(len(RATES)))]
    if kind == "belt":
        film, gate = belts.belt_film(rng, size, seconds)
    elif kind == "hands":
        film, gate = doors.hands_film(rng, size, seconds)
    elif kind == "door":
        film, gate = doors.door_film(rng, size, seconds)
    elif rng.random() < 0.4:  # people with nothing, who must not count
        film, gate = doors.door_film(rng, size, seconds, burdens=("nothing",))
    else:
        film, gate = doors.door_film(rng, size, seconds, burdens=("nothing", "carry", "carry", "trolley"))
    return Plan(kind=kind, seed=seed, film=film, gate=gate, fps=fps, repeat=repeat, seconds=seconds)


def drawn(what: Plan) -> Iterator[Frame]:
    """The plan's pictures, each once."""
    return frames(what.film, what.seconds, what.fps / what.repeat)


def tracks_of(pictures: list[dict[int, Seen]]) -> dict[int, list[Seen]]:
    """By id, in time."""
    found: dict[int, list[Seen]] = {}
    for seen in pictures:
        for name, where in seen.items():
            found.setdefault(name, []).append(where)
    return found


def crossed(tracks: dict[int, list[Seen]], gate: Gate, classes: dict[int, str]) -> tuple[list[Crossed], list[Crossed]]:
    """Crossings of goods, and of people and forklifts."""
    goods: list[Crossed] = []
    others: list[Crossed] = []
    for name, track in tracks.items():
        kind = classes[name]
        (others if kind in {"person", "forklift"} else goods).extend(truth.crossings(track, gate, item=kind, id_=name))
    return goods, others


def render(what: Plan, out: Path, *, with_tracks: bool = False) -> dict[str, Any]:
    """Writes the clip; returns its truth."""
    camera = what.film.camera
    writer = cv2.VideoWriter(
        str(out),
        cv2.VideoWriter.fourcc(*"mp4v"),
        what.fps,
        (camera.width, camera.height),
    )
    seen: list[dict[int, Seen]] = []
    shown = 0
    for frame in drawn(what):
        seen.append(frame.seen)
        for _ in range(what.repeat):
            writer.write(frame.picture)
            shown += 1
    writer.release()
    classes = what.film.stage.classes
    goods, others = crossed(tracks_of(seen), what.gate, classes)
    gate = truth.as_json(what.gate, goods, others, what.film.loads)
    entry: dict[str, Any] = {
        "clip": out.name,
        "set": "rendered",
        "task": "flow" if goods else "negative",
        "provenance": f"models/synth/clips.py --kind {what.kind} --seed {what.seed}",
        "item": "goods",
        "camera": "fixed",
        "count_window": None,
        "t_tol": T_TOL_S,
        "rule": truth.RULE,
        "gates": [gate],
        "notes": "; ".join(what.film.notes),
        "width": camera.width,
        "height": camera.height,
        "fps": what.fps,
        "pictures_fps": what.fps / what.repeat,
        "frames": shown,
        "in": gate["in"],
        "out": gate["out"],
    }
    if with_tracks:
        entry["tracks"] = [
            [
                {
                    "id": name,
                    "class": classes[name],
                    "box": [round(v, 1) for v in where.box],
                    "visible": round(where.visible, 2),
                }
                for name, where in sorted(now.items())
            ]
            for now in seen
        ]
    out.with_suffix(".json").write_text(json.dumps(entry) + "\n")
    return entry


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Renders a clip of a gate, and what crossed it.")
    parser.add_argument("out", type=Path, help="the clip to write, OUT.mp4; the truth goes to OUT.json")
    parser.add_argument("--kind", choices=KINDS, default="belt")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--size", help="WIDTHxHEIGHT; else one of several, by the seed")
    parser.add_argument("--tracks", action="store_true", help="also every box in every drawn frame")
    parser.add_argument("--json", action="store_true", help="print the truth")
    args = parser.parse_args()
    size: tuple[int, int] | None = None
    if args.size:
        wide, _, high = args.size.partition("x")
        if not (wide.isdigit() and high.isdigit()):
            parser.error("--size is WIDTHxHEIGHT, for example 640x360")
        size = int(wide), int(high)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        entry = render(plan(args.kind, args.seed, seconds=args.seconds, size=size), args.out, with_tracks=args.tracks)
    except NoGraphicsError as problem:
        print(problem, file=sys.stderr)
        return 4
    if args.json:
        print(json.dumps(entry))
    else:
        print(f"{args.out}: {entry['frames']} frames, {entry['in']} in, {entry['out']} out ({entry['notes']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
