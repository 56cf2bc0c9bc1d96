"""What a scan brought, as a person reads it and as a program does. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from edge_agent.config.write import lines_of
from edge_agent.installing.scanning.ready import Known, Ready, called
from evidence.exits import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a scan brought."""

    found: tuple[Known, ...]
    hints: tuple[str, ...]
    ready: Ready
    took_s: float
    interrupted: bool
    all_closed: bool

    @property
    def exit_code(self) -> Exit:
        """See `run`."""
        if self.found:
            return Exit.OK
        return Exit.HARDWARE if self.all_closed else Exit.WRONG_OUT_THERE


def as_text(result: Result) -> str:
    """For people: who answered, what to look at, and lines for the box's file."""
    rows = []
    for known in result.found:
        fits = f" = {known.profile.id}" if known.profile else ""
        tied_ = f" (or {', '.join(known.tied)})" if known.tied else " (a guess)" if known.is_thin else ""
        rows.append(f"{called(known.device)}: {known.device.says}{fits}{tied_}")
    rows += ["", *result.hints] if result.hints else []
    ended = ", ended before its time" if result.interrupted else ""
    rows += ["", f"{len(result.found)} found in {minutes(result.took_s)}{ended}"]
    if result.ready.sections:
        rows += ["", "# for box.toml (`--write` puts it there); give machines their own name and title", ""]
        for section in result.ready.sections:
            rows += [f"# {section.note}"] if section.note else []
            rows.append(lines_of(section.kind, section.values))
    rows += [f"# {note}" for note in result.ready.notes]
    return "\n".join(rows).strip("\n") + "\n"


def as_json(result: Result) -> str:
    """For programs."""
    whole: dict[str, Any] = {
        "devices": [
            {
                "port": str(known.device.place),
                "baud": known.device.settings.baud if known.device.settings else None,
                "parity": known.device.settings.parity.value if known.device.settings else None,
                "protocol": known.device.kind.value,
                "unit" if isinstance(known.device.address, int) else "address": known.device.address,
                "says": known.device.says,
                "profile": known.profile.id if known.profile else None,
                "tied": list(known.tied),
            }
            for known in result.found
        ],
        "hints": list(result.hints),
        "notes": list(result.ready.notes),
        "toml": "\n".join(lines_of(section.kind, section.values) for section in result.ready.sections),
        "took_s": round(result.took_s, 1),
        "interrupted": result.interrupted,
        "exit_code": int(result.exit_code),
    }
    return json.dumps(whole, ensure_ascii=False) + "\n"


def minutes(seconds: float) -> str:
    """A duration in a few letters."""
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02d} s"  # noqa: PLR2004
