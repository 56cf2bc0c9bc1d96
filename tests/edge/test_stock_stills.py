"""The command on real pictures, where they are: verified zones, an exemplar, a film, mistakes at the keyboard."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_agent.commands.stock import look_at
from edge_agent.eye.counting import Lost
from edge_agent.eye.litert import stock_finder
from edge_agent.eye.opencv.stills import still
from edge_agent.eye.zone import Zone
from tests.world.yard import HEIGHT, WIDTH, Yard

ROOT = Path(__file__).resolve().parents[2]
STILLS = ROOT.parent / "shared" / "stills"
MODEL = ROOT / "models" / "stock.tflite"
needs_the_model = pytest.mark.skipif(not MODEL.exists(), reason=f"there is no {MODEL}")
LEAST_EXACT = 7
"""Of the verified zones: what an early model gave already, less two."""


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", "stock", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


@needs_the_model
@pytest.mark.skipif(not (STILLS / "stills.json").exists(), reason=f"the stills are not at {STILLS}")
def test_most_verified_zones_are_counted_exactly_and_one_by_the_command() -> None:
    images = json.loads((STILLS / "stills.json").read_text(encoding="utf-8"))["images"]
    verified = [(image["image"], zone) for image in images for zone in image.get("zones", ())]
    assert len(verified) == 11
    finder, off = stock_finder(), []
    for name, zone in verified:
        picture = still(STILLS / name)
        assert not isinstance(picture, Lost)
        counted = look_at(finder, picture, Zone.of(v for corner in zone["polygon"] for v in corner), side=None)
        off.append(counted.count - zone["count"])
    assert off.count(0) >= LEAST_EXACT, off
    name, zone = verified[0]
    corners = ",".join(str(value) for corner in zone["polygon"] for value in corner)
    told = json.loads(command(str(STILLS / name), "--zone", corners, "--json").stdout)
    assert told["count"] == zone["count"] + off[0]
    assert {"count", "uncertain", "boxes"} <= set(told)
    assert all(len(box) == 6 and box[0] < box[2] and box[1] < box[3] and 0 < box[4] <= 1 for box in told["boxes"])


@needs_the_model
def test_a_picture_and_a_film_are_told_in_one_object(tmp_path: Path) -> None:
    yard = Yard()
    yard.stands = set(range(12))
    cv2.imwrite(str(tmp_path / "yard.png"), yard.picture())
    writer = cv2.VideoWriter(str(tmp_path / "yard.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 2, (WIDTH, HEIGHT))
    for _ in range(6):
        writer.write(yard.picture())
    writer.release()
    for name, pictures in (("yard.png", 1), ("yard.avi", 3)):
        ran = command(str(tmp_path / name), "--exemplar", "70,80,126,136", "--json")
        told: dict[str, Any] = json.loads(ran.stdout)
        assert (ran.returncode, told["pictures"], len(told["boxes"])) == (0, pictures, told["count"])
        assert len(told["detector_sha256"]) == 64


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no.png"], "there is no file"),
        (["pyproject.toml"], "is not a video that can be read"),
        (["no.png", "--zone", "0,0,9"], "pairs"),
        (["no.png", "--zone", "0,0,90,90,90,0,0,90"], "cross"),
        (["no.png", "--exemplar", "0,0,9"], "a box x0,y0,x1,y1"),
        (["no.png", "--exemplar", "0,0,0,9"], "no box"),
        (["no.png", "--zone", "a,b"], "not numbers"),
        (["no.png", "--items", "pallet"], "invalid choice"),
    ],
)
def test_a_mistake_at_the_keyboard_is_told_in_a_sentence(words: list[str], says: str) -> None:
    ran = command(*words)
    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
