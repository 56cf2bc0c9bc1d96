"""Where goods are: floors, walls, racks, belts, roller tables; what drives there: forklifts, hand trucks, trolleys."""

# ruff: noqa: PLR2004, PLR0917  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import people
import prints
from draw import Light, Look
from meshes import box, cylinder, place, sheet, tyre
from textures import COMMON, any_of

if TYPE_CHECKING:
    from goods import Stage
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Tone = tuple[float, float, float]

RACK_STEEL: tuple[Tone, ...] = (
    (0.9, 0.35, 0.1),
    (0.85, 0.2, 0.12),
    (0.1, 0.2, 0.6),
    (0.9, 0.6, 0.1),
    (0.6, 0.6, 0.6),
    (0.1, 0.4, 0.25),
)


def floor(stage: Stage, *, wide: float = 40.0) -> None:
    """Concrete, epoxy, tiles, asphalt, boards; a line or two painted on it."""
    rng = stage.rng
    kind = str(rng.choice(("concrete", "concrete", "concrete", "tiles", "asphalt", "planks", "plaster")))
    tone = float(rng.uniform(0.5, 1.1))
    tint = (tone, tone * float(rng.uniform(0.96, 1.01)), tone * float(rng.uniform(0.9, 1.01)))
    if kind == "plaster" and rng.random() < 0.6:  # painted
        r, g, b = (float(v) for v in rng.uniform(0.2, 0.8, 3))
        tint = (r, g, b)
    repeat = wide / float(rng.uniform(1.2, 4.0))
    look = Look(
        layer=any_of(rng, kind),
        tint=tint,
        gloss=float(rng.uniform(0.0, 0.35)),
        uv=(repeat, repeat, float(rng.random()), 0),
    )
    stage.world.add(sheet(8), place((0, 0, 0), (wide, wide, 1), turn=float(rng.choice((0, 0.8)))), look)
    paint = Look(layer=any_of(rng, "paint"), tint=(0.9, 0.75, 0.1) if rng.random() < 0.7 else (0.9, 0.9, 0.9))
    for _ in range(int(rng.integers(0, 4))):
        at = (float(rng.uniform(-3, 3)), float(rng.uniform(-3, 4)), 0.004)
        long = (0.09, 12.0) if rng.random() < 0.5 else (12.0, 0.09)
        stage.world.add(sheet(8), place(at, (*long, 1), turn=float(rng.normal(0, 0.03))), paint)


def wall(stage: Stage, y: float, *, high: float = 6.0, wide: float = 30.0) -> None:
    """Behind everything, at `y`: plaster, sheet, bricks; doors, signs, pipes, windows on it."""
    rng = stage.rng
    kind = str(rng.choice(("plaster", "ribs", "bricks", "plaster", "concrete")))
    tone = float(rng.uniform(0.45, 1.1))
    tint = (tone, tone * float(rng.uniform(0.93, 1.03)), tone * float(rng.uniform(0.88, 1.05)))
    look = Look(
        layer=any_of(rng, kind),
        tint=tint,
        bump=0.02 if kind in {"ribs", "bricks"} else 0,
        uv=(wide / 2.0, high / 2.0, 0, 0),
    )
    stage.world.add(sheet(6), place((0, y, high / 2), (wide, high, 1), tilt=math.pi / 2), look)
    for _ in range(int(rng.integers(0, 5))):
        at = (float(rng.uniform(-5, 5)), y - 0.02, float(rng.uniform(0.8, 3)))
        kind_ = rng.random()
        if kind_ < 0.45:
            sign = Look(layer=stage.world.layer(prints.poster(rng)), gloss=0.2)
            stage.world.add(
                sheet(),
                place(at, (float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.2, 0.9)), 1), tilt=math.pi / 2),
                sign,
            )
        elif kind_ < 0.7:
            r, g, b = (float(v) for v in rng.uniform(0.1, 0.9, 3))
            door = Look(layer=any_of(rng, "ribs" if rng.random() < 0.5 else "paint"), tint=(r, g, b))
            stage.world.add(box(), place((at[0], y, 1.1), (float(rng.uniform(0.9, 3)), 0.08, 2.2)), door)
        else:
            pipe = Look(layer=any_of(rng, "paint"), tint=(0.7, 0.7, 0.72), gloss=0.3)
            stage.world.add(cylinder(), place((at[0], y - 0.06, high / 2), (0.1, 0.1, high)), pipe)


