"""The workshop's box.toml, as an installer would write it down."""

from pathlib import Path
from typing import Final

from demo.machines import HYDRANT_TITLE, MACHINES, METER_TITLE
from demo.sealed_meter import ADDRESS

PROFILES: Final = Path(__file__).parent / "profiles"


def box_toml(**values: object) -> str:
    """The box's configuration: what varies, by the names in _BOX."""
    fixed = {
        "profiles": PROFILES, "meter_address": ADDRESS, "meter_title": METER_TITLE, "hydrant_title": HYDRANT_TITLE,
    }  # fmt: skip
    return _BOX.format(**fixed, **values) + "".join(
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
profiles = "{profiles}"
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

[[bus]]
name = "yard"
kind = "dlt645-2007"
device = "{meter_line}"
baud = 19200
period_s = 240

[[bus]]
name = "fire-water"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {fire_water}
period_s = 60
timeout_s = 0.3

[[machine]]
name = "main"
title = "{meter_title}"
stream_kind = "meter"
bus = "yard"
address = "{meter_address}"
profile = "workshop_meter"
meter_number = "{meter_address}"

[[machine]]
name = "hydrant"
title = "{hydrant_title}"
stream_kind = "fire"
bus = "fire-water"
unit = 1
profile = "generic_hydrant_pressure"

[[machine.limit]]
point = "pressure"
usual = "hydrant-industrial-small"
delay_s = 120
hold_s = 600
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
