"""A zone's whole process on a film: pictures in, a chain out that a bank can read, whatever happens in between."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.clock import SystemClock
from edge_agent.commands.status import status_of
from edge_agent.config.load import Config
from edge_agent.config.settings import settings_of
from edge_agent.eye.counting import Picture
from edge_agent.eye.items import Finder
from edge_agent.eye.track import Box
from edge_agent.eye.zone_watch import watch_zone
from edge_agent.keeping.certificate import keep_certificate, way_of_counting
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import Spool
from evidence.bodies import Body, Configuration, EventKind, Events, Gap, Phase, Stock, Verdict
from evidence.judging.recompute import Recount
from evidence.judging.zones import Stocked
from evidence.keys import SigningKey
from tests.edge.test_zone_commands import configured
from tests.world.box import BOX, Statements
from tests.world.yard import COLUMNS, HEIGHT, SIDE, WIDTH, Yard, place

FPS = 5


class Recognises:
    """A finder that knows each carton of a drawn yard by its face."""

    name = "recognises 1"
    sha256 = bytes(range(32))

    def __init__(self, yard: Yard) -> None:
        self.faces = {}
        for number in range(3 * COLUMNS):
            yard.stands = {number}
            self.faces[number] = self._crop(yard.picture(), place(number))

    def find(
        self, picture: Picture, *, zone: Sequence[tuple[float, float]] | None = None, side: float | None = None
    ) -> tuple[Box, ...]:
        """Whatever looks like itself."""
        del zone, side
        return tuple(place(n) for n in self.faces if self._alike(self._crop(picture, place(n)), self.faces[n]) > 0.8)

    def _crop(self, picture: Picture, box: Box) -> NDArray[Any]:
        part = picture[int(box.y0) : int(box.y0) + SIDE, int(box.x0) : int(box.x0) + SIDE, 0].astype(np.float64)
        return np.asarray((part - part.mean()) / (part.std() + 1e-6))

    def _alike(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        return float((one * other).mean())


def frames(yard: Yard) -> Iterator[Picture]:
    """Twelve cartons; a person passes; three are gone; the lens is covered; it is dark for a while; the end."""

    def still(seconds: float) -> Iterator[Picture]:
        for _ in range(round(seconds * FPS)):
            yield yard.picture()

    yard.stands = set(range(12))
    yield from still(14)
    for x in range(-60, 640, 20):
        yard.person_at = x
        if x == 300:
            yard.stands -= {3, 4, 11}
        yield yard.picture()
    yard.person_at = None
    yield from still(14)
    hand = np.random.default_rng(1)
    for _ in range(6 * FPS):
        yield np.asarray(90 + hand.integers(0, 5, (HEIGHT, WIDTH, 3)), dtype=np.uint8)
    yield from still(6)
    yard.light, yard.noise = 0.01, 1.0
    yield from still(6)
    yard.light, yard.noise = 1.0, 2.0
    yield from still(8)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recognises]:
    path = tmp_path_factory.mktemp("film") / "yard.avi"
    yard = Yard()
    finder = Recognises(yard)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for picture in frames(yard):
        writer.write(picture)
    writer.release()
    return path, finder


@pytest.fixture(scope="module")
def short(film: tuple[Path, Recognises]) -> tuple[Path, Recognises]:
    """Two seconds in which nothing happens."""
    path = film[0].with_name("short.avi")
    yard = Yard()
    yard.stands = set(range(12))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for _ in range(2 * FPS):
        writer.write(yard.picture())
    writer.release()
    return path, film[1]


class UntilTheEnd(Event):
    """Told to stop as soon as the process has nothing to do but to wait: its film is over."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        self.set()
        return True


def watched(config: Config, finder: Finder) -> list[Body]:
    """What the zone's chain says once its film was read to the end."""
    (zone,) = config.zones
    key = key_of(config)
    with closing(Spool(config.box.spool, box=BOX)) as spool:
        signer = Signer(spool, key, SystemClock())
        watch_zone(zone, signer, settings_of(zone), finder=finder, seal_every_ms=60_000, stop=UntilTheEnd())
    return Statements.of(config.box.spool, key).bodies(zone.stream)


