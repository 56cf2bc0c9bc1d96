import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.plc import PLCS, RegisterError, place_of
from edge_agent.config.profiles import Function

OFFSETS = Path(__file__).parents[3] / "shared" / "profiles" / "plc_offsets.yaml"


@pytest.mark.parametrize(
    ("plc", "register", "function", "address"),
    [
        ("delta_dvp", "D100", 3, 0x1064),
        ("delta_dvp", "D4095", 3, 0x1FFF),
        ("delta_dvp", "D4096", 3, 0x9000),
        ("delta_dvp", "M0", 1, 0x0800),
        ("delta_dvp", "M1536", 1, 0xB000),
        ("delta_dvp", "X17", 2, 0x040F),
        ("delta_dvp", "Y20", 1, 0x0510),
        ("inovance_h3u", "X10", 1, 0xF808),
        ("inovance_h3u", "R5", 3, 0x3005),
        ("inovance_h3u", "SM0", 1, 0x2400),
        ("xinje_xc", "D8000", 3, 0x4000),
        ("xinje_xd", "HD0", 3, 0xA080),
        ("mitsubishi_fx5u", "Y10", 1, 8),
        ("siemens_s7_200_smart", "I1.2", 2, 10),
        ("siemens_s7_200_smart", "Q31.7", 1, 255),
        ("siemens_s7_200_smart", "AIW110", 4, 55),
        ("siemens_s7_200_smart", "VW100", 3, 50),
        ("siemens_s7_200_smart", "VD100", 3, 50),
        ("haiwell_like", "X10", 2, 10),
    ],
)
def test_a_register_lies_where_its_maker_says(plc: str, register: str, function: int, address: int) -> None:
    assert place_of(PLCS[plc], register) == (Function(function), address)


@pytest.mark.parametrize(
    ("plc", "register", "has"),
    [
        ("delta_dvp", "D10000", "D0 to D4095, or D4096 to D9999"),
        ("delta_dvp", "X18", "X0 to X377"),
        ("delta_dvp", "X400", "X0 to X377"),
        ("delta_dvp", "D1.0", "D0 to D4095"),
        ("delta_dvp", "W1", "D10"),
        ("delta_dvp", "d100", "D10"),
        ("delta_dvp", "D", "D10"),
        ("siemens_s7_200_smart", "I1", "I0.0 to I31.7"),
        ("siemens_s7_200_smart", "I1.8", "I1.2"),
        ("siemens_s7_200_smart", "VW101", "VW0 to VW19998"),
    ],
)
def test_a_register_that_is_not_there_is_told_with_what_is(plc: str, register: str, has: str) -> None:
    with pytest.raises(RegisterError, match=re.escape(has)):
        place_of(PLCS[plc], register)


@pytest.mark.parametrize("plc", PLCS)
def test_no_two_registers_share_a_place_and_every_one_can_be_asked_for(plc: str) -> None:
    places = [
        range(area.base, area.base + area.last - area.first + 1)
        for function in Function
        for area in PLCS[plc].areas
        if area.function is function
    ]
    functions = [area.function for function in Function for area in PLCS[plc].areas if area.function is function]
    for at, one in enumerate(places):
        assert one.stop <= 0x10000
        for other, function in zip(places[at + 1 :], functions[at + 1 :], strict=True):
            assert function is not functions[at] or one.stop <= other.start or other.stop <= one.start
    assert all(area.last >= area.first for area in PLCS[plc].areas)
    assert PLCS[plc].source


@given(plc=st.sampled_from(sorted(PLCS)), register=st.text(max_size=8) | st.from_regex(r"[A-Z]{1,3}\d{1,5}(\.\d)?"))
def test_any_text_is_a_place_or_a_register_error(plc: str, register: str) -> None:
    try:
        function, address = place_of(PLCS[plc], register)
    except RegisterError:
        return
    assert function in Function
    assert 0 <= address <= 0xFFFF


def test_the_offsets_are_those_that_were_collected() -> None:
    if not OFFSETS.exists():
        pytest.skip("no ../shared/profiles beside this clone")
    seen = 0
    for part in OFFSETS.read_text(encoding="utf-8").split("- id: ")[1:]:
        name, checked = part.split("\n")[0], "checked: true" in part
        plc = PLCS[name]
        assert plc.checked or not checked
        for letters, function, base in re.findall(r"([A-Z]+): \{fc: (\d), base: (\w+)", part):
            areas = [area for area in plc.areas if letters in area.names and area.first == 0]
            assert [(area.function, area.base) for area in areas] == [(int(function), int(base, 0))], (name, letters)
            seen += 1
    assert seen > 20
