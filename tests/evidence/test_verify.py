"""The verifier finds each planted lie, names it, and is content with the truth."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.bodies import (
    Boot,
    ClockStep,
    Commissioning,
    Crossing,
    Direction,
    Gap,
    GapReason,
    Heartbeat,
    Shutdown,
)
from evidence.bundle import Entry
from evidence.findings import Findings, StreamFindings, Verdict, Voucher
from evidence.judging.judge import RunState
from evidence.keys import Algorithm, SigningKey
from evidence.source import Memory, open_source
from evidence.statement import ClockQuality
from evidence.tell import findings_json, findings_text, sentence
from evidence.trust import Trust
from evidence.verify import verify
from tests.world.notebook import SETTINGS, START_MS, Notebook, write

LATHE = "machine/lathe"
Entries = list[tuple[Entry, bytes]]


def factory(windows: int = 6, **given: object) -> Notebook:
    """A box, a machine that keeps every sample, one that keeps minutes, and a gate; an hour of it is honest."""
    notebook = Notebook(**given)  # type: ignore[arg-type]
    for name, given_settings in (("box", None), ("machine/press", None), ("gate/door", {"title": "Door"})):
        notebook.chain(name, given_settings)
    for i in range(windows):
        notebook.readings(LATHE, [0] * 20 + [5_000_000] * 30 + [None] * 20 + [500_000] * 20)
        notebook.minutes("machine/press", [[5_000_000] * 60, [0] * 60])
        at_ms = notebook.chain("gate/door").at_ms
        notebook.crossings("gate/door", [goods(at_ms + 1000, Direction.IN), goods(at_ms + 2000, Direction(i % 2))])
        notebook.heartbeat()
    return notebook


def goods(at_ms: int, direction: Direction) -> Crossing:
    return Crossing(at_ms=at_ms, direction=direction, label="carton", confidence_permille=900, track=1)


def trusting(notebook: Notebook) -> Trust:
    return Trust(fingerprints=frozenset([notebook.receiver.public.fingerprint]))


def check(notebook: Notebook, entries: Entries | None = None) -> Findings:
    return verify(Memory(held=notebook.entries() if entries is None else entries), trusting(notebook))


def check_at(path: Path, notebook: Notebook) -> Findings:
    with open_source(path) as source:
        return verify(source, trusting(notebook))


def stream(findings: Findings, name: str = LATHE) -> StreamFindings:
    return next(s for s in findings.streams if s.stream == name)


def pages(notebook: Notebook, name: str) -> list[bytes]:
    return [page for page in notebook.pages if notebook.open(page).stream == name]


def without(entries: Entries, *gone: bytes) -> Entries:
    return [(kind, content) for kind, content in entries if content not in gone]


def unreceipted(notebook: Notebook) -> Entries:
    return [(kind, content) for kind, content in notebook.entries() if kind is not Entry.RECEIPT]


# The truth.


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_an_honest_bundle_is_complete(algorithm: Algorithm) -> None:
    notebook = factory(key=SigningKey.generate(algorithm))
    findings = check(notebook)
    assert findings.verdict is Verdict.COMPLETE, sentence(findings)
    assert [s.stream for s in findings.streams] == ["box", "gate/door", LATHE, "machine/press"]
    assert findings.statements == len(notebook.pages)
    (signer,) = findings.signers
    assert (signer.voucher, signer.fingerprint) == (Voucher.TRUSTED_ROSTER, notebook.key.public.fingerprint)
    lathe, gate = stream(findings).recomputed, stream(findings, "gate/door").recomputed
    assert lathe.hours is not None
    assert lathe.hours.running_ms > 0
    assert lathe.rejudged is not None
    assert (lathe.rejudged.agree_ms, lathe.rejudged.disagree_ms) == (6 * 90_000, 0)
    assert gate.counted is not None
    assert (gate.counted.came_in, gate.counted.went_out) == (9, 3)
    assert stream(findings).clock.statements == {ClockQuality.NTP: 7}


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_order_of_entries_makes_no_difference(chance: random.Random) -> None:
    entries = list(HONEST.entries())
    chance.shuffle(entries)
    assert check(HONEST, entries) == HONEST_FINDINGS


def test_statements_that_are_there_twice_do_no_harm() -> None:
    notebook = factory()
    findings = check(notebook, notebook.entries() * 2)
    assert findings.verdict is Verdict.COMPLETE
    assert stream(findings).repeated == 7
    again = replace(stream(findings), repeated=0, heads_checked=0)
    assert again == replace(stream(check(notebook)), heads_checked=0)


def test_two_bundles_one_behind_the_other_are_one(tmp_path: Path) -> None:
    notebook = factory()
    entries = notebook.entries()
    one, other = write(tmp_path / "1.bundle", entries[:10]), write(tmp_path / "2.bundle", entries[10:])
    both = tmp_path / "both"
    both.write_bytes(one.read_bytes() + other.read_bytes())
    assert check_at(both, notebook) == check(notebook)
    both.unlink()
    assert check_at(tmp_path, notebook) == check(notebook)


def test_one_stream_alone_is_evidence_by_itself() -> None:
    notebook = factory()
    entries = [(Entry.KEY, notebook.receiver.public.to_cose_key()), (Entry.ROSTER, notebook.roster())]
    entries += [(Entry.STATEMENT, page) for page in pages(notebook, LATHE)]
    findings = check(notebook, entries)
    assert findings.verdict is Verdict.COMPLETE
    assert stream(findings).recomputed == stream(check(notebook)).recomputed


def test_streams_that_were_not_disclosed_are_named_and_not_called_missing() -> None:
    notebook = factory()
    entries = without(unreceipted(notebook), *pages(notebook, "machine/press"))
    findings = check(notebook, entries)
    assert findings.verdict is Verdict.COMPLETE
    assert findings.absent == (("press-1", "machine/press", 6),)


def test_what_the_box_says_of_its_own_life_is_told() -> None:
    notebook = factory(2)
    notebook.add("box", Boot(software="x", last_alive_ms=None, last_boot=b""))
    notebook.add("box", Boot(software="x", last_alive_ms=START_MS, last_boot=bytes(16)))
    notebook.add("box", Shutdown(reason="update"))
    notebook.add("box", Boot(software="x", last_alive_ms=START_MS, last_boot=bytes(16)))
    notebook.add("box", ClockStep(before_ms=START_MS, after_ms=START_MS + 5))
    chain = notebook.chain(LATHE)
    gap = Gap(from_ms=chain.at_ms, to_ms=chain.at_ms + 60_000, reason=GapReason.BOX_OFF, lost=None)
    notebook.add(LATHE, gap)
    chain.at_ms += 60_000
    notebook.readings(LATHE, [0] * 60)
    findings = check(notebook)
    box = stream(findings, "box")
    assert (box.boots, box.unclean_boots, box.clock.steps_said, box.heartbeats) == (3, 1, 1, 2)
    assert stream(findings).recomputed.gaps_named == ((3, gap),)
    assert stream(findings).recomputed.unobserved_ms == 60_000
    assert findings.verdict is Verdict.COMPLETE


def test_a_simulated_clock_is_told_loudly() -> None:
    assert "SIMULATED clock" in findings_text(check(factory(1, clock=ClockQuality.SIMULATED)))
    assert "SIMULATED" not in findings_text(check(factory(1)))


def test_a_recording_that_was_played_is_told_loudly() -> None:
    notebook = Notebook()
    notebook.chain("machine/again", {"title": "Again", "bus": {"kind": "replay", "file": "press.jsonl", "loop": 1}})
    notebook.chain(LATHE)
    findings = check(notebook)
    assert [found.stream for found in findings.streams if found.replayed] == ["machine/again"]
    assert "no measurement but a recording that was played, by its own settings: machine/again." in (
        findings_text(findings)
    )
    assert "recording" not in findings_text(check(factory(1)))


# Who signed.


def test_without_anybody_trusted_a_good_bundle_is_unvouched_and_says_so_loudly() -> None:
    notebook = factory(2)
    findings = verify(Memory(held=notebook.entries()))
    assert findings.verdict is Verdict.UNVOUCHED
    assert findings.signers[0].voucher is Voucher.BUNDLE_ROSTER
    assert "WARNING" in findings_text(findings)
    assert findings_text(findings).splitlines()[-1].startswith("UNVOUCHED")


def test_a_bundle_with_nothing_but_the_boxs_own_word_is_unvouched() -> None:
    notebook = factory(2)
    findings = verify(Memory(held=[(Entry.STATEMENT, page) for page in notebook.pages]))
    assert findings.verdict is Verdict.UNVOUCHED
    assert findings.signers[0].voucher is Voucher.ITSELF


@pytest.mark.parametrize("how", ["fingerprint", "key"])
def test_a_boxs_own_key_can_be_trusted_without_any_receiver(how: str) -> None:
    notebook = factory(2)
    public = notebook.key.public
    trust = Trust(keys=(public,)) if how == "key" else Trust(fingerprints=frozenset([public.fingerprint]))
    findings = verify(Memory(held=[(Entry.STATEMENT, page) for page in notebook.pages]), trust)
    assert findings.verdict is Verdict.COMPLETE
    assert findings.signers[0].voucher is Voucher.TRUSTED_KEY


def test_a_roster_by_a_stranger_vouches_for_nobody() -> None:
    notebook = factory(2)
    stranger = SigningKey.generate()
    entries = [(Entry.KEY, stranger.public.to_cose_key()), (Entry.ROSTER, notebook.roster(signer=stranger))]
    entries += [(Entry.STATEMENT, page) for page in notebook.pages]
    findings = check(notebook, entries)
    assert findings.verdict is Verdict.BROKEN
    assert findings.statements == 0
    assert findings.rosters_unchecked == 1


def test_statements_by_a_key_that_is_not_the_boxs_are_refused() -> None:
    notebook = factory(2)
    thief = factory(2)
    entries = notebook.entries() + [(Entry.STATEMENT, page) for page in pages(thief, LATHE)]
    findings = check(notebook, entries)
    assert findings.verdict is Verdict.BROKEN
    assert findings.refused_count == 3
    assert "unknown key" in findings.refused[0][0]
    assert stream(findings).statements == 3


def test_a_box_of_the_same_roster_cannot_speak_for_another() -> None:
    one, other = factory(2), factory(2, box="press-2")
    other.receiver = one.receiver
    forged = Notebook(box="press-1", key=other.key)
    forged.readings(LATHE, [0] * 60)
    entries = [*one.entries(), *other.entries(), *((Entry.STATEMENT, page) for page in forged.pages)]
    findings = check(one, entries)
    assert findings.verdict is Verdict.BROKEN
    assert findings.refused_count == 2
    assert len(findings.signers) == 2


def test_a_commissioning_of_another_key_than_the_one_that_signed_is_a_contradiction() -> None:
    notebook = factory(2)
    strange = SigningKey.generate().public.to_cose_key()
    notebook.add("box", Commissioning(enterprise="x", site="y", public_key=strange, software="z"))
    assert "commissions another key" in stream(check(notebook), "box").contradictions[0].what


# What is missing.


def test_a_missing_statement_is_named_and_may_still_arrive() -> None:
    notebook = factory()
    findings = check(notebook, without(unreceipted(notebook), pages(notebook, LATHE)[3]))
    assert findings.verdict is Verdict.INCOMPLETE
    (hole,) = stream(findings).holes
    assert (hole.first, hole.last, hole.withheld) == (3, 3, False)
    again = stream(findings).recomputed.rejudged
    assert again is not None
    assert again.disagree_ms == 0


def test_a_statement_that_the_receiver_signed_it_holds_was_withheld() -> None:
    notebook = factory()
    findings = check(notebook, without(notebook.entries(), pages(notebook, LATHE)[3]))
    assert findings.verdict is Verdict.BROKEN
    assert stream(findings).withheld == 1
    assert "withheld" in sentence(findings)


def test_the_end_of_a_stream_cannot_be_withheld_from_whoever_has_the_boxs_heartbeats() -> None:
    notebook = factory()
    findings = check(notebook, without(unreceipted(notebook), *pages(notebook, LATHE)[4:]))
    assert findings.verdict is Verdict.INCOMPLETE
    (hole,) = stream(findings).holes
    assert (hole.first, hole.last, hole.claimed_by) == (4, 6, "a heartbeat")


def test_a_stream_of_which_only_the_first_page_is_shown_is_missing_the_rest() -> None:
    notebook = factory()
    findings = check(notebook, without(notebook.entries(), *pages(notebook, LATHE)[1:]))
    assert stream(findings).missing == 6
    assert findings.verdict is Verdict.BROKEN


def test_a_stream_without_its_beginning_cannot_be_judged_again_and_says_so() -> None:
    notebook = factory()
    findings = check(notebook, without(unreceipted(notebook), *pages(notebook, LATHE)[:2]))
    assert stream(findings).holes[0].first == 0
    again = stream(findings).recomputed.rejudged
    assert again is not None
    assert again.open_ms == 5 * 90_000
    assert findings.verdict is Verdict.INCOMPLETE


def test_a_bundle_that_is_cut_off_is_incomplete(tmp_path: Path) -> None:
    notebook = factory()
    path = write(tmp_path / "b.bundle", notebook.entries())
    path.write_bytes(path.read_bytes()[:-10])
    findings = check_at(path, notebook)
    assert findings.verdict is Verdict.INCOMPLETE
    assert findings.damaged == ("b.bundle: the bundle is cut off in its last entry",)


# Forks.


def forked_by(change: Callable[[Notebook], object]) -> Findings:
    """The lathe's box was cloned after three windows; the clone goes on with `change`."""
    notebook = factory(3)
    here = len(notebook.pages)
    chain = replace(notebook.chains[LATHE])
    notebook.readings(LATHE, [0] * 60)
    notebook.readings(LATHE, [0] * 60)
    notebook.chains[LATHE] = chain
    change(notebook)
    assert len(notebook.pages) > here
    return check(notebook)


