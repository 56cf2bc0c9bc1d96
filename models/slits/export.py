"""The trained net as the file that runs on the box, and its entry in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from export import convert, enter
from slits import network
from slits.simulate import simulate

from edge_agent.eye.slit_counter import COLUMNS, SAMPLES
from edge_agent.eye.slit_passes import STRIDE

if TYPE_CHECKING:
    from pathlib import Path

    from slits.textures import Floats, Textures

SCANS = 96
"""Looked at for calibration."""

FIRST_SEED = 900_000_000
"""Scans that no training saw."""

LEAST_SCORE = 0.2
"""Below this a pass is not told; one that is told faintly needs a witness, see `edge_agent.eye.agreement`."""


def calibration(real: Textures | None, count: int = SCANS) -> list[Floats]:
    """So many scans 1 x samples x columns x 13, 0 to 1; the first black, the second white."""
    shape = (1, SAMPLES, COLUMNS, network.CHANNELS)
    scans = [simulate(FIRST_SEED + n, real).scan()[None].astype(np.float32) / 255 for n in range(count - 2)]
    return [np.zeros(shape, np.float32), np.ones(shape, np.float32), *scans]


def write(
    model: network.SlitNetwork, real: Textures | None, into: Path, facts: dict[str, Any], *, scans: int = SCANS
) -> Path:
    """Write `into`/slit.tflite and its entry in the manifest there; `facts` says how it was trained."""
    _, small = convert(network.Exported(model.eval()), calibration(real, scans))
    entry = {
        "input_size": [COLUMNS, SAMPLES],
        "stride": STRIDE,
        "classes": list(network.CLASSES),
        "least_score": LEAST_SCORE,
    }
    return enter("slit", small, into, {**entry, **facts})
