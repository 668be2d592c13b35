from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.matching import IGNORED, RIGHT, match
from ladcli.evaluate.measured import MeasuredRun, Truth
from ladcli.evaluate.report.reading.judging import ImageLoss, Judged, image_losses, judge
from ladcli.evaluate.results import Results
from ladcli.runs.score_thresholds import DEFAULT_SCORE, ScoreThresholds, Threshold
from tests.evaluate.random_sets import CASES
from tests.evaluate.scenes import scene

BOX, OTHER, NOWHERE = [10.0, 10, 20, 20], [100.0, 10, 20, 20], [200.0, 200, 20, 20]


def confident(results: Results) -> Results:
    keep = results.scores >= DEFAULT_SCORE
    return Results(
        results.image_ids[keep], results.category_ids[keep], results.boxes[keep],
        results.scores[keep],
    )  # fmt: skip


def judged_from(
    truth: CocoFile, results: Results, thresholds: ScoreThresholds | None = None
) -> Judged:
    known = Truth(truth, Path())
    return judge(
        MeasuredRun("model", "val", None, truth=known, detections=results, thresholds=thresholds)
    )


#: More than the 100 detections per image and class that COCO looks at.
BEYOND_COCO = ("many of one class", "crowded")


@pytest.mark.parametrize("name", [name for name in CASES if name not in BEYOND_COCO])
def test_judgements_are_those_of_the_coco_protocol(name: str) -> None:
    for seed in range(3):
        truth, results = CASES[name].draw(seed)
        matching = match(truth, confident(results))
        judged = judged_from(truth, results)
        verdict = matching.verdict[0, 0]
        for k in range(len(truth.image_ids)):
            row = np.argsort(truth.image_ids)[k]
            ours = judged.image == row
            theirs = verdict[matching.image == k]
            assert judged.right[ours].sum() == (theirs == RIGHT).sum()
            assert judged.ignored[ours].sum() == (theirs == IGNORED).sum()


def test_losses_are_counted_by_image() -> None:
    truth, results = scene([(0, BOX), (1, OTHER)], [(0, BOX), (0, NOWHERE), (1, NOWHERE)])
    judged = judged_from(truth, results)  # scores 0.9, 0.5, 0.1: the last is not seen
    assert judged.right.tolist() == [True, False]
    assert judged.found.tolist() == [True, False]
    (loss,) = image_losses(Truth(truth, Path()), judged)
    assert (loss.missed, loss.false, loss.found) == (1, 1, 1)
    assert loss.share == 0.5  # F1 is 1/2: precision and recall are


def test_detections_over_crowds_are_no_losses() -> None:
    truth, results = scene([(0, BOX)], [(0, BOX), (0, BOX)], crowd=(0,))
    judged = judged_from(truth, results)
    assert judged.ignored.all()
    assert image_losses(Truth(truth, Path()), judged) == [ImageLoss(0, 0, 0, 0)]


def test_every_class_has_a_least_score_of_its_own() -> None:
    truth, results = scene([], [(0, BOX), (1, BOX), (0, OTHER), (1, OTHER), (0, NOWHERE)])
    thresholds = ScoreThresholds(
        Threshold(0.4, 0.5), {"class 0": Threshold(0.45, 0.5), "class 1": Threshold(0.25, 0.5)}
    )
    judged = judged_from(truth, results, thresholds)  # scores 0.9, 0.7, 0.5, 0.3, 0.1
    assert judged.label.tolist() == [0, 1, 0, 1]
    assert judged.score.tolist() == pytest.approx([0.9, 0.7, 0.5, 0.3])


def test_what_is_looked_at_is_said_with_its_scores() -> None:
    truth, results = scene([], [(0, BOX), (1, BOX), (0, NOWHERE)])  # scores 0.9, 0.5, 0.1
    thresholds = ScoreThresholds(
        Threshold(0.4, 0.5), {"class 0": Threshold(0.6, 0.5), "class 1": Threshold(0.55, 0.5)}
    )
    assert judged_from(truth, results, thresholds).shown() == (
        "1 of 3 detections, those of at least the score of best F1 on val "
        "(class 0 0.60, class 1 0.55)"
    )
    assert judged_from(truth, results).shown() == (
        "2 of 3 detections, those with a score of at least 0.3 (no scores of best F1 are stored; "
        "lad eval --split val stores them)"
    )
