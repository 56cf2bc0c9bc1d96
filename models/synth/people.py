"""People: a skeleton in a pose, clothed with skins of tubes. Walking, carrying, pushing, reaching, bending, sitting.

A person stands at the origin, faces +y, x to his right; metres for 1.75 m, scaled to his height.
"""

# ruff: noqa: PLR2004, PLR0917  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from draw import Mesh
from meshes import cross, grid, rise, weld
from textures import COMMON, any_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Tone = tuple[float, float, float]

SKINS: tuple[Tone, ...] = (
    (0.9, 0.72, 0.6),
    (0.82, 0.62, 0.48),
    (0.7, 0.5, 0.38),
    (0.5, 0.34, 0.25),
    (0.36, 0.25, 0.19),
)
HAIRS: tuple[Tone, ...] = ((0.1, 0.08, 0.07), (0.16, 0.12, 0.1), (0.3, 0.2, 0.13), (0.5, 0.48, 0.46), (0.6, 0.45, 0.25))
SAFETY: tuple[Tone, ...] = ((1.0, 0.45, 0.08), (0.85, 0.95, 0.15), (1.0, 0.3, 0.12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """How somebody looks."""

    height: float = 1.72
    stout: float = 1.0
    skin: Tone = SKINS[0]
    hair: Tone = HAIRS[0]
    top: Tone = (0.3, 0.35, 0.5)
    legs: Tone = (0.15, 0.17, 0.25)
    shoes: Tone = (0.1, 0.1, 0.1)
    sleeve: float = 1.0
    """Share of the arm that is covered."""
    loose: float = 1.0
    vest: Tone | None = None
    helmet: Tone | None = None
    gloves: Tone | None = None
    top_layer: int = COMMON["cloth"][0]
    legs_layer: int = COMMON["denim"][0]
    long_hair: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Angles in radians; forward is positive. Hands may be put at places instead (person's own frame, metres)."""

    bend: float = 0.05
    twist: float = 0.0
    lean: float = 0.0
    head: float = 0.0
    look: float = 0.0
    hips: tuple[float, float] = (0.0, 0.0)
    knees: tuple[float, float] = (0.05, 0.05)
    spread: float = 0.06
    shoulders: tuple[float, float] = (0.0, 0.0)
    lift: tuple[float, float] = (0.12, 0.12)
    elbows: tuple[float, float] = (0.25, 0.25)
    hands: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None)
    grip: float = 0.5
    seat: float | None = None
    """Height of the hips; None: the lower foot stands on the ground."""


@dataclass(slots=True, kw_only=True)
class Body:
    """A person's meshes with (layer, gloss, bump, retro) each, and where his hands are."""

    parts: list[tuple[Mesh, int, float, float, float]] = field(default_factory=list)
    hands: list[Array] = field(default_factory=list)


def wear(rng: np.random.Generator, *, worker: float = 0.6) -> Wear:
    """Somebody; with the chance `worker` in a vest, a helmet or both."""

    def tone(low: float = 0.05, high: float = 0.85) -> Tone:
        grey = rng.uniform(low, high)
        r, g, b = (float(v) for v in np.clip(grey + rng.normal(0, 0.12, 3) * (0.3 + grey), 0.03, 0.95))
        return r, g, b

    working = rng.random() < worker
    bright = SAFETY[int(rng.integers(len(SAFETY)))]
    helmets: tuple[Tone, ...] = (
        (0.95, 0.85, 0.1),
        (0.95, 0.95, 0.95),
        (0.1, 0.3, 0.8),
        (0.9, 0.15, 0.1),
        (1.0, 0.5, 0.1),
    )
    checked = rng.random() < 0.12
    return Wear(
        height=float(np.clip(rng.normal(1.7, 0.08), 1.5, 1.92)),
        stout=float(np.clip(rng.normal(1.02, 0.1), 0.85, 1.35)),
        skin=SKINS[int(rng.integers(len(SKINS)))],
        hair=HAIRS[int(rng.integers(len(HAIRS)))],
        top=tone(),
        legs=tone(0.04, 0.4) if rng.random() < 0.8 else tone(),
        shoes=tone(0.03, 0.3) if rng.random() < 0.75 else tone(0.5, 0.95),
        sleeve=float(rng.choice((1.0, 0.95, 0.35, 0.3))),
        loose=float(rng.uniform(0.95, 1.25)),
        vest=bright if working and rng.random() < 0.75 else None,
        helmet=helmets[int(rng.integers(len(helmets)))] if working and rng.random() < 0.6 else None,
        gloves=tone(0.2, 0.9) if rng.random() < 0.3 else None,
        top_layer=any_of(rng, "checks" if checked else "cloth"),
        legs_layer=any_of(rng, "denim" if rng.random() < 0.6 else "cloth"),
        long_hair=bool(rng.random() < 0.25),
        seed=int(rng.integers(1 << 30)),
    )


def walking(phase: float, *, stride: float = 1.0, arms: float = 1.0) -> Pose:
    """A step of a walk: 2 pi is two steps."""
    s, swing = math.sin(phase), 0.42 * stride
    lifts = tuple(max(0.0, math.cos(phase + side)) for side in (0.0, math.pi))
    return Pose(
        bend=0.06 + 0.04 * stride,
        twist=-0.1 * s * stride,
        lean=0.02 * math.cos(phase),
        hips=(swing * s + 0.12 * stride * lifts[0], -swing * s + 0.12 * stride * lifts[1]),
        knees=(0.1 + 0.85 * stride * lifts[0] ** 1.3, 0.1 + 0.85 * stride * lifts[1] ** 1.3),
        shoulders=(-0.45 * arms * s, 0.45 * arms * s),
        elbows=(0.3 - 0.15 * s * arms, 0.3 + 0.15 * s * arms),
    )


def carrying(pose: Pose, size: Sequence[float], *, high: float = 1.05) -> Pose:
    """Both hands under the sides of a thing of `size` (across, deep, high) held before the belly."""
    half, ahead = size[0] / 2 + 0.02, 0.2 + size[1] / 2
    low = high - 0.3 * size[2]
    return replace(pose, bend=-0.04, twist=0.0, hands=((-half, ahead, low), (half, ahead, low)), grip=0.6)


def pushing(pose: Pose, *, bar: float = 1.0, reach: float = 0.5, half: float = 0.22) -> Pose:
    """Both hands on a bar."""
    return replace(pose, bend=0.28, twist=0.0, hands=((-half, reach, bar), (half, reach, bar)), grip=1.2)


def any_pose(rng: np.random.Generator) -> Pose:  # noqa: PLR0911  a kind after a kind
    """One of many."""
    kind = int(rng.integers(9))
    walk = walking(float(rng.uniform(0, 6.28)), stride=float(rng.uniform(0.4, 1.25)), arms=float(rng.uniform(0.2, 1.3)))
    walk = replace(walk, head=float(rng.normal(0.15, 0.2)), look=float(rng.normal(0, 0.5)))

    def spot() -> Sequence[float]:
        return (float(rng.uniform(-0.45, 0.45)), float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.6, 1.75)))

    if kind <= 2:
        return walk
    if kind == 3:
        return carrying(walk, rng.uniform(0.2, 0.5, 3).tolist(), high=float(rng.uniform(0.9, 1.3)))
    if kind == 4:
        return pushing(walk, bar=float(rng.uniform(0.85, 1.15)), reach=float(rng.uniform(0.35, 0.55)))
    if kind == 5:  # bent down to something
        knee = float(rng.uniform(0.1, 1.6))
        return replace(
            walk,
            bend=float(rng.uniform(0.7, 1.5)),
            hips=(knee * 0.55, knee * 0.5),
            knees=(knee, knee),
            hands=((-0.2, 0.55, float(rng.uniform(0.15, 0.6))), (0.2, 0.55, float(rng.uniform(0.15, 0.6)))),
        )
    if kind == 6:  # squatting
        return replace(
            walk,
            bend=float(rng.uniform(0.3, 0.8)),
            hips=(1.7, 1.55),
            knees=(2.1, 2.0),
            spread=0.25,
            hands=(spot(), spot()),
        )
    if kind == 7:
        return replace(walking(0.3, stride=0.2), hands=(spot(), spot() if rng.random() < 0.5 else None), look=walk.look)
    return replace(
        Pose(),
        shoulders=tuple(rng.normal(0.2, 0.5, 2)),
        lift=tuple(rng.uniform(0.05, 0.9, 2)),
        elbows=tuple(rng.uniform(0.1, 2.0, 2)),
        head=walk.head,
        look=walk.look,
        twist=float(rng.normal(0, 0.25)),
        hips=tuple(rng.normal(0, 0.08, 2)),
        spread=float(rng.uniform(0.04, 0.2)),
    )


