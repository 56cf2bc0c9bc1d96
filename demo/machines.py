"""The six machines, the meter before them and the hydrant outside; what a day of each must show, and when."""

from dataclasses import dataclass
from typing import Final

from demo.curves import Curve, compressor, idling, knitting, loom, moulding, texturing

SILENT_FOR_S: Final = 5 * 3_600
"""The compressor's meter has been silent for so long when the demonstration begins."""
COVER_OPENED_S: Final = 9 * 3_600
"""So long before, somebody has opened the sealed meter's cover …"""
PRESSURE_FELL_S: Final = 14 * 3_600
"""… and the hydrant's pressure has begun to fall."""
METER_TITLE: Final = "进线总表"
HYDRANT_TITLE: Final = "室外消火栓"
LIGHTS_W: Final = 1_200
"""What the workshop needs besides its machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of the workshop, as an installer would write it down, and what the bank should find."""

    name: str
    title: str
    bus: str
    unit: int
    profile: str
    running_above_w: int
    idle_above_w: int
    curve: Curve
    states: frozenset[str]
    """Which states a day of it must show; unknown only where its meter fell silent."""


_ALL: Final = frozenset(("running", "idle", "stopped"))
MACHINES: Final = (
    Machine(
        name="loom-01", title="1 号剑杆织机", bus="gateway", unit=1, profile="eastron_sdm630",
        running_above_w=1_500, idle_above_w=100, curve=loom, states=_ALL,
    ),
    Machine(
        name="texturing-01", title="1 号加弹机", bus="gateway", unit=2, profile="eastron_sdm630",
        running_above_w=30_000, idle_above_w=500, curve=texturing, states=frozenset(("running", "idle")),
    ),
    Machine(
        name="moulding-01", title="1 号注塑机", bus="gateway", unit=3, profile="eastron_sdm630",
        running_above_w=4_000, idle_above_w=500, curve=moulding, states=_ALL,
    ),
    Machine(
        name="warping-01", title="1 号整经机", bus="gateway", unit=4, profile="eastron_sdm630",
        running_above_w=2_000, idle_above_w=200, curve=idling, states=_ALL,
    ),
    Machine(
        name="compressor-01", title="1 号空压机", bus="compressors", unit=1, profile="eastron_sdm630",
        running_above_w=15_000, idle_above_w=2_000, curve=compressor, states=frozenset(("running", "idle", "unknown")),
    ),
    Machine(
        name="knitting-01", title="1 号大圆机", bus="rs485", unit=1, profile="acrel_adw300",
        running_above_w=1_200, idle_above_w=100, curve=knitting, states=_ALL,
    ),
)  # fmt: skip


def whole(at_s: float) -> float:
    """What the workshop's own meter sees: all machines, and the lights."""
    return sum(machine.curve(at_s) for machine in MACHINES) + LIGHTS_W
