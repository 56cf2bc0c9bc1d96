"""What calibration changes in a box's file: shown as the lines that go and come, and written in one step."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final

from edge_agent.config.write import BoxFile, Values
from edge_agent.installing.calibrating.running_signature import signature_in_file
from edge_agent.installing.calibrating.thresholds import settings_in_file
from evidence.judging.judge import Fusion, IntervalMax, Threshold
from evidence.judging.signature import Signature

KEPT: Final = frozenset({"hold_s"})
"""Keys that calibration has no opinion of."""


class ProposedFile:
    """A box's file with a machine judged as proposed; nothing is on the disk before `save`."""

    def __init__(
        self, file: Path, machine: str, rule: Threshold | IntervalMax | None, signature: Signature | None
    ) -> None:
        """None leaves as it is what is there. Raises ConfigurationError when a program cannot change the file."""
        self._file = BoxFile(file)
        before = self._file.text
        table = _machine(before, machine)
        if rule is not None:
            self._file.change("machine", machine, _run_state(table, rule))
        if signature is not None:
            self._file.change("machine", machine, {"signature": signature_in_file(signature)})
        old, new = (text.splitlines(keepends=True) for text in (before, self._file.text))
        name = self._file.file.name
        self.diff = "".join(unified_diff(old, new, name, f"{name}, proposed"))
        """Empty when nothing changes."""

    def save(self) -> None:
        """Put it in the old file's place. Raises ConfigurationError with every complaint about it, or OSError."""
        self._file.save()


def _run_state(table: Mapping[str, Any], rule: Threshold | IntervalMax) -> Values:
    """The rule in place of the one in force; of two that are fused, in place of the one by power."""
    found = table.get("run_state", {})
    if found.get("strategy") == Fusion.strategy:
        for part in ("first", "second"):
            if found.get(part, {}).get("strategy", Threshold.strategy) in {Threshold.strategy, IntervalMax.strategy}:
                return {"run_state": {part: _replaced(found[part], rule)}}  # type: ignore[dict-item]
    return {"run_state": _replaced(found, rule)}


def _replaced(found: Mapping[str, Any], rule: Threshold | IntervalMax) -> Mapping[str, Any]:
    wanted = settings_in_file(rule)
    return {key: None for key in found if key not in wanted and key not in KEPT} | wanted


def _machine(text: str, name: str) -> Mapping[str, Any]:
    tables = tomllib.loads(text, parse_float=Decimal).get("machine", [])
    return next((table for table in tables if table.get("name") == name), {})