def rack(
    stage: Stage,
    at: tuple[float, float],
    bays: int,
    levels: list[float],
    *,
    bay: float = 2.7,
    deep: float = 1.0,
    turn: float = 0.0,
) -> list[tuple[float, float, float]]:
    """Posts, beams, boards; returns the middle of each bay's floor (x, y, z), the ground's bays first."""
    rng = stage.rng
    posts = Look(
        layer=COMMON["holes"][0], tint=RACK_STEEL[int(rng.integers(len(RACK_STEEL)))], gloss=0.2, uv=(1, 8, 0, 0)
    )
    beams = Look(
        layer=any_of(rng, "paint"), tint=RACK_STEEL[int(rng.integers(len(RACK_STEEL)))], gloss=0.2, uv=(5, 0.3, 0, 0)
    )
    decks = Look(layer=any_of(rng, "planks"), tint=(0.85, 0.75, 0.6), uv=(2, 1, 0, 0))
    top = (levels[-1] if levels else 0) + float(rng.uniform(1.2, 2.0))
    c, s = math.cos(turn), math.sin(turn)

    def spot(x: float, y: float, z: float) -> tuple[float, float, float]:
        return at[0] + c * x - s * y, at[1] + s * x + c * y, z

    wooden = rng.random() < 0.6
    for k in range(bays + 1):
        x = (k - bays / 2) * bay
        for y in (-deep / 2, deep / 2):
            stage.world.add(box(), place(spot(x, y, top / 2), (0.1, 0.08, top), turn=turn), posts)
        for z in np.arange(0.3, top - 0.3, 0.9):
            brace = place(
                spot(x, 0, float(z) + 0.3),
                (0.03, math.hypot(deep, 0.6), 0.03),
                turn=turn,
                tilt=0.55 if int(z / 0.9) % 2 else -0.55,
            )
            stage.world.add(box(), brace, posts)
    places = []
    for level, z in enumerate([0.0, *levels]):
        for k in range(bays):
            x = (k - (bays - 1) / 2) * bay
            places.append(spot(x, 0, z + (0.02 if level else 0)))
            if level:
                for y in (-deep / 2, deep / 2):
                    stage.world.add(box(), place(spot(x, y, z - 0.06), (bay - 0.1, 0.05, 0.12), turn=turn), beams)
                if wooden:
                    stage.world.add(box(), place(spot(x, 0, z - 0.005), (bay - 0.1, deep, 0.025), turn=turn), decks)
    return places


def roller_table(
    stage: Stage,
    at: tuple[float, float],
    length: float,
    wide: float,
    high: float,
    *,
    turn: float = 0.0,
    phase: float = 0.0,
) -> None:
    """Steel rollers across, rails at both sides, legs; its length runs along y before turning."""
    rng = np.random.default_rng(7)
    steel = Look(layer=COMMON["steel"][0], gloss=0.6, uv=(3, 1, phase, phase))
    r, g, b = RACK_STEEL[int(stage.rng.integers(len(RACK_STEEL)))]
    rail = Look(layer=any_of(rng, "paint"), tint=(r, g, b), gloss=0.2)
    c, s = math.cos(turn), math.sin(turn)
    for y in np.arange(-length / 2, length / 2, 0.11):
        spot = (at[0] - s * y, at[1] + c * y, high - 0.03)
        matrix = place(spot, (0.06, 0.06, wide), turn=turn) @ place((0, 0, 0), roll=math.pi / 2)
        matrix[:3, :3] = _turned(turn) @ _upright() * np.array((0.06, 0.06, wide))
        stage.world.add(cylinder(10), matrix, steel)
    _rails(stage, at, length, wide, high, turn, rail)


