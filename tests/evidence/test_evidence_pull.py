"""Pulling: the same copy whatever happens on the way, killed at every durable step included."""

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from evidence.bundle import Entry, read_bundle
from evidence.errors import CopyError, FeedError, StrangerError
from evidence.feed import ATTEMPTS, LONGEST_WAIT_S, Feed, World
from evidence.findings import Pulled, Verdict
from evidence.keys import Algorithm, SigningKey
from evidence.pull import pull
from evidence.source import ASIDE_FILE, COPY_FILE, STATE_FILE, open_source
from evidence.trust import Trust
from evidence.verify import verify
from tests.world.feed import Answer, FeedWorld, running_feed
from tests.world.notebook import Notebook

LATHE = "machine/lathe"


def factory(windows: int = 8) -> Notebook:
    notebook = Notebook()
    notebook.chain("box")
    for _ in range(windows):
        notebook.readings(LATHE, [0] * 20 + [5_000_000] * 30)
        notebook.heartbeat()
    return notebook


def world(sleeps: list[float] | None = None) -> World:
    slept = [] if sleeps is None else sleeps
    return World(
        now_s=lambda: 1_772_323_200,
        sleep_s=slept.append,
        chance=lambda: 1.0,
        token_id=secrets.token_hex,
    )


def bring(
    feed: FeedWorld, directory: Path, *, sleeps: list[float] | None = None, step: Callable[[str], None] | None = None
) -> Pulled:
    client = Feed(feed.url, bank="bank-1", key=feed.bank, world=world(sleeps))
    fingerprint = feed.notebook.receiver.public.fingerprint
    return pull(client, directory, fingerprint=fingerprint, step=step or (lambda _: None))


def verdict(directory: Path, notebook: Notebook) -> Verdict:
    with open_source(directory) as source:
        return verify(source, Trust(fingerprints=frozenset([notebook.receiver.public.fingerprint]))).verdict


def test_a_copy_holds_every_statement_byte_for_byte_and_verifies(tmp_path: Path) -> None:
    notebook = factory()
    with running_feed(notebook) as feed:
        pulled = bring(feed, tmp_path)
    assert (pulled.new, pulled.held, pulled.streams, pulled.is_broken) == (
        len(notebook.pages),
        len(notebook.pages),
        2,
        False,
    )
    entries = list(read_bundle(tmp_path / COPY_FILE))
    assert [content for kind, content in entries if kind is Entry.STATEMENT] == notebook.pages
    assert verdict(tmp_path, notebook) is Verdict.COMPLETE


def test_pulling_again_brings_only_what_is_new(tmp_path: Path) -> None:
    notebook = factory()
    with running_feed(notebook) as feed:
        bring(feed, tmp_path)
        before = (tmp_path / COPY_FILE).read_bytes()
        assert bring(feed, tmp_path).new == 0
        assert (tmp_path / COPY_FILE).read_bytes() == before
        notebook.heartbeat()
        assert bring(feed, tmp_path).new == 1
        assert (tmp_path / COPY_FILE).read_bytes().startswith(before)
    assert verdict(tmp_path, notebook) is Verdict.COMPLETE


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_question_carries_a_fresh_token_signed_by_the_bank(tmp_path: Path, algorithm: Algorithm) -> None:
    with running_feed(factory()) as feed:
        feed.bank = SigningKey.generate(algorithm)
        bring(feed, tmp_path)
        assert len(feed.tokens) == len(feed.asked) - 1 > 3
        for token in feed.tokens:
            assert token["alg"] == ("Ed25519" if algorithm is Algorithm.ED25519 else "ES256")
            assert (token["iss"], token["aud"], token["kid"]) == ("bank-1", "main", feed.bank.public.kid.hex())
            assert 0 < token["exp"] - token["iat"] <= 300


def test_a_receiver_with_another_key_is_not_asked_for_anything(tmp_path: Path) -> None:
    with running_feed(factory()) as feed:
        feed.shown_key = SigningKey.generate()
        with pytest.raises(StrangerError, match="signs with"):
            bring(feed, tmp_path / "copy")
        assert feed.asked == ["/v1/about"]
    assert not (tmp_path / "copy").exists()


def test_a_receiver_that_is_down_for_a_while_is_asked_again_later_each_time(tmp_path: Path) -> None:
    sleeps: list[float] = []
    with running_feed(factory()) as feed:
        feed.down = 4
        assert bring(feed, tmp_path, sleeps=sleeps).new > 0
    assert sleeps == [1.0, 2.0, 4.0, 8.0]


