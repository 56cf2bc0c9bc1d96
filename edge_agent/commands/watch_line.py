"""`edge-agent watch-line`: live values of one device, or of every device on a bus, asked as the agent would ask.

    edge-agent watch-line loom-1               # refreshed in place; Ctrl-C ends it
    edge-agent watch-line loom-1 --frames      # with the raw bytes and what they mean
    edge-agent watch-line hall --once --json   # every device of the bus hall, once
    edge-agent watch-line loom-1 --record a.jsonl      # keep what it answers, to be played or calibrated from

Stop the agent before: a serial line has one master, and a small gateway takes one connection.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from edge_agent.clock import Clock, SystemClock
from edge_agent.commands.processes import DEFAULT_CONFIG
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.schema import closest
from edge_agent.config.sections import Bus, Machine, SerialPort
from edge_agent.installing.bench import STOP_THE_AGENT, Bench, Told, agent_polls
from edge_agent.installing.raw_frames import described, lines_of
from edge_agent.installing.recorder import Recorder, RecorderError
from edge_agent.installing.screen import Screen
from edge_agent.installing.watched import Watched, number
from evidence.bodies import Failure
from evidence.exits import Exit

COUNT_LIMIT: Final = 1_000_000
FOOT: Final = "f Enter: raw frames    q Enter or Ctrl-C: end"


class _UnusableError(Exception):
    """The user's own mistake; the message says what to do."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `watch-line`; its `run` takes the parsed arguments and returns the exit code."""
    parser = subparsers.add_parser(
        "watch-line",
        help="show live values of one device, with raw frames on demand",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="BUS_OR_MACHINE", help="a machine, or a bus with all its machines")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument("--frames", action="store_true", help="show the raw frames, and what they mean")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep one machine's values as .jsonl or .csv")
    parser.add_argument("--json", action="store_true", help="one JSON object an asking")
    often = parser.add_mutually_exclusive_group()
    often.add_argument("--count", type=_count, metavar="N", help="ask so often, then end")
    often.add_argument("--once", dest="count", action="store_const", const=1, help="ask once, then end")
    parser.set_defaults(run=run)


def run(
    args: argparse.Namespace, out: TextIO | None = None, keys: TextIO | None = None, clock: Clock | None = None
) -> Exit:
    """`edge-agent watch-line`: with --count the exit code says whether the last askings were answered in full."""
    out = out or sys.stdout
    clock = clock or SystemClock()
    try:
        config = load(args.config)
        bus, machines = _chosen(config, args.name, only_one=bool(args.record))
        if agent_polls(config):
            return _fail(STOP_THE_AGENT, Exit.WRONG_OUT_THERE)
        with ExitStack() as stack:
            recorder = None
            if args.record:
                about = f"{machines[0].stream}, {machines[0].profile.id}, read by edge-agent watch-line"
                recorder = stack.enter_context(Recorder(args.record, machines[0].points, about=about))
            bench = stack.enter_context(Bench(bus, machines, clock))
            return _Watching(args, bench, Screen(out, keys or sys.stdin), out, recorder).watch()
    except ConfigurationError as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except _UnusableError as wrong:
        return _fail(str(wrong), Exit.USAGE)
    except RecorderError as wrong:
        return _fail(str(wrong), Exit.HARDWARE)


