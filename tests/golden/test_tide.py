"""TIDE against the published tool, and against the corrected definition of the golden files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.evaluate.results import Results, load_results
from ladcli.evaluate.tide import TideOptions, tide_errors
from ladcli.evaluate.tide_repairs import ALL_KINDS
from ladcli.runs.tide_numbers import Definition, TideErrors, TideThresholds
from tests.evaluate.class_ap import ap_per_class
from tests.golden.scene import for_each

FILES = "eval/*.expected.json"
BLOCKS: dict[Definition, str] = {"corrected": "tide_tie_stable_gt_classes", "tidecv": "tide"}
each_definition = pytest.mark.parametrize("definition", BLOCKS)
#: Points of 100; the files' README asks for it.
EXACT = {"rel": 0, "abs": 1e-6}


@cache
def scored(path: Path) -> tuple[CocoFile, Results]:
    """Ground truth and detections of the file."""
    expected = json.loads(path.read_text())
    truth = read_coco(path.with_name(expected["ground_truth"]))
    return truth, load_results(path.with_name(expected["predictions"]), truth)


@cache
def both(path: Path, definition: Definition) -> list[tuple[TideErrors, dict[str, Any]]]:
    """Ours and theirs at every pair of thresholds of the file."""
    expected = json.loads(path.read_text())
    entries = expected[BLOCKS[definition]]
    thresholds = [TideThresholds(e["pos_threshold"], e["background_threshold"]) for e in entries]
    report = tide_errors(*scored(path), TideOptions(tuple(thresholds), definition))
    return list(zip(report.entries, entries, strict=True))


@for_each(FILES)
@each_definition
def test_average_precision(path: Path, definition: Definition) -> None:
    for ours, theirs in both(path, definition):
        assert ours.ap == pytest.approx(theirs["ap"], **EXACT)
        if "per_class_ap" in theirs:
            found = ap_per_class(*scored(path), definition, ours.thresholds)
            assert found == pytest.approx(theirs["per_class_ap"], **EXACT)


@for_each(FILES)
@each_definition
def test_cost_of_every_kind(path: Path, definition: Definition) -> None:
    for ours, theirs in both(path, definition):
        assert list(ours.dap) == list(ALL_KINDS)
        if theirs["dAP"] is None:  # the tool stops where nothing is detected
            assert set(ours.dap.values()) == {None}
        else:
            assert ours.dap == pytest.approx(theirs["dAP"], **EXACT)


@for_each(FILES)
@each_definition
def test_counts(path: Path, definition: Definition) -> None:
    for ours, theirs in both(path, definition):
        assert ours.counts == theirs["counts"]


@for_each(FILES)
def test_json_holds_the_same_numbers(path: Path) -> None:
    for ours, theirs in both(path, "corrected"):
        plain = json.loads(json.dumps(ours.to_json(), allow_nan=False))
        assert list(plain) == [
            "pos_threshold", "background_threshold", "ap", "dAP", "counts"
        ]  # fmt: skip
        assert plain["pos_threshold"] == theirs["pos_threshold"]
        assert plain["background_threshold"] == theirs["background_threshold"]
        assert plain["dAP"] == ours.dap
