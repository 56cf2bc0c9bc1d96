"""A hydrant's pressure falls below its limit: the box signs it at once, the page shows it, and a bank believes it.

The whole way in real processes: a sensor over Modbus, the box's poll and sync, a broker, the receiver, its page, its
feed, and `evidence` at the bank. The box seals only every five minutes here; an alarm does not wait for that.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest

from cloud_sync.store import Bank
from cloud_sync.view import name_of
from evidence.bodies import Event, EventKind, Phase
from evidence.exits import Exit
from evidence.keys import SigningKey
from tests.world.box import Statements
from tests.world.broker import missing_broker
from tests.world.plant import Fault, Plant
from tests.world.workshop import BOX, Workshop, workshop

pytestmark = [
    pytest.mark.story,
    pytest.mark.timeout(480),
    pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker())),
]

STREAM: Final = "fire/hydrant"
DELAY_S: Final = 1
WITHIN_S: Final = 60
"""From the pressure's fall to the page, the limit's own delay included: 2 s, where nobody else is at work. Sealing,
which an alarm does not wait for, comes every 300 s here."""
SENSOR: Final = """
[[bus]]
name = "bus-hydrant"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {port}
period_s = 0.2
timeout_s = 0.5
[[machine]]
name = "hydrant"
title = "2 号车间消火栓"
stream_kind = "fire"
bus = "bus-hydrant"
profile = "generic_hydrant_pressure"
[[machine.limit]]
point = "pressure"
usual = "hydrant-industrial"
delay_s = {delay_s}
hold_s = 2
"""
PAGE: Final = f"/e/{name_of('Suzhou Tyre')}"


def test_an_alarm_is_sealed_at_once_arrives_is_on_the_page_and_is_cleared_likewise(tmp_path: Path) -> None:
    with Plant() as pipes, workshop(tmp_path) as shop:
        begin(shop, pipes)
        assert " not cleared" not in page(shop)

        pipes[0].registers[0] = 86
        fell_s = time.monotonic()
        until(shop, lambda: phases(shop) == [Phase.RAISED])
        until(shop, lambda: "limit passed pressure 86 kPa, limit 100 kPa since" in page(shop))
        assert time.monotonic() - fell_s < WITHIN_S
        assert "1 alarm not cleared 2 号车间消火栓" in page(shop)

        pipes[0].fault = Fault.HANG  # silence clears nothing
        shop.run(2.5)
        assert "1 alarm not cleared" in page(shop)
        pipes[0].fault = Fault.NONE

        pipes[0].registers[0] = 126
        rose_s = time.monotonic()
        until(shop, lambda: "not cleared" not in page(shop))
        assert time.monotonic() - rose_s < WITHIN_S
        own = page(shop, f"{PAGE}/fire/{BOX}.hydrant")
        assert re.search(r"· cleared pressure 126 kPa limit 105 kPa .*· raised pressure 86 kPa limit 100 kPa", own)
        assert "Last 126 kPa Limit at least 100 kPa Least 86 kPa Most 126 kPa" in own

        shop.finish()
        assert sorted(shop.sealed()) == sorted(shop.held())
        judge(at_the_bank(shop, tmp_path / "bank"), events(shop))


def begin(shop: Workshop, pipes: Plant) -> None:
    pipes[0].registers[0] = 120
    file = shop.directory / "box.toml"
    text = file.read_text(encoding="utf-8").replace("seal_every_s = 1\n", "seal_every_s = 300\n")
    file.write_text(text + SENSOR.format(port=pipes[0].port, delay_s=DELAY_S), encoding="utf-8")
    shop.poll.start()
    shop.sync.start()
    shop.until_it_polls()
    until(shop, lambda: "2 号车间消火栓" in page(shop))
    shop.run(1.5)


def until(shop: Workshop, done: Callable[[], bool]) -> None:
    shop.until(done, wait_s=WITHIN_S)


def events(shop: Workshop) -> list[Event]:
    return Statements.of_encoded(shop.sealed(), shop.key).events(STREAM)


def phases(shop: Workshop) -> list[Phase]:
    return [event.phase for event in events(shop)]


def page(shop: Workshop, path: str = PAGE) -> str:
    """What a person reads there."""
    status, _, body = shop.receiver.get(f"{path}?lang=en")
    assert status == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body.decode())))


def at_the_bank(shop: Workshop, directory: Path) -> dict[str, Any]:
    """What `evidence pull` brings and `evidence verify` says of the hydrant, which alone was granted."""
    directory.mkdir()
    key = SigningKey.generate()
    key.save(directory / "bank.pem")
    with shop.receiver.store() as store:
        store.add_bank(Bank(bank="bank-1", key=key.public, added_ms=1))
        store.grant(bank="bank-1", box=BOX, pattern="fire/*", from_ms=0, at_ms=1)
    fingerprint = shop.receiver.key.public.fingerprint
    url, copy = f"http://127.0.0.1:{shop.receiver.port}", str(directory / "copy")
    bank = ("--bank", "bank-1", "--key", str(directory / "bank.pem"), "--receiver-fingerprint", fingerprint)
    evidence("pull", "--url", url, *bank, "-o", copy)
    told: dict[str, Any] = json.loads(evidence("verify", copy, "--fingerprint", fingerprint, "--json"))
    return told


def evidence(*arguments: str) -> str:
    command = [sys.executable, "-m", "evidence.cli", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    return done.stdout


def judge(told: dict[str, Any], signed: list[Event]) -> None:
    """The bank has the very events that the box signed, and finds that they follow from the readings."""
    assert told["verdict"] == "COMPLETE"
    (stream,) = told["streams"]
    assert (stream["stream"], stream["missing"], stream["contradicted"]) == (STREAM, 0, 0)
    judged = stream["recomputed"]["events"]
    assert (judged["told"], judged["agreed"], judged["missing"], judged["raised"]) == (2, 2, 0, [])
    (kind,) = judged["kinds"]
    assert (kind["event"], kind["raised"], kind["cleared"]) == ("limit", 1, 1)
    assert [event["at_ms"] for _, event in kind["first"]] == [event.at_ms for event in signed]
    assert {event.event for event in signed} == {EventKind.LIMIT}
