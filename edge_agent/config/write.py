"""The door to tomlkit: changes a box's file as a person would, so that comments, order and blank lines stay.

Rules:
1. Only the section that is changed is written anew; every other byte of the file stays.
2. A section is found by its header; comments and blank lines after its last key belong to what follows.
3. What was changed is proved before it is believed: the new text must mean the old one with exactly this change.
4. The file is replaced in one step, and only by one that `load` takes without a complaint. Power fails before: the old
   file is there; after: the new one.
"""

import copy
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping, MutableMapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from edge_agent.config.load import load
from edge_agent.config.schema import FILE_LIMIT, Complaint, ConfigurationError

Value = str | int | bool | Decimal | list[str] | list[int]
Values = Mapping[str, "Value | Mapping[str, Value | None] | None"]
"""Keys and what they shall hold: None takes a key away, a mapping is a table of its own changed likewise."""

_HEADER: Final = re.compile(r"^\s*\[{1,2}\s*([A-Za-z0-9_\-. ]+?)\s*\]{1,2}\s*(#.*)?$")
_EMPTY: Final = re.compile(r"^\s*(#.*)?$")


def lines_of(section: str, values: Values) -> str:
    """The lines of one [[section]], as they may stand in a box's file."""
    document = tomlkit.document()
    tables = tomlkit.aot()
    tables.append(tomlkit.table())
    document.append(section, tables)
    _set(tables[0], values)
    return tomlkit.dumps(document).strip() + "\n"


class BoxFile:
    """A box's file while it is changed; nothing is on the disk before `save`."""

    def __init__(self, file: Path) -> None:
        """Reads it. Raises ConfigurationError when it cannot be read or is no TOML."""
        self.file = file.resolve()
        try:
            octets = self.file.read_bytes()
            if len(octets) > FILE_LIMIT:
                raise self._unusable(f"{len(octets)} bytes long", f"at most {FILE_LIMIT} bytes")
            self.text = octets.decode()
            self._means()
        except OSError as wrong:
            raise self._unusable(f"unreadable ({wrong.strerror})", "the box's configuration") from wrong
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
            raise self._unusable(f"not TOML ({wrong})", "TOML 1.0") from wrong

    def add(self, section: str, values: Values) -> None:
        """Put a new [[section]] at the end."""
        meant = self._means()
        meant.setdefault(section, []).append(_merged({}, values))
        kept = self.text.rstrip("\n")
        self._become(f"{kept}\n\n{lines_of(section, values)}" if kept else lines_of(section, values), meant)

    def change(self, section: str, name: str, values: Values) -> None:
        """Change keys of the [[section]] whose `name` this is. Raises KeyError when there is none."""
        meant = self._means()
        place = next((at for at, table in enumerate(meant.get(section, ())) if table.get("name") == name), None)
        if place is None:
            raise KeyError(name)
        meant[section][place] = _merged(meant[section][place], values)
        lines = self.text.splitlines(keepends=True)
        start, end = _span(lines, section, place)
        try:
            document = tomlkit.parse("".join(lines[start:end]))
            _set(document[section][0], values)
            changed = tomlkit.dumps(document)
        except (TOMLKitError, LookupError, TypeError) as wrong:
            raise self._by_hand(section, name) from wrong
        rest = "".join(lines[end:])
        self._become("".join(lines[:start]) + changed.rstrip("\n") + "\n" + rest, meant)

    def save(self) -> None:
        """Put it in the old file's place. Raises ConfigurationError with every complaint about it, or OSError."""
        handle, name = tempfile.mkstemp(prefix=f".{self.file.name}.", dir=self.file.parent)
        beside = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(self.text)
                out.flush()
                os.fsync(out.fileno())
            self._check(beside)
            shutil.copymode(self.file, beside)
            owner = self.file.stat()
            os.chown(beside, owner.st_uid, owner.st_gid)
            beside.replace(self.file)  # power fails before this: the old file is there, whole
        finally:
            beside.unlink(missing_ok=True)

    def _check(self, beside: Path) -> None:
        """References to credentials are taken as they are: whoever changes the file need not hold the keys."""
        try:
            load(beside, credentials=self.file.parent)
        except ConfigurationError as wrong:
            told = (
                Complaint(
                    file=self.file if each.file == beside else each.file,
                    key=each.key,
                    found=each.found,
                    wanted=each.wanted,
                )
                for each in wrong.complaints
            )
            raise ConfigurationError(told) from wrong

    def _means(self) -> dict[str, Any]:
        return tomllib.loads(self.text, parse_float=Decimal)

    def _become(self, text: str, meant: dict[str, Any]) -> None:
        try:
            means = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError:
            means = {}
        if means != meant:
            raise self._by_hand("the file", "")
        self.text = text

    def _by_hand(self, section: str, name: str) -> ConfigurationError:
        found = f"written so that this program cannot change {name or 'it'} without harm"
        return self._unusable(found, "your own hand with an editor", key=section)

    def _unusable(self, found: str, wanted: str, *, key: str = "the file") -> ConfigurationError:
        return ConfigurationError([Complaint(file=self.file, key=key, found=found, wanted=wanted)])


def _merged(table: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """What the table means after the change."""
    merged = copy.deepcopy(dict(table))
    for key, value in values.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = _merged(merged.get(key, {}), value)
        else:
            merged[key] = value
    return merged


def _set(table: MutableMapping[str, Any], values: Values) -> None:
    """The same to tomlkit's table. A whole table of the new goes last, as TOML wants it."""
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping):
            if key not in table:
                table[key] = tomlkit.table()
            _set(table[key], value)
        elif table.get(key) != value:
            table[key] = tomlkit.value(str(value)) if isinstance(value, Decimal) else value


def _span(lines: list[str], section: str, place: int) -> tuple[int, int]:
    """The lines of the so-many-th [[section]] with its own tables, up to its last key."""
    start = end = None
    seen = -1
    for at, line in enumerate(lines):
        header = _HEADER.match(line)
        if not header:
            continue
        if header[1] == section:
            seen += 1
            if seen == place:
                start = at
                continue
        if start is not None and not header[1].startswith(f"{section}."):
            end = at
            break
    if start is None:
        return 0, len(lines)
    end = len(lines) if end is None else end
    while end > start + 1 and _EMPTY.match(lines[end - 1]):
        end -= 1
    return start, end
