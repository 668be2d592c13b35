"""The verdict about every detection."""

from __future__ import annotations

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.matching import IGNORED, IOU_THRESHOLDS, RIGHT, SIZES, WRONG, match
from ladcli.evaluate.results import Results
from tests.evaluate.pycoco import published_evaluation
from tests.evaluate.random_sets import CASES
from tests.evaluate.scenes import scene

ALL, SMALL, MEDIUM = range(3)


def one_class(
    gts: list[list[float]], dets: list[list[float]], crowd: tuple[int, ...] = ()
) -> tuple[CocoFile, Results]:
    """One image where everything is of class 0; scores fall from detection to detection."""
    return scene([(0, box) for box in gts], [(0, box) for box in dets], crowd)


def verdicts(truth: CocoFile, results: Results, size: int = ALL, threshold: int = 0) -> list[int]:
    return match(truth, results).verdict[size, threshold].tolist()


def test_the_second_detection_of_an_object_is_wrong() -> None:
    box = [10, 10, 50, 50]
    assert verdicts(*one_class([box], [box, box])) == [RIGHT, WRONG]


def test_what_is_taken_leaves_the_second_choice() -> None:
    left, right, middle = [10, 10, 50, 50], [20, 10, 50, 50], [13, 10, 50, 50]
    assert verdicts(*one_class([left, right], [left, middle])) == [RIGHT, RIGHT]
    # At .75 the other box (IoU .754) is still near enough, at .80 no more.
    assert verdicts(*one_class([left, right], [left, middle]), threshold=5) == [RIGHT, RIGHT]
    assert verdicts(*one_class([left, right], [left, middle]), threshold=6) == [RIGHT, WRONG]


def test_overlap_of_exactly_the_threshold_is_enough() -> None:
    half = one_class([[0, 0, 10, 10]], [[0, 0, 10, 5]])
    assert verdicts(*half, threshold=0) == [RIGHT]
    assert verdicts(*half, threshold=1) == [WRONG]


def test_crowd_regions_take_all_that_found_nothing_else() -> None:
    crowd, box = [0, 0, 100, 100], [10, 10, 50, 50]
    assert verdicts(*one_class([crowd, box], [box, box, box], crowd=(0,))) == [
        RIGHT,
        IGNORED,
        IGNORED,
    ]


def test_other_sizes_are_ignored() -> None:
    """1024 square pixels are small and medium; 2500 are medium."""
    edge, medium = [0, 0, 32, 32], [100, 100, 50, 50]
    found = one_class([edge, medium], [edge, medium, [200, 200, 50, 50]])
    assert verdicts(*found, size=ALL) == [RIGHT, RIGHT, WRONG]
    assert verdicts(*found, size=SMALL) == [RIGHT, IGNORED, IGNORED]
    assert verdicts(*found, size=MEDIUM) == [RIGHT, RIGHT, WRONG]
    positives = match(*found).positives()
    assert positives.tolist() == [[2, 0], [1, 0], [2, 0], [0, 0]]


def test_only_a_hundred_detections_count() -> None:
    box = [10, 10, 50, 50]
    matching = match(*one_class([box], [box] * 130))
    assert matching.rank.tolist() == list(range(100))
    assert matching.verdict.shape == (len(SIZES), len(IOU_THRESHOLDS), 100)


@pytest.mark.parametrize("name", CASES)
def test_every_verdict_as_pycocotools(name: str) -> None:
    truth, results = CASES[name].draw(seed=4)
    matching = match(truth, results)
    ids = np.sort(truth.image_ids)
    ours = {}
    for c, category in enumerate(truth.classes.ids):
        for d in range(*matching.class_start[c : c + 2]):
            key = (ids[matching.image[d]], category, matching.rank[d])
            ours[key] = matching.verdict[:, :, d]
    assert len(ours) == len(matching.rank)
    compared = 0
    for image in published_evaluation(truth, results).evalImgs:
        if image is None:
            continue
        size = [list(of) for of in SIZES.values()].index(image["aRng"])
        right = (image["dtMatches"] > 0) & ~image["dtIgnore"]
        theirs = np.where(image["dtIgnore"], IGNORED, np.where(right, RIGHT, WRONG))
        for rank, verdict in enumerate(theirs.T):
            key = (image["image_id"], image["category_id"], rank)
            assert verdict.tolist() == ours[key][size].tolist(), key
            compared += 1
    assert compared == len(ours) * len(SIZES)
