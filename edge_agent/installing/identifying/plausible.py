"""How plausible it is that a device is of a profile, judged by what it answers to that profile's questions. Pure.

A grid of 50 Hz and 220 or 380 V is assumed (GB/T 12325, GB/T 15945), as is a load behind a meter, not a generator's
protection. What speaks for a profile has a positive weight, what speaks against it a negative one; the score is their
sum. Weights are by how seldom a wrong profile would pass by chance:

    frequency in 49.5 to 50.5 Hz                  4     other than 0 and 45 to 65                    -6
    each of up to three voltages of 180 to 260 V  2     each that no grid and no transformer has     -4
    no voltage at all                            -3     a power beyond what U and I can carry        -5
    a power that U and I can carry                3     a power factor beyond 1                      -4
    a power factor within 1, of a load            1     a counter that fell, or rose too fast        -5
    the phases add up to the total                1     they do not                                  -3
    an energy that rises with the power           2     a current or an energy beyond reason         -4
    energies within reason                        1     a point refused, or without a value          -2

Two profiles are twins when the device cannot tell them apart: every place that one of them reads, the other reads too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from edge_agent.config.profiles import Point, PointKind, Profile, Register

GRID_HZ: Final = (49.5, 50.5)
ANY_GRID_HZ: Final = (45.0, 65.0)
PHASE_V: Final = (180.0, 260.0)
OTHER_V: Final = ((50.0, 65.0), (95.0, 110.0), (310.0, 460.0))
"""Behind a voltage transformer, and between two phases."""
DEAD_V: Final = 5.0
"""Below it a phase is not connected."""
CURRENT_LIMIT_A: Final = 10_000.0
ENERGY_LIMIT: Final = 1e12
"""Wh, varh or VAh: 1000 GWh."""
CARRIES: Final = 1.1
"""So many times U * I a meter's own errors may make a power."""
SMALLEST_W: Final = 15.0
"""A phase's power below which its current may read as 0."""
LOADED: Final = 0.05
"""From this power factor on a power tells more than that it is small."""
ADDS_UP: Final = 0.03
RISES_AT_MOST: Final = 2.0
"""So many times what the power shown makes, for it may have fallen since."""
THIN: Final = 5
"""A score below this says that there was little to go by."""
PHASES: Final = ("_l1", "_l2", "_l3")
_SHOWN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a device answered when it was asked as if it were of this profile."""

    profile: Profile
    first: tuple[int | None, ...]
    """One a point, with the point's decimals."""
    second: tuple[int | None, ...]
    """The same some time later."""
    apart_ms: int
    refused: frozenset[str] = frozenset()
    """Points that the device said it does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that speaks for a profile (weight above 0) or against it."""

    weight: int
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """What a trial is worth."""

    trial: Trial
    reasons: tuple[Reason, ...]

    @property
    def profile(self) -> Profile:
        """Which was tried."""
        return self.trial.profile

    @property
    def score(self) -> int:
        """The sum of all weights."""
        return sum(reason.weight for reason in self.reasons)

    @property
    def read(self) -> int:
        """Points with a value."""
        return sum(value is not None for value in self.trial.second)

    @property
    def fits(self) -> bool:
        """Whether nothing it read is implausible, and at least half of its points were read."""
        wrong = any(reason.weight < -_MISSING for reason in self.reasons)
        return not wrong and 2 * self.read >= len(self.trial.second) and (self.score > 0 or self.is_thin)

    @property
    def is_thin(self) -> bool:
        """Whether there was little to go by: few points that have a range of their own, or a machine that is off."""
        return 0 <= self.score < THIN


_MISSING: Final = 2


def ranked(trials: Iterable[Trial]) -> tuple[Rank, ...]:
    """The most plausible first; of equals, the one that read more, then by name."""
    ranks = [rank(trial) for trial in trials]
    return tuple(sorted(ranks, key=lambda each: (not each.fits, -each.score, -each.read, each.profile.id)))


def rank(trial: Trial) -> Rank:
    """All reasons, in the order of the table above."""
    values = _Values(trial)
    missing = tuple(_missing(trial))
    if not values.now:
        return Rank(trial=trial, reasons=missing)
    found = (
        *_frequency(values),
        *_voltages(values),
        *_powers(values),
        *_power_factors(values),
        *_sums(values),
        *_currents(values),
        *_energies(values),
        *missing,
    )
    return Rank(trial=trial, reasons=found)


