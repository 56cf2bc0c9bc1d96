"""`edge-agent judge`: judges what was read again, by any rule, and says where that differs from what was signed.

    edge-agent judge export.bundle                                   # by the rules that were signed
    edge-agent judge export.bundle --stream machine/press --running-above-w 3000 --idle-above-w 300
    edge-agent judge export.bundle --config box.toml                 # by what a configuration says now
    edge-agent judge press.csv --rule rule.toml                      # a recording, by [run_state], [[limit]] of a file

FILE is a bundle (`edge-agent export`, `evidence pull`, a bank's copy) or a recording (.jsonl, .csv). Nothing is
written, no device is asked, and signatures are not checked: `evidence verify` does that. Where a box kept minutes,
hours are estimated.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TextIO

from edge_agent.codecs.errors import FrameError
from edge_agent.commands.judge_report import Told, as_json, as_text
from edge_agent.commands.judge_source import Windows, is_recording, look_into, measured
from edge_agent.config.judging import read_judging
from edge_agent.config.judging_keys import JUDGED_BY
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.schema import Near, Reader
from edge_agent.config.sections import Machine
from edge_agent.config.settings import settings_of
from evidence.bodies import Configuration
from evidence.errors import EvidenceError
from evidence.exits import Exit
from evidence.judging.judged_by import ByRule
from evidence.judging.stream_judge import Rules

OPTIONS: Final = {
    "running_above_w": "RUNNING from so many watts on",
    "idle_above_w": "IDLE from so many watts on",
    "hysteresis_w": "going down takes so much more",
    "dwell_s": "a new level counts when it lasted so long",
    "interval_s": "judge by the greatest power of so long (strategy interval_max)",
    "hold_s": "an answer speaks for so long; default: two periods",
    "point": "the power to judge by; default: active_power",
}


class UnusableError(Exception):
    """The command cannot be carried out as it was given; the message says what to do."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `judge`; its `run` takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "judge",
        help="judge what was read again, by any rule",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a bundle, a pulled copy's folder, or a recording")
    parser.add_argument(
        "--stream", help="only this one, such as machine/press; of a recording: the machine's in --config"
    )
    parser.add_argument("--config", type=Path, help="judge by what this box's file says of the stream")
    parser.add_argument(
        "--rule", type=Path, metavar="TOML", help="judge by [run_state], [[limit]], [signature] in a file"
    )
    for name, help_ in OPTIONS.items():
        kind = str if name == "point" else _number
        metavar = "POINT" if name == "point" else name.rpartition("_")[2].upper()
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=help_)
    parser.add_argument("--all", action="store_true", help="print every span, not the first ones only")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, out: TextIO | None = None) -> Exit:
    """`edge-agent judge`: WRONG_OUT_THERE when the signed rule does not give what was signed, or nothing is there."""
    out = out or sys.stdout
    try:
        told = [judged(windows, rules) for windows, rules in _chosen(arguments)]
    except UnusableError as wrong:
        return _fail(str(wrong), Exit.USAGE)
    except ConfigurationError as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except (EvidenceError, FrameError) as wrong:
        return _fail(f"{arguments.file}: {wrong}", Exit.WRONG_OUT_THERE)
    except OSError as wrong:
        return _fail(f"cannot read {wrong.filename or arguments.file}: {wrong.strerror}", Exit.WRONG_OUT_THERE)
    if arguments.json:
        out.write(json.dumps({"streams": [as_json(each) for each in told]}, ensure_ascii=False, indent=1) + "\n")
    else:
        out.write("\n\n".join(as_text(each, every=arguments.all) for each in told) + "\n")
    contradicted = not _is_asked(arguments) and any(each.found.exactly_ms for each in told)
    return Exit.WRONG_OUT_THERE if contradicted else Exit.OK


def judged(windows: Windows, rules: Rules | None) -> Told:
    """One stream by these rules; None: by its own."""
    by, settings = ByRule(rules or Rules(), compares=windows.is_signed), dict[str, Any]()
    for body in windows.bodies():
        if isinstance(body, Configuration):
            settings = body.settings
            if rules is None:
                by.rules = Rules.from_settings(settings)
            by.configure(settings)
        else:
            by.readings(body)
    return Told(windows=windows, rules=by.rules, settings=settings, found=by.result())


def _chosen(arguments: argparse.Namespace) -> Iterable[tuple[Windows, Rules | None]]:
    """Which streams, each with what it is to be judged by."""
    config = load(arguments.config) if arguments.config else None
    if sum((config is not None, arguments.rule is not None, bool(_table(arguments)))) > 1:
        raise UnusableError("say by what to judge in one way: --config, or --rule, or --running-above-w and the like")
    machine = _machine(config, arguments.stream, arguments.file) if config else None
    streams = look_into(arguments.file, machine.points if machine else None)
    if arguments.stream and streams and streams[0].is_signed:
        named = ", ".join(windows.stream for windows in streams)
        streams = [windows for windows in streams if windows.stream == arguments.stream]
        if not streams:
            raise UnusableError(f"{arguments.file} has no stream {arguments.stream}; it has {named}")
    if not streams:
        raise UnusableError(f"{arguments.file} has no statement of a machine, a meter or a fire sensor")
    if not _is_asked(arguments):
        if not streams[0].is_signed:
            raise UnusableError("a recording says nothing of rules: give --config, --rule or --running-above-w …")
        return [(windows, None) for windows in streams]
    if config is not None and machine is not None:
        if not streams[0].is_signed:
            return [(streams[0], _of_machine(machine))]
        by_name = {each.stream: each for each in config.machines}
        return [(windows, _of_machine(by_name[windows.stream])) for windows in streams if windows.stream in by_name]
    if len(streams) > 1:
        raise UnusableError("say which with --stream: " + ", ".join(windows.stream for windows in streams))
    return [(windows, _rules(windows, arguments)) for windows in streams]


def _is_asked(arguments: argparse.Namespace) -> bool:
    return bool(arguments.config or arguments.rule or _table(arguments))


def _machine(config: Config, stream: str | None, file: Path) -> Machine:
    """The one that is named, or whose stream any of the file's may be."""
    for machine in config.machines:
        if stream in {None, machine.stream}:
            if stream is None and len(config.machines) > 1 and is_recording(file):
                break
            return machine
    named = ", ".join(machine.stream for machine in config.machines)
    raise UnusableError(f"{config.file} has {named or 'no machine'}: say which with --stream")


def _of_machine(machine: Machine) -> Rules:
    return Rules.from_settings(settings_of(machine))


def _rules(windows: Windows, arguments: argparse.Namespace) -> Rules:
    """By a rule of its own, checked as a configuration is."""
    points, period_ms = measured(windows)
    file = arguments.rule or Path("the command line")
    reader = Reader(file=file, near=Near(folder=Path(), credentials=None))
    root: dict[str, Any] = {"run_state": _table(arguments)}
    if arguments.rule is not None:
        root = reader.parse(arguments.rule.read_bytes())
        reader.unknown(root, JUDGED_BY, "")
    judging = read_judging(reader, root, "", points=points, period_ms=period_ms)
    reader.finish()
    return Rules(
        run_state=judging.run_state,
        limits=judging.limits,
        signature=judging.signature,
    )


def _table(arguments: argparse.Namespace) -> dict[str, object]:
    """[run_state], as the command line says it."""
    table = {name: value for name in OPTIONS if (value := getattr(arguments, name)) is not None}
    return table | ({"strategy": "interval_max"} if "interval_s" in table else {})


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as wrong:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from wrong


def _fail(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent: {why}\n")
    return code
