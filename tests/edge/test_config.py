import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.clock import CatchUp
from edge_agent.config import judging_keys, sections
from edge_agent.config.box import BOX
from edge_agent.config.load import (
    Camera,
    Config,
    ConfigurationError,
    Keep,
    Machine,
    Pace,
    Parity,
    load,
)
from edge_agent.config.schema import REQUIRED, Key
from edge_agent.config.sections import Identity, SerialPort, TcpPort
from edge_agent.config.settings import settings_of
from evidence import cbor
from evidence.bodies import SETTINGS_LIMIT, Configuration
from evidence.judging.judge import Threshold

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"
TEXT = DOCS.read_text(encoding="utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
assert EXAMPLE
GOOD = EXAMPLE[1].replace('"credential:tls.key"', '"./tls.key"')


def loaded(tmp_path: Path, text: str, credentials: Path | None = None) -> Config:
    file = tmp_path / "box.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, credentials=credentials)


def complaints(tmp_path: Path, text: str) -> dict[str, tuple[str, str]]:
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, text)
    assert all(complaint.file == tmp_path / "box.toml" for complaint in wrong.value.complaints)
    return {complaint.key: (complaint.found, complaint.wanted) for complaint in wrong.value.complaints}


def changed(was: str, becomes: str) -> str:
    assert GOOD.count(was) >= 1, was
    return GOOD.replace(was, becomes, 1)


def test_the_documented_example_is_read_completely(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD)
    assert config.box.enterprise == "苏州轮胎厂"
    assert (config.box.seal_every_ms, config.box.commit_every_ms) == (300_000, 1_000)
    assert (config.box.disk_quota_bytes, config.box.keep) == (512_000_000, Keep.MINUTE)
    assert config.uplink
    assert (config.uplink.port, config.uplink.keepalive_s) == (8883, 20)
    assert config.uplink.key == tmp_path / "tls.key"
    line, gateway = config.buses
    assert isinstance(line.port, SerialPort)
    assert (line.port.parity, line.port.stopbits, line.timeout_ms, line.period_ms) == (Parity.NONE, 1, 300, 1_000)
    assert isinstance(gateway.port, TcpPort)
    assert (gateway.port.port, gateway.timeout_ms) == (502, 1_000)
    press, main = config.machines
    assert press.stream == "machine/press-1"
    assert len(press.points) == 30
    assert press.run_state == Threshold(
        running_above_mw=3_000_000, idle_above_mw=300_000, hysteresis_mw=50_000, dwell_ms=10_000, hold_ms=2_000
    )
    assert (main.stream, main.period_ms, main.keep, main.run_state) == ("meter/main", 10_000, Keep.EVERY, None)
    assert [point.name for point in main.points] == ["active_power", "energy_import"]
    (dock,) = config.cameras
    assert (dock.stream, dock.gate_px, dock.in_normal_milli) == ("gate/dock", (0, 180, 640, 180), (0, -1000))
    assert (dock.pace, dock.item_px, config.clock) == (Pace.LIVE, None, None)
    assert config.machines_on(line) == (press,)