def belt(
    stage: Stage,
    at: tuple[float, float],
    length: float,
    wide: float,
    high: float,
    *,
    turn: float = 0.0,
    moved_m: float = 0.0,
    layer: int | None = None,
    tint: Tone | None = None,
) -> None:
    """A rubber belt whose pattern has moved by `moved_m` along it (+y before turning)."""
    rng = stage.rng
    layer = any_of(rng, "belt") if layer is None else layer
    if tint is None:
        tint = ((0.22, 0.22, 0.24), (0.1, 0.35, 0.2), (0.15, 0.2, 0.4), (0.6, 0.6, 0.58), (0.12, 0.12, 0.12))[
            int(rng.integers(5))
        ]
    look = Look(layer=layer, tint=tint, gloss=0.12, uv=(wide / 0.6, length / 0.6, 0, moved_m / 0.6))
    stage.world.add(sheet(6), place((*at, high), (wide, length, 1), turn=turn), look)
    stage.world.add(box(), place((*at, high - 0.07), (wide, length, 0.12), turn=turn), Look(tint=(0.2, 0.2, 0.2)))
    _rails(stage, at, length, wide, high, turn, Look(layer=COMMON["paint"][0], tint=(0.65, 0.67, 0.7), gloss=0.3))


def _rails(
    stage: Stage, at: tuple[float, float], length: float, wide: float, high: float, turn: float, look: Look
) -> None:
    c, s = math.cos(turn), math.sin(turn)
    for side in (-1, 1):
        x = side * (wide / 2 + 0.04)
        stage.world.add(
            box(), place((at[0] + c * x, at[1] + s * x, high - 0.02), (0.05, length, 0.13), turn=turn), look
        )
        for y in np.arange(-length / 2 + 0.3, length / 2, 1.6):
            leg = (at[0] + c * x - s * y, at[1] + s * x + c * y, high / 2 - 0.05)
            stage.world.add(box(), place(leg, (0.06, 0.06, max(0.05, high - 0.1)), turn=turn), look)


def _turned(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)))


def _upright() -> Array:
    return np.array(((0.0, 0, 1), (0, 1, 0), (-1, 0, 0)))


def person(
    stage: Stage,
    who: people.Wear,
    pose: people.Pose,
    at: tuple[float, float, float],
    *,
    turn: float = 0.0,
    fine: bool = False,
    name: int | None = None,
) -> tuple[int, list[Array]]:
    """Somebody who stands at `at` and faces `turn` (0: +y). Returns his id and where his hands are."""
    made = people.body(who, pose, fine=fine)
    name = stage.name("person") if name is None else name
    matrix = place(at, turn=turn)
    for mesh, layer, gloss, bump, retro in made.parts:
        stage.world.add(
            mesh,
            matrix,
            Look(layer=layer, gloss=gloss, bump=bump, retro=retro, uv=(2, 2, 0, 0) if retro == 0 else (1, 1, 0, 0)),
            name,
        )
    return name, [matrix[:3, :3] @ hand + matrix[:3, 3] for hand in made.hands]


