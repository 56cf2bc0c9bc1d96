"""What the demonstration checks: findings against the machines' curves and the clip's truth, and the page."""

import html
import re
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

from demo.machines import MACHINES, SILENT_FOR_S, Machine
from demo.parts import DemoError

HOUR_MS: Final = 3_600_000
TOLERANCE_MS: Final = HOUR_MS * 4 // 10
"""Of a day's running hours against the curve: dwell, the grid of half a minute, and the first minutes."""


def differences(findings: dict[str, Any], streams: dict[str, Any], truth: dict[str, Any]) -> Iterator[str]:
    """Each way in which the bank's findings differ from the machines' curves and the clip's truth."""
    if findings["verdict"] != "COMPLETE":
        yield f"the bank's verdict is {findings['verdict']}: {findings['sentence']}"
    for machine in MACHINES:
        stream = streams.get(f"machine/{machine.name}")
        if stream is None:
            yield f"the bank has no stream of {machine.name}"
            continue
        found = stream["recomputed"]
        hours = found["hours"]
        seen = {state for state in ("running", "idle", "stopped") if hours[f"{state}_ms"] > HOUR_MS // 4}
        seen |= {"unknown"} if hours["unknown_ms"] > SILENT_FOR_S * 500 else set()
        if seen != machine.states:
            yield f"{machine.name} shows {sorted(seen)} where {sorted(machine.states)} happened"
        until_ms = hours["to_ms"] - (SILENT_FOR_S * 1000 if "unknown" in machine.states else 0)
        expected_ms = running_ms(machine, hours["from_ms"], until_ms)
        if not hours["low_ms"] - TOLERANCE_MS <= expected_ms <= hours["up_ms"] + TOLERANCE_MS:
            low_h, up_h, should_h = (ms / HOUR_MS for ms in (hours["low_ms"], hours["up_ms"], expected_ms))
            yield f"{machine.name} ran {low_h:.2f} to {up_h:.2f} h where its curve ran {should_h:.2f} h"
        if found["rejudged"]["disagree_ms"]:
            yield f"{machine.name} was judged otherwise than its facts say"
    counted = streams.get("gate/door", {}).get("recomputed", {}).get("counted") or {}
    for found_name, true_name in (("came_in", "in"), ("went_out", "out")):
        if counted.get(found_name) != truth[true_name]:
            yield f"the gate counted {counted.get(found_name)} {true_name} where {truth[true_name]} were rendered"


def running_ms(machine: Machine, from_ms: int, to_ms: int) -> int:
    """How long the curve itself is above the running threshold, looked at every ten seconds."""
    step_ms = 10_000
    above = sum(machine.curve(at_ms / 1000) >= machine.running_above_w for at_ms in range(from_ms, to_ms, step_ms))
    return above * step_ms


def read_page(url: str) -> str:
    """A page's HTML. Raises DemoError when it cannot be had."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own http address
            return str(answer.read().decode())
    except OSError as cause:
        raise DemoError(f"the page {url} does not answer: {cause}") from cause


def first_link(page: str, begins: str) -> str:
    """The first link of a page that begins so."""
    found = re.search(rf'href="({re.escape(begins)}[^"]*)"', page)
    if found is None:
        raise DemoError(f"the page has no link to {begins}")
    return html.unescape(found[1])
