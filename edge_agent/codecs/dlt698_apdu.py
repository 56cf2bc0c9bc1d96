"""DL/T 698.45 application layer: what is asked and what is answered (DL/T 698.45, 8).

Only three requests can be built: GET of one object, GET of several, and the next block of an answer. Everything else a
client can say (SET, ACTION, CONNECT with its secrets) has no builder; dlt698_tell.py tells it by name when it is heard.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from edge_agent.codecs.dlt698_data import Data, Reader, read_data
from edge_agent.codecs.errors import FrameError, FrameFault

OADS_LIMIT: Final = 64
"""Objects of one request."""
PIID_LIMIT: Final = 0x3F
"""The highest service number; the bits above are priority and, in answers, the call for attention."""

SERVICES: Final[dict[int, str]] = {
    1: "LINK-Request",
    2: "CONNECT-Request",
    3: "RELEASE-Request",
    5: "GET-Request",
    6: "SET-Request",
    7: "ACTION-Request",
    8: "REPORT-Response",
    9: "PROXY-Request",
    16: "SECURITY-Request",
    110: "ERROR-Response",
    129: "LINK-Response",
    130: "CONNECT-Response",
    131: "RELEASE-Response",
    132: "RELEASE-Notification",
    133: "GET-Response",
    134: "SET-Response",
    135: "ACTION-Response",
    136: "REPORT-Notification",
    137: "PROXY-Response",
    144: "SECURITY-Response",
    238: "ERROR-Response",
}
"""By the first byte."""
_GET_REQUEST: Final = 0x05
_GET_RESPONSE: Final = 0x85
_ERROR_RESPONSES: Final = (110, 238)

DARS: Final[dict[int, str]] = {
    0: "success",
    1: "hardware_failed",
    2: "temporarily_failed",
    3: "denied",
    4: "object_undefined",
    5: "class_wrong",
    6: "object_absent",
    7: "type_wrong",
    8: "out_of_range",
    9: "block_unavailable",
    10: "blocks_cancelled",
    11: "no_blocks",
    12: "block_writing_cancelled",
    13: "no_block_writing",
    14: "block_number_wrong",
    15: "not_authorised",
    16: "baud_unchangeable",
    17: "year_zones_too_many",
    18: "day_slots_too_many",
    19: "tariffs_too_many",
    20: "security_mismatch",
    21: "recharged_twice",
    22: "esam_failed",
    23: "security_failed",
    24: "customer_number_wrong",
    25: "recharges_wrong",
    26: "purchase_too_large",
    27: "address_wrong",
    28: "symmetric_decryption_failed",
    29: "asymmetric_decryption_failed",
    30: "signature_wrong",
    31: "meter_suspended",
    32: "time_tag_invalid",
    33: "timed_out",
    34: "esam_parameters_wrong",
    35: "esam_length_wrong",
    36: "comparison_failed",
    255: "other",
}
"""Data access results (DL/T 698.45, 8.3.13)."""

OTHER: Final = 255
"""The result of what is refused for no reason of this list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNormal:
    """Asks one object attribute, named by its OAD: OI, attribute, element (0 for all)."""

    oad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNormalList:
    """Asks several object attributes at once."""

    oads: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.oads) <= OADS_LIMIT:
            raise ValueError(f"1 to {OADS_LIMIT} objects can be asked at once, not {len(self.oads)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GetNext:
    """Asks for the block after `block`, the last one received."""

    block: int


Get = GetNormal | GetNormalList | GetNext


def encode(request: Get, piid: int) -> bytes:
    """The APDU of a reading request, without a time tag."""
    if not 0 <= piid <= PIID_LIMIT:
        raise ValueError(f"service numbers are 0 to {PIID_LIMIT}, not {piid}")
    match request:
        case GetNormal(oad=oad):
            choice, fields = 1, oad.to_bytes(4, "big")
        case GetNormalList(oads=oads):
            choice, fields = 2, bytes((len(oads),)) + b"".join(oad.to_bytes(4, "big") for oad in oads)
        case GetNext(block=block):
            choice, fields = 5, block.to_bytes(2, "big")
        case never:
            assert_never(never)
    return bytes((_GET_REQUEST, choice, piid)) + fields + b"\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one object: its value, or the reason why there is none."""

    oad: int
    data: Data | None = None
    dar: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Where the results stand in an answer too long for one APDU."""

    number: int
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetResponse:
    """An answer. `dar` alone is a refusal of the whole request: of a block, or of the service (ERROR-Response)."""

    piid: int
    results: tuple[Result, ...] = ()
    block: Block | None = None
    dar: int | None = None


def read_response(apdu: bytes) -> GetResponse:
    """The answer to one of our requests. Raises FrameError for any other service or a malformed answer."""
    reader = Reader(apdu)
    tag = reader.number(1)
    if tag in _ERROR_RESPONSES:
        return GetResponse(piid=reader.number(1) & PIID_LIMIT, dar=OTHER)
    if tag != _GET_RESPONSE:
        raise FrameError(FrameFault.CONTROL, f"service {tag:02X} answers no reading request")
    choice = reader.choice(1, 2, 5)
    piid = reader.number(1) & PIID_LIMIT
    if choice != 5:  # noqa: PLR2004  GetResponseNext
        results = (_result(reader),) if choice == 1 else _results(reader)
        read_end(reader)
        return GetResponse(piid=piid, results=results)
    block = Block(last=reader.number(1) != 0, number=reader.number(2))
    if reader.choice(0, 1) == 0:
        return GetResponse(piid=piid, block=block, dar=reader.number(1))
    results = _results(reader)
    read_end(reader)
    return GetResponse(piid=piid, block=block, results=results)


def _results(reader: Reader) -> tuple[Result, ...]:
    return tuple(_result(reader) for _ in range(reader.count()))


def _result(reader: Reader) -> Result:
    """An A-ResultNormal."""
    oad = reader.number(4)
    if reader.choice(0, 1) == 0:
        return Result(oad=oad, dar=reader.number(1))
    return Result(oad=oad, data=read_data(reader))


def read_end(reader: Reader) -> None:
    """What may follow an answer: a report sent along (of no interest here), a time tag; some meters leave both away."""
    if not reader.left or reader.choice(0, 1):
        return
    if reader.left and reader.choice(0, 1):
        reader.take(10)
    if reader.left:
        raise FrameError(FrameFault.LENGTH, f"{reader.left} bytes after the answer's end")
