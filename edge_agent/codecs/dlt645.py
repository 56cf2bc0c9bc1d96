"""DL/T 645 for people: one frame of edition 2007 or 1997 as what it says. Pure.

Frames and the requests that read are in `dlt645_frame`, values in `dlt645_items`, what the data identifiers stand for
in `dlt645_2007` and `dlt645_1997`. Requests that change a meter are described when they are overheard; nothing here
can make one.
"""

from typing import Any, Final

from edge_agent.codecs.dlt645_1997 import item_1997
from edge_agent.codecs.dlt645_2007 import item_2007
from edge_agent.codecs.dlt645_frame import Edition, Frame, parse
from edge_agent.codecs.dlt645_items import Field, Item, instant, plain_digits, records_of, weekday_of
from edge_agent.codecs.errors import FrameError, FrameFault

_ERRORS: Final = {
    Edition.E2007: (
        "other_error",
        "no_requested_data",
        "bad_password_or_unauthorised",
        "baud_not_changeable",
        "too_many_zones",
        "too_many_day_periods",
        "too_many_tariffs",
        "reserved",
    ),
    Edition.E1997: (
        "illegal_data",
        "bad_data_identifier",
        "bad_password_or_unauthorised",
        "reserved_3",
        "too_many_zones",
        "too_many_day_periods",
        "too_many_tariffs",
        "reserved",
    ),
}
"""The bits of an error byte from the lowest (2007: annex A, table A.7; 1997: 7)."""


def describe_2007(octets: bytes) -> dict[str, Any]:
    """What a frame of the 2007 edition says; FrameError when it is none."""
    return describe(octets, Edition.E2007)


def describe_1997(octets: bytes) -> dict[str, Any]:
    """What a frame of the 1997 edition says; FrameError when it is none."""
    return describe(octets, Edition.E1997)


def describe(octets: bytes, edition: Edition) -> dict[str, Any]:
    """What a frame says, in JSON's types: exact decimals as text, counts as integers, no value as None."""
    frame = parse(octets)
    function = edition.functions.get(frame.function)
    if function is None:
        raise FrameError(FrameFault.CONTROL, f"Control code {frame.control:02X} does not exist in {edition.value}.")
    said = {
        "preamble": frame.wakes,
        "address": frame.address,
        "control": f"{frame.control:02X}",
        "length": len(frame.data),
        "direction": "response" if frame.is_answer else "request",
        "error": frame.is_error,
        "more_follows": frame.is_answer and frame.has_more,
        "function": function,
    }
    if frame.is_error:
        return said | _refusal(frame, edition)
    if function in {"read", "read_more", "read_again"}:
        return said | _reading(frame, edition, function)
    return said | _other(frame, edition, function)


def item_of(edition: Edition, di: str) -> Item | None:
    """What a data identifier stands for; None when it is not told apart."""
    return item_2007(di) if edition is Edition.E2007 else item_1997(di)


def single_of(edition: Edition, di: str, element: int) -> str | None:
    """The data identifier of one element, from 1, of a block; None where the standard has none for it."""
    end, digits = (6, 2) if edition is Edition.E2007 else (4, 1)
    before, every, after = di[: end - digits], di[end - digits : end], di[end:]
    if every != digits * "F":
        return None
    first = 1 if item_of(edition, before + digits * "0" + after) is None else 0  # no voltage of all phases together
    number = first + element - 1
    single = f"{before}{number:0{digits}X}{after}"
    item = item_of(edition, single) if len(single) == len(di) else None
    return single if item is not None and not item.repeats else None


def di_and_rest(data: bytes, edition: Edition) -> tuple[str, bytes]:
    """The data identifier that stands first, and what comes after it."""
    size = edition.di_bytes
    if len(data) < size:
        raise FrameError(FrameFault.LENGTH, f"{len(data)} bytes of data, where a DI alone has {size}.")
    return data[:size][::-1].hex().upper(), data[size:]


def error_flags(error: int, edition: Edition) -> list[str]:
    """What an error byte says."""
    return [name for bit, name in enumerate(_ERRORS[edition]) if error >> bit & 1]


