"""A bank's own hands against the receiver's real feed: pull, verify, and the token that both sides read."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("fastapi", reason="the receiver's extra is not installed")
import uvicorn
from fastapi import FastAPI

from cloud_sync.auth import Doorkeeper
from cloud_sync.feed import feed
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Bank
from evidence.errors import FeedError
from evidence.feed import Feed
from evidence.findings import Verdict
from evidence.keys import Algorithm, SigningKey
from evidence.pull import pull
from evidence.roster import Enrolled
from evidence.source import open_source
from evidence.trust import Trust
from evidence.verify import verify
from tests.evidence.test_evidence_pull import LATHE, factory, world
from tests.world.notebook import START_MS, Notebook

NOW_MS = START_MS + 86_400_000
NOW_S = NOW_MS // 1000


@contextmanager
def receiving(notebook: Notebook, bank: SigningKey, path: Path, pattern: str) -> Iterator[str]:
    """A receiver that holds the notebook's pages and grants this bank what the pattern covers."""
    store = SqliteStore(path / "receiver.sqlite")
    enrolled = Enrolled(box=notebook.box, enterprise="e", site="s", key=notebook.key.public, since_ms=START_MS)
    store.enrol(enrolled)
    store.add_bank(Bank(bank="bank-1", key=bank.public, added_ms=1))
    store.grant(bank="bank-1", box=notebook.box, pattern=pattern, from_ms=0, at_ms=1)
    store.take([notebook.open(page) for page in notebook.pages], received_ms=NOW_MS)
    door = Doorkeeper(store.banks, receiver="main", began_ms=0)
    app = FastAPI()
    router = feed(
        store, notebook.receiver, receiver="main", doorkeeper=door, now_ms=lambda: NOW_MS, health=lambda: {"ok": True}
    )
    app.include_router(router)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            store.close()


def client(url: str, key: SigningKey) -> Feed:
    return Feed(url, bank="bank-1", key=key, world=replace(world(), now_s=lambda: NOW_S))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_bank_pulls_everything_and_verifies_it(tmp_path: Path, algorithm: Algorithm) -> None:
    notebook, bank = factory(), SigningKey.generate(algorithm)
    fingerprint = notebook.receiver.public.fingerprint
    with receiving(notebook, bank, tmp_path, "*") as url:
        pulled = pull(client(url, bank), tmp_path / "copy", fingerprint=fingerprint)
        assert (pulled.new, pulled.is_broken, pulled.holes) == (len(notebook.pages), False, ())
        assert pull(client(url, bank), tmp_path / "copy", fingerprint=fingerprint).new == 0
    with open_source(tmp_path / "copy") as source:
        findings = verify(source, Trust(fingerprints=frozenset([fingerprint])))
    assert findings.verdict is Verdict.COMPLETE
    assert (findings.rosters, findings.receipts) == (1, 1)


def test_a_bank_that_was_granted_one_machine_gets_evidence_of_that_machine(tmp_path: Path) -> None:
    notebook, bank = factory(), SigningKey.generate()
    fingerprint = notebook.receiver.public.fingerprint
    with receiving(notebook, bank, tmp_path, LATHE) as url:
        pulled = pull(client(url, bank), tmp_path / "copy", fingerprint=fingerprint)
    assert (pulled.streams, pulled.is_broken) == (1, False)
    with open_source(tmp_path / "copy") as source:
        findings = verify(source, Trust(fingerprints=frozenset([fingerprint])))
    assert findings.verdict is Verdict.COMPLETE
    assert [stream.stream for stream in findings.streams] == [LATHE]


def test_a_stranger_is_told_that_he_is_one(tmp_path: Path) -> None:
    notebook = factory(1)
    with receiving(notebook, SigningKey.generate(), tmp_path, "*") as url:
        stranger = client(url, SigningKey.generate())
        with pytest.raises(FeedError, match="401 no bank has a key"):
            pull(stranger, tmp_path / "copy", fingerprint=notebook.receiver.public.fingerprint)