def forklift(
    stage: Stage,
    at: tuple[float, float],
    *,
    turn: float = 0.0,
    fork: float = 0.15,
    driver: people.Wear | None = None,
    tone: Tone | None = None,
    name: int | None = None,
    driver_name: int | None = None,
) -> tuple[int, tuple[float, float, float]]:
    """Counterweight truck facing `turn` (0: +y); returns its id and the middle of its forks' top (x, y, z)."""
    rng = stage.rng
    name = stage.name("forklift") if name is None else name
    if tone is None:
        tones: tuple[Tone, ...] = (
            (0.95, 0.6, 0.05),
            (0.9, 0.3, 0.08),
            (0.85, 0.8, 0.1),
            (0.15, 0.4, 0.2),
            (0.7, 0.12, 0.1),
            (0.75, 0.75, 0.75),
        )
        tone = tones[int(rng.integers(len(tones)))]
    paint = Look(layer=COMMON["paint"][1], tint=tone, gloss=0.35)
    black = Look(layer=COMMON["rubber"][0], tint=(0.16, 0.16, 0.17), gloss=0.2)
    steel = Look(layer=COMMON["steel"][0], tint=(0.35, 0.35, 0.37), gloss=0.4)
    frame = place((*at, 0.0), turn=turn)

    def add(mesh: Any, local: Array, look: Look) -> None:  # noqa: ANN401
        stage.world.add(mesh, frame @ local, look, name)

    def bar(at_: tuple[float, float, float], size: tuple[float, float, float], look: Look, tilt: float = 0.0) -> None:
        add(box(0, 0.0, 0.02), place(at_, size, tilt=tilt), look)

    add(box(1, 0.03, 0.08), place((0, -0.75, 0.62), (1.05, 0.75, 0.85)), paint)  # counterweight
    add(box(2, 0.0, 0.05), place((0, -0.05, 0.42), (1.0, 1.1, 0.42)), paint)
    bar((0, -0.4, 0.95), (0.62, 0.7, 0.25), black)
    bar((0, -0.05, 0.75), (0.5, 0.45, 0.14), black)  # seat
    bar((0, -0.27, 1.05), (0.48, 0.1, 0.5), black, 0.1)
    add(cylinder(), place((0, 0.34, 1.0), (0.32, 0.32, 0.03), tilt=-0.5), black)  # wheel
    bar((0, 0.45, 0.8), (0.9, 0.15, 0.5), paint)
    for x in (-0.46, 0.46):  # guard
        bar((x, 0.45, 1.5), (0.06, 0.06, 1.4), black, -0.15)
        bar((x, -0.55, 1.55), (0.06, 0.06, 1.2), black, 0.06)
        bar((x, -0.05, 2.15), (0.06, 1.15, 0.06), black)
    for y in np.linspace(-0.58, 0.45, 6):
        bar((0, float(y), 2.16), (0.95, 0.05, 0.04), black)
    high = max(2.1, fork + 1.5)
    for x in (-0.3, 0.3):  # mast
        bar((x, 0.74, high / 2), (0.09, 0.14, high), black)
        bar((x * 0.72, 0.76, high / 2), (0.06, 0.1, high * 0.98), steel)
        bar((x * 0.8, 0.9, fork + 0.32), (0.1, 0.05, 0.6), steel)
        bar((x * 0.9, 1.42, fork - 0.02), (0.11, 1.05, 0.035), steel)
    for z in (0.3, high - 0.05):
        bar((0, 0.74, z), (0.62, 0.1, 0.1), black)
    bar((0, 0.86, fork + 0.15), (0.9, 0.05, 0.1), steel)
    bar((0, 0.86, fork + 0.5), (0.9, 0.05, 0.08), steel)
    for x, y, size in ((-0.48, 0.5, 0.62), (0.48, 0.5, 0.62), (-0.46, -0.75, 0.48), (0.46, -0.75, 0.48)):
        wheel = place((x, y, size / 2), turn=0)
        wheel[:3, :3] = _upright() * size
        add(tyre(0.62, 0.5, 0), wheel, replace(black, tint=(0.13, 0.13, 0.13)))
        hub = place((x, y, size / 2))
        hub[:3, :3] = _upright() * np.array((size * 0.52, size * 0.52, size * 0.2))
        add(cylinder(), hub, replace(paint, tint=(0.8, 0.8, 0.78)))
    if driver:
        pose = people.Pose(
            bend=0.02,
            hips=(1.45, 1.4),
            knees=(1.3, 1.25),
            hands=((-0.12, 0.4, 1.02), (0.13, 0.4, 1.02)),
            seat=0.92,
            head=0.1,
        )
        spot = frame @ np.array((0, -0.05, 0, 1))
        person(stage, driver, pose, (float(spot[0]), float(spot[1]), 0.0), turn=turn, name=driver_name)
    tip = frame @ np.array((0, 1.5, fork, 1))
    return name, (float(tip[0]), float(tip[1]), float(tip[2]))


