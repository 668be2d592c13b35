"""Assignment can be used by any trainer: it knows boxes and class outputs, and nothing of ours."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from pathlib import Path

import pytest

import ladcli.assign
import ladcli.structures
from ladcli.assign import Assigner
from ladcli.assign.assigner import SelectionRule

ROOM = Path(ladcli.assign.__file__).parent
FILES = sorted(ROOM.glob("*.py"))
#: What a rule would need to know of a head's own coding.
CODING = {"Predictions", "box_deltas", "decode_boxes", "encode_boxes", "predicted_boxes", "deltas"}
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def imported(file: Path) -> set[str]:
    """Modules that a file names, wherever it imports them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out"
            found.add(str(node.module))
    return found


def rooms_of(modules: set[str]) -> set[str]:
    """First word of every module's name, and the room too where it is ours."""
    return {".".join(name.split(".")[: 1 + name.startswith("ladcli.")]) for name in modules}


def standard(room: str) -> bool:
    return room in {"__future__", "collections", "dataclasses", "functools", "math", "typing"}


@each_file
def test_imports_are_torch_and_structures(file: Path) -> None:
    others = {room for room in rooms_of(imported(file)) if not standard(room)}
    allowed = {"torch", "ladcli.assign", "ladcli.structures"}
    if file.stem == "sklearn_mixture":  # the slow reference
        allowed |= {"numpy", "sklearn", "warnings"}
    if file.stem == "one_to_one":  # the one step on the host
        allowed |= {"numpy", "scipy"}
    assert others <= allowed


def test_structures_do_not_lead_elsewhere() -> None:
    for file in Path(ladcli.structures.__file__).parent.glob("*.py"):
        ours = {room for room in rooms_of(imported(file)) if room.startswith("ladcli")}
        assert ours <= {"ladcli.structures", "ladcli.fingerprint"}, file.name


@each_file
def test_rules_see_no_deltas(file: Path) -> None:
    """Names in the code; comments and docstrings may speak of them."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline)
    assert not CODING & {token.string for token in tokens if token.type == tokenize.NAME}


def test_the_chain_takes_scenes_class_outputs_and_boxes() -> None:
    def parameters(function: object) -> list[str]:
        return list(inspect.signature(function).parameters)[1:]  # type: ignore[arg-type]

    assert parameters(Assigner.candidates) == ["scene"]
    assert parameters(Assigner.price) == ["candidates", "scene", "cls", "boxes"]
    assert parameters(Assigner.select) == ["candidates", "costs", "scene"]
    assert parameters(Assigner.assign) == ["scene", "cls", "boxes"]
    assert parameters(SelectionRule.__call__) == ["candidates", "costs", "scene"]
