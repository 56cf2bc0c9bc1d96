import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.installing import ports
from edge_agent.installing.ports import lasting_name, others_with, why_not

LOCKED = "fcntl.flock(end, fcntl.LOCK_EX)"
EXCLUSIVE = "fcntl.ioctl(end, termios.TIOCEXCL)"
MERELY_OPEN = "pass"


@pytest.fixture
def port() -> Iterator[str]:
    near, far = pty.openpty()
    yield os.ttyname(far)
    os.close(near)
    os.close(far)


@contextmanager
def another(device: str, does: str) -> Iterator[int]:
    """A program that has opened the port and done this to it; its process."""
    code = f"import fcntl, os, sys, termios; end = os.open(sys.argv[1], os.O_RDWR); {does}; print(flush=True); input()"
    command = [sys.executable, "-c", code, device]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin
        assert program.stdout
        program.stdout.readline()
        yield program.pid
        program.stdin.close()
        program.kill()


@pytest.mark.parametrize("does", [LOCKED, EXCLUSIVE])
def test_a_port_that_another_program_keeps_for_itself_is_held_and_the_program_is_named(port: str, does: str) -> None:
    assert why_not(port) is None
    with another(port, does) as process:
        why = why_not(port)
        assert why is not None
        assert why.startswith("another program holds it")
        assert f"(process {process})" in why


def test_a_port_that_another_program_merely_has_open_is_told_and_not_minded(port: str) -> None:
    with another(port, MERELY_OPEN) as process:
        assert why_not(port) is None
        assert any(f"(process {process})" in other for other in others_with(port))
    assert others_with(port) == ()


def test_a_lock_file_counts_while_its_process_lives(port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOCKS", tmp_path)
    lock = tmp_path / f"LCK..{Path(port).name}"
    for process, held in (("1", True), ("4194399", False), (str(os.getpid()), False), ("x", False), ("", False)):
        lock.write_text(f"{process:>10}\n", encoding="ascii")
        assert (why_not(port) is not None) is held, process


def test_looking_leaves_the_port_as_it_was(port: str) -> None:
    end = os.open(port, os.O_RDWR | os.O_NOCTTY)
    before = termios.tcgetattr(end)
    assert why_not(port) is None
    assert termios.tcgetattr(end) == before
    fcntl.flock(end, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(end)


@pytest.mark.parametrize(
    ("device", "says"),
    [("/dev/ttyNOTHERE", "there is no such port"), ("/dev/null", "no serial port"), ("/dev", "cannot be opened")],
)
def test_what_is_no_port_is_told(device: str, says: str) -> None:
    assert says in (why_not(device) or "")


def test_a_port_goes_by_the_name_that_stays(port: str, tmp_path: Path) -> None:
    assert lasting_name(port, tmp_path / "nothing") == port
    link = tmp_path / "usb-FTDI_FT232R-if00-port0"
    link.symlink_to(port)
    assert lasting_name(port, tmp_path) == str(link)
    assert lasting_name("/dev/null", tmp_path) == "/dev/null"
