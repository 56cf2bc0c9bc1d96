"""What it costs that the key is in another process: a statement sealed with the key at hand, and by the signer.

python bench/sign.py
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from edge_agent.clock import SystemClock
from edge_agent.signing.remote import Child, RemotePen
from evidence.bodies import Crossing, Crossings, Direction, Sight
from evidence.keys import SigningKey
from evidence.pen import Pen
from evidence.statement import ClockQuality, Moment, seal

BOX = "bench"


def main() -> None:
    """Print one line a size of statement."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=500)
    times = arguments.parse_args().times
    with tempfile.TemporaryDirectory() as directory:
        key, file = SigningKey.generate(), Path(directory) / "signing.key"
        key.save(file)
        child = Child(BOX, file, ("gate/*",))
        with closing(RemotePen(child, SystemClock())) as pen:
            for crossings in (0, 100, 3000):
                body = body_of(crossings)
                here, there = took_us(key, body, times), took_us(pen, body, times)
                size = len(sealed(key, body))
                print(json.dumps({"bytes": size, "here_us": here, "by_the_signer_us": there}), flush=True)
            print(json.dumps({"signer_rss_mb": round(psutil.Process(child.pid).memory_info().rss / 1e6, 1)}))


def body_of(crossings: int) -> Crossings:
    """As many crossings at a gate."""
    return Crossings(
        from_ms=0,
        to_ms=crossings + 1,
        crossings=[
            Crossing(at_ms=at, direction=Direction.IN, label="carton", confidence_permille=900, track=at)
            for at in range(crossings)
        ],
        total_in=crossings,
        total_out=0,
        sight=[(0, Sight.CLEAR)],
        frames_seen=1,
        frames_dropped=0,
        detector="bench",
        detector_sha256=bytes(32),
    )


def sealed(pen: Pen, body: Crossings) -> bytes:
    """One statement."""
    moment = Moment(boot=bytes(16), steady_ms=1, at_ms=2, clock=ClockQuality.NTP, clock_error_ms=None)
    return seal(pen, box=BOX, stream="gate/a", n=0, prev=b"", moment=moment, config=bytes(32), body=body)


def took_us(pen: Pen, body: Crossings, times: int) -> dict[str, int]:
    """Median and the slowest of a hundred."""
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        sealed(pen, body)
        took.append((time.perf_counter_ns() - began) // 1000)
    took.sort()
    return {"median": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}


if __name__ == "__main__":
    main()
