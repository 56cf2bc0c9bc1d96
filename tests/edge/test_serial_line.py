import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.config.load import Parity
from edge_agent.config.sections import SerialPort, TcpPort
from edge_agent.drivers.serial_line import ANSWER_LIMIT, PURGE_LIMIT_S, SILENCES_LIMIT, SerialLine
from evidence.bodies import Failure
from tests.world.dlt645_meter import Line645

PATIENCE_S = 30


def whole(heard: bytes) -> bytes | None:
    """The answer of a device that ends what it says with a full stop."""
    return heard if heard.endswith(b".") else None


def port_of(device: str, *, parity: Parity = Parity.EVEN) -> SerialPort:
    return SerialPort(device=device, baud=9600, parity=parity, stopbits=1)


@contextmanager
def talker(*says: tuple[float, bytes], hang_up: bool = False) -> Iterator[TcpPort]:
    """Answers each question with these pieces, each after its pause; then maybe hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def talk() -> None:
            server.settimeout(PATIENCE_S)
            while not stop.is_set():
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer, contextlib.suppress(OSError):  # who asked may be gone
                    peer.settimeout(PATIENCE_S)
                    while not stop.is_set() and peer.recv(100):
                        for pause_s, piece in says:
                            time.sleep(pause_s)
                            peer.sendall(piece)
                        if hang_up:
                            break

        thread = threading.Thread(target=talk)
        thread.start()
        yield TcpPort(host="127.0.0.1", port=server.getsockname()[1], baud=9600)
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def asked(port: TcpPort, *, timeout_ms: int = 400, idle_s: float | None = None) -> tuple[bytes | None, Failure | None]:
    line = SerialLine(port, timeout_ms)
    assert line.open() is None
    said = line.ask(b"how?", whole, answer_bytes=10, idle_s=idle_s)
    line.close()
    return said.answer, said.failure


def test_a_port_can_be_opened_again_and_again_whatever_parity_a_meter_wants() -> None:
    with Line645() as wire:
        for parity in (Parity.EVEN, Parity.NONE, Parity.ODD, Parity.EVEN, Parity.EVEN):
            line = SerialLine(port_of(wire.device, parity=parity), 50)
            assert line.open() is None
            assert line.open() is None
            line.close()
            line.close()


def test_a_port_that_is_none_or_is_held_by_another_is_a_line_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for device in (tmp_path / "file", tmp_path / "nothing", Path("/dev/null")):
        line = SerialLine(port_of(str(device)), 50)
        assert line.open() is Failure.LINE_DOWN
        assert line.ask(b"how?", whole, answer_bytes=1).failure is Failure.LINE_DOWN
    with Line645() as wire:
        first, second = (SerialLine(port_of(wire.device), 50) for _ in range(2))
        assert first.open() is None
        assert second.open() is Failure.LINE_DOWN
        first.close()
        assert second.open() is None
        second.close()


@pytest.mark.parametrize(
    ("says", "answer", "failure"),
    [
        (((0.0, b"well."),), b"well.", None),
        (((0.02, b"we"), (0.02, b"ll"), (0.02, b".")), b"well.", None),
        (((0.0, b"how?"), (0.02, b"well.")), b"well.", None),
        (((0.0, b"how?"),), None, Failure.SILENT),
        (((0.0, b"we"),), None, Failure.GARBLED),
        (((0.8, b"well."),), None, Failure.SILENT),
        (((0.0, bytes(ANSWER_LIMIT + 1)), (0.03, b".")), None, Failure.GARBLED),
    ],
)
def test_an_answer_is_taken_whole_or_not_at_all(
    says: tuple[tuple[float, bytes], ...], answer: bytes | None, failure: Failure | None
) -> None:
    with talker(*says) as port:
        assert asked(port) == (answer, failure)


def test_a_line_that_has_finished_is_not_waited_for() -> None:
    with talker((0.0, b"nonsense")) as port:
        began = time.monotonic()
        assert asked(port, timeout_ms=1000 * PATIENCE_S, idle_s=0.05) == (None, Failure.GARBLED)
        assert time.monotonic() - began < PATIENCE_S


def test_a_server_that_hangs_up_is_a_line_that_is_down_and_can_be_opened_again() -> None:
    with talker((0.0, b"we"), hang_up=True) as port:
        line = SerialLine(port, 1000)
        for _ in range(2):
            assert line.open() is None
            assert line.ask(b"how?", whole, answer_bytes=10).failure is Failure.LINE_DOWN
        line.close()


def test_what_came_too_late_is_thrown_away_before_the_next_question() -> None:
    with talker((0.5, b"late."), (0.0, b"")) as port:
        line = SerialLine(port, 200)
        assert line.open() is None
        assert line.ask(b"one?", whole, answer_bytes=0).failure is Failure.SILENT
        time.sleep(0.6)
        assert line.ask(b"two?", whole, answer_bytes=0).failure is Failure.SILENT
        line.close()


def test_a_serial_server_is_left_after_so_many_silences() -> None:
    with talker() as port:
        line = SerialLine(port, 10)
        for at in range(SILENCES_LIMIT):
            assert line.open() is None
            assert line.ask(b"how?", whole, answer_bytes=0).failure is Failure.SILENT, at
        assert line.ask(b"how?", whole, answer_bytes=0).failure is Failure.LINE_DOWN
        line.close()


def test_a_line_that_never_stops_chattering_is_asked_all_the_same() -> None:
    with Line645() as wire:
        stop = threading.Event()

        def chatter() -> None:
            while not stop.wait(0.001):
                os.write(wire._near, b"\x55")

        line = SerialLine(port_of(wire.device), 300)
        assert line.open() is None
        thread = threading.Thread(target=chatter)
        thread.start()
        began = time.monotonic()
        said = line.ask(b"how?", whole, answer_bytes=10)
        took_s = time.monotonic() - began
        heard = line.listen(0.5)
        stop.set()
        thread.join()
        line.close()
        assert (said.failure, took_s < PURGE_LIMIT_S + PATIENCE_S) == (Failure.GARBLED, True)
        assert set(heard) == {0x55}
        assert line.listen(0.05) == b""
