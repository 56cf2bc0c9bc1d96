"""Enrolment from end to end without a network: a box's request, a person's look, the receiver's answer."""

import io
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.broker import UP
from cloud_sync.ca import Authority, Role, open_or_create
from cloud_sync.enrol import ANSWER_AAD, REQUEST_AAD, Answered, Desk, Request, add_revoke_parser, answer, open_request
from cloud_sync.enrol import add_parser as add_receiver_parser
from cloud_sync.errors import AuthorityError, EnrolmentError
from cloud_sync.sqlite_store import SqliteStore
from edge_agent.commands.enrol import EnrolError, accept, add_parser, make_request, open_answer, uplink_toml
from evidence import cbor, cose
from evidence.errors import EvidenceError, KeyFileError, MalformedError, SignatureError
from evidence.exits import Exit
from evidence.keys import PublicKey, SigningKey
from evidence.roster import Enrolled
from tests.world.broker import ClientFiles, RunningBroker, missing_broker, now_ms, running_broker
from tests.world.talker import Talker

AT_MS = 1_790_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(SqliteStore(tmp_path / "receiver.db")) as store:
        yield Desk(
            receiver="suzhou",
            key=SigningKey.generate(),
            authority=open_or_create(tmp_path / "ca", name="Test", at_ms=AT_MS),
            roster=store,
            broker_host="broker.example",
            broker_port=8883,
        )


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """The directory of a box that has written its request."""
    ask(tmp_path / "box")
    return tmp_path / "box"


def ask(directory: Path, *, box: str = "press-1", enterprise: str = "众祥纺织", site: str = "吴江") -> bytes:
    return make_request(directory, box=box, enterprise=enterprise, site=site, at_ms=AT_MS).encoded


def grant(desk: Desk, directory: Path, *, at_ms: int = AT_MS) -> Answered:
    return answer(desk, open_request((directory / "request.cbor").read_bytes()), at_ms=at_ms)


def test_a_box_is_enrolled_with_what_it_asked_for(desk: Desk, box: Path) -> None:
    answered = grant(desk, box)
    accepted = accept(answered.encoded, box, at_ms=AT_MS)
    own = SigningKey.load(box / "signing.key").public
    expected = Enrolled(box="press-1", enterprise="众祥纺织", site="吴江", key=own, since_ms=AT_MS)
    assert answered.new
    assert desk.roster.roster() == (expected,)
    assert (accepted.broker_host, accepted.broker_port, accepted.receiver) == ("broker.example", 8883, "suzhou")
    assert PublicKey.load(box / "receiver.pub") == desk.key.public
    assert (box / "ca.pem").read_bytes() == desk.authority.pem


def test_private_keys_are_readable_by_their_owner_alone_and_travel_nowhere(desk: Desk, box: Path) -> None:
    papers = (box / "request.cbor").read_bytes() + grant(desk, box).encoded
    for name in ("signing.key", "tls.key"):
        assert (box / name).stat().st_mode & 0o777 == 0o600
        assert (box / name).read_bytes().splitlines()[1] not in papers


def test_asking_again_keeps_the_keys(desk: Desk, box: Path) -> None:
    before = {name: (box / name).read_bytes() for name in ("signing.key", "tls.key")}
    ask(box)
    assert {name: (box / name).read_bytes() for name in before} == before
    accept(grant(desk, box).encoded, box, at_ms=AT_MS)


@pytest.mark.parametrize("other", [{"box": "press-2"}, {"enterprise": "Another"}, {"site": "Another"}], ids=str)
def test_keys_of_one_box_ask_for_no_other(box: Path, other: dict[str, str]) -> None:
    before = (box / "request.cbor").read_bytes()
    with pytest.raises(EnrolError, match="belong to box press-1"):
        ask(box, **other)
    assert (box / "request.cbor").read_bytes() == before


@pytest.mark.parametrize("name", ["", "Press", "a/b", "receiver.main", "a" * 41])
def test_what_is_no_box_id_makes_no_keys(tmp_path: Path, name: str) -> None:
    with pytest.raises(MalformedError, match="no box id"):
        ask(tmp_path / "box", box=name)
    assert not (tmp_path / "box").exists()