@pytest.mark.parametrize(
    ("was", "becomes", "key", "found", "wanted"),
    [
        ('id = "box-7"', 'id = "Box 7"', "box.id", '"Box 7"', "a name of a to z, 0 to 9 and -, at most 40 long"),
        ('id = "box-7"', "id = 7", "box.id", "7", "a name of a to z, 0 to 9 and -, at most 40 long"),
        ('site = "2号车间"', "", "box.site", "missing", "text of at most 200 bytes on one line"),
        ("[uplink]", "seal_evry_s = 5\n[uplink]", "box.seal_evry_s", "no known key", '"seal_every_s"'),
        ("[uplink]", "seal_every_s = 0\n[uplink]", "box.seal_every_s", "0", "a number of seconds from 1 to 3600"),
        ("[uplink]", "seal_every_s = true\n[uplink]", "box.seal_every_s", "true", "a number of seconds from 1 to 3600"),
        ("[uplink]", "seal_every_s = nan\n[uplink]", "box.seal_every_s", "NaN", "a number of seconds from 1 to 3600"),
        (
            "[uplink]",
            "commit_every_s = 0.1234\n[uplink]",
            "box.commit_every_s",
            "0.1234, finer than a thousandth",
            "a number of seconds from 0.05 to 60",
        ),
        (
            "[uplink]",
            'keep = "minutes"\n[uplink]',
            "box.keep",
            '"minutes" (closest: "minute")',
            'one of "minute", "every"',
        ),
        ("[uplink]", "keepalive_s = 31\n[uplink]", "box.keepalive_s", "no known key", "one of id, enterprise"),
        ('cert = "/etc/qianliyan/box.pem"', "keepalive_s = 31", "uplink.cert", "missing", 'a path with a "/" in it'),
        ("baud = 9600", "baud = 9601", "bus[hall].baud", "9601", "one of 1200, 2400"),
        ("baud = 9600", 'host = "a"', "bus[hall].device", "both", "a device of this box, or host"),
        ('"modbus-rtu"', '"modbus-rtx"', "bus[hall].kind", '"modbus-rtx" (closest: "modbus-rtu")', "one of"),
        ('kind = "modbus-rtu"', "", "bus[hall].kind", "missing", 'one of "modbus-tcp", "modbus-rtu"'),
        ('bus = "hall"', 'bus = "hal"', "machine[press-1].bus", '"hal" (closest: "hall")', "the name of a [[bus]]"),
        ("unit = 1", "unit = 248", "machine[press-1].unit", "248", "1 to 247 on a serial line"),
        (
            '"eastron_sdm630"',
            '"estron_sdm630"',
            "machine[press-1].profile",
            '"estron_sdm630" (closest: "eastron_sdm630")',
            "one of acrel_adw300",
        ),
        (
            '["active_power"',
            '["activ_power"',
            "machine[main].points",
            '"activ_power" (closest: "active_power")',
            "points of the profile schneider_iem3000",
        ),
        ('["active_power", "energy_import"]', "[]", "machine[main].points", "[]", "a list of 1 to 128"),
        (
            "running_above_w = 3000",
            'running_above_w = "3 kW"',
            "machine[press-1].run_state.running_above_w",
            '"3 kW"',
            "a number of watts",
        ),
        (
            "running_above_w = 3000",
            "running_above_kw = 3",
            "machine[press-1].run_state.running_above_kw",
            "no known key",
            '"running_above_w"',
        ),
        (
            "idle_above_w = 300",
            "idle_above_w = 3001",
            "machine[press-1].run_state.idle_above_w",
            "3001",
            "at most running_above_w",
        ),
        (
            "hysteresis_w = 50",
            "hysteresis_w = 300",
            "machine[press-1].run_state.hysteresis_w",
            "300",
            "less than idle_above_w",
        ),
        (
            "dwell_s = 10",
            "hold_s = 0.5",
            "machine[press-1].run_state.hold_s",
            "500 ms",
            "more than the period of 1000 ms",
        ),
        (
            "dwell_s = 10",
            'point = "energy_import"',
            "machine[press-1].run_state.point",
            '"energy_import" in Wh',
            "a point in W",
        ),
        (
            "dwell_s = 10",
            'point = "power"',
            "machine[press-1].run_state.point",
            '"power"',
            "a point that is asked of this machine",
        ),
        ('name = "main"', 'name = "press-1"', "machine name", "press-1 2 times", "each one once"),
        (
            'stream_kind = "meter"\nbus = "gateway"\nunit = 3',
            'bus = "hall"\nunit = 1',
            "machine bus and unit",
            "hall, machines, unit 1 2 times",
            "each one once",
        ),
        ('name = "gateway"', 'name = "hall"', "bus name", "hall 2 times", "each one once"),
        (
            "gate = [0, 180, 640, 180]",
            "gate = [0, 180, 640]",
            "camera[dock].gate",
            "[0, 180, 640]",
            "a list of 4, each",
        ),
        (
            "gate = [0, 180, 640, 180]",
            "gate = [5, 5, 5, 5]",
            "camera[dock].gate",
            "[5, 5, 5, 5]",
            "a line with two ends",
        ),
        (
            "in_normal = [0, -1]",
            "in_normal = [1, 0]",
            "camera[dock].in_normal",
            "along the gate",
            "a direction across it",
        ),
        (
            'signing_key = "/etc/qianliyan/signing.key"',
            'signing_key = "c2VjcmV0c2VjcmV0"',
            "box.signing_key",
            "a text of 16 characters that is no path",
            "a path",
        ),
        (
            '"./tls.key"',
            '"credential:tls.key"',
            "uplink.key",
            '"credential:tls.key" without $CREDENTIALS_DIRECTORY',
            "a path",
        ),
        ("[uplink]", "[uplnk]", "uplnk", "no known key", '"uplink"'),
        ("[box]", "[bocks]", "box", "missing", "a table that begins with [box]"),
        ("[[camera]]", "[camera]", "camera", "a table", "tables that begin with [[camera]]"),
        ("[box]", "box = 1\n[bix]", "box", "1", "a table that begins with [box]"),
        ("unit = 3", "unit = = 3", "line 43, column 8", "not TOML", "TOML 1.0"),
    ],
)
def test_every_mistake_is_told_with_its_key_what_was_found_and_what_is_wanted(  # noqa: PLR0917  # a row of the table
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was: str, becomes: str, key: str, found: str, wanted: str
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    told = complaints(tmp_path, changed(was, becomes))
    assert key in told
    assert told[key][0].startswith(found)
    assert told[key][1].startswith(wanted)


def test_all_mistakes_are_told_at_once_in_whole_sentences(tmp_path: Path) -> None:
    text = GOOD.replace("[box]", "[box]\nspol = 1").replace("unit = 1", "unit = 999").replace("[[camera]]", "[[camra]]")
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, text)
    error = wrong.value
    assert [complaint.key for complaint in error.complaints] == ["camra", "box.spol", "machine[press-1].unit"]
    assert (error.file, error.key) == (tmp_path / "box.toml", "camra")
    assert str(error).splitlines()[1] == (
        f'In {tmp_path / "box.toml"}, box.spol is no known key, where "spool" is wanted.'
    )


