"""The demonstration, as a stranger runs it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world.broker import missing_broker

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "demo", "--once"]
PARTS = ("mosquitto", "cloud-sync serve", "demo.workshop", "edge-agent poll", "edge-agent sync", "edge_agent sign")
needs_a_broker = pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))


@pytest.mark.story
@pytest.mark.timeout(300)
@needs_a_broker
def test_the_demonstration_finds_what_went_in_and_leaves_nothing_behind(tmp_path: Path) -> None:
    shown = subprocess.run(
        DEMO, cwd=ROOT, env=_environment(tmp_path), capture_output=True, text=True, timeout=280, check=False
    )
    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr
    assert "COMPLETE: 10 streams" in shown.stdout
    assert "WITNESS NOTED cover_open_count" in shown.stdout
    assert "LIMIT RAISED pressure" in shown.stdout
    assert "LIMIT CLEARED pressure" in shown.stdout
    assert not list(tmp_path.glob("qianliyan-demo-*"))


@pytest.mark.story
@pytest.mark.timeout(480)
@needs_a_broker
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_demonstration_ends_all_that_it_started(tmp_path: Path, end: signal.Signals) -> None:
    with (tmp_path / "said").open("wb") as said:
        demo = subprocess.Popen(DEMO, cwd=ROOT, env=_environment(tmp_path), stdout=said, stderr=said)
    try:
        _wait_until(lambda: all(any(part in c for c in _below(demo.pid).values()) for part in PARTS), within_s=120)
        started = _below(demo.pid)
    finally:
        demo.send_signal(end)
    assert demo.wait(60) != 0
    _wait_until(lambda: not [command for pid in started if (command := _command(pid))], within_s=60)
    assert end is signal.SIGKILL or not list(tmp_path.glob("qianliyan-demo-*"))


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin:/usr/sbin", "TMPDIR": str(folder), "LANG": "C.UTF-8"}


def _wait_until(is_so: Callable[[], bool], *, within_s: float) -> None:
    give_up_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up_s
        time.sleep(0.2)


def _below(pid: int) -> dict[int, str]:
    """Every process that this one started, or one of them did; and its command."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return {each: _command(each) for each in family - {pid}}


def _command(pid: int) -> str:
    """Empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
