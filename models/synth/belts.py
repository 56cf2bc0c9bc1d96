"""Gate clips of belts: goods one behind another or abreast, touching or sparse; stops, reverses, throws, hands."""

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
from goods import Product, Stage, product, put
from lens import Camera, any_sensor
from meshes import place
from textures import any_of
from truth import Gate, gate_across

if TYPE_CHECKING:
    from draw import World
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


MOST_ITEMS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """How far a belt has run (metres): a speed, and from some times on another one."""

    steps: tuple[tuple[float, float], ...]
    """(from seconds, metres a second), in time."""

    def run(self, t: float) -> float:
        """Metres since t = 0."""
        gone = 0.0
        for k, (start, speed) in enumerate(self.steps):
            end = self.steps[k + 1][0] if k + 1 < len(self.steps) else math.inf
            gone += speed * max(0.0, min(t, end) - start)
        return gone


def any_drive(rng: np.random.Generator, speed: float, seconds: float) -> tuple[Drive, str]:
    """Even; with a stop; with a stop and a way back; stop and go. And what it is called."""
    kind = int(rng.choice(4, p=(0.5, 0.22, 0.14, 0.14)))
    at = float(rng.uniform(0.25, 0.55) * seconds)
    hold = float(rng.uniform(0.8, 2.5))
    if kind == 1:
        return Drive(steps=((0, speed), (at, 0), (at + hold, speed))), "the belt stops"
    if kind == 2:
        back = float(rng.uniform(0.8, 2.2))
        return Drive(steps=((0, speed), (at, 0), (at + 0.4, -speed), (at + 0.4 + back, 0), (at + 0.8 + back, speed))), (
            "the belt runs back"
        )
    if kind == 3:
        steps, t = [(0.0, speed)], 0.0
        while t < seconds:
            t += float(rng.uniform(0.8, 2.0))
            steps.append((t, 0.0))
            t += float(rng.uniform(0.3, 1.0))
            steps.append((t, speed))
        return Drive(steps=tuple(steps)), "stop and go"
    return Drive(steps=((0, speed),)), "even"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A belt: its middle, width, height, way (+1 along y)."""

    x: float
    wide: float
    high: float
    way: int
    drive: Drive
    rollers: bool
    layer: int
    tint: tuple[float, float, float]


def belt_film(rng: np.random.Generator, size: tuple[int, int], seconds: float) -> tuple[Film, Gate]:
    """One belt or two, perhaps against each other."""
    stage = Stage(rng=rng)
    small = rng.random() < 0.3  # a table-top belt with small parts, seen from near by
    scale = float(rng.uniform(0.12, 0.3)) if small else 1.0
    places.floor(stage)
    if rng.random() < 0.6:
        places.wall(stage, float(rng.uniform(2.5, 5)))
    opposed = not small and rng.random() < 0.25
    lanes, movers, notes = [], [], []
    wide = float(rng.uniform(0.5, 1.0)) * (scale * 1.6 if small else 1.0)
    high = float(rng.uniform(0.45, 0.9))
    speed = float(rng.uniform(0.25, 1.1)) * (scale * 1.5 if small else 1)
    for k in range(2 if opposed else 1):
        drive, note = any_drive(rng, speed, seconds)
        notes.append(note)
        rollers = not small and rng.random() < 0.3
        tints = ((0.2, 0.2, 0.22), (0.1, 0.33, 0.2), (0.14, 0.2, 0.42), (0.62, 0.62, 0.6), (0.1, 0.1, 0.1))
        lane = _Lane(
            x=k * (wide + float(rng.uniform(0.3, 0.9))),
            wide=wide,
            high=high,
            way=1 if k == 0 else -1,
            drive=drive,
            rollers=rollers,
            layer=any_of(rng, "belt"),
            tint=tints[int(rng.integers(5))],
        )
        lanes.append(lane)
        movers.append(_surface(stage, lane, 9.0))
        movers += _goods(stage, lane, seconds, scale if small else 1.0)
    if not small and rng.random() < 0.3:
        movers.append(_bystander(stage, lanes, seconds))
    if rng.random() < 0.25:
        movers.append(_throw(stage, lanes[0], seconds, scale if small else 1.0))
        notes.append("an item is thrown on against the belt")
    middle = (sum(lane.x for lane in lanes) / len(lanes), 0.0, high)
    span = (len(lanes) * wide + (0.5 if opposed else 0.0)) * float(rng.uniform(1.1, 2.4))
    field = float(rng.uniform(40, 70))
    away = max(0.3, span / math.tan(math.radians(field) / 2))
    down = math.radians(float(rng.uniform(28, 88)))
    aside = float(rng.choice((0, math.pi / 2, -math.pi / 2, math.pi))) + float(rng.normal(0, 0.25))
    eye = (
        middle[0] + away * math.cos(down) * math.sin(aside),
        -away * math.cos(down) * math.cos(aside),
        high + away * math.sin(down),
    )
    camera = Camera(
        eye=eye,
        target=middle,
        field=field,
        width=size[0],
        height=size[1],
        roll=float(rng.normal(0, 3)),
        bend=float(rng.uniform(0, 0.25)) if rng.random() < 0.3 else 0.0,
    )
    sensor = any_sensor(rng)
    stage.world.light = places.light(
        rng, infrared_from=eye if sensor.infrared else None, centre=middle, radius=float(np.clip(span * 1.6, 0.5, 6))
    )
    film = Film(
        stage=stage,
        camera=camera,
        sensor=replace(sensor, motion=(0.0, 0.0)),
        upsets=any_upsets(rng, seconds),
        movers=movers,
        notes=notes,
    )
    return film, _gate(rng, camera, lanes, scale if small else 1.0)


def _gate(rng: np.random.Generator, camera: Camera, lanes: list[_Lane], scale: float) -> Gate:
    """Across all lanes near the middle, as an installer draws it; inward is the first lane's way or against it."""
    y = float(rng.normal(0, 0.08)) * scale
    lift = lanes[0].high + 0.12 * scale
    low = min(lane.x - lane.wide / 2 for lane in lanes) - 0.1 * scale
    high = max(lane.x + lane.wide / 2 for lane in lanes) + 0.1 * scale
    ends = camera.project(
        np.array(((low, y, lift), (high, y, lift), (lanes[0].x, y, lift), (lanes[0].x, y + 0.05, lift)))
    )
    middle = (ends[0] + ends[1]) / 2
    stretch = float(rng.uniform(1.05, 1.5))
    one, two = middle + stretch * (ends[0] - middle), middle + stretch * (ends[1] - middle)
    edge = np.array((camera.width - 1, camera.height - 1))
    return gate_across(np.clip(one, 0, edge), np.clip(two, 0, edge), (ends[3] - ends[2]) * float(rng.choice((-1, 1))))