def body(who: Wear, pose: Pose, *, fine: bool = True) -> Body:  # noqa: PLR0915  a part after a part
    """Builds the meshes; `fine` gives fingers."""
    rng = np.random.default_rng(who.seed)
    scale, wide = who.height / 1.75, who.stout
    made = Body()
    top: list[Mesh] = []
    legs: list[Mesh] = []
    bare: list[Mesh] = []
    hard: list[Mesh] = []

    # legs from the hips down, then everything is set on the ground
    feet = []
    shift = np.zeros(3)
    for side, (hip, knee) in enumerate(zip(pose.hips, pose.knees, strict=True)):
        sign = 2 * side - 1
        out = np.array((math.sin(pose.spread) * sign, 0, 0))
        start = np.array((0.09 * sign * (0.7 + 0.3 * wide), 0.0, 0.92))
        thigh = np.array((0.0, math.sin(hip), -math.cos(hip))) + out
        bent = hip - knee
        shin = np.array((0.0, math.sin(bent), -math.cos(bent))) + 0.6 * out
        middle: Array = start + 0.42 * thigh / np.linalg.norm(thigh)
        ankle = middle + 0.41 * shin / np.linalg.norm(shin)
        feet.append((start, middle, ankle, bent, sign))
    lowest = min(f[2][2] - 0.09 - 0.08 * max(0.0, -math.sin(f[3])) for f in feet)
    shift[2] = -lowest if pose.seat is None else pose.seat / scale - 0.92
    for start, middle, ankle, bent, sign in feet:
        width = np.array((0.1, 0.09, 0.07, 0.064, 0.056, 0.052)) * (0.55 + 0.45 * wide) * (0.6 + 0.4 * who.loose)
        path = [
            start + np.array((0, 0, 0.06)),
            start + 0.35 * (middle - start),
            middle + np.array((0, 0.01, 0)),
            middle + 0.3 * (ankle - middle),
        ]
        path += [middle + 0.7 * (ankle - middle), ankle - np.array((0, 0, 0.01))]
        legs.append(_tube(np.array(path) + shift, width, side=(1, 0.001, 0), rng=rng, wrinkle=0.035, tone=who.legs))
        flat = min(0.5, max(-1.0, bent * 0.7))
        ahead = np.array((0.12 * sign, math.cos(flat), math.sin(flat)))
        up = np.array((0.0, -math.sin(flat), math.cos(flat)))
        heel = ankle - 0.05 * ahead - 0.05 * up
        sole = [
            heel - 0.025 * ahead,
            heel,
            heel + 0.09 * ahead + 0.004 * up,
            heel + 0.19 * ahead - 0.01 * up,
            heel + 0.25 * ahead - 0.018 * up,
        ]
        sizes = np.array(((0.02, 0.03), (0.038, 0.045), (0.043, 0.045), (0.047, 0.03), (0.025, 0.015)))
        hard.append(_tube(np.array(sole) + shift, sizes, side=(1, 0, 0), rng=rng, tone=who.shoes))
        hard.append(
            _tube(
                np.array([ankle + np.array((0, 0, 0.05)), ankle - 0.06 * up]) + shift,
                np.array((0.045, 0.042)),
                side=(1, 0, 0),
                rng=rng,
                tone=who.shoes,
            )
        )

    # spine: from the crotch up, bent and twisted above the waist
    pelvis = np.array((0, 0, 0.92)) + shift

    def spine(z: float, x: float = 0.0, y: float = 0.0) -> Array:
        """A point of the upright trunk where it is when bent."""
        share = min(1.0, max(0.0, (z - 0.92) / 0.28))
        angle, turn, tip = pose.bend * share, pose.twist * share, pose.lean * share
        at = np.array((x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn), z - 0.92))
        soft = pose.bend * share * 0.5 if share < 1 else angle
        a = np.array(
            (
                at[0] + tip * at[2],
                at[1] * math.cos(soft) + at[2] * math.sin(soft),
                at[2] * math.cos(soft) - at[1] * math.sin(soft),
            )
        )
        return np.asarray(pelvis + a)

    belly = max(0.0, wide - 0.95) * 0.25
    rings = (  # height, half width, half depth, forward
        (0.80, 0.10, 0.09, 0.0),
        (0.86, 0.165, 0.115, -0.01),
        (0.94, 0.175, 0.12, -0.01),
        (1.04, 0.155, 0.105 + belly * 0.7, 0.2 * belly),
        (1.16, 0.16, 0.108 + belly, 0.35 * belly),
        (1.28, 0.178, 0.118 + 0.4 * belly, 0.0),
        (1.37, 0.19, 0.112, -0.01),
        (1.43, 0.165, 0.09, -0.015),
        (1.47, 0.10, 0.07, -0.015),
        (1.50, 0.065, 0.062, -0.005),
    )
    back: Array = np.array([spine(z, 0.0, ahead) for z, _, _, ahead in rings])
    sizes = np.array([(a, b) for _, a, b, _ in rings]) * (0.45 + 0.55 * wide) * (0.75 + 0.25 * who.loose)
    across = spine(1.3, 0.2) - spine(1.3, -0.2)
    shirt = sizes * np.linspace(1.09, 1.03, len(sizes))[:, None]  # hangs over the trousers
    hem = 1 if rng.random() < 0.4 else 2
    trunk = _tube(
        back[: hem - 1 : -1],
        shirt[: hem - 1 : -1],
        side=across,
        rng=rng,
        wrinkle=0.02,
        tone=who.top,
        segments=18,
        box=0.8,
    )
    legs.append(
        _tube(back[3::-1], sizes[3::-1], side=(1, 0, 0), rng=rng, wrinkle=0.01, tone=who.legs, segments=16, box=0.85)
    )
    if who.vest:
        jacket = _tube(
            back[8:1:-1],
            sizes[8:1:-1] * 1.13 + 0.004,
            side=across,
            rng=rng,
            wrinkle=0.015,
            tone=who.vest,
            segments=18,
            box=0.8,
        )
        made.parts.append((jacket, COMMON["vest"][0], 0.1, 0.004, 1.5))
    top.append(trunk)

    # arms
    for side, (forward, lift, elbow, target) in enumerate(
        zip(pose.shoulders, pose.lift, pose.elbows, pose.hands, strict=True)
    ):
        sign = 2 * side - 1

        wrist: Array
        start = spine(1.41, 0.175 * sign * (0.5 + 0.5 * wide))
        angle = forward - 0.5 * pose.bend
        if target is None:
            upper = np.array(
                (sign * math.sin(lift), math.sin(angle) * math.cos(lift), -math.cos(angle) * math.cos(lift))
            )
            middle = start + 0.29 * upper
            lower = np.array((sign * 0.3 * math.sin(lift), math.sin(angle + elbow), -math.cos(angle + elbow)))
            wrist = middle + 0.25 * lower / np.linalg.norm(lower)
        else:
            middle, wrist = _reach(start, np.asarray(target, float) / scale, sign)
        arm = np.array(
            [
                spine(1.43, 0.11 * sign),
                start,
                start + 0.4 * (middle - start),
                middle,
                middle + 0.45 * (wrist - middle),
                wrist,
            ]
        )
        width = np.array((0.055, 0.06, 0.052, 0.043, 0.04, 0.029)) * (0.6 + 0.4 * wide)
        loose = 0.75 + 0.35 * who.loose
        cut = 6 if who.sleeve > 0.9 else 4
        sleeve: Array = arm[:cut] if cut == 6 else np.vstack([arm[:3], arm[2] + 0.5 * (arm[3] - arm[2])])
        top.append(
            _tube(sleeve, width[:cut] * loose, side=(0.3, 1, 0.2), rng=rng, wrinkle=0.05, tone=who.top, segments=10)
        )
        bare.append(_tube(arm[2:], width[2:] * 0.92, side=(0.3, 1, 0.2), rng=rng, tone=who.skin, segments=9))
        tone = who.gloves or who.skin
        bare += _hand(arm[-1], arm[-1] - arm[-2], sign, pose.grip, rng, tone, fine=fine)
        made.hands.append((arm[-1] + 0.08 * (arm[-1] - arm[-2]) / np.linalg.norm(arm[-1] - arm[-2])) * scale)

    _head(who, pose, spine, rng, bare, hard)
    made.parts.append((weld(top), who.top_layer, 0.03, 0.02, 0.0))
    made.parts.append((weld(legs), who.legs_layer, 0.03, 0.015, 0.0))
    made.parts.append((weld(bare), COMMON["skin"][0], 0.15, 0.0, 0.0))
    made.parts.append((weld(hard), COMMON["rubber"][0], 0.25, 0.0, 0.0))
    for mesh, *_ in made.parts:
        mesh.vertices[:, :3] *= scale
    return made


