"""The receiver: verifies what boxes signed, stores it, signs receipts, serves it to banks and shows it to people."""

from evidence import __version__

__all__ = ["__version__"]
