"""How evidence is written for a person: times, durations, hashes, values. And for a program: JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any, Final

SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""UTC + 8 h the whole year round (since 1991), so no time zone files are needed."""
_LAST_MS: Final = 253_402_300_799_999 - 86_400_000
"""The last day that datetime can say."""


def when(at_ms: int) -> str:
    """A moment in Shanghai and in UTC: 2026-03-01 08:00:00 (00:00:00Z)."""
    if not 0 <= at_ms <= _LAST_MS:
        return f"{at_ms} ms UTC"
    local, utc = local_time(at_ms), datetime.fromtimestamp(at_ms // 1000, UTC)
    date = "" if local.date() == utc.date() else f"{utc:%m-%d} "
    return f"{local:%Y-%m-%d %H:%M:%S} ({date}{utc:%H:%M:%S}Z)"


def local_time(at_ms: int) -> datetime:
    """A moment in Asia/Shanghai, to the second."""
    return datetime.fromtimestamp(at_ms // 1000, SHANGHAI)


def day(at_ms: int) -> str:
    """The Shanghai date of a moment."""
    return f"{local_time(at_ms):%Y-%m-%d}" if 0 <= at_ms <= _LAST_MS else f"{at_ms} ms UTC"


def clock_time(at_ms: int) -> str:
    """The Shanghai time of day of a moment, with milliseconds where there are any."""
    if not 0 <= at_ms <= _LAST_MS:
        return f"{at_ms} ms UTC"
    return f"{local_time(at_ms):%H:%M:%S}" + (f".{at_ms % 1000:03d}" if at_ms % 1000 else "")


def lasting(span_ms: int) -> str:
    """A duration: 22 h 46 min, 3 min 20 s, 150 ms."""
    if span_ms < 1000:  # noqa: PLR2004 - a second
        return f"{span_ms} ms"
    seconds = span_ms // 1000
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def hours(span_ms: int) -> str:
    """Hours with two decimals, rounded down."""
    return f"{span_ms // 36_000 / 100:.2f} h"


def kwh(milli_wh: int) -> str:
    """Thousandths of a watt hour as kilowatt hours."""
    return f"{milli_wh / 1e6:,.3f} kWh"


def short(digest: bytes) -> str:
    """The first 12 hexadecimal digits of a hash; a dash for none."""
    return digest.hex()[:12] if digest else "-"


def value(number: int | None, decimals: int) -> str:
    """A column's integer in its unit; a dash where there is none."""
    if number is None:
        return "-"
    if not decimals:
        return str(number)
    digits = f"{abs(number):0{decimals + 1}d}"
    return f"{'-' if number < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"


def count(number: int, one: str, many: str | None = None) -> str:
    """1 stream, 4 streams."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table, its columns as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def to_json(what: Any) -> Any:  # noqa: ANN401 - JSON has many types
    """What json.dumps takes: dataclasses become objects, bytes hexadecimal, enums their names in lower case."""
    if hasattr(what, "_asdict"):
        what = what._asdict()
    elif is_dataclass(what):
        what = {f.name: getattr(what, f.name) for f in fields(what) if f.repr}
    match what:
        case Enum():
            return what.name.lower()
        case bytes():
            return what.hex()
        case Mapping():
            return {str(to_json(key)): to_json(item) for key, item in what.items()}
        case list() | tuple() | frozenset():
            return [to_json(item) for item in what]
    return what
