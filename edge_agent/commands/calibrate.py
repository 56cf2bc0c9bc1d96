"""`edge-agent calibrate`: finds out from which power on a machine idles and works, and writes it into box.toml.

    edge-agent calibrate loom-1                        # walk it: off, idle, running, as the program asks for it
    edge-agent calibrate loom-1 --learn 24             # from what the box kept in the last 24 hours
    edge-agent calibrate loom-1 --learn 2 --live       # ask the device itself for two hours
    edge-agent calibrate loom-1 --from walk.csv --off 60 --idle 60 --running 300

Without a terminal nobody is asked: the machine must be off, idle and running for so many seconds, one after the other.
What does not separate is refused. The change to box.toml is shown, and made with --write.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final, TextIO

from edge_agent.clock import Clock, SystemClock
from edge_agent.commands.processes import DEFAULT_CONFIG
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.sections import Machine
from edge_agent.installing.bench import STOP_THE_AGENT, agent_polls
from edge_agent.installing.calibrating.calibration import Calibration, UnusableError, Wanted, calibrate, power_rule
from edge_agent.installing.calibrating.history import NoHistoryError
from edge_agent.installing.calibrating.picture import picture
from edge_agent.installing.calibrating.proposal import Proposal
from edge_agent.installing.calibrating.proposed_file import ProposedFile
from edge_agent.installing.calibrating.report import as_json, as_text, signature_as_text
from edge_agent.installing.calibrating.walk import NoReadingError
from edge_agent.installing.recorder import RecorderError
from edge_agent.installing.screen import Screen
from edge_agent.installing.wording import name_of
from evidence.exits import Exit
from evidence.judging.judge import RunState

USUAL_S: Final = {RunState.STOPPED: 20.0, RunState.IDLE: 20.0, RunState.RUNNING: 60.0}
LONGEST_S: Final = 86_400.0
"""Of one state of a walk."""
LONGEST_H: Final = 24.0 * 31
ANSWER_WITHIN_S: Final = 3600.0
"""How long the question at the end waits."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `calibrate`; its `run` takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "calibrate",
        help="find out from which power on a machine idles and works",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("machine", help="its name in the configuration")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument("--point", help="the power to judge by; default: the one in force, else active_power")
    for state, default_s in USUAL_S.items():
        name = name_of(state)
        help_ = f"a walk: how long it is {name}; 0 leaves that out; default {default_s:g}, with --from 0"
        parser.add_argument(f"--{name}", type=_seconds, metavar="SECONDS", help=help_)
    parser.add_argument(
        "--learn", type=_hours, metavar="HOURS", help="nobody says what it does: learn from what the box kept so long"
    )
    parser.add_argument("--live", action="store_true", help="with --learn: ask the device, not the box's memory")
    parser.add_argument(
        "--from", dest="file", type=Path, metavar="FILE", help="from a recording, or a bundle that this box exported"
    )
    parser.add_argument("--signature-only", action="store_true", help="with --learn or --from: leave the thresholds")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep what is read as a recording, .jsonl or .csv")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the histogram as an SVG, for a telephone")
    parser.add_argument("--write", action="store_true", help="change the configuration as proposed")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=run)


def run(
    args: argparse.Namespace, out: TextIO | None = None, keys: TextIO | None = None, clock: Clock | None = None
) -> Exit:
    """`edge-agent calibrate`: WRONG_OUT_THERE when nothing can be proposed."""
    out = out or sys.stdout
    screen = Screen(sys.stderr if args.json else out, keys or sys.stdin)
    try:
        config, machine, wanted = _understood(args)
        came = calibrate(config, machine, wanted, screen, clock or SystemClock())
        return _Telling(args, machine, came, screen, out).tell()
    except ConfigurationError as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except UnusableError as wrong:
        return _fail(str(wrong), Exit.USAGE)
    except (NoHistoryError, NoReadingError) as wrong:
        return _fail(str(wrong), Exit.WRONG_OUT_THERE)
    except RecorderError as wrong:
        return _fail(str(wrong), Exit.HARDWARE)
    except OSError as wrong:
        return _fail(f"cannot write {wrong.filename}: {wrong.strerror}; may this user write there?", Exit.HARDWARE)
    finally:
        screen.close()


