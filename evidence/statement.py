"""Statements: the signed pages of a stream's notebook.

`open_statement` is the only way from bytes to a `Statement`, and `seal` the only way to new bytes; what lies between
has been checked completely.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from evidence import cbor, cose
from evidence.bodies import (
    MS_LIMIT,
    NAME,
    Body,
    Commissioning,
    Configuration,
    Kind,
    body_from_value,
    check_place,
    check_stream,
)
from evidence.errors import MalformedError
from evidence.pen import Pen

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.keys import PublicKey

VERSION: Final = 1
AAD: Final = b"qianliyan statement 1"
STATEMENT_LIMIT: Final = 256 * 1024
"""Bytes of one statement, at most; the box seals before its window grows that large."""
BATCH_LIMIT: Final = 768 * 1024
"""Bytes of one batch on the wire, at most: below the broker's packet limit."""

HASH_LENGTH: Final = 32
BOOT_LENGTH: Final = 16


class ClockQuality(IntEnum):
    """How good the box's wall clock was when it signed."""

    UNSET = 0
    """Never set since the box started: a Raspberry Pi without a network."""
    FREE = 1
    """Was set, and runs on its own crystal now."""
    NTP = 2
    """Disciplined by the network now."""
    SIMULATED = 15
    """A desk or a demonstration: this time is not the world's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and where a statement was signed, by the box's own clocks."""

    boot: bytes
    """The kernel's boot id, 16 bytes: steady times compare only inside one."""
    steady_ms: int
    at_ms: int
    clock: ClockQuality
    clock_error_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One signed page, checked. `encoded` are its bytes as signed; everything else is their content."""

    box: str
    stream: str
    n: int
    prev: bytes
    """SHA-256 of statement n - 1; empty for n = 0."""
    moment: Moment
    config: bytes
    """SHA-256 of the settings in force; empty before the first CONFIGURATION."""
    body: Body
    key: "PublicKey"
    encoded: bytes
    sha256: bytes


def seal(pen: Pen, *, box: str, stream: str, n: int, prev: bytes, moment: Moment, config: bytes, body: Body) -> bytes:
    """The statement's bytes, signed. Raises MalformedError where `open_statement` would refuse them."""
    payload = {
        0: VERSION,
        1: box,
        2: stream,
        3: n,
        4: prev,
        5: moment.boot,
        6: moment.steady_ms,
        7: moment.at_ms,
        8: int(moment.clock),
        9: moment.clock_error_ms,
        10: config,
        11: int(body.kind),
        12: body.to_value(),
    }
    _checked(payload)
    encoded = cbor.encode(payload)
    if (size := cose.sign1_length(len(encoded))) > STATEMENT_LIMIT:
        raise MalformedError(f"a statement of {size} bytes; at most {STATEMENT_LIMIT} are allowed")
    return cose.sign1(pen, encoded, aad=AAD)


def open_statement(
    encoded: bytes, key_of: "Callable[[bytes], PublicKey | None]", *, is_checked: bool = False
) -> Statement:
    """The statement in these bytes, signed by a key that `key_of` knows for its kid.

    Whether that key may speak for the box is the caller's roster to say. `is_checked`: see cose.open1. Raises
    MalformedError or SignatureError.
    """
    payload, key = cose.open1(encoded, aad=AAD, key_of=key_of, at_most=STATEMENT_LIMIT, is_checked=is_checked)
    box, stream, n, prev, moment, config, body = _opened(payload)
    return Statement(
        box=box,
        stream=stream,
        n=n,
        prev=prev,
        moment=moment,
        config=config,
        body=body,
        key=key,
        encoded=encoded,
        sha256=sha256(encoded).digest(),
    )


def check_payload(payload: bytes) -> tuple[str, str]:
    """(box, stream) of a payload that a statement may have; raises MalformedError for any other."""
    return _opened(payload)[:2]


def peek_box(encoded: bytes) -> str:
    """The box that a statement says it is from, NOT verified: only to find the key that can verify it."""
    payload = cbor.decode(cose.peek1(encoded, at_most=STATEMENT_LIMIT), at_most=STATEMENT_LIMIT)
    if type(payload) is not dict:
        raise MalformedError("the payload is not a map")
    return check_box(payload.get(1))


def peek_place(encoded: bytes) -> tuple[str, str, int] | None:
    """(box, stream, n) where a statement has them, NOT verified: only to sort by what open_statement reads later."""
    found = _PLACE.match(encoded)
    if found is None:
        return None
    n = found[3]
    return found[1].decode(), found[2].decode(), n[0] if len(n) == 1 else int.from_bytes(n[1:], "big")


