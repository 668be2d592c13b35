"""The score of best F1, against a slow walk over all cuts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.matching import IGNORED, RIGHT, match
from ladcli.evaluate.results import Results
from ladcli.evaluate.thresholds import describe_thresholds, least_scores, score_thresholds
from ladcli.runs.score_thresholds import DEFAULT_SCORE, ScoreThresholds, Threshold
from tests.evaluate.random_sets import CASES, RandomSet
from tests.evaluate.scenes import scene

BOX, OTHER, NOWHERE = [10.0, 10, 20, 20], [100.0, 10, 20, 20], [200.0, 200, 20, 20]


def above(truth: CocoFile, results: Results, least: float, label: int | None) -> Fraction | None:
    """F1 of the detections of at least ``least``, matched on their own; None without objects.

    Args:
        label: of the only class that counts, or None for all.
    """
    kept = results.scores >= least
    shown = Results(
        results.image_ids[kept], results.category_ids[kept], results.boxes[kept],
        results.scores[kept],
    )  # fmt: skip
    matching = match(truth, shown)
    verdict = matching.verdict[0, 0]
    objects = matching.gt_counts[0]
    if label is not None:
        verdict = verdict[slice(*matching.class_start[label : label + 2].tolist())]
        objects = objects & (matching.gt_class == label)
    right, counted = int((verdict == RIGHT).sum()), int((verdict != IGNORED).sum())
    positives = int(objects.sum())
    return Fraction(2 * right, counted + positives) if positives else None


def slow_best(truth: CocoFile, results: Results, label: int | None) -> tuple[float, Fraction]:
    """Score and F1 of the best cut, tried one by one from the highest score down."""
    best = (0.0, Fraction(-1))
    for score in sorted(set(results.scores.tolist()), reverse=True):
        f1 = above(truth, results, score, label)
        if f1 is not None and f1 > best[1]:
            best = (score, f1)
    return best


def derived(gts: list[Any], dets: list[Any], scores: list[float], **options: Any) -> Threshold:
    """The threshold of the first of two classes, where ``dets`` have these scores."""
    truth, results = scene(gts, dets, **options)
    found = score_thresholds(match(truth, replace(results, scores=np.array(scores))))
    return found.per_class["class 0"]


#: Where matching looks at the best hundred of an image and class, a cut changes which those are.
BEYOND_COCO = ("many of one class", "crowded")


@pytest.mark.parametrize("name", [name for name in CASES if name not in BEYOND_COCO])
def test_no_other_cut_is_better(name: str) -> None:
    for seed in range(2):
        truth, results = CASES[name].draw(seed)
        found = score_thresholds(match(truth, results))
        assert list(found.per_class) == list(truth.classes.names)
        labels = [None, *range(len(truth.classes))]
        for label, one in zip(labels, (found.overall, *found.per_class.values()), strict=True):
            score, f1 = slow_best(truth, results, label)
            if f1 <= 0:
                instead = DEFAULT_SCORE if label is None else found.overall.score
                assert one.score == instead
                assert not one.f1
                continue
            assert one.f1 == pytest.approx(float(f1), abs=1e-12)
            assert one.score <= score  # the best cut itself, or in the gap below it
            assert above(truth, results, one.score, label) == f1


def test_the_threshold_lies_halfway_to_the_next_score() -> None:
    found = derived([(0, BOX), (0, OTHER)], [(0, BOX), (0, OTHER), (0, NOWHERE)], [0.9, 0.6, 0.2])
    assert found == Threshold(pytest.approx(0.4), 1.0)


def test_where_nothing_lies_below_it_is_the_lowest_score() -> None:
    assert derived([(0, BOX), (0, OTHER)], [(0, BOX), (0, OTHER)], [0.9, 0.6]).score == 0.6


def test_no_number_between_two_scores_leaves_the_higher() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1))
    assert derived([(0, BOX)], [(0, BOX), (0, NOWHERE)], [high, low]).score == high


def test_equal_scores_are_in_or_out_together() -> None:
    """Alone the right one of two equals would give an F1 of 1."""
    for dets in ([(0, BOX), (0, NOWHERE)], [(0, NOWHERE), (0, BOX)]):
        found = derived([(0, BOX)], [*dets, (0, NOWHERE)], [0.5, 0.5, 0.1])
        assert found == Threshold(pytest.approx(0.3), pytest.approx(2 / 3))


def test_of_equally_good_cuts_the_highest_is_taken() -> None:
    """One of two found, 2/3; both among four detections, 4/6."""
    dets = [(0, BOX), (0, NOWHERE), (0, NOWHERE), (0, OTHER)]
    found = derived([(0, BOX), (0, OTHER)], dets, [0.9, 0.5, 0.4, 0.3])
    assert found == Threshold(pytest.approx(0.7), pytest.approx(2 / 3))


def test_what_is_ignored_counts_nowhere() -> None:
    """Detections over a crowd region are neither wrong nor the next score below."""
    crowd, place = [300.0, 0, 60, 60], [305.0, 5, 50, 50]
    found = derived(
        [(0, BOX), (0, crowd)], [(0, place), (0, BOX), (0, place), (0, NOWHERE)],
        [0.95, 0.9, 0.8, 0.1], crowd=(1,),
    )  # fmt: skip
    assert found == Threshold(pytest.approx(0.5), 1.0)


def test_classes_that_say_nothing_take_the_threshold_of_all() -> None:
    """Class 1 has an object that nothing finds, or no object at all."""
    for gts, f1 in (([(0, BOX), (1, OTHER)], 0.0), ([(0, BOX)], None)):
        truth, results = scene(gts, [(0, BOX), (1, NOWHERE)])
        results = replace(results, scores=np.array([0.8, 0.4]))
        found = score_thresholds(match(truth, results))
        assert found.overall.score == pytest.approx(0.6)
        assert found.per_class == {
            "class 0": Threshold(0.8, 1.0), "class 1": Threshold(found.overall.score, f1),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("gts", "dets", "f1"),
    [([], [(0, BOX)], None), ([(0, BOX)], [(0, NOWHERE)], 0.0), ([(0, BOX)], [], 0.0)],
)
def test_where_nothing_is_right_the_default_remains(
    gts: list[Any], dets: list[Any], f1: float | None
) -> None:
    found = score_thresholds(match(*scene(gts, dets)))
    assert found.overall == Threshold(DEFAULT_SCORE, f1)
    assert {one.score for one in found.per_class.values()} == {DEFAULT_SCORE}


def test_all_classes_together_count_every_detection_once() -> None:
    """Class 1 alone has a wrong detection at the top."""
    truth, results = scene([(0, BOX), (1, OTHER)], [(1, NOWHERE), (0, BOX), (1, OTHER)])
    found = score_thresholds(match(truth, results))  # scores .9, .5, .1
    assert found.overall == Threshold(pytest.approx(0.1), pytest.approx(4 / 5))
    assert found.per_class["class 1"] == Threshold(pytest.approx(0.1), pytest.approx(2 / 3))


def test_order_in_the_file_changes_nothing() -> None:
    truth, results = RandomSet(score_decimals=9).draw(3)
    order = np.random.default_rng(0).permutation(len(results))
    shuffled = Results(
        results.image_ids[order], results.category_ids[order], results.boxes[order],
        results.scores[order],
    )  # fmt: skip
    assert score_thresholds(match(truth, shuffled)) == score_thresholds(match(truth, results))


KNOWN = ScoreThresholds(Threshold(0.5, 0.8), {"cup": Threshold(0.4, 0.9), "plate": Threshold(1, 0)})


def test_plain_values_come_back() -> None:
    plain = KNOWN.to_plain()
    assert plain == {
        "iou": 0.5,
        "overall": {"threshold": 0.5, "f1": 0.8},
        "per_class": {
            "cup": {"threshold": 0.4, "f1": 0.9}, "plate": {"threshold": 1, "f1": 0},
        },
    }  # fmt: skip
    assert ScoreThresholds.from_plain(plain) == KNOWN
    found = score_thresholds(match(*CASES["ordinary"].draw(0)))
    assert ScoreThresholds.from_plain(found.to_plain()) == found
    assert found.per_class["class 2"].f1 is None  # no object of it


@pytest.mark.parametrize(
    "damage",
    [
        [],
        {"overall": None},
        {"per_class": []},
        {"per_class": {"cup": 0.5}},
        {"overall": {"threshold": 1.5, "f1": 0.5}},
        {"overall": {"threshold": float("nan"), "f1": 0.5}},
        {"overall": {"threshold": True, "f1": 0.5}},
        {"overall": {"threshold": "0.5", "f1": 0.5}},
        {"overall": {"threshold": 0.5, "f1": -1}},
    ],
)
def test_anything_else_is_no_thresholds(damage: Any) -> None:
    with pytest.raises(ValueError, match=r"threshold|number"):
        ScoreThresholds.from_plain({**KNOWN.to_plain(), **damage} if damage else damage)


def test_scores_of_classes_by_name() -> None:
    assert least_scores(KNOWN, ("plate", "spoon", "cup")).tolist() == [1, 0.5, 0.4]
    assert least_scores(None, ("plate", "cup")).tolist() == [DEFAULT_SCORE] * 2


def test_few_classes_are_named_and_many_are_a_range() -> None:
    assert describe_thresholds(KNOWN) == "cup 0.40, plate 1.00"
    many = {f"class {n}": Threshold(0.2 + n / 20, 0.5) for n in range(7)}
    shown = describe_thresholds(ScoreThresholds(Threshold(0.35, 0.5), many))
    assert shown == "0.20 to 0.50 by class, 0.35 for all 7 together"
