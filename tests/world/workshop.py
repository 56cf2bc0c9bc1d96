"""A whole workshop in real processes: machines, a box that polls and sends, a link, a broker, a receiver.

    with workshop(tmp_path) as shop:
        shop.poll.start(); shop.sync.start()
        shop.run(3)
        shop.poll.kill9(); shop.poll.start()
        shop.finish()                 # everything sealed, sent and receipted, or AssertionError

Every answer of a machine carries the number of that read (registers 0 and 1): what was lost or doubled on the way
shows in the values themselves.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from cloud_sync.store import Shown, Store
from edge_agent.keeping.spool import Spool, SpoolError
from evidence.keys import SigningKey
from evidence.roster import Enrolled
from tests.world.broker import RunningBroker, running_broker
from tests.world.network import Relay, relay_to
from tests.world.plant import Plant
from tests.world.receiver import RunningReceiver, running_receiver

BOX: Final = "box-1"
PERIOD_S: Final = 0.1
COMMIT_S: Final = 0.2
HOLD_S: Final = 1
PATIENCE_S: Final = 60.0
MACHINES: Final = ("press", "saw")

PROFILE: Final = """
id = "ledger"
vendor = "test"
model = "test"
function = 3
source = ["tests/world/workshop.py"]
[[point]]
name = "reads"
address = 0
type = "uint32"
unit = "Wh"
decimals = 0
kind = "counter"
[[point]]
name = "active_power"
address = 2
type = "uint16"
unit = "W"
decimals = 0
kind = "gauge"
"""


@dataclass(kw_only=True)
class Process:
    """One of the box's processes, started and ended at will."""

    command: tuple[str, ...]
    log_file: Path
    skew: Path | None = None
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert self._process is None, "it runs already"
        module = ["edge_agent"] if self.skew is None else ["tests.world.skewed", str(self.skew)]
        with self.log_file.open("ab") as log:
            command = [sys.executable, "-m", *module, *self.command]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self) -> int:
        """As told; its exit code."""
        return self._end(signal.SIGTERM)

    def kill9(self) -> None:
        self._end(signal.SIGKILL)

    def reload(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


@dataclass(kw_only=True)
class Workshop:
    """See the module."""

    directory: Path
    plant: Plant
    broker: RunningBroker
    receiver: RunningReceiver
    network: Relay
    key: SigningKey
    poll: Process
    sync: Process
    skew: Path

    @property
    def spool_file(self) -> Path:
        return self.directory / "spool.db"

    def run(self, seconds: float) -> None:
        time.sleep(seconds)

    def until(self, done: Callable[[], bool], *, wait_s: float = PATIENCE_S) -> None:
        give_up = time.monotonic() + wait_s
        while not done():
            assert time.monotonic() < give_up, f"{self.poll.log}\n{self.sync.log}\n{self.receiver.log[-3000:]}"
            time.sleep(0.05)

    @property
    def signer(self) -> psutil.Process:
        """The process that signs for `poll`."""
        (signer,) = psutil.Process(self.poll.pid).children()
        return signer

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        """Read only, beside the processes."""
        with closing(Spool(self.spool_file, box=BOX, read_only=True)) as spool:
            yield spool

    @contextmanager
    def store(self) -> Iterator[Store]:
        with self.receiver.store() as store:
            yield store

    def until_it_polls(self) -> None:
        """A reading is in the spool that was not there before."""

        def newest() -> int:
            try:
                with self.spool() as spool:
                    return max((id_ for id_, _, _ in spool.read_journal("poll")), default=0)
            except SpoolError:
                return 0

        before = newest()
        self.until(lambda: newest() > before)

    def at(self, directory: Path) -> None:
        """The box lives on from this directory: its disk was copied there."""
        self.directory = directory
        self.poll = process_of(directory, "poll", log=self.poll.log_file)
        self.sync = process_of(directory, "sync", log=self.sync.log_file)

    def finish(self) -> None:
        """Seal everything, wait until it is receipted, stop."""
        if self.poll.is_alive:
            self.until_it_polls()
            assert self.poll.stop() == 0, self.poll.log
        if not self.sync.is_alive:
            self.sync.start()

        def settled() -> bool:
            with self.spool() as spool:
                return spool.count_unsent() == 0

        self.until(settled)
        assert self.sync.stop() == 0, self.sync.log

    def sealed(self) -> list[bytes]:
        """Every statement in the box's spool."""
        with self.spool() as spool:
            return list(spool.statements(unsent_only=False))

    def held(self) -> list[bytes]:
        """Every statement in the receiver's store, in commit order."""
        with self.store() as store:
            shown = {stream.id: Shown() for stream in store.streams()}
            commits = store.commits(shown, after=0, up_to=store.last_commit(), at_most=1_000_000, at_most_bytes=1 << 30)
            return [commit.encoded for commit in commits]


@contextmanager
def workshop(directory: Path, *, disk: Path | None = None) -> Iterator[Workshop]:
    """Everything but the box's processes is started; the box's files lie on `disk`, if there is one."""
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker(directory / "broker"))
        receiver = stack.enter_context(running_receiver(directory, broker))
        network = stack.enter_context(relay_to(broker.host, broker.port))
        plant = stack.enter_context(Plant(machines=len(MACHINES)))
        for number in range(len(MACHINES)):
            plant[number].counts_reads = True
            plant[number].registers[2] = 1500
        key = SigningKey.generate()
        enrolled = Enrolled(box=BOX, enterprise="Suzhou Tyre", site="hall 2", key=key.public, since_ms=0)
        with receiver.store() as store:
            store.enrol(enrolled)
        home = (disk or directory) / "box"
        home.mkdir()
        write_box(home, plant, broker=broker, receiver=receiver, network=network, key=key)
        subprocess.run(["sync", "-f", str(home)], check=True)  # installed long ago, as far as a power cut is concerned
        skew = directory / "skew"
        skew.write_text("0")
        shop = Workshop(
            directory=home,
            plant=plant,
            broker=broker,
            receiver=receiver,
            network=network,
            key=key,
            poll=process_of(home, "poll", log=directory / "poll.log"),
            sync=process_of(home, "sync", log=directory / "sync.log"),
            skew=skew,
        )
        try:
            yield shop
        finally:
            shop.poll.kill9()
            shop.sync.kill9()