def test_two_statements_with_one_n_are_a_fork_and_the_two_hashes_are_the_proof() -> None:
    findings = forked_by(lambda notebook: notebook.readings(LATHE, [5_000_000] * 60))
    assert findings.verdict is Verdict.BROKEN
    (fork,) = stream(findings).forks
    assert fork.n == 4
    assert fork.one != fork.other
    assert "forked" in sentence(findings)


def test_two_histories_that_go_on_are_one_fork() -> None:
    def clone(notebook: Notebook) -> None:
        for _ in range(4):
            notebook.readings(LATHE, [5_000_000] * 60)

    assert [fork.n for fork in stream(forked_by(clone)).forks] == [4]


def test_a_history_whose_branching_page_is_withheld_is_a_fork_all_the_same() -> None:
    notebook = factory(3)
    chain = replace(notebook.chains[LATHE])
    notebook.readings(LATHE, [0] * 60)
    notebook.chains[LATHE] = chain
    notebook.readings(LATHE, [5_000_000] * 60)
    hidden = notebook.pages[-1]
    notebook.readings(LATHE, [5_000_000] * 60)
    findings = check(notebook, without(unreceipted(notebook), hidden))
    (fork,) = stream(findings).forks
    assert (fork.n, fork.said_by) == (4, "statement 5")