def test_one_physical_line_belongs_to_one_bus(tmp_path: Path) -> None:
    twice = GOOD + '[[bus]]\nname = "b"\nkind = "modbus-tcp"\nhost = "192.168.1.40"\n'
    assert "bus host and port, device, chip or file" in complaints(tmp_path, twice)


def test_a_mistake_in_a_profile_is_told_with_the_profiles_own_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "eastron_sdm630.toml").write_text('id = "eastron_sdm630"', encoding="utf-8")
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, changed("[uplink]", 'profiles = "./mine"\n[uplink]'))
    assert {complaint.file.name for complaint in wrong.value.complaints} == {"eastron_sdm630.toml"}


def test_a_file_that_cannot_be_read_or_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unreadable"):
        load(tmp_path / "nothing.toml")
    (tmp_path / "box.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(tmp_path / "box.toml")


def test_a_credential_comes_from_systemds_folder(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD.replace("./tls.key", "credential:tls.key"), credentials=Path("/run/credentials/x"))
    assert config.uplink
    assert config.uplink.key == Path("/run/credentials/x/tls.key")


def test_a_clock_for_the_desk_is_three_numbers(tmp_path: Path) -> None:
    text = '[clock]\nkind = "catch-up"\nstarted_at_ms = 1700000000000\nback_s = 86400\nrate = 288\n'
    config = loaded(tmp_path, GOOD + text)
    assert config.clock == CatchUp(started_at_ms=1_700_000_000_000, back_ms=86_400_000, rate=288)
    assert loaded(tmp_path, GOOD + "[clock]\n").clock is None
    assert "clock.rate" in complaints(tmp_path, GOOD + text.replace("rate = 288", ""))
    assert "clock.rate" in complaints(tmp_path, GOOD + "[clock]\nrate = 2\n")
    assert "clock.kind" in complaints(tmp_path, GOOD + '[clock]\nkind = "catchup"\n')


@given(text=st.text(max_size=300))
def test_no_file_at_all_makes_it_fail_otherwise(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ConfigurationError):
        loaded(tmp_path_factory.mktemp("noise"), text)


VALUES = st.recursive(
    st.sampled_from(['"x"', "1", "-1", "1.5", "true", "inf", "1979-05-27", '"/a"', "12:30:00"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda members: "[" + ", ".join(members) + "]"),
    max_leaves=4,
)


@given(which=st.integers(0, 200), value=VALUES)
def test_any_value_anywhere_is_either_taken_or_complained_of(
    which: int, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = GOOD.splitlines()
    keyed = [number for number, line in enumerate(lines) if " = " in line]
    number = keyed[which % len(keyed)]
    lines[number] = lines[number].split(" = ")[0] + " = " + value
    with suppress(ConfigurationError):
        loaded(tmp_path_factory.mktemp("noise"), "\n".join(lines))


# What is signed


def plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(member) for key, member in value.items())
    return all(map(plain, value)) if isinstance(value, list) else type(value) in {int, str, bytes}


def test_settings_are_plain_and_a_bank_judges_by_them(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD.replace("rtsp://", "rtsp://user:secret@"))
    streams: list[Machine | Camera] = [*config.machines, *config.cameras]
    for settings in (settings_of(config.box), *map(settings_of, streams)):
        assert plain(settings)
        assert (
            Configuration.from_value({0: cbor.decode(cbor.encode(settings), at_most=SETTINGS_LIMIT)}).settings
            == settings
        )
        assert b"secret" not in cbor.encode(settings)
    press, main = map(settings_of, config.machines)
    assert Threshold.from_settings(press) == config.machines[0].run_state
    assert Threshold.from_settings(main) is None
    assert main["profile_sha256"] == config.machines[1].profile.sha256
    assert (main["period_ms"], main["keep"], main["unit"], main["bus"]["host"]) == (10_000, 0, 3, "192.168.1.40")
    assert main["points"][1]["name"] == "energy_import"
    assert (main["points"][1]["unit"], main["points"][1]["decimals"]) == ("Wh", 0)


def test_a_lowered_threshold_changes_what_is_signed(tmp_path: Path) -> None:
    before = settings_of(loaded(tmp_path, GOOD).machines[0])
    after = settings_of(loaded(tmp_path, changed("running_above_w = 3000", "running_above_w = 2999.999")).machines[0])
    assert {key for key in before if before[key] != after[key]} == {"running_above_mw"}


# The documentation


def documented(heading: str) -> dict[str, str]:
    """Each key's row in the table under a heading."""
    part = TEXT.split(f"{heading}\n")[1].split("\n#")[0]
    return {row.split("`")[1]: row for row in part.splitlines() if row.startswith("| `")}


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("## `[box]`", BOX),
        ("## `[uplink]`", sections.UPLINK),
        ("## `[[bus]]`", [key for keys in sections.BUS_KEYS.values() for key in keys]),
        (
            "## `[[machine]]`",
            (*sections.MACHINE, *sections.ADDRESSES.values(), *chain.from_iterable(sections.MACHINE_ALSO.values())),
        ),
        *((f"#### `{strategy}`", keys) for strategy, keys in judging_keys.RUN_STATE.items() if strategy != "pulses"),
        ("#### `pulses`", (*judging_keys.RUN_STATE["pulses"], *chain.from_iterable(judging_keys.SIGNALS.values()))),
        ("### `[[machine.limit]]`", judging_keys.LIMIT),
        ("### `[machine.signature]`", judging_keys.SIGNATURE),
        ("## `[[camera]]`", sections.CAMERA),
        ("## `[clock]`", sections.CATCH_UP),
    ],
)
def test_every_key_is_documented_with_its_range_and_default(heading: str, keys: Iterable[Key]) -> None:
    rows = documented(heading)
    keys = tuple(keys)
    assert rows.keys() == {key.name for key in keys}
    for key in keys:
        row = rows[key.name]
        for bound in re.findall(r"from (\S+) to (\S+)|\"([a-z-]+)\"(?!:)", key.kind.wanted.split(" with ")[0]):
            assert all(end in row for end in bound), (key.name, bound)
        if key.default is REQUIRED:
            assert "required" in row
        elif key.default is not None and key.default != []:
            assert str(key.default).lower() in row.lower(), key.name


