"""Gate clips of doors and benches: people who carry, push, drive or bring nothing; hands that bring and take away."""

# ruff: noqa: PLR2004, PLR0917  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import people
import places
from draw import Look
from film import Film, Prop, any_upsets, prop
from goods import Product, Stage, clutter, load, product, put, put_pallet
from lens import Camera, any_sensor
from meshes import box, place, sheet
from scenes import stack_on
from textures import any_of
from truth import Gate, gate_across

if TYPE_CHECKING:
    from draw import World
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

AT_BENCH_M = -0.74
"""Where he stands who works at the bench: y."""
BURDENS = ("nothing", "carry", "trolley", "hand truck", "forklift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where somebody is over time: straight between points (seconds, x, y); before and after it he is away."""

    points: tuple[tuple[float, float, float], ...]

    def at(self, t: float) -> tuple[float, float, float, float] | None:
        """x, y, heading (0: +y), metres gone; None while away."""
        if not self.points[0][0] <= t < self.points[-1][0]:
            return None
        gone = 0.0
        for (t0, x0, y0), (t1, x1, y1) in zip(self.points, self.points[1:], strict=False):
            step = math.hypot(x1 - x0, y1 - y0)
            if t < t1:
                share = (t - t0) / (t1 - t0)
                heading = math.atan2(-(x1 - x0), y1 - y0) if step > 0.05 else self._heading(t)
                return x0 + share * (x1 - x0), y0 + share * (y1 - y0), heading, gone + share * step
            gone += step
        return None

    def _heading(self, t: float) -> float:
        """Of the last step before a pause."""
        last = 0.0
        for (_, x0, y0), (t1, x1, y1) in zip(self.points, self.points[1:], strict=False):
            if math.hypot(x1 - x0, y1 - y0) > 0.05:
                last = math.atan2(-(x1 - x0), y1 - y0)
            if t1 >= t:
                break
        return last


def door_film(
    rng: np.random.Generator, size: tuple[int, int], seconds: float, *, burdens: tuple[str, ...] = BURDENS
) -> tuple[Film, Gate]:
    """A camera inside, above, looks at a door; y grows outward through it."""
    stage = Stage(rng=rng)
    door_y, wide = float(rng.uniform(1.0, 2.5)), float(rng.uniform(1.8, 3.6))
    places.floor(stage)
    _door(stage, door_y, wide)
    for _ in range(int(rng.integers(0, 4))):
        side = float(rng.choice((-1, 1))) * (wide / 2 + float(rng.uniform(0.7, 1.8)))
        spot = (side, door_y - float(rng.uniform(0.8, 2.5)), 0.0)
        if rng.random() < 0.5:
            what = product(stage, "carton")
            load(stage, what, (spot[0], spot[1], put_pallet(stage, spot)), (1.1, 0.9, float(rng.uniform(0.3, 1.3))))
        else:
            clutter(stage, spot)
    movers: list[Any] = []
    loads: dict[int, int] = {}
    t = float(rng.uniform(0.3, 1.2))
    many = 0
    while t < seconds - 2.5 and many < 12:
        burden = str(rng.choice(burdens))
        t += 2.0 if burden == "forklift" and many else 0.0
        pace = float(rng.uniform(0.8, 1.5)) * (
            0.8 if burden in {"trolley", "hand truck"} else 1.5 if burden == "forklift" else 1
        )
        x = float(rng.uniform(-0.5, 0.5)) * max(0.2, wide - 1.3)
        movers.append(_visitor(stage, burden, _way(rng, t, pace, x, door_y), loads))
        many += 1
        t += float(rng.choice((0.4, 1.5, 3.0))) * float(rng.uniform(0.7, 1.3)) * (2 if burden == "forklift" else 1)
    high = float(rng.uniform(2.4, 4.5))
    target = (float(rng.normal(0, 0.15)), door_y - float(rng.uniform(0.5, 1.3)), float(rng.uniform(0.5, 1.0)))
    down = math.radians(float(rng.uniform(22, 68)))
    away = min(5.5, (high - target[2]) / math.sin(down))
    high = target[2] + away * math.sin(down)
    eye = (target[0] + float(rng.normal(0, 0.7)), target[1] - away * math.cos(down), high)
    camera = Camera(
        eye=eye,
        target=target,
        field=float(rng.uniform(60, 90)),
        width=size[0],
        height=size[1],
        roll=float(rng.normal(0, 2)),
        bend=float(rng.uniform(0, 0.3)) if rng.random() < 0.4 else 0.0,
    )
    sensor = any_sensor(rng)
    stage.world.light = places.light(rng, infrared_from=eye if sensor.infrared else None, centre=target, radius=5.0)
    film = Film(
        stage=stage,
        camera=camera,
        sensor=replace(sensor, motion=(0.0, 0.0)),
        upsets=any_upsets(rng, seconds),
        movers=movers,
        loads=loads,
    )
    lift, y = float(rng.uniform(0.6, 1.1)), door_y - float(rng.uniform(0.45, 0.9))
    half = wide / 2 + 0.35
    ends = camera.project(np.array(((-half, y, lift), (half, y, lift), (0, y, lift), (0, y - 0.1, lift))))
    edge = np.array((size[0] - 1, size[1] - 1))
    gate = gate_across(np.clip(ends[0], 0, edge), np.clip(ends[1], 0, edge), ends[3] - ends[2])
    return film, gate


def _door(stage: Stage, y: float, wide: float) -> None:
    """A wall with an opening, its frame, a strip of yard behind it."""
    rng = stage.rng
    tone = float(rng.uniform(0.5, 1.0))
    high = float(rng.uniform(2.3, 3.0))
    look = Look(
        layer=any_of(rng, str(rng.choice(("plaster", "ribs", "bricks")))),
        tint=(tone, tone, tone * 0.97),
        uv=(3, 2, 0, 0),
    )
    for side in (-1, 1):
        x = side * (wide / 2 + 3.0)
        stage.world.add(box(), place((x, y, 2.5), (6.0, 0.15, 5.0)), look)
    stage.world.add(box(), place((0, y, high + 1.5), (wide, 0.15, 3.0)), look)
    frame = Look(
        layer=any_of(rng, "hazard" if rng.random() < 0.4 else "paint"),
        tint=(0.85, 0.8, 0.4) if rng.random() < 0.5 else (0.5, 0.5, 0.5),
        uv=(1, 6, 0, 0),
    )
    for side in (-1, 1):
        stage.world.add(box(), place((side * wide / 2, y - 0.02, high / 2), (0.1, 0.22, high)), frame)
    yard = Look(
        layer=any_of(rng, "asphalt" if rng.random() < 0.5 else "concrete"), tint=(1.0, 1.0, 1.0), uv=(6, 6, 0, 0)
    )
    stage.world.add(sheet(6), place((0, y + 5.1, 0.006), (16, 10, 1)), yard)
    back = Look(layer=any_of(rng, "ribs"), tint=(0.9, 0.92, 0.95), uv=(6, 2, 0, 0))
    stage.world.add(sheet(4), place((0, y + 9, 3), (20, 6, 1), tilt=math.pi / 2), back)


def _way(rng: np.random.Generator, t: float, pace: float, x: float, door_y: float) -> Way:
    """In, out, in and back again, or along the wall inside without passing."""
    long = (7.6 + float(rng.uniform(0, 0.4))) / pace
    kind = rng.random()
    x = abs(x) if kind < 0.42 else -abs(x)  # who comes keeps to one side, who goes to the other
    outside, inside = (t, x, door_y + 2.6), (x * 0.8 + float(rng.normal(0, 0.2)), door_y - 5.0)
    if kind < 0.42:
        return Way(points=(outside, (t + long, *inside)))
    if kind < 0.78:
        return Way(points=((t, *inside), (t + long, x, door_y + 2.6)))
    if kind < 0.9:  # to the inner side of the line, a pause, and back the way he came
        turn_y = door_y - float(rng.uniform(1.6, 2.3))
        first = (door_y + 2.6 - turn_y) / pace
        pause = float(rng.uniform(0.5, 1.6))
        return Way(
            points=(
                outside,
                (t + first, x, turn_y),
                (t + first + pause, x + 0.02, turn_y),
                (t + 2 * first + pause, x, door_y + 2.6),
            )
        )
    side = float(rng.choice((-1, 1)))
    y = door_y - float(rng.uniform(2.2, 3.0))
    return Way(points=((t, -4 * side, y), (t + 8 / pace, 4 * side, y)))


def _visitor(stage: Stage, burden: str, way: Way, loads: dict[int, int]) -> Any:  # noqa: ANN401  a mover
    """Somebody with his burden on his way."""
    rng = stage.rng
    who = people.wear(rng)
    name = stage.name("person")
    number = name  # of the load: its bearer's id
    rigid, what, ahead = _burden(stage, burden, loads, number, name, who)
    stride = float(rng.uniform(0.85, 1.1))
    high = float(rng.uniform(0.98, 1.2))

    def walk(world: World, t: float) -> None:
        spot = way.at(t)
        if spot is None:
            return
        x, y, heading, gone = spot
        frame = place((x, y, 0), turn=heading)
        phase = gone / (0.42 * stride * who.height / 1.75) * math.pi / 2
        walking = people.walking(phase, stride=stride if gone or burden != "nothing" else 0.1)
        if burden == "forklift":
            rigid.put(world, frame)
            return
        if burden in {"trolley", "hand truck"}:
            pose = people.pushing(walking, bar=1.0, reach=0.46, half=0.2)
            rigid.put(world, frame @ place((0, ahead, 0)))
        elif burden == "carry" and what is not None:
            pose = people.carrying(walking, what.size, high=high)
            scale = who.height / 1.75
            lift = (high - 0.15) * scale - what.size[2] / 2 + 0.015 * math.cos(2 * phase)
            rigid.put(world, frame @ place((0, (0.2 + what.size[1] / 2) * scale, lift)))
        else:
            pose = walking
        add_person(world, who, pose, frame, name)

    return walk


def _burden(
    stage: Stage, burden: str, loads: dict[int, int], number: int, name: int, who: people.Wear
) -> tuple[Prop, Product | None, float]:
    """What he brings, about his own frame, and how far before him it is."""
    rng = stage.rng
    start = len(stage.classes)
    what: Product | None = None
    ahead = 0.0
    if burden == "carry":
        what = product(stage, str(rng.choice(("carton", "carton", "sack", "roll"))))
        if max(what.size) > 0.75 or what.kind == "roll":
            small = float(rng.uniform(0.25, 0.5))
            what = product(stage, "carton", size=(small, float(rng.uniform(0.22, 0.38)), float(rng.uniform(0.18, 0.4))))
        carried = what
        rigid = prop(stage, lambda: put(stage, carried, (0, 0, 0)))
    elif burden == "trolley":
        small_box = product(
            stage,
            "carton",
            size=(float(rng.uniform(0.26, 0.55)), float(rng.uniform(0.26, 0.42)), float(rng.uniform(0.2, 0.4))),
        )
        ahead = 0.97

        def with_trolley() -> None:
            x, y, z = places.trolley(stage, (0, 0))
            load(stage, small_box, (x, y, z), (0.6, 0.8, float(rng.uniform(0.25, 0.9))))

        rigid = prop(stage, with_trolley)
    elif burden == "hand truck":
        box_ = product(stage, "carton", size=(float(rng.uniform(0.35, 0.5)), 0.32, float(rng.uniform(0.25, 0.4))))
        ahead = 0.95
        rigid = prop(
            stage, lambda: stack_on(stage, box_, places.hand_truck(stage, (0, 0), lean=0.5), int(rng.integers(1, 4)))
        )
    elif burden == "forklift":
        goods = product(stage, str(rng.choice(("carton", "carton", "sack", "drum"))))
        truck = stage.name("forklift")

        def with_pallet() -> None:
            _, tip = places.forklift(stage, (0, 0), fork=0.2, driver=who, name=truck, driver_name=name)
            if rng.random() < 0.75:
                deck = put_pallet(stage, (tip[0], tip[1], 0.07))
                load(stage, goods, (tip[0], tip[1], deck), (1.1, 0.95, float(rng.uniform(0.4, 1.1))))

        rigid = prop(stage, with_pallet)
    else:
        rigid = Prop(parts=())
    mine = [k for k in range(start + 1, len(stage.classes) + 1) if stage.classes[k] not in {"person", "forklift"}]
    if len(mine) > 1:
        loads.update(dict.fromkeys(mine, number))
    return rigid, what, ahead


def add_person(
    world: World, who: people.Wear, pose: people.Pose, frame: Array, name: int, *, fine: bool = False
) -> None:
    """Somebody in a pose, as he is in this frame."""
    for mesh, layer, gloss, bump, retro in people.body(who, pose, fine=fine).parts:
        uv = (2.0, 2.0, 0.0, 0.0) if retro == 0 else (1.0, 1.0, 0.0, 0.0)
        world.add(mesh, frame, Look(layer=layer, gloss=gloss, bump=bump, retro=retro, uv=uv), name)


def hands_film(rng: np.random.Generator, size: tuple[int, int], seconds: float) -> tuple[Film, Gate]:
    """A bench or the floor from above: hands bring items over the line and take some away again."""
    stage = Stage(rng=rng)
    high = float(rng.uniform(0.7, 0.95))
    places.floor(stage)
    top = float(rng.uniform(0.35, 1.1))
    look = Look(
        layer=any_of(rng, str(rng.choice(("tiles", "planks", "belt", "plaster", "paint")))),
        tint=(top, top, top * 0.97),
        uv=(2, 2, 0, 0),
    )
    stage.world.add(box(0, 0.0, 0.02), place((0, 0, high - 0.03), (3.0, 1.3, 0.06)), Look(tint=(0.4, 0.4, 0.4)))
    stage.world.add(sheet(4), place((0, 0, high + 0.001), (3.0, 1.3, 1)), look)
    if rng.random() < 0.5:  # something that stays
        still = product(stage, "carton", size=(0.2, 0.15, 0.12))
        put(stage, still, (float(rng.choice((-0.5, 0.5))), 0.35, high), turn=0.3)
    who = people.wear(rng, worker=0.3)
    name = stage.name("person")
    moves, parts = _errands(stage, seconds)
    empty = [float(v) for v in np.arange(0.2, seconds, 5.0)] if rng.random() < 0.4 else []
    mover = _HandsAt(who=who, name=name, high=high, moves=moves, parts=parts, empty=empty)
    across = rng.random() < 0.6  # from over the bench's far side; else straight from above
    down = math.radians(float(rng.uniform(42, 75) if across else rng.uniform(78, 88)))
    aside = math.pi + float(rng.normal(0, 0.4)) if across else float(rng.choice((0.0, math.pi)))
    away = float(rng.uniform(0.95, 1.4))
    target = (0.0, -0.05, high)
    eye = (
        away * math.cos(down) * math.sin(aside),
        -0.05 - away * math.cos(down) * math.cos(aside),
        high + away * math.sin(down),
    )
    camera = Camera(
        eye=eye,
        target=target,
        field=float(rng.uniform(50, 68)),
        width=size[0],
        height=size[1],
        roll=float(rng.normal(0, 3)),
    )
    sensor = any_sensor(rng)
    stage.world.light = places.light(rng, infrared_from=eye if sensor.infrared else None, centre=target, radius=1.6)
    film = Film(
        stage=stage,
        camera=camera,
        sensor=replace(sensor, motion=(0.0, 0.0)),
        upsets=any_upsets(rng, seconds),
        movers=[mover],
    )
    y = -0.13
    ends = camera.project(
        np.array(((-0.55, y, high + 0.06), (0.55, y, high + 0.06), (0, y, high + 0.06), (0, y + 0.05, high + 0.06)))
    )
    edge = np.array((size[0] - 1, size[1] - 1))
    return film, gate_across(np.clip(ends[0], 0, edge), np.clip(ends[1], 0, edge), ends[3] - ends[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errand:
    """One item is brought to its spot on the bench (metres), or taken from it."""

    start: float
    takes: float
    which: int
    tall: float
    spot: tuple[float, float]
    bring: bool


def _errands(stage: Stage, seconds: float) -> tuple[list[_Errand], list[Prop]]:
    """One after another; each item has a spot to itself."""
    rng = stage.rng
    moves: list[_Errand] = []
    parts: list[Prop] = []
    tall: list[float] = []
    lying: dict[int, tuple[float, float]] = {}
    t = float(rng.uniform(0.5, 1.2))
    while t < seconds - 2.2 and len(parts) < 9:
        takes = float(rng.uniform(1.4, 2.2))
        free = [
            s
            for s in ((-0.33, 0.04), (-0.02, 0.1), (0.3, 0.03), (-0.18, 0.29), (0.19, 0.27))
            if s not in lying.values()
        ]
        if lying and (rng.random() < 0.35 or not free):
            which = list(lying)[int(rng.integers(len(lying)))]
            spot, bring = lying.pop(which), False
        else:
            small = rng.uniform(0.08, 0.22, 3)
            kind = "carton" if rng.random() < 0.7 else "roll"
            deep = small[0] if kind == "roll" else small[1]
            what = product(stage, kind, size=(float(small[0]), float(deep), float(small[2])))
            turn = float(rng.normal(0, 0.4))
            parts.append(prop(stage, partial(put, stage, what, (0, 0, 0), turn=turn)))
            tall.append(float(small[2]))
            which, bring = len(parts) - 1, True
            spot = free[int(rng.integers(len(free)))]
            lying[which] = spot
        moves.append(_Errand(start=t, takes=takes, which=which, tall=tall[which], spot=spot, bring=bring))
        t += takes + float(rng.uniform(0.0, 1.2))
    return moves, parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _HandsAt:
    """Somebody at the bench's near edge who moves items one after another, in his right hand or in both."""

    who: people.Wear
    name: int
    high: float
    moves: list[_Errand]
    parts: list[Prop]
    empty: list[float]
    """Times at which he only reaches over and back."""

    def __call__(self, world: World, t: float) -> None:
        hand: tuple[float, float, float] | None = None
        for move in self.moves:
            item, now = self._doing(move, t)
            if item is not None:
                self.parts[move.which].put(world, place(item))
            hand = now or hand
        for start in self.empty:
            share = (t - start) / 1.6
            if hand is None and 0 <= share < 1:
                hand = (0.05, 0.1 + 0.75 * math.sin(share * math.pi), self.high + 0.06)
        hand = hand or (0.25, 0.1, self.high - 0.1)
        lean = 0.12 + 0.95 * max(0.0, min(1.0, (hand[1] - 0.3) / 0.65))
        pose = people.Pose(bend=lean, hands=((-0.28, 0.12, self.high - 0.05), hand), head=0.25, grip=0.7)
        add_person(world, self.who, pose, place((0, AT_BENCH_M, 0)), self.name, fine=True)

    def _doing(
        self, move: _Errand, t: float
    ) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]:
        """Where the errand's item is, and his hand (in his own frame); None: not here, not busy with it."""
        share = (t - move.start) / move.takes
        here = (move.spot[0], move.spot[1], self.high)
        if share < 0 or share >= 1:
            taken = any(m.which == move.which and not m.bring and t >= m.start for m in self.moves)
            return (here if move.bring and share >= 1 and not taken else None), None
        edge = (move.spot[0] * 0.5 + 0.15, -0.75, self.high + 0.05)
        if move.bring:
            at, held, free = _between(edge, here, min(1.0, share / 0.6)), share < 0.6, share
        else:
            at = here if share < 0.4 else _between(here, edge, (share - 0.4) / 0.6)
            held, free = share >= 0.4, 1 - share
        reach = at if held else _between(here, (0.25, -0.7, self.high), max(0.0, (free - 0.6) / 0.4))
        return at, (reach[0], reach[1] - AT_BENCH_M - 0.05, reach[2] + move.tall * 0.8 + 0.03)


def _between(
    one: tuple[float, float, float], two: tuple[float, float, float], share: float
) -> tuple[float, float, float]:
    """On an arc from one place to another."""
    soft = share * share * (3 - 2 * share)
    x, y, z = (a + soft * (b - a) for a, b in zip(one, two, strict=True))
    return x, y, z + 0.1 * math.sin(share * math.pi)
