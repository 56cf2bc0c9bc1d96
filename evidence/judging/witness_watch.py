"""Watches what a meter says of itself, answer by answer (the rules are in witness.py). Pure."""

from collections.abc import Sequence

from evidence.bodies import MS_LIMIT, Event, EventKind, Phase
from evidence.judging.witness import CLOCK, Witness, WitnessState, clock_in_words, in_words, whole_s


class WitnessWatch:
    """One stream's counts and clock."""

    def __init__(self, by: Witness, carried: WitnessState, points: Sequence[tuple[str, str, int]]) -> None:
        """`points` are what an answer's values are, in their order: name, unit, decimals."""
        places = {name: place for place, (name, _, _) in enumerate(points)}
        self._by = by
        self._counts = [(name, places[name]) for name in by.counts if name in places]
        self._clock = [(places[name], points[places[name]][2]) for name in by.clock if name in places]
        before = carried.counts if carried.who == by.who else ()
        self._last = {name: count for name, count in before if name in by.counts}
        self._is_off = bool(carried.clock_off)

    @property
    def state(self) -> WitnessState:
        """Where it stands."""
        return WitnessState(self._by.who, tuple(self._last.items()), int(self._is_off))

    def take(self, at_ms: int, values: Sequence[int | None]) -> list[Event]:
        """What the answer that arrived `at_ms` says."""
        events: list[Event] = []
        for name, place in self._counts:
            if (value := values[place]) is None:
                continue
            before = self._last.get(name, value)
            self._last[name] = value
            if value != before:
                says = in_words(name, before, value)
                events.append(_event(at_ms, EventKind.WITNESS, Phase.NOTED, name, value, before, says))
        if self._clock and len(self._clock) == len(self._by.clock):
            events += self._look_at_clock(at_ms, values)
        return events

    def _look_at_clock(self, at_ms: int, values: Sequence[int | None]) -> list[Event]:
        off_s = self._by.offset_s(at_ms, [whole_s(values[place], decimals) for place, decimals in self._clock])
        if off_s is None or (phase := self._by.turned(is_off=self._is_off, off_s=off_s)) is None:
            return []
        self._is_off = phase is Phase.RAISED
        says = clock_in_words(off_s)
        return [_event(at_ms, EventKind.CLOCK, phase, CLOCK, off_s, self._by.clock_off_ms // 1000, says)]


def _event(  # noqa: PLR0917  # an event's own fields
    at_ms: int, kind: EventKind, phase: Phase, subject: str, value: int, reference: int, says: str
) -> Event:
    told = value if abs(value) < MS_LIMIT else None
    return Event(at_ms=at_ms, event=kind, phase=phase, subject=subject, value=told, reference=reference, says=says)
