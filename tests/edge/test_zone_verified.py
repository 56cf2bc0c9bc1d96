"""Whatever a zone's eye tells and when, a bank finds no contradiction in what the keeper signed."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from edge_agent.eye.stock import Looked, Standing
from evidence.bodies import Verdict
from tests.edge.test_zone_keeper import Yard
from tests.world.box import BoxUnderTest


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(BoxUnderTest(directory=tmp_path, settings={}))
    made.start()
    yield made
    if made.box.spool is not None:
        made.box.die()


def late(yard: Yard, verdict: Verdict, count: int, *, by_ms: int) -> None:
    """A look that began before it is told: over a seal, as when the model is slow."""
    began_ms = yard.box.clock.utc_ms() - by_ms
    last = yard.standing
    if verdict is Verdict.COUNTED:
        standing = Standing(verdict=verdict, count=count, counted_at_ms=began_ms)
    else:
        standing = Standing(verdict=verdict, count=last.count, counted_at_ms=last.counted_at_ms, items=last.items)
    yard.standing = standing
    yard.keeper.take([Looked(at_ms=began_ms, standing=standing)], seen=1)


def test_a_count_that_was_told_late_over_a_seal_keeps_one_time(yard: Yard) -> None:
    yard.count(3)
    yard.wait(10)
    yard.keeper.seal()
    late(yard, Verdict.COUNTED, 4, by_ms=700)
    late(yard, Verdict.OCCLUDED, 4, by_ms=0)
    yard.wait(400)
    yard.only(Verdict.DISAGREED)
    yard.wait(700)
    yard.agree()


@pytest.mark.parametrize("seed", range(6))
def test_any_life_of_a_zone_is_one_history(yard: Yard, seed: int) -> None:
    dice = Random(seed)
    for _ in range(60):
        verdict = dice.choice([Verdict.COUNTED, *Verdict])
        late(yard, verdict, dice.randrange(5), by_ms=dice.choice([0, 0, 300, 4000]))
        match dice.randrange(8):
            case 0:
                yard.keeper.seal()
            case 1:
                yard.box.die()
                yard.start()
            case _:
                yard.wait(dice.choice([1, 3, 20, 120]))
    yard.keeper.seal()
    yard.agree()
