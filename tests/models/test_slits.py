"""Simulated slit-scans: the truth is where the picture shows it, arms never count, and the box reads what is taught."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))

from slits import evaluate, paths, sprites, traffic  # noqa: E402  scripts, not an installed package
from slits.canvas import LINES, TIME, Canvas  # noqa: E402
from slits.dice import Dice  # noqa: E402
from slits.lessons import changed, is_crowd, targets  # noqa: E402
from slits.simulate import SCENES, SlitSample, simulate  # noqa: E402
from slits.stage import Stage  # noqa: E402

from edge_agent.eye.litert import Model, listed  # noqa: E402
from edge_agent.eye.slit_counter import CENTRE, COLUMNS, SAMPLES  # noqa: E402
from edge_agent.eye.slit_passes import Pass, passes  # noqa: E402

GATE, DIAGONAL = 200.0, 500.0
MIDDLE = np.full(COLUMNS, GATE / 2)


def stage(seed: int = 1) -> Stage:
    """A black floor, a camera that stands still and shows every moment."""
    return Stage(
        dice=Dice(seed),
        real=None,
        canvas=Canvas.blank(gate_px=GATE, diagonal_px=DIAGONAL, shake=np.zeros((2, COLUMNS), np.float32)),
        gate_px=GATE,
        diagonal_px=DIAGONAL,
        item_px=40,
        aspect=1,
        speed_px=2,
        shutter=0.3,
        shown=np.arange(COLUMNS),
    )


def plain(width: float = 40, height: float = 40, *, angle: float = 0.0) -> sprites.Sprite:
    """A white rectangle."""
    rim = ((sprites.RIM, sprites.RIM), (sprites.RIM, sprites.RIM), (0, 0))
    white = np.pad(np.dstack([np.full((20, 20, 3), 255.0), np.ones((20, 20))]), rim).astype(np.float32)
    return sprites.Sprite(texels=white, width=width, height=height, angle=angle)


def test_a_seed_is_a_scan() -> None:
    first, again, other = simulate(5), simulate(5), simulate(6)
    assert np.array_equal(first.lines, again.lines)
    assert first.passes == again.passes
    assert not np.array_equal(first.lines, other.lines)
    assert first.scan().shape == (SAMPLES, COLUMNS, 13)
    assert first.scan().dtype == np.uint8


@pytest.mark.parametrize("way", [1, -1])
def test_what_crosses_once_is_one_pass_where_the_picture_shows_it(way: int) -> None:
    here = stage()
    here.put(plain(), way * (TIME - 100.5) * 2.0, MIDDLE)
    (one,) = here.passes
    assert one.column == pytest.approx(100.5)
    assert one.inward == (way > 0)
    assert one.columns == pytest.approx(20, rel=0.01)
    assert one.along == pytest.approx(SAMPLES / 2)
    lit = here.canvas.pixels[:, CENTRE].mean(axis=-1) > 128
    assert np.nonzero(lit.any(axis=1))[0].mean() == pytest.approx(one.column, abs=0.6)
    assert np.nonzero(lit.any(axis=0))[0].mean() + 0.5 == pytest.approx(one.along, abs=0.6)
    assert lit.any(axis=1).sum() == pytest.approx(one.columns, abs=1.5)
    assert lit.any(axis=0).sum() == pytest.approx(one.samples, abs=1.5)


@pytest.mark.parametrize(("turn", "count"), [(-15.0, 0), (5.0, 0), (40.0, 2)])
def test_there_and_back_counts_twice_or_not_at_all(turn: float, count: int) -> None:
    here = stage()
    here.put(plain(), turn - np.abs(TIME - 120) * 1.5, MIDDLE)
    assert [one.inward for one in here.passes] == [1.0, 0.0][:count]


def test_jitter_on_the_line_never_counts() -> None:
    here = stage()
    here.put(plain(), np.sin(TIME) * 9.0, MIDDLE)
    assert not here.passes


def test_what_passes_beside_the_gate_does_not_count() -> None:
    here = stage()
    here.put(plain(), (TIME - 100) * 2.0, np.full(COLUMNS, GATE * 1.05))
    assert not here.passes


def test_an_arm_never_counts() -> None:
    here = stage()
    here.carry(sprites.blob(here.dice, 300, 30, None), (TIME - 100) * 3.0, MIDDLE)
    assert not here.passes
    assert here.canvas.pixels.any()


def test_hands_bring_take_or_carry_back_and_no_more() -> None:
    for seed in range(12):
        here = stage(seed)
        traffic.hands(here)
        assert len(here.passes) <= 2 * 3
        assert all(one.person == 0 for one in here.passes)


def test_a_turned_item_is_as_wide_as_the_box_around_it() -> None:
    here = stage()
    here.put(plain(60, 20, angle=np.pi / 2), (TIME - 100) * 2.0, MIDDLE)
    (one,) = here.passes
    assert one.columns == pytest.approx(10, rel=0.01)
    assert one.samples == pytest.approx(60 / GATE * SAMPLES / 1.3, rel=0.01)


def test_a_slow_camera_is_asked_for_what_it_shows() -> None:
    here = replace(stage(), shown=np.arange(COLUMNS) // 8 * 8)
    here.put(plain(), (TIME - 101) * 2.0, MIDDLE)
    assert 103 <= here.passes[0].column <= 104  # the first column that shows it beyond the line is 104


def test_what_was_over_before_a_clip_began_is_not_asked_for() -> None:
    here = replace(stage(), shown=np.maximum(np.arange(COLUMNS), 60))
    here.put(plain(), (TIME - 50) * 2.0, MIDDLE)
    here.put(plain(), (TIME - 150) * 2.0, MIDDLE)
    assert [round(one.column) for one in here.passes] == [150]


def test_every_kind_of_scene_occurs_and_nothing_crosses_an_empty_one() -> None:
    assert {simulate(seed).scene for seed in range(60)} == set(SCENES)
    assert not simulate(3, scene="empty").passes
    people = [one for seed in range(12) for one in simulate(seed, scene="people").passes]
    assert any(one.person == 1 for one in people)


def test_a_crossing_is_told_when_it_is_a_quarter_beyond() -> None:
    path = np.concatenate([np.linspace(-20, 9, 50), np.linspace(9, -3, 20), np.linspace(-3, 30, 50)])
    (one,) = paths.crossings(path, np.zeros(120), np.full(120, 40.0))
    assert one.inward
    assert 70 < one.column < 76  # the last time on the line before it went


def test_whatever_is_changed_the_truth_stays_on_the_item() -> None:
    here = stage()
    here.put(plain(), (TIME - 100) * 2.0, np.full(COLUMNS, GATE * 0.3))
    levels = here.canvas.pixels.clip(0, 255).astype(np.uint8)
    sample = SlitSample(lines=levels, inside=np.ones(LINES, dtype=bool), passes=tuple(here.passes), scene="loose")
    for seed in range(40):
        other = changed(Dice(seed), sample)
        for one in other.passes:
            spot = other.lines[round(one.column), CENTRE, int(one.along)].astype(int)
            empty = other.lines[round(one.column), CENTRE, 2].astype(int)
            assert (spot - empty).min() > 60
            early = round(one.column) - round(one.columns * 0.6)
            if early >= 0:
                outer = other.lines[early, :CENTRE, int(one.along)].astype(int).mean()
                inner = other.lines[early, CENTRE + 1 :, int(one.along)].astype(int).mean()
                assert (outer > inner) == (one.inward > 0.5)  # it comes from the other side


def test_the_box_reads_what_the_model_is_taught() -> None:
    read = taught = 0
    for seed in range(40):
        sample = simulate(seed, scene="loose")
        crossings, truth, _ = targets(sample.passes)
        chance = crossings[0].clip(1e-3, 1 - 1e-3)
        logits = np.stack([np.log(chance / (1 - chance)), 8 * truth[0] - 4, 8 * truth[3] - 4], axis=-1)
        found = passes(logits, truth[1:3].transpose(1, 2, 0), least=0.9)
        score = evaluate.Score()
        score.add(sample.passes, found)
        read, taught = read + score.right, taught + score.true
        assert score.told <= score.true
    assert taught > 40
    assert read / taught > 0.9  # two that overlap are one peak


def test_a_crowd_of_specks_is_no_lesson() -> None:
    speck = Pass(column=1, along=1, inward=1, score=1, columns=2, samples=9, person=0)
    assert is_crowd([speck] * 20)
    assert not is_crowd([speck] * 5)
    assert not is_crowd([replace(speck, columns=9)] * 20)


@pytest.fixture(scope="module")
def model() -> Model:
    """The model that is shipped."""
    return Model(listed("slit"))


def test_the_shipped_model_takes_a_scan_and_tells_nothing_of_darkness(model: Model) -> None:
    assert model.input_size == (COLUMNS, SAMPLES)
    assert model.classes == ("crossing", "inward", "person")
    for level in (0, 255):
        logits, sizes = model.maps(np.full((SAMPLES, COLUMNS, 13), level, np.uint8))
        assert not passes(logits, sizes, least=model.listed.least_score)


def test_the_shipped_model_finds_most_of_what_crosses_alone(model: Model) -> None:
    samples = [simulate(evaluate.FIRST_SEED + seed, scene="loose") for seed in range(20)]
    (found,) = evaluate.scores(model, samples, least=model.listed.least_score).values()
    assert found.precision > 0.6
    assert found.recall > 0.4
