"""`cloud-sync` as one types it: every command, its JSON, its exit code, and no traceback for a mistake."""

import io
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from cloud_sync.cli import main
from cloud_sync.sqlite_store import SqliteStore
from evidence.bodies import Phase
from evidence.bundle import Entry, read_bundle, write_bundle
from evidence.exits import Exit
from evidence.keys import PublicKey, SigningKey
from evidence.receipt import open_receipt
from evidence.roster import open_roster
from tests.cloud.boxes import NOON_MS, STOPPED, FakeBox, limit

Run: TypeAlias = Callable[..., Any]


class World:
    """A receiver's directory, and what its commands print."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self.capsys = directory, capsys
        self.code, self.err = 0, ""

    def run(self, *arguments: object, config: bool = True) -> Any:  # noqa: ANN401 - JSON, or the text where it is none
        self.code = main([*map(str, arguments), *(["--config", str(self.config)] if config else [])])
        out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.err
        return json.loads(out) if "--json" in arguments and out else out

    @property
    def config(self) -> Path:
        return self.directory / "receiver.toml"

    @property
    def receiver_key(self) -> PublicKey:
        return PublicKey.load(self.directory / "keys" / "signing.key.pub")

    def enrol(self, box: FakeBox) -> FakeBox:
        with closing(SqliteStore(self.directory / "receiver.db")) as store:
            store.enrol(box.enrolled)
        return box

    def bundle(self, *sealed: bytes) -> Path:
        file = self.directory / "stick.bundle"
        with file.open("wb") as out:
            write_bundle(out, [(Entry.STATEMENT, encoded) for encoded in sealed])
        return file


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    world = World(tmp_path / "etc", capsys)
    world.run("init", world.directory, "--id", "suzhou", "--host", "127.0.0.1", config=False)
    assert world.code == Exit.OK, world.err
    return world


def test_init_makes_everything_and_again_changes_nothing(world: World) -> None:
    before = {path: path.read_bytes() for path in sorted(world.directory.rglob("*")) if path.is_file()}
    told = world.run("init", world.directory, "--id", "suzhou", "--host", "127.0.0.1", "--json", config=False)
    assert told["fingerprint"] == world.receiver_key.fingerprint
    assert {path: path.read_bytes() for path in before} == before
    assert (world.directory / "keys" / "signing.key").stat().st_mode & 0o777 == 0o600


def test_import_takes_a_stick_and_answers_with_receipts_for_the_box(world: World) -> None:
    box = world.enrol(FakeBox())
    file = world.bundle(box.commissioning(), *box.windows(5))
    told = world.run("import", file, "--receipt-out", world.directory / "answer", "--json")
    assert world.code == Exit.OK
    assert (told["accepted"], told["repeated"], told["refused"], told["boxes"]) == (6, 0, 0, ["box-1"])
    ((kind, sealed),) = read_bundle(world.directory / "answer")
    receipt = open_receipt(sealed, {world.receiver_key.kid: world.receiver_key}.get)
    assert kind is Entry.RECEIPT
    assert {s.stream: s.mark for s in receipt.streams} == {"box": 0, "machine/loom-1": 4}
    assert world.run("import", file, "--json")["repeated"] == 6


def test_events_that_come_by_stick_raise_what_events_by_the_broker_raise(world: World) -> None:
    box = world.enrol(FakeBox())
    sealed = box.settings("fire/hydrant"), box.sensed([120, 86]), box.events(limit(Phase.RAISED))
    told = world.run("import", world.bundle(*sealed, box.events(limit(Phase.RAISED, subject="sprinkler"))), "--json")
    assert (told["accepted"], told["refused"]) == (4, 0)
    (stream,) = world.run("status", "--json")["boxes"]["box-1"]["streams"]
    assert stream["alarms"] == 2
    assert "fire/hydrant              0 to 3  2 raised and not cleared" in world.run("status")
    world.run("import", world.bundle(box.events(limit(Phase.CLEARED))))
    assert "1 raised and not cleared" in world.run("status")


def test_import_of_a_damaged_file_takes_what_stands_before(world: World) -> None:
    box = world.enrol(FakeBox())
    file = world.bundle(*box.windows(3))
    file.write_bytes(file.read_bytes()[:-10])
    told = world.run("import", file, "--json")
    assert world.code == Exit.EVIDENCE_BROKEN
    assert (told["accepted"], told["broken"]) == (2, "the bundle is cut off in its last entry")


def test_import_refuses_what_no_enrolled_key_signed_and_says_why(world: World) -> None:
    told = world.run("import", world.bundle(*FakeBox().windows(2), b"noise"), "--json")
    assert world.code == Exit.EVIDENCE_BROKEN
    assert told["refused"] == 3
    assert told["reasons"]["signed by a key that is not enrolled for box-1"] == 2
    pieces = world.run("quarantine", "--json")
    assert [piece["box"] for piece in pieces] == ["box-1", "box-1", "unknown"]
    shown = world.run("quarantine", "--show", pieces[2]["id"], "-o", world.directory / "piece", "--json")
    assert (shown[0]["body"], shown[0]["whole"]) == (b"noise".hex(), True)
    assert (world.directory / "piece").read_bytes() == b"noise"


def test_status_tells_marks_holes_forks_and_what_the_box_has_not_sent(world: World) -> None:
    box = world.enrol(FakeBox())
    head = box.commissioning()
    windows = box.windows(6)
    clone = FakeBox(key=box.key)
    sealed = [head, *windows[:2], *windows[4:5], box.heartbeat(), *clone.windows(1, state=STOPPED)]
    world.run("import", world.bundle(*sealed))
    told = world.run("status", "--json")
    assert world.code == Exit.EVIDENCE_BROKEN
    loom = told["boxes"]["box-1"]["streams"][1]
    assert (loom["mark"], loom["holes"], loom["forks"], loom["unsent"]) == (1, [[2, 3]], [0], 1)
    text = world.run("status")
    assert "machine/loom-1" in text
    assert "0 to 1  missing 2 to 3  FORK at 0  1 not sent yet" in text


def test_rebuild_verifies_everything_again(world: World) -> None:
    box = world.enrol(FakeBox())
    world.run("import", world.bundle(*box.windows(4)))
    assert world.run("rebuild", "--json") == {"streams": 1, "statements": 4, "broken": []}
    with closing(SqliteStore(world.directory / "receiver.db")) as store, store._connections.writing() as db:
        db.execute("UPDATE statement SET at_ms = at_ms + 1 WHERE seq = 2")
    told = world.run("rebuild", "--json")
    assert world.code == Exit.EVIDENCE_BROKEN
    assert told["broken"] == [
        {"box": "box-1", "stream": "machine/loom-1", "seq": 2, "why": "the row does not say what its bytes say"}
    ]


def test_a_bank_is_let_in_granted_listed_and_withdrawn(world: World) -> None:
    world.enrol(FakeBox())
    key = SigningKey.generate()
    (world.directory / "bank.pub").write_bytes(key.public.to_cose_key())
    told = world.run("bank", "add", "bank-1", world.directory / "bank.pub", "--json")
    assert told["fingerprint"] == key.public.fingerprint
    told = world.run("grant", "bank-1", "box-1", "machine/*", "--from", "2026-02-01", "--json")
    assert told["from_ms"] == NOON_MS - 12 * 3_600_000
    assert "box-1 machine/* from 2026-02-01 on" in world.run("bank", "list")
    world.run("withdraw", "bank-1", "box-1", "machine/*")
    assert world.code == Exit.OK
    assert world.run("bank", "list", "--json")[0]["grants"] == []


def test_the_roster_is_listed_and_written_signed(world: World) -> None:
    box = world.enrol(FakeBox())
    (listed,) = world.run("roster", "-o", world.directory / "roster", "--json")
    assert listed["fingerprint"] == box.key.public.fingerprint
    entries = dict(read_bundle(world.directory / "roster"))
    roster = open_roster(entries[Entry.ROSTER], {world.receiver_key.kid: world.receiver_key}.get)
    assert roster.boxes == (box.enrolled,)


def test_a_box_is_enrolled_through_the_same_configuration(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_agent.commands.enrol import make_request

    (tmp_path / "box").mkdir()
    request = make_request(tmp_path / "box", box="press-1", enterprise="众祥纺织", site="吴江", at_ms=NOON_MS)
    (tmp_path / "request").write_bytes(request.encoded)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    world.run("enrol", tmp_path / "request", "-o", tmp_path / "answer")
    assert world.code == Exit.OK, world.err
    assert [one["box"] for one in world.run("roster", "--json")] == ["press-1"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["grant", "bank-9", "box-1", "*"], Exit.USAGE, "no bank bank-9: cloud-sync bank add"),
        (["grant", "bank-9", "box-1", "machine"], Exit.USAGE, "is neither a stream"),
        (["grant", "bank-9", "box-1", "*", "--from", "yesterday"], Exit.USAGE, "is no day"),
        (["withdraw", "bank-9", "box-1", "*"], Exit.USAGE, "has no grant of exactly"),
        (["bank", "add", "bank-1", "/nowhere"], Exit.CONFIGURATION, "cannot read the public key file"),
        (["bank", "add", "Bank", "/nowhere"], Exit.USAGE, "no box id"),
        (["import", "/nowhere"], Exit.HARDWARE, "/nowhere: No such file"),
        (["quarantine", "--show", "7"], Exit.USAGE, "no piece 7"),
        (["rebuild", "--box", "box-9"], Exit.USAGE, "no statement of box box-9"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(world: World, arguments: list[str], code: Exit, told: str) -> None:
    world.run(*arguments)
    assert (world.code, told in world.err) == (code, True), world.err


def test_a_missing_configuration_is_exit_code_3(world: World, tmp_path: Path) -> None:
    for command in (["status"], ["serve"], ["roster"]):
        world.run(*command, "--config", tmp_path / "none.toml", config=False)
        assert world.code == Exit.CONFIGURATION
        assert "cloud-sync init" in world.err


def test_a_store_whose_directory_is_gone_is_exit_code_4(world: World) -> None:
    world.config.write_text(world.config.read_text().replace('"./receiver.db"', '"/nowhere/receiver.db"'))
    world.run("status")
    assert (world.code, "cannot open" in world.err) == (Exit.HARDWARE, True)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("cloud-sync 0.")
