"""A weight per image against sets in which images really occur that often."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results
from ladcli.evaluate.tide import TideOptions, tide_errors
from ladcli.evaluate.tide_repairs import ALL_KINDS, ClassRepairs, Repairs
from ladcli.evaluate.tide_walk import classify, prepare_walk
from ladcli.runs.tide_numbers import Definition
from tests.evaluate.random_sets import RandomSet, repeat_images
from tests.evaluate.scenes import scene

DEFINITIONS: tuple[Definition, ...] = ("corrected", "tidecv")
#: Distinct scores: equal ones rank differently in a set that is really copied.
SET = RandomSet(images=8, boxes=40, detections=200, score_decimals=12)
BOX, NEAR, FAR = [100.0, 100, 50, 50], [100.0, 100, 50, 20], [10.0, 10, 40, 40]
#: Points of 100, from sums of at most 101 precisions in another order.
EXACT = {"abs": 1e-9, "nan_ok": True}


def repairs(truth: CocoFile, results: Results, definition: Definition) -> Repairs:
    walk = prepare_walk(truth, results, at_least=0.1)
    return Repairs(walk, classify(walk, 0.5, 0.1), len(truth.classes), definition)


def precisions(of: Repairs, weights: np.ndarray) -> np.ndarray:
    """AP as it is and after every repair, [9, C, B]."""
    return np.stack([one.average_precision(weights) for one in of.classes], axis=1)


def gains(of: Repairs, weights: np.ndarray) -> np.ndarray:
    return of.gains(precisions(of, weights), weights)


def once(num_images: int) -> np.ndarray:
    return np.ones((num_images, 1))


@pytest.mark.parametrize("definition", DEFINITIONS)
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_weights_of_images_are_copies_of_them(definition: Definition, seed: int) -> None:
    truth, results = SET.draw(seed)
    times = np.random.default_rng(seed).integers(0, 4, size=(8, 6))
    weighed = repairs(truth, results, definition)
    per_class = precisions(weighed, times.astype(float))
    costs = weighed.gains(per_class, times.astype(float))
    for column in range(times.shape[1]):
        copied = repeat_images(truth, results, times[:, column])
        plain, copy = once(len(copied[0].image_ids)), repairs(*copied, definition)
        assert per_class[..., column] == pytest.approx(precisions(copy, plain)[..., 0], **EXACT)
        assert costs[:, column] == pytest.approx(gains(copy, plain)[:, 0], **EXACT)
    # The definitions differ on these sets, so that each is really tested.
    other = next(name for name in DEFINITIONS if name != definition)
    theirs = gains(repairs(truth, results, other), times.astype(float))
    assert not np.allclose(costs, theirs, equal_nan=True)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_weights_of_one_are_the_plain_set(definition: Definition) -> None:
    truth, results = SET.draw(2)
    (plain,) = tide_errors(truth, results, TideOptions(definition=definition)).entries
    found = gains(repairs(truth, results, definition), once(8))[:, 0]
    assert dict(zip(ALL_KINDS, found.tolist(), strict=True)) == plain.dap
    # All images twice is the same set again.
    twice = gains(repairs(truth, results, definition), 2 * once(8))[:, 0]
    assert twice == pytest.approx(found, **EXACT)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_images_without_weight_are_not_there(definition: Definition) -> None:
    truth, results = SET.draw(0)
    weights = np.zeros((8, 3))
    weights[3, 1] = 1
    weights[[2, 5], 2] = 1
    found = gains(repairs(truth, results, definition), weights)
    assert np.isnan(found[:, 0]).all()  # no image, so nothing is detected
    for column, rows in ((1, [3]), (2, [2, 5])):
        ids = np.sort(truth.image_ids)[rows]
        kept = np.isin(results.image_ids, ids)
        some = Results(*(getattr(results, f)[kept] for f in _COLUMNS))
        alone = _only_boxes_of(truth, ids)
        expected = gains(repairs(alone, some, definition), once(8))[:, 0]
        assert found[:, column] == pytest.approx(expected, **EXACT)


def test_a_class_is_detected_where_its_images_have_weight() -> None:
    """Class 0 is found in the first image; class 1 is detected in the second, where nothing is."""
    bare, _ = RandomSet(images=2, classes=2, boxes=0).draw(0)
    first, second = np.sort(bare.image_ids)
    truth = replace(
        bare,
        annotation_ids=np.arange(1),
        image_row=np.flatnonzero(bare.image_ids == first),
        class_row=np.array([0]),
        boxes=np.array([BOX]),
        area=np.array([2500.0]),
        crowd=np.array([False]),
    )
    category = np.array(bare.classes.ids)
    results = Results(np.array([first, second]), category, np.array([BOX, BOX]), np.ones(2))
    weights = np.array([[1.0, 1, 0], [0, 1, 1]])
    nothing = np.nan
    for definition, of_class_1 in (("corrected", [nothing] * 3), ("tidecv", [nothing, 0, 0])):
        before = precisions(repairs(truth, results, definition), weights)[0]  # type: ignore[arg-type]
        assert before[0] == pytest.approx([100, 100, nothing], **EXACT)
        assert before[1] == pytest.approx(of_class_1, **EXACT)


_COLUMNS = ("image_ids", "category_ids", "boxes", "scores")


def _only_boxes_of(truth: CocoFile, image_ids: np.ndarray) -> CocoFile:
    kept = np.isin(truth.image_ids[truth.image_row], image_ids)
    names = ("annotation_ids", "image_row", "class_row", "boxes", "area", "crowd")
    return replace(truth, **{name: getattr(truth, name)[kept] for name in names})


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_without_detections_nothing_is_weighed(definition: Definition) -> None:
    truth, nothing = replace(SET, detections=0).draw(0)
    of = repairs(truth, nothing, definition)
    per_class = precisions(of, once(8))
    assert (per_class[0, :2, 0] == 0).all()  # two classes with objects, nothing found
    assert np.isnan(per_class[0, 2, 0])  # and one without either
    # Nothing is left to find after what was missed is no ground truth.
    miss, false_negatives = (per_class[1 + ALL_KINDS.index(k)] for k in ("Miss", "FalseNeg"))
    assert np.isnan(miss).all()
    assert np.isnan(false_negatives).all()
    assert np.isnan(of.gains(per_class, once(8))).all()
    assert [one.num_right for one in of.classes] == [0, 0, 0]


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_without_ground_truth_all_is_background(definition: Definition) -> None:
    truth, results = scene([], [(0, BOX), (1, FAR)])
    of = repairs(truth, results, definition)
    if definition == "corrected":
        assert np.isnan(precisions(of, once(1))).all()
        assert np.isnan(gains(of, once(1))).all()
        return
    # A class that is merely detected has AP 0, until its detections are removed.
    per_class = precisions(of, once(1))[..., 0]
    assert (per_class[0] == 0).all()
    assert np.isnan(per_class[1 + ALL_KINDS.index("Bkg")]).all()
    found = dict(zip(ALL_KINDS, gains(of, once(1))[:, 0].tolist(), strict=True))
    assert np.isnan(found["Bkg"])
    assert found["Cls"] == found["Miss"] == found["FalsePos"] == 0


def test_costs_by_hand() -> None:
    """Two objects: one found, the other badly placed below a false detection."""
    truth, results = scene([(0, BOX), (0, FAR)], [(0, BOX), (1, [200.0, 200, 9, 9]), (0, _SHIFTED)])
    (of, _) = repairs(truth, results, "corrected").classes
    before, *after = of.average_precision(once(1))[:, 0].tolist()
    by_kind = dict(zip(ALL_KINDS, after, strict=True))
    assert before == pytest.approx(100 * 51 / 101)  # precision 1 up to a recall of .50
    assert by_kind["Loc"] == pytest.approx(100)
    assert by_kind["Bkg"] == by_kind["Cls"] == by_kind["Dupe"] == pytest.approx(before)
    assert by_kind["Miss"] == pytest.approx(before)  # what Loc would find is not missed
    assert by_kind["FalseNeg"] == pytest.approx(100)
    assert of.num_right == 2  # with the repaired one


#: IoU of 0.4 with FAR.
_SHIFTED = [10.0, 10, 40, 16]


def test_equal_scores_rank_the_wrong_first_for_tidecv_alone() -> None:
    """Which costs AP without any repair; for the main kinds the tool shows 0 instead."""
    truth, results = scene([(0, BOX)], [(0, BOX), (0, FAR)])
    equal = replace(results, scores=np.array([0.5, 0.5]))
    ours, theirs = (repairs(truth, equal, name) for name in DEFINITIONS)
    for of, after, shown in ((ours, 100, 0), (theirs, 50, -50)):
        per_class = precisions(of, once(1))
        assert per_class[0, 0, 0] == pytest.approx(100)
        costs = dict(zip(ALL_KINDS, of.gains(per_class, once(1))[:, 0].tolist(), strict=True))
        for kind in ("Cls", "Miss", "FalseNeg"):
            place = 1 + ALL_KINDS.index(kind)
            assert per_class[place, 0, 0] == pytest.approx(after)
            expected = shown if kind == "FalseNeg" else 0
            # Class 1 has neither objects nor detections, so that class 0 is the mean.
            assert costs[kind] == pytest.approx(expected)


def test_one_class_alone_is_the_class_among_others() -> None:
    truth, results = SET.draw(3)
    of = repairs(truth, results, "corrected")
    weights = np.random.default_rng(0).integers(0, 3, size=(8, 4)).astype(float)
    assert isinstance(of.classes[0], ClassRepairs)
    together = precisions(of, weights)
    for place, one in enumerate(of.classes):
        for column in range(4):
            alone = one.average_precision(weights[:, column : column + 1])[:, 0]
            assert alone == pytest.approx(together[:, place, column], **EXACT)
