"""Which bytes of a frame are what, for the eyes of an installer. Says nothing about whether the frame is right.

A piece is (name, bytes), and all pieces together are the frame; what is not known is one piece named "frame".
"""

from collections.abc import Callable, Sequence
from typing import Final

from edge_agent.codecs.dlt645_frame import frames_in
from edge_agent.codecs.errors import FrameError
from edge_agent.codecs.modbus_rtu import Other, Refusal, Request, Response, find

Piece = tuple[str, bytes]


def pieces_of(protocol: str, octets: bytes) -> tuple[Piece, ...]:
    """The frame in pieces; in one piece when it is not built as the protocol's frames are."""
    pieces = tuple(piece for piece in _PARTED[protocol](octets) if piece[1])
    whole = b"".join(part for _, part in pieces)
    return pieces if whole == octets else (("frame", octets),)


def _modbus_rtu(octets: bytes) -> list[Piece]:
    try:
        found = find(octets)
    except FrameError:
        return []
    frame, end = found.frame, found.at + len(found.frame)
    inner: tuple[tuple[str, int], ...]
    match found.adu:
        case Request():
            inner = (("register", 2), ("count", 2))
        case Response(values=values):
            inner = (("byte count", 1), ("values", len(values)))
        case Refusal():
            inner = (("exception", 1),)
        case Other(body=body):
            inner = (("body", len(body)),)
    parted = _cut(frame, (("unit", 1), ("function", 1), *inner, ("CRC", 2)))
    return [("noise", octets[: found.at]), *parted, ("noise", octets[end:])]


def _dlt645(octets: bytes) -> list[Piece]:
    """DL/T 645-2007, 5.2; the frame of 1997 is built alike."""
    sound = next((frame for _, frame in frames_in(octets)), b"")
    at = octets.find(sound) if sound else len(octets) - len(octets.lstrip(b"\xfe"))
    bare = octets[at:]
    before = octets[:at].rstrip(b"\xfe")
    length = bare[9] if len(bare) > 9 else 0  # noqa: PLR2004
    layout = (
        *(("start", 1), ("address", 6), ("start", 1), ("control", 1), ("length", 1)),
        *(("data + 33", length), ("checksum", 1), ("end", 1)),
    )
    return [("noise", before), ("preamble", octets[len(before) : at]), *_cut(bare, layout)]


def _dlt698(octets: bytes) -> list[Piece]:
    """DL/T 698.45-2017, 6.2."""
    bare = octets.lstrip(b"\xfe")
    server = (bare[4] & 0x0F) + 1 if len(bare) > 4 else 1  # noqa: PLR2004
    apdu = max(0, len(bare) - server - 11)
    layout = (
        *(("start", 1), ("length", 2), ("control", 1), ("address kind", 1), ("server", server), ("client", 1)),
        *(("header check", 2), ("APDU", apdu), ("frame check", 2), ("end", 1)),
    )
    return [("preamble", octets[: len(octets) - len(bare)]), *_cut(bare, layout)]


def _gb26875(octets: bytes) -> list[Piece]:
    """GB/T 26875.3-2011, 6.2."""
    if not octets.startswith(b"@@"):
        return []
    length = int.from_bytes(octets[24:26], "little")
    layout = (
        *(("start", 2), ("serial", 2), ("version", 2), ("time", 6), ("source", 6), ("destination", 6)),
        *(("length", 2), ("command", 1), ("data", length), ("checksum", 1), ("end", 2)),
    )
    return _cut(octets, layout)


_PARTED: Final[dict[str, Callable[[bytes], list[Piece]]]] = {
    "modbus-rtu": _modbus_rtu,
    "dlt645-2007": _dlt645,
    "dlt645-1997": _dlt645,
    "dlt698.45": _dlt698,
    "gb26875.3": _gb26875,
}


def _cut(octets: bytes, layout: Sequence[tuple[str, int]]) -> list[Piece]:
    pieces, at = [], 0
    for name, size in layout:
        pieces.append((name, octets[at : at + size]))
        at += size
    return [*pieces, ("noise", octets[at:])]
