from __future__ import annotations

import pytest
import torch

from ladcli.assign import dense_costs
from ladcli.assign.cost import detection_cost
from ladcli.assign.dense_costs import entropy_class_cost, focal_class_cost, giou_cost, predicted_iou
from ladcli.assign.one_to_one import every_prior
from ladcli.structures.boxes import matrix_iou
from tests.assign.scenes import random_problem


def test_equals_the_cost_of_pairs_one_by_one() -> None:
    problem = random_problem(0)
    scene, cls = problem.scene, problem.predictions.cls
    candidates = every_prior(scene)
    pairs = detection_cost(
        candidates, scene, cls, problem.boxes, box_weight=1.3, alpha=0.25, gamma=2.0
    )
    dense = focal_class_cost(cls, scene, alpha=0.25, gamma=2.0)
    dense = dense + 1.3 * giou_cost(problem.boxes, scene)
    mask = candidates.mask
    torch.testing.assert_close(dense[mask], pairs.values[mask], rtol=1e-4, atol=1e-4)


def test_entropy_is_that_of_a_one_hot_target() -> None:
    problem = random_problem(1).image(2)
    scene, logits = problem.scene, problem.predictions.cls.raw
    found = entropy_class_cost(problem.predictions.cls, scene, scene.valid)
    for gt, label in enumerate(scene.targets.labels[0].tolist()):
        target = torch.zeros_like(logits[0])
        target[:, label] = 1.0
        wanted = torch.nn.functional.binary_cross_entropy_with_logits(
            logits[0], target, reduction="none"
        ).sum(dim=1)
        torch.testing.assert_close(found[0, gt], wanted, rtol=1e-4, atol=1e-4)


def test_few_ground_truths_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_problem(2)
    whole = predicted_iou(problem.boxes, problem.scene)
    monkeypatch.setattr(dense_costs, "PAIRS_AT_ONCE", 1)
    assert torch.equal(predicted_iou(problem.boxes, problem.scene), whole)
    assert torch.equal(whole, matrix_iou(problem.targets.boxes, problem.boxes))
