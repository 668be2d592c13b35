"""Findings are values: what stops a reader is collected by who checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.data.findings import Finding, Findings, some
from ladcli.errors import UserError


def test_an_error_stops_a_reader_with_all_of_its_words() -> None:
    findings = Findings(Path("t.json"))
    findings.add("odd", "note", 2, "2 records are odd")
    with pytest.raises(UserError, match=r"^t\.json: record 5 is wrong; mend it$"):
        findings.add("wrong", "error", 1, "record 5 is wrong", remedy="mend it")
    assert findings.notes() == ("t.json: 2 records are odd",)


def test_who_checks_collects_everything() -> None:
    findings = Findings(Path("t.json"), stop=False)
    findings.add("wrong", "error", 2, "two are wrong", examples=["record 5", "record 6"])
    findings.add("left-out", "warning", 1, "one is left out")
    assert [found.kind for found in findings.found] == ["wrong", "left-out"]
    assert findings.notes() == ("t.json: one is left out",)
    assert findings.found[0].to_plain() == {
        "kind": "wrong",
        "severity": "error",
        "count": 2,
        "file": "t.json",
        "text": "two are wrong",
        "examples": ["record 5", "record 6"],
        "remedy": "",
    }


def test_a_finding_is_one_line() -> None:
    assert Finding("k", "note", 1, "f", "text").line() == "f: text"
    assert Finding("k", "note", 1, "f", "text", remedy="do it").line() == "f: text; do it"


def test_the_first_few_are_named() -> None:
    assert some([1, 2, 3]) == "1, 2, 3"
    assert some([1, 2, 3, 4]) == "1, 2, 3, ..."
    assert some(["a"], 9) == "a, ..."