def tied(ranks: Sequence[Rank]) -> tuple[Rank, ...]:
    """The first, and all others that the device cannot be told from: same score, or twins. Empty when none fits."""
    if not ranks or not ranks[0].fits:
        return ()
    first, others = ranks[0], ranks[1:]
    same = (each for each in others if each.fits and (each.score == first.score or _twins(first.trial, each.trial)))
    return (first, *same)


def _twins(one: Trial, other: Trial) -> bool:
    places = [{_place(point) for point, _ in _read(trial)} for trial in (one, other)]
    return bool(places[0] and places[1]) and (places[0] <= places[1] or places[1] <= places[0])


def _place(point: Point) -> tuple[object, ...]:
    """What is read, and how; not what it is called."""
    if isinstance(point, Register):
        return (point.function, point.address, point.type, point.word_order, point.scale, point.unit)
    return (getattr(point, "item", point.name), getattr(point, "element", None))


def _read(trial: Trial) -> Iterator[tuple[Point, int]]:
    for point, value in zip(trial.profile.points, trial.second, strict=True):
        if value is not None:
            yield point, value


class _Quantity(NamedTuple):
    name: str
    value: float
    before: float | None


class _Values:
    """The values in their units (kW as W), by name."""

    def __init__(self, trial: Trial) -> None:
        self.apart_ms = trial.apart_ms
        self.points = {point.name: point for point in trial.profile.points}
        self.before = _numbers(trial.profile.points, trial.first)
        self.now = _numbers(trial.profile.points, trial.second)

    def phases_of(self, quantity: str) -> dict[str, float]:
        """By the phase's ending."""
        found = {phase: self.now.get(quantity + phase) for phase in PHASES}
        return {phase: value for phase, value in found.items() if value is not None}

    def named(self, quantity: str, *units: str) -> list[_Quantity]:
        """Every value of the quantity: the total, the phases."""
        return [
            _Quantity(name, value, self.before.get(name))
            for name, value in self.now.items()
            if name.startswith(quantity) and self.points[name].unit in units
        ]


def _numbers(points: Sequence[Point], values: Sequence[int | None]) -> dict[str, float]:
    return {
        point.name: value / 10**point.decimals * (1000 if point.unit == "kW" else 1)
        for point, value in zip(points, values, strict=True)
        if value is not None and point.unit != "raw"
    }


def _frequency(values: _Values) -> Iterator[Reason]:
    for name, hertz, _ in values.named("frequency", "Hz"):
        if _within(hertz, GRID_HZ):
            yield Reason(weight=4, says=f"{name} {hertz:g} Hz")
        elif hertz and not _within(hertz, ANY_GRID_HZ):
            yield Reason(weight=-6, says=f"{name} {hertz:g} Hz, where the grid has 49.5 to 50.5")


def _voltages(values: _Values) -> Iterator[Reason]:
    dead = any(abs(volts) < DEAD_V for volts in values.phases_of("voltage").values())
    found = [each for each in values.named("voltage", "V") if not (dead and each.name == "voltage")]  # a mean with it
    good = [each for each in found if _within(each.value, PHASE_V)]
    odd = [each for each in found if abs(each.value) >= DEAD_V and not _possible_v(each.value)]
    if good:
        shown = ", ".join(f"{each.value:g}" for each in good[:_SHOWN])
        yield Reason(weight=2 * min(len(good), len(PHASES)), says=f"{_counted(len(good), 'voltage')}: {shown} V")
    for each in odd:
        yield Reason(weight=-4, says=f"{each.name} {each.value:g} V, where a phase has 180 to 260")
    if found and all(abs(each.value) < DEAD_V for each in found):
        yield Reason(weight=-3, says="no voltage on any phase")


def _powers(values: _Values) -> Iterator[Reason]:
    """U * I of each phase against its power, and of all against the total."""
    volts, amps = values.phases_of("voltage"), values.phases_of("current")
    carried = {phase: volts[phase] * abs(amps[phase]) for phase in volts if phase in amps}
    if not carried and "voltage" in values.now and "current" in values.now:
        carried = {"": values.now["voltage"] * abs(values.now["current"])}
    if not carried:
        return
    by_phase = {phase: values.now.get(f"active_power{phase}") for phase in carried}
    known = {phase: watts for phase, watts in by_phase.items() if watts is not None}
    total = values.now.get("active_power")
    room_va = sum(carried.values())
    judged = [(f"active_power{phase}", watts, carried[phase], 1) for phase, watts in known.items()]
    if total is not None and "" not in known:
        judged.append(("active_power", total, room_va, len(carried)))
    beyond = [each for each in judged if abs(each[1]) > CARRIES * each[2] + SMALLEST_W * each[3]]
    for name, watts, va, _ in beyond:
        yield Reason(weight=-5, says=f"{name} {watts:g} W, where U * I is {va:.4g} VA")
    loaded = [each for each in judged if abs(each[1]) >= max(LOADED * each[2], SMALLEST_W)]
    if loaded and not beyond:
        name, watts, va, _ = loaded[-1]
        yield Reason(weight=3, says=f"{name} {watts:g} W of {va:.4g} VA that U * I makes")


