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
from pathlib import Path
from typing import Any, Final

from demo.box_file import box_toml, camera_toml
from demo.checks import (
    differences,
    energy_differences,
    event_differences,
    overview_differences,
    page_differences,
)
from demo.machines import MACHINES
from demo.parts import DemoError, Parts, end_on_signals, free_ports, listens, program
from demo.workshop import BAUD
from edge_agent.clock import CatchUpClock, SystemClock

BACK_S: Final = 28 * 3_600
"""A day and a bit: starting up takes its share of the time that is played fast."""
RATE: Final = 2_400
CLIP_S: Final = 20
BOX: Final = "box-0001"
ENTERPRISE: Final = "恒力纺织 Hengli Textile"
SITE: Final = "盛泽 Shengze"
BANK: Final = "bank-of-suzhou"


def main() -> None:
    """`python -m demo`."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="A workshop comes alive on this computer.")
    parser.add_argument("--once", action="store_true", help="run unattended, check what came out, stop")
    parser.add_argument("--keep", action="store_true", help="do not delete the folder with keys, databases and logs")
    args = parser.parse_args()
    end_on_signals()
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
        if args.once:
            sys.exit(1)  # nothing was checked
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
        self._mqtt, self._http, self._gateway, self._compressors, self._fire_water = free_ports(5)
        self._receiver = folder / "receiver"
        self._box = folder / "box"
        self._bank = folder / "bank"
        for each in (self._receiver, self._box, self._bank):
            each.mkdir()
        self._findings: dict[str, Any] = {}
        self._truth: dict[str, Any] = {}
        self._overview = ""
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
                sys.executable, "-m", "demo.workshop",
                "--ports", str(self._gateway), str(self._compressors), str(self._fire_water),
                "--started-at-ms", str(now_ms), "--back-s", str(BACK_S), "--rate", str(RATE),
            ],
        )  # fmt: skip
        self.parts.wait_for("the machines", 20, lambda: '"ready"' in log.read_text())
        lines = json.loads(log.read_text().splitlines()[-1])
        configuration = box_toml(
            box=BOX, enterprise=ENTERPRISE, site=SITE, keys=self._box / "keys", spool=self._box / "spool.db",
            mqtt=self._mqtt, started=now_ms, back=BACK_S, rate=RATE, gateway=self._gateway,
            compressors=self._compressors, fire_water=self._fire_water, serial=lines["serial"], baud=BAUD,
            meter_line=lines["meter_line"],
        )  # fmt: skip
        (self._box / "box.toml").write_text(configuration, encoding="utf-8")
        self.say("machines and a hydrant behind Modbus, a sealed meter on DL/T 645; what an installer sees of them:")
        self._overview = self.parts.call(program("edge-agent"), "check", "--config", self._box / "box.toml")
        print("\n" + textwrap.indent(self._overview, "    "), flush=True)

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
            done = int(BACK_S / 3600 - behind_s / 3600)
            if done >= shown + 6:
                shown = done
                self.say(f"{done} of {BACK_S // 3600} hours are played")
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
        with (self._box / "box.toml").open("a", encoding="utf-8") as file:
            file.write(camera_toml(clip, self._truth["gates"][0]))
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
        self.parts.wait_for("receipts", 60, lambda: self.parts.answer(*status, codes=(0, 1))["unsent"] == 0)
        sealed = sum(stream["statements"] for stream in self.parts.answer(*status, codes=(0, 1))["streams"])
        self.say(f"{sealed} statements are signed, sent, stored and receipted; none is unsent")

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

    def check(self) -> None:
        """Hold what the bank found and the page shows against what is known. Raises DemoError with every difference."""
        streams = {stream["stream"]: stream for stream in self._findings["streams"]}
        wrong = [
            *overview_differences(self._overview),
            *differences(self._findings, streams, self._truth),
            *energy_differences(streams),
            *event_differences(streams, self._started_at_ms),
            *page_differences(self.url),
        ]
        if wrong:
            raise DemoError("what came out is not what went in:\n  " + "\n  ".join(wrong))
        crossings = streams["gate/door"]["recomputed"]["counted"]
        self.say(
            f"checked: {len(MACHINES)} machines show the states and hours of their curves, the sealed meter shows their"
            " energy and that its cover was opened, the hydrant that its pressure fell and came back, the gate counted"
            f" {crossings['came_in']} in and {crossings['went_out']} out as rendered, the page shows them,"
            f" and the bank holds {self._findings['statements']} statements with nothing missing"
        )

    def stay(self) -> None:
        """Go on living until Ctrl-C."""
        self.say(f"everything goes on; look at {self.url}/ and stop with Ctrl-C")
        while True:
            self.parts.look()
            time.sleep(1)

    @property
    def _receiver_toml(self) -> Path:
        return self._receiver / "receiver.toml"
