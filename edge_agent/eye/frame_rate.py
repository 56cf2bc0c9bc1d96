"""Whether pictures come as often as counting needs them. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRule:
    """How often pictures must come."""

    least_fps: float = 12.0
    """A gate is counted wrongly below."""
    over_ms: int = 10_000
    """Counted over so long."""
    times: int = 2
    """So many times in a row before it is told, and before it is told that it is well again."""


class FrameRate:
    """Follows the times of one camera's pictures."""

    def __init__(self, rule: RateRule | None = None) -> None:
        self._rule = rule or RateRule()
        self.slow = False
        self.begin()

    def begin(self) -> None:
        """Count anew, as after a camera was lost; what was told stays."""
        self._from_ms: int | None = None
        self._count = self._turned = 0

    def see(self, at_ms: int) -> bool:
        """Take the steady time of a picture; whether they come too rarely."""
        if self._from_ms is None:
            self._from_ms = at_ms
            return self.slow
        self._count += 1
        passed_ms = at_ms - self._from_ms
        if passed_ms >= self._rule.over_ms:
            slow = self._count * 1000 / passed_ms < self._rule.least_fps
            self._turned = self._turned + 1 if slow is not self.slow else 0
            if self._turned >= self._rule.times:
                self.slow, self._turned = slow, 0
            self._from_ms, self._count = at_ms, 0
        return self.slow
