"""`metrics.json`: what is written is what is read, and what cannot be read is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ladcli.files import write_json
from ladcli.runs.coco_numbers import OF_CLASSES, STATS, CocoMetrics
from ladcli.runs.metrics_file import (
    Recorded,
    metrics_content,
    read_recorded,
    skipped_images,
    stored_thresholds,
)
from ladcli.runs.score_thresholds import ScoreThresholds, Threshold
from ladcli.runs.tide_numbers import TideErrors, TideReport, TideThresholds

METRICS = CocoMetrics(
    {name: None if name == "APl" else place / 16 for place, name in enumerate(STATS)},
    {"cup": dict.fromkeys(OF_CLASSES, 0.5), "plate": dict.fromkeys(OF_CLASSES, None)},
)
TIDE = TideErrors(TideThresholds(0.75, 0.2), 40.0, {"Cls": 1.5, "Loc": None}, {"Cls": 3})
OTHER = TideErrors(TideThresholds(), 60.0, {"Cls": 0.5}, {"Cls": 1})
THRESHOLDS = ScoreThresholds(Threshold(0.4, 0.7), {"cup": Threshold(0.5, None)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.json"


def test_what_was_written_is_read(path: Path) -> None:
    content = metrics_content(
        METRICS,
        tide=TideReport("corrected", (TIDE, OTHER)),
        thresholds=THRESHOLDS,
        measured=10,
        skipped=(3, 7),
        more={"engine": "pycocotools"},
    )
    assert list(content) == ["coco", "tide_definition", "tide", "thresholds", "images", "engine"]
    assert content["images"] == {"measured": 10, "skipped": [3, 7]}
    write_json(path, content)
    assert read_recorded(path) == Recorded(METRICS, TIDE)
    assert stored_thresholds(path) == THRESHOLDS
    assert skipped_images(path) == [3, 7]


def test_what_is_absent_leaves_no_trace(path: Path) -> None:
    assert metrics_content(METRICS, measured=10) == METRICS.to_json()
    write_json(path, METRICS.to_json())
    assert read_recorded(path) == Recorded(METRICS)
    assert stored_thresholds(path) is None
    assert skipped_images(path) == []


def test_without_a_file_nothing_is_known(path: Path) -> None:
    assert read_recorded(path) == Recorded()
    assert stored_thresholds(path) is None
    assert skipped_images(path) == []


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"coco": {"stats": [0.5], "per_class": {}}},
        {**METRICS.to_json(), "tide": [{"ap": 1}]},
        {**METRICS.to_json(), "tide": 3},
    ],
)
def test_other_content_is_a_remark(path: Path, content: Any) -> None:
    write_json(path, content)
    found = read_recorded(path)
    assert (found.metrics, found.tide) == (None, None)
    assert found.remarks == (f"{path}: is no metrics file; measure anew with lad eval.",)


def test_numbers_of_other_programs_may_be_no_numbers(path: Path) -> None:
    content = METRICS.to_json()
    content["coco"]["stats"][0] = "nan"
    write_json(path, content)
    found = read_recorded(path).metrics
    assert found is not None
    assert found.stats["AP"] is None
