"""A rendered day over a pledged zone, through the real process: the right stock and the right alarms in the chain."""

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config.load import load
from evidence.bodies import Event, EventKind, Events, Phase, Stock, Verdict
from evidence.keys import SigningKey
from tests.world.box import Statements, write_config

ROOT = Path(__file__).parents[2]
SECONDS, FPS = 96, 3
"""Of the film; an hour of the day is four of its seconds."""
MODEL = ROOT / "models" / "stock.tflite"

pytestmark = [
    pytest.mark.story,
    pytest.mark.timeout(540),
    pytest.mark.skipif(not MODEL.exists(), reason=f"there is no {MODEL}"),
]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    film = tmp_path_factory.mktemp("day") / "day.mp4"
    script = ROOT / "models" / "synth" / "warehouse_day.py"
    words = [sys.executable, str(script), str(film), "--seed", "1", "--seconds", str(SECONDS), "--fps", str(FPS)]
    made = subprocess.run(words, capture_output=True, text=True, check=False, timeout=400)
    if made.returncode == 4 or "No module named" in made.stderr:
        pytest.skip(f"nothing can be rendered here: {made.stderr.strip().splitlines()[-1]}")
    assert made.returncode == 0, made.stderr
    return film, json.loads(film.with_suffix(".json").read_text(encoding="utf-8"))


def test_a_rendered_day_is_in_the_chain_with_the_right_stock_and_the_right_alarms(
    day: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    film, truth = day
    file = write_config(tmp_path, key=True)
    corners = [value for corner in truth["zone"] for value in corner]
    zone = f'[[zone]]\nname = "bay"\ntitle = "成品库3号位"\nsource = "{film}"\npolygon = {corners}\n'
    zone += f'exemplar = {truth["exemplar"]}\nlook_every_s = 1\npace = "file"\ndeclared_depth = 3\ndeclared_rows = 2\n'
    file.write_text(file.read_text(encoding="utf-8") + zone, encoding="utf-8")
    watch_to_the_end(file, tmp_path / "said")

    config = load(file)
    key = SigningKey.load(tmp_path / "signing.pem")
    bodies = Statements.of(config.box.spool, key).bodies("zone/bay")
    windows = [body for body in bodies if isinstance(body, Stock)]
    looks = [look for window in windows for look in window.looks]
    counted = [look for look in looks if look.verdict is Verdict.COUNTED and look.count is not None]
    real = [one["count"] for one in truth["stock"]]
    assert abs((counted[0].count or 0) - real[0]) <= counted[0].uncertain
    assert abs((counted[-1].count or 0) - real[-1]) <= counted[-1].uncertain
    for look in counted:
        assert any(abs((look.count or 0) - count) <= look.uncertain for count in real), "never counted out of thin air"
    assert Verdict.OCCLUDED in {look.verdict for look in looks}, "people and forklifts stood there"
    for before, look in pairwise(looks):
        if look.verdict is not Verdict.COUNTED:
            assert look.count == before.count, "nothing but counting changes a count"
    assert {window.declared for window in windows} == {(3, 2)}

    events = [event for body in bodies if isinstance(body, Events) for event in body.events]
    assert raised(events) == [one["state"] for one in truth["conditions"] if one["state"] != "clear"]
    told = verified(tmp_path, file, key)
    assert "zone/bay" in told
    assert "BROKEN" not in told


def raised(events: list[Event]) -> list[str]:
    """What was done to the camera, in order; that something stood before it is no tampering."""
    began = [event for event in events if event.event is EventKind.CAMERA and event.phase is Phase.RAISED]
    return [event.subject for event in began if event.subject not in {"occluded", "lost", "slow"}]


def watch_to_the_end(config: Path, said: Path) -> None:
    """The real process, until its film is over and it has sealed."""
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "watch", "bay", "--config", str(config)], cwd=ROOT, stderr=out
        )
        give_up_s = time.monotonic() + 400
        while b"read to its end" not in said.read_bytes():
            assert process.poll() is None, said.read_text(encoding="utf-8")
            assert time.monotonic() < give_up_s, "the film is not over"
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def verified(folder: Path, config: Path, key: SigningKey) -> str:
    """What a bank's verifier says of an export, trusting the box's own key."""
    bundle, public = folder / "bay.qly", folder / "box.pub"
    public.write_bytes(key.public.to_cose_key())
    ran(["-m", "edge_agent", "export", "-o", str(bundle), "--all", "--config", str(config)])
    return ran(["-m", "evidence.cli", "verify", str(bundle), "--trust", str(public)])


def ran(words: list[str]) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in {0, 1}, done.stdout + done.stderr  # 1: nobody else vouches for this key
    return done.stdout
