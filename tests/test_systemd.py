"""The systemd units: systemd itself understands every line of them, and they give away little."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from cloud_sync.broker import DIRECTORY as BROKER_DIRECTORY
from cloud_sync.broker import MEMORY_BYTES
from edge_agent.commands.enrol import DIRECTORY as KEYS
from edge_agent.commands.enrol import SIGNER
from edge_agent.signing.remote import POLLS, WATCHES, socket_of

UNITS: Final = Path(__file__).parent.parent / "systemd"
DEBIANS_MOSQUITTO: Final = Path("/lib/systemd/system/mosquitto.service")
EXPOSURE_LIMIT: Final = "25"
"""In tenths, as systemd-analyze security counts; below 3.0 it says OK."""

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units beside Debian's, with a program that exists on every machine."""
    here = tmp_path / "units"
    shutil.copytree(UNITS, here)
    for unit in here.glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        unit.write_text(re.sub(r"/opt/qianliyan/bin/[a-z-]+", "/bin/true", text), encoding="utf-8")
    if DEBIANS_MOSQUITTO.exists() and Path("/usr/sbin/mosquitto").exists():
        shutil.copy(DEBIANS_MOSQUITTO, here)
    return here


def analyze(units: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    env = {"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)


@needs_systemd
def test_systemd_understands_every_unit(units: Path) -> None:
    files = sorted([*units.glob("*.service"), *units.glob("*.socket"), *units.glob("*.target")])
    verdict = analyze(units, "verify", "--man=no", *files)
    assert (verdict.returncode, verdict.stderr) == (0, "")


@needs_systemd
def test_every_service_gives_away_little(units: Path) -> None:
    for unit in units.glob("*.service"):
        verdict = analyze(units, "security", "--offline=yes", f"--threshold={EXPOSURE_LIMIT}", "--no-pager", unit)
        assert verdict.returncode == 0, verdict.stdout[-300:] + verdict.stderr


def settings(name: str) -> list[tuple[str, str]]:
    lines = (UNITS / name).read_text(encoding="utf-8").splitlines()
    return [(key, value) for key, _, value in (line.partition("=") for line in lines if "=" in line)]


def test_keys_come_as_credentials_from_where_enrolment_and_broker_config_put_them() -> None:
    ours = {"signing.key", "tls.key", "tls.pem", "ca.pem", "receiver.pub"}
    for unit in ("qianliyan-sign.service", "qianliyan-sign@.service", "qianliyan-sync.service"):
        handed = [value.split(":") for key, value in settings(unit) if key == "LoadCredential"]
        assert handed
        for name, path in handed:
            assert name in ours
            assert path == f"{KEYS}/{name}"
    handed = [value.split(":") for key, value in settings("mosquitto.service.d/qianliyan.conf") if "Load" in key]
    assert handed == [["server.key", f"{BROKER_DIRECTORY}/server.key"]]


def test_only_who_signs_gets_the_signing_key_and_runs_as_nobody_else() -> None:
    for unit in UNITS.glob("qianliyan-*.service"):
        signs = unit.name.startswith("qianliyan-sign")
        receives = unit.name == "qianliyan-receiver.service"
        assert ("signing.key" in unit.read_text(encoding="utf-8")) == (signs or receives)
        assert (dict(settings(unit.name))["User"] == "qianliyan-sign") == signs
    assert "u qianliyan-sign " in (UNITS / "qianliyan.sysusers.conf").read_text(encoding="utf-8")


def test_each_socket_is_where_its_process_looks_and_signs_its_streams_only() -> None:
    listens = {unit.name: Path(dict(settings(unit.name))["ListenSequentialPacket"]) for unit in UNITS.glob("*.socket")}
    signer = Path(SIGNER)
    assert listens == {
        "qianliyan-sign.socket": socket_of(signer, camera=None),
        "qianliyan-sign@.socket": socket_of(signer, camera="%i"),
    }
    for unit, streams in (
        ("qianliyan-sign.service", POLLS),
        ("qianliyan-sign@.service", tuple(each.format("%i") for each in WATCHES)),
    ):
        assert dict(settings(unit))["ExecStart"].endswith(f" --streams {' '.join(streams)}")
    assert ("InaccessiblePaths", f"-{signer}") in settings("qianliyan-watch@.service")


def test_every_process_has_a_memory_limit_and_comes_back() -> None:
    shared = dict(settings("qianliyan-.service.d/10-all.conf"))
    assert shared["Restart"] == "always"
    assert shared["StartLimitIntervalSec"] == "0"
    for unit in UNITS.glob("*.service"):
        assert "MemoryMax" in dict(settings(unit.name))
    broker = dict(settings("mosquitto.service.d/qianliyan.conf"))
    assert broker["MemoryMax"] == "1G"
    assert MEMORY_BYTES < 1 << 30


def test_the_processes_are_those_of_the_design() -> None:
    started = {dict(settings(unit.name))["ExecStart"] for unit in UNITS.glob("*.service")}
    box, receiver = "--config /etc/qianliyan/box.toml", "--config /etc/qianliyan/receiver.toml"
    key = "--key ${CREDENTIALS_DIRECTORY}/signing.key"
    assert started == {
        f"/opt/qianliyan/bin/edge-agent sign {box} {key} --streams box machine/* meter/* fire/*",
        f"/opt/qianliyan/bin/edge-agent sign {box} {key} --streams gate/%i zone/%i",
        f"/opt/qianliyan/bin/edge-agent poll {box}",
        f"/opt/qianliyan/bin/edge-agent watch %I {box}",
        f"/opt/qianliyan/bin/edge-agent sync {box}",
        f"/opt/qianliyan/bin/cloud-sync serve {receiver}",
    }


def test_operations_names_every_unit_and_every_file_that_matters() -> None:
    text = (UNITS.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket"), *UNITS.glob("*.target")]:
        assert unit.name in text
    for file in ("signing.key", "tls.key", "spool.db", "receiver.pub", "ca.key", "server.key", "receiver.main.key"):
        assert file in text
