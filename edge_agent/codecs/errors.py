"""The one exception of the codecs."""

from enum import Enum


class FrameFault(Enum):
    """What is wrong with a frame."""

    SHORT = "short"
    """It ends before it is complete; more bytes may mend it."""
    START = "start"
    """It does not begin as the protocol's frames begin."""
    END = "end"
    """Its last byte is not the protocol's."""
    LENGTH = "length"
    """Its length and its length field do not fit."""
    CHECKSUM = "checksum"
    CRC = "crc"
    BCD = "bcd"
    """A half byte beyond 9 where decimal digits stand."""
    ADDRESS = "address"
    CONTROL = "control"
    """A function, service or control code that the protocol does not have."""
    VALUE = "value"
    """A field that has no meaning."""
    LIMIT = "limit"
    """More of something than this program takes."""


class FrameError(ValueError):
    """A frame that means nothing: which rule it breaks, and how."""

    def __init__(self, fault: FrameFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
