"""The six machines as an installer would write them down, and what a day of each must show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.curves import Curve, compressor, idling, knitting, loom, moulding, texturing

SILENT_FOR_S: Final = 5 * 3_600
"""The compressor's meter has been silent for so long."""


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


def box_toml(**values: object) -> str:
    """The box's configuration: what varies, by the names in _BOX."""
    return _BOX.format(**values) + "".join(
        _MACHINE.format(
            name=m.name, title=m.title, bus=m.bus, unit=m.unit, profile=m.profile,
            running=m.running_above_w, idle=m.idle_above_w,
        )
        for m in MACHINES
    )  # fmt: skip


def camera_toml(clip: Path, gate: dict[str, list[list[int]]]) -> str:
    """The camera's part of it, once its clip is there."""
    line = [*gate["line"][0], *gate["line"][1]]
    return _CAMERA.format(clip=clip, gate=line, normal=gate["in_normal"])


_BOX: Final = """\
[box]
id = "{box}"
enterprise = "{enterprise}"
site = "{site}"
signing_key = "{keys}/signing.key"
spool = "{spool}"
commit_every_s = 0.1

[uplink]
host = "127.0.0.1"
port = {mqtt}
ca = "{keys}/ca.pem"
cert = "{keys}/tls.pem"
key = "{keys}/tls.key"
receiver_key = "{keys}/receiver.pub"
backlog_statements_per_s = 1000

[clock]
kind = "catch-up"
started_at_ms = {started}
back_s = {back}
rate = {rate}

[[bus]]
name = "gateway"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {gateway}
period_s = 30
timeout_s = 0.3

[[bus]]
name = "compressors"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {compressors}
period_s = 30
timeout_s = 0.3

[[bus]]
name = "rs485"
kind = "modbus-rtu"
device = "{serial}"
baud = {baud}
period_s = 30
timeout_s = 0.3
"""

_MACHINE: Final = """
[[machine]]
name = "{name}"
title = "{title}"
bus = "{bus}"
unit = {unit}
profile = "{profile}"
points = ["voltage_l1", "active_power", "energy_import"]

[machine.run_state]
running_above_w = {running}
idle_above_w = {idle}
dwell_s = 60
hold_s = 300
"""

_CAMERA: Final = """
[[camera]]
name = "door"
title = "成品库门"
source = "{clip}"
gate = {gate}
in_normal = {normal}
pace = "live"
"""
