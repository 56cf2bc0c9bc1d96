"""The detector: plain 3 x 3 convolutions, a map of centres at a quarter of the picture's size, and the size of each.

One architecture, two sizes. `gate` looks at every frame, `stock` once a minute with more care. Input: pictures, blue,
green, red, 0 to 1. Output: for each cell and class the logit of "an item's centre is here", and the logarithm of the
width and height in cells of the item whose centre is near.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from data import CLASSES
from torch import Tensor, nn
from torch.nn import functional

LOGIT_LIMIT = 6.0
"""Logits are cut to plus and minus this: eight bits then hold steps of a twentieth."""

AT_CENTRE = 0.99
"""Of a hill in the map that is wanted, the value that only its top reaches."""

LARGEST = 4.5
"""Logarithm of the largest width in cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How wide each level is and how many convolutions it has; the levels halve the picture 1, 2, 3, 4 and 5 times."""

    widths: tuple[int, int, int, int, int]
    depths: tuple[int, int, int, int]
    """Of the second to the fifth level."""
    input_size: tuple[int, int]
    """Width and height of the exported model's picture."""


SHAPES = {
    "gate": Shape(widths=(16, 24, 48, 72, 88), depths=(2, 2, 3, 2), input_size=(320, 256)),
    "stock": Shape(widths=(16, 32, 64, 128, 128), depths=(3, 3, 4, 3), input_size=(384, 384)),
    "tiny": Shape(widths=(8, 8, 16, 16, 16), depths=(1, 1, 1, 1), input_size=(128, 128)),
}
"""`tiny` is for tests alone."""


class Block(nn.Module):
    """Convolution, normalisation, ramp; added to its input where both have one shape."""

    def __init__(self, inputs: int, outputs: int, stride: int | tuple[int, int] = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.is_residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Same size, or half of it."""
        y = functional.relu(self.norm(self.convolution(x)))
        return x + y if self.is_residual else y


class Network(nn.Module):
    """Pictures become maps of centres and sizes."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        w1, w2, w3, w4, w5 = shape.widths
        self.level1 = Block(3, w1, 2)
        self.level2 = _level(w1, w2, shape.depths[0])
        self.level3 = _level(w2, w3, shape.depths[1])
        self.level4 = _level(w3, w4, shape.depths[2])
        self.level5 = _level(w4, w5, shape.depths[3])
        self.up5, self.up4, self.up3 = Block(w5, w4), Block(w4, w3), Block(w3, w2)
        self.last = nn.Sequential(Block(w2, w2), Block(w2, w2))
        self.centres = nn.Conv2d(w2, len(CLASSES), 1)
        self.sizes = nn.Conv2d(w2, 2, 1)
        if self.centres.bias is not None and self.sizes.bias is not None:
            nn.init.constant_(self.centres.bias, -4.0)  # an item is rare
            nn.init.constant_(self.sizes.bias, 2.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """N x 3 x H x W to N x classes x H/4 x W/4 logits and N x 2 x H/4 x W/4 logarithms."""
        quarter = self.level2(self.level1(x))
        eighth = self.level3(quarter)
        sixteenth = self.level4(eighth)
        sixteenth = sixteenth + _twice(self.up5(self.level5(sixteenth)))
        eighth = eighth + _twice(self.up4(sixteenth))
        quarter = self.last(quarter + _twice(self.up3(eighth)))
        return self.centres(quarter), self.sizes(quarter)


class Exported(nn.Module):
    """The network as it is exported: its outputs cut to the ranges that eight bits hold well."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As the network's."""
        centres, sizes = self.network(x)
        return centres.clamp(-LOGIT_LIMIT, LOGIT_LIMIT), sizes.clamp(0.0, LARGEST)


def build(size: str) -> Network:
    """A new network: `gate`, `stock` or `tiny`."""
    return Network(SHAPES[size])


def parameters(network: nn.Module) -> int:
    """How many numbers it has learned."""
    return sum(one.numel() for one in network.parameters())


def _level(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    return nn.Sequential(Block(inputs, outputs, 2), *(Block(outputs, outputs) for _ in range(depth - 1)))


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def loss(
    out: tuple[Tensor, Tensor], centres: Tensor, sizes: Tensor, near: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """How wrong it is: about centres (focal, softened where the truth may miss an item), and about sizes.

    `centres` 1 at a centre and less around it; `sizes` logarithms, true where `near` is 1; `weight` of "no item here".
    """
    logits, found = out[0].float(), out[1].float()
    chance = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    is_centre = (centres > AT_CENTRE).float()
    hit = -(is_centre * torch.log(chance) * (1 - chance) ** 2).sum()
    miss = -((1 - is_centre) * (1 - centres) ** 4 * chance**2 * torch.log(1 - chance) * weight).sum()
    off = ((found - sizes).abs() * near).sum() / near.sum().clamp(min=1.0)
    return (hit + miss) / is_centre.sum().clamp(min=8.0), off
