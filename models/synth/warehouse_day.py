"""Renders a fixed camera's day over a pledged zone, sped up, and writes the stock and the camera's state over time.

    python models/synth/warehouse_day.py OUT.mp4 --seed 1 [--seconds 180] [--fps 5] [--size 640x360] [--json]

Night by infrared, its lamp fails (dark), lights on, a forklift brings cartons, people pass and take some, somebody
stands before the goods, the camera is covered, a load goes, the camera is defocused, turned and set back, evening,
at night some cartons go. OUT.json: `zone` (polygon, pixels), `exemplar` (a box round one carton), `stock` (from `t`
on, `count` cartons of which a quarter or more is seen with nobody before them, and `all` that stand there), `changes`
(when each began and was settled), `conditions` (state of the camera from `t` on), `passing` (when people or forklifts
hide more than 2 % of the zone). Times in seconds of the clip; `hour_s` is how long an hour lasts in it.
"""

# ruff: noqa: PLR2004, PLR0917  a drawing is made of numbers

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import people
import places
import textures
from doors import Way, add_person
from draw import Drawn, Light, NoGraphicsError, World
from film import Prop, prop
from goods import Product, Stage, clutter, product, put, put_pallet, wrap
from lens import Camera, Sensor, expose, gain_for, picture
from meshes import place
from stills import items, painter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

COUNTED_SHARE = 0.25
"""An item counts as seen from this share of its silhouette on."""
PASSING_SHARE = 0.02
TURN_M = 0.9
"""How far the camera's target moves when somebody turns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The day's plan, in hours."""

    dark: tuple[float, float] = (4.2, 5.4)
    lights: tuple[float, float] = (6.0, 19.0)
    delivery: float = 8.0
    first_taken: float = 9.6
    standing: tuple[float, float] = (11.0, 11.9)
    covered: tuple[float, float] = (13.0, 13.8)
    load_gone: float = 14.8
    defocused: tuple[float, float] = (16.0, 16.8)
    moved: tuple[float, float] = (17.4, 18.2)
    night_taken: float = 22.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stocked:
    """A carton: where it stands, from when until when (hours)."""

    part: Prop
    spot: tuple[float, float, float]
    name: int
    since: float
    until: float


@dataclass(slots=True, kw_only=True)
class Day:
    """Everything that the day needs."""

    stage: Stage
    camera: Camera
    sensor: Sensor
    hours: Hours
    seconds: float
    stock: list[_Stocked] = field(default_factory=list)
    visits: list[tuple[Way, Any]] = field(default_factory=list)
    """When (clip seconds) and who: each puts himself into a world."""
    changes: list[dict[str, float]] = field(default_factory=list)
    day: Light = field(default_factory=Light)
    night: Light = field(default_factory=Light)

    @property
    def hour_s(self) -> float:
        """Seconds of the clip to an hour."""
        return self.seconds / 24


def plan(seed: int, *, seconds: float = 180.0, size: tuple[int, int] = (640, 360)) -> Day:
    """The day that a seed names; nothing is drawn yet."""
    rng = np.random.default_rng((seed, 2400))
    stage = Stage(rng=rng)
    places.floor(stage)
    places.wall(stage, 1.2)
    hours = Hours()
    what = product(stage, "carton", size=(float(rng.uniform(0.34, 0.48)), 0.4, float(rng.uniform(0.26, 0.36))))
    bay = 1.75
    spots = places.rack(stage, (0, 0), 2, [1.35], bay=bay, deep=0.9)
    high = 2.7
    eye, target = (float(rng.normal(0, 0.4)), -4.6, high), (float(rng.normal(0, 0.1)), 0.0, 1.05)
    camera = Camera(eye=eye, target=target, field=58, width=size[0], height=size[1], roll=float(rng.normal(0, 1)))
    sensor = Sensor(noise=0.008, quality=85, auto=0.75, vignette=0.12, seed=seed, exposure=1.1)
    made = Day(stage=stage, camera=camera, sensor=sensor, hours=hours, seconds=seconds)
    made.day = replace(places.light(rng, centre=target, radius=5.0), sun=(0.35, 0.5, -1.0))
    made.night = places.light(rng, infrared_from=eye, centre=target, radius=5.0)
    made.night.lamps = [(eye, (2.6, 2.6, 2.6), 3.0)]
    clutter(stage, (2.6, -0.6, 0.0))
    for number, at in enumerate(spots):
        _bay(made, what, at, number)
    if rng.random() < 0.5:
        wrap(stage, (spots[3][0], spots[3][1] - 0.1, spots[3][2] + 0.15), (1.1, 0.5, 0.55))
    _visitors(made)
    return made


