"""Imports run downwards only, as docs/architecture.md promises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ladcli

PACKAGE = Path(ladcli.__file__).parent
PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"

#: What each room may import, beside itself and what stands beside the rooms.
MAY_IMPORT: dict[str, set[str]] = {
    "structures": set(),
    "recipe": set(),
    "assign": {"structures"},
    "detector": {"recipe", "structures"},
    "data": {"recipe", "structures"},
    # What is read without a training never imports torch.
    "runs": {"recipe"},
    "formats": {"data", "recipe", "structures"},
}
_BELOW = {*MAY_IMPORT}
MAY_IMPORT |= {
    "objective": _BELOW,
    "cache": {*_BELOW, "objective"},
    "engine": _BELOW,
    # What only reads results never imports torch.
    "evaluate": {"data", "recipe", "runs", "structures"},
    "check": {"data", "engine", "recipe", "structures"},
    "stages": {*_BELOW, "objective", "cache", "engine", "evaluate", "check"},
}
MAY_IMPORT["cli"] = {*MAY_IMPORT["stages"], "stages"}
#: `assign` must be usable from another trainer, so it takes nothing else of ours.
NOTHING_BESIDE = {"assign"}


def rooms() -> set[str]:
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"demo"}


def beside_the_rooms() -> set[str]:
    return {path.stem for path in PACKAGE.glob("*.py")}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room, or module beside the rooms, of every import of ours, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module == "ladcli":
            names = [f"ladcli.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("ladcli."):
                yield node.lineno, name.split(".")[1]


def test_every_room_has_its_place() -> None:
    assert rooms() == set(MAY_IMPORT)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_imports_what_lies_below(room: str) -> None:
    allowed = {room, *MAY_IMPORT[room]}
    if room not in NOTHING_BESIDE:
        allowed |= beside_the_rooms() | {"__version__"}
    upwards = [
        f"{path.relative_to(PACKAGE)}:{line} imports {target}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for line, target in imports(path)
        if target not in allowed
    ]
    assert not upwards


def test_rooms_of_the_page_are_these() -> None:
    page = PAGE.read_text()
    table = page.split("## Rooms")[1].split("Imports run")[0]
    assert set(re.findall(r"^\| `(\w+)/`", table, re.MULTILINE)) == set(MAY_IMPORT)
