"""The small world itself: a network and a disk that misbehave exactly as they are asked to."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from tests.world.broker import HOST, RunningBroker, free_port, missing_broker, running_broker
from tests.world.disk import loop_disk, no_loop_disk, no_tmpfs_disk, tmpfs_disk
from tests.world.network import Relay, relay_to
from tests.world.talker import Talker

SOON_S = 20.0
QUIET_S = 0.15


class Echo:
    """Answers every byte with itself; knows what it got."""

    def __init__(self) -> None:
        self.got = bytearray()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)  # close alone would not wake the accepting thread
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            while came := connection.recv(65536):
                self.got += came
                connection.sendall(came)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.fixture
def echo() -> Iterator[Echo]:
    with closing(Echo()) as server:
        yield server


@pytest.fixture
def network(echo: Echo) -> Iterator[Relay]:
    with relay_to(HOST, echo.port) as relay:
        yield relay


@pytest.fixture
def line(network: Relay) -> Iterator[socket.socket]:
    with connect(network) as connection:
        yield connection


def connect(network: Relay) -> socket.socket:
    return socket.create_connection((network.host, network.port), timeout=SOON_S)


def exactly(connection: socket.socket, count: int) -> bytes:
    came = b""
    while len(came) < count:
        more = connection.recv(count - len(came))
        if not more:
            break
        came += more
    return came


def silent(connection: socket.socket) -> bool:
    connection.settimeout(QUIET_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(SOON_S)
    return False


def ask(connection: socket.socket, message: bytes = b"hello") -> bytes:
    connection.sendall(message)
    return exactly(connection, len(message))


def test_a_healthy_network_carries_every_byte_in_both_directions(network: Relay, line: socket.socket) -> None:
    message = os.urandom(3_000_000)
    sender = Thread(target=line.sendall, args=(message,))
    sender.start()
    assert exactly(line, len(message)) == message
    sender.join()
    assert (network.carried_up, network.carried_down) == (len(message), len(message))


def test_an_orderly_end_is_passed_on(line: socket.socket) -> None:
    line.sendall(b"last")
    line.shutdown(socket.SHUT_WR)
    assert exactly(line, 100) == b"last"


def test_a_black_hole_swallows_and_closes_nothing(network: Relay, line: socket.socket, echo: Echo) -> None:
    ask(line)
    network.black_hole()
    line.sendall(b"into the dark")
    assert silent(line)
    assert bytes(echo.got) == b"hello"


def test_what_a_black_hole_has_damaged_stays_silent_and_new_connections_are_fine(
    network: Relay, line: socket.socket, echo: Echo
) -> None:
    network.black_hole()
    line.sendall(b"lost")
    assert silent(line)
    network.heal()
    line.sendall(b"after")
    assert silent(line)
    with connect(network) as fresh:
        assert ask(fresh) == b"hello"
    assert bytes(echo.got) == b"hello"


def test_a_connection_that_lost_nothing_survives_a_black_hole(network: Relay, line: socket.socket) -> None:
    ask(line)
    network.black_hole()
    assert silent(line)
    network.heal()
    assert ask(line) == b"hello"


def test_a_stall_loses_nothing(network: Relay, line: socket.socket) -> None:
    ask(line)
    network.stall()
    line.sendall(b"later")
    assert silent(line)
    network.heal()
    assert exactly(line, 5) == b"later"


def test_a_refusing_network_refuses_on_the_same_port_until_it_heals(network: Relay) -> None:
    for _ in range(3):
        network.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(network)
        network.heal()
        with connect(network) as line:
            assert ask(line) == b"hello"


def test_a_reset_ends_every_open_connection_at_once(network: Relay, line: socket.socket) -> None:
    ask(line)
    assert network.reset() == 1
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    assert network.open_connections == 0


def test_a_slow_network_keeps_its_rate(network: Relay, line: socket.socket) -> None:
    began = time.monotonic()
    network.slow(20_000)
    assert len(ask(line, bytes(8_000))) == 8_000
    assert 0.3 < time.monotonic() - began < SOON_S


def test_a_cut_ends_the_connection_in_the_midst_of_a_message(network: Relay, line: socket.socket, echo: Echo) -> None:
    ask(line)
    network.cut_after(3)
    line.sendall(b"message")
    with pytest.raises(ConnectionResetError):
        exactly(line, 7)
    assert network.carried_up == 8
    with connect(network) as again:
        assert ask(again, b"!") == b"!"
    assert b"sage" not in bytes(echo.got)


def test_a_network_whose_other_end_is_gone_resets(network: Relay, echo: Echo) -> None:
    echo.close()
    with pytest.raises(ConnectionResetError), connect(network) as line:
        ask(line)


def test_a_relay_leaves_no_connection_behind(echo: Echo) -> None:
    with relay_to(HOST, echo.port) as network:
        line = connect(network)
        ask(line)
    with closing(line), pytest.raises(ConnectionResetError):
        line.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(network)


@pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))
def test_a_broker_is_reached_through_the_network(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker, relay_to(broker.host, broker.port) as network:
        seen = RunningBroker(directory=broker.directory, port=network.port, host=network.host)
        with Talker(seen, broker.client("press-1")) as says:
            assert says.publish("qianliyan/1/up/press-1", b"batch") == "No matching subscribers"
            broker.freeze()
            network.black_hole()
            network.reset()
            network.heal()
            broker.thaw()
        with Talker(seen, broker.client("press-1")) as says:
            assert says.publish("qianliyan/1/up/press-1", b"batch") == "No matching subscribers"


def test_a_free_port_is_free() -> None:
    with socket.create_server((HOST, free_port())):
        pass


needs_loop = pytest.mark.skipif("no_loop_disk() is not None", reason=str(no_loop_disk()))
needs_tmpfs = pytest.mark.skipif("no_tmpfs_disk() is not None", reason=str(no_tmpfs_disk()))


@needs_loop
def test_what_was_synced_survives_a_power_cut_and_what_was_not_does_not(tmp_path: Path) -> None:
    with loop_disk(tmp_path) as disk:
        synced, lazy = disk.path / "synced", disk.path / "lazy"
        with synced.open("wb") as file:
            file.write(b"kept")
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(disk.path, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        lazy.write_bytes(b"gone" * 1000)
        after = disk.cut()
        assert (after / "synced").read_bytes() == b"kept"
        assert not (after / "lazy").exists() or (after / "lazy").read_bytes() == b""
        assert lazy.read_bytes() == b"gone" * 1000


@needs_loop
def test_a_disk_may_be_cut_while_somebody_writes_and_sqlite_recovers_every_commit(tmp_path: Path) -> None:
    """Each line that the writer printed before the cut is in the copy; the copy is a whole database."""
    with loop_disk(tmp_path) as disk:
        command = [sys.executable, "-c", WRITER, str(disk.path / "some.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(3):
                told = [int(writer.stdout.readline()) for _ in range(10)]
                writer.send_signal(signal.SIGSTOP)  # wherever it is: a copy takes longer than a moment
                after = disk.cut()
                writer.send_signal(signal.SIGCONT)
                out = subprocess.run(
                    [sys.executable, "-c", READER, str(after / "some.db")], capture_output=True, check=True
                )
                ok, highest = out.stdout.split()
                assert ok == b"ok"
                assert int(highest) >= told[-1]
            writer.kill()


WRITER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=FULL"); db.execute("CREATE TABLE t (n, x)")
n = 0
while True:
    db.execute("INSERT INTO t VALUES (?, randomblob(500))", (n,)); print(n, flush=True); n += 1; time.sleep(0.01)
"""
READER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("PRAGMA integrity_check").fetchone()[0], db.execute("SELECT max(n) FROM t").fetchone()[0]); db.close()
"""


@needs_loop
def test_a_cut_disk_is_a_disk_like_any_other(tmp_path: Path) -> None:
    with loop_disk(tmp_path) as disk:
        first, second = disk.cut(), disk.cut()
        (first / "new").write_bytes(b"x")
        assert not (second / "new").exists()
        assert not (disk.path / "new").exists()
    assert not list(first.iterdir())


@pytest.mark.parametrize("kind", [pytest.param("loop", marks=needs_loop), pytest.param("tmpfs", marks=needs_tmpfs)])
@pytest.mark.parametrize("leave_bytes", [0, 100_000])
def test_a_full_disk_takes_what_was_left_and_no_more(tmp_path: Path, kind: str, leave_bytes: int) -> None:
    with loop_disk(tmp_path, size_mb=16) if kind == "loop" else tmpfs_disk(tmp_path) as disk:
        disk.fill(leave_bytes=leave_bytes)
        assert leave_bytes - 70_000 <= disk.free_bytes <= leave_bytes
        with pytest.raises(OSError, match="No space left"), (disk.path / "more").open("wb") as file:
            file.write(bytes(leave_bytes + 200_000))
        (disk.path / "more").unlink(missing_ok=True)
        disk.free()
        (disk.path / "more").write_bytes(bytes(200_000))


@needs_loop
def test_nothing_stays_mounted(tmp_path: Path) -> None:
    with loop_disk(tmp_path) as disk:
        disk.cut()
    mounts = Path("/proc/mounts").read_text(encoding="utf-8")
    assert str(tmp_path) not in mounts
