"""The demonstration, as a stranger runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.world.broker import missing_broker

ROOT = Path(__file__).parents[2]


@pytest.mark.story
@pytest.mark.timeout(300)
@pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))
def test_the_demonstration_finds_what_went_in_and_leaves_nothing_behind(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "demo", "--once"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "TMPDIR": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr
    assert "COMPLETE: 8 streams" in shown.stdout
    assert not list(tmp_path.glob("qianliyan-demo-*"))
