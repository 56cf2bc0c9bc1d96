"""How large a page of 40 machines is, and how long it takes: `python bench/page.py`."""

import gzip
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from fastapi import FastAPI

from cloud_sync.page_view import Enterprise, Subject, Watched
from cloud_sync.pages import pages
from tests.world import view as world
from tests.world.sensors import put_sensor
from tests.world.visit import get

MACHINES = 40
SENSORS = 20
RUNS = 5


def forty() -> world.MemoryView:
    """Looms, texturing machines, idlers and a moulding machine, thirty days of each."""
    shapes = [world.two_shift] * 24 + [world.around_the_clock] * 10 + [world.idling] * 5 + [world.moulding]
    view = world.MemoryView(known=[Enterprise(name="hengyuan", title="苏州恒远纺织")])
    for number, shape in enumerate(shapes[:MACHINES]):
        spans = world.days_of(shape, days=31, seed=number, now_ms=world.NOW_MS)
        machine = Watched(
            key=f"loom-{number:02}",
            subject=Subject.MACHINE,
            title=f"{number} 号喷水织机",
            box="sz-0017",
            stream=f"machine/loom-{number:02}",
            first_ms=spans[0].from_ms,
            received_ms=world.NOW_MS,
        )
        world.put(view, machine, spans)
    return view


def main() -> None:
    """Print two tables."""
    measure(f"page of {MACHINES} machines", forty())
    measure(f"page of {SENSORS} fire sensors", sensors())


def measure(what: str, view: world.MemoryView) -> None:
    """Print a table."""
    app = FastAPI()
    app.include_router(pages(view, now_ms=lambda: world.NOW_MS))
    print(f"{what:34}{'bars B':>9}{'HTML B':>9}{'gzip B':>9}{'ms':>7}")
    for address in (
        "/e/hengyuan?day=2026-11-20",
        "/e/hengyuan",
        "/e/hengyuan?span=7d",
        "/e/hengyuan?span=30d",
    ):
        started = time.perf_counter()
        for _ in range(RUNS):
            body = get(app, address, accept_language="zh-CN").content
        took_ms = (time.perf_counter() - started) * 1000 / RUNS
        bars = re.findall(rb'<div class="bar">(<svg.*?</svg>)', body)
        drawn = sum(len(one) for one in bars)
        print(f"{address:34}{drawn:>9}{len(body):>9}{len(gzip.compress(body, 6)):>9}{took_ms:>7.0f}")


def sensors() -> world.MemoryView:
    """Twenty hydrants, each with its curve."""
    view = world.MemoryView(known=[Enterprise(name="hengyuan", title="苏州恒远纺织")])
    hydrant = world.lifelike().sensors["hengyuan", "hydrant-2", Subject.FIRE]
    for number in range(SENSORS):
        put_sensor(view, Subject.FIRE, f"hydrant-{number}", f"{number} 号消火栓", hydrant)
    return view


if __name__ == "__main__":
    main()
