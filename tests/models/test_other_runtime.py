"""The old runtime, which is all that 32-bit ARM has, says of a picture what the new one says.

Needs an environment with tflite-runtime (and numpy < 2): scripts/test-models makes one, .venv-tflite.
"""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.eye.counting import Picture
from edge_agent.eye.litert import Model, listed

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))

from slits.simulate import simulate  # noqa: E402  scripts, not an installed package

PYTHON = ROOT / ".venv-tflite" / "bin" / "python"
LOOK = """
import io, sys
import numpy as np
from edge_agent.eye import litert
model = litert.Model(litert.listed(sys.argv[1]))
logits, sizes = model.maps(np.load(io.BytesIO(sys.stdin.buffer.read())))
out = io.BytesIO()
np.savez(out, logits=logits, sizes=sizes, runtime=litert._runtime()[1])
sys.stdout.buffer.write(out.getvalue())
"""


pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no .venv-tflite with tflite-runtime here; scripts/test-models makes it"
)


@pytest.mark.parametrize("name", ["gate", "stock"])
def test_both_runtimes_agree(name: str) -> None:
    wide, high = listed(name).input_size
    rng = np.random.default_rng(11)
    picture = np.full((high, wide, 3), 110, dtype=np.uint8)
    for _ in range(12):
        x, y = int(rng.integers(0, wide - 60)), int(rng.integers(0, high - 60))
        picture[y : y + 50, x : x + 50] = rng.integers(120, 230, 3)
    (logits, sizes), (other_logits, other_sizes) = Model(listed(name)).maps(picture), old_maps(name, picture)
    step = float(np.min(np.diff(np.unique(logits))))
    assert np.mean(np.abs(other_logits - logits) <= 3.5 * step) > 0.99  # each rounds in its own way
    assert np.abs(other_sizes - sizes).mean() < 0.05


def test_both_runtimes_read_a_slit_scan_alike() -> None:
    for seed in (3, 5, 8):
        scan = simulate(seed).scan()
        (logits, sizes), (other_logits, other_sizes) = Model(listed("slit")).maps(scan), old_maps("slit", scan)
        chances, other_chances = (1 / (1 + np.exp(-one[..., 0])) for one in (logits, other_logits))
        assert np.percentile(np.abs(other_chances - chances), 99) < 0.02
        assert np.abs(other_sizes - sizes).mean() < 0.05


def old_maps(name: str, picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the old runtime makes of it."""
    sent = io.BytesIO()
    np.save(sent, picture)
    ran = subprocess.run([PYTHON, "-c", LOOK, name], input=sent.getvalue(), capture_output=True, check=True, cwd=ROOT)
    other = np.load(io.BytesIO(ran.stdout))
    assert str(other["runtime"]) == "tflite_runtime"
    return other["logits"], other["sizes"]
