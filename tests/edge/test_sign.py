"""The process with the key: what it signs, for whom, and that nobody gets more of it."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.clock import Clock, SystemClock
from edge_agent.commands.check import check
from edge_agent.commands.enrol import DIRECTORY, SIGNER, Answer, uplink_toml
from edge_agent.config.load import load
from edge_agent.signing import remote
from edge_agent.signing.desk import Desk
from edge_agent.signing.packets import (
    HELLO,
    LAST,
    MESSAGE_LIMIT,
    MORE,
    NO,
    PACKET_LIMIT,
    PIECE_BYTES,
    SIGNATURE,
    Refused,
    open_answer,
    open_hello,
    questions,
)
from edge_agent.signing.remote import Child, PenError, RemotePen, Served
from edge_agent.signing.serve import CLIENTS_LIMIT
from evidence import cbor, cose, receipt, roster
from evidence.bodies import CROSSINGS_LIMIT, MS_LIMIT, Body, Boot, Crossing, Crossings, Direction, Sight
from evidence.errors import KeyFileError, MalformedError
from evidence.exits import Exit
from evidence.keys import SigningKey
from evidence.pen import CoseKey, Pen
from evidence.statement import AAD, STATEMENT_LIMIT, ClockQuality, Moment, open_statement, seal
from tests.world.clock import TestClock
from tests.world.signers import Signers

KEY = SigningKey.generate()
BOX = "box-1"
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0


class Ear:
    """A Pen that only listens: it keeps what it was asked to sign."""

    public: CoseKey = KEY.public
    heard: bytes = b""

    def sign(self, message: bytes) -> bytes:
        self.heard = message
        return bytes(64)


def statement(pen: Pen, *, box: str = BOX, stream: str = "machine/press", body: Body | None = None) -> bytes:
    moment = Moment(boot=bytes(16), steady_ms=1, at_ms=2, clock=ClockQuality.NTP, clock_error_ms=None)
    body = body or Boot(software="test", last_alive_ms=None, last_boot=b"")
    return seal(pen, box=box, stream=stream, n=0, prev=b"", moment=moment, config=bytes(32), body=body)


def asked(*, box: str = BOX, stream: str = "machine/press") -> bytes:
    """What a pen is asked to sign for such a statement."""
    ear = Ear()
    statement(ear, box=box, stream=stream)
    return ear.heard


def payload(message: bytes) -> bytes:
    return cose.payload_to_sign(message, key=KEY.public, aad=AAD)


def of_kind(aad: bytes, content: bytes, *, key: SigningKey = KEY) -> bytes:
    ear = Ear()
    ear.public = key.public
    cose.sign1(ear, content, aad=aad)
    return ear.heard


DESK = Desk(box=BOX, pen=KEY, streams=("box", "machine/*", "gate/door"))
GOOD = asked()
"""A message that is signed; every refusal below is one step away from it."""

REFUSED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "bytes of the asker's choice": lambda: b"sign me",
    "a receipt": lambda: of_kind(receipt.AAD, payload(GOOD)),
    "a roster": lambda: of_kind(roster.AAD, payload(GOOD)),
    "an enrolment": lambda: of_kind(b"qianliyan enrolment 1", payload(GOOD)),
    "no kind at all": lambda: of_kind(b"", payload(GOOD)),
    "a kind that only begins alike": lambda: of_kind(AAD + b"1", payload(GOOD)),
    "another key's name": lambda: of_kind(AAD, payload(GOOD), key=SigningKey.generate()),
    "no payload": lambda: of_kind(AAD, b""),
    "a payload that is no statement": lambda: of_kind(AAD, cbor.encode({0: 1})),
    "bytes behind the payload": lambda: GOOD + b"\x00",
    "a payload cut short": lambda: GOOD[:-1],
    "a payload not deterministic": lambda: of_kind(AAD, payload(GOOD).replace(b"\x06\x01", b"\x06\x18\x01", 1)),
    "a payload with a float": lambda: of_kind(AAD, payload(GOOD).replace(b"\x06\x01", b"\x06\xf9\x3c\x00", 1)),
    "another version": lambda: of_kind(AAD, payload(GOOD).replace(b"\xad\x00\x01", b"\xad\x00\x02", 1)),
    "another box": lambda: asked(box="box-2"),
    "a stream that is another's": lambda: asked(stream="gate/window"),
    "a kind of stream that is another's": lambda: asked(stream="fire/pump"),
    "more than a statement may be": lambda: of_kind(AAD, bytes(STATEMENT_LIMIT + 1)),
}


def test_a_statement_of_this_box_is_signed() -> None:
    for stream in ("box", "machine/press", "gate/door"):
        signed = DESK.sign(asked(stream=stream))
        assert isinstance(signed, bytes)
        KEY.public.verify(signed, asked(stream=stream))


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_else_is_signed(what: str) -> None:
    assert isinstance(DESK.sign(REFUSED[what]()), Refused)


@given(at=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_what_is_signed_opens_as_a_statement_whatever_was_changed(at: int, bit: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= 1 << bit
    signed = DESK.sign(bytes(changed))
    if isinstance(signed, bytes):
        content = payload(bytes(changed))
        document = cose.sign1(KEY, content, aad=AAD)
        assert open_statement(document, {KEY.public.kid: KEY.public}.get).box == BOX


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    assert isinstance(DESK.sign(noise), Refused)


@given(st.integers(0, 4 * PIECE_BYTES))
def test_a_message_goes_in_packets_of_bounded_size_and_comes_out_whole(size: int) -> None:
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    packets = list(questions(message))
    assert b"".join(packet[1:] for packet in packets) == message
    assert [packet[:1] for packet in packets] == [MORE] * (len(packets) - 1) + [LAST]
    assert max(map(len, packets)) <= PACKET_LIMIT


@given(st.binary(max_size=100))
def test_what_is_no_answer_is_no_signature(noise: bytes) -> None:
    for opened in (open_answer, open_hello):
        try:
            said = opened(noise)
        except MalformedError:
            continue
        assert isinstance(said, Refused) == (noise[:1] == NO)
        assert noise[:1] in (NO, SIGNATURE, HELLO)


# The process.


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    KEY.save(tmp_path / "signing.key")
    return tmp_path / "signing.key"


@contextmanager
def pen_by(way: remote.Way, clock: Clock | None = None) -> Iterator[RemotePen]:
    with closing(RemotePen(way, clock or SystemClock())) as pen:
        yield pen


def test_a_child_signs_and_ends_with_its_connection(key_file: Path) -> None:
    child, clock = Child(BOX, key_file, ("machine/*",)), TestClock()
    with pen_by(child, clock) as pen:
        assert pen.public.to_cose_key() == KEY.public.to_cose_key()
        assert open_statement(statement(pen), {KEY.public.kid: KEY.public}.get).stream == "machine/press"
        pid = child.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)  # a group is told to stop: what is to be signed then comes yet
        statement(pen)
        with pytest.raises(PenError, match="signed"):
            statement(pen, stream="gate/door")
        assert not pen.mend()
        clock.sleep(remote.MEND_EVERY_MS)
        assert pen.mend()
        statement(pen)
    assert child.pid is None
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_ends_when_its_parent_is_killed(key_file: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from edge_agent.clock import SystemClock;"
        "from edge_agent.signing.remote import Child, RemotePen;"
        f"child = Child('{BOX}', Path({str(key_file)!r}), ()); RemotePen(child, SystemClock());"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    give_up = time.monotonic() + WAIT_S
    while _runs(pid):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_largest_statement_is_signed() -> None:
    with pen_by(Signers(key=KEY)) as pen:
        body = Crossings(
            from_ms=0,
            to_ms=MS_LIMIT - 1,
            crossings=[
                Crossing(at_ms=at, direction=Direction.IN, label="x" * 38, confidence_permille=1000, track=at)
                for at in range(MS_LIMIT - 1 - CROSSINGS_LIMIT, MS_LIMIT - 1)
            ],
            total_in=CROSSINGS_LIMIT,
            total_out=0,
            sight=[(0, Sight.CLEAR)],
            frames_seen=1,
            frames_dropped=0,
            detector="test",
            detector_sha256=bytes(32),
        )
        large = statement(pen, stream="gate/door", body=body)
        assert len(large) == cose.sign1_length(len(cose.peek1(large, at_most=STATEMENT_LIMIT)))
        assert STATEMENT_LIMIT * 0.9 < len(large) <= STATEMENT_LIMIT
        assert open_statement(large, {KEY.public.kid: KEY.public}.get).n == 0


def test_a_key_file_that_cannot_be_used_is_told_to_who_asks(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"cannot read the key file .*signing\.key"):
        RemotePen(Child(BOX, tmp_path / "signing.key", ()), SystemClock())


def test_a_signer_that_dies_is_replaced_and_one_with_another_key_is_not_taken(key_file: Path) -> None:
    child, clock = Child(BOX, key_file, ()), TestClock()
    with pen_by(child, clock) as pen:
        statement(pen)
        for again in range(2):
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            with pytest.raises(PenError):
                statement(pen)
            with pytest.raises(PenError, match="away"):  # at once: nobody is sought inside a transaction
                statement(pen)
            assert pen.mend() == (again == 0), "at once when it is lost once, by and by when again and again"
            clock.sleep(again * remote.MEND_EVERY_MS)
            assert pen.mend()
            statement(pen)
        key_file.unlink()
        SigningKey.generate().save(key_file)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(PenError):
            statement(pen)
        assert not pen.mend()
        with pytest.raises(PenError):
            statement(pen)


def test_a_frozen_signer_is_waited_for_no_longer_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "ANSWER_WAIT_S", 1.0)
    way = Signers(key=KEY, moment=2, end=signal.SIGSTOP)
    with pen_by(way) as pen:
        statement(pen)
        began = time.monotonic()
        with pytest.raises(PenError, match="no answer within"):
            statement(pen)
        assert 1 <= time.monotonic() - began < 4, "before the usual wait is over"
        assert pen.mend()
        statement(pen)


# Behind a socket, as systemd has it.


@contextmanager
def served(path: Path, *arguments: str) -> Iterator[int]:
    """`edge-agent sign` by the protocol of systemd's sockets (sd_listen_fds(3)); its pid."""
    starter = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1] + '~');"
        "s.listen(64); os.rename(sys.argv[1] + '~', sys.argv[1]); os.dup2(s.fileno(), 3); os.set_inheritable(3, True);"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
        "os.execv(sys.executable, [sys.executable, '-m', 'edge_agent', 'sign', *sys.argv[2:]])"
    )
    with subprocess.Popen([sys.executable, "-c", starter, str(path), *arguments], cwd=ROOT) as process:
        give_up = time.monotonic() + WAIT_S
        while not path.exists():
            assert time.monotonic() < give_up
            time.sleep(0.02)
        try:
            yield process.pid
        finally:
            process.kill()


