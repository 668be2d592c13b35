"""COCO numbers on scenes small enough to work out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.results import load_results
from ladcli.runs.coco_numbers import CocoMetrics

STATS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
PER_CLASS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"]

#: A medium box (2500 square pixels) and one that overlaps it with IoU 0.8.
BOX, NEAR_BOX = [10, 10, 50, 50], [10, 10, 50, 40]


def annotation(image: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, **more}


def detection(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


class Scorer:
    """Writes ground truth and detections to files and scores them as the command does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def truth(self, annotations: list[dict[str, Any]], first_id: int = 1) -> CocoFile:
        """Images 0 and 1, categories 0 cat, 1 dog and 7 bird."""
        content = {
            "images": [
                {"id": i, "file_name": f"{i}.jpg", "width": 300, "height": 300} for i in (0, 1)
            ],
            "categories": [
                {"id": i, "name": name} for i, name in ((7, "bird"), (0, "cat"), (1, "dog"))
            ],
            "annotations": [{"id": i, **a} for i, a in enumerate(annotations, first_id)],
        }
        path = self.folder / "truth.json"
        path.write_text(json.dumps(content))
        return read_coco(path)

    def __call__(
        self, annotations: list[dict[str, Any]], detections: list[dict[str, Any]], **more: int
    ) -> CocoMetrics:
        path = self.folder / "results.json"
        path.write_text(json.dumps(detections))
        truth = self.truth(annotations, **more)
        return coco_metrics(truth, load_results(path, truth))


@pytest.fixture
def score(tmp_path: Path) -> Scorer:
    return Scorer(tmp_path)


def test_a_perfect_detection(score: Scorer, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = score([annotation(0, 0, BOX)], [detection(0, 0, BOX, 0.5)])
    assert list(metrics.stats) == STATS
    for name, value in metrics.stats.items():
        # There is no small and no large object.
        assert value == (None if name in ("APs", "APl", "ARs", "ARl") else pytest.approx(1)), name
    assert capsys.readouterr() == ("", "")


def test_classes_come_in_the_order_of_their_ids(score: Scorer) -> None:
    metrics = score([annotation(0, 0, BOX)], [detection(0, 0, BOX, 0.5)])
    assert list(metrics.per_class) == ["cat", "dog", "bird"]
    assert [list(values) for values in metrics.per_class.values()] == [PER_CLASS] * 3
    assert metrics.per_class["cat"]["AP"] == pytest.approx(1)
    assert set(metrics.per_class["dog"].values()) == {None}


def test_overlap_decides_which_thresholds_are_passed(score: Scorer) -> None:
    """IoU 0.8 passes .50 to .80, seven of the ten thresholds."""
    metrics = score([annotation(0, 0, BOX)], [detection(0, 0, NEAR_BOX, 0.5)])
    assert metrics.stats["AP"] == pytest.approx(0.7)
    assert metrics.stats["AP50"] == metrics.stats["AP75"] == pytest.approx(1)
    assert metrics.stats["AR100"] == pytest.approx(0.7)


def test_a_better_scored_false_detection_halves_the_precision(score: Scorer) -> None:
    false = detection(1, 0, BOX, 0.9)
    metrics = score([annotation(0, 0, BOX)], [detection(0, 0, BOX, 0.5), false])
    assert metrics.stats["AP"] == pytest.approx(0.5)
    assert metrics.stats["AR100"] == pytest.approx(1)


def test_ids_of_zero_match_like_others(score: Scorer) -> None:
    metrics = score([annotation(0, 0, BOX)], [detection(0, 0, BOX, 0.5)], first_id=0)
    assert metrics.stats["AP"] == pytest.approx(1)


def test_no_detections_score_zero(score: Scorer) -> None:
    metrics = score([annotation(0, 0, BOX)], [])
    assert metrics.stats["AP"] == metrics.stats["AR100"] == metrics.stats["APm"] == 0
    assert metrics.stats["APs"] is None
    assert metrics.per_class["cat"]["AP50"] == 0
    assert metrics.per_class["bird"]["AP50"] is None


@pytest.mark.parametrize("detections", [[], [detection(0, 0, BOX, 0.5)]])
def test_without_ground_truth_nothing_is_defined(
    score: Scorer, detections: list[dict[str, Any]]
) -> None:
    metrics = score([], detections)
    assert set(metrics.stats.values()) == {None}


def test_classes_without_ground_truth_do_not_lower_the_mean(score: Scorer) -> None:
    metrics = score([annotation(0, 0, BOX)], [detection(0, 0, BOX, 0.5), detection(0, 7, BOX, 0.9)])
    assert metrics.stats["AP"] == pytest.approx(1)
    assert metrics.per_class["bird"]["AP"] is None


def test_crowd_regions_take_detections_and_are_never_missed(score: Scorer) -> None:
    crowd = annotation(0, 0, [100, 100, 100, 100], iscrowd=1)
    inside = [detection(0, 0, [110 + i, 110, 30, 30], 0.9) for i in range(5)]
    metrics = score([annotation(0, 0, BOX), crowd], [detection(0, 0, BOX, 0.5), *inside])
    assert metrics.stats["AP"] == pytest.approx(1)
    assert metrics.stats["AR100"] == pytest.approx(1)
    alone = score([crowd], inside)
    assert set(alone.stats.values()) == {None}


def test_sizes_follow_the_area_of_the_annotation(score: Scorer) -> None:
    """A mask's area may be far below that of its box."""
    metrics = score([annotation(0, 0, BOX, area=500)], [detection(0, 0, BOX, 0.5)])
    assert metrics.stats["APs"] == pytest.approx(1)
    assert metrics.stats["APm"] is None


def test_at_most_100_detections_of_a_class_count_in_an_image(score: Scorer) -> None:
    false = [detection(0, 0, [200, 200, 20, 20], 0.9)] * 100
    late = detection(0, 0, BOX, 0.1)
    metrics = score([annotation(0, 0, BOX)], [late, *false])
    assert metrics.stats["AR100"] == 0
    metrics = score([annotation(0, 0, BOX)], [late, *false[:99]])
    assert metrics.stats["AR100"] == pytest.approx(1)
    assert metrics.stats["AR10"] == 0


def test_scoring_changes_neither_side(score: Scorer) -> None:
    truth = score.truth([annotation(0, 0, BOX)])
    path = score.folder / "results.json"
    path.write_text(json.dumps([detection(0, 0, NEAR_BOX, 0.5)]))
    results = load_results(path, truth)
    assert coco_metrics(truth, results) == coco_metrics(truth, results)
    assert truth.annotation_ids.tolist() == [1]


def test_json_layout(score: Scorer) -> None:
    metrics = score([annotation(0, 0, BOX)], [detection(0, 0, BOX, 0.5)])
    plain = metrics.to_json()
    assert list(plain) == ["coco"]
    assert list(plain["coco"]) == ["stats", "per_class"]
    assert plain["coco"]["stats"] == list(metrics.stats.values())
    assert len(plain["coco"]["stats"]) == 12
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
