from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ladcli.evaluate.matching import IGNORED, RIGHT, match
from ladcli.evaluate.report.content import Truth
from ladcli.evaluate.report.judging import MIN_SCORE, ImageLoss, image_losses, judge
from ladcli.evaluate.results import Results
from tests.evaluate.random_sets import CASES
from tests.evaluate.scenes import scene

BOX, OTHER, NOWHERE = [10.0, 10, 20, 20], [100.0, 10, 20, 20], [200.0, 200, 20, 20]


def confident(results: Results) -> Results:
    keep = results.scores >= MIN_SCORE
    return Results(
        results.image_ids[keep], results.category_ids[keep], results.boxes[keep],
        results.scores[keep],
    )  # fmt: skip


#: More than the 100 detections per image and class that COCO looks at.
BEYOND_COCO = ("many of one class", "crowded")


@pytest.mark.parametrize("name", [name for name in CASES if name not in BEYOND_COCO])
def test_judgements_are_those_of_the_coco_protocol(name: str) -> None:
    for seed in range(3):
        truth, results = CASES[name].draw(seed)
        matching = match(truth, confident(results))
        judged = judge(Truth(truth, Path()), results)
        verdict = matching.verdict[0, 0]
        for k in range(len(truth.image_ids)):
            row = np.argsort(truth.image_ids)[k]
            ours = judged.image == row
            theirs = verdict[matching.image == k]
            assert judged.right[ours].sum() == (theirs == RIGHT).sum()
            assert judged.ignored[ours].sum() == (theirs == IGNORED).sum()


def test_losses_are_counted_by_image() -> None:
    truth, results = scene([(0, BOX), (1, OTHER)], [(0, BOX), (0, NOWHERE), (1, NOWHERE)])
    judged = judge(Truth(truth, Path()), results)  # scores 0.9, 0.5, 0.1: the last is not seen
    assert judged.right.tolist() == [True, False]
    assert judged.found.tolist() == [True, False]
    (loss,) = image_losses(Truth(truth, Path()), judged)
    assert (loss.missed, loss.false, loss.found) == (1, 1, 1)
    assert loss.share == 0.5  # F1 is 1/2: precision and recall are


def test_detections_over_crowds_are_no_losses() -> None:
    truth, results = scene([(0, BOX)], [(0, BOX), (0, BOX)], crowd=(0,))
    judged = judge(Truth(truth, Path()), results)
    assert judged.ignored.all()
    assert image_losses(Truth(truth, Path()), judged) == [ImageLoss(0, 0, 0, 0)]
