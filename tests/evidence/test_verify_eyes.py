"""The verifier tells what cameras saw, and never takes a blind hour for an empty one."""

import re
from dataclasses import replace

import pytest

from evidence import cbor, cose
from evidence.bodies import Crossing, Direction, Phase
from evidence.bodies import Verdict as Looked
from evidence.bundle import Entry
from evidence.findings import Findings, StreamFindings, Verdict
from evidence.source import Memory
from evidence.statement import AAD
from evidence.tell import findings_json, findings_text
from evidence.trust import Trust
from evidence.verify import verify
from tests.world.eyes import BLIND, COUNTED, DISAGREED, MINUTE_MS, OCCLUDED, certificate, condition, looks, picture, png
from tests.world.notebook import START_MS, Notebook, payload_of

YARD, DOOR = "zone/yard", "gate/door"
Said = tuple[Looked, int | None]


def check(notebook: Notebook, *, without: tuple[bytes, ...] = ()) -> Findings:
    entries = [(kind, content) for kind, content in notebook.entries() if content not in without]
    trust = Trust(fingerprints=frozenset([notebook.receiver.public.fingerprint]))
    return verify(Memory(held=[entry for entry in entries if not without or entry[0] is not Entry.RECEIPT]), trust)


def text_of(findings: Findings) -> str:
    """The report, its columns not aligned."""
    return re.sub(" +", " ", findings_text(findings))


def stream(findings: Findings, name: str) -> StreamFindings:
    return next(one for one in findings.streams if one.stream == name)


def crossing(at_ms: int, **said: int) -> Crossing:
    fields = {"confidence_permille": 900, "track": 1} | said
    return Crossing(at_ms=at_ms, direction=Direction.IN, label="carton", **fields)


def test_counts_hours_and_what_was_declared_are_told() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48, 2), (OCCLUDED, 48, 2), (COUNTED, 50), (DISAGREED, 50, 4))
    looks(notebook, YARD, (BLIND, 50), counted_at_ms=START_MS + 2 * MINUTE_MS, declared=(6, 4), frames_dropped=7)
    findings = check(notebook)
    assert findings.verdict is Verdict.COMPLETE
    stocked = stream(findings, YARD).recomputed.stocked
    assert stocked is not None
    assert (stocked.last.count, stocked.last.verdict) == (50, BLIND)
    assert stocked.least is not None
    assert stocked.most is not None
    assert (stocked.least.count, stocked.most.count, stocked.counts) == (48, 50, 2)
    times = (stocked.counted_ms, stocked.occluded_ms, stocked.disagreed_ms, stocked.blind_ms)
    assert times == (2 * MINUTE_MS, MINUTE_MS, MINUTE_MS, MINUTE_MS)
    text = text_of(findings)
    for said in (
        "last 50 visible front items, BLIND",
        "last counted 2026-03-01 08:02:00",
        "least 48 at",
        "blind 0.01 h: neither a count nor a zero",
        "6 deep, 4 rows, by the installer: no camera saw",
        "7 of 307 frames dropped",
    ):
        assert said in text
    told = next(one for one in findings_json(findings)["streams"] if one["stream"] == YARD)["recomputed"]["stocked"]
    assert told["last"] == {"at_ms": START_MS + 4 * MINUTE_MS, "verdict": "blind", "count": 50, "uncertain": 0}
    assert told["declared"] == [6, 4]


def test_a_zone_that_was_never_counted_has_no_least_and_no_zero() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (BLIND, None), (OCCLUDED, None))
    findings = check(notebook)
    stocked = stream(findings, YARD).recomputed.stocked
    assert stocked is not None
    assert (stocked.least, stocked.most, stocked.counted_at_ms, stocked.counted_ms) == (None, None, None, 0)
    assert "never counted, OCCLUDED" in text_of(findings)


