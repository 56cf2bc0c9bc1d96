"""Random warehouse scenes: racks, goods on the floor, walls of cartons, tyres, aisles with people, belts, hands."""

# ruff: noqa: PLR2004, PLR0917  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import people
import places
from draw import Look
from goods import CLASSES, Product, Stage, any_kind, clutter, load, product, put, put_pallet, tyre_row, tyre_stack, wrap
from lens import Camera, Sensor, any_sensor
from meshes import box, place, sheet
from textures import any_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

__all__ = ["CLASSES", "SCENES", "Scene", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything a picture needs."""

    name: str
    stage: Stage
    camera: Camera
    sensor: Sensor


def build(rng: np.random.Generator, width: int, height: int, name: str | None = None) -> Scene:
    """A random scene, of the kind `name` if given."""
    if name is None:
        kinds = list(SCENES)
        weights = np.array([SCENES[k][1] for k in kinds])
        name = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    stage = Stage(rng=rng)
    camera = replace(SCENES[name][0](stage), width=width, height=height)
    sensor = any_sensor(rng)
    if name != "wall" or not sensor.infrared:
        camera = replace(
            camera, roll=float(rng.normal(0, 4)), bend=float(rng.uniform(0, 0.35)) if rng.random() < 0.35 else 0.0
        )
    target = np.asarray(camera.target)
    far = float(np.linalg.norm(np.asarray(camera.eye) - target))
    stage.world.light = places.light(
        rng,
        infrared_from=camera.eye if sensor.infrared else None,
        centre=camera.target,
        radius=float(np.clip(far * 1.2, 1.5, 9)),
    )
    return Scene(name=name, stage=stage, camera=camera, sensor=sensor)


def _look(
    rng: np.random.Generator, target: tuple[float, float, float], away: float, down: float, aside: float
) -> Camera:
    """A camera `away` metres from its target, looking down and aside (degrees), from the front (-y)."""
    a, b = math.radians(down), math.radians(aside)
    eye = (
        target[0] + away * math.cos(a) * math.sin(b),
        target[1] - away * math.cos(a) * math.cos(b),
        max(0.12, target[2] + away * math.sin(a)),
    )
    return Camera(eye=eye, target=target, field=float(rng.uniform(38, 78)))


def _fill(
    stage: Stage,
    at: tuple[float, float, float],
    room: tuple[float, float, float],
    kinds: list[Product],
    *,
    turn: float = 0.0,
) -> None:
    """A bay, a pallet's place: one product, or several side by side, or nothing."""
    rng = stage.rng
    if rng.random() < 0.07 or stage.full:
        return
    on_pallet = rng.random() < 0.55
    if on_pallet:
        deck = put_pallet(stage, at, turn=turn)
        room = (min(room[0], 1.15), min(room[1], 0.98), room[2] - 0.145)
        at = (at[0], at[1], deck)
    what = kinds[int(rng.integers(len(kinds)))]
    high = room[2] * float(rng.uniform(0.3, 1.0) if rng.random() < 0.5 else rng.uniform(0.85, 1.0))
    if what.kind == "tyre":
        if rng.random() < 0.5 and what.size[0] < room[2]:
            tyre_row(stage, what, at, max(2, int(room[0] / what.size[2] * 0.9)), turn=turn + math.pi / 2)
        else:
            many = max(1, int(high / what.size[2]))
            for k in range(max(1, int(room[0] / what.size[0]))):
                tyre_stack(
                    stage,
                    what,
                    (at[0] + (k - (max(1, int(room[0] / what.size[0])) - 1) / 2) * what.size[0] * 1.02, at[1], at[2]),
                    many,
                )
        return
    load(stage, what, at, (room[0], room[1], high), turn=turn)
    if on_pallet and what.kind in {"carton", "sack", "drum"} and rng.random() < 0.38:
        top = max(what.size[2], int(high / what.size[2]) * what.size[2])
        wrap(stage, at, (min(1.22, room[0] + 0.03), min(1.05, room[1] + 0.03), top), turn=turn)


def _kinds(stage: Stage, many: int, only: str | None = None) -> list[Product]:
    rng = stage.rng
    return [product(stage, only or any_kind(rng)) for _ in range(many)]


def _racks(stage: Stage) -> Camera:
    """Before a rack: one to four bays, up to four levels."""
    rng = stage.rng
    places.floor(stage)
    places.wall(stage, float(rng.uniform(0.8, 4)), high=8)
    kinds = _kinds(stage, int(rng.integers(1, 5)), "carton" if rng.random() < 0.6 else None)
    clear = float(rng.uniform(0.9, 1.9))
    levels = [clear * (k + 1) for k in range(int(rng.integers(1, 4)))]
    bay = float(rng.uniform(1.6, 2.9))
    deep = float(rng.uniform(0.7, 1.1))
    spots = places.rack(stage, (0, 0), int(rng.integers(1, 4)), levels, bay=bay, deep=deep)
    level = float(rng.choice([0.0, *levels])) + clear * float(rng.uniform(0.2, 0.7))
    target = (float(rng.uniform(-1.2, 1.2)), -deep / 3, level)
    away = float(rng.uniform(1.0, 2.6) if rng.random() < 0.6 else rng.uniform(2.6, 5.0))
    for x, y, z in spots:
        if abs(z + clear / 2 - level) > away * 0.9 + clear or abs(x - target[0]) > away + bay:
            continue
        halves = 2 if bay > 2 and rng.random() < 0.7 else 1
        if rng.random() < 0.3:  # no pallets: close-packed from post to post
            load(
                stage,
                kinds[int(rng.integers(len(kinds)))],
                (x, y, z),
                (bay - 0.2, deep * float(rng.uniform(0.4, 1)), clear * float(rng.uniform(0.4, 0.88))),
            )
            continue
        for k in range(halves):
            _fill(
                stage,
                (x + (k - (halves - 1) / 2) * bay * 0.48, y, z),
                ((bay - 0.15) / halves, deep, clear - 0.2),
                kinds,
            )
    if rng.random() < 0.15:
        _passers(stage, target, 1, behind=False)
    return _look(rng, target, away, float(rng.normal(2, 9)), float(rng.normal(0, 16)))


def _floor_goods(stage: Stage) -> Camera:
    """Pallets and stacks on the floor, seen from above or from a man's height."""
    rng = stage.rng
    places.floor(stage)
    if rng.random() < 0.8:
        places.wall(stage, float(rng.uniform(2.2, 8)))
    kinds = _kinds(stage, int(rng.integers(1, 4)))
    turn = float(rng.choice((0.0, rng.normal(0, 0.3))))
    across, back = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    gap = float(rng.uniform(1.25, 1.7))
    for i in range(across):
        for j in range(back):
            at = ((i - (across - 1) / 2) * gap + rng.normal(0, 0.04), j * gap, 0.0)
            _fill(stage, at, (1.2, 1.1, float(rng.uniform(0.4, 1.9))), kinds, turn=turn + rng.normal(0, 0.03))
    for _ in range(int(rng.integers(0, 4))):
        clutter(stage, (float(rng.uniform(-3, 3)), float(rng.uniform(-1.6, 3)), 0.0))
    target = (float(rng.uniform(-0.8, 0.8)), 0.3, float(rng.uniform(0.2, 0.9)))
    if rng.random() < 0.35:
        _passers(stage, target, int(rng.integers(1, 3)))
    return _look(rng, target, float(rng.uniform(1.6, 5)), float(rng.uniform(8, 65)), float(rng.normal(0, 30)))


def _wall_of(stage: Stage) -> Camera:
    """Close before a wall of one product."""
    rng = stage.rng
    places.floor(stage)
    places.wall(stage, 1.5)
    kind = str(rng.choice(("carton", "carton", "carton", "carton", "sack", "roll", "drum", "tyre")))
    what = product(stage, kind)
    wide = float(rng.uniform(1.2, 3.2))
    high = float(rng.uniform(0.8, 2.4))
    if kind == "tyre":
        for k in range(int(wide / what.size[0]) + 1):
            for row in (0, 1):
                tyre_stack(
                    stage,
                    what,
                    ((k - wide / what.size[0] / 2) * what.size[0] * 1.03, 0.3 + row * what.size[0], 0),
                    int(high / what.size[2]),
                )
    else:
        load(stage, what, (0, 0.4, 0), (wide, 0.7, high))
        if rng.random() < 0.35:
            other = product(stage, "carton")
            load(stage, other, (wide / 2 + 0.6, 0.4, 0), (1.0, 0.6, high * float(rng.uniform(0.3, 1))))
    if kind in {"carton", "sack"} and rng.random() < 0.3:
        wrap(stage, (0, 0.4, 0), (wide + 0.02, 0.72, high * 0.97))
    target = (float(rng.uniform(-wide / 3, wide / 3)), 0.0, high * float(rng.uniform(0.3, 0.75)))
    return _look(rng, target, float(rng.uniform(0.9, 2.6)), float(rng.normal(5, 10)), float(rng.normal(0, 18)))


def _tyres(stage: Stage) -> Camera:
    """A tyre store: lying stacks, standing rows in racks."""
    rng = stage.rng
    places.floor(stage)
    places.wall(stage, float(rng.uniform(2, 6)))
    kinds = [product(stage, "tyre") for _ in range(int(rng.integers(1, 4)))]
    if rng.random() < 0.45:
        clear = max(k.size[0] for k in kinds) + 0.15
        levels = [0.25 + clear * k for k in range(int(rng.integers(1, 4)))]
        for x, y, z in places.rack(stage, (0, 0), int(rng.integers(1, 4)), levels, bay=2.2, deep=0.6):
            if z or rng.random() < 0.5:
                what = kinds[int(rng.integers(len(kinds)))]
                tyre_row(
                    stage,
                    what,
                    (x, y, z),
                    max(1, int(2.0 / what.size[2] * float(rng.uniform(0.5, 1)))),
                    turn=math.pi / 2,
                )
        target = (float(rng.uniform(-0.7, 0.7)), 0.0, float(rng.uniform(0.5, 1.6)))
        return _look(rng, target, float(rng.uniform(1.6, 4)), float(rng.normal(5, 10)), float(rng.normal(0, 22)))
    for i in range(int(rng.integers(2, 6))):
        for j in range(int(rng.integers(1, 4))):
            what = kinds[int(rng.integers(len(kinds)))]
            spot = ((i - 2) * 0.95 + rng.normal(0, 0.05), j * 0.95 + rng.normal(0, 0.05), 0.0)
            tyre_stack(stage, what, spot, int(rng.integers(1, 10)))
    if rng.random() < 0.35:
        _passers(stage, (0, 0, 0.8), 1)
    target = (float(rng.uniform(-0.8, 0.8)), 0.4, float(rng.uniform(0.3, 1.2)))
    return _look(rng, target, float(rng.uniform(2, 5)), float(rng.uniform(0, 55)), float(rng.normal(0, 30)))


def _passers(stage: Stage, round_: tuple[float, float, float], many: int, *, behind: bool = True) -> None:
    """People about: walking, carrying, pushing something, at work."""
    rng = stage.rng
    for _ in range(many):
        x = round_[0] + float(rng.normal(0, 1.3))
        y = round_[1] + float(rng.uniform(-1.9, 1.6 if behind else -0.8))
        turn = float(rng.uniform(0, 6.28))
        who = people.wear(rng)
        kind = rng.random()
        if kind < 0.25:
            what = product(stage, str(rng.choice(("carton", "sack", "tyre", "roll"))), size=None)
            if max(what.size) > 0.85:
                what = product(stage, "carton", size=(0.45, 0.32, 0.3))
            carry(stage, who, people.walking(float(rng.uniform(0, 6.28))), what, (x, y), turn)
        elif kind < 0.4:
            pusher(stage, who, people.walking(float(rng.uniform(0, 6.28))), (x, y), turn)
        else:
            places.person(stage, who, people.any_pose(rng), (x, y, 0), turn=turn)


def carry(
    stage: Stage,
    who: people.Wear,
    pose: people.Pose,
    what: Product,
    at: tuple[float, float],
    turn: float,
    *,
    names: tuple[int, int] | None = None,
) -> tuple[int, int]:
    """Somebody with something in his arms; returns both ids."""
    rng = np.random.default_rng(who.seed)
    size = what.size
    high = float(rng.uniform(0.95, 1.2))
    pose = people.carrying(pose, size, high=high)
    one, _ = places.person(stage, who, pose, (*at, 0.0), turn=turn, name=names[0] if names else None)
    ahead = (0.2 + size[1] / 2) * who.height / 1.75
    spot = (
        at[0] - math.sin(turn) * ahead,
        at[1] + math.cos(turn) * ahead,
        (high - 0.15) * who.height / 1.75 - size[2] / 2,
    )
    lying = what.kind == "roll" and size[2] > size[0]
    two = put(
        stage, what, spot, turn=turn + (math.pi / 2 if lying else 0), lying=lying, name=names[1] if names else None
    )
    return one, two


def pusher(stage: Stage, who: people.Wear, pose: people.Pose, at: tuple[float, float], turn: float) -> None:
    """Somebody behind a trolley or a hand truck with goods on it."""
    rng = stage.rng
    ahead = np.array((-math.sin(turn), math.cos(turn)))
    what = product(stage, "carton" if rng.random() < 0.7 else "sack", size=None)
    if rng.random() < 0.5:
        spot = np.asarray(at) + ahead * 0.98
        x, y, z = places.trolley(stage, (float(spot[0]), float(spot[1])), turn=turn)
        if what.size[2] < 0.7:
            load(stage, what, (x, y, z), (0.6, 0.85, float(rng.uniform(0.2, 0.9))), turn=turn)
        places.person(stage, who, people.pushing(pose, bar=1.0, reach=0.5), (*at, 0), turn=turn)
    else:
        spot = np.asarray(at) + ahead * 1.05
        frame = places.hand_truck(stage, (float(spot[0]), float(spot[1])), turn=turn, lean=0.55)
        stack_on(stage, what, frame, int(rng.integers(1, 4)))
        places.person(stage, who, people.pushing(pose, bar=1.02, reach=0.42, half=0.17), (*at, 0), turn=turn)


def stack_on(stage: Stage, what: Product, frame: Array, many: int, names: list[int] | None = None) -> list[int]:
    """Goods one on another in a leaning frame; returns ids."""
    made = []
    for k in range(many):
        mesh, look = what.variants[k % len(what.variants)]
        name = names[k] if names else stage.name(what.kind)
        stage.world.add(mesh, frame @ place((0, 0, (k + 0.5) * what.size[2]), what.size), look, name)
        made.append(name)
    return made


def _aisle(stage: Stage) -> Camera:
    """A hall from a camera high on a wall: racks at the sides, people, forklifts, goods in the way."""
    rng = stage.rng
    places.floor(stage)
    places.wall(stage, float(rng.uniform(5, 12)))
    kinds = _kinds(stage, 3)
    for x in (-3.4, 3.4):
        if rng.random() < 0.6:
            for at in places.rack(stage, (x, 2.0), 2, [1.6], bay=2.6, turn=math.pi / 2):
                _fill(stage, at, (1.2, 1.0, 1.3), kinds, turn=math.pi / 2)
    if rng.random() < 0.55:
        forklift_with(
            stage, (float(rng.normal(0, 1.3)), float(rng.uniform(0, 3.5))), float(rng.uniform(0, 6.28)), kinds
        )
    _passers(stage, (0, 1.0, 0), int(rng.integers(1, 5)))
    for _ in range(int(rng.integers(0, 3))):
        _fill(
            stage,
            (float(rng.normal(0, 2)), float(rng.uniform(-1, 4)), 0),
            (1.2, 1.0, float(rng.uniform(0.3, 1.4))),
            kinds,
            turn=float(rng.normal(0, 0.4)),
        )
    if rng.random() < 0.4:
        clutter(stage, (float(rng.normal(0, 2)), float(rng.uniform(-1, 4)), 0))
    target = (float(rng.normal(0, 0.7)), float(rng.uniform(0, 1.6)), float(rng.uniform(0.5, 1.1)))
    return _look(rng, target, float(rng.uniform(2.6, 7.5)), float(rng.uniform(5, 70)), float(rng.normal(0, 25)))


def forklift_with(stage: Stage, at: tuple[float, float], turn: float, kinds: list[Product]) -> None:
    """A forklift, perhaps with a driver and a loaded pallet."""
    rng = stage.rng
    fork = float(rng.choice((0.12, 0.2, 0.9)))
    _, tip = places.forklift(stage, at, turn=turn, fork=fork, driver=people.wear(rng) if rng.random() < 0.75 else None)
    if rng.random() < 0.6:
        deck = put_pallet(stage, (tip[0], tip[1], fork - 0.12), turn=turn)
        what = kinds[int(rng.integers(len(kinds)))]
        if what.kind != "tyre":
            load(stage, what, (tip[0], tip[1], deck), (1.1, 0.95, float(rng.uniform(0.4, 1.3))), turn=turn)
        else:
            tyre_stack(stage, what, (tip[0], tip[1], deck), int(rng.integers(2, 7)))


def _persons(stage: Stage) -> Camera:
    """People near by, all poses, from the side or from above."""
    rng = stage.rng
    places.floor(stage)
    if rng.random() < 0.8:
        places.wall(stage, float(rng.uniform(1.5, 6)))
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.5:
            _passers(stage, (0, 0, 0), 1)
        else:
            where = (float(rng.normal(0, 0.8)), float(rng.uniform(-0.8, 1)), 0.0)
            places.person(
                stage, people.wear(rng), people.any_pose(rng), where, turn=float(rng.uniform(0, 6.28)), fine=True
            )
    if rng.random() < 0.5:
        _fill(stage, (float(rng.normal(0, 1)), 1.4, 0), (1.2, 1.0, float(rng.uniform(0.3, 1.6))), _kinds(stage, 1))
    if rng.random() < 0.5:
        clutter(stage, (float(rng.normal(0, 1)), float(rng.uniform(-1, 1)), 0))
    target = (float(rng.normal(0, 0.4)), 0.0, float(rng.uniform(0.3, 1.3)))
    return _look(
        rng,
        target,
        float(rng.uniform(1.2, 4.0)),
        float(rng.uniform(0, 75)),
        float(rng.uniform(-180, 180) if rng.random() < 0.3 else rng.normal(0, 30)),
    )


def _conveyor(stage: Stage) -> Camera:
    """Goods on a belt or on rollers, from above or from the side."""
    rng = stage.rng
    places.floor(stage)
    if rng.random() < 0.7:
        places.wall(stage, float(rng.uniform(1.5, 5)))
    high = float(rng.uniform(0.5, 0.9))
    kinds = [product(stage, any_kind(rng)) for _ in range(2)]
    for lane in range(int(rng.integers(1, 3))):
        x, wide = lane * 1.5, float(rng.uniform(0.5, 1.1))
        (places.belt if rng.random() < 0.6 else places.roller_table)(stage, (x, 0), 9.0, wide, high)
        y = -3.0
        while y < 3.5:
            what = kinds[int(rng.integers(2))]
            if max(what.size) < 1.0:
                put(stage, what, (x + float(rng.normal(0, 0.06)), y, high), turn=float(rng.normal(0, 0.4)), lying=False)
            y += max(what.size[:2]) * float(rng.uniform(1.02, 1.5)) + float(rng.exponential(0.3))
    if rng.random() < 0.5:
        places.person(
            stage,
            people.wear(rng),
            people.any_pose(rng),
            (-1.0, float(rng.normal(0, 1)), 0),
            turn=float(rng.normal(-1.57, 0.4)),
        )
    target = (float(rng.uniform(0, 0.7)), float(rng.normal(0, 0.4)), high)
    return _look(rng, target, float(rng.uniform(1.2, 4.5)), float(rng.uniform(15, 85)), float(rng.uniform(-180, 180)))


def _hands(stage: Stage) -> Camera:
    """Close: hands and arms that reach into the picture, to an item or to nothing; feet at the edge."""
    rng = stage.rng
    high = float(rng.uniform(0.6, 0.95))
    top = float(rng.uniform(0.3, 1.1))
    look = Look(
        layer=any_of(rng, str(rng.choice(("tiles", "planks", "belt", "plaster", "paint", "concrete")))),
        tint=(top, top, top * 0.97),
        uv=(3, 3, 0, 0),
    )
    places.floor(stage)
    table = box(0, 0.0, 0.02)
    stage.world.add(sheet(4), place((0, 0, high + 0.001), (3.0, 1.2, 1)), look)
    stage.world.add(table, place((0, 0, high - 0.03), (3.0, 1.2, 0.05)), look)
    for _ in range(int(rng.integers(0, 4))):
        kind = str(rng.choice(("carton", "carton", "roll", "sack")))
        small = tuple(float(v) for v in rng.uniform(0.08, 0.32, 3))
        if kind == "roll":
            small = (small[0], small[0], small[2])
        put(
            stage,
            product(stage, kind, size=(small[0], small[1], small[2])),
            (float(rng.normal(0, 0.35)), float(rng.normal(0, 0.25)), high),
            turn=float(rng.uniform(0, 3)),
        )
    for _ in range(int(rng.integers(1, 3))):
        who = people.wear(rng, worker=0.3)
        side = float(rng.choice((-1, 1)))
        hands: tuple[Any, Any] = (
            (float(rng.normal(-0.15, 0.1)), float(rng.uniform(0.35, 0.7)), high + float(rng.uniform(0.02, 0.35))),
            (float(rng.normal(0.15, 0.1)), float(rng.uniform(0.35, 0.7)), high + float(rng.uniform(0.02, 0.35)))
            if rng.random() < 0.5
            else None,
        )
        pose = people.Pose(bend=float(rng.uniform(0.1, 0.6)), hands=hands, grip=float(rng.uniform(0.1, 1.4)), head=0.3)
        places.person(
            stage, who, pose, (float(rng.normal(0, 0.5)), -0.85 * side, 0), turn=0.0 if side > 0 else math.pi, fine=True
        )
    target = (float(rng.normal(0, 0.15)), float(rng.normal(0, 0.12)), high)
    return _look(rng, target, float(rng.uniform(0.7, 1.5)), float(rng.uniform(35, 88)), float(rng.uniform(-180, 180)))


def _empty(stage: Stage) -> Camera:
    """Nothing to count: floors, walls, empty racks, pallets and belts, clutter."""
    rng = stage.rng
    places.floor(stage)
    places.wall(stage, float(rng.uniform(2, 7)))
    if rng.random() < 0.5:
        places.rack(stage, (0, 1), int(rng.integers(1, 4)), [1.5, 3.0])
    if rng.random() < 0.3:
        places.belt(stage, (0, 0), 8, 0.8, 0.7, turn=float(rng.uniform(0, 3)))
    for _ in range(int(rng.integers(0, 4))):
        spot = (float(rng.normal(0, 1.5)), float(rng.uniform(-1, 2)), 0.0)
        for k in range(int(rng.integers(1, 9))):
            put_pallet(stage, (spot[0], spot[1], k * 0.145), turn=float(rng.normal(0, 0.04)))
    for _ in range(int(rng.integers(1, 7))):
        clutter(stage, (float(rng.normal(0, 1.5)), float(rng.uniform(-1, 2)), 0))
    return _look(
        rng,
        (0, 0, float(rng.uniform(0.3, 1.2))),
        float(rng.uniform(1.5, 5)),
        float(rng.uniform(0, 65)),
        float(rng.normal(0, 35)),
    )


SCENES: dict[str, tuple[Callable[[Stage], Camera], float]] = {
    "racks": (_racks, 0.24),
    "floor": (_floor_goods, 0.18),
    "wall": (_wall_of, 0.13),
    "tyres": (_tyres, 0.08),
    "aisle": (_aisle, 0.13),
    "persons": (_persons, 0.09),
    "conveyor": (_conveyor, 0.07),
    "hands": (_hands, 0.05),
    "empty": (_empty, 0.03),
}
"""How each kind of scene is made, and how often."""