def connected(path: Path) -> socket.socket:
    connection = Served(path).open()
    connection.settimeout(WAIT_S)
    return connection


def pen_when_there_is_room(path: Path) -> RemotePen:
    give_up = time.monotonic() + WAIT_S
    while True:
        try:
            return RemotePen(Served(path), SystemClock())
        except PenError:
            assert time.monotonic() < give_up
            time.sleep(0.02)


def send_much(connection: socket.socket) -> None:
    for _ in range(10 * MESSAGE_LIMIT // PIECE_BYTES):
        connection.send(MORE + bytes(PIECE_BYTES))


def test_two_are_served_at_once_and_neither_suffers_from_the_other(tmp_path: Path, key_file: Path) -> None:
    place = tmp_path / "s"
    with (
        served(place, "--box", BOX, "--key", str(key_file)),
        pen_by(Served(place)) as one,
        pen_by(Served(place)) as two,
    ):
        bad = connected(place)
        assert isinstance(open_hello(bad.recv(PACKET_LIMIT)), CoseKey)
        bad.send(MORE + bytes(PIECE_BYTES))  # and never the rest
        for _ in range(3):
            statement(one)
            statement(two, stream="gate/door")
        for nonsense in (b"?", LAST + bytes(PACKET_LIMIT)):
            with connected(place) as other:
                other.recv(PACKET_LIMIT)
                other.send(nonsense)
                assert other.recv(PACKET_LIMIT) == b"", "the connection is ended"
        endless = connected(place)
        endless.recv(PACKET_LIMIT)
        with pytest.raises(ConnectionError):
            send_much(endless)
        endless.close()
        statement(one)
        bad.close()


def test_a_crowd_is_sent_away_and_room_is_made_when_somebody_goes(tmp_path: Path, key_file: Path) -> None:
    place = tmp_path / "s"
    with served(place, "--box", BOX, "--key", str(key_file)):
        crowd = [connected(place) for _ in range(CLIENTS_LIMIT)]
        for each in crowd:
            assert isinstance(open_hello(each.recv(PACKET_LIMIT)), CoseKey)
        with connected(place) as late:
            assert late.recv(PACKET_LIMIT) == b""
        crowd.pop().close()
        with closing(pen_when_there_is_room(place)) as pen:
            statement(pen)
        for each in crowd:
            each.close()


def test_a_key_that_is_put_right_is_used_without_a_new_start(tmp_path: Path) -> None:
    place, key = tmp_path / "s", tmp_path / "k"
    config = tmp_path / "box.toml"
    with served(place, "--config", str(config), "--key", str(key)):
        with pytest.raises(KeyFileError, match=r"box\.toml"):
            RemotePen(Served(place), SystemClock())
        config.write_text(f'[box]\nid = "{BOX}"\nenterprise = "e"\nsite = "s"\nsigner = "{place}"\n[uplink]\nca = 1\n')
        with pytest.raises(KeyFileError, match="cannot read the key file"):
            RemotePen(Served(place), SystemClock())
        KEY.save(key)
        with pen_by(Served(place)) as pen:
            statement(pen)


def test_nobody_is_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(PenError, match="there is no signer"):
        RemotePen(Served(tmp_path / "none"), SystemClock())


def test_check_says_whether_the_signers_answer(tmp_path: Path, key_file: Path) -> None:
    place = tmp_path / "sign.sock"
    (tmp_path / "box.toml").write_text(
        f'[box]\nid = "{BOX}"\nenterprise = "e"\nsite = "s"\nsigner = "{place}"\nspool = "{tmp_path}/spool.db"\n'
        '[[camera]]\nname = "door"\ntitle = "t"\nsource = "./film.avi"\ngate = [0, 1, 9, 1]\nin_normal = [0, 1]\n'
    )
    with served(place, "--box", BOX, "--key", str(key_file)):
        found = {each.about: each for each in check(load(tmp_path / "box.toml"), SystemClock())}
    assert found["box.signer"].exit_code == Exit.OK
    assert KEY.public.fingerprint in found["box.signer"].says
    said = [each for each in check(load(tmp_path / "box.toml"), SystemClock()) if "is qianliyan-sign" in each.says]
    assert [(each.about, each.exit_code) for each in said] == [
        ("box.signer", Exit.CONFIGURATION),
        ("gate/door", Exit.CONFIGURATION),
    ]
    assert "sign-watch-door.sock" in said[1].says


def test_enrolment_on_a_box_leads_to_the_signer_and_at_a_desk_to_the_key() -> None:
    key = KEY.public
    answer = Answer(
        box=BOX,
        receiver="r",
        receiver_key=key,
        broker_host="h",
        broker_port=1,
        ca_pem=b"",
        certificate_pem=b"",
        begins_at_ms=0,
        expires_at_ms=1,
    )
    assert tomllib.loads(uplink_toml(answer, DIRECTORY))["box"] == {"id": BOX, "signer": SIGNER}
    assert tomllib.loads(uplink_toml(answer, Path("/k")))["box"] == {"id": BOX, "signing_key": "/k/signing.key"}


def test_the_signers_memory_is_closed_to_others() -> None:
    script = (
        "import ctypes; from edge_agent.commands import sign; sign._keep_memory_private();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.strip() == "0"  # prctl(2): 3 is PR_GET_DUMPABLE


def test_what_polls_loads_no_cryptography_and_no_tls() -> None:
    script = """
import sys
from edge_agent.cli import _parser
_parser(["poll"])
import edge_agent.keeping.keeper, edge_agent.polling.lines
from edge_agent.drivers import DRIVERS
from importlib import import_module
for module in DRIVERS.values():
    import_module(module)
unwanted = ("cryptography", "ssl", "_ssl", "cv2")
print(*sorted(name for name in sys.modules if name.split(".")[0] in unwanted and sys.modules[name]))
"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.split() == []
