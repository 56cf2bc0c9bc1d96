"""One camera's process: pictures in, CROSSINGS statements out (gate_keeper.py).

A camera that cannot see is BLIND in the chain, never a zero count; one that is lost is looked for again and again.
"""

import logging
from threading import Event
from typing import Any, Final

from edge_agent.config.load import Camera, Pace
from edge_agent.eye.counting import Counter, Frame, Lost, SightChange
from edge_agent.eye.gate import Gate, GateLine
from edge_agent.eye.opencv.foreground import Foreground
from edge_agent.eye.opencv.sight import SceneTest
from edge_agent.eye.opencv.sources import FrameSource, open_source
from edge_agent.keeping.gate_keeper import GateKeeper
from edge_agent.keeping.signer import Signer
from evidence.bodies import Sight

PICTURE_WAIT_MS: Final = 500
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0

log = logging.getLogger(__name__)


def watch(camera: Camera, signer: Signer, settings: dict[str, Any], *, seal_every_ms: int, stop: Event) -> None:
    """Watch one camera until `stop` is set; a camera that is lost is looked for again and again."""
    detector = Foreground()
    gate = Gate(
        GateLine(
            x0=camera.gate_px[0],
            y0=camera.gate_px[1],
            x1=camera.gate_px[2],
            y1=camera.gate_px[3],
            in_x=camera.in_normal_milli[0] / 1000,
            in_y=camera.in_normal_milli[1] / 1000,
        )
    )
    counter = Counter(detector, gate, sight=SceneTest())
    keeper = GateKeeper(
        signer,
        stream=camera.stream,
        settings=settings,
        seal_every_ms=seal_every_ms,
        detector=detector.name,
        detector_sha256=detector.sha256,
    )
    keeper.start()
    retry_s = FIRST_RETRY_S
    while not stop.is_set():
        source = open_source(camera.source, clock=signer.clock, pace=camera.pace is Pace.LIVE)
        if isinstance(source, Lost):
            log.warning("no camera stream=%s why=%s", camera.stream, source.why)
        else:
            with source:
                retry_s = FIRST_RETRY_S
                if _look(source, counter, keeper, stop):
                    log.info("the recording was read to its end stream=%s", camera.stream)
                    ended = SightChange(at_ms=signer.clock.utc_ms(), sight=Sight.BLIND, why="recording ended")
                    keeper.keep([ended])
                    _until(stop, keeper)
                    break
        keeper.keep(counter.see(Lost(why="no camera", at_ms=signer.clock.utc_ms())))
        stop.wait(retry_s)
        retry_s = min(2 * retry_s, LONGEST_RETRY_S)
    signer.ready()  # one that was lost is sought once more
    keeper.seal(clean=True)


def _look(source: FrameSource, counter: Counter, keeper: GateKeeper, stop: Event) -> bool:
    """Count until the source is lost or `stop` is set; whether a recording was read to its end."""
    dropped = 0
    while not stop.is_set():
        what = source.read(wait_ms=PICTURE_WAIT_MS)
        if isinstance(what, Frame):
            keeper.keep(counter.see(what), seen=1, dropped=source.dropped - dropped)
            dropped = source.dropped
        else:
            keeper.keep(() if what is None else counter.see(what))
        if isinstance(what, Lost):
            return what.ended
    return False


def _until(stop: Event, keeper: GateKeeper) -> None:
    while not stop.wait(1.0):
        keeper.keep(())