def test_a_zero_that_was_counted_is_a_count() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 3), (COUNTED, 0))
    stocked = stream(check(notebook), YARD).recomputed.stocked
    assert stocked is not None
    assert stocked.least is not None
    assert stocked.least.count == 0


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (((BLIND, 0),), "BLIND with the count 0 where 48 was counted last"),
        (((OCCLUDED, None),), "OCCLUDED with the count none where 48 was counted last"),
        (((DISAGREED, 47), (COUNTED, 47)), "DISAGREED with the count 47 where 48"),
    ],
)
def test_a_window_that_begins_blind_goes_on_with_the_count_before_it(what: tuple[Said, ...], said: str) -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48))
    counted_at_ms = None if what[0][1] is None else START_MS + len(what) * MINUTE_MS
    looks(notebook, YARD, *what, counted_at_ms=counted_at_ms)
    findings = check(notebook)
    assert findings.verdict is Verdict.BROKEN
    assert said in stream(findings, YARD).contradictions[0].what


def test_a_window_that_opens_with_another_count_than_was_counted_is_found() -> None:
    """A first look may be of the window before; then it says what that said."""
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48))
    looks(notebook, YARD, (COUNTED, 40), counted_at_ms=START_MS)
    assert "COUNTED with the count 40 where 48" in stream(check(notebook), YARD).contradictions[0].what


def test_a_last_count_cannot_grow_younger_without_counting() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48))
    looks(notebook, YARD, (BLIND, 48), counted_at_ms=START_MS + MINUTE_MS)
    assert "another time of the last count" in stream(check(notebook), YARD).contradictions[0].what


def test_after_missing_statements_a_zone_may_say_another_count() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48))
    gone = looks(notebook, YARD, (COUNTED, 40))
    event = condition(notebook, YARD, "covered", Phase.RAISED)
    looks(notebook, YARD, (BLIND, 40), counted_at_ms=START_MS + MINUTE_MS)
    findings = check(notebook, without=(gone,))
    assert event in notebook.pages
    assert (findings.verdict, stream(findings, YARD).contradicted) == (Verdict.INCOMPLETE, 0)


def test_after_missing_statements_a_gates_totals_may_jump_though_an_event_came_first() -> None:
    notebook = Notebook()
    notebook.crossings(DOOR, [crossing(START_MS)])
    gone = notebook.crossings(DOOR, [crossing(START_MS + 300_000)])
    condition(notebook, DOOR, "moved", Phase.RAISED)
    notebook.crossings(DOOR, [crossing(START_MS + 600_000)])
    findings = check(notebook, without=(gone,))
    assert (findings.verdict, stream(findings, DOOR).contradicted) == (Verdict.INCOMPLETE, 0)


def test_windows_of_a_zone_that_overlap_are_found_and_counted_once() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48), (COUNTED, 49))
    notebook.chains[YARD].at_ms -= MINUTE_MS
    looks(notebook, YARD, (COUNTED, 49), (COUNTED, 50))
    found = stream(check(notebook), YARD)
    assert "windows of one chain speak of the same time" in found.contradictions[0].what
    assert found.recomputed.stocked is not None
    assert found.recomputed.stocked.counted_ms == 3 * MINUTE_MS


def test_a_camera_that_is_covered_is_told_until_it_sees_again() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48))
    condition(notebook, YARD, "covered", Phase.RAISED)
    condition(notebook, YARD, "moved", Phase.RAISED)
    condition(notebook, YARD, "covered", Phase.CLEARED)
    findings = check(notebook)
    events = stream(findings, YARD).recomputed.events
    assert events is not None
    assert [one.subject for one in events.raised] == ["moved"]
    assert "CAMERA moved since" in text_of(findings)


def test_a_crossings_sources_and_doubts_are_told() -> None:
    notebook = Notebook()
    said = [crossing(START_MS + i, sources=sources) for i, sources in enumerate((3, 3, 1, 2))]
    said[3] = replace(said[3], confidence_permille=310, uncertain=4)
    notebook.crossings(DOOR, said, other_sources=[("foreground", b"")])
    findings = check(notebook)
    counted = stream(findings, DOOR).recomputed.counted
    assert counted is not None
    assert (counted.contested, counted.uncertain, counted.by_one) == (1, 4, 2)
    assert counted.sources == {"carton-1": 3, "foreground": 3}
    text = text_of(findings)
    assert "1 of them are doubtful 存疑, and 4 more items may have been in loads" in text
    assert "carton-1 3, foreground 3; 2 by one alone" in text


