"""What the demonstration checks: what the bank found against the curves, the clip's truth and what was done."""

import html
import re
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

from demo.curves import HYDRANT_LOW_S, HYDRANT_TURNS_S, energy_wh
from demo.machines import (
    COVER_OPENED_S,
    HYDRANT_TITLE,
    MACHINES,
    METER_TITLE,
    PRESSURE_FELL_S,
    SILENT_FOR_S,
    Machine,
    whole,
)
from demo.parts import DemoError

HOUR_MS: Final = 3_600_000
TOLERANCE_MS: Final = HOUR_MS * 4 // 10
"""Of a day's running hours against the curve: dwell, the grid of half a minute, and the first minutes."""
ENERGY_PERCENT: Final = 3
"""Of the sealed meter's energy against the curves'."""
POWER_PERCENT: Final = 5
"""Of its counter against its power, as `evidence verify` allows it."""
TOLD_WITHIN_MS: Final = 40 * 60_000
"""Of an event; at the speed of the day it is a second, which a busy computer may need."""
METER: Final = "meter/main"
HYDRANT: Final = "fire/hydrant"
ON_PAGE: Final = (
    (HYDRANT_TITLE, "fire", ("70 kPa", "超限", "报警", "解除")),
    (METER_TITLE, "meter", ("电表自记事件", "开表盖次数")),
)
"""(title, kind, what its own page shows)."""
PROTOCOLS: Final = ("modbus-tcp", "modbus-rtu", "dlt645-2007")


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


def energy_differences(streams: dict[str, Any]) -> Iterator[str]:
    """Each way in which the sealed meter's energy differs from what the machines behind it drew."""
    if METER not in streams:
        yield "the bank has no stream of the sealed meter"
        return
    stream = streams[METER]
    (energy,) = stream["recomputed"]["energy"]
    drawn_wh = energy_wh(whole, stream["first_at_ms"] / 1000, stream["last_at_ms"] / 1000)
    counted_wh = energy["used"] / 1000
    if abs(counted_wh - drawn_wh) > drawn_wh * ENERGY_PERCENT / 100:
        yield f"the sealed meter counted {counted_wh / 1000:,.0f} kWh where {drawn_wh / 1000:,.0f} kWh were drawn"
    if abs(energy["compared"] - energy["integral"]) > energy["compared"] * POWER_PERCENT / 100:
        counted, summed = energy["compared"] / 1e6, energy["integral"] / 1e6
        yield f"the sealed meter counted {counted:,.0f} kWh where its power adds up to {summed:,.0f} kWh"


def event_differences(streams: dict[str, Any], started_at_ms: int) -> Iterator[str]:
    """Each way in which the signed events differ from what was done to the meter and the hydrant."""
    opened_at_ms, fell_at_ms = started_at_ms - COVER_OPENED_S * 1000, started_at_ms - PRESSURE_FELL_S * 1000
    expected = {
        METER: [("witness", "noted", "cover_open_count", opened_at_ms)],
        HYDRANT: [
            ("limit", "raised", "pressure", fell_at_ms),
            ("limit", "cleared", "pressure", fell_at_ms + (HYDRANT_LOW_S - HYDRANT_TURNS_S) * 1000),
        ],
    }
    for name in sorted({*streams, *expected}):
        judged = streams[name]["recomputed"]["events"] if name in streams else None
        wanted = expected.get(name, [])
        told = [event for _, event in judged["newest"]] if judged else []
        found = [(event["event"], event["phase"], event["subject"]) for event in told]
        if found != [tuple(words) for *words, _ in wanted]:
            yield f"{name} tells of {found or 'nothing'} where {wanted or 'nothing'} happened"
            continue
        for event, (*words, since_ms) in zip(told, wanted, strict=True):
            if not since_ms <= event["at_ms"] <= since_ms + TOLD_WITHIN_MS:
                yield f"{name} tells of {' '.join(words)} {(event['at_ms'] - since_ms) / 60_000:.0f} min after it"
        if judged and (judged["unfounded"] or judged["missing"] or judged["raised"]):
            yield f"the events of {name} do not follow from its facts, or one is not cleared"


def overview_differences(overview: str) -> Iterator[str]:
    """Each device that the overview does not name, or that does not answer, and each protocol that it does not name."""
    named = [*(f"machine/{machine.name}" for machine in MACHINES), METER, HYDRANT]
    for what in (*(f"{name}: answers" for name in named), *PROTOCOLS):
        if what not in overview:
            yield f"the overview lacks {what}"


def page_differences(url: str) -> Iterator[str]:
    """Each thing that the officer's pages should show, and do not."""
    link = first_link(read_page(f"{url}/"), "/e/")
    enterprise = read_page(url + link)
    for what in (*(machine.title for machine in MACHINES), *(title for title, _, _ in ON_PAGE), "<svg", "演示时钟"):
        if what not in enterprise:
            yield f"the page does not show {what}"
    for title, kind, words in ON_PAGE:
        sheet = read_page(url + first_link(enterprise, f"{link.partition('?')[0]}/{kind}/"))
        yield from (f"the page of {title} does not show {word}" for word in words if word not in sheet)


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
