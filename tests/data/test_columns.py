"""Columns of records: values, types, and the record that is to blame."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.data.columns import Fault, Table, repeats, shorten
from ladcli.data.findings import Findings
from tests.refusals import refusal_of

PATH = Path("truth.json")


def table(*values: Any, key: str = "x") -> Table:
    return Table(PATH, "annotation", [{"id": 10 + i, key: v} for i, v in enumerate(values)])


def test_whole_numbers_in_either_spelling() -> None:
    found = table(1, 2.0, -3).integers("x")
    assert found.dtype == np.int64
    assert found.tolist() == [1, 2, -3]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "must be an integer"),
        (1.5, "must be an integer"),
        ("7", "write it without quotes"),
        (None, "has x null"),
        (2**70, "needs more than 64 bits"),
    ],
)
def test_no_whole_number_names_the_record(value: Any, reason: str) -> None:
    text = refusal_of(table(1, value).integers, "x")
    assert text.startswith("truth.json: annotation 11 ")
    assert reason in text


def test_lists_of_numbers_become_rows() -> None:
    found = table([1, 2.5], [3, math.inf]).numbers("x", 2)
    assert found.tolist() == [[1.0, 2.5], [3.0, math.inf]]


@pytest.mark.parametrize("value", [[1], [1, 2, 3], "12", None, [1, True], [1, "2"], [1, 10**400]])
def test_other_lists_name_the_record(value: Any) -> None:
    text = refusal_of(table([1, 2], value).numbers, "x", 2)
    assert "annotation 11 has x" in text
    assert "must be a list of 2 numbers" in text


def test_optional_numbers_are_nan_where_absent() -> None:
    rows = [{"id": 1, "x": 2}, {"id": 2}, {"id": 3, "x": None}]
    found = Table(PATH, "annotation", rows).optional_numbers("x")
    assert found[0] == 2
    assert np.isnan(found[1:]).all()
    assert "annotation 10 has x" in refusal_of(table("no").optional_numbers, "x")


def test_flags_are_zero_one_or_booleans() -> None:
    assert table(0, 1, True, False, 1.0).flags("x").tolist() == [False, True, True, False, True]
    assert Table(PATH, "annotation", [{"id": 1}]).flags("x").tolist() == [False]
    assert "must be 0 or 1" in refusal_of(table(2).flags, "x")


def test_strings_are_valid_unicode() -> None:
    assert table("a", "ä").strings("x") == ["a", "ä"]
    assert "must be a string" in refusal_of(table(3).strings, "x")
    assert "no valid Unicode" in refusal_of(table("\ud800").strings, "x")


def test_a_missing_key_is_named_or_filled() -> None:
    rows = Table(PATH, "image", [{"id": 1, "x": 5}, {"id": 2}])
    assert "image 2 has no 'x'; add it" in refusal_of(rows.values, "x")
    assert rows.values("x", lambda record: -record["id"]) == [5, -2]


def test_a_record_without_id_is_named_by_its_place() -> None:
    rows = Table(PATH, "image", [{"x": 1}, {}])
    assert "image at position 1 (counted from 0)" in refusal_of(rows.values, "x")


def test_what_is_no_list_of_objects_is_refused() -> None:
    assert "'images' must be a list" in refusal_of(Table.from_plain, PATH, "image", "images", {})
    text = refusal_of(Table.from_plain, PATH, "image", "images", [{}, 3])
    assert "images[1] must be an object, got 3" in text


def test_repeats_are_found_at_their_second_place() -> None:
    assert repeats(np.array([5, 3, 5, 3])).tolist() == [False, False, True, True]
    assert not repeats(np.array([1, 2])).any()
    rows = table(4, 4)
    text = refusal_of(rows.refuse_repeats, "x", np.array([4, 4]))
    assert "annotation x 4 occurs more than once (again at position 1" in text


def test_values_are_shortened_to_a_line() -> None:
    assert shorten({"a": 1}) == "an object"
    assert shorten(list(range(9))) == "a list of 9"
    assert shorten(True) == "true"
    assert shorten("a\nb") == "'a\\nb'"
    assert shorten("x" * 100) == "'" + "x" * 59 + "... (102 characters)"


def collected(*values: Any) -> tuple[Table, Findings]:
    """A table that does not stop, with its findings."""
    findings = Findings(PATH, stop=False)
    rows = [{"id": 10 + i, **({} if v is None else {"x": v})} for i, v in enumerate(values)]
    return Table(PATH, "annotation", rows, findings), findings


def test_every_kind_of_fault_is_counted() -> None:
    rows, findings = collected(1, "7", None, 2**70, "8", 3)
    assert rows.integers("x").tolist() == [1, 0, 0, 0, 0, 3]
    assert rows.usable("x").tolist() == [True, False, False, False, False, True]
    assert [(f.kind, f.count, f.examples) for f in findings.found] == [
        ("annotation-without-x", 1, ("annotation 12",)),
        ("annotation-x-no-integer", 2, ("annotation 11", "annotation 14")),
        ("annotation-x-too-large", 1, ("annotation 13",)),
    ]
    assert findings.found[1].text == (
        "annotation 11 has x '7', which must be an integer (2 annotations like this)"
    )
    assert findings.found[1].remedy == "write it without quotes"


def test_numbers_at_fault_are_nan() -> None:
    rows, findings = collected([1, 2], [1], [3, "4"])
    found = rows.numbers("x", 2)
    assert found[0].tolist() == [1, 2]
    assert np.isnan(found[1:]).all()
    assert [(f.count, f.severity) for f in findings.found] == [(2, "error")]


def test_a_record_is_refused_for_a_usable_value_only() -> None:
    rows, findings = collected(1, "7", 5)
    values = rows.integers("x")
    rows.refuse_where("x", values < 4, lambda row: Fault("small", f"has x {values[row]}"))
    assert [f.kind for f in findings.found] == ["annotation-x-no-integer", "small"]
    assert findings.found[1].count == 1
    assert rows.usable().tolist() == [False, False, True]


def test_repeats_are_counted() -> None:
    rows, findings = collected(4, 4, 4, 5)
    rows.refuse_repeats("x", rows.integers("x"))
    assert findings.found[0].count == 2
    assert "2 annotations like this" in findings.found[0].text
    assert rows.usable("x").tolist() == [True, False, False, True]


def test_remarks_name_the_first_records() -> None:
    rows, findings = collected(*range(5))
    rows.remark("odd", "note", np.array([True] * 4 + [False]), "are odd")
    assert findings.notes() == ("truth.json: 4 annotation(s) are odd: annotation 10, 11, 12, ...",)
