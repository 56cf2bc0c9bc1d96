"""How a machine's counts of a zone compare with a person's, picture by picture. Pure but for reading what he counted.

The person's list is a CSV with the columns `picture` and `count`, or a JSON list of objects with these keys; pictures
are files in one folder.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from evidence.bodies import Acceptance

LEAST_PICTURES: Final = 20
"""Fewer tell too little of the error."""
PICTURES_LIMIT: Final = 2_000
COUNT_LIMIT: Final = 100_000
LIST_LIMIT: Final = 1_000_000
"""Bytes of the person's list."""


class ListError(Exception):
    """What a person counted cannot be read; the message says which line and what is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPerson:
    """A picture, and how many items a person saw in the zone."""

    picture: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One picture, counted twice."""

    picture: str
    sha256: bytes
    by_person: int
    by_machine: int
    uncertain: int

    @property
    def apart(self) -> int:
        """Items."""
        return abs(self.by_person - self.by_machine)


def read_counts(file: Path) -> list[ByPerson]:
    """What the person counted, in the list's order. Raises ListError."""
    try:
        content = file.read_bytes()
    except OSError as wrong:
        raise ListError(f"{file} cannot be read ({wrong.strerror})") from wrong
    if len(content) > LIST_LIMIT:
        raise ListError(f"{file} is larger than {LIST_LIMIT} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise ListError(f"{file} is no UTF-8 text") from wrong
    rows = _json_rows(file, text) if text.lstrip().startswith("[") else _csv_rows(file, text)
    counts = [_by_person(file, number, row) for number, row in rows]
    names = [one.picture for one in counts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ListError(f"{file} counts {twice} twice")
    if len(counts) > PICTURES_LIMIT:
        raise ListError(f"{file} has {len(counts)} pictures, more than {PICTURES_LIMIT}")
    return counts


def certificate(
    compared: Sequence[Compared], *, limit_permille: int, at_ms: int, detector: str, detector_sha256: bytes
) -> Acceptance:
    """What is signed of the comparison; of at least one picture in which the person counted something."""
    by_person = sum(one.by_person for one in compared)
    apart = sum(one.apart for one in compared)
    error_permille = -(-1000 * apart // by_person)
    return Acceptance(
        at_ms=at_ms,
        frames=len(compared),
        by_person=by_person,
        by_machine=sum(one.by_machine for one in compared),
        exact=sum(one.apart == 0 for one in compared),
        error_permille=error_permille,
        limit_permille=limit_permille,
        passed=error_permille <= limit_permille,
        detector=detector,
        detector_sha256=detector_sha256,
        pictures_sha256=sha256(b"".join(one.sha256 for one in compared)).digest(),
    )


def within(compared: Iterable[Compared]) -> int:
    """Of how many pictures the person's count lies within the machine's count and its uncertainty."""
    return sum(one.apart <= one.uncertain for one in compared)


def _json_rows(file: Path, text: str) -> list[tuple[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError as wrong:
        raise ListError(f"{file} is no JSON: {wrong}") from wrong
    return [(f"entry {number}", row) for number, row in enumerate(rows, 1)]


def _csv_rows(file: Path, text: str) -> list[tuple[str, Any]]:
    reader = csv.DictReader(io.StringIO(text))
    if not {"picture", "count"} <= {*(reader.fieldnames or ())}:
        raise ListError(f"{file} does not begin with a line that names the columns picture,count")
    return [(f"line {number}", row) for number, row in enumerate(reader, 2)]


def _by_person(file: Path, where: str, row: Any) -> ByPerson:  # noqa: ANN401  as it was found
    picture, count = (row.get("picture"), row.get("count")) if isinstance(row, dict) else (None, None)
    if not isinstance(picture, str) or not picture or Path(picture).name != picture:
        raise ListError(f"{where} of {file} does not name a picture: the name of a file in the folder is wanted")
    text = str(count).strip()
    if isinstance(count, bool) or not text.isdecimal() or int(text) > COUNT_LIMIT:
        raise ListError(f"{where} of {file} says {text!r} of {picture}, where a whole number is wanted")
    return ByPerson(picture=picture, count=int(text))
