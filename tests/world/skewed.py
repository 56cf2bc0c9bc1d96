"""`edge-agent` with a wall clock that can be set: UTC is the machine's plus the milliseconds in a file.

    python -m tests.world.skewed FILE poll --config box.toml

Only UTC is moved, as setting a clock does; the steady clock is the machine's own.
"""

import sys
from pathlib import Path

from edge_agent.cli import main
from edge_agent.clock import SystemClock


def skew(file: Path) -> None:
    """From here on, in this process."""
    real = SystemClock.utc_ms

    def utc_ms(self: SystemClock) -> int:
        return real(self) + int(file.read_text(encoding="ascii"))

    SystemClock.utc_ms = utc_ms  # type: ignore[method-assign]


if __name__ == "__main__":
    skew(Path(sys.argv[1]))
    main(sys.argv[2:])
