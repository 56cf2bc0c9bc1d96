"""Each outside library has one door: one file a package, so that its next breaking change is that file's alone."""

import ast
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"evidence", "edge_agent", "cloud_sync"}
WIDE = {
    "cloud_sync": {"fastapi", "starlette", "markupsafe"},  # routers and escaped text are what pages are made of
    "edge_agent": {"numpy"},  # arithmetic, not a way to the world
}
"""Libraries that a package is written in rather than reaches the world by."""
FOLDERS = {"cv2": "edge_agent/eye/opencv/"}
"""A door that is a folder: no file outside it imports the library."""


def imports_of(package: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top not in OURS:
                    part = ".".join(name.split(".")[:2]) if top == "cryptography" else top
                    place = str(file.relative_to(ROOT))
                    found[part].add(FOLDERS[part] if place.startswith(FOLDERS.get(part, place + "/")) else place)
    return found


@pytest.mark.parametrize("package", sorted(OURS))
def test_each_outside_library_has_one_door(package: str) -> None:
    found = imports_of(package)
    if package == "evidence":
        cryptography = {file for part, files in found.items() if part.startswith("cryptography") for file in files}
        assert cryptography == {"evidence/keys.py"}
    many = {
        part: sorted(files)
        for part, files in found.items()
        if len(files) > 1 and part not in WIDE.get(package, set()) and not part.startswith("cryptography")
    }
    assert not many


def test_evidence_needs_two_libraries_and_no_more() -> None:
    assert {part.split(".")[0] for part in imports_of("evidence")} == {"cryptography", "cbor2"}


def test_only_the_clocks_ask_for_the_time() -> None:
    for package in ("edge_agent", "cloud_sync"):
        asking = {
            str(file.relative_to(ROOT))
            for file in (ROOT / package).rglob("*.py")
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import) and any(alias.name == "time" for alias in node.names)
        }
        assert asking <= {f"{package}/clock.py"}
