"""`edge-agent count`: what crosses a gate in a film, for trying a camera's place and gate before it is installed."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from edge_agent.eye.counting import Counter, Lost, SightChange
from edge_agent.eye.gate import Crossing, Gate, GateLine
from evidence.bodies import Sight
from evidence.exits import Exit


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `count` to the command line."""
    parser = subparsers.add_parser(
        "count",
        help="count what crosses a gate in a film",
        description="Count what crosses a gate in a film. Prints each crossing, then the totals; a time in which the "
        "camera was blind is told, for then nothing was counted.",
    )
    # argparse takes -1,0 for an option; only a lone number with a minus is a value to it
    parser._negative_number_matcher = re.compile(r"^-[\d.]")  # noqa: SLF001
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video file")
    parser.add_argument(
        "--gate", type=_numbers(4), required=True, metavar="X0,Y0,X1,Y1", help="the line's ends, in pixels of the film"
    )
    parser.add_argument(
        "--in", type=_numbers(2), required=True, metavar="NX,NY", dest="inward", help="a vector that points inside"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=_run)


def _numbers(how_many: int) -> Any:  # noqa: ANN401  what argparse takes as a type
    def read(text: str) -> tuple[float, ...]:
        try:
            numbers = tuple(float(part) for part in text.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != how_many:
            raise argparse.ArgumentTypeError(f"{text!r} is not {how_many} numbers with commas between")
        return numbers

    return read


def _run(args: argparse.Namespace) -> Exit:
    from edge_agent.eye.opencv.foreground import Foreground
    from edge_agent.eye.opencv.sight import SceneTest
    from edge_agent.eye.opencv.sources import open_source

    (x0, y0, x1, y1), (in_x, in_y) = args.gate, args.inward
    try:
        gate = Gate(GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=in_x, in_y=in_y))
    except ValueError as wrong:
        return _refuse(str(wrong))
    source = open_source(str(args.clip))
    if isinstance(source, Lost):
        return _refuse(source.why)
    detector = Foreground()
    counter = Counter(detector, gate, sight=SceneTest())
    blind_ms, end_ms = 0, 0
    with source:
        for what in source.frames():
            blind_ms += (what.at_ms - end_ms) * (counter.sight is Sight.BLIND)
            end_ms = what.at_ms
            for event in counter.see(what):
                _tell(event, detector.name, as_json=args.json)
    if not counter.frames:
        return _refuse(f"{args.clip} has no picture that can be read")
    total: dict[str, Any] = {"in": gate.total_in, "out": gate.total_out, "net": gate.net}
    total |= {"frames": counter.frames, "seconds": end_ms / 1000, "blind_seconds": blind_ms / 1000}
    _write(total, as_json=args.json)
    return Exit.OK


def _tell(event: Crossing | SightChange, detector: str, *, as_json: bool) -> None:
    """One crossing; a change of sight too, where a person reads, unless it is the ordinary beginning."""
    match event:
        case Crossing():
            line: dict[str, Any] = {"t": event.at_ms / 1000, "dir": event.direction.name.lower(), "class": event.kind}
            _write(line | {"confidence": event.confidence_permille / 1000, "source": detector}, as_json=as_json)
        case SightChange() if not as_json and (event.sight is Sight.BLIND or event.at_ms > 0):
            _write({"t": event.at_ms / 1000, "sight": event.sight.name.lower(), "why": event.why}, as_json=False)


def _write(line: dict[str, Any], *, as_json: bool) -> None:
    text = json.dumps(line) if as_json else "  ".join(f"{key} {value}" for key, value in line.items())
    sys.stdout.write(text + "\n")


def _refuse(why: str) -> Exit:
    sys.stderr.write(f"edge-agent count: {why}\n")
    return Exit.USAGE