def test_a_heartbeat_that_names_another_hash_is_a_fork() -> None:
    notebook = factory(3)
    body = notebook.open(notebook.pages[-1]).body
    assert isinstance(body, Heartbeat)
    heads = [(name, n, bytes(32) if name == LATHE else sha) for name, n, sha in body.heads]
    notebook.add("box", replace(body, heads=heads))
    (fork,) = stream(check(notebook)).forks
    assert (fork.n, fork.other, fork.said_by) == (3, bytes(16), "a heartbeat")


def test_a_page_rewritten_with_all_its_followers_contradicts_the_receipt() -> None:
    """Whoever has the box's key can rewrite its past, but not what the receiver has signed."""
    notebook = factory(3)
    receipt = notebook.receipt()
    rewritten = Notebook(key=notebook.key, receiver=notebook.receiver)
    rewritten.readings(LATHE, [5_000_000] * 60)
    for _ in range(2):
        rewritten.readings(LATHE, [5_000_000] * 90)
    entries = [*unreceipted(rewritten), (Entry.RECEIPT, receipt)]
    findings = check(notebook, entries)
    assert findings.verdict is Verdict.BROKEN
    assert stream(findings).forks[0].said_by == "a receipt"


# Contradictions.


def first_contradiction(notebook: Notebook, name: str = LATHE) -> str:
    findings = check(notebook)
    assert findings.verdict is Verdict.BROKEN
    assert stream(findings, name).contradicted == len(stream(findings, name).contradictions)
    return stream(findings, name).contradictions[0].what