def _surface(stage: Stage, lane: _Lane, length: float) -> Any:  # noqa: ANN401  a mover
    """The belt itself: the rubber's pattern moves, rollers turn."""
    turn = 0.0 if lane.way > 0 else math.pi
    if lane.rollers:
        made = prop(stage, lambda: places.roller_table(stage, (lane.x, 0), length, lane.wide, lane.high, turn=turn))

        def rollers(world: World, t: float) -> None:
            shift = lane.drive.run(t) / 0.19
            for mesh, local, look, name in made.parts:
                world.add(mesh, local, replace(look, uv=(3, 1, shift % 1, 0)) if look.gloss > 0.5 else look, name)

        return rollers
    made = prop(
        stage,
        lambda: places.belt(
            stage, (lane.x, 0), length, lane.wide, lane.high, turn=turn, layer=lane.layer, tint=lane.tint
        ),
    )

    def rubber(world: World, t: float) -> None:
        for k, (mesh, local, look, name) in enumerate(made.parts):
            u, v, a, _ = look.uv
            world.add(mesh, local, replace(look, uv=(u, v, a, (lane.drive.run(t) / 0.6) % 1)) if k == 0 else look, name)

    return rubber


def small_product(stage: Stage, scale: float) -> Product:
    """Packs, bottles, parts: goods on a table-top belt."""
    rng = stage.rng
    kind = str(rng.choice(("carton", "carton", "roll", "drum", "sack")))
    base = scale * rng.uniform(0.25, 0.75, 3)
    if kind == "sack":
        base = scale * np.array((rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.25)))
    if kind in {"roll", "drum"}:
        base[1] = base[0]
    return product(stage, kind, size=(float(base[0]), float(base[1]), float(base[2])))


def belt_product(stage: Stage, wide: float) -> Product:
    """What fits on a belt."""
    for _ in range(6):
        made = product(
            stage, str(stage.rng.choice(("carton", "sack", "roll", "tyre", "drum"), p=(0.5, 0.2, 0.12, 0.1, 0.08)))
        )
        if max(made.size[:2]) < wide and made.size[2] < 0.7:
            return made
    return product(stage, "carton", size=(0.4 * wide, 0.35 * wide, 0.3 * wide))


