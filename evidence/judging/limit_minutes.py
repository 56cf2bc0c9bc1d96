"""What minutes say of a limit: where its events can have been, and when it must have been raised. Pure."""

from bisect import bisect_right
from dataclasses import dataclass

from evidence.bodies import Phase, Readings
from evidence.judging.bounds import Row, rows_of
from evidence.judging.limits import Limit, Side


@dataclass(frozen=True, slots=True)
class LimitMinutes:
    """One window's minutes of one limit."""

    by: Limit
    rows: list[Row]

    @classmethod
    def of(cls, by: Limit, window: Readings, ends: list[int]) -> "LimitMinutes | None":
        """None when the window has no such point."""
        rows = rows_of(window, ends, by.read)
        return None if rows is None else cls(by, rows)

    def allows(self, at_ms: int, phase: Phase) -> bool:
        """Whether an answer in the minute of this instant can have raised or cleared it."""
        i = bisect_right(self.rows, at_ms, key=lambda row: row.from_ms) - 1
        if i < 0 or at_ms >= self.rows[i].to_ms:
            return False
        row, by = self.rows[i], self.by
        match by.side, phase:
            case Side.BELOW, Phase.RAISED:
                return row.least < by.raise_milli
            case Side.BELOW, _:
                return row.most >= by.clear_milli
            case Side.ABOVE, Phase.RAISED:
                return row.most >= by.raise_milli
            case _:
                return row.least < by.clear_milli

    def due(self, since_ms: int | None) -> tuple[int | None, bool]:
        """(since when every minute lay beyond it, whether it must be raised at the end), going on from before."""
        is_due = False
        for row in self.rows:
            beyond = row.most < self.by.raise_milli if self.by.side is Side.BELOW else row.least >= self.by.raise_milli
            if not beyond:
                since_ms, is_due = None, False
                continue
            if since_ms is None:  # by then the first answer of the minute was beyond it
                since_ms = row.from_ms if row.is_whole else row.to_ms
            is_due = row.from_ms - since_ms >= self.by.delay_ms
        return since_ms, is_due
