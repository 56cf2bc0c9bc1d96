"""Reading a TOML file against a table of keys, and complaining about everything that is wrong with it at once.

A complaint names the file, the key, what was found and what is wanted. A key that is no key at all is told the
closest one. What was found where a file belongs is never repeated: it may be a secret that somebody pasted.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, Protocol

from evidence.bodies import TEXT_LIMIT

FILE_LIMIT: Final = 1_000_000
"""Bytes of one configuration or profile file."""
SHOWN_LIMIT: Final = 60
"""Characters of a wrong value that a complaint repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One mistake in one file."""

    file: Path
    key: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"In {self.file}, {self.key} is {self.found}, where {self.wanted} is wanted."


class ConfigurationError(Exception):
    """A file cannot be used. The attributes are the first complaint's; `complaints` has all, in the file's order."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(complaints)
        self.file, self.key = self.complaints[0].file, self.complaints[0].key
        self.found, self.wanted = self.complaints[0].found, self.complaints[0].wanted
        super().__init__("\n".join(str(complaint) for complaint in self.complaints))


class UnfitError(Exception):
    """A value is not of its kind. Caught where the key is known."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)


class Kind(Protocol):
    """What a key may hold."""

    @property
    def wanted(self) -> str:
        """In words, for complaints and for the documentation."""
        ...

    def take(self, found: object, near: "Near") -> object:
        """The value as it is used inside; UnfitError when it is not of this kind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Where file references lead from."""

    folder: Path
    """Of the configuration file: relative paths begin here."""
    credentials: Path | None
    """systemd's $CREDENTIALS_DIRECTORY."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text on one line; with a pattern, all of it."""

    wanted: str = f"text of at most {TEXT_LIMIT} bytes on one line"
    pattern: re.Pattern[str] | None = None

    def take(self, found: object, near: Near) -> str:
        """See Kind."""
        del near
        if not isinstance(found, str) or not found.strip() or not found.isprintable():
            raise UnfitError(shown(found))
        if len(found.encode()) > TEXT_LIMIT or (self.pattern and not self.pattern.fullmatch(found)):
            raise UnfitError(shown(found))
        return found


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range."""

    low: int
    high: int
    unit: str = ""

    @property
    def wanted(self) -> str:
        """See Kind."""
        return f"a whole number{' of ' if self.unit else ''}{self.unit} from {self.low} to {self.high}"

    def take(self, found: object, near: Near) -> int:
        """See Kind."""
        del near
        if isinstance(found, bool) or not isinstance(found, int) or not self.low <= found <= self.high:
            raise UnfitError(shown(found))
        return found


@dataclass(frozen=True, slots=True)
class Thousandths:
    """A number in a range, kept inside as a whole number of thousandths."""

    low: str
    high: str
    unit: str

    @property
    def wanted(self) -> str:
        """See Kind."""
        return f"a number of {self.unit} from {self.low} to {self.high}"

    def take(self, found: object, near: Near) -> int:
        """See Kind."""
        del near
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise UnfitError(shown(found))
        value = Decimal(found)
        if not value.is_finite() or not Decimal(self.low) <= value <= Decimal(self.high):
            raise UnfitError(shown(found))
        if value * 1000 % 1:
            raise UnfitError(f"{found}, finer than a thousandth")
        return int(value * 1000)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words or numbers; kept inside as what it stands for."""

    options: Mapping[Any, object]

    @property
    def wanted(self) -> str:
        """See Kind."""
        return "one of " + ", ".join(shown(option) for option in self.options)

    def take(self, found: object, near: Near) -> object:
        """See Kind."""
        del near
        if isinstance(found, bool) or not isinstance(found, str | int) or found not in self.options:
            raise UnfitError(shown(found) + closest(found, self.options))
        return self.options[found]


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    wanted: str = "true or false"

    def take(self, found: object, near: Near) -> bool:
        """See Kind."""
        del near
        if not isinstance(found, bool):
            raise UnfitError(shown(found))
        return found


@dataclass(frozen=True, slots=True)
class FileReference:
    """A path with a slash in it, from / or from the file's own folder, or `credential:<name>` of systemd."""

    wanted: str = 'a path with a "/" in it or "credential:<name>"'

    def take(self, found: object, near: Near) -> Path:
        """See Kind."""
        if not isinstance(found, str):
            raise UnfitError(f"a {type(found).__name__}")
        if re.fullmatch(r"credential:[A-Za-z0-9_.-]+", found):
            if near.credentials is None:
                raise UnfitError(f'"{found}" without $CREDENTIALS_DIRECTORY, which systemd sets')
            return near.credentials / found.removeprefix("credential:")
        if "/" not in found or not found.isprintable() or len(found) > 4096 or "-----BEGIN" in found:  # noqa: PLR2004
            raise UnfitError(f"a text of {len(found)} characters that is no path")
        return near.folder / found


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of some length whose members are all of one kind; none twice where `distinct`."""

    kind: Kind
    low: int
    high: int
    distinct: bool = False

    @property
    def wanted(self) -> str:
        """See Kind."""
        length = str(self.low) if self.low == self.high else f"{self.low} to {self.high}"
        return f"a list of {length}, each {self.kind.wanted}"

    def take(self, found: object, near: Near) -> tuple[object, ...]:
        """See Kind."""
        if not isinstance(found, list) or not self.low <= len(found) <= self.high:
            raise UnfitError(shown(found))
        taken = tuple(self.kind.take(member, near) for member in found)
        if self.distinct and len(set(taken)) < len(taken):
            raise UnfitError(f"{shown(found)}, with one named twice")
        return taken


class _Required(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a section: what it holds, and its default as it would stand in the file (None: may be absent)."""

    name: str
    kind: Kind
    default: object = REQUIRED
    inside: str = ""
    """Its name inside, where that differs, as the unit does."""


