"""What asking over a serial line costs: CPU per question and per reading, Modbus RTU and DL/T 645, on pseudo-terminals.

    python bench/line.py                         # 115200 baud, so that the line is not what is measured
    python bench/line.py --baud 9600 --seconds 20

Prints one JSON line a case. Units and meters live in another process, which hands on what they say in pieces of 16
bytes, each in its time, as a serial chip does; CPU is this process's own.
"""

import argparse
import json
import os
import pty
import select
import subprocess
import sys
import time
import tty
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_agent.config.load import Parity
from edge_agent.config.profiles import Profile, Protocol, known_profiles, load_profile
from edge_agent.config.sections import Bus, BusKind, SerialPort
from edge_agent.drivers import driver_of
from edge_agent.drivers.driver import Exchange
from edge_agent.installing.identifying.trying import as_machine
from tests.world.buses import twenty
from tests.world.dlt645_meter import Line645, Meter645
from tests.world.rs485 import Rs485

ROOT = Path(__file__).resolve().parents[1]
PIECE = 16
BITS = 11
METER = "000000000001"


def main() -> None:
    """Run the cases and print them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--baud", type=int, default=115200)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--serve", choices=["rtu", "dlt645-2007", "dlt645-1997"], help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        serve(options.serve, options.baud)
        return
    registers = Profile(id="bench", vendor="bench", model="bench", points=twenty(), sha256=bytes(32))
    cases: list[tuple[str, str, BusKind, int | str, Profile]] = [
        ("Modbus RTU, 20 registers", "rtu", BusKind.MODBUS_RTU, 1, registers),
        ("DL/T 645-2007, one voltage", "dlt645-2007", BusKind.DLT645_2007, METER, only("dlt645_2007_single_phase")),
        ("DL/T 645-2007, three phases", "dlt645-2007", BusKind.DLT645_2007, METER, ours("dlt645_2007_three_phase")),
        ("DL/T 645-2007, the witness", "dlt645-2007", BusKind.DLT645_2007, METER, ours("dlt645_2007_meter")),
        ("DL/T 645-1997, three phases", "dlt645-1997", BusKind.DLT645_1997, METER, ours("dlt645_1997_three_phase")),
    ]
    for title, what, kind, unit, profile in cases:
        command = [sys.executable, __file__, "--serve", what, "--baud", str(options.baud)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as line:
            if line.stdin is None or line.stdout is None:
                raise SystemExit("no line")
            port = SerialPort(device=line.stdout.readline().strip(), baud=options.baud, parity=Parity.NONE, stopbits=1)
            bus = Bus(name="line", kind=kind, port=port, timeout_ms=500, period_ms=1000)
            asked(title, bus, unit, profile, options.seconds)
            line.communicate()


def ours(name: str) -> Profile:
    """One of the profiles that come with the program."""
    return load_profile(known_profiles(None)[name])


def only(name: str) -> Profile:
    """The same with its first point alone."""
    whole = ours(name)
    return Profile(
        id=name,
        protocol=Protocol.DLT645_2007,
        vendor="bench",
        model="bench",
        points=whole.points[:1],
        sha256=whole.sha256,
    )


def asked(title: str, bus: Bus, unit: int | str, profile: Profile, seconds: float) -> None:
    """Ask as fast as the line goes, and print what it cost."""
    driver = driver_of(bus)
    line = driver.line_of(bus)
    if line.open() is not None:
        raise SystemExit(f"{bus.port} cannot be opened")
    asker = driver.asker_of(as_machine(bus, unit, profile), line)
    for _ in range(3):  # blocks that the meter does not have are known by then
        exchange = asker.ask(0)
    if exchange.failure is not None:
        raise SystemExit(f"{title}: {exchange.failure.name}")
    exchanges, cpu_s, wall_s = measured(lambda: asker.ask(0), seconds)
    line.close()
    questions = sum(len(each.frames) for each in exchanges)
    figures = {
        "case": title,
        "points": len(profile.points),
        "readings": len(exchanges),
        "failed": sum(each.failure is not None for each in exchanges),
        "questions_per_s": round(questions / wall_s, 1),
        "cpu_ms_per_question": round(1000 * cpu_s / questions, 3),
        "cpu_ms_per_reading": round(1000 * cpu_s / len(exchanges), 3),
    }
    print(json.dumps(figures), flush=True)


def measured(ask: Callable[[], Exchange], seconds: float) -> tuple[list[Exchange], float, float]:
    """What was said, CPU seconds of this process, wall seconds."""
    exchanges = []
    cpu_s, began_s = time.process_time(), time.monotonic()
    while time.monotonic() - began_s < seconds:
        exchanges.append(ask())
    return exchanges, time.process_time() - cpu_s, time.monotonic() - began_s


def serve(what: str, baud: int) -> None:
    """Units or a meter, and before them a pseudo-terminal that hands on in pieces; until standard input ends."""
    near, far = pty.openpty()
    tty.setraw(near)
    tty.setraw(far)
    print(os.ttyname(far), flush=True)
    edition = 1997 if what.endswith("1997") else 2007
    fast = 100 * baud  # the line's own time is spent here
    wire = (
        Rs485(units=(1,), baud=fast) if what == "rtu" else Line645(meters=[Meter645(METER, edition=edition)], baud=fast)
    )
    with wire:
        behind = os.open(wire.device, os.O_RDWR | os.O_NOCTTY)
        while True:
            ready = select.select([near, behind, sys.stdin], [], [])[0]
            if sys.stdin in ready:
                break
            for end, other in ((near, behind), (behind, near)):
                if end in ready:
                    hand_on(os.read(end, 4096), other, baud)
        os.close(behind)


def hand_on(said: bytes, end: int, baud: int) -> None:
    """As slowly as the line is."""
    for at in range(0, len(said), PIECE):
        piece = said[at : at + PIECE]
        time.sleep(len(piece) * BITS / baud)
        os.write(end, piece)


if __name__ == "__main__":
    main()
