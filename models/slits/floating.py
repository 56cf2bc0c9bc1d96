"""Trained weights as the box's own model looks from outside: what eight bits are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from slits import network
from train import load_weights

if TYPE_CHECKING:
    from pathlib import Path

    from slits.textures import Bytes, Floats


class FloatSlits:
    """`slits.evaluate.SlitMaps` in float."""

    def __init__(self, size: str, weights: Path) -> None:
        """Raises OSError, and RuntimeError where the weights are another network's."""
        model = network.build(size)
        load_weights(model, weights)
        self._model = network.Exported(model).eval()

    def maps(self, picture: Bytes) -> tuple[Floats, Floats]:
        """Logits and sizes, rows x columns x channels, of samples x columns x 13."""
        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None])).float() / 255
        with torch.inference_mode():
            logits, sizes = self._model(x)
        return logits[0].permute(1, 2, 0).numpy(), sizes[0].permute(1, 2, 0).numpy()
