"""A yard that is drawn: cartons in rows before a wall, a person, day and night. The truth is known, no model asked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.eye.counting import Picture
from edge_agent.eye.track import Box
from edge_agent.eye.zone import Zone

WIDTH, HEIGHT = 640, 360
ZONE = Zone.of((60, 60, 580, 60, 580, 330, 60, 330))
COLUMNS, SIDE = 8, 56


def place(number: int) -> Box:
    """Where the carton of this number stands: rows of COLUMNS."""
    x, y = 70 + (number % COLUMNS) * 62, 80 + (number // COLUMNS) * 62
    return Box(x0=x, y0=y, x1=x + SIDE, y1=y + SIDE, score=0.9, kind="carton")


class Yard:
    """Draws itself as it is; the same yard in the same light gives the same picture but for the camera's noise."""

    def __init__(self, seed: int = 1) -> None:
        self._dice = np.random.default_rng(seed)
        self._wall = self._texture(HEIGHT, WIDTH, 90, 40)
        self._wall[HEIGHT - 40 :] = self._texture(40, WIDTH, 70, 20)
        for x in range(0, WIDTH, 97):
            self._wall[:, x : x + 5] = 40  # posts
        self._faces = [self._face() for _ in range(4 * COLUMNS)]
        self._noises = [self._dice.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32) for _ in range(5)]
        self.stands = set[int]()
        self.person_at: float | None = None
        self.light, self.gamma, self.noise, self.negative = 1.0, 1.0, 2.0, False

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The truth: of every carton that stands there and is not hidden, and of the person."""
        hides = self.person
        free = [place(n) for n in sorted(self.stands)]
        if hides is None:
            return tuple(free)
        return (*(box for box in free if not hides.x0 - 20 < box.centre[0] < hides.x1 + 20), hides)

    @property
    def person(self) -> Box | None:
        """Where somebody stands."""
        x = self.person_at
        return None if x is None else Box(x0=x, y0=60, x1=x + 70, y1=340, score=0.9, kind="person")

    def picture(self) -> Picture:
        """What a camera sees."""
        scene = self._wall.copy()
        for number in self.stands:
            box = place(number)
            scene[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = self._faces[number]
        if (person := self.person) is not None:
            left, right = max(0, int(person.x0)), min(WIDTH, int(person.x1))
            scene[60:340, left:right] = self._texture(280, right - left, 30, 25)
        levels = 255 * (self.light * np.arange(256) / 255).clip(0, 1) ** self.gamma
        levels = 255 - levels if self.negative else levels
        return self._seen(levels.astype(np.float32)[scene.clip(0, 255).astype(np.uint8)])

    def _seen(self, scene: NDArray[Any]) -> Picture:
        self._noises = [self._noises[-1], *self._noises[:-1]]
        noisy = scene + self.noise * self._noises[0]
        grey = np.asarray(noisy.clip(0, 255), dtype=np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)

    def _face(self) -> NDArray[Any]:
        face = self._texture(SIDE, SIDE, 130 + float(self._dice.integers(0, 50)), 6)
        face[:2], face[-2:], face[:, :2], face[:, -2:] = 60, 60, 60, 60
        face[SIDE // 2 - 2 : SIDE // 2 + 2] += 40  # tape
        x, y = self._dice.integers(6, 30, 2)
        face[y : y + 14, x : x + 18] = 225  # a label
        face[y + 4 : y + 6, x + 3 : x + 15] = 40
        return face

    def _texture(self, rows: int, columns: int, grey: float, contrast: float) -> NDArray[Any]:
        """Smooth noise, a few pixels wide."""
        coarse = self._dice.normal(grey, contrast, (rows // 6 + 2, columns // 6 + 2))
        return np.kron(coarse, np.ones((6, 6)))[:rows, :columns].clip(0, 255)


class Knows:
    """A finder that is told the truth, or what it shall say in its place."""

    name = "knows 1"
    sha256 = bytes(range(32))

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.says: Sequence[Box] | None = None
        self.asked = 0

    def find(
        self, picture: Picture, *, zone: Sequence[tuple[float, float]] | None = None, side: float | None = None
    ) -> tuple[Box, ...]:
        """What it was told."""
        del picture, zone, side
        self.asked += 1
        return tuple(self.yard.boxes if self.says is None else self.says)