def _reach(start: Array, target: Array, sign: int) -> tuple[Array, Array]:
    """Elbow and wrist of an arm of two bones towards a place; the elbow hangs down and outward."""
    upper, lower = 0.29, 0.25
    way = target - start
    far = float(np.linalg.norm(way))
    reach = min(far, (upper + lower) * 0.995)
    way = way / max(far, 1e-6)
    along = (upper**2 - lower**2 + reach**2) / (2 * max(reach, 0.05))
    high = math.sqrt(max(0.0, upper**2 - along**2))
    down = np.array((0.45 * sign, -0.35, -1.0))
    down -= way * (down @ way)
    down /= max(1e-6, float(np.linalg.norm(down)))
    return start + along * way + high * down, start + reach * way


def _head(who: Wear, pose: Pose, spine: Any, rng: np.random.Generator, bare: list[Mesh], hard: list[Mesh]) -> None:  # noqa: ANN401
    neck = spine(1.47)
    up = spine(1.47) - spine(1.3)
    up /= np.linalg.norm(up)
    nod = pose.head - 0.5 * pose.bend
    up = np.array((up[0], up[1] * math.cos(nod) + up[2] * math.sin(nod), up[2] * math.cos(nod) - up[1] * math.sin(nod)))
    turn = pose.look + pose.twist
    right = np.array((math.cos(turn), math.sin(turn), 0.0))
    right -= up * (right @ up)
    right /= np.linalg.norm(right)
    face = np.cross(up, right)
    middle = neck + 0.145 * up + 0.02 * face

    def ring(high: float, ahead: float = 0.0) -> Array:
        return np.asarray(middle + high * up + ahead * face)

    bare.append(
        _tube(
            np.array([neck - 0.04 * up, neck + 0.08 * up]),
            np.array((0.062, 0.055)),
            side=right,
            rng=rng,
            tone=who.skin,
            segments=10,
        )
    )
    skull = np.array(
        [ring(0.118), ring(0.11), ring(0.07), ring(0.02), ring(-0.04, 0.008), ring(-0.09, 0.025), ring(-0.115, 0.035)]
    )
    sizes = np.array(
        ((0.01, 0.01), (0.04, 0.05), (0.07, 0.088), (0.076, 0.096), (0.07, 0.085), (0.05, 0.058), (0.015, 0.02))
    )
    bare.append(_tube(skull, sizes, side=right, rng=rng, tone=who.skin, segments=14, close=False))
    bare.append(
        _tube(
            np.array([ring(0.015, 0.09), ring(-0.02, 0.105), ring(-0.03, 0.09)]),
            np.array((0.008, 0.016, 0.012)),
            side=right,
            rng=rng,
            tone=who.skin,
            segments=6,
        )
    )
    for sign in (-1, 1):
        ear = middle + 0.075 * sign * right - 0.01 * up
        bare.append(
            _tube(
                np.array([ear + 0.03 * up, ear, ear - 0.03 * up]),
                np.array((0.008, 0.016, 0.008)),
                side=face,
                rng=rng,
                tone=who.skin,
                segments=6,
            )
        )
    back = -0.03
    low = -0.16 if who.long_hair else -0.05
    hair = np.array(
        [
            ring(0.132, back * 0.3),
            ring(0.12, back * 0.4),
            ring(0.075, back * 0.7),
            ring(0.02, back * 1.1),
            ring(low, back * 1.5),
        ]
    )
    wide = np.array(((0.012, 0.012), (0.05, 0.06), (0.077, 0.088), (0.081, 0.083), (0.065, 0.06)))
    hard.append(_tube(hair, wide, side=right, rng=rng, tone=who.hair, segments=12, wrinkle=0.03))
    if who.helmet:
        shell = np.array([ring(0.155), ring(0.145), ring(0.1), ring(0.05), ring(0.04)])
        sizes = np.array(((0.015, 0.015), (0.06, 0.07), (0.1, 0.118), (0.11, 0.132), (0.118, 0.155)))
        hard.append(_tube(shell, sizes, side=right, rng=rng, tone=who.helmet, segments=14))


