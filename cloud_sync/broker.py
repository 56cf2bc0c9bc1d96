"""The configuration of Mosquitto 2.0 (Debian): who may connect, and who may say what to whom.

Mutual TLS only, and the certificate's common name is the user, the client id and the last part of the topic: a box
writes qianliyan/1/up/<box> and reads qianliyan/1/down/<box>, nothing else. Nothing is persisted: durable is what the
receiver has receipted, and the box keeps everything until then.

Mosquitto 2.0 asks its ACL at each delivery, not at a subscription. So a box may subscribe to everything and hears
nothing but its own; but a box that joined the group of a shared subscription ($share/<group>/...) would be dealt
messages that are then dropped. One receiver therefore subscribes plainly, and several name their group by chance.

One directory holds ca/ (see ca.py), server.key and server.pem, receiver.<name>.key and .pem for each receiver, acl
and mosquitto.conf. If lost: all but ca/ is written again by the same command. If acl or mosquitto.conf is altered:
boxes can be kept from sending or receipts be read by strangers; no statement can be forged.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cloud_sync.ca import Authority, Issued, Role, create_key, open_or_create, signing_request
from cloud_sync.clock import utc_ms
from cloud_sync.errors import CloudSyncError
from evidence.exits import Exit
from evidence.files import PUBLIC, write_whole
from evidence.statement import BATCH_LIMIT

UP: Final = "qianliyan/1/up"
DOWN: Final = "qianliyan/1/down"

PACKET_LIMIT: Final = 1024 * 1024
"""Bytes of one MQTT packet, at most; a larger one ends the connection."""
INFLIGHT_MESSAGES: Final = 20
"""Sent to one client and not yet acknowledged, at most."""
QUEUED_MESSAGES: Final = 1000
"""Waiting for one client, at most; more are dropped silently, and their boxes, without receipt, send them again."""
QUEUED_BYTES: Final = 64 * 1024 * 1024
MEMORY_BYTES: Final = 512 * 1024 * 1024
"""Of the whole broker, at most."""
KEEPALIVE_S: Final = 30
"""The longest silence of a client; the broker ends a connection after one and a half of it."""
CONNECTIONS: Final = 10_000
PORT: Final = 8883

assert BATCH_LIMIT + 1024 <= PACKET_LIMIT  # noqa: S101 - a batch and its topic fit into a packet, or nothing works

DIRECTORY: Final = Path("/etc/qianliyan/broker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One broker: where its files are, how it is reached, who receives."""

    directory: Path
    hosts: tuple[str, ...]
    """Names and addresses that boxes and receivers reach it by; they stand in its certificate."""
    port: int = PORT
    bind: str | None = None
    """The one address it listens at; None: all."""
    receivers: tuple[str, ...] = ("main",)
    key_file: Path | None = None
    """Where the broker itself finds its key, when systemd hands it over; None: in `directory`."""
    user: str | None = None
    """Whom the broker becomes when root starts it; None: its package's default."""
    pid_file: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.port < 1 << 16:
            raise CloudSyncError(f"{self.port} is no port: it takes 1 to 65535")
        if self.bind is not None:
            _check_address(self.bind)
        words = (str(self.directory), str(self.key_file), str(self.pid_file), self.user or "")
        if any(not word.isprintable() for word in words):
            raise CloudSyncError("a path or user has a character that mosquitto.conf cannot hold")

    @property
    def configuration_file(self) -> Path:
        """What mosquitto is started with."""
        return self.directory / "mosquitto.conf"

    @property
    def authority(self) -> Path:
        """The directory of its certificate authority."""
        return self.directory / "ca"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `write` did."""

    changed: tuple[Path, ...]
    """Empty when everything stood there already; otherwise the broker has to be restarted."""
    expires_at_ms: int
    """When the first of the certificates written here ends; run the command again before."""


def write(broker: Broker, *, at_ms: int) -> Written:
    """Write every file that the broker and its receivers need, each in one step; keys that exist stay.

    Raises AuthorityError or CloudSyncError that says what to do.
    """
    directory = broker.directory.absolute()
    authority = open_or_create(directory / "ca", name="Qianliyan", at_ms=at_ms)
    served = _server(authority, directory, hosts=broker.hosts, at_ms=at_ms)
    received = {
        Role.RECEIVER.common_name(name): _receiver(authority, directory, name=name, at_ms=at_ms)
        for name in broker.receivers
    }
    contents = {
        directory / "server.pem": served.pem,
        **{directory / f"{common_name}.pem": issued.pem for common_name, issued in received.items()},
        directory / "acl": acl(tuple(received)).encode(),
        # Last: whoever finds it finds everything it names.
        directory / "mosquitto.conf": mosquitto_conf(broker).encode(),
    }
    changed = tuple(path for path, content in contents.items() if _write_changed(path, content))
    return Written(changed=changed, expires_at_ms=min(i.expires_at_ms for i in (served, *received.values())))


def mosquitto_conf(broker: Broker) -> str:
    """The text of mosquitto.conf(5) for this broker."""
    directory = broker.directory.absolute()
    lines = [
        "# Written by `cloud-sync broker-config`; change it there.",
        "per_listener_settings true",
        *([f"user {broker.user}"] if broker.user else []),
        *([f"pid_file {broker.pid_file}"] if broker.pid_file else []),
        "",
        "# A receipt is durable, a queue is not.",
        "persistence false",
        "retain_available false",
        f"max_packet_size {PACKET_LIMIT}",
        f"max_inflight_messages {INFLIGHT_MESSAGES}",
        f"max_queued_messages {QUEUED_MESSAGES}",
        f"max_queued_bytes {QUEUED_BYTES}",
        f"memory_limit {MEMORY_BYTES}",
        f"max_keepalive {KEEPALIVE_S}",
        "persistent_client_expiration 1d",
        "sys_interval 0",
        "",
        "log_dest stderr",
        "log_timestamp false",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "",
        f"listener {broker.port} {broker.bind or ''}".rstrip(),
        "max_qos 1",
        f"max_connections {CONNECTIONS}",
        f"cafile {directory / 'ca' / 'ca.pem'}",
        f"crlfile {directory / 'ca' / 'crl.pem'}",
        f"certfile {directory / 'server.pem'}",
        f"keyfile {broker.key_file or directory / 'server.key'}",
        "# Version 1.2 and above.",
        "tls_version tlsv1.2",
        "require_certificate true",
        "use_identity_as_username true",
        "# One client a certificate: no box can push another off by taking its client id.",
        "use_username_as_clientid true",
        "allow_zero_length_clientid false",
        "allow_anonymous false",
        f"acl_file {directory / 'acl'}",
    ]
    return "\n".join(lines) + "\n"


def acl(receivers: tuple[str, ...]) -> str:
    """The text of the ACL file; `receivers` are common names. A pattern holds for everybody, %u is the common name."""
    lines = [
        "# Written by `cloud-sync broker-config`; change it there.",
        *(
            f"user {receiver}\ntopic read {UP}/+\ntopic write {DOWN}/+"  # a shared subscription is judged by its topic
            for receiver in receivers
        ),
        f"pattern write {UP}/%u",
        f"pattern read {DOWN}/%u",
    ]
    return "\n".join(lines) + "\n"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`cloud-sync broker-config`."""
    parser = subparsers.add_parser(
        "broker-config",
        help="write the broker's configuration, certificates and access list",
        description="Write everything Mosquitto needs into one directory, and a certificate for each receiver. May be "
        "repeated at any time: private keys stay, certificates are renewed 90 days before they end.",
    )
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="default: %(default)s")
    parser.add_argument(
        "--host", action="append", required=True, help="a name or address boxes reach the broker by; may be repeated"
    )
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s")
    parser.add_argument("--bind", help="listen at this address only; default: all")
    parser.add_argument("--receiver", action="append", help="a receiver's name; may be repeated; default: main")
    parser.add_argument("--key-file", type=Path, help="where the broker finds its key, if systemd hands it over")
    parser.add_argument("--user", help="whom the broker becomes when root starts it; default: mosquitto")
    parser.add_argument("--pid-file", type=Path, help="default: none")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> Exit:
    try:
        broker = Broker(
            directory=args.directory,
            hosts=tuple(args.host),
            port=args.port,
            bind=args.bind,
            receivers=tuple(args.receiver or ("main",)),
            key_file=args.key_file,
            user=args.user,
            pid_file=args.pid_file,
        )
        written = write(broker, at_ms=utc_ms())
    except (CloudSyncError, OSError) as cause:
        sys.stderr.write(f"cloud-sync broker-config: {cause}\n")
        return Exit.CONFIGURATION
    if args.json:
        answer = {"changed": [str(path) for path in written.changed], "expires_at_ms": written.expires_at_ms}
        sys.stdout.write(json.dumps(answer) + "\n")
    elif written.changed:
        sys.stdout.write("".join(f"wrote {path}\n" for path in written.changed))
        sys.stdout.write(f"next: mosquitto -c {broker.configuration_file}, or restart the broker's service\n")
    else:
        sys.stdout.write("nothing to change\n")
    return Exit.OK


def _server(authority: Authority, directory: Path, *, hosts: tuple[str, ...], at_ms: int) -> Issued:
    key_file = directory / "server.key"
    if not key_file.exists():
        create_key(key_file)
    return authority.issue_server(key_file, hosts=hosts, at_ms=at_ms)


def _receiver(authority: Authority, directory: Path, *, name: str, at_ms: int) -> Issued:
    key_file = directory / f"{Role.RECEIVER.common_name(name)}.key"
    if not key_file.exists():
        create_key(key_file)
    request = signing_request(key_file, role=Role.RECEIVER, name=name)
    return authority.issue_client(request, role=Role.RECEIVER, name=name, at_ms=at_ms)


def _write_changed(path: Path, content: bytes) -> bool:
    """Whether `path` had to be written."""
    if path.exists() and path.read_bytes() == content:
        return False
    write_whole(path, content, mode=PUBLIC)
    return True


def _check_address(bind: str) -> None:
    try:
        ip_address(bind)
    except ValueError as cause:
        raise CloudSyncError(f"--bind takes an address of this machine, not {bind!r:.60}") from cause
