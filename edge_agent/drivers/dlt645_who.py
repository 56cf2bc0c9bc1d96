"""Asks a DL/T 645 meter who it is: its number and the owner's number of it.

2007: 04000402 表号, 04000403 资产管理编码 (table A.5); 1997: C032 表号, C034 设备码 (annex B).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from edge_agent.codecs.dlt645 import item_of, values_of
from edge_agent.codecs.dlt645_frame import Edition
from edge_agent.codecs.errors import FrameError
from edge_agent.config.sections import Identity
from edge_agent.drivers.dlt645_fetch import Answer, fetch
from edge_agent.drivers.identity import Said, number_of
from edge_agent.drivers.serial_line import SerialLine
from evidence.bodies import Failure

if TYPE_CHECKING:
    from edge_agent.reading import Frame

DIS: Final = {
    Edition.E2007: {"meter_number": "04000402", "asset_number": "04000403"},
    Edition.E1997: {"meter_number": "C032", "asset_number": "C034"},
}


def who(line: SerialLine, edition: Edition, address: str, wanted: Sequence[str]) -> Said:
    """Ask for the wanted ones of `meter_number` and `asset_number`; after one without an answer for none."""
    said: dict[str, str | None] = {}
    frames: list[Frame] = []
    failure: Failure | None = None
    heard = False
    for what in wanted:
        di = DIS[edition][what]
        found = fetch(line, edition, address, di)
        frames += found.frames
        if isinstance(found, Answer):
            heard = True
            said[what] = _number(edition, di, found.data)
            failure = failure or (None if said[what] else Failure.NO_VALUE)
            continue
        failure = failure or found.failure
        heard = heard or found.failure is Failure.REFUSED
        if found.failure is not Failure.REFUSED:
            break
    return Said(Identity(**said), failure, tuple(frames), heard)


def _number(edition: Edition, di: str, data: bytes) -> str | None:
    """None where the meter has none, or what it says is no number."""
    item = item_of(edition, di)
    try:
        return None if item is None else number_of(values_of(item, data)["value"])
    except FrameError:
        return None