def hand_truck(stage: Stage, at: tuple[float, float], *, turn: float = 0.0, lean: float = 0.5) -> Array:
    """A two-wheeled truck (nobody's id) leaning back; returns the frame of its plate: goods stack along its z."""
    rng = stage.rng
    tone: Tone = ((0.8, 0.15, 0.1), (0.1, 0.3, 0.7), (0.15, 0.15, 0.15), (0.2, 0.5, 0.25))[int(rng.integers(4))]
    look = Look(layer=COMMON["paint"][0], tint=tone, gloss=0.3)
    frame = place((*at, 0.13), turn=turn) @ place((0, 0, 0), tilt=lean)
    for x in (-0.17, 0.17):
        stage.world.add(cylinder(8), frame @ place((x, -0.03, 0.55), (0.03, 0.03, 1.15)), look)
        wheel = place((*at, 0.12), turn=turn) @ place((x * 1.4, -0.08, 0))
        wheel[:3, :3] = _turned(turn) @ _upright() * 0.24
        stage.world.add(tyre(0.62, 0.5, 0), wheel, Look(layer=COMMON["rubber"][0], tint=(0.15, 0.15, 0.15)))
    for z in (0.15, 0.5, 0.85, 1.12):
        stage.world.add(box(), frame @ place((0, -0.03, z), (0.34, 0.025, 0.03)), look)
    stage.world.add(box(), frame @ place((0, 0.13, 0.0), (0.42, 0.28, 0.015)), look)
    return frame @ place((0, 0.16, 0.01))


def trolley(
    stage: Stage, at: tuple[float, float], *, turn: float = 0.0, size: tuple[float, float] = (0.6, 0.95)
) -> tuple[float, float, float]:
    """A platform trolley (nobody's id), its handle behind; returns the middle of its deck."""
    blue = Look(layer=COMMON["paint"][0], tint=(0.15, 0.3, 0.6), gloss=0.2)
    frame = place((*at, 0.0), turn=turn)
    wide, long = size
    stage.world.add(box(), frame @ place((0, 0, 0.2), (wide, long, 0.05)), blue)
    for x in (-wide / 2 + 0.06, wide / 2 - 0.06):
        stage.world.add(cylinder(8), frame @ place((x, -long / 2 + 0.03, 0.6), (0.035, 0.035, 0.8)), blue)
        for y in (-long / 2 + 0.12, long / 2 - 0.12):
            wheel = frame @ place((x, y, 0.085))
            wheel[:3, :3] = _turned(turn) @ _upright() * 0.16
            stage.world.add(tyre(0.62, 0.5, 0), wheel, Look(tint=(0.1, 0.1, 0.1)))
    for z in (0.65, 1.0):
        stage.world.add(box(), frame @ place((0, -long / 2 + 0.03, z), (wide - 0.08, 0.035, 0.035)), blue)
    return float(at[0]), float(at[1]), 0.225


def light(
    rng: np.random.Generator,
    *,
    infrared_from: tuple[float, float, float] | None = None,
    centre: tuple[float, float, float] = (0, 0, 0.7),
    radius: float = 4.0,
) -> Light:
    """Daylight through doors, lamps in rows, dim corners; at night the camera's own infrared lamp."""
    if infrared_from is not None:
        return Light(
            sun=(0.1, 0.2, -1),
            sun_colour=(0.02, 0.02, 0.02),
            sky=(0.02, 0.02, 0.02),
            ground=(0.015, 0.015, 0.015),
            lamps=[(infrared_from, (2.4, 2.4, 2.4), float(rng.uniform(1.2, 3.0)))],
            centre=centre,
            radius=radius,
        )
    sun = float(rng.uniform(0.05, 1.0))
    sky = float(rng.uniform(0.15, 0.6))
    hue = np.clip(rng.normal(1, 0.03, 3), 0.9, 1.1)
    slant = float(rng.uniform(0.1, 1.3))
    way = float(rng.uniform(0, 6.28))
    lamps = []
    for _ in range(int(rng.integers(0, 4))):
        power = float(rng.uniform(0.2, 1.0))
        lamps.append(
            (
                (float(rng.uniform(-4, 4)), float(rng.uniform(-4, 4)), float(rng.uniform(2.6, 5))),
                (power, power * 0.97, power * 0.9),
                float(rng.uniform(1.0, 4.0)),
            )
        )
    return Light(
        sun=(math.cos(way) * slant, math.sin(way) * slant, -1.0),
        sun_colour=_three(sun * hue),
        sky=_three(sky / hue),
        ground=_three(sky * rng.uniform(0.25, 0.7) * np.array((0.95, 1, 1.03))),
        softness=float(rng.uniform(0.8, 5.0)),
        lamps=lamps,
        centre=centre,
        radius=radius,
    )


def _three(values: Array) -> Tone:
    r, g, b = (float(v) for v in values)
    return r, g, b
