"""Golden vectors of wire format 1 and what was added to it: what they said, they say for ever. Never make them anew."""

import json
from pathlib import Path
from typing import Any

import pytest

from evidence import cbor, cose
from evidence.bodies import Kind
from evidence.bundle import Entry, index_bundle
from evidence.errors import RefusedError
from evidence.judging.columns import row_ends
from evidence.judging.judge import Threshold
from evidence.judging.rejudge import Rejudge
from evidence.keys import Algorithm, PublicKey
from evidence.receipt import open_receipt
from evidence.roster import open_roster
from evidence.show import receipt_json, roster_json, statement_json
from evidence.statement import AAD, open_statement

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
PAGES = {"wire-1": 11, "wire-1-eyes": 8}
FILES = {path.stem: path for folder in PAGES for path in sorted((VECTORS / folder).glob("*.json"))}
STATEMENTS = sorted(name for name in FILES if name.startswith("statement-"))


def load(name: str) -> Any:  # noqa: ANN401
    return json.loads(FILES[name].read_text())


KEYS = {name: PublicKey.from_cose_key(bytes.fromhex(key["cose_key"])) for name, key in load("keys").items()}
ALGORITHMS = {"ed25519": Algorithm.ED25519, "p256": Algorithm.ESP256}


def test_there_is_a_vector_of_every_kind_and_algorithm() -> None:
    kinds = {load(name)["ed25519"]["fields"]["kind"] for name in STATEMENTS}
    for folder, pages in PAGES.items():
        assert len(list((VECTORS / folder).glob("statement-*.json"))) == pages
    assert len(STATEMENTS) == sum(PAGES.values())
    assert kinds == {kind.name.lower() for kind in Kind}
    assert all(set(load(name)) == set(ALGORITHMS) for name in STATEMENTS)


@pytest.mark.parametrize("name", KEYS)
def test_keys_have_their_names(name: str) -> None:
    key, told = KEYS[name], load("keys")[name]
    assert (key.thumbprint.hex(), key.kid.hex(), key.fingerprint) == (
        told["thumbprint"],
        told["kid"],
        told["fingerprint"],
    )
    assert key.to_cose_key().hex() == told["cose_key"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_says_what_it_always_said(name: str, algorithm: str) -> None:
    vector = load(name)[algorithm]
    encoded = bytes.fromhex(vector["hex"])
    statement = open_statement(encoded, lambda _: KEYS[algorithm])
    assert statement_json(statement) == vector["fields"]
    assert statement.key.algorithm is ALGORITHMS[algorithm]
    payload = cbor.decode(cose.peek1(encoded, at_most=1 << 20), at_most=1 << 20)
    assert payload[12] == statement.body.to_value()


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_signed_by_nobody_else_and_for_nothing_else(name: str) -> None:
    encoded = bytes.fromhex(load(name)["ed25519"]["hex"])
    for key, aad in ((KEYS["p256"], AAD), (KEYS["receiver"], AAD), (KEYS["ed25519"], b"qianliyan receipt 1")):
        by_kid = dict.fromkeys([KEYS["ed25519"].kid], key)
        with pytest.raises(RefusedError):
            cose.open1(encoded, aad=aad, key_of=by_kid.get, at_most=1 << 20)


def test_the_receipt_says_what_it_always_said() -> None:
    vector = load("receipt")
    assert receipt_json(open_receipt(bytes.fromhex(vector["hex"]), lambda _: KEYS["receiver"])) == vector["fields"]


def test_the_roster_says_what_it_always_said() -> None:
    vector = load("roster")
    assert roster_json(open_roster(bytes.fromhex(vector["hex"]), lambda _: KEYS["receiver"])) == vector["fields"]


def test_the_bundle_holds_what_it_always_held(tmp_path: Path) -> None:
    vector = load("bundle")
    path = tmp_path / "golden.bundle"
    path.write_bytes(bytes.fromhex(vector["hex"]))
    documents = {document: bytes.fromhex(load(document)["hex"]) for document in ("receipt", "roster")}
    documents["readings"] = bytes.fromhex(load("statement-readings")["ed25519"]["hex"])
    entries = [(kind, content) for _, kind, content in index_bundle(path)]
    assert [int(kind) for kind, _ in entries] == [entry["type"] for entry in vector["fields"]]
    assert (Entry.RECEIPT, documents["receipt"]) in entries
    assert (Entry.ROSTER, documents["roster"]) in entries
    assert (Entry.STATEMENT, documents["readings"]) in entries
    assert (Entry.KEY, KEYS["receiver"].to_cose_key()) in entries


def test_the_golden_readings_are_judged_as_they_say() -> None:
    settings = load("statement-configuration")["ed25519"]["fields"]["body"]["settings"]
    by = Threshold.from_settings(settings)
    for name in ("statement-readings", "statement-readings-minute"):
        page = bytes.fromhex(load(name)["ed25519"]["hex"])
        body = open_statement(page, lambda _: KEYS["ed25519"]).body
        verdict = Rejudge().take(body, row_ends(body), by, config=bytes(32), follows=True)  # type: ignore[arg-type]
        assert verdict.disagree == ()
        assert verdict.agree_ms == body.to_ms - body.from_ms  # type: ignore[union-attr]
