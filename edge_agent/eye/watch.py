"""One camera's process: pictures in, CROSSINGS statements out (gate_keeper.py).

A camera that cannot see is BLIND in the chain, never a zero count; one that is lost is looked for again and again.
"""

import logging
from collections.abc import Iterable
from threading import Event
from typing import Any, Final

from edge_agent.config.load import Camera, Pace
from edge_agent.config.sections import SlitUse
from edge_agent.eye.agreement import Doubt
from edge_agent.eye.camera_state import CameraState
from edge_agent.eye.counting import Counter, Frame, Lost, SightChange
from edge_agent.eye.frame_rate import RateRule
from edge_agent.eye.gate import Crossing, GateLine
from edge_agent.eye.gate_counter import gate_counter
from edge_agent.eye.opencv.sources import FrameSource, open_source
from edge_agent.keeping.gate_keeper import GateKeeper
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.slit_keeper import SlitKeeper, SlitRule
from evidence.bodies import Sight

PICTURE_WAIT_MS: Final = 500
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0

log = logging.getLogger(__name__)


def watch(camera: Camera, signer: Signer, settings: dict[str, Any], *, seal_every_ms: int, stop: Event) -> None:
    """Watch one camera until `stop` is set; a camera that is lost is looked for again and again."""
    line = line_of(camera)
    state = CameraState(signer, camera.stream, settings, needs=RateRule())
    counter = gate_counter(line, sight=state.test)
    detector, *witnesses = counter.sources
    keeper = GateKeeper(
        signer,
        stream=camera.stream,
        settings=settings,
        seal_every_ms=seal_every_ms,
        detector=detector.name,
        detector_sha256=detector.sha256,
        other_sources=[(witness.name, witness.sha256) for witness in witnesses],
    )
    keeper.start()
    slit = _slit_keeper(camera, signer, line)
    retry_s = FIRST_RETRY_S
    while not stop.is_set():
        source = open_source(camera.source, clock=signer.clock, pace=camera.pace is Pace.LIVE)
        if isinstance(source, Lost):
            log.warning("no camera stream=%s why=%s", camera.stream, source.why)
        else:
            with source:
                retry_s = FIRST_RETRY_S
                if _look(source, counter, keeper, state, slit, stop=stop):
                    log.info("the recording was read to its end stream=%s", camera.stream)
                    ended = SightChange(at_ms=signer.clock.utc_ms(), sight=Sight.BLIND, why="recording ended")
                    keeper.keep([ended])
                    _until(stop, keeper, slit)
                    break
        lost = Lost(why="no camera", at_ms=signer.clock.utc_ms())
        keeper.keep(_counted(counter, lost))
        state.see(lost)
        _draw(slit, None, ())
        stop.wait(retry_s)
        retry_s = min(2 * retry_s, LONGEST_RETRY_S)
    signer.ready()  # one that was lost is sought once more
    if slit is not None:
        slit.finish()
    keeper.seal(clean=True)


def line_of(camera: Camera) -> GateLine:
    """The gate as it is configured."""
    x0, y0, x1, y1 = camera.gate_px
    in_x, in_y = camera.in_normal_milli
    return GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=in_x / 1000, in_y=in_y / 1000)


def _slit_keeper(camera: Camera, signer: Signer, line: GateLine) -> SlitKeeper | None:
    if camera.slit is SlitUse.OFF:
        return None
    rule = SlitRule(
        every_ms=camera.slit_every_ms,
        send=camera.slit is SlitUse.SEND,
        keep_days=camera.pictures_keep_days,
        at_most_bytes=camera.pictures_at_most_mb * 1_000_000,
    )
    slit = SlitKeeper(signer, stream=camera.stream, title=camera.title, line=line, rule=rule)
    slit.start()
    return slit


def _look(
    source: FrameSource,
    counter: Counter,
    keeper: GateKeeper,
    state: CameraState,
    slit: SlitKeeper | None,
    *,
    stop: Event,
) -> bool:
    """Count until the source is lost or `stop` is set; whether a recording was read to its end."""
    dropped = 0
    while not stop.is_set():
        what = source.read(wait_ms=PICTURE_WAIT_MS)
        events = () if what is None else _counted(counter, what)
        if isinstance(what, Frame):
            keeper.keep(events, seen=1, dropped=source.dropped - dropped)
            dropped = source.dropped
        else:
            keeper.keep(events)
        state.see(what)
        _draw(slit, what, events)
        if isinstance(what, Lost):
            return what.ended
    return False


def _counted(counter: Counter, what: Frame | Lost) -> list[Crossing | SightChange]:
    """What is kept: sight, and what crossed and counts; the rest is logged."""
    kept: list[Crossing | SightChange] = []
    for event in counter.see(what):
        match event:
            case Doubt():
                log.info("only a witness saw a crossing source=%s", counter.sources[event.source].name)
            case Crossing() if not counter.counts(event):
                log.info("crossed and not counted kind=%s direction=%s", event.kind, event.direction.name)
            case _:
                kept.append(event)
    return kept


def _draw(slit: SlitKeeper | None, what: Frame | Lost | None, events: Iterable[Crossing | SightChange]) -> None:
    if slit is None:
        return
    if isinstance(what, Frame):
        slit.see(what)
    slit.mark(event for event in events if isinstance(event, Crossing))
    slit.step()


def _until(stop: Event, keeper: GateKeeper, slit: SlitKeeper | None) -> None:
    while not stop.wait(1.0):
        keeper.keep(())
        _draw(slit, None, ())
