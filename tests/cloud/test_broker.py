"""The broker, a real one: who gets in, who may say what to whom, and what it does when it is asked too much."""

import json
import os
import shutil
import socket
import ssl
import subprocess
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import paho.mqtt.client as mqtt
import pytest

from cloud_sync.broker import DOWN, KEEPALIVE_S, PACKET_LIMIT, UP, Broker, acl, add_parser, mosquitto_conf, write
from cloud_sync.ca import Role, create_key, open_or_create, signing_request
from cloud_sync.errors import CloudSyncError
from evidence.exits import Exit
from evidence.statement import BATCH_LIMIT
from tests.world.broker import ClientFiles, RunningBroker, free_port, missing_broker, now_ms, running_broker
from tests.world.receiver import until
from tests.world.talker import Heard, NotConnectedError, Talker

AT_MS = 1_790_000_000_000
QUIET_S = 0.3
PATIENCE_S = 60
"""How long a test listens to be sure that nothing comes; loopback needs 1 ms."""


@pytest.fixture(scope="module")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    if (reason := missing_broker()) is not None:
        pytest.skip(reason)
    with running_broker(tmp_path_factory.mktemp("broker"), receivers=("main", "second")) as running:
        yield running


@pytest.fixture
def broker(shared_broker: RunningBroker) -> Iterator[RunningBroker]:
    """No test finds a session that another left behind."""
    yield shared_broker
    shared_broker.restart()


def box(broker: RunningBroker, name: str = "press-1", client_id: str = "test") -> Talker:
    return Talker(broker, broker.client(name), client_id=client_id)


def receiver(broker: RunningBroker, name: str = "main") -> Talker:
    return Talker(broker, broker.client(name, role=Role.RECEIVER))


def test_a_box_is_heard_by_the_receiver(broker: RunningBroker) -> None:
    with receiver(broker) as hears, box(broker) as says:
        hears.subscribe(f"{UP}/+")
        assert says.publish(f"{UP}/press-1", b"batch") == "Success"
        assert hears.hear(1) == [Heard(topic=f"{UP}/press-1", payload=b"batch")]


def test_a_receipt_reaches_its_box(broker: RunningBroker) -> None:
    with receiver(broker) as says, box(broker) as hears:
        hears.subscribe(f"{DOWN}/press-1")
        assert says.publish(f"{DOWN}/press-1", b"receipt") == "Success"
        assert hears.hear(1) == [Heard(topic=f"{DOWN}/press-1", payload=b"receipt")]


def test_a_box_is_told_that_nobody_listens(broker: RunningBroker) -> None:
    with box(broker) as says:
        assert says.publish(f"{UP}/press-1", b"batch") == "No matching subscribers"


@pytest.mark.parametrize(
    "topic",
    [f"{UP}/press-2", f"{UP}/press-1/more", UP, f"{DOWN}/press-1", f"{DOWN}/press-2", "other", "$SYS/x"],
)
def test_a_box_may_write_nothing_but_its_own_topic(broker: RunningBroker, topic: str) -> None:
    with receiver(broker) as hears, box(broker) as says:
        hears.subscribe(f"{UP}/+")
        hears.subscribe(f"{DOWN}/+")
        assert says.publish(topic, b"forged") == "Not authorized"
        assert hears.hear_for(QUIET_S) == []


@pytest.mark.parametrize(
    "topic", [f"{DOWN}/press-2", f"{DOWN}/+", "#", "qianliyan/#", f"$share/g/{DOWN}/+", f"{UP}/press-1", f"{UP}/+"]
)
def test_a_box_hears_nothing_that_is_meant_for_another(broker: RunningBroker, topic: str) -> None:
    """Mosquitto 2.0 grants the subscription and delivers nothing: its ACL file is asked at each delivery."""
    with box(broker, "press-1") as curious, box(broker, "press-2") as other, receiver(broker) as says:
        curious.subscribe(topic)
        says.publish(f"{DOWN}/press-2", b"receipt of press-2")
        other.publish(f"{UP}/press-2", b"batch of press-2")
        assert curious.hear_for(QUIET_S) == []


def test_a_box_that_guesses_the_receivers_group_starves_it_and_still_reads_nothing(broker: RunningBroker) -> None:
    """Mosquitto 2.0 asks no ACL at a subscription: it deals the box its share and then drops it. Nothing is lost, for
    want of receipts, but half comes late; so receivers that share name their group so that nobody guesses it."""
    with receiver(broker) as hears, box(broker, "press-1") as curious, box(broker, "press-2") as says:
        hears.subscribe(f"$share/guessed/{UP}/+")
        curious.subscribe(f"$share/guessed/{UP}/+")
        for number in range(10):
            says.publish(f"{UP}/press-2", bytes((number,)))
        hears.hear(5)
        assert len(hears.hear_for(QUIET_S)) == 5
        assert curious.heard == []


