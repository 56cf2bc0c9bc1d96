"""A real receiver process beside a real broker: `cloud-sync serve`, started, stopped and killed.

with running_broker(tmp_path / "broker") as broker, running_receiver(tmp_path, broker) as receiver:
    receiver.kill9(); receiver.start()
"""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cloud_sync.ca import Role
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Store
from evidence.keys import SigningKey
from tests.world.broker import HOST, RunningBroker, free_port

WAIT_S: Final = 60.0


@dataclass(kw_only=True)
class RunningReceiver:
    """One `cloud-sync serve`. Its port, key and store stay the same over restarts."""

    directory: Path
    port: int
    key: SigningKey
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def config(self) -> Path:
        return self.directory / "receiver.toml"

    @property
    def log(self) -> str:
        return (self.directory / "receiver.log").read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self._process is not None, "the receiver is not running"
        return self._process.pid

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store's file, beside the running process."""
        with closing(SqliteStore(self.directory / "receiver.db")) as store:
            yield store

    def start(self, *, connected: bool = True) -> None:
        """Start, and return when it serves and, unless told otherwise, is subscribed."""
        assert self._process is None, "the receiver is running already"
        command = [sys.executable, "-m", "cloud_sync.cli", "serve", "--config", str(self.config), "--verbose"]
        with (self.directory / "receiver.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self._ready(connected=connected), why=lambda: self.log)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """What a power cut does to it."""
        self._end(signal.SIGKILL)

    def get(self, path: str, token: str | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one HTTP answer."""
        request = urllib.request.Request(f"http://{HOST}:{self.port}{path}")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as wrong:
            with wrong:
                return wrong.code, dict(wrong.headers), wrong.read()

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/healthz")[2])
        return found

    def _ready(self, *, connected: bool) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return bool(self.health()["broker_connected"]) or not connected
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(WAIT_S)
            raise


@contextmanager
def running_receiver(
    directory: Path, broker: RunningBroker, *, start: bool = True, share: str = ""
) -> Iterator[RunningReceiver]:
    """A receiver of this broker, its files in `directory`; ended when the block ends."""
    files = broker.client("main", role=Role.RECEIVER)
    key = SigningKey.generate()
    key.save(directory / "signing.key")
    receiver = RunningReceiver(directory=directory, port=free_port(), key=key)
    receiver.config.write_text(
        f'[receiver]\nid = "suzhou"\nsigning_key = "./signing.key"\nstore = "./receiver.db"\n'
        f'[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
        f'ca = "{files.ca}"\ncert = "{files.cert}"\nkey = "{files.key}"\nshare = "{share}"\n'
        f"[http]\nport = {receiver.port}\n"
    )
    try:
        if start:
            receiver.start()
        yield receiver
    finally:
        receiver.kill9()


def until(done: Callable[[], bool], *, why: Callable[[], str] = str, wait_s: float = WAIT_S) -> None:
    """Wait until it is so; else AssertionError with what `why` says."""
    give_up = time.monotonic() + wait_s
    while not done():
        assert time.monotonic() < give_up, why()
        time.sleep(0.02)
