"""How long a page and an industry's mean take on a database of 1,000 machines x 90 days.

    python bench/query.py [--machines 1000] [--days 90]

The rows of `run`, `hour`, `day`, `level` and `alarm` are written directly (synthetic: no statements were signed or
verified for them), so this measures the queries alone. Each time is the best and the middle of --times runs, in a
process of its own cache.
"""

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from cloud_sync.derive import DAY_MS, HOUR_MS, Paint, Span
from cloud_sync.levels import Level, Levels, Width
from cloud_sync.sqlite_derived import StreamFacts, write_facts
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.view import StoreView, name_of
from evidence.bodies import Event, EventKind, Phase
from evidence.keys import SigningKey
from evidence.roster import Enrolled

BEGIN_MS: Final = 1_769_875_200_000
"""A midnight in Shanghai."""
MACHINES_OF_FIRM: Final = 50
SENSORS_OF_FIRM: Final = 20
POINTS_OF_SENSOR: Final = 5


def a_life(dice: Random, days: int) -> list[Span]:
    """Shifts with short stops and some silence: about 12 spans a day."""
    spans: list[Span] = []
    at_ms, end_ms = BEGIN_MS, BEGIN_MS + days * DAY_MS
    while at_ms < end_ms:
        state = dice.choices((Paint.RUNNING, Paint.IDLE, Paint.STOPPED, None), (6, 2, 4, 0.3))[0]
        until_ms = min(end_ms, at_ms + int(dice.expovariate(1 / (2 * HOUR_MS))) + 1000)
        if state is not None:
            spans.append((at_ms, until_ms, int(state)))
        at_ms = until_ms
    return spans


def fill(store: SqliteStore, machines: int, days: int) -> tuple[int, int, int]:
    """Write the rows; how many of run, hour and day."""
    dice = Random(1)
    for firm in range(0, machines, MACHINES_OF_FIRM):
        key = SigningKey.generate().public
        name = f"firm-{firm // MACHINES_OF_FIRM}"
        store.enrol(Enrolled(box=f"box-{firm}", enterprise=name, site="bench", key=key, since_ms=BEGIN_MS))
    with store._connections.writing() as db:  # noqa: SLF001 - a bench writes what no statement says
        for machine in range(machines):
            box = f"box-{machine // MACHINES_OF_FIRM * MACHINES_OF_FIRM}"
            stream = db.execute(
                "INSERT INTO stream (box, stream) VALUES (?, ?)", (box, f"machine/m-{machine}")
            ).lastrowid
            db.execute("INSERT INTO segment VALUES (?, 0, 1, x'', randomblob(32))", (stream,))
            facts = StreamFacts(spans=a_life(dice, days))
            write_facts(db, int(stream or 0), facts, twice_contests=False)
        for sensor in range(SENSORS_OF_FIRM):
            _fill_sensor(db, f"fire/s-{sensor}", dice, days)
        return tuple(  # three tables
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
            for table in ("run", "hour", "day")
        )


def _fill_sensor(db: sqlite3.Connection, name: str, dice: Random, days: int) -> None:
    """A sensor of the first firm: its levels by the quarter, an alarm, and one that comes and goes every hour."""
    stream = int(db.execute("INSERT INTO stream (box, stream) VALUES ('box-0', ?)", (name,)).lastrowid or 0)
    db.execute("INSERT INTO segment VALUES (?, 0, 1, x'', randomblob(32))", (stream,))
    end_ms = BEGIN_MS + days * DAY_MS
    levels: Levels = {
        ((f"point-{point}", "kPa", 0), width, at_ms): Level(least := dice.randrange(90, 120), least + 5, at_ms, least)
        for point in range(POINTS_OF_SENSOR)
        for width in Width
        for at_ms in range(BEGIN_MS, end_ms, width)
    }
    events = [
        Event(at_ms=at_ms, event=EventKind.LIMIT, phase=Phase(1 + hour % 2), subject="point-0", value=86, reference=100)
        for hour, at_ms in enumerate(range(BEGIN_MS, end_ms, HOUR_MS))
    ]
    facts = StreamFacts(spans=[(BEGIN_MS, end_ms, int(Paint.HEARD))], events=[(1, 1, events)], levels=levels)
    write_facts(db, stream, facts, twice_contests=False)
    alarm = Event(at_ms=BEGIN_MS, event=EventKind.LIMIT, phase=Phase.RAISED, subject="point-1", value=86, reference=100)
    write_facts(db, stream, StreamFacts(events=[(2, 2, [alarm])]), twice_contests=False)


