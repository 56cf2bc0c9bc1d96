"""The command as a person at a bank meets it: real processes, exit codes, last lines, no traceback."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from evidence.cli import fingerprint, main
from evidence.keys import PublicKey, SigningKey
from evidence.source import COPY_FILE
from tests.evidence.test_verify import LATHE, factory
from tests.world.feed import running_feed
from tests.world.notebook import Notebook, write

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "evidence.cli"]


@pytest.fixture(scope="module")
def notebook() -> Notebook:
    return factory(3)


@pytest.fixture
def bundle(notebook: Notebook, tmp_path: Path) -> Path:
    return write(tmp_path / "b.bundle", notebook.entries())


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert "Traceback" not in done.stderr
    return done


def ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The same in this process, which is quicker."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as left:
        code = int(left.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


# verify


def test_verify_ends_in_one_plain_sentence(notebook: Notebook, bundle: Path) -> None:
    done = run("verify", bundle, "--fingerprint", notebook.receiver.public.fingerprint)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        "COMPLETE: 4 streams, 17 statements, nothing missing, no fork, nothing that contradicts itself."
    )
    assert done.stderr == ""


def test_a_fingerprint_may_be_typed_as_people_type(
    notebook: Notebook, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = notebook.receiver.public.fingerprint.upper().replace("-", " ")
    assert ask(capsys, "verify", bundle, "--fingerprint", typed)[0] == 0
    assert fingerprint(typed) == notebook.receiver.public.fingerprint


def test_a_key_file_can_be_trusted_instead(
    notebook: Notebook, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "receiver.pub"
    path.write_bytes(notebook.receiver.public.to_cose_key())
    assert ask(capsys, "verify", bundle, "--trust", path)[0] == 0


def test_nobody_trusted_is_not_fine(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "verify", bundle)
    assert code == 1
    assert out.splitlines()[-1].startswith("UNVOUCHED: ")


def test_something_missing_is_1_and_something_broken_is_5(
    notebook: Notebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = ("--fingerprint", notebook.receiver.public.fingerprint)
    gone = notebook.entries()[8]
    entries = [one for one in notebook.entries() if one != gone]
    assert ask(capsys, "verify", write(tmp_path / "1", entries[:-1]), *trust)[0] == 1
    code, out, _ = ask(capsys, "verify", write(tmp_path / "2", entries), *trust)
    assert code == 5
    assert out.splitlines()[-1].startswith("BROKEN: ")
    assert "Traceback" not in out


def test_verify_of_one_stream(notebook: Notebook, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trust = ("--fingerprint", notebook.receiver.public.fingerprint, "--json")
    code, out, _ = ask(capsys, "verify", bundle, "--stream", LATHE, *trust)
    assert code == 0
    assert [stream["stream"] for stream in json.loads(out)["streams"]] == ["box", LATHE]
    code, _, err = ask(capsys, "verify", bundle, "--stream", "machine/nope", *trust)
    assert code == 1
    assert "machine/nope" in err


def test_verify_as_json(notebook: Notebook, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "verify", bundle, "--json", "--fingerprint", notebook.receiver.public.fingerprint)
    told = json.loads(out)
    assert code == 0
    assert (told["verdict"], told["vouched"], told["missing"]) == ("COMPLETE", True, 0)
    lathe = told["streams"][2]["recomputed"]
    assert lathe["hours"]["low_ms"] <= lathe["hours"]["up_ms"]
    assert lathe["rejudged"]["disagree_ms"] == 0


# show


def test_show_lists_one_line_each(notebook: Notebook, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "show", bundle)
    assert code == 0
    assert len(out.splitlines()) == len(notebook.pages) + 2
    assert "roster of main" in out
    _, out, _ = ask(capsys, "show", bundle, "--stream", LATHE)
    assert len(out.splitlines()) == 4


def test_show_prints_a_statement_whole_in_local_and_universal_time(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = ask(capsys, "show", bundle, "--stream", "machine/press", "--n", 1)
    assert "2026-03-01 08:00:00 (00:00:00Z)" in out
    assert "RUNNING 开工" in out
    assert "5000.000" in out
    assert "0103 -> 018302" in out


@pytest.mark.parametrize("n", range(4))
def test_every_kind_of_page_can_be_shown_as_text_and_as_json(
    bundle: Path, n: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(capsys, "show", bundle, "--n", n)[0] == 0
    code, out, _ = ask(capsys, "show", bundle, "--n", n, "--json")
    assert code == 0
    assert all(json.loads(line)["n"] == n for line in out.splitlines())


def test_show_receipts_and_rosters_whole(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds 0 to 3" in ask(capsys, "show", bundle, "--receipts")[1]
    assert "Suzhou Tyres" in ask(capsys, "show", bundle, "--rosters")[1]
    assert json.loads(ask(capsys, "show", bundle, "--rosters", "--json")[1])["boxes"][0]["box"] == "press-1"


def test_show_of_one_bare_document(notebook: Notebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, path = tmp_path / "k.pub", tmp_path / "document"
    key.write_bytes(notebook.key.public.to_cose_key())
    path.write_bytes(notebook.pages[-1])
    assert "HEARTBEAT" in ask(capsys, "show", path, "--trust", key)[1]
    code, _, err = ask(capsys, "show", path)
    assert (code, "unknown key" in err) == (5, True)
    key.write_bytes(notebook.receiver.public.to_cose_key())
    for document, word in ((notebook.receipt(), "receipt"), (notebook.roster(), "roster")):
        path.write_bytes(document)
        assert word in ask(capsys, "show", path, "--trust", key)[1]


def test_show_names_what_it_does_not_show(
    notebook: Notebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = notebook.pages[3]
    entries = [(kind, content if content != page else content[:-1] + b"x") for kind, content in notebook.entries()]
    code, out, err = ask(capsys, "show", write(tmp_path / "b", entries))
    assert code == 5
    assert len(out.splitlines()) == len(notebook.pages) + 1
    assert "the signature does not fit" in err


# keygen, fingerprint


@pytest.mark.parametrize("algorithm", ["ed25519", "p256"])
def test_keygen_writes_a_private_and_a_public_file_and_prints_the_fingerprint(
    algorithm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bank.key"
    code, out, _ = ask(capsys, "keygen", "-o", path, "--algorithm", algorithm)
    assert code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    public = PublicKey.load(tmp_path / "bank.key.pub")
    assert SigningKey.load(path).public == public
    assert out.strip() == public.fingerprint
    for file in (path, tmp_path / "bank.key.pub"):
        assert ask(capsys, "fingerprint", file)[1] == out
    told = json.loads(ask(capsys, "fingerprint", path, "--json")[1])
    assert (told["fingerprint"], told["kid"]) == (public.fingerprint, public.kid.hex())


def test_keygen_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for existing in ("a.key", "a.key.pub"):
        folder = tmp_path / existing
        folder.mkdir()
        (folder / existing).write_text("mine")
        code, _, err = ask(capsys, "keygen", "-o", folder / "a.key")
        assert code == 3
        assert "exists" in err.lower()
        assert [p.name for p in folder.iterdir()] == [existing]


# pull


def test_pull_then_verify_then_the_receiver_goes_away(tmp_path: Path) -> None:
    notebook = factory(2)
    with running_feed(notebook) as feed:
        key, copy = tmp_path / "bank.key", tmp_path / "copy"
        feed.bank.save(key)
        trust = notebook.receiver.public.fingerprint
        pull = ("pull", "--url", feed.url, "--bank", "b", "--key", key, "--receiver-fingerprint", trust, "-o", copy)
        done = run(*pull)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == f"13 new, 13 statements of 4 streams in {copy}"
        assert json.loads(run(*pull, "--json").stdout)["new"] == 0
        assert run("verify", copy, "--fingerprint", trust).returncode == 0
        feed.pages = [*notebook.pages, factory(1).pages[0]]
        done = run(*pull)
        assert done.returncode == 5
        assert "REFUSED, kept in refused.bundle" in done.stdout
        stranger = SigningKey.generate().public.fingerprint
        assert run(*pull[:-4], "--receiver-fingerprint", stranger, "-o", copy).returncode == 5


def test_pull_from_nobody_is_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    key = tmp_path / "k"
    SigningKey.generate().save(key)
    to = ("--bank", "b", "--key", key, "--receiver-fingerprint", "0" * 32, "-o", tmp_path / "copy")
    code, _, err = ask(capsys, "pull", "--url", "http://127.0.0.1:1", *to)
    assert code == 1
    assert "cannot be reached" in err
    assert not (tmp_path / "copy" / COPY_FILE).exists()


# What users do.


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("nonsense",), 2),
        (("verify",), 2),
        (("verify", "x", "--fingerprint", "abc"), 2),
        (("verify", "/nonexistent"), 1),
        (("verify", "/"), 1),
        (("verify", "/etc/passwd"), 1),
        (("verify", "/dev/null"), 1),
        (("verify", "/etc/passwd", "--trust", "/nonexistent"), 3),
        (("verify", "/etc/passwd", "--trust", "/etc/passwd"), 3),
        (("show", "/nonexistent"), 1),
        (("show", "/etc/passwd"), 1),
        (("show", "x", "--n", "abc"), 2),
        (("show", "x", "--receipts", "--rosters"), 2),
        (("keygen",), 2),
        (("keygen", "-o", "/nonexistent/key"), 3),
        (("keygen", "-o", "x", "--algorithm", "rsa"), 2),
        (("fingerprint", "/nonexistent"), 3),
        (("fingerprint", "/etc/passwd"), 3),
        (("--version",), 0),
        (("--help",), 0),
        (("pull", "--help"), 0),
    ],
)
def test_a_users_mistake_is_one_sentence_and_the_right_code(
    arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = ask(capsys, *arguments)
    assert found == code
    assert "Traceback" not in err
    assert out or err


def test_every_command_has_help_with_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("verify", "show", "pull", "keygen", "fingerprint"):
        _, out, _ = ask(capsys, command, "--help")
        assert "5  evidence is broken" in out
        assert "--json" in out


def test_a_reader_that_leaves_early_sees_no_traceback(bundle: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "show", str(bundle), "--receipts"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == 1


def test_ctrl_c_ends_without_a_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "b.bundle"
    os.mkfifo(pipe)  # reading from it waits for ever
    with (
        subprocess.Popen([*COMMAND, "verify", str(pipe)], stderr=subprocess.PIPE, cwd=ROOT) as process,
        pipe.open("wb"),
    ):
        for _ in range(10):  # one that comes just before the read is not told until the next wakes it
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
                break
        assert process.stderr is not None
        said = process.stderr.read()
    assert said == b"interrupted\n"
    assert process.returncode == 130