def test_spans_that_contradict_the_samples_are_found() -> None:
    notebook = factory(2)
    chain = notebook.chain(LATHE)
    notebook.readings(LATHE, [0] * 60, spans=[(chain.at_ms, RunState.RUNNING)])
    assert "the signed state is not what the facts give" in first_contradiction(notebook)


def test_spans_that_contradict_the_minutes_are_found() -> None:
    notebook = factory(2)
    chain = notebook.chain("machine/press")
    notebook.minutes("machine/press", [[0] * 60] * 5, spans=[(chain.at_ms, RunState.RUNNING)])
    assert "the signed state" in first_contradiction(notebook, "machine/press")


def test_a_gates_total_that_does_not_follow_is_found() -> None:
    notebook = factory(2)
    notebook.crossings("gate/door", [], total_in=17)
    assert first_contradiction(notebook, "gate/door") == "totals 17 in, 1 out where 3 and 1 follow"


def test_windows_that_overlap_are_found_and_counted_once() -> None:
    notebook = factory(2)
    notebook.chain(LATHE).at_ms -= 30_000
    notebook.readings(LATHE, [5_000_000] * 60)
    assert first_contradiction(notebook) == "windows of one chain speak of the same time"


def test_a_window_in_the_future_is_found() -> None:
    notebook = factory(2)
    chain = notebook.chain(LATHE)
    chain.at_ms += 10_000_000
    now_ms = notebook.now_ms
    notebook.readings(LATHE, [0] * 60)
    page = notebook.pages.pop()
    notebook.now_ms, chain.n, chain.prev = now_ms, chain.n - 1, notebook.open(page).prev
    notebook.add(LATHE, notebook.open(page).body)
    assert first_contradiction(notebook) == "its window ends after it was signed"


