"""A bank with nothing but `evidence` pulls from a real receiver and verifies what it got."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_sync.cli import main as cloud_sync
from evidence.cli import main as evidence
from evidence.exits import Exit
from evidence.keys import SigningKey
from tests.cloud.boxes import FakeBox
from tests.world.broker import missing_broker, running_broker
from tests.world.receiver import RunningReceiver, running_receiver

pytestmark = pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[RunningReceiver]:
    with running_broker(tmp_path / "broker") as broker, running_receiver(tmp_path, broker) as receiver:
        yield receiver


class Bank:
    def __init__(self, receiver: RunningReceiver, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.receiver, self.directory, self.capsys = receiver, directory, capsys
        self.key = SigningKey.generate()
        self.key.save(directory / "bank.key")
        (directory / "bank.pub").write_bytes(self.key.public.to_cose_key())
        self.operator("bank", "add", "bank-1", str(directory / "bank.pub"))

    def operator(self, *arguments: str) -> None:
        assert cloud_sync([*arguments, "--config", str(self.receiver.config)]) == Exit.OK
        self.capsys.readouterr()

    def pull(self) -> tuple[int, str]:
        arguments = ["--url", f"http://127.0.0.1:{self.receiver.port}", "--bank", "bank-1"]
        arguments += ["--key", str(self.directory / "bank.key"), "-o", str(self.directory / "copy")]
        arguments += ["--receiver-fingerprint", self.receiver.key.public.fingerprint]
        code = evidence(["pull", *arguments])
        captured = self.capsys.readouterr()
        return code, captured.out + captured.err

    def verified(self) -> Any:  # noqa: ANN401 - JSON
        fingerprint = self.receiver.key.public.fingerprint
        evidence(["verify", str(self.directory / "copy"), "--fingerprint", fingerprint, "--json"])
        return json.loads(self.capsys.readouterr().out)


def test_a_bank_pulls_what_it_was_granted_then_what_is_granted_later_and_verifies_it(
    receiver: RunningReceiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = FakeBox()
    bank = Bank(receiver, tmp_path, capsys)
    with receiver.store() as store:
        store.enrol(box.enrolled)
        first = [box.settings("machine/loom-1"), *box.windows(30)]
        second = [box.settings("machine/loom-2"), *box.windows(30, "machine/loom-2")]
        store.take(box.open(*first, *second), received_ms=1 << 41)
    bank.operator("grant", "bank-1", "box-1", "machine/loom-1")
    code, said = bank.pull()
    assert code == Exit.OK, said
    assert [(s["stream"], s["statements"]) for s in bank.verified()["streams"]] == [("machine/loom-1", 31)]
    bank.operator("grant", "bank-1", "box-1", "machine/*")
    with receiver.store() as store:
        store.take(box.open(*box.windows(5)), received_ms=1 << 41)
    code, said = bank.pull()
    assert code == Exit.OK, said
    found = {s["stream"]: s["statements"] for s in bank.verified()["streams"]}
    assert found == {"machine/loom-1": 36, "machine/loom-2": 31}


def test_a_bank_whose_key_is_not_known_is_told_so(
    receiver: RunningReceiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = Bank(receiver, tmp_path, capsys)
    (tmp_path / "bank.key").unlink()
    SigningKey.generate().save(tmp_path / "bank.key")
    code, said = bank.pull()
    assert code == Exit.WRONG_OUT_THERE
    assert "no bank has a key" in said
