"""One zone's process: pictures in, STOCK statements out (zone_keeper.py).

A camera that cannot see is BLIND in the chain, never an empty zone; one that is lost is looked for again and again.
"""

import logging
from threading import Event
from typing import Any, Final

from edge_agent.config.load import Pace, ZoneCamera
from edge_agent.eye.camera_state import CameraState
from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.items import Finder
from edge_agent.eye.opencv.anchors import Anchors
from edge_agent.eye.opencv.sources import FrameSource, open_source
from edge_agent.eye.zone_eye import Place, ZoneEye
from edge_agent.keeping.certificate import claimed
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import SpoolDamagedError, SpoolError
from edge_agent.keeping.zone_keeper import ZoneKeeper

PICTURE_WAIT_MS: Final = 500
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0

log = logging.getLogger(__name__)


def place_of(zone: ZoneCamera) -> Place:
    """What the configuration says is to be looked at."""
    side = None
    if zone.exemplar_px is not None:
        x0, y0, x1, y1 = zone.exemplar_px
        side = ((x1 - x0) * (y1 - y0)) ** 0.5
    return Place(zone=zone.zone, look_every_ms=zone.look_every_ms, side=side, kinds=zone.items)


def watch_zone(
    zone: ZoneCamera, signer: Signer, settings: dict[str, Any], *, finder: Finder, seal_every_ms: int, stop: Event
) -> None:
    """Watch one zone until `stop` is set; a camera that is lost is looked for again and again."""
    watching = _Watching(zone, signer, settings, finder=finder, seal_every_ms=seal_every_ms)
    retry_s = FIRST_RETRY_S
    while not stop.is_set():
        source = open_source(zone.source, clock=signer.clock, pace=zone.pace is Pace.LIVE)
        if isinstance(source, Lost):
            log.warning("no camera stream=%s why=%s", zone.stream, source.why)
        else:
            with source:
                retry_s = FIRST_RETRY_S
                if watching.look(source, stop):
                    log.info("the recording was read to its end stream=%s", zone.stream)
                    watching.end()
                    while not stop.wait(1.0):
                        watching.see(None)
                    break
        watching.see(Lost(why="no camera", at_ms=signer.clock.utc_ms()))
        stop.wait(retry_s)
        retry_s = min(2 * retry_s, LONGEST_RETRY_S)
    signer.ready()  # one that was lost is sought once more
    watching.keeper.seal(clean=True)


class _Watching:
    """An eye and a keeper, and which counts are claimed."""

    def __init__(
        self, zone: ZoneCamera, signer: Signer, settings: dict[str, Any], *, finder: Finder, seal_every_ms: int
    ) -> None:
        self._zone, self._signer, self._settings, self._finder = zone, signer, settings, finder
        self._state = CameraState(signer, zone.stream, settings)
        self._eye = ZoneEye(place_of(zone), finder, Anchors(zone.zone), sight=self._state.test)
        self.keeper = ZoneKeeper(
            signer,
            stream=zone.stream,
            settings=self._claimed(),
            seal_every_ms=seal_every_ms,
            detector=finder.name,
            detector_sha256=finder.sha256,
            declared=zone.declared,
        )
        self.keeper.start()
        self._eye.begin(self.keeper.standing())

    def look(self, source: FrameSource, stop: Event) -> bool:
        """Until the source is lost or `stop` is set; whether a recording was read to its end."""
        dropped = 0
        while not stop.is_set():
            what = source.read(wait_ms=PICTURE_WAIT_MS)
            self.see(what, dropped=source.dropped - dropped)
            dropped = source.dropped
            if isinstance(what, Lost):
                return what.ended
        return False

    def see(self, what: Frame | Lost | None, *, dropped: int = 0) -> None:
        """Take what came, and keep what it says."""
        looked = None if what is None else self._eye.see(what)
        self.keeper.keep(() if looked is None else [looked], seen=isinstance(what, Frame), dropped=dropped)
        self._state.see(what)
        if looked is not None:
            self._follow_the_certificate()

    def end(self) -> None:
        """The film is over: nothing is seen any more, and nothing is wrong with a camera."""
        looked = self._eye.see(Lost(why="recording ended", at_ms=self._signer.clock.utc_ms()))
        self.keeper.keep(() if looked is None else [looked])

    def _claimed(self) -> dict[str, Any]:
        return claimed(self._settings, self._signer.spool, self._zone.stream, self._finder.sha256)

    def _follow_the_certificate(self) -> None:
        """An acceptance may have been passed, or failed, since."""
        try:
            self.keeper.change(self._claimed())
        except SpoolDamagedError:
            raise
        except SpoolError as wrong:
            self.keeper.note(wrong)
