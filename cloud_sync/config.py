"""The one TOML file of a receiver, checked completely: after `load`, every number is in range and every path absolute.

docs/configuration-receiver.md says what each key means; a test holds the two together. Whether the files are there is
not looked at here, so that a file can be checked on another machine. Secrets are never in it, only where they lie.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeAlias

from cloud_sync.broker import KEEPALIVE_S, PORT
from cloud_sync.ca import HOST
from cloud_sync.errors import CloudSyncError
from cloud_sync.mqtt import Broker
from evidence.bodies import NAME

DEFAULT_CONFIG: Final = Path("/etc/qianliyan/receiver.toml")
FILE_LIMIT: Final = 1_000_000
HTTP_PORT: Final = 8780


class ConfigurationError(CloudSyncError):
    """The file cannot be used; the message has one line a mistake."""


class Pages(Enum):
    """Who sees the pages for people; they have no login of their own."""

    OFF = "off"
    HERE = "here"
    """Whoever reaches a loopback address: this machine, or a reverse proxy on it that asks for a login."""
    OPEN = "open"
    """Everybody who reaches the port: a demonstration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who this receiver is, and where it keeps things."""

    id: str
    signing_key: Path
    store: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Where the feed and the pages are served."""

    host: str
    port: int
    cert: Path | None
    key: Path | None
    pages: Pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    file: Path
    receiver: Receiver
    broker: Broker | None
    """None: statements come by `cloud-sync import` only."""
    http: Http


def load(file: Path) -> Config:
    """The configuration in this file. Raises ConfigurationError that names every mistake."""
    try:
        text = file.read_bytes()
    except OSError as cause:
        raise ConfigurationError(
            f"cannot read {file}: {cause.strerror}. Name the right one with --config, or make one: cloud-sync init"
        ) from cause
    try:
        root = tomllib.loads(text[:FILE_LIMIT].decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        raise ConfigurationError(f"{file} is not TOML: {cause}") from cause
    reader = _Reader(file)
    found = {name: reader.section(root, name, keys) for name, keys in SECTIONS.items()}
    reader.unknown(root, SECTIONS, "")
    _between_keys(reader, found["http"])
    if reader.complaints:
        raise ConfigurationError("\n".join(reader.complaints))
    return Config(
        file=file,
        receiver=Receiver(**found["receiver"]),
        broker=Broker(**found["broker"]) if "broker" in root else None,
        http=Http(**found["http"]),
    )


Take: TypeAlias = "Callable[[object, Path], Any]"
"""From what stands in the file, and the file's folder, to the value; ValueError says what is wanted."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section. A default of `...` means that it must be there, None that it may be absent."""

    take: Take
    default: object = ...


def _name(found: object, _: Path) -> str:
    if not isinstance(found, str) or not NAME.fullmatch(found):
        raise ValueError("a name of small letters, digits and hyphens, 40 at most")
    return found


def _name_or_nothing(found: object, folder: Path) -> str:
    return "" if found == "" else _name(found, folder)


def _host(found: object, _: Path) -> str:
    if not isinstance(found, str) or not (HOST.fullmatch(found) or _is_address(found)):
        raise ValueError("a host name or an address")
    return found


def _path(found: object, folder: Path) -> Path:
    """`credential:<name>` lies in the directory that systemd hands over (systemd.exec(5), LoadCredential=)."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if isinstance(found, str) and re.fullmatch(r"credential:[A-Za-z0-9_.-]+", found):
        if credentials is None:
            raise ValueError("systemd's $CREDENTIALS_DIRECTORY for a credential; by hand, give a path")
        return Path(credentials) / found.removeprefix("credential:")
    if not isinstance(found, str) or "/" not in found or not found.isprintable():
        raise ValueError('a path with a "/" in it (./ begins in the folder of this file) or "credential:<name>"')
    return (folder / found).absolute()


def _whole(low: int, high: int) -> Take:
    def take(found: object, _: Path) -> int:
        if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return found

    return take


def _pages(found: object, _: Path) -> Pages:
    try:
        return Pages(found)
    except ValueError:
        raise ValueError("one of " + ", ".join(f'"{p.value}"' for p in Pages)) from None


_PORT: Final = _whole(1, 65535)

SECTIONS: Final[Mapping[str, Mapping[str, Key]]] = {
    "receiver": {"id": Key(_name), "signing_key": Key(_path), "store": Key(_path)},
    "broker": {
        "host": Key(_host),
        "port": Key(_PORT, PORT),
        "ca": Key(_path),
        "cert": Key(_path),
        "key": Key(_path),
        "keepalive_s": Key(_whole(5, KEEPALIVE_S), KEEPALIVE_S),
        "share": Key(_name_or_nothing, ""),
    },
    "http": {
        "host": Key(_host, "127.0.0.1"),
        "port": Key(_PORT, HTTP_PORT),
        "cert": Key(_path, None),
        "key": Key(_path, None),
        "pages": Key(_pages, "here"),
    },
}
"""Every section and key; [broker] and [http] may be absent."""


class _Reader:
    """Takes the file apart and remembers every complaint."""

    def __init__(self, file: Path) -> None:
        self.file, self.complaints = file, list[str]()

    def complain(self, key: str, found: str, wanted: str) -> None:
        """Remember one mistake."""
        self.complaints.append(f"In {self.file}, {key} is {found}, where {wanted} is wanted.")

    def section(self, root: Mapping[str, object], name: str, keys: Mapping[str, Key]) -> dict[str, Any]:
        """The section's values; those that drew a complaint are missing."""
        table = root.get(name)
        if table is None and name == "broker":
            return {}
        if not isinstance(table, dict):
            if table is not None:
                self.complain(name, _shown(table), f"a table that begins with [{name}]")
            table = {}
        self.unknown(table, keys, f"{name}.")
        values: dict[str, Any] = {}
        for key, how in keys.items():
            found = table.get(key, how.default)
            try:
                values[key] = None if found is None else how.take(found, self.file.parent)
            except ValueError as wanted:
                self.complain(f"{name}.{key}", "missing" if found is ... else _shown(found), str(wanted))
        return values

    def unknown(self, table: Mapping[str, object], known: Mapping[str, object], where: str) -> None:
        """Complain about every key that is none."""
        for name in table:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
                self.complain(where + name, "no known key", f'"{near[0]}"' if near else "one of " + ", ".join(known))


def _between_keys(reader: _Reader, http: Mapping[str, Any]) -> None:
    if (http.get("cert") is None) is not (http.get("key") is None):
        reader.complain("http.cert", "without http.key, or the reverse", "both or neither")
    host, pages = http.get("host"), http.get("pages")
    if pages is Pages.HERE and host is not None and not is_loopback(host):
        reader.complain(
            "http.host",
            _shown(host),
            '127.0.0.1 (a reverse proxy asks for the login), or http.pages = "off" (or "open", for all to see),',
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _shown(found: object) -> str:
    text = f'"{found}"' if isinstance(found, str) else repr(found)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 60 else text[:59] + "…"  # noqa: PLR2004 - a line stays readable
