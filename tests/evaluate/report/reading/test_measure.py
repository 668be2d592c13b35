from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ladcli.data.coco_json import read_coco
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.images_seen import ImagesSeen
from ladcli.evaluate.measured import MeasuredRun, Truth
from ladcli.evaluate.measurements import Measurements
from ladcli.evaluate.report.reading.measure import measure_set
from ladcli.evaluate.results import load_results
from ladcli.evaluate.tide import tide_errors
from ladcli.runs.coco_numbers import STATS
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.metrics_file import metrics_content
from ladcli.runs.score_thresholds import ScoreThresholds, Threshold
from tests.evaluate.report.runs import write_evaluation
from tests.stages.tiny import change_json

THRESHOLDS = ScoreThresholds(Threshold(0.4, 0.7), {"disc": Threshold(0.5, 0.8)})


@pytest.fixture
def truth(data: Path) -> Truth:
    return Truth(read_coco(data / "annotations/val.json"), data / "images")


@pytest.fixture
def folder(truth: Truth, tmp_path: Path) -> Path:
    folder = tmp_path / "model/val"
    write_evaluation(folder, truth.annotations)
    return folder


def measure(folder: Path, truth: Truth | None) -> MeasuredRun:
    return measure_set(EvaluationFolder(folder), Measurements(), truth=truth)


def test_numbers_are_those_that_were_recorded(folder: Path, truth: Truth) -> None:
    found = measure(folder, truth)
    recorded = json.loads((folder / "metrics.json").read_text())["coco"]
    assert found.metrics is not None
    assert list(found.metrics.stats.values()) == recorded["stats"]
    assert tuple(found.metrics.stats) == STATS
    assert found.remarks == ()
    results = load_results(folder / "predictions.json", truth.annotations)
    assert found.tide == tide_errors(truth.annotations, results).entries[0]
    assert found.precision is not None
    per_class = [recorded["per_class"][n]["AP50"] for n in truth.annotations.classes.names]
    np.testing.assert_allclose(found.precision[0].mean(axis=1), per_class)


def test_without_ground_truth_the_recorded_numbers_are_shown(folder: Path) -> None:
    found = measure_set(
        EvaluationFolder(folder), Measurements(), truth=None, why_not="no such folder"
    )
    assert found.metrics is not None
    assert found.metrics.stats["AP"] is not None
    assert found.metrics.per_class["disc"]["AP50"] is not None
    assert (found.tide, found.precision, found.truth) == (None, None, None)
    assert found.remarks == ("val: no such folder; the numbers are as recorded.",)


def test_recorded_errors_are_shown_too(folder: Path) -> None:
    path = folder / "metrics.json"
    content = json.loads(path.read_text())
    entry = {
        "pos_threshold": 0.6, "background_threshold": 0.2, "ap": 40.0,
        "dAP": {"Cls": 1.5, "Loc": None}, "counts": {"Cls": 3},
    }  # fmt: skip
    path.write_text(json.dumps({**content, "tide_definition": "corrected", "tide": [entry]}))
    tide = measure(folder, None).tide
    assert tide is not None
    assert tide.thresholds.positive == 0.6
    assert tide.dap == {"Cls": 1.5, "Loc": None}


def test_skipped_images_are_left_out_and_told(folder: Path, truth: Truth) -> None:
    skipped = int(truth.annotations.image_ids[1])
    records = json.loads((folder / "predictions.json").read_text())
    seen = [record for record in records if record["image_id"] != skipped]
    (folder / "predictions.json").write_text(json.dumps(seen))
    images = ImagesSeen(len(truth.annotations.image_ids), (skipped,))
    part = images.part_of(truth.annotations)
    metrics = coco_metrics(part, load_results(folder / "predictions.json", part))
    change_json(
        folder / "metrics.json",
        lambda m: m.update(metrics_content(metrics, measured=images.measured, skipped=(skipped,))),
    )
    found = measure(folder, truth)
    assert found.metrics == metrics
    assert found.truth is not None
    assert skipped not in found.truth.annotations.image_ids
    assert found.remarks == images.notes(truth.annotations)
    # The numbers alone tell it too.
    assert "1 image(s) could not be read" in measure(folder, None).remarks[-1]


def test_other_ground_truth_than_recorded_is_told(folder: Path, truth: Truth) -> None:
    told = truth.annotations
    moved = Truth(replace(told, boxes=told.boxes + np.array([40.0, 0, 0, 0])), truth.images)
    found = measure(folder, moved)
    assert "metrics.json holds other numbers" in found.remarks[0]


def test_detections_of_another_set_leave_the_recorded_numbers(folder: Path, truth: Truth) -> None:
    path = folder / "predictions.json"
    records = json.loads(path.read_text())
    records[0]["image_id"] = 999_999
    path.write_text(json.dumps(records))
    found = measure(folder, truth)
    assert found.metrics is not None
    assert found.precision is None
    assert "999999" in found.remarks[0]


def test_missing_detections_leave_the_recorded_numbers(folder: Path, truth: Truth) -> None:
    (folder / "predictions.json").unlink()
    found = measure(folder, truth)
    assert found.metrics is not None
    assert "no such file" in found.remarks[0]


def test_recorded_numbers_that_are_none_are_undefined(folder: Path) -> None:
    path = folder / "metrics.json"
    content = json.loads(path.read_text())
    content["coco"]["stats"][0] = float("nan")
    content["coco"]["per_class"]["disc"]["AP"] = float("inf")
    path.write_text(json.dumps(content))
    found = measure(folder, None)
    assert found.metrics is not None
    assert found.metrics.stats["AP"] is None
    assert found.metrics.stats["AP50"] is not None
    assert found.metrics.per_class["disc"]["AP"] is None


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"coco": {"stats": [1], "per_class": {}}}', '{"coco": 3}']
)
def test_damaged_metrics_are_a_remark(folder: Path, truth: Truth, content: str) -> None:
    (folder / "metrics.json").write_text(content)
    found = measure(folder, truth)
    assert found.metrics is not None  # from the detections
    assert "metrics.json" in found.remarks[0]
    assert measure(folder, None).metrics is None


def test_thresholds_are_those_of_the_validation_set_whatever_set_is_shown(
    truth: Truth, tmp_path: Path
) -> None:
    for split in ("val", "test"):
        write_evaluation(tmp_path / split, truth.annotations)
        plain = ScoreThresholds(Threshold(0.9, 0.1), {}) if split == "test" else THRESHOLDS
        change_json(
            tmp_path / split / "metrics.json", lambda c, p=plain: c.update(thresholds=p.to_plain())
        )
    for known in (truth, None):
        for split in ("val", "test"):
            found = measure_set(EvaluationFolder(tmp_path / split), Measurements(), truth=known)
            assert found.thresholds == THRESHOLDS
    (tmp_path / "val/metrics.json").unlink()
    found = measure_set(EvaluationFolder(tmp_path / "test"), Measurements(), truth=truth)
    assert found.thresholds is None
    assert found.remarks == ()


@pytest.mark.parametrize(
    "stored", [None, 3, {"overall": 0.5}, {**THRESHOLDS.to_plain(), "overall": 2}]
)
def test_damaged_thresholds_are_none(truth: Truth, tmp_path: Path, stored: object) -> None:
    write_evaluation(tmp_path / "val", truth.annotations)
    change_json(tmp_path / "val/metrics.json", lambda c: c.update(thresholds=stored))
    found = measure_set(EvaluationFolder(tmp_path / "val"), Measurements(), truth=truth)
    assert found.thresholds is None
    assert found.metrics is not None
