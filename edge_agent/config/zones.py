"""The [[zone]] sections of a box's file: a camera that looks at goods where they stand."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.config.box import NAME
from edge_agent.config.schema import Choice, Key, ListOf, Reader, Text, Thousandths, Whole, shown
from edge_agent.config.sections import PIXELS, Pace
from edge_agent.eye.items import GOODS
from edge_agent.eye.zone import CORNERS_LIMIT, LEAST_CORNERS, Zone
from evidence.bodies import DECLARED_LIMIT

ZONES_LIMIT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneCamera:
    """One camera that looks at one zone; its stream is zone/<name>."""

    name: str
    title: str
    stream: str
    source: str
    polygon_px: tuple[int, ...]
    """x0, y0, x1, y1 … of the corners in pixels of the source, origin top left."""
    look_every_ms: int
    exemplar_px: tuple[int, int, int, int] | None
    """A box around one typical item."""
    items: tuple[str, ...]
    """Which classes are counted."""
    declared: tuple[int, int] | None
    """(depth, rows) behind and above what is seen, as the installer says."""
    contract_error_permille: int | None
    """How far absolute counts may be off by the site's contract; None: none are claimed."""
    pace: Pace

    @property
    def zone(self) -> Zone:
        """The polygon."""
        return Zone.of(self.polygon_px)


ZONE: Final = (
    Key(name="name", kind=NAME),
    Key(name="title", kind=Text()),
    Key(name="source", kind=Text("a film's path, /dev/video0 or rtsp://…")),
    Key(name="polygon", kind=ListOf(PIXELS, 2 * LEAST_CORNERS, 2 * CORNERS_LIMIT), inside="polygon_px"),
    Key(name="look_every_s", kind=Thousandths("1", "3600", "seconds"), default=60, inside="look_every_ms"),
    Key(name="exemplar", kind=ListOf(PIXELS, 4, 4), default=None, inside="exemplar_px"),
    Key(name="items", kind=ListOf(Choice({kind: kind for kind in GOODS}), 1, len(GOODS), distinct=True), default=None),
    Key(name="declared_depth", kind=Whole(1, DECLARED_LIMIT - 1, "items"), default=None),
    Key(name="declared_rows", kind=Whole(1, DECLARED_LIMIT - 1, "items"), default=None),
    Key(name="contract_error_percent", kind=Thousandths("0.1", "100", "percent"), default=None),
    Key(name="pace", kind=Choice({pace.value: pace for pace in Pace}), default="live"),
)


def read_zones(reader: Reader, tables: Iterable[tuple[str, dict[str, Any]]]) -> tuple[ZoneCamera, ...]:
    """The zones of these tables, each with where it stands; what cannot be used is complained of and left out."""
    zones = []
    for where, table in tables:
        values = reader.section(table, ZONE, where)
        if values is not None and _is_whole(reader, where, values):
            zones.append(_zone(values))
    return tuple(zones)


def _is_whole(reader: Reader, where: str, values: dict[str, Any]) -> bool:
    """Whether the section's parts fit together; complains where they do not."""
    before = len(reader.complaints)
    try:
        Zone.of(values["polygon_px"])
    except ValueError as wrong:
        reader.complain(f"{where}.polygon", f"{shown(list(values['polygon_px']))} ({wrong})", "corners in order")
    exemplar = values["exemplar_px"]
    if exemplar is not None and not (exemplar[0] < exemplar[2] and exemplar[1] < exemplar[3]):
        reader.complain(f"{where}.exemplar", shown(list(exemplar)), "a box x0, y0, x1, y1 with x0 < x1 and y0 < y1")
    if (values["declared_depth"] is None) != (values["declared_rows"] is None):
        missing = "declared_depth" if values["declared_depth"] is None else "declared_rows"
        reader.complain(f"{where}.{missing}", "missing", "declared_depth and declared_rows, or neither")
    return len(reader.complaints) == before


def _zone(values: dict[str, Any]) -> ZoneCamera:
    depth, rows, error = (values.pop(key) for key in ("declared_depth", "declared_rows", "contract_error_percent"))
    return ZoneCamera(
        **values
        | {
            "stream": f"zone/{values['name']}",
            "items": values["items"] or GOODS,
            "declared": None if depth is None else (depth, rows),
            "contract_error_permille": None if error is None else error // 100,
        }
    )
