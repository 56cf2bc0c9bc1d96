"""What the box's polling costs, whole: `edge-agent poll` as it runs on a box, with signing and a durable spool.

    python bench/poll.py                      # 100 machines x 20 registers x 1 Hz, then as fast as it goes
    python bench/poll.py --machines 20 --seconds 20 --keep every

Prints one JSON line a case: CPU per machine read and resident memory, of polling and of the process that signs for it;
bytes written to the disk per reading (write_bytes of /proc/PID/io: what reaches the storage layer), missed cycles, and
what came out in the statements. The plant is another process, over real Modbus TCP. The spool lies in --directory,
which should be on the disk that is meant.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_agent.keeping.spool import Spool
from evidence.bodies import Failure, Keep, Readings
from evidence.keys import SigningKey
from evidence.statement import open_statement

ROOT = Path(__file__).resolve().parents[1]
WARM_UP_S = 8
REGISTERS = 20


def main() -> None:
    """Run the cases and print them."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--machines", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--keep", choices=["minute", "every"], default="minute")
    arguments.add_argument("--seal-every-s", type=int, default=300)
    arguments.add_argument("--directory", type=Path, help="for the spool; default: a temporary one")
    options = arguments.parse_args()
    with plant_of(options.machines) as ports, tempfile.TemporaryDirectory(dir=options.directory) as directory:
        for case, period_s, seconds in (("1 Hz", "1", options.seconds), ("20 Hz", "0.05", options.seconds / 3)):
            place = Path(directory) / case.replace(" ", "")
            place.mkdir()
            config = write_box(place, ports, period_s=period_s, keep=options.keep, seal_every_s=options.seal_every_s)
            print(json.dumps({"case": case, **measured(config, seconds, machines=options.machines)}), flush=True)


@contextmanager
def plant_of(machines: int) -> Iterator[list[int]]:
    """The plant's ports."""
    command = [sys.executable, "-m", "tests.world.plant", "--machines", str(machines)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as plant:
        if plant.stdin is None or plant.stdout is None:
            raise SystemExit("no plant")
        yield json.loads(plant.stdout.readline())
        plant.communicate()


def write_box(place: Path, ports: list[int], *, period_s: str, keep: str, seal_every_s: int) -> Path:
    """A box's file: a bus and a machine a port, each judged by its first register."""
    SigningKey.generate().save(place / "signing.pem")
    (place / "profiles").mkdir()
    points = "".join(
        f'[[point]]\nname = "value_{at}"\naddress = {at}\ntype = "uint16"\nscale = 0.1\nunit = "W"\ndecimals = 1\n'
        f'kind = "{"gauge" if at < 16 else "counter"}"\n'
        for at in range(REGISTERS)
    )
    head = 'id = "bench"\nvendor = "bench"\nmodel = "bench"\nfunction = 3\nsource = ["bench/poll.py"]\n'
    (place / "profiles" / "bench.toml").write_text(head + points)
    box = (
        f'[box]\nid = "bench"\nenterprise = "bench"\nsite = "bench"\nsigning_key = "{place}/signing.pem"\n'
        f'spool = "{place}/spool.db"\nprofiles = "{place}/profiles"\nkeep = "{keep}"\nseal_every_s = {seal_every_s}\n'
    )
    for number, port in enumerate(ports):
        box += (
            f'[[bus]]\nname = "b{number}"\nkind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
            f"period_s = {period_s}\n"
            f'[[machine]]\nname = "m{number}"\ntitle = "m{number}"\nbus = "b{number}"\nprofile = "bench"\n'
            '[machine.run_state]\npoint = "value_0"\nrunning_above_w = 300\nidle_above_w = 50\n'
        )
    (place / "box.toml").write_text(box)
    return place / "box.toml"


def measured(config: Path, seconds: float, *, machines: int) -> dict[str, Any]:
    """One run of the poll process, after a warm-up."""
    command = [sys.executable, "-m", "edge_agent", "poll", "--config", str(config)]
    with (config.parent / "log").open("wb") as log, subprocess.Popen(command, cwd=ROOT, stderr=log) as poll:
        process = psutil.Process(poll.pid)
        time.sleep(WARM_UP_S)
        if poll.poll() is not None:
            raise SystemExit((config.parent / "log").read_text())
        cpu, written, began = cpu_s(process), process.io_counters().write_bytes, time.monotonic()
        (signer,) = process.children()  # the process with the key, which a box runs as a unit of its own
        signer_cpu = cpu_s(signer)
        rss, signer_rss = [process.memory_info().rss], [signer.memory_info().rss]
        while time.monotonic() - began < seconds:
            time.sleep(min(1.0, seconds))
            rss.append(process.memory_info().rss)
            signer_rss.append(signer.memory_info().rss)
        signer_cpu = cpu_s(signer) - signer_cpu
        took_s, ended_ms = time.monotonic() - began, time.time_ns() // 1_000_000
        cpu, written = cpu_s(process) - cpu, process.io_counters().write_bytes - written
        poll.send_signal(signal.SIGTERM)
        if poll.wait(30) != 0:
            raise SystemExit((config.parent / "log").read_text())
    counts = counted(config, from_ms=ended_ms - round(took_s * 1000), to_ms=ended_ms)
    reads = counts.pop("reads_whole_run") * took_s / counts.pop("seconds_whole_run")
    return {
        "machines": machines,
        "registers": REGISTERS,
        "seconds": round(took_s, 1),
        "reads_per_s": round(reads / took_s, 1),
        "cpu_ms_per_read": round(1000 * cpu / reads, 3),
        "cpu_percent_of_one_core": round(100 * cpu / took_s, 1),
        "rss_mb_max": round(max(rss) / 1e6, 1),
        "signer_cpu_ms_per_read": round(1000 * signer_cpu / reads, 3),
        "signer_rss_mb_max": round(max(signer_rss) / 1e6, 1),
        "flash_bytes_per_read": round(written / reads),
        "flash_kb_per_s": round(written / took_s / 1000, 1),
        **counts,
    }


def cpu_s(process: psutil.Process) -> float:
    """User and system time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def counted(config: Path, *, from_ms: int, to_ms: int) -> dict[str, Any]:
    """What the signed statements say: readings, missed cycles, failures, size."""
    key = SigningKey.load(config.parent / "signing.pem").public
    reads = missed = failed = size = 0
    begin_ms, end_ms = to_ms, from_ms
    with closing(Spool(config.parent / "spool.db", box="bench", read_only=True)) as spool:
        for encoded in spool.statements(unsent_only=False):
            body = open_statement(encoded, {key.kid: key}.get).body
            if not isinstance(body, Readings):
                continue
            size += len(encoded)
            missed += body.missed
            failed += sum(times for _, why, times in body.failures if why is not Failure.MISSED)
            reads += len(body.times_ms) if body.keep is Keep.EVERY else sum(body.asked)
            begin_ms, end_ms = min(begin_ms, body.from_ms), max(end_ms, body.to_ms)
    return {
        "reads_whole_run": reads,
        "seconds_whole_run": (end_ms - begin_ms) / 1000,
        "missed_cycles": missed,
        "failed_reads": failed,
        "statement_bytes_per_read": round(size / reads, 1),
    }


if __name__ == "__main__":
    main()
