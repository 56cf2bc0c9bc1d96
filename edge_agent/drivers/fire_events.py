"""What a fire alarm transmitter's frames mean to a person (pure): events, from what it told before and tells now.

1. A bit that is newly set in a state is RAISED, one that is gone is CLEARED, each under the name of what it is about
   and of the bit. The bit "normal" raises nothing: transmitters clear it in a real alarm too.
2. A reset of a system clears what its components had raised; what persists is reported again.
3. Of an operation every record is an event: TEST when it says test or self-test, else OPERATION.
4. Versions and texts are noted when they differ from what was told before.
5. A clock more than a minute off is RAISED, and CLEARED when it is right again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, TypeVar

from edge_agent.codecs.gb26875_names import COMPONENT_TYPES, NORMAL_BIT, TEST_BITS
from edge_agent.codecs.gb26875_units import Told, UnitType, operations_of, states_of
from evidence.bodies import TEXT_LIMIT, Event, EventKind, Phase

SUBJECTS_LIMIT: Final = 2048
"""Components and the like of one transmitter that are remembered; the one told of longest ago is forgotten."""
CLOCK_OFF_S: Final = 60

Key = tuple[int | str, ...]
_What = TypeVar("_What")

_RESET_OPERATION: Final = 1 << 0
_RESET_STATE: Final = 1 << 13
_STATES: Final = frozenset({UnitType.SYSTEM_STATE, UnitType.COMPONENT_STATE, UnitType.TRANSMITTER_STATE})
_OPERATIONS: Final = frozenset({UnitType.OPERATION, UnitType.TRANSMITTER_OPERATION})
_RAISES: Final = ~(1 << NORMAL_BIT)


def key_of(told: Told) -> Key:
    """Which component, system or (empty) transmitter an object is about."""
    parts = (told.system_type, told.system_address, told.component_address)
    return tuple(part for part in parts if part is not None)


class Known:
    """What a transmitter told so far. Losing it costs that what is still so is raised once more."""

    def __init__(self, called: Callable[[Key], str | None]) -> None:
        self._called = called
        """What the configuration calls a component or system."""
        self._states: OrderedDict[Key, int] = OrderedDict()
        self._texts: OrderedDict[Key, str] = OrderedDict()
        self._off: set[Key] = set()

    def take(self, type_: int, told: Told, at_ms: int) -> Iterator[Event]:
        """The events of an object of a data unit of this type that came at this UTC time."""
        if self.resets(type_, told):
            yield from self._reset(key_of(told), at_ms)
        if type_ in _STATES and told.state is not None:
            yield from self._state(type_, told, told.state, at_ms)
        elif type_ in _OPERATIONS and told.operation is not None:
            yield _operated(type_, told, told.operation, self._name(key_of(told)), at_ms)
        elif type_ == UnitType.COMPONENT_CONFIGURATION:
            _remember(self._texts, ("called", *key_of(told)), told.text or "")
        elif (text := told.version or told.text) is not None:
            yield from self._noted("software" if told.version else "configuration", told, text, at_ms)

    def resets(self, type_: int, told: Told) -> bool:
        """Whether the object says that its system was reset since it was told of last."""
        if type_ == UnitType.OPERATION:
            return bool((told.operation or 0) & _RESET_OPERATION)
        before = self._states.get(key_of(told), 0)
        return type_ == UnitType.SYSTEM_STATE and bool((told.state or 0) & ~before & _RESET_STATE)

    def take_clock(self, key: Key, shown: datetime | None, right: datetime, at_ms: int) -> Iterator[Event]:
        """The events of a clock that shows `shown` while it is `right`; both in its zone, or both without one."""
        off_s = None if shown is None else round((shown - right).total_seconds())
        is_off = off_s is None or abs(off_s) > CLOCK_OFF_S
        if is_off is (key in self._off):
            return
        if is_off:
            self._off.add(key)
        else:
            self._off.discard(key)
        yield Event(
            at_ms=at_ms,
            event=EventKind.CLOCK,
            phase=Phase.RAISED if is_off else Phase.CLEARED,
            subject=_cut(f"{self._name(key)} clock"),
            value=off_s,
            reference=CLOCK_OFF_S,
            says="shows no time" if shown is None else f"{off_s:+} s, shows {shown:%Y-%m-%d %H:%M:%S}",
        )

    def _state(self, type_: int, told: Told, state: int, at_ms: int) -> Iterator[Event]:
        key = key_of(told)
        before = self._states.get(key, 0)
        _remember(self._states, key, state)
        says = _joined(_component_name(told), told.text or self._texts.get(("called", *key)), _time(told.at))
        yield from self._changes(type_, key, before, state, says=says, at_ms=at_ms)

    def _changes(self, type_: int, key: Key, before: int, state: int, *, says: str, at_ms: int) -> Iterator[Event]:
        for phase, bits in ((Phase.CLEARED, before & ~state), (Phase.RAISED, state & ~before)):
            for bit in states_of(type_, bits & _RAISES):
                yield Event(
                    at_ms=at_ms,
                    event=EventKind.COMPONENT,
                    phase=phase,
                    subject=_cut(f"{self._name(key)} {bit.en}"),
                    value=state,
                    reference=before,
                    says=_cut(_joined(bit.zh, says)),
                )

    def _reset(self, system: Key, at_ms: int) -> Iterator[Event]:
        for key in [key for key in self._states if key[:2] == system and key != system]:
            before = self._states.pop(key)
            yield from self._changes(UnitType.COMPONENT_STATE, key, before, 0, says="复位 reset", at_ms=at_ms)

    def _noted(self, what: str, told: Told, text: str, at_ms: int) -> Iterator[Event]:
        key = (what, *key_of(told))
        before = self._texts.get(key)
        _remember(self._texts, key, text)
        if text != before:
            subject = _cut(f"{self._name(key_of(told))} {what}")
            event, phase = EventKind.COMPONENT, Phase.NOTED
            yield Event(at_ms=at_ms, event=event, phase=phase, subject=subject, says=_cut(text))

    def _name(self, key: Key) -> str:
        return self._called(key) or "-".join(map(str, key)) or "transmitter"


def _remember(there: OrderedDict[Key, _What], key: Key, what: _What) -> None:
    there[key] = what
    there.move_to_end(key)
    if len(there) > SUBJECTS_LIMIT:
        there.popitem(last=False)


def _operated(type_: int, told: Told, operation: int, name: str, at_ms: int) -> Event:
    what = (f"{each.zh} {each.en}" for each in operations_of(type_, operation))
    return Event(
        at_ms=at_ms,
        event=EventKind.TEST if operation & TEST_BITS else EventKind.OPERATION,
        phase=Phase.NOTED,
        subject=_cut(name),
        value=operation,
        says=_cut(_joined(*what, f"operator {told.operator}", _time(told.at))),
    )


def _component_name(told: Told) -> str:
    return "" if told.component_type not in COMPONENT_TYPES else COMPONENT_TYPES[told.component_type].zh


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _cut(text: str) -> str:
    """On one line, and no longer than a statement takes."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line.encode()[:TEXT_LIMIT].decode(errors="ignore")