def process_of(home: Path, name: str, *, log: Path) -> Process:
    return Process(command=(name, "--config", str(home / "box.toml")), log_file=log)


def write_box(
    home: Path, plant: Plant, *, broker: RunningBroker, receiver: RunningReceiver, network: Relay, key: SigningKey
) -> None:
    """The box's file and all it refers to, by relative paths: its disk may be copied."""
    files = broker.client(BOX)
    for name in ("ca", "cert", "key"):
        shutil.copy(getattr(files, name), home / f"{name}.pem")
    (home / "receiver.pub").write_bytes(receiver.key.public.to_cose_key())
    key.save(home / "signing.pem")
    (home / "profiles").mkdir()
    (home / "profiles" / "ledger.toml").write_text(PROFILE)
    text = f"""
[box]
id = "{BOX}"
enterprise = "Suzhou Tyre"
site = "hall 2"
signing_key = "./signing.pem"
spool = "./spool.db"
profiles = "./profiles"
keep = "every"
commit_every_s = {COMMIT_S}
seal_every_s = 1
heartbeat_every_s = 2
[uplink]
host = "{network.host}"
port = {network.port}
ca = "./ca.pem"
cert = "./cert.pem"
key = "./key.pem"
receiver_key = "./receiver.pub"
keepalive_s = 5
backlog_statements_per_s = 1000
"""
    for number, name in enumerate(MACHINES):
        text += f"""
[[bus]]
name = "bus-{name}"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {plant[number].port}
period_s = {PERIOD_S}
timeout_s = 0.5
[[machine]]
name = "{name}"
title = "{name}"
bus = "bus-{name}"
profile = "ledger"
[machine.run_state]
running_above_w = 1000
idle_above_w = 100
dwell_s = 0
hold_s = {HOLD_S}
"""
    (home / "box.toml").write_text(text)
