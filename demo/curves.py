"""The machines' power over time, in watts: pure functions of UTC, so that a day can be played at any speed.

Noise comes from a hash of the time, not from a generator: whoever asks twice for an instant gets the same answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

HOUR_S: Final = 3600
DAY_S: Final = 86_400
SHANGHAI_S: Final = 8 * HOUR_S

Curve = Callable[[float], float]
"""UTC seconds to watts."""


def loom(at_s: float) -> float:
    """A rapier loom on two shifts, 06:00 to 22:00: stops of some minutes for weft breaks, meals at 11:00 and 18:00."""
    hour = _hour(at_s)
    if not 6 <= hour < 22:
        return 15 + 5 * _noise(at_s, "loom")
    if 11 <= hour < 11.5 or 18 <= hour < 18.5 or _stopped(at_s, "loom", every_s=4200, for_s=420):
        return 380 + 40 * _noise(at_s, "loom")
    return 3_150 + 180 * _noise(at_s, "loom")


def texturing(at_s: float) -> float:
    """A draw-texturing machine, day and night, 23 of 24 hours: it stops only to be doffed and threaded anew."""
    if _stopped(at_s, "texturing", every_s=6 * HOUR_S, for_s=780):
        return 2_100 + 200 * _noise(at_s, "texturing")
    return 68_000 + 900 * _noise(at_s, "texturing")


def moulding(at_s: float) -> float:
    """An injection-moulding machine from 08:00 to 20:00: cycles of 46 s with one high peak, heaters on at noon."""
    hour = _hour(at_s)
    if not 8 <= hour < 20:
        return 40 + 5 * _noise(at_s, "moulding")
    if 12 <= hour < 13:
        return 1_900 + 150 * _noise(at_s, "moulding")
    cycle = at_s % 46
    if cycle < 6:
        return 21_000 + 800 * _noise(at_s, "moulding")
    return (9_500 if cycle < 20 else 5_200) + 300 * _noise(at_s, "moulding")


def idling(at_s: float) -> float:
    """A warping machine that looks busy: switched on all day, at work for two hours."""
    hour = _hour(at_s)
    if not 7 <= hour < 21:
        return 12 + 3 * _noise(at_s, "idling")
    if 9 <= hour < 11:
        return 4_800 + 250 * _noise(at_s, "idling")
    return 900 + 60 * _noise(at_s, "idling")


def compressor(at_s: float) -> float:
    """A compressor that loads and unloads all day long; its meter falls silent in the demonstration."""
    loaded = at_s % 1500 < 1100
    return (22_000 if loaded else 7_500) + 400 * _noise(at_s, "compressor")


def knitting(at_s: float) -> float:
    """A circular knitting machine from 05:30 to 23:00, behind an old serial line."""
    hour = _hour(at_s)
    if not 5.5 <= hour < 23:
        return 8 + 2 * _noise(at_s, "knitting")
    if _stopped(at_s, "knitting", every_s=5400, for_s=600):
        return 310 + 20 * _noise(at_s, "knitting")
    return 2_700 + 120 * _noise(at_s, "knitting")


HYDRANT_LOW_S: Final = 2 * HOUR_S
"""How long a hydrant's pressure is low, with its fall and its recovery …"""
HYDRANT_TURNS_S: Final = 600
"""… and how long each of these takes."""


def hydrant_kpa(at_s: float, *, fell_at_s: float) -> float:
    """The pressure of the water in the yard's hydrant, in kPa: it falls once, and is set right after two hours."""
    since_s = at_s - fell_at_s
    lost = max(0.0, min(since_s / HYDRANT_TURNS_S, 1.0, (HYDRANT_LOW_S - since_s) / HYDRANT_TURNS_S))
    return 132 - 80 * lost + 3 * _noise(at_s, "hydrant")


_STEP_S: Final = 30.0


def energy_wh(curve: Curve, from_s: float, to_s: float) -> float:
    """The energy between two instants."""
    return Meter(curve, from_s).read(to_s)[1]


@dataclass(slots=True)
class Meter:
    """A curve's energy: integrated as time is asked for, which must not go back."""

    curve: Curve
    at_s: float
    energy_wh: float = 0.0

    def read(self, at_s: float) -> tuple[float, float]:
        """(watts now, watt-hours since the beginning)."""
        while self.at_s + _STEP_S <= at_s:
            self.energy_wh += self.curve(self.at_s) * _STEP_S / HOUR_S
            self.at_s += _STEP_S
        return self.curve(at_s), self.energy_wh


def _hour(at_s: float) -> float:
    """Hours since midnight in Suzhou."""
    return (at_s + SHANGHAI_S) % DAY_S / HOUR_S


def _noise(at_s: float, of: str) -> float:
    """From -1 to 1, another every second."""
    return crc32(f"{of} {int(at_s)}".encode()) / 0x7FFFFFFF - 1


def _stopped(at_s: float, of: str, *, every_s: float, for_s: float) -> bool:
    """Whether a stop of `for_s` is on, one in every `every_s`, somewhere in its middle half."""
    slot = int(at_s // every_s)
    begins_s = every_s * (0.25 + 0.5 * (crc32(f"{of} {slot}".encode()) / 0xFFFFFFFF))
    return 0 <= at_s - slot * every_s - begins_s < for_s