@pytest.mark.parametrize("subscription", [f"{UP}/+", f"$share/4f1cd8a05e3b/{UP}/+"], ids=["plain", "unguessed group"])
def test_a_curious_box_takes_nothing_from_the_receiver(broker: RunningBroker, subscription: str) -> None:
    with receiver(broker) as hears, box(broker, "press-1") as curious, box(broker, "press-2") as says:
        hears.subscribe(subscription)
        for topic in (f"$share/guessed/{UP}/+", f"$share/receivers/{UP}/#", f"{UP}/+", "#"):
            curious.subscribe(topic)
        for number in range(10):
            says.publish(f"{UP}/press-2", bytes((number,)))
        assert {message.payload[0] for message in hears.hear(10)} == set(range(10))
        assert curious.heard == []


def test_a_will_cannot_speak_for_another_box(broker: RunningBroker) -> None:
    with receiver(broker) as hears:
        hears.subscribe(f"{UP}/+")
        dying = box(broker)
        dying._client.will_set(f"{UP}/press-2", b"forged", qos=1)
        dying.__enter__()
        connection = dying._client.socket()
        assert connection is not None
        connection.close()
        assert hears.hear_for(QUIET_S) == []


def test_two_receivers_share_the_load_and_no_batch_comes_twice(broker: RunningBroker) -> None:
    with receiver(broker) as one, receiver(broker, "second") as two, box(broker) as says:
        for hears in (one, two):
            assert hears.subscribe(f"$share/receivers/{UP}/+") == "Granted QoS 1"
        for number in range(20):
            says.publish(f"{UP}/press-1", bytes((number,)))
        until(lambda: sum(len(hears.hear_for(QUIET_S)) for hears in (one, two)) >= 20)
        numbers = [m.payload[0] for hears in (one, two) for m in hears.hear_for(QUIET_S)]
        assert sorted(numbers) == list(range(20))
        assert one.heard
        assert two.heard


def test_without_a_certificate_nobody_gets_in(broker: RunningBroker) -> None:
    with pytest.raises(NotConnectedError), Talker(broker, broker.client("press-1"), certificate=False):
        pass


def stranger(directory: Path, name: str = "press-1") -> ClientFiles:
    """A client of an authority that calls itself like ours."""
    authority = open_or_create(directory / "other-ca", name="Qianliyan", at_ms=now_ms())
    create_key(directory / "stranger.key")
    request = signing_request(directory / "stranger.key", role=Role.BOX, name=name)
    issued = authority.issue_client(request, role=Role.BOX, name=name, at_ms=now_ms())
    (directory / "stranger.pem").write_bytes(issued.pem)
    return ClientFiles(
        name=name, ca=authority.certificate_file, cert=directory / "stranger.pem", key=directory / "stranger.key"
    )


def test_another_authoritys_client_is_refused(broker: RunningBroker, tmp_path: Path) -> None:
    ours = broker.client("press-1").ca
    with pytest.raises(NotConnectedError), Talker(broker, stranger(tmp_path), ca=ours):
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho 2.2 forgets to close its socket
def test_a_client_refuses_a_broker_of_another_authority(broker: RunningBroker, tmp_path: Path) -> None:
    with (
        pytest.raises(NotConnectedError, match="CERTIFICATE_VERIFY_FAILED"),
        Talker(broker, broker.client("press-1"), ca=stranger(tmp_path).ca),
    ):
        pass


def test_the_brokers_own_certificate_lets_nobody_in_as_a_client(broker: RunningBroker) -> None:
    ours = broker.client("press-1")
    files = ClientFiles(
        name="broker", ca=ours.ca, cert=broker.directory / "server.pem", key=broker.directory / "server.key"
    )
    with pytest.raises(NotConnectedError), Talker(broker, files):
        pass