@pytest.mark.parametrize("text", ["", "a\nb", "\x1b[2K", "x" * 201], ids=["empty", "newline", "escape", "long"])
def test_a_name_that_would_deceive_a_terminal_is_refused_on_both_sides(tmp_path: Path, text: str) -> None:
    with pytest.raises(EnrolError, match="texts of 1 to 200"):
        ask(tmp_path / "box", enterprise=text)
    for key in (2, 3, 6):
        with pytest.raises(MalformedError, match="no enrolment request"):
            open_request(signed_request(tmp_path, {key: text}))


def test_the_same_request_answered_again_is_the_same_box(desk: Desk, box: Path) -> None:
    first, again = grant(desk, box), grant(desk, box, at_ms=AT_MS + DAY_MS)
    assert (first.new, again.new) == (True, False)
    assert again.enrolled == first.enrolled
    assert len(desk.roster.roster()) == 1
    assert again.expires_at_ms == first.expires_at_ms
    accept(first.encoded, box, at_ms=AT_MS)
    accept(again.encoded, box, at_ms=AT_MS)


def test_answering_again_shortly_before_the_end_renews_the_certificate(desk: Desk, box: Path) -> None:
    first = grant(desk, box)
    accept(first.encoded, box, at_ms=AT_MS)
    late_ms = first.expires_at_ms - 10 * DAY_MS
    again = grant(desk, box, at_ms=late_ms)
    assert again.expires_at_ms > first.expires_at_ms
    assert accept(again.encoded, box, at_ms=late_ms).expires_at_ms == again.expires_at_ms


def test_another_key_for_an_enrolled_box_is_refused(desk: Desk, box: Path, tmp_path: Path) -> None:
    grant(desk, box)
    ask(tmp_path / "impostor")
    with pytest.raises(EnrolmentError, match=r"press-1 is enrolled with another key .*another id"):
        grant(desk, tmp_path / "impostor")
    assert len(desk.roster.roster()) == 1


def test_a_copied_key_under_another_id_is_refused(desk: Desk, box: Path) -> None:
    grant(desk, box)
    request = open_request((box / "request.cbor").read_bytes())
    with pytest.raises(EnrolmentError, match="the card was copied"):
        answer(desk, replace(request, box="press-2"), at_ms=AT_MS)


@pytest.mark.parametrize("other", [{"enterprise": "Another"}, {"site": "Another"}], ids=str)
def test_an_enrolled_box_is_not_moved(desk: Desk, box: Path, other: dict[str, Any]) -> None:
    grant(desk, box)
    request = open_request((box / "request.cbor").read_bytes())
    with pytest.raises(EnrolmentError, match="cannot be moved"):
        answer(desk, replace(request, **other), at_ms=AT_MS)


def test_a_request_whose_tls_key_is_not_its_own_enrols_nobody(desk: Desk, box: Path) -> None:
    request = open_request((box / "request.cbor").read_bytes())
    with pytest.raises(AuthorityError):
        answer(desk, replace(request, csr=request.csr[:-1] + bytes((request.csr[-1] ^ 1,))), at_ms=AT_MS)
    assert desk.roster.roster() == ()


def test_a_revoked_tls_key_is_not_certified_again_and_a_new_one_is(desk: Desk, box: Path) -> None:
    accept(grant(desk, box).encoded, box, at_ms=AT_MS)
    desk.authority.revoke(role=Role.BOX, name="press-1", at_ms=AT_MS)
    with pytest.raises(AuthorityError, match="needs a new one"):
        grant(desk, box)
    (box / "tls.key").unlink()
    ask(box)
    assert not grant(desk, box).new


def signed_request(
    directory: Path, changes: dict[int, object], *, signer: SigningKey | None = None, aad: bytes = REQUEST_AAD
) -> bytes:
    """A request that a box would not write, validly signed."""
    key = SigningKey.generate()
    directory.mkdir(exist_ok=True)
    plain = {0: 1, 1: "press-1", 2: "E", 3: "S", 4: key.public.to_cose_key(), 5: b"csr", 6: "x 1", 7: AT_MS}
    payload = {k: v for k, v in (plain | changes).items() if v is not None}
    return cose.sign1(signer or key, cbor.encode(payload), aad=aad)


@pytest.mark.parametrize(
    "changes",
    [
        {0: 2},
        {1: "Press"},
        {1: 1},
        {2: b"E"},
        {4: b""},
        {4: None},
        {5: "csr"},
        {6: None},
        {7: -1},
        {7: 1 << 60},
        {8: 0},
    ],
    ids=str,
)
def test_an_ill_typed_request_is_refused_though_it_is_signed(tmp_path: Path, changes: dict[int, object]) -> None:
    with pytest.raises(MalformedError):
        open_request(signed_request(tmp_path, changes))


