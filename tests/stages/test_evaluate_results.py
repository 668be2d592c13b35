from __future__ import annotations

import json
from pathlib import Path

from ladcli.stages.evaluate_results import evaluate_results


def test_predictions_measured_again_give_the_same_numbers(teacher_run: Path, data: Path) -> None:
    folder = teacher_run / "eval/model/val"
    found = evaluate_results(folder / "predictions.json", data / "annotations/val.json")
    assert found.folder is None
    stored = json.loads((folder / "metrics.json").read_text())
    # A results file does not say of which set it is: no thresholds are derived from it.
    assert stored.pop("thresholds")
    assert found.to_json() == stored


def test_perfect_predictions_are_perfect(data: Path, tmp_path: Path) -> None:
    truth = json.loads((data / "annotations/val.json").read_text())
    records = [
        {key: a[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9}
        for a in truth["annotations"]
    ]
    (tmp_path / "results.json").write_text(json.dumps(records))
    found = evaluate_results(tmp_path / "results.json", data / "annotations/val.json")
    assert found.metrics.stats["AP"] == 1.0
    (tmp_path / "none.json").write_text("[]")
    found = evaluate_results(tmp_path / "none.json", data / "annotations/val.json")
    assert found.metrics.stats["AP"] == 0.0
