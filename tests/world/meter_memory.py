"""What stands in the registers of a meter of some profile under some load; encoded here, apart from the box's decoder.

load = Load(phases=(Phase(volts=230.1, amps=4.2, power_factor=0.86), ...), energy_wh=123_456.0)
memory = memory_of(profile, load)                    # {(function, address): word}
Rs485Unit(registers=holding(memory, 4))
"""

import math
import struct
from dataclasses import dataclass, replace

from edge_agent.config.points import Function, Register, WordOrder
from edge_agent.config.profiles import Profile

Memory = dict[tuple[int, int], int]


@dataclass(frozen=True, kw_only=True)
class Phase:
    volts: float
    amps: float = 0.0
    power_factor: float = 1.0

    @property
    def watts(self) -> float:
        return self.volts * self.amps * self.power_factor

    @property
    def va(self) -> float:
        return self.volts * self.amps


@dataclass(frozen=True, kw_only=True)
class Load:
    phases: tuple[Phase, ...]
    """One or three; what a three-phase meter has beyond them is not connected."""
    energy_wh: float
    hertz: float = 50.0

    @property
    def watts(self) -> float:
        return sum(phase.watts for phase in self.phases)

    def after(self, seconds: float) -> "Load":
        return replace(self, energy_wh=self.energy_wh + self.watts * seconds / 3600)

    def value(self, name: str) -> float:
        """What a point of that name says; 0 for what no load has."""
        base, phase = (name[:-3], int(name[-1]) - 1) if name[-3:-1] == "_l" else (name, None)
        if phase is None:
            return self._total(base)
        if phase >= len(self.phases):
            return 0.0
        one = replace(self, phases=(self.phases[phase],), energy_wh=self.energy_wh / len(self.phases))
        return one._total(base)

    def _total(self, base: str) -> float:
        va = sum(phase.va for phase in self.phases)
        var = sum(math.sqrt(max(phase.va**2 - phase.watts**2, 0.0)) for phase in self.phases)
        known = {
            "voltage": sum(phase.volts for phase in self.phases) / len(self.phases),
            "current": sum(phase.amps for phase in self.phases) / len(self.phases),
            "active_power": self.watts,
            "apparent_power": va,
            "reactive_power": var,
            "power_factor": self.watts / va if va else 0.0,
            "frequency": self.hertz,
            "energy_import": self.energy_wh,
            "energy_total": self.energy_wh,
        }
        return known.get(base, 0.0)


def seen_by(profile: Profile, load: Load) -> Load:
    """A meter of one phase sees the first alone."""
    names = {point.name for point in profile.points}
    return replace(load, phases=load.phases[:1]) if "voltage" in names and "voltage_l1" not in names else load


def memory_of(profile: Profile, load: Load) -> Memory:
    """Every register of the profile, and no other."""
    memory: Memory = {}
    for point in profile.points:
        assert isinstance(point, Register)
        memory.update(_words(point, load.value(point.name)))
    return memory


def words_of(memory: Memory, function: Function) -> dict[int, int]:
    """What one function reads."""
    return {address: word for (of, address), word in memory.items() if of == function}


def _words(point: Register, value: float) -> Memory:
    raw = value / float(point.scale)
    octets = struct.pack(f">{point.type.format}", raw if point.type.is_float else round(raw))
    words = list(struct.unpack(f">{len(octets) // 2}H", octets))
    if point.word_order is WordOrder.LOW_FIRST:
        words.reverse()
    return {(point.function, point.address + at): word for at, word in enumerate(words)}
