"""A camera's process is killed in the middle of an hour: what was sampled is a picture, signed once, and stays here.

Then one picture leaves, and the chain says so first.
"""

import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from evidence.bodies import EventKind, Picture
from evidence.keys import SigningKey
from tests.world.box import Statements, write_config

pytestmark = [pytest.mark.story, pytest.mark.timeout(240)]

DOCK = "gate/dock"
PATIENCE_S = 90.0


def film(path: Path) -> None:
    """A minute in which a box goes over a floor every four seconds."""
    rng = np.random.default_rng(1)
    floor = cv2.GaussianBlur(rng.integers(40, 160, (180, 320), np.uint8), (0, 0), 2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 15, (320, 180))
    for number in range(60 * 15):
        grain = rng.normal(0, 3, floor.shape)  # a picture without any is a film that repeats itself
        picture = np.repeat(np.clip(floor + grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        x = round(-60 + 110 * (number / 15 % 4))
        picture[70:110, max(0, x) : max(0, x + 50)] = (40, 150, 220)
        writer.write(picture)
    writer.release()


def agent(*words: str | Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "edge_agent", *map(str, words)])


def answer(*words: str | Path) -> Any:  # noqa: ANN401
    told = subprocess.run(
        [sys.executable, "-m", "edge_agent", *map(str, words)], check=True, capture_output=True, timeout=60
    )
    return json.loads(told.stdout)


def wait(until: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s
        time.sleep(0.3)


def test_a_kill_in_the_middle_of_an_hour_costs_no_picture_and_none_leaves_unsaid(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4")
    key = SigningKey.generate()
    config = write_config(tmp_path)
    key.save(tmp_path / "signing.pem")
    camera = '\n[[camera]]\nname = "dock"\ntitle = "Dock"\nsource = "film.mp4"\nslit_every_s = 10\n'
    camera += "gate = [160, 0, 160, 180]\nin_normal = [1, 0]\n"
    config.write_text(config.read_text() + camera.replace("film.mp4", str(tmp_path / "film.mp4")))
    folder = tmp_path / "pictures" / "gate-dock"

    def signed() -> list[Picture]:
        bodies = Statements.of(tmp_path / "spool.db", key).bodies(DOCK)
        return [body for body in bodies if isinstance(body, Picture)]

    def left() -> list[str]:
        events = Statements.of(tmp_path / "spool.db", key).events(DOCK)
        return [event.subject for event in events if event.event is EventKind.DISCLOSURE]

    watching = agent("watch", "dock", "--config", config)
    wait(lambda: folder.is_dir() and any(path.stat().st_size > 200 for path in folder.glob("*.strips")))
    watching.send_signal(signal.SIGKILL)  # an "hour" is over, the next has begun, none is drawn
    watching.wait()
    assert signed() == []
    buffers = {path.name for path in folder.glob("*.strips")}

    watching = agent("watch", "dock", "--config", config)
    wait(lambda: not buffers & {path.name for path in folder.glob("*.strips")} and len(signed()) >= 1)
    time.sleep(3)
    watching.terminate()
    assert watching.wait(60) == 0
    pictures = signed()
    assert len(pictures) >= 2, "what the last run left, and what this one saw"
    assert list(folder.glob("*.strips")) == []
    assert all(a.to_ms <= b.from_ms for a, b in pairwise(pictures))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    listed = answer("pictures", "--config", config, "--json")
    assert [one["sha256"] for one in listed] == [picture.sha256.hex() for picture in pictures]
    assert all(one["whole"] for one in listed)
    assert all(picture.data == b"" for picture in pictures), "none left"
    assert left() == []

    leaving = listed[0]["sha256"]
    why = ("--to", "the bank", "--why", "a recount", "--json", "--config", config)
    answer("pictures", "--export", leaving, tmp_path / "hour.webp", *why)
    answer("pictures", "--send", leaving, *why)
    assert left() == [leaving] * 2
    assert [picture.data for picture in signed() if picture.data] == [(tmp_path / "hour.webp").read_bytes()]