class _Watching:
    """One session."""

    def __init__(
        self, args: argparse.Namespace, bench: Bench, screen: Screen, out: TextIO, recorder: Recorder | None
    ) -> None:
        self._args, self._bench, self._screen, self._out, self._recorder = args, bench, screen, out, recorder
        self._watched = {machine.name: Watched(machine) for machine in bench.machines}
        self._frames = args.frames
        self._in_place = screen.is_terminal and not args.json and args.count != 1

    def watch(self) -> Exit:
        """Until it was asked often enough, or somebody ends it."""
        rounds, last = 0, list[Told]()
        try:
            while True:
                last = self._bench.round()
                rounds += 1
                for told in last:
                    self._take(told)
                if rounds == self._args.count:
                    break
                if self._in_place:
                    self._screen.page(self._page(), rest=f"… {{}} more lines: a taller window shows them    {FOOT}")
                if not self._go_on(self._screen.typed(self._bench.left_s())):
                    break
        except KeyboardInterrupt:
            pass  # the way to end it
        finally:
            self._screen.close()
        if self._in_place or (not self._args.json and self._args.count == 1):
            self._out.write("\n".join(self._page()[:-1]) + "\n")
        return _verdict(last, self._bench.machines[0].bus) if self._args.count else Exit.OK

    def _take(self, told: Told) -> None:
        self._watched[told.machine.name].take(told)
        if self._recorder is not None:
            self._recorder.keep(told.reading)
        if self._args.json:
            self._out.write(json.dumps(self._as_json(told), ensure_ascii=False) + "\n")
        elif not self._in_place and self._args.count != 1:
            at = datetime.fromtimestamp(told.reading.at_ms // 1000, UTC).strftime("%H:%M:%SZ")
            rows = [f"{at}  {self._watched[told.machine.name].short()}"]
            if self._frames:
                rows += lines_of(told.machine.bus.kind, told.reading.frames)
            self._out.write("\n".join(rows) + "\n")
        self._out.flush()

    def _page(self) -> list[str]:
        rows: list[str] = []
        for watched in self._watched.values():
            rows += [*watched.lines(self._bench.now_ms, frames=self._frames), ""]
        return [*rows, FOOT]

    def _go_on(self, typed: str | None) -> bool:
        if typed is not None and typed.lower() == "f":
            self._frames = not self._frames
        return typed is None or typed.lower() not in {"q", "quit", "exit"}

    def _as_json(self, told: Told) -> dict[str, Any]:
        reading, machine = told.reading, told.machine
        values = {
            point.name: None if value is None else number(value, point)
            for point, value in zip(machine.points, reading.values, strict=True)
        }
        whole: dict[str, Any] = {
            "machine": machine.name,
            "at_ms": reading.at_ms,
            "took_ms": told.took_ms,
            "values": values,
            "failure": None if reading.failure is None else reading.failure.name,
            "events": [[e.event.name, e.phase.name, e.subject, e.value, e.says] for e in reading.events],
        }
        if self._frames:
            whole["frames"] = [
                {"request": request.hex(), "answer": answer.hex(), "means": described(machine.bus.kind, answer)}
                for request, answer in reading.frames
            ]
        return whole


def _chosen(config: Config, name: str, *, only_one: bool) -> tuple[Bus, Sequence[Machine]]:
    """A machine by its name, or else a bus with machines. Raises _UnusableError."""
    machines = {machine.name: machine for machine in config.machines}
    if name in machines:
        return machines[name].bus, (machines[name],)
    buses = {bus.name: bus for bus in config.buses if config.machines_on(bus)}
    if name in buses:
        on_it = config.machines_on(buses[name])
        if only_one and len(on_it) > 1:
            has = ", ".join(machine.name for machine in on_it)
            raise _UnusableError(f"--record keeps one machine, and {name} has {has}: name one of them.")
        return buses[name], on_it
    known = ", ".join([*machines, *buses]) or "none"
    near = closest(name, [*machines, *buses])
    raise _UnusableError(f"There is no machine and no bus with machines called {name}{near}; there are: {known}.")


def _verdict(last: Sequence[Told], bus: Bus) -> Exit:
    failures = {told.reading.failure for told in last} - {None}
    if Failure.LINE_DOWN in failures and isinstance(bus.port, SerialPort):
        return Exit.HARDWARE
    return Exit.WRONG_OUT_THERE if failures else Exit.OK


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= COUNT_LIMIT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {COUNT_LIMIT}")
    return int(text)


def _fail(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent watch-line: {why}\n")
    return code
