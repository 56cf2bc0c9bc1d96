"""The uplink: whatever the link, the broker or the receiver does, every statement arrives, and nothing is believed."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import pytest

from edge_agent.keeping.spool import ReceiptTaken, Spool
from edge_agent.uplink.mqtt import Broker, UplinkError
from edge_agent.uplink.sync import SMALLEST_WINDOW_BYTES, Sending, Sync
from evidence.bodies import Configuration, Gap, GapReason
from evidence.chain import Segment
from evidence.keys import SigningKey
from evidence.receipt import Receipt, StreamReceipt, seal_receipt
from evidence.statement import BATCH_LIMIT, ClockQuality, Moment
from tests.world.box import BOX, machine_settings
from tests.world.broker import RunningBroker, missing_broker, running_broker
from tests.world.network import Relay, relay_to
from tests.world.standin import StandIn

# paho drops, unclosed, a socket whose TLS handshake failed.
pytestmark = pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")

KEY = SigningKey.generate()
MOMENT = Moment(boot=bytes(16), steady_ms=1, at_ms=2, clock=ClockQuality.NTP, clock_error_ms=None)
PRESS, SAW = "machine/press", "machine/saw"
PATIENCE_S = 60.0


def write(spool: Spool, stream: str, count: int, *, padding: int = 0) -> None:
    """So many more statements; `padding` makes each about so many bytes longer."""
    with spool.writing():
        for _ in range(count):
            n = spool.head(stream).next_n
            if n == 0 or padding:
                settings = machine_settings(stream) | {"n": n, "padding": bytes(padding)}
                spool.append(KEY, stream, Configuration(settings=settings), MOMENT)
            else:
                spool.append(KEY, stream, Gap(from_ms=n, to_ms=n, reason=GapReason.CRASH, lost=None), MOMENT)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as made:
        yield made


# What is sent next: pure but for the spool.


def sending_of(spool: Spool, *, room: int = BATCH_LIMIT, credit: float = 0) -> Sending:
    return Sending(boundary=spool.newest_id(), backlog_after=spool.first_unsent_id() - 1, room=room, credit=credit)


def receipt_for(spool: Spool, stream: str, first: int, last: int) -> Receipt:
    digest = spool.hash_at(stream, last)
    assert digest is not None
    segment = Segment(first, last, bytes(32) if first else b"", digest)
    return Receipt(
        receiver="r", box=BOX, at_ms=1, streams=(StreamReceipt(stream=stream, segments=(segment,)),), refusals=()
    )


def test_live_statements_go_before_the_backlog_and_the_backlog_oldest_first(spool: Spool) -> None:
    write(spool, PRESS, 5)
    sending = sending_of(spool, credit=3)
    write(spool, SAW, 2)
    assert [(s.stream, s.n) for s in sending.next_batch(spool)] == [(SAW, 0), (SAW, 1)]
    assert [(s.stream, s.n) for s in sending.next_batch(spool)] == [(PRESS, 0), (PRESS, 1), (PRESS, 2)]
    assert sending.next_batch(spool) == [], "the credit is used up"
    sending.credit = 99
    assert [s.n for s in sending.next_batch(spool)] == [3, 4]
    assert sending.next_batch(spool) == []


def test_what_is_outstanding_is_bounded_and_settled_by_receipts(spool: Spool) -> None:
    write(spool, PRESS, 1000)
    sending = sending_of(spool, credit=1e9)
    sent = 0
    while batch := sending.next_batch(spool):
        sending.sent(batch, 1.0)
        sent += len(batch)
    assert sent < 1000
    assert sum(len(s.encoded) for s in spool.unsent(after=0, up_to=sent, at_most=sent)) <= 64 * 1024
    assert sending.waiting_since_s() == 1.0
    receipt = receipt_for(spool, PRESS, 0, sent - 1)
    sending.receipted(receipt, spool.take_receipt(receipt, at_ms=1))
    assert sending.waiting_since_s() is None
    more = []
    while batch := sending.next_batch(spool):
        sending.sent(batch, 2.0)
        more += batch
    assert len(more) > sent, "the window has grown"


def test_a_batch_stays_below_the_brokers_packet_limit_and_what_can_never_fit_is_told_and_passed_over(
    spool: Spool,
) -> None:
    write(spool, PRESS, 2)
    write(spool, SAW, 1, padding=9_000)
    write(spool, PRESS, 2, padding=1_500)
    sending = sending_of(spool, room=4_000, credit=1e9)
    sizes, sent = [], []
    while batch := sending.next_batch(spool):
        sizes.append(sum(len(s.encoded) for s in batch))
        sent += [(s.stream, s.n) for s in batch]
    assert max(sizes) <= 4_000
    assert sent == [(PRESS, 0), (PRESS, 1), (PRESS, 2), (PRESS, 3)]
    assert [(s.stream, s.n) for s in sending.too_large] == [(SAW, 0)]


def test_a_statement_larger_than_the_window_goes_alone(spool: Spool) -> None:
    write(spool, PRESS, 3, padding=20_000)
    sending = sending_of(spool, credit=1e9)
    sending.window_bytes = SMALLEST_WINDOW_BYTES
    (first,) = sending.next_batch(spool)
    sending.sent([first], 0)
    assert sending.next_batch(spool) == []
    receipt = receipt_for(spool, PRESS, 0, 0)
    sending.receipted(receipt, spool.take_receipt(receipt, at_ms=1))
    assert len(sending.next_batch(spool)) == 1


def test_a_statement_that_only_the_other_branch_of_a_fork_covers_is_not_waited_for(spool: Spool) -> None:
    write(spool, PRESS, 4)
    sending = sending_of(spool, credit=9)
    sending.sent(sending.next_batch(spool), 1.0)
    other = Receipt(
        receiver="r",
        box=BOX,
        at_ms=1,
        streams=(StreamReceipt(stream=PRESS, segments=(Segment(0, 9, b"", bytes(32)),)),),
    )
    sending.receipted(other, spool.take_receipt(other, at_ms=1))
    assert sending.waiting_since_s() is None
    assert spool.count_unsent() == 4


def test_nothing_is_settled_by_a_receipt_of_another_stream(spool: Spool) -> None:
    write(spool, PRESS, 2)
    write(spool, SAW, 2)
    sending = sending_of(spool, credit=9)
    sending.sent(sending.next_batch(spool), 1.0)
    receipt = receipt_for(spool, SAW, 0, 1)
    sending.receipted(receipt, ReceiptTaken(forked=[], refused=[]))
    assert {sent.stream for sent in sending.outstanding.values()} == {PRESS}


# Through a real broker.

needs_broker = pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))


@pytest.fixture(scope="module")
def any_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        broker.client(BOX)
        yield broker


@pytest.fixture
def broker(any_broker: RunningBroker) -> Iterator[RunningBroker]:
    yield any_broker
    if any_broker._process is None:
        any_broker.start()


@dataclass(kw_only=True)
class Uplink:
    """A Sync in a thread, over a relay."""

    directory: Path
    broker: RunningBroker
    receiver: StandIn
    network: Relay
    stop: Event

    def write(self, stream: str, count: int, *, padding: int = 0) -> None:
        with closing(Spool(self.directory / "spool.db", box=BOX)) as spool:
            write(spool, stream, count, padding=padding)

    def unsent(self) -> int:
        with closing(Spool(self.directory / "spool.db", box=BOX, read_only=True)) as spool:
            return spool.count_unsent()

    def until(self, done: Callable[[], bool], wait_s: float = PATIENCE_S) -> None:
        give_up = time.monotonic() + wait_s
        while not done():
            assert time.monotonic() < give_up, (self.unsent(), self.receiver.count, len(self.receiver.arrived))
            time.sleep(0.03)

    def until_all_is_receipted(self, wait_s: float = PATIENCE_S) -> None:
        self.until(lambda: self.unsent() == 0, wait_s)
        with closing(Spool(self.directory / "spool.db", box=BOX, read_only=True)) as spool:
            sealed = set(spool.statements(unsent_only=False))
        held = [s.encoded for of in self.receiver.held.values() for s in of.values()]
        assert sealed == set(held)
        assert len(held) == len(set(held))


def sync_of(
    spool: Spool, broker: RunningBroker, network: Relay, receiver: StandIn, *, backlog_per_s: int, receipt_wait_s: float
) -> Sync:
    files = broker.client(BOX)
    return Sync(
        spool,
        Broker(host=network.host, port=network.port, ca=files.ca, cert=files.cert, key=files.key, keepalive_s=20),
        box=BOX,
        receiver=receiver.key.public,
        backlog_per_s=backlog_per_s,
        now_s=time.monotonic,
        utc_ms=lambda: time.time_ns() // 1_000_000,
        receipt_wait_s=receipt_wait_s,
    )


@contextmanager
def uplink(
    directory: Path,
    broker: RunningBroker,
    *,
    backlog_per_s: int = 10_000,
    receipt_wait_s: float = 1.5,
    receiver: StandIn | None = None,
    backlog: int = 0,
) -> Iterator[Uplink]:
    receiver = receiver or StandIn(broker=broker, keys={KEY.public.kid: KEY.public})
    stop = Event()
    failed: list[BaseException] = []
    with closing(Spool(directory / "spool.db", box=BOX)) as first, relay_to(broker.host, broker.port) as network:
        write(first, PRESS, backlog)

        def run() -> None:
            try:
                with closing(Spool(directory / "spool.db", box=BOX)) as spool:
                    sync_of(
                        spool, broker, network, receiver, backlog_per_s=backlog_per_s, receipt_wait_s=receipt_wait_s
                    ).run(stop)
            except BaseException as wrong:  # noqa: BLE001 - the top of a thread
                failed.append(wrong)

        thread = Thread(target=run, name="sync")
        with receiver:
            thread.start()
            try:
                yield Uplink(directory=directory, broker=broker, receiver=receiver, network=network, stop=stop)
            finally:
                stop.set()
                network.heal()
                thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert failed == []


@needs_broker
def test_everything_arrives_once_and_what_is_sealed_meanwhile_goes_first(tmp_path: Path, broker: RunningBroker) -> None:
    with uplink(tmp_path, broker, backlog=120, backlog_per_s=40, receipt_wait_s=PATIENCE_S) as up:
        up.until(lambda: up.receiver.count >= 10)
        up.write(SAW, 5)
        sealed_at = len(up.receiver.arrived)
        up.until_all_is_receipted()
        streams = [statement.stream for _, statement in up.receiver.arrived]
        assert len(streams) == 125, "nothing is sent twice on a good link"
        last = max(at for at, stream in enumerate(streams) if stream == SAW)
        assert streams[sealed_at:last].count(PRESS) <= 80, "of the backlog no more than was on its way"


@needs_broker
def test_the_backlog_goes_at_its_bounded_rate(tmp_path: Path, broker: RunningBroker) -> None:
    began_s = time.monotonic()
    with uplink(tmp_path, broker, backlog=60, backlog_per_s=20) as up:
        up.until_all_is_receipted(wait_s=30)
        assert up.receiver.arrived[-1][0] - began_s >= 2.5


@needs_broker
def test_after_a_connection_is_lost_the_receiver_is_asked_and_only_the_rest_is_sent(
    tmp_path: Path, broker: RunningBroker
) -> None:
    with uplink(tmp_path, broker, backlog=50, receipt_wait_s=PATIENCE_S) as up:
        up.until_all_is_receipted()
        asked = up.receiver.asked
        up.network.reset()
        up.write(PRESS, 10)
        up.until_all_is_receipted()
        assert up.receiver.asked > asked
        assert len(up.receiver.arrived) == 60


@needs_broker
def test_a_link_that_swallows_everything_is_left_and_everything_arrives(tmp_path: Path, broker: RunningBroker) -> None:
    with uplink(tmp_path, broker, backlog=20) as up:
        up.until_all_is_receipted()
        up.network.black_hole()
        up.write(PRESS, 40)
        time.sleep(2.5)
        assert up.unsent() == 40
        up.network.heal()
        up.until_all_is_receipted()


@needs_broker
def test_a_batch_that_is_cut_off_in_the_middle_arrives_whole(tmp_path: Path, broker: RunningBroker) -> None:
    with uplink(tmp_path, broker, backlog=5) as up:
        up.until_all_is_receipted()
        up.network.cut_after(9_000)
        up.write(PRESS, 12, padding=3_000)
        up.until_all_is_receipted()


@needs_broker
def test_a_slow_link_is_never_given_more_than_it_can_carry(tmp_path: Path, broker: RunningBroker) -> None:
    with uplink(tmp_path, broker, receipt_wait_s=3.0) as up:
        up.write(PRESS, 1)
        up.until_all_is_receipted()
        up.network.slow(20_000)
        up.write(PRESS, 30, padding=3_000)
        up.until_all_is_receipted(wait_s=90)


@needs_broker
def test_a_receiver_that_takes_in_and_says_nothing_is_asked_again(tmp_path: Path, broker: RunningBroker) -> None:
    with uplink(tmp_path, broker, backlog=10) as up:
        up.until_all_is_receipted()
        asked = up.receiver.asked
        up.receiver.mute = True
        up.write(PRESS, 10)
        up.until(lambda: up.receiver.asked > asked)
        assert up.unsent() == 10, "without a receipt nothing is taken as delivered"
        up.receiver.mute = False
        up.until_all_is_receipted()


@needs_broker
def test_a_statement_that_got_lost_behind_the_broker_is_sent_again(tmp_path: Path, broker: RunningBroker) -> None:
    receiver = StandIn(broker=broker, keys={KEY.public.kid: KEY.public}, loses=lambda s: s.n == 3)
    with uplink(tmp_path, broker, receiver=receiver, backlog=10) as up:
        up.until(lambda: up.receiver.count == 9)
        receiver.loses = lambda _: False
        up.until_all_is_receipted()


@needs_broker
def test_with_nobody_listening_nothing_is_lost_and_it_starts_when_somebody_comes(
    tmp_path: Path, broker: RunningBroker, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = StandIn(broker=broker, keys={KEY.public.kid: KEY.public})
    caplog.set_level(logging.DEBUG, logger="edge_agent.uplink.sync")
    with uplink(tmp_path, broker, receiver=receiver, backlog=10) as up:
        up.until_all_is_receipted()
        receiver.__exit__()
        up.write(PRESS, 10)
        up.until(lambda: "No matching subscribers" in caplog.text)
        receiver.__enter__()
        up.until_all_is_receipted()
    warned = [r for r in caplog.records if r.levelno == logging.WARNING and "No matching" in r.message]
    assert len(warned) <= 2, "told once, not at every attempt"


@needs_broker
def test_a_broker_that_is_down_at_the_start_is_waited_for(tmp_path: Path, broker: RunningBroker) -> None:
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as spool, relay_to(broker.host, broker.port) as network:
        write(spool, PRESS, 5)
        receiver = StandIn(broker=broker, keys={KEY.public.kid: KEY.public})
        broker.client("main")
        broker.stop()
        sync = sync_of(spool, broker, network, receiver, backlog_per_s=1000, receipt_wait_s=2)
        with pytest.raises(UplinkError, match="broker"):
            sync.send_all(within_s=1)
        stop = Event()
        thread = Thread(target=sync.run, args=(stop,))
        thread.start()
        time.sleep(0.5)
        broker.start()
        with receiver:
            give_up = time.monotonic() + PATIENCE_S
            while receiver.count < 5:
                assert time.monotonic() < give_up
                time.sleep(0.05)
        stop.set()
        thread.join(PATIENCE_S)


@needs_broker
def test_a_broker_killed_without_memory_costs_nothing(tmp_path: Path, broker: RunningBroker) -> None:
    receiver = StandIn(broker=broker, keys={KEY.public.kid: KEY.public})
    with uplink(tmp_path, broker, receiver=receiver, backlog=300, backlog_per_s=150) as up:
        up.until(lambda: receiver.count > 40)
        broker.kill9()
        receiver._thread.join(PATIENCE_S)
        broker.start()
        receiver.__enter__()
        up.until_all_is_receipted()


@needs_broker
def test_a_refused_statement_is_put_aside_and_all_others_arrive(tmp_path: Path, broker: RunningBroker) -> None:
    receiver = StandIn(broker=broker, keys={KEY.public.kid: KEY.public}, refuse=lambda s: s.n == 4)
    with uplink(tmp_path, broker, receiver=receiver, backlog=10, receipt_wait_s=PATIENCE_S) as up:
        up.until(lambda: up.unsent() == 0)
        assert len(receiver.held[PRESS]) == 9
        time.sleep(0.5)
        assert len(receiver.arrived) == 10, "it is not tried again and again"
    with closing(Spool(tmp_path / "spool.db", box=BOX, read_only=True)) as spool:
        assert [(a.n, a.reason) for a in spool.asides()] == [(4, "the stand-in does not like it")]


@needs_broker
def test_a_receipt_by_a_stranger_or_for_another_box_is_ignored(
    tmp_path: Path, broker: RunningBroker, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = StandIn(broker=broker, keys={KEY.public.kid: KEY.public}, mute=True)
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as spool, relay_to(broker.host, broker.port) as network:
        write(spool, PRESS, 5)
        sync = sync_of(spool, broker, network, receiver, backlog_per_s=1, receipt_wait_s=2)
        sending = sending_of(spool)
        good = receipt_for(spool, PRESS, 0, 4)
        assert not sync._take(seal_receipt(SigningKey.generate(), good), sending)
        assert not sync._take(b"no receipt at all", sending)
        other = Receipt(receiver="r", box="box-2", at_ms=1, streams=good.streams)
        assert not sync._take(seal_receipt(receiver.key, other), sending)
        assert spool.count_unsent() == 5
        assert sync._take(seal_receipt(receiver.key, good), sending)
        assert spool.count_unsent() == 0
    assert "ignored" in caplog.text


@needs_broker
def test_a_box_whose_certificate_is_not_taken_is_told_so(tmp_path: Path, broker: RunningBroker) -> None:
    receiver = StandIn(broker=broker, keys={})
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as spool, relay_to(broker.host, broker.port) as network:
        sync = sync_of(spool, broker, network, receiver, backlog_per_s=1, receipt_wait_s=2)
        sync._broker = Broker(
            host=network.host,
            port=network.port,
            ca=broker.client(BOX).ca,
            cert=tmp_path / "none.pem",
            key=tmp_path / "none.key",
            keepalive_s=20,
        )
        with pytest.raises(UplinkError, match="No such file"):
            sync.send_all(within_s=1)


@needs_broker
def test_send_all_ends_when_all_is_receipted(tmp_path: Path, broker: RunningBroker) -> None:
    receiver = StandIn(broker=broker, keys={KEY.public.kid: KEY.public})
    with closing(Spool(tmp_path / "spool.db", box=BOX)) as spool, relay_to(broker.host, broker.port) as network:
        write(spool, PRESS, 30)
        sync = sync_of(spool, broker, network, receiver, backlog_per_s=1000, receipt_wait_s=5)
        with receiver:
            assert sync.send_all(within_s=PATIENCE_S) == 0
