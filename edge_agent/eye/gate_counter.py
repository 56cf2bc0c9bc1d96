"""How a gate is counted: by its slit-scan, with the foreground as witness."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_agent.eye.counting import Counter, SightTest, Source
from edge_agent.eye.gate import GateLine, Items
from edge_agent.eye.litert import Model, ModelError, listed
from edge_agent.eye.opencv.foreground import Foreground
from edge_agent.eye.slit_counter import SlitCounter
from edge_agent.eye.tracked import Tracked

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)


def gate_counter(
    line: GateLine, *, items: Items = Items.GOODS, sight: SightTest | None = None, models: Path | None = None
) -> Counter:
    """Counts this gate. Without a model of slit-scans the foreground counts alone, and says so once."""
    sources: list[Source] = [Tracked(Foreground(), line, kind=items.value)]
    try:
        sources.insert(0, SlitCounter(line, Model(listed("slit", models)), items=items))
    except ModelError as wrong:
        log.warning("the foreground alone counts: %s", wrong)
    return Counter(sources, sight=sight, items=items)