def test_a_receiver_that_stays_away_is_given_up_after_a_bounded_time(tmp_path: Path) -> None:
    sleeps: list[float] = []
    with running_feed(factory()) as feed:
        feed.down = 1000
        with pytest.raises(FeedError, match="cannot be reached after"):
            bring(feed, tmp_path, sleeps=sleeps)
    assert len(sleeps) == ATTEMPTS - 1
    assert max(sleeps) <= LONGEST_WAIT_S


def test_a_refusal_is_not_asked_again(tmp_path: Path) -> None:
    sleeps: list[float] = []
    notebook = factory()
    with running_feed(notebook) as feed:
        client = Feed(feed.url, bank="bank-1", key=feed.bank, world=replace(world(sleeps), token_id=lambda: "same"))
        with pytest.raises(FeedError, match="used before"):
            pull(client, tmp_path, fingerprint=notebook.receiver.public.fingerprint)
    assert sleeps == []


def test_statements_that_are_not_to_be_believed_are_kept_aside_and_reported(tmp_path: Path) -> None:
    notebook = factory(3)
    stranger = factory(1)
    spoilt = notebook.pages[2][:-1] + bytes([notebook.pages[2][-1] ^ 1])
    with running_feed(notebook) as feed:
        feed.pages = [*notebook.pages, stranger.pages[0], spoilt, b"rubbish"]
        pulled = bring(feed, tmp_path)
        assert pulled.is_broken
        assert sum(times for _, times in pulled.aside) == 3
        assert pulled.new == len(notebook.pages)
        assert [content for _, content in read_bundle(tmp_path / ASIDE_FILE)] == [stranger.pages[0], spoilt, b"rubbish"]
        again = bring(feed, tmp_path)
        assert (again.new, again.aside) == (0, ())
    assert verdict(tmp_path, notebook) is Verdict.BROKEN


def test_holes_are_reported_and_close_when_the_backlog_arrives(tmp_path: Path) -> None:
    notebook = factory(6)
    late = notebook.pages[4:8]
    with running_feed(notebook) as feed:
        feed.pages = [page for page in notebook.pages if page not in late]
        pulled = bring(feed, tmp_path)
        assert not pulled.is_broken
        assert {(stream, first, last) for _, stream, first, last in pulled.holes} == {("box", 2, 3), (LATHE, 2, 3)}
        assert verdict(tmp_path, notebook) is Verdict.BROKEN  # the receiver signed that it holds them
        feed.pages = [*feed.pages, *late]
        assert bring(feed, tmp_path).holes == ()
    assert verdict(tmp_path, notebook) is Verdict.COMPLETE


def test_a_fork_is_taken_reported_and_proved_by_the_copy(tmp_path: Path) -> None:
    notebook = factory(4)
    chain = notebook.chains[LATHE]
    honest = replace(chain)
    chain.n, chain.prev = 3, notebook.open(notebook.pages[5]).sha256
    assert notebook.open(notebook.pages[5]).n == 2
    other = notebook.readings(LATHE, [0] * 60)
    notebook.chains[LATHE] = honest
    with running_feed(notebook) as feed:
        feed.pages = notebook.pages[:-1]
        assert bring(feed, tmp_path).forks == ()
        feed.pages = notebook.pages
        pulled = bring(feed, tmp_path)
        assert pulled.is_broken
        assert pulled.forks == (("press-1", LATHE, 3),)
        feed.pages = [*notebook.pages, other, notebook.pages[5]]
        assert bring(feed, tmp_path).repeated == 2
    assert verdict(tmp_path, notebook) is Verdict.BROKEN


def test_two_pulls_into_one_directory_do_not_mix(tmp_path: Path) -> None:
    with running_feed(factory()) as feed:

        def second(_: str) -> None:
            with pytest.raises(CopyError, match="another pull"):
                bring(feed, tmp_path)

        bring(feed, tmp_path, step=second)


def test_a_copy_of_another_receiver_or_a_damaged_one_is_not_gone_on_with(tmp_path: Path) -> None:
    with running_feed(factory()) as feed:
        bring(feed, tmp_path)
        with running_feed(factory()) as other, pytest.raises(CopyError, match="another directory"):
            bring(other, tmp_path)
        state = json.loads((tmp_path / STATE_FILE).read_bytes())
        changes: list[dict[str, object]] = [{"length": state["length"] + 1}, {"segments": 3}, {"version": 2}]
        for change in changes:
            (tmp_path / STATE_FILE).write_text(json.dumps(state | change))
            with pytest.raises(CopyError, match="into a new directory"):
                bring(feed, tmp_path)
        (tmp_path / STATE_FILE).unlink()
        with pytest.raises(CopyError, match="into a new directory"):
            bring(feed, tmp_path)


# Killed.

