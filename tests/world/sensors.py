"""Lifelike fire sensors and meters, and what happens to them, for a store in memory that answers the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloud_sync.levels import Width
from cloud_sync.page_view import Happening, Measuring, Point, Sensed, Subject, Watched
from cloud_sync.reports import HOUR_MS, Span, State
from cloud_sync.store import Slot
from evidence.bodies import Event, EventKind, Phase
from evidence.judging.limits import USUAL, Limit, Side

if TYPE_CHECKING:
    from tests.world.view import MemoryView

MINUTE_MS = 60_000
DAY_MS = 24 * HOUR_MS
PRESSURE = Point(name="pressure", unit="kPa", decimals=0)
RESIDUAL = Point(name="residual_current", unit="mA", decimals=0)
CABLE = Point(name="temperature_l1", unit="degC", decimals=1)
ENERGY = Point(name="energy_import", unit="Wh", decimals=0, counts=True)
POWER = Point(name="active_power", unit="W", decimals=1)

Values = Callable[[int], int]
"""A point's value at an instant."""


@dataclass(frozen=True, kw_only=True)
class SensorLife:
    """One sensor's points from one instant to another, but for some silence."""

    points: Sequence[tuple[Point, tuple[Limit, ...], Values]]
    from_ms: int
    to_ms: int
    silent: tuple[tuple[int, int], ...] = ()

    def over(self, from_ms: int, to_ms: int, width: Width) -> Sensed:
        """What the store would say of a window."""
        heard = self._heard()
        first = max(self.from_ms, from_ms) // Width.QUARTER * Width.QUARTER
        quarters = [
            at
            for at in range(first, min(self.to_ms, to_ms), Width.QUARTER)
            if any(span.from_ms < at + Width.QUARTER and at < span.to_ms for span in heard)
        ]
        return Sensed(
            measured=tuple(self._measuring(point, quarters, width) for point in self.points),
            heard=[span for span in heard if span.to_ms > from_ms and span.from_ms < to_ms],
        )

    def _measuring(
        self, of: tuple[Point, tuple[Limit, ...], Values], quarters: Sequence[int], width: Width
    ) -> Measuring:
        point, limits, values = of
        slots: dict[int, Slot] = {}
        for at in quarters:
            slot_at = width.begin_ms(at)
            every = [values(at + minute * MINUTE_MS) for minute in range(0, 15, 2)]
            held = slots.get(slot_at, Slot(slot_at, min(every), max(every)))
            slots[slot_at] = Slot(slot_at, min(held.least, *every), max(held.most, *every))
        last_ms = max((span.to_ms for span in self._heard()), default=0) - 20_000
        return Measuring(point=point, limits=limits, slots=list(slots.values()), last_ms=last_ms, last=values(last_ms))

    def _heard(self) -> list[Span]:
        marks = [self.from_ms, *(edge for pause in self.silent for edge in pause), self.to_ms]
        return [
            Span(from_ms=start, to_ms=end, state=State.RUNNING)
            for start, end in zip(marks[::2], marks[1::2], strict=True)
            if end > start
        ]


