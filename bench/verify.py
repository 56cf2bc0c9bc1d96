"""How long a bank waits: a machine-month (43,200 minutes in 8,640 statements) verified by the command itself.

    python bench/verify.py [--days 30] [--points 4] [--runs 3]

Prints seconds of wall and processor time including the interpreter's start, statements a second, and the peak of
resident memory. Beside it, one Ed25519 check's time on this machine, which is the floor.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from evidence.bodies import Aggregate, Column  # noqa: E402 - the repository's root comes first
from evidence.bundle import Entry, write_bundle  # noqa: E402
from tests.world.notebook import Notebook  # noqa: E402

AGGREGATES = (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.LAST)


def main() -> None:
    """Make a machine's time, verify it a few times, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--points", type=int, default=4, help="points of the machine, each kept as four aggregates")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "month.bundle"
        notebook = Notebook()
        with path.open("wb") as file:
            count = write_bundle(file, machine_time(notebook, chosen.days, chosen.points)) - 3
        size = path.stat().st_size
        print(
            f"{count:,} statements, {chosen.days * 1440:,} minutes, {size / 1e6:.1f} MB, {size // count:,} bytes each"
        )
        print(f"one signature check on this machine: {one_check(notebook):.0f} us")
        fingerprint = notebook.receiver.public.fingerprint
        command = [sys.executable, "-m", "evidence.cli", "verify", str(path), "--fingerprint", fingerprint]
        for processes in (1, 2):
            for _ in range(chosen.runs):
                wall_s, cpu_s, peak_mb, verdict = measure([*command, "--processes", str(processes)])
                rate = f"{count / wall_s:,.0f} statements/s"
                print(
                    f"{processes} process{'es' if processes > 1 else ''}: wall {wall_s:.2f} s  cpu {cpu_s:.2f} s  "
                    f"{rate}  peak {peak_mb:.0f} MB  {verdict}"
                )


def machine_time(notebook: Notebook, days: int, points: int) -> Iterator[tuple[Entry, bytes]]:
    """A bundle's entries, made one by one."""
    yield Entry.KEY, notebook.receiver.public.to_cose_key()
    yield Entry.ROSTER, notebook.roster()
    stream = "machine/lathe"
    for chain in ("box", stream):
        notebook.chain(chain)
    for i in range(days * 288):
        power = (0, 500_000, 5_000_000, 6_000_000)[i // 12 % 4]
        window: list[list[int | None]] = [[power + 1000 * j for j in range(60)] for _ in range(5)]
        notebook.minutes(stream, window, more=extra_columns(points - 1))
        yield from ((Entry.STATEMENT, page) for page in notebook.pages)
        notebook.pages.clear()
    yield Entry.RECEIPT, notebook.receipt()


def extra_columns(points: int) -> list[Column]:
    """Voltages and the like: five rows each."""
    values: list[int | None] = [2301, 2302, 2305, 2299, 2304]
    return [
        Column(point=f"voltage_l{point + 1}", aggregate=aggregate, unit="V", decimals=1, values=values)
        for point in range(points)
        for aggregate in AGGREGATES
    ]


def one_check(notebook: Notebook) -> float:
    """Microseconds of one Ed25519 verification of a statement-sized message."""
    message = bytes(900)
    signature = notebook.key.sign(message)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(500):
            notebook.key.public.verify(signature, message)
        best = min(best, (time.perf_counter() - start) / 500)
    return best * 1e6


def measure(command: list[str]) -> tuple[float, float, float, str]:
    """(wall s, processor s, peak MB, the verdict) of one run of the command."""
    start = time.perf_counter()
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=compiled) as process:
        assert process.stdout is not None  # noqa: S101
        output = process.stdout.read().decode()
        _, _, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        process.returncode = 0
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.splitlines()[-1].split(":")[0]


if __name__ == "__main__":
    main()
