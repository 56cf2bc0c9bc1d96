"""`edge-agent camera-check`: in what state a camera was all through a film."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge_agent.eye.conditions import BLINDING, Condition
from edge_agent.eye.counting import Frame, Lost
from evidence.exits import Exit


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `camera-check` to the command line."""
    parser = subparsers.add_parser(
        "camera-check",
        help="say when the camera of a film was covered, moved, blurred, dark, frozen or looped",
        description="Say in what state the camera was: each line is a state and the second from which it lasted, the "
        "first from 0. Then the totals. Whatever the film shows, the exit code is 0 when it could be read.",
    )
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video file; its first second is taken as the scene")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> Exit:
    from edge_agent.eye.opencv.sight import SceneTest
    from edge_agent.eye.opencv.sources import open_source

    source = open_source(str(args.clip))
    if isinstance(source, Lost):
        return _refuse(source.why)
    test, told, lasted_ms, frames, end_ms = SceneTest(), Condition.CLEAR, dict[Condition, int](), 0, 0
    with source:
        for what in source.frames():
            if not isinstance(what, Frame):
                break
            if frames:
                lasted_ms[told] = lasted_ms.get(told, 0) + what.at_ms - end_ms
            end_ms = what.at_ms
            test.judge(what)
            if not frames or test.condition is not told:
                told = test.condition
                _write({"t": end_ms / 1000 if frames else 0.0, "state": told.value}, as_json=args.json)
            frames += 1
    if not frames:
        return _refuse(f"{args.clip} has no picture that can be read")
    blind_ms = sum(ms for state, ms in lasted_ms.items() if state in BLINDING)
    seconds = {state.value: ms / 1000 for state, ms in sorted(lasted_ms.items())}
    total: dict[str, Any] = {"frames": frames, "seconds": end_ms / 1000, "blind_seconds": blind_ms / 1000}
    _write(total | {"states": seconds}, as_json=args.json)
    return Exit.OK


def _write(line: dict[str, Any], *, as_json: bool) -> None:
    if not as_json and "states" in line:
        line = line | {"states": ", ".join(f"{state} {lasted}" for state, lasted in line["states"].items()) or "-"}
    text = json.dumps(line) if as_json else "  ".join(f"{key} {value}" for key, value in line.items())
    sys.stdout.write(text + "\n")


def _refuse(why: str) -> Exit:
    sys.stderr.write(f"edge-agent camera-check: {why}\n")
    return Exit.USAGE
