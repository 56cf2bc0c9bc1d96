from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.points import Protocol, Register, registers_of
from edge_agent.config.profiles import Limits, Profile, known_profiles, load_profile
from edge_agent.drivers.modbus_plan import Block, Plan
from edge_agent.drivers.modbus_values import Decoder, decoder_of
from edge_agent.installing.identifying.plausible import Rank, Trial, rank, ranked, tied
from tests.world.meter_memory import Load, Memory, Phase, memory_of, seen_by

ALL = [load_profile(file) for file in known_profiles(None).values()]
MODBUS = [profile for profile in ALL if profile.protocol is Protocol.MODBUS]
METERS = [profile for profile in MODBUS if any(point.unit in {"V", "W"} for point in profile.points)]
BY_ID = {profile.id: profile for profile in MODBUS}
APART_S = 2.0


def trial(profile: Profile, before: Memory, after: Memory, *, zeros: bool = False) -> Trial:
    """What a device with that memory says to the profile's questions; it refuses registers that it does not have."""
    functions = {function for function, _ in before}
    refused = frozenset(
        point.name
        for point in registers_of(profile.points)
        if point.function not in functions
        or (not zeros and any((point.function, at) not in before for at in range(point.address, point.end)))
    )
    first, second = (tuple(_values(profile, memory, refused)) for memory in (before, after))
    return Trial(profile=profile, first=first, second=second, apart_ms=round(APART_S * 1000), refused=refused)


def _values(profile: Profile, memory: Memory, refused: frozenset[str]) -> list[int | None]:
    found: list[int | None] = []
    for point in registers_of(profile.points):
        words = [memory.get((point.function, at), 0) for at in range(point.address, point.end)]
        octets = b"".join(word.to_bytes(2, "big") for word in words)
        if point.function.is_bits:
            octets = bytes((words[0] & 1,))
        found += [None] if point.name in refused else decoder(point)(octets)
    return found


@cache
def decoder(point: Register) -> Decoder:
    block = Block(function=point.function, address=point.address, count=point.type.registers, points=(0,))
    return decoder_of(Plan(points=(point,), limits=Limits(), blocks=(block,)), block)


def ranks_for(profile: Profile, load: Load, *, zeros: bool = False) -> tuple[Rank, ...]:
    load = seen_by(profile, load)
    before, after = memory_of(profile, load), memory_of(profile, load.after(APART_S))
    return ranked(trial(each, before, after, zeros=zeros) for each in MODBUS)


phases = st.builds(
    Phase,
    volts=st.floats(198, 242),
    amps=st.one_of(st.just(0.0), st.floats(0.05, 60)),
    power_factor=st.floats(0.1, 1.0),
)
loads = st.builds(
    Load,
    phases=st.one_of(st.tuples(phases), st.tuples(phases, phases, phases)),
    energy_wh=st.floats(0, 5e8).map(lambda energy: round(energy, -1)),
    hertz=st.floats(49.6, 50.4),
)


@pytest.mark.parametrize("profile", METERS, ids=lambda profile: profile.id)
@pytest.mark.parametrize("zeros", [False, True], ids=["refuses what it lacks", "reads zeros where it lacks"])
def test_the_right_profile_is_first_or_tied_under_any_load(profile: Profile, zeros: bool) -> None:  # noqa: FBT001
    @settings(max_examples=60, deadline=None)
    @given(loads)
    def holds(load: Load) -> None:
        ranks = ranks_for(profile, load, zeros=zeros)
        best = [each.profile.id for each in tied(ranks)]
        assert profile.id in best, [(each.profile.id, each.score, each.reasons) for each in ranks[:3]]

    holds()


LOAD = Load(
    phases=(
        Phase(volts=229.6, amps=11.8, power_factor=0.86),
        Phase(volts=231.0, amps=12.0, power_factor=0.85),
        Phase(volts=230.2, amps=11.9, power_factor=0.87),
    ),
    energy_wh=123_456_780.0,
)


def test_twins_are_tied_and_the_one_that_reads_more_is_first() -> None:
    ranks = ranks_for(BY_ID["eastron_sdm630"], LOAD)
    assert [each.profile.id for each in tied(ranks)][:2] == ["eastron_sdm630", "eastron_sdm72"]
    ranks = ranks_for(BY_ID["eastron_sdm72"], LOAD)
    assert [each.profile.id for each in tied(ranks)] == ["eastron_sdm72"]


