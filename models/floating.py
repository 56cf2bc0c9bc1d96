"""Trained weights as a model that the box's own finder can use: what eight bits are compared with."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import data
import network
import numpy as np
import torch
from train import load_weights

from edge_agent.eye.peaks import Found, peaks

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.eye.counting import Picture


class FloatModel:
    """`edge_agent.eye.finding.Finds` in float."""

    def __init__(self, size: str, weights: Path | network.Network, *, least: float = 0.35) -> None:
        """Raises OSError, and RuntimeError where the weights are another network's."""
        self._least = least
        self.input_size = network.SHAPES[size].input_size
        self.classes: tuple[str, ...] = data.CLASSES
        if isinstance(weights, network.Network):
            model, self.name, self.sha256 = weights, f"{size} in float", b""
        else:
            model, self.name = network.build(size), str(weights)
            load_weights(model, weights)
            self.sha256 = hashlib.sha256(weights.read_bytes()).digest()
        self._model = network.Exported(model).eval()

    def find(self, picture: Picture, *, least: float | None = None) -> Found:
        """The items in a picture of exactly the input's size."""
        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None])).float() / 255
        with torch.inference_mode():
            centres, sizes = self._model(x.to(memory_format=torch.channels_last))
        return peaks(
            centres[0].permute(1, 2, 0).contiguous().numpy(),
            sizes[0].permute(1, 2, 0).contiguous().numpy(),
            stride=data.STRIDE,
            least=least or self._least,
        )