def curves(store: SqliteStore, days: int, shown: int, width: Width) -> int:
    """What a page asks of the first firm's sensors over the last days."""
    end_ms = BEGIN_MS + days * DAY_MS
    found = store.levels(_sensors(store), end_ms - shown * DAY_MS, end_ms, width)
    return sum(len(measured.slots) for of in found.values() for measured in of.values())


def raised(store: SqliteStore) -> int:
    """What is raised of the first firm's sensors."""
    return sum(map(len, store.alarms(_sensors(store), 5).values()))


def happened(store: SqliteStore, days: int) -> int:
    """A sensor's page: the newest hundred events of 30 days."""
    end_ms = BEGIN_MS + days * DAY_MS
    return store.events(_sensors(store)[0], end_ms - 30 * DAY_MS, end_ms, 100).count


def _sensors(store: SqliteStore) -> list[int]:
    return [stream for stream, _, name in store.names() if name.startswith("fire/")]


def bars(store: SqliteStore, days: int) -> int:
    """What the page asks for one enterprise: the spans of its machines over the last 30 days."""
    end_ms = BEGIN_MS + days * DAY_MS
    spans = StoreView(store).spans(name_of("firm-0"), end_ms - 30 * DAY_MS, end_ms)
    return sum(map(len, spans.values()))


def rows_only(store: SqliteStore, days: int) -> int:
    """The same without the view: the rows as they come."""
    streams = [stream for stream, box, _ in store.names() if box == "box-0"]
    end_ms = BEGIN_MS + days * DAY_MS
    return sum(map(len, store.spans(streams, end_ms - 30 * DAY_MS, end_ms).values()))


def mean(store: SqliteStore) -> int:
    """The cluster's mean daily running hours over all machine-days with coverage >= 0.9; how many those are.

    The rule of reports.mean_daily as one query, since no page asks it yet.
    """
    with store._connections.reading() as db:  # noqa: SLF001
        mean_ms, used = db.execute(_MEAN, (DAY_MS,)).fetchone()
    if not 0 < mean_ms < DAY_MS:
        raise SystemExit("the mean is wrong: this bench is broken")
    return int(used)


_MEAN: Final = """
SELECT avg(running_ms * ?1 / (running_ms + idle_ms + stopped_ms)), count(*)
FROM day JOIN stream ON stream.id = day.stream
WHERE running_ms + idle_ms + stopped_ms >= 0.9 * ?1 AND stream.stream GLOB 'machine/*'
"""


def timed(what: str, ask: Callable[[], int], times: int) -> None:
    """Ask so often, and say how long the best and the middle one took."""
    ask()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        found = ask()
        took.append((time.perf_counter() - began) * 1000)
    print(f"{what:<60} best {min(took):7.1f} ms  middle {statistics.median(took):7.1f} ms  ({found:,})")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--times", type=int, default=15)
    args = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-query-"))
    try:
        with closing(SqliteStore(directory / "receiver.db")) as store:
            runs, hours, days = fill(store, args.machines, args.days)
            print(f"synthetic rows, written directly: {runs:,} run, {hours:,} hour, {days:,} day")
            timed("30 days x 50 bars: rows of run", lambda: rows_only(store, args.days), args.times)
            timed("30 days x 50 bars: as the page's view gives them", lambda: bars(store, args.days), args.times)
            sensors = f"{SENSORS_OF_FIRM} sensors x {POINTS_OF_SENSOR} points"
            for shown, width in zip((1, 7, 30), Width, strict=True):
                asked = partial(curves, store, args.days, shown, width)
                timed(f"{sensors}, {shown} days of levels", asked, args.times)
            timed(f"what is raised of {SENSORS_OF_FIRM} sensors", lambda: raised(store), args.times)
            timed("a sensor's events of 30 days", lambda: happened(store, args.days), args.times)
            timed(f"mean daily running hours, {args.machines} x {args.days} days", lambda: mean(store), 5)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