def _bay(day: Day, what: Product, at: tuple[float, float, float], number: int) -> None:
    """A pallet with two rows of cartons side by side, one deep: some come, some go."""
    stage, hours = day.stage, day.hours
    deck = put_pallet(stage, (at[0], at[1], at[2]), scale=0.95)
    across = 3 if what.size[0] < 0.4 else 2
    slots = [(i, level) for level in range(2) for i in range(across)]
    gone: dict[tuple[int, int], float] = {}
    came = dict.fromkeys(slots, -1.0)
    if number == 0:
        came = dict.fromkeys(slots, hours.delivery)
    elif number == 1:
        gone = {slots[-1]: hours.first_taken, slots[-2]: hours.first_taken}
    elif number == 2:
        gone = dict.fromkeys(slots, hours.load_gone)
    else:
        gone = {slots[-1]: hours.night_taken}
    for i, level in slots:
        x = at[0] + (i - (across - 1) / 2) * (what.size[0] + 0.02)
        part = prop(stage, lambda: put(stage, what, (0, 0, 0), turn=float(stage.rng.normal(0, 0.015))))
        day.stock.append(
            _Stocked(
                part=part,
                spot=(x, at[1] - 0.15, deck + level * what.size[2]),
                name=part.parts[0][3],
                since=came[i, level],
                until=gone.get((i, level), 99.0),
            )
        )


def _visitors(day: Day) -> None:
    """People who pass, take and stand; the forklift that brings and fetches."""
    hours, rng, hour = day.hours, day.stage.rng, day.hour_s

    def across(at: float, pace: float, y: float) -> Way:
        side = float(rng.choice((-1, 1)))
        return Way(points=((at * hour, -4.2 * side, y), (at * hour + 8.4 / pace, 4.2 * side, y)))

    for at in (7.1, 7.5, 10.3, 12.4, 15.6, 18.7):
        day.visits.append((across(at, 2.2, float(rng.uniform(-1.9, -0.9))), _walker(day)))
    for at, x in ((hours.first_taken, 0.8), (hours.night_taken, 0.8)):
        _change(day, at, _stop_at(at * hour, x, -0.85, 0.5 * hour), _walker(day))
    way = _stop_at(
        (hours.standing[0] + hours.standing[1]) / 2 * hour, -0.5, -1.1, (hours.standing[1] - hours.standing[0]) * hour
    )
    day.visits.append((way, _walker(day)))
    for at in (hours.delivery, hours.load_gone):
        _change(day, at, _stop_at(at * hour, -0.9, -2.2, 0.6 * hour), _truck(day))


def _change(day: Day, at: float, way: Way, who: Any) -> None:  # noqa: ANN401  a mover
    """The stock changes at that hour, behind who comes for it."""
    day.visits.append((way, who))
    day.changes.append({"t": at * day.hour_s, "began": way.points[0][0], "settled": way.points[-1][0]})


def _stop_at(middle_s: float, x: float, y: float, stay_s: float) -> Way:
    """From the left, there for a while, back to the left."""
    walk = 1.6
    begin = middle_s - stay_s / 2
    return Way(
        points=(
            (begin - walk, -4.4, y - 0.2),
            (begin, x, y),
            (begin + stay_s, x + 0.01, y),
            (begin + stay_s + walk, -4.4, y - 0.2),
        )
    )


def _walker(day: Day) -> Any:  # noqa: ANN401  a mover
    who, name = people.wear(day.stage.rng), day.stage.name("person")

    def walk(world: World, spot: tuple[float, float, float, float], t: float) -> None:
        x, y, heading, gone = spot
        busy = 0.25 + 0.1 * math.sin(3 * t)
        pose = people.walking(gone * 3.4)
        if abs(gone % 1 - 0.5) < 1e-6 or y > -1.0:
            pose = replace(pose, hands=((-0.2, 0.45, 1.0 + busy), (0.2, 0.45, 1.0 + busy)))
        add_person(world, who, pose, place((x, y, 0), turn=heading), name)

    return walk