def test_an_expired_client_is_refused(broker: RunningBroker, tmp_path: Path) -> None:
    create_key(tmp_path / "old.key")
    request = signing_request(tmp_path / "old.key", role=Role.BOX, name="press-1")
    long_ago_ms = now_ms() - 2000 * 86_400_000
    issued = broker.authority.issue_client(request, role=Role.BOX, name="press-1", at_ms=long_ago_ms)
    (tmp_path / "old.pem").write_bytes(issued.pem)
    files = ClientFiles(
        name="press-1", ca=broker.client("press-1").ca, cert=tmp_path / "old.pem", key=tmp_path / "old.key"
    )
    with pytest.raises(NotConnectedError), Talker(broker, files):
        pass


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_a_revoked_box_is_refused_from_the_next_reload_on_and_others_are_not(broker: RunningBroker, how: str) -> None:
    revoked = f"revoked-{how}"
    with box(broker, revoked):
        pass
    broker.client("press-1")
    broker.revoke(revoked)
    if how == "restart":
        broker.restart()
    else:
        broker.reload()
    with box(broker, "press-1"):
        pass
    with pytest.raises(NotConnectedError), box(broker, revoked):
        pass


def test_a_revoked_box_that_is_connected_stays_until_the_broker_restarts(broker: RunningBroker) -> None:
    """So that is what `cloud-sync revoke` says: restart, where a reload is not enough."""
    with box(broker, "leaving") as leaving:
        broker.revoke("leaving")
        broker.reload()
        assert leaving.publish(f"{UP}/leaving", b"batch") == "No matching subscribers"
        broker.restart()
        with pytest.raises(NotConnectedError):
            leaving.publish(f"{UP}/leaving", b"batch")


def test_plain_text_gets_no_answer(broker: RunningBroker) -> None:
    with socket.create_connection((broker.host, broker.port), timeout=PATIENCE_S) as plain:
        plain.sendall(bytes.fromhex("100f00044d5154540502003c000003782d31"))
        try:
            answer = plain.recv(4)
        except ConnectionResetError:
            answer = b""
        assert not answer.startswith(b"\x20")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_refused(broker: RunningBroker) -> None:
    files = broker.client("press-1")
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection((broker.host, broker.port), timeout=PATIENCE_S) as raw,
        pytest.raises(ssl.SSLError, match=r"(?i)version|alert"),
    ):
        context.wrap_socket(raw, server_hostname=broker.host)


def test_a_box_cannot_push_another_off_by_taking_its_client_id(broker: RunningBroker) -> None:
    with box(broker, "press-2", client_id="press-2") as other, receiver(broker) as hears:
        for name in ("press-2", "receiver.main"):
            with box(broker, "press-1", client_id=name):
                pass
        hears.subscribe(f"{UP}/+")
        assert other.publish(f"{UP}/press-2", b"still here") == "Success"
        assert hears.hear(1)


def test_a_second_connection_with_one_certificate_ends_the_first(broker: RunningBroker) -> None:
    with box(broker, client_id="one") as first, box(broker, client_id="two"):
        first.until_goodbye()
    assert "already connected, closing old connection" in broker.log


@pytest.mark.parametrize("client_id", ["", "test"])
def test_the_client_id_does_not_matter_but_one_must_be_sent(broker: RunningBroker, client_id: str) -> None:
    if client_id:
        with box(broker, client_id=client_id):
            pass
    else:
        with pytest.raises(NotConnectedError), box(broker, client_id=client_id):
            pass


def test_a_client_is_told_the_keepalive_and_the_packet_limit(broker: RunningBroker) -> None:
    with Talker(broker, broker.client("press-1"), keepalive_s=600) as client:
        assert client.connack.ServerKeepAlive == KEEPALIVE_S
        assert client.connack.MaximumPacketSize == PACKET_LIMIT
        assert client.connack.RetainAvailable == 0
        assert client.connack.MaximumQoS == 1


def test_the_largest_batch_passes(broker: RunningBroker) -> None:
    with receiver(broker) as hears, box(broker) as says:
        hears.subscribe(f"{UP}/+")
        assert says.publish(f"{UP}/press-1", bytes(BATCH_LIMIT)) == "Success"
        assert len(hears.hear(1)[0].payload) == BATCH_LIMIT


def test_a_packet_above_the_limit_ends_the_connection(broker: RunningBroker) -> None:
    with box(broker) as says, pytest.raises(NotConnectedError):
        says.publish(f"{UP}/press-1", bytes(PACKET_LIMIT + 1))
    assert "disconnected due to oversize packet" in broker.log
    with box(broker) as again:
        assert again.publish(f"{UP}/press-1", b"small") == "No matching subscribers"


def test_a_retained_message_ends_the_connection(broker: RunningBroker) -> None:
    with box(broker) as says:
        with pytest.raises(NotConnectedError):
            says.publish(f"{UP}/press-1", b"for ever", retain=True)
        assert says.goodbye == "Retain not supported"


