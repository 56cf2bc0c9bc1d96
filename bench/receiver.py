"""What a receiver can take in: verified and stored readings a second, and bytes stored a reading.

    python bench/receiver.py                  without a broker: one core
    python bench/receiver.py --broker         with a real Mosquitto: batches over mutual TLS, receipts back
    python bench/receiver.py --profile        without a broker, and where the time goes

A statement has 100 readings of noisy power with 3 s between them, its last raw frame, and one run state.
"""

import argparse
import cProfile
import pstats
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from threading import Event
from typing import Final

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from cloud_sync.clock import SystemClock
from cloud_sync.intake import Batch, Intake
from cloud_sync.receipts import Receipts
from cloud_sync.sqlite_store import SqliteStore
from evidence.bodies import Aggregate, Column, Configuration, Keep, Readings
from evidence.judging.judge import RunState
from evidence.keys import SigningKey
from evidence.roster import Enrolled
from evidence.statement import ClockQuality, Moment, seal

READINGS: Final = 100
"""Of one statement."""
PERIOD_MS: Final = 3000
QUEUE: Final = 400
"""Batches on their way at a time, at most: the broker keeps 1,000 for one client and drops the rest."""
BEGIN_MS: Final = 1_769_918_400_000


@dataclass
class Box:
    """Seals noisy statements of a few machines, in the order of time."""

    box: str
    machines: int
    dice: Random
    key: SigningKey = field(default_factory=SigningKey.generate)
    heads: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    config: bytes = b""

    @property
    def enrolled(self) -> Enrolled:
        """Its entry in the roster."""
        return Enrolled(box=self.box, enterprise="bench", site="bench", key=self.key.public, since_ms=BEGIN_MS)

    def statements(self, windows: int) -> Iterator[bytes]:
        """Settings of every machine, then so many windows of each."""
        settings = Configuration(settings={"title": "bench"})
        self.config = sha256(settings.encoded).digest()
        for machine in range(self.machines):
            yield self._seal(f"machine/loom-{machine}", settings, BEGIN_MS)
        for window in range(windows):
            for machine in range(self.machines):
                yield self._window(f"machine/loom-{machine}", BEGIN_MS + window * READINGS * PERIOD_MS)

    def _window(self, stream: str, from_ms: int) -> bytes:
        state = self.dice.choice((RunState.RUNNING, RunState.RUNNING, RunState.STOPPED))
        level = 9000 if state is RunState.RUNNING else 40
        to_ms = from_ms + READINGS * PERIOD_MS
        body = Readings(
            from_ms=from_ms,
            to_ms=to_ms,
            period_ms=PERIOD_MS,
            keep=Keep.EVERY,
            times_ms=[from_ms + i * PERIOD_MS + self.dice.randrange(40) for i in range(READINGS)],
            columns=[
                Column(
                    point="active_power",
                    aggregate=Aggregate.SAMPLE,
                    unit="W",
                    decimals=0,
                    values=[int(self.dice.gauss(level, level / 30)) for _ in range(READINGS)],
                )
            ],
            spans=[(from_ms, state)],
            frames=[(to_ms - PERIOD_MS, self.dice.randbytes(8), self.dice.randbytes(45))],
        )
        return self._seal(stream, body, to_ms)

    def _seal(self, stream: str, body: Readings | Configuration, at_ms: int) -> bytes:
        n, prev = self.heads.get(stream, (0, b""))
        moment = Moment(boot=b"b" * 16, steady_ms=1, at_ms=at_ms, clock=ClockQuality.NTP, clock_error_ms=3)
        sealed = seal(
            self.key, box=self.box, stream=stream, n=n, prev=prev, moment=moment, config=self.config, body=body
        )
        self.heads[stream] = (n + 1, sha256(sealed).digest())
        return sealed


class Nobody:
    """A messenger that counts."""

    receipts = 0

    def acknowledge(self, batch: Batch) -> None:
        """Nobody waits."""

    def publish(self, box: str, receipt: bytes) -> None:
        """One more."""
        del box, receipt
        self.receipts += 1


def batches_of(box: Box, windows: int, size: int) -> list[Batch]:
    """The box's statements, `size` in a batch."""
    sealed = list(box.statements(windows))
    return [Batch(box=box.box, payload=b"".join(sealed[i : i + size])) for i in range(0, len(sealed), size)]


def interleaved(boxes: list[list[Batch]]) -> list[Batch]:
    """One batch of each box after the other, as they would come."""
    return [batch for row in zip(*boxes, strict=True) for batch in row]


