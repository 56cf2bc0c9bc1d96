"""Whether the device that answers is the one that was commissioned: decided here, for every protocol alike.

A driver that can ask a device for its number offers `who_of(machine, line)`; `identified` puts that question before
its readings.

1. A device is asked who it is before its values: at first, after any silence in any of its streams, when UNHEARD_MS
   have passed since it was heard, and every AGAIN_MS. Until it has said so, none of its values is asked for, and
   every one is None.
2. One that says other numbers than those that are pinned is a stranger. While it is there the failure is STRANGER, and
   each asking asks only who it is: what stands among the frames is its own number.
3. One that answers UNSAID_TIMES times on end and does not say its number is a stranger too, for the commissioned one
   did. Before that the failure is the question's own.
4. IDENTITY is RAISED when the stranger is found, saying both numbers, and CLEARED when the right one says its number.
   After a start, when nobody knows what was raised before, the first answer is told of in either case; the keeper,
   which remembers, drops what repeats itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from edge_agent.config.sections import Identity, Machine
from edge_agent.drivers.driver import Asker, Driver, Exchange, Line
from edge_agent.reading import NOW_MS, Frame
from evidence.bodies import MS_LIMIT, TEXT_LIMIT, Event, EventKind, Failure, Phase

AGAIN_MS: Final = 3_600_000
UNHEARD_MS: Final = 60_000
UNSAID_TIMES: Final = 3
SUBJECT: Final = "identity"
NUMBER_LIMIT: Final = 64
"""Characters of a number."""


class Said(NamedTuple):
    """What asking a device for its numbers gave."""

    identity: Identity
    """What it said; None what it was not asked for, or did not say."""
    failure: Failure | None
    """Why the first number that was asked for is missing; None when none is."""
    frames: tuple[Frame, ...]
    heard: bool


Who = Callable[[], Said]
"""Asks a device for the numbers that are pinned, or for all that it may have where none is."""


class IdentifyingDriver(Driver, Protocol):
    """A driver whose devices can be asked for their numbers. Its askers are `identified`."""

    def who_of(self, machine: Machine, line: Line) -> Who:
        """How this machine is asked for its numbers on its bus's line, which `line_of` made."""
        ...


def wanted_of(identity: Identity | None) -> tuple[str, ...]:
    """Which of `meter_number` and `asset_number` a device is asked for: what is pinned, both where nothing is."""
    pinned = identity or Identity()
    names = tuple(name for name in ("meter_number", "asset_number") if getattr(pinned, name) is not None)
    return names or ("meter_number", "asset_number")


def identified(machine: Machine, asker: Asker, who: Who) -> Asker:
    """The asker, behind the question who answers; the asker itself where no number is pinned."""
    return asker if machine.identity is None else IdentifiedAsker(machine, asker, who, machine.identity)


