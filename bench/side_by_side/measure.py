"""Our box and our receiver through a gateway bench's scenarios, one after another.

    python bench/side_by_side/measure.py --harness FOLDER                 all of them, about 25 minutes
    python bench/side_by_side/measure.py --harness FOLDER outage kill     these

FOLDER is a writable copy of the harness (docs/side-by-side.md says what it must offer); `powercut` and `diskfull`
need root and loop devices. Prints one line of JSON a scenario, and leaves it in FOLDER/results. To what the harness
counts at its broker comes what the receiver holds in its database: readings, holes in their numbers, signed gaps.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from rows import KEY_VARIABLE, box_key, opened, rows_of

from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Shown
from evidence.bodies import Gap

HERE = Path(__file__).parent
END_WAIT_S = 60.0
NICE = 5

SCENARIOS: dict[str, list[str]] = {
    "steady-20": ["--scenario", "steady", "--machines", "20", "--seconds", "20"],
    "steady-100": ["--scenario", "steady", "--machines", "100", "--seconds", "20"],
    "steady-20-sealed-10": ["--scenario", "steady", "--machines", "20", "--seconds", "30", "--warmup", "15"],
    "steady-100-sealed-10": [
        "--scenario",
        "steady",
        "--machines",
        "100",
        "--seconds",
        "30",
        "--warmup",
        "15",
    ],
    "outage": ["--scenario", "outage"],
    "kill": ["--scenario", "kill"],
    "powercut": ["--scenario", "powercut", "--outage", "50"],
    "diskfull": ["--scenario", "diskfull", "--outage", "40"],
    "blackhole": ["--scenario", "blackhole"],
    "hang": ["--scenario", "hang"],
    "exc": ["--scenario", "exc"],
    "rtu": ["--scenario", "rtu", "--machines", "8"],
    "rtudead": ["--scenario", "rtudead", "--machines", "8"],
    "rtudead-timeout-1": ["--scenario", "rtudead", "--machines", "8"],
    "max-20": ["--scenario", "max", "--machines", "20", "--seconds", "20"],
    "max-100": ["--scenario", "max", "--machines", "100", "--seconds", "20"],
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harness", type=Path, required=True)
    parser.add_argument("--port", type=int, default=15000, help="of the block of ports")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of: {', '.join(SCENARIOS)}")
    args = parser.parse_args()
    unknown = set(args.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    for scenario in args.scenarios or SCENARIOS:
        print(json.dumps(measure(args.harness.absolute(), scenario, port=args.port)), flush=True)


def measure(harness: Path, scenario: str, *, port: int) -> dict[str, Any]:
    """One scenario: what the harness found, and beside it what the receiver holds."""
    tag = f"edge-agent-{scenario}"
    work = harness / "work" / tag
    key = harness / "work" / f"{tag}.key"
    spec = harness / "work" / f"{tag}.json"
    spec.parent.mkdir(exist_ok=True)
    spec.write_text(json.dumps(specification(scenario, key)), encoding="utf-8")
    began_s = time.time()
    run = ["nice", f"-n{NICE}", sys.executable, "run.py", "--gateway", "command", "--extra", f"spec={spec}"]
    done = subprocess.run(
        [*run, *SCENARIOS[scenario], "--tag", tag, "--port", str(port)],
        cwd=harness,
        env=os.environ | {KEY_VARIABLE: str(key)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"scenario": scenario, "failed": done.stderr[-2000:], "output": done.stdout[-2000:]}
    result = harness / "results" / f"{tag}.json"
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    wait_for(work / "receiver" / "ended")
    found |= {"began_s": began_s, "load_at_end": os.getloadavg()[0], "receiver": held(work / "receiver", key)}
    result.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def specification(scenario: str, key: Path) -> dict[str, Any]:
    """What the harness's `command` adapter takes: how to set our box up, start it, and read what it sends."""
    seal_s = 10 if scenario.endswith("sealed-10") else 1
    timeout = ["--timeout-s", "1"] if scenario.endswith("timeout-1") else []
    told = {
        "work": "$work",
        "broker-port": "$broker_port",
        "base-port": "$base_port",
        "machines": "$machines",
    }
    told |= {"period-ms": "$period_ms", "baud": "$baud", "seal-s": str(seal_s), "key": str(key)}
    arguments = [f"--{name}={value}" for name, value in told.items()]
    return {
        "name": f"edge-agent, sealed every {seal_s} s" + (", timeout 1 s" if timeout else ""),
        "notes": "every reading signed, sent over mTLS, kept until the receiver's signed receipt",
        "argv": [sys.executable, "-m", "edge_agent", "run", "--config", "$work/box.toml"],
        "setup": [[sys.executable, str(HERE / "prepare.py"), *arguments, "--serial=$serial", *timeout]],
        "extract": f"{HERE / 'rows.py'}:extract",
    }


def held(receiver: Path, key: Path) -> dict[str, Any]:
    """What the receiver's database has, every statement verified again."""
    public = box_key(key)
    seen: defaultdict[int, set[int]] = defaultdict(set)
    gaps: Counter[str] = Counter()
    statements = twice = after = 0
    store = SqliteStore(receiver / "receiver.db")
    try:
        streams = store.streams()
        shown = {stream.id: Shown() for stream in streams}
        while page := store.commits(
            shown, after=after, up_to=store.last_commit(), at_most=1000, at_most_bytes=16 * 1024 * 1024
        ):
            after = page[-1].seq
            for commit in page:
                statement = opened(commit.encoded, public)
                statements += 1
                if isinstance(statement.body, Gap):
                    gaps[statement.body.reason.name] += statement.body.lost or 0
                for row in rows_of(statement):
                    twice += row["seq"] in seen[row["machine"]]
                    seen[row["machine"]].add(row["seq"])
        refused = len(store.quarantine())
    finally:
        store.close()
    return {
        "statements": statements,
        "readings": sum(map(len, seen.values())),
        "holes": sum(max(numbers) - min(numbers) + 1 - len(numbers) for numbers in seen.values() if numbers),
        "twice": twice,
        "signed_gaps": gaps,
        "refused": refused,
        "whole_chains": all(s.mark is not None and s.mark + 1 == s.held and not s.forks for s in streams),
    }


def wait_for(file: Path) -> None:
    """The receiver has committed what it had and ended."""
    deadline_s = time.monotonic() + END_WAIT_S
    while not file.exists():
        if time.monotonic() > deadline_s:
            sys.exit(f"the receiver did not end: {file.parent}/log")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
