import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.load import load
from edge_agent.config.schema import ConfigurationError
from edge_agent.config.write import BoxFile, lines_of

TEXT = """\
# who we are
[box]
id = "box-1"          # as commissioned
enterprise = "恒力纺织"
site = "盛泽"
signing_key = "credential:signing.key"

# the line along the north wall
[[bus]]
name = "hall"
kind = "modbus-rtu"
device = "/dev/ttyUSB0"

[[machine]]
name = "loom-1"       # the first
title = "1 号织机"
bus = "hall"
unit = 1
profile = "eastron_sdm72"

[machine.run_state]
running_above_w = 1500
idle_above_w = 100    # measured in May

[[bus]]
name = "gateway"
kind = "modbus-tcp"
host = "10.0.0.7"

# the old one by the door
[[machine]]
name = "loom-2"
title = "2 号织机"
bus = "gateway"
profile = "eastron_sdm72"
points = [
    "active_power",   # no energy there
]

# not wired yet
"""


def written(tmp_path: Path, text: str = TEXT) -> Path:
    file = tmp_path / "box.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_changed_key_changes_its_own_line_and_no_other(tmp_path: Path) -> None:
    box = BoxFile(written(tmp_path))
    box.change("machine", "loom-1", {"profile": "eastron_sdm630", "run_state": {"idle_above_w": Decimal("99.5")}})
    differing = [
        (before, after)
        for before, after in zip(TEXT.splitlines(), box.text.splitlines(), strict=True)
        if before != after
    ]
    assert differing == [
        ('profile = "eastron_sdm72"', 'profile = "eastron_sdm630"'),
        ("idle_above_w = 100    # measured in May", "idle_above_w = 99.5    # measured in May"),
    ]


def test_new_keys_and_tables_go_to_the_end_of_their_section_and_every_other_line_stays(tmp_path: Path) -> None:
    box = BoxFile(written(tmp_path))
    box.change("machine", "loom-1", {"unit": None, "meter_number": "202401150007"})
    box.change("machine", "loom-2", {"run_state": {"running_above_w": 900, "idle_above_w": 50}})
    box.add("machine", {"name": "loom-3", "title": '3 "号"', "bus": "hall", "unit": 3, "profile": "eastron_sdm72"})
    lines = box.text.splitlines()
    assert [line for line in TEXT.splitlines() if line not in lines] == ["unit = 1"]
    assert lines.index('meter_number = "202401150007"') < lines.index("[machine.run_state]")
    means = tomllib.loads(box.text)["machine"]
    assert [machine.get("run_state") for machine in means] == [
        {"running_above_w": 1500, "idle_above_w": 100},
        {"running_above_w": 900, "idle_above_w": 50},
        None,
    ]
    assert means[2]["title"] == '3 "号"'


def test_nothing_is_on_the_disk_before_it_is_saved_and_what_is_saved_keeps_its_mode(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.chmod(0o640)
    box = BoxFile(file)
    box.change("machine", "loom-1", {"title": "new"})
    assert file.read_text(encoding="utf-8") == TEXT
    box.save()
    assert load(file, credentials=tmp_path).machines[0].title == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_would_be_complained_of_is_not_saved_and_the_complaint_names_the_real_file(tmp_path: Path) -> None:
    file = written(tmp_path)
    box = BoxFile(file)
    box.change("machine", "loom-1", {"profile": "eastron_sdm999"})
    with pytest.raises(ConfigurationError) as wrong:
        box.save()
    assert wrong.value.file == file
    assert file.read_text(encoding="utf-8") == TEXT
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("text", ["[box\n", "\x80", None], ids=["no TOML", "no UTF-8", "no file"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "box.toml"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"box\.toml"):
        BoxFile(file)


def test_what_cannot_be_changed_without_harm_is_left_to_a_person(tmp_path: Path) -> None:
    text = 'machine = [{ name = "a", unit = 1 }]\nnote = """\n[[machine]]\n"""\n'
    file = written(tmp_path, text)
    box = BoxFile(file)
    with pytest.raises(ConfigurationError, match="your own hand"):
        box.change("machine", "a", {"unit": 2})
    with pytest.raises(ConfigurationError, match="your own hand"):
        box.add("machine", {"name": "b"})
    assert box.text == text
    with pytest.raises(KeyError):
        box.change("machine", "nobody", {"unit": 2})


def test_lines_to_be_pasted_are_one_section() -> None:
    said = lines_of("bus", {"name": "hall", "kind": "modbus-rtu", "baud": 9600, "run": {"above_w": Decimal("0.5")}})
    assert said == '[[bus]]\nname = "hall"\nkind = "modbus-rtu"\nbaud = 9600\n\n[bus.run]\nabove_w = 0.5\n'


names = st.text("abcxyz", min_size=1, max_size=3)
fillers = st.lists(st.sampled_from(["", "# a note", "   # [[machine]] was here", "\t"]), max_size=3)


@given(
    sections=st.lists(st.tuples(st.sampled_from(["bus", "machine"]), fillers, fillers), min_size=1, max_size=6),
    changes=st.dictionaries(names, st.one_of(st.text(max_size=8), st.integers(0, 9), st.booleans()), max_size=3),
    which=st.integers(0, 5),
)
def test_whatever_is_changed_nothing_else_is(
    tmp_path_factory: pytest.TempPathFactory,
    sections: list[tuple[str, list[str], list[str]]],
    changes: dict[str, str | int | bool],
    which: int,
) -> None:
    lines = []
    for at, (section, before, after) in enumerate(sections):
        lines += [*before, f"[[{section}]]", f'name = "n{at}"', *after, "kept = 1 # as it was"]
    file = written(tmp_path_factory.mktemp("box"), "\n".join(lines))
    which %= len(sections)
    box = BoxFile(file)
    box.change(sections[which][0], f"n{which}", changes)
    rest = iter(box.text.splitlines())
    assert all(line in rest for line in lines), "a line is gone or moved"
    means = tomllib.loads(box.text)
    table = next(table for table in means[sections[which][0]] if table["name"] == f"n{which}")
    assert table == {"name": f"n{which}", "kept": 1} | changes
