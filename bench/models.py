"""How long the box's models take, on one thread: a whole frame at a gate, one tile of stock, a picture of stock.

    python bench/models.py [--rounds N]

Processor time, the least of the rounds: what other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edge_agent.eye.counting import Frame  # noqa: E402
from edge_agent.eye.finding import GateDetector, StockFinder  # noqa: E402
from edge_agent.eye.litert import Model, listed  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    gate, stock = Model(listed("gate")), Model(listed("stock"))
    rng = np.random.default_rng(1)
    frame = Frame(picture=rng.integers(0, 255, (360, 640, 3), dtype=np.uint8), at_ms=0, steady_ms=0)
    picture = rng.integers(0, 255, (640, 640, 3), dtype=np.uint8)
    for model in (gate, stock):
        wide, high = model.input_size
        tile = rng.integers(0, 255, (high, wide, 3), dtype=np.uint8)
        size = model.listed.path.stat().st_size
        taken = least_ms(lambda model=model, tile=tile: model.maps(tile), rounds)  # type: ignore[misc]
        print(f"{model.name}: {size} bytes, {wide} x {high}: {taken:.2f} ms")
    print(f"gate, a 640 x 360 frame to boxes: {least_ms(lambda: GateDetector(gate).detect(frame), rounds):.2f} ms")
    finder = StockFinder(stock)
    print(f"stock, a 640 x 640 picture of unknown scale: {least_ms(lambda: finder.find(picture), 5):.0f} ms")
    print(f"stock, the same with an exemplar of 60 px: {least_ms(lambda: finder.find(picture, side=60), 5):.0f} ms")


def least_ms(work: Callable[[], object], rounds: int) -> float:
    """Processor time of the shortest of so many rounds."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken) * 1000


if __name__ == "__main__":
    main()
