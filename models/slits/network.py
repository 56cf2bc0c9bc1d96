"""The net that reads slit-scans: a small hourglass of plain 3 x 3 convolutions, at half the scan's resolution.

Input: N x 13 x samples x columns, 0 to 1: what `edge_agent.eye.slit_counter.slit_scan` makes of the lines. Output, for
each cell of 2 samples x 2 columns: logits of "an item's centre crosses here", of "inwards", of "what crosses is a
person"; and logarithms of the crossing's extent in columns and in samples.
"""

from __future__ import annotations

import torch
from network import Block
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 13
WAYS = 3
"""The last of them: which way the pattern moves. A level of `NO_WAY` is no way at all."""

NO_WAY = 128 / 255
CLASSES = ("crossing", "inward", "person")
LOGIT_LIMIT = 6.0
"""Logits are cut to plus and minus this: eight bits then hold steps of a twentieth."""

LARGEST = 5.75
"""Logarithm of more columns than a scan has."""

WIDTHS = {"slit": (16, 24, 40, 56, 56), "tiny": (8, 8, 8, 8, 8)}
"""Channels at a half, a quarter, an eighth and a sixteenth of the scan, and further along time. `tiny` is for tests."""


class SlitNetwork(nn.Module):
    """Slit-scans become maps of crossings. The two last levels halve time alone: a stop on the line lasts long."""

    def __init__(self, widths: tuple[int, int, int, int, int]) -> None:
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        nothing = torch.tensor([0.0] * (CHANNELS - WAYS) + [NO_WAY] * WAYS)
        self.register_buffer("nothing", nothing.reshape(1, CHANNELS, 1, 1), persistent=False)
        self.level1 = nn.Sequential(Block(CHANNELS, w1, 2), Block(w1, w1))
        self.level2 = nn.Sequential(Block(w1, w2, 2), Block(w2, w2))
        self.level3 = nn.Sequential(Block(w2, w3, 2), Block(w3, w3))
        self.level4 = nn.Sequential(Block(w3, w4, 2), Block(w4, w4), Block(w4, w4))
        self.level5 = nn.Sequential(Block(w4, w5, (1, 2)), Block(w5, w5), Block(w5, w5))
        self.level6 = nn.Sequential(Block(w5, w5, (1, 2)), Block(w5, w5), Block(w5, w5))
        self.up6, self.up5 = Block(w5, w5), Block(w5, w4)
        self.up4, self.up3, self.up2 = Block(w4, w3), Block(w3, w2), Block(w2, w1)
        self.last = Block(w1, w1)
        self.head = nn.Conv2d(w1, 5, 1)
        if self.head.bias is not None:
            nn.init.constant_(self.head.bias[:1], -4.0)  # a crossing is rare

    def forward(self, x: Tensor) -> Tensor:
        """N x 13 x H x W to N x 5 x H/2 x W/2: crossing, inward, log columns, log samples, person."""
        half = self.level1(x - self.nothing)  # so that the zeros around it say nothing
        quarter = self.level2(half)
        eighth = self.level3(quarter)
        sixteenth = self.level4(eighth)
        long = self.level5(sixteenth)
        long = long + _wider(self.up6(self.level6(long)))
        sixteenth = sixteenth + _wider(self.up5(long))
        eighth = eighth + _twice(self.up4(sixteenth))
        quarter = quarter + _twice(self.up3(eighth))
        half = half + _twice(self.up2(quarter))
        found: Tensor = self.head(self.last(half))
        return found


class Exported(nn.Module):
    """The network as it is exported: logits and extents apart, each cut to the range that eight bits hold well."""

    def __init__(self, network: SlitNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of `CLASSES`, and logarithms of extents in columns and samples."""
        found = self.network(x)
        logits = torch.cat([found[:, :2], found[:, 4:]], dim=1)
        return logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT), found[:, 2:4].clamp(0.0, LARGEST)


def build(size: str) -> SlitNetwork:
    """A new network: `slit` or `tiny`."""
    return SlitNetwork(WIDTHS[size])


def loss(found: Tensor, crossings: Tensor, truth: Tensor, near: Tensor) -> dict[str, Tensor]:
    """How wrong it is: about where something crosses (focal), its extents, which way, and who.

    `crossings` N x 1: 1 at a centre and less around it; `near` N x 1: 1 where N x 4 `truth` is true, which is inward,
    logarithms of columns and samples, person, as the network's last four maps.
    """
    found = found.float()
    chance = torch.sigmoid(found[:, :1]).clamp(1e-4, 1 - 1e-4)
    is_centre = (crossings > 0.999).float()  # noqa: PLR2004  one, as floats go
    hit = -(is_centre * torch.log(chance) * (1 - chance) ** 2).sum()
    miss = -((1 - is_centre) * (1 - crossings) ** 4 * chance**2 * torch.log(1 - chance)).sum()
    cells = near.sum().clamp(min=1.0)
    off = ((found[:, 2:4] - truth[:, 1:3]).abs() * near).sum() / cells
    sides = functional.binary_cross_entropy_with_logits(found[:, [1, 4]], truth[:, [0, 3]], reduction="none")
    turned, mistaken = ((sides * near).sum(dim=(0, 2, 3)) / cells).unbind()
    return {
        "crossings": (hit + miss) / is_centre.sum().clamp(min=1.0),
        "ways": 0.7 * turned,
        "extents": 0.2 * off,
        "people": 0.4 * mistaken,
    }


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _wider(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=(1.0, 2.0), mode="nearest")
