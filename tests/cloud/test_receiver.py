"""The whole receiver as a process, with a real broker: what a box hears back, and what is left after a kill."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Event, Thread

import pytest

from cloud_sync.cli import main
from evidence.receipt import Receipt, open_receipt
from tests.cloud.boxes import FakeBox
from tests.world.broker import RunningBroker, missing_broker, running_broker
from tests.world.receiver import RunningReceiver, running_receiver, until
from tests.world.talker import NotConnectedError, Talker

pytestmark = pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))

UP, DOWN = "qianliyan/1/up/box-1", "qianliyan/1/down/box-1"
MACHINE = "machine/loom-1"
AGAIN_S = 1.0
"""What is not receipted is sent again only then: a receiver that starts is not to find a flood."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    with running_broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def box() -> FakeBox:
    return FakeBox()


@pytest.fixture
def receiver(tmp_path: Path, broker: RunningBroker, box: FakeBox) -> Iterator[RunningReceiver]:
    with running_receiver(tmp_path, broker) as receiver:
        enrol(receiver, box)
        yield receiver


def enrol(receiver: RunningReceiver, box: FakeBox) -> None:
    with receiver.store() as store:
        store.enrol(box.enrolled)


def receipts_of(receiver: RunningReceiver, talker: Talker) -> list[Receipt]:
    key = receiver.key.public
    return [open_receipt(heard.payload, {key.kid: key}.get) for heard in talker.heard]


def mark(receiver: RunningReceiver) -> int | None:
    with receiver.store() as store:
        return next((stream.mark for stream in store.streams() if stream.stream == MACHINE), None)