def test_certificates_are_told_and_whose_they_are() -> None:
    notebook = Notebook()
    looks(notebook, YARD, (COUNTED, 48))
    certificate(notebook, YARD, by_machine=700, exact=2, error_permille=271, passed=False)
    certificate(notebook, YARD)
    text = text_of(check(notebook))
    assert "passed 2026-03-01 08:01:00 (00:01:00Z): error 1.4 % of at most 5.0 %, 17 of 20 frames exact (n=3)" in text
    assert "1 certificate; 1 of all passed" in text
    assert "NOTE" not in text
    looks(notebook, YARD, (COUNTED, 48), detector_sha256=b"\x01" * 32)
    text = text_of(check(notebook))
    assert "counted by stock-1 000000000000, then stock-1 010101010101" in text
    assert "the certificate is of stock-1 000000000000, another one" in text


def test_absolute_counts_are_claimed_with_a_certificate_alone() -> None:
    notebook = Notebook()
    notebook.chain(YARD, {"title": "Yard", "absolute": 0})
    looks(notebook, YARD, (COUNTED, 48))
    assert "the count itself is not claimed, only how it changes" in text_of(check(notebook))
    certificate(notebook, YARD)
    notebook.configure(YARD, {"title": "Yard", "absolute": 1})
    looks(notebook, YARD, (COUNTED, 48))
    findings = check(notebook)
    assert findings.verdict is Verdict.COMPLETE
    stocked = stream(findings, YARD).recomputed.stocked
    assert stocked is not None
    assert stocked.absolute is True


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_claim_of_absolute_counts_that_no_test_allows_is_found_once(has_failed: bool) -> None:  # noqa: FBT001
    notebook = Notebook()
    notebook.chain(YARD, {"title": "Yard", "absolute": 1})
    if has_failed:
        certificate(notebook, YARD, passed=False)
    for _ in range(3):
        looks(notebook, YARD, (COUNTED, 48))
    found = stream(check(notebook), YARD)
    assert [one.what.partition(",")[0] for one in found.contradictions] == ["it claims absolute counts"]


def test_a_claim_whose_certificate_may_be_among_what_is_missing_is_no_contradiction() -> None:
    notebook = Notebook()
    notebook.chain(YARD, {"title": "Yard", "absolute": 0})
    gone = certificate(notebook, YARD)
    notebook.configure(YARD, {"title": "Yard", "absolute": 1})
    looks(notebook, YARD, (COUNTED, 48))
    findings = check(notebook, without=(gone,))
    assert (findings.verdict, stream(findings, YARD).contradicted) == (Verdict.INCOMPLETE, 0)


def test_pictures_are_told_and_how_many_left() -> None:
    notebook = Notebook()
    notebook.crossings(DOOR, [])
    for shade in range(3):
        picture(notebook, DOOR, png(least=shade), leaves=False)
    picture(notebook, DOOR, png(least=0), leaves=True)
    findings = check(notebook)
    told = stream(findings, DOOR).recomputed.pictures
    assert told is not None
    assert (told.count, told.here, len(told.newest)) == (3, 1, 4)
    assert "3 (4 slit): 1 left the box and are here" in text_of(findings)
    assert "2 stayed on it" in text_of(findings)


def test_a_picture_with_other_bytes_than_its_hash_says_is_refused() -> None:
    """Well signed: the box itself lied."""
    notebook = Notebook()
    notebook.crossings(DOOR, [])
    honest = payload_of(picture(notebook, DOOR, png(), leaves=True))
    honest[12][6] = bytes(32)
    lie = cose.sign1(notebook.key, cbor.encode(honest), aad=AAD)
    notebook.pages[-1] = lie
    trust = Trust(fingerprints=frozenset([notebook.receiver.public.fingerprint]))
    entries = [(Entry.STATEMENT, page) for page in notebook.pages]
    key = (Entry.KEY, notebook.receiver.public.to_cose_key())
    findings = verify(Memory(held=[key, (Entry.ROSTER, notebook.roster()), *entries]), trust)
    assert findings.verdict is Verdict.BROKEN
    assert findings.refused == (("a picture whose bytes have another hash", 1),)