def values_of(item: Item, data: bytes) -> dict[str, Any]:
    """An item's values in an answer's data without the DI: one under `value`, those of a block under `values`."""
    said: dict[str, Any] = {"item": item.kind, "name": item.name}
    if item.unit is not None:
        said["unit"] = item.unit
    records = records_of(item, data)
    for place, field in enumerate(item.fields):
        found = [record[place] for record in records]
        name = "values" if item.repeats and field.name == "value" else field.name
        said[name] = found if item.repeats else found[0]
    weekday = weekday_of(item.fields[0], data)
    return said if weekday is None else said | {"weekday": weekday}


def _refusal(frame: Frame, edition: Edition) -> dict[str, Any]:
    if not frame.data:
        raise FrameError(FrameFault.LENGTH, "An error answer without its error byte.")
    said: dict[str, Any] = {"error_byte": frame.data[::-1].hex().upper()}
    if len(frame.data) == 1:
        said["error_flags"] = error_flags(frame.data[0], edition)
    return said


def _reading(frame: Frame, edition: Edition, function: str) -> dict[str, Any]:
    if function == "read_again" and not frame.is_answer:
        return {}
    di, rest = di_and_rest(frame.data, edition)
    said: dict[str, Any] = {"di": di}
    item = item_of(edition, di)
    if not frame.is_answer:
        return said | _asked(item, rest, function, edition)
    if function == "read_more" and edition is Edition.E2007:
        if not rest:
            raise FrameError(FrameFault.LENGTH, "A later frame of an answer without its number.")
        said["sequence"], rest = rest[-1], rest[:-1]
    if item is None or frame.has_more or function == "read_more":
        return said | _part(item, rest)
    return said | values_of(item, rest)


def _asked(item: Item | None, rest: bytes, function: str, edition: Edition) -> dict[str, Any]:
    said: dict[str, Any] = {} if item is None else {"item": item.kind, "name": item.name}
    if function == "read_more" and edition is Edition.E2007:
        if len(rest) != 1:
            raise FrameError(FrameFault.LENGTH, f"{len(rest)} bytes for the number of the frame that is asked for.")
        return said | {"sequence": rest[0]}
    return said | ({"data": rest.hex()} if rest else {})


def _part(item: Item | None, rest: bytes) -> dict[str, Any]:
    """An answer of several frames may be cut anywhere, and an unknown item has no values: the bytes as sent."""
    said: dict[str, Any] = {"data": rest.hex()}
    if item is None:
        return said
    if item.repeats and rest and len(rest) % item.octets == 0:
        return said | values_of(item, rest)
    return said | {"item": item.kind, "name": item.name}


_CLOCK: Final = instant("YYMMDDhhmmss")
_ADDRESS: Final = plain_digits(6)
_PASSWORD: Final = 4
_OPERATOR: Final = 4
_BAUDS: Final = {1: 300, 2: 600, 4: 1200, 8: 2400, 16: 4800, 32: 9600, 64: 19200}


def _other(frame: Frame, edition: Edition, function: str) -> dict[str, Any]:
    """Everything that does not read values. Passwords are left out."""
    data = frame.data
    match function:
        case "read_address" | "write_address" if data:
            return {"value_address": _one(_ADDRESS, data)}
        case "broadcast_time" if data:
            return {"value": _one(_CLOCK, data)}
        case "change_baud" if data:
            return {"value": _BAUDS.get(data[0]), "unit": "baud"}
        case "write" if data and not frame.is_answer:
            di, rest = di_and_rest(data, edition)
            secret = _PASSWORD + _OPERATOR if edition is Edition.E2007 else _PASSWORD
            if len(rest) < secret:
                raise FrameError(FrameFault.LENGTH, f"{len(rest)} bytes after the DI of a write, which has {secret}.")
            return {"di": di, "data": rest[secret:].hex()}
        case "freeze" if data:
            return {"value": data[::-1].hex()}
        case _:
            return {}


def _one(field: Field, data: bytes) -> object:
    if len(data) != field.octets:
        raise FrameError(FrameFault.LENGTH, f"{len(data)} bytes where {field.octets} stand.")
    return field.take(data)
