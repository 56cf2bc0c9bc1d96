"""What a stream's events come to: how many of each kind, the first of each, and what is raised at the end. Pure.

A subject is raised from the first RAISED after its last CLEARED on, in the order of the chain.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from evidence.bodies import Event, EventKind, Phase

FIRST_LIMIT: Final = 5
"""Events of one kind that are named, at most: the first of them."""
RAISED_LIMIT: Final = 1024
"""What is raised at the end is named up to so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfKind:
    """Events of one kind."""

    event: EventKind
    count: int = 0
    """All of them,"""
    noted: int = 0
    raised: int = 0
    cleared: int = 0
    """and of each phase."""
    first: tuple[tuple[int, Event], ...] = ()
    """(n, the event) of the first of them."""

    def and_one(self, n: int, event: Event) -> "OfKind":
        """With one more, told by statement n."""
        return replace(
            self,
            count=self.count + 1,
            noted=self.noted + (event.phase is Phase.NOTED),
            raised=self.raised + (event.phase is Phase.RAISED),
            cleared=self.cleared + (event.phase is Phase.CLEARED),
            first=(*self.first, (n, event)) if len(self.first) < FIRST_LIMIT else self.first,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """What was raised and not cleared."""

    event: EventKind
    subject: str
    n: int
    """The statement that raised it,"""
    since_ms: int
    """and since when."""
    last: Event
    """What was said of it last."""


@dataclass(slots=True)
class Tally:
    """One stream's events, in the order of its chain."""

    _kinds: dict[EventKind, OfKind] = field(default_factory=dict)
    _raised: dict[tuple[EventKind, str], Raised] = field(default_factory=dict)

    def take(self, n: int, event: Event) -> None:
        """The next event, told by statement n."""
        kind = event.event
        self._kinds[kind] = self._kinds.get(kind, OfKind(event=kind)).and_one(n, event)
        about = (kind, event.subject)
        if event.phase is Phase.CLEARED:
            self._raised.pop(about, None)
        elif event.phase is Phase.RAISED and about in self._raised:
            self._raised[about] = replace(self._raised[about], last=event)
        elif event.phase is Phase.RAISED and len(self._raised) < RAISED_LIMIT:
            self._raised[about] = Raised(event=kind, subject=event.subject, n=n, since_ms=event.at_ms, last=event)

    def is_raised(self, event: EventKind, subject: str) -> bool:
        """Whether it is, so far."""
        return (event, subject) in self._raised

    @property
    def is_full(self) -> bool:
        """Whether more is raised than is named."""
        return len(self._raised) >= RAISED_LIMIT

    @property
    def kinds(self) -> tuple[OfKind, ...]:
        """Every kind that was told, by its number."""
        return tuple(self._kinds[kind] for kind in sorted(self._kinds))

    @property
    def raised(self) -> tuple[Raised, ...]:
        """What is raised, since longest first."""
        return tuple(self._raised.values())