@dataclass(slots=True)
class Reader:
    """Takes a file apart and remembers every complaint; `finish` raises them together."""

    file: Path
    near: Near
    complaints: list[Complaint] = field(default_factory=list)

    def complain(self, key: str, found: str, wanted: str) -> None:
        """Remember one mistake."""
        self.complaints.append(Complaint(file=self.file, key=key, found=found, wanted=wanted))

    def parse(self, text: bytes) -> dict[str, Any]:
        """The whole file as TOML, numbers with a point as exact decimals; empty when it is none."""
        if len(text) > FILE_LIMIT:
            self.complain("the file", f"{len(text)} bytes long", f"at most {FILE_LIMIT} bytes")
            return {}
        try:
            return tomllib.loads(text.decode(), parse_float=Decimal)
        except UnicodeDecodeError as wrong:
            self.complain(f"byte {wrong.start}", "not UTF-8", "UTF-8 text")
        except tomllib.TOMLDecodeError as wrong:
            reason, _, place = str(wrong).rpartition(" (at ")
            self.complain(place.rstrip(")") or "the file", f"not TOML ({reason or wrong})", "TOML 1.0")
        return {}

    def tables(self, root: Mapping[str, object], name: str, *, at_most: int) -> list[dict[str, Any]]:
        """The tables [[name]]."""
        found = root.get(name, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            self.complain(name, shown(found), f"tables that begin with [[{name}]]")
            return []
        if len(found) > at_most:
            self.complain(name, f"{len(found)} tables", f"at most {at_most}")
            return []
        return found

    def table(self, root: Mapping[str, object], name: str) -> dict[str, Any] | None:
        """The table [name]; None when there is none."""
        found = root.get(name)
        if found is not None and not isinstance(found, dict):
            self.complain(name, shown(found), f"a table that begins with [{name}]")
            return None
        return found

    def section(
        self, table: Mapping[str, object], keys: Iterable[Key], where: str, *, also: Iterable[str] = ()
    ) -> dict[str, Any] | None:
        """The section's values by their inside names; None when any of them drew a complaint."""
        before = len(self.complaints)
        keys = tuple(keys)
        self.unknown(table, (*(key.name for key in keys), *also), where)
        values = {key.inside or key.name: self._value(table, key, where) for key in keys}
        return values if len(self.complaints) == before else None

    def unknown(self, table: Mapping[str, object], known: Iterable[str], where: str) -> None:
        """Complain about every key that is none."""
        known = tuple(known)
        for name in table:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
                wanted = f'"{near[0]}"' if near else "one of " + ", ".join(known)
                self.complain(f"{where}.{name}" if where else name, "no known key", wanted)

    def finish(self) -> None:
        """Raise ConfigurationError when there was any complaint."""
        if self.complaints:
            raise ConfigurationError(self.complaints)

    def _value(self, table: Mapping[str, object], key: Key, where: str) -> object:
        found = table.get(key.name, key.default)
        if found is None:
            return None
        if found is REQUIRED:
            self.complain(f"{where}.{key.name}", "missing", key.kind.wanted)
            return None
        try:
            return key.kind.take(found, self.near)
        except UnfitError as unfit:
            self.complain(f"{where}.{key.name}", unfit.found, key.kind.wanted)
            return None


def shown(found: object) -> str:
    """A value as it stands in a file, cut short."""
    if isinstance(found, bool):
        text = str(found).lower()
    elif isinstance(found, str):
        text = '"' + "".join(char if char.isprintable() else "?" for char in found) + '"'
    elif isinstance(found, dict):
        text = "a table"
    elif isinstance(found, list):
        text = "[" + ", ".join(shown(member) for member in found) + "]"
    else:
        text = str(found)
    return text if len(text) <= SHOWN_LIMIT else text[: SHOWN_LIMIT - 1] + "…"


def closest(found: object, known: Iterable[object]) -> str:
    """` (closest: …)` when something known is near to what was found, else nothing."""
    near = difflib.get_close_matches(str(found), [str(option) for option in known], n=1)
    return f' (closest: "{near[0]}")' if near else ""