def _power_factors(values: _Values) -> Iterator[Reason]:
    found = values.named("power_factor", "1")
    for each in found:
        if abs(each.value) > 1:
            yield Reason(weight=-4, says=f"{each.name} {each.value:g}, where 1 is the most")
    if found and all(abs(each.value) <= 1 for each in found) and any(each.value for each in found):
        yield Reason(weight=1, says=f"power factor {max((each.value for each in found), key=abs):g}")


def _sums(values: _Values) -> Iterator[Reason]:
    phases = values.phases_of("active_power")
    total = values.now.get("active_power")
    if total is None or len(phases) < len(PHASES):
        return
    watts, gross = sum(phases.values()), sum(map(abs, phases.values()))
    if min(abs(watts - total), abs(gross - abs(total))) > ADDS_UP * gross + SMALLEST_W:  # some add up without the sign
        yield Reason(weight=-3, says=f"the phases make {watts:g} W, the total is {total:g} W")
    elif total:
        yield Reason(weight=1, says="the phases add up to the total power")


def _currents(values: _Values) -> Iterator[Reason]:
    for name, amps, _ in values.named("current", "A"):
        if abs(amps) > CURRENT_LIMIT_A:
            yield Reason(weight=-4, says=f"{name} {amps:g} A")


def _energies(values: _Values) -> Iterator[Reason]:
    counters = [
        each for each in values.named("", "Wh", "varh", "VAh") if values.points[each.name].kind is PointKind.COUNTER
    ]
    wild = [each for each in counters if not -ENERGY_LIMIT < each.value < ENERGY_LIMIT or each.value < 0]
    for each in wild:
        yield Reason(weight=-4, says=f"{each.name} {each.value:g} {values.points[each.name].unit}")
    moved = [reason for each in counters if each not in wild for reason in _moved(each, values)]
    yield from (reason for reason in moved if reason.weight < 0)
    yield from [reason for reason in moved if reason.weight > 0][:1]
    if any(each.value for each in counters) and not wild:
        yield Reason(weight=1, says="energies within reason")


def _moved(counter: _Quantity, values: _Values) -> Iterator[Reason]:
    """How a counter went on between the two readings. One count may always come, and so may a total of two ways."""
    if counter.before is None or counter.value == counter.before:
        return
    unit = values.points[counter.name].unit
    count = 10.0 ** -values.points[counter.name].decimals
    rise = counter.value - counter.before
    if rise < 0 and counter.name.startswith("energy_import"):
        says = f"{counter.name} fell from {counter.before:g} to {counter.value:g} {unit}"
        yield Reason(weight=-5, says=says)
    watts = values.now.get("active_power")
    if watts is None or unit != "Wh" or rise <= 0:
        return
    made = abs(watts) * values.apart_ms / 3_600_000
    coarse = max(count, 1e-6 * counter.value, _COARSEST_WH)
    if rise > RISES_AT_MOST * made + coarse:
        yield Reason(weight=-5, says=f"{counter.name} rose {rise:g} Wh, where {abs(watts):g} W make {made:.3g}")
    else:
        yield Reason(weight=2, says=f"{counter.name} rises with the power")


_COARSEST_WH: Final = 10.0
"""A step of 0.01 kWh, as most meters count."""


def _missing(trial: Trial) -> Iterator[Reason]:
    refused = [point.name for point in trial.profile.points if point.name in trial.refused]
    empty = [
        point.name
        for point, value in zip(trial.profile.points, trial.second, strict=True)
        if value is None and point.name not in trial.refused
    ]
    for names, why in ((refused, "refused"), (empty, "no value")):
        if names:
            yield Reason(weight=-_MISSING * len(names), says=f"{why}: {_listed(names)}")


def _possible_v(volts: float) -> bool:
    return any(_within(volts, each) for each in (PHASE_V, *OTHER_V))


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
