"""`edge-agent slit`: a film's gate over time as one picture, for a person who counts again."""

import argparse
import json
import logging
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_agent.commands.gate_arguments import add_gate, line_of
from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.gate import Crossing, GateLine
from edge_agent.eye.slit import Raw, Strip, strip_of
from edge_agent.eye.slit_page import Counted, Page, page_of
from evidence.exits import Exit
from evidence.judging.gates import is_contested

if TYPE_CHECKING:
    from edge_agent.eye.opencv.slit_drawing import Words

RATE: Final = 30
"""Columns a second at most, of a film that has so many pictures."""
SECOND_PX: Final = 60
"""About how wide a second is drawn."""
SECONDS_LIMIT: Final = 3600


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `slit` to the command line."""
    parser = subparsers.add_parser(
        "slit",
        help="a film's gate over time as one picture, to count again by eye",
        description="Draw what lay on the gate's line in each picture of a film, side by side: each crossing is one"
        " figure, whatever the goods. What was counted is marked above it.",
    )
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video file")
    add_gate(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.png", help="default: CLIP's name with .slit.png")
    parser.add_argument("--from", type=float, default=0.0, metavar="S", dest="from_s", help="from this second on")
    parser.add_argument("--to", type=float, metavar="S", dest="to_s", help="up to this second")
    parser.add_argument("--columns", type=int, metavar="N", help=f"a second; default: the film's rate, at most {RATE}")
    parser.add_argument("--no-marks", action="store_true", help="leave out what was counted: to count without a hint")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> Exit:
    logging.getLogger("edge_agent.eye").setLevel(logging.WARNING)  # which model was loaded is told in the answer
    try:
        told = _make(args)
    except ValueError as wrong:
        sys.stderr.write(f"edge-agent slit: {wrong}\n")
        return Exit.USAGE
    if args.json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        marked = f", {len(told['marks'])} crossings marked" if "marks" in told else ""
        sys.stdout.write(f"{told['picture']}: {told['from']:.1f} to {told['to']:.1f} s{marked}\n")
    return Exit.OK


def _make(args: argparse.Namespace) -> dict[str, Any]:
    """Write the picture; what it is. Raises ValueError, with what to do otherwise."""
    from edge_agent.eye.opencv.slit_drawing import draw, png

    line, output, span = line_of(args), args.output or args.clip.with_suffix(".slit.png"), _span(args)
    if output.suffix != ".png":
        raise ValueError(f"{output} does not end in .png")
    strips, crossings = _look(args, line, span)
    counted = [counted_of(crossing) for crossing in crossings]
    zoom = max(2, min(6, round(SECOND_PX / strips[0].columns_per_s)))
    page = page_of(strips, counted, zoom=zoom)
    drawn = draw(page, counted, _words(args, line, page), tall=2, with_marks=not args.no_marks)
    picture = png(drawn.picture)
    try:
        output.write_bytes(picture)
    except OSError as wrong:
        raise ValueError(f"{output} cannot be written: {wrong.strerror}") from wrong
    told: dict[str, Any] = {"picture": str(output), "bytes": len(picture), "sha256": sha256(picture).hexdigest()}
    told |= {"width": drawn.picture.shape[1], "height": drawn.picture.shape[0]}
    told |= {"columns_per_s": strips[0].columns_per_s, "from": page.from_ms / 1000, "to": page.to_ms / 1000}
    told |= {"folded_seconds": page.folded_ms / 1000, "missing_seconds": page.missing_ms / 1000}
    if not args.no_marks:
        told["marks"] = [
            {"t": one.at_ms / 1000, "dir": one.direction.name.lower(), "sure": one.is_sure, "x": at[0], "y": at[1]}
            for one, at in zip(counted, drawn.marks, strict=True)
            if at is not None
        ]
    return told


def _span(args: argparse.Namespace) -> tuple[int, int]:
    from_ms, to_ms = round(args.from_s * 1000), round((SECONDS_LIMIT if args.to_s is None else args.to_s) * 1000)
    if not 0 <= from_ms < to_ms <= from_ms + SECONDS_LIMIT * 1000:
        raise ValueError(f"--from and --to are seconds of the film, rising, at most {SECONDS_LIMIT} apart")
    return from_ms, to_ms


def _look(args: argparse.Namespace, line: GateLine, span: tuple[int, int]) -> tuple[list[Strip], list[Crossing]]:
    """What lay on the line, and what was counted, from and to these milliseconds of the film."""
    from edge_agent.eye.gate_counter import gate_counter
    from edge_agent.eye.opencv.sight import SceneTest
    from edge_agent.eye.opencv.slit_eye import SlitEye
    from edge_agent.eye.opencv.sources import open_source

    source = open_source(str(args.clip))
    if isinstance(source, Lost):
        raise ValueError(source.why)  # noqa: TRY004 - its type tells that it is lost
    from_ms, to_ms = span
    with source:
        eye = SlitEye(line, columns_per_s=args.columns or max(1, min(RATE, round(source.fps) or RATE)))
        counter = gate_counter(line, sight=SceneTest())
        raws: list[Raw | None] = []
        crossings: list[Crossing] = []
        for what in source.frames():
            crossings += [event for event in counter.see(what) if isinstance(event, Crossing)]
            if isinstance(what, Frame) and from_ms <= what.at_ms < to_ms:
                raws.append(eye.see(what))
            if what.at_ms >= to_ms + _LATE_MS:
                break
    strips = [strip_of(raw) for raw in (*raws, eye.end()) if raw is not None]
    if not strips:
        raise ValueError(f"{args.clip} has no picture that can be read between --from and --to")
    seen = sorted((crossing.at_ms, number) for number, crossing in enumerate(crossings))
    return strips, [crossings[number] for at_ms, number in seen if from_ms <= at_ms < to_ms]


_LATE_MS: Final = 20_000
"""A crossing may be told so much after it was."""


def counted_of(crossing: Crossing) -> Counted:
    """As it is drawn."""
    is_sure = not is_contested(crossing.confidence_permille, crossing.uncertain)
    return Counted(at_ms=crossing.at_ms, direction=crossing.direction, is_sure=is_sure)


def _words(args: argparse.Namespace, line: GateLine, page: Page) -> "Words":
    from edge_agent.eye.opencv.slit_drawing import HOW, Words

    rate = page.strips[0].columns_per_s
    what = f"{args.clip.name}, {page.from_ms / 1000:.1f} to {page.to_ms / 1000:.1f} s, {rate} columns a second"
    return Words(
        title=(what, HOW),
        ends=(f"{line.x0:g},{line.y0:g}", f"{line.x1:g},{line.y1:g}"),
        time_of=lambda ms: f"{ms / 1000:.1f} s",
        short_time_of=lambda ms: f"{ms // 1000} s",
    )
