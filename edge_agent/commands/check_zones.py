"""What `edge-agent check` asks a zone's camera: one picture, and what would be said of it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from edge_agent.clock import Clock
from edge_agent.commands.stock import look_at
from edge_agent.config.load import ZoneCamera
from evidence.exits import Exit

if TYPE_CHECKING:
    from edge_agent.eye.items import Finder

READS: Final = 4
"""How often a camera is asked for a picture that does not come."""
Said = tuple[Exit, str, tuple[tuple[str, str, str], ...]]
"""The exit code, a sentence, and (what, number, unit) of what was seen."""


def look_once(zones: Iterable[ZoneCamera], clock: Clock) -> Iterable[tuple[ZoneCamera, Said]]:
    """Each zone with what its camera gave; nothing is imported where there is no zone."""
    finder: Finder | None = None
    for zone in zones:
        from edge_agent.eye.litert import ModelError, stock_finder

        try:
            finder = finder or stock_finder()
        except ModelError as wrong:
            yield zone, (Exit.HARDWARE, str(wrong), ())
            continue
        yield zone, _look(zone, finder, clock)


def _look(zone: ZoneCamera, finder: "Finder", clock: Clock) -> Said:
    from edge_agent.eye.counting import Frame, Lost
    from edge_agent.eye.opencv.sources import open_source
    from edge_agent.eye.zone_watch import place_of

    source = open_source(zone.source, clock=clock)
    if isinstance(source, Lost):
        return Exit.HARDWARE, source.why, ()
    with source:
        what = next((got for _ in range(READS) if (got := source.read()) is not None), None)
    if not isinstance(what, Frame):
        return Exit.HARDWARE, "the camera gives no picture" if what is None else what.why, ()
    height, width = what.picture.shape[:2]
    _, _, x1, y1 = zone.zone.bounds
    if x1 > width or y1 > height:
        says = f"the polygon reaches to {x1:.0f},{y1:.0f}, and the picture is {width}x{height}: draw it on this picture"
        return Exit.CONFIGURATION, says, ()
    place = place_of(zone)
    counted = look_at(finder, what.picture, place.zone, side=place.side, kinds=place.kinds)
    says = f"one picture of {width}x{height}: {counted.count} visible front items, give or take {counted.uncertain}"
    if counted.blockers:
        says += "; somebody stands before them, so `watch` would not count"
    sides = sorted(round(box.area**0.5) for box in counted.items)
    values = [("items", str(counted.count), ""), ("uncertain", str(counted.uncertain), "")]
    values += [("side of an item", str(sides[len(sides) // 2]), "px")] if sides else []
    return Exit.OK, says, tuple(values)
