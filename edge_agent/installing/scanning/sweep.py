"""What `edge-agent scan` asks where, in which order, and how long that takes at most. Pure.

1. The likeliest first: of all places the settings that most devices leave the factory with, and there the protocols
   that are at home with them: DL/T by its wildcard address, one question each; Modbus by the low unit ids.
2. Where somebody answered to Modbus, the other unit ids are asked with the same settings: the devices of one line are
   set alike. Where nobody answered on a whole place, they are asked with the likeliest settings; in `full` of every
   place and with every setting.
3. Where several meters answered to a wildcard at once, the addresses are parted: DL/T 645 by two digits from the end,
   100 questions a step (an address may be given from its low digits on, the rest AA: DL/T 645-2007, 5.2.2); DL/T 698.45
   by one digit, ten questions.
4. A host that answers whatever unit it is asked for has one device; no more units are asked there.
5. A place that cannot be opened is not asked again.
6. What the options leave out is never asked. Settings that they name are asked in every combination, likely or not;
   `full` names them all.
7. A device that answers with another parity at the same rate is the same device: many do not look at the parity bit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge_agent.config.profiles import BAUDS, Parity
from edge_agent.config.sections import BusKind, SerialPort, TcpPort
from edge_agent.installing.scanning.likely import (
    DLT_KINDS,
    FIRST_UNITS,
    KINDS,
    LATER_UNITS,
    LIKELY,
    LONELY_ROWS,
    MODBUS_TCP_PORT,
    MODBUS_UNITS,
    QUICK_ROWS,
    SERIAL_KINDS,
    TCP_UNITS,
    Mode,
    Settings,
)

DIGITS: Final = 12
"""Of a DL/T address."""
ANYBODY: Final = "A" * DIGITS
MIDDLE_BAUD: Final = 9600
BEHIND_BAUD: Final = 2400
"""What a serial server's line is taken to be, which it does not tell: answers are waited for so long."""
PASSES_LIMIT: Final = 10_000
"""Of one sweep: more are not begun, however a line misleads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A serial port of this box, or a host's port."""

    device: str | None = None
    host: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        return self.device or f"{self.host}:{self.port}"

    def opened_with(self, settings: Settings | None) -> SerialPort | TcpPort:
        """As a bus has it."""
        if self.device is not None and settings is not None:
            return SerialPort(device=self.device, baud=settings.baud, parity=settings.parity, stopbits=1)
        assert self.host is not None and self.port is not None  # noqa: S101, PT018  # a place has one or the other
        return TcpPort(host=self.host, port=self.port, baud=BEHIND_BAUD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Questions of one protocol at one place with one setting."""

    place: Place
    settings: Settings | None
    """None where a host is asked."""
    kind: BusKind
    addresses: tuple[int | str, ...]
    """Unit ids, or addresses of 12 digits in which A stands for any."""

    @property
    def port(self) -> SerialPort | TcpPort:
        """As a bus has it."""
        return self.place.opened_with(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user left to be asked."""

    mode: Mode = Mode.USUAL
    bauds: tuple[int, ...] | None = None
    parities: tuple[Parity, ...] | None = None
    """None leaves the choice to the mode; what is named is asked in every combination, and nothing else is."""
    kinds: tuple[BusKind, ...] = KINDS
    units: tuple[int, ...] | None = None
    """The Modbus units; None is the mode's own choice."""
    addresses: tuple[str, ...] = ()
    """DL/T addresses off the plate, asked beside the wildcard."""

    def allows(self, settings: Settings) -> bool:
        """Whether a port may be set so."""
        return settings.baud in (self.bauds or BAUDS) and settings.parity in (self.parities or tuple(Parity))

    @property
    def every_setting(self) -> bool:
        """Whether also unlikely settings are asked."""
        return self.mode is Mode.FULL or self.bauds is not None or self.parities is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a pass."""

    found: frozenset[int | str] = frozenset()
    """Who answered: units, and addresses in full."""
    crowded: tuple[str, ...] = ()
    """Wildcards to which several answered at once."""
    absent: bool = False
    """The place could not be opened."""
    gateway: bool = False
    """A host said that it asked in vain behind it."""


_Question = tuple[Place, Settings | None, BusKind, int | str]


class Sweep:
    """The passes still to be made; `took` tells it what came of each, and so what comes next."""

    def __init__(self, places: Sequence[Place], options: Options) -> None:
        self._options = options
        self._places = tuple(places)
        self._waiting: list[Pass] = []
        self._asked: set[_Question] = set()
        self._units_at: dict[Place, dict[int | str, bool]] = {}
        self._known: dict[Place, set[tuple[int | None, BusKind, int | str]]] = {place: set() for place in places}
        self._gone: set[Place] = set()
        self._passes = 0
        self._add(_first_round(places, options))
        self._is_last_round = options.mode is Mode.QUICK

    def next(self) -> Pass | None:
        """The next pass; None when all is asked."""
        while True:
            while self._waiting and self._passes < PASSES_LIMIT:
                least = self._waiting.pop(0)
                new = tuple(at for at in least.addresses if self._is_new(least, at))
                if new and self._is_wanted(least):
                    self._passes += 1
                    return replace(least, addresses=new)
            if self._is_last_round or self._passes >= PASSES_LIMIT:
                return None
            self._add(self._last_round())
            self._is_last_round = True

    def took(self, what: Pass, came: Came) -> None:
        """What came of a pass that `next` gave."""
        if came.absent:
            self._gone.add(what.place)
            return
        self._asked.update((what.place, what.settings, what.kind, address) for address in what.addresses)
        known = self._known[what.place]
        here = {(what.settings.baud if what.settings else None, what.kind, address) for address in came.found}
        new = here - known
        known |= new
        follow = [*_parted(what, came, self._options)] if new or came.crowded else []
        if what.kind is BusKind.MODBUS_TCP:
            follow += self._behind(what, came)
        elif what.kind is BusKind.MODBUS_RTU and new:
            follow.append(replace(what, addresses=_units(self._options, LATER_UNITS)))
        self._waiting = follow + self._waiting

    def silent_places(self) -> tuple[Place, ...]:
        """Places that opened and where nobody answered so far."""
        return tuple(place for place in self._places if place not in self._gone and not self._known[place])

    def most_s(self, question_s: "Questions") -> tuple[float, float]:
        """How long what is left takes when nobody else answers, and how much longer where nobody answers at all.

        What may yet follow from an answer is not in it.
        """
        known = set(self._asked)
        left_s = self._time_s(self._waiting, known, question_s)
        return left_s, 0.0 if self._is_last_round else self._time_s(self._last_round(), known, question_s)

    def answers_for_any(self, place: Place) -> bool:
        """Whether a host answered for every unit it was asked for, so that its units mean nothing."""
        asked = self._units_at.get(place, {})
        return len(asked) >= len(TCP_UNITS) and all(asked.values())

    def _behind(self, what: Pass, came: Came) -> list[Pass]:
        """The other units of a host, where they mean something."""
        asked = self._units_at.setdefault(what.place, {})
        asked.update((unit, unit in came.found) for unit in what.addresses)
        if self.answers_for_any(what.place) or not (came.found or came.gateway):
            return []
        return [replace(what, addresses=_units(self._options, LATER_UNITS))]

    def _is_wanted(self, what: Pass) -> bool:
        """Not where a place is gone, nor behind a host that turned out to speak Modbus TCP itself."""
        speaks_tcp = any(kind is BusKind.MODBUS_TCP for _, kind, _ in self._known[what.place])
        return what.place not in self._gone and (what.kind is BusKind.MODBUS_TCP or not speaks_tcp)

    def _is_new(self, what: Pass, address: int | str) -> bool:
        return (what.place, what.settings, what.kind, address) not in self._asked

    def _time_s(self, passes: Iterable[Pass], known: set["_Question"], question_s: "Questions") -> float:
        """Of what is not known yet; it is afterwards."""
        total_s = 0.0
        for left in filter(self._is_wanted, passes):
            new = {(left.place, left.settings, left.kind, address) for address in left.addresses} - known
            known |= new
            total_s += len(new) * question_s(left.kind, left.settings)
        return total_s

    def _last_round(self) -> list[Pass]:
        full = self._options.mode is Mode.FULL
        return list(_all_units(self._places if full else self.silent_places(), self._options))

    def _add(self, passes: Iterable[Pass]) -> None:
        self._waiting += passes


class Questions:
    """How long one question takes that nobody answers."""

    def __init__(self, *, modbus_s: float, dlt_s: float, tcp_s: float) -> None:
        """How long each waits for an answer to begin, beyond the bytes' time on the wire."""
        self._waits = {BusKind.MODBUS_RTU: modbus_s, BusKind.MODBUS_TCP: tcp_s} | dict.fromkeys(DLT_KINDS, dlt_s)

    def __call__(self, kind: BusKind, settings: Settings | None) -> float:
        """In seconds."""
        return self._waits[kind] + (_WIRE_BYTES[kind] * _BITS / (settings.baud if settings else BEHIND_BAUD))

    def wait_ms(self, kind: BusKind) -> int:
        """How long an answer may take to begin."""
        return round(1000 * self._waits[kind])


_BITS: Final = 11
_WIRE_BYTES: Final = {
    BusKind.MODBUS_RTU: 8 + 7 + 4,
    BusKind.MODBUS_TCP: 0,
    BusKind.DLT645_2007: 20 + 24,
    BusKind.DLT645_1997: 18 + 22,
    BusKind.DLT698_45: 29 + 40,
}
"""A question and the room for its answer."""


def _first_round(places: Sequence[Place], options: Options) -> Iterator[Pass]:
    for place in places:
        if place.device is None:
            yield from _host(place, options)
    for settings, kinds in _rows(options):
        for place in places:
            if place.device is not None:
                for kind in kinds:
                    yield _first(place, settings, kind, options)


def _rows(options: Options) -> Iterator[tuple[Settings, tuple[BusKind, ...]]]:
    """Settings in their order, each with what is asked there."""
    rows = LIKELY[:QUICK_ROWS] if options.mode is Mode.QUICK else LIKELY
    asked: set[tuple[Settings, BusKind]] = set()
    for settings, kinds in rows:
        chosen = tuple(kind for kind in kinds if kind in options.kinds)
        if options.allows(settings) and chosen:
            asked.update((settings, kind) for kind in chosen)
            yield settings, chosen
    if not options.every_setting:
        return
    for baud in sorted(options.bauds or BAUDS, key=lambda baud: abs(baud - MIDDLE_BAUD)):
        for parity in options.parities or tuple(Parity):
            settings = Settings(baud=baud, parity=parity)
            left = tuple(kind for kind in SERIAL_KINDS if kind in options.kinds and (settings, kind) not in asked)
            if left:
                yield settings, left


def _host(place: Place, options: Options) -> Iterator[Pass]:
    if BusKind.MODBUS_TCP in options.kinds:
        units = TCP_UNITS if options.units is None else options.units
        yield Pass(place=place, settings=None, kind=BusKind.MODBUS_TCP, addresses=units)
    if place.port != MODBUS_TCP_PORT or BusKind.MODBUS_TCP not in options.kinds:
        for kind in SERIAL_KINDS:
            if kind in options.kinds:
                yield _first(place, None, kind, options)


def _first(place: Place, settings: Settings | None, kind: BusKind, options: Options) -> Pass:
    units = kind is BusKind.MODBUS_RTU
    addresses = _units(options, FIRST_UNITS) if units else (ANYBODY, *options.addresses)
    return Pass(place=place, settings=settings, kind=kind, addresses=addresses)


def _all_units(places: Sequence[Place], options: Options) -> Iterator[Pass]:
    if BusKind.MODBUS_RTU not in options.kinds:
        return
    units = _units(options, LATER_UNITS)
    rows = [settings for settings, kinds in _rows(options) if BusKind.MODBUS_RTU in kinds]
    for settings in rows if options.every_setting else rows[:LONELY_ROWS]:
        for place in places:
            if place.device is not None:
                yield Pass(place=place, settings=settings, kind=BusKind.MODBUS_RTU, addresses=units)
    for place in places:
        if place.device is None and place.port != MODBUS_TCP_PORT:
            yield Pass(place=place, settings=None, kind=BusKind.MODBUS_RTU, addresses=units)


def _units(options: Options, most: dict[Mode, int]) -> tuple[int, ...]:
    return MODBUS_UNITS[: most[options.mode]] if options.units is None else options.units


def _parted(what: Pass, came: Came, options: Options) -> Iterator[Pass]:
    """The next step down from wildcards to which several answered, or in `full` from those to which one did."""
    if what.kind not in DLT_KINDS or options.mode is Mode.QUICK:
        return
    several = set(came.crowded)
    if options.mode is Mode.FULL and came.found:
        several |= {address for address in what.addresses if isinstance(address, str) and "A" in address}
    for wildcard in sorted(several):
        parts = parts_of(wildcard, what.kind)
        if parts:
            yield replace(what, addresses=parts)


def parts_of(wildcard: str, kind: BusKind) -> tuple[str, ...]:
    """The wildcard with its lowest open digits taken each way; empty when none is open."""
    open_digits = len(wildcard) - len(wildcard.lstrip("A"))
    step = 1 if kind is BusKind.DLT698_45 else 2
    if open_digits < step:
        return ()
    known = wildcard[open_digits:]
    return tuple("A" * (open_digits - step) + f"{part:0{step}d}" + known for part in range(10**step))