def _hand(
    wrist: Array, way: Array, sign: int, grip: float, rng: np.random.Generator, tone: Tone, *, fine: bool
) -> list[Mesh]:
    ahead = way / max(1e-6, float(np.linalg.norm(way)))
    inward = np.array((-sign, 0.15, 0.0)) - ahead * (np.array((-sign, 0.15, 0.0)) @ ahead)
    inward /= max(1e-6, float(np.linalg.norm(inward)))
    wide = np.cross(ahead, inward)
    palm = np.array(
        [
            wrist - 0.02 * ahead,
            wrist + 0.02 * ahead,
            wrist + 0.06 * ahead,
            wrist + 0.095 * ahead + 0.1 * grip * 0.05 * inward,
        ]
    )
    made = [
        _tube(
            palm,
            np.array(((0.026, 0.02), (0.034, 0.018), (0.042, 0.017), (0.038, 0.013))),
            side=wide,
            rng=rng,
            tone=tone,
            segments=8,
        )
    ]
    if not fine:
        tip = wrist + 0.09 * ahead
        curl = ahead * math.cos(grip) + inward * math.sin(grip)
        made.append(
            _tube(
                np.array([tip, tip + 0.04 * ahead + 0.01 * inward, tip + 0.05 * ahead + 0.045 * curl]),
                np.array(((0.037, 0.013), (0.033, 0.012), (0.02, 0.008))),
                side=wide,
                rng=rng,
                tone=tone,
                segments=8,
            )
        )
        return made
    for k in range(4):
        root = wrist + 0.09 * ahead + (k - 1.5) * 0.02 * wide
        one = ahead * math.cos(0.5 * grip) + inward * math.sin(0.5 * grip) + 0.1 * (k - 1.5) * wide
        two = ahead * math.cos(1.5 * grip) + inward * math.sin(1.5 * grip) + 0.06 * (k - 1.5) * wide
        length = (0.036, 0.042, 0.04, 0.031)[k]
        path = np.array([root - 0.01 * ahead, root + length * one, root + length * one + 0.85 * length * two])
        made.append(_tube(path, np.array((0.0105, 0.0095, 0.007)), side=wide, rng=rng, tone=tone, segments=6, steps=5))
    root = wrist + 0.025 * ahead + 0.03 * wide
    path = np.array(
        [
            root,
            root + 0.035 * ahead + 0.03 * wide + 0.012 * inward,
            root + 0.07 * ahead + 0.025 * wide + (0.015 + 0.02 * grip) * inward,
        ]
    )
    made.append(_tube(path, np.array((0.014, 0.012, 0.008)), side=wide, rng=rng, tone=tone, segments=6, steps=5))
    return made


