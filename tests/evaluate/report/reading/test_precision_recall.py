from __future__ import annotations

import numpy as np
import pytest

from ladcli.evaluate.average_precision import average_precisions
from ladcli.evaluate.coco import IOU_50, IOU_75
from ladcli.evaluate.matching import match
from ladcli.evaluate.report.reading.precision_recall import mean_curve, precision_curves
from tests.evaluate.random_sets import CASES
from tests.evaluate.scenes import scene


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("threshold", [IOU_50, IOU_75])
def test_mean_of_a_curve_is_the_average_precision(case: object, threshold: int) -> None:
    for seed in range(3):
        matching = match(*case.draw(seed))  # type: ignore[attr-defined]
        curves = precision_curves(matching, threshold)
        assert curves.shape == (len(matching.classes), 101)
        expected = average_precisions(matching)[0, threshold]
        np.testing.assert_allclose(curves.mean(axis=1), expected, atol=1e-12)


def test_curve_of_a_scene_that_is_understood_at_sight() -> None:
    box, other, nowhere = [10.0, 10, 20, 20], [100.0, 10, 20, 20], [200.0, 200, 20, 20]
    truth, results = scene([(0, box), (0, other)], [(0, box), (0, nowhere), (0, other)])
    curve = precision_curves(match(truth, results), IOU_50)[0]
    # Right, wrong, right: precision 1 up to half of the objects, then 2/3.
    np.testing.assert_allclose(curve[:51], 1)
    np.testing.assert_allclose(curve[51:], 2 / 3)


def test_mean_leaves_out_classes_without_ground_truth() -> None:
    curves = np.stack([np.ones(101), np.full(101, np.nan), np.zeros(101)])
    np.testing.assert_allclose(mean_curve(curves), 0.5)
    assert np.isnan(mean_curve(curves[1:2])).all()
