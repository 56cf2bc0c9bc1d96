"""What our statements say, one reading a row, as the harness's counter takes it: `--extract rows.py:extract`.

A row counts only when its statement carries the box's signature. The key is looked for where $QIANLIYAN_BOX_KEY says.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from evidence import cbor
from evidence.bodies import Readings
from evidence.keys import PublicKey, SigningKey
from evidence.statement import Statement, open_statement

KEY_VARIABLE = "QIANLIYAN_BOX_KEY"
UP = "qianliyan/1/up/"
MACHINE = "machine/m"
WANTED = ("seq", "ms", "code", "v8")


def extract(topic: str, payload: bytes) -> Iterator[dict[str, int]]:
    """See the head of the harness's counter.py: dicts with machine, seq, ms, code, v8 and ts (UTC ms)."""
    if topic.startswith(UP):
        for encoded in cbor.split_sequence(payload):
            yield from rows_of(opened(encoded, box_key(Path(os.environ[KEY_VARIABLE]))))


def opened(encoded: bytes, key: PublicKey) -> Statement:
    """The statement, signed by this box; raises EvidenceError."""
    return open_statement(encoded, lambda kid: key if kid == key.kid else None)


@cache
def box_key(signing_key: Path) -> PublicKey:
    """The public half of the box's key."""
    return SigningKey.load(signing_key).public


def rows_of(statement: Statement) -> Iterator[dict[str, int]]:
    """The readings of a machine's statement that have a value of every point wanted."""
    body = statement.body
    if not isinstance(body, Readings) or not statement.stream.startswith(MACHINE):
        return
    machine = int(statement.stream.removeprefix(MACHINE))
    columns = {column.point: column.values for column in body.columns}
    for row, at_ms in enumerate(body.times_ms):
        values = {point: columns[point][row] for point in WANTED}
        known = {point: value for point, value in values.items() if value is not None}
        if len(known) == len(WANTED):
            yield known | {"machine": machine, "ts": at_ms}
