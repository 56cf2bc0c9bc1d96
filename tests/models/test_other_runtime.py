"""The old runtime, which is all that 32-bit ARM has, says of a picture what the new one says.

Needs an environment with tflite-runtime (and numpy < 2): scripts/test-models makes one, .venv-tflite.
"""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_agent.eye.litert import Model, listed

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.skipif(
    not PYTHON.exists(), reason="no .venv-tflite with tflite-runtime here; scripts/test-models makes it"
)
@pytest.mark.parametrize(("name", "channels"), [("gate", 3), ("stock", 3), ("slit", 13)])
def test_both_runtimes_agree(name: str, channels: int) -> None:
    wide, high = listed(name).input_size
    rng = np.random.default_rng(11)
    picture = np.full((high, wide, channels), 110, dtype=np.uint8)
    for _ in range(12):
        x, y = int(rng.integers(0, wide - 60)), int(rng.integers(0, high - 60))
        picture[y : y + 50, x : x + 50] = rng.integers(120, 230, channels)
    sent = io.BytesIO()
    np.save(sent, picture)
    ran = subprocess.run([PYTHON, "-c", LOOK, name], input=sent.getvalue(), capture_output=True, check=True, cwd=ROOT)
    other = np.load(io.BytesIO(ran.stdout))
    assert str(other["runtime"]) == "tflite_runtime"
    logits, sizes = Model(listed(name)).maps(picture)
    step = float(np.min(np.diff(np.unique(logits))))
    assert np.mean(np.abs(other["logits"] - logits) <= 3.5 * step) > 0.98  # each rounds in its own way
    assert np.abs(other["sizes"] - sizes).mean() < 0.05
