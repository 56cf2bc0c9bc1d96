"""What `edge-agent identify` found out about one device, as a person reads it and as a program does. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from edge_agent.config.sections import Bus, Identity
from edge_agent.installing.identifying.plausible import Rank, tied
from edge_agent.installing.scanning.ready import ANY_VENDOR
from evidence.exits import Exit

UNFIT_SHOWN: Final = 3
"""Profiles that do not fit, of which the reasons are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything about the device."""

    bus: Bus
    unit: int | str
    ranks: tuple[Rank, ...]
    identity: Identity
    apart_s: float

    @property
    def best(self) -> tuple[Rank, ...]:
        """The most plausible profile, and those that the device cannot be told from; empty when none fits."""
        return tied(self.ranks)

    @property
    def is_undecided(self) -> bool:
        """Whether a person has to choose."""
        best = self.best
        return bool(best) and (best[0].is_thin or (len(best) > 1 and best[0].score == best[1].score))

    @property
    def exit_code(self) -> Exit:
        """OK when a profile fits."""
        return Exit.OK if self.best else Exit.WRONG_OUT_THERE


def as_text(found: Found) -> str:
    """For people: the ranking with its reasons, what the best profile reads, and who the device says it is."""
    tries = (
        f"{len(found.ranks)} profiles tried, {'twice, ' + f'{found.apart_s:g} s apart' if found.apart_s else 'once'}"
    )
    rows = [f"{called(found.bus, found.unit)}: {tries}", ""]
    fitting = [each for each in found.ranks if each.fits]
    shown = [each for each in fitting if each in found.best or not each.is_thin]
    for place, rank in enumerate(shown, 1):
        rows += [*_fitting(place, rank, found), ""]
    if not fitting:
        rows += ["No known profile fits: docs/profiles.md says how to write one. The nearest are:", ""]
        for rank in found.ranks[:UNFIT_SHOWN]:
            rows += [f"-  {rank.profile.id}   {_read(rank)}", *_reasons(rank), ""]
    rows += _others("little speaks for", [each for each in fitting if each not in shown])
    if fitting:
        rows += _others("do not fit:", [each for each in found.ranks if not each.fits])
        rows += ["", f"what {fitting[0].profile.id} reads", *_values(fitting[0]), ""]
    return "\n".join([*rows, *_identity(found.identity)]) + "\n"


def as_json(found: Found) -> str:
    """For programs."""
    best = {rank.profile.id for rank in found.best}
    whole: dict[str, Any] = {
        "port": str(found.bus.port),
        "protocol": found.bus.kind.value,
        "unit" if isinstance(found.unit, int) else "address": found.unit,
        "profile": found.best[0].profile.id if found.best else None,
        "meter_number": found.identity.meter_number,
        "asset_number": found.identity.asset_number,
        "ranking": [
            {
                "profile": rank.profile.id,
                "fits": rank.fits,
                "tied": rank.profile.id in best,
                "score": rank.score,
                "read": rank.read,
                "points": len(rank.trial.second),
                "reasons": [{"weight": reason.weight, "says": reason.says} for reason in rank.reasons],
            }
            for rank in found.ranks
        ],
        "values": {name: [value, unit] for name, value, unit in _numbers(found.best[0])} if found.best else {},
        "exit_code": int(found.exit_code),
    }
    return json.dumps(whole, ensure_ascii=False) + "\n"


def called(bus: Bus, unit: int | str) -> str:
    """A device as a person would name it."""
    return f"{bus.port}, {bus.kind.value}, {'unit' if isinstance(unit, int) else 'address'} {unit}"


def _fitting(place: int, rank: Rank, found: Found) -> Iterator[str]:
    thin = "; little to go by: ask again while the machine runs" if rank.is_thin else ""
    vendor = "" if rank.profile.vendor == ANY_VENDOR else f"{rank.profile.vendor} "
    yield f"{place}. {rank.profile.id}   {vendor}{rank.profile.model}, {_read(rank)}{thin}"
    if place > 1 and rank in found.best:
        same = "as plausible" if rank.score == found.best[0].score else "reads a part of the same places"
        yield f"      tied with {found.best[0].profile.id}: {same}; look at the plate"
    yield from _reasons(rank)


def _others(says: str, ranks: list[Rank]) -> list[str]:
    return [f"{says} {', '.join(each.profile.id for each in ranks)}"] if ranks else []


def _read(rank: Rank) -> str:
    return f"{rank.read} of {len(rank.trial.second)} points read"


def _reasons(rank: Rank) -> Iterator[str]:
    for reason in rank.reasons:
        yield f"    {reason.weight:+3d}  {reason.says}"


def _values(rank: Rank) -> Iterator[str]:
    for name, value, unit in _numbers(rank):
        yield f"    {name:24} {value if value is not None else 'none':>14} {unit if unit != '1' else ''}".rstrip()


def _numbers(rank: Rank) -> Iterator[tuple[str, str | None, str]]:
    for point, value in zip(rank.profile.points, rank.trial.second, strict=True):
        yield point.name, None if value is None else f"{Decimal(value).scaleb(-point.decimals):f}", point.unit


def _identity(identity: Identity) -> Iterator[str]:
    if identity.meter_number is not None:
        yield f"meter number {identity.meter_number}"
    if identity.asset_number is not None:
        yield f"asset number {identity.asset_number}"
    if identity == Identity():
        yield "it does not say a number of its own, so another device of its kind in its place cannot be told from it"
