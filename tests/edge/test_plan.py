from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.profiles import OURS, Function, Limits, PointType, Register, load_profile, registers_of
from edge_agent.drivers.modbus_plan import Block, Plan, plan_of, without
from tests.world.buses import point

FUNCTIONS = st.sampled_from(Function)


@st.composite
def some_points(draw: st.DrawFn) -> list[Register]:
    points = []
    for place in range(draw(st.integers(1, 30))):
        function = draw(FUNCTIONS)
        kind = PointType.BITFIELD if function.is_bits else draw(st.sampled_from(PointType))
        points.append(point(f"p{place}", draw(st.integers(0, 300)), kind, function=function))
    return points


LIMITS = st.builds(Limits, registers=st.integers(4, 125), even_start=st.booleans(), gap=st.integers(0, 40))


def check(plan: Plan) -> None:
    fetched = [place for block in plan.blocks for place in block.points]
    assert sorted([*fetched, *plan.holes]) == list(range(len(plan.points)))
    for block in plan.blocks:
        registers = block.count if not block.function.is_bits else -(-block.count // 16)
        assert 0 < registers <= plan.limits.registers + (2 if plan.limits.even_start else 0)
        if plan.limits.even_start and not block.function.is_bits:
            assert block.address % 2 == block.count % 2 == 0
        inside = [plan.points[place] for place in block.points]
        assert all(at.function is block.function for at in inside)
        assert all(block.address <= at.address and at.end <= block.address + block.count for at in inside)
        assert all(left.address <= right.address for left, right in pairwise(inside))


@given(points=some_points(), limits=LIMITS)
def test_a_plan_fetches_every_point_once_within_the_limits(points: list[Register], limits: Limits) -> None:
    check(plan_of(points, limits))


@given(points=some_points(), limits=LIMITS, absent=st.sets(st.integers(0, 300), max_size=8))
def test_what_the_device_refuses_is_found_and_the_rest_is_still_read(
    points: list[Register], limits: Limits, absent: set[int]
) -> None:
    def refused(block: Block) -> bool:
        return any(at in absent for at in range(block.address, block.address + block.count))

    plan = plan_of(points, limits)
    for _ in range(4 * len(points)):
        bad = [block for block in plan.blocks if refused(block)]
        if not bad:
            break
        for block in bad:
            plan = without(plan, block)
        check(plan)
    good = {place for block in plan.blocks if not refused(block) for place in block.points}
    for place, at in enumerate(points):
        (alone,) = plan_of([at], limits).blocks
        assert (place in good) is not refused(alone)


def test_gaps_are_read_along_up_to_the_limit() -> None:
    points = [point("a", 0), point("b", 17), point("c", 35)]
    assert [(block.address, block.count) for block in plan_of(points, Limits()).blocks] == [(0, 18), (35, 1)]


def test_the_last_read_is_never_given_up() -> None:
    plan = plan_of([point("a", 0)], Limits())
    assert without(plan, plan.blocks[0]) is plan


def test_an_eastron_meter_is_read_from_even_addresses_in_at_most_80_registers() -> None:
    profile = load_profile(OURS / "eastron_sdm630.toml")
    plan = plan_of(registers_of(profile.points), profile.limits)
    check(plan)
    assert [(block.address, block.count) for block in plan.blocks] == [(0, 80), (342, 16)]
