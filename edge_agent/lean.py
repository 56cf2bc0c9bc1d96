"""What a process can do without, where memory is short.

Python loads the system's OpenSSL into every process that imports `asyncio` (pymodbus does) or `hashlib`: 5 MB of the
40 that a process of the box may take (bench/poll.py). A process that neither speaks TLS nor needs another hash than
Python's own SHA-256 does without: both modules are written to work without OpenSSL, and say so with an ImportError.
Signing is not touched by it; `cryptography` brings its own.
"""

import sys
from typing import Final

_OPENSSL: Final = ("_ssl", "_hashlib")


def do_without_openssl() -> None:
    """Keep Python from loading OpenSSL in this process from here on; what is loaded already stays."""
    for module in _OPENSSL:
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]  # None makes its import fail (importlib)