def _goods(stage: Stage, lane: _Lane, seconds: float, scale: float) -> list[Any]:
    """Items on the belt: in rows of one to three, at gaps from none to long."""
    rng = stage.rng
    kinds = [
        small_product(stage, scale) if scale < 1 else belt_product(stage, lane.wide)
        for _ in range(int(rng.integers(1, 4)))
    ]
    dense = float(rng.choice((0.0, 0.15, 0.6, 1.2)))
    far = max(abs(lane.drive.run(t)) for t in np.linspace(0, seconds, 40))
    reach = 4.0 * scale
    most = max(max(k.size[:2]) for k in kinds)
    abreast_most = max(1, int(lane.wide / (most * 1.08)))
    along = 0.4 * reach
    made: list[Any] = []
    while along > -(far + 0.4 * reach) and len(made) < MOST_ITEMS:
        what = kinds[int(rng.integers(len(kinds)))]
        abreast = int(rng.integers(1, min(3, abreast_most) + 1))
        longest = 0.0
        for k in range(abreast):
            turn = float(rng.normal(0, 0.15)) if rng.random() < 0.7 or abreast > 1 else float(rng.uniform(0, 3.14))
            share = (k - (abreast - 1) / 2) * lane.wide / abreast
            free = max(0.0, (lane.wide / abreast - max(what.size[:2])) / 2)
            x = share + float(rng.uniform(-1, 1)) * free * 0.8
            off = float(rng.normal(0, 0.04)) * scale if abreast > 1 else 0.0
            part = prop(stage, lambda w=what, r=turn: put(stage, w, (0, 0, 0), turn=r))  # type: ignore[misc]
            made.append(partial(_ride, part, lane, x, along + off))
            deep = abs(what.size[0] * math.sin(turn)) + abs(what.size[1] * math.cos(turn))
            longest = max(longest, deep + 2 * abs(off))
        along -= longest * 1.01 + float(rng.exponential(dense * scale)) * (0.0 if rng.random() < 0.25 else 1.0)
    return made


def _ride(part: Prop, lane: _Lane, x: float, along: float, world: World, t: float) -> None:
    y = along + lane.drive.run(t)
    if abs(y) < 4.5:
        part.put(world, place((lane.x + x, lane.way * y, lane.high + 0.004)))


def _throw(stage: Stage, lane: _Lane, seconds: float, scale: float) -> Any:  # noqa: ANN401  a mover
    """An item flies on against the belt, slides, then rides back."""
    rng = stage.rng
    what = small_product(stage, scale) if scale < 1 else product(stage, "carton", size=(0.3, 0.25, 0.18))
    part = prop(stage, lambda: put(stage, what, (0, 0, 0)))
    start = float(rng.uniform(0.3, 0.6) * seconds)
    flight = float(rng.uniform(0.3, 0.5))
    begin, land = 1.5 * scale, -float(rng.uniform(0.3, 0.9)) * scale
    x = float(rng.uniform(-0.2, 0.2)) * lane.wide

    def fly(world: World, t: float) -> None:
        if t < start:
            return
        share = min(1.0, (t - start) / flight)
        y = begin + (land - begin) * share
        lift = 4 * 0.35 * scale * share * (1 - share) + 0.3 * scale * (1 - share)
        if share >= 1:
            y = land + lane.drive.run(t) - lane.drive.run(start + flight)
        spin = 2.5 * share
        if abs(y) < 4.5:
            part.put(world, place((lane.x + x, lane.way * y, lane.high + lift), turn=spin))

    return fly


def _bystander(stage: Stage, lanes: list[_Lane], seconds: float) -> Any:  # noqa: ANN401  a mover
    """Somebody at the belt who works with his hands over it, or walks along it."""
    rng = stage.rng
    who = people.wear(rng)
    lane = lanes[0]
    side = -1
    name = stage.name("person")
    x = lane.x + side * (lane.wide / 2 + 0.42)
    y = float(rng.uniform(-1.2, 1.2))
    walks = rng.random() < 0.4
    speed = float(rng.choice((-1, 1)) * rng.uniform(0.6, 1.2))
    beats = [float(v) for v in rng.uniform(0.5, 1.4, 4)]

    def work(world: World, t: float) -> None:
        if walks:
            here = -math.copysign(2.8, speed) + speed * t
            pose = people.walking(t * 5.5 * abs(speed))
            spot, turn = (x - 0.1, here, 0.0), 0.0 if speed > 0 else math.pi
            if abs(here) > 5:
                return
        else:
            out = [0.35 + 0.25 * math.sin(t * beats[0] + k) for k in (0.0, 2.0)]
            aside = [(-0.2 + 0.12 * math.sin(t * beats[1])), (0.2 + 0.12 * math.sin(t * beats[2] + 1))]
            over = lane.high + 0.12 + 0.08 * math.sin(t * beats[3] * 2)
            pose = people.Pose(
                bend=0.25 + 0.1 * math.sin(t * 0.6),
                hands=((aside[0], out[0], over), (aside[1], out[1], over)),
                head=0.35,
                grip=0.8,
            )
            spot, turn = (x, y, 0.0), -math.pi / 2 * -side * -1
        made = people.body(who, pose, fine=False)
        frame = place(spot, turn=turn)
        for mesh, layer, gloss, bump, retro in made.parts:
            world.add(
                mesh,
                frame,
                Look(layer=layer, gloss=gloss, bump=bump, retro=retro, uv=(2, 2, 0, 0) if retro == 0 else (1, 1, 0, 0)),
                name,
            )

    del seconds
    return work
