"""The columns of a READINGS window, as rules and counters read them. Pure."""

from typing import Final

from evidence.bodies import Aggregate, Column, Keep, Readings
from evidence.judging.judge import Answer, Read, Rule, milli

MINUTE_MS: Final = 60_000


def column_of(window: Readings, point: str, aggregate: Aggregate) -> Column | None:
    """The window's column of this point and aggregate."""
    return next((c for c in window.columns if c.point == point and c.aggregate is aggregate), None)


def row_ends(window: Readings) -> list[int]:
    """Where each row ends: a minute with its minute, its window, or where the next row begins; a sample at once."""
    times_ms = window.times_ms
    if window.keep is Keep.EVERY or not times_ms:
        return times_ms
    nexts = times_ms[1:]
    nexts.append(window.to_ms)
    return [min(after, at_ms - at_ms % MINUTE_MS + MINUTE_MS) for at_ms, after in zip(times_ms, nexts, strict=True)]


def answers_of(window: Readings, by: Rule) -> list[Answer] | None:
    """What the rule reads of every sample; None when the window has none of its points."""
    columns = [column_of(window, read.point, Aggregate.SAMPLE) for read in by.reads]
    if all(column is None for column in columns):
        return None
    nothing: list[int | None] = [None] * len(window.times_ms)
    read = [nothing if c is None else scaled(c, r) for c, r in zip(columns, by.reads, strict=True)]
    return list(zip(window.times_ms, zip(*read, strict=True), strict=True))


def scaled(column: Column, read: Read) -> list[int | None]:
    """A column's values as a rule reads them."""
    if read.milli:
        return milliwatts(column)
    if not column.decimals:
        return column.values
    return [None if v is None else read.scaled(v, column.unit, column.decimals) for v in column.values]


def milliwatts(column: Column) -> list[int | None]:
    """A column's values in thousandths of its unit; a power column's in mW, also when it is in kW."""
    decimals = column.decimals - 3 if column.unit == "kW" else column.decimals
    if decimals <= 3:  # noqa: PLR2004 - milli
        factor = 10 ** (3 - decimals)
        return [None if v is None else v * factor for v in column.values]
    return [None if v is None else milli(v, decimals) for v in column.values]


def raw(power_mw: int, column: Column) -> int:
    """The least of a power column's integers that is at least so many mW."""
    decimals = column.decimals - 3 if column.unit == "kW" else column.decimals
    if decimals > 3:  # noqa: PLR2004 - milli
        return int(power_mw * 10 ** (decimals - 3))
    return -int(-power_mw // 10 ** (3 - decimals))