def wavy(middle: float, swing: float, noise: float, seed: int = 0) -> Values:
    """A day's wave with noise, the same at the same instant."""

    def at(at_ms: int) -> int:
        chance = (at_ms // MINUTE_MS * 2654435761 + seed * 7919 >> 9) % 1000 / 1000
        day = abs(at_ms % DAY_MS / DAY_MS * 2 - 1)
        return round(middle + swing * (day - 0.5) + noise * (chance - 0.5))

    return at


def limit(name: str, point: Point) -> Limit:
    usual = USUAL[name]
    return Limit(
        name=point.name,
        point=point.name,
        side=usual.side,
        raise_milli=usual.raise_milli,
        clear_milli=usual.clear_milli,
        delay_ms=10_000,
        hold_ms=60_000,
        why=usual.why,
    )


def told(  # noqa: PLR0917 - an event in a line
    at_ms: int,
    event: EventKind,
    phase: Phase,
    subject: str,
    value: int | None = None,
    reference: int | None = None,
    says: str = "",
    point: Point | None = None,
) -> Happening:
    return Happening(
        event=Event(
            at_ms=at_ms, event=event, phase=phase, subject=subject, value=value, reference=reference, says=says
        ),
        point=point,
    )


def add_sensors(view: "MemoryView", *, now_ms: int, midnight_ms: int, simulated: bool) -> None:
    """A hydrant whose pressure fell, a switchboard, a transmitter, a sprinkler that was silent, a sealed meter."""
    first_ms, raised_ms = midnight_ms - 30 * DAY_MS, midnight_ms + 14 * HOUR_MS + 5 * MINUTE_MS
    until_ms = now_ms - 20_000

    def pressure(at_ms: int) -> int:
        burst = at_ms >= raised_ms or raised_ms - 3 * DAY_MS <= at_ms < raised_ms - 3 * DAY_MS + HOUR_MS
        return wavy(84 if burst else 128, 6, 7)(at_ms)

    hydrant, sprinkler = limit("hydrant-industrial", PRESSURE), limit("sprinkler", PRESSURE)
    board = limit("residual-current", RESIDUAL), limit("cable-temperature", CABLE)
    lives = {
        "hydrant-2": (
            "2 号车间消火栓",
            SensorLife(points=[(PRESSURE, (hydrant,), pressure)], from_ms=first_ms, to_ms=until_ms),
        ),
        "board-1": (
            "一楼配电柜",
            SensorLife(
                points=[
                    (RESIDUAL, board[:1], wavy(44, -20, 12)),
                    (CABLE, board[1:], wavy(412, -140, 18, 1)),
                    (replace(CABLE, name="temperature_l2"), board[1:], wavy(397, -120, 18, 2)),
                    (replace(CABLE, name="temperature_l3"), board[1:], wavy(436, -150, 18, 3)),
                ],
                from_ms=first_ms,
                to_ms=until_ms,
            ),
        ),
        "sprinkler-1": (
            "成品库喷淋末端",
            SensorLife(
                points=[(PRESSURE, (sprinkler,), wavy(162, 10, 5, 4))],
                from_ms=first_ms,
                to_ms=midnight_ms + 11 * HOUR_MS,
                silent=((midnight_ms + 2 * HOUR_MS, midnight_ms + 5 * HOUR_MS),),
            ),
        ),
        "panel": ("消防主机", SensorLife(points=[], from_ms=first_ms, to_ms=until_ms)),
    }
    alarms = {
        "hydrant-2": [
            told(raised_ms, EventKind.LIMIT, Phase.RAISED, "pressure", 86, 100, "86 kPa, below 100 kPa", PRESSURE)
        ],
        "panel": [
            told(
                midnight_ms - 9 * HOUR_MS,
                EventKind.COMPONENT,
                Phase.RAISED,
                "1-2-1118 fault",
                8,
                0,
                "故障, 点型光电感烟火灾探测器, 成品库东 6 号",
            )
        ],
    }
    history = {
        "hydrant-2": [
            *alarms["hydrant-2"],
            told(raised_ms - 3 * DAY_MS, EventKind.LIMIT, Phase.RAISED, "pressure", 85, 100, "", PRESSURE),
            told(raised_ms - 3 * DAY_MS + HOUR_MS, EventKind.LIMIT, Phase.CLEARED, "pressure", 126, 105, "", PRESSURE),
        ],
        "panel": [
            *alarms["panel"],
            told(
                midnight_ms + 9 * HOUR_MS,
                EventKind.TEST,
                Phase.NOTED,
                "1-2",
                1 << 4,
                None,
                "自检 self-test, operator 3, 2026-11-23 09:00:00",
            ),
            told(midnight_ms + 9 * HOUR_MS + 90_000, EventKind.OPERATION, Phase.NOTED, "1-2", 1, None, "复位 reset"),
        ],
    }
    for key, (title, life) in lives.items():
        put_sensor(view, Subject.FIRE, key, title, life, alarms.get(key, ()), history.get(key, ()), simulated=simulated)
    cover = told(
        midnight_ms + 6 * HOUR_MS,
        EventKind.WITNESS,
        Phase.NOTED,
        "cover_open_count",
        4,
        3,
        "",
        Point(name="cover_open_count", unit="1", decimals=0, counts=True),
    )
    off = told(midnight_ms + 6 * HOUR_MS, EventKind.CLOCK, Phase.RAISED, "clock", -312, 300, "-312 s")
    meter = SensorLife(
        points=[(ENERGY, (), lambda at_ms: 812_345_678 + (at_ms - first_ms) * 37 // HOUR_MS * 1000)],
        from_ms=first_ms,
        to_ms=until_ms,
    )
    put_sensor(view, Subject.METER, "yard", "总表见证", meter, [off], [off, cover], simulated=simulated)


def put_sensor(  # noqa: PLR0917 - a stream in a line
    view: "MemoryView",
    subject: Subject,
    key: str,
    title: str,
    life: SensorLife,
    alarms: Sequence[Happening] = (),
    history: Sequence[Happening] = (),
    *,
    simulated: bool = False,
    enterprise: str = "hengyuan",
) -> None:
    """Add a sensor with everything that is asked about it."""
    from tests.world.view import put

    sensor = Watched(
        key=key,
        subject=subject,
        title=title,
        box="sz-0019",
        stream=f"{subject.value}/{key}",
        first_ms=life.from_ms,
        received_ms=life.to_ms,
        simulated=simulated,
        alarms=tuple(alarms),
        alarmed=len(alarms),
    )
    put(view, sensor, [], simulated=simulated, enterprise=enterprise)
    del view.states[enterprise, key]
    view.sensors[enterprise, key, subject] = life
    view.told[enterprise, key, subject] = list(history)


def machine_alarms(midnight_ms: int) -> dict[str, list[Happening]]:
    """What is raised of machines, by key."""
    return {
        "compressor-01": [
            told(
                midnight_ms - 30 * HOUR_MS,
                EventKind.SIGNATURE,
                Phase.RAISED,
                "active_power",
                221_500,
                368_000,
                "running power 22150 W, 36800 W when commissioned",
                POWER,
            )
        ],
        "texturing-02": [
            told(
                midnight_ms + 13 * HOUR_MS + 21 * MINUTE_MS,
                EventKind.IDENTITY,
                Phase.RAISED,
                "identity",
                202401150009,
                202401150007,
                "换表 another meter answers: 表号 meter number 202401150009 (应为 commissioned 202401150007)",
            )
        ],
    }


def machine_events(midnight_ms: int) -> dict[str, list[Happening]]:
    """What happened to machines, by key."""
    hot = Side.ABOVE.value
    return {
        key: [
            *raised,
            told(
                midnight_ms + 7 * HOUR_MS,
                EventKind.COUNTER,
                Phase.NOTED,
                "energy_import",
                12,
                48_211_377,
                "reset",
                ENERGY,
            ),
            told(
                midnight_ms + 8 * HOUR_MS,
                EventKind.LIMIT,
                Phase.RAISED,
                f"active_power {hot}",
                512_000,
                500_000,
                "",
                POWER,
            ),
            told(
                midnight_ms + 8 * HOUR_MS + 75_000,
                EventKind.LIMIT,
                Phase.CLEARED,
                f"active_power {hot}",
                478_000,
                480_000,
                "",
                POWER,
            ),
        ]
        for key, raised in machine_alarms(midnight_ms).items()
    }
