"""`edge-agent count`: what crosses a gate in a film, for trying a camera's place and gate before it is installed."""

import argparse
import json
import logging
import re
import sys
from collections import Counter as Totals
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge_agent.eye.agreement import Doubt
from edge_agent.eye.counting import Counter, Lost, SightChange
from edge_agent.eye.gate import Crossing, GateLine, Items
from evidence.bodies import Sight
from evidence.exits import Exit


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `count` to the command line."""
    parser = subparsers.add_parser(
        "count",
        help="count what crosses a gate in a film",
        description="Count what crosses a gate in a film. Prints each crossing with the sources that saw it, then the "
        "totals: what crossed and is not counted, what only a witness saw (unconfirmed), and how long the camera was "
        "blind, for then nothing was counted.",
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
    parser.add_argument(
        "--items",
        type=Items,
        choices=list(Items),
        default=Items.GOODS,
        metavar="{goods,person,vehicle}",
        help="what is counted; goods (the default) is whatever is carried, pushed or conveyed",
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
    from edge_agent.eye.gate_counter import gate_counter
    from edge_agent.eye.opencv.sight import SceneTest
    from edge_agent.eye.opencv.sources import open_source

    logging.getLogger("edge_agent").setLevel(logging.WARNING)  # which model was loaded stands in each line
    (x0, y0, x1, y1), (in_x, in_y) = args.gate, args.inward
    try:
        line = GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=in_x, in_y=in_y)
    except ValueError as wrong:
        return _refuse(str(wrong))
    source = open_source(str(args.clip))
    if isinstance(source, Lost):
        return _refuse(source.why)
    counter = gate_counter(line, items=args.items, sight=SceneTest())
    tell = _Teller(counter, as_json=args.json)
    with source:
        for what in source.frames():
            tell.told(counter.see(what), counter.sight, at_ms=what.at_ms)
    if not counter.frames:
        return _refuse(f"{args.clip} has no picture that can be read")
    tell.total()
    return Exit.OK


class _Teller:
    """Writes crossings as they come, and what they add up to."""

    def __init__(self, counter: Counter, *, as_json: bool) -> None:
        self._counter, self._as_json = counter, as_json
        self._names = [source.name for source in counter.sources]
        self._doubts: list[dict[str, Any]] = []
        self._others: Totals[str] = Totals()
        self._blind_ms = self._end_ms = 0

    def told(self, events: Iterable[Crossing | Doubt | SightChange], sight: Sight | None, *, at_ms: int) -> None:
        """One crossing a line; where a person reads, a change of sight too, unless it is the ordinary beginning."""
        self._blind_ms += (at_ms - self._end_ms) * (sight is Sight.BLIND)
        self._end_ms = at_ms
        for event in events:
            match event:
                case Crossing() if self._counter.counts(event):
                    self._write(_line(event) | {"source": self._sources(event)})
                case Crossing():
                    self._others[event.kind] += 1
                case Doubt():
                    self._doubts.append(_line(event.crossing) | {"source": self._names[event.source]})
                case SightChange() if not self._as_json and (event.sight is Sight.BLIND or event.at_ms > 0):
                    self._write({"t": event.at_ms / 1000, "sight": event.sight.name.lower(), "why": event.why})

    def total(self) -> None:
        """The last line."""
        counter = self._counter
        total: dict[str, Any] = {"in": counter.total_in, "out": counter.total_out, "net": counter.net}
        total |= {"frames": counter.frames, "seconds": self._end_ms / 1000, "blind_seconds": self._blind_ms / 1000}
        total["not_counted"] = dict(self._others)
        total["unconfirmed"] = self._doubts if self._as_json else len(self._doubts)
        self._write(total)

    def _sources(self, event: Crossing) -> str:
        seen = [name for number, name in enumerate(self._names) if event.sources >> number & 1]
        return " + ".join(seen or self._names[:1])

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line) if self._as_json else "  ".join(f"{key} {value}" for key, value in line.items())
        sys.stdout.write(text + "\n")


def _line(event: Crossing) -> dict[str, Any]:
    direction, confidence = event.direction.name.lower(), event.confidence_permille / 1000
    return {"t": event.at_ms / 1000, "dir": direction, "class": event.kind, "confidence": confidence}


def _refuse(why: str) -> Exit:
    sys.stderr.write(f"edge-agent count: {why}\n")
    return Exit.USAGE