def _understood(args: argparse.Namespace) -> tuple[Config, Machine, Wanted]:
    """Raises UnusableError or ConfigurationError."""
    is_learned = args.learn is not None
    asks_device = args.file is None and (args.live or not is_learned)
    if args.live and (not is_learned or args.file):
        raise UnusableError("--live goes with --learn HOURS, and not with --from.")
    if args.record and not asks_device:
        raise UnusableError("--record keeps what is read from the device, and here nothing is.")
    given = {RunState.STOPPED: args.off, RunState.IDLE: args.idle, RunState.RUNNING: args.running}
    if is_learned and any(seconds is not None for seconds in given.values()):
        raise UnusableError("--off, --idle and --running are for a walk, not for --learn.")
    usual = {} if args.file else USUAL_S
    seconds = {state: usual.get(state, 0.0) if value is None else value for state, value in given.items()}
    is_walk = not is_learned and (not args.file or any(seconds.values()))
    if args.signature_only and is_walk:
        raise UnusableError("--signature-only goes with --learn HOURS, or with --from.")
    if is_walk and not (seconds[RunState.RUNNING] and sum(map(bool, seconds.values())) > 1):
        raise UnusableError("A walk needs --running above 0, and --off or --idle.")
    config = load(args.config)
    known = {machine.name: machine for machine in config.machines}
    if args.machine not in known:
        has = ", ".join(known) or "none"
        raise UnusableError(f"There is no machine {args.machine} in {args.config}; it has: {has}.")
    if args.signature_only and power_rule(known[args.machine]) is None:
        raise UnusableError(f"{args.machine} is not judged by its power: calibrate it without --signature-only first.")
    if asks_device and agent_polls(config):
        raise NoReadingError(STOP_THE_AGENT)
    wanted = Wanted(
        seconds=seconds if is_walk else {},
        point=args.point,
        hours=args.learn,
        file=args.file,
        record=args.record,
        is_live=args.live,
        signature_only=args.signature_only,
    )
    return config, known[args.machine], wanted


class _Telling:
    """Tells what came of it, and writes what is wanted."""

    def __init__(
        self, args: argparse.Namespace, machine: Machine, came: Calibration, screen: Screen, out: TextIO
    ) -> None:
        self._args, self._machine, self._came, self._screen, self._out = args, machine, came, screen, out
        rule = came.found.rule if isinstance(came.found, Proposal) else None
        self._file = ProposedFile(args.config, machine.name, rule, came.signature)
        self._is_worth = rule is not None or came.signature is not None

    def tell(self) -> Exit:
        """Raises ConfigurationError or OSError where something cannot be written."""
        args, came = self._args, self._came
        title = f"{self._machine.title} ({self._machine.name})"
        if args.picture and came.found is not None:
            args.picture.write_text(picture(came.found, title=title, about=came.about), encoding="utf-8")
        if not args.json:
            self._say(title)
        written = self._is_worth and self._writes()
        if written:
            self._file.save()
        code = Exit.OK if self._is_worth else Exit.WRONG_OUT_THERE
        if args.json:
            self._out.write(json.dumps(self._as_json(written=written, code=code), ensure_ascii=False) + "\n")
        elif self._is_worth:
            self._out.write(_AFTER[written].format(file=args.config))
        return code

    def _say(self, title: str) -> None:
        came, out = self._came, self._out
        out.write("\n")
        if came.found is not None:
            out.write(as_text(came.found, title=title, about=came.about, colours=self._screen.colours))
        else:
            out.write(f"{title}: {came.about}\n")
        if self._is_worth or came.found is None:
            out.write(signature_as_text(came.signature, has_one=self._machine.signature is not None))
        if self._args.picture and came.found is not None:
            out.write(f"  picture: {self._args.picture}\n")
        if self._is_worth:
            out.write("\n" + (self._file.diff or f"{self._args.config} says so already\n") + "\n")
        out.flush()

    def _writes(self) -> bool:
        if not self._file.diff or self._args.write or not self._screen.has_person:
            return bool(self._args.write)
        self._screen.say(f"Write this into {self._args.config}? [y/N]")
        return (self._screen.typed(ANSWER_WITHIN_S) or "").lower() in {"y", "yes", "是"}

    def _as_json(self, *, written: bool, code: Exit) -> dict[str, Any]:
        came = self._came
        signature = None if came.signature is None else came.signature.settings()
        found = {} if came.found is None else as_json(came.found)
        told = {"machine": self._machine.name, "from": came.about, **found, "signature": signature}
        return told | {"diff": self._file.diff, "written": written, "exit_code": code}


_AFTER: Final = {
    True: "written; the agent takes it over with: sudo systemctl reload qianliyan-poll (or at its next start)\n",
    False: "nothing was written; next: put these lines into {file}, or run this again with --write\n",
}


def _seconds(text: str) -> float:
    return _number(text, LONGEST_S, least=0.0)


def _hours(text: str) -> float:
    return _number(text, LONGEST_H, least=0.001)


def _number(text: str, most: float, *, least: float) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
    return found


def _fail(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent calibrate: {why}\n")
    return code
