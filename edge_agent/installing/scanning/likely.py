"""How devices are set when they leave the factory, and what they speak: an installer's experience as a table."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from edge_agent.config.profiles import Parity
from edge_agent.config.sections import BusKind

MODBUS_UNITS: Final = tuple(range(1, 248))
"""MODBUS over Serial Line V1.02, 2.2."""
TCP_UNITS: Final = (1, 255, 2, 3, 247)
"""Asked first of a host: a device of its own takes 1, 255 or anything; a gateway has what it has."""
MODBUS_TCP_PORT: Final = 502
SERIAL_KINDS: Final = (BusKind.MODBUS_RTU, BusKind.DLT645_2007, BusKind.DLT698_45, BusKind.DLT645_1997)
DLT_KINDS: Final = SERIAL_KINDS[1:]
KINDS: Final = (*SERIAL_KINDS, BusKind.MODBUS_TCP)


class Mode(Enum):
    """How much is asked."""

    QUICK = "quick"
    USUAL = "usual"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a serial port is set; always 8 data bits and one stop bit, which a device of two understands."""

    baud: int
    parity: Parity

    def __str__(self) -> str:
        return f"{self.baud} 8{self.parity.value}1"


def _likely() -> tuple[tuple[Settings, tuple[BusKind, ...]], ...]:
    modbus, new, old, objects = (BusKind.MODBUS_RTU, BusKind.DLT645_2007, BusKind.DLT645_1997, BusKind.DLT698_45)
    rows: tuple[tuple[int, str, tuple[BusKind, ...]], ...] = (
        (9600, "N", (modbus, new)),
        (2400, "E", (new, old)),
        (9600, "E", (objects, new, modbus)),
        (1200, "E", (old, new)),
        (19200, "E", (modbus,)),
        (4800, "N", (modbus,)),
        (2400, "N", (modbus,)),
        (19200, "N", (modbus,)),
        (4800, "E", (new, modbus, objects)),
        (2400, "E", (objects, modbus)),
        (38400, "N", (modbus,)),
        (115200, "N", (modbus,)),
        (57600, "N", (modbus,)),
        (9600, "O", (modbus,)),
        (115200, "E", (objects, modbus)),
        (1200, "N", (modbus,)),
    )
    return tuple((Settings(baud=baud, parity=Parity(parity)), kinds) for baud, parity, kinds in rows)


LIKELY: Final = _likely()
"""Settings and the protocols at home with them, the likeliest first."""
QUICK_ROWS: Final = 6
"""So many of them are asked when there is little time."""
LONELY_ROWS: Final = 5
"""So many that Modbus is at home with are asked for all units where nobody has answered."""
FIRST_UNITS: Final = {Mode.QUICK: 8, Mode.USUAL: 16, Mode.FULL: 16}
LATER_UNITS: Final = {Mode.QUICK: 32, Mode.USUAL: 247, Mode.FULL: 247}
"""How many units are asked everywhere, and where somebody answered."""
