"""`edge-agent`: every command is known, says its exit codes, and a mistake never shows a traceback."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.cli import COMMANDS, main
from edge_agent.keeping.spool import Spool
from evidence.exits import Exit
from tests.world.box import BOX, write_config


def run(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == Exit.OK
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert re.search(rf"\n    {name}\s", out)
    assert "evidence is broken" in out


@pytest.mark.parametrize("command", ["run", "poll", "watch", "sync", "status", "export", "receipt"])
def test_a_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == Exit.OK
    assert "--config" in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dance") == Exit.USAGE
    assert "dance" in capsys.readouterr().err


def process(*argv: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", *argv], check=False, capture_output=True, text=True, timeout=timeout_s
    )


def test_a_wrong_file_ends_a_process_with_its_exit_code_and_one_line(tmp_path: Path) -> None:
    done = process("poll", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == Exit.CONFIGURATION
    assert "Traceback" not in done.stderr
    assert "none.toml" in done.stderr


def test_a_missing_key_ends_a_process_with_configuration(tmp_path: Path) -> None:
    done = process("poll", "--config", str(write_config(tmp_path)))
    assert done.returncode == Exit.CONFIGURATION
    assert "signing.pem" in done.stderr


def test_sync_without_an_uplink_says_what_to_use_instead(tmp_path: Path) -> None:
    done = process("sync", "--config", str(write_config(tmp_path)))
    assert done.returncode == Exit.CONFIGURATION
    assert "edge-agent export" in done.stderr


def test_a_camera_that_is_not_configured_is_a_usage_error(tmp_path: Path) -> None:
    done = process("watch", "dock", "--config", str(write_config(tmp_path, key=True)))
    assert done.returncode == Exit.USAGE
    assert "dock" in done.stderr


def test_a_damaged_spool_is_put_aside_and_the_next_start_goes_on(tmp_path: Path) -> None:
    config = write_config(tmp_path, key=True)
    (tmp_path / "spool.db").write_bytes(b"\xff" * 8192)
    done = process("poll", "--config", str(config))
    assert done.returncode == Exit.HARDWARE
    assert "keep it as evidence" in done.stderr
    (aside,) = tmp_path.glob("spool.db.damaged-*")
    assert aside.read_bytes() == b"\xff" * 8192
    Spool(tmp_path / "spool.db", box=BOX).close()


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "edge_agent", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as told:
        assert told.stdout is not None
        told.stdout.close()
        assert told.stderr is not None
        assert b"Traceback" not in told.stderr.read()


def test_no_command_loads_what_only_another_needs() -> None:
    code = (
        "import sys; from edge_agent import cli; cli._parser(['poll']); "
        "import edge_agent.keeping.keeper, edge_agent.polling.poll;"
        "sys.exit(' '.join(m for m in ('cv2', 'numpy', 'paho', 'ai_edge_litert') if m in sys.modules) or None)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