_BSTR: Final = rb"(?:[\x40-\x57]|\x58.|\x59..|\x5a....)"
_TSTR: Final = rb"(?:[\x61-\x77]|\x78.)"
_PLACE: Final = re.compile(
    rb"\xd2\x84\x4d.{13}\xa0" + _BSTR + rb"\xad\x00\x01"
    rb"\x01" + _TSTR + rb"([a-z0-9-]{1,40})"
    rb"\x02" + _TSTR + rb"([a-z]{1,10}(?:/[a-z0-9-]{1,40})?)"
    rb"\x03([\x00-\x17]|\x18.|\x19..|\x1a.{4}|\x1b.{8})",
    re.DOTALL,
)


def peek_commissioned_key(encoded: bytes) -> bytes:
    """The COSE_Key that a box's first page says it is signed with, NOT verified: only to verify that very page."""
    payload = cbor.decode(cose.peek1(encoded, at_most=STATEMENT_LIMIT), at_most=STATEMENT_LIMIT)
    match payload:
        case {11: Kind.COMMISSIONING, 12: {2: bytes(key)}}:
            return key
    raise MalformedError("the box's first page is no commissioning")


def check_box(box: object) -> str:
    """The box id, if it is one; raises MalformedError."""
    if type(box) is not str or len(box) > _NAME_LIMIT or not _is_name(box):
        raise MalformedError(f"no box id: {box!r:.80}")
    return box


_NAME_LIMIT: Final = 40
"""Characters of a name, at most; longer texts are not even looked up."""


@lru_cache(maxsize=4096)
def _is_name(text: str) -> bool:
    return NAME.fullmatch(text) is not None


_KEYS: Final = list(range(13))


def _opened(payload: bytes) -> tuple[str, str, int, bytes, Moment, bytes, Body]:
    checked = _checked(cbor.decode_exactly(payload, at_most=STATEMENT_LIMIT))
    if isinstance(checked[-1], Configuration):
        cbor.check_types(checked[-1].settings)  # of everything else every type and key has been checked
    return checked


def _checked(payload: Any) -> tuple[str, str, int, bytes, Moment, bytes, Body]:  # noqa: ANN401 - from outside
    if type(payload) is not dict or list(payload) != _KEYS or set(map(type, payload)) != {int}:
        raise MalformedError("the payload is not a map with the keys 0 to 12")
    version, box, stream, n, prev, boot, steady_ms, at_ms, clock, error_ms, config, kind, body = payload.values()
    if type(version) is not int or version != VERSION:
        raise MalformedError(f"format version {version!r:.20}; this reader knows {VERSION}")
    _unsigned(n, "n")
    _bytes_of(prev, (HASH_LENGTH,) if n else (0,), "prev")
    _bytes_of(boot, (BOOT_LENGTH,), "boot")
    _bytes_of(config, (0, HASH_LENGTH), "config")
    _unsigned(steady_ms, "steady_ms")
    _unsigned(at_ms, "at_ms")
    if error_ms is not None:
        _unsigned(error_ms, "clock_error_ms")
    if type(clock) is not int or clock not in _CLOCKS:
        raise MalformedError(f"no clock quality: {clock!r:.20}")
    moment = Moment(boot=boot, steady_ms=steady_ms, at_ms=at_ms, clock=_CLOCKS[clock], clock_error_ms=error_ms)
    typed = body_from_value(kind, body)
    if not config and not isinstance(typed, Commissioning):
        raise MalformedError("no configuration hash: only a box's commissioning may come before its configuration")
    if isinstance(typed, Configuration) and sha256(typed.encoded).digest() != config:
        raise MalformedError("the configuration hash is not that of the settings")
    stream = check_stream(stream)
    check_place(typed.kind, stream)
    return check_box(box), stream, n, prev, moment, config, typed


_CLOCKS: Final = {int(quality): quality for quality in ClockQuality}


def _unsigned(value: object, what: str) -> None:
    if type(value) is not int or not 0 <= value < MS_LIMIT:
        raise MalformedError(f"{what} is no unsigned integer: {value!r:.40}")


def _bytes_of(value: object, lengths: tuple[int, ...], what: str) -> None:
    if type(value) is not bytes or len(value) not in lengths:
        raise MalformedError(f"{what} is no byte string of {' or '.join(map(str, lengths))} bytes")