def test_mqtt_3_hides_a_refusal_which_is_why_boxes_speak_5(broker: RunningBroker) -> None:
    with Talker(broker, broker.client("press-1"), version=mqtt.MQTTv311) as says:
        assert says.publish(f"{UP}/press-2", b"forged") == "Success"


def test_a_killed_broker_comes_back_on_the_same_port_and_knows_nothing(broker: RunningBroker) -> None:
    with receiver(broker) as hears:
        hears.subscribe(f"{UP}/+")
    port = broker.port
    broker.kill9()
    broker.start()
    assert broker.port == port
    with box(broker) as says:
        assert says.publish(f"{UP}/press-1", b"batch") == "No matching subscribers"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))
def test_the_broker_runs_as_an_ordinary_user_that_is_handed_its_key_alone() -> None:
    with TemporaryDirectory() as name:
        directory, handed = Path(name), Path(name) / "handed.key"
        directory.chmod(0o755)
        port = free_port()
        write(plain(directory, port=port, bind="127.0.0.1", hosts=("127.0.0.1",), key_file=handed), at_ms=now_ms())
        handed.write_bytes((directory / "server.key").read_bytes())
        shutil.chown(handed, "nobody")
        handed.chmod(0o400)
        command = ["mosquitto", "-c", str(directory / "mosquitto.conf")]
        with subprocess.Popen(command, user="nobody", stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.strip().endswith(b"running"):
                    break
            context = ssl.create_default_context(cafile=str(directory / "ca" / "ca.pem"))
            with (
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as raw,
                context.wrap_socket(raw, server_hostname="127.0.0.1") as served,
            ):
                assert served.version() == "TLSv1.3"
            process.terminate()


def plain(directory: Path, **changes: object) -> Broker:
    return Broker(**{"directory": directory, "hosts": ("broker.example",), **changes})  # type: ignore[arg-type]


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert len(write(plain(tmp_path), at_ms=AT_MS).changed) == 4
    before = everything()
    assert write(plain(tmp_path), at_ms=AT_MS + 1000).changed == ()
    assert everything() == before


def test_a_changed_port_changes_the_configuration_only(tmp_path: Path) -> None:
    write(plain(tmp_path), at_ms=AT_MS)
    keys = {path: path.read_bytes() for path in tmp_path.rglob("*.key")}
    changed = write(plain(tmp_path, port=8884), at_ms=AT_MS).changed
    assert changed == (tmp_path / "mosquitto.conf",)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.key")} == keys


def test_certificates_due_for_renewal_are_renewed_with_the_same_keys(tmp_path: Path) -> None:
    write(plain(tmp_path), at_ms=AT_MS)
    keys = {path: path.read_bytes() for path in tmp_path.rglob("*.key")}
    changed = write(plain(tmp_path), at_ms=AT_MS + 700 * 86_400_000).changed
    assert changed == (tmp_path / "server.pem",)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.key")} == keys


def test_the_configuration_says_what_it_is_asked(tmp_path: Path) -> None:
    broker = plain(
        tmp_path, bind="10.0.0.5", user="broker", pid_file=Path("/run/b.pid"), key_file=Path("/run/credentials/k")
    )
    lines = mosquitto_conf(broker).splitlines()
    for line in ("listener 8883 10.0.0.5", "user broker", "pid_file /run/b.pid", "keyfile /run/credentials/k"):
        assert line in lines
    for line in ("persistence false", "require_certificate true", "allow_anonymous false", "tls_version tlsv1.2"):
        assert line in lines
    assert acl(("receiver.main",)).count("user ") == 1


@pytest.mark.parametrize(
    "wrong",
    [{"port": 0}, {"port": 65536}, {"bind": "broker.example"}, {"user": "a\nallow_anonymous true"}],
    ids=str,
)
def test_what_mosquitto_would_misread_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(CloudSyncError):
        plain(tmp_path, **wrong)


def run(*arguments: str | Path) -> Exit:
    parser = ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["broker-config", *map(str, arguments)])
    return args.run(args)  # type: ignore[no-any-return]


def test_the_command_says_what_it_wrote_and_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--directory", tmp_path, "--host", "broker.example") is Exit.OK
    assert f"mosquitto -c {tmp_path}/mosquitto.conf" in capsys.readouterr().out
    assert run("--directory", tmp_path, "--host", "broker.example", "--json") is Exit.OK
    answer = json.loads(capsys.readouterr().out)
    assert answer["changed"] == []
    assert answer["expires_at_ms"] > AT_MS


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--directory", tmp_path, "--host", "no host") is Exit.CONFIGURATION
    assert "neither a host name nor an address" in capsys.readouterr().err
