"""Processes of the demonstration: started with their output in a file, stopped together, in reverse order.

None outlives it: each has a session of its own, which is ended as a whole, and is told to stop by the kernel when the
demonstration itself is killed.
"""

import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, Final, Self

STOP_WAIT_S: Final = 15.0
NEVER_GIVEN: Final = range(10_000, 32_768)
"""Ports below net.ipv4.ip_local_port_range (ip-sysctl.rst)."""
ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends the demonstration: Ctrl-C, a supervisor, a closed terminal."""

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class DemoError(Exception):
    """Something did not go as it should; the message says what, and where to look."""


class Parts(AbstractContextManager["Parts"]):
    """Everything that runs, and the one folder it runs in. Leaving the context stops it all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in ENDS:
            signal.signal(each, signal.SIG_IGN)  # nobody's impatience leaves a process behind
        self.stop()

    def start(self, name: str, argv: Sequence[str | Path]) -> Path:
        """Start a process; the file with what it prints."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            self._running[name] = subprocess.Popen(
                [str(a) for a in argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                preexec_fn=_end_with_us(),  # noqa: PLW1509 - this process has one thread
            )
        return log

    def call(self, *argv: str | Path, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command to its end; what it printed. Raises DemoError with the whole output when it failed."""
        done = subprocess.run(
            [str(a) for a in argv],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            preexec_fn=_end_with_us(),
        )
        if done.returncode not in codes:
            raise DemoError(
                f"{' '.join(str(a) for a in argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def answer(self, *argv: str | Path, codes: tuple[int, ...] = (0,)) -> Any:  # noqa: ANN401 - whatever JSON it is
        """Run a command with --json; what it printed, parsed."""
        return json.loads(self.call(*argv, "--json", codes=codes))

    def look(self) -> None:
        """Raise DemoError when something that should run has ended."""
        for name, process in self._running.items():
            if process.poll() not in (None, 0):
                log = self.folder / f"{name}.log"
                end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise DemoError(f"{name} ended with {process.returncode}; the end of {log}:\n{end}")

    def wait_for(self, what: str, within_s: float, is_so: Callable[[], bool]) -> None:
        """Wait until something is so. Raises DemoError when it is not in time, or when a part has ended."""
        deadline_s = time.monotonic() + within_s
        while not is_so():
            self.look()
            if time.monotonic() > deadline_s:
                raise DemoError(f"waited {within_s:.0f} s in vain for {what}; the logs are in {self.folder}")
            time.sleep(0.1)

    def stop(self, name: str | None = None) -> None:
        """Stop one process, or all, the last started first."""
        names = [name] if name else list(reversed(self._running))
        for one in names:
            self._running[one].terminate()
        for one in names:
            process = self._running.pop(one)
            try:
                process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it had started itself


def end_on_signals() -> None:
    """From now on each of ENDS raises KeyboardInterrupt, but those that whoever started this has it ignore (nohup)."""
    for each in ENDS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.default_int_handler)


def program(name: str) -> Path:
    """One of the project's commands, from the environment this runs in."""
    return Path(sys.executable).with_name(name)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now, all different; none that the kernel gives to whoever connects."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = secrets.choice(NEVER_GIVEN)
            with suppress(OSError):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.append(port)
        return ports


def listens(port: int) -> bool:
    """Whether somebody listens on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _end_with_us() -> Callable[[], None]:
    """For a child to call before it becomes a program: it is told to stop when this process ends, however that is."""
    us = os.getpid()

    def ask_the_kernel() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != us:
            os._exit(1)

    return ask_the_kernel
