"""Watches a gate for its commissioning, and draws what was configured on a picture of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_agent.eye.counting import Frame
from edge_agent.eye.gate import Gate
from edge_agent.eye.opencv.foreground import Foreground
from edge_agent.eye.opencv.pictures import as_bytes
from edge_agent.eye.opencv.slit import SlitSampler
from edge_agent.eye.track import Tracker
from edge_agent.installing.commission import Look, Passed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_agent.eye.counting import Lost, Picture
    from edge_agent.eye.gate import GateLine
    from edge_agent.eye.track import Box

SPEED_OVER_MS: Final = 400
PATHS_LIMIT: Final = 256
_GREEN: Final = (40, 200, 60)
_YELLOW: Final = (0, 220, 255)


class Watcher:
    """Takes pictures in; what passed, and what they were like, is in `passes` and `looks`."""

    def __init__(self, line: GateLine) -> None:
        self._line = line
        self._sampler = SlitSampler(line)
        self._foreground, self._tracker, self._gate = Foreground(), Tracker(), Gate(line)
        self._paths: dict[int, list[tuple[int, Box]]] = {}
        self._before: Picture | None = None
        self.passes: list[Passed] = []
        self.looks: list[Look] = []
        self.picture: Picture | None = None
        """The last one."""
        self.item: Box | None = None
        """Of the last that passed."""

    def watch(self, frames: Iterable[Frame | Lost], *, until_ms: int | None) -> None:
        """Watch until the pictures end, or so much steady time is over."""
        begun_ms = None
        for frame in frames:
            if not isinstance(frame, Frame):
                return
            begun_ms = frame.steady_ms if begun_ms is None else begun_ms
            if until_ms is not None and frame.steady_ms - begun_ms > until_ms:
                return
            self.see(frame)

    def see(self, frame: Frame) -> None:
        """Take one picture in."""
        now_ms = frame.steady_ms
        boxes = self._foreground.detect(frame)
        tracks = self._tracker.update(boxes, at_ms=now_ms)
        for track in tracks:
            self._paths.setdefault(track.id, []).append((now_ms, track.box))
        for crossing in self._gate.observe(tracks, at_ms=now_ms):
            self._pass(self._paths.get(crossing.track, []), crossing.at_ms)
        while len(self._paths) > PATHS_LIMIT:
            del self._paths[min(self._paths)]
        sample = self._sampler.sample(frame.picture)[0]
        change = 0.0 if self._before is None else float(np.median(cv2.absdiff(sample, self._before)))
        self._before = sample
        self.picture = frame.picture
        brightness = float(np.median(frame.picture[::4, ::4]))
        on_line = sum(self._is_on_line(box) for box in boxes)
        self.looks.append(Look(at_ms=now_ms, brightness=brightness, change=change, on_line=on_line))

    def _pass(self, path: list[tuple[int, Box]], at_ms: int) -> None:
        near = [(seen_ms, box) for seen_ms, box in path if abs(seen_ms - at_ms) <= SPEED_OVER_MS]
        if len(near) < 2:  # noqa: PLR2004 - a speed needs two
            return
        (first_ms, first), (last_ms, last) = near[0], near[-1]
        way = self._line.distance(last.centre) - self._line.distance(first.centre)
        box = min(near, key=lambda one: abs(one[0] - at_ms))[1]
        self.item = box
        speed = 1000 * way / max(1, last_ms - first_ms)
        self.passes.append(Passed(at_ms=at_ms, width=box.width, height=box.height, speed_px_per_s=speed))

    def _is_on_line(self, box: Box) -> bool:
        along, far = self._line.along(box.centre), abs(self._line.distance(box.centre))
        return 0 <= along <= 1 and far <= self._line.extent(box) / 2


def with_gate(picture: Picture, line: GateLine, *, item: tuple[float, float, float, float] | None = None) -> Picture:
    """The picture with the gate, an arrow that points inside, and an item."""
    drawn = picture.copy()
    thick = max(1, round(min(drawn.shape[:2]) / 200))
    ends = [(round(line.x0), round(line.y0)), (round(line.x1), round(line.y1))]
    middle = ((line.x0 + line.x1) / 2, (line.y0 + line.y1) / 2)
    reach = min(drawn.shape[:2]) / 8
    tip = (round(middle[0] + reach * line.normal[0]), round(middle[1] + reach * line.normal[1]))
    for colour, more in (((0, 0, 0), 2 * thick), (_GREEN, 0)):
        cv2.line(drawn, ends[0], ends[1], colour, thick + more, cv2.LINE_AA)
        cv2.arrowedLine(drawn, (round(middle[0]), round(middle[1])), tip, colour, thick + more, cv2.LINE_AA)
    if item is not None:
        x0, y0, x1, y1 = (round(value) for value in item)
        cv2.rectangle(drawn, (x0, y0), (x1, y1), _YELLOW, thick)
    scale = max(0.4, min(drawn.shape[:2]) / 700)
    for text, at in (("in", tip), (f"{line.x0:g},{line.y0:g}", ends[0]), (f"{line.x1:g},{line.y1:g}", ends[1])):
        place = (
            min(max(2, at[0] + 4), drawn.shape[1] - round(120 * scale)),
            min(max(14, at[1] - 4), drawn.shape[0] - 4),
        )
        for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width, cv2.LINE_AA)
    return as_bytes(drawn)