def test_a_request_for_another_boxs_key_is_refused(tmp_path: Path) -> None:
    """The signer must hold the key it wants enrolled."""
    with pytest.raises(SignatureError):
        open_request(signed_request(tmp_path, {}, signer=SigningKey.generate()))


def test_a_document_of_another_kind_passes_for_no_request(tmp_path: Path) -> None:
    with pytest.raises(SignatureError):
        open_request(signed_request(tmp_path, {}, aad=b"qianliyan statement 1"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(at=st.integers(0, 1 << 16), to=st.integers(0, 255))
def test_a_damaged_request_is_refused(box: Path, at: int, to: int) -> None:
    good = (box / "request.cbor").read_bytes()
    bad = bytearray(good)
    bad[at % len(bad)] = to
    if bytes(bad) != good:
        with pytest.raises(EvidenceError):
            open_request(bytes(bad))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(at=st.integers(0, 1 << 16), to=st.integers(0, 255))
def test_a_damaged_answer_is_refused(desk: Desk, box: Path, at: int, to: int) -> None:
    good = grant(desk, box).encoded
    bad = bytearray(good)
    bad[at % len(bad)] = to
    if bytes(bad) != good:
        with pytest.raises(EvidenceError):
            open_answer(bytes(bad), box, at_ms=AT_MS)


@given(noise=st.binary(max_size=200))
def test_noise_is_no_request(noise: bytes) -> None:
    with pytest.raises(EvidenceError):
        open_request(noise)


def altered(desk: Desk, encoded: bytes, changes: dict[int, object]) -> bytes:
    """The answer, changed by the receiver itself or by whoever has its key."""
    payload = cbor.decode(cose.peek1(encoded, at_most=1 << 14), at_most=1 << 14)
    return cose.sign1(desk.key, cbor.encode(payload | changes), aad=ANSWER_AAD)


def another(desk: Desk, tmp_path: Path, **names: str) -> bytes:
    """The certificate of another box, by the same authority."""
    ask(tmp_path / "other", **names)
    request = open_request((tmp_path / "other" / "request.cbor").read_bytes())
    return desk.authority.issue_client(request.csr, role=Role.BOX, name=request.box, at_ms=AT_MS).der


def foreign(tmp_path: Path) -> Authority:
    return open_or_create(tmp_path / "foreign", name="Test", at_ms=AT_MS)


Change = Callable[[Desk, Path], dict[int, object]]
WRONG: dict[str, tuple[Change, str]] = {
    "another box": (lambda _, __: {1: "press-2"}, "for box press-2"),
    "another signing key": (lambda _, __: {2: SigningKey.generate().public.to_cose_key()}, "another key"),
    "another authority": (lambda _, p: {5: foreign(p).der}, "not by the authority"),
    "a leaf for an authority": (lambda d, p: {5: another(d, p, box="press-2")}, "not by the authority"),
    "another box's certificate": (lambda d, p: {6: another(d, p, box="press-2")}, "another TLS key"),
    "a certificate of another key": (lambda d, p: {6: another(d, p)}, "another TLS key"),
    "no certificate": (lambda _, __: {6: b"0"}, "no certificate"),
    "a host that breaks a file": (lambda _, __: {7: 'a"\nb'}, "keys 0 to 9"),
    "no port": (lambda _, __: {8: 0}, "keys 0 to 9"),
    "more than was agreed": (lambda _, __: {10: 0}, "keys 0 to 9"),
    "another version": (lambda _, __: {0: 2}, "keys 0 to 9"),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
def test_an_answer_that_does_not_fit_this_box_is_refused_and_nothing_is_written(
    desk: Desk, box: Path, tmp_path: Path, change: Change, sentence: str
) -> None:
    wrong = altered(desk, grant(desk, box).encoded, change(desk, tmp_path))
    before = sorted(box.iterdir())
    with pytest.raises((EnrolError, EvidenceError), match=sentence):
        accept(wrong, box, at_ms=AT_MS)
    assert sorted(box.iterdir()) == before


def test_an_answer_signed_by_another_than_it_names_is_refused(desk: Desk, box: Path) -> None:
    forged = altered(replace(desk, key=SigningKey.generate()), grant(desk, box).encoded, {})
    with pytest.raises(SignatureError):
        accept(forged, box, at_ms=AT_MS)


def test_a_box_does_not_change_its_receiver_by_itself(desk: Desk, box: Path) -> None:
    accept(grant(desk, box).encoded, box, at_ms=AT_MS)
    other = grant(replace(desk, key=SigningKey.generate()), box).encoded
    with pytest.raises(EnrolError, match=r"to move the box on purpose, delete .*receiver\.pub"):
        accept(other, box, at_ms=AT_MS)
    assert PublicKey.load(box / "receiver.pub") == desk.key.public


def test_an_expired_answer_is_refused_and_a_slow_clock_only_noted(desk: Desk, box: Path) -> None:
    answered = grant(desk, box)
    with pytest.raises(EnrolError, match="expired"):
        accept(answered.encoded, box, at_ms=answered.expires_at_ms)
    assert accept(answered.encoded, box, at_ms=0).begins_at_ms > 0


def test_an_answer_before_any_request_says_what_to_do(desk: Desk, box: Path, tmp_path: Path) -> None:
    with pytest.raises(EnrolError, match="run `edge-agent enrol request` first"):
        accept(grant(desk, box).encoded, tmp_path, at_ms=AT_MS)
    (box / "signing.key").unlink()
    with pytest.raises(KeyFileError):
        accept(b"", box, at_ms=AT_MS)


@pytest.mark.skipif(missing_broker() is not None, reason=str(missing_broker()))
def test_an_enrolled_box_speaks_to_a_real_broker(desk: Desk, box: Path, tmp_path: Path) -> None:
    with running_broker(tmp_path / "broker") as broker:
        here = replace(desk, authority=broker.authority, broker_host=broker.host, broker_port=broker.port)
        accepted = accept(grant(here, box, at_ms=now_ms()).encoded, box, at_ms=now_ms())
        files = ClientFiles(name="press-1", ca=box / "ca.pem", cert=box / "tls.pem", key=box / "tls.key")
        reached = RunningBroker(directory=broker.directory, port=accepted.broker_port, host=accepted.broker_host)
        with Talker(reached, files) as says:
            assert says.publish(f"{UP}/press-1", b"batch") == "No matching subscribers"
            assert says.publish(f"{UP}/press-2", b"batch") == "Not authorized"


def test_the_snippet_for_the_configuration_is_toml_with_these_files(desk: Desk, box: Path) -> None:
    import tomllib

    tables = tomllib.loads(uplink_toml(accept(grant(desk, box).encoded, box, at_ms=AT_MS), box))
    assert tables["box"]["id"] == "press-1"
    assert tables["uplink"]["host"] == "broker.example"
    paths = [tables["box"]["signing_key"], *(tables["uplink"][key] for key in ("ca", "cert", "key", "receiver_key"))]
    assert all(Path(path).is_file() for path in paths)


# The commands.


def edge(*arguments: str | Path) -> Exit:
    parser = ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["enrol", *map(str, arguments)])
    return args.run(args)  # type: ignore[no-any-return]


def cloud(desk: Desk, *arguments: str | Path) -> Exit:
    @contextmanager
    def open_desk(_: Namespace) -> Iterator[Desk]:
        yield desk

    parser = ArgumentParser()
    subparsers = parser.add_subparsers()
    add_receiver_parser(subparsers, open_desk=open_desk)
    add_revoke_parser(subparsers)
    args = parser.parse_args([*map(str, arguments)])
    return args.run(args)  # type: ignore[no-any-return]


@pytest.fixture
def paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """A request that the command wrote, and the fingerprint it printed."""
    names = ("--box", "press-1", "--enterprise", "众祥纺织", "--site", "吴江")
    code = edge("request", *names, "--directory", tmp_path / "box", "-o", tmp_path / "request.cbor", "--json")
    assert code is Exit.OK
    told = json.loads(capsys.readouterr().out)
    return Path(told["request"]), told["fingerprint"]


def test_the_three_commands_enrol_a_box(
    desk: Desk, paper: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, fingerprint = paper
    here = replace(desk, authority=open_or_create(tmp_path / "now", name="Test", at_ms=now_ms()))
    reply = tmp_path / "answer.cbor"
    assert cloud(here, "enrol", file, "-o", reply, "--fingerprint", fingerprint.upper(), "--json") is Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["box"], told["new"], told["fingerprint"]) == ("press-1", True, fingerprint)
    receivers = told["receiver_fingerprint"]
    assert edge("accept", reply, "--directory", tmp_path / "box", "--fingerprint", receivers) is Exit.OK
    out = capsys.readouterr().out
    assert "next: put this into box.toml" in out
    assert '[uplink]\nhost = "broker.example"' in out
    assert edge("accept", reply, "--directory", tmp_path / "box", "--json") is Exit.OK
    assert json.loads(capsys.readouterr().out)["uplink"]["receiver_key"] == str(tmp_path / "box" / "receiver.pub")


def test_a_fingerprint_that_does_not_match_enrols_nobody(
    desk: Desk, paper: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = SigningKey.generate().public.fingerprint
    code = cloud(desk, "enrol", paper[0], "-o", tmp_path / "answer.cbor", "--fingerprint", wrong)
    assert code is Exit.EVIDENCE_BROKEN
    assert paper[1] in capsys.readouterr().err
    assert desk.roster.roster() == ()
    assert not (tmp_path / "answer.cbor").exists()


def test_a_receivers_fingerprint_that_does_not_match_is_not_accepted(
    desk: Desk, box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "answer.cbor").write_bytes(grant(desk, box).encoded)
    wrong = SigningKey.generate().public.fingerprint
    code = edge("accept", tmp_path / "answer.cbor", "--directory", box, "--fingerprint", wrong)
    assert code is Exit.EVIDENCE_BROKEN
    assert desk.key.public.fingerprint in capsys.readouterr().err
    assert not (box / "receiver.pub").exists()


@pytest.mark.parametrize(("said", "enrolled"), [("yes\n", 1), ("YES\n", 1), ("y\n", 0), ("no\n", 0), ("", 0)])
def test_a_person_is_shown_who_asks_and_must_say_yes(  # noqa: PLR0917 - fixtures
    desk: Desk,
    paper: tuple[Path, str],
    tmp_path: Path,
    said: str,
    enrolled: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    code = cloud(desk, "enrol", paper[0], "-o", tmp_path / "answer.cbor")
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("press-1", "众祥纺织", "吴江", paper[1]))
    assert code is (Exit.OK if enrolled else Exit.USAGE)
    assert len(desk.roster.roster()) == enrolled


def test_a_script_says_yes_by_flag(desk: Desk, paper: tuple[Path, str], tmp_path: Path) -> None:
    assert cloud(desk, "enrol", paper[0], "-o", tmp_path / "answer.cbor", "--yes") is Exit.OK


def test_what_is_no_request_is_said_to_be_none(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noise").write_bytes(b"noise")
    assert cloud(desk, "enrol", tmp_path / "noise", "-o", tmp_path / "a", "--yes") is Exit.EVIDENCE_BROKEN
    assert cloud(desk, "enrol", tmp_path / "absent", "-o", tmp_path / "a", "--yes") is Exit.USAGE
    assert "is no request" in capsys.readouterr().err


def test_what_is_no_answer_is_said_to_be_none(box: Path, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"noise")
    assert edge("accept", tmp_path / "noise", "--directory", box) is Exit.EVIDENCE_BROKEN
    assert edge("accept", tmp_path / "absent", "--directory", box) is Exit.CONFIGURATION
    assert edge("accept", tmp_path / "noise", "--directory", tmp_path) is Exit.CONFIGURATION


def test_the_revoke_command_revokes_and_says_what_comes_next(
    desk: Desk, box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grant(desk, box)
    assert cloud(desk, "revoke", "press-1", "--directory", tmp_path) is Exit.OK
    assert "restart mosquitto" in capsys.readouterr().out
    assert len(desk.authority.revoked()) == 1
    assert cloud(desk, "revoke", "press-1", "--directory", tmp_path, "--json") is Exit.OK
    assert json.loads(capsys.readouterr().out)["revoked"] == []
    assert cloud(desk, "revoke", "press-9", "--directory", tmp_path) is Exit.CONFIGURATION


def test_a_request_says_nothing_that_a_person_is_not_shown(box: Path) -> None:
    request: Request = open_request((box / "request.cbor").read_bytes())
    assert (request.box, request.enterprise, request.site, request.at_ms) == ("press-1", "众祥纺织", "吴江", AT_MS)
    assert request.software.startswith("qianliyan ")