def test_a_configuration_that_was_never_signed_is_found() -> None:
    notebook = factory(2)
    notebook.chain(LATHE).config = bytes(32)
    notebook.readings(LATHE, [0] * 60)
    assert "not the one in force" in first_contradiction(notebook)


def test_a_change_of_settings_is_told_and_judged_by_from_there_on() -> None:
    notebook = factory(2)
    notebook.configure(LATHE, SETTINGS | {"running_above_mw": 400_000})
    chain = notebook.chain(LATHE)
    chain.judged = type(chain.judged)()
    notebook.readings(LATHE, [450_000] * 60)
    findings = check(notebook)
    assert findings.verdict is Verdict.COMPLETE
    assert stream(findings).configured == 2
    assert stream(findings).recomputed.rejudged is not None


def test_a_steady_clock_that_goes_back_inside_one_boot_is_found() -> None:
    notebook = factory(2)
    moment = notebook.open(notebook.pages[-1]).moment
    back = replace(moment, steady_ms=0, at_ms=moment.at_ms + 1)
    notebook.add("box", Shutdown(reason="x"), moment=back)
    assert first_contradiction(notebook, "box") == "the steady clock went back inside one boot"
    assert stream(check(notebook), "box").clock.jumps == 1


def test_a_statement_dated_after_the_receipt_for_it_is_found() -> None:
    notebook = factory(2)
    entries = [*unreceipted(notebook), (Entry.RECEIPT, notebook.receipt(at_ms=START_MS))]
    findings = check(notebook, entries)
    assert "after the receiver signed that it held it" in stream(findings).contradictions[0].what


@settings(max_examples=40)
@given(st.data())
def test_any_flipped_bit_of_any_page_is_found(data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(HONEST.pages) - 1))
    page = bytearray(HONEST.pages[i])
    bit = data.draw(st.integers(0, len(page) * 8 - 1))
    page[bit // 8] ^= 1 << bit % 8
    entries = [(kind, bytes(page) if content == HONEST.pages[i] else content) for kind, content in HONEST.entries()]
    findings = check(HONEST, entries)
    assert findings.verdict is Verdict.BROKEN
    assert findings.refused_count == 1
    assert findings.missing == 1


def test_rubbish_between_good_entries_is_counted_with_its_reason() -> None:
    notebook = factory(2)
    rubbish = [(kind, content) for kind in Entry if kind is not Entry.HEADER for content in (b"", b"rubbish")]
    findings = check(notebook, rubbish + notebook.entries())
    assert findings.verdict is Verdict.BROKEN
    assert findings.refused_count == len(rubbish)
    assert findings.statements == len(notebook.pages)


def test_an_empty_bundle_proves_nothing() -> None:
    findings = verify(Memory(held=[]))
    assert findings.verdict is Verdict.INCOMPLETE
    assert "no verified statement" in sentence(findings)


def test_findings_are_json_all_through() -> None:
    told = findings_json(HONEST_FINDINGS)
    assert told["verdict"] == "COMPLETE"
    assert told["streams"][2]["recomputed"]["hours"]["low_ms"] > 0


HONEST = factory(3)
HONEST_FINDINGS = check(HONEST)


def test_helpers_that_check_signatures_ahead_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good pages, spoilt ones, twins and strangers, more than one chunk of them."""
    monkeypatch.setattr("evidence.ahead.WORTH_IT", 1)
    monkeypatch.setattr("evidence.verify.CHUNK", 7)
    notebook = factory(12)
    entries = notebook.entries()
    entries += [(Entry.STATEMENT, page[:-1] + bytes([page[-1] ^ 1])) for page in notebook.pages[::5]]
    entries += entries[3:20]
    entries += [(Entry.STATEMENT, page) for page in factory(1).pages]
    path = write(tmp_path / "b.bundle", entries)
    found = []
    for processes in (1, 2, 4):
        with open_source(path) as source:
            found.append(verify(source, trusting(notebook), processes=processes))
    assert found[0].verdict is Verdict.BROKEN
    assert found[0].refused_count == 20
    assert found[1] == found[2] == found[0]
