"""The rules about boxes, record by record; what readers make of them is tested with the readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.data.box_rules import Use, ignored, judge, repeated_rows
from ladcli.data.columns import Table
from ladcli.data.findings import Findings

BOXES = [
    [10, 10, 20, 20],
    [-40, 10, 20, 20],  # wholly to the left
    [90, 50, 40, 40],  # sticks out
    [10, 10, 0, 20],
    [10, 10, -5, 20],
    [float("nan"), 0, 5, 5],
    [0, 0, 2e7, 5],
]
INSIDE = [True, False, True, False, False, False, False]


def table(records: list[dict[str, Any]]) -> tuple[Table, Findings]:
    findings = Findings(Path("a.json"), stop=False)
    numbered = [{"id": number, **record} for number, record in enumerate(records, start=1)]
    return Table.from_plain(
        Path("a.json"), "annotation", "annotations", numbered, findings
    ), findings


@pytest.mark.parametrize("use", ["training", "evaluation"])
def test_boxes_that_count_and_boxes_inside(use: Use) -> None:
    annotations, findings = table([{"bbox": box} for box in BOXES])
    limit = np.full((len(BOXES), 2), [100.0, 80.0])
    keep, inside = judge(annotations, annotations.numbers("bbox", 4), limit, use)
    assert keep.tolist() == [True, True, True, True, False, False, True]
    assert inside.tolist() == INSIDE
    counts = {finding.kind: finding.count for finding in findings.found}
    assert counts == {
        "box-not-finite": 1,
        "box-beyond": 1,
        "box-no-size": 2,
        "box-outside": 1,
        "box-sticks-out": 1,
    }


def test_what_difficult_boxes_are() -> None:
    annotations, _ = table([{"ignore": 1}, {"ignore": 0}, {}])
    assert ignored(annotations, "training").tolist() == [True, False, False]


def test_rows_that_occurred_before() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 0.0], [1.0, 2.0], [3.0, -0.0], [2.0, 1.0]])
    assert repeated_rows(rows).tolist() == [False, False, True, True, False]
