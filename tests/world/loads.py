"""Machines that draw power: the workshop's curves, a press besides, and any levels one likes; one reading a second."""

from collections.abc import Callable, Iterable, Sequence
from random import Random

from demo.curves import compressor, idling, knitting, loom, moulding, texturing
from edge_agent.installing.calibrating.rhythm import Sample, of_minutes

MIDNIGHT_S = 1_800_028_800
"""In Suzhou."""
HOUR_S = 3600

Curve = Callable[[float], float]


def press(at_s: float) -> float:
    """A stamping press from 08:00 to 17:00: a stroke of one second every nine, its motor idling between and at noon."""
    hour = (at_s - MIDNIGHT_S) % 86_400 / HOUR_S
    if not 8 <= hour < 17:
        return 2
    return 15_000 if at_s % 9 < 1 and not 12 <= hour < 13 else 1_200


CURVES: dict[str, Curve] = {
    "loom": loom,
    "texturing": texturing,
    "moulding": moulding,
    "idling": idling,
    "compressor": compressor,
    "knitting": knitting,
    "press": press,
}


def readings(curve: Curve, *, from_s: int = MIDNIGHT_S, hours: float = 24, every_s: int = 1) -> list[Sample]:
    """What a meter answers, in milliwatts."""
    return [
        Sample(1000 * at_s, round(1000 * curve(at_s))) for at_s in range(from_s, from_s + int(hours * HOUR_S), every_s)
    ]


def by_minutes(samples: Sequence[Sample]) -> list[Sample]:
    """What can be made of them where the box keeps minutes."""
    minutes = (samples[start : start + 60] for start in range(0, len(samples), 60))
    return of_minutes((minute[0].at_ms, min(p for _, p in minute), max(p for _, p in minute)) for minute in minutes)


def stays(levels_w: Iterable[tuple[float, int]], *, noise: float, seed: int) -> list[Sample]:
    """So many seconds at each power, one after the other; `noise` is the share that is one standard deviation."""
    chance = Random(seed)
    powers = [power * chance.gauss(1, noise) for power, seconds in levels_w for _ in range(seconds)]
    return [Sample(1000 * (MIDNIGHT_S + at), round(1000 * power)) for at, power in enumerate(powers)]