class IdentifiedAsker:
    """See the rules above. It remembers when the device said who it is; losing that costs a question."""

    def __init__(self, machine: Machine, asker: Asker, who: Who, pinned: Identity) -> None:
        self._nothing: tuple[int | None, ...] = (None,) * len(machine.points)
        self._asker, self._who, self._pinned = asker, who, pinned
        self._watch = Watch()

    def ask(self, now_ms: int) -> Exchange:
        """See Asker."""
        frames: tuple[Frame, ...] = ()
        events: tuple[Event, ...] = ()
        if self._watch.must_ask(now_ms):
            said = self._who()
            self._watch, events = take(self._watch, said, self._pinned, now_ms)
            frames = said.frames
            if self._watch.good_at_ms != now_ms:
                failure = Failure.STRANGER if said.heard and self._watch.is_strange else said.failure
                return Exchange(self._nothing, failure, frames, said.heard, events=events)
        exchange = self._asker.ask(now_ms)
        self._watch = self._watch.after(exchange, now_ms)
        return exchange._replace(frames=frames + exchange.frames, events=events + exchange.events)

    def doubt(self) -> None:
        """The device was silent in another stream of it: whoever answers next says who it is first."""
        self._watch = replace(self._watch, good_at_ms=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is known of who answers; instants are of the steady clock."""

    good_at_ms: int | None = None
    """When the right device said who it is; None when it must do so before anything else."""
    heard_ms: int = 0
    is_strange: bool | None = None
    """None: nobody knows yet."""
    unsaid: int = 0
    """Answers on end that did not say who."""

    def must_ask(self, now_ms: int) -> bool:
        """Whether the device has to say who it is first."""
        if self.good_at_ms is None:
            return True
        return now_ms - self.good_at_ms >= AGAIN_MS or now_ms - self.heard_ms >= UNHEARD_MS

    def after(self, exchange: Exchange, now_ms: int) -> "Watch":
        """What is known after its values were asked for."""
        silent = not exchange.heard or exchange.failure in {Failure.SILENT, Failure.LINE_DOWN}
        return Watch(
            good_at_ms=None if silent else self.good_at_ms,
            heard_ms=self.heard_ms if silent else now_ms,
            is_strange=self.is_strange,
        )


def take(watch: Watch, said: Said, pinned: Identity, now_ms: int) -> tuple[Watch, tuple[Event, ...]]:
    """What is known after a device was asked who it is, and what a person should know of it."""
    wanted = [(what, number) for what, number in _numbers(pinned) if number is not None]
    found = dict(_numbers(said.identity))
    others = [(what, number, other) for what, number in wanted if (other := found[what]) and not same(number, other)]
    if not others and all(found[what] for what, _ in wanted):
        known = Watch(good_at_ms=now_ms, heard_ms=now_ms, is_strange=False)
        return known, () if watch.is_strange is False else (_event(Phase.CLEARED, wanted, _the_right_one(wanted)),)
    unsaid = watch.unsaid + 1 if said.heard and not others else 0
    strange = True if others or unsaid >= UNSAID_TIMES else watch.is_strange
    known = Watch(heard_ms=watch.heard_ms, is_strange=strange, unsaid=unsaid)
    if not strange or watch.is_strange:
        return known, ()
    says = _another(others) if others else _nameless(wanted)
    return known, (_event(Phase.RAISED, wanted, says, others[0][2] if others else None),)


def number_of(text: object) -> str | None:
    """A device's number as it may stand in a box's file; None where it is empty or nothing but zeros."""
    bare = "".join(char for char in str(text or "") if "!" <= char <= "~")[:NUMBER_LIMIT]
    return bare if bare.strip("0") else None


def same(number: str, other: str) -> bool:
    """Whether two numbers are one, however they are written."""
    return _plain(number) == _plain(other)


def _plain(number: str) -> str:
    return number.upper().lstrip("0") if number.isdecimal() else number.upper()


def _numbers(identity: Identity) -> tuple[tuple[str, str | None], ...]:
    return ("表号 meter number", identity.meter_number), ("资产号 asset number", identity.asset_number)


def _another(others: list[tuple[str, str, str]]) -> str:
    said = ", ".join(f"{what} {other} (应为 commissioned {number})" for what, number, other in others)
    return f"换表 another meter answers: {said}"


def _nameless(wanted: list[tuple[str, str]]) -> str:
    said = ", ".join(f"{what} {number}" for what, number in wanted)
    return f"不报表号 answers without saying its number; commissioned: {said}"


def _the_right_one(wanted: list[tuple[str, str]]) -> str:
    return "原表 the commissioned meter answers: " + ", ".join(f"{what} {number}" for what, number in wanted)


def _event(phase: Phase, wanted: list[tuple[str, str]], says: str, other: str | None = None) -> Event:
    pinned = wanted[0][1]
    return Event(
        at_ms=NOW_MS,
        event=EventKind.IDENTITY,
        phase=phase,
        subject=SUBJECT,
        value=_whole(pinned if phase is Phase.CLEARED else other),
        reference=_whole(pinned),
        says=says.encode()[:TEXT_LIMIT].decode(errors="ignore"),
    )


def _whole(number: str | None) -> int | None:
    """A number of digits alone as an integer, where a statement can carry it."""
    whole = int(number) if number is not None and number.isascii() and number.isdecimal() else None
    return whole if whole is not None and whole < MS_LIMIT else None
