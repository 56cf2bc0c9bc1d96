"""What polling alone costs: CPU per read and resident memory, over real Modbus TCP.

    python bench/poll_line.py                    # 100 machines x 20 registers x 1 Hz, then as fast as it goes
    python bench/poll_line.py --machines 20 --seconds 20

Prints one JSON line a case. The plant is another process; CPU and memory are this process's own.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_agent.clock import SystemClock
from edge_agent.config.load import Box, Bus, Config, Keep, Machine
from edge_agent.config.profiles import Function, Limits, PointKind, PointType, Profile, Register
from edge_agent.config.sections import BusKind, TcpPort
from edge_agent.drivers.modbus import Answer, line_of, question
from edge_agent.drivers.modbus_plan import plan_of
from edge_agent.polling.lines import Lines
from edge_agent.polling.poll import Poller
from edge_agent.reading import Reading

POINTS = tuple(
    Register(
        name=f"value_{at}",
        function=Function.HOLDING_REGISTERS,
        address=at,
        type=PointType.UINT16,
        scale=Fraction(1, 10),
        unit="W",
        decimals=1,
        kind=PointKind.GAUGE,
    )
    for at in range(20)
)
PROFILE = Profile(id="bench", vendor="bench", model="bench", points=POINTS, sha256=bytes(32))


def main() -> None:
    """Run the cases and print them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--machines", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=15)
    options = arguments.parse_args()
    command = [sys.executable, "-m", "tests.world.plant", "--machines", str(options.machines)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as plant:
        if plant.stdin is None or plant.stdout is None:
            raise SystemExit("no plant")
        machines = machines_at(json.loads(plant.stdout.readline()))
        on_the_grid(machines, options.seconds)
        question_and_answer(machines[0], options.seconds / 3)
        pymodbus_itself(machines[0], options.seconds / 3)
        as_fast_as_it_goes(machines[0], options.seconds / 3)
        plant.communicate()


def machines_at(ports: list[int]) -> list[Machine]:
    """One machine a port, each with its own bus."""
    buses = [
        Bus(
            name=f"host-{number}",
            kind=BusKind.MODBUS_TCP,
            port=TcpPort(host="127.0.0.1", port=port),
            timeout_ms=1000,
            period_ms=1000,
        )
        for number, port in enumerate(ports)
    ]
    return [
        Machine(
            name=bus.name,
            title=bus.name,
            stream=f"machine/{bus.name}",
            bus=bus,
            unit=1,
            profile=PROFILE,
            points=POINTS,
            period_ms=bus.period_ms,
            keep=Keep.MINUTE,
            run_state=None,
        )
        for bus in buses
    ]


def on_the_grid(machines: list[Machine], seconds: float) -> None:
    """Every machine once a second, a thread each."""
    box = Box(
        id="bench",
        enterprise="bench",
        site="bench",
        signing_key=Path("/nowhere"),
        spool=Path("/nowhere"),
        seal_every_ms=300_000,
        heartbeat_every_ms=300_000,
        commit_every_ms=1000,
        disk_quota_bytes=0,
        keep=Keep.MINUTE,
        profiles=None,
    )
    config = Config(
        file=Path("bench"),
        box=box,
        uplink=None,
        buses=tuple(machine.bus for machine in machines),
        machines=tuple(machines),
        cameras=(),
        clock=None,
    )
    failures: Counter[str] = Counter()

    def deliver(reading: Reading) -> None:
        failures[reading.failure.name if reading.failure else "answered"] += 1

    lines = Lines(SystemClock(), deliver, on_failure=lambda: None)
    lines.start(config)
    time.sleep(3)  # connections are made, first slots are over
    failures.clear()
    show = measured(lambda: time.sleep(seconds))
    reads = failures.total()
    lines.close()
    print_case(f"poll, {len(machines)} machines at 1 Hz", reads, show, **failures)


def question_and_answer(machine: Machine, seconds: float) -> None:
    """The door alone: one connection, one question after the other, nothing decoded."""
    line = line_of(machine.bus)
    line.open()
    what = question(machine.bus, 1, plan_of(POINTS, Limits()).blocks[0])
    reads = 0

    def run() -> None:
        nonlocal reads
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reads += isinstance(line.ask(what), Answer)

    show = measured(run)
    line.close()
    print_case("modbus.ask, one connection", reads, show)


def pymodbus_itself(machine: Machine, seconds: float) -> None:
    """Pymodbus' public synchronous call, to compare."""
    from pymodbus.client import ModbusTcpClient  # only to compare

    if not isinstance(machine.bus.port, TcpPort):
        raise TypeError(machine.bus)
    client = ModbusTcpClient(machine.bus.port.host, port=machine.bus.port.port, retries=0)
    reads = 0

    def run() -> None:
        nonlocal reads
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reads += len(client.read_holding_registers(0, count=20, device_id=1).registers) == 20

    show = measured(run)
    client.close()  # type: ignore[no-untyped-call]
    print_case("pymodbus read_holding_registers, one connection", reads, show)


def as_fast_as_it_goes(machine: Machine, seconds: float) -> None:
    """Schedule, ask, decode, deliver without ever waiting: the ceiling of one bus."""
    line = line_of(machine.bus)
    delivered: Counter[bool] = Counter()
    poller = Poller(
        machine.bus,
        [machine],
        line=line,
        clock=SystemClock(),
        deliver=lambda reading: delivered.update([reading.failure is None]),
        chance=Random(1),
    )

    def run() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            poller.step()

    show = measured(run)
    line.close()
    print_case("poll.step, one connection", delivered[True], show)


def measured(run: Callable[[], None]) -> dict[str, float]:
    """CPU seconds and wall seconds of a run, and resident megabytes at its end."""
    before, began = time.process_time(), time.monotonic()
    run()
    after = time.process_time()
    status = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return {
        "cpu_s": after - before,
        "wall_s": time.monotonic() - began,
        "rss_mb": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
    }


def print_case(name: str, reads: int, show: dict[str, float], **counts: int) -> None:
    """One JSON line."""
    figures = {
        "case": name,
        "reads": reads,
        "reads_per_s": round(reads / show["wall_s"]),
        "ms_cpu_per_read": round(1000 * show["cpu_s"] / max(reads, 1), 4),
        "rss_mb": round(show["rss_mb"], 1),
        "threads": show["threads"],
    }
    print(json.dumps(figures | counts), flush=True)


if __name__ == "__main__":
    main()
