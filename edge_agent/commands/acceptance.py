"""`edge-agent acceptance`: whether a zone is counted well enough for its site's contract, as a signed certificate."""

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from edge_agent.clock import SystemClock
from edge_agent.commands.processes import DEFAULT_CONFIG, signer_of
from edge_agent.commands.stock import look_at
from edge_agent.config.load import Config, ConfigurationError, ZoneCamera, load
from edge_agent.config.schema import closest
from edge_agent.config.settings import settings_of
from edge_agent.eye.items import Finder
from edge_agent.installing.acceptance import (
    LEAST_PICTURES,
    ByPerson,
    Compared,
    ListError,
    certificate,
    read_counts,
    within,
)
from edge_agent.keeping.certificate import ABSOLUTE, claimed, keep_certificate, way_of_counting
from edge_agent.keeping.spool import SpoolError
from evidence.bodies import Acceptance
from evidence.errors import EvidenceError
from evidence.exits import Exit

LIMIT_PERMILLE: Final = 1000


class _UnusableError(Exception):
    """What was given cannot be accepted by; the message says what is wanted."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `acceptance` to the command line."""
    parser = subparsers.add_parser(
        "acceptance",
        help="compare a zone's counts with a person's, and sign the certificate",
        description="Count the zone in pictures that a person has counted, and sign into the zone's chain how far the "
        "two are apart. Only with a certificate that was passed, by the same model and the same settings, does `watch` "
        f"claim absolute counts. At least {LEAST_PICTURES} pictures from the zone's own camera, of different days and "
        "stock, none of them used to adapt the model.",
    )
    parser.add_argument("folder", type=Path, metavar="FRAMES_DIR", help="the folder with the pictures")
    parser.add_argument(
        "--counts", type=Path, required=True, metavar="FILE", help="what the person counted: CSV picture,count or JSON"
    )
    parser.add_argument("--zone", required=True, metavar="NAME", help="the zone's name in the configuration")
    parser.add_argument(
        "--limit", type=_permille, metavar="PERMILLE", help="instead of the contract's limit: a stricter one"
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument("--dry-run", action="store_true", help="compare, and sign nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def _permille(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LIMIT_PERMILLE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {LIMIT_PERMILLE}")
    return int(text)


def run(args: argparse.Namespace) -> Exit:
    """Compare, print and sign."""
    logging.getLogger("edge_agent.eye").setLevel(logging.WARNING)  # which model was loaded is told in the answer
    from edge_agent.eye.litert import ModelError, stock_finder

    try:
        config = load(args.config)
        zone = _zone(config, args.zone)
        limit_permille = _limit(zone, args.limit)
        counts = _enough(args.counts)
        finder = stock_finder()
        return accept(args, config, zone, counts, finder=finder, limit_permille=limit_permille)
    except (ConfigurationError, EvidenceError) as wrong:
        return _fail(str(wrong), Exit.CONFIGURATION)
    except (_UnusableError, ListError) as wrong:
        return _fail(str(wrong), Exit.USAGE)
    except (ModelError, SpoolError) as wrong:
        return _fail(str(wrong), Exit.HARDWARE)


def accept(
    args: argparse.Namespace,
    config: Config,
    zone: ZoneCamera,
    counts: Sequence[ByPerson],
    *,
    finder: Finder,
    limit_permille: int,
) -> Exit:
    """The same with what was read. Raises _UnusableError, SpoolError, EvidenceError."""
    compared = []
    for one in _compare(args.folder, counts, zone, finder):
        compared.append(one)
        if not args.json:
            _progress(one, len(compared), len(counts))
    if not sum(one.by_person for one in compared):
        raise _UnusableError(f"{args.counts} counts no item in any picture: an error has no measure then")
    clock = SystemClock()
    result = certificate(
        compared,
        limit_permille=limit_permille,
        at_ms=clock.utc_ms(),
        detector=finder.name,
        detector_sha256=finder.sha256,
    )
    if not args.dry_run:
        _sign(config, zone, result, finder, clock)
    told = _as_value(zone, result, compared, signed=not args.dry_run)
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n" if args.json else _as_text(zone, result, told))
    return Exit.OK if result.passed else Exit.WRONG_OUT_THERE


def _zone(config: Config, name: str) -> ZoneCamera:
    zones = {zone.name: zone for zone in config.zones}
    if name not in zones:
        known = ", ".join(zones) or "none"
        raise _UnusableError(f"there is no zone {name}{closest(name, zones)} in {config.file}; it has: {known}")
    return zones[name]


def _limit(zone: ZoneCamera, limit: int | None) -> int:
    contract = zone.contract_error_permille
    if contract is None:
        raise _UnusableError(
            f"the zone {zone.name} has no contract_error_percent: write the error that the site's contract allows "
            "into its section first"
        )
    if limit is not None and limit > contract:
        raise _UnusableError(f"--limit {limit} is laxer than the contract's {contract} permille")
    return contract if limit is None else limit


def _enough(file: Path) -> list[ByPerson]:
    counts = read_counts(file)
    if len(counts) < LEAST_PICTURES:
        raise _UnusableError(f"{file} has {len(counts)} pictures; at least {LEAST_PICTURES} are wanted")
    return counts


def _compare(folder: Path, counts: Sequence[ByPerson], zone: ZoneCamera, finder: Finder) -> Iterator[Compared]:
    from edge_agent.eye.counting import Lost
    from edge_agent.eye.opencv.stills import still
    from edge_agent.eye.zone_watch import place_of

    place = place_of(zone)
    for one in counts:
        picture = still(folder / one.picture)
        if isinstance(picture, Lost):
            raise _UnusableError(picture.why)
        counted = look_at(finder, picture, place.zone, side=place.side, kinds=place.kinds)
        yield Compared(
            picture=one.picture,
            sha256=sha256((folder / one.picture).read_bytes()).digest(),
            by_person=one.count,
            by_machine=counted.count,
            uncertain=counted.uncertain,
        )


def _sign(config: Config, zone: ZoneCamera, result: Acceptance, finder: Finder, clock: SystemClock) -> None:
    settings = settings_of(zone)
    way = way_of_counting(settings, finder.sha256)
    with signer_of(config, clock=clock, camera=zone.name) as signer, signer.spool.writing():
        in_force = signer.spool.settings(zone.stream)
        if in_force is None:
            signer.declare(zone.stream, claimed(settings, signer.spool, zone.stream, finder.sha256))
        signer.append(zone.stream, result)
        keep_certificate(signer.spool, zone.stream, way, passed=result.passed)
        if in_force is None or in_force == settings | {ABSOLUTE: in_force.get(ABSOLUTE)}:  # `watch` goes by these
            signer.declare(zone.stream, claimed(settings, signer.spool, zone.stream, finder.sha256))
        # power fails here: nothing of this was signed


def _progress(one: Compared, done: int, of: int) -> None:
    mark = "" if one.apart == 0 else f"{one.by_machine - one.by_person:+d}"
    sys.stdout.write(
        f"{done:>4}/{of}  {one.picture:<32} person {one.by_person:>5}  "
        f"machine {one.by_machine:>5} ±{one.uncertain:<3} {mark}\n"
    )
    sys.stdout.flush()


def _as_value(zone: ZoneCamera, result: Acceptance, compared: Sequence[Compared], *, signed: bool) -> dict[str, Any]:
    rows = [[one.picture, one.by_person, one.by_machine, one.uncertain] for one in compared]
    return {
        "zone": zone.name,
        "frames": result.frames,
        "exact": result.exact,
        "by_person": result.by_person,
        "by_machine": result.by_machine,
        "within_uncertainty": within(compared),
        "error_permille": result.error_permille,
        "limit_permille": result.limit_permille,
        "passed": result.passed,
        "signed": signed,
        "detector": result.detector,
        "detector_sha256": result.detector_sha256.hex(),
        "pictures_sha256": result.pictures_sha256.hex(),
        "pictures": rows,
    }


def _as_text(zone: ZoneCamera, result: Acceptance, told: dict[str, Any]) -> str:
    rows = [
        "",
        f"{result.frames} pictures, {result.exact} exact, {told['within_uncertainty']} within the uncertainty said",
        f"person {result.by_person} items, machine {result.by_machine}",
        f"items wrong {result.error_permille / 10:.1f} %, allowed {result.limit_permille / 10:.1f} %",
    ]
    if result.passed:
        rows.append(f"PASSED: absolute counts of {zone.stream} may be claimed, by this model and these settings")
    else:
        rows.append(
            f"NOT PASSED: {zone.stream} tells of changes only; adapt the model to the site (docs/count-stock.md)"
        )
    rows.append("signed into the zone's chain" if told["signed"] else "nothing was signed")
    return "\n".join(rows) + "\n"


def _fail(why: str, code: Exit) -> Exit:
    sys.stderr.write(f"edge-agent acceptance: {why}\n")
    return code
