"""Losses of a batch whose images are spread over processes: the mean is the loss of one process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.objective.detection_loss import BoxWeighting, detection_loss
from ladcli.objective.soft_loss import soft_label_loss
from ladcli.objective.soft_targets import soft_targets
from ladcli.recipe.schema import LossConfig, SoftConfig
from ladcli.structures import Assignment, Predictions, Scene, Targets
from ladcli.structures.losses import LossTerms, normalize
from tests.assign.scenes import Problem, random_problem

#: Which images of four each process sees.  The second image has no boxes.
SPLITS = {
    "two and two": [slice(0, 2), slice(2, 4)],
    "one and three": [slice(0, 1), slice(1, 4)],
    "one without boxes": [slice(0, 1), slice(1, 2), slice(2, 4)],
}
#: A mean over nothing is kept finite by a small number, which several processes add less often.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def part_of(problem: Problem, images: slice) -> Problem:
    """Some of the images, with targets that keep their padding."""
    t = problem.targets
    targets = Targets(t.boxes[images], t.labels[images], t.valid[images], t.crowd[images])
    scene = Scene(targets, problem.scene.priors, problem.valid[images])
    return Problem(scene, problem.predictions.map(lambda x: x[images]), problem.grid)


def paa_terms(problem: Problem, weighting: BoxWeighting, *, quality: bool) -> LossTerms:
    """The detection loss under the network's own assignment."""
    boxes, options = problem.boxes, LossConfig()
    scene, predictions = problem.scene, problem.predictions
    assignment = paa_assigner().assign(scene, predictions.detach().cls, boxes.detach())
    if quality:
        assert predictions.iou_logits is not None
        assignment = Assignment(assignment.gt_index, predictions.iou_logits.detach().sigmoid())
    return detection_loss(
        predictions,
        boxes,
        assignment,
        scene,
        box_weighting=weighting,
        alpha=options.alpha,
        gamma=options.gamma,
        cls_weight=options.cls_weight,
        box_weight=options.box_weight,
        iou_weight=options.iou_weight,
    )


def soft_terms(problem: Problem) -> LossTerms:
    """Soft labels of a teacher that knows the boxes better than the student."""
    options, boxes = SoftConfig(), problem.boxes
    half = problem.predictions.detach().map(lambda x: x / 8)
    targets = soft_targets(
        half,
        Problem(problem.scene, half, problem.grid).boxes,
        torch.tensor([[160, 192]] * problem.scene.num_images),
        problem.scene,
        select=options.select,
        min_iou=options.min_iou,
    )
    return soft_label_loss(
        problem.predictions,
        boxes,
        targets,
        loss=options.loss,
        gamma=options.gamma,
        cls_weight=10.0,
        box_weight=options.box_weight,
        iou_weight=options.iou_weight,
    )


LOSSES: dict[str, Callable[[Problem], LossTerms]] = {
    "paa": lambda problem: paa_terms(problem, "iou", quality=False),
    "lad": lambda problem: paa_terms(problem, "uniform", quality=False),
    "quality": lambda problem: paa_terms(problem, "uniform", quality=True),
    "soft": soft_terms,
}


def leaves_of(predictions: Predictions) -> list[Tensor]:
    assert predictions.iou_logits is not None
    return [predictions.cls.raw, predictions.box_deltas, predictions.iou_logits]


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_means_over_processes_are_the_losses_of_one(
    split: list[slice], make: Callable[[Problem], LossTerms]
) -> None:
    problem = random_problem(31)
    leaves = [leaf.requires_grad_() for leaf in leaves_of(problem.predictions)]
    expected = normalize({"model": make(problem)})["model"]
    assert all(loss > 0 for loss in expected.values())
    gradients = torch.autograd.grad(sum(expected.values()), leaves)

    parts = [make(part_of(problem, images)) for images in split]
    vectors: list[Tensor] = []
    for part in parts:
        normalize({"model": part}, lambda vector: vectors.append(vector) or vector)
    assert len(vectors) == len(split)  # one exchange each
    mean = torch.stack(vectors).mean(dim=0)
    losses = [normalize({"model": part}, lambda _: mean)["model"] for part in parts]
    for name, loss in expected.items():
        found = torch.stack([of_part[name] for of_part in losses]).mean()
        torch.testing.assert_close(found, loss, **CLOSE)
    total = torch.stack([sum(of_part.values()) for of_part in losses]).mean()
    for found, gradient in zip(torch.autograd.grad(total, leaves), gradients, strict=True):
        torch.testing.assert_close(found, gradient, **CLOSE)


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_a_process_whose_images_have_no_boxes_takes_part(
    make: Callable[[Problem], LossTerms],
) -> None:
    """Its losses and gradients are finite, and every output has a gradient."""
    problem = random_problem(32, boxes_per_image=(0, 0))
    leaves = [leaf.requires_grad_() for leaf in leaves_of(problem.predictions)]
    losses = normalize({"model": make(problem)})["model"]
    for gradient in torch.autograd.grad(sum(losses.values()), leaves):
        assert gradient.isfinite().all()
    assert all(loss.isfinite() for loss in losses.values())
