"""Whatever is signed, refusing it costs no more memory than a few times its own length."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence import cbor, cose
from evidence.errors import RefusedError
from evidence.keys import Algorithm
from evidence.statement import AAD, STATEMENT_LIMIT, open_statement
from tests.evidence import strategies as some
from tests.evidence.test_statement import HONEST

KEY = some.KEYS[Algorithm.ED25519]
ROOM = 24 * 1024 * 1024
"""Bytes: a statement of 256 KiB of empty arrays needs about 56 bytes for each of them while it is looked at."""


ROOMY = STATEMENT_LIMIT - 200
"""Items of one byte that fit into a statement."""

BOMBS: dict[str, Callable[[], bytes]] = {
    "many empty arrays": lambda: b"\x9a" + ROOMY.to_bytes(4, "big") + b"\x80" * ROOMY,
    "many empty maps": lambda: b"\x9a" + ROOMY.to_bytes(4, "big") + b"\xa0" * ROOMY,
    "deep nesting": lambda: b"\x81" * ROOMY + b"\x00",
    "an array that claims 2**62 items": lambda: b"\x9b\x40" + bytes(7),
    "a byte string that claims 2**62 bytes": lambda: b"\x5b\x40" + bytes(7),
    "a text that claims 2**31 bytes": lambda: b"\x7a\x7f\xff\xff\xff",
    "a map that claims 2**62 pairs": lambda: b"\xbb\x40" + bytes(7),
    "arrays that each claim much": lambda: b"\x9a\x00\x0f\xff\xff" * 11,
    "a long text where a name belongs": lambda: cbor.encode(HONEST | {1: "a" * 200_000}),
    "a long text where a unit belongs": lambda: _with_unit("u" * 200_000),
    "a great number": lambda: b"\xc2\x5a\x00\x03\xff\xff" + b"\xff" * 0x3FFFF,
}


def _with_unit(unit: str) -> bytes:
    body = HONEST[12]
    column = [*body[5][0][:2], unit, *body[5][0][3:]]
    return cbor.encode(HONEST | {12: body | {5: [column]}})


@pytest.mark.parametrize("what", BOMBS)
def test_well_signed_bombs_are_refused_in_little_memory(what: str) -> None:
    page = cose.sign1(KEY, BOMBS[what](), aad=AAD)
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError):
            open_statement(page, some.known(KEY))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < ROOM, f"{what}: {peak / 1e6:.1f} MB"


def test_refusing_many_different_long_texts_keeps_none_of_them() -> None:
    pages = (cose.sign1(KEY, _with_unit(f"{i}" * 50_000), aad=AAD) for i in range(100, 160))
    tracemalloc.start()
    try:
        for page in pages:
            with pytest.raises(RefusedError):
                open_statement(page, some.known(KEY))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * 1024 * 1024, f"{held / 1e6:.1f} MB are held"


def test_no_bomb_asks_the_operating_system_for_more_than_a_box_has(tmp_path: Path) -> None:
    """The same in a process that may have 100 MB more than it starts with: what libraries set aside counts as well."""
    for i, make in enumerate(BOMBS.values()):
        (tmp_path / f"{i}.page").write_bytes(cose.sign1(KEY, make(), aad=AAD))
    (tmp_path / "key.pub").write_bytes(KEY.public.to_cose_key())
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "refused\n" * len(BOMBS), done.stderr


LIMITED = """
import resource, sys
from pathlib import Path
from evidence.errors import RefusedError
from evidence.keys import PublicKey
from evidence.statement import open_statement, peek_box
folder = Path(sys.argv[1])
key = PublicKey.load(folder / "key.pub")
pages = [path.read_bytes() for path in sorted(folder.glob("*.page"))]
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 100_000_000, now + 100_000_000))
for page in pages:
    try:
        open_statement(page, lambda kid: key)
    except RefusedError:
        print("refused")
    try:
        peek_box(page)
    except RefusedError:
        pass
"""
