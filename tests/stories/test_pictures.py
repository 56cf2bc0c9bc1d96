"""Pictures as large as a statement may be go the whole way: box, broker, receiver, feed, and a person who counts."""

import re
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from cloud_sync.cli import main as cloud_sync
from edge_agent.keeping.spool import Spool
from edge_agent.uplink.mqtt import Broker
from edge_agent.uplink.sync import Sync
from evidence.bodies import MARKS_LIMIT, PICTURE_LIMIT, Body, Configuration, Direction, Mark, Picture, PictureKind
from evidence.cli import main as evidence
from evidence.exits import Exit
from evidence.keys import SigningKey
from evidence.roster import Enrolled
from evidence.statement import BATCH_LIMIT, STATEMENT_LIMIT, ClockQuality, Moment
from tests.world.box import BOX
from tests.world.broker import missing_broker, now_ms, running_broker
from tests.world.receiver import running_receiver

pytestmark = [pytest.mark.story, pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))]

DOOR = "gate/door"
HOURS = 7
"""Together more than two batches."""


def hour_of(number: int, from_ms: int) -> Picture:
    """As large as a picture may be, with as many marks as there may be."""
    data = b"RIFF\x10\0\0\0WEBPVP8 " + Random(number).randbytes(PICTURE_LIMIT - 16)
    to_ms = from_ms + 3_600_000
    return Picture(
        from_ms=from_ms,
        to_ms=to_ms,
        what=PictureKind.SLIT,
        media_type="image/webp",
        width=65_000,
        height=400,
        sha256=sha256(data).digest(),
        length=len(data),
        data=data,
        marks=[Mark(to_ms - 1, 64_999, 399, Direction.OUT)] * MARKS_LIMIT,
    )


def test_pictures_at_the_limit_go_the_whole_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, bank = SigningKey.generate(), SigningKey.generate()
    began_ms = now_ms() - HOURS * 3_600_000
    hours = [hour_of(number, began_ms + number * 3_600_000) for number in range(HOURS)]
    with (
        running_broker(tmp_path / "broker") as broker,
        running_receiver(tmp_path, broker) as receiver,
        closing(Spool(tmp_path / "spool.db", box=BOX)) as spool,
    ):
        with receiver.store() as store:
            store.enrol(
                Enrolled(box=BOX, enterprise="works", site="Hall 1", key=key.public, since_ms=began_ms - 86_400_000)
            )
        with spool.writing():
            bodies: list[Body] = [Configuration(settings={"title": "Door"}), *hours]
            for body in bodies:
                moment = Moment(boot=bytes(16), steady_ms=1, at_ms=now_ms(), clock=ClockQuality.NTP, clock_error_ms=20)
                spool.append(key, DOOR, body, moment)
        sizes = [len(encoded) for encoded in spool.statements(unsent_only=True)]
        assert PICTURE_LIMIT < max(sizes) <= STATEMENT_LIMIT
        assert sum(sizes) > 2 * BATCH_LIMIT
        files = broker.client(BOX)
        sync = Sync(
            spool,
            Broker(host=broker.host, port=broker.port, ca=files.ca, cert=files.cert, key=files.key, keepalive_s=20),
            box=BOX,
            receiver=receiver.key.public,
            backlog_per_s=1000,
            now_s=monotonic,
            utc_ms=now_ms,
        )
        assert sync.send_all(within_s=60) == 0
        assert not re.search("WARNING|ERROR", receiver.log), receiver.log

        # A bank pulls, verifies, and takes an hour out.
        bank.save(tmp_path / "bank.key")
        (tmp_path / "bank.pub").write_bytes(bank.public.to_cose_key())
        for order in (["bank", "add", "bank-1", str(tmp_path / "bank.pub")], ["grant", "bank-1", BOX, DOOR]):
            assert cloud_sync([*order, "--config", str(receiver.config)]) == Exit.OK
        fingerprint, copy = receiver.key.public.fingerprint, str(tmp_path / "copy")
        to = ["--url", f"http://127.0.0.1:{receiver.port}", "--bank", "bank-1", "--key", str(tmp_path / "bank.key")]
        assert evidence(["pull", *to, "--receiver-fingerprint", fingerprint, "-o", copy]) == Exit.OK
        capsys.readouterr()
        assert evidence(["verify", copy, "--fingerprint", fingerprint]) == Exit.OK
        said = capsys.readouterr().out
        assert f"{HOURS} ({HOURS} slit): {HOURS} left the box and are here ({HOURS * PICTURE_LIMIT:,} bytes)" in said
        taken = tmp_path / "hour.webp"
        digest = hours[-1].sha256.hex()
        assert evidence(["picture", copy, digest, "--out", str(taken)]) == Exit.OK
        assert taken.read_bytes() == hours[-1].data

        # The page shows it, as what it is.
        page = receiver.get("/e/works/g/box-1.door")[2].decode()
        (address,) = re.findall(rf'<img src="([^"]*{digest})"', page)
        status, headers, shown = receiver.get(address)
        assert (status, headers["content-type"], shown) == (200, "image/webp", hours[-1].data)
        assert receiver.get(address.replace(digest, "0" * 64))[0] == 404
