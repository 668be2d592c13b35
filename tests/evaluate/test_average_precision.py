"""Precision and recall of every class, threshold and size against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.average_precision import (
    ClassRanking,
    _count_reached,
    average_precisions,
    interpolated_precision,
    recalls,
)
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.matching import match
from ladcli.evaluate.results import Results
from tests.evaluate.pycoco import published_evaluation, published_stats
from tests.evaluate.random_sets import CASES, RandomSet, repeat_images

#: Sums of at most 101 shares of 1 in another order.
EXACT = {"rtol": 0, "atol": 1e-12}
each_case = pytest.mark.parametrize("name", CASES)


def undefined_as_minus_one(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), -1, values)


@each_case
@pytest.mark.parametrize("seed", range(3))
def test_every_class_threshold_and_size_as_pycocotools(name: str, seed: int) -> None:
    truth, results = CASES[name].draw(seed)
    evaluation = published_evaluation(truth, results)
    # [thresholds, recalls, classes, sizes, limits] -> [sizes, thresholds, classes]
    precision = evaluation.eval["precision"][..., -1].mean(axis=1).transpose(2, 0, 1)
    matching = match(truth, results)
    ours = undefined_as_minus_one(average_precisions(matching))
    np.testing.assert_allclose(ours, precision, **EXACT)
    for place, limit in enumerate((1, 10, 100)):
        recall = evaluation.eval["recall"][..., place].transpose(2, 0, 1)
        ours = undefined_as_minus_one(recalls(matching, limit))
        np.testing.assert_allclose(ours, recall, **EXACT)


@each_case
def test_twelve_numbers_as_pycocotools(name: str) -> None:
    truth, results = CASES[name].draw(seed=9)
    ours = [-1 if value is None else value for value in coco_metrics(truth, results).stats.values()]
    np.testing.assert_allclose(ours, published_stats(truth, results), **EXACT)


@pytest.mark.parametrize(
    ("right", "scored", "positives", "expected"),
    [
        ([1], [1], 1, 1),
        ([1], [2], 1, 1 / 2),
        # Half of the objects found: recalls 0 to .50, which are 51 of 101.
        ([1], [1], 2, 51 / 101),
        # 1 of 1, then 2 of 4: precision 1 up to recall .50, then 1/2 for 50 recalls.
        ([1, 2], [1, 4], 2, (51 + 25) / 101),
        # 1 of 2, then 2 of 3: the later precision is the better one and counts throughout.
        ([1, 2], [2, 3], 2, 2 / 3),
        ([], [], 3, 0),
        ([], [], 0, None),
    ],
)
def test_interpolation_by_hand(
    right: list[int], scored: list[int], positives: int, expected: float | None
) -> None:
    value = interpolated_precision(
        np.array(right, float), np.array(scored, float), np.array(positives)
    )
    assert value == pytest.approx(np.nan if expected is None else expected, nan_ok=True)


def all_classes(truth: CocoFile, results: Results, weights: np.ndarray) -> np.ndarray:
    """AP [C, T, B] under ``weights`` [N, B]."""
    matching = match(truth, results)
    return np.stack(
        [ClassRanking(matching, c).average_precision(weights) for c in range(len(matching.classes))]
    )


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_copies_of_images(seed: int) -> None:
    """Whole weights give the AP of a set where the images are copied under new ids."""
    truth, results = RandomSet(score_decimals=12).draw(seed)
    weights = np.random.default_rng(seed).integers(0, 4, (12, 3))
    weighted = all_classes(truth, results, weights.astype(float))
    for b, times in enumerate(weights.T):
        copied = average_precisions(match(*repeat_images(truth, results, times)))[0]
        np.testing.assert_allclose(weighted[:, :, b], copied.T, **EXACT)


def test_ones_are_plain_average_precision() -> None:
    truth, results = RandomSet().draw(seed=0)
    weighted = all_classes(truth, results, np.ones((12, 2)))
    plain = average_precisions(match(truth, results))[0].T
    np.testing.assert_allclose(weighted, np.stack([plain, plain], axis=-1), **EXACT)
    single = all_classes(truth, results, np.ones((12, 1)))
    np.testing.assert_array_equal(single[..., 0], plain)


def test_recalls_are_reached_where_they_are_equal() -> None:
    """Every share of up to 200 boxes against a search, on both grids in use."""
    shares = np.concatenate([np.arange(n + 1) / n for n in range(1, 201)])
    for grid in (np.linspace(0, 1, 101), np.arange(101) / 100):
        reached = _count_reached(grid, shares)
        np.testing.assert_array_equal(reached, np.searchsorted(grid, shares, side="right"))
