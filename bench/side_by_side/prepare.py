"""The harness's `setup` step: make a receiver, enrol a box, write its files, and start the receiver's side.

The box's files lie in the harness's folder, which may be a small disk that loses its power; the receiver's lie beside
it, in `receiver/`, on a disk that does not. Ports, from the harness's block: +5 the box's uplink, +6 the receiver's
link to its broker, +7 its feed.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
BOX = "bench-1"
SHORTEST_PERIOD_MS = 50
"""What edge-agent takes; the harness's "as fast as it goes" is this."""
START_WAIT_S = 30.0

REGISTERS = [
    ("seq", 0),
    ("sec", 2),
    ("ms", 4),
    ("run", 6),
    ("code", 7),
    *((f"v{a}", a) for a in range(8, 20)),
]


def main() -> None:
    """Everything in the order of docs/install-a-box.md."""
    args = arguments()
    port = args.base_port - 20
    receiver = args.work.parent / "receiver"
    keys = args.work / "keys"
    program = Path(sys.executable).parent
    cloud, edge = program / "cloud-sync", program / "edge-agent"
    at = ("--bind", "127.0.0.1", "--host", "127.0.0.1", "--port", port + 6, "--http-port", port + 7)
    call(cloud, "init", receiver, "--id", "bench", *at)
    box = ("--box", BOX, "--enterprise", "bench", "--site", "bench")
    call(edge, "enrol", "request", *box, "--directory", keys, "-o", receiver / "request.cbor")
    papers = (receiver / "request.cbor", "-o", receiver / "answer.cbor")
    call(cloud, "enrol", "--config", receiver / "receiver.toml", "--yes", *papers)
    call(edge, "enrol", "accept", receiver / "answer.cbor", "--directory", keys)
    (args.work / "profiles").mkdir()
    (args.work / "profiles" / "bench.toml").write_text(profile_toml(), encoding="utf-8")
    (args.work / "box.toml").write_text(box_toml(args, uplink_port=port + 5), encoding="utf-8")
    args.key.write_bytes((keys / "signing.key").read_bytes())
    args.key.chmod(0o600)

    ports = ("--box-port", port + 5, "--box-broker-port", args.broker_port)
    receivers = ("--receiver-port", port + 6, "--receiver-broker-port", port + 3)
    with (receiver / "log").open("wb") as log:
        subprocess.Popen(  # outlives this step, and ends with the harness
            words(
                sys.executable,
                HERE / "receiver_side.py",
                receiver,
                "--until",
                os.getppid(),
                *ports,
                *receivers,
            ),
            cwd=receiver,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    wait_for_port(port + 5)


def profile_toml() -> str:
    """The simulator's twenty registers as a device profile."""
    head = 'id = "bench"\nvendor = "bench"\nmodel = "plant simulator"\nfunction = 3\nsource = ["its sim.py"]\n'
    points = (
        f'\n[[point]]\nname = "{name}"\naddress = {address}\n'
        f'type = "{"uint32" if address < 6 else "uint16"}"\nunit = "raw"\ndecimals = 0\nkind = "gauge"\n'
        for name, address in REGISTERS
    )
    return head + "".join(points)


def box_toml(args: argparse.Namespace, *, uplink_port: int) -> str:
    """A bus and a machine each over TCP; on RTU one bus of all."""
    work, period_s = args.work, max(args.period_ms, SHORTEST_PERIOD_MS) / 1000
    box = (
        f'[box]\nid = "{BOX}"\nenterprise = "bench"\nsite = "bench"\nsigning_key = "{work}/keys/signing.key"\n'
        f'spool = "{work}/spool.db"\nprofiles = "{work}/profiles"\nkeep = "every"\nseal_every_s = {args.seal_s}\n'
    )
    uplink = (
        f'[uplink]\nhost = "127.0.0.1"\nport = {uplink_port}\nca = "{work}/keys/ca.pem"\n'
        f'cert = "{work}/keys/tls.pem"\nkey = "{work}/keys/tls.key"\nreceiver_key = "{work}/keys/receiver.pub"\n'
    )
    parts = [box, uplink]
    timeout = f"timeout_s = {args.timeout_s}\n" if args.timeout_s else ""
    if args.serial:
        bus = f'name = "line"\nkind = "modbus-rtu"\ndevice = "{args.serial}"\nbaud = {args.baud}\n'
        parts.append(f"[[bus]]\n{bus}period_s = {period_s}\n{timeout}")
    for machine in range(args.machines):
        name, bus, unit = f"m{machine:03}", "line", machine + 1
        if not args.serial:
            bus, unit = name, 1
            where = f'name = "{name}"\nkind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {args.base_port + machine}\n'
            parts.append(f"[[bus]]\n{where}period_s = {period_s}\n{timeout}")
        what = f'title = "{name}"\nbus = "{bus}"\nunit = {unit}\nprofile = "bench"\n'
        parts.append(f'[[machine]]\nname = "{name}"\n{what}')
    return "\n".join(parts)


def call(*argv: object) -> None:
    """Run a command; what it prints is shown only when it fails."""
    done = subprocess.run(words(*argv), capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        sys.exit(f"{' '.join(words(*argv))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def words(*argv: object) -> list[str]:
    """Paths and numbers as a command line takes them."""
    return [str(word) for word in argv]


def wait_for_port(port: int) -> None:
    """Until something listens there."""
    deadline_s = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"nothing listens at {port}: see receiver/log")


def arguments() -> argparse.Namespace:
    """What the harness's template fills in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="the gateway's folder")
    parser.add_argument("--key", type=Path, required=True, help="where the counter finds the box's key")
    parser.add_argument("--broker-port", type=int, required=True, help="the gateway's way to the broker")
    parser.add_argument("--base-port", type=int, required=True, help="the first machine's")
    parser.add_argument("--machines", type=int, required=True)
    parser.add_argument("--period-ms", type=int, required=True)
    parser.add_argument("--seal-s", type=int, required=True)
    parser.add_argument("--timeout-s", type=float, help="default: edge-agent's own")
    parser.add_argument("--serial", default="", help="the bus's device; empty: TCP")
    parser.add_argument("--baud", type=int, default=9600)
    return parser.parse_args()


if __name__ == "__main__":
    main()