def _truck(day: Day) -> Any:  # noqa: ANN401  a mover
    stage = day.stage
    who = people.wear(stage.rng)
    truck, name = stage.name("forklift"), stage.name("person")
    part = prop(stage, lambda: places.forklift(stage, (0, 0), fork=0.2, driver=who, name=truck, driver_name=name))

    def drive(world: World, spot: tuple[float, float, float, float], t: float) -> None:
        del t
        part.put(world, place((spot[0], spot[1], 0), turn=-0.3))

    return drive


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """One picture of the day."""

    t: float
    picture: NDArray[np.uint8]
    state: str
    ids: NDArray[np.int32]
    drawn: Drawn


def shots(day: Day, fps: float) -> Iterator[Shot]:
    """The day's pictures. Where nothing moves, what was drawn is used again: only the sensor's noise is new."""
    stay = list(day.stage.world.solid)
    kept: dict[tuple[Any, ...], Drawn] = {}
    gain: float | None = None
    for number in range(round(day.seconds * fps)):
        t = number / fps
        hour = t / day.hour_s
        state = state_at(day, hour)
        lit = day.hours.lights[0] <= hour < day.hours.lights[1]
        camera = day.camera
        if state == "moved":
            x, y, z = camera.target
            camera = replace(camera, target=(x + TURN_M, y, z + 0.3), roll=camera.roll + 3)
        there = tuple(s.name for s in day.stock if s.since <= hour < s.until)
        moving = [(way.at(t), who) for way, who in day.visits]
        key = (lit, state == "moved", there) if not any(spot for spot, _ in moving) else ()
        drawn = kept.get(key)
        if drawn is None:
            world = World(
                light=day.day if lit else day.night,
                solid=list(stay),
                film=list(day.stage.world.film),
                layers=day.stage.world.layers,
            )
            for stocked in day.stock:
                if stocked.name in there:
                    stocked.part.put(world, place(stocked.spot))
            for spot, who in moving:
                if spot is not None:
                    who(world, spot, t)
            drawn = painter().draw(world, camera.view(), camera.projection(), (camera.width, camera.height), fine=False)
            if key:
                kept = {key: drawn}
        sensor = replace(day.sensor, infrared=not lit, noise=0.02 if not lit else day.sensor.noise)
        wanted = gain_for(drawn.colour, sensor)
        gain = wanted if gain is None else gain + (wanted - gain) * min(1.0, 2.5 / fps)
        shown, ids = picture(drawn, camera, sensor, gain=gain * (1 + 0.12 * math.sin(hour)), frame=number)
        yield Shot(t=t, picture=_upset(day, shown, state, hour, number, sensor), state=state, ids=ids, drawn=drawn)


def state_at(day: Day, hour: float) -> str:
    """Of the camera."""
    hours = day.hours
    for state, (start, end) in (
        ("dark", hours.dark),
        ("covered", hours.covered),
        ("defocused", hours.defocused),
        ("moved", hours.moved),
    ):
        if start <= hour < end:
            return state
    return "clear"


def _upset(
    day: Day, shown: NDArray[np.uint8], state: str, hour: float, number: int, sensor: Sensor
) -> NDArray[np.uint8]:
    """What the state makes of a picture."""
    height, width = shown.shape[:2]
    if state == "dark":
        return expose(
            np.full((height, width, 3), 0.0008, np.float32), replace(sensor, infrared=True), gain=1.0, frame=number
        )
    if state == "defocused":
        return np.asarray(cv2.GaussianBlur(shown, (0, 0), width / 90), np.uint8)
    if state == "covered":
        cloth = textures.common()[textures.COMMON["weave"][0]][..., :3].astype(np.float32)
        cloth = cv2.GaussianBlur(cv2.resize(cloth, (width, height)), (0, 0), width / 160) * 0.75
        share = min(1.0, (hour - day.hours.covered[0]) * day.hour_s / 0.8)
        edge = int(width * share)
        made = shown.copy()
        grain = np.random.default_rng((sensor.seed, number)).normal(0, 2, (height, edge, 1))
        made[:, :edge] = np.clip(cloth[:, :edge] + grain, 0, 255)
        return made
    return shown


