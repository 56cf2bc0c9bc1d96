"""The kinds of statements."""

from enum import IntEnum


class Kind(IntEnum):
    """What a statement's body is; numbers are never reused."""

    READINGS = 1
    CROSSINGS = 2
    EVENTS = 3
    STOCK = 4
    PICTURE = 5
    GAP = 8
    CONFIGURATION = 16
    COMMISSIONING = 17
    BOOT = 18
    SHUTDOWN = 19
    HEARTBEAT = 20
    CLOCK_STEP = 21
    ACCEPTANCE = 22