def without_broker(args: argparse.Namespace, directory: Path) -> None:
    """Through the intake, in one thread."""
    made = [Box(box=f"box-{i}", machines=args.machines, dice=Random(i)) for i in range(args.boxes)]
    batches = interleaved([batches_of(box, args.windows, args.batch) for box in made])
    path = directory / "receiver.db"
    with closing(SqliteStore(path)) as store:
        for box in made:
            store.enrol(box.enrolled)
        nobody = Nobody()
        receipts = Receipts(store, SigningKey.generate(), receiver="bench")
        intake = Intake(store, receipts, nobody, SystemClock())
        stop, profile = Event(), cProfile.Profile()
        if args.profile:
            profile.enable()
        began, cpu = time.perf_counter(), time.process_time()
        for i in range(0, len(batches), args.together):
            intake.take(batches[i : i + args.together], stop)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        profile.disable()
        counts = intake.counts
    if counts.repeated or counts.refused:
        raise SystemExit(f"{counts.repeated} repeated, {counts.refused} refused: this bench is broken")
    statements = counts.accepted
    readings = (statements - args.boxes * args.machines) * READINGS
    print(
        f"{statements:,} statements of {READINGS} readings, {args.batch} in a batch, {args.together} batches a commit"
    )
    print(f"{counts.commits} commits, {nobody.receipts} receipts")
    print(f"{readings / cpu_s:,.0f} readings/s of CPU, {readings / wall_s:,.0f} readings/s on the clock")
    print(f"{cpu_s / statements * 1e6:.0f} us of CPU a statement")
    print(f"{path.stat().st_size / readings:.1f} bytes stored a reading")
    if args.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def with_broker(args: argparse.Namespace, directory: Path) -> None:
    """Over a real Mosquitto, to a receiver process of its own; done when everything is receipted."""
    import ssl

    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    from evidence.receipt import open_receipt
    from tests.world.broker import running_broker
    from tests.world.receiver import running_receiver

    made = [Box(box=f"box-{i}", machines=args.machines, dice=Random(i)) for i in range(args.boxes)]
    batches = {box.box: batches_of(box, args.windows, args.batch) for box in made}
    receipted: dict[tuple[str, str], int] = {}
    with running_broker(directory / "broker") as broker, running_receiver(directory, broker) as receiver:
        with receiver.store() as store:
            for box in made:
                store.enrol(box.enrolled)
        key = receiver.key.public

        def heard(_client: object, _data: object, message: paho.MQTTMessage) -> None:
            receipt = open_receipt(bytes(message.payload), {key.kid: key}.get)
            for stream in receipt.streams:
                receipted[receipt.box, stream.stream] = stream.mark or 0

        def connected(box: Box) -> paho.Client:
            files = broker.client(box.box)
            client = paho.Client(CallbackAPIVersion.VERSION2, client_id=box.box, protocol=paho.MQTTv5)
            context = ssl.create_default_context(cafile=str(files.ca))
            context.load_cert_chain(files.cert, files.key)
            client.tls_set_context(context)
            client.on_message = heard
            client.connect(broker.host, broker.port)
            client.subscribe(f"qianliyan/1/down/{box.box}", qos=1)
            client.loop_start()
            return client

        clients = {box.box: connected(box) for box in made}
        process = psutil.Process(receiver.pid)
        wanted = {(box.box, stream): n - 1 for box in made for stream, (n, _) in box.heads.items()}
        began, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
        for sent, batch in enumerate(interleaved(list(batches.values()))):
            while sent * args.batch - sum(receipted.values()) > args.batch * QUEUE:
                time.sleep(0.001)  # a box, too, has a limit of what it sends without a receipt
            clients[batch.box].publish(f"qianliyan/1/up/{batch.box}", batch.payload, qos=1)
        while receipted != wanted:
            time.sleep(0.01)
            if time.perf_counter() - began > args.give_up_s:
                raise SystemExit("not everything was receipted in time")
        wall_s, cpu_s = time.perf_counter() - began, sum(process.cpu_times()[:2]) - cpu
        memory = process.memory_info().rss
        for client in clients.values():
            client.disconnect()
            client.loop_stop()
        receiver.stop()
    statements = sum(n + 1 for n in wanted.values())
    readings = (statements - len(wanted)) * READINGS
    print(f"{statements:,} statements of {READINGS} readings from {len(made)} boxes, {args.batch} in a batch, over TLS")
    print(f"{readings / wall_s:,.0f} readings/s from the first publish to the last receipt")
    print(f"{readings / cpu_s:,.0f} readings/s of the receiver's CPU; {memory / 1e6:.0f} MB resident")
    print(f"{(directory / 'receiver.db').stat().st_size / readings:.1f} bytes stored a reading")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--machines", type=int, default=10, help="of each box")
    parser.add_argument("--windows", type=int, default=49, help="statements of each machine, beside its settings")
    parser.add_argument("--batch", type=int, default=50, help="statements in a batch")
    parser.add_argument("--together", type=int, default=10, help="batches in a commit, without a broker")
    parser.add_argument("--give-up-s", type=float, default=300)
    args = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-receiver-"))
    try:
        (with_broker if args.broker else without_broker)(args, directory)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
