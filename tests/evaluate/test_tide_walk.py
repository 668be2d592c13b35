"""What the walk sees: order, limits, crowd regions, and claims on boxes that nobody found."""

from __future__ import annotations

from ladcli.evaluate.greedy import UNMATCHED
from ladcli.evaluate.tide_walk import MAX_DETECTIONS, Errors, Kind, classify, prepare_walk
from tests.evaluate.random_sets import RandomSet
from tests.evaluate.scenes import LabeledBox, scene

BOX, NEAR, FAR = [100, 100, 50, 50], [100, 100, 50, 20], [10, 10, 40, 40]


def errors(gts: list[LabeledBox], dets: list[LabeledBox], crowd: tuple[int, ...] = ()) -> Errors:
    return classify(prepare_walk(*scene(gts, dets, crowd), at_least=0.1), 0.5, 0.1)


def test_images_come_in_the_order_of_the_file_and_scores_fall() -> None:
    truth, results = RandomSet(images=3, detections=500).draw(seed=0)
    walk = prepare_walk(truth, results, at_least=0.1)
    expected = []
    for image_id in truth.image_ids:
        own = results.scores[results.image_ids == image_id]
        expected += sorted(own.tolist(), reverse=True)[:MAX_DETECTIONS]
    assert walk.score.tolist() == expected
    assert len(expected) < len(results)


def test_the_limit_holds_for_all_classes_of_an_image_together() -> None:
    found = errors([(0, BOX)], [(1, FAR)] * 60 + [(0, FAR)] * 40 + [(0, BOX)])
    assert len(found.kind) == 100
    assert found.gt_missed.tolist() == [True]


def test_what_lies_in_a_crowd_region_of_its_class_is_ignored_yet_classified() -> None:
    region = (0, [0.0, 0.0, 60.0, 60.0])
    found = errors([region, (0, BOX)], [(0, FAR), (1, FAR), (0, BOX)], crowd=(0,))
    assert found.ignored.tolist() == [True, False, False]
    assert found.kind.tolist() == [Kind.BKG, Kind.BKG, Kind.NONE]
    assert found.gt_found.tolist() == [True]


def test_without_boxes_in_the_image_all_is_background() -> None:
    region = (0, [0.0, 0.0, 60.0, 60.0])
    found = errors([region], [(0, FAR), (0, BOX)], crowd=(0,))
    assert found.kind.tolist() == [Kind.BKG, Kind.BKG]
    assert found.ignored.tolist() == [True, False]


def test_an_overlap_of_both_thresholds_is_still_badly_placed() -> None:
    """IoU 0.5 beside a detection that took the box, and IoU 0.1: Loc comes before Dupe and Bkg."""
    half, tenth = [100, 100, 50, 25], [100, 100, 50, 5]
    found = errors([(0, BOX)], [(0, BOX), (0, half), (0, tenth)])
    assert found.kind.tolist() == [Kind.NONE, Kind.LOC, Kind.LOC]
    assert found.target.tolist() == [UNMATCHED] * 3  # the box is taken


def test_a_box_goes_to_its_best_claimant_and_is_not_missed() -> None:
    found = errors([(0, BOX), (1, FAR)], [(1, BOX), (0, NEAR)])
    assert found.kind.tolist() == [Kind.CLS, Kind.LOC]
    assert found.target.tolist() == [0, UNMATCHED]
    assert found.gt_missed.tolist() == [False, True]
