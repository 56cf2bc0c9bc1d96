"""Which way of counting passed its acceptance: kept beside the chain that has the certificate itself.

If lost: absolute counts are not claimed until the next acceptance. If altered: the settings in the chain claim what no
certificate in the chain says, and every verifier sees it.
"""

from hashlib import sha256
from typing import Any

from edge_agent.keeping.spool import Spool
from evidence import cbor

ABSOLUTE = "absolute"
"""The setting that says whether the count itself is claimed (1), or only that it changed and by how much (0)."""


DECIDES = ("source", "polygon_px", "exemplar_px", "items", "contract_error_permille")
"""The settings that a count depends on, or what is allowed of it."""


def way_of_counting(settings: dict[str, Any], detector_sha256: bytes) -> bytes:
    """One hash over everything that an acceptance is true of: what is seen, what is counted, and by which model."""
    measured = {key: settings[key] for key in DECIDES if key in settings}
    return sha256(cbor.encode([measured, detector_sha256])).digest()


def keep_certificate(spool: Spool, stream: str, way: bytes, *, passed: bool) -> None:
    """Remember what came of the last acceptance. Only inside `writing`."""
    spool.keep(f"accepted {stream}", way if passed else b"")


def is_accepted(spool: Spool, stream: str, way: bytes) -> bool:
    """Whether the last acceptance of this stream was passed, and by this way of counting."""
    return spool.kept(f"accepted {stream}") == way


def claimed(settings: dict[str, Any], spool: Spool, stream: str, detector_sha256: bytes) -> dict[str, Any]:
    """The settings as they are signed: with whether absolute counts are claimed."""
    accepted = "contract_error_permille" in settings and is_accepted(
        spool, stream, way_of_counting(settings, detector_sha256)
    )
    return settings | {ABSOLUTE: int(accepted)}
