"""`edge-agent commission`: watch a gate for some minutes, and propose what counting there should know."""

import argparse
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_agent.clock import SystemClock
from edge_agent.commands.gate_arguments import add_gate, line_of, numbers
from edge_agent.commands.processes import DEFAULT_CONFIG
from edge_agent.config.load import Camera, ConfigurationError, load
from edge_agent.config.write import BoxFile
from edge_agent.eye.counting import Lost
from edge_agent.installing.commission import Findings, findings_of
from evidence.exits import Exit

if TYPE_CHECKING:
    from edge_agent.config.write import Values
    from edge_agent.eye.gate import GateLine

DEFAULT_S: Final = 180.0
LONGEST_S: Final = 3600.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `commission` to the command line."""
    parser = subparsers.add_parser(
        "commission",
        help="watch a gate for some minutes, and propose what counting should know of it",
        description="Watch a camera's gate while goods pass: how large an item is, how fast it goes, on a belt or"
        " through a door, how many pictures a second arrive. Draws the gate on a picture. Stop `edge-agent watch` of"
        " this camera before: most cameras serve one at a time.",
    )
    add_gate(parser, required=False)
    parser.add_argument("camera", metavar="CAMERA|CLIP", help="its name in the configuration; or a film, with --gate")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_S, metavar="S", help="watch so long; default: %(default)s"
    )
    parser.add_argument(
        "--exemplar", type=numbers(4), metavar="X0,Y0,X1,Y1", help="one item, shown by hand: two corners in pixels"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.png", help="draw the gate there")
    parser.add_argument("--write", action="store_true", help="change the configuration as proposed")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> Exit:
    try:
        return _commission(args)
    except ConfigurationError as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except ValueError as wrong:
        return _fail(str(wrong), Exit.USAGE)
    except OSError as wrong:
        return _fail(str(wrong), Exit.HARDWARE)


def _commission(args: argparse.Namespace) -> Exit:
    from edge_agent.eye.opencv.commissioning import Watcher, with_gate
    from edge_agent.eye.opencv.slit_drawing import png
    from edge_agent.eye.opencv.sources import open_source

    camera, line, source_spec = _what(args)
    if not 1 <= args.seconds <= LONGEST_S:
        raise ValueError(f"--seconds is 1 to {LONGEST_S:g}")
    if args.output is not None and args.output.suffix != ".png":
        raise ValueError(f"{args.output} does not end in .png")
    source = open_source(source_spec, clock=SystemClock())
    if isinstance(source, Lost):
        return _fail(source.why, Exit.HARDWARE)
    watcher = Watcher(line)
    with source:
        watcher.watch(source.frames(), until_ms=round(args.seconds * 1000))
        size, dropped = (source.width, source.height), source.dropped
    if watcher.picture is None:
        return _fail(f"{args.camera} gave no picture", Exit.HARDWARE)
    found = findings_of(watcher.passes, watcher.looks, line, size=size, dropped=dropped, exemplar=args.exemplar)
    if args.output is not None:
        box = watcher.item
        item = args.exemplar or (None if box is None else (box.x0, box.y0, box.x1, box.y1))
        args.output.write_bytes(png(with_gate(watcher.picture, line, item=item)))
    wanted = proposal(found)
    written = args.write and camera is not None and bool(wanted)
    if written:
        assert camera is not None  # noqa: S101 - just asked
        file = BoxFile(args.config)
        file.change("camera", camera.name, wanted)
        file.save()
    _tell(args, found, wanted, written=written)
    return Exit.WRONG_OUT_THERE if found.warnings else Exit.OK


def proposal(found: Findings) -> "Values":
    """The keys of [[camera]] that these findings give."""
    wanted: dict[str, Any] = {"frames_per_s": Decimal(str(found.frames_per_s))} if found.frames_per_s >= 1 else {}
    if found.item_px is not None:
        wanted["item_px"] = list(found.item_px)
    if found.speed_px_per_s is not None:
        wanted["speed_px_per_s"] = found.speed_px_per_s
    if found.way is not None:
        wanted["way"] = found.way
    return wanted


def _what(args: argparse.Namespace) -> "tuple[Camera | None, GateLine, str]":
    """The camera, where it is one of the configuration; its gate; its source."""
    if args.gate is not None or args.inward is not None:
        if args.gate is None or args.inward is None:
            raise ValueError("a film needs both --gate X0,Y0,X1,Y1 and --in NX,NY")
        if args.write:
            raise ValueError("--write changes a camera of the configuration: name it, without --gate")
        return None, line_of(args), args.camera
    from edge_agent.eye.watch import line_of as line_of_camera

    cameras = {camera.name: camera for camera in load(args.config).cameras}
    if args.camera not in cameras:
        known = ", ".join(cameras) or "none"
        raise ValueError(f"there is no camera {args.camera} in {args.config} (it has: {known}); a film needs --gate")
    camera = cameras[args.camera]
    return camera, line_of_camera(camera), camera.source


def _tell(args: argparse.Namespace, found: Findings, wanted: "Values", *, written: bool) -> None:
    if args.json:
        told: dict[str, Any] = {
            "passes": found.passes,
            "proposed": {key: float(value) if isinstance(value, Decimal) else value for key, value in wanted.items()},
            "item_across_px": found.item_across_px,
            "frames_dropped": found.dropped,
            "noise": found.noise,
            "brightness": found.brightness,
            "false_share": found.false_share,
            "warnings": list(found.warnings),
            "written": written,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return
    lines = [f"{found.passes} things passed; {found.frames_per_s:g} pictures a second, {found.dropped} dropped"]
    lines.append(
        f"light {found.brightness:g} of 255, noise {found.noise:g} grey, {found.false_share:.0%} false on the line"
    )
    lines += [f"warning: {wrong}" for wrong in found.warnings]
    lines += ["proposed:", *(f"  {key} = {_shown(value)}" for key, value in wanted.items())]
    if args.output is not None:
        lines.append(f"look whether the gate is where you want it: {args.output}")
    if written:
        lines.append(
            f"written to {args.config}; next: restart `edge-agent watch {args.camera}`: it signs what is in force"
        )
    elif wanted and args.gate is None:
        lines.append(f"next: edge-agent commission {args.camera} --write")
    sys.stdout.write("\n".join(lines) + "\n")


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _fail(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent commission: {why}\n")
    return code
