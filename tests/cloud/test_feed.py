"""The feed over HTTP: who gets what, byte for byte."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from cloud_sync.auth import Doorkeeper
from cloud_sync.feed import CBOR_SEQUENCE, PAGE_STATEMENTS, feed
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Bank, StoreError
from evidence.bundle import Entry, read_entries
from evidence.keys import PublicKey, SigningKey
from evidence.receipt import open_receipt
from evidence.roster import open_roster
from tests.cloud.boxes import NOON_MS, FakeBox
from tests.cloud.tokens import token
from tests.world.visit import get

NOW_MS = NOON_MS * 2
KEY, BANK = SigningKey.generate(), SigningKey.generate()


class World:
    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path / "receiver.sqlite")
        self.boxes = [FakeBox(box="box-1"), FakeBox(box="box-2", enterprise="众祥纺织")]
        for box in self.boxes:
            self.store.enrol(box.enrolled)
        self.store.add_bank(Bank(bank="bank-1", key=BANK.public, added_ms=1))
        self.health: dict[str, object] = {"ok": True}
        self.app = FastAPI()
        door = Doorkeeper(self.store.banks, receiver="suzhou", began_ms=0)
        self.app.include_router(
            feed(
                self.store,
                KEY,
                receiver="suzhou",
                doorkeeper=door,
                now_ms=lambda: NOW_MS,
                health=lambda: self.health,
            )
        )

    def take(self, box: FakeBox, *sealed: bytes) -> list[bytes]:
        self.store.take(box.open(*sealed), received_ms=NOW_MS)
        return list(sealed)

    def give(self, pattern: str, box: str = "box-1") -> None:
        self.store.grant(bank="bank-1", box=box, pattern=pattern, from_ms=0, at_ms=1)

    def get(self, path: str, **params: str) -> tuple[int, dict[str, str], bytes]:
        made = token(BANK, bank="bank-1", receiver="suzhou", now_s=NOW_MS // 1000)
        answer = get(self.app, f"{path}?{urlencode(params)}", authorization=f"Bearer {made}")
        return answer.status_code, dict(answer.headers), answer.content


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_a_page_is_bundle_entries_of_the_granted_streams_verbatim(world: World) -> None:
    box = world.boxes[0]
    mine = world.take(box, box.settings("machine/loom-1"), *box.windows(3))
    world.take(box, box.commissioning())
    world.take(world.boxes[1], *world.boxes[1].windows(2))
    world.give("machine/*")
    status, headers, body = world.get("/v1/feed")
    assert (status, headers["content-type"], headers["more"]) == (200, CBOR_SEQUENCE, "0")
    assert list(read_entries(body)) == [(Entry.STATEMENT, sealed) for sealed in mine]


def test_the_cursor_leads_on_and_stands_also_on_an_empty_page(world: World) -> None:
    box = world.boxes[0]
    world.give("*")
    mine = world.take(box, *box.windows(5))
    copy, cursor, more = [], "", "1"
    while more == "1":
        _, headers, body = world.get("/v1/feed", limit="2", **({"after": cursor} if cursor else {}))
        copy += [sealed for _, sealed in read_entries(body)]
        cursor, more = headers["next-cursor"], headers["more"]
    assert copy == mine
    status, headers, body = world.get("/v1/feed", after=cursor)
    assert (status, body, headers["next-cursor"], headers["more"]) == (200, b"", cursor, "0")


def test_nobody_gets_anything_without_a_token(world: World) -> None:
    for path in ("/v1/feed", "/v1/roster", "/v1/receipts"):
        answer = get(world.app, path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "bearer token is needed" in answer.json()["error"]


def test_the_roster_has_only_the_granted_boxes_and_is_signed(world: World) -> None:
    world.give("machine/loom-1", box="box-2")
    _, _, body = world.get("/v1/roster")
    ((kind, sealed),) = read_entries(body)
    roster = open_roster(sealed, {KEY.public.kid: KEY.public}.get)
    assert (kind, roster.receiver, roster.boxes) == (Entry.ROSTER, "suzhou", (world.boxes[1].enrolled,))


def test_receipts_name_only_granted_streams_one_receipt_a_box(world: World) -> None:
    for box in world.boxes:
        world.take(box, *box.windows(2), *box.windows(3, "machine/loom-2"), box.commissioning())
    world.give("machine/loom-2")
    world.give("machine/*", box="box-2")
    _, _, body = world.get("/v1/receipts")
    receipts = [open_receipt(sealed, {KEY.public.kid: KEY.public}.get) for _, sealed in read_entries(body)]
    assert [(r.box, [(s.stream, s.mark) for s in r.streams]) for r in receipts] == [
        ("box-1", [("machine/loom-2", 2)]),
        ("box-2", [("machine/loom-1", 1), ("machine/loom-2", 2)]),
    ]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", str(PAGE_STATEMENTS + 1), "٣", "9" * 30])
def test_a_limit_that_makes_no_sense_is_refused(world: World, limit: str) -> None:
    status, _, body = world.get("/v1/feed", limit=limit)
    assert (status, json.loads(body)["error"]) == (400, "limit is a whole number from 1 to 2000")


def test_a_cursor_that_is_none_is_refused_and_one_of_another_history_too(world: World, tmp_path: Path) -> None:
    assert world.get("/v1/feed", after="hello")[0] == 400
    box = world.boxes[0]
    world.take(box, *box.windows(2))
    cursor = world.get("/v1/feed")[1]["next-cursor"]
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other")
    try:
        assert other.get("/v1/feed", after=cursor)[0] == 409
    finally:
        other.store.close()


def test_everybody_may_know_who_the_receiver_is(world: World) -> None:
    about = get(world.app, "/v1/about").json()
    assert (about["receiver"], about["fingerprint"]) == ("suzhou", KEY.public.fingerprint)
    encoded = about["public_key"]
    assert PublicKey.from_cose_key(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))) == KEY.public


def test_health_says_whether_it_works(world: World) -> None:
    assert get(world.app, "/healthz").status_code == 200
    world.health = {"ok": False, "why": "the disk is full"}
    answer = get(world.app, "/healthz")
    assert (answer.status_code, answer.json()["why"]) == (503, "the disk is full")


def test_a_store_that_cannot_be_read_is_503_and_says_nothing_of_paths(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreError("/var/lib/secret/receiver.db is damaged")

    monkeypatch.setattr(world.store, "grants", broken)
    status, _, body = world.get("/v1/feed")
    assert status == 503
    assert b"secret" not in body
