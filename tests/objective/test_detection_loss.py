"""The detection loss by hand, and what must not move it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.objective.detection_loss import BoxWeighting, detection_loss
from ladcli.recipe.schema import LossConfig
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Assignment,
    ClassLogits,
    Predictions,
    Scene,
    Targets,
)
from ladcli.structures.losses import normalize

CANVAS = (32, 32)
GRID = anchor_grid(CANVAS)  # 16 + 4 + 1 + 1 + 1 anchors
LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)
# Anchor 5 is (-24, -24, 40, 40), anchor 16 is (-64, -64, 64, 64); undeformed boxes of these have
# IoU and GIoU 1/2 and 1/8 with this box.
BOX = (-24.0, -24.0, 40.0, 8.0)
FIRST, SECOND = 5, 16


def assignment_of(*images: dict[int, int]) -> Assignment:
    """Positives (or ignored anchors) of every image; the rest is background."""
    gt_index = torch.full((len(images), GRID.num_anchors), BACKGROUND)
    for row, anchors in enumerate(images):
        for anchor, gt in anchors.items():
            gt_index[row, anchor] = gt
    return Assignment(gt_index)


def targets_of(num_images: int = 1, label: int = 1) -> Targets:
    return Targets.from_lists(
        [torch.tensor([BOX])] * num_images, [torch.tensor([label])] * num_images
    )


def silent(
    num_images: int = 1, *, iou_branch: bool = True, iou_logit: float = LN3, num_classes: int = 2
) -> Predictions:
    """Probability 1/2 for every class, undeformed boxes, IoU 3/4 everywhere."""
    size = (num_images, GRID.num_anchors)
    return Predictions(
        ClassLogits(torch.zeros(*size, num_classes, requires_grad=True)),
        torch.zeros(*size, 4, requires_grad=True),
        torch.full(size, iou_logit, requires_grad=True) if iou_branch else None,
    )


def losses_of(
    predictions: Predictions,
    assignment: Assignment,
    targets: Targets | None = None,
    *,
    box_weighting: BoxWeighting = "uniform",
    **options: Any,
) -> dict[str, Tensor]:
    targets = targets or targets_of(len(assignment.gt_index))
    everywhere = torch.ones_like(assignment.gt_index, dtype=torch.bool)
    scene = Scene(targets, GRID.priors, everywhere)
    terms = detection_loss(
        predictions,
        predicted_boxes(predictions, scene),
        assignment,
        scene,
        box_weighting=box_weighting,
        **{**LossConfig().model_dump(), **options},
    )
    return normalize({"model": terms})["model"]


def value(losses: dict[str, Tensor], name: str) -> float:
    assert losses[name].shape == ()
    assert losses[name].dtype is torch.float32
    return losses[name].item()


TWO = assignment_of({FIRST: 0, SECOND: 0})


def test_box_loss_by_hand() -> None:
    """(1/2 + 7/8) / 2 without weights; (1/2 * 1/2 + 1/8 * 7/8) / (1/2 + 1/8) with IoU weights."""
    plain = losses_of(silent(), TWO, box_weighting="uniform")
    weighted = losses_of(silent(), TWO, box_weighting="iou")
    assert value(plain, "box") == pytest.approx(1.3 * 0.6875)
    assert value(weighted, "box") == pytest.approx(1.3 * 0.575)


def test_class_loss_by_hand() -> None:
    """With p = 1/2: a negative costs 0.75/4 ln 2 for each class, a positive 0.25/4 ln 2."""
    found = value(losses_of(silent(), TWO), "cls")
    negatives, positives = 23 * 2 - 2, 2
    assert found == pytest.approx((negatives * 0.75 + positives * 0.25) / 4 * LN2 / 2)


def test_iou_loss_by_hand() -> None:
    """Cross-entropy of 3/4 against 1/2 and 1/8, a mean over the positives."""
    found = value(losses_of(silent(), TWO), "iou")
    first = 0.5 * (LN4 - LN3) + 0.5 * LN4
    second = 0.125 * (LN4 - LN3) + 0.875 * LN4
    assert found == pytest.approx(0.5 * (first + second) / 2)


def test_weights_scale_their_terms() -> None:
    plain = losses_of(silent(), TWO)
    scaled = losses_of(silent(), TWO, cls_weight=2.0, box_weight=2.6, iou_weight=0.25)
    assert value(scaled, "cls") == pytest.approx(2 * value(plain, "cls"))
    assert value(scaled, "box") == pytest.approx(2 * value(plain, "box"))
    assert value(scaled, "iou") == pytest.approx(value(plain, "iou") / 2)


def test_focal_options_reach_the_class_loss() -> None:
    """Gamma 0 and alpha 1/2 are half of plain cross-entropy."""
    found = value(losses_of(silent(), TWO, alpha=0.5, gamma=0.0), "cls")
    assert found == pytest.approx(46 * 0.5 * LN2 / 2)


def test_the_label_is_that_of_the_box() -> None:
    certain = torch.full((1, GRID.num_anchors, 3), -20.0)
    certain[0, FIRST, 2] = 20.0
    predictions = Predictions(ClassLogits(certain), torch.zeros(1, GRID.num_anchors, 4), None)
    assignment = assignment_of({FIRST: 0})
    right = losses_of(predictions, assignment, targets_of(label=2))
    wrong = losses_of(predictions, assignment, targets_of(label=0))
    assert value(right, "cls") < 1e-6
    assert value(wrong, "cls") == pytest.approx(0.75 * 20 + 0.25 * 20, rel=1e-4)


def test_class_loss_is_divided_by_the_number_of_images_if_that_is_larger() -> None:
    one_of_two = assignment_of({FIRST: 0}, {})
    found = value(losses_of(silent(2), one_of_two), "cls")
    assert found == pytest.approx((91 * 0.75 + 1 * 0.25) / 4 * LN2 / 2)


def test_ignored_anchors_leave_the_class_loss() -> None:
    ignoring = assignment_of({FIRST: 0, SECOND: 0, 0: IGNORE, 22: IGNORE})
    before, after = losses_of(silent(), TWO), losses_of(silent(), ignoring)
    assert value(before, "cls") - value(after, "cls") == pytest.approx(4 * 0.75 / 4 * LN2 / 2)
    assert value(after, "box") == value(before, "box")
    assert value(after, "iou") == value(before, "iou")
    predictions = silent()
    losses_of(predictions, ignoring)["cls"].backward()
    assert (predictions.cls.raw.grad[0, [0, 22]] == 0).all()
    assert (predictions.cls.raw.grad[0, 1] != 0).all()


@pytest.mark.parametrize("box_weighting", ["iou", "uniform"])
@pytest.mark.parametrize("with_boxes", [True, False])
def test_zero_positives_give_zeros_that_are_connected(
    box_weighting: BoxWeighting, with_boxes: bool
) -> None:
    nothing = Targets.from_lists([torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)])
    predictions = silent()
    losses = losses_of(
        predictions,
        assignment_of({}),
        targets_of() if with_boxes else nothing,
        box_weighting=box_weighting,
    )
    assert value(losses, "box") == 0
    assert value(losses, "iou") == 0
    assert value(losses, "cls") == pytest.approx(46 * 0.75 / 4 * LN2)
    (losses["box"] + losses["iou"]).backward()
    assert (predictions.box_deltas.grad == 0).all()
    assert (predictions.iou_logits.grad == 0).all()


def test_a_network_without_iou_branch_has_no_such_loss() -> None:
    assert set(losses_of(silent(iou_branch=False), TWO)) == {"cls", "box"}
    assert set(losses_of(silent(), TWO)) == {"cls", "box", "iou"}


def test_every_term_moves_its_own_branch_and_positives_only() -> None:
    predictions = silent()
    losses = losses_of(predictions, TWO, box_weighting="iou")
    losses["box"].backward(retain_graph=True)
    moved = predictions.box_deltas.grad.abs().sum(dim=2)[0] > 0
    assert moved.nonzero().flatten().tolist() == [FIRST, SECOND]
    assert predictions.iou_logits.grad is None
    assert predictions.cls.raw.grad is None
    predictions.box_deltas.grad = None
    losses["iou"].backward()
    assert predictions.box_deltas.grad is None  # the IoU is a target, no way to the boxes
    moved = predictions.iou_logits.grad[0] != 0
    assert moved.nonzero().flatten().tolist() == [FIRST, SECOND]


def test_the_iou_weight_takes_no_gradient() -> None:
    """The weighted loss has the gradient of a mean with fixed weights."""
    predictions = silent()
    losses_of(predictions, TWO, box_weighting="iou")["box"].backward()
    alone = []
    for anchor in (FIRST, SECOND):
        single = silent()
        losses_of(single, assignment_of({anchor: 0}))["box"].backward()
        alone.append(single.box_deltas.grad[0, anchor])
    found = predictions.box_deltas.grad[0]
    torch.testing.assert_close(found[FIRST], alone[0] * 0.5 / 0.625)
    torch.testing.assert_close(found[SECOND], alone[1] * 0.125 / 0.625)


def test_a_positive_without_overlap_keeps_a_trace_of_weight() -> None:
    """Its IoU, and so its weight, would be zero; like the reference we leave it 1e-12."""
    far = Targets.from_lists([torch.tensor([[900.0, 900.0, 950.0, 950.0]])], [torch.tensor([0])])
    predictions = silent()
    loss = losses_of(predictions, assignment_of({FIRST: 0}), far, box_weighting="iou")["box"]
    plain = losses_of(silent(), assignment_of({FIRST: 0}), far)["box"].item()
    share = 1e-12 / (1e-12 + torch.finfo(torch.float32).eps)
    assert loss.item() == pytest.approx(plain * share, rel=1e-4)
    loss.backward()
    assert predictions.box_deltas.grad[0, FIRST].abs().sum() > 0


def test_boxes_are_not_clipped() -> None:
    """Anchor and target agree outside the canvas as well."""
    anchor = Targets.from_lists([GRID.anchors[[FIRST]]], [torch.tensor([0])])
    assert value(losses_of(silent(), assignment_of({FIRST: 0}), anchor), "box") == 0


def test_half_precision_outputs_are_read_in_single() -> None:
    draw = torch.Generator().manual_seed(0)
    size = (1, GRID.num_anchors)
    raw = torch.randn(*size, 2, generator=draw).bfloat16()
    deltas, iou = torch.randn(*size, 4, generator=draw), torch.randn(size, generator=draw)
    half = Predictions(ClassLogits(raw), deltas.bfloat16(), iou.bfloat16())
    full = Predictions(ClassLogits(raw.float()), deltas.bfloat16().float(), iou.bfloat16().float())
    a, b = losses_of(half, TWO), losses_of(full, TWO)
    assert {k: value(a, k) for k in a} == {k: value(b, k) for k in b}


@pytest.mark.parametrize("box_weighting", ["iou", "uniform"])
def test_the_order_of_images_and_boxes_does_not_matter(box_weighting: BoxWeighting) -> None:
    draw = torch.Generator().manual_seed(1)
    size = (2, GRID.num_anchors)
    tensors = [
        torch.randn(*size, 3, generator=draw),
        torch.randn(*size, 4, generator=draw),
        torch.randn(size, generator=draw),
    ]
    corners = torch.rand(2, 3, 2, generator=draw) * 16
    boxes = torch.cat([corners, corners + 12], dim=2)
    labels = torch.randint(3, (2, 3), generator=draw)
    gt_index = torch.randint(-2, 3, size, generator=draw)

    def total(order: list[int], turn: list[int]) -> Tensor:
        cls, deltas, iou = (t[order] for t in tensors)
        place = torch.tensor(turn).argsort()
        moved = torch.where(gt_index >= 0, place[gt_index.clamp(min=0)], gt_index)
        return sum(
            losses_of(
                Predictions(ClassLogits(cls), deltas, iou),
                Assignment(moved[order]),
                Targets.from_lists(list(boxes[order][:, turn]), list(labels[order][:, turn])),
                box_weighting=box_weighting,
            ).values()
        )

    straight = total([0, 1], [0, 1, 2])
    torch.testing.assert_close(total([1, 0], [2, 0, 1]), straight)