def test_a_three_phase_meter_is_told_from_every_other_with_reasons() -> None:
    first, *others = ranks_for(BY_ID["chint_dtsu666"], LOAD)
    assert first.profile.id == "chint_dtsu666"
    assert first.fits
    assert [reason.says for reason in first.reasons] == [
        "frequency 50 Hz",
        "3 voltages: 229.6, 231, 230.2 V",
        "active_power 7069.4 W of 8221 VA that U * I makes",
        "power factor 0.87",
        "the phases add up to the total power",
        "energies within reason",
    ]
    assert not any(each.fits for each in others)


def test_values_in_the_wrong_word_order_speak_against_a_profile() -> None:
    memory = memory_of(BY_ID["eastron_sdm630"], LOAD)
    swapped = {(function, address): memory.get((function, address ^ 1), 0) for function, address in memory}
    assert not rank(trial(BY_ID["eastron_sdm630"], swapped, swapped)).fits


Said = dict[str, int | None]
SANE: Said = {
    "voltage": 2301,
    "current": 4000,
    "active_power": 8000,
    "power_factor": 900,
    "frequency": 5001,
    "energy_import": 70_000,
}
PZEM = replace(
    BY_ID["pzem_004t_v3"], points=tuple(point for point in BY_ID["pzem_004t_v3"].points if point.name in SANE)
)


def of(changed: Said | None = None, *, before: Said | None = None, apart_ms: int = 10_000) -> Rank:
    """A meter that says sane things but for what is given."""
    now = SANE | (changed or {})
    earlier = now | (before or {})
    first, second = (tuple(values[point.name] for point in PZEM.points) for values in (earlier, now))
    return rank(Trial(profile=PZEM, first=first, second=second, apart_ms=apart_ms))


@pytest.mark.parametrize(
    ("changed", "against"),
    [
        ({"frequency": 310}, "frequency 3.1 Hz, where the grid has 49.5 to 50.5"),
        ({"voltage": 12_403}, "voltage 1240.3 V, where a phase has 180 to 260"),
        ({"voltage": 0, "active_power": 0}, "no voltage on any phase"),
        ({"active_power": 90_000}, "active_power 9000 W, where U * I is 920.4 VA"),
        ({"power_factor": 12_000}, "power_factor 12, where 1 is the most"),
        ({"current": 20_000_000}, "current 20000 A"),
        ({"energy_import": -5}, "energy_import -5 Wh"),
        ({"energy_import": None}, "no value: energy_import"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_meter_would_say_speaks_against_the_profile(changed: Said, against: str) -> None:
    assert of().fits
    found = of(changed)
    assert against in [reason.says for reason in found.reasons if reason.weight < 0]
    assert found.score < of().score


def test_energy_that_rises_with_the_power_speaks_for_a_profile_and_any_other_move_against_it() -> None:
    made = 800 * 3_600 // 3_600
    assert of(before={"energy_import": 70_000 - made}, apart_ms=3_600_000).score == of().score + 2
    fell = of(before={"energy_import": 70_001})
    assert "energy_import fell from 70001 to 70000 Wh" in [reason.says for reason in fell.reasons]
    leapt = of(before={"energy_import": 60_000})
    assert "energy_import rose 10000 Wh, where 800 W make 2.22" in [reason.says for reason in leapt.reasons]
    assert not fell.fits
    assert not leapt.fits


def test_a_voltage_of_a_transformer_or_between_phases_speaks_neither_for_nor_against() -> None:
    for tenths in (577, 1000, 4000):
        reasons = of({"voltage": tenths, "active_power": 0, "current": 0}).reasons
        assert not any("V" in reason.says for reason in reasons)


def test_a_device_that_refuses_everything_fits_no_profile() -> None:
    nothing = tuple(None for _ in PZEM.points)
    refused = frozenset(point.name for point in PZEM.points)
    found = rank(Trial(profile=PZEM, first=nothing, second=nothing, apart_ms=1, refused=refused))
    assert not found.fits
    assert tied([found]) == ()
    assert found.score == -2 * len(PZEM.points)


values = st.one_of(st.none(), st.integers(-(1 << 53), 1 << 53))


@settings(max_examples=50)
@given(st.sampled_from(ALL), st.data())
def test_whatever_a_device_says_the_ranks_are_in_order_and_hold_every_profile(
    profile: Profile, data: st.DataObject
) -> None:
    trials = []
    for each in (profile, *MODBUS[:2]):
        both = [tuple(data.draw(st.lists(values, min_size=len(each.points), max_size=len(each.points)))) for _ in "ab"]
        trials.append(Trial(profile=each, first=both[0], second=both[1], apart_ms=data.draw(st.integers(0, 10**9))))
    ranks = ranked(trials)
    assert sorted(each.profile.id for each in ranks) == sorted(each.profile.id for each in trials)
    assert all((not left.fits, -left.score) <= (not right.fits, -right.score) for left, right in pairwise(ranks))
    assert all(each.fits for each in tied(ranks))