def key_of(config: Config) -> SigningKey:
    assert config.box.signing_key is not None
    return SigningKey.load(config.box.signing_key)


def counts(bodies: list[Body]) -> list[int]:
    """What was really counted, each once."""
    looks = [look for body in bodies if isinstance(body, Stock) for look in body.looks]
    made = [look.count or 0 for look in looks if look.verdict is Verdict.COUNTED]
    return made[:1] + [count for before, count in pairwise(made) if count != before]


def judged(bodies: list[Body]) -> Stocked:
    """A bank reads the chain, and finds no contradiction in it."""
    recount = Recount()
    for n, body in enumerate(bodies):
        if isinstance(body, Stock):
            recount.stock(n, body, follows=True)
        elif isinstance(body, Gap):
            recount.gap(n, body)
    stocked = recount.result().stocked
    assert stocked is not None
    assert stocked.named == ()
    return stocked


def test_a_film_becomes_a_chain_with_the_right_stock_and_the_right_alarms(
    film: tuple[Path, Recognises], tmp_path: Path
) -> None:
    path, finder = film
    config = configured(tmp_path, source=f'"{path}"', pace='"file"', look_every_s=1, exemplar="[70, 80, 126, 136]")
    bodies = watched(config, finder)
    assert counts(bodies) == [12, 9]
    stocked = judged(bodies)
    assert (stocked.last.verdict, stocked.last.count, stocked.items) == (Verdict.BLIND, 9, 9)
    verdicts = {look.verdict for body in bodies if isinstance(body, Stock) for look in body.looks}
    assert verdicts == set(Verdict), "counted, hidden by a person, unclear, blind: each was there"
    events = [event for body in bodies if isinstance(body, Events) for event in body.events]
    assert {event.event for event in events} == {EventKind.CAMERA}
    told = [(event.phase, event.subject) for event in events if event.subject in {"covered", "dark"}]
    assert told == [(phase, what) for what in ("covered", "dark") for phase in (Phase.RAISED, Phase.CLEARED)]
    assert sum(body.frames_seen for body in bodies if isinstance(body, Stock)) > 60 * FPS


def test_absolute_counts_are_claimed_by_certificate_alone(short: tuple[Path, Recognises], tmp_path: Path) -> None:
    path, finder = short
    config = configured(
        tmp_path,
        source=f'"{path}"',
        pace='"file"',
        look_every_s=30,
        contract_error_percent=2,
        declared_depth=6,
        declared_rows=4,
    )
    (zone,) = config.zones
    with closing(Spool(config.box.spool, box=BOX)) as spool, spool.writing():
        keep_certificate(spool, zone.stream, way_of_counting(settings_of(zone), finder.sha256), passed=True)
    bodies = watched(config, finder)
    assert [body.settings["absolute"] for body in bodies if isinstance(body, Configuration)] == [1]
    with closing(Spool(config.box.spool, box=BOX)) as spool, spool.writing():
        keep_certificate(spool, zone.stream, b"", passed=False)
    bodies = watched(config, finder)
    assert [body.settings["absolute"] for body in bodies if isinstance(body, Configuration)] == [1, 0]
    assert {body.declared for body in bodies if isinstance(body, Stock)} == {(6, 4)}
    judged(bodies)


def test_a_source_that_is_no_film_is_blind_and_never_an_empty_zone(
    short: tuple[Path, Recognises], tmp_path: Path
) -> None:
    config = configured(tmp_path, source='"./no-film.avi"')
    bodies = watched(config, short[1])
    assert counts(bodies) == []
    assert judged(bodies).last.count is None


def test_status_shows_a_zone_as_its_spool_has_it(short: tuple[Path, Recognises], tmp_path: Path) -> None:
    path, finder = short
    config = configured(tmp_path, source=f'"{path}"', pace='"file"', look_every_s=30)
    watched(config, finder)
    with closing(Spool(config.box.spool, box=BOX, read_only=True)) as spool:
        (zone,) = status_of(config, spool, SystemClock()).zones
    assert (zone.stream, zone.verdict, zone.absolute) == ("zone/yard", "BLIND", False)
    shown = subprocess.run(
        [sys.executable, "-m", "edge_agent", "status", "--config", str(config.file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not certified: changes only" in shown.stdout
