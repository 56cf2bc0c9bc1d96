"""The demonstration: a workshop, a box, a broker, a receiver, an officer's page, a bank. `scripts/demo` runs it.

Everything is the real thing, started as an installer, an operator and a bank would start it, on loopback and free
ports, in a folder of its own. Only the machines are made up, and the first minute of the clock: a day is played in
half a minute, and every statement of it says that its clock was simulated.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demo.parts import DemoError, Parts, free_ports, listens, program
from demo.workshop import BAUD
from edge_agent.clock import CatchUpClock, SystemClock

BACK_S: Final = 86_400
RATE: Final = 3_000
SILENT_FOR_S: Final = 5 * 3_600
"""The compressor's meter has been silent for so long."""
CLIP_S: Final = 20
BOX: Final = "box-0001"
ENTERPRISE: Final = "恒力纺织 Hengli Textile"
SITE: Final = "盛泽 Shengze"
BANK: Final = "bank-of-suzhou"


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
    states: frozenset[str]
    """Which states a day of it must show."""


_ALL: Final = frozenset(("running", "idle", "stopped"))
MACHINES: Final = (
    Machine(
        name="loom-01", title="1 号剑杆织机", bus="gateway", unit=1, profile="eastron_sdm630",
        running_above_w=1_500, idle_above_w=100, states=_ALL,
    ),
    Machine(
        name="texturing-01", title="1 号加弹机", bus="gateway", unit=2, profile="eastron_sdm630",
        running_above_w=30_000, idle_above_w=500, states=frozenset(("running", "idle")),
    ),
    Machine(
        name="moulding-01", title="1 号注塑机", bus="gateway", unit=3, profile="eastron_sdm630",
        running_above_w=4_000, idle_above_w=500, states=_ALL,
    ),
    Machine(
        name="warping-01", title="1 号整经机", bus="gateway", unit=4, profile="eastron_sdm630",
        running_above_w=2_000, idle_above_w=200, states=_ALL,
    ),
    Machine(
        name="compressor-01", title="1 号空压机", bus="compressors", unit=1, profile="eastron_sdm630",
        running_above_w=15_000, idle_above_w=2_000, states=frozenset(("running", "idle", "unknown")),
    ),
    Machine(
        name="knitting-01", title="1 号大圆机", bus="rs485", unit=1, profile="acrel_adw300",
        running_above_w=1_200, idle_above_w=100, states=_ALL,
    ),
)  # fmt: skip


