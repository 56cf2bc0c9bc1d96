"""The receiver's file: what it takes, what it complains of, and that the documentation knows every key."""

import re
from pathlib import Path

import pytest

from cloud_sync.config import SECTIONS, ConfigurationError, Pages, load

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration-receiver.md"

WHOLE = """
[receiver]
id = "suzhou"
signing_key = "./keys/signing.key"
store = "/var/lib/receiver.db"
[broker]
host = "broker.example.cn"
port = 8884
ca = "./ca.pem"
cert = "./receiver.pem"
key = "./receiver.key"
keepalive_s = 20
share = "two"
[http]
host = "127.0.0.1"
port = 8080
cert = "./http.pem"
key = "./http.key"
pages = "off"
"""
NAME_WANTED = "a name of small letters, digits and hyphens, 40 at most"
LEAST = '[receiver]\nid = "suzhou"\nsigning_key = "./signing.key"\nstore = "./receiver.db"\n'


def write(path: Path, text: str) -> Path:
    file = path / "receiver.toml"
    file.write_text(text)
    return file


def complaints(path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(write(path, text))
    return str(caught.value)


def test_a_whole_file_is_read_and_paths_begin_in_its_folder(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE))
    assert config.receiver.signing_key == tmp_path / "keys" / "signing.key"
    assert config.receiver.store == Path("/var/lib/receiver.db")
    assert config.broker is not None
    assert (config.broker.host, config.broker.port, config.broker.share) == ("broker.example.cn", 8884, "two")
    assert (config.http.port, config.http.pages, config.http.cert) == (8080, Pages.OFF, tmp_path / "http.pem")


def test_the_least_file_has_no_broker_and_serves_this_machine_only(tmp_path: Path) -> None:
    config = load(write(tmp_path, LEAST))
    assert config.broker is None
    assert (config.http.host, config.http.port, config.http.pages) == ("127.0.0.1", 8780, Pages.HERE)


def test_every_mistake_is_told_at_once_with_file_key_found_and_wanted(tmp_path: Path) -> None:
    told = complaints(
        tmp_path, WHOLE.replace("8884", "0").replace('"suzhou"', '"Su Zhou"').replace("keepalive_s", "keepalive")
    )
    assert told.splitlines() == [
        f'In {tmp_path}/receiver.toml, receiver.id is "Su Zhou", where {NAME_WANTED} is wanted.',
        f'In {tmp_path}/receiver.toml, broker.keepalive is no known key, where "keepalive_s" is wanted.',
        f"In {tmp_path}/receiver.toml, broker.port is 0, where a whole number from 1 to 65535 is wanted.",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "receiver.id is missing"),
        (LEAST + "[broker]\n", "broker.host is missing"),
        (LEAST + "[brocker]\n", 'brocker is no known key, where "broker"'),
        (LEAST.replace('"./receiver.db"', '"receiver.db"'), 'a path with a "/" in it'),
        (LEAST.replace('"./signing.key"', '"credential:x"'), "$CREDENTIALS_DIRECTORY"),
        (LEAST.replace('"suzhou"', "7"), "receiver.id is 7"),
        (LEAST + '[http]\nhost = "0.0.0.0"\n', "127.0.0.1 (a reverse proxy asks for the login)"),
        (LEAST + '[http]\npages = "yes"\n', 'one of "off", "here", "open"'),
        (LEAST + '[http]\ncert = "./a"\n', "http.cert is without http.key"),
        (LEAST + "[http]\nport = true\n", "http.port is True"),
        (LEAST + "[http]\nport = 1.5\n", "http.port is 1.5"),
        ("http = 1\n" + LEAST, "http is 1, where a table"),
        ("[receiver", "is not TOML"),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(tmp_path: Path, text: str, told: str) -> None:
    assert told in complaints(tmp_path, text)


def test_pages_for_all_are_possible_but_must_be_said(tmp_path: Path) -> None:
    for pages in ("off", "open"):
        assert load(write(tmp_path, LEAST + f'[http]\nhost = "0.0.0.0"\npages = "{pages}"\n')).http.pages.value == pages


def test_a_credential_lies_where_systemd_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    config = load(write(tmp_path, LEAST.replace('"./signing.key"', '"credential:signing.key"')))
    assert config.receiver.signing_key == Path("/run/credentials/x/signing.key")


def test_a_file_that_is_not_there_is_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cloud-sync init"):
        load(tmp_path / "nothing.toml")


def test_the_documentation_has_every_key_and_no_other() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", text, flags=re.MULTILINE))
    assert documented == {f"{section}.{key}" for section, keys in SECTIONS.items() for key in keys}


def test_the_example_in_the_documentation_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert load(write(tmp_path, example)).receiver.id == "suzhou"