def _tube(
    path: Array,
    sizes: Array,
    *,
    side: Sequence[float] | Array,
    rng: np.random.Generator,
    tone: Tone,
    wrinkle: float = 0.0,
    segments: int = 12,
    steps: int = 0,
    box: float = 1.0,
    close: bool = True,
) -> Mesh:
    """A skin round a path; sizes are half width (along `side`) and half depth; rounded ends; `box` < 1 is squarer."""
    half = sizes if sizes.ndim == 2 else np.stack([sizes, sizes], 1)
    path = np.asarray(path, float)
    many = steps or max(5, 2 * len(path))
    at = np.linspace(0, len(path) - 1, many)
    points, widths = _smooth(path, at), np.maximum(_smooth(half, at), 0.002)
    if close:
        ends = [
            points[:1] - 0.3 * widths[0].mean() * _unit(points[1] - points[0]),
            points[-1:] + 0.3 * widths[-1].mean() * _unit(points[-1] - points[-2]),
        ]
        points = np.concatenate([ends[0], points, ends[1]])
        widths = np.concatenate([widths[:1] * 0.25, widths, widths[-1:] * 0.25])
    ahead = rise(points)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    across = np.asarray(side, float) - ahead * (ahead @ np.asarray(side, float))[:, None]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    deep = cross(ahead, across)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    c, s = np.cos(angle), np.sin(angle)
    c, s = np.sign(c) * np.abs(c) ** box, np.sign(s) * np.abs(s) ** box
    if wrinkle:
        fold = 1 + wrinkle * rng.normal(size=(len(points), segments + 1))
        fold[:, -1] = fold[:, 0]
    else:
        fold = np.ones((len(points), segments + 1))
    ring = (c * fold)[..., None] * across[:, None] * widths[:, None, :1]
    ring = ring + (s * fold)[..., None] * deep[:, None] * widths[:, None, 1:]
    made = grid(points[:, None] + ring, colour=tone, around=True, uv=(0, 0, 1, 1))
    inside = (made.vertices[:, 3:6] * ring.reshape(-1, 3)).sum() < 0
    if inside:
        made.vertices[:, 3:6] *= -1
        return Mesh(vertices=made.vertices, triangles=made.triangles[:, ::-1].copy())
    return made


def _smooth(values: Array, at: Array) -> Array:
    """Catmull-Rom through rows."""
    low = np.clip(np.floor(at).astype(int), 0, len(values) - 2)
    t = (at - low)[:, None]
    padded = np.concatenate([2 * values[:1] - values[1:2], values, 2 * values[-1:] - values[-2:-1]])
    a, b, c, d = (padded[low + k] for k in range(4))
    return np.asarray(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))


def _unit(way: Array) -> Array:
    return np.asarray(way / max(1e-9, float(np.linalg.norm(way))))