KILLED = """
import os, signal, sys
from pathlib import Path
from evidence.keys import SigningKey
from tests.evidence.test_evidence_pull import world
from evidence.feed import Feed
from evidence.pull import pull
url, key, fingerprint, directory, at = sys.argv[1:]
left = int(at)
def step(name):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
feed = Feed(url, bank="bank-1", key=SigningKey.load(Path(key)), world=world())
pull(feed, Path(directory), fingerprint=fingerprint, step=step)
"""


def killed_at(step: int, feed: FeedWorld, key: Path, directory: Path) -> int:
    fingerprint = feed.notebook.receiver.public.fingerprint
    command = [sys.executable, "-c", KILLED, feed.url, str(key), fingerprint, str(directory), str(step)]
    return subprocess.run(command, check=False, timeout=60, cwd=Path(__file__).resolve().parents[2]).returncode


def test_a_pull_that_is_killed_at_any_durable_step_ends_in_the_same_file(tmp_path: Path) -> None:
    notebook = factory(3)
    stranger = factory(1).pages[0]
    with running_feed(notebook, page_size=4) as feed:
        feed.pages = [*notebook.pages[:3], stranger, *notebook.pages[3:]]
        key = tmp_path / "key"
        feed.bank.save(key)
        steps: list[str] = []
        bring(feed, tmp_path / "whole", step=steps.append)
        wanted = [(tmp_path / "whole" / name).read_bytes() for name in (COPY_FILE, ASIDE_FILE, STATE_FILE)]
        assert {"aside written", "page written", "state replaced", "roster written", "receipt written"} == set(steps)
        for step in range(1, len(steps) + 1):
            directory = tmp_path / f"killed-{step}"
            assert killed_at(step, feed, key, directory) == -signal.SIGKILL, steps[step - 1]
            bring(feed, directory)
            found = [(directory / name).read_bytes() for name in (COPY_FILE, ASIDE_FILE, STATE_FILE)]
            assert found == wanted, steps[step - 1]


def test_a_tail_that_a_crash_left_is_not_read_by_the_verifier_and_cut_off_by_the_next_pull(tmp_path: Path) -> None:
    notebook = factory()
    with running_feed(notebook) as feed:
        bring(feed, tmp_path)
        whole = (tmp_path / COPY_FILE).read_bytes()
        for tail in (b"\x82\x01\x59", whole[-300:], b"rubbish"):
            (tmp_path / COPY_FILE).write_bytes(whole + tail)
            assert verdict(tmp_path, notebook) is Verdict.COMPLETE
            bring(feed, tmp_path)
            assert (tmp_path / COPY_FILE).read_bytes() == whole


# The feed's answers.


@pytest.mark.parametrize("url", ["ftp://x", "file:///etc/passwd", "http://", "x"])
def test_only_http_urls_are_taken(url: str) -> None:
    with pytest.raises(FeedError, match="no http"):
        Feed(url, bank="b", key=SigningKey.generate(), world=world())


def spoilt(feed: FeedWorld, path: str, answer: Answer, asked: str, authorization: str | None) -> Answer:
    return answer if asked.startswith(path) else feed.answer(asked, authorization)


def test_answers_that_are_none_are_named(tmp_path: Path) -> None:
    answers: list[tuple[str, Answer, str]] = [
        ("/v1/about", (200, b"[]", {}), "not what a receiver answers"),
        ("/v1/about", (302, b"", {"Location": "http://127.0.0.1:1/"}), "redirect"),
        ("/v1/feed", (200, b"", {}), "Next-Cursor"),
        ("/v1/feed", (200, b"", {"Next-Cursor": "0", "More": "2"}), "Next-Cursor"),
        ("/v1/feed", (200, b"rubbish", {"Next-Cursor": "1", "More": "0"}), "no sequence of entries"),
        ("/v1/feed", (409, b'{"error": "pull again into a new copy"}', {}), "into a new copy"),
        ("/v1/feed", (400, b"<html>", {}), "400"),
        ("/v1/roster", (200, b"rubbish", {}), "no sequence of entries"),
    ]
    for i, (path, answer, complaint) in enumerate(answers):
        with running_feed(factory(2)) as feed:
            feed.answering = partial(spoilt, feed, path, answer)
            with pytest.raises(FeedError, match=complaint):
                bring(feed, tmp_path / str(i))


def test_a_feed_that_says_more_for_ever_and_brings_nothing_is_left(tmp_path: Path) -> None:
    with running_feed(factory(2)) as feed:
        feed.answering = partial(spoilt, feed, "/v1/feed", (200, b"", {"Next-Cursor": "here", "More": "1"}))
        with pytest.raises(FeedError, match="does not move on"):
            bring(feed, tmp_path)