def render(day: Day, out: Path, *, fps: float = 5.0) -> dict[str, Any]:
    """Writes the clip; returns the truth."""
    camera = day.camera
    zone, exemplar = _zone(day)
    inside = np.zeros((camera.height, camera.width), np.uint8)
    cv2.fillPoly(inside, [np.array(zone, np.int32)], 1)
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), fps, (camera.width, camera.height))
    movers = [name for name, kind in day.stage.classes.items() if kind in {"person", "forklift"}]
    conditions: list[dict[str, Any]] = []
    passing: list[list[float]] = []
    frames_ = 0
    for shot in shots(day, fps):
        writer.write(shot.picture)
        frames_ += 1
        if not conditions or conditions[-1]["state"] != shot.state:
            conditions.append({"t": round(shot.t, 3), "state": shot.state})
        if np.isin(shot.ids[inside > 0], movers).mean() > PASSING_SHARE:
            if not passing or shot.t - passing[-1][1] > 1.5 / fps:
                passing.append([round(shot.t, 3), round(shot.t, 3)])
            passing[-1][1] = round(shot.t, 3)
    writer.release()
    truth = {
        "clip": out.name,
        "set": "rendered",
        "task": "day",
        "provenance": "models/synth/warehouse_day.py",
        "item": "carton",
        "camera": "fixed",
        "zone": zone,
        "exemplar": exemplar,
        "stock": _stock(day),
        "changes": [{k: round(v, 3) for k, v in change.items()} for change in day.changes],
        "conditions": conditions,
        "passing": [{"from": a, "to": b} for a, b in passing],
        "hour_s": day.hour_s,
        "width": camera.width,
        "height": camera.height,
        "fps": fps,
        "frames": frames_,
    }
    out.with_suffix(".json").write_text(json.dumps(truth) + "\n")
    return truth


def _stock(day: Day) -> list[dict[str, Any]]:
    """From each change on: how many cartons are seen with nobody before them, and how many stand there."""
    times = sorted({0.0, *(h for s in day.stock for h in (s.since, s.until) if 0 < h < 24)})
    told = []
    for hour in times:
        drawn, there = _still(day, hour)
        listed = items(drawn, drawn.ids, day.camera, day.stage.classes)
        seen = sum(i.id in there and i.visible >= COUNTED_SHARE for i in listed)
        told.append({"t": round(hour * day.hour_s, 3), "count": seen, "all": len(there)})
    return told


def _still(day: Day, hour: float) -> tuple[Drawn, set[int]]:
    there = {s.name for s in day.stock if s.since <= hour < s.until}
    world = World(light=day.day, solid=list(day.stage.world.solid), layers=day.stage.world.layers)
    for stocked in day.stock:
        if stocked.name in there:
            stocked.part.put(world, place(stocked.spot))
    camera = day.camera
    return painter().draw(world, camera.view(), camera.projection(), (camera.width, camera.height)), there


def _zone(day: Day) -> tuple[list[list[int]], list[int]]:
    """The polygon round the rack's front, and the box of one carton."""
    corners = day.camera.project(
        np.array(((-1.8, -0.45, 0.05), (1.8, -0.45, 0.05), (1.8, -0.45, 2.3), (-1.8, -0.45, 2.3)))
    )
    edge = np.array((day.camera.width - 1, day.camera.height - 1))
    zone = np.clip(np.rint(corners), 0, edge).astype(int).tolist()
    drawn, there = _still(day, 1.0)
    found = [i for i in items(drawn, drawn.ids, day.camera, day.stage.classes) if i.id in there and i.visible > 0.9]
    return zone, list(found[0].box) if found else []


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Renders a camera's day over a pledged zone, and its truth.")
    parser.add_argument("out", type=Path, help="the clip to write, OUT.mp4; the truth goes to OUT.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the day lasts in the clip")
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT")
    parser.add_argument("--json", action="store_true", help="print the truth")
    args = parser.parse_args()
    wide, _, high = args.size.partition("x")
    if not (wide.isdigit() and high.isdigit()):
        parser.error("--size is WIDTHxHEIGHT, for example 640x360")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        truth = render(plan(args.seed, seconds=args.seconds, size=(int(wide), int(high))), args.out, fps=args.fps)
    except NoGraphicsError as problem:
        print(problem, file=sys.stderr)
        return 4
    stock = ", ".join(f"{one['count']} from {one['t']} s" for one in truth["stock"])
    print(json.dumps(truth) if args.json else f"{args.out}: {truth['frames']} frames; cartons: {stock}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