# Identity


METERS = (
    '[[bus]]\nname = "yard"\nkind = "dlt645-2007"\ndevice = "/dev/ttyUSB7"\n'
    '[[machine]]\nname = "yard"\ntitle = "总表"\nstream_kind = "meter"\nbus = "yard"\naddress = "000000000001"\n'
    'profile = "dlt645_2007_meter"\nmeter_number = "000012345678"\n'
)


def test_a_pinned_number_is_signed_and_a_witness_is_read_once_a_day(tmp_path: Path) -> None:
    machine = loaded(tmp_path, GOOD + METERS + "clock_off_s = 60\n").machines[-1]
    assert machine.identity == Identity(meter_number="000012345678")
    assert machine.period_ms == 86_400_000
    settings = settings_of(machine)
    assert settings["identity"] == {"meter_number": "000012345678"}
    assert "identity_points" not in settings
    assert settings["clock_off_ms"] == 60_000
    marked = {point["name"] for point in settings["points"] if "witness" in point}
    assert {"cover_open_count", "power_off_count"} <= marked
    assert "energy_import" not in marked
    assert [point["name"] for point in settings["points"] if "clock" in point] == ["clock_date", "clock_time"]
    hourly = loaded(tmp_path, GOOD + METERS + "period_s = 3600\n").machines[-1]
    assert hourly.period_ms == 3_600_000


def test_a_modbus_device_has_a_number_where_its_profile_knows_it(tmp_path: Path) -> None:
    known = changed('profile = "eastron_sdm630"', 'profile = "eastron_sdm630"\nmeter_number = "19230007"')
    machine = loaded(tmp_path, known).machines[0]
    assert "serial_number" not in [point.name for point in machine.points]
    assert [point["name"] for point in settings_of(machine)["identity_points"]] == ["serial_number"]
    unknown = changed('profile = "schneider_iem3000"', 'profile = "schneider_iem3000"\nmeter_number = "1"')
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, unknown)
    assert [complaint.key for complaint in wrong.value.complaints] == ["machine[main].meter_number"]
