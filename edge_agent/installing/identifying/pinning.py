"""Puts what was found out about a device into the box's file: its profile, and the numbers that it must have."""

from collections.abc import Mapping
from pathlib import Path

from edge_agent.config.load import Config
from edge_agent.config.schema import closest
from edge_agent.config.sections import Identity
from edge_agent.config.write import BoxFile, Value
from edge_agent.installing.identifying.identify_told import Found
from edge_agent.installing.identifying.plausible import Rank
from edge_agent.installing.ports import lasting_name
from edge_agent.installing.scanning.probing import Device
from edge_agent.installing.scanning.ready import Known, ready_for, streams_of


class UndecidedError(Exception):
    """A person has to choose; the message says between what, and how."""


def write(file: Path, config: Config, found: Found, device: Device, *, wanted: str | None) -> str:
    """Put profile and numbers into the box's file; returns what was put there.

    A machine that is there keeps a profile that fits, and points of its own, unless `wanted` names a profile; one that
    is not there is added.
    Raises UndecidedError, and ConfigurationError or OSError when the file cannot be changed: it is then as it was.
    """
    chosen = _chosen(wanted, found)
    ready = ready_for(
        [Known(device=device, profile=chosen.profile)],
        buses=config.buses,
        machines=config.machines,
        lasting=lasting_name,
    )
    box = BoxFile(file)
    streams = streams_of(device, config.machines, lasting_name)
    there = [machine for machine in config.machines if machine.stream in streams]
    unfit = {rank.profile.id for rank in found.ranks} - {rank.profile.id for rank in found.best}
    told = []
    for machine in there:
        changed = _pins(found.identity)
        if wanted is not None or machine.profile.id in unfit:
            changed["profile"] = chosen.profile.id
        box.change("machine", machine.name, changed)
        told.append(f"{machine.name}: {_listed(changed)}")
    for section in () if there else ready.sections:
        pins = _pins(found.identity) if section.kind == "machine" else {}
        box.add(section.kind, {**section.values, **pins})
        told.append(f"new {section.kind} {section.values['name']}: {_listed({**section.values, **pins})}")
    box.save()
    return "; ".join(told)


def _chosen(wanted: str | None, found: Found) -> Rank:
    if wanted is not None:
        ranks = {rank.profile.id: rank for rank in found.ranks}
        if wanted not in ranks:
            raise UndecidedError(f"There is no profile {wanted} for {found.bus.kind.value}{closest(wanted, ranks)}.")
        return ranks[wanted]
    if not found.best:
        raise UndecidedError("No profile fits; with --profile one is written all the same. Nothing was written.")
    if found.is_undecided:
        names = " or ".join(rank.profile.id for rank in found.best)
        raise UndecidedError(f"{names}: look at the plate, and name it with --profile. Nothing was written.")
    return found.best[0]


def _pins(identity: Identity) -> dict[str, Value]:
    """The keys that hold the machine to this device."""
    pins: dict[str, Value] = {}
    if identity.meter_number is not None:
        pins["meter_number"] = identity.meter_number
    if identity.asset_number is not None:
        pins["asset_number"] = identity.asset_number
    return pins


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items()) or "as it was"
