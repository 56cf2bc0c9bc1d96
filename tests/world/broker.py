"""A real Mosquitto with mutual TLS on a free loopback port, made by the very code that makes a customer's.

    with running_broker(tmp_path) as broker:
        box = broker.client("press-1")                      # certificate files of a box
        receiver = broker.client("main", role=Role.RECEIVER)
        broker.kill9(); broker.start()                      # same port, same certificates, everything queued is gone

Where no Mosquitto is installed, `missing_broker()` gives the reason to skip.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cloud_sync.broker import Broker, write
from cloud_sync.ca import Authority, Role, create_key, signing_request

HOST: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 30.0
PORT_TRIES: Final = 5
NEVER_GIVEN: Final = range(10_000, 32_768)
"""Below net.ipv4.ip_local_port_range (ip-sysctl.rst)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFiles:
    """What a client needs to connect, as files."""

    name: str
    ca: Path
    cert: Path
    key: Path


@dataclass(kw_only=True)
class RunningBroker:
    """One Mosquitto. Its port stays the same over restarts."""

    directory: Path
    port: int
    host: str = HOST
    receivers: tuple[str, ...] = ("main",)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def authority(self) -> Authority:
        return Authority.open(self.directory / "ca")

    @property
    def log(self) -> str:
        return (self.directory / "mosquitto.log").read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def client(self, name: str, *, role: Role = Role.BOX) -> ClientFiles:
        """A client's certificate and key, issued at the first call; the same ones at the next."""
        key = self.directory / f"{role.common_name(name)}.key"
        cert = key.with_suffix(".pem")
        if not cert.exists():
            if not key.exists():
                create_key(key)
            request = signing_request(key, role=role, name=name)
            cert.write_bytes(self.authority.issue_client(request, role=role, name=name, at_ms=now_ms()).pem)
        return ClientFiles(name=name, ca=self.authority.certificate_file, cert=cert, key=key)

    def revoke(self, name: str, *, role: Role = Role.BOX) -> None:
        """Revoked for the next start of the broker."""
        self.authority.revoke(role=role, name=name, at_ms=now_ms())

    def start(self) -> None:
        """Start, and return when it accepts connections."""
        assert self._process is None, "the broker is running already"
        with (self.directory / "mosquitto.log").open("ab") as log:
            command = ["mosquitto", "-c", str(self.directory / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        give_up = time.monotonic() + START_TIMEOUT_S
        while not _accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill9()
                raise BrokerDidNotStartError(self.log)
            time.sleep(0.01)

    def stop(self) -> None:
        """An orderly end; nothing to do when it does not run."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """What a power cut does to it."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def reload(self) -> None:
        """It reads certificates, revocations, the ACL and most settings again; returns when it has."""
        before = self.log.count("Reloading config.")
        os.kill(self.pid, signal.SIGHUP)
        give_up = time.monotonic() + START_TIMEOUT_S
        while self.log.count("Reloading config.") == before:
            assert time.monotonic() < give_up, self.log
            time.sleep(0.01)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


class BrokerDidNotStartError(Exception):
    """Holds the broker's log."""


@contextmanager
def running_broker(directory: Path, *, receivers: tuple[str, ...] = ("main",)) -> Iterator[RunningBroker]:
    """A started broker with its files in `directory`; ended when the block ends."""
    broker = _started(directory, receivers)
    try:
        yield broker
    finally:
        broker.stop()


def missing_broker() -> str | None:
    """Why this machine cannot run one; None when it can."""
    return None if shutil.which("mosquitto", path=_PATH) else "mosquitto is not installed"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def free_port() -> int:
    """A loopback port that nobody uses now; none of those that the kernel gives to whoever connects meanwhile."""
    while True:
        port = secrets.choice(NEVER_GIVEN)
        with socket.socket() as asked, suppress(OSError):
            asked.bind((HOST, port))
            return port


_PATH: Final = os.environ.get("PATH", "") + ":/usr/sbin"


def _started(directory: Path, receivers: tuple[str, ...]) -> RunningBroker:
    """Another port is tried when somebody took the free one before Mosquitto did."""
    directory.mkdir(parents=True, exist_ok=True)
    for last in range(PORT_TRIES):
        broker = RunningBroker(directory=directory, port=free_port(), receivers=receivers)
        wanted = Broker(
            directory=directory,
            hosts=(HOST, "localhost"),
            port=broker.port,
            bind=HOST,
            receivers=receivers,
            user="root" if os.geteuid() == 0 else None,
        )
        write(wanted, at_ms=now_ms())
        try:
            broker.start()
        except BrokerDidNotStartError:
            if last == PORT_TRIES - 1:
                raise
        else:
            return broker
    raise AssertionError("unreachable")


def _accepts(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        return asking.connect_ex((HOST, port)) == 0