def main() -> None:
    """`python -m demo`."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="A workshop comes alive on this computer.")
    parser.add_argument("--once", action="store_true", help="run unattended, check what came out, stop")
    parser.add_argument("--keep", action="store_true", help="do not delete the folder with keys, databases and logs")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="qianliyan-demo-"))
    story = Story(folder)
    try:
        with story.parts:
            story.run()
            if args.once:
                story.check()
            else:
                story.stay()
    except DemoError as wrong:
        print(f"\nthe demonstration failed: {wrong}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nstopped; everything it started has stopped with it")
    finally:
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


class Story:
    """What happens, in order; each step says what it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts = Parts(folder)
        self._began_s = time.monotonic()
        self._mqtt, self._http, self._gateway, self._compressors = free_ports(4)
        self._receiver = folder / "receiver"
        self._box = folder / "box"
        self._bank = folder / "bank"
        for each in (self._receiver, self._box, self._bank):
            each.mkdir()
        self._findings: dict[str, Any] = {}
        self._truth: dict[str, Any] = {}
        self._receiver_fingerprint = ""
        self._started_at_ms = 0

    @property
    def url(self) -> str:
        """Of the receiver's pages and feed."""
        return f"http://127.0.0.1:{self._http}"

    def run(self) -> None:
        """Everything up to the bank's verdict."""
        self.parts.start(
            "clip",
            [sys.executable, "models/synth/gate_clip.py", self.folder / "gate.mp4", "--seconds", str(CLIP_S)],
        )
        self._open_the_receiver()
        self._enrol_the_box()
        self._start_the_workshop()
        self._play_the_day()
        self._wait_for_the_gate()
        self._wait_for_receipts()
        self._let_the_bank_verify()

    def say(self, what: str) -> None:
        """One line of progress, with the seconds since the beginning."""
        print(f"[{time.monotonic() - self._began_s:5.1f} s] {what}", flush=True)

    # The steps.

    def _open_the_receiver(self) -> None:
        self.parts.call(
            program("cloud-sync"), "init", self._receiver, "--id", "suzhou-1", "--host", "127.0.0.1",
            "--bind", "127.0.0.1", "--port", str(self._mqtt), "--http-port", str(self._http),
        )  # fmt: skip
        user = ["--user", "root"] if os.getuid() == 0 else []  # a broker started by root would lay its rights down
        self.parts.call(
            program("cloud-sync"), "broker-config", "--directory", self._receiver / "broker", "--host", "127.0.0.1",
            "--bind", "127.0.0.1", "--port", str(self._mqtt), *user,
        )  # fmt: skip
        mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if mosquitto is None:
            raise DemoError("there is no mosquitto: run scripts/setup")
        self.parts.start("mosquitto", [mosquitto, "-c", self._receiver / "broker" / "mosquitto.conf"])
        self.parts.wait_for("the broker", 10, lambda: listens(self._mqtt))
        self.parts.start("cloud-sync", [program("cloud-sync"), "serve", "--config", self._receiver_toml])
        self.say("a receiver and its broker listen: MQTT 5 over mutual TLS, certificates from the receiver's own CA")

    def _enrol_the_box(self) -> None:
        request, answer, keys = self.folder / "request.cbor", self.folder / "answer.cbor", self._box / "keys"
        asked = self.parts.answer(
            program("edge-agent"), "enrol", "request", "--box", BOX, "--enterprise", ENTERPRISE, "--site", SITE,
            "--directory", keys, "-o", request,
        )  # fmt: skip
        answered = self.parts.answer(
            program("cloud-sync"), "enrol", "--config", self._receiver_toml, "--fingerprint", asked["fingerprint"],
            "-o", answer, request,
        )  # fmt: skip
        self._receiver_fingerprint = answered["receiver_fingerprint"]
        self.parts.call(
            program("edge-agent"), "enrol", "accept", "--fingerprint", self._receiver_fingerprint,
            "--directory", keys, answer,
        )  # fmt: skip
        self.say(f"box {BOX} is enrolled: fingerprint {asked['fingerprint']}")

    def _start_the_workshop(self) -> None:
        now_ms = SystemClock().utc_ms()
        self._started_at_ms = now_ms
        log = self.parts.start(
            "workshop",
            [
                sys.executable, "-m", "demo.workshop", "--ports", str(self._gateway), str(self._compressors),
                "--started-at-ms", str(now_ms), "--back-s", str(BACK_S), "--rate", str(RATE),
                "--silent-from-ms", str(now_ms - SILENT_FOR_S * 1000),
            ],
        )  # fmt: skip
        self.parts.wait_for("the machines", 20, lambda: '"ready"' in log.read_text())
        serial = json.loads(log.read_text().splitlines()[-1])["serial"]
        (self._box / "box.toml").write_text(self._box_toml(serial), encoding="utf-8")
        self.say("six machines run behind real Modbus: five over TCP, one over RTU on a pseudo-terminal")

    def _play_the_day(self) -> None:
        agent, config = program("edge-agent"), self._box / "box.toml"
        self.parts.start("poll", [agent, "poll", "--config", config])
        self.parts.start("sync", [agent, "sync", "--config", config])
        self.say(f"the box reads, judges, signs and sends; a day is played in {BACK_S / RATE:.0f} s")
        print(f"\n    the page: {self.url}/\n", flush=True)
        clock = CatchUpClock(self._started_at_ms, back_ms=BACK_S * 1000, rate=RATE)
        real = SystemClock()
        shown = 0
        while (behind_s := (real.utc_ms() - clock.utc_ms()) / 1000) > 1:
            done = int(24 - behind_s / 3600)
            if done >= shown + 6:
                shown = done
                self.say(f"{done} of 24 hours are played")
            self.parts.look()
            self._open_the_gate()
            time.sleep(0.25)
        self.say("the box has caught up with the present, and goes on live")

    def _open_the_gate(self) -> None:
        """As soon as the clip is rendered, let a camera look at it."""
        clip, truth = self.folder / "gate.mp4", self.folder / "truth.json"
        if self._truth or not truth.exists():
            return
        self._truth = json.loads(truth.read_text())
        gate = self._truth["gates"][0]
        line = [*gate["line"][0], *gate["line"][1]]
        with (self._box / "box.toml").open("a", encoding="utf-8") as file:
            file.write(_CAMERA.format(clip=clip, gate=line, normal=gate["in_normal"]))
        self.parts.start("watch", [program("edge-agent"), "watch", "door", "--config", self._box / "box.toml"])
        self.say(f"a camera watches a gate: a rendered clip of {CLIP_S} s, as a camera would give it")

    def _wait_for_the_gate(self) -> None:
        def ended() -> bool:
            self._open_the_gate()
            log = self.folder / "watch.log"
            return log.exists() and "read to its end" in log.read_text()

        self.parts.wait_for("the clip's end", 180, ended)
        self.parts.stop("watch")

    def _wait_for_receipts(self) -> None:
        config = self._box / "box.toml"
        status: list[str | Path] = [program("edge-agent"), "status", "--config", config]
        self.parts.stop("poll")
        self.parts.wait_for("receipts", 60, lambda: self.parts.answer(*status, codes=(0, 1))["unsent"] == 0)
        sealed = sum(stream["statements"] for stream in self.parts.answer(*status, codes=(0, 1))["streams"])
        self.say(f"{sealed} statements are signed, sent, stored and receipted; none is unsent")
        self.parts.start("poll", [program("edge-agent"), "poll", "--config", config])

    def _let_the_bank_verify(self) -> None:
        key, copy, sync = self._bank / "bank.key", self._bank / "copy", program("cloud-sync")
        self.parts.call(program("evidence"), "keygen", "-o", key)
        self.parts.call(sync, "bank", "add", "--config", self._receiver_toml, BANK, f"{key}.pub")
        self.parts.call(sync, "grant", "--config", self._receiver_toml, BANK, BOX, "*")
        self.parts.call(
            program("evidence"), "pull", "--url", self.url, "--bank", BANK, "--key", key,
            "--receiver-fingerprint", self._receiver_fingerprint, "-o", copy,
        )  # fmt: skip
        self.say("a bank pulls what it was granted, and verifies it alone:")
        verify: list[str | Path] = [program("evidence"), "verify", copy, "--fingerprint", self._receiver_fingerprint]
        print("\n" + textwrap.indent(self.parts.call(*verify, codes=(0, 1, 5)), "    "), flush=True)
        self._findings = self.parts.answer(*verify, codes=(0, 1, 5))

    # What it says at its end.

    def stay(self) -> None:
        """Go on living until Ctrl-C."""
        self.say(f"everything goes on; look at {self.url}/ and stop with Ctrl-C")
        while True:
            self.parts.look()
            time.sleep(1)

    @property
    def _receiver_toml(self) -> Path:
        return self._receiver / "receiver.toml"

    def _box_toml(self, serial: str) -> str:
        keys = self._box / "keys"
        machines = "".join(
            _MACHINE.format(
                name=m.name, title=m.title, bus=m.bus, unit=m.unit, profile=m.profile,
                running=m.running_above_w, idle=m.idle_above_w,
            )
            for m in MACHINES
        )  # fmt: skip
        return _BOX.format(
            box=BOX, enterprise=ENTERPRISE, site=SITE, keys=keys, spool=self._box / "spool.db", mqtt=self._mqtt,
            started=self._started_at_ms, back=BACK_S, rate=RATE, gateway=self._gateway,
            compressors=self._compressors, serial=serial, baud=BAUD,
        ) + machines  # fmt: skip


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
hold_s = 150
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
