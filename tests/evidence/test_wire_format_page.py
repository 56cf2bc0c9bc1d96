"""docs/wire-format.md against code and golden vectors: every number on it is the code's, every example a vector's."""

import json
import re
from enum import IntEnum
from pathlib import Path
from types import ModuleType

import pytest

from evidence import bodies, bundle, cbor, chain, feed, pen, receipt, roster, statement
from evidence.bundle import MAGIC
from evidence.judging import judge

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "wire-format.md").read_text()
VECTORS = ROOT / "tests" / "vectors" / "wire-1"
MODULES: list[ModuleType] = [bodies, bundle, cbor, chain, feed, judge, pen, receipt, roster, statement]

LIMITS = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if re.fullmatch(r"[A-Z][A-Z_]*(_LIMIT|_LENGTH)", name) and isinstance(value, int)
}
ENUMS = {
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, IntEnum) and value is not IntEnum
}
WRITTEN_OTHERWISE = {"MS_LIMIT": "2^53", "KID_LENGTH": "first 8 bytes", "DEPTH_LIMIT": "12 arrays and maps"}
FIXED_ELSEWHERE = {"HASH_LENGTH": "32 bytes", "BOOT_LENGTH": "16 bytes", "SIGNATURE_LENGTH": "64 bytes"}


def test_there_is_something_to_check() -> None:
    assert len(LIMITS) > 15
    assert {e.__name__ for e in ENUMS} >= {"Kind", "Failure", "RunState", "ClockQuality", "Entry", "Algorithm"}


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_every_limit_stands_on_the_page(name: str) -> None:
    wanted = WRITTEN_OTHERWISE.get(name) or FIXED_ELSEWHERE.get(name) or f"{LIMITS[name]:,}"
    assert wanted in PAGE
    if name not in FIXED_ELSEWHERE:
        line = next((line for line in PAGE.splitlines() if f"`{name}`" in line), "")
        assert wanted in line, f"{name} = {LIMITS[name]:,}"


@pytest.mark.parametrize("member", sorted((m for e in ENUMS for m in e), key=lambda m: (type(m).__name__, m)))
def test_every_number_of_every_enumeration_stands_on_the_page(member: IntEnum) -> None:
    if isinstance(member, pen.Algorithm):
        assert re.search(rf"\| `{member.name}`[^|]*\| {int(member)} \|", PAGE)
    else:
        assert f"`{member.name}` = {int(member)}" in PAGE


def test_every_kind_of_document_is_named_with_what_is_signed_besides() -> None:
    for module in (statement, receipt, roster):
        assert f"`{module.AAD.decode()}`" in PAGE
    assert MAGIC.decode() in PAGE


def test_the_worked_example_is_the_golden_vector() -> None:
    (block,) = re.findall(r"```\n(d2 .*?)```", PAGE, re.DOTALL)
    spelled = "".join(line.partition("#")[0].strip() for line in block.splitlines())
    vector = json.loads((VECTORS / "statement-readings.json").read_text())["ed25519"]
    assert spelled == vector["hex"]
    assert vector["fields"]["sha256"] in PAGE


def test_the_keys_on_the_page_are_those_of_the_vectors() -> None:
    key = json.loads((VECTORS / "keys.json").read_text())["ed25519"]
    for name in ("cose_key", "thumbprint", "fingerprint"):
        assert key[name] in PAGE
    begin = json.loads((VECTORS / "bundle.json").read_text())["hex"]
    assert begin.startswith("820052" + MAGIC.hex())
    assert f"h'820052' h'{MAGIC.hex()}'" in PAGE


def test_every_hexadecimal_string_on_the_page_is_some_vectors() -> None:
    everything = "".join(path.read_text() for path in VECTORS.glob("*.json"))
    said = re.findall(r"h'([0-9a-f]{20,})'", PAGE)
    signed = (statement.AAD.hex(), b"Signature1".hex())
    assert said
    assert [h for h in said if h not in everything and not any(part in h for part in signed)] == []
