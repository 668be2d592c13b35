"""Classes that differ between sets are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ladcli.check.checked_set import check_annotations
from ladcli.check.same_classes import class_differences, report_class_differences
from ladcli.classes import ClassTable
from tests.data.corpus import plain, write_json


@pytest.mark.parametrize(
    ("mine", "theirs", "words"),
    [
        (["a", "b"], ["a", "b"], None),
        (["a", "b"], ["a"], "it lacks 'b'"),
        (["a"], ["a", "b"], "it has 'b' besides"),
        (["a", "b"], ["a", "B"], "it lacks 'b' and it has 'B' besides"),
        (["a", "b"], ["b", "a"], "the same names, but their ids are in another order"),
        (list("abcdefghijk"), ["a"], "it lacks 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i' and 2 more"),
    ],
)
def test_differences_in_words(mine: list[str], theirs: list[str], words: str | None) -> None:
    tables = [ClassTable(tuple(range(len(names))), tuple(names)) for names in (mine, theirs)]
    assert class_differences(*tables) == words


def found(folder: Path, *contents: Any) -> list[tuple[str, str]]:
    sets = [
        check_annotations(name, write_json(folder, content, f"{name}.json"), None)
        for name, content in zip(("train", "val"), contents, strict=True)
    ]
    report_class_differences(sets)
    return [(f.kind, f.severity) for f in sets[1].findings.found if "class" in f.kind]


def test_other_names_are_an_error_and_other_ids_a_note(tmp_path: Path) -> None:
    other, renumbered = plain(), plain()
    other["categories"][0]["name"] = "mug"
    assert found(tmp_path, plain(), other) == [("classes-differ", "error")]
    renumbered["categories"][0]["id"] = 21
    for record in renumbered["annotations"]:
        record["category_id"] += record["category_id"] == 20
    assert found(tmp_path, plain(), renumbered) == [("class-ids-differ", "note")]
    assert found(tmp_path, plain(), plain()) == []
