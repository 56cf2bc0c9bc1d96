"""Whether a picture still shows the scene, and if not, what was done to the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_agent.eye.conditions import BLINDING, Condition, Conditions, Look, Rule
from edge_agent.eye.opencv.life import Repeats, Stands
from edge_agent.eye.opencv.pictures import as_bytes, shrunk
from edge_agent.eye.opencv.place import displacement
from edge_agent.eye.opencv.scene import Likeness, Scene
from evidence.bodies import Sight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.eye.counting import Frame
    from edge_agent.eye.opencv.scene import Floats

SIGHT_PIXELS: Final = 160 * 90
EVERY_MS: Final = 200
"""How often a look is taken; in between the last answer holds."""
REMEMBERED_LIMIT: Final = 4
"""Scenes in different lights."""
SEEK_BELOW: Final = 0.93
"""Median correlation of the scene's blocks, and its detail; below, the scene is sought beside its place."""


class SceneTest:
    """Measures pictures, and says what state the camera is in (`conditions.py` has the rule).

    The scene is remembered from the first good looks and followed slowly, never while blind. So a camera that was
    turned stays `moved` until it is turned back: its gate is not where it was. What `pack` gives makes the next process
    know the scene from the first picture, so that a cover is not learned as the scene; of the scenes of
    several lights the one that is most like the picture is taken.
    """

    def __init__(self, rule: Rule | None = None, *, remembered: Sequence[bytes] = ()) -> None:
        self._rule = rule or Rule()
        self._conditions = Conditions(self._rule)
        unpacked = (Scene.unpack(packed) for packed in remembered[:REMEMBERED_LIMIT])
        self._others = [scene for scene in unpacked if scene is not None]
        self._scene = self._others.pop(0) if self._others else Scene()
        self._stands, self._repeats = Stands(), Repeats()
        self._asked_ms: int | None = None
        self.look: Look | None = None
        """What was measured last."""

    @property
    def condition(self) -> Condition:
        """As last judged."""
        return self._conditions.state

    def pack(self) -> bytes | None:
        """The scene as it is remembered; None while it is not known, or not seen."""
        return self._scene.pack() if self.condition is Condition.CLEAR else None

    def judge(self, frame: Frame) -> tuple[Sight, str]:
        """BLIND with the condition's name, or CLEAR with `clear` or `occluded`. The first picture is judged at once."""
        now_ms = frame.steady_ms
        self._repeats.keep(frame.picture, now_ms)
        if self._asked_ms is None or now_ms - self._asked_ms >= EVERY_MS:
            passed_ms = 0 if self._asked_ms is None else now_ms - self._asked_ms
            self._asked_ms = now_ms
            self.look = self._measure(frame, passed_ms)
            self._conditions.judge(self.look)
        state = self._conditions.state
        return (Sight.BLIND if state in BLINDING else Sight.CLEAR), state.value

    def _measure(self, frame: Frame, passed_ms: int) -> Look:
        small, _ = shrunk(frame.picture, SIGHT_PIXELS)
        grey8 = as_bytes(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        grey = grey8.astype(np.float32)
        green = np.ascontiguousarray(frame.picture[::2, ::2, 1])
        small_things = cv2.subtract(cv2.blur(green, (2, 2)), cv2.blur(green, (5, 5)), dtype=cv2.CV_32F)
        fine = np.asarray(small_things, np.float32)
        levels = np.cumsum(np.bincount(grey8.ravel(), minlength=256))
        if not self._scene.fits(grey):
            self._scene, self._others = Scene(), []
        brightest, contrast = float(np.searchsorted(levels, 0.99 * grey8.size)), float(cv2.meanStdDev(grey8)[1][0, 0])
        likeness = self._likeness(grey, fine)
        displaced = None
        if self._scene.picture is not None and likeness.known and min(likeness.middling, likeness.detail) < SEEK_BELOW:
            displaced = displacement(self._scene.picture, grey, self._scene.telling)
        look = Look(
            at_ms=frame.steady_ms,
            brightest=brightest,
            contrast=contrast,
            known=likeness.known,
            gone=likeness.gone,
            smooth=likeness.smooth,
            detail=likeness.detail,
            depth=likeness.depth,
            light=likeness.light,
            alike=likeness.alike,
            sharp=likeness.sharp,
            displaced=displaced,
            sways=self._scene.sways,
            still_ms=self._stands.look(green[::2, ::2].copy(), frame.steady_ms, base_ms=self._rule.still_ms),
            looped_ms=self._repeats.look(),
        )
        if self._may_teach(look, likeness):
            self._scene.learn(grey, fine, likeness, passed_ms)
        return look

    def _likeness(self, grey: Floats, fine: Floats) -> Likeness:
        """Of the scene in the light that is most like this picture."""
        likeness = self._scene.compare(grey, fine)
        for index, other in enumerate(self._others if likeness.gone > self._scene.taught_by else ()):
            like = other.compare(grey, fine) if other.fits(grey) else Likeness()
            if like.known and like.gone < self._scene.taught_by:
                self._others[index], self._scene = self._scene, other
                return like
        return likeness

    def _may_teach(self, look: Look, likeness: Likeness) -> bool:
        """Only what looks like the scene may change what is remembered of it."""
        dark = look.brightest < self._rule.dark_level or look.contrast < self._rule.blank_contrast
        if dark or look.still_ms or look.looped_ms or self._conditions.state in BLINDING:
            return False
        beside = look.displaced is not None and look.displaced > self._rule.displaced and not look.sways
        blurred = look.detail < self._rule.softened
        most = self._rule.gone if look.sways else self._scene.taught_by
        taught = likeness.gone <= most or self._conditions.state is Condition.OCCLUDED
        return not (likeness.known and (beside or (blurred and not look.sways))) and taught
