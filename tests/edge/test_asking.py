from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.load import Machine
from edge_agent.config.profiles import Limits
from edge_agent.drivers.driver import Exchange
from edge_agent.drivers.modbus import Answer, NoAnswer, Question
from edge_agent.drivers.modbus_asking import FIRST_ANEW_MS, LONGEST_ANEW_MS, PART_AGAIN_MS, ModbusAsker
from evidence.bodies import Failure
from tests.world.buses import machine, point, tcp
from tests.world.plant import PlantMachine

PERIOD_MS = 1_000
POINTS = 16


@dataclass(slots=True)
class Wire:
    """Straight into the plant's machine, without a network: a Line."""

    device: PlantMachine
    refuses_all: bool = False
    asked: int = 0

    def open(self) -> Failure | None:
        return None

    def close(self) -> None:
        pass

    def ask(self, what: Question) -> Answer | NoAnswer:
        self.asked += 1
        absent, self.device.absent = (
            self.device.absent,
            set(range(1000)) if self.refuses_all else self.device.absent,
        )
        answer = self.device.answer(what.adu)
        self.device.absent = absent
        if answer[7] & 0x80:
            return NoAnswer(failure=Failure.REFUSED, exception=answer[8], frame=(what.adu, answer))
        return Answer(values=answer[9:], frame=(what.adu, answer))


@dataclass(slots=True)
class Desk:
    """One machine, asked once a second."""

    wire: Wire
    asker: ModbusAsker
    now_ms: int = 0

    def ask(self) -> Exchange:
        self.now_ms += PERIOD_MS
        return self.asker.ask(self.now_ms)

    def go_on(self, for_ms: int) -> list[Exchange]:
        return [self.ask() for _ in range(for_ms // PERIOD_MS)]


def desk(absent: set[int] | None = None, *, machine_: Machine | None = None) -> Desk:
    device = PlantMachine(registers={at: 100 + at for at in range(POINTS)}, absent=absent or set())
    points = tuple(point(f"p{at}", at) for at in range(POINTS))
    wire = Wire(device)
    return Desk(wire, ModbusAsker(machine_ or machine(tcp(502), points=points), wire))


def missing(exchange: Exchange) -> set[int]:
    return {at for at, value in enumerate(exchange.values) if value is None}


def test_a_device_that_refuses_everything_for_a_while_is_read_whole_at_once_when_it_is_ready() -> None:
    at = desk()
    at.ask()
    at.wire.refuses_all = True
    exchanges = at.go_on(20_000)
    assert all(exchange.failure is Failure.REFUSED and exchange.heard for exchange in exchanges)
    assert not any(exchange.holes for exchange in exchanges)
    at.wire.refuses_all = False
    asked = at.wire.asked
    assert at.ask().failure is None
    assert at.wire.asked == asked + 1


def test_a_device_that_refuses_everything_is_not_asked_more_than_once_a_cycle_for_long() -> None:
    at = desk()
    at.wire.refuses_all = True
    at.go_on(3_600_000)
    assert at.wire.asked < 3_600 * 1.6


def test_points_that_were_known_to_be_refused_stay_left_out_when_the_device_is_back() -> None:
    at = desk({5, 11})
    at.go_on(10_000)
    at.wire.refuses_all = True
    at.go_on(200_000)
    at.wire.refuses_all = False
    assert missing(at.ask()) == {5, 11}


def test_what_was_refused_once_is_not_given_up() -> None:
    at = desk({5})
    while any(len(block.points) > 1 for block in at.asker.plan.blocks if 5 in block.points):
        at.ask()
    assert at.ask().holes == ()
    at.wire.device.absent = set()
    assert missing(at.ask()) == set()
    assert at.asker.plan.holes == frozenset()


def test_refused_points_are_told_once_and_tried_again_ever_more_rarely() -> None:
    at = desk({5})
    exchanges = at.go_on(6 * LONGEST_ANEW_MS)
    assert [exchange.holes for exchange in exchanges if exchange.holes] == [("p5",)]
    disturbed = sum(missing(exchange) != {5} for exchange in exchanges)
    assert disturbed < (6 + 7) * 6
    at.wire.device.absent = set()
    assert any(missing(exchange) == set() for exchange in at.go_on(LONGEST_ANEW_MS + PERIOD_MS))


def test_a_read_parted_for_one_bad_moment_is_made_whole_again() -> None:
    at = desk()
    at.wire.refuses_all = True
    at.go_on(3_000)
    at.wire.refuses_all = False
    assert missing(at.ask()) == set()
    at.go_on(FIRST_ANEW_MS)
    asked = at.wire.asked
    at.ask()
    assert at.wire.asked == asked + 1


def test_a_device_that_refuses_long_reads_is_read_in_short_ones() -> None:
    points = tuple(point(f"p{at}", at) for at in range(POINTS))
    at = desk(machine_=machine(tcp(502), points=points, limits=Limits()))
    at.wire = LongWire(at.wire.device)
    exchanges = at.go_on(LONGEST_ANEW_MS)
    assert sum(missing(exchange) != set() for exchange in exchanges) < 8 * 3


@dataclass(slots=True)
class LongWire(Wire):
    def ask(self, what: Question) -> Answer | NoAnswer:
        if what.answer_bytes > 8:
            self.asked += 1
            return NoAnswer(failure=Failure.REFUSED, exception=2, frame=(what.adu, b""))
        return Wire.ask(self, what)


@settings(deadline=None, max_examples=30)
@given(
    absent=st.sets(st.integers(0, POINTS - 1), max_size=POINTS - 1),
    outages=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), max_size=4),
    gap=st.integers(0, 8),
)
def test_whatever_was_refused_for_a_while_everything_there_is_is_read_again_soon(
    absent: set[int], outages: list[tuple[int, int]], gap: int
) -> None:
    points = tuple(point(f"p{at}", at * (1 + gap // 4)) for at in range(POINTS))
    at = desk(machine_=machine(tcp(502), points=points, limits=Limits(gap=gap)))
    at.wire.device.absent = {points[number].address for number in absent}
    for works, refuses in outages:
        at.go_on(works * PERIOD_MS)
        at.wire.refuses_all = True
        at.go_on(refuses * PERIOD_MS)
        at.wire.refuses_all = False
        assert at.asker.plan.holes <= absent
    at.go_on(PART_AGAIN_MS)
    assert absent in [missing(exchange) for exchange in at.go_on(20 * PERIOD_MS)]