def test_a_box_that_sends_a_batch_hears_a_receipt_and_one_that_connects_hears_all(
    broker: RunningBroker, receiver: RunningReceiver, box: FakeBox, capsys: pytest.CaptureFixture[str]
) -> None:
    with Talker(broker, broker.client("box-1")) as talker:
        talker.subscribe(DOWN)
        assert talker.publish(UP, b"".join(box.windows(20))) == "Success"
        talker.hear(1)
        talker.publish(UP, b"")
        talker.hear(2)
        marks = [(s.stream, s.mark) for receipt in receipts_of(receiver, talker) for s in receipt.streams]
        assert marks == [(MACHINE, 19)] * 2
    assert main(["status", "--config", str(receiver.config), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {s["stream"]: s["mark"] for s in told["boxes"]["box-1"]["streams"]} == {MACHINE: 19}


def test_garbage_from_a_box_is_answered_and_the_receiver_lives_on(
    broker: RunningBroker, receiver: RunningReceiver, box: FakeBox
) -> None:
    with Talker(broker, broker.client("box-1")) as talker:
        talker.subscribe(DOWN)
        dice = Random(1)
        for size in (1, 10, 1000, 700_000):
            talker.publish(UP, dice.randbytes(size))
        talker.hear(1)
        assert receipts_of(receiver, talker)[0].refusals
        talker.publish(UP, b"".join(box.windows(1)))
        until(lambda: talker.hear_for(0.02) != [] and mark(receiver) == 0)
    assert receiver.health()["ok"]
    with receiver.store() as store:
        assert len(store.quarantine("box-1")) >= 4


def test_a_burst_of_small_batches_from_a_box_of_a_group_is_taken_over_one_connection(
    broker: RunningBroker, tmp_path: Path, box: FakeBox
) -> None:
    """Mosquitto 2.0.11 sends more at a time than the receive maximum allows; once that ended every connection."""
    with running_receiver(tmp_path, broker, share="two") as receiver, Talker(broker, broker.client("box-1")) as talker:
        enrol(receiver, box)
        for sealed in box.windows(400):
            talker._client.publish(UP, sealed, qos=1)
        until(lambda: talker.hear_for(0.1) is not None and mark(receiver) == 399, why=lambda: receiver.log)
        assert receiver.log.count("INFO receiving") == 1


def test_a_sigterm_ends_it_orderly(receiver: RunningReceiver) -> None:
    assert receiver.stop() == 0
    assert "INFO stopped" in receiver.log
    assert "Traceback" not in receiver.log


def test_it_starts_without_a_broker_and_connects_when_there_is_one(
    broker: RunningBroker, tmp_path: Path, box: FakeBox
) -> None:
    broker.stop()
    with running_receiver(tmp_path, broker, start=False) as receiver:
        receiver.start(connected=False)
        enrol(receiver, box)
        assert receiver.get("/healthz")[0] == 503
        broker.start()
        until(lambda: receiver.get("/healthz")[0] == 200, why=lambda: receiver.log)
        assert receiver.log.count("WARNING no connection to the broker") == 1


def test_a_broker_that_is_killed_costs_nothing(broker: RunningBroker, receiver: RunningReceiver, box: FakeBox) -> None:
    files = broker.client("box-1")
    with Talker(broker, files) as talker:
        talker.publish(UP, b"".join(box.windows(3)))
    until(lambda: mark(receiver) == 2)
    broker.kill9()
    broker.start()
    until(lambda: receiver.log.count("INFO receiving") == 2, why=lambda: receiver.log)
    with Talker(broker, files) as talker:
        talker.subscribe(DOWN)
        talker.publish(UP, b"".join(box.windows(3)))
        talker.hear(1)
        assert receipts_of(receiver, talker)[0].streams[0].mark == 5


def test_what_was_not_acknowledged_comes_again_without_the_box(
    broker: RunningBroker, receiver: RunningReceiver, box: FakeBox
) -> None:
    with closing(sqlite3.connect(receiver.directory / "receiver.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the receiver cannot commit
        with Talker(broker, broker.client("box-1")) as talker:
            talker.publish(UP, b"".join(box.windows(4)))
        time.sleep(0.5)
        receiver.kill9()
        other.execute("ROLLBACK")
    assert mark(receiver) is None
    receiver.start()
    until(lambda: mark(receiver) == 3, why=lambda: receiver.log)


def test_a_sigterm_in_the_middle_of_a_stream_stores_what_is_in_hand_and_loses_nothing(
    broker: RunningBroker, receiver: RunningReceiver, box: FakeBox
) -> None:
    with Talker(broker, broker.client("box-1")) as talker:
        talker.subscribe(DOWN)
        for sealed in box.windows(60):
            talker._client.publish(UP, sealed, qos=1)
        talker.hear(1)
        assert receiver.stop() == 0
        receiver.start()
        until(  # the broker had not taken all from the box yet
            lambda: talker.hear_for(0.1) is not None and mark(receiver) == 59, why=lambda: receiver.log
        )


@pytest.mark.story
def test_kill_9_at_any_instant_loses_nothing_that_was_receipted(
    broker: RunningBroker, receiver: RunningReceiver, box: FakeBox
) -> None:
    """A box sends on and on; the receiver is killed three times; each receipt is held against what is stored."""
    sender = Sender(broker, receiver, box)
    dice = Random(7)
    thread = Thread(target=sender.run)
    thread.start()
    try:
        for _ in range(3):
            sender.wait_for_more()
            time.sleep(dice.uniform(0, 0.3))
            receiver.kill9()
            with receiver.store() as store:
                (held,) = store.held("box-1", [MACHINE])
                assert (held.mark or 0) >= sender.mark
                assert store.hash_of_commit(store.last_commit()) is not None
            receiver.start()
        sender.pause.set()
        until(lambda: sender.mark == len(sender.sent) - 1, why=lambda: f"{sender.mark} of {len(sender.sent)}")
    finally:
        sender.stop.set()
        thread.join(60)
    with receiver.store() as store:
        (held,) = store.held("box-1", [MACHINE])
        assert [(s.first, s.last) for s in held.segments] == [(0, len(sender.sent) - 1)]
        assert held.segments[0].sha256 == box.heads[MACHINE][1]
        assert store.last_commit() == len(sender.sent)
        (stream,) = store.streams()
        derived = store.spans([stream.id], 0, 1 << 50), store.days(stream.id, 0, 1 << 50)
        assert store.rebuild(stream.id).broken == ()
        assert (store.spans([stream.id], 0, 1 << 50), store.days(stream.id, 0, 1 << 50)) == derived


class Sender:
    """A box as the wire format wants it: asks when it connects, sends what has no receipt, believes receipts only."""

    def __init__(self, broker: RunningBroker, receiver: RunningReceiver, box: FakeBox) -> None:
        self.broker, self.receiver, self.box = broker, receiver, box
        self.files = broker.client("box-1")
        self.sent: list[bytes] = []
        self.mark = -1
        self.stop, self.pause = Event(), Event()

    def wait_for_more(self) -> None:
        """Until a receipt names more than now."""
        before = self.mark
        until(lambda: self.mark > before, why=lambda: self.receiver.log)

    def run(self) -> None:
        with Talker(self.broker, self.files) as talker:
            talker.subscribe(DOWN)
            while not self.stop.is_set():
                if not self.pause.is_set():
                    self.sent += self.box.windows(10)
                before, again_s = self.mark, time.monotonic() + AGAIN_S
                try:
                    talker.publish(UP, b"".join(self.sent[self.mark + 1 :][:100]))
                    while self.mark == before and time.monotonic() < again_s:
                        talker.hear_for(0.05)
                        self.listen(talker)
                except (NotConnectedError, TimeoutError):
                    return

    def listen(self, talker: Talker) -> None:
        for receipt in receipts_of(self.receiver, talker):
            for stream in receipt.streams:
                if stream.mark is not None:
                    self.mark = max(self.mark, stream.mark)
        talker.heard.clear()
