"""Slit-scans of scenes that never were, with every crossing known exactly: what the slit model learns from.

A gate, a floor, and what may happen there: belts, loose goods, hands, people, nothing. Flat on purpose: on a line
across a gate even a real thing is flat, and twenty scans a second can be made where a renderer makes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slits import camera, people, traffic
from slits.canvas import Canvas
from slits.dice import Dice
from slits.stage import Stage
from slits.textures import colour, texture

from edge_agent.eye.slit_counter import SAMPLES, slit_scan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from slits.textures import Bytes, Textures

    from edge_agent.eye.slit_passes import Pass

SCENES = {"belt": 0.4, "loose": 0.2, "people": 0.15, "hands": 0.12, "two belts": 0.08, "empty": 0.05}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlitSample:
    """What a camera saw on the lines across a gate, and what crossed it."""

    lines: Bytes
    """Columns x lines x samples x 3, as `edge_agent.eye.opencv.slit.SlitSampler` gives them."""
    inside: NDArray[np.bool_]
    """Which lines lie in the picture."""
    passes: tuple[Pass, ...]
    """In order of time; score 1, inward and person each 1 or 0."""
    scene: str
    """One of `SCENES`: what it is mostly about."""

    def scan(self) -> Bytes:
        """Samples x columns x 13: what the model looks at."""
        return slit_scan(self.lines, self.inside)


def simulate(seed: int, real: Textures | None = None, *, scene: str | None = None) -> SlitSample:
    """The same seed and textures make the same scan. Without `real` pictures every surface is drawn."""
    dice = Dice(seed)
    stage = _stage(dice, real)
    floor = texture(dice, *traffic.SURFACE_PX, real, kind=None if dice.often(0.7) else "real")
    stage.canvas.cover(floor, scale=dice.size(0.15, 1.2))
    drawn = dice.one_of(SCENES)
    scene = scene or drawn
    _play(stage, scene)
    if dice.often(0.12):  # a post before it all
        post = dice.whole(0, SAMPLES - 8)
        stage.canvas.pixels[:, :, post : post + dice.whole(2, 12)] = colour(dice)
    passes = tuple(sorted(stage.passes, key=lambda one: (one.column, one.along)))
    levels = camera.taken(dice, stage.canvas.pixels, passes, stage.shown)
    return SlitSample(lines=levels, inside=camera.inside(dice), passes=passes, scene=scene)


def _stage(dice: Dice, real: Textures | None) -> Stage:
    gate = dice.size(80, 640)
    diagonal = gate / dice.between(0.12, 0.95)
    item, aspect = gate * dice.size(0.06, 0.5), dice.size(0.5, 2)
    return Stage(
        dice=dice,
        real=real,
        canvas=Canvas.blank(gate_px=gate, diagonal_px=diagonal, shake=camera.shake(dice)),
        gate_px=gate,
        diagonal_px=diagonal,
        item_px=item,
        aspect=aspect,
        speed_px=max(0.05, item * aspect / dice.size(2, 70)),
        shutter=dice.between(0.1, 1),
        shown=camera.shown(dice),
    )


def _play(stage: Stage, scene: str) -> None:
    dice = stage.dice
    match scene:
        case "belt":
            traffic.belts(stage, 1)
        case "two belts":
            traffic.belts(stage, 2)
        case "loose":
            traffic.loose(stage)
        case _:
            pass
    if scene == "hands" or (scene != "empty" and dice.often(0.12)):
        traffic.hands(stage)
    if scene == "people" or (scene != "empty" and dice.often(0.06)):
        for _ in range(dice.whole(1, 4) if scene == "people" else 1):
            people.walk(stage)
