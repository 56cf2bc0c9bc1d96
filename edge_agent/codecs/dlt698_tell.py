"""DL/T 698.45 APDUs told field by field, for a person who reads one: every service by name, reading ones completely."""

from typing import Final

from edge_agent.codecs.dlt698_apdu import DARS, SERVICES, read_end
from edge_agent.codecs.dlt698_data import Plain, Reader, plain, read_data, read_date_time, read_rcsd, read_rsd
from edge_agent.codecs.dlt698_items import item_of
from edge_agent.codecs.errors import FrameError, FrameFault

_CHOICES: Final = {1: "normal", 2: "normal_list", 3: "record", 4: "record_list", 5: "next", 6: "md5"}


def describe_apdu(apdu: bytes) -> dict[str, Plain]:
    """Service and, as far as they can be told, its fields; `apdu_error` says where the telling ended."""
    reader = Reader(apdu)
    tag = reader.number(1)
    if tag not in SERVICES:
        raise FrameError(FrameFault.CONTROL, f"service {tag:02X} does not exist")
    fields: dict[str, Plain] = {"service": SERVICES[tag]}
    try:
        _tell(tag, reader, fields)
    except FrameError as error:
        fields["apdu_error"] = f"{error.fault.value}: {error}"
    return fields


def _tell(tag: int, reader: Reader, fields: dict[str, Plain]) -> None:
    match SERVICES[tag]:
        case "GET-Request":
            _tell_choice(reader, fields)
            _tell_get_request(reader, fields)
        case "GET-Response":
            _tell_choice(reader, fields)
            _tell_get_response(reader, fields)
        case "SET-Request" | "SET-Response" | "ACTION-Request" | "ACTION-Response" as service:
            _tell_choice(reader, fields)
            if fields["choice"] == "normal":
                fields["oad" if service.startswith("SET") else "omd"] = reader.hex(4)
                fields |= _value(reader) if service.endswith("Request") else _dar(reader.number(1))
        case "REPORT-Notification":
            _tell_choice(reader, fields)
            if fields["choice"] == "normal":
                _tell_results(reader, fields)
        case "ERROR-Response":
            fields |= {"piid": reader.number(1), "error_type": reader.number(1)}
        case "LINK-Request":
            fields["piid"] = reader.number(1)
            fields["link"] = ("login", "heartbeat", "logout")[reader.choice(0, 1, 2)]
            fields |= {"interval_s": reader.number(2), "time": read_date_time(reader)}
        case _:
            pass


def _tell_choice(reader: Reader, fields: dict[str, Plain]) -> None:
    choice = reader.number(1)
    fields |= {"choice": _CHOICES.get(choice, str(choice)), "piid": reader.number(1)}


def _tell_get_request(reader: Reader, fields: dict[str, Plain]) -> None:
    match fields["choice"]:
        case "normal" | "md5":
            fields["oad"] = reader.hex(4)
            fields |= _named(str(fields["oad"]))
        case "normal_list":
            fields["oads"] = [reader.hex(4) for _ in range(reader.count())]
        case "record":
            fields |= {"oad": reader.hex(4), "rows": read_rsd(reader), "columns": read_rcsd(reader)}
        case "record_list":
            fields["records"] = [
                {"oad": reader.hex(4), "rows": read_rsd(reader), "columns": read_rcsd(reader)}
                for _ in range(reader.count())
            ]
        case "next":
            fields["block"] = reader.number(2)
        case _:
            pass


def _tell_get_response(reader: Reader, fields: dict[str, Plain]) -> None:
    match fields["choice"]:
        case "normal":
            fields["oad"] = reader.hex(4)
            fields |= _outcome(reader, str(fields["oad"]))
        case "normal_list":
            _tell_results(reader, fields)
        case "record":
            fields |= _record(reader)
        case "record_list":
            fields["records"] = [_record(reader) for _ in range(reader.count())]
        case "next":
            fields |= {"last": reader.number(1) != 0, "block": reader.number(2)}
            match reader.choice(0, 1, 2):
                case 0:
                    fields |= _dar(reader.number(1))
                case 1:
                    _tell_results(reader, fields)
                case _:
                    fields["records"] = [_record(reader) for _ in range(reader.count())]
        case _:
            return
    read_end(reader)


def _tell_results(reader: Reader, fields: dict[str, Plain]) -> None:
    results: list[Plain] = []
    fields["results"] = results
    for _ in range(reader.count()):
        oad = reader.hex(4)
        result: dict[str, Plain] = {"oad": oad}
        results.append(result | _outcome(reader, oad))


def _outcome(reader: Reader, oad: str) -> dict[str, Plain]:
    """A Get-Result: 0 and a DAR, or 1 and a value."""
    return _dar(reader.number(1)) if reader.choice(0, 1) == 0 else _value(reader) | _named(oad)


def _value(reader: Reader) -> dict[str, Plain]:
    data = read_data(reader)
    return {"value": plain(data), "type": data.kind.name.lower()}


def _dar(dar: int) -> dict[str, Plain]:
    return {"dar": dar, "dar_name": DARS.get(dar, "unknown")}


def _named(oad: str) -> dict[str, Plain]:
    """What an OAD means, where that is known."""
    item = item_of(oad)
    if item is None:
        return {}
    name: dict[str, Plain] = {"item": item.name}
    return name | {"unit": item.unit, "decimals": item.decimals} if item.decimals else name


def _record(reader: Reader) -> dict[str, Plain]:
    """An A-ResultRecord: OAD, columns, then a DAR or rows of one value a column."""
    oad, columns = reader.hex(4), read_rcsd(reader)
    fields: dict[str, Plain] = {"oad": oad, "columns": columns}
    if reader.choice(0, 1) == 0:
        return fields | _dar(reader.number(1))
    rows: list[Plain] = [[plain(read_data(reader)) for _ in columns] for _ in range(reader.count())]
    return fields | {"rows": rows}
