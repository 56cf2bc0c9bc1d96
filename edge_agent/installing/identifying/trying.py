"""Asks one device as if it were of each profile in turn, through its bus's driver, and reports what it said.

A profile of which a device gave nothing in NOTHING_LIMIT askings is given up: a wrong one would have it refuse every
register one by one. What it answered to is asked again after a while, so that energies have moved.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Final

from edge_agent.clock import Clock
from edge_agent.config.points import Protocol
from edge_agent.config.profiles import Profile, known_profiles, load_profile
from edge_agent.config.schema import ConfigurationError
from edge_agent.config.sections import Bus, Machine
from edge_agent.drivers import driver_of
from edge_agent.drivers.driver import Asker, Exchange, Line
from edge_agent.installing.identifying.plausible import Trial
from evidence.bodies import Failure, Keep

NOTHING_LIMIT: Final = 3
"""Askings without any value after which a profile is given up."""
PARTINGS_LIMIT: Final = 10
"""Askings that part what is refused, once something was answered."""


def profiles_for(protocol: Protocol, folder: Path | None) -> tuple[Profile, ...]:
    """Every profile of a protocol: ours, and the installer's in `folder`; a file that is wrong is left out."""
    found = []
    for file in known_profiles(folder).values():
        try:
            profile = load_profile(file)
        except ConfigurationError:
            continue  # `edge-agent check` tells about it when it is used
        if profile.protocol is protocol:
            found.append(profile)
    return tuple(found)


def as_machine(bus: Bus, unit: int | str, profile: Profile) -> Machine:
    """A device as a machine of that profile, for asking alone."""
    return Machine(
        name="device",
        title="device",
        stream="machine/device",
        bus=bus,
        unit=unit,
        profile=profile,
        points=profile.points,
        period_ms=bus.period_ms,
        keep=Keep.MINUTE,
        run_state=None,
    )


def tried(
    bus: Bus, unit: int | str, profiles: Iterable[Profile], clock: Clock, *, apart_s: float, tell: Callable[[str], None]
) -> list[Trial] | Failure:
    """One trial a profile; the line's failure when it cannot be opened or the device never says a word.

    With `apart_s` 0 everything is asked once. `tell` is called with each profile's id before it is tried.
    """
    driver = driver_of(bus)
    line = driver.line_of(bus)
    try:
        if (failure := line.open()) is not None:
            return failure
        firsts = []
        for profile in profiles:
            tell(profile.id)
            asker = driver.asker_of(as_machine(bus, unit, profile), line)
            firsts.append((profile, asker, clock.steady_ms(), _first(asker, line, clock)))
        if not any(exchange.heard for _, _, _, exchange in firsts):
            return next((exchange.failure for _, _, _, exchange in firsts if exchange.failure), Failure.SILENT)
        trials = [_trial(profile, exchange) for profile, _, _, exchange in firsts]
        if apart_s > 0:
            clock.wait_until(clock.steady_ms() + round(1000 * apart_s), Event())
            trials = [
                _again(trial, asker, line, clock, at_ms)
                for trial, (_, asker, at_ms, _) in zip(trials, firsts, strict=True)
            ]
        return trials
    finally:
        line.close()


def _first(asker: Asker, line: Line, clock: Clock) -> Exchange:
    """The asking after which nothing more is learnt."""
    for asking in range(1, PARTINGS_LIMIT + 1):
        line.open()
        exchange = asker.ask(clock.steady_ms())
        nothing = all(value is None for value in exchange.values)
        if not exchange.again or (nothing and asking >= NOTHING_LIMIT):
            break
    return exchange


def _trial(profile: Profile, exchange: Exchange) -> Trial:
    refused = exchange.failure in (Failure.REFUSED, Failure.BUSY)
    missing = {point.name for point, value in zip(profile.points, exchange.values, strict=True) if value is None}
    return Trial(
        profile=profile,
        first=exchange.values,
        second=exchange.values,
        apart_ms=0,
        refused=frozenset(missing if refused else ()),
    )


def _again(trial: Trial, asker: Asker, line: Line, clock: Clock, began_ms: int) -> Trial:
    """The trial with a second reading, where the first had a value."""
    if all(value is None for value in trial.first):
        return trial
    line.open()
    apart_ms = clock.steady_ms() - began_ms
    exchange = asker.ask(clock.steady_ms())
    if all(value is None for value in exchange.values):
        return trial
    return replace(_trial(trial.profile, exchange), first=trial.first, apart_ms=apart_ms)
