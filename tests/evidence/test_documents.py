"""Receipts, rosters and bundles: they come back as they were made, and nothing else passes for one."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor, cose
from evidence.bundle import (
    ENTRY_LIMIT,
    Entry,
    entry,
    header,
    index_bundle,
    read_bundle,
    read_entries,
    write_bundle,
)
from evidence.errors import MalformedError, RefusedError
from evidence.keys import Algorithm, SigningKey
from evidence.receipt import AAD as RECEIPT_AAD
from evidence.receipt import Receipt, open_receipt, seal_receipt
from evidence.roster import AAD as ROSTER_AAD
from evidence.roster import Roster, open_roster, seal_roster
from tests.evidence import strategies as some
from tests.evidence.test_statement import FOREIGN, places, replaced

KEY = some.KEYS[Algorithm.ED25519]


def payload_of(document: bytes) -> Any:  # noqa: ANN401
    return cbor.decode(cose.peek1(document, at_most=1 << 22), at_most=1 << 22)


@given(some.keys, some.receipts)
def test_a_receipt_comes_back_as_it_was_signed(key: SigningKey, receipt: Receipt) -> None:
    assert open_receipt(seal_receipt(key, receipt), some.known(key)) == receipt


@given(some.keys, some.rosters)
def test_a_roster_comes_back_as_it_was_signed(key: SigningKey, roster: Roster) -> None:
    assert open_roster(seal_roster(key, roster), some.known(key)) == roster


@given(some.receipts, st.data())
def test_signed_nonsense_in_a_receipt_is_refused_or_means_exactly_what_was_signed(
    receipt: Receipt, data: st.DataObject
) -> None:
    honest = payload_of(seal_receipt(KEY, receipt))
    spoilt = replaced(honest, data.draw(st.sampled_from(places(honest))), data.draw(FOREIGN))
    payload = cbor2.dumps(spoilt)
    with suppress(RefusedError):
        read = open_receipt(cose.sign1(KEY, payload, aad=RECEIPT_AAD), some.known(KEY))
        assert cose.peek1(seal_receipt(KEY, read), at_most=1 << 20) == payload


@given(some.rosters, st.data())
def test_signed_nonsense_in_a_roster_is_refused_or_means_exactly_what_was_signed(
    roster: Roster, data: st.DataObject
) -> None:
    honest = payload_of(seal_roster(KEY, roster))
    spoilt = replaced(honest, data.draw(st.sampled_from(places(honest))), data.draw(FOREIGN))
    payload = cbor2.dumps(spoilt)
    with suppress(RefusedError):
        read = open_roster(cose.sign1(KEY, payload, aad=ROSTER_AAD), some.known(KEY))
        assert cose.peek1(seal_roster(KEY, read), at_most=1 << 22) == payload


@given(some.receipts, some.rosters)
def test_a_receipt_is_no_roster_and_a_roster_no_receipt(receipt: Receipt, roster: Roster) -> None:
    with pytest.raises(RefusedError):
        open_roster(seal_receipt(KEY, receipt), some.known(KEY))
    with pytest.raises(RefusedError):
        open_receipt(seal_roster(KEY, roster), some.known(KEY))


@given(st.binary(max_size=200))
def test_noise_is_neither(noise: bytes) -> None:
    for document in (noise, cose.sign1(KEY, noise, aad=RECEIPT_AAD), cose.sign1(KEY, noise, aad=ROSTER_AAD)):
        with pytest.raises(RefusedError):
            open_receipt(document, some.known(KEY))
        with pytest.raises(RefusedError):
            open_roster(document, some.known(KEY))


entries = st.lists(
    st.tuples(st.sampled_from([kind for kind in Entry if kind is not Entry.HEADER]), st.binary(max_size=400)),
    max_size=8,
)


@given(entries)
def test_a_bundle_gives_back_its_entries(tmp_path_factory: pytest.TempPathFactory, given_entries: Any) -> None:  # noqa: ANN401
    path = tmp_path_factory.mktemp("bundle") / "b.bundle"
    with path.open("wb") as file:
        assert write_bundle(file, given_entries) == len(given_entries)
    assert list(read_bundle(path)) == given_entries
    content = path.read_bytes()
    for offset, kind, inner in index_bundle(path):
        assert content[offset : offset + len(inner)] == inner
        assert (kind, inner) in given_entries
    assert content == header() + b"".join(entry(kind, inner) for kind, inner in given_entries)


@given(entries, st.data())
def test_a_bundle_that_is_cut_off_gives_what_came_before(
    tmp_path_factory: pytest.TempPathFactory,
    given_entries: Any,  # noqa: ANN401
    data: st.DataObject,
) -> None:
    encoded = [header(), *(entry(kind, inner) for kind, inner in given_entries)]
    whole = b"".join(encoded)
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("bundle") / "b.bundle"
    path.write_bytes(whole[:cut])
    ends = [sum(map(len, encoded[: i + 1])) for i in range(len(encoded))]
    read: list[tuple[Entry, bytes]] = []
    if cut in ends:
        read.extend(read_bundle(path))
    else:
        with pytest.raises(MalformedError):
            read.extend(read_bundle(path))
        read = []
        with suppress(MalformedError):
            for one in read_bundle(path):
                read.append(one)
    assert read == given_entries[: max(0, sum(end <= cut for end in ends) - 1)]


@given(entries)
def test_reading_by_any_portion_gives_the_same(given_entries: Any) -> None:  # noqa: ANN401
    encoded = b"".join(entry(kind, inner) for kind, inner in given_entries)
    assert list(read_entries(encoded)) == given_entries


@given(st.binary(max_size=60))
def test_entries_of_noise_are_refused_or_exactly_what_entry_makes(noise: bytes) -> None:
    with suppress(MalformedError):
        assert b"".join(entry(kind, inner) for kind, inner in read_entries(noise)) == noise


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"hello, world", entry(Entry.STATEMENT, b"x"), entry(Entry.HEADER, b"qianliyan bundle 2")):
        path = tmp_path / "x.bundle"
        path.write_bytes(content)
        with pytest.raises(MalformedError):
            list(read_bundle(path))


def test_an_entry_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    for head in (b"\x82\x01\x5a\xff\xff\xff\xff", b"\x82\x01\x5b\xff\xff\xff\xff\xff\xff\xff\xff"):
        path.write_bytes(header() + head + bytes(100))
        with pytest.raises(MalformedError):
            list(read_bundle(path))


def test_the_longest_entry_is_read_across_many_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    content = bytes(ENTRY_LIMIT - 10)
    with path.open("wb") as file:
        write_bundle(file, [(Entry.ROSTER, content), (Entry.STATEMENT, b"after")])
    assert list(read_bundle(path)) == [(Entry.ROSTER, content), (Entry.STATEMENT, b"after")]


def test_only_so_many_bytes_of_a_bundle_count_as_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    file = BytesIO()
    write_bundle(file, [(Entry.STATEMENT, b"one")])
    path.write_bytes(file.getvalue() + b"\x82\x01\x58half an en")
    assert [inner for _, _, inner in index_bundle(path, length=len(file.getvalue()))] == [b"one"]
